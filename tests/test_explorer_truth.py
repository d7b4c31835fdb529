"""Whether “every order was tried” is true: states are told apart by all that can matter, wherever it is kept."""

import itertools
import os
import random
import re
import time
from array import array
from collections import Counter, deque
from contextvars import ContextVar
from functools import cache
from queue import SimpleQueue
from threading import local
from types import ModuleType

import pytest

import hfedu
from hfedu import clear, configure, load, receive, send, store, vcpu_run
from hfedu.errors import Mistake
from hfedu.hf.api import running
from hfedu.hf.call import ERROR
from hfedu.hf.hypervisor import Hypervisor
from hfedu.run.explorer import Scenario, explore
from hfedu.run.invariants import INVARIANTS

A, B = 0x4010_0000, 0x4010_1000


def nothing():
    yield from ()


def sleeper():
    yield receive(block=True)


def of_memory(*scripts):
    """Scripts of the primary that share memory and no more."""
    return Scenario("memory", "", nothing, scripts, (sleeper,))


def set_both():
    yield store(A, 1)
    yield store(B, 1)


def three_locals():
    a = yield load(A)
    b = yield load(B)
    c = yield load(A)
    return a * 100 + b * 10 + c


def on_the_stack():
    return (yield load(A)) * 100 + (yield load(B)) * 10 + (yield load(A))


def in_a_loop():
    total = 0
    for address in (A, B, A):
        total = total * 10 + (yield load(address))
    return total


def in_a_generator():
    places = (address for address in (A, B, A))
    total = 0
    while (address := next(places, None)) is not None:
        total = total * 10 + (yield load(address))
    return total


def deeper(addresses):
    total = 0
    for address in addresses:
        total = total * 10 + (yield load(address))
    return total


def delegated():
    return (yield from deeper([A, B, A]))


class Named:
    name = "the same for all"

    def __init__(self):
        self.seen = 0


def in_an_object():
    named = Named()
    for address in (A, B, A):
        named.seen = named.seen * 10 + (yield load(address))
    return named.seen


class Slotted(Named):
    __slots__ = ("more",)


def in_a_slot():
    slotted = Slotted()
    slotted.more = 0
    for address in (A, B, A):
        slotted.more = slotted.more * 10 + (yield load(address))
    return slotted.more


def in_a_closure():
    total = 0

    def add(value):
        nonlocal total
        total = total * 10 + value

    for address in (A, B, A):
        add((yield load(address)))
    return total


def in_a_chosen_function():
    first, second, third = (yield load(A)), (yield load(B)), (yield load(A))
    return (lambda: first * 100 + second * 10 + third)()


def in_a_container(make, add, read):
    kept = make()
    for address in (A, B, A):
        add(kept, (yield load(address)))
    return read(kept)


def digits(values):
    return sum(value * 10**place for place, value in enumerate(reversed(list(values))))


def in_a_list():
    return (yield from in_a_container(list, list.append, digits))


def in_a_deque():
    return (yield from in_a_container(deque, deque.append, digits))


def in_a_dict():
    return (yield from in_a_container(dict, lambda d, v: d.__setitem__(len(d), v), lambda d: digits(d.values())))


def in_bytes():
    return (yield from in_a_container(bytearray, bytearray.append, digits))


def in_a_set():
    kept = yield from in_a_container(set, lambda s, v: s.add((len(s), v) if v else len(s) + 5), sorted_pairs)
    return kept


def sorted_pairs(kept):
    return sorted(map(str, kept))


def in_a_counter():
    ones = Counter()
    for place, address in enumerate((A, B, A)):
        ones[2 - place] += yield load(address)
    return sum(value * 10**place for place, value in ones.items())


def in_an_iterator():
    count = itertools.count()
    for place, address in enumerate((A, B, A)):
        for _ in range((yield load(address)) * 10 ** (2 - place)):
            next(count)
    return next(count)


def by_pending_action():
    return (yield load([A, B][(yield load(A))])) + 10 * (yield load(A))


