/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c with AMX: bits become bytes -1, 0, 1, rows of pixels with their padding a band at a time and weights tile by
 * tile, while the product before them is still under way. Small images and few channels are left to AVX-512. */
#include "amx.h"
#include "conv_bits.h"

#if TRIT_HAVE_AMX

#define BAND_BYTES 49152u /* the stack's share */

/* How an image lies in tiles. Position q of a band is column q % pitch of its output row q / pitch. */
typedef struct plan {
    uint32_t chunks;      /* of 64 channels, one behind the other: a pixel's bytes of the next are `plane` on */
    uint32_t width;       /* of a row with its padding, in pixels of a chunk */
    size_t row, plane;    /* bytes */
    uint32_t pitch, rows; /* of a band, in positions and output rows */
} plan;

typedef struct work {
    int8_t pixels[BAND_BYTES];
    int8_t weights[2][AMX_ROWS * AMX_BYTES];
    int32_t sums[AMX_TILES * AMX_ROWS][TRIT_WORD_BITS];
} work;

static uint32_t tiles_of(const trit_call *c, uint32_t pitch, uint32_t rows) {
    return ((rows - 1) * pitch + c->out->width + AMX_ROWS - 1) / AMX_ROWS;
}

/* Rows under the windows of `rows` output rows. */
static uint32_t height_of(const trit_call *c, uint32_t rows) {
    return (rows - 1) * c->step->stride[0] + (uint32_t)(c->step->kernel[0] - 1) * c->step->dilation[0] + 1;
}

/* Bytes of a band as far as its tiles reach: behind its last row too, for positions that are not stored. */
static size_t band_bytes(const trit_call *c, const plan *p, uint32_t rows) {
    const trit_step *s = c->step;
    const uint32_t last = tiles_of(c, p->pitch, rows) * AMX_ROWS - 1;
    const size_t y = (size_t)(last / p->pitch) * s->stride[0] + (size_t)(s->kernel[0] - 1) * s->dilation[0];
    const size_t x = (size_t)(last % p->pitch) * s->stride[1] + (size_t)(s->kernel[1] - 1) * s->dilation[1];
    return (p->chunks - 1) * height_of(c, rows) * p->row + y * p->row + (x + 1) * AMX_BYTES;
}

/* Returns 0 where not even one output row fits. */
static int make_plan(const trit_call *c, plan *p) {
    const trit_step *s = c->step;
    const uint32_t apart = (c->out->width + AMX_ROWS - 1) / AMX_ROWS * AMX_ROWS;
    uint32_t bands;
    p->chunks = (trit_words(c->in->channels) + 1) / 2;
    p->width = (c->out->width - 1) * s->stride[1] + (uint32_t)(s->kernel[1] - 1) * s->dilation[1] + 1;
    p->row = (size_t)p->width * AMX_BYTES;
    p->pitch = apart;
    p->rows = c->out->height;
    /* Rows one behind the other, with their padding in between, may fill fewer tiles than rows that begin one each. */
    if (s->stride[0] == s->stride[1] && tiles_of(c, p->width, p->rows) < tiles_of(c, apart, p->rows)) p->pitch = p->width;
    while (p->rows > 0 && band_bytes(c, p, p->rows) > BAND_BYTES) p->rows--;
    if (p->rows == 0) return 0;
    bands = (c->out->height + p->rows - 1) / p->rows;
    p->rows = (c->out->height + bands - 1) / bands;
    p->plane = height_of(c, p->rows) * p->row;
    return 1;
}

/* Words first, first + 1 of a pixel's planes as bytes; a byte's eight bits of each plane make a matrix of which row i of the
 * unit matrix takes those of value i. */
