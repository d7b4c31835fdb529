"""Lesson 00, the tour: its predictions and its exercise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.forms import Unfit
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import boot_counted, call_of, switch_after
from hfedu.errors import Mistake, counted
from hfedu.files import asset
from hfedu.hf.call import HF_MAILBOX_SEND
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.recording import Actor, Event

MAILBOXES = 4
"""So many the message of the exercise is to pass."""


def relay() -> Run:
    """The tour's three machine-code guests."""
    disk = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])
    return boot_counted(disk, append="hello", title="One message through three VMs")


def after(number: int) -> Callable[[Run], Event]:
    """Finds an event by the number that a question names."""
    return lambda run: run.events[number]


MESSAGE, TURN, INTERRUPT = "for a message", "for nothing but its turn", "for a device to interrupt"


def awaits(vm: int) -> Callable[[Run, Event], str]:
    """Tells what a VM that does not run waits for after an event."""

    def what(run: Run, event: Event) -> str:
        state = run.at(event.seq)
        if Actor(vm, 0) in state.waiters(vm):
            return MESSAGE
        return TURN if state[f"vm{vm}.vcpu0.state"] == "READY" else INTERRUPT

    return what


PREDICTIONS = (
    Prediction(
        "00-who-runs",
        "There is one processor. VM 1 has just sent the message on to VM 2.",
        relay,
        (
            Question(
                "Who runs next?",
                ("VM 1 goes on", "VM 2, which now has work to do", "VM 0, the primary"),
                switch_after(call_of(1, HF_MAILBOX_SEND, 0)),
                lambda run, event: {
                    "VM 0": "VM 0, the primary",
                    "VM 1": "VM 1 goes on",
                    "VM 2": "VM 2, which now has work to do",
                }[words.vm_of(event.target)],
                "The hypervisor wakes VM 2 and does not run it: it goes back to VM 0 and says whom the message woke. "
                "Only the primary decides who runs.",
            ),
        ),
    ),
    Prediction(
        "00-read-the-player",
        "The run above, after event 17, event 31 and event 38. The player shows all three answers.",
        relay,
        (
            Question(
                "After event 17: who holds the CPU?",
                ("VM 0", "VM 1", "VM 2"),
                after(17),
                lambda run, event: words.vm_of(run.at(event.seq)["cpu0.current"]),
                "The tab State says it in its last line: CPU 0 runs VM 2 vCPU 0. In the picture VM 2's line is thick "
                "there.",
            ),
            Question(
                "After event 31: what does VM 2 wait for?",
                (INTERRUPT, MESSAGE, TURN),
                after(31),
                awaits(2),
                "Below its name stands “waits: message”, and the tab State adds that a send to VM 2 wakes it. It waits "
                "since its receive at event 19. (The hypervisor's own name, BLOCKED_INTERRUPT, is wrong.)",
            ),
            Question(
                "After event 38: what does VM 1 wait for now?",
                (INTERRUPT, MESSAGE, TURN),
                after(38),
                awaits(1),
                "It has sent its message and could go on: it is ready since event 34, and runs when the primary runs "
                "it.",
            ),
        ),
    ),
)


def guests(answer: Any) -> list[Any]:
    """A list of images, of the files that hold them, of scripts, or of any of these as a `Secondary`."""
    found = forms.items(answer)
    if not all(isinstance(guest, bytes | Path | Secondary) or forms.is_script(guest) for guest in found):
        raise Unfit("Without quotes: relay is a name of the first cell." if "relay" in found else "")
    return found


def judge_mailboxes(answer: list[Any]) -> Run:
    """The message must pass four mailboxes, and come back."""
    try:
        disk = RamDisk(asset("relay_primary.bin"), list(answer))
        run = boot_counted(disk, append="hello", title=f"{len(answer)} secondaries")
    except Mistake as mistake:
        raise Wrong(f"The machine does not start: {mistake}.") from None
    passed = sum(event.kind is Kind.DELIVER for event in run.events)
    if passed != MAILBOXES:
        raise Wrong(f"The message passes {counted(passed, 'mailbox')}, not {MAILBOXES}. {which(run)}", run)
    if "VM 0: I got" not in run.uart:
        raise Wrong(f"The message passes {passed} mailboxes and does not come back to VM 0.", run)
    return run


def which(run: Run) -> str:
    """Whose mailboxes the message passed; if none, how the run ended."""
    vms = [words.vm_of(event.target) for event in run.events if event.kind is Kind.DELIVER]
    return f"They are those of {', '.join(vms)}." if vms else str(run.outcome)


EXERCISES = (
    Exercise(
        id="00-four-mailboxes",
        task="a list of secondaries with which the message passes four mailboxes.",
        wants="a list of guests, such as [relay, relay]",
        takes=guests,
        judge=judge_mailboxes,
        learned="each VM has one mailbox, the primary too, and a message passes one for every VM that it goes to.",
        hints=(
            "With two relays the message passes three mailboxes. Whose are they?",
            "Each relay has a mailbox, and the message ends in that of VM 0.",
            "Three relays: answer = [relay] * 3.",
        ),
        solution=[asset("relay.bin")] * 3,
        wrong={
            "forgets the mailbox of VM 0": ([asset("relay.bin")] * 4, "They are those of VM 1, VM 2, VM 3, VM 4, VM 0"),
            "counts the mailbox of VM 0 twice": ([asset("relay.bin")] * 2, "They are those of VM 1, VM 2, VM 0"),
            "lists the primary with the secondaries": (
                [asset("relay_primary.bin")] + [asset("relay.bin")] * 3,
                "passes 0 mailboxes",
            ),
        },
    ),
)
LEARN = "what a hypervisor does with one message and three virtual machines"
TERMS = {
    "hypervisor": "The program that lets several systems share one computer, and keeps them apart.",
    "virtual machine": "VM, a system that runs under a hypervisor: it has memory of its own and believes that it "
    "has a processor of its own.",
    "RAM disk": "An archive of files that the boot loader leaves in memory. The hypervisor finds its VMs there.",
    "guest": "The program that runs in a virtual machine.",
    "primary": "VM 0, the one VM that decides which VM runs. It can run others; no other VM can.",
    "secondary": "Any VM but the primary. It runs when the primary runs it.",
    "serial line": "The wire on which a machine prints text, one character after the other: here its only output.",
    "hypercall": "A call from a guest into the hypervisor, as a system call goes from a program into its kernel.",
    "vCPU": "Virtual processor: the saved registers and the state of one processor of a VM. The hypervisor puts it "
    "on a physical CPU to run the VM.",
    "mailbox": "The one place in which a message to a VM can lie. It is EMPTY, RECEIVED (a message came) or READ "
    "(it is handed to its owner: by a receive, or at once if the owner waits).",
    "run": "To give a vCPU the physical CPU. The primary does it with HF_VCPU_RUN, and the result says why the vCPU "
    "stopped.",
    "ready": "Able to run, but not running: a ready vCPU waits for the primary to run it.",
    "clear": "To empty one's own mailbox, so that the next message has room.",
}
