"""What recordings and what is shown of them take: memory, and how much is looked at. Never how long anything takes."""

import copy
import gc
import pickle
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from conftest import one
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from runs import before_the_commit, crowd, pingpong, refusals, relay, two_cpus

import hfedu
from hfedu import RamDisk, Scenario, clear, configure, receive, send, vcpu_run
from hfedu.board.memory import PhysicalMemory
from hfedu.run import recording
from hfedu.run.columns import Columns, Events, alike
from hfedu.run.recording import Change, Event, Kind, State
from hfedu.view import player
from hfedu.widgets.player import Player

ROOT = Path(hfedu.__file__).parent.parent


def show(shown: object) -> None:
    """Show something as the last line of a cell does."""
    InteractiveShell.instance()
    try:
        with capture_output():
            shown._ipython_display_()
    finally:
        InteractiveShell.clear_instance()


def grows(action, times: int = 1) -> int:
    """Bytes that are still held after something was done so many times, and what it returned was let go."""
    gc.collect()
    tracemalloc.start()
    for _ in range(times):
        action()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


def displays(run: hfedu.notebook.Run) -> tuple:
    """Every way to put a run on a page."""
    compared = run.compare(relay())
    return lambda: show(run), lambda: Player(run, 7), lambda: show(compared)


@pytest.mark.slow
@pytest.mark.parametrize("way", range(3))
def test_showing_a_run_again_and_again_keeps_no_copy_of_what_the_page_gets(way):
    """Nobody frees a widget: the registry holds each for as long as the kernel lives."""
    few, many = displays(pingpong(12))[way], displays(pingpong(300))[way]
    few(), many()
    assert grows(many, 3) < grows(few, 3) + 3 * 30_000, "displays of a long run hold more than those of a short one"


def test_the_page_gets_the_whole_run_whenever_it_asks():
    shown, seen = Player(relay()), []
    assert len(shown.get_state()["data"]["columns"]["fact"]) == len(relay().events)
    shown.send_state = lambda keys: seen.append(shown.get_state(keys)["data"])
    shown.show(refusals())
    assert len(seen[-1]["columns"]["fact"]) == len(refusals().events) == shown.position + 1


def test_a_run_is_shown_without_the_library_that_paints():
    code = """if True:
        import sys, hfedu
        run = hfedu.boot(hfedu.RamDisk(b"\\0\\0\\0\\x14"), max_instructions=9)
        assert isinstance(run, hfedu.notebook.Run)
        from IPython.core.interactiveshell import InteractiveShell
        InteractiveShell.instance()
        run._ipython_display_()
        run.render("svg")
        assert not {"matplotlib", "numpy"} & set(sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def varied(messages: int) -> RamDisk:
    """A primary that says something else each time, of another length, to an echo."""

    def talk():
        yield configure()
        for number in range(messages):
            yield vcpu_run(1)
            yield send(1, f"{number:x} " * (1 + number % 7))
            yield vcpu_run(1)

    def echo():
        yield configure()
        while True:
            yield receive(block=True)
            yield clear()

    return RamDisk(talk, [echo])


KEPT = {
    "the same again": lambda: pingpong(6000),
    "something else each time": lambda: hfedu.boot(varied(1500), max_seconds=None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_an_event_is_kept_in_150_bytes(name):
    KEPT[name]()  # what is made once
    runs = []
    held = grows(lambda: runs.append(KEPT[name]()))
    assert len(runs[0].events) > 8000
    assert held < 150 * len(runs[0].events)


RUNS = {
    "relay": relay,
    "refusals": refusals,
    "before the commit": before_the_commit,
    "two CPUs": two_cpus,
    "crowd": lambda: crowd(5, 300),
    "pingpong": lambda: pingpong(1500),
    "faults": lambda: hfedu.boot(one("sec_read_unmapped").initrd),
    "varied": lambda: hfedu.boot(varied(40)),
}


@pytest.fixture
def both(monkeypatch):
    """Runs something; gives its recording, and the events as they were before they were put into columns."""
    whole = []
    put = Columns.add

    def add(columns, event):
        if len(columns) == 0:
            whole.clear()
        whole.append(Event(*(getattr(event, field) for field in Event._fields)))
        put(columns, event)

    monkeypatch.setattr(Columns, "add", add)
    return lambda name: (RUNS[name](), whole)


@pytest.mark.parametrize("name", [name for name in RUNS if name != "crowd"])  # made by hand: a plain tuple
def test_events_come_out_of_columns_as_they_were_put_in(name, both):
    run, whole = both(name)
    assert repr([tuple(event) for event in run.events]) == repr([tuple(event) for event in whole])
    assert all(type(a) is type(b) for a, b in zip(run.events, whole, strict=True))
    assert [*reversed(run.events)] == whole[::-1]
    assert all(run.events[-1 - i] == whole[-1 - i] for i in random.Random(1).choices(range(len(whole)), k=30))


def test_events_are_a_sequence_that_behaves_as_a_tuple_does():
    events = relay().events
    whole = tuple(events)
    assert events == whole
    assert whole == events
    assert events == relay().events
    assert events != refusals().events
    assert events != whole[:-1]
    assert (events == 5) is False
    for part in (slice(3, 9), slice(None, None, -2), slice(-4, None), slice(5, 2), slice(0, 10_000)):
        assert events[part] == whole[part]
        assert len(events[part]) == len(whole[part])
        assert events[part][1:] == whole[part][1:]
    assert whole[7] in events
    assert events.index(whole[7]) == 7
    assert repr(events[2:4]) == repr(whole[2:4])
    assert not events[:0]
    for number in (len(whole), -len(whole) - 1):
        with pytest.raises(IndexError):
            events[number]
    for again in (pickle.loads(pickle.dumps(relay())), copy.deepcopy(relay())):
        assert again == relay()
        assert isinstance(again.events, Events)


def test_a_recording_of_a_machine_that_goes_on_does_not_grow():
    machine = hfedu.Machine(RamDisk(*varied_guests(30)))
    for _ in range(25):
        machine.step()
    early = machine.recording()
    before = tuple(early.events)
    machine.run()
    assert early.events == before
    assert len(machine.recording().events) > len(before)
    assert machine.recording().events[: len(before) - 1] == before[:-1]


def varied_guests(messages: int):
    disk = varied(messages)
    return disk.scripts["vmlinuz"][0], [scripts[0] for name, scripts in disk.scripts.items() if name != "vmlinuz"]


def test_values_that_are_equal_and_differ_are_kept_apart():
    """A hypervisor of one's own may keep anything."""
    values = [1, True, 1.0, "1", (1,), (True,), 0.0, -0.0, None, frozenset((1,)), {"a": 1}, {"a": True}, b"1"]
    columns = Columns(foreign=True)
    for seq, value in enumerate(values):
        columns.add(Event(seq, (), 0, None, Kind.STEP, changes=(Change("hypervisor.own", None, value),)))
    assert [repr(columns.event(seq).changes[0].new) for seq in range(len(values))] == [*map(repr, values)]


