"""Lesson 14: the check of the router reaches what it claims to, and a failing run is as short as it says."""

import random
import re

import nbformat
import pytest

import hfedu
from hfedu import Kind, clear, configure, receive, send
from hfedu.course import notebooks
from hfedu.course.exercises import check
from hfedu.course.lessons.lesson14 import (
    FRIENDS,
    HOSTILE,
    IN_C,
    POLICY,
    PREDICTIONS,
    TIMERS,
    TIMERS_IN_C,
    Neighbours,
    Trial,
    arrivals,
    attack,
    attempts,
    audit,
    deaf,
    reactions,
    route_says_nothing_when_it_is_refused,
    solve_route,
    writer,
)
from hfedu.course.predictions import grade


def router():
    return solve_route


def trials(image, beside, timers):
    for order in range(8):
        turns = tuple(random.Random(order).choices((1, 2, 3, 4), (3, 1, 1, 1), k=8 + 6 * order))
        yield Trial(image, beside, turns, timers[order % len(timers)])


@pytest.mark.slow
@pytest.mark.parametrize("beside", [FRIENDS, *HOSTILE], ids=lambda neighbours: neighbours.name)
def test_every_neighbour_reaches_the_router_and_ends_alone(beside):
    for image, timers in ((router(), TIMERS), (hfedu.compile_c(IN_C), TIMERS_IN_C)):
        runs = [trial.run() for trial in trials(image, beside, timers)]
        assert [run.outcome.kind for run in runs] == ["power off"] * len(runs)
        assert [audit(run) for run in runs] == [None] * len(runs)
        assert sum(len(list(arrivals(run))) for run in runs) >= len(runs)


@pytest.mark.slow
def test_every_rule_is_used_by_the_hostile_neighbours():
    words = set()
    for beside in HOSTILE:
        for trial in trials(router(), beside, TIMERS):
            run = trial.run()
            for event, sender in arrivals(run):
                words |= {m.data[2:] for m in reactions(sender, event.message)[-1:]}
            words |= {b"dropped"} if any(data is None for _, data in attempts(run)) else set()
    assert {b"malformed", b"denied", b"undelivered", b"dropped"} <= words


def test_the_specification_by_example():
    assert reactions(2, b"32hello") == [(3, b"32hello"), (2, b"21undelivered")]
    assert reactions(3, b"20open") == [(2, b"23open"), (3, b"31undelivered")]
    assert reactions(4, b"24hi") == [(4, b"41denied")]
    assert reactions(2, b"92") == reactions(2, b"12") == [(2, b"21denied")]
    assert reactions(0, b"") == reactions(0, b"2") == reactions(0, b"x0hi") == [(0, b"01malformed")]
    assert 4 not in POLICY


def believer():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        to = int(message.data[:1]) if message.data[:1].isdigit() and len(message.data) > 1 else -1
        word = "malformed" if to < 0 else "denied"
        if to in POLICY.get(message.sender, ()):
            word = "undelivered"
            if (yield send(to, message.data)) != -1:
                continue
        yield send(message.sender, f"{message.sender}1{word}")


@pytest.mark.slow
def test_a_failing_run_ends_at_the_event_that_shows_it():
    verdict = check("14-survive", believer)
    assert "byte 1 says who really sent it" in verdict.sentence
    assert verdict.run.events[-1].kind is Kind.END
    assert verdict.run.outcome.kind == "violation"
    last = [event for event, data in attempts(verdict.run) if data is not None][-1]
    assert f"In event {last.seq} " in verdict.sentence


@pytest.mark.slow
def test_no_turn_of_a_failing_run_can_be_left_out():
    failing = next(trial for trial in trials(believer, HOSTILE[0], TIMERS) if audit(trial.run()))
    short = failing.shortened()
    assert audit(short.run())
    for number in range(len(short.turns)):
        fewer = short._replace(turns=short.turns[:number] + short.turns[number + 1 :])
        assert not audit(fewer.run())


@pytest.mark.slow
def test_the_trusting_router_of_the_notebook_fails_with_a_run_to_look_at():
    book = nbformat.read(notebooks.source()[0] / "14_capstone.ipynb", as_version=4)
    names = dict(vars(hfedu)) | {name: getattr(hfedu, name) for name in hfedu.__all__}
    exec(next(cell.source for cell in book.cells if cell.id == "naive"), names)
    verdict = attack(names["naive"])
    assert verdict.state == "wrong"
    assert verdict.run.outcome.kind == "violation"


@pytest.mark.parametrize(
    ("frame", "turns", "why"),
    [
        (b"32hello", (1, 2), "VM 3 has not configured its pages"),
        (b"52hello", (1, 3, 2), "there is no VM 5"),
        (b"32one", (1, 3, 2, 2, 2, 2), "VM 3's mailbox is full"),
    ],
)
def test_the_sentence_says_why_a_send_was_refused(frame, turns, why):
    silent = route_says_nothing_when_it_is_refused
    beside = Neighbours("one that does not read", (writer(frame, b"32two"), deaf, writer()))
    flaw = Trial(silent, beside, turns + (1, 2) * 9, 50).flaw()
    assert flaw is not None
    assert f"was refused ({why})" in flaw.sentence
    run = Trial(silent, beside, turns + (1, 2) * 9, 50).run()
    refused = run.events[int(re.search(r"in event (\d+) your router's send was refused", flaw.sentence)[1])]
    assert (refused.kind, refused.result) == (Kind.RETURN, 2**64 - 1)


def raiser():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        yield send(message.data[0] - ord("0"), message.data)


def test_what_a_client_makes_the_router_raise_is_a_failing_run():
    beside = next(neighbours for neighbours in HOSTILE if "0, 1 and 2" in neighbours.name)
    flaws = [trial.flaw() for trial in trials(raiser, beside, TIMERS)]
    raised = next(flaw for flaw in flaws if flaw and "raised" in flaw.sentence)
    assert "sent an empty message" in raised.sentence
    assert "IndexError: index out of range. A client has stopped it." in raised.sentence


def test_predictions_stand_where_it_shows():
    kinds = {}
    for prediction in PREDICTIONS:
        run, marks = grade(prediction, [question.options[0] for question in prediction.questions])
        kinds[prediction.id] = [run.events[mark.event].kind for mark in marks]
        actual = [mark.actual for mark in marks]
        assert (
            actual
            == {
                "14-past-the-router": ["yes", "VM 3"],
                "14-insist": ["it returns WAKE_UP", "it never returns"],
            }[prediction.id]
        )
    assert kinds == {"14-past-the-router": [Kind.DELIVER, Kind.SWITCH], "14-insist": [Kind.SWITCH, Kind.END]}
