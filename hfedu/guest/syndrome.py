"""What the hardware would have put into ESR, FAR and HPFAR.

Unicorn says only that an exception happened and where. This module decodes the instruction and walks the
tables again, in software, to say the rest. Encodings: Arm ARM, C4 (instructions) and D17 (ESR_EL2).
After a permission fault the architecture leaves open what HPFAR_EL2 holds: here it holds the page, as in QEMU.
"""

from typing import NamedTuple

from hfedu.hf import arch, mm
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.call import MASK64
from hfedu.hf.handler import Trap
from hfedu.hf.platform import BusError

FSC_ADDRESS_SIZE, FSC_TRANSLATION, FSC_ACCESS, FSC_PERMISSION, FSC_EXTERNAL = 0x00, 0x04, 0x08, 0x0C, 0x10
FSC_ALIGNMENT = 0x21
STRUCTURE_REGISTERS = {0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2}
WFI = 0xD503_207F
HVC_TRAP = Trap(arch.EC_HVC << 26 | arch.ESR_IL)
"""Every HVC looks the same: the hypervisor ignores the immediate, so nobody fetches the instruction to see it."""


class Access(NamedTuple):
    """What a load or store does: its address and size in bytes, and the syndrome bits that describe it."""

    va: int
    size: int
    write: bool
    iss: int


class Fault(NamedTuple):
    """Why an access fails: `stage` 1 or 2, the fault status code, the guest's address and, for stage 2, the IPA."""

    stage: int
    fsc: int
    va: int
    ipa: int
    s1ptw: bool = False


def unexplained(access: Access, fetch: bool) -> Fault:
    """The best guess where our walk allows what the emulator refused: what `Walker` does not model.

    A misaligned exclusive access, a fetch from a device, or stage-1 rights that come from WXN or a table.
    """
    if fetch:
        return Fault(1, FSC_EXTERNAL, access.va, 0)
    return Fault(1, FSC_ALIGNMENT if access.va % access.size else FSC_PERMISSION + 3, access.va, 0)


def signed(value: int, bits: int = 64) -> int:
    """`value` as a two's complement number of `bits` bits."""
    return value - (1 << bits) if value >> bits - 1 & 1 else value


def access_of(insn: int, pc: int, x: list[int], sp: int) -> Access | None:
    """Decode a load or store. `x` holds x0-x30. None for any other instruction."""
    rn, rt = insn >> 5 & 31, insn & 31
    base = sp if rn == 31 else x[rn]
    vector = insn >> 26 & 1
    size_field = insn >> 30
    if insn & 0x3F00_0000 == 0x0800_0000:  # exclusive and ordered
        ordered, load, pair = insn >> 23 & 1, insn >> 22 & 1, insn >> 21 & 1
        iss = _iss(size_field, False, rt, size_field == 3) | 1 << 14 if ordered and not pair else 0
        return Access(base, (1 << size_field) << pair, not load, iss)
    if insn & 0x3B00_0000 == 0x1800_0000:  # literal
        opc = insn >> 30
        size = 4 << opc if vector else (4, 8, 4, 1)[opc]
        iss = 0 if vector else _iss(2 if opc != 1 else 3, opc == 2, rt, opc != 0)
        return Access(pc + 4 * signed(insn >> 5 & 0x7FFFF, 19) & MASK64, size, False, iss)
    if insn & 0x3800_0000 == 0x2800_0000:  # pair
        opc, load, post = insn >> 30, insn >> 22 & 1, insn >> 23 & 3 == 1
        scale = 2 + opc if vector else 2 + (opc >> 1)
        offset = 0 if post else signed(insn >> 15 & 0x7F, 7) << scale
        return Access(base + offset & MASK64, 2 << scale, not load, 0)
    if insn & 0x3A00_0000 == 0x3800_0000 or insn & 0x3B00_0000 in (0x3800_0000, 0x3900_0000):  # single register
        opc = insn >> 22 & 3
        scale = size_field | (opc >> 1) << 2 if vector else size_field
        write = opc in (0, 2) if vector else opc == 0
        writeback = False
        if insn >> 24 & 1:
            offset = (insn >> 10 & 0xFFF) << scale
        elif insn >> 21 & 1:
            rm = insn >> 16 & 31
            index = 0 if rm == 31 else x[rm]
            option = insn >> 13 & 7
            if option & 3 == 2:
                index &= 0xFFFF_FFFF
                index = signed(index, 32) if option & 4 else index
            offset = index << (scale if insn >> 12 & 1 else 0)
        else:
            kind = insn >> 10 & 3
            writeback = kind in (1, 3)
            offset = 0 if kind == 1 else signed(insn >> 12 & 0x1FF, 9)
        sign_extend = not vector and opc >= 2
        wide = opc == 2 if sign_extend else size_field == 3
        iss = 0 if vector or writeback else _iss(size_field, sign_extend, rt, wide)
        return Access(base + offset & MASK64, 1 << scale, write, iss)
    if insn & 0xBE00_0000 == 0x0C00_0000:  # vector structures: of several registers, or one lane of up to four
        registers = STRUCTURE_REGISTERS.get(insn >> 12 & 15, 1)
        size = 32 if insn >> 24 & 1 else registers * (16 if insn >> 30 & 1 else 8)
        return Access(base, size, not insn >> 22 & 1, 0)
    by_address, translate = insn & 0xFFFF_F000 == 0xD50B_7000, insn & 0xFFFF_FF00 == 0xD508_7800
    if by_address or translate:  # DC and IC; AT, whose walk itself may abort
        return Access(x[rt] if rt < 31 else 0, 1, by_address, 0)
    return None


