"""The lessons that come with hfedu: find them, copy them, open them."""

import shutil
import subprocess
import sys
from pathlib import Path

from hfedu.errors import Mistake

FIRST = "00_tour.ipynb"
COPIES = Path("hfedu-notebooks")


def source() -> tuple[Path, bool]:
    """The folder of the lessons, and whether it is a working copy of the project (to be edited in place)."""
    here = Path(__file__).parent
    installed = here / "notebooks"
    return (installed, False) if installed.is_dir() else (here.parent / "notebooks", True)


def copy_lessons(to: Path) -> list[Path]:
    """Copy every lesson that is not there yet. What is there is never touched. Returns the new copies."""
    to.mkdir(parents=True, exist_ok=True)
    new = []
    for lesson in sorted(source()[0].glob("*.ipynb")):
        target = to / lesson.name
        if not target.exists():
            new.append(Path(shutil.copyfile(lesson, target)))
    return new


def open_lab(folder: Path | None) -> int:
    """Start JupyterLab at the first lesson, in `folder` or a fresh `hfedu-notebooks` here. Its exit status."""
    lessons, in_place = source()
    if folder is not None or not in_place:
        lessons = folder or COPIES
        try:
            copy_lessons(lessons)
        except OSError as error:
            raise Mistake(f"cannot put the lessons into {lessons}: {error.strerror}") from None
    return subprocess.run([sys.executable, "-m", "jupyter", "lab", str(lessons / FIRST)]).returncode
