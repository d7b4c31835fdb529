"""How much of a space of states may be left, judged by how it has grown: honest about what cannot be known."""

from collections.abc import Sequence

LOOK_BACK = 6
"""Levels whose growth is compared with that of as many before them."""


def outlook(levels: Sequence[tuple[int, int]]) -> str:
    """What to expect after these depths, each with the number of states found up to there. Nothing if it is too early.

    Example: twice as many new states in the last six depths as in the six before -> "It grows still, ...".
    """
    counts = [states for _, states in levels]
    new = [now - before for before, now in zip([0, *counts], counts, strict=False)]
    if len(new) < 2 * LOOK_BACK:
        return ""
    late, early = sum(new[-LOOK_BACK:]), sum(new[-2 * LOOK_BACK : -LOOK_BACK])
    if early == 0 or late >= early:
        grown = f"{late / early:.1f} times as many new states as" if early else "more new states than"
        return (
            f"It grows still: the last {LOOK_BACK} depths had {grown} the {LOOK_BACK} before, and nobody can say how "
            "much is left. Fewer CPUs or calls make it smaller, and preemptions=2 bounds it."
        )
    rate = late / early
    left = round(late * rate / (1 - rate))
    return f"It shrinks: if it goes on like this, about {max(left, 1):,} more states are left."
