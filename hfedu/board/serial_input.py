"""What comes in on the serial line: bytes that are known from the start, or a stream of the computer that runs this."""

import os
import select
from typing import Protocol


class SerialInput(Protocol):
    """Where the UART's bytes come from. `live` says whether more may come that nobody knows yet."""

    live: bool

    def take(self, room: int) -> bytes:
        """Up to `room` of the bytes that are there."""

    def wait(self, seconds: float) -> bool:
        """Wait so long for the next byte. Whether there is one."""


class Prepared:
    """Bytes that are all there from the start."""

    live = False

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, room: int) -> bytes:
        """The next of them."""
        found = self.data[self.at : self.at + room]
        self.at += len(found)
        return found

    def wait(self, seconds: float) -> bool:
        """Whether there are more."""
        return self.at < len(self.data)


class Stream:
    """A file descriptor: a terminal, a pipe, a file. It is looked at without waiting; `live` until it ends."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.live = descriptor, True

    def take(self, room: int) -> bytes:
        """What is there now."""
        if not self.wait(0):
            return b""
        try:
            found = os.read(self.descriptor, room)
        except OSError:
            found = b""
        self.live = bool(found)
        return found

    def wait(self, seconds: float) -> bool:
        """Wait so long for the next byte."""
        try:
            return self.live and bool(select.select([self.descriptor], [], [], seconds)[0])
        except (OSError, ValueError):  # it cannot be waited for, as on Windows
            self.live = False
            return False
