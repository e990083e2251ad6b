/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with AVX2: by tables of sums for whole feature maps, else by counting bits.
 *
 * A table of nibbles counts them (Muła, Kurz & Lemire 2018, "Faster Population Counts Using AVX2 Instructions",
 * section 3.1).
 */
#include "avx2.h"

#if TRIT_HAVE_AVX2

AVX2_INLINE __m256i count_in_bytes(__m256i x) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low);
    return _mm256_add_epi8(_mm256_shuffle_epi8(bits, _mm256_and_si256(x, low)), _mm256_shuffle_epi8(bits, high));
}

#define TABLES_TARGET AVX2
#define TABLES_STORE avx2_conv_store
#include "conv_tables.h"

#define COUNT_TARGET AVX2
#define COUNT_BYTES(x) count_in_bytes((__m256i)(x))
#define COUNT_STORE avx2_conv_store
#include "conv_count.h"

int trit_conv_bits_avx2(const trit_call *c) {
    return convolve_by_tables(c) || convolve_by_counting(c);
}

#endif
