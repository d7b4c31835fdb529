"""Lesson 08, any VM to any VM: its predictions and exercises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from random import Random
from typing import Any, NamedTuple

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_scripts,
    call_of,
    calls,
    delivered,
    deliveries,
    follow,
    judge_all,
    no_room,
    quoted_message,
    raise_if_shut,
    refusals,
    result_of,
    returned_at,
    run_result,
    switch_after,
    switch_to,
    unreachable,
    who_runs,
)
from hfedu.course.shared.wants import GUEST
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, vm_count
from hfedu.hf.call import (
    HF_MAILBOX_SEND,
    hf_mailbox_receive_return,
)
from hfedu.notebook import Run
from hfedu.run.kinds import Kind
from hfedu.run.recording import Actor, Event
from hfedu.run.words import text_of, vm_of

LEARN = "who names whom, what cannot be forged, and how to live with neighbours who lie"
TERMS = {
    "router": "What passes a message on to the receiver that it names, and does not look at what is inside.",
    "mechanism": "What makes something possible, here to deliver a message and to name its sender.",
    "policy": "The decision what to do with a mechanism, here whom to answer and what to do when a mailbox is full.",
    "spoofing": "To claim to be somebody else. A VM can do it in the bytes of a message only: the hypervisor names the "
    "sender.",
    "access control": "The decision who may have what. Here the receiver makes it, by the number of the sender.",
    "starvation": "Somebody never gets what it waits for, a turn or room in a mailbox, because others always come "
    "first.",
    "denial of service": "To keep others from being served without breaking into anything, for instance by keeping a "
    "mailbox full.",
}
"""The terms that this lesson is the first to explain."""


def relay() -> Any:
    """Sends each message on to the VM that its first byte names, without that byte."""
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.data:
            yield send(message.data[0], message.data[1:])


def forged() -> Run:
    """VM 2 claims in its message to be VM 0."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        yield vcpu_run(1)

    def service() -> Any:
        yield configure()
        yield receive(block=True)

    def liar() -> Any:
        yield configure()
        yield send(1, "from VM 0: open")

    return boot_scripts(primary, [service, liar], "VM 2 says that it is VM 0")


def busy() -> Run:
    """VM 2 sends to VM 1, which is ready and does not wait."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        yield vcpu_run(1)

    def service() -> Any:
        yield configure()
        yield send(0, "here")
        yield receive(block=True)

    def client() -> Any:
        yield configure()
        yield send(1, "hello")

    return boot_scripts(primary, [service, client], "VM 1 does not wait, VM 2 sends to it")


def full() -> Run:
    """VM 2 sends to VM 1 twice, and VM 0 once, before VM 1 runs."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        yield vcpu_run(2)
        yield send(1, "urgent")

    def service() -> Any:
        yield configure()
        yield receive(block=True)

    def chatty() -> Any:
        yield configure()
        yield send(1, "bla")
        yield send(1, "bla bla")

    return boot_scripts(primary, [service, chatty], "VM 2 is faster")


def sender_told(run: Run, event: Event) -> str:
    """The sender that a receive names when it returns, as the questions offer it."""
    return f"VM {hf_mailbox_receive_return(event.result or 0)[0]}"


THREE = (1, 2, 3)
"""The secondaries of a variant."""


def another_forged(prediction: Prediction, rng: Random) -> Prediction:
    """One of three VMs sends to another and says that it is somebody."""
    to, sender = rng.sample(THREE, 2)
    claimed = rng.choice([vm for vm in (0, *THREE) if vm != to])
    text = f"from VM {claimed}: {rng.choice(('open', 'close', 'stop', 'go on'))}"

    def primary() -> Any:
        yield configure()
        for vm in (to, sender, to):
            yield vcpu_run(vm)

    def guest(vm: int) -> Script:
        def secondary() -> Any:
            yield configure()
            yield send(to, text) if vm == sender else receive(block=True)

        return secondary

    title = f"VM {to} waits in receive(). VM {sender} sends it “{text}”."
    goes_on, has_it = f"VM {sender}, which goes on", f"VM {to}, which has a message"
    runs = {"VM 0": "VM 0, the primary", f"VM {to}": has_it, f"VM {sender}": goes_on}
    woken = switch_after(call_of(sender, HF_MAILBOX_SEND, 0))
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, list(map(guest, THREE)), title),
        questions=(
            Question(f"Which sender does VM {to}'s receive name?", tuple(f"VM {vm}" for vm in (0, *THREE)),
                     switch_to(to, 1), sender_told,
                     f"The hypervisor takes the number of the VM that made the call: VM {sender}. What the text claims "
                     "it does not read."),
            Question(f"Who runs right after VM {sender}'s send?", (has_it, goes_on, "VM 0, the primary"), woken,
                     lambda run, event: runs[who_runs(run, event)],
                     "A secondary that sends is switched out, whoever the message is for: VM 0, the primary, runs."),
            Question(f"What does VM 0's vcpu_run({sender}) return then?",
                     (f"MESSAGE({len(text)} bytes)", f"WAKE_UP(VM {to}, vCPU 0)", "WAIT_FOR_INTERRUPT"), woken,
                     run_result,
                     f"VM 0 is told whom the message woke: WAKE_UP(VM {to}, vCPU 0). It learns neither the size nor "
                     "the bytes: they lie in memory that it cannot read."),
        ),
    )  # fmt: skip


