/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel variants of this build, and which of them this machine can run. */
#include "kernels.h"
#include "plan.h"

const trit_kernels *trit_kernels_of(trit_variant variant) {
    static const trit_kernels *const variants[] = {
#define X(name, text) &trit_kernels_##text,
        TRIT_VARIANTS(X)
#undef X
    };
    return variants[variant];
}

trit_variant trit_best_variant(void) {
    int variant = TRIT_VARIANT_COUNT - 1;
    while (!trit_kernels_of((trit_variant)variant)->available()) variant--;
    return (trit_variant)variant;
}

trit_status trit_set_variant(trit_plan *plan, trit_variant variant) {
    if (!plan) return TRIT_NULL_POINTER;
    if ((unsigned)variant >= TRIT_VARIANT_COUNT || !trit_kernels_of(variant)->available()) return TRIT_NO_VARIANT;
    plan->variant = variant;
    return TRIT_OK;
}

const char *trit_variant_name(const trit_plan *plan) {
    static const char *const names[] = {
#define X(name, text) #text,
        TRIT_VARIANTS(X)
#undef X
    };
    return names[plan->variant];
}