AMX_INLINE __m512i expand_pixel(const uint32_t *a, uint32_t words, int ternary, __mmask8 some, __m128i valid) {
    const __m512i unit = _mm512_set1_epi64((long long)0x8040201008040201u);
    const __m512i spread = _mm512_set_epi64(0x0f07070707070707, 0x0e06060606060606, 0x0d05050505050505,
                                            0x0c04040404040404, 0x0b03030303030303, 0x0a02020202020202,
                                            0x0901010101010101, 0x0800000000000000);
    const __m128i sign = _mm_maskz_loadu_epi32(some, a + (ternary ? words : 0));
    const __m128i nonzero = ternary ? _mm_maskz_loadu_epi32(some, a) : valid;
    const __m512i both = _mm512_castsi128_si512(_mm_unpacklo_epi64(sign, nonzero));
    return _mm512_gf2p8affine_epi64_epi8(unit, _mm512_permutexvar_epi8(spread, both), 0);
}

/* `count` pixels at `a` of all chunks. */
AMX static void expand_pixels(const trit_call *c, const plan *p, const uint32_t *a, uint32_t count, int8_t *to) {
    const int ternary = c->in->kind == TRIT_KIND_TERNARY;
    const uint32_t words = trit_words(c->in->channels);
    uint32_t chunk, i;
    for (chunk = 0; chunk < p->chunks; chunk++) {
        const uint32_t first = 2 * chunk, two = first + 1 < words;
        const __mmask8 some = two ? 3 : 1;
        const __m128i valid = _mm_setr_epi32((int)trit_word_mask(c->in->channels, first),
                                             two ? (int)trit_word_mask(c->in->channels, first + 1) : 0, 0, 0);
        const uint32_t *from = a + first;
        int8_t *at = to + chunk * p->plane;
        for (i = 0; i < count; i++, from += words << ternary)
            _mm512_store_si512(at + i * AMX_BYTES, expand_pixel(from, words, ternary, some, valid));
    }
}

AMX static void clear_pixels(const plan *p, uint32_t count, int8_t *to) {
    uint32_t chunk, i;
    for (chunk = 0; chunk < p->chunks; chunk++, to += p->plane)
        for (i = 0; i < count; i++) _mm512_store_si512(to + i * AMX_BYTES, _mm512_setzero_si512());
}

/* The pixels under the windows of output rows y ... y + rows - 1. */
AMX static void expand_band(const trit_call *c, const plan *p, uint32_t y, uint32_t rows, int8_t *to) {
    const int32_t top = trit_rows(c, y).start;
    const uint32_t padding = (uint32_t)-trit_columns(c, 0).start, before = padding < p->width ? padding : p->width;
    const uint32_t inside = c->in->width < p->width - before ? c->in->width : p->width - before;
    const size_t words = (size_t)trit_planes(c->in->kind) * trit_words(c->in->channels);
    uint32_t i;
    for (i = 0; i < height_of(c, rows); i++, to += p->row) {
        const int64_t row = (int64_t)top + i;
        if (row < 0 || row >= (int64_t)c->in->height) {
            clear_pixels(p, p->width, to);
            continue;
        }
        clear_pixels(p, before, to);
        expand_pixels(c, p, (const uint32_t *)c->x + (size_t)row * c->in->width * words, inside, to + before * AMX_BYTES);
        clear_pixels(p, p->width - before - inside, to + (before + inside) * AMX_BYTES);
    }
}

#define MULTIPLY(tile, pixels)                              \
    if (tiles > tile) {                                     \
        _tile_loadd(pixels, a->at[tile] + offset, a->step); \
        _tile_dpbssd(tile, pixels, 7);                      \
    }
#define STORE(tile) \
    if (tiles > tile) _tile_stored(tile, sums[tile * AMX_ROWS], sizeof sums[0]);

/* Sums of `tiles` tiles of pixels for 16 channels, whose weights are at `w`. All taps of a chunk before the next chunk: the
 * windows overlap, so that the first level of cache serves most of them. */
