/*
 * The primary of the tour: starts every secondary, sends the boot arguments to VM 1, and lets whoever was woken
 * run until the message has come back.
 */
#include "fdt.h"

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
