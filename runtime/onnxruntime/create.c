/* SPDX-License-Identifier: Apache-2.0 */
/* From a node to a kernel: its attributes and constants as a step of the C runtime, which is checked as a plan's are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/conv.h"
#include "../src/steps.h"
#include "geometry.h"

OrtStatus *kernel_name(const kernel *k, OrtStatus *status) {
    char text[512];
    if (!status) return NULL;
    snprintf(text, sizeof text, "trit.%s %s: %s", k->row->name, k->node, ort_message(k->api)(status));
    ort_release_status(k->api)(status);
    return ort_create_status(k->api)(ORT_INVALID_GRAPH, text);
}

OrtStatus *attribute_error(const OrtApi *api, OrtStatus *status, const char *attribute) {
    char text[128];
    if (!status) return NULL;
    snprintf(text, sizeof text, "the attribute %s is missing or of another form", attribute);
    ort_release_status(api)(status);
    return ort_create_status(api)(ORT_INVALID_GRAPH, text);
}

trit_call kernel_call(const kernel *k) {
    trit_call call = {k->file, k->file_size, k->step.parameters, k->variant, &k->step,
                      &k->in,  &k->other,    &k->out,            NULL,       NULL,     NULL};
    return call;
}

static uint32_t kind_of(ort_type type) {
    switch (type) {
        case ORT_UINT8: return TRIT_KIND_UINT8;
        case ORT_INT8: return TRIT_KIND_TERNARY;
        case ORT_INT32: return TRIT_KIND_INT32;
        default: return TRIT_KIND_FLOAT32;
    }
}

static OrtStatus *set_tensor(const kernel *k, trit_tensor *t, ort_type type, const int64_t shape[RANK]) {
    REQUIRE(shape[1] != UNKNOWN && shape[2] != UNKNOWN && shape[3] != UNKNOWN,
            "the file must say the channels, height and width of every tensor; only the batch may be open");
    REQUIRE(shape[1] >= 1 && shape[1] <= (int64_t)TRIT_MAX_CHANNELS && shape[2] >= 1 && shape[2] <= TRIT_MAX_EXTENT &&
                shape[3] >= 1 && shape[3] <= TRIT_MAX_EXTENT,
            "a tensor is too large");
    t->kind = kind_of(type);
    t->channels = (uint32_t)shape[1];
    t->height = (uint32_t)shape[2];
    t->width = (uint32_t)shape[3];
    REQUIRE(trit_tensor_bytes(t) <= TRIT_MAX_BYTES, "a tensor is too large");
    return NULL;
}

static void set_step(kernel *k, const geometry *g) {
    int i;
    for (i = 0; i < 2; i++) {
        k->step.kernel[i] = (uint16_t)g->kernel[i];
        k->step.stride[i] = (uint16_t)g->stride[i];
        k->step.dilation[i] = (uint16_t)g->dilation[i];
    }
    for (i = 0; i < 4; i++) k->step.padding[i] = (uint16_t)g->padding[i];
    k->step.op = k->row->step;
    if (k->row->step != TRIT_OP_CONV) return;
    k->step.groups = (uint32_t)g->groups;
    k->step.lanes = g->groups == 1 ? 16 : 1;
    k->step.weight_kind = k->row->weights;
}

static OrtStatus *read_zero_point(const kernel *k, const OrtKernelInfo *info, const char *name, trit_tensor *t) {
    int64_t whole = 0;
    float number = 0;
    if (k->row->step == TRIT_OP_CONV || k->row->step == TRIT_OP_SUM_POOL) {
        TRY(attribute_error(k->api, ort_attribute_float(k->api)(info, name, &number), name));
        REQUIRE(number >= 0 && number <= 255, "a zero point is out of range");
        whole = (int64_t)number;
    } else {
        TRY(attribute_error(k->api, ort_attribute_int(k->api)(info, name, &whole), name));
        REQUIRE(whole >= 0 && whole <= 255, "a zero point is out of range");
    }
    t->zero_point = t->kind == TRIT_KIND_UINT8 ? (uint32_t)whole : 0;
    return NULL;
}

/* Zero points, where the operator has them; those of pools and joins do not matter. */
static OrtStatus *read_zero_points(kernel *k, const OrtKernelInfo *info) {
    const operator_row *row = k->row;
    int64_t zero_point = 0;
    if (row->step != TRIT_OP_MAX_POOL && row->step != TRIT_OP_CONCAT && row->step != TRIT_OP_SCORES)
        TRY(read_zero_point(k, info, "zero_point", &k->in));
    if (row->step == TRIT_OP_ADD) TRY(read_zero_point(k, info, "other_zero_point", &k->other));
    if (row->step == TRIT_OP_SUM_POOL && k->out.kind == TRIT_KIND_UINT8) k->out.zero_point = TRIT_SUM_ZERO_POINT;
    if (row->step == TRIT_OP_MAX_UNPOOL) k->out.zero_point = k->in.zero_point;
    if (row->output == RESCALE) {
        TRY(attribute_error(k->api, ort_attribute_int(k->api)(info, "output_zero_point", &zero_point), "output_zero_point"));
        REQUIRE(zero_point >= 0 && zero_point <= 255, "a zero point is out of range");
        k->out.zero_point = (uint32_t)zero_point;
    }
    return NULL;
}

