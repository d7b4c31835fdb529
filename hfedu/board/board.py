"""The board: places what the boot loader places, and plays the firmware behind SMC."""

from collections.abc import Callable

from hfedu.board import devicetree
from hfedu.board.memory import RAM_BASE, PhysicalMemory
from hfedu.errors import Mistake
from hfedu.hf.addr import PAGE_SIZE, Pa, align_up
from hfedu.hf.platform import LAYOUT_BIN_END, MAX_CPUS, PowerDown
from hfedu.hf.psci import PSCI_ALREADY_ON, PSCI_INVALID_PARAMETERS, PSCI_SUCCESS, PsciCall

MIB = 1 << 20
MAX_INITRD_OFFSET = 128 * MIB
FDT_ALIGN = 2 * MIB
FDT_ROOM = 64 << 10
MAX_ADDRESS = 1 << 40


def layout(initrd_size: int, ram_size: int) -> tuple[int, int, Pa]:
    """Where the boot loader puts things: begin and end of the RAM disk, and the device tree."""
    begin = RAM_BASE + min(ram_size // 2, MAX_INITRD_OFFSET) & -PAGE_SIZE
    end = begin + initrd_size
    return begin, end, Pa(align_up(end, FDT_ALIGN))


class BoardError(Mistake):
    """The machine could not even be switched on; the text says what to change."""


class Board:
    """RAM of `ram_size` bytes with the RAM disk in its middle and the device tree behind it, and `cpus` CPUs.

    `powered` says which CPUs have power: at first CPU 0. `BoardError` if they do not fit. Layout: QEMU's `virt` board.
    """

    def __init__(self, initrd: bytes, bootargs: str = "", ram_size: int = 16 * MIB, cpus: int = 1) -> None:
        if not isinstance(cpus, int) or not 1 <= cpus <= MAX_CPUS:
            raise BoardError(f"the machine cannot have {cpus!r} physical CPUs: give it 1 to {MAX_CPUS}")
        self.powered = [cpu == 0 for cpu in range(cpus)]
        if ram_size <= 0 or ram_size % PAGE_SIZE or RAM_BASE + ram_size > MAX_ADDRESS:
            raise BoardError(f"the machine cannot have {ram_size} bytes of RAM: give it whole pages of 4K, below 1023G")
        begin, end, self.fdt_begin = layout(len(initrd), ram_size)
        fdt = devicetree.virt(RAM_BASE, ram_size, (begin, end), bootargs, cpus)
        if begin < LAYOUT_BIN_END or self.fdt_begin + FDT_ROOM > RAM_BASE + ram_size:
            sizes = (mib * MIB for mib in range(ram_size // MIB + 1, 1 << 20))
            enough = next(size for size in sizes if layout(len(initrd), size)[2] + FDT_ROOM <= RAM_BASE + size)
            raise BoardError(
                f"the RAM disk ({len(initrd)} bytes) and the device tree do not fit into {ram_size} bytes of RAM: "
                f"give the machine at least {enough // MIB}M"
            )
        if len(fdt) > FDT_ROOM - PAGE_SIZE:
            raise BoardError(f"the boot arguments are too long for the device tree ({len(bootargs)} characters)")
        try:
            self.memory = PhysicalMemory(ram_size)
        except OSError:
            raise BoardError(f"this computer has no {ram_size} bytes to lend: give the machine less") from None
        self.memory.write(Pa(begin), initrd)
        self.memory.write(self.fdt_begin, fdt)
        self.on_tick: Callable[[], None] | None = None

    def tick(self) -> None:
        """Time passes: tell who listens, and may raise."""
        if self.on_tick is not None:
            self.on_tick()

    def smc(self, function: int, arg0: int, arg1: int, arg2: int) -> int:
        """The firmware's PSCI. A CPU that it turns on enters the hypervisor, which knows what to run on it."""
        if function == PsciCall.SYSTEM_OFF:
            raise PowerDown("off")
        if function == PsciCall.SYSTEM_RESET:
            raise PowerDown("reset")
        if function != PsciCall.CPU_ON or arg0 >= len(self.powered):
            return PSCI_INVALID_PARAMETERS
        if self.powered[arg0]:
            return PSCI_ALREADY_ON
        self.powered[arg0] = True
        return PSCI_SUCCESS
