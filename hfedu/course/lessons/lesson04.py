"""Lesson 04, the hypercall ABI: its predictions and exercises."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_counted,
    boot_scripts,
    call_of,
    calls,
    delivered,
    deliveries,
    gave,
    judge_all,
    last_event,
    result_of,
    returned_at,
    run_result,
)
from hfedu.course.shared.variants import of_results
from hfedu.errors import Mistake
from hfedu.guest.scripted import clear, configure, receive, smc, vcpu_count, vcpu_run, vm_count
from hfedu.guest.toolchain import assemble
from hfedu.hf.addr import PAGE_SIZE, Ipa
from hfedu.hf.call import (
    HF_MAILBOX_SEND,
    HF_VCPU_GET_COUNT,
    HF_VCPU_RUN,
    HF_VM_CONFIGURE,
    HF_VM_GET_COUNT,
    MASK64,
    HfVcpuRun,
    hf_vcpu_run_response,
)
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.platform import LAYOUT_DATA_BEGIN, LAYOUT_TEXT_BEGIN, PL011_BASE
from hfedu.hf.vm import Vm
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor, Event

RAM = (0x4000_0000, 0x4100_0000)
VM_1, VM_2 = (0x40F8_0000, RAM[1]), (0x40F0_0000, 0x40F8_0000)
"""The memory of the machine and of two secondaries of 512 KiB: first address, and first address behind it."""
TWICE = """
    mov x0, #0xff01     // HF_VM_GET_COUNT
    hvc #0
    hvc #0
    wfi
"""


def run_1() -> Any:
    """A primary that runs VM 1 once."""
    yield vcpu_run(1)


@cache
def twice() -> Run:
    """A real guest loads its registers once, and calls twice."""

    def idle() -> Any:
        yield receive(block=True)

    return boot_counted(RamDisk(run_1, [assemble(TWICE), idle, idle]), title="Two calls, loaded once")


def secondary() -> Run:
    """VM 1 makes calls that are meant for the primary."""

    def curious() -> Any:
        yield vm_count()
        yield vcpu_count(2)
        yield vcpu_run(2)

    def idle() -> Any:
        yield receive(block=True)

    return boot_scripts(run_1, [curious, idle], "A secondary makes the primary's calls")


def hostile() -> Run:
    """VM 1 names pages that are not its own, and then makes the hypervisor print."""

    def attacker() -> Any:
        for page in (LAYOUT_TEXT_BEGIN, VM_2[0], PL011_BASE):
            yield configure(page, VM_1[0] + 0x4000)
        yield smc(0)

    def victim() -> Any:
        yield receive(block=True)

    return boot_scripts(run_1, [attacker, victim], "VM 1 names pages that are not its own")


def second_call(run: Run) -> Event:
    """VM 1's second hypercall."""
    return [event for event in run.events if event.kind is Kind.HYPERCALL and event.actor == Actor(1, 0)][1]


