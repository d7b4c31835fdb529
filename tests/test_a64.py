"""The CPU in plain Python: guests, recordings and users can tell it from Unicorn by nothing but its speed.

What other tests ask of Unicorn is asked of it too: their functions run here once more.
"""

import struct
import sys
from itertools import product

import isolation
import pytest
from a64 import SYSTEM
from conftest import one
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_board import *  # noqa: F403
from test_exclusives import *  # noqa: F403
from test_stale_code import *  # noqa: F403

import hfedu
from hfedu import Mistake, RamDisk
from hfedu.guest import a64
from hfedu.guest.a64 import PythonCpu
from hfedu.guest.budget import StuckForever
from hfedu.guest.unicorn_cpu import UnicornCpu
from hfedu.hf.addr import Pa
from hfedu.hf.arch import PC, REGISTER_NAMES, SPSR
from hfedu.hf.platform import PL011_BASE
from hfedu.run import core
from hfedu.run.machine import Machine

CODE, VECTORS, DATA, END = 0x4008_0000, 0x4009_0000, 0x4010_0000, 0x4010_4000
HVC, ISB = 0xD400_0002, 0xD503_3FDF
WAITS = {name: REGISTER_NAMES.index(name) for name in ("VBAR_EL1", "SP_EL0", "SP_EL1")}


@pytest.fixture
def python_cpu(monkeypatch):
    """Every machine has this CPU."""
    monkeypatch.setattr(core, "emulated_cpu", lambda _: PythonCpu)


@pytest.fixture(autouse=True)
def borrowed_tests_run_on_it(request):
    """The functions that come from other files know nothing of it."""
    if request.function.__module__ != __name__:
        request.getfixturevalue("python_cpu")


# Whole machines.


@pytest.mark.parametrize("how", [{}, {"timer": 700}, {"max_instructions": 30_000}, {"cpus": 2, "schedule": 5}], ids=str)
@pytest.mark.parametrize(
    "name",
    ["chain_relay_3", "pingpong_20", "rand_0001", "psci_primary_smc", "preempt_pmr", "timer_taken_0", "gic_07_0"],
)
def test_a_recording_made_on_either_cpu_is_the_same(name, how):
    image = one(name).initrd
    ours, theirs = (hfedu.boot(image, cpu=cpu, **how) for cpu in ("python", "unicorn"))
    assert ours.events == theirs.events
    assert (ours.uart, ours.outcome) == (theirs.uart, theirs.outcome)


@pytest.mark.slow
def test_the_depth_shows_the_same_on_either_cpu():
    image = one("pingpong_20").initrd
    ours, theirs = (hfedu.boot(image, cpu=cpu) for cpu in ("python", "unicorn"))
    for seq in (10, 40):
        assert ours.instructions(seq).rows == theirs.instructions(seq).rows


@pytest.mark.parametrize("seed", range(24))
def test_hostile_guests_break_nothing(python_cpu, seed):
    kind, finding = isolation.run(seed)
    assert finding is None
    assert kind in isolation.OUTCOMES


EDGES = [base + at for base in (0x0800_0000, 0x0801_0000, 0x0900_0000, 0x0A00_0000, 0x40_1000_0000)
         for at in (1, 2, 6, 0xFD1, 0xFF6, 0xFF9, 0xFFC, 0xFFD, 0xFFF)]  # fmt: skip
ACCESSES = [
    *("ldrb w2, [x1]", "ldrh w2, [x1]", "ldr w2, [x1]", "ldr x2, [x1]", "ldrsw x2, [x1]"),
    *("ldp w2, w3, [x1]", "ldp x2, x3, [x1]", "strh w4, [x1]", "str w4, [x1]", "stp x4, x5, [x1]"),
]


