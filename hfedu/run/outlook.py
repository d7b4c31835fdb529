"""How much of a space of states may be left, judged by how it has grown: honest about what cannot be known.

Spaces swell and shrink much like a bell: from each third of the depths to the next the growth falls by about as much.
"""

from collections.abc import Sequence
from itertools import pairwise

FEWEST = 4
"""Depths of a third at least."""
UNSURE = 5
"""By which factor an estimate may be wrong: real spaces have more than one hump."""


def outlook(levels: Sequence[tuple[int, int]]) -> str:
    """What to expect after these depths, each with the number of states found up to there. Nothing if it is too early.

    Example: the last third of the depths had twice as many new states as the one before -> "It grows still, ...".
    """
    third = len(levels) // 3
    if third < FEWEST:
        return ""
    counts = [0, *(states for _, states in levels)][-1 - 3 * third :: third]
    first, early, late = (now - before for before, now in pairwise(counts))
    growth = late / early if early else 1.0
    change = min(growth * first / early, 1.0) if early and first else 1.0
    if growth * change >= 1:
        grown = f"{growth:.1f} times as many new states as" if early else "more new states than"
        return (
            f"It grows still: the last {third} depths had {grown} the {third} before, and nobody can say how "
            "much is left. Fewer CPUs or calls make it smaller, and preemptions=2 bounds it."
        )
    left, new = 0.0, float(late)
    while new >= 0.5:
        growth *= change
        new *= growth
        left += new
    return (
        f"It slows down: if it goes on like this, about {max(round(left), 1):,} more states are left; "
        f"that may be {UNSURE} times too many or too few."
    )
