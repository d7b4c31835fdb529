"""Repairs of what happens when a CPU goes from one vCPU to another."""

from hfedu.hf.api import WAITS, Result
from hfedu.hf.call import HF_PRIMARY_VM_ID, hf_vcpu_run_response
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.history.abi import LaterVcpuRun, later


class BlockedState(Hypervisor):
    """A vCPU that waits for a message is recorded as waiting for an interrupt: the switch overwrites its state.

    The switch leaves it BLOCKED_MAILBOX.
    """

    def wait_for_message(self, cpu: Cpu) -> Steps[Vcpu]:
        return (yield from self.api_switch_to_primary(cpu, WAITS, VcpuState.BLOCKED_MAILBOX))


class RegsRace(Hypervisor):
    """A vCPU is ready before the CPU that leaves it has saved its registers: another CPU can run it with old ones, and
    the late save overwrites its result.

    A vCPU runs only once its registers are saved, tested and taken under one lock; its result is kept beside them
    until it runs.
    """

    def take_locked(self, vcpu: Vcpu) -> bool:
        vcpu = later(vcpu)
        if not vcpu.regs_available or not super().take_locked(vcpu):
            return False
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
    """A blocking receive goes back to the primary with its VM's lock held, and takes the vCPU's lock again under it.

    It drops both locks before it goes back. From then on a sender may wake the vCPU, so its state is not written again.
    """

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        yield from self.push_waiter(cpu, vcpu, VcpuState.BLOCKED_MAILBOX)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return 0, (yield from self.return_to_primary(cpu, WAITS))


class PreemptAsYield(Hypervisor):
    """The primary cannot tell a vCPU that an interrupt stopped from one that yielded.

    After an interrupt it sees PREEMPTED.
    """

    def irq_lower(self, cpu: Cpu) -> Steps[Vcpu]:
        response = hf_vcpu_run_response(LaterVcpuRun.PREEMPTED, 0, 0)
        return (yield from self.api_switch_to_primary(cpu, response, VcpuState.READY))
