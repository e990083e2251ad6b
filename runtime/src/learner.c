/* SPDX-License-Identifier: Apache-2.0 */
/* Metaplastic learning of the last two dense layers, in integers. */
#include "trit/learner.h"

#include "head.h"
#include "steps.h"

#define LAST_STEPS 3u /* of the plan: the hidden layer with its thresholds, the output layer, the scores */

static uint32_t unit_words(const trit_head_file *h) {
    return trit_words(h->units);
}

static uint32_t weight_count(const trit_head_file *h) {
    return h->units * (h->inputs + h->classes);
}

static uint32_t sign_words(const trit_head_file *h) {
    return h->units * trit_words(h->inputs) + h->classes * unit_words(h);
}

static const trit_head_file *head_of(const trit_learner *learner) {
    return (const trit_head_file *)(const void *)learner->head;
}

size_t trit_learner_size(const void *head, size_t head_size) {
    const trit_head_file *h = (const trit_head_file *)head;
    size_t words;
    if (!trit_is_head(head, head_size)) return 0;
    words = sign_words(h) + (size_t)h->inputs + h->units + unit_words(h);
    words += (size_t)(h->units + h->classes) * TRIT_LEARNER_BATCH / 2;
    return 4 * words + 4 * trit_head_weight_words(h);
}

/* The signs of n weights, packed. */
static void pack_signs(const int16_t *weights, uint32_t n, uint32_t *signs) {
    uint32_t i;
    for (i = 0; i < trit_words(n); i++) signs[i] = 0;
    for (i = 0; i < n; i++) signs[i / TRIT_WORD_BITS] |= (uint32_t)(weights[i] < 0) << i % TRIT_WORD_BITS;
}

void trit_learner_reset(trit_learner *learner) {
    const trit_head_file *h = head_of(learner);
    const int16_t *from = trit_head_weights(h), *weights = learner->weights;
    uint32_t *signs = learner->signs, i;
    for (i = 0; i < weight_count(h); i++) learner->weights[i] = from[i];
    for (i = 0; i < h->units; i++, weights += h->inputs, signs += trit_words(h->inputs))
        pack_signs(weights, h->inputs, signs);
    for (i = 0; i < h->classes; i++, weights += h->units, signs += unit_words(h)) pack_signs(weights, h->units, signs);
    learner->waiting = learner->moves = 0;
}

trit_status trit_learner_begin(trit_learner *learner, const void *head, size_t head_size, void *memory,
                               size_t memory_size) {
    const trit_head_file *h = (const trit_head_file *)head;
    uint32_t *words = (uint32_t *)memory;
    trit_status status;
    if (!learner || !head || !memory) return TRIT_NULL_POINTER;
    if (TRIT_IS_MISALIGNED(head) || TRIT_IS_MISALIGNED(memory)) return TRIT_MISALIGNED;
    status = trit_check_head(head, head_size);
    if (status != TRIT_OK) return status;
    if (memory_size < trit_learner_size(head, head_size)) return TRIT_ARENA_TOO_SMALL;
    learner->head = (const uint32_t *)head;
    learner->signs = words;
    learner->gathered = learner->signs + sign_words(h);
    learner->bits = learner->gathered + h->inputs + h->units;
    learner->pulls = (int16_t *)(void *)(learner->bits + unit_words(h));
    learner->weights = learner->pulls + (size_t)(h->units + h->classes) * TRIT_LEARNER_BATCH;
    trit_learner_reset(learner);
    return TRIT_OK;
}

void trit_learner_own_task(const trit_learner *learner, int32_t *task) {
    const trit_head_file *h = head_of(learner);
    const int32_t *thresholds = trit_head_thresholds(h);
    trit_task t = trit_task_at(h, task);
    uint32_t i;
    trit_learner_new_task(learner, task);
    for (i = 0; i < h->units; i++) t.mean[i] = thresholds[i];
    for (i = 0; i < h->classes; i++) t.bias[i] = thresholds[h->units + i];
}

void trit_learner_new_task(const trit_learner *learner, int32_t *task) {
    uint32_t i;
    for (i = 0; i < trit_task_words(head_of(learner)); i++) task[i] = 0;
}

