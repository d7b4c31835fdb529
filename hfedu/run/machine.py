"""The machine: a board, a hypervisor, and guests, run to the end or trap by trap."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hfedu.board.board import Board
from hfedu.board.clock import CLOCKS
from hfedu.board.serial_input import Prepared, Stream
from hfedu.board.timer import Metronome
from hfedu.errors import Mistake, counted, plainly, printable
from hfedu.guest.budget import NO_INTERRUPT, Budget, OutOfBudget, OutOfTime, StuckForever
from hfedu.guest.emulator import check_cpu_kind
from hfedu.guest.scripted import ScriptDone, ScriptedVcpu
from hfedu.hf.addr import Pa
from hfedu.hf.arch import HCR_IMO, PSTATE_I, SPSR
from hfedu.hf.check import Check
from hfedu.hf.cpu import Cpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.load import BootParams
from hfedu.hf.mm import Ptable
from hfedu.hf.platform import HEAP_PAGES, MAX_HEAP_PAGES, CpuDown, HypervisorHang, HypervisorPanic, PowerDown
from hfedu.hf.spinlock import SelfDeadlock
from hfedu.history import hypervisor_type, known_changes, known_fixes
from hfedu.run.core import Core, StoreBuffer
from hfedu.run.kinds import Kind
from hfedu.run.ramdisk import RamDisk, parse_size
from hfedu.run.recorder import OwnFields, Recorder, actor_of, attributes
from hfedu.run.recording import Actor, Cause, Lifeline, Outcome, Recording, Spins, Stage2
from hfedu.run.schedule import DEFAULT, Schedule, chooser
from hfedu.run.stop import StopButton

ALL_OFF = "The primary turned off the only physical CPU, so nothing can run any more."


class Deadlock(Exception):
    """Every physical CPU that could go on waits for a lock: `spins` says who waits for what, and the text does."""

    def __init__(self, spins: tuple[Spins, ...]) -> None:
        holds = (f"CPU {each.cpu} waits for {each.lock}, which CPU {each.holder} holds" for each in spins)
        super().__init__(f"Deadlock: {', and '.join(holds)}. They spin for ever.")
        self.spins = spins


ENDS: dict[type[Exception], tuple[str, int]] = {
    Deadlock: ("deadlock", 4), StuckForever: ("stuck", 3), OutOfBudget: ("budget", 3),
    HypervisorPanic: ("panic", 4), HypervisorHang: ("hang", 4),
}  # fmt: skip
"""What else ends a run: kind and exit status of the outcome."""


class _LoadedHypervisor(Hypervisor):
    """The hypervisor, with a note of which kernel each VM runs."""

    def __init__(self, board: Board) -> None:
        self.kernels: dict[int, str] = {}
        self.on_log: Callable[[str], None] | None = None
        super().__init__(board)

    def load_one_secondary(
        self, cpio: tuple[int, int], available: list[tuple[int, int]], mem: int, vcpus: int, name: bytes
    ) -> None:
        self.kernels[len(self.vms)] = name.decode("latin-1")
        super().load_one_secondary(cpio, available, mem, vcpus, name)

    def load_secondary(self, cpio: tuple[int, int], params: BootParams) -> list[tuple[int, int]]:
        self.kernels[0] = "vmlinuz"
        return super().load_secondary(cpio, params)

    def dlog(self, text: str) -> None:
        super().dlog(text)
        if self.on_log is not None:
            self.on_log(text)


def known_fields(hypervisor: type[_LoadedHypervisor], board: Board) -> dict[str, frozenset[str]]:
    """The fields of a hypervisor and of its VMs, mailboxes and vCPUs, by the kind of object."""
    vm = hypervisor.vm_type(0, 1, Ptable(Pa(0), 0))
    samples = {"vm": vm, "mailbox": vm.mailbox, "vcpu": vm.vcpus[0], "hypervisor": hypervisor(board)}
    found = {kind: frozenset(attributes(sample)) for kind, sample in samples.items()}
    return found | {"hypervisor": found["hypervisor"] | {"vm_type", "on_check"}}


def spins_of(end: BaseException) -> tuple[Spins, ...]:
    """Which physical CPUs wait for locks for ever, for an exception that ends a run."""
    if isinstance(end, SelfDeadlock):
        return (Spins(end.cpu, end.lock, end.cpu),)
    return end.spins if isinstance(end, Deadlock) else ()


def archive_of(ramdisk: Any) -> tuple[RamDisk, str]:
    """A RAM disk, which may be given as the archive's bytes or its path, and its name. `Mistake` if it is none."""
    if isinstance(ramdisk, RamDisk):
        return ramdisk, "RAM disk"
    if isinstance(ramdisk, bytes):
        return RamDisk.from_bytes(ramdisk), "RAM disk"
    if not isinstance(ramdisk, str | os.PathLike):
        raise Mistake(f"a machine boots a RamDisk, the bytes of an archive or its path, not {ramdisk!r}")
    return RamDisk.from_file(ramdisk), os.path.basename(os.fspath(ramdisk))


