/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the up to 32 channels of one pixel that share a word. */
#ifndef TRIT_VALUES_H
#define TRIT_VALUES_H

#include "internal.h"

static inline uint32_t trit_channels_in_word(uint32_t channels, uint32_t word) {
    uint32_t left = channels - word * TRIT_WORD_BITS;
    return left < TRIT_WORD_BITS ? left : TRIT_WORD_BITS;
}

/* Values of channels 32 * word ... of a pixel; returns how many. */
static inline uint32_t trit_load(const trit_tensor *t, const void *data, uint32_t pixel, uint32_t word,
                                 int32_t values[TRIT_WORD_BITS]) {
    uint32_t count = trit_channels_in_word(t->channels, word), i;
    if (t->kind == TRIT_KIND_INT32) {
        const int32_t *at = (const int32_t *)data + (size_t)pixel * t->channels + word * TRIT_WORD_BITS;
        for (i = 0; i < count; i++) values[i] = at[i];
    } else if (t->kind == TRIT_KIND_UINT8) {
        const uint8_t *at = (const uint8_t *)data + (size_t)pixel * t->channels + word * TRIT_WORD_BITS;
        for (i = 0; i < count; i++) values[i] = (int32_t)at[i] - (int32_t)t->zero_point;
    } else {
        uint32_t words = trit_words(t->channels), planes = trit_planes(t->kind);
        const uint32_t *at = (const uint32_t *)data + (size_t)pixel * planes * words + word;
        uint32_t nonzero = planes == 2 ? at[0] : UINT32_MAX, sign = planes == 2 ? at[words] : at[0];
        for (i = 0; i < count; i++) values[i] = trit_value(nonzero, sign, i);
    }
    return count;
}

/* The reverse, for the plain kinds int32 and uint8. */
static inline void trit_store(const trit_tensor *t, void *data, uint32_t pixel, uint32_t word,
                              const int32_t values[TRIT_WORD_BITS]) {
    uint32_t count = trit_channels_in_word(t->channels, word), i;
    size_t first = (size_t)pixel * (size_t)t->channels + (size_t)(word * TRIT_WORD_BITS);
    if (t->kind == TRIT_KIND_INT32) {
        for (i = 0; i < count; i++) ((int32_t *)data)[first + i] = values[i];
    } else {
        for (i = 0; i < count; i++) ((uint8_t *)data)[first + i] = (uint8_t)(values[i] + (int32_t)t->zero_point);
    }
}

#endif
