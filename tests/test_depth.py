"""A closer look at an event: the hypervisor's steps with their source, the guest's instructions and registers."""

import inspect
import json
import random
import struct
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from runs import refusals, relay
from test_smp import boot as two_cpus

import hfedu
from hfedu import Kind, RamDisk, asset, clear, configure, cpu_on, meet, print_line, receive, send, vcpu_run
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run import words
from hfedu.run.depth import TRAPS
from hfedu.run.explorer import Scenario, counterexample, explore
from hfedu.run.recording import Actor, Change, Outcome
from hfedu.view.answers import INSTRUCTIONS_KEPT, all_answers, answer, listing
from hfedu.view.code import code_at
from hfedu.widgets.player import Player

HVC, WFI, LOOP, POWER_OFF = 0xD400_0002, 0xD503_207F, 0x1400_0000, (0xD2B0_8000, 0xF280_0100, 0xD400_0002)
VM_COUNT, RUN_VM_1 = 0xD29F_E020, (0xD29F_E000, 0xD280_0021, 0xD280_0002, HVC)
RELAY = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])
PINGPONG = RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")])


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def ran(primary, *secondaries, **options):
    return hfedu.Machine(RamDisk(primary, secondaries), **{"max_instructions": 100_000, **options}).run()


def traps(run, *kinds):
    return [event for event in run.events if event.kind in (kinds or TRAPS)]


def texts(listing):
    return [item.text for item in listing]


def changed(listing):
    """The registers that each instruction changed, with their new values."""
    return [{change.what: change.new for change in item.changes} for item in listing]


def starter():
    yield configure()
    yield vcpu_run(1)
    yield cpu_on(1)
    yield meet()
    yield vcpu_run(1)


def sender():
    yield meet()
    yield print_line("CPU 1 sends")
    yield send(1, b"hello")
    yield vcpu_run(1)


def echo():
    yield configure()
    message = yield receive()
    yield clear()
    yield send(message.sender, message.data)


@pytest.mark.slow
@pytest.mark.parametrize("disk", [RELAY, PINGPONG], ids=["relay", "pingpong"])
def test_every_instruction_of_real_guests_is_found_and_leads_to_the_recorded_trap(disk):
    machine = hfedu.Machine(disk, max_instructions=100_000, max_traps=60)
    run = machine.run()
    executed = 0
    for event in traps(run):
        found = run.instructions(event.seq, limit=20_000)
        executed += len(found)
        assert found.left_out == 0
        assert texts(found)[-1] == "hvc #0"
        x = dict.fromkeys(REGISTER_NAMES, 0) | {
            name.rpartition(".")[2]: value
            for name, value in run.at(event.seq - 1).items()
            if name.startswith(f"{event.actor.name}.") and name.rpartition(".")[2] in REGISTER_NAMES
        }
        for registers in changed(found):
            x.update(registers)
        assert (x["x0"], x["x1"], x["x2"], x["x3"]) == (event.function, *event.args)
    assert executed == machine.budget.executed


def test_an_instruction_has_its_address_its_word_and_what_it_changed():
    """mov x1, #0x800; subs x2, x1, #7; msr vbar_el1, x1; mov x0, #VM_GET_COUNT; hvc"""
    run = ran(code(0xD281_0001, 0xF100_1C22, 0xD518_C001, VM_COUNT, HVC, *POWER_OFF))
    found = run.instructions(traps(run)[0].seq)
    assert [(i.pc, i.word) for i in found][:2] == [(0x4008_0000, 0xD281_0001), (0x4008_0004, 0xF100_1C22)]
    assert texts(found) == ["mov x1, #0x800", "subs x2, x1, #7", "msr vbar_el1, x1", "mov x0, #0xff01", "hvc #0"]
    x1, flags, vbar, x0, nothing = (item.changes for item in found)
    assert x1 == (Change("x1", 0, 0x800),)
    assert [(change.what, change.new) for change in flags] == [("x2", 0x7F9), ("pstate", 0x2000_03C5)]
    assert vbar == (Change("VBAR_EL1", 0, 0x800),)
    assert x0[0][::2] == ("x0", 0xFF01)
    assert nothing == ()
    assert "d2810001  mov x1, #0x800                           x1: 0x0 -> 0x800\n" in repr(found)
    assert "x2: 0x0 -> 0x7f9; flags: nzcv -> nzCv\n" in repr(found)


