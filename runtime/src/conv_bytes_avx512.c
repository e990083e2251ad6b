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

typedef struct tile {
    int8_t strings[STRING_BYTES]; /* [pixel][length] */
    uint32_t out[MAX_PIXELS];
    trit_span rows[MAX_PIXELS], columns[MAX_PIXELS];
    int32_t sums[MAX_PIXELS];     /* of a over each whole window */
    uint32_t pixels, first, length; /* values first ... of the windows, `length` rounded up to words */
    uint8_t sources[64]; /* of a short window's string, in a register of its rows */
    uint64_t filled;     /* bits of a short window's string that have a source */
} tile;

/* Byte 8j + k of every word's 32 values goes to 4k + j, less 128. Returns their sum. */
AVX512 static int32_t order(int8_t *string, uint32_t length) {
    const __m128i pairs = _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m128i flip = _mm_set1_epi8(-128);
    __m128i total = _mm_setzero_si128();
    uint32_t i;
    for (i = 0; i < length; i += 32) {
        __m128i *at = (__m128i *)(string + i);
        __m128i low = _mm_loadu_si128(at), high = _mm_loadu_si128(at + 1);
        total = _mm_add_epi64(total, _mm_sad_epu8(low, _mm_setzero_si128()));
        total = _mm_add_epi64(total, _mm_sad_epu8(high, _mm_setzero_si128()));
        low = _mm_shuffle_epi8(_mm_xor_si128(low, flip), pairs);
        high = _mm_shuffle_epi8(_mm_xor_si128(high, flip), pairs);
        _mm_storeu_si128(at, _mm_unpacklo_epi16(low, high));
        _mm_storeu_si128(at + 1, _mm_unpackhi_epi16(low, high));
    }
    total = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
    return _mm_cvtsi128_si32(total) - 128 * (int32_t)length;
}

AVX512 static void gather_long(const trit_call *c, tile *t, uint32_t first, uint32_t count) {
    uint32_t p;
    t->length = trit_words(count) * TRIT_WORD_BITS;
    t->first = first;
    for (p = 0; p < t->pixels; p++) {
        int8_t *string = t->strings + (size_t)p * t->length;
        gather(c, t->rows[p], t->columns[p], first, count, string);
        fill_bytes(string + count, 128, t->length - count);
    }
    /* In a loop of its own: the short stores have left the store buffer before they are loaded as vectors. */
    for (p = 0; p < t->pixels; p++) t->sums[p] = order(t->strings + (size_t)p * t->length, t->length);
}

/* Windows of at most four rows of 16 bytes, those of a first layer, are put together in one register. */
static int is_short(const trit_call *c) {
    return c->step->kernel[0] <= 4 && c->step->kernel[1] * c->in->channels <= 16 && c->step->dilation[1] == 1;
}

/* Where order() takes the bytes of a short window from. */
AVX512 static void prepare_short(const trit_call *c, tile *t) {
    const uint32_t row = c->step->kernel[1] * c->in->channels;
    uint32_t i;
    _mm512_storeu_si512(t->sources, _mm512_setzero_si512());
    t->filled = 0;
    for (i = 0; i < c->step->kernel[0] * row; i++) {
        uint32_t to = i / 32 * 32 + i % 8 * 4 + i % 32 / 8;
        t->sources[to] = (uint8_t)(i / row * 16 + i % row);
        t->filled |= UINT64_C(1) << to;
    }
}

AVX512 static void gather_short(const trit_call *c, tile *t) {
    const uint32_t channels = c->in->channels;
    const __m512i sources = _mm512_loadu_si512(t->sources), flip = _mm512_set1_epi8(-128);
    uint32_t p, ky;
    t->length = trit_words(c->step->kernel[0] * c->step->kernel[1] * channels) * TRIT_WORD_BITS;
    t->first = 0;
    for (p = 0; p < t->pixels; p++) {
        const trit_span rows = t->rows[p], columns = t->columns[p];
        const uint64_t inside = ((UINT64_C(1) << columns.end * channels) - (UINT64_C(1) << columns.first * channels));
        __m512i string = _mm512_set1_epi8((char)c->in->zero_point);
        for (ky = rows.first; ky < rows.end; ky++) { /* no byte outside the mask is read */
            int64_t pixel = (int64_t)((uint32_t)rows.start + ky * c->step->dilation[0]) * c->in->width + columns.start;
            uintptr_t row = (uintptr_t)c->x + (uintptr_t)(pixel * (int64_t)channels) - 16 * ky;
            string = _mm512_mask_loadu_epi8(string, inside << (16 * ky), (const void *)row);
        }
        string = _mm512_mask_permutexvar_epi8(flip, t->filled, sources, string);
        t->sums[p] = (int32_t)_mm512_reduce_add_epi64(_mm512_sad_epu8(string, _mm512_setzero_si512())) - 128 * 64;
        _mm512_mask_storeu_epi8(t->strings + p * t->length, t->length < 64 ? UINT32_MAX : UINT64_MAX,
                                _mm512_xor_si512(string, flip));
    }
}

AVX512 static void gather_tile(const trit_call *c, tile *t, uint32_t first, uint32_t count) {
    if (is_short(c))
        gather_short(c, t);
    else
        gather_long(c, t, first, count);
}

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