AMX_INLINE void multiply(uint32_t tiles, const amx_pixels *a, const uint32_t *w, uint32_t words, int ternary,
                         int8_t weights[2][AMX_ROWS * AMX_BYTES], int32_t (*sums)[TRIT_WORD_BITS]) {
    const size_t tap_words = (size_t)(words << ternary) * AVX512_LANES;
    const uint32_t taps = a->rows * a->taps, count = taps * a->chunks;
    const uint32_t *next = w;
    uint32_t i, tap = 0, column = 0, next_tap = 0, next_chunk = 0;
    size_t offset = 0, chunk_offset = 0;
    if (tiles > 0) _tile_zero(0);
    if (tiles > 1) _tile_zero(1);
    if (tiles > 2) _tile_zero(2);
    if (tiles > 3) _tile_zero(3);
    if (tiles > 4) _tile_zero(4);
    amx_expand_chunk(w, words, ternary, 0, weights[0]);
    for (i = 0; i < count; i++) {
        next += tap_words;
        if (++next_tap == taps) {
            next_tap = 0;
            next = w;
            next_chunk++;
        }
        if (i + 1 < count) amx_expand_chunk(next, words, ternary, next_chunk, weights[(i + 1) % 2]);
        amx_fence();
        _tile_loadd(7, weights[i % 2], AMX_BYTES);
        MULTIPLY(0, 5)
        MULTIPLY(1, 6)
        MULTIPLY(2, 5)
        MULTIPLY(3, 6)
        MULTIPLY(4, 5)
        offset += a->tap;
        if (++column == a->taps) {
            column = 0;
            offset += a->row - a->taps * a->tap;
        }
        if (++tap == taps) {
            tap = 0;
            offset = chunk_offset += a->chunk;
        }
    }
    STORE(0) STORE(1) STORE(2) STORE(3) STORE(4)
}
#undef MULTIPLY
#undef STORE

/* One function for each number of tiles, so that each has its own registers. */
#define DEFINE(tiles)                                                                                            \
    AMX static void multiply_##tiles(const amx_pixels *a, const uint32_t *w, uint32_t words, int ternary,            \
                                     int8_t weights[2][AMX_ROWS * AMX_BYTES], int32_t (*sums)[TRIT_WORD_BITS]) { \
        multiply(tiles, a, w, words, ternary, weights, sums);                                                    \
    }
DEFINE(1)
DEFINE(2)
DEFINE(3)
DEFINE(4)
DEFINE(5)
#undef DEFINE

/* The output stage for `count` pixels that lie side by side. */
AMX static void store_pixels(const trit_call *c, uint32_t pixel, uint32_t count, uint32_t word,
                             int32_t (*sums)[TRIT_WORD_BITS]) {
    const uint32_t words = trit_words(c->out->channels), ternary = c->out->kind == TRIT_KIND_TERNARY;
    uint32_t i;
    if (!trit_is_bits(c->out->kind) || trit_channels_in_word(c->out->channels, word) < TRIT_WORD_BITS) {
        for (i = 0; i < count; i++) {
            const __m512i acc[AVX512_BLOCKS] = {avx512_load(sums[i]), avx512_load(sums[i] + AVX512_LANES)};
            avx512_conv_store(c, pixel + i, word, acc);
        }
        return;
    }
    {
        const int32_t *lo = trit_lower_thresholds(c, word), *hi = lo + c->out->channels * ternary;
        const __m512i lo0 = avx512_load(lo), lo1 = avx512_load(lo + AVX512_LANES);
        const __m512i hi0 = avx512_load(hi), hi1 = avx512_load(hi + AVX512_LANES);
        const uint32_t flip = *trit_words_at(c, c->step->parameters, (ternary + 1) * c->out->channels + word);
        uint32_t *at = (uint32_t *)c->z + (size_t)pixel * (words << ternary) + word;
        for (i = 0; i < count; i++, at += words << ternary) {
            const __m512i a0 = avx512_load(sums[i]), a1 = avx512_load(sums[i] + AVX512_LANES);
            uint32_t below = _mm512_cmplt_epi32_mask(a0, lo0) | (uint32_t)_mm512_cmplt_epi32_mask(a1, lo1) << 16;
            if (ternary) {
                uint32_t above = _mm512_cmpge_epi32_mask(a0, hi0) | (uint32_t)_mm512_cmpge_epi32_mask(a1, hi1) << 16;
                at[0] = below | above;
                at[words] = (below ^ flip) & (below | above);
            } else {
                at[0] = below ^ flip;
            }
        }
    }
}

