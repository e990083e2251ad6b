/* SPDX-License-Identifier: Apache-2.0 */
/* What the NEON kernels share. Every 64-bit ARM processor has NEON. */
#ifndef TRIT_NEON_H
#define TRIT_NEON_H

#include "conv.h"
#include "kernels.h"

#if defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_NEON 1
#else
#define TRIT_HAVE_NEON 0
#endif

#if TRIT_HAVE_NEON
#include <arm_neon.h>

int trit_conv_bits_neon(const trit_call *c);
int trit_conv_bytes_neon(const trit_call *c);

/* Bit i is set where a[i] > b[i], for 32 values. */
static inline uint32_t neon_greater(const int32_t *a, const int32_t *b) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    uint32_t greater = 0, i;
    for (i = 0; i < TRIT_WORD_BITS; i += 4) {
        uint32x4_t lanes = vandq_u32(vcgtq_s32(vld1q_s32(a + i), vld1q_s32(b + i)), vld1q_u32(bits));
        greater |= vaddvq_u32(lanes) << i;
    }
    return greater;
}

/* trit_conv_store with whole words compared four channels at a time. */
static inline void neon_conv_store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
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
    below = neon_greater(lo, acc);
    if (planes == 1) {
        at[0] = below ^ flip;
        return;
    }
    inside = neon_greater(lo + t->channels, acc) & ~below; /* lo <= acc < hi */
    at[0] = ~inside;
    at[words] = (below ^ flip) & ~inside;
}

#endif
#endif
