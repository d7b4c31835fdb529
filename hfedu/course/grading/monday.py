"""A class of hand-ins, each in a process of its own, and what is kept so that an interrupted judgement can go on."""

import hashlib
import json
import os
import re
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import hfedu
from hfedu.course.exercises import exercise_named, exercises
from hfedu.course.grading.handins import HandIn, hand_ins
from hfedu.course.grading.judging import (
    SAID_WRONG,
    STATES,
    TIMED_OUT,
    TO_LOOK_AT,
    Judged,
    judge_hand_in,
    load_all,
    misconception,
)
from hfedu.errors import Mistake, printable
from hfedu.files import append_line, json_of, read_whole

HAND_IN_SECONDS = 600
"""For all answers of one hand-in; a single one that does not end takes half a minute."""
LONGEST_RESULT = 8 << 20
BETTER = {state: rank for rank, state in enumerate(STATES)}
"""Of two answers to one exercise the one with the smaller rank counts."""


class HandInResult(NamedTuple):
    """What became of one hand-in: its exercises, or a sentence that says why there are none."""

    learner: str
    file: str
    judged: tuple[Judged, ...]
    trouble: str = ""
    passing: bool = False
    """Whether it is this computer's trouble, so that another try may find something else."""


class Row(NamedTuple):
    """One learner: what counts of each exercise, predictions, the files, and what an instructor should know."""

    learner: str
    answers: dict[str, Judged]
    predicted: dict[str, Judged]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(each.state == STATES[0] for each in self.answers.values())


class ClassResult(NamedTuple):
    """A class: a row for each learner, the exercises of the lessons that were handed in, and what was missing here."""

    rows: tuple[Row, ...]
    exercises: tuple[str, ...]
    again: int
    """How many hand-ins had been judged before, and were not judged again."""


