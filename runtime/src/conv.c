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
    if (!trit_is_bits(s->weight_kind) && s->weight_kind != TRIT_KIND_INT8) return TRIT_BAD_STEP;
    if (!has_power_of_two_lanes(s->lanes)) return TRIT_BAD_STEP;
    if (s->groups == 0 || c->in->channels % s->groups != 0 || c->out->channels % s->groups != 0) return TRIT_BAD_STEP;
    if (s->groups > 1 && s->lanes != 1) return TRIT_BAD_STEP;
    if ((s->counts != 0) != (s->weight_kind == TRIT_KIND_TERNARY && !trit_conv_is_depthwise(c))) return TRIT_BAD_STEP;
    return trit_window_fits(c) ? TRIT_OK : TRIT_BAD_SHAPE;
}

/* Strings of `values` weights, a lane each, which lie word by word side by side: no stray bits behind the last weight,
 * sign within nonzero. Adds up each lane's nonzero weights where there is a plane of them. */
static inline int check_strings(const TRIT_FLASH uint32_t *words, uint32_t values, uint32_t planes, uint32_t lanes,
                                uint32_t *nonzero) {
    uint32_t count = trit_words(values), stray = 0, i, lane;
    const TRIT_FLASH uint32_t *last = words + (size_t)(count - 1) * lanes, *sign = words + (size_t)count * lanes;
    for (lane = 0; lane < lanes; lane++) stray |= last[lane] & ~trit_word_mask(values, count - 1);
    if (planes == 1) return stray == 0;
    for (i = 0; i < count; i++, words += lanes, sign += lanes)
        for (lane = 0; lane < lanes; lane++) {
            stray |= sign[lane] & ~words[lane];
            nonzero[lane] += trit_popcount(words[lane]);
        }
    return stray == 0;
}

/* A block of `lanes` output channels from `first` on: `strings` strings each. */
static int check_block(const trit_call *c, uint32_t first, uint32_t strings, uint32_t values) {
    const TRIT_FLASH uint32_t *words = trit_conv_row(c, first), *counts = trit_words_at(c, c->step->counts, 0);
    uint32_t planes = trit_planes(c->step->weight_kind), lanes = c->step->lanes, i;
    uint32_t nonzero[TRIT_WORD_BITS] = {0};
    for (i = 0; i < strings; i++, words += (size_t)planes * trit_words(values) * lanes)
        /* A call of its own for one lane, of which the compiler makes a loop without lanes. */
        if (lanes == 1 ? !check_strings(words, values, planes, 1, nonzero)
                       : !check_strings(words, values, planes, lanes, nonzero))
            return 0;
    for (i = 0; c->step->counts && i < lanes && first + i < c->out->channels; i++)
        if (nonzero[i] != counts[first + i]) return 0;
    return 1;
}

/* Channels that only fill up the lanes of the last block have no weights. */
static int fillers_are_zero(const trit_call *c) {
    uint32_t lanes = c->step->lanes, channel, i;
    uint32_t words = trit_conv_row_words(c) * trit_planes(c->step->weight_kind);
    for (channel = c->out->channels; channel % lanes != 0; channel++) {
        const TRIT_FLASH uint32_t *row = trit_conv_row(c, channel);
        for (i = 0; i < words; i++)
            if (row[(size_t)i * lanes] != 0) return 0;
    }
    return 1;
}

static trit_status check_weights(const trit_call *c) {
    const trit_step *s = c->step;
    uint32_t taps = (uint32_t)s->kernel[0] * s->kernel[1], values = trit_conv_group_channels(c), channel;
    if (!trit_in_file(c->file_size, s->weights, trit_conv_weight_bytes(c))) return TRIT_BAD_WEIGHTS;
    if (s->weight_kind == TRIT_KIND_INT8)
        return trit_conv_int8_weights_are_right(c) && fillers_are_zero(c) ? TRIT_OK : TRIT_BAD_WEIGHTS;
    if (trit_conv_is_depthwise(c)) return check_block(c, 0, taps, c->in->channels) ? TRIT_OK : TRIT_BAD_WEIGHTS;
    if (s->counts && !trit_in_file(c->file_size, s->counts, (uint64_t)c->out->channels * 4)) return TRIT_BAD_WEIGHTS;
    if (c->in->kind == TRIT_KIND_UINT8) {
        values *= taps;
        taps = 1;
    }
    for (channel = 0; channel < c->out->channels; channel += s->lanes)
        if (!check_block(c, channel, taps, values)) return TRIT_BAD_WEIGHTS;
    return fillers_are_zero(c) ? TRIT_OK : TRIT_BAD_WEIGHTS;
}

trit_status trit_conv_check(const trit_call *c) {
    trit_status status = check_attributes(c);
    uint64_t bound;
    if (status != TRIT_OK) return status;
    bound = trit_conv_fan_in(c);
    if (bound > INT32_MAX) return TRIT_OVERFLOW;
    status = trit_check_output(c, bound * c->in->bound * (c->step->weight_kind == TRIT_KIND_INT8 ? INT8_MAX : 1));
    return status == TRIT_OK ? check_weights(c) : status;
}

void trit_conv_run(const trit_call *c) {
    const trit_kernels *kernels = trit_kernels_of(c->variant);
    const uint32_t packed = TRIT_USES_CONV_PACKED;
    int falls_back = TRIT_FALLS_BACK, uses_bits = TRIT_USES_CONV_BITS != 0;
    int uses_grouped = TRIT_USES_CONV_GROUPED != 0;
    int is_bytes = trit_kind_is(packed, TRIT_KIND_BIT(UINT8), c->in->kind);
    int is_int8 = TRIT_USES_CONV_INT8 && (!packed || c->step->weight_kind == TRIT_KIND_INT8);
    int is_depthwise = TRIT_USES_CONV_DEPTHWISE && trit_conv_is_depthwise(c);
    int (*kernel)(const trit_call *) = is_bytes ? kernels->conv_bytes : kernels->conv_bits;
    if (is_int8) kernel = is_depthwise ? NULL : kernels->conv_int8;
    if (is_depthwise && !is_int8) kernel = kernels->conv_depthwise;
    if (kernel && kernel(c)) return;
    if (is_depthwise)
        trit_conv_depthwise(c);
    else if (is_int8)
        trit_conv_int8(c);
    else if (is_bytes && (falls_back || uses_grouped))
        trit_conv_bytes(c);
    else if (uses_grouped && c->step->groups > 1)
        trit_conv_grouped(c);
    else if (falls_back && uses_bits)
        trit_conv_bits(c);
}
