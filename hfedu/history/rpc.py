"""The interface before the commit: calls from the primary to a secondary, and replies.

Only the primary can request, and only a secondary can reply. A mailbox is IDLE, has a request or reply PENDING that
its owner has not read, or one INFLIGHT that its owner has not acknowledged.

HF_VCPU_RUN's result has its code in bits 0-7 and data from bit 8 up, and no VM id; code 3 is RESPONSE_READY, with the
size of the reply. The other codes and calls are those of `hf/call.py`.
"""

from enum import Enum
from typing import NamedTuple

from hfedu.hf.addr import NULL
from hfedu.hf.api import Result, running
from hfedu.hf.call import HF_MAILBOX_SIZE, HF_PRIMARY_VM_ID, HF_VCPU_RUN, WAITS, Call, Caller
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Mailbox, Vm

RPC_REQUEST = 0xFF04
RPC_READ_REQUEST = 0xFF05
RPC_ACK = 0xFF06
RPC_REPLY = 0xFF07
RESPONSE_READY = 3


ROWS = (
    Call(HF_VCPU_RUN, "HF_VCPU_RUN", "run", ("vm", "vcpu"), Caller.PRIMARY, "rpc_run", WAITS,
         "runs a vCPU of a secondary until that waits, replies or is interrupted"),
    Call(RPC_REQUEST, "RPC_REQUEST", "rpc_request", ("vm", "size"), Caller.PRIMARY, "vcpu",
         meaning="asks a secondary: the vCPU that waited, or the VM's number of vCPUs"),
    Call(RPC_READ_REQUEST, "RPC_READ_REQUEST", "rpc_read_request", ("block",), Caller.SECONDARIES, "bytes",
         meaning="takes the request that came, or waits for one"),
    Call(RPC_ACK, "RPC_ACK", "rpc_ack", meaning="acknowledges a request or reply, so that the next can come"),
    Call(RPC_REPLY, "RPC_REPLY", "rpc_reply", ("size", "ack"), Caller.SECONDARIES,
         meaning="answers the primary, and acknowledges first if ack is not 0"),
)  # fmt: skip


class RpcRunReturn(NamedTuple):
    """The result of `HF_VCPU_RUN` as it was, taken apart: code and data."""

    code: int
    data: int


def rpc_run_return(value: int) -> RpcRunReturn:
    """Take a result apart. Example: 0x503 -> (RESPONSE_READY, 5)."""
    return RpcRunReturn(value & 0xFF, value >> 8)


class RpcState(Enum):
    """IDLE: free.  PENDING: a request waits.  INFLIGHT: its owner has it and has not acknowledged it."""

    IDLE = "IDLE"
    PENDING = "PENDING"
    INFLIGHT = "INFLIGHT"


class RpcVcpuState(Enum):
    """Why a vCPU does not run, besides `VcpuState`: it waits for a request."""

    BLOCKED_RPC = "BLOCKED_RPC"


