"""Lesson 03, vCPUs and the primary's loop: its predictions and exercises."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial, wraps
from itertools import product
from types import FrameType
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_counted,
    call_of,
    calls,
    changed_at,
    judge_all,
    last_event,
    returned_at,
    run_result,
    state_of,
    switch_to,
    who_runs,
)
from hfedu.errors import counted
from hfedu.guest.scripted import Script, clear, configure, load, print_line, receive, resume, send, vcpu_run, vm_count
from hfedu.guest.toolchain import assemble
from hfedu.hf.call import HF_VCPU_RUN
from hfedu.notebook import Run
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.run.recording import Event

MANY_TRAPS, MANY_LINES = 2000, 100_000
"""Enough for every primary of this lesson; one that never ends is stopped here."""
VM_2, VM_3 = 0x40F0_0000, 0x40E8_0000
"""The memory of the second and the third secondary, if each has 512 KiB."""
FAIR_TURNS = 40
TIMERS = (90, 150, 210, 270, 333, 410, 700, 1000)
"""Each interrupts the workers at other places."""


@cache
def counter(rounds: int = 0) -> bytes:
    """A guest that counts in x19: to `rounds`, and then waits with WFI; for ever with 0."""
    end = f"    mov x1, #{rounds}\n    cmp x19, x1\n    b.ne loop\n    wfi" if rounds else "    b loop"
    return assemble(f"loop:\n    add x19, x19, #1\n{end}\n")


def counting(timer: int | None) -> Run:
    """Two guests that count for ever; VM 0 runs the first twice, then the second."""

    def primary() -> Any:
        for vm in (1, 1, 2):
            yield vcpu_run(vm)

    disk = RamDisk(primary, [counter(), counter()])
    return boot_counted(disk, timer=timer, max_instructions=100_000, title="Two guests that never stop")


def not_ready() -> Run:
    """VM 1 has two vCPUs, of which one waits and one is off; VM 0 tries to run both, and a VM that there is not."""

    def primary() -> Any:
        yield vcpu_run(1)
        yield vcpu_run(1)
        yield vcpu_run(1, vcpu=1)
        yield vcpu_run(9)

    def waiter() -> Any:
        yield configure()
        yield receive(block=True)

    disk = RamDisk(primary, [Secondary([waiter, waiter], vcpus=2)])
    return boot_counted(disk, title="VM 0 runs what is not ready")


def goes_on(run: Run, event: Event) -> str:
    """Whether a vCPU that is switched in begins again."""
    assert event.target is not None
    counted = run.at(event.seq).of(event.target, "x19")
    return "where it was interrupted, x19 as it was" if counted else "at its first instruction, x19 = 0"


STATES = ("OFF", "READY", "RUNNING", "BLOCKED_INTERRUPT")
RESULTS = ("-1", "WAIT_FOR_INTERRUPT", "YIELD")
PREDICTIONS = (
    Prediction(
        "03-no-timer",
        "VM 0 runs VM 1, whose two instructions count and never stop. VM 2 is loaded. There is one CPU. It has a "
        "timer, and nobody has set it.",
        lambda: counting(None),
        (
            Question(
                "Who has the CPU after 100,000 instructions?",
                ("VM 0", "VM 1", "VM 2"),
                last_event,
                who_runs,
                "The hypervisor runs only when something traps. Counting does not, and no device interrupts: VM 1 "
                "keeps the CPU for ever.",
            ),
            Question(
                "In which state is VM 2's vCPU then?",
                STATES,
                last_event,
                state_of("vm2.vcpu0.state"),
                "It was READY when the hypervisor had loaded it, and nobody has run it. OFF would need somebody to "
                "start it first.",
            ),
        ),
    ),
    Prediction(
        "03-timer",
        "The same machine, and now the timer is set: it interrupts the CPU after every 1000 instructions.",
        lambda: counting(1000),
        (
            Question(
                "What does VM 0's vcpu_run(1) return when the timer has interrupted VM 1?",
                RESULTS,
                switch_to(0, 1),
                run_result,
                "VM 1 lost the CPU and could go on at once: YIELD. WAIT_FOR_INTERRUPT is for one that waits.",
            ),
            Question(
                "In which state is VM 1's vCPU then?",
                STATES,
                switch_to(0, 1),
                state_of("vm1.vcpu0.state"),
                "It wants to go on and does not have the CPU: READY.",
            ),
            Question(
                "VM 0 runs VM 1 again. Where does VM 1 go on?",
                ("at its first instruction, x19 = 0", "where it was interrupted, x19 as it was"),
                switch_to(1, 1),
                goes_on,
                "The hypervisor saved all its registers, the program counter among them, and restores them now. VM 1 "
                "notices nothing.",
            ),
        ),
    ),
    Prediction(
        "03-not-ready",
        "VM 1 has two vCPUs. Its vCPU 0 waits for a message; VM 0 runs it again, then vCPU 1, then a VM 9.",
        not_ready,
        (
            Question(
                "What does vcpu_run(1) return while vCPU 0 waits?",
                RESULTS,
                returned_at(call_of(0, HF_VCPU_RUN, 1)),
                run_result,
                "A vCPU that is not READY is not run. The primary is told what it would be told if it had run and "
                "waited at once.",
            ),
            Question(
                "In which state is vCPU 1 of VM 1?",
                STATES,
                changed_at(call_of(0, HF_VCPU_RUN, 2), "vm1.vcpu1.state"),
                state_of("vm1.vcpu1.state"),
                "The hypervisor starts only vCPU 0 of a secondary. The others are OFF, and this version has no call "
                "that starts them.",
            ),
            Question(
                "There is no VM 9. What does vcpu_run(9) return?",
                RESULTS,
                returned_at(call_of(0, HF_VCPU_RUN, 3)),
                run_result,
                "HF_VCPU_RUN never returns -1: whatever cannot run looks like something that waits.",
            ),
        ),
    ),
)


@contextmanager
def few_lines() -> Iterator[None]:
    """Stop Python code that goes on and on without a yield: `Wrong` after so many lines."""
    lines = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        lines += 1
        if lines > MANY_LINES:
            raise Wrong(
                "Your loop goes round and round and makes no call any more: end it when nothing is left to run."
            )
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def stoppable(script: Script) -> Script:
    """The same script, but stopped if it loops without a call."""

    @wraps(script)
    def primary() -> Any:
        guest, value = script(), None
        while True:
            try:
                with few_lines():
                    action = resume(guest, value)
            except StopIteration:
                return
            value = yield action

    return primary


def run_under(timer: int, answer: Script, secondaries: Sequence[Any], title: str) -> Run:
    """Run the answer as the primary of some guests, under a timer."""
    disk = RamDisk(stoppable(answer), list(secondaries))
    return boot_counted(disk, timer=timer, max_traps=MANY_TRAPS, title=f"{title}, a timer of {timer}")


def turns(run: Run) -> list[tuple[int, int]]:
    """Each turn of a secondary: the event that began it, and the VM."""
    switches = (event for event in run.events if event.kind is Kind.SWITCH)
    return [(event.seq, event.target.vm) for event in switches if event.target is not None and event.target.vm]


def refused(run: Run) -> list[Event]:
    """The returns of the calls of HF_VCPU_RUN that ran nothing."""
    return [run.events[run.returns[event.seq]] for event in calls(run, 0, HF_VCPU_RUN) if event.seq in run.returns]


def judge_each(answer: Script) -> Run:
    """Every secondary has one turn, whatever their number."""
    guests = counter(), counter(5), counter(), counter(5)
    return judge_all(
        (partial(ran_each, last=last), run_under(1000, answer, guests[:last], f"With {last + 1} VMs"))
        for last in (1, 4, 2)
    )


def ran_each(run: Run, last: int) -> None:
    """Every secondary had a turn, and nobody else."""
    when = f"With {last + 1} VMs"
    for event in refused(run):
        if event.args[0] in (0, last + 1):
            too_far = f"the last is VM {last}: vm_count() gives {last + 1}, because HF_VM_GET_COUNT counts VM 0 too"
            why = "VM 0 is the primary itself" if event.args[0] == 0 else too_far
            raise Wrong(f"{when} you ran VM {event.args[0]}: {why}.", at=event.seq)
    raise_vain(run, when)
    missed = sorted(set(range(1, last + 1)) - {vm for _, vm in turns(run)})
    if missed:
        raise Wrong(f"{when} VM {missed[0]} never ran.")
    had: Counter[int] = Counter()
    for seq, vm in turns(run):
        had[vm] += 1
        if had[vm] > 1:
            raise Wrong(f"{when} event {seq} begins a second turn of VM {vm}: run every VM once.", at=seq)


def judge_in_turn(answer: Script) -> Run:
    """Three workers, in turn until each waits; no call for one that waits."""
    guests = [counter(rounds) for rounds in (100, 900, 400)]
    return judge_all((ran_in_turn, run_under(timer, answer, guests, "Your primary, three workers")) for timer in TIMERS)


def ran_in_turn(run: Run) -> None:
    """Each came to its wait, in turn and without a call too many."""
    when = f"Under a timer of {run.made['timer']}"
    raise_vain(run, when)
    raise_unfair(run, 3, when)
    had = Counter(vm for _, vm in turns(run))
    waits = {event.actor.vm for event in run.events if event.kind is Kind.WFI and event.actor is not None}
    for vm in sorted({1, 2, 3} - waits):
        raise Wrong(f"{when} VM {vm} never came to its wait, it had {counted(had[vm], 'turn')}. YIELD: it can go on.")


def raise_vain(run: Run, when: str) -> None:
    """`Wrong` if a call of HF_VCPU_RUN ran nothing."""
    for event in refused(run):
        why = next(iter(run.why(event))).sentence
        raise Wrong(f"{when} you ran VM {event.args[0]} in vain at event {event.seq}: {why}", at=event.seq)


def raise_unfair(run: Run, vms: int, when: str) -> None:
    """`Wrong` if a VM was READY while the others had more turns than there are others."""
    began = dict(turns(run))
    states, passed = dict.fromkeys(range(1, vms + 1), "OFF"), {vm: [0] * 0 for vm in range(1, vms + 1)}
    for event in run.events:
        for vm in states:
            change = event.change(f"vm{vm}.vcpu0.state")
            if change:
                states[vm] = change.new
                passed[vm].clear()
            if states[vm] == "READY" and event.seq in began:
                passed[vm].append(began[event.seq])
            if len(passed[vm]) == vms:
                raise Wrong(
                    f"{when} VM {vm} was READY and waited while VM {', '.join(map(str, passed[vm]))} had their turns "
                    f"(up to event {event.seq}). With {vms} VMs nobody should wait for more than "
                    f"{counted(vms - 1, 'turn')}.",
                    at=event.seq,
                )


PATIENCE = 20
"""After so many turns without a wait a VM is to be named."""
IN_THE_LAST_TURN = 960
"""So far counts a guest that waits in its turn number 20, under a timer of 200."""


def judge_stuck(answer: Script) -> Run:
    """The primary names exactly those that do not wait within 20 turns."""
    slow, quick, endless = counter(900), counter(100), counter()
    machines = (
        (300, [slow, endless, quick]), (250, [endless, slow, endless]), (400, [slow, quick]), (90, [endless]),
        (200, [counter(IN_THE_LAST_TURN)]),
    )  # fmt: skip
    return judge_all(
        (
            partial(named_right, endless=[guest is endless for guest in guests]),
            run_under(timer, answer, guests, f"Your primary, {len(guests)} guests"),
        )
        for timer, guests in machines
    )


def named_right(run: Run, endless: Sequence[bool]) -> None:
    """Each VM that is endless was named after 20 turns, and no other."""
    raise_vain(run, f"Under a timer of {run.made['timer']}")
    had: Counter[int] = Counter()
    for seq, vm in turns(run):
        had[vm] += 1
        if had[vm] > PATIENCE:
            raise Wrong(f"Event {seq} begins turn {had[vm]} of VM {vm}: give it {PATIENCE} at most.", at=seq)
    printed = run.uart.partition("Starting up cpu 0\n")[2]
    named = {int(number) for number in re.findall(r"VM (\d+) does not wait", printed, re.IGNORECASE)}
    for vm, never in enumerate(endless, 1):
        if vm in named and not never:
            raise Wrong(f"You named VM {vm} after {counted(had[vm], 'turn')}, and it does come to a wait.")
        if never and vm not in named:
            raise Wrong(
                f"VM {vm} never waits, it had {counted(had[vm], 'turn')}, and VM 0 did not name it on the serial line: "
                'yield hfedu.print_line(f"VM {vm} does not wait").'
            )
        if never and had[vm] < PATIENCE:
            raise Wrong(f"You named VM {vm} after {counted(had[vm], 'turn')} already: give it {PATIENCE}.")
    if run.outcome.kind != "power off":
        raise Wrong(f"All is said, and your primary has no end: {run.outcome.sentence}")


def neighbours(thinks: int) -> list[Script]:
    """VM 1 and VM 2 pass a message to and fro, and VM 1 sends one to VM 3, which is busy and never asks for it.

    VM 2 executes so many instructions before it answers.
    """

    def caller() -> Any:
        yield configure()
        while (yield send(2, "ping")) == -1:
            pass
        while True:
            yield receive(block=True)
            yield clear()
            yield send(3, "news")
            yield send(2, "ping")

    def thinker() -> Any:
        yield configure()
        while True:
            yield receive(block=True)
            yield clear()
            for _ in range(thinks):
                yield load(VM_2)
            yield send(1, "pong")

    def busy() -> Any:
        yield configure()
        while True:
            yield load(VM_3)

    return [caller, thinker, busy]


def judge_fair(answer: Script) -> Run:
    """Two that talk and two that do not: no one that is ready is passed over, and no call is in vain."""

    title = "Your primary, two that talk, two that do not"
    return judge_all(
        (ran_fairly, run_under(timer, answer, [*neighbours(thinks), counter()], title))
        for timer, thinks in product((45, 60, 90), (0, 100, 200))
    )


def ran_fairly(run: Run) -> None:
    """Nobody waited too long, no call was in vain, and there were enough turns."""
    when = f"Under a timer of {run.made['timer']}"
    raise_unfair(run, 4, when)
    raise_vain(run, when)
    if run.outcome.kind != "power off":
        raise Wrong(f"Your primary has no end: end it after {FAIR_TURNS} turns or a few more.")
    if len(turns(run)) < FAIR_TURNS:
        raise Wrong(f"You gave only {counted(len(turns(run)), 'turn')}: give {FAIR_TURNS} or a few more.")


PRIMARY = "a scripted primary (a generator function: def primary(): yield vcpu_run(1) ...)"


# 03-each


def solve_each():
    count = yield vm_count()
    for vm in range(1, count):
        yield vcpu_run(vm)


def each_takes_the_count_for_that_of_the_secondaries():
    count = yield vm_count()
    for vm in range(1, count + 1):
        yield vcpu_run(vm)


def each_begins_with_itself():
    count = yield vm_count()
    for vm in range(count):
        yield vcpu_run(vm)


def each_subtracts_one_too_many():
    count = yield vm_count()
    for vm in range(1, count - 1):
        yield vcpu_run(vm)


def each_knows_that_there_are_two():
    for vm in (1, 2):
        yield vcpu_run(vm)


# 03-in-turn


def solve_in_turn():
    ready = [1, 2, 3]
    while ready:
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code == 0:  # YIELD
            ready.append(vm)


def in_turn_one_turn_each():
    for vm in (1, 2, 3):
        yield vcpu_run(vm)


def in_turn_runs_those_that_wait_too():
    for turn in range(90):
        yield vcpu_run(turn % 3 + 1)


def in_turn_one_after_the_other():
    ready = [1, 2, 3]
    while ready:
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code == 0:  # YIELD
            ready.insert(0, vm)


def in_turn_takes_yield_for_the_end():
    ready = [1, 2, 3]
    while ready:
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code == 1:  # YIELD
            ready.append(vm)


def in_turn_does_not_end():
    ready = [1, 2, 3]
    while True:
        if not ready:
            continue
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code == 0:  # YIELD
            ready.append(vm)


# 03-stuck


def solve_stuck():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(20):
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        else:
            yield print_line(f"VM {vm} does not wait")


def stuck_names_after_the_first_yield():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(1):
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        else:
            yield print_line(f"VM {vm} does not wait")


def stuck_names_everybody():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(20):
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        yield print_line(f"VM {vm} does not wait")


def stuck_takes_yield_for_a_wait():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(20):
            result = yield vcpu_run(vm)
            if result.code == 0:  # YIELD
                break
        else:
            yield print_line(f"VM {vm} does not wait")


def stuck_waits_for_ever():
    count = yield vm_count()
    for vm in range(1, count):
        while True:
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        else:
            yield print_line(f"VM {vm} does not wait")


def stuck_stops_at_the_first():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(20):
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        else:
            yield print_line(f"VM {vm} does not wait")
            return


def stuck_goes_on_with_one_that_waits():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(20):
            result = yield vcpu_run(vm)
        if result.code == 0:  # YIELD
            yield print_line(f"VM {vm} does not wait")


def stuck_names_too_early():
    count = yield vm_count()
    for vm in range(1, count):
        for _ in range(15):
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        else:
            yield print_line(f"VM {vm} does not wait")


def stuck_looks_at_the_number_of_turns_only():
    count = yield vm_count()
    for vm in range(1, count):
        for turn in range(20):  # noqa: B007 (ruff does not see the use below the loop)
            result = yield vcpu_run(vm)
            if result.code == 1:  # WAIT_FOR_INTERRUPT
                break
        if turn == 19:
            yield print_line(f"VM {vm} does not wait")


# 03-fair


def solve_fair():
    ready = [1, 2, 3, 4]
    for _ in range(40):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code != 1:  # not WAIT_FOR_INTERRUPT
            ready.append(vm)
        if result.code == 2 and result.data != 0xFFFF:  # WAKE_UP, and somebody was waiting
            ready.append(result.vm_id)


def fair_ignores_the_results():
    for turn in range(60):
        yield vcpu_run(turn % 4 + 1)


def fair_follows_every_wake_up():
    vm = 1
    for _ in range(80):
        result = yield vcpu_run(vm)
        vm = result.vm_id if result.code == 2 else vm % 4 + 1


def fair_forgets_who_waited():
    ready = [1, 2, 3, 4]
    for _ in range(40):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code != 1:  # not WAIT_FOR_INTERRUPT
            ready.append(vm)


def fair_takes_0xffff_for_a_wake_up():
    ready = [1, 2, 3, 4]
    for _ in range(40):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code != 1:  # not WAIT_FOR_INTERRUPT
            ready.append(vm)
        if result.code == 2:  # WAKE_UP, and somebody was waiting
            ready.append(result.vm_id)


def fair_forgets_the_sender():
    ready = [1, 2, 3, 4]
    for _ in range(40):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code == 0:  # not WAIT_FOR_INTERRUPT
            ready.append(vm)
        if result.code == 2 and result.data != 0xFFFF:  # WAKE_UP, and somebody was waiting
            ready.append(result.vm_id)


def fair_keeps_the_one_that_can_go_on():
    ready = [1, 2, 3, 4]
    for _ in range(40):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code != 1:  # not WAIT_FOR_INTERRUPT
            ready.insert(0, vm)
        if result.code == 2 and result.data != 0xFFFF:  # WAKE_UP, and somebody was waiting
            ready.append(result.vm_id)


def fair_stops_too_early():
    ready = [1, 2, 3, 4]
    for _ in range(20):
        vm = ready.pop(0)
        result = yield vcpu_run(vm)
        if result.code != 1:  # not WAIT_FOR_INTERRUPT
            ready.append(vm)
        if result.code == 2 and result.data != 0xFFFF:  # WAKE_UP, and somebody was waiting
            ready.append(result.vm_id)


EXERCISES = (
    Exercise(
        id="03-each",
        task="a primary that runs every secondary once, however many there are.",
        wants=PRIMARY,
        takes=forms.guest,
        judge=judge_each,
        learned="the count of VMs counts the primary, so the last secondary is one below it.",
        hints=(
            "vm_count() gives the number of VMs. Which numbers have they, and which of them is you?",
            "With two secondaries it gives 3: VM 0, VM 1 and VM 2. range(a, b) stops before b.",
            "for vm in range(1, count):",
        ),
        solution=solve_each,
        wrong={
            "takes the count for that of the secondaries": (
                each_takes_the_count_for_that_of_the_secondaries,
                "counts VM 0 too",
            ),
            "begins with itself": (each_begins_with_itself, "VM 0 is the primary itself"),
            "subtracts one too many": (each_subtracts_one_too_many, "VM 1 never ran"),
            "knows that there are two": (each_knows_that_there_are_two, "the last is VM 1"),
        },
    ),
    Exercise(
        id="03-in-turn",
        task="a primary that runs VM 1, VM 2 and VM 3 in turn until each waits, and none that waits.",
        wants=PRIMARY,
        takes=forms.guest,
        judge=judge_in_turn,
        learned="the result of a turn says whether there is a next one: YIELD can go on, WAIT_FOR_INTERRUPT cannot.",
        hints=(
            "`result = yield vcpu_run(vm)` says why the VM stopped: result.code is 0 for YIELD, 1 for "
            "WAIT_FOR_INTERRUPT.",
            "Keep a list of those that can go on. Take the first, run it; where does it go after YIELD, where after "
            "WAIT_FOR_INTERRUPT?",
            "while ready: vm = ready.pop(0); run it; if result.code == 0: ready.append(vm).",
        ),
        solution=solve_in_turn,
        wrong={
            "one turn each": (in_turn_one_turn_each, "it can go on"),
            "runs those that wait too": (in_turn_runs_those_that_wait_too, "in vain"),
            "one after the other": (in_turn_one_after_the_other, "nobody should wait"),
            "takes YIELD for the end": (in_turn_takes_yield_for_the_end, "in vain"),
            "does not end": (in_turn_does_not_end, "makes no call any more"),
        },
    ),
    Exercise(
        id="03-stuck",
        task="a primary that runs each VM until it waits, 20 turns at most, and prints a line for each "
        "VM that has not.",
        wants=PRIMARY,
        takes=forms.guest,
        judge=judge_stuck,
        learned="a timer gives the primary the CPU back, and so it can give up on a VM that never waits.",
        hints=(
            "Nobody can say of a program in general whether it will ever wait. Count its turns, and give up after 20.",
            "A VM waits when result.code is 1. Then it is not to be named, and needs no further turn.",
            "for turn in range(20): run it, and break if result.code == 1; else: yield print_line(f'VM {vm} ...').",
        ),
        solution=solve_stuck,
        wrong={
            "names after the first YIELD": (stuck_names_after_the_first_yield, "after 1 turn already"),
            "names everybody": (stuck_names_everybody, "and it does come to a wait"),
            "takes YIELD for a wait": (stuck_takes_yield_for_a_wait, "did not name it"),
            "waits for ever": (stuck_waits_for_ever, "give it 20 at most"),
            "stops at the first": (stuck_stops_at_the_first, "did not name it"),
            "goes on with one that waits": (stuck_goes_on_with_one_that_waits, "in vain"),
            "names too early": (stuck_names_too_early, "give it 20"),
            "looks at the number of turns only": (
                stuck_looks_at_the_number_of_turns_only,
                "after 20 turns, and it does",
            ),
        },
    ),
    Exercise(
        id="03-fair",
        task="a primary that gives VM 1 to VM 4 some 40 turns, fairly, and runs none that waits.",
        wants=PRIMARY,
        takes=forms.guest,
        judge=judge_fair,
        learned="WAKE_UP tells the primary that one which waited is ready again; who ignores it lets that VM starve.",
        hints=(
            "Start from 03-in-turn. A VM that waits leaves the list; what brings it back into it?",
            "WAKE_UP names the VM that was woken, result.vm_id, and result.data is its vCPU. With data 0xffff nobody "
            "was waiting: that VM is in the list already. And the sender can go on.",
            "if result.code == 2 and result.data != 0xffff: ready.append(result.vm_id), besides the sender itself.",
        ),
        solution=solve_fair,
        wrong={
            "ignores the results": (fair_ignores_the_results, "in vain"),
            "follows every wake-up": (fair_follows_every_wake_up, "VM 3 was READY and waited"),
            "forgets who waited": (fair_forgets_who_waited, "VM 2 was READY and waited"),
            "takes 0xffff for a wake-up": (fair_takes_0xffff_for_a_wake_up, "was READY and waited"),
            "forgets the sender": (fair_forgets_the_sender, "VM 1 was READY and waited"),
            "keeps the one that can go on": (fair_keeps_the_one_that_can_go_on, "was READY and waited"),
            "stops too early": (fair_stops_too_early, "only 20 turns"),
        },
    ),
)
LEARN = "who runs when: vCPUs and their states, the primary's loop, the timer"
TERMS = {
    "scripted guest": "A Python function that yields one hypercall after the other in place of machine code. The "
    "hypervisor cannot tell the difference.",
    "physical CPU": "A processor of the machine. It executes one vCPU at a time.",
    "timer": "A device that interrupts its CPU when a counter has reached a value. In hfedu the counter counts "
    "instructions, unless it is told to follow the computer's clock.",
    "preempt": "To take the CPU from a vCPU that has not given it up.",
    "turn": "The time from the HF_VCPU_RUN that starts a vCPU until the CPU goes back to the primary.",
    "pinned": "Bound to one physical CPU: vCPU n of the primary runs on physical CPU n and nowhere else.",
    "PSCI": "Power State Coordination Interface: Arm's standard calls to start and stop CPUs and to switch it all off.",
    "round robin": "To give one after the other a turn, in a fixed order, again and again.",
    "starve": "To be ready and never get a turn.",
}