CALLED = call_of(1, HF_VM_GET_COUNT, 0)
PREDICTIONS = (
    Prediction(
        "04-twice",
        "There are four VMs. VM 1 puts 0xff01 into x0, executes hvc #0, and right after it hvc #0 once more.",
        twice,
        (
            Question(
                "The first call is HF_VM_GET_COUNT. For which function does the second ask?",
                ("0xff01", "0x0", "0x4"),
                second_call,
                lambda run, event: f"{event.function:#x}",
                "x0 holds the result of the first call, four VMs, and nobody has loaded the function's number again.",
            ),
            Question(
                "What is the result of the second call?",
                ("4", "-1", "there is none: VM 1 is stopped"),
                returned_at(second_call),
                result_of,
                "There is no function 4. To a call that it does not know the hypervisor answers -1, and the guest goes "
                "on.",
            ),
        ),
    ),
    Prediction(
        "04-secondary",
        "VM 1, a secondary, makes three calls. There are three VMs.",
        secondary,
        (
            Question(
                "HF_VM_GET_COUNT: how many VMs are there?",
                ("-1", "2", "3"),
                returned_at(CALLED),
                result_of,
                "Everybody may ask that. The primary is counted too.",
            ),
            Question(
                "HF_VCPU_GET_COUNT of VM 2?",
                ("1", "-1", "WAIT_FOR_INTERRUPT"),
                returned_at(call_of(1, HF_VCPU_GET_COUNT, 0)),
                result_of,
                "Only the primary may ask that: -1.",
            ),
            Question(
                "HF_VCPU_RUN of VM 2, which is READY?",
                ("VM 2 runs", "-1", "WAIT_FOR_INTERRUPT"),
                returned_at(call_of(1, HF_VCPU_RUN, 0)),
                lambda run, event: run_result(run, event) if event.kind is Kind.RETURN else "VM 2 runs",
                "Only the primary may run vCPUs. But HF_VCPU_RUN has no -1: refused is WAIT_FOR_INTERRUPT.",
            ),
        ),
    ),
    Prediction(
        "04-hostile",
        "VM 1 calls HF_VM_CONFIGURE three times, each time with another send page; its receive page is its own. Then "
        "it executes an SMC, on which the hypervisor prints a line.",
        hostile,
        (
            Question(
                "The send page is the hypervisor's code, at 0x40001000. The result?",
                ("0", "-1"),
                returned_at(call_of(1, HF_VM_CONFIGURE, 0)),
                result_of,
                "VM 1's stage 2 does not map that address: -1.",
            ),
            Question(
                "It is the first page of VM 2?",
                ("0", "-1"),
                returned_at(call_of(1, HF_VM_CONFIGURE, 1)),
                result_of,
                "VM 1's stage 2 does not map that address either.",
            ),
            Question(
                "It is the page of the serial line's device, at 0x9000000?",
                ("-1", "0"),
                returned_at(call_of(1, HF_VM_CONFIGURE, 2)),
                result_of,
                "Stage 2 of every secondary maps it, so that guests can print. The hypervisor asks whether the page is "
                "mapped, not whether it is memory.",
            ),
            Question(
                "And the SMC?",
                ("it returns -1", "it never returns: the machine hangs"),
                last_event,
                lambda run, event: (
                    "it never returns: the machine hangs" if run.outcome.kind == "hang" else "it returns -1"
                ),
                "As a send page, the hypervisor mapped the device for itself again, read-only this time. When it "
                "prints, its own store faults; and to report the fault it prints.",
            ),
        ),
    ),
)


def judge_pack(answer: Callable[[int, int, int], Any]) -> None:
    """Putting together what HF_VCPU_RUN returns."""
    for code, vm, data in ((1, 0, 0), (2, 2, 0), (3, 0, 5), (2, 0x1234, 0xFFFF), (3, 0, 4096)):
        got, right = answer(code, vm, data), hf_vcpu_run_response(code, vm, data)
        if got != right:
            shown = f"{got:#x}" if isinstance(got, int) else repr(got)
            name = HfVcpuRun(code).name
            raise Wrong(f"For {name} ({code}), VM {vm:#x}, data {data:#x} you gave {shown}: it is {right:#x}.")


TURNS = 80
"""That VM 1 is given at most after VM 0 has configured."""


def judge_again(byte: str, answer: str) -> Run:
    """A real guest sends one byte to VM 0, which takes it only later."""
    try:
        image = assemble(answer)
    except Mistake as mistake:
        raise Wrong(f"It cannot be assembled: {mistake}.") from None

    def late() -> Any:
        yield vcpu_run(1)
        yield vcpu_run(1)
        yield configure()
        for _ in range(TURNS):
            result = yield vcpu_run(1)
            yield clear()
            if result.code == HfVcpuRun.WAIT_FOR_INTERRUPT:
                return

    def run(timer: int) -> Run:
        title = f"Your guest, a timer of {timer}"
        return boot_counted(RamDisk(late, [image]), timer=timer, max_traps=500, title=title)

    return judge_all((partial(raise_for_guest, byte), run(timer)) for timer in (23, 30, 38, 47, 61, 83))


