/* SPDX-License-Identifier: Apache-2.0 */
/* Running an open plan, step by step. */
#include "plan.h"

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

static void run_step(const trit_call *call) {
    static void (*const runs[])(const trit_call *) = {
#define X(name, function, text) TRIT_USES_##name ? trit_##function##_run : NULL,
        TRIT_OPERATORS(X)
#undef X
    };
    runs[call->step->op](call);
}

trit_status trit_run_hooked(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output,
                            trit_step_hook hook, void *user) {
    uint8_t *base = (uint8_t *)arena;
    uint32_t count, i;
    if (!plan || !input || !output || (!arena && trit_arena_size(plan) != 0)) return TRIT_NULL_POINTER;
    if (TRIT_IS_MISALIGNED(arena)) return TRIT_MISALIGNED;
    if (arena_size < trit_arena_size(plan)) return TRIT_ARENA_TOO_SMALL;
    count = trit_step_count(plan);
    for (i = 0; i < count; i++) {
        trit_call call = trit_resolve(plan, i);
        call.x = call.step->input == 0 ? input : base + call.in->offset;
        call.y = call.step->other == 0 ? input : base + call.other->offset;
        if (i + 1 == count)
            call.z = output;
        else
            call.z = base + call.out->offset;
        if (hook) hook(user, i);
        run_step(&call);
    }
    if (hook) hook(user, count);
    return TRIT_OK;
}

trit_status trit_run(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output) {
    return trit_run_hooked(plan, arena, arena_size, input, output, NULL, NULL);
}
