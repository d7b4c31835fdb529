"""Painting a scene with matplotlib: PNG, SVG, PDF, or a Figure. The only module that imports matplotlib."""

import io
import math
from typing import Any

from hfedu.view.scene import FONT_SIZES, Line, Mark, Rect, Scene, Text
from hfedu.view.theme import THEMES, Style, styles

PIXELS_PER_INCH = 100
SHARPNESS = 2
"""Device pixels per pixel of a PNG."""
MONOSPACE = ("label", "number", "state", "fold", "note", "end")


def figure(scene: Scene, theme: str = "light") -> Any:
    """A matplotlib Figure of a scene."""
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    table = styles(colours)
    fig = Figure((scene.width / PIXELS_PER_INCH, scene.height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH)
    fig.patch.set_facecolor(colours.paper)
    fig.patch.set_edgecolor(colours.border)
    fig.patch.set_linewidth(1)
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    for shape in scene.shapes:
        {Line: line, Rect: rect, Text: text, Mark: mark}[type(shape)](axes, shape, table[shape.role])  # type: ignore[operator]
    return fig


def line(axes: Any, shape: Line, style: Style) -> None:
    """A line or an arrow."""
    if style.stroke is None:
        return
    points = 72 / PIXELS_PER_INCH
    dashes = (0, style.dash) if style.dash else "solid"
    length = math.hypot(shape.x2 - shape.x1, shape.y2 - shape.y1) or 1.0
    head = min(8.0, length) if shape.arrow else 0.0
    along, down = (shape.x2 - shape.x1) / length, (shape.y2 - shape.y1) / length
    axes.plot(
        (shape.x1, shape.x2 - along * head * 0.8),
        (shape.y1, shape.y2 - down * head * 0.8),
        color=style.stroke,
        linewidth=style.width * points,
        linestyle=dashes,
        solid_capstyle="butt",
        dash_capstyle="butt",
    )
    if shape.arrow:
        x, y, half = shape.x2 - along * head, shape.y2 - down * head, head * 0.45
        corners = ((shape.x2, shape.y2), (x - down * half, y + along * half), (x + down * half, y - along * half))
        axes.fill(*zip(*corners, strict=True), color=style.stroke, linewidth=0)


def rect(axes: Any, shape: Rect, style: Style) -> None:
    """A rectangle; head boxes have round corners."""
    from matplotlib.patches import FancyBboxPatch, Rectangle

    points = 72 / PIXELS_PER_INCH
    look: dict[str, Any] = {"facecolor": style.fill or "none", "edgecolor": style.stroke or "none"}
    look["linewidth"] = style.width * points
    if shape.role in ("vm", "hypervisor"):
        patch: Any = FancyBboxPatch(
            (shape.x + 4, shape.y + 4),
            shape.width - 8,
            shape.height - 8,
            boxstyle="round,pad=4,rounding_size=5",
            **look,
        )
    else:
        patch = Rectangle((shape.x, shape.y), shape.width, shape.height, hatch=style.hatch or None, **look)
    axes.add_patch(patch)


def text(axes: Any, shape: Text, style: Style) -> None:
    """A line of text. Labels of arrows have a ground of their own: they may run across lifelines."""
    ground = axes.figure.get_facecolor()
    kind = shape.role.partition("-")[0]
    axes.text(
        shape.x,
        shape.y,
        shape.text.replace("$", r"\$"),
        color=style.fill,
        fontsize=FONT_SIZES.get(kind, FONT_SIZES["label"]) * 72 / PIXELS_PER_INCH,
        family="DejaVu Sans Mono" if kind in MONOSPACE else "DejaVu Sans",
        weight="bold" if style.bold else "normal",
        style="italic" if style.italic else "normal",
        bbox={"facecolor": ground, "edgecolor": "none", "pad": 0.8} if kind == "label" else None,
        ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
        va="baseline",
    )


def mark(axes: Any, shape: Mark, style: Style) -> None:
    """A sign: an empty set for clear, a pause sign for WFI, a cross for a fault, a square for the end."""
    from matplotlib.patches import Circle, Rectangle

    x, y, points = shape.x, shape.y, 72 / PIXELS_PER_INCH
    stroke = {"color": style.stroke, "linewidth": style.width * points, "zorder": 5}
    if shape.role in ("clear", "wfi"):
        look = {"facecolor": style.fill, "edgecolor": style.stroke, "linewidth": style.width * points, "zorder": 4}
        axes.add_patch(Circle((x, y), 6, **look))
    if shape.role == "clear":
        axes.plot((x - 5.5, x + 5.5), (y + 5.5, y - 5.5), **stroke)
    elif shape.role == "wfi":
        axes.plot((x - 2, x - 2), (y - 3, y + 3), **stroke)
        axes.plot((x + 2, x + 2), (y - 3, y + 3), **stroke)
    elif shape.role == "fault":
        axes.plot((x - 6, x + 6), (y - 6, y + 6), **stroke)
        axes.plot((x - 6, x + 6), (y + 6, y - 6), **stroke)
    else:
        axes.add_patch(Rectangle((x - 5, y - 5), 10, 10, facecolor=style.fill, zorder=5))


def render(scene: Scene, fmt: str, theme: str = "light") -> bytes:
    """A picture as bytes: fmt is "png", "svg" or "pdf". The same scene always gives the same bytes."""
    import matplotlib

    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None, "Description": scene.alt},
        "svg": {"Date": None, "Creator": "hfedu", "Title": scene.alt},
        "pdf": {"CreationDate": None, "Creator": "hfedu", "Title": scene.alt[:200]},
    }
    out = io.BytesIO()
    options: Any = {"svg.hashsalt": "hfedu", "hatch.linewidth": 0.8}
    with matplotlib.rc_context(options):
        fig = figure(scene, theme)
        fig.savefig(
            out,
            format=fmt,
            dpi=PIXELS_PER_INCH * (SHARPNESS if fmt == "png" else 1),
            metadata=metadata[fmt],
            facecolor=fig.get_facecolor(),
            edgecolor=fig.get_edgecolor(),
        )
    return out.getvalue()
