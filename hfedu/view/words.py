"""Events in words: the same words in the diagram, the transcript and the exports."""

from hfedu.hf import call
from hfedu.hf.handler import call_number
from hfedu.hf.psci import PsciCall
from hfedu.run.trace import Event, Kind, Stage2

CALLS: dict[int, tuple[str, str]] = {
    call.HF_VCPU_RUN: ("run", "HF_VCPU_RUN"),
    call.HF_VM_GET_COUNT: ("vm_get_count", "HF_VM_GET_COUNT"),
    call.HF_VCPU_GET_COUNT: ("vcpu_get_count", "HF_VCPU_GET_COUNT"),
    call.HF_VM_CONFIGURE: ("configure", "HF_VM_CONFIGURE"),
    call.HF_MAILBOX_SEND: ("send", "HF_MAILBOX_SEND"),
    call.HF_MAILBOX_RECEIVE: ("receive", "HF_MAILBOX_RECEIVE"),
    call.HF_MAILBOX_CLEAR: ("clear", "HF_MAILBOX_CLEAR"),
    **{int(number): (number.name.lower(), f"PSCI_{number.name}") for number in PsciCall},
}


def who(name: str) -> str:
    """A name as people say it. Example: "vm1.vcpu0" -> "VM 1 vCPU 0"."""
    return name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace("cpu", "CPU ") if name[:1] != "h" else name


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
    if value >> 63:
        return str(value - (1 << 64))
    return str(value) if value < 10 else f"{value:#x}"


def arguments(event: Event, short: bool = False) -> str:
    """The arguments of a call, decoded. `short` leaves out what a small picture has no room for."""
    number, (x1, x2, x3) = call_number(event.function or 0), event.args
    byte = "B" if short else "bytes"
    if number == call.HF_VCPU_RUN:
        return f"VM {x1 & call.MASK32}" if short else f"VM {x1 & call.MASK32}, vCPU {x2 & call.MASK32}"
    if number == call.HF_MAILBOX_SEND:
        return f"VM {x1 & call.MASK32}, {x2 if x2 < 1 << 16 else hex(x2)} {byte}"
    if number == call.HF_MAILBOX_RECEIVE:
        return "block" if x1 else ("" if short else "no block")
    if number == call.HF_VM_CONFIGURE:
        return "" if short else f"send {x1:#x}, recv {x2:#x}"
    if number == call.HF_VCPU_GET_COUNT:
        return f"VM {x1 & call.MASK32}"
    if number in (call.HF_VM_GET_COUNT, call.HF_MAILBOX_CLEAR, PsciCall.SYSTEM_OFF, PsciCall.SYSTEM_RESET):
        return ""
    return "…" if short else f"{x1:#x}, {x2:#x}, {x3:#x}"


def name_of_call(event: Event, short: bool = False) -> str:
    """The name of a call. `short` is the diagram's word; otherwise the constant of the interface."""
    function = event.function or 0
    names = CALLS.get(call_number(function))
    known = names is not None and (event.kind is not Kind.SMC or call_number(function) in list(PsciCall))
    instruction = "smc" if event.kind is Kind.SMC else "hvc"
    return names[0 if short else 1] if names is not None and known else f"{instruction} {function:#x}"


def result(function: int | None, value: int, short: bool = False) -> str:
    """A result, unpacked. Example: (HF_VCPU_RUN, 0x20002) -> "WAKE_UP(VM 2, vCPU 0)"."""
    byte = "B" if short else "bytes"
    if function == call.HF_VCPU_RUN:
        code, vm_id, data = call.hf_vcpu_run_return(value)
        if code == call.HfVcpuRun.WAKE_UP:
            vcpu = "any vCPU" if data == call.HF_INVALID_VCPU else f"vCPU {data}"
            return f"WAKE_UP VM {vm_id}" if short else f"WAKE_UP(VM {vm_id}, {vcpu})"
        if code == call.HfVcpuRun.MESSAGE:
            return f"MESSAGE {data} B" if short else f"MESSAGE({data} bytes)"
        return call.HfVcpuRun(code).name if code in list(call.HfVcpuRun) else hex(value)
    if function == call.HF_MAILBOX_RECEIVE and not value >> 63:
        vm_id, count = call.hf_mailbox_receive_return(value)
        return f"VM {vm_id}, {count} {byte}"
    if function == call.HF_MAILBOX_SEND and value == call.HF_INVALID_VCPU:
        return "0xffff" if short else "0xffff (no vCPU waits)"
    return signed(value)


