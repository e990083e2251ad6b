/* SPDX-License-Identifier: Apache-2.0 */
/* What a program leaves out of the library: firmware for one plan links only what that plan uses.
 *
 * TRIT_CONFIG names a header that `trit deploy` writes. It gives, for each operator, TRIT_USES_<OPERATOR>, the kinds of its
 * inputs, a bit each; for Conv they are told apart by the weights. Without it the library runs every plan.
 */
#ifndef TRIT_USES_H
#define TRIT_USES_H

#include "format.h"
#include "trit/trit.h"

#ifdef TRIT_CONFIG
#include TRIT_CONFIG
#else
#define TRIT_USES_INTERLEAVE ~0u
#define TRIT_USES_CONV_BINARY ~0u
#define TRIT_USES_CONV_TERNARY ~0u
#define TRIT_USES_CONV_INT8 ~0u
#define TRIT_USES_CONV_GROUPED ~0u   /* several groups, of several channels each */
#define TRIT_USES_CONV_DEPTHWISE ~0u /* a group a channel */
#define TRIT_USES_CONV_PLAIN ~0u     /* one group */
#define TRIT_USES_THRESHOLD ~0u
#define TRIT_USES_MAX_POOL ~0u
#define TRIT_USES_SUM_POOL ~0u
#define TRIT_USES_ADD ~0u
#define TRIT_USES_SCORES ~0u
#define TRIT_USES_CONCAT ~0u
#define TRIT_USES_RESCALE ~0u
#define TRIT_USES_MAX_UNPOOL ~0u
#define TRIT_USES_OUTPUTS ~0u /* kinds that the output stage stores */
#define TRIT_USES_DILATION 1
#define TRIT_USES_TASKS 1     /* 0: the plan has no tasks */
#define TRIT_USES_LOOKUP 1    /* convolutions that conv_bits_lookup.c takes */
#define TRIT_USES_GATHERING 1 /* 0: all windows that conv_strings.c gets are strings in the image */
#define TRIT_LANES 0          /* of all weights; 0: each convolution has its own */
#define TRIT_BUILT_VARIANTS(X) TRIT_VARIANTS(X)
#define TRIT_FALLS_BACK 1     /* 0: the variant has a kernel for every convolution of one group */
#define TRIT_TRUSTS_PLAN 0    /* 1: the plan is part of the program and was checked when that was made */
#endif
#define TRIT_USES_CONV (TRIT_USES_CONV_BINARY | TRIT_USES_CONV_TERNARY | TRIT_USES_CONV_INT8)

#define TRIT_KIND_BIT(name) (1u << TRIT_KIND_##name)
#define TRIT_KIND_BITS (TRIT_KIND_BIT(BINARY) | TRIT_KIND_BIT(TERNARY))

/* Kinds of input to weights of bits, and whether there are convolutions of one group on bits and on uint8. */
#define TRIT_USES_CONV_PACKED (TRIT_USES_CONV_BINARY | TRIT_USES_CONV_TERNARY)
#define TRIT_USES_CONV_BITS (TRIT_USES_CONV_PACKED & TRIT_USES_CONV_PLAIN & TRIT_KIND_BITS)
#define TRIT_USES_CONV_BYTES (TRIT_USES_CONV_PACKED & TRIT_USES_CONV_PLAIN & TRIT_KIND_BIT(UINT8))

/* Kinds of input whose values gather.h takes. */
#define TRIT_USES_GATHERED \
    (TRIT_USES_CONV_INT8 | TRIT_USES_CONV_GROUPED | (TRIT_USES_CONV_PLAIN & TRIT_KIND_BIT(UINT8)))

/* Is `kind` among `wanted`? Known to the compiler where all or none of the kinds in use are. */
static inline int trit_kind_is(uint32_t used, uint32_t wanted, uint32_t kind) {
    if ((used & wanted) == 0) return 0;
    if ((used & ~wanted) == 0) return 1;
    return (int)(wanted >> kind & 1);
}

#endif
