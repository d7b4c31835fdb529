"""Lesson 10, locks and orders: its scenarios, predictions and exercises."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hfedu.course.arranged import KEPT, REPAIRED, ArrangedReceive, alongside, judge_order, ordered
from hfedu.course.exercises import Exercise, Wrong, answer_of
from hfedu.course.lesson05 import GUEST, result_of
from hfedu.course.predictions import Prediction, Question
from hfedu.course.scenes import is_guest, is_order, so_far
from hfedu.errors import Mistake
from hfedu.guest.scripted import Script, ScriptDone, clear, configure, load, meet, receive, send, store, vcpu_run
from hfedu.hf.addr import Pa
from hfedu.hf.call import HF_MAILBOX_SEND
from hfedu.notebook import Machine, Run
from hfedu.run import words
from hfedu.run.explorer import Exploration, counterexample, explore
from hfedu.run.invariants import Ghost, Invariant
from hfedu.run.kinds import Kind
from hfedu.run.recording import Event
from hfedu.run.replay import Scenario
from hfedu.run.schedule import Schedule, chooser
from hfedu.run.stepper import Stepper, Taken
from hfedu.view.compare import Comparison, compare

COUNTER = 0x4010_0000
"""Memory of the primary, which its vCPUs on all physical CPUs share."""
MAX_STATES = 2_000
"""Where the exploration of a learner's script stops."""
AT_MOST = 200
"""Steps of a schedule that a lesson shows or plays."""


def ready() -> Any:
    """The primary's setup: VM 1 runs until it waits."""
    yield configure()
    yield vcpu_run(1)


def reader() -> Any:
    """Receives and clears, for ever."""
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


def one() -> Any:
    """CPU 0 sends, and returns what it was told."""
    return (yield send(1, "one"))


def two() -> Any:
    """CPU 1 sends, and returns what it was told."""
    return (yield send(1, "two"))


def greeted() -> Any:
    """The setup: VM 1 has said that it is there, and is ready."""
    yield configure()
    yield vcpu_run(1)
    yield clear()


def send_hello() -> Any:
    """CPU 0 sends, and returns what it was told."""
    return (yield send(1, "hello"))


def run_it() -> Any:
    """CPU 1 runs VM 1, and returns the code that it was told."""
    return (yield vcpu_run(1)).code


def answerer() -> Any:
    """VM 1 says that it is there, waits for one message and sends it back."""
    yield configure()
    yield send(0, "here")
    message = yield receive(block=True)
    yield send(0, message.data)


def nothing() -> Any:
    """No setup."""
    yield from ()


def add_and_look() -> Any:
    """CPU 0 adds one to the counter, and returns it when both have done so."""
    number = yield load(COUNTER)
    yield store(COUNTER, number + 1)
    yield meet()
    return (yield load(COUNTER))


def add() -> Any:
    """CPU 1 adds one to the counter."""
    number = yield load(COUNTER)
    yield store(COUNTER, number + 1)
    yield meet()


SENDERS = Scenario("two senders", "Two CPUs send to one mailbox.", ready, (one, two), (reader,))
MEETING = Scenario("meeting", "A send against the receiver's run.", greeted, (send_hello, run_it), (answerer,))
COUNTING = Scenario("counter", "Two CPUs add one to a counter.", nothing, (add_and_look, add), (reader,))


def steps(scenario: Scenario, schedule: Schedule = "every 1", last: int = AT_MOST, **options: Any) -> str:
    """The atomic steps of a scenario under a schedule, up to the `last`, as a table with a column for each CPU.

    `schedule` and `options` are those of `Machine`. A CPU that cannot go on says in brackets which lock it waits for.
    """
    stepper, choose = Stepper(scenario, 2, options), chooser(schedule)
    lines = [row("step", ("CPU 0", "CPU 1"))]
    while (able := stepper.able()) and len(lines) <= last:
        taken = stepper.take(choose(able))
        others = (stepper.machine.cores[cpu].waits_for for cpu in (0, 1))
        waits = [f"(waits for {words.plain(lock.name)})" if lock is not None else "" for lock in others]
        waits[taken.cpu] = brief(stepper, taken)
        lines.append(row(str(len(lines)), waits))
    return "\n".join(lines)


def row(number: str, columns: Sequence[str]) -> str:
    """A line of the table of steps."""
    return f"{number:>4}  {columns[0]:50}{columns[1]}".rstrip()


