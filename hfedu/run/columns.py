"""How a recording keeps its events: in columns of small numbers, which point into tables of what differs.

Long runs say little that is new. An event as an object takes about a kilobyte; as a row of numbers it takes a few
dozen bytes, and is made an object again when somebody asks for it. The general registers, which differ each time, are
kept one after the other, packed: each image looks much like the one before.
"""

import operator
import zlib
from array import array
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any, overload

from hfedu.hf import arch
from hfedu.run.recording import Actor, Cause, Event

IMAGE = 8 * arch.SYSTEM
"""Bytes of a vCPU's general registers."""
IMAGES = 240
"""How many of these are packed together: whoever wants one unpacks so many."""
SIMPLE = frozenset((int, str, bytes, type(None), Actor))
"""The types of values of which those that are equal are the same."""
fields_of = operator.attrgetter(*Event._fields)
"""The fields of an event, or of anything that has them, in their order."""


class Table:
    """Everything that was ever put in, once each and numbered from 0."""

    def __init__(self, *first: Hashable) -> None:
        self.entries: list[Any] = [*first]
        self.numbers: dict[Hashable, int] = {entry: number for number, entry in enumerate(first)}

    def number(self, key: Hashable, entry: Any) -> int:
        """The number of an entry; `key` tells entries apart."""
        number = self.numbers.get(key)
        return self.add(entry, key) if number is None else number

    def add(self, entry: Any, key: Hashable = None) -> int:
        """The number of an entry that is new; without a key nobody will find it again."""
        if key is not None:
            self.numbers[key] = len(self.entries)
        self.entries.append(entry)
        return len(self.entries) - 1


class Images:
    """Images of general registers, in the order in which they came, packed by the block."""

    def __init__(self) -> None:
        self.count = 0
        self.blocks: list[bytes] = []
        self.open = bytearray()
        self.latest: dict[Actor, tuple[bytes, int]] = {}
        """By vCPU its last image and its number."""
        self.unpacked = lru_cache(8)(lambda block: zlib.decompress(self.blocks[block]))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "unpacked"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        vars(self).update(state)

    def number(self, vcpu: Actor, image: bytes) -> int:
        """The number of a vCPU's image, which is kept unless it is the vCPU's last one."""
        last, number = self.latest.get(vcpu, (b"", 0))
        if last is image or last == image:
            return number
        number = self.count
        self.count += 1
        self.latest[vcpu] = image, number
        self.open += image
        if len(self.open) == IMAGE * IMAGES:
            self.blocks.append(zlib.compress(self.open, 1))
            self.open = bytearray()
        return number

    def __getitem__(self, number: int) -> bytes:
        block, at = divmod(number, IMAGES)
        data = self.unpacked(block) if block < len(self.blocks) else self.open
        return bytes(data[at * IMAGE : (at + 1) * IMAGE])


