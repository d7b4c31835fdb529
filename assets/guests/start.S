/*
 * Entry: x0 is what the hypervisor hands over (the device tree for the primary, 0 for a secondary).
 * With RUNTIME also what compilers take for granted: pointers in data that point somewhere, memcpy and memset.
 */
	.section .text.start, "ax"
	.globl	_start
_start:
	adr	x1, stack_top
	mov	sp, x1
#ifdef RUNTIME
	adr	x1, _start
	adr	x2, rela_begin
	adr	x3, rela_end
1:	cmp	x2, x3
	b.eq	2f
	ldp	x4, x5, [x2], #16	/* the offset, and a type that is always R_AARCH64_RELATIVE */
	ldr	x5, [x2], #8
	add	x5, x5, x1
	str	x5, [x1, x4]
	b	1b
2:
#endif
	bl	guest_main
1:	wfi
	b	1b

#ifdef RUNTIME
	.globl	memcpy, memset
memcpy:
	mov	x3, x0
1:	cbz	x2, 2f
	ldrb	w4, [x1], #1
	strb	w4, [x3], #1
	sub	x2, x2, #1
	b	1b
2:	ret

memset:
	mov	x3, x0
1:	cbz	x2, 2f
	strb	w1, [x3], #1
	sub	x2, x2, #1
	b	1b
2:	ret
#endif
