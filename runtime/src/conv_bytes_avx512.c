/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bytes.c with AVX-512 VNNI: windows are gathered into strings of signed bytes a = q - 128 and multiplied with
 * the weights' bits, which a mask or a shift turns into unsigned bytes, four positions of 16 channels at a time.
 *
 * A binary weight is 1 - 2s, so that the sum of w * a is the sum of a less twice that of s * a. The planes of a
 * ternary weight interleave to codes 2 + w = (~s, nonzero), and twice the sum of a is taken away. Byte j of a word
 * holds positions 8j ... 8j + 7, of which one instruction takes one: the strings are ordered accordingly. Outside
 * the image q is the zero point z; the sum of w * (q - z) is that of w * a and 128 - z times that of w.
 */
#include "gather_avx512.h"

#if TRIT_HAVE_AVX512

#define FIELDS 8 /* of the bits in a byte: 8 of one bit, or 4 and 4 of two */

/* Which loop. A lone pixel has a sum for each field, which saves the shifts. */
typedef struct shape {
    int ternary;
    uint32_t pixels;
} shape;

/* Sums of the weights of 16 channels. */
AVX512 static __m512i sum_weights(const trit_call *c, const uint32_t *w) {
    const uint32_t words = trit_conv_row_words(c);
    const int ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    __m512i sum = ternary ? _mm512_setzero_si512() : _mm512_set1_epi32((int)trit_conv_fan_in(c));
    uint32_t i;
    for (i = 0; i < words; i++) {
        __m512i sign = avx512_load(w + ((size_t)(ternary ? words : 0) + i) * AVX512_LANES);
        if (ternary) sum = _mm512_add_epi32(sum, _mm512_popcnt_epi32(avx512_load(w + (size_t)i * AVX512_LANES)));
        sum = _mm512_sub_epi32(sum, _mm512_slli_epi32(_mm512_popcnt_epi32(sign), 1));
    }
    return sum;
}

/* Four bits or two-bit codes of each channel's word at `w`, those of field k; a plane is `plane` words. */
AVX512_INLINE __m512i field_bits(shape s, const uint32_t *w, size_t plane, uint32_t k) {
    const __m512i even = _mm512_set1_epi32(0x55555555), first = avx512_load(w);
    if (!s.ternary) return first;
    /* even ? nonzero : ~sign */
    if (k % 2 == 0) return _mm512_ternarylogic_epi32(even, first, _mm512_slli_epi32(avx512_load(w + plane), 1), 0xc5);
    return _mm512_ternarylogic_epi32(even, _mm512_srli_epi32(first, 1), avx512_load(w + plane), 0xc5);
}

AVX512_INLINE uint32_t field_shift(shape s, uint32_t k) {
    return s.ternary ? k / 2 * 2 : k;
}

AVX512_INLINE int field_mask(shape s) {
    return s.ternary ? 0x03030303 : 0x01010101;
}

/* Products of the chunk in the tile with the weights at w[]: one window. */
AVX512_INLINE void multiply_one(shape s, const tile *t, const uint32_t *const *w, size_t plane,
                                __m512i products[AVX512_BLOCKS][MAX_PIXELS]) {
    const uint32_t width = s.ternary ? 2 : 1; /* bits of a field */
    __m512i fields[AVX512_BLOCKS][FIELDS];
    uint32_t i, k, b;
    for (b = 0; b < AVX512_BLOCKS; b++)
        AVX512_UNROLL for (k = 0; k < FIELDS; k++) fields[b][k] = _mm512_setzero_si512();
    for (i = 0; i < t->length; i += TRIT_WORD_BITS) {
        const size_t at = (size_t)((t->first + i) / TRIT_WORD_BITS) * AVX512_LANES;
        AVX512_UNROLL for (k = 0; k < FIELDS; k++) AVX512_UNROLL for (b = 0; b < AVX512_BLOCKS; b++) {
            const __m512i mask = _mm512_slli_epi32(_mm512_set1_epi32(field_mask(s)), field_shift(s, k));
            const __m512i bits = _mm512_and_si512(field_bits(s, w[b] + at, plane, k), mask);
            __m512i *sum = &fields[b][field_shift(s, k) / width];
            *sum = _mm512_dpbusd_epi32(*sum, bits, avx512_repeat(t->strings + i + 4 * k));
        }
    }
    for (b = 0; b < AVX512_BLOCKS; b++) {
        products[b][0] = fields[b][0];
        for (k = 1; k < FIELDS / width; k++)
            products[b][0] = _mm512_add_epi32(products[b][0], _mm512_srai_epi32(fields[b][k], k * width));
    }
}

/* The same for several windows. */
AVX512_INLINE void multiply_many(shape s, const tile *t, const uint32_t *const *w, size_t plane,
                                 __m512i products[AVX512_BLOCKS][MAX_PIXELS]) {
    uint32_t i, k, b, p;
    for (b = 0; b < AVX512_BLOCKS; b++)
        AVX512_UNROLL for (p = 0; p < s.pixels; p++) products[b][p] = _mm512_setzero_si512();
    for (i = 0; i < t->length; i += TRIT_WORD_BITS) {
        const size_t at = (size_t)((t->first + i) / TRIT_WORD_BITS) * AVX512_LANES;
        AVX512_UNROLL for (k = 0; k < FIELDS; k++) AVX512_UNROLL for (b = 0; b < AVX512_BLOCKS; b++) {
            const __m512i word = _mm512_srli_epi32(field_bits(s, w[b] + at, plane, k), field_shift(s, k));
            const __m512i bits = _mm512_and_si512(word, _mm512_set1_epi32(field_mask(s)));
            AVX512_UNROLL for (p = 0; p < s.pixels; p++) {
                const int8_t *four = t->strings + (size_t)p * t->length + i + 4 * k;
                products[b][p] = _mm512_dpbusd_epi32(products[b][p], bits, avx512_repeat(four));
            }
        }
    }
}

