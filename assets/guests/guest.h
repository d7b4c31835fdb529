/*
 * What every guest of the lessons needs: hypercalls, the serial line, and its two mailbox pages.
 * Freestanding, position independent, MMU off. guest.ld puts the pages behind the code.
 */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#include "calls.h"

enum { YIELD, WAIT_FOR_INTERRUPT, WAKE_UP, MESSAGE };

extern u8 send_page[4096] __attribute__((visibility("hidden")));
extern u8 recv_page[4096] __attribute__((visibility("hidden")));

/* What makes a hypercall is inlined at every level, and its instructions count as the caller's line. */
#ifdef __clang__
#define CALLERS_LINE __attribute__((always_inline, nodebug))
#else
#define CALLERS_LINE
#endif

/* The hypercall: function and arguments in x0-x3, the result in x0; x1-x17 come back as zero. */
CALLERS_LINE static inline u64 hvc(u64 function, u64 a1, u64 a2, u64 a3)
{
	register u64 x0 __asm__("x0") = function;
	register u64 x1 __asm__("x1") = a1;
	register u64 x2 __asm__("x2") = a2;
	register u64 x3 __asm__("x3") = a3;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
			   "x17", "memory", "cc");
	return x0;
}

CALLERS_LINE static inline u64 configure(void)
{
	return hvc(HF_VM_CONFIGURE, (u64)send_page, (u64)recv_page, 0);
}

static inline void putc(char c)
{
	volatile u32 *uart = (volatile u32 *)0x09000000;

	while (uart[6] & 0x20) {
	}
	uart[0] = (u8)c;
}

static inline void puts(const char *text)
{
	while (*text)
		putc(*text++);
}

static inline void write(const u8 *text, u64 size)
{
	while (size--)
		putc(*text++);
}

static inline void putd(u64 number)
{
	if (number >= 10)
		putd(number / 10);
	putc('0' + number % 10);
}

static inline void copy(u8 *to, const u8 *from, u64 size)
{
	while (size--)
		*(volatile u8 *)to++ = *from++;
}

#endif
