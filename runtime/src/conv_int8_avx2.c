/* SPDX-License-Identifier: Apache-2.0 */
/* conv_int8.c with AVX2: the windows' values as 16 bits, two of which one instruction multiplies with two weights of each
 * of 8 channels, once the even and once the odd bytes of the weights' words. */
#include "avx2.h"
#include "gather.h"

#if TRIT_HAVE_AVX2

/* Two values side by side in every lane. */
AVX2_INLINE __m256i repeat_pair(int16_t low, int16_t high) {
    return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)low | (uint32_t)(uint16_t)high << 16));
}

/* The sums of a whole word of channels, or of as many blocks of 8 as n channels take. */
AVX2 static void add_words(const trit_gather *at, uint32_t first, uint32_t count, const uint32_t *const *rows,
                           uint32_t blocks, int32_t *acc) {
    const uint32_t lanes = trit_conv_lanes(at->c);
    __m256i sums[AVX2_BLOCKS];
    uint32_t i, b;
    for (b = 0; b < AVX2_BLOCKS; b++) sums[b] = _mm256_setzero_si256();
    for (i = 0; i < count; i += 4) {
        const int16_t *v = at->values + i;
        const __m256i even = repeat_pair(v[0], v[2]), odd = repeat_pair(v[1], v[3]);
        const size_t word = (size_t)((first + i) / 4) * lanes;
        for (b = 0; b < blocks; b++) {
            const __m256i w = avx2_load(rows[b] + word);
            const __m256i low = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), high = _mm256_srai_epi16(w, 8);
            sums[b] = _mm256_add_epi32(sums[b], _mm256_madd_epi16(low, even));
            sums[b] = _mm256_add_epi32(sums[b], _mm256_madd_epi16(high, odd));
        }
    }
    for (b = 0; b < blocks; b++) {
        __m256i *to = (__m256i *)(acc + b * AVX2_LANES);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), sums[b]));
    }
}

static void add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                      int32_t *acc) {
    const uint32_t blocks = (n + AVX2_LANES - 1) / AVX2_LANES;
    const uint32_t *rows[AVX2_BLOCKS];
    uint32_t b;
    for (b = 0; b < blocks; b++) rows[b] = trit_conv_row(at->c, channel + b * AVX2_LANES);
    add_words(at, first, count, rows, blocks, acc);
}

int trit_conv_int8_avx2(const trit_call *c) {
    if (c->step->lanes < AVX2_LANES || c->step->groups != 1) return 0;
    trit_gather_run(c, add_piece);
    return 1;
}

#endif
