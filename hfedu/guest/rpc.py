"""What a scripted guest does under the interface before the commit (`history/rpc.py`); the rest is as in `scripted`."""

from hfedu.guest.scripted import Action, ScriptedVcpu, hypercall, send
from hfedu.hf.call import HF_VCPU_RUN, by_number
from hfedu.history.rpc import ROWS, RPC_ACK, RPC_READ_REQUEST, RPC_REPLY, RPC_REQUEST

_ROWS = by_number(ROWS)


def rpc_vcpu_run(vm: int, vcpu: int = 0) -> Action:
    """Run a vCPU of a secondary. Gives an `RpcRunReturn` when control comes back: code and data."""
    return hypercall(_ROWS[HF_VCPU_RUN])(vm, vcpu)


def rpc_request(vm: int, data: bytes | str, size: int | None = None) -> Action:
    """Put `data` into the send page and ask a VM with it: the primary only.

    Gives -1, the index of the vCPU that waited, or, if none did, the VM's number of vCPUs.
    """
    message = send(vm, data, size)
    return _with_message(message, RPC_REQUEST, vm, message.registers[2], 0)


def rpc_read_request(block: bool = True) -> Action:
    """Take the request that waits, or wait for one. Gives its bytes; None if there is none and `block` is false."""
    return hypercall(_ROWS[RPC_READ_REQUEST])(int(bool(block)))


def rpc_reply(data: bytes | str, ack: bool = True, size: int | None = None) -> Action:
    """Put `data` into the send page and reply to the primary with it: 0 or -1. `ack` acknowledges the request first."""
    message = send(0, data, size)
    return _with_message(message, RPC_REPLY, message.registers[2], int(ack), 0)


def rpc_ack() -> Action:
    """Acknowledge, so that the next request or reply can come. Gives 0, or -1 if nothing was to be acknowledged."""
    return hypercall(_ROWS[RPC_ACK])()


def _with_message(message: Action, *registers: int) -> Action:
    """Fill the send page as `send` does, and make another call."""

    def prepare(guest: ScriptedVcpu) -> tuple[int, ...]:
        assert message.prepare is not None
        message.prepare(guest)
        return registers

    return Action("hvc", registers, prepare=prepare)
