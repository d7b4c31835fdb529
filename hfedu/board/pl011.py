"""The PL011 UART (Arm DDI 0183), as QEMU has it: always ready to send, and what comes in waits until there is room.

| offset | register | reset | kept |
| --- | --- | --- | --- |
| 0x000 | DR | | a write goes out on the line; a read takes the oldest byte that came |
| 0x004 | RSR/ECR | 0 | no |
| 0x018 | FR | 0x90 | read only: 0x80 TXFE, 0x40 RXFF, 0x10 RXFE |
| 0x020, 0x024, 0x028 | ILPR, IBRD, FBRD | 0 | yes |
| 0x02c | LCR_H | 0 | yes; bit 4, FEN: the receive FIFO holds 16 bytes, not 1; changing it throws them away |
| 0x030 | CR | 0x300: TXE and RXE | yes; nothing depends on it |
| 0x034 | IFLS | 0x12 | yes |
| 0x038 | IMSC | 0 | yes |
| 0x03c, 0x040 | RIS, MIS | 0 | TX (0x20) is set by each byte sent, RX (0x10) by the first to come; MIS is RIS & IMSC |
| 0x044 | ICR | 0 | clears the bits of RIS that are written; RX is not set again until the FIFO was empty |
| 0x048 | DMACR | 0 | yes |
| 0xfe0-0xffc | identification | | read only |

Interrupt 33 is up while MIS is not 0. Bytes come in where FR, RIS or MIS is read, and where the machine waits.
"""

from collections import deque
from collections.abc import Callable

from hfedu.board.serial_input import Prepared, SerialInput

DR, FR, LCR, CR, IFLS, IMSC, RIS, MIS, ICR = 0x000, 0x018, 0x02C, 0x030, 0x034, 0x038, 0x03C, 0x040, 0x044
UART_SPI = 33
TXFE, RXFF, RXFE = 0x80, 0x40, 0x10
RIS_RX, RIS_TX = 0x10, 0x20
FIFO_ENABLE, FIFO_SIZE = 0x10, 16
RESET = {0x020: 0, 0x024: 0, 0x028: 0, LCR: 0, CR: 0x300, IFLS: 0x12, IMSC: 0, 0x048: 0}
"""The registers that keep what is written, and their values after reset."""
UART_ID = dict(zip(range(0xFE0, 0x1000, 4), b"\x11\x10\x14\x00\x0d\xf0\x05\xb1", strict=True))
CARRIAGE_RETURN = 0x0D


class Pl011:
    """A UART. `output` holds every byte sent so far, CR included; `input` is where bytes come from.

    `interrupt` is told whether its line is up, `on_expect` called when it begins to expect a byte.
    """

    def __init__(self, interrupt: Callable[[bool], None], on_expect: Callable[[], None]) -> None:
        self.output = bytearray()
        self.carriage_returns = 0
        self.registers = dict(RESET)
        self.raised = 0
        """RIS: the interrupts that are raised, masked or not."""
        self.flags = TXFE | RXFE
        self.fifo: deque[int] = deque()
        self.input: SerialInput = Prepared(b"")
        self.interrupt, self.on_expect = interrupt, on_expect

    @property
    def expects(self) -> bool:
        """Whether a byte that comes in would interrupt."""
        return bool(self.registers[IMSC] & RIS_RX) and not self.fifo

    @property
    def printed(self) -> int:
        """Bytes sent so far without carriage returns."""
        return len(self.output) - self.carriage_returns

    def read(self, offset: int, size: int = 4, cpu: int = 0) -> int:
        """A 32-bit register, wherever in it the access begins; 0 where there is none."""
        offset &= -4
        if offset == DR:
            return self._take()
        if offset in (FR, RIS, MIS):
            self.receive()
            masked = self.raised & self.registers[IMSC]
            return self.flags if offset == FR else self.raised if offset == RIS else masked
        return UART_ID.get(offset, self.registers.get(offset, 0))

    def write(self, offset: int, size: int, value: int, cpu: int = 0) -> None:
        """Write a register; the low byte of the data register goes out on the line."""
        offset &= -4
        if offset == DR:
            self.output.append(value & 0xFF)
            self.carriage_returns += value & 0xFF == CARRIAGE_RETURN
            self.raised |= RIS_TX
        elif offset == ICR:
            self.raised &= ~value
        elif offset in self.registers:
            if offset == LCR and (self.registers[LCR] ^ value) & FIFO_ENABLE:
                self.fifo.clear()
            self.registers[offset] = value & 0xFFFF_FFFF
        if self.registers[IMSC]:
            self.look()
        elif offset == IMSC:
            self.interrupt(False)
        if offset in (IMSC, LCR) and self.expects:
            self.on_expect()

    def look(self) -> None:
        """Put the line of the interrupt up or down."""
        self.interrupt(bool(self.raised & self.registers[IMSC]))

    def receive(self) -> None:
        """Let in what came, as far as there is room."""
        room = FIFO_SIZE if self.registers[LCR] & FIFO_ENABLE else 1
        if len(self.fifo) >= room:
            return
        for byte in self.input.take(room - len(self.fifo)):
            self.fifo.append(byte)
            self.flags &= ~RXFE
            if len(self.fifo) == room:
                self.flags |= RXFF
            if len(self.fifo) == 1:
                self.raised |= RIS_RX
                self.look()

    def _take(self) -> int:
        """Read DR."""
        byte = self.fifo.popleft() if self.fifo else 0
        self.flags &= ~RXFF
        if not self.fifo:
            self.flags |= RXFE
            self.raised &= ~RIS_RX
            self.look()
            if self.expects:
                self.on_expect()
        return byte
