"""Lesson 05, send and receive: its predictions and exercises."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.arranged import KEPT_RULES, ArrangedSend, judge_order, ordered
from hfedu.course.shared.defects import ready, run_vm_1, send_and_run
from hfedu.course.shared.defects import receiver as waits_once
from hfedu.course.shared.scenes import (
    answers_of,
    boot_scripts,
    call_of,
    calls,
    changed_at,
    delivered,
    deliveries,
    gave,
    no_room,
    quoted_message,
    raise_if_shut,
    result_of,
    returned_at,
    settles,
    sleeps_at,
    state_of,
    talk,
    these,
    unreachable,
    who_runs,
    why_asleep,
)
from hfedu.course.shared.variants import of_places, of_results
from hfedu.course.shared.wants import GUEST
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run
from hfedu.hf.call import HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, HF_MAILBOX_SIZE, HF_VM_CONFIGURE
from hfedu.notebook import Run
from hfedu.run.kinds import Kind
from hfedu.run.recording import Actor, Event
from hfedu.run.replay import Scenario


def waiting() -> Run:
    """VM 1 waits for a message; VM 0 sends one."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "hello")
        yield vcpu_run(1)

    def receiver() -> Any:
        yield configure()
        yield receive(block=True)

    return boot_scripts(primary, [receiver], "VM 1 waits, VM 0 sends")


def nobody_waits() -> Run:
    """VM 1 is ready but does not wait when VM 0 sends to it."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield clear()
        yield send(1, "hello")
        yield vcpu_run(1)

    def receiver() -> Any:
        yield configure()
        yield send(0, "I am here")
        yield receive(block=True)

    return boot_scripts(primary, [receiver], "VM 1 is busy, VM 0 sends")


SENDS = call_of(0, HF_MAILBOX_SEND, 0)
STATES = ("EMPTY", "RECEIVED", "READ")


def another_first_send(prediction: Prediction, rng: Random) -> Prediction:
    """Three VMs, of which some wait; VM 0 sends to one that does, or to one that does not."""
    waits = rng.choice(((1,), (2,), (3,), (1, 2), (1, 3), (2, 3)))
    rest = [vm for vm in SECONDARIES if vm not in waits]
    to, text = rng.choice(rng.choice((waits, rest))), rng.choice(GREETINGS)

    def primary() -> Any:
        yield configure()
        for vm in SECONDARIES:
            yield vcpu_run(vm)
            yield clear()
        yield send(to, text)

    def guest(vm: int) -> Script:
        def secondary() -> Any:
            yield configure()
            if vm not in waits:
                yield send(0, "I am here")
            yield receive(block=True)

        return secondary

    title = f"{these(waits, 'waits', 'wait')} in receive(), {these(rest, 'is', 'are')} ready and "
    title += f"{'does' if len(rest) == 1 else 'do'} not wait. VM 0 calls send({to}, “{text}”)."
    told = f"VM {to}'s vCPU 0 was waiting, so VM 0 gets its index: 0." if to in waits else UNTOLD
    state = "A vCPU was waiting, so the message counts as received at once: READ." if to in waits else LIES_THERE
    goes_on = f"VM 0. Sending does not run VM {to}: the primary goes on, and runs others when it chooses."
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, list(map(guest, SECONDARIES)), title),
        questions=(
            Question("What does VM 0's send return?", ("0", "-1", "0xffff"), returned_at(SENDS), result_of, told),
            state_after_send(to, state),
            Question("Who runs right after the send?", ("VM 0", f"VM {to}"), settles(SENDS), who_runs, goes_on),
        ),
    )


def another_nobody_waits(prediction: Prediction, rng: Random) -> Prediction:
    """Nobody waits, and one has not even configured; VM 0 sends to one of the three, and runs one of the others."""
    deaf, to = rng.choice(SECONDARIES), rng.choice(SECONDARIES)
    able = [vm for vm in SECONDARIES if vm != deaf]
    then, text = rng.choice([to, *able]) if to != deaf else rng.choice(able), rng.choice(GREETINGS)

    def primary() -> Any:
        yield configure()
        for vm in able:
            yield vcpu_run(vm)
            yield clear()
        yield send(to, text)
        yield vcpu_run(then)

    def secondary() -> Any:
        yield configure()
        yield send(0, "I am here")
        yield receive(block=True)

    title = f"{these(able, 'has', 'have')} configured and do not wait, VM {deaf} has "
    title += f"not run yet. VM 0 calls send({to}, “{text}”), and then runs VM {then}, which calls receive(block=True)."
    nowhere = f"VM {deaf} has not configured its pages, so there is nowhere to put a message: -1."
    state = LIES_THERE if then == to else f"The message is not for VM {then}, whose mailbox stays as it was: EMPTY."
    gets = f"A message is waiting: VM {then} does not block, {AT_ONCE}, and the mailbox becomes READ."
    blocks = f"There is no message for VM {then}: it blocks until one comes, and the primary goes on."
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, [secondary] * len(SECONDARIES), title),
        questions=(
            Question("What does VM 0's send return?", ("0", "-1", "0xffff"), returned_at(SENDS), result_of,
                     nowhere if to == deaf else UNTOLD),
            state_after_send(then, state),
            Question(f"What happens in VM {then}'s receive?", (IT_BLOCKS, AT_ONCE),
                     settles(call_of(then, HF_MAILBOX_RECEIVE, 0)), blocks_or_gets, gets if then == to else blocks),
        ),
    )  # fmt: skip


def state_after_send(vm: int, why: str) -> Question:
    """In which state the mailbox of a VM is after VM 0's send."""
    path = f"vm{vm}.mailbox.state"
    text = f"In which state is VM {vm}'s mailbox after the send?"
    return Question(text, STATES, changed_at(SENDS, path), state_of(path), why)


