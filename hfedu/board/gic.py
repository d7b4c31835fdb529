"""The interrupt controller: a GICv2 (Arm IHI 0048B) as QEMU's `virt` board has it, without security extensions.

288 interrupts: 0-15 are sent by software (SGI), 16-31 belong to one CPU each (PPI), the rest are shared (SPI). The
first 32 have their bits and priorities once for each CPU.

| distributor | register | reset | here |
| --- | --- | --- | --- |
| 0x000 | CTLR | 0 | 0x3: groups 0 and 1 are forwarded |
| 0x004 | TYPER | 0x8 | 288 interrupts; bits 7:5 are CPUs - 1 |
| 0x008 | IIDR | 0x43b | read only |
| 0x080 | IGROUPR | 0 | kept |
| 0x100, 0x180 | ISENABLER, ICENABLER | SGIs | an SGI cannot be disabled |
| 0x200, 0x280 | ISPENDR, ICPENDR | 0 | not for SGIs; a level that is up stays pending |
| 0x300, 0x380 | ISACTIVER, ICACTIVER | 0 | kept |
| 0x400 | IPRIORITYR | 0 | all 8 bits; the lowest number comes first |
| 0x800 | ITARGETSR | 0 | own bit for 0-31; with one CPU always 0, and all go to it |
| 0xc00 | ICFGR | SGIs edge | bit 1 of each pair: edge or level |
| 0xf00 | SGIR | | sends an SGI: to a list, to all others, to oneself; filter 3 to all |
| 0xf10, 0xf20 | CPENDSGIR, SPENDSGIR | 0 | who sent a pending SGI |
| 0xfd0-0xffc | identification | | read only |

| CPU interface | register | reset | here |
| --- | --- | --- | --- |
| 0x00 | CTLR | 0 | 0x21f: 0x1, 0x2 groups, 0x4 AckCtl, 0x8 group 0 as FIQ, 0x10 one BPR, 0x200 EOImode |
| 0x04 | PMR | 0 | only what is more urgent is signalled |
| 0x08, 0x1c | BPR, ABPR | 0, 1 | which bits of a priority are its group |
| 0x0c | IAR | 0x3ff | acknowledges; 0x3fe for an interrupt of group 1 without AckCtl |
| 0x10, 0x1000 | EOIR, DIR | | ends; the source of an SGI does not count |
| 0x14, 0x18 | RPR, HPPIR | 0xff, 0x3ff | running priority; most urgent pending interrupt, whatever runs |
| 0xd0, 0xe0 | APR, NSAPR | 0 | priorities that run |
| 0xfc | IIDR | 0x2043b | read only |

As in QEMU, and not in the manual: an SPI aimed at two CPUs is taken by both, and what is made active by hand is so for
CPUs that are not there, too, so that an end leaves its bit; AIAR, AEOIR and AHPPIR do nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

GICD_BASE, GICC_BASE = 0x0800_0000, 0x0801_0000
INTERRUPTS, SGIS, INTERNAL = 288, 16, 32
SPURIOUS, GROUP_1 = 1023, 1022
IDLE_PRIORITY = 0x100
SGI_BITS, INTERNAL_BITS, ALL_BITS = (1 << SGIS) - 1, (1 << INTERNAL) - 1, (1 << INTERRUPTS) - 1
MOST_CPUS = 8
"""A GICv2 has bits for so many CPUs, whether they are there or not."""
EVERY_CPU = (1 << MOST_CPUS) - 1
ACK_CTL, FIQ_EN, CBPR, EOI_MODE, CTLR_BITS = 0x4, 0x8, 0x10, 0x200, 0x21F
GICD_ID = bytes.fromhex("04000000 90b42b00 0df005b1")


def numbers(bits: int) -> list[int]:
    """Which bits are set, the lowest first. Example: 0b1010 -> [1, 3]."""
    found = []
    while bits:
        found.append((bits & -bits).bit_length() - 1)
        bits &= bits - 1
    return found


class Signal(NamedTuple):
    """What an interrupt controller holds up to a CPU: IRQ and FIQ."""

    irq: bool
    fiq: bool

    @property
    def up(self) -> bool:
        """Whether it interrupts."""
        return self.irq or self.fiq


DOWN = Signal(False, False)


class Gate(NamedTuple):
    """One condition that an interrupt must meet to reach its CPU, and whether it does."""

    text: str
    holds: bool


class Gic:
    """The distributor and an interface for each of `cpus` CPUs. Sets of interrupts are integers, a bit for each.

    `signals` is what each CPU sees; `on_signal[cpu]` is called when that changes. `on_event` is told of interrupts that
    are "raised", "acknowledged" and "ended", with the CPU and the number.
    """

    def __init__(self, cpus: int) -> None:
        self.present, self.cpus = range(cpus), range(MOST_CPUS)
        self.ctlr, self.edge = 0, SGI_BITS
        self.enabled = [SGI_BITS for _ in self.cpus]
        self.pending, self.active, self.group1, self.level = ([0 for _ in self.cpus] for _ in range(4))
        self.priority = [[0] * INTERRUPTS for _ in self.cpus]
        self.targets = [int(cpus == 1)] * INTERRUPTS
        self.aimed = [ALL_BITS if cpus == 1 else INTERNAL_BITS for _ in self.cpus]
        self.sources = [[0] * SGIS for _ in self.cpus]
        self.cpu_ctlr, self.mask, self.bpr = ([0 for _ in self.cpus] for _ in range(3))
        self.abpr = [1 for _ in self.cpus]
        self.running = [(0, 0) for _ in self.cpus]
        """The priorities that run on each CPU, as APR (group 0) and NSAPR (group 1) have them: a bit for two levels."""
        self.best = [SPURIOUS for _ in self.cpus]
        self.signals = [DOWN for _ in self.present]
        self.on_signal: list[Callable[[], None]] = [lambda: None for _ in self.present]
        self.on_event: Callable[[str, int, int], None] | None = None

    # What reaches a CPU.

    def set_level(self, intid: int, up: bool, cpu: int = 0) -> None:
        """A device's line goes up or down: that of one CPU below 32, else one for all."""
        bit, whose = 1 << intid, [cpu] if intid < INTERNAL else self.cpus
        if bool(self.level[cpu] & bit) == up:
            return
        for each in whose:
            self.level[each] ^= bit
        if up and self.edge & bit:
            self._make_pending(bit, [cpu] if intid < INTERNAL else numbers(self.targets[intid]))
        self.update(intid if up else None)

    def pulse(self, intid: int) -> None:
        """A message-signalled interrupt: up and down at once."""
        self.set_level(intid, True)
        self.set_level(intid, False)

    def is_pending(self, cpu: int) -> int:
        """The interrupts that are pending on a CPU: what was latched, and the levels that are up."""
        return self.pending[cpu] | self.level[cpu] & ~self.edge

    def update(self, raised: int | None = None) -> None:
        """Look again what each CPU is to see. `raised` is the interrupt that has just come up."""
        if raised is not None and self.on_event is not None:
            self.on_event("raised", self._receiver(raised), raised)
        for cpu in self.present:
            self.best[cpu], signal = SPURIOUS, DOWN
            waiting = self.is_pending(cpu) & self.enabled[cpu] & self.aimed[cpu] & ~self.active[cpu]
            if waiting and self.ctlr and self.cpu_ctlr[cpu] & 3:
                priority = self.priority[cpu]
                best = min(numbers(waiting), key=priority.__getitem__)
                if priority[best] < self.mask[cpu]:
                    self.best[cpu] = best
                    if priority[best] < self.running_priority(cpu):
                        signal = self._signal(cpu, best)
            if signal != self.signals[cpu]:
                self.signals[cpu] = signal
                self.on_signal[cpu]()

    def _signal(self, cpu: int, intid: int) -> Signal:
        """How an interrupt that may interrupt shows, if its group is let through."""
        group = self.group1[cpu] >> intid & 1
        if not self.ctlr & self.cpu_ctlr[cpu] & 1 << group:
            return DOWN
        fiq = not group and bool(self.cpu_ctlr[cpu] & FIQ_EN)
        return Signal(not fiq, fiq)

    def _receiver(self, intid: int) -> int:
        """The CPU that an interrupt of a device goes to first."""
        return next((cpu for cpu in self.present if self.is_pending(cpu) & self.aimed[cpu] & 1 << intid), 0)

    def gates(self, cpu: int, intid: int) -> list[Gate]:
        """What an interrupt must pass on its way to a CPU, in order, and whether it does."""
        bit, priority = 1 << intid, self.priority[cpu][intid]
        group = self.group1[cpu] >> intid & 1
        return [
            Gate(f"interrupt {intid} is pending", bool(self.is_pending(cpu) & bit)),
            Gate(f"interrupt {intid} is enabled (GICD_ISENABLER)", bool(self.enabled[cpu] & bit)),
            Gate(f"interrupt {intid} is aimed at CPU {cpu} (GICD_ITARGETSR)", bool(self.aimed[cpu] & bit)),
            Gate(f"interrupt {intid} is not active: the last one has ended", not self.active[cpu] & bit),
            Gate(f"the distributor forwards group {group} (GICD_CTLR)", bool(self.ctlr & 1 << group)),
            Gate(f"CPU {cpu}'s interface signals group {group} (GICC_CTLR)", bool(self.cpu_ctlr[cpu] & 1 << group)),
            Gate(
                f"its priority {priority:#x} is below the mask {self.mask[cpu]:#x} (GICC_PMR)",
                priority < self.mask[cpu],
            ),
            Gate(
                f"its priority {priority:#x} is below {self.running_priority(cpu):#x}, which runs (GICC_RPR)",
                priority < self.running_priority(cpu),
            ),
        ]

    def running_priority(self, cpu: int) -> int:
        """The most urgent priority that runs, or 0x100."""
        bits = self.running[cpu][0] | self.running[cpu][1]
        return 2 * ((bits & -bits).bit_length() - 1) if bits else IDLE_PRIORITY

    # Acknowledge and end.

    def highest_pending(self, cpu: int) -> int:
        """HPPIR: the most urgent interrupt that is pending and not masked, whatever runs."""
        best = self.best[cpu]
        if best < INTERRUPTS and self.group1[cpu] >> best & 1 and not self.cpu_ctlr[cpu] & ACK_CTL:
            return GROUP_1
        return best

    def acknowledge(self, cpu: int) -> int:
        """IAR: the interrupt becomes active, and is pending no more unless its line is up. 1023 if there is none."""
        intid = self.highest_pending(cpu)
        if intid >= GROUP_1:
            return intid
        if self.priority[cpu][intid] >= self.running_priority(cpu):
            return SPURIOUS
        group = self.group1[cpu] >> intid & 1
        binary_point = self.abpr[cpu] - 1 if group and not self.cpu_ctlr[cpu] & CBPR else self.bpr[cpu]
        level = (self.priority[cpu][intid] & -1 << binary_point + 1) >> 1
        running = list(self.running[cpu])
        running[group] |= 1 << level
        self.running[cpu] = running[0], running[1]
        self.active[cpu] |= 1 << intid
        source = 0
        if intid < SGIS:
            sources = self.sources[cpu]
            source = max((sources[intid] & -sources[intid]).bit_length() - 1, 0)
            sources[intid] &= sources[intid] - 1 if sources[intid] else 0
        if intid >= SGIS or not self.sources[cpu][intid]:
            self.pending[cpu] &= ~(1 << intid)
        if self.on_event is not None:
            self.on_event("acknowledged", cpu, intid)
        self.update()
        return intid | source << 10

    def end(self, cpu: int, value: int) -> None:
        """EOIR: the running priority drops, and the interrupt is active no more unless EOImode splits that off."""
        intid = value & 0x3FF
        if intid >= INTERRUPTS or self.running_priority(cpu) == IDLE_PRIORITY:
            return
        running = list(self.running[cpu])
        group = self.group1[cpu] >> intid & 1
        running[group] &= running[group] - 1 if running[group] else 0
        self.running[cpu] = running[0], running[1]
        if not self.cpu_ctlr[cpu] & EOI_MODE:
            self.active[cpu] &= ~(1 << intid)
        if self.on_event is not None:
            self.on_event("ended", cpu, intid)
        self.update()

    def deactivate(self, cpu: int, intid: int) -> None:
        """DIR: the second half of an end, only where EOImode splits it off."""
        if intid < INTERRUPTS and self.cpu_ctlr[cpu] & EOI_MODE:
            self.active[cpu] &= ~(1 << intid)
            self.update()

    # Registers. `cpu` is who reads or writes.

    def read_cpu(self, offset: int, cpu: int) -> int:
        """A register of the CPU interface."""
        match offset:
            case 0x00:
                return self.cpu_ctlr[cpu]
            case 0x04:
                return self.mask[cpu]
            case 0x08:
                return self.bpr[cpu]
            case 0x0C:
                return self.acknowledge(cpu)
            case 0x14:
                return min(self.running_priority(cpu), 0xFF)
            case 0x18:
                return self.highest_pending(cpu)
            case 0x1C:
                return self.abpr[cpu]
            case 0xD0 | 0xD4 | 0xD8 | 0xDC:
                return self.running[cpu][0] >> 8 * (offset - 0xD0) & 0xFFFF_FFFF
            case 0xE0 | 0xE4 | 0xE8 | 0xEC:
                return self.running[cpu][1] >> 8 * (offset - 0xE0) & 0xFFFF_FFFF
            case 0xFC:
                return 0x0002_043B
        return 0

    def write_cpu(self, offset: int, value: int, cpu: int) -> None:
        """A register of the CPU interface."""
        match offset:
            case 0x00:
                self.cpu_ctlr[cpu] = value & CTLR_BITS
            case 0x04:
                self.mask[cpu] = value & 0xFF
            case 0x08:
                self.bpr[cpu] = value & 7
            case 0x1C:
                self.abpr[cpu] = max(value & 7, 1)
            case 0x10:
                self.end(cpu, value)
            case 0x1000:
                self.deactivate(cpu, value & 0x3FF)
            case 0xD0 | 0xD4 | 0xD8 | 0xDC | 0xE0 | 0xE4 | 0xE8 | 0xEC:
                running, which = list(self.running[cpu]), offset >> 4 & 1 ^ 1
                shift = 8 * (offset & 0xC)
                running[which] = running[which] & ~(0xFFFF_FFFF << shift) | value << shift
                self.running[cpu] = running[0], running[1]
        self.update()

    def read_distributor(self, offset: int, size: int, cpu: int) -> int:
        """Registers of the distributor: any number of bytes of them."""
        if offset < 0x80:
            words = {0: self.ctlr, 4: 8 | len(self.present) - 1 << 5, 8: 0x43B}
            return words.get(offset & -4, 0) >> 8 * (offset & 3) & (1 << 8 * size) - 1
        if offset < 0x400:
            first, count = 8 * (offset & 0x7F), 8 * size
            return self._bank(offset >> 7, cpu) >> first & (1 << count) - 1
        return sum(self._byte(offset + i, cpu) << 8 * i for i in range(size))

    def _bank(self, bank: int, cpu: int) -> int:
        """A bit for each interrupt: groups, enabled, pending, active. Of those that are shared, on any CPU."""
        if bank == 1:
            return self.group1[cpu]
        if bank in (2, 3):
            return self.enabled[cpu]
        if bank in (4, 5):
            return self._shared([self.is_pending(each) for each in self.cpus], cpu)
        return self._shared(self.active, cpu)

    def _shared(self, sets: list[int], cpu: int) -> int:
        found = sets[cpu]
        for each in sets:
            found |= each & ~INTERNAL_BITS
        return found

    def _byte(self, offset: int, cpu: int) -> int:
        """One byte from 0x400 on."""
        if 0x400 <= offset < 0x400 + INTERRUPTS:
            return self.priority[cpu][offset - 0x400]
        if 0x800 <= offset < 0x800 + INTERRUPTS and len(self.present) > 1:
            return 1 << cpu if offset < 0x820 else self.targets[offset - 0x800]
        if 0xC00 <= offset < 0xC00 + INTERRUPTS // 4:
            first = 4 * (offset - 0xC00)
            return sum((self.edge >> first + i & 1) << 2 * i + 1 for i in range(4))
        if 0xF10 <= offset < 0xF30:
            return self.sources[cpu][offset & 0xF]
        if offset >= 0xFD0 and not offset & 3:
            return GICD_ID[offset - 0xFD0 >> 2]
        return 0

    def write_distributor(self, offset: int, size: int, value: int, cpu: int) -> None:
        """Registers of the distributor: any number of bytes of them. Those that do not exist ignore it."""
        if offset == 0:
            self.ctlr = value & 3
        elif 0x80 <= offset < 0x400:
            bits = value << 8 * (offset & 0x7F) & ALL_BITS
            everywhere = (1 << 8 * size) - 1 << 8 * (offset & 0x7F) & ALL_BITS
            self._write_bank(offset >> 7, bits, everywhere, cpu)
        elif offset == 0xF00 and size == 4:
            self._send_sgi(value, cpu)
        else:
            for i in range(size):
                self._write_byte(offset + i, value >> 8 * i & 0xFF, cpu)
        self.update()

    def _write_bank(self, bank: int, bits: int, written: int, cpu: int) -> None:
        """One bit for each interrupt; those of the first 32 are this CPU's, the others everybody's."""
        for each in self.cpus:
            mine = -1 if each == cpu else ~INTERNAL_BITS
            if bank == 1:
                self.group1[each] = self.group1[each] & ~(written & mine) | bits & mine
            elif bank == 2:
                self.enabled[each] |= bits & mine
            elif bank == 3:
                self.enabled[each] &= ~(bits & mine & ~SGI_BITS)
            elif bank == 5:
                self.pending[each] &= ~(bits & ~SGI_BITS)
            elif bank == 6:
                self.active[each] |= bits & mine
            elif bank == 7:
                self.active[each] &= ~(bits & mine)
        if bank == 4:
            for intid in numbers(bits & ~SGI_BITS):
                self._make_pending(1 << intid, [cpu] if intid < INTERNAL else numbers(self.targets[intid]))
                self.update(intid)

    def _make_pending(self, bits: int, cpus: list[int]) -> None:
        for cpu in cpus:
            self.pending[cpu] |= bits

    def _write_byte(self, offset: int, value: int, cpu: int) -> None:
        """One byte from 0x400 on."""
        if 0x400 <= offset < 0x400 + INTERRUPTS:
            intid = offset - 0x400
            for each in [cpu] if intid < INTERNAL else self.cpus:
                self.priority[each][intid] = value
        elif 0x820 <= offset < 0x800 + INTERRUPTS and len(self.present) > 1:
            self._aim(offset - 0x800, value)
        elif 0xC00 <= offset < 0xC00 + INTERRUPTS // 4:
            first = 4 * (offset - 0xC00)
            for intid in range(max(first, SGIS), first + 4):
                edge = value >> 2 * (intid - first) + 1 & 1
                self.edge = self.edge & ~(1 << intid) | edge << intid
        elif 0xF10 <= offset < 0xF30:
            intid = offset & 0xF
            sources = self.sources[cpu]
            sources[intid] = sources[intid] | value if offset >= 0xF20 else sources[intid] & ~value
            self.pending[cpu] = self.pending[cpu] & ~(1 << intid) | bool(sources[intid]) << intid

    def _aim(self, intid: int, cpus: int) -> None:
        """Aim an SPI. One that is pending goes along."""
        bit, was_pending = 1 << intid, any(pending >> intid & 1 for pending in self.pending)
        self.targets[intid] = cpus
        for cpu in self.cpus:
            aimed = bit if cpus >> cpu & 1 else 0
            self.aimed[cpu] = self.aimed[cpu] & ~bit | aimed
            if was_pending:
                self.pending[cpu] = self.pending[cpu] & ~bit | aimed

    def _send_sgi(self, value: int, cpu: int) -> None:
        """SGIR: interrupt 0-15 for CPUs by a filter."""
        intid = value & 0xF
        listed, others, own = value >> 16 & 0xFF, EVERY_CPU ^ 1 << cpu, 1 << cpu
        for to in numbers((listed, others, own, EVERY_CPU)[value >> 24 & 3]):
            self.pending[to] |= 1 << intid
            self.sources[to][intid] |= 1 << cpu
            if self.on_event is not None and to in self.present:
                self.on_event("raised", to, intid)


class Distributor:
    """The distributor's registers on the bus."""

    def __init__(self, gic: Gic) -> None:
        self.read, self.write = gic.read_distributor, gic.write_distributor


class Interfaces:
    """The registers of the CPU interfaces on the bus: each CPU finds its own."""

    def __init__(self, gic: Gic) -> None:
        self.gic = gic

    def read(self, offset: int, size: int, cpu: int) -> int:
        """A register, whatever part of it is asked for."""
        return self.gic.read_cpu(offset, cpu)

    def write(self, offset: int, size: int, value: int, cpu: int) -> None:
        """A register."""
        self.gic.write_cpu(offset, value, cpu)
