/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c and conv_bytes.c with AMX: the image with its padding becomes bytes, a band of rows at a time. So do the weights:
 * those of a word's channels at once where they are few, else tile by tile while the product before is under way. Images that
 * fill few tiles are left to AVX-512. */
#include "amx_band.h"

#if TRIT_HAVE_AMX

typedef struct work {
    int8_t room[AMX_ROOM]; /* weights' tiles, and behind them a band */
    int32_t sums[AMX_TILES * AMX_ROWS * TRIT_WORD_BITS]; /* of a word's channels at each position */
    int32_t start[AVX512_BLOCKS][AVX512_LANES]; /* of the sums */
} work;

/* 16 channels: their weights in the plan, and as tiles where these are made beforehand, else room for two. */
typedef struct block {
    const uint32_t *w;
    amx_tile *weights;
    int ready;
    const int32_t *start;
    int32_t *sums;
} block;

/* Tiles that are multiplied at a time; `groups` is how often in a band. */
static uint32_t group_tiles(uint32_t tiles, uint32_t *groups) {
    *groups = (tiles + AMX_TILES - 1) / AMX_TILES;
    return (tiles + *groups - 1) / *groups;
}

/* Cycles for 16 channels: a tile of pixels takes 16 a chunk, its weights no less than 48, or 80 where they come from far, and a
 * group 100 to store. AVX-512 takes so many a pixel for a word of weights. Measured on Emerald Rapids; a quarter is for what
 * they leave out. */
static int pays(const trit_call *c, const amx_band *p) {
    const uint32_t bands = (c->out->height + p->height - 1) / p->height;
    const uint32_t steps = p->rows * p->taps * p->chunks, least = AVX512_BLOCKS * steps <= AMX_PANEL ? 48 : 80;
    const uint32_t one_plane = c->in->kind == TRIT_KIND_BINARY || !p->ternary;
    uint32_t groups, tiles = group_tiles(amx_tiles_of(c, p->pitch, p->height), &groups);
    const uint64_t chunk = 16 * tiles > least ? 16 * tiles : least;
    const uint64_t word = !p->is_bits ? 16 : one_plane ? 3 : 7; /* half cycles */
    const uint64_t amx = (steps * chunk + 100) * groups * bands;
    return (uint64_t)c->out->height * c->out->width * trit_conv_row_words(c) * word / 2 > amx + amx / 4;
}

/* 32 values of 16 channels from bit `first` of their words on; those behind the `count`th are 0. */
AMX_INLINE __m512i bits_from(const uint32_t *w, uint32_t words, uint32_t first, uint32_t count) {
    const uint32_t word = first / TRIT_WORD_BITS, shift = first % TRIT_WORD_BITS;
    const __m512i mask = _mm512_set1_epi32(count < TRIT_WORD_BITS ? (int)((1u << count) - 1) : -1);
    __m512i bits = _mm512_srl_epi32(avx512_load(w + (size_t)word * AVX512_LANES), _mm_cvtsi32_si128((int)shift));
    if (word + 1 < words)
        bits = _mm512_or_si512(bits, _mm512_sll_epi32(avx512_load(w + (size_t)(word + 1) * AVX512_LANES),
                                                      _mm_cvtsi32_si128((int)(TRIT_WORD_BITS - shift))));
    return _mm512_and_si512(bits, mask);
}

/* A string's chunk of weights as a tile. `w` is the first of 16 channels' rows, which have `words` words a plane. */
AMX_INLINE void expand_chunk(int is_bits, const amx_band *p, const uint32_t *w, uint32_t words, uint32_t string, uint32_t chunk,
                             int8_t *to) {
    const size_t plane = p->ternary ? words : 0;
    uint32_t i;
    if (is_bits) { /* a word behind the last meets pixels that are 0 */
        const __mmask16 planes = p->ternary ? 0xffff : 0;
        const uint32_t taps_words = (p->values + TRIT_WORD_BITS - 1) / TRIT_WORD_BITS;
        w += (size_t)string * (taps_words << p->ternary) * AVX512_LANES;
        AVX512_UNROLL for (i = 0; i < 2; i++) {
            const uint32_t word = 2 * chunk + i < taps_words ? 2 * chunk + i : 2 * chunk;
            const uint32_t *at = w + (size_t)word * AVX512_LANES;
            const __m512i nonzero = _mm512_mask_loadu_epi32(_mm512_set1_epi32(-1), planes, at);
            const uint32_t *sign = at + (p->ternary ? (size_t)taps_words * AVX512_LANES : 0);
            amx_expand_weights(nonzero, avx512_load(sign), to + i * 8 * AMX_BYTES);
        }
        return;
    }
    for (i = 0; i < 2; i++) {
        const uint32_t value = chunk * AMX_BYTES + i * TRIT_WORD_BITS, first = string * p->values + value;
        const uint32_t count = value < p->values ? p->values - value : 0;
        const uint32_t at = count ? first : 0;
        const __m512i sign = bits_from(w + plane * AVX512_LANES, words, at, count);
        const __m512i all = _mm512_set1_epi32(count < TRIT_WORD_BITS ? (int)((1u << count) - 1) : -1);
        amx_expand_weights(p->ternary ? bits_from(w, words, at, count) : all, sign, to + i * 8 * AMX_BYTES);
    }
}

