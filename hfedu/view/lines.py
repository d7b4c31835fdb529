"""Which line of a guest's source an instruction comes from: the line tables that compilers write (DWARF).

What `compile_c` and `assemble` made has its table and its text. Images that come with hfedu are known by what is in
them: `assets/lines.json`, made with them by `assets/build.py`. Of anybody else's ELF file only names and numbers of
lines are taken, and no file is opened that it names.
"""

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from hfedu.errors import installed, lacking, printable
from hfedu.files import asset
from hfedu.guest.toolchain import Compiled
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.arch import PC
from hfedu.run.depth import trap_of
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor, Event, Recording

MOST = 1 << 20
"""Bytes of a line table that are read: of more, as of a whole Linux, nothing is."""
WFI_WORD = bytes.fromhex("7f2003d5")

LineRow = tuple[int, str, int]
"""From this offset on instructions come from this file and line; line 0 is none."""


class SourceLine(NamedTuple):
    """A line of a guest's source: file, number, and its text, which is empty where only the number is known."""

    file: str
    line: int
    text: str


class Lines:
    """The lines of an image: rows in order of their offsets, and the texts of files as far as they are known."""

    def __init__(self, rows: list[LineRow], sources: Mapping[str, str]) -> None:
        self.rows = rows
        self.texts = {file: re.split("\r\n?|\n", sources[file]) for _, file, _ in rows if file in sources}

    def at(self, offset: int) -> SourceLine | None:
        """The line of the instruction at an offset in the image."""
        n = bisect_right(self.rows, offset, key=lambda row: row[0])
        _, file, line = self.rows[n - 1] if n else (0, "", 0)
        return SourceLine(file, line, self.around(file, line, 0).get(line, "").strip()) if line else None

    def around(self, file: str, line: int, context: int) -> dict[int, str]:
        """The text of a line and of as many before and after it, by their numbers."""
        first = max(line - context, 1)
        return {n: text.rstrip() for n, text in enumerate(self.texts.get(file, [])[first - 1 : line + context], first)}


class Guest(NamedTuple):
    """A VM's kernel with its lines: its file name, where it was loaded, and its image."""

    kernel: str
    base: int
    image: bytes
    lines: Lines

    def line(self, pc: int) -> SourceLine | None:
        """The line of the instruction at an address."""
        return self.lines.at(pc - self.base)


_known: WeakKeyDictionary[RamDisk, dict[str, tuple[bytes, Lines]]] = WeakKeyDictionary()


def known_of(ramdisk: RamDisk, kernel: str) -> tuple[bytes, Lines]:
    """A kernel's image and its lines, looked for once; without lines the image is empty."""
    known = _known.setdefault(ramdisk, {})
    if kernel not in known:
        image = ramdisk.kernel(kernel)
        lines = Lines(elf_rows(image.elf), image.sources) if isinstance(image, Compiled) else shipped(image)
        known[kernel] = image if lines.rows else b"", lines
    return known[kernel]


def shipped(image: bytes) -> Lines:
    """The lines of an image that comes with hfedu."""
    table = json.loads(asset("lines.json").read_text("utf-8")).get(sha256(image).hexdigest(), [])
    sources = {file: asset(f"guests/{file}").read_text("utf-8") for file in {file for _, file, _ in table if file}}
    return Lines([(offset, file, line) for offset, file, line in table], sources)


def elf_rows(content: bytes) -> list[LineRow]:
    """The rows of an ELF file for the image that `flat` makes of it: none without a table, or if it is damaged."""
    try:
        from elftools.elf.elffile import ELFFile
    except ImportError:
        return []
    try:
        elf = ELFFile(BytesIO(content))
        section = elf.get_section_by_name(".debug_line")
        if section is None or section.data_size > MOST:
            return []
        table: dict[int, tuple[str, int]] = {}
        for sequence in sequences(elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)):
            if table.get(sequence[0][0], ("", 0))[1]:  # what the linker threw away begins at 0, as what it kept does
                continue
            *rows, (end, _, _) = sequence
            table |= {address: (file, line) for address, file, line in rows}
            table.setdefault(end, ("", 0))
        loads = [segment.header for segment in elf.iter_segments("PT_LOAD") if segment.header.p_memsz]
        base = min(load.p_paddr for load in loads) & -PAGE_SIZE
        return sorted(
            (address - load.p_vaddr + load.p_paddr - base, *where)
            for address, where in table.items()
            for load in loads
            if load.p_vaddr <= address <= load.p_vaddr + load.p_filesz
        )
    except Exception:  # whatever damage may lead to
        return []


