"""How far a long search is, on one line that goes away when it is done."""

import sys
import time
from types import TracebackType
from typing import Any

from hfedu.errors import counted, installed
from hfedu.run.outlook import outlook

PATIENCE, PAUSE = 0.7, 0.2
"""Seconds before anything is shown, and between two updates."""
LONG = 10.0
"""Seconds after which it says how much may be left."""


class ProgressLine:
    """Call it with the depth and the number of states; use it in a `with` statement. What is quick shows nothing."""

    def __init__(self) -> None:
        self.line: Any = None
        self.shown = 0
        self.next = time.monotonic() + PATIENCE
        self.long = time.monotonic() + LONG
        self.levels: list[tuple[int, int]] = []

    def __call__(self, depth: int, states: int) -> None:
        """Say how far it is, if it is time to."""
        if self.levels and self.levels[-1][0] == depth:
            self.levels.pop()
        self.levels.append((depth, states))
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + PAUSE
            left = outlook(self.levels[:-1]) if time.monotonic() >= self.long else ""
            said = f"{counted(states, 'state')} so far, {counted(depth, 'step')} deep. {left}".strip()
            self.show(f"{said} Interrupt to stop with what was found.")

    def show(self, text: str) -> None:
        """Put a text on the line."""
        if not in_notebook():
            if sys.stderr is not None and sys.stderr.isatty():
                print(f"\r{text:<{self.shown}}", end="", file=sys.stderr, flush=True)
                self.shown = len(text)
            return
        if not installed("ipywidgets"):
            return
        if self.line is None:
            import ipywidgets
            from IPython.display import display

            self.line = ipywidgets.HTML()
            view = self.line._repr_mimebundle_() or {}
            display({name: data for name, data in view.items() if name != "text/plain"}, raw=True)
        self.line.value = f'<div role="status">{text}</div>'

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.line is not None:
            self.line.close()
        if self.shown:
            print(f"\r{'':<{self.shown}}\r", end="", file=sys.stderr, flush=True)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
