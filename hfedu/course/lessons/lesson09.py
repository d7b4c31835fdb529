"""Lesson 09, what the commit changed: its predictions and exercises, and the steps of a wait before and after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import dropwhile, permutations, product
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.forms import Unfit
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    ENOUGH_TRAPS,
    boot_counted,
    boot_scripts,
    call_of,
    calls,
    changed_at,
    delivered,
    follow,
    gave,
    judge_all,
    quoted_message,
    raise_if_shut,
    refusals,
    result_of,
    returned_at,
    run_result,
    sleeps_at,
    so_far,
    state_of,
    switch_after,
    traps,
    unreachable,
    why_asleep,
)
from hfedu.course.shared.wants import GUEST
from hfedu.guest.rpc import rpc_read_request, rpc_reply, rpc_request, rpc_vcpu_run
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.call import HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND
from hfedu.history import FIXES, with_needs
from hfedu.history.rpc import RPC_REPLY, RPC_REQUEST
from hfedu.notebook import Machine, Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor, Event
from hfedu.run.replay import Scenario
from hfedu.run.stepper import Stepper

LEARN = "how to read a real change: what could be said before and after, and two defects it brought"
TERMS = {
    "commit": "One recorded change of a program's sources, with a message that says what it is for.",
    "remote procedure call": "RPC: somebody asks and another one answers, as if a function were called. Before the "
    "commit this was how the primary and a secondary talked.",
    "acknowledge": "To say that a message has been dealt with, so that the next one can come.",
    "diff": "A text that shows a change: a minus sign before each line that went, a plus sign before each that came.",
    "hunk": "One piece of a diff: lines that stand together in one place of a file.",
    "regression": "A defect that a change brings into what was right before.",
}
"""The terms that this lesson is the first to explain."""
BROUGHT = ("blocked-state", "nested-locks")
"""The defects that the commit brought."""


def boot_before(primary: Script, secondaries: Iterable[Script], title: str) -> Run:
    """Run scripted guests on the hypervisor before the commit."""
    return boot_counted(RamDisk(primary, list(secondaries)), profile="rpc", title=title)


def neighbours() -> Run:
    """Before the commit VM 1 tries to ask VM 2, and replies to a question that nobody asked."""

    def primary() -> Any:
        yield configure()
        yield rpc_vcpu_run(2)
        yield rpc_vcpu_run(1)

    def curious() -> Any:
        yield configure()
        yield rpc_request(2, "hello")
        yield rpc_reply("hello", ack=False)

    def server() -> Any:
        yield configure()
        yield rpc_read_request()

    return boot_before(primary, [curious, server], "Before the commit: VM 1 speaks up")


def refused_reply() -> Run:
    """Before the commit VM 1 replies twice, and VM 0 has not acknowledged the first reply."""

    def primary() -> Any:
        yield configure()
        yield rpc_vcpu_run(1)
        yield rpc_request(1, "question")
        yield rpc_vcpu_run(1)
        yield rpc_vcpu_run(1)

    def server() -> Any:
        yield configure()
        yield rpc_read_request()
        yield rpc_reply("wait a moment", ack=False)
        yield rpc_reply("answer", ack=True)
        yield rpc_read_request()

    return boot_before(primary, [server], "Before the commit: a reply is refused")


def direct() -> Run:
    """VM 1 sends to VM 2, as it can today."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(2)
        result = yield vcpu_run(1)
        yield vcpu_run(result.vm_id)

    def sender() -> Any:
        yield configure()
        yield send(2, "news")

    def receiver() -> Any:
        yield configure()
        yield receive()

    return boot_scripts(primary, [sender, receiver], "VM 1 sends to VM 2")


