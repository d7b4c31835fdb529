"""Each defect of 2018 shows without its repair and does not with it; the repairs go together; and the RPC interface."""

import itertools
import random
import struct
import subprocess
import sys

import fixed_profile
import pytest
from conftest import one, recorded

import hfedu
from hfedu import RamDisk, Secondary
from hfedu.errors import Mistake
from hfedu.guest.rpc import rpc_ack, rpc_read_request, rpc_reply, rpc_request, rpc_vcpu_run
from hfedu.guest.scripted import hvc, wait_for_event
from hfedu.hf.call import HF_MAILBOX_SEND, Call, HfVcpuRun
from hfedu.hf.cpu import Vcpu, VcpuState
from hfedu.hf.handler import Trap
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.vm import Mailbox, Vm
from hfedu.history import FIXES, abi, hypervisor_type, with_needs
from hfedu.history.rpc import RESPONSE_READY
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine

TABLE = """
blocked-state regs-race nested-locks wfi-repeats wfe-loops no-interrupt timer-inverted abort-hangs
clear-not-idempotent writable-notify exception-regs fp-regs preempt-as-yield late-interrupt
""".split()
WAITS = (HfVcpuRun.WAIT_FOR_INTERRUPT, 0, 0)
WFI, HVC, B_TO_WFI = 0xD503_207F, 0xD400_0002, 0x17FF_FFFF
UART_IN_X19, PRINT_W0, PRINT_W2 = 0xD2A1_2013, 0xB900_0260, 0xB900_0262


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def mov(register: int, value: int) -> int:
    return 0xD280_0000 | value << 5 | register


def inject(vm: int, interrupt: int, vcpu: int = 0):
    return hvc(abi.HF_INTERRUPT_INJECT, vm, vcpu, interrupt)


def machine(primary, *secondaries, fixes=(), **how) -> Machine:
    images = [Secondary(guest) if isinstance(guest, bytes) else guest for guest in secondaries]
    return Machine(RamDisk(primary, images), fixes=fixes, max_traps=300, max_instructions=100_000, **how)


def guest_output(machine: Machine) -> str:
    """What the guests printed while they ran."""
    machine.boot()
    before = len(machine.uart)
    machine.run()
    return machine.uart[before:].decode()


def test_the_fourteen_are_there_in_the_order_of_their_table():
    assert list(FIXES) == TABLE
    for fix in FIXES.values():
        assert fix.shown_by in ("explorer", "real guest", "scripted guest")
        assert fix.summary.endswith(".")
        assert fix.repair.endswith(".")
        assert set(fix.needs) <= set(FIXES)


@pytest.mark.parametrize(
    ("profile", "fixes", "says"),
    [
        ("2018-10-04", ["regs_race"], "no fix 'regs_race', did you mean 'regs-race'\\? There are blocked-state, regs"),
        ("2018-10-04", "xyz", "no fix 'xyz'. There are blocked-state"),
        ("fixd", [], "no profile 'fixd', did you mean 'fixed'\\? There are 2018-10-04, fixed, rpc"),
        ("rpc", ["regs-race"], "takes no fixes"),
    ],
)
def test_what_there_is_not_is_refused_with_a_list(profile, fixes, says):
    with pytest.raises(Mistake, match=says):
        hypervisor_type(Hypervisor, profile, fixes)


def test_a_fix_brings_what_it_needs_and_none_brings_nothing():
    assert with_needs(["late-interrupt"]) == {"late-interrupt", "no-interrupt", "blocked-state"}
    hypervisor = hypervisor_type(Hypervisor, "2018-10-04", ["late-interrupt"])
    assert [fix.id for fix in FIXES.values() if issubclass(hypervisor, fix.mixin)] == [
        "blocked-state", "no-interrupt", "late-interrupt"
    ]  # fmt: skip
    assert hypervisor_type(Hypervisor, "2018-10-04", []) is Hypervisor
    assert all(issubclass(hypervisor_type(Hypervisor, "fixed", []), fix.mixin) for fix in FIXES.values())


# One defect each: what is observed without the repair, and with it.


@pytest.mark.parametrize(
    ("fixes", "state"), [((), "BLOCKED_INTERRUPT"), ({"blocked-state"}, "BLOCKED_MAILBOX")], ids=["2018", "repaired"]
)
def test_blocked_state(fixes, state):
    def primary():
        yield hfedu.vcpu_run(1)

    def receiver():
        yield hfedu.receive()

    run = machine(primary, receiver, fixes=fixes).run()
    assert run.at(len(run.events) - 1)["vm1.vcpu0.state"] == state


