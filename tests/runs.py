"""Runs that several tests look at."""

import hfedu
from hfedu import Kind, RamDisk, clear, configure, cpu_on, receive, send, vcpu_run, wait_for_interrupt
from hfedu.files import asset
from hfedu.guest.rpc import rpc_ack, rpc_read_request, rpc_reply, rpc_request, rpc_vcpu_run
from hfedu.hf.call import CALLS, HF_MAILBOX_CLEAR, HF_MAILBOX_RECEIVE, HF_MAILBOX_SEND, by_number
from hfedu.notebook import Run
from hfedu.run.recording import Actor, Cause, Change, Event, Lifeline, Outcome


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
    rows = by_number(CALLS)
    events = [Event(0, (), 0, None, Kind.BOOT)]

    def add(kind, actor=None, role="call", to=None, of=None, **fields):
        """An event; its cause is event `to`, the one before if that is None, and `of` is the number of its call."""
        causes = (Cause(len(events) - 1 if to is None else to, role),)
        if of is not None:
            fields |= {"call": rows[of], "function": of}
        events.append(Event(len(events), causes, 0, actor, kind, **fields))
        return len(events) - 1

    for i in range(vms):
        loaded = (Change(f"vm{i}.mailbox.state", None, "EMPTY"), Change(f"vm{i}.vcpu0.state", None, "READY"))
        add(Kind.LOAD, role="before", target=Actor(i), changes=loaded)
    for number in range(rounds):
        vm, to = number % vms, (number + 1) % vms
        sender = Actor(vm, 0)
        current = (Change("cpu0.current", None, sender),)
        switch = add(Kind.SWITCH, target=sender, of=HF_MAILBOX_RECEIVE, result=16 << 32, changes=current)
        cleared = (Change(f"vm{vm}.mailbox.state", "READ", "EMPTY"),) if number >= vms else ()
        add(Kind.HYPERCALL, sender, "cpu", of=HF_MAILBOX_CLEAR, args=(0, 0, 0), changes=cleared)
        add(Kind.RETURN, target=sender, of=HF_MAILBOX_CLEAR, args=(0, 0, 0), result=0)
        send = add(Kind.HYPERCALL, sender, "cpu", to=switch, of=HF_MAILBOX_SEND, args=(to, 4096, 0))
        full = (Change(f"vm{to}.mailbox.state", "EMPTY", "READ"),)
        add(Kind.DELIVER, sender, target=Actor(to), message=b"sixteen letters!" * 256, changes=full)
        add(Kind.WAKE, role="message", target=Actor(to, 0))
        add(Kind.RETURN, to=send, target=sender, of=HF_MAILBOX_SEND, args=(to, 4096, 0), result=0)
    return Run(tuple(events), "", Outcome("budget", "The guests used up their budget.", 3), lines, f"{vms} VMs")
