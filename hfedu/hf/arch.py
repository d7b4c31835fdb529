"""Registers of a vCPU and the system-register values the hypervisor programs (upstream: src/arch/aarch64).

When it switches vCPUs, this hypervisor saves the first `SAVED` registers of an `ArchRegs`: x0-x30, PC, SPSR and
`SYSTEM_REGISTERS`. It does not save `UNSAVED_REGISTERS` nor the floating-point registers: upstream did not at this
commit. So they stay in the CPU, and the next vCPU finds them there.
"""

from array import array

SYSTEM_REGISTERS = (
    "VMPIDR_EL2 CSSELR_EL1 SCTLR_EL1 ACTLR_EL1 CPACR_EL1 TTBR0_EL1 TTBR1_EL1 TCR_EL1 ESR_EL1 AFSR0_EL1 AFSR1_EL1 "
    "FAR_EL1 MAIR_EL1 VBAR_EL1 CONTEXTIDR_EL1 TPIDR_EL0 TPIDRRO_EL0 TPIDR_EL1 AMAIR_EL1 CNTKCTL_EL1 SP_EL0 SP_EL1 "
    "PAR_EL1"
).split()
UNSAVED_REGISTERS = ["ELR_EL1", "SPSR_EL1"]
PC, SPSR, SYSTEM = 31, 32, 33
SAVED = SYSTEM + len(SYSTEM_REGISTERS)
REGISTER_NAMES = (*(f"x{n}" for n in range(31)), "pc", "spsr", *SYSTEM_REGISTERS, *UNSAVED_REGISTERS)
FP_SIZE = 34 * 16
"""Bytes of q0-q31, FPCR and FPSR, 16 for each."""
VMPIDR_EL2 = SYSTEM + SYSTEM_REGISTERS.index("VMPIDR_EL2")

SPSR_EL1H_DAIF_MASKED = 0x3C5
PSTATE_I = 1 << 7
"""Interrupts are masked."""

HCR_VM, HCR_PTW, HCR_FMO, HCR_IMO, HCR_AMO = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5
HCR_VF, HCR_VI, HCR_FB, HCR_BSU_IS, HCR_TWI, HCR_TWE = 1 << 6, 1 << 7, 1 << 9, 1 << 10, 1 << 13, 1 << 14
HCR_TSC, HCR_TIDCP, HCR_TACR, HCR_RW = 1 << 19, 1 << 20, 1 << 21, 1 << 31
HCR_ALL_VMS = HCR_RW | HCR_TACR | HCR_TSC | HCR_TIDCP | HCR_PTW | HCR_VM
HCR_SECONDARY = HCR_ALL_VMS | HCR_AMO | HCR_IMO | HCR_FMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TWE
CNTHCTL_PRIMARY, CNTHCTL_SECONDARY = 0, 3

EC_WFI_WFE, EC_HVC, EC_SMC, EC_SYSREG = 0x01, 0x16, 0x17, 0x18
EC_INSTRUCTION_ABORT, EC_DATA_ABORT, EC_DATA_ABORT_SAME_EL = 0x20, 0x24, 0x25
ESR_IL = 1 << 25
ESR_FNV = 1 << 10


class ArchRegs(array):  # type: ignore[type-arg]
    """The registers of one vCPU or CPU: 64-bit values in the order of `REGISTER_NAMES`, all zero at first."""

    __slots__ = ()

    def __new__(cls) -> "ArchRegs":
        """A register file full of zeroes."""
        return super().__new__(cls, "Q", bytes(8 * len(REGISTER_NAMES)))  # type: ignore[return-value]

    def set_retval(self, value: int) -> None:
        """Set x0, which a guest reads as the result of its hypercall."""
        self[0] = value

    def set_pc_arg(self, pc: int, arg: int) -> None:
        """Make the vCPU start at `pc` with `arg` in x0, at EL1h, exceptions masked."""
        self[PC], self[SPSR], self[0] = pc, SPSR_EL1H_DAIF_MASKED, arg
