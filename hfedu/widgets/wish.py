"""Draw what you want to see: messages and states on empty lifelines; a search of every order finds the shortest run.

A drawing is of one moment at which no CPU is inside the hypervisor. If no order has it, what is drawn is searched piece
by piece, to say what excludes what.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from hfedu.errors import Mistake, counted, plainly
from hfedu.guest.scripted import clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.vm import MailboxState
from hfedu.run.explorer import Reached, run_of
from hfedu.run.explorer import find as find_run
from hfedu.run.kinds import VCPU_LOOKS
from hfedu.run.recording import Outcome, Recording
from hfedu.run.replay import Scenario, outside
from hfedu.run.sight import Sight
from hfedu.run.stepper import Stepper
from hfedu.view.sequence import sequence
from hfedu.view.text import transcript
from hfedu.widgets.form import Form
from hfedu.widgets.guide import Choice, ChoiceRow, GuideButton, guide
from hfedu.widgets.player import Player
from hfedu.widgets.progress import ProgressLine

STATES_AT_MOST = 100_000
"""States that a search looks at before it gives up."""
HOW = {
    "running": "runs",
    "ready": "is ready and does not run",
    **{look: VCPU_LOOKS[look][0] for look in ("message", "wfi")},
}
"""How a vCPU may be drawn, and how to say it."""


class Wanted(NamedTuple):
    """A piece of a drawing: "message", with the sender as `value`, "mailbox" or "vcpu", with a state; of VM `vm`."""

    kind: str
    vm: int
    value: str

    def __str__(self) -> str:
        if self.kind == "message":
            return f"a message from VM {self.value} is in VM {self.vm}'s mailbox"
        if self.kind == "mailbox":
            return f"VM {self.vm}'s mailbox is {self.value}"
        return f"VM {self.vm} {HOW[self.value]}"

    def holds(self, machine: Sight) -> bool:
        """Whether it is so right now."""
        mailbox, vcpu = machine.mailbox(self.vm), machine.vcpu(self.vm)
        if self.kind == "message":
            return mailbox.state != MailboxState.EMPTY.name and mailbox.sender == int(self.value)
        if self.kind == "mailbox":
            return mailbox.state == self.value
        if self.value == "running" or vcpu.cpu is not None:
            return self.value == "running" and vcpu.cpu is not None
        waits = 0 in mailbox.waiters
        if self.value == "wfi":
            return vcpu.state == "BLOCKED_INTERRUPT" and not waits
        return waits if self.value == "message" else vcpu.state == "READY"


def contradictions(drawn: tuple[Wanted, ...], cpus: int) -> Iterator[str]:
    """What no machine can do, whatever its guests are: each with the rule that forbids it."""
    for one in drawn:
        if one.kind == "message" and one.value == str(one.vm):
            yield f"VM {one.vm} cannot send to itself: the hypervisor refuses that."
    for one, other in combinations(drawn, 2):
        if one.vm != other.vm or one == other:
            continue
        kinds = {one.kind: one.value, other.kind: other.value}
        both = f"{str(one)[0].upper()}{str(one)[1:]}, and {other}"
        if one.kind == other.kind == "message":
            yield f"{both}: a mailbox holds one message, and refuses a second before it is cleared."
        elif one.kind == other.kind:
            yield f"{both}: it is in one state at a time."
        elif kinds.get("mailbox") == "EMPTY" and "message" in kinds:
            yield f"{both}: an EMPTY mailbox holds none."
    run = [one for one in drawn if one == ("vcpu", one.vm, "running")]
    if len(run) > cpus:
        yield f"{len(run)} VMs run at once, on {counted(cpus, 'CPU')}: a CPU runs one of them at a time."


def rule(apart: tuple[Wanted, ...]) -> str:
    """What forbids, in the hypervisor's words, that these are so at once."""
    kinds = {one.kind: one.value for one in apart}
    if len({one.vm for one in apart}) == 1 and kinds.get("vcpu") == "message" and len(apart) == 2:
        again = " What it has read lies there until it clears, and here it never receives again beside this one."
        return (
            "A receive that finds a new message returns with it, and a send that finds a VM waiting wakes it up."
            f"{again * (kinds.get('mailbox') != 'RECEIVED')}"
        )
    if len(apart) == 1 and apart[0].kind == "message":
        return f"Either VM {apart[0].value} never sends to VM {apart[0].vm}, or each time its send is refused."
    return (
        "Its guests and the rules of the hypervisor leave no way to it."
        if len(apart) == 1
        else (f"Each of them alone there is, but not {'both' if len(apart) == 2 else 'all'} at once.")
    )


