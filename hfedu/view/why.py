"""Why? Chains of causes, from the recording alone: why a call was refused, why a vCPU does not run, how a run ended.

A chain is a tuple of links: a sentence, and the event that it leads to, if there is one. Why a call was refused is no
guess: the hypervisor notes the condition that decided, with what it found (`Event.refused`). What is derived here are
the causes behind that, up to the event where the condition was looked at, and what helps. Where the hypervisor gave
no reason, the chain says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hfedu.errors import Mistake, counted
from hfedu.guest.syndrome import FSC_PERMISSION, FSC_TRANSLATION
from hfedu.hf import arch, call, mm
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.check import Check
from hfedu.hf.platform import HEAP_PAGES, LAYOUT_TEXT_BEGIN, MAX_CPUS, bin_end
from hfedu.hf.psci import PsciCall
from hfedu.history import FIXES, with_needs
from hfedu.run import words
from hfedu.run.kinds import CALL_KINDS, FOLLOWS, Kind
from hfedu.run.recording import Actor, Event, Recording, Stage2
from hfedu.view.pagetable import describe_attrs, describe_descriptor

CAUSES = 4
"""How far back the chain of an event goes that is neither a refusal nor an end."""
POWER_OFF_CALLS = (PsciCall.SYSTEM_OFF, PsciCall.SYSTEM_RESET)
HELPS = "What helps: "
"""Begins the link that says what to do, where something helps."""
NO_REASON = "This hypervisor gives no reason: what refused the call notes no condition."


class Link(NamedTuple):
    """One link of a chain: a sentence, which says "event 31" where it leads to event 31; `seq` is None otherwise."""

    sentence: str
    seq: int | None = None


Links = list[Link]


@dataclass(frozen=True, repr=False)
class Why:
    """A question and its answer: the links of a chain, from what was asked back to what caused it.

    The last link says what helps, where something does.
    """

    question: str
    links: tuple[Link, ...]

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __str__(self) -> str:
        return " ".join(link.sentence for link in self.links)

    def __repr__(self) -> str:
        return "\n".join([self.question, *(f"  {i}. {link.sentence}" for i, link in enumerate(self.links, 1))])


def why(recording: Recording, event: Event | int, vcpu: Actor | str | None = None) -> Why:
    """Why event `event` came out as it did; with `vcpu` ("vm1.vcpu0"), why that does or does not run after it.

    A call that was refused is explained where it returns. No link leads beyond the event that is explained. `Mistake`
    if there is no such event or vCPU.
    """
    asked = recording.event(event)
    if vcpu is not None:
        line = next((line for line in recording.lifelines if vcpu in (line.name, line.actor)), None)
        if line is None:
            names = ", ".join(line.name for line in recording.lifelines) or "none"
            raise Mistake(f"there is no vCPU {vcpu!r}: this recording has {names}")
        past = Past(recording, asked.seq)
        links = present(past, line.actor) + holders(past)
        return Why(f"Why {line.actor} is as it is after event {asked.seq}:", tuple(links))
    returned = recording.returned(asked) if asked.kind in CALL_KINDS else None
    if returned is not None and words.failed(returned):
        asked = returned
    links = explained(recording, asked)
    return Why(f"Why event {asked.seq}, {words.sentence(asked).rstrip('.')}:", tuple(links))


class Past:
    """A recording up to an event: the state there, and since when what is as it is."""

    def __init__(self, recording: Recording, seq: int) -> None:
        self.recording, self.state, self.seq = recording, recording.at(seq), seq
        self.events = recording.events[: seq + 1]
        self.vms = len({event.target for event in self.events if event.kind is Kind.LOAD})

    def get(self, path: str) -> Any:
        """A value of the state."""
        return self.state.get(path)

    def last(self, test: Callable[[Event], object]) -> Event | None:
        """The last event so far that passes a test."""
        return next((event for event in reversed(self.events) if test(event)), None)

    def since(self, path: str) -> Event:
        """The event that made a value what it is; the first if none did."""
        return self.last(lambda event: event.change(path)) or self.events[0]

    def called(self, number: int, vm: int, vcpu: int | None = None) -> Event | None:
        """The last time that a VM, or one of its vCPUs, made a call."""
        return self.last(
            lambda e: (
                e.kind is Kind.HYPERCALL
                and words.number(e) == number
                and e.actor is not None
                and e.actor.vm == vm
                and vcpu in (None, e.actor.vcpu)
            )
        )

    def repaired(self, fix: str) -> bool:
        """Whether the hypervisor has one of the repairs."""
        made = self.recording.made
        return fix in with_needs(FIXES if made.get("profile") == "fixed" else made.get("fixes", ()))

    @property
    def changed(self) -> bool:
        """Whether the hypervisor has changes of somebody's own, of which only the recording is known."""
        return bool(self.recording.made.get("changes"))


