"""Lesson 14, capstone: a message router, its specification as a function, and the neighbours it must survive."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Verdict, Wrong, exercise_named, judge
from hfedu.course.predictions import Prediction, Question
from hfedu.course.shared.scenes import (
    boot_scripts,
    call_of,
    calls,
    changed_at,
    compiled,
    gave,
    last_event,
    returned_at,
    run_result,
    so_far,
    until,
)
from hfedu.course.shared.wants import C_SOURCE, GUEST
from hfedu.errors import counted
from hfedu.guest.scripted import Message, Script, clear, configure, receive, send, vcpu_run, wait_for_interrupt
from hfedu.guest.toolchain import compile_c
from hfedu.hf.call import (
    HF_MAILBOX_RECEIVE,
    HF_MAILBOX_SEND,
    HF_VCPU_RUN,
    HF_VM_CONFIGURE,
    HfVcpuRun,
    hf_mailbox_receive_return,
)
from hfedu.hf.vm import MailboxState
from hfedu.notebook import Machine, Run
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import Image, RamDisk
from hfedu.run.recording import Actor, Event

ROUTER = 1
POLICY = {0: {2, 3}, 2: {0, 3, 5}, 3: {2}}
"""Who may write to whom. VM 4 may write to nobody; VM 5 is planned and not there yet."""


def reactions(sender: int, data: bytes) -> list[Message]:
    """The specification: what the router tries to send because of a message, the second only if the first is refused.

    `sender` of a `Message` is here whom it goes to.
    """

    def answer(word: str) -> Message:
        return Message(sender, f"{sender}{ROUTER}{word}".encode())

    if len(data) < 2 or not data[:1].isdigit():
        return [answer("malformed")]
    to = int(data[:1])
    if to not in POLICY.get(sender, ()):
        return [answer("denied")]
    return [Message(to, f"{to}{sender}".encode() + data[2:]), answer("undelivered")]


def shown(data: bytes) -> str:
    """A message in a sentence."""
    if not data:
        return "an empty message"
    text = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in data[:16])
    return f"“{text}”" if len(data) <= 16 else f"“{text}…” ({len(data)} bytes)"


# Neighbours.


def writer(*frames: bytes) -> Script:
    """A client that keeps to the rules: it sends each frame until it is taken, and reads whatever comes."""

    def client() -> Any:
        yield configure()
        for frame in frames:
            while (yield send(ROUTER, frame)) == -1:
                yield receive(block=False)
                yield clear()
        while True:
            yield receive(block=True)
            yield clear()

    return client


def flooder(to: int, *frames: bytes) -> Script:
    """Sends again and again, to the router or to somebody else, and reads nothing."""

    def flooding() -> Any:
        yield configure()
        while True:
            for frame in frames:
                yield send(to, frame)

    return flooding


def deaf() -> Any:
    """Has a mailbox and never reads it."""
    yield configure()
    yield wait_for_interrupt()


class Neighbours(NamedTuple):
    """Who lives beside the router: VM 2, 3 and 4, what the primary sends, and whether it clears its mailbox.

    Turns are so many times longer: a large message takes long to copy.
    """

    name: str
    clients: tuple[Script, Script, Script]
    primary: tuple[bytes, ...] = ()
    clears: bool = True
    longer: int = 1


QUIET = writer()
FRIENDS = Neighbours(
    "neighbours that keep to the rules",
    (writer(b"32hello", b"02hello", b"52hello", b"9"), writer(b"23hi", b"03hi"), writer(b"24hi")),
    (b"20news",),
)
CARELESS = Neighbours("a neighbour that mistypes", (writer(b"x2hello", b"3"), QUIET, writer(b":4hi", b"94hi")))
HOSTILE = (
    Neighbours("VM 3, which forges the header", (QUIET, writer(b"20open", b"21denied", b"2?open"), QUIET)),
    Neighbours("VM 3, which floods the router", (writer(b"32hello", b"52hello"), flooder(1, b"23a", b"23b"), QUIET)),
    Neighbours("VM 3, which never reads", (writer(b"32one", b"32two", b"02three"), deaf, QUIET)),
    Neighbours("VM 4, which floods the router and never reads", (writer(b"32hello"), QUIET, flooder(1, b"24x"))),
    Neighbours("messages of 0, 1 and 2 bytes", (writer(b"", b"32"), writer(b"23", b""), writer(b"4"))),
    Neighbours("messages of 4096 bytes", (QUIET, QUIET, QUIET), (b"20" + b"x" * 4094, b"\xff" * 4096) * 2, longer=20),
    Neighbours("unknown destinations", (writer(b"12", b"22"), writer(b"92", b"/2", b":2"), writer(b"54", b"\xb24"))),
    Neighbours("VM 4, which floods VM 2 past the router", (QUIET, writer(b"23one", b"23two"), flooder(2, b"21x"))),
    Neighbours(
        "a primary that sends and never reads", (writer(b"02a", b"02b"), QUIET, QUIET), (b"20a", b"10b") * 9, False
    ),
)
TRAPS_AT_MOST = 4000
LAST_TURNS, LAST_TURNS_IN_C = 60, 300
CANDIDATES = 3
"""So many neighbours that a router fails with are looked at for the shortest run."""
TIMERS, TIMERS_IN_C = (5, 7, 4, 9, 3), (61, 37, 89, 23)
"""After how many instructions a turn ends at most; a scripted guest's step counts as one."""


