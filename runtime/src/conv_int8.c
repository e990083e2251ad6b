/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of uint8 values or bits with int8 weights, in plain C. Byte i % 4 of word i / 4 of a row is weight i. */
#include "gather.h"
#include "kernels.h"

/* A string of `values` weights: none is -128, and 0 lies behind the last. */
static int is_right(const TRIT_FLASH uint32_t *words, uint32_t values, uint32_t lanes) {
    uint32_t i, count = trit_byte_words(values) * 4;
    for (i = 0; i < count; i++) {
        int8_t weight = ((const TRIT_FLASH int8_t *)(words + (size_t)(i / 4) * lanes))[i % 4];
        if (weight == INT8_MIN || (i >= values && weight != 0)) return 0;
    }
    return 1;
}

int trit_conv_int8_weights_are_right(const trit_call *c) {
    const TRIT_FLASH uint32_t *taps = trit_words_at(c, c->step->weights, 0);
    uint32_t i, count = (uint32_t)c->step->kernel[0] * c->step->kernel[1];
    if (trit_conv_is_depthwise(c)) {
        for (i = 0; i < count; i++)
            if (!is_right(taps + i * trit_conv_tap_words(c), c->in->channels, 1)) return 0;
        return 1;
    }
    for (i = 0; i < c->out->channels; i++)
        if (!is_right(trit_conv_row(c, i), (uint32_t)trit_conv_fan_in(c), c->step->lanes)) return 0;
    return 1;
}

/* Four values, as the processor multiplies them. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
typedef struct quad {
    uint32_t even, odd; /* pairs of halves */
} quad;

TRIT_INLINE quad load(const int16_t *values) {
    const uint32_t *pairs = (const uint32_t *)(const void *)values;
    quad v;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(v.even) : "r"(pairs[0]), "r"(pairs[1]));
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(v.odd) : "r"(pairs[1]), "r"(pairs[0]));
    return v;
}

TRIT_INLINE int32_t add_four(int32_t sum, quad v, const uint32_t *weights) {
    uint32_t w = *weights, pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(w));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(v.even));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(w));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(v.odd));
    return sum;
}
#else
typedef struct quad {
    int32_t value[4];
} quad;

TRIT_INLINE quad load(const int16_t *values) {
    quad v = {{values[0], values[1], values[2], values[3]}};
    return v;
}

TRIT_INLINE int32_t add_four(int32_t sum, quad v, const TRIT_FLASH uint32_t *weights) {
    const TRIT_FLASH int8_t *w = (const TRIT_FLASH int8_t *)weights;
    return sum + w[0] * v.value[0] + w[1] * v.value[1] + w[2] * v.value[2] + w[3] * v.value[3];
}
#endif

/* Adds weight * value to the sums of two rows; the values behind the last only meet weights of 0. */
static void add_two_rows(const int16_t *values, uint32_t count, const TRIT_FLASH uint32_t *first,
                         const TRIT_FLASH uint32_t *second, uint32_t lanes, int32_t sums[2]) {
    const int16_t *end = values + count;
    int32_t sum = sums[0], sum2 = sums[1];
    for (; values < end; values += 4, first += lanes, second += lanes) {
        quad v = load(values);
        sum = add_four(sum, v, first);
        sum2 = add_four(sum2, v, second);
    }
    sums[0] = sum;
    sums[1] = sum2;
}

static void add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                      int32_t *acc) {
    uint32_t lanes = trit_conv_lanes(at->c), i;
    trit_size from = (trit_size)(first / 4) * lanes;
    for (i = 0; i < n; i += 2) {
        const TRIT_FLASH uint32_t *row = trit_conv_row(at->c, channel + i) + from;
        int32_t lone[2] = {acc[i], 0};
        if (i + 1 < n)
            add_two_rows(at->values, count, row, trit_conv_row(at->c, channel + i + 1) + from, lanes, acc + i);
        else
            add_two_rows(at->values, count, row, row, lanes, lone);
        if (i + 1 == n) acc[i] = lone[0];
    }
}

void trit_conv_int8(const trit_call *c) {
    trit_gather_run(c, add_piece);
}
