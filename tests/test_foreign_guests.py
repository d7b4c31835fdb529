"""Guests that hfedu knows nothing of: what compilers emit runs here as it runs on a Cortex-A57."""

import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import hfedu
from hfedu import Mistake, RamDisk, Secondary, assemble, compile_c
from hfedu.guest.toolchain import flat
from hfedu.run.ramdisk import RamDiskError

GUESTS = Path(__file__).parent / "guests"
LEVELS = ["-O0", "-Os", "-O2"]
OFF = "hvc(PSCI_SYSTEM_OFF, 0, 0, 0);"


def printed(image, where="primary", append=""):
    """What a guest prints, as the primary or as a secondary that a script runs until the guest rests."""

    def primary():
        yield hfedu.vcpu_run(1)
        yield hfedu.power_off()

    disk = RamDisk(image) if where == "primary" else RamDisk(primary, [Secondary(image)])
    run = hfedu.boot(disk, append, max_instructions=2_000_000)
    assert run.outcome.kind == "power off", run.outcome
    return run.uart.split("Starting up cpu 0\n")[1]


def compiled(name, level):
    return compile_c((GUESTS / f"{name}.c").read_text(), f"-I{GUESTS}", level)


def linked(source, path, *flags):
    """An ELF file as any compiler makes it, with nothing of ours in it."""
    options = "-target aarch64-freestanding -mcpu=generic-neon-fp_armv8 -ffreestanding -nostdlib -fno-stack-protector"
    command = [sys.executable, "-m", "ziglang", "cc", *options.split(), "-fno-sanitize=undefined", *flags]
    subprocess.run([*command, str(source), "-o", str(path)], check=True)
    return path


# The compilers for notebooks.


@pytest.mark.slow
def test_assembly_is_entered_at_its_first_instruction():
    image = assemble("""
            adr x0, number      // PSCI SYSTEM_OFF
            ldr w0, [x0]
            hvc #0
        number: .word 0x84000008
    """)
    assert image == bytes.fromhex("60000010 000040b9 020000d4 08000084")
    assert printed(image) == ""


def test_assembly_knows_the_pages_behind_the_image():
    image = assemble("""
        adrp x1, send_page
        adrp x2, recv_page
        mov  x0, #0xff03
        hvc  #0
        b    .
    """)
    assert hfedu.boot(RamDisk(image), max_instructions=100).events[-2].result == 0


@pytest.mark.parametrize("level", LEVELS)
def test_c_has_hypercalls_tables_of_pointers_and_large_values(level):
    image = compile_c(
        f"""
        struct large {{ u64 word[100]; }};
        static struct large kept = {{{{1, 2, 3}}}};
        static void one(void) {{ puts("one "); }}
        static void two(void) {{ puts("two "); }}
        static void (*volatile table[])(void) = {{one, two}};
        static const char *const names[] = {{"three", "four"}};

        void guest_main(void)
        {{
            volatile int i = 1;
            struct large copied = kept, cleared = {{0}};
            copied.word[i] += cleared.word[i];
            kept = copied;
            table[0]();
            table[i]();
            puts(names[i - 1]);
            putd(kept.word[i]);
            {OFF}
        }}
        """,
        level,
    )
    assert printed(image) == "one two three2"
    assert printed(image, "secondary") == "one two three2"


