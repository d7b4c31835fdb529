"""Build the guest images of the lessons: assets/guests/*.c -> assets/*.bin, and their lines, assets/lines.json.

Needs an AArch64 cross compiler, on Debian and Ubuntu the package gcc-aarch64-linux-gnu; that of Debian 12 (gcc 12.2.0)
gives the images that are here. Nobody needs it to run hfedu: the images are in the repository. `--check` builds into a
temporary folder and compares.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hfedu.guest.toolchain import calls_header
from hfedu.hf.call import CALLS

HERE = Path(__file__).parent
GUESTS = HERE / "guests"
PREFIX = "aarch64-linux-gnu-"
FLAGS = (
    "-Os -march=armv8-a -mgeneral-regs-only -ffreestanding -fno-builtin -fpie -fno-stack-protector"
    " -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror"
    " -gdwarf-4 -nostdlib -static -no-pie -Wl,--build-id=none,--no-warn-rwx-segments"
).split()
"""With DWARF of version 4: of 5, addr2line of Debian 12 takes the wrong file for functions of headers."""
CALLERS_LINE = ("hvc", "configure")
"""Functions of guest.h whose instructions count as the line that calls them: see there."""


def build(source: Path, folder: Path) -> Path:
    """Compile one guest to a flat image."""
    elf, image = folder / f"{source.stem}.elf", folder / f"{source.stem}.bin"
    inputs = [str(GUESTS / "start.S"), str(source), f"-Wl,-T,{GUESTS / 'guest.ld'}"]
    subprocess.run([f"{PREFIX}gcc", *FLAGS, *inputs, "-o", str(elf)], check=True)
    subprocess.run([f"{PREFIX}objcopy", "-O", "binary", "-j", ".text", str(elf), str(image)], check=True)
    return image


def lines(elf: Path, size: int) -> list[tuple[int, str, int]]:
    """From which offset on instructions come from which file and line: one row where that changes. Line 0 is none."""
    table: list[tuple[int, str, int]] = []
    for offset in range(0, size, 4):
        command = [f"{PREFIX}addr2line", "--inlines", "--functions", "--exe", str(elf), hex(offset)]
        frames = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        calls = zip(frames[::2], frames[1::2], strict=True)
        place = next(place for function, place in calls if function not in CALLERS_LINE)
        path, _, line = place.partition(" ")[0].rpartition(":")
        file, number = (Path(path).name, int(line)) if line.isdecimal() and int(line) else ("", 0)
        if not table or table[-1][1:] != (file, number):
            table.append((offset, file, number))
    return table


def main() -> int:
    """Build all, or check that what is there is what the sources give."""
    check = "--check" in sys.argv[1:]
    different, tables = [], {}
    made, numbers = GUESTS / "calls.h", calls_header(CALLS)
    if not check:
        made.write_text(numbers, "utf-8")
    elif made.read_text("utf-8") != numbers:
        different.append(made.name)
    with tempfile.TemporaryDirectory() as name:
        for source in sorted(GUESTS.glob("*.c")):
            image = build(source, Path(name))
            target, content = HERE / image.name, image.read_bytes()
            tables[hashlib.sha256(content).hexdigest()] = lines(image.with_suffix(".elf"), len(content))
            if check and (not target.exists() or target.read_bytes() != content):
                different.append(target.name)
            elif not check:
                target.write_bytes(content)
                print(f"{target.name}: {target.stat().st_size} bytes")
    rows = ",\n".join(f'"{digest}": {json.dumps(table)}' for digest, table in tables.items())
    target, text = HERE / "lines.json", f"{{\n{rows}\n}}\n"
    if not check:
        target.write_text(text, "utf-8")
    elif not target.exists() or target.read_text("utf-8") != text:
        different.append(target.name)
    if different:
        print(f"not what the sources give: {', '.join(different)}; run python assets/build.py", file=sys.stderr)
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
