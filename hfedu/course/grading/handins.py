"""The hand-ins in a folder: whose they are, in whatever form a learning platform gives them.

A learner is known by the folder directly below, or by the name of the file, as Moodle, Canvas and Classroom make it.
Nothing is unpacked on the disk, no link is followed, and what cannot be read is a hand-in that says so.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

from hfedu.errors import Mistake, printable
from hfedu.files import read_whole

LONGEST_NOTEBOOK = 32 << 20
LARGEST_ARCHIVE, LARGEST_UNPACKED = 1 << 30, 4 << 30
FILES_AT_MOST = 20_000
ARCHIVES_WITHIN = 2
"""How deep archives are looked for in archives: a class's, and in it each learner's."""
NOT_HANDED_IN = {"__MACOSX", "__pycache__", "node_modules"}
NOTEBOOK, ARCHIVE = ".ipynb", ".zip"
MOODLE = re.compile(r"(?P<who>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?", re.DOTALL)
CANVAS = re.compile(r"(?P<who>[^_]+)_(?:LATE_)?\d+_\d+_(?P<file>.+)")
CLASSROOM = re.compile(r"(?P<who>.+?) - (?P<file>.+)")
LESSON_NAME = re.compile(r"(?:copy of )?\d\d_[a-z0-9_]+?(?:[ _-]*\(?\d*\)?)?", re.IGNORECASE)
"""What a lesson is called, and what a browser makes of it that saves it twice."""


class HandIn(NamedTuple):
    """One file of one learner; `read` gives its content or raises `OSError`. `read` is None for what is no notebook."""

    learner: str
    file: str
    read: Callable[[], bytes] | None


def hand_ins(place: Path, learner: str | None = None) -> list[HandIn]:
    """All hand-ins in a folder or an archive, by learner. Those of one person if `learner` is given.

    `Mistake` if there is no such place, or nothing in it.
    """
    try:
        if place.is_dir():
            found = list(walk_folder(place))
        elif zipfile.is_zipfile(place):
            found = list(walk_archive(place.name, partial(read_archive, place), 1))
        elif place.exists():
            raise Mistake(f"{place} is a file: name the folder of the hand-ins, or their archive (.zip)")
        else:
            raise Mistake(f"there is no {place}: name the folder of the hand-ins")
    except OSError as error:
        raise Mistake(f"cannot read {place}: {error.strerror or error}") from None
    if not found:
        raise Mistake(f"there is nothing in {place}: put the handed-in notebooks there, or name their folder")
    paths = [PurePosixPath(path) for path, _ in found]
    top = shared_top(paths)
    handed = [
        HandIn(learner or whose(PurePosixPath(*path.parts[top:])), printable(str(path)), read)
        for path, (_, read) in zip(paths, found, strict=True)
    ]
    notebooks = {each.learner for each in handed if each.read is not None}
    rest = {each.learner: each for each in handed if each.learner not in notebooks}  # one line for each is enough
    return sorted([*(each for each in handed if each.read is not None), *rest.values()], key=lambda each: each[:2])


def walk_folder(top: Path) -> Iterator[tuple[str, Callable[[], bytes] | None]]:
    """Each file below a folder, and how to read it."""
    count = 0
    for folder, inner, files in os.walk(top, onerror=complain_of):
        inner[:] = sorted(name for name in inner if counts(name))
        links = [name for name in inner if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(folder, name)
            place = path.relative_to(top).as_posix()
            if not counts(name):
                continue
            count += 1
            if count > FILES_AT_MOST:
                raise Mistake(f"there are more than {FILES_AT_MOST:,} files in {top}: name the folder of the hand-ins")
            if path.suffix.lower() == ARCHIVE and stat.S_ISREG(os.lstat(path).st_mode):
                yield from walk_archive(place, partial(read_archive, path), 1)
            else:
                yield place, partial(read_plain, path) if path.suffix.lower() == NOTEBOOK else None


def complain_of(error: OSError) -> None:
    """What cannot be listed is an error, not an empty folder."""
    raise error


def counts(name: str) -> bool:
    """Whether a file or folder of that name was handed in: not what systems and editors put beside."""
    return not name.startswith(".") and name not in NOT_HANDED_IN


def read_plain(path: Path) -> bytes:
    """A file's content. `OSError` for a link, a pipe and what is too long."""
    if path.is_symlink():
        raise OSError(f"{path.name} is a link, not a file")
    return read_whole(path, LONGEST_NOTEBOOK)


