"""hfedu: learn how a hypervisor works by running one.

    import hfedu
    recording = hfedu.boot("initrd.img")
    print(recording.uart)

Everything public is reached from here; the parts are loaded when they are first used.
"""

TYPE_CHECKING = False  # nothing is imported here: an interrupt before `hfedu.__main__` runs is a traceback

if TYPE_CHECKING:  # which type checkers and editors take for true: the same names for them
    from typing import Any

    from hfedu.course.demonstrations import demonstrate as demonstrate
    from hfedu.course.exercises import arrange as arrange
    from hfedu.course.exercises import check as check
    from hfedu.course.exercises import hint as hint
    from hfedu.course.exercises import solution as solution
    from hfedu.course.predictions import predict as predict
    from hfedu.course.progress import progress as progress
    from hfedu.course.tour import tour as tour
    from hfedu.errors import Mistake as Mistake
    from hfedu.files import asset as asset
    from hfedu.guest.scripted import Message as Message
    from hfedu.guest.scripted import barrier as barrier
    from hfedu.guest.scripted import clear as clear
    from hfedu.guest.scripted import compare_and_swap as compare_and_swap
    from hfedu.guest.scripted import configure as configure
    from hfedu.guest.scripted import cpu_on as cpu_on
    from hfedu.guest.scripted import hvc as hvc
    from hfedu.guest.scripted import hypercall as hypercall
    from hfedu.guest.scripted import load as load
    from hfedu.guest.scripted import load_acquire as load_acquire
    from hfedu.guest.scripted import load_exclusive as load_exclusive
    from hfedu.guest.scripted import meet as meet
    from hfedu.guest.scripted import power_off as power_off
    from hfedu.guest.scripted import print_line as print_line
    from hfedu.guest.scripted import receive as receive
    from hfedu.guest.scripted import send as send
    from hfedu.guest.scripted import smc as smc
    from hfedu.guest.scripted import store as store
    from hfedu.guest.scripted import store_exclusive as store_exclusive
    from hfedu.guest.scripted import store_release as store_release
    from hfedu.guest.scripted import vcpu_count as vcpu_count
    from hfedu.guest.scripted import vcpu_run as vcpu_run
    from hfedu.guest.scripted import vm_count as vm_count
    from hfedu.guest.scripted import wait_for_interrupt as wait_for_interrupt
    from hfedu.guest.toolchain import assemble as assemble
    from hfedu.guest.toolchain import compile_c as compile_c
    from hfedu.notebook import Machine as Machine
    from hfedu.notebook import Run as Run
    from hfedu.notebook import boot as boot
    from hfedu.notebook import explore as explore
    from hfedu.notebook import find as find
    from hfedu.notebook import replay as replay
    from hfedu.run.invariants import INVARIANTS as INVARIANTS
    from hfedu.run.invariants import Invariant as Invariant
    from hfedu.run.kinds import Kind as Kind
    from hfedu.run.ramdisk import RamDisk as RamDisk
    from hfedu.run.ramdisk import Secondary as Secondary
    from hfedu.run.recording import Actor as Actor
    from hfedu.run.recording import Event as Event
    from hfedu.run.recording import Outcome as Outcome
    from hfedu.run.replay import Scenario as Scenario
    from hfedu.view.calls import hypercalls as hypercalls
    from hfedu.widgets.hypervisor import you_are_the_hypervisor as you_are_the_hypervisor
    from hfedu.widgets.orders import you_schedule as you_schedule
    from hfedu.widgets.player import Player as Player
    from hfedu.widgets.playground import playground as playground
    from hfedu.widgets.wish import wish as wish

__version__ = "0.1.0"

_PUBLIC = {
    "hfedu.errors": ("Mistake",),
    "hfedu.files": ("asset",),
    "hfedu.notebook": ("Machine", "Run", "boot", "explore", "find", "replay"),
    "hfedu.widgets.player": ("Player",),
    "hfedu.widgets.playground": ("playground",),
    "hfedu.widgets.wish": ("wish",),
    "hfedu.widgets.orders": ("you_schedule",),
    "hfedu.widgets.hypervisor": ("you_are_the_hypervisor",),
    "hfedu.course.demonstrations": ("demonstrate",),
    "hfedu.course.exercises": ("arrange", "check", "hint", "solution"),
    "hfedu.course.predictions": ("predict",),
    "hfedu.course.progress": ("progress",),
    "hfedu.course.tour": ("tour",),
    "hfedu.view.calls": ("hypercalls",),
    "hfedu.guest.toolchain": ("assemble", "compile_c"),
    "hfedu.run.replay": ("Scenario",),
    "hfedu.run.invariants": ("INVARIANTS", "Invariant"),
    "hfedu.run.ramdisk": ("RamDisk", "Secondary"),
    "hfedu.run.kinds": ("Kind",),
    "hfedu.run.recording": ("Actor", "Event", "Outcome"),
    "hfedu.guest.scripted": (
        "barrier", "clear", "compare_and_swap", "configure", "cpu_on", "hvc", "hypercall", "load", "load_acquire",
        "load_exclusive", "meet", "Message", "power_off", "print_line", "receive", "send", "smc", "store",
        "store_exclusive", "store_release", "vcpu_count", "vcpu_run", "vm_count", "wait_for_interrupt",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(_HOME)  # noqa: PLE0605


if not TYPE_CHECKING:  # which would take a misspelt name for one of Any

    def __getattr__(name: str) -> "Any":
        if name not in _HOME:
            raise AttributeError(f"module 'hfedu' has no attribute {name!r}")
        from importlib import import_module
        from types import FunctionType

        from hfedu.errors import Trouble, plainly

        try:
            home = import_module(_HOME[name])
        except Trouble as trouble:  # a package is missing: whoever calls it is told, `from hfedu import *` goes on
            return _refusing(trouble)
        found = getattr(home, name)
        if isinstance(found, FunctionType):
            found = plainly(found)
            found.__module__ = __name__
        globals()[name] = found
        return found


def _refusing(trouble: Exception) -> "Any":
    """What stands for a name that cannot be had here."""

    def refuse(*_: "Any", **__: "Any") -> "Any":
        raise trouble

    refuse.__doc__ = str(trouble)
    return refuse


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
