"""Scripted guests take the same path as real ones."""

import pytest
from conftest import one

import hfedu
from hfedu import Kind, RamDisk, Secondary, asset
from hfedu.guest.scripted import ScriptError
from hfedu.hf.call import HfVcpuRun

PRIMARY, RELAY = asset("relay_primary.bin"), asset("relay.bin")
WITHOUT_REGISTERS = (Kind.BOOT, Kind.LOAD)


def facts(run):
    """What happened, without what only a real CPU has (registers, the serial line between calls)."""
    return [
        (e.seq, e.cause, e.cpu, e.actor, e.kind, e.target, e.function, e.args, e.result, e.message, e.text, e.changes)
        for e in run.events
        if e.kind not in WITHOUT_REGISTERS
    ]


def scripted_primary():
    """relay_primary.c, line by line."""
    count = yield hfedu.vm_count()
    yield hfedu.configure()
    vm = 1
    while vm < count:
        yield hfedu.vcpu_run(vm)
        vm += 1
    yield hfedu.send(1, "hello")
    vm = 1
    while True:
        result = yield hfedu.vcpu_run(vm)
        if result.code == HfVcpuRun.WAKE_UP:
            vm = result.vm_id
        else:
            break
    yield hfedu.clear()
    yield hfedu.power_off()


def scripted_relay():
    """relay.c, line by line."""
    yield hfedu.configure()
    while True:
        message = yield hfedu.receive(block=True)
        me = message.sender + 1
        count = yield hfedu.vm_count()
        yield hfedu.clear()
        yield hfedu.send(me + 1 if me + 1 < count else 0, message.data)


@pytest.mark.parametrize("which", ["all", "primary", "first", "second"])
def test_scripted_guest_and_its_twin_give_the_same_events(which):
    real = hfedu.boot(RamDisk(PRIMARY, [Secondary(RELAY, name="a"), Secondary(RELAY, name="b")]))
    primary = scripted_primary if which in ("all", "primary") else PRIMARY
    first = scripted_relay if which in ("all", "first") else RELAY
    second = scripted_relay if which in ("all", "second") else RELAY
    mixed = hfedu.boot(RamDisk(primary, [Secondary(first, name="a"), Secondary(second, name="b")]))
    assert facts(mixed) == facts(real)
    assert mixed.outcome == real.outcome
    assert len(facts(real)) > 30


def test_message_reaches_a_scripted_guest_whole():
    got = []

    def sender():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        got.append((yield hfedu.send(1, bytes(range(256)) * 16)))
        yield hfedu.vcpu_run(1)

    def receiver():
        yield hfedu.configure()
        got.append((yield hfedu.receive(block=False)))
        got.append((yield hfedu.receive()))
        got.append((yield hfedu.clear()))
        got.append((yield hfedu.clear()))

    run = hfedu.boot(RamDisk(sender, [receiver]))
    assert run.outcome.status == 0
    assert got == [None, 0, (0, bytes(range(256)) * 16), 0, -1]


def test_scripted_stores_obey_stage_2():
    def primary():
        yield hfedu.vcpu_run(1)

    def intruder():
        yield hfedu.store(0x4008_0000, b"overwritten")

    run = hfedu.boot(RamDisk(primary, [intruder]))
    assert run.outcome.status == 4
    assert "Data abort: pc=0x40f80000, esr=0x92000046, ec=0x24, far=0x40080000, hpfar=0x40080000" in run.uart


def test_a_wfi_is_never_left():
    """The hypervisor of 2018 does not skip a trapped WFI, so the vCPU would trap again; and nothing makes it ready."""
    after = []

    def primary():
        yield hfedu.configure()
        for _ in range(2):
            after.append((yield hfedu.vcpu_run(1)))
        after.append((yield hfedu.send(1, b"wake up")))
        after.append((yield hfedu.vcpu_run(1)))

    def sleeper():
        yield hfedu.configure()
        yield hfedu.wait_for_interrupt()
        after.append("awake")

    hfedu.boot(RamDisk(primary, [sleeper]))
    waits = (HfVcpuRun.WAIT_FOR_INTERRUPT, 0, 0)
    assert after == [waits, waits, 0xFFFF, waits]


def test_a_primary_that_waits_for_an_interrupt_is_stuck():
    """Its WFI does not trap, so the hypervisor never hears of it."""

    def primary():
        yield hfedu.wait_for_interrupt()

    run = hfedu.boot(RamDisk(primary))
    assert (run.outcome.kind, run.outcome.status) == ("stuck", 3)
    assert not any(event.kind is Kind.WFI for event in run.events)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (lambda: None, "no scripted guest"),
        (print, "no scripted guest"),
        (lambda x: (yield), "needs arguments (x)"),
    ],
)
def test_what_is_no_script_is_refused_early(script, says):
    with pytest.raises(ScriptError, match=says.replace("(", r"\(").replace(")", r"\)")):
        RamDisk(script)


@pytest.mark.parametrize("wrong", [1.0, "1", [1], None])
def test_a_call_that_a_script_made_before_still_refuses_what_only_looks_the_same(wrong):
    hfedu.vcpu_run(1)
    with pytest.raises(hfedu.Mistake, match="whole number"):
        hfedu.vcpu_run(wrong)


def test_a_script_that_yields_nonsense_is_told_so():
    def primary():
        yield "receive"

    with pytest.raises(ScriptError, match="yielded 'receive': yield a call such as"):
        hfedu.boot(RamDisk(primary))


def test_scripts_need_no_unicorn():
    import subprocess
    import sys

    code = (
        "import sys, hfedu\n"
        "def primary():\n yield hfedu.vm_count()\n"
        "hfedu.boot(hfedu.RamDisk(primary))\nassert 'unicorn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_real_run_replayed_from_bytes_is_the_same_run():
    """Same RAM disk, same events: a run is a pure function of its inputs."""
    image = one("broadcast_3").initrd
    assert hfedu.boot(image).events == hfedu.boot(image).events
