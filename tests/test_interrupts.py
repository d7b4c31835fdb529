"""The stop button: stopped and gone on is never stopped, whenever it is pressed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path

import pytest
from conftest import one

import hfedu
from hfedu import Mistake, RamDisk
from hfedu.__main__ import program
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.load import Load
from hfedu.notebook import Machine

HFEDU = [sys.executable, "-m", "hfedu"]
COUNT_DOWN = """
 mov x20, #30
 movz x1, #0x0900, lsl #16
 l: mov x5, #20000
 w: sub x5, x5, #1
 cbnz x5, w
 add w2, w20, #40
 str w2, [x1]
 movz x0, #0xff01
 hvc #0
 movz x1, #0x0900, lsl #16
 sub x20, x20, #1
 cbnz x20, l
 movz x0, #0x8400, lsl #16
 movk x0, #8
 hvc #0
"""


def primary():
    yield hfedu.configure()
    yield hfedu.vcpu_run(1)
    for number in range(20):
        yield hfedu.send(1, f"message {number}")
        yield hfedu.vcpu_run(1)


def secondary():
    yield hfedu.configure()
    while True:
        yield hfedu.receive()
        yield hfedu.clear()


STORMS = 12
"""Each interrupts at other moments."""


class Storm:
    """Interrupts at random times while it is entered; `run` goes on each time until the machine is done."""

    def __init__(self, seed: int) -> None:
        self.random, self.over = random.Random(seed), threading.Event()
        self.armed = False

    def send(self) -> None:
        while not self.over.wait(self.random.uniform(0.001, 0.05)):
            if self.armed:
                os.kill(os.getpid(), signal.SIGINT)

    def run(self, machine: Machine) -> int:
        def stop(number, frame):
            if self.armed:
                self.armed = False  # not again before this one was caught
                raise KeyboardInterrupt

        before, stops = signal.signal(signal.SIGINT, stop), 0
        thread = threading.Thread(target=self.send)
        thread.start()
        try:
            while True:
                try:
                    self.armed = True
                    machine.run()
                    self.armed = False
                    break
                except KeyboardInterrupt:
                    stops += 1
        finally:
            self.armed = False
            self.over.set()
            thread.join()
            signal.signal(signal.SIGINT, before)
        return stops


@pytest.mark.slow
@pytest.mark.parametrize(
    ("disk", "how"),
    [
        (lambda: RamDisk(hfedu.assemble(COUNT_DOWN)), {}),
        (lambda: RamDisk(hfedu.assemble(COUNT_DOWN)), {"timer": 5_000}),
        (lambda: one("chain_relay_3").initrd, {"cpus": 2, "schedule": 5}),
        (lambda: RamDisk(primary, [secondary]), {}),
    ],
    ids=["machine code", "timer", "two CPUs", "scripts"],
)
def test_a_storm_of_interrupts_changes_nothing(disk, how):
    disk, stops = disk(), 0
    reference = Machine(disk, **how).run()
    for seed in range(STORMS):
        machine = Machine(disk, **how)
        stops += Storm(seed).run(machine)
        run = machine.run()
        assert (run.events, run.uart, run.outcome) == (reference.events, reference.uart, reference.outcome)
    assert stops > 0


@pytest.mark.parametrize("where", ["mm_memcpy", "restore_registers", "save_registers"])
def test_an_interrupt_in_the_hypervisor_waits_for_the_end_of_the_step(where):
    disk = RamDisk(primary, [secondary])
    reference = Machine(disk).run()
    machine = Machine(disk)
    machine.boot()
    inner, calls = getattr(machine.hypervisor, where), []

    def once(*args):
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return inner(*args)

    setattr(machine.hypervisor, where, once)
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    assert machine.run().events == reference.events


@pytest.mark.slow
@pytest.mark.parametrize("where", ["mm_memcpy", "save_registers"])
def test_a_step_is_not_torn_where_the_computer_is_so_busy_that_it_takes_long(where):
    disk = RamDisk(primary, [secondary])
    reference = Machine(disk).run()
    machine = Machine(disk)
    machine.boot()
    inner, calls = getattr(machine.hypervisor, where), []

    def starved(*args):
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
            begin = time.monotonic()
            while time.monotonic() < begin + 2:
                time.sleep(0.1)
        return inner(*args)

    setattr(machine.hypervisor, where, starved)
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    assert machine.run().events == reference.events


def test_a_boot_that_was_interrupted_begins_anew(monkeypatch):
    disk = RamDisk(primary, [secondary])
    reference = Machine(disk).run()
    inner, calls = Load.find_file, []

    def once(self, *args):
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return inner(self, *args)

    monkeypatch.setattr(Load, "find_file", once)
    machine = Machine(disk)
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    assert machine.run().events == reference.events


def press(after: float) -> None:
    threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGINT)).start()


def hang():
    yield hfedu.vm_count()
    while True:
        pass


def test_a_script_that_loops_is_stopped_and_the_machine_says_so():
    machine = Machine(RamDisk(hang))
    press(0.2)
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    run = machine.run()
    assert run.outcome.kind == "interrupted"
    assert "the script of VM 0 vCPU 0" in run.outcome.sentence
    assert not machine.step()


class Loops(Hypervisor):
    def save_registers(self, cpu, vcpu):
        while True:
            pass


def test_a_hypervisor_of_one_s_own_that_loops_is_stopped_and_the_machine_says_so():
    machine = Machine(RamDisk(primary, [secondary]), changes=[Loops])
    press(0.2)
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    assert machine.run().outcome.kind == "interrupted"
    assert "the hypervisor" in machine.run().outcome.sentence


@pytest.mark.slow
def test_a_second_thread_gets_a_sentence():
    machine, said = Machine(RamDisk(hfedu.assemble("b .")), max_seconds=1, record=False), []

    def other():
        try:
            machine.run()
        except Mistake as mistake:
            said.append(str(mistake))

    threading.Timer(0.3, other).start()
    machine.run()
    time.sleep(0.1)
    assert said[0].startswith("this machine runs in another thread")


COMMANDS = {
    "boot": "boot {initrd}",
    "draw": "draw {initrd} -o {folder}/run.svg",
    "draw a page": "draw {initrd} -o {folder}/run.html",
    "course check": "course check",
    "bench": "bench",
    "bench explore": "bench explore",
    "bench player": "bench player",
}


def takes_interrupts(process: subprocess.Popen) -> bool:
    """Whether Python has come far enough in its own start to be asked; before that, SIGINT ends any program."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True  # not Linux
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)


