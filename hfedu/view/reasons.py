"""Why the hypervisor decides as it does at a trap, and what a wrong decision led to, in sentences."""

from collections.abc import Iterator

from hfedu.errors import counted
from hfedu.hf import call
from hfedu.run import words
from hfedu.run.decider import FIELDS, FOR_MESSAGE, Decision
from hfedu.run.kinds import VCPU_LOOKS, Kind
from hfedu.run.recording import Actor, Event, Recording, State
from hfedu.view.runs import told_event, where_they_part

WHAT = {
    "run": "VM {to} is READY, so it becomes RUNNING and the CPU goes on with it. vcpu_run has no result yet: that "
    "comes with the CPU, when it comes back.",
    "run refused": "VM {to} is not READY, so it cannot run: vcpu_run returns WAIT_FOR_INTERRUPT at once.",
    "send wakes": "VM {to} waits for a message. The message is copied, its mailbox is READ because VM {to} is told of "
    "it now, and its vCPU becomes READY with the sender and the size in x0.",
    "send stored": "Nobody waits for a message to VM {to}: the message is copied, and its mailbox is RECEIVED until VM "
    "{to} receives.",
    "send to primary": "The message is copied into the primary's mailbox, and the CPU goes back to the primary, whose "
    "vcpu_run says MESSAGE.",
    "send refused": "VM {to}'s mailbox is not EMPTY: the send is refused with -1, and nothing changes.",
    "receive blocks": "There is no new message, so VM {vm} goes into its mailbox's list of waiters and the CPU goes "
    "back to the primary, whose vcpu_run says WAIT_FOR_INTERRUPT.",
    "receive takes": "A message waits: receive returns its sender and size, and the mailbox is READ.",
    "receive refused": "There is no new message, and VM {vm} does not want to wait for one: -1.",
    "clear": "The message was received, so the mailbox becomes EMPTY: the next one has room.",
    "clear refused": "There is no message that was received, so there is nothing to clear: -1.",
    "sleep": "VM {vm} has nothing to do until an interrupt comes: it waits, and the CPU goes back to the primary.",
}
"""What the real hypervisor does, by the kind of trap."""

