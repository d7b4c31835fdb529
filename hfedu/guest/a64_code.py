"""A64 instructions as Python: a run of them becomes the source of one function.

Encodings: Arm ARM, C4. What a Cortex-A57 does not know is undefined here too.

Such a function keeps the registers that it uses in variables, x0 to x31, of which x31 is the stack pointer in use.
Flags are kept as what set them: `fk` says how, `fa` and `fb` of which numbers, and only who asks works them out.
Memory is read through `rd` and written through `wr`, which hold where pages and granules lie in RAM; a key that is not
there (another page, an address that is not aligned, a device) ends the function at that instruction.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from hfedu.guest.syndrome import signed
from hfedu.hf.call import MASK32, MASK64

LITERAL, SUB64, SUB32, ADD64, ADD32, LOGIC64, LOGIC32 = range(7)
"""How flags are kept in `fa` and `fb`: as NZCV itself, the operands of a subtraction or an addition, or a result."""
X, W = f"{MASK64:#x}", f"{MASK32:#x}"
SIGN = {64: f"{1 << 63:#x}", 32: f"{1 << 31:#x}"}
GRANULE = 64
"""Bytes of code or data that are told apart when a guest writes into a page that it executes from."""
VIEWS = {1: "B", 2: "H", 4: "I", 8: "Q"}
UNDEFINED, SPECIAL = "undefined", "special"
HINT, BARRIER = 0xD503_201F, 0xD503_301F
LONGEST = 48
"""Instructions in one function."""


def condition(number: int, flags: int) -> bool:
    """Whether condition `number` holds for NZCV."""
    n, z, c, v = (bool(flags >> bit & 1) for bit in (3, 2, 1, 0))
    holds = (z, c, n, v, c and not z, n == v, n == v and not z, True)[number >> 1]
    return holds != bool(number & 1) if number < 14 else True


HOLDS = [sum(condition(number, flags) << flags for flags in range(16)) for number in range(16)]
"""For each condition a bit for each NZCV."""


def nzcv(kind: int, a: int, b: int) -> int:
    """NZCV as four bits, from how flags are kept."""
    if kind == LITERAL:
        return a
    bits = 32 if kind in (SUB32, ADD32, LOGIC32) else 64
    sign, mask = 1 << bits - 1, (1 << bits) - 1
    if kind in (LOGIC64, LOGIC32):
        return (a >= sign) << 3 | (not a) << 2
    b, carry = (b ^ mask, 1) if kind in (SUB64, SUB32) else (b, 0)
    return sum_flags(a, b, carry, bits)[1]


def sum_flags(a: int, b: int, carry: int, bits: int) -> tuple[int, int]:
    """The sum of two numbers and a carry, and its NZCV."""
    sign, mask = 1 << bits - 1, (1 << bits) - 1
    total = a + b + carry
    result = total & mask
    overflow = bool(~(a ^ b) & (a ^ result) & sign)
    return result, (result >= sign) << 3 | (not result) << 2 | (total > mask) << 1 | overflow


def bit_mask(n: int, imms: int, immr: int, bits: int) -> int | None:
    """The number that a logical immediate stands for (Arm ARM: DecodeBitMasks), None if it stands for none."""
    length = (n << 6 | ~imms & 0x3F).bit_length() - 1
    if length < 1 or (bits == 32 and n):
        return None
    size = 1 << length
    ones, turn = (imms & size - 1) + 1, immr & size - 1
    if ones == size:
        return None
    element = (1 << ones) - 1
    element = (element >> turn | element << size - turn) & (1 << size) - 1
    return sum(element << at for at in range(0, bits, size))


# What is too long for a line of such a function.


def reverse_bits(value: int, bits: int) -> int:
    """RBIT."""
    return int(f"{value:0{bits}b}"[::-1], 2)


def reverse_bytes(value: int, bits: int, container: int) -> int:
    """REV, REV16, REV32: the bytes of each container of so many bytes."""
    data = value.to_bytes(bits // 8, "little")
    return int.from_bytes(b"".join(data[at : at + container][::-1] for at in range(0, len(data), container)), "little")


def divide(a: int, b: int, bits: int) -> int:
    """SDIV: towards zero, and 0 by 0."""
    a, b = signed(a, bits), signed(b, bits)
    if not b:
        return 0
    return (abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)) & (1 << bits) - 1


def leading_sign_bits(value: int, bits: int) -> int:
    """CLS."""
    value = value ^ (1 << bits) - 1 if value >> bits - 1 else value
    return bits - 1 - value.bit_length()


def crc32(crc: int, data: int, size: int, polynomial: int) -> int:
    """CRC32 and CRC32C of `size` bytes."""
    crc = (crc ^ data) & (1 << 8 * max(size, 4)) - 1 if size > 4 else crc ^ data
    for _ in range(8 * size):
        crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return crc & MASK32


class Made(NamedTuple):
    """A function's source, its instructions' addresses, and why its first instruction is none for one, if so."""

    source: str
    places: tuple[int, ...]
    special: str


class _Writer:
    """Writes the source of one function."""

    def __init__(self, start: int, slow: bool) -> None:
        self.start, self.slow = start, slow
        self.lines: list[str] = []
        self.used: set[int] = set()
        self.written: set[int] = set()
        self.narrow: set[int] = set()
        self.flags_used = self.flags_set = False
        self.kind: int | None = None
        self.index = 0
        self.pc = start
        self.loops = False

    # Registers.

    def x(self, n: int) -> str:
        """64 bits of a register; 31 is zero."""
        if n == 31:
            return "0"
        self.used.add(n)
        return f"x{n}"

    def base(self, n: int) -> str:
        """64 bits of a register; 31 is the stack pointer."""
        self.used.add(n)
        return f"x{n}"

    def w(self, n: int) -> str:
        """32 bits of a register; 31 is zero."""
        return self.x(n) if n == 31 or n in self.narrow else f"({self.x(n)} & {W})"

    def r(self, n: int, bits: int) -> str:
        """A register of that width; 31 is zero."""
        return self.x(n) if bits == 64 else self.w(n)

    def set(self, n: int, value: str, bits: int = 64, stack: bool = False) -> None:
        """Assign to a register a value that fits into so many bits."""
        if n == 31 and not stack:
            return
        self.used.add(n)
        self.written.add(n)
        if f"x{n}" != value:
            self.lines.append(f"x{n} = {value}")
        (self.narrow.add if bits <= 32 else self.narrow.discard)(n)

    def here(self, offset: int = 0) -> int | str:
        """An address so far from this instruction: a number, or an expression of `at` where that is not known."""
        return f"at + {offset} & {X}" if self.slow else self.pc + offset & MASK64

    def add(self, *lines: str) -> None:
        """Append lines."""
        self.lines += lines

    # Flags.

    def set_flags(self, kind: int, a: str, b: str = "0") -> None:
        """Keep what the flags follow from."""
        self.flags_used = self.flags_set = True
        self.kind = kind
        self.add(f"fk = {kind}; fa = {a}; fb = {b}")

    def literal_flags(self) -> str:
        """NZCV as a number, kept as such."""
        self.flags_used = True
        if self.kind != LITERAL:
            self.flags_set = True
            self.add("fa = nzcv(fk, fa, fb); fk = 0")
            self.kind = LITERAL
        return "fa"

    def holds(self, number: int) -> str:
        """A condition as an expression."""
        if number >= 14:
            return "True"
        kind = self.kind
        if kind in (SUB64, SUB32):
            sign = SIGN[64 if kind == SUB64 else 32]
            found = {
                0: "fa == fb", 1: "fa != fb", 2: "fa >= fb", 3: "fa < fb", 4: f"(fa - fb) & {sign}",
                5: f"not (fa - fb) & {sign}", 8: "fa > fb", 9: "fa <= fb", 10: f"(fa ^ {sign}) >= (fb ^ {sign})",
                11: f"(fa ^ {sign}) < (fb ^ {sign})", 12: f"(fa ^ {sign}) > (fb ^ {sign})",
                13: f"(fa ^ {sign}) <= (fb ^ {sign})",
            }.get(number)  # fmt: skip
            if found:
                return found
        if kind in (LOGIC64, LOGIC32):
            sign = SIGN[64 if kind == LOGIC64 else 32]
            return {
                0: "not fa", 1: "fa", 2: "False", 3: "True", 4: f"fa >= {sign}", 5: f"fa < {sign}", 6: "False",
                7: "True", 8: "False", 9: "True", 10: f"fa < {sign}", 11: f"fa >= {sign}", 12: f"0 < fa < {sign}",
                13: f"not 0 < fa < {sign}",
            }[number]  # fmt: skip
        flags = self.literal_flags()
        return f"{HOLDS[number]:#x} >> {flags} & 1"

    # Memory. An address is in `a`.

    def address(self, base: str, offset: int) -> None:
        """Put an address into `a`."""
        self.add(
            f"a = {base} + {offset} & {X}"
            if offset > 0
            else f"a = {base} - {-offset} & {X}"
            if offset
            else f"a = {base}"
        )

    def load(self, to: str, size: int, at: str = "a") -> None:
        """Read an unsigned number."""
        if self.slow:
            self.add(f"{to} = load({at}, {size})")
            return
        key = MASK64 - (0x1000 - size)
        self.add(f"i = {self.index}", f"{to} = {VIEWS[size]}[{place(at, size, 'rd', key)}]")

    def store(self, value: str, size: int, at: str = "a") -> None:
        """Write a number that fits."""
        if self.slow:
            self.add(f"store({at}, {size}, {value})")
            return
        key = MASK64 - (GRANULE - size)
        self.add(f"i = {self.index}", f"{VIEWS[size]}[{place(at, size, 'wr', key)}] = {value}")

    def part(self, n: int, size: int) -> str:
        """The low bytes of a register."""
        if size == 8:
            return self.x(n)
        return self.w(n) if size == 4 else f"{self.x(n)} & {(1 << 8 * size) - 1:#x}" if n != 31 else "0"


def place(at: str, size: int, table: str, key: int) -> str:
    """The index of an address in the view of RAM for that size."""
    offset = f"{at} & {0x1000 - size:#x} | {table}[{at} & {key:#x}]"
    return f"({offset}) >> {size.bit_length() - 1}" if size > 1 else offset


class Branch(NamedTuple):
    """Where an instruction goes: an address or an expression, and the condition, None if always."""

    target: int | str
    when: str | None = None
    call: bool = False


def make(start: int, fetch: Callable[[int], int | None]) -> Made:
    """A function from the instruction at `start` on. `fetch` gives the word at an address, None beyond what it may."""
    writer, places = _Writer(start, False), list[int]()
    pc: int | str = start
    special = ""
    body = writer.lines
    while len(places) < LONGEST and isinstance(pc, int) and pc not in places:
        word = fetch(pc)
        if word is None:
            break
        writer.pc, writer.index = pc, len(places)
        before = len(body)
        found = write(writer, word)
        if found in (UNDEFINED, SPECIAL):
            del body[before:]
            special = "" if places else found
            break
        places.append(pc)
        pc += 4
        if not isinstance(found, Branch):
            continue
        if found.when is None:
            pc = found.target
            if found.call:
                break
        elif found.target == start:
            body += [
                f"if {found.when}:",
                f" left -= {len(places)}",
                " if left >= SIZE: continue",
                f" pc = {start}; break",
            ]
        else:
            body += [f"if {found.when}: pc = {found.target}; left -= {len(places)}; break"]
    body += [f"left -= {len(places)}"]
    body += ["if left >= SIZE: continue"] if pc == start else []
    return Made(source_of_function(writer, pc, str(len(places))), tuple(places), special)


def make_single(word: int) -> Made:
    """A function of one instruction wherever it is: at `at`. It reads and writes memory by `load` and `store`."""
    writer = _Writer(0, True)
    found = write(writer, word)
    if found in (UNDEFINED, SPECIAL):
        return Made("", (), found)
    pc = f"at + 4 & {X}"
    if isinstance(found, Branch):
        pc = str(found.target) if found.when is None else f"{found.target} if {found.when} else {pc}"
    return Made(source_of_function(writer, pc, "1"), (), "")


def source_of_function(writer: _Writer, pc: int | str, size: str) -> str:
    """The lines of a function that goes on at `pc`, and what is around them."""
    lines = ["def make(x, rd, wr, Q, I, H, B, L, load, store, at):", " def block(left):"]
    lines += [f"  x{n} = x[{n}]" for n in sorted(writer.used)]
    lines += ["  fk, fa, fb = x[32:35]"] if writer.flags_used else []
    if writer.slow:
        lines += [f"  {line}" for line in [*writer.lines, f"pc = {pc}"]]
    else:
        lines += ["  try:", "   while True:"]
        lines += [f"    {line.replace('SIZE', size)}" for line in [*writer.lines, f"pc = {pc}", "break"]]
        lines += ["  except KeyError:", "   pc = ~i; left -= i"]
    lines += [f"  x[{n}] = x{n}" for n in sorted(writer.written)]
    lines += ["  x[32] = fk; x[33] = fa; x[34] = fb"] if writer.flags_set else []
    lines += [] if writer.slow else ["  L[0] = left"]
    return "\n".join([*lines, "  return pc", " return block"])


def write(to: _Writer, word: int) -> Any:
    """Write one instruction: None to go on behind it, `UNDEFINED`, `SPECIAL`, or the `Branch` that it makes."""
    group = word >> 25 & 15
    if group in (8, 9):
        return _immediate(to, word)
    if group in (10, 11):
        return _branch(to, word)
    if group in (5, 13):
        return _registers(to, word)
    if group & 5 == 4:
        return _memory(to, word)
    there = group in (7, 15) and (not word >> 31 or word >> 24 & 0x7F == 0x1E)
    return SPECIAL if there else UNDEFINED


def _immediate(to: _Writer, word: int) -> Any:
    """Data processing with an immediate."""
    rd, rn, kind = word & 31, word >> 5 & 31, word >> 23 & 7
    bits = 64 if word >> 31 else 32
    mask = X if bits == 64 else W
    if kind < 2:  # ADR, ADRP
        offset = signed(word >> 5 & 0x7FFFF, 19) << 2 | word >> 29 & 3
        return to.set(rd, f"({to.here()} & -4096) + {offset << 12} & {X}" if word >> 31 else str(to.here(offset)))
    if kind == 2:
        return _add_immediate(to, word, bits)
    if kind == 4:
        number = bit_mask(word >> 22 & 1, word >> 10 & 63, word >> 16 & 63, bits)
        return (
            UNDEFINED if number is None else _logic(to, word >> 29 & 3, rd, to.x(rn), f"{number:#x}", bits, stack=True)
        )
    if kind == 5:  # MOVN, MOVZ, MOVK
        opc, shift, number = word >> 29 & 3, word >> 17 & 0x30, word >> 5 & 0xFFFF
        if opc == 1 or shift >= bits:
            return UNDEFINED
        if opc == 3:
            keep = ((1 << bits) - 1) & ~(0xFFFF << shift)
            return to.set(rd, f"{to.x(rd)} & {keep:#x} | {number << shift:#x}", bits)
        value = number << shift
        return to.set(rd, f"{value ^ (1 << bits) - 1 if opc == 0 else value:#x}", bits)
    n, immr, imms = word >> 22 & 1, word >> 16 & 63, word >> 10 & 63
    if n != bits >> 6 or imms >= bits or (kind == 6 and immr >= bits):
        return UNDEFINED
    if kind == 6:
        return _bitfield(to, word >> 29 & 3, rd, rn, immr, imms, bits)
    if kind == 7:  # EXTR
        if word >> 29 & 3 or word >> 21 & 1:
            return UNDEFINED
        high, low = to.r(rn, bits), to.r(immr & 31, bits)
        return to.set(rd, low if not imms else f"({low} >> {imms} | {high} << {bits - imms}) & {mask}", bits)
    return UNDEFINED


def _add_immediate(to: _Writer, word: int, bits: int) -> Any:
    rd, rn, number = word & 31, word >> 5 & 31, (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
    subtract, flags = word >> 30 & 1, word >> 29 & 1
    mask = X if bits == 64 else W
    source = to.base(rn) if bits == 64 or rn in to.narrow else f"({to.base(rn)} & {W})"
    if flags:
        to.set_flags((SUB64 if subtract else ADD64) + (bits == 32), source, f"{number:#x}")
        return to.set(rd, f"fa {'-' if subtract else '+'} fb & {mask}", bits)
    if not number:
        return to.set(rd, source, bits, stack=True)
    return to.set(rd, f"{to.base(rn)} {'-' if subtract else '+'} {number} & {mask}", bits, stack=True)


def _logic(to: _Writer, opc: int, rd: int, a: str, b: str, bits: int, stack: bool = False) -> Any:
    """AND, ORR, EOR, ANDS: `a` may be wider, `b` fits."""
    if opc in (1, 2) and bits == 32 and a != "0" and not (a[1:].isdigit() and int(a[1:]) in to.narrow):
        a = f"({a} & {W})"
    value = f"{a} {'&|^&'[opc]} {b}"
    if opc == 1 and a == "0":
        value = b
    if opc == 3:
        to.set_flags(LOGIC64 if bits == 64 else LOGIC32, value)
        return to.set(rd, "fa", bits)
    return to.set(rd, value, bits, stack)


def _bitfield(to: _Writer, opc: int, rd: int, rn: int, immr: int, imms: int, bits: int) -> Any:
    """SBFM, BFM, UBFM."""
    if opc == 3:
        return UNDEFINED
    if imms >= immr:  # extract
        width, at = imms - immr + 1, 0
        ones = (1 << width) - 1
        field = to.r(rn, bits) if not immr else f"{to.r(rn, bits)} >> {immr}"
        field = field if width + immr == bits else f"({field}) & {ones:#x}"
    else:  # insert
        width, at = imms + 1, bits - immr
        ones = (1 << width) - 1
        field = f"({to.x(rn)} & {ones:#x}) << {at}"
    mask = (1 << bits) - 1
    if opc == 2:
        return to.set(rd, field, min(bits, width + at))
    if opc == 1:
        return to.set(rd, f"{to.x(rd)} & {mask & ~(ones << at):#x} | {field}", bits)
    sign = f"{1 << width + at - 1:#x}"
    return to.set(rd, f"(({field}) ^ {sign}) - {sign} & {mask:#x}", bits)


def _branch(to: _Writer, word: int) -> Any:
    """Branches; what makes exceptions and what touches the system is special."""
    if word & 0x7C00_0000 == 0x1400_0000:
        if word >> 31:
            to.set(30, str(to.here(4)))
        return Branch(to.here(4 * signed(word & 0x3FF_FFFF, 26)), call=bool(word >> 31))
    offset = 4 * signed(word >> 5 & 0x7FFFF, 19)
    if word & 0x7E00_0000 == 0x3400_0000:
        value = to.r(word & 31, 64 if word >> 31 else 32)
        return Branch(to.here(offset), value if word >> 24 & 1 else f"not {value}")
    if word & 0x7E00_0000 == 0x3600_0000:
        bit = word >> 26 & 32 | word >> 19 & 31
        test = f"{to.x(word & 31)} & {1 << bit:#x}"
        target = to.here(4 * signed(word >> 5 & 0x3FFF, 14))
        return Branch(target, test if word >> 24 & 1 else f"not {test}")
    if word & 0xFF00_0010 == 0x5400_0000:
        return Branch(to.here(offset), to.holds(word & 15))
    if word & 0xFF9F_FC1F == 0xD61F_0000 and word >> 21 & 3 < 3:
        register = to.x(word >> 5 & 31)
        if word >> 21 & 3 == 1:
            to.add(f"t = {register}")
            to.set(30, str(to.here(4)))
            register = "t"
        return Branch(register)
    if word == HINT or (word & 0xFFFF_F01F == HINT and word >> 5 & 0x7F not in (2, 3)):
        return None
    if word & 0xFFFF_F01F == BARRIER and word >> 5 & 7 in (4, 5, 6):
        return None
    return SPECIAL


def shifted_register(to: _Writer, rm: int, kind: int, amount: int, bits: int) -> str:
    """A register shifted by a constant, as an expression of that width."""
    value, mask = to.r(rm, bits), X if bits == 64 else W
    if not amount or value == "0":
        return value
    if kind == 0:
        return f"({to.x(rm)} << {amount} & {mask})"
    if kind == 1:
        return f"({value} >> {amount})"
    if kind == 2:
        return f"((({value} ^ {SIGN[bits]}) - {SIGN[bits]} >> {amount}) & {mask})"
    return f"(({value} >> {amount} | {value} << {bits - amount}) & {mask})"


def extended_register(to: _Writer, rm: int, option: int, amount: int, bits: int) -> str:
    """A register extended from part of it and shifted left."""
    size = 8 << (option & 3)
    value = to.x(rm) if size == 64 else to.w(rm) if size == 32 else f"({to.x(rm)} & {(1 << size) - 1:#x})"
    if option & 4 and size < 64:
        value = f"(({value} ^ {1 << size - 1:#x}) - {1 << size - 1:#x})"
    value = f"({value} << {amount})" if amount else value
    return f"({value} & {X if bits == 64 else W})" if option & 4 or size + amount > bits or size == 64 else value


def _registers(to: _Writer, word: int) -> Any:
    """Data processing with registers."""
    rd, rn, rm = word & 31, word >> 5 & 31, word >> 16 & 31
    bits = 64 if word >> 31 else 32
    mask = X if bits == 64 else W
    kind, amount = word >> 24 & 31, word >> 10 & 63
    if kind == 10:  # logical
        if amount >= bits:
            return UNDEFINED
        b = shifted_register(to, rm, word >> 22 & 3, amount, bits)
        b = f"({b} ^ {mask})" if word >> 21 & 1 else b
        return _logic(to, word >> 29 & 3, rd, to.x(rn), b, bits)
    if kind == 11:
        subtract, flags = word >> 30 & 1, word >> 29 & 1
        sign = "-" if subtract else "+"
        if word >> 21 & 1:
            if word >> 22 & 3 or amount & 7 > 4:
                return UNDEFINED
            a = to.base(rn) if bits == 64 or rn in to.narrow else f"({to.base(rn)} & {W})"
            b = extended_register(to, rm, word >> 13 & 7, amount & 7, bits)
        else:
            if word >> 22 & 3 == 3 or amount >= bits:
                return UNDEFINED
            a, b = to.r(rn, bits), shifted_register(to, rm, word >> 22 & 3, amount, bits)
        if flags:
            to.set_flags((SUB64 if subtract else ADD64) + (bits == 32), a, b)
            return to.set(rd, f"fa {sign} fb & {mask}", bits)
        return to.set(rd, f"{a} {sign} {b} & {mask}", bits, stack=bool(word >> 21 & 1))
    if kind == 27:
        return _multiply(to, word, bits, mask)
    if kind != 26:
        return UNDEFINED
    which = word >> 21 & 7
    if which == 0 and not amount:  # ADC, SBC
        carry = f"({to.literal_flags()} >> 1 & 1)"
        a, b = to.r(rn, bits), to.r(rm, bits)
        b = f"({b} ^ {mask})" if word >> 30 & 1 else b
        if word >> 29 & 1:
            to.add(f"t, fa = sum_flags({a}, {b}, {carry}, {bits}); fk = 0; fb = 0")
            to.flags_set, to.kind = True, LITERAL
            return to.set(rd, "t", bits)
        return to.set(rd, f"{a} + {b} + {carry} & {mask}", bits)
    if which == 2 and word >> 29 & 1 and not word >> 10 & 1 and not word >> 4 & 1:  # CCMN, CCMP
        b = f"{rm}" if word >> 11 & 1 else to.r(rm, bits)
        compare = (SUB64 if word >> 30 & 1 else ADD64) + (bits == 32)
        holds, a = to.holds(word >> 12 & 15), to.r(rn, bits)
        to.add(f"fa = nzcv({compare}, {a}, {b}) if {holds} else {word & 15}; fk = 0; fb = 0")
        to.flags_used = to.flags_set = True
        to.kind = LITERAL
        return None
    if which == 4 and not word >> 29 & 1 and not word >> 11 & 1:  # CSEL, CSINC, CSINV, CSNEG
        holds, other = to.holds(word >> 12 & 15), to.r(rm, bits)
        other = {
            (0, 0): other,
            (0, 1): f"{other} + 1 & {mask}",
            (1, 0): f"{other} ^ {mask}",
            (1, 1): f"-{other} & {mask}",
        }[word >> 30 & 1, word >> 10 & 1]
        return to.set(rd, f"{to.r(rn, bits)} if {holds} else {other}", bits)
    if which == 6 and not word >> 29 & 1:
        return (
            _one_source(to, rd, rn, rm, amount, bits) if word >> 30 & 1 else _two_sources(to, rd, rn, rm, amount, bits)
        )
    return UNDEFINED


def _one_source(to: _Writer, rd: int, rn: int, opcode2: int, opcode: int, bits: int) -> Any:
    if opcode2 or opcode > 5 or (opcode == 3 and bits == 32):
        return UNDEFINED
    value = to.r(rn, bits)
    return to.set(
        rd,
        (
            f"reverse_bits({value}, {bits})",
            f"reverse_bytes({value}, {bits}, 2)",
            f"reverse_bytes({value}, {bits}, 4)",
            f"reverse_bytes({value}, {bits}, 8)",
            f"{bits} - ({value}).bit_length()",
            f"leading_sign_bits({value}, {bits})",
        )[opcode],
        bits,
    )


def _two_sources(to: _Writer, rd: int, rn: int, rm: int, opcode: int, bits: int) -> Any:
    a, b, mask = to.r(rn, bits), to.r(rm, bits), X if bits == 64 else W
    amount = f"({to.x(rm)} & {bits - 1})"
    if opcode == 2:
        to.add(f"t = {b}")
        return to.set(rd, f"{a} // t if t else 0", bits)
    if opcode == 3:
        return to.set(rd, f"divide({a}, {b}, {bits})", bits)
    if opcode == 8:
        return to.set(rd, f"{a} << {amount} & {mask}", bits)
    if opcode == 9:
        return to.set(rd, f"{a} >> {amount}", bits)
    if opcode == 10:
        return to.set(rd, f"(({a} ^ {SIGN[bits]}) - {SIGN[bits]} >> {amount}) & {mask}", bits)
    if opcode == 11:
        return to.set(rd, f"({a} >> {amount} | {a} << {bits} - {amount}) & {mask}", bits)
    size = 1 << (opcode & 3)
    if opcode >> 3 != 2 or (size == 8) != (bits == 64):
        return UNDEFINED
    polynomial = 0x82F6_3B78 if opcode & 4 else 0xEDB8_8320
    return to.set(rd, f"crc32({to.w(rn)}, {to.part(rm, size)}, {size}, {polynomial:#x})", 32)


def _multiply(to: _Writer, word: int, bits: int, mask: str) -> Any:
    """MADD and its kin."""
    rd, rn, ra, rm = word & 31, word >> 5 & 31, word >> 10 & 31, word >> 16 & 31
    kind, subtract = word >> 21 & 7, word >> 15 & 1
    sign = "-" if subtract else "+"
    if word >> 29 & 3 or (kind and bits == 32):
        return UNDEFINED
    if kind == 0:
        return to.set(rd, f"{to.x(ra)} {sign} {to.x(rn)} * {to.x(rm)} & {mask}", bits)
    if kind in (1, 5):
        a, b = to.w(rn), to.w(rm)
        if kind == 1:
            a, b = (f"(({each} ^ {SIGN[32]}) - {SIGN[32]})" for each in (a, b))
        return to.set(rd, f"{to.x(ra)} {sign} {a} * {b} & {X}")
    if kind in (2, 6) and not subtract:
        a, b = to.x(rn), to.x(rm)
        if kind == 2:
            a, b = (f"(({each} ^ {SIGN[64]}) - {SIGN[64]})" for each in (a, b))
        return to.set(rd, f"{a} * {b} >> 64 & {X}")
    return UNDEFINED


def _memory(to: _Writer, word: int) -> Any:
    """Loads and stores; exclusive ones, unprivileged ones and those of vectors are special."""
    rt, rn = word & 31, word >> 5 & 31
    size, opc = word >> 30, word >> 22 & 3
    vector = word >> 26 & 1
    if word & 0x3F00_0000 == 0x0800_0000:
        if word >> 21 & 5 == 4:  # LDAR, STLR: o2 = 1, o1 = 0
            if not word >> 15 & 1:
                return UNDEFINED
            to.address(to.base(rn), 0)
            return _access(to, rt, size, 0 if not word >> 22 & 1 else 1)
        if word >> 23 & 1 or (word >> 21 & 1 and size < 2):
            return UNDEFINED
        return SPECIAL
    if word & 0x3B00_0000 == 0x1800_0000:
        if vector:
            return UNDEFINED if size == 3 else SPECIAL
        if size == 3:
            return None
        to.add(f"a = {to.here(4 * signed(word >> 5 & 0x7FFFF, 19))}")
        return _access(to, rt, (2, 3, 2)[size], (1, 1, 2)[size])
    if word & 0x3A00_0000 == 0x2800_0000:
        mode, load = word >> 23 & 3, word >> 22 & 1
        if size == 3 or (not vector and size == 1 and (not load or mode == 0)):
            return UNDEFINED
        return SPECIAL if vector else _pair(to, word, mode, bool(load))
    if word & 0x3A00_0000 != 0x3800_0000:
        return SPECIAL if word & 0xBE00_0000 == 0x0C00_0000 else UNDEFINED
    if vector:
        return _vector_form(word)
    index = word >> 10 & 3
    prefetch = size == 3 and opc == 2
    if opc == 3 and size > 1:
        return UNDEFINED
    if word >> 24 & 1:
        offset = (word >> 10 & 0xFFF) << size
    elif word >> 21 & 1:
        if index != 2 or not word >> 14 & 1:
            return UNDEFINED
        if prefetch:
            return None
        amount, option = size if word >> 12 & 1 else 0, word >> 13 & 7
        add = extended_register(to, word >> 16 & 31, option, amount, 64)
        to.add(f"a = {to.base(rn)} + {add} & {X}")
        return _access(to, rt, size, opc)
    else:
        if prefetch and index:
            return UNDEFINED
        if index == 2:
            return SPECIAL
        offset = signed(word >> 12 & 0x1FF, 9)
        if index in (1, 3):
            base = to.base(rn)
            to.address(base, offset if index == 3 else 0)
            if index == 1:
                to.add(f"b = {base} + {offset} & {X}")
                _access(to, rt, size, opc)
                to.set(rn, "b", stack=True)
            else:
                _access(to, rt, size, opc)
                to.set(rn, "a", stack=True)
            return None
    if prefetch:
        return None
    to.address(to.base(rn), offset)
    return _access(to, rt, size, opc)


def _vector_form(word: int) -> str:
    """Whether there is such a load or store of one vector register."""
    size, opc, index = word >> 30, word >> 22 & 3, word >> 10 & 3
    if opc & 2 and size:
        return UNDEFINED
    if not word >> 24 & 1 and (
        (word >> 21 & 1 and (index != 2 or not word >> 14 & 1)) or (not word >> 21 & 1 and index == 2)
    ):
        return UNDEFINED
    return SPECIAL


def _access(to: _Writer, rt: int, size: int, opc: int) -> None:
    """The access at `a`. `opc` 0 stores, 1 loads, 2 extends the sign to 64 bits, 3 to 32."""
    width = 1 << size
    if opc == 0:
        to.store(to.part(rt, width), width)
        return
    if opc == 1 and rt != 31:
        to.load(f"x{rt}", width)
        to.set(rt, f"x{rt}", 8 * width)
        return
    to.load("v", width)
    bits = 64 if opc == 2 else 32
    sign = f"{1 << 8 * width - 1:#x}"
    if opc > 1:
        to.set(rt, f"(v ^ {sign}) - {sign} & {X if bits == 64 else W}", bits)


def _pair(to: _Writer, word: int, mode: int, load: bool) -> None:
    """LDP, STP, LDPSW, LDNP, STNP. Modes: 0 and 2 offset, 1 post-index, 3 pre-index."""
    rt, rn, rt2, opc = word & 31, word >> 5 & 31, word >> 10 & 31, word >> 30
    size = 8 if opc == 2 else 4
    offset = signed(word >> 15 & 0x7F, 7) * size
    base = to.base(rn)
    to.address(base, 0 if mode == 1 else offset)
    to.add(f"b = a + {size} & {X}")
    if not load:
        first, second = to.part(rt, size), to.part(rt2, size)
        to.store(first, size)
        to.store(second, size, "b")
    else:
        to.load("v", size)
        to.load("u", size, "b")
        for register, value in ((rt2, "u"), (rt, "v")):
            if opc == 1:
                to.set(register, f"({value} ^ {SIGN[32]}) - {SIGN[32]} & {X}")
            else:
                to.set(register, value, 8 * size)
    if mode == 1:
        to.set(rn, f"a + {offset} & {X}", stack=True)
    elif mode == 3:
        to.set(rn, "a", stack=True)