class Wish(Form):
    """Empty lifelines to draw on, and a search for a run that has what is drawn. `draw`, `rub_out` and `find` do it.

    `drawn` are the pieces so far, `found` what the last search gave.
    """

    def __init__(self, scenario: Scenario, cpus: int | None = None, **options: Any) -> None:
        if not isinstance(scenario, Scenario):
            raise Mistake(f"a wish takes a Scenario, not {scenario!r}")
        self.scenario, self.options = scenario, options
        self.cpus = len(scenario.cpus) if cpus is None else cpus
        self.world = outside(scenario, options.get("changes", ()))
        self.empty = Stepper(scenario, self.cpus, options).machine.recording()
        self.vms = len(scenario.secondaries) + 1
        self.drawn: tuple[Wanted, ...] = ()
        self.sender: int | None = None
        self.found: Reached | None = None
        self.player = Player(self.empty, len(self.empty.events) - 1)
        self.player.heard = self.hear
        super().__init__([self.player])
        self._show(
            f"{scenario.meaning} Draw what you want to see at one moment, and hfedu looks for it in every order."
        )

    def hear(self, message: dict[str, Any]) -> None:
        """Something was pressed in the player."""
        name, value = str(message.get("press", "")), str(message.get("value"))
        if name == "from":
            self.sender = None if self.sender == int(value) else int(value)
            self._show("")
        elif name == "to" and self.sender is not None:
            self.draw("message", int(value), str(self.sender))
        elif name in ("mailbox", "vcpu"):
            state, _, vm = value.partition(" ")
            self.draw(name, int(vm), state)
        elif name == "rub out":
            self.rub_out(int(value))
        elif name == "find":
            self.find()
        elif name == "again":
            self.start_again()

    def draw(self, kind: str, vm: int, value: Any) -> None:
        """Draw a piece: ("message", to, from), ("mailbox", VM, state) or ("vcpu", VM, how)."""
        one = Wanted(kind, vm, str(value))
        there = [Wanted("message", vm, str(sender)) for sender in range(self.vms)]
        there += [Wanted("mailbox", vm, state.name) for state in MailboxState]
        there += [Wanted("vcpu", vm, how) for how in HOW if vm != 0]
        if not isinstance(vm, int) or not 0 <= vm < self.vms or one not in there:
            raise Mistake(f"{tuple(one)} cannot be drawn: of VM 0 to VM {self.vms - 1} there are messages with their "
                          f"sender, mailboxes that are {', '.join(MailboxState.__members__)}, and, but for the "
                          f"primary, a vcpu that is {', '.join(HOW)}")  # fmt: skip
        self.sender = None
        if one not in self.drawn:
            self.drawn += (one,)
        self._blank("")

    def rub_out(self, number: int) -> None:
        """Take a piece out of the drawing: that of a number, from 0."""
        if not isinstance(number, int) or not 0 <= number < len(self.drawn):
            raise Mistake(f"there is no piece {number!r}: {len(self.drawn)} are drawn, counted from 0")
        self.drawn = self.drawn[:number] + self.drawn[number + 1 :]
        self._blank("")

    def start_again(self) -> None:
        """Empty lifelines."""
        self.drawn, self.sender = (), None
        self._blank("")

    def _blank(self, sentence: str) -> None:
        """Lifelines without a run."""
        self.found = None
        if self.player.recording is not self.empty:
            self.player.show(self.empty)
        self._show(sentence)

    def find(self) -> Recording | None:
        """Look for the shortest run that has all that is drawn at one moment; says why if there is none."""
        if not self.drawn:
            self._show("Draw something first: a message, or how a mailbox or a VM is.")
            return None
        wrong = list(contradictions(self.drawn, self.cpus))
        if wrong:
            self._blank(f"No machine can do that. {' '.join(wrong)}")
            return None
        self._show("Looks at every order…")
        with ProgressLine() as progress:
            self.found = self._search(self.drawn, progress)
            if self.found.violation is None:
                sentence = self._none(self.found, progress)
                self._show(sentence)
                return None
        outcome = Outcome("goal", f"Here it is: {drawn_text(self.drawn)}.", 0)
        run = run_of(self.found.exploration, self.found.violation.schedule, outcome)
        self.player.show(run)
        self._show(f"There it is, after {self.found.steps} atomic steps, and no order is shorter. Step through it.")
        return run

    def _search(self, wanted: tuple[Wanted, ...], progress: Callable[[int, int], object]) -> Reached:
        """Search every order for a moment that has all of these."""

        def goal(machine: Sight) -> bool:
            outside_calls = all(machine.next(cpu) in ("", "guest") for cpu in range(self.cpus))
            return outside_calls and all(one.holds(machine) for one in wanted)

        self.world.restore()
        return find_run(self.scenario, goal, self.cpus, max_states=STATES_AT_MOST, progress=progress, **self.options)

    def _none(self, found: Reached, progress: Callable[[int, int], object]) -> str:
        """Why no order has it: the fewest pieces that exclude each other, and the rule that does."""
        states = counted(found.exploration.states, "state")
        if not found.exploration.complete:
            return f"It was not found so far: {states} were looked at, and there are more."
        for size in range(1, len(self.drawn) + 1):
            for some in combinations(self.drawn, size):
                alone = found if size == len(self.drawn) else self._search(some, progress)
                if not alone.exploration.complete and alone.violation is None:
                    return f"There is none: all {states} of every order were looked at."
                if alone.violation is None:
                    never = f"is never so that {some[0]}" if size == 1 else f"is never so that {drawn_text(some)}"
                    return f"There is none: all {states} of every order were looked at. It {never}. {rule(some)}"
        raise AssertionError("all of it is never so")

    def _show(self, sentence: str) -> None:
        """Say something, and offer what can be drawn."""
        vms = range(self.vms)
        rows = [self._piece(number, one) for number, one in enumerate(self.drawn)]
        senders = tuple(Choice(str(vm), f"VM {vm}", f"vm{vm}", chosen=vm == self.sender) for vm in vms)
        rows.append(ChoiceRow("from", "a message from", senders))
        if self.sender is not None:
            rows.append(ChoiceRow("to", "to", tuple(Choice(str(vm), f"VM {vm}", f"vm{vm}") for vm in vms)))
        boxes = (
            Choice(f"{state} {vm}", state, f"vm{vm}", f"mail-{state}", f"VM {vm}'s mailbox is {state}")
            for vm in vms
            for state in MailboxState.__members__
        )
        rows.append(ChoiceRow("mailbox", "mailbox", tuple(boxes)))
        hows = (
            Choice(f"{how} {vm}", said, f"vm{vm}", how, f"VM {vm} {said}")
            for vm in vms[1:]
            for how, said in HOW.items()
        )
        rows.append(ChoiceRow("vcpu", "vCPU", tuple(hows)))
        buttons = [
            GuideButton("find", "Find a run", main=True, off=not self.drawn),
            GuideButton("again", "empty lifelines", off=not self.drawn),
        ]
        self.player.guide = guide(sentence or "Find a run that has this, or draw more.", rows, buttons)

    def _piece(self, number: int, one: Wanted) -> ChoiceRow:
        """A piece as it is drawn, with what rubs it out."""
        out = Choice(str(number), "✕", says=f"rub out: {one}")
        if one.kind == "message":
            return ChoiceRow("rub out", f"VM {one.value} → VM {one.vm}", (out,), (f"vm{one.value}", f"vm{one.vm}"))
        sign = f"mail-{one.value}" if one.kind == "mailbox" else one.value
        drawn = Choice("", str(one), f"vm{one.vm}", sign, str(one), True, True)
        return ChoiceRow("rub out", str(one), (out, drawn))

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The run, or the empty lifelines, and the drawing in words."""
        data, metadata = sequence(self.player.recording)._repr_mimebundle_()
        return data | {"text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        pieces = [f"{number}. {one}" for number, one in enumerate(self.drawn)] or ["nothing is drawn yet"]
        head = f"Draw what you want: {self.scenario.name}. {self.scenario.meaning}"
        return "\n".join([head, *pieces, self.player.guide["said"], transcript(self.player.recording)])


def drawn_text(wanted: tuple[Wanted, ...]) -> str:
    """Pieces of a drawing as a sentence's part."""
    *some, last = map(str, wanted)
    return f"{', '.join(some)} and {last}" if some else last


