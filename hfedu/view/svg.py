"""Painting a scene as SVG, without a library: for pages without a kernel, and for files.

Every look is an attribute: what shows notebooks to the public takes style sheets and `style` out of a picture. So
that it looks alike everywhere, nothing is asked of the fonts but their kind: letters of DejaVu Sans Mono are as wide
as those of most fonts of that kind, and no layout is closer than its texts.
"""

import base64
import html
import math
from collections.abc import Iterator

from hfedu.errors import printable
from hfedu.view.scene import FONT_SIZES, SANS, Line, Mark, Rect, Scene, Text, text_width
from hfedu.view.theme import THEMES, Style, Theme, styles

FAMILIES = "DejaVu Sans, Verdana, sans-serif", "DejaVu Sans Mono, Menlo, Consolas, monospace"
LAYERS = Rect, Line, Text, Mark
"""What lies over what: the last on top."""
HATCH, GROUND = 6, 1
"""Pixels between two strokes of a hatching, and of paper around a label."""
CAP, DESCENT = 0.76, 0.35
"""How far the paper behind a label reaches above and below its line, in units of the font size."""
ARROW = 8.0
PATHS = {
    "clear": "M{} {}m-5.5 5.5l11 -11",
    "wfi": "M{} {}m-2 -3v6m4 -6v6",
    "fault": "M{} {}m-6 -6l12 12m-12 0l12 -12",
    "bad": "M{} {}m-3 -3l6 6m-6 0l6 -6",
}
"""The strokes of a sign, from its centre."""
DISCS = {"clear": 6, "wfi": 6, "step": 4, "state": 2.5}
SQUARES = {"cpu": 8, "end": 10}


def svg(scene: Scene, theme: str = "light") -> str:
    """A scene as an SVG document that says in words what it shows. The same scene always gives the same text."""
    colours = THEMES[theme]
    table, alt = styles(colours), html.escape(printable(scene.alt))
    width, height = decimal(scene.width), decimal(scene.height)
    paint = {Line: svg_line, Rect: svg_rect, Text: svg_text, Mark: svg_mark}
    painted = (
        element
        for layer in LAYERS
        for shape in scene.shapes
        if type(shape) is layer
        for element in paint[layer](shape, table[shape.role], colours)  # type: ignore[operator]
    )
    head = element_of("svg", xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width} {height}", role="img", font_family=FAMILIES[1])  # fmt: skip
    paper = element_of("rect", "/", x=0.5, y=0.5, width=scene.width - 1, height=scene.height - 1,
        fill=colours.paper, stroke=colours.border)  # fmt: skip
    return "\n".join([head, f"<title>{alt}</title>", paper, *painted, "</svg>", ""])


def data_address(picture: str) -> str:
    """An SVG document as an address that holds it, for the `src` of an `<img>`."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def decimal(value: float) -> str:
    """A length with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element_of(name: str, end: str = "", **attributes: str | float | None) -> str:
    """The beginning of an element, with those attributes that have a value."""
    said = (
        f' {key.replace("_", "-")}="{value if isinstance(value, str) else decimal(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{''.join(said)}{end}>"


def pen(style: Style) -> dict[str, str | float | None]:
    """The attributes of a stroke."""
    dash = " ".join(decimal(length * style.width) for length in style.dash)
    return {"stroke": style.stroke, "stroke_width": style.width, "stroke_dasharray": dash or None}


def svg_line(shape: Line, style: Style, _: Theme) -> Iterator[str]:
    """A line or an arrow."""
    length = math.hypot(shape.x2 - shape.x1, shape.y2 - shape.y1) or 1.0
    head = min(ARROW, length) if shape.arrow else 0.0
    along, down = (shape.x2 - shape.x1) / length, (shape.y2 - shape.y1) / length
    x2, y2 = shape.x2 - along * head * 0.8, shape.y2 - down * head * 0.8
    yield element_of("line", "/", x1=shape.x1, y1=shape.y1, x2=x2, y2=y2, **pen(style))
    if shape.arrow:
        x, y, half = shape.x2 - along * head, shape.y2 - down * head, head * 0.45
        corners = ((shape.x2, shape.y2), (x - down * half, y + along * half), (x + down * half, y - along * half))
        points = " ".join(f"{decimal(a)},{decimal(b)}" for a, b in corners)
        yield element_of("polygon", "/", points=points, fill=style.stroke)


def svg_rect(shape: Rect, style: Style, _: Theme) -> Iterator[str]:
    """A rectangle, hatched if its role is; head boxes have round corners."""
    x, y, width, height, role, _seq = shape
    radius = 5 if role in ("vm", "hypervisor") else None
    fill = style.fill or "none"
    yield element_of("rect", "/", x=x, y=y, width=width, height=height, rx=radius, fill=fill, **pen(style))
    if style.hatch:
        strokes = range(4, int(height) - 2, HATCH)
        path = "".join(f"M{decimal(x)} {decimal(y + at + 3)}l{decimal(width)} -6" for at in strokes)
        yield element_of("path", "/", d=path, stroke=style.stroke, stroke_width=1.2)


def svg_text(shape: Text, style: Style, colours: Theme) -> Iterator[str]:
    """A line of text. Labels of arrows have a ground of their own: they may run across lifelines."""
    kind = shape.role.partition("-")[0]
    kind = kind if kind in FONT_SIZES else "label"
    size, said = FONT_SIZES[kind], printable(shape.text)
    if shape.role.startswith("label") and said:
        wide = text_width(said, kind)
        left = shape.x - {"start": 0.0, "middle": wide / 2, "end": wide}[shape.anchor] - GROUND
        yield element_of("rect", "/", x=left, y=shape.y - CAP * size, width=wide + 2 * GROUND,
            height=(CAP + DESCENT) * size, fill=colours.paper)  # fmt: skip
    begin = element_of(
        "text", x=shape.x, y=shape.y, font_size=size, fill=style.fill,
        font_family=FAMILIES[0] if kind in SANS else None, font_weight="bold" if style.bold else None,
        font_style="italic" if style.italic else None, text_anchor=None if shape.anchor == "start" else shape.anchor,
    )  # fmt: skip
    yield f"{begin}{html.escape(said, quote=False)}</text>"


def svg_mark(shape: Mark, style: Style, _: Theme) -> Iterator[str]:
    """A sign: an empty set for clear, a pause sign for WFI, a cross for a fault, a ring for a step, else a square."""
    x, y, role = shape.x, shape.y, shape.role
    if role in DISCS:
        yield element_of("circle", "/", cx=x, cy=y, r=DISCS[role], fill=style.fill, **pen(style))
    if role in SQUARES:
        side = SQUARES[role]
        yield element_of("rect", "/", x=x - side / 2, y=y - side / 2, width=side, height=side, fill=style.fill)
    if role in PATHS:
        yield element_of("path", "/", d=PATHS[role].format(decimal(x), decimal(y)), fill="none", **pen(style))
