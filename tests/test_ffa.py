"""The interface like FF-A: who may say who sends, who may write a page, and the conversation of 2018 with its calls."""

import pytest

from hfedu import RamDisk, Scenario, boot, clear, configure, explore, receive, send, vcpu_run
from hfedu.course.lessons.lesson16 import LENDING, ONE_WRITER, ReclaimsAtOnce
from hfedu.guest.ffa import (
    ffa_mem_donate,
    ffa_mem_lend,
    ffa_mem_reclaim,
    ffa_mem_relinquish,
    ffa_mem_retrieve_req,
    ffa_mem_share,
    ffa_msg_send2,
    ffa_msg_wait,
    ffa_run,
    ffa_rx_release,
    ffa_rxtx_map,
)
from hfedu.guest.scripted import Action, Message
from hfedu.hf.call import HfVcpuRun
from hfedu.history.ffa import FFA_MSG_SEND2, MESSAGE_HEADER, FfaLike, FfaMemory

INVALID_PARAMETERS, BUSY, DENIED = -2, -4, -6


def told(script, changes, others=()):
    """What each call of a script of VM 1 gives; VM 0 runs it, then the others, then it again."""
    given = []

    def watched():
        steps = script()
        value = None
        while True:
            try:
                action = steps.send(value)
            except StopIteration:
                return
            value = yield action
            given.append(value)

    def primary():
        yield ffa_rxtx_map()
        for vm in (1, *range(2, 2 + len(others)), 1):
            yield ffa_run(vm)

    run = boot(RamDisk(primary, [watched, *others]), changes=changes, max_traps=200)
    assert run.outcome.kind == "power off", run.outcome
    return given


def test_a_message_arrives_with_the_name_of_who_sent_it_and_a_full_page_is_busy():
    got = []

    def receiver():
        yield ffa_rxtx_map()
        got.append((yield ffa_msg_wait()))

    def primary():
        yield ffa_run(2)
        yield ffa_run(1)
        yield ffa_run(2)
        yield ffa_run(1)

    given = []

    def sender():
        yield ffa_rxtx_map()
        given.append((yield ffa_msg_send2(2, "one")))
        given.append((yield ffa_msg_send2(2, "two")))
        given.append((yield ffa_rx_release()))

    boot(RamDisk(primary, [sender, receiver]), changes=[FfaLike])
    assert got == [Message(1, b"one")]
    assert given == [0, BUSY, DENIED]


def test_a_message_stays_in_rx_until_it_is_released_and_who_sends_is_switched_out_as_lesson_16_says_of_the_model():
    runs, given = [], []

    def primary():
        yield ffa_rxtx_map()
        for vm in (2, 1, 2, 1):
            runs.append((yield ffa_run(vm)))

    def sender():
        yield ffa_rxtx_map()
        given.append((yield ffa_msg_send2(2, "one")))
        given.append((yield ffa_msg_send2(2, "two")))

    def waits_again():
        yield ffa_rxtx_map()
        yield ffa_msg_wait()
        yield ffa_msg_wait()

    boot(RamDisk(primary, [sender, waits_again]), changes=[FfaLike])
    assert runs[1].code == HfVcpuRun.WAKE_UP, "VM 1 sent, and VM 0 runs"
    assert given == [0, BUSY], "waiting again gave nothing back"


@pytest.mark.parametrize(
    ("to", "sender", "result"),
    [(0, None, 0), (0, 1, 0), (0, 0, INVALID_PARAMETERS), (0, 2, INVALID_PARAMETERS), (0, 0xFFFF, INVALID_PARAMETERS),
     (1, None, INVALID_PARAMETERS), (7, None, INVALID_PARAMETERS)],
)  # fmt: skip
def test_a_header_names_the_caller_and_a_vm_that_is_there(to, sender, result):
    def script():
        yield ffa_rxtx_map()
        yield ffa_msg_send2(to, "hello", sender)

    assert told(script, [FfaLike]) == [0, result]


@pytest.mark.parametrize(
    ("begin", "size"), [(0, 5), (19, 5), (20, 4077), (4096, 1), (0xFFFF_FFFF, 1), (20, 0xFFFF_FFFF)]
)
def test_a_message_that_does_not_fit_behind_its_header_is_refused(begin, size):
    def send_raw():
        def prepare(guest):
            guest.store(guest.pages[0], MESSAGE_HEADER.pack(0, 0, begin, 1 << 16, size))
            return FFA_MSG_SEND2, 0, 0, 0

        return Action("hvc", prepare=prepare)

    def script():
        yield ffa_rxtx_map()
        yield send_raw()

    assert told(script, [FfaLike]) == [0, INVALID_PARAMETERS]


def test_without_pages_nothing_is_sent():
    def script():
        yield ffa_msg_send2(0, "hello")
        yield ffa_rxtx_map()
        yield ffa_rxtx_map()

    assert told(script, [FfaLike]) == [DENIED, 0, INVALID_PARAMETERS]


