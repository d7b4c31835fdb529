"""Page tables: the hypervisor's stage 1 and each VM's stage 2 (upstream: src/mm.c, src/arch/aarch64/mm.c).

Tables are real AArch64 descriptors, written into emulated RAM, and the emulated MMU walks them. Levels count
as upstream counts them: 0 is the page, the root is 2 for stage 1 (39-bit VA) and 3 for stage 2 (44-bit PA).
Arm counts the other way round: its level is 3 minus ours.

Pages for tables come from a pool that never takes any back.
"""

import struct
from typing import NamedTuple, NoReturn

from hfedu.hf import arch
from hfedu.hf import platform as board
from hfedu.hf.addr import NULL, PAGE_BITS, PAGE_SIZE, Ipa, Pa, Va, align_up, pa_add, pa_from_ipa, pa_from_va, va_from_pa
from hfedu.hf.call import MASK64
from hfedu.hf.check import Checks
from hfedu.hf.platform import BusError, HypervisorHang, Platform

MM_MODE_R, MM_MODE_W, MM_MODE_X, MM_MODE_D = 0x01, 0x02, 0x04, 0x08
MM_MODE_STAGE1, MM_MODE_NOINVALIDATE = 0x10, 0x20

PTE_VALID = 1 << 0
PTE_TABLE = 1 << 1
"""On a table entry, and on a page entry; clear on a block."""
PTE_AF = 1 << 10
STAGE1_XN, STAGE1_READONLY, STAGE1_SH_OUTER, STAGE1_NORMAL = 1 << 54, 2 << 6, 2 << 8, 1 << 2
STAGE2_XN, STAGE2_S2AP_R, STAGE2_S2AP_W = 2 << 53, 1 << 6, 2 << 6
STAGE2_MEMATTR_NORMAL, STAGE2_MEMATTR_DEVICE = 0xF << 2, 0x3 << 2

LEVEL_BITS = 9
ENTRIES = 1 << LEVEL_BITS
INDEX_MASK = ENTRIES - 1
PA_BITS = 44
ADDRESS_MASK = (1 << 48) - PAGE_SIZE
MAX_LEVEL_STAGE1, MAX_LEVEL_STAGE2 = 2, 3
SECTIONS = (
    ("text", board.LAYOUT_TEXT_BEGIN, board.LAYOUT_TEXT_END, MM_MODE_X),
    ("rodata", board.LAYOUT_RODATA_BEGIN, board.LAYOUT_RODATA_END, MM_MODE_R),
)
"""The hypervisor's own memory but its data: name, begin, end, and how it maps it for itself."""
PATIENCE_PAGES = 1 << 32
"""Invalidating more pages than this, one by one, takes the real machine hours: it counts as a hang."""


class Ptable(NamedTuple):
    """A page table: the physical address of its root and the VM id that tags its TLB entries."""

    root: Pa
    id: int


class El2Abort(Exception):
    """The hypervisor itself touched an address that its stage 1 or the bus refuses. `dfsc`: fault status."""

    def __init__(self, va: int, dfsc: int, write: bool) -> None:
        super().__init__(f"the hypervisor's own {'store to' if write else 'load from'} {va:#x} aborted")
        self.va, self.dfsc, self.write = va, dfsc, write


def mm_entry_size(level: int) -> int:
    """Bytes that one entry at `level` covers. Example: level 1 -> 2 MiB."""
    return 1 << PAGE_BITS + level * LEVEL_BITS


def mm_level_end(addr: int, level: int) -> int:
    """First address beyond the table at `level` that covers `addr` (wraps to 0 at the top, as in C)."""
    offset = PAGE_BITS + (level + 1) * LEVEL_BITS
    return ((addr >> offset) + 1 << offset) & MASK64


def mm_index(addr: int, level: int) -> int:
    """Index into a table at `level`, 0-511. Address bits above the root's index are ignored."""
    return addr >> PAGE_BITS + level * LEVEL_BITS & INDEX_MASK


