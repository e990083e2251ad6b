/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits by counting them: a word of activations is broadcast against eight output channels, several
 * pixels or several times eight channels at a time. Bits are counted into bytes, which are added up before they can
 * overflow.
 *
 * Each kernel file that includes this one, which therefore has no guard, defines COUNT_TARGET, an attribute for the
 * functions, COUNT_BYTES, the number of bits in each byte of a vector, and COUNT_STORE, its output stage, and calls
 * convolve_by_counting. The vectors are the compiler's: one register of AVX2, two of SSE2 or NEON.
 */
#include "conv_bits.h"

#define COUNT_LANES 8u
#define COUNT_PIXELS 4
#define COUNT_BLOCKS (TRIT_WORD_BITS / COUNT_LANES) /* of an output word */
#define COUNT_WORDS 31u                             /* whose bits a byte counts */
#define COUNT_INLINE COUNT_TARGET static inline __attribute__((always_inline))
#define COUNT_UNROLL _Pragma("GCC unroll 4")

#pragma GCC diagnostic ignored "-Wpsabi" /* how vectors are returned: everything here is inlined */

typedef __attribute__((vector_size(32))) uint8_t count_bytes;
typedef __attribute__((vector_size(32))) uint32_t count_words;

/* Which loop: planes on either side, pixels and blocks of channels at a time. */
typedef struct count_shape {
    uint32_t a_planes, w_planes, pixels, blocks;
} count_shape;

/* Of eight channels: products that are -1 and, where both sides are ternary, those that are not 0. */
typedef struct count_pair {
    count_words differ, both;
} count_pair;

/* Windows of pixels of one area, and where the weights of each block begin. */
typedef struct count_tile {
    const uint32_t *a[COUNT_PIXELS], *w[COUNT_BLOCKS];
    uint32_t lanes;
} count_tile;

COUNT_INLINE count_words count_load(const uint32_t *at) {
    count_words words;
    __builtin_memcpy(&words, at, sizeof words);
    return words;
}

COUNT_INLINE count_words count_repeat(uint32_t word) {
    const count_words zero = {0};
    return zero + word;
}

COUNT_INLINE void count_add(count_words *bytes, const count_words *word) {
    *bytes = (count_words)((count_bytes)*bytes + (count_bytes)COUNT_BYTES(*word));
}

/* The sum of each lane's four bytes. */
COUNT_INLINE count_words count_widen(const count_words *bytes) {
    count_words halves = (*bytes & 0x00ff00ffu) + ((*bytes >> 8) & 0x00ff00ffu);
    return (halves & 0xffffu) + (halves >> 16);
}

/* Words first ... first + count - 1 of one string, for all pixels and blocks. */
COUNT_INLINE void count_piece(count_shape s, const count_tile *t, size_t a_offset, size_t w_offset, uint32_t words,
                              uint32_t first, uint32_t count, count_pair bytes[COUNT_PIXELS][COUNT_BLOCKS]) {
    uint32_t i, p, b;
    for (i = first; i < first + count; i++) {
        COUNT_UNROLL for (p = 0; p < s.pixels; p++) {
            const uint32_t *a = t->a[p] + a_offset + i;
            const count_words nonzero = count_repeat(a[0]), sign = count_repeat(a[(s.a_planes - 1) * words]);
            COUNT_UNROLL for (b = 0; b < s.blocks; b++) {
                const uint32_t *w = t->w[b] + (w_offset + i) * t->lanes;
                count_words differ = sign ^ count_load(w + (size_t)(s.w_planes - 1) * words * t->lanes);
                count_words both = s.w_planes == 2 ? count_load(w) : nonzero;
                if (s.w_planes == 2 && s.a_planes == 2) both &= nonzero;
                if (s.w_planes == 2 || s.a_planes == 2) differ &= both;
                count_add(&bytes[p][b].differ, &differ);
                if (s.w_planes == 2 && s.a_planes == 2) count_add(&bytes[p][b].both, &both);
            }
        }
    }
}

