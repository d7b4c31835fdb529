"""Devices of the board that are there and do nothing for us: they identify themselves, as on QEMU without options.

| address | device | answers |
| --- | --- | --- |
| 0x0802_0000 | GICv2m | MSI_TYPER: interrupts 80 to 143; a write to 0x40 raises one |
| 0x0803_0000, 0x0804_0000 | the GIC's registers for virtual interrupts, GICH and GICV | their values after reset |
| 0x0902_0000 | fw_cfg | signature, id, number of CPUs; no files |
| 0x0903_0000 | PL061 GPIO (Arm DDI 0190) | no key is pressed; DIR to AFSEL keep what is written |
| 0x0a00_0000 | 32 virtio-mmio transports | version 1, no device behind any |
| 0x40_1000_0000 | PCIe configuration space | a host bridge at 00:00.0 and nothing else |
"""

from hfedu.board.gic import Gic

GICH = {0x04: 0x9000_0003, 0x08: 0x004C_0000, 0x30: 0xF}
GICV = {0x08: 2, 0x0C: 0x3FF, 0x14: 0xFF, 0x18: 0x3FF, 0x1C: 3, 0xFC: 0x0002_043B}
V2M = {0x008: 0x0050_0040, 0xFCC: 0x0510_0000}
V2M_FIRST, V2M_COUNT, V2M_SETSPI = 80, 64, 0x40
PL061_ID = dict(zip(range(0xFE0, 0x1000, 4), b"\x61\x10\x04\x00\x0d\xf0\x05\xb1", strict=True))
PL061_KEPT = (0x400, 0x404, 0x408, 0x40C, 0x410, 0x420)
VIRTIO_SLOT = 0x200
VIRTIO = {0x000: 0x7472_6976, 0x004: 1, 0x00C: 0x554D_4551}
HOST_BRIDGE = {0x00: 0x0008_1B36, 0x08: 0x0600_0000, 0x2C: 0x1100_1AF4}
ALL_ONES = 0xFFFF_FFFF


class Quiet:
    """Registers that always read the same, 0 where there is none, and ignore what is written."""

    def __init__(self, values: dict[int, int], period: int = 1 << 40) -> None:
        self.values, self.period = values, period

    def read(self, offset: int, size: int, cpu: int) -> int:
        """A register."""
        return self.values.get(offset % self.period, 0)

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Nothing happens."""


class V2m(Quiet):
    """Turns a write into an interrupt, as PCIe devices do that send messages."""

    def __init__(self, gic: Gic) -> None:
        super().__init__(V2M)
        self.gic = gic

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """SETSPI raises the interrupt of that number."""
        if offset == V2M_SETSPI and V2M_FIRST <= value & 0x3FF < V2M_FIRST + V2M_COUNT:
            self.gic.pulse(value & 0x3FF)


class FirmwareConfig(Quiet):
    """fw_cfg: a key is selected at 8, big-endian, and its bytes come out at 0 one after the other."""

    def __init__(self, cpus: int) -> None:
        super().__init__({})
        self.items = {0: b"QEMU", 1: (3).to_bytes(4, "little"), 5: cpus.to_bytes(2, "little"), 0x19: bytes(4)}
        self.rest = b""

    def read(self, offset: int, size: int, cpu: int) -> int:
        """The next bytes of the key, or the signature of the interface by DMA."""
        if 0x10 <= offset < 0x18:
            return int.from_bytes(b"QEMU CFG"[offset - 0x10 : offset - 0x10 + size], "little")
        if offset >= 8:
            return 0
        found, self.rest = self.rest[:size], self.rest[size:]
        return int.from_bytes(found, "little")

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Select a key."""
        if offset == 8:
            key = int.from_bytes((value & 0xFFFF).to_bytes(2, "little"), "big")
            self.rest = self.items.get(key, b"")


class Pl061(Quiet):
    """Eight lines, of which none is connected but the key that would switch the machine off."""

    def __init__(self) -> None:
        super().__init__(PL061_ID | dict.fromkeys(PL061_KEPT, 0))

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Keep what is written to the registers that are kept."""
        if offset in PL061_KEPT:
            self.values[offset] = value & 0xFF


class Pcie(Quiet):
    """The configuration space: where there is no function all bits read 1."""

    def __init__(self) -> None:
        super().__init__(HOST_BRIDGE)

    def read(self, offset: int, size: int, cpu: int) -> int:
        """A part of a 32-bit register."""
        if offset >= 0x1000:
            return ALL_ONES & (1 << 8 * size) - 1
        return self.values.get(offset & -4, 0) >> 8 * (offset & 3) & (1 << 8 * size) - 1
