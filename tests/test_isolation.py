"""Nobody touches what is not theirs: hostile guests beside a victim, and proof that the fuzzer would notice."""

import ctypes
import struct

import isolation
import pytest
import victim
from a64 import BLR_X7, ERET, HVC, ISB, RET, SVC, WFI, Program
from unicorn.unicorn_py3.unicorn import Uc

from a64 import ldr, mov, mrs, msr, str_  # isort: skip
from isolation import HOSTILE, RAM_BASE, RAM_SIZE, ROOM, VICTIM

from hfedu import RamDisk, Secondary
from hfedu.guest import syndrome, unicorn_cpu
from hfedu.hf import call
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.mm import MM_MODE_R, MM_MODE_W, MM_MODE_X
from hfedu.hf.platform import HEAP_BEGIN, LAYOUT_PRIMARY_BEGIN
from hfedu.hf.psci import PsciCall
from hfedu.run.machine import Machine

SEEDS, BATCH = 96, 24
NO_SUCH_CONTROL = ctypes.c_int(0x3FFF)
"""In place of a control code of the emulator: the call does nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_hostile_guests_change_nothing_and_learn_nothing(first):
    assert not [(seed, finding) for seed, _, finding in isolation.batch(first, BATCH) if finding]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "mode"),
    [
        (VICTIM + victim.STATE, MM_MODE_R | MM_MODE_W),
        (VICTIM + victim.STATE, MM_MODE_W),
        (VICTIM + victim.PATTERN, MM_MODE_R),
        (VICTIM, MM_MODE_R | MM_MODE_W | MM_MODE_X),
        (HEAP_BEGIN, MM_MODE_R | MM_MODE_W),
        (LAYOUT_PRIMARY_BEGIN, MM_MODE_R | MM_MODE_W),
    ],
)
def test_the_fuzzer_notices_a_page_that_stayed_in_a_table(page, mode):
    def leave_mapped(machine: Machine) -> None:
        hypervisor = machine.hypervisor
        hypervisor.mm_vm_identity_map(hypervisor.vms[-1].ptable, Pa(page), Pa(page + PAGE_SIZE), mode)

    secondaries = (seed for seed in range(24) if not isolation.Case.of(seed).is_primary)
    assert any(isolation.run(seed, leave_mapped)[1] for seed in secondaries)


def test_a_process_that_dies_is_a_finding_of_its_seed(monkeypatch, tmp_path):
    script = tmp_path / "dies.py"
    script.write_text("import os, sys; first = sys.argv[3]; print(first, 'hang', '', sep='\\t', flush=True)\n"
                      "os.abort()\n")  # fmt: skip
    monkeypatch.setattr(isolation, "__file__", str(script))
    assert [(seed, kind) for seed, kind, _ in isolation.batch(5, 3)] == [(5, "hang"), (6, "killed"), (7, "hang")]


# Directed guests: VM 1 lies where the fuzzer's victim lies, VM 2 where its hostile guest lies.


def program(base: int, *code: int | list[int]) -> bytes:
    guest = Program(base)
    guest.add(*code)
    return guest.image()


def runs(*vms: int) -> bytes:
    """A primary that runs these VMs in this order and powers off."""
    calls = [word for vm in vms for word in (*mov(0, call.HF_VCPU_RUN), *mov(1, vm), *mov(2, 0), HVC)]
    return program(LAYOUT_PRIMARY_BEGIN, calls, mov(0, PsciCall.SYSTEM_OFF), HVC)


def machine(primary: bytes, first: bytes, second: bytes = program(HOSTILE, WFI)) -> Machine:
    secondaries = [Secondary(image, ROOM, name=name) for image, name in ((first, "first"), (second, "second"))]
    return Machine(RamDisk(primary, secondaries), memory=RAM_SIZE, max_instructions=20_000, max_traps=200)


def word(machine: Machine, address: int) -> int:
    return machine.board.memory.read64(Pa(address))


def loads_from(address: int, keep: int) -> bytes:
    """VM 2 loads from `address`, keeps what it got at `keep`, and waits."""
    return program(HOSTILE, mov(9, address), ldr(1, 9), mov(9, keep), str_(1, 9), WFI)


def one_root_for_all(machine: Machine) -> None:
    """A hypervisor that switches VMs by copying their root table into one page: VTTBR_EL2 never changes."""
    hypervisor, page = machine.hypervisor, Pa(HEAP_BEGIN - PAGE_SIZE)

    def vm_set_current(cpu, vm):
        type(hypervisor).vm_set_current(hypervisor, cpu, vm)
        hypervisor.memory.write(page, hypervisor.memory.read(vm.ptable.root, PAGE_SIZE))
        cpu.vttbr_el2 = page

    hypervisor.vm_set_current = vm_set_current


@pytest.mark.parametrize("flush", [True, False])
def test_a_switch_flushes_the_tlb(flush, monkeypatch):
    """VM 2 loads what VM 1 has just stored. The emulator flushes too when VTTBR_EL2 changes; so let it not change."""
    if not flush:
        monkeypatch.setattr(unicorn_cpu, "_TLB_FLUSH", NO_SUCH_CONTROL)
    secret, keep = VICTIM + 0x6000, HOSTILE + 0x6000
    owner = program(VICTIM, mov(9, secret), mov(1, 0x77), str_(1, 9), ldr(2, 9), WFI)
    shared = machine(runs(1, 2), owner, loads_from(secret, keep))
    one_root_for_all(shared)
    outcome = shared.run().outcome
    assert (outcome.kind, word(shared, keep)) == (("hang", 0) if flush else ("power off", 0x77))


@pytest.mark.parametrize("mmu", [False, True])
@pytest.mark.parametrize("forget", [True, False])
def test_a_message_over_code_replaces_the_code(forget, mmu, monkeypatch):
    """VM 1 calls its receive page, gets other code into it from VM 2, and calls it again."""
    if not forget:
        monkeypatch.setattr(unicorn_cpu, "_TB_REMOVE", NO_SUCH_CONTROL)
        monkeypatch.setattr(Uc, "ctl_flush_tb", lambda self: None)
    recv, keep, table = VICTIM + victim.RECV, VICTIM + 0x6000, VICTIM + 0x7000
    stage_1 = [
        *mov(1, table),
        msr("TTBR0_EL1", 1),
        *mov(1, 25),
        msr("TCR_EL1", 1),
        *mov(1, 1),
        msr("SCTLR_EL1", 1),
        ISB,
    ]
    receiver = program(
        VICTIM,
        stage_1 if mmu else [],
        mov(0, call.HF_VM_CONFIGURE), mov(1, VICTIM + victim.SEND), mov(2, recv), HVC,
        mov(7, recv), BLR_X7, mov(9, keep), str_(6, 9),
        mov(0, call.HF_MAILBOX_RECEIVE), mov(1, 1), HVC,
        mov(7, recv), BLR_X7, mov(9, keep), str_(6, 9, 8), WFI,
    ).ljust(0x7000, b"\0")  # fmt: skip
    receiver += struct.pack("<2Q", 0, RAM_BASE | 0x401)
    receiver = receiver.ljust(victim.RECV, b"\0") + program(0, mov(6, 7), RET)
    sender = program(
        HOSTILE,
        mov(0, call.HF_VM_CONFIGURE), mov(1, HOSTILE + victim.SEND), mov(2, HOSTILE + victim.RECV), HVC,
        mov(0, call.HF_MAILBOX_SEND), mov(1, 1), mov(2, 8), HVC, WFI,
    ).ljust(victim.SEND, b"\0") + program(0, mov(6, 9), RET)  # fmt: skip
    both = machine(runs(1, 2, 1), receiver, sender)
    assert both.run().outcome.kind == "power off"
    assert (word(both, keep), word(both, keep + 8)) == (7, 9 if forget else 7)


def test_a_guest_starts_with_empty_registers_and_sees_none_of_the_others():
    """VM 1 fills its registers with secrets; VM 2 keeps what it finds at its start. What leaks, leaks by design."""
    keep = HOSTILE + 0x6000
    names = (*victim.KEPT_SYSTEM, "VBAR_EL1", "CONTEXTIDR_EL1", "ESR_EL1", "TTBR0_EL1", "TTBR1_EL1", "PAR_EL1")
    leaking = ("ELR_EL1", "SPSR_EL1")
    fill = [*mov(0, 0x3C0), *(msr(name, 0) for name in (*names, *leaking))]
    fill += [insn for register in range(31) for insn in mov(register, 0x5EC0 + register)]
    dump = [str_(register, 0, 8 * register) for register in range(1, 31)]
    for number, name in enumerate((*names, *leaking), 31):
        dump += [mrs(1, name), str_(1, 0, 8 * number)]
    switched = machine(runs(1, 2), program(VICTIM, fill, WFI), program(HOSTILE, mov(0, keep), dump, WFI))
    assert switched.run().outcome.kind == "power off"
    end = 31 + len(names)
    assert [word(switched, keep + 8 * number) for number in range(1, end)] == [0] * (end - 1)
    assert [word(switched, keep + 8 * number) for number in (end, end + 1)] == [0x3C0, 0x3C0]


def test_aarch32_code_at_el0_ends_the_run_with_a_sentence():
    """VM 2 goes to AArch32 and makes its stale PC point to a WFI: the next VM must not run as AArch32."""
    start = [*mov(0, HOSTILE + 0x100), msr("ELR_EL1", 0), *mov(0, 0x10), msr("SPSR_EL1", 0)]
    eret = HOSTILE + 4 * (len(start) + 4)
    start += [*mov(1, eret)[:2], *mov(2, WFI)[:2], ERET]
    code = struct.pack("<2I", 0xE581_2000, 0xE7F0_00F0)  # AArch32: str r2, [r1]; udf
    hostile = program(HOSTILE, start).ljust(0x100, b"\0") + code
    alone = machine(runs(2, 1), program(VICTIM, WFI), hostile)
    outcome = alone.run().outcome
    assert (outcome.kind, outcome.sentence) == ("stuck", "VM 2 went to AArch32 code at EL0; hfedu runs AArch64 only.")


def test_a_vector_base_at_the_end_of_the_address_space():
    """VBAR_EL1 all ones (the CPU keeps no bit below 32), then SVC: the vector's address wraps around into flash."""
    top = machine(program(LAYOUT_PRIMARY_BEGIN, mov(1, (1 << 64) - 1), msr("VBAR_EL1", 1), SVC), program(VICTIM, WFI))
    outcome = top.run().outcome
    assert outcome.kind == "stuck"
    assert "its exception vector at 0x1e0 " in outcome.sentence


