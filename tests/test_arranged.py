"""Handlers built in an order: whatever the order, what is said of its runs is true of them."""

import itertools
import re

import pytest

from hfedu import Kind
from hfedu.course.exercises import check, exercises
from hfedu.run import words
from hfedu.run.recording import Actor
from hfedu.view.why import asks_why

SINCE = re.compile(r"(VM \d+)('s mailbox| vCPU \d+) is (?:not \w+, it is )?([A-Z_]+) since event (\d+)")
NOW = re.compile(r"VM (\d+)('s mailbox| vCPU \d+) is (?:not \w+, it is )?([A-Z_]+) (?:since|because)")
DELIVERED = re.compile(r"VM (\d+)'s message was delivered there at event (\d+)")
ORDERS = list(itertools.permutations(exercises()["05-arrange-send"].pieces))


def runs_of(exercise_id, orders):
    """Every run that is shown with the verdict on an order."""
    verdicts = [check(exercise_id, list(order)) for order in orders]
    return [run for verdict in verdicts for run in (verdict.run, verdict.beside) if run is not None]


def path_of(vm, what):
    """The path of the state of a mailbox or a vCPU, from how a sentence calls it."""
    return f"vm{vm}.{'mailbox' if 'mailbox' in what else what.strip().replace(' ', '').lower()}.state"


def true_of(run, link, until):
    """Whether what a link says of states and messages is so, up to an event."""
    for vm, what, state, seq in SINCE.findall(link.sentence):
        path = path_of(vm[3:], what)
        assert run.at(int(seq))[path] == state
        assert run.events[int(seq)].change(path), "it changed there"
    for vm, what, state in NOW.findall(link.sentence):
        assert run.at(until)[path_of(vm, what)] == state
    for sender, seq in DELIVERED.findall(link.sentence):
        event = run.events[int(seq)]
        assert (event.kind, event.actor.vm) == (Kind.DELIVER, int(sender))
    if "no message has come yet" in link.sentence:
        vm = int(link.sentence[3])
        assert not any(e.kind is Kind.DELIVER and e.target == Actor(vm) for e in run.events[: until + 1])
    assert "interrupt woke it" not in link.sentence, "no interrupt comes in these runs"


@pytest.mark.slow
@pytest.mark.parametrize("first", exercises()["05-arrange-send"].pieces)
def test_no_cause_of_a_refusal_lies_after_it_and_every_state_was_so(first):
    explained = 0
    for run in runs_of("05-arrange-send", [order for order in ORDERS if order[0] == first]):
        for event in run.events:
            if not asks_why(run, event):
                continue
            until = event.seq - 1 if words.failed(event) else run.settled(event).seq
            for link in run.why(event.seq):
                assert link.seq is None or link.seq <= until, f"{event!r}: {link.sentence}"
                assert link.seq is None or f"event {link.seq}" in link.sentence
                if words.failed(event):
                    true_of(run, link, until)
                    explained += 1
    assert explained > 100


def test_a_send_that_wakes_first_and_is_then_refused_is_explained_by_what_it_did_itself():
    order = [
        "wake the vCPU that waits",
        "set the mailbox's state",
        "copy message, sender and size",
        "check the size",
        "check that the mailbox is EMPTY",
    ]
    run = check("05-arrange-send", order).run
    refused = next(event for event in run.events if words.failed(event))
    call = run.call_of(refused)
    (link, *_) = run.why(call.seq)
    assert call.seq < link.seq < refused.seq
    assert link.sentence.endswith("which is part of this very call.")
    second = [event for event in run.events if words.failed(event)][1]
    said = str(run.why(second.seq))
    assert "VM 0's send woke it" in said
    assert "delivered there at event" in said


def test_a_send_that_the_hypervisor_does_not_survive_is_not_said_to_switch():
    answer, reason = exercises()["05-arrange-send"].wrong["checks the size last"]
    verdict = check("05-arrange-send", answer)
    assert reason in verdict.sentence
    assert "here VM 0's send does not return; there" in verdict.run.compare(verdict.beside).sentence
