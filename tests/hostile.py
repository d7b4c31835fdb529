"""Machine code that tries everything: the hostile guest of the isolation fuzzer, made from a seed.

It is a row of chunks, each an attack of its own. After each the dispatcher goes on with the next; the guest's own
exceptions lead there too. `Hostile.image` fills the guest's memory.
"""

import random
import struct

from a64 import BRK, ERET, HVC, IC_IALLU, ISB, SMC, SVC, SYSTEM, TLBI_VMALLE1, WFE, WFI, Program

from a64 import add_imm, br, ldr, ldxr, mov, mrs, msr, str_, stxr, sub_imm  # isort: skip

from hfedu.hf import call
from hfedu.hf.platform import HEAP_BEGIN, HEAP_PAGES, LAYOUT_BIN_END, LAYOUT_TEXT_BEGIN, PL011_BASE
from hfedu.hf.psci import PsciCall

VECTORS, COUNTER, CHUNKS, TABLES, SEND, RECV, SCRATCH = 0x800, 0x700, 0x1000, 0x4000, 0x8000, 0x9000, 0xA000
CHUNK_SIZE, CHUNK_COUNT = 0x100, 32
ROOM = 0x1_0000
MEMORY_INSTRUCTIONS = (
    0xF900_0020, 0x3900_0020, 0x7900_0020, 0xB900_0020, 0xF800_0420, 0xF81F_8C20, 0xF801_1020, 0xA900_0820,
    0xA8BF_0820, 0xA9BF_0820, 0xA881_0820, 0x2900_0820, 0x2800_0820, 0xF822_6820, 0xC89F_FC20, 0x089F_FC20,
    0xC803_7C20, 0xC823_0820, 0xC800_FC20, 0x3D80_0020, 0xAD00_0420, 0xAC81_0420, 0xFD00_0020, 0xBD00_0020, 0x4C00_2020,
    0x4C9F_2020, 0x4C00_0020, 0x0D00_0020, 0x4D9F_8420, 0x4D00_A020, 0x3D00_0020, 0xD50B_7421, 0xD50B_7A21, 0xD50B_7E21,
    0xD508_7621, 0xD508_7801, 0xD508_7821, 0xD508_7841, 0xF980_0020, 0xF940_0022, 0x3980_0022, 0xB880_0422, 0xA940_0C22,
    0x6940_0C22, 0xC85F_7C22, 0xC87F_0C22, 0xC8DF_FC22, 0x3DC0_0020, 0xAD40_0420, 0x4C40_2020, 0x4D40_C020, 0xC8A2_7C20,
    0xF822_0020, 0xF822_8023, 0x4D60_E020,
)  # fmt: skip
"""Loads and stores of every kind whose base is x1 (x2 and x3 are data), caches, AT, and atomics of later CPUs."""
MASKS = (0x001F_FC1F, 0x0000_001F, 0x003F_F000, 0x00C0_0000, 0xC000_0000, 0x0FC0_0000)
"""Fields of an instruction that are shuffled to make a relative of it."""


class Layout:
    """Where things lie: the hostile guest's own memory at `own`, the victim's, the primary's."""

    def __init__(self, own: int, victim: int, primary: int, ram: tuple[int, int]) -> None:
        self.own, self.victim, self.primary, self.ram = own, victim, primary, ram


