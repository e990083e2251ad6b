/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c on uint8 values with binary or ternary weights and AVX2: 32 channels at a time, the values' 16 bits
 * with the weights' signs. A sum of 128 values of at most 255 fits 16 bits. */
#include "avx2.h"

#if TRIT_HAVE_AVX2

#define MOST_TAPS 128u
#define HALF 16u /* channels of a register */

/* The weights of one word of channels, -1, 0 or 1, a row a tap. */
typedef struct taps {
    int16_t weights[MOST_TAPS][TRIT_WORD_BITS];
} taps;

static void unpack_weights(const trit_call *c, uint32_t word, taps *t) {
    const uint32_t words = trit_words(c->in->channels), planes = trit_planes(c->step->weight_kind);
    const uint32_t count = (uint32_t)c->step->kernel[0] * c->step->kernel[1];
    uint32_t tap, i;
    for (tap = 0; tap < count; tap++) {
        const uint32_t *at = trit_words_at(c, c->step->weights, (size_t)tap * planes * words + word);
        const uint32_t nonzero = planes == 2 ? at[0] : UINT32_MAX, sign = at[(size_t)(planes - 1) * words];
        for (i = 0; i < TRIT_WORD_BITS; i++) t->weights[tap][i] = (int16_t)trit_value(nonzero, sign, i);
    }
}

/* Values of 16 channels as 16 bits, less the zero point. */
AVX2_INLINE __m256i load_values(const uint8_t *codes, __m256i zero_point) {
    return _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)codes)), zero_point);
}

AVX2_INLINE void store_sums(__m256i sums, int32_t *acc) {
    _mm256_storeu_si256((__m256i *)acc, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sums)));
    _mm256_storeu_si256((__m256i *)(acc + AVX2_LANES), _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sums, 1)));
}

/* The accumulators of a word of channels at one position. */
AVX2_INLINE void add_window(const trit_call *c, const taps *t, trit_span rows, trit_span columns, uint32_t word,
                            int32_t acc[TRIT_WORD_BITS]) {
    const uint32_t channels = c->in->channels, count = trit_channels_in_word(channels, word), width = c->step->kernel[1];
    const __m256i zero_point = _mm256_set1_epi16((int16_t)c->in->zero_point);
    __m256i low = _mm256_setzero_si256(), high = low;
    uint8_t part[TRIT_WORD_BITS] = {0}; /* of a last word that is not full, behind which no byte may be read */
    uint32_t ky, kx, i;
    for (ky = rows.first; ky < rows.end; ky++)
        for (kx = columns.first; kx < columns.end; kx++) {
            const int16_t *w = t->weights[ky * width + kx];
            const uint8_t *codes = (const uint8_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * channels +
                                   (size_t)word * TRIT_WORD_BITS;
            if (count < TRIT_WORD_BITS) {
                for (i = 0; i < count; i++) part[i] = codes[i];
                codes = part;
            }
            low = _mm256_add_epi16(low, _mm256_sign_epi16(load_values(codes, zero_point), avx2_load(w)));
            high = _mm256_add_epi16(high, _mm256_sign_epi16(load_values(codes + HALF, zero_point), avx2_load(w + HALF)));
        }
    store_sums(low, acc);
    store_sums(high, acc + HALF);
}

AVX2 static void convolve_word(const trit_call *c, const taps *t, uint32_t word) {
    int32_t acc[TRIT_WORD_BITS];
    uint32_t y, x, pixel = 0;
    for (y = 0; y < c->out->height; y++) {
        const trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            add_window(c, t, rows, trit_columns(c, x), word, acc);
            avx2_conv_store(c, pixel, word, acc);
        }
    }
}

int trit_conv_depthwise_avx2(const trit_call *c) {
    const uint32_t words = trit_words(c->in->channels);
    uint32_t word;
    taps t;
    if (c->in->kind != TRIT_KIND_UINT8 || (uint32_t)c->step->kernel[0] * c->step->kernel[1] > MOST_TAPS) return 0;
    for (word = 0; word < words; word++) {
        unpack_weights(c, word, &t);
        convolve_word(c, &t, word);
    }
    return 1;
}

#endif
