/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a learner starts from, used in place; trit.runtime.learner writes it. */
#ifndef TRIT_HEAD_H
#define TRIT_HEAD_H

#include "internal.h"
#include "trit/learner.h"

#define TRIT_HEAD_MAGIC UINT32_C(0x44485254) /* TRHD */
#define TRIT_HEAD_VERSION 1u
#define TRIT_HEAD_FACTORS 256u
#define TRIT_HEAD_FARTHEST (INT32_C(1) << 24) /* thresholds and biases */

/* Behind it: factors, uint16 in 1/32768, of |W| / 128; thresholds[units], biases[classes], int32 in 1/256; weights. */
typedef struct trit_head_file {
    uint32_t magic, version, size; /* bytes */
    uint32_t inputs, units, classes;
    int32_t gain;           /* scores, in 1/256 bit, for each 1 that a class's sum is higher */
    int32_t window;         /* a unit learns whose sum is no further from its threshold, in 1/256 */
    uint32_t rate;          /* of the weights, in 1/65536 for each 1/4096 of error */
    int32_t threshold_rate; /* in 1/256 for an error of 1 */
    int32_t bias_rate;      /* the same */
    int32_t margin;         /* smaller errors are none, in 1/4096 */
} trit_head_file;

/* A task's words. */
typedef struct trit_task {
    int32_t *count;  /* samples that were learned from */
    int32_t *mean;   /* of each unit's sums, in 1/256 */
    int32_t *offset; /* of each unit's threshold from that mean */
    int32_t *bias;   /* of each class */
} trit_task;

/* Are the header and the size those of a head? The size functions look no further. */
int trit_is_head(const void *head, size_t size);

/* The whole head, once. */
trit_status trit_check_head(const void *head, size_t size);

static inline uint32_t trit_task_words(const trit_head_file *h) {
    return 1 + 2 * h->units + h->classes;
}

static inline trit_task trit_task_at(const trit_head_file *h, int32_t *words) {
    trit_task t;
    t.count = words;
    t.mean = words + 1;
    t.offset = t.mean + h->units;
    t.bias = t.offset + h->units;
    return t;
}

static inline size_t trit_head_weight_words(const trit_head_file *h) {
    return ((size_t)h->units * (h->inputs + h->classes) + 1) / 2;
}

static inline const uint16_t *trit_head_factors(const trit_head_file *h) {
    return (const uint16_t *)(const void *)(h + 1);
}

/* Thresholds, then biases. */
static inline const int32_t *trit_head_thresholds(const trit_head_file *h) {
    return (const int32_t *)(const void *)(trit_head_factors(h) + TRIT_HEAD_FACTORS);
}

static inline const int16_t *trit_head_weights(const trit_head_file *h) {
    return (const int16_t *)(const void *)(trit_head_thresholds(h) + h->units + h->classes);
}

/* value / 2^shift, rounded down. */
static inline int32_t trit_floor_shift(int32_t value, uint32_t shift) {
    return value < 0 ? -(int32_t)((uint32_t)(-value - 1) >> shift) - 1 : (int32_t)((uint32_t)value >> shift);
}

#endif
