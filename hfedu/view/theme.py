"""Colours and strokes for the roles of a scene, light and dark. Every text has a contrast of at least 4.5:1."""

from typing import NamedTuple


class Style(NamedTuple):
    """How a shape looks: stroke and fill colours (None for none), stroke width in pixels, dash pattern, hatching."""

    stroke: str | None = None
    fill: str | None = None
    width: float = 1.0
    dash: tuple[float, ...] = ()
    hatch: str = ""
    bold: bool = False
    italic: bool = False


class Theme(NamedTuple):
    """The colours that styles are made of."""

    paper: str
    border: str
    ink: str
    soft: str
    box: str
    line: str
    call: str
    deliver: str
    wake: str
    switch: str
    refused: str


LIGHT = Theme(
    paper="#ffffff", border="#d0d7de", ink="#1f2328", soft="#57606a", box="#f3f5f8", line="#8c959f",
    call="#0b5cad", deliver="#0a6e4a", wake="#8f4a00", switch="#57606a", refused="#b3202c",
)  # fmt: skip
DARK = Theme(
    paper="#14181d", border="#3a424c", ink="#e8edf2", soft="#a9b4c0", box="#222932", line="#76818d",
    call="#7db7f2", deliver="#58c99a", wake="#eea863", switch="#a9b4c0", refused="#ff8e8e",
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}


def styles(theme: Theme) -> dict[str, Style]:
    """A style for every role."""
    ink, soft = theme.ink, theme.soft
    table = {
        **dict.fromkeys(("title", "head"), Style(fill=ink, bold=True)),
        **dict.fromkeys(("subtitle", "subhead", "number", "legend", "state-EMPTY", "state-IDLE"), Style(fill=soft)),
        **dict.fromkeys(("note", "fold"), Style(fill=soft, italic=True)),
        **dict.fromkeys(
            ("state-RECEIVED", "state-READ", "state-PENDING", "state-INFLIGHT"), Style(fill=theme.deliver, bold=True)
        ),
        "hypervisor": Style(fill=ink),
        "vm": Style(theme.line, theme.box),
        "head-inverse": Style(fill=theme.paper, bold=True),
        "subhead-inverse": Style(fill=theme.paper),
        "hypervisor-line": Style(ink, width=2.2),
        "running": Style(ink, ink),
        "ready": Style(theme.line, width=1.4),
        "blocked": Style(soft, width=1.8, dash=(1, 2.2)),
        "aborted": Style(theme.refused, width=1.4),
        "end": Style(ink, ink, bold=True),
        **dict.fromkeys(("mailbox-EMPTY", "mailbox-IDLE"), Style(theme.line, theme.paper)),
        **dict.fromkeys(("mailbox-RECEIVED", "mailbox-PENDING"), Style(theme.deliver, theme.paper, hatch="////")),
        **dict.fromkeys(("mailbox-READ", "mailbox-INFLIGHT"), Style(theme.deliver, theme.deliver)),
        "clear": Style(theme.call, theme.paper, width=1.6),
        "wfi": Style(soft, theme.paper, width=1.4),
        "fault": Style(theme.refused, theme.refused, width=2),
        "cpu": Style(ink, ink),
        "cpu-line": Style(theme.border, width=1.0),
        "cpu-inverse": Style(fill=theme.paper, bold=True),
        "step": Style(soft, theme.paper, width=1.8),
        "label-step": Style(fill=soft),
        "fatal": Style(theme.refused, width=2),
        "end-fatal": Style(fill=theme.refused, bold=True),
        "state": Style(soft, soft),
        "bad": Style(theme.refused, theme.refused, width=1.4),
    }
    for role, colour, width, dash in (
        ("call", theme.call, 1.4, ()),
        ("switch", theme.switch, 1.2, ()),
        ("return", theme.call, 0.8, ()),
        ("deliver", theme.deliver, 2.0, ()),
        ("wake", theme.wake, 1.6, (4, 2.4)),
        ("refused", theme.refused, 1.4, (6, 1.6, 1.4, 1.6)),
        ("fault", theme.refused, 1.6, ()),
    ):
        table.setdefault(role, Style(colour, colour, width, dash))
        table[f"label-{role}"] = Style(fill=colour, bold=role in ("deliver", "wake"))
    dashes: tuple[tuple[float, ...], ...] = (), (4, 2), (1, 1.6), (6, 2, 1, 2)
    for cpu, colour in enumerate((theme.call, theme.wake, theme.deliver, theme.switch)):
        table[f"edge-{cpu}"] = Style(colour, colour, 0.9, dashes[cpu])
        table[f"path-{cpu}"] = Style(colour, colour, 3.2, tuple(length / 2 for length in dashes[cpu]))
    return table
