"""hfedu course check: a folder of lessons tested like code, one kind of failure after the other.

Every notebook runs under nbval, twice. As it is stored, from top to bottom in a fresh kernel: that is a restart and run
all. And out of order: after the setup the cells run from the last to the first, each right after those cells above
whose names it uses and that are not in force. Both times every output must be the stored one; where no output of a
notebook is stored, no cell may raise.

In a clone of the project its own lessons are also checked for what only the project has: see tests/project_checks.py.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from symtable import SymbolTable, symtable
from typing import Any, NamedTuple

from hfedu.course.answers import answer_of, defined_by, shown_source
from hfedu.course.exercises import exercise_named, exercises, hint, judge
from hfedu.course.markdown import broken_links, wordless_pictures
from hfedu.course.notebooks import Lesson, code_cells, lessons, lessons_in, read_notebook, source
from hfedu.course.predictions import grade, prediction_named, predictions
from hfedu.course.record import SWITCH
from hfedu.errors import Mistake, printable_lines

TOOLS = {"nbval": "nbval", "psutil": "psutil", "tqdm": "tqdm"}
"""What a check needs: module -> package."""
PROJECT_TOOLS = {"spellchecker": "pyspellchecker"}
"""What it needs besides for the project's own texts."""
HFEDU = Path(__file__).parent.parent
MEMORY_LIMIT = 512
"""MiB, for the kernel of any one lesson and what it starts."""
LINES_AT_MOST = 8
"""Lines of code in a cell."""
A_SEED = "Ada King"
"""Of the variants that are checked."""
WORKERS = 2
LAST_LINES = 60
CELLS_WITH_IDS = 5
"""Since this minor version of a notebook's format its cells have ids."""
PASSED = 0, 5
"""What pytest returns if nothing failed, and if there was nothing to run."""


class FailureKind(NamedTuple):
    """A kind of failure: each task looks for it in one place and returns sentences."""

    name: str
    tasks: Sequence[Callable[[], list[str]]]
    workers: int = 1


def bad_hints(exercise_id: str) -> list[str]:
    """Hints that cannot be reached, or say nothing new."""
    said = {hint(exercise_id, number).partition(": ")[2] for number in range(1, 4)}
    return [] if len(said - {""}) == 3 else [f"{exercise_id} has not three hints"]


def bad_solution(exercise_id: str, notebook: Path) -> list[str]:
    """A solution that is not right when it is pasted into its cell of a notebook, among the names from above."""
    text = shown_source(exercise_named(exercise_id).solution)
    code = [cell["source"] for cell in code_cells(notebook) if cell["cell_type"] == "code"]
    place = next(number for number, source in enumerate(code) if exercise_id in source)
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        with redirect_stdout(StringIO()), at_home(notebook.parent):
            for source in needed_above(code[:place], text):
                exec(python_of(source), names)
            answer = defined_by(text, names)
    except Exception as error:
        return [f"{notebook.name}: the solution of {exercise_id} raises {type(error).__name__} there: {error}"]
    verdict = judge(exercise_named(exercise_id), answer)
    return [] if verdict else [f"{notebook.name}: the solution of {verdict}"]


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """Read and import what stands in a folder, as the kernel of a notebook there does."""
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        with chdir(folder):
            yield
    finally:
        sys.path[:] = before


def needed_above(sources: list[str], text: str) -> list[str]:
    """Those of the cells above a text whose names it uses, or which those use in turn."""
    below = [*sources, text]
    order = backwards(below)
    return [below[number] for number in dict.fromkeys(order[: order.index(len(sources))])] if sources else []


def bad_misconceptions(exercise_id: str) -> list[str]:
    """Named wrong answers that the check does not find wrong, or not for their reason."""
    failures = []
    for name, (answer, reason) in exercise_named(exercise_id).wrong.items():
        verdict = judge(exercise_named(exercise_id), answer_of(shown_source(answer)))
        if verdict.state != "wrong" or reason not in verdict.sentence:
            failures.append(f"the wrong answer “{name}” should be told “{reason}”. {verdict}")
    return failures


def bad_variant(name: str) -> list[str]:
    """A variant whose solution is not right, or whose wrong answers are not wrong for their reason.

    Or one of a prediction with a question of which no option is right.
    """
    if name in predictions():
        variant = prediction_named(name, A_SEED)
        _, marks = grade(variant, [question.options[0] for question in variant.questions])
        untrue = [mark for mark in marks if mark.actual not in mark.question.options]
        return [f"{name}, seed {A_SEED!r}: {mark.question.text} No option is “{mark.actual}”" for mark in untrue]
    exercise = exercise_named(name, A_SEED)
    right = judge(exercise, exercise.solution)
    failures = [] if right else [f"seed {A_SEED!r}: the solution of {right}"]
    for how, (answer, reason) in exercise.wrong.items():
        verdict = judge(exercise, answer)
        if verdict.state != "wrong" or reason not in verdict.sentence:
            failures.append(f"seed {A_SEED!r}: the wrong answer “{how}” should be told “{reason}”. {verdict}")
    return failures


