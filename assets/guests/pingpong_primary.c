/*
 * For measuring: as many round trips of 32 bytes with VM 1 as the boot arguments say, six hypercalls each.
 */
#include "fdt.h"

void guest_main(const u8 *fdt)
{
	const char *text = bootargs(fdt);
	u64 count = 0;

	while (*text >= '0' && *text <= '9')
		count = count * 10 + (u64)(*text++ - '0');
	configure();
	hvc(HF_VCPU_RUN, 1, 0, 0);
	while (count--) {
		hvc(HF_MAILBOX_SEND, 1, 32, 0);
		hvc(HF_VCPU_RUN, 1, 0, 0);
		hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
	}
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
