"""Building and reading RAM disks: binary cpio archives with `vmlinuz`, `initrd.img`, `vms.txt` and kernels."""

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hfedu.errors import Mistake, counted, plainly
from hfedu.files import read_whole
from hfedu.guest.scripted import Script, check_script
from hfedu.guest.toolchain import MAX_IMAGE, Compiled, flat
from hfedu.hf.load import TRAILER, cpio_files
from hfedu.hf.platform import HEAP_PAGES, MAX_CPUS, MAX_HEAP_PAGES, MAX_VMS

CPIO_MAGIC = 0o070707
CPIO_HEADER = struct.Struct("<13H")
MAX_NAME = 255
STUB = b"scripted guest\0\0"
"""The image of a scripted guest: something for the loader to copy."""

Image = bytes | str | os.PathLike[str] | Script | Sequence[Script]
"""A guest: raw AArch64 code or an ELF file, as bytes or as a path; a script; or a list of scripts, one a vCPU."""


class RamDiskError(Mistake):
    """A RAM disk that could not boot; the text says what to change."""


@plainly
@dataclass(frozen=True)
class Secondary:
    """A secondary VM: its image, its memory (bytes, or text such as "1M"), its vCPUs and its kernel's file name."""

    image: Image
    memory: int | str = "512K"
    vcpus: int = 1
    name: str | None = None


def parse_size(text: int | str) -> int:
    """Bytes of "16M", "512K", "1G" or a number. `Mistake` otherwise."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if not isinstance(text, str):
        raise Mistake(f"{text!r} is no memory size: write bytes as a whole number, or a text such as 16M")
    number = re.fullmatch("([0-9]{1,15})([KMG]?)", text.upper())
    if number is None:
        raise Mistake(f"{text!r} is no memory size: write a number with K, M or G behind it, for example 16M")
    return int(number[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[number[2]]


def read(path: str | os.PathLike[str], what: str) -> bytes:
    """The content of a file, called `what` where `RamDiskError` says why it cannot be read."""
    try:
        return read_whole(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RamDiskError(f"cannot read {what}: {reason}") from None


def cpio_entry(name: str, content: bytes) -> bytes:
    """One entry of a binary cpio archive."""
    encoded = name.encode() + b"\0"
    size = len(content)
    header = CPIO_HEADER.pack(CPIO_MAGIC, 0, 1, 0o100644, 0, 0, 1, 0, 0, 0, len(encoded), size >> 16, size & 0xFFFF)
    return header + encoded + bytes(len(encoded) & 1) + content + bytes(size & 1)


def cpio_names(archive: bytes) -> list[str]:
    """The names of the entries that can be parsed, as the hypervisor's loader parses them (no magic needed)."""
    files = cpio_files(lambda at, size: archive[at : at + size], 0, len(archive))
    return [file.name.decode("latin-1") for file in files]