def raise_for_guest(byte: str, run: Run) -> None:
    """`Wrong` unless VM 1 sent the byte to VM 0, after it had been refused, and only once."""
    fault = next((event for event in run.events if event.kind is Kind.FAULT), None)
    if fault:
        raise Wrong(
            f"Event {fault.seq}: your guest touched address {fault.args[0]:#x}, which is not its own. Was the address "
            "in one of x1 to x17? A hypercall clears those.",
            at=fault.seq,
        )
    made = [event for event in run.events if event.kind is Kind.HYPERCALL and event.actor == Actor(1, 0)]
    unknown = [event for event in made if event.call is None]
    if unknown:
        raise Wrong(
            f"Event {unknown[0].seq}: x0 was {unknown[0].function:#x}, which is no function. After a call x0 holds its "
            "result: load the number again.",
            at=unknown[0].seq,
        )
    if not any(gave(run, event) == 0 for event in calls(run, 1, HF_VM_CONFIGURE)):
        raise Wrong("Your guest has not configured its pages.")
    sends, got = calls(run, 1, HF_MAILBOX_SEND), delivered(run, 0)
    busy = run.at(len(run.events) - 1)["vm1.vcpu0.state"] == "READY" and run.outcome.kind == "power off"
    if busy and not got:
        raise Wrong(
            f"Your guest had {TURNS} turns of {run.made['timer']} instructions after VM 0 had configured, and was "
            f"still busy: VM 0 got nothing in that time. Its sends: {len(sends)}. Is there a loop that takes too long?"
        )
    if not sends:
        raise Wrong("Your guest never calls HF_MAILBOX_SEND, 0xff04.")
    if not got:
        last = sends[-1]
        if last.args[0] != 0:
            raise Wrong(f"At event {last.seq} x1, the VM to send to, was {last.args[0]:#x}: it must be 0.")
        refused = run.returned(last) or last
        raise Wrong(
            f"VM 0 got nothing. The send was refused at event {refused.seq}: {run.why(refused).links[0].sentence} "
            "Afterwards it would have succeeded: did you try again?"
        )
    sent = next(event for event in sends if gave(run, event) == 0)
    if got[0] != byte.encode():
        lost = " A hypercall clears x1 to x17: load them again." if sent.args[1] == 0 else ""
        size = f"At event {sent.seq} x2, the size, was {sent.args[1]}."
        raise Wrong(f"VM 0 got {got[0]!r}, not {byte.encode()!r}. {size}{lost}", at=deliveries(run, 0)[0].seq)
    if len(got) > 1:
        again = deliveries(run, 0)[1].seq
        raise Wrong(f"VM 0 got the byte a second time, in event {again}: when x0 is 0, go on to the wfi.", at=again)
    if not any(event.kind is Kind.WFI and event.actor == Actor(1, 0) for event in run.events):
        raise Wrong("VM 0 has the byte, and your guest never waits: go on to the wfi.")


