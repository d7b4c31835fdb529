"""What kinds of events and of steps there are, and how each is shown: one row a kind, for words and for pictures."""

from enum import Enum
from typing import NamedTuple

from hfedu.errors import Mistake, nearest


class Kind(Enum):
    """What an event is about."""

    BOOT = "boot"
    LOAD = "load"
    HYPERCALL = "hypercall"
    SMC = "smc"
    WFI = "wfi"
    IRQ = "irq"
    FAULT = "fault"
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"
    DELIVER = "deliver"
    WAKE = "wake"
    RETURN = "return"
    SWITCH = "switch"
    ACCESS = "access"
    STEP = "step"
    END = "end"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise Mistake(f"there is no kind of event {value!r}{nearest(value, [kind.value for kind in cls])}")


class Look(NamedTuple):
    """How a kind of event is shown.

    `word` names it, `sentence` is its line of the transcript, filled in from the event (calls, messages and switches
    are said by functions of `words`, and have none here). In the picture it has a row of `height` pixels, the colour
    of `role`, the `label` where the event says nothing of its own, and a `sign` on its lifeline. `trap` says that a
    guest does it, and its arrow leads to the hypervisor; `effect` that the hypervisor does it about a trap; `to_guest`
    that its arrow leads to its target, and its line is indented; `device` that it happens between a guest and a device,
    of which the hypervisor sees nothing: it stands at the interrupt controller.
    """

    word: str
    sentence: str = ""
    role: str = "call"
    height: float = 20
    label: str = ""
    sign: str = ""
    trap: bool = False
    effect: bool = False
    to_guest: bool = False
    device: bool = False


KINDS: dict[Kind, Look] = {
    Kind.BOOT: Look("boot", "{text}", height=30, label="boots"),
    Kind.LOAD: Look("load", "loads {target} from {text}", height=30, label="loaded", to_guest=True),
    Kind.HYPERCALL: Look("hypercall", height=27, trap=True),
    Kind.SMC: Look("SMC", height=27, trap=True),
    Kind.WFI: Look("WFI", "{actor} waits for an interrupt (WFI)", height=27, label="WFI: waits", sign="wfi", trap=True),
    Kind.IRQ: Look("interrupt", "an interrupt arrives while {actor} runs", height=27, label="interrupt", trap=True),
    Kind.FAULT: Look(
        "fault", "{actor} faults (ESR {esr:#x}, address {address:#x})", "fault", 27, "fault", "fault", trap=True
    ),
    Kind.RAISED: Look("interrupt raised", "{interrupt} is raised for CPU {cpu}", sign="state", device=True),
    Kind.ACKNOWLEDGED: Look("acknowledge", "{actor} acknowledges {interrupt}", sign="state", device=True),
    Kind.ENDED: Look("end of interrupt", "{actor} ends {interrupt}", sign="state", device=True),
    Kind.DELIVER: Look("message", role="deliver", effect=True, to_guest=True),
    Kind.WAKE: Look("wake-up", "{target} wakes up", "wake", label="wake up", effect=True, to_guest=True),
    Kind.RETURN: Look("return", role="return", height=19, effect=True, to_guest=True),
    Kind.SWITCH: Look("switch", role="switch", sign="step", effect=True, to_guest=True),
    Kind.ACCESS: Look("unordered access", "{text}", "fault", sign="fault", effect=True),
    Kind.STEP: Look("step", role="step", sign="step", effect=True),
    Kind.END: Look("end", "end: {text}", role="end", height=30, sign="end"),
}
TRAPS = frozenset(kind for kind, look in KINDS.items() if look.trap)
FOLLOWS = frozenset(kind for kind, look in KINDS.items() if look.effect)
CALL_KINDS = (Kind.HYPERCALL, Kind.SMC)

VCPU_LOOKS = {
    "running": ("running", "running", "runs"),
    "leaving": ("leaves the CPU", "leaves the CPU", "leaves"),
    "ready": ("ready", "ready", "ready"),
    "message": ("waits for a message", "waits: message", "waits"),
    "wfi": ("sleeps (WFI)", "WFI: sleeps", "sleeps"),
    "off": ("off", "off", "off"),
    "aborted": ("stopped", "stopped", "stopped"),
}
"""How a vCPU is, for people: as a sentence says it, as the head of its lifeline does, and where that is narrow.

The machine may call both waits BLOCKED_INTERRUPT, and a message ends only one of them.
"""

STEPS = {
    "acquire": "takes {}",
    "release": "drops {}",
    "configure": "sets up the pages of {}",
    "deliver": "copies the message into {}",
    "read": "notes that {} has been read",
    "clear": "empties {}",
    "wake": "wakes {}",
    "block": "notes that {} waits for a message",
    "retval": "sets the result for {}",
    "save": "saves the registers of {}",
    "restore": "restores the registers of {} and runs it",
    "interrupt": "looks at the interrupts of {}",
    "abort": "looks whether {} is to stop",
    "drain": "lets its oldest store out of its buffer, to memory",
}
"""The atomic steps of hypervisor and store buffers, by kind, as what a CPU does. Another kind is said by its name."""
