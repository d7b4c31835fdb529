"""The moves from a state: one step by choice, then those that commute with all that others may do before them.

The generators of guests and hypervisor run for real here: a state is reached by replay, see `replay`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.scripted import ScriptDone
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.platform import HypervisorHang
from hfedu.hf.spinlock import SelfDeadlock
from hfedu.run.core import Core
from hfedu.run.invariants import GhostState
from hfedu.run.replay import Replayer, Scenario
from hfedu.run.sight import Invariant, ScriptRaised, what_is_wrong

ONE_AT_A_TIME = Lock()
"""A process has one machine for a search: threads of an executor take turns."""
WALK = 50
"""Steps of one move at most, should a script go round in circles all by itself."""
BUILT_IN = {
    "deadlock": "Some CPU can always go on, unless all there was to do is done.",
    "self-deadlock": "No CPU waits for a lock that it holds itself.",
    "hang": "The hypervisor never spins for ever.",
    "raised": "No script raises an exception: what it asserts is so.",
    "livelock": "From every state there is a way to an end.",
}


class Task(NamedTuple):
    """What a worker must know: what to run, on how many CPUs, options of the machine, and what to look for.

    With `group`, steps that commute are taken together. `daemons` are CPUs whose scripts need not end. `search` is a
    number for the search: what is known of another one says nothing about this.
    """

    scenario: Scenario
    cpus: int
    options: tuple[tuple[str, Any], ...]
    invariants: tuple[Invariant, ...]
    group: bool
    daemons: frozenset[int]
    search: tuple[int, int]


class ExploredState(NamedTuple):
    """A state to go on from: its schedule from the root, its past, and whether its key is to be told again."""

    schedule: tuple[int, ...]
    past: GhostState
    check: bool = False


class End(NamedTuple):
    """An end: the state of the machine, as tuples of (name, value), and what the scripts of the CPUs returned."""

    final: tuple[Any, ...]
    results: tuple[Any, ...]


class Move(NamedTuple):
    """Steps from one state to the next that matters: one by choice, then those that commute with all others.

    `cpus` took them; `key` and `past` tell the state they lead to; `broken` are violations as (invariant, sentence,
    steps from the root up to there). `end` is there at an end. `quiet` says that only daemons can go on.
    """

    cpus: tuple[int, ...]
    key: tuple[Any, ...]
    past: GhostState
    broken: tuple[tuple[str, str, int], ...]
    end: End | None
    quiet: bool


class Expanded(NamedTuple):
    """The moves from a state, its own key if that was asked for, and variables that cannot be compared."""

    moves: list[Move]
    key: tuple[Any, ...] | None
    by_history: frozenset[str]


@lru_cache(maxsize=2)
def replayer(task: Task) -> Replayer:
    """The machine that replays the schedules of a search."""
    return Replayer(*task[:3])


def expand(task: Task, states: Sequence[ExploredState]) -> list[Expanded]:
    """The moves from states."""
    found = []
    with ONE_AT_A_TIME:
        replay = replayer(task)
        for state in states:
            able = replay.follow(state.schedule, state.past)
            key = replay.key() if state.check else None
            moves = list(moves_from(task, replay, state, able))
            found.append(Expanded(moves, key, frozenset(replay.by_history)))
    return found


def moves_from(
    task: Task, replay: Replayer, state: ExploredState, able: Sequence[int], key: Callable[[], Any] | None = None
) -> Iterator[Move]:
    """The moves from one state: each CPU that can go on is the first to do so. `key` tells the states they lead to."""
    for cpu in able:
        if cpu != able[0]:
            replay.follow(state.schedule, state.past)
        yield make_move(task, replay, cpu, key or replay.key)


def make_move(task: Task, replay: Replayer, cpu: int, key: Callable[[], Any]) -> Move:
    """Let `cpu` take a step, and then everybody those that commute."""
    machine, begin = replay.machine, len(replay.schedule)
    broken = take_step(replay, cpu, task.invariants)
    stay: set[int] = set()
    while True:
        able = [] if replay.off else machine.able()
        free = (core for core in map(machine.cores.__getitem__, able) if core.cpu.id not in stay and commutes(core))
        core = next(free, None) if task.group and len(replay.schedule) < begin + WALK else None
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
    end = None if able else End(replay.final(), replay.ghost.results)
    quiet = bool(task.daemons) and all(
        isinstance(core.ended, ScriptDone) for core in machine.cores if core.cpu.id not in task.daemons
    )
    return Move(tuple(replay.schedule[begin:]), key(), replay.ghost.past(), tuple(broken), end, quiet)


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


def take_step(replay: Replayer, cpu: int, invariants: Iterable[Invariant]) -> list[tuple[str, str, int]]:
    """Let a CPU take a step under the eyes of the invariants, and say what it breaks."""
    broken, at = [], len(replay.schedule) + 1
    replay.step(cpu)
    name = lost(replay.machine.turns[cpu])
    if name is not None:
        broken.append((name, str(replay.machine.turns[cpu].ended), at))
    for invariant in invariants:
        sentence = judged(invariant, replay)
        if sentence is not None:
            broken.append((invariant.name, sentence, at))
    return broken


def judged(invariant: Invariant, replay: Replayer) -> str | None:
    """What is wrong with the state that a machine is in. `Mistake` with the schedule if the invariant raises."""
    try:
        return what_is_wrong(invariant, replay.ghost)
    except Mistake as mistake:
        schedule = [*replay.setup, *replay.schedule]
        raise Mistake(f"{mistake} under the schedule {schedule}") from mistake.__cause__


def changes_the_machine(invariant: Invariant) -> str:
    """What to say of an invariant that does more than look."""
    return f"the invariant {invariant.name} changes the machine: it may only look at it"


def unrepeated(name: str, sentence: str) -> str:
    """A sentence about a violation as it stands behind the violation's name: without that name, and no full stop.

    Example: "deadlock", "Deadlock: CPU 0 waits." -> "CPU 0 waits".
    """
    sentence, name = sentence.removesuffix("."), name.lower()
    if sentence.lower().endswith(f": {name}"):
        sentence = sentence[: -len(f": {name}")]
    return sentence[len(f"{name}: ") :] if sentence.lower().startswith(f"{name}: ") else sentence


def lost(core: Core) -> str | None:
    """What a CPU broke by never going on, if it did."""
    if isinstance(core.ended, ScriptRaised):
        return "raised"
    if isinstance(core.ended, HypervisorHang):
        return "self-deadlock" if isinstance(core.ended, SelfDeadlock) else "hang"
    return None
