"""A timer for each physical CPU that counts instructions instead of time, so that every run is repeatable."""


class Timer:
    """Raises an interrupt each time the guests of one CPU have executed `period` instructions.

    There is no interrupt controller: `raised` lasts until it has taken the CPU out of a secondary once, `pending` until
    the primary takes the interrupt, or sees it end a WFI while it has interrupts masked.
    """

    def __init__(self, period: int) -> None:
        self.period = self.left = period
        self.raised = self.pending = False

    def elapse(self, instructions: int) -> None:
        """Let that many instructions go by."""
        self.left -= instructions
        while self.left <= 0:
            self.left += self.period
            self.raised = self.pending = True

    def wait(self) -> None:
        """Let time pass until an interrupt is pending, as a WFI of the primary does, which acknowledges it."""
        if not self.pending:
            self.elapse(self.left)
        self.acknowledge()

    def interrupts_secondary(self) -> bool:
        """Whether a secondary is interrupted now. Each tick does so once."""
        raised, self.raised = self.raised, False
        return raised

    def acknowledge(self) -> None:
        """The primary has seen the interrupt."""
        self.raised = self.pending = False
