"""Conditions that the hypervisor looks at, as data: what it looked for, on whom, what it found, and what that decided.

A call is refused where it is decided, by a `Refused`: the number that the guest gets, and the condition that failed.
Whoever overrides a function and returns a plain -1 gives no reason, and nobody invents one.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from hfedu.hf.call import ERROR

Value = int | str | None
KEPT = frozenset((int, str, type(None)))
"""The types of values that a check keeps as they are."""


class Check(NamedTuple):
    """A condition that was looked at: its text, the name of whom it is about, what was found there, whether it held.

    Example: `Check("mailbox.state is EMPTY", "vm1.mailbox", (("state", "READ"),), False)`.
    """

    condition: str
    on: str
    values: tuple[tuple[str, Value], ...]
    passed: bool

    def value(self, name: str) -> Value:
        """What was found under a name; None if nothing was noted under it."""
        return dict(self.values).get(name)


class Refused(int):
    """A result that refuses a call: the number in the caller's x0, and the `check` that decided.

    It is false, so that conditions read `self.require(...) and self.require(...)`.
    """

    check: Check

    def __new__(cls, result: int, check: Check) -> "Refused":
        """The result with its reason."""
        refused = super().__new__(cls, result)
        refused.check = check
        return refused

    def __bool__(self) -> bool:
        return False


def noted_value(value: Any) -> Value:
    """A value as a check keeps it: numbers as they are, states by their names, whatever else by what it is called."""
    if type(value) in KEPT:
        return value  # type: ignore[no-any-return]
    if isinstance(value, Enum):
        return value._name_
    if isinstance(value, int | str):
        return value
    return str(getattr(value, "name", type(value).__name__))


class Checks:
    """What notes conditions. `on_check` is told of each, if somebody listens."""

    on_check: Callable[[Check], None] | None = None

    def noted(self, passed: bool, condition: str, on: Any, **values: Any) -> bool:
        """Note a condition that decides something. Whether it holds."""
        if self.on_check is not None:
            self.on_check(self._check(passed, condition, on, values))
        return passed

    def require(self, passed: bool, condition: str, on: Any, result: int = ERROR, **values: Any) -> "bool | Refused":
        """Note a condition without which a call is refused: True if it holds, else the refusal with its reason.

        `condition` is its text, `on` the object that it is about, `values` what was found.
        """
        if passed and self.on_check is None:
            return True
        check = self._check(passed, condition, on, values)
        if self.on_check is not None:
            self.on_check(check)
        return True if passed else Refused(result, check)

    @staticmethod
    def _check(passed: bool, condition: str, on: Any, values: dict[str, Any]) -> Check:
        found = tuple([
            (name, value if type(value) in KEPT else noted_value(value)) for name, value in values.items()
        ])  # fmt: skip
        about = on.name
        return Check(condition, about if type(about) is str else about.decode("latin-1"), found, bool(passed))
