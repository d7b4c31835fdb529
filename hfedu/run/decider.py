"""Decisions of a hypervisor, field by field: a machine that stops at each trap and serves it as it is told.

What it is told is done, right or wrong: the machine goes on from there. Told nothing it does what the real one does,
and that is read off its state as a decision, too. One CPU, scripted guests with one vCPU each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.scripted import Script
from hfedu.hf import call
from hfedu.hf.addr import NULL
from hfedu.hf.api import Result, running
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.handler import call_number
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm
from hfedu.run import words
from hfedu.run.kinds import VCPU_LOOKS, Kind
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Event, Recording
from hfedu.run.sight import look_of

ASKED = (call.HF_VCPU_RUN, call.HF_MAILBOX_SEND, call.HF_MAILBOX_RECEIVE, call.HF_MAILBOX_CLEAR)
FOR_MESSAGE, FOR_INTERRUPT = VCPU_LOOKS["message"][0], "waits for an interrupt"
FIELDS = {
    "state": "state of the caller",
    "result": "x0 of the caller",
    "mailbox": "mailbox",
    "wakes": "wakes",
    "next": "the CPU goes on with",
    "returns": "and its vcpu_run returns",
}
"""What is decided at a trap, and how to say it."""


class Decision(NamedTuple):
    """What a hypervisor does at a trap: each field is the text of one of the `options` of that trap.

    `returns` counts only if the CPU goes back to the primary from another VM.
    """

    state: str
    result: str
    mailbox: str
    wakes: str
    next: str
    returns: str


class Told(NamedTuple):
    """A decision as the hypervisor takes it: None changes nothing. VMs are given by their ids."""

    state: str | VcpuState | None
    result: int
    mailbox: tuple[int, MailboxState] | None
    wakes: int | None
    next: int
    returns: int


class Asked(Hypervisor):
    """Stops at each trap that is worth a question, and serves it as `told`, or by itself if it is told nothing."""

    decider: "ClassVar[Decider]"
    """Whom it asks. It belongs to the class: what a hypervisor itself keeps would show in the recording."""

    @property
    def told(self) -> Told | None:
        """What to do at this trap."""
        return self.decider.answer

    def hvc_handler(self, cpu: Cpu, function: int, arg1: int, arg2: int, arg3: int) -> Steps[Result]:
        """Stop, and serve a hypercall."""
        if call_number(function) in ASKED:
            yield Step("decide", running(cpu))
            if self.told is not None:
                return (yield from self.obey(cpu, self.told))
        return (yield from super().hvc_handler(cpu, function, arg1, arg2, arg3))

    def wfi(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        """Stop, and serve a WFI, which has no result."""
        yield Step("decide", running(cpu))
        if self.told is None:
            return (yield from super().wfi(cpu, esr))
        return (yield from self.obey(cpu, self.told))[1]

    def obey(self, cpu: Cpu, told: Told) -> Steps[Result]:
        """Do what was decided, by the steps and in the order of the real hypervisor's functions."""
        caller, next_vcpu = running(cpu), self.vms[told.next].vcpus[0]
        if told.mailbox is not None:
            yield from self.set_mailbox(cpu, *told.mailbox)
        if told.wakes is not None:
            yield from self.rouse(cpu, self.vms[told.wakes].vcpus[0])
        if told.state == FOR_MESSAGE:
            yield from self.push_waiter(cpu, caller, VcpuState.BLOCKED_MAILBOX)
        if next_vcpu is not caller and told.next == call.HF_PRIMARY_VM_ID:
            yield from self.return_to_primary(cpu, told.returns)
        elif next_vcpu is not caller:
            next_vcpu.state = VcpuState.RUNNING
            self.vm_set_current(cpu, next_vcpu.vm)
        if told.state is not None:
            caller.state = told.state if isinstance(told.state, VcpuState) else VcpuState.BLOCKED_INTERRUPT
        return told.result, None if next_vcpu is caller else next_vcpu

    def set_mailbox(self, cpu: Cpu, vm_id: int, state: MailboxState) -> Steps[None]:
        """Set a mailbox's state; a send that does not empty it puts the caller's message in."""
        vm, mailbox = self.vms[vm_id], self.vms[vm_id].mailbox
        yield from sl_lock(cpu, vm.lock)
        if call_number(cpu.regs[0]) == call.HF_MAILBOX_SEND and state is not MailboxState.EMPTY:
            yield from self.copy_message(cpu, vm, running(cpu).vm.mailbox.send, cpu.regs[2])
        else:
            yield mailbox.clear if state is MailboxState.EMPTY else mailbox.read
        mailbox.state = state
        yield from sl_unlock(cpu, vm.lock)

    def wake_waiter(self, cpu: Cpu, to: Vm) -> Steps[int]:
        """A message wakes no vCPU of the primary, even where it was decided that one waits."""
        if to.id == call.HF_PRIMARY_VM_ID:
            return call.HF_INVALID_VCPU
        return (yield from super().wake_waiter(cpu, to))

    def rouse(self, cpu: Cpu, vcpu: Vcpu) -> Steps[None]:
        """Make a vCPU ready; the one that waits for a message gets as its result what its mailbox says."""
        mailbox = vcpu.vm.mailbox
        if mailbox.recv_waiter is vcpu:
            yield from self.wake_waiter(cpu, vcpu.vm)
        else:
            yield vcpu.wake
            vcpu.state = VcpuState.READY


