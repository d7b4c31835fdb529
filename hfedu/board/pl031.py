"""The PL031 real-time clock (Arm DDI 0224): seconds since 1970.

| offset | register | reset | here |
| --- | --- | --- | --- |
| 0x00 | DR | | the time, read only |
| 0x04 | MR | 0 | when the alarm is due |
| 0x08 | LR | 0 | sets the time |
| 0x0c | CR | 1 | always runs |
| 0x10 | IMSC | 0 | bit 0: the alarm interrupts |
| 0x14, 0x18 | RIS, MIS | 0 | the alarm has been due; and interrupts |
| 0x1c | ICR | | clears it |
| 0xfe0-0xffc | identification | | read only |

The alarm is interrupt 34. Where the counter counts instructions, power-on is always the same second.
"""

import time
from collections.abc import Callable

from hfedu.board.clock import FREQUENCY, Clock

DR, MR, LR, CR, IMSC, RIS, MIS, ICR = range(0, 0x20, 4)
RTC_SPI = 34
RTC_ID = dict(zip(range(0xFE0, 0x1000, 4), b"\x31\x10\x14\x00\x0d\xf0\x05\xb1", strict=True))
POWER_ON = 1_767_225_600
"""2026-01-01 00:00:00: the time at power-on of a machine whose clock counts instructions."""


class Pl031:
    """A real-time clock. `interrupt` is told whether its line is up, `on_alarm` called when the alarm is set."""

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None], on_alarm: Callable[[], None]) -> None:
        self.clock, self.interrupt, self.on_alarm = clock, interrupt, on_alarm
        self.offset = int(time.time()) if clock.is_host else POWER_ON
        self.match = self.load = self.mask = self.raised = 0
        self.deadline: int | None = None
        """The tick at which the alarm is due, if one is set."""

    def seconds(self) -> int:
        """The time."""
        return self.offset + self.clock.now() // FREQUENCY & 0xFFFF_FFFF

    def read(self, offset: int, size: int, cpu: int) -> int:
        """A 32-bit register; 0 where there is none."""
        match offset:
            case 0x00:
                return self.seconds()
            case 0x0C:
                return 1
        kept = {MR: self.match, LR: self.load, IMSC: self.mask, RIS: self.raised, MIS: self.raised & self.mask}
        return kept.get(offset, RTC_ID.get(offset, 0))

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Write a register; those that are read only ignore it."""
        if offset in (MR, LR):
            if offset == LR:
                self.load, self.offset = value, value - self.clock.now() // FREQUENCY
            else:
                self.match = value
            self.deadline = (self.clock.now() // FREQUENCY + (self.match - self.seconds() & 0xFFFF_FFFF)) * FREQUENCY
            self.on_alarm()
        elif offset == IMSC:
            self.mask = value & 1
        elif offset == ICR:
            self.raised &= ~value
        self.look()

    def look(self) -> None:
        """Note that the alarm is due, and put the line of the interrupt up or down."""
        if self.deadline is not None and self.clock.now() >= self.deadline:
            self.raised, self.deadline = 1, None
        self.interrupt(bool(self.raised & self.mask))
