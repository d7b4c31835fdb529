"""The hypercall interface: the table of the calls and the packing of results (upstream: inc/vmapi/hf/call.h).

A row of the table is all that there is to know of a call but what it does. Who serves it, who may make it, how it is
said, what `guest.h` and the scripts' helpers are made of: all of that follows from the row.
"""

from collections.abc import Iterable
from enum import Enum, IntEnum
from functools import cache
from operator import and_
from typing import NamedTuple

HF_PRIMARY_VM_ID = 0
HF_INVALID_VCPU = 0xFFFF
HF_MAILBOX_SIZE = 4096

HF_VCPU_RUN = 0xFF00
HF_VM_GET_COUNT = 0xFF01
HF_VCPU_GET_COUNT = 0xFF02
HF_VM_CONFIGURE = 0xFF03
HF_MAILBOX_SEND = 0xFF04
HF_MAILBOX_RECEIVE = 0xFF05
HF_MAILBOX_CLEAR = 0xFF06

MASK16 = 0xFFFF
MASK32 = 0xFFFF_FFFF
MASK64 = 0xFFFF_FFFF_FFFF_FFFF
ERROR = MASK64
"""-1 as the guest sees it in x0."""
WIDTHS = {"vm": MASK32, "vcpu": MASK32}
"""Arguments of 32 bits, by name: the upper half of the register is ignored. All others have 64."""


class Caller(Enum):
    """Who may make a call; anybody else is refused."""

    ALL = "all"
    PRIMARY = "primary"
    SECONDARIES = "secondaries"


class Call(NamedTuple):
    """A row of the table of calls.

    `name` is the constant of the interface, `verb` how people say it, `args` the names of x1, x2 and x3 as far as they
    are used: "vm", "vcpu", "size", "send", "recv", "block" or a name of its own. `gives` is what the result is: a
    "status" (0 or -1), a "count", a "vcpu", a "vm", a "message" (sender and size), a "run" (`VcpuRunReturn`), or
    "bytes". Whoever is not among the callers gets `refused`. `meaning` is a sentence without a full stop.
    """

    number: int
    name: str
    verb: str
    args: tuple[str, ...] = ()
    who: Caller = Caller.ALL
    gives: str = "status"
    refused: int = ERROR
    meaning: str = ""

    @property
    def api(self) -> str:
        """The function that serves it. Example: HF_MAILBOX_SEND -> "api_mailbox_send"."""
        return server(self.name)

    @property
    def waits(self) -> bool:
        """Whether the caller may be switched out without a result: that comes when it runs again."""
        return self.receives or self.gives in ("run", "rpc_run")

    @property
    def receives(self) -> bool:
        """Whether its result tells of a message."""
        return self.gives in ("message", "bytes")

    def decode(self, x1: int, x2: int, x3: int) -> list[int]:
        """The arguments that the call has, each of its width."""
        return list(map(and_, masks(self.args), (x1, x2, x3))) if self.args else []


@cache
def server(name: str) -> str:
    """The function that serves the call of this name."""
    return f"api_{name.removeprefix('HF_').lower()}"


@cache
def masks(args: tuple[str, ...]) -> tuple[int, ...]:
    """What is kept of each of these arguments."""
    return tuple(WIDTHS.get(name, MASK64) for name in args)


def by_number(rows: Iterable[Call]) -> dict[int, Call]:
    """A table of calls, to be looked up by number."""
    return {row.number: row for row in rows}


class HfVcpuRun(IntEnum):
    """Why `HF_VCPU_RUN` came back: bits 0-7 of its result."""

    YIELD = 0
    WAIT_FOR_INTERRUPT = 1
    WAKE_UP = 2
    MESSAGE = 3


class VcpuRunReturn(NamedTuple):
    """The result of `HF_VCPU_RUN`, taken apart: code, VM id (16 bits), data (32 bits)."""

    code: int
    vm_id: int
    data: int


class MailboxReceiveReturn(NamedTuple):
    """The result of `HF_MAILBOX_RECEIVE`, taken apart: the sender's VM id and the size in bytes."""

    vm_id: int
    size: int


def hf_vcpu_run_response(code: int, vm_id: int, data: int) -> int:
    """Pack a result of `HF_VCPU_RUN`: code in bits 0-7, VM id in 16-31, data in 32-63.

    Example: `hf_vcpu_run_response(HfVcpuRun.WAKE_UP, 2, 0)` -> 0x20002.
    """
    return (code & 0xFF) | (vm_id & MASK16) << 16 | (data & MASK32) << 32


def hf_vcpu_run_return(value: int) -> VcpuRunReturn:
    """Unpack what `hf_vcpu_run_response` packed."""
    return VcpuRunReturn(value & 0xFF, value >> 16 & MASK16, value >> 32 & MASK32)


def hf_mailbox_receive_response(vm_id: int, size: int) -> int:
    """Pack a result of `HF_MAILBOX_RECEIVE`: sender in bits 0-15, size in bytes in 32-63."""
    return (vm_id & MASK16) | (size & MASK32) << 32


def hf_mailbox_receive_return(value: int) -> MailboxReceiveReturn:
    """Unpack what `hf_mailbox_receive_response` packed."""
    return MailboxReceiveReturn(value & MASK16, value >> 32 & MASK32)


WAITS = hf_vcpu_run_response(HfVcpuRun.WAIT_FOR_INTERRUPT, 0, 0)
"""What the primary sees when a vCPU waits, and when it cannot run."""

CALLS = (
    Call(HF_VCPU_RUN, "HF_VCPU_RUN", "run", ("vm", "vcpu"), Caller.PRIMARY, "run", WAITS,
         "runs a vCPU of a secondary until that waits, sends or is interrupted"),
    Call(HF_VM_GET_COUNT, "HF_VM_GET_COUNT", "vm_count", gives="count",
         meaning="how many VMs there are, the primary included"),
    Call(HF_VCPU_GET_COUNT, "HF_VCPU_GET_COUNT", "vcpu_count", ("vm",), Caller.PRIMARY, "count",
         meaning="how many vCPUs a VM has"),
    Call(HF_VM_CONFIGURE, "HF_VM_CONFIGURE", "configure", ("send", "recv"),
         meaning="names the pages through which the VM sends and receives, once"),
    Call(HF_MAILBOX_SEND, "HF_MAILBOX_SEND", "send", ("vm", "size"), gives="vcpu",
         meaning="copies a message from the caller's send page to another VM's mailbox"),
    Call(HF_MAILBOX_RECEIVE, "HF_MAILBOX_RECEIVE", "receive", ("block",), Caller.SECONDARIES, "message",
         meaning="takes the message that came, or waits for one"),
    Call(HF_MAILBOX_CLEAR, "HF_MAILBOX_CLEAR", "clear",
         meaning="empties the caller's mailbox so that the next message can come"),
)  # fmt: skip
"""The interface of 2018-10-04."""
