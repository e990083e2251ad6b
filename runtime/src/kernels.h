/* SPDX-License-Identifier: Apache-2.0 */
/* The convolution kernels. The scalar ones define the meaning; those of a variant give the same bits or decline. */
#ifndef TRIT_KERNELS_H
#define TRIT_KERNELS_H

#include "output.h"

void trit_conv_bits(const trit_call *c);      /* bits in, one group */
void trit_conv_bytes(const trit_call *c);     /* uint8 in, any groups but depthwise */
void trit_conv_grouped(const trit_call *c);   /* bits in, several groups */
void trit_conv_int8(const trit_call *c);      /* int8 weights, any groups but depthwise */
void trit_conv_depthwise(const trit_call *c); /* a group a channel, any input and weights */

/* trit_store_output, or what gives the same bits. */
typedef void trit_store_word(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]);

/* What a variant brings. A kernel returns 0 where it declines a step, to the scalar one; null declines all. */
typedef struct trit_kernels {
    int (*available)(void); /* on this machine, in this build */
    int (*conv_bits)(const trit_call *c);
    int (*conv_bytes)(const trit_call *c);
    int (*conv_depthwise)(const trit_call *c);
    int (*conv_int8)(const trit_call *c);
    trit_store_word *store; /* for Threshold, Rescale and Add */
} trit_kernels;

#define X(name, text) extern const trit_kernels trit_kernels_##text;
TRIT_VARIANTS(X)
#undef X

int trit_conv_bits_carry_save(const trit_call *c);
int trit_conv_bits_lookup(const trit_call *c);
int trit_conv_bytes_lookup(const trit_call *c);
int trit_conv_depthwise_sliced(const trit_call *c);

const trit_kernels *trit_kernels_of(trit_variant variant);

/* Firmware has no room for a second way to store. */
static inline trit_store_word *trit_store_of(const trit_call *c) {
    trit_store_word *store = TRIT_TRUSTS_PLAN ? NULL : trit_kernels_of(c->variant)->store;
    return store ? store : trit_store_output;
}

#endif
