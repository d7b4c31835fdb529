"""One hand-in, judged: its cells run in one locked process, and each answer is judged in another.

What the first process says is taken for answers and nothing else. It can lie about them, and then it is judged for its
lies. What the second one says is a verdict: there only the source of the answer runs, behind `gate`.
"""

import gc
import io
import json
import os
import re
import select
import signal
import sys
import tempfile
import time
import tokenize
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from inspect import isgeneratorfunction
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import hfedu
from hfedu.course import exercises as course
from hfedu.course.answers import is_defined, shown_source
from hfedu.course.exercises import Exercise, Verdict, exercise_named, exercises, seed_text
from hfedu.course.grading import jail
from hfedu.course.grading.captured import Packer, Unpacked, Unpacker, Unsourced, cell_name
from hfedu.course.grading.gate import Barred
from hfedu.course.grading.handins import LONGEST_NOTEBOOK
from hfedu.course.predictions import grade, prediction_named, predictions
from hfedu.course.progress import places
from hfedu.errors import Mistake, Trouble, printable
from hfedu.files import json_of
from hfedu.guest import toolchain

RIGHT, SAID_WRONG, MISSING, CRASHED = "right", "wrong", "not attempted", "crashed"
TIMED_OUT, TO_LOOK_AT = "timed out", "not judged"
STATES = (RIGHT, SAID_WRONG, CRASHED, TIMED_OUT, TO_LOOK_AT, MISSING)
"""What can become of an answer. What is not judged a person has to look at, or this computer was in the way."""
SHORT = "This computer is short of memory: grade it again when there is more."
CELL_SECONDS, NOTEBOOK_SECONDS, ANSWER_SECONDS = 15, 60, 30
CPU_MORE = 10
"""Seconds of CPU beyond those of the clock, after which the system ends a locked process."""
CELLS_AT_MOST = 2_000
MESSAGES_AT_MOST = 64 << 20
"""Bytes that a locked process may say."""
FOLDER_AT_MOST = 64 << 20
"""Bytes of files in its folder."""
POLL = 0.05
LONGEST_SAID = 600
COPIED_FROM = 60
"""Tokens of code from which on nobody writes word for word what another wrote."""
FLAG = re.compile(r"-(?:O\w?|g|D\w+(?:=\w+)?|U\w+|W[\w-]*|std=\w+|f[\w=,-]+)")
"""What an answer may tell the compiler."""


class Judged(NamedTuple):
    """What became of one exercise, or one prediction, in a hand-in."""

    exercise: str
    state: str
    sentence: str
    misconception: str = ""
    note: str = ""
    seed: str = ""
    """Of the variant that the notebook asks for; empty for the exercise that is the same for everybody."""


class Book(NamedTuple):
    """What matters of a notebook: the source of its cells of code."""

    cells: list[str]


class Ended(NamedTuple):
    """How a locked process ended: what it said, and a sentence if it did not end by itself.

    `short` is whether this computer had too little memory for it, so that a failure may not be its fault.
    """

    said: list[dict[str, Any]]
    state: str
    sentence: str
    short: bool = False


def book_of(content: bytes) -> Book:
    """The notebook in a file. `Mistake` if there is none."""
    if not content.strip():
        raise Mistake("the file is empty")
    if len(content) > LONGEST_NOTEBOOK:
        raise Mistake("it is too long for a notebook")
    try:
        held = json_of(content)
    except ValueError:
        raise Mistake("the file is no notebook, or is damaged: it holds no JSON") from None
    cells = held.get("cells") if isinstance(held, dict) else None
    if isinstance(held, dict) and "worksheets" in held:
        raise Mistake("the notebook has the form of 2014: open and save it in JupyterLab")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Mistake("the file is no notebook: it has no cells")
    if len(cells) > CELLS_AT_MOST:
        raise Mistake(f"the notebook has more than {CELLS_AT_MOST:,} cells")
    code = [cell.get("source", "") for cell in cells if cell.get("cell_type") == "code"]
    if not all(isinstance(text, str) or all(isinstance(line, str) for line in as_list(text)) for text in code):
        raise Mistake("the file is no notebook: a cell's source is no text")
    return Book([plain_python(text if isinstance(text, str) else "".join(text)) for text in code])


def as_list(value: Any) -> list[Any]:
    """A list as it is, and for anything else one that holds no text."""
    return value if isinstance(value, list) else [None]


