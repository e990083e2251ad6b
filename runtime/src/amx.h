/* SPDX-License-Identifier: Apache-2.0 */
/* What AMX brings: tiles, and bits as the bytes that it multiplies.
 *
 * A tile is 16 rows of 64 bytes. One instruction multiplies a tile of 16 pixels by 64 values with one of 64 weights of 16
 * output channels, four weights of a channel side by side, and adds to a tile of 16 pixels by 16 sums.
 */
#ifndef TRIT_AMX_H
#define TRIT_AMX_H

#include "avx512.h"

/* Linux alone has the system call that x86.h makes; older compilers do not know the tiles. */
#if TRIT_HAVE_AVX512 && defined(__linux__) && defined(__LP64__) && \
    ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define TRIT_HAVE_AMX 1
#else
#define TRIT_HAVE_AMX 0
#endif

#if TRIT_HAVE_AMX

int trit_conv_bits_amx(const trit_call *c);
int trit_conv_bytes_amx(const trit_call *c);

#define AMX_ROWS 16u
#define AMX_BYTES 64u
#define AMX                                                                                                           \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vpopcntdq,avx512vnni,gfni,popcnt,amx-tile,amx-int8")))
#define AMX_INLINE AMX static inline __attribute__((always_inline))

/* Memory that the compiler must take for read: gcc's tile instructions do not say what they load. */
AMX_INLINE void amx_fence(void) {
    __asm__ volatile("" : : : "memory");
}

/* Gives all eight tiles their full size. */
AMX_INLINE void amx_begin(void) {
    struct {
        uint8_t palette, first[15];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape;
    uint32_t i;
    __builtin_memset(&shape, 0, sizeof shape);
    shape.palette = 1;
    for (i = 0; i < 8; i++) {
        shape.bytes[i] = AMX_BYTES;
        shape.rows[i] = AMX_ROWS;
    }
    amx_fence();
    _tile_loadconfig(&shape);
}

AMX_INLINE void amx_end(void) {
    _tile_release();
}

/* Eight rows of a tile of weights, from a word of 16 channels: row r has bits 4r ... 4r + 3 as bytes -1, 0 or 1. Four bits of
 * either plane share a byte, of which each byte of the row keeps its own two: the one is bit 0, the other all bits above. */
AMX_INLINE void amx_expand_weights(__m512i nonzero, __m512i sign, int8_t *rows) {
    const __m512i low = _mm512_set1_epi8(0x0f), own = _mm512_set1_epi32((int)0x88442211u);
    const __m512i value = _mm512_set1_epi64(0x0ff0f0f0f0f0f0f0);
    const __m512i four = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0x00000000);
    /* low ? a : b */
    const __m512i even = _mm512_ternarylogic_epi32(low, nonzero, _mm512_slli_epi32(sign, 4), 0xca);
    const __m512i odd = _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(nonzero, 4), sign, 0xca);
    uint32_t r;
    AVX512_UNROLL for (r = 0; r < 8; r++) {
        const __m512i byte = _mm512_add_epi8(four, _mm512_set1_epi8((char)(r / 2)));
        const __m512i both = _mm512_and_si512(_mm512_shuffle_epi8(r % 2 ? odd : even, byte), own);
        _mm512_store_si512(rows + r * AMX_BYTES, _mm512_gf2p8affine_epi64_epi8(both, value, 0));
    }
}

/* 64 values of a pixel from the words of its planes. Eight bits of either make a matrix, whose product with row i of the unit
 * matrix is value i. */
AMX_INLINE __m512i amx_expand_pixel(__m128i nonzero, __m128i sign) {
    const __m512i unit = _mm512_set1_epi64((long long)0x8040201008040201u);
    const __m512i spread = _mm512_set_epi64(0x0f07070707070707, 0x0e06060606060606, 0x0d05050505050505,
                                            0x0c04040404040404, 0x0b03030303030303, 0x0a02020202020202,
                                            0x0901010101010101, 0x0800000000000000);
    const __m512i both = _mm512_castsi128_si512(_mm_unpacklo_epi64(sign, nonzero));
    return _mm512_gf2p8affine_epi64_epi8(unit, _mm512_permutexvar_epi8(spread, both), 0);
}

#endif
#endif
