/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX2 variant: can this processor run it, and its kernels. */
#include "avx2.h"

#if TRIT_HAVE_AVX2
#include <cpuid.h>

/* Asked of the processor itself: not every compiler's run-time library fills what __builtin_cpu_supports reads. */
static int has_avx2(void) {
    const unsigned popcnt = 1u << 23, xsave = 1u << 27, avx = 1u << 28, wide_state = 6;
    unsigned a, b, c, d, enabled, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (popcnt | xsave | avx)) != (popcnt | xsave | avx)) return 0;
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0)); /* does the system save the wide registers? */
    if ((enabled & wide_state) != wide_state) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 5));
}

const trit_kernels trit_kernels_avx2 = {has_avx2, trit_conv_bits_avx2, trit_conv_bytes_avx2};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_avx2 = {never, NULL, NULL};

#endif
