"""Virtual machines and their mailboxes (upstream: src/vm.c, inc/hf/vm.h)."""

from enum import Enum

from hfedu.hf.addr import NULL, Va
from hfedu.hf.cpu import Vcpu
from hfedu.hf.mm import Ptable
from hfedu.hf.platform import MAX_CPUS
from hfedu.hf.spinlock import SpinLock, Step


class MailboxState(Enum):
    """EMPTY: a sender may write.  RECEIVED: a message waits.  READ: its owner has it and has not cleared it."""

    EMPTY = "EMPTY"
    RECEIVED = "RECEIVED"
    READ = "READ"


class Mailbox:
    """A VM's one message. `send` and `recv` are its pages as the hypervisor maps them, NULL before configure.

    `vm` is its owner. `recv_waiter` is the top of a stack of vCPUs that wait for a message. Guarded by the VM's lock.
    """

    __slots__ = ("clear", "deliver", "name", "read", "recv", "recv_bytes", "recv_from_id", "recv_waiter", "send",
                 "state", "vm")  # fmt: skip
    vm: "Vm"

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Enum = MailboxState.EMPTY
        self.send: Va = NULL
        self.recv: Va = NULL
        self.recv_bytes = 0
        self.recv_from_id = 0
        self.recv_waiter: Vcpu | None = None
        self.deliver, self.read, self.clear = (Step(kind, self) for kind in ("deliver", "read", "clear"))


class Vm:
    """A virtual machine: its id, lock, stage-2 table, vCPUs and mailbox.

    `vcpu_count` is what the guest is told. Upstream has room for MAX_CPUS vCPUs and overflows beyond; here
    `vcpus` ends at MAX_CPUS and a higher index is never ready.
    """

    __slots__ = ("id", "lock", "mailbox", "name", "ptable", "vcpu_count", "vcpus")
    mailbox_type: type[Mailbox] = Mailbox
    vcpu_type: type[Vcpu] = Vcpu

    def __init__(self, vm_id: int, vcpu_count: int, ptable: Ptable) -> None:
        self.id = vm_id
        self.name = f"vm{vm_id}"
        self.lock = SpinLock(f"{self.name}.lock", self)
        self.ptable = ptable
        self.vcpu_count = vcpu_count
        self.mailbox = self.mailbox_type(f"{self.name}.mailbox")
        self.mailbox.vm = self
        self.vcpus = [self.vcpu_type(self, index) for index in range(min(vcpu_count, MAX_CPUS))]
