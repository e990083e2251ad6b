/* SPDX-License-Identifier: Apache-2.0 */
/* The carry_save variant: plain C for processors without vectors, from the Cortex-M0+ up. */
#include "kernels.h"

/* An AVR has kernels of its own (variant_avr.c). */
#ifndef __AVR__

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_carry_save = {
    always,
    TRIT_USES_CONV_BITS ? trit_conv_bits_carry_save : NULL,
    TRIT_USES_CONV_BYTES ? trit_conv_bytes_lookup : NULL,
    TRIT_USES_CONV_DEPTHWISE ? trit_conv_depthwise_sliced : NULL,
    NULL,
    NULL,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_carry_save = {never, NULL, NULL, NULL, NULL, NULL};

#endif
