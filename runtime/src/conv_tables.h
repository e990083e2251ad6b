/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits without counting bits, for whole feature maps: sums of weights are looked up.
 *
 * Four weights of 64 output channels meet one of 16 patterns of activations. A table of the 16 sums, one byte a channel, is
 * made once for many pixels, and every pixel adds up the rows that its activations name ("Four Russians": Arlazarov
 * et al. 1970; T-MAC, Wei et al. 2024, looks up the activations instead). One addition of bytes does what xor, count
 * and add do in counting, for ternary weights as for binary ones. A ternary activation takes two lookups.
 *
 * Each kernel file that includes this one, which therefore has no guard, defines TABLES_TARGET, an attribute for the
 * functions, and TABLES_STORE, its output stage, and calls convolve_by_tables. The vectors are the compiler's: two
 * registers of AVX2, four of SSE2 or NEON.
 */
#include "conv.h"

#define TABLE_LANES 16u      /* interleaved channels of the weights */
#define TABLE_CHANNELS 64u
#define TABLE_BLOCKS (TABLE_CHANNELS / TABLE_LANES)
#define TABLE_HALVES 2u      /* vectors of 32 channels */
#define TABLE_SUMS 4u         /* vectors of 16 sums: even and odd channels of each half */
#define TABLE_PATTERNS 16u   /* of a nibble of activations */
#define TABLE_NIBBLES 8u     /* of a word */
#define TABLE_WORDS 2u       /* whose sums fit a byte: 2 * 32 < 128 */
#define TABLE_PIXELS 256u    /* that share a table at most */
#define TABLE_FEWEST 32u     /* for which it pays */
#define TABLE_LONGEST 32767u /* products whose sum fits 16 bits */
#define TABLES_INLINE TABLES_TARGET static inline __attribute__((always_inline))

typedef __attribute__((vector_size(32))) int8_t table_bytes;
typedef __attribute__((vector_size(32))) uint8_t table_codes;
typedef __attribute__((vector_size(32))) int16_t table_shorts;
typedef __attribute__((vector_size(32))) int32_t table_ints;
typedef __attribute__((vector_size(32))) uint32_t table_lanes;

typedef struct table_work {
    table_bytes tables[TABLE_WORDS][TABLE_NIBBLES][TABLE_PATTERNS][TABLE_HALVES];
    table_shorts acc[TABLE_PIXELS][TABLE_SUMS];
} table_work;

/* Output pixels in work, row by row. */
typedef struct table_block {
    uint32_t y, x, height, width;
} table_block;

/* Byte `byte` of word `word` of the channels' weights, 32 channels a vector: byte 4 i + k is of channel 8 k + i, so that
 * shifts alone make shorts, and at last ints, of the sums. */
TABLES_INLINE void load_codes(const uint32_t *const w[TABLE_BLOCKS], size_t word, uint32_t byte,
                              table_codes codes[TABLE_HALVES]) {
    uint32_t half, k;
    for (half = 0; half < TABLE_HALVES; half++) {
        table_lanes bytes = {0}, lanes;
        for (k = 0; k < 4; k++) {
            __builtin_memcpy(&lanes, w[2 * half + k / 2] + word * TABLE_LANES + 8 * (k % 2), sizeof lanes);
            bytes |= ((lanes >> (8 * byte)) & 255) << (8 * k);
        }
        codes[half] = (table_codes)bytes;
    }
}

/* The sums for all patterns of activations: bits of binary values, or of those to add or take away. */
TABLES_INLINE void make_table(int ternary, const table_bytes weights[4],
                              table_bytes table[TABLE_PATTERNS][TABLE_HALVES], uint32_t half) {
    const table_bytes zero = {0};
    uint32_t bit, n;
    table[0][half] = ternary ? zero : weights[0] + weights[1] + weights[2] + weights[3];
    for (bit = 0; bit < 4; bit++) {
        table_bytes step = ternary ? weights[bit] : zero - weights[bit] - weights[bit];
        for (n = 0; n < 1u << bit; n++) table[n + (1u << bit)][half] = table[n][half] + step;
    }
}

