"""A plain model of the hypercall interface, written from its description alone: nothing of hfedu is in it.

No locks, no page tables, no registers but x0: memory is a dictionary of pages, a guest is a Python generator that
yields `Call` or `Wait` and is sent the x0 it gets back. One physical CPU.
"""

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

PAGE = 4096
MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1
MINUS_1 = MASK64
NO_WAITER = 0xFFFF
WAIT_FOR_INTERRUPT, WAKE_UP, MESSAGE = 1, 2, 3
UART = 0x0900_0000
HYPERVISOR = range(0x4000_1000, 0x4004_A000)
PHYSICAL_CPUS = 8


@dataclass(frozen=True)
class Call:
    """HVC, or SMC: x0 to x3."""

    function: int
    x1: int = 0
    x2: int = 0
    x3: int = 0
    smc: bool = False


@dataclass(frozen=True)
class Wait:
    """WFI."""


Guest = Generator[Call | Wait, int, None]


class Ended(Exception):
    """The run is over; the text says how."""


@dataclass
class Vcpu:
    """A virtual CPU. `x0` is what its guest gets when it goes on."""

    vm: "Vm"
    index: int
    state: str = "OFF"
    x0: int = 0
    guest: Guest | None = None


@dataclass
class Vm:
    """A virtual machine and its mailbox. `waiters` is a stack, its top the last."""

    id: int
    memory: range
    vcpu_count: int
    mapped: bool = True
    vcpus: list[Vcpu] = field(default_factory=list)
    send: int | None = None
    recv: int | None = None
    mailbox: str = "EMPTY"
    size: int = 0
    sender: int = 0
    waiters: list[Vcpu] = field(default_factory=list)


