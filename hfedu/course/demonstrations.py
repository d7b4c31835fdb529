"""Every mistake that hfedu can show: the fourteen defects of 2018, and hypervisors that are wrong on purpose."""

import gc
from collections.abc import Iterable
from typing import Any

from hfedu.course.shared.defects import DEFECTS, Demonstration, Observation
from hfedu.course.shared.wrong import WRONG
from hfedu.errors import Mistake, nearest
from hfedu.hf.hypervisor import Hypervisor
from hfedu.history import known_changes, known_fixes
from hfedu.notebook import Exploration

DEMONSTRATIONS: dict[str, Demonstration] = {**DEFECTS, **WRONG}
"""By id: the defects in the order of `hfedu.history.FIXES`, then the wrong ones."""


def demonstrate(
    mistake: str,
    profile: str | None = None,
    fixes: Iterable[str] = (),
    changes: Iterable[type[Hypervisor]] = (),
    **options: Any,
) -> Exploration | Observation:
    """Show one mistake: what breaks, and what was tried to find it.

    Without a `profile` the hypervisor is the one at fault: that of 2018-10-04, or the repaired one with the mistake.
    `fixes` are switched on besides, and `changes` lie on top. `options` go to `explore`. Example:
    `demonstrate("regs-race", fixes={"regs-race"})` breaks nothing. `Mistake` if there is no such mistake, or it cannot
    be shown with these options.
    """
    if not isinstance(mistake, str) or mistake not in DEMONSTRATIONS:
        hint = nearest(mistake, DEMONSTRATIONS) or "."
        raise Mistake(f"there is no demonstration {mistake!r}{hint} There are {', '.join(DEMONSTRATIONS)}.")
    if profile == "rpc":
        raise Mistake('the profile "rpc" has other calls than these scripts make: take "2018-10-04" or "fixed"')
    found = DEMONSTRATIONS[mistake]
    hypervisor = {"profile": profile, "fixes": known_fixes(fixes), "changes": known_changes(changes)}
    if profile is None:
        hypervisor |= {"profile": found.fault.profile, "changes": [*known_changes(changes), *found.fault.changes]}
    shown = found.show(hypervisor, **options)
    gc.collect()  # machines are in cycles, few objects with much memory: Python would keep dozens of them
    return shown
