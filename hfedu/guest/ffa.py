"""What a scripted guest does under an interface like FF-A (`history/ffa.py`); the rest is as in `scripted`."""

from hfedu.guest.scripted import (
    RECV_PAGE,
    SEND_PAGE,
    Action,
    Message,
    ScriptedVcpu,
    ScriptError,
    as_bytes,
    hypercall,
)
from hfedu.guest.syndrome import signed
from hfedu.hf.addr import PAGE_SIZE
from hfedu.hf.call import MASK16, by_number, hf_mailbox_receive_return
from hfedu.history.ffa import (
    FFA_MEM_DONATE,
    FFA_MEM_LEND,
    FFA_MEM_RECLAIM,
    FFA_MEM_RELINQUISH,
    FFA_MEM_RETRIEVE_REQ,
    FFA_MEM_SHARE,
    FFA_MSG_SEND2,
    FFA_MSG_WAIT,
    FFA_RUN,
    FFA_RX_RELEASE,
    FFA_RXTX_MAP,
    MEMORY_CALLS,
    MESSAGE_CALLS,
    MESSAGE_HEADER,
)

_ROWS = by_number((*MESSAGE_CALLS, *MEMORY_CALLS))


def ffa_rxtx_map() -> Action:
    """Name the pages TX and RX (the VM's fifth and sixth page). Gives 0 or an error code."""

    def prepare(guest: ScriptedVcpu) -> tuple[int, ...]:
        guest.asked = guest.base + SEND_PAGE, guest.base + RECV_PAGE
        return FFA_RXTX_MAP, *guest.asked, 0

    def meaning(guest: ScriptedVcpu, x0: int) -> int:
        if x0 == 0:
            guest.of_vm["pages"] = guest.asked
        return signed(x0)

    return Action("hvc", prepare=prepare, meaning=meaning)


def ffa_msg_send2(vm: int, data: bytes | str, sender: int | None = None) -> Action:
    """Write a header and `data` into the page TX and send both. `sender` is who the header says it is from.

    Without it the header tells the truth. Gives 0 or an error code.
    """
    data = as_bytes(data, "ffa_msg_send2()")
    if len(data) > PAGE_SIZE - MESSAGE_HEADER.size:
        raise ScriptError(
            f"a message has {PAGE_SIZE - MESSAGE_HEADER.size} bytes at most behind its header, not {len(data)}"
        )

    def prepare(guest: ScriptedVcpu) -> tuple[int, ...]:
        own = guest.vcpu.vm.id if sender is None else sender
        header = MESSAGE_HEADER.pack(0, 0, MESSAGE_HEADER.size, (own & MASK16) << 16 | vm & MASK16, len(data))
        if guest.pages is not None:
            guest.store(guest.pages[0], header + data)
        return FFA_MSG_SEND2, 0, 0, 0

    return Action("hvc", prepare=prepare)


def ffa_msg_wait() -> Action:
    """Take the message that came, or wait for one. Gives a `Message`, with the sender that its header names."""

    def meaning(guest: ScriptedVcpu, x0: int) -> Message | int:
        if signed(x0) < 0:
            return signed(x0)
        received = guest.received(hf_mailbox_receive_return(x0).size)
        _, _, begin, pair, size = MESSAGE_HEADER.unpack_from(received)
        return Message(pair >> 16, received[begin : begin + size])

    return Action("hvc", (FFA_MSG_WAIT, 0, 0, 0), meaning=meaning)


def ffa_rx_release() -> Action:
    """Give the page RX back so that the next message can come. Gives 0 or an error code."""
    return hypercall(_ROWS[FFA_RX_RELEASE])()


def ffa_run(vm: int, vcpu: int = 0) -> Action:
    """Run a vCPU of a secondary. Gives a `VcpuRunReturn` when control comes back."""
    return hypercall(_ROWS[FFA_RUN])(vm << 16 | vcpu)


def ffa_mem_share(page: int, vm: int) -> Action:
    """Offer a page to a VM, to be used by both. Gives 0 or an error code, as all of these."""
    return hypercall(_ROWS[FFA_MEM_SHARE])(page, vm)


def ffa_mem_lend(page: int, vm: int) -> Action:
    """Offer a page to a VM; the owner may not use it until it has it back."""
    return hypercall(_ROWS[FFA_MEM_LEND])(page, vm)


def ffa_mem_donate(page: int, vm: int) -> Action:
    """Offer a page to a VM, which becomes its owner."""
    return hypercall(_ROWS[FFA_MEM_DONATE])(page, vm)


def ffa_mem_retrieve_req(page: int) -> Action:
    """Take a page that was offered."""
    return hypercall(_ROWS[FFA_MEM_RETRIEVE_REQ])(page)


def ffa_mem_relinquish(page: int) -> Action:
    """Give a borrowed page back."""
    return hypercall(_ROWS[FFA_MEM_RELINQUISH])(page)


def ffa_mem_reclaim(page: int) -> Action:
    """End an offer, once nobody has the page."""
    return hypercall(_ROWS[FFA_MEM_RECLAIM])(page)
