"""Lesson 06, wake-up and wait-for-interrupt: its predictions and exercises."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    answers_of,
    boot_scripts,
    call_of,
    calls,
    changed_at,
    delivered,
    deliveries,
    gave,
    is_over,
    result_of,
    returned_at,
    run_result,
    sleeps_at,
    state_of,
    switch_after,
)
from hfedu.course.shared.variants import of_results
from hfedu.course.shared.wants import GUEST
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.call import HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, HF_VCPU_RUN, MASK16, HfVcpuRun
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.recording import Event


def asleep() -> Run:
    """VM 1 waits for an interrupt; VM 0 sends to it all the same."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "wake up")
        yield vcpu_run(1)

    def sleeper() -> Any:
        yield configure()
        yield wait_for_interrupt()

    return boot_scripts(primary, [sleeper], "VM 1 waits for an interrupt")


def another_sleep(prediction: Prediction, rng: Random) -> Prediction:
    """Two VMs, one in WFI and one in receive; VM 0 sends to one of them and runs it again."""
    sleeper, to, text = rng.choice((1, 2)), rng.choice((1, 2)), rng.choice(("wake up", "get up", "hello", "it is late"))
    sleeps = to == sleeper

    def primary() -> Any:
        yield configure()
        for vm in (1, 2):
            yield vcpu_run(vm)
        yield send(to, text)
        yield vcpu_run(to)

    def sleeping() -> Any:
        yield configure()
        yield wait_for_interrupt()

    def answering() -> Any:
        yield configure()
        message = yield receive(block=True)
        yield clear()
        yield send(message.sender, "thanks")

    def first_wait(run: Run) -> Event:
        made = calls(run, to, HF_MAILBOX_RECEIVE)
        return made[0] if made else next(event for event in run.events if event.kind is Kind.WFI)

    title = (
        f"VM {sleeper} executes WFI. VM {3 - sleeper} calls receive(block=True), and answers. VM 0 runs both, sends "
    )
    title += f"“{text}” to VM {to} and runs it again."
    path = f"vm{to}.vcpu0.state"
    last = call_of(0, HF_VCPU_RUN, 2) if sleeps else call_of(to, HF_MAILBOX_SEND, 0)
    told = f"VM {to} {'waits for an interrupt' if sleeps else 'blocks: there is no message'}. The primary is told "
    told += f"WAIT_FOR_INTERRUPT{'' if sleeps else ' then, too'}."
    woken = f"VM {to}'s vCPU 0 waited for a message: its index is the result, 0."
    unwoken = "The message is delivered, but no vCPU waits for a message (one waits for an interrupt): 0xffff."
    ready = f"VM {to} has read and answered. A secondary that sends is switched out, and could go on: READY."
    asleep_still = "Nothing in this hypervisor makes a vCPU that waits for an interrupt ready again: BLOCKED_INTERRUPT."
    return replace(
        prediction,
        title=title,
        run=lambda: boot_scripts(primary, [sleeping, answering][:: 1 if sleeper == 1 else -1], title),
        questions=(
            Question(f"VM {to} runs for the first time. What does VM 0's vcpu_run({to}) return?",
                     ("YIELD", "WAIT_FOR_INTERRUPT", "MESSAGE(7 bytes)"), switch_after(first_wait), run_result, told),
            Question(f"What does VM 0's send to VM {to} return?", ("0", "-1", "0xffff"),
                     returned_at(call_of(0, HF_MAILBOX_SEND, 0)), result_of, unwoken if sleeps else woken),
            Question(f"VM 0 runs VM {to} again. In which state is VM {to}'s vCPU after that?",
                     ("READY", "RUNNING", "BLOCKED_INTERRUPT"), changed_at(last, path), state_of(path),
                     asleep_still if sleeps else ready),
        ),
    )  # fmt: skip