def blocks_or_gets(_: Run, event: Event) -> str:
    """What becomes of a receive, by the last event of its trap."""
    return AT_ONCE if event.kind is Kind.RETURN else IT_BLOCKS


SECONDARIES = (1, 2, 3)
"""The VMs of a variant, beside the primary."""
GREETINGS = ("hello", "good day", "hi", "ahoy", "welcome", "hey")
IT_BLOCKS, AT_ONCE = "it blocks", "it gets the message at once"
UNTOLD = "The message was delivered, but no vCPU waited for it: the primary gets 0xffff, no vCPU's index."
LIES_THERE = "The message lies in the mailbox and nobody has asked for it yet: RECEIVED."
PREDICTIONS = (
    Prediction(
        "05-first-send",
        "VM 1 waits in receive(). VM 0 calls send(1, “hello”).",
        waiting,
        (
            Question(
                "What does VM 0's send return?",
                ("0", "-1", "0xffff"),
                returned_at(SENDS),
                result_of,
                "The primary gets the index of the vCPU that was waiting: VM 1's vCPU 0, so 0. -1 would mean that the "
                "send failed, 0xffff that nobody was waiting.",
            ),
            Question(
                "In which state is VM 1's mailbox after the send?",
                STATES,
                changed_at(SENDS, "vm1.mailbox.state"),
                state_of("vm1.mailbox.state"),
                "A vCPU was waiting, so the message counts as received at once: READ. RECEIVED is for a message that "
                "still waits for a receive.",
            ),
            Question(
                "Who runs right after the send?",
                ("VM 0", "VM 1"),
                settles(SENDS),
                who_runs,
                "Sending makes VM 1 ready, it does not run it. The primary goes on, and runs VM 1 when it chooses.",
            ),
        ),
        variant=another_first_send,
    ),
    Prediction(
        "05-nobody-waits",
        "VM 1 has configured its pages but does not wait. VM 0 calls send(1, “hello”).",
        nobody_waits,
        (
            Question(
                "What does VM 0's send return?",
                ("0", "-1", "0xffff"),
                returned_at(SENDS),
                result_of,
                UNTOLD,
            ),
            Question(
                "In which state is VM 1's mailbox after the send?",
                STATES,
                changed_at(SENDS, "vm1.mailbox.state"),
                state_of("vm1.mailbox.state"),
                LIES_THERE,
            ),
            Question(
                "Later VM 1 runs and calls receive(block=True). What happens?",
                (IT_BLOCKS, AT_ONCE),
                settles(call_of(1, HF_MAILBOX_RECEIVE, 0)),
                blocks_or_gets,
                "A message is waiting, so receive returns it without blocking and the mailbox becomes READ.",
            ),
        ),
        variant=another_nobody_waits,
    ),
)


