"""A64 assembly without a compiler: what a browser has. It knows the instructions of `a64_words`.

Two passes: the first finds where each label is, the second writes the words. Syntax is that of GNU's assembler and of
Clang's; directives are those for data and alignment. What it writes is what those write, byte for byte; but Clang
makes a small number of `ldr =` without loading it.
"""

import ast
import operator
import re
from collections.abc import Callable

from hfedu.errors import Mistake, nearest
from hfedu.guest.a64_words import NoAssembly, field, operands, word_of
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.call import MASK64

LEAST_STACK = 0x4000
LARGEST_IMAGE = 1 << 24
"""Bytes of an image."""
NOTHING = {".global", ".globl", ".text", ".type", ".size", ".arch", ".cpu", ".file", ".ident", ".hidden", ".local"}
DATA = {
    **dict.fromkeys((".byte", ".1byte"), 1), **dict.fromkeys((".hword", ".short", ".2byte"), 2),
    **dict.fromkeys((".word", ".long", ".int", ".4byte"), 4), **dict.fromkeys((".quad", ".xword", ".8byte"), 8),
}  # fmt: skip
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "'": "'"}
OPERATORS: dict[type, Callable[..., int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}  # fmt: skip
PIECES = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'\\?.\'?|/\*.*?\*/|//[^\n]*|[;\n]|^[ \t]*#[^\n]*', re.DOTALL | re.MULTILINE)
"""What ends a statement, is no part of it, or is to be taken as it is: texts and characters."""
HERE = "_here_"
"""What stands for `.` in an expression."""


def assembled(source: str) -> bytes:
    """The image of assembly. `Mistake` with the first line that is none."""
    return Assembler(source).image()


