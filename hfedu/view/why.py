"""Why? Chains of causes, from the recording alone: why a call was refused, why a vCPU does not run, how a run ended.

A chain is a tuple of links: a sentence, and the event that it leads to, if there is one. The reasons of a refusal
follow the checks of api.py, in its order, against the state in which the hypervisor decided.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.guest.syndrome import FSC_PERMISSION, FSC_TRANSLATION
from hfedu.hf import arch, call, mm
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.platform import LAYOUT_BIN_END, LAYOUT_TEXT_BEGIN, MAX_CPUS
from hfedu.hf.psci import PSCI_ALREADY_ON, PSCI_CALLS, PSCI_INTERNAL_FAILURE, PSCI_INVALID_PARAMETERS, PsciCall
from hfedu.history import FIXES, abi, with_needs
from hfedu.run.trace import Event, Kind, Recording, Stage2
from hfedu.view import words
from hfedu.view.pagetable import describe_attrs, describe_descriptor

CAUSES = 4
"""How far back the chain of an event goes that is neither a refusal nor an end."""
CALLS, OFF = (Kind.HYPERCALL, Kind.SMC), (PsciCall.SYSTEM_OFF, PsciCall.SYSTEM_RESET)
FOLLOWS = (Kind.STEP, Kind.DELIVER, Kind.WAKE, Kind.SWITCH)


class Link(NamedTuple):
    """One link of a chain: a sentence, which says "event 31" where it leads to event 31; `seq` is None otherwise."""

    sentence: str
    seq: int | None = None


Links = list[Link]


@dataclass(frozen=True, repr=False)
class Why:
    """A question and its answer: the links of a chain, from what was asked back to what caused it."""

    question: str
    links: tuple[Link, ...]

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __str__(self) -> str:
        return " ".join(link.sentence for link in self.links)

    def __repr__(self) -> str:
        return "\n".join([self.question, *(f"  {i}. {link.sentence}" for i, link in enumerate(self.links, 1))])


def why(recording: Recording, event: Event | int, vcpu: str | None = None) -> Why:
    """Why event `event` came out as it did; with `vcpu` ("vm1.vcpu0"), why that does or does not run after it.

    Links lead to events up to the last one that belongs to this event. `Mistake` if there is no such event or vCPU.
    """
    seq = event.seq if isinstance(event, Event) else event
    past = Past(recording, seq)
    if vcpu is not None:
        names = [line.name for line in recording.lifelines]
        if vcpu not in names:
            raise Mistake(f"there is no vCPU {vcpu!r}: this recording has {', '.join(names) or 'none'}")
        return Why(f"Why {words.who(vcpu)} is as it is after event {seq}:", tuple(present(past, vcpu) + holders(past)))
    event = recording.events[seq]
    links = explained(Past(recording, settled(recording, event)), event)
    return Why(f"Why event {seq}, {words.sentence(words.spoken(recording)[seq]).rstrip('.')}:", tuple(links))


def settled(recording: Recording, event: Event) -> int:
    """The last event of what the hypervisor did about `event`, while other CPUs may have gone on."""
    last = event.seq
    if event.kind in (Kind.BOOT, Kind.LOAD, Kind.END):
        return last
    for later in recording.events[last + 1 :]:
        if later.cpu == event.cpu:
            if later.kind not in FOLLOWS or later.cause is None or later.cause < event.seq:
                break
            last = later.seq
    return last


class Past:
    """A recording up to an event: the state there, and since when what is as it is."""

    def __init__(self, recording: Recording, seq: int) -> None:
        self.recording, self.state, self.seq = recording, recording.at(seq), seq
        self.events = recording.events[: seq + 1]
        self.vms = sum(path.endswith(".mailbox.state") for path in self.state)

    def get(self, path: str) -> Any:
        """A value of the state."""
        return self.state.get(path)

    def last(self, test: Callable[[Event], object]) -> Event | None:
        """The last event so far that passes a test."""
        return next((event for event in reversed(self.events) if test(event)), None)

    def since(self, path: str) -> Event:
        """The event that made a value what it is; the first if none did."""
        return self.last(lambda event: event.change(path)) or self.events[0]

    def called(self, actor: str, number: int) -> Event | None:
        """The last time that a VM or vCPU made a call."""
        return self.last(
            lambda e: e.kind is Kind.HYPERCALL and (e.actor + ".").startswith(actor + ".") and words.number(e) == number
        )

    def repaired(self, fix: str) -> bool:
        """Whether the hypervisor has one of the repairs."""
        made = self.recording.made
        named = (name for name in made.get("fixes", ()) if isinstance(name, str))  # the others are classes of a user's
        return fix in with_needs(FIXES if made.get("profile") == "fixed" else named)


def explained(past: Past, event: Event) -> Links:
    """The chain of an event."""
    if words.failed(event):
        return refused(past, event)
    if event.kind is Kind.FAULT:
        return fault(past, event)
    if event.kind is Kind.END:
        return ended(past, event)
    if waits(event):
        ends = (event.actor, event.actor.partition(".")[0])
        later = (e.seq for e in past.events[event.seq :] if e.kind in (Kind.DELIVER, Kind.WAKE) and e.target in ends)
        if (woken := next(later, None)) is not None:
            past = Past(past.recording, woken - 1)  # before another CPU ended the wait
        return present(past, event.actor) + holders(past)
    return led_to(past, event)


def waits(event: Event) -> bool:
    """Whether an event begins a wait: for a message, or for an interrupt."""
    receives = event.kind is Kind.HYPERCALL and words.number(event) == call.HF_MAILBOX_RECEIVE
    return event.kind is Kind.WFI or (receives and event.result is None)


def asks_why(event: Event) -> bool:
    """Whether people ask of an event why it came out as it did: a refusal, a fault, a wait, or the end."""
    return waits(event) or event.kind in (Kind.FAULT, Kind.END) or words.failed(event)


def led_to(past: Past, event: Event) -> Links:
    """The events that led to this one, the nearest first."""
    links: Links = []
    events = words.spoken(past.recording)
    while event.cause is not None and len(links) < CAUSES:
        event = events[event.cause]
        links.append(Link(f"It follows from event {event.seq}: {words.sentence(event).rstrip('.')}.", event.seq))
    return links or [Link("It is the first event: somebody switched the machine on.")]


# Mailboxes and pages.


def mailbox(past: Past, vm: int) -> Links:
    """Why a VM's mailbox is in its state."""
    name, state = f"VM {vm}'s mailbox", past.get(f"vm{vm}.mailbox.state")
    at = past.since(f"vm{vm}.mailbox.state")
    sent = past.last(lambda event: event.kind is Kind.DELIVER and event.target == f"vm{vm}" and event.seq <= at.seq)
    change = at.change(f"vm{vm}.mailbox.state")
    if sent is None or change is None:
        return [Link(f"{name} is {state} since event {at.seq}: no message has come yet.", at.seq)]
    if change.old in ("READ", "INFLIGHT"):
        return [Link(f"{name} is {state} since event {at.seq}: there VM {vm} cleared the last message.", at.seq)]
    sender = words.vm_of(sent.actor)
    if change.old == "RECEIVED":
        taken = Link(f"{name} is {state} because VM {vm} received it at event {at.seq} and has not cleared it.", at.seq)
        return [Link(f"{sender}'s message was delivered there at event {sent.seq}.", sent.seq), taken]
    rest = "received" if state == "RECEIVED" else "cleared"
    return [
        Link(
            f"{name} is {state} because {sender}'s message was delivered there at event {at.seq} and VM {vm} has not "
            f"{rest} it.",
            at.seq,
        )
    ]


