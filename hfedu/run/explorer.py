"""Every order of the atomic steps: breadth first over replayed schedules, so that the shortest failure comes first.

The explorer runs the same generators that run guests. They cannot be copied, so a state is reached by replaying its
schedule from a common root, the point where the scripts of all CPUs have met. States are told apart by exact keys:
every field of the hypervisor, every position in its code and in the scripts, every page that was written.

Reduction: some steps commute with every step that other CPUs can take before them, so no other order is tried: a
script's way to its next call that touches no shared memory, the release of a lock, and what a CPU does to its own vCPU
of the primary. Memory is sequentially consistent here: weak memory is not modelled.
"""

import dis
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from copy import copy
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache, partial
from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise
from types import GeneratorType
from typing import Any, NamedTuple

from hfedu.board.memory import RAM_BASE
from hfedu.errors import Mistake
from hfedu.guest.budget import OutOfBudget
from hfedu.guest.scripted import Action, Script, ScriptedVcpu, cpu_on, meet
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.cpu import Vcpu
from hfedu.hf.platform import HypervisorHang, PowerDown
from hfedu.hf.spinlock import SelfDeadlock, SpinLock
from hfedu.run.core import Core
from hfedu.run.invariants import INVARIANTS, Ghost, Invariant, Past
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.trace import Outcome, Recording

PLAIN = (int, str, bytes, frozenset)
STATE = (int, bytes, frozenset, Enum, Vcpu, type(None))
"""Types of the fields that a step may change; all others of the hypervisor's objects stay what they are."""
CONSTANT = frozenset(("id", "index", "vcpu_count", "kernels", "tlb"))
WALK = 50
"""Steps of one move at most, should a script go round in circles all by itself."""
CHUNK = 200
"""Schedules that one worker extends at a time."""
SETUP_STEPS = 10_000
BUILT_IN = {
    "deadlock": "Some CPU can always go on, unless all there was to do is done.",
    "self-deadlock": "No CPU waits for a lock that it holds itself.",
    "hang": "The hypervisor never spins for ever.",
    "livelock": "From every state there is a way to an end.",
}


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

        def first() -> Any:
            yield from self.setup()
            yield from starting(cpus)
            yield meet()
            return (yield from self.cpus[0]())

        def other(script: Script) -> Script:
            def body() -> Any:
                yield meet()
                return (yield from script())

            return body

        scripts: list[Any] = [first, *(other(script) for script in self.cpus[1:cpus])]
        return RamDisk(scripts, [Secondary(script) for script in self.secondaries])


def starting(cpus: int) -> Iterator[Action]:
    """Turn every physical CPU on but the first."""
    for cpu in range(1, cpus):
        yield cpu_on(cpu)


class Violation(NamedTuple):
    """An invariant that does not hold: its name, what went wrong, and the schedule that leads there, from switch-on.

    The last `steps` of the schedule are those after the scripts have met.
    """

    invariant: str
    sentence: str
    schedule: tuple[int, ...]
    steps: int

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence} (step {self.steps})"


