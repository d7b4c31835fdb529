"""Makes a recording: watches the hypervisor from outside while it runs.

The recorder sees every trap, every `Step`, every condition that is checked and every assignment to a vCPU, a mailbox or
a physical CPU, and groups the changes into events.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from sys import intern
from typing import Any

from hfedu.board.pl011 import Pl011
from hfedu.hf import arch
from hfedu.hf.api import running
from hfedu.hf.call import Call
from hfedu.hf.check import Check
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap, call_number
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.psci import PSCI_CALLS
from hfedu.hf.spinlock import Step
from hfedu.hf.vm import Mailbox, Vm
from hfedu.run.columns import Columns, Events, fields_of
from hfedu.run.kinds import CALL_KINDS, Kind
from hfedu.run.recording import Actor, Cause, Change, Event

ZERO = bytes(8 * arch.SYSTEM), bytes(8 * (len(arch.REGISTER_NAMES) - arch.SYSTEM))
GENERAL = 8 * arch.SYSTEM
WATCHED_VCPU = frozenset(("state", "mailbox_next"))
WATCHED_MAILBOX = frozenset(("state", "send", "recv", "recv_bytes", "recv_from_id", "recv_waiter"))
WATCHED_CPU = frozenset(("current", "is_on"))
TRAP_KINDS = {arch.EC_HVC: Kind.HYPERCALL, arch.EC_SMC: Kind.SMC, arch.EC_WFI_WFE: Kind.WFI}
"""Which event a trap is, by the class of its exception; any other is an IRQ or a FAULT."""

INTERRUPT_KINDS = {"raised": Kind.RAISED, "acknowledged": Kind.ACKNOWLEDGED, "ended": Kind.ENDED}

KEPT_AS_THEY_ARE = (int, str, bytes, float)
"""The types of values that a recording keeps as they are."""
Sink = Callable[[str, Any, Any], None]
"""Is told of a change: path, value before, value after."""


named = cache(Actor)
"""Actors, each made once: a recording names few, often."""


def actor_of(vcpu: Vcpu) -> Actor:
    """A vCPU as recordings name it."""
    return named(vcpu.vm.id, vcpu.index)


def readable(value: Any) -> Any:
    """A value as recordings keep it, deep: enum members become their names, vCPUs and VMs become actors."""
    if isinstance(value, Enum):
        return value._name_
    if value is None or isinstance(value, KEPT_AS_THEY_ARE):
        return value
    if isinstance(value, Vcpu):
        return actor_of(value)
    if isinstance(value, Vm):
        return Actor(value.id)
    if isinstance(value, Mapping):
        return {readable(key): readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | deque):
        return tuple(map(readable, value))
    if isinstance(value, set | frozenset):
        return frozenset(map(readable, value))
    return bytes(value) if isinstance(value, bytearray) else str(getattr(value, "name", None) or repr(value))


@dataclass(slots=True)
class _Open:
    """An event that is not finished yet: an `Event` whose fields can be set."""

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


def watched(cls: Any, fields: frozenset[str], sink: Sink) -> Any:
    """A type like `cls` that reports every change of these fields.

    The hypervisor knows nothing of recordings: a field is watched where it is assigned, whoever does so, a hypervisor
    of one's own included. A machine that does not record has the plain types, and pays nothing.
    """
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
    """A trap that a physical CPU is serving: the vCPU that trapped, the trap's event, and the event that is open.

    `returning` is the RETURN that was begun before the CPU switches away.
    """

    vcpu: Vcpu
    event: _Open
    current: _Open
    returning: _Open | None = None
    interleaved: bool = False
    delivering: Callable[[], bytes] | None = None
    switching: tuple[str, str] | None = None


class Recorder:
    """Collects the events of one machine while it runs.

    Where the steps of several CPUs interleave, a trap's event ends when another CPU goes on, and what the trap does
    later is a `STEP` event of its own: the changes of a recording are always in the order in which they happened.
    """

    def __init__(self, uart: Pl011, hypervisor: type[Hypervisor], own: "OwnFields") -> None:
        self.columns = Columns(bool(own.known))
        self.uart, self.calls, self.own = uart, hypervisor.calls, own
        self.vm_type, self.cpu_type = watched_types(self.changed, hypervisor.vm_type)
        self.current: _Open | None = None
        self.unfinished: deque[_Open] = deque()
        self.serving: dict[int, _Serving] = {}
        self.known: dict[Actor, tuple[bytes, bytes]] = {}
        self.last: dict[tuple[str, Any], int] = {}
        """The event that last did something: ("cpu", number) switched it, ("on", path) turned a CPU on, ("ready", path)
        made a vCPU ready, ("waits", path) made it wait, ("message", vm) delivered to a VM; by CPU and number of an
        interrupt, what came last before its timer was "armed", and where it was "raised" and "acknowledged"."""
        self.pending: dict[Actor, tuple[int, Call | None]] = {}
        self.count = 0
        self.checks: dict[Check, Check] = {}
        """The checks so far: calls look at the same again and again, and each is kept once."""
        self.printed = 0

    def changed(self, what: str, old: Any, new: Any) -> None:
        """A watched value is about to change."""
        if self.current is None:
            return
        owner, _, field = what.rpartition(".")
        if field == "x0":
            self._result_changed(what, new)
            return
        self.current.changes += (Change(intern(what), old, new),)
        if field == "is_on":
            self.last["on", owner] = self.current.seq
        elif field == "state" and new == "READY":
            self.last["ready", owner] = self.current.seq
        elif field == "mailbox_next" or (field == "state" and str(new).startswith("BLOCKED")):
            self.last.setdefault(("waits", owner), self.current.seq)

    def _result_changed(self, what: str, new: int) -> None:
        """The result of a vCPU that is switched out is about to be written."""
        assert self.current is not None
        vcpu = next((actor for actor in self.known if f"{actor.name}.x0" == what), None)
        if vcpu is None:
            self.current.changes += (Change(what, 0, new),)
            return
        general, system = self.known[vcpu]
        self.known[vcpu] = new.to_bytes(8, "little") + general[8:], system
        old = int.from_bytes(general[:8], "little")
        if old != new:
            self.current.changes += (Change(what, old, new, self.pending.get(vcpu, (0, None))[1]),)

    def checked(self, check: Check) -> None:
        """A condition was looked at."""
        if self.current is not None:
            self.current.checks += (self.checks.setdefault(check, check),)

    def open(self, kind: Kind, actor: Actor | None, *causes: Cause, cpu: int = 0, **fields: Any) -> _Open:
        """Begin an event; what changes from now on belongs to it. It ends with the trap that its CPU serves."""
        self.look()
        self.current = opened = _Open(self.count, causes, cpu, actor, kind, **fields)
        self.unfinished.append(opened)
        self.count += 1
        return opened

    def look(self) -> None:
        """Note what has become of the fields of a hypervisor of one's own, and of the serial line."""
        if self.current is None:
            return
        if self.own.known:
            self.current.changes += self.own.changes()
        printed = self.uart.printed
        if printed != self.printed:
            self.printed = printed
        self.current.uart = self.printed  # one number for all events that print nothing

    def delivered(self, serving: _Serving) -> None:
        """The delivery that was announced has been done: keep its message."""
        if serving.delivering is not None:
            serving.current.message, serving.delivering = serving.delivering(), None

    def so_far(self) -> Events:
        """The events, and those that are not finished as they stand."""
        for serving in self.serving.values():
            self.delivered(serving)
        self.look()
        unfinished = tuple(Event._make(fields_of(opened)) for opened in self.unfinished)
        packed = len(self.columns)
        return Events(self.columns, packed, unfinished, range(packed + len(unfinished)))

    def flush(self) -> None:
        """Close every open event, as at the end of a run."""
        for serving in self.serving.values():
            self.delivered(serving)
        self.serving.clear()
        self.close()

    def close(self) -> None:
        """Close the events that are finished, up to the first that is not."""
        self.look()
        self.current = None
        while self.unfinished:
            serving = self.serving.get(self.unfinished[0].cpu)
            if serving is not None and self.unfinished[0].seq >= serving.event.seq:
                return
            self.columns.add(self.unfinished.popleft())

    def note(self, kind: Kind, *causes: Cause, **fields: Any) -> None:
        """An event without steps: booting, loading, a log line, the end."""
        self.open(kind, None, *causes, **fields)
        self.close()

    def start(self, cpu: Cpu, vcpu: Vcpu) -> None:
        """A physical CPU is about to enter the primary for the first time."""
        cause = Cause(self.last.get(("on", cpu.name), 0), "before")
        opened = self.open(Kind.SWITCH, None, cause, cpu=cpu.id, target=actor_of(vcpu), result=vcpu.regs[0])
        self.last["cpu", cpu.id] = opened.seq

    def begin(self, cpu: Cpu, trap: Trap) -> None:
        """The event of a trap itself."""
        vcpu, regs = running(cpu), cpu.regs
        actor = actor_of(vcpu)
        kind = Kind.IRQ if trap.esr is None else TRAP_KINDS.get(trap.esr >> 26, Kind.FAULT)
        self.pending.pop(actor, None)
        causes = [Cause(self.last.get(("cpu", cpu.id), 0), "cpu")]
        if kind is Kind.IRQ and (raised := self.last.get(("interrupt", cpu.id))) is not None:
            causes.append(Cause(raised, "interrupt"))
        event = self.open(kind, actor, *causes, cpu=cpu.id)
        if kind in CALL_KINDS:
            event.function, event.args = regs[0], tuple(regs[1:4])
            event.call = self.call(kind, regs[0])
            self.pending[actor] = regs[0], event.call
        elif kind is Kind.FAULT:
            event.function, event.args = trap.esr, (trap.far, trap.hpfar)
        event.registers = self.delta(vcpu, regs)
        self.serving[cpu.id] = _Serving(vcpu, event, event)

    def armed(self, cpu: int, intid: int) -> None:
        """A guest sets the timer that raises an interrupt of a CPU."""
        self.last["armed", (cpu, intid)] = self.count - 1

    def interrupt(self, what: str, actor: Actor | None, cpu: int, intid: int, checks: tuple[Check, ...] = ()) -> None:
        """An interrupt is "raised" for a CPU, or "acknowledged" or "ended" by the vCPU there. It changes no state."""
        before = {"raised": "armed", "acknowledged": "raised", "ended": "acknowledged"}[what]
        found = self.last.get((before, (cpu, intid)))
        causes = [] if found is None else [Cause(found, "armed" if what == "raised" else "interrupt")]
        current = self.current
        opened = self.open(INTERRUPT_KINDS[what], actor, *causes, cpu=cpu, function=intid, checks=checks)
        self.last[what, (cpu, intid)] = opened.seq
        if what == "raised":
            self.last["interrupt", cpu] = opened.seq
        if current is None:
            self.close()
        else:  # the hypervisor prints, and that interrupts: what it does goes on where it was
            self.current = current

    def access(self, cpu: int, text: str) -> None:
        """An access that a race is about, as part of what goes on."""
        current, serving = self.current, self.serving.get(cpu)
        cause = Cause(self.last.get(("cpu", cpu), 0), "cpu") if serving is None else Cause(serving.event.seq, "call")
        opened = self.open(Kind.ACCESS, None, cause, cpu=cpu, text=text)
        if current is None:
            self.close()
        else:
            opened.uart, self.current = self.printed, current

    def call(self, kind: Kind, x0: int) -> Call | None:
        """The row of the call that a guest asks for: by SMC there are only those of PSCI."""
        number = call_number(x0)
        return (self.calls.get(number) if kind is Kind.HYPERCALL else None) or PSCI_CALLS.get(number)

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
            current.kind, current.step = Kind.STEP, serving.switching
        if kind == "deliver":
            self._deliver(hypervisor, cpu, serving, target)
        elif kind == "wake":
            self._wake(cpu, serving, target)
        elif kind == "retval" and event.call is not None and not event.call.waits and serving.returning is None:
            self._return(cpu, serving)
        elif kind in ("retval", "save", "restore"):
            self._switch(cpu, serving, step, interleaved)
        elif interleaved:
            self._go_on(cpu, serving, step)

    def _deliver(self, hypervisor: Hypervisor, cpu: Cpu, serving: _Serving, mailbox: Mailbox) -> None:
        owner = next(vm.id for vm in hypervisor.vms if vm.mailbox is mailbox)
        cause = Cause(serving.event.seq, "call")
        serving.current = self.open(Kind.DELIVER, serving.event.actor, cause, cpu=cpu.id, target=Actor(owner))
        serving.delivering = lambda: hypervisor.mm_load(mailbox.recv, mailbox.recv_bytes)
        self.last["message", owner] = serving.current.seq

    def _wake(self, cpu: Cpu, serving: _Serving, vcpu: Vcpu) -> None:
        current = serving.current
        waits = self.last.get(("waits", vcpu.name))
        causes = [Cause(current.seq, "message" if current.kind is Kind.DELIVER else "call")]
        causes += [] if waits is None else [Cause(waits, "waits")]
        serving.current = self.open(Kind.WAKE, None, *causes, cpu=cpu.id, target=actor_of(vcpu))

    def _return(self, cpu: Cpu, serving: _Serving) -> _Open:
        event = serving.event
        causes = Cause(event.seq, "call"), *self._message(event.call, serving.vcpu)
        asked = {"call": event.call, "function": event.function, "args": event.args}
        target = actor_of(serving.vcpu)
        serving.returning = self.open(Kind.RETURN, None, *causes, cpu=cpu.id, target=target, **asked)
        serving.current = serving.returning
        return serving.returning

    def _switch(self, cpu: Cpu, serving: _Serving, step: Step, interleaved: bool) -> None:
        if step.kind == "retval" and serving.returning is not None:
            if interleaved:
                self._go_on(cpu, serving, step)
            return
        if serving.current.kind is not Kind.SWITCH or interleaved:
            serving.current = self.open(Kind.SWITCH, None, Cause(serving.event.seq, "call"), cpu=cpu.id)
        if step.kind == "save":
            serving.switching = "save", serving.vcpu.name
        if step.kind == "restore":
            serving.current.target = actor_of(step.target)
            ready = self.last.get(("ready", step.target.name))
            if ready is not None and step.target.vm.id:
                serving.current.causes += (Cause(ready, "ready"),)
            self.last["cpu", cpu.id] = serving.current.seq

    def _go_on(self, cpu: Cpu, serving: _Serving, step: Step) -> None:
        """What a trap does after another CPU had its turn."""
        said = step.kind, getattr(step.target, "name", "")
        cause = Cause(serving.current.seq, "call")
        serving.current = self.open(Kind.STEP, serving.event.actor, cause, cpu=cpu.id, step=said)

    def end(self, cpu: Cpu) -> None:
        """The trap is served: note results and what the registers hold now."""
        serving = self.serving[cpu.id]
        vcpu, event, now = serving.vcpu, serving.event, cpu.current
        assert now is not None
        self.last.pop(("waits", now.name), None)
        if now is vcpu:
            last = serving.current
            if event.kind in CALL_KINDS:
                last = self._return(cpu, serving)
                last.result, last.refused = cpu.regs[0], cpu.refused
                self.pending.pop(actor_of(vcpu), None)
            last.registers += self.delta(vcpu, cpu.regs)
        else:
            self._left(serving, vcpu)
            self._resumed(serving.current, now)
        self.finish(cpu)

    def _left(self, serving: _Serving, vcpu: Vcpu) -> None:
        """The vCPU that trapped is switched out, with the result of its call if it has one."""
        last, returning = serving.current, serving.returning
        if returning is not None:
            returning.result = vcpu.regs[0]
            self.pending.pop(actor_of(vcpu), None)
            if not serving.interleaved:
                last = returning
        last.registers += self.delta(vcpu, vcpu.regs)

    def _resumed(self, switch: _Open, vcpu: Vcpu) -> None:
        """Another vCPU runs now, with the result of the call that it waited in."""
        actor = actor_of(vcpu)
        switch.function, switch.call = self.pending.pop(actor, (None, None))
        switch.result = vcpu.regs[0]
        switch.causes += self._message(switch.call, vcpu)
        switch.registers += self.delta(vcpu, vcpu.regs)

    def _message(self, call: Call | None, vcpu: Vcpu) -> tuple[Cause, ...]:
        """The delivery that a call of this vCPU tells of, if it does and there was one."""
        delivered = self.last.get(("message", vcpu.vm.id)) if call is not None and call.receives else None
        return () if delivered is None else (Cause(delivered, "message"),)

    def finish(self, cpu: Cpu) -> None:
        """What this CPU has open is over."""
        self.serving.pop(cpu.id, None)
        self.close()

    def delta(self, vcpu: Vcpu, regs: arch.ArchRegs) -> tuple[tuple[Actor, bytes, bytes], ...]:
        """What the recording knew of a vCPU's registers and what they are, without the system registers if it can."""
        actor = actor_of(vcpu)
        whole = regs.tobytes()
        general, system = whole[:GENERAL], whole[GENERAL:]
        old_general, old_system = self.known.get(actor, ZERO)
        self.known[actor] = general, system
        if system != old_system:
            return ((actor, old_general + old_system, general + system),)
        return ((actor, old_general, general),) if general != old_general else ()


