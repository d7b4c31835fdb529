"""Events in words: the same words in the diagram, the transcript, the steps and the exports."""

import re
from typing import TYPE_CHECKING

from hfedu.errors import counted
from hfedu.hf import call
from hfedu.hf.call import Call
from hfedu.history import abi, rpc
from hfedu.run.kinds import CALL_KINDS, KINDS, STEPS, Kind

if TYPE_CHECKING:
    from hfedu.run.recording import Actor, Event

RUNS = ("run", "rpc_run")
"""What calls give whose result comes only when the CPU comes back."""
NAME_PATTERN = re.compile(r"\b(vm\d+(?:\.vcpu\d+)?|cpu\d+)(?:\.(lock|mailbox))?\b")
"""Names in what the hypervisor itself says: its sentences are texts."""


INTERRUPTS = {
    27: "the virtual timer's interrupt (27)",
    30: "the physical timer's interrupt (30)",
    33: "the UART's interrupt (33)",
    34: "the real-time clock's interrupt (34)",
}


def interrupt(intid: int) -> str:
    """An interrupt as people say it. Example: 3 -> "software interrupt 3"."""
    return INTERRUPTS.get(intid, f"{'software ' if intid < 16 else ''}interrupt {intid}")


def number(event: "Event") -> int:
    """Which call an event is about; 0 if it is none."""
    return event.call.number if event.call is not None else 0


def who(name: "Actor | str | None") -> str:
    """A name as people say it. Example: "cpu0" -> "CPU 0", Actor(1, 0) -> "VM 1 vCPU 0"."""
    return names_in_words(str(name)) if name is not None else "hypervisor"


def names_in_words(text: str) -> str:
    """A text with every name in it as people say it. Example: "vm1.vcpu0.lock" -> "VM 1 vCPU 0's lock"."""

    def said(found: re.Match[str]) -> str:
        name = found[1].replace("vm", "VM ").replace(".vcpu", " vCPU ").replace("cpu", "CPU ")
        return f"{name}'s {found[2]}" if found[2] else name

    return NAME_PATTERN.sub(said, text)


def path_words(path: str) -> str:
    """A path of the state as people say it. Example: "vm1.mailbox.recv_bytes" -> "VM 1 mailbox recv bytes"."""
    return names_in_words(path).replace("'s ", " ").replace(".", " ").replace("_", " ")


def vcpu_look(state: str, waits: bool) -> str:
    """How a vCPU is by what the machine calls it, and whether it waits for a message: a name in `VCPU_LOOKS`."""
    if state.startswith("BLOCKED"):
        return "message" if waits or state != "BLOCKED_INTERRUPT" else "wfi"
    return state.lower()


def step_words(kind: str, target: str) -> str:
    """What a CPU does in one atomic step. Example: ("release", "vm1.lock") -> "drops VM 1's lock"."""
    return STEPS.get(kind, f"{kind} {{}}").format(names_in_words(target)).strip()


def size(count: int) -> str:
    """A number of bytes. Example: 524288 -> "512 KiB"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return counted(count, "byte")


def in_bytes(count: int) -> str:
    """A size as the interface has it, one of the numbers that a call takes or gives. Example: 4096 -> "4096 bytes"."""
    return f"{count} {'byte' if count == 1 else 'bytes'}"


def signed_text(value: int) -> str:
    """A result as people write it: small negative numbers with a sign, others in decimal or hexadecimal."""
    return str(value - (value >> 63 << 64)) if value >> 63 or value < 10 else f"{value:#x}"


def arguments(event: "Event", short: bool = False) -> str:
    """The arguments of a call, decoded. `short` leaves out what a small picture has no room for."""
    if event.call is None:
        return "…" if short else ", ".join(f"{value_words:#x}" for value_words in event.args)
    said = (argument(name, value, short) for name, value in vars(event.arg).items())
    return ", ".join(text for text in said if text)


def argument(name: str, value: int, short: bool) -> str:
    """One argument of a call; nothing if a small picture has no room for it."""
    match name:
        case "vm":
            return f"VM {value}"
        case "vcpu":
            return "" if short and not value else f"vCPU {value}"
        case "size":
            return in_bytes(value) if value < 1 << 16 else f"{value:#x} bytes"
        case "block" if value or not short:
            return "block" if value else "no block"
        case "ack":
            return f"ack {value}"
    return "" if short else f"{name} {value:#x}"


def name_of_call(event: "Event", short: bool = False) -> str:
    """The name of a call. `short` is the diagram's word; otherwise the constant of the interface."""
    if event.call is not None:
        return event.call.verb if short else event.call.name
    return f"{'smc' if event.kind is Kind.SMC else 'hvc'} {event.function or 0:#x}"