REFUSED_REPLY = call_of(1, RPC_REPLY, 1)
PREDICTIONS = (
    Prediction(
        "09-neighbours",
        "Before the commit. VM 2 waits in rpc_read_request(). VM 1 calls rpc_request(2, “hello”); then, though nobody "
        "has asked it anything, rpc_reply(“hello”).",
        neighbours,
        (
            Question(
                "What does VM 1's request return?",
                ("0", "-1", "1"),
                returned_at(call_of(1, RPC_REQUEST, 0)),
                result_of,
                "Only the primary could request: everybody else got -1.",
            ),
            Question(
                "What does VM 0's vcpu_run(1) return?",
                ("WAIT_FOR_INTERRUPT", "YIELD", "RESPONSE_READY(5 bytes)"),
                switch_after(call_of(1, RPC_REPLY, 0)),
                run_result,
                "Nothing remembered whether there was a question: a reply went to the primary if its mailbox was free. "
                "So a secondary could speak up, but only to the primary.",
            ),
        ),
    ),
    Prediction(
        "09-refused-reply",
        "Before the commit. VM 1 has read VM 0's question and replies “wait a moment”. VM 0 does not acknowledge that. "
        "VM 1 replies “answer” and acknowledges the question in the same call: rpc_reply(“answer”, ack=True).",
        refused_reply,
        (
            Question(
                "What does this second reply return?",
                ("0", "-1"),
                returned_at(REFUSED_REPLY),
                result_of,
                "VM 0's mailbox still holds the first reply: -1.",
            ),
            Question(
                "In which state is VM 1's mailbox after it?",
                ("INFLIGHT", "PENDING", "IDLE"),
                changed_at(REFUSED_REPLY, "vm1.mailbox.state"),
                state_of("vm1.mailbox.state"),
                "The call acknowledged first, and looked at VM 0's mailbox afterwards. It failed, and yet it had an "
                "effect: the question is gone. Today send and clear are two calls.",
            ),
        ),
    ),
)


def waiting_steps(**options: Any) -> str:
    """The atomic steps of VM 1's wait for a message, and the state of its vCPU after each.

    `options` choose the hypervisor, as for `Machine`: profile="rpc" is the one before the commit.
    """
    read, run = (rpc_read_request, rpc_vcpu_run) if options.get("profile") == "rpc" else (receive, vcpu_run)

    def primary() -> Any:
        yield run(1)

    def waiter() -> Any:
        yield configure()
        yield read()

    taken = dropwhile(lambda step: "block" not in step[0], steps_of(waiter, primary, **options)[1])
    lines = [f"{text.rpartition(' it ')[2]:51} {state}" for text, state in taken if "end of its script" not in text]
    return "\n".join(lines)


def steps_of(script: Script, primary: Script, **options: Any) -> tuple[Run, list[tuple[str, str]]]:
    """A run of VM 1's script in atomic steps: what each does, and the state of VM 1's vCPU after it."""

    def nothing() -> Any:
        yield from ()

    scenario = Scenario("VM 1's script", "CPU 0 runs VM 1.", nothing, (primary, nothing), (script,))
    stepper = Stepper(scenario, 2, options, machine_type=Machine)
    steps = []
    while (able := stepper.able()) and len(stepper.taken) < ENOUGH_TRAPS:
        text = stepper.take(able[0]).text
        steps.append((text, stepper.machine.hypervisor.vms[1].vcpus[0].state.name))
    return so_far(stepper), steps


@cache
def reaches(sender: int, receiver: int, before: bool) -> bool:
    """Whether the machine lets a message pass from one VM to another, whatever the sender tries."""

    def try_it() -> Any:
        if before:
            yield rpc_request(receiver, "x")
            if receiver == 0:
                yield rpc_reply("x", ack=False)
        else:
            yield send(receiver, "x")

    def primary() -> Any:
        yield configure()
        for vm in (3, 2, 1):
            if vm != sender:
                yield vcpu_run(vm)
        if sender:
            yield vcpu_run(sender)
        else:
            yield from try_it()

    def secondary(vm: int) -> Script:
        def guest() -> Any:
            yield configure()
            if vm == sender:
                yield from try_it()

        return guest

    start = boot_before if before else boot_scripts
    run = start(primary, [secondary(vm) for vm in (1, 2, 3)], f"VM {sender} to VM {receiver}")
    return any(e.kind is Kind.DELIVER and (e.actor is not None and e.actor.vm == sender) for e in run.events)


def judge_who_to_whom(answer: Callable[[int, int], Any]) -> None:
    """Each pair of VMs, as the two machines have it."""
    for pair in product(range(4), repeat=2):
        truth = reaches(*pair, before=True), reaches(*pair, before=False)
        got = answer(*pair)
        if got != truth:
            sender, receiver = pair
            raise Wrong(
                f"From VM {sender} to VM {receiver}: you say {got!r}, and the machines say {truth}. {why(*pair)}"
            )


def why(sender: int, receiver: int) -> str:
    """Who can send to whom, in a sentence."""
    if sender == receiver:
        return "No VM sends to itself, before or after."
    if sender == 0:
        return "The primary could request from every secondary, and it can send to every VM."
    if receiver == 0:
        return "A secondary could reply to the primary, and it can send to it."
    return "Between two secondaries nothing could pass before; now it can."


