"""Draw what you want: the run that is found has it, and where there is none the rule says what excludes what."""

import pytest
from test_explorer import SLEEP

import hfedu
from hfedu.widgets.wish import HOW


def press(form, name, value=""):
    """What the front end tells when something is pressed in the player."""
    form.player._answer(None, {"press": name, "value": str(value)}, None)


def said(form):
    return form.player.guide["said"]


def drawn(*pieces, **options):
    form = hfedu.wish(**options)
    for piece in pieces:
        form.draw(*piece)
    return form


FOUND = [
    [("message", 2, 1)],
    [("message", 2, 1), ("mailbox", 2, "READ")],
    [("mailbox", 2, "RECEIVED")],
    [("mailbox", 1, "EMPTY"), ("vcpu", 1, "wfi")],
    [("vcpu", 1, "running"), ("vcpu", 2, "running")],
    [("vcpu", 1, "message"), ("vcpu", 2, "message"), ("mailbox", 0, "EMPTY")],
    [("vcpu", 1, "ready"), ("mailbox", 1, "READ")],
]


@pytest.mark.parametrize("pieces", FOUND, ids=str)
def test_the_run_that_is_found_ends_where_all_of_it_is_so(pieces):
    form = drawn(*pieces)
    press(form, "find")
    assert "There it is, after" in said(form)
    run = form.player.recording
    state = run.at(len(run.events) - 1)
    on = {state.get(f"cpu{cpu}.current") for cpu in range(2)}
    for kind, vm, value in pieces:
        mailbox, vcpu = state[f"vm{vm}.mailbox.state"], hfedu.Actor(vm, 0)
        if kind == "mailbox":
            assert mailbox == value
        elif kind == "message":
            assert mailbox != "EMPTY"
            assert state[f"vm{vm}.mailbox.recv_from_id"] == value
        elif value == "running":
            assert vcpu in on
        else:
            assert vcpu not in on
            assert (value == "ready") == (state[f"vm{vm}.vcpu0.state"] == "READY")
    assert form.player.position == len(run.events) - 1


NONE = {
    "READ and waits": (
        [("mailbox", 1, "READ"), ("vcpu", 1, "message")],
        "It is never so that VM 1's mailbox is READ and VM 1 waits for a message. A receive that finds a new message",
    ),
    "never sent": ([("message", 1, 2)], "Either VM 2 never sends to VM 1, or each time its send is refused."),
    "the one that is at fault": (
        [("vcpu", 1, "ready"), ("message", 0, 2), ("mailbox", 2, "READ")],
        "It is never so that a message from VM 2 is in VM 0's mailbox.",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", NONE)
def test_where_there_is_none_the_fewest_pieces_and_their_rule_are_named(case):
    pieces, says = NONE[case]
    form = drawn(*pieces)
    assert form.find() is None
    assert "There is none: all 7,349 states of every order were looked at." in said(form)
    assert says in said(form)
    assert form.player.recording is form.empty


AGAINST_ITSELF = {
    "in one state at a time": [("mailbox", 1, "READ"), ("mailbox", 1, "EMPTY")],
    "it is in one state": [("vcpu", 2, "wfi"), ("vcpu", 2, "message")],
    "an EMPTY mailbox holds none": [("message", 2, 1), ("mailbox", 2, "EMPTY")],
    "cannot send to itself": [("message", 2, 2)],
    "a mailbox holds one message": [("message", 2, 0), ("message", 2, 1)],
}


@pytest.mark.parametrize("rule", AGAINST_ITSELF)
def test_a_drawing_that_contradicts_itself_is_told_the_rule_without_a_search(rule, monkeypatch):
    monkeypatch.setattr("hfedu.widgets.wish.find_run", None)
    form = drawn(*AGAINST_ITSELF[rule])
    press(form, "find")
    assert "No machine can do that." in said(form)
    assert rule in said(form)


def test_more_vms_than_cpus_cannot_run():
    form = drawn(("vcpu", 1, "running"), ("vcpu", 2, "running"), cpus=1)
    form.find()
    assert "2 VMs run at once, on 1 CPU: a CPU runs one" in said(form)


def test_one_draws_at_the_lifelines_and_rubs_out():
    form = hfedu.wish()
    press(form, "find")
    assert "Draw something first" in said(form)
    rows = {row["name"]: row for row in form.player.guide["rows"]}
    assert "to" not in rows
    assert [choice["lane"] for choice in rows["vcpu"]["options"]] == ["vm1"] * len(HOW) + ["vm2"] * len(HOW)
    press(form, "from", 1)
    press(form, "to", 2)
    press(form, "mailbox", "READ 2")
    press(form, "vcpu", "message 1")
    press(form, "vcpu", "message 1")
    assert len(form.drawn) == 3
    arrow, *_ = form.player.guide["rows"]
    assert (arrow["label"], arrow["arrow"]) == ("VM 1 → VM 2", ("vm1", "vm2"))
    press(form, "rub out", 0)
    assert [str(one) for one in form.drawn] == ["VM 2's mailbox is READ", "VM 1 waits for a message"]
    assert "0. VM 2's mailbox is READ" in repr(form)
    press(form, "again")
    assert not form.drawn


def test_it_draws_on_a_scenario_of_ones_own():
    form = hfedu.wish(SLEEP)
    form.draw("vcpu", 1, "wfi")
    form.draw("mailbox", 1, "RECEIVED")
    assert "There it is" in said(form) or form.find()
    assert form.player.recording.outcome.kind == "goal"


@pytest.mark.parametrize("odd", [("fly", 1, 1), ("message", 9, 0), ("message", 1, 9), ("mailbox", 1, "WET"),
                                 ("vcpu", 0, "wfi"), ("vcpu", "1", "wfi"), ("vcpu", 1, None)], ids=str)  # fmt: skip
def test_what_cannot_be_drawn_is_a_sentence(odd):
    form = hfedu.wish()
    with pytest.raises(hfedu.Mistake, match="cannot be drawn: of VM 0 to VM 2 there are messages"):
        form.draw(*odd)
    assert not form.drawn


def test_other_mistakes_are_sentences():
    with pytest.raises(hfedu.Mistake, match="a wish takes a Scenario, not 7"):
        hfedu.wish(7)
    with pytest.raises(hfedu.Mistake, match="there is no piece 0: 0 are drawn"):
        hfedu.wish().rub_out(0)
    with pytest.raises(hfedu.Mistake, match="explore it on 1 to 2 of them"):
        hfedu.wish(cpus=9)