def interruptible() -> bytes:
    """A real guest: point VBAR_EL1 at the image + 0x800, unmask interrupts, wfi, print W, wfi for ever.

    Its handler at 0x280 prints I, takes the interrupt with HF_INTERRUPT_GET, prints its number, and returns.
    """
    main = code(UART_IN_X19, 0x1000_0001 | 0x800 - 4 << 3, 0xD518_C001, 0xD503_42FF, WFI, mov(2, ord("W")), PRINT_W2,
                WFI, B_TO_WFI)  # fmt: skip
    handler = code(mov(2, ord("I")), PRINT_W2, mov(0, 0xFF07), HVC, 0x1100_C000, PRINT_W0, 0xD69F_03E0)
    return main.ljust(0x800 + 0x280, b"\0") + handler


@pytest.mark.parametrize(
    ("fixes", "printed"), [((), ""), ({"no-interrupt"}, "I5I6"), ({"wfi-repeats"}, "I5WI6")], ids=" ".join
)
def test_no_interrupt_and_wfi_repeats(fixes, printed):
    """Nobody can wake a real guest in 2018. Once it can be, its handler returns to the WFI, which waits again."""
    seen = []

    def primary():
        seen.append((yield hfedu.vcpu_run(1)))
        for interrupt in (5, 6):
            seen.append((yield inject(1, interrupt)))
            seen.append((yield hfedu.vcpu_run(1)))

    assert guest_output(machine(primary, interruptible(), fixes=fixes)) == printed
    assert seen == [WAITS, *(0 if fixes else -1, WAITS) * 2]


@pytest.mark.parametrize(
    ("fixes", "answers"), [({"no-interrupt"}, []), ({"wfi-repeats"}, [5])], ids=["2018", "repaired"]
)
def test_wfi_repeats_in_a_script(fixes, answers):
    """A script has no vector: it asks for its interrupt after the WFI, which in 2018 it never leaves."""
    got = []

    def primary():
        for _ in range(3):
            yield hfedu.vcpu_run(1)
            yield inject(1, 5)

    def sleeper():
        yield hfedu.wait_for_interrupt()
        got.append((yield hvc(abi.HF_INTERRUPT_GET)))

    machine(primary, sleeper, fixes=fixes).run()
    assert got == answers


def test_a_wfi_does_not_wait_while_an_interrupt_is_pending():
    after = []

    def primary():
        yield inject(1, 5)
        yield hfedu.vcpu_run(1)

    def sleeper():
        yield hfedu.wait_for_interrupt()
        after.append((yield hvc(abi.HF_INTERRUPT_GET)))
        after.append((yield hvc(abi.HF_INTERRUPT_GET)))
        yield hfedu.wait_for_interrupt()
        after.append("not reached")

    machine(primary, sleeper, fixes={"wfi-repeats"}).run()
    assert after == [5, abi.HF_INVALID_INTID]


def test_wfe_loops():
    after = []

    def primary():
        after.append((yield hfedu.vcpu_run(1)))
        after.append((yield hfedu.vcpu_run(1)))

    def waiter():
        yield wait_for_event()
        after.append("awake")

    assert machine(primary, waiter).run().outcome.kind == "budget"
    assert after == []
    assert machine(primary, waiter, fixes={"wfe-loops"}).run().outcome.kind == "power off"
    assert after == [(HfVcpuRun.YIELD, 0, 0), "awake", WAITS]


@pytest.mark.parametrize(("profile", "got"), [("2018-10-04", []), ("fixed", [(0, b"news")])])
def test_a_message_reaches_a_vm_that_slept(profile, got):
    received = []

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        assert (yield hfedu.send(1, b"news")) == 0xFFFF
        yield inject(1, 3)
        yield hfedu.vcpu_run(1)

    def sleeper():
        yield hfedu.configure()
        yield hfedu.wait_for_interrupt()
        received.append((yield hfedu.receive(block=False)))

    machine(primary, sleeper, profile=profile).run()
    assert received == got


def test_an_interrupt_ends_a_receive_and_leaves_the_other_waiters_alone():
    """VM 1 waits; an interrupt takes it off the stack, so the next message stays in the mailbox."""
    got = []

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield inject(1, 0)
        got.append((yield hfedu.send(1, b"x")))
        yield hfedu.vcpu_run(1)

    def receiver():
        yield hfedu.configure()
        got.append((yield hvc(0xFF05, 1)))
        got.append((yield hfedu.receive()))

    machine(primary, receiver, fixes={"no-interrupt"}).run()
    assert got == [0xFFFF, -1, (0, b"x")]


def test_timer_inverted():
    """A real primary: mrs x1, cntpct_el0, then PSCI SYSTEM_OFF."""
    primary = code(0xD53B_E021, 0xD2B0_8000, 0xF280_0100, HVC)
    assert machine(primary).run().outcome.kind == "hang"
    assert machine(primary, fixes={"timer-inverted"}).run().outcome.kind == "power off"


def test_a_secondary_may_not_read_the_timer_once_it_is_repaired():
    """mrs x1, cntpct_el0; wfi."""

    def primary():
        yield hfedu.vcpu_run(1)

    secondary = code(0xD53B_E021, WFI, B_TO_WFI)
    assert machine(primary, secondary).run().outcome.kind == "power off"
    assert machine(primary, secondary, fixes={"timer-inverted"}).run().outcome.kind == "hang"


