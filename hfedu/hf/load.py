"""Loading VMs from the RAM disk (upstream: src/load.c, src/cpio.c, src/memiter.c)."""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, NoReturn

from hfedu.hf import platform as board
from hfedu.hf.addr import PAGE_SIZE, Pa, Va, align_up, pa_add, va_from_pa
from hfedu.hf.call import MASK32, MASK64
from hfedu.hf.fdt import HEADER, Fdt
from hfedu.hf.mm import MM_MODE_D, MM_MODE_NOINVALIDATE, MM_MODE_R, MM_MODE_W, MM_MODE_X, El2Abort, Mm, Ptable
from hfedu.hf.platform import MAX_CPUS, MAX_VMS, HypervisorHang
from hfedu.hf.vm import Vm

CPIO_HEADER_SIZE = 26
NAME_MAX = 256
TRAILER = b"TRAILER!!!"
"""The name of the entry that ends an archive; it is never found."""
VMS_TXT = re.compile(rb"[ \t\r\n]*+(\d++)[ \t\r\n]*+(\d++)[ \t\r\n]*+([^ \t\r\n]++)")
RWX = MM_MODE_R | MM_MODE_W | MM_MODE_X
ONE_TIB = 1 << 40
NULL_TABLE = Pa(0)
"""Where the table of a VM lies for which there was no page."""
NUL = b"\0"
"""To print it prints nothing."""


class LoadFailed(Exception):
    """The hypervisor cannot boot."""


class VmSkipped(Exception):
    """One secondary VM cannot be loaded; the hypervisor goes on without it."""


class BootParams(NamedTuple):
    """What the boot loader says: RAM ranges and RAM disk as [begin, end), and the primary's x0."""

    mem_ranges: list[tuple[int, int]]
    initrd: tuple[int, int]
    kernel_arg: int


class File(NamedTuple):
    """A file of the RAM disk, where it lies in memory."""

    name: bytes
    begin: Va
    size: int