def test_odd_accesses_to_devices_are_the_same_on_either_cpu():
    """Of any size, at any address: across two registers, into the next page, and where nothing answers."""
    lines = ["adr x0, vector", "msr vbar_el1, x0", "movz x20, #0x4020, lsl #16", "movz x4, #0xffff", "mov x5, #0x5a"]
    for at, access in product(EDGES, ACCESSES):
        parts = [at >> shift & 0xFFFF for shift in (0, 16, 32)]
        lines += [f"movz x1, #{parts[0]}", f"movk x1, #{parts[1]}, lsl #16", f"movk x1, #{parts[2]}, lsl #32"]
        lines += ["mov x2, #0", "mov x3, #0", access, "stp x2, x3, [x20], #16"]
    vector = ["mrs x2, esr_el1", "mrs x9, elr_el1", "add x9, x9, #4", "msr elr_el1, x9", "eret"]
    lines += ["movz x0, #0x8400, lsl #16", "movk x0, #8", "hvc #0", ".balign 2048", "vector: .space 0x200", *vector]
    seen = []
    for cpu in ("python", "unicorn"):
        machine = Machine(RamDisk(hfedu.assemble("\n".join(lines) + "\n")), cpu=cpu, max_instructions=100_000)
        assert machine.run().outcome.kind == "power off"
        size = 16 * len(EDGES) * len(ACCESSES)
        told = machine.board.memory.read(0x4020_0000, size)
        seen.append([told[i : i + 16].hex() for i in range(0, size, 16)])
    ours, theirs = seen
    assert dict(zip(product(EDGES, ACCESSES), ours, strict=True)) == dict(
        zip(product(EDGES, ACCESSES), theirs, strict=True)
    )
    assert len(set(ours)) > 20


def test_without_unicorn_it_takes_its_place(monkeypatch):
    monkeypatch.setitem(sys.modules, "hfedu.guest.unicorn_cpu", None)
    machine = Machine(RamDisk(POWER_OFF))
    assert machine.run().outcome.kind == "power off"
    assert isinstance(machine.cores[0].emulator(), PythonCpu)


POWER_OFF = struct.pack("<3I", 0xD2B0_8000, 0xF280_0100, HVC)


@pytest.mark.parametrize("cpu", ["pyhton", "", "Unicorn", None, 3, ["python"]])
def test_a_cpu_that_there_is_not_is_a_sentence(cpu):
    with pytest.raises(Mistake, match=r"there is no CPU .* There are unicorn, python\."):
        hfedu.boot(RamDisk(POWER_OFF), cpu=cpu)


def test_what_it_does_not_know_ends_with_the_instruction_and_its_address():
    fadd = 0x1E61_2800
    run = hfedu.boot(RamDisk(struct.pack("<2I", 0xD503_201F, fadd)), cpu="python")
    assert run.outcome.kind == "stuck"
    assert "executes 0x1e612800 at 0x40080004" in run.outcome.sentence
    assert 'cpu="unicorn"' in run.outcome.sentence


def test_big_endian_data_end_with_a_sentence():
    image = hfedu.assemble("mrs x0, sctlr_el1\n orr x0, x0, #0x2000000\n msr sctlr_el1, x0\n b .")
    run = hfedu.boot(RamDisk(image), cpu="python")
    assert "executes 0xd5181000 at 0x40080008" in run.outcome.sentence


def test_the_clock_ends_a_loop_in_one_function():
    run = hfedu.boot(RamDisk(struct.pack("<I", 0x1400_0000)), cpu="python", max_seconds=0.3)
    assert (run.outcome.kind, run.outcome.by_clock) == ("budget", True)


# Random programs, instruction by instruction the same as on Unicorn.


