"""Why: every refusal, fault, wait and end has a chain of causes, and what the chain says is so in the recording."""

import re
from dataclasses import replace

import pytest
from conftest import one, recorded

import hfedu
from hfedu import Kind, RamDisk, Secondary, clear, configure, cpu_on, hvc, load, meet, receive, send, smc, vcpu_run
from hfedu.hf import call
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.psci import PsciCall
from hfedu.hf.spinlock import SpinLock
from hfedu.history import rpc
from hfedu.run import words
from hfedu.run.explorer import Scenario, counterexample, explore
from hfedu.run.recording import Actor

STATE = re.compile(r"(VM \d+)(?: (vCPU \d+)|'s mailbox) is (?:not READY, it is )?([A-Z_]+) since event (\d+)")
SENT = re.compile(r"(VM \d+)'s message was delivered there at event (\d+)")
RECORDED = [run.name for run in recorded("runs")[::12]] + [run.name for run in recorded("faults")]


def path(vm, vcpu):
    """As in `State`: ("VM 1", "vCPU 0") -> "vm1.vcpu0.state"."""
    vm = vm.replace("VM ", "vm")
    return f"{vm}.{vcpu.replace(' ', '').lower()}.state" if vcpu else f"{vm}.mailbox.state"


def served(run, event):
    """The last event before the next trap on the same CPU: until then the hypervisor may serve this one."""
    traps = (Kind.HYPERCALL, Kind.SMC, Kind.WFI, Kind.IRQ, Kind.FAULT, Kind.END)
    later = (e.seq for e in run.events[event.seq + 1 :] if e.cpu == event.cpu and e.kind in traps)
    return next(later, len(run.events)) - 1


def assert_true_of(run, why, first, last=None):
    """Each link leads to an event that its sentence names, up to `last`; what it says was so after one from `first`."""
    last = first if last is None else last
    assert why.links, run.events[first]
    states = [run.at(seq) for seq in range(first, last + 1)]
    for sentence, event in why:
        assert sentence.endswith("."), sentence
        named = [int(number) for number in re.findall(r"event (\d+)", sentence)]
        assert event is None or event in named, sentence
        assert all(number <= last for number in named), sentence
        for vm, vcpu, value, since in STATE.findall(sentence):
            assert any(state[path(vm, vcpu)] == value for state in states), sentence
            assert run.events[int(since)].change(path(vm, vcpu)).new == value, sentence
        for sender, number in SENT.findall(sentence):
            delivery = run.events[int(number)]
            assert (delivery.kind, words.vm_of(delivery.actor)) == (Kind.DELIVER, sender), sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_in_recorded_runs_every_chain_agrees_with_the_recording(name):
    recorded_run = one(name)
    run = hfedu.boot(recorded_run.initrd, memory=recorded_run.memory, max_instructions=5_000_000)
    for event in run.events[:400]:
        if words.failed(event) or event.kind in (Kind.FAULT, Kind.END):
            assert_true_of(run, run.why(event), event.seq)
    for line in run.lifelines:
        for seq in range(len(run.lifelines) + 3, len(run.events), 7)[:40]:
            assert_true_of(run, run.why(seq, line.name), seq)


def boot(primary, *secondaries, **options):
    return hfedu.boot(RamDisk(primary, list(secondaries)), **options)


def refusal(run, number=0):
    """The chain of the last refused call, or of the one before it, and so on."""
    refused = [event for event in run.events if words.failed(event)]
    return run.why(refused[-1 - number])


def idle():
    yield receive()


def ready():
    yield configure()
    yield receive()


def primary_that(*calls):
    def primary():
        yield configure()
        yield vcpu_run(1)
        for action in calls:  # noqa: UP028 - a script is sent results, which a tuple cannot take
            yield action

    return primary


def secondary_that(*calls, configured=True):
    def secondary():
        if configured:
            yield configure()
        for action in calls:  # noqa: UP028 - a script is sent results, which a tuple cannot take
            yield action
        yield receive()

    return secondary


