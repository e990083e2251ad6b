/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPool: maximum over the window, minimum for the channels in a mask; positions outside do not count.
 *
 * On bits it works on words. With positive = nonzero & ~sign and negative = sign, a maximum is positive if any
 * position is, and negative if all are; a minimum the other way round.
 */
#include "conv.h"

trit_status trit_max_pool_check(const trit_call *c) {
    const trit_step *s = c->step;
    if (c->in->kind == TRIT_KIND_FLOAT32 || c->out->kind != c->in->kind) return TRIT_BAD_STEP;
    if (c->out->zero_point != c->in->zero_point || s->dilation[0] != 1 || s->dilation[1] != 1) return TRIT_BAD_STEP;
    /* So that no window lies wholly outside. */
    if (s->padding[0] >= s->kernel[0] || s->padding[2] >= s->kernel[0]) return TRIT_BAD_STEP;
    if (s->padding[1] >= s->kernel[1] || s->padding[3] >= s->kernel[1]) return TRIT_BAD_STEP;
    if (!trit_window_fits(c) || c->out->channels != c->in->channels) return TRIT_BAD_SHAPE;
    if (c->parameters) {
        if (!trit_in_file(c->file_size, c->parameters, (uint64_t)trit_words(c->in->channels) * 4))
            return TRIT_BAD_PARAMETERS;
        if (!trit_padding_is_zero(trit_words_at(c, c->parameters, 0), c->in->channels))
            return TRIT_BAD_PARAMETERS;
    }
    return trit_check_bound(c, c->in->bound);
}

static void pool_bits(const trit_call *c, const trit_span *rows, const trit_span *columns, uint32_t pixel, uint32_t word,
                      uint32_t minimum) {
    const int ternary = trit_kind_is(TRIT_USES_MAX_POOL & TRIT_KIND_BITS, TRIT_KIND_BIT(TERNARY), c->in->kind);
    uint32_t words = trit_words(c->in->channels), size = ternary ? 2 * words : words, ky, kx;
    uint32_t any_positive = 0, all_positive = UINT32_MAX, any_negative = 0, all_negative = UINT32_MAX;
    uint32_t positive, negative;
    uint32_t *out = (uint32_t *)c->z + (size_t)pixel * size + word;
    for (ky = rows->first; ky < rows->end; ky++) {
        const uint32_t *at =
            (const uint32_t *)c->x + trit_tap_pixel(c, *rows, *columns, ky, columns->first) * size + word;
        for (kx = columns->first; kx < columns->end; kx++, at += size) {
            uint32_t sign = ternary ? at[words] : at[0], plus = ternary ? at[0] & ~sign : ~sign;
            any_positive |= plus;
            all_positive &= plus;
            any_negative |= sign;
            all_negative &= sign;
        }
    }
    positive = (any_positive & ~minimum) | (all_positive & minimum);
    negative = (all_negative & ~minimum) | (any_negative & minimum);
    out[0] = ternary ? positive | negative : negative;
    if (ternary) out[words] = negative;
}

static void pool_values(const trit_call *c, const trit_span *rows, const trit_span *columns, uint32_t pixel, uint32_t word,
                        uint32_t minimum) {
    int32_t best[TRIT_WORD_BITS], values[TRIT_WORD_BITS];
    uint32_t ky, kx, i;
    for (i = 0; i < TRIT_WORD_BITS; i++) best[i] = (minimum >> i) & 1 ? INT32_MAX : INT32_MIN;
    for (ky = rows->first; ky < rows->end; ky++) {
        for (kx = columns->first; kx < columns->end; kx++) {
            uint32_t count =
                trit_load(c->in, c->x, (uint32_t)trit_tap_pixel(c, *rows, *columns, ky, kx), word, values);
            for (i = 0; i < count; i++)
                if ((minimum >> i) & 1 ? values[i] < best[i] : values[i] > best[i]) best[i] = values[i];
        }
    }
    trit_store(c->out, c->z, pixel, word, best);
}

/* Codes as they are: the zero point does not change their order. A minimum is the maximum of the complements. */
static void pool_codes(const trit_call *c, const trit_span *rows, const trit_span *columns, uint32_t pixel, uint32_t word,
                       uint32_t minimum) {
    uint32_t channels = c->in->channels, count = trit_channels_in_word(channels, word), ky, kx, i;
    uint8_t best[TRIT_WORD_BITS] = {0}, flip[TRIT_WORD_BITS];
    uint8_t *out = (uint8_t *)c->z + (size_t)pixel * channels + word * TRIT_WORD_BITS;
    for (i = 0; i < TRIT_WORD_BITS; i++) flip[i] = (minimum >> i) & 1 ? UINT8_MAX : 0;
    for (ky = rows->first; ky < rows->end; ky++) {
        const uint8_t *at = (const uint8_t *)c->x +
                            trit_tap_pixel(c, *rows, *columns, ky, columns->first) * channels + word * TRIT_WORD_BITS;
        for (kx = columns->first; kx < columns->end; kx++, at += channels)
            for (i = 0; i < count; i++) {
                uint8_t code = at[i] ^ flip[i];
                best[i] = code > best[i] ? code : best[i];
            }
    }
    for (i = 0; i < count; i++) out[i] = best[i] ^ flip[i];
}

void trit_max_pool_run(const trit_call *c) {
    const TRIT_FLASH uint32_t *minimum = c->parameters ? trit_words_at(c, c->parameters, 0) : NULL;
    uint32_t y, x, word, pixel = 0, words = trit_words(c->out->channels);
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                if (trit_kind_is(TRIT_USES_MAX_POOL, TRIT_KIND_BITS, c->in->kind))
                    pool_bits(c, &rows, &columns, pixel, word, minimum ? minimum[word] : 0);
                else if (trit_kind_is(TRIT_USES_MAX_POOL, TRIT_KIND_BIT(UINT8), c->in->kind))
                    pool_codes(c, &rows, &columns, pixel, word, minimum ? minimum[word] : 0);
                else
                    pool_values(c, &rows, &columns, pixel, word, minimum ? minimum[word] : 0);
            }
        }
    }
}
