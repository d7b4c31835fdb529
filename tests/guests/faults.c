/* Exceptions caused on purpose, one a line: vector, ESR, FAR (or 0), SPSR, and ELR less the cause's address. */
#include "stage1.h"

static u64 user_stack[64];

static void number(u64 value)
{
	putc(' ');
	putx(value);
}

void take(struct frame *f)
{
	u64 esr = READ(esr_el1), far = READ(far_el1), class = esr >> 26;
	int fetch = class >= 0x20 && class <= 0x22, data = class == 0x24 || class == 0x25;

	number(f->vector);
	number(esr);
	number(fetch || data ? far : 0);
	number(f->spsr & 0xfffffff);
	number(f->elr - (fetch ? far : f->x[9]));
	f->elr = f->x[10];
	f->spsr = 0x3c5;
	f->x[11] = 1;
}

/* Run `instruction` with x9 its address and x0 `argument`; the handler goes on behind it, at EL1. */
#define TRY(title, instruction, argument) do { \
	puts(title ":"); \
	u64 taken; \
	register u64 x0 __asm__("x0") = (u64)(argument); \
	__asm__ volatile("	adr	x9, 1f\n" \
			 "	adr	x10, 2f\n" \
			 "	mov	x11, #0\n" \
			 "1:	" instruction "\n" \
			 "2:	mov	%0, x11\n" \
			 : "=r"(taken), "+r"(x0) : : "x9", "x10", "x11", "x12", "x30", "memory", "cc"); \
	puts(taken ? "\n" : " nothing\n"); \
} while (0)

#define TRY_EL0(title, instruction, argument) do { \
	puts(title ":"); \
	register u64 x0 __asm__("x0") = (u64)(argument); \
	WRITE(sp_el0, user_stack + 64); \
	__asm__ volatile("	adr	x9, 1f\n" \
			 "	adr	x10, 2f\n" \
			 "	msr	elr_el1, x9\n" \
			 "	mov	x11, #0x3c0\n" \
			 "	msr	spsr_el1, x11\n" \
			 "	eret\n" \
			 "1:	" instruction "\n" \
			 "	brk	#0xee\n" \
			 "2:\n" \
			 : "+r"(x0) : : "x9", "x10", "x11", "x12", "x30", "memory", "cc"); \
	putc('\n'); \
} while (0)

/* To the code at WINDOW, which EL0 may execute. */
#define GO_TO_EL0 \
	"mov x9, #0x80000000\n\tmsr elr_el1, x9\n\tmov x12, #0x3c0\n\tmsr spsr_el1, x12\n\teret"

void guest_main(void)
{
	WRITE(vbar_el1, vectors);
	WRITE(sctlr_el1, 0); /* EL0 may do nothing, MMU off */
	TRY_EL0("EL0 reads ctr", "mrs x12, ctr_el0", 0);
	TRY_EL0("EL0 reads cntvct", "mrs x12, cntvct_el0", 0);
	TRY_EL0("EL0 reads cntpct", "mrs x12, cntpct_el0", 0);
	TRY_EL0("EL0 reads sctlr", "mrs x12, sctlr_el1", 0);
	TRY_EL0("EL0 reads actlr", "mrs x12, actlr_el1", 0);
	TRY_EL0("EL0 reads daif", "mrs x12, daif", 0);
	TRY_EL0("EL0 hvc", "hvc #0", 0);
	TRY_EL0("EL0 smc", "smc #0", 0);
	TRY_EL0("EL0 wfi", "wfi", 0);
	TRY_EL0("EL0 dc zva", "dc zva, x0", page);
	TRY_EL0("EL0 ic ivau", "ic ivau, x0", page);
	TRY_EL0("EL0 eret", "eret", page);
	TRY("on SP_EL0", "msr spsel, #0\n\tadr x9, 3f\n\tsvc #1\n3:", 0);
	mmu_on();
	TRY("read, level 1", "ldr x12, [x0]", 0xc0000000UL);
	TRY("read, level 2", "ldr w12, [x0, #4]!", WINDOW + 0x200000);
	TRY("write, level 3", "strb w12, [x0], #1", WINDOW);
	TRY("outside the table", "ldr x12, [x0]", 1UL << 40);
	TRY("upper half, off", "ldr x12, [x0]", -8UL);
	TRY("fetch, level 3", "br x0", WINDOW + 8);
	map(&leaf[0], (u64)page | NORMAL | 1 << 7 | 3);
	TRY("write to read-only", "str x12, [x0]", WINDOW + 8);
	TRY("read of read-only", "ldr x12, [x0]", WINDOW + 8);
	TRY("ldxr of read-only", "ldxr x12, [x0]", WINDOW + 8);
	TRY("pair across the page's end", "ldp x12, xzr, [x0]", WINDOW + 0xff8);
	map(&leaf[0], (u64)page | (NORMAL & ~(1 << 10)) | 3);
	TRY("access flag", "ldr x12, [x0]", WINDOW + 8);
	map(&leaf[0], (u64)page | NORMAL | 1UL << 53 | 3);
	TRY("fetch, never", "br x0", WINDOW + 8);
	map(&leaf[0], (u64)page | NORMAL | 3);
	map(&leaf[0], (u64)page | NORMAL | 1 << 6 | 3);
	TRY("fetch of what EL0 writes", "br x0", WINDOW + 8);
	map(&leaf[0], (u64)page | NORMAL | 1UL << 53 | 3);
	map(&leaf[1], (u64)page | NORMAL | 3);
	map(&leaf[2], (u64)page | NORMAL | 1 << 6 | 1UL << 54 | 3);
	page[0] = 0xd4201dc0f940000cUL; /* ldr x12, [x0]; brk #0xee */
	TRY("EL0 reads the kernel's page", GO_TO_EL0, WINDOW + 0x1000);
	TRY("EL0 reads its own page", GO_TO_EL0, WINDOW + 0x2000);
	page[0] = 0xd400aaa1f900000cUL; /* str x12, [x0]; svc #0x555 */
	map(&leaf[2], (u64)page | NORMAL | 3 << 6 | 3);
	TRY("EL0 writes to read-only", GO_TO_EL0, WINDOW + 0x2000);
	page[0] = 0xd400aaa1d503201fUL; /* nop; svc #0x555 */
	TRY("EL0 calls", GO_TO_EL0, 0);
	map(&leaf[0], (u64)page | NORMAL | 1UL << 54 | 3);
	TRY("EL0 fetches, never", GO_TO_EL0, 0);
	page[0] = 0xd65f03c0UL; /* ret */
	map(&leaf[0], (u64)page | NORMAL | 3);
	TRY("call of a page", "blr x0", WINDOW);
	TRY("odd pc", "br x0", WINDOW + 2);
	TRY("unaligned", "ldr x12, [x0]", WINDOW + 2);
	TRY("unaligned exclusive", "ldxr x12, [x0]", WINDOW + 2);
	map(&leaf[1], 0);
	TRY("at of nothing", "at s1e1r, x0", WINDOW + 0x1000);
	puts("PAR of nothing:");
	number(READ(par_el1));
	putc('\n');
	TRY("at", "at s1e1r, x0", WINDOW + 0x10);
	puts("PAR less the page:");
	number((READ(par_el1) & 0xfffffffff001) - (u64)page);
	putc('\n');
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
