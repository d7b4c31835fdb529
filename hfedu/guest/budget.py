"""How long guests may run, and how a run ends that no hypervisor ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hfedu.errors import counted

FIRST_SLICE, SLICE = 5_000, 10_000_000
"""Instructions that a CPU executes before Python looks at budgets and at the notebook's stop button: the first time
after a trap, and later. What instructions take differs by a factor of thousands, so the clock ends most slices."""
TICK = 0.05
"""Seconds: a slice is ended when it has lasted one to two of these."""
GLANCE = 16
"""Instructions between two looks whether the primary has unmasked a pending interrupt."""
GUEST_STEP, LARGE_STEP = 1_000, 20_000
"""Instructions that a guest runs without a trap before another physical CPU may go on: the second on a board of
`LARGE_RAM` bytes, where a kernel runs that would take a minute to boot in steps of the first."""
LARGE_RAM = 128 << 20
HOST_SLICE = 50_000
"""Instructions between two looks at the host's clock while a timer waits for it."""
FIQ = "A fast interrupt (FIQ) takes the CPU out of a secondary. This hypervisor has no use for one: it spins for ever."
NO_INTERRUPT = "The primary waits for an interrupt, and no device of this board will ever raise one."


class OutOfBudget(Exception):
    """A limit was reached; the text is a sentence that says which."""


class OutOfTime(OutOfBudget):
    """The limit that was reached is the clock's: elsewhere, or next time, it may be reached later."""


class StuckForever(Exception):
    """Nothing can ever happen again: the CPU waits or takes exceptions for ever. The text is a sentence."""


@dataclass
class Budget:
    """Limits of a run, None for no limit: guest instructions, seconds of wall clock, traps to the hypervisor.

    Instructions of scripted guests do not count: they have none.
    """

    instructions: int | None = None
    seconds: float | None = None
    traps: int | None = None
    executed: int = 0
    trapped: int = 0
    deadline: float | None = field(default=None, init=False)
    on_check: Callable[[], None] | None = field(default=None, init=False)
    """Called whenever the budget is checked: at every trap, and ten times a second while a guest never traps."""
    on_stop: Callable[[], None] | None = field(default=None, init=False)
    """Called then too; there while somebody waits who pressed the stop button, and may raise."""

    def start(self) -> None:
        """Start the clock."""
        if self.seconds is not None:
            self.deadline = time.monotonic() + self.seconds

    def check(self) -> None:
        """`OutOfBudget` if the run has used up one of its limits."""
        if self.on_check is not None:
            self.on_check()
        if self.on_stop is not None:
            self.on_stop()
        if self.instructions is not None and self.executed >= self.instructions:
            raise OutOfBudget(f"The guests used up their {counted(self.instructions, 'instruction')}.")
        if self.traps is not None and self.trapped >= self.traps:
            raise OutOfBudget(f"The guests used up their {counted(self.traps, 'trap')} to the hypervisor.")
        if self.deadline is not None:
            self.check_clock()

    def check_clock(self) -> None:
        """`OutOfTime` if the time is over."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise OutOfTime(f"The run used up its {self.seconds:g} seconds.")
