"""A closer look at one event: the hypervisor's atomic steps, and what a guest did on its way there.

A recording holds neither. The machine it was made with runs again, to that event, and is watched; that it was the same
run is checked, event by event. `view/depth.py` makes of it what people read.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import repeat
from types import FrameType, FunctionType
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.budget import OutOfBudget
from hfedu.guest.scripted import Action
from hfedu.hf.api import running
from hfedu.hf.arch import PC, SYSTEM
from hfedu.hf.check import Checks
from hfedu.hf.handler import Trap
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.run.core import Core
from hfedu.run.kinds import TRAPS, Kind
from hfedu.run.machine import Machine
from hfedu.run.recorder import actor_of
from hfedu.run.recording import Actor, Event, Recording

LOCKING = (sl_lock.__code__, sl_unlock.__code__)
NO_REPEAT = (
    "this run does not repeat itself, {}: stop runs by max_traps= or max_instructions= instead of seconds, and let "
    "guests depend on nothing but what their calls return (no clock, no random numbers)"
)

CodePlace = tuple[str, int, str]
"""Where a generator stands: path, line (0 if it has ended) and function."""
Held = tuple[tuple[int, str], ...]
"""Locks that are held: the number of a physical CPU, and a lock's name."""
Instant = tuple[int, int, bytes]
"""An address, the instruction there, and all registers, with PSTATE for SPSR."""


class Way(NamedTuple):
    """What a guest did on its way to a trap. `vcpu` is None if no guest ran, `executed` how many instructions it was.

    A script has `turns`, other guests have `looks`, how some of their instructions found the registers, and `last`, how
    the trap did.
    """

    vcpu: Actor | None
    turns: Sequence[tuple[CodePlace, Action]]
    looks: Sequence[Instant]
    last: Instant
    executed: int


class Noted(NamedTuple):
    """A step: the event that it is part of, how many changes that had made before, and where it was announced.

    `others` are the locks that other CPUs hold then.
    """

    event: int
    changes: int
    step: Step
    place: CodePlace
    others: Held


class Ran(NamedTuple):
    """A line of the hypervisor that ran: the event it is part of, its place, where its function begins, which frame."""

    event: int
    place: CodePlace
    first: int
    frame: int


class Notes:
    """What was noted of the traps of a run, by their events: steps, lines, and the ways of guests that led there."""

    def __init__(self) -> None:
        self.steps: dict[int | None, list[Noted]] = {}
        self.lines: dict[int | None, list[Ran]] = {}
        self.ways: dict[int | None, Way] = {}


class Watched(Core):
    """A physical CPU that notes the steps of traps, and what its guest did since the one before, into `notes`.

    `target` is the trap to watch, None for all of them, and `after` the one before it. Of the instructions `limit` are
    looked at, after the first `skip`; with a limit of 0 no guest is watched.
    """

    target: int | None = -1
    after: int | None = None
    limit = skip = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.notes = Notes()
        self.served: int | None = None
        self.hooked = False
        self._set_out()

    def _set_out(self) -> None:
        """A new way begins."""
        self.vcpu: Actor | None = None
        self.turns: list[tuple[CodePlace, Action]] = []
        self.looks: list[Instant] = []
        self.last: Instant = 0, 0, b""
        self.executed = 0

    def arrive(self, seq: int | None) -> None:
        """A way has come to its end, event `seq`."""
        if self.limit:
            self.notes.ways[seq] = Way(self.vcpu, self.turns, self.looks, self.last, self.executed)
        self._set_out()

    def serve(self, trap: Trap) -> Steps[None]:
        """Begin to serve a trap."""
        steps = super().serve(trap)
        assert self.recorder is not None
        self.served = self.recorder.count - 1
        if self.target not in (None, self.served):
            return steps
        self.arrive(self.served)
        traced = self._traced(steps, self.notes.lines.setdefault(self.served, []))
        return self._noting(steps, traced, self.notes.steps.setdefault(self.served, []))

    def _traced(self, steps: Steps[None], ran: list[Ran]) -> Iterator[Step]:
        """The same steps; each line of the hypervisor's own classes that runs between them is noted."""
        codes = code_of(type(self.hypervisor))
        recorder = self.recorder
        assert recorder is not None

        def entered(frame: FrameType, event: str, arg: object) -> Any:
            return line if frame.f_code in codes else None

        def line(frame: FrameType, event: str, arg: object) -> Any:
            serving = recorder.serving.get(self.cpu.id)
            if event == "line" and serving is not None:
                code = frame.f_code
                place = code.co_filename, frame.f_lineno, code.co_name
                ran.append(Ran(serving.current.seq, place, code.co_firstlineno, id(frame)))
            return line

        while True:
            before = sys.gettrace()
            sys.settrace(entered)
            try:
                step = next(steps, None)
            finally:
                sys.settrace(before)
            if step is None:
                return
            yield step

    def _noting(self, steps: Steps[None], traced: Iterator[Step], noted: list[Noted]) -> Steps[None]:
        """The same steps; each is noted when its event is known, before it is done."""
        assert self.recorder is not None
        for step in traced:
            place = place_of(steps)
            yield step
            event = self.recorder.serving[self.cpu.id].current
            vms: list[Any] = self.hypervisor.vms
            locks = [of.lock for of in (*vms, *(vcpu for vm in vms for vcpu in vm.vcpus), *self.hypervisor.cpus)]
            held = tuple((lock.owner.id, lock.name) for lock in locks if lock.owner not in (None, self.cpu))
            noted.append(Noted(event.seq, len(event.changes), step, place, held))

    def run_guest(self, limit: int | None = None) -> Trap | None:
        """Let the guest go on to its next trap."""
        if not self.limit or (self.target is not None and self.served != self.after):
            return super().run_guest(limit)
        vcpu = running(self.cpu)
        self.vcpu, script = actor_of(vcpu), self.script_of(vcpu)
        if script is None:
            return self._run_real(limit)
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

    def _look(self, pc: int) -> Instant:
        """The instruction at an address, and the registers."""
        regs = self.cpu.regs
        kept = regs[SYSTEM:]  # what is recorded of the system registers is when they were last read
        found = pc, self.emulator().instruction(pc), regs.tobytes()
        regs[SYSTEM:] = kept
        return found

    def _run_real(self, limit: int | None) -> Trap | None:
        emulator = self.emulator()

        def on_instruction(pc: int) -> None:
            self.executed += 1
            if self.skip < self.executed <= self.skip + self.limit:
                emulator.read_general()
                self.looks.append(self._look(pc))

        if not self.hooked:
            emulator.watch(on_instruction)
            self.hooked = True
        try:
            return super().run_guest(limit)
        finally:
            self.last = self._look(self.cpu.regs[PC])


