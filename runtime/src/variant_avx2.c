/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX2 variant: can this processor run it, and its kernels. */
#include "avx2.h"

#if TRIT_HAVE_AVX2
#include "x86.h"

static int has_avx2(void) {
    return trit_x86_has(0x06) && trit_x86_has_extended(1u << 5, 0);
}

const trit_kernels trit_kernels_avx2 = {has_avx2, trit_conv_bits_avx2, trit_conv_bytes_avx2, NULL};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_avx2 = {never, NULL, NULL, NULL};

#endif
