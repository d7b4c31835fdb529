"""The explorer: what it finds, what it says it covered, and that its short cuts lose nothing."""

import gc
import random
import weakref
from concurrent.futures import ProcessPoolExecutor

import pytest
from distributed import Client, LocalCluster

import hfedu
from hfedu import Kind, clear, configure, print_line, receive, send, vcpu_run, wait_for_interrupt
from hfedu.errors import Mistake
from hfedu.run.explorer import Scenario, counterexample, explore
from hfedu.run.invariants import INVARIANTS, Invariant
from hfedu.run.machine import Machine


def ready():
    yield configure()
    yield vcpu_run(1)


def run_vm_1():
    yield vcpu_run(1)


def send_and_run():
    yield send(1, b"hello")
    yield vcpu_run(1)


def send_only():
    yield send(1, b"hi")


def poll():
    while (yield vcpu_run(1)).code != 3:
        pass
    yield clear()


def receiver():
    yield configure()
    yield send(0, b"")
    yield receive()


def echo():
    yield configure()
    message = yield receive()
    yield clear()
    yield send(message.sender, message.data)


def sleeper():
    yield configure()
    yield wait_for_interrupt()


RACE = Scenario("race", "A receive against a send and a run.", ready, (run_vm_1, send_and_run), (receiver,))
CONVERSATION = Scenario("conversation", "A message and its answer.", ready, (poll, send_only), (echo,))
SENDERS = Scenario("senders", "Two messages to one mailbox.", ready, (send_only, send_only), (echo,))
SLEEP = Scenario("sleep", "A message to a VM in WFI.", ready, (send_only, run_vm_1), (sleeper,))


def names(exploration) -> set[str]:
    return {violation.invariant for violation in exploration.violations}


def test_the_race_of_2018_is_found():
    found = explore(RACE)
    assert {"live-once", "registers-kept", "result-kept", "switch-unlocked", "reason"} == names(found)
    assert found.complete
    assert [v.steps for v in found.violations] == sorted(v.steps for v in found.violations)


def test_every_counterexample_is_a_recording_that_ends_at_its_step():
    found = explore(RACE)
    for violation in found.violations:
        run = counterexample(found, violation)
        assert run.outcome.sentence == str(violation)
        assert run.events[-1].kind is Kind.END
        again = Machine(RACE.disk(2), cpus=2, schedule=list(violation.schedule))
        again.boot()
        for _ in violation.schedule:
            assert again.step() or again.outcome is not None


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [SENDERS, SLEEP], ids=lambda s: s.name)
def test_reduction_and_pruning_lose_nothing(scenario):
    pruned, plain = explore(scenario), explore(scenario, prune=False)
    assert pruned.finals == plain.finals
    assert {v.invariant: v.steps for v in pruned.violations} == {v.invariant: v.steps for v in plain.violations}
    assert plain.schedules >= 10 * pruned.schedules


def test_a_circle_is_no_livelock_while_a_way_leads_out():
    found = explore(CONVERSATION)
    assert found.complete
    assert found.schedules is None
    assert "livelock" not in names(found)


def test_livelock():
    def ask():
        while (yield vcpu_run(1)).code != 3:
            pass

    found = explore(Scenario("ask", "", ready, (ask, send_only), (sleeper,)))
    assert "livelock" in names(found)


@pytest.mark.slow
def test_a_script_that_goes_round_by_itself_does_not_hide_the_others():
    def count():
        while True:
            yield hfedu.vm_count()

    found = explore(Scenario("count", "", ready, (count, send_only), (sleeper,)))
    assert {"livelock", "deliverable"} & names(found)
    assert found.complete


def test_a_hang_of_the_hypervisor_is_found():
    found = explore(Scenario("fault", "", ready, (run_vm_1, send_only), (broken_guest,)))
    assert "hang" in names(found)


def test_a_counterexample_hangs_at_its_last_step():
    found = explore(Scenario("fault", "", ready, (run_vm_1, send_only), (broken_guest,)))
    (hang,) = [violation for violation in found.violations if violation.invariant == "hang"]
    machine = Machine(found.scenario.disk(2), cpus=2, schedule=list(hang.schedule))
    machine.boot()
    for at, _ in enumerate(hang.schedule, 1):
        machine.step()
        assert any(core.ended is not None for core in machine.cores) == (at == len(hang.schedule))


def test_three_cpus():
    three = Scenario("three", "", ready, (run_vm_1, send_only, run_vm_1), (receiver,))
    found = explore(three, cpus=3)
    assert found.complete
    assert "live-once" in names(found)
    assert {cpu for violation in found.violations for cpu in violation.schedule} == {0, 1, 2}
    for violation in found.violations:
        assert counterexample(found, violation).outcome.sentence == str(violation)
    assert explore(three, cpus=2).states < found.states


def test_a_script_that_ends_in_the_setup():
    def brief():
        yield configure()

    found = explore(Scenario("brief", "", ready, (send_only, run_vm_1), (brief,)))
    assert found.complete
    assert found.finals


def broken_guest():
    yield configure()
    yield send(0, b"")
    yield hfedu.load(0x1000_0000)


def test_preemption_bound_is_said_and_never_taken_for_the_whole():
    none = explore(RACE, preemptions=0)
    assert not none.complete
    assert "At most 0 preemptions" in none.bounds
    assert "live-once" not in names(none)
    assert "not everything was tried" in repr(explore(RACE, INVARIANTS[:1], preemptions=0))
    assert "live-once" in names(explore(RACE, preemptions=1))