FROM_VM_0 = ("3", "total", "4", "total")
FROM_VM_2 = ("10", "total")


def judge_translate(answer: Script) -> Run:
    """VM 0 and VM 2 each add and ask, in every order of their messages."""
    old = [name for name in getattr(getattr(answer, "__code__", None), "co_names", ()) if name.startswith("rpc_")]
    if old:
        raise Wrong(f"Your server still calls {old[0]}(…). A hypervisor with mailboxes does not know it.")

    def client() -> Any:
        yield configure()
        for text in FROM_VM_2:
            yield send(1, text)
        yield receive(block=True)

    def run(order: Sequence[int]) -> Run:
        turns = ", ".join(map(str, order))
        title = f"VM 0 and VM 2 take turns: {turns}. VM 3 asked and does not read"
        return boot_scripts(clients(order), [answer, client, deaf], title)

    orders = sorted({*permutations((0,) * len(FROM_VM_0) + (2,) * len(FROM_VM_2))})
    return judge_all((translated, run(order)) for order in orders)


def deaf() -> Any:
    """VM 3 asks twice, and never reads an answer."""
    yield configure()
    yield send(1, "total")
    yield send(1, "total")
    yield wait_for_interrupt()


def clients(order: Sequence[int]) -> Script:
    """A primary that sends its own messages, and runs VM 2 so that it sends one of its own, in this order."""

    def primary() -> Any:
        texts = iter(FROM_VM_0)
        yield configure()
        yield vcpu_run(1)
        for vm in order:
            if vm == 2:
                yield from follow(2)
            elif (yield send(1, next(texts))) != -1:
                yield from follow(1)
                yield clear()
        for vm in (3, 3, 1):
            if vm == 1:
                yield send(1, "total")
            yield from follow(vm)
            yield clear()
        yield vcpu_run(1)

    return primary


def translated(run: Run) -> None:
    """Nothing was refused, and everybody got their own total."""
    if not delivered(run, 1):
        raise Wrong(f"Nothing could be sent to your server: {unreachable(run)}.")
    received = [event for event in run.events if words.number(event) == HF_MAILBOX_RECEIVE and event.result is not None]
    if not received:
        raise Wrong("Your server never receives: rpc_read_request() is receive() today.")
    again = [event for event in refusals(run, 1, HF_MAILBOX_SEND) if event.arg.vm == 3]
    if len(again) > 1:
        raise Wrong(
            "VM 3 has asked twice and reads nothing. Your server tries again and again to answer it, and serves nobody "
            "else: drop an answer that is refused.",
            at=again[1].seq,
        )
    if len(delivered(run, 1)) < len(FROM_VM_0 + FROM_VM_2) + 3:
        raise Wrong(f"A message to your server was refused: {refused_because(run)}")
    got = {vm: [totals_in_words(message) for message in delivered(run, vm)] for vm in (0, 2)}
    if got != WANTED_TOTALS:
        said = {vm: ", ".join(totals) or "nothing" for vm, totals in got.items()}
        raise Wrong(
            f"VM 0 should get 3, then 7, and 7 when it asks once more; VM 2 should get 10: {why_other_totals(got)}. "
            f"VM 0 got {said[0]}; VM 2 got {said[2]}."
        )
    if delivered(run, 3) != [b"0"]:
        came = b", ".join(delivered(run, 3)).decode(errors="replace") or "nothing"
        raise Wrong(f"VM 3 has asked for its total before it sent a number: 0. It got {came}. Any VM may ask.")
    raise_if_shut(run, "server")


WANTED_TOTALS = {0: ["3", "7", "7"], 2: ["10"]}
"""What VM 0 and VM 2 must get, as texts."""


def totals_in_words(message: bytes) -> str:
    """A total as it was sent; what is no number, as a message in a sentence."""
    return message.decode() if message.isdigit() else quoted_message(message)


def why_other_totals(got: Mapping[int, Sequence[str]]) -> str:
    """Which rule the totals break that VM 0 and VM 2 got."""
    everything = [total for totals in got.values() for total in totals]
    if not all(total.isdigit() for total in everything):
        return "a total is sent as text, str(total)"
    if {"13", "17"} & {*everything}:
        return "every VM has a total of its own"
    if "10" in got[0]:
        return "a reply went to the primary, a send goes where you say"
    if any(len(totals) > len(WANTED_TOTALS[vm]) for vm, totals in got.items()):
        return "who sends a number gets no answer, only who asks does"
    return "send the total of all numbers, and keep it"


