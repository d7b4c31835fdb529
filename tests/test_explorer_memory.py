"""Store buffers: what total store order allows beyond sequential consistency, and what barriers forbid again."""

from itertools import product

import pytest

import hfedu
from hfedu import (
    Scenario,
    barrier,
    compare_and_swap,
    configure,
    hypercall,
    load,
    load_acquire,
    print_line,
    send,
    store,
    store_release,
    vcpu_run,
)  # fmt: skip
from hfedu.guest.scripted import BUFFERED
from hfedu.hf.call import Call
from hfedu.run.explorer import explore
from hfedu.run.invariants import INVARIANTS
from hfedu.run.nearest import both_orders

X, Y, TURN, COUNT = 0x4010_0000, 0x4010_0008, 0x4010_0010, 0x4010_0018
PAGE_X = 0x4010_1000
MESSAGES = [invariant for invariant in INVARIANTS if invariant.name == "messages"]
vm_id = hypercall(Call(0xFF0B, "HF_VM_GET_ID", "vm_id"))


def a_line():
    return print_line("")


def nothing():
    yield load(X)


def idle():
    yield configure()


def of(*cpus, setup=nothing):
    return Scenario("memory", "", setup, cpus, (idle,))


def results(*cpus, **options):
    found = explore(of(*cpus), (), **options)
    assert found.complete
    return set(found.results)


def tso(*cpus):
    return results(*cpus, memory_model="tso")


# Peterson's lock, three ways.


def peterson(me, write=store, read=load, between=()):
    mine, other = ((X, Y), (Y, X))[me]

    def cpu():
        yield write(mine, 1)
        yield write(TURN, 1 - me)
        for action in between:
            yield action()
        while (yield read(other)) and (yield read(TURN)) == 1 - me:
            pass
        count = yield load(COUNT)
        yield store(COUNT, count + 1)
        yield write(mine, 0)

    return cpu


def both_counted(machine):
    return machine.load(COUNT) == 2


def lock(**how):
    return of(peterson(0, **how), peterson(1, **how))


def test_petersons_lock_holds_in_sequentially_consistent_memory():
    found = explore(lock(), (), ends=both_counted)
    assert found.complete
    assert not found.violations


@pytest.mark.slow
def test_petersons_lock_breaks_in_total_store_order():
    found = hfedu.explore(lock(), (), ends=both_counted, memory_model="tso")
    assert [v.invariant for v in found.violations] == ["both-counted"]
    run = found.counterexample()
    assert run.outcome.kind == "violation"
    orders = both_orders(found, found.violations[0])
    assert orders.passing is not None
    assert any("out of its buffer" in str(taken) for taken in orders.failing_steps)
    assert all(taken.cpu in (0, 1) for taken in (*orders.failing_steps, *orders.passing_steps))


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [{"between": (barrier,)}, {"write": store_release, "read": load_acquire}, {"between": (vm_id,)}],
    ids=["barrier", "release and acquire", "a call"],
)
def test_petersons_lock_holds_again(how):
    found = explore(lock(**how), (), ends=both_counted, memory_model="tso")
    assert found.complete
    assert not found.violations


@pytest.mark.slow
def test_petersons_lock_with_release_and_plain_loads_breaks():
    found = explore(lock(write=store_release), (), ends=both_counted, memory_model="tso")
    assert found.violations


# Litmus tests.


def writes_then_reads(mine, other, between=()):
    def cpu():
        yield store(mine, 1)
        for action in between:
            yield action()
        return (yield load(other))

    return cpu


BOTH = set(product((0, 1), repeat=2))


@pytest.mark.slow
def test_store_buffering_is_seen_in_total_store_order_alone():
    scripts = writes_then_reads(X, Y), writes_then_reads(Y, X)
    assert results(*scripts) == BOTH - {(0, 0)}
    assert tso(*scripts) == results(*scripts, memory_model="tso", prune=False) == BOTH


@pytest.mark.parametrize(
    "between",
    [
        barrier,
        lambda: compare_and_swap(TURN, 0, 1),
        lambda: compare_and_swap(TURN, 5, 1),
        vm_id,
        a_line,
    ],
    ids=["barrier", "swap", "a swap that fails", "call", "device"],
)
def test_what_empties_the_buffer(between):
    scripts = writes_then_reads(X, Y, [between]), writes_then_reads(Y, X, [between])
    assert tso(*scripts) == BOTH - {(0, 0)}
    assert tso(writes_then_reads(X, Y), scripts[1]) == BOTH, "one barrier alone is not enough"


