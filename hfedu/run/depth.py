"""A closer look at one event: the hypervisor's atomic steps, and what a guest did on its way there.

A recording holds neither. The machine it was made with runs again, to that event, and is watched; that it was the same
run is checked, event by event. `view/depth.py` makes of it what people read.
"""

from itertools import repeat
from typing import Any

from hfedu.errors import Mistake
from hfedu.guest.budget import OutOfBudget
from hfedu.guest.scripted import Action
from hfedu.hf.api import running
from hfedu.hf.arch import PC, SYSTEM
from hfedu.hf.handler import Trap
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.run.core import Core
from hfedu.run.machine import Machine
from hfedu.run.trace import Event, Kind, Recording

TRAPS = frozenset((Kind.HYPERCALL, Kind.SMC, Kind.WFI, Kind.IRQ, Kind.FAULT))
LOCKING = (sl_lock.__code__, sl_unlock.__code__)
NO_REPEAT = (
    "this run does not repeat itself, {}: stop runs by max_traps= or max_instructions= instead of seconds, and let "
    "guests depend on nothing but what their calls return (no clock, no random numbers)"
)

Place = tuple[str, int, str]
"""Where a generator stands: path, line (0 if it has ended) and function."""
Held = tuple[tuple[int, str], ...]
"""Locks that are held: the number of a physical CPU, and a lock's name."""
Look = tuple[int, int, bytes]
"""An address, the instruction there, and all registers, with PSTATE for SPSR."""


class Watched(Core):
    """A physical CPU that notes the steps of trap `target`, and what its guest did since trap `after` to get there.

    `noted` are, for each step, its event, how many changes that event had made before it, the step, its place, and the
    locks of the other CPUs.
    `executed` are the instructions of the guest, `vcpu`; `looks` how `limit` of them, after the first `skip`, found the
    registers, and `last` how the trap did. A script has `turns` instead. With a limit of 0 the guest is not watched.
    """

    served: int | None = None
    after: int | None = None
    vcpu: str | None = None
    target = -1
    limit = skip = executed = 0
    last: Look = 0, 0, b""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.noted: list[tuple[int, int, Step, Place, Held]] = []
        self.turns: list[tuple[Place, Action]] = []
        self.looks: list[Look] = []

    def serve(self, trap: Trap) -> Steps[None]:
        """Begin to serve a trap."""
        steps = super().serve(trap)
        assert self.recorder is not None
        self.served = self.recorder.count - 1
        return self._noting(steps) if self.served == self.target else steps

    def _noting(self, steps: Steps[None]) -> Steps[None]:
        """The same steps; each is noted when its event is known, before it is done."""
        assert self.recorder is not None
        for step in steps:
            place = place_of(steps)
            yield step
            event = self.recorder.serving[self.cpu.id].current
            vms: list[Any] = self.hypervisor.vms
            locks = [of.lock for of in (*vms, *(vcpu for vm in vms for vcpu in vm.vcpus), *self.hypervisor.cpus)]
            held = tuple((lock.owner.id, lock.name) for lock in locks if lock.owner not in (None, self.cpu))
            self.noted.append((event.seq, len(event.changes), step, place, held))

    def run_guest(self, limit: int | None = None) -> Trap | None:
        """Let the guest go on to its next trap."""
        if not self.limit or self.served != self.after:
            return super().run_guest(limit)
        vcpu = running(self.cpu)
        first, self.vcpu, script = self.vcpu is None, vcpu.name, self.script_of(vcpu)
        if script is None:
            return self._run_real(first, limit)
        guest, trap = self.scripted.guest(script), None
        try:
            trap = super().run_guest(1)
        except OutOfBudget:
            trap = Trap(None)  # as with an interrupt, the script has done nothing
            raise
        finally:
            if trap != Trap(None) and guest.action is not None:
                self.turns.append((place_of(guest.generator), guest.action))
        return trap

    def _run_real(self, first: bool, limit: int | None) -> Trap | None:
        unicorn = self.emulator()

        def look(pc: int) -> Look:
            regs = self.cpu.regs
            kept = regs[SYSTEM:]  # what is recorded of the system registers is when they were last read
            found = pc, unicorn.instruction(pc), regs.tobytes()
            regs[SYSTEM:] = kept
            return found

        def on_instruction(pc: int) -> None:
            self.executed += 1
            if self.skip < self.executed <= self.skip + self.limit:
                unicorn.read_general()
                self.looks.append(look(pc))
            if unicorn.interrupt is not None:
                unicorn.stop()

        if first:
            unicorn.watch(on_instruction)
        try:
            return super().run_guest(limit)
        finally:
            self.last = look(self.cpu.regs[PC])


