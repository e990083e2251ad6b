/* SPDX-License-Identifier: Apache-2.0 */
/* What onnxruntime loads: trit's operators, one entry for each combination of types that a file may have. */
#include <string.h>

#include "kernel.h"

size_t operator_inputs(const operator_row *row, ort_type types[MAX_INPUTS]) {
    size_t count = 0;
    types[count++] = row->x;
    if (row->y != ORT_NONE) types[count++] = row->y;
    if (row->step == TRIT_OP_CONV) {
        types[count++] = row->weights == TRIT_KIND_INT8 ? ORT_INT8 : ORT_UINT8;
        if (row->weights == TRIT_KIND_TERNARY) types[count++] = ORT_UINT8;
    }
    if (row->step == TRIT_OP_MAX_POOL) types[count++] = ORT_INT8;
    if (row->step == TRIT_OP_SCORES) types[count++] = ORT_FLOAT32, types[count++] = ORT_FLOAT32;
    if (row->output == THRESHOLD) types[count++] = ORT_INT32, types[count++] = ORT_INT32, types[count++] = ORT_INT8;
    if (row->output == RESCALE) types[count++] = ORT_INT32, types[count++] = ORT_INT64, types[count++] = ORT_UINT8;
    return count;
}

ort_type operator_output(const operator_row *row, ort_type x) {
    if (row->output == THRESHOLD) return ORT_INT8;
    if (row->output == RESCALE) return ORT_UINT8;
    switch (row->step) {
        case TRIT_OP_MAX_POOL:
        case TRIT_OP_CONCAT:
        case TRIT_OP_MAX_UNPOOL: return x;
        case TRIT_OP_SUM_POOL: return x == ORT_INT8 ? ORT_UINT8 : ORT_INT32;
        case TRIT_OP_SCORES: return ORT_FLOAT32;
        default: return ORT_INT32;
    }
}

static const char *ORT_CALL get_name(const ort_custom_op *op) {
    return ((const operator_row *)op)->name;
}

static const char *ORT_CALL get_provider(const ort_custom_op *op) {
    (void)op;
    return NULL; /* the processor */
}

static size_t ORT_CALL get_input_count(const ort_custom_op *op) {
    ort_type types[MAX_INPUTS];
    return operator_inputs((const operator_row *)op, types);
}

static ort_type ORT_CALL get_input_type(const ort_custom_op *op, size_t index) {
    ort_type types[MAX_INPUTS];
    operator_inputs((const operator_row *)op, types);
    return types[index];
}

static size_t ORT_CALL get_output_count(const ort_custom_op *op) {
    (void)op;
    return 1;
}

static ort_type ORT_CALL get_output_type(const ort_custom_op *op, size_t index) {
    (void)index;
    return operator_output((const operator_row *)op, ((const operator_row *)op)->x);
}

static int ORT_CALL get_zero(const ort_custom_op *op, size_t index) {
    (void)op;
    (void)index;
    return 0;
}

#define CALLBACKS                                                                                                      \
    {                                                                                                                  \
        ORT_VERSION, NULL, get_name, get_provider, get_input_type, get_input_count, get_output_type, get_output_count, \
            NULL, kernel_destroy, get_zero, get_zero, get_zero, {NULL, NULL, NULL, NULL}, kernel_create,               \
            kernel_compute, kernel_infer, {                                                                            \
            NULL, NULL, NULL, NULL, NULL, NULL                                                                         \
        }                                                                                                              \
    }
#define ROW(name, step, weights, output, x, y) {CALLBACKS, name, TRIT_OP_##step, TRIT_KIND_##weights, output, x, y},

/* Each operator that has an output stage, without and with one. */
#define STAGES(name, step, weights, x, y)                    \
    ROW(name, step, weights, NO_STAGE, x, y)                 \
    ROW(name "Threshold", step, weights, THRESHOLD, x, y)    \
    ROW(name "Rescale", step, weights, RESCALE, x, y)

static const operator_row rows[] = {
#define CONVS(x)                                            \
    STAGES("BinaryConv", CONV, BINARY, x, ORT_NONE)          \
    STAGES("TernaryConv", CONV, TERNARY, x, ORT_NONE)        \
    STAGES("Int8Conv", CONV, INT8, x, ORT_NONE)
    CONVS(ORT_INT8)
    CONVS(ORT_UINT8)
#define ADDS(x)                                     \
    STAGES("Add", ADD, UINT8, x, ORT_INT8)          \
    STAGES("Add", ADD, UINT8, x, ORT_UINT8)         \
    STAGES("Add", ADD, UINT8, x, ORT_INT32)
    ADDS(ORT_INT8)
    ADDS(ORT_UINT8)
    ADDS(ORT_INT32)
#define ANY(name, step)                                     \
    ROW(name, step, UINT8, NO_STAGE, ORT_INT8, ORT_NONE)     \
    ROW(name, step, UINT8, NO_STAGE, ORT_UINT8, ORT_NONE)    \
    ROW(name, step, UINT8, NO_STAGE, ORT_INT32, ORT_NONE)
    ANY("MaxPool", MAX_POOL)
    ANY("SumPool", SUM_POOL)
    ROW("Concat", CONCAT, UINT8, NO_STAGE, ORT_INT8, ORT_INT8)
    ROW("Concat", CONCAT, UINT8, NO_STAGE, ORT_UINT8, ORT_UINT8)
    ROW("Concat", CONCAT, UINT8, NO_STAGE, ORT_INT32, ORT_INT32)
    ROW("MaxUnpool", MAX_UNPOOL, UINT8, NO_STAGE, ORT_UINT8, ORT_INT32)
    ROW("Threshold", THRESHOLD, UINT8, THRESHOLD, ORT_INT32, ORT_NONE)
    ROW("Threshold", THRESHOLD, UINT8, THRESHOLD, ORT_UINT8, ORT_NONE)
    ROW("Rescale", RESCALE, UINT8, RESCALE, ORT_INT32, ORT_NONE)
    ROW("Rescale", RESCALE, UINT8, RESCALE, ORT_UINT8, ORT_NONE)
    ROW("Scores", SCORES, UINT8, NO_STAGE, ORT_INT32, ORT_NONE)
};

static const OrtApi *api_of_process;

const OrtApi *kernel_api(void) {
    return api_of_process;
}

ORT_EXPORT OrtStatus *ORT_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

ORT_EXPORT OrtStatus *ORT_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
    const OrtApi *api = base->api(ORT_VERSION);
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status;
    size_t i;
    if (!api) return ort_create_status(base->api(1))(ORT_FAIL, "trit's kernels need onnxruntime 1.17 or newer");
    status = ort_create_domain(api)("trit", &domain);
    api_of_process = api;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]) && !status; i++) status = ort_add_operator(api)(domain, &rows[i].op);
    return status ? status : ort_add_domain(api)(options, domain); /* the domain lives as long as the process */
}