def test_assembled_guests_and_words_that_are_no_instruction():
    """The word that is none takes the guest to its exception vector: what EL1 does then is that word's doing."""
    vector = hfedu.assemble(
        "adr x2, . + 0x800\nmsr vbar_el1, x2\n.word 0xffffffff\n.org 0xa00\nmov x0, #0xff01\nhvc #0\nb ."
    )
    run = ran(vector)
    found = run.instructions(traps(run)[0].seq)
    assert texts(found) == ["adr x2, #0x40080800", "msr vbar_el1, x2", ".word 0xffffffff", "mov x0, #0xff01", "hvc #0"]
    assert {"ELR_EL1", "SPSR_EL1", "ESR_EL1"} <= set(changed(found)[2])
    assert found[3].pc == 0x4008_0A00


def test_a_trap_clears_the_exclusive_monitor_as_in_the_run():
    """adr x19, . + 0x1000; [hvc]; ldxr x1, [x19]; [hvc]; stxr w20, x1, [x19]; hvc"""
    ldxr, stxr, adr = 0xC85F_7E61, 0xC814_7E61, 0x1000_8013
    parted = ran(code(adr, VM_COUNT, ldxr, HVC, stxr, VM_COUNT, HVC, *POWER_OFF))
    assert changed(parted.instructions(traps(parted)[1].seq))[0] == {"x20": 1}
    together = ran(code(adr, 0xD280_0054, VM_COUNT, HVC, ldxr, stxr, VM_COUNT, HVC, *POWER_OFF))
    assert changed(together.instructions(traps(together)[1].seq))[1] == {"x20": 0}


def test_of_many_instructions_the_last_and_how_many_are_left_out():
    """mov x1, #3000; 1: subs x1, x1, #1; b.ne 1b; mov x0, #VM_GET_COUNT; hvc"""
    run = ran(code(0xD281_7701, 0xF100_0421, 0x54FF_FFE1, VM_COUNT, HVC, *POWER_OFF))
    seq = traps(run)[0].seq
    whole, few = run.instructions(seq, limit=10_000), run.instructions(seq, limit=4)
    assert len(whole) == 1 + 2 * 3000 + 2
    assert (list(few), few.left_out) == (list(whole)[-4:], len(whole) - 4)
    assert "executed 6,003 instructions from its last entry to event 3; 5,999 before these are left out." in few.note
    assert repr(few).splitlines()[-1].split()[0] == "6003"
    assert len(run.instructions(seq)) == 1000


@pytest.mark.parametrize("limit", [0, -1, 1.5, "10"])
def test_no_limit(limit):
    run = ran(code(VM_COUNT, HVC, *POWER_OFF))
    with pytest.raises(hfedu.Mistake, match="the limit must be a whole number above 0"):
        run.instructions(3, limit)


def test_a_timer_interrupts_after_the_same_instructions():
    """add x1, x1, #1; b -4. The primary's own handler, too: see test_smp."""

    def primary():
        for _ in range(3):
            yield vcpu_run(1)

    machine = hfedu.Machine(RamDisk(primary, [code(0x9100_0421, 0x17FF_FFFF)]), timer=101)
    run = machine.run()
    irqs = traps(run, Kind.IRQ)
    ways = [run.instructions(irq.seq) for irq in irqs]
    assert len(irqs) == 3
    added = sum("x1" in registers for way in ways for registers in changed(way))
    assert added == machine.hypervisor.vms[1].vcpus[0].regs[1]
    assert all(run.steps(irq.seq)[0].place.function == "return_to_primary" for irq in irqs)


