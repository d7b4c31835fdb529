"""Lesson 10, locks and orders: its scenarios, predictions and exercises."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.answers import without_source
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.arranged import KEPT_RULES, REPAIRED, ArrangedReceive, judge_order, ordered
from hfedu.course.shared.defects import run_until_message
from hfedu.course.shared.orders import MEETING, SENDERS, both, continued, judge_patience, on_cpu, play, tried
from hfedu.course.shared.scenes import delivered, deliveries, reader, result_of, returned_at, so_far
from hfedu.course.shared.variants import of_places
from hfedu.course.shared.wants import GUEST
from hfedu.errors import counted
from hfedu.guest.scripted import Script, clear, configure, load, meet, receive, send, store, vcpu_run
from hfedu.hf.addr import Pa
from hfedu.hf.call import HF_MAILBOX_SEND
from hfedu.notebook import Machine, Run
from hfedu.run.explorer import explore
from hfedu.run.invariants import Ghost, Invariant
from hfedu.run.recording import Event
from hfedu.run.replay import Scenario

COUNTER = 0x4010_0000
"""Memory of the primary, which its vCPUs on all physical CPUs share."""


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


COUNTING = Scenario("counter", "Two CPUs add one to a counter.", nothing, (add_and_look, add), (reader,))


def senders_in_turn() -> Run:
    """Two senders; the CPUs take a step in turn."""
    machine = Machine(SENDERS.disk(2), cpus=2, schedule="every 1", fixes=REPAIRED, title="Two CPUs send to one mailbox")
    run = machine.run()
    assert isinstance(run, Run)
    return run


def in_mailbox(run: Run, event: Event) -> str:
    """Which message is in VM 1's mailbox after an event."""
    text = run.at(event.seq)["vm1.mailbox.message"]
    return {b"one": "“one”", b"two": "“two”"}.get(text, "some bytes of each")


PREDICTIONS = (
    Prediction(
        "10-two-senders",
        "VM 1 waits. CPU 0 calls send(1, “one”), CPU 1 send(1, “two”). They take a step each in turn, CPU 0 first.",
        senders_in_turn,
        (
            Question(
                "What does CPU 0's send return?",
                ("-1", "0", "0xffff"),
                returned_at(on_cpu(0, HF_MAILBOX_SEND)),
                result_of,
                "CPU 0 is first at every lock, so it finds the mailbox EMPTY and VM 1's vCPU 0 waiting: 0.",
            ),
            Question(
                "And CPU 1's?",
                ("0", "-1", "0xffff"),
                returned_at(on_cpu(1, HF_MAILBOX_SEND)),
                result_of,
                "CPU 1 waits for vm1.lock until CPU 0 is done with the mailbox, and then finds it full: -1.",
            ),
            Question(
                "What does VM 1's mailbox hold in the end?",
                ("some bytes of each", "“one”", "“two”"),
                lambda run: deliveries(run, 1)[-1],
                in_mailbox,
                "Whoever holds vm1.lock is alone with the mailbox: it looks and writes, and nobody comes between. But "
                "both CPUs are VM 0, with one send page: “two” was in it when CPU 0's send copied it.",
            ),
        ),
    ),
)


def judge_lost_update(answer: Sequence[int]) -> Run:
    """Both CPUs add one, and the counter ends at 1."""
    stepper = play(COUNTING, answer)
    number = int.from_bytes(stepper.machine.board.memory.read(Pa(COUNTER), 8), "little")
    if number != 1:
        raise Wrong(f"The counter ends at {number}: one CPU loads only after the other has stored.", so_far(stepper))
    return so_far(stepper)


ADDS_OF_TWO_CPUS = ((2, 2), (3, 1), (1, 3))
"""How many numbers CPU 0 and CPU 1 add in a variant."""


def adds_each(numbers: Sequence[int]) -> Script:
    """Adds one number after the other to the counter, each by a load and a store of its own."""

    def script() -> Any:
        for number in numbers:
            old = yield load(COUNTER)
            yield store(COUNTER, old + number)
        yield meet()

    return script


def judge_one_lost(added: Sequence[Sequence[int]], want: int, answer: Sequence[int]) -> Run:
    """The CPUs add their numbers, and the counter ends at what one lost update leaves."""
    one, other = map(adds_each, added)
    stepper = play(Scenario("counter", "Two CPUs add to a counter.", nothing, (one, other), (reader,)), answer)
    number = int.from_bytes(stepper.machine.board.memory.read(Pa(COUNTER), 8), "little")
    if number != want:
        lost = sum(map(sum, added)) - number
        why = f"updates are lost, together {lost}" if lost else "nothing is lost"
        raise Wrong(f"The counter ends at {number}, not at {want}: {why}.", so_far(stepper))
    return so_far(stepper)


