"""The device tree that the boot loader hands over (format: devicetree specification, version 17)."""

import hashlib
import struct
from functools import lru_cache

from hfedu.board.gic import GICC_BASE, GICD_BASE
from hfedu.hf.platform import PL011_BASE

Node = dict[str, "bytes | Node"]
SIZE = 1 << 20
"""Bytes that a blob takes, so that the boot loader and the hypervisor can add to it."""
SPI, PPI, EDGE, LEVEL = 0, 1, 1, 4
"""How the cells of an interrupt begin, and how they end."""
APB_CLOCK = 0x8000
"""The handle of the clock of the Arm peripherals; those of the CPUs follow, and then the others'."""


def cells_of(*numbers: int) -> bytes:
    """32-bit big-endian cells."""
    return struct.pack(f">{len(numbers)}I", *numbers)


def wide(number: int) -> bytes:
    """One number as two cells."""
    return struct.pack(">Q", number)


def zero_ended(*strings: str) -> bytes:
    """Strings, each with the zero that ends it."""
    return b"".join(string.encode(errors="surrogateescape") + b"\0" for string in strings)


def shared(intid: int, kind: int = LEVEL) -> bytes:
    """A shared interrupt, by its number from 32 on."""
    return cells_of(SPI, intid - 32, kind)


def name_table(root: Node) -> bytes:
    """The names of all properties; one that another ends with has no place of its own."""

    def names(node: Node) -> list[str]:
        lists = ([key] if isinstance(value, bytes) else names(value) for key, value in node.items())
        return [name for found in lists for name in found]

    unique = list(dict.fromkeys(names(root)))
    whole = (name for name in unique if not any(other != name and other.endswith(name) for other in unique))
    return zero_ended(*whole)


def flatten(root: Node) -> bytes:
    """A device tree blob, without the room behind it. Values are bytes (properties) or dicts (nodes)."""
    strings = name_table(root)

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def node(name: str, content: Node) -> bytes:
        out = cells_of(1) + padded(name.encode() + b"\0")
        for key, value in content.items():
            if isinstance(value, bytes):
                out += cells_of(3, len(value), strings.index(zero_ended(key))) + padded(value)
            else:
                out += node(key, value)
        return out + cells_of(2)

    structure = node("", root) + cells_of(9)
    off_reservations, off_structure = 48, 64
    off_strings = off_structure + len(structure)
    places = (off_structure, off_strings, off_reservations, 17, 16, 0, len(strings), len(structure))
    header = cells_of(0xD00DFEED, SIZE, *places)
    return header.ljust(off_structure, b"\0") + structure + strings