#define LOAD_START(tile) \
    if (tiles > tile) _tile_loadd(tile, b->start, 0);
#define MULTIPLY(tile, pixels)                                 \
    if (tiles > tile) {                                        \
        _tile_loadd(pixels, at[tile] + offset, step);          \
        if (is_bits)                                           \
            _tile_dpbssd(tile, pixels, 7);                     \
        else                                                   \
            _tile_dpbusd(tile, pixels, 7);                     \
    }
#define STORE(tile) \
    if (tiles > tile) _tile_stored(tile, b->sums + tile * AMX_ROWS * TRIT_WORD_BITS, 4 * TRIT_WORD_BITS);

/* Sums of `tiles` tiles of pixels, at[], for 16 channels. All strings' first chunks come before the next: windows overlap, so
 * that the first level of cache has most of their pixels. */
AMX_INLINE void multiply(uint32_t tiles, int is_bits, const trit_call *c, const amx_band *p, const int8_t *const *at,
                         const block *b) {
    const uint32_t words = trit_conv_row_words(c), strings = p->rows * p->taps, count = strings * p->chunks;
    const size_t step = p->stride[1] * AMX_BYTES, tap_step = c->step->dilation[1] * AMX_BYTES;
    const size_t row_step = c->step->dilation[0] * p->row - p->taps * tap_step;
    uint32_t i, string = 0, tap = 0, next = 0, next_chunk = 0;
    size_t offset = 0, chunk = 0;
    amx_fence();
    LOAD_START(0) LOAD_START(1) LOAD_START(2) LOAD_START(3) LOAD_START(4)
    if (!b->ready) expand_chunk(is_bits, p, b->w, words, 0, 0, b->weights[0]);
    for (i = 0; i < count; i++) {
        if (++next == strings) {
            next = 0;
            next_chunk++;
        }
        if (!b->ready && i + 1 < count)
            expand_chunk(is_bits, p, b->w, words, next, next_chunk, b->weights[(i + 1) % 2]);
        amx_fence();
        _tile_loadd(7, b->weights[b->ready ? i : i % 2], AMX_BYTES);
        MULTIPLY(0, 5) MULTIPLY(1, 6) MULTIPLY(2, 5) MULTIPLY(3, 6) MULTIPLY(4, 5)
        offset += tap_step;
        if (++tap == p->taps) {
            tap = 0;
            offset += row_step;
        }
        if (++string == strings) {
            string = 0;
            chunk += p->chunk;
            offset = chunk;
        }
    }
    STORE(0) STORE(1) STORE(2) STORE(3) STORE(4)
}
#undef LOAD_START
#undef MULTIPLY
#undef STORE

/* One function for each number of tiles, so that each has its own registers. */
typedef void multiply_tiles(const trit_call *c, const amx_band *p, const int8_t *const *at, const block *b);
#define DEFINE(name, tiles, is_bits)                                                                       \
    AMX static void name(const trit_call *c, const amx_band *p, const int8_t *const *at, const block *b) { \
        multiply(tiles, is_bits, c, p, at, b);                                                             \
    }
DEFINE(bits_1, 1, 1)
DEFINE(bits_2, 2, 1)
DEFINE(bits_3, 3, 1)
DEFINE(bits_4, 4, 1)
DEFINE(bits_5, 5, 1)
DEFINE(bytes_1, 1, 0)
DEFINE(bytes_2, 2, 0)
DEFINE(bytes_3, 3, 0)
DEFINE(bytes_4, 4, 0)
DEFINE(bytes_5, 5, 0)
#undef DEFINE

