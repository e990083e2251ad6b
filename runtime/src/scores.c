/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: float32(acc) * scale[c] + bias[c], rounded after the product and after the sum, as (C, H, W). */
#include "internal.h"

/* A fused multiply-add would round once. gcc takes the attribute, clang the pragma. */
#if defined(__GNUC__) && !defined(__clang__)
#define TWO_ROUNDINGS __attribute__((optimize("fp-contract=off")))
#else
#define TWO_ROUNDINGS
#endif

static int is_finite(uint32_t bits) {
    return (bits & UINT32_C(0x7f800000)) != UINT32_C(0x7f800000);
}

trit_status trit_scores_check(const trit_call *c) {
    const TRIT_FLASH uint32_t *values;
    uint32_t i;
    if (c->in->kind != TRIT_KIND_INT32 || c->out->kind != TRIT_KIND_FLOAT32) return TRIT_BAD_STEP;
    if (!trit_same_shape(c->in, c->out)) return TRIT_BAD_SHAPE;
    if (!trit_in_file(c->file_size, c->parameters, (uint64_t)c->in->channels * 8)) return TRIT_BAD_PARAMETERS;
    values = trit_words_at(c, c->parameters, 0);
    for (i = 0; i < 2 * c->in->channels; i++)
        if (!is_finite(values[i])) return TRIT_BAD_PARAMETERS;
    return trit_check_bound(c, 0); /* scores have none */
}

TWO_ROUNDINGS void trit_scores_run(const trit_call *c) {
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif
    const TRIT_FLASH float *scale = (const TRIT_FLASH float *)trit_at(c, c->parameters);
    const TRIT_FLASH float *bias = scale + c->in->channels;
    const int32_t *acc = (const int32_t *)c->x;
    float *out = (float *)c->z;
    uint32_t channels = c->in->channels, pixels = c->in->height * c->in->width, channel, pixel;
    for (channel = 0; channel < channels; channel++) {
        for (pixel = 0; pixel < pixels; pixel++) {
            float product = (float)acc[(size_t)pixel * channels + channel] * scale[channel];
            *out++ = product + bias[channel];
        }
    }
}