def unconfigured(past: Past, vm: int, page: str) -> Links:
    """Why a VM has no send or receive page."""
    links = [Link(f"VM {vm} has no {page} page: it must configure first.")]
    tried = past.called(f"vm{vm}", call.HF_VM_CONFIGURE)
    if tried is None:
        return [*links, Link(f"VM {vm} has not called HF_VM_CONFIGURE."), *owners(past, vm)]
    refusal = refused(Past(past.recording, tried.seq), tried) if words.failed(tried) else []
    return [*links, Link(f"Its HF_VM_CONFIGURE at event {tried.seq} was refused.", tried.seq), *refusal]


def owners(past: Past, vm: int) -> Links:
    """What the vCPUs of a VM do that could act for it, in a link each."""
    names = [line.name for line in past.recording.lifelines if line.vm == vm]
    return [present(past, name)[0] for name in names if past.get(f"{name}.state") not in (None, "OFF")]


# vCPUs.


def held(past: Past) -> dict[str, str]:
    """Which physical CPUs that are on hold which vCPUs."""
    cpus = (f"cpu{cpu}" for cpu in range(MAX_CPUS))
    return {cpu: past.get(f"{cpu}.current") for cpu in cpus if past.get(f"{cpu}.is_on") and past.get(f"{cpu}.current")}


