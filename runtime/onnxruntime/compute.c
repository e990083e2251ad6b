/* SPDX-License-Identifier: Apache-2.0 */
/* Running a kernel on a batch: each image from onnxruntime's layout to the runtime's, through the step, and back. */
#include <stdlib.h>
#include <string.h>

#include "../src/steps.h"
#include "layout.h"

enum { LINE = 64 };

/* One call of a kernel, shared by the threads that take its images. */
typedef struct batch {
    const kernel *k;
    const uint8_t *x, *y;
    uint8_t *z;
    volatile int out_of_memory, out_of_range; /* only ever set */
} batch;

static size_t pixels_of(const trit_tensor *t) {
    return (size_t)t->height * t->width;
}

/* Bytes of an image for onnxruntime, where bits are bytes. */
static size_t bytes_outside(const trit_tensor *t) {
    return trit_is_bits(t->kind) ? pixels_of(t) * t->channels : (size_t)trit_tensor_bytes(t);
}

/* Bytes in the runtime's layout, rounded up to whole cache lines; of bits enough for two planes. */
static size_t bytes_inside(const trit_tensor *t) {
    size_t bytes = trit_is_bits(t->kind) ? pixels_of(t) * trit_words(t->channels) * 8 : (size_t)trit_tensor_bytes(t);
    return (bytes + LINE - 1) / LINE * LINE;
}

/* Bits without a zero are binary: half the work. */
static void choose_kind(trit_tensor *t, const uint8_t *image) {
    if (trit_is_bits(t->kind)) t->kind = memchr(image, 0, bytes_outside(t)) ? TRIT_KIND_TERNARY : TRIT_KIND_BINARY;
}

static int bring_in(const kernel *k, const trit_tensor *t, const uint8_t *image, void *to) {
    uint32_t pixels = (uint32_t)pixels_of(t);
    if (trit_is_bits(t->kind))
        return pack_planar(k->variant, (const int8_t *)image, t->channels, pixels, t->kind, (uint32_t *)to);
    if (t->kind == TRIT_KIND_UINT8)
        interleave_bytes(image, t->channels, pixels, (uint8_t *)to);
    else
        transpose_words((const uint32_t *)(const void *)image, t->channels, pixels, (uint32_t *)to);
    return 1;
}

static void bring_out(const kernel *k, const trit_tensor *t, const void *from, uint8_t *image) {
    uint32_t pixels = (uint32_t)pixels_of(t);
    if (trit_is_bits(t->kind))
        unpack_planar(k->variant, (const uint32_t *)from, t->channels, pixels, t->kind, (int8_t *)image);
    else if (t->kind == TRIT_KIND_UINT8)
        separate_bytes((const uint8_t *)from, t->channels, pixels, image);
    else if (t->kind == TRIT_KIND_INT32)
        transpose_words((const uint32_t *)from, pixels, t->channels, (uint32_t *)(void *)image);
    else
        memcpy(image, from, bytes_outside(t)); /* scores are in order */
}

static void run_image(batch *b, size_t index, uint8_t *memory) {
    const kernel *k = b->k;
    trit_tensor in = k->in, other = k->other, out = k->out;
    const uint8_t *x = b->x + index * bytes_outside(&in);
    const uint8_t *y = b->y ? b->y + index * bytes_outside(&other) : NULL;
    uint8_t *x_inside = memory, *y_inside = x_inside + bytes_inside(&in), *z_inside = y_inside;
    trit_call call = kernel_call(k);
    if (pool_planar(k, x, b->z + index * bytes_outside(&out))) return;
    if (y) z_inside += bytes_inside(&other);
    choose_kind(&in, x);
    if (y) choose_kind(&other, y);
    if (k->step.op == TRIT_OP_CONCAT && in.kind != other.kind) in.kind = other.kind = TRIT_KIND_TERNARY;
    if (k->step.op == TRIT_OP_CONCAT || k->step.op == TRIT_OP_MAX_POOL) out.kind = in.kind;
    if (!bring_in(k, &in, x, x_inside) || (y && !bring_in(k, &other, y, y_inside))) {
        b->out_of_range = 1;
        return;
    }
    call.in = &in;
    call.other = &other;
    call.out = &out;
    call.x = x_inside;
    call.y = y_inside;
    call.z = z_inside;
    trit_run_step(&call);
    bring_out(k, &out, z_inside, b->z + index * bytes_outside(&out));
}

static void run_one(void *user, size_t index) {
    batch *b = (batch *)user;
    const kernel *k = b->k;
    size_t size = bytes_inside(&k->in) + (b->y ? bytes_inside(&k->other) : 0) + bytes_inside(&k->out) + LINE;
    uint8_t *memory = (uint8_t *)malloc(size);
    if (!memory) {
        b->out_of_memory = 1;
        return;
    }
    run_image(b, index, memory + (LINE - (uintptr_t)memory % LINE) % LINE);
    free(memory);
}

/* An input's elements; its shape must be (N, C, H, W) of `t`, N as it is for all inputs. */
static OrtStatus *get_input(const kernel *k, OrtKernelContext *context, size_t index, const trit_tensor *t,
                            int64_t *count, const uint8_t **elements) {
    const OrtValue *value = NULL;
    OrtTensorInfo *info = NULL;
    OrtStatus *status;
    int64_t shape[4] = {0, 0, 0, 0};
    size_t rank = 0;
    void *data = NULL;
    TRY(ort_input(k->api)(context, index, &value));
    TRY(ort_tensor_info(k->api)(value, &info));
    status = ort_rank(k->api)(info, &rank);
    if (!status && rank == 4) status = ort_dimensions(k->api)(info, shape, 4);
    ort_release_tensor_info(k->api)(info);
    if (status) return status;
    if (index == 0) *count = shape[0];
    REQUIRE(rank == 4 && shape[0] == *count && shape[1] == t->channels && shape[2] == t->height &&
                shape[3] == t->width,
            "an input has another shape than the file says");
    TRY(ort_tensor_data(k->api)((OrtValue *)(uintptr_t)value, &data)); /* only read */
    *elements = (const uint8_t *)data;
    return NULL;
}

static OrtStatus *compute(const kernel *k, OrtKernelContext *context) {
    batch b = {k, NULL, NULL, NULL, 0, 0};
    int64_t shape[4] = {0, 0, 0, 0};
    OrtValue *value = NULL;
    void *data = NULL;
    TRY(get_input(k, context, 0, &k->in, &shape[0], &b.x));
    if (k->row->y != ORT_NONE) TRY(get_input(k, context, 1, &k->other, &shape[0], &b.y));
    shape[1] = k->out.channels;
    shape[2] = k->out.height;
    shape[3] = k->out.width;
    TRY(ort_output(k->api)(context, 0, shape, 4, &value));
    TRY(ort_tensor_data(k->api)(value, &data));
    b.z = (uint8_t *)data;
    if (shape[0] == 1)
        run_one(&b, 0);
    else
        TRY(ort_parallel_for(k->api)(context, run_one, (size_t)shape[0], 0, &b));
    REQUIRE(!b.out_of_memory, "out of memory");
    REQUIRE(!b.out_of_range, "an int8 input holds a value that is not -1, 0 or 1");
    return NULL;
}

OrtStatus *ORT_CALL kernel_compute(void *op_kernel, OrtKernelContext *context) {
    const kernel *k = (const kernel *)op_kernel;
    return kernel_name(k, compute(k, context));
}
