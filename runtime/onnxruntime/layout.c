/* SPDX-License-Identifier: Apache-2.0 */
/* A block of positions at a time, whose values of one channel lie side by side: compilers make vectors of the loops. */
#include "layout.h"

#include <string.h>

#include "../src/avx2.h"
#include "../src/avx512.h"

enum { BLOCK = 256, GROUP = 8, GROUPS = TRIT_WORD_BITS / GROUP };

/* Bits of up to 8 channels at each of `count` positions, a byte a position; returns the largest value + 1. */
TRIT_INLINE uint8_t pack_group(const int8_t *x, size_t pixels, uint32_t channels, uint32_t count,
                               uint8_t nonzero[BLOCK], uint8_t sign[BLOCK]) {
    static const uint8_t none[BLOCK] = {0};
    const uint8_t *row[GROUP];
    uint8_t most = 0;
    uint32_t i, c;
    for (c = 0; c < GROUP; c++) row[c] = c < channels ? (const uint8_t *)x + c * pixels : none;
    for (i = 0; i < count; i++) {
        uint8_t n = 0, s = 0, next;
#define CHANNEL(c)                                          \
    next = (uint8_t)(row[c][i] + 1);                        \
    most = next > most ? next : most;                       \
    n = (uint8_t)(n + n + (row[c][i] & 1));                 \
    s = (uint8_t)(s + s + ((int8_t)row[c][i] < 0 ? 1 : 0));
        CHANNEL(7) CHANNEL(6) CHANNEL(5) CHANNEL(4) CHANNEL(3) CHANNEL(2) CHANNEL(1) CHANNEL(0)
#undef CHANNEL
        nonzero[i] = n;
        sign[i] = s;
    }
    return most;
}

TRIT_INLINE void join(uint8_t bytes[GROUPS][BLOCK], uint32_t count, uint32_t stride, uint32_t *z) {
    uint32_t word[BLOCK], i;
    for (i = 0; i < count; i++)
        word[i] = bytes[0][i] | (uint32_t)bytes[1][i] << 8 | (uint32_t)bytes[2][i] << 16 | (uint32_t)bytes[3][i] << 24;
    for (i = 0; i < count; i++) z[(size_t)i * stride] = word[i];
}

TRIT_INLINE int pack_all(const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z) {
    uint32_t words = trit_words(channels), planes = trit_planes(kind), first, word, group;
    uint8_t nonzero[GROUPS][BLOCK], sign[GROUPS][BLOCK], most = 0;
    for (first = 0; first < pixels; first += BLOCK) {
        uint32_t count = pixels - first < BLOCK ? pixels - first : BLOCK;
        for (word = 0; word < words; word++) {
            uint32_t *at = z + (size_t)first * planes * words + word;
            for (group = 0; group < GROUPS; group++) {
                uint32_t channel = word * TRIT_WORD_BITS + group * GROUP;
                uint32_t left = channel < channels ? channels - channel : 0;
                const int8_t *from = left ? x + (size_t)channel * pixels + first : x;
                uint8_t next = pack_group(from, pixels, left < GROUP ? left : GROUP, count, nonzero[group], sign[group]);
                most = next > most ? next : most;
            }
            if (planes == 2) join(nonzero, count, planes * words, at);
            join(sign, count, planes * words, at + (planes - 1) * words);
        }
    }
    return most <= 2;
}

/* Byte `group` of the words of a plane at each of `count` positions. */
TRIT_INLINE void split(const uint32_t *x, uint32_t stride, uint32_t count, uint8_t bytes[GROUPS][BLOCK]) {
    uint32_t word[BLOCK], i, group;
    for (i = 0; i < count; i++) word[i] = x[(size_t)i * stride];
    for (group = 0; group < GROUPS; group++)
        for (i = 0; i < count; i++) bytes[group][i] = (uint8_t)(word[i] >> (8 * group));
}

TRIT_INLINE void unpack_all(const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, int8_t *z) {
    uint32_t words = trit_words(channels), planes = trit_planes(kind), first, word, c, i;
    uint8_t nonzero[GROUPS][BLOCK], sign[GROUPS][BLOCK];
    memset(nonzero, 255, sizeof nonzero); /* binary */
    for (first = 0; first < pixels; first += BLOCK) {
        uint32_t count = pixels - first < BLOCK ? pixels - first : BLOCK;
        for (word = 0; word < words; word++) {
            const uint32_t *at = x + (size_t)first * planes * words + word;
            if (planes == 2) split(at, planes * words, count, nonzero);
            split(at + (planes - 1) * words, planes * words, count, sign);
            for (c = 0; c < TRIT_WORD_BITS && word * TRIT_WORD_BITS + c < channels; c++) {
                uint8_t *to = (uint8_t *)z + (size_t)(word * TRIT_WORD_BITS + c) * pixels + first;
                const uint8_t *n = nonzero[c / GROUP], *s = sign[c / GROUP], bit = (uint8_t)(1u << c % GROUP);
                for (i = 0; i < count; i++) to[i] = (uint8_t)((n[i] & bit ? 1 : 0) | (s[i] & bit ? 255 : 0));
            }
        }
    }
}

