"""`hfedu bench`: how fast hfedu is on this machine, as numbers to compare within one run."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from hfedu.files import asset
from hfedu.guest.unicorn_cpu import bare_hypercalls
from hfedu.notebook import Machine, boot
from hfedu.run.ramdisk import RamDisk
from hfedu.view.sequence import sequence

ROUND_TRIPS = 2000


def seconds(action: Callable[[], object], times: int = 7) -> float:
    """The median of several runs, after one that warms up."""
    action()
    samples = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)


def round_trips(pingpong: RamDisk, record: bool, times: int) -> float:
    """Seconds that ROUND_TRIPS messages to VM 1 and back take, six hypercalls each, booting not counted."""
    few, many = (
        seconds(lambda append=append: Machine(pingpong, append, record=record).run(), times)  # type: ignore[misc]
        for append in ("0", str(ROUND_TRIPS))
    )
    return many - few


def bench(initrd: str | os.PathLike[str] | None = None) -> dict[str, float]:
    """Measure: milliseconds to boot a RAM disk to its end, recorded or not, to draw 50 events, and to import.

    `roundtrip_over_bare` is a round trip (six hypercalls of real guests) over six bare returns from Unicorn.
    """
    relay = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])
    disk = RamDisk.from_file(initrd) if initrd is not None else relay
    run = boot(disk)

    def draw() -> None:
        from hfedu.view import paint

        paint.render(sequence(run, 0, min(49, len(run.events) - 1)), "png")

    plain = seconds(lambda: Machine(disk, record=False).run())
    recorded = seconds(lambda: Machine(disk).run())
    pingpong = RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")])
    bare = seconds(lambda: bare_hypercalls(6 * ROUND_TRIPS), 3)
    trips = [round_trips(pingpong, record, 3) for record in (False, True)]
    python = [sys.executable, "-c", "pass"]
    library = [sys.executable, "-c", "import hfedu; hfedu.boot"]
    start = seconds(lambda: subprocess.run(python, check=True), 3)
    imported = seconds(lambda: subprocess.run(library, check=True), 3)
    return {
        "boot_ms": plain * 1000,
        "boot_recorded_ms": recorded * 1000,
        "recorded_over_plain": recorded / plain,
        "roundtrip_over_bare": trips[0] / bare,
        "recorded_roundtrip_over_bare": trips[1] / bare,
        "figure_of_50_events_ms": seconds(draw, 3) * 1000,
        "import_ms": (imported - start) * 1000,
    }
