/* SPDX-License-Identifier: Apache-2.0 */
/* The cpop variant: an instruction for the bits of a word, the rest as in the carry_save variant. */
#include "cpop.h"

#if TRIT_HAVE_CPOP

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_cpop = {
    always,
    TRIT_USES_CONV_BITS ? trit_conv_bits_cpop : NULL,
    TRIT_USES_CONV_BYTES ? trit_conv_bytes_lookup : NULL,
    TRIT_USES_CONV_DEPTHWISE ? trit_conv_depthwise_sliced : NULL,
    NULL,
    NULL,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_cpop = {never, NULL, NULL, NULL, NULL, NULL};

#endif
