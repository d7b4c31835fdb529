"""A recording tells the truth: results once, causes before effects, and states that are those of the machine."""

from array import array

import pytest
import runs
from test_smp import boot as two_cpus

import hfedu
from hfedu import Kind, RamDisk, asset, clear, configure, hvc, receive, send, smc, vcpu_run
from hfedu.hf import call
from hfedu.hf.arch import REGISTER_NAMES, SYSTEM
from hfedu.hf.psci import PsciCall
from hfedu.run import words
from hfedu.run.kinds import CALL_KINDS, FOLLOWS, TRAPS
from hfedu.run.recording import Actor

ROLES = {"call", "cpu", "ready", "waits", "message", "before", "interrupt", "armed"}
RELAY = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])


def busy():
    """Two scripts that wait, are woken, are refused, and stop."""

    def primary():
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        yield send(1, "one")
        yield send(1, "two")
        yield vcpu_run(1)
        yield vcpu_run(9)
        yield hvc(0x7777)
        yield smc(0x7777)
        yield vcpu_run(2)
        yield clear()
        yield vcpu_run(1)

    def first():
        yield configure()
        message = yield receive()
        yield clear()
        yield send(2, message.data)
        yield receive()

    def second():
        yield configure()
        yield receive(block=False)
        message = yield receive()
        yield send(0, message.data)
        yield hfedu.wait_for_interrupt()

    return RamDisk(primary, [first, second])


def interrupted():
    """add x1, x1, #1; b -4: a guest that only a timer stops."""

    def primary():
        for _ in range(3):
            yield vcpu_run(1)

    return RamDisk(primary, [bytes.fromhex("21040091ffffff17")])


ALONE = {
    "relay": (RELAY, {}),
    "relay, repaired": (RELAY, {"profile": "fixed"}),
    "scripts": (busy(), {}),
    "scripts, repaired": (busy(), {"profile": "fixed"}),
    "timer": (interrupted(), {"timer": 101}),
    "pingpong": (RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")]), {"max_traps": 60}),
}
RUNS = {
    **{name: lambda name=name: hfedu.boot(ALONE[name][0], **ALONE[name][1]) for name in ALONE},
    "before the commit": runs.before_the_commit,
    "two CPUs": runs.two_cpus,
    **{f"two CPUs, {schedule}": lambda schedule=schedule: two_cpus(schedule) for schedule in ("every 1", 1, 2, 3)},
}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]()


def test_every_return_follows_its_call_on_the_same_cpu_with_only_effects_between(run):
    for event in run.events:
        if event.kind is not Kind.RETURN:
            continue
        asked = run.events[event.cause]
        assert (asked.kind in CALL_KINDS, asked.actor, asked.cpu) == (True, event.target, event.cpu)
        assert (asked.call, asked.function, asked.args) == (event.call, event.function, event.args)
        assert event.result is not None
        between = [e for e in run.events[asked.seq + 1 : event.seq] if e.cpu == event.cpu]
        assert {e.kind for e in between} <= set(FOLLOWS) - {Kind.RETURN}
        assert all(run.call_of(e) == asked for e in between)
        assert run.returned(asked) == event


def told(run):
    """By the number of each call: the events that tell its result, by who called and what comes next for that."""
    found = {}
    for event in run.events:
        if event.kind in CALL_KINDS:
            found[event.seq] = []
            open_of = {e.actor: e.seq for e in run.events[: event.seq + 1] if e.kind in CALL_KINDS}
        if event.kind is Kind.RETURN or (event.kind is Kind.SWITCH and event.function is not None):
            asked = open_of[event.target]
            assert run.events[asked].function == event.function
            found[asked].append(event.seq)
    return found


def test_the_result_of_each_call_is_told_exactly_once(run):
    for seq, tellers in told(run).items():
        asked = run.events[seq]
        assert asked.result is None, "a call is no result"
        assert len(tellers) <= 1
        later = [e for e in run.events[seq + 1 :] if e.kind in TRAPS and e.actor == asked.actor]
        if later and later[0].kind is not Kind.IRQ:
            assert tellers, "a guest that goes on has its result"
        teller = run.returned(asked)
        assert tellers == ([] if teller is None else [teller.seq])
    for event in run.events:
        if event.kind not in (Kind.RETURN, Kind.SWITCH):
            assert event.result is None


def test_causes_come_before_their_effects_and_have_a_role_of_the_list(run):
    for event in run.events:
        assert bool(event.causes) == (event.kind is not Kind.BOOT)
        assert all(0 <= cause.seq < event.seq for cause in event.causes), event
        assert {cause.role for cause in event.causes} <= ROLES
        assert len({cause.seq for cause in event.causes}) == len(event.causes) or event.kind is Kind.SWITCH
        if event.kind in TRAPS:
            (cause,) = event.causes
            gave = run.events[cause.seq]
            assert (cause.role, gave.kind, gave.target, gave.cpu) == ("cpu", Kind.SWITCH, event.actor, event.cpu)
        elif event.kind in FOLLOWS and run.call_of(event) is not None:
            assert run.call_of(event).cpu == event.cpu


