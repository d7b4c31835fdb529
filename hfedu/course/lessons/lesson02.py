"""Lesson 02, stage two: its guests, predictions and exercises."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    ENOUGH_TRAPS,
    boot_counted,
    boot_scripts,
    call_of,
    image,
    in_turn,
    last_trap,
    result_of,
    returned_at,
    traps,
)
from hfedu.course.shared.variants import of_results
from hfedu.guest.scripted import configure, load
from hfedu.guest.toolchain import assemble
from hfedu.hf import mm
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.arch import EC_DATA_ABORT
from hfedu.hf.call import HF_VM_CONFIGURE
from hfedu.notebook import Machine, Run
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Event

LEARN = "how a guest's address becomes a physical one, and what each VM can reach"
TERMS = {
    "physical address": "PA, the number of a byte in the machine's memory, or of a device's register.",
    "stage 1": "The first translation of an address, from virtual to intermediate physical, by tables of the guest's "
    "own kernel. The hypervisor has a stage 1 for itself.",
    "intermediate physical address": "IPA, what a guest takes for a physical address: the result of stage 1, or the "
    "address itself where the guest has stage 1 turned off.",
    "stage 2": "The second translation of a guest's address, from intermediate physical to physical, by tables of "
    "the hypervisor's, one set for each VM.",
    "UART": "The device behind the serial line: what is written to its register at 0x9000000 is printed.",
    "page": "4096 bytes that begin at a multiple of 4096: the smallest piece of memory that a table can map.",
    "page table": "A page of 512 descriptors. The tables of a VM form a tree, and a walk begins at its root.",
    "descriptor": "An entry of a page table, 8 bytes: not valid, or the address of the next table, or what is mapped "
    "and with which rights.",
    "walk": "Translating an address: one descriptor from each table, from the root on, until one maps the address or "
    "is not valid.",
    "TLB": "Translation lookaside buffer: where the processor remembers walks, tagged with the VM's number.",
    "VTTBR_EL2": "The register with the address of the root of stage 2, and in bits 48 and up the VM's number.",
    "identity mapping": "A mapping in which every address stands for itself: the physical address equals the "
    "intermediate physical one.",
    "translation fault": "The trap of an access that met a descriptor that is not valid.",
    "FAR_EL2": "The fault address register: the address as the guest used it.",
    "HPFAR_EL2": "The register that holds which page of intermediate physical addresses a translation fault in stage 2 "
    "is about. After a permission fault it need not hold it.",
    "permission fault": "The trap of an access whose right the descriptor does not give.",
    "VTCR_EL2": "The register that says at which level a walk of stage 2 begins, and how many bits an intermediate "
    "physical address has.",
    "DMA": "Direct memory access: a device reads or writes memory by itself. It does not go through stage 2.",
    "SMMU": "System memory management unit: it translates the addresses that devices use, by tables of the "
    "hypervisor's, as stage 2 does those of CPUs.",
    "block": "A descriptor above the last level that maps 1 GiB or 2 MiB in one piece.",
}
VM_1, VM_2, SIZE = 0x40F8_0000, 0x40F0_0000, 512 << 10
STRANGER = """
    mov  x1, #0x40f80000
    ldr  x0, [x1]
    mov  x1, #0x9000000
    ldr  w0, [x1, #0x18]
    mov  x1, #0x40f00000
    ldr  x0, [x1]
    wfi
"""
CURIOUS = """
    mov  x1, #0x40080000
    ldr  x0, [x1]
    mov  x1, #0x40f80000
    ldr  x0, [x1]
"""


def stranger() -> Run:
    """VM 1 loads from its own memory, from the UART, and from VM 2's memory."""
    return boot_counted(RamDisk(in_turn(1, 2), [assemble(STRANGER), assemble("wfi")]), title="VM 1 is curious")


def curious() -> Run:
    """The primary loads from its own memory, and from VM 1's."""
    return boot_counted(RamDisk(assemble(CURIOUS), [assemble("wfi")]), title="The primary is curious")


def two_configures() -> Run:
    """VM 1 names a page of VM 2's, and then two of its own."""

    def owner() -> Any:
        yield configure(VM_1 + 4 * PAGE_SIZE, VM_2 + 5 * PAGE_SIZE)
        yield configure(VM_1 + 4 * PAGE_SIZE, VM_1 + 5 * PAGE_SIZE)

    return boot_scripts(in_turn(1), [owner, quiet], "VM 1 names its pages")


def quiet() -> Any:
    """A guest that does nothing."""
    yield from ()


def gets(run: Run, event: Event) -> str:
    """What an access came to."""
    return "nothing: it traps" if event.kind is Kind.FAULT else "the bytes that are there"


def configure_of(number: int) -> Callable[[Run], Event]:
    """Finds the return of VM 1's `number`th configure."""
    return returned_at(call_of(1, HF_VM_CONFIGURE, number))


def changed_stage2(run: Run, event: Event) -> str:
    """What VM 1's stage 2 has become by a call that returns, as the questions offer it."""
    call = run.call_of(event) or event
    before, after = (run.at(seq)["vm1.stage2"] for seq in (call.seq - 1, event.seq))
    if before == after:
        return "it does not change"
    mapped = mm.arch_mm_pte_is_block(after.walk(event.args[0])[-1].descriptor, 0)
    return "they become read-only" if mapped else "they are taken away from VM 1"


PREDICTIONS = (
    Prediction(
        "02-stranger",
        "VM 1 has 512 KiB from 0x40f80000 on, VM 2 has the 512 KiB below. VM 1 loads from 0x40f80000, from the serial "
        "line's device at 0x9000018, and from 0x40f00000. After VM 1 it is VM 2's turn.",
        stranger,
        (
            Question("How often does VM 1 trap in its three loads?", ("0 times", "once", "3 times"), last_trap(1),
                     lambda run, event: {0: "0 times", 1: "once", 3: "3 times"}[len(traps(run, 1))],
                     "The processor translates each address by itself. Only the load that stage 2 refuses traps."),
            Question("What does the load from VM 2's memory give VM 1?",
                     ("the bytes that are there", "nothing: it traps"), last_trap(1), gets,
                     "VM 1's tables have no entry for that address, so the processor stops the guest and asks the "
                     "hypervisor."),
            Question("Does VM 2, which has done nothing, get its turn?", ("yes", "no"), lambda run: run.events[-1],
                     lambda run, event: "yes" if traps(run, 2) else "no",
                     "The hypervisor of that day has no way to stop one VM. It reports the fault and spins for ever, "
                     "and the only processor is gone."),
        ),
    ),
    Prediction(
        "02-curious",
        "VM 0, the primary, loads from 0x40080000, where its own code is, and then from 0x40f80000, where VM 1's is.",
        curious,
        (
            Question("What does it get from VM 1's memory?", ("the bytes that are there", "nothing: it traps"),
                     last_trap(0), gets,
                     "The primary decides who runs, and no more. What belongs to a secondary is taken out of its "
                     "tables."),
            Question("If a descriptor refuses it: at which level is that?", ("0", "1", "2", "3"), last_trap(0),
                     lambda run, event: str((event.function or 0) & 3),
                     "VM 1's 512 KiB are a part of 2 MiB, so at that place the table goes down to pages: level 3."),
        ),
    ),
    Prediction(
        "02-configure",
        "VM 1 calls HF_VM_CONFIGURE twice: with a send page of its own and a receive page in VM 2's memory, and then "
        "with two pages of its own.",
        two_configures,
        (
            Question("What does the first call return?", ("0", "-1"), configure_of(0), result_of,
                     "The hypervisor looks whether VM 1's stage 2 maps both pages. Else VM 1 could let the hypervisor "
                     "write where it may not write itself."),
            Question("What does the second call do to its two pages in VM 1's stage 2?",
                     ("they become read-only", "they are taken away from VM 1", "it does not change"),
                     configure_of(1), changed_stage2,
                     "VM 1 keeps its pages as they are. It is the hypervisor that needs them: it maps them in its own "
                     "table."),
        ),
    ),
)  # fmt: skip


def judge_split(answer: Callable[[int], Any]) -> None:
    """Taking apart an address."""
    for ipa in (0x40F8_0000, 0x0900_0018, 0x1234_5678, 0xFFF_FFFF_FFFF):
        expected = (*(mm.mm_index(ipa, level) for level in (3, 2, 1, 0)), ipa % PAGE_SIZE)
        if (got := answer(ipa)) != expected:
            raise Wrong(f"For {ipa:#x} your function gave {got!r}: it is {expected}.")


DESCRIPTORS = (
    (0x4002_1003, 0), (0, 0), (0x4FD, 1), (0x80_0000_04FD, 1), (0x4002_4003, 1), (0x4100_04FD, 2), (0x4002_5003, 2),
    (0x40F8_04FF, 3), (0x40_0000_0900_04CF, 3), (0, 3), (0x40F0_0002, 3), (0x4001_0000, 2),
    (0x4000_04FD, 0), (0x40F8_04FD, 3),
)  # fmt: skip
"""Descriptors, and the level of each, as Arm counts: those that this hypervisor writes, and last two that are none."""
RESERVED = 0, 3
"""Levels without blocks: there a descriptor that ends in 1 is not valid."""


def judge_decode(answer: Callable[[int, int], Any]) -> None:
    """Taking apart a descriptor."""
    for descriptor, level in DESCRIPTORS:
        kind: str
        address: int | None = descriptor & mm.ADDRESS_MASK
        reserved = descriptor & 3 == 1 and level in RESERVED
        if reserved:
            kind, address = "fault", None
        elif mm.arch_mm_pte_is_table(descriptor, 3 - level):
            kind = "table"
        elif mm.arch_mm_pte_is_block(descriptor, 3 - level):
            kind = "page" if level == 3 else "block"
        else:
            kind, address = "fault", None
        if (got := answer(descriptor, level)) != (kind, address):
            where = ", and its address is None" if address is None else f" at {address:#x}"
            pair = isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], int)
            shown = f"({got[0]!r}, {got[1]:#x})" if pair else repr(got)
            why = f" At level {level} there are no blocks: what ends in 1 is reserved there, and faults." * reserved
            raise Wrong(f"For {descriptor:#x} at level {level} your function gave {shown}: it is a {kind}{where}.{why}")


