"""A physical CPU on Unicorn: the only module that imports unicorn.

Guests run natively in the emulator until something takes them to EL2. The emulated MMU walks the very tables
that `hf/mm.py` wrote. The emulator leaves at every exception; this module turns what it says into the `Trap` an
Arm CPU would report, or vectors the exception to the guest's own EL1.

What the hypervisor forgets to switch (ELR_EL1, SPSR_EL1, FP) stays in the emulated CPU and leaks from guest to
guest, as on the real machine.

A guest is entered as on the real machine too: the emulated CPU stands at EL2 and executes an ERET. That also clears
the exclusive monitor. At EL2 its MMU is off, so there the emulator takes addresses as physical.
"""

import ctypes
import struct
import threading
import time
import weakref
from array import array
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from itertools import count, product
from types import SimpleNamespace
from typing import Any, cast

from unicorn import arm64_const as reg
from unicorn import unicorn_const as const
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from hfedu.board.arch_timer import CTL, CVAL, TVAL, ArchTimer
from hfedu.board.board import NEVER, Board
from hfedu.board.gic import DOWN
from hfedu.board.memory import FLASH_SIZE, RAM_BASE, Region, free_dropped
from hfedu.board.timer import Metronome
from hfedu.errors import Trouble
from hfedu.guest import syndrome
from hfedu.guest.budget import (
    FIQ,
    FIRST_SLICE,
    GLANCE,
    HOST_SLICE,
    LARGE_RAM,
    NO_INTERRUPT,
    SLICE,
    TICK,
    Budget,
    StuckForever,
)  # fmt: skip
from hfedu.guest.syndrome import HVC_TRAP
from hfedu.hf import arch
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.api import running
from hfedu.hf.arch import PC, PSTATE_I, SPSR, SYSTEM
from hfedu.hf.call import HF_PRIMARY_VM_ID, MASK64
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap
from hfedu.hf.mm import ADDRESS_MASK, PA_BITS, Mm
from hfedu.hf.platform import HypervisorHang

CpRegister = tuple[int, int, int, int, int]
"""A system register by its encoding: op0, op1, CRn, CRm, op2."""
CP: dict[str, CpRegister] = {
    "VMPIDR_EL2": (3, 4, 0, 0, 5), "CSSELR_EL1": (3, 2, 0, 0, 0), "SCTLR_EL1": (3, 0, 1, 0, 0),
    "ACTLR_EL1": (3, 0, 1, 0, 1), "CPACR_EL1": (3, 0, 1, 0, 2), "TTBR0_EL1": (3, 0, 2, 0, 0),
    "TTBR1_EL1": (3, 0, 2, 0, 1), "TCR_EL1": (3, 0, 2, 0, 2), "ESR_EL1": (3, 0, 5, 2, 0),
    "AFSR0_EL1": (3, 0, 5, 1, 0), "AFSR1_EL1": (3, 0, 5, 1, 1), "FAR_EL1": (3, 0, 6, 0, 0),
    "MAIR_EL1": (3, 0, 10, 2, 0), "VBAR_EL1": (3, 0, 12, 0, 0), "CONTEXTIDR_EL1": (3, 0, 13, 0, 1),
    "TPIDR_EL0": (3, 3, 13, 0, 2), "TPIDRRO_EL0": (3, 3, 13, 0, 3), "TPIDR_EL1": (3, 0, 13, 0, 4),
    "AMAIR_EL1": (3, 0, 10, 3, 0), "CNTKCTL_EL1": (3, 0, 14, 1, 0), "SP_EL0": (3, 0, 4, 1, 0),
    "SP_EL1": (3, 4, 4, 1, 0), "PAR_EL1": (3, 0, 7, 4, 0), "ELR_EL1": (3, 0, 4, 0, 1), "SPSR_EL1": (3, 0, 4, 0, 0),
}  # fmt: skip
SCR_EL3, HCR_EL2, VTTBR_EL2 = (3, 6, 1, 1, 0), (3, 4, 1, 1, 0), (3, 4, 2, 1, 0)
VTCR_EL2, CNTHCTL_EL2 = (3, 4, 2, 1, 2), (3, 4, 14, 1, 0)
ELR_EL2, SPSR_EL2, MPIDR_EL1 = (3, 4, 4, 0, 1), (3, 4, 4, 0, 0), (3, 0, 0, 0, 5)
SCR_NS_HCE_RW = 0x501
VTCR_44_BITS = 1 << 31 | 4 << 16 | 2 << 6 | 20
"""PS 44 bits, 4 KiB granule, SL0 = 2 (walk from level 0), T0SZ 20."""

ERET = 0xD69F_03E0
ERET_PAGE = (1 << PA_BITS) - PAGE_SIZE
"""Where the emulated CPU finds the ERET that enters a guest: the end of physical memory, which no stage 2 maps."""

