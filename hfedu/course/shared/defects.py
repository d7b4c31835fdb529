"""The fourteen defects of 2018-10-04, each shown where it shows best: in every order of two CPUs, or in one run.

A demonstration shows its defect in the hypervisor at fault, and nothing where that is repaired.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hfedu.errors import Mistake, counted
from hfedu.guest.scripted import (
    clear,
    configure,
    hvc,
    load,
    print_line,
    receive,
    send,
    vcpu_run,
    vm_count,
    wait_for_event,
    wait_for_interrupt,
)
from hfedu.hf.call import ERROR, HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, HfVcpuRun
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.platform import LAYOUT_TEXT_BEGIN
from hfedu.hf.vm import MailboxState
from hfedu.history import abi
from hfedu.notebook import Exploration, Machine
from hfedu.run.explorer import Violation, explore
from hfedu.run.invariants import INVARIANTS, Ghost, Invariant
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Recording
from hfedu.run.replay import Scenario


@dataclass(frozen=True)
class FaultyHypervisor:
    """The hypervisor at fault: a profile, and classes that change it."""

    profile: str = "2018-10-04"
    changes: tuple[type[Hypervisor], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One mistake of a hypervisor and the way to see it. `meaning` is a sentence about it.

    `shown_by` says who shows it here: the explorer with scripted guests, a "real guest" or a "scripted guest". `fault`
    is the hypervisor that has the mistake. `show` is called with what chooses a hypervisor and gives an object with
    `violations` and what was covered.
    """

    id: str
    meaning: str
    shown_by: str = "explorer"
    fault: FaultyHypervisor = FaultyHypervisor()

    def show(self, hypervisor: dict[str, Any], **options: Any) -> "Exploration | Observation":
        """What a hypervisor does."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Explored(Demonstration):
    """A mistake that the explorer finds: a script for each CPU of the primary, after `setup`, and those of the VMs.

    `breaks` are the names of what does not hold: invariants, `own` ones too, or what the explorer finds by itself.
    """

    setup: Callable[[], Any]
    cpus: tuple[Callable[[], Any], ...]
    secondaries: tuple[Callable[[], Any], ...]
    breaks: tuple[str, ...]
    own: tuple[Invariant, ...] = ()

    @property
    def scenario(self) -> Scenario:
        """What the explorer tries in every order."""
        return Scenario(self.id, self.meaning, self.setup, self.cpus, self.secondaries)

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """Those that this is about; what the explorer finds by itself it always reports."""
        return tuple(invariant for invariant in (*INVARIANTS, *self.own) if invariant.name in self.breaks)

    def show(self, hypervisor: dict[str, Any], **options: Any) -> Exploration:
        """Try every order. `options` are those of `explore`."""
        options = {"invariants": self.invariants, "cpus": len(self.cpus), **options}
        return Exploration(**vars(explore(self.scenario, **hypervisor, **options)))


@dataclass(frozen=True)
class Observation:
    """What one run showed: all there is to try, since one CPU has one order. It can be asked what an `Exploration` can.

    `run` is its recording; `steps` are the events.
    """

    id: str
    violations: tuple[Violation, ...]
    run: Recording
    bounds: str = "One run on one CPU, of which there is only one order."
    complete: bool = True
    schedules: int = 1
    states: None = None
    results: tuple[()] = ()

    @property
    def steps(self) -> int:
        """How many events there were."""
        return len(self.run.events)

    depth = steps

    def counterexample(self, i: int = 0) -> Recording:
        """The run. `Mistake` if it broke nothing."""
        if not 0 <= i < len(self.violations):
            raise Mistake(f"there is no violation {i!r}: {len(self.violations)} were found, counted from 0")
        return self.run

    def compare(self, i: int = 0) -> Recording:
        """There is nothing to compare: one CPU has one order."""
        raise Mistake(f"{self.id} is one run on one CPU: there is no other order to compare it with")

    def __repr__(self) -> str:
        found = [f"  {violation}" for violation in self.violations] or ["  no violation"]
        return "\n".join([f"{self.id}: {counted(self.steps, 'event')}. {self.bounds}", *found])


@dataclass(frozen=True, kw_only=True)
class Directed(Demonstration):
    """A mistake that one run shows. `wrong` says what is wrong with a machine at the end and what its guests printed.

    `rule` is the name of what does not hold; `options` go to `Machine`.
    """

    guests: tuple[Any, ...]
    rule: str
    wrong: Callable[[Machine, str], str | None]
    options: tuple[tuple[str, Any], ...] = ()

    def show(self, hypervisor: dict[str, Any], **options: Any) -> Observation:
        """Run it. `Mistake` for options of the explorer."""
        of_explorer = sorted(options.keys() - {"progress", "executor"})
        if of_explorer:
            raise Mistake(f"{self.id} is one run on one CPU: {' and '.join(of_explorer)} cannot be set")
        primary, *secondaries = self.guests
        how: dict[str, Any] = {"max_traps": 300, "max_instructions": 100_000, **dict(self.options)}
        machine = Machine(RamDisk(primary, secondaries), title=self.id, **hypervisor, **how)
        machine.boot()
        booted = len(machine.uart)
        run = machine.run()
        sentence = self.wrong(machine, machine.uart[booted:].decode("latin-1"))
        violations = (Violation(self.rule, sentence, (), len(run.events)),) if sentence is not None else ()
        return Observation(self.id, violations, run)


# What the primary does. On each physical CPU one of these runs.


def ready() -> Any:
    """Configure the primary, let VM 1 come to its first wait, and clear the message that says so."""
    yield configure()
    yield vcpu_run(1)
    yield clear()


def ready_uncleared() -> Any:
    """As `ready`, and the message stays."""
    yield configure()
    yield vcpu_run(1)


def ready_and_busy() -> Any:
    """As `ready`, and a message waits for VM 1."""
    yield from ready()
    yield send(1, b"first")


def run_vm_1() -> Any:
    """Run VM 1 once."""
    return (yield vcpu_run(1)).code


def send_hello() -> Any:
    """Send VM 1 a message."""
    return (yield send(1, b"hello"))


def send_and_run() -> Any:
    """Send VM 1 a message and run it."""
    sent = yield send(1, b"hello")
    ran = yield vcpu_run(1)
    return sent, ran.code


def run_until_message() -> Any:
    """Run VM 1 until it sends a message to the primary."""
    while (yield vcpu_run(1)).code != HfVcpuRun.MESSAGE:
        pass


def inject() -> Any:
    """Make interrupt 5 pending for VM 1, if the hypervisor can."""
    return (yield hvc(abi.HF_INTERRUPT_INJECT, 1, 0, 5))


def clear_once() -> Any:
    """Clear the primary's mailbox."""
    return (yield clear())


