"""Data races: two accesses to one variable, one of them a write, that nothing orders.

In a space in which every order is tried, two accesses that no lock, message or switch orders come one right after the
other in some order, and then in both: so a race is a state in which two CPUs can both go on, and the next step of one
conflicts with the next step of the other. That is the race of happens-before, without a clock for each CPU: whatever
orders two steps keeps one of the two CPUs from being able to go on.
"""

from collections.abc import Iterable
from typing import Any

from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.platform import HEAP_BEGIN, HEAP_PAGES
from hfedu.run.replay import Replayer
from hfedu.run.traced import Name, TraceAccess

RACE = "race"
"""What the name of a race begins with."""
MEANING = "No two CPUs access the same data, one to write, with nothing that orders them."
SYNCHRONISES = "owner"
"""The field of a lock: what is done to it is what orders all else."""


class Races:
    """The data that CPUs share, by name, and the pairs of accesses to it."""

    def __init__(self, replay: Replayer) -> None:
        hypervisor, vms = replay.machine.hypervisor, replay.machine.hypervisor.vms
        vcpus = [vcpu for vm in vms for vcpu in vm.vcpus]
        shared: list[Any] = [*vms, *(vm.mailbox for vm in vms), *vcpus]
        self.names = {id(found): found.name for found in shared}
        self.names |= {id(vcpu.regs): f"{vcpu.name}.regs" for vcpu in vcpus} | {id(hypervisor): "hypervisor"}

    def data(self, accesses: Iterable[TraceAccess]) -> list[TraceAccess]:
        """Those of accesses that are to shared data."""
        return [access for access in accesses if access.site is not None and self.said(access.name) is not None]

    def said(self, name: Name) -> str | None:
        """What a variable is called, None if it is no data that CPUs share."""
        if name[0] == "page":
            return "memory"
        found = self.names.get(name[0])
        return None if found is None or name[1] == SYNCHRONISES else f"{found}.{name[1]}" if name[1] else found

    def between(self, first: list[TraceAccess], second: list[TraceAccess]) -> tuple[TraceAccess, TraceAccess] | None:
        """Two accesses that conflict, None if there are none."""
        for one in first:
            for other in second:
                conflict = one.name == other.name and (one.write or other.write) and not (one.atomic and other.atomic)
                if conflict and one.span[0] < other.span[1] and other.span[0] < one.span[1]:
                    return one, other
        return None

    def told(self, cpus: tuple[int, int], pair: tuple[TraceAccess, TraceAccess]) -> tuple[str, str, tuple[str, str]]:
        """The name of a race, a sentence about it, and one about each of its two accesses."""
        one, other = pair
        what = self.said(one.name) or ""
        if one.name[0] == "page":
            what = f"memory at {max(one.span[0], other.span[0]):#x}"
            if HEAP_BEGIN <= one.span[0] < HEAP_BEGIN + HEAP_PAGES * PAGE_SIZE:
                what = f"a page table at {one.span[0]:#x}"
        says = [f"CPU {cpu} {'writes' if each.write else 'reads'}" for cpu, each in zip(cpus, pair, strict=True)]
        said = f"{says[0]} {what} ({one.site}), {says[1]} it ({other.site}), and nothing orders the two"
        return f"{RACE} on {what}", said, (f"{says[0]} {what} ({one.site})", f"{says[1]} {what} ({other.site})")
