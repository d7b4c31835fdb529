"""You are the hypervisor: right choices make the real run, wrong ones are done and show what follows."""

import random

import pytest

import hfedu
from hfedu.run.decider import happened
from hfedu.run.machine import Machine
from hfedu.widgets.hypervisor import CASES


def serve(name, wrong=None):
    """Serve a conversation as the real hypervisor does, but for the choices given by number of trap; at most 20."""
    form = hfedu.you_are_the_hypervisor(name)
    said = []
    while form.decider.asks and len(said) < 20:
        right = form.decider.real()._asdict()
        form.choose(**right | (wrong or {}).get(len(said) + 1, {}))
        said.append(form.said)
    return form, said


def press(form, name, value=""):
    """What the front end tells when something is pressed in the player."""
    form.player._answer(None, {"press": name, "value": value}, None)


def told(form):
    """What the player says."""
    return form.player.guide["said"]


def rows(form):
    """What the player asks for, by name."""
    return {row["name"]: row["options"] for row in form.player.guide["rows"]}


def enabled(form):
    return {button["name"] for button in form.player.guide["buttons"] if not button["off"]}


def test_what_is_about_a_vm_stands_at_its_lifeline():
    asked = rows(hfedu.you_are_the_hypervisor("wake-up"))
    assert [option["lane"] for option in asked["next"]] == ["vm0", "vm1", "vm2"]
    assert [option["lane"] for option in asked["wakes"]] == ["", "vm1", "vm2"]
    signs = [(option["lane"], option["sign"]) for option in asked["mailbox"]]
    assert signs == [("", "")] + [
        (f"vm{vm}", f"mail-{state}") for vm in range(3) for state in ("EMPTY", "RECEIVED", "READ")
    ]
    assert not {option["lane"] for name in ("state", "result") for option in asked[name]} - {""}
    chosen = {name: [option["value"] for option in options if option["chosen"]] for name, options in asked.items()}
    assert all(len(values) == 1 for values in chosen.values())
    assert chosen["mailbox"] == ["unchanged"]


@pytest.mark.parametrize("name", CASES)
def test_who_traps_is_said_to_run_although_the_primary_is_noted_as_ready(name):
    form = hfedu.you_are_the_hypervisor(name)
    while form.decider.asks:
        unchanged = rows(form)["state"][0]["value"]
        vm = form.decider.caller.vm.id
        assert unchanged == ("unchanged (RUNNING)" if vm else "unchanged (READY, and it runs)")
        form.choose(**form.decider.real()._asdict())


def at_the_receive():
    """A conversation at VM 1's first receive."""
    form = hfedu.you_are_the_hypervisor()
    while form.decider.caller.vm.id == 0:
        form.choose(**form.decider.real()._asdict())
    return form


def test_a_wait_is_said_as_the_one_that_it_is():
    form = at_the_receive()
    form.choose(state="waits for a message", next="VM 1")
    assert rows(form)["state"][0]["value"] == "unchanged (waits for a message)"
    form = at_the_receive()
    form.choose(**form.decider.real()._replace(state="waits for an interrupt")._asdict())
    while form.decider.asks:
        form.choose(**form.decider.real()._asdict())
    assert "vCPU in the end: sleeps (WFI). With the real hypervisor: waits for a message." in " ".join(form.end())


@pytest.mark.parametrize("name", CASES)
def test_right_choices_reproduce_the_real_run_event_for_event(name):
    form, said = serve(name)
    case = CASES[name]
    real = Machine(hfedu.RamDisk(case.primary, list(case.secondaries))).run()
    assert happened(form.decider.recording()) == happened(real)
    assert not any(event.change("hypervisor.told") for event in form.decider.recording().events)
    assert all("As the real one." in text for text in said)
    assert 3 <= len(said) == form.traps <= 6
    assert "event for event" in told(form)
    assert "do" not in enabled(form)
    assert not form.player.guide["rows"]


MESSAGE_LOST = "VM 1's receives gave nothing. With the real hypervisor: VM 0, 5 bytes: “hello”."