trit_status trit_learner_features(const trit_learner *learner, const trit_plan *plan, void *arena, size_t arena_size,
                                  const uint8_t *input, const uint32_t **features) {
    const trit_head_file *h;
    uint8_t *base = (uint8_t *)arena;
    uint32_t count, i;
    trit_call call;
    if (!learner || !plan || !arena || !input || !features) return TRIT_NULL_POINTER;
    if (TRIT_IS_MISALIGNED(arena)) return TRIT_MISALIGNED;
    if (arena_size < trit_arena_size(plan)) return TRIT_ARENA_TOO_SMALL;
    h = head_of(learner);
    count = trit_step_count(plan);
    if (count <= LAST_STEPS) return TRIT_BAD_HEAD;
    call = trit_resolve(plan, count - LAST_STEPS);
    if (call.in->kind != TRIT_KIND_BINARY || call.step->input == 0 || call.out->channels != h->units ||
        call.in->channels * call.in->height * call.in->width != h->inputs ||
        trit_tensor_bytes(call.in) != 4 * (uint64_t)trit_words(h->inputs))
        return TRIT_BAD_HEAD;
    *features = (const uint32_t *)(const void *)(base + call.in->offset);
    for (i = 0; i < count - LAST_STEPS; i++) {
        call = trit_resolve(plan, i);
        call.x = call.step->input == 0 ? input : base + call.in->offset;
        call.y = call.step->other == 0 ? input : base + call.other->offset;
        call.z = base + call.out->offset;
        trit_run_step(&call);
    }
    return TRIT_OK;
}

/* Of n binary values; trit_dot masks what may be missing. */
static int32_t dot(const uint32_t *a, const uint32_t *b, uint32_t n) {
    uint32_t i, different = 0;
    for (i = 0; i < trit_words(n); i++) different += trit_popcount(a[i] ^ b[i]);
    return (int32_t)n - 2 * (int32_t)different;
}

/* How far a unit's sum lies above its threshold, in 1/256. */
static int32_t above(trit_task t, uint32_t unit, int32_t sum) {
    return sum * 256 - t.mean[unit] - t.offset[unit];
}

/* Follows the sums of the new task: their mean at first, then the mean over about 128 samples. */
static void follow(trit_task t, uint32_t unit, int32_t sum) {
    uint32_t shift = 0;
    while (shift < 7 && *t.count >> shift != 0) shift++;
    t.mean[unit] += trit_floor_shift(sum * 256 - t.mean[unit], shift);
}

static void sums_to_scores(const trit_learner *learner, trit_task t, int32_t *scores) {
    const trit_head_file *h = head_of(learner);
    const uint32_t *signs = learner->signs + h->units * trit_words(h->inputs);
    uint32_t c;
    for (c = 0; c < h->classes; c++, signs += unit_words(h))
        scores[c] = dot(learner->bits, signs, h->units) * h->gain + t.bias[c];
}

/* The units' bits, then the scores. `near`, where not null, gets at [unit][0] whether its sum is near the threshold. */
static void forward(const trit_learner *learner, trit_task t, const uint32_t *features, int32_t *scores,
                    int16_t *near) {
    const trit_head_file *h = head_of(learner);
    const uint32_t *signs = learner->signs;
    uint32_t i;
    for (i = 0; i < unit_words(h); i++) learner->bits[i] = 0;
    for (i = 0; i < h->units; i++, signs += trit_words(h->inputs)) {
        int32_t sum = dot(features, signs, h->inputs), distance;
        if (near) follow(t, i, sum);
        distance = above(t, i, sum);
        learner->bits[i / TRIT_WORD_BITS] |= (uint32_t)(distance < 0) << i % TRIT_WORD_BITS;
        if (near) near[i * TRIT_LEARNER_BATCH] = distance <= h->window && -distance <= h->window;
    }
    sums_to_scores(learner, t, scores);
}

