/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of uint8 values with binary or ternary weights, in plain C. A row of weights is one string of bits
 * in the order (ky, kx, channel of the group); windows are gathered in the same order, a piece at a time. */
#include "conv.h"
#include "kernels.h"

#define PIECE 256u /* values; a multiple of the bits in a word */

/* One window of one group's channels. */
typedef struct window {
    const trit_call *c;
    trit_span rows, columns;
    uint32_t first_channel, channels;
    int16_t values[PIECE]; /* value - zero point, 0 outside the image */
} window;

/* Takes values first ... first + count - 1 of the string. */
static void gather(window *at, uint32_t first, uint32_t count) {
    const trit_call *c = at->c;
    uint32_t width = c->step->kernel[1], channel = first % at->channels, tap = first / at->channels;
    uint32_t ky = tap / width, kx = tap % width, i = 0;
    while (i < count) {
        int inside = ky >= at->rows.first && ky < at->rows.end && kx >= at->columns.first && kx < at->columns.end;
        const uint8_t *from = (const uint8_t *)c->x + at->first_channel;
        if (inside) from += trit_tap_pixel(c, at->rows, at->columns, ky, kx) * c->in->channels;
        for (; channel < at->channels && i < count; channel++, i++)
            at->values[i] = inside ? (int16_t)((int32_t)from[channel] - (int32_t)c->in->zero_point) : 0;
        channel = 0;
        if (++kx == width) kx = 0, ky++;
    }
}

/* Sum of weight * value over the gathered values; word i of the weights is at [i * lanes]. */
static int32_t dot(const int16_t *values, uint32_t count, const uint32_t *nonzero, const uint32_t *sign,
                   uint32_t lanes) {
    int32_t sum = 0;
    while (count > 0) {
        uint32_t n = nonzero ? *nonzero : UINT32_MAX, s = *sign, i;
        uint32_t bits = count < TRIT_WORD_BITS ? count : TRIT_WORD_BITS;
        for (i = 0; i < bits; i++) sum += trit_value(n, s, i) * values[i];
        if (nonzero) nonzero += lanes;
        sign += lanes;
        values += bits;
        count -= bits;
    }
    return sum;
}

/* Accumulators of `n` output channels of one group. */
static void convolve_channels(window *at, uint32_t channel, uint32_t n, int32_t *acc) {
    const trit_call *c = at->c;
    uint32_t length = (uint32_t)trit_conv_fan_in(c), words = trit_conv_row_words(c), lanes = c->step->lanes, first, i;
    int ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    for (i = 0; i < n; i++) acc[i] = 0;
    for (first = 0; first < length; first += PIECE) {
        uint32_t count = length - first < PIECE ? length - first : PIECE;
        gather(at, first, count);
        for (i = 0; i < n; i++) {
            const uint32_t *row = trit_conv_row(c, channel + i) + (size_t)(first / TRIT_WORD_BITS) * lanes;
            const uint32_t *sign = ternary ? row + (size_t)words * lanes : row;
            acc[i] += dot(at->values, count, ternary ? row : NULL, sign, lanes);
        }
    }
}

static void convolve_word(window *at, uint32_t word, int32_t acc[TRIT_WORD_BITS]) {
    uint32_t in_group = at->c->out->channels / at->c->step->groups, first = word * TRIT_WORD_BITS, i = 0;
    uint32_t count = trit_channels_in_word(at->c->out->channels, word);
    while (i < count) {
        uint32_t group = (first + i) / in_group, left = (group + 1) * in_group - (first + i);
        uint32_t n = left < count - i ? left : count - i;
        at->first_channel = group * at->channels;
        convolve_channels(at, first + i, n, acc + i);
        i += n;
    }
}

void trit_conv_bytes(const trit_call *c) {
    uint32_t y, x, word, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    window at;
    at.c = c;
    at.channels = trit_conv_group_channels(c);
    for (y = 0; y < c->out->height; y++) {
        at.rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            at.columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                convolve_word(&at, word, acc);
                trit_conv_store(c, pixel, word, acc);
            }
        }
    }
}
