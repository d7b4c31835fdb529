"""Debian's arm64 kernel as the primary where its package can be had; else these tests say so, which is no failure."""

import os
import re
import subprocess
import sys

import linux
import pytest

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


def test_linux_reaches_its_shell_and_powers_off(tmp_path):
    uart = without_times(boot(tmp_path))
    assert "Hafnium initialisation completed" in uart
    places = [uart.find(line) for line in SAME_AS_ON_THE_REAL_MACHINE]
    assert -1 not in places, SAME_AS_ON_THE_REAL_MACHINE[places.index(-1)]
    assert places[-3:] == sorted(places[-3:])
    assert "panic" not in uart.lower()
    assert re.search(r"\d+ +GIC-0 +27 Level +arch_timer", uart)


def test_linux_brings_up_a_second_cpu_and_each_run_is_the_same(tmp_path):
    """Both have interrupts of their timers and send each other some; a shorter run has the same lines and times."""
    counts = "nproc; grep -E 'arch_timer|IPI[01]' /proc/interrupts"
    uart = boot(tmp_path, counts, "--cpus", "2")
    lines = without_times(uart).splitlines()
    second = ["CPU1: Booted secondary processor 0x0000000001 [0x411fd070]", "smp: Brought up 1 node, 2 CPUs"]
    assert set(SAME_AS_ON_THE_REAL_MACHINE + second) <= set(lines)
    assert lines[lines.index("USERSPACE-REACHED") :].count("2") == 1
    for name in ("arch_timer", "IPI0", "IPI1"):
        line = next(line for line in lines if name in line)
        assert all(int(count) for count in line.split(":")[1].split()[:2]), line
    assert not re.search("panic|stall|WARNING|BUG|Oops", uart)
    begin = boot(tmp_path, counts, "--cpus", "2", "--max-instructions", "200000000", status=3)
    assert "smp: Brought up 1 node, 2 CPUs" in begin
    assert uart.startswith(begin)


def test_a_shell_on_the_serial_line_takes_what_is_typed(tmp_path):
    """It is typed when the prompt is there: the driver throws away what came before. Receive interrupts bring it."""
    with subprocess.Popen(command(tmp_path, "sh -i < /dev/ttyAMA0 2>&1"), stdin=-1, stdout=-1) as shell:
        uart = b""
        while b"/ # " not in uart and (more := os.read(shell.stdout.fileno(), 4096)):
            uart += more
        shell.stdin.write(b"echo $((6 * 7))\nexit\n")
        shell.stdin.flush()
        uart += shell.stdout.read()
    assert re.search(rb"^42\s*$", uart, re.MULTILINE)
    assert b"reboot: Power down" in uart
    assert shell.returncode == 0
