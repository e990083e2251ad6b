/* SPDX-License-Identifier: Apache-2.0 */
/* The helium variant: vectors for bits, the rest as in the carry_save variant. */
#include "helium.h"

#if TRIT_HAVE_HELIUM

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_helium = {
    always,
    TRIT_USES_CONV_BITS ? trit_conv_bits_helium : NULL,
    TRIT_USES_CONV_BYTES ? trit_conv_bytes_lookup : NULL,
    TRIT_USES_CONV_DEPTHWISE ? trit_conv_depthwise_sliced : NULL,
    NULL,
    NULL,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_helium = {never, NULL, NULL, NULL, NULL, NULL};

#endif