def test_message_passing_needs_nothing_in_total_store_order():
    def writer():
        yield store(X, 1)
        yield store(Y, 1)

    def reader():
        flag = yield load(Y)
        return flag, (yield load(X))

    assert {found for _, found in tso(writer, reader)} == BOTH - {(1, 0)}


def test_a_cpu_sees_its_own_stores_first_the_latest_one_byte_by_byte():
    def cpu():
        yield store(X, 0x1111)
        yield store(X, bytes((0x22,)))
        yield store(X + 2, bytes((0x33, 0x44)))
        return (yield load(X)), (yield load(X + 1, 2)), (yield load(X - 8)), (yield load(X + 2, 8))

    def other():
        yield store(Y, 5)

    assert {found for found, _ in tso(cpu, other)} == {
        (0x44331122, 0x3311, 0, 0x4433),
        (0x44331122, 0x3311, 0, 0x4433 | 5 << 48),
    }


def test_stores_over_the_end_of_a_page_are_two():
    def cpu():
        yield store(PAGE_X - 4, (1 << 64) - 1)
        return (yield load(PAGE_X - 4, 4)), (yield load(PAGE_X, 4))

    def other():
        return (yield load(PAGE_X - 4, 4)), (yield load(PAGE_X, 4))

    full = 0xFFFF_FFFF
    assert {mine for mine, _ in tso(cpu, other)} == {(full, full)}
    assert {seen for _, seen in tso(cpu, other)} == {(0, 0), (full, 0), (0, full), (full, full)}


def test_a_load_acquire_waits_for_releases_and_for_no_plain_store():
    def plain(mine, other):
        def cpu():
            yield store(mine, 1)
            return (yield load_acquire(other))

        return cpu

    assert (0, 0) in tso(plain(X, Y), plain(Y, X))


@pytest.mark.slow
def test_more_stores_than_the_buffer_holds_leave_it_in_their_order():
    def cpu():
        for number in range(1, BUFFERED + 3):
            yield store(X, number)
        return (yield load(X))

    def other():
        first = yield load(X)
        return first <= (yield load(X))

    assert tso(cpu, other) == {(BUFFERED + 2, True)}


def test_a_loop_of_stores_has_an_end_of_states():
    def cpu():
        while not (yield load(Y)):
            yield store(X, 1)

    def other():
        yield store(Y, 1)

    found = explore(of(cpu, other), (), memory_model="tso")
    assert found.complete
    assert not found.violations


def test_a_message_is_whole_in_total_store_order():
    def writer():
        return (yield send(1, "one"))

    found = explore(of(writer, nothing, setup=started), MESSAGES, memory_model="tso")
    assert found.complete
    assert not found.violations


def started():
    yield configure()
    yield vcpu_run(1)


def test_stores_reach_memory_before_the_end():
    def cpu():
        yield store(X, 7)

    assert not explore(of(cpu, nothing), (), ends=lambda machine: machine.load(X) == 7, memory_model="tso").violations
    late = hfedu.find(of(cpu, nothing), lambda machine: machine.ended(0) and not machine.load(X), memory_model="tso")
    assert late
    assert not hfedu.find(of(cpu, nothing), lambda machine: machine.ended(0) and not machine.load(X))


@pytest.mark.slow
def test_the_result_says_what_arm_allows_beyond():
    said = explore(lock(), (), memory_model="tso").bounds
    assert "total store order (TSO)" in said
    assert "Arm allows more" in said
    assert "weak memory is not modelled" in explore(lock(), ()).bounds


def test_what_is_no_memory_model_is_said_to_be_none():
    with pytest.raises(hfedu.Mistake, match='memory_model is "sc", sequentially consistent, or "tso"'):
        explore(lock(), memory_model="pso")
    with pytest.raises(hfedu.Mistake, match="races are looked for in sequentially consistent memory"):
        explore(lock(), memory_model="tso", races=True)


def test_a_seed_and_a_schedule_can_order_the_buffers():
    disk = lock().disk(2)
    run = hfedu.Machine(disk, cpus=2, schedule=3, memory_model="tso").run()
    assert run.outcome.kind == "power off"
    with pytest.raises(hfedu.Mistake, match="a token cannot hold a run with store buffers"):
        run.token()
    with pytest.raises(hfedu.Mistake, match="is no schedule"):
        hfedu.Machine(disk, cpus=2, schedule=[9])
    hfedu.Machine(disk, cpus=2, schedule=[9], memory_model="tso")
