"""The board: places what the boot loader places, and plays the firmware behind SMC."""

from hfedu.board import devicetree
from hfedu.board.memory import RAM_BASE, PhysicalMemory
from hfedu.hf.addr import PAGE_SIZE, Pa, align_up
from hfedu.hf.platform import LAYOUT_BIN_END, PowerDown
from hfedu.hf.psci import PSCI_INVALID_PARAMETERS, PsciCall

MIB = 1 << 20
MAX_INITRD_OFFSET = 128 * MIB
FDT_ALIGN = 2 * MIB


class BoardError(ValueError):
    """The machine could not even be switched on; the text says what to change."""


class Board:
    """RAM of `ram_size` bytes with the RAM disk in its middle and the device tree behind it.

    `BoardError` if they do not fit. Layout: QEMU's `virt` board.
    """

    def __init__(self, initrd: bytes, bootargs: str = "", ram_size: int = 16 * MIB) -> None:
        begin = RAM_BASE + min(ram_size // 2, MAX_INITRD_OFFSET) & -PAGE_SIZE
        end = begin + len(initrd)
        self.fdt_begin = Pa(align_up(end, FDT_ALIGN))
        fdt = devicetree.virt(RAM_BASE, ram_size, (begin, end), bootargs, cpus=1)
        if begin < LAYOUT_BIN_END or self.fdt_begin + len(fdt) + PAGE_SIZE > RAM_BASE + ram_size:
            needed = max(2, (2 * (len(initrd) + 2 * FDT_ALIGN) + MIB - 1) // MIB)
            raise BoardError(
                f"the RAM disk ({len(initrd)} bytes) and the device tree do not fit into {ram_size} bytes of RAM: "
                f"give the machine more, for example --memory {needed}M"
            )
        self.memory = PhysicalMemory(ram_size)
        self.memory.write(Pa(begin), initrd)
        self.memory.write(self.fdt_begin, fdt)

    def smc(self, function: int, arg0: int, arg1: int, arg2: int) -> int:
        """The firmware's PSCI. A board of one CPU knows no other to turn on."""
        if function == PsciCall.SYSTEM_OFF:
            raise PowerDown("off")
        if function == PsciCall.SYSTEM_RESET:
            raise PowerDown("reset")
        return PSCI_INVALID_PARAMETERS
