"""The exclusive monitor: a return from the hypervisor clears it, as every exception return does."""

import struct

import pytest

from hfedu import RamDisk, Secondary, clear, configure, vcpu_run
from hfedu.run.machine import Machine

HVC, SMC, SVC, ERET, LOOP = 0xD400_0002, 0xD400_0003, 0xD400_0001, 0xD69F_03E0, 0x1400_0000
ADR_X19_DATA = 0x1000_8013  # adr x19, . + 0x1000
LDXR, STXR_W20, STXR_W21 = 0xC85F_7E61, 0xC814_7E61, 0xC815_7E61  # ldxr x1, [x19]; stxr w20 (w21), x1, [x19]
LDAXR_W, STLXR_W = 0x885F_FE61, 0x8814_FE61  # ldaxr w1, [x19]; stlxr w20, w1, [x19]
LDXP, STXP = 0xC87F_0A61, 0xC834_0A61  # ldxp x1, x2, [x19]; stxp w20, x1, x2, [x19]
VM_COUNT = 0xD29F_E020  # mov x0, #HF_VM_GET_COUNT
RUN_VM_1 = (0xD29F_E000, 0xD280_0021, 0xD280_0002, HVC)
WAIT = (0xD29F_E0A0, 0xD280_0021, HVC)  # HF_MAILBOX_RECEIVE that blocks
SEND_NOTHING = (0xD29F_E080, 0xD280_0001, 0xD280_0002, HVC)  # to the primary
POWER_OFF = (0xD2B0_8000, 0xF280_0100, HVC)
TAKE_EXCEPTIONS_AT_0X800 = (0x1000_4002, 0xD518_C002)  # adr x2, . + 0x800; msr vbar_el1, x2
SUCCEEDED, FAILED = 0, 1


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def ran(primary, *secondaries: bytes, **options) -> Machine:
    machine = Machine(RamDisk(primary, [Secondary(image) for image in secondaries]), max_traps=1000, **options)
    assert machine.run().outcome.kind == "power off"
    return machine


def status(*words: int) -> int:
    """What the last STXR into w20 said when the primary runs these instructions."""
    return ran(code(ADR_X19_DATA, *words, *POWER_OFF)).cpu.regs[20]


PAIRS = pytest.mark.parametrize(("load", "store"), [(LDXR, STXR_W20), (LDAXR_W, STLXR_W), (LDXP, STXP)])


@PAIRS
def test_without_a_trap_the_store_succeeds(load, store):
    assert status(VM_COUNT, HVC, load, store) == SUCCEEDED


@PAIRS
@pytest.mark.parametrize("call", [HVC, SMC])
def test_a_trap_between_load_and_store_makes_the_store_fail(load, store, call):
    assert status(VM_COUNT, load, call, store) == FAILED
    assert status(VM_COUNT, load, call, store, load, store) == SUCCEEDED


@pytest.mark.parametrize("record", [True, False])
def test_another_vm_between_load_and_store_makes_the_store_fail(record):
    machine = ran(
        code(ADR_X19_DATA, LDXR, *RUN_VM_1, STXR_W20, LDXR, STXR_W21, *POWER_OFF), code(*WAIT, LOOP), record=record
    )
    assert (machine.cpu.regs[20], machine.cpu.regs[21]) == (FAILED, SUCCEEDED)


def test_a_secondary_that_was_switched_out_fails_too():
    """VM 1 sends a message between load and store; a scripted primary takes it and runs VM 1 again."""
    secondary = code(
        0xD29F_E060, 0x1000_0001 | 0x4000 - 4 << 3, 0x1000_0002 | 0x5000 - 8 << 3, HVC,  # configure(0x4000, 0x5000)
        ADR_X19_DATA, LDXR, *SEND_NOTHING, STXR_W20, LDXR, STXR_W21, *SEND_NOTHING, LOOP,
    )  # fmt: skip

    def primary():
        yield configure()
        for _ in range(2):
            yield vcpu_run(1)
            yield clear()

    machine = ran(primary, secondary)
    regs = machine.hypervisor.vms[1].vcpus[0].regs
    assert (regs[20], regs[21]) == (FAILED, SUCCEEDED)


def test_a_loop_that_retries_gets_through():
    """An atomic increment whose first attempt a hypercall spoils: 1: ldxr; add; hvc, once; stxr; cbnz 1b."""
    words = (
        0xD280_0036,  # mov x22, #1
        LDXR, 0x9100_0421,  # 1: ldxr x1, [x19]; add x1, x1, #1
        0xB400_0076, 0xD280_0016, HVC,  # cbz x22, 2f; mov x22, #0; hvc
        STXR_W20, 0x35FF_FF54,  # 2: stxr w20, x1, [x19]; cbnz w20, 1b
        0xF940_0277,  # ldr x23, [x19]
    )  # fmt: skip
    machine = ran(code(ADR_X19_DATA, VM_COUNT, *words, *POWER_OFF))
    assert machine.cpu.regs[23] == 1


def test_an_exception_of_the_guest_s_own_clears_it_on_return_and_not_on_entry():
    """SVC to the guest's own EL1: only the ERET that ends the handler is an exception return."""
    before = (*TAKE_EXCEPTIONS_AT_0X800, ADR_X19_DATA, LDXR, SVC, STXR_W21, *POWER_OFF)
    handler = (STXR_W20, LDXR, ERET)
    # The vector for exceptions from the same level with SP_ELx lies 0x200 behind VBAR_EL1.
    machine = ran(code(*before).ljust(0x800 + 0x200, b"\0") + code(*handler))
    assert (machine.cpu.regs[20], machine.cpu.regs[21]) == (SUCCEEDED, FAILED)


def test_the_return_is_no_instruction_of_the_guest():
    """mov; ldxr; hvc; stxr; b: five instructions a round, counted exactly although every round returns from EL2."""
    back = 0x1400_0000 | -4 & 0x03FF_FFFF
    machine = Machine(RamDisk(code(ADR_X19_DATA, VM_COUNT, LDXR, HVC, STXR_W20, back)), max_instructions=1 + 5 * 20)
    machine.run()
    assert machine.budget.trapped == 20
    assert machine.cpu.regs[20] == FAILED
