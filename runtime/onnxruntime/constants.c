/* SPDX-License-Identifier: Apache-2.0 */
/* A node's constant inputs as the weights and parameters of a step. */
#include <stdlib.h>
#include <string.h>

#include "../src/conv.h"
#include "kernel.h"

enum { ALIGNMENT = 64 };

/* The elements of a constant input; `count` is how many there must be, 0 for any number. */
static OrtStatus *constant(const kernel *k, const OrtKernelInfo *info, size_t index, uint64_t count,
                           const void **data) {
    const OrtValue *value = NULL;
    OrtTensorInfo *shape = NULL;
    void *elements = NULL;
    int is_constant = 0;
    size_t found = 0;
    OrtStatus *status;
    TRY(ort_constant_input(k->api)(info, index, &is_constant, &value));
    REQUIRE(is_constant && value, "weights and parameters must be initializers");
    TRY(ort_tensor_info(k->api)(value, &shape));
    status = ort_element_count(k->api)(shape, &found);
    ort_release_tensor_info(k->api)(shape);
    if (status) return status;
    REQUIRE(count == 0 || found == count, "weights or parameters do not have the size that the attributes say");
    TRY(ort_tensor_data(k->api)((OrtValue *)(uintptr_t)value, &elements)); /* only read */
    *data = elements;
    return NULL;
}

