/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with Helium: carry-save adders (carry_save.h) for four output channels at a time, a word of each in a
 * vector, of which a gathering load takes the weights from four rows. */
#include "helium.h"

#if TRIT_HAVE_HELIUM

#include <arm_mve.h>

#include "conv_strings.h"

#define ROWS 4u

typedef uint32x4_t words;

/* carry_save.h has the same for words. */
typedef struct counters {
    words ones, twos, fours, eights;
} counters;

/* Where the next words are: of the activations, and of four rows of weights. */
typedef struct cursors {
    const uint32_t *a, *w, *sign; /* w, sign: of ternary weights, for the first row */
    words rows; /* binary weights: addresses of the words before the next; ternary ones: bytes from the first row on */
} cursors;

TRIT_INLINE words carry(words *sum, words x, words y) {
    words either = veorq(*sum, x), both = vandq(*sum, x);
    *sum = veorq(either, y);
    return vorrq(both, vandq(either, y));
}

TRIT_INLINE words count_nibbles(words x) {
    const words fives = vdupq_n_u32(0x55555555), threes = vdupq_n_u32(0x33333333);
    x = vsubq(x, vandq(vshrq(x, 1), fives));
    return vaddq(vandq(x, threes), vandq(vshrq(x, 2), threes));
}

TRIT_INLINE words count_bytes(words x) {
    x = count_nibbles(x);
    return vandq(vaddq(x, vshrq(x, 4)), vdupq_n_u32(0x0f0f0f0f));
}

TRIT_INLINE words next_weights(cursors *at) {
#ifdef __clang__
    return vldrwq_gather_base_wb_u32(&at->rows, 4);
#else /* gcc 12 takes no constant for one in the function above */
    at->rows = vaddq_n_u32(at->rows, 4);
    return vldrwq_gather_base_u32(at->rows, 0);
#endif
}

/* Each row's word of ternary weights at an element's offset. */
TRIT_INLINE words weights_at(const uint32_t *first_row, uint32_t offset, words rows) {
    return vldrwq_gather_offset((const uint32_t *)(const void *)((const uint8_t *)first_row + offset), rows);
}

/* Products that are -1. */
TRIT_INLINE words next_word(cursors *at, uint32_t a_planes, uint32_t w_planes) {
    words differ;
    if (w_planes == 2) {
        differ = vandq(veorq(weights_at(at->sign, at->a[1], at->rows), vdupq_n_u32(at->a[0])),
                       weights_at(at->w, at->a[1], at->rows));
    } else {
        differ = veorq(next_weights(at), vdupq_n_u32(at->a[a_planes - 1]));
        if (a_planes == 2) differ = vandq(differ, vdupq_n_u32(at->a[0]));
    }
    at->a += a_planes + w_planes - 1;
    return differ;
}

/* The carries of two words; where both sides are ternary, an element's products that are -1 and that are not +1. */
TRIT_INLINE words add_pair(counters *to, cursors *at, uint32_t a_planes, uint32_t w_planes) {
    words x, y;
    if (a_planes == 2 && w_planes == 2) {
        words nonzero = vandq(weights_at(at->w, at->a[2], at->rows), vdupq_n_u32(at->a[0]));
        words differ = veorq(weights_at(at->sign, at->a[2], at->rows), vdupq_n_u32(at->a[1]));
        at->a += 3;
        return carry(&to->ones, vandq(differ, nonzero), vornq(differ, nonzero));
    }
    x = next_word(at, a_planes, w_planes);
    y = next_word(at, a_planes, w_planes);
    return carry(&to->ones, x, y);
}

TRIT_INLINE words add_two_pairs(counters *to, cursors *at, uint32_t a_planes, uint32_t w_planes) {
    words first = add_pair(to, at, a_planes, w_planes);
    return carry(&to->twos, first, add_pair(to, at, a_planes, w_planes));
}

