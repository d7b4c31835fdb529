"""What an exploration found: a table of the violations with what was covered, and the states as a graph."""

import html
from itertools import pairwise
from typing import Any

from hfedu.errors import counted
from hfedu.run import words
from hfedu.run.explorer import BUILT_IN, Exploration
from hfedu.run.graph import Graph
from hfedu.view.compare import html_row
from hfedu.view.scene import Line, Mark, Scene, Text, text_width

MOST_STATES = 400
LEFT, TOP, LAYER, LANE = 46, 84, 19, 23
LOOKS = 4
"""CPUs whose lines look different; a fifth looks like the first again."""
NAMED = 12
"""How far above a state its number stands."""


def meanings(result: Exploration) -> dict[str, str]:
    """What each invariant says that was looked for."""
    return {**{i.name: i.meaning for i in result.invariants}, **BUILT_IN}


def coverage(result: Exploration) -> list[str]:
    """What was covered and what was not, in sentences."""
    ways = "no end of schedules" if result.schedules is None else counted(result.schedules, "schedule")
    if not result.complete:
        ways = "not all schedules"
    covered = f"{counted(result.states, 'state')}, {counted(result.steps, 'step')}, {ways}"
    return [f"{covered}, up to {counted(result.depth, 'step')} deep.", result.bounds]


def verdict(result: Exploration) -> str:
    """What was found, in a sentence."""
    count = len(result.violations)
    if count:
        return f"{count} invariant{'s are' if count > 1 else ' is'} broken, shortest way first."
    looked = f"{len(result.invariants) + len(BUILT_IN)} invariants"
    if result.complete:
        return f"No order breaks any of the {looked}."
    return f"None of the {looked} was broken so far, and not everything was tried."


def findings_table(result: Exploration) -> str:
    """The violations and what was covered, as HTML."""
    said = meanings(result)
    rows = [html_row(("", "invariant", "what must hold", "what went wrong", "step"), "th")]
    for i, violation in enumerate(result.violations):
        wrong = words.names_in_words(violation.sentence)
        rows.append(
            html_row((str(i), violation.invariant, said[violation.invariant], wrong, str(violation.steps)), "td")
        )
    name, meaning = html.escape(result.scenario.name), html.escape(result.scenario.meaning)
    covered = " ".join(map(html.escape, coverage(result)))
    found = f"<table>{''.join(rows)}</table>" if result.violations else ""
    return f"<p><b>{name}</b>: {meaning} <b>{verdict(result)}</b></p>{found}<p>Covered: {covered}</p>"


def too_many(result: Exploration) -> str | None:
    """Why there is no picture of the states, if there is none."""
    if result.states <= MOST_STATES:
        return None
    return f"{result.states:,} states are too many for a picture, which holds {MOST_STATES}."


def is_fatal(graph: Graph, name: str) -> tuple[int, ...] | None:
    """The states on the shortest way to break an invariant, from the first state to the fatal one."""
    moves = [move for move, names in graph.broken.items() if name in names]
    if moves:
        node, last = min(moves, key=lambda move: (graph.cost[move[0]], graph.cost[move[1]]))
    elif name == "livelock" and (lost := graph.endless()) is not None:
        node, last = graph.parent[lost][0], lost
    else:
        return None
    way = [last]
    while way[-1] != node or node:
        way.append(node)
        if not node:
            break
        node = graph.parent[node][0]
    return tuple(reversed(way))


def graph_scene(result: Exploration, violation: int = 0) -> Scene:
    """The states as dots, deeper ones further to the right, with the way to one of the violations emphasised."""
    graph, scene = result.graph, Scene()
    places = lay_out(graph)
    ways = {v.invariant: is_fatal(graph, v.invariant) for v in result.violations}
    chosen = result.violations[violation].invariant if result.violations else None
    emphasised = ways.get(chosen or "") or ()
    steps = set(pairwise(emphasised))
    for move in sorted(graph.cpus, key=lambda move: move in steps):
        edge(scene, places, graph, move, "path" if move in steps else "edge")
    bad = {child for _, child in graph.broken}
    for node, (x, y) in enumerate(places):
        role = "bad" if node in bad else "cpu" if node in graph.ends else "step" if node == 0 else "state"
        scene.add(Mark(x, y, role))
    named: dict[int, list[int]] = {}
    for i, v in enumerate(result.violations):
        way = ways[v.invariant]
        if way is not None:
            named.setdefault(way[-1], []).append(i)
    for node, numbers in named.items():
        x, y = places[node]
        scene.add(Mark(x, y, "fault"))
        scene.add(Text(x, y - NAMED, ",".join(map(str, numbers)), "label-fault", anchor="middle"))
    scene.add(Text(LEFT - 10, places[0][1] + 4, "start", "legend", anchor="end"))
    finish(scene, result, places, chosen)
    return scene


