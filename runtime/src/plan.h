/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one's way in an open plan. */
#ifndef TRIT_PLAN_H
#define TRIT_PLAN_H

#include "internal.h"

static inline const TRIT_FLASH trit_header *trit_head(const trit_plan *plan) {
    return (const TRIT_FLASH trit_header *)plan->data;
}

/* Plans without tasks are of version 1, whose header ends before the tasks. */
static inline int trit_has_tasks(const TRIT_FLASH trit_header *h) {
    return h->version == TRIT_FORMAT_VERSION_TASKS;
}

static inline const TRIT_FLASH void *trit_in_plan(const trit_plan *plan, uint32_t offset) {
    return trit_bytes_on(plan->data, offset);
}

static inline const TRIT_FLASH trit_step *trit_steps(const trit_plan *plan) {
    return (const TRIT_FLASH trit_step *)trit_in_plan(plan, trit_head(plan)->steps);
}

static inline const TRIT_FLASH trit_tensor *trit_tensors(const trit_plan *plan) {
    return (const TRIT_FLASH trit_tensor *)trit_in_plan(plan, trit_head(plan)->tensors);
}

static inline const TRIT_FLASH char *trit_string(const trit_plan *plan, uint32_t position) {
    return (const TRIT_FLASH char *)trit_in_plan(plan, trit_head(plan)->strings + position);
}

/* Does the step read `other`? */
static inline int trit_reads_two(const TRIT_FLASH trit_step *s) {
    return s->op == TRIT_OP_ADD || s->op == TRIT_OP_CONCAT || s->op == TRIT_OP_MAX_UNPOOL;
}

/* A step with its tensors, without memory to run in. */
static inline trit_call trit_resolve(const trit_plan *plan, uint32_t index) {
    const TRIT_FLASH trit_tensor *tensors = trit_tensors(plan);
    trit_call call;
    call.file = (const TRIT_FLASH uint8_t *)plan->data;
    call.file_size = trit_head(plan)->size;
    call.variant = plan->variant;
    TRIT_SET_ROW(call.step, trit_steps(plan) + index);
    call.parameters = call.step->parameters;
    if (TRIT_USES_TASKS) call.parameters += plan->task * call.step->task_bytes;
    TRIT_SET_ROW(call.in, tensors + call.step->input);
    TRIT_SET_ROW(call.other, tensors + call.step->other);
    TRIT_SET_ROW(call.out, tensors + index + 1);
    call.x = call.y = NULL;
    call.z = NULL;
    return call;
}

/* Fastest variant that this machine and build have. */
trit_variant trit_best_variant(void);

#endif
