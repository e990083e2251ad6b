/* SPDX-License-Identifier: Apache-2.0 */
/* The library alone: right scores in every variant, misuse and damage refused. */
#include "check.h"
#include "plans.h"
#include "trit/inspect.h"

typedef struct sample {
    const uint32_t *plan;
    size_t plan_size;
    const uint8_t *images;
    const uint32_t *scores;
} sample;

static const sample samples[] = {{wide_plan, sizeof wide_plan, wide_images, wide_scores},
                                 {narrow_plan, sizeof narrow_plan, narrow_images, narrow_scores},
                                 {tasks_plan, sizeof tasks_plan, tasks_images, tasks_scores}};

static trit_status status_of(const void *data, size_t size) {
    trit_plan plan;
    return trit_open(&plan, data, size);
}

static void check_scores(const trit_plan *plan, const sample *s, int fill) {
    size_t inputs = trit_input_size(plan), outputs = trit_output_size(plan), size = trit_arena_size(plan), i;
    void *arena = take(size);
    for (i = 0; i < PLAN_IMAGES; i++) {
        uint8_t *image = (uint8_t *)copy(s->images + i * inputs, inputs);
        float *scores = (float *)take(outputs * sizeof(float));
        memset(arena, fill, size);
        CHECK(trit_run(plan, arena, size, image, scores) == TRIT_OK);
        CHECK(memcmp(scores, s->scores + i * outputs, outputs * sizeof(float)) == 0);
        free(scores);
        free(image);
    }
    free(arena);
}

static void test_scores(const sample *s) {
    void *data = copy(s->plan, s->plan_size);
    trit_plan plan;
    int variant;
    CHECK(trit_open(&plan, data, s->plan_size) == TRIT_OK);
    printf("default variant: %s\n", trit_variant_name(&plan));
    for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++) {
        if (trit_set_variant(&plan, (trit_variant)variant) != TRIT_OK) continue;
        check_scores(&plan, s, 0x00);
        check_scores(&plan, s, 0xa5); /* nothing is read before it is written */
    }
    CHECK(trit_set_variant(&plan, TRIT_VARIANT_SCALAR) == TRIT_OK);
    CHECK(trit_set_variant(&plan, TRIT_VARIANT_COUNT) == TRIT_NO_VARIANT);
    free(data);
}

/* The scores of each task in every variant, forwards and back; a copy of the handle keeps its task. */
static void test_tasks(void) {
    static const char *const names[] = {"first", "second", "third"};
    trit_plan plan, other;
    uint32_t i;
    int variant;
    CHECK(trit_open(&plan, tasks_plan, sizeof tasks_plan) == TRIT_OK);
    CHECK(trit_task_count(&plan) == 3 && trit_task_name(&plan, 3) == NULL);
    for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++) {
        if (trit_set_variant(&plan, (trit_variant)variant) != TRIT_OK) continue;
        for (i = 0; i < 6; i++) {
            uint32_t task = i < 3 ? i : 5 - i;
            sample s = samples[2];
            s.scores += (size_t)task * PLAN_IMAGES * trit_output_size(&plan);
            CHECK(strcmp(trit_task_name(&plan, task), names[task]) == 0);
            CHECK(trit_set_task(&plan, task) == TRIT_OK);
            other = plan;
            CHECK(trit_set_task(&plan, 3) == TRIT_NO_TASK); /* and changes nothing */
            check_scores(&plan, &s, 0x00);
            CHECK(trit_set_task(&plan, 0) == TRIT_OK);
            check_scores(&other, &s, 0xa5);
        }
    }
    CHECK(trit_set_task(NULL, 0) == TRIT_NULL_POINTER);
    CHECK(trit_open(&plan, wide_plan, sizeof wide_plan) == TRIT_OK);
    CHECK(trit_task_count(&plan) == 0 && trit_task_name(&plan, 0) == NULL);
    CHECK(trit_set_task(&plan, 0) == TRIT_OK && trit_set_task(&plan, 1) == TRIT_NO_TASK);
}

