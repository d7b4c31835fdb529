/*
 * The primary of the tour: starts every secondary, sends the boot arguments to VM 1, and lets whoever was woken
 * run until the message has come back.
 */
#include "guest.h"

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* The value of the first property "bootargs" in a flattened device tree. */
static const char *bootargs(const u8 *fdt)
{
	const u8 *at = fdt + be32(fdt + 8), *strings = fdt + be32(fdt + 12);

	for (;;) {
		u32 token = be32(at);

		at += 4;
		if (token == 1) {
			while (*at)
				at++;
			at = (const u8 *)(((u64)at + 4) & ~3UL);
		} else if (token == 3) {
			if (equal((const char *)strings + be32(at + 4), "bootargs"))
				return (const char *)at + 8;
			at += (8 + be32(at) + 3) & ~3UL;
		} else if (token == 9) {
			return "";
		}
	}
}

void guest_main(const u8 *fdt)
{
	const char *text = bootargs(fdt);
	u64 size = 0, count = hvc(HF_VM_GET_COUNT, 0, 0, 0), vm, ret;

	configure();
	for (vm = 1; vm < count; vm++)
		hvc(HF_VCPU_RUN, vm, 0, 0);

	if (!*text)
		text = "hello";
	while (text[size] && size < 4096)
		size++;
	copy(send_page, (const u8 *)text, size);
	puts("VM 0: I send \"");
	write(send_page, size);
	puts("\" to VM 1\n");
	hvc(HF_MAILBOX_SEND, 1, size, 0);

	vm = 1;
	for (;;) {
		ret = hvc(HF_VCPU_RUN, vm, 0, 0);
		if ((ret & 0xff) == WAKE_UP) {
			vm = ret >> 16 & 0xffff;
		} else if ((ret & 0xff) == MESSAGE) {
			puts("VM 0: I got \"");
			write(recv_page, ret >> 32);
			puts("\"\n");
			hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
			break;
		} else {
			puts("VM 0: nobody answered\n");
			break;
		}
	}
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
