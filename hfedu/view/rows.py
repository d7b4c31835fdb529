"""What the player's picture says of an event: one short sentence in plain words, and what its row shows.

The names of the interface stand in the transcript: here stand the words that say what happens.
"""

from hfedu.hf.call import HfVcpuRun, hf_mailbox_receive_return, hf_vcpu_run_return
from hfedu.history import abi, rpc
from hfedu.run import words
from hfedu.run.kinds import CALL_KINDS, KINDS, Kind
from hfedu.run.recording import Actor, Event

CALL_LABELS = {
    "configure": "{} configures its pages",
    "send": "{} sends {size} to {vm}",
    "receive": "{}: receive{block}",
    "clear": "{} clears its mailbox",
    "run": "{}: run {vm}",
    "vm_count": "{} counts the VMs",
    "vcpu_count": "{} counts the vCPUs of {vm}",
    "rpc_request": "{} asks {vm}: {size}",
    "rpc_reply": "{} replies: {size}",
    "rpc_read_request": "{}: read a request{block}",
    "rpc_ack": "{} acknowledges",
    "system_off": "{}: power off",
    "system_reset": "{}: reset",
    "cpu_on": "{} starts a CPU",
    "cpu_off": "{}: this CPU off",
}
"""What a call says, by how people say it: who calls, and the arguments by name."""
INTERRUPT_LABELS = {
    Kind.RAISED: "interrupt {1} is raised",
    Kind.ACKNOWLEDGED: "{0} acknowledges {1}",
    Kind.ENDED: "{0} ends {1}",
}
"""What a device's interrupt says: who did it, and the interrupt's number."""
CAME_BACK: dict[int, str] = {
    HfVcpuRun.YIELD: "{} goes on later",
    HfVcpuRun.WAIT_FOR_INTERRUPT: "{} waits",
    abi.LaterVcpuRun.PREEMPTED: "{} was interrupted",
}
"""Why the CPU came back to the primary, by the code of its run, where that is about the VM that ran."""
SLEEPS = "{} sleeps"
"""The same of a VM that executed WFI: its run says no more than of one that waits for a message."""


def short_name(actor: Actor | None) -> str:
    """A name as short as it can be. Example: Actor(1, 0) -> "VM 1", Actor(0, 1) -> "VM 0 vCPU 1"."""
    if actor is None:
        return "the hypervisor"
    return f"VM {actor.vm} vCPU {actor.vcpu}" if actor.vcpu else f"VM {actor.vm}"


def way_of(event: Event) -> str:
    """How the row of an event looks: its kind, or "refused" for a return that refuses."""
    return "refused" if words.failed(event) else event.kind.value


def row_label(event: Event) -> str:
    """An event in plain words, as short as a picture wants them."""
    actor, target = short_name(event.actor), short_name(event.target)
    match event.kind:
        case Kind.BOOT:
            return "the hypervisor boots"
        case Kind.LOAD:
            return f"{target} is loaded"
        case Kind.HYPERCALL | Kind.SMC:
            return call_label(event, actor)
        case Kind.WFI:
            return f"{actor}: WFI, sleeps"
        case Kind.IRQ:
            return f"an interrupt stops {actor}"
        case Kind.FAULT:
            return f"{actor} faults"
        case Kind.WAKE:
            return f"{target} wakes up"
        case Kind.RETURN:
            return return_label(event)
        case Kind.SWITCH if event.target is not None:
            return switch_label(event, target)
        case Kind.END:
            return words.names_in_words(event.text)
    if event.kind in INTERRUPT_LABELS:
        return INTERRUPT_LABELS[event.kind].format(actor, event.function)
    if event.kind is Kind.DELIVER:
        message = event.message or b""
        return f"{words.size(len(message))} {words.text_of(message, 14)}".strip()
    return words.label(event)


def call_label(event: Event, actor: str) -> str:
    """A call. One that has no words of its own is said by its name."""
    pattern = CALL_LABELS.get(event.call.verb) if event.call is not None else None
    if pattern is None:
        return f"{actor}: {words.name_of_call(event, short=True)}"
    given = vars(event.arg)
    vcpu = f" vCPU {given['vcpu']}" if given.get("vcpu") else ""
    said = {"vm": f"VM {given.get('vm')}{vcpu}", "size": words.size(given.get("size", 0))}
    return pattern.format(actor, block=", or wait" if given.get("block") else "", **said)


def return_label(event: Event) -> str:
    """The result of a call that came back to its caller."""
    if words.failed(event) and event.call is not None and event.call.gives in words.RUNS:
        return f"VM {getattr(event.arg, 'vm', '?')} does not run"
    none = event.call is not None and event.call.gives == "vcpu"
    said = words.result(event.call, event.result or 0, short=none)
    if words.failed(event):
        return f"returns {said}: refused"
    none = none and said == "0xffff"
    return f"returns {said}: nobody waited" if none else f"returns {said}"


def switch_label(event: Event, target: str) -> str:
    """Who gets a CPU, and what comes with it."""
    gives = event.call.gives if event.call is not None and event.function is not None else ""
    value = event.result or 0
    if gives == "rpc_run":
        code, size = rpc.rpc_run_return(value)
        if code == rpc.RESPONSE_READY:
            return f"back to {target}: {words.size(size)} for it"
        gives, value = "run", code
    if gives == "run":
        return f"back to {target}: {came_back(event, value)}"
    if gives == "message" and not value >> 63:
        return f"{target} gets the CPU + {words.size(hf_mailbox_receive_return(value).size)}"
    if gives == "bytes" and not value >> 63:
        return f"{target} gets the CPU + {words.size(value)}"
    return f"{target} gets the CPU"


def came_back(event: Event, value: int) -> str:
    """Why the CPU came back to the primary."""
    code, vm, data = hf_vcpu_run_return(value)
    if code in CAME_BACK:
        held = event.change(f"cpu{event.cpu}.current")
        who = held.old if held is not None else None
        state = event.change(f"{who.name}.state") if who else None
        # One that waits for a message was BLOCKED_MAILBOX before, or stays so.
        asleep = state is not None and state.new == "BLOCKED_INTERRUPT" and state.old != "BLOCKED_MAILBOX"
        return (SLEEPS if asleep else CAME_BACK[code]).format(short_name(who) if who else "it")
    if code == HfVcpuRun.WAKE_UP:
        return f"VM {vm} woke up"
    if code == HfVcpuRun.MESSAGE:
        return f"{words.size(data)} for it"
    return words.result(event.call, event.result or 0, short=True).lower().replace("_", " ").replace("vm", "VM")


def row_of(event: Event) -> dict[str, object]:
    """What the row of an event shows: its words, how it looks, the vCPU or VM at its other end, and its CPU."""
    look = KINDS[event.kind]
    other = event.target if look.to_guest else event.actor
    clears = event.kind in CALL_KINDS and any(
        change.what.endswith(".mailbox.state") and change.new in ("EMPTY", "IDLE") for change in event.changes
    )
    return {
        "label": row_label(event),
        "way": way_of(event),
        "lane": other.name if other is not None else "",
        "cpu": event.cpu,
        "clears": clears,
    }
