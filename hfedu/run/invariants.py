"""What must hold in every order of the steps: named invariants, and the memory of the past that they need.

`Ghost` watches a machine step by step and remembers what the hypervisor need not: the registers a vCPU left with, the
result it is owed, the message that lies in each mailbox. An invariant looks at it after a step and says what is wrong.
"""

from array import array
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hfedu.hf import arch
from hfedu.hf.call import ERROR, HF_MAILBOX_SEND, HF_PRIMARY_VM_ID, MASK32, hf_mailbox_receive_response
from hfedu.hf.cpu import Vcpu, VcpuState
from hfedu.hf.handler import call_number
from hfedu.hf.spinlock import SpinLock, Step
from hfedu.hf.vm import Mailbox, MailboxState, Vm
from hfedu.run.core import Core
from hfedu.run.sight import Invariant as Invariant
from hfedu.run.sight import Sight

if TYPE_CHECKING:
    from hfedu.run.machine import Machine

BLOCKED = (VcpuState.BLOCKED_MAILBOX, VcpuState.BLOCKED_INTERRUPT)


class Mail(NamedTuple):
    """A message in a mailbox, as the sender meant it, and whether its receiver has been told."""

    sender: int
    data: bytes
    taken: bool


GhostState = tuple[
    tuple[tuple[str, tuple[bytes, bool]], ...], tuple[tuple[str, tuple[int, bool]], ...], tuple[tuple[str, Mail], ...],
    frozenset[int],
]  # fmt: skip


