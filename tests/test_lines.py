"""Which line of a guest's source an event comes from: compiled here, shipped, or in anybody's ELF file."""

import json
import pickle
import random
import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

import hfedu
from hfedu import Kind, RamDisk, Secondary, assemble, asset, compile_c, vcpu_run
from hfedu.guest.toolchain import Compiled
from hfedu.history.abi import HF_INTERRUPT_INJECT
from hfedu.run import words
from hfedu.run.depth import TRAPS
from hfedu.run.token import digest
from hfedu.view.answers import all_answers, answer
from hfedu.view.lines import SourceLine, elf_rows

GUESTS = Path(__file__).parent / "guests"
LEVELS = ["-O0", "-Os", "-O2"]
C = """\
static u64 count(void)
{
	return hvc(HF_VM_GET_COUNT, 0, 0, 0);
}

void nobody_calls_this(void)
{
	hvc(0, 0, 0, 0);
}

void guest_main(void)
{
	configure();
	count();
	putd(
		hvc(HF_VM_GET_COUNT, 0, 0, 0));
	for (int i = 0; i < 2; i++)
		hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
	__asm__ volatile("smc #0" ::: "x0", "x1", "x2", "x3");
	__asm__ volatile("wfi");
	__asm__ volatile("nop");
	*(volatile u64 *)0x10000000 = 1;
}
"""
AT = [13, 3, 16, 18, 18, 19]
"""Where the calls of C stand; then come its WFI and its fault."""
WFI_AT, FAULT_AT = 20, 22
RELAY = RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")])


def in_turn():
    for _ in range(8):
        yield vcpu_run(1)
        yield hfedu.hvc(HF_INTERRUPT_INJECT, 1, 0, 5)  # where that is repaired, it ends the wait of a WFI


def traps(run, vm="vm1"):
    """The events of the traps of a VM."""
    actors = ((event, str(getattr(event.actor, "name", event.actor))) for event in run.events)
    return [event for event, actor in actors if event.kind in TRAPS and actor.startswith(f"{vm}.")]


def lines(run, vm="vm1"):
    found = [run.source(event.seq) for event in traps(run, vm)]
    return [line and line.line for line in found]


def booted(image, **options):
    return hfedu.boot(RamDisk(in_turn, [Secondary(image)]), **options)


# What compile_c and assemble made.


@pytest.mark.parametrize("level", LEVELS)
def test_every_trap_of_a_compiled_guest_has_the_line_that_caused_it(level):
    image = compile_c(C, level)
    assert lines(booted(image)) == [*AT, WFI_AT]
    run = booted(image, profile="fixed")  # there a WFI is skipped
    assert lines(run) == [*AT, WFI_AT, FAULT_AT]
    texts = [run.source(event.seq).text for event in traps(run)]
    assert texts[0] == "configure();"
    assert texts[2] == "hvc(HF_VM_GET_COUNT, 0, 0, 0));"
    assert texts[-1] == "*(volatile u64 *)0x10000000 = 1;"
    assert {run.source(event.seq).file for event in traps(run)} == {"guest.c"}
    assert lines(run, "vm0") == [None] * len(traps(run, "vm0")), "a script's lines are not in the recording"


def test_the_line_of_a_fault_that_hangs_the_hypervisor():
    run = booted(compile_c(C.replace('__asm__ volatile("wfi");', "")))
    assert run.outcome.kind == "hang"
    assert lines(run)[-1] == FAULT_AT


@pytest.mark.parametrize("schedule", ["every 1", "every 3", 7])
def test_on_two_cpus(schedule):
    def other():
        yield hfedu.meet()

    def first():
        yield hfedu.cpu_on(1)
        yield hfedu.meet()
        yield from in_turn()

    disk = RamDisk([first, other], [compile_c(C)])
    run = hfedu.boot(disk, cpus=2, schedule=schedule)
    assert lines(run)[:7] == [*AT, WFI_AT]


def test_an_interrupt_comes_at_the_line_where_the_guest_was():
    run = booted(compile_c("void guest_main(void)\n{\n\tfor (;;)\n\t\tputc('.');\n}"), timer=100)
    assert {event.kind for event in traps(run)} == {Kind.IRQ}
    found = [run.source(event.seq) for event in traps(run)]
    assert {line.file for line in found if line} <= {"guest.c", "guest.h"}
    assert any(line is not None and line.text for line in found)


def test_every_event_that_a_trap_led_to_has_its_line():
    run = hfedu.boot(RELAY)
    assert [run.source(seq).line for seq in (21, 22, 23, 24)] == [24] * 4
    assert [run.source(seq) for seq in (0, 1, 4, len(run.events) - 1)] == [None] * 4
    for seq in (-1, 99, None):
        with pytest.raises(hfedu.Mistake, match="there is no event"):
            run.source(seq)
    by_hand = type(run)(run.events, run.uart, run.outcome, run.lifelines)
    assert by_hand.source(21) is None


