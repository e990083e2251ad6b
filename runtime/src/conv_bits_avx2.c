/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with AVX2: by tables for whole feature maps; else a word of activations is broadcast against eight
 * output channels, several pixels at a time.
 *
 * Bits are counted by a table of nibbles (Muła, Kurz & Lemire 2018, "Faster Population Counts Using AVX2
 * Instructions", section 3.1) into bytes, which are added up before they can overflow.
 */
#include "avx2.h"

#if TRIT_HAVE_AVX2

#define TABLES_TARGET AVX2
#define TABLES_STORE avx2_conv_store
#include "conv_tables.h"

#define MAX_PIXELS 4
#define UNROLL _Pragma("GCC unroll 4")

/* Which loop: planes on either side, pixels and blocks of channels at a time. */
typedef struct shape {
    uint32_t a_planes, w_planes;
    int both; /* count nonzero products, too, because their number depends on the channel or the window */
    uint32_t pixels, blocks;
} shape;

/* The windows of neighbouring pixels: the same taps, `step` words apart. */
typedef struct tile {
    const trit_call *c;
    trit_span rows, columns;
    uint32_t pixels;
} tile;

AVX2_INLINE __m256i count_in_bytes(__m256i x, __m256i table) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)), _mm256_shuffle_epi8(table, high));
}

/* Bits set in each nibble, times `factor`. */
AVX2_INLINE __m256i nibble_table(int factor) {
    const __m256i bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    return factor == 1 ? bits : _mm256_sign_epi8(_mm256_add_epi8(bits, bits), _mm256_set1_epi8(-1));
}

/* `count` words of one tap for all pixels and blocks, added to the counts in bytes. */
AVX2_INLINE void add_words(shape s, const uint32_t *a, size_t a_step, uint32_t a_words, const uint32_t *const *w,
                           size_t w_offset, size_t lanes, uint32_t count, __m256i bytes[MAX_PIXELS][AVX2_BLOCKS]) {
    const __m256i ones = nibble_table(1), twos = nibble_table(-2);
    const size_t w_sign = (size_t)(s.w_planes - 1) * a_words * lanes;
    uint32_t i, p, b;
    for (i = 0; i < count; i++) {
        UNROLL for (p = 0; p < s.pixels; p++) {
            const uint32_t *at = a + p * a_step + i;
            __m256i nonzero = _mm256_set1_epi32((int)at[0]);
            __m256i sign = _mm256_set1_epi32((int)at[(s.a_planes - 1) * a_words]);
            UNROLL for (b = 0; b < s.blocks; b++) {
                const uint32_t *weights = w[b] + w_offset + (size_t)i * lanes;
                __m256i differ = _mm256_xor_si256(sign, avx2_load(weights + w_sign));
                __m256i both = s.w_planes == 2 ? avx2_load(weights) : nonzero;
                if (s.a_planes == 2 && s.w_planes == 2) both = _mm256_and_si256(both, nonzero);
                if (s.a_planes == 2 || s.w_planes == 2) differ = _mm256_and_si256(differ, both);
                if (s.both) {
                    bytes[p][b] = _mm256_add_epi8(bytes[p][b], count_in_bytes(both, ones));
                    bytes[p][b] = _mm256_add_epi8(bytes[p][b], count_in_bytes(differ, twos));
                } else {
                    bytes[p][b] = _mm256_add_epi8(bytes[p][b], count_in_bytes(differ, ones));
                }
            }
        }
    }
}

/* Adds the bytes of each lane to its sum: signed where `both`, else what to take away. */
AVX2_INLINE void flush(shape s, __m256i bytes[MAX_PIXELS][AVX2_BLOCKS], __m256i sums[MAX_PIXELS][AVX2_BLOCKS]) {
    const __m256i one8 = _mm256_set1_epi8(1), one16 = _mm256_set1_epi16(1);
    uint32_t p, b;
    UNROLL for (p = 0; p < s.pixels; p++) {
        UNROLL for (b = 0; b < s.blocks; b++) {
            __m256i pairs = s.both ? _mm256_maddubs_epi16(one8, bytes[p][b]) : _mm256_maddubs_epi16(bytes[p][b], one8);
            sums[p][b] = _mm256_add_epi32(sums[p][b], _mm256_madd_epi16(pairs, one16));
            bytes[p][b] = _mm256_setzero_si256();
        }
    }
}