class _Machine(Machine):
    core_type = Watched


def place_of(generator: Any) -> Place:
    """Where a generator stands: in the innermost one that it waits for, the functions that lock excepted."""
    inner = generator
    while getattr(inner, "gi_code", LOCKING[0]) not in LOCKING:
        generator, inner = inner, inner.gi_yieldfrom
    code, frame = generator.gi_code, generator.gi_frame
    return code.co_filename, frame.f_lineno if frame else 0, code.co_name


def trap_of(recording: Recording, seq: int) -> int | None:
    """The trap that event `seq` is part of, or None if no guest led to it. `Mistake` if there is no such event."""
    events = recording.events
    if not isinstance(seq, int) or not 0 <= seq < len(events):
        raise Mistake(f"there is no event {seq!r}: this recording has events 0 to {len(events) - 1}")
    if not recording.made:
        raise Mistake("only what a Machine recorded can be looked into: this recording does not say how it was made")
    event = events[seq]
    while event.kind not in TRAPS:
        if event.cause is None or events[event.cause].cpu != event.cpu or event.kind is Kind.END:
            return None
        event = events[event.cause]
    return event.seq


def watch_guest(recording: Recording, target: int, limit: int) -> Watched:
    """Watch the last `limit` instructions on the way to a trap, or to the end of a run."""
    watched = watch(recording, target, limit)
    if (count := watched.executed) > limit:
        watched = watch(recording, target, limit, count - limit)
    if watched.executed != count:
        raise Mistake(NO_REPEAT.format(f"it executes {count} and then {watched.executed} instructions"))
    return watched


def watch(recording: Recording, target: int, limit: int = 0, skip: int = 0, kind: type[Machine] = _Machine) -> Watched:
    """Run again until event `target` is over: the CPU that did it. `Mistake` if this is not the recorded run."""
    machine, events = kind(**recording.made | {"max_seconds": None}), recording.events
    watched = machine.cores[events[target].cpu]
    assert isinstance(watched, Watched)
    before = (event.seq for event in reversed(events[:target]) if event.kind in TRAPS and event.cpu == watched.cpu.id)
    watched.target, watched.after, watched.limit, watched.skip = target, next(before, None), limit, skip
    try:
        with machine._stop_button():
            again = run_to(machine, recording, target)
    except Mistake:
        raise
    except Exception as error:
        raise Mistake(NO_REPEAT.format(f"it raises {error!r}")) from error
    for seq, event in enumerate(events[: target + 1]):
        if again[seq : seq + 1] != [event]:
            raise Mistake(NO_REPEAT.format(f"event {seq} comes out differently"))
    return watched


def run_to(machine: Machine, recording: Recording, target: int) -> list[Event]:
    """Run until event `target` is over, or to the end: the events. What was stopped ends where its schedule does."""
    assert machine.recorder is not None
    kind, schedule = recording.outcome.kind, recording.made["schedule"]
    stopped = kind == "violation" or (kind == "running" and len(machine.cores) > 1)
    machine.boot()
    for _ in schedule if stopped else repeat(None):
        if len(machine.recorder.events) > target or not machine.step():
            break
    else:
        if kind == "violation":
            machine.end(recording.outcome)
    return [*machine.recorder.so_far()]
