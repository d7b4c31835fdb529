"""The layout of the sequence diagram: from a recording to a scene.

One lifeline for the hypervisor and one for each vCPU that ever acted. Time runs down, one row per event. Every
label stands to the left of the lifeline it belongs to. Up to six lifelines each column is as wide as its labels
need; with more, the columns close up and labels run, on a ground of their own, across the lifelines to their left.
"""

import textwrap
from collections.abc import Iterable
from typing import NamedTuple

from hfedu.run.trace import Event, Kind, Lifeline, Recording
from hfedu.view import words
from hfedu.view.scene import Line, Mark, Rect, Scene, Text, text_width

MARGIN = 16
GUTTER = 40
HEAD_TOP = 62
HEAD_HEIGHT = 38
ROW = {Kind.HYPERCALL: 27, Kind.SMC: 27, Kind.WFI: 27, Kind.IRQ: 27, Kind.FAULT: 27, Kind.END: 30}
ROW_DEFAULT = 20
ROLES = {Kind.DELIVER: "deliver", Kind.WAKE: "wake", Kind.SWITCH: "switch", Kind.FAULT: "fault"}
FOLD_ROW = 30
BAR = 9
BAND_OFFSET, BAND_WIDTH, BAND_LABEL = 24, 9, 58
LEAST, CROWDED_LEAST = 150, 90
"""Room to the left of a lifeline that even an empty run gets, so that a run that grows does not jump about."""
CROWDED = 6
CROWDED_COLUMN = 92
CROWDED_BAND = 16
CROWDED_NAME = 9
MAX_ROWS = 120
"""Events drawn at most: beyond, the middle of a run is folded away, and the picture says so."""


class Column(NamedTuple):
    """Where a vCPU's lifeline stands; `band` is the x of its VM's mailbox, None on all but the VM's last vCPU."""

    x: float
    band: float | None
    line: Lifeline


class _Fold(NamedTuple):
    """Events that are not drawn."""

    first: int
    last: int


def actors(recording: Recording) -> list[Lifeline]:
    """The lifelines to draw: vCPU 0 of every VM, and every other vCPU that an event names."""
    named = {name for event in recording.events for name in (event.actor, event.target)}
    return [line for line in recording.lifelines if line.vcpu == 0 or line.name in named]


def window(events: tuple[Event, ...], first: int, last: int | None, limit: int) -> list[Event | _Fold]:
    """Which events get a row: those from `first` to `last`, the middle folded if there are more than `limit`."""
    chosen: list[Event | _Fold] = list(events[first : len(events) if last is None else last + 1])
    if len(chosen) <= limit:
        return chosen
    head, tail = limit * 2 // 3, limit // 3
    folded = _Fold(first + head, first + len(chosen) - tail - 1)
    return [*chosen[:head], folded, *chosen[-tail:]]


def sequence(recording: Recording, first: int = 0, last: int | None = None, limit: int = MAX_ROWS) -> Scene:
    """The sequence diagram of a recording, or of its events `first` to `last`; beyond `limit` rows it folds."""
    lines = actors(recording)
    rows = window(recording.events, first, last, limit)
    scene = Scene(alt=alt_text(recording))
    short = len(lines) > CROWDED
    columns = place(lines, rows, short)
    hypervisor = MARGIN + GUTTER + 52
    edges = [c.x + 40 if c.band is None else c.band + BAND_WIDTH + BAND_LABEL for c in columns.values()]
    right = max(edges, default=0.0)
    title = recording.title
    scene.width = max(right + MARGIN, text_width(title, "title") + 2 * MARGIN, 560)
    scene.add(Text(MARGIN, 26, title, "title"), Text(MARGIN, 44, subtitle(recording), "subtitle"))
    heads(scene, columns.values(), hypervisor, short)
    y = body(scene, recording, rows, columns, hypervisor, short)
    scene.body_end = y
    scene.height = legend(scene, y + 22)
    return scene


def subtitle(recording: Recording) -> str:
    """What stands below the title."""
    count = len(recording.events)
    return (
        f"{count} events · {recording.outcome.sentence}" if len(recording.outcome.sentence) < 80 else f"{count} events"
    )


def alt_text(recording: Recording) -> str:
    """The picture in a few sentences, for those who do not see it."""
    events = recording.events
    calls = sum(event.kind is Kind.HYPERCALL for event in events)
    messages = sum(event.kind is Kind.DELIVER for event in events)
    wakes = sum(event.kind is Kind.WAKE for event in events)
    vms = len({line.vm for line in recording.lifelines})
    return (
        f"Sequence diagram of {recording.title}: {vms} VMs and the hypervisor, {len(events)} events, {calls} "
        f"hypercalls, {messages} messages delivered, {wakes} wake-ups. {recording.outcome.sentence} "
        "The transcript has the same facts."
    )