/* Counts of all taps for s.pixels neighbouring pixels and s.blocks blocks whose weights begin at w[]. */
AVX2_INLINE void count_tile(shape s, const tile *t, const uint32_t *const *w, __m256i sums[MAX_PIXELS][AVX2_BLOCKS]) {
    const trit_call *c = t->c;
    const uint32_t words = trit_words(c->in->channels), lanes = c->step->lanes, most = s.both ? 15 : 31; /* a byte takes 8 or +-8 a word */
    const size_t a_size = (size_t)s.a_planes * words, a_step = c->step->stride[1] * a_size;
    __m256i bytes[MAX_PIXELS][AVX2_BLOCKS];
    uint32_t p, b, ky, kx, i, n, used = 0;
    UNROLL for (p = 0; p < s.pixels; p++) UNROLL for (b = 0; b < s.blocks; b++) {
        bytes[p][b] = sums[p][b] = _mm256_setzero_si256();
    }
    for (ky = t->rows.first; ky < t->rows.end; ky++) {
        for (kx = t->columns.first; kx < t->columns.end; kx++) {
            const uint32_t *a = (const uint32_t *)c->x + trit_tap_pixel(c, t->rows, t->columns, ky, kx) * a_size;
            size_t tap = (size_t)(ky * c->step->kernel[1] + kx) * s.w_planes * words;
            for (i = 0; i < words; i += n) {
                n = words - i < most ? words - i : most;
                if (used + n > most) {
                    flush(s, bytes, sums);
                    used = 0;
                }
                add_words(s, a + i, a_step, words, w, (tap + i) * lanes, lanes, n, bytes);
                used += n;
            }
        }
    }
    flush(s, bytes, sums);
}

/* Activations in the window of pixel p that are not 0. */
AVX2 static uint32_t count_nonzero(const tile *t, uint32_t p) {
    const trit_call *c = t->c;
    uint32_t words = trit_words(c->in->channels), ky, kx, i, count = 0;
    for (ky = t->rows.first; ky < t->rows.end; ky++) {
        for (kx = t->columns.first; kx < t->columns.end; kx++) {
            size_t pixel = trit_tap_pixel(c, t->rows, t->columns, ky, kx) + p * c->step->stride[1];
            const uint32_t *a = (const uint32_t *)c->x + pixel * 2 * words;
            for (i = 0; i < words; i++) count += (uint32_t)__builtin_popcount(a[i]);
        }
    }
    return count;
}

/* One output word of s.pixels neighbouring pixels. */
AVX2_INLINE void convolve_word(shape s, const tile *t, uint32_t pixel, uint32_t word,
                               const uint32_t totals[MAX_PIXELS]) {
    const trit_call *c = t->c;
    const uint32_t *counts = (const uint32_t *)trit_at(c, c->step->counts) + word * TRIT_WORD_BITS;
    uint32_t first = word * TRIT_WORD_BITS, left = trit_channels_in_word(c->out->channels, word), block, p, b;
    int32_t acc[MAX_PIXELS][TRIT_WORD_BITS];
    for (block = 0; block * AVX2_LANES < left; block += s.blocks) {
        __m256i sums[MAX_PIXELS][AVX2_BLOCKS];
        const uint32_t *w[AVX2_BLOCKS];
        for (b = 0; b < s.blocks; b++) {
            /* Behind the last block its weights serve again; the results are not stored. */
            uint32_t channel = (block + b) * AVX2_LANES < left ? (block + b) * AVX2_LANES : block * AVX2_LANES;
            w[b] = trit_conv_row(c, first + channel);
        }
        count_tile(s, t, w, sums);
        UNROLL for (p = 0; p < s.pixels; p++) UNROLL for (b = 0; b < s.blocks; b++) {
            __m256i total = _mm256_set1_epi32((int)totals[p]), sum = sums[p][b];
            if (!s.both) sum = _mm256_sub_epi32(total, _mm256_add_epi32(sum, sum));
            _mm256_storeu_si256((__m256i *)&acc[p][(block + b) * AVX2_LANES], sum);
        }
    }
    for (p = 0; p < s.pixels; p++) {
        if (s.w_planes == 2 && !s.both)
            for (b = 0; b < left; b++) acc[p][b] += (int32_t)counts[b];
        avx2_conv_store(c, pixel + p, word, acc[p]);
    }
}

