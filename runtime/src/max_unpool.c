/* SPDX-License-Identifier: Apache-2.0 */
/* MaxUnpool: a window's code goes to where the window's sum is largest, the first where several are; all others get the
 * zero point. */
#include "values.h"

static int windows_fit(const trit_call *c, uint32_t axis, uint32_t pooled, uint32_t size) {
    const trit_step *s = c->step;
    if (s->stride[axis] != s->kernel[axis] || s->dilation[axis] != 1 || s->padding[axis] != 0 || s->padding[axis + 2] != 0)
        return 0;
    return pooled == trit_window(size, 0, 0, s->kernel[axis], s->stride[axis], 1); /* 0 where the kernel is none */
}

trit_status trit_max_unpool_check(const trit_call *c) {
    if (c->in->kind != TRIT_KIND_UINT8 || c->other->kind != TRIT_KIND_INT32 || c->out->kind != TRIT_KIND_UINT8)
        return TRIT_BAD_STEP;
    if (c->out->zero_point != c->in->zero_point) return TRIT_BAD_STEP;
    if (!trit_same_shape(c->other, c->out) || c->in->channels != c->out->channels) return TRIT_BAD_SHAPE;
    if (!windows_fit(c, 0, c->in->height, c->out->height) || !windows_fit(c, 1, c->in->width, c->out->width))
        return TRIT_BAD_SHAPE;
    return trit_check_bound(c, c->in->bound);
}

/* The pixels of the maxima of a word's channels in the window that begins at pixel `first`. */
static void find_maxima(const trit_call *c, uint32_t first, uint32_t word, uint32_t pixels[TRIT_WORD_BITS]) {
    const uint32_t channels = c->out->channels, count = trit_channels_in_word(channels, word);
    int32_t best[TRIT_WORD_BITS];
    uint32_t ky, kx, i;
    for (i = 0; i < TRIT_WORD_BITS; i++) best[i] = INT32_MIN, pixels[i] = first;
    for (ky = 0; ky < c->step->kernel[0]; ky++, first += c->out->width) {
        const int32_t *at = (const int32_t *)c->y + (size_t)first * channels + word * TRIT_WORD_BITS;
        for (kx = 0; kx < c->step->kernel[1]; kx++, at += channels)
            for (i = 0; i < count; i++) {
                int larger = at[i] > best[i];
                best[i] = larger ? at[i] : best[i];
                pixels[i] = larger ? first + kx : pixels[i];
            }
    }
}

void trit_max_unpool_run(const trit_call *c) {
    const uint32_t channels = c->out->channels, words = trit_words(channels);
    const size_t size = (size_t)trit_tensor_bytes(c->out);
    const uint8_t *codes = (const uint8_t *)c->x;
    uint8_t *out = (uint8_t *)c->z;
    uint32_t pixels[TRIT_WORD_BITS], y, x, word, i;
    size_t at;
    for (at = 0; at < size; at++) out[at] = (uint8_t)c->out->zero_point;
    for (y = 0; y < c->in->height; y++)
        for (x = 0; x < c->in->width; x++)
            for (word = 0; word < words; word++) {
                const uint32_t count = trit_channels_in_word(channels, word), channel = word * TRIT_WORD_BITS;
                find_maxima(c, y * c->step->kernel[0] * c->out->width + x * c->step->kernel[1], word, pixels);
                for (i = 0; i < count; i++) out[(size_t)pixels[i] * channels + channel + i] = *codes++;
            }
}
