"""What guests and the hypervisor say to each other, and what the hypervisor remembers, only after a repair.

`no-interrupt` brings the calls about interrupts, `writable-notify` those about mailboxes and one more argument of
HF_MAILBOX_SEND: with x3 not 0 the caller asks to be told when a mailbox that is busy becomes free. Without its repair a
call gives -1.

The numbers are ours: upstream gave its later calls others.
"""

from enum import Enum, IntEnum

from hfedu.hf.arch import FP_SIZE
from hfedu.hf.call import Call, Caller
from hfedu.hf.cpu import Vcpu
from hfedu.hf.mm import Ptable
from hfedu.hf.vm import Mailbox, Vm

HF_INTERRUPT_GET = 0xFF07
HF_INTERRUPT_INJECT = 0xFF08
HF_MAILBOX_WRITABLE_GET = 0xFF09
HF_MAILBOX_WAITER_GET = 0xFF0A
HF_NUM_INTIDS = 64
HF_INVALID_INTID = 0xFFFF_FFFF


INTERRUPT_CALLS = (
    Call(HF_INTERRUPT_GET, "HF_INTERRUPT_GET", "interrupt_get", gives="interrupt",
         meaning="takes the caller's lowest pending interrupt"),
    Call(HF_INTERRUPT_INJECT, "HF_INTERRUPT_INJECT", "interrupt_inject", ("vm", "vcpu", "intid"), Caller.PRIMARY,
         meaning="makes an interrupt (0 to 63) pending for a secondary's vCPU"),
)  # fmt: skip
WRITABLE_CALLS = (
    Call(HF_MAILBOX_WRITABLE_GET, "HF_MAILBOX_WRITABLE_GET", "writable_get", gives="vm",
         meaning="takes a VM whose mailbox became free since the caller asked"),
    Call(HF_MAILBOX_WAITER_GET, "HF_MAILBOX_WAITER_GET", "waiter_get", ("vm",), Caller.PRIMARY, "vm",
         meaning="takes a VM that is to be told that a mailbox is free"),
)  # fmt: skip


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

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting = self.writable = 0


class LaterVm(Vm):
    """A VM that can be stopped: `aborting`, once set, stays (abort-hangs)."""

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
