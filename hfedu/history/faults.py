"""Repairs of what happens when a guest does what the hypervisor cannot let it do."""

from hfedu.hf.api import Result, running
from hfedu.hf.call import HF_PRIMARY_VM_ID, WAITS, hf_vcpu_run_response
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps
from hfedu.history.abi import LaterVcpuRun, LaterVcpuState, LaterVm


class AbortHangs(Hypervisor):
    """The repair of abort-hangs."""

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
        vcpu = self.vcpu_of_secondary(cpu, vm_id, vcpu_idx, WAITS)
        if isinstance(vcpu, Vcpu):
            vm = vcpu.vm
            assert isinstance(vm, LaterVm)
            yield Step("abort", vm)
            aborted = hf_vcpu_run_response(LaterVcpuRun.ABORTED, vm.id, 0)
            lives = self.require(not vm.aborting, "the VM was not stopped", vm, aborted)
            if not lives:
                return lives, None
        return (yield from super().api_vcpu_run(cpu, vm_id, vcpu_idx))
