"""`hfedu bench`: how fast hfedu is on this machine, as numbers to compare within one run."""

import importlib.util
import os
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import cycle
from typing import Any

from hfedu.course.shared.defects import DEFECTS, Explored, send_hello
from hfedu.course.shared.wrong import run_twice, send_two
from hfedu.errors import Mistake, needing
from hfedu.files import asset
from hfedu.guest.scripted import Action, clear, configure, send, vcpu_run, vm_count
from hfedu.hf import platform
from hfedu.notebook import Machine, boot
from hfedu.run.explorer import Exploration, explore
from hfedu.run.moves import replayer
from hfedu.run.ramdisk import RamDisk
from hfedu.view.sequence import sequence

with needing("unicorn"):
    from hfedu.guest.unicorn_cpu import bare_hypercalls

TRAPS_MEASURED = 6_000
COUNT_VMS = struct.pack("<3I", 0xD29F_E020, 0xD400_0002, 0x17FF_FFFE)
"""A guest that asks for ever how many VMs there are: mov x0, #HF_VM_GET_COUNT; hvc #0; b .-8."""
SPIN = struct.pack("<I", 0x1400_0000)
PREEMPT = bytes.fromhex(
    "1400a1d2 3500a1d2 21008052 810200b9 a10200b9 e11f8052 a10600b9 0100a152 810201b9 210080d2 21e31bd5"
    "a50e40b9 810c80d2 01e31bd5 a51200b9 00e09f52 210080d2 020080d2 020000d4 f8ffff17"
)
"""A primary that runs VM 1 for ever, in slices of 100 ticks.

It sets the interrupt controller up and CNTV_CTL_EL0; then, again and again: ldr w5, GICC_IAR; msr cntv_tval_el0, 100;
str w5, GICC_EOIR; HF_VCPU_RUN. So each interrupt costs two traps.
"""


WATCH_KEYS = """addEventListener("keydown", (event) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp);
    port2.postMessage(0);
}), true)"""
"""Measures from a key press to right after the next frame is painted."""


def seconds(action: Callable[[], object], times: int = 7) -> float:
    """The median of several runs, after one that warms up."""
    action()
    samples = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)


def trap(ramdisk: RamDisk, append: str = "", traps: int = TRAPS_MEASURED, record: bool = False) -> float:
    """Seconds of CPU per trap of a run of so many, its beginning not counted."""
    machine = Machine(ramdisk, append, "64M", heap_pages=platform.MAX_HEAP_PAGES, max_traps=traps, record=record)
    for _ in range(20):
        machine.step()
    begin = time.process_time()
    machine.run()
    return (time.process_time() - begin) / (machine.budget.trapped - 20)


def ask_for_ever() -> Generator[Action, Any, None]:
    """`COUNT_VMS` as a script."""
    while True:
        yield vm_count()


def echoes(vms: int) -> RamDisk:
    """A scripted primary that sends messages to all other VMs in turn, each of which sends them back."""

    def primary() -> Generator[Action, Any, None]:
        yield configure()
        for vm in cycle(range(1, vms)):
            yield vcpu_run(vm)
            yield send(vm, bytes(32))
            yield vcpu_run(vm)
            yield clear()

    return RamDisk(primary, [asset("echo.bin")] * (vms - 1))


def costs() -> dict[str, float]:
    """What traps cost, as ratios. Each number is the least of several, and those that are compared take turns."""
    pingpong = RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")])  # 10 events every 6 traps
    count, script, few, many = RamDisk(COUNT_VMS), RamDisk(ask_for_ever), echoes(2), echoes(15)
    measures: dict[str, Callable[[], float]] = {
        "bare": lambda: bare_hypercalls(TRAPS_MEASURED) / TRAPS_MEASURED,
        "roundtrip": lambda: trap(pingpong, str(TRAPS_MEASURED)),
        "recorded_roundtrip": lambda: trap(pingpong, str(TRAPS_MEASURED), record=True),
        "hypercall": lambda: trap(count),
        "recorded_hypercall": lambda: trap(count, record=True),
        "scripted_hypercall": lambda: trap(script),
        "interrupt": lambda: 2 * trap(RamDisk(PREEMPT, [SPIN])),
        "2_vms": lambda: trap(few),
        "15_vms": lambda: trap(many),
        "1e3_events": lambda: trap(pingpong, str(TRAPS_MEASURED), 600, record=True),
        "1e5_events": lambda: trap(pingpong, str(TRAPS_MEASURED), 60_000, record=True),
    }
    rounds = [{name: measure() for name, measure in measures.items()} for _ in range(4)]
    least = {name: min(times[name] for times in rounds) for name in measures}
    return {
        **{f"{name}_over_bare": least[name] / least["bare"] for name in list(measures)[1:7]},
        "interrupts_per_s": 1 / least["interrupt"],
        "15_vms_over_2": least["15_vms"] / least["2_vms"],
        "1e5_events_over_1e3": least["1e5_events"] / least["1e3_events"],
    }


