/* SPDX-License-Identifier: Apache-2.0 */
/* Between onnxruntime's tensors of one image, (C, H, W), and the C runtime's, (H, W, C). */
#ifndef TRIT_ONNXRUNTIME_LAYOUT_H
#define TRIT_ONNXRUNTIME_LAYOUT_H

#include "kernel.h"

/* Packs int8 values (channels, pixels) as the planes of kind binary or ternary. Returns 0 where one is not -1, 0, +1. */
int pack_planar(trit_variant variant, const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z);

/* The reverse. */
void unpack_planar(trit_variant variant, const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind,
                   int8_t *z);

/* Both with AVX-512, where that can be built. */
int pack_avx512(const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z);
void unpack_avx512(const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, int8_t *z);

/* Bytes (channels, pixels) to (pixels, channels), and back. */
void interleave_bytes(const uint8_t *x, uint32_t channels, uint32_t pixels, uint8_t *z);
void separate_bytes(const uint8_t *x, uint32_t channels, uint32_t pixels, uint8_t *z);

/* z[j][i] = x[i][j] for `rows` rows of x. */
void transpose_words(const uint32_t *x, uint32_t rows, uint32_t columns, uint32_t *z);

#endif
