"""What happened: events, and the recording that holds them.

The recorder watches the hypervisor from outside: it sees every trap, every `Step`, and every assignment to a
vCPU, a mailbox or a physical CPU. It groups the changes into events. An event is a fact with a number: nothing in a
recording ever changes, and the state at any event is a fold over the changes before it.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.hf import arch, call, mm
from hfedu.hf.api import running
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap, call_number
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step
from hfedu.hf.vm import Vm

ZERO = bytes(8 * arch.SYSTEM), bytes(8 * (len(arch.REGISTER_NAMES) - arch.SYSTEM))
WATCHED_VCPU = frozenset(("state", "mailbox_next"))
WATCHED_MAILBOX = frozenset(("state", "send", "recv", "recv_bytes", "recv_from_id", "recv_waiter"))
WATCHED_CPU = frozenset(("current", "is_on"))
NO_RESULT_YET = frozenset((call.HF_VCPU_RUN, call.HF_MAILBOX_RECEIVE))


Sink = Callable[[str, Any, Any], None]
"""Is told of a change: path, value before, value after."""


class Kind(Enum):
    """What an event is about."""

    BOOT = "boot"
    LOAD = "load"
    HYPERCALL = "hypercall"
    SMC = "smc"
    WFI = "wfi"
    IRQ = "irq"
    FAULT = "fault"
    DELIVER = "deliver"
    WAKE = "wake"
    SWITCH = "switch"
    STEP = "step"
    END = "end"


TRAPS = {arch.EC_HVC: Kind.HYPERCALL, arch.EC_SMC: Kind.SMC, arch.EC_WFI_WFE: Kind.WFI}
"""Which event a trap is, by the class of its exception; any other is an IRQ or a FAULT."""


class Change(NamedTuple):
    """One value that an event changed: a path such as "vm1.mailbox.state", and the value before and after."""

    what: str
    old: Any
    new: Any


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
        for i, pte in enumerate(self.tables[table]):
            if mm.arch_mm_pte_is_table(pte, level):
                yield from self._blocks(pte & mm.ADDRESS_MASK, base + i * size, level - 1)
            elif mm.arch_mm_pte_is_block(pte, level):
                yield base + i * size, size, mm.arch_mm_pte_attrs(pte)

    def __repr__(self) -> str:
        return f"<stage 2 at {self.root:#x}: {len(self.tables)} tables>"


class State(dict[str, Any]):
    """The state after an event, by path: "vm1.mailbox.state", "vm1.mailbox.message" (bytes), "vm1.vcpu0.state",
    "vm1.vcpu0.x0" and the other registers, "vm1.stage2" (a `Stage2`), "cpu0.current".
    """

    def waiters(self, vm: int) -> list[str]:
        """The vCPUs that wait for a message to a VM, newest first: the order in which messages wake them."""
        names: list[str] = []
        name = self.get(f"vm{vm}.mailbox.recv_waiter")
        while name is not None and name not in names:
            names.append(name)
            name = self.get(f"{name}.mailbox_next")
        return names


class Event(NamedTuple):
    """One thing that happened.

    `seq` counts from 0. `cause` is the event that led to this one. `actor` is who did it ("vm1.vcpu0" or
    "hypervisor") on physical CPU `cpu`, `target` whom it was done to. Calls have `function`, `args` (x1-x3) and
    `result` (x0, None while the caller is switched out without one); a switch has the `function` that now returns
    `result` to its target, None if the target starts or goes on without a call. `changes` are old -> new; `registers`
    hold per vCPU that changed its registers before and after: see `register_changes`. `message` are a delivery's
    bytes; `uart` is how many bytes the serial line had printed; `text` is a log line or how the run ended.
    """

    seq: int
    cause: int | None
    cpu: int
    actor: str
    kind: Kind
    target: str | None = None
    function: int | None = None
    args: tuple[int, ...] = ()
    result: int | None = None
    changes: tuple[Change, ...] = ()
    registers: tuple[tuple[str, bytes, bytes], ...] = ()
    message: bytes | None = None
    uart: int = 0
    text: str = ""

    def change(self, what: str) -> Change | None:
        """The change of one path, if this event made one."""
        return next((change for change in self.changes if change.what == what), None)


def register_changes(before: bytes, after: bytes) -> Iterator[tuple[int, int]]:
    """The registers that differ, by their index in `REGISTER_NAMES`, and their new values."""
    registers = enumerate(zip(array("Q", before), array("Q", after), strict=True))
    return ((index, new) for index, (old, new) in registers if old != new)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: a word, a sentence, and the exit status that `hfedu boot` gives it.

    "power off" and "reset" 0; "budget" and "stuck" 3 (a guest's doing); "hang" and "panic" 4 (the hypervisor's).
    """

    kind: str
    sentence: str
    status: int

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Lifeline:
    """Who may act in a recording: a vCPU's name ("vm1.vcpu0"), its VM id and index, and its kernel's name."""

    name: str
    vm: int
    vcpu: int
    label: str