@pytest.mark.parametrize(
    "intruder", [code(0xD2A8_0100, 0xF940_0000), code(0xD2A8_0100, 0xD61F_0000)], ids=["load", "jump"]
)
def test_abort_hangs(intruder):
    """A real secondary that loads from the primary's memory, and one that jumps there; another VM must still run."""
    seen = []

    def primary():
        for vm in (1, 1, 2):
            seen.append((yield hfedu.vcpu_run(vm)))

    def innocent():
        yield hfedu.receive()

    assert machine(primary, intruder, innocent).run().outcome.kind == "hang"
    assert seen == []
    run = machine(primary, intruder, innocent, fixes={"abort-hangs"}).run()
    assert run.outcome.kind == "power off"
    assert seen == [(abi.LaterVcpuRun.ABORTED, 1, 0)] * 2 + [WAITS]
    assert run.at(len(run.events) - 1)["vm1.vcpu0.state"] == "ABORTED"


def test_a_primary_that_faults_still_hangs():
    primary = code(0xD2A8_0020, 0xF940_0000)  # its own hypervisor's memory: ldr x0, [0x40010000]
    assert machine(primary, fixes={"abort-hangs"}).run().outcome.kind == "hang"


@pytest.mark.parametrize(
    ("fixes", "results"), [((), [-1, -1, 0, -1]), ({"clear-not-idempotent"}, [0, -1, 0, 0])], ids=["2018", "repaired"]
)
def test_clear_not_idempotent(fixes, results):
    """Clear an empty mailbox, one with a message that was not read, one that was read, and again an empty one."""
    got = []

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, b"x")
        yield hfedu.vcpu_run(1)

    def receiver():
        yield hfedu.configure()
        got.append((yield hfedu.clear()))
        yield hfedu.send(0, b"your turn")
        got.append((yield hfedu.clear()))
        yield hfedu.receive()
        got.append((yield hfedu.clear()))
        got.append((yield hfedu.clear()))

    machine(primary, receiver, fixes=fixes).run()
    assert got == results


def notify(vm: int):
    """A send of no bytes that asks to be told when the mailbox is free."""
    return hvc(HF_MAILBOX_SEND, vm, 0, 1)


@pytest.mark.parametrize("fixes", [(), {"writable-notify"}], ids=["2018", "repaired"])
def test_writable_notify(fixes):
    """VM 1 and VM 2 both send to VM 3, which reads late: who came second wants to know when it may send."""
    sent, seen = [], []

    def primary():
        yield hfedu.configure()
        for vm in (3, 1, 2, 3):
            seen.append((yield hfedu.vcpu_run(vm)))
        while (waiter := (yield hvc(abi.HF_MAILBOX_WAITER_GET, 3))) != -1:
            seen.append(waiter)
            seen.append((yield hfedu.vcpu_run(waiter)))

    def first():
        yield hfedu.configure()
        yield hfedu.send(3, b"first")

    def second():
        yield hfedu.configure()
        sent.append((yield notify(3)))
        yield hfedu.send(0, b"busy")
        sent.append((yield hvc(abi.HF_MAILBOX_WRITABLE_GET)))
        sent.append((yield hvc(abi.HF_MAILBOX_WRITABLE_GET)))
        yield hfedu.send(3, b"second")

    def owner():
        yield hfedu.configure()
        yield hfedu.receive()
        yield hfedu.clear()
        yield hfedu.wait_for_interrupt()

    machine(primary, first, second, owner, fixes=fixes).run()
    waits, wake, busy = WAITS, (HfVcpuRun.WAKE_UP, 3, 0), (HfVcpuRun.MESSAGE, 0, 4)
    if fixes:
        assert seen == [waits, wake, busy, (abi.LaterVcpuRun.NOTIFY_WAITERS, 3, 0), 2, (HfVcpuRun.WAKE_UP, 3, 0xFFFF)]
        assert sent == [-1, 3, -1]
    else:
        assert seen == [waits, wake, busy, waits]
        assert sent == [-1]


def test_a_primary_that_clears_learns_that_somebody_waits():
    got = []

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.vcpu_run(1)
        got.append((yield hfedu.clear()))
        got.append((yield hvc(abi.HF_MAILBOX_WAITER_GET, 0)))
        got.append((yield hvc(abi.HF_MAILBOX_WAITER_GET, 0)))

    def sender():
        yield hfedu.configure()
        yield hfedu.send(0, b"x")
        yield notify(0)

    machine(primary, sender, fixes={"writable-notify"}).run()
    assert got == [1, 1, -1]


SET_AND_SHOW = {
    # msr elr_el1, x0 / mrs x0, elr_el1
    "exception-regs": ((0xD518_4020,), (0xD538_4020,)),
    # CPACR_EL1.FPEN, isb, fmov d0, x1 / fmov x0, d0
    "fp-regs": ((0xD2A0_0601, 0xD518_1041, 0xD503_3FDF, 0x9E67_0000), (0xD2A0_0601, 0xD518_1041, 0xD503_3FDF,
                0x9E66_0000)),
}  # fmt: skip