def explained(recording: Recording, event: Event) -> Links:
    """The chain of an event."""
    if words.failed(event):
        return refusal_chain(recording, event)
    past = Past(recording, recording.settled(event).seq)
    if event.kind is Kind.FAULT:
        return fault(past, event)
    if event.kind is Kind.END:
        return ended(past, event)
    if event.kind is Kind.RAISED:
        return raised(event) + led_to(past, event)
    if event.kind is Kind.IRQ:
        return interrupted(past, event)
    if begins_wait(recording, event) and event.actor is not None:
        ends = (event.actor, Actor(event.actor.vm))
        later = (e.seq for e in past.events[event.seq :] if e.kind in (Kind.DELIVER, Kind.WAKE) and e.target in ends)
        if (woken := next(later, None)) is not None:
            past = Past(recording, woken - 1)  # before another CPU ended the wait
        return present(past, event.actor) + holders(past)
    return led_to(past, event)


def begins_wait(recording: Recording, event: Event) -> bool:
    """Whether an event begins a wait: for a message, or for an interrupt."""
    if event.kind is Kind.WFI:
        return True
    return receives(event) and event.seq not in recording.returns


def asks_why(recording: Recording, event: Event) -> bool:
    """Whether people ask of an event why it came out as it did: a refusal, a fault, a wait, or the end."""
    if (
        event.kind in (Kind.FAULT, Kind.END, Kind.IRQ)
        or any(not check.passed for check in gates_of(event))
        or words.failed(event)
        or begins_wait(recording, event)
    ):
        return True
    return event.seq in recording.returns and words.failed(recording.events[recording.returns[event.seq]])


def gates_of(event: Event) -> tuple[Check, ...]:
    """What an interrupt had to pass when it was raised; nothing for other events."""
    return event.checks if event.kind is Kind.RAISED else ()


def raised(event: Event) -> Links:
    """What keeps an interrupt from the CPU that it was raised for, or that nothing did."""
    shut = [check.condition for check in gates_of(event) if not check.passed]
    if not shut:
        return [Link(f"CPU {event.cpu} takes it: it passes the distributor, the CPU's interface and the mask.")]
    return [Link(f"It does not come to CPU {event.cpu}, because this is not so: {condition}.") for condition in shut]


def interrupted(past: Past, event: Event) -> Links:
    """Why a secondary lost the CPU to an interrupt."""
    cause = event.caused_by("interrupt")
    links = []
    if cause is not None:
        came = past.events[cause]
        links.append(Link(f"At event {cause}, {words.sentence(came)}.", cause))
        armed = came.caused_by("armed")
        if armed is not None:
            said = words.sentence(past.events[armed]).rstrip(".")
            links.append(Link(f"Its timer was set after event {armed}: {said}.", armed))
    elif past.recording.made.get("timer"):
        links.append(Link(f"The knob timer= interrupts each CPU after {past.recording.made['timer']:,} instructions."))
    rule = "While a secondary runs, every interrupt of its CPU is taken to EL2, whatever it masks (HCR_EL2.IMO)."
    return [*links, Link(f"{rule} The hypervisor gives the CPU back to the primary, whose HF_VCPU_RUN returns YIELD.")]


LED = {
    "call": "{} is part of event {}: {}.",
    "cpu": "{} has its CPU since event {}: {}.",
    "interrupt": "{} is about the interrupt of event {}: {}.",
    "armed": "{} comes from a device that was set after event {}: {}.",
    "ready": "{} runs a vCPU that was made ready by event {}: {}.",
    "waits": "{} ends the wait that began at event {}: {}.",
    "message": "{} is about the message of event {}: {}.",
    "before": "{} follows event {}: {}.",
}
"""How an event led to another, by the role of the cause: the event that it led to, its number, and what it was."""


def led_to(past: Past, event: Event) -> Links:
    """The events that led to this one: its own causes, the nearest first, then their causes, and so on."""
    links: Links = []
    waiting = [("It", cause) for cause in event.causes]
    while waiting and len(links) < CAUSES:
        led, (seq, role) = waiting.pop(0)
        if seq in [link.seq for link in links]:
            continue
        cause = past.events[seq]
        links.append(Link(LED[role].format(led, seq, words.sentence(cause).rstrip(".")), seq))
        waiting += [(f"Event {seq}", further) for further in cause.causes]
    return links or [Link("It is the first event: somebody switched the machine on.")]


# Refusals: what was noted, then the causes behind it, then what helps.


def refusal_chain(recording: Recording, event: Event) -> Links:
    """Why a call was refused: the condition that decided, and how it came to that."""
    check = event.refused
    if check is None:
        return [Link(NO_REASON)]
    looked = next((e for e in recording.events[event.seq :: -1] if check in e.checks and e.cpu == event.cpu), event)
    past = Past(recording, looked.seq)
    explain = REFUSALS.get(check.condition)
    links = [Link(in_words(check))] if explain is None else explain(past, event, check)
    # What helps under a hypervisor of one's own, nobody here knows.
    return [link for link in links if not (past.changed and link.sentence.startswith(HELPS))]


def in_words(check: Check) -> str:
    """A condition that failed, as it was noted."""
    found = ", ".join(f"{name} is {words.value_words(name, value)}" for name, value in check.values)
    said = f"The hypervisor requires “{check.condition}” of {words.who(check.on)}, and that does not hold"
    return f"{said}: {found}." if found else f"{said}."


