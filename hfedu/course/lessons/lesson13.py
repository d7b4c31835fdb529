"""Lesson 13, write a guest: its predictions and exercises. Answers are source texts, judged by what they do."""

from collections.abc import Callable, Sequence
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import boot_counted, call_of, calls, compiled, delivered, gave, returned_at, why_shut
from hfedu.course.shared.wants import C_SOURCE
from hfedu.errors import counted
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.guest.toolchain import assemble, compile_c
from hfedu.hf.call import (
    HF_MAILBOX_CLEAR,
    HF_MAILBOX_RECEIVE,
    HF_MAILBOX_SEND,
    HF_VCPU_RUN,
    HF_VM_CONFIGURE,
    HF_VM_GET_COUNT,
)
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import Image, RamDisk
from hfedu.run.recording import Actor, Event

MAX_INSTRUCTIONS, MAX_TRAPS = 300_000, 400
ASSEMBLY = "assembly as a text"
BOOTED = "Starting up cpu 0\n"
VM_SIZE = 512 * 1024
STRICT = ("-fsanitize=bounds", "-fsanitize-undefined-trap-on-error", "-ftrivial-auto-var-init=pattern")
"""With these flags a C program takes an exception where it uses an index that its array does not have.

What it does not set is a pattern that is not 0.
"""


def boot_real(primary: Image, secondaries: Sequence[Image], title: str) -> Run:
    """Run real guests beside scripted ones, few instructions and traps at most."""
    disk = RamDisk(primary, list(secondaries))
    return boot_counted(disk, max_instructions=MAX_INSTRUCTIONS, max_traps=MAX_TRAPS, title=title)


def run_once() -> Any:
    """A primary that runs VM 1 once."""
    yield vcpu_run(1)


def entered() -> Run:
    """A guest hands over what it finds, in the arguments of its first hypercall."""
    image = assemble("mov x1, x0\n mov x2, sp\n mrs x3, CurrentEL\n mov w0, #0xff01\n hvc #0\n b .")
    return boot_real(run_once, [image], "What the first instruction finds")


def called() -> Run:
    """A guest that looks at x9 and x19 after a hypercall."""
    image = assemble(
        "mov x9, #7\n mov x19, #7\n mov w0, #0xff01\n hvc #0\nmov x1, x9\n mov x2, x19\n mov w0, #0xff01\n hvc #0\n b ."
    )
    return boot_real(run_once, [image], "Two registers across a hypercall")


def pushed() -> Run:
    """A guest whose first instruction pushes two registers."""
    return boot_real(run_once, [assemble("stp x29, x30, [sp, #-16]!\n b .")], "A push, and no stack")


def register(name: str) -> Callable[[Run, Event], str]:
    """Reads a register of VM 1's vCPU after an event, a small number."""
    return lambda run, event: str(run.at(event.seq).of(Actor(1, 0), name))


def fault_of(run: Run, event: Event) -> str:
    """Which access went wrong for good."""
    return "an instruction fetch from 0x200" if "pc=0x200" in event.text else "the store below address 0"


