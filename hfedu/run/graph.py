"""The states that an exploration has found, by number, and the moves between them."""

from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise
from typing import Any

FAR = 1 << 60
"""The cost of a state to which no way is known yet."""


class Graph:
    """The states found so far, by number, and the moves between them.

    `cpus` holds, by move, who takes its steps, and `broken` the names of the invariants it broke. In the `quiet` states
    only daemons can go on.
    """

    def __init__(self, root: tuple[Any, ...]) -> None:
        self.number: dict[Any, int] = {root: 0}
        self.parent: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        self.cost = [(0, 0)]
        self.edges: list[list[int]] = [[]]
        self.ends: set[int] = set()
        self.quiet: set[int] = set()
        self.cpus: dict[tuple[int, int], tuple[int, ...]] = {}
        self.broken: dict[tuple[int, int], set[str]] = {}

    def add(self, node: int, cpus: tuple[int, ...], key: Any) -> tuple[int, bool]:
        """A move from `node`: the number of the state it leads to, and whether this is the shortest way so far.

        Among ways of equal length the one with fewer changes of CPU is the shorter.
        """
        steps, switches = self.cost[node]
        path = (*self.parent[node][1][-1:], *cpus)
        cost = steps + len(cpus), switches + sum(a != b for a, b in pairwise(path))
        child = self.number.setdefault(key, len(self.cost))
        self.edges[node].append(child)
        self.cpus[node, child] = min(cpus, self.cpus.get((node, child), cpus))
        if child == len(self.cost):
            self.parent.append((node, cpus))
            self.cost.append((FAR, 0))
            self.edges.append([])
        shorter = cost[0] < self.cost[child][0]
        if cost < self.cost[child]:
            self.parent[child], self.cost[child] = (node, cpus), cost
        return child, shorter

    def schedule(self, node: int) -> tuple[int, ...]:
        """The shortest way from the root to a state."""
        moves: list[tuple[int, ...]] = []
        while node:
            node, cpus = self.parent[node]
            moves.append(cpus)
        return tuple(chain.from_iterable(reversed(moves)))

    def ways(self) -> int | None:
        """How many ways lead from the root to an end; None if some go in circles."""
        ways = [0] * len(self.edges)
        try:
            for node in TopologicalSorter(dict(enumerate(self.edges))).static_order():
                ways[node] = sum(ways[child] for child in self.edges[node]) or (not self.edges[node])
        except CycleError:
            return None
        return ways[0]

    def endless(self) -> int | None:
        """The state nearest to the root from which no end can be reached."""
        before: list[list[int]] = [[] for _ in self.edges]
        for node, children in enumerate(self.edges):
            for child in children:
                before[child].append(node)
        reached, waiting = self.ends | self.quiet, [*self.ends, *self.quiet]
        while waiting:
            new = set(before[waiting.pop()]) - reached
            reached |= new
            waiting += new
        return min(set(range(len(self.edges))) - reached, key=self.cost.__getitem__, default=None)

    def bare(self, most: int) -> "Graph":
        """The same without the keys of the states, which take most of the room; of more than `most` nothing at all."""
        self.number = {}
        return self if len(self.cost) <= most else Graph(())
