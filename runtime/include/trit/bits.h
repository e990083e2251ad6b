/* SPDX-License-Identifier: Apache-2.0 */
/* How values become bits. trit.runtime.bits is the same in Python; a test holds the two together.
 *
 * binary:  values -1, +1; one plane `sign`, the bit is 1 for -1.
 * ternary: values -1, 0, +1; planes `nonzero` and `sign`, sign a subset of nonzero.
 * Value i is bit i % 32 of word i / 32. Padding bits are 0 in every plane.
 */
#ifndef TRIT_BITS_H
#define TRIT_BITS_H

#include <stdint.h>

#define TRIT_WORD_BITS 32u

static inline uint32_t trit_words(uint32_t values) {
    return values / TRIT_WORD_BITS + (values % TRIT_WORD_BITS != 0);
}

/* The bits of word `word` that hold values, of `values` in all. */
static inline uint32_t trit_word_mask(uint32_t values, uint32_t word) {
    uint32_t left = values - word * TRIT_WORD_BITS;
    return left >= TRIT_WORD_BITS ? UINT32_MAX : (UINT32_C(1) << left) - 1;
}

static inline uint32_t trit_popcount(uint32_t x) {
#if defined(__POPCNT__) || defined(__aarch64__) || defined(__riscv_zbb)
    return (uint32_t)__builtin_popcount(x);
#else
    x -= (x >> 1) & UINT32_C(0x55555555);
    x = (x & UINT32_C(0x33333333)) + ((x >> 2) & UINT32_C(0x33333333));
    x = (x + (x >> 4)) & UINT32_C(0x0f0f0f0f);
    return (x * UINT32_C(0x01010101)) >> 24;
#endif
}

/* Value of bit `bit` of the planes' words: 0 where not nonzero, else 1 - 2 * sign. */
static inline int32_t trit_value(uint32_t nonzero, uint32_t sign, uint32_t bit) {
    return (int32_t)((nonzero >> bit) & 1) - 2 * (int32_t)((sign >> bit) & 1);
}

/* Packs values -1, 0, +1 into trit_words(count) words a plane; `nonzero` may be null for binary values. */
static inline void trit_pack(const int8_t *values, uint32_t count, uint32_t *nonzero, uint32_t *sign) {
    uint32_t i;
    for (i = 0; i < trit_words(count); i++) {
        sign[i] = 0;
        if (nonzero) nonzero[i] = 0;
    }
    for (i = 0; i < count; i++) {
        uint32_t word = i / TRIT_WORD_BITS, bit = i % TRIT_WORD_BITS;
        sign[word] |= (uint32_t)(values[i] < 0) << bit;
        if (nonzero) nonzero[word] |= (uint32_t)(values[i] != 0) << bit;
    }
}

/* Dot products of `count` values. A null nonzero plane stands for binary values. */
static inline int32_t trit_dot(const uint32_t *nonzero_a, const uint32_t *sign_a, const uint32_t *nonzero_b,
                               const uint32_t *sign_b, uint32_t count) {
    int32_t total = 0;
    uint32_t i;
    for (i = 0; i < trit_words(count); i++) {
        uint32_t mask = trit_word_mask(count, i);
        if (nonzero_a) mask &= nonzero_a[i];
        if (nonzero_b) mask &= nonzero_b[i];
        total += (int32_t)trit_popcount(mask) - 2 * (int32_t)trit_popcount(mask & (sign_a[i] ^ sign_b[i]));
    }
    return total;
}

#endif
