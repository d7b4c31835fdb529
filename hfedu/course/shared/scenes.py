"""What the lessons' predictions and exercises share: machines of scripted guests, and questions about their runs."""

from collections.abc import Callable, Iterable, Sequence
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any

from hfedu import notebook
from hfedu.course.exercises import Wrong
from hfedu.errors import Mistake
from hfedu.guest.scripted import Script, clear, configure, receive, send, vcpu_run
from hfedu.guest.toolchain import assemble
from hfedu.hf.call import HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, HF_VM_CONFIGURE, HfVcpuRun
from hfedu.notebook import Machine, Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor, Event, Outcome
from hfedu.run.stepper import Stepper

ENOUGH_TRAPS, ENOUGH_INSTRUCTIONS = 400, 3_000_000
"""Enough for every exercise; an answer that never ends is stopped here."""


def boot_counted(disk: RamDisk, **options: Any) -> Run:
    """Run a RAM disk with limits that count, and none of time: a busy computer must not change a verdict.

    `options` are those of `Machine`.
    """
    limits = {"max_seconds": None, "max_instructions": ENOUGH_INSTRUCTIONS, "max_traps": ENOUGH_TRAPS}
    return notebook.boot(disk, **(limits | options))


def boot_scripts(primary: Script, secondaries: Sequence[Script], title: str, **options: Any) -> Run:
    """Run scripted guests; `options` are those of `Machine`."""
    return boot_counted(RamDisk(primary, list(secondaries)), title=title, **options)


def reader() -> Any:
    """Receives and clears, for ever."""
    yield configure()
    while True:
        yield receive(block=True)
        yield clear()


def so_far(source: Machine | Stepper) -> Run:
    """What has happened on a machine, or step by step."""
    run = source.recording()
    assert isinstance(run, Run)
    return run


def until(machine: Machine, event: int, sentence: str) -> Run:
    """The run of a machine that is still off, up to an event that shows what is wrong."""
    while machine.step() and machine.recorder is not None and machine.recorder.count <= event:
        pass
    if machine.outcome is None:
        machine.end(Outcome("violation", sentence, 4))
    return so_far(machine)


def judge_all(trials: Iterable[tuple[Callable[[Run], None], Run]]) -> Run:
    """Judge every run by what goes with it: the last, or `Wrong` with the one that shows soonest what is wrong.

    That run ends there.
    """
    wrong = []
    for judge, run in trials:
        try:
            judge(run)
        except Wrong as found:
            wrong.append((len(run.events) if found.at is None else found.at, found, run))
    if wrong:
        _, soonest, run = min(wrong, key=lambda each: each[0])
        if soonest.at is not None:
            run = until(Machine(**run.made), soonest.at, str(soonest))
        raise Wrong(str(soonest), run)
    return run


def image(answer: str) -> bytes:
    """The image of an answer in assembly. `Wrong` says why there is none."""
    try:
        return assemble(answer)
    except Mistake as mistake:
        raise Wrong(f"T{str(mistake)[1:]}.") from None


def calls(run: Run, vm: int, function: int) -> list[Event]:
    """The calls of one hypercall that a VM made."""
    made = [event for event in run.events if event.kind is Kind.HYPERCALL and event.actor in actors_of(run, vm)]
    return [event for event in made if words.number(event) == function]


def actors_of(run: Run, vm: int) -> list[Actor]:
    """The vCPUs of a VM."""
    return [line.actor for line in run.lifelines if line.vm == vm]


def gave(run: Run, event: Event) -> int | None:
    """The result of a call (x0), None if its caller was switched out without one."""
    return run.events[run.returns[event.seq]].result if event.seq in run.returns else None


def refusals(run: Run, vm: int, function: int) -> list[Event]:
    """The events in which a VM's calls of one hypercall came back refused."""
    back = [run.events[run.returns[event.seq]] for event in calls(run, vm, function) if event.seq in run.returns]
    return [event for event in back if words.failed(event)]


def deliveries(run: Run, vm: int) -> list[Event]:
    """The events in which a message reached a VM's mailbox."""
    return [event for event in run.events if event.kind is Kind.DELIVER and event.target == Actor(vm)]


def delivered(run: Run, vm: int) -> list[bytes]:
    """The messages that reached a VM's mailbox, in order."""
    return [event.message or b"" for event in deliveries(run, vm)]


