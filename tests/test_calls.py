"""A new hypercall is a row of the table and a function: everything that calls are seen by follows from the row."""

import pytest

import hfedu
from hfedu import Kind, RamDisk, compile_c, configure, vcpu_run
from hfedu.files import asset
from hfedu.guest.toolchain import calls_header
from hfedu.hf.api import running
from hfedu.hf.call import CALLS, ERROR, MASK32, MASK64, Call, Caller
from hfedu.hf.check import Refused
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import sl_lock, sl_unlock
from hfedu.run import words

GET_ID = Call(0xFF0B, "HF_VM_GET_ID", "vm_id", gives="vm", meaning="which VM the caller is")
SET_NOTE = Call(
    0xFF0C, "HF_VM_SET_NOTE", "set_note", ("vm", "note"), Caller.PRIMARY, meaning="keeps a number of 64 bits with a VM"
)
UPPER = 0xAAAA_0000_0000
"""In the upper half of a register."""


class Ids(Hypervisor):
    """A call that is a plain number."""

    rows = (GET_ID,)

    def api_vm_get_id(self, cpu):
        """Which VM the caller is."""
        return running(cpu).vm.id


class Notes(Hypervisor):
    """A call that takes a lock, with an argument of 32 bits and one of 64."""

    rows = (SET_NOTE,)

    def __init__(self, *args):
        super().__init__(*args)
        self.notes = {}

    def api_vm_set_note(self, cpu, vm_id, note):
        """Keep a number with a VM."""
        vm = self.existing_vm(cpu, vm_id)
        if isinstance(vm, Refused):
            return vm, None
        yield from sl_lock(cpu, vm.lock)
        self.notes[vm_id] = note
        yield from sl_unlock(cpu, vm.lock)
        return 0, None


class Both(Ids, Notes):
    """One that builds on both serves the calls of both."""


vm_id, set_note = hfedu.hypercall(GET_ID), hfedu.hypercall(SET_NOTE)


def calls(run, row):
    return [event for event in run.events if event.kind is Kind.HYPERCALL and event.call == row]


def boot(*secondary, primary=(), **options):
    """The results that the scripts get, and the run. The primary makes its calls and then runs VM 1."""
    results = []

    def script(*actions):
        def guest():
            for action in actions:
                results.append((yield action))

        return guest

    run = hfedu.boot(RamDisk(script(*primary, vcpu_run(1)), [script(configure(), *secondary)]), **options)
    return results, run


def test_a_script_makes_the_call_and_the_transcript_has_its_words():
    results, run = boot(vm_id(), primary=[vm_id()], changes=[Ids])
    assert results[0] == 0
    assert results[2] == 1
    first, second = calls(run, GET_ID)
    assert (first.function, first.args, vars(first.arg)) == (0xFF0B, (0, 0, 0), {})
    assert (run.returned(first).result, run.returned(second).result) == (0, 1)
    transcript = run.transcript()
    for sentence in ("VM 1 vCPU 0 calls HF_VM_GET_ID()", "VM 1 vCPU 0's vm_id returns 1"):
        assert f"  {sentence}\n" in transcript
    assert (words.label(first), words.label(run.returned(second))) == ("vm_id()", "= 1")


@pytest.mark.parametrize("changes", [[Notes], [Both], [Ids, Notes]])
def test_arguments_have_names_and_widths(changes):
    results, run = boot(primary=[set_note(UPPER | 1, UPPER | 5)], changes=changes)
    assert results[0] == 0
    (event,) = calls(run, SET_NOTE)
    assert event.args[:2] == (UPPER | 1, UPPER | 5)
    assert (event.arg.vm, event.arg.note) == (1, UPPER | 5)
    assert words.sentence(event) == f"VM 0 vCPU 0 calls HF_VM_SET_NOTE(VM 1, note {UPPER | 5:#x})"
    assert run.at(len(run.events) - 1)["hypervisor.notes"] == {1: UPPER | 5}
    changed = [e for e in run.events if e.change("hypervisor.notes")][-1]
    assert run.call_of(changed) == event
    assert [step.kind for step in run.steps(event.seq)] == ["acquire", "release"]


@pytest.mark.parametrize(("names", "kept"), [(("vm",), MASK32), (("vcpu",), MASK32), (("note",), MASK64)])
def test_the_width_of_an_argument_follows_from_its_name(names, kept):
    assert Call(1, "HF_X", "x", names).decode(MASK64, 7, 7) == [kept]


def test_a_program_in_c_makes_the_calls_by_name():
    primary = """void guest_main(void)
{
	puts("I am ");
	putd(hvc(HF_VM_GET_ID, 0, 0, 0));
	puts(", ");
	putd(hvc(HF_VM_SET_NOTE, 1, 0xaaaa00000005, 0));
	hvc(HF_VCPU_RUN, 1, 0, 0);
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}"""

    def secondary():
        yield vm_id()

    run = hfedu.boot(RamDisk(compile_c(primary, calls=Both.calls.values()), [secondary]), changes=[Both])
    assert "I am 0, 0" in run.uart
    assert [run.returned(event).result for event in calls(run, GET_ID)] == [0, 1]
    (event,) = calls(run, SET_NOTE)
    assert event.arg.note == UPPER | 5
    assert run.source(event.seq).text == "putd(hvc(HF_VM_SET_NOTE, 1, 0xaaaa00000005, 0));"
    with pytest.raises(hfedu.Mistake, match="HF_VM_GET_ID"):
        compile_c(primary)


