"""What the player's front end needs to show a recording by itself: one plain dictionary, ready for JSON.

The layout stays here: the front end only paints the shapes that are in view, in the colours given here.
"""

from typing import Any

from hfedu.errors import Mistake
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run.trace import REGISTER_DELTA, Change, Event, Kind, Recording, Stage2
from hfedu.view import words
from hfedu.view.pagetable import describe_attrs
from hfedu.view.scene import FONT_SIZES, Line, Mark, Rect, Scene, Shape, Text
from hfedu.view.sequence import HEAD_HEIGHT, HEAD_TOP, sequence
from hfedu.view.theme import THEMES, styles

EVENTS_AT_MOST = 20_000


def player_data(recording: Recording) -> dict[str, Any]:
    """The scene, the events, the changes and the themes. `Mistake` if the run is too long for a page."""
    count = len(recording.events)
    if count > EVENTS_AT_MOST:
        raise Mistake(f"this run has {count:,} events, and a page holds {EVENTS_AT_MOST:,}: record fewer (max_traps=)")
    scene = sequence(recording, limit=EVENTS_AT_MOST)
    paths: dict[str, int] = {}
    events = [event_data(event, paths) for event in recording.events]
    head = HEAD_TOP + HEAD_HEIGHT
    groups: dict[str, list[list[Any]]] = {"head": [], "body": [], "legend": []}
    for shape in scene.shapes:
        group = part(shape, head, scene)
        if group is not None:
            groups[group].append(pack(shape))
    return {
        "title": recording.title,
        "outcome": recording.outcome.sentence,
        "alt": scene.alt,
        "uart": recording.uart,
        "size": [scene.width, head, scene.body_end, scene.height],
        "headTop": HEAD_TOP - 6,
        "rows": [scene.rows.get(event.seq, (head, head)) for event in recording.events],
        "events": events,
        "paths": list(paths),
        "registers": REGISTER_NAMES,
        "fonts": FONT_SIZES,
        "themes": {name: {r: s._asdict() for r, s in styles(theme).items()} for name, theme in THEMES.items()},
        "colours": {name: theme._asdict() for name, theme in THEMES.items()},
        **groups,
    }


def part(shape: Shape, head: float, scene: Scene) -> str | None:
    """Which part of the player a shape belongs to; titles to none."""
    if shape.role in ("title", "subtitle"):
        return None
    if shape.seq is not None or shape.role == "hypervisor-line":
        return "body"
    y = shape.y1 if isinstance(shape, Line) else shape.y
    return "head" if y < head else "legend"


def pack(shape: Shape) -> list[Any]:
    """A shape as a short list: its kind, its geometry, its role, its event."""
    if isinstance(shape, Line):
        return ["l", shape.x1, shape.y1, shape.x2, shape.y2, shape.role, shape.seq, shape.arrow]
    if isinstance(shape, Rect):
        return ["r", shape.x, shape.y, shape.width, shape.height, shape.role, shape.seq]
    if isinstance(shape, Text):
        return ["t", shape.x, shape.y, shape.text, shape.role, shape.seq, shape.anchor]
    assert isinstance(shape, Mark)
    return ["m", shape.x, shape.y, shape.role, shape.seq]


def event_data(event: Event, paths: dict[str, int]) -> dict[str, Any]:
    """One event: its sentence, what changed in words, and the changes for folding."""
    changes = [*event.changes]
    if event.kind is Kind.DELIVER:
        changes.append(Change(f"{event.target}.mailbox.message", None, words.text_of(event.message or b"", 64)))
    folded = [[paths.setdefault(change.what, len(paths)), folded_value(change.new)] for change in changes]
    return {
        "kind": event.kind.value,
        "text": words.sentence(event),
        "cause": event.cause,
        "changed": words.change_rows(event),
        "set": folded,
        "regs": [[name, [list(pair) for pair in unpack(packed)]] for name, packed in event.registers],
        "uart": event.uart,
    }


def unpack(packed: bytes) -> list[tuple[int, str]]:
    """Register numbers and their values as hexadecimal text: JavaScript has no exact 64-bit numbers."""
    return [(index, f"{value:x}") for index, value in REGISTER_DELTA.iter_unpack(packed)]


def folded_value(value: object) -> object:
    """A value as the front end shows it."""
    if isinstance(value, Stage2):
        size = words.size
        rows = [(f"{a:#x}", f"{b - 1:#x}", size(b - a), describe_attrs(attrs)) for a, b, attrs in value.mappings()]
        tables = {f"{pa:x}": {i: f"{pte:x}" for i, pte in enumerate(t) if pte} for pa, t in value.tables.items()}
        return {"rows": rows, "root": f"{value.root:x}", "tables": tables}
    if value is None or isinstance(value, str | bool):
        return value
    return f"{value:#x}" if isinstance(value, int) else str(value)