def owner_of(past: Past, check: Check) -> int:
    """The VM that a condition is about."""
    vms = (event.target for event in past.events if event.kind is Kind.LOAD and event.target is not None)
    return next(vm.vm for vm in vms if f"{check.on}.".startswith(f"{vm.name}."))


def too_large(past: Past, event: Event, check: Check) -> Links:
    """A message of more than a page."""
    return [
        Link(f"A message has at most {call.HF_MAILBOX_SIZE} bytes, this one has {check.value('size')}."),
        Link(f"{HELPS}send it in parts."),
    ]


def to_itself(past: Past, event: Event, check: Check) -> Links:
    """A message to the sender."""
    return [Link("A VM cannot send to itself.")]


def no_vm(past: Past, event: Event, check: Check) -> Links:
    """There is no such VM."""
    last = int(check.value("count") or 1) - 1
    return [Link(f"There is no VM {check.value('vm')}: there are VMs 0 to {last}.")]


def no_vcpu(past: Past, event: Event, check: Check) -> Links:
    """There is no such vCPU."""
    return [Link(f"VM {owner_of(past, check)} has no vCPU {check.value('vcpu')}.")]


def busy(past: Past, event: Event, check: Check) -> Links:
    """The target's mailbox holds a message."""
    to, state = owner_of(past, check), check.value("state")
    at = past.since(f"{check.on}.state")
    if past.recording.call_of(at) == past.recording.call_of(event):
        return [Link(f"VM {to}'s mailbox is {state} since event {at.seq}, which is part of this very call.", at.seq)]
    links = [*mailbox(past, to), *owners(past, to)]
    word = "acknowledges" if state in ("PENDING", "INFLIGHT") else "clears"
    who = "the primary, which runs" if to == call.HF_PRIMARY_VM_ID else f"VM {to} runs (HF_VCPU_RUN)"
    if for_good(past, to):
        return [*links, Link(f"VM {to} cannot run again, so nothing {word} its mailbox: every send to it fails.")]
    return [*links, Link(f"{HELPS}{who} and {word} its mailbox, and then the send is tried again.")]


def for_good(past: Past, vm: int) -> bool:
    """Whether a VM whose mailbox is full has no vCPU that can ever run again."""
    actors = [line.actor for line in past.recording.lifelines if line.vm == vm]
    if past.changed or past.repaired("no-interrupt") or vm == call.HF_PRIMARY_VM_ID:
        return False
    if any(past.state.of(actor, "state") in ("READY", "RUNNING") for actor in actors):
        return False
    mail = past.since(f"vm{vm}.mailbox.state").seq
    about_to_wake = past.state.waiters(vm) and mail > past.since(f"vm{vm}.mailbox.recv_waiter").seq
    return not about_to_wake


def unset(page: str) -> Callable[[Past, Event, Check], Links]:
    """Why a VM has no send or receive page."""

    def explain(past: Past, event: Event, check: Check) -> Links:
        vm = owner_of(past, check)
        links = [Link(f"VM {vm} has no {page} page.")]
        tried = past.called(call.HF_VM_CONFIGURE, vm)
        if tried is None:
            links += [Link(f"VM {vm} has not called HF_VM_CONFIGURE."), *owners(past, vm)]
            return [*links, Link(f"{HELPS}VM {vm} runs and calls HF_VM_CONFIGURE.")]
        returned = past.recording.returned(tried)
        if returned is None or returned.seq > past.seq:
            return [*links, Link(f"Its HF_VM_CONFIGURE at event {tried.seq} has not returned yet.", tried.seq)]
        if not words.failed(returned):
            return [*links, Link(f"Its HF_VM_CONFIGURE at event {tried.seq} succeeded all the same.", tried.seq)]
        why_so = refusal_chain(past.recording, returned)
        return [*links, Link(f"Its HF_VM_CONFIGURE at event {tried.seq} was refused.", tried.seq), *why_so]

    return explain


def no_message(past: Past, event: Event, check: Check) -> Links:
    """A receive that may not wait, and finds no new message."""
    vm = owner_of(past, check)
    links = [Link("There is no new message, and the call was not allowed to block."), *mailbox(past, vm)]
    if check.value("state") in ("READ", "INFLIGHT"):
        return [*links, Link(f"{HELPS}clear the mailbox, so that the next message can come.")]
    return [*links, Link(f"{HELPS}block=True, which waits for one.")]


def not_read(past: Past, event: Event, check: Check) -> Links:
    """A clear of a mailbox without a message that was received."""
    vm, state = owner_of(past, check), check.value("state")
    links = [Link(f"Only a mailbox that is READ can be cleared, and VM {vm}'s is {state}."), *mailbox(past, vm)]
    return [*links, Link(f"{HELPS}receive the message first.")] if state == "RECEIVED" else links


def not_inflight(past: Past, event: Event, check: Check) -> Links:
    """An acknowledgement of nothing."""
    vm, state = owner_of(past, check), check.value("state")
    return [
        Link(f"Only a mailbox that is INFLIGHT can be acknowledged, and VM {vm}'s is {state}."),
        *mailbox(past, vm),
    ]