def refused_because(run: Run) -> str:
    """Why there was no room for a message: what VM 1 did after its last send."""
    if sleeps_at(run, 1) is not None:
        return f"{why_asleep(run, 1)}."
    made = [event for event in run.events if event.kind is Kind.HYPERCALL and event.actor == Actor(1, 0)]
    after = list(dropwhile(lambda event: words.number(event) != HF_MAILBOX_SEND, made))[1:2]
    if not any(gave(run, event) == 0 for event in calls(run, 1, HF_MAILBOX_CLEAR)):
        return "it never clears. rpc_ack() is clear() today."
    if after and words.number(after[0]) == HF_MAILBOX_CLEAR:
        return (
            "rpc_reply(…) acknowledged first and then copied the reply. Your server sends first: that switches it out, "
            "and the clear must wait until it runs again."
        )
    return "rpc_reply(…) acknowledged the request, too. Today that is a call of its own."


def finding(answer: Any) -> tuple[str, Script]:
    """A pair of an id and a script."""
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[0], str):
        raise Unfit
    try:
        return answer[0].strip().casefold(), forms.guest(answer[1])
    except Unfit as unfit:
        why = f"Behind the id comes the script itself: a generator function, neither called nor in quotes. {unfit}"
        raise Unfit(why) from None


def busy_primary() -> Any:
    """Runs VM 1, sends to it, and runs it again."""
    yield configure()
    for text in ("hello", "again"):
        yield vcpu_run(1)
        yield clear()
        yield send(1, text)
    yield vcpu_run(1)


def call_in_words(event: Event) -> str:
    """What a guest did, as a sentence has it."""
    if event.kind is not Kind.HYPERCALL:
        return words.label(event)
    return f"{words.name_of_call(event, short=True)}({words.arguments(event, short=True)})"


def given(run: Run, event: Event) -> str:
    """What a call gave, if its caller was not switched out."""
    back = run.returned(event)
    return "" if back is None or back.kind is not Kind.RETURN else f" = {words.result(back.call, back.result or 0)}"


def judge_regression(answer: tuple[str, Script]) -> Run:
    """With the repair of a defect that came with the commit, the machine does something else than without."""
    defect, script = answer
    if defect not in FIXES:
        raise Wrong(f"There is no defect {defect!r}. There are {', '.join(FIXES)}.")
    if defect not in BROUGHT:
        raise Wrong(
            f"{defect} did not come with the commit, it was there before. Look for a hunk that replaces something "
            "that was right."
        )
    others = with_needs([defect]) - {defect}
    run, without = steps_of(script, busy_primary, fixes=others)
    _, repaired = steps_of(script, busy_primary, fixes=others | {defect})
    if without == repaired:
        did = "; ".join(call_in_words(event) + given(run, event) for event in traps(run, 1)) or "nothing"
        raise Wrong(
            f"With the repair and without it the machine does the same {len(without)} steps. VM 1 did: {did}. Your "
            "script must get to what the hunk changed: a receive that really waits.",
            run,
        )
    return run


# 09-who-to-whom


def solve_who_to_whom(sender, receiver):
    return (sender == 0) != (receiver == 0), sender != receiver


def who_to_whom_forgets_the_replies(sender, receiver):
    return sender == 0 != receiver, sender != receiver


def who_to_whom_to_itself_too(sender, receiver):
    return (sender == 0) != (receiver == 0), True


def who_to_whom_everybody_to_everybody_before(sender, receiver):
    return sender != receiver, sender != receiver


# 09-translate


def solve_translate():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[message.sender] = total + int(message.data)


def translate_replies_to_the_primary():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(0, str(total))
        else:
            totals[message.sender] = total + int(message.data)


def translate_answers_whom_it_knows():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.data != b"total":
            totals[message.sender] = totals.get(message.sender, 0) + int(message.data)
        elif message.sender in totals:
            yield send(message.sender, str(totals[message.sender]))


