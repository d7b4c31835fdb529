"""The machine: a board, a hypervisor, and guests, run to the end or trap by trap."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from hfedu.board.board import Board
from hfedu.errors import Mistake
from hfedu.guest.budget import Budget, OutOfBudget, StuckForever
from hfedu.guest.scripted import Script, ScriptedCpu
from hfedu.hf.cpu import Cpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.load import BootParams
from hfedu.hf.platform import CpuDown, HypervisorHang, HypervisorPanic, PowerDown
from hfedu.history import hypervisor_type
from hfedu.run.ramdisk import RamDisk, parse_size
from hfedu.run.trace import Kind, Lifeline, Outcome, Recorder, Recording, Stage2

if TYPE_CHECKING:
    from hfedu.guest.unicorn_cpu import UnicornCpu


def printable(text: str) -> str:
    """A text that every picture and page can show."""
    return "".join(character if character.isprintable() else "?" for character in text)


class _LoadedHypervisor(Hypervisor):
    """The hypervisor, with a note of which kernel each VM runs."""

    def __init__(self, board: Board) -> None:
        self.kernels: dict[int, str] = {}
        self.on_log: Callable[[str], None] | None = None
        super().__init__(board)

    def load_one_secondary(
        self, cpio: tuple[int, int], available: list[tuple[int, int]], mem: int, vcpus: int, name: bytes
    ) -> bool:
        self.kernels[len(self.vms)] = name.decode("latin-1")
        return super().load_one_secondary(cpio, available, mem, vcpus, name)

    def load_secondary(self, cpio: tuple[int, int], params: BootParams) -> list[tuple[int, int]] | None:
        self.kernels[0] = "vmlinuz"
        return super().load_secondary(cpio, params)

    def dlog(self, text: str) -> None:
        super().dlog(text)
        if self.on_log is not None:
            self.on_log(text)


class Machine:
    """A machine with one RAM disk, switched off until `boot` or `run`.

    `ramdisk` is a `RamDisk`, the archive's bytes, or its path. `memory` is RAM in bytes or text such as "16M",
    `append` the boot arguments. Limits (None for none): `max_seconds`, `max_instructions` of all guests together,
    `max_traps`. `profile` and `fixes` choose the hypervisor: see `hfedu.history`. Without `record` no events are kept.
    `Mistake` with a sentence if it cannot be switched on.
    """

    recording_type: type[Recording] = Recording

    def __init__(
        self,
        ramdisk: RamDisk | bytes | str | os.PathLike[str],
        append: str = "",
        memory: int | str = "16M",
        *,
        max_seconds: float | None = None,
        max_instructions: int | None = None,
        max_traps: int | None = None,
        profile: str = "2018-10-04",
        fixes: Iterable[str] = (),
        record: bool = True,
        title: str | None = None,
    ) -> None:
        if isinstance(ramdisk, bytes):
            ramdisk = RamDisk.from_bytes(ramdisk)
        elif not isinstance(ramdisk, RamDisk):
            title = title or os.path.basename(os.fspath(ramdisk))
            ramdisk = RamDisk.from_file(ramdisk)
        if not isinstance(append, str):
            raise Mistake(f"the boot arguments must be a text, not {append!r}")
        limits: dict[str, tuple[Any, Any]] = {
            "max_seconds": (max_seconds, int | float),
            "max_instructions": (max_instructions, int),
            "max_traps": (max_traps, int),
        }
        for name, (limit, kind) in limits.items():
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, kind) or not limit > 0):
                raise Mistake(f"{name} must be a number above 0, not {limit!r}")
        self.ramdisk = ramdisk
        self.title = printable(title or "RAM disk")
        self.budget = Budget(max_instructions, max_seconds, max_traps)
        self.board = Board(ramdisk.image, append, parse_size(memory))
        self.hypervisor: _LoadedHypervisor = hypervisor_type(_LoadedHypervisor, profile, fixes)(self.board)
        self.recorder: Recorder | None = None
        self.outcome: Outcome | None = None
        self.booted = False
        if record:
            self.recorder = Recorder(lambda: self.board.memory.uart.printed, self.hypervisor.vm_type)
            self.hypervisor.vm_type = self.recorder.vm_type
            self.hypervisor.cpus = [self.recorder.cpu_type(cpu.id) for cpu in self.hypervisor.cpus]
            self.hypervisor.on_log = self._log
        self.cpu: Cpu = self.hypervisor.cpus[0]
        self.scripted = ScriptedCpu(self.cpu, self.board.memory, self.hypervisor, self.budget)
        self.unicorn: UnicornCpu | None = None

    @property
    def uart(self) -> bytes:
        """The serial line so far, CR removed."""
        return bytes(self.board.memory.uart.output).replace(b"\r", b"")

    def boot(self) -> None:
        """Switch on: the hypervisor starts, loads the VMs and is about to enter the primary."""
        self.booted = True
        self.budget.start()
        with self._outcome():
            self.hypervisor.one_time_init()
            self._record_boot()
            self.hypervisor.cpu_main(self.cpu)
            self.board.memory.dirty.clear()  # nothing has run yet
            if self.recorder is not None:
                self.recorder.flush()

    def step(self) -> bool:
        """Run the guest until it traps, and serve the trap. False when the run is over."""
        if not self.booted:
            self.boot()
        if self.outcome is None:
            with self._outcome():
                self._trap()
        return self.outcome is None

    def run(self) -> Recording:
        """Run to the end. `KeyboardInterrupt` stops it between two instructions; `run` again goes on."""
        if not self.booted:
            self.boot()
        with self._stop_button():
            while self.outcome is None:
                with self._outcome():
                    while True:
                        self._trap()
        return self.recording()

    def recording(self) -> Recording:
        """What has happened so far."""
        outcome = self.outcome or Outcome("running", "The run is not over.", 3)
        events = tuple(self.recorder.events) if self.recorder is not None else ()
        return self.recording_type(events, self.uart.decode("latin-1"), outcome, self._lifelines(), self.title)

    def _trap(self) -> None:
        """One guest's way to its next trap, and the hypervisor's answer."""
        assert self.cpu.current is not None
        script = self._script(self.cpu.current.vm.id)
        if script is not None:
            trap = self.scripted.run(script)
        else:
            if self.unicorn is None:
                from hfedu.guest.unicorn_cpu import UnicornCpu

                self.unicorn = UnicornCpu(self.cpu, self.board.memory, self.hypervisor, self.budget)
            trap = self.unicorn.run()
        self.budget.trapped += 1
        if self.recorder is not None:
            self.recorder.serve(self.hypervisor, self.cpu, trap)
        else:
            deque(self.hypervisor.handle(self.cpu, trap), maxlen=0)

    def _script(self, vm_id: int) -> Script | None:
        return self.ramdisk.scripts.get(self.hypervisor.kernels[vm_id]) if self.ramdisk.scripts else None

    @contextmanager
    def _outcome(self) -> Iterator[None]:
        """Turn what ends a run into its outcome."""
        try:
            yield
        except PowerDown as down:
            verb = "powered the machine off" if down.reason == "off" else "reset the machine"
            self._end(f"power {down.reason}" if down.reason == "off" else "reset", f"The primary {verb}.", 0)
        except CpuDown:
            self._end("stuck", "The primary turned off the only physical CPU, so nothing can run any more.", 3)
        except StuckForever as stuck:
            self._end("stuck", str(stuck), 3)
        except OutOfBudget as out:
            self._end("budget", str(out), 3)
        except HypervisorPanic as panic:
            self._end("panic", str(panic), 4)
        except HypervisorHang as hang:
            self._end("hang", str(hang), 4)

    def _end(self, kind: str, sentence: str, status: int) -> None:
        self.outcome = Outcome(kind, sentence, status)
        if self.recorder is not None:
            self.recorder.flush()
            last = self.recorder.count - 1
            self.recorder.note(Kind.END, "hypervisor", last if last >= 0 else None, text=sentence)

    def _log(self, text: str) -> None:
        """A line of the hypervisor while guests run belongs to the event that is open."""
        if self.recorder is not None and self.recorder.current is not None:
            self.recorder.current.text += text

    def _record_boot(self) -> None:
        if self.recorder is None:
            return
        recorder = self.recorder
        recorder.note(Kind.BOOT, "hypervisor", text="the hypervisor started and loaded the VMs")
        for vm in self.hypervisor.vms:
            event = recorder.open(
                Kind.LOAD, "hypervisor", 0, target=vm.name, text=printable(self.hypervisor.kernels[vm.id])
            )
            changed = recorder.changed
            changed(f"{vm.name}.stage2", None, Stage2(vm.ptable.root, self.hypervisor.mm_tables(vm.ptable)))
            changed(f"{vm.name}.mailbox.state", None, vm.mailbox.state.name)
            for vcpu in vm.vcpus:
                changed(f"{vcpu.name}.state", None, vcpu.state.name)
                event.registers += recorder.delta(vcpu, vcpu.regs)
            recorder.flush()
        recorder.open(Kind.SWITCH, "hypervisor", 0, target="vm0.vcpu0", result=self.hypervisor.vms[0].vcpus[0].regs[0])
        recorder.switched_in_by[self.cpu.name] = recorder.count - 1

    def _lifelines(self) -> tuple[Lifeline, ...]:
        return tuple(
            Lifeline(vcpu.name, vm.id, vcpu.index, printable(self.hypervisor.kernels.get(vm.id, "")))
            for vm in self.hypervisor.vms
            for vcpu in vm.vcpus
        )

    @contextmanager
    def _stop_button(self) -> Iterator[None]:
        """While guests run, hold an interrupt back until the emulator has returned: raised inside it, it is lost."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.getsignal(signal.SIGINT)
        if not callable(previous):
            yield
            return

        def on_interrupt(number: int, frame: FrameType | None) -> None:
            if self.unicorn is not None and self.unicorn.emulating:
                self.unicorn.interrupt = lambda: previous(number, frame)
            else:
                previous(number, frame)

        signal.signal(signal.SIGINT, on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)
