"""hfedu prints byte for byte what the real hypervisor printed."""

import subprocess
import sys

import pytest
from conftest import one, recorded

from hfedu.guest.emulator import CPU_KINDS
from hfedu.run.machine import Machine

GUEST_NEVER_GETS_ON = {"pri_udf", "sec_infinite_loop"}


def test_all_recordings_are_there():
    assert len(recorded("runs")) == 387
    assert len(recorded("faults")) == 40
    assert len(recorded("board")) == 138


CPUS = pytest.mark.parametrize("cpu", CPU_KINDS)


@CPUS
@pytest.mark.parametrize("run", recorded("runs"), ids=lambda run: run.name)
def test_run(run, cpu):
    machine = Machine(run.initrd, memory=run.memory, record=False, cpu=cpu)
    outcome = machine.run().outcome
    assert machine.uart == run.uart
    assert outcome.status == 0


@CPUS
@pytest.mark.parametrize("run", recorded("faults"), ids=lambda run: run.name)
def test_fault(run, cpu):
    machine = Machine(run.initrd, memory=run.memory, max_instructions=20_000_000, record=False, cpu=cpu)
    outcome = machine.run().outcome
    assert machine.uart == run.uart
    expected = 0 if not run.about["timed_out"] else 3 if run.name in GUEST_NEVER_GETS_ON else 4
    assert outcome.status == expected, outcome


@CPUS
@pytest.mark.parametrize("run", recorded("board"), ids=lambda run: run.name)
def test_loader_and_board(run, cpu):
    """The loader with odd archives, the device tree, and every device: interrupts, timers, the UART, several CPUs."""
    about = run.about
    machine = Machine(
        run.initrd, about["append"] or "", run.memory, cpus=about["smp"], stdin=about["stdin"].encode("latin-1"),
        max_instructions=1_000_000_000, record=about["smp"] == 1, cpu=cpu,
    )  # fmt: skip
    outcome = machine.run().outcome
    assert machine.uart == run.uart
    assert outcome.status == (4 if about["timed_out"] else 0)


@CPUS
@pytest.mark.parametrize("name", ["broadcast_3", "boot_64mb", "psci_primary_smc", "sec_read_unmapped"])
def test_command_line(name, cpu, tmp_path):
    run = one(name)
    initrd = tmp_path / "initrd.img"
    initrd.write_bytes(run.initrd)
    command = [sys.executable, "-m", "hfedu", "boot", initrd, "--memory", f"{run.memory >> 20}M", "--cpu", cpu]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout == run.uart
    assert done.returncode == (4 if run.about.get("timed_out") else 0)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["broadcast_3", "chain_relay_4", "rand_0001"])
def test_recording_does_not_change_what_is_printed(name):
    run = one(name)
    assert Machine(run.initrd, memory=run.memory).run().uart.encode("latin-1") == run.uart