/* Where the sums of 16 channels start: bytes are values and the zero point, whose products are taken away. */
AMX static void set_start(const trit_call *c, const amx_band *p, const uint32_t *w, int32_t *start) {
    const uint32_t words = trit_conv_row_words(c);
    const __m512i fan_in = _mm512_set1_epi32((int)trit_conv_fan_in(c));
    __m512i sum = p->ternary ? _mm512_setzero_si512() : fan_in;
    uint32_t i;
    for (i = 0; !p->is_bits && i < words; i++) {
        const __m512i sign = avx512_load(w + ((size_t)(p->ternary ? words : 0) + i) * AVX512_LANES);
        if (p->ternary) sum = _mm512_add_epi32(sum, _mm512_popcnt_epi32(avx512_load(w + (size_t)i * AVX512_LANES)));
        sum = _mm512_sub_epi32(sum, _mm512_slli_epi32(_mm512_popcnt_epi32(sign), 1));
    }
    if (p->is_bits) sum = _mm512_setzero_si512();
    _mm512_store_si512(start, _mm512_mullo_epi32(sum, _mm512_set1_epi32(-(int)c->in->zero_point)));
}

/* Thresholds of `count` pixels side by side, whole words. */
AMX_INLINE void store_thresholded(const trit_call *c, uint32_t pixel, uint32_t count, uint32_t word,
                                  const int32_t *sums) {
    const uint32_t ternary = c->out->kind == TRIT_KIND_TERNARY, words = trit_words(c->out->channels);
    const int32_t *lo = trit_lower_thresholds(c, word), *hi = ternary ? lo + c->out->channels : lo;
    const __m512i lo0 = avx512_load(lo), lo1 = avx512_load(lo + AVX512_LANES);
    const __m512i hi0 = avx512_load(hi), hi1 = avx512_load(hi + AVX512_LANES);
    const uint32_t flip = *trit_words_at(c, c->parameters, (ternary + 1) * c->out->channels + word);
    uint32_t *at = (uint32_t *)c->z + (size_t)pixel * (words << ternary) + word, i;
    for (i = 0; i < count; i++, at += words << ternary, sums += TRIT_WORD_BITS) {
        const __m512i a0 = avx512_load(sums), a1 = avx512_load(sums + AVX512_LANES);
        uint32_t below = _mm512_cmplt_epi32_mask(a0, lo0) | (uint32_t)_mm512_cmplt_epi32_mask(a1, lo1) << AVX512_LANES;
        if (ternary) {
            uint32_t above = _mm512_cmpge_epi32_mask(a0, hi0) | (uint32_t)_mm512_cmpge_epi32_mask(a1, hi1) << AVX512_LANES;
            at[0] = below | above;
            at[words] = (below ^ flip) & (below | above);
        } else {
            at[0] = below ^ flip;
        }
    }
}

AMX static void store_pixels(const trit_call *c, uint32_t pixel, uint32_t count, uint32_t word,
                             const int32_t *sums) {
    uint32_t i;
    if (trit_is_bits(c->out->kind) && trit_channels_in_word(c->out->channels, word) == TRIT_WORD_BITS) {
        store_thresholded(c, pixel, count, word, sums);
        return;
    }
    for (i = 0; i < count; i++, sums += TRIT_WORD_BITS) {
        const __m512i acc[AVX512_BLOCKS] = {avx512_load(sums), avx512_load(sums + AVX512_LANES)};
        avx512_conv_store(c, pixel + i, word, acc);
    }
}

/* The sums of `count` positions from `first` on, those inside the output. */
AMX static void store_positions(const trit_call *c, const amx_band *p, uint32_t y, uint32_t rows, uint32_t first,
                                uint32_t count, uint32_t word, const int32_t *sums) {
    uint32_t row = first / p->pitch, x = first % p->pitch, i, n;
    for (i = 0; i < count && row < rows; i += n, x = 0, row++) {
        const uint32_t left = c->out->width > x ? c->out->width - x : 0;
        n = p->pitch - x < count - i ? p->pitch - x : count - i;
        store_pixels(c, (y + row) * c->out->width + x, left < n ? left : n, word, sums + i * TRIT_WORD_BITS);
    }
}

