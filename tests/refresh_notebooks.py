"""Write the pages that are made from the lesson modules, execute every lesson and store its outputs.

No widget state, no timestamps, nothing of this computer, no one's progress.

python tests/refresh_notebooks.py [NOTEBOOK ...]
"""

import os
import sys
from pathlib import Path

import course_pages
import nbformat
from nbclient import NotebookClient

from hfedu.course.export import tag_slides
from hfedu.course.record import SWITCH

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LESSONS = Path(__file__).parent.parent / "notebooks"


def refresh(path: Path) -> None:
    """Run one notebook from top to bottom in a fresh kernel and write it back."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    ).execute()
    tag_slides(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET_VIEW, None)  # without its kernel it would hide the picture
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    os.environ[SWITCH] = ""
    course_pages.refresh()
    for name in sys.argv[1:] or sorted(LESSONS.glob("*.ipynb")):
        refresh(Path(name))
