/* SPDX-License-Identifier: Apache-2.0 */
/* What the convolution kernels share: the layouts of weights and the walk over windows.
 *
 * A kernel computes the accumulators of one output pixel for the up to 32 channels of one output word, and hands
 * them to the output stage, trit_store_output.
 */
#ifndef TRIT_CONV_H
#define TRIT_CONV_H

#include "output.h"

/* One channel in, one channel out, in order: weights are packed along channels, as activations are. */
static inline int trit_conv_is_depthwise(const trit_call *c) {
    return c->step->groups > 1 && c->step->groups == c->in->channels && c->step->groups == c->out->channels;
}

/* For activations of bits alone. */
static inline int trit_conv_has_ternary_bits(const trit_call *c) {
    return trit_kind_is(TRIT_USES_CONV_PACKED & TRIT_KIND_BITS, TRIT_KIND_BIT(TERNARY), c->in->kind);
}

/* For weights of bits alone. */
static inline int trit_conv_has_ternary_weights(const trit_call *c) {
    return TRIT_USES_CONV_TERNARY && (!TRIT_USES_CONV_BINARY || c->step->weight_kind == TRIT_KIND_TERNARY);
}

static inline uint32_t trit_conv_group_channels(const trit_call *c) {
    if (!TRIT_USES_CONV_GROUPED && !TRIT_USES_CONV_DEPTHWISE) return c->in->channels;
    return c->in->channels / c->step->groups;
}

static inline uint32_t trit_conv_lanes(const trit_call *c) {
    return TRIT_LANES ? TRIT_LANES : c->step->lanes;
}

static inline uint64_t trit_conv_fan_in(const trit_call *c) {
    return (uint64_t)c->step->kernel[0] * c->step->kernel[1] * trit_conv_group_channels(c);
}

/* Words of `values` weights of a byte each. */
static inline uint32_t trit_byte_words(uint32_t values) {
    return values / 4 + (values % 4 != 0);
}

/* Depthwise: words of one tap of all channels. */
static inline uint32_t trit_conv_tap_words(const trit_call *c) {
    if (c->step->weight_kind == TRIT_KIND_INT8) return trit_byte_words(c->in->channels);
    return trit_planes(c->step->weight_kind) * trit_words(c->in->channels);
}

/* Words of one plane of one output channel: all taps in one string for uint8 or int8, else each tap by itself. */
static inline uint32_t trit_conv_row_words(const trit_call *c) {
    if (c->step->weight_kind == TRIT_KIND_INT8) return trit_byte_words((uint32_t)trit_conv_fan_in(c));
    if (c->in->kind == TRIT_KIND_UINT8) return trit_words((uint32_t)trit_conv_fan_in(c));
    return (uint32_t)c->step->kernel[0] * c->step->kernel[1] * trit_words(trit_conv_group_channels(c));
}

static inline uint64_t trit_conv_weight_bytes(const trit_call *c) {
    const trit_step *s = c->step;
    uint64_t planes = trit_planes(s->weight_kind), rows;
    if (trit_conv_is_depthwise(c))
        return (uint64_t)s->kernel[0] * s->kernel[1] * trit_conv_tap_words(c) * 4;
    rows = (c->out->channels + s->lanes - 1) / s->lanes * (uint64_t)s->lanes; /* at most 2^24 channels */
    return rows * planes * trit_conv_row_words(c) * 4;
}

/* Is no int8 weight -128, which sums' bounds leave out, and is all padding 0? */
int trit_conv_int8_weights_are_right(const trit_call *c);

/* The weights of an output channel: word i of the row is at [i * lanes]. */
static inline const TRIT_FLASH uint32_t *trit_conv_row(const trit_call *c, uint32_t channel) {
    uint32_t lanes = trit_conv_lanes(c);
    trit_size row = (trit_size)trit_conv_row_words(c) * trit_planes(c->step->weight_kind);
    return trit_words_at(c, c->step->weights, row * (channel / lanes * lanes) + channel % lanes);
}

/* Taps first ... end - 1 of a window along one axis lie inside; `start` is where tap 0 lies. */
typedef struct trit_span {
    int32_t start;
    uint32_t first, end;
} trit_span;

/* Of the window at a position of the output; axis 0: rows, 1: columns. */
trit_span trit_span_along(const trit_call *c, int axis, uint32_t position);

static inline trit_span trit_rows(const trit_call *c, uint32_t y) {
    return trit_span_along(c, 0, y);
}

static inline trit_span trit_columns(const trit_call *c, uint32_t x) {
    return trit_span_along(c, 1, x);
}

/* Input pixel under tap (ky, kx). */
static inline size_t trit_tap_pixel(const trit_call *c, trit_span rows, trit_span columns, uint32_t ky, uint32_t kx) {
    uint32_t y = (uint32_t)rows.start + ky * c->step->dilation[0];
    uint32_t x = (uint32_t)columns.start + kx * c->step->dilation[1];
    return (size_t)y * (size_t)c->in->width + (size_t)x;
}

#endif