def _iss(size: int, sign_extend: bool, rt: int, wide: bool) -> int:
    """The part of a data abort's syndrome that describes a single-register access (ISV set)."""
    return 1 << 24 | size << 22 | sign_extend << 21 | rt << 16 | wide << 15


def refused_access(insn: int, regs: arch.ArchRegs, cnthctl: int) -> tuple[int, bool]:
    """The syndrome of an instruction that the emulator calls undefined, and whether it traps to EL2, not to EL1.

    What this hypervisor's HCR_EL2 and CNTHCTL_EL2 trap goes to EL2, unless the guest's own kernel keeps it from EL0.
    """
    if insn & 0xFFC0_0000 != 0xD500_0000:
        return arch.ESR_IL, False
    op0, op1, crn, crm, op2 = insn >> 19 & 3, insn >> 16 & 7, insn >> 12 & 15, insn >> 8 & 15, insn >> 5 & 7
    el0, cntkctl = regs[arch.SPSR] & 0xC == 0, regs[CNTKCTL_EL1]
    actlr = (op0, op1, crn, crm, op2) == (3, 0, 1, 0, 1) and not el0
    implementation_defined = op0 in (1, 3) and crn in (11, 15)
    timer = (op0, op1, crn) == (3, 3, 14) and (
        ((crm, op2) == (0, 1) and not cnthctl & 1 and (not el0 or bool(cntkctl & 1)))
        or (crm == 2 and not cnthctl & 2 and (not el0 or bool(cntkctl >> 9 & 1)))
    )
    to_el2 = actlr or implementation_defined or timer
    if not to_el2 and not (el0 and op1 == 3):
        return arch.ESR_IL, False
    iss = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | (insn & 31) << 5 | crm << 1 | insn >> 21 & 1
    return arch.EC_SYSREG << 26 | arch.ESR_IL | iss, to_el2


