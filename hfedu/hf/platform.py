"""What the hypervisor asks of the hardware below it.

`board.Board` is the real answer; anything with these attributes will do. Constants of upstream's build
for this board stand here too: the hypervisor prints some of them.
"""

from typing import Protocol

from hfedu.hf.addr import PAGE_SIZE, Pa, align_up, pa_add

MAX_CPUS = 8
MAX_VMS = 16

PL011_BASE = Pa(0x0900_0000)
LAYOUT_TEXT_BEGIN, LAYOUT_TEXT_END = Pa(0x4000_1000), Pa(0x4000_8B20)
LAYOUT_RODATA_BEGIN, LAYOUT_RODATA_END = Pa(0x4000_9000), Pa(0x4000_9C10)
LAYOUT_DATA_BEGIN, LAYOUT_DATA_END = Pa(0x4000_A000), Pa(0x4004_9230)
LAYOUT_BIN_END = Pa(0x4004_A000)
LAYOUT_PRIMARY_BEGIN = Pa(0x4008_0000)
HEAP_BEGIN = Pa(0x4001_3000)
HEAP_PAGES = 39
MAX_HEAP_PAGES = (LAYOUT_PRIMARY_BEGIN - HEAP_BEGIN) // PAGE_SIZE
"""The pool of upstream's build, and the largest that ends where the primary's kernel begins."""
MEMCPY_LOAD_PC, MEMCPY_STORE_PC = 0x4000_8260, 0x4000_8268


def data_end(heap_pages: int) -> Pa:
    """Where the hypervisor's data ends: a pool that is larger than upstream's makes it longer."""
    return max(LAYOUT_DATA_END, pa_add(HEAP_BEGIN, heap_pages * PAGE_SIZE))


def bin_end(heap_pages: int) -> Pa:
    """Where the hypervisor's memory ends: a whole page."""
    return Pa(align_up(data_end(heap_pages), PAGE_SIZE))


class BusError(Exception):
    """Nothing answers at a physical address."""

    def __init__(self, pa: int) -> None:
        super().__init__(f"nothing answers at physical address {pa:#x}")
        self.pa = pa


class Memory(Protocol):
    """Physical memory with its devices. Each call raises `BusError` where nothing answers."""

    def read(self, pa: Pa, size: int) -> bytes:
        """Read `size` bytes of one device or of RAM."""

    def write(self, pa: Pa, data: bytes) -> None:
        """Write bytes to one device or to RAM."""

    def answers(self, pa: int) -> bool:
        """Whether anything does at an address; a read would, and might change what it reads."""

    def load(self, pa: Pa, size: int, cpu: int) -> bytes:
        """What a load of a physical CPU's guest reads: from a device in one access."""

    def store(self, pa: Pa, data: bytes, cpu: int) -> None:
        """What a store of a physical CPU's guest does: to a device in one access."""

    def read64(self, pa: Pa) -> int:
        """Read a page-table entry."""

    def write64(self, pa: Pa, value: int) -> None:
        """Write a page-table entry."""


class Platform(Protocol):
    """The machine: memory, the firmware behind SMC, and where the boot loader left the device tree."""

    fdt_begin: Pa

    @property
    def memory(self) -> Memory:
        """Physical memory."""

    def smc(self, function: int, arg0: int, arg1: int, arg2: int) -> int:
        """Call the firmware (PSCI). Powering off does not return: it raises `PowerDown`."""

    def tick(self) -> None:
        """Time passes. Called again and again in work whose length the RAM disk decides; may raise to end it."""


class PowerDown(Exception):
    """The firmware took the power away: `reason` is "off" or "reset"."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"system {reason}")
        self.reason = reason


class CpuDown(Exception):
    """The firmware turned one physical CPU off."""


class HypervisorHang(Exception):
    """The hypervisor spins for ever, as the real one does here. The text is a sentence that says why."""


class HypervisorPanic(HypervisorHang):
    """The hypervisor printed `Panic:` and spins for ever."""
