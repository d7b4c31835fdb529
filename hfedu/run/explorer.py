"""Every order of the atomic steps: breadth first over replayed schedules, so that the shortest failure comes first.

The explorer runs the same generators that run guests, see `replay`. States that are alike in all that scripts,
hypervisor and invariants can reach count as one, see `frozen` and `held`; of those that are met again some are run
again for real, and a difference is an error.

Reduction: some steps commute with every step that other CPUs can take before them, so no other order is tried: a
script's way to its next call that touches no shared memory, the release of a lock, and what a CPU does to its own vCPU
of the primary. An invariant that is not `steady` could see the difference: under its eyes no order is left out. Nor is
any left out in total store order, and there no transition is learned either: all states are reached by replay.
"""

import inspect
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple, NoReturn

from hfedu.errors import Mistake, counted, nearest
from hfedu.guest.scripted import BUFFERED
from hfedu.history import known_changes
from hfedu.run.graph import Graph
from hfedu.run.held import World
from hfedu.run.invariants import INVARIANTS, GhostState, Invariant
from hfedu.run.learned import Learner, Unlearned
from hfedu.run.machine import Machine, is_delayed
from hfedu.run.moves import BUILT_IN as BUILT_IN
from hfedu.run.moves import (
    End,
    Expanded,
    ExploredState,
    Move,
    Task,
    changes_the_machine,
    expand,
    judged,
    replayer,
    take_step,
    unrepeated,
)
from hfedu.run.outlook import outlook
from hfedu.run.races import MEANING, RACE
from hfedu.run.recording import Outcome, Recording
from hfedu.run.replay import Replayer, Scenario, is_ours, outside, step_or_end
from hfedu.run.sight import GOAL, Lost, Sight, as_invariants, who_judges

CHUNK = 200
"""Schedules that one worker extends at a time."""
FIRST_CHECKED, ONE_IN = 16, 8
"""How many states, met again or not, are run again for real: the first ones, and then ever fewer of them."""
LONGEST_WALK, FARTHEST = 400, 2_000
"""Moves that a run from a state which was met again has at most, and steps from the root after which it has no more: of
a script that goes round by itself a move has many."""
MOST_IN_GRAPH = 100_000
"""States up to which a result keeps their graph."""
EXPLORED = ("profile", "fixes", "changes", "append", "memory", "memory_model")
"""Options of a machine that an exploration can have."""
ORDERS = {
    "sc": "Memory is sequentially consistent: weak memory is not modelled.",
    "tso": f"Memory is in total store order (TSO): stores wait in a buffer of {BUFFERED} that a call empties. "
    "Arm allows more, which was not tried: there loads may pass loads, and stores pass stores.",
}
"""By the memory model what to say of it."""
SEARCHES = count()


class Violation(NamedTuple):
    """An invariant that does not hold: its name, what went wrong, and the schedule that leads there, from switch-on.

    The last `steps` of the schedule are those after the scripts have met. Of a race the last two are the `accesses`,
    with a sentence about each.
    """

    invariant: str
    sentence: str
    schedule: tuple[int, ...]
    steps: int
    accesses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence} (step {self.steps})"


