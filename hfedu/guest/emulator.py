"""Which CPU executes machine code: Unicorn's, or ours in Python."""

from typing import TYPE_CHECKING

from hfedu.errors import Mistake, nearest

if TYPE_CHECKING:
    from hfedu.guest.a64 import PythonCpu
    from hfedu.guest.unicorn_cpu import UnicornCpu

    EmulatedCpu = UnicornCpu | PythonCpu

CPU_KINDS = ("unicorn", "python")


def check_cpu_kind(cpu: object) -> None:
    """`Mistake` unless `cpu` names a kind of CPU."""
    if cpu not in CPU_KINDS:
        near = nearest(cpu, CPU_KINDS) if isinstance(cpu, str) else ""
        raise Mistake(f"there is no CPU {cpu!r}{near or '.'} There are {', '.join(CPU_KINDS)}.")


def emulated_cpu(cpu: str) -> "type[UnicornCpu | PythonCpu]":
    """The CPU of that kind; ours where Unicorn is not installed or does not load."""
    if cpu == "unicorn":
        try:
            from hfedu.guest.unicorn_cpu import UnicornCpu, prove_unicorn

            prove_unicorn()
            return UnicornCpu
        except ImportError:
            pass
    from hfedu.guest.a64 import PythonCpu

    return PythonCpu