@cache
def loads(vm: int, address: int) -> Run:
    """A VM loads from an address, in a machine of three."""

    def loader() -> Any:
        yield load(address, size=1)

    guests = [loader if vm == number else quiet for number in (1, 2)]
    return boot_scripts(in_turn(1, 2) if vm else loader, guests, f"VM {vm} loads from {address:#x}")


PLACES = (
    (1, VM_1), (1, VM_1 + SIZE - 8), (1, VM_2), (1, VM_1 - 8), (1, 0x4008_0000), (1, 0), (2, VM_2), (2, VM_1 - 8),
    (2, VM_1), (2, VM_2 - 8), (1, 0x0900_0018), (2, 0x0900_1000), (0, 0x4008_0000), (0, VM_2 - 8), (0, VM_2),
    (0, VM_1), (0, 0x4000_1000), (0, 0x4001_A000), (0, 0x4004_A000), (0, 0x0900_0018), (1, VM_1 + SIZE - 1),
    (2, VM_2 + SIZE - 1), (0, VM_1 + SIZE - 1), (0, 0x4004_9FFF), (0, VM_2 - 1), (1, 0x0900_0000), (2, 0x08FF_FFFF),
    (1, 0x0900_0FFF), (2, 0x0900_0FE0), (1, 0x0900_1000), (0, 0x4000_0FFF),
)  # fmt: skip


