"""Plans of a course: which lessons to take when, with the minutes that the lessons themselves name."""

import re
from typing import NamedTuple

from hfedu.course.notebooks import Lesson, cell_text, lessons
from hfedu.errors import Mistake


class Session(NamedTuple):
    """One meeting of a course: the lessons from `first` up to where the next one begins."""

    when: str
    first: str
    question: str


SIX_WEEKS = (
    Session("week 1", "00", "Why can a guest not reach another guest's memory, and who enforces it?"),
    Session("week 2", "03", "The primary decides who runs. What must the hypervisor tell it for that?"),
    Session("week 3", "05", "A mailbox holds one message. What would a queue cost, and give?"),
    Session("week 4", "08", "What can two VMs say to each other now that they could not before the commit?"),
    Session("week 5", "10", "Every field was under a lock. Why was it a race all the same?"),
    Session("week 6", "12", "Which of the fourteen defects would your own tests have found?"),
)
TWO_DAYS = (
    Session("day 1, morning", "00", "What happens between two instructions of one guest?"),
    Session("day 1, afternoon", "04", "Who has to act so that a refused sender can go on?"),
    Session("day 2, morning", "08", "What does “every order was tried” cover, and what not?"),
    Session("day 2, afternoon", "11", "What made the race invisible to every test of its day?"),
    Session("afterwards", "14", "What must a service survive that any VM may write to?"),
)
PLANS = {"six-weeks": SIX_WEEKS, "two-days": TWO_DAYS}


def lessons_of(session: Session, plan: tuple[Session, ...]) -> list[Lesson]:
    """The lessons of one session of a plan. So each lesson is in one session, and a new one in the last."""
    later = [other.first for other in plan if other.first > session.first]
    return [lesson for lesson in lessons() if session.first <= lesson.number < min(later, default="~")]


def minutes(lesson: Lesson) -> int:
    """How long a lesson says it takes. `Mistake` if it does not say."""
    found = re.search(r"\*\*Time\.\*\*\s+(\d+)\s+minutes", cell_text(lesson.path))
    if found is None:
        raise Mistake(f"{lesson.path.name} does not say its time: write **Time.** 25 minutes, or what it is")
    return int(found[1])


def plan_text(plan: tuple[Session, ...]) -> str:
    """A plan as text: a line for each session, with its minutes and what to discuss, and under it its lessons."""
    lines = []
    for session in plan:
        mine = lessons_of(session, plan)
        lines.append(f"{session.when}, {sum(map(minutes, mine))} minutes. {session.question}")
        lines += [f"  {lesson.title}, {minutes(lesson)} minutes" for lesson in mine]
    return "\n".join([*lines, f"{sum(map(minutes, lessons()))} minutes in {len(lessons())} lessons."])
