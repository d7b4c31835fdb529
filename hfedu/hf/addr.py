"""Three kinds of address that never mix (upstream: inc/hf/addr.h).

A type checker keeps them apart; at run time each is a plain integer.
"""

from typing import NewType

Pa = NewType("Pa", int)
"""Physical address: what the memory bus sees."""
Ipa = NewType("Ipa", int)
"""Intermediate physical address: what a guest takes for physical; stage 2 translates it to a `Pa`."""
Va = NewType("Va", int)
"""Virtual address, here always one of the hypervisor's own; its stage 1 translates it to a `Pa`."""

PAGE_BITS = 12
PAGE_SIZE = 1 << PAGE_BITS
NULL = Va(0)


def pa_add(pa: Pa, n: int) -> Pa:
    """`pa` plus n bytes."""
    return Pa(pa + n)


def pa_from_ipa(ipa: Ipa) -> Pa:
    """Stage 2 maps every guest at the address it already has, so the numbers are equal."""
    return Pa(ipa)


def va_from_pa(pa: Pa) -> Va:
    """The hypervisor maps what it needs at its physical address, so the numbers are equal."""
    return Va(pa)


def pa_from_va(va: Va) -> Pa:
    """The inverse of `va_from_pa`."""
    return Pa(va)


def align_up(value: int, unit: int) -> int:
    """`value` rounded up to a multiple of `unit`, a power of two; wraps at 64 bits as C does."""
    return (value + unit - 1) & -unit & (1 << 64) - 1
