"""Properties of a scenario of one's own: invariants, ends, goals, daemons, and what is said of bad input."""

import re

import pytest

import hfedu
from hfedu import Scenario, clear, configure, load, receive, send, store, vcpu_run
from hfedu.hf.spinlock import SelfDeadlock
from hfedu.run.invariants import Invariant
from hfedu.run.machine import Deadlock
from hfedu.run.moves import unrepeated
from hfedu.run.outlook import UNSURE, outlook
from hfedu.run.recording import Spins

A, B = 0x4010_0000, 0x4010_1000


def nothing():
    yield from ()


def sleeper():
    yield receive(block=True)


def ready():
    yield configure()
    yield vcpu_run(1)


def run_vm_1():
    return (yield vcpu_run(1)).code


def send_hello():
    return (yield send(1, "hello"))


def receiver():
    yield configure()
    yield send(0, "")
    yield receive(block=True)
    yield clear()


def add():
    number = yield load(A)
    yield store(A, number + 1)


def serve():
    while True:
        yield vcpu_run(1)


COUNTER = Scenario("counter", "Two CPUs add one to a counter.", nothing, (add, add), (sleeper,))
MEETING = Scenario("meeting", "A send against a run.", ready, (run_vm_1, send_hello), (receiver,))


def broken(found):
    return {violation.invariant: violation for violation in found.violations}


# Invariants.


def test_an_invariant_is_a_function_that_says_what_is_wrong():
    def never_one(machine):
        """The counter is never 1."""
        return "it is 1" if machine.load(A) == 1 else None

    found = hfedu.explore(COUNTER, [never_one])
    assert broken(found)["never-one"].sentence == "it is 1"
    assert found.invariants[0].meaning == "The counter is never 1."
    assert found.counterexample().outcome.kind == "violation"


WAITS = (Spins(0, "vm1.lock", 1), Spins(1, "vm1.vcpu0.lock", 0))
REPEATED = {
    "deadlock": (str(Deadlock(WAITS)), "They spin for ever"),
    "self-deadlock": (str(SelfDeadlock(0, "vm1.lock")), "which it holds already, and spins for ever"),
    "hang": ("Hang: the hypervisor spins.", "the hypervisor spins"),
    "counter": ("The counter: it is 1.", "The counter: it is 1"),
}


@pytest.mark.parametrize("name", REPEATED)
def test_a_violation_says_its_name_once(name):
    said, ends = REPEATED[name]
    text = unrepeated(name, said)
    assert text.endswith(ends)
    assert name not in text.lower().split(": ")


def test_a_violation_of_ones_own_rule_says_its_name_once_wherever_it_is_shown():
    rule = Invariant("one", "", lambda machine: "One: it is 1." if machine.load(A) == 1 else None)
    found = hfedu.explore(COUNTER, [rule], first=True)
    (violation,) = found.violations
    assert str(violation) == f"one: it is 1 (step {violation.steps})"
    assert found.counterexample().outcome.sentence == str(violation)
    assert f"  {violation}" in repr(found).splitlines()
    form = hfedu.you_schedule(COUNTER, [rule])
    for cpu in violation.schedule[-violation.steps :]:
        form.choose(cpu)
    assert form.said.endswith("Broken: one. it is 1.")


@pytest.mark.parametrize(("holds", "count"), [(True, 0), (False, 1), (None, 0)])
def test_an_invariant_may_say_whether_it_holds(holds, count):
    found = hfedu.explore(COUNTER, [lambda machine: holds])
    assert len(found.violations) == count
    assert len(hfedu.explore(COUNTER, [Invariant("x", "It holds.", lambda machine: holds)]).violations) == count
    if count:
        assert str(found.violations[0]) == "invariant: it does not hold (step 1)"


def test_one_function_is_a_list_of_one():
    assert not hfedu.explore(COUNTER, lambda machine: True).violations


def test_an_invariant_that_says_something_else():
    with pytest.raises(hfedu.Mistake, match="a sentence that says what is wrong, None, True or False, not 3"):
        hfedu.explore(COUNTER, [lambda machine: 3])


