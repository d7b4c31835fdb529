"""What happened: events, and the recording that holds them. `recorder` makes them.

An event is a fact with a number: nothing in a recording ever changes, and the state at any event is a fold over the
changes before it.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

from hfedu.errors import Mistake, counted, plainly
from hfedu.hf import arch, mm
from hfedu.hf.call import Call
from hfedu.hf.check import Check
from hfedu.run import words
from hfedu.run.kinds import CALL_KINDS, FOLLOWS, TRAPS, Kind


@plainly
class Actor(NamedTuple):
    """Who acts, or whom something is done to: a vCPU, or with `vcpu` None a whole VM."""

    vm: int
    vcpu: int | None = None

    @property
    def name(self) -> str:
        """As in the paths of a `State`: "vm1.vcpu0", or "vm1"."""
        return f"vm{self.vm}" if self.vcpu is None else f"vm{self.vm}.vcpu{self.vcpu}"

    def __str__(self) -> str:
        return f"VM {self.vm}" if self.vcpu is None else f"VM {self.vm} vCPU {self.vcpu}"


class Cause(NamedTuple):
    """An event that led to another, and how.

    `role` is "call" (it is done for that trap, or came right before as part of it), "cpu" (that gave the vCPU the
    CPU), "interrupt" (that interrupt is meant), "armed" (after that a guest set the device), "ready" (that made the
    vCPU ready), "waits" (that began the wait which this ends), "message" (that brought the bytes) or "before" (it came
    right before).
    """

    seq: int
    role: str


class Change(NamedTuple):
    """One value that an event changed: a path such as "vm1.mailbox.state", and the value before and after.

    `result_of` is the call whose result the new value of an x0 is.
    """

    what: str
    old: Any
    new: Any
    result_of: Call | None = None


class Mapping(NamedTuple):
    """A run of addresses with one set of attributes: [begin, end), `attrs` as in the descriptor."""

    begin: int
    end: int
    attrs: int


class WalkStep(NamedTuple):
    """One level of a walk: upstream's level (3 root to 0 page), where the descriptor lies, and the descriptor."""

    level: int
    entry: int
    descriptor: int


@plainly
@dataclass(frozen=True)
class Stage2:
    """A VM's stage-2 tables as they were: the root's physical address and the descriptors of every table."""

    root: int
    tables: dict[int, tuple[int, ...]]

    def walk(self, ipa: int) -> list[WalkStep]:
        """The descriptors that the MMU reads to translate `ipa`, from the root to the one that decides."""
        table, level, steps = self.root, mm.MAX_LEVEL_STAGE2, []
        while True:
            index = mm.mm_index(ipa, level)
            descriptor = self.tables[table][index]
            steps.append(WalkStep(level, table + 8 * index, descriptor))
            if not mm.arch_mm_pte_is_table(descriptor, level):
                return steps
            table, level = descriptor & mm.ADDRESS_MASK, level - 1

    def mappings(self) -> list[Mapping]:
        """Everything that is mapped, in order of address, neighbours with equal attributes joined."""
        runs: list[Mapping] = []
        for begin, size, attrs in self._blocks(self.root, 0, mm.MAX_LEVEL_STAGE2):
            if runs and runs[-1].end == begin and runs[-1].attrs == attrs:
                runs[-1] = runs[-1]._replace(end=begin + size)
            else:
                runs.append(Mapping(begin, begin + size, attrs))
        return runs

    def _blocks(self, table: int, base: int, level: int) -> Iterator[tuple[int, int, int]]:
        size = mm.mm_entry_size(level)
        for i, pte in enumerate(self.tables.get(table, ())):  # there was no page for the table of some VMs
            if mm.arch_mm_pte_is_table(pte, level):
                yield from self._blocks(pte & mm.ADDRESS_MASK, base + i * size, level - 1)
            elif mm.arch_mm_pte_is_block(pte, level):
                yield base + i * size, size, mm.arch_mm_pte_attrs(pte)

    def __repr__(self) -> str:
        return f"<stage 2 at {self.root:#x}: {len(self.tables)} tables>"


