"""The hypercalls (upstream: src/api.c, function by function, in its order).

Each function that touches shared state is a generator of `Step`s. It decides; the handler switches: a function
that wants another vCPU to run returns it as `next`, and nothing has moved yet. Guests' mistakes return -1, as a
`Refused` that says which condition failed. Who may make a call, and the width of its arguments, is checked before, in
the handler: see the table in call.py.
"""

from enum import Enum

from hfedu.hf import call
from hfedu.hf.addr import NULL, PAGE_SIZE, Ipa, Va, pa_add
from hfedu.hf.arch import CNTHCTL_PRIMARY, CNTHCTL_SECONDARY, HCR_ALL_VMS, HCR_SECONDARY
from hfedu.hf.call import ERROR, HF_INVALID_VCPU, HF_MAILBOX_SIZE, HF_PRIMARY_VM_ID, WAITS, HfVcpuRun
from hfedu.hf.check import Refused
from hfedu.hf.cpu import Cpu, Vcpu, VcpuState
from hfedu.hf.hook import hook
from hfedu.hf.mm import MM_MODE_R, MM_MODE_W, Mm
from hfedu.hf.spinlock import Step, Steps, sl_lock, sl_unlock
from hfedu.hf.vm import MailboxState, Vm

_, READY, RUNNING, BLOCKED_MAILBOX, BLOCKED_INTERRUPT = VcpuState
EMPTY, RECEIVED, READ = MailboxState
YIELD, WAKE_UP, MESSAGE = HfVcpuRun.YIELD, HfVcpuRun.WAKE_UP, HfVcpuRun.MESSAGE

