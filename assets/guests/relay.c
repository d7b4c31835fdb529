/*
 * A secondary of the tour: waits for a message, clears its mailbox, and passes the message on: to the VM
 * after its own, or to the primary if it is the last. Its own number it infers from the sender's.
 */
#include "guest.h"

void guest_main(void)
{
	configure();
	for (;;) {
		u64 got = hvc(HF_MAILBOX_RECEIVE, 1, 0, 0);
		u64 sender = got & 0xffff, size = got >> 32, me = sender + 1;
		u64 next = me + 1 < hvc(HF_VM_GET_COUNT, 0, 0, 0) ? me + 1 : 0;

		puts("VM ");
		putd(me);
		puts(": VM ");
		putd(sender);
		puts(" says \"");
		write(recv_page, size);
		puts("\", I pass it on to VM ");
		putd(next);
		putc('\n');
		copy(send_page, recv_page, size);
		hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
		hvc(HF_MAILBOX_SEND, next, size, 0);
	}
}