FIRST = call_of(1, HF_VM_GET_COUNT, 0)
PREDICTIONS = (
    Prediction(
        "13-entry",
        "VM 1 is a secondary of machine code. Its very first instructions look around.",
        entered,
        (
            Question(
                "What is in its register x0?",
                ("1, its VM number", "the address of a device tree", "0"),
                FIRST,
                lambda _, event: "0" if not event.args[0] else "the address of a device tree",
                "Only the primary is told where the device tree is. A secondary starts with 0 in every register.",
            ),
            Question(
                "And in sp, the stack pointer?",
                ("0", "the end of its memory"),
                FIRST,
                lambda _, event: "0" if not event.args[1] else "the end of its memory",
                "The hypervisor sets no stack up: sp is 0 like the other registers. Set it before you use it.",
            ),
            Question(
                "At which exception level does it run?",
                ("EL0", "EL1", "EL2"),
                FIRST,
                lambda _, event: f"EL{event.args[2] >> 2}",
                "A guest is a kernel: it is entered at EL1, with interrupts masked and the MMU off. EL2 is the "
                "hypervisor's.",
            ),
        ),
    ),
    Prediction(
        "13-registers",
        "A guest puts 7 into x9 and into x19, makes a hypercall, and looks at both.",
        called,
        (
            Question(
                "What is in x9 after the HVC?",
                ("7", "0"),
                returned_at(FIRST),
                register("x9"),
                "The hypervisor gives x1 to x17 back as zero, so that nothing of its own is left in them.",
            ),
            Question(
                "And in x19?",
                ("7", "0"),
                returned_at(FIRST),
                register("x19"),
                "x18 to x30 are kept. What must live across a hypercall belongs there.",
            ),
        ),
    ),
    Prediction(
        "13-push",
        "VM 1 does not set sp. Its first instruction pushes x29 and x30: a store to sp - 16.",
        pushed,
        (
            Question(
                "What happens?",
                ("it is stored at the end of VM 1's memory", "VM 0 is told that VM 1 failed", "the CPU is lost"),
                lambda run: run.events[-1],
                lambda run, _: "the CPU is lost" if run.outcome.kind == "hang" else "VM 0 is told that VM 1 failed",
                "A guest that leaves its memory makes this hypervisor spin for ever (abort-hangs of lesson 12).",
            ),
            Question(
                "Which access does the hypervisor report?",
                ("the store below address 0", "an instruction fetch from 0x200"),
                lambda run: next(event for event in run.events if event.kind is Kind.FAULT),
                fault_of,
                "0 - 16 is 0xfffffffffffffff0, beyond every physical address. The processor takes that exception to VM "
                "1 itself, at VBAR_EL1 + 0x200. VBAR_EL1 is 0, and at 0x200 VM 1 has no memory: that second access "
                "goes to the hypervisor. If you see pc=0x200, look for the exception before.",
            ),
        ),
    ),
)


# Judging.


def check_alive(run: Run, vm: int = 1) -> None:
    """`Wrong` if the guest left its memory, waits where nothing wakes it, or was not configured."""
    fault = next((event for event in run.events if event.kind is Kind.FAULT), None)
    if fault is not None:
        raise Wrong(
            f"Your guest left its memory (event {fault.seq}): {fault.text.strip()}. {where(run, vm, fault)}", run
        )
    asked = calls(run, vm, HF_VM_CONFIGURE)
    if not asked:
        raise Wrong("Your guest never calls HF_VM_CONFIGURE, so nothing can be sent to it, nor by it.", run)
    taken = next((event for event in asked if gave(run, event) == 0), None)
    if taken is None:
        send_page, recv_page = asked[0].args[:2]
        raise Wrong(
            f"HF_VM_CONFIGURE gave -1 (event {run.settled(asked[0]).seq}): the pages are {send_page:#x} and "
            f"{recv_page:#x}. "
            "They must be two pages of your own memory, each at a multiple of 4096.",
            run,
        )
    begin = entry(run, vm)
    for name, page in zip(("send", "receive"), taken.args, strict=False):
        if page == begin:
            raise Wrong(
                f"Your {name} page, {page:#x}, is the page that holds your code, and a message there overwrites your "
                "instructions. `adrp` gives where the page of a label begins: the label itself must begin a page.",
                run,
            )


def entry(run: Run, vm: int) -> int:
    """The address of a VM's first instruction, where its image begins."""
    load = next(event for event in run.events if event.kind is Kind.LOAD and event.target == Actor(vm))
    return int(run.at(load.seq)[f"vm{vm}.vcpu0.pc"])


