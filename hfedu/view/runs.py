"""Two runs side by side: aligned by cause, and where they first part.

Two events correspond if their causes do, the same actor made the same call (or the same kind of thing happened to the
same target), and as many such came before. The steps into which other CPUs cut a trap are left out. How the runs were
made may differ, kernels and their tables too: what counts is what happens.
"""

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, NamedTuple, TypeVar

from hfedu.errors import Mistake, counted, plainly
from hfedu.run import words
from hfedu.run.kinds import CALL_KINDS, Kind
from hfedu.run.recording import Event, Recording
from hfedu.run.token import digest
from hfedu.view.answers import all_answers
from hfedu.view.page import page
from hfedu.view.player import player_data
from hfedu.view.why import begins_wait, why

AROUND, WIDTH = 3, 60
UNTOLD = ("ramdisk", "title", "cpu", "max_seconds", "max_instructions", "max_traps")


class EventPair(NamedTuple):
    """Two events that correspond, the same ("=") or not ("≠"), or one that is only here ("<") or there (">")."""

    here: int | None
    there: int | None
    mark: str


@plainly
@dataclass(frozen=True, repr=False)
class RunComparison:
    """Two runs and where they part: `here` and `there` are the events, both None if the same happens.

    `sentence` says it in words, `made` how the runs were made differently. `rows` are all events of both runs, in
    order, and `apart` is the row where they part.
    """

    first: Recording
    second: Recording
    sentence: str
    made: str
    rows: tuple[EventPair, ...]
    apart: int | None = None
    here: int | None = None
    there: int | None = None

    def table(self) -> list[tuple[str, str, str]]:
        """The titles, then the rows around the one where the runs part: here, a mark, there; the others folded."""
        begin = len(self.rows) if self.apart is None else max(self.apart - AROUND, 0)
        end = min(begin + 2 * AROUND + 2, len(self.rows))
        heads = [(f"here: {self.first.title}", " ", f"there: {self.second.title}"), *folded(begin)]
        lines = [(said(self.first, here), mark, said(self.second, there)) for here, there, mark in self.rows[begin:end]]
        return heads + lines + folded(len(self.rows) - end)

    def data(self) -> dict[str, Any]:
        """What two players side by side need, ready for JSON."""
        return pair(self.first, self.second, self.sentence, self.made, self.rows, (self.here, self.there))

    def to_html(self) -> str:
        """Two players side by side as one HTML page that needs neither a kernel nor a network."""
        answers = [all_answers(recording) for recording in (self.first, self.second)]
        return page(f"{self.first.title} | {self.second.title}", self.data(), answers, repr(self))

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        lines = [f"{cut(here):<{WIDTH}} {mark} {cut(there)}".rstrip() for here, mark, there in self.table()]
        return "\n".join([line for line in (self.sentence, self.made) if line] + lines)

    def _repr_html_(self) -> str:
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.table())
        text = html.escape(f"{self.sentence} {self.made}".strip())
        return f"<p>{text}</p><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def pair(
    first: Recording,
    second: Recording,
    sentence: str,
    made: str,
    rows: tuple[EventPair, ...],
    apart: tuple[int | None, int | None],
) -> dict[str, Any]:
    """Two runs for two players: `apart` are the events where they part, `rows` those that correspond."""
    runs = [player_data(first), player_data(second)]
    parted = {"here": apart[0], "there": apart[1]}
    beside = [row._asdict() for row in rows]
    return {"sentence": sentence, "made": made, "rows": beside, "apart": parted, "runs": runs}


C = TypeVar("C", bound=RunComparison)


def compare_runs(kind: type[C], first: Recording, second: Recording) -> C:
    """Compare two runs: the first is "here", the second is "there"."""
    if not isinstance(second, Recording) or not first.events or not second.events:
        raise Mistake("compare takes two runs that were recorded, as in run.compare(other_run)")
    rows, made = align(first, second), made_differently(first.made, second.made)
    apart = next((at for at, row in enumerate(rows) if row.mark != "="), None)
    if apart is not None:
        here, there = instead(rows, apart)
        return kind(first, second, how_they_part(first, here, second, there), made, rows, apart, here, there)
    pairs = pairwise(row.there or 0 for row in rows)
    apart = next((at for at, (one, other) in enumerate(pairs, 1) if other < one), None)
    if apart is None:
        sentence = f"The same happens in both runs: {counted(len(rows), 'event')} each."
        return kind(first, second, sentence, made, rows)
    here, there, _ = rows[apart]
    sentence = f"The same happens in another order: event {here} here is event {there} there."
    return kind(first, second, sentence, made, rows, apart, here, there)


def where_they_part(first: Recording, second: Recording) -> tuple[int | None, int | None]:
    """The first events that differ; None for one that has nothing there. The last ones if nothing differs."""
    rows = align(first, second)
    return instead(rows, next((at for at, row in enumerate(rows) if row.mark != "="), len(rows) - 1))


def align(first: Recording, second: Recording) -> tuple[EventPair, ...]:
    """All events of two runs, each beside the one that corresponds."""
    known: dict[Any, int] = {}
    one, two = dict(identities(first, known)), dict(identities(second, known))
    exact = not any(event.kind is Kind.STEP for run in (first, second) for event in run.events)
    rows, rest, paired = [], list(two.items()), set()
    rest.reverse()
    for identity, here in one.items():
        there = two.get(identity)
        if there is None:
            rows.append(EventPair(here, None, "<"))
            continue
        while rest and (rest[-1][0] not in one or rest[-1][0] in paired):
            other, seq = rest.pop()
            if other not in paired:
                rows.append(EventPair(None, seq, ">"))
        paired.add(identity)
        same = facts_of(first, first.events[here], exact) == facts_of(second, second.events[there], exact)
        rows.append(EventPair(here, there, "=" if same else "≠"))
    return (*rows, *(EventPair(None, seq, ">") for identity, seq in reversed(rest) if identity not in one))