@pytest.mark.parametrize("fix", SET_AND_SHOW)
def test_registers_that_leak(fix):
    """Real guests: VM 1 sets a register to A and waits, VM 2 prints what it finds in its own."""
    to_set, to_show = SET_AND_SHOW[fix]
    setter = code(mov(0, ord("A")), *to_set, WFI)
    spy = code(UART_IN_X19, *to_show, PRINT_W0, WFI)

    def primary():
        yield hfedu.vcpu_run(1)
        yield hfedu.vcpu_run(2)

    assert guest_output(machine(primary, setter, spy)) == "A"
    assert guest_output(machine(primary, setter, spy, fixes={fix})) == "\0"


@pytest.mark.parametrize("fix", SET_AND_SHOW)
def test_registers_come_back(fix):
    """VM 1 sets a register, is woken after VM 2 has set it too, and prints what it finds."""
    to_set, to_show = SET_AND_SHOW[fix]
    setter = code(mov(0, ord("A")), *to_set, WFI, UART_IN_X19, *to_show, PRINT_W0, mov(0, 0xFF07), HVC, WFI)
    other = code(mov(0, ord("B")), *to_set, WFI)

    def primary():
        yield hfedu.vcpu_run(1)
        yield hfedu.vcpu_run(2)
        yield inject(1, 0)
        yield hfedu.vcpu_run(1)

    assert guest_output(machine(primary, setter, other, fixes={"wfi-repeats"})) == "B"
    assert guest_output(machine(primary, setter, other, fixes={"wfi-repeats", fix})) == "A"


@pytest.mark.parametrize(
    ("fixes", "code_seen"), [((), HfVcpuRun.YIELD), ({"preempt-as-yield"}, abi.LaterVcpuRun.PREEMPTED)]
)
def test_preempt_as_yield(fixes, code_seen):
    """An interrupt arrives while VM 1 runs; the primary's x0 says why it is back, and VM 1 stays ready."""

    def primary():
        yield hfedu.vcpu_run(1)

    def secondary():
        yield hfedu.vm_count()

    running = machine(primary, secondary, fixes=fixes)
    running.step()
    assert running.cpu.current.name == "vm1.vcpu0"
    drain(running.hypervisor.handle(running.cpu, Trap(None)))
    assert running.cpu.current.name == "vm0.vcpu0"
    assert running.cpu.regs[0] == code_seen
    assert running.hypervisor.vms[1].vcpus[0].state is VcpuState.READY


@pytest.mark.parametrize(
    ("fixes", "got"), [({"no-interrupt"}, ["blocked"]), ({"late-interrupt"}, [-1, 5])], ids=["2018", "repaired"]
)
def test_late_interrupt(fixes, got):
    """An interrupt is pending when VM 1 begins a blocking receive."""
    found = []

    def primary():
        yield hfedu.configure()
        yield inject(1, 5)
        if (yield hfedu.vcpu_run(1)) == WAITS and not found:
            found.append("blocked")

    def receiver():
        yield hfedu.configure()
        found.append((yield hvc(0xFF05, 1)))
        found.append((yield hvc(abi.HF_INTERRUPT_GET)))

    machine(primary, receiver, fixes=fixes).run()
    assert found == got


# Two physical CPUs, their steps taken by hand.


class TwoCpus:
    """A primary on CPUs 0 and 1, VM 1 waiting to run; `begin` starts a hypercall, `take` takes its steps."""

    def __init__(self, fixes) -> None:
        def nothing():
            yield hfedu.vm_count()

        booted = machine(nothing, nothing, fixes=fixes, record=False)
        booted.boot()
        self.hypervisor = booted.hypervisor
        self.cpus = self.hypervisor.cpus[:2]
        for cpu in self.cpus:
            self.hypervisor.cpu_main(cpu)
        self.vcpu = self.hypervisor.vms[1].vcpus[0]
        for vm, page in ((0, 0x4040_0000), (1, self.vcpu.regs[31] + 0x4000)):
            cpu = self.cpus[vm]
            if vm:
                self.call(1, 0xFF00, 1)
            self.call(vm, 0xFF03, page, page + 0x1000)
            assert cpu.regs[0] == 0
        self.trap_interrupt(1)

    def trap_interrupt(self, cpu: int) -> None:
        drain(self.hypervisor.handle(self.cpus[cpu], Trap(None)))

    def begin(self, cpu: int, *registers: int):
        for i, value in enumerate(registers):
            self.cpus[cpu].regs[i] = value
        return self.hypervisor.handle(self.cpus[cpu], Trap(0x16 << 26 | 1 << 25))

    def call(self, cpu: int, *registers: int) -> int:
        drain(self.begin(cpu, *registers))
        return self.cpus[cpu].regs[0]


