/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel variants of this build, and which of them this machine can run. */
#include "kernels.h"
#include "plan.h"

enum {
#define X(name, text) +1
    TRIT_BUILT_COUNT = 0 TRIT_BUILT_VARIANTS(X)
#undef X
};

const trit_kernels *trit_kernels_of(trit_variant variant) {
#define X(name, text) \
    if (TRIT_BUILT_COUNT == 1 || variant == TRIT_VARIANT_##name) return &trit_kernels_##text;
    TRIT_BUILT_VARIANTS(X)
#undef X
    return NULL;
}

trit_variant trit_best_variant(void) {
    trit_variant best = TRIT_VARIANT_SCALAR;
#define X(name, text) \
    if (TRIT_BUILT_COUNT == 1 || trit_kernels_##text.available()) best = TRIT_VARIANT_##name;
    TRIT_BUILT_VARIANTS(X)
#undef X
    return best;
}

trit_status trit_set_variant(trit_plan *plan, trit_variant variant) {
    if (!plan) return TRIT_NULL_POINTER;
    if ((unsigned)variant >= TRIT_VARIANT_COUNT || !trit_kernels_of(variant) || !trit_kernels_of(variant)->available())
        return TRIT_NO_VARIANT;
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
