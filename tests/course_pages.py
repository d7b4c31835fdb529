"""The pages that are made from the lesson modules: `make refresh` writes them, `stale` names those that are old."""

import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from hfedu.course.exercises import exercises
from hfedu.course.notebooks import Lesson, cell_text, lessons, source
from hfedu.course.progress import PLACES, places
from hfedu.errors import Mistake

INTRODUCTION = (
    "Each exercise is judged by what the answer does. The wrong answers named here are tested: each is rejected with a "
    "sentence of its own.\n\nTo read a sentence: `hfedu.check(id, answer)`, with a wrong answer from "
    "`hfedu.course.exercises.find(id).wrong`."
)


class Session(NamedTuple):
    """One meeting of a course."""

    when: str
    numbers: tuple[str, ...]
    question: str


SIX_WEEKS = (
    Session("week 1", ("00", "01", "02"), "Why can a guest not reach another guest's memory, and who enforces it?"),
    Session("week 2", ("03", "04"), "The primary decides who runs. What must the hypervisor tell it for that?"),
    Session("week 3", ("05", "06", "07"), "A mailbox holds one message. What would a queue cost, and give?"),
    Session("week 4", ("08", "09"), "What can two VMs say to each other now that they could not before the commit?"),
    Session("week 5", ("10", "11"), "Every field was under a lock. Why was it a race all the same?"),
    Session("week 6", ("12", "13", "14"), "Which of the fourteen defects would your own tests have found?"),
)
TWO_DAYS = (
    Session("day 1, morning", ("00", "01", "02", "03"), "What happens between two instructions of one guest?"),
    Session("day 1, afternoon", ("04", "05", "06", "07"), "Who has to act so that a refused sender can go on?"),
    Session("day 2, morning", ("08", "09", "10"), "What does “every order was tried” cover, and what not?"),
    Session("day 2, afternoon", ("11", "12", "13"), "What made the race invisible to every test of its day?"),
    Session("afterwards", ("14",), "What must a service survive that any VM may write to?"),
)
PLANS = {"SIX_WEEKS": SIX_WEEKS, "TWO_DAYS": TWO_DAYS}
"""Each lesson is in one session of each plan: `unplanned` says so."""
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
    return dict(import_module(f"hfedu.course.lessons.lesson{lesson.number}").TERMS)


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
    by_number = {lesson.number: lesson for lesson in lessons()}
    lines = [
        f"# {title}",
        "",
        introduction,
        "",
        "| when | lessons | minutes | to discuss |",
        "| --- | --- | --- | --- |",
    ]
    for session in sessions:
        mine = [by_number[number] for number in session.numbers if number in by_number]
        links = "<br>".join(f"[{cell(lesson.title)}](../{lesson.path.name})" for lesson in mine)
        lines.append(f"| {session.when} | {links} | {sum(map(minutes, mine))} | {session.question} |")
    total = f"{sum(map(minutes, lessons()))} minutes in {len(lessons())} lessons, with {len(exercises())} exercises."
    return "\n".join([*lines, "", total, ""])


def minutes(lesson: Lesson) -> int:
    """How long a lesson says it takes. `Mistake` if it does not say."""
    found = re.search(r"\*\*Time\.\*\*\s+(\d+)\s+minutes", cell_text(lesson.path))
    if found is None:
        raise Mistake(f"{lesson.path.name} does not say its time: write **Time.** 25 minutes, or what it is")
    return int(found[1])


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
        PLACES: "\n".join([*places(), ""]),
    }


def unplanned() -> list[str]:
    """Lessons that a plan for instructors has in no session, or in several, and lessons in it that are not there."""
    failures = []
    there = {lesson.number: lesson.path.name for lesson in lessons()}
    for name, sessions in PLANS.items():
        planned = [number for session in sessions for number in session.numbers]
        for number in sorted({*there, *planned}):
            times = planned.count(number)
            if number not in there:
                failures.append(f"{name} in course_pages.py has a session with lesson {number}, which is not there")
            elif times != 1:
                failures.append(f"{there[number]} is in {times} sessions of {name} in course_pages.py, not in one")
    return failures


def stale() -> list[str]:
    """A sentence for each made file that does not hold what it should."""
    old = (path for path, text in made().items() if not path.exists() or path.read_text("utf-8") != text)
    return [f"{path.name} is not what the lessons say: make refresh" for path in old]


def refresh() -> None:
    """Write them all."""
    for path, text in made().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