def plain_python(text: str) -> str:
    """A cell's Python without what only IPython understands (%, !, ?)."""
    text = text.encode("utf-8", "replace").decode().replace("\0", "?")
    if not re.search(r"^[ \t]*[%!?]|[?][ \t]*$|=[ \t]*[%!]", text, re.MULTILINE):
        return text
    try:
        from IPython.core.inputtransformer2 import TransformerManager

        return str(TransformerManager().transform_cell(text))
    except Exception:  # what it cannot read is no Python either, and Python will say so
        return text


def ids_in(book: Book) -> list[str]:
    """The exercises that a notebook asks for, in their order in the course."""
    code = "\n".join(book.cells)
    return [name for name in exercises() if f'"{name}"' in code or f"'{name}'" in code]


def judge_hand_in(content: bytes, lesson: str | None = None) -> list[Judged]:
    """All exercises of the lessons of a hand-in, and the predictions made in it from code.

    `Mistake` if it is no notebook, or asks for no exercise, or none of that lesson.
    """
    book = book_of(content)
    asked = [name for name in ids_in(book) if lesson is None or name.startswith(f"{lesson}-")]
    if not asked:
        which = f" of lesson {lesson}" if lesson else " of hfedu"
        raise Mistake(f"it asks for no exercise{which}: it is another notebook, or its cells of exercises are gone")
    numbers = {name[:2] for name in asked}
    mine = [name for name in exercises() if name[:2] in numbers]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ran = in_jail(lambda say: run_cells(book, say), NOTEBOOK_SECONDS, Path(folder))
    answers, formed, failed = {}, {}, {}
    for message in ran.said:
        if message.get("exercise") in mine:
            answers[message["exercise"]] = message.get("packed"), message.get("seed")
        elif message.get("prediction") in predictions():
            formed[message["prediction"]] = message.get("chosen"), message.get("seed")
        elif isinstance(message.get("cell"), int):
            failed[message["cell"]] = message
    judged = [
        judge_one(name, book, *answers[name]) if name in answers else unseen(name, book, failed, ran) for name in mine
    ]
    made = [judge_prediction(name, *each) for name, each in formed.items() if name[:2] in numbers]
    return [*judged, *(each for each in made if each is not None)]


def unseen(name: str, book: Book, failed: dict[int, dict[str, Any]], ran: Ended) -> Judged:
    """What to say of an exercise for which no answer came: there is none, or its cell did not get so far."""
    exercise = exercises()[name]
    places = [number for number, text in enumerate(book.cells) if re.search(rf"check\(\s*['\"]{name}['\"]", text)]
    error = next((failed[number] for number in places if number in failed), None)
    if error is not None:
        if error.get("short"):
            return Judged(name, TO_LOOK_AT, SHORT)
        state = TIMED_OUT if error.get("late") else CRASHED
        return Judged(name, state, printable(f"Its cell {error.get('error')}")[:LONGEST_SAID])
    if places and (ran.state or not any(message.get("done") for message in ran.said)):
        if ran.short:
            return Judged(name, TO_LOOK_AT, SHORT)
        return Judged(name, ran.state or CRASHED, ran.sentence or "A cell above ended the process in which it ran.")
    if not places and exercise.pieces:
        said = f'Its order is in the form, not in the notebook: ask for check("{name}", [the steps in order]).'
        return Judged(name, MISSING, said)
    return Judged(name, MISSING, "There is no answer.")


def judge_one(name: str, book: Book, packed: Any, seed: Any) -> Judged:
    """One answer, judged in a process of its own, to the exercise itself or to the variant of a seed."""
    try:
        exercise = exercise_named(name, seed)
    except Mistake as mistake:
        return Judged(name, CRASHED, str(mistake))
    return judge_in_jail(exercise, book, packed)._replace(seed=exercise.seed)