def send_when_free() -> Any:
    """Send VM 1 a message; where its mailbox is busy, ask to be told when it is free, wait for that, and send again."""
    if (yield hvc(HF_MAILBOX_SEND, 1, 0, 1)) == -1:
        while (yield hvc(abi.HF_MAILBOX_WAITER_GET, 1)) == -1:
            pass
        yield hvc(HF_MAILBOX_SEND, 1, 0, 1)


# What VM 1 does. Its first message says that it has come to where the scenario begins.


def receiver() -> Any:
    """Receive."""
    yield configure()
    yield send(0, b"")
    yield receive()


def receive_two() -> Any:
    """Receive, clear the mailbox, and receive again."""
    yield from receiver()
    yield clear()
    yield receive()


def sleeper() -> Any:
    """Sleep, and receive only then."""
    yield configure()
    yield wait_for_interrupt()
    yield receive(block=False)


def sleep_and_tell() -> Any:
    """Sleep until an interrupt comes, take it, and tell the primary."""
    yield configure()
    yield send(0, b"")
    yield wait_for_interrupt()
    yield hvc(abi.HF_INTERRUPT_GET)
    yield send(0, b"awake")


def receive_and_tell() -> Any:
    """Receive; as no message ever comes, only an interrupt ends that. Take it, and tell the primary."""
    yield configure()
    yield send(0, b"")
    yield hvc(HF_MAILBOX_RECEIVE, 1)
    yield hvc(abi.HF_INTERRUPT_GET)
    yield send(0, b"awake")