def sequences(dwarf: Any) -> Iterator[list[LineRow]]:
    """The runs of addresses of all line tables: in each, rows by address, and one for its end."""
    for unit in dwarf.iter_CUs():
        program, sequence = dwarf.line_program_for_CU(unit), list[LineRow]()
        first = 0 if program.header.version >= 5 else 1
        names = [base_name(entry.name) for entry in program.header.file_entry]
        for state in (entry.state for entry in program.get_entries() if entry.state is not None):
            sequence.append((state.address, names[state.file - first], state.line))
            if state.end_sequence:
                yield sequence
                sequence = []


def base_name(path: bytes) -> str:
    """The name of a file as everything can show it."""
    name = re.split(r"[/\\]", path.decode("utf-8", "replace"))[-1]
    return printable(name)


def guest_of(recording: Recording, vcpu: Actor) -> Guest | None:
    """The kernel that a vCPU's VM runs, if its lines are known."""
    ramdisk, load = recording.made.get("ramdisk"), load_of(recording, vcpu)
    if load is None or not isinstance(ramdisk, RamDisk):
        return None
    image, lines = known_of(ramdisk, load.text)
    base = next(saved_pcs([load], Actor(vcpu.vm, 0)), None)
    return Guest(load.text, base, image, lines) if lines.rows and base is not None else None


def load_of(recording: Recording, vcpu: Actor) -> Event | None:
    """The event that loaded the kernel of a vCPU's VM."""
    loads = (event for event in recording.events if event.kind is Kind.LOAD and event.target == Actor(vcpu.vm))
    return next(loads, None)


def kernel_of(recording: Recording, vcpu: Actor) -> bytes:
    """The image that a vCPU's VM runs; empty if that is not known."""
    ramdisk, load = recording.made.get("ramdisk"), load_of(recording, vcpu)
    return ramdisk.kernel(load.text) if load is not None and isinstance(ramdisk, RamDisk) else b""


def source_of(recording: Recording, seq: int) -> SourceLine | None:
    """The line of source of the guest's instruction that led to event `seq`, or None if that is not known.

    It is known of guests that `compile_c` or `assemble` made, of those that come with hfedu, and of ELF files with a
    line table (-g). A hypercall that `guest.h` makes counts as the line that calls it. Nothing runs again.
    """
    trap = trap_of(recording, seq) if recording.made else None
    actor = None if trap is None else recording.events[trap].actor
    if trap is None or actor is None:
        return None
    guest = guest_of(recording, actor)
    if guest is None:
        unread = kernel_of(recording, actor)
        if isinstance(unread, Compiled) and b".debug_line" in unread.elf and not installed("elftools"):
            raise lacking("elftools")
        return None
    pc = trapped_at(recording.events, trap, actor, guest)
    return guest.line(pc) if pc is not None else None


def trapped_at(events: Sequence[Event], trap: int, vcpu: Actor, guest: Guest) -> int | None:
    """The address of the instruction that trapped; None if it is not recorded.

    Behind a hypercall the PC is that of the next instruction. At an event that changed no register it is that of an
    earlier one.
    """
    seen = (events[n] for n in range(trap, -1, -1))
    pc = next(saved_pcs(seen, vcpu), None)
    return pc - 4 if pc is not None and events[trap].kind is Kind.HYPERCALL else pc


def saved_pcs(events: Iterable[Event], vcpu: Actor) -> Iterator[int]:
    """A vCPU's PC after each event that changed its registers."""
    return (array("Q", after)[PC] for event in events for actor, _, after in event.registers if actor == vcpu)
