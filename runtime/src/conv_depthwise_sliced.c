/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c for bits with binary or ternary weights that end in thresholds, all 32 channels of a word at once: sums
 * and thresholds are sliced, bit b of 32 of them in word b, and counters and comparisons are a few logical operations.
 * A sum counts the products that are +1 and those that are not -1, so it is the accumulator plus the taps of the kernel.
 */
#include "carry_save.h"
#include "conv.h"

#define SLICES 7u      /* sums are 0 ... 2 * MOST_TAPS */
#define MOST_TAPS 63u

typedef struct slices {
    uint32_t bit[SLICES];
} slices;

/* Adds 1 where `x` is set and 1 where `y` is. */
static inline void count_two(slices *sum, uint32_t x, uint32_t y) {
    uint32_t carry = trit_carry_save(&sum->bit[0], x, y), b;
    for (b = 1; carry != 0; b++) {
        uint32_t next = sum->bit[b] & carry;
        sum->bit[b] ^= carry;
        carry = next;
    }
}

/* Products under one tap; at `a` and `w` are the words of the first planes. */
static inline void add_tap(const trit_call *c, const uint32_t *a, const TRIT_FLASH uint32_t *w, uint32_t mask, slices *sum) {
    uint32_t words = trit_words(c->in->channels), nonzero = mask, negative;
    if (c->in->kind == TRIT_KIND_TERNARY) {
        nonzero &= *a;
        a += words;
    }
    if (c->step->weight_kind == TRIT_KIND_TERNARY) {
        nonzero &= *w;
        w += words;
    }
    negative = (*a ^ *w) & nonzero;
    count_two(sum, nonzero ^ negative, ~negative);
}

/* 32 thresholds that are compared with sums: where acc < lo, the sum is below lo + taps. */
static void slice_thresholds(const TRIT_FLASH int32_t *lo, uint32_t count, int32_t taps, slices *to) {
    uint32_t i, b;
    for (b = 0; b < SLICES; b++) to->bit[b] = 0;
    for (i = 0; i < count; i++) {
        int32_t most = 2 * taps + 1, at = lo[i] <= -taps ? 0 : lo[i] > taps ? most : lo[i] + taps;
        for (b = 0; b < SLICES; b++) to->bit[b] |= (uint32_t)(at >> b & 1) << i;
    }
}

/* Bit i is set where sum i is below threshold i. */
static inline uint32_t is_below(const slices *sum, const slices *threshold) {
    uint32_t below = 0, b;
    for (b = 0; b < SLICES; b++) {
        uint32_t differ = sum->bit[b] ^ threshold->bit[b];
        below ^= (below ^ threshold->bit[b]) & differ;
    }
    return below;
}

/* One word of channels at one pixel; taps outside the image count as products that are 0. */
static inline slices sum_window(const trit_call *c, trit_span rows, trit_span columns, uint32_t word) {
    size_t a_size = (size_t)(trit_planes(c->in->kind) * trit_words(c->in->channels)), w_size = (size_t)trit_conv_tap_words(c);
    const TRIT_FLASH uint32_t *w = trit_words_at(c, c->step->weights, word);
    uint32_t mask = trit_word_mask(c->in->channels, word), ky, kx;
    slices sum = {{0}};
    for (ky = 0; ky < c->step->kernel[0]; ky++) {
        for (kx = 0; kx < c->step->kernel[1]; kx++, w += w_size) {
            if (ky >= rows.first && ky < rows.end && kx >= columns.first && kx < columns.end)
                add_tap(c, (const uint32_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * a_size + word, w, mask, &sum);
            else
                count_two(&sum, 0, UINT32_MAX);
        }
    }
    return sum;
}

static void convolve_word(const trit_call *c, uint32_t word) {
    const TRIT_FLASH int32_t *lo = trit_lower_thresholds(c, word);
    uint32_t count = trit_channels_in_word(c->out->channels, word), y, x, pixel = 0;
    uint32_t mask = trit_word_mask(c->out->channels, word);
    int32_t taps = c->step->kernel[0] * c->step->kernel[1];
    int ternary = c->out->kind == TRIT_KIND_TERNARY;
    slices low, high;
    slice_thresholds(lo, count, taps, &low);
    if (ternary) slice_thresholds(trit_upper_thresholds(c, word), count, taps, &high);
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            slices sum = sum_window(c, rows, trit_columns(c, x), word);
            trit_store_levels(c, pixel, word, is_below(&sum, &low) & mask,
                              ternary ? ~is_below(&sum, &high) & mask : 0);
        }
    }
}

int trit_conv_depthwise_sliced(const trit_call *c) {
    uint32_t word;
    if (!trit_is_bits(c->in->kind) || !trit_is_bits(c->out->kind) || c->step->weight_kind == TRIT_KIND_INT8) return 0;
    if ((uint32_t)c->step->kernel[0] * c->step->kernel[1] > MOST_TAPS) return 0;
    for (word = 0; word < trit_words(c->out->channels); word++) convolve_word(c, word);
    return 1;
}