def quoted_message(message: bytes | None) -> str:
    """A message in a sentence; its size too where it is cut."""
    data = message or b""
    text = words.text_of(data) or "a message of no bytes"
    return f"{text} ({len(data)} bytes)" if text.endswith(("…", "…”")) else text


def answers_of(run: Run, vm: int) -> list[tuple[int, bytes]]:
    """What a VM sent that arrived, in order: to whom, and the bytes."""
    made = (event for event in run.events if event.kind is Kind.DELIVER and (event.actor or Actor(0)).vm == vm)
    return [((event.target or Actor(0)).vm, event.message or b"") for event in made]


def asks_one_by_one(messages: Sequence[bytes]) -> Script:
    """A client of VM 1: it sends a message, waits for the answer, tells VM 0, and so on."""

    def client() -> Any:
        yield configure()
        for data in messages:
            yield send(1, data)
            yield receive(block=True)
            yield clear()
            yield send(0, "thanks")

    return client


def talk(answer: Script, messages: Sequence[tuple[int, bytes]], title: str) -> Run:
    """VM 0 and as many clients as send anything send to VM 1, the answer, one message after the other.

    In the end VM 1 runs once more, and comes to its next receive.
    """
    clients = range(2, max(sender for sender, _ in messages) + 1)

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        for sender, data in messages:
            if sender == 0:
                yield send(1, data)
            for vm in (sender, 1, sender) if sender else (1,):
                yield vcpu_run(vm)
            yield clear()
        yield vcpu_run(1)

    theirs = (asks_one_by_one([data for sender, data in messages if sender == vm]) for vm in clients)
    return boot_scripts(primary, [answer, *theirs], title)


def call_of(vm: int, function: int, number: int) -> Callable[[Run], Event]:
    """Finds the `number`th call (from 0) of a hypercall by a VM."""
    return lambda run: calls(run, vm, function)[number]


def switch_to(vm: int, number: int) -> Callable[[Run], Event]:
    """Finds the `number`th switch (from 0) to a VM."""
    return lambda run: [e for e in run.events if e.kind is Kind.SWITCH and e.target == Actor(vm, 0)][number]


def switch_after(find: Callable[[Run], Event]) -> Callable[[Run], Event]:
    """Finds the first switch after an event."""
    return lambda run: next(e for e in run.events[find(run).seq :] if e.kind is Kind.SWITCH)


def returned_at(find: Callable[[Run], Event]) -> Callable[[Run], Event]:
    """Finds the event that brings a call's result; of a call without one, the last of what was done about it."""
    return lambda run: run.returned(find(run)) or run.settled(find(run))


def settles(find: Callable[[Run], Event]) -> Callable[[Run], Event]:
    """Finds the last event of what the hypervisor did about a trap."""
    return lambda run: run.settled(find(run))


def changed_at(find: Callable[[Run], Event], path: str) -> Callable[[Run], Event]:
    """Finds the event that gave a value what it is after a trap; the trap's last event if it left the value alone."""

    def where(run: Run) -> Event:
        trap = find(run)
        last = run.settled(trap)
        own = reversed(run.events[trap.seq : last.seq + 1])
        return next((event for event in own if event.change(path)), last)

    return where


def state_of(path: str) -> Callable[[Run, Event], str]:
    """Reads a state right after an event."""
    return lambda run, event: str(run.at(event.seq)[path])


def in_turn(*vms: int, rounds: int = 1) -> Script:
    """A primary that runs these VMs one after the other."""

    def primary() -> Any:
        for _ in range(rounds):
            for vm in vms:
                yield vcpu_run(vm)

    return primary


def traps(run: Run, vm: int) -> list[Event]:
    """The traps of a VM."""
    return [event for event in run.events if event.actor == Actor(vm, 0)]


def last_trap(vm: int) -> Callable[[Run], Event]:
    """Finds the last trap of a VM."""
    return lambda run: traps(run, vm)[-1]


def run_result(run: Run, event: Event) -> str:
    """What an HF_VCPU_RUN gave, at once or by a switch, as the questions offer it."""
    return words.result(event.call, event.result or 0)


def last_event(run: Run) -> Event:
    """The end of a run."""
    return run.events[-1]


def result_of(run: Run, event: Event) -> str:
    """The result that an event brings, as the questions offer it: a number."""
    return words.signed_text(event.result or 0)


