"""What became of the interface: a hypervisor with calls like those of Arm's Firmware Framework, FF-A, and its memory.

The calls have FF-A's names and numbers (DEN 0077). They are a model of it, not it: a result is one number in x0, 0 or
an error code, where FF-A has FFA_SUCCESS or FFA_ERROR there and the code in w2; FFA_RUN gives what HF_VCPU_RUN does; a
page is a number, not a descriptor in a buffer; one VM borrows it, not several. FFA_MSG_WAIT brings a message and keeps
RX, and a secondary that sends is switched out, as in 2018. Direct requests, notifications and the secure world are left
out. `notebooks/16_from_2018_to_ff_a.ipynb` says all of that to the learner.
"""

import struct
from enum import Enum
from typing import NamedTuple

from hfedu.hf.addr import NULL, PAGE_SIZE, Ipa, Va
from hfedu.hf.api import Result, running
from hfedu.hf.call import HF_PRIMARY_VM_ID, MASK16, MASK64, Call, Caller
from hfedu.hf.call import WAITS as RUN_REFUSED
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu
from hfedu.hf.hypervisor import Hypervisor
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import Vm

FFA_RX_RELEASE = 0x8400_0065
FFA_RXTX_MAP = 0x8400_0066
FFA_MSG_WAIT = 0x8400_006B
FFA_RUN = 0x8400_006D
FFA_MEM_DONATE = 0x8400_0071
FFA_MEM_LEND = 0x8400_0072
FFA_MEM_SHARE = 0x8400_0073
FFA_MEM_RETRIEVE_REQ = 0x8400_0074
FFA_MEM_RELINQUISH = 0x8400_0076
FFA_MEM_RECLAIM = 0x8400_0077
FFA_MSG_SEND2 = 0x8400_0086
INVALID_PARAMETERS, BUSY, DENIED = (code & MASK64 for code in (-2, -4, -6))
"""Error codes, as x0 has them here."""
MESSAGE_HEADER = struct.Struct("<5I")
"""What a sender writes before its message: flags, 0, where the message begins, sender << 16 | receiver, its size."""

MESSAGE_CALLS = (
    Call(FFA_RXTX_MAP, "FFA_RXTX_MAP", "ffa_rxtx_map", ("send", "recv"),
         meaning="names the pages TX and RX through which the VM sends and receives, once"),
    Call(FFA_MSG_SEND2, "FFA_MSG_SEND2", "ffa_msg_send2",
         meaning="copies the message in the caller's page TX to whom its header names"),
    Call(FFA_MSG_WAIT, "FFA_MSG_WAIT", "ffa_msg_wait", (), Caller.SECONDARIES, "message", DENIED,
         meaning="takes the message that came, or waits for one"),
    Call(FFA_RX_RELEASE, "FFA_RX_RELEASE", "ffa_rx_release",
         meaning="gives the caller's page RX back so that the next message can come"),
    Call(FFA_RUN, "FFA_RUN", "ffa_run", ("target",), Caller.PRIMARY, "run", RUN_REFUSED,
         meaning="runs a vCPU of a secondary: its VM in bits 16 to 31, its number below"),
)  # fmt: skip
MEMORY_CALLS = (
    Call(FFA_MEM_SHARE, "FFA_MEM_SHARE", "ffa_mem_share", ("page", "vm"),
         meaning="offers a page to a VM; both may then use it"),
    Call(FFA_MEM_LEND, "FFA_MEM_LEND", "ffa_mem_lend", ("page", "vm"),
         meaning="offers a page to a VM; the owner may not use it until it has it back"),
    Call(FFA_MEM_DONATE, "FFA_MEM_DONATE", "ffa_mem_donate", ("page", "vm"),
         meaning="offers a page to a VM, which becomes its owner"),
    Call(FFA_MEM_RETRIEVE_REQ, "FFA_MEM_RETRIEVE_REQ", "ffa_mem_retrieve_req", ("page",),
         meaning="takes a page that was offered to the caller"),
    Call(FFA_MEM_RELINQUISH, "FFA_MEM_RELINQUISH", "ffa_mem_relinquish", ("page",),
         meaning="gives a page back that the caller has borrowed"),
    Call(FFA_MEM_RECLAIM, "FFA_MEM_RECLAIM", "ffa_mem_reclaim", ("page",),
         meaning="ends an offer of the caller's, once nobody has the page"),
)  # fmt: skip


class Offer(Enum):
    """How a page is given away."""

    SHARE = "SHARE"
    LEND = "LEND"
    DONATE = "DONATE"


class Holding(NamedTuple):
    """Who owns a page, which VMs may write it, and how it is offered to which VM."""

    owner: int
    writers: frozenset[int]
    offer: Offer | None = None
    borrower: int | None = None

    @property
    def taken(self) -> bool:
        """Whether the VM that it is offered to has it."""
        return self.borrower in self.writers

    def access(self, vm: int) -> str:
        """FF-A's state of the page for a VM: whether it is the owner, and has exclusive, shared or no access."""
        kind = "NA" if vm not in self.writers else "SA" if len(self.writers) > 1 else "EA"
        return f"Owner-{kind}" if vm == self.owner else f"!Owner-{kind}"


