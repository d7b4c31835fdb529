"""A run that breaks an invariant beside the nearest order of the same steps that does not."""

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hfedu.errors import counted, plainly
from hfedu.run import words
from hfedu.run.explorer import BUILT_IN, Exploration, Violation
from hfedu.run.invariants import Invariant
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.nearest import both_orders
from hfedu.run.recording import Event, Recording
from hfedu.run.stepper import Taken
from hfedu.view.scene import Scene
from hfedu.view.sequence import sequence

BEFORE, AFTER = 4, 4
"""Steps shown before the first difference, and after the last step of the failing order."""
GAP = 16
FIRST_DIFFERENCE = "font-weight:bold;border-top:2px solid;border-bottom:2px solid"
PASSING = "nearest order that keeps it"


@plainly
@dataclass(frozen=True, repr=False)
class OrderComparison:
    """A failing run and the nearest passing one, None if there is none. `first` is the first step that differs."""

    violation: Violation
    meaning: str
    failing: Recording
    failing_steps: tuple[Taken, ...]
    passing: Recording | None
    passing_steps: tuple[Taken, ...]

    @property
    def first(self) -> int:
        """The number of the first step, counted from 1, at which the two orders part."""
        pairs = enumerate(zip(self.failing_steps, self.passing_steps, strict=False), 1)
        return next((number for number, (a, b) in pairs if a != b), len(self.failing_steps))

    @property
    def broken(self) -> str:
        """The invariant, what it says, and what went wrong."""
        return f"{self.violation.invariant}: {self.meaning} Broken: {words.names_in_words(self.violation.sentence)}."

    @property
    def sentence(self) -> str:
        """The first difference, named."""
        name = self.violation.invariant
        if self.violation.accesses:
            return "Nothing orders the last two steps: either can come first."
        if self.passing is None:
            return f"No order of these steps keeps {name} and comes to a good end: all were tried."
        early, later = self.failing_steps[self.first - 1], self.passing_steps[self.first - 1 :]
        waited = next((number for number, step in enumerate(later) if step.cpu == early.cpu), 1)
        needed = later[waited - 1]
        return (
            f"At step {self.first} {early} before CPU {needed.cpu} {needed.text}. "
            f"In the nearest order that keeps {name}, CPU {needed.cpu} does that first."
        )

    def rows(self) -> Iterator[tuple[int, Taken | None, Taken | None]]:
        """The steps around the first difference, side by side, by number."""
        end = len(self.failing_steps) + AFTER
        for i in range(max(0, self.first - 1 - BEFORE), end):
            a, b = (steps[i] if i < len(steps) else None for steps in (self.failing_steps, self.passing_steps))
            if a is not None or b is not None:
                yield i + 1, a, b

    def cells(self) -> Iterator[tuple[bool, str, str, str]]:
        """The rows in words: whether this is the first difference, the number of the step, and both orders."""
        for number, a, b in self.rows():
            differs = self.passing is not None and number == self.first
            fatal = " ✗ breaks it" if number == self.violation.steps else ""
            yield differs, f"{number}{' ≠' if differs else ''}", f"{a or ''}{fatal}", str(b or "")

    def more(self) -> str:
        """How the passing order goes on beyond the rows shown."""
        left = len(self.passing_steps) - len(self.failing_steps) - AFTER
        return f"The passing order goes on for {counted(left, 'more step')} to its end." if left > 0 else ""

    def __repr__(self) -> str:
        lines = [self.broken, self.sentence, f"{'step':<6}  {'breaks ' + self.violation.invariant:<72}  {PASSING}"]
        lines += [f"{number:<6}  {a:<72}  {b}".rstrip() for _, number, a, b in self.cells()]
        return "\n".join([*lines, *filter(None, [self.more()])])

    def table(self) -> str:
        """The steps side by side as HTML."""
        heads = ("step", f"breaks {self.violation.invariant}", PASSING)
        rows = [html_row(heads, "th")]
        for differs, *cells in self.cells():
            rows.append(html_row(cells, "td", FIRST_DIFFERENCE if differs else ""))
        said = f"<p>{html.escape(self.broken)}</p><p><b>{html.escape(self.sentence)}</b></p>"
        return f"{said}<table>{''.join(rows)}</table><p>{html.escape(self.more())}</p>"

    def titled(self) -> list[Recording]:
        """The recordings, each with a title that says which it is."""
        name = self.failing.title
        both = [replace(self.failing, title=f"{name}: breaks {self.violation.invariant}")]
        return both + ([replace(self.passing, title=f"{name}: {PASSING}")] if self.passing is not None else [])

    def first_event(self) -> int:
        """The number of the first event that the two recordings do not share."""
        if self.passing is None:
            return len(self.failing.events) - 1
        pairs = enumerate(zip(self.failing.events, self.passing.events, strict=False))
        return next((i for i, (a, b) in pairs if beginning(a) != beginning(b)), 0)

    def scene(self) -> Scene:
        """Both sequence diagrams side by side, from a little before the first difference."""
        first = max(0, self.first_event() - BEFORE)
        scene = Scene(alt=f"{self.broken} {self.sentence}")
        for recording in self.titled():
            part = sequence(recording, first)
            left = scene.width + (GAP if scene.width else 0)
            scene.add(*(shifted(shape, left) for shape in part.shapes))
            scene.width, scene.height = left + part.width, max(scene.height, part.height)
        return scene


def html_row(cells: Iterable[str], tag: str, style: str = "") -> str:
    """A row of an HTML table."""
    return "".join(
        ["<tr>", *(f'<{tag} style="text-align:left;{style}">{html.escape(cell)}</{tag}>' for cell in cells), "</tr>"]
    )


def beginning(event: Event) -> tuple[Any, ...]:
    """What an event has been from its beginning: two runs share it, even if it is not finished in one of them."""
    going_on = event.kind is Kind.STEP or (event.kind is Kind.SWITCH and event.target is None)
    return event.cpu, event.target, None if event.kind is Kind.SWITCH else event.function, going_on or event.kind


def shifted(shape: Any, by: float) -> Any:
    """A shape further to the right."""
    places = ("x1", "x2") if hasattr(shape, "x1") else ("x",)
    return shape._replace(**{place: getattr(shape, place) + by for place in places})


C = TypeVar("C", bound=OrderComparison)


def compare_orders(
    kind: type[C], result: Exploration, violation: Violation, machine_type: type[Machine] = Machine
) -> C:
    """The run that breaks an invariant beside the nearest order that does not, found by search."""
    return kind(violation, meaning(result.invariants, violation), *both_orders(result, violation, machine_type))


def meaning(invariants: tuple[Invariant, ...], violation: Violation) -> str:
    """The sentence of an invariant."""
    return {**BUILT_IN, **{i.name: i.meaning for i in invariants}}[violation.invariant]
