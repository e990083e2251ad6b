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

/* trit_conv_store with whole words compared eight channels at a time. */
AVX2_INLINE void avx2_conv_store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    const trit_tensor *t = c->out;
    uint32_t words = trit_words(t->channels), planes = trit_planes(t->kind), below, inside, flip, *at;
    const int32_t *lo = (const int32_t *)trit_at(c, c->step->parameters);
    if (!trit_is_bits(t->kind) || trit_channels_in_word(t->channels, word) < TRIT_WORD_BITS) {
        trit_conv_store(c, pixel, word, acc);
        return;
    }
    flip = ((const uint32_t *)lo)[planes * t->channels + word];
    at = (uint32_t *)c->z + (size_t)pixel * planes * words + word;
    lo += word * TRIT_WORD_BITS;
    below = avx2_greater(lo, acc);
    if (planes == 1) {
        at[0] = below ^ flip;
        return;
    }
    inside = avx2_greater(lo + t->channels, acc) & ~below; /* lo <= acc < hi */
    at[0] = ~inside;
    at[words] = (below ^ flip) & ~inside;
}

#endif
#endif