@pytest.mark.parametrize("wrong", [3, ["x"], [None], [Invariant]])
def test_what_is_no_invariant(wrong):
    with pytest.raises(hfedu.Mistake, match="invariants must be a list of Invariant or of functions of the machine"):
        hfedu.explore(COUNTER, wrong)


def test_two_invariants_of_one_name_are_told_apart():
    found = hfedu.explore(COUNTER, [lambda machine: machine.load(A) != 1, lambda machine: machine.load(A) != 2])
    assert set(broken(found)) == {"invariant", "invariant 2"}


def test_all_that_an_invariant_can_look_at():
    seen = set()

    def look(machine):
        seen.add((machine.cpu, machine.did, machine.next(0), machine.ended(0)))
        seen.add(machine.mailbox(1)[:3] + machine.mailbox(1)[3:])
        seen.add(machine.vcpu(1)[:2])
        seen.add(("locks", machine.lock(1), machine.lock(1, 0)))
        seen.add(machine.results)
        assert machine.uart.startswith("Initialising hafnium")
        assert len(machine.vcpu(0, 1).registers) == 31

    found = hfedu.explore(MEETING, [look], fixes=["regs-race"])
    assert not broken(found)
    hfedu.you_schedule(MEETING, [look]).choose(0)


@pytest.mark.parametrize(
    ("look", "says"),
    [
        (lambda machine: machine.mailbox(2), "there is no VM 2 here: they count from 0 to 1"),
        (lambda machine: machine.vcpu(1, 9), "there is no vCPU 9 here"),
        (lambda machine: machine.ended("x"), "there is no CPU 'x' here"),
    ],
)
def test_an_invariant_that_looks_at_what_is_not_there(look, says):
    with pytest.raises(hfedu.Mistake, match=says):
        hfedu.explore(MEETING, [look])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"first": 3}, "first is True or False, not 3"),
        ({"prune": None}, "prune is True or False, not None"),
        ({"races": "yes"}, "races is True or False, not 'yes'"),
        ({"recheck": []}, r"recheck is True or False, not \[\]"),
        ({"cpus": True}, "cpus must be a whole number above 0, not True"),
        ({"preemptions": True}, "preemptions must be a whole number from 0 up, not True"),
        ({"max_states": True}, "max_states must be a whole number above 0, not True"),
        ({"max_states": "x"}, "max_states must be a whole number above 0, not 'x'"),
        ({"progress": 3}, "progress is a function of a depth and a number of states, not 3"),
        ({"progress": lambda depth: None}, "progress is a function of a depth and a number of states, not <function"),
        ({"executor": 3}, r"executor is a concurrent.futures.Executor, such as ProcessPoolExecutor\(\), not 3"),
        ({"executor": []}, "executor is a concurrent.futures.Executor"),
    ],
)
def test_what_is_no_bound_and_no_choice(options, says):
    with pytest.raises(hfedu.Mistake, match=says):
        hfedu.explore(COUNTER, **options)
    with pytest.raises(hfedu.Mistake, match=says):
        hfedu.demonstrate("regs-race", **options)


# Ends.


def test_ends_judge_each_end():
    found = hfedu.explore(COUNTER, (), ends=lambda machine: machine.load(A) == 2)
    assert broken(found)["end"].sentence == "it does not hold"
    run = found.counterexample()
    assert run.at(run.events[-1].seq) is not None
    assert found.compare().passing is not None
    assert not hfedu.explore(COUNTER, (), ends=lambda machine: machine.load(A) in (1, 2)).violations


def test_ends_have_a_sentence_and_a_name():
    def both_added(machine):
        """Both additions count."""
        return None if machine.load(A) == 2 else f"the counter is {machine.load(A)}"

    (violation,) = hfedu.explore(COUNTER, (), ends=[both_added]).violations
    assert (violation.invariant, violation.sentence) == ("both-added", "the counter is 1")


def test_results_and_an_example_of_each():
    def look():
        yield from add()
        return (yield load(A))

    found = hfedu.explore(Scenario("look", "", nothing, (look, look), (sleeper,)))
    assert set(found.results) == {(1, 1), (1, 2), (2, 1), (2, 2)}
    for result in found.results:
        run = found.example(result)
        assert isinstance(run, hfedu.Run)
        assert run.outcome.kind == "power off"
    ways = [found.example(result).made["schedule"] for result in found.results]
    assert ways == [list(example) for example in found.examples]
    with pytest.raises(hfedu.Mistake, match=r"no order has the result \(3, 3\)\. There are \(1, 1\), \(1, 2\)"):
        found.example((3, 3))


