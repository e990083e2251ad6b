/* SPDX-License-Identifier: Apache-2.0 */
/* Conv: what it requires, and which kernel runs it. */
#include "conv.h"

#include "kernels.h"

static int has_power_of_two_lanes(uint32_t lanes) {
    return lanes >= 1 && lanes <= TRIT_WORD_BITS && (lanes & (lanes - 1)) == 0;
}

static trit_status check_attributes(const trit_call *c) {
    const trit_step *s = c->step;
    if (c->in->kind != TRIT_KIND_UINT8 && !trit_is_bits(c->in->kind)) return TRIT_BAD_STEP;
    if (c->out->kind != TRIT_KIND_INT32 && !trit_is_bits(c->out->kind)) return TRIT_BAD_STEP;
    if (!trit_is_bits(s->weight_kind) || !has_power_of_two_lanes(s->lanes)) return TRIT_BAD_STEP;
    if (s->groups == 0 || c->in->channels % s->groups != 0 || c->out->channels % s->groups != 0) return TRIT_BAD_STEP;
    if (s->groups > 1 && s->lanes != 1) return TRIT_BAD_STEP;
    if ((s->counts != 0) != (s->weight_kind == TRIT_KIND_TERNARY && !trit_conv_is_depthwise(c))) return TRIT_BAD_STEP;
    if ((s->parameters != 0) != trit_is_bits(c->out->kind)) return TRIT_BAD_STEP;
    return trit_window_fits(c) ? TRIT_OK : TRIT_BAD_SHAPE;
}

/* A string of `values` weights: no stray bits behind them, sign within nonzero. Returns its nonzero weights or -1. */
static int64_t count_string(const trit_call *c, const uint32_t *words, uint32_t values) {
    uint32_t i, count = trit_words(values), lanes = c->step->lanes;
    int64_t nonzero = 0;
    for (i = 0; i < count; i++) {
        uint32_t allowed = trit_word_mask(values, i), word = words[(size_t)i * lanes];
        if (c->step->weight_kind == TRIT_KIND_TERNARY) {
            if (word & ~allowed) return -1;
            allowed = word;
            nonzero += trit_popcount(word);
            word = words[(size_t)(i + count) * lanes];
        }
        if (word & ~allowed) return -1;
    }
    return nonzero;
}

/* The same for `taps` strings in a row. */
static int64_t count_row(const trit_call *c, const uint32_t *row, uint32_t taps, uint32_t values) {
    size_t step = (size_t)trit_planes(c->step->weight_kind) * trit_words(values) * c->step->lanes;
    int64_t nonzero = 0;
    uint32_t tap;
    for (tap = 0; tap < taps; tap++) {
        int64_t found = count_string(c, row + tap * step, values);
        if (found < 0) return -1;
        nonzero += found;
    }
    return nonzero;
}

/* Channels that only fill up the lanes of the last block have no weights. */
static int fillers_are_zero(const trit_call *c) {
    uint32_t lanes = c->step->lanes, channel, i;
    uint32_t words = trit_conv_row_words(c) * trit_planes(c->step->weight_kind);
    for (channel = c->out->channels; channel % lanes != 0; channel++) {
        const uint32_t *row = trit_conv_row(c, channel);
        for (i = 0; i < words; i++)
            if (row[(size_t)i * lanes] != 0) return 0;
    }
    return 1;
}

static trit_status check_weights(const trit_call *c) {
    const trit_step *s = c->step;
    uint32_t taps = (uint32_t)s->kernel[0] * s->kernel[1], values = trit_conv_group_channels(c), channel;
    const uint32_t *counts = (const uint32_t *)trit_at(c, s->counts);
    if (!trit_in_file(c->file_size, s->weights, trit_conv_weight_bytes(c))) return TRIT_BAD_WEIGHTS;
    if (trit_conv_is_depthwise(c)) {
        int64_t found = count_row(c, (const uint32_t *)trit_at(c, s->weights), taps, c->in->channels);
        return found < 0 ? TRIT_BAD_WEIGHTS : TRIT_OK;
    }
    if (s->counts && !trit_in_file(c->file_size, s->counts, (uint64_t)c->out->channels * 4)) return TRIT_BAD_WEIGHTS;
    if (c->in->kind == TRIT_KIND_UINT8) {
        values *= taps;
        taps = 1;
    }
    for (channel = 0; channel < c->out->channels; channel++) {
        int64_t found = count_row(c, trit_conv_row(c, channel), taps, values);
        if (found < 0 || (s->counts && found != counts[channel])) return TRIT_BAD_WEIGHTS;
    }
    return fillers_are_zero(c) ? TRIT_OK : TRIT_BAD_WEIGHTS;
}

trit_status trit_conv_check(const trit_call *c) {
    uint64_t bound;
    trit_status status = check_attributes(c);
    if (status != TRIT_OK) return status;
    bound = trit_conv_fan_in(c) * c->in->bound;
    if (bound > INT32_MAX) return TRIT_OVERFLOW;
    status = trit_check_bound(c, c->out->kind == TRIT_KIND_INT32 ? bound : 1);
    if (status == TRIT_OK) status = check_weights(c);
    return status == TRIT_OK && c->step->parameters ? trit_check_thresholds(c) : status;
}

void trit_conv_run(const trit_call *c) {
    const trit_kernels *kernels = trit_kernels_of(c->variant);
    int is_bytes = c->in->kind == TRIT_KIND_UINT8;
    int (*kernel)(const trit_call *) = is_bytes ? kernels->conv_bytes : kernels->conv_bits;
    if (kernel && kernel(c)) return;
    if (trit_conv_is_depthwise(c))
        trit_conv_depthwise(c);
    else if (is_bytes)
        trit_conv_bytes(c);
    else if (c->step->groups > 1)
        trit_conv_grouped(c);
    else
        trit_conv_bits(c);
}