def poll_and_tell() -> Any:
    """Poll for a message, with a WFE each time, and tell the primary."""
    yield configure()
    yield send(0, b"")
    while (yield receive(block=False)) is None:
        yield wait_for_event()
    yield send(0, b"got it")


def intruder() -> Any:
    """Load from memory that is the hypervisor's."""
    yield configure()
    yield send(0, b"")
    yield load(LAYOUT_TEXT_BEGIN)


def endless() -> Any:
    """Compute for ever."""
    while True:
        yield vm_count()


def print_why() -> Any:
    """Run VM 1 once, and print why it is back."""
    ran = yield vcpu_run(1)
    yield print_line(f"code {ran.code:d}")


# Real guests, and what is wrong with a run.


def code(*words: int) -> bytes:
    """Instructions as bytes."""
    return struct.pack(f"<{len(words)}I", *words)


HVC, WFI, ENABLE_FP = 0xD400_0002, 0xD503_207F, (0xD2A0_0601, 0xD518_1041, 0xD503_3FDF)
A_IN_X0, UART_IN_X19, PRINT_W0 = 0xD280_0000 | ord("A") << 5, 0xD2A1_2013, 0xB900_0260
READ_COUNTER = code(0xD53B_E021, 0xD2B0_8000, 0xF280_0100, HVC)
"""mrs x1, cntpct_el0; then PSCI SYSTEM_OFF."""
SET_ELR, SHOW_ELR = code(A_IN_X0, 0xD518_4020, WFI), code(UART_IN_X19, 0xD538_4020, PRINT_W0, WFI)
"""msr elr_el1, x0; and mrs x0, elr_el1, then print x0."""
SET_FP = code(A_IN_X0, *ENABLE_FP, 0x9E67_0000, WFI)
SHOW_FP = code(UART_IN_X19, *ENABLE_FP, 0x9E66_0000, PRINT_W0, WFI)
"""fmov d0, x0; and fmov x0, d0, then print x0."""


def run_both() -> Any:
    """Run VM 1, then VM 2."""
    yield vcpu_run(1)
    yield vcpu_run(2)


def leaked(machine: Machine, printed: str) -> str | None:
    """VM 1 puts an A into a register of its own, and VM 2 prints what it finds in its."""
    return "VM 2 finds in its register the A that VM 1 put into its own" if "A" in printed else None


def hung(machine: Machine, printed: str) -> str | None:
    """The run ends with a power-off unless the hypervisor hangs."""
    assert machine.outcome is not None
    return None if machine.outcome.kind == "power off" else machine.outcome.sentence


def taken_for_yield(machine: Machine, printed: str) -> str | None:
    """VM 1 never yields, so what stopped it was an interrupt."""
    return "an interrupt stopped VM 1, and the primary is told that it yielded" if "code 0" in printed else None


def failed_clear(ghost: Ghost) -> str | None:
    """A clear that has just said that it failed, and left the mailbox empty."""
    core, vcpu = ghost.core, ghost.core.cpu.current
    if core.steps is not None or ghost.step is None or vcpu is None:
        return None
    action = ghost.machine.guests[vcpu.name].action
    if action is None or action.registers[:1] != (HF_MAILBOX_CLEAR,) or core.cpu.regs[0] != ERROR:
        return None
    if vcpu.vm.mailbox.state is not MailboxState.EMPTY:
        return None
    return f"CPU {core.cpu.id} clears {vcpu.vm.mailbox.name}, which is empty, and is told -1"


