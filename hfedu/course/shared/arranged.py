"""Handlers cut into pieces, for exercises whose answer is an order of them: the order is built in, run and judged.

A handler hands what it knows from piece to piece. The classes here lie over the repaired hypervisor.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar, NamedTuple

from hfedu.course.exercises import Wrong
from hfedu.course.shared.scenes import boot_counted, so_far
from hfedu.guest.scripted import Message, clear, configure, receive, send, vcpu_run
from hfedu.hf.addr import NULL
from hfedu.hf.api import Result, running
from hfedu.hf.call import (
    HF_INVALID_VCPU,
    HF_MAILBOX_SIZE,
    HF_PRIMARY_VM_ID,
    MASK64,
    WAITS,
    hf_mailbox_receive_response,
)
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.platform import HypervisorHang
from hfedu.hf.spinlock import SpinLock, Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm
from hfedu.history.abi import later
from hfedu.notebook import Machine, Run
from hfedu.run import words
from hfedu.run.explorer import Exploration, counterexample, explore
from hfedu.run.invariants import INVARIANTS, Invariant
from hfedu.run.ramdisk import RamDisk
from hfedu.run.replay import Scenario
from hfedu.run.stepper import Stepper

REPAIRED = frozenset(("regs-race", "nested-locks"))
"""Two defects of 2018 that would break an order that is right."""
KEPT_RULES = tuple(
    i for i in INVARIANTS if i.name in ("registers-kept", "result-kept", "messages", "waiters", "deliverable")
)
"""What a right send or receive keeps in every order."""
STEPS_AT_MOST = 300
"""Steps of a run that is shown."""


class Work(NamedTuple):
    """What the pieces of a handler know: whom it is about, and what they have found so far."""

    cpu: Cpu
    vcpu: Vcpu
    to: Vm
    size: int = 0
    refused: Refused | None = None
    found: bool = False
    result: int = 0
    next: Vcpu | None = None

    def unless(self, passed: bool | Refused) -> "Work":
        """The same, refused if a condition does not hold."""
        return self._replace(refused=passed) if isinstance(passed, Refused) else self


Piece = Callable[[Any, Work], Generator[Step, Any, Work]]


class Arranged(Hypervisor):
    """A hypervisor with one handler whose `pieces` are done in an `order`, until one of them refuses the call."""

    pieces: ClassVar[dict[str, Piece]] = {}
    order: tuple[str, ...] = ()

    def in_order(self, work: Work) -> Steps[Work]:
        """Do the pieces."""
        at = 0
        while at < len(self.order) and work.refused is None:
            work = yield from self.pieces[self.order[at]](self, work)
            at += 1
        return work

    def drop(self, cpu: Cpu, lock: SpinLock) -> Steps[None]:
        """Drop a lock. Whoever does not hold it breaks it for who does, or for ever."""
        if lock.owner is not cpu:
            raise HypervisorHang(f"CPU {cpu.id} drops {lock.name}, which it does not hold.")
        yield from sl_unlock(cpu, lock)


class ArrangedSend(Arranged):
    """A send with the target's lock held all along; then the result, and who runs next."""

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Lock, do the pieces, unlock."""
        vcpu, to = running(cpu), self.existing_vm(cpu, vm_id)
        if isinstance(to, Refused):
            return to, None
        mailbox = vcpu.vm.mailbox
        set_up = (
            self.require(to is not vcpu.vm, "vm_id is another VM", vcpu.vm, vm=vm_id)
            and self.require(mailbox.send != NULL, "mailbox.send is set", mailbox, send=mailbox.send)
            and self.require(to.mailbox.recv != NULL, "mailbox.recv is set", to.mailbox, recv=to.mailbox.recv)
        )
        if not set_up:
            return set_up, None
        yield from sl_lock(cpu, to.lock)
        work = yield from self.in_order(Work(cpu, vcpu, to, size, result=HF_INVALID_VCPU))
        yield from sl_unlock(cpu, to.lock)
        return (work.refused, None) if work.refused is not None else (yield from self.route(cpu, to, size, work.result))

    def check_size(self, work: Work) -> Steps[Work]:
        """At most a page."""
        yield from ()
        fits = self.require(work.size <= HF_MAILBOX_SIZE, "size <= HF_MAILBOX_SIZE", work.vcpu.vm, size=work.size)
        return work.unless(fits)

    def check_empty(self, work: Work) -> Steps[Work]:
        """Only into an empty mailbox."""
        yield from ()
        mailbox = work.to.mailbox
        empty = mailbox.state is MailboxState.EMPTY
        return work.unless(self.require(empty, "mailbox.state is EMPTY", mailbox, state=mailbox.state))

    def copy(self, work: Work) -> Steps[Work]:
        """The bytes, and beside them who sent how many."""
        yield from self.copy_message(work.cpu, work.to, work.vcpu.vm.mailbox.send, work.size)
        return work

    def set_state(self, work: Work) -> Steps[Work]:
        """READ if somebody is told at once."""
        yield from ()
        work.to.mailbox.state = MailboxState.READ if self.told_at_once(work.to) else MailboxState.RECEIVED
        return work

    def wake_somebody(self, work: Work) -> Steps[Work]:
        """Wake the newest, with what the mailbox says as its result."""
        woken = yield from self.wake_waiter(work.cpu, work.to)
        return work if woken == HF_INVALID_VCPU else work._replace(result=woken)

    pieces: ClassVar[dict[str, Piece]] = {
        "wake the vCPU that waits": wake_somebody,
        "copy message, sender and size": copy,
        "set the mailbox's state": set_state,
        "check the size": check_size,
        "check that the mailbox is EMPTY": check_empty,
    }


class ArrangedReceive(Arranged):
    """A receive that blocks if there is no message."""

    def api_mailbox_receive(self, cpu: Cpu, block: int) -> Steps[Result]:
        """Do the pieces."""
        vcpu = running(cpu)
        if vcpu.vm.id == HF_PRIMARY_VM_ID or not block:
            return (yield from super().api_mailbox_receive(cpu, block))
        work = yield from self.in_order(Work(cpu, vcpu, vcpu.vm))
        return work.result, work.next

    def take_lock(self, work: Work) -> Steps[Work]:
        """The lock of the caller's VM."""
        yield from sl_lock(work.cpu, work.to.lock)
        return work

    def take_message(self, work: Work) -> Steps[Work]:
        """Look, and take what is there."""
        mailbox = work.to.mailbox
        yield Step("tests", mailbox)
        if mailbox.state is not MailboxState.RECEIVED:
            return work
        yield mailbox.read
        mailbox.state = MailboxState.READ
        return work._replace(found=True, result=hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes))

    def join_waiters(self, work: Work) -> Steps[Work]:
        """Where a send looks for whom to wake."""
        if not work.found:
            yield from self.push_waiter(work.cpu, work.vcpu, VcpuState.BLOCKED_MAILBOX)
        return work

    def go_back(self, work: Work) -> Steps[Work]:
        """The primary's vcpu_run returns WAIT_FOR_INTERRUPT."""
        if work.found:
            return work
        return work._replace(next=(yield from self.return_to_primary(work.cpu, WAITS)))

    def drop_lock(self, work: Work) -> Steps[Work]:
        """The lock of the caller's VM."""
        yield from self.drop(work.cpu, work.to.lock)
        return work

    pieces: ClassVar[dict[str, Piece]] = {
        "look for a message, and take it": take_message,
        "take the VM's lock": take_lock,
        "drop the VM's lock": drop_lock,
        "without one: into the waiter list": join_waiters,
        "without one: back to the primary": go_back,
    }


