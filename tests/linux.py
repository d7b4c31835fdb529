"""A RAM disk with Debian's arm64 kernel as the primary, and a kernel module that drives the VMs.

Kernel, busybox and headers come from the packages of Debian: nothing of them is stored here.
"""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import hfedu
from hfedu.run.ramdisk import cpio_entry

SOURCE, CROSS = Path(__file__).parent / "linux_module" / "hf.c", "aarch64-linux-gnu-"
ECHO = Path(hfedu.asset("echo.bin")).read_bytes()
ARM64 = ("-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", "Dir::State::status=/dev/null")
SCRIPT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t sysfs sys /sys
echo USERSPACE-REACHED
uname -srm
grep arch_timer /proc/interrupts
{lines}
poweroff -f
"""


class NotToBeHad(Exception):
    """The packages cannot be fetched or unpacked here; the text says why."""


@cache
def packages() -> Path:
    """A folder with Debian's kernel and busybox for arm64, unpacked. `NotToBeHad` if there is no way to them.

    HFEDU_LINUX names a folder in which they are unpacked already, or in which they are to be kept.
    """
    kept = os.environ.get("HFEDU_LINUX")
    root = Path(kept or tempfile.mkdtemp(prefix="hfedu-linux-"))
    if kernels(root):
        return root
    how = apt(root)
    found = run(["apt-cache", *how, "depends", "linux-image-arm64"], root)
    kernel = next((line.split()[-1] for line in found.splitlines() if "Depends:" in line), "")
    if not kernel:
        raise NotToBeHad("apt knows no linux-image-arm64")
    unpack(root, [kernel, "busybox-static"], how)
    if not kernels(root):
        raise NotToBeHad(f"the package {kernel} holds no kernel")
    return root


@cache
def apt(root: Path) -> tuple[str, ...]:
    """What makes apt look at Debian's packages for arm64, and keep all it has in `root`."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NotToBeHad("this system has no apt-get and dpkg")
    state, cache_dir = root / "apt" / "state", root / "apt" / "cache"
    for folder in (state / "lists" / "partial", cache_dir / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    how = (*ARM64, "-o", f"Dir::State={state}", "-o", f"Dir::Cache={cache_dir}")
    run(["apt-get", *how, "update"], root)
    return how


def unpack(root: Path, names: list[str], how: tuple[str, ...] = ()) -> None:
    """Unpack packages into `root`: those of this system unless `how` tells apt of others."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        run(["apt-get", *how, "download", *names], Path(folder))
        for package in Path(folder).glob("*.deb"):
            run(["dpkg", "-x", str(package), str(root)], root)


@cache
def module() -> bytes:
    """The kernel module in `linux_module`, built with the headers of the kernel. `NotToBeHad` if it cannot be."""
    root = packages()
    for tool in ("make", f"{CROSS}gcc"):
        if shutil.which(tool) is None:
            raise NotToBeHad(f"this system has no {tool}")
    version = kernels(root)[-1].name.removeprefix("vmlinuz-")
    headers = root / "usr" / "src" / f"linux-headers-{version}"
    makefile = headers / "Makefile"
    if not makefile.exists():
        how = apt(root)
        needs = run(["apt-cache", *how, "depends", headers.name], root)
        names = [line.split()[-1] for line in needs.splitlines() if "Depends:" in line]
        unpack(root, [headers.name, *(name for name in names if name.endswith("-common"))], how)
        unpack(root, [name for name in names if name.startswith("linux-kbuild")])  # its programs run here
    makefile.write_text(makefile.read_text().replace("include /usr/src", f"include {headers.parent}"))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(SOURCE, folder)
        (Path(folder) / "Makefile").write_text(f"obj-m := {SOURCE.stem}.o\n")
        make = ["make", "-C", str(headers), f"M={folder}", "ARCH=arm64", f"CROSS_COMPILE={CROSS}", f"CC={CROSS}gcc"]
        run([*make, "modules"], root)
        return (Path(folder) / f"{SOURCE.stem}.ko").read_bytes()


def run(command: list[str], folder: Path) -> str:
    """The output of a command, or `NotToBeHad`."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"{command[0]} takes more than 300 seconds") from None
    if done.returncode:
        raise NotToBeHad(f"{' '.join(command[:1] + command[-2:])} fails: {done.stderr.strip()[-200:]}")
    return done.stdout


def kernels(root: Path) -> list[Path]:
    """The kernels that are there."""
    return sorted(root.glob("boot/vmlinuz-*"))


def entry(name: str, content: bytes, mode: int) -> bytes:
    """One entry of the archive that Linux unpacks (cpio, newc)."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 5 * (mode >> 12 == 2), mode >> 12 == 2, len(name) + 1, 0]
    head = ("070701" + "".join(f"{int(field):08x}" for field in fields) + name + "\0").encode()
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def initramfs(script: str, files: dict[str, bytes] | None = None) -> bytes:
    """An archive with busybox, a console, and `script` as /init."""
    folders = [entry(name, b"", 0o040755) for name in ("bin", "dev", "proc", "sys")]
    busybox = next(packages().glob("*bin/busybox"), None) or next(packages().glob("usr/bin/busybox"))
    parts = [
        *folders,
        entry("dev/console", b"", 0o020600),
        entry("bin/busybox", busybox.read_bytes(), 0o100755),
        entry("init", script.encode(), 0o100755),
        *(entry(name, content, 0o100644) for name, content in (files or {}).items()),
        entry("TRAILER!!!", b"", 0),
    ]
    return b"".join(parts)


def ramdisk(lines: str = "", vms: dict[str, bytes] | None = None, files: dict[str, bytes] | None = None) -> bytes:
    """Linux, an initramfs that runs `lines` of shell and powers off, and secondary VMs of 512 KiB: echo by default."""
    vms = vms or {"echo": ECHO}
    archive = {
        "vmlinuz": kernels(packages())[-1].read_bytes(),
        "initrd.img": initramfs(SCRIPT.format(lines=lines), files),
        "vms.txt": "".join(f"524288 1 {name}\n" for name in vms).encode(),
        **vms,
    }
    entries = [cpio_entry(name, content) for name, content in archive.items()]
    return b"".join([*entries, cpio_entry("TRAILER!!!", b"")])
