"""The stop button: an interrupt (SIGINT) ends a run between two atomic steps, so that it can go on as if none had come.

While a machine works its interrupt handler only notes that somebody pressed. The machine looks at the note before each
atomic step, and in machine code between two slices; there the handler that was in place before is called, and in Python
that raises `KeyboardInterrupt`. What never comes to such a point, a script or a class of a learner's own that loops, is
interrupted in the middle when it has had its time, and that machine cannot go on.
"""

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.run.recorder import actor_of

if TYPE_CHECKING:
    from hfedu.guest.emulator import EmulatedCpu
    from hfedu.guest.scripted import ScriptedVcpu
    from hfedu.run.machine import Machine

CPU_GRACE, GRACE = 0.3, 0.9
"""After so many seconds of its thread's CPU, or of the clock, a learner's own code is interrupted in the middle."""
PATCHED = 3.0
"""Seconds of CPU after which any other step is: ours all end, however little of the computer they get."""
AGAIN = 0.35
"""Seconds until an interrupt that nobody has taken is sent again."""
OTHER_THREAD = (
    "this machine runs in another thread at the moment: a machine belongs to one thread at a time. Wait until that run "
    "is over, or make a machine for each thread"
)
HYPERVISOR_TORN = (
    "You stopped the hypervisor in the middle of one of its steps, which did not come to an end. "
    "This machine cannot go on: make it anew."
)


class Press(NamedTuple):
    """An interrupt that was noted: what its handler is called with, and when by the clock and by the thread's CPU."""

    number: int
    frame: FrameType | None
    at: float
    cpu: float


class StopButton:
    """Holds interrupts back while a machine works, and lets one thread in at a time.

    `pressed` is the interrupt that waits. `torn` is a sentence after one was raised in the middle of a step.
    """

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.pressed: Press | None = None
        self.torn: str | None = None
        self.previous: Callable[[int, FrameType | None], Any] | None = None
        self.thread = threading.RLock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the machine works. `Mistake` if it already does in another thread."""
        previous = signal.getsignal(signal.SIGINT)
        if previous == self._press or not callable(previous) or _thread.get_ident() != threading.main_thread().ident:
            with self._alone():
                yield
            return
        try:
            self.previous = previous
            signal.signal(signal.SIGINT, self._press)
            with self._alone():
                yield
        finally:
            signal.signal(signal.SIGINT, previous)
            self.take()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.thread.acquire(blocking=False):
            raise Mistake(OTHER_THREAD)
        try:
            yield
        finally:
            self.thread.release()

    def take(self) -> None:
        """Hand on an interrupt that waits. Called only where a run can be left and gone on with."""
        pressed = self.pressed
        if pressed is not None:
            self.pressed = self.machine.budget.on_stop = None
            assert self.previous is not None
            self.previous(pressed.number, pressed.frame)

    def _press(self, number: int, frame: FrameType | None) -> None:
        """The handler: note it. In the middle of a step it raises only when that has had its time."""
        now, cpu, emulating = time.monotonic(), time.thread_time(), self._emulating()
        pressed = self.pressed
        if pressed is None:
            self.pressed = pressed = Press(number, frame, now, cpu)
            if len(self.machine.cores) == 1:
                self.machine.budget.on_stop = self.take
            if emulating is not None:
                emulating.end_slice()
            _thread.start_new_thread(self._remind, (pressed,))
        elif emulating is None and self._too_long(cpu - pressed.cpu, now - pressed.at):
            self.torn = self._sentence()
            self.take()
            self.torn = None

    def _too_long(self, cpu: float, clock: float) -> bool:
        """Whether a step that has taken so many seconds may never end."""
        if self.machine.made["changes"] or self._running():
            return cpu >= CPU_GRACE or clock >= GRACE
        return cpu >= PATCHED

    def _running(self) -> "list[ScriptedVcpu]":
        """The guest whose script is between two yields."""
        return [guest for guest in self.machine.guests.values() if getattr(guest.generator, "gi_running", False)]

    def _emulating(self) -> "EmulatedCpu | None":
        """The CPU that executes machine code now: what is raised in there would be lost."""
        cpus = (core.emulated for core in self.machine.cores)
        return next((cpu for cpu in cpus if cpu is not None and cpu.emulating), None)

    def _remind(self, pressed: Press) -> None:
        """Send an interrupt again for as long as it waits, from a thread of its own."""
        while True:
            time.sleep(AGAIN)
            if self.pressed is not pressed:
                return
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # it also ends a sleep
            else:
                _thread.interrupt_main()

    def _sentence(self) -> str:
        guests = self._running()
        if not guests:
            return HYPERVISOR_TORN
        return (
            f"You stopped the script of {actor_of(guests[0].vcpu)} between two yields, and it ended with that. "
            "This machine cannot go on: make it anew."
        )
