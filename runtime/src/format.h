/* SPDX-License-Identifier: Apache-2.0 */
/* The plan file as it lies in memory; docs/plan-format.md explains it. All words are little-endian. */
#ifndef TRIT_FORMAT_H
#define TRIT_FORMAT_H

#include <stdint.h>

#define TRIT_MAGIC UINT32_C(0x54495254) /* "TRIT" */
#define TRIT_FORMAT_VERSION 1u
#define TRIT_FORMAT_VERSION_TASKS 2u /* with the header's last two fields */
#define TRIT_MAX_STEPS 4096u
#define TRIT_MAX_TASKS 4096u
#define TRIT_MAX_EXTENT 65535u             /* height, width */
#define TRIT_MAX_CHANNELS (UINT32_C(1) << 24)
#define TRIT_MAX_BYTES UINT32_C(0x7fffffff) /* of a tensor, of the arena, of the file */
#define TRIT_SUM_ZERO_POINT 128u

/* X(name, text); int8 is a kind of weights alone. */
#define TRIT_KINDS(X)     \
    X(UINT8, "uint8")     \
    X(BINARY, "binary")   \
    X(TERNARY, "ternary") \
    X(INT32, "int32")     \
    X(FLOAT32, "float32") \
    X(INT8, "int8")

typedef enum trit_kind {
#define X(name, text) TRIT_KIND_##name,
    TRIT_KINDS(X)
#undef X
    TRIT_KIND_COUNT
} trit_kind;

/* X(name, function, text): every operator has trit_<function>_check and trit_<function>_run in a file of its own. */
#define TRIT_OPERATORS(X)                    \
    X(INTERLEAVE, interleave, "Interleave")  \
    X(CONV, conv, "Conv")                    \
    X(THRESHOLD, threshold, "Threshold")     \
    X(MAX_POOL, max_pool, "MaxPool")         \
    X(SUM_POOL, sum_pool, "SumPool")         \
    X(ADD, add, "Add")                       \
    X(SCORES, scores, "Scores")              \
    X(CONCAT, concat, "Concat")              \
    X(RESCALE, rescale, "Rescale")           \
    X(MAX_UNPOOL, max_unpool, "MaxUnpool")

typedef enum trit_operator {
#define X(name, function, text) TRIT_OP_##name,
    TRIT_OPERATORS(X)
#undef X
    TRIT_OP_COUNT
} trit_operator;

typedef struct trit_header {
    uint32_t magic, version, size;
    uint32_t checksum[4];              /* two 64-bit Fletcher sums over all other words, low word first */
    uint32_t arena_size;               /* bytes */
    uint32_t step_count, steps;        /* offsets are in bytes from the file's start, multiples of 4 */
    uint32_t tensors;                  /* step_count + 1 of them: the input, then what each step writes */
    uint32_t strings, strings_size;    /* NUL-terminated UTF-8 */
    uint32_t label_count, labels;      /* string positions */
    uint32_t metadata_count, metadata; /* pairs of string positions */
    uint32_t task_count, tasks;        /* version 2 alone: string positions */
} trit_header;

typedef struct trit_tensor {
    uint32_t kind, channels, height, width, zero_point;
    uint32_t bound;  /* no value is larger in magnitude */
    uint32_t offset; /* in the arena; 0 for the input and the last, which the caller owns */
} trit_tensor;

typedef struct trit_step {
    uint32_t op;
    uint32_t name;         /* string position */
    uint32_t input, other; /* tensors; a step writes tensor step + 1 */
    uint16_t kernel[2], stride[2], dilation[2], padding[4]; /* height, width; top, left, bottom, right */
    uint32_t groups, lanes, weight_kind; /* binary, ternary or int8 */
    uint32_t weights;    /* Conv */
    uint32_t counts;     /* Conv with ternary weights: nonzero weights of each output channel */
    uint32_t parameters; /* of the output stage (output.h), minimum flags (MaxPool), scale and bias (Scores) */
    uint32_t task_bytes; /* from one task's parameters to the next one's; 0 where all tasks share them */
} trit_step;

#endif
