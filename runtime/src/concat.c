/* SPDX-License-Identifier: Apache-2.0 */
/* Concat: two tensors of one kind side by side along the channels. */
#include "internal.h"

trit_status trit_concat_check(const trit_call *c) {
    if (c->in->kind == TRIT_KIND_FLOAT32 || c->other->kind != c->in->kind || c->out->kind != c->in->kind)
        return TRIT_BAD_STEP;
    if (c->other->zero_point != c->in->zero_point || c->out->zero_point != c->in->zero_point) return TRIT_BAD_STEP;
    if (c->other->height != c->in->height || c->out->height != c->in->height) return TRIT_BAD_SHAPE;
    if (c->other->width != c->in->width || c->out->width != c->in->width) return TRIT_BAD_SHAPE;
    if (c->out->channels != c->in->channels + c->other->channels) return TRIT_BAD_SHAPE;
    return trit_check_bound(c, c->in->bound > c->other->bound ? c->in->bound : c->other->bound);
}

/* `count` bits, then `more` bits of another plane, which begin anywhere in a word. */
static void join_planes(const uint32_t *x, uint32_t count, const uint32_t *y, uint32_t more, uint32_t *z) {
    uint32_t shift = count % TRIT_WORD_BITS, words = trit_words(count + more), i;
    for (i = 0; i < words; i++) z[i] = i < trit_words(count) ? x[i] : 0;
    z += count / TRIT_WORD_BITS;
    words -= count / TRIT_WORD_BITS;
    for (i = 0; i < trit_words(more); i++) {
        z[i] |= y[i] << shift;
        if (shift != 0 && i + 1 < words) z[i + 1] = y[i] >> (TRIT_WORD_BITS - shift);
    }
}

static void join_bits(const trit_call *c, uint32_t pixel) {
    uint32_t planes = trit_planes(c->in->kind), plane;
    for (plane = 0; plane < planes; plane++) {
        size_t at = (size_t)(pixel * planes + plane);
        join_planes((const uint32_t *)c->x + at * trit_words(c->in->channels), c->in->channels,
                    (const uint32_t *)c->y + at * trit_words(c->other->channels), c->other->channels,
                    (uint32_t *)c->z + at * trit_words(c->out->channels));
    }
}

static void append(uint8_t **to, const uint8_t *from, size_t bytes) {
    size_t i;
    for (i = 0; i < bytes; i++) *(*to)++ = from[i];
}

void trit_concat_run(const trit_call *c) {
    uint32_t pixels = c->out->height * c->out->width, pixel;
    size_t bytes = (size_t)trit_pixel_bytes(c->in), more = (size_t)trit_pixel_bytes(c->other);
    uint8_t *to = (uint8_t *)c->z;
    for (pixel = 0; pixel < pixels; pixel++) {
        if (trit_is_bits(c->in->kind)) {
            join_bits(c, pixel);
        } else {
            append(&to, (const uint8_t *)c->x + pixel * bytes, bytes);
            append(&to, (const uint8_t *)c->y + pixel * more, more);
        }
    }
}