def another_busy(prediction: Prediction, rng: Random) -> Prediction:
    """One of three VMs sends to another, which waits, or does not."""
    to, sender = rng.sample(THREE, 2)
    waits, text = rng.choice((True, False)), rng.choice(("hello", "good day", "ahoy"))

    def primary() -> Any:
        yield configure()
        yield vcpu_run(to)
        yield vcpu_run(sender)

    def guest(vm: int) -> Script:
        def secondary() -> Any:
            yield configure()
            if vm == sender:
                yield send(to, text)
            elif not waits:
                yield send(0, "here")
            yield receive(block=True)

        return secondary

    title = (
        f"VM {to} {'waits' if waits else 'is ready and does not wait'} for a message. VM {sender} sends it “{text}”."
    )
    sends = call_of(sender, HF_MAILBOX_SEND, 0)
    woken, anybody = f"WAKE_UP(VM {to}, vCPU 0)", f"WAKE_UP(VM {to}, any vCPU)"
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, list(map(guest, THREE)), title),
        questions=(
            Question(f"What does VM {sender}'s send return?", ("0", "-1", "0xffff"), returned_at(sends), result_of,
                     "A secondary is told 0 for every send that succeeds. Which vCPU was waiting, or that none was, is "
                     "the primary's business."),
            Question(f"What does VM 0's vcpu_run({sender}) return?", ("YIELD", woken, anybody), switch_after(sends),
                     run_result,
                     f"VM {to}'s vCPU 0 waited, and is woken: {woken}." if waits else
                     f"There is a message for VM {to}, and no vCPU waited for it: {anybody}. The primary chooses which "
                     "one to run."),
        ),
    )  # fmt: skip


def another_full(prediction: Prediction, rng: Random) -> Prediction:
    """Two sends of one VM and one of the primary to a third, which reads and clears once in between, or not at all."""
    to, sender = rng.sample(THREE, 2)
    reads = rng.choice(("never", "after the first", "after the second"))
    one, two = rng.sample(("bla", "bla bla", "news", "more news"), 2)
    urgent = rng.choice(("urgent", "now", "fire"))

    def primary() -> Any:
        yield configure()
        yield vcpu_run(to)
        yield vcpu_run(sender)
        if reads == "after the first":
            yield vcpu_run(to)
        yield vcpu_run(sender)
        if reads == "after the second":
            yield vcpu_run(to)
        yield send(to, urgent)

    def guest(vm: int) -> Script:
        def secondary() -> Any:
            yield configure()
            if vm == sender:
                yield send(to, one)
                yield send(to, two)
            while True:
                yield receive(block=True)
                yield clear()

        return secondary

    run = "" if reads == "never" else f" VM {to} runs, reads and clears {reads} of these sends."
    title = (
        f"VM {to} waits. VM {sender} sends it “{one}”, is run again and sends it “{two}”.{run} Then VM 0 sends VM {to} "
    )
    title += f"“{urgent}”."
    first, second = reads == "after the first", reads == "after the second"
    empty = f"VM {to} has read and cleared since the first send, so there is room: 0."
    full = f"VM {to}'s mailbox is full until VM {to} clears it, and VM {to} has not run: -1."
    taken = "The room is taken, and the primary has no privilege here: -1."
    room = f"VM {to} has cleared its mailbox and waits again: VM 0 gets the index of the vCPU that is woken, 0."
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, list(map(guest, THREE)), title),
        questions=(
            Question(f"What does VM {sender}'s second send return?", ("0", "-1", "0xffff"),
                     returned_at(call_of(sender, HF_MAILBOX_SEND, 1)), result_of, empty if first else full),
            Question("And VM 0's send?", ("0", "-1", "0xffff"), returned_at(call_of(0, HF_MAILBOX_SEND, 0)),
                     result_of, room if second else taken),
        ),
    )  # fmt: skip


