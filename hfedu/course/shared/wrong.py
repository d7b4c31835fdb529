"""Hypervisors that are wrong on purpose: each a plausible mistake over the repaired hypervisor, and what tells it.

The docstring of each class says what is wrong, and `WRONG` says it again, as data. They add two kinds of `Step`:
"tests", a look at what another CPU may change, and "result", the result of a vCPU that waited.
"""

from collections.abc import Callable
from typing import Any

from hfedu.board.memory import RAM_BASE
from hfedu.course.shared.defects import (
    Demonstration,
    Directed,
    Explored,
    FaultyHypervisor,
    endless,
    ready,
    receiver,
    run_vm_1,
    send_and_run,
    send_hello,
)
from hfedu.guest.scripted import clear, configure, hvc, receive, send, vcpu_run
from hfedu.hf.addr import NULL, PAGE_SIZE, Ipa, Pa, Va
from hfedu.hf.api import Result, running
from hfedu.hf.call import (
    ERROR,
    HF_INVALID_VCPU,
    HF_MAILBOX_SEND,
    HF_MAILBOX_SIZE,
    WAITS,
    HfVcpuRun,
    hf_mailbox_receive_response,
    hf_vcpu_run_response,
)
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.mm import Ptable
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm
from hfedu.history.abi import later
from hfedu.notebook import Machine

YIELDS = hf_vcpu_run_response(HfVcpuRun.YIELD, 0, 0)


class WaiterPoppedLate(Hypervisor):
    """The woken vCPU is taken off the waiter list only after the send has dropped every lock."""

    def wake(self, cpu: Cpu, waiter: Vcpu, retval: int) -> Steps[None]:
        """Wake, and leave the list as it is."""
        yield from sl_lock(cpu, waiter.lock)
        yield waiter.wake
        waiter.state = VcpuState.READY
        self.set_retval(waiter, retval)
        yield from sl_unlock(cpu, waiter.lock)

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Send, and then look after the list."""
        result = yield from super().api_mailbox_send(cpu, vm_id, size)
        to = self.vm_get(vm_id)
        if to is not None and result[0] != ERROR:
            yield from sl_lock(cpu, to.lock)
            top = to.mailbox.recv_waiter
            if top is not None and top.state is VcpuState.READY:
                to.mailbox.recv_waiter = top.mailbox_next
            yield from sl_unlock(cpu, to.lock)
        return result


class WaiterPushedLate(Hypervisor):
    """A blocking receive drops the VM's lock before it is in the waiter list: a message in between wakes nobody."""

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        """Unlock, then push."""
        yield from sl_unlock(cpu, vcpu.vm.lock)
        yield from self.push_waiter(cpu, vcpu, VcpuState.BLOCKED_MAILBOX)
        return 0, (yield from self.return_to_primary(cpu, WAITS))


class StateSetLate(Hypervisor):
    """A blocking receive records that it blocks only after the unlock, and so undoes a wake-up in between."""

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        """Push, unlock, then set the state."""
        mailbox = vcpu.vm.mailbox
        yield vcpu.block
        vcpu.mailbox_next = mailbox.recv_waiter
        mailbox.recv_waiter = vcpu
        yield from sl_unlock(cpu, vcpu.vm.lock)
        yield from sl_lock(cpu, vcpu.lock)
        vcpu.state = VcpuState.BLOCKED_MAILBOX
        yield from sl_unlock(cpu, vcpu.lock)
        return 0, (yield from self.return_to_primary(cpu, WAITS))


class WokenWithoutLock(Hypervisor):
    """The waiter is made ready without its lock, and its result written after that."""

    def wake(self, cpu: Cpu, waiter: Vcpu, retval: int) -> Steps[None]:
        """Pop and make ready; then the result."""
        yield waiter.wake
        waiter.vm.mailbox.recv_waiter = waiter.mailbox_next
        waiter.state = VcpuState.READY
        yield Step("result", waiter)
        self.set_retval(waiter, retval)