class Bench:
    """One CPU with memory of its own, on which programs are tried."""

    def __init__(self, kind):
        self.machine = Machine(RamDisk(struct.pack("<I", 0x1400_0000)), record=False, max_instructions=1 << 60)
        self.machine.boot()
        machine = self.machine
        self.memory = machine.board.memory
        self.cpu = kind(machine.cpu, machine.board, machine.hypervisor, machine.budget)

    def run(self, words, registers, flags, el0, data):
        """What the program leaves behind: how it ended, the registers, how many instructions it was, and memory."""
        calls = HVC.to_bytes(4, "little") * 1024
        self.memory.write(Pa(CODE), calls)
        self.memory.write(Pa(CODE), struct.pack(f"<{len(words)}I", *words))
        self.memory.write(Pa(VECTORS), calls)
        self.memory.write(Pa(DATA), (data * (END - DATA))[: END - DATA])
        regs, budget = self.machine.cpu.regs, self.machine.budget
        for place in range(len(regs)):
            regs[place] = 0
        for place, value in enumerate(registers):
            regs[place] = value
        regs[PC], regs[SPSR] = CODE, flags << 28 | (0 if el0 else 0x3C5)
        for name, value in {"VBAR_EL1": VECTORS, "SP_EL0": DATA + 0x2000, "SP_EL1": DATA + 0x1000}.items():
            regs[WAITS[name]] = value
        self.cpu.loaded, self.cpu.paused, budget.executed = None, False, 0
        self.cpu.write_fp(bytes(range(256)) * 2 + bytes(32))
        try:
            end = self.cpu.run(len(words) * 3)
        except StuckForever as stuck:
            return str(stuck)
        self.cpu.read_system_registers()
        memory = self.memory.read(Pa(DATA), END - DATA)
        return end, dict(zip(REGISTER_NAMES, regs, strict=True)), budget.executed, memory, self.cpu.read_fp()


BENCHES = [Bench(UnicornCpu), Bench(PythonCpu)]


def bits(count):
    return st.integers(0, (1 << count) - 1)


def form(fixed, *fields):
    """Words with some bits fixed; `fields` are pairs of a shift and a strategy."""
    shifts = [shift for shift, _ in fields]
    return st.tuples(*(values for _, values in fields)).map(
        lambda found: fixed | sum(value << shift for value, shift in zip(found, shifts, strict=True))
    )


REGISTER = st.one_of(st.integers(0, 7), st.integers(0, 31))
ADDRESS = st.sampled_from([8, 9, 10, 11, 31])
"""Registers that hold addresses."""
RD, RN, RM, RA, RT2, BASE = (0, REGISTER), (5, REGISTER), (16, REGISTER), (10, REGISTER), (10, REGISTER), (5, ADDRESS)
WIDE, SIZE, OPC, CONDITION = (31, bits(1)), (30, bits(2)), (22, bits(2)), (12, bits(4))


def near(count):
    """Offsets of branches in so many bits."""
    return st.integers(-3, 6).map(lambda offset: offset & (1 << count) - 1)