FAR = 0x1_0000_0000_0000
BY_PRIMARY = {
    "A message has at most 4096 bytes, this one has 4097.": hvc(call.HF_MAILBOX_SEND, 1, 4097),
    "A VM cannot send to itself.": hvc(call.HF_MAILBOX_SEND, 0, 1),
    "There is no VM 7: there are VMs 0 to 1.": hvc(call.HF_MAILBOX_SEND, 7, 1),
    "The primary may not receive": receive(),
    "Only a mailbox that is READ can be cleared, and VM 0's is EMPTY.": clear(),
    "The primary cannot run itself.": vcpu_run(0),
    "There is no VM 9: there are VMs 0 to 1. ": vcpu_run(9),
    "VM 1 has no vCPU 3.": vcpu_run(1, 3),
    "VM 1 vCPU 0 is not READY, it is BLOCKED_INTERRUPT since event": vcpu_run(1),
    "The send page must begin at a multiple of 4096, 0x1 does not.": hvc(call.HF_VM_CONFIGURE, 1, 0x1000),
    "The receive page must begin at a multiple of 4096, 0x2 does not.": hvc(call.HF_VM_CONFIGURE, 0x1000, 2),
    "VM 0 configured its pages at event 4 already": configure(),
    "There is no VM 5": hfedu.vcpu_count(5),
    "The hypervisor knows no such call: 0x7.": hvc(7),
    "The hypervisor knows no such call: 0xff07.": hvc(0xFF07),
    "By SMC only the primary's power control": smc(call.HF_VM_GET_COUNT),
    "There is no CPU 0x63": hvc(PsciCall.CPU_ON, 99),
    "There is no CPU 0x8": hvc(PsciCall.AFFINITY_INFO, 8),
    "Only affinity level 0 is served": hvc(PsciCall.AFFINITY_INFO, 0, 1),
    "CPU 0 is on since event 3.": smc(PsciCall.CPU_ON, 0),
    "The firmware cannot turn CPU 5 on: the machine has 1.": hvc(PsciCall.CPU_ON, 5),
}
BY_SECONDARY = {
    "Only the primary may run vCPUs.": vcpu_run(1),
    "Only the primary may ask for vCPU counts.": hfedu.vcpu_count(1),
    "There is no new message, and the call was not allowed to block.": receive(block=False),
    "Power control (PSCI) is for the primary alone.": hvc(PsciCall.SYSTEM_OFF),
    "By SMC only the primary's": smc(0x8400_0000 + 0x77),
}


@pytest.mark.parametrize("begins", BY_PRIMARY)
def test_what_the_primary_is_refused(begins):
    run = boot(primary_that(BY_PRIMARY[begins]), ready)
    why = refusal(run)
    assert why.links[0].sentence.startswith(begins.strip())
    assert_true_of(run, why, len(run.events) - 1)


@pytest.mark.parametrize("begins", BY_SECONDARY)
def test_what_a_secondary_is_refused(begins):
    run = boot(primary_that(), secondary_that(BY_SECONDARY[begins]))
    why = refusal(run)
    assert why.links[0].sentence.startswith(begins)
    assert_true_of(run, why, len(run.events) - 1)


def test_a_page_outside_the_memory_names_the_descriptor_and_whose_it_is():
    outside = {0x4000_2000: "belongs to the hypervisor", 0x40F8_0000: "belongs to VM 1"}
    for page, whose in outside.items():
        run = boot(primary_that(), secondary_that(hvc(call.HF_VM_CONFIGURE, page, page), configured=False), ready)
        if whose == "belongs to VM 1":
            run = boot(
                primary_that(vcpu_run(2)),
                ready,
                secondary_that(hvc(call.HF_VM_CONFIGURE, page, page), configured=False),
            )
        why = refusal(run)
        assert f"The send page, {page:#x}, must be in the VM's own memory" in str(why)
        assert whose in str(why)


def test_the_two_pages_must_differ():
    def primary():
        yield configure(0x4008_4000, 0x4008_4000)

    assert str(refusal(boot(primary))) == "The two pages must differ, both are 0x40084000."


@pytest.mark.parametrize("pages", [(0, 0x4008_4000), (0x4008_4000, 0)])
def test_a_page_at_address_0_counts_as_none(pages):
    def primary():
        yield hvc(call.HF_VM_CONFIGURE, *pages)

    assert str(refusal(boot(primary))) == "A page at address 0 counts as none."


