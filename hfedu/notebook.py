"""What a notebook uses: machines whose recordings show themselves, and `boot` with a notebook's limits."""

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfedu.errors import Mistake
from hfedu.run import machine
from hfedu.run.ramdisk import RamDisk
from hfedu.run.trace import Recording
from hfedu.view import depth, pagetable, paint, states
from hfedu.view.player import EVENTS_AT_MOST
from hfedu.view.sequence import MAX_ROWS, sequence
from hfedu.view.text import mermaid, transcript
from hfedu.view.theme import THEMES

if TYPE_CHECKING:
    from hfedu.widgets.player import Player

MAX_SECONDS = 10.0
MAX_TRAPS = 100_000
FORMATS = ("svg", "png", "pdf", "mmd", "txt")


@dataclass(frozen=True, repr=False)
class Run(Recording):
    """A recording that can be looked at. As the last line of a cell it shows its sequence diagram."""

    # Views of a recording are functions of it: here they are its methods.
    transcript = transcript
    mailbox = states.mailbox_machine
    vcpu = states.vcpu_machine
    registers = states.registers
    stage2 = pagetable.stage2_map
    walk = pagetable.walk
    steps = depth.steps
    instructions = depth.instructions

    def draw(self, path: str | os.PathLike[str], first: int = 0, last: int | None = None, theme: str = "light") -> Path:
        """Write the sequence diagram: the ending of `path` says whether as SVG, PNG, PDF, Mermaid or text.

        `first` and `last` choose events, `theme` is "light" or "dark". `Mistake` with a sentence for an ending
        or a theme that does not exist, `OSError` if the file cannot be written.
        """
        path = Path(path)
        path.write_bytes(self.render(path.suffix[1:].lower(), first, last, theme))
        return path

    def render(self, fmt: str, first: int = 0, last: int | None = None, theme: str = "light") -> bytes:
        """The sequence diagram as bytes of a file; arguments as for `draw`."""
        if fmt not in FORMATS:
            raise Mistake(f"{fmt or 'no ending'!r} is no output format: choose one of {', '.join(FORMATS)}")
        if theme not in THEMES:
            raise Mistake(f"there is no theme {theme!r}: choose one of {', '.join(THEMES)}")
        if fmt == "txt":
            return transcript(self, first, last).encode()
        if fmt == "mmd":
            return mermaid(self, first, last).encode()
        return paint.render(sequence(self, first, last), fmt, theme)

    def player(self, position: int = 0) -> "Player":
        """The player, at an event of your choice. `Mistake` if there is no such event."""
        from hfedu.widgets.player import Player

        if not 0 <= position < len(self.events):
            raise Mistake(f"there is no event {position!r}: this recording has events 0 to {len(self.events) - 1}")
        return Player(self, position)

    def _ipython_display_(self) -> None:
        """The player, for pages without a kernel the picture instead, and below it the transcript, folded."""
        from IPython.display import display

        if not self.events:
            print(repr(self))
            return
        data, metadata = sequence(self)._repr_mimebundle_()
        if len(self.events) <= EVENTS_AT_MOST:
            widget, _ = self.player()._repr_mimebundle_() or ({}, {})
            data = {**widget, **data}
        display(data, metadata=metadata, raw=True)
        text = transcript(self, last=MAX_ROWS)
        folded = f"<details><summary>The same as text</summary><pre>{html.escape(text)}</pre></details>"
        display({"text/html": folded, "text/plain": text}, raw=True)


class Machine(machine.Machine):
    """A `hfedu.run.machine.Machine` whose recording shows itself."""

    __doc__ = machine.Machine.__doc__
    recording_type = Run


def boot(
    ramdisk: RamDisk | bytes | str | os.PathLike[str], append: str = "", memory: int | str = "16M", **options: Any
) -> Run:
    """Boot a RAM disk, run it to its end and return the recording.

    `ramdisk` is a `RamDisk`, the bytes of an archive, or its path; `append` the boot arguments; `memory` the RAM;
    `options` are those of `Machine`, such as `title="My run"`. Guests that never end are stopped after ten seconds or
    100,000 traps (`max_seconds`, `max_traps`; None for no limit), and the outcome says so.
    """
    limits = {"max_seconds": MAX_SECONDS, "max_traps": MAX_TRAPS}
    run = Machine(ramdisk, append, memory, **(limits | options)).run()
    assert isinstance(run, Run)
    return run
