"""Every order of the atomic steps: breadth first over replayed schedules, so that the shortest failure comes first.

The explorer runs the same generators that run guests, see `replay`.

Reduction: some steps commute with every step that other CPUs can take before them, so no other order is tried: a
script's way to its next call that touches no shared memory, the release of a lock, and what a CPU does to its own vCPU
of the primary. Memory is sequentially consistent here: weak memory is not modelled.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.budget import OutOfBudget
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.platform import HypervisorHang
from hfedu.hf.spinlock import SelfDeadlock
from hfedu.history import known_changes
from hfedu.run.core import Core
from hfedu.run.invariants import INVARIANTS, GhostState, Invariant
from hfedu.run.machine import Machine
from hfedu.run.recording import Outcome, Recording
from hfedu.run.replay import Replayer, Scenario

WALK = 50
"""Steps of one move at most, should a script go round in circles all by itself."""
CHUNK = 200
"""Schedules that one worker extends at a time."""
FAR = 1 << 60
BY_STOP_BUTTON = "Interrupted."
BUILT_IN = {
    "deadlock": "Some CPU can always go on, unless all there was to do is done.",
    "self-deadlock": "No CPU waits for a lock that it holds itself.",
    "hang": "The hypervisor never spins for ever.",
    "livelock": "From every state there is a way to an end.",
}


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
    `setup` is how many steps every schedule begins with, before the scripts have met. `graph` are the states.
    `interrupted` says whether Ctrl-C ended it.
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
    invariants: tuple[Invariant, ...]
    graph: "Graph" = field(compare=False)
    interrupted: bool = False

    def __repr__(self) -> str:
        found = [f"  {violation}" for violation in self.violations] or [
            "  no violation" if self.complete else "  no violation so far, and not everything was tried"
        ]
        ways = "schedules without end" if self.complete else "schedules not counted"
        if self.schedules is not None:
            ways = f"{self.schedules:,} schedules"
        covered = f"{self.states:,} states, {self.steps:,} steps, {ways}, up to {self.depth} steps deep"
        return "\n".join([f"{self.scenario.name}: {covered}. {self.bounds}", *found])


class Task(NamedTuple):
    """What a worker must know: what to run, on how many CPUs, options of the machine, and what to look for.

    Without `prune` no order is left out.
    """

    scenario: Scenario
    cpus: int
    options: tuple[tuple[str, Any], ...]
    invariants: tuple[Invariant, ...]
    prune: bool


class ExploredState(NamedTuple):
    """A state to go on from: its schedule from the root, its past, and its key if that is to be checked."""

    schedule: tuple[int, ...]
    past: GhostState
    key: tuple[Any, ...] | None


class Move(NamedTuple):
    """Steps from one state to the next that matters: one by choice, then those that commute with all others.

    `cpus` took them; `key` and `past` tell the state they lead to; `broken` are violations as (invariant, sentence,
    steps from the root up to there). `final` is there at an end.
    """

    cpus: tuple[int, ...]
    key: tuple[Any, ...]
    past: GhostState
    broken: tuple[tuple[str, str, int], ...]
    final: tuple[Any, ...] | None


replayer = lru_cache(maxsize=2)(Replayer)


def expand(task: Task, states: Sequence[ExploredState]) -> list[list[Move]]:
    """The moves from states."""
    return [list(moves(task, state)) for state in states]


def moves(task: Task, state: ExploredState) -> Iterator[Move]:
    """The moves from one state: each CPU that can go on is the first to do so."""
    replay = replayer(*task[:3])
    able = replay.follow(state.schedule, state.past)
    if state.key is not None and state.key != replay.key():
        raise Mistake(
            f"the scenario is not deterministic: the same schedule {list(state.schedule)} led to two different states. "
            "Its scripts may only depend on what their calls return: no random numbers, no clock, no shared lists"
        )
    for cpu in able:
        if cpu != able[0]:
            replay.follow(state.schedule, state.past)
        yield move(task, replay, cpu)


def move(task: Task, replay: Replayer, cpu: int) -> Move:
    """Let `cpu` take a step, and then everybody those that commute."""
    machine, begin = replay.machine, len(replay.schedule)
    broken = take_step(replay, cpu, task.invariants)
    stay: set[int] = set()
    while True:
        able = [] if replay.off else machine.able()
        free = (core for core in map(machine.cores.__getitem__, able) if core.cpu.id not in stay and commutes(core))
        core = next(free, None) if task.prune and len(replay.schedule) < begin + WALK else None
        if core is None:
            break
        past, is_guest = replay.ghost.past(), core.steps is None
        more = take_step(replay, core.cpu.id, task.invariants)
        if is_guest and touched(core):
            replay.follow(replay.schedule[:-1], past)
            stay.add(core.cpu.id)
        else:
            broken += more
    deadlock = None if able or replay.off else machine.deadlock()
    if deadlock is not None:
        broken.append(("deadlock", str(deadlock), len(replay.schedule)))
    final = None if able else replay.final()
    return Move(tuple(replay.schedule[begin:]), replay.key(), replay.ghost.past(), tuple(broken), final)


def commutes(core: Core) -> bool:
    """Whether a core's next step commutes with what others may do before it; for a guest's turn, whether it may."""
    step: Any = core.step
    if step is None or step.kind == "release":
        return True
    return step.kind in ("retval", "restore") and step.target.vm.id == HF_PRIMARY_VM_ID


def touched(core: Core) -> bool:
    """Whether the guest's turn just taken touched memory that others see."""
    vcpu = core.cpu.current
    return vcpu is not None and core.scripted.guests[vcpu.name].shared_access