/* The sums of `count` positions from `first` on, those inside the output. */
AMX static void store_positions(const trit_call *c, const plan *p, uint32_t y, uint32_t rows, uint32_t first,
                                uint32_t count, uint32_t word, int32_t (*sums)[TRIT_WORD_BITS]) {
    uint32_t row = first / p->pitch, x = first % p->pitch, i = 0;
    for (; i < count && row < rows; row++) {
        const uint32_t n = p->pitch - x < count - i ? p->pitch - x : count - i;
        const uint32_t left = c->out->width > x ? c->out->width - x : 0;
        store_pixels(c, (y + row) * c->out->width + x, left < n ? left : n, word, sums + i);
        i += n;
        x = 0;
    }
}

/* Tiles first ... first + tiles - 1 of a band, all output channels. */
AMX static void convolve_tiles(const trit_call *c, const plan *p, uint32_t y, uint32_t rows, uint32_t first,
                               uint32_t tiles, work *k) {
    static void (*const run[])(const amx_pixels *, const uint32_t *, uint32_t, int, int8_t (*)[AMX_ROWS * AMX_BYTES],
                               int32_t (*)[TRIT_WORD_BITS]) = {multiply_1, multiply_2, multiply_3, multiply_4, multiply_5};
    const trit_step *s = c->step;
    const uint32_t words = trit_words(c->in->channels);
    amx_pixels a;
    uint32_t i, channel;
    for (i = 0; i < tiles; i++) {
        const uint32_t position = (first + i) * AMX_ROWS, row = position / p->pitch, x = position % p->pitch;
        a.at[i] = k->pixels + (size_t)row * s->stride[0] * p->row + (size_t)x * s->stride[1] * AMX_BYTES;
    }
    a.step = (size_t)s->stride[1] * AMX_BYTES;
    a.row = s->dilation[0] * p->row;
    a.tap = (size_t)s->dilation[1] * AMX_BYTES;
    a.chunk = p->plane;
    a.rows = s->kernel[0];
    a.taps = s->kernel[1];
    a.chunks = p->chunks;
    for (channel = 0; channel < c->out->channels; channel += AVX512_LANES) {
        const uint32_t half = channel % TRIT_WORD_BITS;
        run[tiles - 1](&a, trit_conv_row(c, channel), words, s->weight_kind == TRIT_KIND_TERNARY, k->weights,
                       (int32_t (*)[TRIT_WORD_BITS])(void *)&k->sums[0][half]);
        if (half || channel + AVX512_LANES >= c->out->channels)
            store_positions(c, p, y, rows, first * AMX_ROWS, tiles * AMX_ROWS, channel / TRIT_WORD_BITS, k->sums);
    }
}

AMX static void convolve_band(const trit_call *c, const plan *p, uint32_t y, uint32_t rows, work *k) {
    const uint32_t count = tiles_of(c, p->pitch, rows), groups = (count + AMX_TILES - 1) / AMX_TILES;
    const uint32_t tiles = (count + groups - 1) / groups;
    uint32_t first;
    expand_band(c, p, y, rows, k->pixels);
    for (first = 0; first < count; first += tiles) /* the last may take some of those before it again */
        convolve_tiles(c, p, y, rows, first + tiles <= count ? first : count - tiles, tiles, k);
}

AMX static void convolve(const trit_call *c, const plan *p) {
    __attribute__((aligned(64))) work k;
    uint32_t y;
    amx_begin();
    for (y = 0; y < c->out->height; y += p->rows)
        convolve_band(c, p, y, c->out->height - y < p->rows ? c->out->height - y : p->rows, &k);
    amx_end();
}

int trit_conv_bits_amx(const trit_call *c) {
    plan p;
    if (c->step->lanes != AVX512_LANES || !make_plan(c, &p)) return trit_conv_bits_avx512(c);
    convolve(c, &p);
    return 1;
}

#endif