def owned(vm: int) -> Holding:
    """A page that a VM owns and has offered to nobody."""
    return Holding(vm, frozenset((vm,)))


def coded(result: int, code: int) -> int:
    """A result of the calls of 2018, with an error code of FF-A's where it is a refusal."""
    return Refused(code, result.check) if isinstance(result, Refused) else result


class FfaLike(Hypervisor):
    """A hypervisor with messages as in FF-A: the sender writes who it is, and the hypervisor compares."""

    rows = MESSAGE_CALLS

    def api_ffa_rxtx_map(self, cpu: Cpu, send: Ipa, recv: Ipa) -> Steps[int]:
        """Name the caller's pages TX and RX, once. Locks: see `api_vm_configure`."""
        return coded((yield from self.api_vm_configure(cpu, send, recv)), INVALID_PARAMETERS)

    def api_ffa_msg_wait(self, cpu: Cpu) -> Steps[Result]:
        """Take the message that waits, or wait for one. Locks: see `api_mailbox_receive`."""
        return (yield from self.api_mailbox_receive(cpu, 1))

    def api_ffa_rx_release(self, cpu: Cpu) -> Steps[Result]:
        """Give the page RX back. Locks: see `api_mailbox_clear`."""
        ret, next_vcpu = yield from self.api_mailbox_clear(cpu)
        return coded(ret, DENIED), next_vcpu

    def api_ffa_run(self, cpu: Cpu, target: int) -> Steps[Result]:
        """Run a vCPU of a secondary. Locks: see `api_vcpu_run`."""
        return (yield from self.api_vcpu_run(cpu, target >> 16 & MASK16, target & MASK16))

    def api_ffa_msg_send2(self, cpu: Cpu) -> Steps[Result]:
        """Copy the caller's message to the VM that its header names, if the header says who the caller is.

        The message is read once, before it is looked at: the sender may write its page at any time. Takes and drops
        from.lock; then to.lock, and inside it the waiting vCPU's lock.
        """
        sender = running(cpu).vm
        yield from sl_lock(cpu, sender.lock)
        tx = sender.mailbox.send
        mapped = self.require(tx != NULL, "mailbox.send is set", sender.mailbox, DENIED, send=tx)
        page = self.mm_load(tx, PAGE_SIZE) if mapped else bytes(PAGE_SIZE)
        yield from sl_unlock(cpu, sender.lock)
        if not mapped:
            return mapped, None
        to = self.receiver_of(cpu, sender, page)
        if isinstance(to, Refused):
            return to, None
        _, _, begin, _, size = MESSAGE_HEADER.unpack_from(page)
        yield from sl_lock(cpu, to.lock)
        room = self.room_locked(to)
        if not room:
            yield from sl_unlock(cpu, to.lock)
            return coded(room, BUSY), None
        vcpu = yield from self.put(cpu, to, page[: begin + size])
        yield from sl_unlock(cpu, to.lock)
        if sender.id == HF_PRIMARY_VM_ID:
            return 0, None
        return (yield from self.route(cpu, to, begin + size, vcpu))

    def receiver_of(self, cpu: Cpu, sender: Vm, page: bytes) -> Vm | Refused:
        """The VM that a header names, or why the message is refused."""
        _, _, begin, pair, size = MESSAGE_HEADER.unpack_from(page)
        claimed, to = pair >> 16, pair & MASK16
        allowed = (
            self.names_itself(sender, claimed)
            and self.require(
                MESSAGE_HEADER.size <= begin <= PAGE_SIZE - size, "the message fits behind its header", sender,
                INVALID_PARAMETERS, offset=begin, size=size,
            )
            and self.require(to != sender.id, "vm_id is another VM", sender, INVALID_PARAMETERS, vm=to)
        )  # fmt: skip
        return allowed if isinstance(allowed, Refused) else self.existing_vm(cpu, to, INVALID_PARAMETERS)

    def names_itself(self, sender: Vm, claimed: int) -> "bool | Refused":
        """Whether the sender that a header names is the one who makes the call."""
        return self.require(
            claimed == sender.id, "the header names the caller", sender, INVALID_PARAMETERS, sender=claimed
        )

    def put(self, cpu: Cpu, to: Vm, message: bytes) -> Steps[int]:
        """Write a message into a VM's page RX and wake who waits for it: that vCPU, or 0xffff. Under to.lock."""
        mailbox = to.mailbox
        yield mailbox.deliver
        self.mm_store(Va(mailbox.recv), message)
        mailbox.recv_bytes, mailbox.recv_from_id = len(message), running(cpu).vm.id
        mailbox.state = type(mailbox.state)["READ" if self.told_at_once(to) else "RECEIVED"]
        return (yield from self.wake_waiter(cpu, to))