def another_byte(exercise: Exercise, rng: Random) -> Exercise:
    """Another byte to send."""
    byte = rng.choice("BCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

    def changed(text: str) -> str:
        return text.replace("#'A'", f"#'{byte}'")

    return replace(
        exercise,
        task=exercise.task.replace("the byte A", f"the byte {byte}"),
        judge=partial(judge_again, byte),
        solution=changed(exercise.solution),
        wrong={name: (changed(answer), piece) for name, (answer, piece) in exercise.wrong.items()},
    )


class Input(NamedTuple):
    """One HF_VM_CONFIGURE that the machine has answered."""

    run: Run
    event: Event
    mapped: list[tuple[int, int]]
    configured: bool


PAGES = {
    0: (0, 0x4_0000, PL011_BASE, RAM[0], LAYOUT_TEXT_BEGIN, LAYOUT_DATA_BEGIN, 0x4004_9000, 0x4004_A000, 0x4008_4000,
        VM_2[0] - PAGE_SIZE, VM_2[0], VM_1[0], RAM[1], 0xFF_FFFF_F000, 0x100_0000_0000, 0x1000_4008_4000),
    1: (0, PL011_BASE - PAGE_SIZE, PL011_BASE, PL011_BASE + PAGE_SIZE, RAM[0], LAYOUT_TEXT_BEGIN, 0x4008_4000,
        VM_2[0], VM_1[0] - PAGE_SIZE, *range(*VM_1, 0x1_F000), RAM[1] - PAGE_SIZE, RAM[1], 0x1000_40F8_4000),
}  # fmt: skip
"""Pages that a caller may name, by its VM: some it has, some it has not, and the edges between them."""


def inputs() -> Iterable[Input]:
    """Many calls of HF_VM_CONFIGURE by VM 0 and VM 1, on many machines, always the same."""
    random = Random(4)
    for _ in range(20):
        for vm, pages in PAGES.items():
            pairs = [(random.choice(pages), random.choice(pages)) for _ in range(6)]
            pairs += [(page + random.choice((8, 0x800)), other) for page, other in random.sample(pairs, 2)]
            pairs += [(page, page) for page in random.sample(pages, 2)]
            random.shuffle(pairs)
            own, other = OWN[vm]
            yield from answered(vm, [(own + 8, other), (own, other + 8), (own, 0), (0, own), *pairs])


def answered(vm: int, pairs: Sequence[tuple[int, int]]) -> Iterable[Input]:
    """What the machine says if a VM makes these calls one after the other."""

    def caller() -> Any:
        for pair in pairs:
            yield configure(*pair)

    def idle() -> Any:
        yield receive(block=True)

    scripts = (caller, [idle, idle]) if vm == 0 else (run_1, [caller, idle])
    run = boot_scripts(*scripts, f"VM {vm} calls HF_VM_CONFIGURE again and again")
    mapped = [(begin, end) for begin, end, _ in run.at(len(run.events) - 1)[f"vm{vm}.stage2"].mappings()]
    configured = False
    for event in calls(run, vm, HF_VM_CONFIGURE):
        yield Input(run, event, mapped, configured)
        configured |= gave(run, event) == 0


def judge_predict(answer: Callable[[int, int, list[tuple[int, int]], bool], Any]) -> None:
    """The answer says of each call what the machine said."""
    for run, event, mapped, configured in inputs():
        send_page, recv_page = event.args[:2]
        said, got = (0 if gave(run, event) == 0 else -1), answer(send_page, recv_page, list(mapped), configured)
        got = -1 if got == MASK64 else got
        if got != said:
            why = run.why(event).links[0].sentence if said else "There is nothing against it."
            raise Wrong(
                f"{words.vm_of(event.actor)} calls HF_VM_CONFIGURE(send {send_page:#x}, recv {recv_page:#x}). The "
                f"machine says {said}, you say {got!r}. {why}",
                run,
            )


MEMORY = {0: RAM, 1: VM_1, 2: VM_2}
OWN = {0: (0x4008_4000, VM_2[0] - PAGE_SIZE), **{vm: (MEMORY[vm][0], MEMORY[vm][1] - PAGE_SIZE) for vm in (1, 2)}}
"""Two pages that each VM may name; a secondary's are the first and the last that it has."""
HOSTILE = (
    (1, PL011_BASE, "the device of the serial line"),
    (0, PL011_BASE, "the device of the serial line"),
    (0, 0x4_0000, "no RAM"),
    (0, RAM[1], "just behind the RAM"),
    (1, 1 << 48 | VM_1[0] + 0x4000, "an address of more than 48 bits"),
    (2, 1 << 63 | VM_2[0] + 0x4000, "an address of more than 48 bits"),
)
"""Who names which page that is not to be used, although stage 2 maps it, and what it is."""


ELSEWHERE = tuple(
    (page, (begin, end))
    for begin, end in ((0x8000_0000, 0x8010_0000), (0x2_0000_0000, 0x2_4000_0000))
    for page in (begin - PAGE_SIZE, begin, end - PAGE_SIZE, end, RAM[0], 1 << 48 | begin)
)
"""Pages, and the memory of a VM on a machine whose RAM is elsewhere."""


def configured_by(vm: int, pages: Sequence[int], changed: type[Hypervisor]) -> tuple[Run, Event]:
    """A VM of a repaired hypervisor names its pages, and then makes the hypervisor print: the run and that call."""

    def caller() -> Any:
        yield configure(*pages)
        yield smc(0)

    def primary() -> Any:
        yield vcpu_run(vm)

    def idle() -> Any:
        yield receive(block=True)

    scripts = [caller if number == vm else idle for number in range(3)]
    disk = RamDisk(scripts[0] if vm == 0 else primary, scripts[1:])
    run = boot_counted(disk, changes=[changed], title=f"Your check, tried by VM {vm}")
    return run, calls(run, vm, HF_VM_CONFIGURE)[0]


def judge_repair(answer: Callable[[int, tuple[int, int]], Any]) -> Run:
    """Put the answer into HF_VM_CONFIGURE: what is no page of the caller's RAM is refused, and what is one is not."""

    yours, right = checking(answer), checking(solve_repair)
    for vm, page, what in HOSTILE:
        for pages in ((page, OWN[vm][0]), (OWN[vm][0], page)):
            run, event = configured_by(vm, pages, yours)
            if gave(run, event) == 0 or run.outcome.kind == "hang":
                then = (
                    f"the machine hangs: {run.outcome}" if run.outcome.kind == "hang" else "your check lets it through."
                )
                sentence = f"VM {vm} named {page:#x}, {what}, and {then}"
                raise Wrong(sentence, run, configured_by(vm, pages, right)[0])
    for vm, pages in OWN.items():
        run, event = configured_by(vm, pages, yours)
        if gave(run, event):
            sentence = f"VM {vm} named two pages of its own, {pages[0]:#x} and {pages[1]:#x}: refused."
            raise Wrong(sentence, run, configured_by(vm, pages, right)[0])
    for page, memory in ELSEWHERE:
        own = bool(solve_repair(page, memory))
        if bool(answer(page, memory)) != own:
            where = f"from {memory[0]:#x} up to {memory[1]:#x}"
            does = "lies" if own else "does not lie"
            raise Wrong(
                f"On another machine the memory of a VM is {where}, and the page at {page:#x} {does} in it. Your check "
                f"says {bool(answer(page, memory))}: ask `memory` where the memory is."
            )
    return run


def checking(answer: Callable[[int, tuple[int, int]], Any]) -> type[Hypervisor]:
    """The hypervisor with an answer in HF_VM_CONFIGURE."""

    class Answered(Hypervisor):
        def configure_locked(self, vm: Vm, send: Ipa, recv: Ipa) -> int:
            own = all(answer(int(page), MEMORY[vm.id]) for page in (send, recv))
            allowed = self.require(own, "your check allows send and recv", vm, send=send, recv=recv)
            return super().configure_locked(vm, send, recv) if allowed else allowed

    return Answered


SENDS_A = """    mov  x0, #0xff03      // HF_VM_CONFIGURE
    adr  x1, send_page
    adr  x2, recv_page
    hvc  #0
    mov  w9, #'A'         // the byte to send
    adr  x10, send_page
    strb w9, [x10]
again:
    mov  x0, #0xff04      // HF_MAILBOX_SEND
    mov  x1, #0           // to VM 0
    mov  x2, #1           // 1 byte
    hvc  #0
    cbnz x0, again        // not 0: refused
    wfi
"""
NUMBER, TO, SIZE = (SENDS_A.splitlines(keepends=True)[line] for line in (8, 9, 10))


def guest(*changes: tuple[str, str]) -> str:
    """The guest, changed."""
    text = f"\n{SENDS_A}"
    for old, new in changes:
        text = text.replace(old, new)
    return text


# 04-pack


def solve_pack(code, vm, data):
    return code | vm << 16 | data << 32


def pack_no_brackets_around_the_shifts(code, vm, data):
    return code + vm << 16 + data << 32


def pack_vm_id_from_bit_8_up(code, vm, data):
    return code | vm << 8 | data << 32


def pack_the_vm_and_the_data_swapped(code, vm, data):
    return code | data << 16 | vm << 32


# 04-predict


def solve_predict(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and page % 4096 == 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and send != recv and not configured else -1


def predict_forgets_the_alignment(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and send != recv and not configured else -1


def predict_aligns_the_receive_page(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if send % 4096 == 0 and ok(send) and ok(recv) and send != recv and not configured else -1


def predict_takes_the_end_for_mapped(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and page % 4096 == 0 and any(begin <= page <= end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and send != recv and not configured else -1


def predict_allows_one_page_for_both(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and page % 4096 == 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and not configured else -1


def predict_allows_a_second_time(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and page % 4096 == 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and send != recv else -1


def predict_forgets_address_0(send, recv, mapped, configured):
    def ok(page):
        return page % 4096 == 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and ok(recv) and send != recv and not configured else -1


def predict_knows_ram_only(send, recv, mapped, configured):
    def ok(page):
        return (
            page != 0
            and page % 4096 == 0
            and any(max(begin, 0x40000000) <= page < min(end, 0x41000000) for begin, end in mapped)
        )

    return 0 if ok(send) and ok(recv) and send != recv and not configured else -1


def predict_looks_at_the_send_page_only(send, recv, mapped, configured):
    def ok(page):
        return page != 0 and page % 4096 == 0 and any(begin <= page < end for begin, end in mapped)

    return 0 if ok(send) and send != recv and not configured else -1


# 04-repair


def solve_repair(address, memory):
    return memory[0] <= address and address + 4096 <= memory[1]


def repair_forbids_what_it_knows(address, memory):
    return address != 0x09000000


def repair_has_no_end(address, memory):
    return address >= memory[0]


def repair_knows_where_ram_is(address, memory):
    return 0x40000000 <= address < 0x41000000


def repair_cuts_the_address_off(address, memory):
    return memory[0] <= address % (1 << 48) < memory[1]


def repair_loses_the_last_page(address, memory):
    return memory[0] <= address and address + 4096 < memory[1]


def repair_allows_nothing(address, memory):
    return False


EXERCISES = (
    Exercise(
        id="04-pack",
        task="a function that packs (code, vm, data) into the result of HF_VCPU_RUN.",
        wants="a function of three numbers",
        takes=forms.function,
        judge=judge_pack,
        learned="several numbers fit into one register, each in bits of its own.",
        hints=(
            "The code goes into bits 0 to 7, the VM id into bits 16 to 31, the data into bits 32 to 63.",
            "`vm << 16` moves a number up by 16 bits; `|` puts bit fields together.",
            "return code | vm << 16 | data << 32",
        ),
        solution=solve_pack,
        variant=of_results(lambda rng: (rng.randrange(5), rng.randrange(1, 64), rng.randrange(1, 4097))),
        wrong={
            "no brackets around the shifts": (pack_no_brackets_around_the_shifts, "it is 0x1"),
            "VM id from bit 8 up": (pack_vm_id_from_bit_8_up, "it is 0x20002"),
            "the VM and the data swapped": (pack_the_vm_and_the_data_swapped, "it is 0x20002"),
        },
    ),
    Exercise(
        id="04-again",
        task="a guest in assembly that sends the byte A to VM 0, tries again until the result is 0, and "
        "then waits (wfi).",
        wants="the guest's assembly as a text",
        takes=forms.source_text,
        judge=partial(judge_again, "A"),
        variant=another_byte,
        learned="after a hypercall x0 is the result and the arguments are gone: a second try loads all of them again.",
        hints=(
            "Three registers say what to do: x0 the function, 0xff04, x1 the VM, x2 the size. After hvc #0 x0 is the "
            "result.",
            "`cbnz x0, again` jumps to again if x0 is not 0. Which registers has the call changed meanwhile?",
            "Behind `again:` load x0, x1 and x2, all three, each time; then hvc #0 and cbnz x0, again.",
        ),
        solution=guest(),
        wrong={
            "loads all once": (
                guest((NUMBER + TO + SIZE, ""), ("again:\n", NUMBER + TO + SIZE + "again:\n")),
                "load the number again",
            ),
            "loads the arguments once": (
                guest((TO + SIZE, ""), ("again:\n", TO + SIZE + "again:\n")),
                "the size, was 0",
            ),
            "does not look at the result": (
                guest(("    cbnz x0, again        // not 0: refused\n", "")),
                "did you try again",
            ),
            "tries for ever": (guest(("cbnz x0, again ", "b again ")), "a second time, in event"),
            "never waits": (guest(("    wfi\n", "    b .\n")), "never waits: go on to the wfi"),
            "keeps an address in x10": (
                guest(("    strb w9, [x10]\nagain:\n", "again:\n    strb w9, [x10]\n")),
                "touched address 0x0",
            ),
            "is no assembly": (guest(("hvc  #0", "hypercall")), "cannot be assembled"),
        },
    ),
    Exercise(
        id="04-predict",
        task="a function that says what HF_VM_CONFIGURE returns, 0 or -1.",
        wants="a function of four arguments: send, recv, mapped, configured",
        takes=forms.function,
        judge=judge_predict,
        learned="HF_VM_CONFIGURE takes whatever the caller's stage 2 maps, memory or not.",
        hints=(
            "Five things can be wrong with the pages or with the caller. The table in the lesson has them all.",
            "An address is mapped if begin <= address < end for one of the ranges. Ask for both pages.",
            "0 if both are multiples of 4096, mapped and not 0, send != recv and not configured; else -1.",
        ),
        solution=solve_predict,
        wrong={
            "forgets the alignment": (predict_forgets_the_alignment, "multiple of 4096"),
            "takes the end for mapped": (predict_takes_the_end_for_mapped, "must be in the VM's own"),
            "allows one page for both": (predict_allows_one_page_for_both, "must differ"),
            "allows a second time": (predict_allows_a_second_time, "that works once"),
            "forgets address 0": (predict_forgets_address_0, "address 0 counts as none"),
            "knows RAM only": (predict_knows_ram_only, "nothing against it"),
            "does not look how the receive page is aligned": (
                predict_aligns_the_receive_page,
                "multiple of 4096",
            ),
            "looks at the send page only": (predict_looks_at_the_send_page_only, "multiple of 4096"),
        },
    ),
    Exercise(
        id="04-repair",
        task="a function that says whether the page at an address lies in the caller's memory, (begin, end).",
        wants="a function of two arguments: address, memory",
        takes=forms.function,
        judge=judge_repair,
        learned="a check says what is allowed and refuses all else, with all bits of the very number that is used.",
        hints=(
            "Do not list what is forbidden. Say what is allowed, and refuse all else.",
            "The whole page must lie between begin and end, the first address behind the memory. Compare a number of "
            "64 bits with all its bits.",
            "return memory[0] <= address and address + 4096 <= memory[1]",
        ),
        solution=solve_repair,
        wrong={
            "forbids what it knows": (repair_forbids_what_it_knows, "0x40000, no RAM"),
            "has no end": (repair_has_no_end, "just behind the RAM"),
            "cuts the address off": (repair_cuts_the_address_off, "the machine hangs"),
            "knows where RAM is": (repair_knows_where_ram_is, "On another machine"),
            "loses the last page": (repair_loses_the_last_page, "two pages of its own"),
            "allows nothing": (repair_allows_nothing, "two pages of its own"),
        },
    ),
)
LEARN = "every hypercall, every result, and why arguments from a guest are hostile"
TERMS = {
    "ABI": "Application binary interface: what two programs that were compiled apart agree on, register by register.",
    "function number": "The number in x0 that says which hypercall it is.",
    "bit field": "Some bits of a number that hold a value of their own.",
    "hostile": "Chosen by somebody who wants to break out. What a guest passes must be checked as if it were.",
    "confused deputy": "A program that uses its own rights for somebody who does not have them.",
}
