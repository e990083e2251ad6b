/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bytes.c with AVX2: windows are gathered into strings of bytes and multiplied with weights widened to bytes.
 *
 * Positions outside the image are filled with the zero point z, so that the sum of w * (q - z) over all taps is
 * the sum of w * q less z times the sum of the row's weights.
 */
#include "avx2.h"

#if TRIT_HAVE_AVX2

#define MAX_PIXELS 16u
#define WINDOW_BYTES 8192u
#define CHUNK 64u /* groups of 4 values: 64 * 2 * 255 fits 16 bits */

typedef struct tile {
    uint8_t windows[WINDOW_BYTES];     /* [pixel][length] */
    __m256i weights[CHUNK];            /* [group of 4 values], 4 bytes for each of 8 channels */
    int32_t acc[MAX_PIXELS][TRIT_WORD_BITS];
    uint32_t pixels, length, groups;   /* bytes of a window rounded up to groups of 4 */
} tile;

static void gather(const trit_call *c, uint32_t y, uint32_t x, uint8_t *to, uint32_t length) {
    uint32_t channels = c->in->channels, ky, kx, i;
    const uint8_t *end = to + length, *from;
    trit_span rows = trit_rows(c, y), columns = trit_columns(c, x);
    for (ky = 0; ky < c->step->kernel[0]; ky++) {
        for (kx = 0; kx < c->step->kernel[1]; kx++, to += channels) {
            if (ky < rows.first || ky >= rows.end || kx < columns.first || kx >= columns.end) {
                for (i = 0; i < channels; i++) to[i] = (uint8_t)c->in->zero_point;
            } else {
                from = (const uint8_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * channels;
                for (i = 0; i < channels; i++) to[i] = from[i];
            }
        }
    }
    while (to < end) *to++ = 0;
}

/* -1 in the bytes of each lane whose bit of the four at 4 * group is set. */
AVX2_INLINE __m256i widen(__m256i word, uint32_t group) {
    const __m256i lanes =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    __m256i bit = _mm256_set1_epi32(group % 2 ? (int)0x80402010u : 0x08040201);
    __m256i byte = _mm256_shuffle_epi8(word, _mm256_add_epi8(lanes, _mm256_set1_epi8((char)(group / 2))));
    return _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
}

/* Weights of groups first ... of one block as bytes -1, 0, +1. */
AVX2 static void widen_weights(const trit_call *c, tile *t, const uint32_t *row, uint32_t first, uint32_t count) {
    uint32_t words = trit_conv_row_words(c), lanes = c->step->lanes, i;
    int ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    for (i = 0; i < count; i++) {
        const uint32_t *at = row + (size_t)((first + i) / 8) * lanes;
        __m256i nonzero = _mm256_set1_epi8(-1), sign;
        if (ternary) nonzero = widen(avx2_load(at), (first + i) % 8);
        sign = widen(avx2_load(at + (ternary ? (size_t)words * lanes : 0)), (first + i) % 8);
        t->weights[i] = _mm256_sub_epi8(sign, _mm256_andnot_si256(sign, nonzero));
    }
}

/* Sum of a channel's weights. */
AVX2 static int32_t sum_weights(const trit_call *c, uint32_t channel) {
    const uint32_t *row = trit_conv_row(c, channel), *counts = (const uint32_t *)trit_at(c, c->step->counts);
    uint32_t words = trit_conv_row_words(c), lanes = c->step->lanes, i;
    int ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    int32_t sum = (int32_t)(ternary ? counts[channel] : (uint32_t)trit_conv_fan_in(c));
    if (ternary) row += (size_t)words * lanes;
    for (i = 0; i < words; i++) sum -= 2 * (int32_t)__builtin_popcount(row[(size_t)i * lanes]);
    return sum;
}

/* Adds `count` groups of weights times values for `pixels` windows from `p` on. */
AVX2_INLINE void multiply(tile *t, uint32_t p, uint32_t pixels, uint32_t first, uint32_t count, uint32_t channel) {
    const uint8_t *values = t->windows + (size_t)p * t->length + 4 * (size_t)first;
    __m256i sums[4];
    uint32_t i, k;
    _Pragma("GCC unroll 4") for (k = 0; k < pixels; k++) sums[k] = _mm256_setzero_si256();
    for (i = 0; i < count; i++) {
        _Pragma("GCC unroll 4") for (k = 0; k < pixels; k++) {
            int32_t four;
            __builtin_memcpy(&four, values + (size_t)k * t->length + 4 * i, 4);
            sums[k] = _mm256_add_epi16(sums[k], _mm256_maddubs_epi16(_mm256_set1_epi32(four), t->weights[i]));
        }
    }
    _Pragma("GCC unroll 4") for (k = 0; k < pixels; k++) {
        __m256i *acc = (__m256i *)&t->acc[p + k][channel];
        __m256i sum = _mm256_madd_epi16(sums[k], _mm256_set1_epi16(1));
        _mm256_storeu_si256(acc, _mm256_add_epi32(_mm256_loadu_si256(acc), sum));
    }
}

/* Accumulators of one output word for all pixels of the tile. */
AVX2 static void convolve_word(const trit_call *c, tile *t, uint32_t word) {
    uint32_t left = trit_channels_in_word(c->out->channels, word), channel, first, count, p, i;
    for (p = 0; p < t->pixels; p++)
        for (i = 0; i < TRIT_WORD_BITS; i++) t->acc[p][i] = 0;
    for (channel = 0; channel < left; channel += AVX2_LANES) {
        const uint32_t *row = trit_conv_row(c, word * TRIT_WORD_BITS + channel);
        for (first = 0; first < t->groups; first += count) {
            count = t->groups - first < CHUNK ? t->groups - first : CHUNK;
            widen_weights(c, t, row, first, count);
            for (p = 0; p + 4 <= t->pixels; p += 4) multiply(t, p, 4, first, count, channel);
            for (; p < t->pixels; p++) multiply(t, p, 1, first, count, channel);
        }
    }
    for (i = 0; c->in->zero_point != 0 && i < left; i++) {
        int32_t correction = (int32_t)c->in->zero_point * sum_weights(c, word * TRIT_WORD_BITS + i);
        for (p = 0; p < t->pixels; p++) t->acc[p][i] -= correction;
    }
}

AVX2 int trit_conv_bytes_avx2(const trit_call *c) {
    uint32_t pixels = c->out->height * c->out->width, words = trit_words(c->out->channels), pixel, word, p, most;
    tile t;
    if (c->step->lanes % AVX2_LANES != 0 || c->step->groups != 1 || trit_conv_fan_in(c) > WINDOW_BYTES) return 0;
    t.groups = ((uint32_t)trit_conv_fan_in(c) + 3) / 4;
    t.length = 4 * t.groups;
    most = WINDOW_BYTES / t.length < MAX_PIXELS ? WINDOW_BYTES / t.length : MAX_PIXELS;
    for (pixel = 0; pixel < pixels; pixel += t.pixels) {
        t.pixels = pixels - pixel < most ? pixels - pixel : most;
        for (p = 0; p < t.pixels; p++)
            gather(c, (pixel + p) / c->out->width, (pixel + p) % c->out->width, t.windows + (size_t)p * t.length,
                   t.length);
        for (word = 0; word < words; word++) {
            convolve_word(c, &t, word);
            for (p = 0; p < t.pixels; p++) avx2_conv_store(c, pixel + p, word, t.acc[p]);
        }
    }
    return 1;
}

#endif
