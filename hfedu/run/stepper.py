"""Schedules in words: a machine of several CPUs that takes one atomic step at a time and says what each one does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.scripted import ScriptDone
from hfedu.run import words
from hfedu.run.core import Core
from hfedu.run.invariants import Ghost, Invariant
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.moves import lost, unrepeated
from hfedu.run.recording import Event, Recording
from hfedu.run.replay import SETUP_STEPS, Scenario, step_or_end
from hfedu.run.sight import what_is_wrong


class Taken(NamedTuple):
    """A step that was taken: by which CPU, and what it did, as in "drops VM 1's lock"."""

    cpu: int
    text: str

    def __str__(self) -> str:
        return f"CPU {self.cpu} {self.text}"


class Stepper:
    """A scenario from the point where the scripts have met, one step at a time under the eyes of invariants.

    `taken` are the steps so far, `broken` what they broke: the sentence and the number of the step by invariant.
    """

    def __init__(
        self,
        scenario: Scenario,
        cpus: int,
        options: dict[str, Any],
        invariants: Sequence[Invariant] = (),
        schedule: Iterable[int] = (),
        machine_type: type[Machine] = Machine,
    ) -> None:
        self.machine = machine_type(scenario.disk(cpus), cpus=cpus, title=scenario.name, **options)
        self.invariants = invariants
        self.taken: list[Taken] = []
        self.moves: list[int] = []
        self.broken: dict[str, tuple[str, int]] = {}
        self.machine.boot()
        self.ghost = Ghost(self.machine)
        for _ in range(SETUP_STEPS):
            core = next((core for core in self.machine.cores if core.able), None)
            if core is None:
                break
            self._advance(core)
        if not all(core.scripted.meeting for core in self.machine.cores):
            raise Mistake(f"the setup of {scenario.name} never comes to its end")
        for cpu in schedule:
            self.take(cpu)

    @property
    def over(self) -> bool:
        """Whether no CPU will ever take a step again."""
        return self.machine.outcome is not None

    def able(self) -> list[int]:
        """The CPUs that can take a step."""
        return [] if self.over else self.machine.able()

    def take(self, cpu: int) -> Taken:
        """Let a CPU take its next step; it must be able to. At the end of all steps the machine is switched off."""
        core, before = self.machine.turns[cpu], self._count()
        self.able()
        said = announced(core)
        self._advance(core)
        taken = Taken(core.cpu.id, said or self._guest(core, before))
        self.taken.append(taken)
        for invariant in self.invariants:
            sentence = what_is_wrong(invariant, self.ghost)
            if sentence is not None:
                self._breaks(invariant.name, sentence)
        broke = lost(core)
        if broke is not None:
            self._breaks(broke, str(core.ended))
        if not self.able() and not self.over:
            self.machine.step()
        if self.machine.outcome is not None and self.machine.outcome.kind == "deadlock":
            self._breaks("deadlock", self.machine.outcome.sentence)
        return taken

    def _breaks(self, name: str, sentence: str) -> None:
        self.broken.setdefault(name, (words.names_in_words(unrepeated(name, sentence)), len(self.taken)))

    def waits(self, cpu: int) -> str:
        """Why a CPU cannot go on."""
        core = self.machine.cores[cpu]
        lock = core.waits_for
        if self.over:
            return "the run is over"
        if lock is not None and lock.owner is not None:
            return f"waits for {words.names_in_words(lock.name)}, which CPU {lock.owner.id} holds"
        if isinstance(core.ended, ScriptDone):
            return "its script has ended"
        return words.names_in_words(str(core.ended)) if core.ended else "waits for the other CPUs to meet it"

    def recording(self) -> Recording:
        """What has happened so far, and the schedule that makes it again."""
        recording = self.machine.recording()
        return replace(recording, made=recording.made | {"schedule": tuple(self.moves)})

    def _advance(self, core: Core) -> None:
        self.moves.append(core.turn)
        self.ghost.before(core)
        step_or_end(self.machine, core.turn)
        if not self.over:
            self.ghost.after()

    def _count(self) -> int:
        return self.machine.recorder.count if self.machine.recorder is not None else 0

    def _guest(self, core: Core, before: int) -> str:
        """What a guest did in its turn."""
        vcpu = core.cpu.current
        recorded = self.machine.recorder.so_far()[before:] if self.machine.recorder is not None else ()
        events = (event for event in recorded if event.cpu == core.cpu.id)
        event = next((event for event in events if event.kind is not Kind.END), None)
        if event is not None:
            return f"lets {event.actor} go on: {trapped(event)}"
        if isinstance(core.ended, ScriptDone):
            return "comes to the end of its script"
        name = words.who(vcpu.name) if vcpu is not None else "its guest"
        if core.ended is not None:
            return f"lets {name} go on, for ever"
        return f"lets {name} go on: it {'waits for the other CPUs' if core.scripted.meeting else 'touches memory'}"


def announced(core: Core) -> str | None:
    """What a CPU will do next, in words; None if that is up to the guest on it."""
    if core.step is None:
        return None
    target = core.cpu.current if core.step.kind == "save" else core.step.target
    return words.step_words(core.step.kind, getattr(target, "name", ""))


def trapped(event: Event) -> str:
    """How a guest's turn ended, in words."""
    if event.kind in (Kind.HYPERCALL, Kind.SMC):
        return f"it calls {words.name_of_call(event, short=True)}({words.arguments(event, short=True)})"
    return {Kind.WFI: "it waits for an interrupt", Kind.IRQ: "an interrupt stops it"}.get(event.kind, "it faults")
