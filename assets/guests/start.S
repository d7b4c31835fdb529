/* Entry: x0 is what the hypervisor hands over (the device tree for the primary, 0 for a secondary). */
	.section .text.start, "ax"
	.globl	_start
_start:
	adr	x1, stack_top
	mov	sp, x1
	bl	guest_main
1:	wfi
	b	1b
