"""Instructions of A64 as text, in the style that capstone prints, without capstone: those without vectors."""

from hfedu.guest.a64_code import bit_mask
from hfedu.guest.syndrome import signed
from hfedu.hf.call import MASK64

CONDITIONS = "eq ne hs lo mi pl vs vc hi ls ge lt gt le al nv".split()
SHIFTS = "lsl lsr asr ror".split()
EXTENDS = "uxtb uxth uxtw uxtx sxtb sxth sxtw sxtx".split()
WORD_NAMES = {
    0xD503_201F: "nop", 0xD503_203F: "yield", 0xD503_205F: "wfe", 0xD503_207F: "wfi", 0xD503_209F: "sev",
    0xD503_20BF: "sevl", 0xD503_3FDF: "isb", 0xD69F_03E0: "eret", 0xD65F_03C0: "ret", 0xD503_3F9F: "dsb sy",
    0xD503_3FBF: "dmb sy", 0xD503_3B9F: "dsb ish", 0xD503_3BBF: "dmb ish", 0xD508_871F: "tlbi vmalle1",
    0xD508_751F: "ic iallu", 0xD503_3ABF: "dmb ishst", 0xD503_39BF: "dmb ishld",
}  # fmt: skip
SYSTEM_NAMES = {
    (3, 0, 0, 0, 0): "midr_el1", (3, 0, 0, 0, 5): "mpidr_el1", (3, 0, 0, 4, 0): "id_aa64pfr0_el1",
    (3, 0, 1, 0, 0): "sctlr_el1", (3, 0, 1, 0, 1): "actlr_el1", (3, 0, 1, 0, 2): "cpacr_el1",
    (3, 0, 2, 0, 0): "ttbr0_el1", (3, 0, 2, 0, 1): "ttbr1_el1", (3, 0, 2, 0, 2): "tcr_el1",
    (3, 0, 4, 0, 0): "spsr_el1", (3, 0, 4, 0, 1): "elr_el1", (3, 0, 4, 1, 0): "sp_el0", (3, 0, 4, 2, 0): "spsel",
    (3, 0, 4, 2, 2): "currentel", (3, 0, 5, 1, 0): "afsr0_el1", (3, 0, 5, 1, 1): "afsr1_el1",
    (3, 0, 5, 2, 0): "esr_el1", (3, 0, 6, 0, 0): "far_el1", (3, 0, 7, 4, 0): "par_el1", (3, 0, 10, 2, 0): "mair_el1",
    (3, 0, 10, 3, 0): "amair_el1", (3, 0, 12, 0, 0): "vbar_el1", (3, 0, 12, 1, 0): "isr_el1",
    (3, 0, 13, 0, 1): "contextidr_el1", (3, 0, 13, 0, 4): "tpidr_el1", (3, 0, 14, 1, 0): "cntkctl_el1",
    (3, 2, 0, 0, 0): "csselr_el1", (3, 3, 0, 0, 1): "ctr_el0", (3, 3, 0, 0, 7): "dczid_el0", (3, 3, 4, 2, 0): "nzcv",
    (3, 3, 4, 2, 1): "daif", (3, 3, 4, 4, 0): "fpcr", (3, 3, 4, 4, 1): "fpsr", (3, 3, 13, 0, 2): "tpidr_el0",
    (3, 3, 13, 0, 3): "tpidrro_el0", (3, 3, 14, 0, 0): "cntfrq_el0", (3, 3, 14, 0, 1): "cntpct_el0",
    (3, 3, 14, 0, 2): "cntvct_el0", (3, 3, 14, 2, 0): "cntp_tval_el0", (3, 3, 14, 2, 1): "cntp_ctl_el0",
    (3, 3, 14, 2, 2): "cntp_cval_el0", (3, 3, 14, 3, 0): "cntv_tval_el0", (3, 3, 14, 3, 1): "cntv_ctl_el0",
    (3, 3, 14, 3, 2): "cntv_cval_el0",
}  # fmt: skip
READ_ONLY = {"midr_el1", "mpidr_el1", "id_aa64pfr0_el1", "currentel", "ctr_el0", "dczid_el0", "isr_el1"}
READ_ONLY |= {"cntpct_el0", "cntvct_el0"}


def text_of_instruction(word: int, pc: int) -> str | None:
    """The text of the instruction at an address, None for one that this module cannot name."""
    if word in WORD_NAMES:
        return WORD_NAMES[word]
    group = word >> 25 & 15
    if group in (8, 9):
        return _immediate_text(word, pc)
    if group in (10, 11):
        return _branch_text(word, pc)
    if group in (5, 13):
        return _register_text(word)
    return _memory_text(word, pc) if group & 5 == 4 and not word >> 26 & 1 else None


