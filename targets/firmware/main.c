/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the model, in each of its tasks, on the test images and compares the scores with the expected ones, bit by bit. */
#include "model.h"

#include <string.h>

#include "platform.h"
#include "trit/trit.h"

static uint32_t arena[MODEL_ARENA_WORDS];

/* Called before each step and after the last: the place for a breakpoint, or a pin to measure with. */
void step_begins(void *user, uint32_t step);
void step_begins(void *user, uint32_t step) {
    (void)user;
    (void)step;
}

static char *decimal(char *end, uint32_t value) {
    do *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

static void write_scores(const float scores[MODEL_OUTPUT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    uint32_t i, k, bits;
    platform_write("score");
    for (i = 0; i < MODEL_OUTPUT_SIZE; i++) {
        char text[10] = " ";
        memcpy(&bits, &scores[i], sizeof bits);
        for (k = 0; k < 8; k++) text[1 + k] = digits[bits >> (28 - 4 * k) & 15];
        platform_write(text);
    }
    platform_write("\n");
}

static void write_count(const char *before, uint32_t count, const char *after) {
    char text[12] = {0};
    platform_write(before);
    platform_write(decimal(text + 11, count));
    platform_write(after);
}

static int fail(trit_status status) {
    write_count("trit_status ", (uint32_t)status, "\n");
    return 2;
}

/* The image where the library can read it: an AVR's flash is no memory. */
static const uint8_t *in_memory(const TRIT_FLASH uint8_t *image) {
#ifdef __AVR__
    static uint8_t copy[MODEL_INPUT_SIZE];
    size_t i;
    for (i = 0; i < sizeof copy; i++) copy[i] = image[i];
    return copy;
#else
    return image;
#endif
}

static uint32_t are_expected(const float scores[MODEL_OUTPUT_SIZE], const TRIT_FLASH uint32_t *expected) {
    uint32_t i, bits;
    for (i = 0; i < MODEL_OUTPUT_SIZE; i++) {
        memcpy(&bits, &scores[i], sizeof bits);
        if (bits != expected[i]) return 0;
    }
    return 1;
}

int main(void) {
    trit_plan plan;
    uint32_t task, i, runs = 0, right = 0;
    float scores[MODEL_OUTPUT_SIZE];
    trit_status status = trit_open(&plan, model, model_size);
    for (task = 0; task < MODEL_TASKS; task++) {
        if (MODEL_TASKS > 1) status = trit_set_task(&plan, task);
        if (status != TRIT_OK) return fail(status);
        for (i = 0; i < test.count; i++, runs++) {
            const uint8_t *image = in_memory(test.images + i * MODEL_INPUT_SIZE);
            status = trit_run_hooked(&plan, arena, sizeof arena, image, scores, step_begins, NULL);
            if (status != TRIT_OK) return fail(status);
            if (test.scores) memcpy(test.scores + runs * MODEL_OUTPUT_SIZE, scores, sizeof scores);
            if (test.expected) right += are_expected(scores, test.expected + runs * MODEL_OUTPUT_SIZE);
            if (!test.scores && !test.expected) write_scores(scores);
        }
    }
    if (test.expected) {
        write_count("", right, " of ");
        write_count("", runs, " test images give the expected scores\n");
    }
    if (platform_stack_used() != 0) write_count("stack ", platform_stack_used(), " bytes\n");
    return test.expected && right != runs;
}
