"""Where Python keeps state that no variable shows: it counts in each such place."""

import contextlib
import dataclasses
import datetime
import io
import itertools
import logging
import queue
import random
import struct
import sys
import threading
import types
import weakref
from collections import OrderedDict
from contextvars import ContextVar
from functools import cache, cached_property, lru_cache, partial, singledispatch

import pytest

import hfedu
from hfedu import Scenario, clear, configure, load, receive, send, store, vcpu_run
from hfedu.errors import Mistake
from hfedu.hf.api import running
from hfedu.hf.call import ERROR
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step
from hfedu.run.explorer import explore

A, B = 0x4010_0000, 0x4010_1000
ENDS = {0, 1, 11, 101, 111}
"""What three loads can give as digits: A is set before B."""


def nothing():
    yield from ()


def sleeper():
    yield receive(block=True)


def set_both():
    yield store(A, 1)
    yield store(B, 1)


def of_memory(*scripts):
    return Scenario("memory", "", nothing, scripts, (sleeper,))


def ends(script):
    found = explore(of_memory(script, set_both))
    assert found.complete
    return {first for first, _ in found.results}


def late(make):
    """A script that puts away what it loads, and looks at it long after. `make` gives how to put, and how to look."""

    def script():
        put, look = make()
        for address in (A, B, A):
            put((yield load(address)))
        del put
        for _ in range(3):
            yield load(A + 64)
        return look()

    return script


def more(number, digit):
    return int(number or 0) * 10 + digit


def kept_in(attribute, thing):
    """In an attribute of a thing that is made anew."""

    def make():
        found = thing()
        return (lambda digit: setattr(found, attribute, more(getattr(found, attribute, 0), digit))), (
            lambda: getattr(found, attribute)
        )

    return make


def text_in(attribute, thing):
    """In an attribute that takes texts alone."""

    def make():
        found = thing()
        setattr(found, attribute, "0")
        return (lambda digit: setattr(found, attribute, getattr(found, attribute) + str(digit))), (
            lambda: int(getattr(found, attribute))
        )

    return make


def in_a_cause():
    error = ValueError()

    def put(digit):
        error.__cause__ = ValueError(more(str(error.__cause__ or 0), digit))

    return put, lambda: int(str(error.__cause__))


def in_keyword_defaults():
    def function(*, n=0):
        return n

    return (lambda digit: function.__kwdefaults__.update(n=more(function(), digit))), lambda: function()


def in_annotations():
    def function():
        pass

    found = function.__annotations__
    return (lambda digit: found.update({str(len(found)): digit})), lambda: int("".join(map(str, found.values())))


def in_code():
    def function():
        return 0

    def put(digit):
        function.__code__ = eval(f"lambda: {more(function(), digit)}").__code__

    return put, function


def in_a_metaclass():
    meta = type("Meta", (type,), {"n": 0})
    made = meta("Made", (), {})
    return (lambda digit: setattr(meta, "n", more(meta.n, digit))), lambda: made.n


def in_bases():
    zero, one, found = type("Zero", (), {"n": 0}), type("One", (), {"n": 1}), []
    return (lambda digit: found.append(type("Made", ((zero, one)[digit],), {}))), (
        lambda: int("".join(str(each.n) for each in found))
    )


def in_a_special_method():
    made = type("Made", (), {"__call__": partial(int, 0)})
    return (lambda digit: setattr(made, "__call__", partial(int, more(made()(), digit)))), lambda: made()()


def in_the_globals_of_what_was_made():
    made = types.ModuleType("made")
    exec("n = 0\ndef put(digit):\n    global n\n    n = n * 10 + digit\n", vars(made))
    put = made.put
    return put, lambda: put.__globals__["n"]


def in_an_order():
    found = OrderedDict.fromkeys(("a", "b", "c"))
    names = iter("abc")

    def put(digit):
        name = next(names)
        if digit:
            found[name] = 1

    return put, lambda: int("".join(str(value or 0) for value in found.values()))


def in_a_view_of_a_part():
    view = memoryview(bytearray(16))[4:12]
    return (lambda digit: view.__setitem__(0, more(view[0], digit))), lambda: view[0]