class Flaw(NamedTuple):
    """What is wrong with a router: a sentence, and the event that shows it."""

    sentence: str
    event: int


class Trial(NamedTuple):
    """One machine: a router, its neighbours, whose turn it is, and after how many instructions a turn ends at most."""

    router: Image
    neighbours: Neighbours
    turns: tuple[int, ...]
    timer: int

    def machine(self) -> Machine:
        """Ready to be switched on. After the turns only the router runs, until it waits."""

        def primary() -> Any:
            yield configure()
            for number, vm in enumerate(self.turns):
                if number % 4 == 3 and number // 4 < len(self.neighbours.primary):
                    yield send(ROUTER, self.neighbours.primary[number // 4])
                yield vcpu_run(vm)
                if self.neighbours.clears:
                    yield clear()
            for _ in range(LAST_TURNS_IN_C if isinstance(self.router, bytes) else LAST_TURNS):
                result = yield vcpu_run(ROUTER)
                if self.neighbours.clears:
                    yield clear()
                if result.code == HfVcpuRun.WAIT_FOR_INTERRUPT:
                    return

        disk = RamDisk(primary, [self.router, *self.neighbours.clients])
        timer = self.timer * self.neighbours.longer
        return Machine(disk, timer=timer, max_traps=TRAPS_AT_MOST, title=f"Router: {self.neighbours.name}")

    def run(self) -> Run:
        """The whole run."""
        machine = self.machine()
        machine.run()
        return so_far(machine)

    def flaw(self) -> Flaw | None:
        """What is wrong with the router in this run. What it raises before it has received anything goes through."""
        machine = self.machine()
        try:
            machine.run()
        except Exception as error:
            run = so_far(machine)
            came = list(arrivals(run))
            if not came or not calls(run, ROUTER, HF_MAILBOX_RECEIVE):
                raise
            event, sender = came[-1]
            had = f"VM {sender} sent {shown(event.message or b'')} (event {event.seq})"
            what = f"{type(error).__name__}: {error}"
            return Flaw(f"{had}, and your router raised {what}. A client has stopped it.", len(run.events) - 1)
        return audit(so_far(machine))

    def until(self, flaw: Flaw) -> Run:
        """The run up to the event that shows what is wrong."""
        return until(self.machine(), flaw.event, flaw.sentence)

    def shortened(self) -> "Trial":
        """A failure, this or another one, with no turn too many: it leaves out halves, quarters, and so on to one."""
        trial, size = self, len(self.turns)
        while size:
            for begin in range(0, len(trial.turns), size):
                fewer = trial._replace(turns=trial.turns[:begin] + trial.turns[begin + size :])
                if fewer.flaw():
                    trial = fewer
                    break
            else:
                size //= 2
        return trial


# The audit of a run.


def arrivals(run: Run) -> Iterator[tuple[Event, int]]:
    """The messages that the router's mailbox took, and who sent each."""
    for event in run.events:
        if event.kind is Kind.DELIVER and event.target == Actor(ROUTER) and event.cause is not None:
            yield event, (event.actor or Actor(0)).vm


def attempts(run: Run) -> Iterator[tuple[Event, bytes | None]]:
    """The router's sends, and the bytes that each delivered, None if it was refused."""
    messages = {event.cause: event.message for event in run.events if event.kind is Kind.DELIVER}
    for event in calls(run, ROUTER, HF_MAILBOX_SEND):
        yield event, messages.get(event.seq)


def audit(run: Run) -> Flaw | None:
    """Compare all that the router sent with the specification: the first difference."""
    end = len(run.events) - 1
    if not any(gave(run, event) == 0 for event in calls(run, ROUTER, HF_VM_CONFIGURE)):
        return Flaw("Your router has not configured its pages, so nothing can be sent to it.", end)
    sent = attempts(run)
    for event, sender in arrivals(run):
        had = f"VM {sender} sent {shown(event.message or b'')} (event {event.seq})"
        for wanted in reactions(sender, event.message or b""):
            attempt, data = next(sent, (None, None))
            if attempt is None:
                return Flaw(
                    f"{had}, and your router never sent {shown(wanted.data)} because of it: {ending(run)}.", end
                )
            difference = compare(wanted, attempt, data)
            if difference:
                should = f"{had}, so your router must send {shown(wanted.data)} to VM {wanted.sender}"
                return Flaw(f"{should}. In event {attempt.seq} it sends {difference}.", attempt.seq)
            if data is not None:
                break
            had += f", in event {run.settled(attempt).seq} your router's send was refused ({why_refused(run, attempt)})"
    extra, _ = next(sent, (None, None))
    if extra is not None:
        return Flaw(
            f"Event {extra.seq}: your router sends to VM {extra.args[0]} once more. All that came is dealt with: "
            "what was refused is tried once, and then never again.",
            extra.seq,
        )
    if ending(run) != WAITS_FOR_THE_NEXT:
        return Flaw(f"All that came is dealt with, but {ending(run)}. Nobody can send to it any more.", end)
    return None


def why_refused(run: Run, attempt: Event) -> str:
    """Why the hypervisor did not take a send of a right size from the router."""
    to = attempt.args[0]
    if f"vm{to}.mailbox.state" not in run.at(attempt.seq):
        return f"there is no VM {to}"
    if not any(gave(run, event) == 0 and event.seq < attempt.seq for event in calls(run, to, HF_VM_CONFIGURE)):
        return f"VM {to} has not configured its pages"
    return f"VM {to}'s mailbox is full"


def compare(wanted: Message, attempt: Event, data: bytes | None) -> str | None:
    """What else one send of the router is than the specification wants; `data` is None for one that was refused."""
    to, size = attempt.args[:2]
    if to != wanted.sender:
        return f"to VM {to}"
    if data is None:
        return counted(size, "byte") if size != len(wanted.data) else None
    if data == wanted.data:
        return None
    if data[:1] + data[2:] == wanted.data[:1] + wanted.data[2:]:
        answer = wanted.data[1:2] == str(ROUTER).encode()
        says = "an answer comes from 1" if answer else "byte 1 says who really sent it, not who the frame says it was"
        return f"{shown(data)}: {says}"
    return shown(data)


WAITS_FOR_THE_NEXT = "it waits for the next message"


def ending(run: Run) -> str:
    """What the router was doing at the end."""
    state = run.at(len(run.events) - 1)
    if run.outcome.kind == "hang":
        return "it touched memory that is not its own"
    if run.outcome.kind != "power off" or state[f"vm{ROUTER}.vcpu0.state"] in ("READY", "RUNNING"):
        return "it is busy with something that has no end"
    if any(event.kind is Kind.WFI and event.actor == Actor(ROUTER, 0) for event in run.events):
        return "it has come to its end"
    if state[f"vm{ROUTER}.mailbox.state"] != MailboxState.EMPTY.name:
        return "it has not cleared its mailbox"
    return WAITS_FOR_THE_NEXT


def survives(router: Image, neighbours: Sequence[Neighbours], orders: int, timers: Sequence[int]) -> Run:
    """Try a router with these neighbours in several orders. `Wrong` with a run that fails, no turn of it too many."""
    for order in range(orders):
        turns = tuple(random.Random(order).choices((1, 2, 3, 4), (3, 1, 1, 1), k=8 + 6 * order))
        trials = (Trial(router, beside, turns, timers[order % len(timers)]) for beside in neighbours)
        failing = list(islice((trial for trial in trials if trial.flaw()), CANDIDATES))
        if failing:
            trial = min((trial.shortened() for trial in failing), key=lambda trial: len(trial.turns))
            flaw = trial.flaw()
            assert flaw is not None
            when = ", ".join(f"VM {vm}" for vm in trial.turns) or "none but the router's"
            sentence = f"With {trial.neighbours.name}: {flaw.sentence} The turns that it takes: {when}."
            raise Wrong(sentence, trial.until(flaw))
    return Trial(router, neighbours[0], (2, 3, 4, 1, 2, 3, 1, 2, 4, 1), timers[0]).run()


def attack(router: Script) -> Verdict:
    """What `check("14-survive", router)` says, about a router that is not your answer: it is not noted."""
    return judge(exercise_named("14-survive"), router)


# Predictions.


def straight() -> Run:
    """VM 3 sends to VM 2 past the router."""

    def primary() -> Any:
        yield configure()
        yield vcpu_run(2)
        yield vcpu_run(3)
        yield vcpu_run(2)

    def receiver() -> Any:
        yield configure()
        yield receive(block=True)

    def stranger() -> Any:
        yield configure()
        yield send(2, "20open")

    return boot_scripts(primary, [QUIET, receiver, stranger], "Past the router")


def stubborn() -> Run:
    """A router that tries until its send is taken, and a VM 3 that never reads."""

    def primary() -> Any:
        yield configure()
        for vm in (1, 3):
            yield vcpu_run(vm)
        for text in ("30one", "30two"):
            yield send(ROUTER, text)
            yield vcpu_run(ROUTER)
            yield vcpu_run(ROUTER)

    def router() -> Any:
        yield configure()
        while True:
            message = yield receive(block=True)
            yield clear()
            while (yield send(3, message.data)) == -1:
                pass

    return boot_scripts(primary, [router, QUIET, deaf], "A router that insists")


def who_sent(run: Run, event: Event) -> str:
    """What the result of VM 2's receive says about the sender."""
    return f"VM {hf_mailbox_receive_return(event.result or 0).vm_id}"


def comes_back(number: int) -> Callable[[Run], Event]:
    """Finds the switch with which a HF_VCPU_RUN of VM 0 returns, by its number from 0; else the end of the run."""
    find = call_of(0, HF_VCPU_RUN, number)
    return lambda run: run.returned(find(run)) or last_event(run)


def came_back(run: Run, event: Event) -> str:
    """Whether a HF_VCPU_RUN returns."""
    return "it never returns" if event.kind is Kind.END else f"it returns {run_result(run, event).split('(')[0]}"


PREDICTIONS = (
    Prediction(
        "14-past-the-router",
        "VM 3 may not write to VM 2, says the router's table. VM 3 sends “20open” to VM 2 itself, not to the router.",
        straight,
        (
            Question(
                "Does VM 2 get the message?",
                ("no, its send gives -1", "yes"),
                changed_at(call_of(3, HF_MAILBOX_SEND, 0), "vm2.mailbox.state"),
                lambda _, event: "yes" if event.kind is Kind.DELIVER else "no, its send gives -1",
                "Since the commit of this course any VM may send to any VM. The table is the router's, and the "
                "hypervisor has never heard of it.",
            ),
            Question(
                "Who has sent it, says the hypervisor to VM 2?",
                ("VM 0", "VM 1", "VM 3"),
                returned_at(call_of(2, HF_MAILBOX_RECEIVE, 0)),
                who_sent,
                "The result of receive names VM 3, whatever stands in the message. So a client drops all that does not "
                "come from VM 1: that is what makes the router's table count.",
            ),
        ),
    ),
    Prediction(
        "14-insist",
        "A router tries to send until it is taken. VM 3 never reads. VM 0 sends “30one” and then “30two”, and runs the "
        "router after each. There is no timer.",
        stubborn,
        (
            Question(
                "VM 0 runs the router with “30one”. What does HF_VCPU_RUN do?",
                ("it never returns", "it returns WAKE_UP"),
                comes_back(2),
                came_back,
                "VM 3's mailbox was empty, so the send succeeds, and the CPU goes back to VM 0.",
            ),
            Question(
                "And with “30two”?",
                ("it never returns", "it returns WAKE_UP"),
                comes_back(4),
                came_back,
                "VM 3's mailbox is full for ever. A send that is refused keeps the CPU, so one client that does not "
                "read has stopped the router, and with it everybody.",
            ),
        ),
    ),
)


# The stages.


def given_by(answer: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the learner gives. `Wrong` if it raises: a client must not be able to stop the router."""
    try:
        return answer(*arguments)
    except Exception as error:
        given = ", ".join(map(repr, arguments))
        raise Wrong(
            f"answer({given}) raised {type(error).__name__}: {error}. Any client can make this happen, and your router "
            "would stop."
        ) from None


def judge_parse(answer: Callable[[bytes], Any]) -> None:
    """Frames and what is none."""
    for data in (b"32hello", b"00", b"93" + b"x" * 4094, b"30hello", b"3\xffhello", b"30 \0\n", b"", b"3", b"x2hello",
                 b"/2", b":2", b"\xb22", b"-2", b" 2"):  # fmt: skip
        right = (int(data[:1]), data[2:]) if len(data) >= 2 and data[:1].isdigit() else None
        got = given_by(answer, data)
        if got != right:
            raise Wrong(f"For {data[:12]!r} your function gave {str(got)[:60]}, and it should give {str(right)[:60]}.")


def judge_policy(answer: Callable[[int, int], Any]) -> None:
    """Every sender and every destination."""
    for sender in range(17):
        for to in range(10):
            right = to in POLICY.get(sender, ())
            if bool(given_by(answer, sender, to)) is not right:
                says = "may write to" if right else "may not write to"
                why = "the table says so" if right else "what is not in the table is denied"
                raise Wrong(f"VM {sender} {says} VM {to}: {why}. Your function says else.")


def judge_route(answer: Script) -> Run:
    """A router among friends."""
    return survives(answer, (FRIENDS, CARELESS), 9, TIMERS)


def judge_survive(answer: Script) -> Run:
    """A router among enemies."""
    return survives(answer, (FRIENDS, *HOSTILE), 9, TIMERS)


def judge_in_c(answer: str) -> Run:
    """A router of machine code, interrupted anywhere."""
    image = compiled(compile_c, answer)
    return survives(image, (FRIENDS, *HOSTILE), 7, TIMERS_IN_C)


FUNCTION = "a function"
IN_C = """static const u16 may[16] = {[0] = 1 << 2 | 1 << 3, [2] = 1 << 0 | 1 << 3 | 1 << 5, [3] = 1 << 2};

static void answer(u64 sender, const char *word)
{
    u64 size = 2;

    send_page[0] = '0' + sender;
    send_page[1] = '1';
    while (*word)
        send_page[size++] = *word++;
    hvc(HF_MAILBOX_SEND, sender, size, 0);
}

void guest_main(void)
{
    configure();
    for (;;) {
        u64 got = hvc(HF_MAILBOX_RECEIVE, 1, 0, 0);
        u64 sender = got & 0xffff, size = got >> 32, to = recv_page[0] - '0';

        copy(send_page, recv_page, size);
        hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
        if (size < 2 || to > 9) {
            answer(sender, "malformed");
        } else if (!(may[sender] >> to & 1)) {
            answer(sender, "denied");
        } else {
            send_page[1] = '0' + sender;
            if (hvc(HF_MAILBOX_SEND, to, size, 0) == (u64)-1)
                answer(sender, "undelivered");
        }
    }
}
"""


# 14-parse


def solve_parse(data):
    if len(data) < 2 or not data[:1].isdigit():
        return None
    return int(data[:1]), data[2:]


def parse_does_not_look_at_the_size(data):
    if not data[:1].isdigit():
        return None
    return int(data[:1]), data[2:]


def parse_takes_data_0_as_it_comes(data):
    return data[0] - 48, data[2:]


def parse_an_empty_payload_is_malformed(data):
    if len(data) < 3 or not data[:1].isdigit():
        return None
    return int(data[:1]), data[2:]


def parse_keeps_the_header(data):
    if len(data) < 2 or not data[:1].isdigit():
        return None
    return int(data[:1]), data


def parse_to_is_text(data):
    if len(data) < 2 or not data[:1].isdigit():
        return None
    return data[:1].decode(), data[2:]


# 14-policy


def solve_policy(sender, to):
    return to in POLICY.get(sender, ())


def policy_both_directions(sender, to):
    return to in POLICY.get(sender, ()) or sender in POLICY.get(to, ())


def policy_a_sender_that_it_does_not_know(sender, to):
    return to in POLICY[sender]


def policy_allowed_unless_denied(sender, to):
    return to in POLICY.get(sender, range(10))


# 14-route


def solve_route():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def route_says_nothing_when_it_denies():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            continue
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def route_never_clears():
    yield configure()
    while True:
        message = yield receive(block=True)
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def route_forgets_the_table():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif False:
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def route_says_nothing_when_it_is_refused():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            continue
        yield send(sender, f"{sender}1{word}")


# 14-survive


def survive_believes_the_header():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def survive_answers_in_the_name_of_the_primary():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}0{word}")


def survive_tries_until_it_is_taken():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            while (yield send(int(data[:1]), frame)) == -1:
                pass
            continue
        yield send(sender, f"{sender}1{word}")


def survive_tries_to_answer_until_it_is_taken():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        while (yield send(sender, f"{sender}1{word}")) == -1:
            pass


def survive_answers_who_the_header_names():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        origin = data[1:2]
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        back = int(origin) if origin.isdigit() else sender
        yield send(back, f"{sender}1{word}")


def survive_ends_at_an_empty_message():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        sender, data = message
        if not data:
            return
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")


def survive_clears_at_the_end_of_the_loop():
    yield configure()
    while True:
        message = yield receive(block=True)
        sender, data = message
        if len(data) < 2 or not data[:1].isdigit():
            word = "malformed"
        elif int(data[:1]) not in POLICY.get(sender, ()):
            word = "denied"
        else:
            frame = data[:1] + str(sender).encode() + data[2:]
            if (yield send(int(data[:1]), frame)) != -1:
                continue
            word = "undelivered"
        yield send(sender, f"{sender}1{word}")
        yield clear()


EXERCISES = (
    Exercise(
        id="14-parse",
        task="a function that takes a message apart: (to, payload), or None if it is malformed.",
        wants=FUNCTION,
        takes=forms.function,
        judge=judge_parse,
        learned="what a client writes is checked before it is used, byte for byte.",
        hints=(
            "Two things make a message malformed: it is too short, or its first byte is no digit. Check them first.",
            "data[:1] is a bytes of length 0 or 1, data[:1].isdigit() is true for “0” to “9” only.",
            "if len(data) < 2 or not data[:1].isdigit(): return None. Else return int(data[:1]), data[2:].",
        ),
        solution=solve_parse,
        wrong={
            "does not look at the size": (parse_does_not_look_at_the_size, "For b'3' your function gave"),
            "takes data[0] as it comes": (parse_takes_data_0_as_it_comes, "raised IndexError"),
            "an empty payload is malformed": (parse_an_empty_payload_is_malformed, "For b'00' your function gave None"),
            "keeps the header": (parse_keeps_the_header, "For b'32hello' your function gave"),
            "to is text": (parse_to_is_text, "it should give (3, b'hello')"),
        },
    ),
    Exercise(
        id="14-policy",
        task="a function of sender and destination: whether the table allows it.",
        wants=FUNCTION,
        takes=forms.function,
        judge=judge_policy,
        learned="deny by default: what is not in the table is refused, also for who is not in it.",
        hints=(
            "The table maps a sender to the set of VMs that it may write to.",
            "What is not in the table is denied, also a sender that is not in it.",
            "return to in POLICY.get(sender, ())",
        ),
        solution=solve_policy,
        wrong={
            "both directions": (policy_both_directions, "VM 3 may not write to VM 0"),
            "a sender that it does not know": (policy_a_sender_that_it_does_not_know, "raised KeyError"),
            "allowed unless denied": (policy_allowed_unless_denied, "VM 1 may not write to VM 0"),
        },
    ),
    Exercise(
        id="14-route",
        task="the router, as a guest, among neighbours that keep to the rules.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_route,
        learned="a router writes the sender that the hypervisor names, whatever the frame says.",
        hints=(
            "The loop of every service: receive, clear, decide, send. Your two functions decide.",
            "`yield send(...)` gives -1 if it was refused. Only then comes the answer “undelivered”.",
            'An answer is a frame too: to the sender, from 1: yield send(sender, f"{sender}1denied").',
        ),
        solution=solve_route,
        wrong={
            "says nothing when it denies": (route_says_nothing_when_it_denies, "“41denied”"),
            "never clears": (route_never_clears, "has not cleared its mailbox"),
            "forgets the table": (route_forgets_the_table, "sends to VM"),
            "says nothing when it is refused": (route_says_nothing_when_it_is_refused, "undelivered”"),
        },
    ),
    Exercise(
        id="14-survive",
        task="the router, as a guest, among hostile neighbours.",
        wants=GUEST,
        takes=forms.guest,
        judge=judge_survive,
        learned="a service that tries once, keeps nothing and trusts nothing that is written cannot be stopped by a "
        "client.",
        hints=(
            "Take the run that check shows and ask: what did the client do that you did not think of?",
            "Byte 1 is written by you, from message.sender. Nothing is tried twice. Nothing is raised.",
            "Forward data[:1] + str(sender).encode() + data[2:], once; if that gives -1, send the answer, once.",
        ),
        solution=solve_route,
        wrong={
            "believes the header": (survive_believes_the_header, "byte 1 says who really sent it"),
            "answers in the name of the primary": (
                survive_answers_in_the_name_of_the_primary,
                "an answer comes from 1",
            ),
            "tries until it is taken": (survive_tries_until_it_is_taken, "was refused"),
            "tries to answer until it is taken": (survive_tries_to_answer_until_it_is_taken, "once more"),
            "answers who the header names": (survive_answers_who_the_header_names, "In event"),
            "ends at an empty message": (survive_ends_at_an_empty_message, "it has come to its end"),
            "clears at the end of the loop": (survive_clears_at_the_end_of_the_loop, "has not cleared its mailbox"),
        },
    ),
    Exercise(
        id="14-in-c",
        task="the same router in C.",
        wants=C_SOURCE,
        takes=forms.source_text,
        judge=judge_in_c,
        learned="between any two instructions the timer may come: clear only what is copied.",
        hints=(
            "guest.h has configure(), hvc(), copy(), send_page and recv_page. A set of VMs is a u16, a bit for each.",
            "You may be interrupted between any two instructions: after the clear recv_page is no longer yours.",
            "Copy the whole message into send_page first, then clear, then look at send_page only.",
        ),
        solution=IN_C,
        wrong={
            "clears before it copies": (
                IN_C.replace("        copy(send_page, recv_page, size);\n", "").replace(
                    "CLEAR, 0, 0, 0);\n", "CLEAR, 0, 0, 0);\n        copy(send_page, recv_page, size);\n"
                ),
                "so your router must send",
            ),
            "believes the header": (IN_C.replace("send_page[1] = '0' + sender;", ""), "byte 1"),
            "does not look at the size": (IN_C.replace("size < 2 || ", ""), "malformed”"),
            "a size of 8 bits": (
                IN_C.replace("size = got >> 32", "size = (u8)(got >> 32)"),
                "so your router must send",
            ),
            "forgets a declaration": (IN_C.replace("u64 size = 2;", ""), "does not compile, line"),
        },
    ),
)

LEARN = "how to build a message router with access control that survives hostile neighbours"
TERMS = {
    "frame": "A message in the form that a protocol prescribes: a header that says where it goes, and the payload.",
    "payload": "The part of a message that the one who passes it on does not look at.",
    "deny by default": "What no rule allows is refused.",
    "at most once": "A message is delivered one time or not at all, and never twice.",
}
