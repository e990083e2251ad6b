/* SPDX-License-Identifier: Apache-2.0 */
/* The bits of layout.c with AVX-512: 64 positions at a time, whose values of one channel are a register. */
#include "../src/avx512.h"
#include "layout.h"

#if TRIT_HAVE_AVX512

enum { GROUP = 8, GROUPS = TRIT_WORD_BITS / GROUP, QUARTERS = 4, POSITIONS = 64 };

static __mmask64 first_positions(uint32_t count) {
    return count < POSITIONS ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

/* Bits of up to 8 channels, a byte a position. `most` becomes no less than the largest value + 1. */
AVX512_INLINE void pack_group(const int8_t *x, size_t pixels, uint32_t channels, __mmask64 some, __m512i *nonzero,
                              __m512i *sign, __m512i *most) {
    const __m512i one = _mm512_set1_epi8(1), top = _mm512_set1_epi8(-128);
    __m512i row[GROUP], n = _mm512_setzero_si512(), s = n;
    uint32_t c;
    AVX512_UNROLL for (c = 0; c < GROUP; c++)
        row[c] = c < channels ? _mm512_maskz_loadu_epi8(some, x + c * pixels) : _mm512_setzero_si512();
    AVX512_UNROLL for (c = 0; c < GROUP; c++) { /* a | (b & c): from the last on up, from the first on down */
        n = _mm512_ternarylogic_epi32(_mm512_add_epi8(n, n), row[GROUP - 1 - c], one, 0xf8);
        s = _mm512_ternarylogic_epi32(_mm512_srli_epi16(s, 1), row[c], top, 0xf8);
        *most = _mm512_max_epu8(*most, _mm512_add_epi8(row[c], one));
    }
    *nonzero = n;
    *sign = s;
}

/* The groups' bytes of each position as a word, `stride` apart. */
AVX512_INLINE void join(const __m512i bytes[GROUPS], uint32_t count, uint32_t stride, uint32_t *z) {
    const __m512i low01 = _mm512_unpacklo_epi8(bytes[0], bytes[1]), high01 = _mm512_unpackhi_epi8(bytes[0], bytes[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(bytes[2], bytes[3]), high23 = _mm512_unpackhi_epi8(bytes[2], bytes[3]);
    /* four positions of every 16 each */
    const __m512i quarter[QUARTERS] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                                       _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 34, 35, 48, 49, 50, 51);
    uint32_t i;
    AVX512_UNROLL for (i = 0; i < QUARTERS; i++) {
        const __m512i position = _mm512_add_epi32(first, _mm512_set1_epi32((int)(4 * i)));
        const __mmask16 some = _mm512_cmplt_epu32_mask(position, _mm512_set1_epi32((int)count));
        _mm512_mask_i32scatter_epi32(z, some, _mm512_mullo_epi32(position, _mm512_set1_epi32((int)stride)), quarter[i], 4);
    }
}

AVX512 int pack_avx512(const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z) {
    const uint32_t words = trit_words(channels), planes = trit_planes(kind);
    __m512i nonzero[GROUPS], sign[GROUPS], most = _mm512_setzero_si512();
    uint32_t first, word, group;
    for (first = 0; first < pixels; first += POSITIONS) {
        const uint32_t count = pixels - first < POSITIONS ? pixels - first : POSITIONS;
        for (word = 0; word < words; word++) {
            uint32_t *at = z + (size_t)first * planes * words + word;
            AVX512_UNROLL for (group = 0; group < GROUPS; group++) {
                const uint32_t channel = word * TRIT_WORD_BITS + group * GROUP;
                pack_group(x + (size_t)channel * pixels + first, pixels, channel < channels ? channels - channel : 0,
                           first_positions(count), &nonzero[group], &sign[group], &most);
            }
            if (planes == 2) join(nonzero, count, planes * words, at);
            join(sign, count, planes * words, at + (planes - 1) * words);
        }
    }
    return _mm512_cmpgt_epu8_mask(most, _mm512_set1_epi8(2)) == 0;
}

/* Each group's byte of the words of a plane, `stride` apart. */
AVX512_INLINE void split(const uint32_t *x, uint32_t stride, uint32_t count, __m512i bytes[GROUPS]) {
    const __m512i order = _mm512_set_epi32(0x3f3b3733, 0x2f2b2723, 0x1f1b1713, 0x0f0b0703, 0x3e3a3632, 0x2e2a2622,
                                           0x1e1a1612, 0x0e0a0602, 0x3d393531, 0x2d292521, 0x1d191511, 0x0d090501,
                                           0x3c383430, 0x2c282420, 0x1c181410, 0x0c080400);
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i quarter[QUARTERS], low01, high01, low23, high23;
    uint32_t i;
    AVX512_UNROLL for (i = 0; i < QUARTERS; i++) {
        const __m512i position = _mm512_add_epi32(first, _mm512_set1_epi32((int)(AVX512_LANES * i)));
        const __mmask16 some = _mm512_cmplt_epu32_mask(position, _mm512_set1_epi32((int)count));
        const __m512i at = _mm512_mullo_epi32(position, _mm512_set1_epi32((int)stride));
        quarter[i] = _mm512_permutexvar_epi8(order, _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), some, at, x, 4));
    }
    /* 16 bytes of each group in each quarter: transposed */
    low01 = _mm512_shuffle_i32x4(quarter[0], quarter[1], 0x44);
    high01 = _mm512_shuffle_i32x4(quarter[0], quarter[1], 0xee);
    low23 = _mm512_shuffle_i32x4(quarter[2], quarter[3], 0x44);
    high23 = _mm512_shuffle_i32x4(quarter[2], quarter[3], 0xee);
    bytes[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    bytes[1] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
    bytes[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    bytes[3] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
}

/* Values of up to 8 channels. Four bits of either plane share a byte, of which each channel takes its own two: bit 0 of the
 * value is the one, all others are the other. */
AVX512_INLINE void unpack_group(__m512i nonzero, __m512i sign, size_t pixels, uint32_t channels, __mmask64 some,
                                int8_t *z) {
    const __m512i low = _mm512_set1_epi8(0x0f);
    /* low ? a : b */
    const __m512i first = _mm512_ternarylogic_epi32(low, nonzero, _mm512_slli_epi32(sign, 4), 0xca);
    const __m512i second = _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(nonzero, 4), sign, 0xca);
    uint32_t c;
    AVX512_UNROLL for (c = 0; c < GROUP; c++) {
        const __m512i value = _mm512_set1_epi64((long long)(UINT64_C(0x0110101010101010) << c % 4));
        if (c >= channels) break;
        _mm512_mask_storeu_epi8(z + c * pixels, some, _mm512_gf2p8affine_epi64_epi8(c < 4 ? first : second, value, 0));
    }
}

AVX512 void unpack_avx512(const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, int8_t *z) {
    const uint32_t words = trit_words(channels), planes = trit_planes(kind);
    __m512i nonzero[GROUPS], sign[GROUPS];
    uint32_t first, word, group;
    for (group = 0; group < GROUPS; group++) nonzero[group] = _mm512_set1_epi8(-1); /* binary */
    for (first = 0; first < pixels; first += POSITIONS) {
        const uint32_t count = pixels - first < POSITIONS ? pixels - first : POSITIONS;
        for (word = 0; word < words; word++) {
            const uint32_t *at = x + (size_t)first * planes * words + word;
            if (planes == 2) split(at, planes * words, count, nonzero);
            split(at + (planes - 1) * words, planes * words, count, sign);
            AVX512_UNROLL for (group = 0; group < GROUPS; group++) {
                const uint32_t channel = word * TRIT_WORD_BITS + group * GROUP;
                if (channel < channels)
                    unpack_group(nonzero[group], sign[group], pixels, channels - channel, first_positions(count),
                                 z + (size_t)channel * pixels + first);
            }
        }
    }
}

#endif