def who_runs(run: Run, event: Event) -> str:
    """Who holds the CPU after an event."""
    return words.vm_of(run.at(event.seq)["cpu0.current"])


def these(vms: Sequence[int], is_so: str, are_so: str) -> str:
    """VMs and what is so. Example: [1, 2], "waits", "wait" -> "VM 1 and VM 2 wait"."""
    names = [f"VM {vm}" for vm in vms]
    return f"{', '.join(names[:-1])} and {names[-1]} {are_so}" if names[1:] else f"{names[0]} {is_so}"


def follow(vm: int) -> Any:
    """Run a VM, and then whoever is woken, until nobody is: what the last `vcpu_run` returned."""
    while (result := (yield vcpu_run(vm))).code == HfVcpuRun.WAKE_UP:
        vm = result.vm_id
    return result


def sleeps_at(run: Run, vm: int) -> Event | None:
    """The event in which a VM went to sleep for good, with WFI or because its script was over; None if it did not."""
    return next((event for event in run.events if event.kind is Kind.WFI and event.actor == Actor(vm, 0)), None)


def is_over(run: Run, vm: int) -> bool:
    """Whether a VM's script is over in the end. The run is made again: a recording shows a WFI there, as any other."""
    machine = Machine(**run.made)
    machine.run()
    guest = next(guest for guest in machine.guests.values() if guest.vcpu.vm.id == vm)
    return getgeneratorstate(guest.generator) == GEN_CLOSED


def why_asleep(run: Run, vm: int, when: str = "") -> str:
    """Why a VM that is a service sleeps in the end, and what it should do."""
    if is_over(run, vm):
        return f"your script has ended{when}. A service needs a loop"
    return f"your guest has executed WFI{when}, and no message wakes it from that. Let it wait for one"


def no_room(run: Run) -> str | None:
    """Why there was no room for a message to VM 1; None if there always was."""
    senders = (line.vm for line in run.lifelines if line.vm not in (None, 1))
    seqs = [event.seq for vm in senders for event in refusals(run, vm, HF_MAILBOX_SEND) if event.arg.vm == 1]
    if not seqs:
        return None
    end = sleeps_at(run, 1)
    if end is not None and end.seq < min(seqs):
        return why_asleep(run, 1, after_message(run, end))
    made = [e.function for e in run.events[: min(seqs)] if e.actor == Actor(1, 0) and e.function]
    if made[-2:] == [HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND] and not calls(run, 1, HF_MAILBOX_CLEAR):
        return "it never clears its mailbox"
    if made[-2:] == [HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND]:
        return "it answers before it clears. The send switches it out, and its mailbox stays full until it runs again"
    return "clear every one, also those that you ignore"


def after_message(run: Run, event: Event) -> str:
    """After how many messages to VM 1 an event came."""
    count = sum(each.seq < event.seq for each in deliveries(run, 1))
    return f" after message {count}" if count else " before the first message"


def why_shut(run: Run) -> str | None:
    """Why VM 1, a service, would not take another message at the end of a run; None if it would."""
    state = run.at(len(run.events) - 1)
    end = sleeps_at(run, 1)
    if end is not None:
        return why_asleep(run, 1, after_message(run, end))
    if Actor(1, 0) not in state.waiters(1):
        return "it does not wait for the next message"
    return None if state["vm1.mailbox.state"] == "EMPTY" else "it has not cleared its mailbox"


def raise_if_shut(run: Run, service: str) -> None:
    """`Wrong` if VM 1 would not take another message at the end of a run in which it has dealt with all that came."""
    why = why_shut(run)
    if why:
        raise Wrong(f"Your {service} has dealt with all that came. One more message it would not take: {why}.", run)


def unreachable(run: Run) -> str:
    """Why nothing at all could be sent to VM 1."""
    if any(gave(run, event) == 0 for event in calls(run, 1, HF_VM_CONFIGURE)):
        return "it never gives the processor back. Let it wait for a message: receive(block=True)"
    return "it must configure its pages"


def compiled(make: Callable[[str], bytes], source: str) -> bytes:
    """The image of a source text. `Wrong` with the compiler's first message."""
    try:
        return make(source)
    except Mistake as mistake:
        sentence = str(mistake)
        raise Wrong(f"{sentence[0].upper()}{sentence[1:]}") from None
