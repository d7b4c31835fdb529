"""Guests written in Python: generator functions that yield what a guest would do next.

    def echo():
        yield configure()
        while True:
            message = yield receive(block=True)
            yield clear()
            yield send(message.sender, message.data)

A scripted guest lives in a VM like any other: its memory is carved from RAM, its stage-2 table is real, its
loads and stores are checked against it, and its hypercalls reach the same handler with the same registers. Only
the instructions between them are missing. Each yield stands for one instruction: the script goes on when
the hypervisor has let the program counter pass it.
"""

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import GeneratorType
from typing import Any, NamedTuple

from hfedu.board.board import NEVER, Board
from hfedu.board.memory import RAM_BASE
from hfedu.board.timer import Metronome
from hfedu.errors import Mistake, plainly
from hfedu.guest.budget import NO_INTERRUPT, Budget, StuckForever
from hfedu.guest.syndrome import HVC_TRAP, Access, Fault, Walker, signed
from hfedu.hf import arch, call
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.api import running
from hfedu.hf.arch import PC
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap
from hfedu.hf.mm import Mm
from hfedu.hf.platform import PL011_BASE
from hfedu.hf.psci import PsciCall
from hfedu.history.rpc import rpc_run_return

SEND_PAGE, RECV_PAGE = 0x4000, 0x5000
"""Where a script's pages lie unless it says otherwise: offsets into its VM's memory."""

Script = Callable[[], Generator["Action", Any, None]]
"""A scripted guest: a generator function without arguments."""
ACCESSES = frozenset(("load", "store", "ldaxr", "stlxr", "cas"))
INSTRUCTIONS = ACCESSES | {"hvc", "smc", "wfi", "wfe", "dmb", "meet"}
EXCLUSIVE_SIZES = (1, 2, 4, 8)
"""Bytes of an exclusive access, whose address is a multiple of them."""
BUFFERED = 8
"""Stores that a buffer holds: one more lets the oldest out."""


class ScriptError(Mistake):
    """A script did something no guest can do; the text says what to write instead."""


class BufferedStore(NamedTuple):
    """A store that other CPUs do not see yet: where it goes, the bytes, and whether it is a store-release."""

    pa: int
    data: bytes
    release: bool


@plainly
class Message(NamedTuple):
    """What `receive` gives: the sender's VM id and the bytes from the receive page."""

    sender: int
    data: bytes


@dataclass(frozen=True)
class Action:
    """One thing a guest does. Make them with the functions below and yield them.

    `instruction` is "hvc", "smc", "wfi", "wfe", "load", "store", "ldaxr", "stlxr", "cas", "dmb", or "meet"; for a call
    `registers` are x0-x3. A "cas" stores `data` where it finds `expected`. An `atomic` access is one that CPUs
    synchronise with.
    """

    instruction: str
    registers: tuple[int, ...] = ()
    address: int = 0
    data: bytes = b""
    size: int = 0
    expected: bytes = b""
    atomic: bool = False
    meaning: Callable[["ScriptedVcpu", int], Any] | None = None
    prepare: "Callable[[ScriptedVcpu], tuple[int, ...]] | None" = None

    def __post_init__(self) -> None:
        if self.instruction not in INSTRUCTIONS:
            raise ScriptError(
                f"a guest has no instruction {self.instruction!r}: it has hvc, smc, wfi, wfe, load and store"
            )
        for number in (*self.registers, self.address, self.size):
            if not isinstance(number, int):
                raise ScriptError(f"a guest's registers and addresses are whole numbers, not {number!r}")
        if self.instruction not in ACCESSES:
            return
        if not isinstance(self.data, bytes):
            raise ScriptError(f"a guest's data are bytes, not {self.data!r}")
        if self.instruction == "load" and not 1 <= self.size <= 8:
            raise ScriptError(f"a load reads 1 to 8 bytes, not {self.size}")
        if self.instruction in ("ldaxr", "stlxr") and (self.size not in EXCLUSIVE_SIZES or self.address % self.size):
            raise ScriptError(
                f"an exclusive access is 1, 2, 4 or 8 bytes at a multiple of as many: {self.address:#x} and "
                f"{self.size} bytes are not"
            )