def test_a_send_without_pages_says_who_must_configure_and_why_it_has_not():
    def no_send_page():
        yield send(1, 3)

    def no_receive_page():
        yield configure()
        yield hvc(call.HF_MAILBOX_SEND, 1, 1)

    def failed_first():
        yield hvc(call.HF_VM_CONFIGURE, 1, 1)
        yield hvc(call.HF_MAILBOX_SEND, 1, 1)

    def bare():
        yield hvc(call.HF_MAILBOX_SEND, 1, 1)

    assert str(refusal(boot(bare, ready))).startswith("VM 0 has no send page. VM 0 has not called HF_VM_CONFIGURE.")
    why = str(refusal(boot(no_receive_page, ready)))
    assert "VM 1 has no receive page. VM 1 has not called HF_VM_CONFIGURE." in why
    assert "VM 1 vCPU 0 is READY since event 2, when its VM was loaded." in why
    why = str(refusal(boot(failed_first, ready)))
    assert "Its HF_VM_CONFIGURE at event 4 was refused. The send page must begin at a multiple of 4096" in why


def test_a_busy_mailbox_says_who_filled_it_and_what_its_owner_does():
    run = boot(primary_that(send(1, "one"), send(1, "two")), ready)
    why = refusal(run)
    filled = next(event.seq for event in run.events if event.kind is Kind.DELIVER)
    assert [link.seq for link in why] == [filled, filled + 1, None]
    assert f"VM 0's message was delivered there at event {filled} and VM 1 has not cleared it." in str(why)
    assert f"VM 1 vCPU 0 is READY since event {filled + 1}: a message woke it." in str(why)
    assert str(why).endswith(
        "What helps: VM 1 runs (HF_VCPU_RUN) and clears its mailbox, and then the send is tried again."
    )


def test_a_mailbox_that_was_received_names_both_events():
    def take():
        yield configure()
        yield send(0, "a")
        yield receive()
        yield receive()

    run = boot(primary_that(send(1, "b"), vcpu_run(1), send(1, "c")), take)
    why = str(refusal(run))
    assert "VM 0's message was delivered there at event" in why
    assert re.search(r"is READ because VM 1 received its message at event \d+ and has not cleared it", why)


def test_clear_of_a_message_that_nobody_received():
    run = boot(primary_that(send(1, "b"), vcpu_run(1)), secondary_that(send(0, "a"), clear()))
    why = str(refusal(run))
    assert why.startswith("Only a mailbox that is READ can be cleared, and VM 1's is RECEIVED.")
    assert "and VM 1 has not received it." in why


def why_waits(run, vcpu="vm1.vcpu0"):
    return str(run.why(len(run.events) - 1, vcpu))


def test_a_vcpu_in_wfi_is_never_woken_and_a_message_does_not_help():
    run = boot(primary_that(send(1, "x")), secondary_that(hfedu.wait_for_interrupt()))
    why = why_waits(run)
    assert "VM 1 vCPU 0 waits for an interrupt since its WFI at event" in why
    assert "A message waits for it since event" in why
    assert "Nothing will wake it" in why
    fixed = boot(primary_that(), secondary_that(hfedu.wait_for_interrupt()), profile="fixed")
    assert "It wakes when the primary calls HF_INTERRUPT_INJECT" in why_waits(fixed)


def test_a_receive_before_configure_is_never_woken():
    why = why_waits(boot(primary_that(), idle))
    assert "VM 1 has no receive page and cannot configure one: every send to it fails, so nothing wakes it." in why
    repaired = why_waits(boot(primary_that(), idle, profile="fixed"))
    assert "so no message wakes it. HF_INTERRUPT_INJECT by the primary ends the wait with -1." in repaired


def test_a_receive_after_a_message_that_was_not_cleared_is_never_woken():
    run = boot(primary_that(send(1, "x"), vcpu_run(1)), secondary_that(receive(), receive()))
    why = why_waits(run)
    assert "VM 1 cannot clear its mailbox while it waits: every send to it fails, so nothing wakes it." in why