PREDICTIONS = (
    Prediction(
        "06-wfi",
        "VM 1 executes WFI, wait for interrupt. VM 0 then sends it a message and runs it again.",
        asleep,
        (
            Question(
                "VM 1's WFI traps. What does VM 0's vcpu_run(1) return?",
                ("YIELD", "WAIT_FOR_INTERRUPT", "MESSAGE(7 bytes)"),
                switch_after(lambda run: next(event for event in run.events if event.kind is Kind.WFI)),
                run_result,
                "The vCPU has nothing to do until an interrupt comes; the primary is told so: WAIT_FOR_INTERRUPT.",
            ),
            Question(
                "What does VM 0's send to VM 1 return?",
                ("0", "-1", "0xffff"),
                returned_at(call_of(0, HF_MAILBOX_SEND, 0)),
                result_of,
                "The message is delivered, but no vCPU waits for a message (one waits for an interrupt): 0xffff.",
            ),
            Question(
                "VM 0 runs VM 1 again. In which state is VM 1's vCPU after that?",
                ("READY", "RUNNING", "BLOCKED_INTERRUPT"),
                changed_at(call_of(0, HF_VCPU_RUN, 1), "vm1.vcpu0.state"),
                state_of("vm1.vcpu0.state"),
                "Nothing in this hypervisor makes a vCPU that waits for an interrupt ready again, so the message is "
                "never read. The repair of this defect was written seven weeks later.",
            ),
        ),
        variant=another_sleep,
    ),
)


def passing(*way: int) -> list[Script]:
    """VM 1 and VM 2, which pass a message on along a way of VMs; it begins with VM 1 and ends with VM 0."""

    def guest(me: int) -> Script:
        def passes_on() -> Any:
            yield configure()
            for place, vm in enumerate(way[:-1]):
                if vm == me:
                    message = yield receive(block=True)
                    yield clear()
                    yield send(way[place + 1], message.data)

        return passes_on

    return [guest(1), guest(2)]


WAYS = {
    "Your primary and two relays": (1, 2, 0),
    "The same, but VM 1 and VM 2 pass the message to and fro": (1, 2, 1, 2, 0),
    "The same, but VM 1 sends the message straight back": (1, 0),
}
"""The ways that a message takes under the primary of 06-loop, by the title of the run."""


def judge_loop(answer: Script) -> Run:
    """The answer is the primary of two VMs that pass a message on, the relays first."""
    runs = [looped(boot_scripts(answer, passing(*way), title)) for title, way in WAYS.items()]
    return runs[0]


def looped(run: Run) -> Run:
    """The message came back along its way, because the primary ran whom it was told to, and then nobody any more."""
    case = f"{run.title}. " if run.title != next(iter(WAYS)) else ""
    made = calls(run, 0, HF_VCPU_RUN)
    runs = [event.arg.vm for event in made]
    if not {1, 2} <= set(runs):
        raise Wrong(f"VM {2 if 1 in runs else 1} never ran, so it could not even configure its pages.", run)
    if not calls(run, 0, HF_MAILBOX_SEND):
        raise Wrong("Your primary never sends the message “go” to VM 1.", run)
    if not delivered(run, 1):
        raise Wrong(
            "The message to VM 1 was refused: let both VMs run until they wait, and configure your own pages.", run
        )
    if calls(run, 0, HF_MAILBOX_RECEIVE) and not delivered(run, 0):
        raise Wrong(
            "The primary calls receive, and for it that is refused: it never waits, it runs the others. That a message "
            "is there vcpu_run tells it, with MESSAGE.",
            run,
        )
    first = deliveries(run, 1)[0].seq
    again = next((event for event in calls(run, 0, HF_MAILBOX_SEND) if event.seq > first), None)
    if again is not None:
        raise Wrong(
            f"{case}Event {again.seq} sends once more, and “go” is on its way since event {first}: send it once.",
            run,
        )
    passed = [event.target.vm for event in run.events if event.kind is Kind.DELIVER and event.target is not None]
    if passed == [1]:
        raise Wrong("VM 1 has the message, and VM 2 never got it: run VM 1 after the send, and VM 2 before it.", run)
    if 0 not in passed:
        any_vcpu = " 0xffff is no vCPU: nobody waited, so run its vCPU 0." * any(event.arg.vcpu for event in made)
        raise Wrong(
            f"{case}VM {passed[-1]} has got the message and did not run again: when vcpu_run returns WAKE_UP, run the "
            f"VM that it names.{any_vcpu}",
            run,
        )
    if delivered(run, 0) != [b"go"]:
        raise Wrong(f"“go” should have come back, {words.text_of(delivered(run, 0)[0])} came.", run)
    if not any(gave(run, event) == 0 for event in calls(run, 0, HF_MAILBOX_CLEAR)):
        raise Wrong(f"{case}The message is back. Now clear the mailbox, so that the next one has room.", run)
    back = deliveries(run, 0)[0].seq
    late = next((event for event in made if event.seq > back), None)
    if late is not None:
        raise Wrong(
            f"{case}Event {late.seq} runs VM {late.arg.vm}, and the message is back since event {back}: at MESSAGE "
            "there is nobody left to run. Clear your mailbox, and end.",
            run,
        )
    return run


