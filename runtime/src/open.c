/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a plan: all checks happen here, once, so that running it cannot leave the arena or the file. */
#include "output.h"
#include "steps.h"

static int little_endian(void) {
    const uint16_t probe = 1;
    return *(const uint8_t *)&probe == 1;
}

typedef struct checksum {
    uint64_t s1, s2;
} checksum;

/* Four words at a time, so that a sum waits for the one before it only once in four. */
static checksum add_words(checksum sum, const TRIT_FLASH uint32_t *words, uint32_t count) {
    for (; count >= 4; count -= 4, words += 4) {
        uint64_t one = words[0], two = one + words[1], three = two + words[2], four = three + words[3];
        sum.s2 += 4 * sum.s1 + (one + two + three + four);
        sum.s1 += four;
    }
    for (; count > 0; count--) sum.s2 += sum.s1 += *words++;
    return sum;
}

/* Two 64-bit sums cannot wrap in a file of this size: any one or two changed words, and any swap, show. */
static int checksum_matches(const TRIT_FLASH uint32_t *words, uint32_t size) {
    const TRIT_FLASH trit_header *h = (const TRIT_FLASH trit_header *)words;
    const uint32_t first = 3, last = first + 4;
    checksum sum = {0, 0};
    sum = add_words(sum, words, first);
    sum = add_words(sum, words + last, size / 4 - last);
    return sum.s1 == (h->checksum[0] | (uint64_t)h->checksum[1] << 32) &&
           sum.s2 == (h->checksum[2] | (uint64_t)h->checksum[3] << 32);
}

static trit_status check_header(const TRIT_FLASH void *data, trit_size size) {
    const TRIT_FLASH trit_header *h = (const TRIT_FLASH trit_header *)data;
    if (TRIT_IS_MISALIGNED(data)) return TRIT_MISALIGNED;
    if (!little_endian()) return TRIT_BIG_ENDIAN;
    if (size < sizeof(*h)) return size >= 4 && h->magic == TRIT_MAGIC ? TRIT_WRONG_SIZE : TRIT_NOT_A_PLAN;
    if (h->magic != TRIT_MAGIC) return TRIT_NOT_A_PLAN;
    if (h->version != TRIT_FORMAT_VERSION && !trit_has_tasks(h)) return TRIT_WRONG_VERSION;
    if (h->size != size || size % 4 != 0 || size > TRIT_MAX_BYTES) return TRIT_WRONG_SIZE;
    return checksum_matches((const TRIT_FLASH uint32_t *)data, h->size) ? TRIT_OK : TRIT_WRONG_CHECKSUM;
}

static int is_string(const trit_plan *plan, uint32_t position) {
    return position < trit_head(plan)->strings_size; /* the last of them ends in NUL */
}

static int are_strings(const trit_plan *plan, uint32_t table, uint32_t count) {
    const TRIT_FLASH uint32_t *positions = (const TRIT_FLASH uint32_t *)trit_in_plan(plan, table);
    uint32_t i;
    for (i = 0; i < count; i++)
        if (!is_string(plan, positions[i])) return 0;
    return 1;
}

static trit_status check_tables(const trit_plan *plan) {
    const TRIT_FLASH trit_header *h = trit_head(plan);
    if (h->step_count == 0 || h->step_count > TRIT_MAX_STEPS || h->arena_size > TRIT_MAX_BYTES) return TRIT_BAD_TABLE;
    if (!trit_in_file(h->size, h->steps, (uint64_t)h->step_count * sizeof(trit_step)) ||
        !trit_in_file(h->size, h->tensors, ((uint64_t)h->step_count + 1) * sizeof(trit_tensor)) ||
        !trit_in_file(h->size, h->strings, h->strings_size) ||
        !trit_in_file(h->size, h->labels, (uint64_t)h->label_count * 4) ||
        !trit_in_file(h->size, h->metadata, (uint64_t)h->metadata_count * 8))
        return TRIT_BAD_TABLE;
    if (h->strings_size == 0 || *trit_string(plan, h->strings_size - 1) != 0) return TRIT_BAD_TABLE;
    if (!are_strings(plan, h->labels, h->label_count) || !are_strings(plan, h->metadata, 2 * h->metadata_count))
        return TRIT_BAD_TABLE;
    if (!trit_has_tasks(h)) return TRIT_OK;
    if (h->task_count == 0 || h->task_count > TRIT_MAX_TASKS) return TRIT_BAD_TABLE;
    if (!trit_in_file(h->size, h->tasks, (uint64_t)h->task_count * 4)) return TRIT_BAD_TABLE;
    return are_strings(plan, h->tasks, h->task_count) ? TRIT_OK : TRIT_BAD_TABLE;
}