EXCP_UDEF, EXCP_SWI, EXCP_PREFETCH_ABORT, EXCP_DATA_ABORT, EXCP_BKPT, EXCP_HVC, EXCP_HYP_TRAP = 1, 2, 3, 4, 7, 11, 12
IDLE = 20
"""Ticks without machine code after which nobody watches any more."""
TESTED = "2.1.4"
PROBE = b"\x20\x94\x00\x91\x02\x00\x00\xd4"
"""add x0, x1, #37; hvc #0"""
TCG_BUFFER, LARGE_BUFFER = 8 << 20, 64 << 20
"""Bytes of translated code that the emulator keeps: the second on a board of `LARGE_RAM` bytes, as Linux needs it. In
8 MiB most blocks of its kernel are translated again; but a lesson may hold many machines, and each has a buffer."""
EMULATED, EMULATED_AT_ONCE = count(1), 16
"""After so many emulated CPUs those that nobody has are freed: each holds some ten megabytes."""
PSTATE_SP, PSTATE_EL, PSTATE_D, PSTATE_SS, PSTATE_EL1H, PSTATE_EL2H = 1, 0xC, 1 << 9, 1 << 21, 0x3C5, 0x3C9
MDSCR_EL1, MDSCR_SS, MDSCR_KDE = (2, 0, 0, 2, 2), 1, 1 << 13

IC_SHARED, IC = struct.pack("<2I", 7, 1), struct.pack("<2I", 7, 5)
"""How the encoding of an instruction begins that invalidates code: CRn and CRm."""
ALL_CODE = -1
"""In a set of pages that somebody has written: any."""
ENCODING = 20
"""Bytes of the numbers by which the emulator names a system register in its hooks: CRn, CRm, op0, op1, op2."""
CNTPCT, CNTVCT, CNTP, CNTV = (0, 1), (0, 2), 2, 3
CLOCK_REGISTERS = {
    struct.pack("<5I", 14, crm, 3, 3, op2): (crm, op2)
    for crm, op2 in (CNTPCT, CNTVCT, *product((CNTP, CNTV), (TVAL, CTL, CVAL)))
}
"""The registers of counter and timers that hfedu answers for: their CRm and op2."""

SYSTEM_VALUES = slice(3, 4 * len(CP), 4)
"""Where `UnicornCpu.values` holds the values of the registers in `CP`; those of the next six follow."""
AT_VTTBR, AT_HCR, AT_CNTHCTL, AT_ELR, AT_SPSR, AT_SP = range(4 * len(CP) + 3, 4 * len(CP) + 27, 4)

_HOOK_INTR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
_HOOK_CODE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_HOOK_SYSTEM = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_MMIO_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_MMIO_WRITE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
)
_TB_REMOVE = ctypes.c_int(const.UC_CTL_IO_WRITE << 30 | 2 << 26 | const.UC_CTL_TB_REMOVE_CACHE)
_TLB_FLUSH = ctypes.c_int(const.UC_CTL_IO_WRITE << 30 | const.UC_CTL_TLB_FLUSH)
_QUICK = ctypes.PyDLL(uclib._name)
"""The emulator's library once more, for calls that take less time than converting arguments and dropping the GIL."""
_QUICK.uc_ctl.argtypes = (ctypes.c_void_p, ctypes.c_int)  # it is variadic, and some ABIs must know where that begins
_SLOW = ctypes.CDLL(uclib._name)
"""And for the call that runs guests: other threads go on meanwhile."""


