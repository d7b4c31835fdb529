"""The command line: one clear line for bad input, never a traceback."""

import json
import re
import subprocess
import sys

import pytest
from conftest import one

from hfedu.run.ramdisk import cpio_entry

HFEDU = [sys.executable, "-m", "hfedu.cli"]


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


def test_bench_prints_one_json_object():
    figures = json.loads(hfedu("bench", "--json").stdout)
    assert set(figures) == {
        "boot_ms", "boot_recorded_ms", "recorded_over_plain", "figure_of_50_events_ms", "import_ms",
        "roundtrip_over_bare", "recorded_roundtrip_over_bare", "hypercall_over_bare", "recorded_hypercall_over_bare",
        "scripted_hypercall_over_bare", "15_vms_over_2", "1e5_events_over_1e3",
    }  # fmt: skip
    assert all(value > 0 for value in figures.values())


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