class Walker:
    """Walks a guest's two stages of tables in software, as its MMU did in the emulator."""

    def __init__(self, hypervisor: mm.Mm) -> None:
        self.mm, self.memory = hypervisor, hypervisor.memory

    def stage2(self, root: Pa, ipa: int, write: bool, fetch: bool) -> int | None:
        """The fault status code with which stage 2 refuses `ipa`, or None if it allows the access."""
        pte, level = self.mm.mm_walk(mm.Ptable(root, 0), ipa, 3)
        if not mm.arch_mm_pte_is_block(pte, level):
            return FSC_TRANSLATION + 3 - level
        if (fetch and pte & mm.STAGE2_XN) or not pte & (mm.STAGE2_S2AP_W if write else mm.STAGE2_S2AP_R):
            return FSC_PERMISSION + 3 - level
        return None

    def translate(self, regs: arch.ArchRegs, root: Pa, access: Access, fetch: bool = False) -> "int | Fault":
        """The IPA of an access, or the first fault it meets, page by page."""
        first = found = self._translate_page(regs, root, access.va, access.write, fetch)
        at = (access.va | PAGE_SIZE - 1) + 1
        while isinstance(found, int) and at < access.va + access.size:
            found = self._translate_page(regs, root, at & MASK64, access.write, fetch)
            at += PAGE_SIZE
        return first if isinstance(found, int) else found

    def _translate_page(self, regs: arch.ArchRegs, root: Pa, va: int, write: bool, fetch: bool) -> "int | Fault":
        ipa: int | Fault = va
        if regs[SCTLR_EL1] & 1:
            ipa = self._stage1(regs, root, va, write, fetch)
        elif va >> mm.PA_BITS:
            return Fault(1, FSC_ADDRESS_SIZE, va, 0)
        if isinstance(ipa, Fault):
            return ipa
        fsc = self.stage2(root, ipa, write, fetch)
        if fsc is not None:
            return Fault(2, fsc, va, ipa)
        return ipa if self.memory.answers(ipa) else Fault(1, FSC_EXTERNAL, va, ipa)

    def _stage1(self, regs: arch.ArchRegs, root: Pa, va: int, write: bool, fetch: bool) -> int | Fault:
        """A guest's own table, 4 KiB granule: the IPA of `va`, or the fault."""
        tcr, upper = regs[TCR_EL1], va >> 55 & 1
        size = 64 - min(39, max(16, tcr >> 16 & 63 if upper else tcr & 63))
        disabled, tagged = (tcr >> 23 & 1, tcr >> 38 & 1) if upper else (tcr >> 7 & 1, tcr >> 37 & 1)
        if disabled or (va >> size != (MASK64 >> size if upper else 0) and not tagged):
            return Fault(1, FSC_TRANSLATION, va, 0)
        table = regs[TTBR1_EL1 if upper else TTBR0_EL1] & 0xFFFF_FFFF_F000
        el0 = regs[arch.SPSR] & 0xC == 0
        level = (size - 13) // 9
        while True:
            entry = table + 8 * (va >> 12 + 9 * level & ((1 << min(9, size - 12 - 9 * level)) - 1))
            fsc = self.stage2(root, entry, False, False)
            if fsc is not None:
                return Fault(2, fsc, va, entry, s1ptw=True)
            try:
                pte = self.memory.read64(Pa(entry))
            except BusError:
                return Fault(1, FSC_EXTERNAL + 4 + 3 - level, va, 0)
            if pte & 3 == 3 and level:
                table, level = pte & 0xFFFF_FFFF_F000, level - 1
                continue
            if not mm.arch_mm_pte_is_block(pte, level):
                return Fault(1, FSC_TRANSLATION + 3 - level, va, 0)
            if not pte >> 10 & 1:
                return Fault(1, FSC_ACCESS + 3 - level, va, 0)
            rights = pte >> 6 & 3  # 0: EL1 reads and writes, 1: EL0 too, 2 and 3: nobody writes
            no_execute = pte >> (54 if el0 else 53) & 1 or (not el0 and rights == 1)
            if no_execute if fetch else (write and rights & 2) or (el0 and not rights & 1):
                return Fault(1, FSC_PERMISSION + 3 - level, va, 0)
            block = mm.mm_entry_size(level)
            return pte & 0xFFFF_FFFF_F000 & -block | va & block - 1


SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, VBAR_EL1, ESR_EL1, FAR_EL1, CNTKCTL_EL1 = map(
    arch.REGISTER_NAMES.index,
    ("SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "VBAR_EL1", "ESR_EL1", "FAR_EL1", "CNTKCTL_EL1"),
)
