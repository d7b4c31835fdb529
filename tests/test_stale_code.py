"""Code that the hypervisor replaced runs anew, also where the guest's own MMU shows it at another address; and so does
what another CPU has changed."""

import struct

import pytest

from hfedu import Machine, RamDisk, Secondary, assemble, boot, configure, send, vcpu_run

RETURN_7 = struct.pack("<2I", 0xD280_00E0, 0xD65F_03C0)  # mov x0, #7; ret
RETURN_9 = struct.pack("<2I", 0xD280_0120, 0xD65F_03C0)
GUEST = struct.pack(
    "<27I",
    0xD29F_E060, 0x1001_FFE1, 0x1002_7FC2, 0xD400_0002,  # configure(0x4000, 0x5000)
    0x1002_7F93,  # adr x19, recv
    0x1002_FF63, 0xD518_2003,  # adr x3, table; msr ttbr0_el1, x3
    0xD280_0323, 0xD518_2043,  # mov x3, #25; msr tcr_el1, x3: addresses of 39 bits
    0xD280_1FE3, 0xD518_A203,  # mov x3, #0xff; msr mair_el1, x3
    0xD538_1003, 0xB240_0063, 0xD518_1003, 0xD503_3FDF,  # mrs x3, sctlr_el1; orr x3, x3, #1; msr sctlr_el1, x3; isb
    0xB261_0273,  # orr x19, x19, #0x8000_0000
    0xD63F_0260, 0xAA00_03F4,  # blr x19; mov x20, x0
    0xD29F_E0A0, 0xD280_0021, 0xD400_0002,  # receive(block)
    0xD63F_0260, 0x8B14_0002,  # blr x19; add x2, x0, x20
    0xD29F_E080, 0xD280_0001, 0xD400_0002,  # send(0, x2 bytes)
    0x1400_0000,
)  # fmt: skip
BLOCK = 0x4000_0000 | 0x701
"""A stage-1 block of 1 GiB: normal memory, readable, writable and executable at EL1."""


def test_a_page_that_a_message_replaces_runs_anew_through_the_guest_s_mmu():
    table = struct.pack("<4Q", 0, BLOCK, 0, BLOCK)  # RAM at 0x4000_0000, and again at 0xC000_0000
    image = (GUEST.ljust(0x5000, b"\0") + RETURN_7).ljust(0x6000, b"\0") + table.ljust(4096, b"\0")
    sizes = []

    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, RETURN_9)
        sizes.append((yield vcpu_run(1)).data)

    boot(RamDisk(primary, [Secondary(image)]))
    assert sizes == [7 + 9]


PATCHED = """
 start: adr x21, told
 mrs x20, mpidr_el1
 ands x20, x20, #255
 b.ne second
 movz x0, #0x8400, lsl #16
 movk x0, #3
 mov x1, #1
 adr x2, start
 hvc #0
 1: ldr x6, [x21]
 cbz x6, 1b
 adr x1, f
 ldr w2, changed
 str w2, [x1]
 {how}
 2: ldr x6, [x21, #8]
 cbz x6, 2b
 movz x0, #0x8400, lsl #16
 movk x0, #8
 hvc #0
 second: bl f
 str x0, [x21]
 3: bl f
 cmp x0, #9
 b.ne 3b
 str x0, [x21, #8]
 b .
 changed: mov x0, #9
 .balign 4096
 told: .quad 0
 .quad 0
 .balign 4096
 f: mov x0, #7
 ret
"""
"""CPU 0 changes a function that CPU 1 calls again and again, and waits until it has another result."""
TELL = {"one line": "ic ivau, x1", "all": "ic ialluis"}


@pytest.mark.parametrize("memory", ["16M", "128M"])
@pytest.mark.parametrize("how", TELL)
def test_code_that_another_cpu_changed_runs_anew(how, memory):
    disk = RamDisk(assemble(PATCHED.format(how=f"dsb ish\n {TELL[how]}\n dsb ish\n isb")))
    machine = Machine(disk, memory=memory, cpus=2, max_instructions=1_000_000)
    assert machine.run().outcome.kind == "power off"