@dataclass(frozen=True)
class Exploration:
    """What was found, and what was covered: `bounds` says what was not.

    `states` are distinct, `steps` were taken, `depth` is the longest way to a state; `schedules` is how many complete
    schedules there are, None if there is no end of them. `finals` are the machine states at the ends, as tuples of
    (name, value). `complete` says whether all was tried: only then does an empty `violations` mean that none exists.
    `setup` is how many steps every schedule begins with, before the scripts have met.
    """

    scenario: Scenario
    violations: tuple[Violation, ...]
    states: int
    steps: int
    depth: int
    schedules: int | None
    finals: frozenset[tuple[Any, ...]]
    complete: bool
    bounds: str
    setup: int
    options: dict[str, Any]

    def __repr__(self) -> str:
        found = [f"  {violation}" for violation in self.violations] or [
            "  no violation" if self.complete else "  no violation so far, and not everything was tried"
        ]
        ways = "schedules without end" if self.complete else "schedules not counted"
        if self.schedules is not None:
            ways = f"{self.schedules:,} schedules"
        covered = f"{self.states:,} states, {self.steps:,} steps, {ways}, up to {self.depth} steps deep"
        return "\n".join([f"{self.scenario.name}: {covered}. {self.bounds}", *found])


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
        """Where the script is: its code position and variables, or its history where iterators hide among these."""
        found, generator = [], self.generator
        while isinstance(generator, GeneratorType):
            frame = generator.gi_frame
            if frame is None:
                return "ended", repr(self.returned)
            values = [freeze(value) for _, value in sorted(frame.f_locals.items())]
            if hides_iterators(frame.f_code) or None in values:
                return (tuple(map(repr, self.log)),)
            found.append((frame.f_lasti, *values))
            generator = generator.gi_yieldfrom  # type: ignore[assignment]
        return (*found, self.asked, self.loaded, self.next_pc, self.pages)


@cache
def hides_iterators(code: Any) -> bool:
    """Whether a function loops with `for`: its place in the loop is in no variable."""
    return any(instruction.opname == "FOR_ITER" for instruction in dis.get_instructions(code))


def freeze(value: Any) -> Any:
    """A value as part of a key; None if it cannot be one."""
    if isinstance(value, PLAIN):
        return value
    if value is None:
        return ()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict | set):
        return tuple(sorted(map(repr, value.items() if isinstance(value, dict) else value)))
    if isinstance(value, tuple):
        items = tuple(freeze(item) for item in value)
        return None if None in items else (type(value).__name__, *items)
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return name
    return value.__qualname__ if isinstance(value, type) or callable(value) else None


def names(o: Any) -> list[str]:
    """The attributes of an object."""
    slots = [name for cls in type(o).__mro__ for name in getattr(cls, "__slots__", ())]
    return [name for name in (*slots, *getattr(o, "__dict__", ())) if hasattr(o, name)]


def code_position(generator: Any) -> tuple[Any, ...]:
    """Where a call of the hypervisor is: position and variables of each function, outermost first."""
    found = []
    while isinstance(generator, GeneratorType) and generator.gi_frame is not None:
        frame = generator.gi_frame
        found.append((frame.f_lasti, *(freeze(value) for _, value in sorted(frame.f_locals.items()))))
        generator = generator.gi_yieldfrom
    return tuple(found)


