"""The knob `timer=N`: a CPU's virtual timer, and the software that serves it for guests that know no devices."""

from hfedu.board.arch_timer import CTL, CVAL, ENABLE, PPI_VIRTUAL
from hfedu.board.board import Board


class Metronome:
    """Arms the virtual timer of one CPU again and again, each time `period` ticks on, and ends its interrupts.

    It stands for a boot loader that has set up the interrupt controller, and for the primary's handler: the interrupt
    is over when it has taken the CPU out of a secondary. `owed` says that the primary has not seen it yet: it takes it
    when it unmasks interrupts, and a WFI of the primary is over at once.
    """

    def __init__(self, board: Board, cpu: int, period: int) -> None:
        self.gic, self.clock, self.timer, self.cpu, self.period = (
            board.gic,
            board.clock,
            board.timers.virtual[cpu],
            cpu,
            period,
        )
        self.owed = False
        self.gic.write_distributor(0x000, 4, 1, cpu)
        self.gic.write_distributor(0x100, 4, 1 << PPI_VIRTUAL, cpu)
        self.gic.write_cpu(0x04, 0xFF, cpu)
        self.gic.write_cpu(0x00, 1, cpu)
        self.timer.write(CVAL, self.clock.now() + period)
        self.timer.write(CTL, ENABLE)

    @property
    def pending(self) -> bool:
        """Whether there is an interrupt for the primary."""
        return self.owed or self.gic.signals[self.cpu].up

    def serve(self, owed: bool) -> None:
        """Do what the handler would: acknowledge, set the next time, end. `owed`: the primary has not seen it."""
        self.owed = owed
        if self.gic.signals[self.cpu].up:
            acknowledged = self.gic.acknowledge(self.cpu)
            late = self.clock.now() - self.timer.cval
            self.timer.write(CVAL, self.timer.cval + self.period * (late // self.period + 1))
            self.gic.end(self.cpu, acknowledged)
