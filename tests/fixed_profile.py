"""What profile="fixed" prints where the hypervisor of 2018 printed something else, for each recorded run.

`python tests/fixed_profile.py` writes fixed_profile.txt: for each run that differs its name, the repair that makes the
difference, the number of the first line that differs, and that line's call, old and new result. What a guest does later
follows from that: it branches on results.
"""

import re
from pathlib import Path

from conftest import recorded

from hfedu.run.machine import Machine

LISTED = Path(__file__).parent / "fixed_profile.txt"
RESULT = re.compile(r"(V\d+ #\d+) hvc (\w+)\(.*\)=(\w+) regs=.*")
CHANGED_BY = {
    "ff06": "clear-not-idempotent",
    "ff07": "no-interrupt",
    "ff08": "no-interrupt",
    "ff09": "writable-notify",
    "ff0a": "writable-notify",
}


def printed(run, **how) -> bytes:
    machine = Machine(run.initrd, memory=run.memory, record=False, max_traps=100_000, **how)
    assert machine.run().outcome.kind == "power off"
    return machine.uart


def difference(run) -> str | None:
    """The line of the list for one run, None if nothing differs."""
    fixed = printed(run, profile="fixed")
    lines = zip(run.uart.decode("latin-1").splitlines(), fixed.decode("latin-1").splitlines(), strict=False)
    for number, (old, new) in enumerate(lines, 1):
        if old != new:
            was, now = RESULT.fullmatch(old), RESULT.fullmatch(new)
            assert was is not None, old
            assert now is not None, new
            assert (was[1], was[2]) == (now[1], now[2]), (old, new)
            return f"{run.name} {CHANGED_BY[was[2]]} {number} {was[1]} {was[2]} {was[3]} {now[3]}"
    assert fixed == run.uart
    return None


if __name__ == "__main__":
    lines = filter(None, map(difference, recorded("runs")))
    LISTED.write_text("".join(f"{line}\n" for line in lines))
