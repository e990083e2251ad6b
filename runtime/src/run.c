/* SPDX-License-Identifier: Apache-2.0 */
/* Running an open plan, step by step. */
#include "steps.h"

size_t trit_arena_size(const trit_plan *plan) {
    return (size_t)trit_head(plan)->arena_size;
}

size_t trit_input_size(const trit_plan *plan) {
    return (size_t)trit_tensor_bytes(trit_tensors(plan));
}

size_t trit_output_size(const trit_plan *plan) {
    return (size_t)trit_tensor_bytes(trit_tensors(plan) + trit_head(plan)->step_count) / sizeof(float);
}

uint32_t trit_step_count(const trit_plan *plan) {
    return trit_head(plan)->step_count;
}

uint32_t trit_task_count(const trit_plan *plan) {
    return trit_has_tasks(trit_head(plan)) ? trit_head(plan)->task_count : 0;
}

trit_status trit_set_task(trit_plan *plan, uint32_t task) {
    if (!plan) return TRIT_NULL_POINTER;
    if (task != 0 && task >= trit_task_count(plan)) return TRIT_NO_TASK;
    plan->task = task;
    return TRIT_OK;
}

trit_status trit_run_hooked(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output,
                            trit_step_hook hook, void *user) {
    if (!plan || !input || !output || (!arena && trit_arena_size(plan) != 0)) return TRIT_NULL_POINTER;
    if (TRIT_IS_MISALIGNED(arena)) return TRIT_MISALIGNED;
    if (arena_size < trit_arena_size(plan)) return TRIT_ARENA_TOO_SMALL;
    trit_run_steps(plan, 0, arena, input, output, hook, user);
    return TRIT_OK;
}

trit_status trit_run(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output) {
    return trit_run_hooked(plan, arena, arena_size, input, output, NULL, NULL);
}
