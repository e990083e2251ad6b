/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest program that runs a network, or, for comparison, none. */
#include "model.h"
#include "trit/trit.h"

#ifdef NETWORK
static uint32_t arena[MODEL_ARENA_WORDS];
static uint8_t image[MODEL_INPUT_SIZE];
static float scores[MODEL_OUTPUT_SIZE];

int main(void) {
    trit_plan plan;
    trit_status status = trit_open(&plan, model, model_size);
    return (int)(status != TRIT_OK ? status : trit_run(&plan, arena, sizeof arena, image, scores));
}
#else
int main(void) {
    return 0;
}
#endif