def translate_one_total_for_all():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        total = totals.get(0, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[0] = total + int(message.data)


def translate_never_acknowledges():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[message.sender] = total + int(message.data)


def translate_calls_what_is_gone():
    yield configure()
    totals = {}
    while True:
        message = yield rpc_read_request()
        yield clear()
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[message.sender] = total + int(message.data)


def translate_starts_again_after_each_answer():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        total = totals.pop(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[message.sender] = total + int(message.data)


def translate_a_reply_that_does_not_acknowledge():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
        else:
            totals[message.sender] = total + int(message.data)
            yield clear()


def translate_acknowledges_after_the_reply():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            yield send(message.sender, str(total))
            yield clear()
        else:
            totals[message.sender] = total + int(message.data)
            yield clear()


def translate_insists_on_its_answer():
    yield configure()
    totals = {}
    while True:
        message = yield receive(block=True)
        yield clear()
        total = totals.get(message.sender, 0)
        if message.data == b"total":
            while (yield send(message.sender, str(total))) == -1:
                pass
        else:
            totals[message.sender] = total + int(message.data)


# 09-regression


def waits_for_a_message():
    yield configure()
    yield receive(block=True)


def waits_for_an_interrupt():
    yield configure()
    yield wait_for_interrupt()


def looks_for_a_message():
    yield configure()
    yield receive(block=False)


def finds_a_message():
    yield configure()
    yield send(0, "ready")
    yield receive(block=True)


EXERCISES = (
    Exercise(
        id="09-who-to-whom",
        task="a function that says whether a message could pass from one VM to another before the commit, and after.",
        wants="a function of two numbers, sender and receiver",
        takes=forms.function,
        judge=judge_who_to_whom,
        learned="before the commit the primary was at one end of every message; now two VMs need only differ.",
        hints=(
            "Before: who could request, and from whom? Who could reply, and to whom?",
            "Before, one of the two was the primary and the other was not. After, the two need only differ.",
            "Return ((sender == 0) != (receiver == 0), sender != receiver).",
        ),
        solution=solve_who_to_whom,
        wrong={
            "forgets the replies": (who_to_whom_forgets_the_replies, "A secondary could reply"),
            "to itself, too": (who_to_whom_to_itself_too, "No VM sends to itself"),
            "everybody to everybody, before": (
                who_to_whom_everybody_to_everybody_before,
                "Between two secondaries nothing could pass",
            ),
        },
    ),
    Exercise(
        id="09-translate",
        task="the tally, as a guest for mailboxes: a total for each VM, and room for the next message at once.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_translate,
        learned="a reply with acknowledge did two things; now clear and send are two calls, and their order counts.",
        hints=(
            "rpc_read_request() becomes receive(), rpc_ack() clear(). rpc_reply(…) did two things: each needs a call.",
            "In which order did rpc_reply do them? And now that everybody can ask: whose total is it, and who gets it?",
            "receive, then clear; a dict of totals by message.sender; for “total” send(message.sender, str(total)).",
        ),
        solution=solve_translate,
        wrong={
            "replies to the primary": (translate_replies_to_the_primary, "a send goes where you say"),
            "answers whom it knows": (translate_answers_whom_it_knows, "VM 3 has asked for its total"),
            "one total for all": (translate_one_total_for_all, "a total of its own"),
            "insists on its answer": (translate_insists_on_its_answer, "drop an answer that is refused"),
            "never acknowledges": (translate_never_acknowledges, "rpc_ack() is clear() today"),
            "calls what is gone": (translate_calls_what_is_gone, "still calls rpc_read_request"),
            "starts again after each answer": (translate_starts_again_after_each_answer, "and keep it"),
            "a reply that does not acknowledge": (translate_a_reply_that_does_not_acknowledge, "a call of its own"),
            "acknowledges after the reply": (translate_acknowledges_after_the_reply, "must wait until it runs again"),
        },
    ),
    Exercise(
        id="09-regression",
        task="a defect that came with the commit, and a script of VM 1 that shows it: the machine does other "
        "steps with its repair than without.",
        wants='a pair of an id and a scripted guest, such as ("timer-inverted", guest)',
        takes=finding,
        judge=judge_regression,
        learned="a call of a function that did nearly the same changed what the old lines did: a regression.",
        hints=(
            "Which hunk replaces something that was right by something wrong? Compare the two lists of steps above.",
            "It is in api_mailbox_receive, and only one of its ways to end leads there.",
            "VM 1 must wait: configure, then receive(block=True) while there is no message. The id is blocked-state or "
            "nested-locks.",
        ),
        solution=("blocked-state", waits_for_a_message),
        wrong={
            "a defect that was there before": (("no-interrupt", waits_for_an_interrupt), "it was there before"),
            "waits in the other way": (("blocked-state", waits_for_an_interrupt), "WFI: waits"),
            "does not wait": (("blocked-state", looks_for_a_message), "receive() = -1"),
            "a message is there already": (("nested-locks", finds_a_message), "receive(block) = VM 0, 5 bytes"),
        },
    ),
)