def test_a_primary_that_takes_its_own_interrupts_runs_the_same_way():
    handler = code(0x9100_056B, 0xF100_0D7F, 0x5400_0040, 0xD69F_03E0, *POWER_OFF)
    start = code(0xD2A8_0102, 0xF282_0002, 0xD518_C002, 0xD280_000B, 0xD503_42FF, LOOP)
    machine = hfedu.Machine(RamDisk(start.ljust(0x1280, b"\0") + handler), timer=50, max_instructions=10_000)
    run = machine.run()
    found = run.instructions(traps(run)[0].seq)
    assert [text for text in texts(found) if text.startswith("eret")] == ["eret"] * 2
    assert [registers["x11"] for registers in changed(found) if "x11" in registers][-3:] == [1, 2, 3]
    assert len(found) == machine.budget.executed


def test_the_way_to_a_fault_ends_with_the_instruction_that_faults():
    """mov x1, #0x10000000; mov x2, #5; str x2, [x1]"""
    run = ran(code(*RUN_VM_1, LOOP), code(0xD2A2_0001, 0xD280_00A2, 0xF900_0022, LOOP))
    (fault,) = traps(run, Kind.FAULT)
    found = run.instructions(fault.seq)
    assert texts(found) == ["mov x1, #0x10000000", "mov x2, #5", "str x2, [x1]"]
    assert found[-1].changes == ()
    assert run.outcome.kind == "hang"
    assert len(run.steps(fault.seq)) == 0
    repaired = ran(code(*RUN_VM_1, *POWER_OFF), code(0xD2A2_0001, 0xF900_0021, LOOP), fixes=["abort-hangs"])
    (fault,) = traps(repaired, Kind.FAULT)
    assert "abort" in {step.kind for step in repaired.steps(fault.seq)}


def test_the_end_of_a_run_shows_what_made_no_event_any_more():
    endless = ran(code(0x9100_0421, 0x17FF_FFFF), max_instructions=5000)
    found = endless.instructions(len(endless.events) - 1, limit=6)
    assert found.left_out == 5000 - 6
    assert changed(found)[-2:] == [{"x1": 2500}, {}]
    stuck = ran(code(WFI, LOOP))
    assert texts(stuck.instructions(len(stuck.events) - 1)) == ["wfi"]

    def waits():
        yield hfedu.wait_for_interrupt()

    scripted = ran(waits)
    assert texts_of_places(scripted.instructions(len(scripted.events) - 1)) == ["yield hfedu.wait_for_interrupt()"]


def texts_of_places(listing):
    return [item.place.text for item in listing]


def test_what_no_guest_led_to():
    run = ran(code(VM_COUNT, HVC, *POWER_OFF))
    for event in run.events[:3]:
        assert list(run.instructions(event.seq)) == list(run.steps(event.seq)) == []
        assert run.instructions(event.seq).note == "No guest ran on the way to this event."
    assert run.steps(3).note.startswith("No atomic step")


def source_line(place):
    return Path(inspect.getfile(hfedu)).parent.joinpath(place.file).read_text().splitlines()[place.line - 1].strip()


def test_the_steps_of_a_send_with_their_source_locks_and_changes():
    run = hfedu.Machine(RELAY).run()
    delivery = next(e for e in run.events if e.kind is Kind.DELIVER and e.actor == Actor(0, 0))
    whole, part = run.steps(delivery.cause), run.steps(delivery.seq)
    assert [step.kind for step in whole] == [
        "acquire", "release", "acquire", "deliver", "acquire", "wake", "release", "release",
    ]  # fmt: skip
    assert {step.place.function for step in whole} == {"api_mailbox_send", "copy_message", "wake"}
    assert {step.place.file for step in whole} == {"hf/api.py"}
    assert all(step.place.text == source_line(step.place) for step in whole)
    assert [step.locks for step in whole[1:6]] == [
        (), ("vm1.lock",), ("vm1.lock",), ("vm1.lock", "vm1.vcpu0.lock"), ("vm1.lock", "vm1.vcpu0.lock"),
    ]  # fmt: skip
    assert list(part) == list(whole[3:5])
    assert whole[3].changes == delivery.changes
    assert str(whole[3]) == "copies the message into VM 1's mailbox"


