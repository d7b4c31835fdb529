"""Hypervisors of one's own: what Why? says of them is so, or it says that they give no reason."""

import ast
import re
from pathlib import Path

import pytest

import hfedu
from hfedu import RamDisk, clear, configure, receive, send, vcpu_run
from hfedu.course.shared.wrong import WRONG
from hfedu.hf.api import running
from hfedu.hf.call import ERROR
from hfedu.hf.hook import HOOKS
from hfedu.hf.hypervisor import Hypervisor
from hfedu.run import words
from hfedu.view.why import NO_REASON, REFUSALS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "notebooks" / "your_own_hypervisor.md"


def talks():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "hello")
    yield send(1, "again")
    yield clear()
    yield vcpu_run(1)
    yield send(1, "third")


def listens():
    yield configure()
    yield clear()
    yield receive()
    yield receive(block=False)
    yield clear()
    yield receive()


def boot(*changes, **options):
    return hfedu.boot(RamDisk(talks, [listens]), changes=changes, **options)


def refusals(run, verb):
    return [event for event in run.events if words.failed(event) and event.call.verb == verb]


def test_the_page_on_writing_one_runs_block_by_block():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    first = hfedu.boot(RamDisk(names["primary"], [names["receiver"]]), changes=[names["Short"]])
    (refused,) = refusals(first, "send")
    assert str(first.why(refused)) == (
        "The hypervisor requires “size <= 3” of VM 0, and that does not hold: size is 0x5."
    )


def test_the_page_names_hooks_that_there_are():
    named = set(re.findall(r"`(\w+)`", PAGE.read_text().partition("are the places")[2].partition("##")[0]))
    assert named
    assert named <= {name.rpartition(".")[2] for name in HOOKS}


def test_every_hook_says_what_it_is_for_and_is_no_function_of_upstream():
    for name in HOOKS:
        assert not name.rpartition(".")[2].startswith(("api_", "mm_", "sl_", "psci_")), name


def test_a_class_that_refuses_without_a_reason_gives_none():
    class Short(Hypervisor):
        def api_mailbox_send(self, cpu, vm_id, size):
            if size > 3:
                yield from ()
                return ERROR, None
            return (yield from super().api_mailbox_send(cpu, vm_id, size))

    run = boot(Short)
    for event in refusals(run, "send"):
        assert str(run.why(event)) == NO_REASON
        assert str(run.why(event.cause)) == NO_REASON


def test_a_class_that_drops_a_reason_and_refuses_by_itself_gives_none():
    class Quiet(Hypervisor):
        def api_mailbox_send(self, cpu, vm_id, size):
            ret, next_vcpu = yield from super().api_mailbox_send(cpu, vm_id, size)
            return (ERROR, None) if ret == ERROR else (ret, next_vcpu)

    for event in refusals(run := boot(Quiet), "send"):
        assert str(run.why(event)) == NO_REASON


def test_a_class_that_passes_a_reason_on_gives_it():
    class Plain(Hypervisor):
        def api_mailbox_send(self, cpu, vm_id, size):
            return (yield from super().api_mailbox_send(cpu, vm_id, size))

    run, stock = boot(Plain), boot()
    for event, other in zip(refusals(run, "send"), refusals(stock, "send"), strict=True):
        assert run.why(event).links[0] == stock.why(other).links[0]
        assert "What helps" not in str(run.why(event)), "under another hypervisor nobody knows what helps"


def test_a_class_that_takes_what_the_stock_one_refuses_is_not_told_as_refusing():
    class Generous(Hypervisor):
        def busy_locked(self, cpu, to):
            return 0

    run = boot(Generous)
    assert not refusals(run, "send")
    second = [event for event in run.events if event.call is not None and event.call.verb == "send"][2]
    checks = {check.condition: check for check in second.checks}
    assert not checks["mailbox.state is EMPTY"].passed
    assert "It has its CPU since event" in str(run.why(second))


def test_a_reason_that_is_ours_and_values_that_are_not():
    class Odd(Hypervisor):
        def clear_locked(self, vm):
            odd = self.require(vm.id % 2 == 0, "vm_id is even", vm, vm=vm.id)
            return odd if not odd else (yield from super().clear_locked(vm))

    run = boot(Odd)
    first = refusals(run, "clear")[-1]
    assert first.refused.condition == "vm_id is even"
    assert str(run.why(first)).startswith("The hypervisor requires “vm_id is even” of VM 1")


@pytest.mark.parametrize("mistake", sorted(WRONG))
def test_of_a_wrong_hypervisor_no_cause_lies_after_its_effect(mistake):
    """What a link says of a state was so at the event that it names, which is not after what it explains."""
    run = boot(*WRONG[mistake].fault.changes, profile="fixed")
    for event in run.events:
        for sentence, seq in run.why(event):
            named = [int(number) for number in re.findall(r"event (\d+)", sentence)]
            explained = run.returned(event) if event.seq in run.returns else event
            last = run.settled(explained).seq
            assert all(number <= last for number in named), (event, sentence)
            assert seq is None or seq in named
            for vm, state, since in re.findall(r"VM (\d+)'s mailbox is ([A-Z]+) since event (\d+)", sentence):
                assert run.at(int(since))[f"vm{vm}.mailbox.state"] == state, sentence


def conditions():
    """The texts of all conditions that hf and history require, but for the model of a later interface.

    Of its refusals Why? tells the condition as it was noted.
    """
    for folder in ("hf", "history"):
        for path in sorted((ROOT / "hfedu" / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text() if path.name != "ffa.py" else "")):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "require":
                    for text in ast.walk(node.args[1]):
                        if isinstance(text, ast.Constant) and isinstance(text.value, str):
                            yield text.value


def test_every_condition_of_ours_is_explained_and_nothing_else():
    texts = {text for text in conditions() if text != "condition"}
    texts |= {"the caller is the primary", "the caller is a secondary"}
    assert texts == set(REFUSALS)


def test_an_answer_ends_with_what_helps():
    run = boot()
    busy = refusals(run, "send")[0]
    assert run.why(busy).links[-1].sentence == (
        "What helps: VM 1 runs (HF_VCPU_RUN) and clears its mailbox, and then the send is tried again."
    )
    unread = refusals(run, "receive")[0]
    assert run.why(unread).links[-1].sentence.startswith("What helps: clear the mailbox")


def test_what_helps_does():
    """The remedy of a refused send, done: VM 1 runs and clears, and the next send succeeds."""

    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "one")
        yield send(1, "two")
        yield vcpu_run(1)
        yield send(1, "two")

    def cleared():
        yield configure()
        while True:
            yield receive()
            yield clear()

    run = hfedu.boot(RamDisk(primary, [cleared]))
    assert len(refusals(run, "send")) == 1
    last = [event for event in run.events if event.call is not None and event.call.verb == "send"][-1]
    assert last.result == 0


def test_fields_of_ones_own_are_seen_deep():
    class Queue(Hypervisor):
        def __init__(self, platform):
            super().__init__(platform)
            self.queue = []

        def busy_locked(self, cpu, to):
            self.queue.append({"from": running(cpu).vm.id})
            return super().busy_locked(cpu, to)

    run = boot(Queue)
    first = refusals(run, "send")[0]
    assert run.at(first.seq)["hypervisor.queue"] == ({"from": 0},)
    assert run.events[first.cause].change("hypervisor.queue").old == ()
