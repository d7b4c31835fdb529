"""Exercises: `check("07-second-send", answer)` judges an answer by what it does, `hint` and `solution` help.

An exercise is keyed by an id in code. Its solution and its wrong answers are kept with it, so that tests can show that
the one passes and each of the others fails for its reason.
"""

import html
import inspect
import os
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import hfedu.course.lessons
from hfedu.course.answers import shown_source, without_source
from hfedu.course.forms import Unfit, described
from hfedu.course.notebooks import lessons
from hfedu.course.record import RECORD, Standing
from hfedu.errors import Mistake, Trouble, explain_missing_names, missing_name, printable
from hfedu.guest.toolchain import assemble, compile_c
from hfedu.hf.load import cpio_files
from hfedu.notebook import Machine, Run
from hfedu.run.ramdisk import RamDisk, cpio_entry
from hfedu.widgets.comparison import beside

if TYPE_CHECKING:
    from hfedu.widgets.arrange import Arrange

if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) is not None:
    explain_missing_names(shell, hfedu.__all__)

LESSON_MODULES = sorted(
    module.name for module in iter_modules(hfedu.course.lessons.__path__) if module.name.startswith("lesson")
)
PACKAGE = str(Path(hfedu.__file__).parent)
PYTHON = sysconfig.get_path("stdlib")
CALLS_AN_ANSWER = ("called", "handed_back", "advance")
"""Functions of hfedu that call what a learner wrote: see `forms` and `hfedu.guest.scripted`."""
EVENT = re.compile(r"\bevent (\d+)", re.IGNORECASE)


class Wrong(Exception):
    """An answer does the wrong thing: a sentence that says what, the run that shows it, and a right one beside it.

    `at` is the event that shows it; None if it takes the whole run.
    """

    def __init__(self, sentence: str, run: Run | None = None, beside: Run | None = None, at: int | None = None) -> None:
        super().__init__(sentence)
        self.run, self.beside, self.at = run, beside, at


@dataclass(frozen=True)
class Varied:
    """What may be another one for each learner: `variant` makes it, and of such a one `seed` tells which it is."""

    id: str
    variant: Callable[[Any, Random], Any] | None = field(default=None, kw_only=True)
    seed: str = field(default="", kw_only=True)

    @property
    def seeded(self) -> str:
        """What follows in a call that asks for this variant."""
        return f", seed={self.seed!r}" if self.seed else ""


@dataclass(frozen=True, kw_only=True)
class Exercise(Varied):
    """One exercise. `judge` raises `Wrong` or returns the run that shows the right behaviour (None if there is none).

    `wants` says what kind of answer it takes, and `takes` gives an answer in the form that `judge` knows, or raises
    `Unfit`. `learned` is what one knows after it. `solution` is an answer; `wrong` maps a misconception to such an
    answer and a piece of the sentence it earns. Both are what a learner would pass to `check`: a function, a text in
    assembly or C, a list. An answer that is an order has `pieces`, in the order in which `arrange` shows them first.
    `remark` says what is not so good in an answer that is right, or nothing.
    """

    task: str
    wants: str
    takes: Callable[[Any], Any]
    judge: Callable[[Any], Run | None]
    learned: str
    hints: tuple[str, str, str]
    solution: Any
    wrong: dict[str, tuple[Any, str]]
    pieces: tuple[str, ...] = ()
    remark: Callable[[Any], str] = lambda answer: ""


class Help(NamedTuple):
    """What a verdict offers: texts that unfold, each with its summary, and a last line in HTML and as text."""

    folded: tuple[tuple[str, str], ...] = ()
    line: str = ""
    text: str = ""


NO_HELP = Help()


