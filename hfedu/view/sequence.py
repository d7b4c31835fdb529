"""The layout of the sequence diagram: from a recording to a scene.

One lifeline for the hypervisor, one for each vCPU that ever acted, and one for the interrupt controller if a device
interrupts. Time runs down, one row per event. Every
label stands to the left of the lifeline it belongs to. Up to six lifelines each column is as wide as its labels
need; with more, the columns close up and labels run, on a ground of their own, across the lifelines to their left.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hfedu.errors import counted
from hfedu.hf.platform import MAX_CPUS
from hfedu.run import words
from hfedu.run.columns import alike
from hfedu.run.kinds import KINDS, Kind
from hfedu.run.recording import Actor, Event, Lifeline, Recording
from hfedu.view.scene import Line, Mark, Rect, Scene, Text, text_width

MARGIN, GUTTER = 16, 40
HYPERVISOR = MARGIN + GUTTER + 52
"""The x of the hypervisor's lifeline, where no columns for CPUs stand to its left."""
CPU_LEFT, CPU_COLUMN, DIGIT = MARGIN + GUTTER + 2, 16, 10
HEAD_TOP, HEAD_HEIGHT = 62, 38
ROW_FOLD = 30
BAR = 9
EDGE = BAR / 2 + 1
BAND_OFFSET, BAND_WIDTH, BAND_LABEL = 24, 9, 58
LEAST, CROWDED_LEAST = 150, 90
"""Room to the left of a lifeline that even an empty run gets, so that a run that grows does not jump about."""
GIC_HEAD = 62
CROWDED = 6
CROWDED_COLUMN, CROWDED_BAND, CROWDED_NAME = 92, 16, 9
MAX_ROWS = 120
"""Events drawn at most: beyond, the middle of a run is folded away, and the picture says so."""

Rows = list[Event | range]
"""What gets a row: an event, or a range of events that are not drawn."""


class Layout(NamedTuple):
    """Where each vCPU's lifeline and each VM's mailbox stands (x by vCPU and VM); `crowded` if the columns close up.

    `cpus` are the columns of the physical CPUs (x by number), none if there is only one. `gic` is the interrupt
    controller, 0 if none of its events is drawn, and `right` is where all ends.
    """

    lines: list[Lifeline]
    columns: dict[Actor, float]
    bands: dict[int, float]
    crowded: bool
    hypervisor: float
    cpus: dict[int, float]
    gic: float
    right: float


def actors(recording: Recording) -> list[Lifeline]:
    """The lifelines to draw: vCPU 0 of every VM, and every other vCPU that an event names."""
    named = {name for event in alike(recording.events)[1] for name in (event.actor, event.target)}
    return [line for line in recording.lifelines if line.vcpu == 0 or line.actor in named]


MARKED = frozenset({Kind.STEP, Kind.SWITCH, Kind.ACCESS})
"""Kinds of events that may stand beside the hypervisor's line, with a mark and no arrow."""


def cpus_used(recording: Recording) -> list[int]:
    """The physical CPUs that made events, if it was more than one."""
    used = sorted({event.cpu for event in alike(recording.events)[1] if event.kind is not Kind.END})
    return used if len(used) > 1 else []


def window(events: Sequence[Event], first: int, last: int | None, limit: int) -> Rows:
    """What gets a row: the events from `first` to `last`, the middle folded if there are more than `limit`."""
    chosen = events[first : len(events) if last is None else last + 1]
    if len(chosen) <= limit:
        return list(chosen)
    head, tail = limit * 2 // 3, limit // 3
    return [*chosen[:head], range(first + head, first + len(chosen) - tail), *chosen[-tail:]]


def sequence(recording: Recording, first: int = 0, last: int | None = None, limit: int = MAX_ROWS) -> Scene:
    """The sequence diagram of a recording, or of its events `first` to `last`; beyond `limit` rows it folds."""
    rows = window(recording.events, first, last, limit)
    scene = Scene(alt=alt_text(recording))
    layout = place_lifelines(actors(recording), rows, cpus_used(recording))
    scene.width = max(layout.right + MARGIN, text_width(recording.title, "title") + 2 * MARGIN, 560)
    outcome = words.names_in_words(recording.outcome.sentence)
    subtitle = counted(len(recording.events), "event") + (f" · {outcome}" if len(outcome) < 80 else "")
    scene.add(Text(MARGIN, 26, recording.title, "title"), Text(MARGIN, 44, subtitle, "subtitle"))
    heads(scene, layout)
    scene.body_end = body(scene, recording, rows, layout)
    states = RPC_STATES if recording.made.get("profile") == "rpc" else {}
    scene.height = legend(scene, scene.body_end + 22, bool(layout.cpus), states)
    return scene


