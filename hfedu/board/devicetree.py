"""The device tree that the boot loader hands over (format: devicetree specification, version 17)."""

import struct

Node = dict[str, "bytes | Node"]
CPU = {"device_type": b"cpu\0", "compatible": b"arm,cortex-a57\0", "enable-method": b"psci\0"}


def cells_of(*numbers: int) -> bytes:
    """32-bit big-endian cells."""
    return struct.pack(f">{len(numbers)}I", *numbers)


def wide(number: int) -> bytes:
    """One number as two cells."""
    return struct.pack(">Q", number)


def flatten(root: Node) -> bytes:
    """A device tree blob. Values are bytes (properties) or dicts (nodes); properties come first in each node."""
    strings = bytearray()
    offsets: dict[str, int] = {}

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def node(name: str, content: Node) -> bytes:
        out = cells_of(1) + padded(name.encode() + b"\0")
        nodes = b""
        for key, value in content.items():
            if not isinstance(value, bytes):
                nodes += node(key, value)
                continue
            if key not in offsets:
                offsets[key] = len(strings)
                strings.extend(key.encode() + b"\0")
            out += cells_of(3, len(value), offsets[key]) + padded(value)
        return out + nodes + cells_of(2)

    structure = node("", root) + cells_of(9)
    header_size, rsvmap_size = 40, 16
    off_struct = header_size + rsvmap_size
    off_strings = off_struct + len(structure)
    total = off_strings + len(strings)
    header = cells_of(0xD00DFEED, total, off_struct, off_strings, header_size, 17, 16, 0, len(strings), len(structure))
    return header + bytes(rsvmap_size) + structure + bytes(strings)


def virt(ram_base: int, ram_size: int, initrd: tuple[int, int], bootargs: str, cpus: int) -> bytes:
    """The tree of this board: chosen, memory, CPUs, PSCI, and the UART."""
    return flatten(
        {
            "compatible": b"linux,dummy-virt\0",
            "#address-cells": cells_of(2),
            "#size-cells": cells_of(2),
            "chosen": {
                **({"bootargs": bootargs.encode(errors="surrogateescape") + b"\0"} if bootargs else {}),
                "linux,initrd-start": wide(initrd[0]),
                "linux,initrd-end": wide(initrd[1]),
                "stdout-path": b"/pl011@9000000\0",
            },
            f"memory@{ram_base:x}": {"device_type": b"memory\0", "reg": wide(ram_base) + wide(ram_size)},
            "cpus": {
                "#address-cells": cells_of(1),
                "#size-cells": cells_of(0),
                **{f"cpu@{i}": {**CPU, "reg": cells_of(i)} for i in range(cpus)},
            },
            "psci": {"compatible": b"arm,psci-0.2\0", "method": b"smc\0"},
            "pl011@9000000": {"compatible": b"arm,pl011\0arm,primecell\0", "reg": wide(0x0900_0000) + wide(0x1000)},
        }
    )
