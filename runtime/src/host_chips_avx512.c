/* SPDX-License-Identifier: Apache-2.0 */
/* correct_word of host_chips_first.c with AVX-512.
 *
 * A row's 64 codes are 32 halfwords: the even codes e, the first half of the block, plus 256 times the odd ones o. The
 * sum of the halfwords modulo 2^16 and that of o, which a shift gives, are all that is needed: that of e is the one
 * less 256 times the other. That is three instructions a row, where widening the codes takes four; the two vector
 * ports that execute them are what limits the loop.
 */
#include "avx512.h"
#include "host_chips.h"

#if TRIT_HAVE_AVX512

#define PARTS 4u       /* of 16 images */

typedef struct half_sums {
    __m512i all, odd;
} half_sums;

AVX512_INLINE half_sums add_rows(half_sums sums, const uint8_t *window, const uint32_t *rows, uint32_t count) {
    uint32_t i;
    AVX512_UNROLL for (i = 0; i < count; i++) {
        const __m512i codes = avx512_load(window + (size_t)rows[i] * TRIT_BLOCK);
        sums.all = _mm512_add_epi16(sums.all, codes);
        sums.odd = _mm512_add_epi16(sums.odd, _mm512_srli_epi16(codes, 8));
    }
    return sums;
}

AVX512_INLINE half_sums subtract(half_sums a, half_sums b) {
    half_sums difference = {_mm512_sub_epi16(a.all, b.all), _mm512_sub_epi16(a.odd, b.odd)};
    return difference;
}

AVX512_INLINE uint32_t at_most(uint32_t count) {
    return count < TRIT_MOST_ROWS ? count : TRIT_MOST_ROWS;
}

/* Adds what a channel's wrong synapses change, a window's worth of them at a time. */
AVX512_INLINE void add_corrections(const trit_word *word, const trit_wrong *wrong, uint32_t channel,
                                   __m512i acc[PARTS]) {
    const uint32_t *higher = wrong->rows[0] + wrong->starts[0][channel];
    const uint32_t *lower = wrong->rows[1] + wrong->starts[1][channel];
    uint32_t up = trit_count_wrong(wrong, 0, channel), down = trit_count_wrong(wrong, 1, channel), i;
    const int32_t zero = word->zero_point * (int32_t)(up - down);
    while (up > 0 || down > 0) {
        const half_sums none = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        const uint32_t up_now = at_most(up), down_now = at_most(down);
        const half_sums sums = subtract(add_rows(none, word->window, higher, up_now),
                                        add_rows(none, word->window, lower, down_now));
        const __m512i even = _mm512_sub_epi16(sums.all, _mm512_slli_epi16(sums.odd, 8));
        acc[0] = _mm512_add_epi32(acc[0], _mm512_cvtepi16_epi32(_mm512_castsi512_si256(even)));
        acc[1] = _mm512_add_epi32(acc[1], _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(even, 1)));
        acc[2] = _mm512_add_epi32(acc[2], _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sums.odd)));
        acc[3] = _mm512_add_epi32(acc[3], _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sums.odd, 1)));
        higher += up_now;
        lower += down_now;
        up -= up_now;
        down -= down_now;
    }
    for (i = 0; i < PARTS && zero != 0; i++) acc[i] = _mm512_sub_epi32(acc[i], _mm512_set1_epi32(zero));
}

AVX512_INLINE void correct(const trit_word *word, int has_two, int has_reads, __m512i below[PARTS],
                           __m512i above[PARTS]) {
    uint32_t left, i;
    for (left = word->touched; left != 0; left &= left - 1) {
        const uint32_t channel = (uint32_t)__builtin_ctz(left);
        const __m512i bit = _mm512_set1_epi32((int32_t)(UINT32_C(1) << channel));
        const __m512i lo = _mm512_set1_epi32(word->lo[channel]);
        const int32_t *exact = word->exact + (size_t)channel * TRIT_BLOCK;
        __m512i acc[PARTS];
        AVX512_UNROLL for (i = 0; i < PARTS; i++) acc[i] = _mm512_setzero_si512();
        add_corrections(word, word->wrong[0], word->channel + channel, acc);
        if (has_reads) add_corrections(word, word->wrong[1], word->channel + channel, acc);
        AVX512_UNROLL for (i = 0; i < PARTS; i++) {
            if (word->step == 2) acc[i] = _mm512_slli_epi32(acc[i], 1);
            acc[i] = _mm512_add_epi32(acc[i], avx512_load(exact + i * AVX512_LANES));
            below[i] = _mm512_mask_or_epi32(below[i], _mm512_cmplt_epi32_mask(acc[i], lo), below[i], bit);
            if (has_two) {
                const __m512i hi = _mm512_set1_epi32(word->hi[channel]);
                above[i] = _mm512_mask_or_epi32(above[i], _mm512_cmpge_epi32_mask(acc[i], hi), above[i], bit);
            }
        }
    }
}

AVX512 void trit_correct_word_avx512(const trit_word *word, uint32_t below[TRIT_BLOCK], uint32_t above[TRIT_BLOCK]) {
    __m512i bits[2][PARTS];
    uint32_t i;
    for (i = 0; i < PARTS; i++) bits[0][i] = bits[1][i] = _mm512_setzero_si512();
    if (word->hi && word->sources == 2)
        correct(word, 1, 1, bits[0], bits[1]);
    else if (word->hi)
        correct(word, 1, 0, bits[0], bits[1]);
    else if (word->sources == 2)
        correct(word, 0, 1, bits[0], bits[1]);
    else
        correct(word, 0, 0, bits[0], bits[1]);
    for (i = 0; i < PARTS; i++) {
        _mm512_storeu_si512(below + i * AVX512_LANES, bits[0][i]);
        _mm512_storeu_si512(above + i * AVX512_LANES, bits[1][i]);
    }
}

#else

void trit_correct_word_avx512(const trit_word *word, uint32_t below[TRIT_BLOCK], uint32_t above[TRIT_BLOCK]) {
    (void)word; /* there is no plan with this variant */
    (void)below;
    (void)above;
}

#endif
