"""The PL011 UART, transmit side: what is written to its data register is the serial line (Arm DDI 0183, as in QEMU).

| offset | register | reset | kept |
| --- | --- | --- | --- |
| 0x000 | DR | | goes out on the line; nothing ever arrives, so it reads 0 |
| 0x004 | RSR/ECR | 0 | no |
| 0x018 | FR | 0x90: TXFE and RXFE | read only |
| 0x020, 0x024, 0x028 | ILPR, IBRD, FBRD | 0 | yes |
| 0x02c | LCR_H | 0 | yes |
| 0x030 | CR | 0x300: TXE and RXE | yes; transmission does not depend on it |
| 0x034 | IFLS | 0x12 | yes |
| 0x038 | IMSC | 0 | yes |
| 0x03c, 0x040 | RIS, MIS | 0 | TXRIS (0x20) is set by each byte sent; MIS is RIS as far as IMSC lets it |
| 0x044 | ICR | 0 | clears the bits of RIS that are written |
| 0x048 | DMACR | 0 | yes |
| 0xfe0-0xffc | identification | | read only |
"""

DR, FR, CR, IFLS, IMSC, RIS, MIS, ICR = 0x000, 0x018, 0x030, 0x034, 0x038, 0x03C, 0x040, 0x044
FR_IDLE = 0x90
"""Flag register of a UART with nothing to send or read: TXFE and RXFE set, BUSY and TXFF clear."""
RIS_TX = 0x20
RESET = {0x020: 0, 0x024: 0, 0x028: 0, 0x02C: 0, CR: 0x300, IFLS: 0x12, IMSC: 0, 0x048: 0}
"""The registers that keep what is written, and their values after reset."""
IDENTIFICATION = dict(zip(range(0xFE0, 0x1000, 4), b"\x11\x10\x14\x00\x0d\xf0\x05\xb1", strict=True))
CARRIAGE_RETURN = 0x0D


class Pl011:
    """A UART that is always ready. `output` holds every byte sent so far, CR included."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.carriage_returns = 0
        self.registers = dict(RESET)
        self.raised = 0
        """RIS: the interrupts that are raised, masked or not."""

    @property
    def printed(self) -> int:
        """Bytes sent so far without carriage returns."""
        return len(self.output) - self.carriage_returns

    def read(self, offset: int) -> int:
        """A 32-bit register; 0 where there is none."""
        offset &= -4
        if offset == FR:
            return FR_IDLE
        if offset == RIS:
            return self.raised
        if offset == MIS:
            return self.raised & self.registers[IMSC]
        return IDENTIFICATION.get(offset, self.registers.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        """Write a register; the low byte of the data register goes out on the line."""
        offset &= -4
        if offset == DR:
            self.output.append(value & 0xFF)
            self.carriage_returns += value & 0xFF == CARRIAGE_RETURN
            self.raised |= RIS_TX
        elif offset == ICR:
            self.raised &= ~value
        elif offset in self.registers:
            self.registers[offset] = value & 0xFFFF_FFFF