class Assembler:
    """One program. `symbols` are its labels and constants; `numbered` are the addresses of labels such as 1."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.symbols: dict[str, int] = {}
        self.labels = {"stack_top", "send_page", "recv_page", HERE}
        self.numbered: dict[str, list[int]] = {}
        self.at, self.line, self.final = 0, 0, False
        self.out = bytearray()
        self.pool: dict[tuple[str, int], int] = {}
        self.pool_at: dict[tuple[str, int], int] = {}

    def image(self) -> bytes:
        """Both passes."""
        for self.final in (False, True):
            self.at, self.line, self.pool = 0, 0, {}
            self.out.clear()
            try:
                for number, text in statements(self.source):
                    self.line = number
                    self.statement(text)
                self.flush()
            except NoAssembly as fault:
                raise Mistake(f"the assembly does not compile, line {self.line}: {fault}") from None
            top = max(LEAST_STACK, -(-self.at // PAGE_SIZE) * PAGE_SIZE + PAGE_SIZE)
            self.symbols |= {"stack_top": top, "send_page": top, "recv_page": top + PAGE_SIZE}
        if not self.out:
            raise Mistake("the assembly has nothing to load in it: a guest needs at least one instruction")
        return bytes(self.out)

    # Statements.

    def statement(self, text: str) -> None:
        """Labels, and behind them a directive, a constant or an instruction."""
        while label := re.match(r"([\w.$]+):\s*", text):
            self.label(label[1])
            text = text[label.end() :]
        if not text:
            return
        name, _, rest = text.partition(" ")
        if constant := re.fullmatch(r"([A-Za-z_.$][\w.$]*)\s*=\s*(.*)", text):
            self.directive(".set", f"{constant[1]}, {constant[2]}")
        elif name.startswith("."):
            self.directive(name.lower(), rest.strip())
        else:
            if self.at % 4:
                raise NoAssembly("an instruction stands at a multiple of 4 bytes: write .balign 4 before it")
            self.emit(word_of(self, name.lower(), operands(rest)).to_bytes(4, "little"))

    def label(self, name: str) -> None:
        """A label is the address that comes next."""
        if name.isdecimal():
            places = self.numbered.setdefault(name, [])
            if not self.final:
                places.append(self.at)
        elif not self.final and name in self.symbols:
            raise NoAssembly(f"symbol {name!r} is already defined")
        elif self.final and self.symbols[name] != self.at:
            raise NoAssembly(f"where {name} is depends on something that is defined below it")
        else:
            self.symbols[name] = self.at
            self.labels.add(name)

    def emit(self, content: bytes) -> None:
        """Write what comes next."""
        self.at += len(content)
        if self.at > LARGEST_IMAGE:
            raise NoAssembly(f"the program is larger than {LARGEST_IMAGE >> 20} MiB")
        self.out += content

    def directive(self, name: str, rest: str) -> None:
        """Data, alignment and constants."""
        parts = operands(rest)
        if name in DATA:
            for part in parts:
                self.emit((self.value(part, True) & MASK64).to_bytes(8, "little")[: DATA[name]])
        elif name in (".ascii", ".asciz", ".string"):
            for part in parts:
                self.emit(characters(part) + bytes(name != ".ascii"))
        elif name in (".skip", ".space", ".zero"):
            self.emit(bytes([self.value(parts[1]) & 255 if len(parts) > 1 else 0]) * self.count(parts[0]))
        elif name == ".fill":
            count, size, value = [*map(self.count, parts), *(1, 1, 0)[len(parts) :]][:3]
            self.emit((value & MASK64).to_bytes(8, "little")[:size] * count)
        elif name in (".align", ".p2align", ".balign"):
            step = self.count(parts[0]) if name == ".balign" else 1 << min(self.count(parts[0]), 24)
            self.align(max(step, 1), self.value(parts[1]) & 255 if len(parts) > 1 else None)
        elif name in (".equ", ".set", ".equiv") and len(parts) == 2:
            self.symbols[parts[0]], address = self.computed(parts[1])
            (self.labels.add if address else self.labels.discard)(parts[0])
        elif name in (".ltorg", ".pool"):
            self.flush()
        elif name not in NOTHING:
            raise NoAssembly(
                f"{name} is no directive that is known here: without a compiler there are only those for data"
            )

    def align(self, step: int, fill: int | None = None) -> None:
        """Fill up to a multiple: with nops, as in code."""
        room = -self.at % step
        nops = bytes(room % 4) + bytes.fromhex("1f2003d5") * (room // 4)
        self.emit(nops if fill is None else bytes([fill]) * room)

    def flush(self) -> None:
        """Put the constants that `ldr =` asked for here."""
        for (text, size), _ in sorted(self.pool.items(), key=lambda each: each[0][1]):
            self.align(size, 0)
            self.pool_at[text, size] = self.at
            self.emit((self.value(text, True) & MASK64).to_bytes(8, "little")[:size])
        self.pool = {}

    # Values.

    def value(self, text: str, address: bool = False) -> int:
        """The value of an expression. An address, which is known only when the program is loaded, if that may be."""
        low = text.strip().removeprefix("#").lower().startswith(":lo12:")
        value, counted = self.computed(text.partition("lo12:")[2] if low else text)
        if self.final and counted and not (low or (address and counted == 1)):
            raise NoAssembly(f"“{text}” is an address, and no constant: adr takes it, and ldr with = before it")
        return value & 0xFFF if low else value

    def computed(self, text: str) -> tuple[int, int]:
        """The value of an expression, with or without # before it, and how many addresses it is made of."""
        text = text.strip().removeprefix("#").strip()
        text = re.sub(r"'(\\?.)'?", lambda found: str(ord(ESCAPES.get(found[1][1:], found[1][-1]))), text)
        text = re.sub(r"\b0+(?=[0-7]+\b)", "0o", text).replace("/", "//")
        text = re.sub(r"\b(\d+)([bf])\b", lambda found: f"({HERE} + {self.near(found[1], found[2]) - self.at})", text)
        text = re.sub(r"(?<![\w.$])\.(?![\w.$])", HERE, text)
        self.symbols[HERE] = self.at
        names: list[str] = []
        text = re.sub(r"(?<![\w.$])[A-Za-z_.$][\w.$]*", lambda found: readable_name(names, found[0]), text)
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise NoAssembly(f"{text!r} is no number and no symbol") from None
        try:
            return self.part(tree, names)
        except RecursionError:
            raise NoAssembly("this has too many parts") from None

    def near(self, name: str, which: str) -> int:
        """The address of the next or last label of a number."""
        places = self.numbered.get(name, [])
        fitting = [place for place in places if (place > self.at if which == "f" else place <= self.at)]
        if not fitting and self.final:
            raise NoAssembly(f"there is no label {name} {'below' if which == 'f' else 'above'}")
        return (min(fitting) if which == "f" else max(fitting)) if fitting else self.at

    def part(self, node: ast.AST, names: list[str]) -> tuple[int, int]:
        """The value of a part of an expression, and how many addresses it is made of."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value, 0
        if isinstance(node, ast.Name):
            name = names[int(node.id[1:])]
            if name not in self.symbols and self.final:
                raise NoAssembly(f"undefined symbol: {name}{nearest(name, list(self.symbols))}")
            return self.symbols.get(name, 0), int(name in self.labels or name not in self.symbols)
        parts = [node.left, node.right] if isinstance(node, ast.BinOp) else []
        parts = [node.operand] if isinstance(node, ast.UnaryOp) else parts
        act = OPERATORS.get(type(getattr(node, "op", None)))
        if act is None:
            raise NoAssembly("this is no number and no symbol")
        found = [self.part(part, names) for part in parts]
        values = [value for value, _ in found]
        counted = found[0][1] - found[-1][1] if act is operator.sub else sum(count for _, count in found)
        if act not in (operator.add, operator.sub) and any(count for _, count in found):
            raise NoAssembly("an address can only be added to and subtracted from")
        if act in (operator.lshift, operator.rshift) and not 0 <= values[1] < 64:
            raise NoAssembly(f"it is shifted by {values[1]} bits")
        try:
            return act(*values), counted
        except ZeroDivisionError:
            raise NoAssembly("it is divided by 0") from None

    def count(self, text: str) -> int:
        """A number of things."""
        found = self.value(text)
        if not 0 <= found <= LARGEST_IMAGE:
            raise NoAssembly(f"{found} is out of range")
        return found

    def number(self, text: str, bits: int, scale: int = 1, signed: bool = False) -> int:
        """The field of so many bits that holds a value: a multiple of `scale`."""
        found = self.value(text)
        return field(found, bits, scale, signed)

    def offset(self, text: str, bits: int, scale: int = 4) -> int:
        """The field that leads from here to an address, which is that of a label: of a number assemblers differ."""
        value, counted = self.computed(text)
        if self.final and counted != 1:
            raise NoAssembly(f"“{text}” is no label")
        if scale == PAGE_SIZE:
            value, here = value // scale * scale, self.at // scale * scale
        else:
            here = self.at
        return field(value - here, bits, scale, True) if self.final else 0

    def constant(self, text: str, size: int) -> str:
        """The address of a constant of so many bytes that is put behind the program."""
        self.pool.setdefault((text, size), 0)
        return f". + {self.pool_at.get((text, size), self.at) - self.at}"


def statements(source: str) -> list[tuple[int, str]]:
    """The statements of a program, each with its line, without comments."""
    found, held, line, begin = [], "", 1, 0
    for piece in PIECES.finditer(source + "\n"):
        held += source[begin : piece.start()]
        begin = piece.end()
        if piece[0] in ";\n":
            found.append((line, " ".join(held.split(None, 1)) if '"' in held else " ".join(held.split())))
            held = ""
        elif piece[0][:2] not in ("/*", "//") and piece[0].lstrip()[:1] != "#":
            held += piece[0]
        line += piece[0].count("\n")
    return [(at, text) for at, text in found if text]


def readable_name(names: list[str], name: str) -> str:
    """A name that Python can read in the place of one that it cannot."""
    names.append(name)
    return f"_{len(names) - 1}"


def characters(text: str) -> bytes:
    """The bytes of a quoted text."""
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text):
        raise NoAssembly(f"{text} is no text in quotes")

    def escaped(found: "re.Match[bytes]") -> bytes:
        return bytes([int(found[1], 8) & 255]) if found[1] else bytes([int(found[2], 16) & 255])

    plain = re.sub(rb"\\([0-7]{1,3})|\\[xX]([0-9a-fA-F]+)", escaped, text[1:-1].encode())
    return re.sub(
        rb"\\(.)", lambda found: ESCAPES.get(found[1].decode("latin-1"), found[1].decode("latin-1")).encode(), plain
    )