@dataclass(frozen=True)
class Recording:
    """A run: its events, its serial output (CR removed), its outcome, and `made`: `Machine(**made)` makes it again.

    Immutable.
    """

    events: tuple[Event, ...]
    uart: str
    outcome: Outcome
    lifelines: tuple[Lifeline, ...] = ()
    title: str = "run"
    made: dict[str, Any] = field(default_factory=dict, compare=False)

    def at(self, seq: int) -> State:
        """The state right after event `seq`: see `State`. `Mistake` if there is no such event."""
        if not isinstance(seq, int) or not 0 <= seq < len(self.events):
            raise Mistake(f"there is no event {seq!r}: this recording has events 0 to {len(self.events) - 1}")
        state = State()
        for event in self.events[: seq + 1]:
            for change in event.changes:
                state[change.what] = change.new
            if event.kind is Kind.DELIVER:
                state[f"{event.target}.mailbox.message"] = event.message
            for vcpu, before, after in event.registers:
                for index, value in register_changes(before, after):
                    state[f"{vcpu}.{arch.REGISTER_NAMES[index]}"] = value
        return state

    def __repr__(self) -> str:
        return f"<Recording of {self.title}: {len(self.events)} events, {self.outcome.kind}>"


@dataclass(slots=True)
class _Open:
    """An event that is not finished yet: an `Event` whose fields can be set."""

    seq: int
    cause: int | None
    cpu: int
    actor: str
    kind: Kind
    target: str | None = None
    function: int | None = None
    args: tuple[int, ...] = ()
    result: int | None = None
    changes: tuple[Change, ...] = ()
    registers: tuple[tuple[str, bytes, bytes], ...] = ()
    message: bytes | None = None
    uart: int = 0
    text: str = ""


fields_of = attrgetter(*Event._fields)


def readable(value: Any) -> Any:
    """A value as recordings keep it: enum members and hypervisor objects become their names."""
    if isinstance(value, Enum):
        return value._name_
    return value.name if isinstance(value, Vcpu) else value


def watched(cls: Any, fields: frozenset[str], sink: Sink) -> Any:
    """A type like `cls` that reports every change of these fields."""
    plain = cls.__setattr__

    class Watched(cls):  # type: ignore[misc]
        def __setattr__(self, name: str, value: Any) -> None:
            if name in fields:
                old = getattr(self, name, None)
                if old is not value and old != value:
                    sink(self.name + "." + name, readable(old), readable(value))
            plain(self, name, value)

    return Watched


def watched_types(sink: Sink, vm_type: type[Vm]) -> tuple[type[Vm], type[Cpu]]:
    """Types of VM and CPU that report every change of what a recording keeps."""

    class WatchedRegs(arch.ArchRegs):
        name = ""

        def set_retval(self, value: int) -> None:
            if self[0] != value:
                sink(f"{self.name}.x0", self[0], value)
            super().set_retval(value)

    class WatchedVcpu(watched(vm_type.vcpu_type, WATCHED_VCPU, sink)):  # type: ignore[misc]
        def new_regs(self) -> arch.ArchRegs:
            regs = WatchedRegs()
            regs.name = self.name
            return regs

    mailbox_type = watched(vm_type.mailbox_type, WATCHED_MAILBOX, sink)
    types = {"mailbox_type": mailbox_type, "vcpu_type": WatchedVcpu}
    return type("WatchedVm", (vm_type,), types), watched(Cpu, WATCHED_CPU, sink)


