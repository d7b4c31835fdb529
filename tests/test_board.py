"""The board's devices as a guest and a notebook meet them: interrupts and their events, time, the serial line in."""

import pytest

import hfedu
from hfedu import Kind, Mistake, RamDisk, replay

POWER_OFF = "movz x0, #0x8400, lsl #16\n movk x0, #8\n hvc #0\n"
GIC = """
 movz x20, #0x800, lsl #16
 movz x21, #0x801, lsl #16
 mov w1, #{ctlr}
 str w1, [x20]
 mov w1, #{mask}
 str w1, [x21, #4]
 mov w1, #{interface}
 str w1, [x21]
 movz w1, #{enabled}, lsl #16
 str w1, [x20, #0x100]
"""
ARM = " mov x1, #{ticks}\n msr cntv_tval_el0, x1\n mov x1, #1\n msr cntv_ctl_el0, x1\n isb\n"
RUN_VM_1 = " movz x0, #0xff00\n mov x1, #1\n mov x2, #0\n hvc #0\n"
ANSWER = " ldr w5, [x21, #12]\n msr cntv_ctl_el0, xzr\n str w5, [x21, #16]\n"
SPIN = "b ."


def gic(ctlr=1, mask=0xFF, interface=1, enabled=0x800) -> str:
    return GIC.format(ctlr=ctlr, mask=mask, interface=interface, enabled=enabled)


def preempting(ticks: int = 1000, times: int = 1, **how) -> RamDisk:
    """A primary whose own timer takes the CPU out of a secondary that never yields."""
    body = (ARM.format(ticks=ticks) + RUN_VM_1 + ANSWER) * times
    return RamDisk(hfedu.assemble(gic(**how) + body + POWER_OFF), [hfedu.assemble(SPIN)])


def of(run, kind):
    return [event for event in run.events if event.kind is kind]


def test_from_the_timers_expiry_to_the_yield_of_the_primary():
    run = hfedu.boot(preempting())
    raised, irq, acknowledged, ended = (
        of(run, kind)[0] for kind in (Kind.RAISED, Kind.IRQ, Kind.ACKNOWLEDGED, Kind.ENDED)
    )
    assert raised.seq < irq.seq < acknowledged.seq < ended.seq
    assert irq.caused_by("interrupt") == acknowledged.caused_by("interrupt") == raised.seq
    assert ended.caused_by("interrupt") == acknowledged.seq
    assert run.events[irq.seq + 1].kind is Kind.SWITCH
    assert "run = YIELD" in run.transcript()
    why = str(run.why(irq.seq))
    assert f"At event {raised.seq}, the virtual timer's interrupt (27) is raised for CPU 0." in why
    assert "HF_VCPU_RUN returns YIELD" in why


def test_a_secondary_runs_exactly_as_long_as_the_timer_says():
    """add x1, x1, #1; b -4: two instructions a round."""
    counting = hfedu.assemble("1: add x1, x1, #1\n b 1b")
    rounds = {}
    for ticks in (1000, 3000):
        disk = RamDisk(hfedu.assemble(gic() + ARM.format(ticks=ticks) + RUN_VM_1 + ANSWER + POWER_OFF), [counting])
        machine = hfedu.Machine(disk)
        machine.run()
        rounds[ticks] = machine.hypervisor.vms[1].vcpus[0].regs[1]
    assert rounds[3000] - rounds[1000] == 1000


SHUT = {
    "disabled": ({"enabled": 0}, "enabled (GICD_ISENABLER)"),
    "distributor": ({"ctlr": 0}, "forwards group 0 (GICD_CTLR)"),
    "interface": ({"interface": 0}, "signals group 0 (GICC_CTLR)"),
    "priority": ({"mask": 0}, "its priority 0x0 is below the mask 0x0 (GICC_PMR)"),
    "masked": ({}, "the primary has interrupts open (PSTATE.I)"),
}


@pytest.mark.parametrize("way", SHUT)
def test_why_an_interrupt_does_not_come(way):
    how, said = SHUT[way]
    wait = " 1: mrs x2, cntv_ctl_el0\n tbz x2, #2, 1b\n"
    run = hfedu.boot(RamDisk(hfedu.assemble(gic(**how) + ARM.format(ticks=50) + wait + POWER_OFF)))
    (raised,) = of(run, Kind.RAISED)
    assert "because this is not so" in str(run.why(raised.seq))
    assert said in str(run.why(raised.seq))
    assert not of(run, Kind.ACKNOWLEDGED)


