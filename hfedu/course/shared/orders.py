"""Two CPUs and the orders of their steps: scenes for them, their steps as a table, a learner's schedule and script."""

from collections.abc import Callable, Sequence
from typing import Any

from hfedu.course.exercises import Wrong
from hfedu.course.shared.arranged import REPAIRED, alongside
from hfedu.course.shared.defects import ready, run_vm_1, send_hello
from hfedu.course.shared.scenes import reader, so_far
from hfedu.errors import counted
from hfedu.guest.scripted import ScriptDone, configure, receive, send, vcpu_run
from hfedu.notebook import Machine, Run
from hfedu.run import words
from hfedu.run.explorer import Exploration, counterexample, explore
from hfedu.run.invariants import Invariant
from hfedu.run.kinds import Kind
from hfedu.run.recording import Event
from hfedu.run.replay import Scenario
from hfedu.run.schedule import Schedule, chooser
from hfedu.run.sight import ScriptRaised
from hfedu.run.stepper import Stepper, Taken
from hfedu.view.compare import OrderComparison, compare_orders

MAX_STATES = 2_000
"""Where the exploration of a learner's script stops."""
AT_MOST = 200
"""Steps of a schedule that a lesson shows or plays."""


def started() -> Any:
    """The primary's setup: VM 1 runs until it waits."""
    yield configure()
    yield vcpu_run(1)


def one() -> Any:
    """CPU 0 sends, and returns what it was told."""
    return (yield send(1, "one"))


def two() -> Any:
    """CPU 1 sends, and returns what it was told."""
    return (yield send(1, "two"))


def answerer() -> Any:
    """VM 1 says that it is there, waits for one message and sends it back."""
    yield configure()
    yield send(0, "here")
    message = yield receive(block=True)
    yield send(0, message.data)


SENDERS = Scenario("two senders", "Two CPUs send to one mailbox.", started, (one, two), (reader,))
MEETING = Scenario("meeting", "A send against the receiver's run.", ready, (send_hello, run_vm_1), (answerer,))


def steps(scenario: Scenario, schedule: Schedule = "every 1", last: int = AT_MOST, **options: Any) -> str:
    """The atomic steps of a scenario under a schedule, up to the `last`, as a table with a column for each CPU.

    `schedule` and `options` are those of `Machine`. A CPU that cannot go on says in brackets which lock it waits for.
    """
    stepper, choose = Stepper(scenario, 2, options), chooser(schedule)
    lines = [schedule_row("step", ("CPU 0", "CPU 1"))]
    while (able := stepper.able()) and len(lines) <= last:
        taken = stepper.take(choose(able))
        others = (stepper.machine.cores[cpu].waits_for for cpu in (0, 1))
        waits = [f"(waits for {words.names_in_words(lock.name)})" if lock is not None else "" for lock in others]
        waits[taken.cpu] = brief(stepper, taken)
        lines.append(schedule_row(str(len(lines)), waits))
    return "\n".join(lines)


def schedule_row(number: str, columns: Sequence[str]) -> str:
    """A line of the table of steps."""
    return f"{number:>4}  {columns[0]:50}{columns[1]}".rstrip()


def brief(stepper: Stepper, taken: Taken) -> str:
    """A step in few words: of a guest's turn, what the guest does."""
    text = taken.text.removeprefix("lets ").replace(" go on: it ", " ")
    vcpu = stepper.machine.cores[taken.cpu].cpu.current
    action = stepper.machine.guests[vcpu.name].action if vcpu is not None else None
    return text.replace("touches memory", f"{action.instruction}s") if action is not None else text


def play(scenario: Scenario, schedule: Sequence[int], invariants: Sequence[Invariant] = (), **options: Any) -> Stepper:
    """Run a learner's schedule, which begins where the scripts have met, up to the first step that breaks an invariant.

    It may go on naming a CPU whose script has ended. When the schedule ends the CPU goes on as long as it can, then
    another. `Wrong`, with the run so far, where it names a CPU that waits, or that is not there.
    """
    stepper = Stepper(scenario, 2, options, invariants, machine_type=Machine)
    for number, cpu in enumerate(schedule, 1):
        if cpu not in (0, 1):
            raise Wrong(f"Step {number} of your schedule names CPU {cpu}: there are CPU 0 and CPU 1.", so_far(stepper))
        if isinstance(stepper.machine.cores[cpu].ended, ScriptDone):
            continue
        if cpu not in stepper.able():
            sentence = f"At step {number} of your schedule CPU {cpu} cannot go on: it {stepper.waits(cpu)}."
            raise Wrong(sentence, so_far(stepper))
        stepper.take(cpu)
        if stepper.broken:
            return stepper
    current = schedule[-1] if schedule else 0
    while not stepper.broken and (able := stepper.able()) and len(stepper.taken) < AT_MOST:
        current = current if current in able else able[0]
        stepper.take(current)
    return stepper


