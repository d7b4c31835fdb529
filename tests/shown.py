"""The pictures that the lessons show, as shapes: every scene that a notebook's cells display. And those stored."""

import ast
import contextlib
import io
import json
import linecache
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import IPython.display
import pytest
import runs

from hfedu.view.paint import render
from hfedu.view.scene import Scene
from hfedu.view.sequence import sequence

PICTURES = Path(__file__).parent / "pictures"
"""`python tests/refresh_pictures.py` writes what lies here."""
LESSONS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
STORED: dict[str, Callable[[], bytes]] = {
    "tour": lambda: render(shown(LESSONS[0])[0], "png"),
    "crowd": lambda: render(sequence(runs.crowd(8, 9)), "png"),
    "two_cpus": lambda: render(sequence(runs.two_cpus()), "png", "dark"),
}


def shown(lesson: Path) -> list[Scene]:
    """The scenes that a lesson shows when its cells run from top to bottom, none of them painted."""
    scenes: list[Scene] = []

    def keep(scene: Scene, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        scenes.append(scene)
        return {"text/plain": scene.alt}, {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scene, "_repr_mimebundle_", keep)
        patch.setattr(IPython.display, "display", show)
        names: dict[str, Any] = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()):
            for cell, source in cells(lesson):
                run_cell(cell, source, names)
    return scenes


def show(*values: Any, **_: Any) -> None:
    """What a notebook does with values, as far as pictures go."""
    for value in values:
        for way in ("_ipython_display_", "_repr_mimebundle_"):
            with contextlib.suppress(NotImplementedError):  # so says a value that shows itself in the next way
                if hasattr(value, way):
                    getattr(value, way)()
                    break


def cells(lesson: Path) -> Iterator[tuple[str, str]]:
    for cell in json.loads(lesson.read_text())["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], "".join(cell["source"])


def run_cell(cell: str, source: str, names: dict[str, Any]) -> None:
    """Run the source of a cell, which functions of it can be asked for, and show its last value."""
    name = f"<cell {cell}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
    exec(compile(tree, name, "exec"), names)
    if last is not None:
        show(eval(compile(ast.Expression(last.value), name, "eval"), names))