PREDICTIONS = (
    Prediction(
        "08-forged",
        "VM 1 waits in receive(). VM 2 sends it “from VM 0: open”.",
        forged,
        (
            Question(
                "Which sender does VM 1's receive name?",
                ("VM 0", "VM 1", "VM 2"),
                switch_to(1, 1),
                sender_told,
                "The hypervisor takes the number of the VM that made the call. What the text claims it does not read.",
            ),
            Question(
                "Who runs right after VM 2's send?",
                ("VM 1, which has a message", "VM 2, which goes on", "VM 0, the primary"),
                switch_after(call_of(2, HF_MAILBOX_SEND, 0)),
                lambda run, event: {
                    "VM 0": "VM 0, the primary", "VM 1": "VM 1, which has a message", "VM 2": "VM 2, which goes on",
                }[who_runs(run, event)],
                "A secondary that sends is switched out, whoever the message is for. The primary is told whom it woke, "
                "and decides.",
            ),
            Question(
                "What does VM 0's vcpu_run(2) return then?",
                ("MESSAGE(15 bytes)", "WAKE_UP(VM 1, vCPU 0)", "WAIT_FOR_INTERRUPT"),
                switch_after(call_of(2, HF_MAILBOX_SEND, 0)),
                run_result,
                "VM 0 learns who sent, for it ran VM 2, and to whom: WAKE_UP(VM 1, vCPU 0). It does not learn the "
                "size, nor the bytes: they lie in VM 1's memory, which VM 0 cannot read.",
            ),
        ),
        variant=another_forged,
    ),
    Prediction(
        "08-busy",
        "VM 1 is ready and does not wait for a message. VM 2 sends it one.",
        busy,
        (
            Question(
                "What does VM 2's send return?",
                ("0", "-1", "0xffff"),
                returned_at(call_of(2, HF_MAILBOX_SEND, 0)),
                result_of,
                "A secondary is told 0 for every send that succeeds. Which vCPU was waiting, or that none was, is the "
                "primary's business.",
            ),
            Question(
                "What does VM 0's vcpu_run(2) return?",
                ("YIELD", "WAKE_UP(VM 1, vCPU 0)", "WAKE_UP(VM 1, any vCPU)"),
                switch_after(call_of(2, HF_MAILBOX_SEND, 0)),
                run_result,
                "There is a message for VM 1, and no vCPU waited for it: 0xffff in the place of the vCPU. The primary "
                "chooses which one to run.",
            ),
        ),
        variant=another_busy,
    ),
    Prediction(
        "08-full",
        "VM 1 waits. VM 2 sends it “bla”, is run again and sends “bla bla”. Then VM 0 sends VM 1 “urgent”.",
        full,
        (
            Question("What does VM 2's second send return?", ("0", "-1", "0xffff"),
                     returned_at(call_of(2, HF_MAILBOX_SEND, 1)), result_of,
                     "VM 1's mailbox is full until VM 1 clears it, and VM 1 has not run: -1."),
            Question("And VM 0's send?", ("0", "-1", "0xffff"), returned_at(call_of(0, HF_MAILBOX_SEND, 0)),
                     result_of,
                     "The room is taken, and the primary has no privilege here: -1. VM 1 will never learn of it."),
        ),
        variant=another_full,
    ),
)  # fmt: skip


class Way(NamedTuple):
    """A way through the VMs, from VM 0 over VM 1 and home, and what comes home."""

    vms: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        return " to ".join(f"VM {vm}" for vm in self.vms)

    def data(self, *before: int) -> bytes:
        """What VM 0 sends so that it goes this way."""
        return bytes([*before, *self.vms[2:]]) + self.text.encode()


def judge_route(wanted: Way, answer: bytes) -> Run:
    """VM 0 sends the answer to VM 1; all relays pass on what they get."""
    secondaries = max(wanted.vms)

    def primary() -> Any:
        yield configure()
        for vm in range(1, secondaries + 1):
            yield vcpu_run(vm)
        yield send(1, answer)
        yield from follow(1)

    run = boot_scripts(primary, [relay] * secondaries, "A message that carries its route")
    way = [0, *((event.target or Actor(0)).vm for event in run.events if event.kind is Kind.DELIVER)]
    went = " to ".join(f"VM {vm}" for vm in way)
    vms = range(1, secondaries + 1)
    lost = [(vm, event.arg.vm) for vm in vms for event in refusals(run, vm, HF_MAILBOX_SEND)]
    if lost:
        me, to = lost[0]
        why = "its mailbox is full" if to <= secondaries else "there is no such VM"
        why = "a VM cannot send to itself" if to == me else why
        raise Wrong(f"VM {me}'s send to VM {to} was refused: {why}. The message went {went}.", run)
    if way != list(wanted.vms):
        raise Wrong(f"The message went {went}. It should go {wanted}.", run)
    if delivered(run, 0) != [wanted.text.encode()]:
        raise Wrong(f"“{wanted.text}” should come home, {delivered(run, 0)[0]!r} came.", run)
    return run


