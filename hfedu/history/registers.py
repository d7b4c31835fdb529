"""Repairs of registers that one vCPU inherits from another."""

from hfedu.hf.arch import REGISTER_NAMES
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.history.abi import later


class ExceptionRegs(Hypervisor):
    """ELR_EL1 and SPSR_EL1 are not switched: a vCPU finds those of the last one, and returns from its exception there.

    They are saved and restored like the others.
    """

    saved_registers = len(REGISTER_NAMES)


class FpRegs(Hypervisor):
    """Floating-point registers are not switched: here one VM reads another's. On hardware a secondary's first use of
    them traps and hangs the CPU, which Unicorn cannot show.

    q0-q31, FPCR and FPSR are saved and restored like the others.
    """

    def save_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        super().save_registers(cpu, vcpu)
        later(vcpu).fp_regs = cpu.read_fp()

    def restore_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        super().restore_registers(cpu, vcpu)
        cpu.write_fp(later(vcpu).fp_regs)