def where(run: Run, vm: int, fault: Event) -> str:
    """Which instruction of an image went wrong, as far as its address tells."""
    if "pc=0x200" in fault.text:
        return "It takes exceptions of its own there: look for what it did before."
    offset = int(fault.text.split("pc=")[1].split(",")[0], 16) - entry(run, vm)
    if not 0 <= offset < VM_SIZE:
        return "At pc there is no instruction of yours: something jumped there."
    before = counted(offset // 4, "instruction")
    return f"pc is {counted(offset, 'byte')} after the beginning of your image, with {before} before it."


def conversation(image: Image, messages: Sequence[tuple[int, bytes]], title: str) -> Run:
    """VM 0 and VM 2 send to the guest, one after the other. What VM 2 is to send it gets from VM 0.

    The guest runs once for each message: the next one comes as soon as the guest's answer has switched it out.
    """

    def primary() -> Any:
        yield configure()
        for vm in (1, 2):
            yield vcpu_run(vm)
        for sender, data in messages:
            yield send(sender or 1, data)
            for vm in (2, 1, 2) if sender else (1,):
                yield vcpu_run(vm)
            yield clear()
        yield vcpu_run(1)

    def client() -> Any:
        yield configure()
        while True:
            message = yield receive(block=True)
            yield clear()
            if message.sender == 0:
                yield send(1, message.data)

    return boot_real(primary, [image, client], title)


def answers(run: Run) -> list[tuple[int, bytes]]:
    """What VM 1 sent, in order: to whom, and the bytes."""
    made = [event for event in run.events if event.kind is Kind.DELIVER and event.cause is not None]
    own = [event for event in made if run.events[event.cause or 0].actor == Actor(1, 0)]
    return [((event.target or Actor(0)).vm, event.message or b"") for event in own]


def shown(data: bytes) -> str:
    """A message in a sentence."""
    if not 0 < len(data) <= 16:
        return f"{len(data) or 'no'} bytes"
    if data.isascii() and data.decode().isprintable():
        return f"“{data.decode()}”"
    return data.hex(" ") + (f", the number {int.from_bytes(data, 'little')}" if len(data) == 8 else "")


def apart(answer: bytes, want: bytes) -> str:
    """What an answer is, in a sentence that says what it is not."""
    if shown(answer) != shown(want):
        return shown(answer)
    first = next(number for number, (got, byte) in enumerate(zip(answer, want, strict=True)) if got != byte)
    return f"as many, and byte {first} is {answer[first]:#x}, not {want[first]:#x}"


def check_answers(run: Run, messages: Sequence[tuple[int, bytes]], wanted: Sequence[bytes]) -> None:
    """`Wrong` unless the guest answered each message with the bytes wanted, to who sent it, and nothing else."""
    check_alive(run)
    refused = next((back for event in calls(run, 1, HF_MAILBOX_SEND) if (back := refusal(run, event))), None)
    if refused is not None:
        to, size = refused.args[:2]
        raise Wrong(f"Your guest sends {size} bytes to VM {to}, and that was refused (event {refused.seq}).", run)
    got, sends = answers(run), sends_to_guest(run)
    for number, ((sender, data), want) in enumerate(zip(messages, wanted, strict=True)):
        had = f"VM {sender} sent {shown(data)} (message {number + 1})"
        no_room = refusal(run, sends[number]) if number < len(sends) else None
        if no_room is not None:
            raise Wrong(f"{had}, and there was no room for it: {still_full(run, no_room)}.", run)
        if number == len(got):
            raise Wrong(f"{had} and got no answer: {silence(run)}.", run)
        to, answer = got[number]
        if to != sender:
            raise Wrong(
                f"{had}, and the answer went to VM {to}. Send to the VM that receive named, and what you keep across "
                "an HVC must be in x18 to x30.",
                run,
            )
        if answer != want:
            raise Wrong(f"{had} and should get {shown(want)}. It got {apart(answer, want)}.", run)
    if len(got) > len(wanted):
        raise Wrong(f"{len(messages)} messages came and your guest answered {counted(len(got), 'time')}.", run)
    if why_shut(run):
        raise Wrong(f"{len(messages)} messages came and were answered. One more would not be: {silence(run)}.", run)


def refusal(run: Run, call: Event) -> Event | None:
    """The event that refuses a call; None if nothing does."""
    back = run.returned(call)
    return back if back is not None and words.failed(back) else None


def sends_to_guest(run: Run) -> list[Event]:
    """The sends to VM 1, in order."""
    sends = [event for vm in (0, 2) for event in calls(run, vm, HF_MAILBOX_SEND) if event.args[0] == 1]
    return sorted(sends, key=lambda event: event.seq)


def still_full(run: Run, refused: Event) -> str:
    """Why there was no room for a message to the guest."""
    later = run.events[refused.seq :]
    first = next((e for e in later if e.kind is Kind.HYPERCALL and e.actor == Actor(1, 0)), None)
    if first not in calls(run, 1, HF_MAILBOX_CLEAR):
        return f"your guest has not cleared the message before (event {refused.seq})"
    return (
        f"your guest answers before it clears. The send switches it out, and its mailbox stays full until it runs "
        f"again: it clears in event {first.seq}, after event {refused.seq}"
    )


def silence(run: Run) -> str:
    """Why a message that arrived was not answered."""
    if not calls(run, 1, HF_MAILBOX_RECEIVE):
        return "your guest never calls HF_MAILBOX_RECEIVE"
    if any(event.kind is Kind.WFI and event.actor == Actor(1, 0) for event in run.events):
        return "your guest has executed WFI, and no message ends that. guest_main must not return"
    if run.outcome.kind == "budget":
        return f"your guest goes round for ever. {run.outcome.sentence[:-1]}"
    return "your guest waits for the next message"


TALK = ((2, b"one"), (0, b"two"), (2, b""), (0, b"x" * 4096), (2, b"five"))


def judge_echo(answer: str) -> Run:
    """Every message comes back to whoever sent it."""
    image = compiled(assemble, answer)
    run = conversation(image, TALK, "Your echo")
    check_answers(run, TALK, [data for _, data in TALK])
    judge_undisturbed(image)
    return run


def judge_undisturbed(image: Image) -> None:
    """VM 2 sends twice and reads nothing; VM 0's message must come back to it all the same."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        for vm in (2, 1) * 3:
            yield vcpu_run(vm)
        yield send(1, b"hello")
        yield vcpu_run(1)

    def deaf() -> Any:
        yield configure()
        yield send(1, b"one")
        yield send(1, b"two")
        yield wait_for_interrupt()

    run = boot_real(primary, [image, deaf], "Your echo, and a VM 2 that does not read")
    vain = [event for event in calls(run, 1, HF_MAILBOX_SEND) if event.args[0] == 2 and refusal(run, event)]
    if len(vain) > 1:
        raise Wrong(
            "VM 2 has sent twice and reads nothing. Your echo tries again and again to answer it, and serves nobody "
            f"else (event {vain[1].seq}): an answer that is refused is dropped.",
            run,
        )
    if answers(run)[-1:] != [(0, b"hello")]:
        raise Wrong(
            "VM 2 has sent twice and reads nothing, so your echo's second answer was refused. Then VM 0 sent “hello”, "
            f"and it did not come back: {silence(run)}.",
            run,
        )


NOTES = ((2, b"milk"), (0, b"bread"), (2, b"eggs"))


def judge_repaired(answer: str) -> Run:
    """Every message is answered with “ok”."""
    run = conversation(compiled(assemble, answer), NOTES, "Your repaired guest")
    check_answers(run, NOTES, [b"ok"] * len(NOTES))
    return run


SUMS = ((0, b"x" * 200), (2, b"abc"), (0, b"x" * 100), (2, b""), (2, b"x" * 4096), *((0, b"x" * 4096),) * 16, (2, b"y"))
"""What the meter gets; in the end VM 0 has sent more bytes than 16 bits can count."""


def judge_meter(answer: str) -> Run:
    """Each sender is told how many bytes it has sent, and no index is beyond its array."""
    run = conversation(compiled(compile_c, answer), SUMS, "Your meter")
    totals: dict[int, int] = {}
    wanted = []
    for sender, data in SUMS:
        totals[sender] = totals.get(sender, 0) + len(data)
        wanted.append(totals[sender].to_bytes(8, "little"))
    check_answers(run, SUMS, wanted)
    check_luck(answer, answers(run))
    return run


def check_luck(answer: str, right: Sequence[tuple[int, bytes]]) -> None:
    """`Wrong` if the meter uses an index beyond its array, or what it never set, also where that does no harm."""

    def metered(source: str) -> Run:
        image = compiled(lambda text: compile_c(text, *STRICT), source)
        return conversation(image, SUMS, "Your meter, when what it does not set is not 0")

    run = metered(answer)
    if any(event.kind is Kind.FAULT for event in run.events):
        count = len(answers(run))
        raise Wrong(
            f"Its numbers are right by luck: before its answer {count + 1}, to VM {SUMS[count][0]}, it uses an "
            "element that its array does not have. An array of n elements ends with number n - 1.",
            run,
            metered(METER),
        )
    if answers(run) != right:
        raise Wrong(
            "Its numbers are right by luck: it counts in memory that it has not set to 0. A variable inside a function "
            "begins with what stood there before, one that is `static` or outside begins with 0.",
            run,
            metered(METER),
        )


def slow(text: bytes, questions: int) -> tuple[Script, Script]:
    """VM 1, which asks VM 2 so often before it answers, and VM 2."""

    def server() -> Any:
        yield configure()
        yield receive(block=True)
        yield clear()
        for _ in range(questions):
            yield send(2, "what do I say?")
            message = yield receive(block=True)
            yield clear()
        yield send(0, message.data)

    def adviser() -> Any:
        yield configure()
        while True:
            message = yield receive(block=True)
            yield clear()
            yield send(message.sender, text)

    return server, adviser


def instead_of_ping(run: Run) -> str:
    """What VM 1 got first, and why it was not “ping”."""
    if delivered(run, 1):
        first = delivered(run, 1)[0]
        return f"{shown(first)}, {counted(len(first), 'byte')}: send the four letters, and no more"
    tries = [run.settled(event) for event in calls(run, 0, HF_MAILBOX_SEND)]
    if not tries:
        return "nothing: you do not send"
    return f"nothing: your send was refused (event {tries[0].seq}). VM 1 must run first, to configure its pages"


def judge_primary(answer: str) -> Run:
    """The answer is the primary: it sends, runs whoever was woken, prints the reply, and switches the machine off."""
    image = compiled(compile_c, answer)
    for text, questions in ((b"pong", 1), (b"a longer answer", 2)):
        run = boot_real(
            image, slow(text, questions), f"Your primary; VM 1 asks VM 2 {('once', 'twice')[questions - 1]}"
        )
        if not calls(run, 0, HF_VCPU_RUN):
            raise Wrong("Your primary never runs a VM, so neither of them could even configure its pages.", run)
        check_alive(run, 0)
        if delivered(run, 1)[:1] != [b"ping"]:
            raise Wrong(f"VM 1 should get “ping” first. It got {instead_of_ping(run)}.", run)
        if not delivered(run, 0):
            raise Wrong(
                f"No answer came. {run.outcome} VM 1 asks VM 2, once or more often, before it answers: look at the "
                "code of each HF_VCPU_RUN, and run the VM that WAKE_UP names.",
                run,
            )
        printed = run.uart.split(BOOTED)[1]
        if printed != f"{text.decode()}\n":
            raise Wrong(f"VM 1 answered {shown(text)}. Your primary printed {printed!r}.", run)
        if not any(gave(run, event) == 0 for event in calls(run, 0, HF_MAILBOX_CLEAR)):
            raise Wrong("You have read the answer. Clear your mailbox.", run)
        if run.outcome.kind != "power off":
            raise Wrong(f"It does all that was asked, and then the machine stays on: {run.outcome}", run)
    return run


# Sources.

INSIST = "        cmn  x0, #1\n        b.eq copied\n"
ECHO = """
        adrp x20, send_page
        adrp x21, recv_page
        mov  x1, x20
        mov  x2, x21
        mov  w0, #0xff03        // configure
        hvc  #0

again:  mov  w0, #0xff05        // receive
        mov  x1, #1             // and wait
        hvc  #0
        mov  x19, x0            // the sender and the size

        lsr  x9, x19, #32       // the size
next:   cbz  x9, copied
        sub  x9, x9, #1
        ldrb w12, [x21, x9]
        strb w12, [x20, x9]
        b    next

copied:
        mov  w0, #0xff06        // clear
        hvc  #0
        and  x1, x19, #0xffff   // send
        lsr  x2, x19, #32
        mov  w0, #0xff04
        hvc  #0
        b    again
"""
CLEARING = "        mov  w0, #0xff06        // clear\n        hvc  #0\n"
SOUND = """
        adr  x20, out
        mov  x1, x20
        adr  x2, in
        mov  w0, #0xff03        // configure
        hvc  #0

again:  mov  w0, #0xff05        // receive
        mov  x1, #1             // and wait
        hvc  #0
        mov  x19, x0            // the sender and the size

        and  x22, x19, #0xffff  // the sender
        mov  w0, #0xff06        // clear
        hvc  #0
        adr  x9, ok
        ldrh w10, [x9]

        strh w10, [x20]
        mov  x1, x22
        mov  x2, #2
        mov  w0, #0xff04        // send
        hvc  #0
        b    again

ok:     .ascii "ok"
        .balign 4096
out:    .skip 4096
in:     .skip 4096
"""
UNALIGNED = SOUND.replace(".balign 4096", ".balign 16")
BROKEN = UNALIGNED.replace("x22", "x14").replace("adr  x9, ok", "ldr  x9, =ok")
"""The same guest with three mistakes."""
METER = """static u64 total[16];

void guest_main(void)
{
    configure();
    for (;;) {
        u64 got = hvc(HF_MAILBOX_RECEIVE, 1, 0, 0);
        u64 sender = got & 0xffff;

        total[sender] += got >> 32;
        hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
        *(u64 *)send_page = total[sender];
        hvc(HF_MAILBOX_SEND, sender, 8, 0);
    }
}
"""
PRIMARY = """void guest_main(const u8 *fdt)
{
    u64 vm = 1, got;

    configure();
    hvc(HF_VCPU_RUN, 1, 0, 0);
    hvc(HF_VCPU_RUN, 2, 0, 0);
    copy(send_page, (const u8 *)"ping", 4);
    hvc(HF_MAILBOX_SEND, 1, 4, 0);
    while (((got = hvc(HF_VCPU_RUN, vm, 0, 0)) & 0xff) != MESSAGE)
        if ((got & 0xff) == WAKE_UP)
            vm = got >> 16 & 0xffff;
    write(recv_page, got >> 32);
    putc('\\n');
    hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
"""


EXERCISES = (
    Exercise(
        id="13-echo",
        task="the echo in assembly, with both gaps filled in.",
        wants=ASSEMBLY,
        takes=forms.source_text,
        judge=judge_echo,
        learned="in machine code, too, a service is receive, copy, clear, send, with what it keeps in x18 to x30.",
        hints=(
            "Each gap is one hypercall: arguments into x1 and x2, the number into w0, then `hvc #0`.",
            "x19 still holds what receive returned: the sender in bits 0 to 15, the size in bits 32 to 63.",
            "Clear: `mov w0, #0xff06`, `hvc #0`. Send: `and x1, x19, #0xffff`, `lsr x2, x19, #32`, w0 is 0xff04.",
        ),
        solution=ECHO,
        wrong={
            "never clears": (ECHO.replace(CLEARING, ""), "has not cleared the message before"),
            "keeps the result in x13": (ECHO.replace("x19", "x13"), "must be in x18 to x30"),
            "answers before it clears": (
                ECHO.replace(CLEARING, "").replace("        b    again", f"{CLEARING}        b    again"),
                "your guest answers before it clears",
            ),
            "sender and size swapped": (
                ECHO.replace("and  x1, x19, #0xffff", "lsr  x1, x19, #32").replace(
                    "lsr  x2, x19, #32\n        mov  w0, #0xff04", "and  x2, x19, #0xffff\n        mov  w0, #0xff04"
                ),
                "bytes to VM 3, and that was refused",
            ),
            "insists on its answer": (ECHO.replace("        b    again", f"{INSIST}        b    again"), "is dropped"),
            "an instruction that is none": (ECHO.replace("and  x1", "land x1"), "does not compile, line"),
        },
    ),
    Exercise(
        id="13-repair",
        task="the clerk in assembly, with its three mistakes repaired.",
        wants=ASSEMBLY,
        takes=forms.source_text,
        judge=judge_repaired,
        learned="pages at multiples of 4096, addresses from the program counter, what is kept in x18 to x30.",
        hints=(
            "Let check run it as it is: it stops at the first mistake, names the event, and shows the run.",
            "Pages begin at multiples of 4096. x1 to x17 do not survive an HVC. An address in data counts from 0.",
            "Write `.balign 4096`, keep the sender in x22 instead of x14, take `adr` instead of `ldr =`.",
        ),
        solution=SOUND,
        wrong={
            "as it is": (BROKEN, "at a multiple of 4096"),
            "pages not aligned": (UNALIGNED, "at a multiple of 4096"),
            "pages that hold its code": (
                UNALIGNED.replace("adr  x20, out", "adrp x20, out").replace("adr  x2, in", "adrp x2, in"),
                "is the page that holds your code",
            ),
            "the sender in x14": (SOUND.replace("x22", "x14"), "must be in x18 to x30"),
            "an absolute address": (SOUND.replace("adr  x9, ok", "ldr  x9, =ok"), "left its memory"),
        },
    ),
    Exercise(
        id="13-meter",
        task="a C guest that tells each sender how many bytes it has sent so far.",
        wants=C_SOURCE,
        takes=forms.source_text,
        judge=judge_meter,
        learned="a C guest is entered without a library, keeps its own tables, and never returns.",
        hints=(
            "Begin with configure(), then a loop that never ends: receive, count, clear, send.",
            "Keep a total for each sender: static u64 total[16], by the number of the sender.",
            "total[sender] += got >> 32; clear; *(u64 *)send_page = total[sender]; then send 8 bytes to the sender.",
        ),
        solution=METER,
        wrong={
            "one total for all": (METER.replace("total[sender]", "total[0]"), "and should get"),
            "an array of two for VM 0 and VM 2": (
                METER.replace("total[16]", "total[2]"),
                "before its answer 2, to VM 2, it uses an element",
            ),
            "totals that nothing sets to 0": (
                METER.replace("static u64 total[16];\n", "").replace(
                    "    configure();", "    u64 total[3];\n\n    configure();"
                ),
                "that it has not set to 0",
            ),
            "a total of 8 bits": (METER.replace("u64 total", "u8 total"), "and should get"),
            "never clears": (
                METER.replace("        hvc(HF_MAILBOX_CLEAR, 0, 0, 0);\n", ""),
                "has not cleared the message before",
            ),
            "returns": (METER.replace("for (;;) {", "{"), "guest_main must not return"),
            "does not configure": (METER.replace("    configure();\n", ""), "never calls HF_VM_CONFIGURE"),
            "counts in floating point": (METER.replace("u64 total", "double total"), "does not compile"),
        },
    ),
    Exercise(
        id="13-primary",
        task="a primary in C that sends “ping” to VM 1, prints the answer on a line, clears, and "
        "switches the machine off.",
        wants=C_SOURCE,
        takes=forms.source_text,
        judge=judge_primary,
        learned="the primary's loop is the same in C: run whom WAKE_UP names until there is a MESSAGE.",
        hints=(
            "Both VMs must run once before you send: they configure their pages and wait.",
            "HF_VCPU_RUN returns a code in bits 0 to 7. On WAKE_UP run the VM in bits 16 to 31, on MESSAGE stop.",
            "The size of the message is got >> 32: write(recv_page, got >> 32), then putc('\\n').",
        ),
        solution=PRIMARY,
        wrong={
            "sends before VM 1 has run": (
                PRIMARY.replace("    hvc(HF_VCPU_RUN, 1, 0, 0);\n", ""),
                "VM 1 must run first",
            ),
            "knows the order by heart": (
                """void guest_main(void)
{
    u64 got = 0;

    configure();
    for (u64 vm = 1; vm <= 2; vm++)
        hvc(HF_VCPU_RUN, vm, 0, 0);
    copy(send_page, (const u8 *)"ping", 4);
    hvc(HF_MAILBOX_SEND, 1, 4, 0);
    for (u64 turn = 0; turn < 3; turn++)
        got = hvc(HF_VCPU_RUN, 1 + turn % 2, 0, 0);
    write(recv_page, got >> 32);
    putc('\\n');
    hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
""",
                "once or more often",
            ),
            "runs VM 1 only": (PRIMARY.replace("vm = got >> 16 & 0xffff", "vm = 1"), "No answer came"),
            "prints the page as a string": (
                PRIMARY.replace("write(recv_page, got >> 32)", "write(recv_page, 4)"),
                "Your primary printed",
            ),
            "does not switch off": (
                PRIMARY.replace("    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);\n", ""),
                "the machine stays on",
            ),
        },
    ),
)

LEARN = "how to write a guest of machine code, in assembly and in C"
TERMS = {
    "image": "The bytes of a program as they are copied into a VM's memory. It is entered at its first byte.",
    "PL011": "Arm's device for a serial line. A byte that is stored at 0x09000000 is printed.",
    "position-independent": "Of code: it runs at whatever address it is loaded, because it finds everything by its "
    "distance from the program counter.",
    "freestanding": "Of a C program: there is no operating system and no C library below it.",
}