@pytest.mark.parametrize("schedule", ["every 1", "every 2", 1, 2])
def test_on_two_cpus_every_step_belongs_to_one_event_and_every_change_to_one_step(schedule):
    real_sender = code(0xD29F_E080, 0xD280_0001, 0xD280_0002, HVC, LOOP)
    disk = RamDisk([starter, sender], [echo, real_sender])
    run = hfedu.Machine(disk, cpus=2, schedule=schedule, max_traps=40).run()
    parts = {event.seq: [] for event in run.events}
    for trap in traps(run):
        steps = run.steps(trap.seq)
        for step in steps:
            parts[step.event].append(step)
    for seq, steps in parts.items():
        if run.events[seq].kind is Kind.RETURN:
            assert list(run.steps(seq)) == list(run.steps(run.events[seq].cause))
        elif run.events[seq].kind is not Kind.HYPERCALL:
            assert list(run.steps(seq)) == steps
        if steps and run.events[seq].kind in (Kind.STEP, Kind.WAKE, Kind.DELIVER, Kind.RETURN, Kind.SWITCH):
            assert sum((step.changes for step in steps), ()) == run.events[seq].changes
    assert any(steps for seq, steps in parts.items() if run.events[seq].kind is Kind.STEP)


def by_schedule(machine):
    machine.step()


def by_hand(machine):
    machine.step(max(machine.able(), default=None))


@pytest.mark.slow
@pytest.mark.parametrize("step", [by_schedule, by_hand])
def test_a_machine_that_was_stopped_between_two_steps_or_stepped_by_hand(step):
    machine = hfedu.Machine(RamDisk([starter, sender], [echo]), cpus=2, schedule=7)
    shown = 0
    while machine.outcome is None:
        step(machine)
        run = machine.recording()
        for event in run.events[-3:]:
            steps = run.steps(event.seq)
            assert all(change in event.changes for step in steps if step.event == event.seq for change in step.changes)
            assert run.instructions(event.seq).title == steps.title
            shown += len(steps)
    assert shown > len(run.events)
    assert hfedu.replay(run.token(), machine.ramdisk).events == run.events


def test_on_two_cpus_a_step_shows_the_locks_of_the_other_cpu():
    run = two_cpus("every 1")
    listings = [(trap.cpu, run.steps(trap.seq)) for trap in traps(run)]
    steps = [(cpu, step, row) for cpu, found in listings for step, row in zip(found, found.rows, strict=True)]
    assert any(step.others and step.locks for _, step, _ in steps)
    for cpu, step, row in steps:
        for holder, lock in step.others:
            assert holder != cpu
            assert lock not in step.locks, "a lock has one owner"
            assert any(of == holder and lock in taken.locks for of, taken, _ in steps)
            assert f"CPU {holder}: " in row.locks
        assert (f"CPU {cpu}: " in row.locks) == bool(step.locks)


def test_two_real_cpus_run_the_same_way_again():
    """Each CPU of a real primary adds to a word with ldxr and stxr; CPU 0 starts the other: see test_smp."""
    words = [
        0xD538_00A4, 0x9240_1C94, 0x9100_0681, 0xD2B0_8000, 0xF280_0060, 0xD2A8_0102, 0xD400_0002, 0xD2A8_0113,
        0xF282_0013, 0xD280_0655, 0xC85F_7E66, 0x9100_04C6, 0xC807_7E66, 0x35FF_FFA7, 0xF100_06B5, 0x54FF_FF61,
        0xB400_0094, 0xD2B0_8000, 0xF280_0040, 0xD400_0002, 0xF940_0266, 0xF101_90DF, 0x54FF_FFC1, 0xD2B0_8000,
        0xF280_0100, 0xD400_0002,
    ]  # fmt: skip
    run = ran(code(*words), cpus=2, schedule="every 3", max_instructions=1_000_000)
    assert run.outcome.kind == "power off"
    found = [text for trap in traps(run) for text in texts(run.instructions(trap.seq, 10_000))]
    assert found.count("subs x21, x21, #1") == 2 * 50
    assert found.count("stxr w7, x6, [x19]") >= 2 * 50