def judge_faults(answer: Callable[[int, int], Any]) -> None:
    """Which loads fault, against the machine."""
    for vm, address in PLACES:
        run = loads(vm, address)
        fault = next((event for event in traps(run, vm) if event.kind is Kind.FAULT), None)
        if (got := answer(vm, address)) != (fault is not None):
            why = f"Stage 2 of VM {vm} maps it, and the load is done."
            if fault is not None:
                why = " ".join(link.sentence for link in run.why(fault).links[:2])
            raise Wrong(f"For VM {vm} and {address:#x} your function gave {got!r}. {why}", run)


def judge_fill(step: int, answer: str) -> Run:
    """The answer is VM 2, which numbers the pages of its memory, in steps."""
    code = image(answer)
    title = "VM 2 numbers its pages"
    machine = Machine(RamDisk(in_turn(2), [quiet, code]), max_traps=ENOUGH_TRAPS, max_instructions=100_000, title=title)
    run = machine.run()
    assert isinstance(run, Run)
    made = traps(run, 2)
    if made and made[-1].kind is Kind.FAULT:
        raise Wrong(astray(made[-1], run), run)
    if not made or made[-1].kind is not Kind.WFI:
        raise Wrong(f"Your guest never waits: {run.outcome}", run)
    heads = [machine.hypervisor.memory.read(Pa(VM_2 + at), 8) for at in range(0, SIZE, PAGE_SIZE)]
    for number, head in enumerate(heads[1:], 1):
        if (got := int.from_bytes(head, "little")) != step * number:
            at = VM_2 + number * PAGE_SIZE
            raise Wrong(f"Page {number}, at {at:#x}, begins with {got}, not with {step * number}.", run)
    if heads[0] != code[:8]:
        raise Wrong("You have written into page 0, and there your guest's own code lies. Begin with page 1.", run)
    return run


