"""Spin locks, and the `Step` in which all hypervisor code is cut (upstream: inc/hf/spinlock.h)."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hfedu.hf.platform import HypervisorHang

if TYPE_CHECKING:
    from hfedu.hf.cpu import Cpu

T = TypeVar("T")


class SelfDeadlock(HypervisorHang):
    """A physical CPU waits for a lock that it holds itself."""

    def __init__(self, cpu: int, lock: str) -> None:
        super().__init__(f"CPU {cpu} takes {lock}, which it holds already, and spins for ever: self-deadlock.")
        self.cpu, self.lock = cpu, lock


class Step(NamedTuple):
    """The next atomic action on shared state, announced before it is done; resuming does it.

    `kind` is one of the names below, `target` the object acted on.
    acquire, release: a spin lock.  deliver: message bytes and mailbox.  wake, block: a vCPU.
    read: a mailbox whose message its owner takes.  clear: a mailbox.  configure: a VM's pages.
    save, restore: a vCPU's registers.  retval: a vCPU's x0.
    drain: a CPU, whose oldest store leaves its buffer.
    """

    kind: str
    target: Any


Steps = Generator[Step, None, T]


class SpinLock:
    """A lock that one physical CPU holds at a time. `owner` is that CPU, or None; `of` is what it guards."""

    __slots__ = ("acquire", "name", "of", "owner", "release")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of
        self.owner: Cpu | None = None
        self.acquire = Step("acquire", self)
        self.release = Step("release", self)


def sl_lock(cpu: "Cpu", lock: SpinLock) -> Steps[None]:
    """Take `lock` for `cpu`. Whoever drives the steps resumes this one only while the lock is free.

    `SelfDeadlock` if `cpu` holds it: nobody else will ever drop it.
    """
    if lock.owner is cpu:
        raise SelfDeadlock(cpu.id, lock.name)
    yield lock.acquire
    assert lock.owner is None, f"{lock.name} is already held"
    lock.owner = cpu


def sl_unlock(cpu: "Cpu", lock: SpinLock) -> Steps[None]:
    """Drop `lock`, which `cpu` holds."""
    yield lock.release
    assert lock.owner is cpu, f"{lock.name} is not held by cpu {cpu.id}"
    lock.owner = None
