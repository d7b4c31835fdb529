"""The interface before the commit: calls from the primary to a secondary, and replies.

Only the primary can request, and only a secondary can reply. A mailbox is IDLE, has a request or reply PENDING that
its owner has not read, or one INFLIGHT that its owner has not acknowledged. Numbers and arguments:

| call | number | arguments | who | result |
| --- | --- | --- | --- | --- |
| RPC_REQUEST | 0xff04 | vm, size | primary | -1, the vCPU that waited, or if none did the VM's number of vCPUs |
| RPC_READ_REQUEST | 0xff05 | block | secondaries | the request's size, or -1 |
| RPC_ACK | 0xff06 | | all | 0, or -1 if nothing is INFLIGHT |
| RPC_REPLY | 0xff07 | size, ack | secondaries | 0, or -1 |

HF_VCPU_RUN's result has its code in bits 0-7 and data from bit 8 up, and no VM id; code 3 is RESPONSE_READY, with the
size of the reply. The other codes and calls are those of `hf/call.py`.
"""

from enum import Enum
from typing import NamedTuple

from hfedu.hf.addr import NULL
from hfedu.hf.api import WAITS, Result, running
from hfedu.hf.call import ERROR, HF_MAILBOX_SIZE, HF_PRIMARY_VM_ID, MASK32
from hfedu.hf.cpu import Cpu, VcpuState
from hfedu.hf.handler import call_number
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Mailbox, Vm

RPC_REQUEST = 0xFF04
RPC_READ_REQUEST = 0xFF05
RPC_ACK = 0xFF06
RPC_REPLY = 0xFF07
RESPONSE_READY = 3


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

    def hvc_handler(self, cpu: Cpu, function: int, arg1: int, arg2: int, arg3: int) -> Steps[Result]:
        number = call_number(function)
        if number == RPC_REQUEST:
            return (yield from self.api_rpc_request(cpu, arg1, arg2)), None
        if number == RPC_READ_REQUEST:
            return (yield from self.api_rpc_read_request(cpu, arg1))
        if number == RPC_REPLY:
            return (yield from self.api_rpc_reply(cpu, arg1, arg2))
        if number == RPC_ACK:
            return (yield from self.api_rpc_ack(cpu)), None
        return (yield from super().hvc_handler(cpu, function, arg1, arg2, arg3))

    def api_rpc_request(self, cpu: Cpu, vm_id: int, size: int) -> Steps[int]:
        """Copy a request from the primary to a secondary, and wake the vCPU that waits for one.

        -1 as in `api_mailbox_send`, and for any caller but the primary. Locks: see `rpc_copy`.
        """
        sender, to = running(cpu).vm, self.vm_get(vm_id & MASK32)
        if size > HF_MAILBOX_SIZE or to is sender or to is None or sender.id != HF_PRIMARY_VM_ID:
            return ERROR
        return (yield from self.rpc_copy(cpu, to, size))

    def rpc_copy(self, cpu: Cpu, to: Vm, size: int) -> Steps[int]:
        """Copy from the caller's send page to a mailbox that is IDLE: -1, the waiter's index, or the number of vCPUs.

        Takes and drops from.lock; then to.lock, and inside it the waiting vCPU's lock.
        """
        sender, mailbox, ret = running(cpu).vm, to.mailbox, ERROR
        yield from sl_lock(cpu, sender.lock)
        from_buf = sender.mailbox.send
        yield from sl_unlock(cpu, sender.lock)
        if from_buf == NULL:
            return ERROR
        yield from sl_lock(cpu, to.lock)
        if mailbox.state is RpcState.IDLE and mailbox.recv != NULL:
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
        if vcpu.vm.id == HF_PRIMARY_VM_ID:
            return ERROR, None
        ret, next_vcpu = ERROR, None
        yield from sl_lock(cpu, vcpu.vm.lock)
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
        if size > HF_MAILBOX_SIZE or running(cpu).vm.id == HF_PRIMARY_VM_ID:
            return ERROR, None
        if ack:
            yield from self.api_rpc_ack(cpu)
        if (yield from self.rpc_copy(cpu, self.vms[HF_PRIMARY_VM_ID], size)) == ERROR:
            return ERROR, None
        response = RESPONSE_READY | size << 8
        return 0, (yield from self.api_switch_to_primary(cpu, response, VcpuState.READY))

    def api_rpc_ack(self, cpu: Cpu) -> Steps[int]:
        """Make the caller's mailbox IDLE so that the next request or reply can come: 0, or -1 unless it is INFLIGHT.

        Takes and drops vm.lock.
        """
        vm = running(cpu).vm
        ret = ERROR
        yield from sl_lock(cpu, vm.lock)
        if vm.mailbox.state is RpcState.INFLIGHT:
            yield vm.mailbox.clear
            vm.mailbox.state = RpcState.IDLE
            ret = 0
        yield from sl_unlock(cpu, vm.lock)
        return ret