def holders(past: Past) -> Links:
    """Who holds each physical CPU."""
    links = []
    for cpu, vcpu in held(past).items():
        at = past.since(f"{cpu}.current").seq
        links.append(Link(f"{words.who(cpu)} is held by {words.who(vcpu)} since event {at}.", at))
    return links


def present(past: Past, vcpu: str) -> Links:
    """Why a vCPU does or does not run, and what will change that."""
    who, state = words.who(vcpu), past.get(f"{vcpu}.state")
    cpu = next((cpu for cpu, current in held(past).items() if current == vcpu), None)
    at = past.since(f"{vcpu}.state")
    last = past.last(lambda event: event.actor == vcpu)
    if cpu is not None and last is not None and last.kind is Kind.FAULT:
        return [Link(f"{who} faulted at event {last.seq}, and {words.who(cpu)} serves that for ever.", last.seq)]
    if cpu is not None and "BLOCKED" not in str(state):
        since = past.since(f"{cpu}.current").seq
        return [Link(f"{who} runs: it has {words.who(cpu)} since event {since}.", since)]
    if vcpu.startswith("vm0."):
        return primary_waits(past, vcpu)
    if state == "READY":
        run = f"HF_VCPU_RUN({words.who(vcpu).replace(' vCPU', ', vCPU')})"
        return [
            Link(f"{who} is READY since event {at.seq}{became_ready(past, at)}.", at.seq),
            Link(f"It runs when the primary calls {run}."),
        ]
    if state == "ABORTED":
        return [Link(f"{who} was stopped at event {at.seq} and never runs again.", at.seq)]
    if state == "OFF":
        return [
            Link(f"{who} is OFF since event {at.seq}, when its VM was loaded.", at.seq),
            Link("Nothing starts it: only vCPU 0 of a secondary is started, if its tables could be built."),
        ]
    if state in ("RUNNING", None):
        return [Link(f"{who} is {state} since event {at.seq}, and a CPU is on its way to it.", at.seq)]
    waiting = vcpu in past.state.waiters(int(vcpu[2 : vcpu.index(".")])) or state == "BLOCKED_RPC"
    return waits_for_message(past, vcpu) if waiting else waits_for_interrupt(past, vcpu)


def became_ready(past: Past, at: Event) -> str:
    """How a vCPU came to be ready, as a clause."""
    if at.kind is Kind.LOAD:
        return ", when its VM was loaded"
    if at.kind is Kind.WAKE:
        return ": a message or an interrupt woke it"
    cause = past.events[at.cause or 0]
    return ": an interrupt took the CPU from it" if cause.kind is Kind.IRQ else ": its call gave the CPU back"


def primary_waits(past: Past, vcpu: str) -> Links:
    """Why a vCPU of the primary, which belongs to one physical CPU, does not run."""
    who, cpu = words.who(vcpu), f"cpu{vcpu.rpartition('vcpu')[2]}"
    other = held(past).get(cpu)
    if other is None:
        turned = past.last(lambda event: event.change(f"{cpu}.is_on"))
        if turned is None:
            return [Link(f"{who} belongs to {words.who(cpu)}, which nobody has turned on: PSCI_CPU_ON does.")]
        word = "is being turned on" if past.get(f"{cpu}.is_on") else "was turned off"
        return [Link(f"{who} belongs to {words.who(cpu)}, which {word} since event {turned.seq}.", turned.seq)]
    ran = past.called(vcpu, call.HF_VCPU_RUN)
    assert ran is not None, "only HF_VCPU_RUN takes a CPU from the primary"
    back = "is interrupted, " if past.recording.made.get("timer") else ""
    return [
        Link(f"{who} called HF_VCPU_RUN at event {ran.seq}, which gave its CPU to {words.who(other)}.", ran.seq),
        Link(f"It runs again when {words.who(other)} {back}waits, or sends a message."),
    ]


