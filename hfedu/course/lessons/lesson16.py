"""Lesson 16, from 2018 to FF-A: its predictions and exercises, and the invariant of its memory."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.course.forms import Unfit
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.orders import both
from hfedu.course.shared.scenes import (
    boot_counted,
    call_of,
    calls,
    delivered,
    gave,
    quoted_message,
    raise_if_shut,
    result_of,
    returned_at,
    sleeps_at,
    state_of,
    why_asleep,
)
from hfedu.course.shared.variants import of_results
from hfedu.course.shared.wants import GUEST
from hfedu.guest.ffa import (
    ffa_mem_donate,
    ffa_mem_lend,
    ffa_mem_reclaim,
    ffa_mem_relinquish,
    ffa_mem_retrieve_req,
    ffa_mem_share,
    ffa_msg_send2,
    ffa_msg_wait,
    ffa_run,
    ffa_rx_release,
    ffa_rxtx_map,
)
from hfedu.guest.scripted import Script, configure, send, vcpu_run
from hfedu.history.ffa import (
    FFA_MEM_RECLAIM,
    FFA_MSG_SEND2,
    FFA_MSG_WAIT,
    FFA_RX_RELEASE,
    FFA_RXTX_MAP,
    MESSAGE_HEADER,
    FfaLike,
    FfaMemory,
)
from hfedu.notebook import Exploration, Machine, Run, explore
from hfedu.run.invariants import Invariant
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk
from hfedu.run.recording import Actor
from hfedu.run.replay import Scenario
from hfedu.run.sight import Sight

LEARN = "what became of the mailbox: Arm's FF-A, who names the sender there, and who owns a page that two VMs use"
TERMS = {
    "notification": "A bit that one VM sets for another one, which has allowed it and is told of it. It carries no "
    "message.",
    "lend": "To let another VM use a page for a while. The owner may not use it until it has it back.",
    "donate": "To give a page to another VM for good: that is its owner then.",
}


def boot_ffa(primary: Script, secondaries: list[Script], title: str) -> Run:
    """Run scripted guests on a hypervisor with messages as in FF-A."""
    disk = RamDisk(primary, secondaries)
    return boot_counted(disk, changes=[FfaLike], title=title)


def forged() -> Run:
    """VM 1 says in its header that VM 2 writes."""

    def primary() -> Any:
        yield ffa_rxtx_map()
        yield ffa_run(1)

    def forger() -> Any:
        yield ffa_rxtx_map()
        yield ffa_msg_send2(0, "I am VM 2", sender=2)
        yield ffa_msg_wait()

    return boot_ffa(primary, [forger], "VM 1 names VM 2 as the sender")


def lent() -> Run:
    """VM 0 lends a page to VM 1, which takes it; then VM 0 wants it back."""

    def primary() -> Any:
        yield configure()
        yield ffa_mem_lend(0, 1)
        yield vcpu_run(1)
        yield ffa_mem_reclaim(0)
        yield vcpu_run(1)
        yield ffa_mem_reclaim(0)

    def borrower() -> Any:
        yield configure()
        yield ffa_mem_retrieve_req(0)
        yield send(0, "I have it")
        yield ffa_mem_relinquish(0)

    disk = RamDisk(primary, [borrower])
    return boot_counted(disk, changes=[FfaMemory], title="VM 0 lends page 0 to VM 1")


PREDICTIONS = (
    Prediction(
        "16-forged",
        "As in FF-A. VM 1 sends to VM 0, and its header says that the message is from VM 2.",
        forged,
        (
            Question(
                "What does FFA_MSG_SEND2 return?",
                ("0", "-2, INVALID_PARAMETERS", "-4, BUSY"),
                returned_at(call_of(1, FFA_MSG_SEND2, 0)),
                lambda run, event: {0: "0", -2: "-2, INVALID_PARAMETERS", -4: "-4, BUSY"}[int(result_of(run, event))],
                "The sender writes who it is, and the hypervisor compares that with who makes the call. In 2018 there "
                "was nothing to compare: the hypervisor wrote the sender's number itself.",
            ),
            Question(
                "In which state is VM 0's mailbox afterwards?",
                ("EMPTY", "RECEIVED", "READ"),
                returned_at(call_of(1, FFA_MSG_SEND2, 0)),
                state_of("vm0.mailbox.state"),
                "A message that is refused changes nothing, then as now.",
            ),
        ),
    ),
    Prediction(
        "16-reclaim",
        "VM 0 lends a page to VM 1, and VM 1 takes it. Then VM 0 wants it back: FFA_MEM_RECLAIM.",
        lent,
        (
            Question(
                "What does the first FFA_MEM_RECLAIM return?",
                ("0", "-2, INVALID_PARAMETERS", "-6, DENIED"),
                returned_at(call_of(0, FFA_MEM_RECLAIM, 0)),
                lambda run, event: {0: "0", -2: "-2, INVALID_PARAMETERS", -6: "-6, DENIED"}[int(result_of(run, event))],
                "VM 1 has the page, and nobody takes it away from it: it has to give it back itself.",
            ),
            Question(
                "And the second one, after VM 1 called FFA_MEM_RELINQUISH?",
                ("0", "-6, DENIED"),
                returned_at(call_of(0, FFA_MEM_RECLAIM, 1)),
                lambda run, event: {0: "0", -6: "-6, DENIED"}[int(result_of(run, event))],
                "The page is nobody's now but its owner's.",
            ),
        ),
    ),
)


# The memory that is explored.


def one_writer(machine: Sight) -> str | None:
    """A page that is not shared has one writer at most."""
    for page, held in getattr(machine.machine.hypervisor, "pages", {}).items():
        if held.offer is None and len(held.writers) > 1:
            vms = " and ".join(f"VM {vm}" for vm in sorted(held.writers))
            return f"{vms} can both write page {page}, and nobody shares it"
    return None


ONE_WRITER = Invariant("one-writer", "A page that is not shared has one writer at most.", one_writer)


def lends() -> Any:
    yield ffa_mem_lend(0, 1)


def reclaims() -> Any:
    return (yield ffa_mem_reclaim(0))


def runs_the_borrower() -> Any:
    yield vcpu_run(1)


def borrows() -> Any:
    yield ffa_mem_retrieve_req(0)
    yield ffa_mem_relinquish(0)


LENDING = Scenario("lending", "A reclaim against who borrows.", lends, (reclaims, runs_the_borrower), (borrows,))


def shares() -> Any:
    yield ffa_mem_share(0, 1)


SHARING = replace(LENDING, name="sharing", setup=shares)


def explored_memory(scenario: Scenario, changed: type[FfaMemory]) -> Exploration:
    """Every order of a reclaim and a borrower."""
    return explore(scenario, [ONE_WRITER], profile="fixed", changes=[changed])


class ReclaimsAtOnce(FfaMemory):
    """Gives a page back to its owner whoever has it."""

    def may_reclaim(self, held):
        return True


# 16-pair


def judge_pair(answer: Callable[[int, int], Any]) -> None:
    """The word of a header that says from whom and to whom."""
    for sender, receiver in ((1, 2), (2, 1), (0x8001, 3), (0, 0xFFFF)):
        got, want = answer(sender, receiver), sender << 16 | receiver
        if got != want:
            shown = f"{got:#x}" if isinstance(got, int) else repr(got)
            raise Wrong(f"From VM {sender:#x} to VM {receiver:#x} your function gave {shown}: it is {want:#x}.")


def solve_pair(sender, receiver):
    return sender << 16 | receiver


def pair_swapped(sender, receiver):
    return receiver << 16 | sender


def pair_of_bytes(sender, receiver):
    return sender << 8 | receiver


# 16-echo


def judge_ffa_echo(answer: Script) -> Run:
    """Every message comes back to whoever sent it, in the answer's own name."""

    def primary() -> Any:
        yield ffa_rxtx_map()
        yield ffa_run(1)
        for sender, data in SAID:
            if sender == 0:
                yield ffa_msg_send2(1, data)
            for vm in (sender, 1, sender) if sender else (1,):
                yield ffa_run(vm)
            yield ffa_rx_release()
        yield ffa_run(1)

    def client(vm: int) -> Script:
        def asks() -> Any:
            yield ffa_rxtx_map()
            for data in (data for sender, data in SAID if sender == vm):
                yield ffa_msg_send2(1, data)
                yield ffa_msg_wait()
                yield ffa_rx_release()
                yield ffa_msg_send2(0, "thanks")

        return asks

    run = boot_ffa(primary, [answer, client(2), client(3)], "An echo, as in FF-A")
    if not any(gave(run, event) == 0 for event in calls(run, 1, FFA_RXTX_MAP)):
        raise Wrong("Your guest has not mapped its pages: ffa_rxtx_map().", run)
    if not calls(run, 1, FFA_MSG_WAIT):
        raise Wrong("Your guest never waits for a message: ffa_msg_wait().", run)
    back = [event for event in run.events if event.kind is Kind.DELIVER and event.actor == Actor(1, 0)]
    if not back and calls(run, 1, FFA_MSG_SEND2):
        said = "FFA_MSG_SEND2 refused every answer: the header has to name your guest, VM 1, as the sender."
        raise Wrong(said, run)
    got = [((event.target or Actor(0)).vm, payload(event.message or b"")) for event in back]
    came = [payload(data) for data in delivered(run, 1)]
    for number, (vm, data) in enumerate(SAID):
        if got[number : number + 1] == [(vm, data)]:
            continue
        had = f"VM {vm} sent {quoted_message(data)}"
        if data not in came:
            late = "it gives its page RX back only after its answer, and that has switched it out"
            why = late if calls(run, 1, FFA_RX_RELEASE) else "it never gave its page RX back"
            end = sleeps_at(run, 1)
            raise Wrong(f"{had}, and that was refused: {why if end is None else why_asleep(run, 1)}.", run)
        if (vm, data) in got[number:]:
            to, more = got[number]
            again = got[number] in SAID[:number]
            why = "once more: each message comes back once" if again else "and nobody had sent it that"
            raise Wrong(f"VM {to} got {quoted_message(more)}, {why}.", run)
        why = "answer the sender, whoever it is, with what it sent" if sleeps_at(run, 1) is None else why_asleep(run, 1)
        raise Wrong(f"{had} and it did not come back to VM {vm}: {why}.", run)
    if len(got) > len(SAID):
        raise Wrong(f"{len(SAID)} messages came, and your guest sent {len(got)} back.", run)
    raise_if_shut(run, "echo")
    return run