class Replayer:
    """One machine that goes back to the root of a scenario and follows schedules from there."""

    def __init__(self, scenario: Scenario, cpus: int, options: tuple[tuple[str, Any], ...]) -> None:
        self.machine = machine = Machine(scenario.disk(cpus), cpus=cpus, record=False, **dict(options))
        self.memory = machine.board.memory
        for core in machine.cores:
            core.scripted.guest_type = _Logged
        machine.boot()
        self.ghost = Ghost(machine)
        self.setup: list[int] = []
        while any(core.able for core in machine.cores) and len(self.setup) < SETUP_STEPS:
            core = next(core for core in machine.cores if core.able)
            self.setup.append(core.cpu.id)
            self.advance(core)
        if not all(core.scripted.meeting for core in machine.cores):
            raise Mistake(f"the setup of {scenario.name} never comes to its end")
        self._keep()
        self.past = self.ghost.past()

    def _keep(self) -> None:
        """Note the root: all that a step may change."""
        machine, hypervisor = self.machine, self.machine.hypervisor
        vms, cpus = hypervisor.vms, [core.cpu for core in machine.cores]
        vcpus = [vcpu for vm in vms for vcpu in vm.vcpus]
        objects = [hypervisor, *vms, *(vm.mailbox for vm in vms), *vcpus, *cpus]
        found = [(o, name, getattr(o, name)) for o in objects for name in names(o) if name not in CONSTANT]
        self.fields = [(o, name, value) for o, name, value in found if isinstance(value, STATE)]
        self.sets = [(o, name, copy(value)) for o, name, value in found if isinstance(value, dict | set)]
        self.changing = [(o, name) for o, name, _ in (*self.fields, *self.sets)]
        self.arrays = [(value, value[:]) for _, _, value in found if isinstance(value, array)]
        self.locks = [value for _, _, value in found if isinstance(value, SpinLock)]
        self.guests = [(g, list(g.log), dict(g.places), dict(vars(g))) for g in self._guests()]
        self.of_vm = [(guest.of_vm, dict(guest.of_vm)) for guest in self._guests()]
        self.ram = self.memory.ram[:]
        self.output = len(self.memory.uart.output)
        self.written: set[int] = set()
        self.memory.dirty.append(self.written)
        write64 = self.memory.write64
        self.tables_written = False

        def noting(pa: Pa, value: int) -> None:
            self.tables_written = True
            self.written.add(pa & -PAGE_SIZE)
            write64(pa, value)

        self.memory.write64 = noting  # type: ignore[method-assign]

    def _guests(self) -> list[Any]:
        return list(self.machine.guests.values())

    def restart(self) -> None:
        """Go back to the root."""
        machine = self.machine
        for o, name, value in self.fields:
            setattr(o, name, value)
        for o, name, kept_set in self.sets:
            setattr(o, name, copy(kept_set))
        for live, kept in self.arrays:
            live[:] = kept
        for lock in self.locks:
            lock.owner = None
        for page in self.written:
            begin = page - RAM_BASE
            self.memory.ram[begin : begin + PAGE_SIZE] = self.ram[begin : begin + PAGE_SIZE]
        self.written.clear()
        if self.tables_written:
            machine.hypervisor.tlb.clear()
            self.tables_written = False
        del self.memory.uart.output[self.output :]
        machine.guests.clear()
        for guest, log, places, attributes in self.guests:
            vars(guest).update(attributes, log=list(log), places=dict(places), generator=guest.script())
            for value in log:
                guest.action = guest.generator.send(value)
            machine.guests[guest.vcpu.name] = guest
        for shared, kept_shared in self.of_vm:
            shared.clear()
            shared.update(kept_shared)
        for core in machine.cores:
            core.steps = core.step = core.ended = None
            core.scripted.meeting = True
            machine.board.powered[core.cpu.id] = True

    def follow(self, schedule: Sequence[int], past: Past) -> list[int]:
        """Restart and take the steps of a schedule, which has this past. Which CPUs can go on from there."""
        self.restart()
        cores = self.machine.cores
        for cpu in schedule:
            if cores[cpu].scripted.meeting:
                self.machine.able()
            cores[cpu].advance()
        self.ghost.remember(past)
        return self.machine.able()

    def advance(self, core: Core) -> None:
        """Let a CPU take a step under the eyes of the ghost."""
        self.ghost.before(core)
        core.advance()
        self.ghost.after()

    def key(self) -> tuple[Any, ...]:
        """All that can matter from here on."""
        machine = self.machine
        return (
            *[v if v is None or type(v) is int else freeze(v) for v in [getattr(o, name) for o, name in self.changing]],
            *(live.tobytes() for live, _ in self.arrays),
            *(lock.owner and lock.owner.id for lock in self.locks),
            *((core.ended and str(core.ended), core.scripted.meeting, core.powered) for core in machine.cores),
            *(code_position(core.steps) for core in machine.cores),
            *((guest.vcpu.name, guest.position()) for guest in self._guests()),
            *((page, self.memory.read(Pa(page), PAGE_SIZE)) for page in sorted(self.written)),
            bytes(self.memory.uart.output[self.output :]),
            self.ghost.past(),
        )

    def final(self) -> tuple[Any, ...]:
        """What is worth telling of an end: mailboxes, vCPUs, and what each CPU's script of the primary returned."""
        found: list[tuple[str, Any]] = []
        for vm in self.machine.hypervisor.vms[1:]:
            waiters = tuple(vcpu.index for vcpu in self.ghost.waiters(vm))
            found += [(f"{vm.mailbox.name}.state", vm.mailbox.state.name), (f"{vm.name}.waiters", waiters)]
            found += [(f"{vcpu.name}.state", vcpu.state.name) for vcpu in vm.vcpus]
            for vcpu in vm.vcpus:
                kept = getattr(vcpu, "forced_retval", None)
                found.append((f"{vcpu.name}.x0", vcpu.regs[0] if kept is None else kept))
        for guest in self._guests():
            if guest.vcpu.vm.id == HF_PRIMARY_VM_ID:
                found.append((f"{guest.vcpu.name}.returned", repr(guest.returned)))
        return tuple(found)


