"""Hooks: functions that exist so that a hypervisor of another kind can override them.

Upstream has no such function: it has their code in the place from which they are called. Everything else in this
folder bears upstream's name.
"""

from typing import TypeVar

F = TypeVar("F")

HOOKS: list[str] = []
"""The names of all of them, in the order of the files."""


def hook(function: F) -> F:
    """Mark a function as one that is there to be overridden."""
    HOOKS.append(function.__qualname__)  # type: ignore[attr-defined]
    return function
