/* SPDX-License-Identifier: Apache-2.0 */
/* Goes on learning on the device: the last two dense layers of a binary network, in integers, by a metaplastic rule.
 *
 * The plan computes features, the bits that its last layer but one reads, and a head holds what the last two layers
 * start from: int16 hidden weights, whose signs are the binary weights. trit.runtime.learner_reference is the same in
 * Python, bit for bit, and docs/learning.md has the formulas.
 *
 * Weights are shared by all tasks; thresholds and biases each task has for itself. The caller owns all memory, aligned
 * to 4 bytes, and the head may lie in flash. Stack use is below 2 KiB beside that of the plan. Not for AVRs.
 */
#ifndef TRIT_LEARNER_H
#define TRIT_LEARNER_H

#include "trit/trit.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRIT_LEARNER_BATCH 32u /* samples that move the weights together: as many as a word has bits */
#define TRIT_LEARNER_MOST_CLASSES 64u

/* The fields are private but for `waiting` and `moves`. */
typedef struct trit_learner {
    const uint32_t *head;
    int16_t *weights;    /* hidden weights [units][inputs], then [classes][units] */
    uint32_t *signs;     /* their signs, each row packed by itself */
    uint32_t *gathered;  /* of the inputs and then of the units a word each: bit i is the value's sign in sample i */
    uint32_t *bits;      /* the units' signs in the sample that was seen last */
    int16_t *pulls;      /* [units + classes][32]: the errors that reach them */
    uint32_t waiting;    /* samples that have not moved the weights yet */
    uint32_t moves;      /* of the weights, so far */
} trit_learner;

/* Bytes of memory for the weights and for each task; 0 where this is no head. */
size_t trit_learner_size(const void *head, size_t head_size);
size_t trit_learner_task_size(const void *head, size_t head_size);

/* Checks the head and copies its weights to `memory`, which must stay, as must the head. */
trit_status trit_learner_begin(trit_learner *learner, const void *head, size_t head_size, void *memory,
                               size_t memory_size);

/* Puts the weights back to the head's; tasks are as they were. */
void trit_learner_reset(trit_learner *learner);

/* The thresholds and biases that the head brings for its own task, and those of a task that begins. */
void trit_learner_own_task(const trit_learner *learner, int32_t *task);
void trit_learner_new_task(const trit_learner *learner, int32_t *task);

/* Runs the plan up to its last two layers. The features are in the arena, until it is used again. */
trit_status trit_learner_features(const trit_learner *learner, const trit_plan *plan, void *arena, size_t arena_size,
                                  const uint8_t *input, const uint32_t **features);

/* The class, and in scores[classes] what speaks for each, in 1/256 bit of likelihood. */
uint32_t trit_learner_classify(const trit_learner *learner, const int32_t *task, const uint32_t *features,
                               int32_t *scores);

/* Learns from a sample: the task's thresholds and biases at once, the weights with the 32nd sample that taught
 * something. Ignores a label that is no class. */
void trit_learner_learn(trit_learner *learner, int32_t *task, const uint32_t *features, uint32_t label);

/* Moves the weights by the samples that are waiting: before power goes, or another task begins. */
void trit_learner_move(trit_learner *learner);

#ifdef __cplusplus
}
#endif

#endif
