"""Data races: two accesses that nothing orders, found in every order, and not where a lock orders them."""

import inspect
import re
import textwrap

import pytest

import hfedu
from hfedu import (
    Scenario,
    clear,
    compare_and_swap,
    configure,
    load,
    load_acquire,
    receive,
    send,
    store,
    store_release,
    vcpu_run,
)  # fmt: skip
from hfedu.course.shared.defects import DEFECTS
from hfedu.hf import api
from hfedu.hf.api import Api, running
from hfedu.hf.hypervisor import Hypervisor
from hfedu.run.explorer import Search, task_of
from hfedu.run.moves import BUILT_IN, replayer
from hfedu.run.races import RACE
from hfedu.view.player import player_data
from hfedu.view.sequence import sequence

A = 0x4010_0000


def ready():
    yield configure()
    yield vcpu_run(1)


def two_messages():
    yield send(1, "one")
    yield send(1, "two")


def run_twice():
    yield vcpu_run(1)
    yield vcpu_run(1)


def reader():
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


CLEARS = Scenario("clears", "", ready, (two_messages, run_twice), (reader,))


class NoLockClear(Hypervisor):
    """A clear without the VM's lock."""

    def api_mailbox_clear(self, cpu):
        return (yield from self.clear_locked(running(cpu).vm)), None


def races(found):
    return {v.invariant.removeprefix(f"{RACE} on "): v for v in found.violations if v.invariant.startswith(RACE)}


def test_a_clear_without_the_lock_races_with_a_send():
    found = hfedu.explore(CLEARS, profile="fixed", changes=[NoLockClear], races=True)
    assert set(races(found)) == {"vm1.mailbox.state"}
    (violation,) = found.violations
    assert "mailbox.state = EMPTY" in violation.sentence
    assert "self.require(mailbox.state is EMPTY" in violation.sentence
    assert violation.sentence.endswith("and nothing orders the two")
    run = found.counterexample()
    assert run.outcome.kind == "violation"
    assert len(set(violation.schedule[-2:])) == 2, "the two accesses are the last two steps"
    assert not hfedu.explore(CLEARS, profile="fixed", races=True).violations


def test_without_being_asked_nobody_looks_for_races():
    assert not hfedu.explore(CLEARS, profile="fixed", changes=[NoLockClear]).violations


KNOWN = {
    # HF_INTERRUPT_INJECT sets the bit under vm.lock; a CPU that runs the vCPU looks at it under none, and sees it at
    # its next trap if not at this one: that is what the repair says of itself.
    "wfi-repeats": {"vm1.vcpu0.pending"},
    "late-interrupt": {"vm1.vcpu0.pending"},
}


@pytest.mark.parametrize("defect", [name for name, defect in DEFECTS.items() if hasattr(defect, "scenario")])
def test_with_every_repair_the_known_races_are_all_there_are(defect):
    found = hfedu.explore(DEFECTS[defect].scenario, (), profile="fixed", races=True)
    assert set(races(found)) == KNOWN.get(defect, set())


@pytest.mark.slow
def test_the_register_race_is_a_data_race():
    found = hfedu.explore(DEFECTS["regs-race"].scenario, (), races=True)
    assert set(races(found)) == {"vm1.vcpu0.regs"}


def idle():
    yield receive(block=True)


def nothing():
    yield from ()


def add():
    number = yield load(A)
    yield store(A, number + 1)


def test_scripts_race_too_and_the_lines_are_theirs():
    found = hfedu.explore(Scenario("add", "", nothing, (add, add), (idle,)), (), races=True)
    ((name, violation),) = races(found).items()
    assert name == f"memory at {A:#x}"
    assert "number = yield load(A)" in violation.sentence or "yield store(A, number + 1)" in violation.sentence
    assert "test_explorer_races.py line" in violation.sentence


def test_two_words_are_no_race():
    def other():
        number = yield load(A + 8)
        yield store(A + 8, number + 1)

    assert not hfedu.explore(Scenario("words", "", nothing, (add, other), (idle,)), (), races=True).violations


# Accesses that CPUs synchronise with.


def add_at_once():
    while True:
        number = yield load_acquire(A)
        if (yield compare_and_swap(A, number, number + 1)) == number:
            return number


def test_a_compare_and_swap_loses_no_update_and_is_no_race():
    three = Scenario("cas", "", nothing, (add_at_once, add_at_once, add_at_once), (idle,))
    found = hfedu.explore(three, (), ends=lambda machine: machine.load(A) == 3, races=True)
    assert found.complete
    assert not found.violations
    assert {tuple(sorted(result)) for result in found.results} == {(0, 1, 2)}


def test_a_compare_and_swap_that_finds_something_else_changes_nothing():
    def fails():
        found = yield compare_and_swap(A, 7, 9)
        return found, (yield load(A))

    assert hfedu.explore(Scenario("fails", "", nothing, (fails,), (idle,)), ()).results == (((0, 0),),)
    with pytest.raises(hfedu.Mistake, match="compare_and_swap\\(\\) takes whole numbers, not 'x'"):
        compare_and_swap(A, "x", 1)