WHY = {
    ("run", "state"): "The primary's vCPU keeps its state: only vCPUs that others run need one.",
    ("run", "result"): "The result of vcpu_run says why the CPU came back, and it has not even left.",
    ("run", "next"): "The primary decides who runs, it asked for VM {to}, and VM {to} is READY.",
    ("run", "wakes"): "VM {to} is READY already. To wake is to make READY; to run takes the CPU.",
    (
        "run refused",
        "next",
    ): "Only a vCPU that is READY may run. VM {to} waits, or has not saved what it would go on with.",
    (
        "run refused",
        "result",
    ): "The primary must learn that VM {to} could not run: WAIT_FOR_INTERRUPT, nothing to do there.",
    ("send wakes", "wakes"): "VM {to} is in its mailbox's list of waiters: if this send does not wake it, who does?",
    (
        "send wakes",
        "mailbox",
    ): "The message must be copied now, for the sender may write over its page next; and VM {to} "
    "is told of it now, so it counts as received: READ. RECEIVED is for a message that nobody was told of.",
    (
        "send stored",
        "mailbox",
    ): "The message must be copied now, for the sender may write over its page next; and nobody "
    "was told of it yet, so it is RECEIVED, and not READ.",
    ("send stored", "wakes"): "VM {to} does not wait for a message. A send wakes only who does.",
    ("send stored", "result"): "The primary is told which vCPU was woken. None was: 0xffff is the number of no vCPU.",
    ("send to primary", "mailbox"): "The primary never calls receive: that vcpu_run returns MESSAGE tells it, so READ.",
    (
        "send refused",
        "mailbox",
    ): "The mailbox holds a message that its owner has not cleared. Whoever writes over it loses one of the two.",
    ("send refused", "result"): "The sender must learn that its message was not taken: -1.",
    ("send refused", "next"): "A send that failed never switches: the sender decides what to do now.",
    (
        "receive blocks",
        "state",
    ): "It waits for a message, so it must be where a send looks: in the list of waiters. (Its "
    "state then reads BLOCKED_INTERRUPT all the same: this version overwrites BLOCKED_MAILBOX, a defect.)",
    ("receive blocks", "result"): "receive has no result yet. The send that wakes the vCPU writes it into its x0.",
    (
        "receive blocks",
        "next",
    ): "VM {vm} cannot go on without a message. The hypervisor does not choose who runs: it goes back to the primary.",
    ("receive blocks", "returns"): "The primary is to learn that VM {vm} waits. For what, this interface does not say: "
    "WAIT_FOR_INTERRUPT.",
    ("receive takes", "mailbox"): "It is received now, and not cleared: READ.",
    ("receive takes", "result"): "That is what receive is for: who sent the message, and how long it is.",
    ("receive takes", "state"): "It has its message, and no reason to wait.",
    (
        "clear",
        "mailbox",
    ): "The owner says that the page may be overwritten. If the mailbox stays READ, nobody can send to it.",
    ("clear", "wakes"): "Nobody is told of a clear: a sender that was refused must try again.",
    (
        "clear refused",
        "result",
    ): "Only a mailbox that is READ can be cleared, and the caller must learn that this was not.",
    (
        "send by a secondary",
        "state",
    ): "The sender could go on, so it is READY: the primary may run it again at any time.",
    ("send by a secondary", "result"): "The send is done: 0. Which vCPU was woken is for the primary to know.",
    (
        "send by a secondary",
        "next",
    ): "Only the primary schedules. It gets the CPU back, so that it can run whom the message was for.",
    ("send by the primary", "result"): "The primary is told which vCPU was woken: VM {to}'s vCPU 0, so 0.",
    ("send by the primary", "next"): "A send does not run the receiver. The primary goes on, and runs VM {to} when it "
    "chooses.",
    ("sleep", "state"): "A WFI waits for an interrupt and not for a message: it is in no list of waiters.",
    ("sleep", "next"): "VM {vm} cannot go on. The hypervisor does not choose who runs: it goes back to the primary.",
    ("sleep", "returns"): "The primary is to learn that VM {vm} waits for an interrupt.",
}
"""Why a field is as it is, by the kind of trap."""

WHY_AT_ALL = {
    "state": "Who goes on keeps its state; who gives the CPU back, and could go on, is READY.",
    "result": "A call that is done says so: 0. A failure is -1.",
    "mailbox": "This trap is about no mailbox, so none changes.",
    "wakes": "A vCPU is woken by a message to its VM, if it waits for one, and by nothing else here.",
    "next": "The caller goes on, unless it must wait or the primary has something to decide.",
    "returns": "The primary schedules: vcpu_run must say what it has to know, whom a message woke or that it got one.",
}
"""Why a field is as it is, where there is no more to say."""


def kind_of(number: int | None, real: Decision, caller: str) -> str:
    """The kind of trap, from the call and what the real hypervisor does."""
    if number is None:
        return "sleep"
    if number == call.HF_VCPU_RUN:
        return "run refused" if real.next == caller else "run"
    if number == call.HF_MAILBOX_SEND:
        if real.result == "-1":
            return "send refused"
        return "send to primary" if real.mailbox.startswith("VM 0") else f"send {stored(real)}"
    if number == call.HF_MAILBOX_RECEIVE:
        if real.state == FOR_MESSAGE:
            return "receive blocks"
        return "receive refused" if real.result == "-1" else "receive takes"
    return "clear refused" if real.result == "-1" else "clear"


def stored(real: Decision) -> str:
    """Whether a message wakes somebody or is stored."""
    return "stored" if real.wakes == "nobody" else "wakes"


def differences(yours: Decision, real: Decision, caller: str) -> list[str]:
    """The fields that differ. What vcpu_run returns counts only if the CPU goes back to the primary from another VM."""
    back = [d.next == "VM 0" != caller for d in (yours, real)]
    fields = [field for field in FIELDS if getattr(yours, field) != getattr(real, field)]
    return [field for field in fields if field != "returns" or all(back)]


