"""The pages that are made from the lesson modules: `make refresh` writes them, `stale` names those that are old."""

from importlib import import_module
from pathlib import Path

from hfedu.course.exercises import exercises
from hfedu.course.notebooks import Lesson, lessons, source
from hfedu.course.progress import PLACES, places

INTRODUCTION = (
    "Each exercise is judged by what the answer does. The wrong answers named here are tested: each is rejected with a "
    "sentence of its own.\n\nTo read a sentence: `hfedu.check(id, answer)`, with the wrong answer's source from "
    "`hfedu.course.exercises.find(id).wrong`."
)


def terms(lesson: Lesson) -> dict[str, str]:
    """The terms that a lesson explains for the first time in the course: term -> definition."""
    return dict(import_module(f"hfedu.course.lesson{lesson.number}").TERMS)


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


def cell(text: str) -> str:
    """Text as it stands in a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def made() -> dict[Path, str]:
    """Each file that is made, and what it should hold."""
    folder = source()[0]
    return {
        folder / "glossary.md": glossary(),
        folder / "for_instructors" / "misconceptions.md": misconceptions(),
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