def astray(fault: Event, run: Run) -> str:
    """What a guest that should have kept to VM 2's memory did wrong."""
    esr, far = fault.function or 0, fault.args[0]
    if esr >> 26 != EC_DATA_ABORT:
        return f"Your guest ran into something that is no code. Does it end with wfi? {run.uart.splitlines()[-1]}"
    if far == VM_2 + SIZE:
        return f"Your guest goes one page too far: {far:#x} is the first address of VM 1."
    if far < SIZE:
        return f"Your guest touched {far:#x}: the memory of VM 2 does not begin at 0, it begins at {VM_2:#x}."
    return f"Your guest touched {far:#x}, and that is not its own."


FILL = """
    mov  x1, #0x40f00000    // page 0
    mov  x2, #1
again:
    add  x1, x1, #0x1000    // the next page
    str  x2, [x1]
    add  x2, x2, #1
    cmp  x2, #128
    b.ne again
    wfi
"""


def fill_in_steps(exercise: Exercise, rng: Random) -> Exercise:
    """Other numbers in the pages."""
    step = rng.randrange(2, 32)

    def stepped(text: str) -> str:
        text = re.sub(r"x2, #1\b", f"x2, #{step}", text)
        return re.sub(r"(cmp +x2, #)(\d+)", lambda found: f"{found[1]}{int(found[2]) * step}", text)

    return replace(
        exercise,
        task=exercise.task.replace("the number n", f"{step} times n"),
        judge=partial(judge_fill, step),
        hints=(exercise.hints[0], stepped(exercise.hints[1]), stepped(exercise.hints[2])),
        solution=stepped(exercise.solution),
        wrong={name: (stepped(answer), piece) for name, (answer, piece) in exercise.wrong.items()},
    )


OF_TWO = "a function of two numbers"


# 02-split


def solve_split(ipa):
    return ipa >> 39 & 511, ipa >> 30 & 511, ipa >> 21 & 511, ipa >> 12 & 511, ipa & 4095


def split_level_3_first(ipa):
    return *(ipa >> shift & 511 for shift in (12, 21, 30, 39)), ipa & 4095


def split_indexes_of_8_bits(ipa):
    return ipa >> 39 & 255, ipa >> 30 & 255, ipa >> 21 & 255, ipa >> 12 & 255, ipa & 4095


def split_an_offset_of_9_bits(ipa):
    return ipa >> 39 & 511, ipa >> 30 & 511, ipa >> 21 & 511, ipa >> 12 & 511, ipa & 511


# 02-decode


def decode_takes_what_is_reserved(descriptor, level):
    if descriptor & 1 == 0:
        return "fault", None
    address = descriptor & 0xFFFFFFFFF000
    if level == 3:
        return "page", address
    return ("table" if descriptor & 2 else "block"), address