def constant(value: int) -> str:
    """A constant. Examples: 9 -> "#9", 16 -> "#0x10", -32 -> "#-0x20"."""
    return f"#{value}" if -10 < value < 10 else f"#{value:#x}"


def r(n: int, wide: int) -> str:
    """A register; 31 is zero."""
    return ("xzr" if wide else "wzr") if n == 31 else f"{'x' if wide else 'w'}{n}"


def rsp(n: int, wide: int) -> str:
    """A register; 31 is the stack pointer."""
    return ("sp" if wide else "wsp") if n == 31 else r(n, wide)


def _immediate_text(word: int, pc: int) -> str | None:
    rd, rn, kind, wide = word & 31, word >> 5 & 31, word >> 23 & 7, word >> 31
    width = 64 if wide else 32
    opc = word >> 29 & 3
    if kind < 2:
        offset = signed(word >> 5 & 0x7FFFF, 19) << 2 | word >> 29 & 3
        target = (pc & -4096) + (offset << 12) if wide else pc + offset
        return f"{'adrp' if wide else 'adr'} {r(rd, 1)}, {constant(target & MASK64)}"
    if kind == 2:
        value, high = word >> 10 & 0xFFF, word >> 22 & 1
        name = ("add", "adds", "sub", "subs")[opc]
        last = constant(value) + (", lsl #12" if high else "")
        if not opc and not value and not high and 31 in (rd, rn):
            return f"mov {rsp(rd, wide)}, {rsp(rn, wide)}"
        if opc & 1 and rd == 31:
            return f"{'cmp' if opc & 2 else 'cmn'} {rsp(rn, wide)}, {last}"
        return f"{name} {(r if opc & 1 else rsp)(rd, wide)}, {rsp(rn, wide)}, {last}"
    if kind == 4:
        mask = bit_mask(word >> 22 & 1, word >> 10 & 63, word >> 16 & 63, width)
        if mask is None:
            return None
        if opc == 3 and rd == 31:
            return f"tst {r(rn, wide)}, {constant(signed(mask))}"
        if opc == 1 and rn == 31:
            return f"mov {rsp(rd, wide)}, {constant(signed(mask, width))}"
        name, to = ("and", "orr", "eor", "ands")[opc], (r if opc == 3 else rsp)(rd, wide)
        return f"{name} {to}, {r(rn, wide)}, {constant(signed(mask) if opc == 3 else mask)}"
    if kind == 5:
        return _wide_move_text(word, width)
    n, immr, imms = word >> 22 & 1, word >> 16 & 63, word >> 10 & 63
    if n != wide or imms >= width or (kind == 6 and immr >= width):
        return None
    if kind == 6:
        return _bitfield_text(opc, rd, rn, immr, imms, width)
    if kind != 7 or opc or word >> 21 & 1:
        return None
    rm = word >> 16 & 31
    if rm == rn:
        return f"ror {r(rd, wide)}, {r(rn, wide)}, {constant(imms)}"
    return f"extr {r(rd, wide)}, {r(rn, wide)}, {r(rm, wide)}, {constant(imms)}"


def _wide_move_text(word: int, width: int) -> str | None:
    rd, opc, shift, value = word & 31, word >> 29 & 3, word >> 17 & 0x30, word >> 5 & 0xFFFF
    wide = width >> 6
    if opc == 1 or shift >= width:
        return None
    plain = constant(value) + (f", lsl #{shift}" if shift else "")
    if opc == 3:
        return f"movk {r(rd, wide)}, {plain}"
    moved = value << shift
    if opc == 0:
        if (not value and shift) or (not wide and value == 0xFFFF):
            return f"movn {r(rd, wide)}, {plain}"
        return f"mov {r(rd, wide)}, {constant(signed(moved ^ (1 << width) - 1, width))}"
    if not value and shift:
        return f"movz {r(rd, wide)}, {plain}"
    return f"mov {r(rd, wide)}, {constant(signed(moved, width))}"


