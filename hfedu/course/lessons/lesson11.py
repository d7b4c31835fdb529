"""Lesson 11, the race that shipped: its scenarios, predictions and exercises."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.answers import without_source
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.arranged import REPAIRED, ArrangedSwitch, judge_order, ordered
from hfedu.course.shared.defects import ready, run_vm_1
from hfedu.course.shared.orders import answerer, both, continued, judge_patience, on_cpu, play, shortest, tried
from hfedu.course.shared.scenes import delivered, quoted_message, result_of, returned_at, settles, so_far
from hfedu.course.shared.variants import of_places
from hfedu.course.shared.wants import GUEST
from hfedu.errors import counted
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, vm_count
from hfedu.hf.call import HF_MAILBOX_SEND, HF_VCPU_RUN
from hfedu.hf.cpu import Vcpu, VcpuState
from hfedu.hf.vm import Vm
from hfedu.history.abi import LaterVcpu
from hfedu.history.switching import RegsRace
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.explorer import explore
from hfedu.run.invariants import INVARIANTS, Ghost, Invariant
from hfedu.run.kinds import Kind
from hfedu.run.recording import Actor, Event
from hfedu.run.replay import Scenario

RULES = tuple(i for i in INVARIANTS if i.name in ("live-once", "registers-kept", "result-kept"))
"""What the race breaks."""


def send_then_run() -> Any:
    """CPU 1 sends to VM 1, and runs it."""
    yield send(1, "hello")
    return (yield vcpu_run(1)).code


def run_vm_1_twice() -> Any:
    """CPU 0 runs VM 1, and once more when it is back."""
    yield vcpu_run(1)
    return (yield vcpu_run(1)).code


def waits_once() -> Any:
    """VM 1 is there, and waits for one message."""
    yield configure()
    yield send(0, "here")
    yield receive(block=True)


RACE = Scenario("race", "A receive against a send and a run.", ready, (run_vm_1, send_then_run), (waits_once,))
RETRY = Scenario("retry", "The race, and CPU 0 runs VM 1 twice.", ready, (run_vm_1_twice, send_then_run), (waits_once,))


def fatal() -> Run:
    """The shortest way to a vCPU that is live twice."""
    return shortest(explore(RACE, RULES[:1]))


def live_on(run: Run, event: Event) -> str:
    """On how many CPUs VM 1's vCPU is after an event."""
    state = run.at(event.seq)
    return str(sum(state[f"cpu{cpu}.current"] == Actor(1, 0) for cpu in (0, 1)))


def outcome_of_run(run: Run, event: Event) -> str:
    """What CPU 1's HF_VCPU_RUN did."""
    goes_on = run.at(event.seq)["cpu1.current"] == Actor(1, 0)
    return "VM 1 runs on CPU 1" if goes_on else "it returns WAIT_FOR_INTERRUPT"


PREDICTIONS = (
    Prediction(
        "11-race",
        "VM 1 runs on CPU 0 and calls receive. It blocks, and CPU 0 is about to switch back to the primary. "
        "Before it has saved VM 1's registers, CPU 1 calls send(1, “hello”) and then vcpu_run(1).",
        fatal,
        (
            Question(
                "What does CPU 1's send return?",
                ("-1", "0xffff", "0"),
                returned_at(on_cpu(1, HF_MAILBOX_SEND)),
                result_of,
                "VM 1's vCPU 0 is in the list of waiters already, so the send finds it and wakes it: 0.",
            ),
            Question(
                "And its vcpu_run(1)?",
                ("it returns WAIT_FOR_INTERRUPT", "VM 1 runs on CPU 1"),
                settles(on_cpu(1, HF_VCPU_RUN)),
                outcome_of_run,
                "The state of the vCPU is READY, and vcpu_run looks at nothing else. That CPU 0 has yet to save its "
                "registers is written nowhere.",
            ),
            Question(
                "On how many CPUs is VM 1's only vCPU then?",
                ("0", "1", "2"),
                settles(on_cpu(1, HF_VCPU_RUN)),
                live_on,
                "CPU 0 still holds its registers, CPU 1 has loaded the old ones from memory: it is live twice.",
            ),
        ),
    ),
)


def judge_switch(answer: Sequence[str]) -> Run:
    """The order is right on one CPU and on two."""
    try:
        return judge_order(ArrangedSwitch, SWITCH, RETRY, RULES, answer)
    except Wrong as wrong:
        save, restore = SWITCH[0], SWITCH[-1]
        if wrong.run is None or answer.index(save) < answer.index(restore):
            raise
        why = "You restore before you save, and so what you save are the primary's registers, not VM 1's."
        raise Wrong(f"{wrong} {why}", wrong.run, wrong.beside) from None