def drain(steps) -> None:
    for _ in steps:
        pass


def take_until(steps, kind: str) -> None:
    """Take steps until one of that kind is announced."""
    assert any(step.kind == kind for step in steps), kind


@pytest.mark.parametrize("fixes", [(), {"regs-race"}, {"regs-race", "nested-locks"}], ids=["2018", "race", "both"])
def test_regs_race(fixes):
    """VM 1 blocks in a receive on CPU 0. Before CPU 0 has saved it, CPU 1 sends it a message and runs it."""
    two = TwoCpus(fixes)
    assert two.call(0, 0xFF00, 1) == HfVcpuRun.YIELD
    two.cpus[0].regs[19] = 0x1234  # what VM 1 computed since it was last saved
    receive = two.begin(0, 0xFF05, 1)
    take_until(receive, "save")
    assert two.call(1, HF_MAILBOX_SEND, 1, 5) == 0
    two.call(1, 0xFF00, 1, 0)
    if not fixes:
        assert two.cpus[1].current is two.vcpu
        assert two.cpus[1].regs[19] == 0
        assert two.cpus[0].current is two.vcpu
        return
    assert two.cpus[1].current.vm.id == 0
    assert two.cpus[1].regs[0] == HfVcpuRun.WAIT_FOR_INTERRUPT
    drain(receive)
    two.call(1, 0xFF00, 1, 0)
    assert two.cpus[1].current is two.vcpu
    assert (two.cpus[1].regs[19], two.cpus[1].regs[0]) == (0x1234, 5 << 32)


@pytest.mark.parametrize("fixes", [(), {"regs-race"}], ids=["2018", "repaired"])
def test_a_result_is_not_lost_to_the_late_save(fixes):
    """As above, but CPU 1 runs VM 1 only after CPU 0 has saved it: in 2018 the save wrote over the message's size."""
    two = TwoCpus(fixes)
    two.call(0, 0xFF00, 1)
    receive = two.begin(0, 0xFF05, 1)
    take_until(receive, "save")
    two.call(1, HF_MAILBOX_SEND, 1, 5)
    drain(receive)
    two.call(1, 0xFF00, 1, 0)
    assert two.cpus[1].current is two.vcpu
    assert two.cpus[1].regs[0] == (5 << 32 if fixes else 0)


@pytest.mark.parametrize("fixes", [(), {"nested-locks"}], ids=["2018", "repaired"])
def test_nested_locks(fixes):
    """On the way back to the primary a blocking receive holds its VM's lock in 2018, so that nobody can send to it."""
    two = TwoCpus(fixes)
    two.call(0, 0xFF00, 1)
    receive = two.begin(0, 0xFF05, 1)
    take_until(receive, "retval")
    held = [lock.name for lock in (two.vcpu.lock, two.vcpu.vm.lock) if lock.owner is not None]
    assert held == ([] if fixes else ["vm1.lock"])
    later = [step.target.name for step in receive if step.kind == "acquire"]
    assert later == ([] if fixes else ["vm1.vcpu0.lock"])
    assert two.vcpu.state is (VcpuState.BLOCKED_MAILBOX if fixes else VcpuState.BLOCKED_INTERRUPT)


@pytest.mark.parametrize("at", range(30))
def test_a_message_is_not_lost_wherever_it_meets_a_blocking_receive(at):
    """Every repair is on. CPU 1 sends after `at` steps of the receive, as soon as the locks let it; VM 1 gets it."""
    two = TwoCpus(FIXES)
    two.call(0, 0xFF00, 1)
    receive, send = two.begin(0, 0xFF05, 1), two.begin(1, HF_MAILBOX_SEND, 1, 5)
    taken = list(itertools.islice(receive, at))
    for step in send:
        while step.kind == "acquire" and step.target.owner is not None:
            taken.append(next(receive))
    drain(receive)
    if two.cpus[0].current is not two.vcpu:
        two.call(0, 0xFF00, 1)
    assert two.cpus[0].current is two.vcpu
    assert two.cpus[0].regs[0] == 5 << 32
    assert two.vcpu.vm.mailbox.recv_waiter is None
    assert taken or at == 0


@pytest.mark.parametrize("at", range(30))
@pytest.mark.parametrize("call", [(0xFF05, 1), None], ids=["receive", "wfi"])
def test_an_interrupt_is_not_lost_wherever_it_meets_a_wait(call, at):
    """The same with an interrupt, which ends the receive with -1 and the WFI without a result."""
    two = TwoCpus(FIXES)
    two.call(0, 0xFF00, 1)
    pc = two.cpus[0].regs[31]
    wait = two.begin(0, *call) if call else two.hypervisor.handle(two.cpus[0], Trap(1 << 26 | 1 << 25))
    inject = two.begin(1, abi.HF_INTERRUPT_INJECT, 1, 0, 7)
    for _ in itertools.islice(wait, at):
        pass
    for step in inject:
        while step.kind == "acquire" and step.target.owner is not None:
            next(wait)
    drain(wait)
    if two.cpus[0].current is not two.vcpu:
        two.call(0, 0xFF00, 1)
    assert two.cpus[0].current is two.vcpu
    if call:
        assert two.cpus[0].regs[0] == (1 << 64) - 1
    else:
        assert two.cpus[0].regs[31] == pc + 4
    assert two.vcpu.vm.mailbox.recv_waiter is None
    assert two.call(0, abi.HF_INTERRUPT_GET) == 7


