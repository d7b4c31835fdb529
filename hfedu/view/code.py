"""The code at an event: the guest's own line, and the lines with which the hypervisor serves it.

The machine runs again to the event (`run/depth.py`), so that every mark is what happened: which lines ran, which
condition held, and which one refused.
"""

import ast
import linecache
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from hfedu.run import words
from hfedu.run.depth import Notes, Ran, trap_of, watch, watch_guest
from hfedu.run.kinds import Kind
from hfedu.run.recording import Event, Recording
from hfedu.view.depth import HFEDU_FOLDER, executed
from hfedu.view.lines import guest_of, trapped_at

AROUND = 2
"""Lines shown before and after those that are lit."""
LAST_INSTRUCTIONS = 5
"""Instructions shown of a guest whose source is not known."""
EXCERPTS = 2
"""Functions of the hypervisor shown at an event, at most."""
CELL_NAME = re.compile(r"ipykernel|<ipython-input|<stdin>|<string>")
"""What the file of a notebook's cell is called."""


class CodeLine(NamedTuple):
    """A line of source and what is marked beside it.

    `mark` is "now" (it ran in this event), "yes" (a condition that let it go on), "no" (it refused), "did" (it ran
    before, for the same trap) or empty. `value` is what changed there, or what decided.
    """

    n: int
    text: str
    mark: str = ""
    value: str = ""