def in_a_slot_that_a_property_hides():
    base = type("Base", (), {"__slots__": ("n",)})
    found = type("Hides", (base,), {"__slots__": (), "n": 0})()
    base.n.__set__(found, 0)
    return (lambda digit: base.n.__set__(found, more(base.n.__get__(found), digit))), lambda: base.n.__get__(found)


def in_a_file():
    found = io.StringIO()
    return (lambda digit: found.write(str(digit))), lambda: int(found.getvalue())


def in_what_waits_for_an_end():
    out, thing = [], random.Random()
    holder = [thing]
    del thing

    def put(digit):
        weakref.finalize(holder[0], out.append, digit)

    def look():
        holder.clear()
        return int("".join(map(str, reversed(out))))

    return put, look


@contextlib.contextmanager
def adding_up(out):
    held = [0]
    yield held
    out.append(held[0])


MADE = {
    "the attribute of an error": kept_in("errno", OSError),
    "the value of an end": kept_in("value", StopIteration),
    "a cause": in_a_cause,
    "the attribute of a partial": kept_in("n", lambda: partial(int)),
    "the attribute of dice": kept_in("n", partial(random.Random, 1)),
    "the attribute of a file": kept_in("n", type("Text", (io.StringIO,), {})),
    "a docstring": text_in("__doc__", lambda: lambda: None),
    "the name of a function": text_in("__name__", lambda: lambda: None),
    "the name of a generator": text_in("__name__", lambda: (each for each in ())),
    "the name of a class": text_in("__name__", lambda: type("Made", (), {})),
    "the docstring of a class": text_in("__doc__", lambda: type("Made", (), {})),
    "a dunder of a class": kept_in("__n__", lambda: type("Made", (), {})),
    "keyword defaults": in_keyword_defaults,
    "annotations": in_annotations,
    "code": in_code,
    "a metaclass": in_a_metaclass,
    "bases": in_bases,
    "a special method": in_a_special_method,
    "globals of its own": in_the_globals_of_what_was_made,
    "an order": in_an_order,
    "a view of a part": in_a_view_of_a_part,
    "a hidden slot": in_a_slot_that_a_property_hides,
    "a file": in_a_file,
    "what waits for an end": in_what_waits_for_an_end,
}


@pytest.mark.slow
@pytest.mark.parametrize("place", MADE)
def test_what_python_keeps_where_no_variable_shows_it_counts(place):
    assert ends(late(MADE[place])) == ENDS


def in_the_frame_of_another():
    def other(number):
        assert number >= 0
        return sys._getframe()

    number = 0
    for address in (A, B, A):
        number = more(number, (yield load(address)))
    frame = other(number)
    del number
    yield load(A + 64)
    return frame.f_locals["number"]


def in_a_traceback():
    def fails(number):
        raise ValueError

    number = 0
    for address in (A, B, A):
        number = more(number, (yield load(address)))
    try:
        fails(number)
    except ValueError as error:
        kept = error
    del number
    yield load(A + 64)
    return kept.__traceback__.tb_next.tb_frame.f_locals["number"]


def in_code_of_its_own():
    number = 0
    for address in (A, B, A):
        number = more(number, (yield load(address)))
    code = compile(str(number), "made", "eval")
    del number
    yield load(A + 64)
    return eval(code)


def in_an_open_context():
    out = []
    with adding_up(out) as held:
        for address in (A, B, A):
            held[0] = more(held[0], (yield load(address)))
        del held
        yield load(A + 64)
    return out[0]


class Ended:
    """Tells at its end what it held."""

    def __init__(self, out, digit):
        self.out, self.digit = out, digit

    def __del__(self):
        self.out.append(self.digit)


def in_what_has_a_finalizer():
    out = []
    kept = []
    for address in (A, B, A):
        kept.append(Ended(out, (yield load(address))))
    yield load(A + 64)
    while kept:
        del kept[0]
    return int("".join(map(str, out)))


class OtherDate(datetime.datetime):
    """Says that another one like it is made of nothing."""

    def __reduce__(self):
        return OtherDate, ()

    def __reduce_ex__(self, _):
        return OtherDate, ()


