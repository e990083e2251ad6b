/* SPDX-License-Identifier: Apache-2.0 */
/* What the output stage requires, whichever operator it ends. */
#include "output.h"

static trit_status check_parameters(const trit_call *c) {
    if (c->out->kind == TRIT_KIND_INT32) return c->step->parameters == 0 ? TRIT_OK : TRIT_BAD_STEP;
    if (c->step->parameters == 0) return TRIT_BAD_STEP;
    if (c->out->kind == TRIT_KIND_UINT8) return trit_check_rescaling(c);
    return trit_is_bits(c->out->kind) ? trit_check_thresholds(c) : TRIT_BAD_STEP;
}

trit_status trit_check_output(const trit_call *c, uint64_t bound) {
    trit_status status;
    if (bound > INT32_MAX) return TRIT_OVERFLOW;
    if (c->out->kind != TRIT_KIND_INT32) bound = c->out->kind == TRIT_KIND_UINT8 ? trit_code_bound(c->out) : 1;
    status = trit_check_bound(c, bound);
    return status == TRIT_OK ? check_parameters(c) : status;
}
