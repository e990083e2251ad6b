/* SPDX-License-Identifier: Apache-2.0 */
/* A step's operator, and the walk over an open plan's steps. */
#ifndef TRIT_STEPS_H
#define TRIT_STEPS_H

#include "plan.h"

/* What the step's operator requires. */
static inline trit_status trit_check_call(const trit_call *call) {
    static trit_status (*const checks[])(const trit_call *) = {
#define X(name, function, text) trit_##function##_check,
        TRIT_OPERATORS(X)
#undef X
    };
    return checks[call->step->op](call);
}

static inline void trit_run_step(const trit_call *call) {
    static void (*const runs[])(const trit_call *) = {
#define X(name, function, text) TRIT_USES_##name ? trit_##function##_run : NULL,
        TRIT_OPERATORS(X)
#undef X
    };
    runs[call->step->op](call);
}

/* Steps first ... of a plan, in an arena that is large enough and has what the steps before them wrote. */
static inline void trit_run_steps(const trit_plan *plan, uint32_t first, void *arena, const uint8_t *input,
                                  float *output, trit_step_hook hook, void *user) {
    uint8_t *base = (uint8_t *)arena;
    uint32_t count = trit_step_count(plan), i;
    for (i = first; i < count; i++) {
        trit_call call = trit_resolve(plan, i);
        call.x = call.step->input == 0 ? input : base + call.in->offset;
        call.y = call.step->other == 0 ? input : base + call.other->offset;
        if (i + 1 == count)
            call.z = output;
        else
            call.z = base + call.out->offset;
        if (hook) hook(user, i);
        trit_run_step(&call);
    }
    if (hook) hook(user, count);
}

#endif
