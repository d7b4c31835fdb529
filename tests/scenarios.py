"""Random scenarios: for each VM a short straight-line script of calls and memory accesses.

A script's actions are small records. They name places, not addresses: `address` says where those are. Two registers
survive from action to action: the last result of a Receive, which `Reply` answers, and the last result of a
HF_VCPU_RUN, which `RunWoken` follows.

Every choice here is one among fewer than 100. Into larger ranges Hypothesis mixes constants from whatever modules are
loaded, and the scenarios of a seed would differ from process to process.
"""

from dataclasses import astuple, dataclass

from hypothesis import strategies as st

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1
RAM_SIZE = 6 << 20
RAM_END = 0x4000_0000 + RAM_SIZE
PRIMARY_BASE = 0x4008_0000
VM_SIZE = 0x8000
PAGES = {"send": 0x4000, "recv": 0x5000, "spare": 0x6000}
WORDS = 512
"""64-bit words of a page."""
VMS_WITH_TABLES = 5
"""The pool of page tables suffices for the primary and four secondaries; a fifth is counted and stays off."""
FILL_STEP = 0x0123_4567_89AB_CDEF
SUM_ROTATE = 7


@dataclass(frozen=True)
class Action:
    """One thing a guest does."""

    def __str__(self) -> str:
        fields = (hex(x) if isinstance(x, int) and x > 0xFFF else str(x) for x in astuple(self))
        return f"{type(self).__name__}({', '.join(fields)})"


@dataclass(frozen=True)
class Configure(Action):
    send: str
    recv: str


@dataclass(frozen=True)
class Send(Action):
    vm: int
    size: int


@dataclass(frozen=True)
class Reply(Action):
    """Send to the sender in the last Receive's result as many bytes as it says."""


@dataclass(frozen=True)
class Receive(Action):
    block: bool


@dataclass(frozen=True)
class Clear(Action):
    pass


@dataclass(frozen=True)
class VcpuRun(Action):
    vm: int
    vcpu: int = 0


@dataclass(frozen=True)
class RunWoken(Action):
    """Run vCPU 0 of the VM that the last HF_VCPU_RUN reported as woken, or of another if it reported none."""

    otherwise: int


@dataclass(frozen=True)
class VmCount(Action):
    pass


@dataclass(frozen=True)
class VcpuCount(Action):
    vm: int


@dataclass(frozen=True)
class Call(Action):
    """Any HVC or SMC."""

    function: int
    x1: int = 0
    x2: int = 0
    smc: bool = False


@dataclass(frozen=True)
class WaitForInterrupt(Action):
    pass


@dataclass(frozen=True)
class Fill(Action):
    """Store `count` words from word `first` of a page: `seed` times FILL_STEP, and each next one FILL_STEP more."""

    place: str
    first: int
    count: int
    seed: int


@dataclass(frozen=True)
class Copy(Action):
    """Copy the first words of the VM's receive page to its send page."""

    count: int


@dataclass(frozen=True)
class Sum(Action):
    """Log a checksum of the first words of a page: rotate right by SUM_ROTATE, add the next word."""

    place: str
    count: int


@dataclass(frozen=True)
class Load(Action):
    """Log one word."""

    place: str
    word: int


@dataclass(frozen=True)
class Scenario:
    """Scripts by VM, the primary's first, and how many vCPUs each secondary has."""

    scripts: tuple[tuple[Action, ...], ...]
    vcpus: tuple[int, ...]

    def __str__(self) -> str:
        lines = []
        for vm, script in enumerate(self.scripts):
            lines.append(f"VM {vm}" + (f", {self.vcpus[vm - 1]} vCPUs:" if vm else ":"))
            lines += [f"    {action}" for action in script]
        return "\n".join(lines)


def base(vm: int) -> int:
    """Where a VM's memory begins: the primary's by decree, the secondaries' from the end of RAM downwards."""
    return RAM_END - vm * VM_SIZE if vm else PRIMARY_BASE


