/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the bits of many words by carry-save adders (Harley and Seal, in Warren, "Hacker's Delight", 2nd ed., section
 * 5-1): three words go into a word of sums and one of carries, so that only every eighth word is counted bit by bit.
 */
#ifndef TRIT_CARRY_SAVE_H
#define TRIT_CARRY_SAVE_H

#include "kernels.h"

/* Is there inline assembly for the processor's Thumb, and a compiler that leaves it the registers? */
#if defined(__thumb2__) && defined(__OPTIMIZE__) && defined(__GNUC__)
#define TRIT_THUMB2 1
#else
#define TRIT_THUMB2 0
#endif
#if defined(__thumb__) && !defined(__thumb2__) && defined(__OPTIMIZE__) && defined(__GNUC__) && \
    (defined(__clang__) || !defined(__OPTIMIZE_SIZE__))
#define TRIT_THUMB1 1
#else
#define TRIT_THUMB1 0
#endif

/* Bit i of ones, twos, fours counts 1, 2, 4; each byte of eights counts 8. */
typedef struct trit_counter {
    uint32_t ones, twos, fours, eights;
} trit_counter;

/* Adds two words to `sum`; returns the carries. */
TRIT_INLINE uint32_t trit_carry_save(uint32_t *sum, uint32_t x, uint32_t y) {
    uint32_t either = *sum ^ x, carry = (*sum & x) | (either & y);
    *sum = either ^ y;
    return carry;
}

#if TRIT_THUMB2 /* masks are immediate operands, and shifts cost nothing in what follows them */
TRIT_INLINE uint32_t trit_count_nibbles(uint32_t x) {
    uint32_t part;
    __asm__("and %1, %0, #0xaaaaaaaa\n"
            "sub %0, %0, %1, lsr #1\n"
            "and %1, %0, #0x33333333\n"
            "bic %0, %0, %1\n"
            "add %0, %1, %0, lsr #2\n"
            : "+r"(x), "=&r"(part));
    return x;
}

TRIT_INLINE uint32_t trit_widen_nibbles(uint32_t x) {
    uint32_t part;
    __asm__("and %1, %0, #0x0f0f0f0f\n"
            "bic %0, %0, %1\n"
            "add %0, %1, %0, lsr #4\n"
            : "+r"(x), "=&r"(part));
    return x;
}
#else
TRIT_INLINE uint32_t trit_count_nibbles(uint32_t x) {
    x -= (x >> 1) & UINT32_C(0x55555555);
    return (x & UINT32_C(0x33333333)) + ((x >> 2) & UINT32_C(0x33333333));
}

/* Nibbles of up to 15 each to bytes. */
TRIT_INLINE uint32_t trit_widen_nibbles(uint32_t x) {
    return (x & UINT32_C(0x0f0f0f0f)) + ((x >> 4) & UINT32_C(0x0f0f0f0f));
}
#endif

TRIT_INLINE uint32_t trit_count_bytes(uint32_t x) {
    x = trit_count_nibbles(x);
    return (x + (x >> 4)) & UINT32_C(0x0f0f0f0f);
}

/* Sum of the bytes of `low`, up to 56 each, and eight times those of `eights`. */
TRIT_INLINE uint32_t trit_sum_bytes(uint32_t low, uint32_t eights) {
    uint32_t even, odd;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    __asm__("usad8 %0, %1, %2" : "=r"(even) : "r"(low), "r"(0));
    __asm__("usad8 %0, %1, %2" : "=r"(odd) : "r"(eights), "r"(0));
    return even + 8 * odd;
#else
    even = (low & UINT32_C(0x00ff00ff)) + 8 * (eights & UINT32_C(0x00ff00ff));
    odd = ((low >> 8) & UINT32_C(0x00ff00ff)) + 8 * ((eights >> 8) & UINT32_C(0x00ff00ff));
    even += odd;
    return (even & 0xffff) + (even >> 16);
#endif
}

/* All that was counted. */
TRIT_INLINE uint32_t trit_counted(const trit_counter *at) {
    uint32_t low = trit_widen_nibbles(trit_count_nibbles(at->ones) + 2 * trit_count_nibbles(at->twos));
    return trit_sum_bytes(low + 4 * trit_count_bytes(at->fours), at->eights);
}

#endif
