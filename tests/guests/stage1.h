/* A stage-1 table, 4 KiB granule: all of the machine as it is, and a window at an address where nothing else is. */
#ifndef STAGE1_H
#define STAGE1_H

#include "exceptions.h"

#define ATTRIBUTES(index) ((index) << 2 | 1 << 10) /* memory attribute of MAIR_EL1; access flag */
#define NORMAL (ATTRIBUTES(0) | 3 << 8)
#define DEVICE (ATTRIBUTES(1) | 1UL << 54 | 1UL << 53)
#define WINDOW 0x80000000UL

static u64 root[512] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 leaf[512] __attribute__((aligned(4096)));
static volatile u64 page[512] __attribute__((aligned(4096)));

static void map(u64 *entry, u64 value)
{
	*(volatile u64 *)entry = value;
	__asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tic iallu\n\tdsb ish\n\tisb" : : : "memory");
}

/* 39 bits in, 44 bits out, cached walks, no upper half. */
static void mmu_on(void)
{
	root[0] = DEVICE | 1;
	root[1] = 0x40000000UL | NORMAL | 1;
	root[2] = (u64)middle | 3;
	WRITE(mair_el1, 0x04ff);
	WRITE(ttbr0_el1, root);
	WRITE(tcr_el1, 4UL << 32 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25);
	map(middle, (u64)leaf | 3);
	WRITE(sctlr_el1, READ(sctlr_el1) | 1 | 1 << 2 | 1 << 12);
}

#endif
