"""Repairs of waiting and being woken: WFI, WFE, virtual interrupts, and the timer's traps."""

from hfedu.hf import arch
from hfedu.hf.api import WAITS, Result, running
from hfedu.hf.call import ERROR, HF_PRIMARY_VM_ID, MASK32
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.handler import call_number, skip_instruction
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Vm
from hfedu.history import abi
from hfedu.history.abi import later


class WfiRepeats(Hypervisor):
    """A trapped WFI is not skipped, so the vCPU traps on it again whenever it runs.

    The WFI is skipped, and it does not wait while an interrupt is pending.
    """

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
    """A trapped WFE goes back to itself for ever. Only hardware traps it: here a scripted guest stands in.

    The WFE is skipped, and the vCPU yields.
    """

    def wfe(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        skip_instruction(cpu, esr)
        return (yield from self.api_yield(cpu))


class NoInterrupt(Hypervisor):
    """Nothing wakes a vCPU that waits in a WFI, so a message to it is never received.

    The primary can inject an interrupt, which ends the wait of a WFI, and of a receive with -1. A real guest finds it
    at its vector, a script asks for it; a vCPU that runs on another CPU sees it after its next trap.
    """

    def hvc_handler(self, cpu: Cpu, function: int, arg1: int, arg2: int, arg3: int) -> Steps[Result]:
        match call_number(function):
            case abi.HF_INTERRUPT_GET:
                return (yield from self.api_interrupt_get(cpu)), None
            case abi.HF_INTERRUPT_INJECT:
                return (yield from self.api_interrupt_inject(cpu, arg1, arg2, arg3)), None
        return (yield from super().hvc_handler(cpu, function, arg1, arg2, arg3))

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
        target = self.vcpu_of_secondary(cpu, vm_id & MASK32, vcpu_idx & MASK32)
        if target is None or intid >= abi.HF_NUM_INTIDS:
            return ERROR
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
    """CNTHCTL_EL2 is set as if its bits forbade, so the primary's look at its counter or timer hangs the CPU.

    The primary may use counter and timer, and a secondary may not.
    """

    def vm_set_current(self, cpu: Cpu, vm: Vm) -> None:
        super().vm_set_current(cpu, vm)
        cpu.cnthctl_el2 = arch.CNTHCTL_SECONDARY if vm.id == HF_PRIMARY_VM_ID else arch.CNTHCTL_PRIMARY


class LateInterrupt(Hypervisor):
    """A blocking receive waits although an interrupt is pending.

    It returns -1 instead, so that the guest can see to the interrupt.
    """

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        if not later(vcpu).pending:
            return (yield from super().receive_blocking(cpu, vcpu))
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return ERROR, None
