/* Takes SVC, BRK and an undefined instruction at EL1, and an SVC and a BRK from EL0, and says what it saw. */
#include "exceptions.h"

extern char after_svc[], at_brk[], at_udf[], user[], after_user_svc[], at_user_brk[];
static u64 user_stack[64];
static u64 return_to, stack;

void take(struct frame *f)
{
	u64 esr = READ(esr_el1);

	report("vector", f->vector);
	report("  esr", esr);
	report("  spsr", f->spsr);
	puts("  elr ");
	puts(f->elr == (u64)after_svc	     ? "after the SVC\n"
	     : f->elr == (u64)at_brk	     ? "at the BRK\n"
	     : f->elr == (u64)at_udf	     ? "at the UDF\n"
	     : f->elr == (u64)after_user_svc ? "after the user's SVC\n"
	     : f->elr == (u64)at_user_brk    ? "at the user's BRK\n"
					     : "elsewhere\n");
	report("  x7", f->x[7]);
	f->x[7]++;
	if (esr >> 26 == 0x3c && f->vector == 0x400) { /* the user's BRK ends the user */
		f->elr = return_to;
		f->spsr = 0x3c5;
	} else if (esr >> 26 == 0x3c || esr >> 26 == 0) {
		f->elr += 4;
	}
}

__attribute__((noinline)) static void at_el1(void)
{
	u64 x7, flags;

	__asm__ volatile("	mov	x7, #0x77\n"
			 "	cmp	x7, #0x77\n" /* Z and C */
			 "	svc	#42\n"
			 "after_svc:\n"
			 "	mrs	%1, nzcv\n"
			 "at_brk:\n"
			 "	brk	#7\n"
			 "at_udf:\n"
			 "	udf	#9\n"
			 "	mov	%0, x7\n"
			 : "=r"(x7), "=&r"(flags)
			 :
			 : "x7", "cc");
	report("back at EL1 with x7", x7);
	report("and flags", flags);
}

__attribute__((noinline)) static void at_el0(void)
{
	u64 x7;

	WRITE(sp_el0, user_stack + 64);
	__asm__ volatile("	adrp	x7, user\n"
			 "	add	x7, x7, :lo12:user\n"
			 "	msr	elr_el1, x7\n"
			 "	msr	spsr_el1, %3\n"
			 "	adr	x7, 1f\n"
			 "	str	x7, %1\n"
			 "	mov	x7, sp\n"
			 "	str	x7, %2\n"
			 "	mov	x7, #0x50\n"
			 "	eret\n"
			 "user:\n"
			 "	str	x7, [sp, #-16]!\n"
			 "	svc	#3\n"
			 "after_user_svc:\n"
			 "	ldr	x8, [sp], #16\n"
			 "	add	x7, x7, x8\n"
			 "at_user_brk:\n"
			 "	brk	#4\n"
			 "1:	mov	%0, x7\n"
			 : "=r"(x7), "=m"(return_to), "=m"(stack)
			 : "r"(0x3c0UL)
			 : "x7", "x8", "memory");
	report("back from EL0 with x7", x7);
	report("same stack", ({ u64 sp; __asm__ volatile("mov %0, sp" : "=r"(sp)); sp == stack; }));
}

void guest_main(void)
{
	WRITE(vbar_el1, vectors);
	at_el1();
	at_el0();
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
