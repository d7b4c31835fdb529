"""Two runs are aligned by cause, and where they first part is said in a sentence and shown."""

import pytest
from conftest import one

import hfedu
from hfedu import Kind, Mistake, RamDisk, clear, configure, cpu_on, meet, receive, send, vcpu_run
from hfedu.run.recording import Actor
from hfedu.view.runs import align
from hfedu.widgets.player import Pair

NAMES = ["broadcast_3", "chain_relay_4", "wfi_never_resumes", "rand_0001", "sec_read_unmapped"]


def run_of(name, **options):
    return hfedu.boot(one(name).initrd, **options)


def echo():
    yield configure()
    message = yield receive()
    yield clear()
    yield send(message.sender, message.data)
    yield receive()


def primary(*calls):
    def script():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "hello")
        for action in calls:  # noqa: UP028 - a script is sent results, which a tuple cannot take
            yield action

    return script


def boot(*calls, secondary=echo, **options):
    return hfedu.boot(RamDisk(primary(*calls), [secondary]), **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_the_same_as_itself_made_again(name):
    run = run_of(name)
    comparison = run.compare(run_of(name, title="again"))
    assert comparison.sentence == f"The same happens in both runs: {len(run.events)} events each."
    assert (comparison.here, comparison.there, comparison.made) == (None, None, "")
    assert [(row.here, row.there) for row in comparison.rows] == [(event.seq, event.seq) for event in run.events]


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", NAMES)
def test_the_rows_hold_each_event_once_and_pair_only_what_corresponds(a, b):
    first, second = run_of(a), run_of(b)
    comparison = first.compare(second)
    assert sorted(row.here for row in comparison.rows if row.here is not None) == list(range(len(first.events)))
    assert sorted(row.there for row in comparison.rows if row.there is not None) == list(range(len(second.events)))
    partner = {row.here: row.there for row in comparison.rows if row.here is not None}
    for here, there, mark in comparison.rows:
        assert (mark in "<>") == (None in (here, there))
        if None in (here, there):
            continue
        event, other = first.events[here], second.events[there]
        assert (event.kind, event.actor) == (other.kind, other.actor)
        if event.kind is not Kind.END and event.cause is not None:
            assert partner[event.cause] == other.cause
    if a != b:
        assert (comparison.here, comparison.there) != (None, None)
        assert str(comparison.here or comparison.there) in comparison.sentence
    mirrored = second.compare(first)
    assert {(r.here, r.there) for r in comparison.rows} == {(r.there, r.here) for r in mirrored.rows}


def test_a_receive_that_blocks_here_and_returns_there_says_why():
    """The message comes from another CPU: before the receive, or after it."""

    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield vcpu_run(1)

    def second():
        yield hfedu.vm_count()
        yield hfedu.vm_count()
        yield send(1, "hello")

    def asks():
        yield configure()
        yield send(0, "ready")
        yield receive()

    runs = [hfedu.Machine(RamDisk([first, second], [asks]), cpus=2, schedule=seed).run() for seed in range(40)]
    receives = {}
    for run in runs:
        sends = next(event for event in run.events if event.actor == Actor(0, 1) and event.function == 0xFF04)
        receive_of = next(event for event in run.events if event.actor == Actor(1, 0) and event.function == 0xFF05)
        back = run.events[run.returns[receive_of.seq]] if receive_of.seq in run.returns else None
        if back is not None or receive_of.seq < sends.seq:
            receives[back is None] = run, back or receive_of
    (late, blocks), (early, returns) = receives[True], receives[False]
    assert late.compare(early).sentence == (
        f"Event {blocks.seq}: here VM 1's receive blocks, because VM 1's mailbox is EMPTY since event 2: no message "
        f"has come yet; there, at event {returns.seq}, it returns VM 0, 5 bytes."
    )


def test_states_that_differ_are_told():
    comparison = boot(send(1, "two")).compare(boot(send(1, "two"), profile="fixed"))
    assert "BLOCKED_INTERRUPT" in comparison.sentence
    assert "BLOCKED_MAILBOX" in comparison.sentence
    assert comparison.made == "Made differently: profile '2018-10-04' here, 'fixed' there."


def test_another_call_is_named_beside_the_one_instead_of_it():
    comparison = boot(clear()).compare(boot(vcpu_run(1)))
    assert comparison.sentence == (
        f"Event {comparison.here} here: VM 0 vCPU 0 calls HF_MAILBOX_CLEAR(); there, at event {comparison.there}: "
        "VM 0 vCPU 0 calls HF_VCPU_RUN(VM 1, vCPU 0) [VM 1 vCPU 0: READY -> RUNNING]."
    )


def test_the_same_call_with_another_result():
    here = boot(clear(), fixes=["clear-not-idempotent"])
    there = boot(clear())
    comparison = here.compare(there)
    assert comparison.sentence == (
        f"Event {comparison.here}: here VM 0's clear returns 0; there, at event {comparison.there}, it returns -1, "
        "because only a mailbox that is READ can be cleared, and VM 0's is EMPTY."
    )
    assert here.events[comparison.here].result == 0
    assert comparison.made == "Made differently: fixes ['clear-not-idempotent'] here, [] there."


def test_a_message_that_differs_and_an_event_that_one_run_lacks():
    here, there = boot(), boot(send(1, "again"))
    comparison = here.compare(there)
    refused = next(e for e in there.events if e.kind is Kind.RETURN and e.result == 2**64 - 1)
    assert comparison.there == there.call_of(refused).seq
    assert "HF_MAILBOX_SEND(VM 1, 5 bytes)" in comparison.sentence

    def hallo():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "hallo")

    comparison = here.compare(hfedu.boot(RamDisk(hallo, [echo])))
    assert "“hello”" in comparison.sentence
    assert "“hallo”" in comparison.sentence


