"""Events in words: the same words in the diagram, the transcript and the exports."""

import re
from typing import NamedTuple

from hfedu.hf import call
from hfedu.hf.handler import call_number
from hfedu.hf.psci import PsciCall
from hfedu.history import abi, rpc
from hfedu.run.trace import Event, Kind, Recording, Stage2


class CallWords(NamedTuple):
    """How to say a call: in the diagram and by its constant, and its arguments in full and where room is short."""

    verb: str
    name: str
    arguments: str = "{x1:#x}, {x2:#x}, {x3:#x}"
    brief: str = "…"


CALLS: dict[int, CallWords] = {
    call.HF_VCPU_RUN: CallWords("run", "HF_VCPU_RUN", "VM {vm}, vCPU {vcpu}", "VM {vm}"),
    call.HF_VM_GET_COUNT: CallWords("vm_get_count", "HF_VM_GET_COUNT", "", ""),
    call.HF_VCPU_GET_COUNT: CallWords("vcpu_get_count", "HF_VCPU_GET_COUNT", "VM {vm}", "VM {vm}"),
    call.HF_VM_CONFIGURE: CallWords("configure", "HF_VM_CONFIGURE", "send {x1:#x}, recv {x2:#x}", ""),
    call.HF_MAILBOX_SEND: CallWords("send", "HF_MAILBOX_SEND", "VM {vm}, {size} bytes", "VM {vm}, {size} B"),
    call.HF_MAILBOX_RECEIVE: CallWords("receive", "HF_MAILBOX_RECEIVE", "block", "block"),
    call.HF_MAILBOX_CLEAR: CallWords("clear", "HF_MAILBOX_CLEAR", "", ""),
    **{int(psci): CallWords(psci.name.lower(), f"PSCI_{psci.name}") for psci in PsciCall},
    PsciCall.SYSTEM_OFF: CallWords("system_off", "PSCI_SYSTEM_OFF", "", ""),
    PsciCall.SYSTEM_RESET: CallWords("system_reset", "PSCI_SYSTEM_RESET", "", ""),
}
RPC = 1 << 64
"""Marks the function of a call of the interface before the commit, whose numbers mean something else today."""
CALLS |= {RPC | function: named for function, named in CALLS.items()} | {
    RPC | rpc.RPC_REQUEST: CallWords("rpc_request", "RPC_REQUEST", "VM {vm}, {size} bytes", "VM {vm}, {size} B"),
    RPC | rpc.RPC_READ_REQUEST: CallWords("rpc_read_request", "RPC_READ_REQUEST", "block", "block"),
    RPC | rpc.RPC_ACK: CallWords("rpc_ack", "RPC_ACK", "", ""),
    RPC | rpc.RPC_REPLY: CallWords("rpc_reply", "RPC_REPLY", "{x1} bytes, ack {x2}", "{x1} B, ack {x2}"),
}
RUNS = call.HF_VCPU_RUN, RPC | call.HF_VCPU_RUN
RECEIVES = call.HF_MAILBOX_RECEIVE, RPC | rpc.RPC_READ_REQUEST
UNKNOWN = CallWords("", "")
LABELS = {Kind.WAKE: "wake up", Kind.WFI: "WFI: waits", Kind.IRQ: "interrupt", Kind.FAULT: "fault"}
SENTENCES = {
    Kind.WAKE: "{target} wakes up",
    Kind.WFI: "{actor} waits for an interrupt (WFI)",
    Kind.IRQ: "an interrupt arrives while {actor} runs",
    Kind.FAULT: "{actor} faults (ESR {event.function:#x}, address {event.args[0]:#x})",
    Kind.LOAD: "loads {target} from {event.text}",
    Kind.END: "end: {text}",
}
STEPS = {
    "acquire": "takes {target}",
    "release": "drops {target}",
    "deliver": "copies the message into {target}",
    "wake": "wakes {target}",
    "block": "notes that {target} waits for a message",
    "read": "notes that {target} has been read",
    "clear": "empties {target}",
    "configure": "sets up the pages of {target}",
    "interrupt": "looks at the interrupts of {target}",
    "abort": "looks whether {target} is to stop",
    "retval": "sets the result for {target}",
    "save": "saves the registers of {target}",
    "restore": "restores the registers of {target} and runs it",
}
"""The atomic steps of the hypervisor, by their kind, as what a CPU does."""
NAMES = re.compile(r"\b(vm\d+(?:\.vcpu\d+)?|cpu\d+)(?:\.(lock|mailbox))?\b")


def spoken(recording: Recording) -> tuple[Event, ...]:
    """The events of a recording, to be put into words: a call of the RPC interface is marked as one."""
    if recording.made.get("profile") != "rpc":
        return recording.events
    functions = (rpc.RPC_READ_REQUEST if e.kind is Kind.WAKE else e.function for e in recording.events)
    marked = (None if function is None else RPC | function for function in functions)
    return tuple(e._replace(function=function) for e, function in zip(recording.events, marked, strict=True))