Result = tuple[int, Vcpu | None]
"""What a hypercall decided: the caller's x0, and the vCPU to run instead of the caller, if any."""


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

    @hook
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

    def api_vm_get_count(self, cpu: Cpu) -> int:
        """How many VMs there are, the primary included."""
        return len(self.vms)

    def api_vcpu_get_count(self, cpu: Cpu, vm_id: int) -> int:
        """How many vCPUs a VM has, or -1. For the primary only."""
        vm = self.existing_vm(cpu, vm_id)
        return vm if isinstance(vm, Refused) else vm.vcpu_count

    @hook
    def existing_vm(self, cpu: Cpu, vm_id: int, result: int = ERROR) -> Vm | Refused:
        """The VM that a caller names, or the refusal with `result`."""
        vm = self.vm_get(vm_id)
        exists = self.require(
            vm is not None, "vm_id < vm_count", running(cpu).vm, result, vm=vm_id, count=len(self.vms)
        )
        return exists if isinstance(exists, Refused) else self.vms[vm_id]

    def api_vcpu_run(self, cpu: Cpu, vm_id: int, vcpu_idx: int) -> Steps[Result]:
        """Run a vCPU of a secondary in place of the primary, if it is ready. For the primary only.

        The primary's result comes from whatever brings it back; a vCPU that cannot run answers
        WAIT_FOR_INTERRUPT at once. Takes and drops vcpu.lock.
        """
        vcpu = self.vcpu_of_secondary(cpu, vm_id, vcpu_idx, WAITS)
        if isinstance(vcpu, Refused):
            return vcpu, None
        yield from sl_lock(cpu, vcpu.lock)
        taken = self.take_locked(vcpu)
        ret: Result = taken if isinstance(taken, Refused) else WAITS, None
        if taken:
            self.vm_set_current(cpu, vcpu.vm)
            ret = call.hf_vcpu_run_response(YIELD, 0, 0), vcpu
        yield from sl_unlock(cpu, vcpu.lock)
        return ret

    @hook
    def vcpu_of_secondary(self, cpu: Cpu, vm_id: int, vcpu_idx: int, result: int = ERROR) -> Vcpu | Refused:
        """The vCPU of a secondary that the primary names, or the refusal with `result`."""
        caller = running(cpu).vm
        secondary = self.require(vm_id != HF_PRIMARY_VM_ID, "vm_id is a secondary", caller, result, vm=vm_id)
        if isinstance(secondary, Refused):
            return secondary
        vm = self.existing_vm(cpu, vm_id, result)
        if isinstance(vm, Refused):
            return vm
        there = vcpu_idx < len(vm.vcpus)
        exists = self.require(there, "vcpu_idx < vcpu_count", vm, result, vcpu=vcpu_idx, count=len(vm.vcpus))
        return exists if isinstance(exists, Refused) else vm.vcpus[vcpu_idx]

    @hook
    def take_locked(self, vcpu: Vcpu) -> bool | Refused:
        """Make a vCPU running if it may run, under vcpu.lock. What is false says that it may not, a `Refused` why."""
        ready = self.require(vcpu.state is READY, "vcpu.state is READY", vcpu, WAITS, state=vcpu.state)
        if ready:
            vcpu.state = RUNNING
        return ready

    def api_vm_configure(self, cpu: Cpu, send: Ipa, recv: Ipa) -> Steps[int]:
        """Name the pages through which the caller sends and receives, once: 0, or -1.

        Takes and drops vm.lock.
        """
        vm = running(cpu).vm
        aligned = self.require(not send & PAGE_SIZE - 1, "send is the start of a page", vm, send=send) and self.require(
            not recv & PAGE_SIZE - 1, "recv is the start of a page", vm, recv=recv
        )
        if not aligned:
            return aligned
        yield from sl_lock(cpu, vm.lock)
        yield Step("configure", vm)
        ret = self.configure_locked(vm, send, recv)
        yield from sl_unlock(cpu, vm.lock)
        return ret

    @hook
    def configure_locked(self, vm: Vm, send: Ipa, recv: Ipa) -> int:
        """The part of `api_vm_configure` under vm.lock. It edits the shared stage-1 table under that lock alone."""
        mailbox = vm.mailbox
        unset = mailbox.send == NULL and mailbox.recv == NULL
        fresh = self.require(unset, "mailbox has no pages", mailbox, send=mailbox.send, recv=mailbox.recv)
        if not fresh:
            return fresh
        pa_send, pa_recv = (self.mm_vm_translate(vm.ptable, page) for page in (send, recv))
        mapped = self.require(pa_send is not None, "stage 2 maps send", vm, send=send) and self.require(
            pa_recv is not None, "stage 2 maps recv", vm, recv=recv
        )
        if pa_send is None or pa_recv is None:
            return mapped
        differ = self.require(pa_send != pa_recv, "send != recv", vm, send=send, recv=recv)
        if not differ:
            return differ
        mailbox.send = self.mm_identity_map(pa_send, pa_add(pa_send, PAGE_SIZE), MM_MODE_R)
        done = self.require(mailbox.send != NULL, "stage 1 has mapped send", mailbox, send=send, free=self.heap_left())
        if not done:
            return done
        mailbox.recv = self.mm_identity_map(pa_recv, pa_add(pa_recv, PAGE_SIZE), MM_MODE_W)
        done = self.require(mailbox.recv != NULL, "stage 1 has mapped recv", mailbox, recv=recv, free=self.heap_left())
        if not done:
            mailbox.send = NULL
            self.mm_unmap(pa_send, pa_add(pa_send, PAGE_SIZE))
            return done
        return 0

    def api_mailbox_send(self, cpu: Cpu, vm_id: int, size: int) -> Steps[Result]:
        """Copy `size` bytes from the caller's send page to another VM's receive page, and say who sent them.

        -1 if the message is too large, the target is the caller or does not exist, either side has not
        configured its pages, or the target's mailbox is not EMPTY. A secondary that succeeds is switched out
        with result 0; the primary gets the index of the vCPU that was waiting, or 0xffff.
        Takes and drops from.lock; then to.lock, and inside it the waiting vCPU's lock.
        """
        sender = running(cpu).vm
        fits = self.require(size <= HF_MAILBOX_SIZE, "size <= HF_MAILBOX_SIZE", sender, size=size)
        if not fits:
            return fits, None
        other = self.require(vm_id != sender.id, "vm_id is another VM", sender, vm=vm_id)
        if not other:
            return other, None
        to = self.existing_vm(cpu, vm_id)
        if isinstance(to, Refused):
            return to, None

        yield from sl_lock(cpu, sender.lock)
        from_buf = sender.mailbox.send
        configured = self.require(from_buf != NULL, "mailbox.send is set", sender.mailbox, send=from_buf)
        yield from sl_unlock(cpu, sender.lock)
        if not configured:
            return configured, None

        yield from sl_lock(cpu, to.lock)
        room = self.room_locked(to)
        if not room:
            ret = self.busy_locked(cpu, to)
            yield from sl_unlock(cpu, to.lock)
            return room if ret is None else ret, None
        vcpu = yield from self.deliver(cpu, to, from_buf, size)
        yield from sl_unlock(cpu, to.lock)
        return (yield from self.route(cpu, to, size, vcpu))

    @hook
    def room_locked(self, to: Vm) -> bool | Refused:
        """Whether `to` can take a message now, under its lock."""
        mailbox = to.mailbox
        empty = self.require(mailbox.state is EMPTY, "mailbox.state is EMPTY", mailbox, state=mailbox.state)
        return empty and self.require(mailbox.recv != NULL, "mailbox.recv is set", mailbox, recv=mailbox.recv)

    @hook
    def busy_locked(self, cpu: Cpu, to: Vm) -> int | None:
        """The result of a send for which `to` has no room, under its lock. None refuses it for that reason."""
        return None

    @hook
    def deliver(self, cpu: Cpu, to: Vm, from_buf: Va, size: int) -> Steps[int]:
        """Copy a message and wake who waits for it: the index of that vCPU, or 0xffff. Under to.lock.

        Nothing is checked here: see `room_locked`.
        """
        yield from self.copy_message(cpu, to, from_buf, size)
        to.mailbox.state = READ if self.told_at_once(to) else RECEIVED
        return (yield from self.wake_waiter(cpu, to))

    @hook
    def copy_message(self, cpu: Cpu, to: Vm, from_buf: Va, size: int) -> Steps[None]:
        """The bytes, and beside them how many there are and who sent them. Under to.lock."""
        mailbox = to.mailbox
        yield mailbox.deliver
        self.mm_memcpy(mailbox.recv, from_buf, size)
        mailbox.recv_bytes = size
        mailbox.recv_from_id = running(cpu).vm.id

    @hook
    def told_at_once(self, to: Vm) -> bool:
        """Whether a VM learns of a message as it comes: the primary does, and who waits for one. Under to.lock."""
        waits = self.noted(
            to.mailbox.recv_waiter is not None, "a vCPU waits", to.mailbox, waiter=to.mailbox.recv_waiter
        )
        return waits or to.id == HF_PRIMARY_VM_ID

    @hook
    def wake_waiter(self, cpu: Cpu, to: Vm) -> Steps[int]:
        """Wake the newest vCPU that waits for a message, with what the mailbox says: its index, or 0xffff.

        Under to.lock; takes the vCPU's lock in it. A vCPU of the primary never waits.
        """
        mailbox = to.mailbox
        waiter = mailbox.recv_waiter
        if waiter is None:
            return HF_INVALID_VCPU
        retval = call.hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes)
        yield from self.wake(cpu, waiter, retval)
        return waiter.index

    @hook
    def route(self, cpu: Cpu, to: Vm, size: int, vcpu: int) -> Steps[Result]:
        """What a send returns that was delivered, and who runs next. Needs no lock."""
        if running(cpu).vm.id == HF_PRIMARY_VM_ID:
            return vcpu, None
        said = (MESSAGE, 0, size) if to.id == HF_PRIMARY_VM_ID else (WAKE_UP, to.id, vcpu)
        return 0, (yield from self.api_switch_to_primary(cpu, call.hf_vcpu_run_response(*said), READY))

    @hook
    def wake(self, cpu: Cpu, waiter: Vcpu, retval: int) -> Steps[None]:
        """Take the newest waiter off its VM's stack, ready to return `retval`. Under vm.lock; takes vcpu.lock in it."""
        yield from sl_lock(cpu, waiter.lock)
        yield waiter.wake
        waiter.vm.mailbox.recv_waiter = waiter.mailbox_next
        waiter.state = READY
        self.set_retval(waiter, retval)
        yield from sl_unlock(cpu, waiter.lock)

    @hook
    def set_retval(self, vcpu: Vcpu, retval: int) -> None:
        """Set x0 of a vCPU that waits, under its lock. Its registers may not have been saved yet."""
        vcpu.regs.set_retval(retval)

    def api_mailbox_receive(self, cpu: Cpu, block: int) -> Steps[Result]:
        """Take the message that waits: its sender and size. Without one, -1, or block until a send wakes the caller.

        For secondaries only. A message that was read and not cleared is not received again, so then too the caller
        blocks. Takes and drops vm.lock, and inside it vcpu.lock, twice when it blocks: the switch takes it again.
        """
        vcpu = running(cpu)
        vm, mailbox = vcpu.vm, vcpu.vm.mailbox
        yield from sl_lock(cpu, vm.lock)
        if self.noted(mailbox.state is RECEIVED, "mailbox.state is RECEIVED", mailbox, state=mailbox.state):
            yield mailbox.read
            mailbox.state = READ
            ret = call.hf_mailbox_receive_response(mailbox.recv_from_id, mailbox.recv_bytes)
        else:
            may_wait = self.require(bool(block), "the caller may wait", mailbox, state=mailbox.state, block=block)
            if may_wait:
                return (yield from self.receive_blocking(cpu, vcpu))
            ret = may_wait
        yield from sl_unlock(cpu, vm.lock)
        return ret, None

    @hook
    def receive_blocking(self, cpu: Cpu, vcpu: Vcpu) -> Steps[Result]:
        """Block the current vCPU until a message comes, and go back to the primary. Drops vm.lock, which is held."""
        yield from self.push_waiter(cpu, vcpu, BLOCKED_MAILBOX)
        next_vcpu = yield from self.wait_for_message(cpu)
        yield from sl_unlock(cpu, vcpu.vm.lock)
        return 0, next_vcpu

    @hook
    def push_waiter(self, cpu: Cpu, vcpu: Vcpu, state: Enum) -> Steps[None]:
        """Put the current vCPU on its VM's stack of waiters, in `state`. Under vm.lock; takes vcpu.lock in it."""
        yield from sl_lock(cpu, vcpu.lock)
        yield vcpu.block
        vcpu.state = state
        vcpu.mailbox_next = vcpu.vm.mailbox.recv_waiter
        vcpu.vm.mailbox.recv_waiter = vcpu
        yield from sl_unlock(cpu, vcpu.lock)

    @hook
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

    @hook
    def clear_locked(self, vm: Vm) -> Steps[int]:
        """The part of `api_mailbox_clear` under vm.lock."""
        mailbox = vm.mailbox
        read = self.require(mailbox.state is READ, "mailbox.state is READ", mailbox, state=mailbox.state)
        if not read:
            return read
        yield mailbox.clear
        mailbox.state = EMPTY
        return 0


def running(cpu: Cpu) -> Vcpu:
    """The vCPU that `cpu` runs; while a guest runs or traps there always is one."""
    assert cpu.current is not None
    return cpu.current