class SenderFromGuest(Hypervisor):
    """The receiver is told as its sender whatever the sender had in x3."""

    def wake(self, cpu: Cpu, waiter: Vcpu, retval: int) -> Steps[None]:
        """Wake, with another result than the right one."""
        forged = hf_mailbox_receive_response(cpu.regs[3], waiter.vm.mailbox.recv_bytes)
        yield from super().wake(cpu, waiter, forged)


class SizeCheckedLate(Hypervisor):
    """A message is copied before its size is checked: one that is too long runs over the end of the receive page."""

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Copy, then all that a right send does."""
        sender, to = running(cpu).vm, self.vm_get(vm_id)
        if to is not None and to is not sender and sender.mailbox.send != NULL:
            yield from sl_lock(cpu, to.lock)
            if self.room_locked(to):
                self.mm_memcpy(to.mailbox.recv, sender.mailbox.send, size)
            yield from sl_unlock(cpu, to.lock)
        return (yield from super().api_mailbox_send(cpu, vm_id, size))


class CheckedBeforeLock(Hypervisor):
    """Whether the mailbox is empty is tested before its lock is taken: two senders both find it so."""

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Test, and then what a right send does, but for the test."""
        to = self.vm_get(vm_id)
        if to is not None and to is not running(cpu).vm:
            yield Step("tests", to.mailbox)
            room = super().room_locked(to)
            if not room:
                return room, None
        return (yield from super().api_mailbox_send(cpu, vm_id, size))

    def room_locked(self, to: Vm) -> bool | Refused:
        """Under the lock nobody looks any more."""
        return True


class WokenBeforeCopy(Hypervisor):
    """The receiver is woken before its message is copied, and on another CPU it reads what lay there before."""

    def deliver(self, cpu: Cpu, to: Vm, from_buf: Va, size: int) -> Steps[int]:
        """Wake, then copy."""
        told, waiter = self.told_at_once(to), to.mailbox.recv_waiter
        if waiter is not None:
            yield from self.wake(cpu, waiter, hf_mailbox_receive_response(running(cpu).vm.id, size))
        yield from self.copy_message(cpu, to, from_buf, size)
        to.mailbox.state = MailboxState.READ if told else MailboxState.RECEIVED
        return HF_INVALID_VCPU if waiter is None else waiter.index


class ClearsUnread(Hypervisor):
    """A clear empties the mailbox whatever is in it, also a message that was never received."""

    def clear_locked(self, vm: Vm) -> Steps[int]:
        """Make it EMPTY."""
        yield vm.mailbox.clear
        vm.mailbox.state = MailboxState.EMPTY
        return 0


class ClearedByReceive(Hypervisor):
    """A receive empties the mailbox before its owner has read the page, and the next message runs over this one."""

    def api_mailbox_receive(self, cpu: Cpu, block: int) -> Steps[Result]:
        """Receive, then clear."""
        ret, next_vcpu = yield from super().api_mailbox_receive(cpu, block)
        if ret != ERROR and next_vcpu is None:
            vm = running(cpu).vm
            yield from sl_lock(cpu, vm.lock)
            vm.mailbox.state = MailboxState.EMPTY
            yield from sl_unlock(cpu, vm.lock)
        return ret, next_vcpu