def failed(event: Event) -> bool:
    """Whether the hypervisor refused a call."""
    if event.kind not in (Kind.HYPERCALL, Kind.SMC) or event.result is None:
        return False
    if call_number(event.function or 0) == call.HF_VCPU_RUN and event.kind is Kind.HYPERCALL:
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
        if event.result is None:
            waits = call_number(event.function or 0) == call.HF_MAILBOX_RECEIVE
            return f"{text} waits" if waits else text
        return f"{text} = {result(call_number(event.function or 0), event.result, short=True)}"
    if event.kind is Kind.DELIVER:
        message = event.message or b""
        head = text_of(message, 8 if short else 14)
        return f"{len(message)} B {head}".strip()
    if event.kind is Kind.WAKE:
        return "wake up"
    if event.kind is Kind.SWITCH:
        return returns(event, short)
    if event.kind is Kind.WFI:
        return "WFI: waits"
    if event.kind is Kind.IRQ:
        return "interrupt"
    if event.kind is Kind.FAULT:
        return "fault"
    return event.text


def returns(event: Event, short: bool = False) -> str:
    """What a switch brings back to the vCPU that now runs."""
    if event.function is None:
        starts = event.target is not None and event.change(f"{event.target}.pc") is None
        return "runs" if starts else "goes on"
    verb = CALLS.get(event.function, (hex(event.function), ""))[0]
    return f"{verb} = {result(event.function, event.result or 0, short)}"


def sentence(event: Event) -> str:
    """One line of the transcript, without its number."""
    actor = who(event.actor)
    if event.kind in (Kind.HYPERCALL, Kind.SMC):
        via = "SMC " if event.kind is Kind.SMC else ""
        text = f"{actor} calls {via}{name_of_call(event)}({arguments(event)})"
        if event.result is not None:
            text += f" = {result(call_number(event.function or 0), event.result)}"
    elif event.kind is Kind.DELIVER:
        message = event.message or b""
        read = event.change(f"{event.target}.mailbox.state")
        state = f", now {read.new}" if read else ""
        text = f"{size(len(message))} from {vm_of(event.actor)} to {who(event.target or '')}'s mailbox{state}"
        text += f": {text_of(message, 32)}" if message else ""
    elif event.kind is Kind.WAKE:
        text = f"{who(event.target or '')} wakes up"
    elif event.kind is Kind.SWITCH:
        text = f"CPU {event.cpu} switches to {who(event.target or '')}: {returns(event)}"
    elif event.kind is Kind.WFI:
        text = f"{actor} waits for an interrupt (WFI)"
    elif event.kind is Kind.IRQ:
        text = f"an interrupt arrives while {actor} runs"
    elif event.kind is Kind.FAULT:
        text = f"{actor} faults (ESR {event.function:#x}, address {event.args[0]:#x})"
    elif event.kind is Kind.LOAD:
        text = f"loads {who(event.target or '')} from {event.text}"
    elif event.kind is Kind.END:
        text = f"end: {event.text}"
    else:
        text = event.text
    return text


def change_rows(event: Event) -> list[list[str]]:
    """What an event changed, for a table: what, old value, new value. Packed results are decoded."""
    rows = []
    for what, old, new in event.changes:
        before, after = _value(what, old), _value(what, new)
        if what.endswith(".x0") and isinstance(new, int):
            function = call.HF_MAILBOX_RECEIVE if event.kind is Kind.WAKE else event.function
            if event.kind is Kind.WAKE or what == f"{event.target}.x0":
                after = f"{new:#x}: {result(function, new)}"
        rows.append([who(what).replace(".", " ").replace("_", " "), before, after])
    return rows


def changes(event: Event) -> list[str]:
    """What an event changed beyond what its sentence says, in words: "VM 1 mailbox: EMPTY -> READ"."""
    words = []
    for what, old, new in event.changes:
        if not what.endswith(".state") or event.kind in (Kind.LOAD, Kind.DELIVER):
            continue
        path = who(what).replace(".", " ").removesuffix(" state")
        words.append(f"{path}: {_value(what, old)} -> {_value(what, new)}")
    return words


def _value(what: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Stage2):
        return f"{len(value.mappings())} ranges"
    if isinstance(value, int) and not what.endswith(("recv_bytes", "from_id")):
        return hex(value)
    return who(value) if isinstance(value, str) and "." in value else str(value)