def brief(stepper: Stepper, taken: Taken) -> str:
    """A step in few words: of a guest's turn, what the guest does."""
    text = taken.text.removeprefix("lets ").replace(" go on: it ", " ")
    vcpu = stepper.machine.cores[taken.cpu].cpu.current
    action = stepper.machine.guests[vcpu.name].action if vcpu is not None else None
    return text.replace("touches memory", f"{action.instruction}s") if action is not None else text


def returned(final: tuple[Any, ...]) -> list[str]:
    """What the script of each CPU returned at an end of an order."""
    return [value for name, value in final if name.endswith(".returned")]


def results(found: Exploration) -> str:
    """What the scripts of the CPUs return, over all orders: each line another end."""
    lines = {tuple(returned(final)) for final in found.finals}
    cells = ([f"CPU {cpu}: {value}" for cpu, value in enumerate(line)] for line in sorted(lines))
    return "\n".join("   ".join(f"{cell:14}" for cell in line).rstrip() for line in cells)


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


def tried(scenario: Scenario, invariants: Sequence[Invariant], **options: Any) -> Exploration:
    """Explore a learner's scenario, and let what their script raises come out as it is."""
    try:
        return explore(scenario, invariants, max_states=MAX_STATES, **options)
    except Mistake as mistake:
        raise (mistake.__cause__ or mistake) from None


def shortest(found: Exploration) -> Run:
    """The shortest counterexample."""
    run = counterexample(found, found.violations[0], Machine)
    assert isinstance(run, Run)
    return run


def both(found: Exploration, right: Scenario) -> tuple[Run, Run]:
    """The shortest counterexample, and the nearest order of the same steps that keeps the invariant.

    If no order does, then the `right` scenario in that order.
    """
    comparison = compare(Comparison, found, found.violations[0], Machine)
    passing = comparison.passing or alongside(found, right, REPAIRED)
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


def in_turn() -> Run:
    """Two senders; the CPUs take a step in turn."""
    machine = Machine(SENDERS.disk(2), cpus=2, schedule="every 1", fixes=REPAIRED, title="Two CPUs send to one mailbox")
    run = machine.run()
    assert isinstance(run, Run)
    return run


def in_mailbox(run: Run, event: Event) -> str:
    """Which message is in VM 1's mailbox in the end."""
    text = run.at(len(run.events) - 1)["vm1.mailbox.message"]
    return {b"one": "“one”", b"two": "“two”"}.get(text, "some bytes of each")


PREDICTIONS = (
    Prediction(
        "10-two-senders",
        "VM 1 waits. CPU 0 calls send(1, “one”), CPU 1 send(1, “two”). They take a step each in turn, CPU 0 first.",
        in_turn,
        (
            Question(
                "What does CPU 0's send return?",
                ("-1", "0", "0xffff"),
                on_cpu(0, HF_MAILBOX_SEND),
                result_of,
                "CPU 0 is first at every lock, so it finds the mailbox EMPTY and VM 1's vCPU 0 waiting: 0.",
            ),
            Question(
                "And CPU 1's?",
                ("0", "-1", "0xffff"),
                on_cpu(1, HF_MAILBOX_SEND),
                result_of,
                "CPU 1 waits for vm1.lock until CPU 0 is done with the mailbox, and then finds it full: -1.",
            ),
            Question(
                "What does VM 1's mailbox hold in the end?",
                ("some bytes of each", "“one”", "“two”"),
                lambda run: run.events[-1],
                in_mailbox,
                "Whoever holds vm1.lock is alone with the mailbox: it looks and writes, and nobody comes between.",
            ),
        ),
    ),
)


def is_schedule(answer: Any) -> bool:
    """Whether an answer is a list of CPU numbers."""
    return isinstance(answer, list | tuple) and all(type(cpu) is int for cpu in answer)


def judge_lost_update(answer: Sequence[int]) -> Run:
    """Both CPUs add one, and the counter ends at 1."""
    stepper = play(COUNTING, answer)
    number = int.from_bytes(stepper.machine.board.memory.read(Pa(COUNTER), 8), "little")
    if number != 1:
        raise Wrong(f"The counter ends at {number}: one CPU loads only after the other has stored.", so_far(stepper))
    return so_far(stepper)


