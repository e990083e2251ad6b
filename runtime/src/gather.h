/* SPDX-License-Identifier: Apache-2.0 */
/* For kernels whose weights are one string per output channel, in the order (ky, kx, channel of the group): the walk
 * over output pixels, and the windows' values in the same order, a piece at a time. */
#ifndef TRIT_GATHER_H
#define TRIT_GATHER_H

#include "conv.h"

/* Values; a multiple of the bits in a word. */
#ifdef __AVR__ /* which has 2 KiB of memory in all */
#define TRIT_PIECE 64u
#else
#define TRIT_PIECE 256u
#endif

/* One window of one group's channels. */
typedef struct trit_gather {
    const trit_call *c;
    trit_span rows, columns;
    uint32_t first_channel, channels, length; /* of the group; values in the window */
    uint32_t ky, kx, channel; /* of the next value to gather */
    int16_t values[TRIT_PIECE]; /* 0 outside the image, and behind the last up to a multiple of 4 */
} trit_gather;

/* Values of channels first ... first + count - 1 of a pixel; bits may begin anywhere in a word. */
static inline void trit_gather_pixel(const trit_call *c, size_t pixel, uint32_t first, uint32_t count,
                                     int16_t *values) {
    uint32_t words = trit_words(c->in->channels), planes = trit_planes(c->in->kind), i;
    const uint8_t *bytes = (const uint8_t *)c->x + pixel * c->in->channels + first;
    const uint32_t *nonzero = (const uint32_t *)c->x + pixel * planes * words, *sign = nonzero + (planes - 1) * words;
    if (trit_kind_is(TRIT_USES_GATHERED, TRIT_KIND_BIT(UINT8), c->in->kind)) {
        for (i = 0; i < count; i++) values[i] = (int16_t)((int32_t)bytes[i] - (int32_t)c->in->zero_point);
        return;
    }
    for (i = 0; i < count; i++) {
        uint32_t word = (first + i) / TRIT_WORD_BITS;
        values[i] = (int16_t)trit_value(planes == 2 ? nonzero[word] : UINT32_MAX, sign[word],
                                        (first + i) % TRIT_WORD_BITS);
    }
}

/* Takes the next `count` values of the string: bytes of taps that follow one another all at once. */
static inline void trit_gather_piece(trit_gather *at, uint32_t count) {
    uint32_t ky = at->ky, kx = at->kx, channel = at->channel, i = 0, j;
    int joined = at->c->in->kind == TRIT_KIND_UINT8 && at->channels == at->c->in->channels && at->c->step->dilation[1] == 1;
    while (i < count) {
        int inside = ky >= at->rows.first && ky < at->rows.end && kx >= at->columns.first && kx < at->columns.end;
        uint32_t taps = inside && joined ? at->columns.end - kx : 1;
        uint32_t left = taps * at->channels - channel, n = left < count - i ? left : count - i;
        if (inside)
            trit_gather_pixel(at->c, trit_tap_pixel(at->c, at->rows, at->columns, ky, kx),
                              at->first_channel + channel, n, at->values + i);
        else
            for (j = 0; j < n; j++) at->values[i + j] = 0;
        i += n;
        channel += n;
        for (; channel >= at->channels; channel -= at->channels) kx++;
        if (kx == at->c->step->kernel[1]) kx = 0, ky++;
    }
    at->ky = ky;
    at->kx = kx;
    at->channel = channel;
}

/* Adds weight * value over the gathered values first ... to the accumulators of `n` output channels of one group. */
typedef void trit_add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                            int32_t *acc);

static inline void trit_gather_channels(trit_gather *at, trit_add_piece *add, uint32_t channel, uint32_t n,
                                        int32_t *acc) {
    uint32_t first, i;
    for (i = 0; i < n; i++) acc[i] = 0;
    at->ky = at->kx = at->channel = 0;
    for (first = 0; first < at->length; first += TRIT_PIECE) {
        uint32_t count = at->length - first < TRIT_PIECE ? at->length - first : TRIT_PIECE;
        trit_gather_piece(at, count);
        for (i = count; i % 4 != 0; i++) at->values[i] = 0;
        add(at, first, count, channel, n, acc);
    }
}

static inline void trit_gather_begin(trit_gather *at, const trit_call *c) {
    at->c = c;
    at->channels = trit_conv_group_channels(c);
    at->length = (uint32_t)trit_conv_fan_in(c);
    at->first_channel = 0;
}

static inline void trit_gather_word(trit_gather *at, trit_add_piece *add, uint32_t word, int32_t acc[TRIT_WORD_BITS]) {
    uint32_t in_group = at->c->out->channels / at->c->step->groups, first = word * TRIT_WORD_BITS, i = 0;
    uint32_t count = trit_channels_in_word(at->c->out->channels, word);
    while (i < count) {
        uint32_t group = (first + i) / in_group, left = (group + 1) * in_group - (first + i);
        uint32_t n = left < count - i ? left : count - i;
        at->first_channel = group * at->channels;
        trit_gather_channels(at, add, first + i, n, acc + i);
        i += n;
    }
}

static inline void trit_gather_run(const trit_call *c, trit_add_piece *add) {
    uint32_t y, x, word, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    trit_gather at;
    trit_gather_begin(&at, c);
    for (y = 0; y < c->out->height; y++) {
        at.rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            at.columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                trit_gather_word(&at, add, word, acc);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
}

#endif
