/* For guests that take exceptions: a vector table that saves everything, and names for registers. */
#ifndef EXCEPTIONS_H
#define EXCEPTIONS_H

#include "guest.h"

#define READ(name) ({ u64 value_; __asm__ volatile("mrs %0, " #name : "=r"(value_)); value_; })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0\n\tisb" : : "r"((u64)(value)) : "memory")

struct frame {
	u64 x[31], elr, spsr, vector;
};

void take(struct frame *frame);
extern char vectors[] __attribute__((visibility("hidden")));

#define ENTRY(offset) \
	"	.balign 128\n" \
	"	sub	sp, sp, #272\n" \
	"	stp	x0, x1, [sp]\n" \
	"	mov	x0, #" #offset "\n" \
	"	b	save\n"

__asm__(
	"	.pushsection .text\n"
	"	.balign	2048\n"
	"vectors:\n"
	ENTRY(0x000) ENTRY(0x080) ENTRY(0x100) ENTRY(0x180)
	ENTRY(0x200) ENTRY(0x280) ENTRY(0x300) ENTRY(0x380)
	ENTRY(0x400) ENTRY(0x480) ENTRY(0x500) ENTRY(0x580)
	ENTRY(0x600) ENTRY(0x680) ENTRY(0x700) ENTRY(0x780)
	"save:\n"
	"	stp	x2, x3, [sp, #16]\n"
	"	stp	x4, x5, [sp, #32]\n"
	"	stp	x6, x7, [sp, #48]\n"
	"	stp	x8, x9, [sp, #64]\n"
	"	stp	x10, x11, [sp, #80]\n"
	"	stp	x12, x13, [sp, #96]\n"
	"	stp	x14, x15, [sp, #112]\n"
	"	stp	x16, x17, [sp, #128]\n"
	"	stp	x18, x19, [sp, #144]\n"
	"	stp	x20, x21, [sp, #160]\n"
	"	stp	x22, x23, [sp, #176]\n"
	"	stp	x24, x25, [sp, #192]\n"
	"	stp	x26, x27, [sp, #208]\n"
	"	stp	x28, x29, [sp, #224]\n"
	"	mrs	x1, elr_el1\n"
	"	stp	x30, x1, [sp, #240]\n"
	"	mrs	x1, spsr_el1\n"
	"	stp	x1, x0, [sp, #256]\n"
	"	mov	x0, sp\n"
	"	bl	take\n"
	"	ldp	x30, x1, [sp, #240]\n"
	"	ldr	x0, [sp, #256]\n"
	"	msr	elr_el1, x1\n"
	"	msr	spsr_el1, x0\n"
	"	ldp	x28, x29, [sp, #224]\n"
	"	ldp	x26, x27, [sp, #208]\n"
	"	ldp	x24, x25, [sp, #192]\n"
	"	ldp	x22, x23, [sp, #176]\n"
	"	ldp	x20, x21, [sp, #160]\n"
	"	ldp	x18, x19, [sp, #144]\n"
	"	ldp	x16, x17, [sp, #128]\n"
	"	ldp	x14, x15, [sp, #112]\n"
	"	ldp	x12, x13, [sp, #96]\n"
	"	ldp	x10, x11, [sp, #80]\n"
	"	ldp	x8, x9, [sp, #64]\n"
	"	ldp	x6, x7, [sp, #48]\n"
	"	ldp	x4, x5, [sp, #32]\n"
	"	ldp	x2, x3, [sp, #16]\n"
	"	ldp	x0, x1, [sp]\n"
	"	add	sp, sp, #272\n"
	"	eret\n"
	"	.popsection\n");

static inline void putx(u64 number)
{
	if (number >= 16)
		putx(number >> 4);
	putc("0123456789abcdef"[number & 15]);
}

static inline void report(const char *name, u64 value)
{
	puts(name);
	puts(" 0x");
	putx(value);
	putc('\n');
}

#endif