TRIT_INLINE void add_block(counters *to, cursors *at, uint32_t a_planes, uint32_t w_planes) {
    words first = add_two_pairs(to, at, a_planes, w_planes);
    words second = add_two_pairs(to, at, a_planes, w_planes);
    to->eights = vaddq(to->eights, count_bytes(carry(&to->fours, first, second)));
}

/* All that was counted, in each row. */
TRIT_INLINE words counted(const counters *at) {
    const words low = vdupq_n_u32(0x0f0f0f0f), halves = vdupq_n_u32(0x00ff00ff);
    words nibbles = vaddq(count_nibbles(at->ones), vshlq_n(count_nibbles(at->twos), 1));
    words bytes = vaddq(vandq(nibbles, low), vandq(vshrq(nibbles, 4), low));
    words sums;
    bytes = vaddq(bytes, vshlq_n(count_bytes(at->fours), 2));
    sums = vaddq(vandq(at->eights, halves), vandq(vshrq(at->eights, 8), halves));
    sums = vaddq(vshlq_n(sums, 3), vaddq(vandq(bytes, halves), vandq(vshrq(bytes, 8), halves)));
    return vaddq(vandq(sums, vdupq_n_u32(0xffff)), vshrq(sums, 16));
}

/* The words that fill up no block of four pairs come first, when carries have free places to go to. */
TRIT_INLINE words count_rows(cursors at, uint32_t elements, uint32_t a_planes, uint32_t w_planes) {
    int both = a_planes == 2 && w_planes == 2;
    uint32_t pairs = both ? elements : elements / 2, blocks;
    const words zero = vdupq_n_u32(0);
    counters to = {zero, zero, zero, zero};
    if (!both && elements % 2 == 1) to.ones = next_word(&at, a_planes, w_planes);
    if (pairs & 1) to.twos = add_pair(&to, &at, a_planes, w_planes);
    if (pairs & 2) to.fours = add_two_pairs(&to, &at, a_planes, w_planes);
    for (blocks = pairs / 4; blocks > 0; blocks--) add_block(&to, &at, a_planes, w_planes);
    return counted(&to);
}

/* Where fewer than four rows are left, the last of them fills up. */
TRIT_INLINE void add_strings(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc,
                             uint32_t a_planes, uint32_t w_planes) {
    const uint32_t *w = s->w;
    for (; rows > 0; rows -= rows < ROWS ? rows : ROWS, from += ROWS, acc += ROWS, w += ROWS * s->row) {
        words number = vminq(vidupq_n_u32(0, 1), vdupq_n_u32(rows - 1));
        cursors at = {s->a, w, w + s->plane, vmulq_n_u32(number, 4 * (uint32_t)s->row)};
        mve_pred16_t left = vctp32q(rows);
        int32x4_t count;
        if (w_planes == 1) at.rows = vaddq_n_u32(at.rows, (uint32_t)w - 4);
        count = vreinterpretq_s32(count_rows(at, s->elements, a_planes, w_planes));
        if (a_planes == 1 || w_planes == 1) count = vshlq_n(count, 1);
        vstrwq_p(acc, vsubq(vldrwq_z_s32(from, left), count), left);
    }
}

#define DEFINE(name, a_planes, w_planes)                                                           \
    static void name(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc) { \
        add_strings(s, rows, from, acc, a_planes, w_planes);                                       \
    }
DEFINE(add_vectors_binary_binary, 1, 1)
DEFINE(add_vectors_binary_ternary, 1, 2)
DEFINE(add_vectors_ternary_binary, 2, 1)
DEFINE(add_vectors_ternary_ternary, 2, 2)

int trit_conv_bits_helium(const trit_call *c) {
    return trit_conv_strings(c, trit_choose_strings(c, add_vectors_binary_binary, add_vectors_binary_ternary,
                                                    add_vectors_ternary_binary, add_vectors_ternary_ternary));
}

#endif