def interrupted(command: list[str], wait: float) -> tuple[int, str]:
    """The exit status of a command that is interrupted after some seconds, and what it said to stderr."""
    with subprocess.Popen([*HFEDU, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not takes_interrupts(process) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "wait"),
    [*product(("boot", "course check"), (0.15, 0.4)), *((command, 1.2) for command in COMMANDS)],
)
def test_an_interrupt_ends_each_command_with_130(command, wait, tmp_path):
    """While Python starts and loads modules, which those two have fewest and most of, and at work."""
    path = tmp_path / "initrd.img"
    path.write_bytes(RamDisk(hfedu.assemble("b .")).image)
    words = [word.format(initrd=path, folder=tmp_path) for word in COMMANDS[command].split()]
    status, said = interrupted(words, wait)
    assert "Traceback" not in said
    assert status == 130


LOADED = """
import os, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules) | set(sys.builtin_module_names)
import hfedu.__main__
print(*sorted(set(sys.modules) - before))
"""


def test_nothing_is_loaded_before_an_interrupt_is_a_sentence():
    """Until then it is a traceback, as while Python itself starts."""
    root = Path(hfedu.__file__).parent.parent
    command = [sys.executable, "-S", "-c", LOADED, str(root)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["hfedu", "hfedu.__main__"]


LOSES_IT = """
import os, signal, sys, weakref
from hfedu import __main__, cli

class Dropped: pass

def main():
    dropped = Dropped()
    kept = weakref.ref(dropped, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del dropped
    while True:
        pass

cli.main = main
sys.exit(__main__.program())
"""


def test_an_interrupt_that_comes_where_python_raises_nothing_ends_a_command_all_the_same():
    ended = subprocess.run([sys.executable, "-c", LOSES_IT], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (130, "hfedu: interrupted\n")


AS_A_DATA_CLASS_DOES = """
import atexit, os, signal, sys
from hfedu import __main__, cli

def main():
    print("written", end="")
    exec("import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")

atexit.register(print, " and tidied", end="")
cli.main = main
__main__.run()
"""


def test_an_interrupt_in_code_that_is_made_of_a_string_ends_with_130_in_python_m_too(tmp_path):
    (tmp_path / "program.py").write_text(AS_A_DATA_CLASS_DOES)
    command = [sys.executable, "-m", "program"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (130, "written and tidied")


def fails(error: type[BaseException] | None) -> int:
    """A command in which the interrupt becomes something else, or nothing."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        if error:
            raise error("cannot import a module that was half loaded") from None
    return 0


@pytest.mark.parametrize("error", [ImportError, SystemError, RuntimeError, None])
def test_an_interrupt_that_a_library_takes_for_something_else_ends_with_130(monkeypatch, capsys, error):
    monkeypatch.setattr("hfedu.cli.main", lambda: fails(error))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert program() == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "Traceback" not in capsys.readouterr().err


def test_without_an_interrupt_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr("hfedu.cli.main", lambda: {}["no such key"])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyError):
            program()
    finally:
        signal.signal(signal.SIGINT, before)