def solve_decode(descriptor, level):
    if descriptor & 1 == 0 or (descriptor & 3 == 1 and level in (0, 3)):
        return "fault", None
    address = descriptor & 0xFFFFFFFFF000
    if level == 3:
        return "page", address
    return ("table" if descriptor & 2 else "block"), address


def decode_what_is_not_0_is_mapped(descriptor, level):
    if descriptor == 0:
        return "fault", None
    address = descriptor & 0xFFFFFFFFF000
    if level == 3:
        return "page", address
    return ("table" if descriptor & 2 else "block"), address


def decode_bit_1_always_means_table(descriptor, level):
    if descriptor & 1 == 0:
        return "fault", None
    address = descriptor & 0xFFFFFFFFF000
    return ("table" if descriptor & 2 else "block"), address


def decode_the_address_cut_to_32_bits(descriptor, level):
    if descriptor & 1 == 0:
        return "fault", None
    address = descriptor & 0xFFFFF000
    if level == 3:
        return "page", address
    return ("table" if descriptor & 2 else "block"), address


def decode_the_upper_bits_left_in_the_address(descriptor, level):
    if descriptor & 1 == 0:
        return "fault", None
    address = descriptor & ~0xFFF
    if level == 3:
        return "page", address
    return ("table" if descriptor & 2 else "block"), address


# 02-faults


def solve_faults(vm, address):
    if vm == 0:
        return 0x40001000 <= address < 0x4004A000 or 0x40F00000 <= address < 0x41000000
    if 0x9000000 <= address < 0x9001000:
        return False
    first = 0x40F80000 if vm == 1 else 0x40F00000
    return not first <= address < first + 0x80000


def faults_the_primary_may_read_everything(vm, address):
    first = 0x40F80000 if vm == 1 else 0x40F00000
    uart = 0x9000000 <= address < 0x9001000
    return vm != 0 and not uart and not first <= address < first + 0x80000


def faults_the_hypervisor_is_left_to_the_primary(vm, address):
    if vm == 0:
        return 0x40F00000 <= address < 0x41000000
    if 0x9000000 <= address < 0x9001000:
        return False
    first = 0x40F80000 if vm == 1 else 0x40F00000
    return not first <= address < first + 0x80000


def faults_no_device_for_secondaries(vm, address):
    if vm == 0:
        return 0x40001000 <= address < 0x4004A000 or 0x40F00000 <= address < 0x41000000
    if False:
        return False
    first = 0x40F80000 if vm == 1 else 0x40F00000
    return not first <= address < first + 0x80000


def faults_all_of_the_ram_is_everybodys(vm, address):
    return not 0x40000000 <= address < 0x41000000


def faults_leaves_the_last_address_out(vm, address):
    if vm == 0:
        return 0x40001000 <= address < 0x4004A000 or 0x40F00000 <= address < 0x41000000
    if 0x9000000 <= address < 0x9001000:
        return False
    first = 0x40F80000 if vm == 1 else 0x40F00000
    return not first <= address < first + 0x7FFFF


