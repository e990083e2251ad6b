/* SPDX-License-Identifier: Apache-2.0 */
/* The part of onnxruntime's C interface that trit's kernels use, since version 17.
 *
 * That interface is a table of functions which only ever grows at its end, so a function is its index. Wheels of
 * onnxruntime bring no headers; these declarations stand in for them.
 */
#ifndef TRIT_ONNXRUNTIME_ABI_H
#define TRIT_ONNXRUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#define ORT_VERSION 17u
#ifdef _WIN32
#define ORT_CALL __stdcall
#define ORT_EXPORT /* dllexport for one function would leave out all others */
#else
#define ORT_CALL
#define ORT_EXPORT __attribute__((visibility("default")))
#endif

typedef struct OrtStatus OrtStatus; /* null: all is well */
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef struct OrtTensorInfo OrtTensorInfo; /* OrtTensorTypeAndShapeInfo */
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtAttribute OrtAttribute; /* OrtOpAttr */

typedef enum ort_type {
    ORT_NONE = 0,
    ORT_FLOAT32 = 1,
    ORT_UINT8 = 2,
    ORT_INT8 = 3,
    ORT_INT32 = 6,
    ORT_INT64 = 7
} ort_type;

enum { ORT_FAIL = 1, ORT_INVALID_GRAPH = 10, ORT_ATTRIBUTE_INTS = 2 };

typedef void (*ort_function)(void);
typedef struct OrtApi {
    ort_function functions[275];
} OrtApi;

typedef struct OrtApiBase {
    const OrtApi *(ORT_CALL *api)(uint32_t version);
    const char *(ORT_CALL *version)(void);
} OrtApiBase;

/* X(name, index, result, arguments) */
#define ORT_FUNCTIONS(X)                                                                                               \
    X(create_status, 0, OrtStatus *, (int, const char *))                                                              \
    X(message, 2, const char *, (const OrtStatus *))                                                                  \
    X(create_domain, 26, OrtStatus *, (const char *, OrtCustomOpDomain **))                                            \
    X(add_operator, 27, OrtStatus *, (OrtCustomOpDomain *, const struct ort_custom_op *))                              \
    X(add_domain, 28, OrtStatus *, (OrtSessionOptions *, OrtCustomOpDomain *))                                         \
    X(tensor_data, 51, OrtStatus *, (OrtValue *, void **))                                                             \
    X(tensor_info_of, 55, OrtStatus *, (const OrtTypeInfo *, const OrtTensorInfo **))                                  \
    X(set_type, 58, OrtStatus *, (OrtTensorInfo *, ort_type))                                                          \
    X(set_dimensions, 59, OrtStatus *, (OrtTensorInfo *, const int64_t *, size_t))                                     \
    X(type_of, 60, OrtStatus *, (const OrtTensorInfo *, ort_type *))                                                      \
    X(rank, 61, OrtStatus *, (const OrtTensorInfo *, size_t *))                                                        \
    X(dimensions, 62, OrtStatus *, (const OrtTensorInfo *, int64_t *, size_t))                                         \
    X(symbols, 63, OrtStatus *, (const OrtTensorInfo *, const char **, size_t))                                        \
    X(element_count, 64, OrtStatus *, (const OrtTensorInfo *, size_t *))                                               \
    X(tensor_info, 65, OrtStatus *, (const OrtValue *, OrtTensorInfo **))                                              \
    X(attribute_float, 85, OrtStatus *, (const OrtKernelInfo *, const char *, float *))                                \
    X(attribute_int, 86, OrtStatus *, (const OrtKernelInfo *, const char *, int64_t *))                                \
    X(attribute_string, 87, OrtStatus *, (const OrtKernelInfo *, const char *, char *, size_t *))                      \
    X(input, 90, OrtStatus *, (const OrtKernelContext *, size_t, const OrtValue **))                                   \
    X(output, 91, OrtStatus *, (OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **))                     \
    X(release_status, 93, void, (OrtStatus *))                                                                         \
    X(release_type_info, 98, void, (OrtTypeInfo *))                                                                    \
    X(release_tensor_info, 99, void, (OrtTensorInfo *))                                                                \
    X(attribute_ints, 163, OrtStatus *, (const OrtKernelInfo *, const char *, int64_t *, size_t *))                    \
    X(input_type, 234, OrtStatus *, (const OrtKernelInfo *, size_t, OrtTypeInfo **))                                   \
    X(node_name, 244, OrtStatus *, (const OrtKernelInfo *, char *, size_t *))                                          \
    X(constant_input, 249, OrtStatus *, (const OrtKernelInfo *, size_t, int *, const OrtValue **))                     \
    X(inferred_input, 268, OrtStatus *, (const OrtShapeInferContext *, size_t, OrtTensorInfo **))                      \
    X(inferred_attribute, 269, OrtStatus *, (const OrtShapeInferContext *, const char *, const OrtAttribute **))       \
    X(infer_output, 270, OrtStatus *, (const OrtShapeInferContext *, size_t, const OrtTensorInfo *))                   \
    X(set_symbols, 271, OrtStatus *, (OrtTensorInfo *, const char **, size_t))                                         \
    X(read_attribute, 272, OrtStatus *, (const OrtAttribute *, int, void *, size_t, size_t *))                         \
    X(parallel_for, 274, OrtStatus *, (const OrtKernelContext *, void (*)(void *, size_t), size_t, size_t, void *))

struct ort_custom_op;

/* ort_<name>(api) is that function of the table. */
#define X(name, index, result, arguments)                                            \
    typedef result(ORT_CALL *ort_##name##_function) arguments;                       \
    static inline ort_##name##_function ort_##name(const OrtApi *api) {              \
        return (ort_##name##_function)api->functions[index];                         \
    }
ORT_FUNCTIONS(X)
#undef X

/* OrtCustomOp: an operator as onnxruntime calls it. Those functions that it does not call for version 17 are null. */
typedef struct ort_custom_op {
    uint32_t version;
    ort_function create;
    const char *(ORT_CALL *name)(const struct ort_custom_op *);
    const char *(ORT_CALL *provider)(const struct ort_custom_op *);
    ort_type(ORT_CALL *input_type)(const struct ort_custom_op *, size_t);
    size_t(ORT_CALL *input_count)(const struct ort_custom_op *);
    ort_type(ORT_CALL *output_type)(const struct ort_custom_op *, size_t);
    size_t(ORT_CALL *output_count)(const struct ort_custom_op *);
    ort_function compute;
    void(ORT_CALL *destroy)(void *);
    int(ORT_CALL *input_characteristic)(const struct ort_custom_op *, size_t);  /* 0: required */
    int(ORT_CALL *output_characteristic)(const struct ort_custom_op *, size_t);
    int(ORT_CALL *input_memory)(const struct ort_custom_op *, size_t); /* 0: the provider's own */
    ort_function variadic[4];
    OrtStatus *(ORT_CALL *create_with_status)(const struct ort_custom_op *, const OrtApi *, const OrtKernelInfo *,
                                              void **);
    OrtStatus *(ORT_CALL *compute_with_status)(void *, OrtKernelContext *);
    OrtStatus *(ORT_CALL *infer)(const struct ort_custom_op *, OrtShapeInferContext *);
    ort_function later[6]; /* versions, memory that outputs share with inputs */
} ort_custom_op;

#endif
