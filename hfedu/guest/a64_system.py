"""System registers as a guest of the interpreter finds them: those of a Cortex-A57 that this hypervisor lets it touch.

A register is named by its encoding: op0, op1, CRn, CRm, op2.
"""

from typing import Any

from hfedu.board.arch_timer import ArchTimer
from hfedu.guest.syndrome import signed
from hfedu.hf import arch
from hfedu.hf.call import MASK64

Encoding = tuple[int, int, int, int, int]
SYSTEM_REGISTER_NAMES: dict[Encoding, str] = {
    (3, 2, 0, 0, 0): "CSSELR_EL1", (3, 0, 1, 0, 0): "SCTLR_EL1", (3, 0, 1, 0, 2): "CPACR_EL1",
    (3, 0, 2, 0, 0): "TTBR0_EL1", (3, 0, 2, 0, 1): "TTBR1_EL1", (3, 0, 2, 0, 2): "TCR_EL1",
    (3, 0, 5, 2, 0): "ESR_EL1", (3, 0, 6, 0, 0): "FAR_EL1", (3, 0, 10, 2, 0): "MAIR_EL1",
    (3, 0, 12, 0, 0): "VBAR_EL1", (3, 0, 13, 0, 1): "CONTEXTIDR_EL1", (3, 3, 13, 0, 2): "TPIDR_EL0",
    (3, 3, 13, 0, 3): "TPIDRRO_EL0", (3, 0, 13, 0, 4): "TPIDR_EL1", (3, 0, 14, 1, 0): "CNTKCTL_EL1",
    (3, 0, 4, 1, 0): "SP_EL0", (3, 0, 7, 4, 0): "PAR_EL1", (3, 0, 4, 0, 1): "ELR_EL1", (3, 0, 4, 0, 0): "SPSR_EL1",
}  # fmt: skip
"""What EL1 reads and writes, by its place in `ArchRegs`."""
FIXED_REGISTERS: dict[Encoding, int] = {
    (3, 0, 0, 0, 0): 0x411F_D070, (3, 0, 0, 0, 6): 0, (3, 1, 0, 0, 1): 0x0A20_0023, (3, 1, 0, 0, 7): 0,
    (3, 3, 0, 0, 1): 0x8444_C004,
    (3, 3, 14, 0, 0): 0x03B9_ACA0, (3, 1, 15, 3, 0): 0, (2, 0, 1, 1, 4): 8,
}  # fmt: skip
"""What says the same to everybody: identification, and the frequency of the counter."""
IDENTITY: dict[Encoding, int] = {
    (3, 0, 0, 1, 0): 0x131, (3, 0, 0, 1, 1): 0x1_1011, (3, 0, 0, 1, 2): 0x0301_0066, (3, 0, 0, 1, 4): 0x1010_1105,
    (3, 0, 0, 1, 5): 0x4000_0000, (3, 0, 0, 1, 6): 0x0126_0000, (3, 0, 0, 1, 7): 0x0210_2211,
    (3, 0, 0, 2, 0): 0x0210_1110, (3, 0, 0, 2, 1): 0x1311_2111, (3, 0, 0, 2, 2): 0x2123_2042,
    (3, 0, 0, 2, 3): 0x0111_2131, (3, 0, 0, 2, 4): 0x1_1142, (3, 0, 0, 2, 5): 0x1_1121,
    (3, 0, 0, 3, 0): 0x1011_0222, (3, 0, 0, 3, 1): 0x1211_1111, (3, 0, 0, 3, 2): 0x43, (3, 0, 0, 4, 0): 0x2222,
    (3, 0, 0, 5, 0): 0x1030_5106, (3, 0, 0, 6, 0): 0x1_1120, (3, 0, 0, 7, 0): 0x1124,
}  # fmt: skip
"""The ID registers that are not 0, of CRm 1 to 7."""
IGNORING = {(3, 0, 5, 1, 0), (3, 0, 5, 1, 1), (3, 0, 10, 3, 0)}
"""Registers that ignore what is written: AFSR0_EL1, AFSR1_EL1, AMAIR_EL1."""
CACHES = {0: 0x701F_E00A, 1: 0x201F_E012, 2: 0x70FF_E07A}
"""CCSIDR_EL1 by CSSELR_EL1."""
DCZID, ZVA_BYTES = 4, 64
TRANSLATION = {"SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1", "CONTEXTIDR_EL1"}
"""Registers after whose change addresses may mean something else."""
KEPT_PLACES = {encoding: arch.REGISTER_NAMES.index(name) for encoding, name in SYSTEM_REGISTER_NAMES.items()}
SCTLR_EL1, CNTKCTL_EL1, CSSELR_EL1 = (arch.REGISTER_NAMES.index(n) for n in ("SCTLR_EL1", "CNTKCTL_EL1", "CSSELR_EL1"))
ASK_EL0 = {(3, 3, 13, 0, 2), (3, 3, 13, 0, 3), (3, 3, 4, 2, 0), (3, 3, 4, 4, 0), (3, 3, 4, 4, 1), (3, 3, 0, 0, 7)}
"""What EL0 reads without being asked."""
OTHERS = {(3, 0, 9, 14, 1), (3, 0, 9, 14, 2), (2, 0, 0, 1, 0), (2, 0, 0, 2, 0), (2, 0, 1, 3, 4)}
"""Registers of performance monitors and of debugging that this CPU lacks."""
BIG_ENDIAN = 3 << 24
"""SCTLR_EL1.EE and E0E: a guest whose data are big-endian does not run here."""
MDSCR_EL1, OSLAR_EL1 = (2, 0, 0, 2, 2), (2, 0, 1, 0, 4)


