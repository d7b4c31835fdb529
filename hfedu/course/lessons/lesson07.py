"""Lesson 07, clear and back-pressure: its predictions and exercises."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_scripts,
    call_of,
    calls,
    changed_at,
    delivered,
    deliveries,
    gave,
    reader,
    refusals,
    result_of,
    returned_at,
    run_result,
    state_of,
    switch_to,
)
from hfedu.course.shared.wants import GUEST
from hfedu.guest.scripted import Action, Script, clear, configure, load, receive, send, vcpu_run
from hfedu.hf.call import HF_MAILBOX_CLEAR, HF_MAILBOX_SEND, HF_VCPU_RUN
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.recording import Actor, Event

VM1_RECV_PAGE = 0x40F8_5000
STEPS = ("receive", "copy", "clear")


def three_sends() -> Run:
    """Two sends in a row, then a third after VM 1 has run."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "one")
        yield send(1, "two")
        yield vcpu_run(1)
        yield send(1, "two")

    return boot_scripts(primary, [reader], "Three sends to one mailbox")


def forgetful() -> Any:
    """Receives for ever, and never clears."""
    yield configure()
    while True:
        yield receive(block=True)


def read_twice() -> Run:
    """VM 1 receives a message and receives again without a clear."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "one")
        yield vcpu_run(1)
        yield send(1, "two")
        yield vcpu_run(1)

    return boot_scripts(primary, [forgetful], "VM 1 forgets to clear")


def sends(number: int) -> Any:
    """The `number`th send of VM 0."""
    return call_of(0, HF_MAILBOX_SEND, number)


ORDINALS = ("first", "second", "third")
RESULTS = ("0", "-1", "0xffff")


def another_three_sends(prediction: Prediction, rng: Random) -> Prediction:
    """Three sends to two mailboxes, of which one at least is refused, with runs of the receivers in between."""
    texts = rng.sample(("one", "two", "red", "blue", "salt", "bread"), 3)
    while True:
        turns: list[Callable[[], Action]] = []
        held: dict[int, str] = {}
        whys, said = list[str](), list[str]()
        for text in texts:
            to, cleared = rng.choice((1, 2)), rng.choice((0, 0, 1, 2))
            if cleared in held:
                turns.append(partial(vcpu_run, cleared))
                said.append(f"runs VM {cleared}, which reads and clears")
                del held[cleared]
            full = held.setdefault(to, text)
            whys.append(
                f"VM {to}'s mailbox still holds “{full}”. There is room for one message only: -1."
                if full is not text
                else f"VM {to}'s mailbox is EMPTY and its vCPU 0 waits, so its index is the result: 0."
            )
            turns.append(partial(send, to, text))
            said.append(f"sends “{text}” to VM {to}")
        if any("-1" in why for why in whys):
            break
    asked = rng.choice((1, 2))

    def primary() -> Any:
        yield configure()
        for vm in (1, 2):
            yield vcpu_run(vm)
        for turn in turns:
            yield turn()

    title = f"VM 1 and VM 2 wait. VM 0 {'; '.join(said)}."
    path = f"vm{asked}.mailbox.state"
    state = (
        f"“{held[asked]}” was delivered to a vCPU that waited, and VM {asked} has not cleared it since: READ."
        if asked in held
        else f"No message lies there: VM {asked} was sent none, or has cleared it: EMPTY."
    )
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, [reader, reader], title),
        questions=(
            *(
                Question(f"What does the {ORDINALS[at]} send return?", RESULTS, returned_at(sends(at)), result_of, why)
                for at, why in enumerate(whys)
            ),
            Question(f"In which state is VM {asked}'s mailbox after the third send?", ("EMPTY", "RECEIVED", "READ"),
                     changed_at(sends(2), path), state_of(path), state),
        ),
    )  # fmt: skip


def another_read_twice(prediction: Prediction, rng: Random) -> Prediction:
    """Of two VMs one clears what it has received, and VM 0 sends twice to one of them."""
    tidy, to = rng.choice((1, 2)), rng.choice((1, 2))
    first, second = rng.sample(("one", "two", "tea", "milk", "north", "south"), 2)

    def primary() -> Any:
        yield configure()
        for vm in (1, 2):
            yield vcpu_run(vm)
        for text in (first, second):
            yield send(to, text)
            yield vcpu_run(to)

    title = f"VM {tidy} clears each message that it has received, VM {3 - tidy} never does; both receive again and "
    title += (
        f"again. VM 0 runs both, sends “{first}” to VM {to} and runs it; then it sends it “{second}” and runs it again."
    )
    keeps = to != tidy
    full = f"VM {to} waits, but its mailbox is still READ: no room, -1. It waits for what nobody can send."
    room = f"VM {to} has cleared its mailbox and waits again, so the send succeeds and wakes vCPU 0: 0."
    once = f"1, “{first}”: “{second}” was refused, and VM {to} has locked itself out for good."
    twice = f"2: VM {to} makes room for the next message each time."
    blocked = f"VM {to} has taken “{first}”, and there is nothing new: it blocks, WAIT_FOR_INTERRUPT."
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, [reader, forgetful][:: 1 if tidy == 1 else -1], title),
        questions=(
            Question(f"After “{first}”: what does VM 0's vcpu_run({to}) return?",
                     ("YIELD", "WAIT_FOR_INTERRUPT", f"MESSAGE({len(first)} bytes)"), back_after(sends(0)), run_result,
                     blocked),
            Question("What does VM 0's second send return?", RESULTS, returned_at(sends(1)), result_of,
                     full if keeps else room),
            Question(f"How many messages has VM {to} received in the end?", ("0", "1", "2"),
                     lambda run: deliveries(run, to)[-1], lambda run, event: str(len(deliveries(run, to))),
                     once if keeps else twice),
        ),
    )  # fmt: skip


def back_after(find: Callable[[Run], Event]) -> Callable[[Run], Event]:
    """Finds the first switch back to VM 0 after an event."""
    return lambda run: next(
        event for event in run.events[find(run).seq :] if event.kind is Kind.SWITCH and event.target == Actor(0, 0)
    )


PREDICTIONS = (
    Prediction(
        "07-three-sends",
        "VM 1 waits. VM 0 sends “one”, then “two” at once; runs VM 1, which reads and clears; then sends “two” again.",
        three_sends,
        (
            Question("What does the first send return?", RESULTS, returned_at(sends(0)), result_of,
                     "VM 1's vCPU 0 was waiting, its index is the result: 0."),
            Question("And the second?", RESULTS, returned_at(sends(1)), result_of,
                     "The mailbox still holds “one”. There is room for one message only, so the send fails: -1."),
            Question("In which state is VM 1's mailbox after the second send?", ("EMPTY", "RECEIVED", "READ"),
                     changed_at(sends(1), "vm1.mailbox.state"), state_of("vm1.mailbox.state"),
                     "A failed send changes nothing. The mailbox is READ since the first send: VM 1 was waiting."),
            Question("And the third send?", RESULTS, returned_at(sends(2)), result_of,
                     "VM 1 has cleared its mailbox and waits again, so this send succeeds and wakes vCPU 0."),
        ),
        variant=another_three_sends,
    ),
    Prediction(
        "07-read-twice",
        "VM 1 receives “one”, does not clear, and receives again. Then VM 0 sends “two” and runs VM 1.",
        read_twice,
        (
            Question("VM 1's second receive: what does VM 0's vcpu_run(1) return?",
                     ("YIELD", "WAIT_FOR_INTERRUPT", "MESSAGE(3 bytes)"), switch_to(0, 2), run_result,
                     "The message was read already, so there is nothing new to receive: VM 1 blocks."),
            Question("What does VM 0's second send return?", RESULTS, returned_at(sends(1)), result_of,
                     "VM 1 waits, but its mailbox is still READ: no room, -1. It waits for what nobody can send."),
            Question("And the last vcpu_run(1)?", ("YIELD", "WAIT_FOR_INTERRUPT", "MESSAGE(3 bytes)"),
                     returned_at(call_of(0, HF_VCPU_RUN, 2)), run_result,
                     "VM 1 is blocked and nothing can wake it: it has locked itself out for good."),
        ),
        variant=another_read_twice,
    ),
)  # fmt: skip


def judge_second_send(answer: Script) -> Run:
    """The answer is the primary; VM 1 reads and clears."""
    run = boot_scripts(answer, [reader], "Three messages to one mailbox")
    got = delivered(run, 1)
    refused = refusals(run, 0, HF_MAILBOX_SEND)
    if not got:
        raise Wrong("VM 1 got no message: configure your pages, and run VM 1 once so that it configures its own.", run)
    if got == [b"one"] and refused:
        own = "clear() empties your own mailbox, not VM 1's. " * bool(calls(run, 0, HF_MAILBOX_CLEAR))
        raise Wrong(
            f"“one” arrived, what you sent next was refused (event {refused[0].seq}): VM 1's mailbox is READ until "
            f"VM 1 clears it. {own}And VM 1 clears it only when it runs.",
            run,
        )
    if got != [b"one", b"two", b"three"]:
        first = f" A send was refused (event {refused[0].seq})." if refused else ""
        texts = ", ".join(map(words.text_of, got))
        raise Wrong(f"VM 1 should get “one”, then “two”, then “three”; it got {texts}.{first}", run)
    return run


def judge_collector(answer: Script) -> Run:
    """The answer is the primary; VM 1 and VM 2 each try to send their name until it is taken."""

    def insistent(name: str) -> Script:
        def guest() -> Any:
            yield configure()
            result = -1
            while result == -1:
                result = yield send(0, name)

        return guest

    run = boot_scripts(answer, [insistent("Ada"), insistent("Bob")], "Two VMs that insist")
    got = delivered(run, 0)
    if not got:
        raise Wrong("No message arrived: configure your pages, then run VM 1 and VM 2.", run)
    if len(got) == 1:
        late = 2 if got == [b"Ada"] else 1
        tries = len(refusals(run, late, HF_MAILBOX_SEND))
        if tries:
            raise Wrong(
                f"VM {late} tried to send {tries} times and was refused every time: your mailbox is full. A send that "
                "fails does not give the CPU back, so it spins for ever. Clear before you run it.",
                run,
            )
        raise Wrong(f"VM {3 - late}'s message arrived. VM {late} did not run.", run)
    if run.at(len(run.events) - 1)["vm0.mailbox.state"] != "EMPTY":
        raise Wrong("Both messages arrived; clear the second one too.", run)
    return run


def in_order(steps: Sequence[str]) -> tuple[Run, list[bytes]]:
    """Do the steps in an order, while VM 0 sends the next message as soon as there is room: what was copied."""
    copied: list[bytes] = []

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield clear()
        waiting = ["first", "second"]
        for _ in range(2 * len(STEPS) + 2):
            if waiting and (yield send(1, waiting[0])) != -1:
                waiting.pop(0)
            yield vcpu_run(1)
            yield clear()

    def receiver() -> Any:
        yield configure()
        yield send(0, "ready")
        for step in steps:
            if step == "receive":
                yield receive(block=True)
            elif step == "clear":
                yield clear()
            else:
                copied.append((yield load(VM1_RECV_PAGE, 5)).to_bytes(5, "little"))
            yield send(0, f"done: {step}")

    return boot_scripts(primary, [receiver], " then ".join(steps)), copied


def judge_reading(answer: Sequence[str]) -> Run:
    """Only what was received is copied, and what was copied is cleared."""
    if sorted(answer) != sorted(STEPS):
        raise Wrong(f"Use each of the steps once: {', '.join(STEPS)}. You gave {', '.join(answer) or 'nothing'}.")
    run, copied = in_order(answer)
    right, _ = in_order(STEPS)
    if copied[:1] != [b"first"]:
        what = copied[0].rstrip(b"\0").decode("latin-1") if copied else "nothing"
        raise Wrong(
            f"The receiver copied “{what}”, not “first”: between your steps VM 0 sends as soon as there is room.",
            run,
            right,
        )
    if not any(gave(run, event) == 0 for event in calls(run, 1, HF_MAILBOX_CLEAR)):
        raise Wrong("The clear was refused: only a message that was received can be cleared.", run, right)
    if answer[0] != "receive":
        raise Wrong("It worked by luck: before receive returns, nobody has said that there is a message.", run, right)
    return run


# 07-second-send


def solve_second_send():
    yield configure()
    yield vcpu_run(1)
    for text in ("one", "two", "three"):
        yield send(1, text)
        yield vcpu_run(1)


def second_send_sends_all_in_a_row():
    yield configure()
    yield vcpu_run(1)
    for text in ("one", "two", "three"):
        yield send(1, text)
    yield vcpu_run(1)


def second_send_is_the_one_of_above():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield send(1, "two")
    yield vcpu_run(1)
    yield send(1, "two")


def second_send_does_not_look_whether_it_was_refused():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield vcpu_run(1)
    yield send(1, "two")
    yield send(1, "three")
    yield vcpu_run(1)


def second_send_clears_its_own_mailbox():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield clear()
    yield send(1, "two")
    yield vcpu_run(1)


def second_send_never_lets_vm_1_start():
    yield configure()
    yield send(1, "one")
    yield send(1, "two")


# 07-collector


def solve_collector():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
        yield clear()


def collector_clears_at_the_end_only():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield clear()


def collector_clears_before_each_run():
    yield configure()
    for vm in (1, 2):
        yield clear()
        yield vcpu_run(vm)


def collector_runs_vm_1_only():
    yield configure()
    yield vcpu_run(1)
    yield clear()


def collector_forgets_the_last_clear():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
        if vm == 1:
            yield clear()


EXERCISES = (
    Exercise(
        id="07-second-send",
        task="a primary that delivers “one”, “two” and “three” to VM 1, which reads and clears when it runs.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_second_send,
        learned="the second send has room when the receiver has cleared, and the receiver clears only when it runs.",
        hints=(
            "The second send fails as long as VM 1's mailbox is not EMPTY. Who can empty it?",
            "Only VM 1 clears its mailbox, and only when it runs. Who decides that it runs?",
            "Between any two sends: yield vcpu_run(1).",
        ),
        solution=solve_second_send,
        wrong={
            "sends all in a row": (second_send_sends_all_in_a_row, "what you sent next was refused (event"),
            "the primary of above": (second_send_is_the_one_of_above, "it got “one”, “two”. A send"),
            "two in a row": (second_send_does_not_look_whether_it_was_refused, "it got “one”, “two”. A send"),
            "clears its own mailbox": (second_send_clears_its_own_mailbox, "empties your own mailbox"),
            "never lets VM 1 start": (second_send_never_lets_vm_1_start, "VM 1 got no message"),
        },
    ),
    Exercise(
        id="07-collector",
        task="a primary that collects one message each from VM 1 and VM 2.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_collector,
        learned="a primary's mailbox pushes back as any other, and who tries again in a loop keeps the CPU.",
        hints=(
            "Your own mailbox has room for one message too.",
            "A send that fails returns -1 at once and keeps the CPU: whoever tries again and again never yields it.",
            "After each vcpu_run: yield clear().",
        ),
        solution=solve_collector,
        wrong={
            "clears at the end only": (collector_clears_at_the_end_only, "spins for ever"),
            "clears before each run": (collector_clears_before_each_run, "clear the second one too"),
            "runs VM 1 only": (collector_runs_vm_1_only, "did not run"),
            "forgets the last clear": (collector_forgets_the_last_clear, "clear the second one too"),
        },
    ),
    Exercise(
        id="07-order",
        task='the steps of a receiver in the right order, as a list: ["copy", "clear", "receive"] is a wrong one.',
        wants="a list of the three steps as texts",
        takes=forms.order_of(("copy", "clear", "receive")),
        judge=judge_reading,
        learned="receive, copy, clear: a clear says that the page may be overwritten.",
        hints=(
            "Clearing says: the hypervisor may overwrite my page now.",
            "So everything that you want to keep must be copied before the clear.",
            'Receive, then copy, then clear: ["receive", "copy", "clear"].',
        ),
        solution=["receive", "copy", "clear"],
        wrong={
            "clears before it copies": (["receive", "clear", "copy"], "not “first”"),
            "copies before it receives": (["copy", "receive", "clear"], "by luck"),
            "leaves one out": (["receive", "clear"], "Use each of the steps once"),
        },
        pieces=("copy", "clear", "receive"),
    ),
)
LEARN = "what a mailbox with room for one message means for a sender"
TERMS = {
    "refused": "Answered with -1, and nothing has changed.",
    "back-pressure": "A full receiver makes its senders wait or try again, so that nothing has to be queued or "
    "dropped.",
}