def check_texts(append: Any, title: Any) -> None:
    """`Mistake` if the boot arguments or the title of a machine are no texts."""
    if not isinstance(append, str):
        raise Mistake(f"the boot arguments must be a text, not {append!r}")
    if any("\ud800" <= each < "\udc80" or "\udcff" < each <= "\udfff" for each in append):
        raise Mistake(f"the boot arguments hold something that is no character: {append!r}")
    if title is not None and not isinstance(title, str):
        raise Mistake(f"the title must be a text, not {title!r}")


def check_limits(limits: dict[str, Any], allowed: Any) -> None:
    """`Mistake` if one of these limits is neither None nor a number above 0 of an allowed type."""
    for name, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, allowed) or not limit > 0):
            raise Mistake(f"{name} must be a number above 0, not {limit!r}")


def check_input(clock: Any, stdin: Any) -> None:
    """`Mistake` if these are not a kind of clock, and what can come in on the serial line."""
    if not isinstance(clock, str) or clock not in CLOCKS:
        raise Mistake(f"the clock is {' or '.join(map(repr, CLOCKS))}, not {clock!r}")
    if not isinstance(stdin, bytes | str | Stream):
        raise Mistake(f"what comes in on the serial line must be bytes or a text, not {stdin!r}")
    if isinstance(stdin, str):
        try:
            stdin.encode(errors="surrogateescape")
        except UnicodeEncodeError as error:
            raise Mistake(f"the text for the serial line has what is no character: {stdin[error.start]!r}") from None


def is_delayed(memory_model: Any) -> bool:
    """Whether stores are delayed under a memory model. `Mistake` if it is none."""
    if memory_model not in ("sc", "tso"):
        raise Mistake(
            f'memory_model is "sc", sequentially consistent, or "tso", total store order, not {memory_model!r}'
        )
    return bool(memory_model == "tso")


def check_pool(pages: Any) -> None:
    """`Mistake` if the hypervisor's pool cannot have so many pages."""
    if isinstance(pages, bool) or not isinstance(pages, int) or not 1 <= pages <= MAX_HEAP_PAGES:
        raise Mistake(
            f"heap_pages must be a whole number from 1 to {MAX_HEAP_PAGES}, not {pages!r}: the hypervisor's pool for "
            "page tables ends at most where the primary's kernel begins"
        )


