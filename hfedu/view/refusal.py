"""Why a hypercall was refused: the checks of api.py, in its order, against the state before the call."""

from hfedu.hf import call
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.handler import call_number
from hfedu.run.trace import Kind, Recording, State
from hfedu.view import words


def refusal(recording: Recording, seq: int) -> str | None:
    """A sentence that says why the call of event `seq` was refused, or None if it was not."""
    event = recording.events[seq]
    if event.kind is not Kind.HYPERCALL or not words.failed(event):
        return None
    state = recording.at(seq - 1) if seq else State()
    vm = int(event.actor[2:].partition(".")[0])
    x1, x2, _ = event.args
    number = call_number(event.function or 0)
    if number == call.HF_MAILBOX_SEND:
        return send_refused(state, vm, x1 & call.MASK32, x2)
    if number == call.HF_MAILBOX_RECEIVE:
        if vm == call.HF_PRIMARY_VM_ID:
            return "The primary may not receive: its messages arrive as the result of HF_VCPU_RUN."
        found = state.get(f"vm{vm}.mailbox.state")
        return f"There is no new message (the mailbox is {found}), and the call was not allowed to block."
    if number == call.HF_MAILBOX_CLEAR:
        return f"Only a mailbox that is READ can be cleared; VM {vm}'s is {state.get(f'vm{vm}.mailbox.state')}."
    if number == call.HF_VCPU_RUN:
        return run_refused(state, vm, x1 & call.MASK32, x2 & call.MASK32)
    if number == call.HF_VM_CONFIGURE:
        if x1 % PAGE_SIZE or x2 % PAGE_SIZE:
            return "Both pages must begin at a multiple of 4096."
        if state.get(f"vm{vm}.mailbox.send") or state.get(f"vm{vm}.mailbox.recv"):
            return f"VM {vm} has configured its pages already: that works once."
        return "Both pages must be mapped in the VM's own memory, and they must differ."
    if number == call.HF_VCPU_GET_COUNT and vm != call.HF_PRIMARY_VM_ID:
        return "Only the primary may ask for vCPU counts."
    return "The hypervisor knows no such call, or no such VM."


def send_refused(state: State, sender: int, to: int, size: int) -> str:
    """Why a send failed."""
    if size > call.HF_MAILBOX_SIZE:
        return f"A message has at most {call.HF_MAILBOX_SIZE} bytes, this one has {size}."
    if to == sender:
        return "A VM cannot send to itself."
    if f"vm{to}.mailbox.state" not in state:
        return f"There is no VM {to}."
    if not state.get(f"vm{sender}.mailbox.send"):
        return f"VM {sender} has no send page: it must configure first."
    if state[f"vm{to}.mailbox.state"] != "EMPTY":
        return f"VM {to}'s mailbox is {state[f'vm{to}.mailbox.state']}: it has not cleared the last message."
    return f"VM {to} has no receive page: it must configure first."


def run_refused(state: State, vm: int, to: int, vcpu: int) -> str:
    """Why a run did nothing."""
    if vm != call.HF_PRIMARY_VM_ID:
        return "Only the primary may run vCPUs."
    if to == call.HF_PRIMARY_VM_ID:
        return "The primary cannot run itself."
    found = state.get(f"vm{to}.vcpu{vcpu}.state")
    if found is None:
        return f"There is no VM {to} vCPU {vcpu}."
    return f"VM {to} vCPU {vcpu} is not READY, it is {found}."
