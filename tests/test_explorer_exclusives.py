"""Exclusive accesses of scripts, LDAXR and STLXR: the monitor, who loses it, and what can be built from them."""

import pytest

import hfedu
from hfedu import (
    Scenario,
    compare_and_swap,
    configure,
    load,
    load_exclusive,
    send,
    store,
    store_exclusive,
    store_release,
    vcpu_run,
    vm_count,
)
from hfedu.hf.platform import PL011_BASE
from hfedu.run.explorer import explore

LOCK, COUNT, FAR = 0x4010_0000, 0x4010_0100, 0x4010_0040
MODELS = pytest.mark.parametrize("model", ["sc", "tso"])


def nothing():
    yield from ()


def idle():
    yield configure()


def of(*cpus):
    return Scenario("exclusives", "", nothing, cpus, (idle,))


def results(*cpus, **options):
    found = explore(of(*cpus), (), recheck=True, **options)
    assert found.complete
    return set(found.results)


def alone(*between, load_at=LOCK, data=7, store_at=LOCK, size=8):
    """What a CPU's store_exclusive says after these actions, and what is there then."""

    def script():
        yield load_exclusive(load_at, size)
        for action in between:  # noqa: UP028
            yield action
        status = yield store_exclusive(store_at, data)
        return status, (yield load(LOCK))

    ((told,),) = results(script)
    return told


def test_alone_the_store_succeeds():
    assert alone() == (0, 7)
    assert alone(load(COUNT), store(COUNT, 1), load(LOCK)) == (0, 7)
    assert alone(data=b"\x07", size=1) == (0, 7)


@pytest.mark.parametrize(
    "between",
    [vm_count(), store(LOCK, 0), store(LOCK + 56, 1), compare_and_swap(LOCK, 0, 0), load_exclusive(COUNT)],
    ids=["a call", "a store", "a store near it", "compare and swap", "another address"],
)
def test_what_loses_the_address(between):
    assert alone(between) == (1, 0)


@pytest.mark.slow
def test_without_a_load_exclusive_of_the_same_bytes_the_store_fails():
    assert alone(store_at=LOCK + 8) == (1, 0)
    assert alone(data=b"\x07") == (1, 0)
    assert alone(load_at=FAR) == (1, 0)

    def twice():
        yield load_exclusive(LOCK)
        return (yield store_exclusive(LOCK, 1)), (yield store_exclusive(LOCK, 2)), (yield load(LOCK))

    assert results(twice) == {((0, 1, 1),)}


def add_once():
    number = yield load_exclusive(COUNT)
    return (yield store_exclusive(COUNT, number + 1))


def add():
    while True:
        number = yield load_exclusive(COUNT)
        if (yield store_exclusive(COUNT, number + 1)) == 0:
            return number


@MODELS
def test_of_two_that_loaded_one_store_is_lost(model):
    assert results(add_once, add_once, memory_model=model) == {(0, 0), (0, 1), (1, 0)}


@MODELS
def test_a_loop_of_exclusives_loses_no_update(model):
    found = hfedu.explore(of(add, add, add), (), ends=lambda machine: machine.load(COUNT) == 3, memory_model=model)
    assert found.complete
    assert not found.violations
    assert {tuple(sorted(result)) for result in found.results} == {(0, 1, 2)}


def store_same_value():
    yield store(COUNT, 0)


@MODELS
def test_a_store_of_the_same_value_is_seen_where_compare_and_swap_sees_none(model):
    def swaps():
        number = yield load(COUNT)
        return (yield compare_and_swap(COUNT, number, 1)) == number

    def exclusive():
        yield load_exclusive(COUNT)
        return (yield store_exclusive(COUNT, 1)) == 0

    assert {first for first, _ in results(swaps, store_same_value, memory_model=model)} == {True}
    assert {first for first, _ in results(exclusive, store_same_value, memory_model=model)} == {True, False}


def locked(unlock=store_release, take=store_exclusive):
    """Count under a lock that is taken by exclusives."""

    def script():
        while (yield load_exclusive(LOCK)) or (yield take(LOCK, 1)):
            pass
        number = yield load(COUNT)
        yield store(COUNT, number + 1)
        yield unlock(LOCK, 0)

    return script


def both(machine):
    return machine.load(COUNT) == 2


@MODELS
def test_a_lock_of_exclusives_holds(model):
    found = hfedu.explore(of(locked(), locked()), (), ends=both, memory_model=model)
    assert found.complete
    assert not found.violations


def test_a_lock_of_exclusives_has_no_race_and_one_that_unlocks_by_a_plain_store_has():
    assert not hfedu.explore(of(locked(), locked()), (), races=True).violations
    plain = hfedu.explore(of(locked(store), locked(store)), (), races=True)
    assert f"race on memory at {LOCK:#x}" in {violation.invariant for violation in plain.violations}


@MODELS
def test_a_lock_that_never_asks_whether_its_store_was_made_breaks(model):
    def taken(address, data):
        return store_exclusive(address, data)

    def careless():
        while (yield load_exclusive(LOCK)):
            pass
        yield taken(LOCK, 1)
        number = yield load(COUNT)
        yield store(COUNT, number + 1)
        yield store_release(LOCK, 0)

    found = hfedu.explore(of(careless, careless), (), ends=both, memory_model=model)
    assert [violation.invariant for violation in found.violations] == ["both"]


def test_a_message_that_arrives_loses_the_address():
    """The hypervisor's own store counts like anybody's."""
    sending, receiving = 0x4011_0000, 0x4011_1000

    def ready():
        yield configure(sending, receiving)

    def watches():
        yield load_exclusive(receiving)
        return (yield store_exclusive(receiving, 0))

    def runs():
        return (yield vcpu_run(1)).code

    def sends():
        yield configure()
        yield send(0, "x")

    found = explore(Scenario("arrives", "", ready, (watches, runs), (sends,)), (), recheck=True)
    assert {first for first, _ in found.results} == {0, 1}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: load_exclusive(LOCK + 4), "0x40100004 and 8 bytes are not"),
        (lambda: load_exclusive(LOCK, 3), "1, 2, 4 or 8 bytes"),
        (lambda: store_exclusive(LOCK, b"abc"), "1, 2, 4 or 8 bytes"),
        (lambda: store_exclusive(LOCK, b""), "1, 2, 4 or 8 bytes"),
        (lambda: load_exclusive("a"), "whole numbers"),
    ],
)
def test_what_no_exclusive_access_can_be(wrong, says):
    with pytest.raises(hfedu.Mistake, match=says):
        wrong()


def test_a_device_takes_no_exclusive_access():
    def script():
        yield load_exclusive(PL011_BASE, 4)

    with pytest.raises(hfedu.Mistake, match=r"exclusive accesses are for RAM: 0x9000000 is a device"):
        explore(of(script), ())


@pytest.mark.parametrize("access", [lambda: load_exclusive(LOCK), lambda: store_exclusive(LOCK, 1)])
def test_an_exclusive_access_that_stage_2_refuses_ends_as_a_load_does(access):
    def ended(action):
        def secondary():
            yield action()

        return hfedu.boot(hfedu.RamDisk(lambda: (yield vcpu_run(1)), [secondary])).outcome.kind

    assert ended(access) == ended(lambda: load(LOCK))