def judge_meeting(answer: Any) -> None:
    """The pairs that a send and a first run of the receiver can give, compared with those of all orders."""
    found = explore(MEETING, (), fixes=REPAIRED)
    pairs = {tuple(map(int, returned(final))) for final in found.finals}
    given = set(answer)
    for pair in sorted(given - pairs):
        why = " It would be a lost message: VM 1 sleeps, and one is in its mailbox." if pair == (0xFFFF, 1) else ""
        named = f"({hex(pair[0]) if pair[0] > 9 else pair[0]}, {pair[1]})"
        raise Wrong(f"{named} is the result of no order, and all {found.schedules} were tried.{why}")
    if given != pairs:
        number = len(pairs - given)
        raise Wrong(f"What you name can happen, and {number} more pair{'s' * (number > 1)}: which call comes first?")


def is_pairs(answer: Any) -> bool:
    """Whether an answer is a set of pairs of numbers."""
    return isinstance(answer, set | list | tuple | frozenset) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(type(number) is int for number in pair) for pair in answer
    )


def one_waits() -> Any:
    """The setup of 10-insist: “one” lies in VM 1's mailbox."""
    yield configure()
    yield vcpu_run(1)
    yield clear()
    yield send(1, "one")


def run_until_message() -> Any:
    """CPU 0 runs VM 1 until a message to VM 0 brings it back."""
    while (yield vcpu_run(1)).code != 3:
        pass


def collector() -> Any:
    """VM 1 takes two messages and sends both back as one."""
    yield configure()
    yield send(0, "here")
    first = yield receive(block=True)
    yield clear()
    second = yield receive(block=True)
    yield send(0, first.data + second.data)


def came_back(ghost: Ghost) -> str | None:
    """Whether VM 1 got both messages."""
    mail = ghost.mail.get("vm0.mailbox")
    return None if mail is None or mail.data == b"onetwo" else f"VM 1 got {mail.data.decode(errors='replace')!r}"


BOTH = Invariant("both", "VM 1 gets “one” and then “two”.", came_back)


def judge_insist(answer: Script) -> Run:
    """In every order VM 1 gets the second message."""

    def scene(script: Script) -> Scenario:
        scripts = run_until_message, script
        return Scenario("your sender", "CPU 0 runs VM 1, CPU 1 sends.", one_waits, scripts, (collector,))

    scenario = scene(answer)
    found = tried(scenario, (BOTH,), fixes=REPAIRED)
    if found.violations:
        name, sentence, _, number = found.violations[0]
        if name == "livelock" and not number:
            raise Wrong("Your script has an end in no order: stop when the send has succeeded.")
        if name == "livelock":
            sentence = "VM 1 waits for “two”, which never comes, and CPU 0 runs it again and again"
        right = scene(answer_of(INSIST))
        raise Wrong(f"Not in every order. The shortest that fails has {number} steps: {sentence}.", *both(found, right))
    if not found.complete:
        raise Wrong(f"Too many states: {found.bounds} Write a `while` loop that keeps no count of its rounds.")
    return so_far(play(scenario, (), fixes=REPAIRED))


