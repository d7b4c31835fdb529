"""Exercises: `check("07-second-send", answer)` judges an answer by what it does, `hint` and `solution` help.

An exercise is keyed by an id in code. Its solution and its wrong answers are kept with it, so that tests can show that
the one passes and each of the others fails for its reason.
"""

import html
import inspect
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import hfedu.course.lessons
from hfedu.course.answers import shown_source, without_source
from hfedu.course.record import RECORD, Standing
from hfedu.errors import Mistake, Trouble, explain_missing_names, plainly, printable
from hfedu.guest.toolchain import assemble, compile_c
from hfedu.hf.load import cpio_files
from hfedu.notebook import Machine, Run
from hfedu.run.ramdisk import RamDisk, cpio_entry
from hfedu.widgets.comparison import beside

if TYPE_CHECKING:
    from hfedu.widgets.arrange import Arrange

if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) is not None:
    explain_missing_names(shell)

LESSON_MODULES = sorted(
    module.name for module in iter_modules(hfedu.course.lessons.__path__) if module.name.startswith("lesson")
)


class Wrong(Exception):
    """An answer does the wrong thing: a sentence that says what, the run that shows it, and a right one beside it.

    `at` is the event that shows it; None if it takes the whole run.
    """

    def __init__(self, sentence: str, run: Run | None = None, beside: Run | None = None, at: int | None = None) -> None:
        super().__init__(sentence)
        self.run, self.beside, self.at = run, beside, at


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise. `judge` raises `Wrong` or returns the run that shows the right behaviour (None if there is none).

    `wants` says what kind of answer it takes. `solution` is an answer; `wrong` maps a misconception to such an answer
    and a piece of the sentence it earns. Both are what a learner would pass to `check`: a function, a text in assembly
    or C, a list. An answer that is an order has `pieces`, in the order in which `arrange` shows them first.
    """

    id: str
    task: str
    wants: str
    accepts: Callable[[Any], bool]
    judge: Callable[[Any], Run | None]
    hints: tuple[str, str, str]
    solution: Any
    wrong: dict[str, tuple[Any, str]]
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What `check` found: "not attempted", "wrong", "crashed" or "right", in a sentence.

    `run` shows the behaviour, `beside` a right one; that is made when somebody looks at it. `judged` is False where
    this computer was in the way.
    """

    exercise: str
    state: str
    sentence: str
    run: Run | None = None
    make_beside: Callable[[], Run | None] = field(default=lambda: None, compare=False)
    judged: bool = True

    @cached_property
    def beside(self) -> Run | None:
        """The right run, for an answer whose run is wrong."""
        return self.make_beside()

    def __repr__(self) -> str:
        return f"{self.exercise}: {self.state}. {printable(self.sentence)}"

    def _repr_html_(self) -> str:
        sign = {"right": "✓", "wrong": "✗", "crashed": "!", "not attempted": "…"}[self.state]
        text = html.escape(printable(self.sentence))
        return f'<p role="status"><b>{sign} {self.exercise}: {self.state}.</b> {text}</p>'

    def _ipython_display_(self) -> None:
        """The sentence and the runs."""
        if self.run is None:
            raise NotImplementedError  # for IPython: show the sentence as it shows anything else
        from IPython.display import display

        display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)
        display(self.run if self.beside is None else beside(self.run, self.beside))


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by id."""
    modules = (import_module(f"hfedu.course.lessons.{name}") for name in LESSON_MODULES)
    return {exercise.id: exercise for module in modules for exercise in module.EXERCISES}


def find(exercise_id: str) -> Exercise:
    """The exercise of that id. `Mistake` names those there are."""
    if not isinstance(exercise_id, str) or exercise_id not in exercises():
        raise Mistake(f"there is no exercise {exercise_id!r}: there are {', '.join(exercises())}")
    return exercises()[exercise_id]


@plainly
def check(exercise_id: str, answer: Any = None) -> Verdict:
    """Judge an answer by what it does, and note the verdict for `progress`.

    Never raises for an answer, whatever it is; `Mistake` for an unknown id.
    """
    exercise = find(exercise_id)
    if answer is None or answer is ...:
        return Verdict(exercise.id, "not attempted", f"Write your answer first: {exercise.task}")
    verdict = judge(exercise, answer)
    if verdict.judged:
        RECORD.note(exercise.id, Standing.RIGHT if verdict.state == "right" else Standing.WRONG)
    return verdict


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on an answer that was attempted."""
    if not exercise.accepts(answer):
        what = type(answer).__name__
        article = "" if what == "bytes" else "an " if what[0] in "aeiou" else "a "
        sentence = f"This exercise wants {exercise.wants}, not {article}{what}."
        if inspect.isfunction(answer) and "script" in exercise.wants:
            sentence += " There is no yield in it, and a call that is not yielded is not made: yield vcpu_run(1)."
        return Verdict(exercise.id, "wrong", sentence)
    try:
        run = exercise.judge(answer)
    except Trouble as trouble:
        return not_judged(exercise, trouble)
    except Wrong as wrong:
        if isinstance(wrong.__context__, Trouble):  # a judge took it for a mistake of the learner's
            return not_judged(exercise, wrong.__context__)
        run, right = wrong.run, wrong.beside
        return Verdict(exercise.id, "wrong", str(wrong), run, lambda: right or twin(exercise, answer, run))
    except (Exception, SystemExit, GeneratorExit) as error:
        said = f"Your answer raised {type(error).__name__}: {error}"
        if "'Action'" in str(error):
            said += ". Is there a yield before the call? count = yield vm_count()"
        return Verdict(exercise.id, "crashed", said)
    return Verdict(exercise.id, "right", "It does what was asked.", run)


def not_judged(exercise: Exercise, trouble: Trouble) -> Verdict:
    """The verdict where this computer is in the way of a judgement. It is not noted."""
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
        return inspect.unwrap(guest) is answer

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


@plainly
def arrange(exercise_id: str) -> "Arrange":
    """The steps of an exercise whose answer is an order, to move up and down and to check."""
    exercise = find(exercise_id)
    if not exercise.pieces:
        there = ", ".join(other.id for other in exercises().values() if other.pieces)
        raise Mistake(f"the answer to {exercise_id} is no order of steps: arrange takes {there}")
    from hfedu.widgets.arrange import Arrange

    return Arrange(exercise.id, exercise.task, exercise.pieces, check)


@plainly
def hint(exercise_id: str, number: int = 1) -> str:
    """A hint: 1, 2 and 3 say more and more."""
    hints = find(exercise_id).hints
    if number not in range(1, len(hints) + 1):
        raise Mistake(f"there is no hint {number!r} for {exercise_id}: ask for 1 to {len(hints)}")
    return f"Hint {number} of {len(hints)}: {hints[number - 1]}"


@plainly
def solution(exercise_id: str, show: bool = False) -> str:
    """A solution, if you say that you want it."""
    exercise = find(exercise_id)
    if not show:
        return f'Try the three hints first. To see a solution all the same: print(solution("{exercise_id}", show=True))'
    return shown_source(exercise.solution)