def test_a_result_may_be_anything():
    def looks():
        return [(yield load(A)), {"b": (yield load(B))}]

    found = hfedu.explore(Scenario("looks", "", nothing, (looks, add), (sleeper,)))
    assert ([0, {"b": 0}], None) in found.results
    assert found.example(([1, {"b": 0}], None)).outcome.kind == "power off"


# Goals.


def test_the_shortest_run_to_a_goal():
    found = hfedu.find(COUNTER, lambda machine: machine.load(A) == 2)
    assert found
    assert repr(found) == f"counter: the goal is reached after {found.steps} steps, and no order is shorter."
    assert found.run.outcome.kind == "goal"
    assert len(found.schedule) == found.exploration.setup + found.steps
    plain = hfedu.explore(COUNTER, [lambda machine: machine.load(A) != 2], prune=False)
    assert found.steps == plain.violations[0].steps


def test_a_goal_that_is_there_at_once_and_one_that_never_is():
    at_once = hfedu.find(MEETING, lambda machine: machine.mailbox(1).state == "EMPTY")
    assert at_once.steps == 0
    assert at_once.run.events
    never = hfedu.find(COUNTER, lambda machine: machine.load(A) == 3)
    assert not never
    assert never.run is None
    assert "No order reaches the goal." in repr(never)
    some = hfedu.find(COUNTER, lambda machine: machine.load(A) == 3, max_states=5)
    assert "No order has reached the goal so far." in repr(some)


def test_a_goal_of_the_hypervisor():
    twice = hfedu.find(
        Scenario("race", "", ready, (run_vm_1, send_and_run), (receiver,)),
        lambda machine: [machine.vcpu(0, cpu).cpu for cpu in (0, 1)] == [None, None] and machine.vcpu(1).cpu == 0,
    )
    assert twice
    assert "VM 1" in twice.run.transcript()


def send_and_run():
    yield send(1, "hello")
    yield vcpu_run(1)


@pytest.mark.parametrize("goal", [None, 3, Invariant])
def test_what_is_no_goal(goal):
    with pytest.raises(hfedu.Mistake, match="a goal is a function of the machine"):
        hfedu.find(COUNTER, goal)


def test_a_goal_that_says_something_else():
    with pytest.raises(hfedu.Mistake, match="a goal returns True or False"):
        hfedu.find(COUNTER, lambda machine: 3)


def test_a_goal_that_raises_is_called_a_goal():
    with pytest.raises(hfedu.Mistake, match=r"the goal raised ZeroDivisionError\('division by zero'\) under the"):
        hfedu.find(COUNTER, lambda machine: 1 / 0)
    with pytest.raises(hfedu.Mistake, match="the goal asks for what is not there: there is no VM 7 here"):
        hfedu.find(COUNTER, lambda machine: machine.mailbox(7))


@pytest.mark.parametrize("name", ["invariants", "ends", "preemptions"])
def test_what_find_does_not_take_is_not_said_to_be_meant(name):
    with pytest.raises(hfedu.Mistake, match=f"{name} is nothing that is explored: there are profile, fixes"):
        hfedu.find(COUNTER, lambda machine: True, **{name: []})


# Daemons.


@pytest.mark.slow
def test_a_daemon_that_serves_for_ever_is_no_livelock():
    served = Scenario("served", "", ready, (serve, send_hello), (receiver,))
    assert "livelock" in broken(hfedu.explore(served, ()))
    assert "livelock" not in broken(hfedu.explore(served, (), assume=["daemon 0"], fixes=["regs-race"]))
    alone = Scenario("alone", "", ready, (serve,), (receiver,))
    assert not broken(hfedu.explore(alone, (), assume="daemon 0"))


@pytest.mark.slow
def test_who_waits_for_a_daemon_in_vain_is_a_livelock_still():
    def insists():
        while (yield send(1, "x")) == -1:
            pass

    def two():
        yield from insists()
        yield from insists()

    waits = Scenario("waits", "", ready, (serve, two), (receiver_that_keeps,))
    assert "livelock" in broken(hfedu.explore(waits, (), assume="daemon 0", fixes=["regs-race", "nested-locks"]))


