/*
 * For compilers other than clang: hvc() and configure() of guest.h as macros, so that their instructions count as the
 * line that makes the call. clang does that by the attribute there.
 */
#ifndef __clang__
#define hvc(function, a1, a2, a3)                                                                              \
	__extension__({                                                                                        \
		u64 hvc_function = (function), hvc_a1 = (a1), hvc_a2 = (a2), hvc_a3 = (a3);                    \
		register u64 hvc_x0 __asm__("x0") = hvc_function, hvc_x1 __asm__("x1") = hvc_a1;               \
		register u64 hvc_x2 __asm__("x2") = hvc_a2, hvc_x3 __asm__("x3") = hvc_a3;                     \
		__asm__ volatile("hvc #0"                                                                      \
				 : "+r"(hvc_x0), "+r"(hvc_x1), "+r"(hvc_x2), "+r"(hvc_x3)::"x4", "x5", "x6",   \
				   "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",   \
				   "memory", "cc");                                                            \
		hvc_x0;                                                                                        \
	})
#define configure() hvc(HF_VM_CONFIGURE, (u64)send_page, (u64)recv_page, 0)
#endif
