"""The machine's one counter: 62.5 MHz on the real board, here a count of instructions, or the host's time."""

import time
from collections.abc import Callable

FREQUENCY = 62_500_000
"""Ticks in a second: CNTFRQ_EL0 of QEMU's `virt` board."""
CLOCKS = ("instructions", "host")


class Clock:
    """Ticks since power-on, by `kind`.

    "instructions": one tick is one instruction that some guest has executed, or one action of a script, so every run is
    repeatable; where all CPUs wait, time jumps to what they wait for. "host": the time of the computer that runs this.
    """

    def __init__(self, kind: str) -> None:
        self.is_host = kind == "host"
        self.ticks = 0
        self.began = time.monotonic_ns()
        self.in_slice: Callable[[], int] | None = None
        """How many instructions the CPU that executes now has executed, beyond `ticks`."""

    def now(self) -> int:
        """The counter."""
        if self.is_host:
            return (time.monotonic_ns() - self.began) // 16
        return self.ticks if self.in_slice is None else self.ticks + self.in_slice()

    def sleep_until(self, ticks: int) -> None:
        """Nobody executes until then."""
        if self.is_host:
            time.sleep(max(0, ticks - self.now()) / FREQUENCY)
        else:
            self.ticks = max(self.ticks, ticks)