def counter_place() -> int:
    """Where in the emulator's own structure its counts of instructions lie: so far, and behind it the limit.

    The binding tells neither. Seven NOPs and an HVC are run under a limit like no other number there.
    """
    uc: Any = Uc(const.UC_ARCH_ARM64, const.UC_MODE_ARM)
    uc.mem_map(RAM_BASE, PAGE_SIZE, const.UC_PROT_ALL)
    uc.mem_write(RAM_BASE, b"\x1f\x20\x03\xd5" * 7 + b"\x02\x00\x00\xd4")
    uc.hook_add(const.UC_HOOK_INTR, lambda uc, number, data: uc.emu_stop())
    size, limit = ctypes.sizeof(ctypes.c_size_t), 0x5EED_1234
    uc.emu_start(RAM_BASE, RAM_BASE + PAGE_SIZE, count=limit)
    words = (ctypes.c_size_t * (2048 // size)).from_address(uc._uch.value)
    return next(size * i for i in range(len(words) - 1) if (words[i], words[i + 1]) == (8, limit))


COUNTER = counter_place()

RegisterPlace = tuple[int, int]
"""A register by its number in the emulator, and the address of the 64 bits to which or from which it is copied."""


def batch(call: Any, handle: Any, places: list[RegisterPlace]) -> Callable[[], int]:
    """`call`, which is `uc_reg_read_batch` or `uc_reg_write_batch`, for these registers in this order."""
    ids, addresses = zip(*places, strict=True)
    count = len(places)
    return partial(
        call, handle, (ctypes.c_int * count)(*ids), (ctypes.c_void_p * count)(*addresses), ctypes.c_int(count)
    )


@cache
def prove_unicorn() -> None:
    """Once: a guest adds two numbers and makes a hypercall, all by what stands here behind the binding's back.

    `Trouble` if that does not come out: hfedu takes any 2.1, and another one may have other insides.
    """
    try:
        cpu, board = Cpu(0), Board(b"")
        probe = UnicornCpu(cpu, board, cast(Mm, SimpleNamespace(memory=board.memory)), Budget())
        board.memory.write(Pa(RAM_BASE), PROBE)
        cpu.regs[1] = 5
        probe.values[AT_ELR], probe.values[AT_SPSR], probe.values[AT_HCR] = RAM_BASE, PSTATE_EL1H, arch.HCR_RW
        probe.write_all()
        probe.return_from_el2()
        probe.read_general()
        right = (probe.exception, cpu.regs[0], cpu.regs[PC]) == (EXCP_HVC, 42, RAM_BASE + len(PROBE))
    except (AttributeError, AssertionError, OSError, ctypes.ArgumentError, UcError):
        right = False
    if not right:
        raise Trouble(
            f"Unicorn {version('unicorn')} does not execute guests as hfedu needs it: pip install unicorn=={TESTED}, "
            'with which hfedu was tested, or boot with cpu="python"'
        )


class UnicornCpu:
    """Executes the guest whose registers are in `cpu.regs`, until it traps to EL2.

    Its RAM and its devices are those of `board`; `mm` is asked to walk tables when a fault has to be explained.
    `budget` bounds it, `knob` is the timer that guests need not know.
    """

    def __init__(self, cpu: Cpu, board: Board, mm: Mm, budget: Budget, knob: Metronome | None = None) -> None:
        free_dropped(EMULATED, EMULATED_AT_ONCE)
        self.cpu, self.board, self.memory, self.budget, self.knob = cpu, board, board.memory, budget, knob
        self.clock, self.gic = board.clock, board.gic
        memory = self.memory
        self.dirty: set[int] = set()
        memory.dirty.append(self.dirty)
        self.walker = syndrome.Walker(mm)
        self.uc: Any = Uc(const.UC_ARCH_ARM64, const.UC_MODE_ARM)
        uc = self.uc
        self.large = memory.ram_size >= LARGE_RAM
        uc.ctl_set_tcg_buffer_size(LARGE_BUFFER if self.large else TCG_BUFFER)
        uc.ctl_set_cpu_model(reg.UC_CPU_ARM64_A57)
        self.handle = uc._uch
        at = int(self.handle.value or 0) + COUNTER
        self.counted = ctypes.c_size_t.from_address(at)
        self.limit = ctypes.c_size_t.from_address(at + ctypes.sizeof(ctypes.c_size_t))
        """The emulator's count of instructions, and where it stops: before the one that would exceed it."""
        ram = ctypes.addressof(ctypes.c_char.from_buffer(memory.ram))
        uc.mem_map_ptr(RAM_BASE, memory.ram_size, const.UC_PROT_ALL, ram)
        uc.mem_map(0, FLASH_SIZE, const.UC_PROT_READ | const.UC_PROT_EXEC)
        self._hooks: list[Any] = []
        for region in memory.regions:
            self._map(region)
        uc.mem_map(ERET_PAGE, PAGE_SIZE, const.UC_PROT_READ | const.UC_PROT_EXEC)
        uc.mem_write(ERET_PAGE, ERET.to_bytes(4, "little"))
        uc.ctl_exits_enabled(True)  # and none is set: no address stops the emulator
        self.write_cp(SCR_EL3, SCR_NS_HCE_RW)
        self.write_cp(HCR_EL2, arch.HCR_RW)
        self.write_cp(VTCR_EL2, VTCR_44_BITS)
        self.exception: int | None = None
        self.emulating = self.paused = self.stepwise = self.waiting = False
        """`waiting`: the primary's WFI on a machine with other CPUs, which go on meanwhile."""
        self.eret = self.turn = 0
        self.on_alarm, self.in_slice = self._on_alarm, self.progress  # made once, not in each slice
        self.looked_at = ctypes.c_uint64()
        self.watcher: threading.Thread | None = None
        self.loaded: Vcpu | None = None
        self._hook(const.UC_HOOK_INTR, _HOOK_INTR(self._on_exception))
        self._hook(const.UC_HOOK_INSN, _HOOK_SYSTEM(self._on_mrs), reg.UC_ARM64_INS_MRS)
        self._hook(const.UC_HOOK_INSN, _HOOK_SYSTEM(self._on_msr), reg.UC_ARM64_INS_MSR)
        if self.large and len(board.powered) > 1:
            self._hook(const.UC_HOOK_INSN, _HOOK_SYSTEM(self._on_sys), reg.UC_ARM64_INS_SYS)
        self._prepare_calls()
        cpu.read_system_registers = self.read_system_registers
        self.primary_hcr = arch.HCR_TWI
        self.gic.on_signal[cpu.id] = self._on_signal
        self._on_signal()
        self.fp_values = array("Q", bytes(arch.FP_SIZE))
        ids = [reg.UC_ARM64_REG_Q0 + n for n in range(32)] + [reg.UC_ARM64_REG_FPCR, reg.UC_ARM64_REG_FPSR]
        places = [(number, self.fp_values.buffer_info()[0] + 16 * i) for i, number in enumerate(ids)]
        self.load_fp = batch(_QUICK.uc_reg_read_batch, self.handle, places)
        self.store_fp = batch(_QUICK.uc_reg_write_batch, self.handle, places)
        cpu.read_fp, cpu.write_fp = self.read_fp, self.write_fp

    def _map(self, region: Region) -> None:
        """Put a device on the emulator's bus. An access of 8 bytes comes as two of 4."""
        read, write, cpu = region.device.read, region.device.write, self.cpu.id

        def on_read(_uc: int, offset: int, size: int, _data: int) -> int:
            return read(offset, size, cpu)

        def on_write(_uc: int, offset: int, size: int, value: int, _data: int) -> None:
            write(offset, size, value, cpu)

        hooks = _MMIO_READ(on_read), _MMIO_WRITE(on_write)
        self._hooks += hooks
        size = region.size + PAGE_SIZE - 1 & -PAGE_SIZE
        begin = ctypes.c_uint64(region.base)
        error = uclib.uc_mmio_map(self.handle, begin, ctypes.c_size_t(size), hooks[0], None, hooks[1], None)
        assert error == 0, f"uc_mmio_map failed with {error}"

    def _prepare_calls(self) -> None:
        """Everything that is asked of the emulator at every trap: always the same, so put together once.

        It stands here and not behind Unicorn's own binding because that converts every argument at every call: without
        these batches a round trip took 7.3 bare loops of calls instead of 5.1. `values` holds system registers as the
        emulator takes them: 32 bytes each, the encoding and then the value.
        """
        handle, cpu_regs = self.handle, self.cpu.regs
        self.values = array("Q")
        for op0, op1, crn, crm, op2 in (*CP.values(), VTTBR_EL2, HCR_EL2, CNTHCTL_EL2, ELR_EL2, SPSR_EL2, CP["SP_EL1"]):
            self.values.extend((crn | crm << 32, op0 | op1 << 32, op2, 0))
        regs, values = cpu_regs.buffer_info()[0], self.values.buffer_info()[0]
        cp = [(reg.UC_ARM64_REG_CP_REG, values + 32 * i) for i in range(len(self.values) // 4)]
        system, el2, guest, sp_in_use = cp[: len(CP)], cp[-6:-3], cp[-3:-1], cp[-1:]
        numbers = [*range(reg.UC_ARM64_REG_X0, reg.UC_ARM64_REG_X0 + 29), reg.UC_ARM64_REG_X29, reg.UC_ARM64_REG_X30]
        x = [(number, regs + 8 * n) for n, number in enumerate(numbers)]
        pc, pstate = (reg.UC_ARM64_REG_PC, regs + 8 * PC), (reg.UC_ARM64_REG_PSTATE, regs + 8 * SPSR)
        sp = (reg.UC_ARM64_REG_SP, values + 8 * AT_SP)
        self._el2h = ctypes.c_uint64(PSTATE_EL2H)
        at_el2 = [*x, (reg.UC_ARM64_REG_PSTATE, ctypes.addressof(self._el2h)), *guest]
        self.read_general = batch(_QUICK.uc_reg_read_batch, handle, [*x, pc, pstate, sp])
        self.read_system = batch(_QUICK.uc_reg_read_batch, handle, system)
        self.write_general = batch(_QUICK.uc_reg_write_batch, handle, at_el2 + sp_in_use)
        self.write_all = batch(_QUICK.uc_reg_write_batch, handle, at_el2 + system + el2)
        self.write_el2 = batch(_QUICK.uc_reg_write_batch, handle, el2)
        self.write_el1 = batch(_QUICK.uc_reg_write_batch, handle, [pstate, sp, *system])
        self.flush_tlb = partial(_QUICK.uc_ctl, handle, _TLB_FLUSH)
        self.remove_blocks = partial(_QUICK.uc_ctl, handle, _TB_REMOVE)
        self.stop = partial(_QUICK.uc_emu_stop, handle)
        self.count, no_limit = ctypes.c_size_t(SLICE), ctypes.c_uint64(0)
        self.return_from_el2, self.go_on = (
            partial(_SLOW.uc_emu_start, handle, begin, no_limit, no_limit, self.count)
            for begin in (ctypes.c_uint64(ERET_PAGE), ctypes.c_uint64.from_buffer(cpu_regs, 8 * PC))
        )

    # Hooks only note what happened; everything else waits until the emulator has returned.

    def _hook(self, kind: int, callback: Any, *more: int) -> None:
        hook, everywhere = ctypes.c_size_t(), (ctypes.c_uint64(1), ctypes.c_uint64(0))
        number = ctypes.c_int(kind)
        rest = (ctypes.c_int(each) for each in more)
        error = uclib.uc_hook_add(self.handle, ctypes.byref(hook), number, callback, None, *everywhere, *rest)
        assert error == 0, f"uc_hook_add failed with {error}"
        self._hooks.append(callback)

    def watch(self, on_instruction: Callable[[int], object]) -> None:
        """Call `on_instruction` with the address of each instruction before the guest executes it, from now on.

        It may read registers, and `stop`; else the guest runs as it would.
        """

        def on_code(_uc: int, address: int, _size: int, _data: int) -> None:
            if address != ERET_PAGE:
                on_instruction(address)

        self._hook(const.UC_HOOK_CODE, _HOOK_CODE(on_code))
        self.uc.ctl_flush_tb()

    def _on_exception(self, _uc: int, number: int, _data: int) -> None:
        self.exception = number
        self.stop()

    def _on_mrs(self, _uc: int, register: int, asked: int, _data: int) -> int:
        """An MRS: the counter and the timers are the board's. The result says whether the emulator leaves it out."""
        place = CLOCK_REGISTERS.get(ctypes.string_at(asked, ENCODING))
        if place is None or not self._may(*place):
            return 0
        crm, op2 = place
        self.looked_at.value = self._timer(crm).read(op2) if crm else self.clock.now()
        if register != reg.UC_ARM64_REG_XZR:
            _QUICK.uc_reg_write(self.handle, register, ctypes.byref(self.looked_at))
        return 1

    def _on_msr(self, _uc: int, register: int, asked: int, _data: int) -> int:
        """An MSR to a register of a timer."""
        place = CLOCK_REGISTERS.get(ctypes.string_at(asked, ENCODING))
        if place is None or not place[0] or not self._may(*place):
            return 0
        self._timer(place[0]).write(place[1], ctypes.c_uint64.from_address(asked + 24).value)
        return 1

    def _on_sys(self, _uc: int, _register: int, asked: int, _data: int) -> int:
        """A SYS on a large board: an IC tells the other CPUs that code has changed."""
        if ctypes.string_at(asked, len(IC)) in (IC, IC_SHARED):
            for pages in self.memory.dirty:
                if pages is not self.dirty:
                    pages.add(ALL_CODE)
        return 0

    def _timer(self, crm: int) -> ArchTimer:
        timers = self.board.timers
        return (timers.virtual if crm == CNTV else timers.physical)[self.cpu.id]

    def _may(self, crm: int, op2: int) -> bool:
        """Whether the guest may touch a register of the clock; else the emulator makes its exception of it."""
        virtual = (crm, op2) == CNTVCT or crm == CNTV
        if not virtual and not self.cpu.cnthctl_el2 >> (crm == CNTP) & 1:
            return False
        _QUICK.uc_reg_read(self.handle, reg.UC_ARM64_REG_PSTATE, ctypes.byref(self.looked_at))
        if self.looked_at.value & PSTATE_EL:
            return True
        opened: int = self.uc.cpr_read(*CP["CNTKCTL_EL1"])
        return bool(opened >> {CNTPCT: 0, CNTVCT: 1}.get((crm, op2), 9 if crm == CNTP else 8) & 1)

    def _on_signal(self) -> None:
        """The interrupt controller signals otherwise than before: the primary takes it at EL1, or a secondary stops.

        On the real machine it takes physical interrupts. The emulator has none, and takes virtual ones just so.
        """
        signal = self.gic.signals[self.cpu.id]
        if self.knob is None:
            virtual = signal.irq * arch.HCR_VI | signal.fiq * arch.HCR_VF
            self.primary_hcr = arch.HCR_TWI | arch.HCR_IMO | arch.HCR_FMO | virtual
        if self.emulating:
            self.show_signals()
            if signal.up:  # translated blocks that follow one another would not look
                self.end_slice()

    def _on_alarm(self) -> None:
        """A timer is due at another time than before: the slice goes no further."""
        if self.emulating and not self.clock.is_host:
            self.limit.value = min(
                self.limit.value, max(self.board.alarm - self.clock.ticks + self.eret, self.counted.value)
            )

    def hcr(self) -> int:
        """HCR_EL2: what the hypervisor has set, and for the primary what the interrupt controller signals."""
        hcr = self.cpu.hcr_el2
        return hcr | (arch.HCR_TWI if hcr & arch.HCR_IMO else self.primary_hcr)

    def show_signals(self) -> None:
        """Set the emulator's HCR_EL2."""
        hcr = self.hcr()
        if self.values[AT_HCR] != hcr:
            self.values[AT_HCR] = hcr
            self.write_el2()

    # Registers.

    def write_cp(self, register: CpRegister, value: int) -> None:
        """Write one system register, named by (op0, op1, crn, crm, op2)."""
        self.uc.cpr_write(*register, value)

    def read_system_registers(self) -> None:
        """Copy the system registers into `cpu.regs`. The stack pointer in use is not yet in its SP_ELx."""
        if self.loaded is not self.cpu.current:
            return
        self.read_system()
        regs = self.cpu.regs
        regs[SYSTEM:] = self.values[SYSTEM_VALUES]
        regs[_active_sp(regs[SPSR])] = self.values[AT_SP]

    def read_fp(self) -> bytes:
        """The floating-point registers, as an opaque value for `write_fp`."""
        self.load_fp()
        return self.fp_values.tobytes()

    def write_fp(self, saved: bytes) -> None:
        """Set the floating-point registers."""
        self.fp_values[:] = array("Q", saved)
        self.store_fp()

    def enter(self) -> None:
        """Put `cpu.regs` and the CPU's EL2 registers into the emulator, which stands at EL2 then, before its ERET."""
        cpu, regs, values, dirty = self.cpu, self.cpu.regs, self.values, self.dirty
        values[AT_ELR], values[AT_SPSR] = regs[PC], regs[SPSR]
        if self.loaded is cpu.current:
            if values[AT_HCR] != self.hcr():
                self.show_signals()
            values[AT_SP - 2] = 3 | (regs[SPSR] & PSTATE_SP) << 34  # op0 and op1: SP_EL1, or SP_EL0 if that is in use
            self.write_general()
        else:
            values[SYSTEM_VALUES] = regs[SYSTEM:]
            values[AT_VTTBR], values[AT_HCR] = cpu.vttbr_el2, self.hcr()
            values[AT_CNTHCTL] = cpu.cnthctl_el2
            self.write_all()
            self.flush_tlb()
            self.loaded = cpu.current
        if dirty:  # the emulator holds translations of what was there before
            if ALL_CODE in dirty:
                self.uc.ctl_flush_tb()
                dirty.clear()
            for page in dirty:
                self.remove_blocks(ctypes.c_uint64(page), ctypes.c_uint64(page + PAGE_SIZE))
            dirty.clear()

    # Running.

    def run(self, limit: int | None = None) -> Trap | None:
        """Run the guest until it traps to EL2, or None after `limit` instructions without a trap.

        `OutOfBudget` or `StuckForever` if it never will.
        """
        board, clock = self.board, self.clock
        if board.alarm != NEVER and clock.now() >= board.alarm:
            board.time_passed()
        self.waiting, self.stepwise = False, limit is not None
        if self.paused:
            start, count = self.go_on, SLICE
        else:
            if self.interrupted():
                return Trap(None)
            self.enter()
            start, count = self.return_from_el2, FIRST_SLICE
        left = limit
        if limit is not None:
            self.see_other_cpus()
        while True:
            self.paused = start is self.go_on  # should the check raise, the guest goes on right here
            self.budget.check()
            self.paused = False
            executed = self.budget.executed
            error = self.emulate(start, left or count)
            start, count = self.go_on, SLICE
            if self.exception == EXCP_HVC:
                return HVC_TRAP
            self.refuse_aarch32()
            if self.exception is not None:
                trap = self.explain(self.exception)
            elif error:
                trap = self.external_abort(error)
            else:
                trap = None
            if trap is not None:
                return trap
            if board.alarm != NEVER and clock.now() >= board.alarm:
                board.time_passed()
            if self.interrupted():
                return Trap(None)
            if left is not None:
                left -= self.budget.executed - executed
                if left <= 0 or self.waiting:
                    return None

    def see_other_cpus(self) -> None:
        """Forget what other physical CPUs may have made stale: translations of addresses, and of a VM's code.

        The primary's code on a large board only when they say so, as an Arm CPU wants to be told: else most of a
        kernel's time would go into translating it again.
        """
        self.flush_tlb()
        vm, ran_on = running(self.cpu).vm.id, self.memory.ran_on
        if self.large and vm == HF_PRIMARY_VM_ID:
            return
        if ran_on.get(vm) != self.cpu.id:
            self.uc.ctl_flush_tb()
            ran_on[vm] = self.cpu.id

    def interrupted(self) -> bool:
        """Whether an interrupt takes the CPU out of a secondary. In the primary, EL1 takes it itself."""
        signal, knob = self.gic.signals[self.cpu.id], self.knob
        if signal is DOWN and knob is None:
            return False
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

    def emulate(self, start: Callable[[], int], count: int) -> int:
        """At most `count` instructions; registers are in `cpu.regs` afterwards. The ERET does not count."""
        budget, clock, board = self.budget, self.clock, self.board
        alarm = board.alarm
        if budget.instructions is not None:
            count = min(count, budget.instructions - budget.executed)
        if alarm < NEVER:
            count = min(count, HOST_SLICE if clock.is_host else max(1, alarm - clock.ticks))
        if self.knob is not None and self.knob.pending:
            count = min(count, GLANCE)
        board.on_alarm = self.on_alarm
        eret = self.eret = start is self.return_from_el2
        self.count.value = count + eret
        self.exception = None
        self.turn += 1
        if not eret:
            self.show_signals()
            self.be_watched()
        clock.in_slice, self.emulating = self.in_slice, True
        error = start()
        while eret and self.exception is None and not error and self.counted.value == 1:
            error = start()  # somebody ended the slice before the ERET
        clock.in_slice, self.emulating = None, False
        self.read_general()
        done = self.counted.value - eret
        if self.exception is None and not error:  # stopped before the last instruction that was counted
            done = max(0, done - 1)
        elif done < 1:
            done = 1
        budget.executed += done
        clock.ticks += done
        return error

    def progress(self) -> int:
        """Instructions of this slice so far, the one that is executed included."""
        return max(0, self.counted.value - self.eret)

    def be_watched(self) -> None:
        """See to it that somebody ends slices that take long: a thread, which ends when no guest runs."""
        if self.watcher is None or not self.watcher.is_alive():
            self.watcher = threading.Thread(
                target=end_long_slices, args=(weakref.ref(self),), name="hfedu clock", daemon=True
            )
            self.watcher.start()

    def end_slice(self) -> None:
        """End the slice before the next instruction. Anybody may ask for it, in a hook or from another thread."""
        self.limit.value = 0

    def refuse_aarch32(self) -> None:
        """`StuckForever` if the guest went to AArch32 code at EL0: PC and PSTATE are stale then.

        MPIDR_EL1 betrays it: at EL1, where the stale PSTATE says it is, it shows the virtual number.
        """
        if self.cpu.regs[SPSR] & PSTATE_EL and self.uc.cpr_read(*MPIDR_EL1) >> 31:
            raise StuckForever(f"VM {running(self.cpu).vm.id} went to AArch32 code at EL0; hfedu runs AArch64 only.")

    def explain(self, exception: int) -> Trap | None:
        """What any exception but HVC is on a real CPU: a trap to EL2, or None if EL1 took it."""
        regs = self.cpu.regs
        pc = regs[PC]
        if exception == EXCP_PREFETCH_ABORT:
            return self.abort(syndrome.Access(pc, 4, False, 0), fetch=True)
        if exception == EXCP_UDEF and not regs[SPSR] & PSTATE_SS and self.steps_software():
            return self.vector((0x33 if regs[SPSR] & PSTATE_EL else 0x32) << 26 | arch.ESR_IL | 0x22, None)
        insn = self.instruction(pc - 4 if exception == EXCP_SWI else pc)
        if exception == EXCP_HYP_TRAP:
            return Trap(arch.EC_SMC << 26 | arch.ESR_IL | insn >> 5 & 0xFFFF)
        if exception == EXCP_DATA_ABORT:
            self.read_system_registers()
            x, sp = list(regs[:31]), regs[_active_sp(regs[SPSR])]
            access = syndrome.access_of(insn, pc, x, sp)
            if access is None:  # after DC ZVA the emulator's PC is one instruction on
                access = syndrome.access_of(self.instruction(pc - 4), pc - 4, x, sp)
                regs[PC] = pc - 4
            if access is None:
                raise StuckForever(
                    f"The instruction {insn:#010x} at {pc:#x} aborts, and hfedu cannot tell at which address."
                )
            return self.abort(access)
        if exception == EXCP_UDEF and pc & 3:
            return self.vector(0x22 << 26 | arch.ESR_IL, pc)
        if exception == EXCP_UDEF and insn == syndrome.WFI:
            return self.wait_for_interrupt()
        if exception == EXCP_UDEF:
            esr, to_el2 = syndrome.refused_access(insn, regs, self.cpu.cnthctl_el2)
            return Trap(esr) if to_el2 else self.vector(esr, None)
        if exception in (EXCP_SWI, EXCP_BKPT):
            ec = 0x15 if exception == EXCP_SWI else 0x3C
            return self.vector(ec << 26 | arch.ESR_IL | insn >> 5 & 0xFFFF, None)
        raise StuckForever(f"The emulated CPU took exception {exception}, which hfedu does not know.")

    def steps_software(self) -> bool:
        """Whether the guest has each instruction of its own, or of EL0, taken to it as a debug exception."""
        mdscr, pstate = self.uc.cpr_read(*MDSCR_EL1), self.cpu.regs[SPSR]
        return bool(mdscr & MDSCR_SS) and (not pstate & PSTATE_EL or bool(mdscr & MDSCR_KDE and not pstate & PSTATE_D))

    def instruction(self, pc: int) -> int:
        """The instruction at a guest's address, or 0 if it cannot be read."""
        self.read_system_registers()
        found = self.walker.translate(self.cpu.regs, self.root, syndrome.Access(pc, 4, False, 0), fetch=True)
        return int.from_bytes(self.memory.read(Pa(found), 4), "little") if isinstance(found, int) else 0

    @property
    def root(self) -> Pa:
        """The root of the stage-2 table in use."""
        return Pa(self.cpu.vttbr_el2 & ADDRESS_MASK)

    def wait_for_interrupt(self) -> Trap | None:
        """A WFI: it traps from a secondary; the primary really waits, for the timer if there is one.

        From EL0 it goes to the guest's own kernel first, if SCTLR_EL1.nTWI says so.
        """
        esr, regs = arch.EC_WFI_WFE << 26 | arch.ESR_IL | 1 << 24 | 0xE << 20, self.cpu.regs
        if not regs[SPSR] & PSTATE_EL and not regs[syndrome.SCTLR_EL1] >> 16 & 1:
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

    def external_abort(self, error: int) -> Trap | None:
        """The emulator found no device behind an address that both stages allow. Flash ignores what is written."""
        if error == const.UC_ERR_WRITE_PROT:
            self.cpu.regs[PC] += 4
            return None
        fetch = error in (const.UC_ERR_FETCH_UNMAPPED, const.UC_ERR_FETCH_PROT)
        return self.explain(EXCP_PREFETCH_ABORT if fetch else EXCP_DATA_ABORT)

    def vector(self, esr: int | None, far: int | None) -> Trap | None:
        """Take an exception, or an interrupt (`esr` None), to EL1, as the hardware does on entry: no trap to EL2."""
        self.read_system_registers()
        regs = self.cpu.regs
        pc, pstate = regs[PC], regs[SPSR]
        offset = 0x400 if not pstate & PSTATE_EL else 0x200 if pstate & PSTATE_SP else 0
        offset += 0x80 if esr is None else 0
        new_pstate = pstate & 0xF000_0000 | arch.SPSR_EL1H_DAIF_MASKED
        target = regs[syndrome.VBAR_EL1] + offset & MASK64
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
        self.values[SYSTEM_VALUES], self.values[AT_SP] = regs[SYSTEM:], regs[SP_EL1]
        self.write_el1()
        return None


def end_long_slices(watched: "weakref.ref[UnicornCpu]") -> None:
    """End the slices of a CPU that take long, until it has not executed machine code for a while."""
    turn, idle = 0, 0
    while True:
        time.sleep(TICK)
        cpu = watched()
        if cpu is None:
            return
        idle = 0 if cpu.emulating else idle + 1
        if cpu.emulating and cpu.turn == turn:
            cpu.end_slice()
        turn = cpu.turn
        if idle > IDLE:
            watcher, cpu.watcher = cpu.watcher, None
            if not cpu.emulating:  # else it began before it could see that nobody watches
                return
            cpu.watcher = watcher
        del cpu


def _active_sp(pstate: int) -> int:
    """The index in `ArchRegs` of the stack pointer that is in use."""
    return SP_EL1 if pstate & PSTATE_EL and pstate & PSTATE_SP else SP_EL0


SP_EL0, SP_EL1, ELR_EL1, SPSR_EL1 = map(arch.REGISTER_NAMES.index, ("SP_EL0", "SP_EL1", "ELR_EL1", "SPSR_EL1"))


def bare_hypercalls(times: int) -> float:
    """Seconds of CPU that `times` rounds of emu_start, HVC, hook, return take with Unicorn's Python binding."""
    uc: Any = Uc(const.UC_ARCH_ARM64, const.UC_MODE_ARM)
    uc.mem_map(RAM_BASE, PAGE_SIZE, const.UC_PROT_ALL)
    uc.mem_write(RAM_BASE, b"\x02\x00\x00\xd4")
    uc.cpr_write(*SCR_EL3, SCR_NS_HCE_RW)
    uc.cpr_write(*HCR_EL2, arch.HCR_RW)
    uc.hook_add(const.UC_HOOK_INTR, lambda uc, number, data: uc.emu_stop())
    begin = time.process_time()
    for _ in range(times):
        uc.emu_start(RAM_BASE, RAM_BASE + PAGE_SIZE)
    return time.process_time() - begin
