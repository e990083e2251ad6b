/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with AVX-512: a word of activations is broadcast against 16 output channels, four pixels at a time.
 *
 * Bits are not counted vector by vector. A carry-save adder takes two vectors of mismatches and the sum so far,
 * and only its carries are counted, twice their bits (Harley & Seal; Muła, Kurz & Lemire 2018, section 4.2). With
 * t = ones ^ d1 and s = t ^ d2 the carry is t ? ~s : ones, so that d = a ^ w needs no instruction of its own:
 * five for two vectors where xor, count and add would take six.
 */
#include "avx512.h"
#include "conv_bits.h"

#if TRIT_HAVE_AVX512

#define MAX_PIXELS 4
#define COUNTED_TAPS 25 /* of a kernel, up to 5 × 5 */

/* Truth tables for vpternlogd(a, b, c): bit 4a + 2b + c. */
#define XOR3 0x96        /* a ^ b ^ c */
#define AND_XOR 0x60     /* a & (b ^ c) */
#define MAJORITY 0xe8
#define CARRY 0x74       /* b ? ~c : a, of ones, t and s */

/* Which loop: planes on either side, pixels and blocks of channels at a time. */
typedef struct shape {
    uint32_t a_planes, w_planes, pixels, blocks;
} shape;

/* Mismatches counted so far: popcount(ones) + 2 * carries. Where both sides are ternary nothing is left in ones, and
 * `both` counts the products that are not 0. */
typedef struct counts {
    __m512i ones, carries, both;
} counts;

/* Windows of neighbouring output pixels of one area, and one block of weights after the other. */
typedef struct tile {
    const uint32_t *a[MAX_PIXELS];
    const uint32_t *w;
    size_t w_block; /* words from one block to the next */
    __m512i taps[COUNTED_TAPS][AVX512_BLOCKS]; /* nonzero weights of each tap, once a window is cut */
    int counted;
} tile;

AVX512_INLINE void add_pair(counts *n, __m512i d1, __m512i d2) {
    __m512i carry = _mm512_ternarylogic_epi32(n->ones, d1, d2, MAJORITY);
    n->ones = _mm512_ternarylogic_epi32(n->ones, d1, d2, XOR3);
    n->carries = _mm512_add_epi32(n->carries, _mm512_popcnt_epi32(carry));
}

/* The same for d1 = a1 ^ w1 and d2 = a2 ^ w2. */
AVX512_INLINE void add_pair_xor(counts *n, __m512i a1, __m512i w1, __m512i a2, __m512i w2) {
    __m512i t = _mm512_ternarylogic_epi32(n->ones, a1, w1, XOR3);
    __m512i sum = _mm512_ternarylogic_epi32(t, a2, w2, XOR3);
    __m512i carry = _mm512_ternarylogic_epi32(n->ones, t, sum, CARRY);
    n->carries = _mm512_add_epi32(n->carries, _mm512_popcnt_epi32(carry));
    n->ones = sum;
}

/* Word i of the string at `a` and `w`: mismatches where a product is not 0. */
AVX512_INLINE __m512i mismatches(shape s, const uint32_t *a, const uint32_t *w, uint32_t words, uint32_t i) {
    __m512i sign_a = avx512_repeat(a + (s.a_planes - 1) * words + i);
    __m512i sign_w = avx512_load(w + ((size_t)(s.w_planes - 1) * words + i) * AVX512_LANES);
    if (s.a_planes == 2) return _mm512_ternarylogic_epi32(avx512_repeat(a + i), sign_a, sign_w, AND_XOR);
    if (s.w_planes == 2)
        return _mm512_ternarylogic_epi32(avx512_load(w + (size_t)i * AVX512_LANES), sign_a, sign_w, AND_XOR);
    return _mm512_xor_si512(sign_a, sign_w);
}

