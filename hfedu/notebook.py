"""What a notebook uses: machines whose recordings show themselves, and `boot` with a notebook's limits."""

import html
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfedu.board.serial_input import Stream
from hfedu.errors import Mistake, plainly, widgets_installed
from hfedu.files import write_whole
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.platform import HEAP_PAGES
from hfedu.run import explorer, machine, token
from hfedu.run.invariants import INVARIANTS
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Outcome, Recording
from hfedu.run.replay import Scenario
from hfedu.run.schedule import DEFAULT, Schedule
from hfedu.run.sight import Sight
from hfedu.view import depth, exploration, page, pagetable, paint, states
from hfedu.view.compare import compare_orders
from hfedu.view.lines import source_of
from hfedu.view.player import EVENTS_AT_MOST
from hfedu.view.runs import compare_runs as compare_runs
from hfedu.view.sequence import MAX_ROWS, sequence
from hfedu.view.text import mermaid, transcript
from hfedu.view.theme import THEMES
from hfedu.view.why import why

if TYPE_CHECKING:
    from hfedu.view.scene import Scene
    from hfedu.widgets.comparison import Comparing, RunsCompared
    from hfedu.widgets.player import Player

MAX_SECONDS = 10.0
MAX_TRAPS = 100_000
TEXTS = {"mmd": mermaid, "txt": transcript}
FORMATS = ("svg", "png", "pdf", "html", *TEXTS)
MAX_MEMORY = "256M"
"""That a token may ask for."""


@plainly
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
    steps = depth.atomic_steps
    instructions = depth.instructions
    source = source_of
    to_html = page.to_html
    token = token.token
    why = why

    def compare(self, other: Recording) -> "RunsCompared":
        """This run ("here") beside another ("there"), aligned by cause, and where they first part."""
        from hfedu.widgets.comparison import RunsCompared

        return compare_runs(RunsCompared, self, other)

    def draw(self, path: str | os.PathLike[str], first: int = 0, last: int | None = None, theme: str = "light") -> Path:
        """Write the sequence diagram: the ending of `path` says whether as SVG, PNG, PDF, HTML, Mermaid or text.

        `first` and `last` choose events, `theme` is "light" or "dark"; ".html" is the player, with all events and at
        `first`, light or dark as the reader's system. `Mistake` with a sentence for an ending or a theme that does not
        exist, and if the file cannot be written: it is written whole or not at all.
        """
        if not isinstance(path, str | os.PathLike):
            raise Mistake(f"draw takes the path of a file, such as 'run.svg', not {path!r}")
        path = Path(path)
        picture = self.render(path.suffix[1:].lower(), first, last, theme)
        try:
            write_whole(path, picture)
        except OSError as error:
            raise Mistake(f"cannot write {path}: {error.strerror}") from None
        except ValueError as error:  # a name with a NUL
            raise Mistake(f"cannot write {path}: {error}") from None
        return path

    def render(self, fmt: str, first: int = 0, last: int | None = None, theme: str = "light") -> bytes:
        """The sequence diagram as bytes of a file; arguments as for `draw`."""
        if not isinstance(fmt, str) or fmt not in FORMATS:
            raise Mistake(f"{fmt or 'no ending'!r} is no output format: choose one of {', '.join(FORMATS)}")
        if not isinstance(theme, str) or theme not in THEMES:
            raise Mistake(f"there is no theme {theme!r}: choose one of {', '.join(THEMES)}")
        for name, event in {"first": first, "last": 0 if last is None else last}.items():
            if not isinstance(event, int) or event < 0:
                raise Mistake(f"{name} must be the number of an event, not {event!r}")
        if fmt == "html":
            return self.to_html(position=first).encode()
        if fmt in TEXTS:
            return TEXTS[fmt](self, first, last).encode()
        return paint.render(sequence(self, first, last), fmt, theme)

    def player(self, position: int | None = None) -> "Player":
        """The player, at an event of your choice, else where a guest runs first. `Mistake` if there is none."""
        from hfedu.widgets.player import Player

        if position is not None and (not isinstance(position, int) or not 0 <= position < len(self.events)):
            raise Mistake(f"there is no event {position!r}: this recording has events 0 to {len(self.events) - 1}")
        return Player(self, position)

    def _display_(self) -> "Player | Scene":
        """What marimo shows, which asks for this: the player, or the picture where there is none."""
        plays = 0 < len(self.events) <= EVENTS_AT_MOST and widgets_installed()
        return self.player() if plays else sequence(self)

    def _ipython_display_(self, position: int | None = None) -> None:
        """The player at an event, for pages without a kernel the picture instead, and below the transcript, folded."""
        from IPython.display import display

        from hfedu.widgets.still import show_with_picture

        if not self.events:
            print(repr(self))
            return
        picture = sequence(self)._repr_mimebundle_()
        if len(self.events) <= EVENTS_AT_MOST:
            show_with_picture(partial(self.player, position), *picture)
        else:
            display(picture[0], metadata=picture[1], raw=True)
        text = transcript(self, last=MAX_ROWS)
        folded = f"<details><summary>The same as text</summary><pre>{html.escape(text)}</pre></details>"
        display({"text/html": folded, "text/plain": text}, raw=True)