def alt_text(recording: Recording) -> str:
    """The picture in a few sentences, for those who do not see it."""
    numbers, events = alike(recording.events)
    count: Counter[Kind] = Counter()
    for number, times in Counter(numbers).items():
        count[events[number].kind] += times
    vms, cpus = len({line.vm for line in recording.lifelines}), len(cpus_used(recording))
    where = f" on {cpus} CPUs" if cpus else ""
    there = [counted(len(recording.events), "event"), counted(count[Kind.HYPERCALL], "hypercall")]
    there += [f"{counted(count[Kind.DELIVER], 'message')} delivered", counted(count[Kind.WAKE], "wake-up")]
    return (
        f"Sequence diagram of {recording.title}: {counted(vms, 'VM')} and the hypervisor{where}, {', '.join(there)}. "
        f"{words.names_in_words(recording.outcome.sentence)} The transcript has the same facts."
    )


def place_lifelines(lines: list[Lifeline], rows: Rows, cpus: list[int]) -> Layout:
    """The column of each lifeline, wide enough for every label that stands in it."""
    crowded = len(lines) > CROWDED
    least = CROWDED_LEAST if crowded else LEAST
    needed = {line.actor: max(least, text_width(detail(line, crowded), "subhead") / 2 + 14) for line in lines}
    for event in rows:
        if isinstance(event, Event) and (name := home(event, needed)) is not None:
            needed[name] = max(needed[name], text_width(words.label(event, crowded), "label") + 26)
        elif lines and isinstance(event, Event) and event.kind in MARKED:
            first = lines[0].actor
            needed[first] = max(needed[first], text_width(words.label(event), "label") + 22)
    hypervisor = HYPERVISOR + (CPU_COLUMN * len(cpus) + 4 if cpus else 0)
    marks = {cpu: CPU_LEFT + CPU_COLUMN * (i + 0.5) for i, cpu in enumerate(cpus)}
    columns: dict[Actor, float] = {}
    bands: dict[int, float] = {}
    x = hypervisor + 8.0
    if crowded:
        x += max(needed[line.actor] - i * CROWDED_COLUMN for i, line in enumerate(lines))
    last_of_vm = {line.vm: line for line in lines}
    for line in lines:
        if not crowded:
            x += needed[line.actor]
        columns[line.actor] = x
        last = line is last_of_vm[line.vm]
        if last:
            bands[line.vm] = x + (CROWDED_BAND if crowded else BAND_OFFSET)
        x += CROWDED_COLUMN if crowded else BAND_OFFSET + BAND_WIDTH + BAND_LABEL if last else 20
    right, gic = max(bands.values(), default=0) + BAND_WIDTH + BAND_LABEL, 0.0
    said = [words.label(event) for event in rows if isinstance(event, Event) and KINDS[event.kind].device]
    if said:
        gic = right + max(text_width(label, "label") for label in said) + 14
        right = gic + GIC_HEAD / 2
    return Layout(lines, columns, bands, crowded, hypervisor, marks, gic, right)


def detail(line: Lifeline, crowded: bool) -> str:
    """The second line of a head."""
    if not line.label or not line.vm:
        return f"vCPU {line.vcpu}"
    if not crowded:
        return f"vCPU {line.vcpu} · {line.label}"
    return line.label if len(line.label) <= CROWDED_NAME else line.label[: CROWDED_NAME - 1] + "…"


def home(event: Event, actors: Iterable[Actor]) -> Actor | None:
    """The lifeline beside which an event's label stands. That of a message is its receiver's last, by the mailbox."""
    if event.kind in (Kind.DELIVER, Kind.LOAD) and event.target is not None:
        return next((actor for actor in reversed(list(actors)) if actor.vm == event.target.vm), None)
    if event.kind in (Kind.STEP, Kind.ACCESS) or KINDS[event.kind].device:
        return None
    actor = event.target if KINDS[event.kind].to_guest else event.actor
    return actor if actor is not None and actor in actors else None