def grade_class(
    place: Path,
    lesson: str | None = None,
    learner: str | None = None,
    kept: Path | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> ClassResult:
    """Judge all hand-ins of a folder or an archive. `kept` is the file of what was judged before, and is added to.

    `Mistake` if there is nothing to judge, and where the system cannot copy a process.
    """
    if not hasattr(os, "fork"):
        raise Mistake("hfedu course grade needs Linux or macOS: on Windows run it in WSL")
    known_lessons = {name[:2] for name in exercises()}
    if lesson is not None and lesson not in known_lessons:
        raise Mistake(f"there is no lesson {lesson!r} with exercises: there are {', '.join(sorted(known_lessons))}")
    handed = hand_ins(place, learner)
    before = results_kept(kept)
    found: dict[int, HandInResult] = {}
    digests: dict[int, str] = {}
    todo = []
    for number, each in enumerate(handed):
        digests[number] = digest_of(each, lesson)
        if digests[number] in before:
            judged, trouble = before[digests[number]]
            found[number] = HandInResult(each.learner, each.file, judged, trouble)
        else:
            todo.append(number)
    again = len(found)
    progress(again, len(handed))
    if todo:
        load_all()
    for number, result in judged_in_turn(handed, todo, lesson):
        found[number] = result
        keep(kept, digests[number], result)
        progress(len(found), len(handed))
    return summed([found[number] for number in sorted(found)], again)


def digest_of(handed: HandIn, lesson: str | None) -> str:
    """What a hand-in's judgement depends on: its content, which lesson is asked, and hfedu. Empty if unreadable."""
    if handed.read is None:
        return ""
    try:
        content = handed.read()
    except OSError:
        return ""
    return hashlib.sha256(content + f"{lesson} {judges()}".encode()).hexdigest()


@cache
def judges() -> str:
    """A digest of hfedu's own code: other judges, other judgements."""
    total = hashlib.sha256()
    for path in sorted(Path(hfedu.__file__).parent.rglob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def judged_in_turn(handed: Sequence[HandIn], todo: Sequence[int], lesson: str | None) -> Any:
    """Each hand-in's number and result, as they come, as many at a time as there are CPUs."""
    waiting = list(reversed(todo))
    running: dict[int, tuple[int, int, bytearray, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                number = waiting.pop()
                try:
                    running[number] = begun(handed[number], lesson)
                except OSError as error:  # no process, or no file, is left: when another has ended there is
                    if running:
                        waiting.append(number)
                        break
                    yield number, HandInResult(*handed[number][:2], (), no_means(error), True)
            select.select([reading for _, reading, _, _ in running.values()], [], [], 1)
            for number, (process, reading, held, end) in list(running.items()):
                ended = take(reading, held)
                if ended or time.monotonic() > end or len(held) > LONGEST_RESULT:
                    stop(process, reading)
                    del running[number]
                    yield number, result_of_bytes(handed[number], bytes(held), ended)
    finally:
        for process, reading, _, _ in running.values():
            stop(process, reading)


def begun(handed: HandIn, lesson: str | None) -> tuple[int, int, bytearray, float]:
    """Start to judge a hand-in: the process, where its result comes, what has come, and when it has to be done."""
    reading, writing = os.pipe()
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if not process:
        try:
            os.close(reading)
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends those it has started
            text = json.dumps(judge_one_file(handed, lesson)).encode()
            with open(writing, "wb") as file:
                file.write(text)
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    return process, reading, bytearray(), time.monotonic() + HAND_IN_SECONDS


def judge_one_file(handed: HandIn, lesson: str | None) -> dict[str, Any]:
    """Read and judge a hand-in: its exercises, or the sentence that says why there are none."""
    if handed.read is None:
        return {"trouble": "no notebook was handed in"}
    try:
        content = handed.read()
    except OSError as error:
        return {"trouble": f"it cannot be read: {error.strerror or error}"}
    try:
        return {"judged": [list(each) for each in judge_hand_in(content, lesson)]}
    except Mistake as mistake:
        return {"trouble": str(mistake)}
    except RecursionError:
        return {"trouble": "it is nested too deeply to be read"}
    except (MemoryError, OSError) as error:
        return {"trouble": no_means(error), "passing": True}


def no_means(error: BaseException) -> str:
    """What to say where this computer has no memory, process or file left."""
    return f"this computer could not judge it ({getattr(error, 'strerror', None) or 'short of memory'}): grade it again"


def take(reading: int, held: bytearray) -> bool:
    """Take what has come. Whether that was all."""
    with suppress(BlockingIOError):
        while some := os.read(reading, 1 << 20):
            held += some
        return True
    return False


def stop(process: int, reading: int) -> None:
    """End the process of a hand-in, which ends those that it has started."""
    os.close(reading)
    with suppress(OSError):
        os.kill(process, signal.SIGTERM)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with suppress(ChildProcessError):
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
                continue
        return
    with suppress(OSError):
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def result_of_bytes(handed: HandIn, content: bytes, ended: bool) -> HandInResult:
    """What the process of a hand-in has found, with the misconceptions named."""
    try:
        held = json_of(content)
        judged = tuple(with_misconception(Judged(*each)) for each in held.get("judged", ()))
        trouble = printable(held.get("trouble", ""))
        return HandInResult(handed.learner, handed.file, judged, trouble, held.get("passing", False))
    except (ValueError, TypeError, AttributeError):
        said = "it ended the process that judged it" if ended else f"it was not judged within {HAND_IN_SECONDS} seconds"
        return HandInResult(handed.learner, handed.file, (), f"{said}: look at it, or grade again", True)


def with_misconception(judged: Judged) -> Judged:
    """A wrong answer with its misconception."""
    if judged.state != SAID_WRONG or judged.exercise not in exercises():
        return judged
    exercise = exercise_named(judged.exercise, judged.seed or None)
    return judged._replace(misconception=misconception(exercise, judged.sentence))


def results_kept(path: Path | None) -> dict[str, tuple[tuple[Judged, ...], str]]:
    """What was judged before, by digest. What cannot be read counts as nothing."""
    try:
        lines = read_whole(path).splitlines() if path is not None else []
    except OSError:
        return {}
    kept = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError):
            held = json_of(line)
            kept[held["digest"]] = tuple(Judged(*each) for each in held["judged"]), str(held["trouble"])
    return kept


def keep(path: Path | None, digest: str, result: HandInResult) -> None:
    """Keep a result, if another try would find the same."""
    passing_states = {TIMED_OUT, TO_LOOK_AT}
    if path is None or not digest or result.passing or any(each.state in passing_states for each in result.judged):
        return
    line = {"digest": digest, "judged": [list(each) for each in result.judged], "trouble": result.trouble}
    try:
        append_line(path, json.dumps(line) + "\n")
    except OSError as error:
        raise Mistake(f"cannot write {path}: {error.strerror}; name another file with --keep") from None


def same_person(seed: str, learner: str) -> bool:
    """Whether a seed is a learner's name, however a platform writes it. Example: "ada king" and "kingada"."""
    one, other = (re.findall(r"\w+", text.casefold().replace("_", " ")) for text in (seed, learner))
    return all(word in "".join(other) for word in one) or all(word in "".join(one) for word in other)


def summed(results: Sequence[HandInResult], again: int) -> ClassResult:
    """The rows of a class. Of two notebooks of one learner the better answer to each exercise counts."""
    by_learner: dict[str, list[HandInResult]] = {}
    for result in results:
        by_learner.setdefault(result.learner, []).append(result)
    rows = []
    for learner, mine in by_learner.items():
        answers: dict[str, Judged] = {}
        predicted: dict[str, Judged] = {}
        notes = [f"{each.file}: {each.trouble}." for each in mine if each.trouble]
        for each in (judged for result in mine for judged in result.judged):
            into = answers if each.exercise in exercises() else predicted
            if each.exercise not in into or BETTER[each.state] < BETTER[into[each.exercise].state]:
                into[each.exercise] = each
        lessons = [
            {judged.exercise[:2] for judged in result.judged if judged.exercise in exercises()} for result in mine
        ]
        twice = sorted(set[str]().union(*(one & other for at, one in enumerate(lessons) for other in lessons[:at])))
        if twice:
            notes.append(f"More than one notebook of lesson {', '.join(twice)}: the better answer of each counts.")
        notes += [f"{each.exercise}: {each.note}." for each in answers.values() if each.note]
        foreign = sorted({each.seed for each in answers.values() if each.seed and not same_person(each.seed, learner)})
        notes += [f"Its variants are those of another seed than the learner's name: {', '.join(foreign)}."] * bool(
            foreign
        )
        rows.append(Row(learner, answers, predicted, tuple(each.file for each in mine), tuple(notes)))
    asked = {name for row in rows for name in row.answers}
    return ClassResult(tuple(rows), tuple(name for name in exercises() if name in asked), again)
