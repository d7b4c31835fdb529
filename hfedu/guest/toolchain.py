"""What compilers emit, as images: ELF files laid out flat, and assembly and C compiled for a notebook.

The compiler is the first of clang with lld, a gcc for AArch64, and Zig's from the package ziglang.
"""

import base64
import hashlib
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from types import MappingProxyType
from typing import Literal

from hfedu.errors import Mistake, Trouble, lacking
from hfedu.files import asset, json_of
from hfedu.guest.assembler import assembled
from hfedu.guest.confined import available
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.call import CALLS, Call
from hfedu.hf.psci import PSCI_CALLS

FLAGS = "-g -Os -ffreestanding -nostdlib -fno-stack-protector -fvisibility=hidden".split()
CLANG = "--target=aarch64-none-elf -march=armv8-a+nofp+nosimd -mstrict-align -fuse-ld=lld".split()
GCC = (
    "-march=armv8-a+nofp -mstrict-align -mno-outline-atomics -fno-tree-loop-distribute-patterns"
    " -Werror=implicit-function-declaration -Werror=implicit-int -Werror=int-conversion"
    " -fno-asynchronous-unwind-tables -nostdinc -Wl,--build-id=none,--no-dynamic-linker,-e,_start"
).split()
GCCS = ("aarch64-linux-gnu-gcc", "aarch64-none-elf-gcc", "aarch64-elf-gcc", "aarch64-none-linux-gnu-gcc")
ZIG = "-target aarch64-freestanding -mcpu=generic+el3+strict_align-neon-fp_armv8 -fno-sanitize=undefined".split()
"""What runs on a real CPU as a guest finds it: floating point and SIMD trap (CPACR_EL1 is 0), and while the MMU is off
so do accesses that are not aligned."""
ELF_HEADER, ELF_SEGMENT = struct.Struct("<24xQQ14xHH"), struct.Struct("<I4xQQQQQ")
ELF_MACHINES = {3: "x86", 40: "Arm", 62: "x86-64", 183: "Arm", 243: "RISC-V"}
MAX_IMAGE = 127 << 20
"""The primary's kernel goes to 512 KiB above the RAM's base, the RAM disk to 128 MiB above it at most."""