def address(vm: int, place: str) -> int:
    """The address that `vm` means by a place: a page of its own, perhaps "+8", or one that may not be its own."""
    page, _, offset = place.partition("+")
    elsewhere = {
        "hypervisor": 0x4000_2000,
        "beyond": base(vm) + VM_SIZE,
        "neighbour": base(vm + 1) + PAGES["send"],
        "far": 1 << 40,
    }
    return elsewhere.get(page) or base(vm) + PAGES[page] + int(offset or 0)


GOOD_PAIRS = (("send", "recv"), ("recv", "spare"), ("spare", "send"))
ODD_PLACES = ("send+8", "recv+1", "hypervisor", "beyond", "neighbour", "far")
SIZES = (0, 1, 7, 8, 9, 64, 255, 4088, 4095, 4096, 4096, 4096, 4097, 1 << 32, (1 << 32) + 8, MASK64)
ODD_FUNCTIONS = (
    0x4000_FF01, 0xC000_FF01, 0x1_0000_FF01, 0x1_0000_FF06, 0x4000_FF05, 0x4000_FF04, 0xFEFF, 0xFF07, 0xFFFF_FFFF, 0,
    0x8400_0000, 0xC400_0000, 0x8400_0001, 0x8400_0003, 0x8400_0004, 0xC400_0004, 0x8400_0006, 0x8400_000A,
)  # fmt: skip
ENDINGS = (Call(0x8400_0002), Call(0x8400_0008), Call(0x8400_0009, smc=True), WaitForInterrupt())


