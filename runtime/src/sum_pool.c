/* SPDX-License-Identifier: Apache-2.0 */
/* SumPool: sum of the values over the window, positions outside count 0. Bits give uint8, the others int32. */
#include "conv.h"

trit_status trit_sum_pool_check(const trit_call *c) {
    const trit_step *s = c->step;
    uint64_t area = (uint64_t)s->kernel[0] * s->kernel[1];
    int bits = trit_is_bits(c->in->kind);
    if (c->in->kind == TRIT_KIND_FLOAT32 || s->dilation[0] != 1 || s->dilation[1] != 1) return TRIT_BAD_STEP;
    if (c->out->kind != (bits ? (uint32_t)TRIT_KIND_UINT8 : (uint32_t)TRIT_KIND_INT32)) return TRIT_BAD_STEP;
    if (bits && (area >= TRIT_SUM_ZERO_POINT || c->out->zero_point != TRIT_SUM_ZERO_POINT)) return TRIT_BAD_STEP;
    if (!trit_window_fits(c) || c->out->channels != c->in->channels) return TRIT_BAD_SHAPE;
    return trit_check_bound(c, area * c->in->bound);
}

void trit_sum_pool_run(const trit_call *c) {
    uint32_t y, x, word, ky, kx, i, pixel = 0, words = trit_words(c->out->channels);
    int32_t sum[TRIT_WORD_BITS], values[TRIT_WORD_BITS];
    for (y = 0; y < c->out->height; y++) {
        trit_span rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            trit_span columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                for (i = 0; i < TRIT_WORD_BITS; i++) sum[i] = 0;
                for (ky = rows.first; ky < rows.end; ky++) {
                    for (kx = columns.first; kx < columns.end; kx++) {
                        uint32_t from = (uint32_t)trit_tap_pixel(c, rows, columns, ky, kx);
                        uint32_t count = trit_load(c->in, c->x, from, word, values);
                        for (i = 0; i < count; i++) sum[i] += values[i];
                    }
                }
                trit_store(c->out, c->z, pixel, word, sum);
            }
        }
    }
}