def number(event: Event) -> int:
    """Which call an event is about; 0 if it is none."""
    function = event.function or 0
    return call_number(function) | function & RPC


def who(name: str) -> str:
    """A name as people say it. Example: "vm1.vcpu0" -> "VM 1 vCPU 0"."""
    return name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace("cpu", "CPU ") if name[:1] != "h" else name


def plain(text: str) -> str:
    """A text with every name in it as people say it. Example: "vm1.vcpu0.lock" -> "VM 1 vCPU 0's lock"."""
    return NAMES.sub(lambda found: who(found[1]) + (f"'s {found[2]}" if found[2] else ""), text)


def step(kind: str, target: str) -> str:
    """What a CPU does in one atomic step. Example: ("release", "vm1.lock") -> "drops VM 1's lock"."""
    return STEPS.get(kind, f"{kind} {{target}}").format(target=plain(target)).strip()


def vm_of(name: str) -> str:
    """The VM a name belongs to. Example: "vm1.vcpu0" -> "VM 1"."""
    return who(name.partition(".")[0])


def size(count: int) -> str:
    """A number of bytes. Example: 524288 -> "512 KiB"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} byte{'s' if count != 1 else ''}"


def signed(value: int) -> str:
    """A result as people write it: small negative numbers with a sign, others in decimal or hexadecimal."""
    return str(value - (value >> 63 << 64)) if value >> 63 or value < 10 else f"{value:#x}"


def arguments(event: Event, short: bool = False) -> str:
    """The arguments of a call, decoded. `short` leaves out what a small picture has no room for."""
    x1, x2, x3 = event.args
    if number(event) in RECEIVES and not x1:
        return "" if short else "no block"
    known = CALLS.get(number(event), UNKNOWN)
    decoded = {"vm": x1 & call.MASK32, "vcpu": x2 & call.MASK32, "size": x2 if x2 < 1 << 16 else hex(x2)}
    return (known.brief if short else known.arguments).format(**decoded, x1=x1, x2=x2, x3=x3)


def name_of_call(event: Event, short: bool = False) -> str:
    """The name of a call. `short` is the diagram's word; otherwise the constant of the interface."""
    if number(event) in CALLS and (event.kind is not Kind.SMC or number(event) in list(PsciCall)):
        return CALLS[number(event)].verb if short else CALLS[number(event)].name
    return f"{'smc' if event.kind is Kind.SMC else 'hvc'} {event.function or 0:#x}"


def result(function: int | None, value: int, short: bool = False) -> str:
    """A result, unpacked. Example: (HF_VCPU_RUN, 0x20002) -> "WAKE_UP(VM 2, vCPU 0)"."""
    if function == call.HF_VCPU_RUN:
        code, vm_id, data = call.hf_vcpu_run_return(value)
        if code == call.HfVcpuRun.WAKE_UP:
            vcpu = "any vCPU" if data == call.HF_INVALID_VCPU else f"vCPU {data}"
            return f"WAKE_UP VM {vm_id}" if short else f"WAKE_UP(VM {vm_id}, {vcpu})"
        if code == call.HfVcpuRun.MESSAGE:
            return f"MESSAGE {data} B" if short else f"MESSAGE({data} bytes)"
        if code in (abi.LaterVcpuRun.ABORTED, abi.LaterVcpuRun.NOTIFY_WAITERS):
            name = abi.LaterVcpuRun(code).name
            return f"{name} VM {vm_id}" if short else f"{name}(VM {vm_id})"
        named = (*call.HfVcpuRun, *abi.LaterVcpuRun)
        return next((known.name for known in named if known == code), hex(value))
    if function == RPC | call.HF_VCPU_RUN:
        code, data = rpc.rpc_run_return(value)
        if code == rpc.RESPONSE_READY:
            return f"RESPONSE_READY {data} B" if short else f"RESPONSE_READY({data} bytes)"
        return result(call.HF_VCPU_RUN, code)
    if function == RPC | rpc.RPC_READ_REQUEST and not value >> 63:
        return f"{value} {'B' if short else 'bytes'}"
    if function == call.HF_MAILBOX_RECEIVE and not value >> 63:
        vm_id, count = call.hf_mailbox_receive_return(value)
        return f"VM {vm_id}, {count} {'B' if short else 'bytes'}"
    if function == call.HF_MAILBOX_SEND and value == call.HF_INVALID_VCPU:
        return "0xffff" if short else "0xffff (no vCPU waits)"
    return signed(value)


