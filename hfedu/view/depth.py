"""A closer look at one event, for people: the hypervisor's atomic steps, and the guest's instructions."""

import html
import linecache
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hfedu.errors import Mistake, counted, installed, lacking
from hfedu.guest.a64_text import text_of_instruction
from hfedu.guest.scripted import Action
from hfedu.hf import call
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.hf.platform import PL011_BASE
from hfedu.run import depth, words
from hfedu.run.kinds import Kind
from hfedu.run.recording import Change, Event, Recording
from hfedu.view.lines import Guest, guest_of
from hfedu.view.why import in_words

HFEDU_FOLDER = Path(__file__).parent.parent
LIMIT = 1000
REGISTERS = ["pstate" if name == "spsr" else name for name in REGISTER_NAMES]
"""While a guest runs, what is saved as SPSR is its PSTATE."""
NO_STEPS = "No atomic step: it touches nothing that physical CPUs share."
ACTIONS = {
    "hvc": "makes a hypercall (HVC)",
    "smc": "calls the firmware (SMC)",
    "wfi": "waits for an interrupt (WFI)",
    "wfe": "waits for an event (WFE)",
    "meet": "waits for the scripts of the other CPUs",
}
CONTEXT = 4
"""Lines of source shown before and after the one that is lit."""
HEADINGS = ("", "what", "where", "code", "locks held", "changed")
LIT = "background:#fff1b8;color:#1f2328;padding:0 .3em;white-space:pre-wrap"
"""The source line that is lit: its own two colours, so that it can be read on light and dark."""


class SourcePlace(NamedTuple):
    """A line of source: file (below hfedu/, or the name of a guest's file), line, function and the line's text."""

    file: str
    line: int
    function: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


class AtomicStep(NamedTuple):
    """One atomic step of the hypervisor: the event it belongs to, kind and target's name as in `Step`, and its place.

    `locks` are those that this physical CPU holds after it, in the order it took them, `others` those that other CPUs
    hold then, each with the CPU's number; `changes` what it changed.
    """

    event: int
    kind: str
    target: str
    place: SourcePlace
    locks: tuple[str, ...]
    others: tuple[tuple[int, str], ...]
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return words.step_words(self.kind, self.target)


class Instruction(NamedTuple):
    """An instruction that a guest executed, and the registers it changed but the PC: "x0", "pstate", "VBAR_EL1".

    What EL1 did to take an exception or an interrupt after it counts as its doing.
    """

    pc: int
    word: int
    text: str
    changes: tuple[Change, ...]


class Turn(NamedTuple):
    """What a script yielded, and where."""

    place: SourcePlace
    action: Action


class ListingRow(NamedTuple):
    """One line of a table: `code` at the place `at`; `what` it means, locks held then, what changed as old and new.

    `source` are the lines of `file` around its `line`, by their numbers (of a compiled guest, `file` begins with its
    kernel's name); `seq` is the event that a step is part of.
    """

    at: str
    code: str
    what: str = ""
    locks: str = ""
    changed: tuple[tuple[str, str, str], ...] = ()
    file: str = ""
    line: int = 0
    source: dict[int, str] = {}  # noqa: RUF012 - nobody changes it
    seq: int | None = None

    def text(self) -> list[str]:
        """The row as lines of text."""
        changed = "; ".join(f"{what}: {old} -> {new}" for what, old, new in self.changed)
        if not self.what:
            return [f"{self.at}  {self.code:<40} {changed}".rstrip()]
        after = [f"holds {self.locks}" if self.locks else "", changed]
        return [self.what, f"    {self.at}    {self.code}", *(f"    {line}" for line in after if line)]

    def place(self) -> str:
        """The line of source that an instruction comes from, empty if that is not known."""
        return f"{self.file}:{self.line}  {self.source.get(self.line, '').strip()}".rstrip() if self.line else ""

    def html(self) -> list[str]:
        """The row as cells of a table."""
        changed = "<br>".join(html.escape(f"{what}: {old} → {new}") for what, old, new in self.changed)
        code = f'<code style="{LIT}">{html.escape(self.code)}</code>'
        return [html.escape(self.what), f"<code>{html.escape(self.at)}</code>", code, html.escape(self.locks), changed]


