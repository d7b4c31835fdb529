"""The machine underneath: stage 2, switching, budgets, the stop button."""

import os
import signal
import struct
import threading
import tracemalloc

import pytest
from conftest import one

import hfedu
from hfedu import Kind, RamDisk, Secondary, asset
from hfedu.board.board import BoardError
from hfedu.hf.addr import Ipa
from hfedu.hf.mm import MAX_LEVEL_STAGE2
from hfedu.run.machine import Machine

LOOP = struct.pack("<I", 0x1400_0000)  # b .
HVC = 0xD400_0002


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def booted(name: str) -> Machine:
    machine = Machine(one(name).initrd)
    machine.boot()
    return machine


def test_stage_2_keeps_vms_apart():
    state = booted("broadcast_3").recording().at(4)
    maps = {vm: [(m.begin, m.end) for m in state[f"vm{vm}.stage2"].mappings()] for vm in range(4)}
    uart = (0x0900_0000, 0x0900_1000)
    assert maps[1] == [uart, (0x40F0_0000, 0x4100_0000)]
    assert maps[2] == [uart, (0x40E0_0000, 0x40F0_0000)]
    assert maps[3] == [uart, (0x40D0_0000, 0x40E0_0000)]
    primary, holes = maps[0], [(0x4000_1000, 0x4000_9000), (0x4000_9000, 0x4004_A000), (0x40D0_0000, 0x4100_0000)]
    assert primary[0][0] == 0
    assert primary[-1][1] == 1 << 40
    for begin, end in holes:
        assert all(stop <= begin or start >= end for start, stop in primary)


def test_an_unmapped_page_keeps_its_address():
    hypervisor = booted("broadcast_3").hypervisor
    pte, level = hypervisor.mm_walk(hypervisor.vms[0].ptable, 0x40F0_4000, MAX_LEVEL_STAGE2)
    assert (pte, level) == (0x40F0_4002, 0)
    assert hypervisor.mm_vm_translate(hypervisor.vms[0].ptable, Ipa(0x40F0_4000)) is None


def test_vcpus_start_with_the_registers_upstream_gives_them():
    hypervisor = booted("broadcast_3").hypervisor
    primary, secondary = hypervisor.vms[0].vcpus[0], hypervisor.vms[1].vcpus[0]
    assert (primary.regs[0], primary.regs[31], primary.regs[32]) == (0x40A0_0000, 0x4008_0000, 0x3C5)
    assert (secondary.regs[0], secondary.regs[31], secondary.regs[32]) == (0, 0x40F0_0000, 0x3C5)
    assert [vcpu.regs[33] for vcpu in hypervisor.vms[0].vcpus] == list(range(8))


def test_device_tree_is_handed_over_patched():
    machine = booted("broadcast_3")
    blob = machine.board.memory.read(machine.board.fdt_begin, 4096)
    off_rsvmap = struct.unpack_from(">I", blob, 16)[0]
    entries = [struct.unpack_from(">2Q", blob, off_rsvmap + 16 * i) for i in range(3)]
    assert sorted(entries) == [(0, 0), (0x4000_0000, 0x8_0000), (0x40D0_0000, 0x30_0000)]


def test_boot_arguments_reach_the_primary():
    disk = RamDisk(asset("relay_primary.bin"), [asset("relay.bin")])
    assert 'VM 1: VM 0 says "a b=c"' in hfedu.boot(disk, append="a b=c").uart


def test_code_that_a_message_replaces_runs_anew():
    """VM 1 executes its receive page, gets a message into it, and executes it again: the new code must run."""
    ret0 = code(0xD280_0000 | 7 << 5, 0xD65F_03C0)  # mov x0, #7; ret
    ret1 = code(0xD280_0000 | 9 << 5, 0xD65F_03C0)  # mov x0, #9; ret
    guest = code(
        0xD29F_E060, 0x1000_0001 | 0x4000 - 4 << 3, 0x1000_0002 | 0x5000 - 8 << 3, HVC,  # configure(0x4000, 0x5000)
        0x1000_0000 | 0x5000 - 16 << 3 | 19,  # adr x19, recv
        0xD63F_0260, 0xAA00_03F4,  # blr x19; mov x20, x0
        0xD29F_E0A0, 0xD280_0021, HVC,  # receive(block)
        0xD63F_0260, 0x8B14_0002,  # blr x19; add x2, x0, x20
        0xD29F_E080, 0xD280_0001, HVC,  # send(0, x2 bytes)
        LOOP[0] | LOOP[3] << 24,
    )  # fmt: skip
    image = guest.ljust(0x5000, b"\0") + ret0
    sizes = []

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, ret1)
        sizes.append((yield hfedu.vcpu_run(1)).data)

    hfedu.boot(RamDisk(primary, [Secondary(image)]))
    assert sizes == [16]


