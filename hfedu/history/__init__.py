"""The hypervisor before and after 2018-10-04: each later repair as a small override, and the interface it replaced.

`hypervisor_type` puts a profile, repairs and changes of one's own over a hypervisor. A repair is a class; `FIXES` says
what was wrong and what it does. It is written from that and from what must hold, and is not upstream's code. What
repairs add to the interface stands in `abi`. They add two kinds of `Step`: "interrupt", a look at a vCPU's
interrupts, and "abort", a look at or a change of a VM's `aborting`.
"""

import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from hfedu.errors import Mistake, nearest
from hfedu.hf.call import Call
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.vm import Vm
from hfedu.history import faults, interrupts, mailbox, registers, switching
from hfedu.history.abi import LaterVm
from hfedu.history.rpc import Rpc, RpcVm

H = TypeVar("H", bound=Hypervisor)
T = TypeVar("T")
PROFILES = ("2018-10-04", "fixed", "rpc")
"""As it was that day; with every repair; with the interface that the commit of that day removed."""


class Fix(NamedTuple):
    """A repair: `summary` says what was wrong, `repair` what it does. `needs` are the ids of those it builds on.

    `shown_by` says who can show the defect: "explorer" (it takes two CPUs), "real guest" or "scripted guest".
    """

    id: str
    mixin: type[Hypervisor]
    shown_by: str
    summary: str
    repair: str
    needs: tuple[str, ...] = ()


FIXES = {
    fix.id: fix
    for fix in (
        Fix(
            "blocked-state",
            switching.BlockedState,
            "scripted guest",
            "A vCPU that waits for a message is recorded as waiting for an interrupt: the switch overwrites its state.",
            "The switch leaves it BLOCKED_MAILBOX.",
        ),
        Fix(
            "regs-race",
            switching.RegsRace,
            "explorer",
            "A vCPU is ready before the CPU that leaves it has saved its registers: another CPU can run it with "
            "old ones, and the late save overwrites its result.",
            "A vCPU runs only once its registers are saved, tested and taken under one lock; its result is kept "
            "beside them until it runs.",
        ),
        Fix(
            "nested-locks",
            switching.NestedLocks,
            "explorer",
            "A blocking receive goes back to the primary with its VM's lock held, and takes the vCPU's lock again "
            "under it.",
            "It drops both locks before it goes back. From then on a sender may wake the vCPU, so its state is "
            "not written again.",
            needs=("blocked-state",),
        ),
        Fix(
            "wfi-repeats",
            interrupts.WfiRepeats,
            "real guest",
            "A trapped WFI is not skipped, so the vCPU traps on it again whenever it runs.",
            "The WFI is skipped, and it does not wait while an interrupt is pending.",
            needs=("no-interrupt",),
        ),
        Fix(
            "wfe-loops",
            interrupts.WfeLoops,
            "scripted guest",
            "A trapped WFE goes back to itself for ever. Only hardware traps it: here a scripted guest stands in.",
            "The WFE is skipped, and the vCPU yields.",
        ),
        Fix(
            "no-interrupt",
            interrupts.NoInterrupt,
            "real guest",
            "Nothing wakes a vCPU that waits in a WFI, so a message to it is never received.",
            "The primary can inject an interrupt, which ends the wait of a WFI, and of a receive with -1. A real "
            "guest finds it at its vector, a script asks for it; a vCPU that runs on another CPU sees it after "
            "its next trap.",
            needs=("blocked-state",),
        ),
        Fix(
            "timer-inverted",
            interrupts.TimerInverted,
            "real guest",
            "CNTHCTL_EL2 is set as if its bits forbade, so the primary's look at its counter or timer hangs the CPU.",
            "The primary may use counter and timer, and a secondary may not.",
        ),
        Fix(
            "abort-hangs",
            faults.AbortHangs,
            "real guest",
            "When a guest touches memory that is not its own, the hypervisor spins for ever, and a physical CPU "
            "is lost.",
            "A secondary that faults is stopped, and HF_VCPU_RUN returns ABORTED for it and from then on for each "
            "of its VM's vCPUs. Without its primary the machine has nothing to go on with: there the CPU is lost "
            "as before.",
        ),
        Fix(
            "clear-not-idempotent",
            mailbox.ClearNotIdempotent,
            "scripted guest",
            "To clear an empty mailbox is an error.",
            "It succeeds.",
        ),
        Fix(
            "writable-notify",
            mailbox.WritableNotify,
            "scripted guest",
            "A sender that found a mailbox busy is never told that it became free.",
            "It can ask to be told. The clear that frees the mailbox then gives 1 to a primary, and switches a "
            "secondary out: the primary sees NOTIFY_WAITERS, takes the VMs that asked, one by one, and lets them "
            "run; each asks whose mailbox it is. No two VMs' locks are ever held together.",
        ),
        Fix(
            "exception-regs",
            registers.ExceptionRegs,
            "real guest",
            "ELR_EL1 and SPSR_EL1 are not switched: a vCPU finds those of the last one, and returns from its "
            "exception there.",
            "They are saved and restored like the others.",
        ),
        Fix(
            "fp-regs",
            registers.FpRegs,
            "real guest",
            "Floating-point registers are not switched: here one VM reads another's. On hardware a secondary's "
            "first use of them traps and hangs the CPU, which Unicorn cannot show.",
            "q0-q31, FPCR and FPSR are saved and restored like the others.",
        ),
        Fix(
            "preempt-as-yield",
            switching.PreemptAsYield,
            "scripted guest",
            "The primary cannot tell a vCPU that an interrupt stopped from one that yielded.",
            "After an interrupt it sees PREEMPTED.",
        ),
        Fix(
            "late-interrupt",
            interrupts.LateInterrupt,
            "scripted guest",
            "A blocking receive waits although an interrupt is pending.",
            "It returns -1 instead, so that the guest can see to the interrupt.",
            needs=("no-interrupt",),
        ),
    )
}
"""The fourteen, by id. A later one lies over an earlier one, and may call on it."""