@plainly
class State(dict[str, Any]):
    """The state after an event, by path: "vm1.mailbox.state", "vm1.mailbox.message" (bytes), "vm1.vcpu0.state",
    "vm1.vcpu0.x0" and the other registers, "vm1.stage2" (a `Stage2`), "cpu0.current" (an `Actor`).

    What a hypervisor of one's own keeps besides is there too, as "hypervisor.queue" or "vm1.mailbox.queue".
    """

    def waiters(self, vm: int) -> list[Actor]:
        """The vCPUs that wait for a message to a VM, newest first: the order in which messages wake them."""
        found: list[Actor] = []
        waiter = self.get(f"vm{vm}.mailbox.recv_waiter")
        while waiter is not None and waiter not in found:
            found.append(waiter)
            waiter = self.get(f"{waiter.name}.mailbox_next")
        return found

    def of(self, actor: Actor, field: str) -> Any:
        """A value of a vCPU or a VM. Example: `state.of(Actor(1, 0), "state")` is that at "vm1.vcpu0.state"."""
        return self.get(f"{actor.name}.{field}")


@plainly
class Event(NamedTuple):
    """One thing that happened.

    `seq` counts from 0. `causes` are the events that led to this one, the nearest first; `cause` is the number of that.
    `actor` is the vCPU that did it on physical CPU `cpu`, None for the hypervisor; `target` is whom it was done to.
    A call has its row of the table (`call`, None if there is none), the `function` that was asked for in x0, and `args`
    (x1-x3); `arg` has these by name. Its result is a fact of its own: a RETURN with the same call and arguments, the
    `result` in x0, and if it was refused for a reason that was given, `refused`. A caller that is switched out without
    a result gets it by the SWITCH that brings it back. `checks` are the conditions that the hypervisor looked at. Of a
    FAULT `function` is the syndrome (ESR_EL2), and `args` are FAR_EL2 and HPFAR_EL2. `step` is a step's kind and the
    name of whom it is about. `changes` are old -> new; `registers` hold per vCPU that changed its registers before and
    after: see `register_changes`. `message` are a delivery's bytes; `uart` is how many bytes the serial line had
    printed; `text` is a log line or how the run ended.
    """

    seq: int
    causes: tuple[Cause, ...]
    cpu: int
    actor: Actor | None
    kind: Kind
    target: Actor | None = None
    call: Call | None = None
    function: int | None = None
    args: tuple[int, ...] = ()
    result: int | None = None
    refused: Check | None = None
    checks: tuple[Check, ...] = ()
    step: tuple[str, str] | None = None
    changes: tuple[Change, ...] = ()
    registers: tuple[tuple[Actor, bytes, bytes], ...] = ()
    message: bytes | None = None
    uart: int = 0
    text: str = ""

    @property
    def cause(self) -> int | None:
        """The number of the event that led to this one; None for the first."""
        return self.causes[0].seq if self.causes else None

    @property
    def arg(self) -> SimpleNamespace:
        """The arguments of a call by name, each of its width. Example: `event.arg.vm`."""
        if self.call is None:
            return SimpleNamespace()
        return SimpleNamespace(**dict(zip(self.call.args, self.call.decode(*self.args), strict=True)))

    def change(self, what: str) -> Change | None:
        """The change of one path, if this event made one."""
        return next((change for change in self.changes if change.what == what), None)

    def caused_by(self, role: str) -> int | None:
        """The number of the event that led to this one in a certain way; see `Cause`."""
        return next((cause.seq for cause in self.causes if cause.role == role), None)

    def __repr__(self) -> str:
        return words.transcript_line(self)


def register_changes(before: bytes, after: bytes) -> Iterator[tuple[int, int]]:
    """The registers that differ, by their index in `REGISTER_NAMES`, and their new values."""
    registers = enumerate(zip(array("Q", before), array("Q", after), strict=True))
    return ((index, new) for index, (old, new) in registers if old != new)


SPACING = 400
"""Events from one checkpoint to the next."""


def fold(before: State, events: Iterable[Event]) -> State:
    """The state after some events, from that before them."""
    state = State(before)
    for event in events:
        for change in event.changes:
            state[change.what] = change.new
        if event.kind is Kind.DELIVER and event.target is not None:
            state[f"{event.target.name}.mailbox.message"] = event.message
        for vcpu, old, new in event.registers:
            for index, value in register_changes(old, new):
                state[f"{vcpu.name}.{arch.REGISTER_NAMES[index]}"] = value
    return state