class Columns:
    """The events of a run so far: `add` puts one more at the end, and nothing that was put in ever changes.

    Rows of the table of calls and the checks of events are told apart by their identity, which the entries keep alive.
    `foreign` says that values of any type may come, of a hypervisor of one's own: 1 and True are equal, and differ.
    """

    def __init__(self, foreign: bool = False) -> None:
        self.facts, self.causes, self.systems, self.images = Table(), Table(), Table(), Images()
        self.changes, self.messages, self.registers = Table(()), Table(None), Table(())
        self.foreign = foreign
        self.fact, self.cause, self.change, self.message = (array("I") for _ in range(4))
        self.register, self.image, self.uart = array("I"), array("I"), array("Q")

    def __len__(self) -> int:
        return len(self.fact)

    def add(self, event: Any) -> None:
        """Put in an `Event`, or anything with its fields. Its `seq` must be how many there are before it."""
        (
            _, causes, cpu, actor, kind, target, call, function, args, result, refused, checks, step, changes,
            registers, message, uart, text,
        ) = fields_of(event)  # fmt: skip
        key = (
            cpu, actor, kind._value_, target, id(call), function, args, result, refused,
            tuple([id(check) for check in checks]) if checks else (), step, text,
        )  # fmt: skip
        fact = self.facts.numbers.get(key)
        if fact is None:
            who = cpu, actor, kind, target
            fact = self.facts.add((*who, call, function, args, result, refused, checks, step, text), key)
        seq = len(self.fact)
        self.fact.append(fact)
        if len(causes) == 1:  # as most have
            ((cause, role),) = causes
            ago: tuple[Any, ...] = ((seq - cause, role),)
        else:
            ago = tuple([(seq - cause, role) for cause, role in causes])
        number = self.causes.numbers.get(ago)
        self.cause.append(self.causes.add(ago, ago) if number is None else number)
        self.change.append(self._changes(changes) if changes else 0)
        self.message.append(0 if message is None else self.messages.number(message, message))
        self.uart.append(uart)
        images = self.images
        base = images.count
        self.image.append(base)
        if not registers:
            self.register.append(0)
            return
        if len(registers) == 1 and len(registers[0][2]) == IMAGE:  # as most are
            ((vcpu, before, after),) = registers
            last = images.latest.get(vcpu)
            old = last[1] if last is not None and last[0] is before else images.number(vcpu, before)
            moved: tuple[Any, ...] = ((vcpu, old - base, images.number(vcpu, after) - base, -1, -1),)
        else:
            moved = tuple([self._moved(base, vcpu, before, after) for vcpu, before, after in registers])
        number = self.registers.numbers.get(moved)
        self.register.append(self.registers.add(moved, moved) if number is None else number)

    def _changes(self, changes: tuple[Any, ...]) -> int:
        """The number of what an event changed."""
        if self.foreign and not SIMPLE.issuperset([value.__class__ for change in changes for value in change[1:3]]):
            return self.changes.add(changes)
        try:
            return self.changes.number(changes, changes)
        except TypeError:  # tables of pages have no hash
            return self.changes.add(changes)

    def _moved(self, base: int, vcpu: Actor, before: bytes, after: bytes) -> tuple[Actor, int, int, int, int]:
        """A vCPU's registers before and after: images, counted from `base`, and the system registers, if it has any."""
        number = self.images.number
        if len(after) == IMAGE:
            return vcpu, number(vcpu, before) - base, number(vcpu, after) - base, -1, -1
        old, new = number(vcpu, before[:IMAGE]) - base, number(vcpu, after[:IMAGE]) - base
        systems = (rest[IMAGE:] for rest in (before, after))
        return vcpu, old, new, *(self.systems.number(rest, rest) for rest in systems)  # type: ignore[return-value]

    def event(self, seq: int) -> Event:
        """The event of a number."""
        cpu, actor, kind, target, call, function, args, result, refused, checks, step, text = self.facts.entries[
            self.fact[seq]
        ]
        causes = self.causes.entries[self.cause[seq]]
        registers = self.registers.entries[self.register[seq]]
        return Event._make((
            seq, tuple([Cause(seq - ago, role) for ago, role in causes]), cpu, actor, kind, target, call, function,
            args, result, refused, checks, step, self.changes.entries[self.change[seq]],
            self._registers(self.image[seq], registers) if registers else (),
            self.messages.entries[self.message[seq]], self.uart[seq], text,
        ))  # fmt: skip

    def _registers(self, base: int, moved: Any) -> tuple[tuple[Actor, bytes, bytes], ...]:
        images, systems = self.images, self.systems.entries
        return tuple([
            (vcpu, images[base + old], images[base + new]) if rest < 0 else
            (vcpu, images[base + old] + systems[before], images[base + new] + systems[rest])
            for vcpu, old, new, before, rest in moved
        ])  # fmt: skip


def alike(events: Sequence[Event]) -> tuple[list[int], list[Event]]:
    """A number for each event, and an event of each number.

    Events of one number differ in nothing but `seq`, `causes`, `registers` and `uart`.
    """
    numbers: dict[Hashable, int] = {}
    if isinstance(events, Events):
        keys = events.rows()
    else:
        keys = iter([event._replace(seq=0, causes=(), registers=(), uart=0) for event in events])
    found: list[int] = []
    first: list[Event] = []
    for at, key in enumerate(keys):
        try:
            number = numbers.setdefault(key, len(first))
        except TypeError:  # a change to a dictionary, or to tables of pages
            number = len(first)
        if number == len(first):
            first.append(events[at])
        found.append(number)
    return found, first


class Events(Sequence[Event]):
    """Events, or a part of them, as a tuple would have them; each is made when it is asked for.

    The first `packed` are those of `columns`, the `unfinished` come after them. `part` are the numbers among all these.
    """

    def __init__(self, columns: Columns, packed: int, unfinished: tuple[Event, ...], part: range) -> None:
        self.columns, self.packed, self.unfinished, self.part = columns, packed, unfinished, part

    def __len__(self) -> int:
        return len(self.part)

    @overload
    def __getitem__(self, at: int) -> Event: ...

    @overload
    def __getitem__(self, at: slice) -> "Events": ...

    def __getitem__(self, at: int | slice) -> "Event | Events":
        if isinstance(at, slice):
            return Events(self.columns, self.packed, self.unfinished, self.part[at])
        return self._event(self.part[at])

    def _event(self, number: int) -> Event:
        return self.columns.event(number) if number < self.packed else self.unfinished[number - self.packed]

    def rows(self) -> Iterator[Hashable]:
        """For each event what tells it from those that are not alike."""
        fact, change, message = self.columns.fact, self.columns.change, self.columns.message
        packed = self.packed
        return ((fact[i], change[i], message[i]) if i < packed else i for i in self.part)

    def __iter__(self) -> Iterator[Event]:
        return map(self._event, self.part)

    def __reversed__(self) -> Iterator[Event]:
        return map(self._event, reversed(self.part))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events | tuple):
            return NotImplemented
        same = isinstance(other, Events) and (self.columns, self.packed) == (other.columns, other.packed)
        if same and (self.part, self.unfinished) == (other.part, other.unfinished):  # type: ignore[union-attr]
            return True
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))