def publish(store_flag):
    def script():
        yield store(A, 42)
        yield store_flag(A + 8, 1)

    return script


def consume(load_flag):
    def script():
        while (yield load_flag(A + 8)) == 0:
            pass
        return (yield load(A))

    return script


def test_a_flag_that_is_no_atomic_is_a_race_and_one_that_is_is_none():
    plain = Scenario("plain", "", nothing, (publish(store), consume(load)), (idle,))
    atomic = Scenario("atomic", "", nothing, (publish(store_release), consume(load_acquire)), (idle,))
    assert set(races(hfedu.explore(plain, (), races=True))) == {f"memory at {A + 8:#x}"}
    assert not hfedu.explore(atomic, (), races=True).violations
    assert hfedu.explore(atomic, ()).results == ((None, 42),)


KEPT = []


def keeps():
    KEPT.append((yield load(A)))


def test_where_races_cannot_be_looked_for_it_says_so():
    with pytest.raises(hfedu.Mistake, match="keep nothing outside of the scripts"):
        hfedu.explore(Scenario("keeps", "", nothing, (keeps, add), (idle,)), (), races=True)


def test_steps_are_learned_where_all_that_changes_is_the_hypervisors():
    """Else each search would go by replay alone, and nobody would see more of it than that it takes longer."""
    task = task_of(CLEARS, (), None, True, (), {})
    learner = Search(task, replayer(task), None, True, False, True).learner
    assert learner is not None
    assert learner.root


def accesses(run):
    return [event for event in run.events if event.kind is hfedu.Kind.ACCESS]


def test_the_two_accesses_are_events_of_the_counterexample():
    found = hfedu.explore(CLEARS, profile="fixed", changes=[NoLockClear], races=True)
    run = found.counterexample()
    first, second = accesses(run)
    assert (first.cpu, second.cpu) == found.violations[0].schedule[-2:]
    assert "writes vm1.mailbox.state" in first.text
    assert "mailbox.state = EMPTY" in first.text
    assert "reads vm1.mailbox.state" in second.text
    assert second.seq == len(run.events) - 2, "it comes right before the end"
    assert "CPU 1 writes VM 1's mailbox.state" in run.transcript()
    assert run.why(first.seq)
    assert run.steps(first.seq).rows == run.steps(22).rows, "the run is repeated, accesses and all"
    assert run.call_of(first.seq).seq == 22


def test_accesses_of_scripts_are_events_too():
    run = hfedu.explore(Scenario("add", "", nothing, (add, add), (idle,)), (), races=True).counterexample()
    assert [event.cpu for event in accesses(run)] in ([0, 1], [1, 0])
    assert all(f"memory at {A:#x} (test_explorer_races.py line" in event.text for event in accesses(run))


def test_the_accesses_are_marked_in_the_player_and_in_the_picture():
    found = hfedu.explore(CLEARS, profile="fixed", changes=[NoLockClear], races=True)
    run = found.counterexample()
    page = player_data(run)
    rows = [page["facts"][fact] for fact in page["columns"]["fact"]]
    marked = [(row["way"], row["label"]) for row in rows if row["way"] == "access"]
    assert marked == [
        ("access", "CPU 1 writes VM 1's mailbox.state"),
        ("access", "CPU 0 reads VM 1's mailbox.state"),
    ]
    (frame,) = (shape for shape in sequence(run).shapes if getattr(shape, "role", "") == "fatal")
    assert frame.seq == accesses(run)[0].seq, "the frame begins at the first"


def test_a_race_has_no_order_beside_it_that_keeps_it():
    found = hfedu.explore(CLEARS, profile="fixed", changes=[NoLockClear], races=True)
    beside = found.compare()
    assert beside.passing is None
    assert beside.sentence == "Nothing orders the last two steps: either can come first."
    with pytest.raises(hfedu.Mistake, match="a token cannot hold"):
        hfedu.explore(DEFECTS["regs-race"].scenario, (), races=True).counterexample().token()


# What orders, and what does not.


class LooksFirst(Hypervisor):
    """A send that looks at the mailbox before it takes the lock."""

    def api_mailbox_send(self, cpu, vm_id, size):
        if self.vms[1].mailbox.state is None:
            raise AssertionError("never so")
        return (yield from super().api_mailbox_send(cpu, vm_id, size))


@pytest.mark.slow
def test_a_look_before_the_lock_is_taken_is_a_race():
    found = hfedu.explore(CLEARS, (), profile="fixed", changes=[LooksFirst], races=True)
    assert set(races(found)) == {"vm1.mailbox.state"}
    assert "if self.vms[1].mailbox.state is None" in found.violations[0].sentence
    assert "mailbox.state = EMPTY" in found.violations[0].sentence


def loads(address):
    def script():
        return (yield load(address))

    return script


def stores(*addresses, flag=None):
    def script():
        for address in addresses:
            yield store(address, 1)
        if flag is not None:
            yield store_release(flag, 1)

    return script


