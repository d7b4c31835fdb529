"""A physical CPU in plain Python: an interpreter of A64 for where Unicorn is not, and by choice.

It takes the place of `UnicornCpu`: the same guests give the same traps, registers and counts of instructions. What is
executed often becomes one Python function (`a64_code.py`), which is forgotten when somebody writes where its code lies.
Addresses are translated page by page by the walker that explains faults. What it does not know ends the
run with a sentence that names the instruction.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from hfedu.board.board import NEVER, Board
from hfedu.board.memory import FLASH_SIZE, RAM_BASE, Registers
from hfedu.board.timer import Metronome
from hfedu.guest import a64_code, syndrome
from hfedu.guest.a64_code import GRANULE
from hfedu.guest.a64_system import MDSCR_EL1, TRANSLATION, ZVA_BYTES, Encoding, SystemRegisters
from hfedu.guest.budget import (
    FIQ,
    FIRST_SLICE,
    GLANCE,
    HOST_SLICE,
    NO_INTERRUPT,
    SLICE,
    TICK,
    Budget,
    StuckForever,
)  # fmt: skip
from hfedu.guest.syndrome import HVC_TRAP, SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, VBAR_EL1
from hfedu.hf import arch
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.api import running
from hfedu.hf.arch import PC, PSTATE_I, SPSR, SYSTEM
from hfedu.hf.call import MASK32, MASK64
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap
from hfedu.hf.mm import ADDRESS_MASK, PA_BITS, Mm
from hfedu.hf.platform import HypervisorHang

LOOK_AT_CLOCK = 20_000
"""Instructions between two looks at the clock."""
PSTATE_SP, PSTATE_EL, PSTATE_F, PSTATE_D, PSTATE_IL, PSTATE_SS = 1, 0xC, 1 << 6, 1 << 9, 1 << 20, 1 << 21
MDSCR_SS, MDSCR_KDE = 1, 1 << 13
AT_IRQ, AT_FIQ = 0x80, 0x100
PSTATE_VALID = 0xF030_03CF
"""NZCV, SS, IL, DAIF, EL and SP."""
SP_EL0, SP_EL1, ELR_EL1, SPSR_EL1, MAIR_EL1, PAR_EL1 = map(
    arch.REGISTER_NAMES.index, ("SP_EL0", "SP_EL1", "ELR_EL1", "SPSR_EL1", "MAIR_EL1", "PAR_EL1")
)
KEPT_BITS = {VBAR_EL1: -32 & MASK64, arch.REGISTER_NAMES.index("CSSELR_EL1"): 0xF}
"""What is kept of what is written to a system register, where not all of it is."""
PAR_FORMAT, PAR_NS = 1 << 11, 1 << 9
FLUSHES = {arch.REGISTER_NAMES.index(name) for name in TRANSLATION}

Block = tuple[Callable[[int], int], int, tuple[int, ...]]
"""A function, how many instructions it needs room for, and their addresses."""
Maker = Callable[..., Callable[[int], int]]
"""Makes a function for one CPU."""
KNOWN: dict[int, list[tuple[tuple[int, ...], tuple[int, ...], Maker]]] = {}
"""By the address of their first instruction: addresses, words, and what was made of them, for all machines."""
SINGLE: dict[int, "Maker | str"] = {}
"""What was made of single words, or why nothing was."""
WIDEST = 8
"""Bytes that one access to a device takes at most."""
KNOWN_AT_MOST = 20_000
HOT = 6
"""How often an instruction is executed by itself before a function is made of it and those behind it."""
HELPERS = {
    name: getattr(a64_code, name)
    for name in ("nzcv", "sum_flags", "reverse_bits", "reverse_bytes", "divide", "leading_sign_bits", "crc32")
}


def compiled_function(source: str) -> Maker:
    """What makes the function of that source."""
    space: dict[str, Any] = dict(HELPERS)
    exec(compile(source, "<A64>", "exec"), space)
    return space["make"]  # type: ignore[no-any-return]


class Leave(Exception):
    """The guest's code cannot simply go on: `why`, and whether the instruction counts as executed."""

    def __init__(self, why: str, counts: bool = False) -> None:
        self.why, self.counts = why, counts


