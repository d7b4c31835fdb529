"""What guests and the hypervisor say to each other, and what the hypervisor remembers, only after a repair.

| call | number | arguments | who | result |
| --- | --- | --- | --- | --- |
| HF_INTERRUPT_GET | 0xff07 | | all | the caller's lowest pending interrupt, which it takes; else 0xffff_ffff |
| HF_INTERRUPT_INJECT | 0xff08 | vm, vCPU, interrupt 0-63 | primary | 0, or -1; it is pending for the secondary's vCPU |
| HF_MAILBOX_WRITABLE_GET | 0xff09 | | all | a VM whose mailbox became free since the caller asked, or -1 |
| HF_MAILBOX_WAITER_GET | 0xff0a | vm | primary | a VM that is to be told that `vm`'s mailbox is free, or -1 |

`no-interrupt` brings the first two, `writable-notify` the others and one more argument of HF_MAILBOX_SEND: with x3 not
0 the caller asks to be told when a mailbox that is busy becomes free. Without its repair a call gives -1.
"""

from enum import Enum, IntEnum

from hfedu.hf.arch import FP_SIZE
from hfedu.hf.cpu import Vcpu
from hfedu.hf.mm import Ptable
from hfedu.hf.vm import Mailbox, Vm

HF_INTERRUPT_GET = 0xFF07
HF_INTERRUPT_INJECT = 0xFF08
HF_MAILBOX_WRITABLE_GET = 0xFF09
HF_MAILBOX_WAITER_GET = 0xFF0A
HF_NUM_INTIDS = 64
HF_INVALID_INTID = 0xFFFF_FFFF


class LaterVcpuRun(IntEnum):
    """Results of `HF_VCPU_RUN` that repairs add to `HfVcpuRun`.

    PREEMPTED: an interrupt, the vCPU stays ready (preempt-as-yield).  ABORTED, with its VM: the VM was stopped
    (abort-hangs).  NOTIFY_WAITERS, with a VM: its mailbox is free and VMs asked to be told (writable-notify).
    """

    PREEMPTED = 4
    ABORTED = 5
    NOTIFY_WAITERS = 6


class LaterVcpuState(Enum):
    """States of a vCPU that repairs add to `VcpuState`."""

    ABORTED = "ABORTED"


class LaterVcpu(Vcpu):
    """A vCPU with what the repairs keep in it.

    Under vcpu.lock: `regs_available`, whether its registers are saved, and `forced_retval`, an x0 that it gets when it
    runs next (regs-race). Under vm.lock: `pending`, a bit for each interrupt (no-interrupt). `fp_regs` are its
    floating-point registers (fp-regs).
    """

    __slots__ = ("forced_retval", "fp_regs", "pending", "regs_available")

    def __init__(self, vm: Vm, index: int) -> None:
        super().__init__(vm, index)
        self.regs_available = True
        self.forced_retval: int | None = None
        self.pending = 0
        self.fp_regs = bytes(FP_SIZE)


class LaterMailbox(Mailbox):
    """A mailbox that knows, under vm.lock, VMs by the bits of their ids (writable-notify).

    `waiting` for it to become free, and the owners of those that became free, `writable` for its own VM.
    """

    __slots__ = ("waiting", "writable")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting = self.writable = 0


class LaterVm(Vm):
    """A VM that can be stopped: `aborting`, once set, stays (abort-hangs)."""

    __slots__ = ("aborting",)
    mailbox_type = LaterMailbox
    vcpu_type = LaterVcpu

    def __init__(self, vm_id: int, vcpu_count: int, ptable: Ptable) -> None:
        super().__init__(vm_id, vcpu_count, ptable)
        self.aborting = False


def later(vcpu: Vcpu | None) -> LaterVcpu:
    """The vCPU, known to be one of a repaired hypervisor."""
    assert isinstance(vcpu, LaterVcpu)
    return vcpu


def lowest_bit(bits: int) -> int:
    """The number of the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1
