/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c byte by byte: a table says how many bits of a byte are set. A few words of activations stay in registers
 * while the weights of 32 output channels go by, in one pass through flash.
 */
#include "avr.h"
#include "conv_bits.h"

#if TRIT_HAVE_AVR

#define WORDS 4u /* of binary activations that stay in registers */

/* Bits that are set in a byte. It begins a page of memory, so that the byte is the lower half of an address. */
#define ONES2(n) n, n + 1, n + 1, n + 2
#define ONES4(n) ONES2(n), ONES2(n + 1), ONES2(n + 1), ONES2(n + 2)
#define ONES6(n) ONES4(n), ONES4(n + 1), ONES4(n + 1), ONES4(n + 2)
__attribute__((aligned(256))) static const uint8_t ones[256] = {ONES6(0), ONES6(1), ONES6(1), ONES6(2)};

#ifdef __AVR__
#include "conv_bits_avr_assembly.h"
#else
/* One byte: products that are -1. */
static inline uint32_t count_negative(uint8_t nonzero, uint8_t a, uint8_t w) {
    return ones[(a ^ w) & nonzero];
}

/* Each adds to counts[] what it counts in `rows` rows of weights, which lie `step` bytes apart, under a word of activations
 * or several: products that are -1; of ternary weights and activations twice those, and 32 less those that are not 0.
 * Signs of ternary values lie `plane` bytes behind their nonzeros. */
static void count_binary(const void *a, const void *w, size_t step, uint8_t rows, uint16_t *counts, uint8_t words) {
    const uint8_t *x = (const uint8_t *)a, *row = (const uint8_t *)w;
    uint32_t i;
    for (; rows > 0; rows--, row += step, counts++)
        for (i = 0; i < 4u * words; i++) *counts = (uint16_t)(*counts + count_negative(255, x[i], row[i]));
}

static void count_ternary_bits(const void *a, const void *w, size_t step, uint8_t rows, uint16_t *counts, size_t plane) {
    const uint8_t *x = (const uint8_t *)a, *row = (const uint8_t *)w;
    uint32_t i;
    for (; rows > 0; rows--, row += step, counts++)
        for (i = 0; i < 4; i++) *counts = (uint16_t)(*counts + count_negative(x[i], x[plane + i], row[i]));
}

static void count_ternary_weights(const void *a, const void *w, size_t step, uint8_t rows, uint16_t *counts,
                                  size_t plane) {
    const uint8_t *x = (const uint8_t *)a, *row = (const uint8_t *)w;
    uint32_t i;
    for (; rows > 0; rows--, row += step, counts++)
        for (i = 0; i < 4; i++) *counts = (uint16_t)(*counts + count_negative(row[i], x[i], row[plane + i]));
}

static void count_ternary_both(const void *a, const void *w, size_t step, uint8_t rows, uint16_t *counts, size_t plane) {
    const uint8_t *x = (const uint8_t *)a, *row = (const uint8_t *)w;
    uint32_t i;
    for (; rows > 0; rows--, row += step, counts++) {
        *counts = (uint16_t)(*counts + 32);
        for (i = 0; i < 4; i++) {
            uint8_t nonzero = x[i] & row[i];
            *counts = (uint16_t)(*counts + 2 * count_negative(nonzero, x[plane + i], row[plane + i]) - ones[nonzero]);
        }
    }
}
#endif

/* The window of one pixel, and the weights of one word of output channels. */
typedef struct window {
    trit_taps at;
    const uint32_t *a;          /* under the first tap */
    const TRIT_FLASH uint8_t *w; /* the first channel's row */
    size_t step, plane;         /* bytes from row to row, from nonzeros to signs */
    uint8_t rows;
    uint16_t negative[TRIT_WORD_BITS];
    uint16_t both[TRIT_WORD_BITS]; /* products that are not 0, of ternary weights at a border */
} window;

/* Under one tap, or several that follow one another. */
TRIT_INLINE void count_tap(window *to, const uint8_t *a, const TRIT_FLASH uint8_t *w, uint32_t a_planes,
                           uint32_t w_planes) {
    static const uint32_t zero = 0;
    size_t left = (size_t)to->at.words, n = 1;
    for (; left > 0; left -= n, a += 4 * n, w += 4 * n) {
        if (a_planes == 1 && w_planes == 1) {
            n = left < WORDS ? left : WORDS;
            count_binary(a, w, to->step, to->rows, to->negative, (uint8_t)n);
        } else if (w_planes == 1) {
            count_ternary_bits(a, w, to->step, to->rows, to->negative, to->plane);
        } else if (a_planes == 2) {
            count_ternary_both(a, w, to->step, to->rows, to->negative, to->plane);
        } else {
            count_ternary_weights(a, w, to->step, to->rows, to->negative, to->plane);
            if (!to->at.whole) count_binary(&zero, w, to->step, to->rows, to->both, 1);
        }
    }
}