COUNT_INLINE void count_flush(count_shape s, count_pair bytes[COUNT_PIXELS][COUNT_BLOCKS],
                              count_pair sums[COUNT_PIXELS][COUNT_BLOCKS]) {
    const count_pair none = {{0}, {0}};
    uint32_t p, b;
    COUNT_UNROLL for (p = 0; p < s.pixels; p++) COUNT_UNROLL for (b = 0; b < s.blocks; b++) {
        sums[p][b].differ += count_widen(&bytes[p][b].differ);
        sums[p][b].both += count_widen(&bytes[p][b].both);
        bytes[p][b] = none;
    }
}

COUNT_INLINE void count_windows(count_shape s, const trit_taps *at, const count_tile *t,
                                count_pair sums[COUNT_PIXELS][COUNT_BLOCKS]) {
    const count_pair none = {{0}, {0}};
    count_pair bytes[COUNT_PIXELS][COUNT_BLOCKS];
    uint32_t row, tap, first, p, b, n, used = 0;
    COUNT_UNROLL for (p = 0; p < s.pixels; p++) COUNT_UNROLL for (b = 0; b < s.blocks; b++) bytes[p][b] = sums[p][b] = none;
    for (row = 0; row < at->rows; row++) {
        for (tap = 0; tap < at->taps; tap++) {
            for (first = 0; first < at->words; first += n) {
                n = at->words - first < COUNT_WORDS - used ? at->words - first : COUNT_WORDS - used;
                count_piece(s, t, row * at->a_row + tap * at->a_tap, row * at->w_row + tap * at->w_tap, at->words,
                            first, n, bytes);
                used += n;
                if (used == COUNT_WORDS) count_flush(s, bytes, sums), used = 0;
            }
        }
    }
    count_flush(s, bytes, sums);
}

/* Nonzero values of the words under the taps inside; their planes' steps are those of `at` times `lanes`. */
COUNT_INLINE uint32_t count_nonzero(const trit_taps *at, const uint32_t *words, int weights, uint32_t lanes) {
    const size_t row_step = weights ? at->w_row : at->a_row, tap_step = weights ? at->w_tap : at->a_tap;
    uint32_t row, tap, i, count = 0;
    for (row = 0; row < at->rows; row++)
        for (tap = 0; tap < at->taps; tap++)
            for (i = 0; i < at->words; i++) count += trit_popcount(words[(row * row_step + tap * tap_step + i) * lanes]);
    return count;
}

/* Products of an output word's channels that are not 0, where they are no matter of the pixel. */
COUNT_INLINE void count_products(count_shape s, const trit_call *c, const trit_taps *at, uint32_t word,
                                 int32_t totals[TRIT_WORD_BITS]) {
    uint32_t first = word * TRIT_WORD_BITS, n = trit_channels_in_word(c->out->channels, word), i;
    for (i = 0; i < TRIT_WORD_BITS; i++) totals[i] = (int32_t)at->values;
    if (s.w_planes == 1 || s.a_planes == 2) return;
    for (i = 0; i < n; i++) {
        const uint32_t *w = trit_conv_row(c, first + i) + at->w * c->step->lanes;
        totals[i] = (int32_t)(at->whole ? ((const uint32_t *)trit_at(c, c->step->counts))[first + i]
                                        : count_nonzero(at, w, 1, c->step->lanes));
    }
}