def place(lines: list[Lifeline], rows: list[Event | _Fold], short: bool) -> dict[str, Column]:
    """The column of each lifeline, wide enough for every label that stands in it."""
    least = CROWDED_LEAST if short else LEAST
    needed = {line.name: max(least, text_width(detail(line, short), "subhead") / 2 + 14) for line in lines}
    for event in rows:
        if isinstance(event, Event):
            name = home(event, needed)
            if name is not None:
                needed[name] = max(needed[name], text_width(words.label(event, short), "label") + 26)
    columns: dict[str, Column] = {}
    x = MARGIN + GUTTER + 52.0 + 8
    if short:
        x += max(needed[line.name] - i * CROWDED_COLUMN for i, line in enumerate(lines))
    for line, after in zip(lines, [*lines[1:], None], strict=False):
        if not short:
            x += needed[line.name]
        last = after is None or after.vm != line.vm
        band = x + (CROWDED_BAND if short else BAND_OFFSET) if last else None
        columns[line.name] = Column(x, band, line)
        x += CROWDED_COLUMN if short else BAND_OFFSET + BAND_WIDTH + BAND_LABEL if last else 20
    return columns


def detail(line: Lifeline, short: bool) -> str:
    """The second line of a head."""
    if not line.label or not line.vm:
        return f"vCPU {line.vcpu}"
    if not short:
        return f"vCPU {line.vcpu} · {line.label}"
    return line.label if len(line.label) <= CROWDED_NAME else line.label[: CROWDED_NAME - 1] + "…"


def home(event: Event, names: Iterable[str]) -> str | None:
    """The lifeline beside which an event's label stands."""
    if event.kind in (Kind.DELIVER, Kind.LOAD):
        return next((name for name in reversed(list(names)) if name.startswith(f"{event.target}.")), None)
    name = event.target if event.kind in (Kind.WAKE, Kind.SWITCH) else event.actor
    return name if name is not None and name in names else None


def heads(scene: Scene, columns: Iterable[Column], hypervisor: float, short: bool) -> None:
    """The boxes above the lifelines."""
    scene.add(
        Rect(hypervisor - 46, HEAD_TOP, 92, HEAD_HEIGHT, "hypervisor"),
        Text(hypervisor, HEAD_TOP + 17, "Hypervisor", "head-inverse", anchor="middle"),
        Text(hypervisor, HEAD_TOP + 31, "EL2", "subhead-inverse", anchor="middle"),
    )
    for column in columns:
        line = column.line
        name = f"VM {line.vm}" + (" primary" if line.vm == 0 and not short else "")
        below = detail(line, short)
        width = max(text_width(name, "head"), text_width(below, "subhead")) + 16
        left = min(column.x - width / 2, column.x - 24)
        scene.add(
            Rect(left, HEAD_TOP, max(width, 48), HEAD_HEIGHT, "vm"),
            Text(column.x, HEAD_TOP + 17, name, "head", anchor="middle"),
            Text(column.x, HEAD_TOP + 31, below, "subhead", anchor="middle"),
        )


def body(
    scene: Scene,
    recording: Recording,
    rows: list[Event | _Fold],
    columns: dict[str, Column],
    hypervisor: float,
    short: bool,
) -> float:
    """All rows, and what runs down beside them. Returns the y below the last row."""
    top = y = HEAD_TOP + HEAD_HEIGHT
    state = _State(columns)
    if rows and isinstance(rows[0], Event) and rows[0].seq:
        state.jump(recording, rows[0].seq - 1, y)
    boot_row: float | None = None
    for item in rows:
        if isinstance(item, _Fold):
            state.fold(scene, y + 8, y + FOLD_ROW - 4)
            count = item.last - item.first + 1
            text = f"events {item.first} to {item.last} are not shown ({count:,} events)"
            scene.add(Text(hypervisor + 12, y + 19, text, "fold", item.first))
            y += FOLD_ROW
            state.jump(recording, item.last, y - 4)
            continue
        if item.kind in (Kind.BOOT, Kind.LOAD):
            if boot_row is None:
                boot_row, y = y, y + 30
            scene.rows[item.seq] = boot_row, y
            load_row(scene, item, columns, hypervisor, boot_row + 18, short)
            state.apply(scene, item, boot_row + 20)
            continue
        height = ROW.get(item.kind, ROW_DEFAULT)
        at = y + height - 6
        scene.rows[item.seq] = y, y + height
        scene.add(Text(MARGIN + GUTTER - 12, at + 3, str(item.seq), "number", item.seq, "end"))
        arrow(scene, item, columns, hypervisor, at, short)
        state.apply(scene, item, at)
        y += height
    y += 8
    state.close(scene, y)
    scene.shapes.insert(0, Line(hypervisor, top, hypervisor, y, "hypervisor-line"))
    return ending(scene, rows, hypervisor, y)


