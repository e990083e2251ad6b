/* SPDX-License-Identifier: Apache-2.0 */
/* What main.c calls of the C runtime, for a model that is TVM's functions: there is no plan to open, and no failure. */
#ifndef TRIT_H
#define TRIT_H

#include "model.h"

#define TRIT_FLASH
#define MODEL_TASKS 1u /* the functions are of one */
enum { TRIT_OK = 0 };
typedef int trit_plan, trit_status;

#define trit_open(plan, model, size) (*(plan) = TRIT_OK)
#define trit_set_task(plan, task) ((void)(task), *(plan) = TRIT_OK)
#define trit_run_hooked(plan, arena, size, image, scores, hook, user) \
    (model_run_hooked(arena, image, scores, hook, user), *(plan) = TRIT_OK)

#endif