def heads(scene: Scene, layout: Layout) -> None:
    """The boxes above the lifelines."""
    boxes: list[tuple[float, float, str, str, str, str]]
    boxes = [(layout.hypervisor, 92, "hypervisor", "Hypervisor", "EL2", "-inverse")]
    for line in layout.lines:
        name = f"VM {line.vm}" + (" primary" if line.vm == 0 and not layout.crowded else "")
        below = detail(line, layout.crowded)
        width = max(text_width(name, "head") + 16, text_width(below, "subhead") + 16, 48)
        boxes.append((layout.columns[line.actor], width, "vm", name, below, ""))
    if layout.gic:
        boxes.append((layout.gic, GIC_HEAD, "vm", "GIC", "interrupts", ""))
    for x, width, role, name, below, suffix in boxes:
        scene.add(
            Rect(x - width / 2, HEAD_TOP, width, HEAD_HEIGHT, role),
            Text(x, HEAD_TOP + 17, name, f"head{suffix}", anchor="middle"),
            Text(x, HEAD_TOP + 31, below, f"subhead{suffix}", anchor="middle"),
        )
    if layout.cpus:
        scene.add(Text(sum(layout.cpus.values()) / len(layout.cpus), HEAD_TOP + 17, "CPU", "subhead", anchor="middle"))
    for cpu, x in layout.cpus.items():
        scene.add(Text(x, HEAD_TOP + 31, str(cpu), "head", anchor="middle"))


def body(scene: Scene, recording: Recording, rows: Rows, layout: Layout) -> float:
    """All rows, and what runs down beside them. Returns the y below the last row."""
    top = HEAD_TOP + HEAD_HEIGHT
    y: float = top
    tracks = _Tracks(scene, layout)
    if rows and isinstance(rows[0], Event) and rows[0].seq:
        tracks.jump(recording, rows[0].seq - 1, y)
    boot_row: float | None = None
    for item in rows:
        if isinstance(item, range):
            tracks.close(y + 8)
            text = f"events {item[0]} to {item[-1]} are not shown ({counted(len(item), 'event')})"
            scene.add(Text(layout.hypervisor + 12, y + 19, text, "fold", item[0]))
            y += ROW_FOLD
            tracks.jump(recording, item[-1], y - 4)
        elif item.kind in (Kind.BOOT, Kind.LOAD):
            if boot_row is None:
                boot_row, y = y, y + KINDS[item.kind].height
            scene.rows[item.seq] = boot_row, y
            load_row(scene, item, layout, boot_row + 18)
            if item.kind is Kind.BOOT:
                cpu_mark(scene, item, layout, boot_row + 15)
            tracks.apply(item, boot_row + 20)
        else:
            height = KINDS[item.kind].height
            scene.rows[item.seq] = y, y + height
            y += height
            scene.add(Text(MARGIN + GUTTER - 12, y - 3, str(item.seq), "number", item.seq, "end"))
            cpu_mark(scene, item, layout, y - 6)
            arrow(scene, item, layout, y - 6)
            tracks.apply(item, y - 6)
    y += 8
    tracks.close(y)
    scene.shapes.insert(0, Line(layout.hypervisor, top, layout.hypervisor, y, "hypervisor-line"))
    if layout.gic:
        scene.shapes.insert(0, Line(layout.gic, top, layout.gic, y, "ready"))
    for x in layout.cpus.values():
        scene.shapes.insert(0, Line(x, top, x, y, "cpu-line"))
    fatal = recording.outcome.kind == "violation"
    if fatal:
        mark_fatal(scene, rows)
    return draw_ending(scene, rows, y, layout.hypervisor, "end-fatal" if fatal else "end")


def cpu_mark(scene: Scene, event: Event, layout: Layout, at: float) -> None:
    """Which physical CPU made an event: a mark in that CPU's column."""
    x = layout.cpus.get(event.cpu)
    if x is not None and event.kind is not Kind.END:
        scene.add(Mark(x, at, "cpu", event.seq))


def mark_fatal(scene: Scene, rows: Rows) -> None:
    """A frame round the last rows: the step that broke an invariant, or the two accesses of a race, and the end."""
    last = [row for row in rows if isinstance(row, Event)]
    first = next((row for row in last if row.kind is Kind.ACCESS), last[-2] if len(last) > 1 else None)
    if first is not None:
        top, bottom = scene.rows[first.seq][0], scene.rows[last[-1].seq][1]
        scene.add(Rect(6, top - 1, scene.width - 12, bottom - top + 9, "fatal", first.seq))


def load_row(scene: Scene, event: Event, layout: Layout, at: float) -> None:
    """Booting and loading: one row for all."""
    label = KINDS[event.kind].label
    if event.target is None:
        scene.add(Text(layout.hypervisor - 6, at, label, "note", event.seq, "end"))
    elif (first := event.target._replace(vcpu=0)) in layout.columns and not layout.crowded:
        scene.add(Text(layout.columns[first] - 10, at, label, "note", event.seq, "end"))