@dataclass(slots=True)
class _Serving:
    """A trap that a physical CPU is serving: the vCPU that trapped, the trap's event, and the event that is open."""

    vcpu: Vcpu
    event: _Open
    current: _Open
    interleaved: bool = False
    delivering: Callable[[], bytes] | None = None
    switching: str = "begins to switch"


class Recorder:
    """Collects the events of one machine while it runs.

    Where the steps of several CPUs interleave, a trap's event ends when another CPU goes on, and what the trap does
    later is a `STEP` event of its own: the changes of a recording are always in the order in which they happened.
    """

    def __init__(self, uart_length: Callable[[], int], vm_type: type[Vm] = Vm) -> None:
        self.events: list[Event] = []
        self.uart_length = uart_length
        self.vm_type, self.cpu_type = watched_types(self.changed, vm_type)
        self.current: _Open | None = None
        self.unfinished: deque[_Open] = deque()
        self.serving: dict[int, _Serving] = {}
        self.known: dict[str, tuple[bytes, bytes]] = {}
        self.switched_in_by: dict[str, int] = {}
        self.pending: dict[str, int] = {}
        self.count = 0

    def changed(self, what: str, old: Any, new: Any) -> None:
        """A watched value is about to change."""
        if self.current is None:
            return
        self.current.changes += (Change(what, old, new),)
        owner, _, field = what.rpartition(".")
        if field == "x0" and owner in self.known:
            general, system = self.known[owner]
            self.known[owner] = new.to_bytes(8, "little") + general[8:], system
        elif field == "is_on":
            self.switched_in_by[owner] = self.current.seq

    def open(self, kind: Kind, actor: str, cause: int | None, cpu: int = 0, **fields: Any) -> _Open:
        """Begin an event; what changes from now on belongs to it. It ends with the trap that its CPU serves."""
        if self.current is not None:
            self.current.uart = self.uart_length()
        self.current = opened = _Open(seq=self.count, cause=cause, cpu=cpu, actor=actor, kind=kind, **fields)
        self.unfinished.append(opened)
        self.count += 1
        return opened

    def delivered(self, serving: _Serving) -> None:
        """The delivery that was announced has been done: keep its message."""
        if serving.delivering is not None:
            serving.current.message, serving.delivering = serving.delivering(), None

    def so_far(self) -> tuple[Event, ...]:
        """The events, and those that are not finished as they stand."""
        for serving in self.serving.values():
            self.delivered(serving)
        if self.current is not None:
            self.current.uart = self.uart_length()
        return (*self.events, *(Event._make(fields_of(opened)) for opened in self.unfinished))

    def flush(self) -> None:
        """Close every open event, as at the end of a run."""
        for serving in self.serving.values():
            self.delivered(serving)
        self.serving.clear()
        self.close()

    def close(self) -> None:
        """Close the events that are finished, up to the first that is not."""
        if self.current is not None:
            self.current.uart = self.uart_length()
            self.current = None
        while self.unfinished:
            serving = self.serving.get(self.unfinished[0].cpu)
            if serving is not None and self.unfinished[0].seq >= serving.event.seq:
                return
            self.events.append(Event._make(fields_of(self.unfinished.popleft())))

    def note(self, kind: Kind, actor: str, cause: int | None = None, **fields: Any) -> None:
        """An event without steps: booting, loading, a log line, the end."""
        self.open(kind, actor, cause, **fields)
        self.close()

    def start(self, cpu: Cpu, vcpu: Vcpu) -> None:
        """A physical CPU is about to enter the primary for the first time."""
        cause = self.switched_in_by.get(cpu.name, 0)
        opened = self.open(Kind.SWITCH, "hypervisor", cause, cpu.id, target=vcpu.name, result=vcpu.regs[0])
        self.switched_in_by[cpu.name] = opened.seq

    def begin(self, cpu: Cpu, trap: Trap) -> None:
        """The event of a trap itself."""
        vcpu, regs = running(cpu), cpu.regs
        kind = Kind.IRQ if trap.esr is None else TRAPS.get(trap.esr >> 26, Kind.FAULT)
        self.pending.pop(vcpu.name, None)
        event = self.open(kind, vcpu.name, self.switched_in_by.get(cpu.name), cpu.id)
        if kind is Kind.HYPERCALL or kind is Kind.SMC:
            event.function, event.args = regs[0], tuple(regs[1:4])
        elif kind is Kind.FAULT:
            event.function, event.args = trap.esr, (trap.far, trap.hpfar)
        if kind is Kind.HYPERCALL:
            self.pending[vcpu.name] = call_number(regs[0])
        self.serving[cpu.id] = _Serving(vcpu, event, event)

    def step(self, hypervisor: Hypervisor, cpu: Cpu, step: Step) -> None:
        """A step is about to be taken: some begin an event of their own."""
        kind, target, serving = step.kind, step.target, self.serving[cpu.id]
        event, current = serving.event, serving.current
        self.delivered(serving)
        interleaved = self.current is not current
        if kind in ("acquire", "release") and not interleaved:
            return
        serving.interleaved |= interleaved
        if interleaved and current.kind is Kind.SWITCH and current.target is None:
            current.kind, current.text = Kind.STEP, serving.switching
        if kind == "deliver":
            name = target.name.partition(".")[0]
            serving.current = self.open(Kind.DELIVER, event.actor, event.seq, cpu.id, target=name)
            serving.delivering = lambda: hypervisor.mm_load(target.recv, target.recv_bytes)
        elif kind == "wake":
            serving.current = self.open(Kind.WAKE, "hypervisor", current.seq, cpu.id, target=target.name)
        elif kind in ("retval", "save", "restore"):
            if current.kind is not Kind.SWITCH or interleaved:
                serving.current = self.open(Kind.SWITCH, "hypervisor", event.seq, cpu.id)
            if kind == "save":
                serving.switching = f"save {serving.vcpu.name}"
            if kind == "restore":
                serving.current.target = target.name
                self.switched_in_by[cpu.name] = serving.current.seq
        elif interleaved:
            name = getattr(target, "name", "")
            serving.current = self.open(Kind.STEP, event.actor, current.seq, cpu.id, text=f"{kind} {name}")

    def end(self, cpu: Cpu) -> None:
        """The trap is served: note results and what the registers hold now."""
        serving = self.serving[cpu.id]
        vcpu, event, last, now = serving.vcpu, serving.event, serving.current, cpu.current
        assert now is not None
        left = last if serving.interleaved else event
        if now is vcpu:
            if event.kind in (Kind.HYPERCALL, Kind.SMC):
                event.result = cpu.regs[0]
            left.registers += self.delta(vcpu, cpu.regs)
        else:
            if event.kind is Kind.HYPERCALL and call_number(event.function or 0) not in NO_RESULT_YET:
                event.result = vcpu.regs[0]
            left.registers += self.delta(vcpu, vcpu.regs)
            last.function, last.result = self.pending.get(now.name), now.regs[0]
            last.registers += self.delta(now, now.regs)
        self.finish(cpu)

    def finish(self, cpu: Cpu) -> None:
        """What this CPU has open is over."""
        self.serving.pop(cpu.id, None)
        self.close()

    def delta(self, vcpu: Vcpu, regs: arch.ArchRegs) -> tuple[tuple[str, bytes, bytes], ...]:
        """What the recording knew of a vCPU's registers and what they are, without the system registers if it can."""
        general, system = regs[: arch.SYSTEM].tobytes(), regs[arch.SYSTEM :].tobytes()
        old_general, old_system = self.known.get(vcpu.name, ZERO)
        self.known[vcpu.name] = general, system
        if system != old_system:
            return ((vcpu.name, old_general + old_system, general + system),)
        return ((vcpu.name, old_general, general),) if general != old_general else ()
