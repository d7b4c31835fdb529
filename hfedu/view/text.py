"""The transcript and the Mermaid export: a recording as text."""

from hfedu.run.trace import Event, Kind, Recording
from hfedu.view import words
from hfedu.view.sequence import actors

WIDTH = 78


def transcript(recording: Recording, first: int = 0, last: int | None = None) -> str:
    """One line per event: number, physical CPU, what happened, and what changed.

    Events that follow from the one above are indented.
    """
    events = recording.events[first : None if last is None else last + 1]
    lines = [f"{recording.title}: {len(recording.events)} events. {recording.outcome.sentence}"]
    for event in events:
        indent = "  " if event.kind in (Kind.DELIVER, Kind.WAKE, Kind.SWITCH, Kind.LOAD) else ""
        text = f"{event.seq:5}  cpu{event.cpu}  {indent}{words.sentence(event)}".rstrip()
        changed = "; ".join(words.changes(event))
        lines.append(f"{text:<{WIDTH}}  [{changed}]" if changed else text)
    return "\n".join(lines) + "\n"


def mermaid(recording: Recording, first: int = 0, last: int | None = None) -> str:
    """A Mermaid sequence diagram. It has no mailbox bands; notes say when a mailbox changes."""
    lines = ["sequenceDiagram", f"    accTitle: {_safe(recording.title)}", "    participant H as Hypervisor"]
    names = {}
    for line in actors(recording):
        names[line.name] = f"V{line.vm}_{line.vcpu}"
        label = f"VM {line.vm}" + (f" vCPU {line.vcpu}" if line.vcpu else "") + (f" {line.label}" if line.vm else "")
        lines.append(f"    participant {names[line.name]} as {_safe(label)}")
    for event in recording.events[first : None if last is None else last + 1]:
        lines.extend(f"    {line}" for line in _arrows(event, names))
    return "\n".join(lines) + "\n"


def _arrows(event: Event, names: dict[str, str]) -> list[str]:
    """The Mermaid lines of one event."""
    text = _safe(words.label(event))
    actor = names.get(event.actor)
    if event.kind is Kind.DELIVER:
        vm = event.target or ""
        to = next((short for name, short in names.items() if name.startswith(f"{vm}.")), "H")
        change = event.change(f"{vm}.mailbox.state")
        note = [f"Note right of {to}: mailbox {change.new}"] if change else []
        return [f"H->>{to}: message {text}", *note]
    if event.kind is Kind.WAKE:
        return [f"H-->>{names.get(event.target or '', 'H')}: {text}"]
    if event.kind is Kind.SWITCH:
        return [f"H->>{names.get(event.target or '', 'H')}: {text}"]
    if event.kind in (Kind.BOOT, Kind.LOAD, Kind.END):
        return [f"Note over H: {_safe(words.sentence(event))}"]
    if actor is None:
        return []
    change = event.change(f"{event.actor.partition('.')[0]}.mailbox.state")
    note = [f"Note right of {actor}: mailbox {change.new}"] if change else []
    return [f"{actor}->>H: {text}", *note]


def _safe(text: str) -> str:
    """Text without what Mermaid takes for its own."""
    codes = {"#": "#35;", ";": "#59;"}
    return "".join(codes.get(character, character) for character in " ".join(text.split()))