@dataclass(frozen=True)
class Verdict:
    """What `check` found: "not attempted", "wrong", "crashed" or "right", in a sentence. It is true if it is "right".

    `run` shows the behaviour, from event `at` on, `beside` a right one; that is made when somebody looks at it.
    `judged` is False where this computer, or hfedu, was in the way. `help` is what to do next.
    """

    exercise: str
    state: str
    sentence: str
    run: Run | None = None
    make_beside: Callable[[], Run | None] = field(default=lambda: None, compare=False)
    judged: bool = True
    at: int = 0
    help: Help = NO_HELP

    @cached_property
    def beside(self) -> Run | None:
        """The right run, for an answer whose run is wrong."""
        return self.make_beside()

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        said = f"{self.exercise}: {self.state}. {printable(self.sentence)}"
        return f"{said}\n{self.help.text}" if self.help.text else said

    def _repr_html_(self) -> str:
        sign = {"right": "✓", "wrong": "✗", "crashed": "!", "not attempted": "…"}[self.state]
        text = html.escape(printable(self.sentence))
        said = f'<p role="status"><b>{sign} {self.exercise}: {self.state}.</b> {text}</p>'
        for summary, shown in self.help.folded:
            said += f"<details><summary>{summary}</summary><pre>{html.escape(shown)}</pre></details>"
        return said + (f"<p>{self.help.line}</p>" if self.help.line else "")

    def _ipython_display_(self) -> None:
        """The sentence and the runs."""
        if self.run is None:
            raise NotImplementedError  # for IPython: show the sentence as it shows anything else
        from IPython.display import display

        display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)
        if self.beside is None:
            self.run._ipython_display_(self.at)
        else:
            display(beside(self.run, self.beside))


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by id."""
    modules = (import_module(f"hfedu.course.lessons.{name}") for name in LESSON_MODULES)
    return {exercise.id: exercise for module in modules for exercise in module.EXERCISES}


def exercise_named(exercise_id: str, seed: str | int | None = None) -> Exercise:
    """The exercise of that id, or its variant of a seed. `Mistake` names those there are."""
    if not isinstance(exercise_id, str) or exercise_id not in exercises():
        raise Mistake(f"there is no exercise {exercise_id!r}: there are {', '.join(exercises())}")
    return variant_of(exercises()[exercise_id], seed, exercises())


V = TypeVar("V", bound=Varied)


def variant_of(each: V, seed: str | int | None, there: Mapping[str, V]) -> V:
    """The variant of a seed, or without one the same. `Mistake` says which of those that are `there` have variants."""
    if seed is None:
        return each
    text = seed_text(seed)
    if each.variant is None:
        varied = ", ".join(name for name, other in there.items() if other.variant is not None)
        raise Mistake(f"{each.id} is the same for everybody: leave the seed out. There are variants of {varied}")
    another: V = each.variant(each, Random(f"{text}/{each.id}"))
    return replace(another, seed=text)


LONGEST_SEED = 200


def seed_text(seed: str | int) -> str:
    """A seed, however one spaces it and wherever one writes capitals. `Mistake` for what is none."""
    if not isinstance(seed, str | int) or isinstance(seed, bool):
        raise Mistake(f"a seed is a number or a text, such as your name, not {described(seed)}")
    text = " ".join(str(seed)[: 2 * LONGEST_SEED].encode("utf-8", "replace").decode().split()).casefold()
    if not text or len(text) > LONGEST_SEED:
        raise Mistake(f"a seed is a number, a name or any other text of 1 to {LONGEST_SEED} characters")
    return text


def check(exercise_id: str, answer: Any = None, seed: str | int | None = None) -> Verdict:
    """Judge an answer by what it does, and note the verdict for `progress`.

    With a seed, such as your name, the exercise is a variant of your own: without an answer this says which. Never
    raises for an answer, whatever it is; `Mistake` for an unknown id, and for a seed where there are no variants.
    """
    exercise = exercise_named(exercise_id, seed)
    if answer is None or answer is ...:
        return Verdict(exercise.id, "not attempted", f"Write your answer first: {exercise.task}")
    verdict = judge(exercise, answer)
    if not verdict.judged:
        return verdict
    RECORD.note(exercise.id, Standing.RIGHT if verdict else Standing.WRONG)
    if not verdict:
        MISSES[exercise.id] += 1
    return replace(verdict, help=what_is_next(exercise) if verdict else helps(exercise))


MISSES: Counter[str] = Counter()
"""How often an exercise was answered wrong in this kernel."""
HINTED: dict[str, set[int]] = {}
"""The hints that were asked for in this kernel, by exercise."""


def hints_had(exercise: Exercise) -> int:
    """How many hints were offered or asked for so far: after each wrong answer there is one more."""
    return min(max(MISSES[exercise.id], *HINTED.get(exercise.id, ()), 0), len(exercise.hints))


def helps(exercise: Exercise) -> Help:
    """After a wrong answer: the hints so far, folded, and after the third also the solution."""
    had = max(hints_had(exercise), 1)
    folded = [(f"Hint {number} of {len(exercise.hints)}", exercise.hints[number - 1]) for number in range(1, had + 1)]
    text = f'Help: print(hfedu.hint("{exercise.id}", {had}{exercise.seeded}))'
    if MISSES[exercise.id] >= len(exercise.hints) and not locked():
        folded.append(("A solution", shown_source(exercise.solution)))
        text += f', or print(hfedu.solution("{exercise.id}", show=True{exercise.seeded}))'
    return Help(tuple(folded), "", text)


def what_is_next(exercise: Exercise) -> Help:
    """After a right answer: what one knows now, and the next exercise that is not right yet, or the next lesson."""
    number = exercise.id[:2]
    standings = RECORD.standings()
    mine = [name for name in exercises() if name[:2] == number]
    later = mine[mine.index(exercise.id) + 1 :]
    left = [name for name in later if standings.get(name) is not Standing.RIGHT]
    following = next((lesson for lesson in lessons() if lesson.number > number), None)
    if left:
        line = text = f"Next here: exercise {left[0]}."
    elif following is not None:
        text = f"Next: {following.title}."
        line = f'Next: <a href="{following.path.name}">{html.escape(following.title)}</a>.'
    else:
        line = text = "That was the last lesson."
    learned = f"What you know now: {exercise.learned}"
    return Help((), f"{html.escape(learned)} {line}", f"{learned} {text}")


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on an answer that was attempted."""
    try:
        taken = exercise.takes(answer)
        run = exercise.judge(taken)
        said = " ".join(filter(None, ("It does what was asked.", exercise.remark(taken))))
        return Verdict(exercise.id, "right", said, run)
    except Unfit as unfit:
        sentence = f"This exercise wants {exercise.wants}, not {described(answer)}. {unfit}".rstrip()
        return Verdict(exercise.id, "wrong", sentence)
    except Trouble as trouble:
        return not_judged(exercise, trouble)
    except Wrong as wrong:
        if isinstance(wrong.__context__, Trouble):  # a judge took it for a mistake of the learner's
            return not_judged(exercise, wrong.__context__)
        return wrong_verdict(exercise, taken, wrong)
    except (Exception, SystemExit, GeneratorExit) as error:
        if not of_answer(error):
            return not_judged(exercise, f"hfedu's own check stopped with {told(error)}. Please report that")
        return Verdict(exercise.id, "crashed", f"Your answer raised {told(error)}")