ALONE, LONG_ALONE = 1_500, 12_000
"""Steps that CPU 1 takes while CPU 0 stands still: some hundred tries, and some thousand for a script that counts."""
STANDS_STILL = 60
"""CPU 0 stands still after each number of steps below this one, up to its end."""


def stand_still(
    scenario: Scenario, invariants: Sequence[Invariant], first: int, alone: int, **options: Any
) -> tuple[Stepper, bool]:
    """CPU 0 takes its first steps, CPU 1 so many alone, then both go on in turn: the end, and whether CPU 1 got to it.

    That is, to a point where it cannot go on alone. Nothing is recorded: most of these orders nobody looks at.
    """
    stepper = Stepper(scenario, 2, {**options, "record": False}, invariants, machine_type=Machine)
    while len(stepper.taken) < first and 0 in stepper.able():
        stepper.take(0)
    taken = 0
    while 1 in stepper.able() and not stepper.broken and taken < alone:
        stepper.take(1)
        taken += 1
    ended = taken < alone
    turn_about(stepper)
    return stepper, ended


def turn_about(stepper: Stepper) -> Stepper:
    """Go on from there, one step of each CPU, to the end or for some hundred steps."""
    for turn in range(2 * AT_MOST):
        able = stepper.able()
        if not able or stepper.broken:
            break
        stepper.take(able[turn % len(able)])
    return stepper


def continued(found: Exploration, scenario: Scenario) -> Run:
    """The shortest counterexample, and what comes after it."""
    schedule = found.violations[0].schedule[found.setup :]
    return so_far(turn_about(Stepper(scenario, 2, {"fixes": REPAIRED}, (), schedule, Machine)))


def judge_patience(scenario: Scenario, invariants: Sequence[Invariant], found: Exploration) -> None:
    """`Wrong` if a script of CPU 1 gives up while CPU 0 stands still, wherever that is.

    Not all orders of a script that counts its tries can be tried. Where they could, there is nothing left to find.
    """
    if found.complete:
        return
    waits = []
    for first in range(STANDS_STILL):
        stepper, ended = stand_still(scenario, invariants, first, ALONE, fixes=REPAIRED)
        raise_impatient(stepper, scenario)
        waits += [first] * (not ended)
        if len(stepper.taken) < first:
            break
    for first in {*waits[:1], *waits[-1:]}:
        raise_impatient(stand_still(scenario, invariants, first, LONG_ALONE, fixes=REPAIRED)[0], scenario)


def raise_impatient(stepper: Stepper, scenario: Scenario) -> None:
    """`Wrong` if not all is well at the end of an order in which CPU 0 stood still, with the run of that order."""
    if stepper.broken or stepper.able():
        schedule = [taken.cpu for taken in stepper.taken]
        steps = sum(schedule)
        raise Wrong(
            f"Not in every order. While CPU 0 stands still your script takes {counted(steps, 'step')} and gives up: it "
            "must go on for as long as it takes.",
            so_far(Stepper(scenario, 2, {"fixes": REPAIRED}, (), schedule, Machine)),
        )


def tried(scenario: Scenario, invariants: Sequence[Invariant], **options: Any) -> Exploration:
    """Explore a learner's scenario, and let what their script raises come out as it is."""
    found = explore(scenario, invariants, max_states=MAX_STATES, **options)
    raised = next((violation for violation in found.violations if violation.invariant == "raised"), None)
    if raised is not None:
        stepper = Stepper(scenario, len(scenario.cpus), options, schedule=raised.schedule[found.setup :])
        ended = stepper.machine.cores[raised.schedule[-1]].ended
        assert isinstance(ended, ScriptRaised)
        raise ended.error
    return found


def shortest(found: Exploration) -> Run:
    """The shortest counterexample."""
    run = counterexample(found, found.violations[0], Machine)
    assert isinstance(run, Run)
    return run


def both(found: Exploration, right: Scenario) -> tuple[Run, Run]:
    """The shortest counterexample, and the nearest order of the same steps that keeps the invariant.

    If no order does, then the `right` scenario in that order.
    """
    comparison = compare_orders(OrderComparison, found, found.violations[0], Machine)
    passing = comparison.passing or alongside(found, right, {"fixes": REPAIRED})
    assert isinstance(comparison.failing, Run)
    assert isinstance(passing, Run)
    return comparison.failing, passing


def on_cpu(cpu: int, function: int) -> Callable[[Run], Event]:
    """Finds a hypercall of the primary on a CPU."""
    return lambda run: next(
        event
        for event in run.events
        if event.kind is Kind.HYPERCALL and event.cpu == cpu and words.number(event) == function
    )
