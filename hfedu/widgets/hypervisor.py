"""You are the hypervisor: at each trap the learner decides what happens, and the machine goes on from that."""

import html
from collections.abc import Iterable
from typing import Any

from hfedu.errors import Mistake, needing, plainly
from hfedu.guest.scripted import clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.run import words
from hfedu.run.decider import FIELDS, FOR_INTERRUPT, FOR_MESSAGE, Case, Decider, Decision, happened
from hfedu.run.kinds import VCPU_LOOKS
from hfedu.view.reasons import consequences, differences, parting_from_the_real_one, why_decided
from hfedu.view.rows import row_label
from hfedu.view.sequence import sequence
from hfedu.view.text import transcript
from hfedu.widgets.form import Form
from hfedu.widgets.guide import Choice, ChoiceRow, GuideButton, guide
from hfedu.widgets.player import Player

with needing("ipywidgets"):
    import ipywidgets

LANED = ("mailbox", "wakes", "next")
"""The fields that are about a VM each."""
SHOWN = {FOR_MESSAGE: VCPU_LOOKS["message"][1], FOR_INTERRUPT: VCPU_LOOKS["wfi"][1]}
"""What a choice says where the picture has shorter words for it."""


def first_primary() -> Any:
    """Runs VM 1, sends to it and runs it again."""
    yield configure()
    yield vcpu_run(1)
    yield send(1, "hello")
    yield vcpu_run(1)


def reader() -> Any:
    """Receives and clears, for ever."""
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


def chain_primary() -> Any:
    """Lets both wait, then starts a message on its way."""
    yield configure()
    yield vcpu_run(1)
    yield vcpu_run(2)
    yield send(1, "hello")
    yield vcpu_run(1)
    yield vcpu_run(2)


def passes_on() -> Any:
    """Passes the message on to VM 2, or from there to the primary."""
    yield configure()
    message = yield receive(block=True)
    yield send(2 if message.sender == 0 else 0, message.data)
    yield receive(block=True)


def two_sends() -> Any:
    """Sends twice in a row, and again when VM 1 has cleared."""
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield send(1, "two")
    yield vcpu_run(1)
    yield send(1, "two")


def sends_to_sleeper() -> Any:
    """Sends to a VM that sleeps, and runs it."""
    yield configure()
    yield vcpu_run(1)
    yield send(1, "wake up")
    yield vcpu_run(1)


def sleeper() -> Any:
    """Waits for an interrupt, and then for a message."""
    yield configure()
    yield wait_for_interrupt()
    yield receive(block=True)


CASES = {
    case.name: case
    for case in (
        Case("first-receive", "A first receive", "VM 0 runs VM 1, which waits for a message; then VM 0 sends it one.",
             first_primary, (reader,)),
        Case("wake-up", "A message wakes one VM after the other", "VM 1 and VM 2 wait for a message. VM 0 sends one to "
             "VM 1, VM 1 passes it on to VM 2, and VM 2 to VM 0.", chain_primary, (passes_on, passes_on), 4),
        Case("full-mailbox", "Two sends in a row", "VM 1 waits for a message. VM 0 sends “one”, at once “two”, and "
             "“two” again when VM 1 has run.", two_sends, (reader,), 2),
        Case("sleep", "A message to a VM that sleeps", "VM 1 executes WFI, wait for interrupt. VM 0 sends to it all "
             "the same.", sends_to_sleeper, (sleeper,), 1),
    )
}  # fmt: skip
"""What there is to serve, by name."""