def result(of: Call | None, value: int, short: bool = False) -> str:
    """A result, unpacked. Example: that of HF_VCPU_RUN, 0x20002 -> "WAKE_UP(VM 2, vCPU 0)"."""
    gives = of.gives if of is not None else ""
    if gives == "run":
        return _run_result(value, short)
    if gives == "rpc_run":
        code, data = rpc.rpc_run_return(value)
        if code == rpc.RESPONSE_READY:
            return f"RESPONSE_READY {data} B" if short else f"RESPONSE_READY({in_bytes(data)})"
        return _run_result(code, short)
    if gives == "bytes" and not value >> 63:
        return f"{value} B" if short else in_bytes(value)
    if gives == "message" and not value >> 63:
        vm_id, count = call.hf_mailbox_receive_return(value)
        return f"VM {vm_id}, {f'{count} B' if short else in_bytes(count)}"
    if gives == "vcpu" and value == call.HF_INVALID_VCPU:
        return "0xffff" if short else "0xffff (no vCPU waits)"
    return signed_text(value)


def _run_result(value: int, short: bool) -> str:
    code, vm_id, data = call.hf_vcpu_run_return(value)
    if code == call.HfVcpuRun.WAKE_UP:
        vcpu = "any vCPU" if data == call.HF_INVALID_VCPU else f"vCPU {data}"
        return f"WAKE_UP VM {vm_id}" if short else f"WAKE_UP(VM {vm_id}, {vcpu})"
    if code == call.HfVcpuRun.MESSAGE:
        return f"MESSAGE {data} B" if short else f"MESSAGE({in_bytes(data)})"
    if code in (abi.LaterVcpuRun.ABORTED, abi.LaterVcpuRun.NOTIFY_WAITERS):
        name = abi.LaterVcpuRun(code).name
        return f"{name} VM {vm_id}" if short else f"{name}(VM {vm_id})"
    named = (*call.HfVcpuRun, *abi.LaterVcpuRun)
    return next((known.name for known in named if known == code), hex(value))


def failed(event: "Event") -> bool:
    """Whether an event is the refusal of a call. A run that returns at once did not run anybody."""
    if event.kind is not Kind.RETURN:
        return False
    runs = event.call is not None and event.call.gives in RUNS
    return runs or event.refused is not None or bool((event.result or 0) >> 63)


def text_of(message: bytes, limit: int = 20) -> str:
    """The beginning of a message: as text where it is text, else in hexadecimal."""
    head = message[:limit]
    if head and all(32 <= byte < 127 for byte in head):
        return f"“{head.decode()}{'…' if len(message) > limit else ''}”"
    return head[:8].hex(" ") + ("…" if len(message) > 8 else "")


def label(event: "Event", short: bool = False) -> str:
    """What an arrow of the diagram says."""
    if event.kind in CALL_KINDS:
        return f"{name_of_call(event, short=True)}({arguments(event, short=True).replace(' bytes', ' B')})"
    if event.kind is Kind.DELIVER:
        message = event.message or b""
        return f"{len(message)} B {text_of(message, 8 if short else 14)}".strip()
    if event.kind is Kind.RETURN:
        return f"= {result(event.call, event.result or 0, short=True)}"
    if event.kind is Kind.STEP or (event.kind is Kind.SWITCH and event.target is None):
        return goes_on(event)
    if event.kind is Kind.SWITCH:
        return brought_back(event, short)
    if event.kind is Kind.ACCESS:
        return names_in_words(event.text.partition(" (")[0])
    look = KINDS[event.kind]
    if look.device:
        return f"{look.word} {event.function}"
    return look.label or event.text


