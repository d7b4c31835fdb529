"""Scenarios and their replay: a machine that goes back to where its scripts have met, and follows schedules from there.

The generators of guests and hypervisor cannot be copied, so a state is reached by replaying its schedule from a common
root. States are told apart by exact keys: every field of the hypervisor, every position in its code and in the scripts,
every page that was written.
"""

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, ClassVar, NoReturn

from hfedu.board.memory import RAM_BASE, Region
from hfedu.errors import Mistake, plainly
from hfedu.guest.budget import OutOfBudget
from hfedu.guest.scripted import Action, Script, ScriptedVcpu, check_script, cpu_on, meet, resume
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.platform import LAYOUT_PRIMARY_BEGIN, PowerDown
from hfedu.run.core import Core
from hfedu.run.frozen import Freezer, NotFrozen, attributes_of, locals_of
from hfedu.run.held import World
from hfedu.run.invariants import Ghost, GhostState
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.sight import ScriptRaised

WHY_REFUSED = "refused"
"""The field of a CPU that says why its last call was refused: it counts only where a user's code asks for it."""
FIXED = frozenset((
    *("kernels", "on_log", "platform", "memory", "tlb", "archive", "vms", "cpus", "vm_type", "output", "registers"),
    *("name", "id", "lock", "of", "vm", "vcpus", "mailbox", "ptable", "regs", "acquire", "release"), WHY_REFUSED,
    *("retval", "wake", "block", "restore", "save", "deliver", "read", "clear", "read_fp", "write_fp"),
    *("read_system_registers", "fifo", "input", "interrupt", "on_expect"),
))  # fmt: skip
"""Fields of our own classes that no step changes: the UART has no input here."""
OF_HYPERVISOR = frozenset(
    ("kernels", "on_log", "platform", "memory", "heap_next", "heap_pages", "ptable", "tlb", "vms", "archive", "cpus")
)
"""Attributes of the hypervisor as it is without changes; the TLB holds nothing but what could be looked up again."""
SETUP_STEPS = 10_000
CLOSINGS = 100
"""How often a script may yield once more while it is ended."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@plainly
@dataclass(frozen=True)
class Scenario:
    """A conversation to be tried in every order.

    `setup` runs first, on CPU 0 alone; then CPU n runs the primary's script `cpus[n]`, all in every order.
    `secondaries` are scripts. All are generator functions without arguments; what a script of the primary returns is
    part of the final state. `meaning` is a sentence about it. Of the devices scripts have the UART alone.
    """

    name: str
    meaning: str
    setup: Script
    cpus: tuple[Script, ...]
    secondaries: tuple[Script, ...]

    def __post_init__(self) -> None:
        for script in (self.setup, *self.cpus, *self.secondaries):
            if isinstance(script, bytes | str):
                raise Mistake("a Scenario is made of scripts alone: its secondaries cannot be machine code")
            check_script(script)

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

            body.__name__ = getattr(self.cpus[cpu], "__name__", body.__name__)
            return body

        return RamDisk([script(cpu) for cpu in range(cpus)], [Secondary(script) for script in self.secondaries])


def starting(cpus: int) -> Iterator[Action]:
    """Turn every physical CPU on but the first."""
    for cpu in range(1, cpus):
        yield cpu_on(cpu)


def outside(scenario: Scenario, changes: Iterable[Any] = ()) -> World:
    """What the scripts of a scenario and the classes that change the hypervisor can reach beyond themselves, now."""
    world = World()
    for script in (scenario.setup, *scenario.cpus, *scenario.secondaries, *changes):
        world.follow(script, getattr(script, "__name__", "a script"))
    world.settle()
    world.refuse_unseen()
    return world


class _Logged(ScriptedVcpu):
    """A scripted guest that remembers what it was told, so that a fresh generator can be brought to the same place.

    `history` is a number for what it was told so far: the same for the same, by the `numbers` of one replayer.
    """

    numbers: ClassVar[dict[tuple[int, Any], int]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.log: list[Any] = []
        self.history = 0

    def advance(self, value: Any) -> Action | None:
        """Note the value and go on."""
        self.log.append(value)
        key = self.history, Freezer({})(value)
        self.history = self.numbers.setdefault(key, len(self.numbers) + 1)
        return super().advance(value)


def advance(core: Core) -> None:
    """Let a CPU take a step. If a script or a hypervisor of one's own raises an exception, that CPU has ended."""
    guest = core.steps is None
    try:
        core.advance()
    except (Mistake, OutOfBudget, PowerDown):
        raise
    except Exception as error:
        lose(core, guest, error)