class Move(NamedTuple):
    """Steps from one state to the next that matters: one by choice, then those that commute with all others.

    `cpus` took them; `key` and `past` tell the state they lead to; `broken` are violations as (invariant, sentence,
    steps up to there). `final` is there at an end.
    """

    cpus: tuple[int, ...]
    key: tuple[Any, ...]
    past: Past
    broken: tuple[tuple[str, str, int], ...]
    final: tuple[Any, ...] | None


class State(NamedTuple):
    """A state to go on from: its schedule from the root, its past, and its key if that is to be checked."""

    schedule: tuple[int, ...]
    past: Past
    key: tuple[Any, ...] | None


Work = tuple[Scenario, int, tuple[tuple[str, Any], ...], tuple[Invariant, ...], bool]
"""What a worker must know: the scenario, how many CPUs, options of the machine, invariants, whether to reduce."""


@lru_cache(maxsize=2)
def replayer(scenario: Scenario, cpus: int, options: tuple[tuple[str, Any], ...]) -> Replayer:
    """The worker's machine for a scenario."""
    return Replayer(scenario, cpus, options)


def expand(work: Work, states: Sequence[State]) -> list[list[Move]]:
    """The moves from states."""
    scenario, cpus, options, invariants, reduce = work
    replay = replayer(scenario, cpus, options)
    return [list(moves(replay, invariants, reduce, state)) for state in states]


def moves(replay: Replayer, invariants: tuple[Invariant, ...], reduce: bool, state: State) -> Iterator[Move]:
    """The moves from one state: each CPU that can go on is the first to do so."""
    able = replay.follow(state.schedule, state.past)
    if state.key is not None and state.key != replay.key():
        raise Mistake(
            f"the scenario is not deterministic: the same schedule {list(state.schedule)} led to two different states. "
            "Its scripts may only depend on what their calls return: no random numbers, no clock, no shared lists"
        )
    for cpu in able:
        if cpu != able[0]:
            replay.follow(state.schedule, state.past)
        yield Walk(replay, invariants, state).move(cpu, reduce)


def commutes(core: Core) -> bool:
    """Whether a core's next step commutes with what others may do before it; for a guest's turn, whether it may."""
    step: Any = core.step
    if step is None or step.kind == "release":
        return True
    return step.kind in ("retval", "restore") and step.target.vm.id == HF_PRIMARY_VM_ID