def test_each_vm_sees_its_own_memory_at_the_same_address():
    """Two real guests read the first word of their own image after the other has run: no stale translation."""
    disk = RamDisk(asset("relay_primary.bin"), [asset("relay.bin")] * 3)
    lines = [line for line in hfedu.boot(disk, append="x").uart.splitlines() if line.startswith("VM ")]
    assert lines[-1] == 'VM 0: I got "x"'
    assert len(lines) == 5


def test_endless_loop_ends_at_the_limit_with_a_sentence():
    run = hfedu.boot(RamDisk(LOOP), max_instructions=100_000)
    assert (run.outcome.kind, run.outcome.status) == ("budget", 3)
    assert run.outcome.sentence == "The guests used up their 100,000 instructions."


def test_endless_hypercalls_end_at_the_limit():
    run = hfedu.boot(RamDisk(code(HVC, 0x17FF_FFFF)), max_traps=50)
    assert run.outcome.sentence == "The guests used up their 50 traps to the hypervisor."
    assert sum(event.kind is Kind.HYPERCALL for event in run.events) == 50


@pytest.mark.parametrize("limit", [1, 7, 1000, 12345])
def test_instructions_are_counted_exactly(limit):
    """A guest that counts its own loops stops where the limit says: add x1, x1, #1; b -4."""
    machine = Machine(RamDisk(code(0x9100_0421, 0x17FF_FFFF)), max_instructions=limit)
    machine.run()
    assert machine.cpu.regs[1] == (limit + 1) // 2


def test_instructions_are_counted_across_traps():
    """mov x0, #0; hvc; b -8: three instructions a round, so 3000 instructions make 1000 hypercalls."""
    run = hfedu.boot(RamDisk(code(0xD280_0000, HVC, 0x17FF_FFFE)), max_instructions=3000)
    assert sum(event.kind is Kind.HYPERCALL for event in run.events) == 1000


@pytest.mark.parametrize("guest", [LOOP, code(HVC, 0x17FF_FFFF)], ids=["loop", "hypercalls"])
def test_stop_button_ends_a_running_guest_and_the_machine_goes_on(guest):
    machine = Machine(RamDisk(guest), record=False)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    timer.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    machine.budget.traps, machine.budget.instructions = machine.budget.trapped + 10, None
    machine.budget.seconds = 0.2
    machine.budget.start()
    assert machine.run().outcome.kind == "budget"


def test_a_trap_at_a_time_gives_the_same_run():
    image = one("chain_relay_3").initrd
    machine = Machine(image)
    while machine.step():
        pass
    assert machine.recording().events == Machine(image).run().events


@pytest.mark.parametrize(
    ("memory", "says"),
    [
        ("1M", "do not fit into"),
        (4097, "whole pages"),
        ("2000G", "whole pages"),
        ("x", "is no memory size"),
        (0, "cannot have 0 bytes"),
        (-4096, "cannot have"),
        (1.5, "no memory size"),
        (None, "no memory size"),
    ],
)
def test_memory_that_makes_no_sense(memory, says):
    with pytest.raises(ValueError, match=says):
        Machine(RamDisk(LOOP), memory=memory)


def test_the_suggested_memory_is_enough():
    disk = RamDisk(LOOP)
    with pytest.raises(BoardError, match="at least 6M"):
        Machine(disk, memory="1M")
    assert hfedu.boot(disk, memory="6M", max_instructions=10).outcome.kind == "budget"


def test_limits_must_be_positive():
    with pytest.raises(ValueError, match="max_seconds must be a number above 0"):
        Machine(RamDisk(LOOP), max_seconds=0)


@pytest.mark.slow
def test_a_recording_is_small_and_a_machine_without_one_keeps_no_events():
    """100,000 events must fit into 100 MB: less than 1,000 bytes each."""

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        while True:
            yield hfedu.send(1, b"x" * 32)
            yield hfedu.vcpu_run(1)
            yield hfedu.clear()

    def echo():
        yield hfedu.configure()
        while True:
            message = yield hfedu.receive()
            yield hfedu.clear()
            yield hfedu.send(message.sender, message.data)

    disk = RamDisk(primary, [echo])
    tracemalloc.start()
    run = hfedu.boot(disk, max_traps=6000)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run.events) > 9000
    assert used / len(run.events) < 1000
    assert Machine(disk, max_traps=100, record=False).run().events == ()
