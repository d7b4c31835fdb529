"""Lesson 01, registers and traps: its guests, predictions and exercises."""

from array import array
from collections.abc import Callable, MutableMapping
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_counted,
    call_of,
    image,
    in_turn,
    last_trap,
    returned_at,
    switch_to,
    traps,
)
from hfedu.course.shared.variants import of_results
from hfedu.guest.toolchain import assemble
from hfedu.hf.api import running
from hfedu.hf.arch import REGISTER_NAMES, SAVED
from hfedu.hf.call import HF_VM_GET_COUNT, MASK64
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.platform import HypervisorHang
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Event

LEARN = "what a trap saves, which instructions trap, and what a context switch must not forget"
TERMS = {
    "register": "A field of 64 bits inside the processor. Instructions compute with registers, not with memory.",
    "program counter": "PC, the register that holds the address of the next instruction.",
    "PSTATE": "The processor's state beside its registers: the exception level, which interrupts are masked, the "
    "flags of the last comparison.",
    "exception level": "How much a program may do: EL0 is for applications, EL1 for kernels, EL2 for a hypervisor, "
    "EL3 for the firmware. A level cannot touch the registers of the levels above it.",
    "HVC": "The hypervisor call instruction. Executed by a kernel (at EL1) it traps to EL2; x0 holds the number of the "
    "hypercall. In an application (at EL0) it is an undefined instruction.",
    "trap": "An exception to a higher level: the processor stops a guest and goes on in the hypervisor.",
    "preferred return address": "Where a trapped guest is to go on: the processor writes it into ELR_EL2. For an HVC "
    "it is the next instruction, for most other traps the one that trapped.",
    "exception syndrome": "ESR_EL2, the register that says why the processor trapped.",
    "vector": "Where the processor goes on after an exception: a place in a table of code that has one for each kind "
    "of exception. Each level from EL1 up has such a table.",
    "SMC": "Secure monitor call: like HVC an instruction that calls upward, meant for the firmware. Here the "
    "hypervisor traps it.",
    "HCR_EL2": "The hypervisor configuration register. Its bits say which instructions of a guest trap.",
    "exception class": "EC, bits 26 to 31 of the exception syndrome: which kind of trap it is.",
    "register file": "All registers of one vCPU, as the hypervisor keeps them in memory while the vCPU does not run.",
    "context switch": "Saving the registers of one vCPU and restoring those of another.",
}
OFF = "    ldr  w0, =0x84000008\n    hvc  #0\n"
CALLER = "    mov  x1, #0x1\n    mov  x17, #0x17\n    mov  x18, #0x18\n    mov  x0, #0xff01\n    hvc  #0\n" + OFF
COUNTER = "again:\n    add  x19, x19, #{step}\n    b    again\n"
LEAVER = "    mov  x19, #{secret}\n    msr  tpidr_el1, x19\n    msr  elr_el1, x19\n    wfi\n"
FINDER = "    mov  x20, x19\n    mrs  x21, tpidr_el1\n    mrs  x22, elr_el1\n    wfi\n"
NAMES = REGISTER_NAMES[:SAVED]
TIMER = 100
ROUNDS = 3


def one_call() -> Run:
    """The primary makes one call, with numbers in x17 and x18."""
    return boot_counted(RamDisk(assemble(CALLER)), title="One hypercall")


def counting() -> Run:
    """VM 1 and VM 2 count, and a timer takes turns."""
    guests = [assemble(COUNTER.format(step=step)) for step in (1, 16)]
    return boot_counted(RamDisk(in_turn(1, 2, rounds=ROUNDS), guests), timer=TIMER, title="Two guests that count")


def left_behind() -> Run:
    """VM 1 leaves a 7 in three registers, and VM 2 looks into them."""
    guests = [assemble(LEAVER.format(secret=7)), assemble(FINDER)]
    return boot_counted(RamDisk(in_turn(1, 2), guests), title="VM 2 looks for what VM 1 left")


def value(run: Run, event: Event, vm: int, name: str) -> int:
    """What a VM has in a register after an event."""
    found: int = run.at(event.seq).get(f"vm{vm}.vcpu0.{name}", 0)
    return found