/* What the products of a word's channels begin with: their sums' start and, where all fit, their weights. */
AMX static void begin_word(const trit_call *c, const amx_band *p, uint32_t word, work *k) {
    const uint32_t strings = p->rows * p->taps;
    uint32_t half, string, chunk;
    amx_tile *to = (amx_tile *)(void *)k->room;
    for (half = 0; half < AVX512_BLOCKS; half++) {
        const uint32_t channel = word * TRIT_WORD_BITS + half * AVX512_LANES;
        const uint32_t *w = trit_conv_row(c, channel);
        if (channel >= c->out->channels) return;
        set_start(c, p, w, k->start[half]);
        for (chunk = 0; p->panel && chunk < p->chunks; chunk++)
            for (string = 0; string < strings; string++)
                expand_chunk((int)p->is_bits, p, w, trit_conv_row_words(c), string, chunk, *to++);
    }
}

/* Tiles first ... first + tiles - 1 of a band, the channels of one word. */
AMX static void convolve_tiles(const trit_call *c, const amx_band *p, uint32_t y, uint32_t rows, uint32_t first,
                               uint32_t tiles, uint32_t word, work *k) {
    static multiply_tiles *const of_bits[] = {bits_1, bits_2, bits_3, bits_4, bits_5};
    static multiply_tiles *const of_bytes[] = {bytes_1, bytes_2, bytes_3, bytes_4, bytes_5};
    const int8_t *at[AMX_TILES];
    uint32_t i, half;
    for (i = 0; i < tiles; i++) {
        const uint32_t position = (first + i) * AMX_ROWS;
        at[i] = k->room + p->made * sizeof(amx_tile) + (size_t)(position / p->pitch) * p->stride[0] * p->row +
                (size_t)(position % p->pitch) * p->stride[1] * AMX_BYTES;
    }
    for (half = 0; half < AVX512_BLOCKS; half++) {
        const uint32_t channel = word * TRIT_WORD_BITS + half * AVX512_LANES;
        amx_tile *weights = (amx_tile *)(void *)k->room + (p->panel ? half * p->made / AVX512_BLOCKS : 0);
        const block b = {trit_conv_row(c, channel), weights, (int)p->panel, k->start[half],
                         k->sums + half * AVX512_LANES};
        if (channel < c->out->channels) (p->is_bits ? of_bits : of_bytes)[tiles - 1](c, p, at, &b);
    }
    store_positions(c, p, y, rows, first * AMX_ROWS, tiles * AMX_ROWS, word, k->sums);
}

AMX static void convolve_band(const trit_call *c, const amx_band *p, uint32_t y, uint32_t rows, work *k) {
    const uint32_t count = amx_tiles_of(c, p->pitch, rows), words = trit_words(c->out->channels);
    uint32_t groups, tiles = group_tiles(count, &groups), group, word, i;
    amx_fill_band(c, p, y, rows, k->room + p->made * sizeof(amx_tile));
    for (i = 0; i < groups * words; i++) {
        group = p->panel ? i % groups : i / words; /* weights or pixels again */
        word = p->panel ? i / groups : i % words;
        if (!p->panel || group == 0) begin_word(c, p, word, k);
        group *= tiles; /* the last may take some of the tiles before it again */
        convolve_tiles(c, p, y, rows, group + tiles <= count ? group : count - tiles, tiles, word, k);
    }
}

AMX static void convolve(const trit_call *c, const amx_band *p) {
    __attribute__((aligned(64))) work k;
    uint32_t y;
    amx_begin();
    for (y = 0; y < c->out->height; y += p->height)
        convolve_band(c, p, y, c->out->height - y < p->height ? c->out->height - y : p->height, &k);
    amx_end();
}

int trit_conv_bits_amx(const trit_call *c) {
    amx_band p;
    if (c->step->lanes != AVX512_LANES || !amx_lay_out(c, &p) || !pays(c, &p)) return trit_conv_bits_avx512(c);
    convolve(c, &p);
    return 1;
}

int trit_conv_bytes_amx(const trit_call *c) {
    amx_band p;
    if (c->step->lanes != AVX512_LANES || c->step->groups != 1 || c->step->dilation[1] != 1 || !amx_lay_out(c, &p) ||
        !pays(c, &p))
        return trit_conv_bytes_avx512(c);
    convolve(c, &p);
    return 1;
}

#endif
