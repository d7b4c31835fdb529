"""A physical CPU at work: it runs the guest it holds to the next trap, and serves the trap step by step."""

from collections import deque
from typing import TYPE_CHECKING

from hfedu.board.timer import Metronome
from hfedu.errors import Mistake
from hfedu.guest.budget import GUEST_STEP, LARGE_RAM, LARGE_STEP, StuckForever
from hfedu.guest.emulator import emulated_cpu
from hfedu.guest.scripted import Script, ScriptDone, ScriptedCpu
from hfedu.hf import arch
from hfedu.hf.api import running
from hfedu.hf.arch import PC
from hfedu.hf.cpu import Cpu, Vcpu
from hfedu.hf.handler import Trap
from hfedu.hf.platform import CpuDown, HypervisorHang
from hfedu.hf.psci import PsciCall
from hfedu.hf.spinlock import SpinLock, Step, Steps

if TYPE_CHECKING:
    from hfedu.guest.emulator import EmulatedCpu
    from hfedu.run.machine import Machine


class Core:
    """One physical CPU with the guests it executes.

    `step` is what the hypervisor has announced and not yet done, None while a guest runs. `is_hvc` says whether the
    last trap was a hypercall. `ended` is the exception after which this CPU will never go on. `turn` is its number in a
    schedule.
    """

    def __init__(self, machine: "Machine", cpu: Cpu, knob: Metronome | None) -> None:
        self.turn = cpu.id
        self.cpu, self.knob, self.board, self.hypervisor = cpu, knob, machine.board, machine.hypervisor
        self.budget, self.recorder, self.ramdisk = machine.budget, machine.recorder, machine.ramdisk
        self.scripted = ScriptedCpu(
            cpu, machine.board, machine.hypervisor, machine.budget, knob, machine.guests, machine.delays
        )
        self.kind: str = machine.made["cpu"]
        self.guest_step = LARGE_STEP if machine.board.memory.ram_size >= LARGE_RAM else GUEST_STEP
        self.emulated: EmulatedCpu | None = None
        self.steps: Steps[None] | None = None
        self.step: Step | None = None
        self.is_hvc = False
        self.ended: Exception | None = None

    @property
    def waits_for(self) -> SpinLock | None:
        """The lock that this CPU spins on."""
        lock: SpinLock | None = self.step.target if self.step is not None and self.step.kind == "acquire" else None
        return lock if lock is not None and lock.owner is not None else None

    @property
    def able(self) -> bool:
        """Whether this CPU can take a step."""
        powered = self.board.powered[self.cpu.id] and not self.scripted.meeting and not self.sleeps
        return powered and self.ended is None and self.waits_for is None

    @property
    def sleeps(self) -> bool:
        """Whether the primary's machine code waits in a WFI for an interrupt that has not come."""
        waiting = self.emulated is not None and self.emulated.waiting
        return waiting and not self.board.gic.signals[self.cpu.id].up

    def start(self) -> None:
        """Enter the hypervisor after power-on, and the primary from there."""
        if self.recorder is not None:
            self.recorder.start(self.cpu, self.hypervisor.vms[0].vcpus[self.cpu.id])
        self.hypervisor.cpu_main(self.cpu)
        if self.recorder is not None:
            self.recorder.close()

    def advance(self) -> None:
        """Take one atomic step: enter the primary, run the guest to its next trap, or do what was announced."""
        try:
            if self.cpu.current is None:
                self.start()
                return
            if self.steps is None:
                trap = self.run_guest(self.guest_step)
                if trap is None:
                    return
                self.steps = self.serve(trap)
            elif self.recorder is not None and self.step is not None:
                self.recorder.step(self.hypervisor, self.cpu, self.step)
            self.step = next(self.steps, None)
            if self.step is None:
                self.steps = None
                if self.recorder is not None:
                    self.recorder.end(self.cpu)
        except CpuDown:
            self.power_down()
        except (ScriptDone, StuckForever, HypervisorHang) as end:
            self.step, self.ended = None, end

    def trap(self) -> None:
        """Run the guest to its next trap and serve it whole: all there is to do on a machine of one CPU."""
        while (trap := self.run_guest()) is None:
            pass
        steps = self.serve(trap)
        if self.recorder is None:
            deque(steps, maxlen=0)
            return
        for step in steps:
            self.recorder.step(self.hypervisor, self.cpu, step)
        self.recorder.end(self.cpu)

    def serve(self, trap: Trap) -> Steps[None]:
        """Begin to serve a trap."""
        self.budget.trapped += 1
        if self.board.memory.monitors:
            self.board.memory.forget(self.cpu.id)
        self.is_hvc = trap.esr is not None and trap.esr >> 26 == arch.EC_HVC
        if self.recorder is not None:
            self.recorder.begin(self.cpu, trap)
        return self.hypervisor.handle(self.cpu, trap)

    def run_guest(self, limit: int | None = None) -> Trap | None:
        """Let the guest on this CPU go on to its next trap, or None if it is not that far yet."""
        script = self.script_of(running(self.cpu))
        return self.emulator().run(limit) if script is None else self.scripted.run(script, limit)

    def script_of(self, vcpu: Vcpu) -> Script | None:
        """The script that a vCPU runs, None if it runs machine code."""
        scripts = self.ramdisk.scripts.get(self.hypervisor.kernels[vcpu.vm.id]) if self.ramdisk.scripts else None
        if scripts is not None and vcpu.index >= len(scripts):
            raise Mistake(
                f"VM {vcpu.vm.id} has no script for vCPU {vcpu.index}: give a list of {vcpu.index + 1} scripts"
            )
        return scripts[vcpu.index] if scripts is not None else None

    def emulator(self) -> "EmulatedCpu":
        """What executes machine code, made when it is first needed."""
        if self.emulated is None:
            kind = emulated_cpu(self.kind)
            self.emulated = kind(self.cpu, self.board, self.hypervisor, self.budget, self.knob)
        return self.emulated

    def power_off(self) -> None:
        """Switch the machine off, as the last script of the primary does when it has ended."""
        self.cpu.regs[0] = PsciCall.SYSTEM_OFF
        self.cpu.regs[PC] += 4
        for _ in self.serve(Trap(arch.EC_HVC << 26 | arch.ESR_IL)):
            raise AssertionError("power-off takes no steps")

    def power_down(self) -> None:
        """Turn this CPU off until the firmware is asked to turn it on again."""
        self.steps = self.step = None
        self.board.powered[self.cpu.id] = False
        self.cpu.current = None
        if self.emulated is not None:
            self.emulated.loaded, self.emulated.paused, self.emulated.waiting = None, False, False
        if self.recorder is not None:
            self.recorder.finish(self.cpu)


class StoreBuffer(Core):
    """The store buffer of a physical CPU, which takes steps of its own: each lets the oldest store out to memory."""

    def __init__(self, core: Core, turn: int) -> None:
        self.cpu, self.scripted, self.turn = core.cpu, core.scripted, turn
        self.steps, self.step, self.ended = None, Step("drain", core.cpu), None

    @property
    def able(self) -> bool:
        """Whether a store waits in the buffer."""
        return self.scripted.buffered is not None

    def advance(self) -> None:
        """Let the oldest store out."""
        guest = self.scripted.buffered
        if guest is not None:
            guest.drain(1)
