/* SPDX-License-Identifier: Apache-2.0 */
/* The cpop variant: an instruction for the bits of a word, the rest as in the carry_save variant. */
#include "cpop.h"

#if TRIT_HAVE_CPOP

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_cpop = {always, trit_conv_bits_cpop, trit_conv_bytes_lookup, trit_conv_depthwise_sliced};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_cpop = {never, NULL, NULL, NULL};

#endif
