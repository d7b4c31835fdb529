"""You schedule: the learner decides which physical CPU takes the next atomic step, and tries to break an invariant."""

import html
from collections.abc import Sequence
from itertools import starmap
from typing import Any

from hfedu.errors import Mistake, counted, needing, plainly
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.cpu import Vcpu
from hfedu.run import words
from hfedu.run.explorer import BUILT_IN, Exploration, counterexample, explore
from hfedu.run.invariants import INVARIANTS
from hfedu.run.kinds import VCPU_LOOKS
from hfedu.run.replay import Scenario, outside
from hfedu.run.sight import as_invariants, look_of
from hfedu.run.stepper import Stepper, announced
from hfedu.view.sequence import sequence
from hfedu.view.text import transcript
from hfedu.widgets.form import Form, says
from hfedu.widgets.guide import Choice, ChoiceRow, GuideButton, guide
from hfedu.widgets.player import Player
from hfedu.widgets.progress import ProgressLine

with needing("ipywidgets"):
    import ipywidgets

AT_THE_END = {name: BUILT_IN[name] for name in ("deadlock", "self-deadlock", "hang", "raised")}
"""What the explorer always looks for and one run can show."""


@plainly
class YouSchedule(Form):
    """A scenario, a button for each CPU, and the invariants to break. `choose` and the other buttons work from code.

    `schedule` is what was chosen so far: the CPU of each step after the scripts have met.
    """

    def __init__(
        self, scenario: Scenario, invariants: Any = INVARIANTS, cpus: int | None = None, **options: Any
    ) -> None:
        cpus = len(scenario.cpus) if cpus is None else cpus
        self.scenario, self.cpus, self.options = scenario, cpus, options
        self.invariants = as_invariants(invariants, "invariants")
        if not isinstance(cpus, int) or cpus < 2:
            raise Mistake(f"there is nothing to schedule on {cpus!r} CPUs: give it 2 or more")
        self.schedule: tuple[int, ...] = ()
        self.world = outside(scenario, options.get("changes", ()))
        self.run = self._at(())
        self.next = [""] * cpus
        self.said = ""
        self.rules, self.state = ipywidgets.HTML(), ipywidgets.HTML()
        recording = self.run.recording()
        self.player = Player(recording, len(recording.events) - 1)
        self.player.heard = self.hear
        self.answer = ipywidgets.VBox()
        about = ipywidgets.HTML(f"<b>{html.escape(scenario.name)}</b>: {html.escape(scenario.meaning)}")
        facts = ipywidgets.HBox([self.state, self.rules], layout={"flex_flow": "row wrap"})
        super().__init__([about, self.answer, self.player, facts])
        self._show("Choose which CPU takes the next step, and try to break an invariant.")

    def hear(self, message: dict[str, Any]) -> None:
        """Something was pressed in the player."""
        name, value = message.get("press"), str(message.get("value"))
        if name == "cpu" and value in map(str, range(self.cpus)):
            self.choose(int(value))
        elif name == "back":
            self.back()
        elif name == "restart":
            self.restart()
        elif name == "shortest":
            self.shortest()

    def _at(self, schedule: tuple[int, ...]) -> Stepper:
        """The run after a schedule, from a fresh machine, with all that lies outside the scripts as it was."""
        self.world.restore()
        return Stepper(self.scenario, self.cpus, self.options, self.invariants, schedule)

    def choose(self, cpu: int) -> None:
        """Let a CPU take its next step. Says why if it cannot, and which invariant breaks if one does."""
        if not isinstance(cpu, int) or not 0 <= cpu < self.cpus:
            raise Mistake(f"there is no CPU {cpu!r}: there are CPUs 0 to {self.cpus - 1}")
        if cpu not in self.run.able():
            self._show(f"CPU {cpu} cannot go on: {self.run.waits(cpu)}.")
            return
        known = set(self.run.broken)
        self.schedule += (cpu,)
        taken = self.run.take(cpu)
        self.player.show(self.run.recording())
        broken = [(name, said) for name, (said, _) in self.run.broken.items() if name not in known]
        self._show(f"Step {len(self.schedule)}: {taken}.", broken)

    def back(self) -> None:
        """Undo the last step."""
        self._go(self.schedule[:-1], "One step back.")

    def restart(self) -> None:
        """Begin again."""
        self._go((), "From the start.")

    def _go(self, schedule: tuple[int, ...], sentence: str) -> None:
        self.schedule = schedule
        self.run = self._at(schedule)
        self.player.show(self.run.recording())
        self._show(sentence)

    def shortest(self) -> Exploration:
        """Search for the shortest way to break one of the invariants, and show it above the run, until that goes on."""
        with ProgressLine() as progress:
            found = explore(self.scenario, self.invariants, self.cpus, first=True, progress=progress, **self.options)
        if found.violations:
            violation = found.violations[0]
            text = f"The shortest way breaks {violation.invariant} at step {violation.steps}"
            said = f"{text}: {words.names_in_words(violation.sentence)}."
            recording = counterexample(found, violation)
            self.answer.children = (status(said), Player(recording, len(recording.events) - 2))
        else:
            text = "No order breaks any of them." if found.complete else "None was broken so far."
            self.answer.children = (status(f"{text} {found.bounds}"),)
        return found

    def _show(self, sentence: str, broken: Sequence[tuple[str, str]] = ()) -> None:
        """Say what happened, and bring everything up to date."""
        self.answer.children = ()
        said = [sentence, *(f"Broken: {name}. {wrong}." for name, wrong in broken)]
        if self.run.machine.outcome is not None:
            said.append(f"The run is over: {words.names_in_words(self.run.machine.outcome.sentence)}")
        self.said = " ".join(said)
        able = self.run.able()
        self.next = [self._will(cpu) if cpu in able else self.run.waits(cpu) for cpu in range(self.cpus)]
        rows = []
        for cpu, what in enumerate(self.next):
            choice = Choice(str(cpu), what, says=f"CPU {cpu}: {what}", off=cpu not in able)
            rows.append(ChoiceRow("cpu", f"CPU {cpu}", (choice,)))
        first = not self.schedule
        buttons = [
            GuideButton("back", "◀ take a step back", off=first),
            GuideButton("restart", "start again", off=first),
            GuideButton("shortest", "show the shortest way"),
        ]
        self.player.guide = guide(self.said, rows, buttons)
        self.state.value = schedule_facts(self.run)
        self.rules.value = rules(self.run)

    def _will(self, cpu: int) -> str:
        """What a CPU's next step does; of a guest's turn this is found out on a machine that is thrown away."""
        said = announced(self.run.machine.cores[cpu])
        if said:
            return said
        now = outside(self.scenario, self.options.get("changes", ()))
        try:
            return self._at((*self.schedule, cpu)).taken[-1].text
        finally:
            now.restore()

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The run so far, and the same in words."""
        data, metadata = sequence(self.run.recording())._repr_mimebundle_()
        return data | {"text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        steps = [f"{number:>4}  {taken}" for number, taken in enumerate(self.run.taken, 1)]
        broken = [f"broken at step {at}: {name}. {said}." for name, (said, at) in self.run.broken.items()]
        head = f"You schedule {self.scenario.name}: {counted(len(steps), 'step')} on {self.cpus} CPUs"
        return "\n".join([head, *steps, *broken, transcript(self.run.recording())])


def status(sentence: str) -> ipywidgets.HTML:
    """A sentence as a widget."""
    return ipywidgets.HTML(says(sentence, bold=True))


def schedule_facts(run: Stepper) -> str:
    """Who holds which lock, and the states of vCPUs and mailboxes."""
    locks = [
        (words.names_in_words(lock.name), f"CPU {lock.owner.id}") for lock in run.ghost.locks if lock.owner is not None
    ]
    holders: dict[Any, list[str]] = {}
    for core in run.machine.cores:
        holders.setdefault(core.cpu.current, []).append(f"on CPU {core.cpu.id}")
    vms = run.machine.hypervisor.vms
    vcpus = [
        (words.who(vcpu.name), ", ".join([vcpu_said(vcpu, len(holders.get(vcpu, ()))), *holders.get(vcpu, ())]))
        for vm in vms
        for vcpu in vm.vcpus
        if vcpu.index == 0 or vcpu in holders
    ]
    mailboxes = [(words.names_in_words(vm.mailbox.name), vm.mailbox.state.name) for vm in vms]
    parts = (("Locks held", locks or [("none", "")]), ("vCPUs", vcpus), ("Mailboxes", mailboxes))
    return "".join(starmap(schedule_table, parts))


def vcpu_said(vcpu: Vcpu, holders: int) -> str:
    """How a vCPU is that so many CPUs hold, in the words of the player's picture."""
    look = look_of(vcpu)
    if holders and look != "running":
        look = "running" if vcpu.vm.id == HF_PRIMARY_VM_ID or holders > 1 else "leaving"
    said = VCPU_LOOKS[look][0]
    return said if holders or look != "running" else f"{said}, on no CPU yet"