def _bitfield_text(opc: int, rd: int, rn: int, immr: int, imms: int, width: int) -> str | None:
    wide = width >> 6
    to, source = r(rd, wide), r(rn, wide)
    if opc == 3:
        return None
    if opc == 1:
        if imms < immr:
            if rn == 31:
                return f"bfc {to}, {constant(width - immr)}, {constant(imms + 1)}"
            return f"bfi {to}, {source}, {constant(width - immr)}, {constant(imms + 1)}"
        if rn == 31 and not immr:
            return f"bfc {to}, #0, {constant(imms + 1)}"
        return f"bfxil {to}, {source}, {constant(immr)}, {constant(imms - immr + 1)}"
    sign = "u" if opc else "s"
    if opc == 2 and imms == width - 1:
        return f"lsr {to}, {source}, {constant(immr)}"
    if opc == 0 and imms == width - 1:
        return f"asr {to}, {source}, {constant(immr)}"
    if opc == 2 and imms + 1 == immr:
        return f"lsl {to}, {source}, {constant(width - immr)}"
    if not immr and imms in (7, 15) and not (opc == 2 and wide):
        return f"{sign}xt{'b' if imms == 7 else 'h'} {to}, {r(rn, 0)}"
    if not immr and imms == 31 and opc == 0 and wide:
        return f"sxtw {to}, {r(rn, 0)}"
    if imms < immr:
        return f"{sign}bfiz {to}, {source}, {constant(width - immr)}, {constant(imms + 1)}"
    return f"{sign}bfx {to}, {source}, {constant(immr)}, {constant(imms - immr + 1)}"


def _branch_text(word: int, pc: int) -> str | None:
    wide = word >> 31
    if word & 0x7C00_0000 == 0x1400_0000:
        return f"{'bl' if wide else 'b'} {constant(pc + 4 * signed(word & 0x3FF_FFFF, 26) & MASK64)}"
    target = constant(pc + 4 * signed(word >> 5 & 0x7FFFF, 19) & MASK64)
    if word & 0x7E00_0000 == 0x3400_0000:
        return f"{'cbnz' if word >> 24 & 1 else 'cbz'} {r(word & 31, wide)}, {target}"
    if word & 0x7E00_0000 == 0x3600_0000:
        bit = word >> 26 & 32 | word >> 19 & 31
        target = constant(pc + 4 * signed(word >> 5 & 0x3FFF, 14) & MASK64)
        return f"{'tbnz' if word >> 24 & 1 else 'tbz'} {r(word & 31, wide)}, {constant(bit)}, {target}"
    if word & 0xFF00_0010 == 0x5400_0000:
        return f"b.{CONDITIONS[word & 15]} {target}"
    if word & 0xFF9F_FC1F == 0xD61F_0000 and word >> 21 & 3 < 3:
        return f"{('br', 'blr', 'ret')[word >> 21 & 3]} {r(word >> 5 & 31, 1)}"
    if word & 0xFF00_001C == 0xD400_0000:
        name = {(0, 1): "svc", (0, 2): "hvc", (0, 3): "smc", (1, 0): "brk"}.get((word >> 21 & 7, word & 3))
        return f"{name} {constant(word >> 5 & 0xFFFF)}" if name else None
    if word & 0xFFC0_0000 == 0xD500_0000:
        op0, op1, crn, crm, op2 = word >> 19 & 3, word >> 16 & 7, word >> 12 & 15, word >> 8 & 15, word >> 5 & 7
        if (op0, crn, word >> 21 & 1, word & 31) == (0, 4, 0, 31):
            name = {(0, 5): "spsel", (3, 6): "daifset", (3, 7): "daifclr"}.get((op1, op2))
            return f"msr {name}, {constant(crm)}" if name else None
        name = SYSTEM_NAMES.get((op0, op1, crn, crm, op2))
        if name is None:
            return None
        if word >> 21 & 1:
            return f"mrs {r(word & 31, 1)}, {name}"
        return None if name in READ_ONLY else f"msr {name}, {r(word & 31, 1)}"
    return None


