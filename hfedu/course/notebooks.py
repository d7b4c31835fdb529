"""The lessons that come with hfedu: list them, copy them, open them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hfedu.errors import Mistake, installed, lacking, printable_lines
from hfedu.files import json_of, read_whole, regular, write_whole

FIRST = "00_tour.ipynb"
COPIES = Path("hfedu-notebooks")
MANIFEST = ".hfedu-lessons.json"
"""In a folder of copies: the digest of each file as it was delivered. What still has it was not changed."""


class Lesson(NamedTuple):
    """One notebook of the course."""

    number: str
    title: str
    path: Path


def source() -> tuple[Path, bool]:
    """The folder of the lessons, and whether it is a working copy of the project (to be edited in place)."""
    package = Path(__file__).parent.parent
    installed = package / "notebooks"
    return (installed, False) if installed.is_dir() else (package.parent / "notebooks", True)


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in order."""
    return tuple(map(lesson_at, sorted(source()[0].glob("[0-9][0-9]_*.ipynb"))))


def lessons_in(folder: Path) -> tuple[Lesson, ...]:
    """The notebooks in anybody's folder, in order. `Mistake` if there is no such folder, or none in it."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".ipynb" and not path.name.startswith("."))
    except FileNotFoundError:
        raise Mistake(f"there is no folder {folder}: name one with notebooks") from None
    except NotADirectoryError:
        raise Mistake(f"{folder} is a file: name the folder of the notebooks") from None
    except OSError as error:
        raise Mistake(f"cannot read {folder}: {error.strerror}") from None
    if not paths:
        raise Mistake(f"there are no notebooks in {folder}: hfedu course start {folder} puts the lessons there")
    return tuple(map(lesson_at, paths))


def lesson_at(path: Path) -> Lesson:
    """A notebook as a lesson. Its number is what its name begins with, up to the first underscore."""
    number = path.stem.partition("_")[0]
    heading = next(iter(cell_text(path).splitlines()), path.stem).lstrip("# ").removeprefix(number).strip()
    return Lesson(number, f"{number} {heading}", path)


def code_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, sources as one string. `Mistake` if the file is no notebook."""
    try:
        found: list[dict[str, Any]] = json_of(read_whole(path))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in found]
    except OSError as error:
        raise Mistake(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Mistake(f"{path} is no notebook: repair it, or take it out of the folder") from None


@cache
def cell_text(path: Path) -> str:
    """The Markdown of a page: a notebook's text cells, or a file."""
    if path.suffix != ".ipynb":
        return read_whole(path).decode("utf-8", "replace")
    return "\n\n".join(cell["source"] for cell in code_cells(path) if cell["cell_type"] == "markdown")


class Delivery(NamedTuple):
    """What `deliver` did: how many files are new or updated, and a sentence for each that the learner changed."""

    new: int
    updated: int
    changed: list[str]

    def __str__(self) -> str:
        return "\n".join([f"The lessons are there: {self.new} new, {self.updated} updated.", *self.changed])


def deliver(to: Path) -> Delivery:
    """Copy the lessons and the pages beside them into a folder, never over a file that was changed there.

    An unchanged copy is updated. Beside a changed one its new version is put as NAME.new.ipynb, once. `Mistake` if the
    folder cannot be written.
    """
    origin = source()[0]
    if to.resolve() == origin.resolve():
        raise Mistake(f"{to} is where the lessons come from: name another folder for your copies")
    try:
        to.mkdir(parents=True, exist_ok=True)
        delivered = read_manifest(to)
        files = sorted((*origin.glob("*.ipynb"), *origin.glob("*.md")))
        states = {path: put(path, to / path.name, delivered) for path in files}
        changed = [files_beside(path, to, delivered) for path, state in states.items() if state == "changed"]
        write_whole(to / MANIFEST, json.dumps(delivered, indent=1).encode())
    except OSError as error:
        raise Mistake(f"cannot put the lessons into {to}: {error.strerror}; name another folder") from None
    except ValueError as error:  # a name with a NUL
        raise Mistake(f"cannot put the lessons into {to}: {error}; name another folder") from None
    counts = list(states.values())
    return Delivery(counts.count("new"), counts.count("updated"), changed)


def read_notebook(path: Path) -> Any:
    """A notebook as nbformat has it. `Mistake` for whatever is none."""
    import nbformat

    try:
        text = read_whole(path).decode()
        json_of(text)  # one that is nested too deeply
        book = nbformat.reads(text, as_version=4)
        nbformat.validate(book, relax_add_props=True)
    except nbformat.ValidationError as error:
        raise Mistake(f"{path} is no notebook that can be read: {error.message}") from None
    except OSError as error:
        raise Mistake(f"{path} is no notebook that can be read: {error.strerror or error}") from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # any JSON
        raise Mistake(f"{path} is no notebook that can be read: {error}") from None
    return book


def as_delivered(path: Path) -> bytes:
    """A file as a learner gets it: a notebook without outputs, which would answer before it has asked."""
    content = path.read_bytes()
    if path.suffix != ".ipynb":
        return content
    try:
        book = json.loads(content)
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
    except (ValueError, KeyError, TypeError):  # no notebook, and none of ours
        return content
    return f"{json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True)}\n".encode()


def put(path: Path, target: Path, delivered: dict[str, str]) -> str:
    """Deliver one file: "new", "updated" or "same"; "changed" if somebody changed it there, and then it is let be."""
    content = as_delivered(path)
    there = None
    if os.path.lexists(target):
        if target.is_symlink():  # somebody else put it there, and it leads elsewhere
            return "changed"
        regular(os.lstat(target).st_mode, target)
        there = file_digest(read_whole(target))
    if there not in (None, file_digest(content), delivered.get(target.name)):
        return "changed"
    delivered[target.name] = file_digest(content)
    if there == file_digest(content):
        return "same"
    write_whole(target, content, new=there is None)
    return "updated" if there else "new"


def files_beside(path: Path, to: Path, delivered: dict[str, str]) -> str:
    """Put the new version, if there is one, beside a changed file. A sentence that says so."""
    target = to / f"{path.stem}.new{path.suffix}"
    said = f"You changed {path.name}, so it was left alone"
    known = (delivered.get(path.name), delivered.get(target.name))
    if file_digest(as_delivered(path)) in known and not os.path.lexists(target):
        return f"{said}."
    if put(path, target, delivered) == "changed":
        return f"{said}; you changed {target.name} too: rename it, and its newest version comes with the next start."
    return f"{said}; its new version is {target.name}."


def read_manifest(folder: Path) -> dict[str, str]:
    """What was delivered into a folder. Without a readable list every file there counts as changed."""
    try:
        content = json_of(read_whole(folder / MANIFEST))
    except (FileNotFoundError, ValueError):
        return {}
    delivered = content if isinstance(content, dict) else {}
    return {name: known for name, known in delivered.items() if isinstance(known, str)}


def file_digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def become(command: list[str]) -> int:
    """Run a program in place of this one, so that signals (Ctrl-C, and the one that ends it) are its own affair.

    Windows cannot do that: there it is waited for. Its exit status.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # JupyterLab gets it too, and asks
    return subprocess.run(command).returncode


SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
"""Nothing lies over the first lesson that is not about it."""
LAYOUT = {
    "data": {"layout-restorer:data": {"left": {"collapsed": True, "visible": True}}},
    "metadata": {"id": "default"},
}
"""The lesson has all of the window: the file browser is one click away (Ctrl+B)."""


def quiet_lab(folder: Path) -> list[str]:
    """Settings for JupyterLab beside the copies, under whatever the user has set: the options that name them.

    What JupyterLab remembers of its windows stays there, too. If nothing can be written there it starts without them.
    """
    home = (folder / ".hfedu-lab").absolute()
    overrides = home / "labconfig" / "default_setting_overrides.json"
    layout = home / "workspaces" / "default-37a8.jupyterlab-workspace"
    try:
        for path, content in ((overrides, SETTINGS), (layout, LAYOUT)):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_whole(path, json.dumps(content).encode())
    except OSError:
        return []
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [os.environ.get("JUPYTER_CONFIG_PATH"), str(home)])
    )
    return [f"--LabApp.workspaces_dir={layout.parent}"]


def open_lab(folder: Path | None, options: Sequence[str] = ()) -> int:
    """Start JupyterLab at the first lesson, in `folder` or `hfedu-notebooks` here, always on copies. Its exit status.

    `options` are JupyterLab's own, and count more than what is set here.
    """
    if not installed("jupyterlab"):
        raise lacking("jupyterlab")
    folder = folder or COPIES
    print(printable_lines(str(deliver(folder))), file=sys.stderr)
    lab = [sys.executable, "-m", "jupyter", "lab", str(folder / FIRST), *quiet_lab(folder)]
    if getattr(os, "geteuid", lambda: None)() == 0:
        lab.append("--allow-root")  # in a container root is the only user, and Jupyter would refuse
    return become([*lab, *options])