static int little_endian(void) {
    const uint32_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* Plans are little-endian and used in place; a big-endian machine refuses them, in its own order of bytes or as files. */
static void test_refusal(const sample *s) {
    uint8_t *file = (uint8_t *)take(s->plan_size);
    size_t i;
    for (i = 0; i < s->plan_size; i++) file[i] = (uint8_t)(s->plan[i / 4] >> 8 * (i % 4));
    CHECK(status_of(s->plan, s->plan_size) == TRIT_BIG_ENDIAN);
    CHECK(status_of(file, s->plan_size) == TRIT_BIG_ENDIAN);
    free(file);
}

static void test_misuse(const sample *s) {
    uint8_t *shifted = (uint8_t *)take(s->plan_size + 1);
    size_t size;
    void *arena;
    float scores[64];
    trit_plan plan;
    memcpy(shifted + 1, s->plan, s->plan_size);
    CHECK(status_of(shifted + 1, s->plan_size) == TRIT_MISALIGNED);
    CHECK(status_of(NULL, s->plan_size) == TRIT_NULL_POINTER);
    CHECK(trit_open(NULL, s->plan, s->plan_size) == TRIT_NULL_POINTER);
    CHECK(trit_open(&plan, s->plan, s->plan_size) == TRIT_OK);
    size = trit_arena_size(&plan);
    arena = take(size + 4);
    CHECK(trit_output_size(&plan) <= 64);
    CHECK(trit_run(&plan, arena, size - 1, s->images, scores) == TRIT_ARENA_TOO_SMALL);
    CHECK(trit_run(&plan, (char *)arena + 1, size, s->images, scores) == TRIT_MISALIGNED);
    CHECK(trit_run(&plan, NULL, size, s->images, scores) == TRIT_NULL_POINTER);
    CHECK(trit_run(&plan, arena, size, NULL, scores) == TRIT_NULL_POINTER);
    CHECK(trit_run(&plan, arena, size, s->images, NULL) == TRIT_NULL_POINTER);
    CHECK(trit_run(NULL, arena, size, s->images, scores) == TRIT_NULL_POINTER);
    free(arena);
    free(shifted);
}

static void test_damage(const sample *s) {
    uint32_t *data = (uint32_t *)copy(s->plan, s->plan_size);
    size_t bit, size, i, words = s->plan_size / 4;
    for (bit = 0; bit < 8 * s->plan_size; bit++) {
        ((uint8_t *)data)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(status_of(data, s->plan_size) != TRIT_OK);
        ((uint8_t *)data)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (i = 7; i + 1 < words; i++) { /* neighbours change places; a word and a run of 16 are zeroed */
        uint32_t word = data[i];
        data[i] = data[i + 1], data[i + 1] = word;
        CHECK(status_of(data, s->plan_size) != TRIT_OK || data[i] == data[i + 1]);
        data[i + 1] = data[i], data[i] = 0;
        CHECK(status_of(data, s->plan_size) != TRIT_OK || word == 0);
        data[i] = word;
    }
    CHECK(memcmp(data, s->plan, s->plan_size) == 0);
    for (i = 0; i + 16 <= words; i += 16) {
        static const uint32_t zeros[16];
        memset(data + i, 0, sizeof zeros);
        CHECK(status_of(data, s->plan_size) != TRIT_OK || memcmp(s->plan + i, zeros, sizeof zeros) == 0);
        memcpy(data + i, s->plan + i, sizeof zeros);
    }
    free(data);
    for (size = 0; size < s->plan_size; size++) {
        void *part = copy(s->plan, size);
        CHECK(status_of(part, size) != TRIT_OK);
        free(part);
    }
}

static void count_steps(void *user, uint32_t step) {
    uint32_t *next = (uint32_t *)user;
    CHECK(step == *next);
    ++*next;
}

static void test_inspection(const sample *s) {
    uint32_t i, next = 0, shape[3];
    float scores[64];
    trit_step_info info;
    trit_plan plan;
    void *arena;
    CHECK(trit_open(&plan, s->plan, s->plan_size) == TRIT_OK);
    arena = take(trit_arena_size(&plan));
    CHECK(trit_run_hooked(&plan, arena, trit_arena_size(&plan), s->images, scores, count_steps, &next) == TRIT_OK);
    CHECK(next == trit_step_count(&plan) + 1);
    free(arena);
    for (i = 0; i < trit_step_count(&plan); i++) {
        CHECK(trit_step_describe(&plan, i, &info) == TRIT_OK);
        CHECK(strlen(info.name) > 0 && strlen(info.operator_name) > 0);
        CHECK(info.last_reader >= i && info.last_reader < trit_step_count(&plan));
        CHECK((info.weights_offset > 0) == (info.macs > 0));
        CHECK((info.macs > 0) == (strcmp(info.operator_name, "Conv") == 0));
    }
    CHECK(trit_step_describe(&plan, i, &info) == TRIT_BAD_STEP);
    trit_output_shape(&plan, shape);
    CHECK(trit_label_count(&plan) == shape[0]);
    CHECK(strcmp(trit_label(&plan, 0), "class 0") == 0 && trit_label(&plan, shape[0]) == NULL);
    CHECK(trit_metadata_count(&plan) == 1 && strcmp(trit_metadata_key(&plan, 0), "recipe") == 0);
    CHECK(strcmp(trit_metadata_value(&plan, 0), "random") == 0 && trit_metadata_value(&plan, 1) == NULL);
    trit_input_shape(&plan, shape);
    CHECK(trit_input_size(&plan) == (size_t)shape[0] * shape[1] * shape[2]);
}

static void test_status_texts(void) {
#define X(name, text) CHECK(strcmp(trit_status_text(TRIT_##name), text) == 0);
    TRIT_STATUSES(X)
#undef X
    CHECK(strcmp(trit_status_text((trit_status)999), "unknown status") == 0);
}

int main(void) {
    size_t i;
    for (i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        if (!little_endian()) {
            test_refusal(samples + i);
            continue;
        }
        test_scores(samples + i);
        test_misuse(samples + i);
        test_damage(samples + i);
        test_inspection(samples + i);
    }
    if (little_endian()) test_tasks();
    test_status_texts();
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
