"""Transitions learned once: each step is run by the real generators, and noted with what it looked at and what it left.

Where a later state agrees on all that a step looked at, the step is taken by look-up; where none is known that agrees,
the real code runs. There is no second implementation of anything. A state is a text with a character for each variable
that ever changes: the number of its value. Which CPUs can go on, whether their next steps commute and what the
invariants say is learned in the same way.

It holds only where all that can change is among the variables. `Unlearned` says that it does not, and then every state
is reached by replay, as `moves` does; some of the look-ups are run for real all the same, to compare.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from hfedu.board.memory import RAM_BASE
from hfedu.errors import Mistake
from hfedu.hf.addr import PAGE_SIZE, Pa
from hfedu.run.frozen import PLAIN
from hfedu.run.held import World
from hfedu.run.invariants import INVARIANTS
from hfedu.run.moves import (
    WALK,
    End,
    Expanded,
    ExploredState,
    Move,
    Task,
    changes_the_machine,
    commutes,
    judged,
    lost,
    moves_from,
    touched,
)
from hfedu.run.races import Races
from hfedu.run.replay import Replayer
from hfedu.run.traced import MONITORS, TRANSIENT, Name, TraceAccess, TracedDict, make_telling, source_line

ROOM = 160
"""Variables that change, at most."""
LAST = "transient", 0
"""What the ghost knows of the step just taken: a variable whose value is the number of the transition."""
ALL_COMPARED = 24
"""Steps after which all variables are compared."""
GHOSTS = ("left", "owed", "mail")
ROOT = "\0"
NOTED_AS_WRITTEN = ("uart", "monitors")
"""What counts as written also where it is read."""
PAST_A_VIEW = frozenset(("whole", "getattr", "attrgetter", "__getattribute__"))
"""Names with which an invariant can look at more than a `Sight` shows."""


class Unlearned(Exception):
    """Something changes that is no variable."""


class Known:
    """A function of the state, as far as it is known: what it looked at and what it gave, and a trie over that."""

    __slots__ = ("records", "root")

    def __init__(self) -> None:
        self.records: list[tuple[list[tuple[int, str]], Any]] = []
        self.root: Any = None


class Transition:
    """A step that was learned: what it leaves in which variables, what it breaks and what is to be judged after it."""

    __slots__ = ("accesses", "broken", "guest", "judged", "number", "off", "touched", "writes")

    def __init__(self, number: str) -> None:
        self.number = number
        self.writes: tuple[tuple[int, str], ...] = ()
        self.broken: tuple[tuple[str, str], ...] = ()
        self.judged: tuple[int, ...] = ()
        self.accesses: list[TraceAccess] = []
        self.guest = self.touched = self.off = False


def after_writes(state: str, writes: Iterable[tuple[int, str]]) -> str:
    """A state in which some variables have other values."""
    chars = list(state)
    for slot, char in writes:
        chars[slot] = char
    return "".join(chars)


def registers_value(regs: Any) -> bytes:
    """The registers of a file."""
    return bytes(regs.tobytes())


class Learner:
    """Takes the moves of a search by look-up. `misses` counts how often the real code ran."""

    def __init__(self, task: Task, replay: Replayer, races: bool = False) -> None:
        rules = World()
        for invariant in task.invariants:
            rules.follow(invariant.broken, invariant.name)
        rules.settle()
        past_a_view = not PAST_A_VIEW.isdisjoint(rules.mentioned)
        if past_a_view or not (replay.pure and replay.world.constant and rules.constant):
            raise Unlearned
        self.trusted = [invariant in INVARIANTS for invariant in task.invariants]
        self.task, self.replay, self.machine, self.ghost = task, replay, replay.machine, replay.ghost
        self.trace = make_telling(replay)
        self.cores = range(task.cpus)
        self.races = Races(replay) if races else None
        self.running: Any = None
        self.pairs: dict[tuple[str, str], tuple[str, str, tuple[str, str]] | None] = {}
        self.second: dict[str, tuple[int, tuple[str, str]]] = {}
        """By the sentence about a race the CPU whose next step is the other access, and what to say of each."""
        self.trace.sites, self.trace.script = races, self.script_line
        self.misses = 0
        self.names: list[Name] = []
        self.index: dict[Name, int] = {}
        self.of_cores: dict[int, int] = {}
        """By the id of a core, or of what runs its scripts, the variable that stands for it."""
        self.of_fields: list[int] = []
        """The variable of each of the replayer's fields; `others` is the first variable that is none of these."""
        self.readers: list[Callable[[], Any]] = []
        self.numbers: list[dict[Any, str]] = []
        self.values: list[list[Any]] = []
        self.slot: dict[int, int] = {}
        self.slots: list[int] = []
        self.functions: list[Known] = []
        self.transitions: list[Transition] = []
        self.ends: dict[str, End] = {}
        self.deadlocks: dict[str, str | None] = {}
        self.steps = [self.function() for _ in self.cores]
        self.able = [self.function() for _ in self.cores]
        self.free = [self.function() for _ in self.cores]
        self.rules = [self.function() for _ in task.invariants]
        replay.follow((), replay.past)
        self.wrap()
        self._variables()
        self.root = ROOT * ROOM
        self.last = self.index[LAST]
        self.known: dict[str, list[int]] = {}
        """The CPUs that can go on in states that were found and not yet gone on from."""
        self.meeting = [self.index["meeting", cpu] for cpu in self.cores]

    def function(self) -> Known:
        """A function of which nothing is known yet."""
        self.functions.append(Known())
        return self.functions[-1]

    # The variables.

    def _variables(self) -> None:
        """All that can change, but for pages of memory that nobody has touched yet."""
        replay, machine, ghost = self.replay, self.machine, self.ghost
        for found, name in replay.fields.places:
            if (id(found), name) not in self.index:
                self.variable((id(found), name), partial(self.field_value, found, name))
            self.of_fields.append(self.index[id(found), name])
        self.others = len(self.names)
        for regs, _ in replay.arrays:
            self.variable((id(regs), None), partial(registers_value, regs))
        for core in machine.cores:
            cpu = core.cpu.id
            self.of_cores[id(core)] = self.variable(("core", cpu), partial(self.core_value, core))
            meeting = self.variable(("meeting", cpu), partial(getattr, core.scripted, "meeting"))
            self.of_cores[id(core.scripted)] = meeting
            self.variable(("powered", cpu), partial(machine.board.powered.__getitem__, cpu))
        for vm in machine.hypervisor.vms:
            self.variable(("pages", vm.id), partial(self.pages_of, vm))
            for vcpu in vm.vcpus:
                self.variable(("guest", vcpu.name), partial(self.guest_value, vcpu.name))
                for kind in GHOSTS[:2]:
                    self.variable((kind, vcpu.name), partial(self.ghost_value, kind, vcpu.name))
            self.variable(("mail", vm.mailbox.name), partial(self.ghost_value, "mail", vm.mailbox.name))
        self.variable((id(ghost), "saved"), lambda: ghost.saved)
        self.variable(("uart", 0), self.uart_value)
        self.variable(MONITORS, lambda: tuple(sorted(replay.memory.monitors.items())))
        for page in sorted(replay.written):
            self.page(page)
        self.add(LAST, lambda: ROOT)

    def variable(self, name: Name, read: Callable[[], Any]) -> int:
        """A variable, with the value that it has at the root."""
        number = self.add(name, read)
        value = read()
        self.numbers[number], self.values[number] = {value: ROOT}, [value]
        return number

    def add(self, name: Name, read: Callable[[], Any]) -> int:
        """A variable without values."""
        self.index[name] = len(self.names)
        self.names.append(name)
        self.readers.append(read)
        self.numbers.append({})
        self.values.append([])
        return len(self.names) - 1

    def page(self, page: int) -> int:
        """The variable of a page of memory."""
        number = self.add(("page", page), lambda: self.replay.memory.read(Pa(page), PAGE_SIZE))
        begin = page - RAM_BASE
        value = self.replay.ram[begin : begin + PAGE_SIZE]
        self.numbers[number], self.values[number] = {value: ROOT}, [value]
        return number

    def field_value(self, found: Any, name: str) -> Any:
        """A field of an object."""
        value = getattr(found, name)
        return value if type(value) in PLAIN else self.replay.world.freezer()(value)

    def ghost_value(self, kind: str, name: str) -> Any:
        """What the ghost remembers of a vCPU or a mailbox."""
        return getattr(self.ghost, kind).get(name)

    def core_value(self, core: Any) -> Any:
        """Where the hypervisor is on a CPU, and whether that CPU has ended."""
        ended = core.ended and (type(core.ended).__name__, str(core.ended))
        return self.replay.serving(core, self.replay.world.freezer()), ended

    def pages_of(self, vm: Any) -> Any:
        """The pages that a VM's scripts have named."""
        return next((g.pages for g in self.machine.guests.values() if g.vcpu.vm is vm), None)

    def guest_value(self, name: str) -> Any:
        """Where a script is."""
        guest: Any = self.machine.guests.get(name)
        if guest is None:
            return None
        return guest.asked, guest.loaded, guest.refused, self.replay.script(guest, self.replay.world.freezer())

    def uart_value(self) -> Any:
        """What was printed, and the registers of the UART."""
        uart = self.replay.memory.uart
        return bytes(uart.output[self.replay.printed :]), tuple(uart.registers.items())

    def wrap(self) -> None:
        """Let the ghost's memory tell of accesses."""
        for name in GHOSTS:
            setattr(self.ghost, name, TracedDict(name, self.trace, getattr(self.ghost, name)))

    # States.

    def number(self, variable: int, value: Any) -> str:
        """The character for a value of a variable."""
        numbers = self.numbers[variable]
        found = numbers.get(value)
        if found is None:
            found = numbers[value] = chr(len(numbers))
            self.values[variable].append(value)
        return found

    def at(self, state: str, variable: int) -> str:
        """The character of a variable in a state."""
        slot = self.slot.get(variable)
        return ROOT if slot is None else state[slot]

    def value(self, state: str, variable: int) -> Any:
        """The value of a variable in a state."""
        return self.values[variable][ord(self.at(state, variable))]

    def activate(self, variables: Iterable[int]) -> None:
        """Give variables that change a place in the states, and have what was learned look at them."""
        new = [variable for variable in variables if variable not in self.slot]
        for variable in new:
            if len(self.slots) == ROOM:
                raise Unlearned
            self.slot[variable] = len(self.slots)
            self.slots.append(variable)
        if new:
            for function in self.functions:
                function.root = None
                for path, leaf in function.records:
                    self.put(function, path, leaf)

    def put(self, function: Known, path: list[tuple[int, str]], leaf: Any) -> None:
        """Put what was learned into the trie."""
        found = [(self.slot[variable], char) for variable, char in path if variable in self.slot]
        if not found:
            function.root = leaf
            return
        if function.root is None:
            function.root = found[0][0], {}
        node = function.root
        for at, (slot, char) in enumerate(found, 1):
            if type(node) is not tuple or node[0] != slot:
                raise Unlearned
            if at == len(found):
                node[1][char] = leaf
            else:
                node = node[1].setdefault(char, (found[at][0], {}))

    def learn(self, function: Known, state: str, log: Iterable[TraceAccess], leaf: Any, last: str = ROOT) -> None:
        """What a function gave in a state where it looked at these variables."""
        path: dict[int, str] = {}
        for access in log:
            variable = self.variable_of(access.name)
            if variable is not None and variable not in path:
                path[variable] = last if self.names[variable] is LAST else self.at(state, variable)
        function.records.append((list(path.items()), leaf))
        self.put(function, function.records[-1][0], leaf)

    def variable_of(self, name: Name) -> int | None:
        """The variable of that name, None for what never changes."""
        found = self.index.get(name)
        if found is not None:
            return found
        if name[1] in TRANSIENT and name[0] == id(self.ghost):
            return self.last
        if name[0] == "page":
            return self.page(name[1])
        found = self.of_cores.get(name[0])
        if found is None:
            raise Unlearned
        return found

    def go(self, state: str, schedule: Sequence[int]) -> None:
        """Bring the real machine to a state by replay of its schedule, unless it has just come there."""
        self.misses += 1
        replay, past = self.replay, self.past(state)
        if replay.off or tuple(replay.schedule) != schedule:
            replay.follow(schedule, past)
        else:
            self.ghost.remember(past)
        self.wrap()
        for core, variable in zip(self.machine.cores, self.meeting, strict=True):
            core.scripted.meeting = self.value(state, variable)
        self.machine.hypervisor.tlb.clear()

    def past(self, state: str) -> Any:
        """The ghost's memory in a state."""
        noted: dict[str, list[Any]] = {kind: [] for kind in GHOSTS}
        for name, variable in self.index.items():
            if name[0] in noted:
                value = self.value(state, variable)
                if value is not None:
                    noted[name[0]].append((name[1], value))
        return *(tuple(noted[kind]) for kind in GHOSTS), self.value(state, self.index[id(self.ghost), "saved"])

    def seen(self) -> list[str]:
        """The characters of all variables as the real machine is now."""
        for page in sorted(self.replay.written):
            if ("page", page) not in self.index:
                self.page(page)
        found = [ROOT] * self.others
        for place, _ in self.replay.fields.changed():
            at = self.of_fields[place]
            found[at] = self.number(at, self.readers[at]())
        return found + [self.number(at, self.readers[at]()) for at in range(self.others, len(self.readers))]

    def state_now(self) -> str:
        """The state that the real machine is in."""
        found = self.seen()
        self.activate(at for at, char in enumerate(found) if char != ROOT and self.names[at] is not LAST)
        state = [ROOT] * ROOM
        for at, slot in self.slot.items():
            state[slot] = ROOT if self.names[at] is LAST else found[at]
        return "".join(state)

    # Learning.

    def missed_step(self, state: str, cpu: int, schedule: tuple[int, ...]) -> Transition:
        """Take a step for real, and learn it, and what there is to know of the state that it leads to."""
        self.go(state, schedule)
        with self.trace.told():
            return self._missed_step(state, cpu)

    def _missed_step(self, state: str, cpu: int) -> Transition:
        replay, core = self.replay, self.machine.cores[cpu]
        leaf = Transition(chr(len(self.transitions) + 1))
        self.transitions.append(leaf)
        leaf.guest = core.steps is None
        begin: list[TraceAccess] = [TraceAccess(("core", cpu), True)]
        vcpu = self.running = core.cpu.current
        if leaf.guest and vcpu is not None:
            begin.append(TraceAccess((id(core.cpu), "current"), False))
            begin += [TraceAccess((kind, name), True) for kind, name in (("guest", vcpu.name), ("pages", vcpu.vm.id))]
        with self.trace.noting() as log:
            replay.step(cpu)
        own = TRANSIENT | {"machine"}
        log = [access for access in begin + log if access.name[1] not in own or access.name[0] != id(self.ghost)]
        if leaf.guest and vcpu is not None and self.is_atomic(vcpu.name):
            log = [access._replace(atomic=True) if access.name[0] == "page" else access for access in log]
        leaf.off = replay.off
        leaf.touched = leaf.guest and touched(core)
        leaf.accesses = [] if self.races is None else self.races.data(log)
        name = lost(core)
        broken = [(name, str(core.ended))] if name is not None else []
        written = self.written(state, log)
        checked = []
        for number, invariant in enumerate(self.task.invariants):
            with self.trace.noting() as seen:
                sentence = judged(invariant, replay)
            writes = (access.name[0] for access in seen if access.write)
            if not self.trusted[number] and any(what not in NOTED_AS_WRITTEN for what in writes):
                raise Mistake(changes_the_machine(invariant))
            looked_at = self.looked_at(seen, self.trusted[number])
            if all(self.variable_of(access.name) == self.last for access in looked_at):
                broken += [(invariant.name, sentence)] if sentence is not None else []
            else:
                checked.append((number, looked_at, sentence))
        leaf.broken, leaf.judged = tuple(broken), tuple(number for number, _, _ in checked)
        self.activate([*written, *([self.last] if checked else [])])
        leaf.writes = tuple((self.slot[at], char) for at, char in written.items())
        self.learn(self.steps[cpu], state, log, leaf)
        then = after_writes(state, leaf.writes)
        for number, looked_at, sentence in checked:
            self.learn(self.rules[number], then, looked_at, [sentence], leaf.number)
        if not leaf.off:
            self.learn_cores(then)
        return leaf

    def is_atomic(self, name: str) -> bool:
        """Whether a script has just made an access that CPUs synchronise with."""
        action = self.machine.guests[name].action
        return action is not None and action.atomic

    def written(self, state: str, log: list[TraceAccess]) -> dict[int, str]:
        """The variables that a step has changed, and their characters now: among those that it looked at.

        For the first steps, and for some others, all variables are compared: nothing else may have changed.
        """
        looked = {variable for variable in (self.variable_of(access.name) for access in log) if variable is not None}
        if self.misses <= ALL_COMPARED or self.misses % 8 == 0:
            seen = self.seen()
            if any(at not in looked and char != self.at(state, at) for at, char in enumerate(seen)):
                raise Unlearned
            now = {at: seen[at] for at in sorted(looked)}
        else:
            now = {at: self.number(at, self.readers[at]()) for at in sorted(looked)}
        return {at: char for at, char in now.items() if char != self.at(state, at)}

    def learn_cores(self, state: str) -> None:
        """Which CPUs can go on in the state that the real machine is in, and whether their next steps commute."""
        for cpu, core in enumerate(self.machine.cores):
            with self.trace.noting() as log:
                able = core.able
            self.learn(self.able[cpu], state, log, [able])
            if able:
                with self.trace.noting() as log:
                    free = commutes(core)
                self.learn(self.free[cpu], state, log, [free])

    def looked_at(self, log: list[TraceAccess], trusted: bool) -> list[TraceAccess]:
        """What an invariant looked at. One that goes past what a `Sight` shows is not learned, unless it is ours."""
        whole = id(self.ghost), "machine"
        if not trusted and any(access.name == whole for access in log):
            raise Unlearned
        return [access for access in log if access.name != whole]

    def missed(self, function: Known, state: str, schedule: tuple[int, ...], give: Callable[[], Any]) -> list[Any]:
        """Ask the real code what a function of the state gives, and learn it."""
        self.go(state, schedule)
        with self.trace.told(), self.trace.noting() as log:
            found = give()
        self.learn(function, state, log, [found])
        return [found]

    def missed_rule(self, number: int, state: str, schedule: tuple[int, ...], leaf: Transition) -> list[Any]:
        """Ask an invariant what it says of a state after a step, and learn it."""
        plain = self.plain(state)
        self.retake(schedule)
        with self.trace.told(), self.trace.noting() as log:
            sentence = judged(self.task.invariants[number], self.replay)
        self.learn(self.rules[number], plain, self.looked_at(log, self.trusted[number]), [sentence], leaf.number)
        return [sentence]

    def plain(self, state: str) -> str:
        """A state without the number of a transition."""
        at = self.slot.get(self.last)
        return state if at is None else state[:at] + ROOT + state[at + 1 :]

    def retake(self, schedule: tuple[int, ...]) -> None:
        """Take the steps of a schedule under the eyes of the ghost."""
        self.misses += 1
        self.replay.restart()
        self.ghost.remember(self.replay.past)
        self.wrap()
        for cpu in schedule:
            self.machine.able()
            self.replay.step(cpu)
        self.machine.hypervisor.tlb.clear()

    def real(self, state: str, schedule: tuple[int, ...]) -> list[Move]:
        """The moves from a state, by the real code alone."""
        past = self.past(state)
        able = self.replay.follow(schedule, past)
        known = ExploredState(schedule, past)
        return list(moves_from(self.task, self.replay, known, able, self.state_now))

    # The moves.

    def expand(self, keys: Sequence[str], states: Sequence[ExploredState]) -> Iterator[Expanded]:
        """The moves from states."""
        for key, state in zip(keys, states, strict=True):
            yield Expanded(self.moves(key, state.schedule), None, frozenset(self.replay.by_history))

    def able_in(self, state: str, schedule: tuple[int, ...]) -> list[int]:
        """The CPUs that can take a step."""
        found = []
        for cpu in self.cores:
            node = self.able[cpu].root
            while type(node) is tuple:
                node = node[1].get(state[node[0]])
            if node is None:
                core = self.machine.cores[cpu]
                node = self.missed(self.able[cpu], state, schedule, partial(getattr, core, "able"))
            if node[0]:
                found.append(cpu)
        return found

    def can(self, state: str, schedule: tuple[int, ...]) -> tuple[list[int], str]:
        """The CPUs that can go on, and the state: those that met go on when nobody else can."""
        able = self.able_in(state, schedule)
        if not able:
            changed = [variable for variable in self.meeting if self.value(state, variable)]
            if changed:
                self.activate(changed)
                state = after_writes(state, [(self.slot[at], self.number(at, False)) for at in changed])
                able = self.able_in(state, schedule)
        return able, state

    def is_free(self, cpu: int, state: str, schedule: tuple[int, ...]) -> bool:
        """Whether the next step of a CPU commutes."""
        node = self.free[cpu].root
        while type(node) is tuple:
            node = node[1].get(state[node[0]])
        if node is None:
            core = self.machine.cores[cpu]
            node = self.missed(self.free[cpu], state, schedule, lambda: commutes(core))
        return bool(node[0])

    def moves(self, state: str, schedule: tuple[int, ...]) -> list[Move]:
        """The moves from a state, as in `moves`."""
        able = self.known.pop(state, None)
        if able is None:
            able, state = self.can(state, schedule)
        return [self.move(state, schedule, cpu, able) for cpu in able]

    def move(self, state: str, schedule: tuple[int, ...], cpu: int, able: list[int]) -> Move:
        """Let `cpu` take a step, and then everybody those that commute."""
        taken = schedule
        broken: list[tuple[str, str, int]] = []
        stay: set[int] = set()
        while True:
            leaf = self.steps[cpu].root
            while type(leaf) is tuple:
                leaf = leaf[1].get(state[leaf[0]])
            if leaf is None:
                leaf = self.missed_step(state, cpu, taken)
            if leaf.touched and taken is not schedule:
                stay.add(cpu)
            else:
                before = able
                state = after_writes(state, leaf.writes)
                taken = (*taken, cpu)
                for name, sentence in leaf.broken:
                    broken.append((name, sentence, len(taken)))
                if leaf.judged:
                    self.judge(leaf, state, taken, broken)
                if self.races is not None and leaf.accesses and not leaf.off:
                    self.race(leaf, state, taken, before, broken)
                able, state = ([], state) if leaf.off else self.can(state, taken)
            free = None
            if self.task.group and len(taken) < len(schedule) + WALK:
                free = next((each for each in able if each not in stay and self.is_free(each, state, taken)), None)
            if free is None:
                break
            cpu = free
        end = None
        if not able:
            end, deadlock = self.end(state, taken, leaf.off)
            if deadlock is not None:
                broken.append(("deadlock", deadlock, len(taken)))
        else:
            self.known[state] = able
        return Move(taken[len(schedule) :], state, None, tuple(broken), end, self.quiet(state))  # type: ignore[arg-type]

    def transition(self, state: str, cpu: int, schedule: tuple[int, ...]) -> Transition:
        """The next step of a CPU."""
        leaf: Any = self.steps[cpu].root
        while type(leaf) is tuple:
            leaf = leaf[1].get(state[leaf[0]])
        return leaf or self.missed_step(state, cpu, schedule)

    def breaking(self, name: str, schedule: tuple[int, ...]) -> Callable[[tuple[int, ...], int], bool]:
        """Whether the last step of a schedule breaks an invariant: of one that begins as this one does, and how far."""
        states = [self.can(self.root, ())]
        self.broken_by(schedule, states)
        return lambda other, begin: name in self.broken_by(other, states[: begin + 1])

    def broken_by(self, schedule: tuple[int, ...], states: list[tuple[list[int], str]]) -> list[str]:
        """What the last step of a schedule breaks, nothing if there is no such schedule.

        `states` are those on its way, as the CPUs that can go on and the state: it goes on from there, and adds others.
        """
        broken: list[tuple[str, str, int]] = []
        able, state = states[-1]
        for at in range(len(states) - 1, len(schedule)):
            cpu, taken = schedule[at], schedule[: at + 1]
            if cpu not in able:
                return []
            leaf = self.transition(state, cpu, schedule[:at])
            state = after_writes(state, leaf.writes)
            if taken == schedule:
                broken += ((name, sentence, 0) for name, sentence in leaf.broken)
                if leaf.judged:
                    self.judge(leaf, state, taken, broken)
            else:
                able, state = ([], state) if leaf.off else self.can(state, taken)
                states.append((able, state))
        return [name for name, _, _ in broken]

    def race(
        self,
        leaf: Transition,
        state: str,
        schedule: tuple[int, ...],
        before: list[int],
        broken: list[tuple[str, str, int]],
    ) -> None:
        """Whether a step conflicts with the next step of another CPU that could have come first."""
        assert self.races is not None
        cpu = schedule[-1]
        for other in self.able_in(state, schedule):
            if other == cpu or other not in before:
                continue
            then = self.transition(state, other, schedule)
            pair = leaf.number, then.number
            if pair not in self.pairs:
                found = self.races.between(leaf.accesses, then.accesses)
                self.pairs[pair] = None if found is None else self.races.told((cpu, other), found)
            told = self.pairs[pair]
            if told is not None:
                name, sentence, accesses = told
                broken.append((name, sentence, len(schedule)))
                self.second[sentence] = other, accesses

    def script_line(self) -> str | None:
        """The line that the script is at that runs now."""
        vcpu = self.running
        guest = self.machine.guests.get(vcpu.name) if vcpu is not None else None
        generator: Any = guest.generator if guest is not None else None
        frame = None
        while generator is not None and getattr(generator, "gi_frame", None) is not None:
            frame, generator = generator.gi_frame, generator.gi_yieldfrom
        return None if frame is None else source_line(frame.f_code.co_filename, frame.f_lineno)

    def judge(
        self, leaf: Transition, state: str, schedule: tuple[int, ...], broken: list[tuple[str, str, int]]
    ) -> None:
        """What the invariants say of a state after a step."""
        at = self.slot[self.last]
        told = state[:at] + leaf.number + state[at + 1 :]
        for number in leaf.judged:
            node = self.rules[number].root
            while type(node) is tuple:
                node = node[1].get(told[node[0]])
            if node is None:
                node = self.missed_rule(number, told, schedule, leaf)
            if node[0] is not None:
                broken.append((self.task.invariants[number].name, node[0], len(schedule)))

    def end(self, state: str, schedule: tuple[int, ...], off: bool) -> tuple[End, str | None]:
        """An end: what is worth telling of it, and the deadlock if it is one."""
        if state not in self.ends:
            self.retake(schedule)
            self.machine.able()
            deadlock = None if off else self.machine.deadlock()
            self.ends[state] = End(self.replay.final(), self.ghost.results)
            self.deadlocks[state] = None if deadlock is None else str(deadlock)
        return self.ends[state], self.deadlocks[state]

    def quiet(self, state: str) -> bool:
        """Whether only daemons can go on."""
        daemons = self.task.daemons
        if not daemons:
            return False
        ended = (self.value(state, self.index["core", cpu])[1] for cpu in self.cores if cpu not in daemons)
        return all(each is not None and each[0] == "ScriptDone" for each in ended)