def load_row(scene: Scene, event: Event, columns: dict[str, Column], hypervisor: float, at: float, short: bool) -> None:
    """Booting and loading: one row for all."""
    if event.kind is Kind.BOOT:
        scene.add(Text(hypervisor - 6, at, "boots", "note", event.seq, "end"))
        return
    name = home(event, columns)
    first = next((column for column in columns.values() if column.line.vm == int((event.target or "vm0")[2:])), None)
    if name is not None and first is not None and not short:
        scene.add(Text(first.x - 10, at, "loaded", "note", event.seq, "end"))


def arrow(scene: Scene, event: Event, columns: dict[str, Column], hypervisor: float, at: float, short: bool) -> None:
    """The arrow of one event with its words, and its mark."""
    seq, name = event.seq, home(event, columns)
    if event.kind is Kind.END:
        scene.add(Mark(hypervisor, at, "end", seq))
    if name is None:
        return
    column = columns[name]
    text = words.label(event, short)
    role = "refused" if words.failed(event) else ROLES.get(event.kind, "call")
    edge = BAR / 2 + 1
    if event.kind is Kind.DELIVER:
        target = column.band if column.band is not None else column.x - edge
        scene.add(Line(hypervisor + 1, at, target - 1, at, role, seq, arrow=True))
    elif event.kind in (Kind.WAKE, Kind.SWITCH):
        scene.add(Line(hypervisor + 1, at, column.x - edge, at, role, seq, arrow=True))
    else:
        scene.add(Line(column.x - edge, at, hypervisor + 2, at, role, seq, arrow=True))
    scene.add(Text(column.x - edge - 8, at - 4, text, f"label-{role}", seq, "end"))
    if event.kind is Kind.WFI:
        scene.add(Mark(column.x, at, "wfi", seq))
    if event.kind is Kind.FAULT:
        scene.add(Mark(column.x, at, "fault", seq))
    mailbox = event.change(f"{event.actor.partition('.')[0]}.mailbox.state")
    if event.kind is Kind.HYPERCALL and mailbox is not None and mailbox.new == "EMPTY":
        last = next(c for c in reversed(columns.values()) if c.line.vm == column.line.vm)
        if last.band is not None:
            scene.add(Mark(last.band + BAND_WIDTH / 2, at, "clear", seq))


def ending(scene: Scene, rows: list[Event | _Fold], hypervisor: float, y: float) -> float:
    """How the run ended, in words below the lifelines, broken into lines that fit. Returns the y below."""
    for event in rows:
        if isinstance(event, Event) and event.kind is Kind.END:
            columns = int((scene.width - hypervisor - MARGIN) / text_width("x", "end"))
            for text in textwrap.wrap(event.text, columns):
                y += 15
                scene.add(Text(hypervisor - 5, y, text, "end", event.seq))
    return y


