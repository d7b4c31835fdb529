"""The well-behaved guests of the isolation tests: a victim that computes and checks itself, a primary that schedules.

Their registers and memory are full of secrets: words whose upper half is `TAG`. Nobody else may ever hold one.
"""

import random
import struct
from functools import cache

from a64 import BLR_X7, HVC, NE, RET, SP, Program

from a64 import add, add_imm, cmp, eor, ldr_post, mov, mrs, msr, mul, str_, sub_imm  # isort: skip

from hfedu.hf import call
from hfedu.hf.call import MASK64
from hfedu.hf.psci import PsciCall

TAG = struct.pack("<I", 0x5EC2_E7A5)
ROOM = 0x1_0000
"""Bytes of memory of each guest."""
VECTORS, PATTERN, STATE, FUNCTION, SEND, RECV = 0x800, 0x2000, 0x4000, 0x5000, 0x8000, 0x9000
"""Offsets into a guest's memory. STATE: how many rounds, the number computed, and what the guest found wrong."""
WORDS, FACTOR, START = 32, 6364136223846793005, 0x1234_5678_9ABC_DEF1
KEPT = range(22, 30)
KEPT_SYSTEM = ("TPIDR_EL0", "TPIDRRO_EL0", "TPIDR_EL1", "SP_EL0", "FAR_EL1", "MAIR_EL1")


@cache
def secrets(seed: int, size: int) -> bytes:
    """`size` bytes of secret words."""
    words = random.Random(seed)
    return b"".join(struct.pack("<I", words.getrandbits(32)) + TAG for _ in range(size // 8))


class Guest(Program):
    """A guest that knows its registers: it loads them once and finds out when one is not what it was."""

    def __init__(self, base: int, seed: int) -> None:
        super().__init__(base)
        self.seed = seed
        numbers = iter(struct.unpack("<32Q", secrets(seed, 256)))
        self.kept = {register: next(numbers) for register in KEPT}
        self.system = {name: next(numbers) for name in KEPT_SYSTEM} | {"VBAR_EL1": base + VECTORS, "SCTLR_EL1": 0}
        self.checks = 0
        self.add(mov(19, base))
        for register, value in self.kept.items():
            self.add(mov(register, value))
        for name, value in self.system.items():
            self.add(mov(1, value), msr(name, 1))
        self.add(mov(1, base + ROOM), add_imm(SP, 1, 0))

    def hypercall(self, function: int, *args: int) -> None:
        """HVC #0. It leaves nothing in x1-x17."""
        for register, value in enumerate((function, *args)):
            self.add(mov(register, value))
        self.add(HVC)
        self.check_number()
        for register in range(1, 18):
            self.cbnz(register, "wrong")

    def configure(self) -> None:
        """Name the send and receive pages."""
        self.hypercall(call.HF_VM_CONFIGURE, self.base + SEND, self.base + RECV)

    def check_number(self) -> None:
        """x18 says which check is being made."""
        self.checks += 1
        self.add(mov(18, self.checks))

    def check(self, register: int, value: int) -> None:
        """Go to `wrong` if a register does not hold `value`."""
        self.check_number()
        self.add(mov(1, value), cmp(register, 1))
        self.b_if(NE, "wrong")

    def check_registers(self) -> None:
        """Go to `wrong` if a register is not what it was."""
        for register, value in self.kept.items():
            self.check(register, value)
        for name, value in self.system.items():
            self.add(mrs(2, name))
            self.check(2, value)
        self.add(add_imm(2, SP, 0))
        self.check(2, self.base + ROOM)

    def memory(self) -> bytes:
        """The guest's memory at its start: code, vectors that go to `wrong`, and secrets."""
        self.label("wrong")
        self.add(mov(1, self.base + STATE), str_(18, 1, 16))
        self.label("stopped")
        self.add(mov(0, call.HF_MAILBOX_SEND), mov(1, 0), mov(2, 16), HVC)
        self.add(mov(0, call.HF_MAILBOX_RECEIVE), mov(1, 1), HVC)
        self.b("stopped")
        image = self.image()
        assert len(image) <= VECTORS
        memory = bytearray(secrets(self.seed + 1, ROOM))
        memory[: len(image)] = image
        for at in range(VECTORS, VECTORS + 0x800, 0x80):
            memory[at : at + 4] = struct.pack(
                "<I", 0x1400_0000 | (self.labels["wrong"] - self.base - at >> 2) & 0x3FFFFFF
            )
        memory[STATE : STATE + 24] = bytes(24)
        memory[FUNCTION : FUNCTION + 8] = struct.pack("<2I", eor(20, 20, 21), RET)
        memory[SEND : RECV + 0x1000] = bytes(0x2000)
        return bytes(memory)


@cache
def victim(base: int) -> bytes:
    """The victim's memory. Each round it checks itself, computes, drops what it received and sends its result."""
    guest = Guest(base, seed=base)
    guest.add(mov(20, START), mov(21, 0))
    guest.configure()
    guest.label("round")
    guest.check_registers()
    guest.add(mov(3, base + PATTERN), mov(4, WORDS), mov(6, FACTOR))
    guest.label("sum")
    guest.add(ldr_post(5, 3, 8), mul(20, 20, 6), add(20, 20, 5), sub_imm(4, 4, 1))
    guest.cbnz(4, "sum")
    guest.add(mov(7, base + FUNCTION), BLR_X7, add_imm(21, 21, 1))
    for page, first, second in ((STATE, 21, 20), (SEND, 20, 21)):
        guest.add(mov(3, base + page), str_(first, 3), str_(second, 3, 8))
    guest.hypercall(call.HF_MAILBOX_RECEIVE, 0)
    guest.hypercall(call.HF_MAILBOX_CLEAR)
    guest.hypercall(call.HF_MAILBOX_SEND, 0, 16)
    guest.cbz(0, "round")
    guest.hypercall(call.HF_MAILBOX_RECEIVE, 1)
    guest.hypercall(call.HF_MAILBOX_CLEAR)
    guest.b("round")
    return guest.memory()


class VictimModel:
    """What the victim's memory holds if it is alone: `memory` after `rounds` rounds."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.memory = bytearray(victim(base))
        self.words = struct.unpack_from(f"<{WORDS}Q", self.memory, PATTERN)
        self.rounds, self.number = 0, START

    def round(self) -> None:
        """One round more."""
        for word in self.words:
            self.number = self.number * FACTOR + word & MASK64
        self.number ^= self.rounds
        self.rounds += 1
        struct.pack_into("<2Q", self.memory, STATE, self.rounds, self.number)
        struct.pack_into("<2Q", self.memory, SEND, self.number, self.rounds)


@cache
def scheduler(base: int, rounds: int) -> bytes:
    """The primary's memory: it runs VM 1 and VM 2 in turn, sends both a message each time, and powers off."""
    guest = Guest(base, seed=base)
    guest.add(mov(21, rounds))
    guest.configure()
    guest.label("round")
    guest.check_registers()
    for vm in (1, 2):
        guest.hypercall(call.HF_VCPU_RUN, vm, 0)
        guest.hypercall(call.HF_MAILBOX_CLEAR)
        guest.hypercall(call.HF_MAILBOX_SEND, vm, 48)
    guest.add(sub_imm(21, 21, 1))
    guest.cbnz(21, "round")
    guest.add(mov(0, PsciCall.SYSTEM_OFF), HVC)
    return guest.memory()