def register(vm: int, name: str) -> Callable[[Run, Event], str]:
    """Reads a VM's register after an event, in hexadecimal."""
    return lambda run, event: hex(value(run, event, vm, name))


def goes_on_at(run: Run, event: Event) -> str:
    """Where VM 0 goes on after `CALLER`'s call, its fifth instruction."""
    begins = run.at(switch_to(0, 0)(run).seq)["vm0.vcpu0.pc"]
    return "at the hvc" if value(run, event, 0, "pc") == begins + 4 * 4 else "at the instruction after it"


def second_entry(run: Run) -> Event:
    """The second switch to VM 1."""
    return switch_to(1, 1)(run)


def whose_count(run: Run, event: Event) -> str:
    """Whose number VM 1 finds in x19."""
    state = run.at(event.seq)
    found = state.get("vm1.vcpu0.x19", 0)
    return {
        0: "0, it begins again",
        state["vm2.vcpu0.x19"]: "what VM 2 has left there",
        run.at(traps(run, 1)[0].seq)["vm1.vcpu0.x19"]: "what it had itself",
    }[found]


def calls_made(run: Run, event: Event) -> str:
    """How many hypercalls the two guests made."""
    return str(sum(e.kind is Kind.HYPERCALL for vm in (1, 2) for e in traps(run, vm)))


RETURNED, FOUND = returned_at(call_of(0, HF_VM_GET_COUNT, 0)), last_trap(2)
PREDICTIONS = (
    Prediction(
        "01-one-call",
        "VM 0 is the only VM. It puts 0x17 into x17, 0x18 into x18, 0xff01 into x0, and executes hvc #0.",
        one_call,
        (
            Question("What is in x0 after the call?", ("0xff01", "0x0", "0x1"), RETURNED, register(0, "x0"),
                     "0xff01 asks how many VMs there are, and the answer comes back in x0: 1, the primary itself."),
            Question("In x17?", ("0x17", "0x0"), RETURNED, register(0, "x17"),
                     "The hypervisor returns from a call with zeroes in x1 to x17: a call costs the guest those."),
            Question("In x18?", ("0x18", "0x0"), RETURNED, register(0, "x18"), "x18 to x30 survive a call."),
            Question("Where does VM 0 go on?", ("at the hvc", "at the instruction after it"), RETURNED, goes_on_at,
                     "For an HVC the processor notes the address of the next instruction to return to."),
        ),
    ),
    Prediction(
        "01-in-turn",
        "VM 1 and VM 2 count in x19, in steps of 1 and of 16, in an endless loop. A timer interrupts the processor "
        "every 100 instructions, and VM 0 runs the two in turn.",
        counting,
        (
            Question("What does VM 1 find in x19 when it runs for the second time?",
                     ("0, it begins again", "what VM 2 has left there", "what it had itself"),
                     second_entry, whose_count,
                     "There is only one x19, and VM 2 has used it meanwhile. But the hypervisor had saved VM 1's, and "
                     "put it back before VM 1 went on."),
            Question("How many hypercalls do VM 1 and VM 2 make?", ("0", "3", "6"), last_trap(2), calls_made,
                     "None: they only add and branch. It is the interrupt that traps, and they do not notice."),
        ),
    ),
    Prediction(
        "01-left-behind",
        "VM 1 puts 7 into x19, TPIDR_EL1 and ELR_EL1, and waits. VM 2 runs for the first time, on the same processor, "
        "and reads all three.",
        left_behind,
        (
            Question("What does VM 2 find in x19?", ("0x7", "0x0"), FOUND, register(2, "x20"),
                     "The switch restores x0 to x30, and VM 2 begins with zeroes."),
            Question("In TPIDR_EL1?", ("0x7", "0x0"), FOUND, register(2, "x21"),
                     "TPIDR_EL1 is one of the 23 system registers that the switch saves and restores."),
            Question("In ELR_EL1?", ("0x7", "0x0"), FOUND, register(2, "x22"),
                     "ELR_EL1 is not on the list of the hypervisor of that day: VM 2 reads what VM 1 has left."),
        ),
    ),
)  # fmt: skip