def arch_mm_is_block_allowed(level: int) -> bool:
    """Blocks exist at levels 1 (2 MiB) and 2 (1 GiB); a page counts as the block of level 0."""
    return level <= 2


def arch_mm_pte_is_table(pte: int, level: int) -> bool:
    """Whether a descriptor points to a table."""
    return level != 0 and pte & 3 == 3


def arch_mm_pte_is_block(pte: int, level: int) -> bool:
    """Whether a descriptor maps a block, or at level 0 a page."""
    return arch_mm_is_block_allowed(level) and pte & 3 == (3 if level == 0 else 1)


def arch_mm_block_pte(level: int, pa: int, attrs: int) -> int:
    """A block or page descriptor. Without the valid bit in `attrs` it is an unmapped entry: pa, or pa | 2."""
    return pa | attrs | (PTE_TABLE if level == 0 else 0)


def arch_mm_pte_attrs(pte: int) -> int:
    """A block descriptor without its address and without the bit that says page."""
    return pte & ~ADDRESS_MASK & ~PTE_TABLE


def arch_mm_mode_to_attrs(mode: int) -> int:
    """The descriptor bits for MM_MODE_* flags; 0, so not valid, for no access at all."""
    if not mode & (MM_MODE_R | MM_MODE_W | MM_MODE_X):
        return 0
    read, write, execute, device = (bool(mode & flag) for flag in (MM_MODE_R, MM_MODE_W, MM_MODE_X, MM_MODE_D))
    if mode & MM_MODE_STAGE1:
        attrs = PTE_VALID | PTE_AF | STAGE1_SH_OUTER
        attrs |= 0 if execute else STAGE1_XN
        attrs |= 0 if write else STAGE1_READONLY
        attrs |= 0 if device else STAGE1_NORMAL
        return attrs
    attrs = PTE_VALID | PTE_AF | (STAGE2_MEMATTR_DEVICE if device else STAGE2_MEMATTR_NORMAL)
    attrs |= STAGE2_S2AP_R if read else 0
    attrs |= STAGE2_S2AP_W if write else 0
    attrs |= 0 if execute else STAGE2_XN
    return attrs