def by_pending_action_named():
    first = yield load(A)
    return (yield load([A, B][first])) + 10 * (yield load(A))


G = {"total": 0}
TOTAL = 0
BOX = Named()


def in_a_global_dict():
    for address in (A, B, A):
        G["total"] = G["total"] * 10 + (yield load(address))
    return G["total"]


def in_a_global():
    global TOTAL
    for address in (A, B, A):
        TOTAL = TOTAL * 10 + (yield load(address))
    return TOTAL


def in_a_global_object():
    for address in (A, B, A):
        BOX.seen = BOX.seen * 10 + (yield load(address))
    return BOX.seen


class Shared:
    total = 0


def in_a_class():
    for address in (A, B, A):
        Shared.total = Shared.total * 10 + (yield load(address))
    return Shared.total


def in_a_default(kept=[]):  # noqa: B006
    for address in (A, B, A):
        kept.append((yield load(address)))
    return digits(kept)


def in_its_own_attributes():
    in_its_own_attributes.total = 0
    for address in (A, B, A):
        in_its_own_attributes.total = in_its_own_attributes.total * 10 + (yield load(address))
    return in_its_own_attributes.total


class Method:
    def __init__(self):
        self.total = 0

    def script(self):
        for address in (A, B, A):
            self.total = self.total * 10 + (yield load(address))
        return self.total


FORMS = [
    on_the_stack, in_a_loop, in_a_generator, delegated, in_an_object, in_a_slot, in_a_closure, in_a_chosen_function,
    in_a_list, in_a_deque, in_a_dict, in_bytes, in_a_counter, in_an_iterator, in_a_global_dict, in_a_global,
    in_a_global_object, in_a_class, in_a_default, in_its_own_attributes, Method().script,
]  # fmt: skip


class Late:
    """A script that puts what it loads away, does other things for long, and only then looks at what it has kept."""

    def __init__(self, name, put, read, begin=int):
        self.__name__, self.put, self.read, self.begin = name, put, read, begin

    def script(self):
        self.begin()
        for address in (A, B, A):
            value = yield load(address)
            self.put(value)
        for _ in range(5):
            yield load(A + 64)
        return self.read()


class Whole(int):
    """A number with attributes."""


class Lying:
    """Says that it holds nothing."""

    kept = 0

    def __getattribute__(self, name):
        return {} if name == "__dict__" else object.__getattribute__(self, name)


class LyingFloat(float):
    def __float__(self):
        return 0.0


WHOLE, PAIR, TEXT, LYING, LOCAL = (
    Whole(3),
    type("Pair", (tuple,), {})((1,)),
    type("T", (str,), {})("t"),
    Lying(),
    local(),
)
SEEN, VIEW, VARIABLE = array("q"), memoryview(bytearray(8)), ContextVar("variable", default=0)
VARIABLE.set(0)


def in_attribute(found):
    """Put and read of a number that is kept in an attribute."""
    return lambda value: setattr(found, "kept", read_attribute(found) * 10 + value), lambda: read_attribute(found)


def read_attribute(found):
    return getattr(found, "kept", 0)


def in_view():
    def put(value):
        VIEW[0], VIEW[1] = VIEW[0] + 1, VIEW[1] * 10 + value

    return put, lambda: VIEW[1]


def behind_a_property():
    """The variable of a function that only a property of a class made here reaches."""

    def make():
        total = 0

        class Made:
            @property
            def kept(self):
                return total

            @kept.setter
            def kept(self, value):
                nonlocal total
                total = total * 10 + value

        return Made()

    made = make()
    for address in (A, B, A):
        value = yield load(address)
        made.kept = value
    for _ in range(5):
        yield load(A + 64)
    return made.kept


def in_something_made(make):
    def script():
        made = make()
        made.kept = 0
        for address in (A, B, A):
            value = yield load(address)
            made.kept = made.kept * 10 + value
        for _ in range(5):
            yield load(A + 64)
        return made.kept

    return script