def vms_txt(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The lines of `vms.txt`: memory, vCPUs, name of the kernel; up to where one is missing (upstream: src/memiter.c).

    Numbers count modulo 2^64, so that their last 64 digits decide.
    """
    at = 0
    while (line := VMS_TXT.match(text, at)) is not None:
        memory, vcpus, name = line.groups()
        yield int(memory[-64:]) & MASK64, int(vcpus[-64:]) & MASK64, name
        at = line.end()


def cpio_files(read: Callable[[int, int], bytes], begin: int, end: int) -> Iterator[File]:
    """The entries of a binary cpio archive at [begin, end), up to its trailer, or the first that does not fit.

    `read` gives the bytes at an address. Upstream: src/cpio.c.
    """
    at = begin
    while at + CPIO_HEADER_SIZE <= end:
        name_size, size_high, size_low = struct.unpack_from("<3H", read(at, CPIO_HEADER_SIZE), 20)
        size = size_high << 16 | size_low
        name_at = at + CPIO_HEADER_SIZE
        contents = name_at + (name_size + 1 & -2)
        at = contents + (size + 1 & -2)
        if at > end:
            return
        name = read(name_at, min(NAME_MAX, end - name_at)).split(b"\0", 1)[0]
        if name == TRAILER:
            return
        yield File(name, Va(contents), size)


class Archive:
    """What has been read of a cpio archive: the first entry of each name, up to where somebody looked."""

    def __init__(self, read: Callable[[int, int], bytes], begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self.entries = cpio_files(read, begin, end)
        self.known: dict[bytes, File] = {}

    def find(self, name: bytes) -> File | None:
        """The first entry of that name: read on from where the last search ended."""
        while name not in self.known:
            file = next(self.entries, None)
            if file is None:
                return None
            self.known.setdefault(file.name, file)
        return self.known[name]


def carve_out_mem_range(ranges: list[tuple[int, int]], size: int) -> tuple[Pa, Pa] | None:
    """Cut `size` bytes off the end of the first range that has them; None if none has."""
    for i, (begin, end) in enumerate(ranges):
        if size <= end - begin:
            ranges[i] = (begin, end - size)
            return Pa(end - size), Pa(end)
    return None


class Load(Mm):
    """Finds files in the cpio archive, copies kernels and builds the VMs."""

    vm_type: type[Vm] = Vm

    def __init__(self, platform: board.Platform) -> None:
        super().__init__(platform)
        self.vms: list[Vm] = []
        self.archive: Archive | None = None

    def read_archive(self, at: int, size: int) -> bytes:
        """Read from the RAM disk. A kernel that was copied over it has also unmapped it."""
        self.platform.tick()
        try:
            return self.mm_load(Va(at), size)
        except El2Abort:
            raise HypervisorHang(
                f"A kernel was copied over the RAM disk at {at:#x}, and its pages were unmapped with it. "
                "When the loader next looks into the RAM disk, it faults."
            ) from None

    def find_file(self, cpio: tuple[int, int], name: bytes) -> File | None:
        """The first entry of that name.

        Upstream reads the archive anew each time, so what overwrote it shows. It does here: what was read before counts
        only until something is copied to where the archive lies.
        """
        if self.archive is None or (self.archive.begin, self.archive.end) != cpio:
            self.archive = Archive(self.read_archive, *cpio)
        return self.archive.find(name)

    def copy_to_unmapped(self, to: Pa, file: File) -> bool:
        """Copy a file to physical memory that the hypervisor maps only while it copies."""
        end = pa_add(to, file.size)
        archive = self.archive
        if archive is not None and to < align_up(archive.end, PAGE_SIZE) and archive.begin & -PAGE_SIZE < end:
            self.archive = None
        if not self.mm_identity_map(to, end, MM_MODE_W):
            return False
        self.mm_memcpy(va_from_pa(to), file.begin, file.size)
        self.mm_unmap(to, end)
        if to < board.bin_end(self.heap_pages) and end > board.LAYOUT_TEXT_BEGIN:
            name = file.name.decode("latin-1")
            raise HypervisorHang(f"The loader copied {name} over the hypervisor's own code and unmapped it.")
        return True

    def fail(self, text: str, error: type[Exception] = LoadFailed) -> NoReturn:
        """Log why something cannot be loaded, and give it up."""
        self.dlog(f"{text}\n")
        raise error

    def vm_init(self, vcpu_count: int) -> Vm | None:
        """A new VM with the next free id; None without room or a page for its table (upstream: src/vm.c).

        A VM without a table counts all the same: it has an id and vCPUs, and can do nothing.
        """
        if len(self.vms) >= MAX_VMS:
            return None
        ptable = self.mm_ptable_init(len(self.vms))
        vm = self.vm_type(len(self.vms), vcpu_count & MASK32, ptable or Ptable(NULL_TABLE, len(self.vms)))
        self.vms.append(vm)
        return vm if ptable is not None else None

    def load_primary(self, cpio: tuple[int, int], kernel_arg: int) -> File:
        """Load `vmlinuz` as VM 0. The primary's own RAM disk. `LoadFailed` after a line in the log that says why."""
        kernel = self.find_file(cpio, b"vmlinuz") or self.fail("Unable to find vmlinuz")
        begin = board.LAYOUT_PRIMARY_BEGIN
        self.dlog(f"bin_end is at {board.bin_end(self.heap_pages):016x}, copying to {begin:016x}\n")
        if not self.copy_to_unmapped(begin, kernel):
            self.fail("Unable to relocate kernel for primary vm.")
        initrd = self.find_file(cpio, b"initrd.img") or self.fail("Unable to find initrd.img")
        vm = self.vm_init(MAX_CPUS) or self.fail("Unable to initialise primary vm")
        if not self.mm_vm_identity_map(vm.ptable, Pa(0), Pa(ONE_TIB), RWX | MM_MODE_NOINVALIDATE):
            self.fail("Unable to initialise memory for primary vm")
        if not self.mm_ptable_unmap_hypervisor(vm.ptable, MM_MODE_NOINVALIDATE):
            self.fail("Unable to unmap hypervisor from primary vm")
        vm.vcpus[0].on(begin, kernel_arg)
        return initrd

    def load_secondary(self, cpio: tuple[int, int], params: BootParams) -> list[tuple[int, int]]:
        """Load the VMs of `vms.txt`; one that cannot be loaded is skipped, after a line in the log that says why.

        The memory they took, as (begin, size) for each RAM range. `LoadFailed` if the boot must fail.
        """
        listing = self.find_file(cpio, b"vms.txt")
        if listing is None:
            self.dlog("vms.txt is missing\n")
            return []
        available = [(begin, end & -PAGE_SIZE) for begin, end in params.mem_ranges]
        for line in vms_txt(self.mm_load(listing.begin, listing.size)):
            self.platform.tick()
            with suppress(VmSkipped):
                self.load_one_secondary(cpio, available, *line)
        ends = zip(available, params.mem_ranges, strict=True)
        return [(left, end - left) for (_, left), (_, end) in ends if left != end]

    def load_one_secondary(
        self, cpio: tuple[int, int], available: list[tuple[int, int]], mem: int, vcpus: int, name: bytes
    ) -> None:
        """One line of `vms.txt`. `VmSkipped` if that VM cannot be loaded."""
        self.dlog(f"Loading {name.replace(NUL, b'').decode('latin-1')}\n")
        found = self.find_file(cpio, name)
        file = found or File(name, Va(0), 0)
        self.noted(found is not None, "the kernel is in the RAM disk", file)
        kernel = found or self.fail("Unable to load kernel", VmSkipped)
        mem = align_up(mem, PAGE_SIZE)
        if not self.noted(mem >= kernel.size, "memory >= size of the kernel", file, memory=mem, size=kernel.size):
            self.fail("Kernel is larger than available memory", VmSkipped)
        where = carve_out_mem_range(available, mem)
        self.noted(where is not None, "a range of RAM has room", file, memory=mem)
        begin, end = where or self.fail(f"Not enough memory ({mem} bytes)", VmSkipped)
        if not self.copy_to_unmapped(begin, kernel):
            self.fail("Unable to copy kernel", VmSkipped)
        vm = self.vm_init(vcpus) or self.fail("Unable to initialise VM", VmSkipped)
        uart_end = pa_add(board.PL011_BASE, PAGE_SIZE)
        self.mm_vm_identity_map(vm.ptable, board.PL011_BASE, uart_end, MM_MODE_R | MM_MODE_W | MM_MODE_D)
        if not self.mm_vm_identity_map(vm.ptable, begin, end, RWX):
            self.fail("Unable to initialise memory", VmSkipped)
        if not self.mm_vm_unmap(self.vms[0].ptable, begin, end, 0):
            self.fail("Unable to unmap secondary VM from primary VM")
        self.dlog(f"Loaded with {vcpus} vcpus, entry at {begin:#x}\n")
        if vm.vcpus:
            vm.vcpus[0].on(begin, 0)

    def plat_get_boot_params(self) -> BootParams:
        """Read RAM ranges and RAM disk from the device tree. `LoadFailed` if they are not there."""
        fdt = self.fdt_map(MM_MODE_R)
        begin, end = (fdt.number("/chosen", f"linux,initrd-{which}") for which in ("start", "end"))
        self.mm_unmap(self.platform.fdt_begin, pa_add(self.platform.fdt_begin, fdt.totalsize))
        if begin is None or end is None:
            self.fail("Unable to find the RAM disk in the FDT")
        return BootParams(fdt.memory_ranges(), (begin, end), self.platform.fdt_begin)

    def plat_update_boot_params(self, initrd: File, reserved: list[tuple[int, int]]) -> None:
        """Tell the primary where its RAM disk is and which memory is not its own. `LoadFailed` if it cannot."""
        fdt = self.fdt_map(MM_MODE_R | MM_MODE_W)
        size = fdt.totalsize
        try:
            written = fdt.write_number("/chosen", "linux,initrd-start", initrd.begin)
            written &= fdt.write_number("/chosen", "linux,initrd-end", initrd.begin + initrd.size)
        except (struct.error, IndexError, ValueError):  # a VM was loaded over it
            written = False
        if not written:
            raise LoadFailed
        for begin, length in ((0x4000_0000, 0x8_0000), *reserved):
            fdt.add_mem_reservation(begin, length)
        begin, blob = self.platform.fdt_begin, bytes(fdt.blob)
        room = blob[fdt.used : size] != bytes(size - fdt.used)  # else it is zeroes, and was
        self.mm_store(va_from_pa(begin), blob[: size if room else fdt.used])
        self.mm_store(va_from_pa(pa_add(begin, size)), blob[size:])
        if not self.mm_unmap(self.platform.fdt_begin, pa_add(self.platform.fdt_begin, size + PAGE_SIZE)):
            raise LoadFailed

    def fdt_load(self, begin: Pa, size: int) -> bytes:
        """Read the device tree, which is mapped: at once, and not page by page, for most of it is room."""
        try:
            return self.memory.read(begin, size)
        except board.BusError:
            return self.mm_load(va_from_pa(begin), size)

    def fdt_map(self, mode: int) -> Fdt:
        """Map the device tree (with a page to grow if `mode` allows writing) and copy it. `LoadFailed` if damaged."""
        begin = self.platform.fdt_begin
        if not self.mm_identity_map(begin, pa_add(begin, HEADER.size), mode):
            self.fail("Unable to map FDT header.")
        try:
            size = Fdt(self.mm_load(va_from_pa(begin), HEADER.size)).totalsize
            room = PAGE_SIZE if mode & MM_MODE_W else 0
            if not self.mm_identity_map(begin, pa_add(begin, size + room), mode):
                self.fail("Unable to map full FDT.")
            return Fdt(self.fdt_load(begin, size), self.platform.tick)
        except ValueError:
            self.fail("FDT failed validation.")
