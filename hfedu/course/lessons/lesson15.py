"""Lesson 15, interrupts and time: its predictions and exercises."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from random import Random
from typing import Any

from hfedu.board.arch_timer import CTL, CVAL, PPI_VIRTUAL, ArchTimer
from hfedu.board.clock import Clock
from hfedu.board.gic import Gic
from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    answers_of,
    boot_counted,
    call_of,
    calls,
    compiled,
    judge_all,
    refusals,
    returned_at,
    run_result,
    state_of,
    switch_after,
)
from hfedu.course.shared.variants import of_results
from hfedu.course.shared.wants import C_SOURCE, GUEST
from hfedu.guest.scripted import Script, clear, configure, hvc, receive, send, vcpu_run, wait_for_interrupt
from hfedu.guest.toolchain import assemble, compile_c
from hfedu.hf.call import HF_MAILBOX_SEND, HF_VCPU_RUN
from hfedu.history.abi import HF_INTERRUPT_GET, HF_INTERRUPT_INJECT
from hfedu.notebook import Run
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import Image, RamDisk
from hfedu.run.recording import Actor, Event

LEARN = (
    "the interrupt controller and the timers: who owns an interrupt, what WFI waits for, and what a time slice costs"
)
TERMS = {
    "GIC": "Generic Interrupt Controller: Arm's device between those that interrupt and the CPUs. Its distributor "
    "says which interrupts are enabled and for whom, and each CPU has an interface to it.",
    "generic timer": "Arm's timers, two or more in each CPU, all by one counter. A timer is due when the counter "
    "has reached its compare value.",
    "active interrupt": "One that was acknowledged, that is read from the GIC by who serves it, and has not ended yet.",
    "time slice": "The time that a primary gives a vCPU before a timer takes the CPU back.",
    "latency": "The time from when something happens until the one whom it concerns goes on.",
}

# The machines of the predictions.

GIC = """
        mov  x20, #0x08000000
        mov  x21, #0x08010000
        mov  w1, #1
        str  w1, [x20]
        str  w1, [x21]
        mov  w1, #0xff
        str  w1, [x21, #4]
        mov  w1, #0x08000000
        str  w1, [x20, #0x100]
"""
ARM = """
        mov  x1, #1000
        msr  cntv_tval_el0, x1
        mov  x1, #1
        msr  cntv_ctl_el0, x1
"""
RUN = """
        mov  w0, #0xff00
        mov  x1, #1
        mov  x2, #0
        hvc  #0
"""
SERVE = """
        ldr  w5, [x21, #12]
        msr  cntv_ctl_el0, xzr
        str  w5, [x21, #16]
"""
OFF = """
        mov  w0, #0x84000000
        add  w0, w0, #8
        hvc  #0
"""
MAX_INSTRUCTIONS = 300_000


def boot_devices(primary: Image, secondaries: Sequence[Image], title: str) -> Run:
    """Run real guests with few instructions and traps at most."""
    disk = RamDisk(primary, list(secondaries))
    return boot_counted(disk, max_instructions=MAX_INSTRUCTIONS, title=title)


def spun() -> Run:
    """VM 1 never yields and masks its interrupts; the primary's timer is set to 1000 ticks."""
    spins = "        msr  daifset, #15\nloop:   b    loop\n"
    return boot_devices(assemble(GIC + ARM + RUN + SERVE + OFF), [assemble(spins)], "A VM that never yields")


def slept() -> Run:
    """VM 1 waits in WFI; the primary's timer interrupts meanwhile; then the primary runs VM 1 again."""
    primary = assemble(GIC + ARM + RUN + "        wfi\n" + SERVE + RUN + OFF)
    return boot_devices(
        primary, [assemble("        wfi\nloop:   b    loop\n")], "An interrupt while VM 1 waits for one"
    )


def first(kind: Kind) -> Callable[[Run], Event]:
    """Finds the first event of a kind."""
    return lambda run: next(event for event in run.events if event.kind is kind)


def whom(_: Run, event: Event) -> str:
    """Who an event is of."""
    return "nobody" if event.actor is None else f"VM {event.actor.vm}"


PREDICTIONS = (
    Prediction(
        "15-spin",
        "VM 0 sets its timer to 1000 ticks and runs VM 1. VM 1 masks all interrupts and then goes round for ever.",
        spun,
        (
            Question(
                "What does VM 0's vcpu_run(1) return?",
                ("nothing: it never returns", "YIELD", "WAIT_FOR_INTERRUPT"),
                switch_after(first(Kind.IRQ)),
                run_result,
                "While a secondary runs, interrupts go to the hypervisor (HCR_EL2.IMO), and what a guest masks is only "
                "what would go to itself.",
            ),
            Question(
                "Who acknowledges the interrupt at the interrupt controller?",
                ("nobody", "the hypervisor", "VM 0", "VM 1"),
                first(Kind.ACKNOWLEDGED),
                whom,
                "The hypervisor of 2018 never touches the interrupt controller. It gives the CPU back, and the "
                "interrupt is still pending when VM 0 goes on.",
            ),
        ),
    ),
    Prediction(
        "15-wfi",
        "VM 1 waits in WFI. VM 0's timer interrupts. Then VM 0 runs VM 1 again.",
        slept,
        (
            Question(
                "VM 1's WFI is in the first turn. What does that vcpu_run return?",
                ("YIELD", "WAIT_FOR_INTERRUPT"),
                switch_after(first(Kind.WFI)),
                run_result,
                "WFI of a secondary traps, and the hypervisor goes back to VM 0 at once: nobody waits on this CPU.",
            ),
            Question(
                "In which state is VM 1's vCPU when the timer has interrupted?",
                ("READY", "BLOCKED_INTERRUPT"),
                first(Kind.ENDED),
                state_of("vm1.vcpu0.state"),
                "The interrupt is VM 0's. That VM 1 waits for one stands in the hypervisor's memory, and no interrupt "
                "changes that.",
            ),
            Question(
                "What does the second vcpu_run return?",
                ("YIELD", "WAIT_FOR_INTERRUPT"),
                returned_at(call_of(0, HF_VCPU_RUN, 1)),
                run_result,
                "VM 1 is not READY, so it is not run at all. The code says that it waits for an interrupt; that "
                "one came has changed nothing.",
            ),
        ),
    ),
)

# 15-gates

PRIORITIES = ((0x00, 0xFF), (0xA0, 0xFF), (0xA0, 0xA0), (0xA0, 0x80), (0x00, 0x00))


def interrupts(ctl: int, enabled: int, priority: int, mask: int) -> bool:
    """Whether the virtual timer of CPU 0, due now, interrupts it: what the board's own devices say."""
    gic = Gic(1)
    timer = ArchTimer(Clock("instructions"), gic, PPI_VIRTUAL, 0, lambda _: None)
    for offset, size, value in ((0x000, 4, 1), (0x100, 4, enabled << PPI_VIRTUAL), (0x400 + PPI_VIRTUAL, 1, priority)):
        gic.write_distributor(offset, size, value, 0)
    gic.write_cpu(0x00, 1, 0)
    gic.write_cpu(0x04, mask, 0)
    timer.write(CVAL, 0)
    timer.write(CTL, ctl)
    return gic.signals[0].irq


def judge_gates(answer: Callable[[int, int, int, int], Any]) -> None:
    """Whether a timer that is due interrupts its CPU."""
    for ctl, enabled, (priority, mask) in product((1, 3, 0, 2, 5, 7), (1, 0), PRIORITIES):
        got, want = answer(ctl, enabled, priority, mask), interrupts(ctl, enabled, priority, mask)
        if bool(got) != want:
            given = f"ctl={ctl}, enabled={enabled}, priority={priority:#x}, mask={mask:#x}"
            raise Wrong(f"With {given} the timer {'interrupts' if want else 'does not interrupt'} the CPU.")


def solve_gates(ctl, enabled, priority, mask):
    return ctl & 3 == 1 and enabled == 1 and priority < mask


def gates_without_imask(ctl, enabled, priority, mask):
    return ctl & 1 == 1 and enabled == 1 and priority < mask


def gates_of_a_timer_that_is_not_due(ctl, enabled, priority, mask):
    return ctl == 1 and enabled == 1 and priority < mask


def gates_of_equal_priority(ctl, enabled, priority, mask):
    return ctl & 3 == 1 and enabled == 1 and priority <= mask


def gates_highest_number_first(ctl, enabled, priority, mask):
    return ctl & 3 == 1 and enabled == 1 and priority > mask


def gates_without_the_distributor(ctl, enabled, priority, mask):
    return ctl & 3 == 1 and priority < mask


# 15-beat

BEATS = ((1000, 1003, 1000), (1000, 1999, 1000), (1000, 2000, 1000), (5000, 9730, 700), (0, 1, 10), (1000, 3000, 1000))


def next_beat(cval: int, now: int, period: int) -> int:
    """The first beat after `now` of a timer that began at `cval`."""
    return cval + ((now - cval) // period + 1) * period


def judge_beat(answer: Callable[[int, int, int], Any]) -> None:
    """Where a timer that keeps its beat is set next, however late its interrupt is served."""
    for cval, now, period in BEATS:
        got, want = answer(cval, now, period), next_beat(cval, now, period)
        if got != want:
            raise Wrong(
                f"A beat of {period} ticks was due at {cval}, and now it is {now}: the next beat is {want}, and your "
                f"function gave {got!r}. {blame_beat(got, now, period)}".rstrip()
            )


def drawn_beat(rng: Random) -> tuple[int, int, int]:
    """When a timer was due, what the counter says now, and its period: often now is a beat itself."""
    cval, period = rng.randrange(1, 4000), rng.randrange(100, 1000)
    return cval, cval + rng.randrange(4) * period + rng.choice((0, rng.randrange(1, period))), period


def blame_beat(got: object, now: int, period: int) -> str:
    """What a wrong beat would do."""
    if got == now + period:
        return "Counted from now, each beat comes as much later as its interrupt was served late."
    if isinstance(got, int) and got <= now:
        return "That time is over already, so the timer interrupts again at once."
    return ""


def solve_beat(cval, now, period):
    while cval <= now:
        cval += period
    return cval


def beat_from_now(cval, now, period):
    return now + period


def beat_once(cval, now, period):
    return cval + period


def beat_at_now_again(cval, now, period):
    while cval < now:
        cval += period
    return cval


# 15-wake

NEWS = b"news"
SLEEPERS = ("VM 1 waits in WFI", "VM 1 waits in receive")


def dozer() -> Any:
    """Waits in WFI; when that ends it takes the interrupt, looks whether a message is there, and says so."""
    yield configure()
    while True:
        yield wait_for_interrupt()
        yield hvc(HF_INTERRUPT_GET)
        message = yield receive(block=False)
        if message is not None:
            yield clear()
            yield send(0, message.data)


def listener() -> Any:
    """Waits in receive; says what came, or that none did."""
    yield configure()
    while True:
        message = yield receive(block=True)
        if message is not None:
            yield clear()
        yield send(0, "nothing" if message is None else message.data)


def judge_wake(answer: Script) -> Run:
    """Each VM reads the message that it was sent, and only who waits in WFI is interrupted."""
    pairs = zip(SLEEPERS, ([dozer, listener], [listener, dozer]), strict=True)
    return judge_all((woken(guests.index(dozer) + 1), boot_repaired(answer, guests, title)) for title, guests in pairs)


def boot_repaired(primary: Script, secondaries: list[Script], title: str) -> Run:
    """Run scripts on the hypervisor with every repair."""
    disk = RamDisk(primary, list(secondaries))
    return boot_counted(disk, profile="fixed", title=f"{title}, on the repaired hypervisor")


def woken(asleep: int) -> Callable[[Run], None]:
    """Judges a run in which this VM waits in WFI, and the other one in receive."""

    def judge(run: Run) -> None:
        case = f"VM {asleep} waits in WFI, VM {3 - asleep} in receive."
        disturbed = [event for event in calls(run, 0, HF_INTERRUPT_INJECT) if event.args[0] == 3 - asleep]
        if disturbed:
            raise Wrong(
                f"{case} Your primary interrupts VM {3 - asleep} (event {disturbed[0].seq}), which the message alone "
                "wakes: the result of send tells.",
                run,
            )
        for vm in (asleep, 3 - asleep):
            if (0, NEWS) not in answers_of(run, vm):
                refused = refusals(run, vm, HF_MAILBOX_SEND)
                if refused:
                    raise Wrong(f"{case} VM {vm} has read, and its answer was refused: clear your mailbox first.", run)
                raise Wrong(f"{case} VM {vm} never read “news”: {unread(run, vm, asleep)}.", run)

    return judge


def unread(run: Run, vm: int, asleep: int) -> str:
    """Why a VM did not read its message."""
    got = [event for event in run.events if event.kind is Kind.DELIVER and event.target in (Actor(vm), Actor(vm, 0))]
    if not got:
        return "it got none. Run it until it waits, then send"
    if vm == asleep and not calls(run, 0, HF_INTERRUPT_INJECT):
        return "a message does not end a WFI; an interrupt does"
    if run.at(len(run.events) - 1)[f"vm{vm}.vcpu0.state"] == "READY":
        return "it is READY: run it once more"
    return "it waits"


def solve_wake():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    for vm in (1, 2):
        if (yield send(vm, "news")) == 0xFFFF:
            yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5)
        yield vcpu_run(vm)
        yield clear()


def wake_by_message_only():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    for vm in (1, 2):
        yield send(vm, "news")
        yield vcpu_run(vm)
        yield clear()


def wake_everybody():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    for vm in (1, 2):
        yield send(vm, "news")
        yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5)
        yield vcpu_run(vm)
        yield clear()


def wake_vm_1_by_heart():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    for vm in (1, 2):
        yield send(vm, "news")
        if vm == 1:
            yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5)
        yield vcpu_run(vm)
        yield clear()


def wake_and_do_not_run():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    for vm in (1, 2):
        if (yield send(vm, "news")) == 0xFFFF:
            yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5)


# 15-slices

SLICE, SHORTEST = 2000, 1700
"""Ticks of a slice, and how few of them may be left once the primary has entered the hypervisor."""
WORK = """
        mov  x9, #{rounds}
loop:   add  x19, x19, #1
        cmp  x19, x9
        b.ne loop
        wfi
"""
TICKS = 3
"""Instructions of one round of this loop."""
WORKERS = ((3000, 1000, 2000), (2500, 1500), (500, 3000, 700, 1800))
"""How many rounds each VM works before it waits, for each trial."""


def judge_slices(answer: str) -> Run:
    """Each VM gets slices in turn until it waits; then the machine is switched off."""
    primary = compiled(compile_c, answer)
    return judge_all(
        (
            sliced(rounds),
            boot_devices(
                primary,
                [assemble(WORK.format(rounds=each)) for each in rounds],
                f"Your scheduler and {len(rounds)} workers",
            ),
        )
        for rounds in WORKERS
    )


def sliced(rounds: Sequence[int]) -> Callable[[Run], None]:
    """Judges the run of workers that need so many rounds each."""

    def judge(run: Run) -> None:
        had = slices(run)
        if not had:
            raise Wrong(f"Your scheduler never runs a VM. {run.outcome}", run)
        raise_bad_slice(run, had)
        raise_out_of_turn(run, [vm for vm, *_ in had], len(rounds))
        vain = [event for event in calls(run, 0, HF_VCPU_RUN) if event.seq in run.returns and ran_nothing(run, event)]
        if vain:
            raise Wrong(
                f"You run VM {vain[0].args[0]} at event {vain[0].seq}, and it waits already or does not exist: "
                "HF_VM_GET_COUNT counts the primary too, and WAIT_FOR_INTERRUPT says that a VM needs no more slices.",
                run,
            )
        waits = {event.actor.vm for event in run.events if event.kind is Kind.WFI and event.actor is not None}
        missing = sorted(set(range(1, len(rounds) + 1)) - waits)
        if missing:
            raise Wrong(f"VM {missing[0]} never came to its wait: after YIELD it can go on. {run.outcome}", run)
        if run.outcome.kind != "power off":
            raise Wrong(f"All VMs wait, and the machine stays on: {run.outcome}", run)

    return judge


def ran_nothing(run: Run, call: Event) -> bool:
    """Whether a call of HF_VCPU_RUN gave the CPU to nobody."""
    return run.events[run.returns[call.seq]].kind is Kind.RETURN


def slices(run: Run) -> list[tuple[int, int, Event]]:
    """Each turn of a secondary: which VM, how many ticks it had, and the trap that ended it."""
    found, counted = [], [0] * 16
    ends = [event for event in run.events if event.kind in (Kind.IRQ, Kind.WFI, Kind.END)]
    for event in ends:
        who = run.at(event.seq)["cpu0.current"] if event.actor is None else event.actor
        vm = who.vm if isinstance(who, Actor) else 0
        if vm:
            done = run.at(event.seq).get(f"vm{vm}.vcpu0.x19", 0)
            found.append((vm, TICKS * (done - counted[vm]), event))
            counted[vm] = done
    return found


def raise_bad_slice(run: Run, had: list[tuple[int, int, Event]]) -> None:
    """`Wrong` if a VM had more ticks than a slice, or lost the CPU before its slice was over."""
    for vm, ticks, event in had:
        if event.kind is Kind.END:
            raise Wrong(f"VM {vm} got the CPU and nothing took it back: {no_interrupt(run)}. {run.outcome}", run)
        if ticks > SLICE + TICKS:
            raise Wrong(f"VM {vm} had {ticks} ticks up to event {event.seq}, not {SLICE}: {no_interrupt(run)}.", run)
        if event.kind is Kind.IRQ and ticks < SHORTEST:
            raise Wrong(
                f"VM {vm} lost the CPU at event {event.seq} after {ticks} ticks of {SLICE}: set the timer anew right "
                "before each HF_VCPU_RUN, so that nobody gets the rest of somebody else's slice.",
                run,
            )


def no_interrupt(run: Run) -> str:
    """Why no interrupt ended a slice."""
    raised, ended = (sum(event.kind is kind for event in run.events) for kind in (Kind.RAISED, Kind.ENDED))
    taken = sum(event.kind is Kind.ACKNOWLEDGED for event in run.events)
    if not raised:
        return "no interrupt was raised. Set CNTV_TVAL_EL0, and CNTV_CTL_EL0 to 1"
    if taken > ended:
        return "an interrupt that was acknowledged and has not ended keeps the next one away. Write GICC_EOIR"
    for event in run.events:
        shut = [check.condition for check in event.checks if event.kind is Kind.RAISED and not check.passed]
        if shut:
            return f"the timer was due at event {event.seq}, and this is not so: {shut[0]}"
    return "the timer was not set for it, or not to that"


def raise_out_of_turn(run: Run, order: list[int], vms: int) -> None:
    """`Wrong` if a VM has two turns while another one that can go on has none."""
    waits = [event.actor.vm for event in run.events if event.kind is Kind.WFI and event.actor is not None]
    for vm in range(1, vms + 1):
        places = [at for at, each in enumerate(order) if each == vm]
        for other in set(range(1, vms + 1)) - {vm}:
            turns = [at for at, each in enumerate(order) if each == other]
            last = turns[-1] if turns and other in waits else len(order)
            between = ((a, b) for a, b in pairwise(places) if b < last)
            if any(not any(a < at < b for at in turns) for a, b in between):
                raise Wrong(f"VM {vm} had two slices, and VM {other}, which could go on, had none between them.", run)


SCHEDULER = """#define GICD 0x08000000ul
#define GICC 0x08010000ul

static void set(u64 at, u32 value) { *(volatile u32 *)at = value; }
static u32 get(u64 at) { return *(volatile u32 *)at; }

static void arm(u64 ticks)
{
    __asm__ volatile("msr cntv_tval_el0, %0" : : "r"(ticks));
    __asm__ volatile("msr cntv_ctl_el0, %0\\n isb" : : "r"(1ul));
}

void guest_main(const u8 *fdt)
{
    u64 vms = hvc(HF_VM_GET_COUNT, 0, 0, 0), left = vms - 1;
    u8 waits[16];

    set(GICD, 1);
    set(GICC, 1);
    set(GICC + 4, 0xff);
    set(GICD + 0x100, 1u << 27);
    for (u64 vm = 1; vm < vms; vm++)
        waits[vm] = 0;
    for (u64 vm = 1; left; vm = vm % (vms - 1) + 1) {
        if (waits[vm])
            continue;
        arm(2000);
        if ((hvc(HF_VCPU_RUN, vm, 0, 0) & 0xff) == YIELD) {
            u32 taken = get(GICC + 0xc);
            set(GICC + 0x10, taken);
        } else {
            waits[vm] = 1;
            left--;
        }
    }
    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
"""

EXERCISES = (
    Exercise(
        id="15-gates",
        task="a function that says whether a timer that is due interrupts its CPU.",
        wants="a function of four numbers",
        takes=forms.function,
        judge=judge_gates,
        learned="an interrupt passes the timer, the distributor and the priority mask, and one gate shut is enough.",
        hints=(
            "Three gates: the timer's control register, the distributor's bit, the interface's priority mask.",
            "The control register has ENABLE in bit 0 and IMASK in bit 1. A lower number is more urgent, and "
            "it must be below the mask.",
            "`return ctl & 3 == 1 and enabled == 1 and priority < mask`",
        ),
        solution=solve_gates,
        wrong={
            "forgets IMASK": (gates_without_imask, "With ctl=3, enabled=1, priority=0x0, mask=0xff"),
            "takes ISTATUS for a gate": (gates_of_a_timer_that_is_not_due, "With ctl=5, enabled=1"),
            "an equal priority is enough": (gates_of_equal_priority, "priority=0xa0, mask=0xa0 the timer does not"),
            "the highest number first": (gates_highest_number_first, "priority=0x0, mask=0xff the timer interrupts"),
            "forgets the distributor": (gates_without_the_distributor, "With ctl=1, enabled=0"),
        },
    ),
    Exercise(
        id="15-beat",
        task="a function that says where to set a timer that keeps its beat.",
        wants="a function of three numbers",
        takes=forms.function,
        judge=judge_beat,
        variant=of_results(drawn_beat),
        learned="a beat is counted from the last compare value, not from now, and what is missed is left out.",
        hints=(
            "The beats are at `cval`, `cval + period`, `cval + 2 * period`, and so on. Which is the "
            "first that is not over?",
            "A timer is due when the counter has reached its compare value: the next one must be above now.",
            "`while cval <= now: cval += period`",
        ),
        solution=solve_beat,
        wrong={
            "counts from now": (beat_from_now, "as much later as its interrupt was served late"),
            "one period on, whatever time it is": (beat_once, "interrupts again at once"),
            "the beat that is due now": (beat_at_now_again, "interrupts again at once"),
        },
    ),
    Exercise(
        id="15-wake",
        task="a primary that gets “news” read by two VMs, one of which sleeps in WFI.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_wake,
        learned="a message alone wakes who waits in receive; who waits in WFI needs an interrupt, and send says so.",
        hints=(
            "Run both once, so that they wait. Then send to each, and look at what send returns.",
            "0xffff: delivered, and no vCPU waited for a message. That VM sleeps in WFI.",
            "if (yield send(vm, “news”)) == 0xffff: yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5). Then run it.",
        ),
        solution=solve_wake,
        wrong={
            "by the message only": (wake_by_message_only, "a message does not end a WFI"),
            "interrupts everybody": (wake_everybody, "which the message alone wakes"),
            "knows by heart that it is VM 1": (wake_vm_1_by_heart, "Your primary interrupts VM 1"),
            "does not run whom it woke": (wake_and_do_not_run, "it is READY: run it once more"),
        },
    ),
    Exercise(
        id="15-slices",
        task="a scheduler in C: time slices of 2000 ticks, in turn, until every VM waits; then it switches off.",
        wants=C_SOURCE,
        takes=forms.source_text,
        judge=judge_slices,
        learned="a scheduler is a loop around a timer: set it, run a VM, take the interrupt and end it, and go on.",
        hints=(
            "Set the interrupt controller up once: GICD_CTLR, GICC_CTLR, GICC_PMR and bit 27 of GICD_ISENABLER.",
            "Then in turn: arm(2000), HF_VCPU_RUN. On YIELD read GICC_IAR and write what it gave to GICC_EOIR.",
            "Keep in an array who waits: after WAIT_FOR_INTERRUPT a VM gets no more slices. When none is left, "
            "hvc(PSCI_SYSTEM_OFF, 0, 0, 0).",
        ),
        solution=SCHEDULER,
        wrong={
            "no timer": (SCHEDULER.replace("        arm(2000);\n", ""), "no interrupt was raised"),
            "does not end its interrupts": (
                SCHEDULER.replace("            set(GICC + 0x10, taken);\n", ""),
                "has not ended keeps the next one away",
            ),
            "leaves the interrupt disabled": (
                SCHEDULER.replace("    set(GICD + 0x100, 1u << 27);\n", ""),
                "this is not so: interrupt 27 is enabled",
            ),
            "lets everything be masked": (
                SCHEDULER.replace("    set(GICC + 4, 0xff);\n", ""),
                "below the mask",
            ),
            "sets the timer at a YIELD only": (
                SCHEDULER.replace("        arm(2000);\n", "")
                .replace("    for (u64 vm = 1; left", "    arm(2000);\n    for (u64 vm = 1; left")
                .replace("taken);\n", "taken);\n            arm(2000);\n"),
                "the rest of somebody else's slice",
            ),
            "one after the other": (
                SCHEDULER.replace("taken);\n", "taken);\n            vm--;\n"),
                "had two slices",
            ),
            "goes on with those that wait": (SCHEDULER.replace("            waits[vm] = 1;\n", ""), "waits already"),
            "stays on": (SCHEDULER.replace("    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);\n", ""), "the machine stays on"),
        },
    ),
)
