/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c by carry-save adders, for processors that cannot count a word's bits in one instruction. */
#include "carry_save.h"
#include "conv_strings.h"

#ifndef __AVR__ /* whose kernels are those of conv_bits_avr.c */

typedef struct pair {
    uint32_t x, y;
} pair;

/* Where the words of a row are; `both`: a word gives a pair, the products that are -1 and those that are not +1. */
typedef struct cursor {
    const uint32_t *a, *w, *sign;
} cursor;

/* Products that are -1. */
TRIT_INLINE uint32_t next_word(cursor *at, uint32_t a_planes, uint32_t w_planes) {
    uint32_t nonzero, offset, result;
    if (w_planes == 2) {
        offset = at->a[1];
        result = (at->a[0] ^ trit_word_at(at->sign, offset)) & trit_word_at(at->w, offset);
        at->a += 2;
        return result;
    }
    if (a_planes == 1) return *at->a++ ^ *at->w++;
    nonzero = at->a[0];
    result = (at->a[1] ^ *at->w++) & nonzero;
    at->a += 2;
    return result;
}

TRIT_INLINE pair next_pair(cursor *at, uint32_t a_planes, uint32_t w_planes) {
    uint32_t nonzero, differ;
    pair p;
    if (a_planes == 1 || w_planes == 1) {
        p.x = next_word(at, a_planes, w_planes);
        p.y = next_word(at, a_planes, w_planes);
        return p;
    }
    nonzero = at->a[0] & trit_word_at(at->w, at->a[2]);
    differ = at->a[1] ^ trit_word_at(at->sign, at->a[2]);
    p.x = differ & nonzero;
    p.y = differ | ~nonzero;
    at->a += 3;
    return p;
}

/* A pair's carries. */
TRIT_INLINE uint32_t add_pair(trit_counter *to, cursor *at, uint32_t a_planes, uint32_t w_planes) {
    pair p = next_pair(at, a_planes, w_planes);
    return trit_carry_save(&to->ones, p.x, p.y);
}

TRIT_INLINE uint32_t add_two_pairs(trit_counter *to, cursor *at, uint32_t a_planes, uint32_t w_planes) {
    uint32_t first = add_pair(to, at, a_planes, w_planes);
    return trit_carry_save(&to->twos, first, add_pair(to, at, a_planes, w_planes));
}

#if TRIT_THUMB2
#include "carry_save_thumb2.h"
#else
#if TRIT_THUMB1
#include "carry_save_thumb1.h"
#endif
TRIT_INLINE void add_block(trit_counter *to, cursor *at, uint32_t a_planes, uint32_t w_planes) {
    uint32_t first = add_two_pairs(to, at, a_planes, w_planes);
    uint32_t second = add_two_pairs(to, at, a_planes, w_planes);
    to->eights += trit_count_bytes(trit_carry_save(&to->fours, first, second));
}
#endif

/* The words that fill up no block of four pairs come first, when carries have free places to go to. */
TRIT_INLINE uint32_t count_row(cursor at, uint32_t elements, uint32_t a_planes, uint32_t w_planes) {
    int both = a_planes == 2 && w_planes == 2;
    uint32_t pairs = both ? elements : elements / 2, blocks;
    trit_counter counter = {0, 0, 0, 0};
#if TRIT_THUMB2
    if (w_planes == 1) return count_binary_row(at, elements, a_planes);
#endif
    if (!both && elements % 2 == 1) counter.ones = next_word(&at, a_planes, w_planes);
    if (pairs & 1) counter.twos = add_pair(&counter, &at, a_planes, w_planes);
    if (pairs & 2) counter.fours = add_two_pairs(&counter, &at, a_planes, w_planes);
    blocks = pairs / 4;
#if TRIT_THUMB1
    if (a_planes == 1 && w_planes == 1 && blocks > 0) {
        add_binary_blocks(&counter, &at, blocks);
        blocks = 0;
    }
#endif
    for (; blocks > 0; blocks--) add_block(&counter, &at, a_planes, w_planes);
    return trit_counted(&counter);
}

TRIT_INLINE void add_strings(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc,
                               uint32_t a_planes, uint32_t w_planes) {
    cursor at;
    at.w = s->w;
    for (; rows > 0; rows--, at.w += s->row) {
        uint32_t count;
        at.a = s->a;
        at.sign = at.w + s->plane;
        count = count_row(at, s->elements, a_planes, w_planes);
        *acc++ = (int32_t)((uint32_t)*from++ - (a_planes == 2 && w_planes == 2 ? count : 2 * count));
    }
}

#define DEFINE(name, a_planes, w_planes)                                                             \
    static void name(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc) { \
        add_strings(s, rows, from, acc, a_planes, w_planes);                                         \
    }
DEFINE(add_binary_binary, 1, 1)
DEFINE(add_binary_ternary, 1, 2)
DEFINE(add_ternary_binary, 2, 1)
DEFINE(add_ternary_ternary, 2, 2)

int trit_conv_bits_carry_save(const trit_call *c) {
    if (TRIT_USES_LOOKUP && trit_conv_bits_lookup(c)) return 1;
    return trit_conv_strings(c, trit_choose_strings(c, add_binary_binary, add_binary_ternary, add_ternary_binary,
                                                    add_ternary_ternary));
}

#endif