def test_a_scripted_guest_shows_its_own_lines():
    run = hfedu.Machine(RamDisk([starter, sender], [echo]), cpus=2).run()
    (sends,) = (event for event in traps(run) if event.actor == Actor(0, 1) and event.function == 0xFF04)
    found = run.instructions(sends.seq)
    assert texts_of_places(found)[-2:] == ['yield print_line("CPU 1 sends")', 'yield send(1, b"hello")']
    assert {turn.place.function for turn in found} == {"sender"}
    assert found[-1].place.line == inspect.getsourcelines(sender)[1] + 3
    assert found[-1].action.instruction == "hvc"
    assert "calls HF_MAILBOX_SEND(VM 1, 5 bytes)\n           test_depth.py:" in repr(found)
    assert "prints “CPU 1 sends”" in repr(found)


def test_the_power_off_of_a_script_at_its_end_is_no_turn_of_it():
    def prints():
        yield vcpu_run(1)
        yield print_line("bye")

    run = ran(prints, echo)
    found = run.instructions(traps(run)[-1].seq)
    assert found.note == f"VM 0 vCPU 0 is a script: 1 action to event {traps(run)[-1].seq}."
    assert repr(found).splitlines()[2].endswith("prints “bye”")


def test_an_action_that_is_done_again_without_a_turn_of_the_script():
    def runs_twice():
        yield vcpu_run(1)
        yield vcpu_run(1)

    def waits():
        yield hfedu.wait_for_interrupt()

    run = ran(runs_twice, waits, fixes=["no-interrupt"])
    for event in traps(run, Kind.WFI):
        assert texts_of_places(run.instructions(event.seq)) == ["yield hfedu.wait_for_interrupt()"]


@pytest.mark.slow
def test_a_repaired_hypervisor_shows_the_repair():
    run = hfedu.Machine(RELAY, profile="fixed").run()
    files = {step.place.file for trap in traps(run) for step in run.steps(trap.seq)}
    assert {"hf/api.py", "history/switching.py"} <= files
    assert not any("spinlock" in file for file in files)
    assert all(step.place.text == source_line(step.place) for trap in traps(run) for step in run.steps(trap.seq))


def test_a_counterexample_shows_its_steps_up_to_its_end():
    def ready():
        yield configure()
        yield vcpu_run(1)

    def runs():
        yield vcpu_run(1)

    def sends():
        yield send(1, b"hello")
        yield vcpu_run(1)

    def receiver():
        yield configure()
        yield send(0, b"")
        yield receive()

    race = Scenario("race", "A receive against a send and a run.", ready, (runs, sends), (receiver,))
    found = explore(race, first=True)
    run = counterexample(found, found.violations[0], hfedu.Machine)
    steps = [step for trap in traps(run) for step in run.steps(trap.seq)]
    assert steps
    assert max(step.event for step in steps) == run.events[-1].seq - 1
    assert len(run.instructions(traps(run)[-1].seq)) >= 1


def test_a_run_that_does_not_repeat_itself_is_told():
    def guesses():
        yield hfedu.hvc(random.getrandbits(60))

    run = ran(guesses)
    for look in (run.steps, run.instructions):
        with pytest.raises(hfedu.Mistake, match="does not repeat itself, event 3 comes out differently: stop runs by"):
            look(3)
    told = [1]

    def once():
        yield hfedu.hvc(told.pop())

    with pytest.raises(hfedu.Mistake, match="does not repeat itself, it raises IndexError"):
        ran(once).steps(3)


def test_a_guest_that_reads_the_clock_does_not_repeat_itself():
    """isb; mrs x1, cntvct_el0; mov x0, #VM_GET_COUNT; hvc"""
    run = ran(code(0xD503_3FDF, 0xD53B_E041, VM_COUNT, HVC, *POWER_OFF), clock="host")
    assert run.events[3].args[0] != 0
    with pytest.raises(hfedu.Mistake, match="event 3 comes out differently"):
        run.steps(3)


