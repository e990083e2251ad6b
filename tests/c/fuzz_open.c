/* SPDX-License-Identifier: Apache-2.0 */
/* Changes plans at random, repairs the checksum, and runs what trit_open accepts: whatever a file says, running it
 * stays within the arena. The same numbers every time; the sanitizers are the judges. Usage: fuzz_open [rounds]
 */
#include "check.h"
#include "plans.h"
#include "trit/inspect.h"

#define LARGEST (32u << 20)        /* bytes of arena, input and output that are worth a run */
#define MOST_WORK UINT64_C(2000000)

static uint64_t state = 88172645463325252u;

static uint32_t draw(void) { /* xorshift64, Marsaglia 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static void seal(uint32_t *words, size_t count) {
    uint64_t sum = 0, sums = 0;
    size_t i;
    for (i = 0; i < count; i++)
        if (i < 3 || i >= 7) sums += sum += words[i];
    words[3] = (uint32_t)sum;
    words[4] = (uint32_t)(sum >> 32);
    words[5] = (uint32_t)sums;
    words[6] = (uint32_t)(sums >> 32);
}

static void change_word(uint32_t *words, size_t count) {
    static const uint32_t telling[] = {0,  1,  2,   3,   4,     5,     7,          8,          16,         31,
                                       32, 33, 127, 128, 255,   256,   65535,      65536,      0x00010001, 0x7fffffff,
                                       64, 68, 72,  84,  0x100, 0x200, 0x7ffffffe, 0x80000000, 0xfffffffc, 0xffffffff};
    size_t tables = count < 320 ? count : 320, at = draw() % (draw() % 8 ? tables : count);
    uint32_t half = draw() % 2 * 16;
    switch (draw() % 6) {
        case 0:
            words[at] ^= UINT32_C(1) << draw() % 32;
            break;
        case 1:
            words[at] = telling[draw() % (sizeof telling / sizeof telling[0])];
            break;
        case 2:
            words[at] = words[draw() % count];
            break;
        case 3: /* geometry is kept in halves of words */
            words[at] = (words[at] & ~(UINT32_C(0xffff) << half)) | draw() % 5 << half;
            break;
        case 4:
            words[at] += draw() % 9 - 4;
            break;
        default:
            words[at] = draw();
    }
}

/* Steps without multiplications count, too: a window can be far larger than what it covers. */
static uint64_t work(const trit_plan *plan) {
    uint64_t total = 0;
    uint32_t i;
    trit_step_info info;
    for (i = 0; i < trit_step_count(plan); i++) {
        uint64_t pixels, taps;
        trit_step_describe(plan, i, &info);
        pixels = (uint64_t)info.output_shape[1] * info.output_shape[2];
        taps = (uint64_t)(info.kernel[0] ? info.kernel[0] : 1) * (info.kernel[1] ? info.kernel[1] : 1);
        total += info.macs + pixels * taps * info.output_shape[0];
        if (total > MOST_WORK) return total;
    }
    return total;
}

static int run(const uint32_t *words, size_t size) {
    void *data = copy(words, size);
    trit_plan plan;
    int accepted = trit_open(&plan, data, size) == TRIT_OK;
    if (accepted && trit_arena_size(&plan) <= LARGEST && trit_input_size(&plan) <= LARGEST &&
        trit_output_size(&plan) <= LARGEST && work(&plan) <= MOST_WORK) {
        void *arena = take(trit_arena_size(&plan));
        uint8_t *image = (uint8_t *)take(trit_input_size(&plan));
        float *scores = (float *)take(trit_output_size(&plan) * sizeof(float));
        int variant;
        memset(image, 0xff, trit_input_size(&plan));
        memset(arena, 0x7f, trit_arena_size(&plan));
        for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++)
            if (trit_set_variant(&plan, (trit_variant)variant) == TRIT_OK)
                CHECK(trit_run(&plan, arena, trit_arena_size(&plan), image, scores) == TRIT_OK);
        free(scores);
        free(image);
        free(arena);
    }
    free(data);
    return accepted;
}

static void fuzz(const uint32_t *plan, size_t size, int rounds) {
    int i, changes, accepted = 0;
    for (i = 0; i < rounds; i++) {
        uint32_t *words = (uint32_t *)copy(plan, size);
        for (changes = 1 + (int)(draw() % 3); changes > 0; changes--) change_word(words, size / 4);
        words[2] = draw() % 64 ? (uint32_t)size : words[2];
        seal(words, size / 4);
        accepted += run(words, size);
        free(words);
    }
    printf("%d of %d changed plans accepted and run\n", accepted, rounds);
    CHECK(accepted > rounds / 200); /* else the changes are too coarse to test anything behind trit_open */
    CHECK(accepted < rounds / 2);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    fuzz(wide_plan, sizeof wide_plan, rounds);
    fuzz(narrow_plan, sizeof narrow_plan, rounds);
    return failures != 0;
}
