"""Repairs of what happens when a CPU goes from one vCPU to another."""

from hfedu.hf.api import Result
from hfedu.hf.call import HF_PRIMARY_VM_ID, WAITS, hf_vcpu_run_response
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.history.abi import LaterVcpuRun, later


class BlockedState(Hypervisor):
    """The repair of blocked-state."""

    def wait_for_message(self, cpu: Cpu) -> Steps[Vcpu]:
        return (yield from self.api_switch_to_primary(cpu, WAITS, VcpuState.BLOCKED_MAILBOX))


class RegsRace(Hypervisor):
    """The repair of regs-race."""

    def take_locked(self, vcpu: Vcpu) -> bool | Refused:
        vcpu = later(vcpu)
        available = self.require(vcpu.regs_available, "the registers are saved", vcpu, WAITS, state=vcpu.state)
        taken = available and super().take_locked(vcpu)
        if not taken:
            return taken
        vcpu.regs_available = False
        if vcpu.forced_retval is not None:
            vcpu.regs.set_retval(vcpu.forced_retval)
            vcpu.forced_retval = None
        return True

    def set_retval(self, vcpu: Vcpu, retval: int) -> None:
        later(vcpu).forced_retval = retval

    def save(self, cpu: Cpu, vcpu: Vcpu) -> Steps[None]:
        yield from super().save(cpu, vcpu)
        if vcpu.vm.id != HF_PRIMARY_VM_ID:  # no other CPU ever runs a vCPU of the primary
            yield from sl_lock(cpu, vcpu.lock)
            later(vcpu).regs_available = True
            yield from sl_unlock(cpu, vcpu.lock)


class NestedLocks(Hypervisor):
    """The repair of nested-locks."""

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        yield from self.push_waiter(cpu, vcpu, VcpuState.BLOCKED_MAILBOX)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return 0, (yield from self.return_to_primary(cpu, WAITS))


class PreemptAsYield(Hypervisor):
    """The repair of preempt-as-yield."""

    def irq_lower(self, cpu: Cpu) -> Steps[Vcpu]:
        response = hf_vcpu_run_response(LaterVcpuRun.PREEMPTED, 0, 0)
        return (yield from self.api_switch_to_primary(cpu, response, VcpuState.READY))