def test_who_may_not_call_is_refused_with_the_reason():
    results, run = boot(set_note(1, 5), changes=[Notes])
    assert results[1] == -1
    (event,) = calls(run, SET_NOTE)
    returned = run.returned(event)
    assert (returned.result, returned.refused.condition) == (ERROR, "the caller is the primary")
    assert returned.refused.values == (("vm", 1),)
    assert str(run.why(event)) == "Only the primary may call HF_VM_SET_NOTE."
    assert run.at(len(run.events) - 1)["hypervisor.notes"] == {}
    results, run = boot(primary=[set_note(9, 5)], changes=[Notes])
    assert results[0] == -1
    assert str(run.why(calls(run, SET_NOTE)[0])) == "There is no VM 9: there are VMs 0 to 1."


def test_a_call_for_secondaries_refuses_the_primary():
    class Mine(Ids):
        rows = (GET_ID._replace(who=Caller.SECONDARIES, refused=7),)

    results, run = boot(vm_id(), primary=[vm_id()], changes=[Mine])
    assert (results[0], results[2]) == (7, 1)
    assert (
        str(run.why(run.returned(calls(run, Mine.rows[0])[0])))
        == "The primary may not call HF_VM_GET_ID: it is for secondaries."
    )


def test_the_table_of_calls_has_the_rows():
    table = hfedu.hypercalls(changes=[Both])
    assert {GET_ID, SET_NOTE} < set(table.rows)
    assert "0xff0b  HF_VM_GET_ID(), all: which VM the caller is. Result: the VM\n" in repr(table)
    assert "0xff0c  HF_VM_SET_NOTE(VM, note), primary: keeps a number of 64 bits with a VM. Result: 0" in repr(table)
    assert ">HF_VM_GET_ID</td>" in table._repr_html_()


def test_the_playground_has_their_buttons_and_pressing_one_makes_the_call():
    ground = hfedu.playground(2, changes=[Both])
    assert {(0, "vm_id"), (1, "vm_id"), (0, "set_note VM 1")} <= set(ground.actions)
    assert not [name for vm, name in ground.actions if vm == 1 and name.startswith("set_note")]
    ground.press(0, "vm_id")
    assert "VM 0: vm_id. It returns 0." in ground.said
    ground.press(0, "set_note VM 1")
    assert "set_note. It returns 0." in ground.said
    assert ground.machine.hypervisor.notes == {1: 0}
    ground.press(0, "run VM 1")
    ground.press(1, "vm_id")
    assert "VM 1: vm_id. It returns 1." in ground.said


def test_the_hypervisor_of_2018_does_not_know_them():
    assert not {GET_ID.number, SET_NOTE.number} & set(Hypervisor.calls)
    results, run = boot(vm_id(), primary=[set_note(1, 5)])
    assert (results[0], results[2]) == (-1, -1)
    unknown = [e for e in run.events if e.kind is Kind.HYPERCALL and e.function in (GET_ID.number, SET_NOTE.number)]
    assert [event.call for event in unknown] == [None, None]
    assert str(run.why(unknown[0])) == "The hypervisor knows no such call: 0xff0c."
    assert "calls hvc 0xff0b(" in words.sentence(unknown[1])
    assert GET_ID not in hfedu.hypercalls().rows
    assert (0, "vm_id") not in hfedu.playground(2).actions
    assert tuple(Hypervisor.calls.values()) == CALLS


def test_a_row_without_its_function_is_refused_with_what_to_write():
    class Forgot(Hypervisor):
        rows = (GET_ID,)

    class Misfit(Hypervisor):
        rows = (SET_NOTE,)

        def api_vm_set_note(self, cpu):
            return 0

    with pytest.raises(hfedu.Mistake, match=r"no function that serves it: write def api_vm_get_id\(self, cpu\)"):
        hfedu.boot(RamDisk(b"1"), changes=[Forgot])
    with pytest.raises(hfedu.Mistake, match=r"does not take the arguments of its row: write def api_vm_set_note\(self"):
        hfedu.boot(RamDisk(b"1"), changes=[Misfit])


def test_a_script_gives_no_more_arguments_than_the_row_names():
    assert set_note(1).registers == (SET_NOTE.number, 1, 0, 0)
    with pytest.raises(ValueError, match=r"set_note takes 2 arguments \(vm, note\), not 3"):
        set_note(1, 2, 3)
    assert set_note.__doc__ == "HF_VM_SET_NOTE(vm, note): keeps a number of 64 bits with a VM."


def test_the_header_of_the_guests_that_come_with_hfedu_is_the_table_of_2018():
    assert asset("guests/calls.h").read_text() == calls_header(CALLS)
    assert "#define HF_VM_GET_ID 0xff0b\n" in calls_header([*CALLS, GET_ID])
