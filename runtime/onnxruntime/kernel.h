/* SPDX-License-Identifier: Apache-2.0 */
/* One operator of an ONNX file as one step of the C runtime. */
#ifndef TRIT_ONNXRUNTIME_KERNEL_H
#define TRIT_ONNXRUNTIME_KERNEL_H

#include "../src/internal.h"
#include "abi.h"

enum { MAX_INPUTS = 7 };

/* What follows the accumulators of a convolution or a sum. */
typedef enum stage { NO_STAGE, THRESHOLD, RESCALE } stage;

/* A function of the ONNX files for inputs of certain types. */
typedef struct operator_row {
    ort_custom_op op; /* first, as onnxruntime hands out its address */
    const char *name;
    trit_operator step;
    trit_kind weights; /* of Conv */
    stage output;
    ort_type x, y; /* y: ORT_NONE for one input */
} operator_row;

/* Inputs in order: x, y, weights, then what the output stage needs. Returns their number. */
size_t operator_inputs(const operator_row *row, ort_type types[MAX_INPUTS]);
ort_type operator_output(const operator_row *row, ort_type x);

typedef struct kernel {
    const OrtApi *api;
    const operator_row *row;
    char node[64]; /* the node's name, for messages */
    trit_step step;
    trit_tensor in, other, out;
    uint8_t *file; /* weights and parameters, where the step's offsets say */
    uint32_t file_size;
    void *memory; /* that the file lies in */
    trit_variant variant;
} kernel;

/* The status with the operator and the node in front of its message; null where it is null. */
OrtStatus *kernel_name(const kernel *k, OrtStatus *status);

/* The status of reading the attribute, in words that name it where it is not null. */
OrtStatus *attribute_error(const OrtApi *api, OrtStatus *status, const char *attribute);

/* For functions that return a status: hand on one that is not null, or make one unless the condition holds. */
#define TRY(call)                        \
    do {                                 \
        OrtStatus *failed = (call);      \
        if (failed) return failed;       \
    } while (0)
#define REQUIRE(condition, message) \
    if (!(condition)) return ort_create_status(k->api)(ORT_INVALID_GRAPH, message)

const OrtApi *kernel_api(void); /* of this process, once the operators are registered */

OrtStatus *ORT_CALL kernel_infer(const ort_custom_op *op, OrtShapeInferContext *context);
OrtStatus *ORT_CALL kernel_create(const ort_custom_op *op, const OrtApi *api, const OrtKernelInfo *info, void **made);
OrtStatus *ORT_CALL kernel_compute(void *op_kernel, OrtKernelContext *context);
void ORT_CALL kernel_destroy(void *op_kernel);

/* The step's call, without memory to run in. */
trit_call kernel_call(const kernel *k);

/* Allocates the kernel's file and fills it from the node's constant inputs: weights, counts, parameters. */
OrtStatus *kernel_read_constants(kernel *k, const OrtKernelInfo *info);

/* MaxPool of an image of bytes, (C, H, W), without another layout. Returns 0 where it declines. */
int pool_planar(const kernel *k, const uint8_t *x, uint8_t *z);

/* Writes the weights (O, KH, KW, I / groups), values -1, 0, 1 or of int8, as a plan holds them (docs/plan-format.md), and
 * each output channel's count of nonzero ones where a plan has it. */
void kernel_place_weights(const kernel *k, const int8_t *weights);

#endif