@pytest.mark.parametrize("level", LEVELS)
def test_no_floating_point_or_simd_and_no_unaligned_access(level):
    """A real CPU traps the one (CPACR_EL1 is 0), and the other while the MMU is off. Here nothing would show it."""
    image = compile_c(
        """
        struct __attribute__((packed)) odd { u8 a; u64 b; };
        struct large { u32 word[16]; } out, copied;

        u64 guest_main(struct odd *in)
        {
            for (u32 i = 0; i < 16; i++)
                out.word[i] = out.word[i] * 3 + 1;
            copied = out;
            return in->b;
        }
        """,
        level,
    )
    code = struct.unpack_from(f"<{len(image) // 4}I", image)
    assert 0xD503_207F in code  # the WFI behind guest_main
    vector = [hex(word) for word in code if word >> 25 & 7 == 7 or (word >> 25 & 5 == 4 and word >> 26 & 1)]
    assert not vector
    wide = [hex(word) for word in code if word & 0xFFFF_FC00 == 0xF840_1000]  # ldur with an offset of 1
    assert not wide


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: assemble("nop\n  nap\n  nip"),
            "the assembly does not compile, line 2: (unrecognized instruction|unknown mnemonic)",
        ),
        (lambda: assemble(""), "the assembly has nothing to load in it: a guest needs at least one instruction"),
        (lambda: assemble("b nowhere"), "the assembly does not compile: undefined symbol: nowhere"),
        (lambda: compile_c("\nvoid guest_main(void) { return x; }"), "C program does not compile, line 2: .*'x'"),
        (lambda: compile_c("#include <stdio.h>"), "line 1: ('stdio.h' file not found|stdio.h: No such file)"),
        (lambda: compile_c("int f;"), "the C program does not compile: undefined symbol: guest_main"),
        (lambda: compile_c("void guest_main(double d) { d += 1; }"), "line 1: .*('double'|floating-point)"),
        (lambda: compile_c("", "-Oxx"), "does not compile: .*'-O"),
        (lambda: compile_c(b"int f;"), "the C program must be a text, not b'int f;'"),
        (lambda: assemble(".skip 4\n.globl _start\n_start: nop"), "the assembly has its entry at 0x4, but a VM"),
    ],
)
def test_what_does_not_compile_is_refused_with_the_first_message(make, says):
    with pytest.raises(Mistake, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_home_that_cannot_be_written_to_is_no_obstacle(monkeypatch, tmp_path):
    assert importlib.util.find_spec("ziglang")
    for name in ("HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        monkeypatch.setenv(name, "/dev/null/nothing")
    monkeypatch.chdir(tmp_path)
    assert assemble("nop") == bytes.fromhex("1f2003d5")
    assert not list(tmp_path.iterdir())


# Guests.


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_static_pie_of_any_linker_applies_its_own_relocations(level, where, tmp_path):
    elf = linked(GUESTS / "relocated.c", tmp_path / "guest", "-fPIE", "-pie", level)
    assert printed(elf, where) == "one\nTWO\nthree\nthe bss is zero\n"
    assert printed(elf.read_bytes(), where) == "one\nTWO\nthree\nthe bss is zero\n"


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_boot_arguments_come_from_the_device_tree_in_x0(level):
    image = compile_c(f'#include "fdt.h"\nvoid guest_main(const u8 *fdt) {{ puts(bootargs(fdt)); {OFF} }}', level)
    assert printed(image, append="console=ttyAMA0 answer=42") == "console=ttyAMA0 answer=42"


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("level", LEVELS)
def test_exclusives_barriers_and_system_registers(level, where):
    assert printed(compiled("atomics", level), where).splitlines() == [
        "counter 0xbb8", "taken 0x1", "taken twice 0x0", "holder 0x7", "byte 0x81", "incremented 0x2a", "swapped 0x21",
        "store without a load fails 0x1", "tpidr_el0 0x1111", "tpidrro_el0 0x2222", "tpidr_el1 0x3333",
        "contextidr_el1 0x4444", "currentel 0x4", "daif 0x3c0", "spsel 0x1", "cpacr_el1 0x0", "mpidr_el1 0x0",
        "granule 0x0", "zva 0x4",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_guest_that_turns_its_mmu_on_and_repairs_its_table(level, where):
    assert printed(compiled("mmu", level), where).splitlines() == [
        "the MMU is on", "through the window 0x1234", "at home 0x5678",
        "fault, vector 0x200", "  esr 0x96000007", "  far 0x80001020", "  spsr 0x3c5", "read 0x5678",
        "fault, vector 0x200", "  esr 0x96000047", "  far 0x80001028", "  spsr 0x3c5", "written 0x9abc",
        "still there 0x9abc", "after a hypercall", "off again 0x9abc",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("level", LEVELS)
def test_svc_brk_and_undefined_instructions_at_el1_and_el0(level, where):
    taken = [
        ("0x200", "0x5600002a", "0x600003c5", "after the SVC", "0x77"),
        ("0x200", "0xf2000007", "0x600003c5", "at the BRK", "0x78"),
        ("0x200", "0x2000000", "0x600003c5", "at the UDF", "0x79"),
        ("0x400", "0x56000003", "0x3c0", "after the user's SVC", "0x50"),
        ("0x400", "0xf2000004", "0x3c0", "at the user's BRK", "0xa1"),
    ]
    lines = [f"vector {v}\n  esr {esr}\n  spsr {spsr}\n  elr {elr}\n  x7 {x7}\n" for v, esr, spsr, elr, x7 in taken]
    lines.insert(3, "back at EL1 with x7 0x7a\nand flags 0x60000000\n")
    lines.append("back from EL0 with x7 0xa2\nsame stack 0x1\n")
    assert printed(compiled("exceptions", level), where) == "".join(lines)


FAULTS = {
    "EL0 reads ctr": "400 6232c181 0 3c0 0",
    "EL0 reads cntvct": "400 6234f981 0 3c0 0",
    "EL0 reads cntpct": "400 6232f981 0 3c0 0",
    "EL0 reads sctlr": "400 2000000 0 3c0 0",
    "EL0 reads actlr": "400 2000000 0 3c0 0",
    "EL0 reads daif": "400 6232d185 0 3c0 0",
    "EL0 hvc": "400 2000000 0 3c0 0",
    "EL0 smc": "400 2000000 0 3c0 0",
    "EL0 wfi": "400 7e00000 0 3c0 0",
    "EL0 dc zva": "400 6212dc08 0 3c0 0",
    "EL0 ic ivau": "400 6212dc0a 0 3c0 0",
    "EL0 eret": "400 2000000 0 3c0 0",
    "on SP_EL0": "0 56000001 0 3c4 0",
    "read, level 1": "200 96000005 c0000000 3c5 0",
    "read, level 2": "200 96000006 80200004 3c5 0",
    "write, level 3": "200 96000047 80000000 3c5 0",
    "outside the table": "200 96000004 10000000000 3c5 0",
    "upper half, off": "200 96000004 fffffffffffffff8 3c5 0",
    "fetch, level 3": "200 86000007 80000008 3c5 0",
    "write to read-only": "200 9600004f 80000008 3c5 0",
    "read of read-only": "nothing",
    "ldxr of read-only": "nothing",
    "pair across the page's end": "200 96000007 80001000 3c5 0",
    "access flag": "200 9600000b 80000008 3c5 0",
    "fetch, never": "200 8600000f 80000008 3c5 0",
    "fetch of what EL0 writes": "200 8600000f 80000008 3c5 0",
    "EL0 reads the kernel's page": "400 9200000f 80001000 3c0 0",
    "EL0 reads its own page": "400 f20000ee 0 3c0 4",
    "EL0 writes to read-only": "400 9200004f 80002000 3c0 0",
    "EL0 calls": "400 56000555 0 3c0 8",
    "EL0 fetches, never": "400 8200000f 80000000 3c0 0",
    "call of a page": "nothing",
    "odd pc": "200 8a000000 80000002 3c5 0",
    "unaligned": "nothing",
    "unaligned exclusive": "200 96000021 80000002 3c5 0",
    "at of nothing": "nothing",
    "PAR of nothing": "80f",
    "at": "nothing",
    "PAR less the page": "0",
}
"""Vector, ESR_EL1, FAR_EL1 (0 if it does not count), SPSR_EL1, and ELR_EL1 less the address of the cause.

QEMU's Cortex-A57 prints the same.
"""


@pytest.mark.parametrize("where", ["primary", "secondary"])
@pytest.mark.parametrize("level", LEVELS)
def test_exceptions_that_a_kernel_and_its_user_cause(level, where):
    lines = printed(compiled("faults", level), where).splitlines()
    assert dict(line.split(": ") for line in lines) == FAULTS


# ELF files.


def elf(*segments, kind=2, machine=183, head=b"\2\1", entry=0x1000):
    """A program from (address, content, size in memory)."""
    order = ">" if head[1] == 2 else "<"
    header = b"\x7fELF" + head.ljust(12, b"\0") + struct.pack(f"{order}HHI", kind, machine, 1)
    header += struct.pack(f"{order}QQQIHHHHHH", entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    table, contents, at = b"", b"", 64 + 56 * len(segments)
    for address, content, size in segments:
        table += struct.pack(f"{order}IIQQQQQQ", 1, 7, at + len(contents), address, address, len(content), size, 4096)
        contents += content
    return header + table + contents


NOP, TO_SELF = bytes.fromhex("1f2003d5"), bytes.fromhex("00000014")


def test_segments_lie_at_their_addresses_and_the_rest_is_zero():
    image = flat(elf((0x3000, b"data", 8), (0x1000, NOP, 4)), "it")
    assert image == NOP.ljust(0x2000, b"\0") + b"data".ljust(8, b"\0")


def test_an_entry_elsewhere_is_reached_by_a_branch_where_there_is_room():
    whole = elf((0x2010, NOP, 4), entry=0x2010)
    assert flat(whole, "it")[:0x14] == bytes.fromhex("04000014").ljust(0x10, b"\0") + NOP
    header = elf((0, b"", 0), (0x1000, NOP, 4), entry=0x1000)
    whole = elf((0, header[:64], 64), (0x1000, NOP, 4), entry=0x1000)
    assert flat(whole, "it")[:8] == bytes.fromhex("00040014") + header[4:8]
    with pytest.raises(Mistake, match="its entry at 0x1004, but a VM is entered at its lowest address"):
        flat(elf((0x1000, NOP + TO_SELF, 8), entry=0x1004), "it")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (elf((0x1000, NOP, 4), machine=62), "an ELF file for 64-bit little-endian x86-64: compile it for 64-bit"),
        (elf((0x1000, NOP, 4), machine=40, head=b"\1\1"), "for 32-bit little-endian Arm"),
        (elf((0x1000, NOP, 4), head=b"\2\2"), "for 64-bit big-endian Arm"),
        (elf((0x1000, NOP, 4), machine=8), "for 64-bit little-endian machine 8"),
        (elf(kind=1), "without a segment to load: link it, an object file is no program"),
        (elf((0x1000, NOP, 4))[:100], "that is cut short"),
        (elf((0x1000, NOP, 4))[:10], "is an ELF file for"),
        (elf((0x1000, NOP, 4))[:-1], "is damaged"),
        (elf((0x1000, NOP * 2, 4)), "is damaged"),
        (elf((0x1000, NOP, 4), (1 << 60, NOP, 4)), "span more than 127M"),
        (elf((0x1000, NOP, 1 << 60)), "span more than 127M"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_elf_file_that_cannot_be_a_guest_is_refused(content, says):
    with pytest.raises(Mistake, match=says):
        RamDisk(content)
    with pytest.raises(Mistake, match="image of secondary 1 is an ELF file"):
        RamDisk(TO_SELF, [content])


def test_an_object_file_of_a_real_compiler_is_refused(tmp_path):
    with pytest.raises(Mistake, match="link it, an object file is no program"):
        RamDisk(linked(GUESTS / "relocated.c", tmp_path / "guest.o", "-c"))


def test_the_bss_counts_as_memory():
    with pytest.raises(RamDiskError, match="has 4096 bytes of memory and an image of 8192"):
        RamDisk(TO_SELF, [Secondary(elf((0x1000, NOP, 0x2000)), memory="4K")])
