"""What the player's front end needs to show a recording by itself: one plain dictionary, ready for JSON.

It says what there is and what happened, in words; where that stands the front end chooses by the room there is. Long
runs say little that is new, so every event is a row of small numbers (`columns`) that point into tables of what
differs: its sentence and its row of the picture (`facts`), what led to it (`causes`) and what it changed (`changes`,
`registers`). What is in the tables has names; assets/player/types.js says them, too.
"""

from collections.abc import Iterable
from typing import Any

from hfedu.errors import Mistake
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run import words
from hfedu.run.columns import Table, alike
from hfedu.run.kinds import KINDS, VCPU_LOOKS, Kind
from hfedu.run.recording import Actor, Change, Event, Lifeline, Recording, Stage2, register_changes
from hfedu.view.pagetable import describe_attrs
from hfedu.view.repeats import repeats
from hfedu.view.rows import row_of
from hfedu.view.sequence import MAX_ROWS, actors, alt_text, cpus_used
from hfedu.view.why import asks_why

EVENTS_AT_MOST = 250_000
FATAL = 4
"""The status of an outcome that is the hypervisor's doing: it hung, panicked or broke an invariant."""


def player_data(recording: Recording) -> dict[str, Any]:
    """The events, what they changed, and who acts. `Mistake` if the run is too long for a page."""
    count = len(recording.events)
    if count > EVENTS_AT_MOST:
        raise Mistake(f"this run has {count:,} events, and a page holds {EVENTS_AT_MOST:,}: record fewer (max_traps=)")
    if not count:
        raise Mistake(f"there is nothing to play: {recording.outcome.sentence}")
    return {
        "title": recording.title,
        "outcome": words.names_in_words(recording.outcome.sentence),
        "fatal": count - 1 if recording.outcome.status == FATAL else None,
        "alt": alt_text(recording),
        "uart": recording.uart,
        "cpus": cpus_used(recording),
        "repeats": [repeat._asdict() for repeat in repeats(recording.events)] if count > MAX_ROWS else [],
        "looks": VCPU_LOOKS,
        "kinds": {kind.value: look.word for kind, look in KINDS.items()},
        "lanes": [{"name": line.name, "label": lane_label(line)} for line in actors(recording)],
        "registerNames": REGISTER_NAMES,
        **event_tables(recording, bool(cpus_used(recording))),
    }


def lane_label(line: Lifeline) -> str:
    """What a lifeline is called besides its VM: what the VM runs."""
    return "primary" if line.vm == 0 else line.label


def event_tables(recording: Recording, several_cpus: bool) -> dict[str, Any]:
    """The columns and tables of the events. `causes` are how many events ago each; `uart` is how much was printed."""
    paths: dict[str, int] = {}
    facts, changes, registers, causes = Table(), Table(), Table(), Table()
    known: dict[tuple[int, bool], tuple[int, int]] = {}
    columns: dict[str, list[int]] = {name: [] for name in ("fact", "causes", "change", "register", "uart")}
    printed = 0
    for event, row in zip(recording.events, alike(recording.events)[0], strict=True):
        waits = asks_why(recording, event)
        numbers = known.get((row, waits))
        if numbers is None:
            fact, change = fact_of(event, several_cpus, waits), change_of(event, paths)
            numbers = facts.number(tuple(fact.values()), fact), changes.number(repr(change), change)
            known[row, waits] = numbers
        columns["fact"].append(numbers[0])
        columns["change"].append(numbers[1])
        ago = tuple(dict.fromkeys([event.seq - cause.seq for cause in event.causes]))
        columns["causes"].append(causes.number(ago, ago))
        columns["register"].append(registers.number(event.registers, event.registers))
        columns["uart"].append(max(0, event.uart - printed))
        printed = max(printed, event.uart)
    return {
        "columns": columns,
        "facts": facts.entries,
        "changes": changes.entries,
        "registers": [moved(entry) for entry in registers.entries],
        "causes": causes.entries,
        "paths": list(paths),
    }


def moved(registers: Iterable[tuple[Actor, bytes, bytes]]) -> dict[str, dict[str, str]]:
    """By vCPU the registers that changed, by name and in hexadecimal: JavaScript has no exact 64-bit numbers."""
    found: dict[str, dict[str, str]] = {}
    for vcpu, before, after in registers:
        named = {REGISTER_NAMES[index]: f"{value:x}" for index, value in register_changes(before, after)}
        found.setdefault(vcpu.name, {}).update(named)
    return found


def fact_of(event: Event, several_cpus: bool, asks: bool) -> dict[str, Any]:
    """What an event says: kind, sentence, changes in words, the VMs it is about, whether it failed, whether to ask why.

    Where there are several physical CPUs the sentence says which one made the event, if it does not anyway.
    """
    sentence = words.sentence(event)
    if several_cpus and event.kind is not Kind.END and not sentence.startswith("CPU"):
        sentence = f"CPU {event.cpu}: {sentence}"
    vms = {Actor(who.vm).name for who in (event.actor, event.target) if who is not None}
    bad = event.kind is Kind.FAULT or words.failed(event)
    return {
        "kind": event.kind.value,
        "text": sentence,
        "changed": "; ".join(words.state_changes(event)),
        "vms": " ".join(sorted(vms)),
        "bad": bad,
        "why": asks,
        **row_of(event),
    }


def change_of(event: Event, paths: dict[str, int]) -> dict[str, Any]:
    """What an event changed: in words (`rows`), and for folding (`set`: the path's number and the new value)."""
    changes = [*event.changes]
    if event.kind is Kind.DELIVER and event.target is not None:
        text = words.text_of(event.message or b"", 64)
        changes.append(Change(f"{event.target.name}.mailbox.message", None, text))
    if words.leaves(event):
        changes.append(Change(f"cpu{event.cpu}.current", None, None))
    folded = [{"path": paths.setdefault(c.what, len(paths)), "value": folded_value(c.new)} for c in changes]
    return {"rows": [changed(*row) for row in words.change_rows(event)], "set": folded}


def changed(what: str, old: str, now: str) -> dict[str, str]:
    """A row of a table of changes, in words."""
    return {"what": what, "old": old, "now": now}


def folded_value(value: object) -> object:
    """A value as the front end shows it."""
    if isinstance(value, Stage2):
        size = words.size
        rows = [
            {"from": f"{a:#x}", "to": f"{b - 1:#x}", "size": size(b - a), "rights": describe_attrs(attrs)}
            for a, b, attrs in value.mappings()
        ]
        tables = {f"{pa:x}": {i: f"{pte:x}" for i, pte in enumerate(t) if pte} for pa, t in value.tables.items()}
        return {"rows": rows, "root": f"{value.root:x}", "tables": tables}
    if isinstance(value, Actor):
        return value.name
    if value is None or isinstance(value, str | bool):
        return value
    return f"{value:#x}" if isinstance(value, int) else str(value)