def step_or_end(machine: Machine, cpu: int) -> None:
    """The like for a step of a whole machine."""
    core = machine.turns[cpu]
    guest = core.steps is None
    try:
        machine.step(cpu)
    except Mistake:
        raise
    except Exception as error:
        lose(core, guest, error)


def lose(core: Core, guest: bool, error: Exception) -> None:
    """A CPU has ended by an exception, of its guest or of the hypervisor."""
    core.steps = core.step = None
    core.ended = ScriptRaised(who_raised(core, guest, error), error)


def who_raised(core: Core, guest: bool, error: Exception) -> str:
    """Who raised an exception, and where."""
    vcpu, number = core.cpu.current, core.cpu.id
    who = f"CPU {number}: the hypervisor"
    if guest and vcpu is not None:
        who = f"CPU {number}: the script {core.scripted.guests[vcpu.name].script.__name__}"
    message, (*_, last) = str(error), traceback.extract_tb(error.__traceback__)
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return ADDRESS.sub("", f"{who} raises {said}" + (f", at {last.line!r}" if last.line else ""))


def is_ours(kind: type) -> bool:
    """Whether a class and all that it builds on are ours."""
    return all(cls is object or cls.__module__.partition(".")[0] == "hfedu" for cls in kind.__mro__)


class Unexplored:
    """What answers in the place of a device whose state no state of the explorer has."""

    def __init__(self, region: Region) -> None:
        self.base = region.base

    def read(self, offset: int, *_: int) -> NoReturn:
        """Nothing can be read."""
        raise Mistake(
            f"a guest accesses the device at {self.base + offset:#x}: in a scenario it has RAM, flash and the UART "
            "alone, so leave other devices out"
        )

    write = read


class Fields:
    """The fields that steps change of objects whose fields are known: read and put back all at once."""

    def __init__(self, objects: Iterable[Any], fixed: frozenset[str]) -> None:
        self.places: list[tuple[Any, str]] = []
        self.getters: list[tuple[Callable[[Any], tuple[Any, ...]], Any]] = []
        for found in objects:
            names = [name for name in attributes_of(found) if name not in fixed]
            names = names if len(names) != 1 else names * 2  # attrgetter gives a tuple of two or more alone
            if names:
                self.getters.append((attrgetter(*names), found))
                self.places += ((found, name) for name in names)
        self.kept = self.read()

    def read(self) -> list[Any]:
        """The values of all."""
        return list(chain.from_iterable([get(found) for get, found in self.getters]))

    def changed(self) -> list[tuple[int, Any]]:
        """Number and value of each that is not what it was."""
        now = self.read()
        return [(at, value) for at, (value, kept) in enumerate(zip(now, self.kept, strict=True)) if value is not kept]

    def restore(self) -> None:
        """Put all of them back."""
        for at, _ in self.changed():
            setattr(*self.places[at], self.kept[at])


