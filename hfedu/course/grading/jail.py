"""What a stranger's code may do to this computer while it is judged: use a CPU for a while, and little else.

`enter` is for a process that was forked for this, and cannot be undone. Each wall is the kernel's own; `missing` says
which of them this system has not got.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hfedu.guest.confined import (
    ADD_RULE,
    BENEATH,
    CREATE_RULESET,
    NO_NEW_PRIVILEGES,
    RESTRICT_SELF,
    RULESET_VERSION,
    SYSTEM,
    Rule,
    available,
    limit,
)

MEMORY_AT_MOST, ADDRESSES_AT_MOST = 1 << 30, 32 << 30
"""Bytes of memory and of address space that a locked process may have beyond those that it begins with: it is a copy of
the process that judges, which may be large. A machine that is emulated has many addresses and uses a few."""
LONGEST_OUTPUT = 16 << 20
"""Bytes of a file that is written."""
EXECUTE, WRITE_FILE, READ = 1 << 0, 1 << 1, 1 << 2 | 1 << 3
MAKE_AND_REMOVE, TRUNCATE = 0x1FF << 4, 1 << 14
NETWORK, SCOPES = 0b11, 0b11
"""Landlock's rights to files; those to TCP; and what it keeps to its own processes: abstract sockets and signals."""
SINCE_REFER, SINCE_TRUNCATE, SINCE_NETWORK, SINCE_SCOPES = 2, 3, 4, 6
SECCOMP, FILTER = 22, 2
ARCHITECTURES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
"""By machine: its number for the kernel's auditing, and its column of `FORBIDDEN`."""
FORBIDDEN = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "sendto": (44, 206), "sendmsg": (46, 211),
    "io_uring_setup": (425, 425), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "setrlimit": (160, 164), "chmod": (90, None),
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "utimensat": (280, 88), "setpriority": (141, 140), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "ioprio_set": (251, 30), "mount": (165, 40),
    "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41),
    "reboot": (169, 142), "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161),
    "swapon": (167, 224), "swapoff": (168, 225), "init_module": (175, 105), "finit_module": (313, 273),
    "kexec_load": (246, 104), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219),
    "add_key": (248, 217), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "open_by_handle_at": (304, 265),
}  # fmt: skip
"""System calls that are refused, with their numbers on x86-64 and on Arm."""
CLONE, CLONE3, PRLIMIT = (56, 220), (435, 435), (302, 261)
A_THREAD = 0x1_0000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, UNKNOWN_CALL = 0x7FFF_0000, 0x5_0001, 0x5_0026
"""Answers of a filter: go on, EPERM, ENOSYS."""
OTHER_NUMBERS = 0x4000_0000
"""From here on x86-64 has its calls again, for 32-bit pointers."""


class Ruleset(ctypes.Structure):
    """What Landlock calls `landlock_ruleset_attr`."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class Program(NamedTuple):
    """A filter of system calls: instructions, and how many."""

    code: bytes

    def packed(self) -> tuple[ctypes.Array[ctypes.c_char], bytes]:
        """The code, which must live as long as what points to it, and `sock_fprog`."""
        held = ctypes.create_string_buffer(self.code, len(self.code))
        return held, struct.pack("@HP", len(self.code) // 8, ctypes.addressof(held))


def landlock_version(libc: ctypes.CDLL) -> int:
    """Which Landlock this kernel has; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(libc.syscall(CREATE_RULESET, None, 0, RULESET_VERSION)))


def missing() -> list[str]:
    """What this system cannot keep a hand-in from, each as the end of a sentence."""
    if not sys.platform.startswith("linux"):
        return ["reading and writing your files", "using the network", "starting and ending programs"]
    found = []
    if landlock_version(ctypes.CDLL(None)) < SINCE_TRUNCATE:
        found.append("reading and writing your files")
    if platform.machine() not in ARCHITECTURES:
        found += ["using the network", "starting and ending programs"]
    return found


