"""The pages that are made from the lesson modules: `make refresh` writes them, `stale` names those that are old."""

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from hfedu.course.exercises import exercises
from hfedu.course.notebooks import Lesson, lessons, source
from hfedu.course.plans import SIX_WEEKS, TWO_DAYS, Session, lessons_of, minutes
from hfedu.course.progress import PLACES, places

INTRODUCTION = (
    "Each exercise is judged by what the answer does. The wrong answers named here are tested: each is rejected with a "
    "sentence of its own.\n\nTo read a sentence: `hfedu.check(id, answer)`, with a wrong answer from "
    "`hfedu.course.exercises.exercise_named(id).wrong`."
)


IN_WEEKS = (
    "One meeting of 90 minutes a week. Everybody does *Predict* and *Run* together, *Investigate* and *Modify* in "
    "pairs; the exercises of *Make* that are not done in the meeting are homework. Collect the progress strings on the "
    "evening before the next one: their tables show where to begin."
)
IN_DAYS = (
    "Two days of six hours. Install on the evening before. There is no homework: plan half of each part for the "
    "exercises, and let those who are done early help with hints, not with solutions."
)


def terms(lesson: Lesson) -> dict[str, str]:
    """The terms that a lesson explains for the first time in the course: term -> definition."""
    return dict(lesson_module(lesson).TERMS)


def lesson_module(lesson: Lesson) -> ModuleType:
    """The module that a lesson's notebook draws on."""
    return import_module(f"hfedu.course.lessons.lesson{lesson.number}")


def glossary() -> str:
    """Every term of the course with its definition, and the lesson that explains it."""
    entries = {term: (text, lesson) for lesson in lessons() for term, text in terms(lesson).items()}
    lines = [
        f"- **{term}**: {text} [{lesson.number}]({lesson.path.name})"
        for term, (text, lesson) in sorted(entries.items(), key=lambda entry: entry[0].casefold())
    ]
    return "\n".join(
        [
            "# Glossary",
            "",
            "The terms of the course. The number after each leads to the lesson that explains it first.",
            "",
            *lines,
            "",
        ]
    )


def misconceptions() -> str:
    """For instructors: what each exercise asks, and the wrong answers that it tells apart."""
    lines = ["# Which exercise trains which misconception", "", INTRODUCTION]
    for lesson in lessons():
        mine = [exercise for exercise in exercises().values() if exercise.id.startswith(lesson.number)]
        if mine:
            lines += ["", f"## [{lesson.title}](../{lesson.path.name})", "", "| exercise | asks for | wrong answers |"]
            lines += ["| --- | --- | --- |"]
        for exercise in mine:
            lines.append(f"| `{exercise.id}` | {cell(exercise.task)} | {cell('; '.join(exercise.wrong))} |")
    return "\n".join([*lines, ""])


def plan(title: str, introduction: str, sessions: tuple[Session, ...]) -> str:
    """For instructors: which lessons to take when, with the minutes that the lessons themselves name."""
    lines = [
        f"# {title}",
        "",
        introduction,
        "",
        "| when | lessons | minutes | to discuss |",
        "| --- | --- | --- | --- |",
    ]
    for session in sessions:
        mine = lessons_of(session, sessions)
        links = "<br>".join(f"[{cell(lesson.title)}](../{lesson.path.name})" for lesson in mine)
        lines.append(f"| {session.when} | {links} | {sum(map(minutes, mine))} | {session.question} |")
    total = f"{sum(map(minutes, lessons()))} minutes in {len(lessons())} lessons, with {len(exercises())} exercises."
    return "\n".join([*lines, "", total, ""])


def readme(text: str) -> str:
    """README with the rows of its table of lessons as the lessons say."""
    links = {lesson: f"[`{lesson.path.stem}`](notebooks/{lesson.path.name})" for lesson in lessons()}
    rows = [f"| {link} | {minutes(lesson)} | {lesson_module(lesson).LEARN} |\n" for lesson, link in links.items()]
    return re.sub(r"(?:^\| \[`\d\d_.*\n)+", lambda _: "".join(rows), text, count=1, flags=re.MULTILINE)


def cell(text: str) -> str:
    """Text as it stands in a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def made() -> dict[Path, str]:
    """Each file that is made, and what it should hold."""
    folder = source()[0]
    return {
        folder / "glossary.md": glossary(),
        folder / "for_instructors" / "misconceptions.md": misconceptions(),
        folder / "for_instructors" / "six_weeks.md": plan("Six weeks", IN_WEEKS, SIX_WEEKS),
        folder / "for_instructors" / "two_days.md": plan("Two days", IN_DAYS, TWO_DAYS),
        folder.parent / "README.md": readme((folder.parent / "README.md").read_text("utf-8")),
        PLACES: "\n".join([*places(), ""]),
    }


def stale() -> list[str]:
    """A sentence for each made file that does not hold what it should."""
    old = (path for path, text in made().items() if not path.exists() or path.read_text("utf-8") != text)
    return [f"{path.name} is not what the lessons say: make refresh" for path in old]


def refresh() -> None:
    """Write them all."""
    for path, text in made().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
