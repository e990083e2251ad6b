/* SPDX-License-Identifier: Apache-2.0 */
/* conv_int8.c on uint8 values with AVX-512 VNNI: windows are gathered into strings of the codes q, and one instruction
 * multiplies four of them with four weights of each of 16 channels.
 *
 * Outside the image q is the zero point z; the sum of w * (q - z) is that of w * q less z times that of w.
 */
#include "avx2.h"
#include "gather_avx512.h"

#if TRIT_HAVE_AVX512

typedef struct strings {
    int8_t codes[STRING_BYTES]; /* [pixel][length] */
    uint32_t out[MAX_PIXELS];
    trit_span rows[MAX_PIXELS], columns[MAX_PIXELS];
    uint32_t pixels, first, length; /* values first ... of the windows, `length` rounded up to words of four */
} strings;

AVX512 static void gather_strings(const trit_call *c, strings *s, uint32_t first, uint32_t count) {
    uint32_t p;
    s->first = first;
    s->length = trit_byte_words(count) * 4;
    for (p = 0; p < s->pixels; p++) {
        int8_t *string = s->codes + (size_t)p * s->length;
        gather(c, s->rows[p], s->columns[p], first, count, string);
        fill_bytes(string + count, 0, s->length - count); /* which meet weights of 0 */
    }
}

/* Adds the chunk of the windows to the accumulators of one output word. */
AVX512_INLINE void multiply(uint32_t pixels, const trit_call *c, const strings *s, const uint32_t *const *w,
                            __m512i acc[AVX512_BLOCKS][MAX_PIXELS]) {
    const uint32_t zero_point = c->in->zero_point;
    __m512i sums[AVX512_BLOCKS] = {_mm512_setzero_si512(), _mm512_setzero_si512()}; /* of the weights */
    uint32_t i, b, p;
    for (i = 0; i < s->length; i += 4) {
        AVX512_UNROLL for (b = 0; b < AVX512_BLOCKS; b++) {
            const __m512i weights = avx512_load(w[b] + (size_t)((s->first + i) / 4) * AVX512_LANES);
            if (zero_point) sums[b] = _mm512_dpbusd_epi32(sums[b], _mm512_set1_epi8(1), weights);
            AVX512_UNROLL for (p = 0; p < pixels; p++)
                acc[b][p] = _mm512_dpbusd_epi32(acc[b][p], avx512_repeat(s->codes + (size_t)p * s->length + i), weights);
        }
    }
    for (b = 0; zero_point && b < AVX512_BLOCKS; b++) {
        const __m512i less = _mm512_mullo_epi32(sums[b], _mm512_set1_epi32((int)zero_point));
        AVX512_UNROLL for (p = 0; p < pixels; p++) acc[b][p] = _mm512_sub_epi32(acc[b][p], less);
    }
}

/* One output word of the pixels; a window that is longer than the strings is gathered anew, in chunks. */
AVX512_INLINE void convolve_word(uint32_t pixels, const trit_call *c, strings *s, uint32_t word) {
    const uint32_t channel = word * TRIT_WORD_BITS, fan_in = (uint32_t)trit_conv_fan_in(c);
    const uint32_t second = channel + AVX512_LANES < c->out->channels ? channel + AVX512_LANES : channel;
    const uint32_t *const w[AVX512_BLOCKS] = {trit_conv_row(c, channel), trit_conv_row(c, second)};
    __m512i acc[AVX512_BLOCKS][MAX_PIXELS];
    uint32_t first, b, p;
    for (b = 0; b < AVX512_BLOCKS; b++)
        AVX512_UNROLL for (p = 0; p < pixels; p++) acc[b][p] = _mm512_setzero_si512();
    for (first = 0; first < fan_in; first += STRING_BYTES) {
        if (word == 0 || fan_in > STRING_BYTES)
            gather_strings(c, s, first, fan_in - first < STRING_BYTES ? fan_in - first : STRING_BYTES);
        multiply(pixels, c, s, w, acc);
    }
    for (p = 0; p < s->pixels; p++) {
        const __m512i values[AVX512_BLOCKS] = {acc[0][p], acc[1][p]};
        avx512_conv_store(c, s->out[p], word, values);
    }
}

/* One function for each number of pixels, so that each has its own registers. */
#define DEFINE(name, pixels)                                                                              \
    AVX512 static void name(const trit_call *c, strings *s) {                                             \
        uint32_t word;                                                                                    \
        for (word = 0; word < trit_words(c->out->channels); word++) convolve_word(pixels, c, s, word);    \
    }
DEFINE(convolve_1, 1)
DEFINE(convolve_4, 4)
DEFINE(convolve_8, 8)
#undef DEFINE

int trit_conv_int8_avx512(const trit_call *c) {
    const uint32_t fit = STRING_BYTES / (trit_byte_words((uint32_t)trit_conv_fan_in(c)) * 4);
    const uint32_t most = fit >= 8 ? 8 : fit >= 4 ? 4 : 1;
    uint32_t y, x;
    strings s;
    if (c->step->lanes != AVX512_LANES || c->step->groups != 1) return 0;
    if (c->in->kind != TRIT_KIND_UINT8) return trit_conv_int8_avx2(c);
    s.pixels = 0;
    for (y = 0; y < c->out->height; y++) {
        const trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++) {
            s.out[s.pixels] = y * c->out->width + x;
            s.rows[s.pixels] = rows;
            s.columns[s.pixels++] = trit_columns(c, x);
            if (s.pixels < most) continue;
            (most == 8 ? convolve_8 : most == 4 ? convolve_4 : convolve_1)(c, &s);
            s.pixels = 0;
        }
    }
    if (s.pixels > 0) (s.pixels > 4 ? convolve_8 : s.pixels > 1 ? convolve_4 : convolve_1)(c, &s);
    return 1;
}

#endif
