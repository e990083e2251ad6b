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

#define AVX512_LANES 16u
#define AVX512_BLOCKS (TRIT_WORD_BITS / AVX512_LANES) /* of an output word */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,avx512vnni,popcnt")))
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

/* trit_conv_store for accumulators in registers; whole words of bits need no memory in between. */
AVX512_INLINE void avx512_conv_store(const trit_call *c, uint32_t pixel, uint32_t word,
                                     const __m512i acc[AVX512_BLOCKS]) {
    const trit_tensor *t = c->out;
    uint32_t words = trit_words(t->channels), planes = trit_planes(t->kind), below, inside, flip, *at;
    const int32_t *lo = (const int32_t *)trit_at(c, c->step->parameters);
    if (!trit_is_bits(t->kind) || trit_channels_in_word(t->channels, word) < TRIT_WORD_BITS) {
        int32_t values[TRIT_WORD_BITS];
        _mm512_storeu_si512(values, acc[0]);
        _mm512_storeu_si512(values + AVX512_LANES, acc[1]);
        trit_conv_store(c, pixel, word, values);
        return;
    }
    flip = ((const uint32_t *)lo)[planes * t->channels + word];
    at = (uint32_t *)c->z + (size_t)pixel * planes * words + word;
    lo += word * TRIT_WORD_BITS;
    below = avx512_greater(lo, acc);
    if (planes == 1) {
        at[0] = below ^ flip;
        return;
    }
    inside = avx512_greater(lo + t->channels, acc) & ~below; /* lo <= acc < hi */
    at[0] = ~inside;
    at[words] = (below ^ flip) & ~inside;
}

#endif
#endif