def not_the_primary(past: Past, event: Event, check: Check) -> Links:
    """A call for the primary."""
    name = words.name_of_call(event)
    if name == "HF_VCPU_RUN":
        return [Link("Only the primary may run vCPUs.")]
    if name == "HF_VCPU_GET_COUNT":
        return [Link("Only the primary may ask for vCPU counts.")]
    return [Link(f"Only the primary may call {name}.")]


def not_a_secondary(past: Past, event: Event, check: Check) -> Links:
    """A call for secondaries."""
    if words.name_of_call(event) == "HF_MAILBOX_RECEIVE":
        return [Link("The primary may not receive: its messages arrive as the result of HF_VCPU_RUN.")]
    return [Link(f"The primary may not call {words.name_of_call(event)}: it is for secondaries.")]


def runs_the_primary(past: Past, event: Event, check: Check) -> Links:
    """The primary names itself."""
    if words.name_of_call(event) == "HF_VCPU_RUN":
        return [Link("The primary cannot run itself.")]
    return [Link("The primary is meant, and only a secondary will do.")]


def not_ready(past: Past, event: Event, check: Check) -> Links:
    """The vCPU cannot run."""
    vcpu = vcpu_named(past, check.on)
    state, at = check.value("state"), past.since(f"{check.on}.state").seq
    said = Link(f"{vcpu} is not READY, it is {state} since event {at}.", at)
    rest = present(past, vcpu)
    return [said, *(rest[1:] if state == "OFF" else rest)]  # of one that is OFF the first link says the same


def not_saved(past: Past, event: Event, check: Check) -> Links:
    """The vCPU is still being left."""
    vcpu = vcpu_named(past, check.on)
    state = check.value("state")
    if state != "READY":
        return not_ready(past, event, check)
    at = past.since(f"{check.on}.state").seq
    return [
        Link(f"{vcpu} is READY since event {at}, but a CPU still saves its registers.", at),
        Link(f"{HELPS}run it again a moment later."),
    ]


def was_stopped(past: Past, event: Event, check: Check) -> Links:
    """The VM faulted."""
    vm = owner_of(past, check)
    stopped = past.last(lambda e: e.kind is Kind.FAULT and e.actor is not None and e.actor.vm == vm)
    if stopped is None:
        return [Link(f"VM {vm} was stopped.")]
    return [Link(f"VM {vm} was stopped: it faulted at event {stopped.seq}.", stopped.seq)]


def unaligned(page: str, name: str) -> Callable[[Past, Event, Check], Links]:
    """A page that does not begin where pages do."""

    def explain(past: Past, event: Event, check: Check) -> Links:
        ipa = int(check.value(name) or 0)
        return [
            Link(f"The {page} page must begin at a multiple of {PAGE_SIZE}, {ipa:#x} does not."),
            Link(f"{HELPS}{ipa & -PAGE_SIZE:#x}, if that page is the VM's."),
        ]

    return explain


def configured_already(past: Past, event: Event, check: Check) -> Links:
    """Pages are named once."""
    vm, at = owner_of(past, check), past.since(f"{check.on}.recv").seq
    return [Link(f"VM {vm} configured its pages at event {at} already: that works once.", at)]


def not_mapped(page: str, name: str) -> Callable[[Past, Event, Check], Links]:
    """A page that is not the VM's."""

    def explain(past: Past, event: Event, check: Check) -> Links:
        vm, ipa = owner_of(past, check), int(check.value(name) or 0)
        missing = unmapped(past, vm, ipa)
        said = f"The {page} page, {ipa:#x}, must be in the VM's own memory."
        return [Link(f"{said} {missing}" if missing else said, loaded(past, vm) if missing else None)]

    return explain


def same_page(past: Past, event: Event, check: Check) -> Links:
    """One page for both."""
    return [Link(f"The two pages must differ, both are {int(check.value('send') or 0):#x}.")]


def not_set_up(name: str) -> Callable[[Past, Event, Check], Links]:
    """The hypervisor did not get the page into its own table."""

    def explain(past: Past, event: Event, check: Check) -> Links:
        if not check.value(name):
            return [Link("A page at address 0 counts as none.")]
        free = counted(int(check.value("free") or 0), "page")
        return [Link(f"The hypervisor has no memory left for its own tables: {free} of them.")]

    return explain


def unknown(past: Past, event: Event, check: Check) -> Links:
    """A function that is no hypercall."""
    if event.call is not None:
        return [Link("Power control (PSCI) is for the primary alone.")]
    return [Link(f"The hypervisor knows no such call: {event.function:#x}.")]


def by_smc(past: Past, event: Event, check: Check) -> Links:
    """An SMC that is not served."""
    if event.call is not None:
        return [Link("Power control (PSCI) is for the primary alone.")]
    return [Link("By SMC only the primary's power control (PSCI) is served; hypercalls are made by HVC.")]


def no_cpu(past: Past, event: Event, check: Check) -> Links:
    """There is no such physical CPU."""
    count = int(check.value("count") or 1)
    return [Link(f"There is no CPU {int(check.value('id') or 0):#x}: the hypervisor knows CPUs 0 to {count - 1}.")]


