"""hfedu: learn how a hypervisor works by running one.

    import hfedu
    run = hfedu.boot("initrd.img")
    print(run.uart)

Everything public is reached from here; the parts are loaded when they are first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "hfedu.errors": ("Mistake",),
    "hfedu.files": ("asset",),
    "hfedu.notebook": ("Machine", "Run", "boot", "explore", "replay"),
    "hfedu.widgets.player": ("Player",),
    "hfedu.widgets.playground": ("playground",),
    "hfedu.widgets.orders": ("you_schedule",),
    "hfedu.widgets.hypervisor": ("you_are_the_hypervisor",),
    "hfedu.course.demonstrations": ("demonstrate",),
    "hfedu.course.exercises": ("arrange", "check", "hint", "solution"),
    "hfedu.course.predictions": ("predict",),
    "hfedu.course.progress": ("progress",),
    "hfedu.view.calls": ("hypercalls",),
    "hfedu.guest.toolchain": ("assemble", "compile_c"),
    "hfedu.run.replay": ("Scenario",),
    "hfedu.run.invariants": ("INVARIANTS", "Invariant"),
    "hfedu.run.ramdisk": ("RamDisk", "Secondary"),
    "hfedu.run.kinds": ("Kind",),
    "hfedu.run.recording": ("Actor", "Event", "Outcome"),
    "hfedu.guest.scripted": (
        "clear", "configure", "cpu_on", "hvc", "hypercall", "load", "meet", "Message", "power_off", "print_line",
        "receive", "send", "smc", "store", "vcpu_count", "vcpu_run", "vm_count", "wait_for_interrupt",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hfedu' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
