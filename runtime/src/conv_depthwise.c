/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution in plain C: each channel has its own weights, packed along the channels as activations are:
 * [kh][kw][plane][words], or int8 as [kh][kw][bytes]. 32 channels go at a time. */
#include "conv.h"
#include "kernels.h"

static void add_tap(const trit_call *c, size_t pixel, uint32_t word, const TRIT_FLASH uint32_t *weights,
                    int32_t acc[TRIT_WORD_BITS]) {
    uint32_t words = trit_words(c->in->channels), nonzero, sign, i;
    int32_t values[TRIT_WORD_BITS];
    uint32_t count = trit_load(c->in, c->x, (uint32_t)pixel, word, values);
    if (c->step->weight_kind == TRIT_KIND_INT8) {
        const TRIT_FLASH int8_t *bytes = (const TRIT_FLASH int8_t *)weights + word * TRIT_WORD_BITS;
        for (i = 0; i < count; i++) acc[i] += bytes[i] * values[i];
        return;
    }
    nonzero = c->step->weight_kind == TRIT_KIND_TERNARY ? weights[word] : UINT32_MAX;
    sign = weights[(trit_planes(c->step->weight_kind) - 1) * words + word];
    for (i = 0; i < count; i++) acc[i] += trit_value(nonzero, sign, i) * values[i];
}

void trit_conv_depthwise(const trit_call *c) {
    uint32_t words = trit_words(c->out->channels), y, x, word, i, ky, kx, pixel = 0;
    trit_size tap_size = trit_conv_tap_words(c);
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                int32_t acc[TRIT_WORD_BITS];
                for (i = 0; i < TRIT_WORD_BITS; i++) acc[i] = 0;
                for (ky = rows.first; ky < rows.end; ky++)
                    for (kx = columns.first; kx < columns.end; kx++)
                        add_tap(c, trit_tap_pixel(c, rows, columns, ky, kx), word,
                                trit_words_at(c, c->step->weights, (ky * c->step->kernel[1] + kx) * tap_size), acc);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
}
