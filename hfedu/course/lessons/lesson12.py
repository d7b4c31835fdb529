"""Lesson 12, fourteen defects: its predictions, exercises, and the suspects of its puzzle."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from hfedu.course import forms
from hfedu.course.answers import without_source
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.forms import Unfit
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.defects import ready, receiver, run_vm_1, send_and_run, send_hello
from hfedu.course.shared.scenes import boot_counted, boot_scripts, call_of, calls, changed_at, delivered, gave, state_of
from hfedu.course.shared.wrong import (
    CheckedBeforeLock,
    ClearsUnread,
    LocksSwapped,
    SenderFromGuest,
    StateSetLate,
    TakenInTwoSteps,
    WaiterPoppedLate,
    WokenWithoutLock,
    clear_then_receive,
    run_twice,
    send_with_x3_and_run,
)
from hfedu.guest.scripted import clear, configure, hvc, load, receive, send, vcpu_run, wait_for_interrupt
from hfedu.hf.call import ERROR, HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, MASK64
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.vm import MailboxState, Vm
from hfedu.history import FIXES, abi, with_needs
from hfedu.notebook import Run
from hfedu.run.explorer import explore
from hfedu.run.invariants import INVARIANTS
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor, Event
from hfedu.run.replay import Scenario

PRIMARY_MEMORY = 0x4008_0000


def trespass() -> Run:
    """VM 1 loads from the primary's memory; VM 2 has done nothing wrong."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)

    def trespasser() -> Any:
        yield load(PRIMARY_MEMORY)

    def innocent() -> Any:
        yield configure()
        yield receive(block=True)

    return boot_scripts(primary, [trespasser, innocent], "VM 1 loads from memory that is not its own")


def waits() -> Run:
    """VM 1 waits for a message."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield clear()

    def receiver() -> Any:
        yield configure()
        yield receive(block=True)

    return boot_scripts(primary, [receiver], "VM 1 waits for a message")


def fate(run: Run, event: Event) -> str:
    """What became of the guest that trespassed."""
    return {"hang": "the hypervisor spins for ever"}.get(run.outcome.kind, "VM 1 is stopped and VM 0 is told")


def ran(run: Run, event: Event) -> str:
    """Whether VM 2 ever got the CPU."""
    return "yes" if any(e.target == Actor(2, 0) for e in run.events if e.kind.value == "switch") else "no"


PREDICTIONS = (
    Prediction(
        "12-abort",
        "VM 1 loads from an address that is not mapped in its stage 2. VM 0 meant to run VM 2 next.",
        trespass,
        (
            Question(
                "What happens?",
                ("VM 1 is stopped and VM 0 is told", "the hypervisor spins for ever"),
                lambda run: run.events[-1],
                fate,
                "At this commit a fault of a guest ends in a loop of the hypervisor. The VM can read nothing it should "
                "not, and yet it takes a physical CPU away from everybody.",
            ),
            Question(
                "Does VM 2 ever run?",
                ("yes", "no"),
                lambda run: run.events[-1],
                ran,
                "The machine has one CPU, and that one spins.",
            ),
        ),
    ),
    Prediction(
        "12-reason",
        "VM 1 calls receive and blocks. Nobody sends.",
        waits,
        (
            Question(
                "In which state is VM 1's vCPU after that?",
                ("BLOCKED_MAILBOX", "BLOCKED_INTERRUPT", "READY"),
                changed_at(call_of(1, HF_MAILBOX_RECEIVE, 0), "vm1.vcpu0.state"),
                state_of("vm1.vcpu0.state"),
                "receive records BLOCKED_MAILBOX. Then it calls the function that goes back to the primary, the same "
                "that WFI uses, and that one writes BLOCKED_INTERRUPT over it.",
            ),
        ),
    ),
)


def asleep(fixes: Iterable[str]) -> Run:
    """VM 0 sends to a VM that waits in WFI."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield send(1, "news")
        yield hvc(abi.HF_INTERRUPT_INJECT, 1, 0, 3)
        yield vcpu_run(1)

    def sleeper() -> Any:
        yield configure()
        yield wait_for_interrupt()
        message = yield receive(block=False)
        yield send(0, message.data)

    disk = RamDisk(primary, [sleeper])
    return boot_counted(disk, fixes=fixes, title="A message to a VM in WFI")


