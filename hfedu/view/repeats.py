"""Where a long run says the same thing again: what the player folds away."""

from collections.abc import Sequence
from typing import NamedTuple

from hfedu.run.columns import alike
from hfedu.run.recording import Event

TIMES_AT_LEAST, EVENTS_AT_LEAST = 4, 16
PERIOD_AT_MOST, CANDIDATES = 256, 4


class Repeat(NamedTuple):
    """`period` events, the first of them `first`, that come `times` times in a row."""

    first: int
    period: int
    times: int


def same(event: Event) -> tuple[object, ...]:
    """What two events must share to count as the same: all but the bytes of messages, registers and log lines."""
    states = tuple((change.what, change.new) for change in event.changes if change.what.endswith(".state"))
    size = None if event.message is None else len(event.message)
    return (
        event.kind,
        event.cpu,
        event.step,
        event.actor,
        event.target,
        event.function,
        event.args,
        event.result,
        size,
        states,
    )


def repeats(events: Sequence[Event]) -> list[Repeat]:
    """Every stretch of events that comes at least `TIMES_AT_LEAST` times in a row, none overlapping another.

    Example: a run that says 1 2 3 2 3 2 3 2 3 4 has [Repeat(1, 2, 4)], if it is long enough to be worth it.
    """
    numbers: dict[tuple[object, ...], int] = {}
    rows, first = alike(events)
    same_as = [numbers.setdefault(same(event), len(numbers)) for event in first]
    keys = [same_as[row] for row in rows]
    following = [0] * len(keys)
    """Where each event comes next."""
    last: dict[int, int] = {}
    for i in range(len(keys) - 1, -1, -1):
        following[i] = last.get(keys[i], 0)
        last[keys[i]] = i
    found = []
    i = 0
    while i < len(keys):
        repeat = repeat_at(keys, following, i)
        if repeat is not None:
            found.append(repeat)
        i += repeat.period * repeat.times if repeat else 1
    return found


def repeat_at(keys: list[int], following: list[int], first: int) -> Repeat | None:
    """The repeat that begins at an event, with the shortest period that is worth folding."""
    again = first
    for _ in range(CANDIDATES):
        again = following[again]
        period = again - first
        if not 0 < period <= PERIOD_AT_MOST:
            return None
        end = again
        while end < len(keys) and keys[end] == keys[end - period]:
            end += 1
        times = (end - first) // period
        if times >= TIMES_AT_LEAST and period * (times - 1) >= EVENTS_AT_LEAST:
            return Repeat(first, period, times)
    return None