def _register_text(word: int) -> str | None:
    rd, rn, rm, wide = word & 31, word >> 5 & 31, word >> 16 & 31, word >> 31
    kind, amount, opc = word >> 24 & 31, word >> 10 & 63, word >> 29 & 3
    to, first, second = r(rd, wide), r(rn, wide), r(rm, wide)
    shift = word >> 22 & 3
    moved = f", {SHIFTS[shift]} #{amount}" if amount or shift else ""
    if kind == 10 or (kind == 11 and not word >> 21 & 1):
        if (amount >= 32 and not wide) or (kind == 11 and shift == 3):
            return None
        if kind == 10:
            invert = word >> 21 & 1
            name = (("and", "orr", "eor", "ands"), ("bic", "orn", "eon", "bics"))[invert][opc]
            if name == "orr" and rn == 31 and not moved:
                return f"mov {to}, {second}"
            if name == "orn" and rn == 31:
                return f"mvn {to}, {second}{moved}"
            if name == "ands" and rd == 31:
                return f"tst {first}, {second}{moved}"
            return f"{name} {to}, {first}, {second}{moved}"
        if opc & 1 and rd == 31:
            return f"{'cmp' if opc & 2 else 'cmn'} {first}, {second}{moved}"
        if opc & 2 and rn == 31:
            return f"{'negs' if opc & 1 else 'neg'} {to}, {second}{moved}"
        return f"{('add', 'adds', 'sub', 'subs')[opc]} {to}, {first}, {second}{moved}"
    if kind == 11:
        option, amount = word >> 13 & 7, amount & 7
        if shift or amount > 4:
            return None
        third = r(rm, option & 3 == 3 and wide)
        extend = f", {EXTENDS[option]}" + (f" #{amount}" if amount else "")
        if option == (3 if wide else 2) and (rn == 31 or (rd == 31 and not opc & 1)):
            extend = f", lsl #{amount}" if amount else ""
        base = rsp(rn, wide)
        if opc & 1 and rd == 31:
            return f"{'cmp' if opc & 2 else 'cmn'} {base}, {third}{extend}"
        return f"{('add', 'adds', 'sub', 'subs')[opc]} {(r if opc & 1 else rsp)(rd, wide)}, {base}, {third}{extend}"
    if kind == 27:
        return _multiply_text(word)
    which = word >> 21 & 7
    if kind != 26:
        return None
    if which == 0 and not amount:
        name = ("adc", "adcs", "sbc", "sbcs")[opc]
        if opc & 2 and rn == 31:
            return f"{'ngcs' if opc & 1 else 'ngc'} {to}, {second}"
        return f"{name} {to}, {first}, {second}"
    if which == 2 and opc & 1 and not word >> 10 & 1 and not word >> 4 & 1:
        other = constant(rm) if word >> 11 & 1 else second
        name = "ccmp" if opc & 2 else "ccmn"
        return f"{name} {first}, {other}, {constant(word & 15)}, {CONDITIONS[word >> 12 & 15]}"
    if which == 4 and not opc & 1 and not word >> 11 & 1:
        return _select_text(word)
    if which == 6 and not opc & 1:
        return _source_text(word, to, first, second)
    return None


def _select_text(word: int) -> str:
    rd, rn, rm, wide = word & 31, word >> 5 & 31, word >> 16 & 31, word >> 31
    condition, which = word >> 12 & 15, (word >> 30 & 1, word >> 10 & 1)
    to, first, second, opposite = r(rd, wide), r(rn, wide), r(rm, wide), CONDITIONS[condition ^ 1]
    if condition < 14 and rn == rm and which in ((0, 1), (1, 0)):
        if rn == 31:
            return f"{'cset' if which[1] else 'csetm'} {to}, {opposite}"
        return f"{'cinc' if which[1] else 'cinv'} {to}, {first}, {opposite}"
    if condition < 14 and rn == rm and which == (1, 1):
        return f"cneg {to}, {first}, {opposite}"
    name = {(0, 0): "csel", (0, 1): "csinc", (1, 0): "csinv", (1, 1): "csneg"}[which]
    return f"{name} {to}, {first}, {second}, {CONDITIONS[condition]}"


def _source_text(word: int, to: str, first: str, second: str) -> str | None:
    wide, opcode = word >> 31, word >> 10 & 63
    if word >> 30 & 1:
        names = ("rbit", "rev16", "rev32" if wide else "rev", "rev" if wide else "", "clz", "cls")
        name = names[opcode] if opcode < 6 and not word >> 16 & 31 else ""
        return f"{name} {to}, {first}" if name else None
    name = {2: "udiv", 3: "sdiv", 8: "lsl", 9: "lsr", 10: "asr", 11: "ror"}.get(opcode, "")
    return f"{name} {to}, {first}, {second}" if name else None


def _multiply_text(word: int) -> str | None:
    rd, rn, ra, rm, wide = word & 31, word >> 5 & 31, word >> 10 & 31, word >> 16 & 31, word >> 31
    kind, subtract = word >> 21 & 7, word >> 15 & 1
    if word >> 29 & 3 or (kind and not wide):
        return None
    if kind in (2, 6):
        if subtract or ra != 31:
            return None
        return f"{'umulh' if kind == 6 else 'smulh'} {r(rd, 1)}, {r(rn, 1)}, {r(rm, 1)}"
    if kind not in (0, 1, 5):
        return None
    sign = {0: "", 1: "s", 5: "u"}[kind]
    long = "l" if kind else ""
    narrow = wide and not kind
    operands = f"{r(rd, wide)}, {r(rn, narrow)}, {r(rm, narrow)}"
    if ra == 31:
        return f"{sign}{'mneg' if subtract else 'mul'}{'l' if kind else ''} {operands}"
    return f"{sign}{'msub' if subtract else 'madd'}{long} {operands}, {r(ra, wide)}"


