/* SPDX-License-Identifier: Apache-2.0 */
/* The avr variant: for 8-bit registers; depthwise convolutions as in the carry_save variant. */
#include "avr.h"

#if TRIT_HAVE_AVR

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_avr = {
    always,
    TRIT_USES_CONV_BITS ? trit_conv_bits_avr : NULL,
    TRIT_USES_CONV_BYTES ? trit_conv_bytes_avr : NULL,
    TRIT_USES_CONV_DEPTHWISE ? trit_conv_depthwise_sliced : NULL,
    NULL,
    NULL,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_avr = {never, NULL, NULL, NULL, NULL, NULL};

#endif