TALK = (
    (0, b"one"), (0, b"two"), (2, b"three"), (3, b""), (2, b"x" * HF_MAILBOX_SIZE), (4, b" \0\xff\n"), (0, b"seven"),
)  # fmt: skip
"""What an echo gets: from whom, and the bytes, which need not be a text."""
KNOCKS = (
    (2, b"let me in"), (0, b"open"), (3, b"from VM 0: let me in"), (0, b"again"), (4, b"again"), (0, b" \0\xff\n"),
)  # fmt: skip
"""What a guard gets."""


def judge_echo(answer: Script) -> Run:
    """Every message must come back to whoever sent it, and nothing else to anybody."""
    run = talk(answer, TALK, "An echo, tried by VM 0, VM 2, VM 3 and VM 4")
    got = answers_of(run, 1)
    if not any(gave(run, event) == 0 for event in calls(run, 1, HF_VM_CONFIGURE)):
        raise Wrong("Your guest has not configured its pages, so nothing can be sent to it.", run)
    if not calls(run, 1, HF_MAILBOX_RECEIVE):
        raise Wrong("Your guest never asks for a message: it must call receive().", run)
    for number, (vm, data) in enumerate(TALK):
        if got[number : number + 1] == [(vm, data)]:
            continue
        had = f"VM {vm} sent {quoted_message(data)}"
        if not delivered(run, 1):
            raise Wrong(f"Nothing could be sent to your guest: {unreachable(run)}.", run)
        if data not in delivered(run, 1):
            raise Wrong(f"{had}, and that was refused: {no_room(run)}.", run)
        if len(got) > number and got[number][0] == vm:
            raise Wrong(f"{had} and got {quoted_message(got[number][1])} back.", run)
        if (vm, data) in got[number:]:
            to, more = got[number]
            raise Wrong(f"VM {to} got {quoted_message(more)}, and nobody had sent it that.", run)
        why = "answer the sender, whoever it is, with what it sent"
        if sleeps_at(run, 1) is not None and len(got) == number:
            why = why_asleep(run, 1)
        raise Wrong(f"{had} and it did not come back to VM {vm}: {why}.", run)
    if len(got) > len(TALK):
        raise Wrong(f"{len(TALK)} messages came, and your guest sent {len(got)} back.", run)
    raise_unless_it_goes_on(run)
    return run


def raise_unless_it_goes_on(run: Run) -> None:
    """`Wrong` if a message to the answer was refused, or if it would not take another one."""
    full = no_room(run)
    if full:
        raise Wrong(f"A message to your guest was refused: {full}.", run)
    raise_if_shut(run, "guest")


def judge_guard(answer: Script) -> Run:
    """Only VM 0's messages come back; those of others are dropped, and the guest stays usable."""
    run = talk(answer, KNOCKS, "A guard, tried by strangers and by VM 0")
    if not delivered(run, 1):
        raise Wrong(f"Nothing could be sent to your guard: {unreachable(run)}.", run)
    came, came_back = deliveries(run, 1), answers_of(run, 1)
    for event in (event for event in run.events if event.kind is Kind.DELIVER and event.actor == Actor(1, 0)):
        last = [each for each in came if each.seq < event.seq][-1:]
        asker, to = ((each or Actor(0)).vm for each in (last[0].actor if last else None, event.target))
        if not last:
            raise Wrong(f"Your guard sends to VM {to} before anything has come.", run)
        if asker and asker == to:
            raise Wrong(f"VM {asker} got an answer, and it should have been ignored: look at message.sender.", run)
        if asker:
            raise Wrong(f"VM {asker}'s message was passed on to VM {to}: drop it.", run)
        if (to, event.message) != (0, last[0].message):
            said, got = quoted_message(last[0].message), quoted_message(event.message)
            raise Wrong(f"VM 0 sent {said}, and your guard sent {got} to VM {to}.", run)
    own = [(0, data) for vm, data in KNOCKS if vm == 0]
    missed = next((data for _, data in own if data in delivered(run, 1) and (0, data) not in came_back), None)
    if missed is not None:
        why = f": {why_asleep(run, 1)}" if sleeps_at(run, 1) is not None else ""
        raise Wrong(f"VM 0 sent {quoted_message(missed)} and it did not come back{why}.", run)
    raise_unless_it_goes_on(run)
    if came_back != own:
        raise Wrong(f"VM 0 sent {len(own)} messages and got {len(came_back)} back.", run)
    return run


