/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of uint8 values with binary or ternary weights, in plain C. A row of weights is one string of bits
 * in the order (ky, kx, channel of the group). */
#include "conv.h"
#include "kernels.h"

/* Sum of weight * (value - zero point) over the channels of one tap, whose weights begin at bit `bit`. */
static inline int32_t tap(const trit_call *c, const uint8_t *values, const uint32_t *row, uint32_t bit) {
    uint32_t lanes = c->step->lanes, words = trit_conv_row_words(c), channels = trit_conv_group_channels(c), i;
    int ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    const uint32_t *sign = ternary ? row + (size_t)words * lanes : row;
    int32_t zero_point = (int32_t)c->in->zero_point, sum = 0;
    for (i = 0; i < channels; i++, bit++) {
        size_t at = (size_t)(bit / TRIT_WORD_BITS) * lanes;
        uint32_t nonzero = ternary ? row[at] : UINT32_MAX;
        sum += trit_value(nonzero, sign[at], bit % TRIT_WORD_BITS) * ((int32_t)values[i] - zero_point);
    }
    return sum;
}

static int32_t dot(const trit_call *c, trit_span rows, trit_span columns, uint32_t channel) {
    uint32_t channels = trit_conv_group_channels(c), width = c->step->kernel[1], ky, kx;
    uint32_t group = channel / (c->out->channels / c->step->groups);
    const uint8_t *image = (const uint8_t *)c->x + (size_t)group * channels;
    const uint32_t *row = trit_conv_row(c, channel);
    int32_t acc = 0;
    for (ky = rows.first; ky < rows.end; ky++)
        for (kx = columns.first; kx < columns.end; kx++)
            acc += tap(c, image + trit_tap_pixel(c, rows, columns, ky, kx) * c->in->channels, row,
                       (ky * width + kx) * channels);
    return acc;
}

void trit_conv_bytes(const trit_call *c) {
    uint32_t y, x, word, i, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                uint32_t n = trit_channels_in_word(c->out->channels, word);
                for (i = 0; i < n; i++) acc[i] = dot(c, rows, columns, word * TRIT_WORD_BITS + i);
                trit_conv_store(c, pixel, word, acc);
            }
        }
    }
}