def wrong_verdict(exercise: Exercise, answer: Any, wrong: Wrong) -> Verdict:
    """The verdict on an answer that does the wrong thing. Its run is shown at the event that it names."""
    run, right, named = wrong.run, wrong.beside, EVENT.search(str(wrong))
    last = len(run.events) - 1 if run is not None else 0
    at = int(named[1]) if named and wrong.at is None else wrong.at or 0
    return Verdict(
        exercise.id, "wrong", str(wrong), run, lambda: right or twin(exercise, answer, run), at=max(min(at, last), 0)
    )


def told(error: BaseException) -> str:
    """An error in a few words, and what to do about the most frequent ones."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, NameError) and error.name is not None:
        return f"{type(error).__name__}: {missing_name(error.name, hfedu.__all__)}"
    return f"{said}. Is there a yield before the call? count = yield vm_count()" if "'Action'" in str(error) else said


def of_answer(error: BaseException) -> bool:
    """Whether an error comes from the answer, and not from the judge: some function on the way is the learner's."""
    return isinstance(error, Mistake) or any(
        code.co_name in CALLS_AN_ANSWER or not code.co_filename.startswith((PACKAGE, PYTHON, "<frozen"))
        for traceback in chained(error)
        for code in (traceback.tb_frame.f_code,)
    )