def test_more_vms_there():
    comparison = boot().compare(hfedu.boot(RamDisk(primary(), [echo, echo])))
    assert comparison.sentence.startswith("Event 3 there: loads VM 2 from")
    assert comparison.sentence.endswith("; here that does not happen.")
    assert (comparison.here, comparison.there) == (None, 3)
    assert comparison.made == "Made differently: the RAM disk."


def test_one_cpu_and_two_and_two_schedules():
    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield meet()
        yield send(1, "one")

    def second():
        yield meet()
        yield configure()

    disk = RamDisk([first, second], [echo])
    runs = [hfedu.Machine(disk, cpus=2, schedule=schedule).run() for schedule in ("every 1", "every 100")]
    comparison = runs[0].compare(runs[1])
    assert "schedule 'every 1' here, 'every 100' there" in comparison.made
    steps = {event.seq for event in runs[0].events if event.kind is Kind.STEP}
    assert steps
    assert {row.here for row in comparison.rows} - {None} == set(range(len(runs[0].events))) - steps
    pairs = {row.here: row.there for row in comparison.rows}
    delivery = [next(event for event in run.events if event.kind is Kind.DELIVER) for run in runs]
    assert pairs[delivery[0].seq] == delivery[1].seq, "the same message, wherever the other CPU was"
    assert comparison.sentence


def test_the_same_in_another_order():
    def first(order):
        def script():
            yield configure()
            for action in order:  # noqa: UP028
                yield action

        return script

    asks = hfedu.vm_count(), hfedu.vcpu_count(1)
    here, there = (hfedu.boot(RamDisk(first(order), [echo])) for order in (asks, asks[::-1]))
    assert here.compare(there).sentence == "The same happens in another order: event 8 here is event 6 there."


def test_the_table_shows_what_is_around_and_folds_the_rest():
    here, there = boot(vcpu_run(1), clear(), vcpu_run(1)), boot(vcpu_run(1), send(1, "more"), clear(), vcpu_run(1))
    comparison = here.compare(there)
    lines = repr(comparison).splitlines()
    assert lines[0] == comparison.sentence
    assert lines[1].startswith("here: RAM disk")
    assert lines[2].startswith("… ")
    marks = [mark for _, mark, _ in comparison.table()]
    assert ">" in marks
    assert marks.index(">") == 2 + 3
    page = comparison._repr_html_()
    assert page.count("<tr>") == len(comparison.table())
    assert "<td>&gt;</td>" in page
    assert all(len(line) <= 123 for line in lines[1:])


def test_what_is_no_run():
    for other in (None, "run", hfedu.Machine(RamDisk(primary(), [echo]), record=False).run()):
        with pytest.raises(Mistake, match="compare takes two runs that were recorded"):
            boot().compare(other)
    assert align(boot(), boot())


def test_two_players_answer_each_for_its_run():
    first, second = boot(send(1, "two")), boot()
    pair, answers = Pair(first, second, first.compare(second).data), []
    pair.send = answers.append
    for number, run in enumerate((first, second)):
        seq = len(run.events) - 1
        pair._handle_custom_msg({"ask": "why", "seq": seq, "id": number, "run": number}, [])
        assert answers[-1]["run"] == answers[-1]["id"] == number
        assert answers[-1]["title"] == run.why(seq).question
    pair._handle_custom_msg("nonsense", [])
    assert "cannot show None" in answers[-1]["error"]
