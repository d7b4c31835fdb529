"""A picture before it has colours: plain shapes with roles. Layouts make scenes, painters paint them.

Coordinates are pixels, x to the right and y down. A `role` says what a shape means ("call", "running", ...);
painters decide how that looks. `seq` is the event a shape belongs to, None for what is always there.
"""

import html
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hfedu.errors import printable


class Line(NamedTuple):
    """A straight line; with `arrow` it has a head at its end."""

    x1: float
    y1: float
    x2: float
    y2: float
    role: str
    seq: int | None = None
    arrow: bool = False


class Rect(NamedTuple):
    """An upright rectangle; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    role: str
    seq: int | None = None


class Text(NamedTuple):
    """A line of text; (x, y) is on its baseline, at its `anchor`: "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    role: str
    seq: int | None = None
    anchor: str = "start"


class Mark(NamedTuple):
    """A small sign centred at (x, y): role "clear", "wfi", "fault", "step", "cpu", "end", "state" or "bad"."""

    x: float
    y: float
    role: str
    seq: int | None = None


Shape = Line | Rect | Text | Mark

MONO_WIDTH = 0.602
SANS_WIDTH = 0.60
"""Advance per character in units of the font size: exact for DejaVu Sans Mono, an upper mean for DejaVu Sans."""
SANS = ("title", "subtitle", "head", "subhead", "legend")
"""Roles in DejaVu Sans; all other texts are in DejaVu Sans Mono."""
FONT_SIZES = {
    "title": 14, "subtitle": 10.5, "head": 11, "subhead": 9.5, "number": 9.5, "label": 10, "state": 9,
    "legend": 9.5, "end": 10, "cpu": 8,
}  # fmt: skip


def text_width(text: str, role: str) -> float:
    """Pixels that a text takes."""
    return len(text) * FONT_SIZES[role] * (SANS_WIDTH if role in SANS else MONO_WIDTH)


@dataclass(repr=False)
class Scene:
    """Shapes on a canvas of `width` x `height` pixels, which shows itself in a notebook.

    `rows` gives each event's vertical extent, `body_end` the y below the last; `alt` describes the picture in words.
    """

    width: float = 0
    height: float = 0
    shapes: deque[Shape] = field(default_factory=deque)
    rows: dict[int, tuple[float, float]] = field(default_factory=dict)
    body_end: float = 0
    alt: str = ""

    def add(self, *shapes: Shape) -> None:
        """Put shapes on top."""
        self.shapes.extend(shapes)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The picture, and as an `<img>` with its words: an exporter gives a picture alone no `alt`."""
        from hfedu.view.svg import data_address, svg

        size = {"width": round(self.width), "height": round(self.height), "alt": self.alt}
        picture = svg(self)
        shown = f'<img alt="{html.escape(printable(self.alt))}" src="{data_address(picture)}">'
        return {"text/html": shown, "image/svg+xml": picture, "text/plain": self.alt}, {"image/svg+xml": size}