def is_on(past: Past, event: Event, check: Check) -> Links:
    """The CPU was on."""
    at = past.since(f"{check.on}.is_on").seq
    return [Link(f"{words.who(check.on)} is on since event {at}.", at)]


def not_turned_on(past: Past, event: Event, check: Check) -> Links:
    """The firmware would not."""
    cpus = past.recording.made.get("cpus", 1)
    return [Link(f"The firmware cannot turn {words.who(check.on)} on: the machine has {cpus}.")]


def not_level_0(past: Past, event: Event, check: Check) -> Links:
    """A cluster is meant."""
    return [Link("Only affinity level 0 is served: one CPU, not a cluster.")]


def interrupt_pending(past: Past, event: Event, check: Check) -> Links:
    """A receive that may not block."""
    return [
        Link("An interrupt is pending for the vCPU, so it may not block (repair late-interrupt)."),
        Link(f"{HELPS}take the interrupt (HF_INTERRUPT_GET), and receive again."),
    ]


def no_interrupt_id(past: Past, event: Event, check: Check) -> Links:
    """There is no such interrupt."""
    return [Link(f"There is no interrupt {check.value('intid')}: there are 0 to 63.")]


def none_became_free(past: Past, event: Event, check: Check) -> Links:
    """Nothing to tell a sender."""
    return [Link("No mailbox became free for which the VM asked.")]


def nobody_to_tell(past: Past, event: Event, check: Check) -> Links:
    """Nobody asked, or the mailbox is busy."""
    return [Link("No VM waits for that mailbox, or it is not free.")]


REFUSALS: dict[str, Callable[[Past, Event, Check], Links]] = {
    "the function is known": unknown,
    "the function is the primary's PSCI": by_smc,
    "the caller is the primary": not_the_primary,
    "the caller is a secondary": not_a_secondary,
    "vm_id < vm_count": no_vm,
    "vm_id is a secondary": runs_the_primary,
    "vm_id is another VM": to_itself,
    "vcpu_idx < vcpu_count": no_vcpu,
    "vcpu.state is READY": not_ready,
    "the registers are saved": not_saved,
    "the VM was not stopped": was_stopped,
    "size <= HF_MAILBOX_SIZE": too_large,
    "mailbox.send is set": unset("send"),
    "mailbox.recv is set": unset("receive"),
    "mailbox.state is EMPTY": busy,
    "mailbox.state is IDLE": busy,
    "mailbox.state is READ": not_read,
    "mailbox.state is INFLIGHT": not_inflight,
    "the caller may wait": no_message,
    "no interrupt is pending": interrupt_pending,
    "send is the start of a page": unaligned("send", "send"),
    "recv is the start of a page": unaligned("receive", "recv"),
    "mailbox has no pages": configured_already,
    "stage 2 maps send": not_mapped("send", "send"),
    "stage 2 maps recv": not_mapped("receive", "recv"),
    "send != recv": same_page,
    "stage 1 has mapped send": not_set_up("send"),
    "stage 1 has mapped recv": not_set_up("recv"),
    "the CPU exists": no_cpu,
    "the CPU is off": is_on,
    "the firmware turns it on": not_turned_on,
    "level == 0": not_level_0,
    "intid < HF_NUM_INTIDS": no_interrupt_id,
    "a mailbox became free": none_became_free,
    "a VM waits for the mailbox, and it is EMPTY": nobody_to_tell,
}
"""What lies behind a condition that failed, by its text. One that is not here is told as it was noted."""


# Mailboxes.


def mailbox(past: Past, vm: int) -> Links:
    """Why a VM's mailbox is in its state."""
    name, path = f"VM {vm}'s mailbox", f"vm{vm}.mailbox.state"
    state, at = past.get(path), past.since(path)
    last = past.last(lambda event: event.kind is Kind.DELIVER and event.target == Actor(vm))
    sent = past.last(lambda event: event.kind is Kind.DELIVER and event.target == Actor(vm) and event.seq <= at.seq)
    change = at.change(path)
    if last is None or change is None:
        return [Link(f"{name} is {state} since event {at.seq}: no message has come yet.", at.seq)]
    caller = past.recording.call_of(at)
    if change.new in ("EMPTY", "IDLE"):
        cleared = caller is not None and caller.call is not None and caller.call.verb in ("clear", "rpc_ack")
        by = f": there VM {vm} cleared the last message" if cleared and caller and caller.actor == (vm, 0) else ""
        return [Link(f"{name} is {state} since event {at.seq}{by}.", at.seq)]
    if sent is None:
        return [Link(f"{name} is {state} since event {at.seq}.", at.seq), brought_to(last)]
    own = caller is not None and caller.actor is not None and caller.actor.vm == vm
    if own and change.old in ("RECEIVED", "PENDING"):
        word = "cleared" if state == "READ" else "acknowledged"
        received = f"VM {vm} received its message at event {at.seq} and has not {word} it"
        return [Link(f"{name} is {state} because {received}.", at.seq), brought_to(sent)]
    rest = {"RECEIVED": "received", "READ": "cleared", "PENDING": "read", "INFLIGHT": "acknowledged"}
    if at.seq == sent.seq and state in rest:
        came = brought_to(sent).sentence.rstrip(".")
        return [Link(f"{name} is {state} because {came} and VM {vm} has not {rest[state]} it.", at.seq)]
    return [Link(f"{name} is {state} since event {at.seq}.", at.seq), brought_to(last)]