@plainly
class Machine:
    """A machine with one RAM disk, switched off until `boot` or `run`.

    `ramdisk` is a `RamDisk`, the archive's bytes, or its path. `memory` is RAM in bytes or text such as "16M",
    `append` the boot arguments. `cpus` is the number of physical CPUs: the primary starts all but the first by PSCI.
    `schedule` says whose atomic step comes next: a seed, "every K", or a list of CPU numbers, one for each step.
    `timer` interrupts each CPU again and again after so many instructions, for guests that know no devices. `clock`
    drives counter and timers: "instructions", one a tick, or "host", the time of this computer. `stdin` are the bytes
    or the text that come in on the serial line. `cpu` executes machine code: "unicorn", or "python", which is slower,
    needs nothing but Python, and takes Unicorn's place where that is not installed. `heap_pages` is the hypervisor's
    pool for page tables: the real one's is enough for about five VMs, 109 are for fifteen. `profile` and `fixes`, the
    ids of repairs, choose the hypervisor: see `hfedu.history`; `changes` are classes of your own that build on
    `Hypervisor`, the first on top. `memory_model` is that of scripts: "sc", sequentially consistent, or "tso",
    total store order: there each CPU's stores wait in a buffer, and `cpus` + n in a schedule is CPU n's buffer, which
    lets its oldest store out.
    Limits (None for none): `max_seconds`, `max_instructions` of all guests together, `max_traps`.
    Without `record` no events are kept. `Mistake` with a sentence if it cannot be switched on.
    """

    recording_type: type[Recording] = Recording
    core_type: type[Core] = Core

    def __init__(
        self,
        ramdisk: RamDisk | bytes | str | os.PathLike[str],
        append: str = "",
        memory: int | str = "16M",
        *,
        cpus: int = 1,
        schedule: Schedule = DEFAULT,
        timer: int | None = None,
        clock: str = "instructions",
        stdin: bytes | str | Stream = b"",
        cpu: str = "unicorn",
        heap_pages: int = HEAP_PAGES,
        max_seconds: float | None = None,
        max_instructions: int | None = None,
        max_traps: int | None = None,
        profile: str = "2018-10-04",
        fixes: Iterable[str] = (),
        changes: Iterable[type[Hypervisor]] = (),
        memory_model: str = "sc",
        record: bool = True,
        title: str | None = None,
    ) -> None:
        archive, name = archive_of(ramdisk)
        check_texts(append, title)
        check_limits({"max_instructions": max_instructions, "max_traps": max_traps, "timer": timer}, int)
        check_cpu_kind(cpu)
        check_limits({"max_seconds": max_seconds}, int | float)
        check_input(clock, stdin)
        check_pool(heap_pages)
        self.delays = is_delayed(memory_model)
        self.ramdisk = archive
        self.title = printable(title or name)
        fixes, changes = known_fixes(fixes), known_changes(changes)
        self.made: dict[str, Any] = {
            "ramdisk": archive, "append": append, "memory": memory, "cpus": cpus, "schedule": schedule, "timer": timer,
            "clock": clock, "stdin": stdin.encode(errors="surrogateescape") if isinstance(stdin, str) else stdin,
            "heap_pages": heap_pages,
            "max_seconds": max_seconds, "max_instructions": max_instructions, "max_traps": max_traps,
            "profile": profile, "fixes": fixes, "changes": changes, "title": self.title, "cpu": cpu,
            "memory_model": memory_model,
        }  # fmt: skip
        self.record = record
        self.budget = Budget(max_instructions, max_seconds, max_traps)
        self.choose = chooser(schedule, 1 + self.delays)
        self.taken: list[int] = []
        self.stepped = False
        self._assemble()
        self.button = StopButton(self)

    def _assemble(self) -> None:
        """Put a machine together that is switched off."""
        profile, fixes, changes, timer = (self.made[name] for name in ("profile", "fixes", "changes", "timer"))
        cpus, record = self.made["cpus"], self.record
        self.board = Board(
            self.ramdisk.image, self.made["append"], parse_size(self.made["memory"]), cpus, self.made["clock"]
        )
        stdin = self.made["stdin"]
        self.board.uart.input = stdin if isinstance(stdin, Stream) else Prepared(stdin)
        kind = hypervisor_type(_LoadedHypervisor, profile, fixes, changes)
        self.hypervisor: _LoadedHypervisor = kind(self.board)
        self.hypervisor.heap_pages = self.made["heap_pages"]
        self.recorder: Recorder | None = None
        self.outcome: Outcome | None = None
        self.booted = False
        self._boot_checks: list[Check] = []
        if record:
            known = known_fields(hypervisor_type(_LoadedHypervisor, profile, fixes), self.board) if changes else {}
            own = OwnFields(self.hypervisor, known)
            self.recorder = Recorder(self.board.memory.uart, kind, own)
            self.hypervisor.vm_type = self.recorder.vm_type
            self.hypervisor.cpus = [self.recorder.cpu_type(cpu.id) for cpu in self.hypervisor.cpus]
            self.hypervisor.on_log = self._log
            self.hypervisor.on_check = self._boot_checks.append
        self.guests: dict[str, ScriptedVcpu] = {}
        knobs = [Metronome(self.board, cpu, timer) if timer else None for cpu in range(cpus)]
        self.cores = [self.core_type(self, cpu, knobs[cpu.id]) for cpu in self.hypervisor.cpus[:cpus]]
        self.buffers = [StoreBuffer(core, cpus + core.turn) for core in self.cores] if self.delays else []
        self.turns = [*self.cores, *self.buffers]
        self.cpu: Cpu = self.hypervisor.cpus[0]
        if self.recorder is not None and not timer:
            recorder = self.recorder
            self.board.gic.on_event = self._interrupt
            self.board.on_arm = lambda timer: recorder.armed(timer.cpu, timer.intid)

    def __repr__(self) -> str:
        count = len(self.cores)
        so_far = "not booted"
        if self.booted and self.recorder is None:
            so_far = f"after {counted(self.budget.trapped, 'trap')}"
        elif self.booted and self.recorder is not None:
            so_far = f"after {counted(self.recorder.count, 'event')}"
        ended = f", {self.outcome.kind}" if self.outcome is not None else ""
        return f'<Machine "{self.title}": {counted(count, "CPU")}, {so_far}{ended}>'

    @property
    def uart(self) -> bytes:
        """The serial line so far, CR removed."""
        return bytes(self.board.memory.uart.output).replace(b"\r", b"")

    def boot(self) -> None:
        """Switch on: the hypervisor starts, loads the VMs and is about to enter the primary.

        A boot that `KeyboardInterrupt` ended begins anew.
        """
        with self.button.held():
            self.booted = True
            self.budget.start()
            self.board.on_tick = self._tick
            try:
                self._boot()
            except KeyboardInterrupt:
                self._assemble()
                raise
            self.board.on_tick = None

    def _tick(self) -> None:
        """What is looked at again and again while the machine boots."""
        self.budget.check_clock()
        self.button.take()

    def _boot(self) -> None:
        with self._outcome():
            self.hypervisor.one_time_init()
            self._record_boot()
            if self.recorder is not None:
                self.hypervisor.on_check = self.recorder.checked
            self.cores[0].start()
        self.ramdisk.check_loaded(self.uart.decode("latin-1"), self.made["heap_pages"])

    def step(self, cpu: int | None = None) -> bool:
        """One trap served whole, or on a machine of several CPUs one atomic step. False when the run is over.

        With `cpu`, one atomic step of that physical CPU, whatever the schedule says.
        """
        self.stepped = True
        with self.button.held():
            if not self.booted:
                self.boot()
            if self.outcome is None:
                with self._outcome():
                    if cpu is None:
                        self._advance()
                    elif cpu in self.able():
                        self._take(cpu)
        return self.outcome is None

    def run(self) -> Recording:
        """Run to the end. `KeyboardInterrupt` stops it between two steps; `run` again goes on as if there was none."""
        with self.button.held():
            if not self.booted:
                self.boot()
            while self.outcome is None:
                with self._outcome():
                    while True:
                        if self.button.pressed is not None:
                            self.button.take()
                        self._advance()
        return self.recording()

    def recording(self) -> Recording:
        """What has happened so far."""
        outcome = self.outcome or Outcome("running", "The run is not over.", 3)
        events = self.recorder.so_far() if self.recorder is not None else ()
        uart = self.uart.decode("latin-1")
        planned = len(self.cores) == 1 or (self.outcome is not None and not self.stepped)
        made = self.made if planned else self.made | {"schedule": self.taken[:]}
        return self.recording_type(events, uart, outcome, self._lifelines(), self.title, made)

    def _advance(self) -> None:
        """Let the CPU whose turn it is go on."""
        if len(self.cores) == 1:
            try:
                self.cores[0].trap()
            except ScriptDone:
                self.cores[0].power_off()
            return
        able = self.able() or self._wait()
        if not able:
            raise self.standstill()
        self._take(self.choose(able))

    def _wait(self) -> list[int]:
        """Let time pass where all that could go on waits for interrupts: the CPUs that can take a step then."""
        if not any(core.sleeps for core in self.cores) or self.deadlock() is not None:
            return []
        self.board.wait_until(lambda: bool(self.able()), self.budget.check)
        return self.able()

    def _take(self, cpu: int) -> None:
        """Take one atomic step of a CPU or of its buffer, and remember whose it was."""
        self.taken.append(cpu)
        self.turns[cpu].advance()

    def able(self) -> list[int]:
        """The physical CPUs that can take a step, and the buffers. Those that met go on when no other CPU can."""
        able = [core.cpu.id for core in self.cores if core.able]
        if not able:
            for core in self.cores:
                core.scripted.meeting = False
            able = [core.cpu.id for core in self.cores if core.able]
        return able + [buffer.turn for buffer in self.buffers if buffer.able]

    def deadlock(self) -> "Deadlock | None":
        """Which CPUs wait for locks that are held, if any do."""
        locks = ((core.cpu.id, core.waits_for) for core in self.cores)
        spins = tuple(
            Spins(cpu, lock.name, lock.owner.id) for cpu, lock in locks if lock is not None and lock.owner is not None
        )
        return Deadlock(spins) if spins else None

    def standstill(self) -> Exception:
        """Why no CPU can go on; it switches the machine off if all there was to do is done."""
        deadlock = self.deadlock()
        if deadlock is not None:
            return deadlock
        ends = [core.ended for core in self.cores if core.ended is not None]
        done = next((core for core in self.cores if isinstance(core.ended, ScriptDone)), None)
        if done is not None:
            done.power_off()
        if not ends and any(core.sleeps for core in self.cores):
            return StuckForever(NO_INTERRUPT)
        worst = next((end for end in ends if isinstance(end, HypervisorHang)), None)
        return worst or next(iter(ends), StuckForever(ALL_OFF))

    @contextmanager
    def _outcome(self) -> Iterator[None]:
        """Turn what ends a run into its outcome."""
        try:
            yield
        except PowerDown as down:
            verb = "powered the machine off" if down.reason == "off" else "reset the machine"
            self.end(Outcome("power off" if down.reason == "off" else "reset", f"The primary {verb}.", 0))
        except CpuDown:
            self.end(Outcome("stuck", ALL_OFF, 3))
        except tuple(ENDS) as end:
            kind, status = next(ends for cls, ends in ENDS.items() if isinstance(end, cls))
            by_clock = isinstance(end, OutOfTime)
            sentence = f"{end}{self._unanswered() if kind == 'budget' else ''}"
            self.end(Outcome(kind, sentence, status, spins_of(end), by_clock))
        except BaseException:
            if self.button.torn is not None:
                sentence, self.button.torn = self.button.torn, None
                self.end(Outcome("interrupted", sentence, 3))
            raise

    def _unanswered(self) -> str:
        """What a limit may have cut short: an interrupt that comes again and again, for nobody acknowledges it."""
        gic = self.board.gic
        cpu = next((core.cpu.id for core in self.cores if gic.signals[core.cpu.id].up and core.knob is None), None)
        if cpu is None:
            return ""
        return f" Interrupt {gic.best[cpu]} was then signalled to CPU {cpu}, and not acknowledged."

    def end(self, outcome: Outcome) -> None:
        """The run is over, and how."""
        outcome = replace(outcome, sentence=printable(outcome.sentence))
        self.outcome = outcome
        if self.recorder is not None:
            self.recorder.flush()
            last = self.recorder.count - 1
            before = [Cause(last, "before")] if last >= 0 else []
            self.recorder.note(Kind.END, *before, text=outcome.sentence)

    def _interrupt(self, what: str, cpu: int, intid: int) -> None:
        """An interrupt was raised, acknowledged or ended: note it, and what it has to pass on its way."""
        if self.recorder is None or cpu >= len(self.cores):
            return
        core = self.cores[cpu]
        actor = None if core.cpu.current is None or what == "raised" else actor_of(core.cpu.current)
        checks = self._gates(core, intid) if what == "raised" else ()
        self.recorder.interrupt(what, actor, cpu, intid, checks)

    def _gates(self, core: Core, intid: int) -> tuple[Check, ...]:
        """What an interrupt must pass on its way to a CPU now; the last is the primary's own mask."""
        passed = [
            Check(gate.text, f"cpu{core.cpu.id}", (), gate.holds) for gate in self.board.gic.gates(core.cpu.id, intid)
        ]
        if core.cpu.current is not None and not core.cpu.hcr_el2 & HCR_IMO:
            if core.emulated is not None and core.emulated.emulating:
                core.emulated.read_general()
            open_to = not core.cpu.regs[SPSR] & PSTATE_I
            passed.append(Check("the primary has interrupts open (PSTATE.I)", core.cpu.current.name, (), open_to))
        return tuple(passed)

    def _log(self, text: str) -> None:
        """A line of the hypervisor while guests run belongs to the event that is open."""
        if self.recorder is not None and self.recorder.current is not None:
            self.recorder.current.text += text

    def _record_boot(self) -> None:
        if self.recorder is None:
            return
        recorder = self.recorder
        recorder.note(Kind.BOOT, text="the hypervisor started and loaded the VMs", checks=tuple(self._boot_checks))
        for vm in self.hypervisor.vms:
            kernel = printable(self.hypervisor.kernels[vm.id])
            event = recorder.open(Kind.LOAD, None, Cause(0, "before"), target=Actor(vm.id), text=kernel)
            changed = recorder.changed
            tables = self.hypervisor.mm_tables(vm.ptable) if vm.ptable.root else {}
            changed(f"{vm.name}.stage2", None, Stage2(vm.ptable.root, tables))
            changed(f"{vm.name}.mailbox.state", None, vm.mailbox.state.name)
            for vcpu in vm.vcpus:
                changed(f"{vcpu.name}.state", None, vcpu.state.name)
                event.registers += recorder.delta(vcpu, vcpu.regs)
            recorder.flush()

    def _lifelines(self) -> tuple[Lifeline, ...]:
        return tuple(
            Lifeline(Actor(vm.id, vcpu.index), printable(self.hypervisor.kernels.get(vm.id, "")))
            for vm in self.hypervisor.vms
            for vcpu in vm.vcpus
        )