class ArrangedSwitch(Arranged):
    """A switch away from a secondary's vCPU, over the repair of regs-race."""

    def switch(self, cpu: Cpu, next_vcpu: Vcpu | None) -> Steps[None]:
        """Do the pieces, if there is a vCPU to leave that another CPU may run."""
        vcpu = running(cpu)
        if next_vcpu is None or vcpu.vm.id == HF_PRIMARY_VM_ID:
            yield from super().switch(cpu, next_vcpu)
        else:
            yield from self.in_order(Work(cpu, vcpu, vcpu.vm, next=next_vcpu))

    def save_vcpu(self, work: Work) -> Steps[Work]:
        """From the CPU to memory."""
        yield work.cpu.save
        self.save_registers(work.cpu, work.vcpu)
        return work

    def take_lock(self, work: Work) -> Steps[Work]:
        """The lock of the vCPU that is left."""
        yield from sl_lock(work.cpu, work.vcpu.lock)
        return work

    def mark_saved(self, work: Work) -> Steps[Work]:
        """What vcpu_run looks at, beside the state."""
        yield Step("marks as saved the registers of", work.vcpu)
        later(work.vcpu).regs_available = True
        return work

    def drop_lock(self, work: Work) -> Steps[Work]:
        """The lock of the vCPU that is left."""
        yield from self.drop(work.cpu, work.vcpu.lock)
        return work

    def restore_next(self, work: Work) -> Steps[Work]:
        """From memory to the CPU."""
        assert work.next is not None
        yield work.next.restore
        self.restore_registers(work.cpu, work.next)
        return work

    pieces: ClassVar[dict[str, Piece]] = {
        "take the vCPU's lock": take_lock,
        "mark its registers as saved": mark_saved,
        "drop the vCPU's lock": drop_lock,
        "restore the primary's registers": restore_next,
        "save the vCPU's registers": save_vcpu,
    }