def test_why_an_interrupt_of_a_device_is_not_routed():
    """On two CPUs the UART's interrupt is aimed at none."""
    uart = " movz x3, #0x900, lsl #16\n mov w4, #0x20\n str w4, [x3, #0x38]\n str w4, [x3]\n"
    run = hfedu.boot(RamDisk(hfedu.assemble(gic() + uart + POWER_OFF)), cpus=2)
    assert "interrupt 33 is aimed at CPU 0 (GICD_ITARGETSR)" in str(run.why(of(run, Kind.RAISED)[0].seq))


def test_runs_repeat_and_replay_from_a_token():
    disk = preempting(777, times=3)
    first, second = (hfedu.boot(disk) for _ in range(2))
    assert first.events == second.events
    assert replay(first.token(), disk).events == first.events
    assert len(of(first, Kind.IRQ)) == 3


def test_by_the_hosts_clock_the_timer_comes_too_and_there_is_no_token():
    run = hfedu.boot(preempting(50_000), clock="host")
    assert len(of(run, Kind.IRQ)) == 1
    with pytest.raises(Mistake, match="the clock of this run is the host's"):
        run.token()


ECHO = """
 movz x3, #0x900, lsl #16
 1: ldr w4, [x3, #0x18]
 tbnz w4, #4, 1b
 ldr w4, [x3]
 cmp w4, #'!'
 b.eq 2f
 str w4, [x3]
 b 1b
 2:
"""


@pytest.mark.parametrize("stdin", ["hello!", b"\x00\xff\x80!"])
def test_what_comes_in_on_the_serial_line(stdin):
    disk = RamDisk(hfedu.assemble(ECHO + POWER_OFF))
    run = hfedu.boot(disk, stdin=stdin)
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    assert run.uart.encode("latin-1").endswith(data[:-1])
    assert replay(run.token(), disk).uart == run.uart


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"clock": "moon"}, "the clock is 'instructions' or 'host', not 'moon'"),
        ({"stdin": 7}, "what comes in on the serial line must be bytes or a text, not 7"),
    ],
)
def test_no_clock_and_no_input(option, sentence):
    with pytest.raises(Mistake, match=sentence):
        hfedu.boot(RamDisk(hfedu.assemble(POWER_OFF)), **option)


def test_a_storm_of_interrupts_ends_with_the_runs_limits():
    """The handler at VBAR_EL1 + 0x280 returns without acknowledging: it is taken again for ever."""
    text = gic() + " adr x1, 9f\n msr vbar_el1, x1\n msr daifclr, #2\n" + ARM.format(ticks=9) + " b .\n"
    disk = RamDisk(hfedu.assemble(text + ".balign 2048\n 9: .space 0x280\n eret\n"))
    outcome = hfedu.boot(disk, max_instructions=50_000).outcome
    assert outcome.kind == "budget"
    assert outcome.sentence.endswith("Interrupt 27 was then signalled to CPU 0, and not acknowledged.")


def test_software_step():
    """EL1 has each instruction of EL0 taken to it: three times from EL0, and the syndrome says 0x32."""
    text = """
     adr x1, 9f
     msr vbar_el1, x1
     msr oslar_el1, xzr
     mov x2, #1
     msr mdscr_el1, x2
     isb
     mov x19, #0
     adr x1, 1f
     msr elr_el1, x1
     movz x2, #0x20, lsl #16
     orr x2, x2, #0x1c0
     msr spsr_el1, x2
     eret
     1: nop
     nop
     nop
     b .
     .balign 2048
     9: .space 0x400
     mrs x20, esr_el1
     add x19, x19, #1
     mrs x21, spsr_el1
     orr x21, x21, #0x200000
     msr spsr_el1, x21
     cmp x19, #3
     b.eq 2f
     eret
     2: mrs x22, elr_el1
     adr x23, 1b
     sub x22, x22, x23
    """
    machine = hfedu.Machine(RamDisk(hfedu.assemble(text + POWER_OFF)), max_instructions=10_000)
    assert machine.run().outcome.kind == "power off"
    x = machine.cpu.regs
    assert (x[19], x[20] >> 26, x[22]) == (3, 0x32, 12)