DEFECTS: dict[str, Demonstration] = {
    defect.id: defect
    for defect in (
        Explored(
            id="blocked-state",
            meaning="A vCPU waits for a message, and its state says that it waits for an interrupt.",
            setup=ready, cpus=(run_vm_1, send_hello), secondaries=(receiver,), breaks=("reason",),
        ),
        Explored(
            id="regs-race",
            meaning="A vCPU that CPU 0 has not saved yet is run on CPU 1: it is live twice, and with old registers.",
            setup=ready, cpus=(run_vm_1, send_and_run), secondaries=(receiver,),
            breaks=("live-once", "registers-kept", "result-kept"),
        ),
        Explored(
            id="nested-locks",
            meaning="A blocking receive goes back to the primary while it still holds its VM's lock.",
            setup=ready, cpus=(run_vm_1, send_hello), secondaries=(receiver,), breaks=("switch-unlocked",),
        ),
        Explored(
            id="wfi-repeats",
            meaning="A WFI is never passed: even once an interrupt can wake a vCPU, it goes back to the same WFI.",
            setup=ready, cpus=(run_until_message, inject), secondaries=(sleep_and_tell,), breaks=("livelock",),
        ),
        Explored(
            id="wfe-loops",
            meaning="A WFE that traps is never passed; only hardware traps it, so here a script stands in for that.",
            setup=ready, cpus=(run_until_message, send_hello), secondaries=(poll_and_tell,), breaks=("livelock",),
        ),
        Explored(
            id="no-interrupt",
            meaning="Nothing wakes a vCPU in WFI, so a message to it lies in its mailbox for ever.",
            setup=ready, cpus=(send_hello, inject), secondaries=(sleeper,), breaks=("deliverable",),
        ),
        Directed(
            id="timer-inverted",
            meaning="The primary's look at its own counter hangs the CPU.",
            shown_by="real guest", guests=(READ_COUNTER,),
            rule="counter", wrong=hung,
        ),
        Explored(
            id="abort-hangs",
            meaning="A guest touches memory that is not its own, and the physical CPU is lost.",
            setup=ready, cpus=(run_vm_1, send_hello), secondaries=(intruder,), breaks=("hang",),
        ),
        Explored(
            id="clear-not-idempotent",
            meaning="Two CPUs of the primary clear one message, and the second is told that it failed.",
            setup=ready_uncleared, cpus=(clear_once, clear_once), secondaries=(receiver,), breaks=("cleared",),
            own=(Invariant("cleared", "A clear after which the mailbox is empty has succeeded.", failed_clear),),
        ),
        Explored(
            id="writable-notify",
            meaning="A sender that found a mailbox busy and waits to be told that it is free waits for ever.",
            setup=ready_and_busy, cpus=(run_vm_1, send_when_free), secondaries=(receive_two,),
            breaks=("livelock",),
        ),
        Directed(
            id="exception-regs",
            meaning="VM 2 finds in ELR_EL1 what VM 1 put there.",
            shown_by="real guest", guests=(run_both, SET_ELR, SHOW_ELR),
            rule="own-registers", wrong=leaked,
        ),
        Directed(
            id="fp-regs",
            meaning="VM 2 finds in d0 what VM 1 put there; on hardware the first use would hang the CPU instead.",
            shown_by="real guest", guests=(run_both, SET_FP, SHOW_FP),
            rule="own-registers", wrong=leaked,
        ),
        Directed(
            id="preempt-as-yield",
            meaning="An interrupt stops VM 1, and the primary is told that VM 1 yielded.",
            shown_by="scripted guest", guests=(print_why, endless), options=(("timer", 40),),
            rule="preempted", wrong=taken_for_yield,
        ),
        Explored(
            id="late-interrupt",
            meaning="A receive blocks although an interrupt is pending, once interrupts can be: it sleeps for ever.",
            setup=ready, cpus=(run_until_message, inject), secondaries=(receive_and_tell,), breaks=("livelock",),
        ),
    )
}  # fmt: skip
"""By the ids of `hfedu.history.FIXES`."""