def judge_patient(answer: Script) -> Run:
    """A guest that a message must wake, of VM 0 and of VM 2."""

    def run(sender: int) -> Run:
        def primary() -> Any:
            yield configure()
            yield vcpu_run(1)
            if sender == 0:
                yield send(1, "wake up")
            else:
                yield vcpu_run(sender)
            yield vcpu_run(1)
            yield clear()
            yield vcpu_run(1)  # who has more to say says it now

        def other() -> Any:
            yield configure()
            yield send(1, "wake up")
            yield receive(block=True)

        return boot_scripts(primary, [answer, other], f"A guest that a message of VM {sender} should wake")

    runs = [waited(run(sender), sender) for sender in (0, 2)]
    return runs[0]


def waited(run: Run, sender: int) -> Run:
    """The answer waited for a message, and answered who sent it."""
    if sleeps_at(run, 1) is not None and not answers_of(run, 1) and not is_over(run, 1):
        raise Wrong("Your guest executed WFI, and from that nothing wakes it: no message does.", run)
    if not any(event.kind is Kind.WAKE for event in run.events):
        raise Wrong("No vCPU waited when the message came: block in receive().", run)
    if answers_of(run, 1) != [(sender, b"awake")]:
        told = " and ".join(f"{words.text_of(data)} to VM {vm}" for vm, data in answers_of(run, 1)) or "nothing"
        raise Wrong(f"VM {sender} woke your guest and should have got “awake”. Your guest sent {told}.", run)
    return run


def judge_decode(answer: Callable[[int], Any]) -> None:
    """Taking apart what HF_VCPU_RUN returns."""
    for value in (0x1, 0x2_0002, 0xFFFF_0001_0002, 0x1000_0000_0003, 0x1_0002_1234_0002, 0x5_0006_0703, 0x9_000A_00FE):
        code, vm, data = value & 0xFF, value >> 16 & MASK16, value >> 32
        if (got := answer(value)) != (code, vm, data):
            name = HfVcpuRun(code).name if code in set(HfVcpuRun) else "a code of some day"
            between = " Bits 8 to 15 belong to none of the three." * bool(value >> 8 & 0xFF)
            raise Wrong(
                f"For {value:#x} your function gave {got!r}: it is {name} ({code}), VM {vm}, data {data}.{between}"
            )


# 06-decode-run


def solve_decode_run(value):
    return value & 0xFF, value >> 16 & 0xFFFF, value >> 32


def decode_run_vm_id_in_bits_8_up(value):
    return value & 0xFF, value >> 8 & 0xFFFF, value >> 32


def decode_run_data_cut_to_16_bits(value):
    return value & 0xFF, value >> 16 & 0xFFFF, value >> 32 & 0xFFFF


def decode_run_code_in_16_bits(value):
    return value & 0xFFFF, value >> 16 & 0xFFFF, value >> 32


# 06-loop


def solve_loop():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = result.vm_id
        elif result.code == 3:  # MESSAGE
            yield clear()
            return


def loop_always_runs_vm_1():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = 1
        elif result.code == 3:  # MESSAGE
            yield clear()
            return


def loop_does_not_start_vm_2():
    yield configure()
    for vm in (1,):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = result.vm_id
        elif result.code == 3:  # MESSAGE
            yield clear()
            return


def loop_does_not_clear():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = result.vm_id
        elif result.code == 3:  # MESSAGE
            return


def loop_written_down():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield clear()


def loop_waits_in_receive():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    yield receive(block=True)
    yield clear()


def loop_goes_on_for_ever():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = result.vm_id
        elif result.code == 3:  # MESSAGE
            yield clear()