SECONDS = 60
"""That the compiler may take; an ordinary guest takes less than one."""
ASSEMBLY = "guest.s"
"""What a program in assembly is called."""
COMPILED: dict[tuple[object, ...], bytes] = {}
"""What was compiled last, by how."""
KEPT, SMALL = 64, 64 << 10
"""How many images are kept, of so many bytes at most with their source."""
KILLED = -9
"""The status of a process that the system has ended, as it does where memory is short."""
MEMORY, FILE_SIZE = 1 << 30, 256 << 20
"""Bytes of address space and of any file that the compiler may use."""
INCLUDES = re.compile(r"^[ \t]*(?:#|%:|\?\?=)[ \t]*(include_next|include|import|embed)\b[ \t]*([^\n]*)", re.MULTILINE)
OWN = re.compile(r"""(?:"\w[\w.-]*"|<\w[\w./-]*>)\s*(?://.*)?""")
"""What may be included: a header beside the program, or one of the compiler's."""
READS = re.compile(r"\.(incbin|include)\b", re.IGNORECASE)
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
"""In the environment: where programs put what they need for a while."""
OUTSIDE = re.compile(r"(?:failed|unable) to .*: [A-Z]\w+$|.*(?:Permission denied|No space left on device)$")
"""What a compiler says of the computer, not of the program."""
COMPLAINT = re.compile(r"^(?:.*?:(\d+):(?:\d+:)? |.*?: )?(?:fatal )?error: (.*)", re.MULTILINE | re.IGNORECASE)
UNDEFINED = re.compile(r"undefined reference to [`'](.+)'")
"""What GNU's linker says where lld speaks of an undefined symbol."""
TOO_LARGE = re.compile(r"File too large|FileTooBig|SIGXFSZ|File size limit", re.IGNORECASE)
PASTED = str.maketrans(dict.fromkeys("\ufeff\u200b\u2060", "") | dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "))
"""What a text that was copied from a page holds unseen, and what it means: marks that are nothing, and blanks."""
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|//.*')
SHORT_OF_MEMORY = re.compile(
    r"out ?of ?memory|bad_alloc|cannot allocate|memory exhausted|failed with exit code 1[3-9]\d|due to signal|"
    r"signal terminated",
    re.IGNORECASE,
)


class Compiled(bytes):
    """An image that still has the ELF file it was made of, for its line table, and the texts of sources by file name.

    One that `compile_c` made has the `flags` it was given, and its `calls.h` (`header`), so that it can be made again.
    Otherwise it is bytes: what is cut out of it, or added to it, is bytes alone.
    """

    elf: bytes = b""
    sources: Mapping[str, str] = MappingProxyType({})
    flags: tuple[str, ...] = ()
    header: str = ""


def assemble(source: str) -> bytes:
    """The image of AArch64 assembly, entered at its first instruction.

    `stack_top`, `send_page` and `recv_page` are symbols; they lie behind the image, up to 24 KiB. An address stored in
    data counts from the image's start. Where there is no compiler hfedu's own assembler takes its place (`assembler`).
    `Mistake` with the assembler's first message.
    """
    return image_of("assembly", source)


def calls_header(rows: Iterable[Call]) -> str:
    """`calls.h`: the numbers of the hypercalls of a table, and of PSCI, for programs in C."""
    lines = [f"#define {row.name} {row.number:#x}" for row in (*rows, *PSCI_CALLS.values())]
    about = "/* The calls of the hypervisor and of PSCI, from hfedu's table of calls. Made: do not edit. */"
    return "\n".join([about, "#ifndef CALLS_H", "#define CALLS_H", "", *lines, "", "#endif", ""])


def compile_c(source: str, *flags: str, calls: Iterable[Call] = CALLS) -> bytes:
    """The image of a C program. `guest_main` is entered with the address of the device tree, in a secondary with 0.

    `guest.h`, which is included already, has `hvc()`, `configure()`, `puts()` and more; `#include "fdt.h"` adds
    `bootargs()`. Stack and message pages lie behind the image, up to 24 KiB. `flags` are the compiler's, for example
    "-O2"; `calls` are the hypercalls that it knows by name, those of 2018 or of a hypervisor of your own
    (`Mine.calls.values()`). `Mistake` with the compiler's first message.
    """
    if not all(isinstance(flag, str) and "\0" not in flag for flag in flags):
        raise Mistake(f'the flags must be texts such as "-O2", not {flags!r}')
    rows = [*calls]
    for row in rows:
        if not isinstance(row, Call):
            raise Mistake(f"the calls must be rows of a table such as Mine.calls.values(), not {row!r}")
    return _program(source, flags, calls_header(rows))


def compile_again(before: Compiled, source: str) -> bytes:
    """Another program in C, with the flags and for the calls of an image that `compile_c` made."""
    return _program(source, before.flags, before.header)


def _program(source: str, flags: tuple[str, ...], header: str) -> bytes:
    """The image of a program in C, which remembers how it was made."""
    image = image_of("C", source, flags, header)
    if isinstance(image, Compiled):
        image.flags, image.header = flags, header
    return image


def image_of(language: str, source: str, flags: Sequence[str] = (), header: str = "") -> bytes:
    """The image of a source in "C" or "assembly"; `header` is the `calls.h` of a program in C.

    All compiling goes through here: where no process may be started, another function takes its place. A small program
    that is asked for again is not compiled again: judges have the same ones beside every answer.
    """
    if not isinstance(source, str):
        raise Mistake(f"{'the assembly' if language == 'assembly' else 'the C program'} must be a text, not {source!r}")
    key = language, source, tuple(flags), header, tuple(compiler()[0] if has_compiler() else ())
    image = COMPILED.get(key)
    if image is None:
        image = _image(language, source, flags, header)
        if len(source) + len(image) < SMALL:
            COMPILED[key] = image
        if len(COMPILED) > KEPT:
            del COMPILED[next(iter(COMPILED))]
    return image


def _image(language: str, source: str, flags: Sequence[str], header: str) -> bytes:
    """The image, compiled now."""
    if language == "assembly":
        return _build("the assembly", ASSEMBLY, "", source, "-Wl,--no-gc-sections", "-static", "-no-pie")
    start = asset("guests/start.S")
    own = ["-fPIE", "-pie", "-DRUNTIME", f"-I{start.parent}", str(start)]
    with temporary_folder() as folder:
        Path(folder, "calls.h").write_text(header, "utf-8")
        prologue = (
            '#pragma GCC visibility push(hidden)\n#include "calls.h"\n#include "guest.h"\n#include "lines.h"\n#line 1\n'
        )
        return _build("the C program", "guest.c", prologue, source, f"-I{folder}", *own, *flags)


def _build(what: str, name: str, prologue: str, source: str, *flags: str) -> bytes:
    """As `_built`; but what does not compile, and was pasted from a page, is tried without what nobody sees there."""
    try:
        return _built(what, name, prologue, source, *flags)
    except Trouble:
        raise
    except Mistake:
        clean = source.translate(PASTED)
        if clean == source:
            raise
    return _built(what, name, prologue, clean, *flags)


def _built(what: str, name: str, prologue: str, source: str, *flags: str) -> bytes:
    """Compile and link in a folder of its own, caches included: a home that cannot be written to does no harm.

    Line tables (-g) change no byte of the image. Its sources go with it: this one, and what was included from the
    folders of `flags`; no other file is read, whatever a `#line` says.
    """
    try:
        text = (prologue + source).encode()
    except UnicodeEncodeError as error:
        raise Mistake(f"{what} holds {source[error.start - len(prologue)]!r}, which is no character") from None
    refuse_files(what, source)
    folders = [Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    with temporary_folder() as folder:
        path, elf = Path(folder, name), Path(folder, "guest.elf")
        path.write_bytes(text)
        files = ["-T", str(asset("guests/guest.ld")), str(path), "-o", str(elf)]
        known = compiled_before().get(compiled_key(name, source, flags), "")
        if not known and name == ASSEMBLY and not has_compiler():
            return assembled(source)
        if known:
            elf.write_bytes(zlib.decompress(base64.b64decode(known)))
        else:
            status, said = run_compiler([*FLAGS, *flags, *files], folder, folders)
            if status or not elf.exists():
                refuse(what, status, said.replace(folder + os.sep, ""), folder, source)
        image = flat(elf.read_bytes(), what)
    if isinstance(image, Compiled):
        others = [path for folder in folders for path in folder.glob("*.[hS]") if path.name.encode() in image.elf]
        image.sources = {path.name: path.read_text("utf-8", "replace") for path in others} | {name: source}
    return image


@cache
def compiled_before() -> dict[str, str]:
    """What the lessons compile, for browsers, which have no compiler: ELF files by `compiled_key`; else nothing."""
    if sys.platform != "emscripten":
        return {}
    try:
        return dict(json_of(asset("compiled.json").read_bytes()))
    except Mistake:
        return {}


def compiled_key(name: str, source: str, flags: Iterable[str]) -> str:
    """A source by what it holds and how it is compiled, wherever hfedu lies."""
    own = [flag for flag in flags if not flag.startswith("-I") and not Path(flag).is_absolute()]
    return hashlib.sha256("\0".join((name, source, *own)).encode()).hexdigest()


def refuse_files(what: str, source: str) -> None:
    """`Mistake` for a source that says that it reads a file, other than the headers that come with hfedu."""
    plain = re.sub(r"\\\r?\n", "", source)
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", " ", plain, flags=re.DOTALL)
    found = next((f"#{word} {name}" for word, name in INCLUDES.findall(plain) if word == "embed" or not own(name)), "")
    reads = READS.search(plain)
    found = found or (reads[0] if reads else "")
    if found:
        raise Mistake(f"{what} reads a file with {found.strip()[:80]}: write what it needs into the source itself")


def own(name: str) -> bool:
    """Whether what is included is a header beside the program, or one of the compiler's."""
    return bool(OWN.fullmatch(name.strip())) and ".." not in name


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder for what the compiler reads and writes. `Trouble` if there can be none, or it is full."""
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield folder
    except OSError as error:
        where = f"the temporary folder {error.filename or tempfile.gettempdir()}"
        raise Trouble(f"{where} cannot be used ({error.strerror}): set TMPDIR to a folder with room") from None


def compiler() -> tuple[list[str], list[Path]]:
    """How the compiler begins its command line, and the folders that it reads. `Trouble` if there is none."""
    clang, lld = which("clang"), which("ld.lld")
    gcc = next(filter(None, map(which, GCCS)), None)
    found = find_spec("ziglang")
    if clang and lld:
        return [clang, *CLANG], [*parts_of(clang), *parts_of(lld)]
    if gcc:
        return [gcc, *GCC, "-isystem", own_headers(gcc)], parts_of(gcc)
    if found is None or found.origin is None:
        raise lacking("ziglang")
    home = Path(found.origin).parent
    return [str(home / ("zig.exe" if os.name == "nt" else "zig")), "cc", *ZIG], [home, home.resolve()]


def has_compiler() -> bool:
    """Whether there is one."""
    try:
        return bool(compiler())
    except Trouble:
        return False


@cache
def own_headers(gcc: str) -> str:
    """Where a gcc has those headers that need no operating system."""
    asked = subprocess.run([gcc, "-print-file-name=include"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def parts_of(program: str) -> list[Path]:
    """The folders with the parts of a compiler on the PATH: it starts others, and reads its own headers."""
    prefixes = {Path(program).parent.parent, Path(program).resolve().parent.parent}
    target = Path(program).name.removesuffix("-gcc")
    return [prefix / part for prefix in prefixes for part in ("bin", "lib", "lib64", "libexec", target)]


def run_compiler(arguments: list[str], folder: str, folders: Iterable[Path]) -> tuple[int, str]:
    """Run the compiler in a folder: its exit status and what it said.

    Whatever interrupts this ends the compiler and all that it started. `Trouble` if there is none, or it takes too
    long.
    """
    begin, parts = compiler()
    readable = "\n".join(map(str, (*parts, Path(folder).resolve(), asset("guests/guest.ld").parent, *folders)))
    confined = str(Path(__file__).with_name("confined.py"))
    command = [*begin, *arguments]
    if os.name == "posix":
        command = [sys.executable, "-I", "-S", confined, str(MEMORY), str(FILE_SIZE), readable, *command]
    caches = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR", *TEMPORARY)
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | dict.fromkeys(caches, folder) | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise Trouble(f"the compiler cannot be started: {error.strerror}") from None
    try:
        _, said = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Trouble(
            f"the compiler was stopped after {SECONDS} seconds: if the source has a .rept or a macro without end, "
            "shorten it, or try again when this computer has less to do"
        ) from None
    finally:
        end(process)
    return process.returncode, said


def end(process: "subprocess.Popen[str]") -> None:
    """End a process and all that it started: it leads a group of its own."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def refuse(what: str, status: int, said: str, folder: str, source: str) -> None:
    """Say why there is no program: `Mistake` with the compiler's first message, `Trouble` if the computer is why."""
    if "can't open file" in said or "No such file or directory: '" in said:
        raise Trouble(f"the compiler cannot be started: {said.strip().splitlines()[-1]}")
    probe = Path(folder, "probe")
    with suppress(OSError):
        for path in Path(folder).glob("*/*"):  # what was cut off is of no use
            path.unlink()
    probe.write_bytes(bytes(1 << 16))
    complaints = [line for line in said.splitlines() if "warning: " not in line and line.strip()]
    found = COMPLAINT.search("\n".join(complaints))
    undefined = UNDEFINED.search(said)
    short = SHORT_OF_MEMORY.search(said)
    if status == KILLED or (short and (re.search(r"killed", said, re.IGNORECASE) or not available(MEMORY))):
        raise Trouble("the compiler was ended, or failed, because this computer is short of memory: try again later")
    if short or TOO_LARGE.search(said) or status < 0:
        raise Mistake(
            f"{what} is too large for the compiler: it needs more than {MEMORY >> 30}G of memory, or makes a file of "
            f"more than {FILE_SIZE >> 20}M"
        )
    if found is None or OUTSIDE.match(found[2]):
        raise Trouble(f"the compiler failed, and says {(found[2] if found else (complaints or ['nothing'])[0])[:200]}")
    line, message = (None, f"undefined symbol: {undefined[1]}") if undefined else found.groups()
    where = f", line {line}" if line else ""
    raise Mistake(f"{what} does not compile{where}: {message}{pasted(source, int(line or 0))}")


def pasted(source: str, line: int) -> str:
    """What to say of the first character in a line that no program has, outside texts and comments; or nothing."""
    lines = source.split("\n")
    text = QUOTED.sub("", lines[line - 1]) if 0 < line <= len(lines) else ""
    strange = next((each for each in text if not each.isascii()), "")
    return f" (there is “{strange}” in it, U+{ord(strange):04X}: write it with the keyboard)" if strange else ""


def flat(content: bytes, what: str) -> bytes:
    """The image of an AArch64 ELF file: its segments at their addresses, zeroes elsewhere. Other content unchanged.

    The image begins at a page's start. A VM is entered at the first word of its image: if the program's entry is
    elsewhere, a branch to it takes the place of the ELF header, or of the gap below the first segment. `Mistake` if
    there is neither, and for a file that is for another machine, not linked, or damaged.
    """
    if content[:4] != b"\x7fELF":
        return content
    order: Literal["big", "little"] = "big" if content[5:6] == b"\2" else "little"
    machine, bits = int.from_bytes(content[18:20], order), 32 if content[4:5] == b"\1" else 64
    if (bits, order, machine) != (64, "little", 183):
        name = f"{bits}-bit {order}-endian {ELF_MACHINES.get(machine, f'machine {machine}')}"
        raise Mistake(f"{what} is an ELF file for {name}: compile it for 64-bit little-endian Arm (aarch64)")
    try:
        entry, table, size, count = ELF_HEADER.unpack_from(content)
        if count and (size < ELF_SEGMENT.size or table + count * size > len(content)):
            raise struct.error
        segments = [ELF_SEGMENT.unpack_from(content, table + n * size) for n in range(count)]
    except struct.error:
        raise Mistake(f"{what} is an ELF file that is cut short: build it again") from None
    loads = [segment[1:] for segment in segments if segment[0] == 1 and segment[5]]
    if not loads and content[16] != 1:
        raise Mistake(f"{what} has nothing to load in it: a guest needs at least one instruction")
    if not loads:
        raise Mistake(f"{what} is an ELF file without a segment to load: link it, an object file is no program")
    lowest, end = min(pa for _, _, pa, _, _ in loads), max(pa + memory for _, _, pa, _, memory in loads)
    base = lowest & -PAGE_SIZE
    too_much = max(end - base, sum(filled for _, _, _, filled, _ in loads)) > MAX_IMAGE
    if too_much or any(at + n > len(content) or n > memory for at, _, _, n, memory in loads):
        raise Mistake(f"{what} is an ELF file that is damaged, or whose segments span more than {MAX_IMAGE >> 20}M")
    image, start = bytearray(end - base), -1
    for at, va, pa, filled, memory in loads:
        image[pa - base : pa - base + filled] = content[at : at + filled]
        if va <= entry < va + memory:
            start = entry - va + pa - base
    if start > 0 and (image[:4] == b"\x7fELF" or lowest - base >= 4):
        image[:4] = (0x1400_0000 | start >> 2).to_bytes(4, "little")
    elif start:
        raise Mistake(f"{what} has its entry at {entry:#x}, but a VM is entered at its lowest address: link it first")
    compiled = Compiled(image)
    compiled.elf = content
    return compiled