def judge_decode(answer: Callable[[int], Any]) -> None:
    """Taking apart an exception syndrome."""
    for esr in (0x5A00_0000, 0x6232_0401, 0x9200_0045, 0x0000_0001, 0xFFFF_FFFF):
        ec, il, iss = esr >> 26, esr >> 25 & 1, esr & 0x1FF_FFFF
        if (got := answer(esr)) != (ec, il, iss):
            numbers = isinstance(got, tuple) and all(isinstance(number, int) for number in got)
            shown = f"({', '.join(map(hex, got))})" if numbers else repr(got)
            raise Wrong(f"For {esr:#010x} your function gave {shown}: EC is {ec:#x}, IL {il}, ISS {iss:#x}.")


def judge_sum(answer: str) -> Run:
    """The sum of three calls, in a machine with two VMs and in one with three."""
    guest = image(answer)
    for others in (0, 1):
        disk = RamDisk(in_turn(1), [guest, *[assemble(COUNTER.format(step=1))] * others])
        run = boot_counted(disk, max_traps=20, title=f"A sum, with {2 + others} VMs")
        made, vms = traps(run, 1), 2 + others
        if not made or made[-1].kind is not Kind.WFI:
            why = "it made 20 calls. What does a call do to the register that counts?" if len(made) > 9 else run.outcome
            raise Wrong(f"Your guest never waits: {why}", run)
        counted = [event for event in made if words.number(event) == HF_VM_GET_COUNT and event.kind is Kind.HYPERCALL]
        if len(counted) != 3:
            raise Wrong(f"Your guest should ask three times how many VMs there are. Times asked: {len(counted)}.", run)
        if (got := value(run, made[-1], 1, "x20")) != 3 * vms:
            raise Wrong(f"There are {vms} VMs, so x20 should hold {3 * vms}; it holds {got}.", run)
    return run


File = MutableMapping[str, int]


def switching(answer: Callable[[File, File, File], object]) -> type[Hypervisor]:
    """A hypervisor that switches by an answer. It stops at the first vCPU that gets a wrong register."""
    left: dict[str, array[int]] = {}

    class Switching(Hypervisor):
        def save_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
            cpu.read_system_registers()
            left[vcpu.name] = cpu.regs[:SAVED]

        def restore_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
            verb, wanted = "left with", left.get(vcpu.name)
            if wanted is None:
                verb, wanted = "should begin with", vcpu.regs[:SAVED]
            banks = cpu.regs, running(cpu).regs, vcpu.regs
            files: list[File] = [dict(zip(NAMES, regs[:SAVED], strict=True)) for regs in banks]
            answer(*files)
            for regs, file in zip(banks, files, strict=True):
                regs[:SAVED] = array("Q", [file[name] & MASK64 for name in NAMES])
            cpu.current = vcpu
            for name, want, got in zip(NAMES, wanted, cpu.regs[:SAVED], strict=True):
                if got != want and (vcpu.vm.id, name) != (0, "x0"):  # that is the result of the primary's call
                    raise HypervisorHang(f"VM {vcpu.vm.id} runs with {name} = {got:#x}, and it {verb} {want:#x}.")

    return Switching


def judge_switch(answer: Callable[[File, File, File], object]) -> Run:
    """Two guests that count, under the answer's switch."""
    run = counting_under(answer)
    if run.outcome.kind != "power off":
        raise Wrong(run.outcome.sentence, run, counting_under(solve_switch))
    forgets = forgotten(answer)
    if forgets:
        raise Wrong(
            f"The two counters go on as they should: they do not use {forgets[0]}. Another guest may, and your switch "
            f"does not {forgets[1]} it."
        )
    return run


def forgotten(answer: Callable[[File, File, File], object]) -> tuple[str, str] | None:
    """The first register that an answer does not save, or restore, where each holds a number of its own."""
    cpu, leaving, entering = (
        dict(zip(NAMES, range(first, first + SAVED), strict=True)) for first in (1000, 2000, 3000)
    )
    saved, restored = dict(cpu), dict(entering)
    answer(cpu, leaving, entering)
    for name in NAMES:
        if leaving.get(name) != saved[name]:
            return name, "save"
        if cpu.get(name) != restored[name]:
            return name, "restore"
    return None


