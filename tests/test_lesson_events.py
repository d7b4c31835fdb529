"""What lessons 00 to 08 say of an event by its number is so in the run that they show; so are other numbers in them."""

from functools import cache

import pytest

from hfedu.course.notebooks import lessons, read_notebook, source
from hfedu.course.tour import TASKS
from hfedu.hf.arch import HCR_ALL_VMS, HCR_SECONDARY, HCR_TACR, HCR_TSC, HCR_TWI, REGISTER_NAMES, SAVED
from hfedu.hf.platform import MAX_CPUS
from hfedu.run.words import sentence

ASKS = ("predict(", "hfedu.predict(", "hfedu.tour(", "playground(", "hfedu.you_are_the_hypervisor(", "arrange(")


@cache
def cells_of(number):
    return read_notebook(next(lesson.path for lesson in lessons() if lesson.number == number)).cells


@cache
def text(number):
    """The prose of a lesson in one line."""
    cells = cells_of(number)
    return " ".join(" ".join(cell.source for cell in cells if cell.cell_type == "markdown").split())


@cache
def shown(number, cell_id):
    """The names of a lesson after its cell with this id; what asks the learner is left out."""
    names = {}
    for cell in cells_of(number):
        if cell.cell_type == "code" and not cell.source.startswith(ASKS):
            exec(cell.source, names)
        if cell.get("id") == cell_id:
            return names
    raise AssertionError(f"lesson {number} has no cell {cell_id}")


SAID = [
    ("00", "boot", "event 6, `= 3`", {6: "vm_count returns 3"}),
    ("00", "boot", "**Events 21 to 24, send and wake-up.**", {21: "SEND(VM 1", 22: "now READ", 23: "wakes up"}),
    ("00", "boot", "**Events 25 to 30, clear.**", {26: "switches to VM 1", 29: "HF_MAILBOX_CLEAR", 30: "returns 0"}),
    ("00", "boot", "in event 35: `run = WAKE_UP(VM 2, vCPU 0)`", {35: "run = WAKE_UP(VM 2, vCPU 0)"}),
    ("01", "run", "The call is event 3, and its return event 4.", {3: "HF_VM_GET_COUNT", 4: "returns 1"}),
    ("01", "left", "Event 11 is VM 2's wfi", {11: "VM 2 vCPU 0 waits for an interrupt"}),
    ("03", "run-timer", "**Events 5 and 6.** HF_VCPU_RUN", {5: "HF_VCPU_RUN(VM 1", 6: "switches to VM 1"}),
    ("03", "run-timer", "**Event 7, the interrupt.**", {7: "interrupt arrives while VM 1"}),
    ("03", "run-timer", "**Event 8.** The CPU goes back to the primary", {8: "run = YIELD"}),
    ("03", "run-timer", "**Event 10.** VM 1 goes on", {10: "switches to VM 1"}),
    ("04", "run", "Event 10 is VM 1's second `hvc`.", {10: "VM 1 vCPU 0 calls hvc 0x4"}),
    ("05", "run", "**Events 4 and 8, configure.**", {4: "HF_VM_C", 8: "VM 1 vCPU 0 calls HF_VM_C"}),
    ("05", "run", "**Event 10, receive(block).**", {10: "HF_MAILBOX_RECEIVE(block)"}),
    ("05", "run", "**Event 12, send.**", {12: "HF_MAILBOX_SEND"}),
    ("05", "run", "**Event 13, the message.** Five bytes", {13: "5 bytes from VM 0 to VM 1's mailbox, now READ"}),
    ("05", "run", "**Event 14, wake-up.**", {14: "VM 1 vCPU 0 wakes up"}),
    ("05", "run", "**Event 15, the result.**", {15: "send returns 0"}),
    ("05", "run", "**Event 17.** When VM 0 runs VM 1, `receive` returns *VM 0", {17: "receive = VM 0, 5 bytes"}),
    ("06", "run", "**Events 11 and 12.** VM 1 calls receive", {11: "RECEIVE(block)", 12: "WAIT_FOR_INTERRUPT"}),
    ("06", "run", "**Event 21, wake-up.**", {21: "VM 1 vCPU 0 wakes up"}),
    ("06", "run", "**Events 27 to 31.** VM 1 sends to VM 2.", {27: "SEND(VM 2", 31: "WAKE_UP(VM 2, vCPU 0)"}),
    ("06", "run", "**Event 32.** The primary runs VM 2.", {32: "HF_VCPU_RUN(VM 2"}),
    ("07", "run", "**Events 12 to 15.** The first send", {12: "HF_MAILBOX_SEND", 13: "now READ", 15: "send returns 0"}),
    ("07", "run", "**Events 16 and 17.** The second send", {16: "HF_MAILBOX_SEND", 17: "send returns -1"}),
    ("07", "run", "**Event 20, clear (∅).**", {20: "HF_MAILBOX_CLEAR"}),
    ("07", "run", "**Events 24 to 27.** The third send", {24: "HF_MAILBOX_SEND", 27: "send returns 0"}),
    ("08", "run", "**Event 27, send(VM 2).**", {27: "VM 1 vCPU 0 calls HF_MAILBOX_SEND(VM 2"}),
    ("08", "run", "**Event 33**, receive = *VM 1, 4 bytes*", {33: "receive = VM 1, 4 bytes"}),
    ("08", "run", "**Event 31.** The primary is told", {31: "WAKE_UP(VM 2, vCPU 0)"}),
    ("08", "run", "**Events 36 to 39.** VM 2 sends back", {36: "HF_MAILBOX_SEND(VM 1", 39: "any vCPU"}),
    ("08", "run", "**Event 49, MESSAGE(2 bytes).**", {49: "run = MESSAGE(2 bytes)"}),
]  # fmt: skip
NAMES = {("01", "left"): "left", ("03", "run-timer"): "timed", ("04", "run"): "three"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "cell_id", "said", "events"), SAID)
def test_an_event_that_a_lesson_names_is_what_it_says(number, cell_id, said, events):
    assert said in text(number)
    run = shown(number, cell_id)[NAMES.get((number, cell_id), "recording")]
    for seq, what in events.items():
        assert what in sentence(run.events[seq]), f"event {seq}"


def test_numbers_in_the_text_are_those_of_the_machine():
    lines = len((source()[0].parent / "assets" / "guests" / "relay.c").read_text("utf-8").splitlines())
    assert f"{lines} lines of C" in text("00")
    assert "seven steps" in text("00")
    assert len(TASKS) == 7
    assert f"and {SAVED - REGISTER_NAMES.index('spsr') - 1} system registers" in text("01")
    assert "The primary has eight vCPUs" in text("03")
    assert MAX_CPUS == 8


def test_what_traps_is_what_lesson_01_says_of_hcr_el2():
    assert "bit TSC for smc, TWI for wfi, TACR for ACTLR_EL1. TWI is set for secondaries only" in text("01")
    assert HCR_ALL_VMS & HCR_TSC
    assert HCR_ALL_VMS & HCR_TACR
    assert HCR_SECONDARY & HCR_TWI
    assert not HCR_ALL_VMS & HCR_TWI


def test_lesson_06_begins_with_you_are_the_hypervisor_and_answers_none_of_its_traps_before():
    cells = cells_of("06")
    first = next(
        number for number, cell in enumerate(cells) if cell.source == 'hfedu.you_are_the_hypervisor("wake-up")'
    )
    above = [cell for cell in cells[:first] if cell.cell_type == "code"]
    assert [cell.get("id") for cell in above] == ["setup"]
    assert "WAKE_UP" not in " ".join(cell.source for cell in cells[:first])
