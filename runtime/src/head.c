/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the file that a learner starts from, so that learning cannot leave its memory or overflow. */
#include "head.h"

#define MOST_VALUES 65535u
#define MOST_WEIGHTS (UINT32_C(1) << 28)
#define HIGHEST_SCORE (UINT32_C(1) << 27) /* without the bias */

int trit_is_head(const void *head, size_t size) {
    const trit_head_file *h = (const trit_head_file *)head;
    if (!h || TRIT_IS_MISALIGNED(h) || size < sizeof *h) return 0;
    if (h->magic != TRIT_HEAD_MAGIC || h->version != TRIT_HEAD_VERSION) return 0;
    if (h->inputs == 0 || h->inputs > MOST_VALUES || h->units == 0 || h->units > MOST_VALUES) return 0;
    if (h->classes < 2 || h->classes > TRIT_LEARNER_MOST_CLASSES) return 0;
    if ((uint64_t)h->units * (h->inputs + h->classes) > MOST_WEIGHTS || size != h->size) return 0;
    return size == sizeof *h + 2 * TRIT_HEAD_FACTORS + 4 * (h->units + h->classes + trit_head_weight_words(h));
}

size_t trit_learner_task_size(const void *head, size_t head_size) {
    return trit_is_head(head, head_size) ? 4 * (size_t)trit_task_words((const trit_head_file *)head) : 0;
}

static int rates_are_in_range(const trit_head_file *h) {
    if (h->gain < 1 || (uint64_t)(uint32_t)h->gain * h->units > HIGHEST_SCORE) return 0;
    if (h->window < 0 || h->window > TRIT_HEAD_FARTHEST || h->margin < 0 || h->margin > 4096) return 0;
    if (h->rate > 8191) return 0; /* 32 errors of 8192, times this, are less than 2^31 */
    return h->threshold_rate >= 0 && h->threshold_rate <= 65535 && h->bias_rate >= 0 && h->bias_rate <= 65535;
}

static int values_are_in_range(const trit_head_file *h) {
    const uint16_t *factors = trit_head_factors(h);
    const int32_t *thresholds = trit_head_thresholds(h);
    const int16_t *weights = trit_head_weights(h);
    uint32_t i;
    for (i = 0; i < TRIT_HEAD_FACTORS; i++)
        if (factors[i] > 32768) return 0;
    for (i = 0; i < h->units + h->classes; i++)
        if (thresholds[i] > TRIT_HEAD_FARTHEST || thresholds[i] < -TRIT_HEAD_FARTHEST) return 0;
    for (i = 0; i < h->units * (h->inputs + h->classes); i++)
        if (weights[i] == INT16_MIN) return 0;
    return 1;
}

trit_status trit_check_head(const void *head, size_t size) {
    const trit_head_file *h = (const trit_head_file *)head;
    return trit_is_head(head, size) && rates_are_in_range(h) && values_are_in_range(h) ? TRIT_OK : TRIT_BAD_HEAD;
}