def hypervisor_type(
    base: type[H], profile: str, fixes: Iterable[str], changes: Iterable[type[Hypervisor]] = ()
) -> type[H]:
    """`base` with a profile and repairs over it, those that they need included, and changes of one's own over these.

    The first of the changes lies on top: what it overrides, it overrides for all others. If they have VMs, mailboxes
    or vCPUs of their own (`vm_type`), these have the fields of the repairs', too. `Mistake` for what there is not, and
    for changes that do not go together.
    """
    if not isinstance(profile, str) or profile not in PROFILES:
        raise Mistake(_unknown("profile", profile, PROFILES))
    names, own = known_fixes(fixes), known_changes(changes)
    if profile == "rpc":
        if names:
            raise Mistake('the profile "rpc" takes no fixes: they repair the interface that came after it')
        repaired: tuple[type[Hypervisor], ...] = (Rpc,)
        vm_type: type[Vm] = RpcVm
    else:
        wanted = with_needs(FIXES if profile == "fixed" else names)
        repaired = tuple(fix.mixin for fix in reversed(FIXES.values()) if fix.id in wanted)
        vm_type = LaterVm if wanted else Vm
    if not own and not repaired:
        return base
    for at, change in enumerate(own):
        for row in vars(change).get("rows", ()):
            served_by(change, row)
        for built in own[at + 1 :]:
            if built is not change and issubclass(built, change):
                both = f"changes=[{built.__name__}, {change.__name__}]"
                raise Mistake(f"{built.__name__} builds on {change.__name__}, so it comes first: {both}")
    try:
        vms = joined((*(change.vm_type for change in own), vm_type))
        return type("ChangedHypervisor", (*own, *repaired, base), {"vm_type": vms})
    except TypeError as error:
        together, why = ", ".join(change.__name__ for change in own), " ".join(str(error).split())
        raise Mistake(f"{together} do not go together: {why}") from None


def served_by(change: type[Hypervisor], row: Call) -> None:
    """`Mistake` unless a class serves a call that it brings, by a function with the arguments that the row names."""
    function = getattr(change, row.api, None)
    wanted = f"write def {row.api}({', '.join(('self', 'cpu', *row.args))})"
    if function is None:
        raise Mistake(f"{change.__name__} brings {row.name} and has no function that serves it: {wanted}")
    try:
        inspect.signature(function).bind(None, None, *row.args)
    except TypeError:
        raise Mistake(f"{change.__name__}.{row.api} does not take the arguments of its row: {wanted}") from None


def known_fixes(fixes: Iterable[str]) -> list[str]:
    """The ids of repairs, of a list or of a single one. `Mistake` for any other."""
    names = [fixes] if isinstance(fixes, str | type) else listed("fixes", fixes)
    for name in names:
        if isinstance(name, type):
            raise Mistake(
                f"{name.__name__} is no repair of ours: give a class of your own as changes=[{name.__name__}]"
            )
        if not isinstance(name, str) or name not in FIXES:
            raise Mistake(_unknown("fix", name, FIXES))
    return names


def listed(option: str, given: Any) -> list[Any]:
    """What an option lists. `Mistake` if it is no list."""
    if not isinstance(given, Iterable):
        raise Mistake(f"{option} must be a list, not {given!r}")
    return list(given)


def known_changes(changes: Iterable[type[Hypervisor]]) -> list[type[Hypervisor]]:
    """Classes that change the hypervisor, of a list or a single one. `Mistake` for whatever else."""
    own: list[Any] = [changes] if isinstance(changes, str | type) else listed("changes", changes)
    for change in own:
        if isinstance(change, str) and change in FIXES:
            raise Mistake(f"{change} is a repair of ours: give it as fixes=[{change!r}]")
        if not isinstance(change, type) or not issubclass(change, Hypervisor):
            raise Mistake(f"a change is a class that builds on hfedu.hf.hypervisor.Hypervisor, not {change!r}")
    return own


def joined(types: Iterable[type[Vm]]) -> type[Vm]:
    """A type of VM with the fields of several, those of their mailboxes and vCPUs too."""
    several = [vm for vm in dict.fromkeys(types) if vm is not Vm]
    if len(several) < 2:
        return several[0] if several else Vm
    fields = {
        "mailbox_type": type("Mailbox", most_special(vm.mailbox_type for vm in several), {}),
        "vcpu_type": type("Vcpu", most_special(vm.vcpu_type for vm in several), {}),
    }
    return type("Vm", most_special(several), fields)


def most_special(types: Iterable[type[T]]) -> tuple[type[T], ...]:
    """Types, each once, without those that another of them builds on."""
    found = list(dict.fromkeys(types))
    return tuple(each for each in found if not any(other is not each and issubclass(other, each) for other in found))


def with_needs(names: Iterable[str]) -> set[str]:
    """The ids and all that they need."""
    return {need for name in names for need in (name, *with_needs(FIXES[name].needs))}


def _unknown(what: str, name: object, known: Iterable[str]) -> str:
    return f"there is no {what} {name!r}{nearest(name, known) or '.'} There are {', '.join(known)}."
