"""Several physical CPUs, schedules, the timer."""

import struct

import pytest

import hfedu
from hfedu import Kind, RamDisk, asset, clear, configure, cpu_on, meet, print_line, receive, send, vcpu_run
from hfedu.hf.psci import PsciCall
from hfedu.run.recording import Actor

HVC = 0xD400_0002


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def starter():
    yield configure()
    yield vcpu_run(1)
    yield cpu_on(1)
    yield meet()
    result = yield vcpu_run(1)
    yield print_line(f"CPU 0: {result.code}")


def sender():
    yield meet()
    yield send(1, b"hello")
    result = yield vcpu_run(1)
    yield print_line(f"CPU 1: {result.code}")


def echo():
    yield configure()
    message = yield receive()
    yield clear()
    yield send(message.sender, message.data)


CONVERSATION = RamDisk([starter, sender], [echo])


def boot(schedule=1, disk=CONVERSATION, **options):
    return hfedu.Machine(disk, cpus=2, schedule=schedule, max_seconds=20, **options).run()


@pytest.mark.parametrize("seed", range(20))
def test_every_seed_ends_and_repeats_itself(seed):
    run = boot(seed)
    assert run.outcome.kind == "power off"
    assert [event.seq for event in run.events] == list(range(len(run.events)))
    assert run.events == boot(seed).events


def test_schedules_differ_in_who_is_first():
    assert len({boot(seed).uart for seed in range(20)}) > 1


def test_the_state_folded_from_a_recording_is_the_state_of_the_machine():
    for seed in range(20):
        machine = hfedu.Machine(CONVERSATION, cpus=2, schedule=seed)
        run = machine.run()
        state = run.at(len(run.events) - 1)
        for vm in machine.hypervisor.vms:
            assert state.get(f"{vm.name}.mailbox.state", "EMPTY") == vm.mailbox.state.name
            for vcpu in vm.vcpus:
                assert state[f"{vcpu.name}.state"] == vcpu.state.name
        assert state["vm1.vcpu0.x0"] == machine.hypervisor.vms[1].vcpus[0].regs[0]


def test_the_primary_runs_its_vcpu_n_on_cpu_n():
    run = boot("every 1")
    started = next(event for event in run.events if event.cpu == 1)
    assert (started.kind, started.target) == (Kind.SWITCH, Actor(0, 1))
    assert run.events[started.cause].function == PsciCall.CPU_ON
    assert "Starting up cpu 1" in run.uart


def test_steps_of_one_call_between_those_of_another_are_events_of_their_own():
    run = boot("every 1")
    steps = [event for event in run.events if event.kind is Kind.STEP]
    assert steps
    assert all(run.events[step.cause].cpu == step.cpu for step in steps)


@pytest.mark.parametrize("schedule", ["7", "every 3", "0,0,0", [0, 0, 0], (0, 0, 0), 7])
def test_forms_of_a_schedule(schedule):
    assert boot(schedule).outcome.kind == "power off"


@pytest.mark.parametrize("schedule", ["x", "every 0", "every", 1.5, None, [0, -1], [9], True, "0,x"])
def test_no_schedule(schedule):
    with pytest.raises(hfedu.Mistake, match="is no schedule: give a whole number"):
        boot(schedule)


def test_a_schedule_that_names_a_cpu_that_cannot_go_on():
    with pytest.raises(hfedu.Mistake, match="step 1 of the schedule names CPU 1, which cannot go on there: name CPU 0"):
        boot([0, 1])


@pytest.mark.parametrize("cpus", [0, 9, 1.5, "2"])
def test_no_number_of_cpus(cpus):
    with pytest.raises(hfedu.Mistake, match="physical CPUs: give it 1 to 8"):
        hfedu.Machine(CONVERSATION, cpus=cpus)


def test_a_cpu_without_a_script_is_a_mistake_of_the_user():
    def alone():
        yield cpu_on(1)
        yield meet()

    with pytest.raises(hfedu.Mistake, match="VM 0 has no script for vCPU 1: give a list of 2 scripts"):
        boot(disk=RamDisk(alone, [echo]))


