"""The mailbox playground: the learner makes every hypercall by hand, on a live machine."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from hfedu.errors import Mistake, plainly
from hfedu.guest import scripted
from hfedu.guest.scripted import Action, Script
from hfedu.hf.call import HF_MAILBOX_SEND, HF_PRIMARY_VM_ID, HF_VM_CONFIGURE, Call, Caller
from hfedu.hf.cpu import VcpuState
from hfedu.hf.vm import MailboxState
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.recording import Event
from hfedu.view.rows import row_label
from hfedu.view.sequence import sequence
from hfedu.view.text import transcript
from hfedu.view.why import why
from hfedu.widgets.form import Form
from hfedu.widgets.guide import Choice, ChoiceRow, GuideButton, GuideStep, Typed, guide
from hfedu.widgets.player import Player

MOST_VMS = 4


def button_order(row: Call) -> tuple[bool, bool]:
    """Where the buttons of a call stand: what asks for a number comes last, and before it what runs others."""
    return row.gives == "count", row.gives == "run"


class Pressed(NamedTuple):
    """A call that the learner made: the VM, the name of its button, and the message as it was then."""

    vm: int
    name: str
    message: str


class Goal(NamedTuple):
    """Something to bring about: `reached` looks at the playground after each call."""

    title: str
    text: str
    reached: Callable[["Playground"], bool]


@plainly
class Playground(Form):
    """A live machine in a player: at the lifelines what the VM that runs can call. `press` does it from code.

    The calls are those of the hypervisor's table: `options` (profile, fixes, changes) choose it. `undo` takes back what
    was done last, whatever it was; `branch` goes on from an event. `reached` are the goals that were.
    """

    def __init__(self, vms: int = 3, **options: Any) -> None:
        if not isinstance(vms, int) or not 2 <= vms <= MOST_VMS:
            raise Mistake(f"a playground has 2 to {MOST_VMS} VMs, not {vms!r}")
        self.vms, self.options, self.message, self.said = vms, options, "hello", ""
        self.goals = () if options else goals(vms)
        self.reached: set[str] = set()
        self.before: list[tuple[Pressed, ...]] = []
        self._start()
        self.actions = {(vm, name): action for vm in range(vms) for name, _, action in self._actions(vm)}
        recording = self.machine.recording()
        self.player = Player(recording, len(recording.events) - 1)
        self.player.heard = self.hear
        super().__init__([self.player])
        self._show("The primary, VM 0, runs. Let every VM configure its mailbox first.")

    def _actions(self, vm: int) -> Iterator[tuple[str, tuple[str, int] | None, Callable[[], Action]]]:
        """What a VM can do: the name, what is done to which other VM if it is about one, and the action."""
        mine = (Caller.ALL, Caller.PRIMARY if vm == HF_PRIMARY_VM_ID else Caller.SECONDARIES)
        for row in sorted((row for row in self.machine.hypervisor.calls.values() if row.who in mine), key=button_order):
            yield from self._buttons(vm, row)
        if vm != HF_PRIMARY_VM_ID:
            yield "wait for interrupt", None, scripted.wait_for_interrupt

    def _buttons(self, vm: int, row: Call) -> Iterator[tuple[str, tuple[str, int] | None, Callable[[], Action]]]:
        """The buttons of one call: one for each VM that it may be about, and for whether it may wait."""
        if "vm" in row.args:
            what = f"{row.verb} to" if "size" in row.args else row.verb
            for other in range(self.vms):
                if other != vm or row.gives == "count":
                    yield f"{what} VM {other}", (what, other), partial(self._call, row, other)
        elif "block" in row.args:
            yield f"{row.verb}, block", None, partial(self._call, row, 1)
            yield f"{row.verb}, no block", None, partial(self._call, row, 0)
        else:
            yield row.verb, None, partial(self._call, row, None)

    def _call(self, row: Call, first: int | None) -> Action:
        """A call; what its row names besides the first argument is chosen here."""
        if row.number == HF_VM_CONFIGURE:
            return scripted.configure()
        if row.number == HF_MAILBOX_SEND and row.gives == "vcpu" and first is not None:
            return scripted.send(first, self.message)
        return scripted.hypercall(row)(*(() if first is None else (first,)))

    def _start(self) -> None:
        self.commands: dict[int, list[Action]] = {vm: [] for vm in range(self.vms)}
        self.pressed: tuple[Pressed, ...] = ()
        self.begins: list[int] = []
        secondaries = [Secondary(self._script(vm), name=f"vm{vm}") for vm in range(1, self.vms)]
        self.machine = Machine(RamDisk(self._script(0), secondaries), title="Playground", **self.options)
        self.machine.boot()

    def _script(self, vm: int) -> Script:
        """A guest that does what it is told, one hypercall at a time; run again, it does the same."""
        commands = self.commands[vm]

        def guest() -> Generator[Action, Any, None]:
            for number in count():
                yield commands[number]

        return guest

    @property
    def running(self) -> int:
        """The VM that holds the CPU."""
        current = self.machine.cpu.current
        assert current is not None
        return current.vm.id

    def hear(self, message: dict[str, Any]) -> None:
        """Something was pressed in the player. What a button is for is its name."""
        name, value = str(message.get("press", "")), str(message.get("value"))
        if name == "call":
            self.press(self.running, value)
        elif name == "message":
            self.message = value
        elif name == "branch":
            self.branch(self.player.position)
        elif name in ("undo", "restart"):
            getattr(self, name)()

    def press(self, vm: int, name: str) -> None:
        """Let VM `vm` make a hypercall, named as on its button. Says why if it cannot or if it is refused."""
        if (vm, name) not in self.actions:
            there = ", ".join(button for owner, button in self.actions if owner == vm)
            raise Mistake(f"VM {vm} has no button {name!r}: it has {there or 'none'}")
        if self.machine.outcome is not None:
            self._show("The run is over.")
            return
        if vm != self.running:
            self._show(f"VM {vm} does not run: VM {self.running} has the CPU. Only the primary can run another VM.")
            return
        before = len(self.machine.recording().events)
        done = self.pressed
        try:
            self._do(Pressed(vm, name, self.message))
        except ValueError as error:
            self._show(str(error))
            return
        self.before.append(done)
        recording = self.machine.recording()
        self.player.show(recording)
        told = [event for event in recording.events[before:] if event.kind in (Kind.HYPERCALL, Kind.WFI, Kind.RETURN)]
        reasons = (str(why(recording, event)) if words.failed(event) else "" for event in told)
        said = (f"{told_shortly(event)}. {reason}".strip() for event, reason in zip(told, reasons, strict=True))
        new = [goal.title for goal in self.goals if goal.title not in self.reached and goal.reached(self)]
        self.reached.update(new)
        self._show(" ".join([*said, *(f"Reached: {title}." for title in new)]))

    def _do(self, pressed: Pressed) -> None:
        """Let the machine make a call."""
        self.message, now = pressed.message, self.message
        try:
            self.commands[pressed.vm].append(self.actions[pressed.vm, pressed.name]())
        finally:
            self.message = now
        self.begins.append(len(self.machine.recording().events))
        self.machine.step()
        self.pressed += (pressed,)

    def undo(self) -> None:
        """Take back what was done last: a call, a branch, or a fresh start."""
        if not self.before:
            self._show("There is nothing to undo.")
            return
        self._again(self.before.pop(), "Undone.")

    def branch(self, seq: int) -> None:
        """Go on from an event: what has happened up to it stays, with the whole of the call that it is part of."""
        events = len(self.machine.recording().events)
        if not isinstance(seq, int) or not 0 <= seq < events:
            raise Mistake(f"there is no event {seq!r} to go on from: there are events 0 to {events - 1}")
        kept = self.pressed[: sum(begin <= seq for begin in self.begins)]
        gone = len(self.pressed) - len(kept)
        if not gone:
            self._show("Nothing comes after this: go to an earlier event in the picture, and go on from there.")
            return
        self.before.append(self.pressed)
        calls = "One call is" if gone == 1 else f"{gone} calls are"
        self._again(kept, f"You go on from event {seq}. {calls} gone; undo brings back what was.")

    def restart(self) -> None:
        """Begin again with a fresh machine."""
        if self.pressed:
            self.before.append(self.pressed)
        self._again((), "A fresh machine. The primary, VM 0, runs.")

    def _again(self, presses: Iterable[Pressed], sentence: str) -> None:
        """Make these calls on a fresh machine."""
        self._start()
        for pressed in presses:
            self._do(pressed)
        self.player.show(self.machine.recording())
        self._show(sentence)

    def _show(self, sentence: str) -> None:
        """Say what happened, and offer the calls of the VM that runs."""
        self.said, over = sentence, self.machine.outcome
        if over is not None:
            sentence = f"{sentence} {words.names_in_words(over.sentence)} Undo, go on from an event, or start again."
        buttons = [
            GuideButton("undo", "◀ undo", off=not self.before),
            GuideButton("branch", "go on from this event", off=not self.pressed),
            GuideButton("restart", "start again", off=not self.pressed),
        ]
        tasks = [GuideStep(goal.title, goal.text, goal.title in self.reached) for goal in self.goals]
        rows = () if over is not None else self._rows(self.running)
        typed = [Typed("message", "message", self.message)]
        self.player.guide = guide(sentence, rows, buttons, tasks, typed)

    def _rows(self, vm: int) -> Iterator[ChoiceRow]:
        """What a VM can call: what is about another VM at its lifeline, the rest in one row."""
        rows: dict[str, list[Choice]] = {"": []}
        for name, about, _ in self._actions(vm):
            verb, other = about or ("", None)
            lane = "" if other is None else f"vm{other}"
            text = name if other is None else f"VM {other}"
            rows.setdefault(verb, []).append(Choice(name, text, lane, says=f"VM {vm}: {name}"))
        yield from (ChoiceRow("call", f"VM {vm}: {verb}", tuple(choices)) for verb, choices in rows.items() if choices)

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was done so far, and the same in words."""
        data, metadata = sequence(self.machine.recording())._repr_mimebundle_()
        return data | {"text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        return f"Playground of {self.vms} VMs\n{transcript(self.machine.recording())}"


def told_shortly(event: Event) -> str:
    """A call, or what came of it, in the words of the picture."""
    label = row_label(event)
    return f"It {label}" if label.startswith("returns") else label


def goals(vms: int) -> tuple[Goal, ...]:
    """What to bring about with so many VMs on the hypervisor of 2018."""
    last = vms - 1
    way = ", ".join(f"VM {vm}" for vm in (*range(1, vms), 0))
    return (
        Goal("through all", f"Let one message go from VM 0 to {way}.", went_through_all),
        Goal(f"VM {last} misses a message", f"Let a message lie in VM {last}'s mailbox that VM {last} will never ask "
             "for, whomever the primary runs.", partial(misses, last)),
        Goal("VM 1 locked out", "Let a send to VM 1 be refused that will be refused for ever: VM 1 can never clear its "
             "mailbox again.", locked_out),
        Goal("five refusals", f"Have calls refused for {REFUSALS_WANTED} different reasons.", refused_often),
    )  # fmt: skip


REFUSALS_WANTED = 5


def sleeps(ground: Playground, vm: int) -> bool:
    """Whether a VM executed WFI: it is blocked, and on no list of waiters."""
    vcpu = ground.machine.hypervisor.vms[vm].vcpus[0]
    return vcpu.state is VcpuState.BLOCKED_INTERRUPT and vcpu.vm.mailbox.recv_waiter is not vcpu


def went_through_all(ground: Playground) -> bool:
    """Whether each VM got from the one before it what VM 0 had sent, and VM 0 got it back."""
    wanted = [(vm, (vm + 1) % ground.vms) for vm in range(ground.vms)]
    way: dict[bytes, int] = {}
    for event in ground.machine.recording().events:
        if event.kind is Kind.DELIVER and event.actor and event.target and event.message is not None:
            at = way.get(event.message, 0)
            if at < len(wanted) and (event.actor.vm, event.target.vm) == wanted[at]:
                way[event.message] = at + 1
    return len(wanted) in way.values()


def misses(vm: int, ground: Playground) -> bool:
    """Whether a message lies unseen where nothing will ever look."""
    return sleeps(ground, vm) and ground.machine.hypervisor.vms[vm].mailbox.state is MailboxState.RECEIVED


def locked_out(ground: Playground) -> bool:
    """Whether a send to VM 1 was refused that will be refused for ever.

    VM 1 is blocked, its mailbox full: from WFI nothing wakes it, and from a receive only a message that has room.
    """
    last = ground.machine.recording().events[-1]
    full = last.refused is not None and last.refused.condition == "mailbox.state is EMPTY"
    blocked = ground.machine.hypervisor.vms[1].vcpus[0].state is VcpuState.BLOCKED_INTERRUPT
    return full and last.refused is not None and last.refused.on == "vm1.mailbox" and blocked


def refused_often(ground: Playground) -> bool:
    """Whether calls were refused for as many reasons as are wanted."""
    reasons = {event.refused.condition for event in ground.machine.recording().events if event.refused is not None}
    return len(reasons) >= REFUSALS_WANTED


def playground(vms: int = 3, **options: Any) -> Playground:
    """A playground with 2 to 4 VMs; `options` choose its hypervisor, as those of `Machine` do."""
    return Playground(vms, **options)