def lying_float():
    kept = LyingFloat(0)
    for address in (A, B, A):
        value = yield load(address)
        kept = LyingFloat(float.__mul__(kept, 10) + value)
    for _ in range(5):
        yield load(A + 64)
    return int(float.__add__(kept, 0.0))


def in_a_cache_of_its_own():
    @cache
    def own(number):
        return number

    for place, address in enumerate((A, B, A)):
        for number in range((yield load(address)) * 10 ** (2 - place)):
            own((place, number))
    for _ in range(5):
        yield load(A + 64)
    return own.cache_info().misses


HELD = [
    *(Late(*each).script for each in (
        ("whole", *in_attribute(WHOLE)), ("pair", *in_attribute(PAIR)), ("text", *in_attribute(TEXT)),
        ("lying", *in_attribute(LYING)), ("local", *in_attribute(LOCAL)), ("view", *in_view()),
        ("array", SEEN.append, lambda: digits(SEEN)),
        ("variable", lambda value: VARIABLE.set(VARIABLE.get() * 10 + value), VARIABLE.get),
    )),
    behind_a_property, lying_float, in_a_cache_of_its_own,
    in_something_made(lambda: ModuleType("made")), in_something_made(lambda: type("Made", (), {})),
]  # fmt: skip
"""What is kept where it is found, however late it shows."""
UNHELD = [
    *(Late(*each).script for each in (
        ("module", *in_attribute(itertools), lambda: setattr(itertools, "kept", 0)),
        ("package", *in_attribute(hfedu), lambda: setattr(hfedu, "kept", 0)),
        ("environment", lambda value: os.environ.update(KEPT=os.environ["KEPT"] + str(value)),
         lambda: os.environ["KEPT"], lambda: os.environ.update(KEPT="")),
        ("dice", lambda value: [random.random() for _ in range(value)], lambda: random.random(),
         lambda: random.seed(1)),
        ("globals", lambda value: globals().update(LATE=globals()["LATE"] * 10 + value), lambda: globals()["LATE"],
         lambda: globals().update(LATE=0)),
    )),
]  # fmt: skip
"""What nobody finds: it comes to light where a state that is met again is run on to an end."""


@pytest.mark.parametrize("number", range(len(HELD)))
def test_what_shows_late_counts(number):
    found = explore(of_memory(HELD[number], set_both))
    assert {first for first, _ in found.results} == {0, 1, 11, 101, 111}
    assert found.complete


@pytest.mark.parametrize("number", range(len(UNHELD)))
def test_what_shows_late_and_lies_where_nobody_looks_is_an_error(number):
    with pytest.raises(Mistake, match="the scenario is not deterministic"):
        explore(of_memory(UNHELD[number], set_both))


QUEUE = SimpleQueue()


def with_a_queue():
    yield load(A)
    return QUEUE.empty()


def test_what_nobody_can_look_into_is_refused():
    with pytest.raises(Mistake, match="nobody can look into QUEUE, a SimpleQueue, and so not tell whether it changes"):
        explore(of_memory(with_a_queue))


@pytest.mark.parametrize("script", FORMS, ids=lambda script: script.__name__)
def test_wherever_a_script_keeps_what_it_read_no_end_is_lost(script):
    """Five ends there are: A is set before B."""
    found = explore(of_memory(script, set_both), recheck=True)
    assert {first for first, _ in found.results} == {0, 1, 11, 101, 111}
    assert found.complete
    assert found.results == explore(of_memory(script, set_both), prune=False).results


def test_what_is_kept_outside_is_afterwards_as_it_was_before():
    for script in (in_a_global_dict, in_a_global, in_a_global_object, in_a_class, in_its_own_attributes):
        explore(of_memory(script, set_both))
    assert (G, TOTAL, BOX.seen, Shared.total) == ({"total": 0}, 0, 0, 0)
    assert not hasattr(in_its_own_attributes, "total")
    assert in_a_default.__defaults__ == ([],)


def test_a_for_loop_costs_no_more_states_than_variables():
    assert explore(of_memory(in_a_loop, set_both)).states <= explore(of_memory(three_locals, set_both)).states + 2
    assert explore(of_memory(delegated, set_both)).states <= explore(of_memory(three_locals, set_both)).states + 2