static OrtStatus *read_output_kind(kernel *k, const OrtKernelInfo *info) {
    char kind[16] = "";
    size_t size = sizeof kind;
    if (k->row->output != THRESHOLD) return NULL;
    TRY(attribute_error(k->api, ort_attribute_string(k->api)(info, "kind", kind, &size), "kind"));
    REQUIRE(strcmp(kind, "binary") == 0 || strcmp(kind, "ternary") == 0, "kind must be binary or ternary");
    k->out.kind = strcmp(kind, "binary") == 0 ? TRIT_KIND_BINARY : TRIT_KIND_TERNARY;
    return NULL;
}

static uint32_t bound_of_values(const trit_tensor *t) {
    return t->kind == TRIT_KIND_UINT8 ? trit_code_bound(t) : 1; /* of int32 the file's writer has seen to it */
}

static void set_bounds(kernel *k) {
    trit_call call = kernel_call(k);
    uint64_t bound = k->in.bound = bound_of_values(&k->in), area = (uint64_t)k->step.kernel[0] * k->step.kernel[1];
    k->other.bound = bound_of_values(&k->other);
    if (k->row->step == TRIT_OP_CONV)
        bound *= trit_conv_fan_in(&call) * (k->row->weights == TRIT_KIND_INT8 ? INT8_MAX : 1);
    if (k->row->step == TRIT_OP_SUM_POOL) bound *= area;
    if (k->row->step == TRIT_OP_ADD) bound += k->other.bound;
    if (k->row->step == TRIT_OP_SCORES) bound = 0;
    if (k->row->output != NO_STAGE) bound = k->out.kind == TRIT_KIND_UINT8 ? trit_code_bound(&k->out) : 1;
    k->out.bound = bound > UINT32_MAX ? UINT32_MAX : (uint32_t)bound;
}

static OrtStatus *check(const kernel *k) {
    trit_call call = kernel_call(k);
    trit_status status = trit_check_call(&call);
    REQUIRE(status == TRIT_OK, trit_status_text(status));
    return NULL;
}

static OrtStatus *build(kernel *k, const OrtKernelInfo *info) {
    source from = {k->api, info, NULL};
    geometry g;
    TRY(read_geometry(&from, k->row, &g));
    TRY(set_tensor(k, &k->in, k->row->x, g.x));
    if (k->row->y != ORT_NONE) TRY(set_tensor(k, &k->other, k->row->y, g.y));
    TRY(set_tensor(k, &k->out, operator_output(k->row, k->row->x), g.output));
    set_step(k, &g);
    TRY(read_output_kind(k, info));
    TRY(read_zero_points(k, info));
    set_bounds(k);
    TRY(kernel_read_constants(k, info));
    return check(k);
}

OrtStatus *ORT_CALL kernel_create(const ort_custom_op *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
    kernel *k = (kernel *)calloc(1, sizeof *k);
    size_t size = sizeof k->node;
    OrtStatus *status;
    if (!k) return ort_create_status(api)(ORT_FAIL, "out of memory");
    k->api = api;
    k->row = (const operator_row *)op;
    k->variant = trit_best_variant();
    status = ort_node_name(api)(info, k->node, &size);
    if (status) { /* longer than there is room for */
        ort_release_status(api)(status);
        strcpy(k->node, "(a node)");
    }
    status = kernel_name(k, build(k, info));
    if (status)
        kernel_destroy(k);
    else
        *made = k;
    return status;
}

void ORT_CALL kernel_destroy(void *op_kernel) {
    kernel *k = (kernel *)op_kernel;
    if (!k) return;
    free(k->memory);
    free(k);
}
