"""Random scenarios run three ways, as machine code, as scripted guests and on the plain model, and all agree.

HFEDU_SCENARIOS=20000 runs more than the usual 1,250, of which some 1,000 differ from each other. A disagreement is
shrunk and told as a script.
"""

import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import assembled
import pytest
import reference_model as model
import scenarios as s
from hypothesis import HealthCheck, Phase, given, seed, settings
from scenarios import MASK64

import hfedu
from hfedu import RamDisk, Secondary
from hfedu.guest.scripted import Action, Message
from hfedu.hf.addr import Pa
from hfedu.hf.api import Api
from hfedu.hf.call import HfVcpuRun, VcpuRunReturn
from hfedu.hf.vm import MailboxState
from hfedu.run.machine import Machine

SCENARIOS = int(os.environ.get("HFEDU_SCENARIOS", "1250"))
EXAMPLES, BATCH = 25, 5
"""Scenarios of one seed, which resemble each other, and seeds of one test."""


@dataclass
class Facts:
    """What can be known of a run: every result by VM, and how everything was left."""

    results: tuple[tuple[int, ...], ...]
    mailboxes: tuple[tuple[str, int, int, tuple[int, ...]], ...]
    vcpus: tuple[tuple[str, ...], ...]
    pages: tuple[tuple[bytes, ...], ...]
    ended: str

    def differences(self, other: "Facts") -> list[str]:
        """What is not the same, a line each."""
        lines = [f"ended: {self.ended} / {other.ended}"] if self.ended != other.ended else []
        for vm in range(len(self.results)):
            mine, theirs = self.results[vm], other.results[vm]
            if mine != theirs:
                at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), None)
                at = min(len(mine), len(theirs)) if at is None else at
                shown = [f"{log[at]:#x}" if at < len(log) else "nothing" for log in (mine, theirs)]
                lines.append(f"VM {vm}, result {at}: {shown[0]} / {shown[1]}")
            if self.mailboxes[vm] != other.mailboxes[vm]:
                lines.append(f"VM {vm}, mailbox: {self.mailboxes[vm]} / {other.mailboxes[vm]}")
            if self.vcpus[vm] != other.vcpus[vm]:
                lines.append(f"VM {vm}, vCPUs: {self.vcpus[vm]} / {other.vcpus[vm]}")
            for name, a, b in zip(s.PAGES, self.pages[vm], other.pages[vm], strict=True):
                if a != b:
                    at = next(i for i in range(len(a)) if a[i] != b[i])
                    lines.append(
                        f"VM {vm}, {name} page from byte {at}: {a[at : at + 8].hex()} / {b[at : at + 8].hex()}"
                    )
        return lines


Messages = list[tuple[int, int, bytes]]
"""What was received: by which VM, from whom, and the bytes."""


def on_model(scenario: s.Scenario) -> tuple[Facts, Messages, Counter[str]]:
    """The run as the model has it, and what it reached."""
    count = len(scenario.scripts)
    memory = [range(s.base(vm), s.base(vm) + s.VM_SIZE) for vm in range(count)]
    machine = model.Model(memory, list(scenario.vcpus), tuple(range(s.VMS_WITH_TABLES, count)))
    logs: list[list[int]] = [[] for _ in range(count)]
    messages: Messages = []
    ended = machine.run([lambda vm=vm: model_guest(scenario, vm, machine, logs[vm], messages) for vm in range(count)])
    facts = Facts(
        tuple(map(tuple, logs)),
        tuple((vm.mailbox, vm.size, vm.sender, tuple(w.index for w in reversed(vm.waiters))) for vm in machine.vms),
        tuple(tuple(vcpu.state for vcpu in vm.vcpus) for vm in machine.vms),
        tuple(tuple(bytes(machine.page(s.address(vm, name))) for name in s.PAGES) for vm in range(count)),
        ended,
    )
    return facts, messages, machine.reached