def is_debug(at: Encoding) -> bool:
    """Whether a register belongs to a breakpoint or a watchpoint, or is MDSCR_EL1."""
    crm, op2 = at[3:]
    return at == MDSCR_EL1 or (at[:3] == (2, 0, 0) and op2 >= 4 and crm < (6 if op2 < 6 else 4))


class SystemRegisters:
    """What MRS reads and MSR writes, for `cpu`, a `PythonCpu`."""

    def __init__(self, cpu: Any) -> None:
        self.cpu = cpu
        self.debug: dict[Encoding, int] = {}
        """What was written to the registers of breakpoints and watchpoints, which do nothing here."""
        self.fp_control = [0, 0]
        """FPCR and FPSR."""

    def el0_may(self, at: Encoding, write: bool) -> bool:
        """Whether EL1 lets EL0 touch a register."""
        sctlr, cntkctl = self.cpu.live[SCTLR_EL1], self.cpu.live[CNTKCTL_EL1]
        if at in ASK_EL0:
            return not write or at not in ((3, 3, 13, 0, 3), (3, 3, 0, 0, 7))
        if at == (3, 3, 4, 2, 1):
            return bool(sctlr >> 9 & 1)
        if at == (3, 3, 0, 0, 1):
            return bool(sctlr >> 15 & 1) and not write
        if at == (3, 3, 14, 0, 0):
            return bool(cntkctl & 3) and not write
        if at[:3] == (3, 3, 14):
            return bool(cntkctl >> {0: 1 if at[4] == 2 else 0, 2: 9, 3: 8}.get(at[3], 63) & 1)
        return False

    def refused(self, at: Encoding, write: bool) -> bool:
        """Whether EL2 or the state of the CPU takes this access away from EL1."""
        cnthctl = self.cpu.cpu.cnthctl_el2
        if at == (3, 0, 4, 1, 0):
            return not self.cpu.live[arch.SPSR] & 1
        if at[:3] == (3, 3, 14):
            return (at[3:] == (0, 1) and not cnthctl & 1) or (at[3] == 2 and not cnthctl & 2)
        return False

    def read(self, at: Encoding) -> int | None:
        """What MRS gives, None if it is undefined. `KeyError` if that is not known."""
        cpu = self.cpu
        el = cpu.live[arch.SPSR] >> 2 & 3
        if (not el and not self.el0_may(at, False)) or self.refused(at, False):
            return None
        if at in KEPT_PLACES:
            return cpu.live[KEPT_PLACES[at]]  # type: ignore[no-any-return]
        if at in FIXED_REGISTERS:
            return FIXED_REGISTERS[at]
        if at[:3] == (3, 0, 0) and 0 < at[3] < 8:
            return IDENTITY.get(at, 0)
        if at in IGNORING:
            return 0
        if el and is_debug(at):
            return self.debug.get(at, 0)
        match at:
            case (3, 0, 0, 0, 5):
                return cpu.live[arch.VMPIDR_EL2]  # type: ignore[no-any-return]
            case (3, 0, 12, 1, 0):
                return cpu.signalled()  # type: ignore[no-any-return]
            case (3, 0, 4, 2, 0):
                return cpu.live[arch.SPSR] & 1  # type: ignore[no-any-return]
            case (3, 0, 4, 2, 2):
                return el << 2  # type: ignore[no-any-return]
            case (3, 3, 4, 2, 0):
                return cpu.flags() << 28  # type: ignore[no-any-return]
            case (3, 3, 4, 2, 1):
                return cpu.live[arch.SPSR] & 0x3C0  # type: ignore[no-any-return]
            case (3, 3, 4, 4, 0 | 1):
                return self.fp_control[at[4]]
            case (3, 1, 0, 0, 0):
                return CACHES.get(cpu.live[CSSELR_EL1] & 15, 0)
            case (3, 3, 0, 0, 7):
                return DCZID | (not el and not cpu.live[SCTLR_EL1] >> 14 & 1) << 4
            case (3, 3, 14, 0, 1 | 2):
                return cpu.clock.now() & MASK64  # type: ignore[no-any-return]
            case (3, 3, 14, 2 | 3, 0 | 1 | 2):
                return self.timer(at[3]).read(at[4])
        return self.unknown(at)

    def write(self, at: Encoding, value: int) -> bool:
        """What MSR does; False if it is undefined. `KeyError` if that is not known."""
        cpu = self.cpu
        if (not cpu.live[arch.SPSR] & 0xC and not self.el0_may(at, True)) or self.refused(at, True):
            return False
        if KEPT_PLACES.get(at) == SCTLR_EL1 and value & BIG_ENDIAN:
            raise KeyError(at)
        if at in KEPT_PLACES:
            cpu.write_kept(KEPT_PLACES[at], value)
            return True
        if at in IGNORING or at == OSLAR_EL1:
            return True
        if is_debug(at):
            if at[4] == 6:  # an address of a watchpoint
                value = signed(value & (1 << 49) - 1, 49) & -4 & MASK64
            elif at[4] == 5:  # two bits of a breakpoint's byte select are copies of their neighbours
                value = value & ~0x140 | (value & 0xA0) << 1
            self.debug[at] = value
            cpu.look_at_masks()
            return True
        match at:
            case (3, 0, 4, 2, 0):
                cpu.set_pstate(cpu.live[arch.SPSR] & ~1 | value & 1)
            case (3, 3, 4, 2, 0):
                cpu.set_flags(value >> 28 & 15)
            case (3, 3, 4, 2, 1):
                cpu.live[arch.SPSR] = cpu.live[arch.SPSR] & ~0x3C0 | value & 0x3C0
                cpu.look_at_masks()
            case (3, 3, 4, 4, 0 | 1):
                self.fp_control[at[4]] = value & (0xF800_009F if at[4] else 0x07F7_0000)
            case (3, 3, 14, 2 | 3, 0 | 1 | 2):
                self.timer(at[3]).write(at[4], value)
            case _:
                return self.unknown(at) is not None
        return True

    def unknown(self, at: Encoding) -> int | None:
        """None for a register that there is not, or that is not a guest's. `KeyError` for one that hfedu lacks."""
        crm = at[3]
        monitors = at[:3] == (3, 3, 9) and crm in (12, 13, 14)
        monitors |= at[:3] == (3, 3, 14) and crm >= 8
        if monitors or at in OTHERS:
            raise KeyError(at)
        return None

    def timer(self, crm: int) -> ArchTimer:
        """The virtual or the physical timer of this CPU."""
        timers = self.cpu.board.timers
        return (timers.virtual if crm == 3 else timers.physical)[self.cpu.cpu.id]  # type: ignore[no-any-return]
