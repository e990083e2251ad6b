/* SPDX-License-Identifier: Apache-2.0 */
/* Learns a new task from samples as they come, and says how often it was right before it was told: learn PLAN HEAD SAMPLES
 *
 * SAMPLES holds, for each sample, a byte with its class and then the image (channels, height, width). On a device the plan
 * and the head are arrays in flash, and the memory is static: trit_learner_size and trit_learner_task_size say how much.
 */
#include <stdio.h>
#include <stdlib.h>

#include "trit/learner.h"

#define EVERY 100u /* samples between two lines */

static void fail(const char *what, const char *why) {
    fprintf(stderr, "learn: %s: %s\n", what, why);
    exit(2);
}

static void *allocate(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) fail("memory", "there is too little");
    return memory;
}

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    void *data;
    long end = 0;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0) fail(path, "cannot be read");
    *size = (size_t)end;
    data = allocate(*size);
    rewind(file);
    if (fread(data, 1, *size, file) != *size) fail(path, "cannot be read");
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    size_t plan_size, head_size, memory_size;
    void *plan_data, *head, *memory, *arena;
    const uint32_t *features;
    int32_t *task, scores[TRIT_LEARNER_MOST_CLASSES];
    uint32_t seen, right = 0;
    uint8_t *image;
    trit_learner learner;
    trit_status status;
    trit_plan plan;
    FILE *samples;
    int label;
    if (argc != 4) return fprintf(stderr, "usage: learn PLAN HEAD SAMPLES\n"), 2;
    plan_data = read_file(argv[1], &plan_size);
    head = read_file(argv[2], &head_size);
    status = trit_open(&plan, plan_data, plan_size);
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    memory_size = trit_learner_size(head, head_size);
    memory = allocate(memory_size);
    status = trit_learner_begin(&learner, head, head_size, memory, memory_size);
    if (status != TRIT_OK) fail(argv[2], trit_status_text(status));
    arena = allocate(trit_arena_size(&plan));
    image = (uint8_t *)allocate(trit_input_size(&plan));
    task = (int32_t *)allocate(trit_learner_task_size(head, head_size));
    trit_learner_new_task(&learner, task); /* trit_learner_own_task for the task that the head was trained on */
    samples = fopen(argv[3], "rb");
    if (!samples) fail(argv[3], "cannot be read");
    for (seen = 0; (label = getc(samples)) != EOF; seen++) {
        if (fread(image, 1, trit_input_size(&plan), samples) != trit_input_size(&plan)) fail(argv[3], "is truncated");
        status = trit_learner_features(&learner, &plan, arena, trit_arena_size(&plan), image, &features);
        if (status != TRIT_OK) fail(argv[2], trit_status_text(status));
        right += trit_learner_classify(&learner, task, features, scores) == (uint32_t)label;
        trit_learner_learn(&learner, task, features, (uint32_t)label);
        if ((seen + 1) % EVERY == 0) printf("%u samples: %u of %u right\n", seen + 1, right, EVERY), right = 0;
    }
    trit_learner_move(&learner); /* by the samples that are still waiting */
    printf("%u updates of the weights\n", learner.moves);
    fclose(samples);
    free(plan_data), free(head), free(memory), free(arena), free(image), free(task);
    return 0;
}
