"""Physical CPUs and virtual CPUs (upstream: src/cpu.c)."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from hfedu.hf.arch import FP_SIZE, VMPIDR_EL2, ArchRegs
from hfedu.hf.check import Check
from hfedu.hf.spinlock import SpinLock, Step

if TYPE_CHECKING:
    from hfedu.hf.vm import Vm


class VcpuState(Enum):
    """Why a vCPU runs or does not run."""

    OFF = "OFF"
    READY = "READY"
    RUNNING = "RUNNING"
    BLOCKED_MAILBOX = "BLOCKED_MAILBOX"
    BLOCKED_INTERRUPT = "BLOCKED_INTERRUPT"


class Vcpu:
    """A virtual CPU of `vm`. `lock` guards its state; `mailbox_next` chains it into a waiter stack."""

    __slots__ = ("block", "index", "lock", "mailbox_next", "name", "regs", "restore", "retval", "state", "vm", "wake")

    def __init__(self, vm: "Vm", index: int) -> None:
        self.vm = vm
        self.index = index
        self.name = f"{vm.name}.vcpu{index}"
        self.lock = SpinLock(f"{self.name}.lock", self)
        self.state: Enum = VcpuState.OFF
        self.mailbox_next: Vcpu | None = None
        self.regs = self.new_regs()
        self.regs[VMPIDR_EL2] = index
        self.retval, self.wake, self.block, self.restore = (
            Step(kind, self) for kind in ("retval", "wake", "block", "restore")
        )

    def new_regs(self) -> ArchRegs:
        """A register file of the kind this vCPU uses."""
        return ArchRegs()

    def on(self, entry: int, arg: int) -> None:
        """Make this vCPU ready to start at `entry` with `arg` in x0 (upstream: vcpu_on)."""
        self.regs.set_pc_arg(entry, arg)
        self.state = VcpuState.READY


class Cpu:
    """A physical CPU: the vCPU it runs, and the registers that are in it now.

    `regs` is the live register file: a guest changes it by running, the hypervisor copies it to and from
    `Vcpu.regs` when it switches. At a trap x0-x30, PC and SPSR are there; `read_system_registers` fetches the
    rest, when the hypervisor saves it; `read_fp` and `write_fp` reach the floating-point registers, which the
    hypervisor of 2018 never touches. `vttbr_el2`, `hcr_el2` and `cnthctl_el2` decide what the guest may touch.
    `refused` is the condition for which the last call was refused, None if it was not, or for no reason that was given.
    """

    __slots__ = ("cnthctl_el2", "current", "hcr_el2", "id", "is_on", "lock", "name",
                 "read_fp", "read_system_registers", "refused", "regs", "save", "vttbr_el2", "write_fp")  # fmt: skip

    def __init__(self, cpu_id: int) -> None:
        self.id = cpu_id
        self.name = f"cpu{cpu_id}"
        self.lock = SpinLock(f"{self.name}.lock", self)
        self.is_on = False
        self.current: Vcpu | None = None
        self.regs = ArchRegs()
        self.read_system_registers: Callable[[], None] = lambda: None
        self.read_fp: Callable[[], bytes] = lambda: bytes(FP_SIZE)
        self.write_fp: Callable[[bytes], None] = lambda _: None
        self.save = Step("save", self)
        self.refused: Check | None = None
        self.vttbr_el2 = self.hcr_el2 = self.cnthctl_el2 = 0
