"""Code that the hypervisor replaced runs anew, also where the guest's own MMU shows it at another address."""

import struct

from hfedu import RamDisk, Secondary, boot, configure, send, vcpu_run

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
