"""The hypercalls (upstream: src/api.c, function by function, in its order).

Each function that touches shared state is a generator of `Step`s. It decides; the handler switches: a function
that wants another vCPU to run returns it as `next`, and nothing has moved yet. Guests' mistakes return -1.
"""

from enum import Enum

from hfedu.hf import call
from hfedu.hf.addr import NULL, PAGE_SIZE, Ipa, pa_add
from hfedu.hf.arch import CNTHCTL_PRIMARY, CNTHCTL_SECONDARY, HCR_ALL_VMS, HCR_SECONDARY
from hfedu.hf.call import ERROR, HF_INVALID_VCPU, HF_MAILBOX_SIZE, HF_PRIMARY_VM_ID, MASK32, HfVcpuRun
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.mm import MM_MODE_R, MM_MODE_W, Mm
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm

_, READY, RUNNING, BLOCKED_MAILBOX, BLOCKED_INTERRUPT = VcpuState
EMPTY, RECEIVED, READ = MailboxState
YIELD, WAIT_FOR_INTERRUPT, WAKE_UP, MESSAGE = HfVcpuRun

Result = tuple[int, Vcpu | None]
"""What a hypercall decided: the caller's x0, and the vCPU to run instead of the caller, if any."""

WAITS = call.hf_vcpu_run_response(WAIT_FOR_INTERRUPT, 0, 0)
"""What the primary sees when a vCPU waits, and when it cannot run."""