class RpcMailbox(Mailbox):
    """A mailbox whose state is an `RpcState`."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.state = RpcState.IDLE


class RpcVm(Vm):
    """A VM with an `RpcMailbox`."""

    __slots__ = ()
    mailbox_type = RpcMailbox


class Rpc(Hypervisor):
    """The hypervisor with the RPC calls in place of send, receive and clear.

    A vCPU that waits for a request keeps its state, and goes back to the primary without another lock: the commit
    brought blocked-state and nested-locks in.
    """

    vm_type = RpcVm

    rows = ROWS

    def api_rpc_request(self, cpu: Cpu, vm_id: int, size: int) -> Steps[int]:
        """Copy a request from the primary to a secondary, and wake the vCPU that waits for one.

        -1 as in `api_mailbox_send`, and for any caller but the primary. Locks: see `rpc_copy`.
        """
        sender = running(cpu).vm
        allowed = self.require(size <= HF_MAILBOX_SIZE, "size <= HF_MAILBOX_SIZE", sender, size=size) and self.require(
            vm_id != sender.id, "vm_id is another VM", sender, vm=vm_id
        )
        if not allowed:
            return allowed
        to = self.existing_vm(cpu, vm_id)
        return to if isinstance(to, Refused) else (yield from self.rpc_copy(cpu, to, size))

    def rpc_copy(self, cpu: Cpu, to: Vm, size: int) -> Steps[int]:
        """Copy from the caller's send page to a mailbox that is IDLE: -1, the waiter's index, or the number of vCPUs.

        Takes and drops from.lock; then to.lock, and inside it the waiting vCPU's lock.
        """
        sender, mailbox = running(cpu).vm, to.mailbox
        yield from sl_lock(cpu, sender.lock)
        from_buf = sender.mailbox.send
        configured = self.require(from_buf != NULL, "mailbox.send is set", sender.mailbox, send=from_buf)
        yield from sl_unlock(cpu, sender.lock)
        if not configured:
            return configured
        yield from sl_lock(cpu, to.lock)
        ret: int = self.require(
            mailbox.state is RpcState.IDLE, "mailbox.state is IDLE", mailbox, state=mailbox.state
        ) and self.require(mailbox.recv != NULL, "mailbox.recv is set", mailbox, recv=mailbox.recv)
        if ret:
            waiter, ret = mailbox.recv_waiter, to.vcpu_count
            yield mailbox.deliver
            self.mm_memcpy(mailbox.recv, from_buf, size)
            mailbox.recv_bytes = size
            unread = waiter is None and to.id != HF_PRIMARY_VM_ID
            mailbox.state = RpcState.PENDING if unread else RpcState.INFLIGHT
            if waiter is not None:
                yield from self.wake(cpu, waiter, size)
                ret = waiter.index
        yield from sl_unlock(cpu, to.lock)
        return ret

    def api_rpc_read_request(self, cpu: Cpu, block: int) -> Steps[Result]:
        """Take the request that waits: its size. Without one -1, or block until a request wakes the caller.

        Takes and drops vm.lock, and inside it vcpu.lock when it blocks.
        """
        vcpu = running(cpu)
        mailbox = vcpu.vm.mailbox
        next_vcpu = None
        yield from sl_lock(cpu, vcpu.vm.lock)
        ret: int = self.require(
            mailbox.state is RpcState.PENDING or bool(block),
            "the caller may wait",
            mailbox,
            state=mailbox.state,
            block=block,
        )
        if mailbox.state is RpcState.PENDING:
            yield mailbox.read
            mailbox.state = RpcState.INFLIGHT
            ret = mailbox.recv_bytes
        elif block:
            yield from self.push_waiter(cpu, vcpu, RpcVcpuState.BLOCKED_RPC)
            ret, next_vcpu = 0, (yield from self.return_to_primary(cpu, WAITS))
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return ret, next_vcpu

    def api_rpc_reply(self, cpu: Cpu, size: int, ack: int) -> Steps[Result]:
        """Copy a reply to the primary, whose HF_VCPU_RUN returns RESPONSE_READY, and switch the caller out: 0, or -1.

        With `ack` the request counts as acknowledged even if the reply then fails. Locks: see `rpc_copy`; `ack` takes
        and drops vm.lock before.
        """
        fits = self.require(size <= HF_MAILBOX_SIZE, "size <= HF_MAILBOX_SIZE", running(cpu).vm, size=size)
        if not fits:
            return fits, None
        if ack:
            yield from self.api_rpc_ack(cpu)
        copied = yield from self.rpc_copy(cpu, self.vms[HF_PRIMARY_VM_ID], size)
        if isinstance(copied, Refused):
            return copied, None
        response = RESPONSE_READY | size << 8
        return 0, (yield from self.api_switch_to_primary(cpu, response, VcpuState.READY))

    def api_rpc_ack(self, cpu: Cpu) -> Steps[int]:
        """Make the caller's mailbox IDLE so that the next request or reply can come: 0, or -1 unless it is INFLIGHT.

        Takes and drops vm.lock.
        """
        vm = running(cpu).vm
        yield from sl_lock(cpu, vm.lock)
        ret: int = self.require(
            vm.mailbox.state is RpcState.INFLIGHT, "mailbox.state is INFLIGHT", vm.mailbox, state=vm.mailbox.state
        )
        if ret:
            yield vm.mailbox.clear
            vm.mailbox.state = RpcState.IDLE
            ret = 0
        yield from sl_unlock(cpu, vm.lock)
        return ret