def judge_in_jail(exercise: Exercise, book: Book, packed: Any) -> Judged:
    """One answer to an exercise, judged in a process of its own."""
    name = exercise.id
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ended = in_jail(lambda say: judge_packed(exercise, book, packed, say), ANSWER_SECONDS, Path(folder))
    verdict = ended.said[-1] if ended.said else {}
    failed = verdict.get("state") == CRASHED or "MemoryError" in str(verdict.get("sentence"))
    if ended.short or (failed and verdict.get("short")):
        return Judged(name, TO_LOOK_AT, SHORT)
    if verdict.get("state") in STATES and not ended.state:
        said = printable(str(verdict.get("sentence", "")))[:LONGEST_SAID]
        copied = verdict["state"] == RIGHT and is_copy(exercise, str(verdict.get("text", "")))
        note = "word for word hfedu's own solution" if copied else ""
        return Judged(name, verdict["state"], said, note=note)
    return Judged(name, ended.state or CRASHED, ended.sentence or "Your answer ended the process that judged it.")


def judge_prediction(name: str, chosen: Any, seed: Any) -> Judged | None:
    """A prediction, or its variant of a seed, that was made from code; None if it chooses what there is not."""
    try:
        prediction = prediction_named(name, seed)
    except Mistake:
        return None
    options = [question.options for question in prediction.questions]
    if not isinstance(chosen, list) or len(chosen) != len(options):
        return None
    if not all(isinstance(each, str) and each in some for each, some in zip(chosen, options, strict=True)):
        return None
    _, marks = grade(prediction, chosen)
    right = sum(mark.right for mark in marks)
    missed = next((mark.question.text for mark in marks if not mark.right), "")
    said = f"{right} of {len(marks)} as predicted." + (f" The first miss: {missed}" if missed else "")
    return Judged(name, RIGHT if right == len(marks) else SAID_WRONG, said, seed=prediction.seed)


# What runs in the locked process of a notebook.


def run_cells(book: Book, say: Callable[[dict[str, Any]], None]) -> None:
    """Run the cells of a notebook from top to bottom, and say each answer that it asks to be checked."""
    names: dict[str, Any] = {"__name__": "__main__", "get_ipython": NoShell}

    def capture(exercise_id: str, answer: Any = None, seed: str | int | None = None) -> Verdict:
        exercise = course.exercise_named(exercise_id)
        seed = seed if seed is None else seed_text(seed)
        if answer is None or answer is ...:
            return Verdict(exercise.id, MISSING, "It is judged later.")
        say({"exercise": exercise.id, "packed": Packer(book.cells, names).packed(answer), "seed": seed})
        return Verdict(exercise.id, RIGHT, "It is judged later.")

    def commit(form: Any) -> None:
        chosen, made = [choice.value for choice in form.choices], form.prediction
        say({"prediction": made.id, "chosen": chosen, "seed": made.seed or None})

    course.check = hfedu.check = capture
    course.hint = hfedu.hint = unseeded(course.hint, 2)
    course.solution = hfedu.solution = unseeded(course.solution, 2)
    course.arrange = hfedu.arrange = unseeded(course.arrange, 1)
    if (forms := sys.modules.get("hfedu.course.predict_form")) is not None:
        forms.Predict.commit = commit
    forget_solutions()
    for number, text in enumerate(book.cells):
        try:
            run_cell(number, text, names)
        except CellLate:
            say({"cell": number, "error": f"did not end within {CELL_SECONDS} seconds.", "late": True})
        except BaseException as error:
            say({"cell": number, "error": f"raised {type(error).__name__}: {error}"[:LONGEST_SAID]})
    say({"done": True})