class Api(Mm):
    """The hypercall interface. Guests reach it through `Handler`."""

    vms: list[Vm]

    def vm_get(self, vm_id: int) -> Vm | None:
        """The VM with this id, or None (upstream: vm.c)."""
        return self.vms[vm_id] if vm_id < len(self.vms) else None

    def vm_set_current(self, cpu: Cpu, vm: Vm) -> None:
        """Give `cpu` the VM's stage 2 and traps; each CPU owns these registers (upstream: vm.c)."""
        primary = vm.id == HF_PRIMARY_VM_ID
        cpu.vttbr_el2 = vm.id << 48 | vm.ptable.root
        cpu.hcr_el2 = HCR_ALL_VMS if primary else HCR_SECONDARY
        cpu.cnthctl_el2 = CNTHCTL_PRIMARY if primary else CNTHCTL_SECONDARY

    def api_switch_to_primary(self, cpu: Cpu, primary_retval: int, secondary_state: Enum) -> Steps[Vcpu]:
        """Decide to go back to this CPU's vCPU of the primary, whose HF_VCPU_RUN returns `primary_retval`.

        Leaves the current vCPU in `secondary_state`. Takes and drops vcpu.lock.
        """
        vcpu = running(cpu)
        next_vcpu = yield from self.return_to_primary(cpu, primary_retval)
        yield from sl_lock(cpu, vcpu.lock)
        vcpu.state = secondary_state
        yield from sl_unlock(cpu, vcpu.lock)
        return next_vcpu

    def return_to_primary(self, cpu: Cpu, primary_retval: int) -> Steps[Vcpu]:
        """The part of `api_switch_to_primary` that concerns the primary and this CPU. Needs no lock."""
        primary = self.vms[HF_PRIMARY_VM_ID]
        next_vcpu = primary.vcpus[cpu.id]
        self.vm_set_current(cpu, primary)
        yield next_vcpu.retval
        next_vcpu.regs.set_retval(primary_retval)
        return next_vcpu

    def api_yield(self, cpu: Cpu) -> Steps[Vcpu]:
        """Back to the primary, which sees YIELD; the current vCPU stays ready."""
        response = call.hf_vcpu_run_response(YIELD, 0, 0)
        return (yield from self.api_switch_to_primary(cpu, response, READY))

    def api_wait_for_interrupt(self, cpu: Cpu) -> Steps[Vcpu]:
        """Back to the primary, which sees WAIT_FOR_INTERRUPT; the current vCPU blocks."""
        return (yield from self.api_switch_to_primary(cpu, WAITS, BLOCKED_INTERRUPT))

    def api_vm_get_count(self) -> int:
        """How many VMs there are, the primary included."""
        return len(self.vms)

    def api_vcpu_get_count(self, cpu: Cpu, vm_id: int) -> int:
        """How many vCPUs a VM has, for the primary only; else -1."""
        if running(cpu).vm.id != HF_PRIMARY_VM_ID:
            return ERROR
        vm = self.vm_get(vm_id & MASK32)
        return ERROR if vm is None else vm.vcpu_count

    def api_vcpu_run(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Steps[Result]:
        """Run a vCPU of a secondary in place of the primary, if it is ready.

        The primary's result comes from whatever brings it back; a vCPU that cannot run answers
        WAIT_FOR_INTERRUPT at once. Takes and drops vcpu.lock.
        """
        vcpu = self.vcpu_of_secondary(cpu, vm_id & MASK32, vcpu_idx & MASK32)
        if vcpu is None:
            return WAITS, None
        ret: Result = WAITS, None
        yield from sl_lock(cpu, vcpu.lock)
        if self.take_locked(vcpu):
            self.vm_set_current(cpu, vcpu.vm)
            ret = call.hf_vcpu_run_response(YIELD, 0, 0), vcpu
        yield from sl_unlock(cpu, vcpu.lock)
        return ret

    def vcpu_of_secondary(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Vcpu | None:
        """The vCPU that the primary names; None if the caller is not the primary or the vCPU is not a secondary's."""
        if running(cpu).vm.id != HF_PRIMARY_VM_ID or vm_id == HF_PRIMARY_VM_ID:
            return None
        vm = self.vm_get(vm_id)
        return vm.vcpus[vcpu_idx] if vm is not None and vcpu_idx < len(vm.vcpus) else None

    def take_locked(self, vcpu: Vcpu) -> bool:
        """Make a vCPU running if it may run, under vcpu.lock."""
        if vcpu.state is not READY:
            return False
        vcpu.state = RUNNING
        return True

    def api_vm_configure(self, cpu: Cpu, send: Ipa, recv: Ipa) -> Steps[int]:
        """Name the pages through which the caller sends and receives, once: 0, or -1.

        Takes and drops vm.lock.
        """
        vm = running(cpu).vm
        if send & PAGE_SIZE - 1 or recv & PAGE_SIZE - 1:
            return ERROR
        yield from sl_lock(cpu, vm.lock)
        yield Step("configure", vm)
        ret = 0 if self.configure_locked(vm, send, recv) else ERROR
        yield from sl_unlock(cpu, vm.lock)
        return ret

    def configure_locked(self, vm: Vm, send: Ipa, recv: Ipa) -> bool:
        """The part of `api_vm_configure` under vm.lock. It edits the shared stage-1 table under that lock alone."""
        mailbox = vm.mailbox
        if mailbox.send != NULL or mailbox.recv != NULL:
            return False
        pa_send, pa_recv = (self.mm_vm_translate(vm.ptable, page) for page in (send, recv))
        if pa_send is None or pa_recv is None or pa_send == pa_recv:
            return False
        mailbox.send = self.mm_identity_map(pa_send, pa_add(pa_send, PAGE_SIZE), MM_MODE_R)
        if mailbox.send == NULL:
            return False
        mailbox.recv = self.mm_identity_map(pa_recv, pa_add(pa_recv, PAGE_SIZE), MM_MODE_W)
        if mailbox.recv == NULL:
            mailbox.send = NULL
            self.mm_unmap(pa_send, pa_add(pa_send, PAGE_SIZE))
            return False
        return True

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Copy `size` bytes from the caller's send page to another VM's receive page, and say who sent them.

        -1 if the message is too large, the target is the caller or does not exist, either side has not
        configured its pages, or the target's mailbox is not EMPTY. A secondary that succeeds is switched out
        with result 0; the primary gets the index of the vCPU that was waiting, or 0xffff.
        Takes and drops from.lock; then to.lock, and inside it the waiting vCPU's lock.
        """
        sender = running(cpu).vm
        if size > HF_MAILBOX_SIZE:
            return ERROR, None
        if vm_id & MASK32 == sender.id:
            return ERROR, None
        to = self.vm_get(vm_id & MASK32)
        if to is None:
            return ERROR, None

        yield from sl_lock(cpu, sender.lock)
        from_buf = sender.mailbox.send
        yield from sl_unlock(cpu, sender.lock)
        if from_buf == NULL:
            return ERROR, None

        yield from sl_lock(cpu, to.lock)
        mailbox = to.mailbox
        if mailbox.state is not EMPTY or mailbox.recv == NULL:
            ret = self.busy_locked(cpu, to)
            yield from sl_unlock(cpu, to.lock)
            return ret, None

        yield mailbox.deliver
        self.mm_memcpy(mailbox.recv, from_buf, size)
        mailbox.recv_bytes = size
        mailbox.recv_from_id = sender.id
        waiter = mailbox.recv_waiter
        vcpu = HF_INVALID_VCPU
        if to.id == HF_PRIMARY_VM_ID:
            mailbox.state = READ
            primary_ret = call.hf_vcpu_run_response(MESSAGE, 0, size)
        else:
            mailbox.state = RECEIVED if waiter is None else READ
            if waiter is not None:
                yield from self.wake(cpu, waiter, call.hf_mailbox_receive_response(sender.id, size))
                vcpu = waiter.index
            primary_ret = call.hf_vcpu_run_response(WAKE_UP, to.id, vcpu)
        yield from sl_unlock(cpu, to.lock)

        if sender.id == HF_PRIMARY_VM_ID:
            return vcpu, None
        return 0, (yield from self.api_switch_to_primary(cpu, primary_ret, READY))

    def busy_locked(self, cpu: Cpu, to: Vm) -> int:
        """The result of a send that `to` cannot take now, under its lock."""
        return ERROR

    def wake(self, cpu: Cpu, waiter: Vcpu, retval: int) -> Steps[None]:
        """Take the newest waiter off its VM's stack, ready to return `retval`. Under vm.lock; takes vcpu.lock in it."""
        yield from sl_lock(cpu, waiter.lock)
        yield waiter.wake
        waiter.vm.mailbox.recv_waiter = waiter.mailbox_next
        waiter.state = READY
        self.set_retval(waiter, retval)
        yield from sl_unlock(cpu, waiter.lock)

    def set_retval(self, vcpu: Vcpu, retval: int) -> None:
        """Set x0 of a vCPU that waits, under its lock. Its registers may not have been saved yet."""
        vcpu.regs.set_retval(retval)

    def api_mailbox_receive(self, cpu: Cpu, block: int) -> Steps[Result]:
        """Take the message that waits: its sender and size. Without one, -1, or block until a send wakes the caller.

        A message that was read and not cleared is not received again, so then too the caller blocks.
        Takes and drops vm.lock, and inside it vcpu.lock, twice when it blocks: the switch takes it again.
        """
        vcpu = running(cpu)
        vm = vcpu.vm
        if vm.id == HF_PRIMARY_VM_ID:
            return ERROR, None
        yield from sl_lock(cpu, vm.lock)
        mailbox = vm.mailbox
        ret = ERROR
        if mailbox.state is RECEIVED:
            yield mailbox.read
            mailbox.state = READ
            ret = call.hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes)
        elif block:
            return (yield from self.receive_blocking(cpu, vcpu))
        yield from sl_unlock(cpu, vm.lock)
        return ret, None

    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        """Block the current vCPU until a message comes, and go back to the primary. Drops vm.lock, which is held."""
        yield from self.push_waiter(cpu, vcpu, BLOCKED_MAILBOX)
        next_vcpu = yield from self.wait_for_message(cpu)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return 0, next_vcpu

    def push_waiter(self, cpu: Cpu, vcpu: Vcpu, state: Enum) -> Steps[None]:
        """Put the current vCPU on its VM's stack of waiters, in `state`. Under vm.lock; takes vcpu.lock in it."""
        yield from sl_lock(cpu, vcpu.lock)
        yield vcpu.block
        vcpu.state = state
        vcpu.mailbox_next = vcpu.vm.mailbox.recv_waiter
        vcpu.vm.mailbox.recv_waiter = vcpu
        yield from sl_unlock(cpu, vcpu.lock)

    def wait_for_message(self, cpu: Cpu) -> Steps[Vcpu]:
        """Back to the primary as from a WFI, which overwrites the state that said what the vCPU waits for."""
        return (yield from self.api_wait_for_interrupt(cpu))

    def api_mailbox_clear(self, cpu: Cpu) -> Steps[Result]:
        """Empty the caller's mailbox so that the next message can arrive: 0, or -1 unless it is READ.

        Nobody is told. Takes and drops vm.lock.
        """
        vm = running(cpu).vm
        yield from sl_lock(cpu, vm.lock)
        ret = yield from self.clear_locked(vm)
        yield from sl_unlock(cpu, vm.lock)
        return ret, None

    def clear_locked(self, vm: Vm) -> Steps[int]:
        """The part of `api_mailbox_clear` under vm.lock."""
        if vm.mailbox.state is not READ:
            return ERROR
        yield vm.mailbox.clear
        vm.mailbox.state = EMPTY
        return 0


def running(cpu: Cpu) -> Vcpu:
    """The vCPU that `cpu` runs; while a guest runs or traps there always is one."""
    assert cpu.current is not None
    return cpu.current