static uint32_t best_of(const int32_t *scores, uint32_t count) {
    uint32_t best = 0, i;
    for (i = 1; i < count; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

uint32_t trit_learner_classify(const trit_learner *learner, const int32_t *task, const uint32_t *features,
                               int32_t *scores) {
    /* The task is only read: nothing follows its sums. */
    forward(learner, trit_task_at(head_of(learner), (int32_t *)(uintptr_t)task), features, scores, NULL);
    return best_of(scores, head_of(learner)->classes);
}

/* scores -> 4096 * (softmax to the base 2 - [c == label]), 0 where small. Is any other than 0? */
static int errors_of(const trit_head_file *h, int32_t *scores, uint32_t label) {
    /* 2^(15 - i / 32) */
    static const uint16_t powers[32] = {32768, 32066, 31379, 30706, 30048, 29405, 28774, 28158, 27554, 26964, 26386,
                                        25821, 25268, 24726, 24196, 23678, 23170, 22674, 22188, 21713, 21247, 20792,
                                        20347, 19911, 19484, 19066, 18658, 18258, 17867, 17484, 17109, 16743};
    int32_t top = scores[best_of(scores, h->classes)];
    uint32_t total = 0, c;
    int any = 0;
    for (c = 0; c < h->classes; c++) {
        uint32_t below = (uint32_t)(top - scores[c]), halvings = below >> 8;
        scores[c] = halvings > 15 ? 0 : powers[below >> 3 & 31] >> halvings;
        total += (uint32_t)scores[c];
    }
    for (c = 0; c < h->classes; c++) {
        scores[c] = (int32_t)(((uint32_t)scores[c] << 12) / total) - (c == label ? 4096 : 0);
        if (scores[c] < h->margin && scores[c] > -h->margin) scores[c] = 0;
        any |= scores[c];
    }
    return any;
}

static int32_t limited(int32_t value, int32_t most) {
    return value > most ? most : value < -most ? -most : value;
}

/* What the errors say to a unit, through the signs of its weights to the classes. */
static int32_t pull_on(const trit_learner *learner, uint32_t unit, const int32_t *errors) {
    const trit_head_file *h = head_of(learner);
    const uint32_t *signs = learner->signs + h->units * trit_words(h->inputs) + unit / TRIT_WORD_BITS;
    int32_t pull = 0;
    uint32_t c;
    for (c = 0; c < h->classes; c++, signs += unit_words(h))
        pull += *signs >> unit % TRIT_WORD_BITS & 1 ? -errors[c] : errors[c];
    return pull;
}

/* Sets bit `at` of n words to the bits of a sample. */
static void gather(uint32_t *words, const uint32_t *bits, uint32_t n, uint32_t at) {
    uint32_t i;
    for (i = 0; i < n; i++)
        words[i] = (words[i] & ~(UINT32_C(1) << at)) | (bits[i / TRIT_WORD_BITS] >> i % TRIT_WORD_BITS & 1) << at;
}

void trit_learner_learn(trit_learner *learner, int32_t *task, const uint32_t *features, uint32_t label) {
    const trit_head_file *h = head_of(learner);
    trit_task t = trit_task_at(h, task);
    int16_t *pulls = learner->pulls + learner->waiting;
    int32_t errors[TRIT_LEARNER_MOST_CLASSES];
    uint32_t i;
    if (label >= h->classes) return;
    forward(learner, t, features, errors, pulls);
    if (*t.count < INT32_MAX) ++*t.count;
    if (!errors_of(h, errors, label)) return;
    for (i = 0; i < h->units; i++, pulls += TRIT_LEARNER_BATCH) {
        int32_t pull = *pulls ? pull_on(learner, i, errors) : 0;
        t.offset[i] = limited(t.offset[i] + trit_floor_shift(pull * h->threshold_rate, 12), TRIT_HEAD_FARTHEST);
        *pulls = (int16_t)pull;
    }
    for (i = 0; i < h->classes; i++, pulls += TRIT_LEARNER_BATCH) {
        t.bias[i] = limited(t.bias[i] - trit_floor_shift(errors[i] * h->bias_rate, 12), TRIT_HEAD_FARTHEST);
        *pulls = (int16_t)errors[i];
    }
    gather(learner->gathered, features, h->inputs, learner->waiting);
    gather(learner->gathered + h->inputs, learner->bits, h->units, learner->waiting);
    if (++learner->waiting == TRIT_LEARNER_BATCH) trit_learner_move(learner);
}

/* sums[q][n]: the pulls 4q to 4q + 3, added up, those negative whose bit of n is set. Are they all 0? */
static int add_up(const int16_t *pulls, int32_t sums[8][16]) {
    uint32_t q, n;
    int any = 0;
    for (q = 0; q < 8; q++, pulls += 4) {
        sums[q][0] = (int32_t)pulls[0] + pulls[1] + pulls[2] + pulls[3];
        any |= pulls[0] | pulls[1] | pulls[2] | pulls[3];
        for (n = 1; n < 16; n++) {
            uint32_t bit = n & 1 ? 0 : n & 2 ? 1 : n & 4 ? 2 : 3;
            sums[q][n] = sums[q][n & (n - 1)] - 2 * (int32_t)pulls[bit];
        }
    }
    return !any;
}

/* A row's n weights, by their inputs' signs in the samples and by the pulls on the row. `first` numbers its weights. */
static void move_row(const trit_head_file *h, int16_t *weights, uint32_t *signs, uint32_t n, const uint32_t *gathered,
                     const int16_t *pulls, uint32_t first) {
    const uint16_t *factors = trit_head_factors(h);
    int32_t sums[8][16];
    uint32_t i, counter = first * UINT32_C(0x9e3779b9);
    if (add_up(pulls, sums)) return;
    for (i = 0; i < n; i++, counter += UINT32_C(0x9e3779b9)) {
        uint32_t w = gathered[i], random, step, is_negative = weights[i] < 0;
        uint32_t size = (uint32_t)(is_negative ? -weights[i] : weights[i]);
        int32_t slope = sums[0][w & 15] + sums[1][w >> 4 & 15] + sums[2][w >> 8 & 15] + sums[3][w >> 12 & 15] +
                        sums[4][w >> 16 & 15] + sums[5][w >> 20 & 15] + sums[6][w >> 24 & 15] + sums[7][w >> 28];
        int32_t moved;
        if (slope == 0) continue;
        step = (uint32_t)(slope < 0 ? -slope : slope) * h->rate; /* downhill, in 1/65536 */
        if ((slope < 0) == is_negative) step = (uint32_t)((uint64_t)step * factors[size >> 7] >> 15); /* towards 0 */
        random = (counter ^ counter >> 15) * UINT32_C(0x2c1b3c6d);
        step = (step + (random >> 16)) >> 16;
        moved = limited(slope < 0 ? weights[i] + (int32_t)step : weights[i] - (int32_t)step, INT16_MAX);
        weights[i] = (int16_t)moved;
        if ((moved < 0) != is_negative) signs[i / TRIT_WORD_BITS] ^= UINT32_C(1) << i % TRIT_WORD_BITS;
    }
}

void trit_learner_move(trit_learner *learner) {
    const trit_head_file *h = head_of(learner);
    int16_t *weights = learner->weights, *pulls = learner->pulls;
    uint32_t *signs = learner->signs, *units = learner->gathered + h->inputs;
    uint32_t number = learner->moves * weight_count(h), i, late;
    if (learner->waiting == 0) return;
    for (i = 0; i < h->units + h->classes; i++)
        for (late = learner->waiting; late < TRIT_LEARNER_BATCH; late++) pulls[i * TRIT_LEARNER_BATCH + late] = 0;
    for (i = 0; i < h->units; i++, pulls += TRIT_LEARNER_BATCH, number += h->inputs) {
        move_row(h, weights, signs, h->inputs, learner->gathered, pulls, number);
        weights += h->inputs, signs += trit_words(h->inputs);
    }
    for (i = 0; i < h->classes; i++, pulls += TRIT_LEARNER_BATCH, number += h->units) {
        move_row(h, weights, signs, h->units, units, pulls, number);
        weights += h->units, signs += unit_words(h);
    }
    learner->waiting = 0;
    learner->moves++;
}