def brought_to(sent: Event) -> Link:
    """When a message came, and from whom."""
    return Link(f"{words.vm_of(sent.actor)}'s message was delivered there at event {sent.seq}.", sent.seq)


def owners(past: Past, vm: int) -> Links:
    """What the vCPUs of a VM do that could act for it, in a link each."""
    actors = [line.actor for line in past.recording.lifelines if line.vm == vm]
    return [present(past, actor)[0] for actor in actors if past.state.of(actor, "state") not in (None, "OFF")]


# vCPUs.


def vcpu_named(past: Past, name: str) -> Actor:
    """The vCPU of a name."""
    return next(line.actor for line in past.recording.lifelines if line.name == name)


def held(past: Past) -> dict[int, Actor]:
    """Which physical CPUs that are on hold which vCPUs."""
    on = (cpu for cpu in range(MAX_CPUS) if past.get(f"cpu{cpu}.is_on"))
    return {cpu: vcpu for cpu in on if (vcpu := past.get(f"cpu{cpu}.current")) is not None}


def holders(past: Past) -> Links:
    """Who holds each physical CPU."""
    return [link for cpu in held(past) for link in holder(past, cpu)]


def holder(past: Past, cpu: int) -> Links:
    """Who holds a physical CPU."""
    vcpu = held(past).get(cpu)
    at = past.since(f"cpu{cpu}.current").seq
    return [] if vcpu is None else [Link(f"CPU {cpu} is held by {vcpu} since event {at}.", at)]


def present(past: Past, vcpu: Actor) -> Links:
    """Why a vCPU does or does not run, and what will change that."""
    state = past.state.of(vcpu, "state")
    cpu = next((cpu for cpu, current in held(past).items() if current == vcpu), None)
    at = past.since(f"{vcpu.name}.state")
    last = past.last(lambda event: event.actor == vcpu)
    if cpu is not None and last is not None and last.kind is Kind.FAULT:
        return [Link(f"{vcpu} faulted at event {last.seq}, and CPU {cpu} serves that for ever.", last.seq)]
    if cpu is not None and "BLOCKED" not in str(state):
        since = past.since(f"cpu{cpu}.current").seq
        return [Link(f"{vcpu} runs: it has CPU {cpu} since event {since}.", since)]
    if vcpu.vm == call.HF_PRIMARY_VM_ID:
        return primary_waits(past, vcpu)
    if state == "READY":
        ready = Link(f"{vcpu} is READY since event {at.seq}{became_ready(past, at)}.", at.seq)
        runs = Link(f"It runs when the primary calls HF_VCPU_RUN(VM {vcpu.vm}, vCPU {vcpu.vcpu}).")
        return [ready] if past.changed else [ready, runs]
    if state == "ABORTED":
        return [Link(f"{vcpu} was stopped at event {at.seq} and never runs again.", at.seq)]
    if state == "OFF":
        off = Link(f"{vcpu} is OFF since event {at.seq}, when its VM was loaded.", at.seq)
        never = Link("Nothing starts it: only vCPU 0 of a secondary is started, if its tables could be built.")
        return [off] if past.changed else [off, never]
    if state is None:
        return [Link(f"{vcpu} does not run: its VM is not loaded at this event.")]
    if state == "RUNNING":
        return [Link(f"{vcpu} is {state} since event {at.seq}, and a CPU is on its way to it.", at.seq)]
    began = past.last(lambda event: event.actor == vcpu and (event.kind is Kind.WFI or receives(event)))
    waiting = vcpu in past.state.waiters(vcpu.vm) or state == "BLOCKED_RPC"
    if waiting and began is not None and receives(began):
        return waits_for_message(past, vcpu, began)
    if began is not None and began.kind is Kind.WFI:
        return waits_for_interrupt(past, vcpu, began)
    return [Link(f"{vcpu} is {state} since event {at.seq}.", at.seq)]


def receives(event: Event) -> bool:
    """Whether an event is a receive, or its like of the time before."""
    return event.kind is Kind.HYPERCALL and event.call is not None and event.call.receives


def became_ready(past: Past, at: Event) -> str:
    """How a vCPU came to be ready, as a clause."""
    if at.kind is Kind.LOAD:
        return ", when its VM was loaded"
    cause = past.events[at.cause or 0]
    if at.kind is Kind.WAKE:
        made = past.recording.call_of(at)
        if cause.kind is Kind.DELIVER:
            return ": a message woke it"
        if made is not None and made.call is not None and made.call.verb != "interrupt_inject":
            return f": {words.vm_of(made.actor)}'s {made.call.verb} woke it"
        return ": an interrupt woke it"
    return ": an interrupt took the CPU from it" if cause.kind is Kind.IRQ else ": its call gave the CPU back"