class PythonCpu:
    """Executes the guest whose registers are in `cpu.regs`, until it traps to EL2. Arguments as for `UnicornCpu`."""

    def __init__(self, cpu: Cpu, board: Board, mm: Mm, budget: Budget, knob: Metronome | None = None) -> None:
        self.cpu, self.board, self.memory, self.budget, self.knob = cpu, board, board.memory, budget, knob
        self.clock, self.gic = board.clock, board.gic
        memory = self.memory
        self.dirty: set[int] = set()
        memory.dirty.append(self.dirty)
        self.walker = syndrome.Walker(mm)
        view = memoryview(memory.ram)
        self.views = {size: view.cast(letter) for size, letter in ((8, "Q"), (4, "I"), (2, "H"), (1, "B"))}  # type: ignore[call-overload]
        self.x = [0] * 35
        """x0-x30, the stack pointer in use, and the flags as `a64_code` keeps them."""
        self.pc = self.next = 0
        self.live = arch.ArchRegs()
        """System registers as they are now, and PSTATE without flags as SPSR."""
        self.system = SystemRegisters(self)
        self.q = [0] * 32
        self.monitor: tuple[int, int] | None = None
        self.left = [0]
        """How many instructions of the slice are left behind a single one that is executed, or a whole function."""
        self.reach = self.cut = self.limit = 0
        self.read_at: dict[int, int] = {}
        self.write_at: dict[int, int] = {}
        self.physical: dict[tuple[int, bool], int] = {}
        self.fetch_at: dict[int, int] = {}
        self.blocks: dict[int, Block] = {}
        self.single: dict[int, Block] = {}
        self.code: dict[tuple[int, int, bool], Block] = {}
        self.in_granule: dict[int, set[tuple[int, int, bool]]] = {}
        self.heat: dict[int, int] = {}
        self.exception: Leave | None = None
        self.emulating = self.paused = self.stepwise = self.waiting = False
        self.ends = 0.0
        self.loaded: Vcpu | None = None
        self.on_instruction: Callable[[int], object] | None = None
        self.gic.on_signal[cpu.id] = self._on_signal
        cpu.read_system_registers = self.read_system_registers
        cpu.read_fp, cpu.write_fp = self.read_fp, self.write_fp

    # Registers.

    def flags(self) -> int:
        """NZCV as four bits."""
        return a64_code.nzcv(*self.x[32:35])

    def set_flags(self, flags: int) -> None:
        """Set NZCV."""
        self.x[32:35] = a64_code.LITERAL, flags, 0

    def read_general(self) -> None:
        """Copy x0-x30, PC and PSTATE into `cpu.regs`."""
        regs = self.cpu.regs
        for n in range(31):
            regs[n] = self.x[n]
        regs[PC], regs[SPSR] = self.pc, self.live[SPSR] | self.flags() << 28

    def read_system_registers(self) -> None:
        """Copy the system registers into `cpu.regs`."""
        if self.loaded is not self.cpu.current:
            return
        regs = self.cpu.regs
        regs[SYSTEM:] = self.live[SYSTEM:]
        regs[active_sp(regs[SPSR])] = self.x[31]

    def write_general(self) -> None:
        """Take x0-x30, PC and PSTATE from `cpu.regs`."""
        regs = self.cpu.regs
        self.x[:31] = regs[:31].tolist()
        self.pc = regs[PC]
        self.set_flags(regs[SPSR] >> 28 & 15)
        self.live[SPSR] = regs[SPSR] & PSTATE_VALID & 0xFFF_FFFF

    def write_all(self) -> None:
        """Take all registers from `cpu.regs`."""
        self.live[SYSTEM:] = self.cpu.regs[SYSTEM:]
        self.write_general()
        self.x[31] = self.live[active_sp(self.live[SPSR])]

    def read_fp(self) -> bytes:
        """The floating-point registers, as an opaque value for `write_fp`."""
        return b"".join(each.to_bytes(16, "little") for each in (*self.q, *self.system.fp_control))

    def write_fp(self, saved: bytes) -> None:
        """Set the floating-point registers."""
        values = [int.from_bytes(saved[at : at + 16], "little") for at in range(0, arch.FP_SIZE, 16)]
        self.q, self.system.fp_control = values[:32], values[32:]

    def set_pstate(self, pstate: int) -> None:
        """Set PSTATE but for its flags. Another stack pointer may be in use then."""
        old = self.live[SPSR]
        self.live[active_sp(old)] = self.x[31]
        self.live[SPSR] = pstate
        self.x[31] = self.live[active_sp(pstate)]
        if (old ^ pstate) & PSTATE_EL and self.live[SCTLR_EL1] & 1:
            self.flush()
        self.look_at_masks()

    def look_at_masks(self) -> None:
        """End the slice if an interrupt is signalled that is no longer masked, or each instruction is one from here."""
        if self.signalled() & ~self.live[SPSR] or self.steps_software(self.live[SPSR]):
            self.shorten(0)

    def write_kept(self, place: int, value: int) -> None:
        """Write a system register that is kept as it is."""
        value &= KEPT_BITS.get(place, MASK64)
        if place in FLUSHES and value != self.live[place]:
            self.flush()
        self.live[place] = value

    # Memory.

    def flush(self) -> None:
        """Forget all translations."""
        self.read_at.clear()
        self.write_at.clear()
        self.physical.clear()
        self.fetch_at.clear()
        self.blocks.clear()
        self.single.clear()

    def translate(self, va: int, write: bool, fetch: bool = False, user: bool = False) -> int:
        """The physical page of an address. `Leave` if there is none."""
        regs = self.live
        if user and regs[SPSR] & PSTATE_EL:
            regs = arch.ArchRegs()
            regs[:] = self.live
            regs[SPSR] &= ~PSTATE_EL
        found = self.walker._translate_page(regs, self.root, va & -PAGE_SIZE, write, fetch)
        if not isinstance(found, int) or (regs[SCTLR_EL1] & 1 and not self.granted(regs, va, write, fetch)):
            raise Leave("fetch" if fetch else "data")
        return found & -PAGE_SIZE

    def leaf(self, regs: arch.ArchRegs, va: int) -> tuple[int, int]:
        """The entry of stage 1 that maps an address that the walker allows, and the rights that tables take away."""
        upper = va >> 55 & 1
        size = 64 - min(39, max(16, regs[TCR_EL1] >> (16 if upper else 0) & 63))
        table, level = regs[TTBR1_EL1 if upper else TTBR0_EL1] & ADDRESS_MASK, (size - 13) // 9
        above = 0
        while True:
            index = va >> 12 + 9 * level & (1 << min(9, size - 12 - 9 * level)) - 1
            entry = self.memory.read64(Pa(table + 8 * index))
            if entry & 3 != 3 or not level:
                return entry, above
            above |= entry >> 59
            table, level = entry & ADDRESS_MASK, level - 1

    def granted(self, regs: arch.ArchRegs, va: int, write: bool, fetch: bool) -> bool:
        """Whether stage 1 still grants an access if what the walker leaves out counts: rights in tables, and WXN."""
        entry, above = self.leaf(regs, va)
        rights = (entry >> 6 & 3 & ~(above >> 2 & 1)) | (above >> 2 & 2)
        el1 = regs[SPSR] & PSTATE_EL
        readable = bool(el1 or rights & 1)
        writable = readable and not rights & 2
        if not fetch:
            return writable if write else readable
        never = (entry >> 53 | above) & 1 or rights == 1 if el1 else (entry >> 54 | above >> 1) & 1
        return not never and not (writable and regs[SCTLR_EL1] >> 19 & 1)

    def translate_address(self, word: int) -> None:
        """AT S1E1R, S1E1W, S1E0R, S1E0W: what stage 1 makes of an address, into PAR_EL1."""
        self.privileged_nothing(word)
        va, write, regs = self.value(word & 31), bool(word >> 5 & 1), arch.ArchRegs()
        regs[:] = self.live
        if word >> 6 & 1:
            regs[SPSR] &= ~PSTATE_EL
        found: int | syndrome.Fault = va
        attributes = 0
        if regs[SCTLR_EL1] & 1:
            found = self.walker._stage1(regs, self.root, va, write, False)
            if isinstance(found, int):
                entry, _ = self.leaf(regs, va)
                attributes = (regs[MAIR_EL1] >> 8 * (entry >> 2 & 7) & 0xFF) << 56 | (entry >> 8 & 3) << 7
                if not self.granted(regs, va, write, False):
                    found = syndrome.Fault(1, syndrome.FSC_PERMISSION + 3, va, 0)
        elif va >> PA_BITS:
            found = syndrome.Fault(1, syndrome.FSC_ADDRESS_SIZE, va, 0)
        if isinstance(found, int):
            self.live[PAR_EL1] = PAR_FORMAT | PAR_NS | found & ADDRESS_MASK | attributes
        elif found.stage == 2:
            raise Leave("data")
        else:
            self.live[PAR_EL1] = PAR_FORMAT | found.fsc << 1 | 1

    @property
    def root(self) -> Pa:
        """The root of the stage-2 table in use."""
        return Pa(self.cpu.vttbr_el2 & ADDRESS_MASK)

    def page(self, va: int, write: bool) -> int:
        """The physical page of a load or store, from what was translated before if it was."""
        page = va & -PAGE_SIZE
        known = self.write_at.get(va & -GRANULE) if write else self.read_at.get(page)
        if known is not None:
            return known + RAM_BASE
        pa = self.physical.get((page, write))
        if pa is None:
            pa = self.translate(va, write)
            self.physical[page, write] = pa
        if write and pa < FLASH_SIZE:
            raise Leave("flash")
        offset = pa - RAM_BASE
        if 0 <= offset < self.memory.ram_size:
            if not write:
                self.read_at[page] = offset
            elif offset + (va & PAGE_SIZE - GRANULE) not in self.in_granule:
                self.write_at[va & -GRANULE] = offset
        return pa

    def load(self, va: int, size: int, user: bool = False) -> int:
        """A load that takes its time."""
        inside = PAGE_SIZE - (va & PAGE_SIZE - 1)
        if user:
            self.translate(va, False, user=True)
            self.translate(va + size - 1 & MASK64, False, user=True)
        first = self.page(va, False)
        if inside >= size:
            return self.read_physical(first + (va & PAGE_SIZE - 1), size)
        second = self.page(va + inside & MASK64, False)
        if size > WIDEST:
            return self.load(va, WIDEST) | self.load(va + WIDEST & MASK64, WIDEST) << 8 * WIDEST
        low = self.read_physical(first + PAGE_SIZE - size, size) >> 8 * (size - inside)  # of devices two whole accesses
        return (low | self.read_physical(second, size) << 8 * inside) & (1 << 8 * size) - 1

    def store(self, va: int, size: int, value: int, user: bool = False) -> None:
        """A store that takes its time."""
        inside = PAGE_SIZE - (va & PAGE_SIZE - 1)
        if user:
            self.translate(va, True, user=True)
            self.translate(va + size - 1 & MASK64, True, user=True)
        first = self.page(va, True)
        if inside >= size:
            self.write_physical(first + (va & PAGE_SIZE - 1), size, value)
            return
        second = self.page(va + inside & MASK64, True)
        for i, byte in enumerate(value.to_bytes(size, "little")):  # of devices so many accesses
            self.write_physical(first + PAGE_SIZE - inside + i if i < inside else second + i - inside, 1, byte)

    def read_physical(self, pa: int, size: int) -> int:
        """Read what does not cross a page."""
        at = pa - RAM_BASE
        if 0 <= at < self.memory.ram_size:
            return int.from_bytes(self.memory.ram[at : at + size], "little")
        if pa < FLASH_SIZE:
            return 0
        region = self.memory.region(pa, 1)
        return self.read_device(region.device, pa - region.base, size)

    def read_device(self, device: Registers, offset: int, size: int) -> int:
        """Read from a device as its bus does: 4 bytes at most, and what is not aligned from both sides."""
        unit, read = min(size, 8), partial(self.read_device, device)
        aside = offset % unit
        if size > unit:
            return read(offset, unit) | read(offset + unit, size - unit) << 8 * unit
        if aside:
            both = read(offset - aside, unit) | read(offset - aside + unit, unit) << 8 * unit
            return both >> 8 * aside & (1 << 8 * size) - 1
        if size > 4:
            return read(offset, 4) | read(offset + 4, 4) << 32
        return device.read(offset, size, self.cpu.id) & (1 << 8 * size) - 1

    def write_physical(self, pa: int, size: int, value: int) -> None:
        """Write what does not cross a page, and forget code that was there."""
        at = pa - RAM_BASE
        if 0 <= at < self.memory.ram_size:
            self.memory.ram[at : at + size] = value.to_bytes(size, "little")
            for granule in range(at & -GRANULE, at + size, GRANULE):
                if granule in self.in_granule:
                    self.forget(at, size, granule)
        else:
            region = self.memory.region(pa, 1)
            unit = min(size, 4) if not pa % min(size, 8) else 1
            for part in range(0, size, unit):
                region.device.write(pa - region.base + part, unit, value >> 8 * part & (1 << 8 * unit) - 1, self.cpu.id)

    # Code.

    def forget(self, at: int, size: int, granule: int) -> None:
        """Forget functions made of what lies in [at, at + size) of RAM, as far as that is in this granule."""
        for key in list(self.in_granule[granule]):
            start, offset, _ = key
            _, _, places = self.code[key]
            if any(at - 4 < offset + place - start < at + size for place in places):
                self.drop(key)

    def drop(self, key: tuple[int, int, bool]) -> None:
        """Forget one function."""
        start, offset, single = key
        _, _, places = self.code.pop(key)
        (self.single if single else self.blocks).pop(start, None)
        for granule in {offset + place - start & -GRANULE for place in places}:
            keys = self.in_granule[granule]
            keys.discard(key)
            if not keys:
                del self.in_granule[granule]

    def forget_pages(self, pages: set[int]) -> None:
        """Forget the functions made of these pages."""
        for page in pages:
            for granule in range(page - RAM_BASE, page - RAM_BASE + PAGE_SIZE, GRANULE):
                for key in list(self.in_granule.get(granule, ())):
                    self.drop(key)

    def forget_all(self) -> None:
        """Forget all functions."""
        self.code.clear()
        self.in_granule.clear()
        self.blocks.clear()
        self.single.clear()

    def find(self, pc: int, single: bool) -> Block:
        """The function for the code at an address. `Leave` if none can be fetched there."""
        if pc & 3:
            raise Leave("pc")
        page = pc & -PAGE_SIZE
        pa = self.fetch_at.get(page)
        if pa is None:
            pa = self.fetch_at[page] = self.translate(pc, False, fetch=True)
        offset = pa + (pc & PAGE_SIZE - 1) - RAM_BASE
        in_ram = 0 <= offset < self.memory.ram_size
        if not in_ram and pa >= FLASH_SIZE:
            raise Leave("fetch")
        key = (pc, offset, single)
        block = self.code.get(key)
        if block is None:
            words = self.views[4]

            def fetch(at: int) -> int | None:
                if at & -PAGE_SIZE != page:
                    return None
                return words[offset + at - pc >> 2] if in_ram else 0

            block = self.bind_single(pc, fetch(pc) or 0) if single else self.bind(pc, fetch)
            if in_ram:
                self.code[key] = block
                for granule in {offset + place - pc & -GRANULE for place in block[2]}:
                    if granule not in self.in_granule:
                        self.in_granule[granule] = set()
                        self.write_at.clear()
                    self.in_granule[granule].add(key)
        (self.single if single else self.blocks)[pc] = block
        return block

    def bind(self, pc: int, fetch: Callable[[int], int | None]) -> Block:
        """A function of the instructions from an address on, for this CPU."""
        known = KNOWN.setdefault(pc, [])
        for places, words, make in known:
            if all(fetch(place) == word for place, word in zip(places, words, strict=True)):
                return self.bound(make, pc), len(places), places
        made = a64_code.make(pc, fetch)
        if made.special:
            return self.bind_single(pc, fetch(pc) or 0)
        if len(KNOWN) > KNOWN_AT_MOST:
            KNOWN.clear()
        make = compiled_function(made.source)
        known.append((made.places, tuple(fetch(place) or 0 for place in made.places), make))
        return self.bound(make, pc), len(made.places), made.places

    def bind_single(self, pc: int, word: int) -> Block:
        """A function of one instruction, for this CPU."""
        make = SINGLE.get(word)
        if make is None:
            if len(SINGLE) > KNOWN_AT_MOST:
                SINGLE.clear()
            made = a64_code.make_single(word)
            make = SINGLE[word] = made.special or compiled_function(made.source)
        if isinstance(make, str):
            return self.special(pc, word, make == a64_code.SPECIAL), 1, (pc,)
        return self.bound(make, pc), 1, (pc,)

    def bound(self, make: Maker, pc: int) -> Callable[[int], int]:
        """A function for this CPU."""
        q, i, h, b = self.views.values()
        return make(self.x, self.read_at, self.write_at, q, i, h, b, self.left, self.load, self.store, pc)

    def special(self, pc: int, word: int, defined: bool) -> Callable[[int], int]:
        """A function for one instruction that `a64_code` leaves to us."""
        operate = self.operation(word) if defined else self.undefined

        def block(left: int) -> int:
            self.pc, self.next = pc, pc + 4 & MASK64
            self.left[0] = left - 1
            operate(word)
            return self.next

        return block

    # Running.

    def enter(self) -> None:
        """Return to the guest whose registers are in `cpu.regs`, as the ERET at EL2 does."""
        cpu = self.cpu
        if self.loaded is cpu.current:
            self.write_general()
        else:
            self.write_all()
            self.flush()
            self.loaded = cpu.current
        self.monitor = None
        if self.dirty:
            self.forget_pages(self.dirty)
            self.dirty.clear()

    def run(self, limit: int | None = None) -> Trap | None:
        """Run the guest until it traps to EL2, or None after `limit` instructions without a trap.

        `OutOfBudget` or `StuckForever` if it never will.
        """
        board, clock = self.board, self.clock
        if board.alarm != NEVER and clock.now() >= board.alarm:
            board.time_passed()
        self.waiting, self.stepwise = False, limit is not None
        count, entered = SLICE, not self.paused
        if entered:
            if self.interrupted():
                return Trap(None)
            self.enter()
            count = FIRST_SLICE
        left = limit
        if limit is not None:
            self.see_other_cpus()
        while True:
            self.paused = not entered  # should the check raise, the guest goes on right here
            self.budget.check()
            self.paused = entered = False
            self.take_interrupt()
            stepping = self.steps_software(self.cpu.regs[SPSR])
            if stepping and not self.cpu.regs[SPSR] & PSTATE_SS:
                self.vector((0x33 if self.cpu.regs[SPSR] & PSTATE_EL else 0x32) << 26 | arch.ESR_IL | 0x22, None)
                stepping = False
            done = self.emulate(1 if stepping else left or count)
            if stepping and (self.exception is None or self.exception.why in ("svc", "hvc", "smc")):
                self.live[SPSR] &= ~PSTATE_SS
                self.cpu.regs[SPSR] &= ~PSTATE_SS
            count = SLICE
            if self.exception is not None:
                if self.exception.why == "hvc":
                    return HVC_TRAP
                trap = self.explain(self.exception.why)
                if trap is not None:
                    return trap
            if board.alarm != NEVER and clock.now() >= board.alarm:
                board.time_passed()
            if self.interrupted():
                return Trap(None)
            if left is not None:
                left -= done
                if left <= 0 or self.waiting:
                    return None

    def see_other_cpus(self) -> None:
        """Forget what other physical CPUs may have made stale: translations of addresses, and of a VM's code."""
        self.flush()
        vm, ran_on = running(self.cpu).vm.id, self.memory.ran_on
        if ran_on.get(vm) != self.cpu.id:
            self.forget_all()
            ran_on[vm] = self.cpu.id

    def interrupted(self) -> bool:
        """Whether an interrupt takes the CPU out of a secondary. In the primary, EL1 takes it itself."""
        signal, knob = self.gic.signals[self.cpu.id], self.knob
        if self.cpu.hcr_el2 & arch.HCR_IMO:
            if signal.fiq:
                raise HypervisorHang(FIQ)
            if signal.irq and knob is not None:
                knob.serve(owed=True)
            return signal.irq
        if knob is not None and knob.pending and not self.cpu.regs[SPSR] & PSTATE_I:
            knob.serve(owed=False)
            self.vector(None, None)
        return False

    def signalled(self) -> int:
        """ISR_EL1: what the interrupt controller signals to the primary, at the places of the masks in PSTATE."""
        if self.knob is not None or self.cpu.hcr_el2 & arch.HCR_IMO:
            return 0
        signal = self.gic.signals[self.cpu.id]
        return signal.irq * PSTATE_I | signal.fiq * PSTATE_F

    def steps_software(self, pstate: int) -> bool:
        """Whether the guest has each instruction of its own, or of EL0, taken to it as a debug exception."""
        mdscr = self.system.debug.get(MDSCR_EL1, 0)
        return bool(mdscr & MDSCR_SS) and (not pstate & PSTATE_EL or bool(mdscr & MDSCR_KDE and not pstate & PSTATE_D))

    def take_interrupt(self) -> None:
        """Let the primary take an interrupt that it has not masked."""
        open_to = self.signalled() & ~self.cpu.regs[SPSR]
        if open_to:
            kept = self.cpu.regs[SYSTEM:]
            self.vector(None, None, AT_FIQ if open_to & PSTATE_F else AT_IRQ)
            self.cpu.regs[SYSTEM:] = kept  # EL2 sees the system registers when it asks for them

    def _on_signal(self) -> None:
        """The interrupt controller signals otherwise than before: the slice ends."""
        if self.emulating and self.gic.signals[self.cpu.id].up:
            self.shorten(0)

    def _on_alarm(self) -> None:
        """A timer is due at another time than before: the slice goes no further."""
        if self.emulating and not self.clock.is_host:
            self.shorten(max(0, self.board.alarm - self.clock.ticks - self.progress()))

    def shorten(self, left: int) -> None:
        """Execute at most so many instructions of this slice after the one that is executed, which is a single one."""
        self.limit = min(self.limit, self.progress() + left)
        if left < self.left[0]:
            self.cut += self.left[0] - left
            self.left[0] = left

    def progress(self) -> int:
        """Instructions of this slice so far, the one that is executed included."""
        return self.reach - self.cut - self.left[0]

    def emulate(self, count: int) -> int:
        """At most `count` instructions, fewer if something happens or the clock ends the slice.

        How many it were; `exception` says what happened. Registers are in `cpu.regs` afterwards.
        """
        budget, clock, alarm = self.budget, self.clock, self.board.alarm
        if budget.instructions is not None:
            count = min(count, budget.instructions - budget.executed)
        if alarm < NEVER:
            count = min(count, HOST_SLICE if clock.is_host else max(1, alarm - clock.ticks))
        if self.knob is not None and self.knob.pending:
            count = min(count, GLANCE)
        self.board.on_alarm = self._on_alarm
        self.exception = None
        self.ends = time.monotonic() + TICK
        done, self.limit = 0, count
        clock.in_slice, self.emulating = self.progress, True
        try:
            while done < self.limit:
                chunk = min(self.limit - done, LOOK_AT_CLOCK)
                self.reach, self.cut = done + chunk, 0
                done += chunk - self.go(chunk) - self.cut
                if self.exception is not None or time.monotonic() >= self.ends:
                    break
        finally:
            clock.in_slice, self.emulating = None, False
        self.read_general()
        if self.exception is not None:
            done = max(1, done)
        budget.executed += done
        clock.ticks += done
        return done

    def go(self, left: int) -> int:
        """Execute so many instructions: how many are left when something happens, or the clock ends the slice."""
        blocks, single, remaining, heat, pc = self.blocks, self.single, self.left, self.heat, self.pc
        places: tuple[int, ...] = ()
        watch = self.on_instruction
        remaining[0] = left
        try:
            while left > 0:
                try:
                    while watch is None:
                        function, size, places = blocks[pc]
                        if size > left:
                            break
                        pc = function(left)
                        left = remaining[0]
                except KeyError:
                    if pc < 0:  # a function came to memory that it cannot reach
                        pc, left = places[~pc], remaining[0]
                    elif left:
                        heat[pc] = warmth = heat.get(pc, 0) + 1
                        if warmth > HOT:
                            self.find(pc, False)
                            continue
                    if time.monotonic() >= self.ends:
                        break
                if not left:
                    break
                function, size, places = single.get(pc) or self.find(pc, True)
                if watch is not None:
                    self.pc = pc
                    watch(pc)
                remaining[0] = left - 1
                pc = function(left)
                left = remaining[0]
        except Leave as leave:
            self.exception = leave
            left = remaining[0] - (leave.why == "pc")
            if leave.counts:
                pc = self.pc
        self.pc = pc
        return left

    def end_slice(self) -> None:
        """Ask for the end of the slice."""
        self.ends = 0.0

    def watch(self, on_instruction: Callable[[int], object]) -> None:
        """Call `on_instruction` with the address of each instruction before the guest executes it, from now on."""
        self.on_instruction = on_instruction

    # Exceptions.

    def explain(self, why: str) -> Trap | None:
        """What an exception is on a real CPU: a trap to EL2, or None if EL1 took it."""
        regs = self.cpu.regs
        pc = regs[PC]
        if why == "fetch":
            return self.abort(syndrome.Access(pc, 4, False, 0), fetch=True)
        if why == "flash":  # it ignores what is written: the instruction does nothing
            self.pc = regs[PC] = pc + 4 & MASK64
            return None
        if why == "aarch32":
            raise StuckForever(f"VM {running(self.cpu).vm.id} went to AArch32 code at EL0; hfedu runs AArch64 only.")
        if why == "unknown":
            raise StuckForever(
                f"VM {running(self.cpu).vm.id} executes {self.instruction(pc):#010x} at {pc:#x}, an instruction that "
                'hfedu\'s CPU in Python does not know: boot with cpu="unicorn".'
            )
        if why == "pc":
            self.read_system_registers()
            return self.vector(0x22 << 26 | arch.ESR_IL, pc)
        insn = self.instruction(pc - 4 if why == "svc" else pc)
        match why:
            case "smc":
                return Trap(arch.EC_SMC << 26 | arch.ESR_IL | insn >> 5 & 0xFFFF)
            case "data":
                access = syndrome.access_of(insn, pc, self.x[:31], self.x[31])
                assert access is not None, hex(insn)
                return self.abort(access)
            case "wfi":
                return self.wait_for_interrupt()
            case "svc" | "brk":
                ec = 0x15 if why == "svc" else 0x3C
                return self.vector(ec << 26 | arch.ESR_IL | insn >> 5 & 0xFFFF, None)
        esr, to_el2 = syndrome.refused_access(insn, regs, self.cpu.cnthctl_el2)
        return Trap(esr) if to_el2 else self.vector(esr, None)

    def instruction(self, pc: int) -> int:
        """The instruction at a guest's address, or 0 if it cannot be read."""
        self.read_system_registers()
        found = self.walker.translate(self.cpu.regs, self.root, syndrome.Access(pc, 4, False, 0), fetch=True)
        return int.from_bytes(self.memory.read(Pa(found), 4), "little") if isinstance(found, int) else 0

    def wait_for_interrupt(self) -> Trap | None:
        """A WFI: it traps from a secondary; the primary really waits, for the timer if there is one.

        From EL0 it goes to the guest's own kernel first, if SCTLR_EL1.nTWI says so.
        """
        esr, regs = arch.EC_WFI_WFE << 26 | arch.ESR_IL | 1 << 24 | 0xE << 20, self.cpu.regs
        if not regs[SPSR] & PSTATE_EL and not regs[SCTLR_EL1] >> 16 & 1:
            return self.vector(esr, None)
        if self.cpu.hcr_el2 & arch.HCR_TWI:
            return Trap(esr)
        knob = self.knob
        if self.stepwise and knob is None:
            self.waiting = not self.gic.signals[self.cpu.id].up
        elif not (knob is not None and knob.pending) and not self.board.wait(self.cpu.id, self.budget.check):
            raise StuckForever(NO_INTERRUPT)
        if knob is not None and regs[SPSR] & PSTATE_I:
            knob.serve(owed=False)
        regs[PC] += 4
        self.pc = regs[PC]
        return None

    def abort(self, access: syndrome.Access, fetch: bool = False) -> Trap | None:
        """A failed access: a trap if stage 2 refused it, else an exception of the guest's own."""
        self.read_system_registers()
        regs = self.cpu.regs
        fault = self.walker.translate(regs, self.root, access, fetch)
        if not isinstance(fault, syndrome.Fault):
            fault = syndrome.unexplained(access, fetch)
        iss = fault.s1ptw << 7 | (access.write and not fetch) << 6 | fault.fsc
        if fault.stage == 1:
            ec = 0x21 if fetch else 0x25
            return self.vector((ec - (not regs[SPSR] & PSTATE_EL)) << 26 | arch.ESR_IL | iss, fault.va)
        if not fetch and not fault.s1ptw:
            iss |= access.iss
        ec = arch.EC_INSTRUCTION_ABORT if fetch else arch.EC_DATA_ABORT
        return Trap(ec << 26 | arch.ESR_IL | iss, fault.va, fault.ipa >> 12 << 4)

    def vector(self, esr: int | None, far: int | None, interrupt: int = AT_IRQ) -> Trap | None:
        """Take an exception, or an interrupt (`esr` None), to EL1, as the hardware does on entry: no trap to EL2."""
        self.read_system_registers()
        regs = self.cpu.regs
        pc, pstate = regs[PC], regs[SPSR]
        offset = 0x400 if not pstate & PSTATE_EL else 0x200 if pstate & PSTATE_SP else 0
        offset += interrupt if esr is None else 0
        new_pstate = pstate & 0xF000_0000 | arch.SPSR_EL1H_DAIF_MASKED
        target = regs[VBAR_EL1] + offset & MASK64
        if (pc, pstate) == (target, new_pstate):
            raise StuckForever(
                f"VM {running(self.cpu).vm.id} takes exceptions for ever: its exception vector at {target:#x} holds no "
                "code that runs, so handling the exception raises it again."
            )
        regs[ELR_EL1], regs[SPSR_EL1] = pc, pstate
        if esr is not None:
            regs[syndrome.ESR_EL1] = esr
        if far is not None:
            regs[syndrome.FAR_EL1] = far
        regs[PC], regs[SPSR] = target, new_pstate
        if not pstate & PSTATE_EL and regs[SCTLR_EL1] & 1:
            self.flush()
        self.write_all()
        return None

    # Instructions that `a64_code` leaves to us. Each finds its address in `pc` and may change it.

    def value(self, n: int) -> int:
        """A register; 31 is zero."""
        return 0 if n == 31 else self.x[n]

    def assign(self, n: int, value: int) -> None:
        """Set a register but 31."""
        if n != 31:
            self.x[n] = value

    def operation(self, word: int) -> Callable[[int], None]:
        """What executes such an instruction."""
        if word & 0xFF00_001C == 0xD400_0000:
            return self.call_exception
        if word == 0xD69F_03E0:
            return self.exception_return
        if word & 0xFFC0_0000 == 0xD500_0000:
            return self.system_operation(word)
        if word & 0x3F00_0000 == 0x0800_0000:
            return self.exclusive
        return self.vector_operation(word) if word >> 26 & 1 else self.unprivileged

    def undefined(self, _word: int) -> None:
        """An instruction that there is not, or not here."""
        raise Leave("undefined")

    def unknown(self, _word: int) -> None:
        """An instruction that a Cortex-A57 has and this interpreter lacks."""
        raise Leave("unknown")

    def call_exception(self, word: int) -> None:
        """SVC, HVC, SMC, BRK; HLT and DCPS are undefined here."""
        el1 = self.live[SPSR] & PSTATE_EL
        match word >> 21 & 7, word & 3:
            case 0, 1:
                self.pc = self.pc + 4 & MASK64
                raise Leave("svc", counts=True)
            case 0, 2 if el1:
                self.pc = self.pc + 4 & MASK64
                raise Leave("hvc", counts=True)
            case 0, 3 if el1:
                raise Leave("smc")
            case 1, 0:
                raise Leave("brk")
        raise Leave("undefined")

    def exception_return(self, _word: int) -> None:
        """ERET."""
        live = self.live
        if not live[SPSR] & PSTATE_EL:
            raise Leave("undefined")
        self.monitor = None
        spsr, target = live[SPSR_EL1], live[ELR_EL1]
        self.set_flags(spsr >> 28 & 15)
        if spsr & 0x1F == 0x10:
            raise Leave("aarch32")
        if spsr & 0x12 or spsr & 15 == 1 or spsr >> 3 & 1:  # to no level that there is, or that is below
            self.set_pstate(live[SPSR] & ~0x3C0 | spsr & 0x3C0 | PSTATE_IL)
        else:
            steps = self.steps_software(spsr) and not self.steps_software(live[SPSR])
            self.set_pstate(spsr & (0x30_03CF if steps else 0x10_03CF))
        self.next = target

    def exclusive(self, word: int) -> None:
        """LDXR, STXR, their pairs, and those that also acquire or release."""
        rt, va, rt2, rs = word & 31, self.x[word >> 5 & 31], word >> 10 & 31, word >> 16 & 31
        size, pair = 1 << (word >> 30), word >> 21 & 1
        whole = size << pair
        if word >> 22 & 1:
            if va & whole - 1:
                raise Leave("data")
            found = self.load(va, whole)
            self.monitor = va, found
            self.assign(rt, found & (1 << 8 * size) - 1)
            if pair:
                self.assign(rt2, found >> 8 * size)
            return
        held, self.monitor = self.monitor, None
        failed = held is None or held[0] != va
        if held is not None and not failed:
            self.monitor = held  # an abort leaves it
            if va & whole - 1:
                raise Leave("data")
            ones = (1 << 8 * size) - 1
            value = self.value(rt) & ones
            if pair:
                value |= (self.value(rt2) & ones) << 8 * size
            self.page(va, True)
            found = self.load(va, whole)
            if found == held[1] & (1 << 8 * whole) - 1:
                self.store(va, whole, value)
            failed = found != held[1]
            self.monitor = None
        self.assign(rs, int(failed))

    def unprivileged(self, word: int) -> None:
        """LDTR, STTR and their kin: as EL0 would."""
        rt, size, kind = word & 31, 1 << (word >> 30), word >> 22 & 3
        va = self.x[word >> 5 & 31] + syndrome.signed(word >> 12 & 0x1FF, 9) & MASK64
        if not kind:
            self.store(va, size, self.value(rt) & (1 << 8 * size) - 1, user=True)
            return
        value = self.load(va, size, user=True)
        if kind > 1:
            value = syndrome.signed(value, 8 * size) & (MASK64 if kind == 2 else MASK32)
        self.assign(rt, value)

    def system_operation(self, word: int) -> Callable[[int], None]:
        """MRS, MSR, hints that wait, and what touches caches and translations."""
        op0, op1, crn, crm, op2 = word >> 19 & 3, word >> 16 & 7, word >> 12 & 15, word >> 8 & 15, word >> 5 & 7
        rt, read = word & 31, word >> 21 & 1
        at: Encoding = op0, op1, crn, crm, op2
        if op0 >= 2:
            return partial(self.mrs if read else self.msr, at)
        if read or (op0 == 0 and rt != 31):
            return self.undefined
        if op0 == 1:
            return self.cache_operation(at)
        match op1, crn, op2:
            case 3, 2, 3 if crm == 0:
                return self.wfi
            case 3, 2, _:
                return self.nothing
            case 3, 3, 2:
                return self.clrex
            case (0, 4, 5) | (3, 4, 6) | (3, 4, 7):
                return partial(self.msr_immediate, op2, crm)
        return self.undefined

    def nothing(self, _word: int) -> None:
        """NOP, and what comes to the same here."""

    def wfi(self, _word: int) -> None:
        """WFI."""
        raise Leave("wfi")

    def clrex(self, _word: int) -> None:
        """CLREX."""
        self.monitor = None

    def mrs(self, at: Encoding, word: int) -> None:
        """Read a system register."""
        try:
            found = self.system.read(at)
        except KeyError:
            raise Leave("unknown") from None
        if found is None:
            raise Leave("undefined")
        self.assign(word & 31, found)

    def msr(self, at: Encoding, word: int) -> None:
        """Write a system register."""
        try:
            done = self.system.write(at, self.value(word & 31))
        except KeyError:
            raise Leave("unknown") from None
        if not done:
            raise Leave("undefined")

    def msr_immediate(self, op2: int, number: int, _word: int) -> None:
        """MSR of a constant: SPSel, DAIFSet, DAIFClr."""
        pstate = self.live[SPSR]
        if not pstate & PSTATE_EL and (op2 == 5 or not self.live[SCTLR_EL1] >> 9 & 1):
            raise Leave("undefined")
        if op2 == 5:
            self.set_pstate(pstate & ~1 | number & 1)
        else:
            self.live[SPSR] = pstate | number << 6 if op2 == 6 else pstate & ~(number << 6)
            self.look_at_masks()

    def cache_operation(self, at: Encoding) -> Callable[[int], None]:
        """IC, DC, AT, TLBI."""
        _, op1, crn, crm, op2 = at
        match op1, crn, crm, op2:
            case 3, 7, 4, 1:
                return self.zero_cache_line
            case 3, 7, 5 | 10 | 11 | 14, 1:
                return self.maintain
            case (0, 7, 1 | 5, 0) | (0, 7, 6, 1 | 2) | (0, 7, 10 | 14, 2):
                return self.privileged_nothing
            case 0, 7, 8, 0 | 1 | 2 | 3:
                return self.translate_address
            case 0, 8, 3 | 7, 0 | 1 | 2 | 3 | 5 | 7:
                return self.tlbi
        return self.undefined

    def privileged_nothing(self, _word: int) -> None:
        """What EL1 may do without effect here."""
        if not self.live[SPSR] & PSTATE_EL:
            raise Leave("undefined")

    def maintain(self, _word: int) -> None:
        """IC IVAU, DC CVAC, CVAU, CIVAC: here caches hide nothing. EL0 must be let."""
        if not self.live[SPSR] & PSTATE_EL and not self.live[SCTLR_EL1] >> 26 & 1:
            raise Leave("undefined")

    def tlbi(self, word: int) -> None:
        """TLBI, of whatever."""
        self.privileged_nothing(word)
        self.flush()

    def zero_cache_line(self, word: int) -> None:
        """DC ZVA."""
        if not self.live[SPSR] & PSTATE_EL and not self.live[SCTLR_EL1] >> 14 & 1:
            raise Leave("undefined")
        self.store(self.value(word & 31) & -ZVA_BYTES, ZVA_BYTES, 0)

    # Vectors: loads, stores and moves, which is what compilers use them for below -O2.

    def vector_operation(self, word: int) -> Callable[[int], None]:
        """What executes an instruction of the vector registers."""
        if word >> 25 & 7 == 6 or word & 0x0A00_0000 == 0x0800_0000:
            if word & 0xBE00_0000 == 0x0C00_0000:
                return self.unknown
            return self.vector_pair if word & 0x3A00_0000 == 0x2800_0000 else self.vector_access
        if word & 0x9FF8_0C00 == 0x0F00_0400:
            return self.vector_immediate
        if word & 0xFFFE_FC00 in (0x9E66_0000, 0x1E26_0000, 0x9EAE_0000):
            return self.vector_move
        if word & 0xBFE0_FC00 == 0x0EA0_1C00 and word >> 5 & 31 == word >> 16 & 31:
            return self.vector_copy
        return self.unknown

    def vector_access(self, word: int) -> None:
        """LDR, STR, LDUR, STUR of one register."""
        rt, rn = word & 31, word >> 5 & 31
        if word & 0x3B00_0000 == 0x1800_0000:
            size, load = 4 << (word >> 30), True
            va = self.pc + 4 * syndrome.signed(word >> 5 & 0x7FFFF, 19) & MASK64
            back = None
        else:
            size, load = 1 << (word >> 30 | (word >> 23 & 1) << 2), bool(word >> 22 & 1)
            access = syndrome.access_of(word, self.pc, self.x[:31], self.x[31])
            assert access is not None
            va, kind = access.va, word >> 10 & 3
            back = None
            if not word >> 24 & 1 and not word >> 21 & 1 and kind & 1:
                back = va if kind == 3 else va + syndrome.signed(word >> 12 & 0x1FF, 9) & MASK64
        if load:
            self.q[rt] = self.load(va, size)
        else:
            self.store(va, size, self.q[rt] & (1 << 8 * size) - 1)
        if back is not None:
            self.x[rn] = back

    def vector_pair(self, word: int) -> None:
        """LDP, STP of vector registers."""
        rt, rn, rt2, mode = word & 31, word >> 5 & 31, word >> 10 & 31, word >> 23 & 3
        size = 4 << (word >> 30)
        offset = syndrome.signed(word >> 15 & 0x7F, 7) * size
        va = self.x[rn] + (0 if mode == 1 else offset) & MASK64
        if word >> 22 & 1:
            self.q[rt] = self.load(va, size)
            self.q[rt2] = self.load(va + size & MASK64, size)
        else:
            ones = (1 << 8 * size) - 1
            self.store(va, size, self.q[rt] & ones)
            self.store(va + size & MASK64, size, self.q[rt2] & ones)
        if mode & 1:
            self.x[rn] = self.x[rn] + offset & MASK64

    def vector_immediate(self, word: int) -> None:
        """MOVI, MVNI, and FMOV, ORR and BIC of a constant."""
        number, mode, op, whole = word >> 11 & 0xE0 | word >> 5 & 31, word >> 12 & 15, word >> 29 & 1, word >> 30 & 1
        rd = word & 31
        ones = (1 << (128 if whole else 64)) - 1
        if mode == 15 and op and not whole:
            raise Leave("undefined")
        value = vector_constant(number, mode, op)
        value |= value << 64
        if mode < 12 and mode & 1:
            value = self.q[rd] & ~value if op else self.q[rd] | value
        elif op and mode < 14:
            value = ~value
        self.q[rd] = value & ones

    def vector_move(self, word: int) -> None:
        """FMOV between a general and a vector register."""
        rd, rn, wide, high = word & 31, word >> 5 & 31, word >> 31, word & 0x0080_0000
        ones = MASK64 if wide else MASK32
        if not word >> 16 & 1:
            self.assign(rd, self.q[rn] >> (64 if high else 0) & ones)
        elif high:
            self.q[rd] = self.q[rd] & MASK64 | self.value(rn) << 64
        else:
            self.q[rd] = self.value(rn) & ones

    def vector_copy(self, word: int) -> None:
        """MOV of a vector register."""
        self.q[word & 31] = self.q[word >> 5 & 31] & (1 << (128 if word >> 30 & 1 else 64)) - 1


def vector_constant(number: int, mode: int, op: int) -> int:
    """64 bits of a vector immediate (Arm ARM: AdvSIMDExpandImm)."""
    if mode < 8:
        return (number << 8 * (mode >> 1)) * 0x1_0000_0001
    if mode < 12:
        return (number << 8 * (mode >> 1 & 1)) * 0x0001_0001_0001_0001
    if mode < 14:
        return (number << 8 | 0xFF if mode == 12 else number << 16 | 0xFFFF) * 0x1_0000_0001
    if mode == 14:
        return sum(0xFF << 8 * bit for bit in range(8) if number >> bit & 1) if op else number * 0x0101_0101_0101_0101
    sign, exponent, fraction = number >> 7, number >> 6 & 1, number & 0x3F
    if op:
        return sign << 63 | (exponent ^ 1) << 62 | (0xFF if exponent else 0) << 54 | fraction << 48
    return (sign << 31 | (exponent ^ 1) << 30 | (0x1F if exponent else 0) << 25 | fraction << 19) * 0x1_0000_0001


def active_sp(pstate: int) -> int:
    """The place in `ArchRegs` of the stack pointer in use."""
    return SP_EL1 if pstate & PSTATE_EL and pstate & PSTATE_SP else SP_EL0
