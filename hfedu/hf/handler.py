"""From a trap to the next vCPU (upstream: src/arch/aarch64/handler.c and exceptions.S).

A trap arrives with the guest's registers in `Cpu.regs`. The handler calls the API, writes the result, and if
another vCPU is to run, saves the registers of the old one and restores those of the new one: three steps that
come after the API has released every lock.
"""

from types import GeneratorType
from typing import Any, ClassVar, NamedTuple

from hfedu.hf import arch
from hfedu.hf.api import Api, Result, running
from hfedu.hf.arch import ESR_FNV, ESR_IL, PC
from hfedu.hf.call import CALLS, HF_PRIMARY_VM_ID, MASK32, Call, Caller, by_number
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.hook import hook
from hfedu.hf.platform import HypervisorHang
from hfedu.hf.psci import PSCI_CONVENTION_MASK, Psci
from hfedu.hf.spinlock import Steps

ZEROS_X1_X17 = arch.ArchRegs()[1:18]


class Trap(NamedTuple):
    """An exception taken to EL2: its syndrome, and for aborts the addresses. `esr` None means an interrupt."""

    esr: int | None
    far: int = 0
    hpfar: int = 0


class Handler(Api, Psci):
    """The exception vectors of EL2.

    `saved_registers` is how many registers of `ArchRegs` a switch saves. `rows` are calls that a class brings, `calls`
    all that it serves, by number: its own and those of the classes that it builds on. A row is served by the method
    that is named after it, which gets the CPU and the arguments that the row names, and gives x0, or x0 and the vCPU
    that is to run: at once, or as a generator of `Step`s.
    """

    saved_registers = arch.SAVED
    rows: ClassVar[tuple[Call, ...]] = CALLS
    calls: ClassVar[dict[int, Call]] = by_number(CALLS)

    def __init_subclass__(cls, **options: Any) -> None:
        """Put the calls of a class over those of its bases."""
        super().__init_subclass__(**options)
        cls.calls = by_number(row for base in reversed(cls.__mro__) for row in vars(base).get("rows", ()))

    def handle(self, cpu: Cpu, trap: Trap) -> Steps[None]:
        """Serve one trap of the vCPU that `cpu` runs, and leave in `cpu` whatever runs next."""
        if trap.esr is None:
            yield from self.switch(cpu, (yield from self.irq_lower(cpu)))
        elif trap.esr >> 26 == arch.EC_HVC:
            ret, next_vcpu = yield from self.hvc_handler(cpu, *cpu.regs[:4])
            cpu.refused = ret.check if isinstance(ret, Refused) else None
            if next_vcpu is not None:
                yield running(cpu).retval
                running(cpu).regs.set_retval(ret)
            cpu.regs[0] = ret
            cpu.regs[1:18] = ZEROS_X1_X17
            yield from self.switch(cpu, next_vcpu)
        else:
            yield from self.switch(cpu, (yield from self.sync_lower_exception(cpu, trap)))

    def switch(self, cpu: Cpu, next_vcpu: Vcpu | None) -> Steps[None]:
        """Save what is left of the current vCPU and restore `next_vcpu`, if there is one to switch to."""
        if next_vcpu is None:
            return
        yield from self.save(cpu, running(cpu))
        yield next_vcpu.restore
        self.restore_registers(cpu, next_vcpu)

    @hook
    def save(self, cpu: Cpu, vcpu: Vcpu) -> Steps[None]:
        """Save what is left of the vCPU that this CPU leaves."""
        yield cpu.save
        self.save_registers(cpu, vcpu)

    @hook
    def save_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        """Copy registers out of the CPU."""
        cpu.read_system_registers()
        vcpu.regs[: self.saved_registers] = cpu.regs[: self.saved_registers]

    @hook
    def restore_registers(self, cpu: Cpu, vcpu: Vcpu) -> None:
        """Copy registers into the CPU. Those that were not saved stay as the last vCPU left them."""
        cpu.current = vcpu
        cpu.regs[: self.saved_registers] = vcpu.regs[: self.saved_registers]

    def hvc_handler(self, cpu: Cpu, function: int, arg1: int, arg2: int, arg3: int) -> Steps[Result]:
        """Serve one HVC: PSCI first if it comes from the primary, then the hypercalls, else -1."""
        caller = running(cpu).vm
        if caller.id == HF_PRIMARY_VM_ID:
            psci_ret = yield from self.psci_handler(cpu, function, arg1, arg2, arg3)
            if psci_ret is not None:
                return psci_ret, None
        row = self.calls.get(call_number(function))
        if row is None:
            return self.require(False, "the function is known", caller, function=function & MASK32), None
        allowed = self.may_call(row, cpu)
        if not allowed:
            return allowed, None
        answer: Any = getattr(self, row.api)(cpu, *row.decode(arg1, arg2, arg3))
        if isinstance(answer, GeneratorType):
            answer = yield from answer
        return answer if isinstance(answer, tuple) else (answer, None)

    @hook
    def may_call(self, row: Call, cpu: Cpu) -> bool | Refused:
        """Whether the caller is among those that a call is for."""
        if row.who is Caller.ALL:
            return True
        vm = running(cpu).vm
        primary = vm.id == HF_PRIMARY_VM_ID
        wanted = row.who is Caller.PRIMARY
        condition = "the caller is the primary" if wanted else "the caller is a secondary"
        return self.require(primary == wanted, condition, vm, row.refused, vm=vm.id)

    @hook
    def irq_lower(self, cpu: Cpu) -> Steps[Vcpu]:
        """A physical interrupt while a secondary runs: the primary must see to it."""
        return (yield from self.api_yield(cpu))

    def sync_lower_exception(self, cpu: Cpu, trap: Trap) -> Steps[Vcpu | None]:
        """Any other trap of a guest. An abort, and all it does not know, it reports, and gives up: see `abort`."""
        esr, pc = trap.esr, cpu.regs[PC]
        assert esr is not None
        ec = esr >> 26
        if ec == arch.EC_WFI_WFE:
            return (yield from self.wfe(cpu, esr) if esr & 1 else self.wfi(cpu, esr))
        if ec == arch.EC_SMC:
            yield from self.smc_handler(cpu)
            skip_instruction(cpu, esr)
            return None
        where = "far=invalid" if esr & ESR_FNV else f"far={trap.far:#x}, hpfar={trap.hpfar << 8:#x}"
        if ec == arch.EC_DATA_ABORT:
            self.dlog(f"Data abort: pc={pc:#x}, esr={esr:#x}, ec={ec:#x}, {where}\n")
            return (yield from self.abort(cpu, "a load or store outside its memory"))
        if ec == arch.EC_INSTRUCTION_ABORT:
            where += f", vttbr_el2={cpu.vttbr_el2:#x}"
            self.dlog(f"Instruction abort: pc={pc:#x}, esr={esr:#x}, ec={ec:#x}, {where}\n")
            return (yield from self.abort(cpu, "an instruction fetch outside its memory"))
        self.dlog(f"Unknown lower sync exception pc={pc:#x}, esr={esr:#x}, ec={ec:#x}\n")
        return (yield from self.abort(cpu, "an instruction that traps and that the hypervisor does not know"))

    @hook
    def wfi(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        """A secondary waits for an interrupt. The instruction is not skipped."""
        return (yield from self.api_wait_for_interrupt(cpu))

    @hook
    def wfe(self, cpu: Cpu, esr: int) -> Steps[Vcpu | None]:
        """A secondary waits for an event, which hardware alone traps. It goes back to the same instruction."""
        yield from ()
        return None

    def smc_handler(self, cpu: Cpu) -> Steps[None]:
        """Serve one SMC: PSCI for the primary; anything else is logged and refused with -1."""
        regs = cpu.regs
        ret: int | None = None
        if running(cpu).vm.id == HF_PRIMARY_VM_ID:
            ret = yield from self.psci_handler(cpu, *regs[:4])
        if ret is None:
            self.dlog(f"Unsupported SMC call: {regs[0]:#x}\n")
            ret = self.require(False, "the function is the primary's PSCI", running(cpu).vm, function=regs[0] & MASK32)
        cpu.refused = ret.check if isinstance(ret, Refused) else None
        regs[0] = ret

    @hook
    def abort(self, cpu: Cpu, what: str) -> Steps[Vcpu]:
        """End as upstream does: this version cannot stop one VM, so it spins and takes the CPU with it."""
        vcpu = running(cpu)
        raise HypervisorHang(
            f"VM {vcpu.vm.id} made {what}. This hypervisor cannot stop one VM alone: it reports the exception "
            f"and spins for ever, and physical CPU {cpu.id} is lost to everyone."
        )


def call_number(x0: int) -> int:
    """The hypercall that x0 asks for: 32 bits, without the bit that says SMC64. Example: 0x4000ff01 -> 0xff01."""
    return x0 & MASK32 & ~PSCI_CONVENTION_MASK


def skip_instruction(cpu: Cpu, esr: int) -> None:
    """Let the guest go on after the instruction that trapped; a trap that is not skipped happens again."""
    cpu.regs[PC] += 4 if esr & ESR_IL else 2