def test_a_receive_that_a_message_ends():
    why = why_waits(boot(primary_that(), ready))
    assert "VM 1's mailbox is EMPTY since event 2: no message has come yet." in why
    assert "the switch overwrote BLOCKED_MAILBOX (defect blocked-state)" in why
    assert "The next message to VM 1 wakes it." in why
    assert "CPU 0 is held by VM 0 vCPU 0" in why
    repaired = why_waits(boot(primary_that(), ready, fixes=["no-interrupt"]))
    assert "overwrote" not in repaired
    assert "HF_INTERRUPT_INJECT by the primary ends the wait with -1." in repaired


def test_a_message_that_is_there_is_about_to_wake_who_waits_and_nobody_else():
    run = boot(primary_that(send(1, "x")), ready)
    delivery = next(event.seq for event in run.events if event.kind is Kind.DELIVER)
    assert f"The message of event {delivery} is about to wake it." in str(run.why(delivery, "vm1.vcpu0"))
    assert "READY" in str(run.why(delivery + 1, "vm1.vcpu0"))


def test_a_vcpu_that_is_off_and_one_that_is_ready():
    run = boot(primary_that(vcpu_run(1, 1)), Secondary([ready, ready], vcpus=2), ready)
    assert "Nothing starts it" in why_waits(run, "vm1.vcpu1")
    why = str(refusal(run))
    assert why.startswith("VM 1 vCPU 1 is not READY, it is OFF since event 2. Nothing starts it:")
    why = why_waits(run, "vm2.vcpu0")
    assert "VM 2 vCPU 0 is READY since event 3, when its VM was loaded." in why
    assert "HF_VCPU_RUN(VM 2, vCPU 0)" in why


def test_a_vcpu_whose_vm_is_not_loaded_yet_is_said_not_to_be_there():
    run = boot(primary_that(), ready, ready)
    for event in run.events:
        said = str(run.why(event.seq, "vm2.vcpu0"))
        assert ("is not loaded" in said) == (run.at(event).get("vm2.vcpu0.state") is None), said


def test_the_primary_waits_for_the_vcpu_it_runs():
    run = boot(primary_that(), ready)
    inside = next(event.seq for event in run.events if event.actor == Actor(1, 0))
    why = str(run.why(inside, "vm0.vcpu0"))
    assert "called HF_VCPU_RUN at event 6, which gave its CPU to VM 1 vCPU 0" in why
    assert str(run.why(inside, "vm1.vcpu0")).startswith("VM 1 vCPU 0 runs: it has CPU 0 since event 7.")


def test_a_fault_names_the_descriptor_and_what_becomes_of_the_vm():
    def careless():
        yield load(0x4000_2000)

    run = boot(primary_that(), careless)
    fault = next(event for event in run.events if event.kind is Kind.FAULT)
    why = str(run.why(fault))
    assert "VM 1 vCPU 0 loads from address 0x40002000, and stage 2 of VM 1 does not let it." in why
    level, entry, descriptor = run.at(fault.seq)["vm1.stage2"].walk(0x4000_2000)[-1]
    assert f"The descriptor at {entry:#x}, level {3 - level}, says {descriptor:#x}, which is not valid" in why
    assert "belongs to the hypervisor" in why
    assert "CPU 0 spins for ever (defect abort-hangs)" in why
    assert str(run.why(run.events[-1])).startswith(f"VM 1 vCPU 0 faulted at event {fault.seq}.")
    repaired = boot(primary_that(vcpu_run(1)), careless, fixes=["abort-hangs"])
    fault = next(event for event in repaired.events if event.kind is Kind.FAULT)
    assert "VM 1 is stopped, and the primary goes on at event" in str(repaired.why(fault))
    assert str(refusal(repaired)) == f"VM 1 was stopped: it faulted at event {fault.seq}."
    transcript = repaired.transcript()
    assert "CPU 0 switches to VM 0 vCPU 0: run = ABORTED(VM 1)" in transcript
    assert "VM 0 vCPU 0's run returns ABORTED(VM 1)" in transcript


def test_an_interrupt_under_the_repair_reads_as_one():
    def busy():
        yield configure()
        while True:
            yield load(0x40F8_0000)

    run = boot(primary_that(), busy, timer=50, fixes=["preempt-as-yield"])
    assert "CPU 0 switches to VM 0 vCPU 0: run = PREEMPTED" in run.transcript()


