"""Hostile guests beside a victim: a fuzzer of the isolation between virtual machines.

    python tests/isolation.py --seeds 1000 --first 0

prints one line per finding and exits with 1 if there is one. A seed is one run on the emulated CPU: a victim and a
hostile guest as two secondaries under a primary that schedules them, or the hostile guest as the primary itself.
What is checked, at every trap and at the end:

* A guest that ran changed nothing outside its own memory, and holds none of the secrets that lie everywhere else.
* The hypervisor that served the trap changed nothing but the receive page of a message that was sent, by exactly
  that message, and its own stage-1 tables in a configure.
* The victim's whole memory is what it computes alone.
* The run ends with a named outcome and a sentence, never with an exception and never with the process.

This hypervisor spins for ever when a guest faults. So that one seed tries more than one fault, most seeds let the
hostile guest go on where the real machine would end: behind a load or store, else from its beginning.
"""

import argparse
import ctypes
import faulthandler
import os
import random
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import hostile
import victim

from hfedu import RamDisk, Secondary
from hfedu.board.memory import RAM_BASE
from hfedu.hf import arch, call
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.hf.api import running
from hfedu.hf.arch import PC
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.handler import Trap, call_number
from hfedu.hf.mm import ADDRESS_MASK, ENTRIES, MAX_LEVEL_STAGE1, arch_mm_pte_is_table
from hfedu.hf.platform import (
    HEAP_BEGIN,
    HEAP_PAGES,
    LAYOUT_BIN_END,
    LAYOUT_PRIMARY_BEGIN,
    LAYOUT_TEXT_BEGIN,
    HypervisorHang,
)
from hfedu.hf.spinlock import Steps
from hfedu.hf.vm import MailboxState
from hfedu.run.machine import Machine

RAM_SIZE = 0x53_0000
RAM_END = RAM_BASE + RAM_SIZE
ROOM = victim.ROOM
VICTIM, HOSTILE = RAM_END - ROOM, RAM_END - 2 * ROOM
SPARE = range(RAM_BASE + 0x10_0000, RAM_BASE + 0x11_0000)
"""RAM of the primary that nobody uses."""
HEAP_END = HEAP_BEGIN + HEAP_PAGES * PAGE_SIZE
ROUNDS = 20
memcmp = ctypes.CDLL(None).memcmp
memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
OUTCOMES = {"power off", "reset", "budget", "stuck", "hang", "panic"}
FAULTS = {arch.EC_DATA_ABORT, arch.EC_INSTRUCTION_ABORT, arch.EC_SYSREG}
RESTARTS = 20
QUIET_SECONDS = 90
"""A seed that takes longer hangs."""

Prepare = Callable[[Machine], None]
"""Something done to a machine before it runs: how a test breaks the isolation."""


class Finding(Exception):
    """The isolation does not hold; the text says where."""


class Case(NamedTuple):
    """What a seed stands for: is the hostile guest the primary, and does it go on where the machine would hang?"""

    seed: int
    is_primary: bool
    restart: bool

    @classmethod
    def of(cls, seed: int) -> "Case":
        return cls(seed, seed % 4 == 3, seed % 8 < 6)

    def machine(self) -> Machine:
        """The machine, switched off."""
        rng = random.Random(self.seed)
        own = LAYOUT_PRIMARY_BEGIN if self.is_primary else HOSTILE
        layout = hostile.Layout(own, VICTIM, SPARE[0] if self.is_primary else LAYOUT_PRIMARY_BEGIN, (RAM_BASE, RAM_END))
        attacker = hostile.Hostile(rng, layout, self.is_primary).image()
        secondaries = [Secondary(victim.victim(VICTIM), ROOM, name="victim")]
        if self.is_primary:
            primary = attacker
        else:
            primary = victim.scheduler(LAYOUT_PRIMARY_BEGIN, ROUNDS)
            secondaries.append(Secondary(attacker, ROOM, name="hostile"))
        limits = {"max_instructions": 60_000, "max_traps": 400, "max_seconds": 30}
        return Machine(RamDisk(primary, secondaries), memory=RAM_SIZE, record=False, **limits)


