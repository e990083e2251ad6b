/* SPDX-License-Identifier: Apache-2.0 */
/* What the operators share: one step with its tensors, and the helpers that check it. */
#ifndef TRIT_INTERNAL_H
#define TRIT_INTERNAL_H

#include "format.h"
#include "trit/bits.h"
#include "trit/trit.h"
#include "uses.h"

/* One loop for each set of constant arguments, with its values in registers; two small frames instead of one large. */
#if defined(__GNUC__) || defined(__clang__)
#define TRIT_INLINE static inline __attribute__((always_inline))
#define TRIT_NOINLINE static __attribute__((noinline))
#else
#define TRIT_INLINE static inline
#define TRIT_NOINLINE static
#endif

/* A row of a plan's table, used as a pointer to it: the row itself, or a copy on an AVR, whose flash is no memory. An AVR
 * reads words byte by byte, from anywhere. */
#ifdef __AVR__
#define TRIT_ROW(type, name) type name[1]
#define TRIT_SET_ROW(name, at) (*(name) = *(at))
#define TRIT_IS_MISALIGNED(pointer) 0
#else
#define TRIT_ROW(type, name) const type *name
#define TRIT_SET_ROW(name, at) ((name) = (at))
#define TRIT_IS_MISALIGNED(pointer) ((uintptr_t)(pointer) % 4 != 0)
#endif

/* One step, resolved. x, y, z are null while checking. */
typedef struct trit_call {
    const TRIT_FLASH uint8_t *file;
    uint32_t file_size;
    uint32_t parameters; /* offset of the step's, of the plan's task */
    trit_variant variant;
    TRIT_ROW(trit_step, step);
    TRIT_ROW(trit_tensor, in);
    TRIT_ROW(trit_tensor, other);
    TRIT_ROW(trit_tensor, out);
    const void *x, *y;
    void *z;
} trit_call;

#define X(name, function, text)                              \
    trit_status trit_##function##_check(const trit_call *c); \
    void trit_##function##_run(const trit_call *c);
TRIT_OPERATORS(X)
#undef X

static inline int trit_is_bits(uint32_t kind) {
    return kind == TRIT_KIND_BINARY || kind == TRIT_KIND_TERNARY;
}

static inline uint32_t trit_planes(uint32_t kind) {
    return kind == TRIT_KIND_TERNARY ? 2 : 1;
}

/* Bytes of one pixel. */
static inline uint64_t trit_pixel_bytes(const TRIT_FLASH trit_tensor *t) {
    if (trit_is_bits(t->kind)) return (uint64_t)trit_planes(t->kind) * trit_words(t->channels) * 4;
    return (uint64_t)t->channels * (t->kind == TRIT_KIND_UINT8 ? 1 : 4);
}

/* Below 2^64 for every tensor within the limits of format.h. */
static inline uint64_t trit_tensor_bytes(const TRIT_FLASH trit_tensor *t) {
    return trit_pixel_bytes(t) * t->height * t->width;
}

/* An AVR adds no more than 15 bits to a pointer, but 24 to a number. */
static inline const TRIT_FLASH uint8_t *trit_bytes_on(const TRIT_FLASH void *at, trit_size bytes) {
#ifdef __AVR__
    return (const TRIT_FLASH uint8_t *)((__uint24)at + (__uint24)bytes);
#else
    return (const uint8_t *)at + bytes;
#endif
}

static inline const TRIT_FLASH void *trit_at(const trit_call *c, uint32_t offset) {
    return trit_bytes_on(c->file, offset);
}

/* Word `index` of what lies at the offset. */
static inline const TRIT_FLASH uint32_t *trit_words_at(const trit_call *c, uint32_t offset, trit_size index) {
    return (const TRIT_FLASH uint32_t *)trit_bytes_on(c->file, offset + 4 * index);
}

/* Is [offset, offset + bytes) an aligned part of the file behind its header? */
int trit_in_file(uint32_t file_size, uint32_t offset, uint64_t bytes);

/* Output size of a sliding window, 0 where it does not fit. */
uint32_t trit_window(uint32_t size, uint32_t before, uint32_t after, uint32_t kernel, uint32_t stride,
                     uint32_t dilation);

/* Does the step's window turn the input's height and width into the output's? */
int trit_window_fits(const trit_call *c);

/* Same channels, height and width? */
int trit_same_shape(const trit_tensor *a, const trit_tensor *b);

/* Are `values` values' bits at `words` free of stray bits behind the last? */
int trit_padding_is_zero(const TRIT_FLASH uint32_t *words, uint32_t values);

/* Largest magnitude of a uint8 tensor's values. */
static inline uint32_t trit_code_bound(const TRIT_FLASH trit_tensor *t) {
    uint32_t above = 255 - t->zero_point;
    return t->zero_point > above ? t->zero_point : above;
}

/* Does the variant use AVX-512? AMX's takes AVX-512's kernels where it has none of its own. */
static inline int trit_uses_avx512(trit_variant variant) {
    return variant == TRIT_VARIANT_AVX512 || variant == TRIT_VARIANT_AMX;
}

trit_status trit_check_bound(const trit_call *c, uint64_t bound);

/* Bytes of the parameters of one task: of the output stage, or of the operator itself. */
uint64_t trit_stage_bytes(const trit_call *c);

/* Bytes of the file that a checked step reads: weights, counts, parameters of one task. */
uint64_t trit_parameter_bytes(const trit_call *c);

#endif