@dataclass(frozen=True)
class Exploration:
    """What was found, and what was covered: `bounds` says what was not, and what the reduction takes for granted.

    `states` are distinct, `steps` were taken, `depth` is the longest way to a state; `schedules` is how many complete
    schedules there are, None if there is no end of them. `finals` are the machine states at the ends, as tuples of
    (name, value). `results` are what the scripts of the CPUs returned, a tuple for each end that differs in them; to
    each belongs one of the `examples`, a schedule from switch-on. `complete` says whether all was tried: only then does
    an empty `violations` mean that none exists. `setup` is how many steps every schedule begins with, before the
    scripts have met. `graph` are the states, but for more than `MOST_IN_GRAPH`, of which none is kept. `interrupted`
    says whether Ctrl-C ended it.
    """

    scenario: Scenario
    violations: tuple[Violation, ...]
    states: int
    steps: int
    depth: int
    schedules: int | None
    finals: frozenset[tuple[Any, ...]]
    results: tuple[tuple[Any, ...], ...]
    examples: tuple[tuple[int, ...], ...]
    complete: bool
    bounds: str
    setup: int
    options: dict[str, Any]
    invariants: tuple[Invariant, ...]
    graph: Graph = field(compare=False, repr=False)
    world: World = field(compare=False, repr=False)
    interrupted: bool = False

    def __repr__(self) -> str:
        found = [f"  {violation}" for violation in self.violations] or [
            "  no violation" if self.complete else "  no violation so far, and not everything was tried"
        ]
        ways = "schedules without end" if self.complete else "schedules not counted"
        if self.schedules is not None:
            ways = counted(self.schedules, "schedule")
        covered = [counted(self.states, "state"), counted(self.steps, "step"), ways]
        deep = f"up to {counted(self.depth, 'step')} deep"
        return "\n".join([f"{self.scenario.name}: {', '.join([*covered, deep])}. {self.bounds}", *found])


def hashable(name: str, value: Any) -> Any:
    """An option as part of a key: of changes the order counts, of other lists it does not."""
    if name == "changes":
        return tuple(known_changes(value))
    try:
        key = frozenset(value) if isinstance(value, set | list | tuple) else value
        hash(key)
    except TypeError:
        raise Mistake(f"{name} cannot be {value!r}") from None
    return key


def task_of(
    scenario: Scenario, invariants: tuple[Invariant, ...], cpus: int | None, prune: bool, assume: Any,
    options: dict[str, Any],
) -> Task:  # fmt: skip
    """What is to be explored. `Mistake` for what is not explored."""
    if options.get("profile") == "rpc":
        raise Mistake('the explorer knows mailboxes, and the profile "rpc" has none: choose another profile')
    for name in options:
        if name not in EXPLORED:
            known = {*EXPLORED, "invariants", "cpus", "preemptions", "ends", "assume", "max_states"}
            near = "" if name in known else nearest(name, sorted(known))
            hint = near or f": there are {', '.join(EXPLORED)}"
            raise Mistake(f"{name} is nothing that is explored{hint}")
    for invariant in invariants:
        rules = World()
        rules.follow(invariant.broken, invariant.name)
        rules.look_round()
        for remembers in rules.remembers:
            raise Mistake(
                f"{who_judges(invariant)} goes by {remembers}, which has a cache: of another state it may say "
                "what was so in this one. Leave the cache out"
            )
    number = len(scenario.cpus) if cpus is None else cpus
    fixed = tuple(sorted((name, hashable(name, value)) for name, value in options.items()))
    ours = all(is_ours(change) for change in known_changes(options.get("changes", ())))
    group = (
        prune
        and ours
        and not is_delayed(options.get("memory_model", "sc"))
        and all(invariant.steady for invariant in invariants)
    )
    return Task(scenario, number, fixed, invariants, group, daemons_of(assume, number), (os.getpid(), next(SEARCHES)))


def check_number(name: str, given: Any, least: int) -> None:
    """`Mistake` unless it is a whole number from there up, or none."""
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < least):
        raise Mistake(f"{name} must be a whole number {'from 0 up' if least == 0 else 'above 0'}, not {given!r}")


def check_search(cpus: Any, max_states: Any, progress: Any, executor: Any) -> None:
    """`Mistake` for bounds and helpers that are none."""
    if isinstance(cpus, bool):
        raise Mistake(f"cpus must be a whole number above 0, not {cpus!r}")
    check_number("max_states", max_states, 1)
    if progress is not None and not takes_two(progress):
        raise Mistake(f"progress is a function of a depth and a number of states, not {progress!r}")
    if executor is not None and not isinstance(executor, Executor):
        raise Mistake(f"executor is a concurrent.futures.Executor, such as ProcessPoolExecutor(), not {executor!r}")


def takes_two(function: Any) -> bool:
    """Whether something can be called with two arguments, as far as it tells."""
    try:
        inspect.signature(function).bind(0, 0)
    except ValueError:  # one of Python's own, which does not tell
        return True
    except TypeError:
        return False
    return True