/* Reserves `bytes` of the kernel's file; returns where they begin. */
static uint32_t reserve(kernel *k, uint64_t bytes) {
    uint32_t at = k->file_size;
    k->file_size += (uint32_t)((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    return at;
}

static OrtStatus *allocate_file(kernel *k, int has_minimum) {
    trit_call call = kernel_call(k);
    uint64_t parameters = 0, weights = 0;
    if (k->row->step == TRIT_OP_CONV) weights = trit_conv_weight_bytes(&call);
    if (k->row->output != NO_STAGE) parameters = trit_output_stage_bytes(&k->out);
    if (k->row->step == TRIT_OP_SCORES) parameters = (uint64_t)k->in.channels * 8;
    if (has_minimum) parameters = (uint64_t)trit_words(k->in.channels) * 4;
    REQUIRE(weights < TRIT_MAX_BYTES / 2 && parameters < TRIT_MAX_BYTES / 2, "its weights are too large");
    k->file_size = (sizeof(trit_header) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (weights) {
        k->step.weights = reserve(k, weights);
        if (k->row->weights == TRIT_KIND_TERNARY && !trit_conv_is_depthwise(&call))
            k->step.counts = reserve(k, (uint64_t)k->out.channels * 4);
    }
    if (parameters) k->step.parameters = reserve(k, parameters);
    k->memory = calloc(1, k->file_size + ALIGNMENT);
    REQUIRE(k->memory, "out of memory");
    k->file = (uint8_t *)k->memory + (ALIGNMENT - (uintptr_t)k->memory % ALIGNMENT) % ALIGNMENT;
    return NULL;
}

/* A row of bits an output channel, (KH, KW, I), added to values (O, KH, KW, I): `unit` where set. */
static void add_bits(const uint8_t *rows, size_t outputs, size_t fan_in, int unit, int8_t *values) {
    size_t bytes = (fan_in + 7) / 8, o, i;
    for (o = 0; o < outputs; o++)
        for (i = 0; i < fan_in; i++)
            values[o * fan_in + i] = (int8_t)(values[o * fan_in + i] + unit * (rows[o * bytes + i / 8] >> i % 8 & 1));
}

static OrtStatus *read_packed(const kernel *k, const OrtKernelInfo *info, size_t input, size_t fan_in,
                              int8_t *values) {
    const void *nonzero = NULL, *sign = NULL;
    uint64_t bytes = (uint64_t)k->out.channels * ((fan_in + 7) / 8);
    int ternary = k->row->weights == TRIT_KIND_TERNARY;
    size_t i, count = k->out.channels * fan_in;
    if (ternary) TRY(constant(k, info, input++, bytes, &nonzero));
    TRY(constant(k, info, input, bytes, &sign));
    memset(values, ternary ? 0 : 1, count);
    if (ternary) add_bits((const uint8_t *)nonzero, k->out.channels, fan_in, 1, values);
    add_bits((const uint8_t *)sign, k->out.channels, fan_in, -2, values);
    for (i = 0; i < count; i++) REQUIRE(values[i] >= -1, "a weight is negative and zero at once");
    return NULL;
}

static OrtStatus *read_int8(const kernel *k, const OrtKernelInfo *info, size_t input, size_t fan_in, int8_t *values) {
    size_t taps = (size_t)k->step.kernel[0] * k->step.kernel[1], inputs = fan_in / taps, o, i, tap;
    const void *data = NULL;
    const int8_t *from;
    TRY(constant(k, info, input, (uint64_t)k->out.channels * fan_in, &data));
    from = (const int8_t *)data;
    for (o = 0; o < k->out.channels; o++)
        for (i = 0; i < inputs; i++)
            for (tap = 0; tap < taps; tap++) values[(o * taps + tap) * inputs + i] = *from++;
    return NULL;
}

static OrtStatus *read_weights(const kernel *k, const OrtKernelInfo *info, size_t input) {
    trit_call call = kernel_call(k);
    size_t fan_in = (size_t)trit_conv_fan_in(&call);
    int8_t *values = (int8_t *)malloc(k->out.channels * fan_in);
    OrtStatus *status;
    REQUIRE(values, "out of memory");
    status = k->row->weights == TRIT_KIND_INT8 ? read_int8(k, info, input, fan_in, values)
                                               : read_packed(k, info, input, fan_in, values);
    if (!status) kernel_place_weights(k, values);
    free(values);
    return status;
}

static void set_flags(const int8_t *directions, uint32_t count, uint32_t *flags) {
    uint32_t i;
    for (i = 0; i < count; i++) flags[i / TRIT_WORD_BITS] |= (uint32_t)(directions[i] < 0) << i % TRIT_WORD_BITS;
}

static OrtStatus *read_thresholds(const kernel *k, const OrtKernelInfo *info, size_t input, uint8_t *at) {
    const void *lo = NULL, *hi = NULL, *direction = NULL;
    size_t channels = k->out.channels, bytes = channels * 4;
    int ternary = k->out.kind == TRIT_KIND_TERNARY;
    TRY(constant(k, info, input, channels, &lo));
    TRY(constant(k, info, input + 1, channels, &hi));
    TRY(constant(k, info, input + 2, channels, &direction));
    REQUIRE(ternary || memcmp(lo, hi, bytes) == 0, "kind is binary, and the lower thresholds are not the upper ones");
    memcpy(at, lo, bytes);
    if (ternary) memcpy(at + bytes, hi, bytes);
    set_flags((const int8_t *)direction, k->out.channels, (uint32_t *)(void *)(at + (ternary ? 2 : 1) * bytes));
    return NULL;
}

static OrtStatus *read_rescaling(const kernel *k, const OrtKernelInfo *info, size_t input, uint8_t *at) {
    static const size_t sizes[] = {4, 8, 1}; /* multiplier, offset, shift */
    size_t channels = k->out.channels, i;
    for (i = 0; i < 3; i++) {
        const void *values = NULL;
        TRY(constant(k, info, input + i, channels, &values));
        memcpy(at, values, channels * sizes[i]);
        at += channels * sizes[i];
    }
    return NULL;
}

static OrtStatus *read_scores(const kernel *k, const OrtKernelInfo *info, size_t input, uint8_t *at) {
    const void *scale = NULL, *bias = NULL;
    TRY(constant(k, info, input, k->in.channels, &scale));
    TRY(constant(k, info, input + 1, k->in.channels, &bias));
    memcpy(at, scale, k->in.channels * 4);
    memcpy(at + k->in.channels * 4, bias, k->in.channels * 4);
    return NULL;
}

/* Of a MaxPool: one direction for all channels or one a channel; null where every one is a maximum. */
static OrtStatus *read_directions(const kernel *k, const OrtKernelInfo *info, const int8_t **directions) {
    const void *data = NULL;
    OrtStatus *status = constant(k, info, 1, k->in.channels, &data);
    if (status) {
        ort_release_status(k->api)(status);
        TRY(constant(k, info, 1, 1, &data));
        REQUIRE(*(const int8_t *)data > 0, "a lone direction must be 1");
        data = NULL;
    }
    *directions = (const int8_t *)data;
    return NULL;
}

OrtStatus *kernel_read_constants(kernel *k, const OrtKernelInfo *info) {
    const int8_t *directions = NULL;
    ort_type types[MAX_INPUTS];
    size_t count = operator_inputs(k->row, types);
    uint8_t *parameters;
    if (k->row->step == TRIT_OP_MAX_POOL) TRY(read_directions(k, info, &directions));
    TRY(allocate_file(k, directions != NULL));
    parameters = k->file + k->step.parameters;
    if (k->row->step == TRIT_OP_CONV) TRY(read_weights(k, info, 1));
    if (directions) set_flags(directions, k->in.channels, (uint32_t *)(void *)parameters);
    if (k->row->step == TRIT_OP_SCORES) return read_scores(k, info, 1, parameters);
    if (k->row->output == THRESHOLD) return read_thresholds(k, info, count - 3, parameters);
    return k->row->output == RESCALE ? read_rescaling(k, info, count - 3, parameters) : NULL;
}