def test_the_same_conversation_has_the_same_events_on_both():
    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "hello")
        yield vcpu_run(1)
        yield clear()

    def echo():
        yield configure()
        message = yield receive()
        yield clear()
        yield send(message.sender, message.data)

    def ffa_primary():
        yield ffa_rxtx_map()
        yield ffa_run(1)
        yield ffa_msg_send2(1, "hello")
        yield ffa_run(1)
        yield ffa_rx_release()

    def ffa_echo():
        yield ffa_rxtx_map()
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(message.sender, message.data)

    old = boot(RamDisk(primary, [echo]))
    new = boot(RamDisk(ffa_primary, [ffa_echo]), changes=[FfaLike])
    assert [event.kind for event in old.events] == [event.kind for event in new.events]


def owners(*script):
    """A page that VM 0 and VM 1 do these calls about, in this order: what they gave, and the page then."""
    given = []

    def other():
        yield configure()
        for vm, action in script:
            if vm:
                given.append((yield action))
                yield send(0, "x")

    seen = {}

    class Seen(FfaMemory):
        def hold(self, page, held):
            yield from super().hold(page, held)
            seen[page] = held

    def started():
        yield configure()
        for vm, action in script:
            if vm:
                yield vcpu_run(1)
                yield clear()
            else:
                given.append((yield action))

    boot(RamDisk(started, [other, other]), changes=[Seen], max_traps=200)
    return given, seen.get(0)


@pytest.mark.parametrize(
    ("offer", "owner", "writers", "access"),
    [
        (ffa_mem_share, 0, {0, 1}, ("Owner-SA", "!Owner-SA", "!Owner-NA")),
        (ffa_mem_lend, 0, {1}, ("Owner-NA", "!Owner-EA", "!Owner-NA")),
        (ffa_mem_donate, 1, {1}, ("!Owner-NA", "Owner-EA", "!Owner-NA")),
    ],
)
def test_a_page_that_is_offered_and_taken(offer, owner, writers, access):
    given, held = owners((0, offer(0, 1)), (1, ffa_mem_retrieve_req(0)))
    assert given == [0, 0]
    assert (held.owner, set(held.writers), tuple(map(held.access, range(3)))) == (owner, writers, access)


@pytest.mark.parametrize(
    ("script", "results"),
    [
        (((0, ffa_mem_lend(0, 1)), (1, ffa_mem_retrieve_req(0)), (0, ffa_mem_reclaim(0))), [0, 0, DENIED]),
        (((0, ffa_mem_lend(0, 1)), (1, ffa_mem_retrieve_req(0)), (1, ffa_mem_relinquish(0)), (0, ffa_mem_reclaim(0)),
          (1, ffa_mem_retrieve_req(0))), [0, 0, 0, 0, DENIED]),
        (((0, ffa_mem_lend(0, 1)), (0, ffa_mem_share(0, 2))), [0, DENIED]),
        (((0, ffa_mem_lend(0, 2)), (1, ffa_mem_retrieve_req(0))), [0, DENIED]),
        (((1, ffa_mem_lend(0, 2)), (1, ffa_mem_reclaim(0)), (1, ffa_mem_relinquish(0))), [DENIED] * 3),
        (((0, ffa_mem_lend(0, 0)), (0, ffa_mem_lend(0, 9))), [INVALID_PARAMETERS] * 2),
        (((0, ffa_mem_donate(0, 1)), (1, ffa_mem_retrieve_req(0)), (0, ffa_mem_reclaim(0)), (0, ffa_mem_lend(0, 1)),
          (1, ffa_mem_share(0, 0)), (0, ffa_mem_retrieve_req(0))), [0, 0, DENIED, DENIED, 0, 0]),
    ],
)  # fmt: skip
def test_only_who_may_can_offer_take_and_reclaim_a_page(script, results):
    assert owners(*script)[0] == results


@pytest.mark.slow
def test_in_every_order_a_lent_page_has_one_writer_and_the_explorer_finds_where_not():
    assert not explore(LENDING, [ONE_WRITER], profile="fixed", changes=[FfaMemory]).violations
    found = explore(LENDING, [ONE_WRITER], profile="fixed", changes=[ReclaimsAtOnce])
    assert [violation.invariant for violation in found.violations] == ["one-writer"]


@pytest.mark.slow
def test_two_who_ask_for_one_page_at_once_do_not_both_get_it():
    def lends():
        yield ffa_mem_lend(0, 1)

    def runs(vm):
        def script():
            yield vcpu_run(vm)

        return script

    def borrows():
        yield ffa_mem_retrieve_req(0)

    scenario = Scenario("two", "Two VMs want a page.", lends, (runs(1), runs(2)), (borrows, borrows))
    found = explore(scenario, [ONE_WRITER], profile="fixed", changes=[FfaMemory])
    assert found.complete
    assert not found.violations