def daemons_of(assume: Any, cpus: Any) -> frozenset[int]:
    """The CPUs that `assume` says to be daemons. Example: ["daemon 0"] -> {0}. `Mistake` for anything else."""
    found = set()
    for each in assume if isinstance(assume, list | tuple | set | frozenset) else [assume]:
        word, _, number = each.partition(" ") if isinstance(each, str) else ("", "", "")
        if word != "daemon" or not number.isdecimal() or int(number) >= cpus:
            raise Mistake(
                f"assume names scripts that need not end, by their CPU, such as ['daemon 0'], not {each!r}: "
                f"there are CPUs 0 to {cpus - 1}"
            )
        found.add(int(number))
    return frozenset(found)


def explore(
    scenario: Scenario,
    invariants: Any = INVARIANTS,
    cpus: int | None = None,
    preemptions: int | None = None,
    *,
    ends: Any = (),
    assume: Any = (),
    first: bool = False,
    max_states: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    prune: bool = True,
    recheck: bool = False,
    races: bool = False,
    **options: Any,
) -> Exploration:
    """Try every order of the atomic steps of a scenario and report the shortest way to break each invariant.

    `invariants` are `Invariant`s or functions, which look at a `hfedu.run.sight.Sight` after each step and return a
    sentence that says what is wrong, or whether they hold. `ends` are of the same kind and judge each end. A script
    that raises, as by `assert`, is a violation. `assume=["daemon 0"]` says that the script of CPU 0 need not end: a
    daemon that waits for ever is no livelock. `cpus` are all that the scenario has scripts for, unless told otherwise.
    `preemptions` bounds how often a CPU that could go on is left for another; `first` stops at the first violation;
    `max_states` bounds the states. `executor` is any `concurrent.futures.Executor`: it extends schedules side by side,
    and the result is the same. `progress` is called with the depth and the number of states. Without `prune` nothing is
    left out that leads to a known state. With `races` two accesses to the same data that nothing orders are a violation
    too, see `races`. With `recheck` all states that are met again are run again, not some.
    `options` choose the hypervisor: profile, fixes, changes. With `memory_model="tso"` each store of a script waits
    in its CPU's buffer, and when it leaves is a step of its own, which counts as a preemption. Ctrl-C ends it with what
    was found. `Mistake` with the schedule if an invariant raises, or if the scenario is not deterministic; and by its
    name if something that scripts or changes can reach can be neither compared nor put back.
    """
    check_number("preemptions", preemptions, 0)
    for name, flag in {"first": first, "prune": prune, "recheck": recheck, "races": races}.items():
        if not isinstance(flag, bool):
            raise Mistake(f"{name} is True or False, not {flag!r}")
    check_search(cpus, max_states, progress, executor)
    looked = (*as_invariants(invariants, "invariants"), *as_invariants(ends, "ends", at_end=True))
    task = task_of(scenario, looked, cpus, prune, assume, options)
    delayed = options.get("memory_model") == "tso"
    if races and delayed:
        raise Mistake('races are looked for in sequentially consistent memory: leave out memory_model="tso"')

    def searched(learn: bool) -> Exploration:
        with searching(task, preemptions, prune, recheck, learn, races) as search:
            stopped = search.run(lambda: first and bool(search.found), max_states, executor, progress)
            return search.result(stopped)

    if races:
        try:
            return searched(True)
        except Unlearned:
            raise Mistake(
                "races are looked for only where all that changes is the hypervisor's, the memory's or a script's own: "
                "keep nothing outside of the scripts, and give no invariants that look past the machine's view"
            ) from None
    return learned_or_not(searched, prune and executor is None and not delayed)


