"""What an invariant, a goal or a judge of ends looks at: the machine right after a step, in plain values.

    def never_full(machine):
        return machine.mailbox(1).state != "READ" or machine.vcpu(1).state != "READY"

Such a function returns a sentence that says what is wrong, or None; or whether it holds, True or False.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from hfedu.errors import Mistake, plainly
from hfedu.guest.budget import OutOfBudget
from hfedu.hf.addr import NULL, Pa
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.platform import HypervisorHang
from hfedu.hf.spinlock import SpinLock, Step
from hfedu.hf.vm import Vm
from hfedu.run import words
from hfedu.run.core import Core

if TYPE_CHECKING:
    from hfedu.hf.cpu import Vcpu
    from hfedu.run.machine import Machine


class SeenMailbox(NamedTuple):
    """A mailbox: "EMPTY", "RECEIVED" or "READ"; who sent last, how many bytes and which; the vCPUs that wait."""

    state: str
    sender: int
    size: int
    data: bytes
    waiters: tuple[int, ...]


class SeenVcpu(NamedTuple):
    """A vCPU: its state, such as "READY"; the physical CPU that it is on, if any; x0 to x30 as they were saved."""

    state: str
    cpu: int | None
    registers: tuple[int, ...]


def waiters_of(vm: Vm) -> "list[Vcpu]":
    """The vCPUs of a VM that wait for a message, the newest first."""
    found: list[Vcpu] = []
    vcpu = vm.mailbox.recv_waiter
    while vcpu is not None and vcpu not in found:
        found.append(vcpu)
        vcpu = vcpu.mailbox_next
    return found


def look_of(vcpu: "Vcpu") -> str:
    """How a vCPU of a machine is: a name in `kinds.VCPU_LOOKS`."""
    return words.vcpu_look(vcpu.state.name, vcpu in waiters_of(vcpu.vm))


class Sight:
    """The machine right after a step.

    `cpu` is the number of the physical CPU that took it; `did` is what it did, such as "deliver" (see
    `hfedu.hf.spinlock.Step`), or "guest" if its guest ran. `results` are what the scripts of the primary's CPUs have
    returned, None for one that has not ended. All else is asked for by number of a VM, a vCPU or a CPU.
    """

    machine: "Machine"
    whole: "Machine"
    core: Core
    step: Step | None
    locks: list[SpinLock]
    off: bool = False

    @staticmethod
    def look(kind: str, which: Any) -> None:
        """Something is looked at that no field shows; who wants to know puts another function here."""

    @property
    def cpu(self) -> int:
        """The physical CPU that took the step."""
        return self.core.cpu.id

    @property
    def did(self) -> str:
        """What the step did."""
        return "guest" if self.step is None else self.step.kind

    @property
    def results(self) -> tuple[Any, ...]:
        """What the scripts of the primary's CPUs have returned so far."""
        for core in self.whole.cores:
            self.look("guest", f"vm{HF_PRIMARY_VM_ID}.vcpu{core.cpu.id}")
        guests = self.whole.guests
        found = (guests.get(f"vm{HF_PRIMARY_VM_ID}.vcpu{core.cpu.id}") for core in self.whole.cores)
        return tuple(None if guest is None else guest.returned for guest in found)

    @property
    def uart(self) -> str:
        """All that was printed so far."""
        self.look("uart", 0)
        return self.whole.uart.decode("latin-1")

    @property
    def at_end(self) -> bool:
        """Whether this is an end: no CPU will ever go on, and none of them waits for a lock or spins for ever."""
        if self.off:
            return True
        cores = self.whole.cores
        if any(core.able or core.scripted.meeting or isinstance(core.ended, Lost) for core in cores):
            return False
        if any(buffer.able for buffer in self.whole.buffers):
            return False
        return self.whole.deadlock() is None

    def ended(self, cpu: int) -> bool:
        """Whether a physical CPU will never go on."""
        return self._of(self.whole.cores, cpu, "CPU").ended is not None

    def next(self, cpu: int) -> str:
        """What a physical CPU will do next: a kind of step, "guest" while its guest runs, or "" if it has ended."""
        core = self._of(self.whole.cores, cpu, "CPU")
        return "" if core.ended is not None else "guest" if core.step is None else core.step.kind

    def mailbox(self, vm: int) -> SeenMailbox:
        """The mailbox of a VM."""
        found = self._vm(vm).mailbox
        data = b"" if found.recv == NULL else self.whole.hypervisor.mm_load(found.recv, found.recv_bytes)
        waiters = tuple(vcpu.index for vcpu in self.waiters(found.vm))
        return SeenMailbox(found.state.name, found.recv_from_id, found.recv_bytes, data, waiters)

    def vcpu(self, vm: int, index: int = 0) -> SeenVcpu:
        """A vCPU of a VM."""
        found = self._of(self._vm(vm).vcpus, index, "vCPU")
        on = next((core.cpu.id for core in self.whole.cores if core.cpu.current is found), None)
        return SeenVcpu(found.state.name, on, tuple(found.regs[:31]))

    def lock(self, vm: int, vcpu: int | None = None) -> int | None:
        """The physical CPU that holds the lock of a VM, or of a vCPU; None if nobody does."""
        found = self._vm(vm) if vcpu is None else self._of(self._vm(vm).vcpus, vcpu, "vCPU")
        return None if found.lock.owner is None else found.lock.owner.id

    def load(self, address: int, size: int = 8) -> int:
        """A number in the memory of the primary, whose addresses are the machine's."""
        return int.from_bytes(self.whole.board.memory.read(Pa(address), size), "little")

    def waiters(self, vm: Vm) -> "list[Vcpu]":
        """The vCPUs in a VM's waiter list."""
        return waiters_of(vm)

    def _vm(self, vm: int) -> Vm:
        found: Vm = self._of(self.whole.hypervisor.vms, vm, "VM")
        return found

    @staticmethod
    def _of(found: Any, number: int, what: str) -> Any:
        if not isinstance(number, int) or not 0 <= number < len(found):
            raise Mistake(f"there is no {what} {number!r} here: they count from 0 to {len(found) - 1}")
        return found[number]


