"""Words of A64 from their operands: the other way round than `a64_text`, and every instruction that it names.

An encoder gets what knows the program's labels, the name and the operands as texts.
"""

import re
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any, NamedTuple, Protocol

from hfedu.errors import nearest
from hfedu.guest.a64_code import bit_mask
from hfedu.guest.a64_text import CONDITIONS, EXTENDS, READ_ONLY, SHIFTS, SYSTEM_NAMES, WORD_NAMES

ALSO = {"cs": "hs", "cc": "lo"}
"""Other names of conditions."""


class NoAssembly(Exception):
    """A line is no assembly; the text says why."""


class Register(NamedTuple):
    """A general register: its number, whether it is one of 64 bits, and whether 31 means the stack pointer."""

    n: int
    wide: int
    stack: bool


class Values(Protocol):
    """What an encoder asks the program for."""

    def value(self, text: str, address: bool = False) -> int:
        """The value of an expression."""

    def number(self, text: str, bits: int, scale: int = 1, signed: bool = False) -> int:
        """The field of so many bits that holds a value: a multiple of `scale`."""

    def offset(self, text: str, bits: int, scale: int = 4) -> int:
        """The field that leads from here to an address."""

    def constant(self, text: str, size: int) -> str:
        """The address of a constant of so many bytes that is put behind the program."""


def word_of(asm: Values, name: str, ops: list[str]) -> int:
    """The word of an instruction. `NoAssembly` if it is none."""
    if "" in ops:
        raise NoAssembly("there is nothing between two commas")
    whole = " ".join([name, *(op.lower() for op in ops)])
    if whole in fixed_words():
        return fixed_words()[whole]
    encode = encoders().get(name) or (encoders()["b."] if re.fullmatch(r"b\.?\w\w", name) else None)
    if encode is None:
        raise NoAssembly(f"{name!r} is no instruction that is known here{nearest(name, list(encoders()))}")
    try:
        return encode(asm, name, ops)
    except (IndexError, KeyError, ValueError):
        raise NoAssembly(f"{name} does not take “{', '.join(ops)}”") from None


def operands(text: str) -> list[str]:
    """What stands between commas, outside brackets and texts."""
    if not text.strip():
        return []
    found = re.findall(r'((?:\[[^\]]*\]!?|"(?:[^"\\]|\\.)*"|\'\\?.\'?|\([^)]*\)|[^,])*)(,|$)', text)
    return [part.strip() for part, _ in found[: 1 + sum(comma == "," for _, comma in found)]]


def field(value: int, bits: int, scale: int = 1, signed: bool = False) -> int:
    """A value as a field of so many bits. `NoAssembly` if it does not fit."""
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if value % scale or not low <= value // scale < high:
        raise NoAssembly(f"{value:#x} is out of range")
    return value // scale & (1 << bits) - 1


@cache
def fixed_words() -> dict[str, int]:
    """The instructions of one form."""
    words = {text: word for word, text in WORD_NAMES.items()}
    return words | {"isb sy": words["isb"], "ret x30": words["ret"]}


def parse_register(text: str, wide: int | None = None, stack: bool | None = None) -> Register:
    """A register, of that width, and with the stack pointer as 31, or without it, if that matters."""
    name = {"lr": "x30", "fp": "x29", "ip0": "x16", "ip1": "x17"}.get(text.lower(), text.lower())
    special = {"sp": (31, 1, True), "wsp": (31, 0, True), "xzr": (31, 1, False), "wzr": (31, 0, False)}.get(name)
    found = re.fullmatch(r"([xw])([12]?\d|30)", name)
    if special is None and not found:
        raise NoAssembly(f"{text} is no register")
    made = Register(*special) if special else Register(int(found[2]), found[1] == "x", False)  # type: ignore[index]
    if wide is not None and made.wide != wide:
        raise NoAssembly(f"{text} should be a register of {64 if wide else 32} bits")
    if stack is not None and made.n == 31 and made.stack != stack:
        raise NoAssembly(f"{text} cannot stand there")
    return made


def is_register(text: str) -> bool:
    """Whether a text names a register."""
    try:
        parse_register(text)
    except NoAssembly:
        return False
    return True


