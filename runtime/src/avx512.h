/* SPDX-License-Identifier: Apache-2.0 */
/* What the AVX-512 kernels share. They read weights with 16 interleaved output channels: one a 32-bit lane. */
#ifndef TRIT_AVX512_H
#define TRIT_AVX512_H

#include "conv.h"
#include "kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_AVX512 1
#else
#define TRIT_HAVE_AVX512 0
#endif

#if TRIT_HAVE_AVX512
#include <immintrin.h>

#if defined(__cplusplus) && !defined(__clang__) /* gcc's own header makes its undefined vectors so */
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

int trit_conv_bits_avx512(const trit_call *c);
int trit_conv_bytes_avx512(const trit_call *c);
int trit_conv_int8_avx512(const trit_call *c);

#define AVX512_LANES 16u
#define AVX512_BLOCKS (TRIT_WORD_BITS / AVX512_LANES) /* of an output word */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vpopcntdq,avx512vnni,gfni,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))
#define AVX512_UNROLL _Pragma("GCC unroll 8")

AVX512_INLINE __m512i avx512_load(const void *at) {
    return _mm512_loadu_si512(at);
}

/* A word of four bytes or 32 bits in every lane. */
AVX512_INLINE __m512i avx512_repeat(const void *word) {
    int32_t value;
    __builtin_memcpy(&value, word, 4);
    return _mm512_set1_epi32(value);
}

/* Bit i is set where a[i] > b[i], for 32 values. */
AVX512_INLINE uint32_t avx512_greater(const int32_t *a, const __m512i b[AVX512_BLOCKS]) {
    uint32_t low = _mm512_cmpgt_epi32_mask(avx512_load(a), b[0]);
    return low | (uint32_t)_mm512_cmpgt_epi32_mask(avx512_load(a + AVX512_LANES), b[1]) << AVX512_LANES;
}

/* Thresholds of output.c for a whole word. */
AVX512_INLINE void avx512_store_thresholded(const trit_call *c, uint32_t pixel, uint32_t word,
                                            const __m512i acc[AVX512_BLOCKS]) {
    const int32_t *lo = trit_lower_thresholds(c, word);
    uint32_t above = c->out->kind == TRIT_KIND_TERNARY ? ~avx512_greater(lo + c->out->channels, acc) : 0;
    trit_store_levels(c, pixel, word, avx512_greater(lo, acc), above);
}

/* Codes of eight accumulators, channels i ... of those that r begins with. */
AVX512_INLINE __m128i avx512_rescale(trit_rescaling r, uint32_t i, __m256i acc) {
    __m512i multiplier = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(r.multiplier + i)));
    __m512i product = _mm512_mul_epi32(_mm512_cvtepi32_epi64(acc), multiplier);
    __m512i sum = _mm512_add_epi64(product, avx512_load(r.offset + 2 * i));
    __m512i shift = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(r.shift + i)));
    return _mm512_cvtusepi64_epi8(_mm512_srlv_epi64(_mm512_max_epi64(sum, _mm512_setzero_si512()), shift));
}

/* Rescaling of output.c for a whole word. */
AVX512_INLINE void avx512_store_rescaled(const trit_call *c, uint32_t pixel, uint32_t word,
                                         const __m512i acc[AVX512_BLOCKS]) {
    trit_rescaling r = trit_rescaling_of(c, word * TRIT_WORD_BITS);
    uint8_t *at = (uint8_t *)c->z + (size_t)pixel * c->out->channels + word * TRIT_WORD_BITS;
    uint32_t block;
    for (block = 0; block < AVX512_BLOCKS; block++) {
        uint32_t i = block * AVX512_LANES;
        __m128i low = avx512_rescale(r, i, _mm512_castsi512_si256(acc[block]));
        __m128i high = avx512_rescale(r, i + 8, _mm512_extracti64x4_epi64(acc[block], 1));
        _mm_storeu_si128((__m128i *)(at + i), _mm_unpacklo_epi64(low, high));
    }
}

/* trit_store_output for accumulators in registers; whole words of bits or codes need no memory in between. */
AVX512_INLINE void avx512_conv_store(const trit_call *c, uint32_t pixel, uint32_t word,
                                     const __m512i acc[AVX512_BLOCKS]) {
    int is_whole = trit_channels_in_word(c->out->channels, word) == TRIT_WORD_BITS;
    if (is_whole && trit_is_bits(c->out->kind)) {
        avx512_store_thresholded(c, pixel, word, acc);
    } else if (is_whole && c->out->kind == TRIT_KIND_UINT8) {
        avx512_store_rescaled(c, pixel, word, acc);
    } else {
        int32_t values[TRIT_WORD_BITS];
        _mm512_storeu_si512(values, acc[0]);
        _mm512_storeu_si512(values + AVX512_LANES, acc[1]);
        trit_store_output(c, pixel, word, values);
    }
}

#endif
#endif