class FfaMemory(Hypervisor):
    """A hypervisor that knows who owns a page and who may write it; VM 0 owns each page to begin with.

    `pages` are the holdings by number of a page, under VM 0's lock. They say what stage 2 would allow, which stays as
    it is.
    """

    rows = MEMORY_CALLS
    pages: dict[int, Holding] = {}  # noqa: RUF012 - replaced, never changed

    def holding(self, page: int) -> Holding:
        """Who has a page."""
        return self.pages.get(page, owned(HF_PRIMARY_VM_ID))

    def api_ffa_mem_share(self, cpu: Cpu, page: int, vm_id: int) -> Steps[int]:
        """Offer a page to a VM, to be used by both. Takes and drops VM 0's lock."""
        return (yield from self.offer(cpu, page, vm_id, Offer.SHARE))

    def api_ffa_mem_lend(self, cpu: Cpu, page: int, vm_id: int) -> Steps[int]:
        """Offer a page to a VM for its own use. Takes and drops VM 0's lock."""
        return (yield from self.offer(cpu, page, vm_id, Offer.LEND))

    def api_ffa_mem_donate(self, cpu: Cpu, page: int, vm_id: int) -> Steps[int]:
        """Offer a page to a VM for good. Takes and drops VM 0's lock."""
        return (yield from self.offer(cpu, page, vm_id, Offer.DONATE))

    def offer(self, cpu: Cpu, page: int, vm_id: int, how: Offer) -> Steps[int]:
        """Offer a page that the caller owns and has not offered. Takes and drops VM 0's lock."""
        caller = running(cpu).vm
        to = self.existing_vm(cpu, vm_id, INVALID_PARAMETERS)
        if isinstance(to, Refused):
            return to
        other = self.require(to.id != caller.id, "vm_id is another VM", caller, INVALID_PARAMETERS, vm=vm_id)
        if not other:
            return other
        yield from sl_lock(cpu, self.vms[0].lock)
        held = self.holding(page)
        free = self.require(held.owner == caller.id, "the caller owns the page", caller, DENIED, owner=held.owner)
        free = free and self.require(held.offer is None, "the page is not offered", caller, DENIED, offer=held.offer)
        if free:
            keeps = held.writers if how is Offer.SHARE else frozenset[int]()
            yield from self.hold(page, Holding(caller.id, keeps, how, to.id))
        yield from sl_unlock(cpu, self.vms[0].lock)
        return 0 if free is True else free

    def api_ffa_mem_retrieve_req(self, cpu: Cpu, page: int) -> Steps[int]:
        """Take a page that was offered to the caller. Takes and drops VM 0's lock."""
        caller = running(cpu).vm
        yield from sl_lock(cpu, self.vms[0].lock)
        held = self.holding(page)
        offered = self.require(
            held.borrower == caller.id and not held.taken, "the page is offered to the caller", caller, DENIED,
            borrower=held.borrower, offer=held.offer,
        )  # fmt: skip
        if offered:
            donated = held.offer is Offer.DONATE
            taken = held._replace(writers=held.writers | {caller.id})
            yield from self.hold(page, owned(caller.id) if donated else taken)
        yield from sl_unlock(cpu, self.vms[0].lock)
        return 0 if offered is True else offered

    def api_ffa_mem_relinquish(self, cpu: Cpu, page: int) -> Steps[int]:
        """Give a page back that the caller has borrowed. Takes and drops VM 0's lock."""
        caller = running(cpu).vm
        yield from sl_lock(cpu, self.vms[0].lock)
        held = self.holding(page)
        has_it = self.require(
            held.borrower == caller.id and held.taken, "the caller has borrowed the page", caller, DENIED,
            borrower=held.borrower, offer=held.offer,
        )  # fmt: skip
        if has_it:
            yield from self.hold(page, held._replace(writers=held.writers - {caller.id}))
        yield from sl_unlock(cpu, self.vms[0].lock)
        return 0 if has_it is True else has_it

    def api_ffa_mem_reclaim(self, cpu: Cpu, page: int) -> Steps[int]:
        """End an offer of the caller's. Takes and drops VM 0's lock."""
        caller = running(cpu).vm
        yield from sl_lock(cpu, self.vms[0].lock)
        held = self.holding(page)
        offers = self.require(
            held.owner == caller.id and held.offer is not None, "the caller has offered the page", caller, DENIED,
            owner=held.owner, offer=held.offer,
        )  # fmt: skip
        may = offers and self.require(
            self.may_reclaim(held), "the borrower has given the page back", caller, DENIED, borrower=held.borrower
        )
        if may:
            yield from self.hold(page, Holding(caller.id, held.writers | {caller.id}))
        yield from sl_unlock(cpu, self.vms[0].lock)
        return 0 if may is True else may

    def may_reclaim(self, held: Holding) -> bool:
        """Whether an owner may end its offer now. Under VM 0's lock."""
        return not held.taken

    def hold(self, page: int, held: Holding) -> Steps[None]:
        """Note who has a page, in one step. Under VM 0's lock."""
        yield Step("notes who has the page for", self.vms[0])
        self.pages = {**self.pages, page: held}
