/* SPDX-License-Identifier: Apache-2.0 */
/* The output stage, whichever operator it ends: what it requires, and how it stores. */
#include "kernels.h"

trit_status trit_check_output_stage(const trit_call *c) {
    if (c->out->kind == TRIT_KIND_INT32) return c->parameters == 0 ? TRIT_OK : TRIT_BAD_STEP;
    if (c->parameters == 0) return TRIT_BAD_STEP;
    if (c->out->kind == TRIT_KIND_UINT8) return trit_check_rescaling(c);
    return trit_is_bits(c->out->kind) ? trit_check_thresholds(c) : TRIT_BAD_STEP;
}

trit_status trit_check_output(const trit_call *c, uint64_t bound) {
    trit_status status;
    if (bound > INT32_MAX) return TRIT_OVERFLOW;
    if (c->out->kind != TRIT_KIND_INT32) bound = c->out->kind == TRIT_KIND_UINT8 ? trit_code_bound(c->out) : 1;
    status = trit_check_bound(c, bound);
    return status == TRIT_OK ? trit_check_output_stage(c) : status;
}

static void store_thresholded(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    const TRIT_FLASH int32_t *lo = trit_lower_thresholds(c, word), *hi = lo;
    const int32_t *end = acc + trit_channels_in_word(c->out->channels, word);
    const int ternary = (TRIT_USES_OUTPUTS & TRIT_KIND_BIT(TERNARY)) != 0;
    uint32_t below = 0, above = 0, bit;
    if (ternary && c->out->kind == TRIT_KIND_TERNARY) hi = trit_upper_thresholds(c, word);
    for (bit = 1; acc < end; bit += bit) {
        int32_t value = *acc++;
        if (value < *lo++) below |= bit;
        if (ternary && value >= *hi++) above |= bit; /* not looked at where the output is binary */
    }
    trit_store_levels(c, pixel, word, below, above);
}

static void store_rescaled(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    uint32_t channels = c->out->channels, count = trit_channels_in_word(channels, word), i;
    uint8_t *at = (uint8_t *)c->z + (size_t)pixel * channels + word * TRIT_WORD_BITS;
    trit_rescaling r = trit_rescaling_of(c, word * TRIT_WORD_BITS);
    for (i = 0; i < count; i++) {
        int64_t sum = (int64_t)acc[i] * r.multiplier[i] + trit_rescaling_offset(r, i);
        uint64_t code = sum < 0 ? 0 : (uint64_t)sum >> r.shift[i];
        at[i] = code > 255 ? 255 : (uint8_t)code;
    }
}

void trit_store_output(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    if (trit_kind_is(TRIT_USES_OUTPUTS, TRIT_KIND_BIT(INT32), c->out->kind))
        trit_store(c->out, c->z, pixel, word, acc);
    else if (trit_kind_is(TRIT_USES_OUTPUTS, TRIT_KIND_BIT(UINT8), c->out->kind))
        store_rescaled(c, pixel, word, acc);
    else
        store_thresholded(c, pixel, word, acc);
}

void trit_store_channels(const trit_call *c, uint32_t pixel, uint32_t first, uint32_t count, const int32_t *acc) {
    uint32_t i;
    for (i = 0; i < count; i += TRIT_WORD_BITS) trit_store_output(c, pixel, (first + i) / TRIT_WORD_BITS, acc + i);
}

void trit_store_tensor(const trit_call *c) {
    uint32_t pixels = c->in->height * c->in->width, words = trit_words(c->in->channels), pixel, word;
    trit_store_word *store = trit_store_of(c);
    int32_t values[TRIT_WORD_BITS];
    for (pixel = 0; pixel < pixels; pixel++) {
        for (word = 0; word < words; word++) {
            trit_load(c->in, c->x, pixel, word, values);
            store(c, pixel, word, values);
        }
    }
}