def take_step(replay: Replayer, cpu: int, invariants: Sequence[Invariant]) -> list[tuple[str, str, int]]:
    """Let a CPU take a step under the eyes of the invariants, and say what it breaks."""
    broken, at = [], len(replay.schedule) + 1
    try:
        replay.step(cpu)
    except (Mistake, OutOfBudget):
        raise
    except Exception as error:
        raise blame("a script", replay, error) from error
    ended = replay.machine.cores[cpu].ended
    if isinstance(ended, HypervisorHang):
        broken.append(("self-deadlock" if isinstance(ended, SelfDeadlock) else "hang", str(ended), at))
    for invariant in invariants:
        try:
            sentence = invariant.broken(replay.ghost)
        except Exception as error:
            raise blame(f"the invariant {invariant.name}", replay, error) from error
        if sentence is not None:
            broken.append((invariant.name, sentence, at))
    return broken


def blame(who: str, replay: Replayer, error: Exception) -> Mistake:
    """What to say of a function that raised."""
    return Mistake(f"{who} raised {error!r} under the schedule {[*replay.setup, *replay.schedule]}")


class Graph:
    """The states found so far, by number, and the moves between them.

    `first` holds, by move, the CPUs that can begin it, and `broken` the names of the invariants it broke.
    """

    def __init__(self, root: tuple[Any, ...]) -> None:
        self.number: dict[Any, int] = {root: 0}
        self.parent: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        self.cost = [(0, 0)]
        self.edges: list[list[int]] = [[]]
        self.ends: set[int] = set()
        self.first: dict[tuple[int, int], set[int]] = {}
        self.broken: dict[tuple[int, int], set[str]] = {}

    def add(self, node: int, cpus: tuple[int, ...], key: Any) -> tuple[int, bool]:
        """A move from `node`: the number of the state it leads to, and whether this is the shortest way so far.

        Among ways of equal length the one with fewer changes of CPU is the shorter.
        """
        steps, switches = self.cost[node]
        path = (*self.parent[node][1][-1:], *cpus)
        cost = steps + len(cpus), switches + sum(a != b for a, b in pairwise(path))
        child = self.number.setdefault(key, len(self.cost))
        self.edges[node].append(child)
        self.first.setdefault((node, child), set()).add(cpus[0])
        if child == len(self.cost):
            self.parent.append((node, cpus))
            self.cost.append((FAR, 0))
            self.edges.append([])
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
        before: list[list[int]] = [[] for _ in self.edges]
        for node, children in enumerate(self.edges):
            for child in children:
                before[child].append(node)
        reached, waiting = set(self.ends), list(self.ends)
        while waiting:
            new = set(before[waiting.pop()]) - reached
            reached |= new
            waiting += new
        return min(set(range(len(self.edges))) - reached, key=self.cost.__getitem__, default=None)