AVX512_INLINE void add_both_ternary(counts *n, const uint32_t *a, const uint32_t *w, uint32_t words, uint32_t i) {
    __m512i both = _mm512_and_si512(avx512_repeat(a + i), avx512_load(w + (size_t)i * AVX512_LANES));
    __m512i sign_w = avx512_load(w + ((size_t)words + i) * AVX512_LANES);
    __m512i differ = _mm512_ternarylogic_epi32(both, avx512_repeat(a + words + i), sign_w, AND_XOR);
    n->both = _mm512_add_epi32(n->both, _mm512_popcnt_epi32(both));
    n->carries = _mm512_add_epi32(n->carries, _mm512_popcnt_epi32(differ));
}

/* One string of `words` words, a plane after the other. */
AVX512_INLINE void add_string(shape s, const uint32_t *const *a, size_t a_offset, const uint32_t *w, size_t w_block,
                              uint32_t words, counts n[MAX_PIXELS][AVX512_BLOCKS]) {
    uint32_t i, p, b;
    if (s.a_planes == 2 && s.w_planes == 2) {
        for (i = 0; i < words; i++)
            AVX512_UNROLL for (p = 0; p < s.pixels; p++) AVX512_UNROLL for (b = 0; b < s.blocks; b++)
                add_both_ternary(&n[p][b], a[p] + a_offset, w + b * w_block, words, i);
        return;
    }
    for (i = 0; i + 1 < words; i += 2) {
        AVX512_UNROLL for (p = 0; p < s.pixels; p++) AVX512_UNROLL for (b = 0; b < s.blocks; b++) {
            const uint32_t *a_at = a[p] + a_offset, *w_at = w + b * w_block;
            if (s.a_planes == 1 && s.w_planes == 1)
                add_pair_xor(&n[p][b], avx512_repeat(a_at + i), avx512_load(w_at + (size_t)i * AVX512_LANES),
                             avx512_repeat(a_at + i + 1), avx512_load(w_at + (size_t)(i + 1) * AVX512_LANES));
            else
                add_pair(&n[p][b], mismatches(s, a_at, w_at, words, i), mismatches(s, a_at, w_at, words, i + 1));
        }
    }
    if (i < words)
        AVX512_UNROLL for (p = 0; p < s.pixels; p++) AVX512_UNROLL for (b = 0; b < s.blocks; b++)
            add_pair(&n[p][b], mismatches(s, a[p] + a_offset, w + b * w_block, words, i), _mm512_setzero_si512());
}

AVX512_INLINE void count_tile(shape s, const trit_taps *at, const tile *t, counts n[MAX_PIXELS][AVX512_BLOCKS]) {
    const counts none = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    uint32_t row, tap, p, b;
    AVX512_UNROLL for (p = 0; p < s.pixels; p++) AVX512_UNROLL for (b = 0; b < s.blocks; b++) n[p][b] = none;
    for (row = 0; row < at->rows; row++)
        for (tap = 0; tap < at->taps; tap++)
            add_string(s, t->a, row * at->a_row + tap * at->a_tap,
                       t->w + (row * at->w_row + tap * at->w_tap) * AVX512_LANES, t->w_block, at->words, n);
}

/* Activations in the window at `a` that are not 0. */
AVX512 static uint32_t count_nonzero(const trit_taps *at, const uint32_t *a) {
    __m512i count = _mm512_setzero_si512();
    uint32_t row, tap, i;
    for (row = 0; row < at->rows; row++)
        for (tap = 0; tap < at->taps; tap++)
            for (i = 0; i < at->words; i += AVX512_LANES) {
                __mmask16 some = (__mmask16)(at->words - i < AVX512_LANES ? (1u << (at->words - i)) - 1 : 0xffffu);
                const uint32_t *from = a + row * at->a_row + tap * at->a_tap + i;
                count = _mm512_add_epi32(count, _mm512_popcnt_epi32(_mm512_maskz_loadu_epi32(some, from)));
            }
    return (uint32_t)_mm512_reduce_add_epi32(count);
}