@plainly
class Machine(machine.Machine):
    """A `hfedu.run.machine.Machine` whose recording shows itself."""

    __doc__ = machine.Machine.__doc__
    recording_type = Run


def boot(
    ramdisk: RamDisk | bytes | str | os.PathLike[str],
    append: str = "",
    memory: int | str = "16M",
    *,
    cpus: int = 1,
    schedule: Schedule = DEFAULT,
    timer: int | None = None,
    clock: str = "instructions",
    stdin: bytes | str | Stream = b"",
    cpu: str = "unicorn",
    heap_pages: int = HEAP_PAGES,
    max_seconds: float | None = MAX_SECONDS,
    max_instructions: int | None = None,
    max_traps: int | None = MAX_TRAPS,
    profile: str = "2018-10-04",
    fixes: Iterable[str] = (),
    changes: Iterable[type[Hypervisor]] = (),
    memory_model: str = "sc",
    record: bool = True,
    title: str | None = None,
) -> Run:
    """Boot a RAM disk, run it to its end and return the recording.

    `ramdisk` is a `RamDisk`, the bytes of an archive, or its path; `append` the boot arguments; `memory` the RAM; all
    options are those of `Machine`, such as `title="My run"`. Guests that never end are stopped after ten seconds or
    100,000 traps (`max_seconds`, `max_traps`; None for no limit), and the outcome says so.
    """
    run = Machine(
        ramdisk, append, memory, cpus=cpus, schedule=schedule, timer=timer, clock=clock, stdin=stdin, cpu=cpu,
        heap_pages=heap_pages,
        max_seconds=max_seconds, max_instructions=max_instructions, max_traps=max_traps, profile=profile, fixes=fixes,
        changes=changes, memory_model=memory_model, record=record, title=title,
    ).run()  # fmt: skip
    assert isinstance(run, Run)
    return run


@plainly
class Exploration(explorer.Exploration):
    """An exploration that shows itself: what was found and what was covered, and a small space as a graph."""

    __doc__ = explorer.Exploration.__doc__

    def violation(self, i: int) -> explorer.Violation:
        """The violation of number i, the shortest first. `Mistake` if there is none."""
        if not isinstance(i, int) or not 0 <= i < len(self.violations):
            raise Mistake(f"there is no violation {i!r}: {len(self.violations)} were found, counted from 0")
        return self.violations[i]

    def counterexample(self, i: int = 0) -> Run:
        """The run that breaks an invariant, up to the step that does."""
        run = explorer.counterexample(self, self.violation(i), Machine)
        assert isinstance(run, Run)
        return run

    def example(self, result: Any) -> Run:
        """A run, to its end, in which the scripts of the CPUs return this: one of `results`. `Mistake` if none does."""
        wanted = result if isinstance(result, tuple) else (result,)
        if wanted not in self.results:
            said = ", ".join(map(repr, self.results)) or "none, for no order comes to an end"
            raise Mistake(f"no order has the result {wanted!r}. There are {said}")
        run = explorer.run_of(self, self.examples[self.results.index(wanted)], None, Machine)
        assert isinstance(run, Run)
        return run

    def compare(self, i: int = 0) -> "Comparing":
        """That run beside the nearest order of the same steps that keeps the invariant, the first difference named."""
        from hfedu.widgets.comparison import Comparing

        return compare_orders(Comparing, self, self.violation(i), Machine)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display({"text/html": exploration.findings_table(self), "text/plain": repr(self)}, raw=True)
        sentence = exploration.too_many(self)
        display(*([{"text/plain": sentence}] if sentence else [exploration.graph_scene(self)]), raw=bool(sentence))