def identities(recording: Recording, known: dict[Any, int]) -> Iterator[tuple[int, int]]:
    """A number for each event that its counterpart in another run has too, and its own. `known` is shared by the runs.

    A step shares the number of what it is a step of, and is left out.
    """
    found: list[int] = []
    before: Counter[Any] = Counter()
    for event in recording.events:
        cause = None if event.cause is None or event.kind is Kind.END else found[event.cause]
        if event.kind is Kind.STEP and cause is not None:
            found.append(cause)
            continue
        target = event.target if event.kind in (Kind.LOAD, Kind.DELIVER, Kind.WAKE) else None
        key = cause, event.kind, event.actor, target, words.number(event) if event.kind in CALL_KINDS else None
        before[key] += 1
        found.append(known.setdefault((key, before[key]), len(known)))
        yield found[-1], event.seq


def facts_of(recording: Recording, event: Event, exact: bool) -> tuple[Any, ...]:
    """What must be equal in events that correspond. `exact` compares states, too: no step was cut off.

    A call that returns is another than one that blocks or switches: the runs part there, and not where it shows later.
    """
    if event.kind is Kind.LOAD:
        return ()
    states = tuple((c.what, c.new) for c in event.changes if exact and c.what.endswith(".state"))
    target = event.target if event.kind is Kind.SWITCH else None
    comes_back = event.kind in CALL_KINDS and event.seq in recording.returns
    return event.function, event.args, event.result, event.message, event.text, target, states, comes_back


def instead(rows: tuple[EventPair, ...], apart: int) -> tuple[int | None, int | None]:
    """The events of the row where two runs part; if one is alone, beside it what the other run did instead."""
    alone = list(takewhile(lambda row: row.mark in "<>", rows[apart:])) or [rows[apart]]
    return next((r.here for r in alone if r.mark != ">"), None), next((r.there for r in alone if r.mark != "<"), None)


def how_they_part(first: Recording, here: int | None, second: Recording, there: int | None) -> str:
    """How two runs part, in a sentence."""
    if here is None or there is None:
        event, place, other = (
            (first.events[here], "here", "there") if here is not None else (second.events[there or 0], "there", "here")
        )
        return f"Event {event.seq} {place}: {words.sentence(event).rstrip('.')}; {other} that does not happen."
    one, two = first.call_of(here), second.call_of(there)
    if one is not None and two is not None and asked(one) == asked(two):
        (way, at), (other, elsewhere) = came_out(first, one), came_out(second, two)
        if way != other:
            name = f"{words.vm_of(one.actor)}'s {words.name_of_call(one, short=True)}"
            return f"Event {at}: here {name} {way}; there, at event {elsewhere}, it {other}."
    said = told_event(first.events[here]), told_event(second.events[there])
    return f"Event {here} here: {said[0]}; there, at event {there}: {said[1]}."


def asked(event: Event) -> tuple[Any, ...]:
    """Who made which call."""
    return event.actor, event.kind, event.function, event.args


def came_out(recording: Recording, event: Event) -> tuple[str, int]:
    """What became of a call, and at which event: its result and why, if it failed or blocks."""
    returned = recording.returned(event) if event.seq in recording.returns else None
    blocks = returned is None and begins_wait(recording, event)
    if returned is None and not blocks:
        served = recording.events[event.seq : recording.settled(event).seq + 1]
        left = any(later.kind is Kind.SWITCH and later.cpu == event.cpu for later in served)
        return "switches" if left else "does not return", event.seq
    at = event if returned is None else returned
    way = "blocks" if returned is None else f"returns {words.result(event.call, returned.result or 0)}"
    if not blocks and not words.failed(at):
        return way, at.seq
    links = why(recording, at).links
    reason = links[min(blocks, len(links) - 1)].sentence.rstrip(".")  # of one that blocks the first says only that
    said = reason if reason.startswith("VM ") else reason[0].lower() + reason[1:]
    return f"{way}, because {said}", at.seq


def told_event(event: Event) -> str:
    """An event and the states it changed."""
    changed = "; ".join(words.state_changes(event))
    return words.sentence(event).rstrip(".") + (f" [{changed}]" if changed else "")


def said(recording: Recording, seq: int | None) -> str:
    """A cell of the table."""
    return "" if seq is None else f"{seq:4}  {told_event(recording.events[seq])}"


def folded(count: int) -> list[tuple[str, str, str]]:
    """A row for rows that are not shown."""
    return [(f"… {count} row{'s' if count > 1 else ''}", " ", "")] if count else []


def cut(text: str) -> str:
    """A text that fits into a column."""
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def made_differently(here: dict[str, Any], there: dict[str, Any]) -> str:
    """How two runs were made differently, as far as what happens may depend on it."""
    if not here or not there:
        return ""
    differ = [f"{o} {here[o]!r} here, {there[o]!r} there" for o in here if o not in UNTOLD and here[o] != there[o]]
    if digest(here["ramdisk"]) != digest(there["ramdisk"]):
        differ.insert(0, "the RAM disk")
    return f"Made differently: {'; '.join(differ)}." if differ else ""
