/* SPDX-License-Identifier: Apache-2.0 */
/* A learner on many samples, for the Python package; no part of the device library. */
#include <string.h>

#include "head.h"

size_t trit_host_learner_size(void);
uint32_t trit_host_learner_moves(const trit_learner *learner);
trit_status trit_host_learner_features(const trit_learner *learner, const trit_plan *plan, void *arena,
                                       size_t arena_size, const uint8_t *images, uint32_t *features, size_t count);
void trit_host_learner_learn(trit_learner *learner, int32_t *task, const uint32_t *features, const uint32_t *labels,
                             size_t count);
void trit_host_learner_classify(const trit_learner *learner, const int32_t *task, const uint32_t *features,
                                int32_t *scores, size_t count);

static const trit_head_file *head_of(const trit_learner *learner) {
    return (const trit_head_file *)(const void *)learner->head;
}

size_t trit_host_learner_size(void) {
    return sizeof(trit_learner);
}

uint32_t trit_host_learner_moves(const trit_learner *learner) {
    return learner->moves;
}

trit_status trit_host_learner_features(const trit_learner *learner, const trit_plan *plan, void *arena,
                                       size_t arena_size, const uint8_t *images, uint32_t *features, size_t count) {
    size_t words = trit_words(head_of(learner)->inputs), i;
    for (i = 0; i < count; i++, images += trit_input_size(plan), features += words) {
        const uint32_t *found;
        trit_status status = trit_learner_features(learner, plan, arena, arena_size, images, &found);
        if (status != TRIT_OK) return status;
        memcpy(features, found, 4 * words);
    }
    return TRIT_OK;
}

void trit_host_learner_learn(trit_learner *learner, int32_t *task, const uint32_t *features, const uint32_t *labels,
                             size_t count) {
    size_t words = trit_words(head_of(learner)->inputs), i;
    for (i = 0; i < count; i++, features += words) trit_learner_learn(learner, task, features, labels[i]);
}

void trit_host_learner_classify(const trit_learner *learner, const int32_t *task, const uint32_t *features,
                                int32_t *scores, size_t count) {
    size_t words = trit_words(head_of(learner)->inputs), i;
    for (i = 0; i < count; i++, features += words, scores += head_of(learner)->classes)
        (void)trit_learner_classify(learner, task, features, scores);
}
