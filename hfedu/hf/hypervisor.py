"""The whole hypervisor, from power-on to the first guest (upstream: src/main.c)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from hfedu.hf.addr import Pa
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.hf.cpu import Cpu
from hfedu.hf.handler import Handler
from hfedu.hf.load import Load, LoadFailed
from hfedu.hf.mm import MM_MODE_R, El2Abort
from hfedu.hf.platform import MAX_CPUS, HypervisorHang, HypervisorPanic, Platform


class Hypervisor(Load, Handler):
    """Hafnium as of 2018-10-04. Its state is `vms`, `cpus`, and the tables in the platform's memory.

    `one_time_init` boots it, `cpu_main` enters the primary, `handle` serves a guest's trap. What the real one
    does not survive raises `HypervisorHang`; power-off raises `PowerDown`.
    """

    cpu_type: Callable[[int], Cpu] = Cpu

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        self.cpus = [self.cpu_type(i) for i in range(MAX_CPUS)]

    def panic(self, message: str) -> NoReturn:
        """Print the message and spin for ever (upstream: src/panic.c)."""
        self.dlog(f"Panic: {message}\n")
        raise HypervisorPanic(f"The hypervisor panicked: {message}.")

    @contextmanager
    def or_panic(self, message: str) -> Iterator[None]:
        """Do something without which the hypervisor cannot boot."""
        try:
            yield
        except LoadFailed:
            self.panic(message)

    def one_time_init(self) -> None:
        """Boot: build the hypervisor's own tables, read the device tree, load every VM."""
        self.dlog("Initialising hafnium\n")
        if not self.mm_init():
            self.panic("mm_init failed")
        try:
            self.load_vms()
        except El2Abort as abort:
            raise HypervisorHang(f"While it loaded the VMs, {abort}: a kernel lies where it should not.") from None
        self.dlog("Hafnium initialisation completed\n")

    def load_vms(self) -> None:
        """Load what the RAM disk holds and tell the primary about it."""
        with self.or_panic("unable to retrieve boot params"):
            params = self.plat_get_boot_params()
        for begin, end in params.mem_ranges:
            self.dlog(f"Memory range:  {begin:#x} - {end - 1:#x}\n")
        begin, end = params.initrd
        self.dlog(f"Ramdisk range: {begin:#x} - {end - 1:#x}\n")
        if not self.mm_identity_map(Pa(begin), Pa(end), MM_MODE_R):
            self.panic("unable to map initrd in")
        with self.or_panic("unable to load primary VM"):
            primary_initrd = self.load_primary(params.initrd, params.kernel_arg)
        with self.or_panic("unable to load secondary VMs"):
            reserved = self.load_secondary(params.initrd, params)
        with self.or_panic("plat_update_boot_params failed"):
            self.plat_update_boot_params(primary_initrd, reserved)

    def cpu_main(self, cpu: Cpu) -> None:
        """Put this CPU's vCPU of the primary on it."""
        cpu.is_on = True
        self.dlog(f"Starting up cpu {cpu.id}\n")
        primary = self.vms[HF_PRIMARY_VM_ID]
        self.vm_set_current(cpu, primary)
        cpu.current = primary.vcpus[cpu.id]
        cpu.regs[:] = cpu.current.regs