def arrow(scene: Scene, event: Event, layout: Layout, at: float) -> None:
    """The arrow of one event with its words, and its mark."""
    seq, actor, look = event.seq, home(event, layout.columns), KINDS[event.kind]
    if event.kind is Kind.END:
        scene.add(Mark(layout.hypervisor, at, look.sign, seq))
    if look.device:
        interrupt_row(scene, event, layout, at)
    if actor is None and event.kind in MARKED:
        scene.add(Mark(layout.hypervisor, at, look.sign, seq))
        scene.add(Text(layout.hypervisor + 10, at + 3.5, words.label(event, layout.crowded), "label-step", seq))
    if actor is None:
        return
    x = layout.columns[actor]
    role = "refused" if words.failed(event) else look.role
    if look.to_guest:
        end = layout.bands[actor.vm] - 1 if event.kind is Kind.DELIVER else x - EDGE
        scene.add(Line(layout.hypervisor + 1, at, end, at, role, seq, arrow=True))
    else:
        scene.add(Line(x - EDGE, at, layout.hypervisor + 2, at, role, seq, arrow=True))
    scene.add(Text(x - EDGE - 8, at - 4, words.label(event, layout.crowded), f"label-{role}", seq, "end"))
    if look.trap and look.sign:
        scene.add(Mark(x, at, look.sign, seq))
    mailbox = event.change(f"{Actor(actor.vm).name}.mailbox.state")
    if event.kind is Kind.HYPERCALL and mailbox is not None and mailbox.new in ("EMPTY", "IDLE"):
        scene.add(Mark(layout.bands[actor.vm] + BAND_WIDTH / 2, at, "clear", seq))


def interrupt_row(scene: Scene, event: Event, layout: Layout, at: float) -> None:
    """What happens at the interrupt controller: a mark, and an arrow from who acknowledges or ends an interrupt."""
    guest = layout.columns.get(event.actor) if event.actor is not None else None
    if guest is not None:
        scene.add(Line(guest + EDGE, at, layout.gic - EDGE, at, KINDS[event.kind].role, event.seq, arrow=True))
    scene.add(Mark(layout.gic, at, KINDS[event.kind].sign, event.seq))
    scene.add(Text(layout.gic - EDGE - 8, at - 4, words.label(event), "label-step", event.seq, "end"))


def draw_ending(scene: Scene, rows: Rows, y: float, left: float, role: str) -> float:
    """How the run ended, in words below the lifelines, broken into lines that fit. Returns the y below."""
    if rows and isinstance(rows[-1], Event) and rows[-1].kind is Kind.END:
        room = int((scene.width - left - MARGIN) / text_width("x", "end"))
        for text in textwrap.wrap(words.names_in_words(rows[-1].text), room):
            y += 15
            scene.add(Text(left - 5, y, text, role, rows[-1].seq))
    return y