def loop_sends_go_twice():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    vm = 1
    while True:
        result = yield vcpu_run(vm)
        if result.code == 2:  # WAKE_UP
            vm = result.vm_id
        elif result.code == 3:  # MESSAGE
            yield clear()
            yield send(1, "go")
            return


# 06-patient


def solve_patient():
    yield configure()
    message = yield receive(block=True)
    yield clear()
    yield send(message.sender, "awake")


def patient_waits_with_wfi():
    yield configure()
    yield wait_for_interrupt()
    message = yield receive(block=True)
    yield send(message.sender, "awake")


def patient_asks_once_and_gives_up():
    yield configure()
    message = yield receive(block=False)
    if message is None:
        yield receive(block=False)
    yield send(0, "awake")


def patient_answers_the_primary_only():
    yield configure()
    yield receive(block=True)
    yield clear()
    yield send(0, "awake")


EXERCISES = (
    Exercise(
        id="06-decode-run",
        task="a function that takes the result of HF_VCPU_RUN apart into (code, vm, data).",
        wants="a function of one number",
        takes=forms.function,
        judge=judge_decode,
        learned="the result of vcpu_run says why the vCPU stopped, and whom to run next.",
        hints=(
            "Code in bits 0 to 7, VM id in bits 16 to 31, data in bits 32 to 63.",
            "Shift first, then mask: the VM id is value >> 16 & 0xffff.",
            "Return (value & 0xff, value >> 16 & 0xffff, value >> 32).",
        ),
        solution=solve_decode_run,
        variant=of_results(
            lambda rng: (
                sum(n << at for n, at in zip(map(rng.randrange, (5, 4, 64, 1 << 18)), (0, 9, 16, 32), strict=True)),
            )
        ),
        wrong={
            "VM id in bits 8 up": (decode_run_vm_id_in_bits_8_up, "it is WAKE_UP (2), VM 2, data 0"),
            "code in 16 bits": (decode_run_code_in_16_bits, "belong to none of the three"),
            "data cut to 16 bits": (decode_run_data_cut_to_16_bits, "data 65538"),
        },
    ),
    Exercise(
        id="06-loop",
        task="a primary that sends “go” to VM 1 and runs whoever is woken until the message is back.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_loop,
        learned="a wake-up makes a vCPU ready; the primary's loop runs whom WAKE_UP names.",
        hints=(
            "First configure, and let VM 1 and VM 2 run once each: they configure and wait.",
            "After the send, run VM 1. Each vcpu_run gives result.code: 2 is WAKE_UP, 3 is MESSAGE.",
            "On WAKE_UP run result.vm_id next; on MESSAGE clear the mailbox and stop.",
        ),
        solution=solve_loop,
        wrong={
            "always runs VM 1": (loop_always_runs_vm_1, "VM 2 has got the message and did not run again"),
            "does not start VM 2": (loop_does_not_start_vm_2, "VM 2 never ran"),
            "does not clear": (loop_does_not_clear, "Now clear the mailbox"),
            "written down": (loop_written_down, "to and fro. VM 1 has got the message and did not run"),
            "waits in receive": (loop_waits_in_receive, "for it that is refused"),
            "sends go twice": (loop_sends_go_twice, "“go” is on its way since event"),
            "goes on for ever": (loop_goes_on_for_ever, "at MESSAGE there is nobody left to run"),
        },
    ),
    Exercise(
        id="06-patient",
        task="a guest that waits for a message and then sends “awake” to whoever sent it.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_patient,
        learned="a message wakes who waits in receive, and nobody who waits in WFI.",
        hints=(
            "There are two ways to wait, and a message ends only one of them.",
            "receive(block=True) puts the vCPU on the mailbox's waiter list; WFI does not.",
            "configure, receive, clear, then yield send(message.sender, “awake”).",
        ),
        solution=solve_patient,
        wrong={
            "waits with WFI": (patient_waits_with_wfi, "executed WFI"),
            "asks once and gives up": (patient_asks_once_and_gives_up, "No vCPU waited"),
            "answers the primary only": (patient_answers_the_primary_only, "VM 2 woke your guest"),
        },
    ),
)
LEARN = "two ways to wait, and how a primary runs its VMs"
TERMS = {
    "WFI": "Wait for interrupt, an instruction: the processor sleeps until a device interrupts. In a guest the "
    "hypervisor traps it and lets others run.",
}