/* One output word of s.pixels windows; only the first `pixels` are stored, at out[]. */
COUNT_INLINE void count_word(count_shape s, const trit_call *c, const trit_taps *at, const count_tile *t, uint32_t word,
                             const int32_t totals[TRIT_WORD_BITS], const uint32_t *out, uint32_t pixels) {
    int32_t acc[COUNT_PIXELS][TRIT_WORD_BITS];
    uint32_t block, p, b;
    for (block = 0; block < COUNT_BLOCKS; block += s.blocks) {
        count_pair sums[COUNT_PIXELS][COUNT_BLOCKS];
        count_tile part = *t;
        COUNT_UNROLL for (b = 0; b < s.blocks; b++) part.w[b] = t->w[block + b];
        count_windows(s, at, &part, sums);
        COUNT_UNROLL for (p = 0; p < s.pixels; p++) {
            uint32_t nonzero = s.a_planes == 2 && s.w_planes == 1 ? count_nonzero(at, t->a[p], 0, 1) : 0;
            COUNT_UNROLL for (b = 0; b < s.blocks; b++) {
                count_words total; /* modulo 2^32: twice the mismatches alone may not fit int32 */
                __builtin_memcpy(&total, totals + (block + b) * COUNT_LANES, sizeof total);
                if (s.a_planes == 2 && s.w_planes == 1) total = count_repeat(nonzero);
                if (s.a_planes == 2 && s.w_planes == 2) total = sums[p][b].both;
                total -= sums[p][b].differ << 1;
                __builtin_memcpy(acc[p] + (block + b) * COUNT_LANES, &total, sizeof total);
            }
        }
    }
    for (p = 0; p < pixels; p++) COUNT_STORE(c, out[p], word, acc[p]);
}

/* One output word of all pixels of an area. */
COUNT_INLINE void count_area(count_shape s, const trit_call *c, const trit_area *area, const trit_taps *at, count_tile *t,
                             uint32_t word) {
    trit_walk walk = trit_walk_area(c, area, at);
    uint32_t out[COUNT_PIXELS], count;
    int32_t totals[TRIT_WORD_BITS];
    count_products(s, c, at, word, totals);
    while ((count = trit_walk_on(&walk, s.pixels, out, t->a)) > 0) count_word(s, c, at, t, word, totals, out, count);
}

/* One function for each pair of plane counts, so that each has its own registers. */
#define COUNT_DEFINE(name, a_planes, w_planes)                                                                      \
    COUNT_TARGET static void name##_area(const trit_call *c, const trit_area *area, const trit_taps *at,            \
                                         count_tile *t, uint32_t word) {                                            \
        const count_shape many = {a_planes, w_planes, COUNT_PIXELS, 2}, one = {a_planes, w_planes, 1, COUNT_BLOCKS}; \
        if (area->height * area->width > 1)                                                                         \
            count_area(many, c, area, at, t, word);                                                                 \
        else                                                                                                        \
            count_area(one, c, area, at, t, word);                                                                  \
    }
COUNT_DEFINE(count_binary_binary, 1, 1)
COUNT_DEFINE(count_ternary_binary, 2, 1)
COUNT_DEFINE(count_binary_ternary, 1, 2)
COUNT_DEFINE(count_ternary_ternary, 2, 2)
#undef COUNT_DEFINE

COUNT_TARGET static void count_channels(const trit_call *c, uint32_t word) {
    const int a = c->in->kind == TRIT_KIND_TERNARY, w = c->step->weight_kind == TRIT_KIND_TERNARY;
    const uint32_t first = word * TRIT_WORD_BITS;
    uint32_t y, x, b;
    trit_area area;
    for (y = 0; y < c->out->height; y += area.height) {
        for (x = 0; x < c->out->width; x += area.width) {
            trit_taps at;
            count_tile t;
            area = trit_area_at(c, y, x);
            at = trit_taps_inside(c, area.rows, area.columns);
            t.lanes = c->step->lanes;
            for (b = 0; b < COUNT_BLOCKS; b++) { /* behind the last channel the first serve again and are not stored */
                uint32_t channel = first + b * COUNT_LANES < c->out->channels ? first + b * COUNT_LANES : first;
                t.w[b] = trit_conv_row(c, channel) + at.w * t.lanes;
            }
            if (a)
                (w ? count_ternary_ternary_area : count_ternary_binary_area)(c, &area, &at, &t, word);
            else
                (w ? count_binary_ternary_area : count_binary_binary_area)(c, &area, &at, &t, word);
        }
    }
}

/* Returns 0 where it declines: weights of fewer than eight lanes. */
COUNT_TARGET static int convolve_by_counting(const trit_call *c) {
    uint32_t word, words = trit_words(c->out->channels);
    if (c->step->lanes % COUNT_LANES != 0) return 0;
    for (word = 0; word < words; word++) count_channels(c, word);
    return 1;
}
