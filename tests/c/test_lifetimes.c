/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors may share memory: every small program of pools and additions against the plain definition. And that
 * steps cannot share weights, so that opening a plan takes time in proportion to its size.
 */
#include "check.h"
#include "exercise.h"
#include "format.h"
#include "trit/trit.h"

enum { STEPS = 5, PLACES = 3, LAST = STEPS - 1, WEIGHTS = 150 };

typedef struct small_plan {
    trit_header head;
    trit_step steps[STEPS];
    trit_tensor tensors[STEPS + 1];
    char strings[4];
    uint32_t weights[WEIGHTS]; /* one value each */
    float scale, bias;
} small_plan;

static uint32_t offset_of(const small_plan *p, const void *field) {
    return (uint32_t)((const char *)field - (const char *)p);
}

static trit_status status_of(small_plan *p) {
    trit_plan plan;
    seal((uint32_t *)(void *)p, sizeof *p / 4);
    return trit_open(&plan, p, sizeof *p);
}

/* Conv, Adds of one value each, Scores; all of one value. */
static void build(small_plan *p) {
    static const trit_step conv = {TRIT_OP_CONV, 0, 0, 0, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 1, TRIT_KIND_BINARY,
                                   0, 0, 0, 0};
    uint32_t i;
    memset(p, 0, sizeof *p);
    p->head.magic = TRIT_MAGIC, p->head.version = TRIT_FORMAT_VERSION, p->head.size = sizeof *p;
    p->head.arena_size = 4 * PLACES, p->head.step_count = STEPS;
    p->head.steps = offset_of(p, p->steps), p->head.tensors = offset_of(p, p->tensors);
    p->head.strings = offset_of(p, p->strings), p->head.strings_size = 4;
    p->head.labels = p->head.metadata = p->head.strings;
    for (i = 0; i <= STEPS; i++) {
        trit_tensor t = {TRIT_KIND_INT32, 1, 1, 1, 0, 255, 0};
        p->tensors[i] = t;
    }
    p->tensors[0].kind = TRIT_KIND_UINT8;
    p->tensors[STEPS].kind = TRIT_KIND_FLOAT32, p->tensors[STEPS].bound = 0;
    p->steps[0] = conv;
    p->steps[0].weights = offset_of(p, p->weights);
    for (i = 1; i < LAST; i++) p->steps[i].op = TRIT_OP_ADD;
    p->steps[LAST].op = TRIT_OP_SCORES;
    p->steps[LAST].parameters = offset_of(p, &p->scale);
}

/* Does a step write to the place of a tensor between the step that wrote it and one that reads it? Only an Add may
 * write where it reads. */
static int is_overwritten(const small_plan *p, uint32_t tensor, uint32_t reader) {
    uint32_t writer;
    for (writer = tensor; tensor != 0 && writer < reader; writer++)
        if (p->tensors[writer + 1].offset == p->tensors[tensor].offset) return 1;
    return 0;
}

static int is_right(const small_plan *p) {
    uint32_t i;
    for (i = 0; i < STEPS; i++)
        if (is_overwritten(p, p->steps[i].input, i) || is_overwritten(p, p->steps[i].other, i)) return 0;
    return 1;
}

/* All inputs, for every place of the tensors in between; the first's may as well be 0. */
static void test_overlap(small_plan *p) {
    uint32_t inputs, places, i, digits, right = 0, wrong = 0;
    for (inputs = 0; inputs < 2 * 2 * 3 * 3 * 4 * 4 * 4; inputs++) {
        for (digits = inputs, i = 1; i < LAST; i++) {
            p->steps[i].input = digits % (i + 1), digits /= i + 1;
            p->steps[i].other = digits % (i + 1), digits /= i + 1;
            p->tensors[i + 1].bound = p->tensors[p->steps[i].input].bound + p->tensors[p->steps[i].other].bound;
        }
        p->steps[LAST].input = 1 + digits;
        for (places = 0; places < 27; places++) {
            int expected;
            for (digits = places, i = 2; i < STEPS; i++, digits /= PLACES) p->tensors[i].offset = digits % PLACES * 4;
            expected = is_right(p);
            right += (uint32_t)expected;
            wrong += status_of(p) != (expected ? TRIT_OK : TRIT_BAD_OVERLAP);
        }
    }
    CHECK(wrong == 0 && right > 1000);
}

/* A step's weights fill half the file: one step may have them, three may not. Nobody reads what they write. */
static void test_sharing(small_plan *p) {
    uint32_t i;
    p->steps[LAST].input = 1;
    p->tensors[1].offset = 0;
    p->head.arena_size = 4 + 4 * WEIGHTS;
    for (i = 1; i < LAST; i++) {
        p->steps[i] = p->steps[0];
        p->tensors[i + 1].bound = 255, p->tensors[i + 1].offset = 4;
    }
    p->tensors[2].channels = WEIGHTS;
    CHECK(status_of(p) == TRIT_OK);
    p->tensors[3].channels = p->tensors[4].channels = WEIGHTS;
    CHECK(status_of(p) == TRIT_BAD_PARAMETERS);
}

int main(void) {
    small_plan p;
    build(&p);
    test_overlap(&p);
    test_sharing(&p);
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