@plainly
class RamDisk:
    """A RAM disk: `image` is the archive, `scripts` the scripted guests by kernel file name, `compiled` what has lines.

    `RamDisk(primary=..., secondaries=[...])` builds one. Each guest is raw AArch64 code or an ELF file (bytes or a
    path), or a script; a secondary may also be a `Secondary`. `Mistake` says what could never boot.
    """

    def __init__(self, primary: Image, secondaries: Sequence[Image | Secondary] = (), initrd: bytes = b"") -> None:
        if not isinstance(secondaries, list | tuple):
            raise RamDiskError(f"secondaries must be a list of guests, such as [{secondaries!r}]")
        if not isinstance(initrd, bytes | bytearray):
            raise RamDiskError(f"initrd must be bytes, not {initrd!r}")
        if len(secondaries) >= MAX_VMS:
            raise RamDiskError(
                f"Hafnium has room for {MAX_VMS - 1} secondaries, not for {len(secondaries)}: leave some out"
            )
        self.scripts: dict[str, tuple[Script, ...]] = {}
        self.compiled: dict[str, Compiled] = {}
        files = {"vmlinuz": self._primary(primary)}
        files |= {"initrd.img": initrd, "vms.txt": b""}
        lines, self.built = [], True
        for number, item in enumerate(secondaries, 1):
            secondary = item if isinstance(item, Secondary) else Secondary(item)
            name = self._name(secondary, number, files)
            files[name] = content = self._content(secondary.image, name, f"secondary {number}")
            memory = self._memory(secondary, number, content)
            lines.append(f"{memory} {secondary.vcpus} {name}\n")
        files["vms.txt"] = "".join(lines).encode()
        entries = b"".join(cpio_entry(*file) for file in files.items()) + cpio_entry(TRAILER.decode(), b"")
        self.image = entries + bytes(-len(entries) % 512)

    @classmethod
    def from_bytes(cls, image: bytes, what: str = "the RAM disk") -> "RamDisk":
        """An archive as it is. `RamDiskError` if it is empty or holds not one entry that can be parsed."""
        if not image:
            raise RamDiskError(f"{what} is empty: give a binary cpio archive with vmlinuz, initrd.img and vms.txt")
        if image[:6] in (b"070701", b"070702", b"070707"):
            raise RamDiskError(
                f"{what} is an ASCII cpio archive, Hafnium reads the binary format: pack it with cpio -H bin"
            )
        if not cpio_names(image) and TRAILER not in image[: CPIO_HEADER.size + len(TRAILER)]:
            raise RamDiskError(
                f"{what} is no binary cpio archive (not one entry can be parsed): pack it with cpio -H bin"
            )
        disk = cls.__new__(cls)
        disk.scripts, disk.compiled, disk.image, disk.built = {}, {}, image, False
        return disk

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "RamDisk":
        """Read an archive from a file. `RamDiskError` if that is impossible."""
        return cls.from_bytes(read(path, os.fspath(path)), os.fspath(path))

    def with_guest(self, name: str, image: Image) -> "RamDisk":
        """The same with another image for the kernel of this file name."""
        disk = RamDisk.__new__(RamDisk)
        disk.scripts, disk.compiled, disk.built = {**self.scripts}, {**self.compiled}, self.built
        for known in (disk.scripts, disk.compiled):
            known.pop(name, None)
        content = disk._primary(image) if name == "vmlinuz" else disk._content(image, name, name)
        files = cpio_files(lambda at, size: self.image[at : at + size], 0, len(self.image))
        entries = b""
        for file in files:
            found = file.name.decode("latin-1")
            kept = self.image[file.begin : file.begin + file.size]
            entries += cpio_entry(found, content if found == name else kept)
        entries += cpio_entry(TRAILER.decode(), b"")
        disk.image = entries + bytes(-len(entries) % 512)
        return disk

    def kernel(self, name: str) -> bytes:
        """The image of a kernel by its file name, as the hypervisor finds it; empty if there is none."""
        files = cpio_files(lambda at, size: self.image[at : at + size], 0, len(self.image))
        found = next((file for file in files if file.name.decode("latin-1") == name), None)
        content = self.image[found.begin : found.begin + found.size] if found is not None else b""
        return self.compiled.get(name, content)

    def __repr__(self) -> str:
        others = {"initrd.img", "vms.txt", "TRAILER!!!", ""}
        names = [name for name in cpio_names(self.image) if name not in others]
        kernels = [f"{ascii(name)[1:-1]} ({self._kind(name)})" for name in names[:MAX_VMS]]
        more = [f"{len(names) - MAX_VMS} more"] if len(names) > MAX_VMS else []
        return f"<RamDisk: {', '.join([*kernels, *more, counted(len(self.image), 'byte')])}>"

    def _kind(self, name: str) -> str:
        """What a kernel is, in a word or two."""
        return "script" if name in self.scripts else "compiled" if name in self.compiled else "machine code"

    def check_loaded(self, log: str, pages: int) -> None:
        """`RamDiskError` if the hypervisor's log says that it skipped a VM, and the RAM disk was built here.

        `pages` has its pool. An archive as it is may hold anything: what cannot be loaded is skipped with a log line,
        as by the real one.
        """
        skipped = re.search(r"^Loading (\S+)\n(?:Attempted .*\n)*((?:Unable|Not enough) .*)", log, re.MULTILINE)
        if self.built and skipped:
            larger = f", make its pool larger (heap_pages={MAX_HEAP_PAGES})" if pages < MAX_HEAP_PAGES else ""
            raise RamDiskError(
                f"Hafnium cannot load {skipped[1]} ({skipped[2]!r}): give the machine more memory if that is "
                f"short{larger}, or leave secondaries out, for its {pages} pages of page tables suffice for about "
                f"{'four' if pages == HEAP_PAGES else pages // 7}"
            )

    def _primary(self, image: Image) -> bytes:
        content = self._content(image, "vmlinuz", "the primary")
        if len(content) > MAX_IMAGE:
            raise RamDiskError(
                f"the image of the primary has {len(content)} bytes and would be copied over the RAM disk: "
                f"keep it below {MAX_IMAGE >> 20}M"
            )
        return content

    def _content(self, image: Image, name: str, who: str) -> bytes:
        if isinstance(image, bytes | bytearray):
            content = image if isinstance(image, bytes) else bytes(image)
        elif isinstance(image, str | os.PathLike):
            content = read(image, f"the image of {who}, {os.fspath(image)}")
        else:
            scripts = tuple(image) if isinstance(image, list | tuple) else (image,)
            for script in scripts or [image]:
                check_script(script)
            self.scripts[name] = scripts
            return STUB
        if not content:
            raise RamDiskError(f"the image of {who} is empty: give AArch64 code")
        content = flat(content, f"the image of {who}")
        if isinstance(content, Compiled):
            self.compiled[name] = content
        return content

    def _name(self, secondary: Secondary, number: int, taken: dict[str, bytes]) -> str:
        image = secondary.image
        first = image[0] if isinstance(image, list | tuple) and image else image
        default = Path(image).stem if isinstance(image, str | os.PathLike) else getattr(first, "__name__", None)
        name = secondary.name or (default if isinstance(default, str) and default.isidentifier() else f"vm{number}")
        if not isinstance(name, str) or not re.fullmatch(f"[!-~]{{1,{MAX_NAME}}}", name):
            raise RamDiskError(f"{name!r} cannot name a kernel in vms.txt: use one word of letters and digits")
        if name in taken and secondary.name:
            raise RamDiskError(
                f"two files of the RAM disk would be called {name!r}: give secondary {number} another name"
            )
        return name if name not in taken else f"{name}_{number}"

    def _memory(self, secondary: Secondary, number: int, content: bytes) -> int:
        try:
            memory = parse_size(secondary.memory)
        except ValueError as error:
            raise RamDiskError(f"secondary {number}: {error}") from None
        vcpus, problem = secondary.vcpus, ""
        if memory < len(content):
            problem = f"has {memory} bytes of memory and an image of {len(content)}: give it more"
        elif content is STUB and memory < 0x6000:
            problem = f"is scripted and needs 24K of memory for its pages, it has {memory} bytes"
        elif not isinstance(vcpus, int) or not 0 <= vcpus <= MAX_CPUS:
            problem = f"cannot have {vcpus!r} vCPUs: give a number from 1 to {MAX_CPUS}"
        if problem:
            raise RamDiskError(f"secondary {number} {problem}")
        return memory
