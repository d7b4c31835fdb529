"""Power control for the primary (upstream: src/arch/aarch64/psci.h and handler.c)."""

from enum import IntEnum

from hfedu.hf.call import HF_PRIMARY_VM_ID, MASK32, MASK64, Call, Caller, by_number
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu
from hfedu.hf.hook import hook
from hfedu.hf.mm import Mm
from hfedu.hf.platform import CpuDown
from hfedu.hf.spinlock import Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Vm

PSCI_CONVENTION_MASK = 1 << 30


class PsciCall(IntEnum):
    """PSCI functions that upstream knows, without the bit that says SMC64."""

    VERSION = 0x8400_0000
    CPU_OFF = 0x8400_0002
    CPU_ON = 0x8400_0003
    AFFINITY_INFO = 0x8400_0004
    MIGRATE_INFO_TYPE = 0x8400_0006
    SYSTEM_OFF = 0x8400_0008
    SYSTEM_RESET = 0x8400_0009


PSCI_ARGUMENTS = {
    PsciCall.CPU_ON: ("cpu", "entry", "context"),
    PsciCall.AFFINITY_INFO: ("cpu", "level"),
}
PSCI_CALLS = by_number(
    Call(int(psci), f"PSCI_{psci.name}", psci.name.lower(), PSCI_ARGUMENTS.get(psci, ()), Caller.PRIMARY)
    for psci in PsciCall
)
"""What is known of them, in rows like those of the hypercalls; `psci_handler` serves them."""

PSCI_SUCCESS, PSCI_NOT_SUPPORTED, PSCI_INVALID_PARAMETERS = 0, -1, -2
PSCI_ALREADY_ON, PSCI_INTERNAL_FAILURE = -4, -6
PSCI_AFFINITY_ON, PSCI_AFFINITY_OFF = 0, 1
PSCI_TRUSTED_OS_NOT_PRESENT_MP = 2


class Psci(Mm):
    """Answers the primary's PSCI calls, with the firmware's help. Results are those of x0: 64 bits."""

    cpus: list[Cpu]
    vms: list[Vm]

    def cpu_find(self, cpu_id: int) -> Cpu | None:
        """The physical CPU with this id (64 bits), if upstream's table has one."""
        return self.cpus[cpu_id] if cpu_id < len(self.cpus) else None

    def cpu_on(self, cpu: Cpu, target: Cpu, entry: int, arg: int) -> Steps[bool]:
        """Mark `target` as on and make its vCPU of the primary start at `entry` with `arg` in x0.

        True, and nothing else changed, if it already was on. Takes and drops target.lock (upstream: cpu_on in cpu.c).
        """
        yield from sl_lock(cpu, target.lock)
        was_on = target.is_on
        target.is_on = True
        yield from sl_unlock(cpu, target.lock)
        if not was_on:
            self.vms[HF_PRIMARY_VM_ID].vcpus[target.id].on(entry, arg)
        return was_on

    def psci_handler(self, cpu: Cpu, function: int, arg0: int, arg1: int, arg2: int) -> Steps[int | None]:
        """Serve one PSCI call. Its result, or None if upstream does not know the function."""
        function &= MASK32 & ~PSCI_CONVENTION_MASK
        if function not in PSCI_CALLS:  # as nearly always
            return None
        match function:
            case PsciCall.VERSION:
                return 2
            case PsciCall.MIGRATE_INFO_TYPE:
                return PSCI_TRUSTED_OS_NOT_PRESENT_MP
            case PsciCall.SYSTEM_OFF | PsciCall.SYSTEM_RESET as power:
                self.platform.smc(power, 0, 0, 0)
                raise AssertionError("the firmware returned from a power-off")
            case PsciCall.CPU_OFF:
                yield from sl_lock(cpu, cpu.lock)
                cpu.is_on = False
                yield from sl_unlock(cpu, cpu.lock)
                raise CpuDown
            case PsciCall.AFFINITY_INFO:
                target = self.existing_cpu(cpu, arg0)
                if isinstance(target, Refused):
                    return target
                level = self.require(arg1 == 0, "level == 0", target, PSCI_NOT_SUPPORTED & MASK64, level=arg1)
                if not level:
                    return level
                yield from sl_lock(cpu, target.lock)
                is_on = target.is_on
                yield from sl_unlock(cpu, target.lock)
                return PSCI_AFFINITY_ON if is_on else PSCI_AFFINITY_OFF
            case PsciCall.CPU_ON:
                target = self.existing_cpu(cpu, arg0)
                if isinstance(target, Refused):
                    return target
                was_on = yield from self.cpu_on(cpu, target, arg1, arg2)
                off = self.require(not was_on, "the CPU is off", target, PSCI_ALREADY_ON & MASK64)
                if not off:
                    return off
                ret = self.platform.smc(PsciCall.CPU_ON, arg0, arg1, arg2)
                if ret != PSCI_SUCCESS:
                    self.dlog(f"Unexpected return from PSCI_CPU_ON: {ret & MASK32:#x}\n")
                failed = PSCI_INTERNAL_FAILURE & MASK64
                done = self.require(ret == PSCI_SUCCESS, "the firmware turns it on", target, failed, said=ret & MASK64)
                return PSCI_SUCCESS if done else done
        return None

    @hook
    def existing_cpu(self, cpu: Cpu, cpu_id: int) -> Cpu | Refused:
        """The physical CPU that the primary names, or the refusal."""
        found = self.cpu_find(cpu_id)
        invalid = PSCI_INVALID_PARAMETERS & MASK64
        exists = self.require(found is not None, "the CPU exists", cpu, invalid, id=cpu_id, count=len(self.cpus))
        return exists if isinstance(exists, Refused) else self.cpus[cpu_id]
