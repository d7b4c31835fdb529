"""Repairs of what happens when a guest does what the hypervisor cannot let it do."""

from hfedu.hf.api import Result, running
from hfedu.hf.call import HF_PRIMARY_VM_ID, MASK32, hf_vcpu_run_response
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps
from hfedu.history.abi import LaterVcpuRun, LaterVcpuState, LaterVm


class AbortHangs(Hypervisor):
    """When a guest touches memory that is not its own, the hypervisor spins for ever, and a physical CPU is lost.

    A secondary that faults is stopped, and HF_VCPU_RUN returns ABORTED for it and from then on for each of its VM's
    vCPUs. Without its primary the machine has nothing to go on with: there the CPU is lost as before.
    """

    def abort(self, cpu: Cpu, what: str) -> Steps[Vcpu]:
        vm = running(cpu).vm
        if vm.id == HF_PRIMARY_VM_ID:
            return (yield from super().abort(cpu, what))
        assert isinstance(vm, LaterVm)
        yield Step("abort", vm)
        vm.aborting = True
        response = hf_vcpu_run_response(LaterVcpuRun.ABORTED, vm.id, 0)
        return (yield from self.api_switch_to_primary(cpu, response, LaterVcpuState.ABORTED))

    def api_vcpu_run(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Steps[Result]:
        vcpu = self.vcpu_of_secondary(cpu, vm_id & MASK32, vcpu_idx & MASK32)
        if vcpu is not None:
            assert isinstance(vcpu.vm, LaterVm)
            yield Step("abort", vcpu.vm)
            if vcpu.vm.aborting:
                return hf_vcpu_run_response(LaterVcpuRun.ABORTED, vcpu.vm.id, 0), None
        return (yield from super().api_vcpu_run(cpu, vm_id, vcpu_idx))