/* The tables of one word of activations. `nonzero` and `sign` are its words of weights, in words of a row. */
TABLES_INLINE void make_tables(int a_ternary, int w_ternary, const uint32_t *const w[TABLE_BLOCKS], size_t nonzero,
                               size_t sign, uint32_t mask,
                               table_bytes tables[TABLE_NIBBLES][TABLE_PATTERNS][TABLE_HALVES]) {
    uint32_t byte, half, nibble, i;
    for (byte = 0; byte < 4; byte++) {
        table_codes some[TABLE_HALVES], less[TABLE_HALVES];
        load_codes(w, sign, byte, less);
        if (w_ternary) load_codes(w, nonzero, byte, some);
        for (half = 0; half < TABLE_HALVES; half++) {
            table_codes all = {0};
            if (!w_ternary) some[half] = all + (uint8_t)(mask >> (8 * byte));
            for (nibble = 0; nibble < 2; nibble++) {
                table_bytes weights[4];
                for (i = 0; i < 4; i++) {
                    table_codes one = (some[half] >> (4 * nibble + i)) & 1, minus = (less[half] >> (4 * nibble + i)) & 1;
                    weights[i] = (table_bytes)(one - minus - minus);
                }
                make_table(a_ternary, weights, tables[2 * byte + nibble], half);
            }
        }
    }
}

/* The row that nibble n of the word names, in the tables of the word's nibbles. */
TABLES_INLINE const table_bytes *look_up(const uint8_t *tables, uint32_t word, uint32_t n) {
    const uint32_t row = TABLE_CHANNELS, left = n < 2 ? 6 - 4 * n : 0, right = n < 2 ? 0 : 4 * n - 6;
    const uint8_t *at = tables + (((word << left) >> right) & (15 * row));
    return (const table_bytes *)(at + n * TABLE_PATTERNS * row);
}

/* Bytes of even and of odd channels, as shorts: shifts are cheaper than the compilers' conversions. */
TABLES_INLINE void widen(const table_bytes *sums, table_shorts acc[2]) {
    table_shorts pairs = (table_shorts)*sums;
    acc[0] += (pairs << 8) >> 8;
    acc[1] += pairs >> 8;
}

/* Adds the sums that `count` words of a pixel's activations name; `plane` words on are their signs. */
TABLES_INLINE void add_pixel(int ternary, const table_work *work, const uint32_t *a, uint32_t plane, uint32_t count,
                             table_shorts acc[TABLE_SUMS]) {
    const uint8_t *tables = (const uint8_t *)work->tables;
    table_bytes low = {0}, high = {0};
    uint32_t word, n;
    for (word = 0; word < count; word++, tables += sizeof work->tables[0]) {
        uint32_t first = ternary ? a[word] & ~a[plane + word] : a[word], minus = ternary ? a[plane + word] : 0;
        _Pragma("GCC unroll 8") for (n = 0; n < TABLE_NIBBLES; n++) {
            const table_bytes *sums = look_up(tables, first, n);
            low += sums[0];
            high += sums[1];
            if (ternary) {
                sums = look_up(tables, minus, n);
                low -= sums[0];
                high -= sums[1];
            }
        }
    }
    widen(&low, acc);
    widen(&high, acc + 2);
}

/* Positions first ... end - 1 of `count` from `start` on whose tap lies inside; that of position 0 is at `start`. */
TABLES_INLINE trit_span positions_inside(uint32_t start, uint32_t count, uint32_t tap, uint32_t stride,
                                         uint32_t padding, uint32_t dilation, uint32_t size) {
    trit_span span = {0, 0, count};
    span.start = (int32_t)(start * stride + tap * dilation) - (int32_t)padding;
    if (span.start < 0) span.first = ((uint32_t)-span.start + stride - 1) / stride;
    if (span.start + (int64_t)(count - 1) * stride >= (int64_t)size)
        span.end = span.start >= (int32_t)size ? 0 : ((uint32_t)((int32_t)size - span.start) + stride - 1) / stride;
    if (span.first > span.end) span.first = span.end;
    return span;
}

/* Adds words `first` ... of one tap to all pixels of the block where it lies inside. */
TABLES_INLINE void add_tap(int ternary, const trit_call *c, table_work *work, const table_block *block, uint32_t ky,
                           uint32_t kx, uint32_t first, uint32_t count) {
    const trit_step *s = c->step;
    const uint32_t words = trit_words(c->in->channels), planes = ternary ? 2 : 1;
    const trit_span rows = positions_inside(block->y, block->height, ky, s->stride[0], s->padding[0], s->dilation[0],
                                      c->in->height);
    const trit_span columns = positions_inside(block->x, block->width, kx, s->stride[1], s->padding[1], s->dilation[1],
                                         c->in->width);
    uint32_t y, x;
    if (columns.first == columns.end) return; /* all left of the image, say: not even an address is computed */
    for (y = rows.first; y < rows.end; y++) {
        size_t row = (size_t)(rows.start + (int32_t)(y * s->stride[0])) * c->in->width;
        size_t pixel = row + (size_t)(columns.start + (int32_t)(columns.first * s->stride[1]));
        const uint32_t *a = (const uint32_t *)c->x + pixel * planes * words + first;
        for (x = columns.first; x < columns.end; x++, a += (size_t)s->stride[1] * planes * words)
            add_pixel(ternary, work, a, words, count, work->acc[y * block->width + x]);
    }
}

