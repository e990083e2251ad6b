/* SPDX-License-Identifier: Apache-2.0 */
/* The AMX variant, for processors that multiply tiles of bytes: Sapphire Rapids and later, under Linux. */
#include "amx.h"
#include "avx2.h"

#if TRIT_HAVE_AMX
#include "x86.h"

static int has_amx(void) {
    return trit_kernels_avx512.available() && trit_x86_has_tiles() && trit_linux_allows_tiles();
}

static void store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    trit_kernels_avx512.store(c, pixel, word, acc);
}

const trit_kernels trit_kernels_amx = {
    has_amx, trit_conv_bits_amx, trit_conv_bytes_amx, trit_conv_depthwise_avx2, trit_conv_int8_avx512, store,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_amx = {never, NULL, NULL, NULL, NULL, NULL};

#endif