def test_four_real_cpus_add_in_turn():
    """Each CPU of a real primary starts the next one, adds 1 to a word 50 times and turns itself off.

    mrs x4, mpidr_el1; and x20, x4, #255; add x1, x20, #1; CPU_ON(x1, 0x40080000); mov x19, #0x40081000; mov x21, #50
    1: ldxr x6, [x19]; add x6, x6, #1; stxr w7, x6, [x19]; cbnz w7, 1b; subs x21, x21, #1; b.ne 1b
    cbz x20, 2f; CPU_OFF; 2: ldr x6, [x19]; cmp x6, #200; b.ne 2b; SYSTEM_OFF
    """
    words = [
        0xD538_00A4, 0x9240_1C94, 0x9100_0681, 0xD2B0_8000, 0xF280_0060, 0xD2A8_0102, 0xD400_0002, 0xD2A8_0113,
        0xF282_0013, 0xD280_0655, 0xC85F_7E66, 0x9100_04C6, 0xC807_7E66, 0x35FF_FFA7, 0xF100_06B5, 0x54FF_FF61,
        0xB400_0094, 0xD2B0_8000, 0xF280_0040, 0xD400_0002, 0xF940_0266, 0xF103_20DF, 0x54FF_FFC1, 0xD2B0_8000,
        0xF280_0100, 0xD400_0002,
    ]  # fmt: skip
    for schedule in (1, 2, "every 1", "every 7"):
        machine = hfedu.Machine(RamDisk(code(*words)), cpus=4, schedule=schedule, max_instructions=3_000_000)
        assert machine.run().outcome.kind == "power off"
        assert machine.board.memory.read64(0x4008_1000) == 200


def test_a_cpu_that_hangs_leaves_the_others_alone():
    def careless():
        yield hfedu.load(0x1000_0000)

    def first():
        yield cpu_on(1)
        yield meet()
        yield vcpu_run(1)

    def second():
        yield meet()
        yield print_line("CPU 1 goes on")

    run = boot("every 1", RamDisk([first, second], [careless]))
    assert "CPU 1 goes on" in run.uart
    assert "Data abort" in run.uart
    assert run.outcome.kind == "power off"


def test_the_timer_interrupts_a_secondary_and_the_primary_sees_yield():
    codes = []

    def primary():
        for _ in range(3):
            codes.append((yield vcpu_run(1)).code)

    run = hfedu.Machine(RamDisk(primary, [code(0x1400_0000)]), timer=1000).run()
    assert codes == [0, 0, 0]
    assert [event.kind for event in run.events].count(Kind.IRQ) == 3


def test_a_tick_interrupts_after_exactly_that_many_instructions():
    """add x1, x1, #1; b -4"""

    def primary():
        for _ in range(5):
            yield vcpu_run(1)

    machine = hfedu.Machine(RamDisk(primary, [code(0x9100_0421, 0x17FF_FFFF)]), timer=1001)
    machine.run()
    scripted = 1 + 4  # instructions of the primary between the ticks
    assert abs(2 * machine.hypervisor.vms[1].vcpus[0].regs[1] - (5 * 1001 - scripted)) <= 1


def test_who_was_interrupted_goes_on_without_the_result_of_an_earlier_call():
    """movz x0, #0xff06; hvc #0; b . : its clear is long over when the interrupt comes."""

    def primary():
        for _ in range(2):
            yield vcpu_run(1)

    run = hfedu.Machine(RamDisk(primary, [code(0xD29F_E0C0, HVC, 0x1400_0000)]), timer=100).run()
    switches = [event for event in run.events if event.kind is Kind.SWITCH and event.target == Actor(1, 0)]
    assert [event.function for event in switches] == [None, None]


def test_the_primary_takes_its_own_interrupt():
    """A real primary unmasks interrupts and spins; its handler at VBAR_EL1+0x280 counts to 3 in x11 and powers off."""
    handler = [
        0x9100_056B, 0xF100_0D7F, 0x5400_0040, 0xD69F_03E0, 0xD2B0_8000, 0xF280_0100, 0xD400_0002,
    ]  # fmt: skip
    start = [
        0xD2A8_0102, 0xF282_0002, 0xD518_C002, 0xD280_000B, 0xD503_42FF, 0x1400_0000,
    ]  # fmt: skip
    image = code(*start).ljust(0x1280, b"\0") + code(*handler)
    machine = hfedu.Machine(RamDisk(image), timer=500, max_instructions=100_000)
    assert machine.run().outcome.kind == "power off"
    assert machine.cpu.regs[11] == 3


def test_the_timer_ends_a_wait_of_the_primary():
    def primary():
        yield hfedu.wait_for_interrupt()
        yield print_line("woken")

    assert "woken" in hfedu.Machine(RamDisk(primary), timer=50).run().uart
    run = hfedu.Machine(RamDisk(primary)).run()
    assert run.outcome.sentence.startswith("The primary waits for an interrupt, and no device")


def test_a_real_secondary_runs_on_whichever_cpu_the_primary_chooses():
    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield meet()
        yield meet()

    def second():
        yield meet()
        for text in ("one", "two"):
            yield send(1, text)
            yield vcpu_run(1)
            yield clear()
        yield meet()

    run = boot("every 1", RamDisk([first, second], [asset("echo.bin")]))
    assert [event.message for event in run.events if event.kind is Kind.DELIVER] == [b"one", b"one", b"two", b"two"]