def bench_player(events: int = 10_000) -> dict[str, float]:
    """Milliseconds from a key press to the next picture in a real browser, for a run of about so many events.

    One event on, ten on, and between the first and the last. `Mistake` without Playwright or Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        raise Mistake("hfedu bench player needs Chromium on the PATH and Playwright: pip install playwright")
    from playwright.sync_api import sync_playwright

    traps = events * 6 // 10
    run = boot(RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")]), str(traps), max_traps=traps)
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]).new_page()
        page.set_content(run.to_html(), wait_until="load")
        page.evaluate(WATCH_KEYS)
        figures: dict[str, float] = {"events": len(run.events)}
        for name, keys in {"step": ["ArrowRight"], "ten": ["PageDown"], "far": ["End", "Home"]}.items():
            page.evaluate("window.waits = []")
            for key in keys * (20 // len(keys)):
                page.keyboard.press(key)
                page.wait_for_timeout(50)
            figures[f"key_to_paint_{name}_ms"] = statistics.median(page.evaluate("window.waits"))
    return figures


def bench(initrd: str | os.PathLike[str] | None = None) -> dict[str, float]:
    """Measure: milliseconds to boot a RAM disk to its end, recorded or not, to draw 50 events, and to import.

    And ratios. `_over_bare`: a round trip (six hypercalls of two real guests) over six bare returns from Unicorn, and
    one hypercall over one. `interrupt_over_bare`: a timer's interrupt that takes the CPU out of a VM, until that runs
    again; `interrupts_per_s` of CPU. `15_vms_over_2`: a message that 15 VMs take turns to answer over one between two.
    `1e5_events_over_1e3`: a recorded event in a run of so many over one in a short run.
    """
    relay = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])
    disk = RamDisk.from_file(initrd) if initrd is not None else relay
    run = boot(disk, max_traps=None)
    if run.outcome.kind == "budget":
        raise Mistake(f"hfedu bench measures boots to their end, and this one did not end: {run.outcome.sentence}")

    def draw() -> None:
        from hfedu.view import paint

        paint.render(sequence(run, 0, min(49, len(run.events) - 1)), "png")

    plain = seconds(lambda: Machine(disk, record=False).run())
    recorded = seconds(lambda: Machine(disk).run())
    python = [sys.executable, "-c", "pass"]
    library = [sys.executable, "-c", "import hfedu; hfedu.boot"]
    start = seconds(lambda: subprocess.run(python, check=True), 3)
    imported = seconds(lambda: subprocess.run(library, check=True), 3)
    return {
        "boot_ms": plain * 1000,
        "boot_recorded_ms": recorded * 1000,
        "recorded_over_plain": recorded / plain,
        **costs(),
        "figure_of_50_events_ms": seconds(draw, 3) * 1000,
        "import_ms": (imported - start) * 1000,
    }


def explored(*arguments: Any, **options: Any) -> tuple[float, Exploration]:
    """Seconds of CPU for an exploration from switch-on to its end, and what it found."""
    replayer.cache_clear()
    begin = time.process_time()
    found = explore(*arguments, **options)
    if found.interrupted:
        raise KeyboardInterrupt
    return time.process_time() - begin, found


def bench_explore() -> dict[str, float]:
    """Measure the explorer on one core: seconds, states and steps a second, and how many schedules it saves.

    The register race up to its first violation and whole; two CPUs, and three, that make two hypercalls each, in every
    order. `plain_over_pruned`: complete schedules without reduction over those with it, of two sends to one mailbox.
    """
    race = DEFECTS["regs-race"]
    assert isinstance(race, Explored)
    senders = replace(race.scenario, cpus=(send_hello, send_hello))
    two = replace(race.scenario, cpus=(run_twice, race.scenario.cpus[1]))
    three = replace(two, cpus=(*two.cpus, send_two))
    first, _ = explored(race.scenario, race.invariants, first=True)
    whole, _ = explored(race.scenario, race.invariants)
    both, _ = explored(two, profile="fixed")
    all_three, found = explored(three, cpus=3, profile="fixed")
    pruned, plain = (explored(senders, prune=prune)[1].schedules or 0 for prune in (True, False))
    return {
        "race_first_s": first,
        "race_s": whole,
        "two_cpus_s": both,
        "three_cpus_s": all_three,
        "states_per_s": found.states / all_three,
        "steps_per_s": found.steps / all_three,
        "plain_over_pruned": plain / pruned,
    }
