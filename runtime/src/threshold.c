/* SPDX-License-Identifier: Apache-2.0 */
/* Threshold: d * ([value >= hi] - [value < lo]) per channel, d = -1 where `negative`; binary where lo = hi. */
#include "output.h"

trit_status trit_check_thresholds(const trit_call *c) {
    const trit_tensor *t = c->out;
    const TRIT_FLASH int32_t *lo, *hi;
    uint32_t i;
    if (!trit_in_file(c->file_size, c->parameters, trit_threshold_bytes(t))) return TRIT_BAD_PARAMETERS;
    lo = trit_lower_thresholds(c, 0);
    hi = trit_upper_thresholds(c, 0);
    if (!trit_padding_is_zero(trit_words_at(c, c->parameters, trit_planes(t->kind) * t->channels), t->channels))
        return TRIT_BAD_PARAMETERS;
    for (i = 0; t->kind == TRIT_KIND_TERNARY && i < t->channels; i++)
        if (lo[i] > hi[i]) return TRIT_BAD_PARAMETERS;
    return TRIT_OK;
}

trit_status trit_threshold_check(const trit_call *c) {
    if (c->in->kind != TRIT_KIND_INT32 && c->in->kind != TRIT_KIND_UINT8) return TRIT_BAD_STEP;
    if (!trit_is_bits(c->out->kind)) return TRIT_BAD_STEP;
    return trit_same_shape(c->in, c->out) ? trit_check_output(c, c->in->bound) : TRIT_BAD_SHAPE;
}

void trit_threshold_run(const trit_call *c) {
    trit_store_tensor(c);
}