def model_guest(
    scenario: s.Scenario, vm: int, machine: model.Model, results: list[int], messages: Messages
) -> model.Guest:
    """A script as the model's guest."""
    received = woken = 0
    for action in scenario.scripts[vm]:
        match action:
            case s.Configure(send, recv):
                results.append((yield model.Call(0xFF03, s.address(vm, send), s.address(vm, recv))))
            case s.Send(target, size):
                results.append((yield model.Call(0xFF04, target, size)))
            case s.Reply():
                results.append((yield model.Call(0xFF04, received & 0xFFFF, received >> 32)))
            case s.Receive(block):
                received = yield model.Call(0xFF05, int(block))
                results.append(received)
                if received != MASK64:
                    recv = machine.vms[vm].recv
                    assert recv is not None
                    messages.append((vm, received & 0xFFFF, machine.read(recv, received >> 32)))
            case s.Clear():
                results.append((yield model.Call(0xFF06)))
            case s.VcpuRun(target, vcpu):
                woken = yield model.Call(0xFF00, target, vcpu)
                results.append(woken)
            case s.RunWoken(otherwise):
                woken = yield model.Call(0xFF00, woken >> 16 & 0xFFFF if woken & 0xFF == 2 else otherwise)
                results.append(woken)
            case s.VmCount():
                results.append((yield model.Call(0xFF01)))
            case s.VcpuCount(target):
                results.append((yield model.Call(0xFF02, target)))
            case s.Call(function, x1, x2, smc):
                results.append((yield model.Call(function, x1, x2, smc=smc)))
            case s.WaitForInterrupt():
                yield model.Wait()
            case s.Fill(place, first, count, _) if count:
                begin = s.address(vm, place) + 8 * first
                machine.touch(machine.vms[vm], begin)
                machine.write(begin, filling(action))
            case s.Copy(count):
                machine.write(s.address(vm, "send"), machine.read(s.address(vm, "recv"), 8 * count))
            case s.Sum(place, count):
                data = machine.read(s.address(vm, place), 8 * count)
                results.append(summed(struct.unpack(f"<{count}Q", data)))
            case s.Load(place, word):
                at = s.address(vm, place) + 8 * word
                machine.touch(machine.vms[vm], at)
                results.append(int.from_bytes(machine.read(at, 8), "little"))


def filling(fill: s.Fill) -> bytes:
    return struct.pack(f"<{fill.count}Q", *((fill.seed + k) * s.FILL_STEP & MASK64 for k in range(fill.count)))


def summed(numbers: tuple[int, ...] | list[int]) -> int:
    total = 0
    for number in numbers:
        total = (total >> s.SUM_ROTATE | total << 64 - s.SUM_ROTATE) + number & MASK64
    return total


def script_of(scenario: s.Scenario, vm: int, results: list[int], messages: Messages) -> Callable[[], Generator]:
    """A script as a scripted guest; results are put back into the form x0 had."""

    def guest() -> Generator[Action, Any, None]:
        received, woken = Message(0, b""), VcpuRunReturn(0, 0, 0)
        for action in scenario.scripts[vm]:
            match action:
                case s.Configure(send, recv):
                    results.append((yield hfedu.configure(s.address(vm, send), s.address(vm, recv))) & MASK64)
                case s.Send(target, size):
                    results.append((yield hfedu.send(target, b"", size)) & MASK64)
                case s.Reply():
                    sender, size = (0xFFFF, 0xFFFF_FFFF) if received is None else (received.sender, len(received.data))
                    results.append((yield hfedu.send(sender, b"", size)) & MASK64)
                case s.Receive(block):
                    received = yield hfedu.receive(block)
                    results.append(MASK64 if received is None else received.sender | len(received.data) << 32)
                    if received is not None:
                        messages.append((vm, received.sender, received.data))
                case s.Clear():
                    results.append((yield hfedu.clear()) & MASK64)
                case s.VcpuRun(target, vcpu):
                    woken = yield hfedu.vcpu_run(target, vcpu)
                    results.append(woken.code | woken.vm_id << 16 | woken.data << 32)
                case s.RunWoken(otherwise):
                    woken = yield hfedu.vcpu_run(woken.vm_id if woken.code == HfVcpuRun.WAKE_UP else otherwise)
                    results.append(woken.code | woken.vm_id << 16 | woken.data << 32)
                case s.VmCount():
                    results.append((yield hfedu.vm_count()))
                case s.VcpuCount(target):
                    results.append((yield hfedu.vcpu_count(target)) & MASK64)
                case s.Call(function, x1, x2, smc):
                    results.append((yield (hfedu.smc if smc else hfedu.hvc)(function, x1, x2)) & MASK64)
                case s.WaitForInterrupt():
                    yield hfedu.wait_for_interrupt()
                case s.Fill(place, first, _, _):
                    yield hfedu.store(s.address(vm, place) + 8 * first, filling(action))
                case s.Copy(count):
                    for at in range(0, 8 * count, 8):
                        word = yield hfedu.load(s.address(vm, "recv") + at)
                        yield hfedu.store(s.address(vm, "send") + at, word)
                case s.Sum(place, count):
                    numbers = []
                    for at in range(0, 8 * count, 8):
                        numbers.append((yield hfedu.load(s.address(vm, place) + at)))
                    results.append(summed(numbers))
                case s.Load(place, word):
                    results.append((yield hfedu.load(s.address(vm, place) + 8 * word)))

    return guest