def counting_under(answer: Callable[[File, File, File], object]) -> Run:
    """Two guests that count, each with a number of its own in a system register, under a switch."""
    marked = "    mov  x2, #{step}\n    msr  tpidr_el1, x2\n" + COUNTER
    disk = RamDisk(in_turn(1, 2, rounds=ROUNDS), [assemble(marked.format(step=step)) for step in (1, 16)])
    title = "Two guests that count, under your switch"
    return boot_counted(disk, timer=TIMER, changes=[switching(answer)], title=title)


def judge_spy(answer: str) -> Run:
    """The answer is VM 2, which must find two secrets of VM 1."""
    guest = image(answer)
    for secret in (0x1234, 0x4711):
        disk = RamDisk(in_turn(1, 2), [assemble(LEAVER.format(secret=secret)), guest])
        run = boot_counted(disk, title="VM 2 looks for what VM 1 left")
        found = traps(run, 2)
        if not found or found[-1].kind is not Kind.WFI:
            raise Wrong(f"Your guest should wait (wfi) when it has the secret in x20. {run.outcome}", run)
        if (got := value(run, found[-1], 2, "x20")) != secret:
            raise Wrong(f"VM 1's secret is {secret:#x} this time, and x20 holds {got:#x}.", run)
    return run


SUM = """
    mov  x19, #0        // the sum
    mov  x21, #3        // rounds that are left
again:
    mov  x0, #0xff01    // HF_VM_GET_COUNT
    hvc  #0
    add  x19, x19, x0
    sub  x21, x21, #1
    cbnz x21, again
    mov  x20, x19
    wfi
"""
SWITCH = """def answer(cpu, leaving, entering):
    leaving.update(cpu)
    cpu.update(entering)
"""
SPY = """
    mrs  x20, {register}
    wfi
"""
SWITCH_WANTS = "a function of three dictionaries: cpu, leaving, entering"


# 01-decode-esr


def solve_decode_esr(esr):
    return esr >> 26, esr >> 25 & 1, esr & 0x1FFFFFF


def decode_esr_il_counted_into_the_iss(esr):
    return esr >> 26, esr >> 25 & 1, esr & 0x3FFFFFF


def decode_esr_one_hexadecimal_digit_too_few(esr):
    return esr >> 28, esr >> 25 & 1, esr & 0x1FFFFFF


def decode_esr_iss_in_16_bits(esr):
    return esr >> 26, esr >> 25 & 1, esr & 0xFFFF


# 01-switch


def switch_saves_what_the_counters_use(cpu, leaving, entering):
    leaving.update({name: held for name, held in cpu.items() if name != "x7"})
    cpu.update(entering)


def switch_restores_what_the_counters_use(cpu, leaving, entering):
    leaving.update(cpu)
    cpu.update({name: held for name, held in entering.items() if name != "VBAR_EL1"})


def solve_switch(cpu, leaving, entering):
    leaving.update(cpu)
    cpu.update(entering)


def switch_restores_only(cpu, leaving, entering):
    cpu.update(entering)


def switch_restores_first(cpu, leaving, entering):
    cpu.update(entering)
    leaving.update(cpu)


def switch_as_a_function_call_does_x18_to_x30_only(cpu, leaving, entering):
    names = [f"x{n}" for n in range(18, 31)] + ["pc", "spsr"]
    leaving.update({name: cpu[name] for name in names})
    cpu.update({name: entering[name] for name in names})


def switch_without_the_program_counter(cpu, leaving, entering):
    names = [f"x{n}" for n in range(31)]
    leaving.update({name: cpu[name] for name in names})
    cpu.update({name: entering[name] for name in names})


def switch_without_system_registers(cpu, leaving, entering):
    names = [f"x{n}" for n in range(31)] + ["pc", "spsr"]
    leaving.update({name: cpu[name] for name in names})
    cpu.update({name: entering[name] for name in names})


