"""Scenarios and their replay: a machine that goes back to where its scripts have met, and follows schedules from there.

The generators of guests and hypervisor cannot be copied, so a state is reached by replaying its schedule from a common
root. States are told apart by exact keys: every field of the hypervisor, every position in its code and in the scripts,
every page that was written.
"""

import dis
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import CodeType, GeneratorType
from typing import Any

from hfedu.board.memory import RAM_BASE
from hfedu.errors import Mistake, plainly_made
from hfedu.guest.scripted import Action, Script, ScriptedVcpu, cpu_on, meet
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.cpu import Vcpu
from hfedu.hf.platform import LAYOUT_BIN_END, PowerDown
from hfedu.run.invariants import Ghost, GhostState
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.recorder import attributes

FROZEN_AS_THEY_ARE = (int, str, bytes, frozenset)
STATE = (int, bytes, frozenset, Enum, Vcpu, type(None))
"""Types of the fields that a step may change: the state of the hypervisor's objects, registers and memory apart."""
REASONS = ("refused",)
"""Fields that only say why something was decided: nothing depends on them, so they tell no states apart."""
SETUP_STEPS = 10_000


@plainly_made
@dataclass(frozen=True)
class Scenario:
    """A conversation to be tried in every order.

    `setup` runs first, on CPU 0 alone; then CPU n runs the primary's script `cpus[n]`, all in every order.
    `secondaries` are scripts. All are generator functions without arguments; what a script of the primary returns is
    part of the final state. `meaning` is a sentence about it.
    """

    name: str
    meaning: str
    setup: Script
    cpus: tuple[Script, ...]
    secondaries: tuple[Script, ...]

    def disk(self, cpus: int) -> RamDisk:
        """A RAM disk that runs this scenario on so many physical CPUs."""
        if not isinstance(cpus, int) or not 1 <= cpus <= len(self.cpus):
            raise Mistake(
                f"{self.name} has scripts for {len(self.cpus)} CPUs: explore it on 1 to {len(self.cpus)} of them"
            )

        def script(cpu: int) -> Script:
            def body() -> Any:
                if cpu == 0:
                    yield from self.setup()
                    yield from starting(cpus)
                yield meet()
                return (yield from self.cpus[cpu]())

            return body

        return RamDisk([script(cpu) for cpu in range(cpus)], [Secondary(script) for script in self.secondaries])


def starting(cpus: int) -> Iterator[Action]:
    """Turn every physical CPU on but the first. On its own, for a script with a loop is told apart by its history."""
    for cpu in range(1, cpus):
        yield cpu_on(cpu)


def freeze(value: Any) -> Any:
    """A value as part of a key; None if it cannot be one."""
    if isinstance(value, FROZEN_AS_THEY_ARE):
        return value
    if value is None:
        return ()
    if isinstance(value, tuple):
        items = (type(value).__name__, *map(freeze, value))
        return None if None in items else items
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return name
    if isinstance(value, dict | set):
        return tuple(sorted(map(repr, value.items() if isinstance(value, dict) else value)))
    return getattr(value, "__qualname__", None) if callable(value) else None


@cache
def iterators(code: CodeType) -> tuple[()] | None:
    """The iterators of a function as part of a key: none, or None if there may be some, for no variable holds them."""
    return None if any(instruction.opname == "FOR_ITER" for instruction in dis.get_instructions(code)) else ()


def position(generator: Any) -> tuple[Any, ...]:
    """Where a generator is: the place in the code and the variables of each of its functions, outermost first."""
    found: list[Any] = []
    while isinstance(generator, GeneratorType) and generator.gi_frame is not None:
        frame = generator.gi_frame
        values = (freeze(value) for _, value in sorted(frame.f_locals.items()))
        found += (frame.f_lasti, iterators(frame.f_code), *values)
        generator = generator.gi_yieldfrom
    return tuple(found)


