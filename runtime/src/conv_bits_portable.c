/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c in plain C for vectors, which the compiler makes of whatever its target has, SSE2 at least on x86-64: by
 * tables of sums for whole feature maps, else by counting bits. */
#include "portable.h"

#if TRIT_HAVE_PORTABLE

#define TABLES_TARGET
#define TABLES_STORE trit_store_output
#include "conv_tables.h"

/* Bits of each byte: pairs, nibbles, bytes, all of a vector's at once. */
#define PAIRS(x) ((x) - (((x) >> 1) & 0x55555555u))
#define NIBBLES(x) ((PAIRS(x) & 0x33333333u) + ((PAIRS(x) >> 2) & 0x33333333u))
#define COUNT_BYTES(x) ((NIBBLES(x) + (NIBBLES(x) >> 4)) & 0x0f0f0f0fu)
#define COUNT_TARGET
#define COUNT_STORE trit_store_output
#include "conv_count.h"

int trit_conv_bits_portable(const trit_call *c) {
    return convolve_by_tables(c) || convolve_by_counting(c);
}

#endif