def edge(scene: Scene, places: list[tuple[float, float]], graph: Graph, move: tuple[int, int], kind: str) -> None:
    """A move as a line; one that leads back has an arrow."""
    (x1, y1), (x2, y2) = places[move[0]], places[move[1]]
    scene.add(Line(x1, y1, x2, y2, f"{kind}-{graph.cpus[move][0] % LOOKS}", arrow=x2 <= x1))


def lay_out(graph: Graph) -> list[tuple[float, float]]:
    """A place for each state: a column for each depth, and in it the order of those it comes from."""
    depths = sorted({cost[0] for cost in graph.cost})
    columns: dict[int, list[int]] = {depth: [] for depth in depths}
    for node, (depth, _) in enumerate(graph.cost):
        columns[depth].append(node)
    most = max(map(len, columns.values()))
    sources: dict[int, list[int]] = {}
    for node, child in graph.cpus:
        if graph.cost[node] < graph.cost[child]:
            sources.setdefault(child, []).append(node)
    height = [0.0] * len(graph.cost)
    places = [(0.0, 0.0)] * len(graph.cost)
    for i, depth in enumerate(depths):
        before = {n: [height[s] for s in sources.get(n, [0])] for n in columns[depth]}
        column = sorted(columns[depth], key=lambda n: (sum(before[n]) / len(before[n]), n))
        for j, node in enumerate(column):
            height[node] = j - (len(column) - 1) / 2
            places[node] = LEFT + i * LAYER, TOP + (height[node] + (most - 1) / 2) * LANE
    return places


def finish(scene: Scene, result: Exploration, places: list[tuple[float, float]], chosen: str | None) -> None:
    """The title above, and below what the signs mean."""
    which = "every state" if result.complete else "the states that were reached"
    scene.width = max(max(x for x, _ in places) + 40, 640)
    y = max(y for _, y in places) + 40
    scene.add(Text(16, 26, f"{result.scenario.name}: {which}, deeper to the right", "title"))
    scene.add(Text(16, 44, coverage(result)[0], "subtitle"))
    x = 16.0
    cpus = range(result.options["cpus"])
    signs: list[tuple[Any, str]] = [(cpu, f"CPU {cpu} moves") for cpu in cpus]
    if result.options.get("memory_model") == "tso":
        signs += [(len(cpus) + cpu, f"CPU {cpu}'s buffer lets a store out") for cpu in cpus]
    signs = signs[:LOOKS]
    signs += [("cpu", "an end"), ("bad", "breaks an invariant"), ("fault", "shortest way to break one")]
    for sign, text in signs:
        width = (30 if isinstance(sign, int) else 12) + 6
        if isinstance(sign, int):
            scene.add(Line(x, y, x + 30, y, f"path-{sign}"))
        else:
            scene.add(Mark(x + 6, y, sign))
        scene.add(Text(x + width, y + 3.5, text, "legend"))
        x += width + text_width(text, "legend") + 18
    scene.width = max(scene.width, x)
    for i, violation in enumerate(result.violations):
        y += 18
        way = ": the thick way" if violation.invariant == chosen else ""
        said = f"{i}  {violation.invariant}, step {violation.steps}{way}"
        scene.add(Text(16, y + 3.5, said, "label-fault"))
    scene.height = y + 20
    names = ", ".join(f"{v.invariant} at step {v.steps}" for v in result.violations) or "none"
    scene.alt = f"Graph of {counted(len(places), 'state')} of {result.scenario.name}. Fatal states: {names}."