def judge_sleeper(answer: Iterable[str]) -> Run:
    """With these repairs a message reaches a VM that waits in WFI, and none of them is idle."""
    for name in answer:
        if name not in FIXES:
            raise Wrong(f"There is no repair {name!r}. There are {', '.join(FIXES)}.")
    run = asleep(answer)
    if delivered(run, 0) != [b"news"]:
        woken = "no-interrupt" in with_needs(answer)
        why = "it was woken, and trapped on the same WFI again" if woken else "nothing wakes it from its WFI"
        raise Wrong(f"VM 1 never gets to its receive: {why}.", run, asleep(FEWEST))
    idle = with_needs(answer) - with_needs({"wfi-repeats"})
    if idle:
        raise Wrong(f"The message arrives. It does without {', '.join(sorted(idle))} too: name the fewest.", run)
    if set(answer) != FEWEST:
        along = ", ".join(sorted(set(answer) - FEWEST))
        raise Wrong(f"The message arrives. wfi-repeats brings {along} along: name the fewest.")
    return run


def repair(answer: Any) -> type[Hypervisor]:
    """A class that changes the hypervisor."""
    if isinstance(answer, Hypervisor):
        raise Unfit("Give the class itself, without brackets behind its name.")
    if not isinstance(answer, type) or not issubclass(answer, Hypervisor):
        raise Unfit
    return answer


def four_clears(fix: type[Hypervisor]) -> tuple[Run, list[bytes]]:
    """VM 1 clears an empty, an unread, a read and an empty mailbox: the run, and what it received in between."""
    got: list[bytes] = []

    def primary() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield clear()
        yield send(1, "hello")
        yield vcpu_run(1)

    def owner() -> Any:
        yield configure()
        yield clear()
        yield send(0, "send me something")
        yield clear()
        message = yield receive(block=False)
        got.append(message.data if message is not None else b"")
        yield clear()
        yield clear()

    class Looked(fix):  # type: ignore[misc, valid-type]
        """The repair, and a look at what it gives."""

        def clear_locked(self, vm: Vm) -> Any:
            result = yield from super().clear_locked(vm)
            if not isinstance(result, int) or not 0 <= result <= MASK64:
                raise Wrong(
                    f"Your clear_locked gives {result!r}, and a register holds whole numbers from 0 up. Return 0 for "
                    "an EMPTY mailbox, and else what super().clear_locked(vm) gives."
                )
            return result

    disk = RamDisk(primary, [owner])
    return boot_counted(disk, changes=[Looked], title="Four clears"), got


def judge_idempotent(answer: type[Hypervisor]) -> Run:
    """A clear of an empty mailbox gives 0, of an unread one -1, of a read one 0; and -1 leaves the message there."""
    try:
        run, got = forms.handed_back(lambda: four_clears(answer))
    except TypeError as error:
        if "iter" not in str(error):
            raise
        raise Wrong(
            "Your clear_locked hands back a value, and the hypervisor wants a generator, whose steps it takes: leave a "
            "`yield from` in it, as in return (yield from super().clear_locked(vm))."
        ) from None
    results = [gave(run, event) for event in calls(run, 1, HF_MAILBOX_CLEAR)]
    sentence = ""
    if results[:1] not in ([0], [ERROR]):
        sentence = f"VM 1's mailbox is EMPTY, and its clear gives {results[0]}: it must be 0."
    elif results[:1] != [0]:
        sentence = (
            "VM 1's mailbox is EMPTY, and its clear still fails. (Inside the hypervisor what is refused is no -1, as "
            "for a guest, but ERROR of hfedu.hf.call: so look at the state, not at a result.)"
        )
    elif results[1:2] == [0]:
        sentence = "VM 1 cleared a message that it had not received: RECEIVED is not READ. It is lost."
    elif got != [b"hello"]:
        sentence = "After a clear that failed the message must still be there, and it is not."
    elif results[2:] != [0, 0]:
        sentence = "VM 1 has received its message. It clears twice, and both clears must give 0."
    elif run.at(len(run.events) - 1)["vm1.mailbox.state"] != "EMPTY":
        sentence = "VM 1 cleared the message that it had received: its mailbox must be EMPTY afterwards."
    if sentence:
        raise Wrong(sentence, run, four_clears(without_source(SolveIdempotent))[0])
    return run


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("senders", "CPU 0 and CPU 1 both send to VM 1.", ready, (send_hello, send_hello), (receiver,)),
        Scenario("runs", "CPU 0 and CPU 1 both run VM 1.", ready, (run_vm_1, run_vm_1), (receiver,)),
        Scenario("receive", "CPU 0 runs VM 1, which waits. CPU 1 sends.", ready, (run_vm_1, send_hello), (receiver,)),
        Scenario("race", "The same, CPU 0 runs VM 1 twice, CPU 1 sends and runs it.", ready,
                 (run_twice, send_and_run), (receiver,)),
        Scenario("x3", "As receive, and CPU 1 has a 7 in x3 when it sends.", ready,
                 (run_vm_1, send_with_x3_and_run), (receiver,)),
        Scenario("clear", "As receive, and VM 1 clears its mailbox first.", ready,
                 (run_vm_1, send_hello), (clear_then_receive,)),
    )
}  # fmt: skip
"""Where the suspects of the puzzle can be watched."""
WRONG_ONES = {
    "A": WaiterPoppedLate, "B": LocksSwapped, "C": SenderFromGuest, "D": TakenInTwoSteps, "E": ClearsUnread,
    "G": CheckedBeforeLock, "H": StateSetLate, "I": WokenWithoutLock,
}  # fmt: skip
SUSPECTS = {letter: type(letter, (WRONG_ONES.get(letter, Hypervisor),), {}) for letter in "ABCDEFGHI"}
"""Nine hypervisors by letter, eight of them wrong: `explore(..., profile="fixed", changes=[SUSPECTS["A"]])`."""
LOOK_FIRST = {
    "A": "receive", "B": "runs", "C": "x3", "D": "runs", "E": "clear", "G": "senders", "H": "receive", "I": "race",
}  # fmt: skip
"""Where a suspect shows itself soonest: the check begins there, which saves most of its time, and decides nothing."""


