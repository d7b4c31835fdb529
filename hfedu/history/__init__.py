"""The hypervisor before and after 2018-10-04: each later repair as a small override, and the interface it replaced.

`hypervisor_type` puts a profile and repairs over a hypervisor. A repair is a class whose docstring says, in two
paragraphs, what was wrong and what it does; it is written from that and from what must hold, and is not upstream's
code. What repairs add to the interface stands in `abi`. They add two kinds of `Step`: "interrupt", a look at a vCPU's
interrupts, and "abort", a look at or a change of a VM's `aborting`.
"""

import difflib
import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from hfedu.errors import Mistake
from hfedu.hf.hypervisor import Hypervisor
from hfedu.history import faults, interrupts, mailbox, registers, switching
from hfedu.history.abi import LaterVm
from hfedu.history.rpc import Rpc

H = TypeVar("H", bound=Hypervisor)
Change = str | type[Hypervisor]
"""The id of a repair, or a class of your own that overrides what it changes."""
PROFILES = ("2018-10-04", "fixed", "rpc")
"""As it was that day; with every repair; with the interface that the commit of that day removed."""


class Fix(NamedTuple):
    """A repair. `needs` are the ids of those it builds on.

    `shown_by` says who can show the defect: "explorer" (it takes two CPUs), "real guest" or "scripted guest".
    """

    id: str
    mixin: type[Hypervisor]
    shown_by: str
    needs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was wrong."""
        return self._paragraph(0)

    @property
    def repair(self) -> str:
        """What the repair does."""
        return self._paragraph(1)

    def _paragraph(self, number: int) -> str:
        return " ".join((inspect.getdoc(self.mixin) or "").split("\n\n")[number].split())


FIXES = {
    fix.id: fix
    for fix in (
        Fix("blocked-state", switching.BlockedState, "scripted guest"),
        Fix("regs-race", switching.RegsRace, "explorer"),
        Fix("nested-locks", switching.NestedLocks, "explorer", ("blocked-state",)),
        Fix("wfi-repeats", interrupts.WfiRepeats, "real guest", ("no-interrupt",)),
        Fix("wfe-loops", interrupts.WfeLoops, "scripted guest"),
        Fix("no-interrupt", interrupts.NoInterrupt, "real guest", ("blocked-state",)),
        Fix("timer-inverted", interrupts.TimerInverted, "real guest"),
        Fix("abort-hangs", faults.AbortHangs, "real guest"),
        Fix("clear-not-idempotent", mailbox.ClearNotIdempotent, "scripted guest"),
        Fix("writable-notify", mailbox.WritableNotify, "scripted guest"),
        Fix("exception-regs", registers.ExceptionRegs, "real guest"),
        Fix("fp-regs", registers.FpRegs, "real guest"),
        Fix("preempt-as-yield", switching.PreemptAsYield, "scripted guest"),
        Fix("late-interrupt", interrupts.LateInterrupt, "scripted guest", ("no-interrupt",)),
    )
}
"""The fourteen, by id. A later one lies over an earlier one, and may call on it."""


def hypervisor_type(base: type[H], profile: str, fixes: Iterable[Change]) -> type[H]:
    """`base` with a profile and repairs over it, those that they need included, and classes of your own over these.

    `Mistake` if there is none such.
    """
    if profile not in PROFILES:
        raise Mistake(_unknown("profile", profile, PROFILES))
    changes = [fixes] if isinstance(fixes, str | type) else list(fixes)
    own = [change for change in changes if isinstance(change, type) and issubclass(change, Hypervisor)]
    names: list[Any] = [change for change in changes if change not in own]
    for name in names:
        if name not in FIXES:
            raise Mistake(_unknown("fix", name, FIXES))
    if profile == "rpc":
        if changes:
            raise Mistake('the profile "rpc" takes no fixes: they repair the interface that came after it')
        return type("RpcHypervisor", (Rpc, base), {})
    wanted = with_needs(FIXES if profile == "fixed" else names)
    mixins = [fix.mixin for fix in reversed(FIXES.values()) if fix.id in wanted]
    classes = (*sorted(own, key=lambda change: change.__qualname__), *mixins, base)
    if len(classes) == 1:
        return base
    return type("RepairedHypervisor", classes, {"vm_type": LaterVm} if wanted else {})


def with_needs(names: Iterable[str]) -> set[str]:
    """The ids and all that they need."""
    return {need for name in names for need in (name, *with_needs(FIXES[name].needs))}


def _unknown(what: str, name: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), known, 1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"there is no {what} {name!r}{hint} There are {', '.join(known)}."
