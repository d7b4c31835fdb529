"""A token makes its run again, or says what differs."""

import base64
import json
import re
import zlib
from contextlib import suppress

import pytest
from conftest import one
from hypothesis import given, settings
from hypothesis import strategies as st

import hfedu
from hfedu import Mistake, RamDisk, clear, configure, cpu_on, meet, receive, send, vcpu_run
from hfedu.run import token as tokens
from hfedu.run.explorer import Scenario, counterexample, explore

RECORDED = ["broadcast_3", "chain_relay_4", "wfi_never_resumes", "rand_0001", "sec_read_unmapped", "boot_64mb"]


def echo():
    yield configure()
    message = yield receive()
    yield clear()
    yield send(message.sender, message.data)


def disk(text="hello", rounds=1):
    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield meet()
        yield vcpu_run(1)

    def second():
        yield meet()
        for _ in range(rounds):
            yield send(1, text)
            yield vcpu_run(1)

    return RamDisk([first, second], [echo])


def run_of(schedule=1, **options):
    return hfedu.Machine(disk(), cpus=2, schedule=schedule, **options).run()


TOKEN = run_of(3).token()


def assert_same(run, again):
    assert again.events == run.events
    assert (again.uart, again.outcome, again.title) == (run.uart, run.outcome, run.title)
    assert again.token() == run.token()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_is_repeated(name):
    recorded = one(name)
    run = hfedu.boot(recorded.initrd, memory=recorded.memory, title=name, append="a=1")
    text = run.token()
    assert text.startswith("hfedu1.")
    assert len(text) < 300
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert_same(run, hfedu.replay(text, recorded.initrd))


OPTIONS = [
    {"schedule": 7}, {"schedule": "every 3"}, {"schedule": (0, 0, 0)}, {"timer": 50}, {"fixes": ["blocked-state"]},
    {"fixes": "blocked-state"}, {"profile": "fixed"}, {"max_traps": 5}, {"max_traps": None, "max_seconds": 60},
    {"memory": "32M"}, {"memory": 32 << 20}, {"heap_pages": 60},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_is_kept(options):
    run = run_of(**options)
    assert_same(run, hfedu.replay(f"  {run.token()}\n", disk()))


def test_a_run_of_a_spinning_guest_ends_at_the_same_instruction():
    spin = RamDisk(b"\0\0\0\x14")
    run = hfedu.boot(spin, max_instructions=12_345, max_seconds=None)
    assert run.outcome.kind == "budget"
    assert_same(run, hfedu.replay(run.token(), spin))


def test_a_counterexample_has_a_token():
    def setup():
        yield configure()
        yield vcpu_run(1)

    def runs():
        yield vcpu_run(1)

    scenario = Scenario("race", "Two CPUs run one vCPU.", setup, (runs, runs), (echo,))
    found = explore(scenario)
    assert found.violations
    run = counterexample(found, found.violations[0], hfedu.Machine)
    assert run.outcome.kind == "violation"
    assert_same(run, hfedu.replay(run.token(), scenario.disk(2)))


def test_another_ram_disk_is_refused():
    with pytest.raises(Mistake, match="made with another RAM disk"):
        hfedu.replay(TOKEN, one("broadcast_3").initrd)
    with pytest.raises(Mistake, match="made with another RAM disk"):
        hfedu.replay(TOKEN, RamDisk([echo], [echo]))


@pytest.mark.parametrize("other", [{"text": "hallo"}, {"rounds": 2}, {"rounds": 0}, {"rounds": 10_000}], ids=str)
def test_scripts_that_do_something_else_are_found_out_at_the_event_that_differs(other):
    run, now = run_of(3), hfedu.Machine(disk(**other), cpus=2, schedule=3, max_traps=500).run()
    pairs = enumerate(zip(run.events, now.events, strict=False))
    truth = next(seq for seq, (then, new) in pairs if then != new)
    with pytest.raises(Mistake, match="the same RAM disk made another run") as caught:
        hfedu.replay(TOKEN, disk(**other))
    alone, first, last = re.search(r"is event (\d+)|events (\d+) to (\d+)", str(caught.value)).groups()
    assert int(alone or first) <= truth <= int(alone or last)


def test_the_first_event_is_named_alone_in_a_short_run():
    def primary():
        yield vcpu_run(first)
        yield vcpu_run(2)

    first = 3
    text = hfedu.boot(RamDisk(primary)).token()
    assert_same(hfedu.boot(RamDisk(primary)), hfedu.replay(text, RamDisk(primary)))
    first = 4
    with pytest.raises(Mistake, match=r"the first event that differs is event 3 of the token's 9\."):
        hfedu.replay(text, RamDisk(primary))


def test_another_version_is_named(monkeypatch):
    monkeypatch.setattr(hfedu, "__version__", "9.9")
    with pytest.raises(Mistake, match=r"made by hfedu 0\.1\.0 and this is 9\.9: install that version"):
        hfedu.replay(TOKEN, disk())


def test_the_clock_cannot_be_repeated():
    run = hfedu.boot(RamDisk(b"\0\0\0\x14"), max_seconds=0.05)
    with pytest.raises(Mistake, match=r"the clock stopped this run.*max_traps or max_instructions"):
        run.token()


def test_what_is_no_whole_run_has_no_token():
    machine = hfedu.Machine(disk(), cpus=2)
    machine.boot()
    for unfinished in (machine.recording(), hfedu.Machine(disk(), cpus=2, record=False).run()):
        with pytest.raises(Mistake, match="only a run that was recorded to its end has a token"):
            unfinished.token()


@pytest.mark.parametrize(
    "text", ["", "hello", None, 7, b"hfedu1.", "hfedu2.abc", "explorer1.x", "HFEDU1.abc", "\ud800"]
)
def test_foreign_text(text):
    with pytest.raises(Mistake, match=r"begins no token of a run: a token begins with hfedu1\."):
        hfedu.replay(text, disk())


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damage_anywhere_is_a_sentence(data):
    at = data.draw(st.integers(0, len(TOKEN) - 1))
    length = data.draw(st.integers(0, 3))
    damaged = TOKEN[:at] + data.draw(st.text(max_size=3)) + TOKEN[at + length :]
    with suppress(Mistake):
        assert tokens.unpack(damaged) == tokens.unpack(TOKEN), "what is not noticed must not matter"


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_other_bytes_behind_the_prefix_are_damage(data):
    with pytest.raises(Mistake, match="the token is damaged"):
        tokens.unpack("hfedu1." + base64.urlsafe_b64encode(data).decode())


@pytest.mark.slow
def test_a_token_that_would_fill_the_memory_is_damage():
    deflate = zlib.compressobj(9, wbits=-15, zdict=tokens.DICTIONARY)
    facts = json.dumps(" " * (1 << 26)).encode()
    packed = zlib.crc32(facts).to_bytes(4, "big") + deflate.compress(facts) + deflate.flush()
    with pytest.raises(Mistake, match="the token is damaged"):
        tokens.unpack("hfedu1." + base64.urlsafe_b64encode(packed).decode())
