"""Why a hypercall was refused: the checks of api.py, in its order, against the state before the call."""

from hfedu.hf import call
from hfedu.hf.addr import PAGE_SIZE
from hfedu.run.trace import Kind, Recording, State
from hfedu.view import words


def refusal(recording: Recording, seq: int) -> str | None:
    """A sentence that says why the call of event `seq` was refused, or None if it was not."""
    event = recording.events[seq]
    if event.kind is not Kind.HYPERCALL or not words.failed(event):
        return None
    vm = int(event.actor[2:].partition(".")[0])
    reasons = checks(recording.at(seq - 1) if seq else State(), vm, event.args[0], event.args[1])
    why = (reason for refused, reason in reasons.get(words.number(event), []) if refused)
    return next(why, "The hypervisor knows no such call, or no such VM.")


def checks(state: State, vm: int, x1: int, x2: int) -> dict[int, list[tuple[bool, str]]]:
    """For each call that VM `vm` may make with x1 and x2: what refuses it, in the order of the checks, and why."""
    to, vcpu = x1 & call.MASK32, x2 & call.MASK32
    primary = vm == call.HF_PRIMARY_VM_ID
    mine, theirs = (state.get(f"vm{which}.mailbox.state") for which in (vm, to))
    send, recv = (state.get(f"vm{vm}.mailbox.{page}") for page in ("send", "recv"))
    found = state.get(f"vm{to}.vcpu{vcpu}.state")
    return {
        call.HF_MAILBOX_SEND: [
            (x2 > call.HF_MAILBOX_SIZE, f"A message has at most {call.HF_MAILBOX_SIZE} bytes, this one has {x2}."),
            (to == vm, "A VM cannot send to itself."),
            (theirs is None, f"There is no VM {to}."),
            (not send, f"VM {vm} has no send page: it must configure first."),
            (theirs != "EMPTY", f"VM {to}'s mailbox is {theirs}: it has not cleared the last message."),
            (True, f"VM {to} has no receive page: it must configure first."),
        ],
        call.HF_MAILBOX_RECEIVE: [
            (primary, "The primary may not receive: its messages arrive as the result of HF_VCPU_RUN."),
            (True, f"There is no new message (the mailbox is {mine}), and the call was not allowed to block."),
        ],
        call.HF_MAILBOX_CLEAR: [(True, f"Only a mailbox that is READ can be cleared; VM {vm}'s is {mine}.")],
        call.HF_VCPU_RUN: [
            (not primary, "Only the primary may run vCPUs."),
            (to == vm, "The primary cannot run itself."),
            (found is None, f"There is no VM {to} vCPU {vcpu}."),
            (True, f"VM {to} vCPU {vcpu} is not READY, it is {found}."),
        ],
        call.HF_VM_CONFIGURE: [
            (bool(x1 % PAGE_SIZE or x2 % PAGE_SIZE), "Both pages must begin at a multiple of 4096."),
            (bool(send or recv), f"VM {vm} has configured its pages already: that works once."),
            (True, "Both pages must be mapped in the VM's own memory, and they must differ."),
        ],
        call.HF_VCPU_GET_COUNT: [(not primary, "Only the primary may ask for vCPU counts.")],
    }