def test_bound_on_states():
    some = explore(RACE, INVARIANTS[:1], max_states=20)
    assert not some.complete
    assert "no violation so far, and not everything was tried" in repr(some)


def test_first_violation_only():
    some = explore(RACE, INVARIANTS[:1], first=True)
    assert names(some) == {"live-once"}
    assert some.states < explore(RACE, INVARIANTS[:1]).states


def test_interrupting_keeps_what_was_found():
    def stop(depth, states):
        if depth > 20:
            raise KeyboardInterrupt

    some = explore(RACE, progress=stop)
    assert "Interrupted" in some.bounds
    assert "switch-unlocked" in names(some)
    assert not some.complete


@pytest.mark.slow
def test_the_executor_makes_no_difference():
    alone = explore(RACE)
    with ProcessPoolExecutor(2) as executor:
        together = explore(RACE, executor=executor)
    assert (together.violations, together.finals, together.states) == (alone.violations, alone.finals, alone.states)


@pytest.mark.slow
def test_the_executor_of_dask_makes_no_difference():
    alone = explore(RACE)
    two = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with two as cluster, Client(cluster) as client:
        together = explore(RACE, executor=client.get_executor())
    assert (together.violations, together.finals, together.states) == (alone.violations, alone.finals, alone.states)


def coin():
    if random.random() < 0.5:
        yield send(1, b"x")
    yield vcpu_run(1)


def test_a_scenario_that_is_not_deterministic():
    with pytest.raises(Mistake, match=r"is not deterministic: the (same )?schedule"):
        explore(Scenario("coin", "", ready, (coin, send_and_run), (receiver,)))


def test_that_somebody_waits_for_the_end_of_a_library_hides_nothing():
    """As Hypothesis does with `random`, and others with what they look after."""
    waits = weakref.ref(random, lambda _: None)
    with pytest.raises(Mistake, match=r"is not deterministic: the (same )?schedule"):
        explore(Scenario("coin", "", ready, (coin, send_and_run), (receiver,)))
    assert waits() is random


def bad(ghost):
    raise ZeroDivisionError("oops")


def test_an_invariant_that_raises():
    with pytest.raises(
        Mistake, match=r"the invariant bad raised ZeroDivisionError\('oops'\) under the schedule \[0, 0"
    ):
        explore(RACE, [Invariant("bad", "", bad)])


def raises():
    yield vcpu_run(1)
    raise KeyError("x")


def test_a_script_that_raises_is_a_violation():
    found = explore(Scenario("raises", "", ready, (raises, send_only), (echo,)))
    (violation,) = [violation for violation in found.violations if violation.invariant == "raised"]
    assert violation.sentence == "CPU 0: the script raises raises KeyError: 'x', at 'raise KeyError(\"x\")'"
    assert counterexample(found, violation).outcome.sentence == str(violation)
    assert "Nothing was tried beyond a script that raised" in found.bounds


def test_a_setup_that_never_ends():
    def stuck():
        yield configure()
        yield wait_for_interrupt()

    with pytest.raises(Mistake, match="the setup of stuck never comes to its end"):
        explore(Scenario("stuck", "", stuck, (run_vm_1, send_only), (echo,)))


@pytest.mark.parametrize("cpus", [0, 3, "2"])
def test_a_number_of_cpus_that_the_scenario_does_not_have(cpus):
    with pytest.raises(Mistake, match="race has scripts for 2 CPUs: explore it on 1 to 2 of them"):
        explore(RACE, cpus=cpus)


def test_printing_is_an_effect_that_others_see():
    def say_a():
        yield print_line("a")

    def say_b():
        yield print_line("b")

    found = explore(Scenario("print", "", ready, (say_a, say_b), (sleeper,)))
    assert found.schedules >= 2


def test_messages_are_watched():
    assert names(explore(CONVERSATION)) <= {"reason", "switch-unlocked"}
    assert {i.name for i in INVARIANTS} >= {"messages", "overwrite", "lock-order", "waiters"}
    assert all(invariant.meaning.endswith(".") for invariant in INVARIANTS)


def test_a_counterexample_of_one_cpu_ends_at_its_step():
    found = explore(Scenario("fault", "", ready, (run_vm_1,), (broken_guest,)), cpus=1)
    run = counterexample(found, found.violations[0])
    assert names(found) >= {"hang"}
    assert run.outcome.kind == "violation"


def test_the_interface_before_the_commit_has_no_mailboxes_to_explore():
    with pytest.raises(Mistake, match='the profile "rpc" has none'):
        explore(RACE, profile="rpc")


def test_of_many_states_a_result_keeps_no_graph(monkeypatch):
    monkeypatch.setattr("hfedu.run.explorer.MOST_IN_GRAPH", 100)
    small, large = explore(SENDERS), explore(RACE)
    assert len(small.graph.cost) == small.states <= 100 < large.states
    assert len(large.graph.cost) == 1
    assert large.complete
    assert f"{large.states:,} states" in repr(large)


@pytest.mark.slow
def test_nothing_of_a_search_stays_in_memory():
    kinds = ("Search", "Learner", "Replayer", "Machine")
    gc.collect()
    before = [each for each in gc.get_objects() if type(each).__name__ in kinds]
    for learned in (True, False):
        found = explore(SENDERS, prune=learned)
        gc.collect()
        made = [each for each in gc.get_objects() if type(each).__name__ in kinds]
        kept = [each for each in made if not any(each is other for other in before)]
        assert not kept, f"the result of {found.states} states holds {kept}"
