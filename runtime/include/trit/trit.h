/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a plan (a .trit file) in place: no allocation, no recursion, no globals that change.
 *
 * The caller owns all memory: the plan's bytes, the handle, the arena and the buffers. One plan may run in several
 * threads at once, each with its own arena. Stack use is below 2 KiB in the scalar variant, 64 KiB in the others.
 */
#ifndef TRIT_TRIT_H
#define TRIT_TRIT_H

#include <stddef.h>
#include <stdint.h>

/* Where a plan lies, and a type for its size: an AVR reads its flash, which may be larger than size_t holds, by other
 * instructions than its memory, and of C's pointers only those of avr-gcc's __memx do. */
#ifdef __AVR__
#define TRIT_FLASH __memx
#pragma GCC optimize("no-ivopts") /* avr-gcc 5.4 takes loops' pointers of __memx for pointers to memory */
typedef uint32_t trit_size;
#else
#define TRIT_FLASH
typedef size_t trit_size;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text) */
#define TRIT_STATUSES(X)                                                                     \
    X(OK, "ok")                                                                              \
    X(NULL_POINTER, "a pointer is null")                                                     \
    X(MISALIGNED, "plan data and arena must be aligned to 4 bytes")                          \
    X(BIG_ENDIAN, "this machine is big-endian; plans are little-endian")                     \
    X(NOT_A_PLAN, "not a trit plan: it does not begin with TRIT")                            \
    X(WRONG_VERSION, "the plan has another format version than this library reads")          \
    X(WRONG_SIZE, "the plan is truncated or has bytes after its end")                        \
    X(WRONG_CHECKSUM, "the plan is damaged: its checksum does not match")                    \
    X(BAD_TABLE, "a table or string of the plan lies outside the file")                      \
    X(BAD_TENSOR, "a tensor of the plan has a bad kind, shape, zero point, range or place")  \
    X(BAD_STEP, "a step of the plan has an operator, input or attribute that does not fit")  \
    X(BAD_SHAPE, "a step of the plan does not give the shape of its output")                 \
    X(BAD_WEIGHTS, "weights of the plan lie outside the file or have stray bits")            \
    X(BAD_PARAMETERS, "a step's parameters are outside the file, shared or out of range")    \
    X(BAD_OVERLAP, "a step of the plan overwrites a tensor that is still needed")            \
    X(OVERFLOW, "accumulators of the plan can exceed 32 bits")                               \
    X(ARENA_TOO_SMALL, "the arena is smaller than trit_arena_size")                          \
    X(NO_VARIANT, "this machine or build lacks the kernel variant")                          \
    X(NO_KEYWORDS, "the model does not read the features of trit/log_mel.h and name words")  \
    X(BAD_HEAD, "the head is damaged, of another version, or of other layers than the plan ends in")   \
    X(NO_TASK, "the plan has no task of that index")

typedef enum trit_status {
#define X(name, text) TRIT_##name,
    TRIT_STATUSES(X)
#undef X
} trit_status;

/* X(name, text): kernel variants, slowest first. All give the same bits. src/variant_<text>.c has each one's kernels. */
#define TRIT_VARIANTS(X) \
    X(SCALAR, scalar)         \
    X(CARRY_SAVE, carry_save) \
    X(AVR, avr)               \
    X(CPOP, cpop)             \
    X(HELIUM, helium)         \
    X(PORTABLE, portable)     \
    X(NEON, neon)             \
    X(AVX2, avx2)             \
    X(AVX512, avx512)         \
    X(AMX, amx)

typedef enum trit_variant {
#define X(name, text) TRIT_VARIANT_##name,
    TRIT_VARIANTS(X)
#undef X
    TRIT_VARIANT_COUNT
} trit_variant;

/* A checked plan. The fields are private. */
typedef struct trit_plan {
    const TRIT_FLASH void *data;
    uint32_t task;
    trit_variant variant;
} trit_plan;

/* Checks everything once and picks the fastest variant. `data` must stay as it is while the plan is in use. */
trit_status trit_open(trit_plan *plan, const TRIT_FLASH void *data, trit_size size);

size_t trit_arena_size(const trit_plan *plan);  /* bytes */
size_t trit_input_size(const trit_plan *plan);  /* bytes: channels * height * width */
size_t trit_output_size(const trit_plan *plan); /* floats: channels * height * width */
uint32_t trit_step_count(const trit_plan *plan);

/* One image (channels, height, width) in, scores (channels, height, width) out. The arena needs no initial value. */
trit_status trit_run(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output);

/* The indices of the k highest of `count` scores, the highest first; of equal scores the lower index comes first.
 * Writes and returns min(k, count) indices. No score may be NaN. */
uint32_t trit_top_k(const float *scores, uint32_t count, uint32_t k, uint32_t *indices);

/* Called before each step, and once after the last with step == trit_step_count. */
typedef void (*trit_step_hook)(void *user, uint32_t step);
trit_status trit_run_hooked(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input, float *output,
                            trit_step_hook hook, void *user);

/* Networks that have learned several tasks have one set of weights and, for each task, thresholds of its own. A plan is
 * opened for task 0; this makes the handle run another one. Threads that run different tasks take a copy of the handle
 * each. TRIT_NO_TASK where there is none of that index. trit_task_name (inspect.h) says which is which. */
trit_status trit_set_task(trit_plan *plan, uint32_t task);
uint32_t trit_task_count(const trit_plan *plan); /* 0 where the network was not trained for several */

/* Selects a variant by hand; steps whose layout it lacks run scalar. TRIT_NO_VARIANT where it cannot run at all. */
trit_status trit_set_variant(trit_plan *plan, trit_variant variant);
const char *trit_variant_name(const trit_plan *plan);

const char *trit_status_text(trit_status status);

#ifdef __cplusplus
}
#endif

#endif
