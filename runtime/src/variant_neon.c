/* SPDX-License-Identifier: Apache-2.0 */
/* The NEON variant, for 64-bit ARM. */
#include "neon.h"

#if TRIT_HAVE_NEON

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_neon = {always, trit_conv_bits_neon, NULL, NULL, NULL, NULL};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_neon = {never, NULL, NULL, NULL, NULL, NULL};

#endif