class _Machine(Machine):
    core_type = Watched


def code_of(hypervisor: type) -> frozenset[Any]:
    """What the functions of a hypervisor's classes compile to, those that note conditions excepted."""
    classes = (each for each in hypervisor.__mro__ if each not in (object, Checks))
    functions = (value for each in classes for value in vars(each).values() if isinstance(value, FunctionType))
    return frozenset(function.__code__ for function in functions)


def place_of(generator: Any) -> CodePlace:
    """Where a generator stands: in the innermost one that it waits for, the functions that lock excepted."""
    inner = generator
    while getattr(inner, "gi_code", LOCKING[0]) not in LOCKING:
        generator, inner = inner, inner.gi_yieldfrom
    code, frame = generator.gi_code, generator.gi_frame
    return code.co_filename, frame.f_lineno if frame else 0, code.co_name


def trap_of(recording: Recording, seq: int) -> int | None:
    """The trap that event `seq` is part of, or None if no guest led to it. `Mistake` if there is no such event."""
    event = recording.event(seq)
    if not recording.made:
        raise Mistake("only what a Machine recorded can be looked into: this recording does not say how it was made")
    while event.kind not in TRAPS:
        if event.cause is None or recording.events[event.cause].cpu != event.cpu or event.kind is Kind.END:
            return None
        event = recording.events[event.cause]
    return event.seq


def watch_guest(recording: Recording, target: int, limit: int) -> Way | None:
    """The last `limit` instructions on the way to a trap, or to the end of a run; None if no guest ran there."""
    way = watch(recording, target, limit).ways.get(target)
    if way is None or way.executed <= limit:
        return way
    again = watch(recording, target, limit, way.executed - limit).ways[target]
    if again.executed != way.executed:
        raise Mistake(NO_REPEAT.format(f"it executes {way.executed} and then {again.executed} instructions"))
    return again


def watch(recording: Recording, target: int, limit: int = 0, skip: int = 0) -> Notes:
    """Run again until event `target` is over: what was noted of it. `Mistake` if this is not the recorded run."""
    machine, events = _Machine(**recording.made | {"max_seconds": None}), recording.events
    watched = machine.cores[events[target].cpu]
    assert isinstance(watched, Watched)
    before = (event.seq for event in reversed(events[:target]) if event.kind in TRAPS and event.cpu == watched.cpu.id)
    watched.target, watched.after, watched.limit, watched.skip = target, next(before, None), limit, skip
    run_again(machine, recording, target)
    if target not in watched.notes.ways:  # the end of a run is no trap
        watched.arrive(target)
    return watched.notes


def watch_all(recording: Recording, limit: int) -> Notes:
    """Run again to the end: the steps of all traps, and up to `limit` instructions on the way to each.

    `Mistake` if this is not the recorded run.
    """
    machine, notes = _Machine(**recording.made | {"max_seconds": None}), Notes()
    for core in machine.cores:
        assert isinstance(core, Watched)
        core.notes, core.target, core.limit = notes, None, limit
    last = len(recording.events) - 1
    run_again(machine, recording, last - recording.outcome.by_clock)
    if not recording.outcome.by_clock:
        first = machine.cores[0]
        assert isinstance(first, Watched)
        first.arrive(last)
    return notes


def run_again(machine: Machine, recording: Recording, target: int) -> None:
    """Run a watched machine until event `target` is over. `Mistake` if this is not the recorded run."""
    try:
        again = run_to(machine, recording, target)
    except Mistake:
        raise
    except Exception as error:
        raise Mistake(NO_REPEAT.format(f"it raises {error!r}")) from error
    for seq, event in enumerate(recording.events[: target + 1]):
        if again[seq : seq + 1] != [event]:
            raise Mistake(NO_REPEAT.format(f"event {seq} comes out differently"))


def run_to(machine: Machine, recording: Recording, target: int) -> list[Event]:
    """Run until event `target` is over, or to the end: the events. What was stopped ends where its schedule does."""
    assert machine.recorder is not None
    kind, schedule = recording.outcome.kind, recording.made["schedule"]
    stopped = kind == "violation" or (kind == "running" and len(machine.cores) > 1)
    accesses = [event for event in recording.events if event.kind is Kind.ACCESS]
    machine.boot()
    for left in range(len(schedule) - 1, -1, -1) if stopped else repeat(len(accesses)):
        if len(machine.recorder.columns) > target or not machine.step():
            break
        if left < len(accesses):
            access = accesses[-1 - left]
            machine.recorder.access(access.cpu, access.text)
    else:
        if kind == "violation":
            machine.end(recording.outcome)
    return [*machine.recorder.so_far()]