TABLES_INLINE void store_block(const trit_call *c, const table_work *work, const table_block *block, uint32_t channel) {
    uint32_t y, x, half, k;
    for (y = 0; y < block->height; y++) {
        for (x = 0; x < block->width; x++) {
            for (half = 0; half < TABLE_HALVES && channel + half * TRIT_WORD_BITS < c->out->channels; half++) {
                int32_t values[TRIT_WORD_BITS];
                for (k = 0; k < 4; k++) {
                    table_ints pairs = (table_ints)work->acc[y * block->width + x][2 * half + k % 2];
                    table_ints ints = k < 2 ? (pairs << 16) >> 16 : pairs >> 16;
                    __builtin_memcpy(values + 8 * k, &ints, sizeof ints);
                }
                TABLES_STORE(c, (block->y + y) * c->out->width + block->x + x, channel / TRIT_WORD_BITS + half, values);
            }
        }
    }
}

/* One block of pixels for 64 output channels. */
TABLES_INLINE void convolve_block(int a_ternary, int w_ternary, const trit_call *c, table_work *work,
                                  const table_block *block, uint32_t channel, const uint32_t *const w[TABLE_BLOCKS]) {
    const uint32_t words = trit_words(c->in->channels), planes = w_ternary ? 2 : 1;
    const table_shorts zero = {0};
    uint32_t ky, kx, first, i;
    for (i = 0; i < block->height * block->width * TABLE_SUMS; i++) work->acc[i / TABLE_SUMS][i % TABLE_SUMS] = zero;
    for (ky = 0; ky < c->step->kernel[0]; ky++) {
        for (kx = 0; kx < c->step->kernel[1]; kx++) {
            size_t tap = ((size_t)ky * c->step->kernel[1] + kx) * planes * words;
            for (first = 0; first < words; first += TABLE_WORDS) {
                uint32_t count = words - first < TABLE_WORDS ? words - first : TABLE_WORDS;
                for (i = 0; i < count; i++)
                    make_tables(a_ternary, w_ternary, w, tap + first + i, tap + (planes - 1) * words + first + i,
                                trit_word_mask(c->in->channels, first + i), work->tables[i]);
                add_tap(a_ternary, c, work, block, ky, kx, first, count);
            }
        }
    }
    store_block(c, work, block, channel);
}

TABLES_INLINE void convolve_channels(int a_ternary, int w_ternary, const trit_call *c, table_work *work,
                                     uint32_t channel) {
    const uint32_t *w[TABLE_BLOCKS];
    table_block block;
    uint32_t b, width = c->out->width < TABLE_PIXELS ? c->out->width : TABLE_PIXELS, height = TABLE_PIXELS / width;
    for (b = 0; b < TABLE_BLOCKS; b++) /* behind the last channel the first serve again; their sums are not stored */
        w[b] = trit_conv_row(c, channel + b * TABLE_LANES < c->out->channels ? channel + b * TABLE_LANES : channel);
    for (block.y = 0; block.y < c->out->height; block.y += block.height) {
        block.height = c->out->height - block.y < height ? c->out->height - block.y : height;
        for (block.x = 0; block.x < c->out->width; block.x += block.width) {
            block.width = c->out->width - block.x < width ? c->out->width - block.x : width;
            convolve_block(a_ternary, w_ternary, c, work, &block, channel, w);
        }
    }
}

/* Returns 0 where it declines: other lanes, too few pixels, sums beyond 16 bits. */
TABLES_TARGET static int convolve_by_tables(const trit_call *c) {
    const int a_ternary = c->in->kind == TRIT_KIND_TERNARY, w_ternary = c->step->weight_kind == TRIT_KIND_TERNARY;
    table_work work;
    uint32_t channel;
    if (c->step->lanes != TABLE_LANES || c->out->height * c->out->width < TABLE_FEWEST) return 0;
    if (trit_conv_fan_in(c) > TABLE_LONGEST) return 0;
    for (channel = 0; channel < c->out->channels; channel += TABLE_CHANNELS) {
        if (a_ternary && w_ternary)
            convolve_channels(1, 1, c, &work, channel);
        else if (a_ternary)
            convolve_channels(1, 0, c, &work, channel);
        else if (w_ternary)
            convolve_channels(0, 1, c, &work, channel);
        else
            convolve_channels(0, 0, c, &work, channel);
    }
    return 1;
}