@pytest.mark.parametrize(
    ("name", "trap", "choice", "reason", "consequence"),
    [
        ("first-receive", 2, {"state": "waits for an interrupt"}, "in the list of waiters", "nothing wakes it"),
        ("first-receive", 2, {"state": "waits for an interrupt"}, "state of the caller", MESSAGE_LOST),
        ("first-receive", 2, {"state": "READY"}, "state of the caller", "receives gave VM 0, 0 bytes; VM 0, 5 bytes"),
        ("first-receive", 2, {"next": "VM 1"}, "cannot go on without a message", "receives gave VM 0, 0 bytes"),
        ("first-receive", 3, {"mailbox": "unchanged"}, "must be copied now", "receives gave VM 0, 0 bytes. With"),
        ("first-receive", 3, {"mailbox": "VM 1: RECEIVED"}, "told of it now", "“hello”; VM 0, 5 bytes: “hello”. With"),
        ("first-receive", 3, {"wakes": "nobody"}, "if this send does not wake it", MESSAGE_LOST),
        ("first-receive", 3, {"result": "0xffff"}, "which vCPU was woken", "send returns 0xffff (no vCPU"),
        ("first-receive", 5, {"mailbox": "unchanged"}, "nobody can send to it", "mailbox is left READ"),
        ("wake-up", 3, {"returns": "YIELD"}, "whom a message woke", "run = YIELD"),
        ("wake-up", 3, {"mailbox": "VM 0: READ"}, "must be copied now", "receives gave VM 0, 0 bytes. With"),
        ("wake-up", 3, {"next": "VM 2"}, "Only the primary schedules", "-> READY]. In the real"),
        ("full-mailbox", 2, {"mailbox": "VM 1: READ"}, "loses one of the two", "gave VM 0, 3 bytes: “two”. With"),
        ("full-mailbox", 2, {"result": "0"}, "was not taken", "send returns 0. In the real"),
        ("sleep", 2, {"wakes": "VM 1"}, "A send wakes only who does", "VM 1 vCPU 0 wakes up"),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_explained_done_and_shows_what_follows(name, trap, choice, reason, consequence):
    form, said = serve(name, {trap: choice})
    assert "The real one does something else:" in said[trap - 1]
    assert reason in said[trap - 1]
    assert consequence in told(form)
    assert len(set(form.end())) == len(form.end()), "each consequence is said once"
    assert "event for event" not in told(form)


def test_the_buttons_choose_undo_and_start_again():
    form = hfedu.you_are_the_hypervisor("first-receive")
    first = repr(form)
    assert enabled(form) == {"do"}
    assert "returns" not in rows(form)
    press(form, "next", "VM 1")
    press(form, "do")
    assert "Trap 1. As the real one." in told(form)
    assert "VM 1: receive, or wait" in told(form)
    press(form, "next", "VM 0")
    assert "returns" in rows(form)
    press(form, "do")
    assert "≠" in form.beside.value
    after_two = form.player.recording.events
    form.choose()
    press(form, "undo")
    assert form.player.recording.events == after_two
    assert len(form.decider.decided) == 2
    press(form, "again")
    assert repr(form) == first


def test_a_choice_that_cannot_be_is_a_sentence():
    form = hfedu.you_are_the_hypervisor("first-receive")
    for wrong, says in (
        ({"next": "VM 7"}, "next cannot be 'VM 7' here: choose one of VM 0; VM 1"),
        ({"colour": "red"}, "there is no field 'colour' to decide: there are state, result"),
        ({"result": 7}, "result cannot be 7 here: choose one of none yet; -1"),
    ):
        with pytest.raises(hfedu.Mistake, match=says):
            form.choose(**wrong)
    form.choose(result=-1, state="READY")
    press(form, "mailbox", "VM 1: READ")
    press(form, "do")
    assert "VM 1 has not named its pages yet: there is nowhere to copy the message to." in told(form)
    assert form.chosen["mailbox"] == "VM 1: READ", "and what was chosen stays"
    assert len(form.decider.decided) == 1
    with pytest.raises(hfedu.Mistake, match="there is no conversation 'x' to serve: there are first-receive, wake-up"):
        hfedu.you_are_the_hypervisor("x")
    form, _ = serve("sleep")
    with pytest.raises(hfedu.Mistake, match="the run is over: undo a choice, or start again"):
        form.choose()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_chosen_the_machine_goes_on_and_the_real_answer_is_known(seed):
    chance = random.Random(seed)
    form = hfedu.you_are_the_hypervisor(chance.choice(list(CASES)))
    for made in range(1, 12):
        if not form.decider.asks:
            break
        right, options = form.decider.real()._asdict(), form.decider.options()
        chosen = {name: chance.choice(list(texts)) for name, texts in options.items() if chance.random() < 0.3}
        try:
            form.choose(**right | chosen)
        except hfedu.Mistake:  # a message to where there is no page
            form.choose()
        assert f"Trap {made}." in told(form)
    assert form.decider.asks or "The run is over." in told(form)
    events = form.decider.recording().events
    again = hfedu.you_are_the_hypervisor(form.case.name)
    for decision in form.decider.decided:
        again.choose(**decision._asdict())
    assert again.decider.recording().events == events


def test_without_a_kernel_it_is_a_picture_and_stable_text():
    data, metadata = hfedu.you_are_the_hypervisor().picture()
    assert data["image/svg+xml"].startswith("<svg ")
    assert metadata["image/svg+xml"]["alt"]
    assert data["text/plain"] == repr(hfedu.you_are_the_hypervisor())
    assert "Trap 1: VM 0 vCPU 0 calls HF_VCPU_RUN(VM 1, vCPU 0). What do you do?" in data["text/plain"]
    assert "wakes: [ nobody | VM 1 ]" in data["text/plain"]
