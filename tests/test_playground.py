"""The playground: calls at the lifelines, undo, going on from an event, and goals that are reached and stay so."""

import random
import re

import pytest

import hfedu
from hfedu.widgets.playground import goals

ASLEEP = [(0, "configure"), (0, "run VM 1"), (1, "configure"), (1, "wait for interrupt")]
READ = [
    (0, "configure"),
    (0, "run VM 1"),
    (1, "configure"),
    (1, "receive, block"),
    (0, "send to VM 1"),
    (0, "run VM 1"),
]
"""VM 1 has got a message and has not cleared it."""
WAYS = {
    "through all": [
        *[(0, "configure"), (0, "run VM 1"), (1, "configure"), (1, "receive, block")],
        *[(0, "run VM 2"), (2, "configure"), (2, "receive, block"), (0, "send to VM 1"), (0, "run VM 1")],
        *[(1, "send to VM 2"), (0, "run VM 2"), (2, "send to VM 0")],
    ],
    "VM 2 misses a message": [
        *[(0, "configure"), (0, "run VM 2"), (2, "configure"), (2, "wait for interrupt"), (0, "send to VM 2")]
    ],
    "VM 1 locked out": [*READ, (1, "wait for interrupt"), (0, "send to VM 1")],
    "five refusals": [
        *[(0, "clear"), (0, "send to VM 1"), (0, "configure"), (0, "configure"), (0, "send to VM 1")],
        *[(0, "run VM 1"), (1, "receive, no block")],
    ],
}  # fmt: skip


def did(calls, vms=3):
    ground = hfedu.playground(vms)
    for call in calls:
        ground.press(*call)
    return ground


def press(ground, name, value=""):
    """What the front end tells when something is pressed in the player."""
    ground.player._answer(None, {"press": name, "value": value}, None)


def events(ground):
    return ground.player.recording.events


def said(ground):
    return ground.player.guide["said"]


def offered(ground):
    return {choice["value"]: choice["lane"] for row in ground.player.guide["rows"] for choice in row["options"]}


def steps(ground):
    return {step["title"]: step["done"] for step in ground.player.guide["tasks"]}


def test_a_call_is_told_in_the_words_of_the_picture():
    ground = did([(0, "configure"), (0, "run VM 1"), (1, "configure"), (1, "receive, block"), (0, "send to VM 1")])
    assert said(ground) == "VM 0 sends 5 bytes to VM 1. It returns 0."
    ground.press(0, "send to VM 1")
    assert said(ground).startswith("VM 0 sends 5 bytes to VM 1. It returns -1: refused. VM 1's mailbox is READ")
    ground.press(0, "run VM 2")
    ground.press(2, "wait for interrupt")
    assert said(ground) == "VM 2: WFI, sleeps."
    ground.press(0, "run VM 2")
    assert said(ground).startswith("VM 0: run VM 2. VM 2 does not run. ")


def test_only_the_vm_that_runs_can_call_and_calls_about_a_vm_stand_at_its_lifeline():
    ground = hfedu.playground(3)
    assert offered(ground)["run VM 1"] == offered(ground)["send to VM 1"] == "vm1"
    assert offered(ground)["clear"] == ""
    assert "wait for interrupt" not in offered(ground)
    press(ground, "call", "run VM 2")
    assert "send to VM 0" in offered(ground)
    assert "run VM 1" not in offered(ground)
    for name in tuple(offered(ground)):
        assert (2, name) in ground.actions


def test_the_message_is_what_was_typed():
    ground = did(READ[:4])
    press(ground, "message", "good day")
    press(ground, "call", "send to VM 1")
    (delivered,) = [event for event in events(ground) if event.kind is hfedu.Kind.DELIVER]
    assert delivered.message == b"good day"
    press(ground, "message", "x" * 5000)
    press(ground, "call", "send to VM 1")
    assert len(events(ground)) == len(ground.machine.recording().events)
    assert "4096" in said(ground)


def test_undo_takes_back_whatever_was_done_last():
    ground = did(READ)
    whole = events(ground)
    press(ground, "undo")
    assert ground.running == 0
    assert events(ground) == whole[: len(events(ground))] != whole
    press(ground, "call", "run VM 1")
    assert events(ground) == whole
    press(ground, "restart")
    assert len(events(ground)) < len(whole)
    press(ground, "undo")
    assert events(ground) == whole
    for _ in range(len(READ)):
        press(ground, "undo")
    assert not ground.pressed
    press(ground, "undo")
    assert said(ground) == "There is nothing to undo."


