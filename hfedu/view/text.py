"""The transcript and the Mermaid export: a recording as text."""

from hfedu.errors import counted, printable
from hfedu.run import words
from hfedu.run.kinds import KINDS, Kind
from hfedu.run.recording import Actor, Event, Recording
from hfedu.view.sequence import actors, cpus_used, home

WIDTH = 78


def transcript(recording: Recording, first: int = 0, last: int | None = None) -> str:
    """One line per event: number, physical CPU, what happened, and what changed.

    Events that follow from the one above are indented. Where several CPUs are at work each has a column.
    """
    columns = [f"cpu{cpu}" for cpu in cpus_used(recording)] or ["cpu0"]
    events = recording.events[first : None if last is None else last + 1]
    outcome = words.names_in_words(recording.outcome.sentence)
    lines = [f"{recording.title}: {counted(len(recording.events), 'event')}. {outcome}"]
    for event in events:
        by = f"cpu{event.cpu}" if event.kind is not Kind.END or len(columns) == 1 else ""
        marks = "  ".join(by if by == column else "    " for column in columns)
        text = f"{event.seq:5}  {marks}  {words.indented(event)}".rstrip()
        changed = "; ".join(words.state_changes(event))
        lines.append(f"{text:<{WIDTH + len(marks) - 4}}  [{changed}]" if changed else text)
    return "\n".join(printable(line) for text in lines for line in text.split("\n")) + "\n"


def mermaid(recording: Recording, first: int = 0, last: int | None = None) -> str:
    """A Mermaid sequence diagram. It has no mailbox bands; notes say when a mailbox changes."""
    lines = ["sequenceDiagram", f"    accTitle: {_safe(recording.title)}", "    participant H as Hypervisor"]
    names: dict[Actor, str] = {}
    for line in actors(recording):
        names[line.actor] = f"V{line.vm}_{line.vcpu}"
        label = f"VM {line.vm}" + (f" vCPU {line.vcpu}" if line.vcpu else "") + (f" {line.label}" if line.vm else "")
        lines.append(f"    participant {names[line.actor]} as {_safe(label)}")
    for event in recording.events[first : None if last is None else last + 1]:
        lines.extend(f"    {line}" for line in _arrows(event, names))
    return "\n".join(lines) + "\n"


def _arrows(event: Event, names: dict[Actor, str]) -> list[str]:
    """The Mermaid lines of one event."""
    if event.kind in (Kind.BOOT, Kind.LOAD, Kind.END):
        return [f"Note over H: {_safe(words.sentence(event))}"]
    actor = home(event, names)
    name = "H" if actor is None else names[actor]
    line = "-->>" if event.kind in (Kind.WAKE, Kind.RETURN) else "->>"
    arrow = f"H{line}{name}:" if KINDS[event.kind].to_guest else f"{name}{line}H:"
    lines = [f"{arrow} {'message ' if event.kind is Kind.DELIVER else ''}{_safe(words.label(event))}"]
    about = event.target if event.kind is Kind.DELIVER else event.actor
    if about is not None and (change := event.change(f"{Actor(about.vm).name}.mailbox.state")) is not None:
        lines.append(f"Note right of {name}: mailbox {change.new}")
    return lines


def _safe(text: str) -> str:
    """Text without what Mermaid takes for its own."""
    return printable(" ".join(text.split())).translate({ord("#"): "#35;", ord(";"): "#59;"})