# All together.

UNSEEN = [fix for fix in TABLE if not with_needs([fix]) & set(fixed_profile.CHANGED_BY.values())]
"""The repairs that no guest of the recorded runs can see."""
SAMPLE = ["chain_relay_3", "broadcast_3"]
LISTED = {line.split()[0]: line for line in fixed_profile.LISTED.read_text().splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("run", recorded("runs"), ids=lambda run: run.name)
def test_recorded_runs_with_every_repair(run):
    """The same as in 2018, or different from where the list says, and then the same without the repairs it names."""
    assert fixed_profile.difference(run) == LISTED.get(run.name)
    if run.name in LISTED:
        assert fixed_profile.printed(run, fixes=UNSEEN) == run.uart


def test_what_the_list_says_is_what_the_repairs_are_for():
    """A clear that failed succeeds, or a call that there was not gives "no interrupt"."""
    kinds = {tuple(line.split()[i] for i in (1, 5, 6, 7)) for line in LISTED.values()}
    assert kinds == {
        ("clear-not-idempotent", "ff06", "f" * 16, "0" * 16),
        ("no-interrupt", "ff07", "f" * 16, "0" * 8 + "f" * 8),
    }


@pytest.mark.slow
@pytest.mark.parametrize("pair", list(itertools.combinations(TABLE, 2)), ids="+".join)
def test_any_two_repairs_go_together(pair):
    for name in SAMPLE:
        same = not with_needs(pair) & {"clear-not-idempotent"} or name not in LISTED
        assert (fixed_profile.printed(one(name), fixes=pair) == one(name).uart) is same


@pytest.mark.parametrize("seed", range(25))
def test_any_set_of_repairs_goes_together(seed):
    chance = random.Random(seed)
    fixes = chance.sample(TABLE, chance.randint(3, 13))
    for run in chance.sample(recorded("runs"), 3):
        fixed_profile.printed(run, fixes=fixes)


# Changes of one's own.


class OwnMailbox(Mailbox):
    def __init__(self, name):
        super().__init__(name)
        self.extra = 0


class OwnVcpu(Vcpu):
    def __init__(self, vm, index):
        super().__init__(vm, index)
        self.woken = 0


class OwnVm(Vm):
    mailbox_type = OwnMailbox
    vcpu_type = OwnVcpu

    def __init__(self, *how):
        super().__init__(*how)
        self.quota = 9


class Counting(Hypervisor):
    """Counts messages in the mailbox, wake-ups in the vCPU, and keeps a queue of who sent."""

    vm_type = OwnVm

    def __init__(self, platform):
        super().__init__(platform)
        self.queue = []

    def copy_message(self, cpu, to, from_buf, size):
        to.mailbox.extra += 1
        self.queue.append((cpu.current.vm.id, to.id))
        yield from super().copy_message(cpu, to, from_buf, size)

    def wake(self, cpu, waiter, retval):
        waiter.woken += 1
        yield from super().wake(cpu, waiter, retval)


def send_twice():
    yield hfedu.configure()
    yield hfedu.vcpu_run(1)
    yield hfedu.send(1, b"one")
    yield hfedu.vcpu_run(1)
    yield hfedu.send(1, b"two")


def take_one():
    yield hfedu.configure()
    yield hfedu.receive()
    yield hfedu.clear()


@pytest.mark.parametrize(
    "how", [{"profile": "2018-10-04"}, {"fixes": ["abort-hangs"]}, {"profile": "fixed"}], ids=["2018", "one", "fixed"]
)
def test_vms_of_ones_own_keep_their_fields_beside_those_of_the_repairs(how):
    made = machine(send_twice, take_one, changes=[Counting], **how)
    run = made.run()
    vm = made.hypervisor.vms[1]
    assert (vm.quota, vm.mailbox.extra, vm.vcpus[0].woken) == (9, 2, 1)
    if how != {"profile": "2018-10-04"}:
        assert (vm.aborting, vm.mailbox.waiting, vm.vcpus[0].regs_available) == (False, 0, True)
    first, second = (event.seq for event in run.events if event.kind is Kind.DELIVER)
    assert run.at(first)["vm1.mailbox.extra"] == 1
    assert run.at(second)["vm1.mailbox.extra"] == 2
    assert run.at(second)["vm1.vcpu0.woken"] == 1
    assert run.at(second)["vm1.quota"] == 9
    assert not {path for path in run.at(second) if path.endswith((".waiting", ".regs_available", ".aborting"))}


def test_a_list_in_the_hypervisor_that_is_only_appended_to_is_in_the_state():
    run = machine(send_twice, take_one, changes=[Counting], profile="fixed").run()
    first, second = (run.call_of(event) for event in run.events if event.kind is Kind.DELIVER)
    assert run.at(first.seq - 1)["hypervisor.queue"] == ()
    assert run.at(first.seq)["hypervisor.queue"] == ((0, 1),)
    assert run.at(second.seq)["hypervisor.queue"] == ((0, 1), (0, 1))
    assert second.change("hypervisor.queue") == ("hypervisor.queue", ((0, 1),), ((0, 1), (0, 1)), None)


def test_without_changes_of_ones_own_the_state_has_no_such_paths():
    run = machine(send_twice, take_one, profile="fixed").run()
    state = run.at(len(run.events) - 1)
    assert not {path for path in state if path.startswith("hypervisor.") or path.endswith((".extra", ".waiting"))}


def named(name, *bases):
    """A change that notes its name whenever a message is copied."""

    def copy_message(self, cpu, to, from_buf, size):
        self.order.append(name)
        yield from super(made, self).copy_message(cpu, to, from_buf, size)

    made = type(name, bases or (Hypervisor,), {"copy_message": copy_message, "order": []})
    return made


@pytest.mark.parametrize("order", list(itertools.permutations("ABC")), ids="".join)
def test_the_first_change_lies_on_top(order):
    changes = [named(name) for name in order]
    made = machine(send_twice, take_one, changes=changes, profile="fixed")
    made.run()
    assert made.hypervisor.order == [*order] * 2
    assert made.made["changes"] == changes
    over = type(made.hypervisor).__mro__
    assert all(over.index(change) < over.index(fix.mixin) for change in changes for fix in FIXES.values())


SLOTTED = [
    type(name, (Hypervisor,), {"vm_type": type(f"{name}Vm", (Vm,), {"__slots__": (name.lower(),)})}) for name in "XY"
]
COUNT = Call(0xFF10, "HF_COUNT", "count", ("vm",), gives="count")
BASE = named("Base")
WITHOUT = type("Without", (Hypervisor,), {"rows": (COUNT,)})
TOO_FEW = type("TooFew", (Hypervisor,), {"rows": (COUNT,), "api_count": lambda self, cpu: 0})
TOO_MANY = type("TooMany", (Hypervisor,), {"rows": (COUNT,), "api_count": lambda self, cpu, vm, more: 0})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (int, "a change is a class that builds on hfedu.hf.hypervisor.Hypervisor, not <class 'int'>"),
        ([OwnVm], "a change is a class that builds on hfedu.hf.hypervisor.Hypervisor, not "),
        (["late"], "a change is a class that builds on hfedu.hf.hypervisor.Hypervisor, not 'late'"),
        ("regs-race", "regs-race is a repair of ours: give it as fixes=['regs-race']"),
        ([WITHOUT], "Without brings HF_COUNT and has no function that serves it: write def api_count(self, cpu, vm)"),
        (
            [TOO_FEW],
            "TooFew.api_count does not take the arguments of its row: write def api_count(self, cpu, vm)",
        ),
        (
            [TOO_MANY],
            "TooMany.api_count does not take the arguments of its row: write def api_count(self, cpu, vm)",
        ),
        (SLOTTED, "X, Y do not go together: "),
        ([BASE, named("Built", BASE)], "Built builds on Base, so it comes first: changes=[Built, Base]"),
        ([BASE, BASE], "Base, Base do not go together: duplicate base class Base"),
    ],
    ids=["int", "a VM", "a text", "a repair", "no function", "too few", "too many", "layout", "order", "twice"],
)
@pytest.mark.parametrize("profile", ["2018-10-04", "fixed"])
def test_a_change_that_does_not_fit_says_so_in_one_sentence(profile, changes, says):
    with pytest.raises(Mistake) as mistake:
        machine(send_twice, take_one, profile=profile, changes=changes)
    assert str(mistake.value).startswith(says)
    assert "\n" not in str(mistake.value)


