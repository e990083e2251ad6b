/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX2 variant: can this processor run it, and its kernels. */
#include "avx2.h"

#if TRIT_HAVE_AVX2
#include "x86.h"

static int has_avx2(void) {
    return trit_x86_has(0x06) && trit_x86_has_extended(1u << 5, 0);
}

AVX2 static void store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    avx2_conv_store(c, pixel, word, acc);
}

const trit_kernels trit_kernels_avx2 = {
    has_avx2, trit_conv_bits_avx2, trit_conv_bytes_avx2, trit_conv_depthwise_avx2, trit_conv_int8_avx2, store,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_avx2 = {never, NULL, NULL, NULL, NULL, NULL};

#endif