def on_arm(answer: Sequence[str]) -> str:
    """What is not so good in an order that is right here: the mark is outside the lock."""
    _, take, mark, drop, _ = map(answer.index, SWITCH)
    if take < mark < drop:
        return ""
    return (
        "Here, that is, where all CPUs see all stores in one order. On a real Arm CPU it would be wrong: you mark "
        "outside the lock, and taking and dropping it is what keeps others from seeing the mark before the registers."
    )


def judge_lost_result(answer: Sequence[int], scenario: Scenario = RACE) -> Run:
    """The schedule loses the result of VM 1's receive, and VM 1 is never live twice."""
    stepper = play(scenario, answer, RULES)
    if "live-once" in stepper.broken:
        raise Wrong(
            "VM 1 is live twice: CPU 1 restored its registers before CPU 0 had saved them. In the order that you look "
            "for, CPU 0 saves after the wake-up but before CPU 1 restores.",
            so_far(stepper),
        )
    if not stepper.broken:
        raise Wrong(f"In this order nothing breaks: {why_safe(so_far(stepper))}", so_far(stepper))
    return so_far(stepper)


CALLS_BEFORE = range(1, 7)
CALLS_BETWEEN = (3, 12, 21)
"""How often CPU 0 and CPU 1 call vm_count() first in a variant; so far apart that no answer fits two of them."""


def race_after(calls: Sequence[int]) -> Scenario:
    """The race, where each CPU first makes so many calls, a step each."""

    def runs_late() -> Any:
        for _ in range(calls[0]):
            yield vm_count()
        return (yield vcpu_run(1)).code

    def sends_late() -> Any:
        for _ in range(calls[1]):
            yield vm_count()
        return (yield from send_then_run())

    return replace(RACE, cpus=(runs_late, sends_late))


def another_race(exercise: Exercise, rng: Random) -> Exercise:
    """The race, begun later: each CPU makes some calls first."""
    calls = rng.choice(CALLS_BEFORE), rng.choice(CALLS_BETWEEN)
    first, second = calls
    wrong = {
        "the shortest way of above": [0] * (15 + first) + [1] * (15 + second),
        "CPU 0 first": [0] * 60 + [1] * 60,
        "CPU 1 as soon as VM 1 waits": [0] * (11 + first) + [1] * (9 + second),
        "CPU 1 first": [1] * (4 + second) + [0] * 7,
    }
    return replace(
        exercise,
        task=f"{exercise.task} Here CPU 0 calls vm_count() first, {counted(first, 'time')}, and then vcpu_run(1); "
        f"CPU 1 calls vm_count() {second} times before it sends. Each of these calls is one step.",
        judge=partial(judge_lost_result, scenario=race_after(calls)),
        solution=[0] * (16 + first) + [1] * (10 + second) + [0] + [1] * 5,
        hints=(
            *exercise.hints[:2],
            f"CPU 0 up to its save ({counted(first, 'step')} more than in the lesson's race), CPU 1 up to the wake-up "
            f"or a little further ({second} steps more), then CPU 0's save.",
        ),
        wrong={name: (answer, exercise.wrong[name][1]) for name, answer in wrong.items()},
    )


def why_safe(run: Run) -> str:
    """Why an order of the race was harmless."""
    asked = [event for event in run.events if event.kind is Kind.HYPERCALL and event.cpu == 1]
    runs = [event for event in asked if words.number(event) == HF_VCPU_RUN]
    if not any(event.kind is Kind.WAKE for event in run.events):
        return (
            "the send woke nobody. VM 1 must be in the list of waiters first: let CPU 0 go on until it drops vm1.lock."
        )
    if not runs:
        return "CPU 1 has not called vcpu_run yet."
    return "CPU 0 had saved VM 1's registers before the send wrote the result into them. Let it save after the wake-up."