def long_cells(notebook: Path) -> list[str]:
    """Cells of code with more lines than a learner takes in at a glance; blank ones do not count."""
    failures = []
    for number, cell in enumerate(read_notebook(notebook).cells):
        lines = sum(bool(line.strip()) for line in cell.source.splitlines()) if cell.cell_type == "code" else 0
        if lines > LINES_AT_MOST:
            failures.append(f"{notebook.name}, cell {cell.get('id', number)}: {lines} lines, {LINES_AT_MOST} at most")
    return failures


def has_outputs(notebook: Path) -> bool:
    """Whether any output of a notebook is stored."""
    return any(cell.get("outputs") for cell in code_cells(notebook))


def asked_in(notebook: Path) -> list[str]:
    """The exercises that a notebook names in its code."""
    code = "\n".join(cell["source"] for cell in code_cells(notebook) if cell["cell_type"] == "code")
    return [name for name in exercises() if f'"{name}"' in code or f"'{name}'" in code]


def other_pages(folder: Path) -> list[Path]:
    """The pages in a folder of lessons that are no notebooks."""
    return sorted(folder.glob("*.md"))


def project_kinds(chosen: Sequence[Lesson]) -> list[FailureKind]:
    """What a clone of the project looks for in its own lessons."""
    tests = str(source()[0].parent / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    return [FailureKind(name, tasks) for name, tasks in import_module("project_checks").kinds(chosen)]


class CourseCheck:
    """One check of some lessons; `peaks` is filled as the notebooks run: MiB by notebook.

    `own`: the lessons are the project's, in its clone.
    """

    def __init__(self, chosen: Sequence[Lesson], own: bool = False) -> None:
        self.lessons = chosen
        self.own = own
        self.peaks: dict[str, int] = {}

    def kinds(self) -> list[FailureKind]:
        """All kinds, the quick ones first."""
        notebooks = [lesson.path for lesson in self.lessons]
        paths = notebooks
        if self.own:
            numbers = {lesson.number for lesson in self.lessons}
            mine = [name for name in exercises() if name[:2] in numbers]
            formed = [name for name in predictions() if name[:2] in numbers]
            there = [(name, lesson.path) for lesson in self.lessons for name in asked_in(lesson.path) if name in mine]
        else:
            formed = []
            paths = [*notebooks, *other_pages(notebooks[0].parent)]
            there = [(name, path) for path in notebooks for name in asked_in(path)]
            mine = list(dict.fromkeys(name for name, _ in there))
        varied = [name for name in (*mine, *formed) if (exercises() | predictions())[name].variant is not None]
        return [
            *(project_kinds(self.lessons) if self.own else ()),
            FailureKind("links", [partial(broken_links, path) for path in paths]),
            FailureKind("lines of a cell", [partial(long_cells, path) for path in notebooks]),
            FailureKind("words for pictures", [partial(wordless_pictures, path) for path in paths]),
            FailureKind("hints", [partial(bad_hints, name) for name in mine]),
            FailureKind("solutions", [partial(bad_solution, *each) for each in there]),
            FailureKind("wrong answers", [partial(bad_misconceptions, name) for name in mine]),
            FailureKind("variants", [partial(bad_variant, name) for name in varied]),
            FailureKind("notebooks", [partial(self.run, path) for path in notebooks], WORKERS),
            FailureKind("out of order", [partial(self.run_out_of_order, path) for path in notebooks], WORKERS),
            FailureKind("memory", [partial(self.too_large, path) for path in notebooks]),
        ]

    def run(self, notebook: Path) -> list[str]:
        """Run a notebook under nbval: what failed. Notes the most memory that its kernel took."""
        import psutil

        compare = "--nbval" if has_outputs(notebook) else "--nbval-lax"
        command = [sys.executable, "-m", "pytest", compare, "--nbval-current-env", "--nbval-cell-timeout=60", "-q"]
        path = os.pathsep.join([str(HFEDU.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {SWITCH: "", "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
        with (
            tempfile.TemporaryDirectory() as folder,
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
        ):
            settings = Path(folder) / "pytest.ini"  # none of whoever's folder this is
            settings.write_text("[pytest]\n")
            command += ["-p", "no:cacheprovider", "-c", str(settings), f"--rootdir={notebook.parent}", str(notebook)]
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=notebook.parent)
            while process.poll() is None:
                peak = memory(psutil.Process(process.pid))
                self.peaks[notebook.name] = max(peak, self.peaks.get(notebook.name, 0))
                time.sleep(0.05)
            output.seek(0)
            said = re.sub(r"\x1b\[[\d;]*m", "", output.read()).splitlines()  # no colours
        return ["\n".join([f"{notebook.name}:", *said[-LAST_LINES:]])] if process.returncode not in PASSED else []

    def run_out_of_order(self, notebook: Path) -> list[str]:
        """Run a notebook's cells from the last to the first, as the head of this module says."""
        import nbformat

        book = read_notebook(notebook)
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        book.cells, book.nbformat_minor = [], max(book.nbformat_minor, CELLS_WITH_IDS)
        for place, number in enumerate(backwards([cell.source for cell in code])):
            name = f"{code[number].get('id', number)}-{place}"[-64:]
            book.cells.append(nbformat.from_dict({**code[number], "id": name}))
        with tempfile.TemporaryDirectory() as folder:
            for beside in notebook.parent.iterdir():  # what its cells read or import
                if beside.name != notebook.name:
                    with suppress(OSError):  # where one may not make links
                        (Path(folder) / beside.name).symlink_to(beside.resolve(), beside.is_dir())
            shuffled = Path(folder) / notebook.name
            nbformat.write(book, shuffled)
            return self.run(shuffled)

    def too_large(self, notebook: Path) -> list[str]:
        """Whether a kernel took more memory than the course may."""
        peak = self.peaks[notebook.name]
        return [f"{notebook.name} took {peak} MiB, more than {MEMORY_LIMIT}"] if peak > MEMORY_LIMIT else []


def memory(process: Any) -> int:
    """MiB that the descendants of a process hold now: the kernel and what it started."""
    import psutil

    total = 0
    try:
        for child in process.children(recursive=True):
            total += child.memory_info().rss
    except psutil.NoSuchProcess:  # gone since; the next look counts again
        pass
    return total >> 20


def backwards(sources: list[str]) -> list[int]:
    """The order of cells, by number, from the last to the first; the first of all is the setup.

    Before each cell come the nearest cells above it that bind a name which it uses, or which those use in turn, unless
    they are in force. Example: ["x = 1", "y = x", "x = 2", "print(y, x)"] -> [0, 1, 2, 3, 2, 0, 1]
    """
    tables = [names_in(text) for text in sources]
    binds = [{s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()} for table in tables]
    order: list[int] = []
    in_force: dict[str, int] = {}

    def needs(number: int) -> dict[str, int]:
        found: dict[str, int] = {}
        names = uses(tables[number]) - binds[number]
        while names:
            name = names.pop()
            above = [cell for cell in range(number) if name in binds[cell]]
            if above and name not in found:
                found[name] = above[-1]
                names |= uses(tables[above[-1]]) - binds[above[-1]]
        return found

    def execute(number: int) -> None:
        needed = needs(number)
        while missing := [cell for name, cell in needed.items() if in_force.get(name) != cell]:
            execute(min(missing))
        order.append(number)
        in_force.update(dict.fromkeys(binds[number], number))

    for number in [*range(len(sources))[:1], *reversed(range(1, len(sources)))]:
        execute(number)
    return order


def python_of(source: str) -> str:
    """A cell, which may hold magics of IPython, as Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def names_in(source: str) -> SymbolTable:
    """The names of a cell. None at all if it is no Python: its run will say so."""
    try:
        return symtable(python_of(source), "cell", "exec")
    except SyntaxError:
        return symtable("", "cell", "exec")


def uses(table: SymbolTable) -> set[str]:
    """The global names that a cell, or a function in it, looks up."""
    module = table.get_type() == "module"
    found = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (module or s.is_global())}
    return found.union(*(uses(child) for child in table.get_children()))


def run_kind(kind: FailureKind, advance: Callable[[], Any]) -> list[str]:
    """All failures of a kind."""

    def call(task: Callable[[], list[str]]) -> list[str]:
        found = task()
        advance()
        return found

    with ThreadPoolExecutor(kind.workers) as pool:
        return [failure for found in pool.map(call, kind.tasks) for failure in found]


def check_course(folder: Path | None = None, number: str | None = None) -> int:
    """Check the notebooks in a folder, or those that come with hfedu; with a number only one.

    0, or 1 after naming all failures of the first kind that there is.
    """
    home, clone = source()
    own = clone and (folder is None or folder.resolve() == home.resolve())
    needed = TOOLS | (PROJECT_TOOLS if own else {})
    missing = [package for module, package in needed.items() if find_spec(module) is None]
    if missing:
        packages = " ".join(missing)
        raise Mistake(f"hfedu course check needs {packages}: {sys.executable} -m pip install {packages}")
    there = lessons_in(folder) if folder is not None and not own else lessons()
    chosen = tuple(lesson for lesson in there if number in (None, lesson.number))
    if not chosen:
        raise Mistake(f"there is no lesson {number!r}: there are {', '.join(lesson.number for lesson in there)}")
    check = CourseCheck(chosen, own)
    from tqdm import tqdm

    kinds = check.kinds()
    with tqdm(total=sum(len(kind.tasks) for kind in kinds), disable=None, leave=False) as bar:
        for kind in kinds:
            bar.set_description(kind.name)
            failures = run_kind(kind, bar.update)
            if failures:
                said = "\n".join([f"{kind.name}: {len(failures)} failed", *failures])
                tqdm.write(printable_lines(said), file=sys.stdout)
                return 1
            tqdm.write(f"{kind.name}: {len(kind.tasks)} checked", file=sys.stdout)
    largest = max(check.peaks, key=lambda name: check.peaks[name])
    print(f"The largest kernel took {check.peaks[largest]} of {MEMORY_LIMIT} MiB: {largest}")
    return 0
