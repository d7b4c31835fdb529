"""Answers of all kinds: right ones that are written otherwise, and wrong ones that look right in the first run."""

import itertools
import struct
from collections import defaultdict, namedtuple

import pytest

import hfedu
from hfedu import Secondary, clear, configure, hvc, load, print_line, receive, send, vcpu_count, vcpu_run, vm_count
from hfedu.course.answers import shown_source
from hfedu.course.exercises import exercises, judge
from hfedu.guest.ffa import ffa_msg_send2, ffa_msg_wait, ffa_rx_release, ffa_rxtx_map
from hfedu.hf.cpu import VcpuState
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.vm import MailboxState
from hfedu.history.abi import HF_INTERRUPT_INJECT
from hfedu.history.ffa import FfaMemory

pytestmark = pytest.mark.slow
RELAY = hfedu.asset("relay.bin")
RIGHT: list[tuple[str, object]] = []
WRONG: list[tuple[str, object, str]] = []


def right(exercise_id):
    """A right answer, written in another way than the solution."""

    def note(answer):
        RIGHT.append((exercise_id, answer))
        return answer

    return note


def wrong(exercise_id, sentence):
    """A wrong answer that looks right, and a piece of what it is told."""

    def note(answer):
        WRONG.append((exercise_id, answer, sentence))
        return answer

    return note


# 00 to 02

right("00-four-mailboxes")((RELAY,) * 3)
right("00-four-mailboxes")([Secondary(RELAY), RELAY.read_bytes(), RELAY])


@right("01-decode-esr")
def named(esr):
    return namedtuple("Syndrome", "ec il iss")(esr >> 26, bool(esr & 1 << 25), esr % (1 << 25))


@wrong("01-decode-esr", "EC is 0x24")
def ec_of_five_bits(esr):
    return esr >> 26 & 31, esr >> 25 & 1, esr & 0x1FFFFFF


@wrong("01-decode-esr", "IL 0")
def il_is_always_1(esr):
    return esr >> 26, 1, esr & 0x1FFFFFF


SUM = """
    mov x19, #0
    mov x21, #{rounds}
again:
    mov w0, #0xff01
    hvc #0
    add x19, x19, x0
    sub x21, x21, #1
    cbnz x21, again
    mov x20, x19
    wfi
"""
right("01-sum")(
    "mov w0, #0xff01\n hvc #0\n mov x20, x0\n" + "mov w0, #0xff01\n hvc #0\n add x20, x20, x0\n" * 2 + "wfi"
)
right("01-sum")(SUM.format(rounds=3).replace("x19", "x18").replace("x21", "x30"))
wrong("01-sum", "Times asked: 1")("mov w0, #0xff01\n hvc #0\n add x20, x0, x0, lsl #1\n wfi")
wrong("01-sum", "Times asked: 4")(SUM.format(rounds=4))


@right("01-switch")
def switches_by_a_copy(cpu, leaving, entering):
    saved = dict(cpu)
    cpu.update(entering)
    leaving.update(saved)


@right("01-switch")
def switches_in_place(cpu, leaving, entering):
    leaving |= cpu
    cpu |= entering


@wrong("01-switch", "pc =")
def binds_the_names_anew(cpu, leaving, entering):
    leaving, cpu = dict(cpu), dict(entering)
    return leaving, cpu


def forgets(name, where):
    def switch(cpu, leaving, entering):
        leaving.update({key: value for key, value in cpu.items() if (key, "save") != (name, where)})
        cpu.update({key: value for key, value in entering.items() if (key, "restore") != (name, where)})

    return switch


for register, where in itertools.product(("x7", "x29", "SCTLR_EL1", "VBAR_EL1"), ("save", "restore")):
    wrong("01-switch", f"they do not use {register}. Another guest may, and your switch does not {where} it")(
        forgets(register, where)
    )