class LocksSwapped(Hypervisor):
    """To run a vCPU takes its lock and then its VM's, and all other calls take them the other way round."""

    def api_vcpu_run(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Steps[Result]:
        """Test and take under both locks."""
        vcpu = self.vcpu_of_secondary(cpu, vm_id, vcpu_idx, WAITS)
        if isinstance(vcpu, Refused):
            return vcpu, None
        yield from sl_lock(cpu, vcpu.lock)
        yield from sl_lock(cpu, vcpu.vm.lock)
        taken = self.take_locked(vcpu)
        ret: Result = taken, None
        if taken:
            self.vm_set_current(cpu, vcpu.vm)
            ret = YIELDS, vcpu
        yield from sl_unlock(cpu, vcpu.vm.lock)
        yield from sl_unlock(cpu, vcpu.lock)
        return ret


class TakenInTwoSteps(Hypervisor):
    """A repair of regs-race that is still wrong: a vCPU is tested in one step and taken in another."""

    def api_vcpu_run(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Steps[Result]:
        """Test without the lock, take under it."""
        vcpu = self.vcpu_of_secondary(cpu, vm_id, vcpu_idx, WAITS)
        if isinstance(vcpu, Refused):
            return vcpu, None
        yield Step("tests", vcpu)
        saved, state = later(vcpu).regs_available, vcpu.state
        free = self.require(saved, "the registers are saved", vcpu, WAITS, state=state) and self.require(
            state is VcpuState.READY, "vcpu.state is READY", vcpu, WAITS, state=state
        )
        if not free:
            return free, None
        yield from sl_lock(cpu, vcpu.lock)
        vcpu.state, later(vcpu).regs_available = VcpuState.READY, True
        self.take_locked(vcpu)
        self.vm_set_current(cpu, vcpu.vm)
        yield from sl_unlock(cpu, vcpu.lock)
        return YIELDS, vcpu


class AvailableBeforeSave(Hypervisor):
    """A repair of regs-race that is still wrong: the registers are said to be saved before they are."""

    def save(self, cpu: Cpu, vcpu: Vcpu) -> Steps[None]:
        """Say so, then save."""
        yield from sl_lock(cpu, vcpu.lock)
        later(vcpu).regs_available = True
        yield from sl_unlock(cpu, vcpu.lock)
        yield from super().save(cpu, vcpu)


class CopyStopsAtZero(Hypervisor):
    """Messages are copied as texts are in C, up to the first zero byte."""

    def mm_memcpy(self, to: Va, source: Va, size: int) -> None:
        """Copy what lies before the first zero."""
        super().mm_memcpy(to, source, len(self.mm_load(source, size).split(b"\0")[0]))


class PageLeftWritable(Hypervisor):
    """The last page of every secondary stays in the primary's stage 2: the loop that unmaps ends one page early."""

    def mm_vm_unmap(self, ptable: Ptable, begin: Pa, end: Pa, mode: int) -> bool:
        """Unmap all but the last page."""
        return super().mm_vm_unmap(ptable, begin, Pa(end - PAGE_SIZE), mode)


# Scripts that these take, besides those of the defects.


def run_twice() -> Any:
    """Run VM 1, and once more."""
    first = yield vcpu_run(1)
    second = yield vcpu_run(1)
    return first.code, second.code


def send_with_x3_and_run() -> Any:
    """Send VM 1 a message with a 7 in x3, and run it."""
    yield hvc(HF_MAILBOX_SEND, 1, 0, 7)
    yield vcpu_run(1)


def send_zero() -> Any:
    """Send VM 1 a message with a zero in it."""
    yield send(1, b"a\0b")


def send_too_long() -> Any:
    """Send VM 1 more than a page."""
    return (yield send(1, b"", size=HF_MAILBOX_SIZE + 1))


def send_two() -> Any:
    """Send VM 1 two messages."""
    yield send(1, b"one")
    yield send(1, b"two")


def clear_then_receive() -> Any:
    """Clear the mailbox to be sure that it is empty, and receive."""
    yield configure()
    yield send(0, b"")
    yield clear()
    yield receive()


def shared_page(machine: Machine, printed: str) -> str | None:
    """A page of a secondary that the primary can reach."""
    hypervisor = machine.hypervisor
    primary, *secondaries = hypervisor.vms
    for vm in secondaries:
        for page in map(Ipa, range(RAM_BASE, RAM_BASE + (16 << 20), PAGE_SIZE)):
            if None not in (hypervisor.mm_vm_translate(owner.ptable, page) for owner in (vm, primary)):
                return f"the page at {page:#x} is VM {vm.id}'s, and the primary can write it"
    return None


def wrong(
    mixin: type[Hypervisor], meaning: str, kind: Callable[..., Demonstration] = Explored, **how: Any
) -> Demonstration:
    """The demonstration of one of the classes above, and what is wrong with it.

    Its id is the class's name in small letters with hyphens.
    """
    name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in mixin.__name__)[1:]
    return kind(id=name, meaning=meaning, fault=FaultyHypervisor("fixed", changes=(mixin,)), **how)


WRONG = {
    demonstration.id: demonstration
    for demonstration in (
        wrong(
            WaiterPoppedLate,
            "The woken vCPU is taken off the waiter list only after the send has dropped every lock.",
            setup=ready,
            cpus=(run_vm_1, send_hello),
            secondaries=(receiver,),
            breaks=("waiters",),
        ),
        wrong(
            WaiterPushedLate,
            "A blocking receive drops the VM's lock before it is in the waiter list: a message "
            "in between wakes nobody.",
            setup=ready,
            cpus=(run_vm_1, send_hello),
            secondaries=(receiver,),
            breaks=("deliverable",),
        ),
        wrong(
            StateSetLate,
            "A blocking receive records that it blocks only after the unlock, and so undoes a wake-up in between.",
            setup=ready,
            cpus=(run_vm_1, send_hello),
            secondaries=(receiver,),
            breaks=("reason",),
        ),
        wrong(
            WokenWithoutLock,
            "The waiter is made ready without its lock, and its result written after that.",
            setup=ready,
            cpus=(run_twice, send_hello),
            secondaries=(receiver,),
            breaks=("result-kept",),
        ),
        wrong(
            SenderFromGuest,
            "The receiver is told as its sender whatever the sender had in x3.",
            setup=ready,
            cpus=(run_vm_1, send_with_x3_and_run),
            secondaries=(receiver,),
            breaks=("result-kept",),
        ),
        wrong(
            SizeCheckedLate,
            "A message is copied before its size is checked: one that is too long runs over "
            "the end of the receive page.",
            setup=ready,
            cpus=(run_vm_1, send_too_long),
            secondaries=(receiver,),
            breaks=("hang", "deadlock"),
        ),
        wrong(
            CheckedBeforeLock,
            "Whether the mailbox is empty is tested before its lock is taken: two senders both find it so.",
            setup=ready,
            cpus=(send_hello, send_hello),
            secondaries=(receiver,),
            breaks=("overwrite",),
        ),
        wrong(
            WokenBeforeCopy,
            "The receiver is woken before its message is copied, and on another CPU it reads what lay there before.",
            setup=ready,
            cpus=(run_vm_1, send_and_run),
            secondaries=(receiver,),
            breaks=("messages",),
        ),
        wrong(
            ClearsUnread,
            "A clear empties the mailbox whatever is in it, also a message that was never received.",
            setup=ready,
            cpus=(run_vm_1, send_hello),
            secondaries=(clear_then_receive,),
            breaks=("messages",),
        ),
        wrong(
            ClearedByReceive,
            "A receive empties the mailbox before its owner has read the page, and the next "
            "message runs over this one.",
            setup=ready,
            cpus=(run_vm_1, send_two),
            secondaries=(receiver,),
            breaks=("overwrite",),
        ),
        wrong(
            LocksSwapped,
            "To run a vCPU takes its lock and then its VM's, and all other calls take them the other way round.",
            setup=ready,
            cpus=(run_vm_1, run_vm_1),
            secondaries=(receiver,),
            breaks=("lock-order", "deadlock"),
        ),
        wrong(
            TakenInTwoSteps,
            "A repair of regs-race that is still wrong: a vCPU is tested in one step and taken in another.",
            setup=ready,
            cpus=(run_vm_1, send_and_run),
            secondaries=(receiver,),
            breaks=("live-once",),
        ),
        wrong(
            AvailableBeforeSave,
            "A repair of regs-race that is still wrong: the registers are said to be saved before they are.",
            setup=ready,
            cpus=(run_vm_1, send_and_run),
            secondaries=(receiver,),
            breaks=("live-once",),
        ),
        wrong(
            CopyStopsAtZero,
            "Messages are copied as texts are in C, up to the first zero byte.",
            setup=ready,
            cpus=(run_vm_1, send_zero),
            secondaries=(receiver,),
            breaks=("messages",),
        ),
        wrong(
            PageLeftWritable,
            "The last page of every secondary stays in the primary's stage 2: the loop that "
            "unmaps ends one page early.",
            Directed,
            guests=(run_vm_1, endless),
            shown_by="scripted guest",
            rule="isolation",
            wrong=shared_page,
        ),
    )
}
"""By id."""
