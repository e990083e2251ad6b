/* SPDX-License-Identifier: Apache-2.0 */
/* Names, labels, shapes and work of a plan. */
#include "trit/inspect.h"

#include "conv.h"
#include "plan.h"

static const char *kind_text(uint32_t kind) {
    static const char *const names[] = {
#define X(name, text) text,
        TRIT_KINDS(X)
#undef X
    };
    return names[kind];
}

static const char *operator_text(uint32_t op) {
    static const char *const names[] = {
#define X(name, function, text) text,
        TRIT_OPERATORS(X)
#undef X
    };
    return names[op];
}

static void copy_shape(const TRIT_FLASH trit_tensor *t, uint32_t shape[3]) {
    shape[0] = t->channels;
    shape[1] = t->height;
    shape[2] = t->width;
}

static const char *fused_text(const trit_call *c) {
    int can_fuse = c->step->op == TRIT_OP_CONV || c->step->op == TRIT_OP_ADD;
    if (!can_fuse || c->step->parameters == 0) return "";
    return operator_text(c->out->kind == TRIT_KIND_UINT8 ? TRIT_OP_RESCALE : TRIT_OP_THRESHOLD);
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Below 2^64: what an output value takes in lies in the input or, of a Conv, in the weights, below 2^31 bytes each. */
static uint64_t step_work(const trit_call *c) {
    const trit_step *s = c->step;
    uint64_t values = (uint64_t)c->out->channels * c->out->height * c->out->width;
    if (s->op == TRIT_OP_CONV) return values * trit_conv_fan_in(c);
    if (s->kernel[0] == 0 || s->op == TRIT_OP_MAX_UNPOOL) return values;
    return values * smaller(s->kernel[0], c->in->height) * smaller(s->kernel[1], c->in->width);
}

/* Step `step` writes tensor step + 1. */
static uint32_t last_reader(const trit_plan *plan, uint32_t step) {
    const TRIT_FLASH trit_step *steps = trit_steps(plan);
    uint32_t reader = trit_step_count(plan) - 1;
    while (reader > step && steps[reader].input != step + 1 && steps[reader].other != step + 1) reader--;
    return reader;
}

trit_status trit_step_describe(const trit_plan *plan, uint32_t step, trit_step_info *info) {
    trit_call c;
    if (!plan || !info) return TRIT_NULL_POINTER;
    if (step >= trit_step_count(plan)) return TRIT_BAD_STEP;
    c = trit_resolve(plan, step);
    info->name = trit_string(plan, c.step->name);
    info->operator_name = operator_text(c.step->op);
    info->input_kind = kind_text(c.in->kind);
    info->output_kind = kind_text(c.out->kind);
    info->weight_kind = "";
    copy_shape(c.in, info->input_shape);
    copy_shape(c.out, info->output_shape);
    info->kernel[0] = c.step->kernel[0];
    info->kernel[1] = c.step->kernel[1];
    info->fused_operator = fused_text(&c);
    info->macs = 0;
    info->weight_bytes = 0;
    info->parameter_bytes = trit_parameter_bytes(&c);
    if (c.step->task_bytes) info->parameter_bytes += (uint64_t)(trit_task_count(plan) - 1) * c.step->task_bytes;
    info->output_bytes = trit_tensor_bytes(c.out);
    info->output_offset = c.out->offset;
    info->last_reader = last_reader(plan, step);
    info->weights_offset = c.step->weights;
    info->lanes = c.step->lanes;
    if (c.step->op == TRIT_OP_CONV) {
        info->weight_kind = kind_text(c.step->weight_kind);
        info->macs = step_work(&c);
        info->weight_bytes = trit_conv_weight_bytes(&c);
    }
    return TRIT_OK;
}

uint64_t trit_work(const trit_plan *plan) {
    uint64_t total = 0;
    uint32_t i;
    for (i = 0; i < trit_step_count(plan); i++) {
        trit_call call = trit_resolve(plan, i);
        uint64_t work = step_work(&call);
        total = work > UINT64_MAX - total ? UINT64_MAX : total + work;
    }
    return total;
}

void trit_input_shape(const trit_plan *plan, uint32_t shape[3]) {
    copy_shape(trit_tensors(plan), shape);
}

void trit_output_shape(const trit_plan *plan, uint32_t shape[3]) {
    copy_shape(trit_tensors(plan) + trit_step_count(plan), shape);
}

static const TRIT_FLASH char *table_string(const trit_plan *plan, uint32_t table, uint32_t count, uint32_t index) {
    if (index >= count) return NULL;
    return trit_string(plan, ((const TRIT_FLASH uint32_t *)trit_in_plan(plan, table))[index]);
}

uint32_t trit_label_count(const trit_plan *plan) {
    return trit_head(plan)->label_count;
}

const TRIT_FLASH char *trit_label(const trit_plan *plan, uint32_t index) {
    return table_string(plan, trit_head(plan)->labels, trit_label_count(plan), index);
}

const TRIT_FLASH char *trit_task_name(const trit_plan *plan, uint32_t index) {
    uint32_t count = trit_task_count(plan);
    return count ? table_string(plan, trit_head(plan)->tasks, count, index) : NULL;
}

uint32_t trit_metadata_count(const trit_plan *plan) {
    return trit_head(plan)->metadata_count;
}

const TRIT_FLASH char *trit_metadata_key(const trit_plan *plan, uint32_t index) {
    if (index >= trit_metadata_count(plan)) return NULL;
    return table_string(plan, trit_head(plan)->metadata, 2 * trit_metadata_count(plan), 2 * index);
}

const TRIT_FLASH char *trit_metadata_value(const trit_plan *plan, uint32_t index) {
    if (index >= trit_metadata_count(plan)) return NULL;
    return table_string(plan, trit_head(plan)->metadata, 2 * trit_metadata_count(plan), 2 * index + 1);
}