def on_machine(images: list, vcpus: tuple[int, ...]) -> tuple[Machine, str]:
    """The images in VMs, run to the end."""
    secondaries = [Secondary(image, s.VM_SIZE, count) for image, count in zip(images[1:], vcpus, strict=True)]
    limits = {"max_traps": 10_000, "max_seconds": 120}  # one that never ends is told as one
    machine = Machine(RamDisk(images[0], secondaries), memory=s.RAM_SIZE, record=False, **limits)
    return machine, machine.run().outcome.kind


def left_by(machine: Machine, results: tuple[tuple[int, ...], ...], ended: str) -> Facts:
    """The state a machine was left in."""
    mailboxes = []
    for vm in machine.hypervisor.vms:
        waiters, waiter = [], vm.mailbox.recv_waiter
        while waiter is not None and len(waiters) < 10:  # a stack that was damaged may have no end
            waiters.append(waiter.index)
            waiter = waiter.mailbox_next
        box = vm.mailbox
        mailboxes.append((box.state.name, box.recv_bytes, box.recv_from_id, tuple(waiters)))
    vms = range(len(machine.hypervisor.vms))
    read = machine.board.memory.read
    return Facts(
        results,
        tuple(mailboxes),
        tuple(tuple(vcpu.state.name for vcpu in vm.vcpus) for vm in machine.hypervisor.vms),
        tuple(tuple(read(Pa(s.address(vm, name)), 4096) for name in s.PAGES) for vm in vms),
        ended,
    )


def as_machine_code(scenario: s.Scenario) -> Facts:
    images = [assembled.assemble(scenario, vm) for vm in range(len(scenario.scripts))]
    machine, ended = on_machine(images, scenario.vcpus)
    read = machine.board.memory.read
    results = tuple(assembled.logged(vm, lambda at, size: read(Pa(at), size)) for vm in range(len(images)))
    return left_by(machine, results, ended)


def as_scripts(scenario: s.Scenario) -> tuple[Facts, Messages]:
    logs: list[list[int]] = [[] for _ in scenario.scripts]
    messages: Messages = []
    guests = [script_of(scenario, vm, logs[vm], messages) for vm in range(len(logs))]
    machine, ended = on_machine(guests, scenario.vcpus)
    return left_by(machine, tuple(map(tuple, logs)), ended), messages


def disagreements(scenario: s.Scenario) -> list[str]:
    """What the three runs of a scenario do not agree on, a line each."""
    expected, expected_messages, _ = on_model(scenario)
    scripted, messages = as_scripts(scenario)
    lines = [f"machine code / model: {line}" for line in as_machine_code(scenario).differences(expected)]
    lines += [f"scripts / model: {line}" for line in scripted.differences(expected)]
    if messages != expected_messages:
        lines.append(f"scripts / model: messages received: {messages} / {expected_messages}")
    return lines


def agree(scenario: s.Scenario) -> None:
    lines = disagreements(scenario)
    assert not lines, "\n".join([*lines, "", str(scenario)])


def each_scenario(number: int, check: Callable[[s.Scenario], None], *phases: Phase) -> None:
    """Call `check` with the scenarios of one seed, which are always the same."""
    quick = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=phases or (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )

    def one_run(scenario: s.Scenario) -> None:
        check(scenario)

    seed(number)(quick(given(s.scenarios())(one_run)))()