def test_assembly_has_lines_too():
    run = booted(assemble("mov x0, #0xff01\nhvc #0\n\nloop: wfi\nb loop"))
    assert lines(run) == [2, 4]
    assert run.source(traps(run)[1].seq) == SourceLine("guest.s", 4, "loop: wfi")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["atomics", "exceptions", "faults", "mmu"])
def test_line_tables_change_no_byte_of_an_image(name, level):
    source = (GUESTS / f"{name}.c").read_text()
    with_lines, without = (compile_c(source, level, f"-I{GUESTS}", flag) for flag in ("-g", "-g0"))
    assert with_lines == without
    assert elf_rows(with_lines.elf)
    assert not any(file == f"{name}.c" or file == "guest.c" for _, file, _ in elf_rows(without.elf))


def test_a_header_of_the_users_own_is_shown_and_no_file_that_a_line_directive_names(tmp_path):
    (tmp_path / "mine.h").write_text("\n\nstatic inline void call(void) { hvc(0xff01, 0, 0, 0); }\n")
    (tmp_path / "secret.txt").write_text("secret\n" * 9)
    source = f'#include "mine.h"\nvoid guest_main(void)\n{{\ncall();\n#line 1 "{tmp_path}/secret.txt"\nconfigure();\n}}'
    run = booted(compile_c(source, f"-I{tmp_path}"))
    first, second, *_ = (run.source(event.seq) for event in traps(run))
    assert first == SourceLine("mine.h", 3, "static inline void call(void) { hvc(0xff01, 0, 0, 0); }")
    assert second == SourceLine("secret.txt", 1, "")


def test_without_pyelftools_everything_but_the_lines_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    run = booted(compile_c(C))
    assert lines(run)[:6] == [None] * 6
    assert "guest.c" not in repr(run.instructions(traps(run)[0].seq))


# An image is bytes.


def test_an_image_with_lines_is_bytes_in_every_way():
    image = compile_c(C)
    plain = bytes(image)
    assert type(plain) is bytes
    assert image == plain
    assert hash(image) == hash(plain)
    assert {image: 1}[plain] == 1
    assert repr(image) == repr(plain)
    for same in (pickle.loads(pickle.dumps(image)), image):
        assert same == plain
        assert lines(booted(same))[:6] == AT
    for less in (image[:], image[: len(image)], image + b"", b"".join([image]), bytearray(image)):
        assert less == plain
    for less in (image[:-1] + image[-1:], bytearray(image), image + bytes(64)):
        assert lines(booted(less))[:6] == [None] * 6


def test_tokens_and_digests_know_nothing_of_lines():
    image = compile_c(C)
    with_lines, without = RamDisk(in_turn, [image]), RamDisk(in_turn, [bytes(image)])
    assert with_lines.image == without.image
    assert digest(with_lines) == digest(without)
    run = hfedu.boot(with_lines, max_seconds=None)
    again = hfedu.replay(run.token(), without)
    assert again.events == run.events
    assert again.token() == run.token()
    assert lines(again)[0] is None
    assert lines(hfedu.replay(run.token(), with_lines))[0] == AT[0]


# Images that come with hfedu.


@pytest.mark.parametrize("make", [asset, lambda name: asset(name).read_bytes(), lambda name: str(asset(name))])
def test_the_guests_of_the_lessons_know_their_lines(make):
    primary, relay = make("relay_primary.bin"), make("relay.bin")
    for disk in (RamDisk(primary, [relay, relay]), RamDisk(primary, [relay, relay]).image):
        run = hfedu.boot(disk)
        for vm, file in (("vm0", "relay_primary.c"), ("vm1", "relay.c"), ("vm2", "relay.c")):
            for event in traps(run, vm):
                found = run.source(event.seq)
                assert found.file == file
                configures = words.name_of_call(event) == "HF_VM_CONFIGURE"
                assert ("configure();" if configures else words.name_of_call(event)) in found.text
        last = len(run.events) - 2
        assert run.source(last).text == "hvc(PSCI_SYSTEM_OFF, 0, 0, 0);"
        assert "relay_primary.c:42  hvc(PSCI_SYSTEM_OFF, 0, 0, 0);" in repr(run.instructions(last))


def test_the_table_of_lines_fits_the_images_and_their_sources():
    tables = json.loads(asset("lines.json").read_text())
    images = list(asset("echo.bin").parent.glob("*.bin"))
    assert {sha256(path.read_bytes()).hexdigest() for path in images} == set(tables)
    for path in images:
        table = tables[sha256(path.read_bytes()).hexdigest()]
        assert f"{path.stem}.c" in {file for _, file, _ in table}
        assert [offset for offset, _, _ in table] == sorted({offset for offset, _, _ in table})
        for offset, file, line in table:
            assert 0 <= offset < path.stat().st_size
            assert not line or asset(f"guests/{file}").read_text().splitlines()[line - 1].strip()


# Anybody's ELF file.


