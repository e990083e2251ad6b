/* SPDX-License-Identifier: Apache-2.0 */
/* What a node's attributes and inputs say of its output's shape. */
#include "geometry.h"

static OrtStatus *bad(const source *from, const char *message) {
    return ort_create_status(from->api)(ORT_INVALID_GRAPH, message);
}

static OrtStatus *read_dimensions(const source *from, const OrtTensorInfo *info, int64_t dimensions[RANK]) {
    size_t rank = 0;
    TRY(ort_rank(from->api)(info, &rank));
    if (rank != RANK) return bad(from, "an input is not (N, C, H, W)");
    return ort_dimensions(from->api)(info, dimensions, RANK);
}

static OrtStatus *read_shape(const source *from, size_t input, int64_t dimensions[RANK]) {
    const OrtTensorInfo *info = NULL;
    OrtTensorInfo *inferred = NULL;
    OrtTypeInfo *type = NULL;
    OrtStatus *status;
    if (from->context) {
        TRY(ort_inferred_input(from->api)(from->context, input, &inferred)); /* stays the context's */
        return read_dimensions(from, inferred, dimensions);
    }
    TRY(ort_input_type(from->api)(from->info, input, &type));
    status = ort_tensor_info_of(from->api)(type, &info);
    if (!status) status = read_dimensions(from, info, dimensions);
    ort_release_type_info(from->api)(type);
    return status;
}

static OrtStatus *try_ints(const source *from, const char *name, int64_t *values, size_t count) {
    const OrtAttribute *attribute = NULL;
    size_t found = count;
    if (from->context) {
        TRY(ort_inferred_attribute(from->api)(from->context, name, &attribute));
        TRY(ort_read_attribute(from->api)(attribute, ORT_ATTRIBUTE_INTS, values, count * sizeof *values, &found));
        found /= sizeof *values;
    } else {
        TRY(ort_attribute_ints(from->api)(from->info, name, values, &found));
    }
    return found == count ? NULL : bad(from, "it has too few numbers");
}

static OrtStatus *read_ints(const source *from, const char *name, int64_t *values, size_t count) {
    return attribute_error(from->api, try_ints(from, name, values, count), name);
}

/* Of a single number, which the context reads as it does several. */
static OrtStatus *read_groups(const source *from, const int64_t x[RANK], const int64_t weights[RANK], int64_t *groups) {
    if (from->info)
        return attribute_error(from->api, ort_attribute_int(from->api)(from->info, "group", groups), "group");
    *groups = weights[3] > 0 && x[1] > 0 ? x[1] / weights[3] : 1;
    return NULL;
}

static OrtStatus *read_conv(const source *from, const operator_row *row, geometry *g) {
    int64_t w[RANK]; /* O, KH, KW, I */
    if (row->weights == TRIT_KIND_INT8) {
        int64_t oihw[RANK];
        TRY(read_shape(from, 1, oihw));
        w[0] = oihw[0], w[1] = oihw[2], w[2] = oihw[3], w[3] = oihw[1];
    } else {
        TRY(read_ints(from, "weight_shape", w, RANK));
    }
    g->output[1] = w[0];
    g->kernel[0] = w[1], g->kernel[1] = w[2];
    TRY(read_ints(from, "dilations", g->dilation, 2));
    TRY(read_groups(from, g->x, w, &g->groups));
    if (g->x[1] != UNKNOWN && w[3] * g->groups != g->x[1]) return bad(from, "weights do not fit the input's channels");
    return NULL;
}

static OrtStatus *read_kernel(const source *from, const operator_row *row, geometry *g) {
    int64_t dimensions[RANK];
    g->dilation[0] = g->dilation[1] = 1;
    if (row->step == TRIT_OP_CONV) return read_conv(from, row, g);
    if (row->step == TRIT_OP_MAX_POOL) return read_ints(from, "kernel_shape", g->kernel, 2);
    TRY(read_ints(from, "kernel", dimensions, RANK));
    g->kernel[0] = dimensions[2], g->kernel[1] = dimensions[3];
    return NULL;
}

static int is_small(const int64_t *values, size_t count, int64_t least) {
    size_t i;
    for (i = 0; i < count; i++)
        if (values[i] < least || values[i] > UINT16_MAX) return 0;
    return 1;
}

static OrtStatus *read_window(const source *from, const operator_row *row, geometry *g) {
    int axis;
    TRY(read_kernel(from, row, g));
    TRY(read_ints(from, "strides", g->stride, 2));
    TRY(read_ints(from, "pads", g->padding, 4));
    if (!is_small(g->kernel, 2, 1) || !is_small(g->stride, 2, 1) || !is_small(g->dilation, 2, 1) ||
        !is_small(g->padding, 4, 0))
        return bad(from, "a kernel, stride, dilation or pad is out of range");
    for (axis = 0; axis < 2; axis++) {
        int64_t size = g->x[2 + axis];
        if (size == UNKNOWN) continue;
        g->output[2 + axis] = trit_window((uint32_t)size, (uint32_t)g->padding[axis], (uint32_t)g->padding[axis + 2],
                                          (uint32_t)g->kernel[axis], (uint32_t)g->stride[axis],
                                          (uint32_t)g->dilation[axis]);
        if (g->output[2 + axis] == 0) return bad(from, "its window does not fit its input");
    }
    return NULL;
}

/* The output has the shape of the sums; the check of the step finds out whether that of the values fits it. */
static OrtStatus *read_unpool(const source *from, geometry *g) {
    int i;
    for (i = 1; i < RANK; i++) g->output[i] = g->y[i];
    TRY(read_ints(from, "kernel_shape", g->kernel, 2));
    if (!is_small(g->kernel, 2, 1)) return bad(from, "a kernel is out of range");
    for (i = 0; i < 2; i++) g->stride[i] = g->kernel[i], g->dilation[i] = 1;
    return NULL;
}

OrtStatus *read_geometry(const source *from, const operator_row *row, geometry *g) {
    static const geometry none = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0, 0, 0}, 0};
    int i;
    *g = none;
    TRY(read_shape(from, 0, g->x));
    if (row->y != ORT_NONE) TRY(read_shape(from, 1, g->y));
    for (i = 0; i < RANK; i++) g->output[i] = g->x[i];
    if (row->step == TRIT_OP_CONCAT)
        g->output[1] = g->x[1] == UNKNOWN || g->y[1] == UNKNOWN ? UNKNOWN : g->x[1] + g->y[1];
    if (row->step == TRIT_OP_MAX_UNPOOL) return read_unpool(from, g);
    if (row->step == TRIT_OP_CONV || row->step == TRIT_OP_MAX_POOL || row->step == TRIT_OP_SUM_POOL)
        return read_window(from, row, g);
    return NULL;
}
