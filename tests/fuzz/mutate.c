/* SPDX-License-Identifier: Apache-2.0 */
/* Changes plans where it matters: fields of the tables, with values at the edges of what is allowed. Half of the time
 * what follows from the changed fields is put right, so that strange plans come past trit_open; nearly always the
 * checksum is.
 */
#include <string.h>

#include "exercise.h"
#include "fuzz.h"
#include "internal.h"

typedef struct plan_file {
    uint32_t *words;
    size_t count, room; /* words */
    trit_header *head;
    trit_step *steps; /* null where the tables are not in the file */
    trit_tensor *tensors;
} plan_file;

static uint64_t state;

static uint32_t draw(uint32_t below) { /* xorshift64, Marsaglia 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % below;
}

static int one_in(uint32_t n) {
    return draw(n) == 0;
}

static plan_file find_tables(uint8_t *data, size_t size, size_t max_size) {
    plan_file p = {(uint32_t *)(void *)data, size / 4, max_size / 4, (trit_header *)(void *)data, NULL, NULL};
    const trit_header *h = p.head;
    if (size < sizeof *h || h->steps % 4 || h->tensors % 4 || h->step_count == 0 || h->step_count > 4096) return p;
    if (h->steps > size || h->step_count * sizeof(trit_step) > size - h->steps) return p;
    if (h->tensors > size || (h->step_count + 1) * sizeof(trit_tensor) > size - h->tensors) return p;
    p.steps = (trit_step *)(void *)(data + h->steps);
    p.tensors = (trit_tensor *)(void *)(data + h->tensors);
    return p;
}

static uint32_t telling(void) {
    static const uint32_t values[] = {0,  1,  2,   3,   4,   5,   7,     8,       16,         31,        32,
                                      33, 64, 127, 128, 255, 256, 65535, 1 << 16, 0x7fffffff, 1u << 31, UINT32_MAX};
    return values[draw(sizeof values / sizeof values[0])];
}

static void change_word(const plan_file *p, uint32_t *word) {
    switch (draw(6)) {
        case 0:
            *word ^= UINT32_C(1) << draw(32);
            break;
        case 1:
            *word = telling();
            break;
        case 2:
            *word = p->words[draw((uint32_t)p->count)];
            break;
        case 3:
            *word += draw(17) - 8;
            break;
        case 4:
            *word = draw((uint32_t)p->count) * 4; /* an offset */
            break;
        default:
            *word = draw(UINT32_MAX);
    }
}

/* Kernel, stride, dilation and padding of a step: mostly small. */
static void change_geometry(trit_step *s) {
    uint16_t *fields[] = {s->kernel, s->stride, s->dilation, s->padding, s->padding + 2};
    fields[draw(5)][draw(2)] = (uint16_t)(one_in(6) ? telling() : draw(6));
}

static void change_step(const plan_file *p, trit_step *s) {
    switch (draw(6)) {
        case 0:
        case 1:
            change_geometry(s);
            break;
        case 2:
            s->input = draw(p->head->step_count);
            if (s->other) s->other = draw(p->head->step_count);
            break;
        case 3:
            s->groups = one_in(2) ? draw(5) : p->tensors[0].channels;
            s->lanes = s->groups > 1 ? 1 : UINT32_C(1) << draw(6);
            break;
        case 4:
            *s = p->steps[draw(p->head->step_count)];
            break;
        default:
            change_word(p, (uint32_t *)(void *)s + draw(sizeof *s / 4));
    }
}

static void change_tensor(const plan_file *p, trit_tensor *t) {
    switch (draw(4)) {
        case 0:
            t->channels = one_in(4) ? telling() : draw(70);
            break;
        case 1:
            t->height = one_in(4) ? telling() : draw(9);
            t->width = one_in(4) ? telling() : draw(9);
            break;
        case 2:
            t->kind = draw(TRIT_KIND_COUNT);
            t->zero_point = t->kind == TRIT_KIND_UINT8 ? draw(256) : 0;
            break;
        default:
            change_word(p, (uint32_t *)t + draw(sizeof *t / 4));
    }
}

static void change_something(const plan_file *p) {
    uint32_t what = p->steps ? draw(8) : 0;
    if (what == 0)
        change_word(p, p->words + draw((uint32_t)p->count));
    else if (what == 1)
        change_word(p, p->words + draw(sizeof(trit_header) / 4));
    else if (what < 6)
        change_step(p, p->steps + draw(p->head->step_count));
    else
        change_tensor(p, p->tensors + draw(p->head->step_count + 1));
}