def linked(folder, *flags, source=C):
    """An ELF file with our runtime, as somebody else's compiler would leave it."""
    (folder / "main.c").write_text('#include "guest.h"\n#line 1\n' + source)
    guests = asset("guests/guest.h").parent
    options = "-Os -target aarch64-freestanding -ffreestanding -nostdlib -fPIE -pie -DRUNTIME -fno-sanitize=undefined"
    files = [str(guests / "start.S"), str(folder / "main.c"), "-T", str(guests / "guest.ld"), "-o", str(folder / "elf")]
    command = [sys.executable, "-m", "ziglang", "cc", *options.split(), f"-I{guests}", *flags, *files]
    subprocess.run([*command, "-mcpu=generic+el3-neon-fp_armv8"], check=True)
    return folder / "elf"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5"])
def test_an_elf_file_gives_names_and_numbers_and_no_text(version, tmp_path):
    path = linked(tmp_path, version)
    for image in (path, path.read_bytes()):
        run = booted(image, profile="fixed")
        assert lines(run) == [*AT, WFI_AT, FAULT_AT]
        assert run.source(traps(run)[0].seq) == SourceLine("main.c", AT[0], "")
        assert f"/main.c:{AT[1]}\n" in repr(run.instructions(traps(run)[1].seq))


def test_an_elf_file_without_a_table_has_no_lines(tmp_path):
    run = booted(linked(tmp_path, "-g0", "-Wl,--strip-all"))
    assert set(lines(run)) == {None}
    assert len(run.instructions(traps(run)[0].seq)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_a_damaged_table_gives_no_lines_or_wrong_ones_and_nothing_worse(version, tmp_path):
    from elftools.elf.elffile import ELFFile

    whole = linked(tmp_path, version).read_bytes()
    with (tmp_path / "elf").open("rb") as file:
        sections = [section for section in ELFFile(file).iter_sections() if section.name.startswith(".debug")]
        debug = {section.name: (section["sh_offset"], section["sh_size"]) for section in sections}
    choose = random.Random(1)
    for _ in range(150):
        damaged = bytearray(whole)
        for name in (".debug_line", ".debug_info", ".debug_abbrev"):
            begin, size = debug[name]
            for _ in range(choose.choice((0, 1, 3))):
                damaged[begin + choose.randrange(min(size, 400))] = choose.randrange(256)
        for offset, file, line in elf_rows(bytes(damaged)):
            assert isinstance(offset, int)
            assert file == file.strip("/\\")
            assert isinstance(line, int)
    for name, (begin, size) in debug.items():
        damaged = bytearray(whole)
        damaged[begin : begin + size] = bytes(choose.randbytes(size))
        run = booted(bytes(damaged))
        assert len(traps(run)) > 6, name
        run.source(traps(run)[0].seq)
        assert len(run.instructions(traps(run)[0].seq)) > 5


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\2\1\1" + bytes(80), b"nothing"])
def test_what_is_no_elf_file_has_no_rows(content):
    assert elf_rows(content) == []
    damaged = Compiled(bytes(assemble("mov x0, #0xff01\nhvc #0\nb .")))
    damaged.elf = content
    assert set(lines(booted(damaged, max_instructions=1000))) == {None}


# Depths.


def test_instructions_stand_under_the_line_they_come_from():
    run = booted(compile_c(C, "-Os"))
    clear = traps(run)[4]
    listing = run.instructions(clear.seq)
    shown = repr(listing).splitlines()
    assert f"{'':7}vm1/guest.c:18  hvc(HF_MAILBOX_CLEAR, 0, 0, 0);" in shown
    assert shown[-1].endswith("hvc #0")
    places = [line.strip() for line in shown if line.startswith(" " * 7)]
    assert all(one != other for one, other in pairwise(places))
    html = listing._repr_html_()
    assert html.count("<tr>") == len(listing) + 1
    assert "vm1/guest.c:18  hvc(HF_MAILBOX_CLEAR, 0, 0, 0);" in html
    row = listing.rows[-1]
    assert (row.file, row.line, row.what) == ("vm1/guest.c", 18, "")
    assert row.source[18] == "\t\thvc(HF_MAILBOX_CLEAR, 0, 0, 0);"
    assert sorted(row.source) == list(range(14, 23))


def test_the_player_gets_the_lines_of_two_guests_with_one_name_apart():
    first = compile_c("void guest_main(void)\n{\n\tconfigure();\n\tfor (;;)\n\t\thvc(HF_VCPU_RUN, 1, 0, 0);\n}")
    second = compile_c("\n\n\nvoid guest_main(void) { configure(); }")
    run = hfedu.boot(RamDisk(first, [second]), max_traps=12)
    (configured,) = (event for event in traps(run) if event.kind is Kind.HYPERCALL)
    got = answer(run, "instructions", configured.seq)
    assert got["rows"][-1]["line"] == 4
    assert got["sources"]["vm1/guest.c"][4] == "void guest_main(void) { configure(); }"
    kept = all_answers(run)
    assert kept["sources"]["vmlinuz/guest.c"][3] == "\tconfigure();"
    assert kept["sources"]["vm1/guest.c"][3] == ""
    assert json.loads(json.dumps(kept))["rows"]
