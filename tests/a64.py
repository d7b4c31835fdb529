"""A tiny AArch64 encoder: what the isolation tests need to write guests, one 32-bit word per instruction."""

import struct
from collections.abc import Iterator

SysReg = tuple[int, int, int, int, int]
"""A system register: op0, op1, CRn, CRm, op2."""

SYSTEM: dict[str, SysReg] = {
    "SCTLR_EL1": (3, 0, 1, 0, 0), "ACTLR_EL1": (3, 0, 1, 0, 1), "CPACR_EL1": (3, 0, 1, 0, 2),
    "TTBR0_EL1": (3, 0, 2, 0, 0), "TTBR1_EL1": (3, 0, 2, 0, 1), "TCR_EL1": (3, 0, 2, 0, 2),
    "SPSR_EL1": (3, 0, 4, 0, 0), "ELR_EL1": (3, 0, 4, 0, 1), "SP_EL0": (3, 0, 4, 1, 0),
    "SPSel": (3, 0, 4, 2, 0), "AFSR0_EL1": (3, 0, 5, 1, 0), "AFSR1_EL1": (3, 0, 5, 1, 1),
    "ESR_EL1": (3, 0, 5, 2, 0), "FAR_EL1": (3, 0, 6, 0, 0), "PAR_EL1": (3, 0, 7, 4, 0),
    "MAIR_EL1": (3, 0, 10, 2, 0), "AMAIR_EL1": (3, 0, 10, 3, 0), "VBAR_EL1": (3, 0, 12, 0, 0),
    "CONTEXTIDR_EL1": (3, 0, 13, 0, 1), "TPIDR_EL1": (3, 0, 13, 0, 4), "CNTKCTL_EL1": (3, 0, 14, 1, 0),
    "CSSELR_EL1": (3, 2, 0, 0, 0), "NZCV": (3, 3, 4, 2, 0), "DAIF": (3, 3, 4, 2, 1), "FPCR": (3, 3, 4, 4, 0),
    "TPIDR_EL0": (3, 3, 13, 0, 2), "TPIDRRO_EL0": (3, 3, 13, 0, 3), "CNTV_CTL_EL0": (3, 3, 14, 3, 1),
    "CNTV_CVAL_EL0": (3, 3, 14, 3, 2), "MPIDR_EL1": (3, 0, 0, 0, 5), "MDSCR_EL1": (2, 0, 0, 2, 2),
    "DBGBVR0_EL1": (2, 0, 0, 0, 4), "DBGBCR0_EL1": (2, 0, 0, 0, 5), "DBGWVR0_EL1": (2, 0, 0, 0, 6),
    "DBGWCR0_EL1": (2, 0, 0, 0, 7), "OSLAR_EL1": (2, 0, 1, 0, 4), "PMCR_EL0": (3, 3, 9, 12, 0),
}  # fmt: skip
HVC, SMC, SVC, BRK, WFI, WFE, ERET, RET, NOP, ISB, DSB = (
    0xD400_0002, 0xD400_0003, 0xD400_0001, 0xD420_0000, 0xD503_207F, 0xD503_205F, 0xD69F_03E0, 0xD65F_03C0,
    0xD503_201F, 0xD503_3FDF, 0xD503_3F9F,
)  # fmt: skip
BLR_X7 = 0xD63F_00E0
"""Call x7 (blr)."""
TLBI_VMALLE1, IC_IALLU = 0xD508_871F, 0xD508_751F
EQ, NE = 0, 1
SP = 31


def mov(rd: int, value: int) -> list[int]:
    """Load a 64-bit number: one movz and as many movk as it takes."""
    parts = [(shift, value >> 16 * shift & 0xFFFF) for shift in range(4)]
    used = [part for part in parts if part[1]] or [(0, 0)]
    words = [0xD280_0000 | used[0][0] << 21 | used[0][1] << 5 | rd]
    return words + [0xF280_0000 | shift << 21 | half << 5 | rd for shift, half in used[1:]]


def msr(register: str, rt: int) -> int:
    """Write a system register."""
    return _system(SYSTEM[register]) | rt


def mrs(rt: int, register: str) -> int:
    """Read a system register."""
    return _system(SYSTEM[register]) | 1 << 21 | rt