def test_a_run_that_the_clock_stopped_has_no_way_to_its_end():
    run = ran(code(0x9100_0421, 0x17FF_FFFF), max_instructions=None, max_seconds=0.05)
    with pytest.raises(hfedu.Mistake, match="does not repeat itself, the clock stopped it"):
        run.instructions(len(run.events) - 1)


@pytest.mark.parametrize("seq", [-1, 99, None, "4", 4.0])
def test_no_such_event(seq):
    run = ran(code(VM_COUNT, HVC, *POWER_OFF))
    for look in (run.steps, run.instructions):
        with pytest.raises(hfedu.Mistake, match="there is no event"):
            look(seq)


def test_a_recording_made_by_hand_cannot_be_looked_into():
    run = ran(code(VM_COUNT, HVC, *POWER_OFF))
    with pytest.raises(hfedu.Mistake, match="does not say how it was made"):
        type(run)(run.events, run.uart, run.outcome, run.lifelines).steps(3)


def test_both_show_themselves():
    run = hfedu.Machine(RELAY).run()
    for look in (run.steps, run.instructions):
        listing = look(21, 3) if look == run.instructions else look(21)
        again = look(21, 3) if look == run.instructions else look(21)
        assert repr(listing) == repr(again)
        assert repr(listing).startswith("Event 21: VM 0 vCPU 0 calls HF_MAILBOX_SEND(VM 1, 5 bytes)\n")
        html = listing._repr_html_()
        assert html.count("<tr>") == len(listing) + 1
        for row in listing.rows:
            assert f">{row.code}</code>" in html
    assert "hf/api.py:" in run.steps(21)._repr_html_()
    assert "<table>" not in run.steps(0)._repr_html_()


@pytest.mark.slow
@pytest.mark.parametrize("make", [relay, refusals, lambda: two_cpus("every 1")], ids=["relay", "scripts", "two CPUs"])
def test_a_file_holds_what_the_kernel_would_answer(make):
    run = make()
    kept = all_answers(run)
    for event in run.events:
        for ask in ("steps", "instructions"):
            found = dict(kept["answers"][kept["of"][f"{ask} {event.seq}"]])
            found["rows"] = [kept["rows"][n] for n in found["rows"]]
            limit = {"limit": INSTRUCTIONS_KEPT} if ask == "instructions" else {}
            expected = listing(getattr(run, ask)(event.seq, **limit))
            assert all(kept["sources"][file].items() >= lines.items() for file, lines in expected["sources"].items())
            assert found == {name: expected[name] for name in ("note", "guest", "leftOut", "rows")}
        for line in run.lifelines:
            number = next(p["answer"] for p in reversed(kept["since"][line.name]) if p["seq"] <= event.seq)
            assert kept["answers"][number]["links"] == answer(run, "why", event.seq, line.name)["links"]
        if (number := kept["of"].get(f"why {event.seq}")) is not None:
            assert kept["answers"][number] == answer(run, "why", event.seq)
        else:
            assert not words.failed(event)
            assert event.kind not in (Kind.WFI, Kind.FAULT, Kind.END)


@pytest.mark.slow
def test_a_file_of_a_guest_that_executes_much_holds_the_steps_alone():
    """mov x1, #60000; 1: subs x1, x1, #1; b.ne 1b; mov x0, #VM_GET_COUNT; hvc; then off"""
    run = ran(code(0xD29D_4C01, 0xF100_0421, 0x54FF_FFE1, VM_COUNT, HVC, *POWER_OFF), max_instructions=None)
    kept = all_answers(run)
    assert "steps 4" in kept["of"]
    assert "instructions 4" not in kept["of"]
    assert kept["missing"] == "This needs a kernel: open the run in a notebook."


def asked(player, message):
    answers = []
    player.send = answers.append
    player._handle_custom_msg(message, [])
    (answer,) = answers
    return json.loads(json.dumps(answer))


