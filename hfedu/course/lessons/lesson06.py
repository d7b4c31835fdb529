"""Lesson 06, wake-up and wait-for-interrupt: its predictions and exercises."""

from collections.abc import Callable
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
    gave,
    result_of,
    returned_at,
    run_result,
    state_of,
    switch_after,
)
from hfedu.course.shared.wants import GUEST
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.call import HF_MAILBOX_CLEAR, HF_MAILBOX_SEND, HF_VCPU_RUN, HfVcpuRun
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind


def relay() -> Any:
    """Passes each message on to the VM after its own; from VM 2 on, to the primary."""
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(2 if message.sender == 0 else 0, message.data)


def chain() -> Run:
    """VM 0 to VM 1 to VM 2; both wait."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        yield send(1, "hello")
        yield vcpu_run(1)
        yield vcpu_run(2)

    return boot_scripts(primary, [relay, relay], "A message wakes one VM after the other")


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


VM1_SENDS = call_of(1, HF_MAILBOX_SEND, 0)
CODES = ("YIELD", "WAIT_FOR_INTERRUPT", "WAKE_UP(VM 2, vCPU 0)", "MESSAGE(5 bytes)")
PREDICTIONS = (
    Prediction(
        "06-who-runs",
        "VM 1 and VM 2 wait. VM 0 sends to VM 1 and runs it; VM 1 sends on to VM 2.",
        chain,
        (
            Question(
                "Who runs right after VM 1's send?",
                ("VM 0", "VM 1", "VM 2"),
                switch_after(VM1_SENDS),
                lambda run, event: words.vm_of(event.target),
                "A secondary that sends is switched out and the CPU goes back to the primary: only it schedules.",
            ),
            Question(
                "What does VM 0's vcpu_run(1) return then?",
                CODES,
                switch_after(VM1_SENDS),
                run_result,
                "The hypervisor tells the primary whom the message woke, so that it can run it: WAKE_UP(VM 2, vCPU 0).",
            ),
            Question(
                "In which state is VM 2's vCPU at that moment?",
                ("READY", "RUNNING", "BLOCKED_INTERRUPT"),
                changed_at(VM1_SENDS, "vm2.vcpu0.state"),
                state_of("vm2.vcpu0.state"),
                "The message made it READY. RUNNING it becomes only when the primary runs it.",
            ),
        ),
    ),
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
    ),
)


def judge_loop(answer: Script) -> Run:
    """The answer is the primary of a chain of two relays."""
    run = boot_scripts(answer, [relay, relay], "Your primary and two relays")
    runs = [event.arg.vm for event in calls(run, 0, HF_VCPU_RUN)]
    if not {1, 2} <= set(runs):
        raise Wrong(f"VM {2 if 1 in runs else 1} never ran, so it could not even configure its pages.", run)
    if not calls(run, 0, HF_MAILBOX_SEND):
        raise Wrong("Your primary never sends the message “go” to VM 1.", run)
    if not delivered(run, 1):
        raise Wrong(
            "The message to VM 1 was refused: let both VMs run until they wait, and configure your own pages.", run
        )
    if not delivered(run, 2):
        raise Wrong("VM 1 has the message, and VM 2 never got it: run VM 1 after the send, and VM 2 before it.", run)
    if not delivered(run, 0):
        raise Wrong("VM 2 was woken and never ran: when vcpu_run returns WAKE_UP, run the VM that it names.", run)
    if delivered(run, 0) != [b"go"]:
        raise Wrong(f"“go” should have come back, {delivered(run, 0)[0]!r} came.", run)
    if not any(gave(run, event) == 0 for event in calls(run, 0, HF_MAILBOX_CLEAR)):
        raise Wrong("The message is back. Now clear the mailbox, so that the next one has room.", run)
    return run


def judge_patient(answer: Script) -> Run:
    """A guest that a message must wake."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "wake up")
        yield vcpu_run(1)

    run = boot_scripts(primary, [answer], "A guest that a message should wake")
    if any(event.kind is Kind.WFI and event.seq < len(run.events) - 4 for event in run.events) and not delivered(
        run, 0
    ):
        raise Wrong("Your guest executed WFI, and from that nothing wakes it: no message does.", run)
    if not any(event.kind is Kind.WAKE for event in run.events):
        raise Wrong("No vCPU waited when the message came: block in receive().", run)
    if delivered(run, 0) != [b"awake"]:
        raise Wrong(f"VM 0 should have got “awake”, it got {delivered(run, 0) or 'nothing'}.", run)
    return run


def judge_decode(answer: Callable[[int], Any]) -> None:
    """Taking apart what HF_VCPU_RUN returns."""
    for code, vm, data in ((1, 0, 0), (2, 2, 0), (2, 1, 0xFFFF), (3, 0, 4096), (2, 0x1234, 0x1_0002)):
        value = code | vm << 16 | data << 32
        if answer(value) != (code, vm, data):
            name = HfVcpuRun(code).name
            raise Wrong(
                f"For {value:#x} your function gave {answer(value)!r}: it is {name} ({code}), VM {vm}, data {data}."
            )


# 06-decode-run


def solve_decode_run(value):
    return value & 0xFF, value >> 16 & 0xFFFF, value >> 32


def decode_run_vm_id_in_bits_8_up(value):
    return value & 0xFF, value >> 8 & 0xFFFF, value >> 32


def decode_run_data_cut_to_16_bits(value):
    return value & 0xFF, value >> 16 & 0xFFFF, value >> 32 & 0xFFFF


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
        wrong={
            "VM id in bits 8 up": (decode_run_vm_id_in_bits_8_up, "it is WAKE_UP (2), VM 2, data 0"),
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
            "always runs VM 1": (loop_always_runs_vm_1, "VM 2 was woken and never ran"),
            "does not start VM 2": (loop_does_not_start_vm_2, "VM 2 never ran"),
            "does not clear": (loop_does_not_clear, "Now clear the mailbox"),
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
        },
    ),
)
LEARN = "two ways to wait, and how a primary runs its VMs"
TERMS = {
    "WFI": "Wait for interrupt, an instruction: the processor sleeps until a device interrupts. In a guest the "
    "hypervisor traps it and lets others run.",
}
