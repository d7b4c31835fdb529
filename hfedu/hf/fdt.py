"""The flattened device tree, as far as the hypervisor reads and patches it (upstream: src/fdt.c, src/fdt_handler.c).

Works on a copy of the blob; whoever calls writes the patched copy back.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP = 1, 2, 3, 4
HEADER = struct.Struct(">10I")


class Property(NamedTuple):
    """One property: the node's path ("/chosen"), its name, and where in the blob its value lies."""

    node: str
    name: str
    offset: int
    size: int


class Fdt:
    """A device tree blob. `ValueError` if it is not one. `tick` is called for each node that is read."""

    def __init__(self, blob: bytes, tick: Callable[[], None] = lambda: None) -> None:
        self.blob, self.tick = bytearray(blob), tick
        if len(blob) < HEADER.size or HEADER.unpack_from(blob)[0] != MAGIC:
            raise ValueError("no device tree: the magic number is missing")
        self.totalsize, self.off_struct, self.off_strings, self.off_rsvmap = HEADER.unpack_from(blob)[1:5]
        self._read_afresh()

    @property
    def used(self) -> int:
        """Bytes up to the end of the names, which come last; behind them is room."""
        size_of_names: int = HEADER.unpack_from(self.blob)[8]
        return int(min(self.totalsize, self.off_strings + size_of_names))

    def _read_afresh(self) -> None:
        """Forget where the properties were."""
        self.rest = self.properties()
        self.known: dict[tuple[str, str], Property] = {}

    def properties(self) -> Iterator[Property]:
        """Every property, in the order of the blob."""
        at, path, node = self.off_struct, [""], "/"
        names: dict[int, str] = {}
        while True:
            (token,) = struct.unpack_from(">I", self.blob, at)
            at += 4
            if token == BEGIN_NODE:
                self.tick()
                end = self.blob.index(0, at)
                path.append(self.blob[at:end].decode())
                node = "/".join(path[1:]) or "/"
                at = end + 4 & -4
            elif token == END_NODE:
                path.pop()
                node = "/".join(path[1:]) or "/"
            elif token == PROP:
                size, name = struct.unpack_from(">2I", self.blob, at)
                if name not in names:
                    begin = self.off_strings + name
                    names[name] = self.blob[begin : self.blob.index(0, begin)].decode()
                yield Property(node, names[name], at + 8, size)
                at = at + 8 + size + 3 & -4
            elif token != NOP:
                return

    def find(self, node: str, name: str) -> Property | None:
        """The property of that name, or None. Reads on from where the last search ended."""
        while (node, name) not in self.known:
            prop = next(self.rest, None)
            if prop is None:
                return None
            self.known.setdefault((prop.node, prop.name), prop)
        return self.known[node, name]

    def value(self, node: str, name: str) -> bytes | None:
        """A property's bytes, or None."""
        prop = self.find(node, name)
        return bytes(self.blob[prop.offset : prop.offset + prop.size]) if prop is not None else None

    def number(self, node: str, name: str) -> int | None:
        """A property that is one big-endian number of 4 or 8 bytes, or None."""
        value = self.value(node, name)
        return int.from_bytes(value, "big") if value is not None and len(value) in (4, 8) else None

    def write_number(self, node: str, name: str, number: int) -> bool:
        """Overwrite a property of 4 or 8 bytes with `number`. False if there is none."""
        prop = self.find(node, name)
        if prop is None or prop.size not in (4, 8):
            return False
        mask = (1 << 8 * prop.size) - 1
        self.blob[prop.offset : prop.offset + prop.size] = (number & mask).to_bytes(prop.size, "big")
        return True

    def memory_ranges(self) -> list[tuple[int, int]]:
        """The [begin, end) ranges of all nodes whose device_type is "memory"."""
        address_cells = self.number("/", "#address-cells") or 2
        size_cells = self.number("/", "#size-cells") or 1
        entry = 4 * (address_cells + size_cells)
        ranges = []
        for node in [
            p.node for p in self.properties() if p.name == "device_type" and self.value(p.node, p.name) == b"memory\0"
        ]:
            reg = self.value(node, "reg") or b""
            for at in range(0, len(reg) - entry + 1, entry):
                begin = int.from_bytes(reg[at : at + 4 * address_cells], "big")
                ranges.append((begin, begin + int.from_bytes(reg[at + 4 * address_cells : at + entry], "big")))
        return ranges

    def add_mem_reservation(self, address: int, size: int) -> None:
        """Put [address, address + size) in front of the reservation block; what follows moves by 16 bytes."""
        entry = struct.pack(">2Q", address, size)
        self.blob[self.off_rsvmap : self.off_rsvmap] = entry
        self.totalsize += len(entry)
        self.off_struct += len(entry)
        self.off_strings += len(entry)
        struct.pack_into(">3I", self.blob, 4, self.totalsize, self.off_struct, self.off_strings)
        self._read_afresh()