def all_wait() -> Any:
    """The primary lets VM 1 and VM 2 wait for a message."""
    yield configure()
    yield vcpu_run(1)
    yield vcpu_run(2)


def to_vm_1() -> Any:
    """CPU 0 sends to VM 1 and runs it twice."""
    yield send(1, "to VM 1")
    yield vcpu_run(1)
    yield vcpu_run(1)


def to_vm_2() -> Any:
    """CPU 1 sends to VM 2 and runs it."""
    yield send(2, "to VM 2")
    yield vcpu_run(2)


def sends_then_sleeps() -> Any:
    """Receives a message, sends one to VM 2, and sleeps."""
    yield configure()
    yield receive(block=True)
    yield clear()
    yield send(2, "from VM 1")
    yield wait_for_interrupt()


def clears_all() -> Any:
    """Receives and clears, for ever."""
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


TWO_MESSAGES = Scenario(
    "two messages",
    "CPU 0 sends to VM 1 and runs it twice, CPU 1 sends to VM 2 and runs it. VM 1 clears, sends to VM 2 and executes "
    "WFI; VM 2 receives and clears.",
    all_wait,
    (to_vm_1, to_vm_2),
    (sends_then_sleeps, clears_all),
)
"""What there is to draw on if nothing else is given."""


@plainly
def wish(scenario: Scenario = TWO_MESSAGES, cpus: int | None = None, **options: Any) -> Wish:
    """Draw what you want to see on empty lifelines, and hfedu finds the shortest run of a scenario that has it.

    If there is none it says which rule forbids it. `options` go to `Machine` (profile, fixes, changes).
    """
    return Wish(scenario, cpus, **options)