AVX2_INLINE void convolve_pixels(shape s, const tile *t, uint32_t pixel) {
    uint32_t words = trit_words(t->c->out->channels), totals[MAX_PIXELS], word, p;
    uint32_t taps = (t->rows.end - t->rows.first) * (t->columns.end - t->columns.first);
    for (p = 0; p < s.pixels; p++) {
        totals[p] = s.w_planes == 2 ? 0 : taps * t->c->in->channels;
        if (s.a_planes == 2 && s.w_planes == 1) totals[p] = count_nonzero(t, p);
    }
    for (word = 0; word < words; word++) convolve_word(s, t, pixel, word, totals);
}

/* One function for each pair of plane counts, so that each has its own registers. */
#define DEFINE(name, a_planes, w_planes, both)                              \
    AVX2 static void name##_many(const tile *t, uint32_t pixel) {           \
        const shape s = {a_planes, w_planes, both, MAX_PIXELS, 2};          \
        convolve_pixels(s, t, pixel);                                       \
    }                                                                       \
    AVX2 static void name##_one(const tile *t, uint32_t pixel) {            \
        const shape s = {a_planes, w_planes, both, 1, AVX2_BLOCKS};         \
        convolve_pixels(s, t, pixel);                                       \
    }
DEFINE(binary_binary, 1, 1, 0)
DEFINE(ternary_binary, 2, 1, 0)
DEFINE(binary_ternary, 1, 2, 0)
DEFINE(binary_ternary_cut, 1, 2, 1) /* windows that are cut off at the border */
DEFINE(ternary_ternary, 2, 2, 1)
#undef DEFINE

typedef void (*run)(const tile *t, uint32_t pixel);

static run choose(const tile *t) {
    const trit_step *s = t->c->step;
    int whole = t->rows.end - t->rows.first == s->kernel[0] && t->columns.end - t->columns.first == s->kernel[1];
    int many = t->pixels > 1;
    if (t->c->in->kind == TRIT_KIND_BINARY) {
        if (s->weight_kind == TRIT_KIND_BINARY) return many ? binary_binary_many : binary_binary_one;
        if (whole) return many ? binary_ternary_many : binary_ternary_one;
        return many ? binary_ternary_cut_many : binary_ternary_cut_one;
    }
    if (s->weight_kind == TRIT_KIND_BINARY) return many ? ternary_binary_many : ternary_binary_one;
    return many ? ternary_ternary_many : ternary_ternary_one;
}

/* Do the windows of MAX_PIXELS pixels from x on have the same taps? */
static int same_taps(const trit_call *c, uint32_t x, trit_span columns) {
    trit_span last;
    if (c->out->width - x < MAX_PIXELS) return 0;
    last = trit_columns(c, x + MAX_PIXELS - 1);
    return columns.first == last.first && columns.end == last.end;
}

int trit_conv_bits_avx2(const trit_call *c) {
    uint32_t x, y, pixel = 0;
    if (convolve_by_tables(c)) return 1;
    if (c->step->lanes % AVX2_LANES != 0) return 0;
    for (y = 0; y < c->out->height; y++) {
        for (x = 0; x < c->out->width;) {
            tile t = {c, trit_rows(c, y), trit_columns(c, x), 1};
            if (same_taps(c, x, t.columns)) t.pixels = MAX_PIXELS;
            choose(&t)(&t, pixel);
            x += t.pixels;
            pixel += t.pixels;
        }
    }
    return 1;
}

#endif