def test_what_is_pending_counts():
    pending, named = (explore(of_memory(s, set_both)) for s in (by_pending_action, by_pending_action_named))
    assert pending.results == named.results


def test_two_names_for_one_object_are_not_two_objects():
    def alias():
        first, second = [0], [0]
        kept = first if (yield load(A)) else second
        yield load(B)
        first[0] = 7
        return kept[0]

    assert {a for a, _ in explore(of_memory(alias, set_both)).results} == {0, 7}


def ring(read):
    """Three values through a ring of two places: A is the writer's count, B the reader's."""

    def writer():
        for value in (1, 2, 3):
            while (yield load(A)) - (yield load(B)) == 2:
                pass
            yield store(A + 8 * (1 + value % 2), value)
            yield store(A, value)

    return Scenario("ring", "", nothing, (writer, read), (sleeper,))


def right_reader():
    got = []
    for value in (1, 2, 3):
        while (yield load(A)) < value:
            pass
        got.append((yield load(A + 8 * (1 + value % 2))))
        yield store(B, value)
    assert got == [1, 2, 3], got
    return got


def early_reader():
    got = []
    for value in (1, 2, 3):
        while (yield load(A)) < value:
            pass
        yield store(B, value)
        got.append((yield load(A + 8 * (1 + value % 2))))
    assert got == [1, 2, 3], got


@pytest.mark.slow
def test_a_ring_with_for_loops_comes_to_an_end_of_its_states():
    found = explore(ring(right_reader), INVARIANTS[:1])
    assert found.complete
    assert not found.violations
    assert found.results == ((None, [1, 2, 3]),)
    assert found.states < 2000


@pytest.mark.slow
def test_an_assert_in_a_script_is_a_violation():
    found = hfedu.explore(ring(early_reader), INVARIANTS[:1])
    (wrong,) = found.violations
    assert wrong.invariant == "raised"
    assert "CPU 1: the script early_reader raises AssertionError: [" in wrong.sentence
    assert "assert got == [1, 2, 3], got" in wrong.sentence
    run = found.counterexample()
    assert run.outcome.kind == "violation"
    assert "AssertionError" in run.events[-1].text
    assert found.compare().passing is not None


# A hypervisor of one's own.


def ready():
    yield configure()
    yield vcpu_run(1)


def one():
    return (yield send(1, "one"))


def two():
    return (yield send(1, "two"))


def reader():
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


SENDERS = Scenario("senders", "", ready, (one, two), (reader,))


class Queued(Hypervisor):
    """A mailbox with room for one more message."""

    def __init__(self, platform):
        super().__init__(platform)
        self.queue = self.empty()

    def empty(self):
        return []

    def put(self, message):
        self.queue.append(message)

    def full(self):
        return bool(self.queue)

    def busy_locked(self, cpu, to):
        if self.full():
            return ERROR
        self.put(bytes(self.mm_load(running(cpu).vm.mailbox.send, cpu.regs[2])))
        return 0


class InADict(Queued):
    def empty(self):
        return {"waiting": []}

    def put(self, message):
        self.queue["waiting"].append(message)

    def full(self):
        return bool(self.queue["waiting"])


class InAnObject(Queued):
    def empty(self):
        return Named()

    def put(self, message):
        self.queue.seen = (self.queue.seen, [message])

    def full(self):
        return self.queue.seen != 0


class InADeque(Queued):
    def empty(self):
        return deque()


class InATuple(Queued):
    def empty(self):
        return ()

    def put(self, message):
        self.queue += (message,)


class InANewAttribute(Queued):
    def put(self, message):
        self.later = [message]

    def full(self):
        return hasattr(self, "later")


class InItsClass(Queued):
    waiting = ()

    def put(self, message):
        InItsClass.waiting += (message,)

    def full(self):
        return bool(InItsClass.waiting)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Queued, InADict, InAnObject, InADeque, InATuple, InANewAttribute, InItsClass])
