"""Files that come with hfedu, and the only way in which hfedu writes and reads those of others.

A file is written whole or not at all, never through a link. What is read is a file, not a pipe or a device.
"""

import errno
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from hfedu.errors import Mistake

LONGEST_FILE = 1 << 30
"""More bytes than any file that hfedu reads has."""
AT_A_TIME = 1 << 20
"""Bytes that are asked for at once: a browser's memory grows by what is asked for, and never shrinks."""
NOT_THROUGH = getattr(os, "O_NOFOLLOW", 0)
AT_ONCE = getattr(os, "O_NONBLOCK", 0)
BINARY = getattr(os, "O_BINARY", 0)


def asset(name: str) -> Path:
    """The path of a file that comes with hfedu. `Mistake` names the guest images there are."""
    folders = (Path(__file__).parent / "assets", Path(__file__).parent.parent / "assets")
    for folder in folders:
        with suppress(OSError):  # a name that is too long
            if isinstance(name, str) and "\0" not in name and (folder / name).is_file():
                return folder / name
    images = sorted(path.name for folder in folders for path in folder.glob("*.bin"))
    raise Mistake(f"there is no asset {name!r}: there are {', '.join(images)}")


def regular(mode: int, path: Path) -> None:
    """`OSError` unless a mode is that of a plain file."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a pipe or a device"
        raise OSError(errno.EINVAL, f"{path.name} is {kind}, not a file", str(path))


def read_whole(path: Path, longest: int = LONGEST_FILE) -> bytes:
    """The content of a file. `OSError` for what is none, such as a pipe, and for one that is too long."""
    descriptor = os.open(path, os.O_RDONLY | AT_ONCE | BINARY)
    with open(descriptor, "rb") as file:
        regular(os.fstat(descriptor).st_mode, path)
        content = bytearray()
        while len(content) <= longest and (more := file.read(AT_A_TIME)):
            content += more
    if len(content) > longest:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return bytes(content)


def write_whole(path: Path, content: bytes, new: bool = False) -> None:
    """Write a file whole or not at all: what was there before stays until all is on the disk.

    `OSError` if that is impossible: where a link, a folder, a pipe or a device has that name, and, if the file is to be
    `new`, where anything has.
    """
    mode = None
    with suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        regular(mode, path)
    part = path.with_name(f".hfedu-{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_THROUGH | BINARY, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if mode is not None:
            os.chmod(part, stat.S_IMODE(mode))
        put_in_place(part, path, new)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def put_in_place(part: Path, path: Path, new: bool) -> None:
    """Give a file its name; if it is to be `new`, only where nothing has that name."""
    if not new:
        os.replace(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(part, path)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file in one write, on a line of its own even if the last one was cut short.

    `OSError` if the line could not be written whole, and for what is no file.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NOT_THROUGH | AT_ONCE | BINARY
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            regular(stat.S_IFLNK, path)
        raise
    try:
        regular(os.fstat(descriptor).st_mode, path)
        if os.lseek(descriptor, 0, os.SEEK_END):
            os.lseek(descriptor, -1, os.SEEK_END)
            line = line if os.read(descriptor, 1) == b"\n" else "\n" + line
        content = line.encode()
        if os.write(descriptor, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_of(text: str | bytes) -> Any:
    """What a JSON text holds. `ValueError` for whatever else, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