def in_what_lies_about_itself():
    number = 0
    for address in (A, B, A):
        number = more(number, (yield load(address)))
    date = OtherDate(2000 + number, 1, 1)
    del number
    yield load(A + 64)
    return date.year - 2000


def in_locals():
    first, second, third = (yield load(A)), (yield load(B)), (yield load(A))
    kept = locals()
    del first, second, third
    yield load(A + 64)
    return more(more(kept["first"], kept["second"]), kept["third"])


def by_a_yield_in_finally():
    first = second = third = 0
    try:
        first, second, third = (yield load(A)), (yield load(B)), (yield load(A))
    finally:
        yield store(A + 64, 1)
        yield store(A + 72, 1)
    return more(more(first, second), third)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        in_the_frame_of_another, in_a_traceback, in_code_of_its_own, in_an_open_context, in_what_has_a_finalizer,
        in_what_lies_about_itself, in_locals, by_a_yield_in_finally,
    ],
    ids=lambda script: script.__name__,
)  # fmt: skip
def test_what_a_script_holds_on_the_way_counts(script, capsys):
    assert ends(script) == ENDS
    assert not capsys.readouterr().err, "no word about generators that were let go"


# Outside of the scripts.


def helper(n=0, *, m=0):
    """0"""
    return n, m


class Zero:
    """0"""

    n = 0
    __n__ = 0

    def method(self):
        return 0


class One(Zero):
    n = 1


class Meta(type):
    m = 0


class OfMeta(metaclass=Meta):
    """A class whose class can be changed."""


@cache
def remembers(*_):
    return []


@lru_cache
def remembers_the_last(*_):
    return []


class Once:
    @cached_property
    def kept(self):
        return []


ONCE, LOCKS, TAKEN = Once(), [threading.Lock() for _ in range(3)], []
RECURSIVE, QUEUE = threading.RLock(), queue.Queue()


def take(digit):
    if digit:
        LOCKS[len(TAKEN)].acquire(False)
    TAKEN.append(0)


def times_held():
    return int(repr(RECURSIVE).partition("count=")[2].split()[0])


def hold(digit):
    for _ in range(times_held() + digit):
        RECURSIVE.acquire()


def together(digits):
    return int("".join(map(str, digits)))


PARTIAL, THINGS, CLASS = partial(dict, n=0), [Zero(), Zero(), Zero()], []
PARTIAL.n = 0


def become(digit):
    found = next(each for each in THINGS if not hasattr(each, "seen"))
    found.seen = 1
    if digit:
        found.__class__ = One


def new_default(digit):
    helper.__defaults__ = (more(helper()[0], digit),)


def new_method(digit):
    number = more(Zero().method(), digit)
    Zero.method = lambda self: number