def test_the_player_answers():
    run = hfedu.Machine(RELAY).run()
    player = Player(run)
    steps = asked(player, {"ask": "steps", "seq": 21, "id": 1})
    assert (steps["ask"], steps["seq"], steps["id"], steps["leftOut"]) == ("steps", 21, 1, 0)
    assert [row["code"] for row in steps["rows"]] == [step.place.text for step in run.steps(21)]
    assert steps["rows"][0]["locks"] == "VM 0"
    changes = [change for row in steps["rows"] for change in row["changed"]]
    assert {"what": "VM 1 mailbox state", "old": "EMPTY", "now": "READ"} in changes
    instructions = asked(player, {"ask": "instructions", "seq": 9, "id": "b"})
    assert instructions["rows"][-1]["code"] == "hvc #0"
    assert instructions["rows"][-1]["at"].startswith("0x")
    assert instructions["note"].startswith("VM 0 vCPU 0 executed 8 instructions")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"ask": "steps", "seq": 99, "id": 1}, "there is no event 99"),
        ({"ask": "steps", "id": 1}, "there is no event None"),
        ({"ask": "when", "seq": 1, "id": 1}, "cannot show 'when': ask for steps, instructions, code or why"),
        ({"ask": "why", "seq": 99, "id": 1}, "there is no event 99"),
        ({"ask": "why", "seq": 1, "vcpu": "vm9", "id": 1}, "there is no vCPU 'vm9'"),
        ({"ask": ["steps"], "seq": 1, "id": 1}, "cannot show"),
        ("steps", "cannot show None"),
    ],
)
def test_the_player_answers_nonsense_with_a_sentence(message, says):
    answer = asked(Player(hfedu.Machine(RELAY).run()), message)
    assert says in answer["error"]
    assert "rows" not in answer


def test_a_run_that_the_clock_stopped_within_a_call_has_the_steps_up_to_there():
    """Wherever it was stopped: made again it goes further, and what lies beyond its last event is not shown."""
    run, seen = two_cpus(5), 0
    stopped = Outcome("budget", "The run used up its 1 seconds.", 1, by_clock=True)
    for count in range(5, len(run.events), 3):
        part = replace(run, events=run.events[:count], outcome=stopped)
        for seq in range(max(0, count - 4), count):
            with suppress(hfedu.Mistake):  # a run of the clock need not repeat
                steps = part.steps(seq)
                assert all(step.event < count for step in steps)
                seen += len(steps)
    assert seen > 10


def test_the_code_at_an_event_is_what_ran_and_the_condition_that_refused():
    run = refusals()
    for event in run.events:
        found = code_at(run, event.seq)
        if event.refused is None:
            assert not [
                line for piece in found for line in piece.lines if line.mark == "no" and event.kind is Kind.RETURN
            ]
            continue
        marked = [(piece.file, line) for piece in found for line in piece.lines if line.mark == "no"]
        assert next(line.text.strip() for _, line in marked) == "if not room:"
        assert event.refused.condition in marked[-1][1].text
        assert {line.value for _, line in marked} == {"state is READ"}
        passed = [line.text.strip() for piece in found for line in piece.lines if line.mark == "yes"]
        assert {"if not fits:", "if not other:", "if not configured:"} <= set(passed)
    sent = next(e for e in run.events if e.kind is Kind.DELIVER)
    guest, *below = code_at(run, sent.seq)
    assert [line.text.strip()[:14] for line in guest.lines if line.mark == "now"] == ["yield send(1, "]
    values = [line.value for piece in below for line in piece.lines if line.value]
    assert "EMPTY → READ" in values
    relayed = hfedu.boot(RELAY, title="relay")
    sends = next(e for e in relayed.events if e.kind is Kind.HYPERCALL and e.call.verb == "send" and e.actor.vm == 1)
    guest = code_at(relayed, sends.seq)[0]
    [line] = [line for line in guest.lines if line.mark == "now"]
    assert (line.n, line.text.strip()) == (relayed.source(sends.seq).line, relayed.source(sends.seq).text)


def test_looking_at_the_code_leaves_the_run_and_the_tracer_as_they_were():
    run, before = refusals(), sys.gettrace()
    events = run.events
    for seq in (5, 14, 18, 22):
        code_at(run, seq)
        assert sys.gettrace() is before
    assert run.events == events == refusals().events