def mostly(usual: list, odd: list, ratio: int) -> st.SearchStrategy:
    """One of `usual`, and once in about `ratio` times one of `odd`."""
    times = max(1, (ratio - 1) * len(odd) // len(usual))
    return st.sampled_from(usual * times + odd)


def vm_ids(count: int, ratio: int = 10) -> st.SearchStrategy[int]:
    return mostly(list(range(count)), [count, 0xFFFF, 1 << 32, (1 << 32) + 1, MASK64], ratio)


def others(count: int, vm: int) -> st.SearchStrategy[int]:
    """Whom a VM may well talk to: a secondary but itself, if there is one, and sometimes the primary."""
    return mostly([other for other in range(1, count) if other != vm] or [1], [0] if vm else [count], 5 if vm else 12)


alias = mostly([0], [1 << 32, MASK64 - MASK32], 12)
"""To be added to an id: bits that the hypervisor ignores."""


any_size = st.builds(lambda blocks, rest: 64 * blocks + rest, st.integers(0, 63), st.integers(0, 63))
sizes = st.one_of(st.integers(0, 64), st.sampled_from(SIZES), any_size)
seeds = st.integers(1, 99)
clears = mostly([(Clear(),)], [()], 3)
places = mostly(list(PAGES), list(ODD_PLACES), 2)
own_pages = st.sampled_from(list(PAGES))
few_words = mostly([1, 2, 8, 16], [0, 511, WORDS], 12)
fills = st.one_of(
    st.builds(Fill, own_pages, st.just(0), st.sampled_from([1, 2, 8, 64, 511, WORDS]), seeds),
    st.builds(Fill, own_pages, st.sampled_from([1, 31, 448]), st.integers(0, 64), seeds),
)


@st.composite
def single_actions(draw: st.DrawFn, count: int, vm: int) -> list[Action]:
    """Anything a guest may do, now and then what it should not."""
    kinds = "send receive clear run run fill sum load copy count count configure configure call call call wild wild end"
    match draw(st.sampled_from(kinds.split())):
        case "send":
            return [Send(draw(vm_ids(count)), draw(sizes))]
        case "receive":
            return [Receive(draw(st.booleans()))]
        case "clear":
            return [Clear()]
        case "run":
            return [VcpuRun(draw(vm_ids(count)), draw(st.sampled_from([0, 0, 0, 1, 2, 8, 1 << 32, MASK64])))]
        case "fill":
            return [draw(fills)]
        case "sum":
            return [Sum(draw(own_pages), draw(few_words))]
        case "load":
            return [Load(draw(own_pages), draw(st.sampled_from([0, 1, 7, 511])))]
        case "copy":
            return [Copy(draw(few_words))]
        case "count":
            return [draw(st.one_of(st.just(VmCount()), st.builds(VcpuCount, vm_ids(count, 2))))]
        case "configure":
            return [Configure(draw(places), draw(places))]
        case "call":
            numbers = st.sampled_from([0, 1, 2, 7, 8, MASK64])
            return [Call(draw(st.sampled_from(ODD_FUNCTIONS)), draw(numbers), draw(numbers), draw(st.booleans()))]
        case "wild":
            place = draw(mostly(list(PAGES), ["hypervisor", "beyond", "neighbour", "far"], 3))
            return [Load(place, 0) if draw(st.booleans()) else Fill(place, 0, 1, 1)]
    return [draw(st.sampled_from(ENDINGS)) if vm == 0 else WaitForInterrupt()]


@st.composite
def primary_pieces(draw: st.DrawFn, count: int) -> list[Action]:
    """A few actions that move a conversation on."""
    vm = draw(others(count, 0))
    match draw(st.sampled_from("nothing run follow tell hear follow tell hear tell any any".split())):
        case "nothing":
            return []
        case "run":
            return [VcpuRun(vm + draw(alias), draw(alias))]
        case "follow":
            return [RunWoken(vm)] * draw(st.integers(1, 3))
        case "tell":
            return [draw(fills), Send(vm + draw(alias), draw(sizes)), VcpuRun(vm)]
        case "hear":
            return [RunWoken(vm), Sum("recv", draw(few_words)), Clear()]
    return draw(single_actions(count, 0))


@st.composite
def secondary_pieces(draw: st.DrawFn, count: int, vm: int) -> list[Action]:
    """A few actions that move a conversation on."""
    match draw(st.sampled_from("nothing listen tell relay echo tell poll poll relay any any clear".split())):
        case "nothing":
            return []
        case "listen":
            return [Receive(True), *draw(clears)]
        case "echo":
            return [Receive(True), Copy(draw(few_words)), Clear(), Reply()]
        case "tell":
            return [draw(fills), Send(draw(others(count, vm)) + draw(alias), draw(sizes))]
        case "relay":
            return [Receive(True), Copy(draw(few_words)), Clear(), Send(draw(others(count, vm)), draw(sizes))]
        case "poll":
            return [Receive(False), Sum("recv", draw(few_words)), *draw(clears)]
        case "clear":
            return [Clear()]
    return draw(single_actions(count, vm))


@st.composite
def scripts(draw: st.DrawFn, count: int, vm: int) -> tuple[Action, ...]:
    """A script: usually it configures, and a primary then runs everybody once."""
    script: list[Action] = []
    if draw(mostly([False], [True], 4)):
        script.append(Configure(draw(places), draw(places)))
    if draw(mostly([True], [False], 8)):
        script.append(Configure(*draw(mostly([GOOD_PAIRS[0]], list(GOOD_PAIRS), 3))))
    if vm == 0 and draw(mostly([True], [False], 3)):
        script += [VcpuRun(other) for other in range(1, count)]
    pieces = primary_pieces(count) if vm == 0 else secondary_pieces(count, vm)
    for piece in draw(st.lists(pieces, min_size=4, max_size=20 if vm == 0 else 12)):
        script += piece
    return tuple(script)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scripts for one to six VMs."""
    count = draw(st.sampled_from([2, 3, 4, 3, 4, 5, 3, 4, 2, 3, 4, 6, 1]))
    vcpus = tuple(draw(mostly([1], [2, 3, 8, 0], 3)) for _ in range(count - 1))
    return Scenario(tuple(draw(scripts(count, vm)) for vm in range(count)), vcpus)
