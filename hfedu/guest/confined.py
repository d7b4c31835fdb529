"""Runs a program that may read only what it needs, write no large file and use no more than so much memory.

    python confined.py MEMORY FILE_SIZE READABLE:READABLE... PROGRAM ARGUMENT...

A script of its own: it runs alone, before the program takes its place, and imports nothing of hfedu. What an operating
system has not got is left out: limits where there is no `resource`, reading where there is no Landlock (Linux 5.13).
"""

import ctypes
import os
import sys
from contextlib import suppress

READ_FILE, REFER = 1 << 2, 1 << 13
"""The rights that Landlock is to handle: to read a file, and to move one from folder to folder."""
RULESET_VERSION = 1
"""The flag with which Landlock tells its version. The first one forbids all moving, which the compiler needs."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
NO_NEW_PRIVILEGES, BENEATH = 38, 1
SYSTEM = ("/proc", "/dev/null", "/dev/urandom", "/sys", "/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache")


class Rule(ctypes.Structure):
    """What Landlock calls `landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def limit(memory: int, size: int) -> None:
    """Bound the address space and the files that are written, in bytes."""
    import resource

    for which, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, size), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(which)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (least, least))


def available(memory: int) -> bool:
    """Whether this process could have so many bytes of memory more. None of them is used."""
    import mmap

    with suppress(OSError):
        mmap.mmap(-1, memory).close()
        return True
    return False


def confine(readable: list[str]) -> None:
    """From now on this process can read no file but those in these places."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(CREATE_RULESET, None, 0, RULESET_VERSION) < 2:
        return
    handled = ctypes.c_uint64(READ_FILE | REFER)
    rules = libc.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if rules < 0:
        return
    for place in readable:
        with suppress(OSError):
            folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
            allowed = READ_FILE | REFER if os.path.isdir(place) else READ_FILE
            libc.syscall(ADD_RULE, rules, BENEATH, ctypes.byref(Rule(allowed, folder)), 0)
            os.close(folder)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.syscall(RESTRICT_SELF, rules, 0)
    os.close(rules)


if __name__ == "__main__":
    memory, size, readable, *command = sys.argv[1:]
    with suppress(ImportError, OSError, ValueError):
        limit(int(memory), int(size))
    confine([*SYSTEM, *readable.split("\n")])
    os.execv(command[0], command)
