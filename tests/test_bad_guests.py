"""Guests that do what no well-behaved guest does: the run ends with a named outcome, never with a traceback."""

import random
import struct

import pytest

import hfedu
from hfedu import RamDisk, Secondary
from hfedu.guest.scripted import Action, ScriptError
from hfedu.run.machine import Machine

OUTCOMES = {"power off", "reset", "budget", "stuck", "hang", "panic"}
MOV_X0 = 0xD280_0000


def load_x0(address: int) -> list[int]:
    """mov and movk x0 with a 64-bit address."""
    parts = [address >> 16 * i & 0xFFFF for i in range(4)]
    return [MOV_X0 | parts[0] << 5] + [0xF280_0000 | i << 21 | parts[i] << 5 for i in (1, 2, 3)]


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def outcome(image: bytes, where: str = "primary", limit: int = 20_000):
    def primary():
        yield hfedu.vcpu_run(1)

    disk = RamDisk(image) if where == "primary" else RamDisk(primary, [Secondary(image)])
    return Machine(disk, max_instructions=limit, max_traps=2000, max_seconds=20).run().outcome


STRANGE = {
    "unaligned ldxr": (0x4040_0003, 0xC85F_7C01),
    "ldp across the end of RAM": (0x40FF_FFF8, 0xA940_0801),
    "ld4 across the end of RAM": (0x40FF_FFF9, 0x4C40_0000),
    "st1 to the UART's end": (0x0900_0FFC, 0x4C00_7000),
    "load of nothing": (0x2000_0000, 0xF940_0001),
    "store to nothing": (0x0800_0000, 0xF900_0001),
    "store to flash": (0x1000, 0xF900_0001),
    "dc zva of nothing": (0x2000_0000, 0xD50B_7420),
    "branch to nothing": (0x2000_0000, 0xD61F_0000),
    "branch to the UART": (0x0900_0000, 0xD61F_0000),
    "branch to the UART's end": (0x0900_0FFC, 0xD61F_0000),
    "branch beyond the address space": (1 << 39, 0xD61F_0000),
    "branch to an odd address": (0x4008_0002, 0xD61F_0000),
    "at s1e1r": (0x4001_3000, 0xD508_7800),
    "svc": (0, 0xD400_0001),
    "brk": (0, 0xD420_0000),
    "eret": (0, 0xD69F_03E0),
    "wfe": (0, 0xD503_205F),
}


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("name", STRANGE)
def test_strange_instruction(name, where):
    address, instruction = STRANGE[name]
    assert outcome(code(*load_x0(address), instruction, 0x1400_0000), where).kind in OUTCOMES


def test_flash_keeps_its_zeroes():
    """mov x1, #88; str x1, [0x1000]; ldr x1, [0x1000]; b ."""
    machine = Machine(
        RamDisk(code(*load_x0(0x1000), 0xD280_0B01, 0xF900_0001, 0xF940_0001, 0x1400_0000)), max_instructions=50
    )
    machine.run()
    assert machine.cpu.regs[1] == 0


@pytest.mark.parametrize("seed", range(40))
def test_random_words(seed):
    words = random.Random(seed)
    image = code(*(words.getrandbits(32) for _ in range(256)))
    assert outcome(image, "secondary" if seed % 2 else "primary").kind in OUTCOMES


def test_a_guest_that_takes_exceptions_in_a_circle_uses_up_its_instructions():
    """VBAR points at an eret that returns to an address without memory."""
    vector = 0x4008_0400
    image = code(
        *load_x0(vector - 0x200), 0xD518_C000, *load_x0(0x2000_0000), 0xD61F_0000
    ).ljust(0x400, b"\0") + code(0xD69F_03E0)  # fmt: skip
    assert outcome(image, limit=5000).sentence == "The guests used up their 5,000 instructions."


def test_stage_1_that_no_walker_expects():
    """TCR with T1SZ 63 and stage 1 on, then a load at the top of the address space."""
    words = [
        *load_x0(63 << 16 | 25),
        0xD518_2040,
        *load_x0(1),
        0xD518_1000,
        *load_x0((1 << 64) - 8),
        0xF940_0001,
        0x1400_0000,
    ]
    assert outcome(code(*words)).kind in OUTCOMES


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hfedu.hvc("a"), "whole numbers, not 'a'"),
        (lambda: hfedu.send(1, None), "takes bytes or text, not None"),
        (lambda: hfedu.send(1, b"x", 1.5), "whole numbers, not 1.5"),
        (lambda: hfedu.send(1, bytes(5000)), "got 5000 bytes, and a send page holds 4096"),
        (lambda: hfedu.load(0, 1 << 40), "reads 1 to 8 bytes"),
        (lambda: hfedu.store(0, None), "takes bytes or text, not None"),
        (lambda: hfedu.print_line(5), "takes bytes or text, not 5"),
        (lambda: hfedu.configure("a", "b"), "takes two addresses, not 'a' and 'b'"),
        (lambda: Action("fly"), "has no instruction 'fly'"),
    ],
)
def test_a_call_that_no_guest_can_make_is_refused_where_it_is_written(make, says):
    with pytest.raises(ScriptError, match=says):
        make()
