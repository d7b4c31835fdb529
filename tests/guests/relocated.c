/*
 * A program that hfedu knows nothing of: linked as a static PIE with the linker's own layout, no header of ours. Its
 * entry code applies its own relocations.
 */
typedef unsigned long u64;
struct dynamic {
	u64 tag, value;
};
struct rela {
	u64 offset, info, addend;
};

extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern struct dynamic _DYNAMIC[] __attribute__((visibility("hidden")));

__asm__("	.globl	_start\n"
	"_start:	adrp	x1, stack + 4096\n"
	"	add	x1, x1, :lo12:stack + 4096\n"
	"	mov	sp, x1\n"
	"	bl	relocate\n"
	"	bl	program\n"
	"	.balign	8\n");

char stack[4096] __attribute__((aligned(16), visibility("hidden")));

__attribute__((visibility("hidden"))) void relocate(void)
{
	u64 base = (u64)__ehdr_start, at = 0, size = 0;

	for (struct dynamic *d = _DYNAMIC; d->tag; d++) {
		at = d->tag == 7 ? d->value : at;
		size = d->tag == 8 ? d->value : size;
	}
	for (struct rela *r = (struct rela *)(base + at); size; r++, size -= sizeof(*r)) {
		if ((r->info & 0xffffffff) == 1027)
			*(u64 *)(base + r->offset) = base + r->addend;
	}
}

static void print(const char *text)
{
	volatile unsigned *uart = (volatile unsigned *)0x09000000;

	for (; *text; text++) {
		while (uart[6] & 0x20) {
		}
		uart[0] = (unsigned char)*text;
	}
}

static void upper(const char *text)
{
	char line[32];
	int i = 0;

	for (; text[i]; i++)
		line[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
	line[i] = 0;
	print(line);
}

static struct {
	void (*print)(const char *);
	const char *text;
} table[] = {{print, "one\n"}, {upper, "two\n"}, {print, "three\n"}};
static u64 zeroes[3000];

__attribute__((visibility("hidden"))) void program(void)
{
	u64 sum = 0;

	for (volatile int i = 0; i < 3; i++)
		table[i].print(table[i].text);
	for (int i = 0; i < 3000; i++)
		sum |= ((volatile u64 *)zeroes)[i];
	print(sum ? "the bss is not zero\n" : "the bss is zero\n");
	__asm__ volatile("mov x0, %0\n\thvc #0" : : "r"(0x84000008UL) : "x0", "x1", "x2", "x3", "memory");
	for (;;)
		__asm__ volatile("wfi");
}