AVX512_INLINE __m512i count_tap(const uint32_t *w, uint32_t words) {
    __m512i count = _mm512_setzero_si512();
    uint32_t i;
    for (i = 0; i < words; i++)
        count = _mm512_add_epi32(count, _mm512_popcnt_epi32(avx512_load(w + (size_t)i * AVX512_LANES)));
    return count;
}

/* Nonzero weights of every tap of the kernel. */
AVX512 static void count_taps(const trit_call *c, const trit_taps *at, tile *t) {
    const uint32_t *w = t->w - at->w * AVX512_LANES;
    uint32_t taps = (uint32_t)c->step->kernel[0] * c->step->kernel[1], tap, b;
    for (tap = 0; tap < taps; tap++)
        for (b = 0; b < AVX512_BLOCKS; b++)
            t->taps[tap][b] = count_tap(w + b * t->w_block + tap * at->w_tap * AVX512_LANES, at->words);
    t->counted = 1;
}

/* Nonzero weights under the taps inside a window that is cut, of a block's channels. */
AVX512 static __m512i count_cut(const trit_call *c, const trit_area *area, const trit_taps *at, tile *t, uint32_t b) {
    const uint32_t width = c->step->kernel[1], few = c->step->kernel[0] * width <= COUNTED_TAPS;
    __m512i count = _mm512_setzero_si512();
    uint32_t row, tap;
    if (few && !t->counted) count_taps(c, at, t);
    for (row = 0; row < at->rows; row++)
        for (tap = 0; tap < at->taps; tap++) {
            const uint32_t *w = t->w + b * t->w_block + (row * at->w_row + tap * at->w_tap) * AVX512_LANES;
            uint32_t index = (area->rows.first + row) * width + area->columns.first + tap;
            count = _mm512_add_epi32(count, few ? t->taps[index][b] : count_tap(w, at->words));
        }
    return count;
}

/* Nonzero weights of a block's channels. */
AVX512 static __m512i count_whole(const trit_call *c, uint32_t word, uint32_t b) {
    const uint32_t first = word * TRIT_WORD_BITS + b * AVX512_LANES, left = c->out->channels - first;
    __mmask16 some = (__mmask16)(left < AVX512_LANES ? (1u << left) - 1 : 0xffffu);
    if (first >= c->out->channels) return _mm512_setzero_si512();
    return _mm512_maskz_loadu_epi32(some, (const uint32_t *)trit_at(c, c->step->counts) + first);
}

/* Products that are not 0, where they are no matter of the pixel: all, or those of the weights. */
AVX512_INLINE void count_products(shape s, const trit_call *c, const trit_area *area, const trit_taps *at, tile *t,
                                  uint32_t word, __m512i totals[AVX512_BLOCKS]) {
    uint32_t b;
    for (b = 0; b < AVX512_BLOCKS; b++) {
        totals[b] = _mm512_set1_epi32((int)at->values);
        if (s.w_planes == 2 && s.a_planes == 1)
            totals[b] = at->whole ? count_whole(c, word, b) : count_cut(c, area, at, t, b);
    }
}

/* One output word of s.pixels windows; only the first `pixels` are stored, at out[]. */
AVX512_INLINE void convolve_tile(shape s, const trit_call *c, const trit_taps *at, const tile *t, uint32_t word,
                                 const __m512i totals[AVX512_BLOCKS], const uint32_t *out, uint32_t pixels) {
    counts n[MAX_PIXELS][AVX512_BLOCKS];
    __m512i acc[MAX_PIXELS][AVX512_BLOCKS];
    uint32_t p, b;
    count_tile(s, at, t, n);
    AVX512_UNROLL for (p = 0; p < s.pixels; p++) {
        __m512i total = _mm512_setzero_si512();
        if (s.a_planes == 2 && s.w_planes == 1) total = _mm512_set1_epi32((int)count_nonzero(at, t->a[p]));
        AVX512_UNROLL for (b = 0; b < s.blocks; b++) {
            __m512i differ = _mm512_slli_epi32(n[p][b].carries, 1);
            if (s.a_planes == 1) total = totals[b];
            if (s.a_planes == 2 && s.w_planes == 2)
                total = n[p][b].both;
            else
                differ = _mm512_slli_epi32(_mm512_add_epi32(differ, _mm512_popcnt_epi32(n[p][b].ones)), 1);
            acc[p][b] = _mm512_sub_epi32(total, differ);
        }
        if (s.blocks == 1) acc[p][1] = acc[p][0]; /* not stored */
    }
    for (p = 0; p < pixels; p++) avx512_conv_store(c, out[p], word, acc[p]);
}

