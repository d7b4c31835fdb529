"""What the player's front end needs to show a recording by itself: one plain dictionary, ready for JSON.

The layout stays here: the front end only paints the shapes that are in view, in the colours given here. Long runs say
little that is new, so every event is a row of small numbers (`columns`) that point into tables of what differs: its
sentence (`facts`), what it changed (`changes`, `registers`) and its row of the diagram (`rows`). What is in the tables
has names; assets/player/types.js says them, too.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable
from itertools import pairwise
from typing import Any

from hfedu.errors import Mistake
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run import words
from hfedu.run.kinds import KINDS, Kind
from hfedu.run.recording import Actor, Change, Event, Recording, Stage2, register_changes
from hfedu.view.pagetable import describe_attrs
from hfedu.view.repeats import repeats
from hfedu.view.scene import FONT_SIZES, Line, Rect, Scene, Shape, Text
from hfedu.view.sequence import HEAD_HEIGHT, HEAD_TOP, MAX_ROWS, actors, cpus_used, sequence
from hfedu.view.theme import THEMES, styles
from hfedu.view.why import asks_why

EVENTS_AT_MOST = 250_000
HEAD = HEAD_TOP + HEAD_HEIGHT
FATAL = 4
"""The status of an outcome that is the hypervisor's doing: it hung, panicked or broke an invariant."""
UPRIGHT = ("hypervisor-line", "cpu-line")
"""Lines that run down the whole diagram."""


def player_data(recording: Recording) -> dict[str, Any]:
    """The scene, the events, the changes and the themes. `Mistake` if the run is too long for a page."""
    count = len(recording.events)
    if count > EVENTS_AT_MOST:
        raise Mistake(f"this run has {count:,} events, and a page holds {EVENTS_AT_MOST:,}: record fewer (max_traps=)")
    if not count:
        raise Mistake(f"there is nothing to play: {recording.outcome.sentence}")
    scene = sequence(recording, limit=count)
    fixed = [shape for shape in scene.shapes if shape.seq is None and shape.role not in ("title", "subtitle")]
    upright = {
        role: sorted(shape.x1 for shape in fixed if isinstance(shape, Line) and shape.role == role) for role in UPRIGHT
    }
    return {
        "title": recording.title,
        "outcome": words.names_in_words(recording.outcome.sentence),
        "fatal": count - 1 if recording.outcome.status == FATAL else None,
        "alt": scene.alt,
        "uart": recording.uart,
        "size": {"width": scene.width, "head": HEAD, "bodyEnd": scene.body_end, "height": scene.height},
        "headTop": HEAD_TOP - 6,
        "head": [pack(shape) for shape in fixed if top_of(shape) < HEAD and shape.role not in UPRIGHT],
        "hypervisor": upright["hypervisor-line"][0],
        "cpus": upright["cpu-line"],
        "legend": [pack(shape) for shape in fixed if top_of(shape) >= scene.body_end],
        "repeats": [repeat._asdict() for repeat in repeats(recording.events)] if count > MAX_ROWS else [],
        "kinds": {kind.value: look.word for kind, look in KINDS.items()},
        "vcpus": [line.name for line in actors(recording)],
        "registerNames": REGISTER_NAMES,
        "fonts": FONT_SIZES,
        "themes": {name: {r: s._asdict() for r, s in styles(theme).items()} for name, theme in THEMES.items()},
        "colours": {name: theme._asdict() for name, theme in THEMES.items()},
        **event_tables(recording, bool(cpus_used(recording)), row_numbers(scene, count)),
    }