def test_stage_1_beyond_44_bits_is_a_fault_of_stage_2():
    """A block at 1 << 44, where stage 2 has no table: a translation fault of level 0 that the hypervisor reports."""
    table = HOSTILE + 0x7000
    code = program(
        HOSTILE, mov(1, table), msr("TTBR0_EL1", 1), mov(1, 25 | 5 << 32), msr("TCR_EL1", 1),
        mov(1, 1), msr("SCTLR_EL1", 1), ISB, mov(1, 5 << 30), ldr(2, 1),
    ).ljust(0x7000, b"\0")  # fmt: skip
    code += struct.pack("<6Q", 0, RAM_BASE | 0x401, 0, 0, 0, 1 << 44 | 0x401)
    beyond = machine(runs(2), program(VICTIM, WFI), code)
    run = beyond.run()
    assert run.outcome.kind == "hang"
    assert "esr=0x93c28004, ec=0x24, far=0x140000000, hpfar=0x100000000000" in run.uart


def test_a_load_that_wraps_around_the_address_space():
    """Eight bytes from the end of the address space: the first half is mapped, the second, at address 0, is not."""
    table, middle, last = (HOSTILE + page for page in (0x7000, 0xA000, 0xB000))
    code = program(
        HOSTILE, mov(1, table), msr("TTBR0_EL1", 1), msr("TTBR1_EL1", 1), mov(1, 2 << 30 | 25 << 16 | 25),
        msr("TCR_EL1", 1), mov(1, 1), msr("SCTLR_EL1", 1), ISB, mov(1, HOSTILE + victim.VECTORS),
        msr("VBAR_EL1", 1), mov(9, HOSTILE + 0x6000), mov(1, (1 << 64) - 4), ldr(2, 1),
    )  # fmt: skip
    memory = bytearray(code.ljust(ROOM, b"\0"))
    handler = program(HOSTILE, mrs(1, "ESR_EL1"), str_(1, 9), mrs(1, "FAR_EL1"), str_(1, 9, 8), WFI)
    memory[0xA00 : 0xA00 + len(handler)] = handler
    struct.pack_into("<Q", memory, 0x7008, RAM_BASE | 0x401)
    for at, entry in ((0x7FF8, middle | 3), (0xAFF8, last | 3), (0xBFF8, HOSTILE | 0x403)):
        struct.pack_into("<Q", memory, at, entry)
    wrapping = machine(runs(2), program(VICTIM, WFI), bytes(memory))
    assert wrapping.run().outcome.kind == "power off"
    assert (word(wrapping, HOSTILE + 0x6000), word(wrapping, HOSTILE + 0x6008)) == (0x9600_0005, 0)


def test_a_literal_prefetch_has_a_size():
    """PRFM (literal) never faults, but where code changed behind the MMU it may stand where another access did."""
    assert syndrome.access_of(0xD800_0000, 0x4008_0000, [0] * 31, 0).size == 1