def test_what_a_hypervisor_of_ones_own_keeps_is_part_of_the_state(kind):
    found = explore(SENDERS, profile="fixed", changes=[kind], recheck=True)
    assert not found.violations
    assert all(results[0] != -1 and results[1] != -1 for results in found.results)
    three = Scenario("three", "", ready, (one, two, one), (reader,))
    ends = explore(three, profile="fixed", changes=[kind]).results
    assert {Counter(result == -1 for result in each)[True] for each in ends} == {1}


class AfterARefusal(Hypervisor):
    """Whoever was refused is let through the next time, whatever is in the mailbox."""

    def busy_locked(self, cpu, to):
        return 0 if cpu.refused is not None else self.require(False, "it was refused before", to.mailbox)


class ByItsReason(Hypervisor):
    """The same, by what the reason says."""

    last = 0

    def busy_locked(self, cpu, to):
        found, self.last = self.last, self.require(False, f"refused on CPU {cpu.id}", to.mailbox)
        return 0 if found and found.check.condition.endswith("1") else self.last


def twice():
    first = yield send(1, "one")
    yield hfedu.vm_count()
    return first, (yield send(1, "one"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AfterARefusal, ByItsReason])
def test_why_a_call_was_refused_counts_where_a_hypervisor_of_ones_own_asks(kind):
    plan = Scenario("refused", "", ready, (twice, two), (reader,))
    found = explore(plan, profile="fixed", changes=[kind], recheck=True)
    assert found.complete
    seen = {tuple(x for x in sent(seed, plan, kind)) for seed in range(40)}
    assert seen <= set(found.results)


def sent(seed, plan, kind):
    """What a run by chance returns."""
    run = hfedu.boot(plan.disk(2), cpus=2, schedule=seed, profile="fixed", changes=[kind])
    calls = [event for event in run.events if event.kind is hfedu.Kind.RETURN and event.function == 0xFF04]
    results = [[int(e.result) - (e.result >> 63 << 64) for e in calls if e.cpu == cpu] for cpu in (0, 1)]
    return tuple(results[0]), results[1][0]


class Counting(Queued):
    """Keeps what cannot be put back."""

    def empty(self):
        return iter(range(100))

    def put(self, message):
        next(self.queue)

    def full(self):
        return False


class InAQueue(Queued):
    def empty(self):
        return SimpleQueue()

    put, full = None, lambda self: not self.queue.empty()


class InAGenerator(Queued):
    def empty(self):
        return (number for number in range(9))

    def put(self, message):
        next(self.queue)

    def full(self):
        return False


@pytest.mark.slow
def test_what_cannot_be_put_back_is_refused_by_its_name():
    with pytest.raises(Mistake, match=r"nobody can look into hypervisor\.queue, a SimpleQueue"):
        explore(SENDERS, profile="fixed", changes=[InAQueue])
    with pytest.raises(Mistake, match=r"hypervisor\.queue is a generator and changes while the scripts run"):
        explore(SENDERS, profile="fixed", changes=[InAGenerator])
    with pytest.raises(Mistake, match=r"hypervisor\.queue is a range_iterator and changes while the scripts run"):
        explore(SENDERS, profile="fixed", changes=[Counting])


def test_what_cannot_be_compared_goes_by_history_and_the_result_says_so():
    def script():
        found = re.search("a", "banana")
        for _ in range(2):
            yield load(A)
        return found.start()

    said = explore(of_memory(script, set_both))
    assert "By found of script states cannot be told apart: those scripts go by all that they were told." in said.bounds
    assert said.results == ((1, None),)


def test_what_the_result_takes_for_granted_is_said():
    found = explore(SENDERS, recheck=True)
    said = re.search(r"([\d,]+) met again, and ([\d,]+) of these run on for real", found.bounds)
    assert said[1] == said[2] != "0"


# What is outside of everything that can be seen.


def noisy():
    yield load(A)
    return time.perf_counter_ns()


def drawn():
    if random.random() < 0.5:
        yield load(A)
    yield load(B)


