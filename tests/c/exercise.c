/* SPDX-License-Identifier: Apache-2.0 */
/* The sanitizers and a few abort()s are the judges. */
#include "exercise.h"

#include "memory.h"
#include "trit/inspect.h"

#define MOST_BYTES (1u << 14) /* of arena, input and output that are worth a run */
#define MOST_WORK UINT64_C(20000)

#define REQUIRE(condition)                                                     \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            abort();                                                           \
        }                                                                      \
    } while (0)

void seal(uint32_t *words, size_t count) {
    uint64_t sum = 0, sums = 0;
    size_t i;
    for (i = 0; i < count; i++)
        if (i < 3 || i >= 7) sums += sum += words[i];
    words[3] = (uint32_t)sum;
    words[4] = (uint32_t)(sum >> 32);
    words[5] = (uint32_t)sums;
    words[6] = (uint32_t)(sums >> 32);
}

/* Reads strings to their NUL. */
static void inspect(const trit_plan *plan) {
    uint32_t shape[3], i;
    size_t length = 0;
    trit_step_info info;
    for (i = 0; i < trit_step_count(plan); i++) {
        REQUIRE(trit_step_describe(plan, i, &info) == TRIT_OK);
        length += strlen(info.name) + strlen(info.operator_name) + strlen(info.weight_kind);
        length += strlen(info.input_kind) + strlen(info.output_kind);
        REQUIRE(info.macs <= trit_work(plan));
    }
    for (i = 0; i < trit_label_count(plan); i++) length += strlen(trit_label(plan, i));
    for (i = 0; i < trit_task_count(plan); i++) length += strlen(trit_task_name(plan, i));
    REQUIRE(!trit_task_name(plan, trit_task_count(plan)));
    for (i = 0; i < trit_metadata_count(plan); i++)
        length += strlen(trit_metadata_key(plan, i)) + strlen(trit_metadata_value(plan, i));
    REQUIRE(length > 0 && trit_step_describe(plan, trit_step_count(plan), &info) == TRIT_BAD_STEP);
    REQUIRE(!trit_label(plan, trit_label_count(plan)) && !trit_metadata_value(plan, trit_metadata_count(plan)));
    trit_input_shape(plan, shape);
    REQUIRE((uint64_t)shape[0] * shape[1] * shape[2] == trit_input_size(plan));
    trit_output_shape(plan, shape);
    REQUIRE((uint64_t)shape[0] * shape[1] * shape[2] == trit_output_size(plan));
}

static void count_hooks(void *user, uint32_t step) {
    uint32_t *next = (uint32_t *)user;
    REQUIRE(step == *next);
    ++*next;
}

static float *run(const trit_plan *plan, const uint8_t *image, int fill) {
    size_t size = trit_arena_size(plan);
    float *scores = (float *)take(trit_output_size(plan) * sizeof(float));
    void *arena = take(size);
    uint32_t hooks = 0;
    memset(arena, fill, size);
    REQUIRE(trit_run_hooked(plan, arena, size, image, scores, count_hooks, &hooks) == TRIT_OK);
    REQUIRE(hooks == trit_step_count(plan) + 1);
    free(arena);
    return scores;
}

/* The processor is asked once: in a virtual machine that can take longer than running a small plan. */
static const int *available_variants(const trit_plan *plan) {
    static int asked, available[TRIT_VARIANT_COUNT];
    trit_plan copy = *plan;
    int variant;
    for (variant = 0; !asked && variant < TRIT_VARIANT_COUNT; variant++)
        available[variant] = trit_set_variant(&copy, (trit_variant)variant) == TRIT_OK;
    asked = 1;
    return available;
}

/* The same scores in every variant, whatever was in the arena before. */
static void run_variants(trit_plan *plan) {
    uint8_t *image = (uint8_t *)take(trit_input_size(plan));
    float *scores, *again;
    size_t i;
    int variant;
    for (i = 0; i < trit_input_size(plan); i++) image[i] = (uint8_t)(i * 151 % 256 ^ i >> 8);
    scores = run(plan, image, 0x55);
    for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++) {
        if (!available_variants(plan)[variant]) continue;
        plan->variant = (trit_variant)variant;
        again = run(plan, image, 0xff);
        REQUIRE(memcmp(again, scores, trit_output_size(plan) * sizeof(float)) == 0);
        free(again);
    }
    free(scores);
    free(image);
}

/* Of many tasks the first ones and the last. */
static void run_tasks(trit_plan *plan) {
    uint32_t count = trit_task_count(plan), task;
    run_variants(plan);
    for (task = 1; task < count; task = task < 3 || task + 1 == count ? task + 1 : count - 1) {
        REQUIRE(trit_set_task(plan, task) == TRIT_OK);
        run_variants(plan);
    }
    REQUIRE(trit_set_task(plan, count ? count : 1) == TRIT_NO_TASK);
}

int exercise(const void *data, size_t size) {
    trit_plan plan;
    if (trit_open(&plan, data, size) != TRIT_OK) return 0;
    inspect(&plan);
    if (trit_arena_size(&plan) <= MOST_BYTES && trit_input_size(&plan) <= MOST_BYTES &&
        trit_output_size(&plan) <= MOST_BYTES / sizeof(float) && trit_work(&plan) <= MOST_WORK)
        run_tasks(&plan);
    return 1;
}
