"""The pool of pages for page tables: as large as the real one's, or as large as a class needs."""

import subprocess
import sys

import pytest
from runs import relay

import hfedu
from hfedu import Mistake, RamDisk, clear, configure, receive, send, vcpu_run
from hfedu.cli import main
from hfedu.files import asset
from hfedu.hf import mm
from hfedu.hf.platform import HEAP_BEGIN, LAYOUT_DATA_END, LAYOUT_PRIMARY_BEGIN
from hfedu.run.recording import Kind

PAGE = 4096


def greets(vms: int) -> RamDisk:
    """A script that says hello to so many machine-code VMs in turn, each of which answers."""

    def primary():
        yield configure()
        for vm in range(1, vms + 1):
            yield vcpu_run(vm)
            yield send(vm, f"hello {vm}")
            yield vcpu_run(vm)
            yield receive()
            yield clear()

    return RamDisk(primary, [asset("echo.bin")] * vms)


def test_a_class_boots_fifteen_real_vms_and_each_answers():
    run = hfedu.boot(greets(14), memory="64M", heap_pages=109)
    answers = [event.message for event in run.events if event.kind is Kind.DELIVER and event.target.vm == 0]
    assert answers == [f"hello {vm}".encode() for vm in range(1, 15)]
    assert run.outcome.status == 0
    with pytest.raises(Mistake, match=r"cannot load echo_\d+ .*heap_pages=109.* 39 pages"):
        hfedu.boot(greets(14), memory="64M")


def test_the_pool_is_the_real_ones_unless_somebody_says_otherwise():
    usual, same = relay(), hfedu.boot(relay().made["ramdisk"], title="Relay", heap_pages=39)
    assert same.events == usual.events
    assert same.uart == usual.uart
    assert f"data: 0x4000a000 - {LAYOUT_DATA_END:#x}" in usual.uart


@pytest.mark.parametrize("pages", [40, 55, 56, 80, 109])
def test_nobody_but_the_hypervisor_reaches_a_larger_pool(pages):
    run = hfedu.boot(relay().made["ramdisk"], memory="32M", heap_pages=pages)
    state = run.at(len(run.events) - 1)
    for vm in range(3):
        for page in range(HEAP_BEGIN, HEAP_BEGIN + pages * PAGE, PAGE):
            level, _, descriptor = state[f"vm{vm}.stage2"].walk(page)[-1]
            assert not mm.arch_mm_pte_is_block(descriptor, level), f"VM {vm} reaches {page:#x}"
    assert state["vm0.stage2"].walk(LAYOUT_PRIMARY_BEGIN)[-1].descriptor & 1
    assert [event.kind for event in run.events] == [event.kind for event in relay().events]


@pytest.mark.parametrize("pages", [0, -1, 110, 10**30, 39.0, "39", None, True])
def test_a_pool_that_cannot_be_is_refused_in_a_sentence(pages):
    with pytest.raises(Mistake, match="heap_pages must be a whole number from 1 to 109, not"):
        hfedu.boot(greets(1), heap_pages=pages)


@pytest.mark.parametrize("pages", [1, 2, 5, 20])
def test_a_pool_that_is_too_small_ends_as_the_real_one_would(pages):
    run = hfedu.boot(greets(1).image, heap_pages=pages)
    assert run.outcome.status in (3, 4)


def test_a_token_keeps_the_pool():
    run = hfedu.boot(greets(7), memory="32M", heap_pages=70)
    again = hfedu.replay(run.token(), greets(7))
    assert again.events == run.events
    assert again.made["heap_pages"] == 70


@pytest.mark.slow
def test_the_command_line_has_it_too(tmp_path):
    path = tmp_path / "many.cpio"
    path.write_bytes(RamDisk(asset("relay_primary.bin"), [asset("relay.bin")] * 14).image)
    command = [sys.executable, "-m", "hfedu", "boot", str(path), "--memory", "64M", "--max-seconds", "20"]
    usual, large = (
        subprocess.run([*command, *more], capture_output=True, text=True) for more in ([], ["--heap-pages", "109"])
    )
    assert "Unable to initialise VM" in usual.stdout
    assert "Unable" not in large.stdout
    assert large.stdout.count("Loaded") > usual.stdout.count("Loaded")
    assert large.returncode == 0, large.stderr


@pytest.mark.parametrize("pages", ["0", "110", "many"])
def test_the_command_line_refuses_a_pool_that_cannot_be(pages, tmp_path, capsys):
    path = tmp_path / "disk.cpio"
    path.write_bytes(greets(1).image)
    try:
        status = main(["boot", str(path), "--heap-pages", pages])
    except SystemExit as end:
        status = end.code
    assert status == 2
    said = capsys.readouterr().err
    assert "heap" in said
    assert said.count("\n") == 1