def another_counter(exercise: Exercise, rng: Random) -> Exercise:
    """Other numbers, one of which is to be lost: another one on another CPU."""
    counts = rng.choice(ADDS_OF_TWO_CPUS)
    numbers = rng.sample(range(2, 60), sum(counts))
    added = numbers[: counts[0]], numbers[counts[0] :]
    loser = rng.randrange(2)
    before = rng.randrange(counts[loser])
    lost, winner = added[loser][before], 1 - loser
    want = sum(numbers) - lost
    once = [winner, loser, loser, winner]
    after = [loser] * 2 * (counts[loser] - before - 1) + [winner] * 2 * (counts[winner] - 1)
    programs = [f"CPU {cpu} adds {'+'.join(map(str, each))}" for cpu, each in enumerate(added)]
    return replace(
        exercise,
        task=f"a schedule (a list of CPU numbers) after which the counter is {want} though {' and '.join(programs)}, "
        "each number by a load and a store of its own, one after the other.",
        judge=partial(judge_one_lost, added, want),
        solution=[loser] * 2 * before + once + after,
        hints=(
            f"Which number is missing in {want}, and which CPU adds it?",
            "The other CPU must load before that number is stored, and store after it: so it writes over it.",
            f"CPU {loser} does what it adds before {lost}. Then CPU {winner} loads, CPU {loser} loads and stores, CPU "
            f"{winner} stores; and then the rest, one after the other.",
        ),
        wrong={
            "one after the other": ([0] * (2 * counts[0] + 1) + [1] * 12, f"ends at {sum(numbers)}, not at"),
            "a CPU that is not there": ([0, 2], "Step 2 of your schedule names CPU 2"),
            "one CPU to its end": ([0] * 15 + [1] * 15, "waits for the other CPUs to meet it"),
        },
    )


def judge_meeting(answer: Any) -> None:
    """The pairs that a send and a first run of the receiver can give, compared with those of all orders."""
    found = explore(MEETING, (), fixes=REPAIRED)
    pairs = {tuple(map(int, result)) for result in found.results}
    for pair in sorted(answer - pairs):
        why = " It would be a lost message: VM 1 sleeps, and one is in its mailbox." if pair == (0xFFFF, 1) else ""
        named = f"({hex(pair[0]) if pair[0] > 9 else pair[0]}, {pair[1]})"
        raise Wrong(f"{named} is the result of no order, and all {found.schedules} were tried.{why}")
    if answer != pairs:
        number = len(pairs - answer)
        raise Wrong(f"What you name can happen, and {counted(number, 'more pair')}: which call comes first?")


def one_waits() -> Any:
    """The setup of 10-insist: “one” lies in VM 1's mailbox."""
    yield configure()
    yield vcpu_run(1)
    yield clear()
    yield send(1, "one")


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


BOTH = Invariant("both", "VM 1 gets “one” and then “two”.", came_back, steady=True)


def judge_insist(answer: Script) -> Run:
    """In every order VM 1 gets the second message."""

    def scene(script: Script) -> Scenario:
        scripts = run_until_message, script
        return Scenario("your sender", "CPU 0 runs VM 1, CPU 1 sends.", one_waits, scripts, (collector,))

    scenario = scene(answer)
    found = tried(scenario, (BOTH,), fixes=REPAIRED)
    if found.violations:
        name, sentence, _, number, _ = found.violations[0]
        if name == "livelock" and not number:
            raise Wrong("Your script has an end in no order: stop when the send has succeeded.")
        if name == "livelock":
            sentence = "VM 1 waits for “two”, which never comes, and CPU 0 runs it again and again"
        failing, passing = both(found, scene(without_source(solve_insist)))
        if name == "livelock" and b"two" in delivered(continued(found, scenario), 1):
            sentence = "“two” has arrived, and your script goes on. 0xffff is no refusal, it says that nobody waited"
        raise Wrong(f"Not in every order. The shortest that fails has {number} steps: {sentence}.", failing, passing)
    judge_patience(scenario, (BOTH,), found)
    return so_far(play(scenario, (), fixes=REPAIRED))


RECEIVE = [
    "take the VM's lock",
    "look for a message, and take it",
    "without one: into the waiter list",
    "without one: back to the primary",
    "drop the VM's lock",
]


# 10-insist


def solve_insist():
    while (yield send(1, "two")) == -1:
        pass


def insist_sends_once():
    yield send(1, "two")


def insist_gives_up_after_three_tries():
    for _ in range(3):
        if (yield send(1, "two")) != -1:
            break


def insist_sends_something_else():
    while (yield send(1, "too")) == -1:
        pass


def insist_never_stops():
    while True:
        yield send(1, "two")


def insist_waits_for_0():
    while (yield send(1, "two")) != 0:
        pass