def judge_repair(answer: Callable[[Any], object]) -> Run:
    """Put the answer in place of the repair's test, and try every order."""

    class Answered(RegsRace):
        def take_locked(self, vcpu: Vcpu) -> bool:
            return bool(answer(vcpu))

    right = play(RETRY, (), fixes=REPAIRED)
    vm = right.machine.hypervisor.vms[1]
    for state, saved, waits in product(VcpuState, (True, False), (5, None)):  # what it raises it raises here
        if isinstance(answer(vcpu_of(vm, state, saved, waits)), list | tuple):
            raise Wrong("Your function gives a list of answers: let it return True or False.")
    found = tried(RETRY, RULES, fixes=REPAIRED, changes=[Answered])
    if found.violations:
        name, sentence, _, number, _ = found.violations[0]
        still = f"An order of {number} steps still breaks {name}: {sentence}.{unmarked(answer, vm)}"
        raise Wrong(still, *both(found, RETRY))
    if not any(dict(final)["vm1.vcpu0.state"] == "BLOCKED_INTERRUPT" for final in found.finals):
        yours = play(RETRY, (), fixes=REPAIRED, changes=[Answered])
        vcpu = vcpu_of(vm, VcpuState.READY, True, 5)
        told = bool(answer(vcpu)) or vcpu.state is not VcpuState.RUNNING
        why = "when may it?" if told else "your answer takes the vCPU and does not say so. Return True then."
        raise Wrong(f"Nothing breaks, and VM 1 never runs: {why}", so_far(yours), so_far(right))
    judge_taken(answer, vm)
    judge_refused(answer, vm)
    return so_far(play(RETRY, (), fixes=REPAIRED, changes=[Answered]))


def vcpu_of(vm: Vm, state: VcpuState, saved: bool, waits: int | None) -> LaterVcpu:
    """A vCPU to try an answer on, with a 7 in x0, and a result that `waits` or none."""
    vcpu = LaterVcpu(vm, 0)
    vcpu.state, vcpu.regs_available, vcpu.forced_retval = state, saved, waits
    vcpu.regs.set_retval(7)
    return vcpu


def unmarked(answer: Callable[[Any], object], vm: Vm) -> str:
    """What is wrong with an answer that tests whether the registers are saved, and leaves it at that; else nothing."""
    if answer(vcpu_of(vm, VcpuState.READY, False, 5)):
        return ""
    vcpu = vcpu_of(vm, VcpuState.READY, True, 5)
    if not answer(vcpu) or not vcpu.regs_available:
        return ""
    return " You test regs_available but never set it to False: the second CPU still finds it True."


def judge_taken(answer: Callable[[Any], object], vm: Vm) -> None:
    """An answer takes a vCPU that may run, with the result that waits for it, which may be 0, or none."""
    for waits, x0, sentence in (
        (
            0,
            0,
            "forced_retval was 0, and x0 did not become 0. That is a result too, no bytes from VM 0: only None is not.",
        ),
        (
            None,
            7,
            "forced_retval was None, and x0 changed: a vCPU that an interrupt stopped must find its own x0 again.",
        ),
    ):
        vcpu = vcpu_of(vm, VcpuState.READY, True, waits)
        answer(vcpu)
        if vcpu.regs[0] != x0:
            raise Wrong(sentence)
        if vcpu.state is not VcpuState.RUNNING:
            raise Wrong(f"The vCPU is taken, and its state is still {vcpu.state.name}.")
        if vcpu.forced_retval is not None:
            raise Wrong(
                "The result is in x0, and still in forced_retval: whenever VM 1 runs again it gets it once more. Set "
                "it to None."
            )


def judge_refused(answer: Callable[[Any], object], vm: Vm) -> None:
    """An answer leaves a vCPU that may not run as it was."""
    for state, saved in (VcpuState.BLOCKED_MAILBOX, True), (VcpuState.READY, False):
        vcpu = vcpu_of(vm, state, saved, 5)
        taken = answer(vcpu)
        if taken or (vcpu.state, vcpu.regs_available, vcpu.forced_retval, vcpu.regs[0]) != (state, saved, 5, 7):
            raise Wrong(
                f"A vCPU whose state is {state.name} and whose regs_available is {saved} may not run: return False, "
                "and change nothing."
            )


def no_answer(ghost: Ghost) -> str | None:
    """At the end of an order: whether “hello” has come back to VM 0, after the “here” that VM 1 begins with."""
    machine = ghost.machine
    if any(core.able for core in machine.cores):
        return None
    primary, vm_1 = machine.hypervisor.vms
    got = machine.hypervisor.mm_load(primary.mailbox.recv, primary.mailbox.recv_bytes)
    if got == b"hello":
        return None
    if got != b"here":
        return f"VM 1 sent back {quoted_message(got)}, not “hello”"
    vcpu = vm_1.vcpus[0]
    why = "nobody runs it" if vcpu.state is VcpuState.READY else "nobody has sent to it"
    return f"VM 1 has not answered, and all is over: it is {vcpu.state.name} and {why}"


