"""What a step looks at and what it changes: the objects of a machine tell of each access while they are asked to.

Each of them gets a class that is its own and tells. A variable is named by the id of its object and a field's name.
"""

import linecache
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from hfedu.board.memory import RAM_BASE, PhysicalMemory
from hfedu.hf import arch
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.platform import PL011_BASE
from hfedu.run.core import Core
from hfedu.run.replay import Replayer

Name = tuple[Any, Any]
"""A variable: the id of an object and the name of a field; or a word and which one, such as ("page", 0x40100000)."""
BETWEEN = ("traced.py", "arch.py", "memory.py", "mm.py", "check.py", "syndrome.py")
"""Files that only pass an access on: what made it stands further up."""
MONITORS: Name = "monitors", 0
"""The exclusive monitors of all CPUs."""
TRANSIENT = frozenset(("step", "core", "wrong", "off"))
"""What the ghost knows of the step just taken."""


class TraceAccess(NamedTuple):
    """An access to a variable; of memory also from which byte to which, and whether it is atomic.

    `site` is the line of source it came from, if somebody asked for that; None for one that the ghost made.
    """

    name: Name
    write: bool
    span: tuple[int, int] = (0, 1)
    atomic: bool = False
    site: str | None = None


def source_line(file: str, line: int) -> str:
    """A line of source, and where it is."""
    return f"{os.path.basename(file)} line {line}: {linecache.getline(file, line).strip()}"