SAID = ((0, b"one"), (0, b"two"), (2, b"three"), (3, b""), (2, b" \0\xff\n"), (0, b"six"))
"""What the echo gets: from whom, and the bytes."""


def payload(message: bytes) -> bytes:
    """What stands behind a message's header."""
    _, _, begin, _, size = MESSAGE_HEADER.unpack_from(message)
    return message[begin : begin + size]


def solve_ffa_echo():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(message.sender, message.data)


def ffa_echo_in_the_name_of_others():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(message.sender, message.data, sender=message.sender)


def ffa_echo_never_releases():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_msg_send2(message.sender, message.data)


def ffa_echo_releases_late():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_msg_send2(message.sender, message.data)
        yield ffa_rx_release()


def ffa_echo_ends():
    yield ffa_rxtx_map()
    for _ in range(3):
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(message.sender, message.data)


def ffa_echo_knows_two():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(2 if message.sender else 0, message.data)


def ffa_echo_answers_the_primary():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        yield ffa_msg_send2(0, message.data)


# 16-writers


OFFERS = {"share": ffa_mem_share, "lend": ffa_mem_lend, "donate": ffa_mem_donate}


@cache
def writers(how: str, taken: bool) -> tuple[int, ...]:
    """Who can write page 0 after VM 0 has offered it to VM 1, and VM 1 perhaps has taken it: what the machine says."""

    def primary() -> Any:
        yield OFFERS[how](0, 1)
        yield vcpu_run(1)

    def borrower() -> Any:
        if taken:
            yield ffa_mem_retrieve_req(0)

    machine = Machine(RamDisk(primary, [borrower]), changes=[FfaMemory], record=False)
    machine.run()
    held = machine.hypervisor
    assert isinstance(held, FfaMemory)
    return tuple(sorted(held.holding(0).writers))