OUTSIDE = {
    "a default": (new_default, lambda: helper()[0]),
    "a keyword default": (lambda digit: helper.__kwdefaults__.update(m=more(helper()[1], digit)), lambda: helper()[1]),
    "a docstring": (lambda digit: setattr(helper, "__doc__", helper.__doc__ + str(digit)), lambda: int(helper.__doc__)),
    "a method": (new_method, lambda: Zero().method()),
    "a dunder": (lambda digit: setattr(Zero, "__n__", more(Zero.__n__, digit)), lambda: Zero.__n__),
    "the text of a class": (
        lambda digit: setattr(Zero, "__doc__", Zero.__doc__ + str(digit)), lambda: int(Zero.__doc__),
    ),
    "a metaclass": (lambda digit: setattr(type(OfMeta), "m", more(OfMeta.m, digit)), lambda: OfMeta.m),
    "a class": (become, lambda: int("".join(str(each.n) for each in THINGS))),
    "a partial": (lambda digit: setattr(PARTIAL, "n", more(PARTIAL.n, digit)), lambda: PARTIAL.n),
    "a cache": (lambda digit: remembers(0).append(digit), lambda: together(remembers(0))),
    "a cached property": (lambda digit: ONCE.kept.append(digit), lambda: together(ONCE.kept)),
    "locks": (take, lambda: together(int(lock.locked()) for lock in LOCKS)),
    "a lock that is held often": (hold, lambda: int(f"{times_held():b}")),
    "a queue": (QUEUE.put, lambda: together(QUEUE.get() for _ in range(3))),
    "its keywords": (lambda digit: PARTIAL.keywords.update(n=more(PARTIAL()["n"], digit)), lambda: PARTIAL()["n"]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("place", OUTSIDE)
def test_what_is_kept_outside_counts_and_is_put_back(place):
    assert ends(late(lambda: OUTSIDE[place])) == ENDS
    assert (helper(), helper.__doc__, Zero().method(), Zero.__n__, Zero.__doc__) == ((0, 0), "0", 0, 0, "0")
    assert (OfMeta.m, PARTIAL.n, PARTIAL()) == (0, 0, {"n": 0})
    assert [type(each) for each in THINGS] == [Zero] * 3
    assert (remembers.cache_info().currsize, vars(ONCE), times_held(), QUEUE.qsize()) == (0, {}, 0, 0)
    assert not any(lock.locked() for lock in LOCKS)


VALUE = [0]


@cache
def value_at(_):
    return VALUE[0]


def asks_once():
    for address in (A, B, A):
        VALUE[0] = yield load(address)
        value_at(len(TAKEN))
        TAKEN.append(0)
    VALUE[0] = 0
    yield load(A + 64)
    return together(map(value_at, range(3)))


def test_what_a_function_remembers_counts():
    assert ends(asks_once) == ENDS


@singledispatch
def kind_of(_):
    return "thing"


@kind_of.register(int)
def _(_):
    return "number"


LOG, HEADER, MADE_OF = logging.getLogger("hfedu.tests"), struct.Struct("<I"), types.MappingProxyType({0: 0, 1: 1})


def uses_what_is_harmless():
    number = more(more((yield load(A)), (yield load(B))), MADE_OF[(yield load(A))])
    LOG.debug("%s", number)
    assert kind_of(number) == "number"
    assert kind_of("") == "thing"
    return HEADER.unpack(HEADER.pack(number))[0]


def test_what_keeps_nothing_that_changes_is_no_trouble():
    assert ends(uses_what_is_harmless) == ENDS


FRESH = ContextVar("fresh")


def sets_first():
    FRESH.set((yield load(A)))


def asks_the_last():
    remembers_the_last((yield load(A)))


def asks_how_often():
    remembers((yield load(A)))
    return remembers.cache_info().hits


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (sets_first, "fresh is a ContextVar that was given its first value by a script: give it one before"),
        (asks_the_last, "remembers_the_last remembers what it gave, and that cannot be put back"),
        (asks_how_often, "remembers remembers what it gave, and that cannot be put back"),
    ],
)
def test_what_cannot_be_put_back_is_refused_and_all_else_is_put_back(script, says):
    def also():
        VALUE[0] = yield load(A)
        VALUE[0] = 7

    with pytest.raises(Mistake, match=says):
        explore(of_memory(script, also))
    assert VALUE == [0]


code = queue.SimpleQueue()


def names_an_attribute():
    return (yield vcpu_run(1)).code


def test_an_attribute_is_not_taken_for_a_global_of_its_name():
    assert explore(of_memory(names_an_attribute)).complete


@cache
def full(machine):
    return machine.load(A) != 1


def test_an_invariant_that_remembers_is_refused():
    for invariant in (full, lambda machine: full(machine)):
        with pytest.raises(Mistake, match="goes by full, which has a cache"):
            explore(of_memory(set_both), [invariant])


LEFT = []


def leaves_something():
    try:
        found = more(more((yield load(A)), (yield load(B))), (yield load(A)))
        yield load(A + 64)
        return found if not LEFT else "left"
    finally:
        LEFT.append(1)


def test_what_a_script_does_when_it_is_let_go_is_put_back():
    assert ends(leaves_something) == ENDS
    assert not LEFT


SET_UP = []


def sets_up():
    SET_UP.append(len(SET_UP))
    yield from ()


def asks_the_setup():
    SET_UP.append((yield load(A)))
    yield load(B)
    return list(SET_UP)