ROUTE = Way((0, 1, 2, 1, 2, 0), "hi")


def another_way(exercise: Exercise, rng: Random) -> Exercise:
    """Three secondaries, and as many receivers."""
    vms = [0, 1]
    while len(vms) < len(ROUTE.vms) - 1:
        vms.append(rng.choice([vm for vm in (1, 2, 3) if vm != vms[-1]]))
    if 3 not in vms:
        vms[-1] = 3
    way = Way((*vms, 0), rng.choice(("hi", "yes", "go", "hello", "done", "ready", "well")))
    digits = "".join(map(str, way.vms[2:]))
    return replace(
        exercise,
        task=f"the bytes that VM 0 sends to VM 1 so that “{way.text}” goes {way}.",
        judge=partial(judge_route, way),
        hints=(
            exercise.hints[0],
            f"The first relay, VM 1, takes the first byte off: it must be {way.vms[2]}.",
            f"The first receiver is in VM 0's call, the others in four bytes; then comes “{way.text}”.",
        ),
        solution=way.data(),
        wrong={
            "names the first receiver too": (way.data(1), "cannot send to itself"),
            "forgets the way home": (way.data()[:3] + way.text.encode(), "there is no such VM"),
            "takes a short cut": (bytes([*way.vms[2:3], 0]) + way.text.encode(), f"It should go {way}"),
            "digits for bytes": (digits.encode() + way.text.encode(), f"send to VM {ord(digits[0])} was refused"),
        },
    )


def caller(*messages: str) -> Script:
    """A client of VM 1: sends each message, refused or not, and then waits."""

    def client() -> Any:
        yield configure()
        for text in messages:
            yield send(1, text)
        yield receive(block=True)

    return client


def serve(services: Sequence[int], vms: Sequence[int], rounds: int) -> Script:
    """A primary that starts the services, then runs VMs in turn, and after each whoever is woken."""

    def primary() -> Any:
        yield configure()
        for vm in services:
            yield vcpu_run(vm)
        for _ in range(rounds):
            for vm in vms:
                yield from follow(vm)
                yield clear()
        for vm in services:
            yield from follow(vm)

    return primary


def judge_service(answer: Script) -> Run:
    """VM 2 may ask, and VM 0, VM 3 and a stranger may not, whatever their messages claim, in every order."""

    def called_in(order: Sequence[int]) -> Script:
        def primary() -> Any:
            yield configure()
            yield vcpu_run(1)
            for text, vm in product(CLAIMS, order):
                if vm == 0:
                    yield send(1, text)
                yield from follow(vm or 1)
                yield clear()
            yield from follow(1)

        return primary

    def called(order: Sequence[int]) -> Run:
        guests = [answer, *(caller(*CLAIMS) for _ in range(2, max(order) + 1))]
        title = f"A service for VM 2; it is called in the order {order}"
        return boot_scripts(called_in(order), guests, title, heap_pages=POOL_FOR_SIX)

    orders = (order for stranger in STRANGERS for order in permutations((2, 3, 0, stranger)))
    return judge_all((served_right, called(order)) for number, order in enumerate(orders) if number % 2)


STRANGERS = 4, 5
"""Any VM may come; each stands in half of the orders."""
POOL_FOR_SIX = 109
"""Pages from which the hypervisor makes its tables, enough for those of six VMs."""
CLAIMS = "from 3: open", "", "from 2: open"
"""What each of the VMs sends to the service, one after the other."""


