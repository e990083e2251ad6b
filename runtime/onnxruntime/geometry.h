/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and attributes of a node, read while onnxruntime infers shapes or when it makes the kernel. */
#ifndef TRIT_ONNXRUNTIME_GEOMETRY_H
#define TRIT_ONNXRUNTIME_GEOMETRY_H

#include "kernel.h"

enum { RANK = 4, UNKNOWN = -1 }; /* of tensors (N, C, H, W) */

/* Where to ask: one of the two is null. */
typedef struct source {
    const OrtApi *api;
    const OrtKernelInfo *info;
    const OrtShapeInferContext *context;
} source;

typedef struct geometry {
    int64_t x[RANK], y[RANK], output[RANK]; /* UNKNOWN where the file leaves it open */
    int64_t kernel[2], stride[2], dilation[2], padding[4], groups;
} geometry;

/* Raises what onnxruntime says of an attribute that is missing, or of an input without a shape. */
OrtStatus *read_geometry(const source *from, const operator_row *row, geometry *g);

#endif
