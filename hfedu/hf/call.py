"""The hypercall interface: numbers and the packing of results (upstream: inc/vmapi/hf/call.h)."""

from enum import IntEnum
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