@pytest.mark.parametrize("prune", [True, False])
def test_what_the_setup_does_outside_it_does_once(prune):
    found = explore(Scenario("sets up", "", sets_up, (asks_the_setup, set_both), (sleeper,)), prune=prune)
    assert sorted(first for first, _ in found.results) == [[0, 0], [0, 1]]
    assert not SET_UP


def fails():
    SET_UP.append(1)
    yield 5


def interrupts(*_):
    raise KeyError


def test_however_a_search_ends_what_lies_outside_is_put_back():
    with pytest.raises(Mistake, match="yielded 5"):
        explore(Scenario("fails", "", fails, (set_both,), (sleeper,)))
    assert not SET_UP
    with pytest.raises(KeyError):
        explore(Scenario("sets up", "", sets_up, (asks_the_setup, set_both), (sleeper,)), progress=interrupts)
    assert not SET_UP


DEVICES = {"the distributor": 0x0800_0000, "an interface": 0x0801_0004, "the real-time clock": 0x0901_0008,
           "the firmware's": 0x0902_0008}  # fmt: skip


@pytest.mark.parametrize("base", DEVICES.values(), ids=DEVICES)
@pytest.mark.parametrize("access", [lambda base: load(base, 4), lambda base: store(base, b"abcd")])
def test_a_device_whose_state_no_state_has_is_refused(base, access):
    def script():
        yield access(base)

    with pytest.raises(Mistake, match=rf"a guest accesses the device at {base:#x}: in a scenario it has RAM, flash"):
        explore(of_memory(script, set_both))


# Delegation.


def of_a_row(make):
    def script():
        yield from make()
        return more(more((yield load(A)), (yield load(B))), (yield load(A)))

    return script


@pytest.mark.parametrize(
    "make",
    [
        lambda: (load(A + 64), store(A + 72, 1), load(A + 64)),
        lambda: [load(A + 64)],
        lambda: itertools.chain([load(A + 64)], (load(A + 64),)),
        lambda: map(load, (A + 64, A + 72)),
    ],
    ids=["a tuple", "a list", "a chain", "a map"],
)
def test_a_script_may_delegate_to_a_row_of_actions(make):
    assert ends(of_a_row(make)) == ENDS
    run = hfedu.boot(of_memory(of_a_row(make)).disk(1))
    assert run.outcome.kind == "power off"


class Driven:
    """A generator by hand."""

    def __init__(self):
        self.seen, self.left = 0, [A, B, A]

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        if value is not None:
            self.seen = more(self.seen, value)
        if not self.left:
            raise StopIteration(self.seen)
        return load(self.left.pop(0))


@types.coroutine
def loads(address):
    return (yield load(address))


async def awaits():
    return more(more(await loads(A), await loads(B)), await loads(A))


@pytest.mark.parametrize("make", [Driven, lambda: awaits().__await__()], ids=["by hand", "a coroutine"])
def test_a_script_may_delegate_to_what_takes_results(make):
    def script():
        return (yield from make())

    assert ends(script) == ENDS


@pytest.mark.parametrize(("row", "says"), [(range(2), "yielded 0"), ("ab", "yielded 'a'"), ((None,), "yielded None")])
def test_a_row_of_something_else_is_said_to_be_none(row, says):
    def script():
        yield from row

    with pytest.raises(Mistake, match=f"the script script {says}: yield a call such as"):
        explore(of_memory(script))


# Hypervisors of one's own.


def ready():
    yield configure()
    yield vcpu_run(1)


def one():
    return (yield send(1, "one"))


def reader():
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


class OneMore(Hypervisor):
    """A mailbox that takes one more message, so that no send of two is refused."""

    def busy_locked(self, cpu, to):
        if self.full(to):
            return ERROR
        self.put(to, bytes(self.mm_load(running(cpu).vm.mailbox.send, cpu.regs[2])))
        return 0


class InTheVm(OneMore):
    def put(self, to, message):
        to.extra = message

    def full(self, to):
        return hasattr(to, "extra")


class InTheMailbox(OneMore):
    def put(self, to, message):
        to.mailbox.extra = message

    def full(self, to):
        return hasattr(to.mailbox, "extra")


class InItsMethod(OneMore):
    def put(self, to, message):
        type(self).full = lambda self, to: True

    def full(self, to):
        return False