def test_what_was_done_about_a_trap_ends_before_the_next_on_its_cpu(run):
    for event in run.events:
        if event.kind not in TRAPS:
            continue
        last = run.settled(event)
        own = [e for e in run.events[event.seq + 1 :] if e.cpu == event.cpu]
        done = own[: next((i for i, e in enumerate(own) if e.kind not in FOLLOWS), len(own))]
        assert last == (done[-1] if done else event)


def test_an_event_shows_itself_as_its_line_of_the_transcript(run):
    lines = run.transcript().splitlines()[1:]
    for event, line in zip(run.events, lines, strict=True):
        assert repr(event) == words.transcript_line(event)
        shown = repr(event).split()
        if event.kind is Kind.END and f"cpu{event.cpu}" not in line:  # where there are several, the end is of none
            shown.remove(f"cpu{event.cpu}")
        assert line.split() == shown


# The state at an event is the machine's.


def assert_state_is_the_machines(machine, recording):
    """Of all vCPUs and mailboxes, and of the vCPU that runs all registers x0 to x30 and the PC."""
    state, hypervisor = recording.at(len(recording.events) - 1), machine.hypervisor
    for vm in hypervisor.vms:
        mailbox = vm.mailbox
        assert state[f"{vm.name}.mailbox.state"] == mailbox.state.name
        for field in ("send", "recv", "recv_bytes", "recv_from_id"):
            assert state.get(f"{mailbox.name}.{field}", 0) == getattr(mailbox, field)
        for vcpu in vm.vcpus:
            assert state[f"{vcpu.name}.state"] == vcpu.state.name
            regs = machine.cpu.regs if vcpu is machine.cpu.current else vcpu.regs
            for name, value in list(zip(REGISTER_NAMES, regs, strict=True))[:SYSTEM]:
                assert state.get(f"{vcpu.name}.{name}", 0) == value, f"{vcpu.name}.{name} at {recording.events[-1]!r}"
    current = machine.cpu.current
    assert state["cpu0.current"] == Actor(current.vm.id, current.index)


@pytest.mark.parametrize("name", ALONE)
def test_the_folded_state_is_that_of_the_machine_after_every_trap(name):
    disk, options = ALONE[name]
    machine = hfedu.Machine(disk, **options)
    machine.boot()
    compared = 0
    while machine.step():
        assert_state_is_the_machines(machine, machine.recording())
        compared += 1
    assert compared >= 3
    finished = machine.recording()
    assert [e.changes for e in finished.events] == [e.changes for e in hfedu.boot(disk, **options).events]


@pytest.mark.parametrize("name", ALONE)
def test_a_change_begins_at_the_value_that_was_there(name):
    """So nothing lies between two changes of a value, in whatever order the events are folded one by one."""
    disk, options = ALONE[name]
    run, state = hfedu.boot(disk, **options), {}
    for event in run.events:
        for change in event.changes:
            assert state.get(change.what, change.old) == change.old, f"{change} at {event!r}"
            state[change.what] = change.new
        for actor, before, after in event.registers:
            for register, old, new in zip(REGISTER_NAMES, array("Q", before), array("Q", after), strict=False):
                path = f"{actor.name}.{register}"
                assert state.get(path, 0) == old or register == "x0", f"{path} at {event!r}"
                state[path] = new
        folded = run.at(event.seq)
        assert all(folded.get(path, 0) == value for path, value in state.items())


@pytest.mark.parametrize("name", ["relay", "scripts", "pingpong"])
def test_at_a_call_the_registers_are_as_the_guest_made_it(name):
    disk, options = ALONE[name]
    run = hfedu.boot(disk, **options)
    for event in run.events:
        if event.kind in CALL_KINDS:
            state = run.at(event.seq)
            found = tuple(state.of(event.actor, f"x{n}") or 0 for n in range(4))
            assert found == (event.function, *event.args)


def test_a_wait_that_is_skipped_is_skipped_after_it():
    """The PC of a WFI is that of the WFI, also where the hypervisor skips it: that is part of what comes after."""

    def primary():
        yield vcpu_run(1)
        yield vcpu_run(1)

    run = hfedu.boot(RamDisk(primary, [hfedu.assemble("nop\nwfi\nb .")]), profile="fixed")
    wfi = next(event for event in run.events if event.kind is Kind.WFI)
    begin = run.at(2)["vm1.vcpu0.pc"]
    assert run.at(wfi.seq)["vm1.vcpu0.pc"] == begin + 4
    assert run.at(run.settled(wfi).seq)["vm1.vcpu0.pc"] == begin + 8


# What was looked at, and what led to what.


def checks(event, condition):
    return [check for check in event.checks if check.condition == condition]


