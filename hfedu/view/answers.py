"""What the player's front end asks: the steps of an event, the instructions that led to it, and why.

In a notebook it asks the kernel, one event at a time. A file has no kernel, and holds the answers of a short run.
"""

from dataclasses import replace
from typing import Any

from hfedu.errors import Mistake
from hfedu.run.depth import Notes, trap_of, watch_all
from hfedu.run.kinds import Kind
from hfedu.run.recording import Recording
from hfedu.view import depth
from hfedu.view.code import Excerpt, code_at, excerpts, guest_excerpt
from hfedu.view.depth import Listing, instructions_of, steps_of
from hfedu.view.player import changed
from hfedu.view.why import Why, asks_why, why

ANSWERED_AT_MOST = 300
"""Events of a run whose file answers without a kernel."""
INSTRUCTIONS_AT_MOST = 50_000
"""Instructions of such a run."""
INSTRUCTIONS_KEPT = 40
"""Instructions that a file keeps of the way to an event: the last."""
NEEDS_KERNEL = "This needs a kernel: open the run in a notebook."
TOO_LONG = (
    "A file answers this for runs of up to {:,} events, and this one has {:,}. In a notebook, with a kernel, every "
    "run is answered for."
)
ASKS = ("steps", "instructions", "code", "why")


def answer(recording: Recording, ask: object, seq: Any, vcpu: Any = None) -> dict[str, Any]:
    """The answer to a question about event `seq`, ready for JSON. `Mistake` if it cannot be answered.

    "steps" and "instructions" give `note`, `guest`, `leftOut`, `rows` and `sources`; "code" gives `pieces`, as in
    `hfedu.view.code.Excerpt`; "why" gives `title` and `links`, each a `sentence` and `seq`, the event it leads to;
    `vcpu` makes it why that vCPU does or does not run.
    """
    if ask == "steps":
        return listing(depth.atomic_steps(recording, seq))
    if ask == "instructions":
        return listing(depth.instructions(recording, seq))
    if ask == "code":
        return {"pieces": [piece.data() for piece in code_at(recording, seq)]}
    if ask == "why":
        return chain(why(recording, seq, vcpu))
    raise Mistake(f"the player cannot show {ask!r}: ask for {', '.join(ASKS[:-1])} or {ASKS[-1]}")


def listing(found: Listing) -> dict[str, Any]:
    """A listing, ready for JSON: what a row changed has names, too."""
    data = found.data()
    for row in data["rows"]:
        row["changed"] = [changed(*each) for each in row["changed"]]
    return data


def chain(found: Why) -> dict[str, Any]:
    """A chain of causes, ready for JSON."""
    return {"title": found.question, "links": [link._asdict() for link in found.links]}


class Kept:
    """Answers for a file, each once: `of` has their numbers by question, `rows` are those of all tables.

    `since` has, for each vCPU, from which event (`seq`) on which `answer` says why it does or does not run.
    """

    def __init__(self, missing: str) -> None:
        self.missing = missing
        self.answers: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.sources: dict[str, dict[int, str]] = {}
        self.of: dict[str, int] = {}
        self.since: dict[str, list[dict[str, int]]] = {}
        self._known: dict[str, int] = {}

    def number(self, entry: Any, table: list[Any]) -> int:
        """The number of an entry in a table of different entries."""
        key = f"{id(table)} {entry!r}"
        if key not in self._known:
            self._known[key] = len(table)
            table.append(entry)
        return self._known[key]

    def keep(self, question: str, found: Listing) -> None:
        """Keep a listing."""
        data = listing(found)
        for file, lines in data.pop("sources").items():
            self.sources.setdefault(file, {}).update(lines)
        del data["title"]  # the page says of what event it is
        data["rows"] = [self.number(row, self.rows) for row in data["rows"]]
        self.of[question] = self.number(data, self.answers)

    def data(self) -> dict[str, Any]:
        """All of them, ready for JSON."""
        names = ("missing", "answers", "rows", "sources", "of", "since")
        return {name: getattr(self, name) for name in names}


def all_answers(recording: Recording) -> dict[str, Any]:
    """The answers that a file holds. What it does not hold is a sentence, `missing`."""
    events = recording.events
    if len(events) > ANSWERED_AT_MOST:
        return Kept(TOO_LONG.format(ANSWERED_AT_MOST, len(events))).data()
    kept = Kept(NEEDS_KERNEL)
    for event in events:
        if asks_why(recording, event):
            kept.of[f"why {event.seq}"] = kept.number(chain(why(recording, event)), kept.answers)
    for line in recording.lifelines:
        chains = ({"links": chain(why(recording, event, line.actor))["links"]} for event in events)
        numbers = [kept.number(found, kept.answers) for found in chains]
        begins = [(seq, number) for seq, number in enumerate(numbers) if number not in numbers[seq - 1 : seq]]
        kept.since[line.name] = [{"seq": seq, "answer": number} for seq, number in begins]
    try:
        notes = noted(recording)
    except Mistake as mistake:
        kept.missing = f"{str(mistake)[0].upper()}{str(mistake)[1:]}."
        return kept.data()
    guests: dict[int, Excerpt | None] = {}  # a guest without sources is run again for what led to a trap
    for seq, event in enumerate(events):
        trap = trap_of(recording, seq)
        if trap is not None and trap not in guests:
            guests[trap] = guest_excerpt(recording, trap, notes)
        kept.keep(f"steps {seq}", steps_of(recording, seq, trap, notes.steps.get(trap, ())))
        code = [] if trap is None else excerpts(recording, seq, trap, notes, guests[trap])
        kept.of[f"code {seq}"] = kept.number({"pieces": [piece.data() for piece in code]}, kept.answers)
        if event.kind is Kind.END and recording.made["cpus"] == 1:
            trap = seq
        if notes.ways:
            kept.keep(
                f"instructions {seq}", instructions_of(recording, seq, trap, notes.ways.get(trap), INSTRUCTIONS_KEPT)
            )
    return kept.data()


def noted(recording: Recording) -> Notes:
    """Run the machine again and note everything; once more, and only the steps, if its guests execute too much."""
    trap_of(recording, 0)  # which says if it cannot be run again
    most = recording.made.get("max_instructions") or INSTRUCTIONS_AT_MOST
    few = replace(recording, made=recording.made | {"max_instructions": min(most, INSTRUCTIONS_AT_MOST)})
    try:
        return watch_all(few, INSTRUCTIONS_AT_MOST)
    except Mistake:
        return watch_all(recording, 0)