def as_bytes(data: object, what: str) -> bytes:
    """Data for a guest's memory, from bytes or text. `ScriptError` for anything else."""
    if isinstance(data, str):
        return data.encode(errors="replace")
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise ScriptError(f"{what} takes bytes or text, not {data!r}")


def hvc(x0: int, x1: int = 0, x2: int = 0, x3: int = 0) -> Action:
    """Any HVC #0. Gives x0 as a signed 64-bit number."""
    return Action("hvc", (x0, x1, x2, x3))


def smc(x0: int, x1: int = 0, x2: int = 0, x3: int = 0) -> Action:
    """Any SMC #0. Gives x0 as a signed 64-bit number."""
    return Action("smc", (x0, x1, x2, x3))


def message_of(guest: "ScriptedVcpu", x0: int) -> Message | None:
    """What a receive gives: the message, None if there is none."""
    if signed(x0) == -1:
        return None
    sender, size = call.hf_mailbox_receive_return(x0)
    return Message(sender, guest.received(size))


TABLE = call.by_number(call.CALLS)
MEANINGS: dict[str, Callable[["ScriptedVcpu", int], Any]] = {
    "run": lambda _, x0: call.hf_vcpu_run_return(x0),
    "rpc_run": lambda _, x0: rpc_run_return(x0),
    "message": message_of,
    "bytes": lambda guest, x0: None if signed(x0) == -1 else guest.received(x0),
}
"""What a call gives to the script, by what its row says that it gives; whatever else is a signed number."""


def hypercall(row: call.Call) -> Callable[..., Action]:
    """A function for scripts that makes a call of the table; its arguments are those of the row, 0 if left out.

    Example: `vm_id = hypercall(Call(0xFF0B, "HF_VM_GET_ID", "vm_id"))`, and then `mine = yield vm_id()`.
    """

    def make(*args: int) -> Action:
        if len(args) > len(row.args):
            raise ScriptError(f"{row.verb} takes {len(row.args)} arguments ({', '.join(row.args)}), not {len(args)}")
        x1, x2, x3 = (*args, 0, 0, 0)[:3]
        return Action("hvc", (row.number, x1, x2, x3), meaning=MEANINGS.get(row.gives))

    make.__name__, make.__doc__ = row.verb, f"{row.name}({', '.join(row.args)}): {row.meaning}."
    return plainly(make)


@lru_cache(typed=True)
def of_table(number: int, x1: int = 0, x2: int = 0) -> Action:
    """A call of the table of 2018. Nobody can change an action, so the same call is made once: scripts repeat them."""
    return Action("hvc", (number, x1, x2, 0), meaning=MEANINGS.get(TABLE[number].gives))


def vm_count() -> Action:
    """How many VMs there are, the primary included."""
    return of_table(call.HF_VM_GET_COUNT)


def vcpu_count(vm: int) -> Action:
    """How many vCPUs a VM has, or -1. Only the primary may ask."""
    return of_table(call.HF_VCPU_GET_COUNT, vm)


def vcpu_run(vm: int, vcpu: int = 0) -> Action:
    """Run a vCPU of a secondary. Gives a `VcpuRunReturn` when control comes back: code, vm_id, data."""
    return of_table(call.HF_VCPU_RUN, vm, vcpu)


def configure(send: int | None = None, recv: int | None = None) -> Action:
    """Name the send and receive pages (addresses; by default the VM's fifth and sixth page). Gives 0 or -1."""

    if not isinstance(send, int | None) or not isinstance(recv, int | None):
        raise ScriptError(f"configure() takes two addresses, not {send!r} and {recv!r}")

    def prepare(guest: "ScriptedVcpu") -> tuple[int, ...]:
        pages = (guest.base + SEND_PAGE if send is None else send, guest.base + RECV_PAGE if recv is None else recv)
        guest.asked = pages
        return call.HF_VM_CONFIGURE, *pages, 0

    def meaning(guest: "ScriptedVcpu", x0: int) -> int:
        if x0 == 0:
            guest.of_vm["pages"] = guest.asked
        return signed(x0)

    return Action("hvc", prepare=prepare, meaning=meaning)