def chained(error: BaseException | None) -> Iterator[TracebackType]:
    """All places that an error went through, and what led to it."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            yield traceback
            traceback = traceback.tb_next
        error = error.__cause__


def not_judged(exercise: Exercise, trouble: Trouble | str) -> Verdict:
    """The verdict where this computer, or hfedu itself, is in the way of a judgement. It is not noted."""
    return Verdict(exercise.id, "crashed", f"Your answer could not be judged: {trouble}", judged=False)


def twin(exercise: Exercise, answer: Any, run: Run | None) -> Run | None:
    """The same machine, in the same order, with the solution in the answer's place.

    None if the answer is no guest, or the same events happen.
    """
    disk = run.made.get("ramdisk") if run is not None else None
    if run is None or disk is None:
        return None
    right = without_source(exercise.solution)
    other = with_source(disk, answer, right) if isinstance(answer, str) else with_script(disk, answer, right)
    if other is None:
        return None
    recording = Machine(**run.made | {"ramdisk": other}).run()
    assert isinstance(recording, Run)
    return recording if beside(run, recording).apart is not None else None


def with_script(disk: RamDisk, answer: Any, right: Any) -> RamDisk | None:
    """The RAM disk with another script in the place of one; None if it is not there."""

    def is_it(guest: Any) -> bool:
        return answer in (guest, inspect.unwrap(guest)) or inspect.unwrap(guest) is inspect.unwrap(answer)

    if not any(is_it(guest) for guests in disk.scripts.values() for guest in guests):
        return None
    other = copy(disk)
    other.scripts = {
        name: tuple(right if is_it(guest) else guest for guest in guests) for name, guests in disk.scripts.items()
    }
    return other


def with_source(disk: RamDisk, answer: str, right: str) -> RamDisk | None:
    """The RAM disk with the image of another program in the place of one; None if it is not there."""
    make = compile_c if "guest_main" in right else assemble
    old, new, read = make(answer), make(right), lambda at, size: disk.image[at : at + size]
    files = [(file.name.decode(), read(file.begin, file.size)) for file in cpio_files(read, 0, len(disk.image))]
    if all(content != old for _, content in files):
        return None
    other = copy(disk)
    other.image = b"".join(cpio_entry(name, new if content == old else content) for name, content in files)
    return other


def arrange(exercise_id: str, seed: str | int | None = None) -> "Arrange":
    """The steps of an exercise whose answer is an order, to move up and down and to check; or of a variant of it."""
    exercise = exercise_named(exercise_id)
    if not exercise.pieces:
        there = ", ".join(other.id for other in exercises().values() if other.pieces)
        raise Mistake(f"the answer to {exercise_id} is no order of steps: arrange takes {there}")
    from hfedu.widgets.arrange import Arrange

    mine = exercise_named(exercise_id, seed)
    return Arrange(mine.id, mine.task, mine.pieces, partial(check, seed=seed), mine.seeded)


SOLUTIONS = "HFEDU_SOLUTIONS"
"""In the environment: "off" locks the solutions; a file of the name below, beside the lessons, does it too."""
LOCK = "hfedu-solutions-locked"
LOCKED = "your instructor has locked the solutions: the three hints say nearly as much"


def locked() -> bool:
    """Whether solutions are not to be shown here."""
    return os.environ.get(SOLUTIONS, "").casefold() in ("off", "0", "no", "locked") or os.path.lexists(LOCK)


TRY_FIRST = "Try the three hints first. To see a solution all the same"


def hint(exercise_id: str, number: int = 1, seed: str | int | None = None) -> str:
    """A hint: 1, 2 and 3 say more and more."""
    hints = exercise_named(exercise_id, seed).hints
    if number not in range(1, len(hints) + 1):
        raise Mistake(f"there is no hint {number!r} for {exercise_id}: ask for 1 to {len(hints)}")
    HINTED.setdefault(exercise_id, set()).add(number)
    return f"Hint {number} of {len(hints)}: {hints[number - 1]}"


def solution(exercise_id: str, show: bool = False, seed: str | int | None = None) -> str:
    """A solution, if you say that you want it. `Mistake` if the instructor has locked them."""
    exercise = exercise_named(exercise_id, seed)
    if locked():
        if show:
            raise Mistake(LOCKED)
        return LOCKED
    if not show:
        first = "To see a solution" if hints_had(exercise) == len(exercise.hints) else TRY_FIRST
        return f'{first}: print(solution("{exercise_id}", show=True{exercise.seeded}))'
    return shown_source(exercise.solution)
