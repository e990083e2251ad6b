/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits with bits in several groups, in plain C. A group's channels may begin anywhere in a word. */
#include "conv.h"
#include "kernels.h"

/* Word `index` of the string of `values` bits that begins at bit `first` of `words`. */
static uint32_t cut(const uint32_t *words, uint32_t first, uint32_t values, uint32_t index) {
    uint32_t mask = trit_word_mask(values, index), shift = first % TRIT_WORD_BITS, word;
    words += first / TRIT_WORD_BITS + index;
    word = words[0] >> shift;
    /* The next word may lie behind the tensor: it is read only where it holds wanted bits. */
    if (shift != 0 && (mask >> (TRIT_WORD_BITS - shift)) != 0) word |= words[1] << (TRIT_WORD_BITS - shift);
    return word & mask;
}

static int32_t tap(const trit_call *c, const uint32_t *a, const TRIT_FLASH uint32_t *w, uint32_t group) {
    uint32_t a_words = trit_words(c->in->channels), values = trit_conv_group_channels(c), w_words = trit_words(values);
    uint32_t i;
    int32_t sum = 0;
    for (i = 0; i < w_words; i++) {
        uint32_t mask = trit_word_mask(values, i), sign;
        if (c->in->kind == TRIT_KIND_TERNARY) mask &= cut(a, group * values, values, i);
        if (c->step->weight_kind == TRIT_KIND_TERNARY) mask &= w[i];
        sign = cut(a + (trit_planes(c->in->kind) - 1) * a_words, group * values, values, i);
        sign ^= w[(trit_planes(c->step->weight_kind) - 1) * w_words + i];
        sum += (int32_t)trit_popcount(mask) - 2 * (int32_t)trit_popcount(mask & sign);
    }
    return sum;
}

static int32_t dot(const trit_call *c, trit_span rows, trit_span columns, uint32_t channel) {
    size_t a_size = (size_t)(trit_planes(c->in->kind) * trit_words(c->in->channels));
    size_t w_size = (size_t)(trit_planes(c->step->weight_kind) * trit_words(trit_conv_group_channels(c)));
    uint32_t group = channel / (c->out->channels / c->step->groups), ky, kx;
    const TRIT_FLASH uint32_t *row = trit_conv_row(c, channel);
    int32_t acc = 0;
    for (ky = rows.first; ky < rows.end; ky++)
        for (kx = columns.first; kx < columns.end; kx++)
            acc += tap(c, (const uint32_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * a_size,
                       row + (ky * c->step->kernel[1] + kx) * w_size, group);
    return acc;
}

void trit_conv_grouped(const trit_call *c) {
    uint32_t y, x, word, i, pixel = 0, words = trit_words(c->out->channels);
    int32_t acc[TRIT_WORD_BITS];
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                uint32_t n = trit_channels_in_word(c->out->channels, word);
                for (i = 0; i < n; i++) acc[i] = dot(c, rows, columns, word * TRIT_WORD_BITS + i);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
}