def read_archive(path: Path) -> bytes:
    """An archive's content."""
    return read_whole(path, LARGEST_ARCHIVE)


def walk_archive(place: str, read: Callable[[], bytes], depth: int) -> Iterator[tuple[str, Callable[[], bytes] | None]]:
    """Each file in an archive, below the archive's name without its ending. A damaged one is a file that says so."""
    stem = place[: -len(ARCHIVE)]
    try:
        with zipfile.ZipFile(io.BytesIO(read())) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile raises this and that for what is damaged
        yield place, partial(failed_archive, str(error))
        return
    if len(entries) > FILES_AT_MOST or sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        yield place, partial(failed_archive, "there is too much in it")
        return
    if all(entry.is_dir() for entry in entries):
        yield place, partial(failed_archive, "there is nothing in it")
    for entry in entries:
        inner = PurePosixPath(entry.filename.replace("\\", "/"))
        parts = [part for part in inner.parts if part not in ("/", "..", ".")]
        if entry.is_dir() or not parts or not all(map(counts, parts)):
            continue
        name = "/".join([stem, *parts])
        unpack = partial(read_entry, read, entry.filename)
        if inner.suffix.lower() == ARCHIVE and depth < ARCHIVES_WITHIN:
            yield from walk_archive(name, unpack, depth + 1)
        else:
            yield name, unpack if inner.suffix.lower() == NOTEBOOK else None


def read_entry(read: Callable[[], bytes], name: str) -> bytes:
    """A file in an archive, no longer than a notebook may be, whatever the archive says of its size."""
    try:
        with zipfile.ZipFile(io.BytesIO(read())) as archive, archive.open(name) as file:
            content = file.read(LONGEST_NOTEBOOK + 1)
    except Exception as error:  # of zipfile and of each way to compress, and no memory for what it claims to hold
        raise OSError(f"it cannot be unpacked: {error}") from None
    if len(content) > LONGEST_NOTEBOOK:
        raise OSError("it is too long for a notebook")
    return content


def failed_archive(reason: str) -> bytes:
    """Reading what is in an archive that cannot be opened."""
    raise OSError(f"the archive cannot be opened: {reason}")


def shared_top(paths: list[PurePosixPath]) -> int:
    """How many folders all paths begin with that are no learner's: those of an archive of the whole class."""
    if len(paths) < 2:
        return 0
    columns = zip(*(path.parts[:-1] for path in paths), strict=False)
    return len(list(takewhile(lambda column: len({*column}) == 1, columns)))


def whose(path: PurePosixPath) -> str:
    """Whose a file is. Example: "Ada King_17_assignsubmission_file_/05.ipynb" -> "Ada King"."""
    first = path.parts[0]
    name = first if len(path.parts) > 1 else path.stem
    for form in (MOODLE, CANVAS, CLASSROOM):
        match = form.fullmatch(name if len(path.parts) == 1 or form is MOODLE else "")
        if match and not LESSON_NAME.fullmatch(match["who"]):
            name = match["who"]
            break
    else:
        name = without_lesson(name) if len(path.parts) == 1 else name
    return printable(" ".join(normalize("NFC", name).split())) or "?"


def without_lesson(stem: str) -> str:
    """A file's name without that of the lesson in it. Example: "05_send_and_receive_ada" -> "ada"."""
    from hfedu.course.notebooks import lessons

    for lesson in lessons():
        rest = re.sub(re.escape(lesson.path.stem), "", stem, flags=re.IGNORECASE).strip(" _-.")
        if rest != stem.strip(" _-.") and re.search(r"[^\W\d]", rest):
            return rest
    return stem