/* All weights, counts and parameters 0: right for every shape that they reach for. */
static void clear_data(plan_file *p) {
    uint32_t first = UINT32_MAX, i;
    for (i = 0; i < p->head->step_count; i++) {
        const trit_step *s = p->steps + i;
        if (s->weights && s->weights < first) first = s->weights;
        if (s->parameters && s->parameters < first) first = s->parameters;
    }
    if (first / 4 >= p->count) return;
    p->count += draw((uint32_t)(p->room - p->count) + 1);
    memset(p->words + first / 4, 0, (p->count - first / 4) * 4);
}

static uint32_t window(uint32_t size, const trit_step *s, uint32_t axis) {
    uint32_t total = size + s->padding[axis] + s->padding[axis + 2];
    uint64_t span = (uint64_t)s->dilation[axis] * (s->kernel[axis] - UINT64_C(1)) + 1;
    return s->stride[axis] && span <= total ? (total - (uint32_t)span) / s->stride[axis] + 1 : 1;
}

static uint64_t bound_of(const trit_step *s, const trit_tensor *in, const trit_tensor *other, const trit_tensor *out) {
    uint64_t area = (uint64_t)s->kernel[0] * s->kernel[1];
    if (out->kind == TRIT_KIND_FLOAT32) return 0;
    if (s->op == TRIT_OP_CONV && s->weight_kind == TRIT_KIND_INT8) area *= 127;
    if (s->op == TRIT_OP_CONV && out->kind == TRIT_KIND_INT32) return area * (in->channels / (s->groups ? s->groups : 1)) * in->bound;
    if (out->kind == TRIT_KIND_BINARY || out->kind == TRIT_KIND_TERNARY) return 1;
    if (s->op == TRIT_OP_SUM_POOL) return area * in->bound;
    if (out->kind == TRIT_KIND_UINT8 && (s->parameters || s->op == TRIT_OP_RESCALE)) return trit_code_bound(out);
    if (s->op == TRIT_OP_CONCAT) return in->bound > other->bound ? in->bound : other->bound;
    return s->op == TRIT_OP_ADD ? (uint64_t)in->bound + other->bound : in->bound;
}

static uint64_t bytes_of(const trit_tensor *t) {
    uint64_t words = (uint64_t)t->height * t->width * (t->channels / 32 + 1);
    return words * (t->kind == TRIT_KIND_INT32 ? 128 : t->kind == TRIT_KIND_UINT8 ? 32 : 8);
}

/* Shape, bound and place of every tensor from the step that writes it; an operator not named here keeps its input's. */
static void put_right(const plan_file *p) {
    trit_tensor *t = p->tensors;
    uint32_t count = p->head->step_count, above = 255 - t->zero_point, i;
    uint64_t used = 0;
    t->bound = t->zero_point > above ? t->zero_point : above;
    for (i = 0; i < count; i++) {
        trit_step *s = p->steps + i;
        trit_tensor *out = t + i + 1;
        const trit_tensor *in, *other;
        if (s->input > i || s->other > i) return;
        in = t + s->input, other = t + s->other;
        if (s->op != TRIT_OP_CONV) out->channels = in->channels + (s->op == TRIT_OP_CONCAT ? other->channels : 0);
        out->height = s->kernel[0] ? window(in->height, s, 0) : in->height;
        out->width = s->kernel[1] ? window(in->width, s, 1) : in->width;
        if (s->op == TRIT_OP_MAX_UNPOOL) { /* mostly of a pool of the same kernel */
            memcpy(s->stride, s->kernel, sizeof s->stride);
            out->height = other->height, out->width = other->width;
        }
        out->bound = (uint32_t)bound_of(s, in, other, out);
        out->offset = i + 1 < count ? (uint32_t)used : 0;
        used += bytes_of(out);
    }
    p->head->arena_size = (uint32_t)used;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    plan_file p = find_tables(data, size, max_size);
    uint32_t changes;
    state = (seed + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    if (p.count == 0 || one_in(4)) {
        size = LLVMFuzzerMutate(data, size, max_size);
        p = find_tables(data, size, max_size);
    } else {
        for (changes = 1 + draw(3); changes > 0; changes--) {
            change_something(&p);
            p = find_tables(data, size, max_size);
        }
    }
    if (size < sizeof(trit_header)) return size;
    if (p.steps && one_in(4)) clear_data(&p);
    if (p.steps && one_in(2)) put_right(&p);
    if (!one_in(64)) p.head->size = (uint32_t)(p.count * 4);
    if (!one_in(64)) seal(p.words, p.count);
    return p.count * 4;
}
