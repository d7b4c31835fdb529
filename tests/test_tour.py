"""The tour: what it says is so at the event where it says it, it waits for an answer, and its steps are ticked off."""

import asyncio
import re

import pytest

import hfedu
from hfedu.course.predictions import predictions
from hfedu.course.record import Record, Standing
from hfedu.course.tour import ASKED_AT, QUESTION, STOPS, TASKS, Tour


@pytest.fixture(autouse=True)
def record(monkeypatch):
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    record = Record()
    monkeypatch.setattr("hfedu.course.tour.RECORD", record)
    return record


def press(tour, name, value=""):
    """What the front end tells when something is pressed in the player."""
    tour.player._answer(None, {"press": name, "value": value}, None)


def test_captions_stand_where_what_they_say_happens():
    run = hfedu.tour().recording
    kinds = {stop.event: run.events[stop.event].kind for stop in STOPS}
    assert kinds[22] is hfedu.Kind.DELIVER
    assert kinds[23] is hfedu.Kind.WAKE
    assert kinds[33] is hfedu.Kind.WAKE
    assert kinds[49] is hfedu.Kind.END
    assert run.at(14)["cpu0.current"] == hfedu.Actor(0, 0)
    assert run.at(23)["vm1.vcpu0.state"] == "READY"
    assert run.at(29)["vm1.mailbox.state"] == "EMPTY"
    assert run.at(26)["cpu0.current"] == hfedu.Actor(1, 0)
    assert run.at(37)["cpu0.current"] == hfedu.Actor(2, 0)
    delivered = [event.seq for event in run.events if event.kind is hfedu.Kind.DELIVER]
    assert len([seq for seq in delivered if seq <= 45]) == 3
    assert [stop.event for stop in STOPS] == sorted(stop.event for stop in STOPS)


def test_nothing_behind_the_question_is_shown_before_it_is_answered(record):
    tour = Tour()
    for _ in STOPS:
        press(tour, "next")
    assert tour.stop == ASKED_AT
    assert tour.waits
    assert all(button["off"] for button in tour.player.guide["buttons"])
    assert len(tour.player.recording.events) == STOPS[ASKED_AT].event + 1
    assert "Who runs next?" in tour.player.guide["said"]
    assert not record.standings()


@pytest.mark.parametrize("option", predictions()[QUESTION].questions[0].options)
def test_an_answer_is_judged_noted_and_explained_whatever_it_is(record, option):
    tour = Tour()
    tour.go(ASKED_AT)
    (row,) = tour.player.guide["rows"]
    assert {choice["value"]: choice["lane"] for choice in row["options"]}[option] == f"vm{option[3]}"
    press(tour, "answer", option)
    right = option == "VM 0, the primary"
    assert record.standings() == {QUESTION: Standing.RIGHT if right else Standing.WRONG}
    assert ("Right." in tour.player.guide["said"]) == right
    assert "Only the primary decides who runs." in tour.player.guide["said"]
    assert tour.player.position == 35
    assert len(tour.player.recording.events) == 50
    tour.answer("VM 1 goes on")
    assert tour.predicted == option, "one answer"
    marks = {choice["lane"]: choice["text"] for choice in tour.player.guide["rows"][0]["options"]}
    assert marks["vm0"] == "✓ VM 0"
    assert right or marks[f"vm{option[3]}"] == "✕ your guess"
    press(tour, "next")
    assert not tour.player.guide["rows"]


def finished():
    tour = Tour()
    tour.answer("VM 0, the primary")
    tour.go(len(STOPS) - 1)
    return tour


@pytest.mark.slow
def test_steps_are_ticked_off_as_they_are_taken():
    tour = finished()
    assert "Now you" in tour.player.guide["said"]
    assert [task["title"] for task in tour.player.guide["tasks"]] == [task.title for task in TASKS]
    for seq in (13, 14):
        tour.player.position = seq
    assert tour.done == {0, 1}
    assert "2 of 7 done." in tour.player.guide["said"]
    tour.player._answer(None, {"ask": "why", "seq": 14, "vcpu": "vm1.vcpu0", "id": 1}, None)
    for seq in (23, 22, 21, 22, 29, 23, 33, 21):
        tour.player.position = seq
    assert tour.done == set(range(6))
    tour.player._answer(None, {"ask": "steps", "seq": 21, "vcpu": None, "id": 2}, None)
    assert tour.done == set(range(len(TASKS)))
    assert "All done" in tour.player.guide["said"]
    assert all(task["done"] for task in tour.player.guide["tasks"])


def test_steps_are_not_ticked_off_for_what_the_tour_does_itself():
    tour = Tour()
    tour.answer("VM 1 goes on")
    for stop in range(len(STOPS)):
        tour.go(stop)
    assert not tour.done


def test_it_plays_by_itself_up_to_the_question_and_stops_for_who_steps(monkeypatch):
    monkeypatch.setattr("hfedu.course.tour.SECONDS_A_WORD", 0)
    monkeypatch.setattr("hfedu.course.tour.SECONDS_AT_LEAST", 0)

    async def watch():
        tour = hfedu.tour()
        while tour.timer is not None:
            await asyncio.sleep(0)
        assert tour.waits
        tour.answer("VM 1 goes on")
        while tour.stop < ASKED_AT + 2:
            await asyncio.sleep(0)
        tour.player.position = 3
        assert tour.timer is None
        stop = tour.stop
        for _ in range(9):
            await asyncio.sleep(0)
        assert tour.stop == stop
        press(tour, "play")
        while tour.timer is not None:
            await asyncio.sleep(0)
        assert tour.stop == len(STOPS) - 1

    asyncio.run(watch())


def test_without_a_loop_it_stands_still_and_steps_by_hand():
    tour = hfedu.tour()
    assert tour.timer is None
    press(tour, "next")
    assert tour.player.position == STOPS[1].event


def test_a_page_without_a_kernel_has_the_picture_and_the_captions():
    data, metadata = hfedu.tour().picture()
    assert data["image/svg+xml"]
    assert "35 events" in metadata["image/svg+xml"]["alt"], "and no answer"
    assert re.search(r"event 34: There is one processor", data["text/plain"])
    assert "Only the primary decides" not in data["text/plain"], "the answer comes after the question"
