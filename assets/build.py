"""Build the guest images of the lessons: assets/guests/*.c -> assets/*.bin.

Needs an AArch64 cross compiler, on Debian and Ubuntu the package gcc-aarch64-linux-gnu. Nobody needs it to run
hfedu: the images are in the repository. `--check` builds into a temporary folder and compares.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
GUESTS = HERE / "guests"
PREFIX = "aarch64-linux-gnu-"
FLAGS = (
    "-Os -march=armv8-a -mgeneral-regs-only -ffreestanding -fno-builtin -fpie -fno-stack-protector"
    " -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror"
    " -nostdlib -static -no-pie -Wl,--build-id=none,--no-warn-rwx-segments"
).split()


def build(source: Path, folder: Path) -> Path:
    """Compile one guest to a flat image."""
    elf, image = folder / f"{source.stem}.elf", folder / f"{source.stem}.bin"
    inputs = [str(GUESTS / "start.S"), str(source), f"-Wl,-T,{GUESTS / 'guest.ld'}"]
    subprocess.run([f"{PREFIX}gcc", *FLAGS, *inputs, "-o", str(elf)], check=True)
    subprocess.run([f"{PREFIX}objcopy", "-O", "binary", "-j", ".text", str(elf), str(image)], check=True)
    return image


def main() -> int:
    """Build all, or check that what is there is what the sources give."""
    check = "--check" in sys.argv[1:]
    different = []
    with tempfile.TemporaryDirectory() as name:
        for source in sorted(GUESTS.glob("*.c")):
            image = build(source, Path(name))
            target = HERE / image.name
            if check and (not target.exists() or target.read_bytes() != image.read_bytes()):
                different.append(target.name)
            elif not check:
                target.write_bytes(image.read_bytes())
                print(f"{target.name}: {target.stat().st_size} bytes")
    if different:
        print(f"not what the sources give: {', '.join(different)}; run python assets/build.py", file=sys.stderr)
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