ANSWERS = Invariant("answers", "VM 1 gets its message and answers.", no_answer, steady=True)


def judge_try_again(answer: Script) -> Run:
    """In every order VM 1 answers."""

    def scene(script: Script) -> Scenario:
        what = "CPU 0 runs VM 1 once, CPU 1 is yours."
        return Scenario("your primary", what, ready, (run_vm_1, script), (answerer,))

    scenario = scene(answer)
    found = tried(scenario, (ANSWERS,), fixes=REPAIRED)
    if found.violations:
        name, sentence, _, number, _ = found.violations[0]
        if name == "livelock" and not number:
            raise Wrong("Your script has an end in no order.")
        if name == "livelock":
            answered = b"hello" in delivered(continued(found, scenario), 0)
            sentence = "CPU 1 goes round for ever. " + (
                "CPU 0 runs VM 1 too: its vcpu_run may be told MESSAGE, and yours never is."
                if answered
                else "VM 1 has not answered, and nobody runs it: vcpu_run(1) does."
            )
        right = scene(without_source(solve_try_again))
        raise Wrong(f"Not in every order. The shortest that fails has {number} steps: {sentence}", *both(found, right))
    judge_patience(scenario, (ANSWERS,), found)
    return so_far(play(scenario, (), fixes=REPAIRED))


SWITCH = [
    "save the vCPU's registers",
    "take the vCPU's lock",
    "mark its registers as saved",
    "drop the vCPU's lock",
    "restore the primary's registers",
]
RIGHT_SWITCHES = (
    (0, 1, 2, 3, 4), (0, 1, 2, 4, 3), (0, 1, 4, 2, 3), (0, 4, 1, 2, 3),
    (1, 0, 2, 3, 4), (1, 0, 2, 4, 3), (1, 0, 4, 2, 3),
)  # fmt: skip
"""Orders of these that are right on a real Arm CPU, too: saved before marked and restored, and marked in the lock."""


# 11-repair