def test_a_send_notes_the_state_of_the_mailbox_whether_it_passes_or_not():
    run = hfedu.boot(busy())
    passing, refused = (e for e in run.events if e.actor == Actor(0, 0) and e.function == call.HF_MAILBOX_SEND)
    (check,) = checks(passing, "mailbox.state is EMPTY")
    assert (check.on, check.value("state"), check.passed) == ("vm1.mailbox", "EMPTY", True)
    (check,) = checks(refused, "mailbox.state is EMPTY")
    assert (check.on, check.value("state"), check.passed) == ("vm1.mailbox", "READ", False)
    assert run.returned(passing).refused is None
    assert run.returned(refused).refused == check
    assert check.value("something else") is None


def test_whatever_is_refused_has_the_check_that_failed_before_it(run):
    for event in run.events:
        if event.refused is not None:
            assert event.kind is Kind.RETURN
            assert not event.refused.passed
            assert any(event.refused in e.checks for e in run.events[event.cause : event.seq + 1])
            assert words.failed(event)


def test_a_receiver_that_was_woken_has_the_wake_up_and_the_message_among_its_causes():
    run = hfedu.boot(RELAY)
    woken = [e for e in run.events if e.kind is Kind.SWITCH and e.function == call.HF_MAILBOX_RECEIVE]
    assert len(woken) == 2
    for event in woken:
        asked = run.events[event.caused_by("call")]
        assert (asked.kind, asked.function, asked.arg.vm) == (Kind.HYPERCALL, call.HF_VCPU_RUN, event.target.vm)
        wake, delivery = (run.events[event.caused_by(role)] for role in ("ready", "message"))
        assert (wake.kind, wake.target) == (Kind.WAKE, event.target)
        assert (delivery.kind, delivery.target) == (Kind.DELIVER, Actor(event.target.vm))
        assert wake.caused_by("message") == delivery.seq
        began = run.events[wake.caused_by("waits")]
        assert (began.actor, began.function) == (event.target, call.HF_MAILBOX_RECEIVE)
        assert run.returned(began) == event
        assert event.result == call.hf_mailbox_receive_response(delivery.actor.vm, len(delivery.message))


def test_a_receive_that_finds_a_message_has_the_delivery_among_its_causes():
    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "here")
        yield vcpu_run(1)

    def late():
        yield configure()
        yield send(0, "first")
        yield receive()

    run = hfedu.boot(RamDisk(primary, [late]))
    (returned,) = (e for e in run.events if e.kind is Kind.RETURN and e.function == call.HF_MAILBOX_RECEIVE)
    delivery = run.events[returned.caused_by("message")]
    assert (delivery.kind, delivery.message) == (Kind.DELIVER, b"here")
    assert [cause.role for cause in returned.causes] == ["call", "message"]


def test_a_call_that_ends_the_run_returns_to_nobody():
    run = hfedu.boot(RELAY)
    (off,) = (event for event in run.events if event.function == PsciCall.SYSTEM_OFF)
    assert run.returned(off) is None
    assert run.settled(off) == off
    assert run.events[-1].cause == off.seq


# How they show themselves.


def test_ram_disks_machines_and_recordings_show_themselves_in_one_line():
    def echo():
        yield receive()

    disk = RamDisk(echo, [echo, asset("relay.bin"), hfedu.assemble("b .")])
    size = f"{len(disk.image):,} bytes"
    assert repr(disk) == f"<RamDisk: vmlinuz (script), echo (script), relay (machine code), vm3 (compiled), {size}>"
    assert repr(RamDisk.from_bytes(RELAY.image)).startswith("<RamDisk: vmlinuz (machine code), relay (machine code), ")
    machine = hfedu.Machine(RELAY, cpus=2, title="The relay")
    assert repr(machine) == '<Machine "The relay": 2 CPUs, not booted>'
    machine.boot()
    assert repr(machine) == '<Machine "The relay": 2 CPUs, after 5 events>'
    machine = hfedu.Machine(RELAY)
    run = machine.run()
    assert repr(machine) == f'<Machine "RAM disk": 1 CPU, after {len(run.events)} events, power off>'
    assert repr(run) == f"<Recording of RAM disk: {len(run.events)} events, power off>"
    quiet = hfedu.Machine(RELAY, record=False)
    quiet.run()
    assert repr(quiet) == '<Machine "RAM disk": 1 CPU, after 19 traps, power off>'


@pytest.mark.parametrize("image", [RELAY.image.replace(b"relay", b"r\nl\x1by"), bytes(512), b"\xff" * 4096])
def test_any_ram_disk_shows_itself_in_one_line(image):
    disk = RamDisk(b"1")
    disk.image = image
    shown = repr(disk)
    assert shown.isprintable()
    assert len(shown) < 200


def test_an_exploration_shows_itself_in_a_line_and_one_for_each_violation():
    def ready():
        yield configure()
        yield vcpu_run(1)

    def runs_it():
        yield vcpu_run(1)

    def waits():
        yield receive()

    found = hfedu.explore(hfedu.Scenario("Two runs", "Two CPUs run one vCPU.", ready, (runs_it, runs_it), (waits,)))
    first, *others = repr(found).splitlines()
    assert first.startswith("Two runs: ")
    assert len(others) == max(1, len(found.violations))