class _Logged(ScriptedVcpu):
    """A scripted guest that remembers what it was told, so that a fresh generator can be brought to the same place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.log: list[Any] = []

    def advance(self, value: Any) -> Action | None:
        """Note the value and go on."""
        self.log.append(value)
        return super().advance(value)

    def position(self) -> tuple[Any, ...]:
        """Where the script is: its code position and variables, or its history where these do not tell."""
        found = position(self.generator)
        if None in found:
            return tuple(map(repr, self.log))
        return (*found, self.asked, self.loaded, self.next_pc, self.pages) if found else ("ended", repr(self.returned))


class Replayer:
    """One machine that goes back to the root of a scenario and follows schedules from there.

    `setup` are the steps to the root, `schedule` those since then; `off` says whether the machine was switched off.

    It goes by reflection over every field of the machine's objects. Were each class to save itself, this would be
    shorter, and whoever adds a field and forgets to save it would make two states one without a word.
    """

    def __init__(self, scenario: Scenario, cpus: int, options: tuple[tuple[str, Any], ...]) -> None:
        self.machine = machine = Machine(scenario.disk(cpus), cpus=cpus, record=False, **dict(options))
        for core in machine.cores:
            core.scripted.guest_type = _Logged
        machine.boot()
        self.ghost = Ghost(machine)
        self.setup: list[int] = []
        self.schedule: list[int] = []
        self.off = False
        while len(self.setup) < SETUP_STEPS and any(core.able for core in machine.cores):
            core = next(core for core in machine.cores if core.able)
            self.setup.append(core.cpu.id)
            self.step(core.cpu.id)
        if not all(core.scripted.meeting for core in machine.cores):
            raise Mistake(f"the setup of {scenario.name} never comes to its end")
        self.past = self.ghost.past()
        vms = machine.hypervisor.vms
        lockable: list[Any] = [*vms, *(vcpu for vm in vms for vcpu in vm.vcpus), *(core.cpu for core in machine.cores)]
        objects = [machine.hypervisor, *lockable, *(o.lock for o in lockable), *(vm.mailbox for vm in vms)]
        names = ((o, name) for o in objects for name in attributes(o) if name not in REASONS)
        found = [(o, name, getattr(o, name)) for o, name in names]
        self.fields = [field for field in found if isinstance(field[2], STATE)]
        self.arrays = [(value, value[:]) for _, _, value in found if isinstance(value, array)]
        guests: list[Any] = list(machine.guests.values())
        self.guests = [(g, dict(vars(g), log=[*g.log], places={**g.places}), dict(g.of_vm)) for g in guests]
        self.memory = machine.board.memory
        self.ram, self.printed = self.memory.ram[:], len(self.memory.uart.output)
        self.written: set[int] = set()
        self.memory.dirty.append(self.written)

    def restart(self) -> None:
        """Go back to the root."""
        for o, name, value in self.fields:
            setattr(o, name, value)
        for live, kept in self.arrays:
            live[:] = kept
        for page in self.written:
            begin = page - RAM_BASE
            self.memory.ram[begin : begin + PAGE_SIZE] = self.ram[begin : begin + PAGE_SIZE]
        if min(self.written, default=LAYOUT_BIN_END) < LAYOUT_BIN_END:  # a page of the hypervisor's own: a table
            self.machine.hypervisor.tlb.clear()
        self.written.clear()
        del self.memory.uart.output[self.printed :]
        self.machine.guests.clear()
        for guest, noted, of_vm in self.guests:
            log, places = noted["log"], noted["places"]
            vars(guest).update(noted, log=[*log], places={**places}, generator=guest.script())
            guest.of_vm.clear()
            guest.of_vm.update(of_vm)
            with suppress(StopIteration):  # that script has ended already
                for value in log:
                    guest.generator.send(value)
            self.machine.guests[guest.vcpu.name] = guest
        for core in self.machine.cores:
            core.steps = core.step = core.ended = None
            core.scripted.meeting = core.board.powered[core.cpu.id] = True
        self.schedule, self.off = [], False

    def follow(self, schedule: Sequence[int], past: GhostState) -> list[int]:
        """Restart and take the steps of a schedule, which has this past. Which CPUs can go on from there."""
        self.restart()
        for cpu in schedule:
            core = self.machine.cores[cpu]
            if core.scripted.meeting:
                self.machine.able()
            core.advance()
        self.schedule += schedule
        self.ghost.remember(past)
        return self.machine.able()

    def step(self, cpu: int) -> None:
        """Let a CPU take a step under the eyes of the ghost."""
        core = self.machine.cores[cpu]
        self.schedule.append(cpu)
        self.ghost.before(core)
        try:
            core.advance()
            self.ghost.after()
        except PowerDown:
            self.off = True

    def key(self) -> tuple[Any, ...]:
        """All that can matter from here on."""
        guests: Any = self.machine.guests.values()
        return (
            *[
                (number, freeze(value))
                for number, (o, name, kept) in enumerate(self.fields)
                if (value := getattr(o, name)) != kept
            ],
            *(live.tobytes() for live, _ in self.arrays),
            *((core.ended and str(core.ended), core.scripted.meeting) for core in self.machine.cores),
            *self.machine.board.powered,
            *(position(core.steps) for core in self.machine.cores),
            *((guest.vcpu.name, guest.position()) for guest in guests),
            *((page, self.memory.read(Pa(page), PAGE_SIZE)) for page in sorted(self.written)),
            bytes(self.memory.uart.output[self.printed :]),
            self.ghost.past(),
        )

    def final(self) -> tuple[tuple[str, Any], ...]:
        """What is worth telling of an end: mailboxes, vCPUs, and what each CPU's script of the primary returned."""
        found: list[tuple[str, Any]] = []
        for vm in self.machine.hypervisor.vms[1:]:
            waiters = tuple(vcpu.index for vcpu in self.ghost.waiters(vm))
            found += [(f"{vm.mailbox.name}.state", vm.mailbox.state.name), (f"{vm.name}.waiters", waiters)]
            found += [(f"{vcpu.name}.state", vcpu.state.name) for vcpu in vm.vcpus]
            for vcpu in vm.vcpus:
                kept = getattr(vcpu, "forced_retval", None)
                found.append((f"{vcpu.name}.x0", vcpu.regs[0] if kept is None else kept))
        for guest in self.machine.guests.values():
            if guest.vcpu.vm.id == HF_PRIMARY_VM_ID:
                found.append((f"{guest.vcpu.name}.returned", repr(guest.returned)))
        return tuple(found)
