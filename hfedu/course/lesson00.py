"""Lesson 00, the tour: its prediction."""

from hfedu import notebook
from hfedu.course.exercises import Exercise
from hfedu.course.predictions import Prediction, Question
from hfedu.course.scenes import call_of, switch_after
from hfedu.files import asset
from hfedu.hf.call import HF_MAILBOX_SEND
from hfedu.notebook import Run
from hfedu.run.ramdisk import RamDisk
from hfedu.view import words


def relay() -> Run:
    """The tour's three machine-code guests."""
    disk = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])
    return notebook.boot(disk, append="hello", title="One message through three VMs")


EXERCISES: tuple[Exercise, ...] = ()
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
                }[words.vm_of(event.target or "")],
                "The hypervisor wakes VM 2 and does not run it: it goes back to VM 0 and says whom the message woke. "
                "Only the primary decides who runs.",
            ),
        ),
    ),
)
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
    "mailbox": "The one place in which a message to a VM can lie. It is EMPTY, RECEIVED (a message came) or READ "
    "(its owner has it).",
    "run": "To give a vCPU the physical CPU. The primary does it with HF_VCPU_RUN, and the result says why the vCPU "
    "stopped.",
    "ready": "Able to run, but not running: a ready vCPU waits for the primary to run it.",
    "clear": "To empty one's own mailbox, so that the next message has room.",
    "vCPU": "Virtual processor: the saved registers and the state of one processor of a VM. The hypervisor puts it "
    "on a physical CPU to run the VM.",
}
