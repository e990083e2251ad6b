/* SPDX-License-Identifier: Apache-2.0 */
/* Learns from the test images and their labels, and prints its memory and its task: what trit.runtime.learner has, too. */
#include "model.h"

#include "learning.h"
#include "platform.h"
#include "trit/learner.h"

static uint32_t arena[MODEL_ARENA_WORDS], memory[HEAD_MEMORY / 4];
static int32_t task[HEAD_TASK / 4];
static const uint8_t blank[MODEL_INPUT_SIZE];
test_images test = {blank, NULL, NULL, 1};

/* A mark for the simulator: before the features of a sample, before it is learned from, and at the end. */
void step_begins(uint32_t step);
__attribute__((noinline)) void step_begins(uint32_t step) {
    __asm__ volatile("" : : "r"(step));
}

static void write_words(const char *name, const uint32_t *words, uint32_t count) {
    uint32_t i, k;
    platform_write(name);
    for (i = 0; i < count; i++) {
        char text[10] = " ";
        for (k = 0; k < 8; k++) text[1 + k] = "0123456789abcdef"[words[i] >> (28 - 4 * k) & 15];
        platform_write(text);
    }
    platform_write("\n");
}

int main(void) {
    const uint32_t *features;
    trit_learner learner;
    trit_plan plan;
    uint32_t i, stack;
    if (trit_open(&plan, model, model_size) != TRIT_OK) return 2;
    if (trit_learner_begin(&learner, head, sizeof head, memory, sizeof memory) != TRIT_OK) return 2;
    trit_learner_new_task(&learner, task);
    for (i = 0; i < test.count; i++) {
        step_begins(2 * i);
        if (trit_learner_features(&learner, &plan, arena, sizeof arena, test.images + i * MODEL_INPUT_SIZE, &features))
            return 2;
        step_begins(2 * i + 1);
        trit_learner_learn(&learner, task, features, labels[i]);
    }
    step_begins(2 * i);
    stack = platform_stack_used();
    write_words("memory", memory, HEAD_MEMORY / 4);
    write_words("task", (const uint32_t *)task, HEAD_TASK / 4);
    write_words("stack", &stack, 1);
    return 0;
}
