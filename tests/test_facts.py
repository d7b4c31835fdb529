"""What the lessons say of the processor and of upstream, tried on the machine and looked for in the texts."""

import re

import pytest

import hfedu
from hfedu import Kind, RamDisk, assemble, vcpu_run
from hfedu.course import notebooks
from hfedu.course.demonstrations import DEMONSTRATIONS
from hfedu.course.lessons import lesson09, lesson11, lesson15
from hfedu.course.shared.wrong import TakenInTwoSteps
from hfedu.history import FIXES, ffa


def primary():
    yield vcpu_run(1)


def of_vm_1(program, **options):
    run = hfedu.boot(RamDisk(primary, [assemble(program), assemble("wfi")]), **options)
    return run, [event for event in run.events if event.actor == hfedu.Actor(1, 0)]


IN_AN_APPLICATION = """
        adr  x0, vectors
        msr  vbar_el1, x0
        adr  x0, application
        msr  elr_el1, x0
        msr  spsr_el1, xzr
        eret
application:
        hvc  #0
        b    .
        .balign 2048
vectors:
        .skip 0x400
        mrs  x20, esr_el1
        wfi
"""


def test_an_hvc_of_an_application_is_undefined_and_its_own_kernel_is_told():
    run, (sleeps,) = of_vm_1(IN_AN_APPLICATION)
    assert sleeps.kind is Kind.WFI, "no hypercall came to the hypervisor"
    assert run.at(sleeps.seq)["vm1.vcpu0.x20"] == 0x0200_0000, "EC 0: undefined"


def test_il_is_1_where_no_instruction_could_be_fetched():
    _, (fault,) = of_vm_1("mov x1, #0x40f00000\n br x1")
    assert fault.function == 0x8200_0007
    assert fault.function >> 25 & 1


def test_a_walk_begins_at_the_root_whose_first_32_entries_count():
    run, _ = of_vm_1("wfi")
    assert "entry  31" in run.walk(0, (1 << 44) - 1)
    for beyond in (1 << 44, (1 << 48) - 1):
        assert "more than the 44 bits that VTCR_EL2 allows" in run.walk(0, beyond)
        assert "level" not in run.walk(0, beyond)
    _, (fault,) = of_vm_1("mov x1, #0x100000000000\n ldr x0, [x1]")
    assert "pc=0x200" in fault.text, "an address size fault of VM 1's own, and at its vector there is no memory"


def text_of_lessons():
    return {lesson.number: notebooks.cell_text(lesson.path) for lesson in notebooks.lessons()}


@pytest.mark.parametrize(
    ("number", "facts"),
    [
        ("01", ["In an application, at EL0, it is no call but an undefined instruction"]),
        ("02", ["*DMA*", "*SMMU*", "*VTCR_EL2*", "*permission fault*, the architecture", "gather accesses"]),
        ("10", ["see its loads and stores in another order"]),
        ("12", ["What the list leaves out", "*break-before-make*"]),
        ("14", ["*Secure Partition Manager*", "*compares* it", "*deprecated*"]),
    ],
)
def test_what_a_lesson_must_not_forget(number, facts):
    text = " ".join(text_of_lessons()[number].split())
    for fact in facts:
        assert fact in text


HASH = r"\[([0-9a-f]{8})\]\([^)]*\)"
MONTHS = "January February March April May June July August September October November December".split()


def dates_of_commits():
    """Each date that stands beside a hash, in the lessons and the pages: (hash, date)."""
    pages = [notebooks.cell_text(lesson.path) for lesson in notebooks.lessons()]
    pages += [page.read_text("utf-8") for page in notebooks.source()[0].rglob("*.md")]
    for page in pages:
        text = page.replace("\N{NON-BREAKING HYPHEN}", "-")
        yield from ((commit, date) for date, commit in re.findall(rf"(\d{{4}}-\d\d-\d\d) {HASH}", text))
        yield from re.findall(rf"{HASH}, (\d{{4}}-\d\d-\d\d)", text)
        for commit, day, month, year in re.findall(rf"{HASH}, (\d+) ({'|'.join(MONTHS)}) (\d{{4}})", text):
            yield commit, f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}"