SYSTEM_WORDS = [
    op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
    for name, (op0, op1, crn, crm, op2) in SYSTEM.items()
    if op0 == 3 and name not in ("SCTLR_EL1", "PMCR_EL0", "CNTV_CTL_EL0", "CNTV_CVAL_EL0")
]
"""Registers that each run begins with anew, and that depend on no clock."""
PLAIN_WORDS = [0xD503_201F, 0xD503_3F9F, 0xD503_3FBF, ISB, 0xD503_305F, 0xD400_0001, 0xD420_0000, 0, 0xD508_871F]
FORMS = [
    form(0x1000_0000, (0, bits(26)), (29, bits(3))),  # with a constant
    *(form(top << 24, (0, bits(24)), (29, bits(3))) for top in (0x0A, 0x0B, 0x1A, 0x1B)),  # with registers
    form(0x1AC0_0000, WIDE, RM, (10, st.integers(0, 24)), RN, RD),  # of two sources
    form(0x5AC0_0000, WIDE, (10, st.integers(0, 7)), RN, RD),  # of one source
    form(0x1A80_0000, SIZE, RM, CONDITION, (10, bits(1)), RN, RD),  # conditional select
    form(0x3A40_0000, SIZE, RM, (11, bits(1)), CONDITION, RN, (0, bits(4))),  # conditional compare
    form(0x1A00_0000, (29, bits(3)), RM, RN, RD),  # with carry
    form(0x1B00_0000, WIDE, (21, st.sampled_from([0, 1, 2, 5, 6])), (15, bits(1)), RM, RA, RN, RD),  # multiply
    form(0x3800_0000, SIZE, (24, bits(1)), OPC, (10, bits(12)), BASE, RD),  # load or store
    form(0x2800_0000, (30, st.sampled_from([0, 1, 2, 2])), (22, bits(3)), (15, bits(7)), RT2, BASE, RD),  # of a pair
    form(0x1800_0000, SIZE, (5, st.integers(0, 40)), RD),  # of a literal
    form(0x0880_8000, SIZE, (22, bits(1)), BASE, RD),  # acquire or release
    form(0x3C00_0000, SIZE, (24, bits(1)), OPC, (10, bits(12)), BASE, RD),  # of a vector
    form(0x2C00_0000, (30, st.integers(0, 3)), (22, bits(3)), (15, bits(7)), RT2, BASE, RD),  # of a pair of them
    form(0x0F00_0400, (29, bits(2)), (16, bits(3)), CONDITION, (5, bits(5)), RD),  # a vector's constant
    *(form(top << 16, RN, RD) for top in (0x9E66, 0x9E67, 0x1E26, 0x1E27, 0x9EAE, 0x9EAF)),  # moves of vectors
    form(0x5400_0000, (0, bits(4)), (5, near(19))),  # branches
    form(0x3400_0000, WIDE, (24, bits(1)), RD, (5, near(19))),
    form(0x3600_0000, WIDE, (24, bits(1)), (19, bits(5)), RD, (5, near(14))),
    form(0x1400_0000, WIDE, (0, near(26))),
    st.tuples(st.sampled_from(SYSTEM_WORDS), form(0xD500_0000, (21, bits(1)), RD)).map(sum),
    st.sampled_from(PLAIN_WORDS),
]
"""The instructions that it knows, and words beside them that are none."""
EXCLUSIVE = st.tuples(bits(2), bits(1), bits(1)).flatmap(
    lambda which: st.lists(
        form(
            0x0800_0000 | which[0] << 30 | (which[1] & which[0] >> 1) << 21 | which[2] << 15,
            (22, bits(1)), RM, RT2, BASE, RD,
        ),
        max_size=6,
    )
)  # fmt: skip
"""Exclusive accesses of one size."""
VALUES = st.one_of(
    bits(64), bits(32), bits(6), st.sampled_from([0, 1, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]),
    st.integers(DATA, DATA + 0x2000),
)  # fmt: skip
ADDRESSES = st.one_of(
    st.integers(DATA // 8 + 128, DATA // 8 + 1024).map(lambda at: 8 * at),
    st.integers(DATA + 0x400, DATA + 0x2000),
    st.sampled_from(
        [PL011_BASE, PL011_BASE + 0x18, PL011_BASE + 0x3F, DATA + 0xFFC, 0x40FF_FFF8, 0x4000_8000, 0, 1 << 45]
    ),
)
WORDS = st.lists(st.one_of(*FORMS), min_size=1, max_size=24)


@pytest.mark.slow
@pytest.mark.parametrize("hot", [0, a64.HOT], ids=["functions", "one by one"])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.tuples(WORDS, EXCLUSIVE, WORDS).map(lambda parts: [word for part in parts for word in part]),
    registers=st.lists(VALUES, min_size=31, max_size=31),
    addresses=st.lists(ADDRESSES, min_size=4, max_size=4),
    flags=bits(4),
    el0=st.booleans(),
    data=st.binary(min_size=64, max_size=64),
)
@example([0xA8C8_17E5], [0] * 31, [DATA] * 4, 0, False, bytes(range(64)))
def test_random_programs_leave_the_same_behind(monkeypatch, hot, words, registers, addresses, flags, el0, data):
    monkeypatch.setattr(a64, "HOT", hot)
    registers = [*registers[:8], *addresses, *registers[12:]]
    theirs, ours = (bench.run(words, registers, flags, el0, data) for bench in BENCHES)
    assert ours == theirs
