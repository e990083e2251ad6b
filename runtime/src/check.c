/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers with which the operators check their steps. */
#include "conv.h"

int trit_in_file(uint32_t file_size, uint32_t offset, uint64_t bytes) {
    return offset % 4 == 0 && offset >= offsetof(trit_header, task_count) && offset <= file_size && bytes <= file_size - offset;
}

uint32_t trit_window(uint32_t size, uint32_t before, uint32_t after, uint32_t kernel, uint32_t stride,
                     uint32_t dilation) {
    uint64_t span, total = (uint64_t)size + before + after;
    if (kernel == 0 || stride == 0 || dilation == 0) return 0;
    span = (uint64_t)dilation * (kernel - 1) + 1;
    if (span > total || total > UINT32_MAX) return 0;
    /* 32-bit division: microcontrollers have an instruction for it, or at least no 64-bit routine to link. */
    return (uint32_t)(total - span) / stride + 1;
}

int trit_window_fits(const trit_call *c) {
    const trit_step *s = c->step;
    uint32_t height = trit_window(c->in->height, s->padding[0], s->padding[2], s->kernel[0], s->stride[0],
                                  s->dilation[0]);
    uint32_t width = trit_window(c->in->width, s->padding[1], s->padding[3], s->kernel[1], s->stride[1],
                                 s->dilation[1]);
    return height == c->out->height && width == c->out->width; /* both of them at least 1 */
}

int trit_same_shape(const trit_tensor *a, const trit_tensor *b) {
    return a->channels == b->channels && a->height == b->height && a->width == b->width;
}

int trit_padding_is_zero(const TRIT_FLASH uint32_t *words, uint32_t values) {
    uint32_t last = trit_words(values) - 1;
    return (words[last] & ~trit_word_mask(values, last)) == 0;
}

trit_status trit_check_bound(const trit_call *c, uint64_t bound) {
    if (bound > INT32_MAX) return TRIT_OVERFLOW;
    return c->out->bound == bound ? TRIT_OK : TRIT_BAD_TENSOR;
}

uint64_t trit_stage_bytes(const trit_call *c) {
    if (!c->step->parameters) return 0;
    if (c->step->op == TRIT_OP_SCORES) return (uint64_t)c->out->channels * 8;
    if (c->step->op == TRIT_OP_MAX_POOL) return (uint64_t)trit_words(c->out->channels) * 4;
    return trit_output_stage_bytes(c->out);
}

uint64_t trit_parameter_bytes(const trit_call *c) {
    uint64_t bytes = trit_stage_bytes(c);
    if (c->step->op == TRIT_OP_CONV) bytes += trit_conv_weight_bytes(c);
    if (c->step->counts) bytes += (uint64_t)c->out->channels * 4;
    return bytes;
}