class Ghost(Sight):
    """A machine of several CPUs and its past, as far as the invariants need it.

    Call `before` and `after` around each step of a core. `step` is the step just taken (None: the guest ran), `core`
    who took it; `wrong` is what the step itself did wrong, by invariant.
    """

    def __init__(self, machine: "Machine") -> None:
        self.machine = self.whole = machine
        self.core: Core = machine.cores[0]
        self.step: Step | None = None
        self.left: dict[str, tuple[bytes, bool]] = {}
        self.owed: dict[str, tuple[int, bool]] = {}
        self.saved: frozenset[int] = frozenset()
        self.mail: dict[str, Mail] = {}
        self.wrong: dict[str, str] = {}
        self._sending: tuple[int, bytes] = (0, b"")
        vms = machine.hypervisor.vms
        self.locks = [*(vm.lock for vm in vms), *(vcpu.lock for vm in vms for vcpu in vm.vcpus)]

    def past(self) -> "GhostState":
        """What of the past can still matter: part of a state's key. In what order it came does not matter."""
        left, owed, mail = (tuple(sorted(noted.items())) for noted in (self.left, self.owed, self.mail))
        return left, owed, mail, self.saved  # type: ignore[return-value]

    def remember(self, past: "GhostState") -> None:
        """Take over a past that `past` gave."""
        left, owed, mail, self.saved = past
        self.left, self.owed, self.mail = dict(left), dict(owed), dict(mail)

    def before(self, core: Core) -> None:
        """`core` is about to take a step."""
        self.core, self.step, self.wrong = core, core.step, {}
        step, holder = core.step, core.cpu.current
        if step is None or holder is None:
            return
        if step.kind == "deliver":
            mailbox, size = step.target, core.cpu.regs[2]
            self._sending = holder.vm.id, self.machine.hypervisor.mm_load(holder.vm.mailbox.send, size)
            if mailbox.state is not MailboxState.EMPTY or mailbox.name in self.mail:
                self.wrong["overwrite"] = f"VM {holder.vm.id} overwrites a message in {mailbox.name}, not cleared yet"
            if mailbox.vm.id != core.cpu.regs[1] & MASK32:
                self.wrong["messages"] = f"a message to VM {core.cpu.regs[1]} goes to {mailbox.name}"
        elif step.kind == "acquire":
            self._acquire(core, step.target)
        elif step.kind == "wake":
            self._wake(step.target)
        elif step.kind == "retval" and step.target is not holder:
            held = self.held(core)
            if held:
                self.wrong["switch-unlocked"] = f"CPU {core.cpu.id} begins to switch and holds {held[0].name}"

    def _acquire(self, core: Core, lock: SpinLock) -> None:
        held = self.held(core)
        if any(isinstance(other.of, Vcpu) >= isinstance(lock.of, Vcpu) for other in held):
            self.wrong["lock-order"] = f"CPU {core.cpu.id} takes {lock.name} and holds {held[0].name}"

    def _wake(self, vcpu: Any) -> None:
        """Before a vCPU is woken: by a message, or by an interrupt, which ends a receive with -1."""
        mailbox = vcpu.vm.mailbox
        if call_number(self.core.cpu.regs[0]) == HF_MAILBOX_SEND:
            self.owed[vcpu.name] = hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes), True
            self._take(vcpu.vm)
        elif vcpu in self.waiters(vcpu.vm):
            self.owed[vcpu.name] = ERROR, True

    def held(self, core: Core) -> list[SpinLock]:
        """The locks of VMs and vCPUs that a CPU holds."""
        return [lock for lock in self.locks if lock.owner is core.cpu]

    def after(self) -> None:
        """The step has been taken."""
        core, step = self.core, self.step
        holder = core.cpu.current
        if step is None:
            if core.steps is not None and holder is not None:
                self.left[holder.name] = core.cpu.regs.tobytes(), core.is_hvc
            return
        target = step.target
        match step.kind:
            case "retval":
                if not self.owed.get(target.name, (0, False))[1]:
                    self.owed[target.name] = target.regs[0], False
            case "save":
                self.saved |= {core.cpu.id}
            case "restore":
                self.saved -= {core.cpu.id}
                self._resumed(core.cpu.regs, target)
            case "deliver":
                self._delivered(target)
            case "read":
                self._take(target.vm)
            case "clear":
                mail = self.mail.pop(target.name, None)
                if mail is not None and not mail.taken:
                    self.wrong["messages"] = f"{target.name} is cleared before its message was received"

    def _delivered(self, mailbox: Mailbox) -> None:
        sender, data = self._sending
        self.mail[mailbox.name] = Mail(sender, data, mailbox.vm.id == HF_PRIMARY_VM_ID)
        self._compare(mailbox)

    def _take(self, vm: Vm) -> None:
        mail = self.mail.get(vm.mailbox.name)
        if mail is None or mail.taken:
            self.wrong["messages"] = f"VM {vm.id} receives a message that nobody sent, or a second time"
        else:
            self.mail[vm.mailbox.name] = mail._replace(taken=True)
            self._compare(vm.mailbox)

    def _compare(self, mailbox: Mailbox) -> None:
        """Whether the mailbox holds what its sender sent."""
        mail = self.mail[mailbox.name]
        there = self.machine.hypervisor.mm_load(mailbox.recv, len(mail.data))
        if (mailbox.recv_from_id, mailbox.recv_bytes, there) != (mail.sender, len(mail.data), mail.data):
            self.wrong["messages"] = f"{mailbox.name} does not hold what VM {mail.sender} sent"

    def _resumed(self, regs: arch.ArchRegs, vcpu: Vcpu) -> None:
        """Whether a vCPU that runs again has the registers it left with, and the result it is owed."""
        owed, _ = self.owed.pop(vcpu.name, (None, False))
        if vcpu.name not in self.left:
            return
        packed, is_hvc = self.left[vcpu.name]
        expected = array("Q", packed)
        if is_hvc:
            expected[1:18] = arch.ArchRegs()[1:18]
        if regs[1:] != expected[1:]:
            self.wrong["registers-kept"] = f"{vcpu.name} resumes with other registers than it left with"
        elif is_hvc and owed is not None and regs[0] != owed:
            self.wrong["result-kept"] = f"{vcpu.name} gets {regs[0]:#x}, and its call's result is {owed:#x}"
        elif not is_hvc and regs[0] != expected[0]:
            self.wrong["registers-kept"] = f"{vcpu.name} resumes with another x0 than it left with"

    def settled(self) -> Iterator[tuple[Vcpu, bool]]:
        """Every vCPU of a secondary that no CPU is working on, and whether it is in its VM's waiter list."""
        live = {core.cpu.current for core in self.machine.cores}
        for vm in self.machine.hypervisor.vms[1:]:
            if vm.lock.owner is None:
                waiting = self.waiters(vm)
                yield from ((v, v in waiting) for v in vm.vcpus if v.lock.owner is None and v not in live)