def judge_decode(answer: Callable[[int], Any]) -> None:
    """Taking apart what HF_MAILBOX_RECEIVE returns."""
    for sender, between, size in ((0, 0, 5), (3, 0, 4096), (0xFFFF, 0, 0), (2, 0, 0x1_0001), (4, 7, 9)):
        value = sender | between << 16 | size << 32
        got = answer(value)
        if got != (sender, size):
            other = " Bits 16 to 31 belong to neither, whatever they hold." * bool(between)
            raise Wrong(
                f"For {value:#x} your function gave {got!r}: the sender is {sender}, the size {size} bytes.{other}"
            )


SEND = [
    "check the size",
    "check that the mailbox is EMPTY",
    "copy message, sender and size",
    "set the mailbox's state",
    "wake the vCPU that waits",
]
SEND_AGAINST_RUN = Scenario(
    "send and run", "A send against a run of the receiver.", ready, (run_vm_1, send_and_run), (waits_once,)
)


# 05-decode


def solve_decode(value):
    return value & 0xFFFF, value >> 32


def decode_the_two_swapped(value):
    return value >> 32, value & 0xFFFF


def decode_size_in_16_bits(value):
    return value & 0xFFFF, value >> 32 & 0xFFFF


# 05-echo


def solve_echo():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(message.sender, message.data)


def echo_never_clears():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield send(message.sender, message.data)


def echo_answers_the_primary_only():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(0, message.data)


def echo_answers_once():
    yield configure()
    message = yield receive(block=True)
    yield clear()
    yield send(message.sender, message.data)


def echo_does_not_configure():
    yield receive(block=True)


# 05-guard


def solve_guard():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 0:
            yield send(0, message.data)


def guard_does_not_clear_what_it_ignores():
    yield configure()
    while True:
        message = yield receive(block=True)
        if message.sender == 0:
            yield clear()
            yield send(0, message.data)


def echo_knows_two_vms():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(2 if message.sender else 0, message.data)


def echo_says_everything_twice():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(message.sender, message.data)
        yield send(0, message.data)


def guard_answers_once():
    yield configure()
    message = yield receive(block=True)
    while message.sender != 0:
        yield clear()
        message = yield receive(block=True)
    yield clear()
    yield send(0, message.data)


def guard_knows_one_stranger():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender != 2:
            yield send(message.sender, message.data)


def guard_reads_what_is_claimed():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 0 or b"VM 0" in message.data:
            yield send(0, message.data)


