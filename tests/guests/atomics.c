/* Exclusives, ordered accesses, barriers, and system registers. */
#include <stdatomic.h>

#include "exceptions.h"

static _Atomic u64 counter;
static _Atomic u32 lock;
static atomic_uchar bytes[4];

void take(struct frame *f)
{
	report("unexpected exception", READ(esr_el1) + 0 * f->elr);
}

static u64 increment(volatile u64 *word)
{
	u64 value, failed;

	__asm__ volatile("1:	ldaxr	%0, %2\n"
			 "	add	%0, %0, #1\n"
			 "	stlxr	%w1, %0, %2\n"
			 "	cbnz	%w1, 1b\n"
			 : "=&r"(value), "=&r"(failed), "+Q"(*word)
			 :
			 : "memory");
	return value;
}

static u64 exchange_pair(volatile u64 *pair)
{
	u64 a, b, failed;

	__asm__ volatile("1:	ldxp	%0, %1, %3\n"
			 "	stxp	%w2, %1, %0, %3\n"
			 "	cbnz	%w2, 1b\n"
			 : "=&r"(a), "=&r"(b), "=&r"(failed), "+Q"(*pair)
			 :
			 : "memory");
	return a;
}

void guest_main(void)
{
	static volatile u64 pair[2] __attribute__((aligned(16))) = {1, 2};
	volatile u64 word = 41;
	u32 expected = 0;
	u64 failed;

	WRITE(vbar_el1, vectors);
	for (int i = 0; i < 1000; i++)
		atomic_fetch_add(&counter, 3);
	report("counter", counter);
	report("taken", atomic_compare_exchange_strong(&lock, &expected, 7));
	report("taken twice", atomic_compare_exchange_strong(&lock, &expected, 8));
	report("holder", expected);
	atomic_fetch_or(&bytes[2], 0x81);
	report("byte", atomic_exchange_explicit(&bytes[2], 5, memory_order_acq_rel));
	report("incremented", increment(&word));
	exchange_pair(pair);
	report("swapped", pair[0] << 4 | pair[1]);
	__asm__ volatile("clrex\n\tstxr %w0, xzr, %1" : "=&r"(failed), "+Q"(word));
	report("store without a load fails", failed & 1);
	__asm__ volatile("dmb ish\n\tdmb ishld\n\tdsb sy\n\tdsb ishst\n\tisb\n\tsevl\n\twfe\n\tyield\n\tprfm pldl1keep, [sp]"
			 : : : "memory");
	WRITE(tpidr_el0, 0x1111);
	WRITE(tpidrro_el0, 0x2222);
	WRITE(tpidr_el1, 0x3333);
	WRITE(contextidr_el1, 0x4444);
	hvc(HF_VM_GET_COUNT, 0, 0, 0);
	report("tpidr_el0", READ(tpidr_el0));
	report("tpidrro_el0", READ(tpidrro_el0));
	report("tpidr_el1", READ(tpidr_el1));
	report("contextidr_el1", READ(contextidr_el1));
	report("currentel", READ(currentel));
	report("daif", READ(daif));
	report("spsel", READ(spsel));
	report("cpacr_el1", READ(cpacr_el1));
	report("mpidr_el1", READ(mpidr_el1) & 0xff);
	report("granule", READ(id_aa64mmfr0_el1) >> 28 & 15);
	report("zva", READ(dczid_el0) & 15);
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}
