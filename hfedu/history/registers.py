"""Repairs of registers that one vCPU inherits from another."""

from hfedu.hf.arch import REGISTER_NAMES
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.history.abi import later


class ExceptionRegs(Hypervisor):
    """The repair of exception-regs."""

    saved_registers = len(REGISTER_NAMES)


class FpRegs(Hypervisor):
    """The repair of fp-regs."""

    def save_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        super().save_registers(cpu, vcpu)
        later(vcpu).fp_regs = cpu.read_fp()

    def restore_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        super().restore_registers(cpu, vcpu)
        cpu.write_fp(later(vcpu).fp_regs)
