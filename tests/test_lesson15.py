"""Lesson 15: schedulers that are right in another way, and what a run of the lesson shows."""

import pytest

from hfedu import Kind
from hfedu.course.exercises import Wrong
from hfedu.course.lessons.lesson15 import SCHEDULER, judge_slices, spun

OTHERS = {
    "its timer, set anew, takes the interrupt back": (
        "            u32 taken = get(GICC + 0xc);\n            set(GICC + 0x10, taken);\n",
        "",
    ),
    "by the compare value": (
        '"msr cntv_tval_el0, %0" : : "r"(ticks)',
        '"mrs x9, cntvct_el0\\n add x9, x9, %0\\n msr cntv_cval_el0, x9" : : "r"(ticks) : "x9"',
    ),
    "from the last VM to the first": ("vm = vm % (vms - 1) + 1", "vm = vm == 1 ? vms - 1 : vm - 1"),
    "a less urgent mask": ("set(GICC + 4, 0xff)", "set(GICC + 4, 0x10)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", OTHERS)
def test_a_scheduler_may_do_it_in_another_way(way):
    old, new = OTHERS[way]
    assert old in SCHEDULER
    judge_slices(SCHEDULER.replace(old, new))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("void guest_main(void) {}", "never runs a VM"),
        ("void guest_main(void) { hvc(HF_VCPU_RUN, 1, 0, 0); for (;;) ; }", "no interrupt was raised"),
        (SCHEDULER.replace("arm(2000)", "arm(500)"), "of 2000: set the timer anew"),
        (SCHEDULER.replace("arm(2000)", "arm(4000)"), "not 2000: the timer was not set for it, or not to that"),
        (SCHEDULER.replace("left = vms - 1", "left = 1"), "never came to its wait"),
        (SCHEDULER.replace("set(GICC, 1);", ""), "this is not so: CPU 0's interface"),
    ],
)
def test_what_a_wrong_scheduler_is_told(source, said):
    with pytest.raises(Wrong) as wrong:
        judge_slices(source)
    assert said in str(wrong.value)


def test_a_learner_steps_from_the_timers_expiry_to_the_primarys_yield():
    """Each event of the way names the one before it, whatever VM 1 masks."""
    run = spun()
    raised = next(event for event in run.events if event.kind is Kind.RAISED)
    way = run.events[raised.seq : raised.seq + 5]
    assert [event.kind for event in way] == [Kind.RAISED, Kind.IRQ, Kind.SWITCH, Kind.ACKNOWLEDGED, Kind.ENDED]
    assert "run = YIELD" in run.transcript().splitlines()[way[2].seq + 1]
    for event in way[1:3]:
        assert f"event {raised.seq}" in str(run.why(event.seq))