def primary_waits(past: Past, vcpu: Actor) -> Links:
    """Why a vCPU of the primary, which belongs to one physical CPU, does not run."""
    other = held(past).get(vcpu.vcpu or 0)
    path = f"cpu{vcpu.vcpu}.is_on"
    if other is None:
        turned = past.last(lambda event: event.change(path))
        if turned is None:
            return [Link(f"{vcpu} belongs to CPU {vcpu.vcpu}, which nobody has turned on: PSCI_CPU_ON does.")]
        word = "is being turned on" if past.get(path) else "was turned off"
        return [Link(f"{vcpu} belongs to CPU {vcpu.vcpu}, which {word} since event {turned.seq}.", turned.seq)]
    ran = past.called(call.HF_VCPU_RUN, vcpu.vm, vcpu.vcpu)
    if ran is None:
        at = past.since(f"cpu{vcpu.vcpu}.current").seq
        return [Link(f"CPU {vcpu.vcpu} went from {vcpu} to {other} at event {at}.", at)]
    back = "is interrupted, " if past.recording.made.get("timer") else ""
    gave = Link(f"{vcpu} called HF_VCPU_RUN at event {ran.seq}, which gave its CPU to {other}.", ran.seq)
    again = Link(f"It runs again when {other} {back}waits, or sends a message.")
    return [gave] if past.changed else [gave, again]


def waits_for_message(past: Past, vcpu: Actor, began: Event) -> Links:
    """A vCPU in a blocking receive: why it blocks, and whether a message can come.

    No other vCPU of its VM can see to that: only vCPU 0 of a secondary ever runs.
    """
    vm, name = vcpu.vm, Actor(vcpu.vm).name
    state = past.get(f"{name}.mailbox.state")
    waits = f"{vcpu} waits for a message since its receive at event {began.seq}."
    links = [Link(waits, began.seq), *mailbox(past, vm)]
    if past.state.of(vcpu, "state") == "BLOCKED_INTERRUPT":
        overwritten = past.since(f"{vcpu.name}.state")
        change = overwritten.change(f"{vcpu.name}.state")
        if change is not None and change.old == "BLOCKED_MAILBOX":
            told = f"At event {overwritten.seq} the switch overwrote BLOCKED_MAILBOX (defect blocked-state)."
            links.append(Link(told, overwritten.seq))
    if past.changed:
        return [*links, Link("What wakes it is this hypervisor's: the one of 2018 wakes it by a message.")]
    injected = past.repaired("no-interrupt")
    never = "so no message wakes it." if injected else "so nothing wakes it."
    mail = past.since(f"{name}.mailbox.state").seq
    if state in ("READ", "INFLIGHT") and mail > past.since(f"{name}.mailbox.recv_waiter").seq:
        links.append(Link(f"The message of event {mail} is about to wake it.", mail))
    elif not past.get(f"{name}.mailbox.recv"):
        links.append(Link(f"VM {vm} has no receive page and cannot configure one: every send to it fails, {never}"))
    elif state in ("READ", "INFLIGHT"):
        links.append(Link(f"VM {vm} cannot clear its mailbox while it waits: every send to it fails, {never}"))
    else:
        links.append(Link(f"The next message to VM {vm} wakes it."))
    return [*links, Link("HF_INTERRUPT_INJECT by the primary ends the wait with -1.")] if injected else links


def waits_for_interrupt(past: Past, vcpu: Actor, wfi: Event) -> Links:
    """A vCPU in a WFI."""
    path = f"{Actor(vcpu.vm).name}.mailbox.state"
    links = [Link(f"{vcpu} waits for an interrupt since its WFI at event {wfi.seq}.", wfi.seq)]
    if past.get(path) == "RECEIVED":
        sent = past.since(path).seq
        links.append(
            Link(f"A message waits for it since event {sent}, but a message ends a receive and not a WFI.", sent)
        )
    if past.changed:
        return [*links, Link("What wakes it is this hypervisor's: under the one of 2018 nothing does.")]
    if past.repaired("no-interrupt"):
        return [*links, Link("It wakes when the primary calls HF_INTERRUPT_INJECT for it.")]
    return [*links, Link("Nothing will wake it: nobody can give an interrupt to a secondary (defect no-interrupt).")]


# Faults.


def loaded(past: Past, vm: int) -> int:
    """The event that loaded a VM and built its tables."""
    return past.since(f"vm{vm}.stage2").seq


def unmapped(past: Past, vm: int, ipa: int) -> str | None:
    """Which descriptor of a VM's stage 2 does not map an address, and whose it is; None if it is mapped."""
    stage2: Stage2 = past.get(f"vm{vm}.stage2")
    level, entry, descriptor = stage2.walk(ipa)[-1]
    if mm.arch_mm_pte_is_block(descriptor, level):
        return None
    arm = mm.MAX_LEVEL_STAGE2 - level
    found = f"The descriptor at {entry:#x}, level {arm}, says {descriptor:#x}, which is not valid"
    whose = [other for other in range(1, past.vms) if other != vm and maps(past.get(f"vm{other}.stage2"), ipa)]
    owner = f"belongs to VM {whose[0]}" if whose else "is in no VM's memory but perhaps the primary's"
    if LAYOUT_TEXT_BEGIN <= ipa < bin_end(past.recording.made.get("heap_pages", HEAP_PAGES)):
        owner = "belongs to the hypervisor"
    return f"{found} since event {loaded(past, vm)}: the address {owner}."