class Model:
    """VMs that call the hypervisor. `reached` counts what happened, each refusal by its reason.

    `memory` gives each VM's memory, the primary first, `vcpu_counts` how many vCPUs each secondary has. VMs whose
    ids are in `off` were loaded when the pages for tables had run out: they have no memory and never run.
    """

    def __init__(self, memory: list[range], vcpu_counts: list[int], off: tuple[int, ...] = ()) -> None:
        self.pages: dict[int, bytearray] = {}
        self.reached: Counter[str] = Counter()
        self.cpus_on = {0}
        self.vms: list[Vm] = []
        for own, count in zip(memory, [PHYSICAL_CPUS, *vcpu_counts], strict=True):
            vm = Vm(len(self.vms), own, count & MASK32, mapped=len(self.vms) not in off)
            vm.vcpus = [Vcpu(vm, index) for index in range(min(vm.vcpu_count, PHYSICAL_CPUS))]
            if vm.vcpus and vm.mapped:
                vm.vcpus[0].state = "READY"
            self.vms.append(vm)
        self.primary = self.running = self.vms[0].vcpus[0]

    # Memory. Every VM sees it at its physical addresses.

    def page(self, address: int) -> bytearray:
        return self.pages.setdefault(address & -PAGE, bytearray(PAGE))

    def read(self, address: int, size: int) -> bytes:
        """Bytes that do not cross the end of a page."""
        return bytes(self.page(address)[address % PAGE : address % PAGE + size])

    def write(self, address: int, data: bytes) -> None:
        """Write bytes that do not cross the end of a page."""
        self.page(address)[address % PAGE : address % PAGE + len(data)] = data

    def may_touch(self, vm: Vm, address: int) -> bool:
        """Whether the VM's own tables map this address."""
        if vm.id:
            return (vm.mapped and address in vm.memory) or UART <= address < UART + PAGE
        foreign = any(other.mapped and address in other.memory for other in self.vms[1:])
        return address < 1 << 40 and address not in HYPERVISOR and not foreign

    def touch(self, vm: Vm, address: int) -> None:
        """A load or store of a guest. The hypervisor does not survive one that is refused."""
        if not self.may_touch(vm, address):
            self.reached["guest's access refused"] += 1
            raise Ended("hang")

    # Who runs.

    def run(self, guests: list[Callable[[], Guest]]) -> str:
        """Run the VMs' guests until the primary is done. How it ended."""
        try:
            while True:
                self.step(guests)
        except Ended as ended:
            return str(ended)

    def step(self, guests: list[Callable[[], Guest]]) -> None:
        """The running guest up to its next trap, and the answer."""
        vcpu = self.running
        try:
            if vcpu.guest is None:
                vcpu.guest = guests[vcpu.vm.id]()
                action = next(vcpu.guest)
            else:
                action = vcpu.guest.send(vcpu.x0)
        except StopIteration:
            if vcpu is self.primary:
                raise Ended("power off") from None
            action = Wait()
        if isinstance(action, Wait):
            if vcpu is self.primary:
                raise Ended("stuck")
            self.reached["wait for interrupt"] += 1
            self.back_to_primary("BLOCKED_INTERRUPT", WAIT_FOR_INTERRUPT)
        else:
            result = self.serve(vcpu, action)
            if result is not None:
                vcpu.x0 = result & MASK64

    def back_to_primary(self, state: str, code: int, vm: int = 0, data: int = 0) -> None:
        """The secondary that runs leaves its CPU in `state`, and the primary's HF_VCPU_RUN returns."""
        self.reached[f"run returned code {code}"] += 1
        self.running.state = state
        self.running = self.primary
        self.primary.x0 = code | vm << 16 | data << 32

    # Calls. Each returns x0, or None where that is written later.

    def serve(self, vcpu: Vcpu, call: Call) -> int | None:
        function = call.function & MASK32 & ~(1 << 30)
        if vcpu is self.primary:
            result = self.psci(function, call.x1, call.x2)
            if result is not None:
                self.reached["power call"] += 1
                return result
        if call.smc:
            self.reached["unknown call"] += 1
            return MINUS_1
        match function:
            case 0xFF00:
                return self.vcpu_run(vcpu, call.x1 & MASK32, call.x2 & MASK32)
            case 0xFF01:
                return len(self.vms)
            case 0xFF02:
                return self.vcpu_get_count(vcpu.vm, call.x1 & MASK32)
            case 0xFF03:
                return self.configure(vcpu.vm, call.x1, call.x2)
            case 0xFF04:
                return self.send(vcpu, call.x1 & MASK32, call.x2)
            case 0xFF05:
                return self.receive(vcpu, call.x1)
            case 0xFF06:
                return self.clear(vcpu.vm)
        self.reached["unknown call"] += 1
        return MINUS_1

    def psci(self, function: int, cpu: int, level: int) -> int | None:
        """The primary's power calls, on a board with one CPU. None if it is no such call."""
        match function:
            case 0x8400_0000 | 0x8400_0006:
                return 2
            case 0x8400_0002:
                raise Ended("stuck")
            case 0x8400_0003:
                if cpu >= PHYSICAL_CPUS:
                    return -2
                already_on = cpu in self.cpus_on
                if not already_on:
                    self.cpus_on.add(cpu)
                    self.vms[0].vcpus[cpu].state = "READY"
                return -4 if already_on else -6
            case 0x8400_0004:
                if cpu >= PHYSICAL_CPUS:
                    return -2
                return -1 if level else 0 if cpu in self.cpus_on else 1
            case 0x8400_0008:
                raise Ended("power off")
            case 0x8400_0009:
                raise Ended("reset")
        return None

    def vcpu_run(self, caller: Vcpu, vm_id: int, index: int) -> int | None:
        refused = None
        if caller is not self.primary:
            refused = "by a secondary"
        elif vm_id == 0:
            refused = "the primary"
        elif vm_id >= len(self.vms):
            refused = "no such VM"
        elif index >= len(self.vms[vm_id].vcpus):
            refused = "no such vCPU"
        elif self.vms[vm_id].vcpus[index].state != "READY":
            refused = f"vCPU is {self.vms[vm_id].vcpus[index].state}"
        if refused:
            self.reached[f"run refused: {refused}"] += 1
            return WAIT_FOR_INTERRUPT
        self.reached["run"] += 1
        self.running = self.vms[vm_id].vcpus[index]
        self.running.state = "RUNNING"
        return None

    def vcpu_get_count(self, caller: Vm, vm_id: int) -> int:
        refused = "by a secondary" if caller.id else "no such VM" if vm_id >= len(self.vms) else None
        if refused:
            self.reached[f"vCPU count refused: {refused}"] += 1
            return MINUS_1
        return self.vms[vm_id].vcpu_count

    def configure(self, vm: Vm, send: int, recv: int) -> int:
        refused = None
        if send % PAGE or recv % PAGE:
            refused = "unaligned"
        elif vm.send is not None:
            refused = "twice"
        elif not self.may_touch(vm, send) or not self.may_touch(vm, recv):
            refused = "not mapped"
        elif send == recv:
            refused = "same page"
        if refused:
            self.reached[f"configure refused: {refused}"] += 1
            return MINUS_1
        self.reached["configured"] += 1
        vm.send, vm.recv = send, recv
        return 0

    def send_refused(self, vm: Vm, to_id: int, size: int) -> str | None:
        if size > PAGE:
            return "too large"
        if to_id == vm.id:
            return "to itself"
        if to_id >= len(self.vms):
            return "no such VM"
        if vm.send is None:
            return "sender is not configured"
        to = self.vms[to_id]
        if to.mailbox != "EMPTY":
            return f"mailbox is {to.mailbox}"
        return "target is not configured" if to.recv is None else None

    def send(self, vcpu: Vcpu, to_id: int, size: int) -> int | None:
        vm = vcpu.vm
        refused = self.send_refused(vm, to_id, size)
        if refused:
            self.reached[f"send refused: {refused}"] += 1
            return MINUS_1
        to = self.vms[to_id]
        assert vm.send is not None and to.recv is not None  # noqa: PT018
        self.write(to.recv, self.read(vm.send, size))
        to.size, to.sender = size, vm.id
        if to_id == 0:
            self.reached["message to the primary"] += 1
            to.mailbox = "READ"
            vcpu.x0 = 0
            self.back_to_primary("READY", MESSAGE, 0, size)
            return None
        direction = "from the primary" if vm.id == 0 else "between secondaries"
        self.reached[f"message {direction}, {'receiver waits' if to.waiters else 'nobody waits'}"] += 1
        woken = NO_WAITER
        to.mailbox = "RECEIVED"
        if to.waiters:
            waiter = to.waiters.pop()
            waiter.state, waiter.x0 = "READY", vm.id | size << 32
            to.mailbox, woken = "READ", waiter.index
        if vm.id == 0:
            return woken
        vcpu.x0 = 0
        self.back_to_primary("READY", WAKE_UP, to_id, woken)
        return None

    def receive(self, vcpu: Vcpu, block: int) -> int | None:
        vm = vcpu.vm
        if vm.id == 0:
            self.reached["receive refused: the primary"] += 1
            return MINUS_1
        if vm.mailbox == "RECEIVED":
            self.reached["received at once"] += 1
            vm.mailbox = "READ"
            return vm.sender | vm.size << 32
        if not block:
            self.reached[f"receive refused: mailbox is {vm.mailbox}"] += 1
            return MINUS_1
        self.reached[f"blocked: mailbox is {vm.mailbox}"] += 1
        vm.waiters.append(vcpu)
        self.back_to_primary("BLOCKED_INTERRUPT", WAIT_FOR_INTERRUPT)
        return None

    def clear(self, vm: Vm) -> int:
        if vm.mailbox != "READ":
            self.reached[f"clear refused: mailbox is {vm.mailbox}"] += 1
            return MINUS_1
        self.reached["cleared"] += 1
        vm.mailbox = "EMPTY"
        return 0
