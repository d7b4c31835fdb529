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