def race(first, second, **fixes):
    def setup():
        yield configure()
        yield vcpu_run(1)

    found = explore(Scenario("both", "Two CPUs.", setup, (first, second), (ready,)), **fixes)
    assert found.violations
    return [counterexample(found, violation, hfedu.Machine) for violation in found.violations]


def test_a_counterexample_and_a_deadlock_say_what_each_cpu_did_last():
    def sends():
        yield send(1, "x")
        yield vcpu_run(1)

    def runs():
        yield vcpu_run(1)

    for run in race(sends, runs):
        end = run.events[-1]
        assert_true_of(run, run.why(end), end.seq)
        assert re.search(r"The last trap on CPU [01] is event \d+", str(run.why(end)))


def on_two_cpus(seed):
    """Both CPUs send to one mailbox."""

    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield meet()
        yield hvc(call.HF_MAILBOX_SEND, 1, 1)
        yield vcpu_run(1)

    def second():
        yield meet()
        yield hvc(call.HF_MAILBOX_SEND, 1, 2)
        yield vcpu_run(1)

    return hfedu.Machine(RamDisk([first, second], [ready]), cpus=2, schedule=seed).run()


@pytest.mark.parametrize("seed", range(15))
def test_on_two_cpus_a_chain_says_what_the_hypervisor_saw(seed):
    """A call begins on one CPU, another CPU fills the mailbox, and then the first is refused."""
    run = on_two_cpus(seed)
    refused = [event for event in run.events if words.failed(event)]
    assert refused
    for event in run.events:
        if event.actor == Actor(1, 0) and event.function == call.HF_MAILBOX_RECEIVE and event.seq not in run.returns:
            assert "VM 1's mailbox is EMPTY since event" in str(run.why(event))
    for event in refused:
        assert_true_of(run, run.why(event), event.cause, event.seq)
        assert " is EMPTY" not in str(run.why(event)) or words.number(event) == call.HF_VCPU_RUN


def test_it_shows_itself_as_numbered_lines_and_mistakes_are_sentences():
    run = boot(primary_that(clear()), ready)
    lines = repr(refusal(run)).splitlines()
    assert lines[0] == "Why event 13, VM 0 vCPU 0's clear returns -1:"
    assert repr(run.why(12)) == repr(refusal(run)), "a call that was refused is explained where it returns"
    assert lines[1] == "  1. Only a mailbox that is READ can be cleared, and VM 0's is EMPTY."
    with pytest.raises(hfedu.Mistake, match="there is no event 99"):
        run.why(99)
    with pytest.raises(hfedu.Mistake, match=r"there is no vCPU 'vm9.vcpu0': this recording has vm0.vcpu0"):
        run.why(3, "vm9.vcpu0")


def test_any_other_event_is_explained_by_what_led_to_it():
    run = boot(primary_that(send(1, "x")), ready)
    for event in run.events:
        assert_true_of(run, run.why(event), event.seq, served(run, event))
    woken = next(event for event in run.events if event.kind is Kind.WAKE)
    delivery, began = (cause.seq for cause in woken.causes)
    sent = run.events[delivery].cause
    assert [link.seq for link in run.why(woken)] == [delivery, began, sent, run.events[began].cause]
    assert [link.sentence.partition(":")[0] for link in run.why(woken)] == [
        f"It is about the message of event {delivery}",
        f"It ends the wait that began at event {began}",
        f"Event {delivery} is part of event {sent}",
        f"Event {began} has its CPU since event {run.events[began].cause}",
    ]


def test_the_interface_before_the_commit_has_chains_too():
    def asks():
        yield configure()
        yield hvc(rpc.RPC_ACK)
        yield hvc(rpc.RPC_READ_REQUEST, 1)
        yield hvc(rpc.RPC_READ_REQUEST, 1)

    def requests():
        yield configure()
        yield vcpu_run(1)
        yield hvc(rpc.RPC_REQUEST, 1, 4)
        yield hvc(rpc.RPC_REQUEST, 1, 4)
        yield vcpu_run(1)
        yield vcpu_run(1)

    run = boot(requests, asks, profile="rpc")
    assert str(refusal(run, 1)).startswith("VM 1's mailbox is INFLIGHT because VM 0's message was delivered")
    assert "VM 1 runs (HF_VCPU_RUN) and acknowledges its mailbox" in str(refusal(run, 1))
    assert str(refusal(run)).startswith("VM 1 vCPU 0 is not READY, it is BLOCKED_RPC since event")
    assert "VM 1 cannot clear its mailbox while it waits" in why_waits(run)