def ordered(pieces: Sequence[str], *order: int) -> list[str]:
    """The pieces in an order."""
    return [pieces[i] for i in order]


def built(handler: type[Arranged], answer: Sequence[str]) -> dict[str, Any]:
    """What chooses a hypervisor with the pieces in the order of an answer. `Wrong` unless each is there once."""
    if sorted(answer) != sorted(handler.pieces):
        left_out = [piece for piece in handler.pieces if piece not in answer]
        what = f"Left out: {', '.join(left_out)}" if left_out else f"You gave {', '.join(answer)}"
        raise Wrong(f"Use each of the {len(handler.pieces)} steps once. {what}.")
    return {"fixes": REPAIRED, "changes": (type(f"Your{handler.__name__}", (handler,), {"order": tuple(answer)}),)}


def watched_conversation(hypervisor: dict[str, Any]) -> tuple[Run, list[tuple[str, Any]]]:
    """VM 0 sends to VM 1 while it waits, is full, and is busy: the run, and what both saw."""
    seen: list[tuple[str, Any]] = []

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        seen.append(("VM 1 waits, and VM 0 sends it “one”. The send returns", (yield send(1, "one"))))
        seen.append(("Its mailbox is full, and VM 0 sends “two”. The send returns", (yield send(1, "two"))))
        yield vcpu_run(1)
        seen.append(("VM 0 has run VM 1. VM 0's clear returns", (yield clear())))
        seen.append(("VM 0 sends a byte too many. The send returns", (yield send(1, b"", size=HF_MAILBOX_SIZE + 1))))
        seen.append(("VM 1 does not wait, and VM 0 sends it “three”. The send returns", (yield send(1, "three"))))
        yield vcpu_run(1)
        seen.append(("VM 0 has run VM 1 again. VM 0's clear returns", (yield clear())))

    def receiver() -> Any:
        yield configure()
        while True:
            seen.append(("VM 1 receives", (yield receive())))
            seen.append(("VM 1's clear returns", (yield clear())))
            yield send(0, "thanks")

    disk = RamDisk(primary, [receiver])
    return boot_counted(disk, title="VM 0 and VM 1, on one CPU", **hypervisor), seen


def judge_conversation(yours: dict[str, Any], ours: dict[str, Any]) -> Run:
    """The run of it. `Wrong`, with both runs, at the first thing that VM 0 or VM 1 sees otherwise than it should."""
    run, seen = watched_conversation(yours)
    right, expected = watched_conversation(ours)
    for i, (what, value) in enumerate(expected):
        if i >= len(seen):
            raise Wrong(
                f"{words.names_in_words(run.outcome.sentence)} It never comes to this: {what} {told_result(value)}.",
                run,
                right,
            )
        if seen[i] != (what, value):
            before, got = seen[i]
            meant = "With a right order" if what == before else f"With a right order this comes first: {what}"
            raise Wrong(
                f"{before} {told_result(got)}. {meant}{': ' if what == before else ' '}{told_result(value)}.",
                run,
                right,
            )
    return run


def told_result(value: Any) -> str:
    """What a guest was told, in words."""
    if isinstance(value, Message):
        return f"{words.text_of(value.data) or 'no bytes'} from VM {value.sender}"
    return words.signed_text(value & MASK64)


def judge_order(
    handler: type[Arranged], right: Sequence[str], scenario: Scenario, rules: Sequence[Invariant], answer: Sequence[str]
) -> Run:
    """Run an answer on one CPU, and then in every order of two. `Wrong` with the shortest run that shows it.

    Beside it is the run of the `right` order of the pieces, as far as it goes under the same schedule.
    """
    yours, ours = built(handler, answer), built(handler, right)
    passed = judge_conversation(yours, ours)
    found = explore(scenario, rules, **yours)
    if not found.violations:
        return passed
    violation = found.violations[0]
    run = counterexample(found, violation, Machine)
    assert isinstance(run, Run)
    said = words.names_in_words(violation.sentence)
    meaning = next((f", “{rule.meaning}”" for rule in rules if rule.name == violation.invariant), ".")
    raise Wrong(
        f"On two CPUs, {violation.steps} steps break {violation.invariant}{meaning} {said[:1].upper()}{said[1:]}.",
        run,
        alongside(found, scenario, ours),
    )


def alongside(found: Exploration, scenario: Scenario, hypervisor: dict[str, Any]) -> Run:
    """The run of another scenario under the schedule of the shortest violation, as far as it goes, and to its end."""
    stepper = Stepper(scenario, 2, hypervisor, machine_type=Machine)
    for cpu in found.violations[0].schedule[found.setup :]:
        able = stepper.able()
        if able:
            stepper.take(cpu if cpu in able else able[0])
    while (able := stepper.able()) and len(stepper.taken) < STEPS_AT_MOST:
        stepper.take(able[0])
    return so_far(stepper)
