"""Repairs of what a sender and a receiver learn about a mailbox."""

from hfedu.hf.api import Result, running
from hfedu.hf.call import HF_PRIMARY_VM_ID, hf_vcpu_run_response
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm
from hfedu.history import abi


class ClearNotIdempotent(Hypervisor):
    """The repair of clear-not-idempotent."""

    def clear_locked(self, vm: Vm) -> Steps[int]:
        return 0 if vm.mailbox.state is MailboxState.EMPTY else (yield from super().clear_locked(vm))


def mailbox_of(vm: Vm) -> abi.LaterMailbox:
    """The mailbox of a VM of a repaired hypervisor."""
    assert isinstance(vm.mailbox, abi.LaterMailbox)
    return vm.mailbox


class WritableNotify(Hypervisor):
    """The repair of writable-notify."""

    rows = abi.WRITABLE_CALLS

    def busy_locked(self, cpu: Cpu, to: Vm) -> int | None:
        if cpu.regs[3] and to.mailbox.state is not MailboxState.EMPTY:
            mailbox_of(to).waiting |= 1 << running(cpu).vm.id
        return super().busy_locked(cpu, to)

    def clear_locked(self, vm: Vm) -> Steps[int]:
        ret = yield from super().clear_locked(vm)
        return 1 if ret == 0 and mailbox_of(vm).waiting else ret

    def api_mailbox_clear(self, cpu: Cpu) -> Steps[Result]:
        ret, next_vcpu = yield from super().api_mailbox_clear(cpu)
        vm = running(cpu).vm
        if ret != 1 or vm.id == HF_PRIMARY_VM_ID:
            return ret, next_vcpu
        response = hf_vcpu_run_response(abi.LaterVcpuRun.NOTIFY_WAITERS, vm.id, 0)
        return 0, (yield from self.api_switch_to_primary(cpu, response, VcpuState.READY))

    def api_mailbox_writable_get(self, cpu: Cpu) -> Steps[int]:
        """Take a VM whose mailbox became free, or -1. Takes and drops vm.lock."""
        vm = running(cpu).vm
        yield from sl_lock(cpu, vm.lock)
        writable = mailbox_of(vm).writable
        mailbox_of(vm).writable &= writable - 1
        yield from sl_unlock(cpu, vm.lock)
        some = self.require(writable != 0, "a mailbox became free", vm.mailbox, writable=writable)
        return abi.lowest_bit(writable) if some else some

    def api_mailbox_waiter_get(self, cpu: Cpu, vm_id: int) -> Steps[int]:
        """Take a VM that waits for a mailbox that is free, and note for it that it is. -1 if there is none.

        Takes and drops the lock of the mailbox's VM, then that of the VM that waits.
        """
        vm = self.existing_vm(cpu, vm_id)
        if isinstance(vm, Refused):
            return vm
        yield from sl_lock(cpu, vm.lock)
        waiting = mailbox_of(vm).waiting if vm.mailbox.state is MailboxState.EMPTY else 0
        mailbox_of(vm).waiting ^= waiting & -waiting
        some = self.require(
            waiting != 0,
            "a VM waits for the mailbox, and it is EMPTY",
            vm.mailbox,
            state=vm.mailbox.state,
            waiting=waiting,
        )
        yield from sl_unlock(cpu, vm.lock)
        if not some:
            return some
        waiter = self.vms[abi.lowest_bit(waiting)]
        yield from sl_lock(cpu, waiter.lock)
        mailbox_of(waiter).writable |= 1 << vm.id
        yield from sl_unlock(cpu, waiter.lock)
        return waiter.id