class Hostile:
    """The hostile guest of one seed. As the primary it runs VM 1, the victim, between its attacks."""

    def __init__(self, rng: random.Random, layout: Layout, is_primary: bool) -> None:
        self.rng, self.layout, self.is_primary = rng, layout, is_primary
        self.base = layout.own
        self.yielding: tuple[tuple[int, ...], ...] = ((call.HF_MAILBOX_SEND, 0, 16),)
        if is_primary:
            self.yielding = ((call.HF_MAILBOX_CLEAR,), (call.HF_MAILBOX_SEND, 1, 16), (call.HF_VCPU_RUN, 1, 0))
        self.attacks = {
            self.sweep: 6, self.memory_access: 8, self.copy_out: 4, self.random_words: 3, self.mutations: 3,
            self.hypercall: 6, self.smc: 1, self.stage_1: 5, self.system_registers: 3, self.drop_to_el0: 3,
            self.self_modifying: 3, self.branch: 1, self.exclusive: 2, self.exception: 1, self.wait: 1, self.debug: 1,
        }  # fmt: skip

    def image(self) -> bytes:
        """The guest's memory at its start."""
        memory = bytearray(ROOM)
        for at in range(TABLES, SEND, 8):
            struct.pack_into("<Q", memory, at, self.descriptor(at & 0xFFF))
        self._flat_tables(memory)
        self._place(memory, 0, self.dispatcher())
        for vector in range(VECTORS, VECTORS + 0x800, 0x80):
            handler = Program(self.base + vector)
            handler.add(mov(1, 0), msr("SCTLR_EL1", 1), ISB, *self.leave(handler))
            self._place(memory, vector, handler)
        for number in range(CHUNK_COUNT):
            chunk = Program(self.base + CHUNKS + number * CHUNK_SIZE)
            self.rng.choices(list(self.attacks), list(self.attacks.values()))[0](chunk)
            if self.rng.random() < 0.6:
                self.give_way(chunk)
            chunk.add(*self.leave(chunk))
            self._place(memory, CHUNKS + number * CHUNK_SIZE, chunk)
        return bytes(memory)

    def _place(self, memory: bytearray, at: int, program: Program) -> None:
        code = program.image()
        assert at != CHUNKS or len(code) <= CHUNK_SIZE
        memory[at : at + len(code)] = code

    def leave(self, program: Program) -> list[int]:
        """To the dispatcher, by an address in x30."""
        return [*mov(30, self.base), br(30)]

    def dispatcher(self) -> Program:
        """Count, and branch to the chunk that the count says. Some configure first, else an attack may."""
        program = Program(self.base)
        if self.rng.random() < 0.7:
            program.add(mov(0, call.HF_VM_CONFIGURE), mov(1, self.base + SEND), mov(2, self.base + RECV), HVC)
        program.add(mov(9, self.base), ldr(10, 9, COUNTER), add_imm(11, 10, 1), str_(11, 9, COUNTER))
        program.add(mov(1, self.base + VECTORS), msr("VBAR_EL1", 1), mov(1, self.base + ROOM), add_imm(31, 1, 0))
        program.add(0xD340_1000 | 10 << 5 | 10)  # and x10, x10, #31, as ubfx
        program.add(mov(11, self.base + CHUNKS), 0x8B0A_2000 | 11 << 5 | 12)  # add x12, x11, x10, lsl #8
        program.add(br(12))
        return program

    # What to aim at.

    def target(self) -> int:
        """An address worth an attack."""
        rng, layout = self.rng, self.layout
        place = rng.choice(
            (
                lambda: layout.victim + rng.choice((0, 0x2000, 0x4000, 0x5000, 0x9000)) + rng.randrange(0, 256, 8),
                lambda: layout.victim + rng.randrange(ROOM),
                lambda: rng.randrange(LAYOUT_TEXT_BEGIN, LAYOUT_BIN_END),
                lambda: HEAP_BEGIN + rng.randrange(HEAP_PAGES * 4096) & -8,
                lambda: layout.primary + rng.randrange(ROOM),
                lambda: rng.randrange(*layout.ram),
                lambda: layout.own + rng.choice((0, ROOM)) + rng.randrange(-24, 24),
                lambda: layout.own + SCRATCH + rng.randrange(0x4000),
                lambda: layout.own + SCRATCH + rng.randrange(0x4000) & -16,
                lambda: layout.own + rng.randrange(ROOM),
                lambda: PL011_BASE + rng.randrange(-16, 0x1010),
                lambda: rng.randrange(0, 0x0800_0010),
                lambda: rng.choice((0x2000_0000, 0x0800_0000, 0x4000_0000, layout.ram[1])) + rng.randrange(-16, 16),
                lambda: rng.getrandbits(64),
            )
        )()  # fmt: skip
        if rng.random() < 0.08:
            place ^= 1 << rng.choice((38, 39, 40, 43, 44, 47, 48, 55, 63))
        return place % (1 << 64)

    def page(self) -> int:
        """A page worth naming in a configure: usually one of its own."""
        own = self.base + self.rng.choice((SEND, RECV, SCRATCH, 0x1000, TABLES, 0, 0xF000))
        return own if self.rng.random() < 0.7 else self.target() & self.rng.choice((-4096, -1)) % (1 << 64)

    def value(self) -> int:
        """A number for an argument or a register."""
        rng = self.rng
        return rng.choice(
            (0, 1, 2, 3, 16, 4096, 4097, (1 << 64) - 1, 1 << 31, 1 << 32, rng.getrandbits(64), self.target())
        )

    def descriptor(self, offset: int) -> int:
        """An entry of a stage-1 table: a table, a block or a page, to anywhere."""
        rng = self.rng
        address = rng.choice(
            (self.target(), self.base + rng.choice((TABLES, TABLES + 0x1000, TABLES + 0x2000)), offset << 18)
        )
        attributes = rng.choice((3, 1, 0x403, 0x401, 0x441, 0x443, 0x703, rng.getrandbits(12), 0))
        return address & 0xFFFF_FFFF_F000 | attributes | rng.choice((0, 0, 0, rng.getrandbits(16) << 48))

    def _flat_tables(self, memory: bytearray) -> None:
        """The second table maps the guest's first two GiB onto themselves, so that code goes on with the MMU on."""
        table = TABLES + 0x1000
        for gib in range(2):
            struct.pack_into("<Q", memory, table + 8 * gib, gib << 30 | self.rng.choice((0x401, 0x441, 0x701)))

    # Attacks. Each adds up to about 50 words to its chunk.

    def memory_access(self, chunk: Program) -> None:
        """Loads and stores of every kind, at any address."""
        for _ in range(self.rng.randint(1, 4)):
            chunk.add(mov(1, self.target()), mov(2, self.value() & 0xFFFF_FFFF), self.memory_instruction())

    def memory_instruction(self) -> int:
        """One load, store, or cache operation through x1."""
        word = self.rng.choice(MEMORY_INSTRUCTIONS)
        if self.rng.random() < 0.2:
            word ^= self.rng.getrandbits(32) & self.rng.choice(MASKS)
        return word

    def sweep(self, chunk: Program) -> None:
        """The same access to every page of somebody else, keeping what a load brought."""
        rng, layout = self.rng, self.layout
        begin, pages = rng.choice(
            ((layout.victim, 16), (layout.victim, 16), (layout.primary, 16), (LAYOUT_TEXT_BEGIN, 9), (HEAP_BEGIN, 39))
        )
        load = rng.random() < 0.4
        access = rng.choice((0xF940_0022, 0xA940_0C22, 0xC8DF_FC22)) if load else rng.choice(MEMORY_INSTRUCTIONS)
        chunk.add(mov(1, begin + rng.randrange(0, 4096, 16)), mov(4, pages), mov(5, self.base + SCRATCH), mov(2, 0x55))
        chunk.label("page")
        chunk.add(
            access, str_(2, 5), str_(3, 5, 8), add_imm(5, 5, 16), 0x9140_0421, sub_imm(4, 4, 1)
        )  # add x1, x1, #4096
        chunk.cbnz(4, "page")

    def copy_out(self, chunk: Program) -> None:
        """Read from somewhere, keep what was read."""
        chunk.add(mov(1, self.target()), self.rng.choice((0xF940_0022, 0xA940_0C22, 0xC8DF_FC22, 0xF840_8422)))
        chunk.add(mov(4, self.base + SCRATCH + self.rng.randrange(0, 0x4000, 8)), str_(2, 4), str_(3, 4, 8))

    def random_words(self, chunk: Program) -> None:
        """Words that are no instructions, or any."""
        chunk.add([self.rng.getrandbits(32) for _ in range(self.rng.randint(1, 40))])

    def mutations(self, chunk: Program) -> None:
        """Words that are nearly instructions."""
        words = (
            *MEMORY_INSTRUCTIONS,
            HVC,
            SMC,
            ERET,
            msr("SCTLR_EL1", 1),
            mrs(1, "PAR_EL1"),
            TLBI_VMALLE1,
            0x1E60_2800,
        )
        chunk.add(mov(1, self.target()))
        for _ in range(self.rng.randint(1, 20)):
            chunk.add(
                self.rng.choice(words)
                ^ (self.rng.getrandbits(32) & self.rng.getrandbits(32) & self.rng.getrandbits(32))
            )

    def hypercall(self, chunk: Program) -> None:
        """HVC with arguments that are nearly right."""
        rng = self.rng
        vm = rng.choice((0, 1, 2, 3, 0xFFFF, 1 << 32 | 1, self.value()))
        function, *args = rng.choice(
            (
                (call.HF_VM_CONFIGURE, self.page(), self.page()),
                (call.HF_VM_CONFIGURE, self.base + SEND, self.base + RECV),
                (call.HF_MAILBOX_SEND, vm, rng.choice((0, 1, 16, 4095, 4096, 4097, self.value()))),
                (call.HF_MAILBOX_SEND, rng.choice((0, 1)), rng.choice((8, 4096))),
                (call.HF_MAILBOX_RECEIVE, rng.choice((0, 0, 1))),
                (call.HF_MAILBOX_CLEAR,),
                (call.HF_VCPU_RUN, vm, self.value()),
                (call.HF_VCPU_GET_COUNT, vm),
                (call.HF_VM_GET_COUNT,),
                (rng.choice(list(PsciCall)), self.value(), self.value(), self.value()),
                (rng.choice((0xFF00, 0x8400_0000)) + rng.randrange(10), self.value(), self.value(), self.value()),
                (rng.getrandbits(64), self.value(), self.value()),
            )
        )
        if rng.random() < 0.1:
            function |= rng.choice((1 << 30, 1 << 32, 0xFFFF_FFFF << 32))
        for register, number in enumerate((function, *args)):
            chunk.add(mov(register, number))
        chunk.add(HVC | (rng.getrandbits(16) << 5 if rng.random() < 0.2 else 0))

    def smc(self, chunk: Program) -> None:
        """The same at the firmware's door. A primary rarely powers off: that ends the attack."""
        functions = [*PsciCall, 0xFF04, self.value()]
        functions = [f for f in functions if f not in (PsciCall.SYSTEM_OFF, PsciCall.SYSTEM_RESET)] * 4 + functions
        chunk.add(mov(0, self.rng.choice(functions)), mov(1, self.value()), mov(2, self.value()))
        chunk.add(SMC | (self.rng.getrandbits(16) << 5 if self.rng.random() < 0.2 else 0))

    def stage_1(self, chunk: Program) -> None:
        """Turn the own MMU on, with tables anywhere and sizes of any kind, and use it."""
        rng = self.rng
        flat = self.base + TABLES + 0x1000
        table = rng.choice((flat, flat, flat, self.base + TABLES, self.target(), rng.getrandbits(64)))
        tcr = rng.choice(
            (25 | 25 << 16, 25 | 25 << 16, 16 | 16 << 16, 25 | 1 << 37, rng.getrandbits(39), rng.getrandbits(64))
        )
        chunk.add(mov(1, table), msr("TTBR0_EL1", 1), mov(1, self.target()), msr("TTBR1_EL1", 1))
        chunk.add(mov(1, tcr), msr("TCR_EL1", 1), mov(1, 0xFF), msr("MAIR_EL1", 1))
        chunk.add(mov(1, 1 | rng.choice((0, 0, 4, 1 << 19, 1 << 25, rng.getrandbits(32)))), msr("SCTLR_EL1", 1), ISB)
        index = rng.randrange(2, 512)
        chunk.add(mov(3, flat + 8 * index), mov(2, self.descriptor(0)), str_(2, 3))
        if rng.random() < 0.5:
            chunk.add(TLBI_VMALLE1)
        chunk.add(mov(1, index << 30 | self.target() & (1 << 30) - 1), self.memory_instruction(), HVC)

    def system_registers(self, chunk: Program) -> None:
        """Any system register, known or not, with any value."""
        rng = self.rng
        for _ in range(rng.randint(1, 5)):
            if rng.random() < 0.5:
                word = msr(rng.choice(list(SYSTEM)), 1)
            else:
                word = 0xD500_0000 | rng.choice((1, 2, 3, 3)) << 19 | rng.getrandbits(14) << 5 | 1
            chunk.add(mov(1, self.value()), word | rng.choice((0, 0, 1 << 21)))

    def drop_to_el0(self, chunk: Program) -> None:
        """ERET to EL0, to AArch32, or to a level that is not allowed, and go on there."""
        rng = self.rng
        spsr = rng.choice((0, 0, 0, 0x10, 0x30, 0x3C0, 4, 5, 9, 0xD, 0x1F, 1 << 20, rng.getrandbits(32)))
        chunk.add(mov(1, rng.choice((0, 1 << 16 | 1 << 18))), msr("SCTLR_EL1", 1), mov(1, spsr), msr("SPSR_EL1", 1))
        chunk.add(mov(2, self.target()), 0x1000_0001 | 3 << 5, msr("ELR_EL1", 1), ERET)  # adr x1, . + 12
        words = (WFI, SVC, 0xE320_F003, 0xEF00_0000, 0xE7F0_00F0, 0xE580_0000, 0xE1A0_0000)
        chunk.add(rng.choices(words, k=rng.choice((0, 0, 1, 4))))
        chunk.add(mov(1, self.target()), self.memory_instruction(), rng.choice((HVC, SMC, SVC, WFI, msr("SPSel", 1))))

    def self_modifying(self, chunk: Program) -> None:
        """Write an instruction where it is about to run."""
        word = self.rng.choice((self.memory_instruction(), HVC, SMC, self.rng.getrandbits(32), ERET))
        chunk.add(mov(1, self.target()), mov(2, word), mov(3, 0))
        at = len(chunk.words)
        chunk.add(0x1000_0003 | 4 << 5, 0xB900_0062)  # adr x3, . + 16; str w2, [x3]
        chunk.add(self.rng.choice(([IC_IALLU], [ISB], [])) or [0xD503_201F])
        chunk.add(0xD503_201F, 0xD503_201F)
        assert at < 40

    def branch(self, chunk: Program) -> None:
        """Go anywhere."""
        chunk.add(mov(1, self.target()), self.rng.choice((br(1), 0xD63F_0020, 0xD65F_0020)))

    def exclusive(self, chunk: Program) -> None:
        """Load exclusively, trap or not, store exclusively; at home or abroad."""
        place = self.rng.choice((self.base + SCRATCH, self.target()))
        chunk.add(mov(5, place), mov(4, self.base + SCRATCH + 64), ldxr(2, 5))
        self.give_way(chunk)
        chunk.add(mov(5, place), stxr(3, 5, self.rng.choice((4, 5))))

    def exception(self, chunk: Program) -> None:
        """Exceptions of the guest's own, some with nobody to take them."""
        if self.rng.random() < 0.5:
            chunk.add(mov(1, self.target()), msr("VBAR_EL1", 1))
        chunk.add(self.rng.choice((SVC, BRK, ERET, 0, 0xD400_0001 | 0xFF << 5, 0xD440_0000)))

    def wait(self, chunk: Program) -> None:
        """Wait, for ever if need be."""
        chunk.add(self.rng.choice((WFE, WFE, WFI, 0xD503_209F)))

    def debug(self, chunk: Program) -> None:
        """Breakpoints and watchpoints on the victim, single stepping."""
        names = ("DBGBVR0_EL1", "DBGBCR0_EL1", "DBGWVR0_EL1", "DBGWCR0_EL1", "MDSCR_EL1")
        where = self.layout.victim + self.rng.choice((0x100, 0x4000, 0x5000))
        for name, value in zip(names, (where, 0x1E7, where, 0x1FF7, 0xA001), strict=True):
            if self.rng.random() < 0.8:
                chunk.add(mov(1, value), msr(name, 1))
        chunk.add(msr("OSLAR_EL1", 31), msr("DAIF", 31))

    def give_way(self, chunk: Program) -> None:
        """Let the victim run: a secondary sends to the primary, the primary runs VM 1."""
        for arguments in self.yielding:
            for register, number in enumerate(arguments):
                chunk.add(mov(register, number))
            chunk.add(HVC)