def maps(stage2: Stage2, ipa: int) -> bool:
    """Whether tables map an address."""
    level, _, descriptor = stage2.walk(ipa)[-1]
    return mm.arch_mm_pte_is_block(descriptor, level)


def did(esr: int) -> str:
    """What a guest did that aborted."""
    if esr >> 7 & 1:
        return "walks its own tables at"
    if esr >> 26 == arch.EC_INSTRUCTION_ABORT:
        return "fetches an instruction from"
    return "stores to" if esr >> 6 & 1 else "loads from"


def fault(past: Past, event: Event) -> Links:
    """What a guest did that trapped, which mapping forbids it, and what becomes of it."""
    assert event.actor is not None
    esr, (far, hpfar) = event.function or 0, event.args
    vm = event.actor.vm
    if esr >> 26 in (arch.EC_DATA_ABORT, arch.EC_INSTRUCTION_ABORT):
        ipa = hpfar << 8 | far % PAGE_SIZE
        links = [
            Link(f"{event.actor} {did(esr)} address {ipa:#x}, and stage 2 of VM {vm} does not let it."),
            *denied(past, vm, ipa, esr),
        ]
    else:
        links = [Link(other_trap(esr >> 26, esr, event.actor))]
    gone = next((e for e in past.events if e.kind is Kind.SWITCH and e.cause == event.seq), None)
    if gone is not None:
        return [*links, Link(f"VM {vm} is stopped, and the primary goes on at event {gone.seq}.", gone.seq)]
    if past.changed and past.recording.outcome.kind != "hang":
        return links
    return [*links, Link(f"The hypervisor cannot stop one VM: CPU {event.cpu} spins for ever (defect abort-hangs).")]


def denied(past: Past, vm: int, ipa: int, esr: int) -> Links:
    """The descriptor that forbids an access."""
    at, cause = loaded(past, vm), esr & 0x3C
    missing = unmapped(past, vm, ipa)
    if cause == FSC_TRANSLATION and missing is not None:
        return [Link(missing, at)]
    level, entry, descriptor = past.get(f"vm{vm}.stage2").walk(ipa)[-1]
    found = f"The descriptor at {entry:#x} says {describe_descriptor(descriptor, level)}, since event {at}"
    if cause == FSC_PERMISSION:
        return [Link(f"{found}: its rights are {describe_attrs(descriptor)}.", at)]
    return [Link(f"{found}: the fault is none of the mapping's, its status is {esr & 0x3F:#x}.", at)]


def other_trap(ec: int, esr: int, who: Actor) -> str:
    """A trap that is no abort."""
    if ec == arch.EC_SYSREG and esr >> 10 & 15 == 14:
        return f"{who} uses its counter or timer, which CNTHCTL_EL2 traps (defect timer-inverted)."
    if ec == arch.EC_SYSREG:
        return f"{who} uses a system register that the hypervisor traps (ESR {esr:#x})."
    return f"{who} executes what traps to the hypervisor, which does not know it (class {ec:#x} of ESR {esr:#x})."


# Ends.


def ended(past: Past, end: Event) -> Links:
    """How the run ended: what each physical CPU did last, and why the vCPUs that wait go on waiting."""
    kind = past.recording.outcome.kind
    before = Past(past.recording, end.seq - 1) if end.seq else past
    last = before.events[-1]
    if kind in ("power off", "reset"):
        off = before.last(lambda e: e.kind in CALL_KINDS and words.number(e) in POWER_OFF_CALLS) or last
        return [Link(f"{words.who(off.actor)} called {words.name_of_call(off)} at event {off.seq}.", off.seq)]
    lost = before.last(lambda e: e.kind is Kind.FAULT)
    if kind == "hang" and lost is not None:
        return [Link(f"{lost.actor} faulted at event {lost.seq}.", lost.seq), *fault(before, lost)]
    if kind == "panic" or before.state.get("cpu0.is_on") is None:
        return [Link(f"The hypervisor came as far as event {last.seq}: {words.sentence(last)}.", last.seq)]
    links = [link for cpu in range(MAX_CPUS) for link in did_last(before, cpu)]
    for line in past.recording.lifelines:
        if line.vm and "BLOCKED" in str(past.state.of(line.actor, "state")):
            links += present(before, line.actor)
    return links


def did_last(past: Past, cpu: int) -> Links:
    """The last trap on a physical CPU, whose lock it waits for if it does, and who holds the CPU."""
    trap = past.last(lambda e: e.cpu == cpu and e.kind not in (*FOLLOWS, Kind.BOOT, Kind.LOAD))
    if trap is None:
        return holder(past, cpu)
    links = [Link(f"The last trap on CPU {cpu} is event {trap.seq}: {words.sentence(trap)}.", trap.seq)]
    for spins in past.recording.outcome.spins:
        if spins.cpu == cpu:
            holds = "it holds already" if spins.holder == cpu else f"CPU {spins.holder} holds"
            waits = f"Serving event {trap.seq}, CPU {cpu} waits for {spins.lock}, which {holds}."
            links.append(Link(waits, trap.seq))
    return links + holder(past, cpu)
