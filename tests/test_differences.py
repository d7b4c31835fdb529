"""The page "Where hfedu differs": each of its rows has a test here that shows the difference, under the row's name."""

import re
from pathlib import Path

import pytest
from test_stale_code import PATCHED

import hfedu
from hfedu import Kind, RamDisk, Secondary, vcpu_run
from hfedu.run.ramdisk import cpio_entry
from hfedu.run.recording import Actor

PAGE = Path(__file__).parent.parent / "notebooks" / "where_hfedu_differs.md"
ROWS = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
POWER_OFF = "movz x0, #0x8400, lsl #16\n movk x0, #8\n hvc #0\n"


def primary(assembly: str, **options) -> hfedu.Machine:
    """A real primary that has run: its machine."""
    machine = hfedu.Machine(RamDisk(hfedu.assemble(assembly)), max_instructions=100_000, **options)
    machine.run()
    return machine


def sentence(disk: RamDisk | bytes, **options) -> str:
    return hfedu.Machine(disk, max_instructions=100_000, **options).run().outcome.sentence


def test_the_page_and_the_tests_have_the_same_rows():
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert tests[1:] == ROWS


def test_floating_point():
    """CPACR_EL1 is 0, and d0 can be used all the same (fmov d0, x1; fmov x19, d0); nothing went to a vector."""
    machine = primary("mov x1, #7\n .inst 0x9e670020\n .inst 0x9e660013\n mrs x20, cpacr_el1\n" + POWER_OFF)
    assert machine.cpu.regs[19:21].tolist() == [7, 0]
    assert machine.outcome.kind == "power off"


def test_wait_for_event():
    def first():
        yield vcpu_run(1)

    run = hfedu.boot(RamDisk(first, [hfedu.assemble("wfe\n movz x0, #0xff01\n hvc #0\n 1: wfi\n b 1b")]))
    assert [e.kind for e in run.events if e.actor == Actor(1, 0)] == [Kind.HYPERCALL, Kind.WFI]


def test_ninth_vcpu():
    """An archive asks for nine; the ninth never runs, and nothing of the hypervisor is overwritten."""

    def first():
        yield hfedu.vcpu_count(1)
        yield vcpu_run(1, 8)

    disk = RamDisk(first, [hfedu.assemble("b .")])
    listing = cpio_entry("vms.txt", b"524288 1 vm1\n")
    assert listing in disk.image
    disk.image = disk.image.replace(listing, cpio_entry("vms.txt", b"524288 9 vm1\n"))
    returns = [event.result for event in hfedu.boot(disk).events if event.kind is Kind.RETURN]
    assert returns[:2] == [9, 1]


@pytest.mark.slow
def test_kernel_over_the_ram_disk():
    entries = [("vmlinuz", bytes(127 << 20 | 0x90000)), ("initrd.img", b""), ("vms.txt", b"")]
    archive = b"".join(cpio_entry(*entry) for entry in entries)
    assert "A kernel was copied over the RAM disk" in sentence(archive, memory="512M")


def test_quiet_devices():
    """GICH_HCR is written, and reads 0."""
    text = "movz x1, #0x803, lsl #16\n mov w2, #1\n str w2, [x1]\n ldr w19, [x1]\n"
    assert primary(text + POWER_OFF).cpu.regs[19] == 0


def test_at_once():
    """The primary sends itself SGI 1 with interrupts open: the next instruction of the block has not been executed."""
    on = "movz x1, #0x801, lsl #16\n mov w2, #0xff\n str w2, [x1, #4]\n mov w2, #1\n str w2, [x1]\n"
    on += "movz x1, #0x800, lsl #16\n str w2, [x1]\n adr x3, 2f\n msr vbar_el1, x3\n mov x19, #0\n msr daifclr, #2\n"
    send = "movz w2, #0x200, lsl #16\n orr w2, w2, #1\n str w2, [x1, #0xf00]\n mov x19, #1\n 1: b 1b\n"
    machine = primary(on + send + f".balign 2048\n 2: .space 0x280\n {POWER_OFF}")
    assert machine.outcome.kind == "power off"
    assert machine.cpu.regs[19] == 0


def test_counter():
    counts = {primary("mrs x19, cntvct_el0\n" + POWER_OFF).cpu.regs[19] for _ in range(3)}
    assert counts == {1}
    assert primary("mrs x19, cntvct_el0\n" + POWER_OFF, clock="host").cpu.regs[19] > 1000


def test_flash():
    assert primary("mov x19, #0x1000\n str x2, [x19], #8\n" + POWER_OFF).cpu.regs[19] == 0x1000


def test_aarch32():
    text = "adr x1, 1f\n msr elr_el1, x1\n mov x2, #0x10\n msr spsr_el1, x2\n eret\n 1: .word 0xeafffffe"
    assert "went to AArch32 code at EL0; hfedu runs AArch64 only" in sentence(RamDisk(hfedu.assemble(text)))


