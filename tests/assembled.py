"""Scenarios as machine code: every action in a handful of AArch64 instructions, and every result into a log.

Registers that survive a call: x19 the last Receive's result, x20 the last HF_VCPU_RUN's, x21 the next free slot of
the log, x22 its begin, where x21 is kept for whoever reads it afterwards.
"""

import struct
from collections.abc import Callable

import scenarios as s

LOG = 0x7000
LOG_SLOTS = (s.VM_SIZE - LOG) // 8 - 1
HVC, SMC, WFI = 0xD400_0002, 0xD400_0003, 0xD503_207F
BACK_TO_WFI = 0x17FF_FFFF
XZR = 31


def mov(rd: int, value: int) -> list[int]:
    """A 64-bit number into a register: movz, and movk for each further half-word that is not zero."""
    halves = [(at, value >> 16 * at & 0xFFFF) for at in range(4)]
    (first, half), *rest = [(at, half) for at, half in halves if half] or [(0, 0)]
    return [0xD280_0000 | first << 21 | half << 5 | rd, *(0xF280_0000 | at << 21 | half << 5 | rd for at, half in rest)]


def mov_register(rd: int, rm: int) -> int:
    return 0xAA00_03E0 | rm << 16 | rd


def load_next(rt: int, rn: int) -> int:
    """ldr rt, [rn], #8"""
    return 0xF840_8400 | rn << 5 | rt


def store_next(rt: int, rn: int) -> int:
    """str rt, [rn], #8"""
    return 0xF800_8400 | rn << 5 | rt


def add(rd: int, rn: int, rm: int) -> int:
    return 0x8B00_0000 | rm << 16 | rn << 5 | rd


def subs(rd: int, rn: int, number: int) -> int:
    return 0xF100_0000 | number << 10 | rn << 5 | rd


def ror(rd: int, rn: int, by: int) -> int:
    return 0x93C0_0000 | rn << 16 | by << 10 | rn << 5 | rd


def bits(rd: int, rn: int, low: int, width: int) -> int:
    """ubfx rd, rn, #low, #width"""
    return 0xD340_0000 | low << 16 | low + width - 1 << 10 | rn << 5 | rd


def select_if_equal(rd: int, rn: int, rm: int) -> int:
    """csel rd, rn, rm, eq"""
    return 0x9A80_0000 | rm << 16 | rn << 5 | rd


def repeat(counter: int, times: int, body: list[int]) -> list[int]:
    """A loop around `body`, which runs `times` times."""
    back = -(len(body) + 1) & 0x7FFFF
    return [*mov(counter, times), *body, subs(counter, counter, 1), 0x5400_0001 | back << 5] if times else []


def log(register: int) -> list[int]:
    return [store_next(register, 21), 0xF900_0000 | 22 << 5 | 21]


def call(function: int, *arguments: list[int], instruction: int = HVC) -> list[int]:
    """A call with arguments that their code puts into x1 and x2."""
    code = [word for argument in arguments for word in argument]
    return [*code, *mov(3, 0), *mov(0, function), instruction, *log(0)]


def words(vm: int, action: s.Action) -> list[int]:
    """One action of a guest."""

    def where(register: int, place: str, word: int = 0) -> list[int]:
        return mov(register, s.address(vm, place) + 8 * word)

    match action:
        case s.Configure(send, recv):
            return call(0xFF03, where(1, send), where(2, recv))
        case s.Send(target, size):
            return call(0xFF04, mov(1, target), mov(2, size))
        case s.Reply():
            return call(0xFF04, [bits(1, 19, 0, 16)], [bits(2, 19, 32, 32)])
        case s.Receive(block):
            return [*call(0xFF05, mov(1, block), mov(2, 0)), mov_register(19, 0)]
        case s.Clear():
            return call(0xFF06, mov(1, 0), mov(2, 0))
        case s.VcpuRun(target, vcpu):
            return [*call(0xFF00, mov(1, target), mov(2, vcpu)), mov_register(20, 0)]
        case s.RunWoken(otherwise):
            woken = [bits(9, 20, 0, 8), bits(1, 20, 16, 16), *mov(10, otherwise)]
            target = [*woken, subs(XZR, 9, 2), select_if_equal(1, 1, 10)]
            return [*call(0xFF00, target, mov(2, 0)), mov_register(20, 0)]
        case s.VmCount():
            return call(0xFF01, mov(1, 0), mov(2, 0))
        case s.VcpuCount(target):
            return call(0xFF02, mov(1, target), mov(2, 0))
        case s.Call(function, x1, x2, smc):
            return call(function, mov(1, x1), mov(2, x2), instruction=SMC if smc else HVC)
        case s.WaitForInterrupt():
            return [WFI]
        case s.Fill(place, first, count, seed):
            begin = [*where(9, place, first), *mov(10, seed * s.FILL_STEP & s.MASK64), *mov(11, s.FILL_STEP)]
            return [*begin, *repeat(12, count, [store_next(10, 9), add(10, 10, 11)])]
        case s.Copy(count):
            begin = [*where(9, "recv"), *where(11, "send")]
            return [*begin, *repeat(12, count, [load_next(10, 9), store_next(10, 11)])]
        case s.Sum(place, count):
            step = [load_next(11, 9), ror(10, 10, s.SUM_ROTATE), add(10, 10, 11)]
            return [*where(9, place), *mov(10, 0), *repeat(12, count, step), *log(10)]
        case s.Load(place, word):
            return [*where(9, place, word), load_next(10, 9), *log(10)]
    raise AssertionError(action)


def assemble(scenario: s.Scenario, vm: int) -> bytes:
    """The image of a VM. Its script done, a primary powers off and a secondary waits for ever."""
    code = [*mov(22, s.base(vm) + LOG), *mov(21, s.base(vm) + LOG + 8)]
    for action in scenario.scripts[vm]:
        code += words(vm, action)
    code += [*mov(0, 0x8400_0008), HVC] if vm == 0 else []
    image = struct.pack(f"<{len(code) + 2}I", *code, WFI, BACK_TO_WFI)
    assert len(image) <= s.PAGES["send"]
    assert len(scenario.scripts[vm]) < LOG_SLOTS
    return image


def logged(vm: int, read: Callable[[int, int], bytes]) -> tuple[int, ...]:
    """The results a VM has logged, from physical memory as `read` gives it."""
    begin = s.base(vm) + LOG
    end = int.from_bytes(read(begin, 8), "little") or begin + 8
    return struct.unpack(f"<{(end - begin) // 8 - 1}Q", read(begin + 8, end - begin - 8))