def served_right(run: Run) -> None:
    """Only VM 2 was answered, once for each of its messages."""
    came = deliveries(run, 1)
    if not came:
        raise Wrong(f"Nothing could be sent to your service: {unreachable(run)}.")
    answered: set[int] = set()
    for event in calls(run, 1, HF_MAILBOX_SEND):
        last = [each for each in came if each.seq < event.seq][-1:]
        asker = (last[0].actor or Actor(0)).vm if last else None
        said = quoted_message(last[0].message) if last else ""
        to = event.arg.vm
        if asker is None:
            raise Wrong(f"Your service sends to VM {to} before anything has come.", at=event.seq)
        if asker != 2:
            raise Wrong(
                f"VM {asker} got an answer, after {said}: compare message.sender with the VM that is allowed to ask."
                if to == asker and "from 3" in said
                else f"VM {asker} got an answer. It had written {said}: anybody can write that. Ask message.sender."
                if to == asker
                else f"VM {asker} had written {said}, and your service sends to VM {to} because of it. Only a message "
                "that VM 2 sent is answered.",
                at=event.seq,
            )
        if last[0].seq in answered:
            tried = "it tries again and again to answer VM 2, which has not read the last answer. Drop what is refused"
            raise Wrong(f"VM 2 sent {said} once, and your service answers more than once: {tried}.", at=event.seq)
        if to != 2:
            raise Wrong(f"Your service never answers VM 2. It sends to VM {to}.", at=event.seq)
        answered.add(last[0].seq)
    if len(came) < len(CLAIMS) * 4:
        raise Wrong(f"A message to your service was refused: {no_room(run)}.")
    if not delivered(run, 2):
        raise Wrong("Your service never answers VM 2. Is there a `yield` before `send`, and is it reached?")
    asked = (event for event in came if (event.actor or Actor(0)).vm == 2)
    missed = next((event for event in asked if event.seq not in answered), None)
    if missed is not None:
        said = quoted_message(missed.message)
        sentence = (
            f"VM 2 may ask. It sent {said} and got no answer: do not read what it says, nor who it says that it is."
        )
        raise Wrong(sentence, at=missed.seq)
    if set(delivered(run, 2)) != {b"ok"}:
        raise Wrong(f"The answer to VM 2 should be “ok”, it was {text_of(delivered(run, 2)[0])}.")
    raise_if_shut(run, "service")


QUESTIONS = {3: ("who", "where"), 4: ("when", "\3 or 4")}
"""What the clients ask the broker. The last question begins with the byte 3, as if it were an answer for VM 3."""


def worker(patience: int, newest_first: bool) -> Script:
    """VM 2: answers in capitals behind the byte that it was given, as soon as it has so many questions."""

    def guest() -> Any:
        yield configure()
        waiting: list[bytes] = []
        while True:
            message = yield receive(block=True)
            yield clear()
            waiting.append(message.data)
            if len(waiting) == patience:
                for data in reversed(waiting) if newest_first else waiting:
                    yield send(1, data[:1] + data[1:].upper())
                waiting = []

    return guest


def asking(vm: int) -> Script:
    """A client of the broker: asks, waits for the answer, asks again."""

    def client() -> Any:
        yield configure()
        for text in QUESTIONS[vm]:
            yield send(1, text)
            yield receive(block=True)
            yield clear()
            yield send(0, "thanks")

    return client


def judge_broker(answer: Script) -> Run:
    """Each client gets the answers to its own questions, in every order of the VMs and of the answers."""
    workers = {"at once": worker(1, False), "oldest first": worker(2, False), "newest first": worker(2, True)}

    def run(how: str, order: Sequence[int]) -> Run:
        title = f"The VMs run in the order {', '.join(map(str, order))}, and VM 2 answers {how}"
        return boot_scripts(serve((1, 2), order, 4), [answer, workers[how], asking(3), asking(4)], title)

    return judge_all((conversed, run(how, order)) for how, order in product(workers, permutations((3, 4, 2))))


def conversed(run: Run) -> None:
    """VM 3 and VM 4 got their own answers, and nothing else."""
    if not delivered(run, 2):
        raise Wrong("No question reached VM 2: send it what comes from VM 3 and VM 4.")
    want = {vm: [text.upper().encode() for text in texts] for vm, texts in QUESTIONS.items()}
    for vm, answers in want.items():
        strange = next((event for event in deliveries(run, vm) if event.message not in answers), None)
        if strange is not None:
            raise Wrong(f"{misled(vm, strange.message or b'')} ({run.title}.)", at=strange.seq)
    for vm, answers in want.items():
        got = len(delivered(run, vm))
        if got != len(answers):
            asked = sum((event.actor or Actor(0)).vm in want for event in deliveries(run, 1))
            passed = len(delivered(run, 2)) + len(refusals(run, 1, HF_MAILBOX_SEND))
            kept = " Your broker keeps a question back, and VM 2 may wait for it before it answers." * (passed < asked)
            raise Wrong(f"VM {vm} asked {len(answers)} questions and got {got} answers. ({run.title}.){kept}")
    raise_if_shut(run, "broker")