def test_a_call_of_ones_own_is_served():
    class Ours(Hypervisor):
        rows = (COUNT,)

        def api_count(self, cpu, vm):
            return vm + 1

    seen = []

    def primary():
        seen.append((yield hvc(COUNT.number, 4)))

    run = machine(primary, changes=Ours, profile="fixed").run()
    assert seen == [5]
    assert next(event for event in run.events if event.call == COUNT and event.kind is Kind.RETURN).result == 5


def test_what_repairs_are_about_is_data_and_stays_without_docstrings():
    code = "from hfedu.history import FIXES; print(*((f.id, f.summary, f.repair) for f in FIXES.values()), sep='\\n')"
    said = subprocess.run([sys.executable, "-OO", "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [str((fix.id, fix.summary, fix.repair)) for fix in FIXES.values()]
    assert all(fix.summary and fix.repair for fix in FIXES.values())


# Before the commit.


def rpc(primary, *secondaries) -> Machine:
    return machine(primary, *secondaries, profile="rpc")


def test_a_conversation_before_the_commit():
    """Request, reply, acknowledge; the state of the mailboxes and of the vCPU that waits."""
    got = []

    def primary():
        yield hfedu.configure()
        got.append((yield rpc_vcpu_run(1)))
        got.append((yield rpc_request(1, "question")))
        got.append((yield rpc_request(1, "too early")))
        got.append((yield rpc_vcpu_run(1)))
        got.append((yield rpc_ack()))
        got.append((yield rpc_ack()))
        got.append((yield rpc_vcpu_run(1)))
        got.append((yield rpc_request(1, "once more")))

    def server():
        yield hfedu.configure()
        got.append((yield rpc_read_request()))
        got.append((yield rpc_reply("answer")))
        yield rpc_read_request()

    run = rpc(primary, server).run()
    assert got == [(1, 0), 0, -1, b"question", (RESPONSE_READY, 6), 0, -1, 0, (1, 0), 0]
    states = [run.at(event.seq) for event in run.events]
    seen = [key for key, _ in itertools.groupby(s["vm1.mailbox.state"] for s in states if "vm1.mailbox.state" in s)]
    assert seen == ["IDLE", "INFLIGHT", "IDLE", "INFLIGHT"]
    assert {state.get("vm1.vcpu0.state") for state in states} >= {"BLOCKED_RPC", "RUNNING", "READY"}
    assert "BLOCKED_INTERRUPT" not in {state.get("vm1.vcpu0.state") for state in states}


def test_a_request_that_nobody_waits_for_is_pending_and_gives_the_number_of_vcpus():
    got = []

    def primary():
        yield hfedu.configure()
        yield rpc_vcpu_run(1)
        got.append((yield rpc_request(1, b"later")))
        yield rpc_vcpu_run(1)

    def server():
        yield hfedu.configure()
        got.append((yield rpc_read_request(block=False)))
        yield rpc_reply(b"ready", ack=False)
        got.append((yield rpc_read_request(block=False)))

    rpc(primary, Secondary(server, vcpus=3)).run()
    assert got == [None, 3, b"later"]


def test_what_could_not_be_said_before():
    """Only the primary requests, only a secondary replies and reads; no VM can ask another."""
    got = []

    def primary():
        yield hfedu.configure()
        yield rpc_vcpu_run(1)
        got.append((yield rpc_reply(b"x")))
        got.append((yield rpc_read_request(block=False)))
        got.append((yield rpc_request(0, b"x")))
        got.append((yield rpc_request(7, b"x")))
        got.append((yield rpc_request(1, b"x", size=4097)))

    def secondary():
        yield hfedu.configure()
        got.append((yield rpc_request(2, b"x")))
        got.append((yield rpc_request(0, b"x")))

    rpc(primary, secondary, secondary).run()
    assert got == [-1, -1, -1, None, -1, -1, -1]


@pytest.mark.parametrize("ack", [True, False])
def test_a_reply_that_fails_has_acknowledged_all_the_same(ack):
    """The primary has not acknowledged the first reply, so the second fails; yet its request is gone."""
    got = []

    def primary():
        yield hfedu.configure()
        yield rpc_vcpu_run(1)
        yield rpc_request(1, b"one")
        yield rpc_vcpu_run(1)
        yield rpc_vcpu_run(1)
        got.append((yield rpc_request(1, b"two")))

    def server():
        yield hfedu.configure()
        yield rpc_read_request()
        yield rpc_reply(b"first", ack=False)
        got.append((yield rpc_reply(b"second", ack=ack)))
        yield hfedu.wait_for_interrupt()

    rpc(primary, server).run()
    assert got == ([-1, 1] if ack else [-1, -1])


def test_a_real_guest_before_the_commit():
    """A real server: configure, read_request(block), reply with as many bytes as it got, for ever."""
    loop = [mov(0, 0xFF05), mov(1, 1), HVC, 0xAA00_03E1, mov(0, 0xFF07), mov(2, 1), HVC]
    server = code(
        mov(0, 0xFF03), 0x1000_0001 | 0x4000 - 4 << 3, 0x1000_0002 | 0x5000 - 8 << 3, HVC,
        *loop, 0x1400_0000 | -len(loop) & 0x3FF_FFFF,
    )  # fmt: skip
    got = []

    def primary():
        yield hfedu.configure()
        yield rpc_vcpu_run(1)
        for size in (3, 4096):
            got.append((yield rpc_request(1, bytes(size))))
            got.append((yield rpc_vcpu_run(1)))
            yield rpc_ack()
            yield rpc_vcpu_run(1)

    assert rpc(primary, server).run().outcome.kind == "power off"
    assert got == [0, (RESPONSE_READY, 3), 0, (RESPONSE_READY, 4096)]