def test_one_goes_on_from_an_event_and_nothing_is_lost():
    ground = did(READ)
    whole = events(ground)
    sends = next(e.seq for e in whole if e.kind is hfedu.Kind.HYPERCALL and e.call and e.call.verb == "send")
    for seq in (sends, sends + 1):
        ground.player.position = seq
        press(ground, "branch")
        assert f"You go on from event {seq}. One call is gone" in said(ground)
        assert events(ground) == whole[: len(events(ground))], "what was before it is as it was"
        assert events(ground)[-1].seq > sends, "the call that it is part of is whole"
        press(ground, "undo")
        assert events(ground) == whole
    ground.branch(sends - 1)
    ground.press(0, "clear")
    assert events(ground)[sends].call.verb == "clear", "something else"
    ground.branch(0)
    assert not ground.pressed
    ground.branch(0)
    assert "Nothing comes after this" in said(ground)
    with pytest.raises(hfedu.Mistake, match="there is no event 99 to go on from: there are events 0 to"):
        ground.branch(99)


@pytest.mark.parametrize("title", WAYS)
def test_a_goal_is_reached_by_the_last_call_of_a_way_to_it_and_stays_reached(title):
    ground = did(WAYS[title][:-1])
    assert not steps(ground)[title]
    ground.press(*WAYS[title][-1])
    assert steps(ground)[title]
    assert f"Reached: {title}." in said(ground)
    ground.restart()
    assert steps(ground)[title]
    assert "Reached" not in said(ground)


def test_each_goal_has_a_way_and_none_is_shown_where_another_hypervisor_may_forbid_it():
    assert {goal.title for goal in goals(3)} == set(WAYS)
    assert not steps(hfedu.playground(3, profile="2018-10-04", fixes=["blocked-state"]))


NEAR = {
    "VM 2 misses a message": [
        [*ASLEEP, (0, "send to VM 1")],
        [(0, "configure"), (0, "run VM 2"), (2, "configure"), (2, "receive, block"), (0, "send to VM 2")],
    ],
    "VM 1 locked out": [
        [*READ[:-1], (0, "send to VM 1")],
        [*READ, (1, "wait for interrupt"), (0, "run VM 2")],
    ],
    "through all": [[*WAYS["through all"][:-3], (1, "send to VM 0")]],
    "five refusals": [[(0, "clear")] * 9],
}


def test_who_waits_for_a_message_that_its_own_mailbox_keeps_out_is_locked_out_too():
    assert steps(did([*READ, (1, "receive, block"), (0, "send to VM 1")]))["VM 1 locked out"]


def test_no_goal_says_what_a_later_lesson_asks_to_predict():
    told = " ".join(goal.text for goal in goals(3))
    assert not {"sleep", "WFI", "interrupt", "wakes"} & set(re.findall(r"\w+", told)), "06-wfi asks what a WFI does"


@pytest.mark.parametrize(("title", "calls"), [(title, calls) for title, ways in NEAR.items() for calls in ways])
def test_what_is_nearly_a_goal_is_none(title, calls):
    assert not steps(did(calls))[title]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_pressed_in_whatever_order_the_way_back_is_the_way(seed):
    chance = random.Random(seed)
    ground = hfedu.playground(chance.choice((2, 3, 4)))
    seen = [events(ground)]
    for _ in range(25):
        before = len(ground.before)
        what = chance.random()
        if what < 0.85 and offered(ground):
            press(ground, "call", chance.choice(list(offered(ground))))
        elif what < 0.95:
            ground.player.position = chance.randrange(len(events(ground)))
            press(ground, "branch")
        else:
            press(ground, "restart")
        if len(ground.before) > before:
            seen.append(events(ground))
    for each in reversed(seen):
        assert events(ground) == each
        press(ground, "undo")


def test_the_words_without_a_kernel_are_the_transcript():
    assert "VM 1 vCPU 0" in repr(did(READ))


def test_what_is_pressed_when_it_is_gone_is_a_sentence():
    ground = hfedu.playground(2)
    press(ground, "call", "run VM 1")
    press(ground, "call", "run VM 1")
    assert said(ground).startswith("VM 1 has no button 'run VM 1': it has ")
    assert ground.running == 1
    assert offered(ground)
    for name in ("fly", "", None):
        press(ground, name)
    assert len(ground.pressed) == 1
