/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c for processors without vectors that count a word's bits in one instruction, as RISC-V's Zbb: four output
 * channels at a time, so that an activation is loaded once for them. */
#include "conv_strings.h"
#include "cpop.h"

#if TRIT_HAVE_CPOP

#define ROWS 4u
#define AT_ONCE 8u /* words of binary strings whose places are one addition */

/* What clang would do with too few registers, ending in spills: load all words of a turn before it counts the first, and
 * add a common distance to the rows' beginnings. */
#ifdef __clang__
#define KEEP_LOADS_HERE __asm__ volatile("" : : : "memory");
#define KEEP_POINTER(pointer) __asm__("" : "+r"(pointer));
#else
#define KEEP_LOADS_HERE
#define KEEP_POINTER(pointer)
#endif

/* One row's weights, of ternary ones also the sign words, and the products so far that are -1; where both sides are
 * ternary, twice those less the products that are not 0. */
typedef struct row {
    const uint32_t *w, *sign;
    uint32_t sum;
} row;

typedef struct four_rows {
    row first, second, third, fourth;
} four_rows;

TRIT_INLINE void add_product(row *to, uint32_t nonzero, uint32_t sign, uint32_t offset, uint32_t index, uint32_t a_planes,
                        uint32_t w_planes) {
    uint32_t differ = sign ^ (w_planes == 2 ? trit_word_at(to->sign, offset) : to->w[index]);
    if (w_planes == 2) nonzero &= trit_word_at(to->w, offset);
    if (a_planes == 2 || w_planes == 2) differ &= nonzero;
    to->sum += trit_popcount(differ);
    if (a_planes == 2 && w_planes == 2) to->sum += trit_popcount(differ) - trit_popcount(nonzero);
}

/* Element `index` behind `a`, whose weights, if binary, are as far behind the rows'. */
TRIT_INLINE void add_element(four_rows *to, const uint32_t *a, uint32_t index, uint32_t a_planes, uint32_t w_planes) {
    uint32_t size = a_planes + w_planes - 1, nonzero, sign, offset;
    a += index * size;
    nonzero = a_planes == 2 ? a[0] : UINT32_MAX;
    sign = a[a_planes - 1];
    offset = w_planes == 2 ? a[size - 1] : 0;
    add_product(&to->first, nonzero, sign, offset, index, a_planes, w_planes);
    add_product(&to->second, nonzero, sign, offset, index, a_planes, w_planes);
    add_product(&to->third, nonzero, sign, offset, index, a_planes, w_planes);
    add_product(&to->fourth, nonzero, sign, offset, index, a_planes, w_planes);
    KEEP_LOADS_HERE
}

TRIT_INLINE void step_on(four_rows *to, uint32_t words) {
    to->first.w += words;
    to->second.w += words;
    to->third.w += words;
    to->fourth.w += words;
    KEEP_POINTER(to->first.w)
    KEEP_POINTER(to->second.w)
    KEEP_POINTER(to->third.w)
    KEEP_POINTER(to->fourth.w)
}

TRIT_INLINE void add_rows(four_rows *to, const trit_row_string *s, uint32_t a_planes, uint32_t w_planes) {
    const uint32_t *a = s->a;
    uint32_t left = s->elements;
    for (; a_planes == 1 && w_planes == 1 && left >= AT_ONCE; left -= AT_ONCE, a += AT_ONCE) {
        add_element(to, a, 0, 1, 1);
        add_element(to, a, 1, 1, 1);
        add_element(to, a, 2, 1, 1);
        add_element(to, a, 3, 1, 1);
        add_element(to, a, 4, 1, 1);
        add_element(to, a, 5, 1, 1);
        add_element(to, a, 6, 1, 1);
        add_element(to, a, 7, 1, 1);
        step_on(to, AT_ONCE);
    }
    for (; left > 0; left--, a += a_planes + w_planes - 1) {
        add_element(to, a, 0, a_planes, w_planes);
        if (w_planes == 1) step_on(to, 1);
    }
}

TRIT_INLINE row begin_row(const trit_row_string *s, uint32_t number) {
    row r;
    r.w = s->w + number * s->row;
    r.sign = r.w + s->plane;
    r.sum = 0;
    return r;
}

/* Where fewer than four rows are left, the last of them fills up. */
TRIT_INLINE void add_strings(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc, uint32_t a_planes,
                        uint32_t w_planes) {
    uint32_t number, last = rows - 1, times = a_planes == 2 && w_planes == 2 ? 1 : 2;
    uint32_t base = times == 1 ? TRIT_WORD_BITS * s->elements : 0;
    for (number = 0; number < rows; number += ROWS) {
        uint32_t left = last - number;
        four_rows four;
        four.first = begin_row(s, number);
        four.second = begin_row(s, left >= 1 ? number + 1 : last);
        four.third = begin_row(s, left >= 2 ? number + 2 : last);
        four.fourth = begin_row(s, left >= 3 ? number + 3 : last);
        add_rows(&four, s, a_planes, w_planes);
        acc[number] = (int32_t)((uint32_t)from[number] - base - times * four.first.sum);
        if (left >= 1) acc[number + 1] = (int32_t)((uint32_t)from[number + 1] - base - times * four.second.sum);
        if (left >= 2) acc[number + 2] = (int32_t)((uint32_t)from[number + 2] - base - times * four.third.sum);
        if (left >= 3) acc[number + 3] = (int32_t)((uint32_t)from[number + 3] - base - times * four.fourth.sum);
    }
}

#define DEFINE(name, a_planes, w_planes)                                                             \
    static void name(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc) { \
        add_strings(s, rows, from, acc, a_planes, w_planes);                                         \
    }
DEFINE(add_four_binary_binary, 1, 1)
DEFINE(add_four_binary_ternary, 1, 2)
DEFINE(add_four_ternary_binary, 2, 1)
DEFINE(add_four_ternary_ternary, 2, 2)

int trit_conv_bits_cpop(const trit_call *c) {
    return trit_conv_strings(c, trit_choose_strings(c, add_four_binary_binary, add_four_binary_ternary,
                                                    add_four_ternary_binary, add_four_ternary_ternary));
}

#endif
