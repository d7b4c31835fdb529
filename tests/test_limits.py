"""Limits hold whatever a guest executes, and while the machine boots; slices change no event."""

import struct
import time

import pytest
from conftest import one

import hfedu
from hfedu import RamDisk
from hfedu.guest import unicorn_cpu
from hfedu.notebook import Machine
from hfedu.run.ramdisk import cpio_entry

GENEROUS = 10
"""Seconds of CPU, for a limit of one second at most."""
UART = "movz x1, #0x0900, lsl #16\n mov w2, #0\n"
SLOW = {
    "tlbi": "l: tlbi vmalle1\n b l",
    "mmu": "mrs x0, sctlr_el1\n orr x1, x0, #0x80000\n l: msr sctlr_el1, x1\n msr sctlr_el1, x0\n b l",
    "zeroing": "movz x1, #0x4020, lsl #16\n l: dc zva, x1\n b l",
    "own code": "adr x1, m\n ldr w2, [x1]\n l: str w2, [x1]\n m: nop\n b l",
    "its whole block": "adr x1, l\n ldr w2, [x1]\n l: .rept 500\n str w2, [x1]\n .endr\n b l",
    "uart": UART + "l: str w2, [x1]\n b l",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"max_instructions": 10**9}, {"cpus": 2}, {"timer": 50_000}], ids=str)
@pytest.mark.parametrize("kind", SLOW)
def test_the_clock_ends_a_guest_of_slow_instructions(kind, how):
    begin = time.process_time()
    run = hfedu.boot(RamDisk(hfedu.assemble(SLOW[kind])), max_seconds=0.5, **how)
    assert (run.outcome.kind, run.outcome.by_clock) == ("budget", True)
    assert time.process_time() - begin < GENEROUS


def archive(lines: int, files: int) -> bytes:
    kernel = open(hfedu.asset("pingpong_primary.bin"), "rb").read()  # noqa: SIM115
    named = {"vmlinuz": kernel, "initrd.img": b"", "vms.txt": b"1 1 x\n" * lines}
    entries = [cpio_entry(name, content) for name, content in named.items()]
    return b"".join([*entries, cpio_entry("a", b"") * files, cpio_entry("TRAILER!!!", b"")])


def ticks(image: bytes) -> int:
    """How often the clock is looked at while this boots."""
    machine, counted = Machine(image, record=False), []
    machine._tick = lambda: counted.append(None)
    machine.boot()
    return len(counted)


def test_the_loader_is_linear_in_what_it_reads():
    few, many = ticks(archive(100, 100)), ticks(archive(400, 400))
    assert few > 100
    assert many < 5 * few


def test_the_clock_ends_a_boot():
    run = hfedu.boot(archive(300, 300), max_seconds=1e-9)
    assert run.outcome.by_clock


def laid_over_the_tree(totalsize: int, content: bytes, memory: str) -> hfedu.Run:
    """A boot in which the kernel of VM 1 is copied to where the device tree is, with a header of its own."""
    machine = Machine(RamDisk(hfedu.assemble("b .")), memory=memory)
    at, top = int(machine.hypervisor.platform.fdt_begin), 0x4000_0000 + len(machine.board.memory.ram)
    kernel = struct.pack(">10I", 0xD00DFEED, totalsize, 40, 40, 40, 17, 16, 0, 0, 0) + content
    disk = RamDisk(hfedu.assemble("b ."), [hfedu.Secondary(kernel, top - at)])
    return hfedu.boot(disk, memory=memory, max_seconds=1)


@pytest.mark.slow
@pytest.mark.parametrize(("memory", "totalsize"), [("16M", 0xFFFFFFFF), ("16M", 0x1000), ("1G", 0x37DFF000)])
@pytest.mark.parametrize("content", [b"\0\0\0\1" * 2000, b"\0\0\0\4" * 20_000, b"\0\0\0\1A" + b"A" * 9000], ids=len)
def test_the_clock_ends_the_reading_of_a_device_tree_that_lies(memory, totalsize, content):
    """It says that it is longer than all memory, shorter than it is, and nearly as long as a memory that is large."""
    begin = time.process_time()
    assert laid_over_the_tree(totalsize, content, memory).outcome.kind in ("budget", "panic", "hang")
    assert time.process_time() - begin < GENEROUS


@pytest.mark.slow
def test_slices_change_no_event(monkeypatch):
    image = one("chain_relay_3").initrd
    for how in ({}, {"timer": 700}, {"max_instructions": 100_000}):
        runs = []
        for first, later in ((5_000, 10_000_000), (7, 13), (100, 11)):
            monkeypatch.setattr(unicorn_cpu, "FIRST_SLICE", first)
            monkeypatch.setattr(unicorn_cpu, "SLICE", later)
            runs.append(hfedu.boot(image, **how))
        assert runs[0].events == runs[1].events == runs[2].events


LETTERS = """
 l: mov x5, #300
 w: sub x5, x5, #1
 cbnz x5, w
 add w2, w2, #1
 and w2, w2, #63
 add w3, w2, #48
 str w3, [x1]
 b l
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"max_instructions": 10**12}], ids=["uncounted", "counted"])
def test_slices_that_the_clock_ends_repeat_and_lose_nothing(how, monkeypatch):
    monkeypatch.setattr(unicorn_cpu, "TICK", 0.01)
    for body in (LETTERS, LETTERS.replace("#300", "#1")):
        machine = Machine(RamDisk(hfedu.assemble(UART + body)), max_seconds=1, **how)
        machine.boot()
        booted = len(machine.uart)
        machine.run()
        printed = [byte - 48 for byte in machine.uart[booted:]]
        assert len(printed) > 100
        assert printed == [(i + 1) % 64 for i in range(len(printed))]
        assert machine.cores[0].emulator().turn > 5


def test_a_slice_that_ends_before_it_began_loses_nothing():
    """Another thread may end one while the emulated CPU still stands at EL2."""
    calls = "".join(f"mov x0, #0xff05\n mov x1, #0\n hvc #0\n add x19, x19, #{i}\n" for i in range(1, 5))
    machine = Machine(RamDisk(hfedu.assemble(calls + "movz x0, #0x8400, lsl #16\n movk x0, #8\n hvc #0\n")))
    machine.boot()
    cpu, entered = machine.cores[0].emulator(), []

    def end_at_once(*_):
        entered.append(cpu.turn)
        if entered.count(cpu.turn) == 1:
            cpu.end_slice()

    begin, end = unicorn_cpu.ERET_PAGE, unicorn_cpu.ERET_PAGE + 4
    cpu.uc.hook_add(unicorn_cpu.const.UC_HOOK_BLOCK, end_at_once, begin=begin, end=end)
    assert machine.run().outcome.kind == "power off"
    assert machine.cpu.regs[19] == 1 + 2 + 3 + 4
    assert len(entered) > len(set(entered)) > 4
