/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel variants this machine and build have. */
#include "kernels.h"
#include "plan.h"

static int has_variant(trit_variant variant) {
    switch (variant) {
        case TRIT_VARIANT_SCALAR:
            return 1;
        case TRIT_VARIANT_AVX2:
#if TRIT_HAVE_AVX2
            return __builtin_cpu_supports("avx2") != 0;
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
