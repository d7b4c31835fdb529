/* The boot arguments, from the device tree that the primary gets in x0. */
#ifndef FDT_H
#define FDT_H

#include "guest.h"

static inline u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static inline int equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* The value of the first property "bootargs" in a flattened device tree. */
static inline const char *bootargs(const u8 *fdt)
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

#endif