def waits_for_message(past: Past, vcpu: str) -> Links:
    """A vCPU in a blocking receive: why it blocks, and whether a message can come.

    No other vCPU of its VM can see to that: only vCPU 0 of a secondary ever runs.
    """
    name = vcpu.partition(".")[0]
    vm, state = int(name[2:]), past.get(f"{name}.mailbox.state")
    at, overwritten = past.called(vcpu, call.HF_MAILBOX_RECEIVE), past.since(f"{vcpu}.state").seq
    assert at is not None, "only a receive makes a vCPU wait for a message"
    waits = f"{words.who(vcpu)} waits for a message since its receive at event {at.seq}."
    links = [Link(waits, at.seq), *mailbox(past, vm)]
    if past.get(f"{vcpu}.state") == "BLOCKED_INTERRUPT":
        told = f"At event {overwritten} the switch overwrote BLOCKED_MAILBOX (defect blocked-state)."
        links.append(Link(told, overwritten))
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


def waits_for_interrupt(past: Past, vcpu: str) -> Links:
    """A vCPU in a WFI."""
    name = vcpu.partition(".")[0]
    wfi = past.last(lambda event: event.actor == vcpu and event.kind is Kind.WFI)
    at = (wfi or past.since(f"{vcpu}.state")).seq
    links = [Link(f"{words.who(vcpu)} waits for an interrupt since its WFI at event {at}.", at)]
    if past.get(f"{name}.mailbox.state") == "RECEIVED":
        sent = past.since(f"{name}.mailbox.state").seq
        links.append(
            Link(f"A message waits for it since event {sent}, but a message ends a receive and not a WFI.", sent)
        )
    if past.repaired("no-interrupt"):
        return [*links, Link("It wakes when the primary calls HF_INTERRUPT_INJECT for it.")]
    return [*links, Link("Nothing will wake it: nobody can give an interrupt to a secondary (defect no-interrupt).")]


# Refusals.


def refused(past: Past, event: Event) -> Links:
    """Why a call was refused."""
    number, primary = words.number(event), event.actor.startswith("vm0.")
    if number in PSCI_CALLS:
        if not primary:
            return [Link("Power control (PSCI) is for the primary alone.")]
        return power(past, event)
    if event.kind is Kind.SMC:
        return [Link("By SMC only the primary's power control (PSCI) is served; hypercalls are made by HVC.")]
    vm = int(event.actor[2:].partition(".")[0])
    if past.recording.made.get("profile") == "rpc" and number not in REFUSALS_OF_RPC:
        state = past.get(f"vm{vm}.mailbox.state")
        return [
            Link(f"The RPC interface refuses it (its rules are in hfedu.history.rpc). VM {vm}'s mailbox is {state}.")
        ]
    if number in LATER and past.repaired(LATER[number][0]):
        return [Link(LATER[number][1])]
    reasons = REFUSALS.get(number)
    return reasons(past, event, vm) if reasons else [Link(f"The hypervisor knows no such call: {event.function:#x}.")]


def refused_send(past: Past, event: Event, vm: int) -> Links:
    """The checks of api_mailbox_send."""
    to, size = event.args[0] & call.MASK32, event.args[1]
    theirs = past.get(f"vm{to}.mailbox.state")
    if size > call.HF_MAILBOX_SIZE:
        return [Link(f"A message has at most {call.HF_MAILBOX_SIZE} bytes, this one has {size}.")]
    if to == vm:
        return [Link("A VM cannot send to itself.")]
    if theirs is None:
        return [no_vm(past, to)]
    if not past.get(f"vm{vm}.mailbox.send"):
        return unconfigured(past, vm, "send")
    if theirs != "EMPTY":
        at = past.since(f"vm{to}.mailbox.state").seq
        busy = f"VM {to}'s mailbox is {theirs} since event {at}: it has not cleared the last message."
        return [Link(busy, at), *mailbox(past, to), *owners(past, to)]
    return unconfigured(past, to, "receive")


def refused_receive(past: Past, event: Event, vm: int) -> Links:
    """The checks of api_mailbox_receive."""
    if vm == call.HF_PRIMARY_VM_ID:
        return [Link("The primary may not receive: its messages arrive as the result of HF_VCPU_RUN.")]
    if event.args[0]:
        return [Link("An interrupt is pending for the vCPU, so it may not block (repair late-interrupt).")]
    return [Link("There is no new message, and the call was not allowed to block."), *mailbox(past, vm)]


