/* SPDX-License-Identifier: Apache-2.0 */
/* The output stage: what turns int32 results into activations before they are stored.
 *
 * Conv and Add store int32 as it is where the step has no parameters. Where it has, bits are compared with thresholds
 * and uint8 is rescaled, as Threshold and Rescale do by themselves.
 */
#ifndef TRIT_OUTPUT_H
#define TRIT_OUTPUT_H

#include "values.h"

static inline uint64_t trit_threshold_bytes(const trit_tensor *t) {
    return ((uint64_t)trit_planes(t->kind) * t->channels + trit_words(t->channels)) * 4;
}

static inline uint64_t trit_rescaling_bytes(const trit_tensor *t) {
    return ((uint64_t)t->channels * 13 + 3) / 4 * 4;
}

/* Bytes of the parameters that give tensor t. */
static inline uint64_t trit_output_stage_bytes(const trit_tensor *t) {
    return t->kind == TRIT_KIND_UINT8 ? trit_rescaling_bytes(t) : trit_threshold_bytes(t);
}

/* The step's parameters as thresholds or rescaling of its output: in the file, in range, without stray bits. */
trit_status trit_check_thresholds(const trit_call *c);
trit_status trit_check_rescaling(const trit_call *c);

/* The parameters that the step's output needs, or none. */
trit_status trit_check_output_stage(const trit_call *c);

/* The output of a step whose results are no larger than `bound`: its kind, bound and parameters. */
trit_status trit_check_output(const trit_call *c, uint64_t bound);

/* Thresholds lie as lo[C], hi[C] (ternary only), then the words of `negative`. */
static inline const TRIT_FLASH int32_t *trit_lower_thresholds(const trit_call *c, uint32_t word) {
    return (const TRIT_FLASH int32_t *)trit_words_at(c, c->parameters, word * TRIT_WORD_BITS);
}

static inline const TRIT_FLASH int32_t *trit_upper_thresholds(const trit_call *c, uint32_t word) {
    return (const TRIT_FLASH int32_t *)trit_words_at(c, c->parameters, c->out->channels + word * TRIT_WORD_BITS);
}

/* One word of levels: bit i of `below` is set where a result is below lo, of `above` where it is not below hi. */
static inline void trit_store_levels(const trit_call *c, uint32_t pixel, uint32_t word, uint32_t below,
                                     uint32_t above) {
    const trit_tensor *t = c->out;
    uint32_t words = trit_words(t->channels), planes = trit_planes(t->kind);
    uint32_t flip = *trit_words_at(c, c->parameters, planes * t->channels + word);
    uint32_t *at = (uint32_t *)c->z + (size_t)pixel * planes * words + word;
    if (planes == 1) {
        at[0] = below ^ flip;
        return;
    }
    at[0] = below | above;
    at[words] = (below ^ flip) & (below | above);
}

/* Rescaling lies as multiplier[C], offset[C] in 64 bits, low word first, and shift[C], a byte each. */
typedef struct trit_rescaling {
    const TRIT_FLASH int32_t *multiplier;
    const TRIT_FLASH uint32_t *offset; /* two words a channel */
    const TRIT_FLASH uint8_t *shift;
} trit_rescaling;

static inline trit_rescaling trit_rescaling_of(const trit_call *c, uint32_t channel) {
    uint32_t parameters = c->parameters, channels = c->out->channels;
    trit_rescaling r;
    r.multiplier = (const TRIT_FLASH int32_t *)trit_words_at(c, parameters, channel);
    r.offset = trit_words_at(c, parameters, channels + 2 * channel);
    r.shift = trit_bytes_on(trit_words_at(c, parameters, 3 * channels), channel);
    return r;
}

static inline int64_t trit_rescaling_offset(trit_rescaling r, uint32_t i) {
    return (int64_t)((uint64_t)r.offset[2 * i + 1] << 32 | r.offset[2 * i]);
}

/* Stores the results of up to 32 channels of a pixel through the step's output stage. */
void trit_store_output(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]);

/* The same of `count` channels from `first` on, a word's first. */
void trit_store_channels(const trit_call *c, uint32_t pixel, uint32_t first, uint32_t count, const int32_t *acc);

/* The output stage alone, on the step's input as it is: Threshold and Rescale. */
void trit_store_tensor(const trit_call *c);

#endif