@right("02-split")
def divides(ipa):
    return [*(ipa // 512**level // 4096 % 512 for level in (3, 2, 1, 0)), ipa % 4096]


@wrong("02-split", "16383")
def masks_one_index_too_few(ipa):
    return ipa >> 39 & 511, ipa >> 30, ipa >> 21 & 511, ipa >> 12 & 511, ipa & 4095


@wrong("02-faults", "0x4004a000")
def one_page_too_many(vm, address):
    own = {1: 0x40F80000, 2: 0x40F00000}
    if vm == 0:
        return 0x40F00000 <= address < 0x41000000 or 0x40001000 <= address <= 0x4004A000
    return not (own[vm] <= address < own[vm] + 0x80000 or 0x9000000 <= address < 0x9001000)


@wrong("02-faults", "0x9000fff")
def one_register_of_the_uart(vm, address):
    return exercises()["02-faults"].solution(vm, address) or (vm > 0 and 0x9000018 < address < 0x9001000)


# 03


@right("03-each")
def each_the_other_way_round():
    for vm in reversed(range(1, (yield vm_count()))):
        yield vcpu_run(vm, 0)


@wrong("03-each", "a second turn of VM 1")
def each_until_it_waits():
    for vm in range(1, (yield vm_count())):
        for _ in range(3):
            if (yield vcpu_run(vm)).code == 1:
                break


@wrong("03-each", "in vain")
def each_vcpu_that_may_be():
    for vm in range(1, (yield vm_count())):
        for vcpu in range((yield vcpu_count(vm)) + 1):
            yield vcpu_run(vm, vcpu)


@right("03-in-turn")
def in_turn_by_lists():
    ready = [1, 2, 3]
    while ready:
        still = []
        for vm in ready:
            if (yield vcpu_run(vm)).code != 1:
                still.append(vm)
        ready = still


@wrong("03-in-turn", "")
def in_turn_changes_the_list_it_walks():
    ready = [1, 2, 3]
    while ready:
        for vm in ready:
            if (yield vcpu_run(vm)).code == 1:
                ready.remove(vm)


@right("03-stuck")
def names_by_else():
    for vm in range(1, (yield vm_count())):
        for _ in range(20):
            if (yield vcpu_run(vm)).code == 1:
                break
        else:
            yield print_line(f"VM {vm} does not wait")


@wrong("03-stuck", "did not name it")
def says_something_else():
    for vm in range(1, (yield vm_count())):
        for _ in range(20):
            if (yield vcpu_run(vm)).code == 1:
                break
        else:
            yield print_line(f"VM {vm} is fine")


# 04


@right("04-pack")
def packs_bytes(code, vm, data):
    return struct.unpack("<Q", struct.pack("<HHI", code, vm, data))[0]


@wrong("04-pack", "0xffff12340002")
def packs_a_size_only(code, vm, data):
    return code | vm << 16 | (data & 0x1FFF) << 32


AGAIN = shown_source(exercises()["04-again"].solution).removeprefix('answer = """').removesuffix('"""\n')
right("04-again")(AGAIN.replace("cbnz x0, again ", "cmn x0, #1\n    b.eq again "))
wrong("04-again", "never waits")(AGAIN.replace("    wfi", "    b ."))


@right("04-repair")
def in_range(address, memory):
    begin, end = memory
    return 1 if address in range(begin, end - 4095) else 0


@wrong("04-repair", "On another machine")
def knows_the_ram(address, memory):
    return 0x4000_0000 <= address < 0x4100_0000


@right("04-predict")
def says_it_as_the_register_does(send, recv, mapped, configured):
    return exercises()["04-predict"].solution(send, recv, mapped, configured) & 2**64 - 1


@wrong("04-predict", "multiple of 4096")
def trusts_the_receive_page(send, recv, mapped, configured):
    return exercises()["04-predict"].solution(send, recv & ~4095, mapped, configured)


# 05 to 07


@right("05-decode")
def divides_the_result(value):
    size, rest = divmod(value, 1 << 32)
    return hfedu.Message(rest & 0xFFFF, size)


@wrong("05-decode", "belong to neither")
def sender_of_32_bits(value):
    return value & 0xFFFFFFFF, value >> 32


def echo(change=lambda data: data, rounds=None, to=lambda sender: sender, late=False):
    def guest():
        yield configure()
        for _ in itertools.count() if rounds is None else range(rounds):
            message = yield receive(block=True)
            if not late:
                yield clear()
            yield send(to(message.sender), change(message.data))
            if late:
                yield clear()

    return guest


@right("05-echo")
def echo_that_prints():
    while (yield configure()) != 0:
        pass
    while True:
        sender, data = yield receive(block=True)
        yield print_line(f"{len(data)} bytes")
        yield clear()
        yield send(sender, data)


right("05-echo")(echo())
wrong("05-echo", "UnicodeDecodeError")(echo(bytes.decode))
wrong("05-echo", "and got")(echo(bytes.strip))
wrong("05-echo", "(4095 bytes) back")(echo(lambda data: data[:4095]))
wrong("05-echo", "A service needs a loop")(echo(rounds=3))
wrong("05-echo", "One more message it would not take: your script has ended")(echo(rounds=7))
wrong("05-echo", "did not come back to VM 4")(echo(to=lambda sender: min(sender, 3)))
wrong("05-echo", "it answers before it clears")(echo(late=True))


def guard(allowed, late=False):
    def guest():
        yield configure()
        while True:
            message = yield receive(block=True)
            if not late:
                yield clear()
            if allowed(message):
                yield send(0, message.data)
            if late:
                yield clear()

    return guest


right("05-guard")(guard(lambda message: not message.sender))
wrong("05-guard", "VM 4's message was passed on")(guard(lambda message: message.data in (b"open", b"again")))
wrong("05-guard", "did not come back")(guard(lambda message: message.sender == 0 and message.data.isalpha()))
wrong("05-guard", "passed on")(guard(lambda message: message.sender not in (2, 3)))
wrong("05-guard", "it answers before it clears")(guard(lambda message: message.sender == 0, late=True))


@wrong("06-decode-run", "belong to none of the three")
def code_of_16_bits(value):
    return value & 0xFFFF, value >> 16 & 0xFFFF, value >> 32


@wrong("06-decode-run", "(254)")
def code_of_2_bits(value):
    return value & 3, value >> 16 & 0xFFFF, value >> 32


@right("06-loop")
def follows_the_wake_ups():
    yield configure()
    for vm in range(1, (yield vm_count())):
        yield vcpu_run(vm)
    yield send(1, b"go")
    result = yield vcpu_run(1)
    while result.code == 2:
        result = yield vcpu_run(result.vm_id)
    yield load(0x4008_5000, 2)
    yield clear()


@wrong("06-loop", "so run its vCPU 0")
def takes_0xffff_for_a_vcpu():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    result = yield vcpu_run(1)
    while result.code == 2:
        result = yield vcpu_run(result.vm_id, result.data)
    yield clear()


@wrong("06-loop", "the message is back since event")
def runs_both_again_and_again():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    for vm in (1, 2) * 6:
        yield vcpu_run(vm)
    yield clear()


@wrong("06-loop", "sends once more")
def says_go_twice():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    yield send(1, "go")
    vm = 1
    while (result := (yield vcpu_run(vm))).code == 2:
        vm = result.vm_id
    yield clear()


@right("06-loop")
def says_go_until_it_is_taken():
    yield configure()
    yield vcpu_run(2)
    while (yield send(1, "go")) == -1:
        yield vcpu_run(1)
    vm = 1
    while (result := (yield vcpu_run(vm))).code == 2:
        vm = result.vm_id
    yield clear()


@wrong("06-loop", "run the VM that it names")
def takes_the_vcpu_for_the_vm():
    yield configure()
    for vm in (1, 2):
        yield vcpu_run(vm)
    yield send(1, "go")
    result = yield vcpu_run(1)
    while result.code == 2:
        result = yield vcpu_run(result.data + 1)
    yield clear()


@right("06-patient")
def looks_and_then_waits():
    yield configure()
    message = yield receive(block=False)
    if message is None:
        message = yield receive(block=True)
    yield send(message.sender, b"awake")
    yield clear()


@right("07-second-send")
def tries_and_runs():
    yield configure()
    yield vcpu_run(1)
    for text in (b"one", b"two", b"three"):
        while (yield send(1, text)) == -1:
            yield vcpu_run(1)


@right("07-collector")
def clears_what_is_not_there():
    yield configure()
    for vm in (2, 1):
        yield vcpu_run(vm)
        yield clear()
        yield clear()


@wrong("07-collector", "clear the second one too")
def clears_too_early():
    yield configure()
    for vm in (1, 2):
        yield clear()
        yield vcpu_run(vm)


# 08 to 12

right("08-route")(bytearray([2, 1, 2, 0]) + b"hi")
wrong("08-route", "")(b"2120hi")
wrong("08-route", "send to VM 3 was refused: there is no such VM. The")(bytes([2, 1, 2, 3, 0]) + b"hi")


def service(asked, rounds=None):
    def guest():
        yield configure()
        for _ in itertools.count() if rounds is None else range(rounds):
            message = yield receive(block=True)
            yield clear()
            if asked(message):
                yield send(2, "ok")

    return guest


right("08-service")(service(lambda message: message.sender in {2}))
wrong("08-service", "because of it")(service(lambda message: True))
wrong("08-service", "because of it")(service(lambda message: message.sender == 2 or b"2" in message.data))
wrong("08-service", "VM 5 had written")(service(lambda message: message.sender not in (0, 3, 4)))
wrong("08-service", "a message of no bytes and got no answer")(
    service(lambda message: message.sender == 2 and message.data)
)
wrong("08-service", "your script has ended")(service(lambda message: message.sender == 2, rounds=12))


@wrong("08-service", "got an answer")
def denies_who_lies():
    yield configure()
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender != 3:
            yield send(message.sender, "ok")


@right("08-broker")
def keeps_a_table():
    yield configure()
    askers, number = {}, 0
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(askers.pop(message.data[0]), message.data[1:])
        else:
            number = (number + 1) % 256
            askers[number] = message.sender
            yield send(2, bytes([number]) + message.data)


@wrong("08-broker", "Your broker keeps a question back")
def asks_one_at_a_time():
    yield configure()
    waiting, client = [], None
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(client, message.data[1:])
            client = None
        else:
            waiting.append(message)
        if client is None and waiting:
            client, question = waiting.pop(0)
            yield send(2, b"?" + question)


@wrong("08-broker", "")
def takes_all_answers_in_order():
    yield configure()
    askers = []
    while True:
        message = yield receive(block=True)
        yield clear()
        if message.sender == 2:
            yield send(askers.pop(0), message.data[1:])
        else:
            askers.append(message.sender)
            yield send(2, b"7" + message.data)


@right("09-who-to-whom")
def by_bits(sender, receiver):
    return [bool(sender) ^ bool(receiver), sender != receiver]


@wrong("09-who-to-whom", "")
def to_itself_before(sender, receiver):
    return 0 in (sender, receiver), sender != receiver


@right("09-translate")
def keeps_totals():
    yield configure()
    totals = defaultdict(int)
    while True:
        sender, data = yield receive(block=True)
        yield clear()
        if data == b"total":
            yield send(sender, b"%d" % totals[sender])
        else:
            totals[sender] += int(data)


@wrong("09-translate", "VM 3 has asked for its total")
def knows_two_vms():
    yield configure()
    totals = {0: 0, 2: 0}
    while True:
        sender, data = yield receive(block=True)
        yield clear()
        if sender not in totals:
            continue
        if data == b"total":
            yield send(sender, str(totals[sender]))
        else:
            totals[sender] += int(data)


def tally(text=str, answers=lambda message: message.data == b"total", rounds=None, of_last=False):
    """A tally that sends totals as `text`, to those whose message it `answers`, for some `rounds`, or for ever."""

    def guest():
        yield configure()
        totals = defaultdict(int)
        for _ in itertools.count() if rounds is None else range(rounds):
            message = yield receive(block=True)
            yield clear()
            if message.data != b"total":
                totals[message.sender] = int(message.data) + (0 if of_last else totals[message.sender])
            if answers(message):
                yield send(message.sender, text(totals[message.sender]))

    return guest


right("09-translate")(tally(lambda total: b"%d" % total))
wrong("09-translate", "send the total of all numbers")(tally(of_last=True))
wrong("09-translate", "who sends a number gets no answer")(tally(answers=lambda message: True))
wrong("09-translate", "a total is sent as text, str(total). VM 0 got 03 00")(tally(lambda n: n.to_bytes(8, "little")))
wrong("09-translate", "your script has ended")(tally(rounds=5))
right("09-regression")(("Nested-Locks", echo()))
wrong("09-regression", "")((echo(), "nested-locks"))
right("10-lost-update")("0101")
right("10-meeting")([(0, 1), (65535, 3)])
wrong("10-meeting", "is the result of no order")({(1, 0), (3, 65535)})


@right("10-insist")
def counts_and_insists():
    tries = 0
    while (yield send(1, "two")) == -1:
        tries += 1


@wrong("10-insist", "for as long as it takes")
def insists_a_thousand_times():
    for _ in range(1000):
        if (yield send(1, "two")) != -1:
            return


@right("11-repair")
def takes_all_at_once(vcpu):
    if vcpu.state != VcpuState.READY or vcpu.regs_available is False:
        return None
    vcpu.regs_available, vcpu.state = False, VcpuState.RUNNING
    result, vcpu.forced_retval = vcpu.forced_retval, None
    if result is not None:
        vcpu.regs.set_retval(result)
    return 1


@wrong("11-repair", "Return True then")
def takes_and_says_nothing(vcpu):
    takes_all_at_once(vcpu)


@wrong("11-repair", "That is a result too")
def takes_0_for_none(vcpu):
    if vcpu.state is not VcpuState.READY or not vcpu.regs_available:
        return False
    vcpu.regs_available, vcpu.state = False, VcpuState.RUNNING
    if vcpu.forced_retval:
        vcpu.regs.set_retval(vcpu.forced_retval)
        vcpu.forced_retval = None
    return True


def asks_again(says="hello", runs=True, clears=True):
    """A primary that sends, and runs VM 1 until it has answered."""

    def guest():
        yield send(1, says)
        while (yield clear()) == -1:
            if runs:
                yield vcpu_run(1)

    return guest


right("11-try-again")(asks_again())
wrong("11-try-again", "nobody runs it: vcpu_run(1) does")(asks_again(runs=False))
wrong("11-try-again", "VM 1 sent back “hullo”, not “hello”")(asks_again("hullo"))
wrong("11-try-again", "VM 1 sent back “hello!”, not “hello”")(asks_again("hello!"))
SUSPECTS = exercises()["12-suspects"].solution
right("12-suspects")({**SUSPECTS, "A": "waiters reason"})
right("12-suspects")({**SUSPECTS, "A": ["reason", "waiters"]})
wrong("12-suspects", "A does not break 'messages'")({**SUSPECTS, "A": "waiters, messages"})
wrong("12-suspects", "I is wrong, too")({**SUSPECTS, "I": None})
wrong("12-suspects", "F breaks nothing")({**SUSPECTS, "F": "nothing"})
right("12-sleeper")("WFI-repeats")
wrong("12-sleeper", "brings no-interrupt along")({"wfi-repeats", "no-interrupt"})


@right("12-idempotent")
class LooksBefore(Hypervisor):
    def clear_locked(self, vm):
        before = vm.mailbox.state
        result = yield from super().clear_locked(vm)
        return 0 if before is MailboxState.EMPTY else result


@wrong("12-idempotent", "RECEIVED is not READ")
class SaysAlways0(Hypervisor):
    def clear_locked(self, vm):
        yield from super().clear_locked(vm)
        return 0


@wrong("12-idempotent", "look at the state, not at a result")
class LooksFor1(Hypervisor):
    def clear_locked(self, vm):
        result = yield from super().clear_locked(vm)
        return 0 if result == -1 else result


# 13 to 16


def gives_for_empty(result):
    """A repair that gives this for an empty mailbox."""

    class Repair(Hypervisor):
        def clear_locked(self, vm):
            if vm.mailbox.state is MailboxState.EMPTY:
                return result
            return (yield from super().clear_locked(vm))

    return Repair


right("12-idempotent")(gives_for_empty(False))
wrong("12-idempotent", "its clear gives 1: it must be 0")(gives_for_empty(1))
wrong("12-idempotent", "Your clear_locked gives -1, and a register")(gives_for_empty(-1))
wrong("12-idempotent", "Your clear_locked gives None, and a register")(gives_for_empty(None))
wrong("12-idempotent", "Your clear_locked gives 'EMPTY', and a register")(gives_for_empty("EMPTY"))
wrong("12-idempotent", "its clear still fails")(gives_for_empty((1 << 64) - 1))


def repaired(other):
    """A repair all of whose clears end in `other`."""

    class Repair(Hypervisor):
        def clear_locked(self, vm):
            yield from super().clear_locked(vm)
            return other

    return Repair


wrong("12-idempotent", "RECEIVED is not READ")(repaired(0))
wrong("12-idempotent", "Your clear_locked gives None")(repaired(None))


ECHO = exercises()["13-echo"].solution
wrong("13-echo", "and byte 0 is")(ECHO.replace("lsr  x9, x19, #32", "ubfx x9, x19, #32, #8"))


wrong("13-echo", "Send to the VM that receive named")(ECHO.replace("and  x1, x19, #0xffff", "mov  x1, #0"))
PRIMARY = exercises()["13-primary"].solution
wrong("13-primary", "5 bytes: send the four letters")(
    PRIMARY.replace('"ping", 4', '"ping", 5').replace("1, 4,", "1, 5,")
)
wrong("13-primary", "It got “pong”, 4 bytes: send the four")(PRIMARY.replace('"ping"', '"pong"'))
wrong("13-primary", "nothing: you do not send")(PRIMARY.replace("hvc(HF_MAILBOX_SEND, 1, 4, 0);", ""))
METER = exercises()["13-meter"].solution
wrong("13-meter", "and should get")(METER.replace("u64 total", "u16 total"))


@right("14-parse")
def parses_by_numbers(data):
    return (data[0] - 48, data[2:]) if len(data) >= 2 and 48 <= data[0] <= 57 else None


@wrong("14-parse", "")
def wants_two_digits(data):
    return (data[0] - 48, data[2:]) if data[:2].isdigit() and len(data) >= 2 else None


@wrong("14-route", "so your router must send “41denied” to VM 4")
def takes_a_vm_that_is_not_there_for_a_mistype():
    yield configure()
    while True:
        sender, data = yield receive(block=True)
        yield clear()
        if len(data) < 2 or data[0] not in b"012345":
            yield send(sender, f"{sender}1malformed")
        elif data[0] - 48 not in {0: (2, 3), 2: (0, 3, 5), 3: (2,)}.get(sender, ()):
            yield send(sender, f"{sender}1denied")
        elif (yield send(data[0] - 48, data[:1] + b"%d" % sender + data[2:])) == -1:
            yield send(sender, f"{sender}1undelivered")


@wrong("14-policy", "")
def may_write_to_itself(sender, to):
    return sender == to or exercises()["14-policy"].solution(sender, to)


@right("15-gates")
def by_all(ctl, enabled, priority, mask):
    return all((ctl & 1, not ctl & 2, enabled, mask > priority))


@wrong("15-gates", "With ctl=5")
def reads_the_whole_register(ctl, enabled, priority, mask):
    return ctl == 1 and bool(enabled) and priority < mask


@right("15-beat")
def divides_the_time(cval, now, period):
    return now + period - (now - cval) % period


@wrong("15-beat", "the next beat is 3000")
def rounds_up(cval, now, period):
    return cval + -(-(now - cval) // period) * period


def ffa_echo(rounds=None, late=False, to=lambda sender: sender, only=lambda data: True):
    def guest():
        yield ffa_rxtx_map()
        for _ in itertools.count() if rounds is None else range(rounds):
            message = yield ffa_msg_wait()
            if not late:
                yield ffa_rx_release()
            if only(message.data):
                yield ffa_msg_send2(to(message.sender), message.data)
            if late:
                yield ffa_rx_release()

    return guest


def wakes(times=1, clears=True):
    """A primary that interrupts whom the message has not woken, and runs each so many times."""

    def guest():
        yield configure()
        for vm in (1, 2):
            yield vcpu_run(vm)
        for vm in (1, 2):
            if (yield send(vm, "news")) == 0xFFFF:
                yield hvc(HF_INTERRUPT_INJECT, vm, 0, 5)
            for _ in range(times):
                yield vcpu_run(vm)
            if clears:
                yield clear()

    return guest


right("15-wake")(wakes(times=2))
right("15-wake")(wakes(times=5))
wrong("15-wake", "VM 2 has read, and its answer was refused")(wakes(clears=False))


@wrong("16-echo", "“one”, once more: each message comes back once")
def answers_twice():
    yield ffa_rxtx_map()
    while True:
        message = yield ffa_msg_wait()
        yield ffa_rx_release()
        for _ in range(2):
            yield ffa_msg_send2(message.sender, message.data)


right("16-echo")(ffa_echo())
wrong("16-echo", "only after its answer")(ffa_echo(late=True))
wrong("16-echo", "A service needs a loop")(ffa_echo(rounds=3))
wrong("16-echo", "One more message it would not take")(ffa_echo(rounds=6))
wrong("16-echo", "did not come back to VM 3")(ffa_echo(to=lambda sender: min(sender, 2)))
wrong("16-echo", "a message of no bytes and it did not come back")(ffa_echo(only=bool))
right("16-writers")(lambda how, taken: [0] * (how == "share") + [1] * taken)
wrong("16-writers", "not the numbers of VMs")(lambda how, taken: (how == "share", taken))
wrong("16-writers", "nobody can write")(lambda how, taken: {0} if not taken else {0, 1} if how == "share" else {1})


@right("16-reclaim")
class OnlyTheOwnerWrites(FfaMemory):
    def may_reclaim(self, held):
        return held.writers <= {held.owner}


@wrong("16-reclaim", "This page is shared")
class NobodyWrites(FfaMemory):
    def may_reclaim(self, held):
        return not held.writers


@wrong("16-reclaim", "can both write page 0")
class FewWriters(FfaMemory):
    def may_reclaim(self, held):
        return len(held.writers) < 2


@right("03-each")
def a_row_of_actions():
    yield from [vcpu_run(vm) for vm in range(1, (yield vm_count()))]


@wrong("06-patient", "Your guest sent “awake” to VM 0 and “awake” to VM 0")
def answers_the_primary_too():
    yield configure()
    message = yield receive(block=True)
    yield clear()
    yield send(message.sender, "awake")
    yield send(0, "awake")


@right("06-patient")
def answers_again_and_again():
    yield configure()
    while True:
        message = (yield receive(block=False)) or (yield receive(block=True))
        yield clear()
        yield send(message.sender, b"awake")


@wrong("14-parse", "it should give (3, b' ")
def strips_what_is_not_seen(data):
    return (int(data[:1]), data[2:].strip()) if len(data) >= 2 and data[:1].isdigit() else None


@wrong("15-beat", "interrupts again at once")
def rounds_half_to_even(cval, now, period):
    return cval + round((now - cval) / period + 0.5) * period


@right("15-beat")
def counts_on(cval, now, period):
    return next(beat for beat in itertools.count(cval, period) if beat > now)


@right("02-decode")
def by_the_last_two_bits(descriptor, level):
    ends = level in (0, 3)
    kind = ("fault", "fault" if ends else "block", "fault", "page" if level == 3 else "table")[descriptor % 4]
    return [kind, None if kind == "fault" else descriptor % 2**48 // 4096 * 4096]


@wrong("02-decode", "it is a page at 0x9000000")
def keeps_the_bits_above(descriptor, level):
    if descriptor & 1 == 0 or (descriptor & 3 == 1 and level in (0, 3)):
        return "fault", None
    return "page" if level == 3 else ("table" if descriptor & 2 else "block"), descriptor & ~0xFFF


@right("03-in-turn")
def with_a_set_of_flags():
    goes_on = dict.fromkeys((1, 2, 3), True)
    while any(goes_on.values()):
        for vm in (vm for vm in (1, 2, 3) if goes_on[vm]):
            goes_on[vm] = (yield vcpu_run(vm)).code != 1


@wrong("03-in-turn", "was READY and waited while")
def changes_the_list_it_goes_through():
    ready = [1, 2, 3]
    while ready:
        for vm in ready:
            if (yield vcpu_run(vm)).code == 1:
                ready.remove(vm)


@wrong("03-stuck", "begins turn 21 of VM 1")
def counts_one_too_far():
    for vm in range(1, (yield vm_count())):
        turns = 0
        while (yield vcpu_run(vm)).code != 1 and turns < 20:
            turns += 1
        if turns == 20:
            yield print_line(f"VM {vm} does not wait")


right("16-pair")(lambda sender, receiver: int.from_bytes(struct.pack(">HH", sender, receiver), "big"))
wrong("16-pair", "it is 0xffff")(lambda sender, receiver: sender << 16 | receiver & 0xFF)


def named_after(case):
    name = getattr(case[1], "__qualname__", "a value").split(".")[0]
    return f"{case[0]}: {name}"


@pytest.mark.parametrize(("exercise_id", "answer"), RIGHT, ids=map(named_after, RIGHT))
def test_a_right_answer_that_is_written_otherwise_is_right(exercise_id, answer):
    verdict = judge(exercises()[exercise_id], answer)
    assert verdict, verdict


@pytest.mark.parametrize(("exercise_id", "answer", "sentence"), WRONG, ids=map(named_after, WRONG))
def test_a_wrong_answer_that_looks_right_is_wrong_and_told_why(exercise_id, answer, sentence):
    verdict = judge(exercises()[exercise_id], answer)
    assert verdict.state in ("wrong", "crashed")
    assert verdict.judged
    assert sentence in verdict.sentence


def test_what_the_repair_of_lesson_11_raises_is_told_as_that():
    def in_one_state(vcpu):
        return 1 // (vcpu.state is not VcpuState.BLOCKED_INTERRUPT)

    for answer in (lambda vcpu: 1 // 0, in_one_state):
        said = hfedu.check("11-repair", answer).sentence
        assert said == "Your answer raised ZeroDivisionError: integer division or modulo by zero"

    def yields(vcpu):
        yield vcpu.regs_available

    assert hfedu.check("11-repair", yields).sentence.startswith("Your function gives a list of answers")
