/* SPDX-License-Identifier: Apache-2.0 */
/* What the AVX2 kernels share. They read weights with 8 or more interleaved output channels, 8 at a time:
 * one channel a 32-bit lane. */
#ifndef TRIT_AVX2_H
#define TRIT_AVX2_H

#include "conv.h"
#include "kernels.h"

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_AVX2 1
#else
#define TRIT_HAVE_AVX2 0
#endif

#if TRIT_HAVE_AVX2
#include <immintrin.h>

int trit_conv_bits_avx2(const trit_call *c);
int trit_conv_bytes_avx2(const trit_call *c);
int trit_conv_int8_avx2(const trit_call *c);
int trit_conv_depthwise_avx2(const trit_call *c);

#define AVX2_LANES 8u
#define AVX2_BLOCKS (TRIT_WORD_BITS / AVX2_LANES) /* of an output word */
#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

AVX2_INLINE __m256i avx2_load(const void *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

/* Bit i is set where a[i] > b[i], for 32 values. */
AVX2_INLINE uint32_t avx2_greater(const int32_t *a, const int32_t *b) {
    uint32_t bits = 0, block;
    for (block = 0; block < AVX2_BLOCKS; block++) {
        __m256i greater = _mm256_cmpgt_epi32(avx2_load(a + 8 * block), avx2_load(b + 8 * block));
        bits |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(greater)) << (8 * block);
    }
    return bits;
}

/* Thresholds of output.c for a whole word. */
AVX2_INLINE void avx2_store_thresholded(const trit_call *c, uint32_t pixel, uint32_t word,
                                        const int32_t acc[TRIT_WORD_BITS]) {
    const int32_t *lo = trit_lower_thresholds(c, word);
    uint32_t above = c->out->kind == TRIT_KIND_TERNARY ? ~avx2_greater(lo + c->out->channels, acc) : 0;
    trit_store_levels(c, pixel, word, avx2_greater(lo, acc), above);
}

/* Four 32-bit values in 64-bit lanes. */
AVX2_INLINE __m256i avx2_load_wide(const int32_t *at) {
    return _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)at));
}

/* Rescaling of output.c for a whole word, four channels at a time. */
AVX2_INLINE void avx2_store_rescaled(const trit_call *c, uint32_t pixel, uint32_t word,
                                     const int32_t acc[TRIT_WORD_BITS]) {
    const __m256i zero = _mm256_setzero_si256(), most = _mm256_set1_epi64x(255);
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0);
    trit_rescaling r = trit_rescaling_of(c, word * TRIT_WORD_BITS);
    uint8_t *at = (uint8_t *)c->z + (size_t)pixel * c->out->channels + word * TRIT_WORD_BITS;
    uint32_t i;
    for (i = 0; i < TRIT_WORD_BITS; i += 4) {
        __m256i product = _mm256_mul_epi32(avx2_load_wide(acc + i), avx2_load_wide(r.multiplier + i));
        __m256i sum = _mm256_add_epi64(product, avx2_load(r.offset + 2 * i)), code;
        int32_t shifts, codes;
        __builtin_memcpy(&shifts, r.shift + i, sizeof shifts);
        sum = _mm256_andnot_si256(_mm256_cmpgt_epi64(zero, sum), sum);
        code = _mm256_srlv_epi64(sum, _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(shifts)));
        code = _mm256_blendv_epi8(code, most, _mm256_cmpgt_epi64(code, most));
        code = _mm256_permutevar8x32_epi32(code, even);
        codes = _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm256_castsi256_si128(code), _mm_set1_epi32(0x0c080400)));
        __builtin_memcpy(at + i, &codes, sizeof codes);
    }
}

/* trit_store_output. */
AVX2_INLINE void avx2_conv_store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    int is_whole = trit_channels_in_word(c->out->channels, word) == TRIT_WORD_BITS;
    if (is_whole && trit_is_bits(c->out->kind))
        avx2_store_thresholded(c, pixel, word, acc);
    else if (is_whole && c->out->kind == TRIT_KIND_UINT8)
        avx2_store_rescaled(c, pixel, word, acc);
    else
        trit_store_output(c, pixel, word, acc);
}

#endif
#endif