EXERCISES = (
    Exercise(
        id="10-arrange-receive",
        task="the steps of a receive(block=True) in an order that is right whatever another CPU does meanwhile.",
        wants="a list of the five steps as texts",
        takes=forms.order_of(tuple(ArrangedReceive.pieces)),
        judge=partial(judge_order, ArrangedReceive, RECEIVE, MEETING, KEPT_RULES),
        learned="who looks and then waits must hold the lock from the look to the list, or a message is lost.",
        hints=(
            "Who looks and then waits must not be overtaken by a send in between. What keeps a send out?",
            "The lock is held from before the look until the vCPU is in the list: a send then finds either an empty "
            "mailbox before the look, or a waiter.",
            "Take, look, into the list, drop. Whether to go back is known once you have looked: anywhere after that.",
        ),
        solution=ordered(RECEIVE, 0, 1, 2, 3, 4),
        wrong={
            "drops the lock before it waits": (ordered(RECEIVE, 0, 1, 4, 2, 3), "nothing will ever wake it"),
            "looks before it takes the lock": (ordered(RECEIVE, 1, 0, 2, 4, 3), "nothing will ever wake it"),
            "waits first and looks then": (ordered(RECEIVE, 0, 2, 1, 4, 3), "still in the waiter"),
            "goes back before it has looked": (ordered(RECEIVE, 3, 0, 1, 2, 4), "VM 1 receives “three” from VM 0"),
            "drops what it does not hold": (
                ordered(RECEIVE, 4, 3, 2, 1, 0),
                "drops VM 1's lock, which it does not hold",
            ),
        },
        pieces=tuple(ArrangedReceive.pieces),
        variant=of_places([ordered(RECEIVE, *order) for order in ((0, 1, 2, 3, 4), (0, 1, 3, 2, 4), (0, 1, 2, 4, 3))]),
    ),
    Exercise(
        id="10-lost-update",
        task="a schedule (a list of CPU numbers) after which the counter is 1, though both CPUs added one.",
        wants="a list of CPU numbers such as [0, 0, 1, 1]",
        takes=forms.schedule,
        judge=judge_lost_update,
        variant=another_counter,
        learned="load, add and store are three steps: between them the other CPU's update can be lost.",
        hints=(
            "The second CPU must load before the first has stored.",
            "The first step of each CPU takes its script up to its load and does it; the next one stores.",
            "Let both load, then both store: [0, 1, 0, 1].",
        ),
        solution=[0, 1, 0, 1],
        wrong={
            "one after the other": ([0] * 3 + [1] * 9, "ends at 2"),
            "a CPU that is not there": ([0, 2], "Step 2 of your schedule names CPU 2"),
            "one CPU to its end": ([0] * 9 + [1] * 9, "waits for the other CPUs to meet it"),
        },
    ),
    Exercise(
        id="10-meeting",
        task="the set of all pairs (what CPU 0's send returns, the code of CPU 1's vcpu_run) over all orders.",
        wants="a set of pairs of numbers such as {(0, 0)}",
        takes=forms.pairs,
        judge=judge_meeting,
        learned="a lock leaves two orders of the two calls, and each has one result.",
        hints=(
            "Two cases: the send comes before VM 1's receive, or after it. vm1.lock leaves nothing between.",
            "No vCPU waits yet: the send gives 0xffff. Then the receive has its message at once, and VM 1 answers: 3.",
            "VM 1 waits already: the send gives 0, and vcpu_run gave 1. So {(0xffff, 3), (0, 1)}.",
        ),
        solution={(0xFFFF, 3), (0, 1)},
        wrong={
            "the send is always first": ({(0xFFFF, 3)}, "and 1 more pair:"),
            "a wake-up can be lost": ({(0xFFFF, 3), (0, 1), (0xFFFF, 1)}, "It would be a lost message"),
            "each with each": ({(s, r) for s in (0, 0xFFFF) for r in (1, 3)}, "(0, 3) is the result of no"),
        },
    ),
    Exercise(
        id="10-insist",
        task="a script for CPU 1 that sends “two” to VM 1 so that it arrives in every order of the steps.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_insist,
        learned="a script is right when it ends well in every order, not in those that one has seen.",
        hints=(
            "“one” is still in the mailbox. CPU 0 runs VM 1 while you send: it may have cleared by then, or not.",
            "A send that gives -1 has changed nothing: try again. How often? Until it gives something else.",
            'while (yield send(1, "two")) == -1: pass',
        ),
        solution=solve_insist,
        wrong={
            "sends once": (insist_sends_once, "“two”, which never comes"),
            "gives up after three tries": (insist_gives_up_after_three_tries, "“two”, which never comes"),
            "sends something else": (insist_sends_something_else, "VM 1 got 'onetoo'"),
            "never stops": (insist_never_stops, "has an end in no order"),
            "waits for 0": (insist_waits_for_0, "0xffff is no refusal"),
        },
    ),
)
LEARN = "what a lock protects, how locks go wrong, and what trying every order covers"
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
    "Real Arm CPUs have it; hfedu models at most stores that wait in a buffer.",
    "preemption": "In a schedule: a CPU that could go on is left for another one.",
}