class _State:
    """What runs down beside the rows: who holds a CPU, every vCPU's state and every VM's mailbox."""

    def __init__(self, columns: dict[str, Column]) -> None:
        self.columns = columns
        self.vcpus: dict[str, tuple[str, float, int]] = {}
        self.mailboxes: dict[str, tuple[str, float, int]] = {}
        self.on_cpu: dict[str, str] = {}

    def look(self, name: str, state: str) -> str:
        """How a vCPU's lifeline looks: running while a CPU has it, else by its state."""
        if name in self.on_cpu.values():
            return "running"
        return "blocked" if state.startswith("BLOCKED") else "off" if state == "OFF" else "ready"

    def apply(self, scene: Scene, event: Event, y: float) -> None:
        """Take over an event's changes at height y."""
        states: dict[str, str] = {}
        touched: set[str] = set()
        for what, _, new in event.changes:
            owner, _, field = what.rpartition(".")
            if field == "state" and owner.endswith(".mailbox"):
                self.mailbox(scene, owner.partition(".")[0], str(new), y, event.seq)
            elif field == "state":
                states[owner] = str(new)
            elif field == "current":
                touched |= {str(new), self.on_cpu.get(owner, "")}
                self.on_cpu[owner] = str(new)
        for name in states.keys() | touched:
            if name in self.columns:
                old, since, _ = self.vcpus.get(name, ("off:OFF", y, event.seq))
                state = states.get(name, old.partition(":")[2])
                look = self.look(name, state)
                if old.partition(":")[0] != look:
                    self.vcpu_segment(scene, name, y)
                    self.vcpus[name] = f"{look}:{state}", y, event.seq
                else:
                    self.vcpus[name] = f"{look}:{state}", since, self.vcpus.get(name, ("", 0.0, event.seq))[2]

    def mailbox(self, scene: Scene, vm: str, state: str, y: float, seq: int) -> None:
        """A mailbox changes state."""
        self.mailbox_segment(scene, vm, y)
        column = self.band(vm)
        if column is not None and column.band is not None:
            self.mailboxes[vm] = state, y, seq
            scene.add(Text(column.band + BAND_WIDTH + 6, y + 5, state, f"state-{state}", seq))

    def band(self, vm: str) -> Column | None:
        """The column that carries a VM's mailbox."""
        found = (c for c in self.columns.values() if c.band is not None and f"vm{c.line.vm}" == vm)
        return next(found, None)

    def mailbox_segment(self, scene: Scene, vm: str, y: float) -> None:
        """Draw the mailbox's band up to y."""
        column = self.band(vm)
        if vm in self.mailboxes and column is not None and column.band is not None:
            state, since, seq = self.mailboxes[vm]
            scene.shapes.insert(0, Rect(column.band, since, BAND_WIDTH, y - since, f"mailbox-{state}", seq))

    def vcpu_segment(self, scene: Scene, name: str, y: float) -> None:
        """Draw the lifeline up to y."""
        if name not in self.vcpus:
            return
        look, since, seq = self.vcpus[name]
        kind, x = look.partition(":")[0], self.columns[name].x
        if kind == "running":
            scene.add(Rect(x - BAR / 2, since, BAR, y - since, "running", seq))
        else:
            scene.shapes.insert(0, Line(x, since, x, y, kind, seq))

    def close(self, scene: Scene, y: float) -> None:
        """Draw everything up to y."""
        for vm in list(self.mailboxes):
            self.mailbox_segment(scene, vm, y)
        for name in list(self.vcpus):
            self.vcpu_segment(scene, name, y)

    def fold(self, scene: Scene, y: float, resume: float) -> None:
        """Interrupt everything at y; `jump` goes on below."""
        self.close(scene, y)
        self.vcpus = {name: (look, resume, seq) for name, (look, _, seq) in self.vcpus.items()}

    def jump(self, recording: Recording, seq: int, y: float) -> None:
        """Take the state from the recording, as of event `seq`."""
        state = recording.at(seq)
        self.on_cpu = {key[: -len(".current")]: str(value) for key, value in state.items() if key.endswith(".current")}
        for name, column in self.columns.items():
            if f"{name}.state" in state:
                vcpu = str(state[f"{name}.state"])
                self.vcpus[name] = f"{self.look(name, vcpu)}:{vcpu}", y, seq
            if column.band is not None:
                vm = f"vm{column.line.vm}"
                self.mailboxes[vm] = str(state.get(f"{vm}.mailbox.state", "EMPTY")), y, seq


LEGEND = (
    ("running", "running"), ("ready", "ready"), ("blocked", "blocked"), ("mailbox-EMPTY", "EMPTY"),
    ("mailbox-RECEIVED", "RECEIVED"), ("mailbox-READ", "READ"), ("call", "call"), ("switch", "switch"),
    ("deliver", "message"), ("wake", "wake-up"), ("clear", "clear"), ("wfi", "WFI"), ("refused", "refused"),
)  # fmt: skip


def legend(scene: Scene, y: float) -> float:
    """What the signs mean, below the picture, in as many lines as the width needs. Returns the height."""
    x: float = MARGIN
    for role, text in LEGEND:
        sign = 30 if role in ("call", "switch", "deliver", "wake", "refused") else 12
        width = sign + 6 + text_width(text, "legend") + 16
        if x + width > scene.width - MARGIN + 10:
            x, y = MARGIN, y + 20
        if role in ("call", "switch", "deliver", "wake", "refused"):
            scene.add(Line(x, y, x + sign, y, role, arrow=True))
        elif role in ("clear", "wfi"):
            scene.add(Mark(x + 6, y, role))
        elif role in ("ready", "blocked"):
            scene.add(Line(x + 6, y - 7, x + 6, y + 7, role))
        else:
            scene.add(Rect(x + 6 - BAR / 2, y - 7, BAR, 14, role))
        scene.add(Text(x + sign + 6, y + 3.5, text, "legend"))
        x += width
    return y + 18
