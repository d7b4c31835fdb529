"""Repairs of waiting and being woken: WFI, WFE, virtual interrupts, and the timer's traps."""

from hfedu.hf import arch
from hfedu.hf.api import Result, running
from hfedu.hf.call import ERROR, HF_PRIMARY_VM_ID, WAITS
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.handler import skip_instruction
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Vm
from hfedu.history import abi
from hfedu.history.abi import later


class WfiRepeats(Hypervisor):
    """The repair of wfi-repeats."""

    def wfi(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        skip_instruction(cpu, esr)
        vcpu = later(running(cpu))
        yield from sl_lock(cpu, vcpu.vm.lock)
        waits = not vcpu.pending
        if waits:
            yield from sl_lock(cpu, vcpu.lock)
            vcpu.state = VcpuState.BLOCKED_INTERRUPT
            yield from sl_unlock(cpu, vcpu.lock)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return (yield from self.return_to_primary(cpu, WAITS)) if waits else None


class WfeLoops(Hypervisor):
    """The repair of wfe-loops."""

    def wfe(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        skip_instruction(cpu, esr)
        return (yield from self.api_yield(cpu))


class NoInterrupt(Hypervisor):
    """The repair of no-interrupt."""

    rows = abi.INTERRUPT_CALLS

    def api_interrupt_get(self, cpu: Cpu) -> Steps[int]:
        """Take the calling vCPU's lowest pending interrupt. Takes and drops vm.lock."""
        vcpu = later(running(cpu))
        yield from sl_lock(cpu, vcpu.vm.lock)
        intid = abi.lowest_bit(vcpu.pending) if vcpu.pending else abi.HF_INVALID_INTID
        vcpu.pending &= vcpu.pending - 1
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return intid

    def api_interrupt_inject(self, cpu: Cpu, vm_id: int, vcpu_idx: int, intid: int) -> Steps[int]:
        """Make an interrupt pending, and the vCPU ready if it waits: 0, or -1.

        Takes and drops vm.lock, and inside it vcpu.lock.
        """
        target = self.vcpu_of_secondary(cpu, vm_id, vcpu_idx)
        if isinstance(target, Refused):
            return target
        exists = self.require(intid < abi.HF_NUM_INTIDS, "intid < HF_NUM_INTIDS", target, intid=intid)
        if not exists:
            return exists
        vcpu = later(target)
        yield from sl_lock(cpu, vcpu.vm.lock)
        vcpu.pending |= 1 << intid
        yield from sl_lock(cpu, vcpu.lock)
        if vcpu.state in (VcpuState.BLOCKED_MAILBOX, VcpuState.BLOCKED_INTERRUPT):
            yield Step("wake", vcpu)
            if vcpu.state is VcpuState.BLOCKED_MAILBOX:
                take_off_waiters(vcpu)
                self.set_retval(vcpu, ERROR)
            vcpu.state = VcpuState.READY
        yield from sl_unlock(cpu, vcpu.lock)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return 0

    def switch(self, cpu: Cpu, next_vcpu: Vcpu | None) -> Steps[None]:
        vcpu = later(next_vcpu or running(cpu))
        if vcpu.vm.id != HF_PRIMARY_VM_ID:
            yield Step("interrupt", vcpu)
            cpu.hcr_el2 = cpu.hcr_el2 & ~arch.HCR_VI | (arch.HCR_VI if vcpu.pending else 0)
        yield from super().switch(cpu, next_vcpu)


def take_off_waiters(vcpu: Vcpu) -> None:
    """Take a vCPU off its VM's stack of waiters, wherever it is. Under vm.lock."""
    mailbox = vcpu.vm.mailbox
    above = mailbox.recv_waiter
    if above is vcpu:
        mailbox.recv_waiter = vcpu.mailbox_next
    while above is not None and above.mailbox_next is not vcpu:
        above = above.mailbox_next
    if above is not None:
        above.mailbox_next = vcpu.mailbox_next


class TimerInverted(Hypervisor):
    """The repair of timer-inverted."""

    def vm_set_current(self, cpu: Cpu, vm: Vm) -> None:
        super().vm_set_current(cpu, vm)
        cpu.cnthctl_el2 = arch.CNTHCTL_SECONDARY if vm.id == HF_PRIMARY_VM_ID else arch.CNTHCTL_PRIMARY


class LateInterrupt(Hypervisor):
    """The repair of late-interrupt."""

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        pending = later(vcpu).pending
        free = self.require(not pending, "no interrupt is pending", vcpu, pending=pending)
        if free:
            return (yield from super().receive_blocking(cpu, vcpu))
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return free, None