EXERCISES = (
    Exercise(
        id="02-split",
        task="a function that takes an address apart: its indexes at levels 0 to 3, and its offset in the page.",
        wants="a function of one number",
        takes=forms.function,
        judge=judge_split,
        learned="an address is a path through the tables: an index for each level, and a place in the page.",
        hints=(
            "The offset has 12 bits, because a page has 4096 bytes. An index has 9: a table has 512 entries.",
            "The index at level 3 is ipa >> 12 & 511. Each level further up is 9 bits higher.",
            "Return ipa >> 39 & 511, ipa >> 30 & 511, ipa >> 21 & 511, ipa >> 12 & 511, ipa & 4095.",
        ),
        solution=solve_split,
        variant=of_results(lambda rng: (rng.getrandbits(44),)),
        wrong={
            "level 3 first": (split_level_3_first, "it is (0, 1, 7, 384, 0)"),
            "indexes of 8 bits": (split_indexes_of_8_bits, "it is (0, 1, 7, 384, 0)"),
            "an offset of 9 bits": (split_an_offset_of_9_bits, "1656)"),
        },
    ),
    Exercise(
        id="02-decode",
        task="a function of a descriptor and its level that gives its kind and the address that it holds.",
        wants=OF_TWO,
        takes=forms.function,
        judge=judge_decode,
        learned="two bits and the level say what a descriptor is.",
        hints=(
            "Look at bit 0 first, then at the level, then at bit 1.",
            "What is valid at level 3 is a page. At the levels above, bit 1 tells a table from a block.",
            "A fault if descriptor & 1 == 0, and if descriptor & 3 == 1 at level 0 or 3. Else the kind is page at "
            "level 3, table if descriptor & 2, and block if not.",
        ),
        solution=solve_decode,
        wrong={
            "takes what is reserved": (decode_takes_what_is_reserved, "what ends in 1 is reserved there"),
            "what is not 0 is mapped": (decode_what_is_not_0_is_mapped, "it is a fault"),
            "bit 1 always means table": (decode_bit_1_always_means_table, "it is a page"),
            "the address cut to 32 bits": (decode_the_address_cut_to_32_bits, "it is a block at 0x8000000000"),
            "the upper bits left in the address": (
                decode_the_upper_bits_left_in_the_address,
                "it is a page at 0x9000000",
            ),
        },
    ),
    Exercise(
        id="02-faults",
        task="a function of a VM and an address that says whether the VM's load from there faults: True or False.",
        wants=OF_TWO,
        takes=forms.function,
        judge=judge_faults,
        learned="what a VM can reach is what its stage 2 maps, and nothing else.",
        hints=(
            "Print run.stage2(vm) for each of the three VMs. What is not in the table faults.",
            "A secondary has two ranges, its memory and the page of the serial line's device. The primary lacks two.",
            "It lacks 0x40001000 to 0x40049fff, the hypervisor, and 0x40f00000 to 0x40ffffff, the secondaries.",
        ),
        solution=solve_faults,
        wrong={
            "the primary may read everything": (faults_the_primary_may_read_everything, "the address belongs to VM 2"),
            "the hypervisor is left to the primary": (
                faults_the_hypervisor_is_left_to_the_primary,
                "For VM 0 and 0x40001000",
            ),
            "no device for secondaries": (faults_no_device_for_secondaries, "Stage 2 of VM 1 maps it"),
            "all of the RAM is everybody's": (faults_all_of_the_ram_is_everybodys, "For VM 1 and 0x40f00000"),
            "leaves the last address out": (faults_leaves_the_last_address_out, "For VM 1 and 0x40ffffff"),
        },
    ),
    Exercise(
        id="02-fill",
        task="a guest for VM 2 that writes the number n into the first 8 bytes of its page n, for n = 1 "
        "to 127, and waits.",
        wants="assembly as a text",
        takes=forms.source_text,
        judge=partial(judge_fill, 1),
        variant=fill_in_steps,
        learned="a guest has exactly the pages that it was given: the first one too many is another VM's.",
        hints=(
            "VM 2's memory begins at 0x40f00000, and its 512 KiB are 128 pages of 0x1000 bytes.",
            "`str x2, [x1]` stores x2 at the address in x1. `cmp x2, #128` and `b.ne again` make a loop.",
            "In the loop: add x1, x1, #0x1000; str x2, [x1]; add x2, x2, #1; cmp x2, #128; b.ne again. After it: wfi.",
        ),
        solution=FILL,
        wrong={
            "one page too far": (FILL.replace("#128", "#129"), "one page too far"),
            "one page too few": (FILL.replace("#128", "#127"), "Page 127, at 0x40f7f000, begins with 0"),
            "memory begins at 0": (FILL.replace("mov  x1, #0x40f00000", "mov  x1, #0"), "does not begin at 0"),
            "over its own code": (
                FILL.replace("    mov  x2, #1", "    str  x1, [x1]\n    mov  x2, #1"),
                "your guest's own code",
            ),
            "does not wait": (FILL.replace("    wfi\n", ""), "Does it end with wfi?"),
        },
    ),
)