def judge_writers(answer: Callable[[str, bool], Any]) -> None:
    """Who can write a page that was offered."""
    for taken in (True, False):
        for how in OFFERS:
            got = answer(how, taken)
            try:
                given = tuple(sorted({*forms.all_of(got, int)}))
            except Unfit:
                raise Wrong(f"For {how!r} your function gave {got!r}, not the numbers of VMs.") from None
            if given != writers(how, taken):
                when = "VM 1 has taken it" if taken else "VM 1 has not taken it yet"
                who = " and ".join(f"VM {vm}" for vm in writers(how, taken)) or "nobody"
                raise Wrong(f"{how}, and {when}: your function says {list(given)}, but {who} can write the page.")


def solve_writers(how, taken):
    borrower = {1} if taken else set()
    return borrower | {0} if how == "share" else borrower


def writers_lender_goes_on(how, taken):
    borrower = {1} if taken else set()
    return borrower if how == "donate" else borrower | {0}


def writers_donor_goes_on(how, taken):
    borrower = {1} if taken else set()
    return borrower if how == "lend" else borrower | {0}


def writers_at_once(how, taken):
    return {0, 1} if how == "share" else {1}


# 16-reclaim-repair


def memory_class(answer: Any) -> type[FfaMemory]:
    """A class that is derived from FfaMemory."""
    if not isinstance(answer, type) or not issubclass(answer, FfaMemory):
        raise Unfit
    return answer


def judge_memory(answer: type[FfaMemory]) -> Run | None:
    """No order of a reclaim and a borrower leaves two writers, and in some order the owner gets its page back."""
    for scenario in LENDING, SHARING:
        found = explored_memory(scenario, answer)
        when = " (This page is shared, not lent.)" * (scenario is SHARING)
        if found.violations:
            sentence = f"Not in every order: {found.violations[0].sentence}.{when}"
            raise Wrong(sentence, *both(found, scenario))
        results = {value for final in found.finals for name, value in final if name == "vm0.vcpu0.returned"}
        if "0" not in results:
            raise Wrong(f"In no order the owner gets its page back: once VM 1 has given it back, it may.{when}")
    return None


