/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits with bits, one group, in plain C.
 *
 * With sign bits s (activation) and t (weight) and m = nonzero(activation) & nonzero(weight), a tap adds
 * popcount(m) - 2 * popcount(m & (s ^ t)). popcount(m) needs no work where one side is binary: it is the number of
 * values, of the row's nonzero weights, or of the window's nonzero activations.
 */
#include "conv_bits.h"
#include "kernels.h"

typedef struct window {
    trit_taps at;
    const uint32_t *a; /* activations under the first tap */
    uint32_t nonzero;  /* of them that are not 0; their number where binary */
} window;

static uint32_t count_nonzero(const trit_taps *at, const uint32_t *a) {
    uint32_t row, tap, i, count = 0;
    for (row = 0; row < at->rows; row++)
        for (tap = 0; tap < at->taps; tap++)
            for (i = 0; i < at->words; i++) count += trit_popcount(a[row * at->a_row + tap * at->a_tap + i]);
    return count;
}

static window make_window(const trit_call *c, trit_span rows, trit_span columns) {
    window w;
    w.at = trit_taps_inside(c, rows, columns);
    w.a = trit_first_tap(c, &w.at, rows, columns);
    w.nonzero = w.at.values;
    if (c->in->kind == TRIT_KIND_TERNARY && c->step->weight_kind == TRIT_KIND_BINARY)
        w.nonzero = count_nonzero(&w.at, w.a);
    return w;
}

typedef struct sums {
    uint32_t both, differ; /* popcount(m) where no count is known beforehand, popcount(m & (s ^ t)) */
} sums;

/* One string. The compiler makes a loop for each combination of planes. */
static inline sums add_string(sums sum, const uint32_t *a, const TRIT_FLASH uint32_t *w, uint32_t words, uint32_t lanes,
                              uint32_t a_planes, uint32_t w_planes, int count_both) {
    const uint32_t *a_sign = a + (a_planes - 1) * words;
    const TRIT_FLASH uint32_t *w_sign = w + (size_t)(w_planes - 1) * words * lanes;
    uint32_t i;
    for (i = 0; i < words; i++) {
        uint32_t differ = a_sign[i] ^ *w_sign, both = w_planes == 2 ? *w : UINT32_MAX;
        if (a_planes == 2) both &= a[i];
        if (count_both) sum.both += trit_popcount(both);
        sum.differ += trit_popcount(differ & both);
        w += lanes;
        w_sign += lanes;
    }
    return sum;
}

static inline sums add_window(const window *from, const TRIT_FLASH uint32_t *w, uint32_t lanes, uint32_t a_planes,
                              uint32_t w_planes, int count_both) {
    sums sum = {0, 0};
    const trit_taps *at = &from->at;
    const uint32_t *a = from->a;
    uint32_t row, tap;
    w += at->w * lanes;
    for (row = 0; row < at->rows; row++, a += at->a_row, w += at->w_row * lanes)
        for (tap = 0; tap < at->taps; tap++)
            sum = add_string(sum, a + tap * at->a_tap, w + tap * at->w_tap * lanes, at->words, lanes, a_planes,
                             w_planes, count_both);
    return sum;
}

/* Accumulators of one output word. */
static inline void convolve_word(const trit_call *c, const window *at, uint32_t word, uint32_t a_planes,
                                 uint32_t w_planes, int32_t acc[TRIT_WORD_BITS]) {
    const TRIT_FLASH uint32_t *counts = trit_words_at(c, c->step->counts, 0);
    uint32_t n = trit_channels_in_word(c->out->channels, word), i;
    for (i = 0; i < n; i++) {
        uint32_t channel = word * TRIT_WORD_BITS + i, total = at->nonzero;
        const TRIT_FLASH uint32_t *w = trit_conv_row(c, channel);
        sums sum;
        if (w_planes == 2 && (a_planes == 2 || !at->at.whole)) {
            sum = add_window(at, w, c->step->lanes, a_planes, w_planes, 1);
            total = sum.both;
        } else {
            sum = add_window(at, w, c->step->lanes, a_planes, w_planes, 0);
            if (w_planes == 2) total = counts[channel];
        }
        acc[i] = (int32_t)(total - 2 * sum.differ); /* 2 * differ alone may not fit int32 */
    }
}

static inline void convolve(const trit_call *c, uint32_t a_planes, uint32_t w_planes) {
    uint32_t y, x, word, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            window at = make_window(c, rows, trit_columns(c, x));
            for (word = 0; word < words; word++) {
                convolve_word(c, &at, word, a_planes, w_planes, acc);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
}

void trit_conv_bits(const trit_call *c) {
    int a = trit_conv_has_ternary_bits(c);
    int w = trit_conv_has_ternary_weights(c);
    if (a && w)
        convolve(c, 2, 2);
    else if (a)
        convolve(c, 2, 1);
    else if (w)
        convolve(c, 1, 2);
    else
        convolve(c, 1, 1);
}