def misled(vm: int, data: bytes) -> str:
    """Why an answer should not have come to a client."""
    other = 7 - vm
    own = [text.encode() for text in QUESTIONS[vm]]
    taken = [(asker, text) for asker, texts in QUESTIONS.items() for text in texts if text[1:].encode() == data]
    if taken:
        (asker, text), *_ = taken
        what = "begins with the byte 3" if text[0] == "\3" else f"is “{text}”"
        return (
            f"VM {asker}'s question {what}, and your broker took it for an answer, for VM {vm}: only "
            "message.sender says that a message comes from VM 2."
        )
    if data.upper() in [text.upper().encode() for text in QUESTIONS[other]]:
        return f"VM {vm} got {text_of(data)}, the answer for VM {other}: which conversation does it belong to?"
    if data in [text[:1] + text[1:].upper() for text in own]:
        return (
            f"VM {vm} got {data!r}: VM 2 does not take the first byte for a part of the question. Put a byte of your "
            "own before all of it."
        )
    return f"VM {vm} got {data!r}, which is no answer: take your byte off again, and pass on the rest."


def sender(name: str, tries: int) -> Script:
    """Sends its name to VM 1 for ever. When it is refused so often it gives way by a message to VM 0."""

    def guest() -> Any:
        yield configure()
        while True:
            for _ in range(tries):
                if (yield send(1, name)) == 0:
                    break
            else:
                while (yield send(0, "full")) == -1:
                    pass

    return guest


def collector(slow: bool) -> Script:
    """VM 1: receives and clears for ever; when it is slow it tells VM 0 in between that it is busy."""

    def guest() -> Any:
        yield configure()
        while True:
            yield receive(block=True)
            if slow:
                yield send(0, "busy")
            yield clear()

    return guest


def judge_fair(answer: Script) -> Run:
    """Every sender gets through three times, and nobody is ever two messages ahead."""

    def run(slow: bool, tries: Sequence[int]) -> Run:
        guests = [collector(slow), *(sender(f"VM {vm}", tries[vm - 2]) for vm in range(2, 2 + len(tries)))]
        title = f"{len(tries)} senders" + (", and VM 1 needs two runs for a message" if slow else "")
        return boot_scripts(answer, guests, title)

    patience = (1, 1), (5, 1), (1, 5), (1, 1, 1), (1, 5, 1), (5, 1, 1)
    return judge_all(
        (partial(served_fairly, senders=len(tries)), run(slow, tries))
        for slow, tries in product((False, True), patience)
    )


def served_fairly(run: Run, senders: int) -> None:
    """Every sender got through three times, and nobody was ever two messages ahead."""
    case = f"With {run.title}: "
    served = Counter({f"VM {vm}": 0 for vm in range(2, 2 + senders)})
    ahead, at = "", None
    for event in deliveries(run, 1):
        richest = (event.message or b"").decode()
        served[richest] += 1
        if not ahead and served[richest] > min(served.values()) + 1:
            at, got = event.seq, " and ".join(f"{count} of {name}" for name, count in served.items())
            ahead = (
                f"{case}VM 1 has got {got}. {richest} fills the mailbox before the others have their turn: VM 1 must "
                "have cleared it before the next sender runs."
            )
    poorest, least = served.most_common()[-1]
    vain = spinning(run)
    if vain is not None:
        raise Wrong(
            f"{case}{vm_of(vain.target)} spins for ever: it wants to tell you that VM 1's mailbox is full, and yours "
            "is full too. Clear it.",
            at=vain.seq,
        )
    if not any(served.values()):
        raise Wrong(f"{case}VM 1 got no message. Configure your pages, and run every VM.")
    if not calls(run, int(poorest[3:]), HF_MAILBOX_SEND):
        raise Wrong(f"{case}{poorest} never ran. Use vm_count() to know how many there are.", at=at)
    if ahead:
        raise Wrong(ahead, at=at)
    if least < 3:
        raise Wrong(
            f"{case}VM 1 got {least} of {poorest}'s messages, and it should be three at least: does VM 1 run until it "
            "waits again?"
        )


def spinning(run: Run) -> Event | None:
    """The first refusal of a VM that sends to VM 0, in vain, until the run is stopped; None if nobody does."""
    last = next((event for event in reversed(run.events) if event.kind is Kind.RETURN), None)
    vm = last.target.vm if last is not None and last.target is not None else 0
    vain = [event for event in refusals(run, vm, HF_MAILBOX_SEND) if event.arg.vm == 0]
    return vain[0] if run.outcome.kind == "budget" and last in vain else None


# 08-service


def solve_service():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(message.sender, "ok")


def service_trusts_the_payload():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if b"from 2" in message.data:
            yield send(message.sender, "ok")


