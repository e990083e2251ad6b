/* SPDX-License-Identifier: Apache-2.0 */
/* Interleave: the network's input from (C, H, W) to the (H, W, C) of all other tensors. */
#include "internal.h"

trit_status trit_interleave_check(const trit_call *c) {
    if (c->step->input != 0 || c->out->kind != TRIT_KIND_UINT8) return TRIT_BAD_STEP;
    if (c->out->zero_point != c->in->zero_point) return TRIT_BAD_STEP;
    return trit_same_shape(c->in, c->out) ? trit_check_bound(c, c->in->bound) : TRIT_BAD_SHAPE;
}

void trit_interleave_run(const trit_call *c) {
    const uint8_t *from = (const uint8_t *)c->x;
    uint8_t *to = (uint8_t *)c->z;
    uint32_t channels = c->in->channels, pixels = c->in->height * c->in->width, channel, pixel;
    for (channel = 0; channel < channels; channel++)
        for (pixel = 0; pixel < pixels; pixel++) to[(size_t)pixel * channels + channel] = *from++;
}