@dataclass(frozen=True)
class Case:
    """A conversation to serve: its guests, and how many traps the real hypervisor serves before the first question."""

    name: str
    title: str
    meaning: str
    primary: Script
    secondaries: tuple[Script, ...]
    served: int = 0


class Decider:
    """A machine that stops at each trap. `decided` are the decisions so far."""

    def __init__(self, case: Case, decisions: Iterable[Decision] = ()) -> None:
        self.case = case
        disk = RamDisk(case.primary, list(case.secondaries))
        self.machine = Machine(disk, title=case.title, changes=[type("Asked", (Asked,), {"decider": self})])
        self.answer: Told | None = None
        self.decided: tuple[Decision, ...] = ()
        self.machine.boot()
        self._run()
        for _ in range(case.served):
            self.serve()
        for decision in decisions:
            self.decide(decision)

    @property
    def asks(self) -> bool:
        """Whether the machine is at a trap and waits for a decision."""
        step = self.machine.cores[0].step
        return step is not None and step.kind == "decide"

    @property
    def caller(self) -> Vcpu:
        """The vCPU that trapped."""
        return running(self.machine.cpu)

    @property
    def number(self) -> int | None:
        """The hypercall that trapped, None for a WFI."""
        return call_number(self.machine.cpu.regs[0]) if self.machine.cores[0].is_hvc else None

    @property
    def trap(self) -> Event:
        """The trap that waits for a decision."""
        return self.recording().events[-1]

    def row(self, number: int) -> call.Call:
        """The row of a hypercall in the table."""
        return self.machine.hypervisor.calls[number]

    def recording(self) -> Recording:
        """What has happened so far."""
        return self.machine.recording()

    def serve(self, told: Told | None = None) -> None:
        """Serve the trap as told, and run to the next."""
        self._finish(told)
        self._run()

    def decide(self, decision: Decision) -> None:
        """Serve the trap as decided. `Mistake` if that cannot be done."""
        self.serve(self.told(decision))
        self.decided += (decision,)

    def _finish(self, told: Told | None) -> None:
        """Serve the trap to its end."""
        self.answer, core = told, self.machine.cores[0]
        while core.steps is not None:
            self.machine.step(0)

    def _run(self) -> None:
        """Go on to the next question, or to the end."""
        core = self.machine.cores[0]
        while not self.asks and self.machine.outcome is None:
            self.machine.step(0 if core.ended is None else None)

    def options(self) -> dict[str, dict[str, Any]]:
        """For each field what there is to choose, by its text. The first is what changes least."""
        vms, caller, number = self.machine.hypervisor.vms, self.caller, self.number
        states: dict[str, Any] = {f"unchanged ({state_said(caller)}{also_runs(caller)})": None}
        states |= {s.name: s for s in (VcpuState.READY, VcpuState.RUNNING) if s is not caller.state}
        states |= {FOR_MESSAGE: FOR_MESSAGE, FOR_INTERRUPT: FOR_INTERRUPT}
        mailboxes: dict[str, Any] = {"unchanged": None}
        mailboxes |= {f"VM {vm.id}: {state.name}": (vm.id, state) for vm in vms for state in MailboxState}
        size = self.machine.cpu.regs[2] if number == call.HF_MAILBOX_SEND else 0
        codes = [(call.HfVcpuRun.YIELD, 0, 0), (call.HfVcpuRun.WAIT_FOR_INTERRUPT, 0, 0)]
        codes += [(call.HfVcpuRun.WAKE_UP, vm.id, n) for vm in vms[1:] for n in (0, call.HF_INVALID_VCPU)]
        packed = [call.hf_vcpu_run_response(*code) for code in (*codes, (call.HfVcpuRun.MESSAGE, 0, size))]
        return {
            "state": states,
            "result": self._results(),
            "mailbox": mailboxes,
            "wakes": {"nobody": None, **{f"VM {vm.id}": vm.id for vm in vms[1:]}},
            "next": {f"VM {vm.id}": vm.id for vm in (caller.vm, *vms)},
            "returns": {words.result(self.row(call.HF_VCPU_RUN), value): value for value in packed},
        }

    def _results(self) -> dict[str, int]:
        """What the call may return, by its text."""
        number, mailbox = self.number, self.caller.vm.mailbox
        if number is None:
            return {"none, it is no call": 0}
        found = {"none yet" if number in (call.HF_VCPU_RUN, call.HF_MAILBOX_RECEIVE) else "0": 0, "-1": call.ERROR}
        if number == call.HF_VCPU_RUN:
            return found | {"WAIT_FOR_INTERRUPT": call.hf_vcpu_run_response(call.HfVcpuRun.WAIT_FOR_INTERRUPT, 0, 0)}
        if number == call.HF_MAILBOX_SEND:
            return found | {"0xffff": call.HF_INVALID_VCPU}
        value = call.hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes)
        if number == call.HF_MAILBOX_RECEIVE and value:  # a message of no bytes from the primary reads like none
            return found | {words.result(self.row(number), value): value}
        return found

    def decision(self, **chosen: object) -> Decision:
        """A decision from the texts of its fields; what is not given changes nothing, and the caller goes on."""
        options = self.options()
        for name, value in chosen.items():
            if name not in options:
                raise Mistake(f"there is no field {name!r} to decide: there are {', '.join(options)}")
            if name == "state" and value in ("unchanged", self.caller.state.name):
                chosen[name] = next(iter(options[name]))
            elif str(value) not in options[name]:
                raise Mistake(f"{name} cannot be {value!r} here: choose one of {'; '.join(options[name])}")
        return Decision(**{name: str(chosen.get(name, next(iter(texts)))) for name, texts in options.items()})

    def told(self, decision: Decision) -> Told:
        """A decision as the hypervisor takes it. `Mistake` if it asks for a copy to where there is no page."""
        options = self.options()
        told = Told(**{name: options[name][text] for name, text in decision._asdict().items()})
        if told.mailbox is not None and self.number == call.HF_MAILBOX_SEND:
            vm, state = told.mailbox
            sender = self.caller.vm
            if state is not MailboxState.EMPTY and NULL in (
                self.machine.hypervisor.vms[vm].mailbox.recv,
                sender.mailbox.send,
            ):
                raise Mistake(f"VM {vm} has not named its pages yet: there is nowhere to copy the message to")
        return told

    def real(self) -> Decision:
        """What the real hypervisor does here: it serves the trap on a machine that is thrown away."""
        other = Decider(self.case, self.decided)
        options, caller, vms = other.options(), other.caller, other.machine.hypervisor.vms
        states, boxes = caller.state, [vm.mailbox.state for vm in vms]
        count = len(other.recording().events)
        other._finish(None)
        events = other.recording().events[count:]
        cpu = other.machine.cpu
        now = running(cpu)
        box = next((e.target.vm for e in events if e.kind is Kind.DELIVER and e.target is not None), None)
        if box is None:
            box = next((vm.id for vm, old in zip(vms, boxes, strict=True) if vm.mailbox.state is not old), None)
        state: Any = None if caller.state is states else caller.state
        if self.number == call.HF_MAILBOX_RECEIVE and now is not caller:
            state = FOR_MESSAGE
        elif state is VcpuState.BLOCKED_INTERRUPT:
            state = FOR_INTERRUPT
        told = Told(
            state,
            0 if self.number is None else (cpu if now is caller else caller).regs[0],
            None if box is None else (box, vms[box].mailbox.state),  # type: ignore[arg-type]
            next((e.target.vm for e in events if e.kind is Kind.WAKE and e.target is not None), None),
            now.vm.id,
            vms[0].vcpus[0].regs[0] if now is not caller and now.vm.id == call.HF_PRIMARY_VM_ID else 0,
        )
        return Decision(*(option_text(options[name], value) for name, value in told._asdict().items()))


def state_said(vcpu: Vcpu) -> str:
    """The state of a vCPU: a wait is the one that it is."""
    return {"message": FOR_MESSAGE, "wfi": FOR_INTERRUPT}.get(look_of(vcpu), vcpu.state.name)


def also_runs(vcpu: Vcpu) -> str:
    """What the state of the primary's vCPU does not say: nobody notes that it runs, and at a trap it does."""
    return ", and it runs" if vcpu.state is VcpuState.READY else ""


def happened(recording: Recording) -> list[Event]:
    """What happened, without the conditions that led to it: where a learner decides, the hypervisor looks at none."""
    return [event._replace(checks=(), refused=None) for event in recording.events]


def option_text(options: dict[str, Any], value: Any) -> str:
    """The text of an option."""
    return next(text for text, other in options.items() if other == value)
