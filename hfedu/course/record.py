"""What the learner has done, kept beside the lessons: one line for each step forward, so nothing is ever overwritten.

A line is an id and a standing, such as `05-decode right`. Lines are only ever appended, each in one write, and the best
standing of an id counts: kernels that write at the same time lose nothing, and a line cut short is passed over.
"""

import os
import sys
from enum import IntEnum
from pathlib import Path

FILE = "hfedu-progress.txt"
SWITCH = "HFEDU_PROGRESS"
"""In the environment: the file to keep progress in, or nothing at all for none."""
LESSONS = "[0-9][0-9]_*.ipynb"


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
        best = dict(self.noted)
        path = where()
        try:
            text = path.read_text("utf-8", errors="replace") if path else ""
        except OSError:
            return best
        for line in text.splitlines():
            name, _, standing = line.partition(" ")
            if standing in ("wrong", "right"):
                best[name] = max(best.get(name, Standing.WRONG), Standing[standing.upper()])
        return best

    def note(self, name: str, standing: Standing) -> None:
        """Note that something was attempted. If the file cannot be written, say so once and go on."""
        if self.standings().get(name, Standing.NOT_ATTEMPTED) >= standing:
            return
        self.noted[name] = standing
        path = where()
        try:
            if path:
                append(path, f"{name} {standing.name.lower()}\n")
        except OSError as error:
            if not self.complaint:
                self.complaint = (
                    f"Your progress cannot be written to {path}: {error.strerror}. Keep its string instead."
                )
                print(f"{self.complaint} print(hfedu.progress().string) shows it.", file=sys.stderr)


def append(path: Path, line: str) -> None:
    """Append a line in one write, on a line of its own even if the last one was cut short."""
    with path.open("ab+", buffering=0) as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode())


RECORD = Record()
"""Of this kernel."""