def test_a_run_that_ends_without_power_says_what_the_cpu_did_last():
    def waits():
        yield configure()
        yield vcpu_run(1)
        yield hfedu.wait_for_interrupt()

    def turns_off():
        yield hvc(PsciCall.CPU_OFF)

    for primary in (waits, turns_off):
        run = boot(primary, ready)
        assert run.outcome.kind == "stuck"
        assert_true_of(run, run.why(run.events[-1]), len(run.events) - 1)
        assert "The last trap on CPU 0 is event" in str(run.why(run.events[-1]))
    assert "belongs to CPU 0, which was turned off since event 4" in str(run.why(len(run.events) - 1, "vm0.vcpu0"))
    spin = hfedu.boot(RamDisk(b"\0\0\0\x14"), max_instructions=1000)
    assert "CPU 0 is held by VM 0 vCPU 0 since event 2." in str(spin.why(spin.events[-1]))


def test_a_deadlock_says_what_each_cpu_serves_and_which_lock_it_waits_for():
    """No two locks of this hypervisor are taken in both orders: the outcome is made by hand, its sentence is real."""
    run = on_two_cpus(1)
    locks = (SpinLock("vm1.lock", None), SpinLock("vm1.vcpu0.lock", None))
    machine = hfedu.Machine(RamDisk(ready), cpus=2)
    for core, lock, owner in zip(machine.cores, locks, reversed(machine.cores), strict=True):
        lock.owner, core.step = owner.cpu, lock.acquire
    deadlock = machine.deadlock()
    outcome = hfedu.Outcome("deadlock", str(deadlock), 4, deadlock.spins)
    links = str(replace(run, outcome=outcome).why(run.events[-1]))
    assert re.search(r"Serving event \d+, CPU 0 waits for vm1\.lock, which CPU 1 holds\.", links)
    assert re.search(r"Serving event \d+, CPU 1 waits for vm1\.vcpu0\.lock, which CPU 0 holds\.", links)


def test_a_hypervisor_with_a_class_of_ones_own_has_chains_too():
    class Own(Hypervisor):
        pass

    def primary():
        yield vcpu_run(1)
        yield vcpu_run(1)

    def sleeper():
        yield hfedu.wait_for_interrupt()

    disk = RamDisk(primary, [sleeper])
    run, plain = hfedu.boot(disk, changes=[Own]), hfedu.boot(disk)
    event = next(event for event in run.events if event.kind is Kind.WFI)
    assert run.why(event).links[0] == plain.why(event).links[0]
    assert "nobody can give an interrupt" in str(plain.why(event))
    assert "What wakes it is this hypervisor's" in str(run.why(event))


@pytest.mark.parametrize("wait", [lambda: hfedu.receive(block=True), hfedu.wait_for_interrupt])
@pytest.mark.parametrize("fixes", [(), {"no-interrupt"}])
def test_what_helps_a_refused_sender_is_no_run_of_who_can_never_run_again(wait, fixes):
    def reader():
        yield hfedu.configure()
        yield hfedu.receive(block=True)
        yield wait()

    def sends_twice():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, "one")
        yield hfedu.send(1, "two")
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, "two")

    run = hfedu.boot(RamDisk(sends_twice, [reader]), fixes=fixes)
    early, late = (run.why(event).links[-1].sentence for event in run.events if event.refused and "send" in str(event))
    assert early.startswith("What helps: VM 1 runs")
    assert late.startswith("What helps: VM 1 runs" if fixes else "VM 1 cannot run again")


def test_the_steps_of_a_refused_call_say_which_condition_refused_it():
    def sends_to_itself():
        yield hfedu.configure()
        yield hfedu.send(0, "hello")

    run = hfedu.boot(RamDisk(sends_to_itself))
    (refused,) = (event for event in run.events if event.refused)
    for seq in (refused.seq, run.call_of(refused).seq):
        assert "The hypervisor requires" in run.steps(seq).note
    assert "requires" not in run.steps(refused.seq - 2).note
