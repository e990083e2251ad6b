/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of bytes as strings, for conv_bytes_avx512.c alone. Outside the image they hold the zero point. */
#ifndef TRIT_GATHER_AVX512_H
#define TRIT_GATHER_AVX512_H

#include "avx512.h"

#if TRIT_HAVE_AVX512

#define MAX_PIXELS 8
#define STRING_BYTES 11264u /* the stack's share */

typedef struct tile {
    int8_t strings[STRING_BYTES]; /* [pixel][length] */
    uint32_t out[MAX_PIXELS];
    trit_span rows[MAX_PIXELS], columns[MAX_PIXELS];
    int32_t sums[MAX_PIXELS];     /* of a over each whole window */
    uint32_t pixels, first, length; /* values first ... of the windows, `length` rounded up to words */
    uint8_t sources[64]; /* of a short window's string, in a register of its rows */
    uint64_t filled;     /* bits of a short window's string that have a source */
} tile;

AVX512_INLINE void copy_bytes(int8_t *to, const uint8_t *from, uint32_t count) {
    uint32_t i;
    for (i = 0; i < count; i += 64) {
        uint32_t left = count - i;
        __mmask64 some = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        _mm512_mask_storeu_epi8(to + i, some, _mm512_maskz_loadu_epi8(some, from + i));
    }
}

AVX512_INLINE void fill_bytes(int8_t *to, uint8_t value, uint32_t count) {
    uint32_t i;
    for (i = 0; i < count; i += 64) {
        uint32_t left = count - i;
        __mmask64 some = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        _mm512_mask_storeu_epi8(to + i, some, _mm512_set1_epi8((char)value));
    }
}

/* Values first ... first + count - 1 of a window, in the order (ky, kx, channel). */
AVX512 static void gather(const trit_call *c, trit_span rows, trit_span columns, uint32_t first, uint32_t count,
                          int8_t *to) {
    const uint32_t channels = c->in->channels, width = c->step->kernel[1], together = c->step->dilation[1] == 1;
    uint32_t channel = first % channels, ky = first / channels / width, kx = first / channels % width;
    while (count > 0) {
        int inside = ky >= rows.first && ky < rows.end && kx >= columns.first && kx < columns.end;
        uint32_t taps = inside && together ? columns.end - kx : 1, n = taps * channels - channel;
        if (n > count) n = count;
        if (inside)
            copy_bytes(to, (const uint8_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * channels + channel, n);
        else
            fill_bytes(to, (uint8_t)c->in->zero_point, n);
        to += n;
        count -= n;
        channel = 0;
        kx += taps;
        if (kx == width) kx = 0, ky++;
    }
}

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

#endif
#endif