class Occupied(NamedTuple):
    """Bytes of address space, and of memory, that a process has; 0 where the system does not tell."""

    addresses: int
    memory: int


def held_by(process: int) -> Occupied:
    """What a process has now."""
    try:
        addresses, memory = map(int, Path(f"/proc/{process}/statm").read_text().split()[:2])
    except (OSError, ValueError):
        return Occupied(0, 0)
    page = os.sysconf("SC_PAGE_SIZE")
    return Occupied(addresses * page, memory * page)


def waited_for_a_cpu(process: int) -> float:
    """Seconds in which a process could have run and others did; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0


def short_of_memory(begin: Occupied) -> bool:
    """Whether this computer keeps from a process what it may have: then it is not at fault if it fails."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    bound = most != resource.RLIM_INFINITY and most < begin.addresses + ADDRESSES_AT_MOST
    return bound or not available(MEMORY_AT_MOST)


def enter(readable: Sequence[Path], writable: Path, seconds: int, begin: Occupied) -> None:
    """Lock this process in: what it may read, the one folder it may write to, and the seconds of CPU it may use."""
    import resource

    with suppress(OSError, ValueError):
        limit(begin.addresses + ADDRESSES_AT_MOST, LONGEST_OUTPUT)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform.startswith("linux"):
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        shut_files(libc, readable, writable)
        shut_calls(libc)


def shut_files(libc: ctypes.CDLL, readable: Sequence[Path], writable: Path) -> None:
    """With Landlock: no files but these, no TCP, no signal to any other process."""
    version = landlock_version(libc)
    if version < SINCE_TRUNCATE:
        return
    every = EXECUTE | WRITE_FILE | READ | MAKE_AND_REMOVE | 1 << 13 | TRUNCATE
    handled = Ruleset(every, NETWORK * (version >= SINCE_NETWORK), SCOPES * (version >= SINCE_SCOPES))
    size = 8 * (1 + (version >= SINCE_NETWORK) + (version >= SINCE_SCOPES))
    rules = libc.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0)
    if rules < 0:
        return
    places = [(place, READ | EXECUTE) for place in [*map(Path, SYSTEM), *readable]]
    for place, rights in [*places, (Path("/dev/null"), READ | WRITE_FILE), (writable, every & ~EXECUTE)]:
        with suppress(OSError):
            folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
            allowed = rights if place.is_dir() else rights & (READ | EXECUTE | WRITE_FILE | TRUNCATE) & ~(1 << 3)
            libc.syscall(ADD_RULE, rules, BENEATH, ctypes.byref(Rule(allowed, folder)), 0)
            os.close(folder)
    libc.syscall(RESTRICT_SELF, rules, 0)
    os.close(rules)


def shut_calls(libc: ctypes.CDLL) -> None:
    """With seccomp: no network, no new process, no signal, nothing that changes the system."""
    if platform.machine() not in ARCHITECTURES:
        return
    held, program = call_filter(*ARCHITECTURES[platform.machine()]).packed()
    libc.prctl(SECCOMP, FILTER, ctypes.c_char_p(program), 0, 0)
    del held


def call_filter(architecture: int, column: int) -> Program:
    """The filter in the kernel's form: each instruction has a code, two distances to jump, and a value."""
    lines: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, REFUSE),
        (LOAD, 0, 0, 0), (AT_LEAST, 0, 1, OTHER_NUMBERS), (RETURN, 0, 0, REFUSE),
    ]  # fmt: skip
    for numbers in FORBIDDEN.values():
        if (number := numbers[column]) is not None:
            lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    lines += [
        (EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, UNKNOWN_CALL),  # threads come with clone, whose flags show
        (EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, A_THREAD), (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
        (EQUAL, 0, 3, PRLIMIT[column]), (LOAD, 0, 0, 32), (EQUAL, 1, 0, 0), (RETURN, 0, 0, REFUSE),  # it may only look
        (RETURN, 0, 0, ALLOW),
    ]  # fmt: skip
    return Program(b"".join(struct.pack("=HBBI", *line) for line in lines))
