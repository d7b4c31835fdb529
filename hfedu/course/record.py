"""What the learner has done, kept beside the lessons: one line for each step forward, so nothing is ever overwritten.

A line is an id and a standing, such as `05-decode right`. Lines are only ever appended, each in one write, and the best
standing of an id counts: kernels that write at the same time lose nothing, and a line cut short is passed over. What
this kernel noted and the file does not have, because an editor or a full disk lost it, is added with the next line.
"""

import os
import sys
from enum import IntEnum
from pathlib import Path

from hfedu.errors import printable
from hfedu.files import append_line, read_whole

FILE = "hfedu-progress.txt"
SWITCH = "HFEDU_PROGRESS"
"""In the environment: the file to keep progress in, or nothing at all for none."""
LESSONS = "[0-9][0-9]_*.ipynb"
LONGEST_RECORD = 1 << 24
"""Bytes of a file of progress; a longer one is something else."""
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What some editors put before a text, and how it is written then."""


class Standing(IntEnum):
    """How far an exercise, or a prediction, has come. The best one counts."""

    NOT_ATTEMPTED = 0
    WRONG = 1
    RIGHT = 2


def where() -> Path | None:
    """The file of this kernel, None if it keeps none.

    Kept is what is done in a Jupyter kernel in a folder of lessons, but not when pytest (nbval, that is) runs the
    kernel: a test of a lesson neither leaves a file nor sees one. `HFEDU_PROGRESS` says otherwise.
    """
    if SWITCH in os.environ:
        return Path(os.environ[SWITCH]) if os.environ[SWITCH] else None
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel") or "PYTEST_CURRENT_TEST" in os.environ or not any(Path().glob(LESSONS)):
        return None
    return Path(FILE).absolute()


class Record:
    """The standings of all ids, of this kernel and of the file."""

    def __init__(self) -> None:
        self.noted: dict[str, Standing] = {}
        self.complaint = ""

    def standings(self) -> dict[str, Standing]:
        """The best standing of each id that was attempted. What cannot be read counts as nothing."""
        return better(kept(where()), self.noted)

    def note(self, name: str, standing: Standing) -> None:
        """Note that something was attempted. If the file cannot be written, say so once and go on."""
        path = where()
        there = kept(path)
        self.noted = better(self.noted, {name: max(standing, there.get(name, standing))})
        missing = [each for each, best in self.noted.items() if there.get(each, Standing.NOT_ATTEMPTED) < best]
        if path is None or not missing:
            return
        try:
            append_line(path, "".join(f"{each} {self.noted[each].name.lower()}\n" for each in missing))
            self.complaint = ""
        except (OSError, ValueError) as error:
            if not self.complaint:
                reason = getattr(error, "strerror", None) or error
                self.complaint = f"Your progress cannot be written to {path}: {reason}. Keep its string instead."
                print(f"{printable(self.complaint)} print(hfedu.progress().string) shows it.", file=sys.stderr)


def better(one: dict[str, Standing], other: dict[str, Standing]) -> dict[str, Standing]:
    """The better standing of each id of two lists."""
    none = Standing.NOT_ATTEMPTED
    return {name: max(one.get(name, none), other.get(name, none)) for name in {**one, **other}}


def kept(path: Path | None) -> dict[str, Standing]:
    """What a file holds. What cannot be read, or is no line of ours, counts as nothing."""
    try:
        content = read_whole(path, LONGEST_RECORD) if path is not None else b""
    except (OSError, ValueError):
        return {}
    best: dict[str, Standing] = {}
    for line in content.decode(BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig"), "replace").splitlines():
        name, _, standing = line.strip().partition(" ")
        if standing in ("wrong", "right"):
            best[name] = max(best.get(name, Standing.WRONG), Standing[standing.upper()])
    return best


RECORD = Record()
"""Of this kernel."""
