// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Linux drives the VMs of Hafnium: on loading it talks to VM 1, and lets VM 2 run for a second. */
#include <linux/arm-smccc.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

enum { HF_VCPU_RUN = 0xff00, HF_VM_GET_COUNT, HF_VCPU_GET_COUNT, HF_VM_CONFIGURE, HF_MAILBOX_SEND,
       HF_MAILBOX_RECEIVE, HF_MAILBOX_CLEAR };
enum { YIELD, WAIT_FOR_INTERRUPT, WAKE_UP, MESSAGE };
enum { ECHO = 1, SPINNER = 2 };

static u64 hvc(u64 function, u64 arg1, u64 arg2, u64 arg3)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(function, arg1, arg2, arg3, 0, 0, 0, 0, &res);
	return res.a0;
}

/* Runs a VM until it does not just lose the CPU to an interrupt of ours. */
static u64 run(u64 vm)
{
	u64 ret;

	do
		ret = hvc(HF_VCPU_RUN, vm, 0, 0);
	while ((ret & 0xff) == YIELD);
	return ret;
}

static void talk(char *send, char *recv)
{
	static const char *const messages[] = { "hello", "from", "Linux" };
	u64 ret, i;

	run(ECHO);
	for (i = 0; i < ARRAY_SIZE(messages); i++) {
		strcpy(send, messages[i]);
		ret = hvc(HF_MAILBOX_SEND, ECHO, strlen(send), 0);
		pr_info("sent \"%s\" to VM %d: %lld\n", send, ECHO, ret);
		ret = run(ECHO);
		if ((ret & 0xff) == MESSAGE)
			pr_info("VM %d answers \"%.*s\"\n", ECHO, (int)(ret >> 32), recv);
		hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
	}
}

static void preempt(void)
{
	unsigned long end = jiffies + 1;
	unsigned int count = 0;

	while (time_before(jiffies, end))
		cpu_relax();
	for (end = jiffies + HZ; time_before(jiffies, end); count++) {
		u64 ret = hvc(HF_VCPU_RUN, SPINNER, 0, 0);

		if ((ret & 0xff) != YIELD) {
			pr_info("VM %d ends with %llx\n", SPINNER, ret);
			return;
		}
		cond_resched();
	}
	pr_info("VM %d ran %u times in a second\n", SPINNER, count);
}

static int __init hf_init(void)
{
	unsigned long send = __get_free_page(GFP_KERNEL), recv = __get_free_page(GFP_KERNEL);
	u64 count = hvc(HF_VM_GET_COUNT, 0, 0, 0);

	if (!send || !recv)
		return -ENOMEM;
	pr_info("%lld VMs\n", count);
	/* The pages are the hypervisor's from here on: it knows no way to take them back. */
	pr_info("configure: %lld\n", hvc(HF_VM_CONFIGURE, virt_to_phys((void *)send), virt_to_phys((void *)recv), 0));
	talk((char *)send, (char *)recv);
	if (count > SPINNER)
		preempt();
	return 0;
}

module_init(hf_init);
MODULE_DESCRIPTION("Drives the VMs of the Hafnium of 2018-10-04");
MODULE_LICENSE("Dual MIT/GPL");
