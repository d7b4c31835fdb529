"""Each of the fourteen defects, and each hypervisor wrong on purpose: seen where it is, and not where it is not."""

import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

import hfedu
from hfedu.course.demonstrations import DEMONSTRATIONS, demonstrate
from hfedu.course.shared import wrong
from hfedu.course.shared.defects import DEFECTS, Directed, Explored, ready, receiver, run_vm_1, send_hello
from hfedu.course.shared.wrong import WRONG
from hfedu.errors import Mistake
from hfedu.guest.scripted import configure, hvc, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.vm import MailboxState
from hfedu.history import FIXES, abi, hypervisor_type
from hfedu.run.explorer import Scenario, counterexample, explore
from hfedu.run.invariants import INVARIANTS

EXPLORED = [d for d in DEMONSTRATIONS.values() if isinstance(d, Explored)]
SEEN_ONCE_ITS_NEEDS_ARE_REPAIRED = ["nested-locks", "wfi-repeats", "late-interrupt"]


def broken(found) -> set[str]:
    """What does not hold, after everything was tried."""
    assert found.complete
    return {violation.invariant for violation in found.violations}


def breaks(demonstration) -> set[str]:
    return {demonstration.rule} if isinstance(demonstration, Directed) else set(demonstration.breaks)


def test_there_is_a_demonstration_for_every_fix_and_for_enough_wrong_hypervisors():
    assert list(DEFECTS) == list(FIXES)
    assert len(WRONG) >= 8
    assert list(DEMONSTRATIONS) == [*DEFECTS, *WRONG]
    for demonstration in DEMONSTRATIONS.values():
        assert demonstration.meaning.endswith(".")
        assert demonstration.meaning.count(". ") == 0
        assert demonstration.shown_by in ("explorer", "real guest", "scripted guest")


def test_what_only_hardware_shows_is_said():
    assert "hardware" in DEFECTS["wfe-loops"].meaning
    assert "hardware" in DEFECTS["fp-regs"].meaning


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_the_hypervisor_of_2018_has_the_defect(defect):
    assert broken(demonstrate(defect)) == breaks(DEFECTS[defect])


@pytest.mark.parametrize("defect", DEFECTS)
def test_its_repair_alone_holds(defect):
    assert broken(demonstrate(defect, fixes={defect})) == set()


@pytest.mark.parametrize("defect", SEEN_ONCE_ITS_NEEDS_ARE_REPAIRED)
def test_what_the_repair_builds_on_does_not_repair_it(defect):
    assert broken(demonstrate(defect, fixes=FIXES[defect].needs)) == breaks(DEFECTS[defect])


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_the_wrong_hypervisor_is_told_from_the_right_one(mistake):
    assert broken(demonstrate(mistake)) == breaks(WRONG[mistake])


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_the_right_hypervisor_passes(mistake):
    assert broken(demonstrate(mistake, profile="fixed")) == set()


@pytest.mark.parametrize("demonstration", EXPLORED, ids=lambda d: d.id)
def test_with_every_repair_no_invariant_reports_anything(demonstration):
    invariants = (*INVARIANTS, *demonstration.own)
    found = explore(demonstration.scenario, invariants, cpus=len(demonstration.cpus), profile="fixed")
    assert broken(found) == set()


class CutSend(Hypervisor):
    """The wrong sends are made by overriding these: each does here what it does anyway."""

    def api_mailbox_send(self, cpu, vm_id, size):
        return (yield from super().api_mailbox_send(cpu, vm_id, size))

    def room_locked(self, to):
        return super().room_locked(to)

    def deliver(self, cpu, to, from_buf, size):
        told = self.told_at_once(to)
        yield from self.copy_message(cpu, to, from_buf, size)
        to.mailbox.state = MailboxState.READ if told else MailboxState.RECEIVED
        return (yield from self.wake_waiter(cpu, to))


@pytest.mark.parametrize("mistake", ["checked-before-lock", "woken-before-copy", "size-checked-late"])
def test_a_send_cut_into_parts_is_right(mistake):
    assert broken(explore(WRONG[mistake].scenario, profile="fixed", changes=[CutSend])) == set()


@pytest.mark.slow
@pytest.mark.parametrize("demonstration", EXPLORED, ids=lambda d: d.id)
def test_every_violation_is_a_run_that_ends_there(demonstration):
    found = demonstrate(demonstration.id)
    for violation in found.violations:
        assert counterexample(found, violation).outcome.sentence == str(violation)


@pytest.mark.parametrize("mistake", ["taken-in-two-steps", "available-before-save"])
def test_a_repair_can_be_wrong_by_itself(mistake):
    scenario, invariants = WRONG[mistake].scenario, WRONG[mistake].invariants
    own = WRONG[mistake].fault.changes
    assert broken(explore(scenario, invariants, fixes={"regs-race"})) == set()
    assert broken(explore(scenario, invariants, fixes={"regs-race"}, changes=own)) == {"live-once"}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["abort-hangs", "state-set-late"])