def late_store():
    yield store_release(A + 8, 1)
    yield store(A, 1)


def store_then_meet():
    yield store(A, 1)
    yield hfedu.meet()


def meet_then_load():
    yield hfedu.meet()
    return (yield load(A))


def locked(early=False):
    def script():
        number = (yield load(A)) if early else 0
        while (yield compare_and_swap(A + 16, 0, 1)):
            pass
        if not early:
            number = yield load(A)
        yield store(A, number + 1)
        yield store_release(A + 16, 0)

    return script


@pytest.mark.parametrize(
    ("scripts", "found"),
    [
        ((loads(A), loads(A)), set()),
        ((stores(A), loads(A + 8)), set()),
        ((stores(A), loads(A + 4)), {f"memory at {A + 4:#x}"}),
        ((store_then_meet, meet_then_load), set()),
        ((stores(A, flag=A + 8), consume(load_acquire)), set()),
        ((late_store, consume(load_acquire)), {f"memory at {A:#x}"}),
        ((locked(), locked()), set()),
        ((locked(), locked(early=True)), {f"memory at {A:#x}"}),
    ],
    ids=["reads", "two words", "a part", "a meeting", "a flag", "after the flag", "a lock", "before the lock"],
)
def test_what_orders_two_accesses_and_what_does_not(scripts, found):
    assert set(races(hfedu.explore(Scenario("pair", "", nothing, scripts, (idle,)), (), races=True))) == found


@pytest.mark.parametrize("defect", ["regs-race", "nested-locks"])
def test_a_violation_is_as_short_by_learned_steps_as_by_real_ones(defect):
    task = task_of(DEFECTS[defect].scenario, hfedu.INVARIANTS, None, True, (), {})
    replay = replayer(task)
    search = Search(task, replay, None, True, False, True)
    search.run(lambda: False, None, None, None)
    longer = {name: (0, 1, *schedule) for name, (_, schedule) in search.found.items() if name not in BUILT_IN}
    for name, schedule in longer.items():
        learned = search.shortened(name, schedule)
        learner, search.learner = search.learner, None
        assert search.shortened(name, schedule) == learned
        search.learner = learner
    assert any(search.shortened(name, schedule) != schedule for name, schedule in longer.items())
    replay.leave()


# Orders that calls make.


def tells():
    yield store(A, 1)
    yield send(1, "done")


def told(look):
    def script():
        while (yield vcpu_run(1)).code != 3 and look:
            pass
        return (yield load(A))

    return script


def answers():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(0, message.data)


@pytest.mark.parametrize(("look", "found"), [(True, set()), (False, {f"memory at {A:#x}"})])
def test_a_message_and_the_switch_that_brings_it_order_memory(look, found):
    scenario = Scenario("told", "", ready, (tells, told(look)), (answers,))
    explored = hfedu.explore(scenario, (), profile="fixed", races=True)
    assert set(races(explored)) == found
    assert look is False or {result for _, result in explored.results} == {1}


def without(name, lock):
    """A hypervisor one function of which leaves a lock out: neither takes nor drops it."""
    source = textwrap.dedent(inspect.getsource(getattr(Api, name)))
    made = {}
    left, times = re.subn(rf"yield from sl_(un)?lock\(cpu, {re.escape(lock)}\)", "pass", source)
    assert times
    exec(left, vars(api), made)
    return type("Without", (Hypervisor,), {name: made[name]})


def send_one():
    yield send(1, "one")


def send_and_run():
    yield send(1, "one")
    yield vcpu_run(1)


def configures():
    yield configure()


BOTH = Scenario("both", "", ready, (send_and_run, run_twice), (reader,))
CONFIGURE = Scenario("configure", "", nothing, (configures, configures), (reader,))
SEND_FIRST = Scenario("send first", "", nothing, (send_one, configures), (reader,))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lock", "scenario", "on"),
    [
        ("api_vm_configure", "vm.lock", CONFIGURE, "vm0.mailbox.send"),
        ("api_mailbox_send", "sender.lock", SEND_FIRST, "vm0.mailbox.send"),
        ("api_mailbox_send", "to.lock", CLEARS, "vm1.mailbox.recv_waiter"),
        ("api_mailbox_clear", "vm.lock", CLEARS, "vm1.mailbox.state"),
        ("api_vcpu_run", "vcpu.lock", BOTH, "vm1.vcpu0.state"),
        ("api_switch_to_primary", "vcpu.lock", BOTH, "vm1.vcpu0.state"),
        ("push_waiter", "vcpu.lock", BOTH, "vm1.vcpu0.state"),
        ("wake", "waiter.lock", BOTH, "vm1.vcpu0.state"),
    ],
)
def test_each_lock_that_a_function_leaves_out_is_a_race(name, lock, scenario, on):
    assert on in races(hfedu.explore(scenario, (), changes=[without(name, lock)], races=True))
    assert on not in races(hfedu.explore(scenario, (), races=True))