class Walk:
    """One move while it is made, under the eyes of the invariants."""

    def __init__(self, replay: Replayer, invariants: tuple[Invariant, ...], state: State) -> None:
        self.replay, self.invariants, self.state = replay, invariants, state
        self.machine = replay.machine
        self.cpus: list[int] = []
        self.broken: list[tuple[str, str, int]] = []
        self.powered_off = False

    def move(self, cpu: int, reduce: bool) -> Move:
        """Let `cpu` take a step, and then everybody those that commute."""
        self.step(cpu)
        shared: set[int] = set()
        while reduce and len(self.cpus) < WALK and not self.powered_off:
            able = (self.machine.cores[n] for n in self.machine.able() if n not in shared)
            core = next((core for core in able if commutes(core)), None)
            if core is None:
                break
            past, is_guest = self.replay.ghost.past(), core.steps is None
            self.step(core.cpu.id)
            if is_guest and self.touched(core):
                self.cpus.pop()
                self.replay.follow((*self.state.schedule, *self.cpus), past)
                shared.add(core.cpu.id)
        key, past = self.replay.key(), self.replay.ghost.past()
        if not self.powered_off and any(core.able or core.scripted.meeting for core in self.machine.cores):
            return Move(tuple(self.cpus), key, past, tuple(self.broken), None)
        final = self.replay.final()
        deadlock = None if self.powered_off else self.machine.deadlock()
        if deadlock is not None:
            self.broken.append(("deadlock", str(deadlock), len(self.cpus)))
        return Move(tuple(self.cpus), key, past, tuple(self.broken), final)

    def touched(self, core: Core) -> bool:
        """Whether the guest's turn just taken touched memory that others see."""
        vcpu = core.cpu.current
        return vcpu is not None and self.machine.guests[vcpu.name].shared_access

    def step(self, cpu: int) -> None:
        """One step, and what it breaks."""
        core = self.machine.cores[cpu]
        self.cpus.append(cpu)
        try:
            self.replay.advance(core)
        except PowerDown:
            self.powered_off = True
        except (Mistake, OutOfBudget):
            raise
        except Exception as error:
            raise Mistake(f"a script raised {error!r} {self.where()}") from error
        if isinstance(core.ended, HypervisorHang):
            name = "self-deadlock" if isinstance(core.ended, SelfDeadlock) else "hang"
            self.broken.append((name, str(core.ended), len(self.cpus)))
        for invariant in self.invariants:
            try:
                sentence = invariant.broken(self.replay.ghost)
            except Exception as error:
                raise Mistake(f"the invariant {invariant.name} raised {error!r} {self.where()}") from error
            if sentence is not None:
                self.broken.append((invariant.name, sentence, len(self.cpus)))

    def where(self) -> str:
        """The schedule up to here, for a sentence."""
        return f"under the schedule {[*self.replay.setup, *self.state.schedule, *self.cpus]}"


class Graph:
    """The states found so far, by number, and the moves between them."""

    def __init__(self, root: tuple[Any, ...]) -> None:
        self.number: dict[Any, int] = {root: 0}
        self.parent: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        self.cost = [(0, 0)]
        self.edges: list[list[int]] = [[]]
        self.ends: set[int] = set()

    def add(self, node: int, cpus: tuple[int, ...], key: Any) -> tuple[int, bool]:
        """A move from `node`: the number of the state it leads to, and whether this is the shortest way so far.

        Among ways of equal length the one with fewer changes of CPU is the shorter.
        """
        steps, switches = self.cost[node]
        path = (*self.parent[node][1][-1:], *cpus)
        cost = steps + len(cpus), switches + sum(a != b for a, b in pairwise(path))
        child = self.number.setdefault(key, len(self.parent))
        self.edges[node].append(child)
        if child == len(self.parent):
            self.parent.append((node, cpus))
            self.cost.append(cost)
            self.edges.append([])
            return child, True
        shorter = cost[0] < self.cost[child][0]
        if cost < self.cost[child]:
            self.parent[child], self.cost[child] = (node, cpus), cost
        return child, shorter

    def schedule(self, node: int) -> tuple[int, ...]:
        """The shortest way from the root to a state."""
        moves: list[tuple[int, ...]] = []
        while node:
            node, cpus = self.parent[node]
            moves.append(cpus)
        return tuple(chain.from_iterable(reversed(moves)))

    def ways(self) -> int | None:
        """How many ways lead from the root to an end; None if some go in circles."""
        ways = [0] * len(self.edges)
        try:
            for node in TopologicalSorter(dict(enumerate(self.edges))).static_order():
                ways[node] = sum(ways[child] for child in self.edges[node]) or (not self.edges[node])
        except CycleError:
            return None
        return ways[0]

    def endless(self) -> int | None:
        """The state nearest to the root from which no end can be reached."""
        backward: dict[int, list[int]] = {}
        for node, children in enumerate(self.edges):
            for child in children:
                backward.setdefault(child, []).append(node)
        reached, waiting = set(self.ends), list(self.ends)
        while waiting:
            new = [node for node in backward.get(waiting.pop(), ()) if node not in reached]
            reached.update(new)
            waiting += new
        lost = (node for node in range(len(self.edges)) if node not in reached)
        return min(lost, key=self.cost.__getitem__, default=None)


