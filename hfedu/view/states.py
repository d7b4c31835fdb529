"""State machines with the present state marked (a VM's mailbox, a vCPU), and the registers of a vCPU."""

from typing import NamedTuple

from hfedu.errors import Mistake
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.history import FIXES, with_needs
from hfedu.run import words
from hfedu.run.kinds import VCPU_LOOKS
from hfedu.run.recording import Actor, Recording
from hfedu.view.scene import Line, Rect, Scene, Text, text_width

BOX_HEIGHT, GAP, LANE, SHIFT = 38, 118, 26, 14
TOP = 60


class Edge(NamedTuple):
    """A transition: from and to (indices of states), its words, its lane: above (> 0), below (< 0) or straight."""

    start: int
    end: int
    words: str
    lane: int = 0


MAILBOX = ("EMPTY", "RECEIVED", "READ")
MAILBOX_EDGES = (
    Edge(0, 1, "message"),
    Edge(1, 2, "receive"),
    Edge(0, 2, "message, a vCPU waits (or to the primary)", 1),
    Edge(2, 0, "clear", -1),
)
RPC_MAILBOX = ("IDLE", "PENDING", "INFLIGHT")
RPC_EDGES = (
    Edge(0, 1, "request"),
    Edge(1, 2, "read_request"),
    Edge(0, 2, "request, a vCPU waits (or a reply)", 1),
    Edge(2, 0, "ack", -1),
)
WAITS, SLEEPS = VCPU_LOOKS["message"][0], VCPU_LOOKS["wfi"][1]
VCPU = ("OFF", "READY", "RUNNING", WAITS, SLEEPS)
VCPU_EDGES = (
    Edge(0, 1, "loaded"),
    Edge(1, 2, "run"),
    Edge(2, 3, "receives"),
    Edge(2, 1, "sent, interrupted", 1),
    Edge(3, 1, "a message wakes it", -1),
    Edge(2, 4, "WFI", 1),
)
INTERRUPTED = Edge(4, 1, "an interrupt wakes it", -2)
"""What ends the sleep, where the primary can give a VM an interrupt."""


def machine(title: str, states: tuple[str, ...], edges: tuple[Edge, ...], present: str | None) -> Scene:
    """A picture of a state machine."""
    scene = Scene(alt=f"{title}: {present or 'not there yet'}")
    y = TOP + LANE
    scene.add(Text(16, 26, title, "title"))
    boxes: list[tuple[float, float]] = []
    x = 20.0
    for name in states:
        on = present is not None and present.startswith(name)
        now = f"now{(present or '').removeprefix(name)}" if on else ""
        width = max(text_width(name, "head"), text_width(now, "subhead")) + 32
        middle = x + width / 2
        if on:
            scene.add(Rect(x, y, width, BOX_HEIGHT, "hypervisor"))
            scene.add(Text(middle, y + 17, name, "head-inverse", anchor="middle"))
            scene.add(Text(middle, y + 31, now, "subhead-inverse", anchor="middle"))
        else:
            scene.add(Rect(x, y, width, BOX_HEIGHT, "vm"), Text(middle, y + 23, name, "head", anchor="middle"))
        boxes.append((x, x + width))
        x += width + GAP
    for edge in edges:
        connect(scene, boxes, edge, y)
    scene.width = x - GAP + 20
    scene.height = y + BOX_HEIGHT + (1 + max(1, *(-edge.lane for edge in edges))) * LANE
    return scene


def connect(scene: Scene, boxes: list[tuple[float, float]], edge: Edge, y: float) -> None:
    """One transition: a straight arrow between neighbours, or three sides of a rectangle."""
    middle = y + BOX_HEIGHT / 2
    if not edge.lane:
        left, right = boxes[edge.start][1], boxes[edge.end][0]
        scene.add(Line(left, middle, right, middle, "call", arrow=True))
        scene.add(Text((left + right) / 2, middle - 6, edge.words, "label-call", anchor="middle"))
        return
    edge_y = y if edge.lane > 0 else y + BOX_HEIGHT
    lane_y = edge_y - LANE * edge.lane
    shift = SHIFT * abs(edge.lane) if edge.end > edge.start else -SHIFT
    start, end = sum(boxes[edge.start]) / 2 + shift, sum(boxes[edge.end]) / 2 - shift
    scene.add(
        Line(start, edge_y, start, lane_y, "call"),
        Line(start, lane_y, end, lane_y, "call"),
        Line(end, lane_y, end, edge_y, "call", arrow=True),
        Text((start + end) / 2, lane_y - 5, edge.words, "label-call", anchor="middle"),
    )


def known(recording: Recording, name: str, words_for_it: str) -> str:
    """The name of a thing that has a state in a recording, at its end at the latest. `Mistake` if it has none."""
    if f"{name}.state" not in recording.at(len(recording.events) - 1):
        vms = ", ".join(map(str, sorted({line.vm for line in recording.lifelines})))
        raise Mistake(f"there is no {words_for_it} in this recording: its VMs with vCPUs are {vms or 'none'}")
    return name


def mailbox_machine(recording: Recording, vm: int, seq: int) -> Scene:
    """The state machine of a VM's mailbox, with its state after event `seq` marked."""
    name = known(recording, f"vm{vm}.mailbox", f"VM {vm!r}")
    present = recording.at(seq).get(f"{name}.state")
    before = recording.made.get("profile") == "rpc"
    names, edges = (RPC_MAILBOX, RPC_EDGES) if before else (MAILBOX, MAILBOX_EDGES)
    return machine(f"VM {vm}'s mailbox after event {seq}", names, edges, present)


def vcpu_machine(recording: Recording, vm: int, seq: int, vcpu: int = 0) -> Scene:
    """The state machine of a vCPU, with its state after event `seq` marked: a wait is the one that it is."""
    name = known(recording, f"vm{vm}.vcpu{vcpu}", f"VM {vm!r} with a vCPU {vcpu!r}")
    state, actor = recording.at(seq), Actor(vm, vcpu)
    present = stored = state.get(f"{name}.state")
    if stored is not None and stored.startswith("BLOCKED"):
        look = words.vcpu_look(stored, actor in state.waiters(vm))
        present = f"{SLEEPS if look == 'wfi' else WAITS} ({stored})"
    made = recording.made
    repaired = with_needs(FIXES if made.get("profile") == "fixed" else made.get("fixes", ()))
    edges = (*VCPU_EDGES, INTERRUPTED) if "no-interrupt" in repaired else VCPU_EDGES
    return machine(f"VM {vm} vCPU {vcpu} after event {seq}", VCPU, edges, present)


def registers(recording: Recording, vm: int, seq: int, vcpu: int = 0) -> str:
    """The registers of a vCPU after event `seq`: what this event changed first, then those that are not zero."""
    name = known(recording, f"vm{vm}.vcpu{vcpu}", f"VM {vm!r} with a vCPU {vcpu!r}")
    after, before = recording.at(seq), recording.at(seq - 1) if seq else {}
    values = [(r, before.get(f"{name}.{r}", 0), after.get(f"{name}.{r}", 0)) for r in REGISTER_NAMES]
    changed = [f"{register:>15} {old:#x} -> {new:#x}" for register, old, new in values if old != new]
    same = [f"{register:>15} {new:#x}" for register, old, new in values if old == new != 0]
    lines = [f"Registers of {words.who(name)} after event {seq}", "changed:", *(changed or ["  none"])]
    return "\n".join([*lines, "others that are not 0:", *(same or ["  none"])])
