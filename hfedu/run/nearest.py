"""The nearest order of the same steps that keeps an invariant which another order breaks."""

from typing import Any, NamedTuple

from hfedu.run.explorer import Exploration, Violation, as_it_was, counterexample
from hfedu.run.invariants import GhostState
from hfedu.run.machine import Machine
from hfedu.run.moves import lost
from hfedu.run.recording import Recording
from hfedu.run.replay import Replayer
from hfedu.run.sight import what_is_wrong
from hfedu.run.stepper import Stepper, Taken


class BothOrders(NamedTuple):
    """A run that breaks an invariant and the nearest that keeps it, each with its steps.

    That one is None if there is none, and for a race, which no order takes away.
    """

    failing: Recording
    failing_steps: tuple[Taken, ...]
    passing: Recording | None
    passing_steps: tuple[Taken, ...]


def both_orders(result: Exploration, violation: Violation, machine_type: type[Machine] = Machine) -> BothOrders:
    """Search the nearest order that keeps what a violation breaks, and run both."""
    options = {name: value for name, value in result.options.items() if name != "cpus"}
    cpus = result.options["cpus"]
    with as_it_was(result):
        failing = Stepper(result.scenario, cpus, options, schedule=violation.schedule[result.setup :])
    order = None
    if not violation.accesses:  # a race is one in whichever order the two accesses come
        with as_it_was(result):
            order = Nearest(result, violation).search()
    recording = counterexample(result, violation, machine_type)
    if order is None:
        return BothOrders(recording, tuple(failing.taken), None, ())
    with as_it_was(result):
        passing = Stepper(result.scenario, cpus, options, schedule=order, machine_type=machine_type)
    return BothOrders(recording, tuple(failing.taken), passing.recording(), tuple(passing.taken))


class Nearest:
    """The search for an order that agrees with a failing one as long as it can and ends without breaking the invariant.

    It goes back along the failing order and from each state tries every other way, exactly as the explorer tells states
    apart; a state from which every way fails is tried once. `Mistake` as the explorer says it.
    """

    def __init__(self, result: Exploration, violation: Violation) -> None:
        options = {name: value for name, value in result.options.items() if name != "cpus"}
        self.invariants = [i for i in result.invariants if i.name == violation.invariant]
        self.replay = Replayer(result.scenario, result.options["cpus"], tuple(options.items()))
        self.root = self.replay.ghost.past()
        self.failing = violation.schedule[result.setup :]
        self.hopeless: set[Any] = set()

    def search(self) -> tuple[int, ...] | None:
        """The steps of that order after the scripts have met; None if every order breaks the invariant."""
        pasts = [self.root]
        self.replay.follow((), self.root)
        for cpu in self.failing[:-1]:
            self.step(cpu)
            pasts.append(self.replay.ghost.past())
        for at in reversed(range(len(self.failing))):
            found = self.from_here(self.failing[:at], pasts[at], self.failing[at])
            if found is not None:
                return found
        return None

    def from_here(self, begin: tuple[int, ...], past: GhostState, early: int) -> tuple[int, ...] | None:
        """A passing way that begins with a schedule.

        It lets `early`, the CPU that was too early in the failing order, go on as soon as it may, and then has few
        changes of CPU: so the step right before that of `early` is what had to come first.
        """
        waiting, replay = [(begin, past)], self.replay
        while waiting:
            schedule, past = waiting.pop()
            preferred = schedule[-1:] if early in schedule[len(begin) :] else (early,)
            for cpu in sorted(replay.follow(schedule, past), key=lambda cpu: (cpu,) == preferred):
                replay.follow(schedule, past)
                ways = (*schedule, cpu)
                if not self.step(cpu):
                    continue
                if not replay.off and replay.machine.able():
                    key = replay.key()
                    if key not in self.hopeless:
                        self.hopeless.add(key)
                        waiting.append((ways, replay.ghost.past()))
                elif replay.off or not (replay.machine.deadlock() or any(map(lost, replay.machine.cores))):
                    return ways
        return None

    def step(self, cpu: int) -> bool:
        """Take a step. Whether the invariant still holds."""
        self.replay.machine.able()
        self.replay.step(cpu)
        return not any(what_is_wrong(invariant, self.replay.ghost) for invariant in self.invariants)