def explore(
    scenario: Scenario,
    invariants: Sequence[Invariant] = INVARIANTS,
    cpus: int = 2,
    preemptions: int | None = None,
    *,
    first: bool = False,
    max_states: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    prune: bool = True,
    **options: Any,
) -> Exploration:
    """Try every order of the atomic steps of a scenario and report the shortest way to break each invariant.

    `preemptions` bounds how often a CPU that could go on is left for another; `first` stops at the first violation;
    `max_states` bounds the states. `executor` is any `concurrent.futures.Executor`: it extends schedules side by side,
    and the result is the same. `progress` is called with the depth and the number of states. Without `prune` nothing is
    left out that leads to a known state. `options` go to `Machine` (profile, fixes). Ctrl-C ends it with what was
    found. `Mistake` with the schedule if a script or an invariant raises, or if the scenario is not deterministic.
    """
    if preemptions is not None and not (isinstance(preemptions, int) and preemptions >= 0):
        raise Mistake(f"preemptions must be a whole number from 0 up, not {preemptions!r}")
    search = Search(scenario, tuple(invariants), cpus, preemptions, prune, options)
    stopped = ""
    try:
        while search.waiting and not (first and search.found):
            search.extend(executor.map if executor else map)
            if progress is not None:
                progress(search.depth, len(search.graph.parent))
            if max_states is not None and len(search.graph.parent) >= max_states and search.waiting:
                stopped = f"Stopped at {len(search.graph.parent):,} states."
                break
    except KeyboardInterrupt:
        stopped = "Interrupted."
    return search.result(stopped or ("Stopped at the first violation." if search.waiting else ""))