@dataclass(frozen=True)
class Reached:
    """Whether a goal can be reached: `violation` has the shortest schedule to it, None if none was found.

    `exploration` says what was tried. It is true if the goal was reached.
    """

    goal: str
    exploration: Exploration
    violation: Violation | None

    def __bool__(self) -> bool:
        return self.violation is not None

    @property
    def steps(self) -> int | None:
        """Steps of the shortest way after the scripts have met."""
        return None if self.violation is None else self.violation.steps

    @property
    def schedule(self) -> tuple[int, ...] | None:
        """The shortest way, from switch-on."""
        return None if self.violation is None else self.violation.schedule

    def __repr__(self) -> str:
        name, goal = self.exploration.scenario.name, self.goal
        if self.violation is not None:
            return f"{name}: {goal} is reached after {counted(self.violation.steps, 'step')}, and no order is shorter."
        said = f"No order reaches {goal}." if self.exploration.complete else f"No order has reached {goal} so far."
        return f"{name}: {said} {counted(self.exploration.states, 'state')}. {self.exploration.bounds}"


def met(goal: Callable[[Sight], Any], sight: Sight) -> str | None:
    """A goal as an invariant that breaks where it is reached."""
    found = goal(sight)
    if not isinstance(found, bool | str | None):
        raise TypeError(f"a goal returns True or False, or a sentence about what was reached, not {found!r}")
    return None if not found else found if isinstance(found, str) else "reached"