@pytest.mark.parametrize("setup", ["", "mrs x3, sctlr_el1\n orr x3, x3, #2\n msr sctlr_el1, x3\n isb\n"])
def test_alignment(setup):
    machine = primary(setup + "adr x1, 1f\n ldr x19, [x1, #1]\n" + POWER_OFF + ".balign 8\n 1: .quad 0x100, 0")
    assert machine.cpu.regs[19] == 1


def test_exclusives():
    """A load exclusive and a store exclusive with the MMU off; 0 in w20 says that the store was done."""
    machine = primary("adr x1, 1f\n ldxr x19, [x1]\n stxr w20, x1, [x1]\n" + POWER_OFF + ".balign 8\n 1: .quad 5")
    assert machine.cpu.regs[19:21].tolist() == [5, 0]
    assert machine.outcome.kind == "power off"


def test_illegal_return():
    """SPSR_EL1 says EL3."""
    text = "adr x1, 1f\n msr elr_el1, x1\n mov x2, #0x3cd\n msr spsr_el1, x2\n eret\n 1: "
    assert primary(text + POWER_OFF).outcome.kind == "power off"


def test_stage_1_causes():
    """WXN makes the block that the guest runs in, which it may write, impossible to execute: a fault of level 1."""
    text = """
    adr x1, vectors
    msr vbar_el1, x1
    adr x1, table
    msr ttbr0_el1, x1
    movz x2, #25
    msr tcr_el1, x2
    movz x2, #1, lsl #16
    lsl x2, x2, #3
    orr x2, x2, #1
    msr sctlr_el1, x2
    isb
    nop
    .balign 2048
    vectors: .space 0x200
    b .
    .balign 4096
    table: .quad 0x401, 0x40000401
    """
    machine = primary(text)
    machine.cores[0].emulator().read_system_registers()
    esr = machine.cpu.regs[hfedu_register("ESR_EL1")]
    assert (esr >> 26, esr & 0x3F) == (0x21, 0x10)


def hfedu_register(name: str) -> int:
    from hfedu.hf.arch import REGISTER_NAMES

    return REGISTER_NAMES.index(name)


def test_id_registers():
    assert primary("mrs x19, id_aa64pfr0_el1\n" + POWER_OFF).cpu.regs[19] & 0xFFFF == 0x2222


def test_implementation_defined():
    run = hfedu.Machine(RamDisk(hfedu.assemble("mrs x1, s3_1_c15_c2_0")), max_instructions=100_000).run()
    assert run.outcome.kind == "hang"


@pytest.mark.slow
def test_code_of_another_cpu():
    """CPU 0 changes a function that CPU 1 calls again and again, with no IC. For one with, see test_stale_code.py."""
    disk = RamDisk(hfedu.assemble(PATCHED.format(how="dsb ish\n isb")))
    run = hfedu.Machine(disk, memory="128M", cpus=2, max_instructions=200_000).run()
    assert run.outcome.kind == "budget"
    assert hfedu.Machine(disk, memory="127M", cpus=2, max_instructions=200_000).run().outcome.kind == "power off"


def test_code_in_the_uart():
    """The primary's vector takes the abort, and keeps its syndrome in x19."""
    text = "adr x1, 1f\n msr vbar_el1, x1\n movz x2, #0x900, lsl #16\n br x2\n"
    vector = f".balign 2048\n 1: .space 0x200\n mrs x19, esr_el1\n {POWER_OFF}"
    assert primary(text + vector).cpu.regs[19] == 0x8600_0010


def test_watchpoints():
    """DBGWVR0 and DBGWCR0 watch a word for loads at EL1, MDSCR_EL1.MDE is set, and the load goes through."""
    text = "adr x1, 1f\n msr dbgwvr0_el1, x1\n mov x2, #0x1fff\n msr dbgwcr0_el1, x2\n mov x3, #0x8000\n"
    text += "msr mdscr_el1, x3\n msr oslar_el1, xzr\n isb\n ldr x19, [x1]\n"
    assert primary(text + POWER_OFF + ".balign 8\n 1: .quad 7").cpu.regs[19] == 7


def test_start_of_ram():
    assert primary("movz x1, #0x4000, lsl #16\n ldr x19, [x1]\n" + POWER_OFF).cpu.regs[19] == 0


@pytest.mark.slow
def test_memory_order():
    """Store buffering: each CPU writes its word and reads the other's. Never do both read 0."""
    seen = set()
    for seed in range(30):
        told: list[int] = []

        def one(told=told):
            yield hfedu.cpu_on(1)
            yield hfedu.meet()
            yield hfedu.store(0x4020_0000, 1)
            told.append((yield hfedu.load(0x4020_0008)))

        def two(told=told):
            yield hfedu.meet()
            yield hfedu.store(0x4020_0008, 1)
            told.append((yield hfedu.load(0x4020_0000)))

        hfedu.Machine(RamDisk([one, two], [Secondary(hfedu.assemble("b ."))]), cpus=2, schedule=seed).run()
        seen.add(tuple(told))
    assert (0, 0) not in seen
    assert len(seen) > 1
