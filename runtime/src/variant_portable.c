/* SPDX-License-Identifier: Apache-2.0 */
/* The portable variant: plain C for application processors. */
#include "portable.h"

#if TRIT_HAVE_PORTABLE

static int always(void) {
    return 1;
}

const trit_kernels trit_kernels_portable = {always, trit_conv_bits_portable, NULL, NULL, NULL, NULL};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_portable = {never, NULL, NULL, NULL, NULL, NULL};

#endif