def test_a_commit_has_one_date_wherever_it_is_named():
    dates = {}
    for commit, date in dates_of_commits():
        dates.setdefault(commit, set()).add(date)
    assert len(dates) >= 9
    assert {commit: found for commit, found in dates.items() if len(found) > 1} == {}
    assert "Where this course gives one date, it is the first kind" in text_of_lessons()["09"]


def test_a_repair_whose_hash_is_known_has_it_in_the_lesson_and_on_the_page_of_further_reading():
    table = text_of_lessons()["12"]
    page = (notebooks.source()[0] / "further_reading.md").read_text("utf-8")
    rows = re.findall(rf"^\| `([a-z-]+)` \|.*?(?:{HASH})? \|$", table, re.MULTILINE)
    assert {name for name, _ in rows} == set(FIXES)
    known = {name: commit for name, commit in rows if commit}
    assert known
    for name, commit in known.items():
        assert re.search(rf"^\| \[{commit}\].*`{name}`", page, re.MULTILINE)


WRITES_ITS_TIMER = "mov x1, #0x1234\n msr cntv_cval_el0, x1\n mov x1, #2\n msr cntv_ctl_el0, x1\n wfi"
READS_ITS_TIMER = "mrs x19, cntv_cval_el0\n mrs x20, cntv_ctl_el0\n wfi"


@pytest.mark.parametrize("profile", ["2018-10-04", "fixed"])
def test_what_one_vm_writes_into_its_virtual_timer_another_one_reads(profile):
    def both():
        yield vcpu_run(1)
        yield vcpu_run(2)

    run = hfedu.boot(RamDisk(both, [assemble(WRITES_ITS_TIMER), assemble(READS_ITS_TIMER)]), profile=profile)
    state = run.at(len(run.events) - 1)
    assert (state["vm2.vcpu0.x19"], state["vm2.vcpu0.x20"]) == (0x1234, 2)
    assert "what VM 1 writes into CNTV_CVAL_EL0, VM 2 reads there" in text_of_lessons()["12"]


def test_a_fiq_takes_the_cpu_from_everybody():
    interface = "str  w1, [x21]\n"
    as_fiq = lesson15.GIC.replace(interface, "mov  w2, #9\n str  w2, [x21]\n")
    assert as_fiq != lesson15.GIC
    primary = assemble(as_fiq + lesson15.ARM + lesson15.RUN + lesson15.SERVE + lesson15.OFF)
    run = hfedu.boot(RamDisk(primary, [assemble("loop: b loop")]), max_instructions=100_000)
    assert run.outcome.kind == "hang"
    assert "FIQ" in run.outcome.sentence


def test_as_many_demonstrations_try_every_order_as_lesson_12_says():
    kinds = [type(DEMONSTRATIONS[defect]).__name__ for defect in FIXES]
    assert (kinds.count("Explored"), kinds.count("Directed")) == (10, 4)
    assert "Ten of the fourteen run scripts in every order" in text_of_lessons()["12"]
    assert "four run one machine, once" in text_of_lessons()["12"]


def test_the_commit_has_the_vcpu_s_lock_taken_once_more_under_that_of_its_vm():
    for options, times in (({"profile": "rpc"}, 1), ({}, 2), ({"fixes": {"nested-locks"}}, 1)):
        under, _, _ = lesson09.waiting_steps(**options).partition("drops VM 1's lock")
        assert under.count("takes VM 1 vCPU 0's lock") == times


def test_on_one_cpu_nothing_tells_a_repair_that_tests_first_from_the_right_one():
    def run(changes):
        return hfedu.boot(lesson11.RACE.disk(1), fixes={"regs-race"}, changes=changes).transcript()

    assert run([TakenInTwoSteps]) == run([])


def test_each_word_of_what_ffa_like_leaves_out_is_so():
    known = {row.name for row in (*ffa.MESSAGE_CALLS, *ffa.MEMORY_CALLS)}
    assert not [name for name in known if re.search("DIRECT|NOTIFICATION|VERSION|FEATURES|UNMAP", name)]
    assert "FFA_MSG_WAIT brings the message, where FF-A's waits for a turn" in text_of_lessons()["16"]
