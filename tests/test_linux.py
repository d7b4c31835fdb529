"""Debian's arm64 kernel as the primary where its package can be had; else these tests say so, which is no failure."""

import json
import os
import re
import subprocess
import sys

import linux
import pytest

import hfedu
from hfedu import Kind

pytestmark = pytest.mark.slow
SAME_AS_ON_THE_REAL_MACHINE = [
    "Booting Linux on physical CPU 0x0000000000 [0x411fd070]",
    "psci: probing for conduit method from DT.",
    "Root IRQ handler: gic_handle_irq",
    "GICv2m: range[mem 0x08020000-0x08020fff], SPI[80:143]",
    "arch_timer: cp15 timer(s) running at 62.50MHz (virt).",
    "printk: console [ttyAMA0] enabled",
    "rtc-pl031 9010000.pl031: registered as rtc0",
    "pci-host-generic 4010000000.pcie: ECAM at [mem 0x4010000000-0x401fffffff] for [bus 00-ff]",
    "Run /init as init process",
    "USERSPACE-REACHED",
    "reboot: Power down",
]


def command(tmp_path, lines: str = "", *options: str) -> list:
    """What boots Linux, with more options. The test is left out, and says so, where there is no kernel."""
    try:
        image = linux.ramdisk(lines)
    except linux.NotToBeHad as reason:
        pytest.skip(f"Debian's arm64 kernel cannot be had here: {reason}")
    (tmp_path / "initrd.img").write_bytes(image)
    boot = [sys.executable, "-m", "hfedu", "boot", tmp_path / "initrd.img", "--memory", "512M"]
    return [*boot, "--append", "console=ttyAMA0", "--max-seconds", "400", *options]


def boot(tmp_path, *more: str, status: int = 0) -> str:
    """The serial line of a boot, to power-off if `status` is 0. `more` are lines of shell and options."""
    done = subprocess.run(command(tmp_path, *more), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode(errors="replace")


def without_times(uart: str) -> str:
    return re.sub(r"(?m)^\[ *\d+\.\d+\] ", "", uart)


def test_linux_brings_up_a_second_cpu_and_each_run_is_the_same(tmp_path):
    """Both have interrupts of their timers and send each other some; a shorter run has the same lines and times."""
    counts = "nproc; grep -E 'arch_timer|IPI[01]' /proc/interrupts"
    uart = boot(tmp_path, counts, "--cpus", "2")
    lines = without_times(uart).splitlines()
    second = ["CPU1: Booted secondary processor 0x0000000001 [0x411fd070]", "smp: Brought up 1 node, 2 CPUs"]
    assert set(SAME_AS_ON_THE_REAL_MACHINE + second) <= set(lines)
    assert lines[lines.index("USERSPACE-REACHED") :].count("2") == 1
    for name in ("arch_timer", "IPI0", "IPI1"):
        line = next(line for line in lines[lines.index("USERSPACE-REACHED") :] if name in line)
        assert all(int(count) for count in line.split(":")[1].split()[:2]), line
    assert not re.search("panic|stall|WARNING|BUG|Oops", uart)
    begin = boot(tmp_path, counts, "--cpus", "2", "--max-instructions", "200000000", status=3)
    assert "smp: Brought up 1 node, 2 CPUs" in begin
    assert uart.startswith(begin)


def test_a_kernel_module_drives_the_vms_and_the_player_shows_its_calls():
    """VM 2 never yields: what takes the CPU out of it is Linux's own tick, 250 times a second."""
    try:
        vms, files = {"echo": linux.ECHO, "spinner": hfedu.assemble("b .")}, {"hf.ko": linux.module()}
        image = linux.ramdisk("insmod /hf.ko", vms, files)
    except linux.NotToBeHad as reason:
        pytest.skip(f"the kernel module cannot be built here: {reason}")
    run = hfedu.boot(image, "console=ttyAMA0", "512M", max_seconds=400)
    assert run.outcome.kind == "power off"
    lines = without_times(run.uart).splitlines()
    first = lines.index("3 VMs")
    assert lines[first : first + 9] == [
        "3 VMs",
        "configure: 0",
        'sent "hello" to VM 1: 0',
        'VM 1 answers "hello"',
        'sent "from" to VM 1: 65535',
        'VM 1 answers "from"',
        'sent "Linux" to VM 1: 65535',
        'VM 1 answers "Linux"',
        "VM 2 ran 250 times in a second",
    ]
    stopped = [event.seq for event in run.events if event.kind is Kind.IRQ]
    assert len(stopped) == 250
    assert "the virtual timer's interrupt (27) is raised" in str(run.why(stopped[-1]))
    sent = next(event for event in run.events if event.call and event.call.name == "HF_MAILBOX_SEND")
    page = json.loads(re.search(r'id="recording">(.*?)</script>', run.to_html(sent.seq))[1])
    shown = [page["facts"][fact]["label"] for fact in page["columns"]["fact"]]
    assert shown[sent.seq : sent.seq + 3] == ["VM 0 sends 5 bytes to VM 1", "5 bytes “hello”", "VM 1 wakes up"]
    assert shown.count("VM 0: run VM 2") == 250


def test_linux_reaches_its_shell_which_takes_what_is_typed_and_powers_off(tmp_path):
    """It is typed when the prompt is there: the driver throws away what came before. Receive interrupts bring it."""
    with subprocess.Popen(command(tmp_path, "sh -i < /dev/ttyAMA0 2>&1"), stdin=-1, stdout=-1) as shell:
        uart = b""
        while b"/ # " not in uart and (more := os.read(shell.stdout.fileno(), 4096)):
            uart += more
        shell.stdin.write(b"echo $((6 * 7))\nexit\n")
        shell.stdin.flush()
        uart += shell.stdout.read()
    assert re.search(rb"^42\s*$", uart, re.MULTILINE)
    assert shell.returncode == 0
    said = without_times(uart.decode(errors="replace"))
    assert "Hafnium initialisation completed" in said
    places = [said.find(line) for line in SAME_AS_ON_THE_REAL_MACHINE]
    assert -1 not in places, SAME_AS_ON_THE_REAL_MACHINE[places.index(-1)]
    assert places[-3:] == sorted(places[-3:])
    assert "panic" not in said.lower()
    assert re.search(r"\d+ +GIC-0 +27 Level +arch_timer", said)