def unseeded(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function that makes nothing of the seed that it takes in a place: there are no variants here to help with."""
    return lambda *given, seed=None, **options: function(*given[:place], **options)


class CellLate(BaseException):
    """A cell takes too long."""


class NoShell:
    """What `get_ipython()` gives: nothing happens."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def run_cell(number: int, text: str, names: dict[str, Any]) -> None:
    """Run one cell for as long as a cell may take."""

    def late(*_: object) -> None:
        raise CellLate

    signal.signal(signal.SIGALRM, late)
    signal.alarm(CELL_SECONDS)
    try:
        exec(compile(text, cell_name(number), "exec", dont_inherit=True), names)
    finally:
        signal.alarm(0)


def forget_solutions() -> None:
    """Take the solutions out of this process: an answer that is read there is none."""
    for exercise in exercises().values():
        module = sys.modules[f"hfedu.course.lessons.lesson{exercise.id[:2]}"]
        held = [exercise.solution, *(answer for answer, _ in exercise.wrong.values())]
        for name, value in list(vars(module).items()):
            if not callable(value) and any(value is each for each in held):
                delattr(module, name)
        object.__setattr__(exercise, "solution", None)
        object.__setattr__(exercise, "wrong", {})
        object.__setattr__(exercise, "variant", None)
    gc.collect()  # what is in a ring, such as a class, would still be found by gc.get_objects()


# What runs in the locked process of a judge.


def judge_packed(exercise: Exercise, book: Book, packed: Any, say: Callable[[dict[str, Any]], None]) -> None:
    """Judge one answer and say the verdict."""
    sys.stdout = io.StringIO()
    try:
        unpacked = Unpacker(book.cells, packed).unpacked()
    except Barred as unfit:
        say({"state": TO_LOOK_AT, "sentence": f"It uses {unfit}, with which no answer is judged: look at it."})
        return
    except Unsourced as lost:
        say({"state": TO_LOOK_AT, "sentence": f"It is {lost}: there is no source to judge. Look at it."})
        return
    except Exception as error:  # what a definition does when it is made, or what no Packer made
        say({"state": CRASHED, "sentence": f"Your answer raised {type(error).__name__}: {error}"})
        return
    verdict = course.judge(exercise, unpacked.answer)
    say(verdict_said(verdict, unpacked))


def verdict_said(verdict: Verdict, unpacked: Unpacked) -> dict[str, Any]:
    """A verdict as it is said."""
    state, said = verdict.state, verdict.sentence
    refused = re.search(r"\bUnfit: (.*)", said)
    if not verdict.judged:
        state = TO_LOOK_AT
    elif refused:
        state, said = TO_LOOK_AT, f"It uses {refused[1]}, with which no answer is judged: look at it."
    elif state == CRASHED and unpacked.lost and "NameError" in said:
        state, said = TO_LOOK_AT, f"It needs {', '.join(unpacked.lost)}, which only its notebook has: look at it."
    text = unpacked.answer if isinstance(unpacked.answer, str) else unpacked.text
    return {"state": state, "sentence": said, "text": text}


def is_copy(exercise: Exercise, text: str) -> bool:
    """Whether an answer's text is the printed solution, and long enough for that to be no accident."""
    if isinstance(exercise.solution, str):
        words = exercise.solution.split()
        return text.split() == words and len(words) > COPIED_FROM
    if not is_defined(exercise.solution):
        return False
    mine_words, shown_words = words_of(text), words_of(shown_source(exercise.solution))
    return len(mine_words) > COPIED_FROM and shown_words[-len(mine_words) :] == mine_words


def words_of(text: str) -> list[str]:
    """The words of Python source, without its comments and line ends, from the first definition on."""
    words = []
    with suppress(tokenize.TokenError, IndentationError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT and token.string.strip():
                words.append(token.string)
    starts = [words.index(word) for word in ("def", "class") if word in words]
    words = words[min(starts) :] if starts else words
    return [word if at != 1 else "answer" for at, word in enumerate(words)]


# Processes.


def in_jail(work: Callable[[Callable[[dict[str, Any]], None]], None], seconds: int, folder: Path) -> Ended:
    """Do some work in a process that is locked in, and collect what it says until it ends or is ended."""
    compiler, served = Pipe()
    begin = jail.held_by(os.getpid())
    gc.freeze()  # what is here is no garbage there: looking for it would copy all of this process's memory
    helper = os.fork()
    if not helper:
        leave_when_done(lambda: serve_compiler(served, compiler))
    served.close()
    reading, writing = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(reading)
        leave_when_done(lambda: work_locked(work, writing, compiler, folder, seconds, begin))
    gc.unfreeze()
    os.close(writing)
    compiler.close()
    try:
        return collected(worker, reading, seconds, folder, begin)
    finally:
        os.close(reading)
        for process in (worker, helper):
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
            with suppress(OSError):
                os.killpg(process, signal.SIGKILL)
            with suppress(OSError):
                os.waitpid(process, 0)


def leave_when_done(work: Callable[[], None]) -> None:
    """Do the work of a forked process, which then is gone, whatever happens."""
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def work_locked(
    work: Callable[[Callable[[dict[str, Any]], None]], None],
    writing: int,
    compiler: Connection,
    folder: Path,
    seconds: int,
    begin: jail.Occupied,
) -> None:
    """Lock this process in and do the work."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    mine = sorted({2, writing, compiler.fileno(), os.sysconf("SC_OPEN_MAX")})
    for low, high in pairwise(mine):
        os.closerange(low + 1, high)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= {"HOME": str(folder), "TMPDIR": str(folder), "HFEDU_PROGRESS": "", "HFEDU_SOLUTIONS": "off"}
    tempfile.tempdir = str(folder)
    toolchain.image_of = remote_compiler(compiler)
    jail.enter(readable_places(), folder, seconds + CPU_MORE, begin)

    def say(message: dict[str, Any]) -> None:
        if jail.short_of_memory(begin):
            message |= {"short": True}
        text = json.dumps(message, ensure_ascii=True) + "\n"
        remaining = memoryview(text.encode())
        while remaining:
            remaining = remaining[os.write(writing, remaining) :]

    work(say)


@cache
def readable_places() -> tuple[Path, ...]:
    """What a locked process may read: Python, its packages and hfedu, but not the course with its solutions."""
    package = Path(hfedu.__file__).parent
    own = [path for path in package.iterdir() if path.name not in ("course", "notebooks", "__pycache__")]
    places = [asset_folder for asset_folder in (package.parent / "assets",) if asset_folder.is_dir()]
    for entry in {Path(each).resolve() for each in sys.path if each and Path(each).is_dir()}:
        if entry == package.parent and not (entry / "site.py").exists() and (entry / "pyproject.toml").exists():
            continue  # a clone of the project
        places += [path for path in entry.iterdir() if path.name != package.name]
    return (*own, *places, Path(sys.prefix, "pyvenv.cfg"), Path("/usr/share/zoneinfo"))


def collected(worker: int, reading: int, seconds: int, folder: Path, begin: jail.Occupied) -> Ended:
    """What a locked process says, until it ends, says too much, writes too much or takes too long.

    It begins with what its parent holds, and may give that back: what it uses is counted from the least that it had.
    The time in which others had all CPUs is not its own.
    """
    os.set_blocking(reading, False)
    held, end, next_look = bytearray(), time.monotonic() + seconds, 0.0
    first = least = jail.held_by(worker).memory
    state, sentence = "", ""
    while True:
        select.select([reading], [], [], POLL)
        with suppress(BlockingIOError):
            if not (some := os.read(reading, 1 << 20)):
                break
            held += some
        now, memory = time.monotonic(), jail.held_by(worker).memory
        least = min(least, memory or least)
        if len(held) > MESSAGES_AT_MOST:
            state, sentence = CRASHED, "It says more than a judge reads."
        elif now > end and now - jail.waited_for_a_cpu(worker) > end:
            state, sentence = TIMED_OUT, f"It did not end within {seconds} seconds."
        elif memory > least + jail.MEMORY_AT_MOST:
            state, sentence = CRASHED, too_much_memory()
        elif now > next_look:
            next_look = now + 5 * POLL
            if folder_size(folder) > FOLDER_AT_MOST:
                state, sentence = CRASHED, f"It writes more than {FOLDER_AT_MOST >> 20} MiB of files."
        if state:
            break
    short = False
    if not state:
        state, sentence, peak = how_it_ended(worker, seconds)
        if not state and first and peak > first + jail.MEMORY_AT_MOST:  # between two looks
            state, sentence = CRASHED, too_much_memory()
        short = state == TO_LOOK_AT or (state == CRASHED and jail.short_of_memory(begin))
    said = []
    for line in bytes(held).splitlines():
        with suppress(ValueError):
            message = json_of(line)
            if isinstance(message, dict):
                said.append(message)
    return Ended(said, state, sentence, short)


def too_much_memory() -> str:
    """The sentence for a process that used more than it may."""
    return f"It uses more than {jail.MEMORY_AT_MOST >> 20} MiB of memory."


def how_it_ended(worker: int, seconds: int) -> tuple[str, str, int]:
    """State, sentence (both empty if it just ended) and most bytes of memory of a process that has closed its pipe."""
    for _ in range(int(5 / POLL)):
        done, status, used = os.wait4(worker, os.WNOHANG)
        if done:
            break
        time.sleep(POLL)
    else:
        return CRASHED, "It went on without saying anything.", 0
    peak = used.ru_maxrss << 10
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        if used.ru_utime + used.ru_stime < seconds:  # nobody but the system ends it before
            return TO_LOOK_AT, SHORT, peak
        return TIMED_OUT, "It used more time than it may.", peak
    if status:
        return CRASHED, "It ended the process in which it ran.", peak
    return "", "", peak


def folder_size(folder: Path) -> int:
    """Bytes in a folder, as far as can be seen."""
    total = 0
    for top, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(top, name)).st_size
    return total


def serve_compiler(served: Connection, other: Connection) -> None:
    """Compile for a process that may start none, until it is gone."""
    other.close()
    while True:
        try:
            request = json_of(served.recv_bytes(LONGEST_NOTEBOOK))
            language, source, flags, header = (request[name] for name in ("language", "source", "flags", "header"))
            bad = [flag for flag in flags if not FLAG.fullmatch(flag)]
            if bad:
                raise Mistake(f"the flag {bad[0]!r} is none that an answer may use")
            image = toolchain.image_of(language, source, flags, header)
        except EOFError:
            return
        except Mistake as mistake:
            answer = {"said": str(mistake), "trouble": isinstance(mistake, Trouble)}
            served.send_bytes(json.dumps(answer).encode())
        except Exception as error:
            lacking = isinstance(error, MemoryError | OSError)
            served.send_bytes(json.dumps({"said": f"it cannot be compiled: {error}", "trouble": lacking}).encode())
        else:
            compiled = {"elf": getattr(image, "elf", b"").hex(), "sources": dict(getattr(image, "sources", {}))}
            served.send_bytes(json.dumps(compiled).encode())
            served.send_bytes(image)


def remote_compiler(compiler: Connection) -> Callable[..., bytes]:
    """What takes the compiler's place in a locked process: it asks the one outside."""

    def image_of(language: str, source: str, flags: Sequence[str] = (), header: str = "") -> bytes:
        if not isinstance(source, str):
            raise Mistake(f"the program must be a text, not {source!r}")
        request = {"language": language, "source": source, "flags": list(flags), "header": header}
        try:
            compiler.send_bytes(json.dumps(request).encode())
            answer = json_of(compiler.recv_bytes(1 << 30))
        except (EOFError, OSError):
            raise Trouble("the process that compiles is gone") from None
        if "said" in answer:
            raise (Trouble if answer["trouble"] else Mistake)(answer["said"])
        image = compiler.recv_bytes(1 << 30)
        compiled = toolchain.Compiled(image) if answer["elf"] else image
        if isinstance(compiled, toolchain.Compiled):
            compiled.elf, compiled.sources = bytes.fromhex(answer["elf"]), answer["sources"]
        return compiled

    return image_of


# Which misconception a wrong answer shows.


def misconception(exercise: Exercise, sentence: str) -> str:
    """The named wrong answer of which a verdict's sentence tells; empty if it tells of none.

    An answer that only computes shows it by the same values, others by what the sentence says. Where two have the same
    piece of a sentence in it, both are named, for nobody could tell.
    """
    runs = exercise.seed and isinstance(exercise.solution, str)  # a program of a learner's own, not worth so many runs
    told = {} if runs else {name: told_to(exercise.id, exercise.seed or None, name) for name in exercise.wrong}
    same = [name for name in told if told[name] == sentence]
    if same or not (isgeneratorfunction(exercise.solution) or isinstance(exercise.solution, str)):
        return " or ".join(same)
    found = {name: piece for name, (_, piece) in exercise.wrong.items() if piece in sentence}
    near = [name for name in found if plain_words(told.get(name, "")) == plain_words(sentence)]
    longest = max(map(len, found.values()), default=0)
    return " or ".join(near or [name for name, piece in found.items() if len(piece) == longest])


@cache
def told_to(exercise_id: str, seed: str | None, name: str) -> str:
    """What the judge says to a named wrong answer."""
    exercise = exercise_named(exercise_id, seed)
    return printable(course.judge(exercise, exercise.wrong[name][0]).sentence)[:LONGEST_SAID]


def plain_words(sentence: str) -> str:
    """A sentence without its numbers, which differ from run to run."""
    return re.sub(r"\d+", "#", sentence)


def load_all() -> None:
    """Load what locked processes need, once, before they are forked."""
    import pkgutil

    for module in pkgutil.walk_packages(hfedu.__path__, "hfedu."):
        if not module.name.startswith(("hfedu.__main__", "hfedu.course.grading")):
            with suppress(ImportError, Mistake):  # what needs a package that is not here
                import_module(module.name)
    with suppress(ImportError):
        import_module("IPython.core.inputtransformer2")
    places(), predictions()