def live_twice(ghost: Ghost) -> str | None:
    """A vCPU on two CPUs."""
    seen: dict[str, int] = {}
    for core in ghost.machine.cores:
        vcpu, cpu = core.cpu.current, core.cpu.id
        if vcpu is not None and cpu not in ghost.saved:
            if vcpu.name in seen:
                return f"{vcpu.name} is live on CPU {seen[vcpu.name]} and on CPU {cpu}"
            seen[vcpu.name] = cpu
    return None


def woken_waiter(ghost: Ghost) -> str | None:
    """A vCPU that can run and is still in the list."""
    for vcpu, waiting in ghost.settled():
        if waiting and vcpu.state not in BLOCKED:
            return f"{vcpu.name} is {vcpu.state.name} and still in the waiter list"
    return None


def wrong_reason(ghost: Ghost) -> str | None:
    """A state that names another reason than the true one."""
    for vcpu, waiting in ghost.settled():
        if waiting and vcpu.state is VcpuState.BLOCKED_INTERRUPT:
            return f"{vcpu.name} waits for a message, and its state says BLOCKED_INTERRUPT"
        if not waiting and vcpu.state is VcpuState.BLOCKED_MAILBOX:
            return f"{vcpu.name} is BLOCKED_MAILBOX and in no waiter list"
    return None


def undeliverable(ghost: Ghost) -> str | None:
    """A message at the end that nobody will ever receive."""
    if any(core.able or core.scripted.meeting for core in ghost.machine.cores):
        return None
    for vm in ghost.machine.hypervisor.vms[1:]:
        blocked = [vcpu for vcpu in vm.vcpus if vcpu.state in BLOCKED]
        if vm.mailbox.state is MailboxState.RECEIVED and blocked:
            return f"a message for VM {vm.id} has arrived, and {blocked[0].name} sleeps: nothing will ever wake it"
    return None


def wrong_step(name: str, ghost: Ghost) -> str | None:
    """What the step itself did wrong."""
    return ghost.wrong.get(name)


def of_step(name: str, meaning: str) -> Invariant:
    """An invariant that `Ghost` judges at each step."""
    return Invariant(name, meaning, partial(wrong_step, name), steady=True)


INVARIANTS = (
    Invariant("live-once", "A vCPU is live on at most one physical CPU.", live_twice, steady=True),
    of_step("registers-kept", "A vCPU resumes with exactly the registers it left with."),
    of_step("result-kept", "A vCPU that resumes after a call finds the call's result in x0."),
    of_step("messages", "No message is lost, duplicated, torn or delivered elsewhere."),
    of_step("overwrite", "A READ or RECEIVED mailbox is never overwritten."),
    of_step("lock-order", "A CPU takes a VM's lock before a vCPU's, and never two of a kind."),
    of_step("switch-unlocked", "A CPU that begins to switch holds no lock."),
    Invariant("waiters", "A vCPU that was woken is in no waiter list.", woken_waiter, steady=True),
    Invariant("reason", "The state of a vCPU says why it does not run.", wrong_reason, steady=True),
    Invariant("deliverable", "What was sent can be received.", undeliverable, steady=True),
)
"""All of them, in the order in which they are reported."""