/* Adds the chunk in the tile to the accumulators of one output word. */
AVX512_INLINE void add_chunk(shape s, const trit_call *c, const tile *t, const uint32_t *const *w,
                             __m512i acc[AVX512_BLOCKS][MAX_PIXELS]) {
    __m512i products[AVX512_BLOCKS][MAX_PIXELS];
    uint32_t b, p;
    if (s.pixels == 1)
        multiply_one(s, t, w, (size_t)trit_conv_row_words(c) * AVX512_LANES, products);
    else
        multiply_many(s, t, w, (size_t)trit_conv_row_words(c) * AVX512_LANES, products);
    for (b = 0; b < AVX512_BLOCKS; b++)
        AVX512_UNROLL for (p = 0; p < s.pixels; p++) {
            __m512i sum = _mm512_set1_epi32(t->sums[p]), twice = _mm512_slli_epi32(s.ternary ? sum : products[b][p], 1);
            acc[b][p] = _mm512_add_epi32(acc[b][p], _mm512_sub_epi32(s.ternary ? products[b][p] : sum, twice));
        }
}

/* One output word of the tile's pixels; a window that is longer than the strings is gathered anew, in chunks. */
AVX512_INLINE void convolve_word(shape s, const trit_call *c, tile *t, uint32_t word) {
    const uint32_t channel = word * TRIT_WORD_BITS, fan_in = (uint32_t)trit_conv_fan_in(c);
    const uint32_t second = channel + AVX512_LANES < c->out->channels ? channel + AVX512_LANES : channel;
    const uint32_t *const w[AVX512_BLOCKS] = {trit_conv_row(c, channel), trit_conv_row(c, second)};
    const __m512i zero_point = _mm512_set1_epi32(128 - (int)c->in->zero_point);
    __m512i acc[AVX512_BLOCKS][MAX_PIXELS];
    uint32_t first, b, p;
    for (b = 0; b < AVX512_BLOCKS; b++) {
        __m512i start = _mm512_setzero_si512();
        if (c->in->zero_point != 128) start = _mm512_mullo_epi32(zero_point, sum_weights(c, w[b]));
        AVX512_UNROLL for (p = 0; p < s.pixels; p++) acc[b][p] = start;
    }
    for (first = 0; first < fan_in; first += STRING_BYTES) {
        if (word == 0 || fan_in > STRING_BYTES)
            gather_tile(c, t, first, fan_in - first < STRING_BYTES ? fan_in - first : STRING_BYTES);
        add_chunk(s, c, t, w, acc);
    }
    for (p = 0; p < t->pixels; p++) {
        const __m512i values[AVX512_BLOCKS] = {acc[0][p], acc[1][p]};
        avx512_conv_store(c, t->out[p], word, values);
    }
}

/* One function for each kind of weights and number of pixels, so that each has its own registers. */
#define DEFINE(name, ternary, pixels)                                                     \
    AVX512 static void name(const trit_call *c, tile *t) {                                \
        const shape s = {ternary, pixels};                                                \
        uint32_t word;                                                                    \
        for (word = 0; word < trit_words(c->out->channels); word++) convolve_word(s, c, t, word); \
    }
DEFINE(binary_1, 0, 1)
DEFINE(binary_4, 0, 4)
DEFINE(binary_8, 0, 8)
DEFINE(ternary_1, 1, 1)
DEFINE(ternary_4, 1, 4)
DEFINE(ternary_8, 1, 8)
#undef DEFINE

static void convolve_tile(const trit_call *c, tile *t) {
    if (c->step->weight_kind == TRIT_KIND_TERNARY)
        (t->pixels > 4 ? ternary_8 : t->pixels > 1 ? ternary_4 : ternary_1)(c, t);
    else
        (t->pixels > 4 ? binary_8 : t->pixels > 1 ? binary_4 : binary_1)(c, t);
}

int trit_conv_bytes_avx512(const trit_call *c) {
    const uint32_t fit = STRING_BYTES / ((uint32_t)trit_conv_row_words(c) * TRIT_WORD_BITS);
    const uint32_t most = fit >= 8 ? 8 : fit >= 4 ? 4 : 1;
    uint32_t y, x;
    tile t;
    if (c->step->lanes != AVX512_LANES || c->step->groups != 1) return 0;
    if (is_short(c)) prepare_short(c, &t);
    t.pixels = 0;
    for (y = 0; y < c->out->height; y++) {
        const trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++) {
            t.out[t.pixels] = y * c->out->width + x;
            t.rows[t.pixels] = rows;
            t.columns[t.pixels++] = trit_columns(c, x);
            if (t.pixels < most) continue;
            convolve_tile(c, &t);
            t.pixels = 0;
        }
    }
    if (t.pixels > 0) convolve_tile(c, &t);
    return 1;
}

#endif