class OwnFields:
    """The fields that changes of one's own keep in the hypervisor, its VMs, mailboxes and vCPUs.

    They are looked at when an event ends: whatever is assigned, appended or deleted shows, deep inside of it too.
    `known` are the fields that the hypervisor has without these changes, by the kind of object.
    """

    def __init__(self, hypervisor: Hypervisor, known: Mapping[str, frozenset[str]]) -> None:
        self.hypervisor, self.known = hypervisor, known
        self.values: dict[str, Any] = {}

    def objects(self) -> list[tuple[str, str, Any]]:
        """Kind, path and object of all that may have such fields."""
        vms = self.hypervisor.vms
        found: list[tuple[str, str, Any]] = [("hypervisor", "hypervisor", self.hypervisor)]
        found += [("vm", vm.name, vm) for vm in vms]
        found += [("mailbox", vm.mailbox.name, vm.mailbox) for vm in vms]
        return found + [("vcpu", vcpu.name, vcpu) for vm in vms for vcpu in vm.vcpus]

    def changes(self) -> tuple[Change, ...]:
        """What has changed since somebody looked."""
        now = {
            f"{path}.{name}": readable(value)
            for kind, path, found in self.objects()
            for name, value in attributes(found).items()
            if name not in self.known[kind]
        }
        paths = [path for path in {**self.values, **now} if self.values.get(path) != now.get(path)]
        changes = tuple(Change(path, self.values.get(path), now.get(path)) for path in paths)
        self.values = now
        return changes


def attributes(found: Any) -> dict[str, Any]:
    """The fields of an object that have a value, in slots or not."""
    slots = (name for cls in type(found).__mro__ for name in getattr(cls, "__slots__", ()))
    return {name: getattr(found, name) for name in slots if hasattr(found, name)} | getattr(found, "__dict__", {})