def failed(event: Event) -> bool:
    """Whether the hypervisor refused a call."""
    if event.kind not in (Kind.HYPERCALL, Kind.SMC) or event.result is None:
        return False
    if number(event) in RUNS and event.kind is Kind.HYPERCALL:
        return True  # a run that succeeds has no result yet: the switch back brings it
    return bool(event.result >> 63)


def text_of(message: bytes, limit: int = 20) -> str:
    """The beginning of a message: as text where it is text, else in hexadecimal."""
    head = message[:limit]
    if head and all(32 <= byte < 127 for byte in head):
        return f"“{head.decode()}{'…' if len(message) > limit else ''}”"
    return head[:8].hex(" ") + ("…" if len(message) > 8 else "")


def label(event: Event, short: bool = False) -> str:
    """What an arrow of the diagram says."""
    if event.kind in (Kind.HYPERCALL, Kind.SMC):
        text = f"{name_of_call(event, short=True)}({arguments(event, short=True)})"
        if event.result is not None:
            return f"{text} = {result(number(event), event.result, short=True)}"
        return f"{text} waits" if number(event) in RECEIVES else text
    if event.kind is Kind.DELIVER:
        message = event.message or b""
        return f"{len(message)} B {text_of(message, 8 if short else 14)}".strip()
    if event.kind is Kind.STEP or (event.kind is Kind.SWITCH and event.target is None):
        return goes_on(event)
    if event.kind is Kind.SWITCH:
        return returns(event, short)
    return LABELS.get(event.kind, event.text)


def goes_on(event: Event) -> str:
    """What a trap does after another CPU had its turn, or a switch that is not over."""
    kind, _, target = event.text.partition(" ")
    return step(kind, target) if kind in STEPS else "begins to switch"


def leaves(event: Event) -> bool:
    """Whether a CPU has saved the vCPU it held, before another CPU went on: from here on it runs it no more."""
    return event.kind is Kind.STEP and event.text.startswith("save ")


def returns(event: Event, short: bool = False) -> str:
    """What a switch brings back to the vCPU that now runs."""
    if event.function is None:
        starts = event.target is not None and event.change(f"{event.target}.pc") is None
        return "runs" if starts else "goes on"
    verb = CALLS[event.function].verb if event.function in CALLS else hex(event.function)
    return f"{verb} = {result(event.function, event.result or 0, short)}"


def sentence(event: Event) -> str:
    """One line of the transcript, without its number."""
    actor, target = who(event.actor), who(event.target or "")
    if event.kind in (Kind.HYPERCALL, Kind.SMC):
        via = "SMC " if event.kind is Kind.SMC else ""
        text = f"{actor} calls {via}{name_of_call(event)}({arguments(event)})"
        return text if event.result is None else f"{text} = {result(number(event), event.result)}"
    if event.kind is Kind.DELIVER:
        message = event.message or b""
        read = event.change(f"{event.target}.mailbox.state")
        text = f"{size(len(message))} from {vm_of(event.actor)} to {target}'s mailbox"
        return text + (f", now {read.new}" if read else "") + (f": {text_of(message, 32)}" if message else "")
    if event.kind is Kind.STEP:
        return f"CPU {event.cpu} goes on: {goes_on(event)}"
    if event.kind is Kind.SWITCH and event.target is None:
        return f"CPU {event.cpu} begins to switch"
    if event.kind is Kind.SWITCH:
        return f"CPU {event.cpu} switches to {target}: {returns(event)}"
    text = plain(event.text)
    return SENTENCES.get(event.kind, "{event.text}").format(event=event, actor=actor, target=target, text=text)


def change_rows(event: Event) -> list[list[str]]:
    """What an event changed, for a table: what, old value, new value. Packed results are decoded."""
    rows = []
    for what, old, new in event.changes:
        before, after = _value(what, old), _value(what, new)
        if what.endswith(".x0") and isinstance(new, int):
            function = event.function or call.HF_MAILBOX_RECEIVE if event.kind is Kind.WAKE else event.function
            if event.kind is Kind.WAKE or what == f"{event.target}.x0":
                after = f"{new:#x}: {result(function, new)}"
        rows.append([who(what).replace(".", " ").replace("_", " "), before, after])
    return rows


def changes(event: Event) -> list[str]:
    """What an event changed beyond what its sentence says, in words: "VM 1 mailbox: EMPTY -> READ"."""
    return [
        f"{who(what.removesuffix('.state')).replace('.', ' ')}: {_value(what, old)} -> {_value(what, new)}"
        for what, old, new in event.changes
        if what.endswith(".state") and event.kind not in (Kind.LOAD, Kind.DELIVER)
    ]


def _value(what: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Stage2):
        return f"{len(value.mappings())} ranges"
    if isinstance(value, int) and not what.endswith(("recv_bytes", "from_id")):
        return hex(value)
    return who(value) if isinstance(value, str) and "." in value else str(value)
