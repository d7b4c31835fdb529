"""What the player's front end needs to show a recording by itself: one plain dictionary, ready for JSON.

The layout stays here: the front end only paints the shapes that are in view, in the colours given here.
"""

from typing import Any

from hfedu.errors import Mistake
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run.trace import Change, Event, Kind, Recording, Stage2, register_changes
from hfedu.view import words
from hfedu.view.pagetable import describe_attrs
from hfedu.view.scene import FONT_SIZES, Line, Shape
from hfedu.view.sequence import HEAD_HEIGHT, HEAD_TOP, cpus_used, sequence
from hfedu.view.theme import THEMES, styles

EVENTS_AT_MOST = 20_000
PARTS = ("head", "body", "legend")


def player_data(recording: Recording) -> dict[str, Any]:
    """The scene, the events, the changes and the themes. `Mistake` if the run is too long for a page."""
    count = len(recording.events)
    if count > EVENTS_AT_MOST:
        raise Mistake(f"this run has {count:,} events, and a page holds {EVENTS_AT_MOST:,}: record fewer (max_traps=)")
    scene = sequence(recording, limit=EVENTS_AT_MOST)
    head = HEAD_TOP + HEAD_HEIGHT
    parts = {name: [pack(shape) for shape in scene.shapes if part(shape) == name] for name in PARTS}
    paths: dict[str, int] = {}
    events = [event_data(event, paths) for event in recording.events]
    return {
        "title": recording.title,
        "outcome": words.plain(recording.outcome.sentence),
        "alt": scene.alt,
        "uart": recording.uart,
        "size": [scene.width, head, scene.body_end, scene.height],
        "headTop": HEAD_TOP - 6,
        "rows": [scene.rows.get(event.seq, (head, head)) for event in recording.events],
        "events": events,
        "paths": list(paths),
        "registers": REGISTER_NAMES,
        "cpus": cpus_used(recording),
        "fonts": FONT_SIZES,
        "themes": {name: {r: s._asdict() for r, s in styles(theme).items()} for name, theme in THEMES.items()},
        "colours": {name: theme._asdict() for name, theme in THEMES.items()},
        **parts,
    }


def part(shape: Shape) -> str | None:
    """Which part of the player a shape belongs to; titles to none."""
    if shape.role in ("title", "subtitle"):
        return None
    if shape.seq is not None or shape.role in ("hypervisor-line", "cpu-line"):
        return "body"
    y = shape.y1 if isinstance(shape, Line) else shape.y
    return "head" if y < HEAD_TOP + HEAD_HEIGHT else "legend"


def pack(shape: Shape) -> list[Any]:
    """A shape as a short list: the first letter of its kind, then its fields in order."""
    return [type(shape).__name__[0].lower(), *shape]


def event_data(event: Event, paths: dict[str, int]) -> dict[str, Any]:
    """One event: its sentence, what changed in words, and the changes for folding."""
    changes = [*event.changes]
    if event.kind is Kind.DELIVER:
        changes.append(Change(f"{event.target}.mailbox.message", None, words.text_of(event.message or b"", 64)))
    if words.leaves(event):
        changes.append(Change(f"cpu{event.cpu}.current", None, None))
    folded = [[paths.setdefault(change.what, len(paths)), folded_value(change.new)] for change in changes]
    return {
        "kind": event.kind.value,
        "cpu": event.cpu,
        "text": words.sentence(event),
        "cause": event.cause,
        "changed": words.change_rows(event),
        "set": folded,
        "regs": [  # in hexadecimal: JavaScript has no exact 64-bit numbers
            [name, [[index, f"{value:x}"] for index, value in register_changes(before, after)]]
            for name, before, after in event.registers
        ],
        "uart": event.uart,
    }


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
