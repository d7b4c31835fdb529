"""The generic timers of a Cortex-A57 (Arm DDI 0487, D11): two for each CPU, both by the one counter.

| register | reset | here |
| --- | --- | --- |
| CNTFRQ_EL0 | 62,500,000 | read only |
| CNTVCT_EL0, CNTPCT_EL0 | | the counter: the offset between them is 0 |
| CNTV_CTL_EL0, CNTP_CTL_EL0 | 0 | bit 0 ENABLE, 1 IMASK; 2 ISTATUS: enabled and due, read only |
| CNTV_CVAL_EL0, CNTP_CVAL_EL0 | 0 | due when the counter is not below it, as numbers without sign |
| CNTV_TVAL_EL0, CNTP_TVAL_EL0 | | the lower 32 bits of CVAL less the counter; writes are signed |

The virtual timer is interrupt 27, the physical one 30, as levels: up while ENABLE and ISTATUS and not IMASK. Both
belong to the CPU and not to a VM: at this commit the hypervisor neither saves nor restores them.
"""

from collections.abc import Callable

from hfedu.board.clock import Clock
from hfedu.board.gic import Gic
from hfedu.hf.call import MASK64

PPI_VIRTUAL, PPI_PHYSICAL = 27, 30
ENABLE, IMASK, ISTATUS = 1, 2, 4
TVAL, CTL, CVAL = 0, 1, 2
"""The registers of a timer, by the last number of their encoding (op2)."""


class ArchTimer:
    """One timer of one CPU. `on_write` is called when it may be due at another time than before."""

    def __init__(self, clock: Clock, gic: Gic, intid: int, cpu: int, on_write: "OnWrite") -> None:
        self.clock, self.gic, self.intid, self.cpu, self.on_write = clock, gic, intid, cpu, on_write
        self.ctl = self.cval = 0

    @property
    def is_due(self) -> bool:
        """ISTATUS, whether it interrupts or not."""
        return bool(self.ctl & ENABLE) and self.clock.now() >= self.cval

    @property
    def deadline(self) -> int | None:
        """When it will interrupt, if it will."""
        return self.cval if self.ctl & (ENABLE | IMASK) == ENABLE and self.clock.now() < self.cval else None

    def read(self, register: int) -> int:
        """TVAL, CTL or CVAL."""
        if register == CTL:
            return self.ctl | self.is_due * ISTATUS
        return self.cval if register == CVAL else self.cval - self.clock.now() & 0xFFFF_FFFF

    def write(self, register: int, value: int) -> None:
        """TVAL, CTL or CVAL."""
        if register == CTL:
            self.ctl = value & (ENABLE | IMASK)
        elif register == CVAL:
            self.cval = value & MASK64
        else:
            signed = (value & 0xFFFF_FFFF ^ 1 << 31) - (1 << 31)
            self.cval = self.clock.now() + signed & MASK64
        self.on_write(self)
        self.look()

    def look(self) -> None:
        """Put the line of the interrupt up or down as the time says."""
        self.gic.set_level(self.intid, self.is_due and not self.ctl & IMASK, self.cpu)


OnWrite = Callable[[ArchTimer], None]


class ArchTimers:
    """The timers of all CPUs: `virtual[cpu]` and `physical[cpu]`."""

    def __init__(self, clock: Clock, gic: Gic, cpus: int, on_write: "OnWrite") -> None:
        self.virtual = [ArchTimer(clock, gic, PPI_VIRTUAL, cpu, on_write) for cpu in range(cpus)]
        self.physical = [ArchTimer(clock, gic, PPI_PHYSICAL, cpu, on_write) for cpu in range(cpus)]
        self.all = [*self.virtual, *self.physical]