def service_wants_both_to_be_right():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2 and b"from 2" in message.data:
            yield send(message.sender, "ok")


def service_forgets_the_yield():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            send(message.sender, "ok")


def service_takes_vm_1_for_vm_2():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 1:
            yield send(message.sender, "ok")


def service_answers_vm_0():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(0, "ok")


def service_has_no_loop():
    yield configure()
    if True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(message.sender, "ok")


def service_answers_everybody():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if True:
            yield send(message.sender, "ok")


def service_does_not_clear_what_it_ignores():
    yield configure()
    while True:
        message = yield receive(block=True)
        if message.sender == 2:
            yield clear()
            yield send(message.sender, "ok")


def service_answers_before_it_clears():
    yield configure()
    while True:
        message = yield receive(block=True)
        if message.sender == 2:
            yield send(message.sender, "ok")
        yield clear()


def service_insists_on_its_answer():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            while (yield send(message.sender, "ok")) == -1:
                yield send(0, "full")


def service_asks_again_and_again():
    yield configure()
    while True:
        message = yield receive(block=False)
        if message is None:
            continue
        yield clear()
        if message.sender == 2:
            yield send(message.sender, "ok")


def service_answers_vm_2_whoever_asks():
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()
        yield send(2, "ok")


def service_answers_vm_2_for_a_2():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2 or b"2" in message.data:
            yield send(2, "ok")


def service_refuses_vm_3_only():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender != 3:
            yield send(message.sender, "ok")


def service_answers_twice():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(2, "ok")
            yield send(2, "ok")


# 08-broker


def solve_broker():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(message.data[0], message.data[1:])
        else:
            yield send(2, bytes([message.sender]) + message.data)


def broker_remembers_the_last_client():
    client = 0
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(client, message.data[1:])
        else:
            client = message.sender
            yield send(2, bytes([client]) + message.data)


def broker_expects_the_answers_in_order():
    yield configure()
    asked = []
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(asked.pop(0), message.data[1:])
        else:
            asked.append(message.sender)
            yield send(2, b"?" + message.data)


def broker_tells_an_answer_by_its_first_byte():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.data[0] in (3, 4):
            yield send(message.data[0], message.data[1:])
        else:
            yield send(2, bytes([message.sender]) + message.data)


def broker_leaves_its_byte_on():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(message.data[0], message.data)
        else:
            yield send(2, bytes([message.sender]) + message.data)


# 08-fair


def solve_fair():
    yield configure()
    vms = yield vm_count()
    while True:
        for vm in range(2, vms):
            yield vcpu_run(vm)
            yield clear()
            while (yield vcpu_run(1)).code != 1:
                yield clear()


def fair_everybody_in_turn():
    yield configure()
    vms = yield vm_count()
    while True:
        for vm in range(1, vms):
            yield vcpu_run(vm)
            yield clear()


def fair_everybody_in_turn_and_never_clears():
    yield configure()
    vms = yield vm_count()
    while True:
        for vm in range(1, vms):
            yield vcpu_run(vm)


def fair_runs_vm_1_only_when_it_is_woken():
    yield configure()
    vms = yield vm_count()
    yield vcpu_run(1)
    while True:
        for vm in range(2, vms):
            result = yield vcpu_run(vm)
            while result.code == 2:
                result = yield vcpu_run(result.vm_id)
            yield clear()


def fair_knows_three_vms_only():
    yield configure()
    while True:
        for vm in (2, 3):
            yield vcpu_run(vm)
            yield clear()
            while (yield vcpu_run(1)).code != 1:
                yield clear()


def fair_follows_the_one_that_sends():
    yield configure()
    while True:
        for _ in range(9):
            yield vcpu_run(2)
            yield clear()
            while (yield vcpu_run(1)).code != 1:
                yield clear()


