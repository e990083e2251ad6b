/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits with bits, one group, in plain C.
 *
 * With sign bits s (activation) and t (weight) and m = nonzero(activation) & nonzero(weight), a tap adds
 * popcount(m) - 2 * popcount(m & (s ^ t)). popcount(m) needs no work where one side is binary: it is the number of
 * values, of the row's nonzero weights, or of the window's nonzero activations.
 */
#include "conv.h"
#include "kernels.h"

typedef struct sums {
    uint32_t both, differ; /* popcount(m) where both sides are ternary, popcount(m & (s ^ t)) */
} sums;

/* One tap. The compiler makes a loop for each combination of planes. */
static inline sums add_tap(sums sum, const uint32_t *a, const uint32_t *w, uint32_t words, uint32_t lanes,
                           uint32_t a_planes, uint32_t w_planes) {
    const uint32_t *a_sign = a + (a_planes - 1) * words, *w_sign = w + (size_t)(w_planes - 1) * words * lanes;
    uint32_t i;
    for (i = 0; i < words; i++) {
        uint32_t differ = a_sign[i] ^ *w_sign;
        if (a_planes == 2 && w_planes == 2) sum.both += trit_popcount(a[i] & *w);
        if (a_planes == 2) differ &= a[i];
        if (w_planes == 2) differ &= *w;
        sum.differ += trit_popcount(differ);
        w += lanes;
        w_sign += lanes;
    }
    return sum;
}

static inline uint32_t count_bits(const uint32_t *words, uint32_t count, uint32_t lanes) {
    uint32_t i, bits = 0;
    for (i = 0; i < count; i++) bits += trit_popcount(words[(size_t)i * lanes]);
    return bits;
}

typedef struct window {
    trit_span rows, columns;
    uint32_t nonzero; /* activations in the window that are not 0; their number where binary */
    int whole;        /* no tap lies outside */
} window;

static inline const uint32_t *pixel_words(const trit_call *c, const window *at, uint32_t ky, uint32_t kx,
                                          uint32_t pixel_size) {
    return (const uint32_t *)c->x + trit_tap_pixel(c, at->rows, at->columns, ky, kx) * pixel_size;
}

static window make_window(const trit_call *c, trit_span rows, uint32_t x) {
    uint32_t words = trit_words(c->in->channels), ky, kx;
    window at;
    at.rows = rows;
    at.columns = trit_columns(c, x);
    at.nonzero = (rows.end - rows.first) * (at.columns.end - at.columns.first) * c->in->channels;
    at.whole = rows.end - rows.first == c->step->kernel[0] && at.columns.end - at.columns.first == c->step->kernel[1];
    if (c->in->kind == TRIT_KIND_BINARY || c->step->weight_kind == TRIT_KIND_TERNARY) return at;
    at.nonzero = 0;
    for (ky = rows.first; ky < rows.end; ky++)
        for (kx = at.columns.first; kx < at.columns.end; kx++)
            at.nonzero += count_bits(pixel_words(c, &at, ky, kx, 2 * words), words, 1);
    return at;
}

/* Accumulator of one output channel with weights `row`, which has `count` nonzero weights. */
static inline int32_t dot(const trit_call *c, const window *at, const uint32_t *row, uint32_t count, uint32_t a_planes,
                          uint32_t w_planes) {
    uint32_t words = trit_words(c->in->channels), lanes = c->step->lanes, width = c->step->kernel[1], ky, kx;
    uint32_t total = at->nonzero, partial = 0;
    sums sum = {0, 0};
    for (ky = at->rows.first; ky < at->rows.end; ky++) {
        for (kx = at->columns.first; kx < at->columns.end; kx++) {
            const uint32_t *w = row + (size_t)(ky * width + kx) * w_planes * words * lanes;
            sum = add_tap(sum, pixel_words(c, at, ky, kx, a_planes * words), w, words, lanes, a_planes, w_planes);
            if (a_planes == 1 && w_planes == 2 && !at->whole) partial += count_bits(w, words, lanes);
        }
    }
    if (w_planes == 2) total = a_planes == 2 ? sum.both : at->whole ? count : partial;
    return (int32_t)total - 2 * (int32_t)sum.differ;
}

static inline void convolve(const trit_call *c, uint32_t a_planes, uint32_t w_planes) {
    const uint32_t *counts = (const uint32_t *)trit_at(c, c->step->counts);
    uint32_t y, x, word, i, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            window at = make_window(c, rows, x);
            for (word = 0; word < words; word++) {
                uint32_t first = word * TRIT_WORD_BITS, n = trit_channels_in_word(c->out->channels, word);
                for (i = 0; i < n; i++)
                    acc[i] = dot(c, &at, trit_conv_row(c, first + i), w_planes == 2 ? counts[first + i] : 0, a_planes,
                                 w_planes);
                trit_conv_store(c, pixel, word, acc);
            }
        }
    }
}

void trit_conv_bits(const trit_call *c) {
    int a = c->in->kind == TRIT_KIND_TERNARY, w = c->step->weight_kind == TRIT_KIND_TERNARY;
    if (a && w)
        convolve(c, 2, 2);
    else if (a)
        convolve(c, 2, 1);
    else if (w)
        convolve(c, 1, 2);
    else
        convolve(c, 1, 1);
}