class Trace:
    """Notes accesses while it is on, in their order."""

    def __init__(self) -> None:
        self.on = self.sites = self.by_ghost = self.atomic = False
        self.log: list[TraceAccess] = []
        self.script: Callable[[], str | None] = lambda: None
        """The line that a script is at, if one runs now."""
        self.classes: list[tuple[Any, Any, Any]] = []
        """Each object, its own class, and the one that tells."""
        self.kinds: dict[Any, Any] = {}
        """The classes that tell, which are gone when the machine is."""

    def note(self, name: Name, write: bool, span: tuple[int, int] = (0, 1)) -> None:
        """Note an access."""
        if self.on:
            site = None if self.by_ghost or not self.sites else self.site()
            self.log.append(TraceAccess(name, write, span, self.atomic, site))

    def site(self) -> str | None:
        """The line of source that makes an access now."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and os.path.basename(frame.f_code.co_filename) in BETWEEN:
            frame = frame.f_back
        if frame is None or os.path.basename(frame.f_code.co_filename) == "scripted.py":
            return self.script()
        return source_line(frame.f_code.co_filename, frame.f_lineno)

    @contextmanager
    def told(self) -> Iterator[None]:
        """With objects that tell; else they are as ever, and as fast."""
        for found, _, tells in self.classes:
            found.__class__ = tells
        try:
            yield
        finally:
            for found, own, _ in self.classes:
                found.__class__ = own

    @contextmanager
    def noting(self) -> Iterator[list[TraceAccess]]:
        """Note what is accessed within."""
        self.on, self.log = True, []
        try:
            yield self.log
        finally:
            self.on = False


def telling(kind: Any, names: frozenset[str], trace: Trace) -> Any:
    """A class like `kind` whose objects tell of accesses to these attributes."""
    known = trace.kinds.get((kind, names))
    if known is not None:
        return known

    def read(self: Any, name: str) -> Any:
        if trace.on and name in names:
            trace.note((id(self), name), False)
        return kind.__getattribute__(self, name)

    def write(self: Any, name: str, value: Any) -> None:
        if trace.on and name in names:
            trace.note((id(self), name), True)
        kind.__setattr__(self, name, value)

    made = {"__slots__": (), "__getattribute__": read, "__setattr__": write, "__module__": kind.__module__}
    return trace.kinds.setdefault((kind, names), type(kind.__name__, (kind,), made))


def telling_registers(trace: Trace) -> Any:
    """A register file that tells of accesses."""

    class Registers(arch.ArchRegs):
        __slots__ = ()

        def __getitem__(self, at: Any) -> Any:
            trace.note((id(self), None), False)
            return super().__getitem__(at)

        def __setitem__(self, at: Any, value: Any) -> None:
            trace.note((id(self), None), True)
            super().__setitem__(at, value)

        def tobytes(self) -> bytes:
            trace.note((id(self), None), False)
            return super().tobytes()

        def __eq__(self, other: object) -> bool:
            trace.note((id(self), None), False)
            return super().__eq__(other)

        def __iter__(self) -> Any:
            trace.note((id(self), None), False)
            return super().__iter__()

        __hash__ = None  # type: ignore[assignment]

    return Registers


def telling_memory(trace: Trace) -> Any:
    """Memory that tells of accesses, page by page; the UART counts as one."""

    def note(pa: int, size: int, write: bool) -> None:
        if not trace.on:
            return
        if PL011_BASE <= pa < PL011_BASE + PAGE_SIZE:
            trace.note(("uart", 0), True)
        elif pa >= RAM_BASE:
            if write:
                trace.note(MONITORS, True)
            for page in range(pa & -PAGE_SIZE, pa + max(size, 1), PAGE_SIZE):
                trace.note(("page", page), write, (pa, pa + size))

    class Memory(PhysicalMemory):
        def read(self, pa: Pa, size: int) -> bytes:
            note(pa, size, False)
            return super().read(pa, size)

        def write(self, pa: Pa, data: bytes) -> None:
            note(pa, len(data), True)
            super().write(pa, data)

        def watch(self, pa: Pa, size: int, cpu: int) -> None:
            trace.note(MONITORS, True)
            super().watch(pa, size, cpu)

        def watched(self, pa: Pa, size: int, cpu: int) -> bool:
            trace.note(MONITORS, True)
            return super().watched(pa, size, cpu)

        def forget(self, cpu: int) -> None:
            trace.note(MONITORS, True)
            super().forget(cpu)

        def read64(self, pa: Pa) -> int:
            note(pa, 8, False)
            return super().read64(pa)

        def write64(self, pa: Pa, value: int) -> None:
            note(pa, 8, True)
            super().write64(pa, value)

    return Memory


class TracedDict(dict[Any, Any]):
    """A dict of the ghost's that tells of accesses to its items. `name` is the dict's."""

    def __init__(self, name: str, trace: Trace, items: Any = ()) -> None:
        super().__init__(items)
        self.name, self.trace = name, trace

    def __getitem__(self, key: Any) -> Any:
        self.trace.note((self.name, key), False)
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self.trace.note((self.name, key), False)
        return super().__contains__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key."""
        self.trace.note((self.name, key), False)
        return super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.trace.note((self.name, key), True)
        super().__setitem__(key, value)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a value out."""
        self.trace.note((self.name, key), True)
        return super().pop(key, *default)


class TracedList(list[Any]):
    """The list of the CPUs that have power."""

    def __init__(self, trace: Trace, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.trace = trace

    def __getitem__(self, at: Any) -> Any:
        self.trace.note(("powered", at), False)
        return super().__getitem__(at)

    def __setitem__(self, at: Any, value: Any) -> None:
        self.trace.note(("powered", at), True)
        super().__setitem__(at, value)


def make_telling(replay: Replayer) -> Trace:
    """What lets the objects of a machine tell."""
    trace, machine, ghost = Trace(), replay.machine, replay.ghost

    def tells(found: Any, kind: Any) -> None:
        trace.classes.append((found, type(found), kind))

    by_object: dict[int, tuple[Any, set[str]]] = {}
    for found, name in replay.fields.places:
        by_object.setdefault(id(found), (found, set()))[1].add(name)
    for found, names in by_object.values():
        kind: Any = type(found)
        tells(found, telling(kind, frozenset(names), trace))
    registers = telling_registers(trace)
    for regs, _ in replay.arrays:
        tells(regs, registers)
    tells(machine.board.memory, telling_memory(trace))
    machine.board.powered = TracedList(trace, machine.board.powered)
    for core in machine.cores:
        tells(core, telling(Core, frozenset(("steps", "step", "ended", "is_hvc")), trace))
        scripted: Any = type(core.scripted)
        tells(core.scripted, telling(scripted, frozenset(("meeting",)), trace))
    watched = type(ghost)

    class Watching(telling(watched, TRANSIENT | {"saved", "machine"}, trace)):  # type: ignore[misc]
        """The ghost: its own looks are no accesses of the machine."""

        __slots__ = ()

        def before(self, core: Any) -> None:
            trace.by_ghost = True
            super().before(core)
            trace.by_ghost = False

        def after(self) -> None:
            trace.by_ghost = True
            super().after()
            trace.by_ghost = False

    tells(ghost, Watching)
    ghost.look = lambda *name: trace.note(name, False)  # type: ignore[method-assign]
    return trace
