/* Turns its stage-1 MMU and caches on, reads a page through another address, and repairs a fault. */
#include "stage1.h"

void take(struct frame *f)
{
	report("fault, vector", f->vector);
	report("  esr", READ(esr_el1));
	report("  far", READ(far_el1));
	report("  spsr", f->spsr & ~0xf0000000UL);
	map(&leaf[1], (u64)page | NORMAL | 3);
}

void guest_main(void)
{
	volatile u64 *window = (volatile u64 *)WINDOW;

	WRITE(vbar_el1, vectors);
	leaf[0] = (u64)page | NORMAL | 3;
	page[3] = 0x1234;
	mmu_on();
	puts("the MMU is on\n");
	report("through the window", window[3]);
	window[4] = 0x5678;
	report("at home", page[4]);
	report("read", window[512 + 4]);
	map(&leaf[1], 0);
	window[512 + 5] = 0x9abc;
	report("written", page[5]);
	map(&leaf[0], (u64)page | NORMAL | 1 << 7 | 3); /* read only */
	report("still there", window[5]);
	hvc(HF_VM_GET_COUNT, 0, 0, 0);
	puts("after a hypercall\n");
	WRITE(sctlr_el1, READ(sctlr_el1) & ~(1UL | 1 << 2 | 1 << 12));
	report("off again", page[5]);
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