static trit_status check_tensor(const trit_plan *plan, uint32_t index) {
    const TRIT_FLASH trit_header *h = trit_head(plan);
    const TRIT_FLASH trit_tensor *t = trit_tensors(plan) + index;
    int external = index == 0 || index == h->step_count;
    if (t->kind >= TRIT_KIND_INT8 || t->zero_point > (t->kind == TRIT_KIND_UINT8 ? 255u : 0u)) return TRIT_BAD_TENSOR;
    if (t->channels == 0 || t->height == 0 || t->width == 0) return TRIT_BAD_TENSOR;
    if (t->channels > TRIT_MAX_CHANNELS || t->height > TRIT_MAX_EXTENT || t->width > TRIT_MAX_EXTENT)
        return TRIT_BAD_TENSOR;
    if (trit_tensor_bytes(t) > TRIT_MAX_BYTES) return TRIT_BAD_TENSOR;
    /* Scores, which only the last step gives, are the caller's. */
    if ((t->kind == TRIT_KIND_FLOAT32) != (index == h->step_count)) return TRIT_BAD_TENSOR;
    if (external) return t->offset == 0 ? TRIT_OK : TRIT_BAD_TENSOR;
    if (t->offset % 4 != 0 || t->offset + trit_tensor_bytes(t) > h->arena_size) return TRIT_BAD_TENSOR;
    return TRIT_OK;
}

static trit_status check_input(const TRIT_FLASH trit_tensor *t) {
    return t->kind == TRIT_KIND_UINT8 && t->bound == trit_code_bound(t) ? TRIT_OK : TRIT_BAD_TENSOR;
}

/* Only Interleave reads an image whose (C, H, W) order differs from the steps' (H, W, C). */
static int reads_as_is(const trit_plan *plan, const TRIT_FLASH trit_step *s) {
    const TRIT_FLASH trit_tensor *t = trit_tensors(plan);
    int same_order = t->channels == 1 || (t->height == 1 && t->width == 1);
    return s->op == TRIT_OP_INTERLEAVE || same_order || (s->input != 0 && (!trit_reads_two(s) || s->other != 0));
}

/* Fields that an operator does not use are 0, so that there is one way to write a plan. */
static int unused_are_zero(const TRIT_FLASH trit_step *s) {
    int pools = s->op == TRIT_OP_MAX_POOL || s->op == TRIT_OP_SUM_POOL || s->op == TRIT_OP_MAX_UNPOOL;
    uint32_t geometry = 0, i;
    for (i = 0; i < 2; i++) geometry |= s->kernel[i] | s->stride[i] | s->dilation[i];
    for (i = 0; i < 4; i++) geometry |= s->padding[i];
    if (s->op == TRIT_OP_CONV) return 1;
    if (!pools && geometry != 0) return 0;
    if (s->groups | s->lanes | s->weight_kind | s->weights | s->counts) return 0;
    if (s->op == TRIT_OP_INTERLEAVE || s->op == TRIT_OP_SUM_POOL || s->op == TRIT_OP_CONCAT || s->op == TRIT_OP_MAX_UNPOOL)
        return s->parameters == 0;
    return 1;
}

/* The parameters of further tasks lie behind those of the first, and are as many bytes. What they do not change is not
 * checked again: weights least of all. */
static trit_status check_other_tasks(const trit_plan *plan, trit_call *call, uint64_t *claimed) {
    uint32_t size = trit_head(plan)->size, bytes = call->step->task_bytes, left = trit_task_count(plan);
    trit_status status = TRIT_OK;
    if (bytes == 0) return TRIT_OK;
    if (left < 2 || call->parameters == 0 || bytes != trit_stage_bytes(call)) return TRIT_BAD_PARAMETERS;
    *claimed += (uint64_t)bytes * --left;
    if (*claimed > size) return TRIT_BAD_PARAMETERS; /* also keeps the sum below from wrapping around */
    for (; left > 0 && status == TRIT_OK; left--) {
        call->parameters += bytes;
        if (call->step->op == TRIT_OP_CONV)
            status = trit_check_output_stage(call);
        else
            status = trit_check_call(call);
    }
    return status;
}

