/* SPDX-License-Identifier: Apache-2.0 */
/* What the AMX kernels share: the tiles, and the product of pixels and weights that fills them.
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

#define AMX_ROWS 16u
#define AMX_BYTES 64u
#define AMX_TILES 5u /* of pixels at a time: their sums, and two more tiles for pixels and one for weights are all eight */
#define AMX __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vpopcntdq,avx512vnni,gfni,popcnt,amx-tile," \
                                  "amx-int8")))
#define AMX_INLINE AMX static inline __attribute__((always_inline))

/* Pixels as bytes, where the window of output position q begins at the `at` of its tile, `step` bytes further each. A
 * string of 64 values follows the other `chunks` times, `taps` times with a_tap from one to the next, and so on. */
typedef struct amx_pixels {
    const int8_t *at[AMX_TILES];
    size_t step, row, tap, chunk;
    uint32_t rows, taps, chunks;
} amx_pixels;

/* Memory that the compiler must take for read and written: its tile instructions do not say what they load. */
AMX_INLINE void amx_fence(void) {
    __asm__ volatile("" : : : "memory");
}

/* Loads eight tiles' shape; every one is whole. */
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

/* Eight rows of a tile of weights: a word of 16 channels, of which row r has bits 4r ... 4r + 3 as bytes. The planes' four
 * bits make one byte, of which each of four bytes keeps two: bit 0 of the weight is the one, all others are the other. */
AMX_INLINE void amx_expand_weights(__m512i nonzero, __m512i sign, int8_t *rows) {
    const __m512i low = _mm512_set1_epi8(0x0f), bits = _mm512_set1_epi32((int)0x88442211u);
    const __m512i value = _mm512_set1_epi64(0x0ff0f0f0f0f0f0f0);
    const __m512i four = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0x00000000);
    /* low ? a : b */
    const __m512i even = _mm512_ternarylogic_epi32(low, nonzero, _mm512_slli_epi32(sign, 4), 0xca);
    const __m512i odd = _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(nonzero, 4), sign, 0xca);
    uint32_t r;
    AVX512_UNROLL for (r = 0; r < 8; r++) {
        const __m512i byte = _mm512_add_epi8(four, _mm512_set1_epi8((char)(r / 2)));
        const __m512i both = _mm512_shuffle_epi8(r % 2 ? odd : even, byte);
        _mm512_store_si512(rows + r * AMX_BYTES, _mm512_gf2p8affine_epi64_epi8(_mm512_and_si512(both, bits), value, 0));
    }
}

/* Words 2k and 2k + 1 of a string of `words` words at `w`, a plane after the other; behind the last is any weight. */
AMX_INLINE void amx_expand_chunk(const uint32_t *w, uint32_t words, int ternary, uint32_t k, int8_t *tile) {
    const __mmask16 has = ternary ? 0xffff : 0;
    uint32_t i;
    AVX512_UNROLL for (i = 0; i < 2; i++) {
        const uint32_t word = 2 * k + i < words ? 2 * k + i : 2 * k;
        const uint32_t *at = w + (size_t)word * AVX512_LANES, *sign = at + (ternary ? (size_t)words * AVX512_LANES : 0);
        amx_expand_weights(_mm512_mask_loadu_epi32(_mm512_set1_epi32(-1), has, at), avx512_load(sign),
                           tile + i * 8 * AMX_BYTES);
    }
}

#endif
#endif