class Excerpt(NamedTuple):
    """A stretch of source: whose it is, its file and function, and its lines."""

    who: str
    file: str
    lines: list[CodeLine]

    def data(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {**self._asdict(), "lines": [line._asdict() for line in self.lines]}


def code_at(recording: Recording, seq: int) -> list[Excerpt]:
    """The code at event `seq`: of the guest that led there, and of the hypervisor. `Mistake` if it cannot run again."""
    trap = trap_of(recording, seq)
    if trap is None:
        return []
    notes = watch(recording, trap, 1)
    return excerpts(recording, seq, trap, notes, guest_excerpt(recording, trap, notes))


def excerpts(recording: Recording, seq: int, trap: int, notes: Notes, guest: Excerpt | None) -> list[Excerpt]:
    """The code at event `seq`, by what was noted of the trap that it is part of, under that of the `guest`."""
    below = hypervisor_excerpts(recording, seq, trap, notes.lines.get(trap, []))
    return below if guest is None else [guest, *below]


def guest_excerpt(recording: Recording, trap: int, notes: Notes) -> Excerpt | None:
    """The line of the guest that led to a trap: of its script, of its source, or its last instructions."""
    way, actor = notes.ways.get(trap), recording.events[trap].actor
    if actor is None:
        return None
    who = words.vm_of(actor)
    if way is not None and way.turns:
        (path, line, function), _ = way.turns[-1]
        return Excerpt(who, f"{name_of(path)}, {function}()", lines_around(path, line, AROUND))
    guest = guest_of(recording, actor)
    pc = trapped_at(recording.events, trap, actor, guest) if guest is not None else None
    at = guest.line(pc) if guest is not None and pc is not None else None
    if guest is not None and at is not None and at.text:
        lines = guest.lines.around(at.file, at.line, AROUND)
        marks = {at.line: ("now", f"at {pc:#x}")}
        shown = [CodeLine(n, text.expandtabs(4), *marks.get(n, ())) for n, text in lines.items()]
        return Excerpt(who, f"{guest.kernel}/{at.file}", without_blank_ends(shown))
    return instructions_excerpt(recording, trap, who)


def instructions_excerpt(recording: Recording, trap: int, who: str) -> Excerpt | None:
    """The last instructions of a guest before a trap."""
    way = watch_guest(recording, trap, LAST_INSTRUCTIONS)
    if way is None or way.vcpu is None or not way.looks:
        return None
    found = [(instruction.pc, instruction.text) for instruction, _ in executed(way, None)]
    lines = [CodeLine(0, f"{pc:#x}  {text}", "now" if pc == found[-1][0] else "did") for pc, text in found]
    return Excerpt(who, "instructions", lines)


def hypervisor_excerpts(recording: Recording, seq: int, trap: int, ran: list[Ran]) -> list[Excerpt]:
    """The functions in which the hypervisor did what an event is, each with what ran there and what it decided."""
    event = recording.events[seq]
    returned = recording.returned(trap) if seq == trap else event
    refused = returned.refused if returned is not None and returned.kind is Kind.RETURN else None
    lines = [at for at in ran if at.event <= seq]
    own = [at for at in lines if at.event == seq]
    if refused is not None or not own:
        own = lines if refused is not None else lines[-1:]
    refusing = refusing_lines(lines, refused.condition) if refused is not None else []
    functions = list(dict.fromkeys((at.place[0], at.first, at.place[2]) for at in own))
    if refusing:
        wanted = {(at.place[0], at.first) for at in refusing}
        functions = [each for each in functions if each[:2] in wanted]
    else:
        call = event.call.api if event.call is not None else ""
        functions.sort(key=lambda each: rank_of(event, each, own, call))
        functions = functions[: 1 if functions and functions[0][2] == call else EXCERPTS]
    looked_at = refused.values if refused is not None else ()
    value = ", ".join(f"{name} is {words.value_words(name, found)}" for name, found in looked_at)
    return [
        piece
        for path, first, function in functions
        if (piece := function_excerpt(event, (path, first, function), lines, own, refusing, value)) is not None
    ]


def rank_of(event: Event, function: tuple[str, int, str], own: list[Ran], call: str) -> tuple[bool, bool, bool]:
    """What is shown first: where something changed, what serves the call, and what is no memory management."""
    path, first, name = function
    inside = {at.place[1] for at in own if (at.place[0], at.first) == (path, first)}
    changes = any(assigned(event, linecache.getline(path, n)) for n in inside)
    return name != call, not changes, Path(path).name == "mm.py"


def function_excerpt(
    event: Event, function: tuple[str, int, str], lines: list[Ran], own: list[Ran], refusing: list[Ran], value: str
) -> Excerpt | None:
    """A function of the hypervisor, from what ran in it first to what ran last."""
    path, first, name = function
    extent = syntax_in(path).functions.get(first)
    if extent is None:
        return None
    begin, end = extent

    def inside(some: list[Ran]) -> set[int]:
        return {at.place[1] for at in some if at.place[0] == path and begin <= at.place[1] <= end}

    before, now, no, conditions = inside(lines), inside(own), inside(refusing), syntax_in(path).ifs
    shown = []
    for n in range(begin, end + 1):
        text = linecache.getline(path, n).rstrip()
        mark = "no" if n in no else "yes" if n in before and n in conditions else ""
        mark = mark or ("now" if n in now else "did" if n in before else "")
        shown.append(CodeLine(n, text, mark, value if n in no else assigned(event, text) if n in now else ""))
    return Excerpt("The hypervisor", f"{name_of(path)}, {name}", lit_part(shown))


def lit_part(lines: list[CodeLine]) -> list[CodeLine]:
    """Lines from a little before the first that is marked for this event to a little after the last."""
    lit = [i for i, line in enumerate(lines) if line.mark in ("now", "no")]
    if not lit:
        return lines[: 4 * AROUND]
    return lines[max(0, lit[0] - AROUND) : lit[-1] + AROUND + 1]


def assigned(event: Event, text: str) -> str:
    """What a line assigned that an event changed, as old and new."""
    for change in event.changes:
        field = change.what.rsplit(".", 1)[-1]
        if re.search(rf"\.{re.escape(field)}(\.state)? = ", text):
            return f"{words.value_words(change.what, change.old)} → {words.value_words(change.what, change.new)}"
    return ""


def refusing_lines(ran: list[Ran], condition: str) -> list[Ran]:
    """The line that noted a condition which failed, and the `if` that acts on it."""
    noted = [i for i, at in enumerate(ran) if condition in statement_of(at.place[0], at.place[1])]
    if not noted:
        return []
    found = [ran[noted[-1]]]
    for i in range(noted[-1], len(ran)):
        at = ran[i]
        body = syntax_in(at.place[0]).ifs.get(at.place[1])
        after = next((later for later in ran[i + 1 :] if later.frame == at.frame), None)
        if body and after is not None and body[0] <= after.place[1] <= body[1]:
            return [*found, at] if at is not found[0] else found
    return found


class Syntax(NamedTuple):
    """What is known of the lines of a file: each pair is a first and a last line.

    `ifs` have by the line of an `if` what it does if its condition holds, `statements` by every line the simple
    statement that it is part of, `functions` by their first line what they do, head and docstring left out.
    """

    ifs: dict[int, tuple[int, int]]
    statements: dict[int, tuple[int, int]]
    functions: dict[int, tuple[int, int]]


@lru_cache(maxsize=32)
def syntax_of(text: str) -> Syntax:
    """What is known of the lines of a source; nothing of one that is none."""
    found = Syntax({}, {}, {})
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            found.ifs[node.lineno] = node.body[0].lineno, node.body[-1].end_lineno or 0
        elif isinstance(node, ast.FunctionDef):
            begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
            found.functions[begin] = body[0].lineno, node.end_lineno or body[-1].lineno
        elif isinstance(node, ast.stmt) and not hasattr(node, "body"):
            extent = node.lineno, node.end_lineno or node.lineno
            found.statements.update(dict.fromkeys(range(extent[0], extent[1] + 1), extent))
    return found


def syntax_in(path: str) -> Syntax:
    """What is known of the lines of a file."""
    return syntax_of("".join(linecache.getlines(path)))


def statement_of(path: str, line: int) -> str:
    """The whole statement that a line is part of."""
    first, last = syntax_in(path).statements.get(line, (line, line))
    return "".join(linecache.getlines(path)[first - 1 : last])


def lines_around(path: str, line: int, context: int) -> list[CodeLine]:
    """A line of a file, lit, with those around it."""
    lines = linecache.getlines(path)
    if not line:
        return [CodeLine(0, "(the script has come to its end)", "now")]
    first = max(1, line - context)
    return without_blank_ends(
        [
            CodeLine(n, text.rstrip().expandtabs(4), "now" if n == line else "")
            for n, text in enumerate(lines[first - 1 : line + context], first)
        ]
    )


def without_blank_ends(lines: list[CodeLine]) -> list[CodeLine]:
    """Lines without the empty ones at both ends."""
    kept = [i for i, line in enumerate(lines) if line.text.strip()]
    return lines[kept[0] : kept[-1] + 1] if kept else lines


def name_of(path: str) -> str:
    """The name of a file as people know it."""
    if CELL_NAME.search(path):
        return "your cell"
    return str(Path(path).relative_to(HFEDU_FOLDER)) if Path(path).is_relative_to(HFEDU_FOLDER) else Path(path).name
