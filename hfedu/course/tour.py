"""The tour: one message through three VMs, played with captions up to a question, and then steps to take in the player.

`tour()` is the first cell of the course. It plays while the kernel is idle, and stops as soon as somebody steps.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hfedu.course.lessons.lesson00 import relay
from hfedu.course.predictions import Grade, predictions
from hfedu.course.record import RECORD, Standing
from hfedu.errors import Mistake, plainly
from hfedu.run.recording import Outcome
from hfedu.view.sequence import sequence
from hfedu.widgets.form import Form
from hfedu.widgets.guide import Choice, ChoiceRow, GuideButton, GuideStep, guide
from hfedu.widgets.player import Player

QUESTION = "00-who-runs"
"""The prediction that the tour asks for."""
SECONDS_A_WORD, SECONDS_AT_LEAST = 0.35, 3.0
"""How long a caption stays."""


class Stop(NamedTuple):
    """A caption, and the event at which it stands."""

    event: int
    caption: str


STOPS = (
    Stop(4, "One computer, and three virtual machines that share it: VM 0, VM 1 and VM 2. Time runs down. The thick "
            "line on the left is the hypervisor, which keeps them apart."),
    Stop(10, "Only one of them runs at a time: the one with the thick line. VM 0, the primary, ran until now. It has "
             "just given VM 1 its turn."),
    Stop(14, "VM 1 asks for a message. There is none, so it waits (its line is dotted), and VM 0 goes on."),
    Stop(22, "VM 0 sends “hello” to VM 1. None can reach the memory of another: the hypervisor copies it into VM 1's "
             "mailbox, the bar beside its line."),
    Stop(23, "That wakes VM 1 up: it could run now. It does not run yet."),
    Stop(26, "VM 0 runs VM 1, and only now VM 1 gets the message."),
    Stop(29, "VM 1 clears its mailbox (∅), so that the next message has room."),
    Stop(33, "VM 1 sends the message on to VM 2, and VM 2 wakes up."),
    Stop(34, "There is one processor. Who runs next? Choose: a wrong guess teaches more than none."),
    Stop(35, ""),
    Stop(37, "VM 0 runs VM 2, because it was told that VM 2 has work to do. VM 2 does as VM 1 did."),
    Stop(45, "VM 2 has sent the message to VM 0, and VM 0 is told so. It has passed three mailboxes."),
    Stop(49, "That was all of it. Now you: seven steps, and then you can ask this player whatever you want to know of "
             "a run."),
)  # fmt: skip
ASKED_AT = 8
"""The stop with the question; at the next one stands the answer."""


class Todo(NamedTuple):
    """A step to take in the player: what to do, and what of the learner's way shows that it was done.

    `way` are events that are visited one right after the other, or a question to the kernel and its event.
    """

    title: str
    text: str
    way: tuple[int | str, ...]


TASKS = (
    Todo("Go to an event", "Click on row 13 of the picture: VM 1 asks for a message.", (13,)),
    Todo("Who holds the CPU?", "At event 13, press → once. Now it is VM 0: the state says so.", (13, 14)),
    Todo("Why does it not run?", "Ask **Why?** of VM 1's vCPU: since when it waits, and what will wake it.", ("why",)),
    Todo("What woke it?", "Go to event 23, where it becomes ready. Press B, which leads to the cause: the message. "
         "And B again: VM 0's send.", (23, 22, 21)),
    Todo("Follow a mailbox", "Go to the event at which VM 1's mailbox becomes READ, 22, and from there to its next "
         "change, 29: the key ] leads there.", (22, 29)),
    Todo("Search", "Press /, type `wakes`, and press Enter, and Enter again: events 23 and 33.", (23, 33)),
    Todo("Open an event", "Go to event 21 and press D: the steps that the hypervisor takes in it, each with its line "
         "of source. Escape leads back.", (21, "steps")),
)  # fmt: skip


@plainly
class Tour(Form):
    """The tour as a widget. `go`, `answer` and `press` work from code; `stop` is where it stands in `STOPS`.

    `predicted` is the answer that was given, `way` what was visited and asked since the end, `done` the tasks that are.
    """

    def __init__(self) -> None:
        self.recording = relay()
        (self.question,) = predictions()[QUESTION].questions
        self.stop, self.predicted = 0, ""
        self.timer: asyncio.TimerHandle | None = None
        self.way: list[int | str] = []
        self.done: set[int] = set()
        at = STOPS[ASKED_AT].event
        begun = Outcome("running", "The run goes on: who runs next?", 3)
        self.player = Player(replace(self.recording, events=self.recording.events[: at + 1], outcome=begun))
        self.player.heard = self.hear
        super().__init__([self.player])
        self.player.observe(self._moved, "position")
        self.go(0)

    def hear(self, message: dict[str, Any]) -> None:
        """Something was pressed in the player, or asked of the kernel."""
        if "press" in message:
            self.press(str(message["press"]), str(message.get("value")))
        else:
            self.visit(str(message.get("ask")))

    def press(self, name: str, value: str = "") -> None:
        """Do what a button of the player stands for: play, next, or an answer. `Mistake` if there is none such."""
        if name == "play":
            self.pause() if self.timer else self.play()
            self.show_caption()
        elif name == "next":
            self.next()
        elif name == "answer" and value in self.question.options:
            self.answer(value)
        else:
            raise Mistake(f"the tour has no {name!r} {value!r}: it has play, next, and the answers")

    # Playing.

    @property
    def waits(self) -> bool:
        """Whether it is the learner's turn to answer."""
        return self.stop == ASKED_AT and not self.predicted

    def go(self, stop: int) -> None:
        """Show a stop: its caption, and the player at its event. None behind the question before it is answered."""
        self.stop = min(max(stop, 0), len(STOPS) - 1 if self.predicted else ASKED_AT)
        self.player.position = STOPS[self.stop].event
        self.show_caption()

    def next(self) -> None:
        """The next stop, and there it stands still."""
        self.pause()
        self.go(self.stop + 1)

    def play(self) -> None:
        """Go on by itself, as long as a caption takes to read. Where no loop runs, in a plain script, nothing moves."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self.waits or self.stop == len(STOPS) - 1:
            self.pause()
            return
        seconds = max(SECONDS_AT_LEAST, SECONDS_A_WORD * len(self.caption().split()))
        self.timer = loop.call_later(seconds, self.turn)
        self.show_caption()

    def turn(self) -> None:
        """A caption has stood long enough."""
        self.next()
        self.play()

    def pause(self) -> None:
        """Stand still."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None

    def _moved(self, change: Any) -> None:
        """Somebody has stepped: the tour stands still, unless it was the tour itself."""
        if change["new"] != STOPS[self.stop].event and self.timer is not None:
            self.pause()
            self.show_caption()
        self.visit(change["new"])

    # Answering.

    def answer(self, option: str) -> None:
        """Take the prediction, show the rest of the run, and go on."""
        if self.predicted:
            return
        self.predicted = option
        RECORD.note(QUESTION, Standing.RIGHT if self.grade().right else Standing.WRONG)
        self.player.show(self.recording)
        self.go(ASKED_AT + 1)
        self.play()

    def grade(self) -> Grade:
        """What was predicted beside what the machine did."""
        event = self.question.where(self.recording)
        return Grade(self.question, self.predicted, self.question.truth(self.recording, event), event.seq)

    def caption(self) -> str:
        """The words of a stop."""
        if self.stop != ASKED_AT + 1:
            return STOPS[self.stop].caption
        grade = self.grade()
        verdict = "Right" if grade.right else f"You said: {grade.predicted}. The machine says: {grade.actual}"
        return f"{verdict}. {self.question.why}"

    def show_caption(self) -> None:
        """The caption, the answers at the lifelines, and the buttons that are of use now."""
        last = self.stop == len(STOPS) - 1
        play = GuideButton("play", "Pause" if self.timer else "Play", main=not self.waits, off=self.waits)
        buttons = () if last else (play, GuideButton("next", "Next ›", off=self.waits))
        said, tasks = self.caption(), list[GuideStep]()
        if last:
            left = sum(number not in self.done for number in range(len(TASKS)))
            told = (
                f"{len(self.done)} of {len(TASKS)} done." if left else "All done: you can read any run of this course."
            )
            said = told if self.done else said
            tasks = [GuideStep(task.title, task.text, number in self.done) for number, task in enumerate(TASKS)]
        rows = (self.answers(),) if self.stop in (ASKED_AT, ASKED_AT + 1) else ()
        self.player.guide = guide(said, rows, buttons, tasks, place=None if last else (self.stop + 1, len(STOPS)))

    def answers(self) -> ChoiceRow:
        """The options of the question, each at the lifeline of its VM; once answered, how it came out."""
        options = []
        for option in self.question.options:
            vm = option.partition(",")[0].removesuffix(" goes on")
            text = vm
            if self.predicted:
                grade = self.grade()
                text = f"✓ {vm}" if option == grade.actual else "✕ your guess" if option == grade.predicted else vm
            lane = vm.lower().replace(" ", "")
            chosen = option == self.predicted if self.predicted else None
            options.append(Choice(option, text, lane, says=option, chosen=chosen, off=bool(self.predicted)))
        return ChoiceRow("answer", self.question.text, tuple(options))

    # Steps to take.

    def visit(self, what: int | str) -> None:
        """Note where the learner is, or what was asked, and tick off what that completes."""
        if self.stop < len(STOPS) - 1:
            return
        self.way.append(what)
        for number, task in enumerate(TASKS):
            if ends_with(self.way, task.way):
                self.done.add(number)
        self.show_caption()

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What may be seen by now, and the captions in words."""
        data, metadata = sequence(self.player.recording)._repr_mimebundle_()
        return data | {"text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        return "\n".join(f"event {stop.event:2}: {stop.caption}" for stop in STOPS if stop.caption)


def ends_with(way: Sequence[int | str], wanted: Sequence[int | str]) -> bool:
    """Whether a way ends with these."""
    return list(way[-len(wanted) :]) == list(wanted)


def tour() -> Tour:
    """The first look: one message through three VMs, with captions and a question. It plays by itself in a notebook."""
    shown = Tour()
    shown.play()
    return shown