def send(vm: int, data: bytes | str, size: int | None = None) -> Action:
    """Put `data` into the send page and send it, or only its first `size` bytes.

    Gives 0 or -1; to the primary, the index of the vCPU that waited, or 0xffff.
    """
    data = as_bytes(data, "send()")
    if len(data) > PAGE_SIZE:
        raise ScriptError(
            f"send() got {len(data)} bytes, and a send page holds {PAGE_SIZE}: send less, or pass size= to lie"
        )
    registers = (call.HF_MAILBOX_SEND, vm, len(data) if size is None else size, 0)

    def prepare(guest: "ScriptedVcpu") -> tuple[int, ...]:
        if guest.pages is not None:
            guest.store(guest.pages[0], data)
        return registers

    return Action("hvc", registers, prepare=prepare)


def receive(block: bool = True) -> Action:
    """Take the message that waits, or wait for one. Gives a `Message`; None if there is none and `block` is false."""
    return of_table(call.HF_MAILBOX_RECEIVE, int(bool(block)))


def clear() -> Action:
    """Empty the mailbox so that the next message can come. Gives 0, or -1 if it held no read message."""
    return of_table(call.HF_MAILBOX_CLEAR)


def wait_for_interrupt() -> Action:
    """WFI. In 2018 nothing ends a secondary's wait: that takes the repairs no-interrupt and wfi-repeats."""
    return Action("wfi")


def wait_for_event() -> Action:
    """WFE. From a secondary it traps, and at this commit the hypervisor goes back to it for ever."""
    return Action("wfe")


def load(address: int, size: int = 8) -> Action:
    """Read memory, a number of `size` bytes (1 to 8). A load that stage 2 refuses takes the hypervisor down."""
    return Action("load", address=address, size=size)


def store(address: int, data: bytes | int) -> Action:
    """Write memory: bytes, or one 64-bit number. A store that stage 2 refuses takes the hypervisor down."""
    if isinstance(data, int):
        data = (data & call.MASK64).to_bytes(8, "little")
    return Action("store", address=address, data=as_bytes(data, "store()"))


def load_acquire(address: int, size: int = 8) -> Action:
    """As `load`, by LDAR: nothing that comes after it in the program is done before."""
    return Action("load", address=address, size=size, atomic=True)


def store_release(address: int, data: bytes | int) -> Action:
    """As `store`, by STLR: all that comes before it in the program is done before."""
    return replace(store(address, data), atomic=True)


def load_exclusive(address: int, size: int = 8) -> Action:
    """As `load_acquire`, by LDAXR: the CPU's exclusive monitor watches the address from now on."""
    return Action("ldaxr", address=address, size=size, atomic=True)


def store_exclusive(address: int, data: bytes | int) -> Action:
    """As `store_release`, by STLXR, if since this CPU's `load_exclusive` of the same bytes nobody has stored near them.

    Gives 0 if it was stored, 1 if not: then load again. Any store to the same 64 bytes loses the address, also one of
    this CPU's own, and so does what leaves the guest, such as a call.
    """
    action = store(address, data)
    return replace(action, instruction="stlxr", size=len(action.data), atomic=True)


def compare_and_swap(address: int, expected: int, new: int) -> Action:
    """Store a 64-bit number where another one is found, in one atomic step, as CASAL or LDAXR and STLXR do.

    Gives the number that was found: the store was made if it is the one that was expected.
    """
    for number in (expected, new):
        if not isinstance(number, int):
            raise ScriptError(f"compare_and_swap() takes whole numbers, not {number!r}")
    old, data = ((number & call.MASK64).to_bytes(8, "little") for number in (expected, new))
    return Action("cas", address=address, data=data, size=8, expected=old, atomic=True)


def barrier() -> Action:
    """DMB SY: what comes before it in the program is done, for all CPUs, before what comes after it."""
    return Action("dmb")


def print_line(text: str) -> Action:
    """Print a line on the UART."""
    return Action("store", address=PL011_BASE, data=as_bytes(text, "print_line()") + b"\n")


def power_off() -> Action:
    """PSCI SYSTEM_OFF, for the primary."""
    return hvc(PsciCall.SYSTEM_OFF)


def cpu_on(cpu: int) -> Action:
    """PSCI CPU_ON, for the primary: start another physical CPU, which runs the primary's script of that number."""
    return Action("hvc", prepare=lambda guest: (PsciCall.CPU_ON, cpu, guest.base, 0))


def meet() -> Action:
    """Wait until the scripts of all physical CPUs that are on have come to a `meet()` of theirs, or have ended."""
    return Action("meet")