@pytest.mark.parametrize("name", RUNS)
def test_the_state_at_an_event_is_what_all_changes_before_it_make(name, monkeypatch):
    monkeypatch.setattr(recording, "SPACING", 40)
    run = RUNS[name]()
    states, state = [], State()
    for event in run.events:
        state = recording.fold(state, [event])
        states.append(state)
    order = random.Random(1).sample(range(len(states)), min(len(states), 60))
    for seq in [*order, 39, 40, len(states) - 1]:
        assert seq >= len(states) or (run.at(seq) == states[seq] and list(run.at(seq)) == list(states[seq]))
    run.at(0)["vm0.vcpu0.x0"] = "mine"
    assert run.at(0) == states[0], "a state belongs to whoever asked for it"


def test_a_state_far_into_a_run_takes_no_more_changes_than_one_near_its_begin(monkeypatch):
    run, folded, fold = pingpong(3000), [], recording.fold
    monkeypatch.setattr(recording, "fold", lambda before, events: folded.append(len(events)) or fold(before, events))
    run.at(len(run.events) - 1)
    assert sum(folded) <= len(run.events), "the first time each event is looked at once"
    for seq in random.Random(1).choices(range(len(run.events)), k=50):
        folded.clear()
        run.at(seq)
        assert sum(folded) <= recording.SPACING


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("kind", [tuple, lambda events: events])
def test_events_that_are_alike_differ_in_nothing_that_is_said_of_them(name, kind):
    events = kind(RUNS[name]().events)
    numbers, first = alike(events)
    assert len(numbers) == len(events)
    plain = [event._replace(seq=0, causes=(), registers=(), uart=0) for event in first]
    for event, number in zip(events, numbers, strict=True):
        assert event._replace(seq=0, causes=(), registers=(), uart=0) == plain[number]
    assert sorted(set(numbers)) == [*range(len(first))]


@pytest.mark.slow
def test_what_a_long_run_says_again_is_said_once(monkeypatch):
    asked, fact_of = [], player.fact_of
    monkeypatch.setattr(player, "fact_of", lambda *given: asked.append(given) or fact_of(*given))
    sizes = []
    for traps in (600, 3000):
        asked.clear()
        player.player_data(pingpong(traps))
        sizes.append(len(asked))
    assert sizes[0] == sizes[1] < 100


def configure_alone():
    yield configure()


def run_vm_1():
    yield vcpu_run(1)


def machines() -> int:
    """How many machines there are, used or not yet freed."""
    return sum(isinstance(each, PhysicalMemory) for each in gc.get_objects())


@pytest.mark.slow
def test_explorations_that_are_over_leave_no_machines():
    """But for the last two, in case that one asks the same again."""
    gc.collect()
    before = machines()
    for text in ("a", "b", "c", "d", "e"):

        def answers(text=text):
            yield configure()
            yield send(0, text)

        found = hfedu.explore(Scenario(f"sends {text}", "A send.", configure_alone, (run_vm_1,), (answers,)))
        assert found.complete
    del found
    gc.collect()
    assert machines() <= before + 2


@pytest.mark.slow
def test_machines_that_nobody_has_do_not_pile_up_until_python_looks():
    run = one("boot_64mb")
    gc.collect()
    before = machines()
    gc.disable()
    try:
        for _ in range(40):
            hfedu.boot(run.initrd, memory=run.memory, max_traps=1)
            assert machines() <= before + 17
    finally:
        gc.enable()