/* Adds what the step takes of the file to `claimed`. */
static trit_status check_step(const trit_plan *plan, uint32_t index, uint64_t *claimed) {
    const TRIT_FLASH trit_step *s = trit_steps(plan) + index;
    trit_status status;
    trit_call call;
    if (s->op >= TRIT_OP_COUNT || !is_string(plan, s->name) || !unused_are_zero(s)) return TRIT_BAD_STEP;
    /* Tensor i is written by step i - 1, so what a step reads must come before it. */
    if (s->input > index || s->other > (trit_reads_two(s) ? index : 0)) return TRIT_BAD_STEP;
    if (!reads_as_is(plan, s)) return TRIT_BAD_STEP;
    call = trit_resolve(plan, index);
    status = trit_check_call(&call);
    if (status != TRIT_OK) return status;
    *claimed += trit_parameter_bytes(&call);
    return check_other_tasks(plan, &call, claimed);
}

/* Steps that shared weights or parameters could have the same bytes checked thousands of times. */
static trit_status check_steps(const trit_plan *plan) {
    uint64_t claimed = 0;
    uint32_t i;
    for (i = 0; i < trit_head(plan)->step_count; i++) {
        trit_status status = check_step(plan, i, &claimed);
        if (status != TRIT_OK) return status;
        if (claimed > trit_head(plan)->size) return TRIT_BAD_PARAMETERS;
    }
    return TRIT_OK;
}

static int overlap(const TRIT_FLASH trit_tensor *a, const TRIT_FLASH trit_tensor *b) {
    return a->offset < b->offset + trit_tensor_bytes(b) && b->offset < a->offset + trit_tensor_bytes(a);
}

/* Add reads every value before it writes the sum at the same place. */
static int adds_in_place(const trit_plan *plan, uint32_t t, uint32_t step) {
    const TRIT_FLASH trit_tensor *in = trit_tensors(plan) + t, *out = trit_tensors(plan) + step + 1;
    int is_same = in->offset == out->offset && in->kind == out->kind;
    return trit_steps(plan)[step].op == TRIT_OP_ADD && is_same && !trit_is_bits(in->kind);
}

/* Tensor t is there from step t - 1, which writes it, to the end of step `reader`: does a step between write over it? */
static int is_overwritten(const trit_plan *plan, uint32_t t, uint32_t reader) {
    const TRIT_FLASH trit_tensor *tensors = trit_tensors(plan);
    const TRIT_FLASH trit_step *steps = trit_steps(plan);
    uint32_t last = trit_head(plan)->step_count - 1, writer;
    if (t == 0) return 0;
    for (writer = reader; writer >= t; writer--) {
        /* The last step writes to the caller's memory. */
        int over = writer < last && overlap(tensors + t, tensors + writer + 1);
        if (over && !(writer == reader && adds_in_place(plan, t, writer))) return 1;
        /* Up to a step that reads t, too, this was found out for that step. */
        if (writer < reader && (steps[writer].input == t || steps[writer].other == t)) return 0;
    }
    return 0;
}

static trit_status check_lifetimes(const trit_plan *plan) {
    const TRIT_FLASH trit_step *steps = trit_steps(plan);
    uint32_t count = trit_head(plan)->step_count, i;
    for (i = 0; i < count; i++)
        if (is_overwritten(plan, steps[i].input, i) || is_overwritten(plan, steps[i].other, i)) return TRIT_BAD_OVERLAP;
    return TRIT_OK;
}

static trit_status check_contents(const trit_plan *plan) {
    uint32_t count = trit_head(plan)->step_count, labels = trit_head(plan)->label_count, i;
    trit_status status = TRIT_OK;
    for (i = 0; i <= count && status == TRIT_OK; i++) status = check_tensor(plan, i);
    if (status == TRIT_OK) status = check_input(trit_tensors(plan));
    if (status == TRIT_OK) status = check_steps(plan);
    if (status == TRIT_OK && labels != 0 && labels != trit_tensors(plan)[count].channels) status = TRIT_BAD_TABLE;
    return status == TRIT_OK ? check_lifetimes(plan) : status;
}

trit_status trit_open(trit_plan *plan, const TRIT_FLASH void *data, trit_size size) {
    trit_plan opened;
    trit_status status;
    if (!plan || !data) return TRIT_NULL_POINTER;
    opened.data = data;
    opened.task = 0;
    opened.variant = TRIT_VARIANT_SCALAR; /* asking the processor takes time: only for a plan that is right */
    if (!TRIT_TRUSTS_PLAN) {
        status = check_header(data, size);
        if (status == TRIT_OK) status = check_tables(&opened);
        if (status == TRIT_OK) status = check_contents(&opened);
        if (status != TRIT_OK) return status;
    }
    opened.variant = trit_best_variant();
    *plan = opened;
    return TRIT_OK;
}