def refused_clear(past: Past, event: Event, vm: int) -> Links:
    """The check of api_mailbox_clear."""
    state = past.get(f"vm{vm}.mailbox.state")
    return [Link(f"Only a mailbox that is READ can be cleared, and VM {vm}'s is {state}."), *mailbox(past, vm)]


def refused_run(past: Past, event: Event, vm: int) -> Links:
    """The checks of api_vcpu_run."""
    to, index = event.args[0] & call.MASK32, event.args[1] & call.MASK32
    vcpu = f"vm{to}.vcpu{index}"
    state = past.get(f"{vcpu}.state")
    if vm != call.HF_PRIMARY_VM_ID:
        return [Link("Only the primary may run vCPUs.")]
    if to == vm:
        return [Link("The primary cannot run itself.")]
    if to >= past.vms:
        return [no_vm(past, to)]
    if state is None:
        return [Link(f"VM {to} has no vCPU {index}.")]
    if call.hf_vcpu_run_return(event.result or 0).code == abi.LaterVcpuRun.ABORTED:
        stopped = past.last(lambda e: e.kind is Kind.FAULT and e.actor.startswith(f"vm{to}."))
        at = stopped.seq if stopped is not None else 0
        return [Link(f"VM {to} was stopped: it faulted at event {at}.", at)]
    at = past.since(f"{vcpu}.state").seq
    if state == "READY":
        return [Link(f"{words.who(vcpu)} is READY since event {at}, but a CPU still saves its registers.", at)]
    said = Link(f"{words.who(vcpu)} is not READY, it is {state} since event {at}.", at)
    return [said, *present(past, vcpu)[state == "OFF" :]]  # of one that is OFF the first link says the same


def refused_configure(past: Past, event: Event, vm: int) -> Links:
    """The checks of api_vm_configure."""
    pages = dict(zip(("send", "receive"), event.args, strict=False))
    for name, ipa in pages.items():
        if ipa % PAGE_SIZE:
            return [Link(f"The {name} page must begin at a multiple of {PAGE_SIZE}, {ipa:#x} does not.")]
    if past.get(f"vm{vm}.mailbox.send") or past.get(f"vm{vm}.mailbox.recv"):
        at = past.since(f"vm{vm}.mailbox.recv").seq
        return [Link(f"VM {vm} configured its pages at event {at} already: that works once.", at)]
    for name, ipa in pages.items():
        if (missing := unmapped(past, vm, ipa)) is not None:
            return [Link(f"The {name} page, {ipa:#x}, must be in the VM's own memory. {missing}", loaded(past, vm))]
    if len(set(pages.values())) == 1:
        return [Link(f"The two pages must differ, both are {event.args[0]:#x}.")]
    if 0 in pages.values():
        return [Link("A page at address 0 counts as none.")]
    return [Link("The hypervisor has no memory left for its own tables.")]


def refused_count(past: Past, event: Event, vm: int) -> Links:
    """The checks of api_vcpu_get_count."""
    if vm != call.HF_PRIMARY_VM_ID:
        return [Link("Only the primary may ask for vCPU counts.")]
    return [no_vm(past, event.args[0] & call.MASK32)]


def no_vm(past: Past, vm: int) -> Link:
    """There is no such VM."""
    return Link(f"There is no VM {vm}: there are VMs 0 to {past.vms - 1}.")


def power(past: Past, event: Event) -> Links:
    """Why a PSCI call of the primary failed."""
    code, cpu = event.result or 0, event.args[0]
    if code == PSCI_INVALID_PARAMETERS & call.MASK64:
        return [Link(f"There is no CPU {cpu:#x}: the hypervisor knows CPUs 0 to {MAX_CPUS - 1}.")]
    if code == PSCI_ALREADY_ON & call.MASK64:
        at = past.since(f"cpu{cpu}.is_on").seq
        return [Link(f"CPU {cpu} is on since event {at}.", at)]
    if code == PSCI_INTERNAL_FAILURE & call.MASK64:
        cpus = past.recording.made.get("cpus", 1)
        return [Link(f"The firmware cannot turn CPU {cpu} on: the machine has {cpus}.")]
    return [Link("Only affinity level 0 is served: one CPU, not a cluster.")]