def condition_number(text: str) -> int:
    """The number of a condition."""
    name = ALSO.get(text.lower(), text.lower())
    if name not in CONDITIONS:
        raise NoAssembly(f"{text} is no condition")
    return CONDITIONS.index(name)


@cache
def mask_fields() -> dict[tuple[int, int], int]:
    """N, immr and imms of each mask that an instruction can hold, by the mask and its width: `bit_mask`, inverted."""
    found: dict[tuple[int, int], int] = {}
    for width in (32, 64):
        for n in range(width // 32):
            for immr in range(64):
                for imms in range(64):
                    mask = bit_mask(n, imms, immr, width)
                    if mask is not None:
                        found.setdefault((mask & (1 << width) - 1, width), n << 12 | immr << 6 | imms)
    return found


def takes(least: int, most: int | None = None) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Around an encoder: so many operands it takes. They come last."""

    def around(encode: Callable[..., int]) -> Callable[..., int]:
        @wraps(encode)
        def checked(*given: Any) -> int:
            if not least <= len(given[-1]) <= (most or least):
                raise IndexError
            return encode(*given)

        return checked

    return around


def of_registers(word: int, ops: list[str]) -> int:
    """Registers in the fields of the destination and of both sources, all of one width."""
    regs = [parse_register(op, stack=False) for op in ops]
    if len({reg.wide for reg in regs}) != 1:
        raise NoAssembly("its registers are not of one width")
    at = (0, 5, 16, 10)
    return word | regs[0].wide << 31 | sum(reg.n << place for reg, place in zip(regs, at, strict=False))


def shift_fields(asm: Values, ops: list[str]) -> int:
    """The fields of a shift of the last register; 0 if there is none."""
    if not ops:
        return 0
    (only,) = ops
    kind, _, amount = only.lower().partition(" ")
    return SHIFTS.index(kind) << 22 | asm.number(amount, 6) << 10


@takes(3, 4)
def arithmetic(opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """ADD, SUB and their like: with a constant, a shifted register or an extended one."""
    rd, rn, last, rest = parse_register(ops[0]), parse_register(ops[1]), ops[2], ops[3:]
    wide = rd.wide
    if rn.wide != wide:
        raise NoAssembly("its registers are not of one width")
    if len(rest) > 1:
        raise IndexError
    word = wide << 31 | opc << 29 | rn.n << 5 | rd.n
    if not is_register(last):
        parse_register(ops[0], stack=not opc & 1)
        parse_register(ops[1], stack=True)
        value = asm.value(last)
        high = 0
        if rest:
            high = {"lsl #0": 0, "lsl #12": 1}[rest[0].lower()] if rest[0].lower() in ("lsl #0", "lsl #12") else 2
        elif value and not abs(value) & 0xFFF:
            value, high = (abs(value) >> 12) * (1 if value > 0 else -1), 1
        if value < 0:
            value, word = -value, word ^ 1 << 30
        return word | 0x1100_0000 | field(high, 1) << 22 | field(value, 12) << 10
    rm = parse_register(last, stack=False)
    kind, _, amount = (rest[0] if rest else "").lower().partition(" ")
    stacked = rn.stack or (rd.stack and rd.n == 31)
    if kind in EXTENDS or stacked:
        option = (3 if wide else 2) if kind in ("lsl", "") else EXTENDS.index(kind)
        parse_register(last, option & 3 == 3 and wide, False)
        parse_register(ops[0], stack=not opc & 1)
        parse_register(ops[1], stack=True)
        shift = asm.value(amount) if amount else 0
        if not 0 <= shift <= 4:
            raise NoAssembly(f"{shift} is out of range")
        return word | 0x0B20_0000 | rm.n << 16 | option << 13 | shift << 10
    if rm.wide != wide or kind == "ror":
        raise NoAssembly("its registers are not of one width" if rm.wide != wide else "there is no such shift here")
    for op in ops[:2]:
        parse_register(op, stack=False)
    return word | 0x0B00_0000 | rm.n << 16 | limited(shift_fields(asm, rest), wide)


def limited(shift: int, wide: int) -> int:
    """The fields of a shift, which is shorter than the register. `NoAssembly` if not."""
    if shift >> 10 & 63 >= (64 if wide else 32):
        raise NoAssembly("it is shifted by too much")
    return shift


def zero(op: str) -> str:
    """The register that is 0, as wide as another."""
    return "xzr" if parse_register(op).wide else "wzr"


@takes(2, 3)
def compared(opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """CMP and CMN."""
    return arithmetic(opc, asm, name, [zero(ops[0]), *ops])


@takes(2, 3)
def negated(opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """NEG and NEGS."""
    parse_register(ops[1])
    return arithmetic(opc, asm, name, [ops[0], zero(ops[0]), *ops[1:]])


@takes(3, 4)
def logical(opc: int, invert: int, asm: Values, name: str, ops: list[str]) -> int:
    """AND, ORR, EOR and their like: with a mask or a shifted register."""
    wide = parse_register(ops[0]).wide
    if not is_register(ops[2]):
        rd, rn = parse_register(ops[0], wide, opc != 3), parse_register(ops[1], wide, False)
        value = asm.value(ops[2])
        if name in ("eon", "orn"):
            raise IndexError
        value = ~value if invert else value
        fields = mask_fields().get((value & (1 << (32 << wide)) - 1, 32 << wide)) if fits_width(value, wide) else None
        if fields is None or len(ops) > 3:
            raise NoAssembly(f"{ops[2]} is no mask that an instruction can hold")
        return wide << 31 | opc << 29 | 0x1200_0000 | fields << 10 | rn.n << 5 | rd.n
    return of_registers(opc << 29 | 0x0A00_0000 | invert << 21, ops[:3]) | limited(shift_fields(asm, ops[3:]), wide)


def fits_width(value: int, wide: int) -> bool:
    """Whether a register holds a value, with a sign or without."""
    return -(1 << (31 << wide | wide)) <= value < 1 << (32 << wide)


@takes(2, 3)
def tested(asm: Values, name: str, ops: list[str]) -> int:
    """TST."""
    return logical(3, 0, asm, name, [zero(ops[0]), *ops])


@takes(2)
def encode_move(asm: Values, name: str, ops: list[str]) -> int:
    """MOV: a register, or a constant that one instruction can make."""
    rd = parse_register(ops[0])
    to, source = ops
    if is_register(source):
        if (rd.n == 31 and rd.stack) or (parse_register(source).n == 31 and parse_register(source).stack):
            return arithmetic(0, asm, name, [to, source, "#0"])
        return logical(1, 0, asm, name, [to, zero(to), source])
    value, bits = asm.value(source), 32 << rd.wide
    if not fits_width(value, rd.wide):
        raise NoAssembly(f"{source} does not fit into {to}")
    value &= (1 << bits) - 1
    if not (rd.stack and rd.n == 31):
        for opc, moved in ((2, value), (0, value ^ (1 << bits) - 1)):
            for shift in range(0, bits, 16):
                if moved & ~(0xFFFF << shift) == 0:
                    return rd.wide << 31 | opc << 29 | 0x1280_0000 | shift << 17 | (moved >> shift) << 5 | rd.n
    if (value, bits) not in mask_fields():
        raise NoAssembly(f"no mov makes {source}: take movz and movk, or ldr {to}, ={source.removeprefix('#')}")
    return logical(1, 0, asm, name, [to, zero(to), str(value)])


@takes(2, 3)
def wide_move(opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """MOVZ, MOVN and MOVK."""
    rd = parse_register(ops[0], stack=False)
    shift = asm.value(ops[2].lower().removeprefix("lsl")) if len(ops) > 2 else 0
    if shift % 16 or not 0 <= shift < 32 << rd.wide:
        raise NoAssembly(f"{shift} is out of range")
    return rd.wide << 31 | opc << 29 | 0x1280_0000 | shift << 17 | asm.number(ops[1], 16) << 5 | rd.n


def bitfield(opc: int, immr: int, imms: int, to: str, source: str) -> int:
    """SBFM, BFM and UBFM."""
    rd = parse_register(to, stack=False)
    rn = parse_register(source, stack=False)
    if not 0 <= immr < 32 << rd.wide or not 0 <= imms < 32 << rd.wide:
        raise NoAssembly("its bits are out of range")
    return rd.wide * 0x8040_0000 | opc << 29 | 0x1300_0000 | immr << 16 | imms << 10 | rn.n << 5 | rd.n


@takes(3)
def shift(kind: int, asm: Values, name: str, ops: list[str]) -> int:
    """LSL, LSR, ASR and ROR, by a register or by a constant."""
    if is_register(ops[2]):
        return of_registers(0x1AC0_2000 | kind << 10, ops)
    wide = parse_register(ops[0]).wide
    bits, by = 32 << wide, asm.value(ops[2])
    if not 0 <= by < bits:
        raise NoAssembly(f"{by} is out of range")
    if kind == 3:
        return extract(asm, name, [ops[0], ops[1], ops[1], ops[2]])
    parse_register(ops[1], wide)
    if kind == 0:
        return bitfield(2, -by % bits, bits - 1 - by, ops[0], ops[1])
    return bitfield(2 if kind == 1 else 0, by, bits - 1, ops[0], ops[1])


@takes(4)
def extract(asm: Values, name: str, ops: list[str]) -> int:
    """EXTR."""
    word = of_registers(0x1380_0000, ops[:3])
    wide = word >> 31
    return word | wide << 22 | asm.number(ops[3], 5 + wide) << 10


@takes(4)
def of_bits(opc: int, insert: bool, asm: Values, name: str, ops: list[str]) -> int:
    """UBFX and its like, or UBFIZ and its like: the lowest bit and how many."""
    wide = parse_register(ops[0]).wide
    parse_register(ops[1], wide)
    low, count, bits = asm.value(ops[2]), asm.value(ops[3]), 32 << wide
    if not 0 <= low < bits or not 1 <= count <= bits - low:
        raise NoAssembly("its bits are out of range")
    return bitfield(opc, -low % bits if insert else low, count - 1 if insert else low + count - 1, ops[0], ops[1])


@takes(3)
def cleared_bits(asm: Values, name: str, ops: list[str]) -> int:
    """BFC."""
    return of_bits(1, True, asm, name, [ops[0], zero(ops[0]), *ops[1:]])


@takes(2)
def extended(opc: int, bits: int, asm: Values, name: str, ops: list[str]) -> int:
    """SXTB and its like."""
    wide = parse_register(ops[0]).wide
    if (opc == 2 and wide) or (bits == 32 and not wide):
        raise NoAssembly(f"{ops[0]} is of another width")
    parse_register(ops[1], 0)
    return bitfield(opc, 0, bits - 1, ops[0], ops[1])


def carried(word: int, zero_first: bool, asm: Values, name: str, ops: list[str]) -> int:
    """Instructions of two or three registers and nothing else."""
    ops = [ops[0], zero(ops[0]), ops[1]] if zero_first else ops
    if len(ops) != (2 if word & 0x5FE0_0000 == 0x5AC0_0000 else 3):
        raise IndexError
    return of_registers(word, ops)


@takes(2)
def reversed_bytes(asm: Values, name: str, ops: list[str]) -> int:
    """REV and REV32: what they are called depends on the width."""
    if name == "rev32":
        parse_register(ops[0], 1)
    return of_registers(0x5AC0_0000 | (2 if name == "rev32" else 2 | parse_register(ops[0]).wide) << 10, ops)


@takes(4)
def selected(which: tuple[int, int], asm: Values, name: str, ops: list[str]) -> int:
    """CSEL and its like."""
    return of_registers(0x1A80_0000 | which[0] << 30 | which[1] << 10, ops[:3]) | condition_number(ops[3]) << 12


def if_not(which: tuple[int, int], sources: int, asm: Values, name: str, ops: list[str]) -> int:
    """CSET, CINC and their like, which turn the condition around: of no source or of one."""
    opposite = condition_number(ops[1 + sources]) if len(ops) == 2 + sources else 16
    if opposite > 13:
        raise NoAssembly("there is no opposite of this condition")
    source = ops[1] if sources else zero(ops[0])
    return selected(which, asm, name, [ops[0], source, source, CONDITIONS[opposite ^ 1]])


@takes(4)
def compared_if(opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """CCMP and CCMN."""
    rn = parse_register(ops[0], stack=False)
    held = parse_register(ops[1], rn.wide, False).n if is_register(ops[1]) else asm.number(ops[1], 5) | 1 << 27
    word = rn.wide << 31 | opc << 29 | 0x1A40_0000 | rn.n << 5 | asm.number(ops[2], 4) | condition_number(ops[3]) << 12
    return word | (held & 31) << 16 | (held >> 27) << 11


def multiplied(word: int, widths: tuple[int | None, int | None], asm: Values, name: str, ops: list[str]) -> int:
    """MADD and its like. `widths` are those of the sources and of the rest, None for any."""
    ops = ops if "add" in name or "sub" in name else [*ops, zero(ops[0])]
    wide = parse_register(ops[0], widths[1]).wide
    narrow = wide if widths[0] is None else widths[0]
    regs = [parse_register(op, w, False) for op, w in zip(ops, (wide, narrow, narrow, wide), strict=True)]
    return word | wide << 31 | sum(reg.n << place for reg, place in zip(regs, (0, 5, 16, 10), strict=True))


@takes(3)
def high_half(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """SMULH and UMULH."""
    parse_register(ops[0], 1)
    return of_registers(word | 31 << 10, ops)


def call(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """HVC and its like."""
    (number,) = ops
    return word | asm.number(number, 16) << 5


def jump(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """B and BL."""
    (target,) = ops
    return word | asm.offset(target, 26)


def jump_if(asm: Values, name: str, ops: list[str]) -> int:
    """B with a condition."""
    (target,) = ops
    return 0x5400_0000 | asm.offset(target, 19) << 5 | condition_number(name[1:].removeprefix("."))


@takes(2)
def jump_zero(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """CBZ and CBNZ."""
    reg, target = parse_register(ops[0], stack=False), ops[1]
    return word | reg.wide << 31 | asm.offset(target, 19) << 5 | reg.n


@takes(3)
def jump_bit(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """TBZ and TBNZ."""
    reg, bit, target = parse_register(ops[0], stack=False), asm.number(ops[1], 6), ops[2]
    if bit >= 32 << reg.wide:
        raise NoAssembly(f"{ops[0]} has no bit {bit}")
    return word | (bit & 32) << 26 | (bit & 31) << 19 | asm.offset(target, 14) << 5 | reg.n


def jump_register(word: int, asm: Values, name: str, ops: list[str]) -> int:
    """BR, BLR and RET."""
    (target,) = ops
    return word | parse_register(target, 1, False).n << 5


@takes(2)
def encode_place(page: int, asm: Values, name: str, ops: list[str]) -> int:
    """ADR and ADRP."""
    rd, scale = parse_register(ops[0], 1, False), 4096 if page else 1
    far = asm.offset(ops[1], 21, scale)
    return page << 31 | 0x1000_0000 | (far & 3) << 29 | (far >> 2) << 5 | rd.n


@takes(2)
def system(read: int, asm: Values, name: str, ops: list[str]) -> int:
    """MRS and MSR."""
    named_register, other = (ops[1], ops[0]) if read else (ops[0], ops[1])
    wanted = named_register.lower()
    of_pstate = {"spsel": (0, 5), "daifset": (3, 6), "daifclr": (3, 7)}.get(wanted)
    if not read and of_pstate and not is_register(other):
        return 0xD500_401F | of_pstate[0] << 16 | asm.number(other, 4) << 8 | of_pstate[1] << 5
    generic = re.fullmatch(r"s([23])_([0-7])_c(1?\d)_c(1?\d)_([0-7])", wanted)
    known = {text: parts for parts, text in SYSTEM_NAMES.items()}
    if generic is None and (wanted not in known or (not read and wanted in READ_ONLY)):
        raise NoAssembly(f"{named_register} is no register that can be {'read' if read else 'written'} here")
    op0, op1, crn, crm, op2 = map(int, generic.groups()) if generic else known[wanted]
    if max(crn, crm) > 15:
        raise NoAssembly(f"{named_register} is no register")
    return (
        0xD510_0000
        | read << 21
        | (op0 & 1) << 19
        | op1 << 16
        | crn << 12
        | crm << 8
        | op2 << 5
        | parse_register(other, 1, False).n
    )


# Loads and stores.


class Place(NamedTuple):
    """An address in brackets: the base, what is added, and when: 1 after, 2 only for the access, 3 before."""

    base: int
    parts: list[str]
    mode: int


def bracketed(ops: list[str]) -> Place:
    """The address at the end of the operands."""
    inner = re.fullmatch(r"\[(.*)\](!?)", ops[0])
    if inner is None:
        raise NoAssembly(f"{ops[0]} is no address in brackets")
    base, *parts = operands(inner[1])
    mode = 3 if inner[2] else 1 if len(ops) > 1 else 2
    if (mode == 3 and (not parts or len(ops) > 1)) or (mode == 1 and (parts or len(ops) > 2)):
        raise IndexError
    return Place(parse_register(base, 1, True).n, parts or ops[1:], mode)


@takes(2, 3)
def access(size: int | None, opc: int, asm: Values, name: str, ops: list[str]) -> int:
    """LDR, STR and their like. `size` is None where the register says it."""
    wide = parse_register(ops[0], stack=False).wide
    rt = parse_register(ops[0], wide, False).n
    if size is not None and wide != (opc == 2):
        raise NoAssembly(f"{ops[0]} is of another width")
    scale = 2 + wide if size is None else size
    if opc and not ops[1].startswith("["):
        return encode_literal(scale, opc, rt, asm, *ops[1:])
    at = bracketed(ops[1:])
    word = scale << 30 | 0x3800_0000 | opc << 22 | at.base << 5 | rt
    if at.mode & 1:
        return word | asm.number(at.parts[0], 9, 1, True) << 12 | at.mode << 10
    if at.parts and is_register(at.parts[0]):
        return word | 0x20_0800 | indexed(scale, asm, at.parts)
    offset = asm.value(at.parts[0]) if at.parts else 0
    if offset % (1 << scale) or not 0 <= offset >> scale < 4096:
        return word | field(offset, 9, 1, True) << 12
    return word | 0x100_0000 | field(offset, 12, 1 << scale) << 10


def indexed(scale: int, asm: Values, parts: list[str]) -> int:
    """The fields of an index, extended and shifted."""
    index = parse_register(parts[0], stack=False)
    kind, _, amount = (parts[1] if len(parts) > 1 else "lsl").lower().partition(" ")
    option = 3 if kind == "lsl" else EXTENDS.index(kind)
    by = asm.value(amount) if amount else None
    if by not in (None, 0, scale) or not option & 2 or index.wide != option & 1:
        raise NoAssembly("there is no such index")
    return index.n << 16 | option << 13 | (by is not None and (by != 0 or scale == 0)) << 12


def encode_literal(scale: int, opc: int, rt: int, asm: Values, target: str, *more: str) -> int:
    """LDR of what lies near, or with = of a constant that is put behind the program."""
    size = 2 if opc == 2 else scale - 2
    if more or scale < 2:
        raise IndexError
    if target.startswith("="):
        text, width = target[1:].strip(), 8 if size == 1 else 4
        target = asm.constant(text, width)
    return size << 30 | 0x1800_0000 | asm.offset(target, 19) << 5 | rt


@takes(2)
def unscaled(size: int | None, opc: int, user: int, asm: Values, name: str, ops: list[str]) -> int:
    """LDUR, LDTR and their like."""
    wide = parse_register(ops[0], stack=False).wide
    at = bracketed(ops[1:])
    if at.mode != 2 or (size is not None and wide != (opc == 2)):
        raise IndexError
    scale = 2 + wide if size is None else size
    offset = asm.number(at.parts[0], 9, 1, True) if at.parts else 0
    return scale << 30 | 0x3800_0000 | opc << 22 | offset << 12 | user << 11 | at.base << 5 | parse_register(ops[0]).n


@takes(3, 4)
def encode_pair(load: int, kept: int, asm: Values, name: str, ops: list[str]) -> int:
    """LDP, STP, LDNP, STNP and LDPSW."""
    first, second = (parse_register(op, stack=False) for op in ops[:2])
    sign = name == "ldpsw"
    if first.wide != second.wide or (sign and not first.wide):
        raise NoAssembly("its registers are not of one width")
    at = bracketed(ops[2:])
    scale = 8 if first.wide and not sign else 4
    offset = asm.number(at.parts[0], 7, scale, True) if at.parts else 0
    mode = at.mode if kept else {2: 0}[at.mode]  # the one place that these have
    size = 1 if sign else first.wide << 1
    word = size << 30 | 0x2800_0000 | mode << 23 | load << 22 | offset << 15
    return word | second.n << 10 | at.base << 5 | first.n


def exclusive(size: int | None, bits: int, asm: Values, name: str, ops: list[str]) -> int:
    """LDXR, STXR, LDAR and their like. `bits` are 8: pair, 4: single, 2: load, 1: ordered."""
    status = 31
    if bits & 6 == 0:
        status, ops = parse_register(ops[0], 0, False).n, ops[1:]
    count = 1 + (bits >> 3)
    regs = [parse_register(op, stack=False) for op in ops[:count]]
    at = bracketed(ops[count:])
    if len({reg.wide for reg in regs}) > 1 or at.parts or at.mode != 2 or (size is not None and regs[0].wide):
        raise IndexError
    scale = 2 + regs[0].wide if size is None else size
    word = scale << 30 | 0x0800_0000 | (bits >> 2 & 1) << 23 | (bits >> 1 & 1) << 22 | (bits >> 3) << 21
    second = regs[1].n if count == 2 else 31
    return word | status << 16 | (bits & 1) << 15 | second << 10 | at.base << 5 | regs[0].n


Encoder = Callable[[Values, str, list[str]], int]


@cache
def encoders() -> dict[str, Encoder]:
    """How each instruction is written, by its name."""
    found: dict[str, Any] = {"mov": encode_move, "tst": tested, "bfc": cleared_bits, "extr": extract, "b.": jump_if}
    for opc, name in enumerate(("add", "adds", "sub", "subs")):
        found[name] = partial(arithmetic, opc)
    found |= {"cmp": partial(compared, 3), "cmn": partial(compared, 1)}
    found |= {"neg": partial(negated, 2), "negs": partial(negated, 3)}
    for invert, names in enumerate((("and", "orr", "eor", "ands"), ("bic", "orn", "eon", "bics"))):
        found |= {name: partial(logical, opc, invert) for opc, name in enumerate(names)}
    found["mvn"] = lambda asm, name, ops: logical(1, 1, asm, name, [ops[0], zero(ops[0]), *register_first(ops[1:])])
    found |= {"movn": partial(wide_move, 0), "movz": partial(wide_move, 2), "movk": partial(wide_move, 3)}
    found |= {name: partial(shift, kind) for kind, name in enumerate(SHIFTS)}
    for opc, sign in ((0, "s"), (2, "u")):
        found |= {f"{sign}bfx": partial(of_bits, opc, False), f"{sign}bfiz": partial(of_bits, opc, True)}
        found |= {f"{sign}xtb": partial(extended, opc, 8), f"{sign}xth": partial(extended, opc, 16)}
    found |= {"sxtw": partial(extended, 0, 32), "bfi": partial(of_bits, 1, True), "bfxil": partial(of_bits, 1, False)}
    for opc, name in enumerate(("adc", "adcs", "sbc", "sbcs")):
        found[name] = partial(carried, 0x1A00_0000 | opc << 29, False)
    found |= {"ngc": partial(carried, 0x5A00_0000, True), "ngcs": partial(carried, 0x7A00_0000, True)}
    found |= {"udiv": partial(carried, 0x1AC0_0800, False), "sdiv": partial(carried, 0x1AC0_0C00, False)}
    for opcode, name in ((0, "rbit"), (1, "rev16"), (4, "clz"), (5, "cls")):
        found[name] = partial(carried, 0x5AC0_0000 | opcode << 10, False)
    found |= {"rev": reversed_bytes, "rev32": reversed_bytes}
    for which, name in (((0, 0), "csel"), ((0, 1), "csinc"), ((1, 0), "csinv"), ((1, 1), "csneg")):
        found[name] = partial(selected, which)
    for which, sources, name in (
        ((0, 1), 0, "cset"), ((1, 0), 0, "csetm"), ((0, 1), 1, "cinc"), ((1, 0), 1, "cinv"), ((1, 1), 1, "cneg")
    ):  # fmt: skip
        found[name] = partial(if_not, which, sources)
    found |= {"ccmn": partial(compared_if, 1), "ccmp": partial(compared_if, 3)}
    for kind, sign, widths in ((0, "", (None, None)), (1, "s", (0, 1)), (5, "u", (0, 1))):
        for subtract, three, two in ((0, "madd", "mul"), (1, "msub", "mneg")):
            encode = partial(multiplied, 0x1B00_0000 | kind << 21 | subtract << 15, widths)
            found |= {f"{sign}{three}{'l' if sign else ''}": encode, f"{sign}{two}{'l' if sign else ''}": encode}
    found |= {"smulh": partial(high_half, 0x1B40_0000), "umulh": partial(high_half, 0x1BC0_0000)}
    found |= {name: partial(call, 0xD400_0000 | kind) for name, kind in (("svc", 1), ("hvc", 2), ("smc", 3))}
    found |= {"brk": partial(call, 0xD420_0000), "b": partial(jump, 0x1400_0000), "bl": partial(jump, 0x9400_0000)}
    found |= {"cbz": partial(jump_zero, 0x3400_0000), "cbnz": partial(jump_zero, 0x3500_0000)}
    found |= {"tbz": partial(jump_bit, 0x3600_0000), "tbnz": partial(jump_bit, 0x3700_0000)}
    for kind, name in enumerate(("br", "blr", "ret")):
        found[name] = partial(jump_register, 0xD61F_0000 | kind << 21)
    found |= {"adr": partial(encode_place, 0), "adrp": partial(encode_place, 1)}
    found |= {"mrs": partial(system, 1), "msr": partial(system, 0)}
    for suffix, size in (("b", 0), ("h", 1), ("", None)):
        for opc, name in ((0, "st"), (1, "ld")):
            found |= {
                f"{name}r{suffix}": partial(access, size, opc),
                f"{name}ur{suffix}": partial(unscaled, size, opc, 0),
            }
            found[f"{name}tr{suffix}"] = partial(unscaled, size, opc, 1)
            for ordered, letter in ((0, ""), (1, "a" if opc else "l")):
                found[f"{name}{letter}xr{suffix}"] = partial(exclusive, size, opc << 1 | ordered)
            found[f"{name}{'a' if opc else 'l'}r{suffix}"] = partial(exclusive, size, 4 | opc << 1 | 1)
    for suffix, size in (("sb", 0), ("sh", 1), ("sw", 2)):
        found |= {f"ldr{suffix}": partial(signed_access, size, None), f"ldur{suffix}": partial(signed_access, size, 0)}
        found[f"ldtr{suffix}"] = partial(signed_access, size, 1)
    for load, name in ((0, "st"), (1, "ld")):
        found |= {f"{name}p": partial(encode_pair, load, 1), f"{name}np": partial(encode_pair, load, 0)}
        for ordered, letter in ((0, ""), (1, "a" if load else "l")):
            found[f"{name}{letter}xp"] = partial(exclusive, None, 8 | load << 1 | ordered)
    found["ldpsw"] = partial(encode_pair, 1, 1)
    return found


def register_first(ops: list[str]) -> list[str]:
    """Operands of which the first is a register."""
    parse_register(ops[0])
    return ops


def signed_access(size: int, user: int | None, asm: Values, name: str, ops: list[str]) -> int:
    """LDRSB and its like: into 64 bits or into 32."""
    opc = 2 if parse_register(ops[0], stack=False).wide else 3
    if opc == 3 and size == 2:
        raise NoAssembly(f"{ops[0]} is of another width")
    if user is None:
        return access(size, opc, asm, name, ops)
    return unscaled(size, opc, user, asm, name, ops)
