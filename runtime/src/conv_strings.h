/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits with bits, one group and weights of one lane, where a window is gathered once into a string of
 * words that all output channels run over. Small processors gain by it: what there is to say about borders, dilation and
 * planes is said once a window, and a kernel is one loop over words.
 */
#ifndef TRIT_CONV_STRINGS_H
#define TRIT_CONV_STRINGS_H

#include "conv_bits.h"

#define TRIT_STRING_ELEMENTS 240u /* of a piece: carry-save adders count up to 255 of its bits in a byte */

/* A piece of a window. An element is a word of channels under a tap: with binary weights the words
 *     sign  or  nonzero, sign
 * whose weights lie one behind another; with ternary weights
 *     sign, offset  or  nonzero, sign, offset
 * where the weights' nonzero word is at `offset` bytes from the row's beginning, and their sign word `plane` words on.
 */
typedef struct trit_row_string {
    const uint32_t *a, *w; /* w: of the first row, for the first element or, with ternary weights, of the whole row */
    uint32_t elements, plane;
    size_t row; /* words from one row's weights to the next row's */
} trit_row_string;

/* acc[i] = from[i] - 2 * (products in the piece that are -1), for `rows` output channels; where both sides are ternary,
 * acc[i] = from[i] - 32 * elements + (sum of the products). */
typedef void trit_add_strings(const trit_row_string *s, uint32_t rows, const int32_t *from, int32_t *acc);

/* A row's word at an element's offset. */
static inline uint32_t trit_word_at(const uint32_t *row, uint32_t offset) {
    return *(const uint32_t *)(const void *)((const uint8_t *)row + offset);
}

/* Which of a kernel's four, named after activations and weights, the step needs; unused ones are not linked. */
static inline trit_add_strings *trit_choose_strings(const trit_call *c, trit_add_strings *binary_binary,
                                                    trit_add_strings *binary_ternary, trit_add_strings *ternary_binary,
                                                    trit_add_strings *ternary_ternary) {
    int ternary_weights = trit_conv_has_ternary_weights(c);
    if (trit_conv_has_ternary_bits(c)) return ternary_weights ? ternary_ternary : ternary_binary;
    return ternary_weights ? binary_ternary : binary_binary;
}

/* Returns 0 where it declines: weights of several lanes, or several groups. */
int trit_conv_strings(const trit_call *c, trit_add_strings *add);

#endif