class ScriptRaised(Exception):
    """A script, or a hypervisor of one's own, raised an exception: the CPU that ran it never goes on."""

    def __init__(self, sentence: str, error: Exception) -> None:
        super().__init__(sentence)
        self.error = error


GOAL = "goal"
"""The name of a goal, which is an invariant that breaks where it is reached."""
Lost = HypervisorHang | ScriptRaised
"""Ends of a CPU after which nothing that it did is worth judging."""


@plainly
class Invariant(NamedTuple):
    """A name, a sentence that says what must hold, and a function of a `Sight` that says whether it does.

    The function returns a sentence that says what is wrong, or None; or a bool: True if it holds. `at_end` says that
    it is judged at ends only. `steady` says that it looks at nothing that the steps change which commute: a release of
    a lock, and what a CPU does to its own vCPU of the primary. Then these are taken together under its eyes, too.
    """

    name: str
    meaning: str
    broken: Callable[[Any], str | bool | None]
    steady: bool = False
    at_end: bool = False


def what_is_wrong(invariant: Invariant, sight: Sight) -> str | None:
    """What is wrong right now with what must hold, None if it holds. `Mistake` if the function raises."""
    if invariant.at_end and not sight.at_end:
        return None
    try:
        found = invariant.broken(sight)
    except OutOfBudget:
        raise
    except Mistake as error:
        raise Mistake(f"{who_judges(invariant)} asks for what is not there: {error}") from error
    except Exception as error:
        raise Mistake(f"{who_judges(invariant)} raised {error!r}") from error
    if found is None or found is True:
        return None
    if found is False:
        return invariant.meaning.rstrip(".") + ": this does not hold" if invariant.meaning else "it does not hold"
    if isinstance(found, str) and found:
        return found
    raise Mistake(
        f"{who_judges(invariant)} must return a sentence that says what is wrong, None, True or False, not {found!r}"
    )


def who_judges(invariant: Invariant) -> str:
    """What to call an invariant."""
    return "the goal" if invariant.name == GOAL else f"the invariant {invariant.name}"


def as_invariants(given: Any, what: str, at_end: bool = False) -> tuple[Invariant, ...]:
    """Invariants, or functions to be made into ones. `Mistake` for anything else."""
    listed: Iterable[Any] = given if isinstance(given, list | tuple) and not isinstance(given, Invariant) else [given]
    found: list[Invariant] = []
    for each in listed:
        if not isinstance(each, Invariant):
            if not callable(each) or isinstance(each, type):
                raise Mistake(
                    f"{what} must be a list of Invariant or of functions of the machine, such as [*hfedu.INVARIANTS, "
                    f"lambda machine: machine.mailbox(1).state != 'READ'], not {each!r}"
                )
            each = Invariant(*told_of(each, what), each, steady=at_end)
        taken = [other.name for other in found].count(each.name)
        named = each._replace(at_end=at_end or each.at_end)
        found.append(named if not taken else named._replace(name=f"{each.name} {taken + 1}"))
    return tuple(found)


def told_of(function: Any, what: str) -> tuple[str, str]:
    """A name and a meaning for a function: its own name, and the first line of its docstring."""
    name = str(getattr(function, "__name__", type(function).__name__)).replace("_", "-")
    name = what.removesuffix("s") if name == "<lambda>" else name
    return name, (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]