@dataclasses.dataclass
class Waiting:
    message: bytes = b""


class BehindAReference(OneMore):
    def __init__(self, platform):
        super().__init__(platform)
        self.held = Waiting()
        self.reference = weakref.ref(self.held)

    def put(self, to, message):
        self.reference().message = message

    def full(self, to):
        return bool(self.reference().message)


class InACache(OneMore):
    @cache  # noqa: B019
    def kept(self):
        return []

    def put(self, to, message):
        self.kept().append(message)

    def full(self, to):
        return bool(self.kept())


class InAQueue(OneMore):
    def __init__(self, platform):
        super().__init__(platform)
        self.queue = queue.Queue(1)

    def put(self, to, message):
        self.queue.put(message)

    def full(self, to):
        return self.queue.full()


class LooksInALoop(Hypervisor):
    def api_mailbox_send(self, cpu, vm_id, size):
        for _ in range(2):
            yield Step("look", self.vms[1])
        return (yield from super().api_mailbox_send(cpu, vm_id, size))


class LooksTwice(Hypervisor):
    def api_mailbox_send(self, cpu, vm_id, size):
        yield Step("look", self.vms[1])
        yield Step("look", self.vms[1])
        return (yield from super().api_mailbox_send(cpu, vm_id, size))


@pytest.mark.slow
def test_a_loop_of_a_hypervisor_of_ones_own_costs_no_state():
    plan = Scenario("senders", "", ready, (one, one), (reader,))
    loop, twice = (explore(plan, profile="fixed", changes=[kind]) for kind in (LooksInALoop, LooksTwice))
    assert (loop.states, loop.results) == (twice.states, twice.results)


class InAPart(OneMore):
    def __init__(self, platform):
        super().__init__(platform)
        self.view = memoryview(bytearray(8))[2:4]

    def put(self, to, message):
        self.view[0] = 1

    def full(self, to):
        return bool(self.view[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [InTheVm, InACache, InAQueue, InTheMailbox, InItsMethod, BehindAReference, InAPart])
def test_wherever_a_hypervisor_of_ones_own_keeps_a_message_it_counts(kind):
    found = explore(Scenario("senders", "", ready, (one, one), (reader,)), profile="fixed", changes=[kind])
    assert found.complete
    assert found.results == ((0, 0),)


# What invariants look at, and what they should not do.


def add():
    number = yield load(A)
    yield store(A, number + 1)


COUNTER = of_memory(add, add)


def store_is_next(machine):
    guest = machine.whole.guests.get("vm0.vcpu0")
    return guest is None or guest.action is None or guest.action.instruction != "store"


def has_more_to_do(machine):
    guest = machine.whole.guests.get("vm0.vcpu0")
    return guest is None or guest.generator.gi_frame is not None


@pytest.mark.parametrize("invariant", [store_is_next, has_more_to_do])
def test_an_invariant_that_looks_past_the_view_is_judged_as_without_reduction(invariant):
    pruned, plain = (explore(COUNTER, [invariant], prune=prune) for prune in (True, False))
    assert {v.invariant: v.steps for v in pruned.violations} == {v.invariant: v.steps for v in plain.violations}
    assert pruned.violations


def writes_memory(machine):
    machine.machine.board.memory.write64(A + 64, 7)
    return True


def writes_past_the_view(machine):
    machine.whole.board.memory.write64(A + 64, 7)
    return True


def empties_a_mailbox(machine):
    mailbox = machine.whole.hypervisor.vms[1].mailbox
    mailbox.state = type(mailbox.state).EMPTY
    return True


@pytest.mark.slow
@pytest.mark.parametrize("invariant", [writes_memory, writes_past_the_view, empties_a_mailbox])
@pytest.mark.parametrize("prune", [True, False])
def test_an_invariant_that_changes_the_machine_is_told_so(invariant, prune):
    scenario = COUNTER if invariant is not empties_a_mailbox else Scenario("one", "", ready, (one, one), (reader,))
    name = invariant.__name__.replace("_", "-")
    with pytest.raises(Mistake, match=f"the invariant {name} changes the machine: it may only look at it"):
        explore(scenario, [invariant], prune=prune)