def why_decided(trap: Event, number: int | None, yours: Decision, real: Decision) -> str:
    """What the real hypervisor does at a trap, and of the first field that differs, why."""
    caller = words.vm_of(trap.actor)
    kind = kind_of(number, real, caller)
    said = {"vm": caller[3:], "to": trap.args[0] & call.MASK32 if trap.args else 0}
    text = WHAT[kind].format(**said)
    if kind in ("send wakes", "send stored") and caller != "VM 0":
        text += f" The CPU goes back to the primary, whose vcpu_run says {real.returns}."
    differ = differences(yours, real, caller)
    if not differ:
        return f"As the real one. {text}"
    field, by = differ[0], "send by the primary" if caller == "VM 0" else "send by a secondary"
    keys = [(kind, field), *([(by, field)] if number == call.HF_MAILBOX_SEND else [])]
    reason = next((WHY[key] for key in keys if key in WHY), WHY_AT_ALL[field]).format(**said)
    others = len(differ) - 1
    more = f" They differ in {counted(others, 'more field')}." if others else ""
    return f"The real one does something else: {text} First difference, “{FIELDS[field]}”: {reason}{more}"


def parting_from_the_real_one(yours: Recording, real: Recording) -> str:
    """Where a run parts from the real one."""
    here, there = where_they_part(yours, real)
    said = (told_event(run.events[at]) if at is not None else "nothing" for run, at in ((yours, here), (real, there)))
    return "Your run parts from the real one at event {}. In yours: {}. In the real one: {}.".format(
        there or here, *said
    )


def got(recording: Recording, vm: int) -> list[str]:
    """What the receives of a VM returned, and the bytes that were in its mailbox."""
    found = []
    for event in recording.events:
        came = event.kind in (Kind.SWITCH, Kind.RETURN) and event.target == Actor(vm, 0)
        if came and words.number(event) == call.HF_MAILBOX_RECEIVE and not (event.result or 0) >> 63:
            size = call.hf_mailbox_receive_return(event.result or 0).size
            text = words.text_of((recording.at(event.seq).get(f"vm{vm}.mailbox.message") or b"")[:size])
            result = words.result(event.call, event.result or 0)
            found.append(f"{result}: {text}" if text else result)
    return found


def vcpu_said_in(state: State, vcpu: Actor) -> str:
    """How a vCPU is, in words."""
    return VCPU_LOOKS[words.vcpu_look(str(state.of(vcpu, "state")), vcpu in state.waiters(vcpu.vm))][0]


def consequences(yours: Recording, real: Recording) -> Iterator[str]:
    """What is otherwise in the end than with the real hypervisor: what each VM got, and how it is left."""
    left, meant = yours.at(len(yours.events) - 1), real.at(len(real.events) - 1)
    for vm in sorted({line.vm for line in real.lifelines}):
        name, received, expected = f"vm{vm}.vcpu0", got(yours, vm), got(real, vm)
        if received != expected:
            here, there = ("; ".join(texts) or "nothing" for texts in (received, expected))
            yield f"VM {vm}'s receives gave {here}. With the real hypervisor: {there}."
        vcpus = tuple(vcpu_said_in(at, Actor(vm, 0)) for at in (left, meant))
        boxes = tuple(at.get(f"vm{vm}.mailbox.state") for at in (left, meant))
        for what, (mine, theirs) in (("vCPU in the end:", vcpus), ("mailbox is left", boxes)):
            if mine != theirs:
                yield f"VM {vm}'s {what} {mine}. With the real hypervisor: {theirs}."
        waits, box = Actor(vm, 0) in left.waiters(vm), left.get(f"vm{vm}.mailbox.state")
        asleep = str(left.get(f"{name}.state")).startswith("BLOCKED")
        if box == "RECEIVED" and asleep and not waits:
            yield f"VM {vm} sleeps with a message in its mailbox and is in no list of waiters: nothing wakes it."