class Listing(Sequence[Any]):
    """A sequence of `AtomicStep`, `Instruction` or `Turn` that shows itself as a table.

    `title` says of what event, `note` how many they are; `left_out` came before the first; `rows` are what is shown.
    `guest` is the vCPU that led to the event, if one did.
    """

    def __init__(
        self, title: str, note: str, found: Sequence[tuple[Any, ListingRow]] = (), left_out: int = 0, guest: str = ""
    ) -> None:
        self.title, self.note, self.left_out, self.guest = title, note, left_out, guest
        self.items, self.rows = [item for item, _ in found], [row for _, row in found]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def data(self) -> dict[str, Any]:
        """What a page needs, ready for JSON: `sources` holds the lines around all rows, by file and number."""
        sources: dict[str, dict[int, str]] = {}
        rows = [row._asdict() for row in self.rows]
        for row in rows:
            sources.setdefault(row["file"], {}).update(row.pop("source"))
        about = {"title": self.title, "note": self.note, "leftOut": self.left_out, "guest": self.guest}
        return {**about, "rows": rows, "sources": sources}

    def places(self) -> list[str]:
        """For each row the line of source above it: of an instruction that begins another line than the one before."""
        places = ["" if row.what else row.place() for row in self.rows]
        return [source_place if source_place != before else "" for before, source_place in pairwise(["", *places])]

    def __repr__(self) -> str:
        lines = [self.title, self.note]
        for number, (row, place) in enumerate(zip(self.rows, self.places(), strict=True), self.left_out + 1):
            first, *others = row.text()
            lines += [f"{'':5}  {place}"] if place else []
            lines += [f"{number:5}  {first}", *(f"{'':5}  {line}" for line in others)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [[str(number), *row.html()] for number, row in enumerate(self.rows, self.left_out + 1)]
        for row, place in zip(rows, self.places(), strict=True):
            row[1] = row[1] or html.escape(place)
        used = [column for column in range(len(HEADINGS)) if any(row[column] for row in rows)]
        head = "".join(f'<th scope="col" style="text-align:left">{HEADINGS[column]}</th>' for column in used)
        cells = ("".join(f'<td style="text-align:left">{row[column]}</td>' for column in used) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        about = f"<p><b>{html.escape(self.title)}</b><br>{html.escape(self.note)}</p>"
        return about + (f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else "")


def atomic_steps(recording: Recording, seq: int) -> Listing:
    """The atomic steps of the hypervisor in event `seq`, each with the line of its source where it is announced.

    Of a trap or a return these are all steps; of a delivery, a wake-up, a switch or a step, those that belong to it.
    They are made by running the machine again: `Mistake` if that does not repeat the recorded run.
    """
    trap = depth.trap_of(recording, seq)
    return steps_of(recording, seq, trap, () if trap is None else depth.watch(recording, trap).steps.get(trap, ()))


def steps_of(recording: Recording, seq: int, trap: int | None, noted: Sequence[depth.Noted]) -> Listing:
    """The steps of event `seq` among those that were noted of its trap."""
    title, found, locks = title_of(recording.events[seq]), [], tuple[str, ...]()
    if trap is None:
        return Listing(title, "No trap led to this event, so it has no atomic steps.")
    whole = seq == trap or recording.events[seq].kind in (Kind.RETURN, Kind.ACCESS)
    noted = [one for one in noted if one.event < len(recording.events)]  # the clock may have ended the run before these
    for one, after in zip(noted, (*noted[1:], None), strict=False):
        kind, name = one.step.kind, getattr(one.step.target, "name", "")
        locks = tuple(lock for lock in locks if lock != name)
        if kind == "acquire":
            locks += (name,)
        end = after.changes if after is not None and after.event == one.event else None
        changes = recording.events[one.event].changes[one.changes : end]
        if whole or seq == one.event:
            taken = AtomicStep(one.event, kind, name, source_place(one.place), locks, one.others, changes)
            found.append((taken, step_row(taken, recording, one.place)))
    note = f"{counted(len(found), 'atomic step')}." if found else NO_STEPS
    back = recording.returned(recording.events[trap])
    if whole and back is not None and back.refused is not None:
        note += f" {in_words(back.refused)}"
    return Listing(title, note, found, guest=str(recording.events[trap].actor))


def step_row(step: AtomicStep, recording: Recording, at: depth.CodePlace) -> ListingRow:
    """How a step is shown."""
    event = recording.events[step.event]
    changed = tuple((what, a, b) for what, a, b in words.change_rows(event._replace(changes=step.changes)))
    locks = ", ".join(owner(lock) for lock in step.locks)
    if recording.made["cpus"] > 1:
        of = {cpu: ", ".join(owner(lock) for holder, lock in step.others if holder == cpu) for cpu, _ in step.others}
        locks = "; ".join(f"CPU {cpu}: {held}" for cpu, held in sorted((of | {event.cpu: locks}).items()) if held)
    return sourced(
        ListingRow(str(step.place), step.place.text, str(step), locks, changed, seq=step.event), step.place, at
    )


def sourced(row: ListingRow, place: SourcePlace, at: depth.CodePlace) -> ListingRow:
    """A row with the lines of source around its place."""
    path, line, _ = at
    first = max(line - CONTEXT, 1)
    lines = linecache.getlines(path)[first - 1 : line + CONTEXT] if line else []
    return row._replace(file=place.file, line=line, source={n: text.rstrip() for n, text in enumerate(lines, first)})


def title_of(event: Event) -> str:
    """An event as a title."""
    return f"Event {event.seq}: {words.sentence(event)}"


def instructions(recording: Recording, seq: int, limit: int = LIMIT) -> Listing:
    """What the guest executed from its last entry to event `seq`, or to the trap that led there: the last `limit`.

    Of a scripted guest these are its lines and what they yielded. Where one physical CPU runs, the end of a run is such
    an event too. They are made by running the machine again: `Mistake` if that does not repeat the recorded run.
    """
    if not isinstance(limit, int) or limit < 1:
        raise Mistake(f"the limit must be a whole number above 0, not {limit!r}")
    trap = depth.trap_of(recording, seq)
    if recording.events[seq].kind is Kind.END and recording.made["cpus"] == 1:
        if recording.outcome.by_clock:
            raise Mistake(depth.NO_REPEAT.format("the clock stopped it"))
        trap = seq
    way = None if trap is None else depth.watch_guest(recording, trap, limit)
    return instructions_of(recording, seq, trap, way, limit)


def instructions_of(recording: Recording, seq: int, trap: int | None, way: depth.Way | None, limit: int) -> Listing:
    """The last of what a guest did on its way to a trap, as what led to event `seq`."""
    title = title_of(recording.events[seq])
    if trap is None or way is None or way.vcpu is None:
        return Listing(title, "No guest ran on the way to this event.")
    end = "to the end" if recording.events[trap].kind is Kind.END else f"to event {trap}"
    if way.turns:
        found: list[tuple[Any, ListingRow]] = [turn_row(at, action) for at, action in way.turns]
        event, (last, row) = recording.events[trap], found[-1]
        if last.action.instruction in ("hvc", "smc"):  # it is the call that trapped
            found[-1] = last, row._replace(what=f"calls {words.name_of_call(event)}({words.arguments(event)})")
        total, note = len(found), f"{way.vcpu} is a script: {counted(len(found), 'action')} {end}"
    else:
        found, total = list(executed(way, guest_of(recording, way.vcpu))), way.executed
        note = f"{way.vcpu} executed {counted(total, 'instruction')} from its last entry {end}"
    found = found[-limit:]
    left_out = total - len(found)
    note += f"; {left_out:,} before these are left out." if left_out else "."
    if not way.turns and not installed("capstone"):
        note += f" {lacking('capstone')}."
    return Listing(title, note, found, left_out)


def executed(way: depth.Way, guest: Guest | None) -> Iterator[tuple[Instruction, ListingRow]]:
    """The instructions that were noted, disassembled, and how each is shown; with its line if that is known."""
    for (pc, word, before), (_, _, after) in pairwise([*way.looks, way.last]):
        text = text_of_instruction(word, pc) or text_by_capstone(word, pc) or f".word {word:#010x}"
        values = zip(REGISTERS, array("Q", before), array("Q", after), strict=True)
        changes = tuple(Change(name, a, b) for name, a, b in values if a != b and name != "pc")
        row = ListingRow(f"{pc:#x}  {word:08x}", text, changed=tuple(map(shown_change, changes)))
        if guest is not None and (line := guest.line(pc)) is not None:
            around = guest.lines.around(line.file, line.line, CONTEXT)
            row = row._replace(file=f"{guest.kernel}/{line.file}", line=line.line, source=around)
        yield Instruction(pc, word, text, changes), row


def text_by_capstone(word: int, pc: int) -> str | None:
    """What capstone calls an instruction; None where it is not installed, or knows none."""
    try:
        from capstone import CS_ARCH_ARM64, CS_MODE_ARM, Cs
    except ImportError:
        return None
    known = next(Cs(CS_ARCH_ARM64, CS_MODE_ARM).disasm_lite(word.to_bytes(4, "little"), pc), None)
    return f"{known[2]} {known[3]}".strip() if known else None


def shown_change(change: Change) -> tuple[str, str, str]:
    """A change of a register in words. Of PSTATE the flags, if nothing else of it changed: a capital is a 1."""
    what, old, new, _ = change
    if what == "pstate" and not (old ^ new) << 36 & call.MASK64:
        return "flags", flags(old), flags(new)
    return what, f"{old:#x}", f"{new:#x}"


def flags(pstate: int) -> str:
    """The condition flags, a capital for each that is set. Example: 0x60000000 -> "nZCv"."""
    return "".join(flag.upper() if pstate >> 31 - n & 1 else flag for n, flag in enumerate("nzcv"))


def turn_row(at: depth.CodePlace, action: Action) -> tuple[Turn, ListingRow]:
    """A turn of a script, and how it is shown."""
    turn = Turn(source_place(at), action)
    return turn, sourced(ListingRow(str(turn.place), turn.place.text, action_words(action)), turn.place, at)


def action_words(action: Action) -> str:
    """What a script does, in words."""
    if action.instruction == "store" and action.address == PL011_BASE:
        return f"prints {words.text_of(action.data.rstrip(), 40)}"
    if action.instruction in ("load", "store"):
        return f"{action.instruction}s {words.size(action.size or len(action.data))} at {action.address:#x}"
    return ACTIONS[action.instruction]


def source_place(at: depth.CodePlace) -> SourcePlace:
    """A place in the source with its text."""
    path, line, function = at
    relative = Path(path).relative_to(HFEDU_FOLDER) if Path(path).is_relative_to(HFEDU_FOLDER) else Path(path).name
    text = linecache.getline(path, line).strip() if line else "(the script has come to its end)"
    return SourcePlace(str(relative), line, function, text)


def owner(name: str) -> str:
    """The owner of a lock or a mailbox as people say it. Example: "vm1.vcpu0.lock" -> "VM 1 vCPU 0"."""
    return words.who(name.removesuffix(".lock").removesuffix(".mailbox"))
