"""Physical memory: RAM, flash and the UART on one bus."""

import gc
import mmap
import struct
import sys
from itertools import count

from hfedu.board.pl011 import Pl011
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.platform import PL011_BASE, BusError

RAM_BASE = 0x4000_0000
FLASH_SIZE = 0x0800_0000
QUAD = struct.Struct("<Q")

MADE, ROUND = count(1), 8
"""In a browser memory never shrinks, and machines are rings: after so many of them those that nobody has are freed."""


class PhysicalMemory:
    """RAM from 0x4000_0000, flash full of zeroes from 0, and a PL011; anything else is a `BusError`.

    `ram` is shared with the emulated CPUs. Each of them adds a set to `dirty`, which collects the pages (physical
    addresses) that somebody other than a guest has written: the CPU may hold translations of code that is gone.
    """

    def __init__(self, ram_size: int) -> None:
        self.ram_size = ram_size
        if sys.platform == "emscripten" and next(MADE) % ROUND == 0:
            gc.collect()
        self.ram = mmap.mmap(-1, ram_size)
        self.uart = Pl011()
        self.dirty: list[set[int]] = []
        self.ran_on: dict[int, int] = {}
        """VM id -> the physical CPU that last ran its code, where there are several."""

    def read(self, pa: Pa, size: int) -> bytes:
        """`size` bytes, which must not cross from one device into the next."""
        at = pa - RAM_BASE
        if at >= 0 and at + size <= self.ram_size:
            return self.ram[at : at + size]
        if pa >= 0 and pa + size <= FLASH_SIZE:
            return bytes(size)
        if pa >= PL011_BASE and pa + size <= PL011_BASE + PAGE_SIZE:
            offsets = range(pa - PL011_BASE, pa - PL011_BASE + size)
            return bytes(self.uart.read(offset) >> 8 * (offset & 3) & 0xFF for offset in offsets)
        raise BusError(pa)

    def write(self, pa: Pa, data: bytes) -> None:
        """Write bytes, one by one if they go to the UART. Flash ignores them."""
        at = pa - RAM_BASE
        if at >= 0 and at + len(data) <= self.ram_size:
            self.ram[at : at + len(data)] = data
            for pages in self.dirty:
                pages.add(pa & -PAGE_SIZE)
                if (pa & PAGE_SIZE - 1) + len(data) > PAGE_SIZE:
                    pages.update(range(pa & -PAGE_SIZE, pa + len(data), PAGE_SIZE))
        elif pa >= PL011_BASE and pa + len(data) <= PL011_BASE + PAGE_SIZE:
            for i, byte in enumerate(data):
                self.uart.write(pa - PL011_BASE + i, byte)
        elif not (pa >= 0 and pa + len(data) <= FLASH_SIZE):
            raise BusError(pa)

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
