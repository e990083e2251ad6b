/* SPDX-License-Identifier: Apache-2.0 */
/* Add: the sum of two tensors' values, in int32. The output may lie where an input of
 * its kind lies, but for bits. */
#include "kernels.h"

trit_status trit_add_check(const trit_call *c) {
    if (c->in->kind == TRIT_KIND_FLOAT32 || c->other->kind == TRIT_KIND_FLOAT32) return TRIT_BAD_STEP;
    if (!trit_same_shape(c->in, c->out) || !trit_same_shape(c->other, c->out)) return TRIT_BAD_SHAPE;
    return trit_check_output(c, (uint64_t)c->in->bound + c->other->bound);
}

void trit_add_run(const trit_call *c) {
    uint32_t pixels = c->out->height * c->out->width, words = trit_words(c->out->channels), pixel, word, i;
    int32_t a[TRIT_WORD_BITS], b[TRIT_WORD_BITS];
    trit_store_word *store = trit_store_of(c);
    for (pixel = 0; pixel < pixels; pixel++) {
        for (word = 0; word < words; word++) {
            uint32_t count = trit_load(c->in, c->x, pixel, word, a);
            trit_load(c->other, c->y, pixel, word, b);
            for (i = 0; i < count; i++) a[i] += b[i];
            store(c, pixel, word, a);
        }
    }
}