@plainly
class YouAreTheHypervisor(Form):
    """A machine that stops at each trap, and a player in which the learner decides what happens, at the lifelines.

    `choose` and `press` work from code. `decider` is the machine; `decider.decided` are the decisions so far, `chosen`
    is what is chosen for the next, `said` what was said of the last.
    """

    def __init__(self, case: Case) -> None:
        self.case, self.decider = case, Decider(case)
        self.real, self.traps = self._real()
        self.chosen: dict[str, str] = {}
        self.said, self.beside = "", ipywidgets.HTML()
        recording = self.decider.recording()
        self.player = Player(recording, len(recording.events) - 1)
        self.player.heard = self.hear
        about = ipywidgets.HTML(
            f"<b>You are the hypervisor: {html.escape(case.title)}.</b> {html.escape(case.meaning)}"
        )
        super().__init__([about, self.player, self.beside])
        self._show("Decide what happens at this trap, row by row. As it stands, nothing changes.")

    def _real(self) -> tuple[Decider, int]:
        """The whole conversation as the real hypervisor serves it, and how many traps are asked about."""
        real, traps = Decider(self.case), 0
        while real.asks:
            real.serve()
            traps += 1
        return real, traps

    def hear(self, message: dict[str, Any]) -> None:
        """Something was pressed in the player."""
        if "press" in message:
            self.press(str(message["press"]), str(message.get("value")))

    def press(self, name: str, value: str = "") -> None:
        """Do what a button of the player stands for: do, undo, again, or a field and what is chosen for it."""
        if name == "do":
            self._chosen()
        elif name == "undo":
            self.back()
        elif name == "again":
            self.restart()
        elif self.decider.asks and value in self.decider.options().get(name, ()):
            self.chosen[name] = value
            self._ask()
        else:
            raise Mistake(
                f"there is no {name!r} {value!r} to press: there are do, undo, again, and what a trap asks for"
            )

    def choose(self, **fields: object) -> None:
        """Decide what happens at this trap: the texts of some fields. Of the others, what changes least."""
        if not self.decider.asks:
            raise Mistake("the run is over: undo a choice, or start again")
        self._decide(self.decider.decision(**fields))

    def _chosen(self) -> None:
        """Decide as it is chosen."""
        try:
            self.choose(**self.chosen)
        except Mistake as mistake:
            self.said = f"{str(mistake)[0].upper()}{str(mistake)[1:]}."
            self._ask()

    def _decide(self, decision: Decision) -> None:
        decider, trap, number = self.decider, self.decider.trap, self.decider.number
        real = decider.real()
        decider.decide(decision)
        self.player.show(decider.recording())
        self.beside.value = side_by_side(decision, real, words.vm_of(trap.actor))
        self._show(f"Trap {len(decider.decided)}. {why_decided(trap, number, decision, real)}")

    def back(self) -> None:
        """Undo the last choice."""
        self._go(self.decider.decided[:-1], "One choice undone.")

    def restart(self) -> None:
        """Begin again."""
        self._go((), "From the start.")

    def _go(self, decided: tuple[Decision, ...], sentence: str) -> None:
        self.decider = Decider(self.case, decided)
        self.player.show(self.decider.recording())
        self.beside.value = ""
        self._show(sentence)

    def _show(self, sentence: str) -> None:
        """Say what happened, and ask about the next trap: as long as nothing is chosen, nothing changes."""
        self.said, self.chosen = sentence, {}
        if self.decider.asks:
            self.chosen = {name: next(iter(texts)) for name, texts in self.decider.options().items()}
        self._ask()

    def _ask(self) -> None:
        """What is to be decided, at the lifelines; at the end how it ended."""
        decider = self.decider
        done = not decider.decided
        buttons = [GuideButton("undo", "◀ undo", off=done), GuideButton("again", "start again", off=done)]
        if not decider.asks:
            said = "\n".join([self.said, "The run is over.", *(f"• {point}" for point in self.end())])
            self.player.guide = guide(said, (), buttons)
            return
        number = f"Trap {len(decider.decided) + 1} (the real run has {self.traps})"
        asked = f"{number}: {row_label(decider.trap)}. What do you do?"
        rows = [self._row(name, texts) for name, texts in decider.options().items() if name != "returns" or self._back]
        buttons.insert(0, GuideButton("do", "Do it", main=True))
        self.player.guide = guide(f"{self.said}\n{asked}", rows, buttons)

    @property
    def _back(self) -> bool:
        """Whether the CPU goes back to the primary from another VM: only then its vcpu_run returns."""
        return self.chosen["next"] == "VM 0" and self.decider.caller.vm.id != 0

    def _row(self, name: str, texts: Iterable[str]) -> ChoiceRow:
        """A field with its options: those that are about a VM at its lifeline, a mailbox's at the mailbox."""
        options = []
        for text in dict.fromkeys(texts):
            vm, _, state = text.partition(": ")
            lane = vm.lower().replace(" ", "") if vm[:3] == "VM " and name in LANED else ""
            says = f"{FIELDS[name]}: {text}"
            chosen = self.chosen[name] == text
            shown = SHOWN.get(text, "unchanged" if text.startswith("unchanged") else text)
            options.append(
                Choice(text, shown, lane, f"mail-{state}" if name == "mailbox" and lane else "", says, chosen)
            )
        return ChoiceRow(name, FIELDS[name], tuple(options))

    def end(self) -> list[str]:
        """How the run ended, where it first parts from the real one, and what is otherwise in the end."""
        yours, real = self.decider.recording(), self.real.recording()
        same = "You did what the real hypervisor does, event for event."
        parts = same if happened(yours) == happened(real) else parting_from_the_real_one(yours, real)
        led_to = list(consequences(yours, real))
        if not led_to and parts != same:
            led_to = ["In the end each VM has got the same messages and is left as with the real hypervisor."]
        return [words.names_in_words(yours.outcome.sentence), parts, *led_to]

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was decided so far, and the same in words."""
        data, metadata = sequence(self.decider.recording())._repr_mimebundle_()
        return data | {"text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        decided = self.decider.decided
        lines = [f"You are the hypervisor: {self.case.title}. {self.case.meaning}"]
        lines += [f"{number}. {'; '.join(decision)}" for number, decision in enumerate(decided, 1)]
        if self.decider.asks:
            lines.append(f"Trap {len(decided) + 1}: {words.sentence(self.decider.trap)}. What do you do?")
            texts = self.decider.options().items()
            lines += [f"  {FIELDS[name]}: [ {' | '.join(options)} ]" for name, options in texts]
        else:
            lines += self.end()
        return "\n".join([*lines, transcript(self.decider.recording())])


def side_by_side(yours: Decision, real: Decision, caller: str) -> str:
    """A decision beside the real one, as a table."""
    differ = differences(yours, real, caller)
    rows = []
    for name, title in FIELDS.items():
        mine, theirs = getattr(yours, name), getattr(real, name)
        if name == "returns":
            mine, theirs = (text if d.next == "VM 0" != caller else "–" for d, text in ((yours, mine), (real, theirs)))
        sign = "≠" if name in differ or mine != theirs else "="
        cells = "".join(f'<td style="padding-right:12px">{html.escape(text)}</td>' for text in (mine, sign, theirs))
        head = (
            f'<th scope="row" style="text-align:left;font-weight:normal;padding-right:12px">{html.escape(title)}</th>'
        )
        rows.append(f'<tr style="{"font-weight:bold" if sign == "≠" else ""}">{head}{cells}</tr>')
    heads = "".join(f'<th style="text-align:left">{text}</th>' for text in ("", "you", "", "the real hypervisor"))
    caption = '<caption style="text-align:left;font-weight:bold">The last trap</caption>'
    style = "margin:0 32px 8px 0;vertical-align:top"
    return f'<table style="{style}">{caption}<tr>{heads}</tr>{"".join(rows)}</table>'


def you_are_the_hypervisor(name: str = "first-receive") -> YouAreTheHypervisor:
    """You decide what the hypervisor does at each trap: "first-receive", "wake-up", "full-mailbox" or "sleep"."""
    if name not in CASES:
        raise Mistake(f"there is no conversation {name!r} to serve: there are {', '.join(CASES)}")
    return YouAreTheHypervisor(CASES[name])
