/* SPDX-License-Identifier: Apache-2.0 */
/* One plan in many threads at once, each with its own arena and image: the scores are those of one thread alone.
 * tests/test_platforms.py runs it under the thread sanitizer. */
#include <pthread.h>

#include "check.h"
#include "plans.h"
#include "trit/inspect.h"

#define THREADS 6
#define ROUNDS 40

typedef struct job {
    const trit_plan *plan; /* shared by all */
    const uint8_t *image;
    const uint32_t *expected;
    int wrong;
} job;

static void *work(void *argument) {
    job *j = (job *)argument;
    size_t arena_size = trit_arena_size(j->plan), scores_size = trit_output_size(j->plan) * sizeof(float);
    void *arena = take(arena_size);
    float *scores = (float *)take(scores_size);
    int round;
    for (round = 0; round < ROUNDS; round++) {
        trit_plan own; /* opening is for many threads, too */
        trit_step_info info;
        j->wrong += trit_run(j->plan, arena, arena_size, j->image, scores) != TRIT_OK;
        j->wrong += memcmp(scores, j->expected, scores_size) != 0;
        j->wrong += trit_open(&own, wide_plan, sizeof wide_plan) != TRIT_OK;
        j->wrong += trit_step_describe(j->plan, 0, &info) != TRIT_OK || trit_label(j->plan, 0) == NULL;
    }
    free(scores);
    free(arena);
    return NULL;
}

static void test_plan(const uint32_t *data, size_t size, const uint8_t *images, const uint32_t *scores,
                      trit_variant variant) {
    pthread_t threads[THREADS];
    job jobs[THREADS];
    void *memory = copy(data, size);
    trit_plan plan;
    size_t i;
    CHECK(trit_open(&plan, memory, size) == TRIT_OK);
    CHECK(trit_set_variant(&plan, variant) == TRIT_OK);
    for (i = 0; i < THREADS; i++) {
        size_t image = i % PLAN_IMAGES;
        jobs[i].plan = &plan;
        jobs[i].image = images + image * trit_input_size(&plan);
        jobs[i].expected = scores + image * trit_output_size(&plan);
        jobs[i].wrong = 0;
        CHECK(pthread_create(threads + i, NULL, work, jobs + i) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(jobs[i].wrong == 0);
    }
    free(memory);
}

int main(void) {
    int variant;
    for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++) {
        trit_plan plan;
        CHECK(trit_open(&plan, wide_plan, sizeof wide_plan) == TRIT_OK);
        if (trit_set_variant(&plan, (trit_variant)variant) != TRIT_OK) continue; /* not on this machine */
        printf("%d threads at once in %s\n", THREADS, trit_variant_name(&plan));
        test_plan(wide_plan, sizeof wide_plan, wide_images, wide_scores, (trit_variant)variant);
        test_plan(narrow_plan, sizeof narrow_plan, narrow_images, narrow_scores, (trit_variant)variant);
    }
    return failures != 0;
}