class Replayer:
    """One machine that goes back to the root of a scenario and follows schedules from there.

    `setup` are the steps to the root, `schedule` those since then; `off` says whether the machine was switched off.
    `world` is what lies outside and can change: it is put back, too. `by_history` names variables that cannot be
    compared: the states of their scripts are told apart by all that these were told.

    It goes by reflection over every field of the machine's objects. Were each class to save itself, this would be
    shorter, and whoever adds a field and forgets to save it would make two states one without a word.
    """

    def __init__(
        self,
        scenario: Scenario,
        cpus: int,
        options: tuple[tuple[str, Any], ...],
    ) -> None:
        changes = dict(options).get("changes", ())
        self.before = outside(scenario, changes)
        try:
            self._begin(scenario, cpus, options, changes)
        except BaseException:
            self.before.restore()
            raise

    def _begin(self, scenario: Scenario, cpus: int, options: tuple[tuple[str, Any], ...], changes: Any) -> None:
        """Run the setup, and keep all that can change as it is then."""
        self.machine = machine = Machine(scenario.disk(cpus), cpus=cpus, record=False, **dict(options))
        logged: Any = type("Logged", (_Logged,), {"numbers": {}})
        for core in machine.cores:
            core.scripted.guest_type = logged
        machine.boot()
        memory = machine.board.memory
        memory.regions = [
            at if at.device is memory.uart else at._replace(device=Unexplored(at)) for at in memory.regions
        ]
        self.ghost = Ghost(machine)
        self.setup: list[int] = []
        self.schedule: list[int] = []
        self.off = False
        self.by_history: set[str] = set()
        self.frames: dict[tuple[str, int], Any] = {}
        while len(self.setup) < SETUP_STEPS and any(core.able for core in machine.cores):
            core = next(core for core in machine.cores if core.able)
            self.setup.append(core.cpu.id)
            self.step(core.cpu.id)
        if not all(core.scripted.meeting for core in machine.cores):
            raise Mistake(f"the setup of {scenario.name} never comes to its end")
        self.stirred = any(held.changed() is not None for held in self.before.held)
        """Whether the setup changed something outside: the scripts go through it again with each replay."""
        self.past = self.ghost.past()
        self.world = World()
        self._hold(scenario, changes)
        guests: list[Any] = list(machine.guests.values())
        self.guests = [(g, dict(vars(g), log=[*g.log], places={**g.places}), dict(g.of_vm)) for g in guests]
        self.memory = machine.board.memory
        self.ram, self.printed = self.memory.ram[:], len(self.memory.uart.output)
        self.monitors, self.ticks = dict(self.memory.monitors), machine.board.clock.ticks
        self.written: set[int] = set()
        self.memory.dirty.append(self.written)

    def _hold(self, scenario: Scenario, changes: Sequence[Any]) -> None:
        """Find all that can change, and keep it as it is now."""
        machine, world = self.machine, self.world
        hypervisor, vms, uart = machine.hypervisor, machine.hypervisor.vms, machine.board.memory.uart
        lockable: list[Any] = [*vms, *(vcpu for vm in vms for vcpu in vm.vcpus), *hypervisor.cpus]
        objects = [*lockable, *(o.lock for o in lockable), *(vm.mailbox for vm in vms)]
        named = {"hypervisor": hypervisor, "board": machine.board, "memory": machine.board.memory, "uart": uart}
        named |= {o.name: o for o in objects} | {f"{o.name}.regs": o.regs for o in lockable if hasattr(o, "regs")}
        named |= {row.name: row for row in hypervisor.calls.values()}
        for name, found in {**named, "scenario": scenario}.items():
            world.name(found, name)
        for script in (scenario.setup, *scenario.cpus, *scenario.secondaries):
            world.follow(script, getattr(script, "__name__", "a script"))
        world.settle()
        self.pure = world.constant
        ours = [o for o in objects if is_ours(type(o))]
        fixed = FIXED - ({WHY_REFUSED} & self.before.mentioned)
        self.fields = Fields([*ours, hypervisor, uart], fixed)
        for found in objects:
            if found not in ours:
                world.hold_attributes(found, found.name, fixed)
            elif changes and hasattr(found, "__dict__"):  # what a class of one's own adds
                world.hold_attributes(found, found.name, fixed | set(attributes_of(found)), plain=True)
        kind = type(hypervisor)
        if not is_ours(kind):
            world.hold_class(kind)
        world.hold_attributes(hypervisor, "hypervisor", OF_HYPERVISOR, not vars(hypervisor).keys() - OF_HYPERVISOR)
        world.hold_content(uart.registers, "uart.registers")
        for value in self.fields.kept:
            world.follow(value, "a field")
        world.fields = frozenset(name for _, name in self.fields.places)
        for change in changes:
            world.follow(change, change.__name__)
        world.settle()
        world.refuse_unseen()
        self.rest = [world.freezer()(value) for value in self.fields.kept]
        arrays = [o.regs for o in lockable if hasattr(o, "regs")]
        self.arrays = [(regs, regs[:]) for regs in arrays]

    def restart(self) -> None:
        """Go back to the root."""
        self.drop()
        self.fields.restore()
        self.world.restore()
        for live, kept in self.arrays:
            live[:] = kept
        for page in self.written:
            begin = page - RAM_BASE
            self.memory.ram[begin : begin + PAGE_SIZE] = self.ram[begin : begin + PAGE_SIZE]
        if min(self.written, default=LAYOUT_PRIMARY_BEGIN) < LAYOUT_PRIMARY_BEGIN:  # perhaps a table
            self.machine.hypervisor.tlb.clear()
        self.written.clear()
        self.memory.monitors = dict(self.monitors)
        self.machine.board.clock.ticks = self.ticks
        del self.memory.uart.output[self.printed :]
        self.machine.guests.clear()
        if self.stirred:
            self.before.restore()
        for guest, noted, of_vm in self.guests:
            log, places = noted["log"], noted["places"]
            vars(guest).update(noted, log=[*log], places={**places}, generator=guest.script())
            guest.of_vm.clear()
            guest.of_vm.update(of_vm)
            with suppress(StopIteration):  # that script has ended already
                for value in log:
                    resume(guest.generator, value)
            self.machine.guests[guest.vcpu.name] = guest
        if self.stirred:
            self.world.restore()
        for core in self.machine.cores:
            core.steps = core.step = core.ended = None
            core.scripted.meeting = core.board.powered[core.cpu.id] = True
        self.schedule, self.off, self.ghost.off = [], False, False

    def drop(self) -> None:
        """Let go of all generators: what they still do at their end, as in a `finally`, is put back with the rest."""
        for guest in self.machine.guests.values():
            close(guest.generator)
        for core in self.machine.cores:
            close(core.steps)
            core.steps = None

    def leave(self) -> None:
        """Put back all that lies outside, as it was before the machine was made."""
        self.drop()
        self.before.restore()

    def follow(self, schedule: Sequence[int], past: GhostState) -> list[int]:
        """Restart and take the steps of a schedule, which has this past. Which CPUs can go on from there."""
        self.restart()
        for cpu in schedule:
            core = self.machine.turns[cpu]
            if core.scripted.meeting:
                self.machine.able()
            advance(core)
        self.schedule += schedule
        self.ghost.remember(past)
        return self.machine.able()

    def step(self, cpu: int) -> None:
        """Let a CPU take a step under the eyes of the ghost."""
        core = self.machine.turns[cpu]
        self.schedule.append(cpu)
        self.ghost.before(core)
        try:
            advance(core)
            self.ghost.after()
        except PowerDown:
            self.off = self.ghost.off = True

    def key(self) -> tuple[Any, ...]:
        """All that can matter from here on."""
        freezer = self.world.freezer()
        fields = ((at, freezer(value)) for at, value in self.fields.changed())
        return (
            tuple(field for field in fields if field[1] != self.rest[field[0]]),
            *(live.tobytes() for live, _ in self.arrays),
            *((core.ended and str(core.ended), core.scripted.meeting) for core in self.machine.cores),
            *self.machine.board.powered,
            tuple(sorted(self.memory.monitors.items())),
            *(self.serving(core, freezer) for core in self.machine.cores),
            *(
                (guest.vcpu.name, self._told(guest), self.script(guest, freezer))
                for guest in self.machine.guests.values()
            ),
            self.world.changes(freezer),
            *((page, self.memory.read(Pa(page), PAGE_SIZE)) for page in sorted(self.written)),
            bytes(self.memory.uart.output[self.printed :]),
            self.ghost.past(),
        )

    def serving(self, core: Core, freezer: Freezer) -> Any:
        """Where the hypervisor is on a CPU."""
        if core.steps is None:
            return ()
        try:
            return freezer(core.steps), freezer(core.step)
        except (NotFrozen, RecursionError) as error:
            name = culprit(core.steps, self.world.known)
            raise Mistake(
                f"the explorer cannot tell two states apart by {name}, a variable of the hypervisor ({error}): keep in "
                "it what can be compared, such as numbers, texts, lists, dicts and objects of your own"
            ) from None

    @staticmethod
    def _told(guest: Any) -> Any:
        """What the next result of a script depends on."""
        return guest.asked, guest.loaded, guest.pages, guest.refused, guest.buffer

    def script(self, guest: Any, freezer: Freezer) -> Any:
        """Where a script is."""
        if not self.pure:
            return self._frames(guest, freezer)
        key = guest.vcpu.name, guest.history
        if key not in self.frames:
            self.frames[key] = self._frames(guest, self.world.freezer())
        return self.frames[key]

    def _frames(self, guest: Any, freezer: Freezer) -> Any:
        """The code position and the variables of a script, or its history where these do not tell."""
        action = guest.action and tuple(vars(guest.action).values())
        try:
            return freezer((guest.generator, action, guest.next_pc, guest.places, guest.returned))
        except (NotFrozen, RecursionError):
            name = culprit(guest.generator, self.world.known) if guest.generator.gi_frame else "what it returned"
            self.by_history.add(f"{name} of {guest.script.__name__}")
            return "history", freezer(tuple(guest.log))

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


def close(generator: Any) -> None:
    """End a generator, whatever it does in the end."""
    for _ in range(CLOSINGS):
        with suppress(Exception):
            if generator is not None:
                generator.close()
            return


def culprit(generator: Any, known: dict[int, str]) -> str:
    """The variable of a generator, or of one that it goes on to, which cannot be compared."""
    while getattr(generator, "gi_frame", None) is not None:
        try:
            held = locals_of(generator.gi_frame)
        except NotFrozen as error:
            return f"the {error}"
        for name, value in held.items():
            try:
                Freezer(known)(value)
            except (NotFrozen, RecursionError):
                return str(name)
        generator = generator.gi_yieldfrom
    return "a value on the way"
