"""Runs that several tests look at."""

import hfedu
from hfedu import Kind, RamDisk, clear, configure, cpu_on, receive, send, vcpu_run, wait_for_interrupt
from hfedu.files import asset
from hfedu.guest.rpc import rpc_ack, rpc_read_request, rpc_reply, rpc_request, rpc_vcpu_run
from hfedu.hf.call import CALLS, HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, by_number
from hfedu.notebook import Run
from hfedu.run.recording import Actor, Cause, Change, Event, Lifeline, Outcome

RECEIVE, CLEAR, SEND = (by_number(CALLS)[number] for number in (HF_MAILBOX_RECEIVE, HF_MAILBOX_CLEAR, HF_MAILBOX_SEND))


def relay() -> Run:
    """VM 0 sends "hello", VM 1 and VM 2 pass it on: real guests."""
    return hfedu.boot(RamDisk(asset("relay_primary.bin"), [asset("relay.bin"), asset("relay.bin")]), title="Relay")


def pingpong(traps: int) -> Run:
    """Two real guests that send a counter to and fro."""
    disk = RamDisk(asset("pingpong_primary.bin"), [asset("echo.bin")])
    return hfedu.boot(disk, str(traps), max_traps=traps, max_seconds=None, title="Ping-pong")


def refusals(again: bool = True) -> Run:
    """A refused send (if it is sent again), a vCPU that waits in WFI, and texts that would end a script."""

    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "one </script><script>document.title='broken'</script>")
        if again:
            yield send(1, "two")
        yield vcpu_run(2)
        yield vcpu_run(1)

    def reader():
        yield configure()
        yield receive()
        yield clear()

    def sleeper():
        yield wait_for_interrupt()

    return hfedu.boot(RamDisk(primary, [reader, sleeper]), title="</script><!--<script>&\"'")


def before_the_commit() -> Run:
    """Requests and replies under the interface before the commit, and a reply that is refused."""

    def primary():
        yield configure()
        yield rpc_vcpu_run(1)
        yield rpc_ack()
        yield rpc_request(1, "question")
        yield rpc_vcpu_run(1)
        yield rpc_vcpu_run(1)
        yield rpc_ack()
        yield rpc_request(1, "more")
        yield rpc_vcpu_run(1)

    def server():
        yield configure()
        yield rpc_reply("ready", ack=False)
        yield rpc_read_request(block=False)
        yield rpc_reply("answer")
        yield rpc_reply("again", ack=False)
        yield rpc_read_request()

    return hfedu.boot(RamDisk(primary, [server]), profile="rpc", title="Before the commit")


def two_cpus() -> Run:
    """Two CPUs of the primary: the first starts the second, which sends, and both run VM 1."""

    def first():
        yield configure()
        yield vcpu_run(1)
        yield cpu_on(1)
        yield vcpu_run(1)
        yield vcpu_run(1)

    def second():
        yield send(1, "from CPU 1")
        yield vcpu_run(1)

    def reader():
        yield configure()
        while True:
            yield receive()
            yield clear()

    return hfedu.boot(RamDisk([first, second], [reader]), cpus=2, schedule="every 3", title="Two CPUs")


def crowd(vms: int, rounds: int) -> Run:
    """A recording of many VMs that pass a message on in a circle, made by hand: the pool has no room for so many."""
    lines = tuple(Lifeline(Actor(i, 0), f"guest_number_{i}" if i else "vmlinuz") for i in range(vms))
    events = [Event(0, (), 0, None, Kind.BOOT)]

    def add(kind, *, actor=None, causes=(), **fields):
        causes = causes or (Cause(len(events) - 1, "before"),)
        events.append(Event(len(events), causes, 0, actor, kind, **fields))

    def call(number, row, changes, *args):
        add(Kind.HYPERCALL, actor=Actor(number, 0), call=row, function=row.number, args=args, changes=changes)

    def returns(number, row, at, *args):
        asked = {"call": row, "function": row.number, "args": args}
        add(Kind.RETURN, causes=(Cause(at, "call"),), target=Actor(number, 0), result=0, **asked)

    for i in range(vms):
        loaded = (Change(f"vm{i}.mailbox.state", None, "EMPTY"), Change(f"vm{i}.vcpu0.state", None, "READY"))
        add(Kind.LOAD, target=Actor(i), changes=loaded)
    for number in range(rounds):
        sender, to = number % vms, (number + 1) % vms
        current = (Change("cpu0.current", None, Actor(sender, 0)),)
        received = {"call": RECEIVE, "function": RECEIVE.number, "result": (number - 1) % vms | 4096 << 32}
        add(Kind.SWITCH, target=Actor(sender, 0), changes=current, **received)
        cleared = (Change(f"vm{sender}.mailbox.state", "READ", "EMPTY"),) if number >= vms else ()
        call(sender, CLEAR, cleared, 0, 0, 0)
        returns(sender, CLEAR, len(events) - 1, 0, 0, 0)
        call(sender, SEND, (), to, 4096, 0)
        full = (Change(f"vm{to}.mailbox.state", "EMPTY", "READ"),)
        message = b"sixteen letters!" * 256
        add(Kind.DELIVER, actor=Actor(sender, 0), target=Actor(to), message=message, changes=full)
        add(Kind.WAKE, target=Actor(to, 0))
        returns(sender, SEND, len(events) - 3, to, 4096, 0)
    return Run(tuple(events), "", Outcome("budget", "The guests used up their budget.", 3), lines, f"{vms} VMs")