def _system(register: SysReg) -> int:
    op0, op1, crn, crm, op2 = register
    return 0xD500_0000 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


def ldr(rt: int, rn: int, offset: int = 0) -> int:
    """Load 64 bits; `offset` is a multiple of 8."""
    return 0xF940_0000 | offset >> 3 << 10 | rn << 5 | rt


def str_(rt: int, rn: int, offset: int = 0) -> int:
    """Store 64 bits; `offset` is a multiple of 8."""
    return 0xF900_0000 | offset >> 3 << 10 | rn << 5 | rt


def ldr_post(rt: int, rn: int, step: int) -> int:
    """Load 64 bits, then add `step` to the base."""
    return 0xF840_0400 | (step & 0x1FF) << 12 | rn << 5 | rt


def ldxr(rt: int, rn: int) -> int:
    """Load 64 bits exclusively."""
    return 0xC85F_7C00 | rn << 5 | rt


def stxr(rs: int, rt: int, rn: int) -> int:
    """Store 64 bits exclusively; `rs` is 0 if it was done."""
    return 0xC800_7C00 | rs << 16 | rn << 5 | rt


def add(rd: int, rn: int, rm: int) -> int:
    """Add two registers."""
    return 0x8B00_0000 | rm << 16 | rn << 5 | rd


def add_imm(rd: int, rn: int, value: int) -> int:
    """Add a number below 4096; register 31 is the stack pointer."""
    return 0x9100_0000 | value << 10 | rn << 5 | rd


def sub_imm(rd: int, rn: int, value: int) -> int:
    """Subtract a number below 4096; register 31 is the stack pointer."""
    return 0xD100_0000 | value << 10 | rn << 5 | rd


def eor(rd: int, rn: int, rm: int) -> int:
    """Exclusive or of two registers."""
    return 0xCA00_0000 | rm << 16 | rn << 5 | rd


def mul(rd: int, rn: int, rm: int) -> int:
    """Multiply two registers."""
    return 0x9B00_7C00 | rm << 16 | rn << 5 | rd


def cmp(rn: int, rm: int) -> int:
    """Compare two registers."""
    return 0xEB00_001F | rm << 16 | rn << 5


def br(rn: int) -> int:
    """Branch to a register."""
    return 0xD61F_0000 | rn << 5


class Program:
    """Machine code at `base` with labels: `add` words, `label` a place, branch to labels before or after."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.words: list[int] = []
        self.labels: dict[str, int] = {}
        self.branches: list[tuple[int, int, int, str]] = []

    @property
    def here(self) -> int:
        """The address of the next instruction."""
        return self.base + 4 * len(self.words)

    def add(self, *code: "int | list[int]") -> None:
        """Append instructions."""
        for item in code:
            self.words += item if isinstance(item, list) else [item]

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self.labels[name] = self.here

    def b(self, name: str) -> None:
        """Branch."""
        self._branch(0x1400_0000, 0, 26, name)

    def bl(self, name: str) -> None:
        """Call."""
        self._branch(0x9400_0000, 0, 26, name)

    def b_if(self, condition: int, name: str) -> None:
        """Branch on `EQ` or `NE`."""
        self._branch(0x5400_0000 | condition, 5, 19, name)

    def cbz(self, rt: int, name: str) -> None:
        """Branch if a register is zero."""
        self._branch(0xB400_0000 | rt, 5, 19, name)

    def cbnz(self, rt: int, name: str) -> None:
        """Branch if a register is not zero."""
        self._branch(0xB500_0000 | rt, 5, 19, name)

    def _branch(self, word: int, shift: int, bits: int, name: str) -> None:
        self.branches.append((len(self.words), shift, bits, name))
        self.words.append(word)

    def image(self) -> bytes:
        """The code, every branch resolved."""
        words = list(self.words)
        for at, shift, bits, name in self.branches:
            offset = (self.labels[name] - self.base) // 4 - at
            words[at] |= (offset & (1 << bits) - 1) << shift
        return struct.pack(f"<{len(words)}I", *words)

    def __iter__(self) -> Iterator[int]:
        return iter(self.words)