TRIT_INLINE void count_window(window *to, uint32_t a_planes, uint32_t w_planes) {
    const trit_taps *at = &to->at;
    const TRIT_FLASH uint8_t *w_row = trit_bytes_on(to->w, 4 * at->w);
    const uint32_t *a_row = to->a;
    size_t row, tap;
    for (row = (size_t)at->rows; row > 0; row--, a_row += at->a_row, w_row += 4 * at->w_row) {
        const TRIT_FLASH uint8_t *w = w_row;
        const uint32_t *a = a_row;
        for (tap = (size_t)at->taps; tap > 0; tap--, a += at->a_tap, w += 4 * at->w_tap)
            count_tap(to, (const uint8_t *)a, w, a_planes, w_planes);
    }
}

/* Activations in the window that are not 0. */
static uint16_t count_nonzero(const trit_taps *at, const uint32_t *a_row) {
    uint32_t row, tap, i;
    uint16_t count = 0;
    for (row = 0; row < at->rows; row++, a_row += at->a_row) {
        const uint32_t *a = a_row;
        for (tap = 0; tap < at->taps; tap++, a += at->a_tap)
            for (i = 0; i < 4 * at->words; i++) count = (uint16_t)(count + ones[((const uint8_t *)a)[i]]);
    }
    return count;
}

static uint16_t products(const trit_taps *at, const uint32_t *a, uint32_t a_planes, uint32_t w_planes) {
    if (a_planes == 1) return (uint16_t)at->values;
    if (w_planes == 1) return count_nonzero(at, a);
    return (uint16_t)(TRIT_WORD_BITS * at->rows * at->taps * at->words);
}

/* The accumulators of one word of channels. */
TRIT_INLINE void convolve_word(const trit_call *c, window *at, uint32_t word, uint16_t nonzero, uint32_t a_planes,
                               uint32_t w_planes, int32_t acc[TRIT_WORD_BITS]) {
    const int known = a_planes == 2 || w_planes == 1, halved = a_planes == 2 && w_planes == 2;
    uint8_t i;
    for (i = 0; i < TRIT_WORD_BITS; i++) at->negative[i] = at->both[i] = 0;
    count_window(at, a_planes, w_planes);
    if (!known && at->at.whole)
        for (i = 0; i < at->rows; i++)
            at->both[i] = (uint16_t)*trit_words_at(c, c->step->counts, word * TRIT_WORD_BITS + i);
    for (i = 0; i < at->rows; i++) {
        int32_t negative = at->negative[i];
        acc[i] = (int32_t)(known ? nonzero : at->both[i]) - (halved ? negative : 2 * negative);
    }
}

TRIT_INLINE void convolve(const trit_call *c, uint32_t a_planes, uint32_t w_planes) {
    uint32_t y, x, word, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    window at;
    at.plane = (size_t)(4 * trit_words(c->in->channels));
    at.step = (size_t)w_planes * at.plane * c->step->kernel[0] * c->step->kernel[1];
    for (y = 0; y < c->out->height; y++) {
        trit_span span = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            uint16_t nonzero;
            at.at = trit_taps_inside(c, span, columns);
            at.a = trit_first_tap(c, &at.at, span, columns);
            nonzero = products(&at.at, at.a, a_planes, w_planes);
            at.w = (const TRIT_FLASH uint8_t *)trit_at(c, c->step->weights);
            for (word = 0; word < words; word++, at.w = trit_bytes_on(at.w, (trit_size)at.step * TRIT_WORD_BITS)) {
                at.rows = (uint8_t)trit_channels_in_word(c->out->channels, word);
                convolve_word(c, &at, word, nonzero, a_planes, w_planes, acc);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
}

/* Can counts of up to `most` a word exceed 16 bits? Not in an AVR's memory. */
static int is_beyond_counts(const trit_call *c, uint32_t most) {
#ifdef __AVR__
    (void)c, (void)most;
    return 0;
#else
    return trit_conv_row_words(c) > UINT16_MAX / most;
#endif
}

int trit_conv_bits_avr(const trit_call *c) {
    int a = trit_conv_has_ternary_bits(c), w = trit_conv_has_ternary_weights(c);
    if (trit_conv_lanes(c) != 1 || c->step->groups != 1) return 0;
    if (is_beyond_counts(c, a && w ? 64 : 32)) return 0;
    if (a && w)
        convolve(c, 2, 2);
    else if (a)
        convolve(c, 2, 1);
    else if (w)
        convolve(c, 1, 2);
    else
        convolve(c, 1, 1);
    return 1;
}

#endif