def _memory_text(word: int, pc: int) -> str | None:
    rt, rn, size, opc = word & 31, word >> 5 & 31, word >> 30, word >> 22 & 3
    base = rsp(rn, 1)
    if word & 0x3F00_0000 == 0x0800_0000:
        return _exclusive_text(word)
    if word & 0x3B00_0000 == 0x1800_0000:
        target = constant(pc + 4 * signed(word >> 5 & 0x7FFFF, 19) & MASK64)
        return None if size == 3 else f"{'ldrsw' if size == 2 else 'ldr'} {r(rt, size)}, {target}"
    if word & 0x3A00_0000 == 0x2800_0000:
        mode, load, rt2 = word >> 23 & 3, word >> 22 & 1, word >> 10 & 31
        if size == 3 or (size == 1 and (not load or not mode)):
            return None
        name = ("ld" if load else "st") + ("p" if mode else "np") + ("sw" if size == 1 else "")
        offset = signed(word >> 15 & 0x7F, 7) * (8 if size == 2 else 4)
        if (load and rt == rt2) or (mode & 1 and rn != 31 and rn in (rt, rt2)):
            return None  # what these do is not defined
        return f"{name} {r(rt, size)}, {r(rt2, size)}, {_place_text(base, offset, (2, 1, 2, 3)[mode])}"
    if word & 0x3A00_0000 != 0x3800_0000 or (opc > 1 and size == 3) or (opc == 3 and size == 2):
        return None
    suffix = ("b", "h", "", "")[size] if opc < 2 else ("sb", "sh", "sw")[size]
    name = ("ldr" if opc else "str") + suffix
    register = r(rt, size == 3 or opc == 2)
    if word >> 24 & 1:
        return f"{name} {register}, {_place_text(base, (word >> 10 & 0xFFF) << size, 2)}"
    mode = word >> 10 & 3
    if word >> 21 & 1:
        option, amount = word >> 13 & 7, size if word >> 12 & 1 else 0
        if mode != 2 or not option & 2:
            return None
        index = r(word >> 16 & 31, option & 1)
        scaled = word >> 12 & 1
        extend = "" if option == 3 and not scaled else f", {'lsl' if option == 3 else EXTENDS[option]}"
        extend += f" #{amount}" if scaled else ""
        return f"{name} {register}, [{base}, {index}{extend}]"
    offset = signed(word >> 12 & 0x1FF, 9)
    if mode in (0, 2):
        name = name[:2] + ("ur" if mode == 0 else "tr") + name[3:]
    if mode and rn == rt and rn != 31:
        return None  # what these do is not defined
    if mode == 1:
        offset &= MASK64  # as capstone has it
    return f"{name} {register}, {_place_text(base, offset, mode if mode & 1 else 2)}"


def _place_text(base: str, offset: int, mode: int) -> str:
    """An address: 1 post-index, 2 offset, 3 pre-index."""
    if mode == 1:
        return f"[{base}], {constant(offset)}"
    if mode == 3:
        return f"[{base}, {constant(offset)}]!"
    return f"[{base}, {constant(offset)}]" if offset else f"[{base}]"


def _exclusive_text(word: int) -> str | None:
    rt, base, rt2, rs, size = word & 31, rsp(word >> 5 & 31, 1), word >> 10 & 31, word >> 16 & 31, word >> 30
    load, ordered, pair, single = word >> 22 & 1, word >> 15 & 1, word >> 21 & 1, word >> 23 & 1
    suffix = ("b", "h", "", "")[size]
    register = r(rt, size == 3)
    if single:
        if pair or not ordered or rs != 31 or rt2 != 31:
            return None
        return f"{'ldar' if load else 'stlr'}{suffix} {register}, [{base}]"
    if pair and size < 2:
        return None
    name = ("ld" if load else "st") + (("a" if load else "l") if ordered else "") + ("xp" if pair else "xr") + suffix
    if (load and rs != 31) or (not pair and rt2 != 31):
        return None
    registers = f"{register}, {r(rt2, size == 3)}" if pair else register
    if load:
        return None if pair and rt == rt2 else f"{name} {registers}, [{base}]"
    if rs == rt or (pair and rs == rt2) or (rs == word >> 5 & 31 and rs != 31):
        return None
    return f"{name} {r(rs, 0)}, {registers}, [{base}]"
