"""The exclusive monitor does not survive a trap: every return from EL2 is an ERET, and that clears it."""

import pytest
import victim
from a64 import HVC, NOP, SMC, WFI, ldxr, mov, str_, stxr
from isolation import HOSTILE, VICTIM
from test_isolation import machine, program, word

from hfedu.guest.unicorn_cpu import UnicornCpu
from hfedu.hf import call
from hfedu.hf.platform import LAYOUT_PRIMARY_BEGIN
from hfedu.hf.psci import PsciCall

KEEP = 0x6000


def hypercall(function: int, *args: int) -> list[int]:
    return [word for register, value in enumerate((function, *args)) for word in mov(register, value)] + [HVC]


def configured(base: int) -> list[int]:
    return hypercall(call.HF_VM_CONFIGURE, base + victim.SEND, base + victim.RECV)


def status_of_exclusive_store(between: list[int]) -> int:
    """VM 1 loads exclusively, does `between`, stores exclusively: 0 if the store was done, 1 if not."""
    primary = program(
        LAYOUT_PRIMARY_BEGIN, configured(LAYOUT_PRIMARY_BEGIN),
        *(hypercall(call.HF_VCPU_RUN, vm, 0) for vm in (1, 2, 1)), hypercall(PsciCall.SYSTEM_OFF),
    )  # fmt: skip
    guest = program(
        VICTIM, configured(VICTIM), mov(19, VICTIM + KEEP), mov(20, 0x77), mov(22, 5),
        ldxr(21, 19), between, stxr(22, 20, 19), str_(22, 19, 8), WFI,
    )  # fmt: skip
    other = program(HOSTILE, mov(19, HOSTILE + KEEP), ldxr(21, 19), stxr(22, 20, 19), WFI)
    both = machine(primary, guest, other)
    assert both.run().outcome.kind == "power off"
    status = word(both, VICTIM + KEEP + 8)
    assert word(both, VICTIM + KEEP) == (0 if status else 0x77)
    return status


TRAPS = {
    "hvc": hypercall(call.HF_VM_GET_COUNT),
    "smc": [SMC],
    "a switch to the primary, to VM 2 and back": hypercall(call.HF_MAILBOX_SEND, 0, 8),
}


def test_without_a_trap_the_store_is_done():
    assert status_of_exclusive_store([NOP]) == 0


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_clears_the_monitor(trap):
    assert status_of_exclusive_store(TRAPS[trap]) == 1


def test_a_cpu_that_enters_guests_without_an_eret_is_noticed(monkeypatch):
    """The mutant puts the guest's PSTATE in place by hand."""
    enter = UnicornCpu.enter

    def without_eret(cpu: UnicornCpu) -> None:
        enter(cpu)
        cpu.write_el1()
        cpu.return_from_el2 = cpu.go_on

    monkeypatch.setattr(UnicornCpu, "enter", without_eret)
    assert status_of_exclusive_store(TRAPS["hvc"]) == 0