class Search:
    """A search in the order of depth: `waiting` holds, by depth, the states to go on from."""

    def __init__(
        self,
        scenario: Scenario,
        invariants: tuple[Invariant, ...],
        cpus: int,
        preemptions: int | None,
        prune: bool,
        options: dict[str, Any],
    ) -> None:
        fixed = tuple(sorted((name, frozenset(v) if isinstance(v, set | list) else v) for name, v in options.items()))
        self.work: Work = scenario, cpus, fixed, invariants, prune
        self.preemptions, self.prune, self.options = preemptions, prune, dict(options, cpus=cpus)
        self.replay = replayer(scenario, cpus, fixed)
        self.replay.follow((), self.replay.past)
        self.graph = Graph(self.replay.key())
        self.kept: dict[int, tuple[Past, Any]] = {0: (self.replay.past, self.replay.key())}
        self.used = {0: 0}
        self.waiting: dict[int, list[int]] = {0: [0]}
        self.found: dict[str, tuple[int, str, tuple[int, ...], int]] = {}
        self.finals: set[tuple[Any, ...]] = set()
        self.depth = self.steps = self.cut = 0

    def extend(self, mapper: Callable[..., Any]) -> None:
        """Take every move from the states of the smallest depth."""
        self.depth = min(self.waiting)
        nodes = [node for node in self.waiting.pop(self.depth) if self.graph.cost[node][0] == self.depth]
        states = [self.state(node) for node in nodes]
        chunks = [states[i : i + CHUNK] for i in range(0, len(states), CHUNK)]
        results = mapper(partial(expand, self.work), chunks)
        for node, found in zip(nodes, chain.from_iterable(results), strict=True):
            del self.kept[node]
            last = self.graph.parent[node][1][-1:]
            stayed = any(move.cpus[:1] == last for move in found)
            for move in found:
                self.take(node, move, self.used[node] + (stayed and move.cpus[:1] != last))

    def state(self, node: int) -> State:
        """What a worker needs of a state. The first ones, and some of the others, are checked to be the same again."""
        past, key = self.kept[node]
        return State(self.graph.schedule(node), past, key if node < 64 or node % 16 == 0 else None)

    def take(self, node: int, move: Move, preempted: int) -> None:
        """Note one move."""
        if self.preemptions is not None and preempted > self.preemptions:
            self.cut += 1
            return
        self.steps += len(move.cpus)
        key = move.key if self.preemptions is None else (move.key, move.cpus[-1], preempted)
        child, shorter = self.graph.add(node, move.cpus, key if self.prune else len(self.graph.parent))
        for name, sentence, steps in move.broken:
            depth = self.graph.cost[node][0] + steps
            if name not in self.found or depth < self.found[name][3]:
                self.found[name] = node, sentence, move.cpus[:steps], depth
        if move.final is not None:
            self.finals.add(move.final)
        if move.final is not None or any(name in BUILT_IN for name, _, _ in move.broken):
            self.graph.ends.add(child)
        elif shorter:
            self.used[child] = preempted
            self.kept[child] = move.past, move.key
            self.waiting.setdefault(self.graph.cost[child][0], []).append(child)

    def shortened(self, name: str, schedule: tuple[int, ...]) -> tuple[int, ...]:
        """A schedule without the steps that a violation does not need: moves take some that only commute with it."""
        at = len(schedule) - 1 if name not in ("deadlock", "livelock") else 0
        while at > 0:
            at -= 1
            shorter = schedule[:at] + schedule[at + 1 :]
            if self.breaks(name, shorter):
                schedule = shorter
        return schedule

    def breaks(self, name: str, schedule: tuple[int, ...]) -> bool:
        """Whether the last step of a schedule breaks an invariant."""
        self.replay.follow((), self.replay.past)
        walk = Walk(self.replay, self.work[3], State((), self.replay.past, None))
        for cpu in schedule:
            if walk.powered_off or cpu not in walk.machine.able():
                return False
            walk.step(cpu)
        return any(broken[::2] == (name, len(schedule)) for broken in walk.broken)

    def result(self, stopped: str) -> Exploration:
        """What was found and covered."""
        graph, setup = self.graph, self.replay.setup
        complete = not (stopped or self.cut)
        lost = graph.endless() if complete else None
        if lost is not None:
            why = "from here every schedule goes on for ever and does nothing new"
            self.found["livelock"] = lost, why, (), graph.cost[lost][0]
        if self.cut:
            stopped = (
                f"At most {self.preemptions} preemptions: {self.cut:,} moves beyond were left out. {stopped}".strip()
            )
        violations = []
        for name, (node, sentence, cpus, _) in self.found.items():
            schedule = self.shortened(name, (*graph.schedule(node), *cpus))
            violations.append(Violation(name, sentence, (*setup, *schedule), len(schedule)))
        return Exploration(
            self.work[0], tuple(sorted(violations, key=lambda v: v.steps)), len(graph.parent), self.steps,
            max(graph.cost)[0], graph.ways() if complete else None, frozenset(self.finals), complete,
            f"{stopped or 'Every order was tried.'} Memory is sequentially consistent: weak memory is not modelled.",
            len(setup), self.options,
        )  # fmt: skip


def counterexample(result: Exploration, violation: Violation, machine_type: type[Machine] = Machine) -> Recording:
    """The run that breaks an invariant, up to the step that does: an ordinary recording."""
    options = {**result.options, "schedule": list(violation.schedule)}
    machine = machine_type(result.scenario.disk(options["cpus"]), title=result.scenario.name, **options)
    machine.boot()
    for _ in violation.schedule:
        machine.step()
    machine.end(Outcome("violation", str(violation), 4))
    return machine.recording()