class SolveReclaim(FfaMemory):
    def may_reclaim(self, held):
        return held.borrower not in held.writers


class ReclaimNever(FfaMemory):
    def may_reclaim(self, held):
        return False


class ReclaimWhenNobodyWrites(FfaMemory):
    def may_reclaim(self, held):
        return not held.writers


class ReclaimWhatIsShared(FfaMemory):
    def may_reclaim(self, held):
        return held.owner in held.writers or held.borrower not in held.writers


class ReclaimLooksAtTheOwner(FfaMemory):
    def may_reclaim(self, held):
        return held.owner not in held.writers


EXERCISES = (
    Exercise(
        id="16-pair",
        task="a function that makes the word of a header which says from whom and to whom.",
        wants="a function of two numbers",
        takes=forms.function,
        judge=judge_pair,
        learned="in FF-A a message carries its sender's number, in the upper half of a word, and its receiver's below.",
        hints=(
            "Each number has 16 bits, and the word 32.",
            "The sender is in bits 16 to 31, the receiver in bits 0 to 15.",
            "sender << 16 | receiver",
        ),
        solution=solve_pair,
        variant=of_results(lambda rng: (rng.getrandbits(16), rng.getrandbits(16))),
        wrong={
            "the two swapped": (pair_swapped, "From VM 0x1 to VM 0x2 your function gave 0x20001"),
            "numbers of 8 bits": (pair_of_bytes, "your function gave 0x102"),
        },
    ),
    Exercise(
        id="16-echo",
        task="the echo of lesson 05 with the calls of today: every message goes back to who sent it.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_ffa_echo,
        learned="the calls have other names, and the conversation is the same; a sender speaks in its own name only.",
        hints=(
            "ffa_rxtx_map() once. Then, for ever: wait, give the page RX back, send.",
            "`message = yield ffa_msg_wait()` gives message.sender and message.data.",
            "The last line: yield ffa_msg_send2(message.sender, message.data).",
        ),
        solution=solve_ffa_echo,
        wrong={
            "in the name of others": (ffa_echo_in_the_name_of_others, "has to name your guest"),
            "never gives its page back": (ffa_echo_never_releases, "never gave its page RX back"),
            "gives its page back late": (ffa_echo_releases_late, "only after its answer"),
            "answers three times": (ffa_echo_ends, "A service needs a loop"),
            "knows two VMs": (ffa_echo_knows_two, "did not come back to VM 3"),
            "answers the primary only": (ffa_echo_answers_the_primary, "VM 2 sent"),
        },
    ),
    Exercise(
        id="16-writers",
        task='a function that says who can write a page which VM 0 offers to VM 1, by "share", "lend" or "donate".',
        wants="a function of a text and of True or False",
        takes=forms.function,
        judge=judge_writers,
        learned="where one VM borrows, only a shared page has two writers; one that is lent, or donated, has none "
        "until it is taken.",
        hints=(
            "Who can write it before VM 1 has taken it? Only who shares goes on using it.",
            "Once VM 1 has taken it, VM 1 can write it, however it was offered.",
            "Return a set: {1} if taken, else set(); with 0 in it only for share.",
        ),
        solution=solve_writers,
        wrong={
            "who lends goes on": (writers_lender_goes_on, "lend, and VM 1 has taken it: your function says [0, 1]"),
            "who donates goes on": (writers_donor_goes_on, "donate, and VM 1 has taken it: your function says [0, 1]"),
            "an offer gives access": (writers_at_once, "share, and VM 1 has not taken it yet"),
        },
    ),
    Exercise(
        id="16-reclaim",
        task="a class with which an owner gets its page back only when nobody else has it.",
        wants="a class that is derived from FfaMemory",
        takes=memory_class,
        judge=judge_memory,
        learned="who has a page and who owns it are two things, and a reclaim must look at the first.",
        hints=(
            "Override may_reclaim(self, held). held.owner, held.borrower and held.writers say all there is to know.",
            "The owner may have its page back if the borrower is none of its writers.",
            "return held.borrower not in held.writers",
        ),
        solution=SolveReclaim,
        wrong={
            "gives it back at once": (ReclaimsAtOnce, "VM 0 and VM 1 can both write page 0"),
            "waits until nobody writes": (ReclaimWhenNobodyWrites, "This page is shared"),
            "gives back what is shared at once": (ReclaimWhatIsShared, "This page is shared"),
            "never gives it back": (ReclaimNever, "In no order the owner gets its page back"),
            "looks at the owner": (ReclaimLooksAtTheOwner, "VM 0 and VM 1 can both write page 0"),
        },
    ),
)