#define INSTANCE(name, target)                                                                                   \
    target static int pack_##name(const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z) { \
        return pack_all(x, channels, pixels, kind, z);                                                           \
    }                                                                                                            \
    target static void unpack_##name(const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, int8_t *z) { \
        unpack_all(x, channels, pixels, kind, z);                                                                \
    }
INSTANCE(anywhere, )
#if TRIT_HAVE_AVX2
INSTANCE(avx2, AVX2)
#endif

int pack_planar(trit_variant variant, const int8_t *x, uint32_t channels, uint32_t pixels, uint32_t kind, uint32_t *z) {
#if TRIT_HAVE_AVX512
    if (trit_uses_avx512(variant)) return pack_avx512(x, channels, pixels, kind, z);
#endif
#if TRIT_HAVE_AVX2
    if (variant == TRIT_VARIANT_AVX2) return pack_avx2(x, channels, pixels, kind, z);
#endif
    (void)variant;
    return pack_anywhere(x, channels, pixels, kind, z);
}

void unpack_planar(trit_variant variant, const uint32_t *x, uint32_t channels, uint32_t pixels, uint32_t kind,
                   int8_t *z) {
#if TRIT_HAVE_AVX512
    if (trit_uses_avx512(variant)) {
        unpack_avx512(x, channels, pixels, kind, z);
        return;
    }
#endif
#if TRIT_HAVE_AVX2
    if (variant == TRIT_VARIANT_AVX2) {
        unpack_avx2(x, channels, pixels, kind, z);
        return;
    }
#endif
    (void)variant;
    unpack_anywhere(x, channels, pixels, kind, z);
}

enum { BYTES = 4 }; /* channels whose bytes move as one word */

/* `count` bytes of each of four rows to and from words, `stride` bytes apart. */
TRIT_INLINE void words_of_rows(const uint8_t *x, size_t pixels, uint32_t count, uint8_t *z, size_t stride) {
    uint32_t word[BLOCK], i;
    for (i = 0; i < count; i++)
        word[i] = x[i] | (uint32_t)x[pixels + i] << 8 | (uint32_t)x[2 * pixels + i] << 16 |
                  (uint32_t)x[3 * pixels + i] << 24;
    for (i = 0; i < count; i++) memcpy(z + i * stride, &word[i], BYTES);
}

TRIT_INLINE void rows_of_words(const uint8_t *x, size_t stride, uint32_t count, uint8_t *z, size_t pixels) {
    uint32_t word[BLOCK], i, row;
    for (i = 0; i < count; i++) memcpy(&word[i], x + i * stride, BYTES);
    for (row = 0; row < BYTES; row++)
        for (i = 0; i < count; i++) z[row * pixels + i] = (uint8_t)(word[i] >> (8 * row));
}

void interleave_bytes(const uint8_t *x, uint32_t channels, uint32_t pixels, uint8_t *z) {
    uint32_t first, c, i;
    for (first = 0; first < pixels; first += BLOCK) {
        uint32_t count = pixels - first < BLOCK ? pixels - first : BLOCK;
        uint8_t *to = z + (size_t)first * channels;
        for (c = 0; c + BYTES <= channels; c += BYTES)
            words_of_rows(x + (size_t)c * pixels + first, pixels, count, to + c, channels);
        for (; c < channels; c++)
            for (i = 0; i < count; i++) to[(size_t)i * channels + c] = x[(size_t)c * pixels + first + i];
    }
}

void separate_bytes(const uint8_t *x, uint32_t channels, uint32_t pixels, uint8_t *z) {
    uint32_t first, c, i;
    for (first = 0; first < pixels; first += BLOCK) {
        uint32_t count = pixels - first < BLOCK ? pixels - first : BLOCK;
        const uint8_t *from = x + (size_t)first * channels;
        for (c = 0; c + BYTES <= channels; c += BYTES)
            rows_of_words(from + c, channels, count, z + (size_t)c * pixels + first, pixels);
        for (; c < channels; c++)
            for (i = 0; i < count; i++) z[(size_t)c * pixels + first + i] = from[(size_t)i * channels + c];
    }
}

/* Tiles, so that neither side's lines leave the cache before they are full. */
void transpose_words(const uint32_t *x, uint32_t rows, uint32_t columns, uint32_t *z) {
    enum { TILE = 16 };
    uint32_t first, i, j;
    for (first = 0; first < columns; first += TILE) {
        uint32_t end = columns - first < TILE ? columns : first + TILE;
        for (i = 0; i < rows; i++)
            for (j = first; j < end; j++) z[(size_t)j * rows + i] = x[(size_t)i * columns + j];
    }
}