@cache
def sample() -> tuple[s.Scenario, ...]:
    """Scenarios that are always the same."""
    found: list[s.Scenario] = []
    for number in range(30):
        each_scenario(number, found.append, Phase.generate)
    return tuple(found)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(-(-SCENARIOS // EXAMPLES // BATCH)))
def test_machine_code_scripts_and_model_agree(batch):
    agreed: set[s.Scenario] = set()

    def check(scenario: s.Scenario) -> None:
        if scenario not in agreed:
            agree(scenario)
            agreed.add(scenario)

    for number in range(batch * BATCH, (batch + 1) * BATCH):
        each_scenario(number, check)


REACHED = {
    "blocked: mailbox is EMPTY",
    "blocked: mailbox is READ",
    "clear refused: mailbox is EMPTY",
    "clear refused: mailbox is RECEIVED",
    "cleared",
    "configure refused: not mapped",
    "configure refused: same page",
    "configure refused: twice",
    "configure refused: unaligned",
    "configured",
    "guest's access refused",
    "message between secondaries, nobody waits",
    "message between secondaries, receiver waits",
    "message from the primary, nobody waits",
    "message from the primary, receiver waits",
    "message to the primary",
    "power call",
    "receive refused: mailbox is EMPTY",
    "receive refused: mailbox is READ",
    "receive refused: the primary",
    "received at once",
    "run",
    "run refused: by a secondary",
    "run refused: no such VM",
    "run refused: no such vCPU",
    "run refused: the primary",
    "run refused: vCPU is BLOCKED_INTERRUPT",
    "run refused: vCPU is OFF",
    f"run returned code {HfVcpuRun.WAIT_FOR_INTERRUPT:d}",
    f"run returned code {HfVcpuRun.WAKE_UP:d}",
    f"run returned code {HfVcpuRun.MESSAGE:d}",
    "send refused: mailbox is READ",
    "send refused: mailbox is RECEIVED",
    "send refused: no such VM",
    "send refused: sender is not configured",
    "send refused: target is not configured",
    "send refused: to itself",
    "send refused: too large",
    "unknown call",
    "vCPU count refused: by a secondary",
    "vCPU count refused: no such VM",
    "wait for interrupt",
}
"""Everything that can happen on one CPU without interrupts."""


@pytest.mark.slow
def test_the_scenarios_reach_everything():
    reached: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    talking = 0
    for scenario in sample():
        facts, _, happened = on_model(scenario)
        reached += happened
        ends[facts.ended] += 1
        talking += any(name.startswith("message") for name in happened)
    assert set(reached) == REACHED
    assert set(ends) == {"power off", "reset", "stuck", "hang"}
    assert talking > len(sample()) // 3


Send = Callable[..., Generator]


def waiter_stays(send: Send) -> Send:
    """A send that forgets to take the vCPU it wakes off the stack."""

    def mutant(self: Api, cpu: Any, vm_id: int, size: int) -> Generator:
        waiters = [vm.mailbox.recv_waiter for vm in self.vms]
        result = yield from send(self, cpu, vm_id, size)
        for vm, waiter in zip(self.vms, waiters, strict=True):
            vm.mailbox.recv_waiter = waiter
        return result

    return mutant


def received_by_a_waiter(send: Send) -> Send:
    """A send that leaves the mailbox RECEIVED although a waiter already has the message."""

    def mutant(self: Api, cpu: Any, vm_id: int, size: int) -> Generator:
        result = yield from send(self, cpu, vm_id, size)
        for vm in self.vms[1:]:
            if vm.id == vm_id and vm.mailbox.state is MailboxState.READ:
                vm.mailbox.state = MailboxState.RECEIVED
        return result

    return mutant


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [waiter_stays, received_by_a_waiter])
def test_a_wrong_send_is_caught(mutant, monkeypatch):
    monkeypatch.setattr(Api, "api_mailbox_send", mutant(Api.api_mailbox_send))
    assert any(disagreements(scenario) for scenario in sample())


@pytest.mark.slow
def test_a_wrong_limit_is_caught_and_shrunk_to_a_few_actions(monkeypatch):
    told: list[s.Scenario] = []

    def check(scenario: s.Scenario) -> None:
        told.append(scenario)
        agree(scenario)

    def hunt() -> None:
        for number in range(30):
            each_scenario(number, check)

    monkeypatch.setattr("hfedu.hf.api.HF_MAILBOX_SIZE", 4095)
    with pytest.raises(AssertionError, match=r"    Send\(\d, 0x1000\)"):
        hunt()
    assert sum(len(script) for script in told[-1].scripts) <= 8


@pytest.mark.slow
def test_the_scenarios_are_the_same_in_every_process():
    code = (
        "import sys, hfedu.cli, hfedu.course.shared.scenes; sys.path.insert(0, sys.argv[1])\n"
        "import test_differential as d; d.each_scenario(1, lambda scenario: print(scenario), d.Phase.generate)"
    )
    here = Path(__file__).parent
    other = subprocess.run([sys.executable, "-c", code, here], check=True, capture_output=True, text=True).stdout
    mine: list[str] = []
    each_scenario(1, lambda scenario: mine.append(f"{scenario}\n"), Phase.generate)
    assert other == "".join(mine)
