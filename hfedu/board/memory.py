"""Physical memory: RAM, flash and the devices on one bus."""

import gc
import mmap
import struct
import sys
from itertools import count
from typing import NamedTuple, Protocol

from hfedu.board.pl011 import Pl011
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.platform import BusError

RAM_BASE = 0x4000_0000
FLASH_SIZE = 0x0800_0000
QUAD = struct.Struct("<Q")
GRANULE = 64
"""Bytes that an exclusive monitor watches together; Arm allows 16 to 2,048."""
ACCESS_WIDTHS = (1, 2, 4, 8, 16)
"""Bytes of an access that a device can take."""


class Registers(Protocol):
    """What a device answers with. Offsets and sizes are bytes, `cpu` is who asks."""

    def read(self, offset: int, size: int, cpu: int) -> int:
        """The register at `offset`."""

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Write it. One that does not exist, or is read only, ignores that."""


class Region(NamedTuple):
    """A range of physical addresses that a device answers at."""

    base: int
    size: int
    device: Registers

    def holds(self, pa: int, size: int) -> bool:
        """Whether all of an access falls in here."""
        return self.base <= pa and pa + size <= self.base + self.size


MADE, ROUND = count(1), 8
"""In a browser memory never shrinks: after so many machines those that nobody has are freed."""


def free_dropped(made: "count[int]", every: int) -> None:
    """Free what nobody has any more, each time that `made` has counted so many.

    A machine is a ring of objects, so its memory waits for Python's collector, which counts objects and not bytes.
    """
    if next(made) % every == 0:
        gc.collect()


class PhysicalMemory:
    """RAM from 0x4000_0000, flash full of zeroes from 0, and `regions` of devices; anything else is a `BusError`.

    `ram` is shared with the emulated CPUs. Each of them adds a set to `dirty`, which collects the pages (physical
    addresses) that somebody other than a guest has written: the CPU may hold translations of code that is gone.
    """

    def __init__(self, ram_size: int, uart: Pl011, regions: list[Region]) -> None:
        self.ram_size = ram_size
        if sys.platform == "emscripten":
            free_dropped(MADE, ROUND)
        self.ram = mmap.mmap(-1, ram_size)
        self.uart, self.regions = uart, regions
        self.dirty: list[set[int]] = []
        self.ran_on: dict[int, int] = {}
        """VM id -> the physical CPU that last ran its code, where there are several."""

        self.monitors: dict[int, tuple[int, int]] = {}
        """Physical CPU -> address and size that its exclusive monitor watches, of those that run scripts."""

    def watch(self, pa: Pa, size: int, cpu: int) -> None:
        """Let a CPU's exclusive monitor watch some bytes, and no others."""
        self.monitors[cpu] = pa, size

    def watched(self, pa: Pa, size: int, cpu: int) -> bool:
        """Whether a CPU's exclusive monitor watches these bytes still. After that it watches none."""
        return self.monitors.pop(cpu, None) == (pa, size)

    def forget(self, cpu: int) -> None:
        """Let a CPU's exclusive monitor watch nothing, as an exception return does."""
        self.monitors.pop(cpu, None)

    def region(self, pa: int, size: int) -> Region:
        """The device behind an access. `BusError` if there is none."""
        for region in self.regions:
            if region.holds(pa, size):
                return region
        raise BusError(pa)

    def answers(self, pa: int) -> bool:
        """Whether anything does at an address."""
        at = pa - RAM_BASE
        return 0 <= at < self.ram_size or 0 <= pa < FLASH_SIZE or any(region.holds(pa, 1) for region in self.regions)

    def read(self, pa: Pa, size: int) -> bytes:
        """`size` bytes, which must not cross from one device into the next; one by one if a device has them."""
        at = pa - RAM_BASE
        if at >= 0 and at + size <= self.ram_size:
            return self.ram[at : at + size]
        if pa >= 0 and pa + size <= FLASH_SIZE:
            return bytes(size)
        region = self.region(pa, size)
        return bytes(region.device.read(at, 1, 0) & 0xFF for at in range(pa - region.base, pa - region.base + size))

    def write(self, pa: Pa, data: bytes) -> None:
        """Write bytes, one by one if they go to a device. Flash ignores them."""
        at = pa - RAM_BASE
        if at >= 0 and at + len(data) <= self.ram_size:
            self.ram[at : at + len(data)] = data
            if self.monitors:
                first, last = pa // GRANULE, (pa + len(data) - 1) // GRANULE
                kept = {cpu: of for cpu, of in self.monitors.items() if not first <= of[0] // GRANULE <= last}
                self.monitors = kept
            for pages in self.dirty:
                pages.add(pa & -PAGE_SIZE)
                if (pa & PAGE_SIZE - 1) + len(data) > PAGE_SIZE:
                    pages.update(range(pa & -PAGE_SIZE, pa + len(data), PAGE_SIZE))
        elif not (pa >= 0 and pa + len(data) <= FLASH_SIZE):
            region = self.region(pa, len(data))
            for i, byte in enumerate(data):
                region.device.write(pa - region.base + i, 1, byte, 0)

    def load(self, pa: Pa, size: int, cpu: int) -> bytes:
        """What a load of a CPU reads: from a device in one access, or in words."""
        region = next((region for region in self.regions if region.holds(pa, size)), None)
        if region is None or size not in ACCESS_WIDTHS:
            return self.read(pa, size)
        word = min(size, 4)
        values = (region.device.read(pa - region.base + i, word, cpu) for i in range(0, size, word))
        return b"".join((value & (1 << 8 * word) - 1).to_bytes(word, "little") for value in values)

    def store(self, pa: Pa, data: bytes, cpu: int) -> None:
        """What a store of a CPU does: to a device in one access, or in words."""
        region = next((region for region in self.regions if region.holds(pa, len(data))), None)
        if region is None or len(data) not in ACCESS_WIDTHS:
            self.write(pa, data)
            return
        word = min(len(data), 4)
        for i in range(0, len(data), word):
            value = int.from_bytes(data[i : i + word], "little")
            region.device.write(pa - region.base + i, word, value, cpu)

    def read64(self, pa: Pa) -> int:
        """A little-endian 64-bit word of RAM."""
        at = pa - RAM_BASE
        if not 0 <= at <= self.ram_size - 8:
            return int.from_bytes(self.read(pa, 8), "little")
        return QUAD.unpack_from(self.ram, at)[0]  # type: ignore[no-any-return]

    def write64(self, pa: Pa, value: int) -> None:
        """Write a page-table entry."""
        at = pa - RAM_BASE
        if not 0 <= at <= self.ram_size - 8:
            raise BusError(pa)
        QUAD.pack_into(self.ram, at, value)
        for pages in self.dirty:
            pages.add(pa & -PAGE_SIZE)
