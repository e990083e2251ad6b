/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel variants this machine and build have. */
#include "kernels.h"
#include "plan.h"

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
#endif

static int has_variant(trit_variant variant) {
    switch (variant) {
        case TRIT_VARIANT_SCALAR:
            return 1;
        case TRIT_VARIANT_AVX2:
#if TRIT_HAVE_AVX2
            return has_avx2();
#else
            return 0;
#endif
        default:
            return 0;
    }
}

trit_variant trit_best_variant(void) {
    int variant = TRIT_VARIANT_COUNT - 1;
    while (!has_variant((trit_variant)variant)) variant--;
    return (trit_variant)variant;
}

trit_status trit_set_variant(trit_plan *plan, trit_variant variant) {
    if (!plan) return TRIT_NULL_POINTER;
    if (!has_variant(variant)) return TRIT_NO_VARIANT;
    plan->variant = variant;
    return TRIT_OK;
}

const char *trit_variant_name(const trit_plan *plan) {
    static const char *const names[] = {
#define X(name, text) text,
        TRIT_VARIANTS(X)
#undef X
    };
    return names[plan->variant];
}