def hashable(name: str, value: Any) -> Any:
    """An option as part of a key: of changes the order counts, of other lists it does not."""
    if name == "changes":
        return tuple(known_changes(value))
    return frozenset(value) if isinstance(value, set | list | tuple) else value


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
    left out that leads to a known state. `options` go to `Machine` (profile, fixes, changes). Ctrl-C ends it with what
    was found. `Mistake` with the schedule if a script or an invariant raises, or if the scenario is not deterministic.
    """
    if options.get("profile") == "rpc":
        raise Mistake('the explorer knows mailboxes, and the profile "rpc" has none: choose another profile')
    if preemptions is not None and not (isinstance(preemptions, int) and preemptions >= 0):
        raise Mistake(f"preemptions must be a whole number from 0 up, not {preemptions!r}")
    options = {name: hashable(name, value) for name, value in options.items()}
    fixed = tuple(sorted(options.items()))
    search = Search(Task(scenario, cpus, fixed, tuple(invariants), prune), preemptions)
    stopped = ""
    try:
        while search.waiting and not (first and search.found):
            search.extend(executor.map if executor else map)
            states = len(search.graph.cost)
            if progress is not None:
                progress(search.depth, states)
            if max_states is not None and states >= max_states and search.waiting:
                stopped = f"Stopped at {states:,} states."
                break
        else:
            stopped = "Stopped at the first violation." if search.waiting else ""
    except KeyboardInterrupt:
        stopped = BY_STOP_BUTTON
    return search.result(stopped, dict(options, cpus=cpus))


class Search:
    """A search in the order of depth. `waiting` holds the states to go on from by depth, `kept` what is known of them:

    their past, their key, and how many preemptions led there.
    """

    def __init__(self, task: Task, preemptions: int | None) -> None:
        self.task, self.preemptions = task, preemptions
        self.replay = replayer(*task[:3])
        self.replay.follow((), self.replay.past)
        root = self.replay.key()
        self.graph = Graph(root)
        self.kept: dict[int, tuple[GhostState, Any, int]] = {0: (self.replay.past, root, 0)}
        self.waiting = {0: [0]}
        self.found: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.finals: set[tuple[Any, ...]] = set()
        self.depth = self.steps = self.cut = 0

    def extend(self, mapper: Callable[..., Any]) -> None:
        """Take every move from the states of the smallest depth."""
        self.depth = min(self.waiting)
        nodes = [node for node in self.waiting.pop(self.depth) if self.graph.cost[node][0] == self.depth]
        states = [self.state(node) for node in nodes]
        chunks = [states[i : i + CHUNK] for i in range(0, len(states), CHUNK)]
        results = chain.from_iterable(mapper(partial(expand, self.task), chunks))
        for node, state, found in zip(nodes, states, results, strict=True):
            _, _, preempted = self.kept.pop(node)
            last = state.schedule[-1:]
            could_stay = any(move.cpus[:1] == last for move in found)
            for move in found:
                self.take(node, state, move, preempted + (could_stay and move.cpus[:1] != last))

    def state(self, node: int) -> ExploredState:
        """What a worker needs of a state. The first ones, and some of the others, are checked to be the same again."""
        past, key, _ = self.kept[node]
        return ExploredState(self.graph.schedule(node), past, key if node < 64 or node % 16 == 0 else None)

    def take(self, node: int, state: ExploredState, move: Move, preempted: int) -> None:
        """Note one move."""
        if self.preemptions is not None and preempted > self.preemptions:
            self.cut += 1
            return
        self.steps += len(move.cpus)
        key = move.key if self.preemptions is None else (move.key, move.cpus[-1], preempted)
        child, shorter = self.graph.add(node, move.cpus, key if self.task.prune else len(self.graph.cost))
        for name, sentence, steps in move.broken:
            self.graph.broken.setdefault((node, child), set()).add(name)
            if name not in self.found or steps < len(self.found[name][1]):
                self.found[name] = sentence, (*state.schedule, *move.cpus)[:steps]
        if move.final is not None:
            self.finals.add(move.final)
        if move.final is not None or any(name in BUILT_IN for name, _, _ in move.broken):
            self.graph.ends.add(child)
        elif shorter:
            self.kept[child] = move.past, move.key, preempted
            self.waiting.setdefault(self.graph.cost[child][0], []).append(child)

    def shortened(self, name: str, schedule: tuple[int, ...]) -> tuple[int, ...]:
        """A schedule without the steps that a violation does not need: moves take some that only commute with it."""
        if name in ("deadlock", "livelock"):
            return schedule
        for at in reversed(range(len(schedule) - 1)):
            shorter = schedule[:at] + schedule[at + 1 :]
            if self.breaks(name, shorter):
                schedule = shorter
        return schedule

    def breaks(self, name: str, schedule: tuple[int, ...]) -> bool:
        """Whether the last step of a schedule breaks an invariant."""
        broken: list[tuple[str, str, int]] = []
        self.replay.follow((), self.replay.past)
        for cpu in schedule:
            if self.replay.off or cpu not in self.replay.machine.able():
                return False
            broken = take_step(self.replay, cpu, self.task.invariants)
        return any(name == found for found, _, _ in broken)

    def result(self, stopped: str, options: dict[str, Any]) -> Exploration:
        """What was found and covered."""
        graph, setup = self.graph, self.replay.setup
        complete = not (stopped or self.cut)
        lost = graph.endless() if complete else None
        if lost is not None:
            self.found["livelock"] = (
                "from here every schedule goes on for ever and does nothing new", graph.schedule(lost)
            )  # fmt: skip
        if self.cut:
            left_out = f"At most {self.preemptions} preemptions: {self.cut:,} moves beyond were left out."
            stopped = f"{left_out} {stopped}".strip()
        violations = []
        for name, (sentence, schedule) in self.found.items():
            schedule = self.shortened(name, schedule)
            violations.append(Violation(name, sentence, (*setup, *schedule), len(schedule)))
        return Exploration(
            self.task.scenario, tuple(sorted(violations, key=lambda v: v.steps)), len(graph.cost), self.steps,
            max(graph.cost)[0], graph.ways() if complete else None, frozenset(self.finals), complete,
            f"{stopped or 'Every order was tried.'} Memory is sequentially consistent: weak memory is not modelled.",
            len(setup), options, self.task.invariants, graph, stopped.endswith(BY_STOP_BUTTON),
        )  # fmt: skip


def counterexample(result: Exploration, violation: Violation, machine_type: type[Machine] = Machine) -> Recording:
    """The run that breaks an invariant, up to the step that does: an ordinary recording."""
    options = {**result.options, "schedule": list(violation.schedule)}
    machine = machine_type(result.scenario.disk(options["cpus"]), title=result.scenario.name, **options)
    machine.boot()
    for cpu in violation.schedule:
        machine.step(cpu)
    machine.end(Outcome("violation", str(violation), 4))
    return machine.recording()