def find(
    scenario: Scenario,
    goal: Callable[[Sight], Any],
    cpus: int | None = None,
    *,
    max_states: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> Reached:
    """The shortest run that reaches a goal: a function of a `hfedu.run.sight.Sight` that says whether this is it.

    It is the dual of `explore`: what every order avoids is no goal of any. The options are those of `explore`.
    """
    check_search(cpus, max_states, progress, executor)
    if not callable(goal) or isinstance(goal, type):
        raise Mistake(f"a goal is a function of the machine that says whether it is reached, not {goal!r}")
    name = str(getattr(goal, "__name__", "goal")).replace("<lambda>", "the goal")
    invariant = Invariant(GOAL, f"{name} is never reached.", partial(met, goal))
    task = task_of(scenario, (invariant,), cpus, True, (), options)

    def searched(learn: bool) -> Exploration:
        with searching(task, None, True, False, learn) as search:
            if search.at_root():
                return search.result("Stopped at the first state.")
            return search.result(search.run(lambda: GOAL in search.found, max_states, executor, progress))

    found = learned_or_not(searched, executor is None and options.get("memory_model") != "tso")
    return Reached(name, found, next((v for v in found.violations if v.invariant == GOAL), None))


def learned_or_not(searched: Callable[[bool], Exploration], learn: bool) -> Exploration:
    """A search with learned transitions, or, where they cannot be learned, by replay alone."""
    if learn:
        with suppress(Unlearned):
            return searched(True)
    return searched(False)


@contextmanager
def searching(task: Task, *how: Any) -> "Iterator[Search]":
    """A search; when it ends, however it does, all that lies outside of the scripts is again as it was before."""
    try:
        replay = replayer(task)
        try:
            yield Search(task, replay, *how)
        finally:
            replay.leave()
    finally:
        replayer.cache_clear()


class Doubt(NamedTuple):
    """A way to a state that was known already: what comes after is to be compared."""

    node: int
    state: ExploredState


class Search:
    """A search in the order of depth. `waiting` holds the states to go on from by depth, `kept` what is known of them:

    their past, and how many preemptions led there.
    """

    def __init__(
        self, task: Task, replay: Replayer, preemptions: int | None, merge: bool, recheck: bool, learn: bool,
        races: bool = False,
    ) -> None:  # fmt: skip
        self.task, self.preemptions, self.merge, self.recheck = task, preemptions, merge, recheck
        self.replay = replay
        self.replay.follow((), self.replay.past)
        self.values: dict[Any, int] = {}
        self.learner = Learner(task, self.replay, races) if learn else None
        root: Any = self.packed(self.replay.key()) if self.learner is None else self.learner.root
        self.graph = Graph(root)
        self.keys = [root]
        self.kept: dict[int, tuple[GhostState, int]] = {0: (self.replay.past, 0)}
        self.waiting = {0: [0]}
        self.found: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.finals: set[tuple[Any, ...]] = set()
        self.results: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {}
        self.by_history: set[str] = set()
        self.doubts: list[Doubt] = []
        self.walks: list[Doubt] = []
        self.final: dict[int, Any] = {}
        """By state what is worth telling of it, if it is an end."""
        self.last: list[tuple[tuple[int, ...], Any, Any]] = []
        self.dice = random.Random(0)
        self.levels: list[tuple[int, int]] = []
        self.interrupted = False
        self.depth = self.steps = self.cut = self.again = self.checked = self.over = 0

    def packed(self, key: Any) -> Any:
        """A key with a number for each of its parts, of which most states share most."""
        if isinstance(key, str):
            return key
        values = self.values
        return tuple([values.setdefault(part, len(values)) for part in key])

    def key_now(self) -> Any:
        """The key of the state that the real machine is in."""
        return self.packed(self.replay.key()) if self.learner is None else self.learner.state_now()

    def at_root(self) -> bool:
        """Whether the first state breaks an invariant; note it."""
        self.replay.follow((), self.replay.past)
        for invariant in self.task.invariants:
            sentence = judged(invariant, self.replay)
            if sentence is not None:
                self.found[invariant.name] = sentence, ()
        return bool(self.found)

    def left(self, stopped: str) -> str:
        """Why the search stopped, and how much may be left."""
        return f"{stopped} {outlook(self.levels)}".strip()

    def run(
        self,
        enough: Callable[[], bool],
        max_states: int | None,
        executor: Executor | None,
        progress: Callable[[int, int], object] | None,
    ) -> str:
        """Search until all is tried, or it is enough. Says why it stopped, nothing if all was tried."""
        mapper: Callable[..., Any] = executor.map if executor else map
        try:
            while self.waiting and not enough():
                self.extend(mapper, progress)
                self.compare(mapper)
                states = len(self.graph.cost)
                if progress is not None:
                    progress(self.depth, states)
                self.levels.append((self.depth, states))
                if max_states is not None and states >= max_states and self.waiting:
                    return self.left(f"Stopped at {counted(states, 'state')}.")
            self.compare_ends()
            self.walk_on()
            return "Stopped at the first violation." if self.waiting else ""
        except KeyboardInterrupt:
            self.interrupted = True
            return self.left("Interrupted.")

    def expanded(self, mapper: Callable[..., Any], states: list[ExploredState]) -> Iterator[Expanded]:
        """The moves from states, in chunks."""
        chunks = [states[i : i + CHUNK] for i in range(0, len(states), CHUNK)]
        return chain.from_iterable(mapper(partial(expand, self.task), chunks))

    def extend(self, mapper: Callable[..., Any], progress: Callable[[int, int], object] | None) -> None:
        """Take every move from the states of the smallest depth."""
        self.depth = min(self.waiting)
        nodes = [node for node in self.waiting.pop(self.depth) if self.graph.cost[node][0] == self.depth]
        states = [self.state(node) for node in nodes]
        learned = self.learner and self.learner.expand([self.keys[node] for node in nodes], states)
        found = zip(nodes, states, learned or self.expanded(mapper, states), strict=True)
        for number, (node, state, (moves, key, by_history)) in enumerate(found, 1):
            if key is not None and self.packed(key) != self.keys[node]:
                self.differs(f"the same schedule {self.whole(state)} led to two different states", state.schedule)
            self.by_history |= by_history
            _, preempted = self.kept.pop(node)
            last = state.schedule[-1:]
            could_stay = any(move.cpus[:1] == last for move in moves)
            for move in moves:
                self.take(node, state, move, preempted + (could_stay and move.cpus[:1] != last))
            if progress is not None and number % CHUNK == 0:
                progress(self.depth, len(self.graph.cost))

    def state(self, node: int) -> ExploredState:
        """What a worker needs of a state. The first ones, and some of the others, are checked to be the same again."""
        check = node < 64 or node % 16 == 0
        return ExploredState(self.graph.schedule(node), self.kept[node][0], check)

    def take(self, node: int, state: ExploredState, move: Move, preempted: int) -> None:
        """Note one move."""
        if self.preemptions is not None and preempted > self.preemptions:
            self.cut += 1
            return
        self.steps += len(move.cpus)
        packed, graph = self.packed(move.key), self.graph
        key: Any = packed if self.preemptions is None else (packed, move.cpus[-1], preempted)
        child, shorter = graph.add(node, move.cpus, key if self.merge else len(graph.cost))
        known = child < len(self.keys)
        if not known:
            self.keys.append(packed)
        schedule = (*state.schedule, *move.cpus)
        for name, sentence, steps in move.broken:
            graph.broken.setdefault((node, child), set()).add(name)
            if name not in self.found or steps < len(self.found[name][1]):
                second = () if self.learner is None else self.learner.second.get(sentence, ())
                self.found[name] = sentence, schedule[:steps] + second[:1]
        if move.quiet:
            graph.quiet.add(child)
        if move.end is not None:
            self.final[child] = move.end
            self.ended(schedule, packed, move.end)
        if move.end is not None or any(name in BUILT_IN for name, _, _ in move.broken):
            graph.ends.add(child)
            return
        if shorter:
            self.kept[child] = move.past, preempted
            self.waiting.setdefault(graph.cost[child][0], []).append(child)
        if known and self.merge and self.preemptions is None:
            self.again += 1
            if self.recheck or self.again <= FIRST_CHECKED or self.dice.random() * self.again < ONE_IN:
                self.doubts.append(Doubt(child, ExploredState(schedule, move.past)))

    def ended(self, schedule: tuple[int, ...], packed: Any, end: End) -> None:
        """Note an end, and some of them to be run again."""
        self.finals.add(end.final)
        name = repr(end.results)
        if name not in self.results or len(schedule) < len(self.results[name][1]):
            self.results[name] = end.results, schedule
        self.over += 1
        if self.recheck or self.over <= FIRST_CHECKED or self.dice.random() * self.over < ONE_IN:
            self.last.append((schedule, packed, end.final))

    def compare(self, mapper: Callable[..., Any]) -> None:
        """Run on from states that were met again, along the other way, and compare what comes after."""
        waits = set(chain.from_iterable(self.waiting.values()))
        doubts = [doubt for doubt in self.doubts if doubt.node not in waits]
        self.doubts = [doubt for doubt in self.doubts if doubt.node in waits]
        for (node, state), moves in zip(doubts, self.really(mapper, doubts), strict=True):
            self.checked += 1
            self.walks.append(Doubt(node, state))
            children = [self.graph.number.get(self.packed(move.key)) for move in moves]
            if children != self.graph.edges[node]:
                ways = f"the schedules {self.whole(self.graph.schedule(node))} and {self.whole(state.schedule)}"
                self.differs(f"{ways} led to states that look alike, and they went on differently", state.schedule)
            said: dict[Any, set[str]] = {}
            for child, move in zip(children, moves, strict=True):
                said.setdefault(child, set()).update(name for name, _, _ in move.broken)
            if any(names != self.judged_before(node, child) for child, names in said.items()):
                raise Mistake("an invariant says one thing of a state and later another: it must look at nothing else")

    def judged_before(self, node: int, child: int) -> set[str]:
        """What the moves between two states broke, but for races, which the real code does not look for."""
        return {name for name in self.graph.broken.get((node, child), set()) if not name.startswith(RACE)}

    def really(self, mapper: Callable[..., Any], doubts: list[Doubt]) -> Iterator[list[Move]]:
        """The moves from states by the real code."""
        if self.learner is None:
            return (found.moves for found in self.expanded(mapper, [state for _, state in doubts]))
        return (self.learner.real(self.keys[node], state.schedule) for node, state in doubts)

    def walk_on(self) -> None:
        """Run on from states that were met again, along the other way, by chance to an end: what a state does not show
        may come to light late.
        """
        graph, replay = self.graph, self.replay
        for node, (schedule, past, _) in self.walks:
            able = replay.follow(schedule, past if self.learner is None else self.learner.past(self.keys[node]))
            at = node
            for _ in range(LONGEST_WALK):
                if not graph.edges[at] or len(replay.schedule) > FARTHEST:
                    break
                child = self.dice.choice(graph.edges[at])
                for cpu in graph.cpus[at, child]:
                    if cpu in able:
                        replay.step(cpu)
                        able = [] if replay.off else replay.machine.able()
                at = child
            end = None if able else End(replay.final(), replay.ghost.results)
            if self.key_now() != self.keys[at] or end != self.final.get(at):
                ways = f"the schedules {self.whole(graph.schedule(at))} and {self.whole(replay.schedule)}"
                self.differs(f"{ways} should lead to the same, and do not", schedule)

    def compare_ends(self) -> None:
        """Run some of the orders to their ends again."""
        for schedule, packed, final in self.last:
            self.replay.restart()
            self.replay.ghost.remember(self.replay.past)
            for cpu in schedule:
                self.replay.machine.able()
                self.replay.step(cpu)
            if not self.replay.off:
                self.replay.machine.able()
            if self.replay.final() != final or self.key_now() != packed:
                self.differs(f"the same schedule {self.whole(schedule)} led to two different ends", schedule)

    def differs(self, what: str, schedule: Sequence[int]) -> NoReturn:
        """What should be the same is not: it is an invariant that changes the machine, or the scenario."""
        replay = self.replay
        replay.follow((), replay.past)
        for cpu in schedule:
            if replay.off or cpu not in replay.machine.able():
                break
            replay.step(cpu)
            for invariant in self.task.invariants:
                before = replay.key()
                judged(invariant, replay)
                if replay.key() != before:
                    raise Mistake(changes_the_machine(invariant))
        raise Mistake(not_deterministic(what))

    def whole(self, state: Any) -> list[int]:
        """A schedule from switch-on."""
        return [*self.replay.setup, *(state.schedule if isinstance(state, ExploredState) else state)]

    def shortened(self, name: str, schedule: tuple[int, ...]) -> tuple[int, ...]:
        """A schedule without the steps that a violation does not need: moves take some that only commute with it."""
        if name in ("deadlock", "livelock") or name.startswith(RACE) or not self.task.group:
            return schedule
        if self.learner is not None:
            with suppress(Unlearned):
                return without_idle(schedule, self.learner.breaking(name, schedule))
        return without_idle(schedule, lambda shorter, _: self.breaks(name, shorter))

    def breaks(self, name: str, schedule: tuple[int, ...]) -> bool:
        """Whether the last step of a schedule breaks an invariant."""
        self.replay.follow((), self.replay.past)
        *before, last = schedule
        for cpu in before:
            if self.replay.off or cpu not in self.replay.machine.able():
                return False
            self.replay.step(cpu)
        if self.replay.off or last not in self.replay.machine.able():
            return False
        broken = take_step(self.replay, last, [each for each in self.task.invariants if each.name == name])
        return any(name == found for found, _, _ in broken)

    def said(self, stopped: str) -> str:
        """What was covered, in sentences, and what that takes for granted."""
        if self.cut:
            bound = f"At most {counted(self.preemptions or 0, 'preemption')}"
            stopped = f"{bound}, and {counted(self.cut, 'move')} beyond left out. {stopped}".strip()
        said = [stopped or "Every order was tried."]
        lost = [name for name in ("hang", "raised") if name in self.found]
        if lost:
            said.append("Nothing was tried beyond a script that raised or a CPU that hung.")
        if self.by_history:
            names = ", ".join(sorted(self.by_history))
            said.append(f"By {names} states cannot be told apart: those scripts go by all that they were told.")
        if self.again:
            said.append(
                "States that are alike in all that scripts, hypervisor and invariants can reach count as one: "
                f"{self.again:,} met again, and {self.checked:,} of these run on for real to compare."
            )
        return " ".join([*said, ORDERS[dict(self.task.options).get("memory_model", "sc")]])

    def result(self, stopped: str) -> Exploration:
        """What was found and covered."""
        graph, setup, task = self.graph, self.replay.setup, self.task
        complete = not (stopped or self.cut)
        lost = graph.endless() if complete else None
        if lost is not None:
            self.found["livelock"] = (
                "from here every schedule goes on for ever and does nothing new", graph.schedule(lost)
            )  # fmt: skip
        races = [Invariant(name, MEANING, never, steady=True) for name in sorted(self.found) if name.startswith(RACE)]
        invariants = (*task.invariants, *races)
        order = [*(invariant.name for invariant in invariants), *BUILT_IN]
        violations: list[Violation] = []
        for name, (sentence, schedule) in self.found.items():
            schedule = self.shortened(name, schedule)
            _, accesses = (None, ()) if self.learner is None else self.learner.second.get(sentence, (None, ()))
            violations.append(Violation(name, unrepeated(name, sentence), (*setup, *schedule), len(schedule), accesses))
        violations.sort(key=lambda violation: (violation.steps, order.index(violation.invariant)))
        results = [self.results[name] for name in sorted(self.results)]
        return Exploration(
            task.scenario, tuple(violations), len(graph.cost), self.steps,
            max(graph.cost)[0], graph.ways() if complete else None, frozenset(self.finals),
            tuple(values for values, _ in results), tuple((*setup, *schedule) for _, schedule in results), complete,
            self.said(stopped), len(setup), dict(task.options, cpus=task.cpus), invariants, graph.bare(MOST_IN_GRAPH),
            self.replay.before, self.interrupted,
        )  # fmt: skip


def without_idle(schedule: tuple[int, ...], breaks: Callable[[tuple[int, ...], int], bool]) -> tuple[int, ...]:
    """A schedule without steps that can be left out, the latest first: `breaks` says whether one still breaks the same.

    It is told up to where that schedule is as it was.
    """
    for at in reversed(range(len(schedule) - 1)):
        shorter = schedule[:at] + schedule[at + 1 :]
        if breaks(shorter, at):
            schedule = shorter
    return schedule


def never(_: Any) -> None:
    """An invariant that another search judges."""


def not_deterministic(what: str) -> str:
    """What to say of a scenario that does not always do the same."""
    return (
        f"the scenario is not deterministic: {what}. Its scripts may only depend on what their calls return and on "
        "what the explorer can see and put back: no random numbers, no clock, nothing that a library keeps"
    )


def counterexample(result: Exploration, violation: Violation, machine_type: type[Machine] = Machine) -> Recording:
    """The run that breaks an invariant, up to the step that does: an ordinary recording."""
    outcome = Outcome("violation", str(violation), 4)
    return run_of(result, violation.schedule, outcome, machine_type, violation.accesses)


def run_of(
    result: Exploration,
    schedule: Sequence[int],
    outcome: Outcome | None,
    machine_type: type[Machine] = Machine,
    accesses: Sequence[str] = (),
) -> Recording:
    """The run of a schedule from switch-on, with all that lies outside as it was; to its end without an `outcome`.

    The last steps are the `accesses` of a race: they become events of their own.
    """
    options = {**result.options, "schedule": list(schedule)}
    with as_it_was(result):
        machine = machine_type(result.scenario.disk(options["cpus"]), title=result.scenario.name, **options)
        machine.boot()
        for at, cpu in enumerate(schedule, len(accesses) - len(schedule)):
            step_or_end(machine, cpu)
            if at >= 0 and machine.recorder is not None:
                machine.recorder.access(cpu, accesses[at])
        if outcome is None and any(isinstance(core.ended, Lost) for core in machine.cores):
            outcome = Outcome("stuck", "A CPU was lost, see before.", 4)
        if outcome is not None:
            machine.end(outcome)
        else:
            machine.step()
    return machine.recording()


@contextmanager
def as_it_was(result: Exploration) -> Iterator[None]:
    """With all that lies outside the scripts as it was when a result was found; then it is again as it is now."""
    now = outside(result.scenario, result.options.get("changes", ()))
    try:
        result.world.restore()
        yield
    finally:
        now.restore()
