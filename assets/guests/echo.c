/* Sends every message back to whoever sent it. */
#include "guest.h"

void guest_main(void)
{
	configure();
	for (;;) {
		u64 got = hvc(HF_MAILBOX_RECEIVE, 1, 0, 0);

		copy(send_page, recv_page, got >> 32);
		hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
		hvc(HF_MAILBOX_SEND, got & 0xffff, got >> 32, 0);
	}
}
