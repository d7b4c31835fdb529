"""The board: its devices, what the boot loader places, and the firmware behind SMC."""

import time
from collections.abc import Callable

from hfedu.board import devicetree, pl011, pl031
from hfedu.board.arch_timer import ArchTimer, ArchTimers
from hfedu.board.clock import FREQUENCY, Clock
from hfedu.board.gic import GICC_BASE, GICD_BASE, Distributor, Gic, Interfaces
from hfedu.board.memory import RAM_BASE, PhysicalMemory, Region
from hfedu.board.quiet import GICH, GICV, VIRTIO, VIRTIO_SLOT, FirmwareConfig, Pcie, Pl061, Quiet, V2m
from hfedu.errors import Mistake
from hfedu.hf.addr import PAGE_SIZE, Pa, align_up
from hfedu.hf.platform import LAYOUT_BIN_END, MAX_CPUS, PL011_BASE, PowerDown
from hfedu.hf.psci import PSCI_ALREADY_ON, PSCI_INVALID_PARAMETERS, PSCI_SUCCESS, PsciCall

MIB = 1 << 20
MAX_INITRD_OFFSET = 128 * MIB
FDT_ALIGN = 2 * MIB
FDT_ROOM = devicetree.SIZE + PAGE_SIZE
"""The device tree, and what the hypervisor adds to it."""
MAX_ADDRESS = 1 << 40
NEVER = 1 << 70
"""Later than the counter can count."""
BYTE_TIME = 10_000
"""Ticks between two looks whether a byte came in that would interrupt."""
NAP = 0.1
"""Seconds that the computer waits at a time."""


def layout(initrd_size: int, ram_size: int) -> tuple[int, int, Pa]:
    """Where the boot loader puts things: begin and end of the RAM disk, and the device tree."""
    begin = RAM_BASE + min(ram_size // 2, MAX_INITRD_OFFSET) & -PAGE_SIZE
    end = begin + initrd_size
    return begin, end, Pa(align_up(end, FDT_ALIGN))


class BoardError(Mistake):
    """The machine could not even be switched on; the text says what to change."""


class Board:
    """RAM of `ram_size` bytes with the RAM disk in its middle and the device tree behind it, and `cpus` CPUs.

    `powered` says which CPUs have power: at first CPU 0. `clock` is the kind of its clock. `BoardError` if they do not
    fit. Layout: QEMU's `virt` board.
    """

    def __init__(
        self, initrd: bytes, bootargs: str = "", ram_size: int = 16 * MIB, cpus: int = 1, clock: str = "instructions"
    ) -> None:
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
        if len(fdt) > devicetree.SIZE:
            raise BoardError(f"the boot arguments are too long for the device tree ({len(bootargs)} characters)")
        self.clock, self.gic = Clock(clock), Gic(cpus)
        self.alarm = NEVER
        self.on_alarm: Callable[[], None] = lambda: None
        self.on_arm: Callable[[ArchTimer], None] = lambda _: None
        """Is told of each write to a timer."""
        self.timers = ArchTimers(self.clock, self.gic, cpus, self.timer_written)
        self.uart = pl011.Pl011(lambda up: self.gic.set_level(pl011.UART_SPI, up), self.set_alarm)
        self.rtc = pl031.Pl031(self.clock, lambda up: self.gic.set_level(pl031.RTC_SPI, up), self.set_alarm)
        try:
            self.memory = PhysicalMemory(ram_size, self.uart, self.regions())
        except OSError:
            raise BoardError(f"this computer has no {ram_size} bytes to lend: give the machine less") from None
        self.memory.write(Pa(begin), initrd)
        self.memory.write(self.fdt_begin, fdt)
        self.on_tick: Callable[[], None] | None = None

    def regions(self) -> list[Region]:
        """Where each device answers; behind the last register of each region nothing does."""
        return [
            Region(PL011_BASE, 0x1000, self.uart),
            Region(GICD_BASE, 0x1000, Distributor(self.gic)),
            Region(GICC_BASE, 0x2000, Interfaces(self.gic)),
            Region(0x0802_0000, 0x1000, V2m(self.gic)),
            Region(0x0803_0000, 0x1000, Quiet(GICH)),
            Region(0x0804_0000, 0x2000, Quiet(GICV)),
            Region(0x0901_0000, 0x1000, self.rtc),
            Region(0x0902_0000, 0x1000, FirmwareConfig(len(self.powered))),
            Region(0x0903_0000, 0x1000, Pl061()),
            Region(0x0A00_0000, 32 * VIRTIO_SLOT, Quiet(VIRTIO, VIRTIO_SLOT)),
            Region(0x40_1000_0000, 0x1000_0000, Pcie()),
        ]

    def timer_written(self, timer: ArchTimer) -> None:
        """A timer may be due at another time than before."""
        self.on_arm(timer)
        self.set_alarm()

    def set_alarm(self) -> None:
        """Find out when to look again: `alarm` is the tick at which something may be due."""
        deadlines = [tick for timer in self.timers.all if (tick := timer.deadline) is not None]
        if self.rtc.deadline is not None:
            deadlines.append(self.rtc.deadline)
        self.alarm = min(deadlines, default=NEVER)
        if self.uart.expects and self.uart.input.wait(0):
            self.alarm = min(self.alarm, (self.clock.now() // BYTE_TIME + 1) * BYTE_TIME)
        self.on_alarm()

    def time_passed(self) -> None:
        """Look what is due by now, and what came in on the serial line."""
        for timer in self.timers.all:
            timer.look()
        if self.rtc.deadline is not None:
            self.rtc.look()
        if self.uart.expects:
            self.uart.receive()
        self.set_alarm()

    def wait(self, cpu: int, check: Callable[[], None]) -> bool:
        """Let time pass until an interrupt is signalled to a CPU. False if none will ever be.

        `check` is called again and again while the computer itself has to wait; it may raise.
        """
        return self.wait_until(lambda: self.gic.signals[cpu].up, check)

    def wait_until(self, ready: Callable[[], bool], check: Callable[[], None]) -> bool:
        """Let time pass until `ready` says so. False if nothing will change any more."""
        began, ticks = time.monotonic(), self.clock.now()
        self.time_passed()
        while not ready():
            listens = self.uart.expects and self.uart.input.live
            if self.alarm == NEVER and not listens:
                return False
            if listens or self.clock.is_host:
                check()
                left = max(0, (self.alarm - ticks) / FREQUENCY - (time.monotonic() - began))
                if self._byte_comes(min(left, NAP), listens):
                    self.uart.receive()
                    continue
                if left > NAP:
                    continue
            self.clock.sleep_until(self.alarm)
            self.time_passed()
        return True

    def _byte_comes(self, seconds: float, listens: bool) -> bool:
        """Let the computer itself wait. Whether a byte came in meanwhile."""
        if listens:
            return self.uart.input.wait(seconds)
        time.sleep(seconds)
        return False

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