def solve_repair(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_looks_at_the_state_only(vcpu):
    if vcpu.state is not VcpuState.READY:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_does_not_say_that_it_has_taken_it(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_forgets_the_result(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    return True


def repair_keeps_the_result(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
    return True


def repair_takes_0_for_nothing(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    if vcpu.forced_retval:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_sets_x0_every_time(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.state = VcpuState.RUNNING
    vcpu.regs_available = False
    if True:
        vcpu.regs.set_retval(vcpu.forced_retval or 0)
        vcpu.forced_retval = None
    return True


def repair_leaves_it_ready(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.regs_available = False
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_takes_it_before_it_tests(vcpu):
    if vcpu.state is not VcpuState.READY:
        return False
    vcpu.state = VcpuState.RUNNING
    if not vcpu.regs_available:
        return False
    vcpu.regs_available = False
    if vcpu.forced_retval is not None:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def repair_never(vcpu):
    return False


# 11-try-again


def solve_try_again():
    yield send(1, "hello")
    while (yield clear()) == -1:
        yield vcpu_run(1)


def try_again_runs_once():
    yield send(1, "hello")
    yield vcpu_run(1)


def try_again_runs_three_times():
    yield send(1, "hello")
    for _ in range(3):
        yield vcpu_run(1)


def try_again_waits_for_message():
    yield send(1, "hello")
    while (yield vcpu_run(1)).code != 3:
        pass


def try_again_does_not_send():
    yield vcpu_run(1)


EXERCISES = (
    Exercise(
        id="11-arrange-switch",
        task="the steps with which a CPU leaves a vCPU, in an order that is right whatever another CPU does meanwhile.",
        wants="a list of the five steps as texts",
        takes=forms.order_of(tuple(ArrangedSwitch.pieces)),
        judge=judge_switch,
        learned="registers are saved before anything says so, and before others take their place.",
        hints=(
            "Once the registers are marked as saved, and the lock is free, another CPU may take the vCPU.",
            "So they must be saved by then. And what is in the CPU must be saved before anything else is put there.",
            "Save; then take, mark, drop; restore after the save. More than one order is right.",
        ),
        solution=ordered(SWITCH, 0, 1, 2, 3, 4),
        wrong={
            "marks before it saves": (ordered(SWITCH, 1, 2, 3, 0, 4), "is live on CPU 0 and on"),
            "restores before it saves": (ordered(SWITCH, 4, 0, 1, 2, 3), "you save are the primary's registers"),
            "drops before it takes": (ordered(SWITCH, 0, 3, 2, 1, 4), "lock, which it does not hold"),
        },
        pieces=tuple(ArrangedSwitch.pieces),
        variant=of_places([ordered(SWITCH, *order) for order in RIGHT_SWITCHES]),
        remark=on_arm,
    ),
    Exercise(
        id="11-repair",
        task="a function that takes the vCPU for a CPU if it may run: True, or False and nothing changed.",
        wants="a function of one argument, the vCPU",
        takes=forms.function,
        judge=judge_repair,
        learned="test and take are one step for everybody else, under one lock; and what must hold needs a field "
        "that says it.",
        hints=(
            "READY is not enough: vcpu.regs_available must be True as well.",
            "Once taken, the registers are no longer in memory: say so. And the result that waits must go into x0.",
            "State RUNNING, vcpu.regs_available = False, vcpu.regs.set_retval(vcpu.forced_retval) unless it is None.",
        ),
        solution=solve_repair,
        wrong={
            "looks at the state only": (repair_looks_at_the_state_only, "still breaks live-once"),
            "does not say that it has taken it": (
                repair_does_not_say_that_it_has_taken_it,
                "but never set it to False",
            ),
            "forgets the result": (repair_forgets_the_result, "still breaks result-kept"),
            "keeps the result": (repair_keeps_the_result, "still in forced_retval"),
            "takes 0 for nothing": (repair_takes_0_for_nothing, "only None is not"),
            "sets x0 every time": (repair_sets_x0_every_time, "x0 changed"),
            "leaves it READY": (repair_leaves_it_ready, "is still READY"),
            "takes it before it tests": (repair_takes_it_before_it_tests, "and change nothing"),
            "never": (repair_never, "VM 1 never runs"),
        },
    ),
    Exercise(
        id="11-lost-result",
        task="a schedule (a list of CPU numbers) of the race that breaks result-kept, and never live-once.",
        wants="a list of CPU numbers such as [0] * 12 + [1] * 9",
        takes=forms.schedule,
        judge=judge_lost_result,
        variant=another_race,
        learned="the late save overwrites the result that the send had written.",
        hints=(
            "The send writes the result into the x0 in memory. Which later step of CPU 0 writes over it?",
            "CPU 0 must save after CPU 1's wake-up and before CPU 1 restores. Count in the table of steps.",
            "CPU 0 up to its save (16 steps), CPU 1 up to the wake-up (7) or a little further, then CPU 0's save.",
        ),
        solution=[0] * 16 + [1] * 10 + [0] + [1] * 5,
        wrong={
            "the shortest way of above": ([0] * 15 + [1] * 15, "live twice"),
            "CPU 0 first": ([0] * 40 + [1] * 40, "Let it save after the wake-up"),
            "CPU 1 as soon as VM 1 waits": ([0] * 11 + [1] * 9, "it waits for VM 1's lock"),
            "CPU 1 first": ([1] * 4 + [0] * 7, "woke nobody"),
        },
    ),
    Exercise(
        id="11-try-again",
        task="a script for CPU 1 that sends “hello” to VM 1 and ends when VM 1 has answered, in every order.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_try_again,
        learned="with the repair “not now” looks like “it waits”, so the primary must try again.",
        hints=(
            "WAIT_FOR_INTERRUPT may mean: not yet. So run VM 1 again. When is it enough?",
            "It may be CPU 0 that runs VM 1 and is told MESSAGE. But both CPUs are VM 0: its mailbox is yours too.",
            "clear() gives 0 once the answer has come: while (yield clear()) == -1: yield vcpu_run(1).",
        ),
        solution=solve_try_again,
        wrong={
            "runs once": (try_again_runs_once, "READY and nobody runs it"),
            "runs three times": (try_again_runs_three_times, "READY and nobody runs it"),
            "waits for MESSAGE": (try_again_waits_for_message, "its vcpu_run may be told MESSAGE"),
            "does not send": (try_again_does_not_send, "nobody has sent to it"),
        },
    ),
)
LEARN = "how a real race came about, and what its repair guarantees"
TERMS = {
    "live twice": "One vCPU runs on two physical CPUs at once.",
    "stale registers": "Registers in memory that are older than those the vCPU left with.",
    "lost result": "A vCPU runs on without the result of the hypercall that it waited in, because something wrote "
    "over it.",
}