class Guard:
    """Watches one machine: what RAM held at the last trap, and what the victim's memory must hold."""

    def __init__(self, case: Case, machine: Machine) -> None:
        self.case = case
        self.machine, self.hypervisor, self.ram = machine, machine.hypervisor, machine.board.memory.ram
        self.restarts = 0
        self.hostile_id = 0 if case.is_primary else 2
        self.model = victim.VictimModel(VICTIM)
        self.plant_secrets()
        self.seen = bytearray(self.ram)
        self.ram_address, self.seen_address = (
            ctypes.addressof(ctypes.c_char.from_buffer(b)) for b in (self.ram, self.seen)
        )
        self.handle = machine.hypervisor.handle
        machine.hypervisor.handle = self.watched  # type: ignore[method-assign]

    def plant_secrets(self) -> None:
        """Fill with secrets what the hostile guest may not read and nobody uses."""
        places = [(LAYOUT_TEXT_BEGIN, HEAP_BEGIN), (HEAP_END, LAYOUT_BIN_END)]
        if self.case.is_primary:  # it may read the RAM disk, and there lies the victim's image
            self.ram[RAM_SIZE // 2 : self.machine.board.fdt_begin - RAM_BASE] = bytes(
                self.machine.board.fdt_begin - RAM_BASE - RAM_SIZE // 2
            )
        else:
            places.append((SPARE[0], SPARE[-1] + 1))
        for begin, end in places:
            self.ram[begin - RAM_BASE : end - RAM_BASE] = victim.secrets(begin, end - begin)

    def own(self, vm_id: int) -> list[tuple[int, int]]:
        """The RAM that belongs to a VM, worked out from how the machine was built, not from its page tables."""
        if vm_id == 0:
            return [(RAM_BASE, LAYOUT_TEXT_BEGIN), (LAYOUT_BIN_END, VICTIM if self.case.is_primary else HOSTILE)]
        return [(VICTIM, RAM_END)] if vm_id == 1 else [(HOSTILE, VICTIM)]

    def watched(self, cpu: Cpu, trap: Trap) -> Steps[None]:
        """The hypervisor's handler, with checks before and after."""
        caller = running(cpu)
        self.guest_ran(caller)
        if caller.vm.id == self.hostile_id:
            cpu.read_system_registers()
            if victim.TAG in cpu.regs.tobytes():
                raise Finding(f"VM {self.hostile_id} holds a secret in a register")
        before = [(vm.mailbox.state, vm.mailbox.send) for vm in self.hypervisor.vms]
        registers = tuple(cpu.regs[:4])
        try:
            yield from self.handle(cpu, trap)
        except HypervisorHang:
            fault = None if trap.esr is None else trap.esr >> 26
            if not self.case.restart or caller.vm.id != self.hostile_id or fault not in FAULTS:
                self.hypervisor_served(caller.vm.id, registers, before)
                raise
            if fault == arch.EC_INSTRUCTION_ABORT:
                yield from self.restart(cpu, caller)
            else:
                cpu.regs[PC] += 4
        if self.case.restart and caller.vm.id == self.hostile_id and caller.state is VcpuState.BLOCKED_INTERRUPT:
            self.begin_anew(caller)
        self.hypervisor_served(caller.vm.id, registers, before)

    def restart(self, cpu: Cpu, vcpu: Vcpu) -> Steps[None]:
        """Let another VM go on, and the hostile guest begin anew when it is its turn."""
        hypervisor = self.hypervisor
        if self.case.is_primary:
            waiting = hypervisor.vms[1].vcpus[0]
            waiting.state, hypervisor.vms[1].mailbox.recv_waiter = VcpuState.READY, None
            _, other = yield from hypervisor.api_vcpu_run(cpu, 1, 0)
            assert other is waiting
        else:
            other = yield from hypervisor.api_yield(cpu)
        yield from hypervisor.switch(cpu, other)
        self.begin_anew(vcpu)

    def begin_anew(self, vcpu: Vcpu) -> None:
        """Make the hostile guest start at its beginning when it is its turn."""
        vcpu.vm.mailbox.recv_waiter = None
        vcpu.regs[:] = arch.ArchRegs()
        vcpu.on(LAYOUT_PRIMARY_BEGIN if self.case.is_primary else HOSTILE, 0)

    def goes_on(self) -> bool:
        """Whether the run is not over after all: a hostile guest that got stuck is restarted too."""
        machine, vcpu = self.machine, running(self.machine.cpu)
        assert machine.outcome is not None
        if machine.outcome.kind != "stuck" or vcpu.vm.id != self.hostile_id or not self.case.restart:
            return False
        if "AArch32" in machine.outcome.sentence or self.restarts == RESTARTS:
            return False
        self.restarts += 1
        machine.outcome = None
        self.guest_ran(vcpu)
        deque(self.restart(machine.cpu, vcpu), maxlen=0)
        return True

    def guest_ran(self, vcpu: Vcpu) -> None:
        """The guest has run: only its own memory may differ, and that without secrets of others."""
        vm_id, at = vcpu.vm.id, RAM_BASE
        for begin, end in [*self.own(vm_id), (RAM_END, RAM_END)]:
            self.compare(at, begin, f"VM {vm_id} ran")
            at = end
        for begin, end in self.own(vm_id):
            for at, stop in self.changed(begin, end):
                if (
                    vm_id == self.hostile_id
                    and (found := self.ram.find(victim.TAG, at - RAM_BASE, stop - RAM_BASE)) >= 0
                ):
                    raise Finding(f"VM {vm_id} holds a secret at {RAM_BASE + found:#x}")
                self.accept(at, stop)
        if vm_id == 1:
            self.compare_victim()

    def changed(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of [begin, end), 64 KiB at most, where RAM is not as it was."""
        for at in range(begin, end, ROOM):
            offset, size = at - RAM_BASE, min(ROOM, end - at)
            if memcmp(self.ram_address + offset, self.seen_address + offset, size):
                yield at, at + size

    def compare(self, begin: int, end: int, when: str) -> None:
        """`Finding` if [begin, end) is not as it was."""
        for at, stop in self.changed(begin, end):
            old, new = self.seen[at - RAM_BASE : stop - RAM_BASE], self.ram[at - RAM_BASE : stop - RAM_BASE]
            first = next(i for i in range(len(old)) if old[i] != new[i])
            was, now = (part[first : first + 8].hex() for part in (old, new))
            raise Finding(f"{when}, and {at + first:#x} changed from {was} to {now}")

    def accept(self, begin: int, end: int) -> None:
        """From now on [begin, end) is as it should be."""
        self.seen[begin - RAM_BASE : end - RAM_BASE] = self.ram[begin - RAM_BASE : end - RAM_BASE]

    def compare_victim(self) -> None:
        """`Finding` if the victim's memory is not what it is without the hostile guest."""
        held, model = self.ram[VICTIM - RAM_BASE :], self.model
        if int.from_bytes(held[victim.STATE :][:8], "little") == model.rounds + 1:
            model.round()
        if held != model.memory:
            at = next(i for i in range(ROOM) if held[i] != model.memory[i]) & -8
            wrong = int.from_bytes(held[victim.STATE + 16 :][:8], "little")
            raise Finding(
                f"after round {model.rounds} the victim's {VICTIM + at:#x} holds {held[at : at + 8].hex()}, alone it "
                f"holds {model.memory[at : at + 8].hex()}" + (f"; its check {wrong} failed" if wrong else "")
            )

    def hypervisor_served(
        self, caller: int, registers: tuple[int, ...], before: list[tuple[MailboxState, int]]
    ) -> None:
        """A trap was served: only a message and stage 1 may have been written."""
        function, vm_id, size = call_number(registers[0]), registers[1] & call.MASK32, registers[2]
        for vm in self.hypervisor.vms:
            if before[vm.id][0] is MailboxState.EMPTY and vm.mailbox.state is not MailboxState.EMPTY:
                if vm.id != vm_id or function != call.HF_MAILBOX_SEND:
                    raise Finding(f"VM {vm.id} has a message that nobody sent")
                at, source = vm.mailbox.recv - RAM_BASE, self.machine.board.memory.read(before[caller][1], size)
                if 0 <= at < RAM_SIZE:
                    self.seen[at : at + size] = source
                if vm.id == 1:
                    self.model.memory[victim.RECV : victim.RECV + size] = source
        for begin, end in list(self.changed(RAM_BASE, RAM_END)):
            tables = set(self.stage_1_tables()) if function == call.HF_VM_CONFIGURE else set()
            for page in range(begin, end, PAGE_SIZE):
                if page not in tables or not HEAP_BEGIN <= page < HEAP_END:
                    self.compare(page, page + PAGE_SIZE, "the hypervisor served a trap")
            self.accept(begin, end)

    def stage_1_tables(self) -> Iterator[int]:
        """The tables of the hypervisor's own stage 1."""
        hypervisor = self.hypervisor
        assert hypervisor.ptable is not None
        waiting = [(hypervisor.ptable.root, MAX_LEVEL_STAGE1)]
        while waiting:
            table, level = waiting.pop()
            yield table
            entries = (hypervisor.memory.read64(Pa(table + 8 * i)) for i in range(ENTRIES))
            waiting += [(Pa(pte & ADDRESS_MASK), level - 1) for pte in entries if arch_mm_pte_is_table(pte, level)]

    def at_the_end(self) -> str:
        """How the run ended, in a word. A well-behaved guest does not end it, except that the primary powers off."""
        outcome, last = self.machine.outcome, running(self.machine.cpu)
        assert outcome is not None
        if outcome.kind not in OUTCOMES or not outcome.sentence.endswith("."):
            raise Finding(f"the outcome is {outcome!r}")
        culprit = outcome.kind == "stuck" or " made a" in outcome.sentence
        if last.vm.id != self.hostile_id and culprit:
            raise Finding(f"a well-behaved guest ended the run: {outcome.sentence}")
        if last.vm.id != 1:  # the victim may have been stopped in the middle of a round
            self.guest_ran(last)
        return outcome.kind


def run(seed: int, prepare: Prepare | None = None) -> tuple[str, str | None]:
    """One seed: how the run ended, and what was found, if anything."""
    case = Case.of(seed)
    kind = "finding"
    try:
        machine = case.machine()
        machine.boot()
        if prepare is not None:
            prepare(machine)
        guard = Guard(case, machine)
        while machine.step() or guard.goes_on():
            pass
        kind = guard.at_the_end()
    except Finding as finding:
        return kind, str(finding)
    except Exception:
        return kind, "exception: " + " | ".join(traceback.format_exc().splitlines()[-3:])
    return kind, None


def batch(first: int, count: int) -> Iterator[tuple[int, str, str | None]]:
    """Seeds in processes of their own: (seed, how it ended, finding). A process that dies is a finding of its seed."""
    seed, end = first, first + count
    while seed < end:
        root = Path(__file__).parent.parent
        command = [sys.executable, __file__, "--worker", "--first", str(seed), "--seeds", str(end - seed)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(root)}
        ) as worker:
            assert worker.stdout is not None
            for line in worker.stdout:
                number, kind, finding = line.rstrip("\n").split("\t")
                yield int(number), kind, finding or None
                seed = int(number) + 1
        if seed < end:
            yield seed, "killed", f"the process died with status {worker.returncode}"
            seed += 1


def main() -> int:
    """Run seeds and print what was found."""
    parser = argparse.ArgumentParser(description="Run hostile guests beside a victim.")
    parser.add_argument("--seeds", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            faulthandler.dump_traceback_later(QUIET_SECONDS, exit=True)
            kind, finding = run(seed)
            print(seed, kind, finding or "", sep="\t", flush=True)
        return 0
    found, ends = 0, dict[str, int]()
    for seed, kind, finding in batch(arguments.first, arguments.seeds):
        ends[kind] = ends.get(kind, 0) + 1
        if finding:
            found += 1
            print(f"seed {seed}: {finding}", flush=True)
    summary = ", ".join(f"{count} {kind}" for kind, count in sorted(ends.items()))
    print(f"{arguments.seeds} seeds, {found} findings; runs ended with: {summary}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