def receiver_that_keeps():
    yield configure()
    yield send(0, "")
    yield receive(block=True)


@pytest.mark.parametrize("assume", ["daemon 2", "fair", [0], ["daemon x"]])
def test_what_cannot_be_assumed(assume):
    with pytest.raises(hfedu.Mistake, match=r"assume names scripts that need not end, .* there are CPUs 0 to 1"):
        hfedu.explore(COUNTER, assume=assume)


# What is explored, and what is not.


def test_every_script_of_the_scenario_is_explored():
    three = Scenario("three", "", nothing, (add, add, add), (sleeper,))
    assert hfedu.explore(three, ()).options["cpus"] == 3
    assert len(hfedu.you_schedule(three, ()).player.guide["rows"]) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timer": 50}, "timer is nothing that is explored"),
        ({"schedule": [0]}, "schedule is nothing that is explored"),
        ({"max_traps": 3}, "max_traps is nothing that is explored"),
        ({"fixs": []}, "fixs is nothing that is explored, did you mean 'fixes'"),
        ({"end": []}, "end is nothing that is explored, did you mean 'ends'"),
    ],
)
def test_options_that_are_not_explored_are_refused(options, says):
    with pytest.raises(hfedu.Mistake, match=says):
        hfedu.explore(COUNTER, **options)
    with pytest.raises(hfedu.Mistake, match=says):
        hfedu.find(COUNTER, lambda machine: True, **options)


def test_machine_code_is_no_script():
    with pytest.raises(hfedu.Mistake, match="its secondaries cannot be machine code"):
        Scenario("code", "", nothing, (add,), (b"\x00" * 4,))


# A space that is too big.


def levels(new):
    """Depths, each with the states found up to there."""
    return [(depth, sum(new[: depth + 1])) for depth in range(len(new))]


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ([1] * 5, ""),
        ([2**depth for depth in range(12)], "It grows still: the last 4 depths had 16.0 times as many new states as"),
        ([5] * 12, "1.0 times as many new states as the 4 before, and nobody can say how much is left"),
        ([2**depth for depth in reversed(range(14))], "It slows down: if it goes on like this, about 1 more states"),
    ],
)
def test_what_is_said_of_what_is_left(new, says):
    said = outlook(levels(new))
    assert says in said
    assert bool(said) == bool(says)


def test_the_estimate_is_about_right_where_a_space_shrinks():
    new = [round(1000 * 0.8**depth) for depth in range(40)]
    for known in range(15, 30):
        (left,) = map(int, re.findall(r"about ([\d,]+) more", outlook(levels(new[:known])).replace(",", "")))
        assert left / 1.3 <= sum(new[known:]) <= left * 1.3


def adding(times):
    def add():
        for _ in range(times):
            yield store(A, (yield load(A)) + 1)

    return add


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [(adding(4),) * 2, (adding(6), adding(3))])
def test_the_estimate_is_as_good_as_it_says_while_a_real_space_is_explored(scripts):
    levels = {}
    found = hfedu.explore(Scenario("adders", "", nothing, scripts, (sleeper,)), (), progress=levels.__setitem__)
    known, said = sorted(levels.items()), 0
    for at, (_, states) in enumerate(known, 1):
        left = found.states - states
        for about in re.findall(r"about ([\d,]+) more", outlook(known[:at])):
            said += 1
            assert left < 20 or left / UNSURE <= int(about.replace(",", "")) <= left * UNSURE
    assert said > 3


def test_an_interrupted_search_says_what_may_be_left():
    def stop(depth, states):
        if depth > 14:
            raise KeyboardInterrupt

    found = hfedu.explore(Scenario("adders", "", nothing, (adding(4),) * 2, (sleeper,)), (), progress=stop)
    assert found.interrupted
    assert not found.complete
    assert found.bounds.startswith("Interrupted. It ")


def test_a_bounded_search_says_what_may_be_left():
    three = Scenario("three", "", ready, (run_vm_1, send_hello, run_vm_1), (receiver,))
    assert "if it goes on like this, about" in hfedu.explore(three, max_states=150).bounds