class _Tracks:
    """What runs down beside the rows: each vCPU's lifeline and each VM's mailbox, drawn whenever its look changes."""

    def __init__(self, scene: Scene, layout: Layout) -> None:
        self.scene, self.layout = scene, layout
        self.state: dict[str, Any] = {}
        self.left: set[int] = set()
        """CPUs that have saved the vCPU they hold and not yet taken another."""
        self.open: dict[Actor, tuple[str, float, int]] = {}
        """By vCPU, or by VM for its mailbox, what is not drawn yet: its look, where it begins, and its event."""

    def looks(self) -> Iterator[tuple[Actor, str]]:
        """The look of everything there is: a vCPU is running while a CPU has it, else what its state says.

        A look is a role; where several CPUs are at work, "running" is followed by the CPUs that hold the vCPU.
        """
        running: dict[Actor, list[str]] = {}
        for cpu in range(MAX_CPUS):
            vcpu = self.state.get(f"cpu{cpu}.current")
            if vcpu is not None and cpu not in self.left:
                running.setdefault(vcpu, []).append(str(cpu))
        for vm in map(Actor, self.layout.bands):
            if (mailbox := self.state.get(f"{vm.name}.mailbox.state")) is not None:
                yield vm, f"mailbox-{mailbox}"
        for vcpu in self.layout.columns:
            state = self.state.get(f"{vcpu.name}.state", "OFF").partition("_")[0].lower()
            holders = running.get(vcpu, []) if self.layout.cpus else []
            look = " ".join(["running", *holders]) if vcpu in running else "ready" if state == "running" else state
            yield vcpu, look

    def follow(self, event: Event) -> None:
        """Take over the states that an event changed, and whether a CPU has left its vCPU, or taken one."""
        if event.change(f"cpu{event.cpu}.current"):
            self.left -= {event.cpu}
        if words.leaves(event):
            self.left |= {event.cpu}
        shown = (change for change in event.changes if change.what.endswith((".state", ".current")))
        self.state |= {change.what: change.new for change in shown}

    def apply(self, event: Event, y: float) -> None:
        """Take over an event's changes at height y."""
        self.follow(event)
        for actor, look in self.looks():
            if actor in self.open and self.open[actor][0] == look:
                continue
            self.draw(actor, y)
            self.open[actor] = look, y, event.seq
            if actor.vcpu is None:
                state = look.removeprefix("mailbox-")
                x = self.layout.bands[actor.vm] + BAND_WIDTH + 6
                self.scene.add(Text(x, y + 5, state, f"state-{state}", event.seq))

    def draw(self, actor: Actor, y: float) -> None:
        """Draw what is open, up to y."""
        look, since, seq = self.open.pop(actor, ("off", y, 0))
        role, *holders = look.split()
        if role == "off":
            return
        if actor.vcpu is None:
            self.scene.shapes.insert(0, Rect(self.layout.bands[actor.vm], since, BAND_WIDTH, y - since, role, seq))
        elif role == "running":
            self.draw_running(self.layout.columns[actor], since, y, holders or [""], seq)
        else:
            x = self.layout.columns[actor]
            self.scene.shapes.insert(0, Line(x, since, x, y, role, seq))

    def draw_running(self, middle: float, since: float, y: float, holders: list[str], seq: int) -> None:
        """A bar for each CPU that runs a vCPU, side by side if they are several."""
        for i, holder in enumerate(holders):
            x = middle + (BAR + 3) * (i - (len(holders) - 1) / 2)
            self.scene.add(Rect(x - BAR / 2, since, BAR, y - since, "running", seq))
            if holder and y - since >= DIGIT + 2:
                self.scene.add(Text(x, since + DIGIT, holder, "cpu-inverse", seq, "middle"))

    def close(self, y: float) -> None:
        """Draw everything up to y."""
        for actor in (*map(Actor, self.layout.bands), *self.layout.columns):
            self.draw(actor, y)

    def jump(self, recording: Recording, seq: int, y: float) -> None:
        """Take the state from the recording, as of event `seq`; everything goes on at y."""
        self.state = {}
        rows, events = alike(recording.events[: seq + 1])
        matters = [bool(event.changes) or words.leaves(event) for event in events]
        for row in rows:
            if matters[row]:
                self.follow(events[row])
        self.open = {actor: (look, y, seq) for actor, look in self.looks()}


ARROWS = ("call", "return", "switch", "deliver", "wake", "refused")
LEGEND = (
    ("running", "running"), ("ready", "ready"), ("blocked", "blocked"), ("mailbox-EMPTY", "EMPTY"),
    ("mailbox-RECEIVED", "RECEIVED"), ("mailbox-READ", "READ"), ("call", "call"), ("return", "return"),
    ("switch", "switch"), ("deliver", "message"), ("wake", "wake-up"), ("clear", "clear"), ("wfi", "WFI"),
    ("refused", "refused"),
)  # fmt: skip
CPU_LEGEND = (
    ("running", "running on CPU 0"), *LEGEND[1:],
    ("cpu", "made by the CPU of that column"), ("step", "goes on after another CPU"),
)  # fmt: skip
RPC_STATES = {"EMPTY": "IDLE", "RECEIVED": "PENDING", "READ": "INFLIGHT", "clear": "ack"}
"""What the same signs mean under the interface before the commit."""


def legend(scene: Scene, y: float, several_cpus: bool, other: dict[str, str]) -> float:
    """What the signs mean, below the picture, in as many lines as the width needs. Returns the height.

    `other` words stand in place of those of today.
    """
    x: float = MARGIN
    for role, text in CPU_LEGEND if several_cpus else LEGEND:
        text, sign = other.get(text, text), 30 if role in ARROWS else 12
        width = sign + 6 + text_width(text, "legend") + 16
        if x + width > scene.width - MARGIN + 10:
            x, y = MARGIN, y + 20
        if role in ARROWS:
            scene.add(Line(x, y, x + sign, y, role, arrow=True))
        elif role in ("clear", "wfi", "step", "cpu"):
            scene.add(Mark(x + 6, y, role))
        elif role in ("ready", "blocked"):
            scene.add(Line(x + 6, y - 7, x + 6, y + 7, role))
        else:
            scene.add(Rect(x + 6 - BAR / 2, y - 7, BAR, 14, role))
            if several_cpus and role == "running":
                scene.add(Text(x + 6, y - 7 + DIGIT, "0", "cpu-inverse", anchor="middle"))
        scene.add(Text(x + sign + 6, y + 3.5, text, "legend"))
        x += width
    return y + 18