INSIST = """def answer():
    while (yield send(1, "two")) == -1:
        pass
"""
RECEIVE = [
    "take the VM's lock",
    "look for a message, and take it",
    "without one: into the waiter list",
    "without one: back to the primary",
    "drop the VM's lock",
]
EXERCISES = (
    Exercise(
        "10-arrange-receive",
        "the steps of a receive(block=True) in an order that is right whatever another CPU does meanwhile.",
        "a list of the five steps as texts",
        is_order,
        partial(judge_order, ArrangedReceive, RECEIVE, MEETING, KEPT),
        (
            "Who looks and then waits must not be overtaken by a send in between. What keeps a send out?",
            "The lock is held from before the look until the vCPU is in the list: a send then finds either an empty "
            "mailbox before the look, or a waiter.",
            "Take, look, into the list, drop. Whether to go back is known once you have looked: anywhere after that.",
        ),
        ordered(RECEIVE, 0, 1, 2, 3, 4),
        {
            "drops the lock before it waits": (
                ordered(RECEIVE, 0, 1, 4, 2, 3),
                "nothing will ever wake it",
            ),
            "looks before it takes the lock": (
                ordered(RECEIVE, 1, 0, 2, 4, 3),
                "nothing will ever wake it",
            ),
            "waits first and looks then": (
                ordered(RECEIVE, 0, 2, 1, 4, 3),
                "still in the waiter",
            ),
            "goes back before it has looked": (
                ordered(RECEIVE, 3, 0, 1, 2, 4),
                "VM 1 receives “three” from VM 0",
            ),
            "drops what it does not hold": (
                ordered(RECEIVE, 4, 3, 2, 1, 0),
                "drops VM 1's lock, which it does not hold",
            ),
        },
        tuple(ArrangedReceive.pieces),
    ),
    Exercise(
        "10-lost-update",
        "a schedule (a list of CPU numbers) after which the counter is 1, though both CPUs added one.",
        "a list of CPU numbers such as [0, 0, 1, 1]",
        is_schedule,
        judge_lost_update,
        (
            "The second CPU must load before the first has stored.",
            "The first step of each CPU takes its script up to its load and does it; the next one stores.",
            "Let both load, then both store: [0, 1, 0, 1].",
        ),
        "answer = [0, 1, 0, 1]\n",
        {
            "one after the other": ("answer = [0] * 3 + [1] * 9\n", "ends at 2"),
            "a CPU that is not there": ("answer = [0, 2]\n", "Step 2 of your schedule names CPU 2"),
            "one CPU to its end": ("answer = [0] * 9 + [1] * 9\n", "waits for the other CPUs to meet it"),
        },
    ),
    Exercise(
        "10-meeting",
        "the set of all pairs (what CPU 0's send returns, the code of CPU 1's vcpu_run) over all orders.",
        "a set of pairs of numbers such as {(0, 0)}",
        is_pairs,
        judge_meeting,
        (
            "Two cases: the send comes before VM 1's receive, or after it. vm1.lock leaves nothing between.",
            "No vCPU waits yet: the send gives 0xffff. Then the receive has its message at once, and VM 1 answers: 3.",
            "VM 1 waits already: the send gives 0, and vcpu_run gave 1. So {(0xffff, 3), (0, 1)}.",
        ),
        "answer = {(0xffff, 3), (0, 1)}\n",
        {
            "the send is always first": ("answer = {(0xffff, 3)}\n", "and 1 more pair:"),
            "a wake-up can be lost": ("answer = {(0xffff, 3), (0, 1), (0xffff, 1)}\n", "It would be a lost message"),
            "each with each": (
                "answer = {(s, r) for s in (0, 0xffff) for r in (1, 3)}\n",
                "(0, 3) is the result of no",
            ),
        },
    ),
    Exercise(
        "10-insist",
        "a script for CPU 1 that sends “two” to VM 1 so that it arrives in every order of the steps.",
        GUEST,
        is_guest,
        judge_insist,
        (
            "“one” is still in the mailbox. CPU 0 runs VM 1 while you send: it may have cleared by then, or not.",
            "A send that gives -1 has changed nothing: try again. How often? Until it gives something else.",
            'while (yield send(1, "two")) == -1: pass',
        ),
        INSIST,
        {
            "sends once": ('def answer():\n    yield send(1, "two")\n', "“two”, which never comes"),
            "gives up after three tries": (
                'def answer():\n    for _ in range(3):\n        if (yield send(1, "two")) != -1:\n            break\n',
                "“two”, which never comes",
            ),
            "sends something else": (INSIST.replace("two", "too"), "VM 1 got 'onetoo'"),
            "never stops": ('def answer():\n    while True:\n        yield send(1, "two")\n', "has an end in no order"),
            "counts its tries": (
                'def answer():\n    tries = 0\n    while (yield send(1, "two")) == -1:\n        tries += 1\n',
                "keeps no count",
            ),
        },
    ),
)
TERMS = {
    "atomic step": "An action that is done as a whole: no other CPU sees it half done. Between two steps others may "
    "act.",
    "spin": "To try again and again until a lock is free.",
    "schedule": "The order in which the CPUs take their steps. The same schedule always gives the same run.",
    "lost update": "Two CPUs read the same old value and both write a new one: one of the two changes is gone.",
    "self-deadlock": "A CPU takes a lock that it holds already, and spins for ever.",
    "deadlock": "Each of two CPUs holds a lock that the other one wants, and both spin for ever.",
    "livelock": "All keep taking steps, and from there no end can be reached.",
    "invariant": "A sentence that must hold after every single step.",
    "sequentially consistent": "Of memory: all CPUs see all loads and stores in one order, and each CPU's own in "
    "the order of its program.",
    "weak memory": "Memory whose loads and stores other CPUs may see in another order, unless barriers forbid it. "
    "Real Arm CPUs have it; hfedu does not model it.",
    "preemption": "In a schedule: a CPU that could go on is left for another one.",
}
