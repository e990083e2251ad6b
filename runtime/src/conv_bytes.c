/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of uint8 values with binary or ternary weights, in plain C. */
#include "gather.h"
#include "kernels.h"

/* Sum of weight * value over the gathered values; word i of the weights is at [i * lanes]. */
static int32_t dot(const int16_t *values, uint32_t count, const TRIT_FLASH uint32_t *nonzero,
                   const TRIT_FLASH uint32_t *sign, uint32_t lanes) {
    int32_t sum = 0;
    while (count > 0) {
        uint32_t n = nonzero ? *nonzero : UINT32_MAX, s = *sign, i;
        uint32_t bits = count < TRIT_WORD_BITS ? count : TRIT_WORD_BITS;
        for (i = 0; i < bits; i++) sum += trit_value(n, s, i) * values[i];
        if (nonzero) nonzero += lanes;
        sign += lanes;
        values += bits;
        count -= bits;
    }
    return sum;
}

static void add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                      int32_t *acc) {
    uint32_t words = trit_conv_row_words(at->c), lanes = at->c->step->lanes, i;
    int ternary = at->c->step->weight_kind == TRIT_KIND_TERNARY;
    for (i = 0; i < n; i++) {
        const TRIT_FLASH uint32_t *row = trit_conv_row(at->c, channel + i) + (size_t)(first / TRIT_WORD_BITS) * lanes;
        const TRIT_FLASH uint32_t *sign = ternary ? row + (size_t)words * lanes : row;
        acc[i] += dot(at->values, count, ternary ? row : NULL, sign, lanes);
    }
}

void trit_conv_bytes(const trit_call *c) {
    trit_gather_run(c, add_piece);
}