/* One output word of all pixels of an area. */
AVX512_INLINE void convolve_area(shape s, const trit_call *c, const trit_area *area, const trit_taps *at, tile *t,
                                 uint32_t word) {
    trit_walk walk = trit_walk_area(c, area, at);
    __m512i totals[AVX512_BLOCKS];
    uint32_t out[MAX_PIXELS], count;
    count_products(s, c, area, at, t, word, totals);
    while ((count = trit_walk_on(&walk, s.pixels, out, t->a)) > 0)
        convolve_tile(s, c, at, t, word, totals, out, count);
}

/* One function for each pair of plane counts, so that each has its own registers. */
#define DEFINE(name, a_planes, w_planes)                                                                             \
    AVX512 static void name##_many(const trit_call *c, const trit_area *area, const trit_taps *at, tile *t,          \
                                   uint32_t word) {                                                                  \
        const shape s = {a_planes, w_planes, MAX_PIXELS, AVX512_BLOCKS};                                             \
        convolve_area(s, c, area, at, t, word);                                                                      \
    }                                                                                                                \
    AVX512 static void name##_one(const trit_call *c, const trit_area *area, const trit_taps *at, tile *t,           \
                                  uint32_t word) {                                                                   \
        const shape s = {a_planes, w_planes, 1, AVX512_BLOCKS};                                                      \
        convolve_area(s, c, area, at, t, word);                                                                      \
    }
DEFINE(binary_binary, 1, 1)
DEFINE(ternary_binary, 2, 1)
DEFINE(binary_ternary, 1, 2)
DEFINE(ternary_ternary, 2, 2)
#undef DEFINE

typedef void (*run)(const trit_call *c, const trit_area *area, const trit_taps *at, tile *t, uint32_t word);

static run choose(const trit_call *c, int many) {
    if (c->in->kind == TRIT_KIND_BINARY) {
        if (c->step->weight_kind == TRIT_KIND_BINARY) return many ? binary_binary_many : binary_binary_one;
        return many ? binary_ternary_many : binary_ternary_one;
    }
    if (c->step->weight_kind == TRIT_KIND_BINARY) return many ? ternary_binary_many : ternary_binary_one;
    return many ? ternary_ternary_many : ternary_ternary_one;
}

static void convolve_word(const trit_call *c, uint32_t word) {
    uint32_t first = word * TRIT_WORD_BITS, y, x;
    const uint32_t *w = trit_conv_row(c, first);
    tile t;
    trit_area area;
    /* Without a second block the first serves again; its results are not stored. */
    t.w_block = 0;
    t.counted = 0;
    if (first + AVX512_LANES < c->out->channels) t.w_block = (size_t)(trit_conv_row(c, first + AVX512_LANES) - w);
    for (y = 0; y < c->out->height; y += area.height) {
        for (x = 0; x < c->out->width; x += area.width) {
            trit_taps at;
            area = trit_area_at(c, y, x);
            at = trit_taps_inside(c, area.rows, area.columns);
            t.w = w + at.w * AVX512_LANES;
            choose(c, area.height * area.width > 1)(c, &area, &at, &t, word);
        }
    }
}

int trit_conv_bits_avx512(const trit_call *c) {
    uint32_t word, words = trit_words(c->out->channels);
    if (c->step->lanes != AVX512_LANES) return 0;
    for (word = 0; word < words; word++) convolve_word(c, word);
    return 1;
}

#endif