class Spins(NamedTuple):
    """A physical CPU that waits for a lock for ever: the lock's name, and the number of the CPU that holds it."""

    cpu: int
    lock: str
    holder: int


@plainly
@dataclass(frozen=True)
class Outcome:
    """How a run ended: a word, a sentence, and the exit status that `hfedu boot` gives it.

    "power off" and "reset" 0; "budget" and "stuck" 3 (a guest's doing); "hang" and "panic" 4 (the hypervisor's).
    `spins` are the physical CPUs that wait for locks for ever; `by_clock` says that the clock stopped it, which would
    stop it elsewhere next time.
    """

    kind: str
    sentence: str
    status: int
    spins: tuple[Spins, ...] = ()
    by_clock: bool = False

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Lifeline:
    """Who may act in a recording: a vCPU, and the name of its kernel."""

    actor: Actor
    label: str

    @property
    def name(self) -> str:
        """As in the paths of a `State`."""
        return self.actor.name

    @property
    def vm(self) -> int:
        """The VM's id."""
        return self.actor.vm

    @property
    def vcpu(self) -> int:
        """The vCPU's index."""
        return self.actor.vcpu or 0


@plainly
@dataclass(frozen=True)
class Recording:
    """A run: its events, its serial output (CR removed), its outcome, and `made`: `Machine(**made)` makes it again.

    Immutable.
    """

    events: Sequence[Event]
    uart: str
    outcome: Outcome
    lifelines: tuple[Lifeline, ...] = ()
    title: str = "run"
    made: dict[str, Any] = field(default_factory=dict, compare=False)

    def event(self, seq: object) -> Event:
        """The event of a number, or an event itself. `Mistake` if there is none."""
        if isinstance(seq, Event):
            seq = seq.seq
        if not isinstance(seq, int) or not 0 <= seq < len(self.events):
            raise Mistake(f"there is no event {seq!r}: this recording has events 0 to {len(self.events) - 1}")
        return self.events[seq]

    def at(self, seq: int) -> State:
        """The state right after event `seq`: see `State`. `Mistake` if there is no such event."""
        end, kept = self.event(seq).seq + 1, self.checkpoints
        while len(kept) <= end // SPACING:
            last = len(kept) * SPACING
            kept.append(fold(kept[-1], self.events[last - SPACING : last]))
        return fold(kept[end // SPACING], self.events[end - end % SPACING : end])

    @cached_property
    def checkpoints(self) -> list[State]:
        """The state before event 0 and each `SPACING` events later, as far as somebody has asked: `at` adds to it."""
        return [State()]

    @cached_property
    def returns(self) -> dict[int, int]:
        """By the number of each call that came back to a caller that was not switched out: the number of its RETURN."""
        return {event.cause or 0: event.seq for event in self.events if event.kind is Kind.RETURN}

    def returned(self, call: Event | int) -> Event | None:
        """The event that brings a call's result: its RETURN, or the SWITCH back to its caller. None if none did."""
        asked = self.event(call)
        if asked.seq in self.returns:
            return self.events[self.returns[asked.seq]]
        for event in self.events[asked.seq + 1 :]:
            if event.kind is Kind.SWITCH and event.target == asked.actor and event.function is not None:
                return event
            if event.kind in TRAPS and event.actor == asked.actor:
                return None
        return None

    def settled(self, of: Event | int) -> Event:
        """The last event of what the hypervisor did about a trap, while other CPUs may have gone on."""
        last = trap = self.event(of)
        if trap.kind in (Kind.BOOT, Kind.LOAD, Kind.END):
            return last
        for later in self.events[last.seq + 1 :]:
            if later.cpu == trap.cpu:
                if later.kind not in FOLLOWS or later.cause is None or later.cause < trap.seq:
                    break
                last = later
        return last

    def call_of(self, event: Event | int) -> Event | None:
        """The call that a RETURN ends, or that an effect is part of; a call is its own. None if it is of none."""
        found: Event | None = self.event(event)
        while found is not None and found.kind not in CALL_KINDS:
            part = found.kind in FOLLOWS and found.causes and found.causes[0].role != "before"
            found = self.events[found.causes[0].seq] if part else None
        return found

    def __repr__(self) -> str:
        return f"<Recording of {self.title}: {counted(len(self.events), 'event')}, {self.outcome.kind}>"