class Reached(explorer.Reached):
    """Whether a goal can be reached, and the shortest run that does."""

    __doc__ = explorer.Reached.__doc__

    @property
    def run(self) -> Run | None:
        """The shortest run that reaches the goal, up to there; None if none was found."""
        if self.violation is None:
            return None
        outcome = Outcome("goal", repr(self), 0)
        run = explorer.run_of(self.exploration, self.violation.schedule, outcome, Machine)
        assert isinstance(run, Run)
        return run

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display({"text/plain": repr(self)}, raw=True)
        if self.violation is not None:
            display(self.run)


def explorable(scenario: Any, cpus: Any, max_states: Any) -> None:
    """`Mistake` unless this is a scenario, and the numbers are some."""
    if not isinstance(scenario, Scenario):
        raise Mistake(f"explore takes a Scenario, not {scenario!r}")
    for name, given in {"cpus": cpus, "max_states": max_states}.items():
        if given is not None and (not isinstance(given, int) or given < 1):
            raise Mistake(f"{name} must be a whole number above 0, not {given!r}")


def explore(
    scenario: Scenario,
    invariants: Any = INVARIANTS,
    cpus: int | None = None,
    preemptions: int | None = None,
    *,
    ends: Any = (),
    assume: Any = (),
    first: bool = False,
    max_states: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    prune: bool = True,
    recheck: bool = False,
    races: bool = False,
    profile: str = "2018-10-04",
    fixes: Iterable[str] = (),
    changes: Iterable[type[Hypervisor]] = (),
    **options: Any,
) -> Exploration:
    """Try every order of a scenario's atomic steps: `hfedu.run.explorer.explore` with its progress on a line.

    The stop button ends it with what was found.
    """
    explorable(scenario, cpus, max_states)
    from hfedu.widgets.progress import ProgressLine

    with ProgressLine() as line:
        found = explorer.explore(
            scenario, invariants, cpus, preemptions, ends=ends, assume=assume, first=first, max_states=max_states,
            executor=executor, progress=progress or line, prune=prune, recheck=recheck, races=races, profile=profile,
            fixes=fixes,
            changes=changes, **options,
        )  # fmt: skip
    return Exploration(**vars(found))


def find(
    scenario: Scenario,
    goal: Callable[[Sight], Any],
    cpus: int | None = None,
    *,
    max_states: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    profile: str = "2018-10-04",
    fixes: Iterable[str] = (),
    changes: Iterable[type[Hypervisor]] = (),
    **options: Any,
) -> Reached:
    """Search every order of a scenario's steps for the shortest run that reaches a goal: `hfedu.run.explorer.find`.

    Example: `hfedu.find(scenario, lambda machine: machine.mailbox(1).state == "RECEIVED").run`.
    """
    explorable(scenario, cpus, max_states)
    from hfedu.widgets.progress import ProgressLine

    with ProgressLine() as line:
        found = explorer.find(
            scenario, goal, cpus, max_states=max_states, executor=executor, progress=progress or line, profile=profile,
            fixes=fixes, changes=changes, **options,
        )  # fmt: skip
    return Reached(found.goal, found.exploration, found.violation)


def replay(
    text: str,
    ramdisk: RamDisk | bytes | str | os.PathLike[str],
    *,
    max_seconds: float | None = MAX_SECONDS,
    max_memory: int | str | None = MAX_MEMORY,
) -> Run:
    """Make the run of a token (`recording.token()`) again, from the RAM disk that it was made with.

    It may take ten seconds and 256 MiB of memory, unless you allow more (None for no limit). `Mistake` with a sentence
    that says what differs: the version, the RAM disk, or which event is the first to.
    """
    run = token.replay(text, ramdisk, Machine, max_seconds=max_seconds, max_memory=max_memory)
    assert isinstance(run, Run)
    return run