class ScriptedVcpu:
    """A script while it runs on a vCPU: its generator, the action it waits for, and what its VM's vCPUs share.

    `shared_access` says whether the last turn touched memory that somebody outside this vCPU may touch too. `returned`
    is what the script returned at its end. `buffer` are its stores, the oldest first, that only it sees yet: there are
    none unless it `delays` them. What leaves the guest empties it first: a call, a fault, an interrupt, a `meet()`.
    """

    def __init__(self, vcpu: Vcpu, script: Script, walker: Walker, of_vm: dict[str, Any]) -> None:
        self.vcpu, self.memory, self.walker, self.of_vm = vcpu, walker.memory, walker, of_vm
        self.base = vcpu.regs[PC]
        self.asked = (0, 0)
        self.loaded: int | None = None
        self.shared_access = False
        self.returned: Any = None
        self.action: Action | None = None
        self.next_pc = self.base
        self.places: dict[tuple[int, ...], int] = {}
        self.script = script
        self.generator = script()
        self.refused: Fault | None = None
        self.delays = False
        self.buffer: tuple[BufferedStore, ...] = ()

    @property
    def pages(self) -> tuple[int, int] | None:
        """The VM's send and receive pages, once it has configured them."""
        return self.of_vm.get("pages")

    def advance(self, value: Any) -> Action | None:
        """The script's next action. At its end a secondary waits for ever, and the primary has none."""
        try:
            action = resume(self.generator, value)
        except StopIteration as end:
            self.returned = end.value
            return None if self.vcpu.vm.id == call.HF_PRIMARY_VM_ID else wait_for_interrupt()
        if not isinstance(action, Action):
            raise ScriptError(
                f"the script {self.script.__name__} yielded {action!r}: yield a call such as receive(), "
                "send(0, b'...') or clear()"
            )
        return action

    def pc(self) -> int:
        """Where the yield that the script is at would be: the places of a script count in the order of first visits."""
        place, generator = [], self.generator
        while isinstance(generator, GeneratorType) and generator.gi_frame is not None:
            place.append(generator.gi_frame.f_lasti)
            generator = generator.gi_yieldfrom  # type: ignore[assignment]
        base: int = self.base
        return base + 4 * self.places.setdefault(tuple(place), len(self.places))

    def translate(self, address: int, size: int, write: bool) -> "int | Fault":
        """Where an access of this VM goes, or how it fails."""
        return self.walker.translate(self.vcpu.regs, self.vcpu.vm.ptable.root, Access(address, size, write, 0))

    def store(self, address: int, data: bytes, release: bool = False) -> None:
        """Write through stage 2, page by page; where it is refused, note the fault and stop."""
        if self.vcpu.vm.id == call.HF_PRIMARY_VM_ID or address >> 12 == PL011_BASE >> 12:
            self.shared_access = True
        while data and self.refused is None:
            chunk = data[: PAGE_SIZE - (address & PAGE_SIZE - 1)]
            found = self.translate(address, len(chunk), True)
            if isinstance(found, Fault):
                self.refused = found
            elif PL011_BASE <= found < PL011_BASE + PAGE_SIZE:
                self.drain()
                for byte in chunk:
                    self.memory.write(Pa(found), bytes((byte,)))
            elif self.delays and found >= RAM_BASE:
                self.drain(len(self.buffer) - BUFFERED + 1)
                self.buffer += (BufferedStore(found, chunk, release),)
            else:  # of devices every store comes in its turn
                self.drain()
                self.memory.store(Pa(found), chunk, self.vcpu.index)
            address, data = address + len(chunk), data[len(chunk) :]

    def drain(self, count: int = BUFFERED) -> None:
        """Let the oldest stores out of the buffer, so many of them."""
        for store in self.buffer[: max(count, 0)]:
            self.memory.store(Pa(store.pa), store.data, self.vcpu.index)
            self.buffer = self.buffer[1:]

    def load(self, address: int, size: int, acquire: bool = False) -> bytes:
        """Read through stage 2, the own buffer first; where it is refused, note the fault.

        A load-acquire comes after the store-releases before it in the program.
        """
        self.shared_access = True
        found = self.translate(address, size, False)
        if isinstance(found, Fault):
            self.refused = found
            return bytes(size)
        releases = [at for at, store in enumerate(self.buffer, 1) if store.release]
        self.drain(BUFFERED if found < RAM_BASE else max(releases, default=0) if acquire else 0)
        data = bytearray(self.memory.load(Pa(found), size, self.vcpu.index))
        for at, byte in ((store.pa - found + i, each) for store in self.buffer for i, each in enumerate(store.data)):
            if 0 <= at < size:
                data[at] = byte
        return bytes(data)

    def in_ram(self, address: int, size: int) -> int:
        """Where an exclusive access goes, which only RAM can take."""
        found = self.translate(address, size, False)
        if isinstance(found, Fault) or found < RAM_BASE:
            raise ScriptError(f"exclusive accesses are for RAM: {address:#x} is a device")
        return found

    def received(self, size: int) -> bytes:
        """The first `size` bytes of the receive page."""
        return self.load(self.pages[1], size) if self.pages is not None else b""