@cache
def breaks(letter: str, rule: str | None = None) -> bool:
    """Whether a suspect breaks a rule, or any, in one of the scenarios."""
    rules = [invariant for invariant in INVARIANTS if rule in (None, invariant.name)]
    for scenario in sorted(SCENARIOS.values(), key=lambda scenario: scenario.name != LOOK_FIRST.get(letter)):
        found = explore(scenario, rules, first=True, profile="fixed", changes=[SUSPECTS[letter]])
        if any(rule in (None, violation.invariant) for violation in found.violations):
            return True
    return False


def evidence(answer: Any) -> dict[str, list[str]]:
    """What each suspect breaks, by its letter: a name, or several, as the cell prints them. Nothing is left out."""
    pairs = [forms.plain(pair) for pair in answer.items()] if isinstance(answer, Mapping) else forms.items(answer)
    found = {}
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise Unfit
        rules = [] if pair[1] is None else [pair[1]] if isinstance(pair[1], str) else forms.all_of(pair[1], str)
        named = [rule for text in rules for rule in text.replace(",", " ").lower().split()]
        if named:
            found[pair[0].strip().upper()] = named
    return found


def judge_suspects(answer: Mapping[str, Sequence[str]]) -> None:
    """Every wrong suspect is named with something that it breaks, and the right one is not."""
    for letter, rule in ((letter, rule) for letter, rules in answer.items() for rule in rules):
        if letter not in SUSPECTS:
            raise Wrong(f"There is no suspect {letter!r}: they are A to I.")
        if letter not in WRONG_ONES:
            raise Wrong(f"{letter} breaks nothing in any order of any of the {len(SCENARIOS)} scenarios.")
        if not breaks(letter, rule):
            raise Wrong(f"{letter} does not break {rule!r}, in no scenario. Explore {letter}, and read what it breaks.")
    missing = [letter for letter in WRONG_ONES if letter not in answer]
    if missing:
        raise Wrong(f"{missing[0]} is wrong, too: try it in every scenario. ({len(missing)} to go.)")


FEWEST = {"wfi-repeats"}


# 12-idempotent


class SolveIdempotent(Hypervisor):
    def clear_locked(self, vm):
        if vm.mailbox.state is MailboxState.EMPTY:
            return 0
        return (yield from super().clear_locked(vm))


class IdempotentChangesNothing(Hypervisor):
    def clear_locked(self, vm):
        if vm.mailbox.state is MailboxState.EMPTY:
            pass
        return (yield from super().clear_locked(vm))


class IdempotentIsNoGenerator(Hypervisor):
    def clear_locked(self, vm):
        if vm.mailbox.state is MailboxState.EMPTY:
            return 0
        return super().clear_locked(vm)


