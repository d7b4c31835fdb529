"""The command line: one clear line for bad input, never a traceback."""

import io
import json
import re
import subprocess
import sys
from contextlib import suppress

import pytest
from conftest import one

from hfedu import bench, cli
from hfedu.course.demonstrations import DEMONSTRATIONS
from hfedu.course.exercises import check, exercises
from hfedu.course.shared.defects import READ_COUNTER
from hfedu.files import asset
from hfedu.guest.toolchain import assemble, compile_c
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, cpio_entry
from hfedu.widgets import progress

HFEDU = [sys.executable, "-m", "hfedu"]


def hfedu(*arguments, **options):
    return subprocess.run([*HFEDU, *map(str, arguments)], capture_output=True, text=True, check=False, **options)


@pytest.fixture
def initrd(tmp_path):
    path = tmp_path / "initrd.img"
    path.write_bytes(one("broadcast_3").initrd)
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["boot", "{tmp}/none"], "cannot read .*none: No such file or directory"),
        (["boot", "{tmp}"], "cannot read .*: Is a directory"),
        (["boot", "{tmp}/empty"], "empty is empty"),
        (["boot", "{tmp}/garbage"], "no binary cpio archive"),
        (["boot", "{initrd}", "--memory", "1M"], "do not fit into 1048576 bytes of RAM: give the machine at least"),
        (["boot", "{initrd}", "--memory", "16"], "cannot have 16 bytes of RAM"),
        (["boot", "{initrd}", "--memory", "-1M"], "--memory"),
        (["boot", "{initrd}", "--memory", "many"], "'many' is no memory size"),
        (["boot", "{initrd}", "--memory", "9999999G"], "cannot have"),
        (["boot", "{initrd}", "--max-seconds", "0"], "max_seconds must be a number above 0, not 0.0"),
        (["boot", "{initrd}", "--max-instructions", "x"], "argument --max-instructions: invalid int value: 'x'"),
        (["draw", "{initrd}", "-o", "{tmp}/run.gif"], "'gif' is no output format: choose one of svg, png"),
        (["draw", "{initrd}", "-o", "{tmp}/run"], "'no ending' is no output format"),
        (["draw", "{initrd}", "-o", "{tmp}/none/run.svg"], "cannot write .*none/run.svg: No such file or directory"),
        (["draw", "{initrd}", "-o", "{tmp}/folder.svg"], "cannot write .*folder.svg: Is a directory"),
        (["draw", "{initrd}", "-o", "{tmp}/run.svg", "--events", "9-3"], "no range of events"),
        (["draw", "{initrd}", "-o", "{tmp}/run.svg", "--events", "999:"], "there is no event 999"),
        (["draw", "{initrd}", "-o", "a" * 300 + ".svg"], "cannot write .*: File name too long"),
        (["boot", "{initrd}", "--memory", "9" * 5000], "is no memory size"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["boot", "{initrd}", "--cpus", "0"], "CPUs"),
        (["boot", "{initrd}", "--cpus", "two"], "argument --cpus: invalid int value: 'two'"),
        (["boot", "{initrd}", "--schedule", "often"], "'often' is no schedule: give a whole number"),
        (["boot", "{initrd}", "--timer", "0"], "timer must be a number above 0, not 0"),
        (["boot", "{initrd}", "--fix", "regs_race"], "no fix 'regs_race', did you mean 'regs-race'"),
        (["draw", "{initrd}", "-o", "{tmp}/run.svg", "--profile", "new"], "there is no profile 'new'. There are 2018"),
        (["explore", "regs_race"], "no demonstration 'regs_race', did you mean 'regs-race'"),
        (["explore", "regs-race", "--fix", "x"], "there is no fix 'x'"),
        (["explore", "regs-race", "--profile", "rpc"], "has other calls than these scripts make"),
        (["explore", "regs-race", "--cpus", "3"], "explore it on 1 to 2 of them"),
        (["explore", "regs-race", "--preemptions=-1"], "preemptions must be a whole number from 0 up, not -1"),
        (["explore", "fp-regs", "--cpus", "2"], "one run on one CPU: cpus cannot be set"),
        ([], "required"),
    ],
)
def test_bad_input(arguments, says, tmp_path, initrd):
    (tmp_path / "empty").touch()
    (tmp_path / "garbage").write_bytes(b"\xff" * 300)
    (tmp_path / "folder.svg").mkdir()
    done = hfedu(*(argument.format(tmp=tmp_path, initrd=initrd) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert re.match(f"hfedu: .*{says}", done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "mmd", "txt"])
def test_draw(ending, tmp_path, initrd):
    output = tmp_path / f"run.{ending}"
    done = hfedu("draw", initrd, "-o", output, "--events", "10:40", "--theme", "dark")
    assert (done.returncode, done.stdout) == (0, "")
    assert output.stat().st_size > 500


def test_advice_goes_to_stderr(tmp_path):
    path = tmp_path / "initrd.img"
    path.write_bytes(cpio_entry("kernel", b"\0" * 64))
    done = hfedu("boot", path)
    assert done.returncode == 4
    assert done.stdout.endswith("Unable to find vmlinuz\nPanic: unable to load primary VM\n")
    assert "hfedu: the RAM disk has no vmlinuz (the primary's kernel); it has kernel" in done.stderr


@pytest.mark.slow
def test_limits_end_a_guest_that_never_ends(tmp_path):
    path = tmp_path / "initrd.img"
    path.write_bytes(one("sec_infinite_loop").initrd)
    done = hfedu("boot", path, "--max-instructions", 1_000_000)
    assert done.returncode == 3
    assert done.stdout.encode() == one("sec_infinite_loop").uart
    assert done.stderr == "hfedu: The guests used up their 1,000,000 instructions.\n"
    assert hfedu("boot", path, "--max-seconds", 0.2).stderr == "hfedu: The run used up its 0.2 seconds.\n"


def test_output_that_nobody_reads_is_no_error(initrd):
    command = " ".join([*HFEDU, "boot", str(initrd)])
    done = subprocess.run(
        f"set -o pipefail; {command} | true", shell=True, executable="/bin/bash", capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_bench_prints_one_json_object(monkeypatch, capsys):
    """The runs that it measures are short here."""
    trap = bench.trap
    monkeypatch.setattr(bench, "trap", lambda disk, append="", traps=0, record=False: trap(disk, append, 600, record))
    assert cli.main(["bench", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {
        "boot_ms", "boot_recorded_ms", "recorded_over_plain", "figure_of_50_events_ms", "import_ms",
        "roundtrip_over_bare", "recorded_roundtrip_over_bare", "hypercall_over_bare", "recorded_hypercall_over_bare",
        "scripted_hypercall_over_bare", "15_vms_over_2", "1e5_events_over_1e3",
        "interrupt_over_bare", "interrupts_per_s",
    }  # fmt: skip
    assert all(value > 0 for value in figures.values())


@pytest.mark.slow
def test_bench_of_the_explorer():
    figures = json.loads(hfedu("bench", "explore", "--json").stdout)
    assert set(figures) == {
        "race_first_s", "race_s", "two_cpus_s", "three_cpus_s", "states_per_s", "steps_per_s", "plain_over_pruned",
    }  # fmt: skip
    assert figures["plain_over_pruned"] >= 10
    assert all(value > 0 for value in figures.values())


def joined(text):
    """A text without its line breaks."""
    return " ".join(text.split())


NARROW = [
    "", "--help", "--version", "boot", "boot --help", "boot {disk}", "boot {disk} --cpus 9", "boot nö→", "draw --help",
    "draw {disk} -o {out}/→ü.svg", "draw {disk} -o {out}/→ü.nö", "explore", "explore --json", "explore →",
    "explore --help", "explore regs-race", "explore page-left-writable", "explore fp-regs --profile fixed",
    "explore →.py:ü", "explore wfi-repeats --html {out}/→.html", "lab --help", "lab {disk}", "course --help",
    "course plan six-weeks", "course plan two-days", "course plan ü", "course start {out}/→ü", "course start {disk}",
    "course export {disk}", "course export →", "course check →", "course check --lesson →", "course slides →",
    "course slides 05 -o {out}/→.html", "course worksheet 05 -o {out}/→.html --seed →", "course worksheet →",
    "course grade →", "course grade {disk}", "course grade --help", "bench --help", "bench →", "→",
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", NARROW)
def test_any_terminal_can_show_what_a_command_prints_in_80_columns(command, encoding, tmp_path, monkeypatch):
    disk = tmp_path / "it.img"
    disk.write_bytes(RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")]).image)
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.chdir(tmp_path)
    arguments = [part.format(disk=disk, out=tmp_path) for part in command.split()]
    with suppress(SystemExit):
        cli.main(arguments)
    for stream in streams:
        stream.flush()
    printed, complained = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert printed or complained
    if "--json" not in arguments:
        assert max(map(len, printed.splitlines()), default=0) <= 80 + ("/" in printed) * len(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", exercises())
def test_a_windows_terminal_can_show_each_task_hint_and_verdict(name, monkeypatch):
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    exercise = exercises()[name]
    answers = [answer for answer, _ in exercise.wrong.values()][:1]
    verdicts = [repr(check(name, answer)) for answer in (None, "x", *answers)]
    for text in (exercise.task, *exercise.hints, *verdicts, *[says for _, says in exercise.wrong.values()]):
        text.encode("cp1252")


def test_explore_lists_what_there_is():
    listed = json.loads(hfedu("explore", "--json").stdout)
    assert [row["id"] for row in listed] == list(DEMONSTRATIONS)
    rows = re.split(r"\n(?=\S)", hfedu("explore").stdout)
    assert len(rows) == len(listed)
    for shown, row in zip(rows, listed, strict=True):
        assert shown.split() == f"{row['id']} {row['meaning']} ({row['shown_by']})".split()


def test_explore_says_what_it_found():
    done = hfedu("explore", "regs-race")
    assert done.returncode == 1
    assert "live-once: vm1.vcpu0 is live on CPU 0 and on CPU 1" in done.stdout
    assert "Every order was tried." in joined(done.stdout)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        "regs-race --fix regs-race",
        "regs-race --profile fixed",
        "fp-regs --fix fp-regs",
        "locks-swapped --profile fixed",
    ],
)
def test_explore_finds_nothing_where_nothing_is(arguments):
    done = hfedu("explore", *arguments.split())
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "  no violation"


def test_explore_says_what_a_bound_left_out():
    done = hfedu("explore", "regs-race", "--preemptions", 0)
    assert done.returncode == 3  # not 0: that would say that all was tried
    assert "At most 0 preemptions" in joined(done.stdout)
    assert "no violation so far, and not everything was tried" in joined(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("mistake", "status"), [("regs-race", 1), ("fp-regs", 1), ("page-left-writable", 1)])
def test_explore_as_json(mistake, status):
    done = hfedu("explore", mistake, "--json")
    assert done.returncode == status
    found = json.loads(done.stdout)
    assert set(found) == {"id", "violations", "states", "steps", "depth", "schedules", "complete", "bounds", "results"}
    assert found["id"] == mistake
    for violation in found["violations"]:
        assert set(violation) == {"invariant", "sentence", "schedule"}
    again = json.loads(hfedu("explore", mistake, "--json", "--profile", "fixed").stdout)
    assert (again["violations"], again["complete"]) == ([], True)


def test_a_schedule_from_explore_repeats_the_violation():
    found = json.loads(hfedu("explore", "regs-race", "--json").stdout)["violations"][0]
    again = Machine(DEMONSTRATIONS["regs-race"].scenario.disk(2), cpus=2, schedule=found["schedule"])
    again.boot()
    for _ in found["schedule"]:
        again.step()
    assert again.cores[0].cpu.current is again.cores[1].cpu.current
    assert again.cores[0].cpu.current.name == "vm1.vcpu0"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.slow
def test_explore_shows_progress_on_a_terminal_and_keeps_what_it_found_when_interrupted(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setattr(progress, "LONG", 0)
    assert cli.main(["explore", "nested-locks"]) == 1
    assert re.search(r"\r\d+ states so far, \d+ steps deep\. It grows still: .* Interrupt to stop", terminal.getvalue())
    assert re.search(r"\r\d+ states so far, \d+ steps deep\. It slows down: .*, about \d+ more", terminal.getvalue())
    assert not terminal.getvalue().split("\r")[-2].strip()

    def stop(line, depth, states):
        if depth > 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.ProgressLine, "__call__", stop)
    capsys.readouterr()
    assert cli.main(["explore", "nested-locks"]) == 130
    printed = capsys.readouterr().out
    assert "Interrupted." in printed
    assert "switch-unlocked" in printed


def test_the_exit_status_of_explore_is_in_its_help():
    assert (
        "Exit status: 0 no violation was found, 1 one was, 2 bad input, 3 none was found and not everything was tried"
        in " ".join(hfedu("explore", "--help").stdout.split())
    )


@pytest.mark.slow
def test_boot_takes_a_repair(tmp_path):
    """mrs x1, cntpct_el0 hangs the primary of 2018; then PSCI SYSTEM_OFF."""
    path = tmp_path / "initrd.img"
    path.write_bytes(RamDisk(READ_COUNTER).image)
    assert hfedu("boot", path).returncode == 4
    assert hfedu("boot", path, "--fix", "timer-inverted").returncode == 0
    assert hfedu("boot", path, "--fix", "regs-race", "--fix", "timer-inverted").returncode == 0
    assert hfedu("boot", path, "--profile", "fixed").returncode == 0
    done = hfedu("draw", path, "-o", tmp_path / "run.txt", "--fix", "timer-inverted")
    assert "powered the machine off" in done.stderr


@pytest.mark.slow
def test_boot_takes_cpus_a_schedule_and_a_timer(initrd):
    one_cpu = hfedu("boot", initrd)
    more = hfedu("boot", initrd, "--cpus", 2, "--schedule", "every 3")
    assert more.returncode == one_cpu.returncode == 0
    assert more.stdout.replace("Starting", "") == one_cpu.stdout.replace("Starting", "")
    assert hfedu("boot", initrd, "--timer", 10_000_000).stdout == one_cpu.stdout


@pytest.mark.slow
def test_a_run_without_vms_can_be_drawn(tmp_path):
    path = tmp_path / "initrd.img"
    path.write_bytes(cpio_entry("initrd.img", b""))
    for ending in ("svg", "png", "mmd", "txt"):
        assert hfedu("draw", path, "-o", tmp_path / f"run.{ending}").returncode == 0


def test_a_full_disk_is_one_line(initrd):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*HFEDU, "boot", initrd], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith(b"hfedu: cannot write: No space left")
    assert b"Traceback" not in done.stderr


def test_boot_arguments_may_hold_any_byte(initrd):
    assert hfedu("boot", initrd, "--append", "caf\udce9 \udcff").returncode == 0


def test_boot_arguments_may_begin_with_a_hyphen(tmp_path, capfd):
    """As QEMU takes them; the primary prints what it finds in the device tree."""
    source = '#include "fdt.h"\nvoid guest_main(const u8 *fdt) { puts(bootargs(fdt)); hvc(PSCI_SYSTEM_OFF, 0, 0, 0); }'
    initrd = tmp_path / "initrd.img"
    initrd.write_bytes(RamDisk(compile_c(source)).image)
    assert cli.main(["boot", str(initrd), "--append", "-x --y"]) == 0
    assert capfd.readouterr().out.endswith("-x --y")


@pytest.mark.slow
def test_boot_says_from_time_to_time_that_the_guests_still_run(monkeypatch, capfd, tmp_path):
    path = tmp_path / "initrd.img"
    path.write_bytes(RamDisk(assemble("l: movz x0, #0xff01\n hvc #0\n b l")).image)
    monkeypatch.setattr(cli, "PATIENCE", 0.2)
    cli.main(["boot", str(path), "--max-seconds", "1"])
    said = [line for line in capfd.readouterr().err.splitlines() if "still run after" in line]
    assert said
    assert all(line.endswith("Ctrl-C stops them, --max-seconds N does it next time") for line in said)
