"""The machine below the hypervisor: QEMU's `virt` board, as far as a small hypervisor sees it."""