class IdempotentClearsWhateverIsThere(Hypervisor):
    def clear_locked(self, vm):
        if vm.mailbox.state is MailboxState.READ:
            yield from ()
        vm.mailbox.state = MailboxState.EMPTY
        return 0


class IdempotentSays0AndDoesNothing(Hypervisor):
    def clear_locked(self, vm):
        if vm.mailbox.state is not MailboxState.RECEIVED:
            return 0
        return (yield from super().clear_locked(vm))


EXERCISES = (
    Exercise(
        id="12-suspects",
        task="for each wrong suspect the name of an invariant that it breaks; leave the right one out.",
        wants='a dict of texts such as {"A": "messages"}',
        takes=evidence,
        judge=judge_suspects,
        learned="a mistake shows only in a scenario that comes across it.",
        hints=(
            "Change the letter in the cell that explores A: each word behind a scenario is broken there.",
            "Or put it into a loop: for letter in SUSPECTS: print(letter), then the cell, with SUSPECTS[letter].",
            "A letter with a word behind any scenario is wrong: that word is its entry. One letter has none.",
        ),
        solution={
            "A": "waiters",
            "B": "deadlock",
            "C": "result-kept",
            "D": "live-once",
            "E": "messages",
            "G": "overwrite",
            "H": "reason",
            "I": "result-kept",
        },
        wrong={
            "takes the right one for wrong": (
                {
                    "A": "waiters",
                    "B": "deadlock",
                    "C": "result-kept",
                    "D": "live-once",
                    "E": "messages",
                    "F": "messages",
                    "G": "overwrite",
                    "H": "reason",
                    "I": "result-kept",
                },
                "F breaks nothing",
            ),
            "names the wrong rule": (
                {
                    "A": "waiters",
                    "B": "messages",
                    "C": "result-kept",
                    "D": "live-once",
                    "E": "messages",
                    "G": "overwrite",
                    "H": "reason",
                    "I": "result-kept",
                },
                "B does not break 'messages'",
            ),
            "stops early": ({"A": "waiters", "B": "deadlock"}, "C is wrong, too"),
            "a letter that is none": ({"Z": "deadlock"}, "There is no suspect 'Z'"),
        },
    ),
    Exercise(
        id="12-sleeper",
        task="the fewest repairs with which a message reaches a VM that waits in WFI.",
        wants='a set of ids such as {"timer-inverted"}',
        takes=forms.names,
        judge=judge_sleeper,
        learned="an interrupt wakes the vCPU, and skipping the WFI lets it go on: one repair brings the other along.",
        hints=(
            "Something must wake VM 1, and then it must come past its WFI.",
            "Look at no-interrupt and wfi-repeats, and at what they need.",
            'wfi-repeats brings no-interrupt along: {"wfi-repeats"}.',
        ),
        solution=FEWEST,
        wrong={
            "wakes it only": ({"no-interrupt"}, "trapped on the same WFI again"),
            "names the state": ({"blocked-state"}, "nothing wakes it"),
            "all that sound alike": ({"wfi-repeats", "late-interrupt"}, "does without late-interrupt"),
            "names what comes along": ({"wfi-repeats", "no-interrupt"}, "brings no-interrupt along"),
            "an id that is none": ({"wfi"}, "There is no repair 'wfi'"),
        },
    ),
    Exercise(
        id="12-idempotent",
        task="a class, a repair, with which a clear of an empty mailbox gives 0.",
        wants="a class that is derived from Hypervisor",
        takes=repair,
        judge=judge_idempotent,
        learned="a repair overrides one function and leaves the rest: EMPTY is new, RECEIVED still fails.",
        hints=(
            "Look at vm.mailbox.state before you call super().",
            "Only EMPTY is new. RECEIVED is a message that its owner has not received: that clear must still fail.",
            "if vm.mailbox.state is MailboxState.EMPTY: return 0",
        ),
        solution=SolveIdempotent,
        wrong={
            "changes nothing": (IdempotentChangesNothing, "its clear still fails"),
            "is no generator": (IdempotentIsNoGenerator, "wants a generator"),
            "clears whatever is there": (IdempotentClearsWhateverIsThere, "RECEIVED is not READ"),
            "says 0 and does nothing": (IdempotentSays0AndDoesNothing, "must be EMPTY afterwards"),
        },
    ),
)
LEARN = "fourteen defects of that day, and how to tell a wrong hypervisor from the right one"
TERMS: dict[str, str] = {}