EXERCISES = (
    Exercise(
        id="01-decode-esr",
        task="a function that takes an exception syndrome apart into (ec, il, iss).",
        wants="a function of one number",
        takes=forms.function,
        judge=judge_decode,
        learned="one register says why the processor trapped, and how to read it.",
        hints=(
            "EC is bits 26 to 31, IL bit 25, ISS bits 0 to 24.",
            "ec is `esr >> 26`, il is `esr >> 25 & 1`. How many ones does a mask of 25 bits have?",
            "Return (esr >> 26, esr >> 25 & 1, esr & 0x1ffffff).",
        ),
        solution=solve_decode_esr,
        variant=of_results(lambda rng: (rng.getrandbits(32),)),
        wrong={
            "IL counted into the ISS": (decode_esr_il_counted_into_the_iss, "ISS 0x0"),
            "one hexadecimal digit too few": (decode_esr_one_hexadecimal_digit_too_few, "EC is 0x16"),
            "ISS in 16 bits": (decode_esr_iss_in_16_bits, "ISS 0x320401"),
        },
    ),
    Exercise(
        id="01-sum",
        task="the guest, changed so that x20 holds the sum of the three results when it waits.",
        wants="assembly as a text",
        takes=forms.source_text,
        judge=judge_sum,
        learned="x1 to x17 do not survive a hypercall, x18 to x30 do.",
        hints=(
            "Which registers does a hypercall leave alone, and which not?",
            "x1 to x17 are zero after each call, x18 to x30 survive. The sum and the rounds are in x9 and x10.",
            "Write x19 for x9 and x21 for x10, everywhere.",
        ),
        solution=SUM,
        wrong={
            "as it was": (SUM.replace("x19", "x9").replace("x21", "x10"), "never waits: it made 20 calls"),
            "only the rounds are kept": (SUM.replace("x19", "x9"), "it holds 2"),
            "the sum written down": (SUM.replace("mov  x20, x19", "mov  x20, #6"), "should hold 9"),
            "no loop": ("mov x0, #0xff01\n hvc #0\n mov x20, x0\n wfi", "Times asked: 1"),
            "does not compile": ("    move x0, x1\n", "does not compile, line 1"),
        },
    ),
    Exercise(
        id="01-switch",
        task="a function that switches from one vCPU to another: it saves the registers of the one, "
        "restores the other's.",
        wants=SWITCH_WANTS,
        takes=forms.function,
        judge=judge_switch,
        learned="a context switch saves first and restores then, and all of the register file.",
        hints=(
            "Two things must happen, and one of them would destroy what the other needs.",
            "First save: everything in cpu goes to leaving. Then restore: everything in entering goes to cpu.",
            "leaving.update(cpu), and then cpu.update(entering).",
        ),
        solution=solve_switch,
        wrong={
            "restores only": (switch_restores_only, "VM 0 runs with pc ="),
            "restores first": (switch_restores_first, "VM 0 runs with"),
            "as a function call does, x18 to x30 only": (
                switch_as_a_function_call_does_x18_to_x30_only,
                "VM 0 runs with x2 = 0x1",
            ),
            "without the program counter": (switch_without_the_program_counter, "and it should begin with 0x40f80000"),
            "does not save what the counters do not use": (
                switch_saves_what_the_counters_use,
                "does not save it",
            ),
            "does not restore what the counters do not use": (
                switch_restores_what_the_counters_use,
                "they do not use VBAR_EL1",
            ),
            "without system registers": (switch_without_system_registers, "runs with TPIDR_EL1 = 0x1"),
        },
    ),
    Exercise(
        id="01-spy",
        task="a guest for VM 2 that finds the number that VM 1 has left, puts it into x20, and waits.",
        wants="assembly as a text",
        takes=forms.source_text,
        judge=judge_spy,
        learned="a register that the switch forgets is a channel between two guests that nobody allowed.",
        hints=(
            "Which register did the switch not save and restore?",
            "`mrs x20, NAME` reads a system register into x20.",
            "mrs x20, elr_el1, and then wfi.",
        ),
        solution=SPY.format(register="elr_el1"),
        wrong={
            "looks into x19": ("    mov x20, x19\n    wfi\n", "x20 holds 0x0"),
            "looks into TPIDR_EL1": (SPY.format(register="tpidr_el1"), "x20 holds 0x0"),
            "knows the number already": ("    mov x20, #0x1234\n    wfi\n", "is 0x4711 this time"),
        },
    ),
)