REFUSALS: dict[int, Callable[[Past, Event, int], Links]] = {
    call.HF_MAILBOX_SEND: refused_send,
    call.HF_MAILBOX_RECEIVE: refused_receive,
    call.HF_MAILBOX_CLEAR: refused_clear,
    call.HF_VCPU_RUN: refused_run,
    call.HF_VM_CONFIGURE: refused_configure,
    call.HF_VCPU_GET_COUNT: refused_count,
}
REFUSALS_OF_RPC = (call.HF_VCPU_RUN, call.HF_VM_CONFIGURE, call.HF_VCPU_GET_COUNT)
LATER = {
    abi.HF_INTERRUPT_INJECT: ("no-interrupt", "There is no such vCPU of a secondary, or no such interrupt (0 to 63)."),
    abi.HF_MAILBOX_WRITABLE_GET: ("writable-notify", "No mailbox became free for which the VM asked."),
    abi.HF_MAILBOX_WAITER_GET: ("writable-notify", "No VM waits for that mailbox, or it is not free."),
}


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
    if LAYOUT_TEXT_BEGIN <= ipa < LAYOUT_BIN_END:
        owner = "belongs to the hypervisor"
    return f"{found} since event {loaded(past, vm)}: the address {owner}."


def maps(stage2: Stage2, ipa: int) -> bool:
    """Whether tables map an address."""
    level, _, descriptor = stage2.walk(ipa)[-1]
    return mm.arch_mm_pte_is_block(descriptor, level)


def fault(past: Past, event: Event) -> Links:
    """What a guest did that trapped, which mapping forbids it, and what becomes of it."""
    esr, (far, hpfar) = event.function or 0, event.args
    vm, who, ec = int(event.actor[2:].partition(".")[0]), words.who(event.actor), esr >> 26
    if ec not in (arch.EC_DATA_ABORT, arch.EC_INSTRUCTION_ABORT):
        links = [Link(other_trap(ec, esr, who))]
    else:
        ipa = hpfar << 8 | far % PAGE_SIZE
        did = (
            "fetches an instruction from"
            if ec == arch.EC_INSTRUCTION_ABORT
            else "stores to"
            if esr >> 6 & 1
            else "loads from"
        )
        did = "walks its own tables at" if esr >> 7 & 1 else did
        links = [
            Link(f"{who} {did} address {ipa:#x}, and stage 2 of VM {vm} does not let it."),
            *denied(past, vm, ipa, esr),
        ]
    gone = next((e for e in past.events if e.kind is Kind.SWITCH and e.cause == event.seq), None)
    if gone is not None:
        return [*links, Link(f"VM {vm} is stopped, and the primary goes on at event {gone.seq}.", gone.seq)]
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


def other_trap(ec: int, esr: int, who: str) -> str:
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
        off = before.last(lambda e: e.kind in CALLS and words.number(e) in OFF) or last
        return [Link(f"{words.who(off.actor)} called {words.name_of_call(off)} at event {off.seq}.", off.seq)]
    lost = before.last(lambda e: e.kind is Kind.FAULT)
    if kind == "hang" and lost is not None:
        return [Link(f"{words.who(lost.actor)} faulted at event {lost.seq}.", lost.seq), *fault(before, lost)]
    if kind == "panic" or before.state.get("cpu0.is_on") is None:
        return [Link(f"The hypervisor came as far as event {last.seq}: {words.sentence(last)}.", last.seq)]
    links = [link for cpu in range(MAX_CPUS) for link in did_last(before, cpu)]
    for line in past.recording.lifelines:
        if line.vm and "BLOCKED" in str(past.get(f"{line.name}.state")):
            links += present(before, line.name)
    return links


def did_last(past: Past, cpu: int) -> Links:
    """The last trap on a physical CPU, whose lock it waits for if it does, and who holds the CPU."""
    trap = past.last(lambda e: e.cpu == cpu and e.kind not in (*FOLLOWS, Kind.BOOT, Kind.LOAD))
    waits = re.search(rf"CPU {cpu} (?:waits for|takes) (\S+), which ([^,.]*)", past.recording.outcome.sentence)
    links = []
    if trap is not None:
        links = [Link(f"The last trap on CPU {cpu} is event {trap.seq}: {words.sentence(trap)}.", trap.seq)]
    if waits is not None and trap is not None:
        links.append(Link(f"Serving event {trap.seq}, CPU {cpu} waits for {waits[1]}, which {waits[2]}.", trap.seq))
    return links + [link for link in holders(past) if link.sentence.startswith(f"CPU {cpu} ")]