class Table:
    """Everything that was ever put in, once each and numbered from 0."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}
        self.entries: list[Any] = []

    def number(self, key: Hashable, entry: Any) -> int:
        """The number of an entry; `key` tells entries apart."""
        if key not in self.numbers:
            self.numbers[key] = len(self.entries)
            self.entries.append(entry)
        return self.numbers[key]


def event_tables(recording: Recording, several_cpus: bool, rows: tuple[list[int], dict[str, Any]]) -> dict[str, Any]:
    """The columns and tables of the events. `cause` is how many events ago, 0 for none; `uart` how much was printed."""
    paths: dict[str, int] = {}
    facts, changes, registers = Table(), Table(), Table()
    known: dict[Hashable, tuple[int, int]] = {}
    columns: dict[str, list[int]] = {name: [] for name in ("fact", "cause", "change", "register", "uart")}
    printed = 0
    for event in recording.events:
        waits = asks_why(recording, event)
        key = event._replace(seq=0, causes=(), checks=(), registers=(), uart=0), waits
        is_key, numbers = event.kind is not Kind.LOAD, None  # loading changes a whole page table: no key
        try:
            numbers = known.get(key) if is_key else None
        except TypeError:
            is_key = False  # nor is a dictionary, which a hypervisor of one's own may keep
        if numbers is None:
            fact, change = fact_of(event, several_cpus, waits), change_of(event, paths)
            numbers = facts.number(tuple(fact.values()), fact), changes.number(repr(change), change)
            if is_key:
                known[key] = numbers
        columns["fact"].append(numbers[0])
        columns["change"].append(numbers[1])
        columns["cause"].append(0 if event.cause is None else event.seq - event.cause)
        columns["register"].append(registers.number(event.registers, event.registers))
        columns["uart"].append(max(0, event.uart - printed))
        printed = max(printed, event.uart)
    numbered, tables = rows
    return {
        "columns": columns | {"row": numbered},
        "facts": facts.entries,
        "changes": changes.entries,
        "registers": [moved(entry) for entry in registers.entries],
        "paths": list(paths),
        **tables,
    }


def moved(registers: Iterable[tuple[Actor, bytes, bytes]]) -> dict[str, dict[str, str]]:
    """By vCPU the registers that changed, by name and in hexadecimal: JavaScript has no exact 64-bit numbers."""
    found: dict[str, dict[str, str]] = {}
    for vcpu, before, after in registers:
        named = {REGISTER_NAMES[index]: f"{value:x}" for index, value in register_changes(before, after)}
        found.setdefault(vcpu.name, {}).update(named)
    return found


def fact_of(event: Event, several_cpus: bool, asks: bool) -> dict[str, Any]:
    """What an event says: kind, sentence, changes in words, the VMs it is about, whether it failed, whether to ask why.

    Where there are several physical CPUs the sentence says which one made the event, if it does not anyway.
    """
    sentence = words.sentence(event)
    if several_cpus and event.kind is not Kind.END and not sentence.startswith("CPU"):
        sentence = f"CPU {event.cpu}: {sentence}"
    vms = {Actor(who.vm).name for who in (event.actor, event.target) if who is not None}
    bad = event.kind is Kind.FAULT or words.failed(event)
    return {
        "kind": event.kind.value,
        "text": sentence,
        "changed": "; ".join(words.state_changes(event)),
        "vms": " ".join(sorted(vms)),
        "bad": bad,
        "why": asks,
    }


def change_of(event: Event, paths: dict[str, int]) -> dict[str, Any]:
    """What an event changed: in words (`rows`), and for folding (`set`: the path's number and the new value)."""
    changes = [*event.changes]
    if event.kind is Kind.DELIVER and event.target is not None:
        text = words.text_of(event.message or b"", 64)
        changes.append(Change(f"{event.target.name}.mailbox.message", None, text))
    if words.leaves(event):
        changes.append(Change(f"cpu{event.cpu}.current", None, None))
    folded = [{"path": paths.setdefault(c.what, len(paths)), "value": folded_value(c.new)} for c in changes]
    return {"rows": [changed(*row) for row in words.change_rows(event)], "set": folded}


def changed(what: str, old: str, now: str) -> dict[str, str]:
    """A row of a table of changes, in words."""
    return {"what": what, "old": old, "now": now}


def folded_value(value: object) -> object:
    """A value as the front end shows it."""
    if isinstance(value, Stage2):
        size = words.size
        rows = [
            {"from": f"{a:#x}", "to": f"{b - 1:#x}", "size": size(b - a), "rights": describe_attrs(attrs)}
            for a, b, attrs in value.mappings()
        ]
        tables = {f"{pa:x}": {i: f"{pte:x}" for i, pte in enumerate(t) if pte} for pa, t in value.tables.items()}
        return {"rows": rows, "root": f"{value.root:x}", "tables": tables}
    if isinstance(value, Actor):
        return value.name
    if value is None or isinstance(value, str | bool):
        return value
    return f"{value:#x}" if isinstance(value, int) else str(value)


def top_of(shape: Shape) -> float:
    """The y where a shape begins."""
    return min(shape.y1, shape.y2) if isinstance(shape, Line) else shape.y


def pack(shape: Shape, top: float = 0, number: str = "") -> dict[str, Any]:
    """A shape with its name, relative to the top of its row, `seq` left out.

    The text that is the event's own number becomes None, so that rows that only differ in it are the same.
    """
    fields = shape._asdict()
    del fields["seq"]
    for name in ("x", "x1", "x2", "width", "height"):
        if name in fields:
            fields[name] = tidy(fields[name])
    for name in ("y", "y1", "y2"):
        if name in fields:
            fields[name] = tidy(fields[name] - top)
    if isinstance(shape, Text) and shape.text == number:
        fields["text"] = None
    return {"shape": type(shape).__name__.lower(), **fields}


def tidy(value: float) -> float:
    """A coordinate with two decimals at most."""
    return int(value) if value == int(value) else round(value, 2)


def row_numbers(scene: Scene, count: int) -> tuple[list[int], dict[str, Any]]:
    """The row of every event as a number into a table of rows, and the tables.

    A row has `advance` (how far below the row before it begins), its `height`, its `shapes`, and what `begins` beside
    it. What runs down beside the rows has a lane each (by its x, in `lanes`), and ends where the next begins.
    """
    tops = [scene.rows[seq][0] for seq in range(count)]
    shapes: dict[int, list[dict[str, Any]]] = defaultdict(list)
    begins: dict[int, list[dict[str, Any]]] = defaultdict(list)
    lanes: dict[float, list[tuple[float, float, float, str, int]]] = defaultdict(list)
    for shape in scene.shapes:
        if shape.seq is None:
            continue
        if isinstance(shape, Rect) and shape.role != "fatal":
            end = shape.y + shape.height
            lanes[shape.x + shape.width / 2].append((shape.y, end, shape.width, shape.role, shape.seq))
        elif isinstance(shape, Line) and shape.x1 == shape.x2:
            lanes[shape.x1].append((shape.y1, shape.y2, 0, shape.role, shape.seq))
        else:
            shapes[shape.seq].append(pack(shape, tops[shape.seq], str(shape.seq)))
    names = sorted(lanes)
    end = max((piece[1] for pieces in lanes.values() for piece in pieces), default=scene.body_end)
    for number, x in enumerate(names):
        pieces = sorted(lanes[x], key=lambda piece: (piece[0], piece[4]))
        for (y, stop, width, role, seq), (follower, *_) in pairwise([*pieces, (end, end, 0.0, "", 0)]):
            begins[seq].append({"lane": number, "width": width, "role": role, "y": tidy(y - tops[seq])})
            if stop < follower:
                at = bisect_right(tops, stop) - 1
                begins[at].append({"lane": number, "width": 0, "role": "", "y": tidy(stop - tops[at])})
    table = Table()
    numbers = []
    before: float = HEAD
    for seq in range(count):
        top, bottom = scene.rows[seq]
        place = {"advance": tidy(top - before), "height": tidy(bottom - top)}
        row = {**place, "shapes": shapes[seq], "begins": begins[seq]}
        numbers.append(table.number(repr(row), row))
        before = top
    return numbers, {"rows": table.entries, "lanes": names, "laneEnd": end}