def test_another_process_finds_the_same(mistake):
    alone = demonstrate(mistake)
    with ProcessPoolExecutor(1) as executor:
        assert demonstrate(mistake, executor=executor) == alone


def test_demonstrations_can_be_sent_elsewhere():
    for demonstration in DEMONSTRATIONS.values():
        assert pickle.loads(pickle.dumps(demonstration)) == demonstration


def test_one_run_says_that_it_is_one():
    found = demonstrate("fp-regs")
    assert "One run on one CPU" in repr(found)
    assert "own-registers" in repr(found)
    assert "no violation" in repr(demonstrate("fp-regs", fixes="fp-regs"))
    assert found.run.outcome.kind == "power off"


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("regs_race",), {}, "no demonstration 'regs_race', did you mean 'regs-race'\\? There are blocked-state"),
        (("regs-race", "rpc"), {}, "has other calls than these scripts make"),
        (("regs-race", "fixt"), {}, "no profile 'fixt', did you mean 'fixed'"),
        (("regs-race",), {"fixes": ["x"]}, "no fix 'x'"),
        (("fp-regs",), {"preemptions": 1}, "one run on one CPU: preemptions cannot be set"),
        (("regs-race",), {"preemptions": -1}, "preemptions must be a whole number from 0 up, not -1"),
        (("regs-race",), {"cpus": 3}, "explore it on 1 to 2 of them"),
    ],
)
def test_mistakes(arguments, options, says):
    with pytest.raises(Mistake, match=says):
        demonstrate(*arguments, **options)


# Changes of one's own beside repairs.


def test_a_class_of_ones_own_lies_over_the_repairs():
    made = hypervisor_type(Hypervisor, "2018-10-04", {"writable-notify"}, [wrong.ClearsUnread])
    order = [made.__mro__.index(c) for c in (wrong.ClearsUnread, FIXES["writable-notify"].mixin, Hypervisor)]
    assert order == sorted(order)
    assert issubclass(hypervisor_type(Hypervisor, "fixed", (), wrong.ClearsUnread), wrong.ClearsUnread)
    assert hypervisor_type(Hypervisor, "2018-10-04", (), [wrong.ClearsUnread]).vm_type is Hypervisor.vm_type


@pytest.mark.parametrize("change", [int, 3, None])
def test_what_is_no_change_is_refused(change):
    with pytest.raises(Mistake, match=r"a change is a class that builds on hfedu\.hf\.hypervisor\.Hypervisor, not "):
        hypervisor_type(Hypervisor, "2018-10-04", (), [change])


@pytest.mark.parametrize(
    ("fix", "says"),
    [
        (int, "int is no repair of ours: give a class of your own as changes=\\[int\\]"),
        (wrong.ClearsUnread, "give a class of your own as changes=\\[ClearsUnread\\]"),
        (3, "there is no fix 3"),
        (None, "there is no fix None"),
    ],
)
def test_what_is_no_repair_is_refused(fix, says):
    with pytest.raises(Mistake, match=says):
        hypervisor_type(Hypervisor, "2018-10-04", [fix])


def test_a_machine_takes_one():
    def primary():
        yield configure()
        got.append((yield hfedu.clear()))

    got = []
    hfedu.Machine(hfedu.RamDisk(primary, [receiver]), changes=[wrong.ClearsUnread]).run()
    assert got == [0]


# What the invariants take for right.


def receive_until_interrupted():
    yield configure()
    yield send(0, b"ready")
    yield receive()
    yield hvc(0xFF05, 1)
    while True:
        yield hvc(abi.HF_INTERRUPT_GET)
        yield wait_for_interrupt()


def early_message():
    yield from ready()
    yield send(1, b"early")


def interrupt_and_run():
    yield hvc(abi.HF_INTERRUPT_INJECT, 1, 0, 3)
    yield vcpu_run(1)


def test_a_message_of_the_setup_and_an_interrupt_that_ends_a_receive_are_no_violations():
    scenario = Scenario("setup", "", early_message, (run_vm_1, interrupt_and_run), (receive_until_interrupted,))
    assert broken(explore(scenario, profile="fixed")) == set()


def test_finals_hold_what_each_script_returned_in_every_order():
    found = explore(Scenario("finals", "", ready, (send_hello, send_hello), (receiver,)), profile="fixed")
    returned = {(dict(f)["vm0.vcpu0.returned"], dict(f)["vm0.vcpu1.returned"]) for f in found.finals}
    assert returned == {("65535", "-1"), ("-1", "65535")}


@pytest.mark.parametrize("shown", WRONG.values(), ids=lambda shown: shown.id)
def test_a_wrong_hypervisor_means_what_its_docstring_says(shown):
    (mixin,) = shown.fault.changes
    assert " ".join(inspect.getdoc(mixin).split()) == shown.meaning


def test_a_wrong_hypervisor_means_the_same_without_docstrings():
    code = "from hfedu.course.shared.wrong import WRONG; print(*(shown.meaning for shown in WRONG.values()), sep='\\n')"
    said = subprocess.run([sys.executable, "-OO", "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [shown.meaning for shown in WRONG.values()]
