/* SPDX-License-Identifier: Apache-2.0 */
/* Rescale: clamp((value * multiplier + offset) >> shift, 0, 255) per channel, in 64 bits. */
#include "output.h"

static int is_in_range(trit_rescaling r, uint32_t i) {
    const int64_t limit = INT64_C(1) << 62; /* of offsets; products stay below it too, so that sums fit 64 bits */
    int64_t offset = trit_rescaling_offset(r, i);
    return r.multiplier[i] != INT32_MIN && offset > -limit && offset < limit && r.shift[i] <= 62;
}

trit_status trit_check_rescaling(const trit_call *c) {
    trit_rescaling r;
    uint32_t i, channels = c->out->channels;
    if (!trit_in_file(c->file_size, c->parameters, trit_rescaling_bytes(c->out))) return TRIT_BAD_PARAMETERS;
    r = trit_rescaling_of(c, 0);
    for (i = 0; i < channels; i++)
        if (!is_in_range(r, i)) return TRIT_BAD_PARAMETERS;
    for (; i % 4 != 0; i++)
        if (r.shift[i] != 0) return TRIT_BAD_PARAMETERS;
    return TRIT_OK;
}

trit_status trit_rescale_check(const trit_call *c) {
    if (c->in->kind != TRIT_KIND_INT32 && c->in->kind != TRIT_KIND_UINT8) return TRIT_BAD_STEP;
    if (c->out->kind != TRIT_KIND_UINT8) return TRIT_BAD_STEP;
    return trit_same_shape(c->in, c->out) ? trit_check_output(c, c->in->bound) : TRIT_BAD_SHAPE;
}

void trit_rescale_run(const trit_call *c) {
    trit_store_tensor(c);
}
