"""Loading VMs from the RAM disk (upstream: src/load.c, src/cpio.c, src/memiter.c)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from hfedu.hf import platform as board
from hfedu.hf.addr import PAGE_SIZE, Pa, Va, align_up, pa_add, va_from_pa
from hfedu.hf.call import MASK32, MASK64
from hfedu.hf.fdt import HEADER, Fdt
from hfedu.hf.mm import MM_MODE_D, MM_MODE_NOINVALIDATE, MM_MODE_R, MM_MODE_W, MM_MODE_X, El2Abort, Mm
from hfedu.hf.platform import MAX_CPUS, MAX_VMS, HypervisorHang
from hfedu.hf.vm import Vm

CPIO_HEADER_SIZE = 26
NAME_MAX = 256
SPACES = b" \t\r\n"
RWX = MM_MODE_R | MM_MODE_W | MM_MODE_X
ONE_TIB = 1 << 40
T = TypeVar("T")


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


class Memiter:
    """Reads tokens off a text (upstream: src/memiter.c)."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.next = 0

    def skip_space(self) -> None:
        """Move to the next token."""
        while self.text[self.next : self.next + 1] and self.text[self.next] in SPACES:
            self.next += 1

    def parse_uint(self) -> int | None:
        """The decimal digits that come next, modulo 2^64, or None if the next token does not begin with one."""
        self.skip_space()
        begin, value = self.next, 0
        while self.text[self.next : self.next + 1].isdigit():
            value = value * 10 + self.text[self.next] - ord("0") & MASK64
            self.next += 1
        return value if self.next > begin else None

    def parse_str(self) -> bytes | None:
        """The next token up to white space, or None at the end."""
        self.skip_space()
        begin = self.next
        while self.next < len(self.text) and self.text[self.next] not in SPACES:
            self.next += 1
        return self.text[begin : self.next] or None

    def parse_vm(self) -> tuple[int, int, bytes] | None:
        """A line of `vms.txt`: memory, vCPUs, name of the kernel; None at the end and where one is missing."""
        if (mem := self.parse_uint()) is None or (vcpus := self.parse_uint()) is None:
            return None
        name = self.parse_str()
        return None if name is None else (mem, vcpus, name)


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

    def cpio_files(self, begin: int, end: int) -> Iterator[File]:
        """The entries of a binary cpio archive at [begin, end), up to the first that does not fit."""
        at = begin
        while at + CPIO_HEADER_SIZE <= end:
            header = self.read_archive(at, CPIO_HEADER_SIZE)
            name_size, size_high, size_low = struct.unpack_from("<3H", header, 20)
            size = size_high << 16 | size_low
            name_at = at + CPIO_HEADER_SIZE
            contents = name_at + (name_size + 1 & -2)
            at = contents + (size + 1 & -2)
            if at > end:
                return
            name = self.read_archive(name_at, min(NAME_MAX, end - name_at))
            yield File(name.split(b"\0", 1)[0], Va(contents), size)

    def read_archive(self, at: int, size: int) -> bytes:
        """Read from the RAM disk. A kernel that was copied over it has also unmapped it."""
        try:
            return self.mm_load(Va(at), size)
        except El2Abort:
            raise HypervisorHang(
                f"A kernel was copied over the RAM disk at {at:#x}, and its pages were unmapped with it. "
                "When the loader next looks into the RAM disk, it faults."
            ) from None

    def find_file(self, cpio: tuple[int, int], name: bytes) -> File | None:
        """The first entry of that name. Reads the archive anew, as upstream does: what overwrote it shows."""
        return next((file for file in self.cpio_files(*cpio) if file.name == name), None)

    def copy_to_unmapped(self, to: Pa, file: File) -> bool:
        """Copy a file to physical memory that the hypervisor maps only while it copies."""
        end = pa_add(to, file.size)
        if not self.mm_identity_map(to, end, MM_MODE_W):
            return False
        self.mm_memcpy(va_from_pa(to), file.begin, file.size)
        self.mm_unmap(to, end)
        if to < board.LAYOUT_BIN_END and end > board.LAYOUT_TEXT_BEGIN:
            name = file.name.decode("latin-1")
            raise HypervisorHang(f"The loader copied {name} over the hypervisor's own code and unmapped it.")
        return True

    def logged(self, text: str, result: T) -> T:
        """Log a line that explains `result`, and hand it back."""
        self.dlog(f"{text}\n")
        return result

    def vm_init(self, vcpu_count: int) -> Vm | None:
        """A new VM with the next free id; None without room or a page for its table (upstream: src/vm.c)."""
        if len(self.vms) >= MAX_VMS:
            return None
        ptable = self.mm_ptable_init(len(self.vms))
        if ptable is None:
            return None
        vm = self.vm_type(len(self.vms), vcpu_count & MASK32, ptable)
        self.vms.append(vm)
        return vm

    def load_primary(self, cpio: tuple[int, int], kernel_arg: int) -> File | None:
        """Load `vmlinuz` as VM 0. The primary's own RAM disk, or None on failure."""
        kernel = self.find_file(cpio, b"vmlinuz")
        if kernel is None:
            return self.logged("Unable to find vmlinuz", None)
        begin = board.LAYOUT_PRIMARY_BEGIN
        self.dlog(f"bin_end is at {board.LAYOUT_BIN_END:016x}, copying to {begin:016x}\n")
        if not self.copy_to_unmapped(begin, kernel):
            return self.logged("Unable to relocate kernel for primary vm.", None)
        initrd = self.find_file(cpio, b"initrd.img")
        if initrd is None:
            return self.logged("Unable to find initrd.img", None)
        vm = self.vm_init(MAX_CPUS)
        if vm is None:
            return self.logged("Unable to initialise primary vm", None)
        if not self.mm_vm_identity_map(vm.ptable, Pa(0), Pa(ONE_TIB), RWX | MM_MODE_NOINVALIDATE):
            return self.logged("Unable to initialise memory for primary vm", None)
        if not self.mm_ptable_unmap_hypervisor(vm.ptable, MM_MODE_NOINVALIDATE):
            return self.logged("Unable to unmap hypervisor from primary vm", None)
        vm.vcpus[0].on(begin, kernel_arg)
        return initrd

    def load_secondary(self, cpio: tuple[int, int], params: BootParams) -> list[tuple[int, int]] | None:
        """Load the VMs of `vms.txt`. The memory they took, as (begin, size) for each RAM range; None on failure."""
        listing = self.find_file(cpio, b"vms.txt")
        if listing is None:
            return self.logged("vms.txt is missing", [])
        it = Memiter(self.mm_load(listing.begin, listing.size))
        available = [(begin, end & -PAGE_SIZE) for begin, end in params.mem_ranges]
        while (line := it.parse_vm()) is not None:
            if not self.load_one_secondary(cpio, available, *line):
                return None
        ends = zip(available, params.mem_ranges, strict=True)
        return [(left, end - left) for (_, left), (_, end) in ends if left != end]

    def load_one_secondary(
        self, cpio: tuple[int, int], available: list[tuple[int, int]], mem: int, vcpus: int, name: bytes
    ) -> bool:
        """One line of `vms.txt`. A VM that cannot be loaded is logged and skipped; False only if the boot must fail."""
        self.dlog(f"Loading {name.decode('latin-1')}\n")
        kernel = self.find_file(cpio, name)
        if kernel is None:
            return self.logged("Unable to load kernel", True)
        mem = align_up(mem, PAGE_SIZE)
        if mem < kernel.size:
            return self.logged("Kernel is larger than available memory", True)
        where = carve_out_mem_range(available, mem)
        if where is None:
            return self.logged(f"Not enough memory ({mem} bytes)", True)
        begin, end = where
        if not self.copy_to_unmapped(begin, kernel):
            return self.logged("Unable to copy kernel", True)
        vm = self.vm_init(vcpus)
        if vm is None:
            return self.logged("Unable to initialise VM", True)
        uart_end = pa_add(board.PL011_BASE, PAGE_SIZE)
        self.mm_vm_identity_map(vm.ptable, board.PL011_BASE, uart_end, MM_MODE_R | MM_MODE_W | MM_MODE_D)
        if not self.mm_vm_identity_map(vm.ptable, begin, end, RWX):
            return self.logged("Unable to initialise memory", True)
        if not self.mm_vm_unmap(self.vms[0].ptable, begin, end, 0):
            return self.logged("Unable to unmap secondary VM from primary VM", False)
        self.dlog(f"Loaded with {vcpus} vcpus, entry at {begin:#x}\n")
        if vm.vcpus:
            vm.vcpus[0].on(begin, 0)
        return True

    def plat_get_boot_params(self) -> BootParams | None:
        """Read RAM ranges and RAM disk from the device tree."""
        fdt = self.fdt_map(MM_MODE_R)
        if fdt is None:
            return None
        begin, end = (fdt.number("/chosen", f"linux,initrd-{which}") for which in ("start", "end"))
        self.mm_unmap(self.platform.fdt_begin, pa_add(self.platform.fdt_begin, fdt.totalsize))
        if begin is None or end is None:
            return self.logged("Unable to find the RAM disk in the FDT", None)
        return BootParams(fdt.memory_ranges(), (begin, end), self.platform.fdt_begin)

    def plat_update_boot_params(self, initrd: File, reserved: list[tuple[int, int]]) -> bool:
        """Tell the primary where its RAM disk is and which memory is not its own."""
        fdt = self.fdt_map(MM_MODE_R | MM_MODE_W)
        if fdt is None:
            return False
        size = fdt.totalsize
        try:
            written = fdt.write_number("/chosen", "linux,initrd-start", initrd.begin)
            written &= fdt.write_number("/chosen", "linux,initrd-end", initrd.begin + initrd.size)
        except (struct.error, IndexError, ValueError):  # a VM was loaded over it
            written = False
        if not written:
            return False
        for begin, length in (*reserved, (0x4000_0000, 0x8_0000)):
            fdt.add_mem_reservation(begin, length)
        self.mm_store(va_from_pa(self.platform.fdt_begin), bytes(fdt.blob))
        return self.mm_unmap(self.platform.fdt_begin, pa_add(self.platform.fdt_begin, size + PAGE_SIZE))

    def fdt_map(self, mode: int) -> Fdt | None:
        """Map the device tree (with a page to grow if `mode` allows writing) and copy it; None if it is damaged."""
        begin = self.platform.fdt_begin
        if not self.mm_identity_map(begin, pa_add(begin, HEADER.size), mode):
            return self.logged("Unable to map FDT header.", None)
        try:
            size = Fdt(self.mm_load(va_from_pa(begin), HEADER.size)).totalsize
            room = PAGE_SIZE if mode & MM_MODE_W else 0
            if not self.mm_identity_map(begin, pa_add(begin, size + room), mode):
                return self.logged("Unable to map full FDT.", None)
            return Fdt(self.mm_load(va_from_pa(begin), size))
        except ValueError:
            return self.logged("FDT failed validation.", None)