def goes_on(event: "Event") -> str:
    """What a trap does after another CPU had its turn, or a switch that is not over."""
    return step_words(*event.step) if event.step is not None else "begins to switch"


def leaves(event: "Event") -> bool:
    """Whether a CPU has saved the vCPU it held, before another CPU went on: from here on it runs it no more."""
    return event.kind is Kind.STEP and event.step is not None and event.step[0] == "save"


def brought_back(event: "Event", short: bool = False) -> str:
    """What a switch brings back to the vCPU that now runs."""
    if event.function is None:
        starts = event.target is not None and event.change(f"{event.target.name}.pc") is None
        return "runs" if starts else "goes on"
    verb = event.call.verb if event.call is not None else hex(event.function)
    return f"{verb} = {result(event.call, event.result or 0, short)}"


def sentence(event: "Event") -> str:
    """One line of the transcript, without its number."""
    actor, target = who(event.actor), who(event.target)
    if event.kind in CALL_KINDS:
        via = "SMC " if event.kind is Kind.SMC else ""
        return f"{actor} calls {via}{name_of_call(event)}({arguments(event)})"
    if event.kind is Kind.RETURN:
        return f"{target}'s {name_of_call(event, short=True)} returns {result(event.call, event.result or 0)}"
    if event.kind is Kind.DELIVER and event.target is not None:
        message = event.message or b""
        read = event.change(f"{event.target.name}.mailbox.state")
        text = f"{size(len(message))} from {vm_of(event.actor)} to {target}'s mailbox"
        return text + (f", now {read.new}" if read else "") + (f": {text_of(message, 32)}" if message else "")
    if event.kind is Kind.STEP:
        return f"CPU {event.cpu} goes on: {goes_on(event)}"
    if event.kind is Kind.SWITCH and event.target is None:
        return f"CPU {event.cpu} begins to switch"
    if event.kind is Kind.SWITCH:
        return f"CPU {event.cpu} switches to {target}: {brought_back(event)}"
    address = event.args[0] if event.args else 0
    text = event.text if event.kind is Kind.LOAD else names_in_words(event.text)  # a file's name is said as it is
    code = event.function or 0
    said = {"interrupt": interrupt(code), "cpu": event.cpu, "esr": code, "address": address, "text": text}
    return KINDS[event.kind].sentence.format(actor=actor, target=target, **said)


def vm_of(actor: "Actor | None") -> str:
    """The VM of an actor. Example: Actor(1, 0) -> "VM 1"."""
    return "hypervisor" if actor is None else f"VM {actor.vm}"


def change_rows(event: "Event") -> list[list[str]]:
    """What an event changed, for a table: what, old value, new value. Packed results are decoded."""
    rows = []
    for change in event.changes:
        after = value_words(change.what, change.new)
        if change.result_of is not None:
            after = f"{change.new:#x}: {result(change.result_of, change.new)}"
        rows.append([path_words(change.what), value_words(change.what, change.old), after])
    return rows


def state_changes(event: "Event") -> list[str]:
    """What an event changed beyond what its sentence says, in words: "VM 1 mailbox: EMPTY -> READ"."""
    return [
        f"{path_words(change.what.removesuffix('.state'))}: {value_words(change.what, change.old)} -> "
        f"{value_words(change.what, change.new)}"
        for change in event.changes
        if change.what.endswith(".state") and event.kind not in (Kind.LOAD, Kind.DELIVER)
    ]


def value_words(path: str, found: object) -> str:
    """A value of the state, in words."""
    if found is None:
        return "-"
    if hasattr(found, "mappings"):
        return f"{len(found.mappings())} ranges"
    if isinstance(found, int) and not path.endswith(("recv_bytes", "from_id")):
        return hex(found)
    return str(found)


def indented(event: "Event") -> str:
    """The sentence of an event, indented where it follows from the one above."""
    return ("  " if KINDS[event.kind].to_guest else "") + sentence(event)


def transcript_line(event: "Event") -> str:
    """The whole line of the transcript: number, physical CPU, sentence, and which states changed."""
    changed = "; ".join(state_changes(event))
    return f"{event.seq}  cpu{event.cpu}  {indented(event)}" + (f"  [{changed}]" if changed else "")