class Mm(Checks):
    """The memory half of the hypervisor: the pool, the tables, and its own accesses through stage 1."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.memory = platform.memory
        self.heap_next: Pa = board.HEAP_BEGIN
        self.heap_pages = board.HEAP_PAGES
        self.ptable: Ptable | None = None
        self.tlb: dict[tuple[int, bool], int] = {}
        """Pages of the hypervisor's own stage 1 that it has walked to: (page of the VA, writing) -> physical page."""

    # The serial line.

    def dlog(self, text: str) -> None:
        """Print on the PL011, each line ended by CR LF (upstream: src/dlog.c).

        If stage 1 no longer lets the hypervisor write to the device, reporting that fault faults again.
        """
        try:
            self.mm_stage1(va_from_pa(board.PL011_BASE), True)
        except El2Abort as abort:
            raise HypervisorHang(
                f"{abort}: it can no longer print, and every attempt to say so aborts again."
            ) from None
        for at, byte in enumerate(text.replace("\n", "\r\n").encode("latin-1"), 1):
            self.memory.write(board.PL011_BASE, bytes((byte,)))
            if at % PAGE_SIZE == 0:
                self.platform.tick()

    # The pool of pages.

    def halloc_page(self) -> Pa:
        """The next page of the pool, or 0 when all are used (upstream: src/alloc.c)."""
        page = self.heap_next
        if page >= pa_add(board.HEAP_BEGIN, self.heap_pages * PAGE_SIZE):
            return Pa(0)
        self.heap_next = pa_add(page, PAGE_SIZE)
        return page

    def heap_left(self) -> int:
        """How many pages the pool still has."""
        return (board.HEAP_BEGIN + self.heap_pages * PAGE_SIZE - self.heap_next) // PAGE_SIZE

    def hfree(self, page: Pa) -> None:
        """Give nothing back: this allocator only says that somebody asked."""
        self.dlog(f"Attempted to free pointer {page:016x}\n")

    # Building tables.

    def mm_ptable_init(self, vm_id: int) -> Ptable | None:
        """A new, empty table, or None when the pool is empty."""
        root = self.halloc_page()
        if not root:
            return None
        self.memory.write(root, bytes(PAGE_SIZE))
        return Ptable(root, vm_id)

    def mm_populate_table_pte(self, entry: Pa, level: int) -> Pa:
        """The table that `entry` points to, made if need be so that it maps what the entry mapped; 0 on failure."""
        pte = self.memory.read64(entry)
        if arch_mm_pte_is_table(pte, level):
            return Pa(pte & ADDRESS_MASK)
        table = self.halloc_page()
        if not table:
            self.dlog("Failed to allocate memory for page table\n")
            return table
        entries = (0,) * ENTRIES
        if arch_mm_pte_is_block(pte, level):
            inc, attrs, pa = mm_entry_size(level - 1), arch_mm_pte_attrs(pte), pte & ADDRESS_MASK
            entries = tuple(arch_mm_block_pte(level - 1, pa + i * inc, attrs) for i in range(ENTRIES))
        self.memory.write(table, struct.pack(f"<{ENTRIES}Q", *entries))
        self.memory.write64(entry, table | PTE_TABLE | PTE_VALID)
        return table

    def mm_free_page_pte(self, pte: int, level: int) -> None:
        """Free the table behind a replaced descriptor, and all tables below it."""
        if not arch_mm_pte_is_table(pte, level):
            return
        table = Pa(pte & ADDRESS_MASK)
        for i in range(ENTRIES):
            self.mm_free_page_pte(self.memory.read64(pa_add(table, 8 * i)), level - 1)
        self.hfree(table)

    def mm_map_level(self, begin: int, end: int, pa: int, attrs: int, table: Pa, level: int, commit: bool) -> bool:
        """Map [begin, end) in the table at `level`: without `commit` only allocate what is missing."""
        entry_size = mm_entry_size(level)
        entry = pa_add(table, 8 * mm_index(begin, level))
        end = min(end, mm_level_end(begin, level))
        if level == 0:  # nothing hangs below these: all at once
            if commit and begin < end:
                first, count = arch_mm_block_pte(0, pa, attrs), (end - begin) // PAGE_SIZE
                ptes = range(first, first + count * PAGE_SIZE, PAGE_SIZE)
                self.memory.write(entry, struct.pack(f"<{count}Q", *ptes))
            return True
        while begin < end:
            if end - begin >= entry_size and arch_mm_is_block_allowed(level) and begin & entry_size - 1 == 0:
                if commit:
                    old = self.memory.read64(entry)
                    self.memory.write64(entry, arch_mm_block_pte(level, pa, attrs))
                    self.mm_free_page_pte(old, level)
            else:
                below = self.mm_populate_table_pte(entry, level)
                if not below or not self.mm_map_level(begin, end, pa, attrs, below, level - 1, commit):
                    return False
            begin = begin + entry_size & -entry_size
            pa = pa + entry_size & -entry_size
            entry = pa_add(entry, 8)
        return True

    def mm_ptable_update(self, ptable: Ptable, pa_begin: Pa, pa_end: Pa, attrs: int, mode: int) -> bool:
        """Write `attrs` for [pa_begin, pa_end), rounded up to pages: one pass allocates, a second commits.

        False when the pool ran out; then nothing is mapped otherwise than before. The end is not cut to 48
        bits although the beginning is: an address with higher bits set maps, and invalidates, far too much.
        """
        begin, end = pa_begin & ADDRESS_MASK, align_up(pa_end, PAGE_SIZE)
        level = MAX_LEVEL_STAGE1 if mode & MM_MODE_STAGE1 else MAX_LEVEL_STAGE2
        if mode & MM_MODE_STAGE1:
            self.tlb.clear()
        for commit in (False, True):
            if not self.mm_map_level(begin, end, begin, attrs, ptable.root, level, commit):
                return False
        if not mode & MM_MODE_NOINVALIDATE and (end - begin) // PAGE_SIZE > PATIENCE_PAGES:
            raise HypervisorHang(
                f"It invalidates the TLB page by page from {begin:#x} to {end:#x}, which takes it hours: the end of "
                "the range was not cut to 48 bits as its beginning was."
            )
        return True

    def mm_identity_map(self, begin: Pa, end: Pa, mode: int) -> Va:
        """Map [begin, end) in the hypervisor's own stage 1. The address, or NULL on failure (or for address 0)."""
        assert self.ptable is not None
        mode |= MM_MODE_STAGE1
        mapped = self.mm_ptable_update(self.ptable, begin, end, arch_mm_mode_to_attrs(mode), mode)
        return va_from_pa(begin) if mapped else NULL

    def mm_unmap(self, begin: Pa, end: Pa) -> bool:
        """Remove [begin, end) from the hypervisor's own stage 1."""
        assert self.ptable is not None
        return self.mm_ptable_update(self.ptable, begin, end, 0, MM_MODE_STAGE1)

    def mm_vm_identity_map(self, ptable: Ptable, begin: Pa, end: Pa, mode: int) -> bool:
        """Map [begin, end) in a VM's stage 2."""
        return self.mm_ptable_update(ptable, begin, end, arch_mm_mode_to_attrs(mode), mode)

    def mm_vm_unmap(self, ptable: Ptable, begin: Pa, end: Pa, mode: int) -> bool:
        """Remove [begin, end) from a VM's stage 2."""
        return self.mm_ptable_update(ptable, begin, end, 0, mode)

    def sections(self) -> tuple[tuple[str, Pa, Pa, int], ...]:
        """The hypervisor's own memory, as `SECTIONS`, with its data, in which the pool lies."""
        end = board.data_end(self.heap_pages)
        return (*SECTIONS, ("data", board.LAYOUT_DATA_BEGIN, end, MM_MODE_R | MM_MODE_W))

    def mm_ptable_unmap_hypervisor(self, ptable: Ptable, mode: int) -> bool:
        """Take the hypervisor's text, rodata and data away from a VM."""
        return all(self.mm_vm_unmap(ptable, begin, end, mode) for _, begin, end, _ in self.sections())

    def mm_init(self) -> bool:
        """Map the UART and the hypervisor's own sections, then turn the MMU on."""
        for name, begin, end, _ in self.sections():
            self.dlog(f"{name}: {begin:#x} - {end:#x}\n")
        self.ptable = self.mm_ptable_init(0)
        if self.ptable is None:
            return False
        uart_end = pa_add(board.PL011_BASE, PAGE_SIZE)
        self.mm_identity_map(board.PL011_BASE, uart_end, MM_MODE_R | MM_MODE_W | MM_MODE_D)
        for _, begin, end, mode in self.sections():
            self.mm_identity_map(begin, end, mode)
        self.dlog(f"Supported bits in physical address: {PA_BITS}\n")
        self.dlog(f"Number of page table levels: {MAX_LEVEL_STAGE2 + 1}\n")
        return True

    # Reading tables.

    def mm_walk(self, ptable: Ptable, addr: int, level: int) -> tuple[int, int]:
        """Walk from a root at `level` to the entry that decides about `addr`: (descriptor, its level)."""
        table = ptable.root
        while True:
            pte = self.memory.read64(pa_add(table, 8 * mm_index(addr, level)))
            if not arch_mm_pte_is_table(pte, level):
                return pte, level
            table, level = Pa(pte & ADDRESS_MASK), level - 1

    def mm_vm_translate(self, ptable: Ptable, ipa: Ipa) -> Pa | None:
        """Where a VM's `ipa` lies, or None if stage 2 does not map it. Says nothing about permissions."""
        addr = ipa & -PAGE_SIZE
        if addr >= mm_level_end(addr, MAX_LEVEL_STAGE2):
            return None
        pte, level = self.mm_walk(ptable, addr, MAX_LEVEL_STAGE2)
        return pa_from_ipa(ipa) if arch_mm_pte_is_block(pte, level) else None

    def mm_tables(self, ptable: Ptable) -> dict[int, tuple[int, ...]]:
        """A copy of a VM's tables: the 512 descriptors of each, by the table's physical address."""
        tables: dict[int, tuple[int, ...]] = {}
        waiting = [(ptable.root, MAX_LEVEL_STAGE2)]
        while waiting:
            table, level = waiting.pop()
            tables[table] = entries = struct.unpack(f"<{ENTRIES}Q", self.memory.read(table, PAGE_SIZE))
            waiting += [(Pa(pte & ADDRESS_MASK), level - 1) for pte in entries if arch_mm_pte_is_table(pte, level)]
        return tables

    # The hypervisor's own loads and stores.

    def mm_stage1(self, va: Va, write: bool) -> Pa:
        """Translate one of the hypervisor's own addresses as its MMU would; `El2Abort` if it faults."""
        if self.ptable is None:
            return pa_from_va(va)
        page = self.tlb.get((va >> PAGE_BITS, write))
        if page is not None:
            return Pa(page | va & PAGE_SIZE - 1)
        if va >> PAGE_BITS + (MAX_LEVEL_STAGE1 + 1) * LEVEL_BITS:
            raise El2Abort(va, 0x04, write)
        pte, level = self.mm_walk(self.ptable, va, MAX_LEVEL_STAGE1)
        if not arch_mm_pte_is_block(pte, level):
            raise El2Abort(va, 0x04 + 3 - level, write)
        if write and pte & STAGE1_READONLY:
            raise El2Abort(va, 0x0C + 3 - level, write)
        size = mm_entry_size(level)
        pa = Pa(pte & ADDRESS_MASK & -size | va & size - 1)
        self.tlb[va >> PAGE_BITS, write] = pa & -PAGE_SIZE
        return pa

    def mm_memcpy(self, to: Va, source: Va, size: int) -> None:
        """Copy as upstream's memcpy does, first byte first; where it faults it reports itself and spins."""
        try:
            for done in range(0, size, PAGE_SIZE):
                if done:
                    self.platform.tick()
                self.mm_store(Va(to + done), self.mm_load(Va(source + done), min(PAGE_SIZE, size - done)))
        except El2Abort as abort:
            self.sync_current_exception(abort)

    def sync_current_exception(self, abort: El2Abort) -> NoReturn:
        """An abort of the hypervisor's own copy (upstream: handler.c)."""
        pc = board.MEMCPY_STORE_PC if abort.write else board.MEMCPY_LOAD_PC
        iss = 1 << 24 | 0x10 << 16 | abort.write << 6 | abort.dfsc
        esr = arch.EC_DATA_ABORT_SAME_EL << 26 | arch.ESR_IL | iss
        self.dlog(f"Data abort: pc={pc:#x}, esr={esr:#x}, ec={esr >> 26:#x}, far={abort.va:#x}, hpfar=0x0\n")
        raise HypervisorHang(
            f"The hypervisor's own copy faulted at {abort.va:#x}: it was given an address that it cannot reach. It "
            "reports the abort and spins for ever."
        )

    def mm_load(self, va: Va, size: int) -> bytes:
        """Read `size` bytes through stage 1, in order; `El2Abort` at the first byte that faults."""
        parts, end = [], va + size
        while va < end:
            page_end = (va | PAGE_SIZE - 1) + 1
            try:
                parts.append(self.memory.read(self.mm_stage1(va, False), (end if end < page_end else page_end) - va))
            except BusError:
                raise El2Abort(va, 0x10, False) from None
            va = Va(page_end)
            if va < end:
                self.platform.tick()
        return b"".join(parts)

    def mm_store(self, va: Va, data: bytes) -> None:
        """Write `data` through stage 1, in order; `El2Abort` at the first byte that faults."""
        begin, end = va, va + len(data)
        while va < end:
            page_end = (va | PAGE_SIZE - 1) + 1
            try:
                self.memory.write(self.mm_stage1(va, True), data[va - begin : page_end - begin])
            except BusError:
                raise El2Abort(va, 0x10, True) from None
            va = Va(page_end)