def schedule_table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A small table of names and values."""
    left, place = "text-align:left;padding-right:12px;white-space:nowrap", "display:inline-table;vertical-align:top"
    lines = [f'<table style="{place};margin:0 32px 8px 0"><caption style="{left};font-weight:bold">{title}</caption>']
    for name, value in rows:
        head = f'<th scope="row" style="{left};font-weight:normal">{html.escape(name)}</th>'
        lines.append(f"<tr>{head}<td>{html.escape(value)}</td></tr>")
    return "".join([*lines, "</table>"])


def rules(run: Stepper) -> str:
    """The invariants with their sentences, and which of them are broken."""
    items = []
    for name, meaning in {**{i.name: i.meaning for i in run.invariants}, **AT_THE_END}.items():
        at = run.broken.get(name)
        sign, when = ("✗", f", broken at step {at[1]}") if at else ("✓", "")
        items.append(f"<li>{sign} <b>{html.escape(name)}{when}</b>: {html.escape(meaning)}</li>")
    return f'<b>What must hold</b><ul style="list-style:none;padding:0;margin:0">{"".join(items)}</ul>'


def you_schedule(
    scenario: Scenario, invariants: Any = INVARIANTS, cpus: int | None = None, **options: Any
) -> YouSchedule:
    """You decide which CPU takes the next step of a scenario; `options` go to `Machine` (profile, fixes)."""
    return YouSchedule(scenario, invariants, cpus, **options)
