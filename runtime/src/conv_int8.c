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

/* Sum of weight * value; the values behind the last only meet weights of 0. */
static int32_t dot(const int16_t *values, uint32_t count, const TRIT_FLASH uint32_t *weights, uint32_t lanes) {
    int32_t sum = 0;
    uint32_t i;
    for (i = 0; i < count; i += 4, weights += lanes) {
        const TRIT_FLASH int8_t *w = (const TRIT_FLASH int8_t *)weights;
        sum += (int32_t)w[0] * values[i] + (int32_t)w[1] * values[i + 1] + (int32_t)w[2] * values[i + 2] +
               (int32_t)w[3] * values[i + 3];
    }
    return sum;
}

static void add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                      int32_t *acc) {
    uint32_t lanes = at->c->step->lanes, i;
    for (i = 0; i < n; i++)
        acc[i] += dot(at->values, count, trit_conv_row(at->c, channel + i) + (size_t)(first / 4) * lanes, lanes);
}

void trit_conv_int8(const trit_call *c) {
    trit_gather_run(c, add_piece);
}
