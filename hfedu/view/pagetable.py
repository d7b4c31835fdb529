"""Stage 2 in words and tables: what a VM may touch, and the walk of one address."""

from hfedu.errors import Mistake
from hfedu.hf import mm
from hfedu.run import words
from hfedu.run.recording import Recording, Stage2


def describe_attrs(attrs: int) -> str:
    """The rights of a stage-2 descriptor. Example: "RWX normal", "RW- device".

    "device" is Device-GRE, and both are the least strict of their kind: what a guest's stage 1 says beyond it counts.
    """
    rights = ("R" if attrs & mm.STAGE2_S2AP_R else "-") + ("W" if attrs & mm.STAGE2_S2AP_W else "-")
    rights += "-" if attrs & mm.STAGE2_XN else "X"
    normal = attrs & mm.STAGE2_MEMATTR_NORMAL == mm.STAGE2_MEMATTR_NORMAL
    return f"{rights} {'normal' if normal else 'device'}"


def stage2_of(recording: Recording, vm: int, seq: int | None = None) -> Stage2:
    """A VM's stage-2 tables as of event `seq`, the last by default. `Mistake` if there is no such VM then."""
    state = recording.at(len(recording.events) - 1 if seq is None else seq)
    found = state.get(f"vm{vm}.stage2")
    if not isinstance(found, Stage2):
        vms = sorted({line.vm for line in recording.lifelines if f"vm{line.vm}.stage2" in state})
        raise Mistake(f"there is no VM {vm!r} at this event: there are {', '.join(map(str, vms)) or 'none'}")
    return found


def stage2_map(recording: Recording, vm: int, seq: int | None = None) -> str:
    """A table of what a VM may touch, one line per range of addresses."""
    lines = [f"Stage 2 of VM {vm}", f"{'from':>14} {'to':>14} {'size':>10}  rights"]
    for begin, end, attrs in stage2_of(recording, vm, seq).mappings():
        lines.append(f"{begin:#14x} {end - 1:#14x} {words.size(end - begin):>10}  {describe_attrs(attrs)}")
    return "\n".join(lines)


def describe_descriptor(descriptor: int, level: int) -> str:
    """What a descriptor says. Levels are upstream's: 3 the root, 0 a page."""
    if mm.arch_mm_pte_is_table(descriptor, level):
        return f"table at {descriptor & mm.ADDRESS_MASK:#x}"
    if mm.arch_mm_pte_is_block(descriptor, level):
        size = mm.mm_entry_size(level)
        what = "page" if level == 0 else f"block of {words.size(size)}"
        return f"{what} at {descriptor & mm.ADDRESS_MASK & -size:#x}, {describe_attrs(descriptor)}"
    return "not valid: the access faults"


def walk(recording: Recording, vm: int, ipa: int, seq: int | None = None) -> str:
    """The walk of one intermediate physical address, level by level, each descriptor decoded."""
    if not isinstance(ipa, int) or not 0 <= ipa < 1 << 48:
        raise Mistake(f"{ipa!r} is no address of a VM: give one from 0 to {(1 << 48) - 1:#x}")
    stage2 = stage2_of(recording, vm, seq)
    if not stage2.tables:
        raise Mistake(f"VM {vm} has no table to walk: there was no page for it when it was loaded")
    lines = [f"VM {vm} touches {ipa:#x}"]
    if ipa >> mm.PA_BITS:
        return f"{lines[0]}\n  more than the {mm.PA_BITS} bits that VTCR_EL2 allows: an address size fault, and no walk"
    steps = stage2.walk(ipa)
    for level, entry, descriptor in steps:
        arm = mm.MAX_LEVEL_STAGE2 - level
        lines.append(
            f"  level {arm} (upstream's {level}): entry {mm.mm_index(ipa, level):3} at {entry:#x}: {descriptor:#018x}: "
            f"{describe_descriptor(descriptor, level)}"
        )
    level, _, descriptor = steps[-1]
    if mm.arch_mm_pte_is_block(descriptor, level):
        size = mm.mm_entry_size(level)
        lines.append(f"  physical address {descriptor & mm.ADDRESS_MASK & -size | ipa & size - 1:#x}")
    return "\n".join(lines)
