"""Painting a scene with matplotlib: PNG, PDF, or a Figure. The only module that imports matplotlib."""

import io
import math
import signal
import sys
import threading
from importlib import import_module
from typing import Any

from hfedu.errors import needing, printable
from hfedu.view.scene import FONT_SIZES, SANS, Line, Mark, Rect, Scene, Text
from hfedu.view.svg import svg
from hfedu.view.theme import THEMES, Style, styles

PIXELS_PER_INCH = 100
SHARPNESS = 2
"""Device pixels per pixel of a PNG."""
POINTS = 72 / PIXELS_PER_INCH
"""Points per pixel."""
STROKES: dict[str, tuple[tuple[tuple[float, float], tuple[float, float]], ...]] = {
    "clear": (((-5.5, 5.5), (5.5, -5.5)),),
    "wfi": (((-2, -2), (-3, 3)), ((2, 2), (-3, 3))),
    "fault": (((-6, 6), (-6, 6)), ((-6, 6), (6, -6))),
    "bad": (((-3, 3), (-3, 3)), ((-3, 3), (3, -3))),
}
"""The strokes of a sign: x and y of both ends, from its centre."""


def load_library() -> None:
    """Import matplotlib, and hold an interrupt back meanwhile: what it cuts short could not be imported again."""
    if "matplotlib.figure" in sys.modules:
        return
    previous = signal.getsignal(signal.SIGINT)
    held = []
    in_charge = threading.current_thread() is threading.main_thread() and callable(previous)
    if in_charge:
        signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        with needing("matplotlib"):
            import_module("matplotlib.patches")
            import_module("matplotlib.figure")
    finally:
        if in_charge:
            signal.signal(signal.SIGINT, previous)
    if held and callable(previous):
        previous(*held[0])


def figure(scene: Scene, theme: str = "light") -> Any:
    """A matplotlib Figure of a scene."""
    load_library()
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    table = styles(colours)
    size = scene.width / PIXELS_PER_INCH, scene.height / PIXELS_PER_INCH
    fig = Figure(size, PIXELS_PER_INCH, facecolor=colours.paper, edgecolor=colours.border, linewidth=1)
    axes = fig.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for shape in scene.shapes:
        {Line: paint_line, Rect: rect, Text: text, Mark: mark}[type(shape)](axes, shape, table[shape.role])  # type: ignore[operator]
    return fig


def paint_line(axes: Any, shape: Line, style: Style) -> None:
    """A line or an arrow."""
    length = math.hypot(shape.x2 - shape.x1, shape.y2 - shape.y1) or 1.0
    head = min(8.0, length) if shape.arrow else 0.0
    along, down = (shape.x2 - shape.x1) / length, (shape.y2 - shape.y1) / length
    axes.plot(
        (shape.x1, shape.x2 - along * head * 0.8),
        (shape.y1, shape.y2 - down * head * 0.8),
        **{"color": style.stroke, "linewidth": style.width * POINTS, "linestyle": (0, style.dash or None)},
        **{"solid_capstyle": "butt", "dash_capstyle": "butt"},
    )
    if shape.arrow:
        x, y, half = shape.x2 - along * head, shape.y2 - down * head, head * 0.45
        corners = ((shape.x2, shape.y2), (x - down * half, y + along * half), (x + down * half, y - along * half))
        axes.fill(*zip(*corners, strict=True), color=style.stroke, linewidth=0)


def rect(axes: Any, shape: Rect, style: Style) -> None:
    """A rectangle; head boxes have round corners."""
    from matplotlib.patches import FancyBboxPatch, Rectangle

    x, y, width, height, role, _ = shape
    patch: Any = Rectangle((x, y), width, height, hatch=style.hatch or None)
    if role in ("vm", "hypervisor"):
        round_box = "round,pad=4,rounding_size=5"
        patch = FancyBboxPatch((x + 4, y + 4), width - 8, height - 8, boxstyle=round_box)
    patch.set(facecolor=style.fill or "none", edgecolor=style.stroke or "none", linewidth=style.width * POINTS)
    axes.add_patch(patch)


def text(axes: Any, shape: Text, style: Style) -> None:
    """A line of text. Labels of arrows have a ground of their own: they may run across lifelines."""
    kind = shape.role.partition("-")[0]
    ground = {"facecolor": axes.figure.get_facecolor(), "edgecolor": "none", "pad": 0.8}
    axes.text(
        *(shape.x, shape.y, printable(shape.text).replace("$", r"\$")),
        color=style.fill,
        fontsize=FONT_SIZES.get(kind, FONT_SIZES["label"]) * 72 / PIXELS_PER_INCH,
        family="DejaVu Sans" if kind in SANS else "DejaVu Sans Mono",
        weight="bold" if style.bold else "normal",
        style="italic" if style.italic else "normal",
        bbox=ground if kind == "label" else None,
        ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
        va="baseline",
    )


def mark(axes: Any, shape: Mark, style: Style) -> None:
    """A sign: an empty set for clear, a pause sign for WFI, a cross for a fault, a ring for a step, else a square."""
    from matplotlib.patches import Circle, Rectangle

    x, y, width = shape.x, shape.y, style.width * POINTS
    if shape.role in ("clear", "wfi"):
        axes.add_patch(Circle((x, y), 6, facecolor=style.fill, edgecolor=style.stroke, linewidth=width, zorder=4))
    if shape.role in ("step", "state"):
        radius = 4 if shape.role == "step" else 2.5
        axes.add_patch(Circle((x, y), radius, facecolor=style.fill, edgecolor=style.stroke, linewidth=width, zorder=4))
    if shape.role in ("cpu", "end"):
        side = 8 if shape.role == "cpu" else 10
        axes.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, facecolor=style.fill, zorder=5))
    for (x1, x2), (y1, y2) in STROKES.get(shape.role, ()):
        axes.plot((x + x1, x + x2), (y + y1, y + y2), color=style.stroke, linewidth=width, zorder=5)


def render(scene: Scene, fmt: str, theme: str = "light") -> bytes:
    """A picture as bytes: fmt is "png", "svg" or "pdf". The same scene always gives the same bytes."""
    if fmt == "svg":
        return svg(scene, theme).encode()
    load_library()
    import matplotlib

    alt = printable(scene.alt)
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None, "Description": alt},
        "pdf": {"CreationDate": None, "Creator": "hfedu", "Title": alt[:200]},
    }
    out = io.BytesIO()
    dpi = PIXELS_PER_INCH * (SHARPNESS if fmt == "png" else 1)
    with matplotlib.rc_context({"hatch.linewidth": 0.8}):
        fig = figure(scene, theme)
        fig.savefig(out, format=fmt, dpi=dpi, metadata=metadata[fmt], facecolor="auto", edgecolor="auto")
    return out.getvalue()
