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

/* trit_store_output, with whole words compared four channels at a time. */
static inline void neon_conv_store(const trit_call *c, uint32_t pixel, uint32_t word,
                                   const int32_t acc[TRIT_WORD_BITS]) {
    const int32_t *lo = trit_lower_thresholds(c, word);
    uint32_t above = 0;
    if (!trit_is_bits(c->out->kind) || trit_channels_in_word(c->out->channels, word) < TRIT_WORD_BITS) {
        trit_store_output(c, pixel, word, acc);
        return;
    }
    if (c->out->kind == TRIT_KIND_TERNARY) above = ~neon_greater(lo + c->out->channels, acc);
    trit_store_levels(c, pixel, word, neon_greater(lo, acc), above);
}

#endif
#endif