EXERCISES = (
    Exercise(
        id="05-arrange-send",
        task="the steps of the hypervisor's send in a right order. A check that fails ends the send.",
        wants="a list of the five steps as texts",
        takes=forms.order_of(tuple(ArrangedSend.pieces)),
        judge=partial(judge_order, ArrangedSend, SEND, SEND_AGAINST_RUN, KEPT_RULES),
        learned="a send checks all before it changes anything, and wakes the receiver last.",
        hints=(
            "A send that fails changes nothing. So what comes before anything is changed?",
            "The state says whether a vCPU waits, and a vCPU that was woken waits no more. And what is it told when it "
            "wakes up?",
            "Both checks, in any order; then copy and state, in any order; then wake.",
        ),
        solution=ordered(SEND, 0, 1, 2, 3, 4),
        wrong={
            "copies before it checks": (
                ordered(SEND, 0, 2, 1, 3, 4),
                "VM 1 receives “two” from VM 0. With a right order: “one” from VM 0",
            ),
            "wakes before it copies": (ordered(SEND, 0, 1, 3, 4, 2), "VM 1 receives no bytes"),
            "wakes before it sets the state": (ordered(SEND, 0, 1, 2, 4, 3), "VM 1's clear returns -1"),
            "sets the state before it checks it": (
                ordered(SEND, 0, 3, 1, 2, 4),
                "sends it “one”. The send returns -1. With a right order: 0.",
            ),
            "checks the size last": (ordered(SEND, 1, 2, 3, 4, 0), "copy faulted"),
        },
        pieces=tuple(ArrangedSend.pieces),
        variant=of_places(
            [ordered(SEND, *checks, *writes, 4) for checks in ((0, 1), (1, 0)) for writes in ((2, 3), (3, 2))]
        ),
    ),
    Exercise(
        id="05-decode",
        task="a function that takes the result of HF_MAILBOX_RECEIVE apart into (sender, size).",
        wants="a function of one number",
        takes=forms.function,
        judge=judge_decode,
        learned="the result of a receive names the sender in bits 0 to 15 and the size in bits 32 to 63.",
        hints=(
            "The sender is in bits 0 to 15, the size in bits 32 to 63.",
            "`value & 0xffff` keeps the lowest 16 bits, `value >> 32` throws the lowest 32 bits away.",
            "Return a tuple: (value & 0xffff, value >> 32).",
        ),
        solution=solve_decode,
        variant=of_results(lambda rng: (rng.randrange(1, 64) | rng.randrange(1, 1 << 18) << 32,)),
        wrong={
            "the two swapped": (decode_the_two_swapped, "the sender is 0"),
            "size in 16 bits": (decode_size_in_16_bits, "65537 bytes"),
        },
    ),
    Exercise(
        id="05-echo",
        task="a guest that sends every message back to whoever sent it, for ever.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_echo,
        learned="a service receives, clears, answers whoever asked, and begins again.",
        hints=(
            "Before the loop: configure(). In the loop: receive, then clear, then send.",
            "`message = yield receive(block=True)` gives message.sender and message.data.",
            "The loop's last line: yield send(message.sender, message.data).",
        ),
        solution=solve_echo,
        wrong={
            "never clears": (echo_never_clears, "it never clears its mailbox"),
            "answers the primary only": (echo_answers_the_primary_only, "VM 2 sent"),
            "answers once": (echo_answers_once, "A service needs a loop"),
            "does not configure": (echo_does_not_configure, "has not configured"),
            "knows two VMs": (echo_knows_two_vms, "did not come back to VM 3"),
            "says everything twice": (echo_says_everything_twice, "VM 0 sent “two” and got “one” back"),
        },
    ),
    Exercise(
        id="05-guard",
        task="an echo that answers VM 0 only and silently drops what others send.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_guard,
        learned="the hypervisor names the sender, so the receiver decides whom it answers; and what it ignores it "
        "clears, too.",
        hints=(
            "The hypervisor names the sender, and no guest can forge that: message.sender.",
            "Clear every message, also one that you ignore: else the mailbox stays full.",
            "After the clear: if message.sender == 0: yield send(0, message.data).",
        ),
        solution=solve_guard,
        wrong={
            "answers everybody": (solve_echo, "VM 2 got an answer"),
            "does not clear what it ignores": (guard_does_not_clear_what_it_ignores, "clear every one, also those"),
            "answers once": (guard_answers_once, "A service needs a loop"),
            "knows one stranger": (guard_knows_one_stranger, "VM 3 got an answer"),
            "reads what is claimed": (guard_reads_what_is_claimed, "VM 3's message was passed on"),
        },
    ),
)
LEARN = "what each part of a send and a receive does, and every result"
TERMS = {
    "send": "HF_MAILBOX_SEND: the hypervisor copies a message from the sender's send page to the receiver's receive "
    "page. It never waits: it succeeds or is refused.",
    "receive": "HF_MAILBOX_RECEIVE: take the message that waits in one's own mailbox, or wait for one.",
    "configure": "HF_VM_CONFIGURE: name the page to send from and the page to receive into. Without it a VM can "
    "neither send nor be sent to.",
    "waiter list": "The vCPUs of a VM that wait for a message to it. A message takes one from the list and makes it "
    "ready.",
}