EXERCISES = (
    Exercise(
        id="08-route",
        task="the bytes that VM 0 sends to VM 1 so that “hi” goes VM 0 to VM 1 to VM 2 to VM 1 to VM 2 to VM 0.",
        wants='bytes such as bytes([2, 0]) + b"hi"',
        takes=forms.data,
        judge=partial(judge_route, ROUTE),
        variant=another_way,
        learned="each VM names the next receiver, and none of them need be the primary.",
        hints=(
            "VM 0's call names the first receiver. The bytes say where each relay sends it next.",
            "The first relay, VM 1, takes the first byte off: it must be 2.",
            "After VM 1 come VM 2, VM 1, VM 2 and VM 0; the first is in VM 0's call: four bytes, and then “hi”.",
        ),
        solution=ROUTE.data(),
        wrong={
            "names the first receiver too": (bytes([1, 2, 1, 2, 0]) + b"hi", "cannot send to itself"),
            "forgets the way home": (bytes([2, 1, 2]) + b"hi", "there is no such VM"),
            "takes a short cut": (bytes([2, 0]) + b"hi", "It should go VM 0 to VM 1 to VM 2 to VM 1"),
            "digits for bytes": (b"2120hi", "VM 1's send to VM 50 was refused"),
        },
    ),
    Exercise(
        id="08-service",
        task="a service that answers “ok” to every message of VM 2, and nothing to anybody else.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_service,
        learned="message.sender is what the hypervisor says; message.data is what the sender claims.",
        hints=(
            "Who sent a message? There are two places that say so, and one of them anybody can write.",
            "The hypervisor says it: message.sender. What stands in message.data does not matter here.",
            "After the clear: if message.sender == 2: yield send(message.sender, “ok”).",
        ),
        solution=solve_service,
        wrong={
            "trusts the payload": (service_trusts_the_payload, "It had written “from 2: open”"),
            "wants both to be right": (service_wants_both_to_be_right, "do not read what it says"),
            "forgets the yield": (service_forgets_the_yield, "Is there a `yield` before `send`"),
            "takes VM 1 for VM 2": (service_takes_vm_1_for_vm_2, "is it reached?"),
            "answers VM 0": (service_answers_vm_0, "It sends to VM 0"),
            "has no loop": (service_has_no_loop, "A service needs a loop"),
            "answers everybody": (service_answers_everybody, "after “from 3: open”: compare message.sender"),
            "does not clear what it ignores": (service_does_not_clear_what_it_ignores, "clear every one"),
            "answers before it clears": (service_answers_before_it_clears, "it answers before it clears"),
            "insists on its answer": (service_insists_on_its_answer, "Drop what is refused"),
            "answers VM 2 whoever asks": (
                service_answers_vm_2_whoever_asks,
                "sends to VM 2 because of it",
            ),
            "trusts the payload, and answers VM 2": (service_answers_vm_2_for_a_2, "VM 2 because of it"),
            "refuses the one that lies": (service_refuses_vm_3_only, "got an answer"),
            "answers twice": (service_answers_twice, "answers more than once"),
            "asks again and again": (service_asks_again_and_again, "never gives the processor back"),
        },
    ),
    Exercise(
        id="08-broker",
        task="a broker: VM 3 and VM 4 ask it, it asks VM 2, and each gets the answer to its own question.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_broker,
        learned="the hypervisor keeps nothing of a conversation: what belongs together goes along in the bytes.",
        hints=(
            "Two questions may be with VM 2 at a time, and their answers come back in any order. What comes back with "
            "each answer?",
            "The first byte that you send to VM 2 comes back with the answer. Let it say whose question it is.",
            "From VM 2: send(message.data[0], message.data[1:]). From others: send(2, bytes([message.sender]) + "
            "message.data).",
        ),
        solution=solve_broker,
        wrong={
            "remembers the last client": (broker_remembers_the_last_client, "the answer for VM"),
            "expects the answers in order": (broker_expects_the_answers_in_order, "VM 2 answers newest first"),
            "tells an answer by its first byte": (broker_tells_an_answer_by_its_first_byte, "begins with the byte 3"),
            "leaves its byte on": (broker_leaves_its_byte_on, "take your byte off"),
        },
    ),
    Exercise(
        id="08-fair",
        task="a primary under which every sender gets through to VM 1, and nobody is ever two messages ahead.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_fair,
        learned="only the primary, by whom it runs when, keeps one sender from starving the others.",
        hints=(
            "A sender is refused as long as VM 1 has not cleared. So who must run between two senders?",
            "VM 1 may need more than one run: it is done when vcpu_run(1) gives code 1. Clear your own mailbox, too.",
            "For each vm of range(2, vms): run it, clear, then run VM 1 until its code is 1, with a clear after each.",
        ),
        solution=solve_fair,
        wrong={
            "everybody in turn": (fair_everybody_in_turn, "fills the mailbox before the others"),
            "everybody in turn, and never clears": (fair_everybody_in_turn_and_never_clears, "yours is full too"),
            "runs VM 1 only when it is woken": (fair_runs_vm_1_only_when_it_is_woken, "does VM 1 run until it waits"),
            "knows three VMs only": (fair_knows_three_vms_only, "VM 4 never ran"),
            "follows the one that sends": (fair_follows_the_one_that_sends, "VM 3 never ran"),
        },
    ),
)