@lru_cache(maxsize=8)
def virt(ram_base: int, ram_size: int, initrd: tuple[int, int], bootargs: str, cpus: int) -> bytes:
    """The tree of QEMU's `virt` board of version 7.2, with the GICv2 and virtualization, in its order."""
    gic = APB_CLOCK + cpus + 1
    v2m, gpio = gic + 1, gic + 2
    seed = hashlib.sha512(struct.pack("<4Q", ram_base, ram_size, *initrd)).digest()
    clocked = {"clock-names": zero_ended("apb_pclk"), "clocks": cells_of(APB_CLOCK)}
    all_cpus = ((1 << cpus) - 1 << 8) + LEVEL
    transports: Node = {
        f"virtio_mmio@{0x0A00_0000 + 0x200 * i:x}": {
            "dma-coherent": b"",
            "interrupts": shared(48 + i, EDGE),
            "reg": wide(0x0A00_0000 + 0x200 * i) + wide(0x200),
            "compatible": zero_ended("virtio,mmio"),
        }
        for i in range(32)
    }
    pins = [(slot, pin) for slot in range(4) for pin in range(4)]
    routes = (cells_of(slot << 11, 0, 0, pin + 1, gic, 0, 0, SPI, 3 + (slot + pin) % 4, LEVEL) for slot, pin in pins)
    by_psci = {"enable-method": zero_ended("psci")} if cpus > 1 else {}
    return flatten(
        {
            "interrupt-parent": cells_of(gic),
            "model": zero_ended("linux,dummy-virt"),
            "#size-cells": cells_of(2),
            "#address-cells": cells_of(2),
            "compatible": zero_ended("linux,dummy-virt"),
            "psci": {
                "migrate": cells_of(0xC400_0005),
                "cpu_on": cells_of(0xC400_0003),
                "cpu_off": cells_of(0x8400_0002),
                "cpu_suspend": cells_of(0xC400_0001),
                "method": zero_ended("smc"),
                "compatible": zero_ended("arm,psci-1.0", "arm,psci-0.2", "arm,psci"),
            },
            f"memory@{ram_base:x}": {"reg": wide(ram_base) + wide(ram_size), "device_type": zero_ended("memory")},
            "platform-bus@c000000": {
                "interrupt-parent": cells_of(gic),
                "ranges": cells_of(0, 0, 0x0C00_0000, 0x0200_0000),
                "#address-cells": cells_of(1),
                "#size-cells": cells_of(1),
                "compatible": zero_ended("qemu,platform", "simple-bus"),
            },
            "fw-cfg@9020000": {
                "dma-coherent": b"",
                "reg": wide(0x0902_0000) + wide(0x18),
                "compatible": zero_ended("qemu,fw-cfg-mmio"),
            },
            **transports,
            "gpio-keys": {
                "compatible": zero_ended("gpio-keys"),
                "poweroff": {
                    "gpios": cells_of(gpio, 3, 0),
                    "linux,code": cells_of(0x74),
                    "label": zero_ended("GPIO Key Poweroff"),
                },
            },
            "pl061@9030000": {
                "phandle": cells_of(gpio),
                **clocked,
                "interrupts": shared(39),
                "gpio-controller": b"",
                "#gpio-cells": cells_of(2),
                "compatible": zero_ended("arm,pl061", "arm,primecell"),
                "reg": wide(0x0903_0000) + wide(0x1000),
            },
            "pcie@10000000": {
                "interrupt-map-mask": cells_of(0x1800, 0, 0, 7),
                "interrupt-map": b"".join(routes),
                "#interrupt-cells": cells_of(1),
                "ranges": b"".join(
                    cells_of(space) + wide(bus) + wide(cpu) + wide(size)
                    for space, bus, cpu, size in (
                        (0x100_0000, 0, 0x3EFF_0000, 0x1_0000),
                        (0x200_0000, 0x1000_0000, 0x1000_0000, 0x2EFF_0000),
                        (0x300_0000, 0x80_0000_0000, 0x80_0000_0000, 0x80_0000_0000),
                    )
                ),
                "reg": wide(0x40_1000_0000) + wide(0x1000_0000),
                "msi-map": cells_of(0, v2m, 0, 0x1_0000),
                "dma-coherent": b"",
                "bus-range": cells_of(0, 0xFF),
                "linux,pci-domain": cells_of(0),
                "#size-cells": cells_of(2),
                "#address-cells": cells_of(3),
                "device_type": zero_ended("pci"),
                "compatible": zero_ended("pci-host-ecam-generic"),
            },
            "pl031@9010000": {
                **clocked,
                "interrupts": shared(34),
                "reg": wide(0x0901_0000) + wide(0x1000),
                "compatible": zero_ended("arm,pl031", "arm,primecell"),
            },
            "pl011@9000000": {
                "clock-names": zero_ended("uartclk", "apb_pclk"),
                "clocks": cells_of(APB_CLOCK, APB_CLOCK),
                "interrupts": shared(33),
                "reg": wide(PL011_BASE) + wide(0x1000),
                "compatible": zero_ended("arm,pl011", "arm,primecell"),
            },
            "pmu": {"interrupts": cells_of(PPI, 7, all_cpus), "compatible": zero_ended("arm,armv8-pmuv3")},
            "intc@8000000": {
                "phandle": cells_of(gic),
                "interrupts": cells_of(PPI, 9, LEVEL),
                "reg": b"".join(
                    wide(base) + wide(0x1_0000) for base in (GICD_BASE, GICC_BASE, 0x0803_0000, 0x0804_0000)
                ),
                "compatible": zero_ended("arm,cortex-a15-gic"),
                "ranges": b"",
                "#size-cells": cells_of(2),
                "#address-cells": cells_of(2),
                "interrupt-controller": b"",
                "#interrupt-cells": cells_of(3),
                "v2m@8020000": {
                    "phandle": cells_of(v2m),
                    "reg": wide(0x0802_0000) + wide(0x1000),
                    "msi-controller": b"",
                    "compatible": zero_ended("arm,gic-v2m-frame"),
                },
            },
            "flash@0": {
                "bank-width": cells_of(4),
                "reg": wide(0) + wide(0x0400_0000) + wide(0x0400_0000) + wide(0x0400_0000),
                "compatible": zero_ended("cfi-flash"),
            },
            "cpus": {
                "#size-cells": cells_of(0),
                "#address-cells": cells_of(1),
                "cpu-map": {
                    "socket0": {
                        "cluster0": {f"core{i}": {"cpu": cells_of(gic - 1 - i)} for i in range(cpus)},
                    },
                },
                **{
                    f"cpu@{i}": {
                        "phandle": cells_of(gic - 1 - i),
                        "reg": cells_of(i),
                        **by_psci,
                        "compatible": zero_ended("arm,cortex-a57"),
                        "device_type": zero_ended("cpu"),
                    }
                    for i in range(cpus)
                },
            },
            "timer": {
                "interrupts": b"".join(cells_of(PPI, ppi, all_cpus) for ppi in (13, 14, 11, 10)),
                "always-on": b"",
                "compatible": zero_ended("arm,armv8-timer", "arm,armv7-timer"),
            },
            "apb-pclk": {
                "phandle": cells_of(APB_CLOCK),
                "clock-output-names": zero_ended("clk24mhz"),
                "clock-frequency": cells_of(24_000_000),
                "#clock-cells": cells_of(0),
                "compatible": zero_ended("fixed-clock"),
            },
            "chosen": {
                "linux,initrd-end": cells_of(initrd[1]),
                "linux,initrd-start": cells_of(initrd[0]),
                **({"bootargs": zero_ended(bootargs)} if bootargs else {}),
                "stdout-path": zero_ended("/pl011@9000000"),
                "rng-seed": seed[:32],
                "kaslr-seed": seed[32:40],
            },
        }
    )
