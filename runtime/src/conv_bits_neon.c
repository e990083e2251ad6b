/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with NEON, which has an instruction that counts the bits of bytes: by tables of sums for whole feature
 * maps, else by counting. */
#include "neon.h"

#if TRIT_HAVE_NEON

#pragma GCC diagnostic ignored "-Wpsabi" /* how vectors are returned: everything here is inlined */

typedef __attribute__((vector_size(32))) uint32_t two_vectors;

static inline __attribute__((always_inline)) two_vectors count_in_bytes(const two_vectors *word) {
    two_vectors x;
    uint8x16_t half[2];
    __builtin_memcpy(half, word, sizeof half);
    half[0] = vcntq_u8(half[0]);
    half[1] = vcntq_u8(half[1]);
    __builtin_memcpy(&x, half, sizeof half);
    return x;
}

#define TABLES_TARGET
#define TABLES_STORE neon_conv_store
#include "conv_tables.h"

#define COUNT_TARGET
#define COUNT_BYTES(x) count_in_bytes(&(x))
#define COUNT_STORE neon_conv_store
#include "conv_count.h"

int trit_conv_bits_neon(const trit_call *c) {
    return convolve_by_tables(c) || convolve_by_counting(c);
}

#endif