class Hidden:
    """State that no attribute shows."""

    def __init__(self):
        kept = []
        self.put, self.read = kept.append, kept.__len__


@pytest.mark.parametrize("script", [noisy, drawn])
def test_clock_and_random_numbers_are_detected(script):
    with pytest.raises(Mistake, match=r"the scenario is not deterministic: the (same )?schedule"):
        explore(of_memory(script, set_both))


HIDDEN = Hidden()


def hides():
    HIDDEN.put((yield load(A)))
    yield load(B)
    return HIDDEN.read()


def test_state_behind_built_in_methods_is_found():
    assert {a for a, _ in explore(of_memory(hides, set_both)).results} == {1}


# Invariants of one's own.


@pytest.mark.slow
def test_reduction_hides_no_violation_of_an_invariant_of_ones_own():
    def never(machine):
        held = machine.lock(1) is not None and machine.lock(0) is None and machine.lock(1, 0) is None
        return not (held and machine.vcpu(1).state == "READY")

    found, plain = (explore(SENDERS, [never], prune=prune) for prune in (True, False))
    assert {v.invariant: v.steps for v in found.violations} == {v.invariant: v.steps for v in plain.violations}
    assert "never" in {v.invariant for v in found.violations}


class Scripts:
    """Small scripts by chance."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def program(self):
        return tuple(self.dice.choice(("load", "store", "send", "run", "clear", "count")) for _ in range(2))

    def script(self, number):
        return partial_generator(self.program(), number, self.dice.choice((keep_list, keep_sum, keep_last)))


def keep_list(kept, value):
    kept.append(str(value))


def keep_sum(kept, value):
    kept[:] = [len(str(value)) + (kept[0] if kept else 0)]


def keep_last(kept, value):
    kept[:] = [str(value)]


def partial_generator(program, number, keep):
    def script():
        kept = []
        for what in program:
            match what:
                case "load":
                    keep(kept, (yield load(A)))
                case "store":
                    yield store(A, number)
                case "send":
                    keep(kept, (yield send(1, "x" * number)))
                case "run":
                    keep(kept, (yield vcpu_run(1)).code)
                case "clear":
                    keep(kept, (yield clear()))
                case "count":
                    yield hfedu.vm_count()
        return kept

    return script


CHANCE_INVARIANTS = [
    lambda machine: machine.mailbox(1).state != "READ" or machine.vcpu(1).state != "READY",
    lambda machine: machine.lock(1) is None or machine.did != "guest",
    lambda machine: machine.load(A) != 1 or machine.mailbox(1).size != 2,
    lambda machine: machine.vcpu(1).cpu is None or machine.lock(0) is None,
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_scenarios_by_chance_are_the_same_without_any_reduction(seed):
    scripts = Scripts(seed)
    scenario = Scenario(f"chance {seed}", "", ready, (scripts.script(1), scripts.script(2)), (reader,))
    profile = scripts.dice.choice(("2018-10-04", "fixed"))
    own = scripts.dice.sample(CHANCE_INVARIANTS, 2)
    plain = explore(scenario, [*INVARIANTS, *own], prune=False, profile=profile, max_states=1_500)
    if not plain.complete:
        plain = explore(scenario, [*INVARIANTS, *own], prune=False, profile=profile, preemptions=1)
        some = explore(scenario, [*INVARIANTS, *own], profile=profile, recheck=True)
        assert {v.invariant for v in plain.violations} <= {v.invariant for v in some.violations}
        assert plain.finals <= some.finals
        return
    for invariants in ([*INVARIANTS, *own], INVARIANTS):
        pruned = explore(scenario, invariants, profile=profile, recheck=True)
        assert pruned.finals == plain.finals
        assert pruned.results == plain.results
        wanted = {v.invariant: v.steps for v in plain.violations if v.invariant in [i.name for i in pruned.invariants]}
        found = {v.invariant: v.steps for v in pruned.violations if v.invariant in [i.name for i in pruned.invariants]}
        assert found == wanted