def resume(generator: Generator[Action, Any, Any], value: Any) -> Action:
    """A generator's next action. A `yield from` a row of actions takes no results: there they go nowhere."""
    inner: Any = generator
    while isinstance(inner, GeneratorType):
        inner = inner.gi_yieldfrom
    return generator.send(value if inner is None or hasattr(inner, "send") else None)


class ScriptDone(Exception):
    """The primary's script on one physical CPU has come to its end."""


class ScriptedCpu:
    """Runs scripted guests on a physical CPU; the counterpart of `UnicornCpu`. The CPUs share `guests`.

    If it `delays` stores, each waits in a buffer until `StoreBuffer` lets it out: memory is in total store order then.
    """

    guest_type: type[ScriptedVcpu] = ScriptedVcpu

    def __init__(
        self,
        cpu: Cpu,
        board: Board,
        mm: Mm,
        budget: Budget,
        knob: Metronome | None,
        guests: dict[str, ScriptedVcpu],
        delays: bool,
    ) -> None:
        self.cpu, self.board, self.walker, self.budget = cpu, board, Walker(mm), budget
        self.knob, self.guests, self.delays = knob, guests, delays
        self.meeting = False

    def guest(self, script: Script) -> ScriptedVcpu:
        """The script on the current vCPU, started when it first runs."""
        vcpu = running(self.cpu)
        guest = self.guests.get(vcpu.name)
        if guest is None:
            peers = (each.of_vm for each in self.guests.values() if each.vcpu.vm is vcpu.vm)
            guest = self.guests[vcpu.name] = self.guest_type(vcpu, script, self.walker, next(peers, {}))
            guest.delays = self.delays
        return guest

    @property
    def buffered(self) -> ScriptedVcpu | None:
        """The script on this CPU if stores of its wait in its buffer."""
        guest = self.guests.get(self.cpu.current.name) if self.cpu.current is not None else None
        return guest if guest is not None and guest.buffer else None

    def run(self, script: Script, limit: int | None = None) -> Trap | None:
        """Let the current vCPU's script go on until it traps to EL2.

        None when it comes to a `meet()`, or, with a `limit`, after one access to memory: other CPUs may look at it.
        `ScriptDone` at the end of the primary's, `StuckForever` if it waits for what never comes.
        """
        cpu, regs, board, clock = self.cpu, self.cpu.regs, self.board, self.board.clock
        guest = self.guest(script)
        guest.shared_access = False
        secondary = cpu.hcr_el2 & arch.HCR_TWI
        while True:
            self.budget.check()
            if board.alarm != NEVER and clock.now() >= board.alarm:
                board.time_passed()
            if secondary and self.interrupted():
                guest.drain()
                return Trap(None)
            if guest.action is None or regs[PC] == guest.next_pc:
                guest.action = guest.advance(self.result(guest))
                pc = regs[PC] = guest.pc()
                guest.next_pc = pc + 4
            action = guest.action
            if action is None:
                raise ScriptDone
            clock.ticks += 1
            registers = action.prepare(guest) if action.prepare else action.registers
            if action.instruction in ACCESSES:
                self.access(guest, action)
            if guest.buffer and action.instruction not in ("load", "store"):
                guest.drain()
            if guest.refused is not None:
                return self.abort(guest, action.instruction not in ("load", "ldaxr"))
            for i, register in enumerate(registers):
                regs[i] = register & call.MASK64
            match action.instruction:
                case "hvc":
                    regs[PC] = guest.next_pc
                    return HVC_TRAP
                case "smc":
                    return Trap(arch.EC_SMC << 26 | arch.ESR_IL)
                case "wfi" | "wfe" if secondary:
                    is_wfe = action.instruction == "wfe"
                    return Trap(arch.EC_WFI_WFE << 26 | arch.ESR_IL | 1 << 24 | 0xE << 20 | is_wfe)
                case "wfi":
                    self.wait()
            regs[PC] = guest.next_pc
            self.meeting = action.instruction == "meet"
            if self.meeting or limit is not None:
                return None

    def access(self, guest: ScriptedVcpu, action: Action) -> None:
        """A load or a store; what it found is in `loaded`, what refused it in `refused`."""
        match action.instruction:
            case "store":
                guest.store(action.address, action.data, action.atomic)
            case "load":
                guest.loaded = int.from_bytes(guest.load(action.address, action.size, action.atomic), "little")
            case "cas":
                guest.drain()
                found = guest.load(action.address, 8)
                guest.loaded = int.from_bytes(found, "little")
                if found == action.expected and guest.refused is None:
                    guest.store(action.address, action.data)
            case "ldaxr":
                guest.drain()
                guest.loaded = self.load_exclusive(guest, action.address, action.size)
            case "stlxr":
                guest.drain()
                guest.loaded = self.store_exclusive(guest, action.address, action.data)

    def load_exclusive(self, guest: ScriptedVcpu, address: int, size: int) -> int:
        """Read through stage 2, and have this CPU's monitor watch what was read."""
        data = guest.load(address, size)
        if guest.refused is None:
            self.board.memory.watch(Pa(guest.in_ram(address, size)), size, self.cpu.id)
        return int.from_bytes(data, "little")

    def store_exclusive(self, guest: ScriptedVcpu, address: int, data: bytes) -> int:
        """Write through stage 2 if this CPU's monitor has not lost these bytes: 0, else 1."""
        guest.shared_access = True
        found = guest.translate(address, len(data), True)
        if isinstance(found, Fault):
            guest.refused = found
            return 1
        pa, memory = Pa(guest.in_ram(address, len(data))), self.board.memory
        if not memory.watched(pa, len(data), self.cpu.id):
            return 1
        memory.store(pa, data, self.cpu.id)
        return 0

    def interrupted(self) -> bool:
        """Whether an interrupt takes the CPU out of a secondary."""
        if not self.board.gic.signals[self.cpu.id].irq:
            return False
        if self.knob is not None:
            self.knob.serve(owed=True)
        return True

    def wait(self) -> None:
        """The primary waits for an interrupt. `StuckForever` if none will ever come."""
        knob = self.knob
        if not (knob is not None and knob.pending) and not self.board.wait(self.cpu.id, self.budget.check):
            raise StuckForever(NO_INTERRUPT)
        if knob is not None:
            knob.serve(owed=False)

    def result(self, guest: ScriptedVcpu) -> Any:
        """What the yield gives to the script."""
        action, x0 = guest.action, self.cpu.regs[0]
        if action is None:
            return None
        if action.meaning is not None:
            return action.meaning(guest, x0)
        if action.instruction in ("load", "cas", "ldaxr", "stlxr"):
            return guest.loaded
        return signed(x0) if action.instruction in ("hvc", "smc") else None

    def abort(self, guest: ScriptedVcpu, write: bool) -> Trap:
        """A data abort that stage 2 raised."""
        fault = guest.refused
        assert fault is not None
        guest.drain()
        guest.refused = None
        return Trap(arch.EC_DATA_ABORT << 26 | arch.ESR_IL | write << 6 | fault.fsc, fault.va, fault.ipa >> 12 << 4)


def check_script(script: object) -> None:
    """`ScriptError` unless `script` is a generator function that can be called without arguments."""
    if not inspect.isgeneratorfunction(script):
        raise ScriptError(
            f"{script!r} is no scripted guest: write a function that yields calls, as in def guest(): yield configure()"
        )
    needed = [p.name for p in inspect.signature(script).parameters.values() if p.default is p.empty and p.kind < 2]
    if needed:
        raise ScriptError(f"the script {script.__name__} needs arguments ({', '.join(needed)}): give them defaults")
