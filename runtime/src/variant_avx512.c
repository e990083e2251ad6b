/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX-512 variant, for processors that count bits and multiply bytes and matrices of bits in it: Ice Lake, Zen 4 and
 * later. */
#include "avx2.h"
#include "avx512.h"

#if TRIT_HAVE_AVX512
#include "x86.h"

static int has_avx512(void) {
    const unsigned f = 1u << 16, bw = 1u << 30, vbmi = 1u << 1, gfni = 1u << 8, vnni = 1u << 11,
                   vpopcntdq = 1u << 14;
    return trit_x86_has(0xe6) && trit_x86_has_extended(f | bw, vbmi | gfni | vnni | vpopcntdq);
}

AVX512 static void store(const trit_call *c, uint32_t pixel, uint32_t word, const int32_t acc[TRIT_WORD_BITS]) {
    const __m512i values[AVX512_BLOCKS] = {avx512_load(acc), avx512_load(acc + AVX512_LANES)};
    avx512_conv_store(c, pixel, word, values);
}

const trit_kernels trit_kernels_avx512 = {
    has_avx512, trit_conv_bits_avx512, trit_conv_bytes_avx512, trit_conv_depthwise_avx2, trit_conv_int8_avx512, store,
};

#else

static int never(void) {
    return 0;
}

const trit_kernels trit_kernels_avx512 = {never, NULL, NULL, NULL, NULL, NULL};

#endif
