/* SPDX-License-Identifier: Apache-2.0 */
/* From the rows of weights of an ONNX file to the layout of a plan (export/operators/conv.py, _plan_weights). */
#include "../src/conv.h"
#include "kernel.h"

/* Packs `count` values, `step` apart, at words[0], words[lanes], ...; planes one after the other. */
static void pack_string(const kernel *k, const int8_t *values, uint32_t count, size_t step, uint32_t lanes,
                        uint32_t *words) {
    uint32_t planes = trit_planes(k->step.weight_kind), i;
    uint32_t *sign = words + (size_t)(planes - 1) * trit_words(count) * lanes;
    for (i = 0; i < count; i++) {
        int8_t value = values[i * step];
        size_t word = (size_t)(i / TRIT_WORD_BITS) * lanes;
        if (planes == 2) words[word] |= (uint32_t)(value != 0) << (i % TRIT_WORD_BITS);
        sign[word] |= (uint32_t)(value < 0) << (i % TRIT_WORD_BITS);
    }
}

static void pack_bytes(const int8_t *values, uint32_t count, size_t step, uint32_t lanes, uint32_t *words) {
    uint32_t i;
    for (i = 0; i < count; i++) words[(size_t)(i / 4) * lanes] |= (uint32_t)(uint8_t)values[i * step] << (i % 4 * 8);
}

static void place(const kernel *k, const int8_t *values, uint32_t count, size_t step, uint32_t lanes, uint32_t *words) {
    if (k->step.weight_kind == TRIT_KIND_INT8)
        pack_bytes(values, count, step, lanes, words);
    else
        pack_string(k, values, count, step, lanes, words);
}

static uint32_t count_nonzero(const int8_t *values, size_t count) {
    uint32_t total = 0;
    size_t i;
    for (i = 0; i < count; i++) total += values[i] != 0;
    return total;
}

void kernel_place_weights(const kernel *k, const int8_t *weights) {
    trit_call call = kernel_call(k);
    uint32_t *words = (uint32_t *)(void *)(k->file + k->step.weights), lanes = k->step.lanes, channel, tap;
    uint32_t taps = (uint32_t)k->step.kernel[0] * k->step.kernel[1], inputs = trit_conv_group_channels(&call);
    size_t fan_in = (size_t)taps * inputs;
    if (trit_conv_is_depthwise(&call)) {
        for (tap = 0; tap < taps; tap++)
            place(k, weights + tap, k->out.channels, taps, 1, words + (size_t)tap * trit_conv_tap_words(&call));
        return;
    }
    if (k->in.kind == TRIT_KIND_UINT8 || k->step.weight_kind == TRIT_KIND_INT8) { /* all taps are one string */
        inputs *= taps;
        taps = 1;
    }
    for (channel = 0; channel < k->out.channels; channel++) {
        const int8_t *row = weights + channel * fan_in;
        uint32_t *at = words + (trit_conv_row(&call, channel) - trit_words_at(&call, k->step.weights, 0));
        size_t string = (size_t)trit_planes(k->step.weight_kind) * trit_words(inputs) * lanes;
        for (tap = 0; tap < taps; tap++) place(k, row + (size_t)tap * inputs, inputs, 1, lanes, at + tap * string);
        if (k->step.counts)
            ((uint32_t *)(void *)(k->file + k->step.counts))[channel] = count_nonzero(row, fan_in);
    }
}
