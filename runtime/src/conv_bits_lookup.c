/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of bits with binary weights by looking sums up, for eight output pixels at a time: four weights of an output
 * channel select a word of which nibble j is how many products they make -1 at pixel j. The tables of 32 weights are made
 * once for 64 output channels. acc = products that are not 0 - 2 * sum; outside the image activations are 0.
 */
#include "conv_bits.h"
#include "kernels.h"

#ifndef __AVR__ /* whose kernels are those of conv_bits_avr.c */

#define PIXELS 8u  /* nibbles of a word */
#define GROUP 4u   /* weights that a nibble holds: 16 sums a table */
#define TABLES (TRIT_WORD_BITS / GROUP)
#define CHANNELS (2 * TRIT_WORD_BITS)
#define MOST_WORDS 2000u /* of a row: a word adds 32 at most to 16 bits */

typedef uint32_t table[1u << GROUP];

/* A channel's sums in 16 bits: of pixels 0 and 4, 2 and 6, 1 and 5, 3 and 7. */
typedef struct sums {
    uint32_t pair[4];
} sums;

/* Nibble j of word k: channels 4k ... 4k + 3 of the word, at pixel j. */
typedef struct activations {
    uint32_t nonzero[TABLES], sign[TABLES];
} activations;

/* Pixels that follow one another, in one row or more. */
typedef struct pixels {
    uint32_t first, count, y, x; /* y, x: of the first */
    uint32_t planes, words, row; /* of their activations; words of an output channel's weights */
} pixels;

/* Nibble k of word j changes places with nibble j of word k. */
static void transpose(uint32_t x[TABLES]) {
    uint32_t shift, mask = 0xffff, k;
    for (shift = 16; shift >= GROUP; shift /= 2, mask ^= mask << shift) {
        uint32_t step = shift / GROUP;
        for (k = 0; k < TABLES; k = (k + step + 1) & ~step) {
            uint32_t change = ((x[k] >> shift) ^ x[k + step]) & mask;
            x[k + step] ^= change;
            x[k] ^= change << shift;
        }
    }
}

/* The activations under tap (ky, kx) of the pixels; null outside the image. */
static void find(const trit_call *c, const pixels *p, uint32_t ky, uint32_t kx, const uint32_t *at[PIXELS]) {
    const trit_step *s = c->step;
    uint32_t size = p->planes * p->words, x = p->x, j;
    uint32_t row = p->y * s->stride[0] + ky * s->dilation[0] - s->padding[0];
    uint32_t column = x * s->stride[1] + kx * s->dilation[1] - s->padding[1];
    for (j = 0; j < PIXELS; j++) {
        int inside = j < p->count && row < c->in->height && column < c->in->width;
        at[j] = inside ? (const uint32_t *)c->x + ((size_t)row * c->in->width + column) * size : NULL;
        column += s->stride[1];
        if (++x < c->out->width) continue;
        x = 0;
        row += s->stride[0];
        column = (uint32_t)kx * s->dilation[1] - s->padding[1];
    }
}

/* Binary activations are not 0 in the channels of `mask`. */
static void load(const pixels *p, const uint32_t *const at[PIXELS], uint32_t word, uint32_t mask, activations *to) {
    uint32_t j;
    for (j = 0; j < PIXELS; j++) {
        const uint32_t *a = at[j] ? at[j] + word : NULL;
        to->nonzero[j] = !a ? 0 : p->planes == 2 ? *a : mask;
        to->sign[j] = !a ? 0 : p->planes == 2 ? a[p->words] : *a;
    }
    transpose(to->nonzero);
    transpose(to->sign);
}

/* Entry w: pixels where the product with weight i is -1: those of minus[i] where bit i of w is 0 (+1), else of plus[i]. */
static void make_table(uint32_t nonzero, uint32_t sign, table to) {
    const uint32_t ones = UINT32_C(0x11111111), plus = nonzero ^ sign;
    uint32_t low0 = (sign & ones) + ((sign >> 1) & ones), low1 = (plus & ones) + ((sign >> 1) & ones);
    uint32_t low2 = (sign & ones) + ((plus >> 1) & ones), low3 = (plus & ones) + ((plus >> 1) & ones);
    uint32_t i;
    for (i = 0; i < 4; i++, to += 4) {
        uint32_t high = ((i & 1 ? plus : sign) >> 2) & ones;
        high += ((i & 2 ? plus : sign) >> 3) & ones;
        to[0] = low0 + high;
        to[1] = low1 + high;
        to[2] = low2 + high;
        to[3] = low3 + high;
    }
}

/* Sums of bytes: `even` of pixels 0, 2, 4, 6. */
static inline void add_bytes(sums *to, uint32_t even, uint32_t odd) {
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    __asm__("uxtab16 %0, %0, %1" : "+r"(to->pair[0]) : "r"(even));
    __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(to->pair[1]) : "r"(even));
    __asm__("uxtab16 %0, %0, %1" : "+r"(to->pair[2]) : "r"(odd));
    __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(to->pair[3]) : "r"(odd));
#else
    const uint32_t low = UINT32_C(0x00ff00ff);
    to->pair[0] += even & low;
    to->pair[1] += (even >> 8) & low;
    to->pair[2] += odd & low;
    to->pair[3] += (odd >> 8) & low;
#endif
}

/* The sums that weights 4k ... 4k + 3 of a word select. */
static inline uint32_t look_up(const table *tables, uint32_t k, uint32_t weights) {
    return tables[k][(weights >> (GROUP * k)) % (1u << GROUP)];
}

/* Three tables add 12 to a nibble at most. */
static void add_channels(sums *to, uint32_t count, const table *tables, const uint32_t *w, size_t row) {
    const uint32_t low = UINT32_C(0x0f0f0f0f);
    for (; count > 0; count--, to++, w += row) {
        uint32_t sum = look_up(tables, 0, *w) + look_up(tables, 1, *w) + look_up(tables, 2, *w);
        uint32_t even = sum & low, odd = (sum >> 4) & low;
        sum = look_up(tables, 3, *w) + look_up(tables, 4, *w) + look_up(tables, 5, *w);
        even += sum & low;
        odd += (sum >> 4) & low;
        sum = look_up(tables, 6, *w) + look_up(tables, 7, *w);
        add_bytes(to, even + (sum & low), odd + ((sum >> 4) & low));
    }
}

/* Word `word` under a tap: adds to the sums of `count` channels and, behind them, of products that are not 0. */
TRIT_NOINLINE void add_word(const pixels *p, const uint32_t *const at[PIXELS], uint32_t word, uint32_t mask,
                            const uint32_t *w, uint32_t count, sums *to) {
    static const uint32_t both[2] = {0, UINT32_MAX};
    table tables[TABLES];
    activations a;
    uint32_t k;
    load(p, at, word, mask, &a);
    for (k = 0; k < TABLES; k++) make_table(a.nonzero[k], a.sign[k], tables[k]);
    add_channels(to, count, (const table *)tables, w, p->row);
    add_channels(to + count, 1, (const table *)tables, both, 0);
    add_channels(to + count, 1, (const table *)tables, both + 1, 0);
}

/* All words under tap (ky, kx); returns where the next tap's weights are. */
TRIT_NOINLINE const uint32_t *add_tap(const trit_call *c, const pixels *p, uint32_t ky, uint32_t kx,
                                      const uint32_t *w, uint32_t count, sums *to) {
    const uint32_t *at[PIXELS];
    uint32_t i;
    find(c, p, ky, kx, at);
    for (i = 0; i < p->words; i++) add_word(p, at, i, trit_word_mask(c->in->channels, i), w++, count, to);
    return w;
}

/* Stores pixel j of the channels in word `word`. */
TRIT_NOINLINE void store(const trit_call *c, const sums *from, const sums *total, uint32_t pixel, uint32_t j,
                           uint32_t word) {
    uint32_t pair = (j & 1) * 2 + (j & 2) / 2, shift = j & 4 ? 16 : 0, all = (total->pair[pair] >> shift) & 0xffff, i;
    int32_t acc[TRIT_WORD_BITS];
    for (i = 0; i < trit_channels_in_word(c->out->channels, word); i++)
        acc[i] = (int32_t)all - 2 * (int32_t)((from[i].pair[pair] >> shift) & 0xffff);
    trit_store_output(c, pixel, word, acc);
}

/* Up to 64 output channels. */
static void convolve_pixels(const trit_call *c, const pixels *p, uint32_t channel) {
    static const sums zero = {{0, 0, 0, 0}};
    uint32_t left = c->out->channels - channel, count = left < CHANNELS ? left : CHANNELS, ky, kx, i, j;
    const uint32_t *w = (const uint32_t *)trit_at(c, c->step->weights) + channel * p->row;
    sums to[CHANNELS + 1];
    for (i = 0; i <= count; i++) to[i] = zero;
    for (ky = 0; ky < c->step->kernel[0]; ky++)
        for (kx = 0; kx < c->step->kernel[1]; kx++) w = add_tap(c, p, ky, kx, w, count, to);
    for (i = 0; i < count; i += TRIT_WORD_BITS)
        for (j = 0; j < p->count; j++) store(c, to + i, to + count, p->first + j, j, (channel + i) / TRIT_WORD_BITS);
}

int trit_conv_bits_lookup(const trit_call *c) {
    uint32_t all = c->out->height * c->out->width, channel;
    pixels p = {0, PIXELS, 0, 0, 1, trit_words(c->in->channels), 0};
    if (trit_conv_lanes(c) != 1 || c->step->groups != 1 || c->step->weight_kind != TRIT_KIND_BINARY) return 0;
    if (trit_conv_has_ternary_bits(c)) p.planes = 2;
    p.row = c->step->kernel[0] * c->step->kernel[1] * p.words;
    if (all < PIXELS || p.row > MOST_WORDS) return 0;
    for (; p.first < all; p.first += PIXELS, p.x += PIXELS) {
        for (; p.x >= c->out->width; p.x -= c->out->width) p.y++;
        if (all - p.first < PIXELS) p.count = all - p.first;
        for (channel = 0; channel < c->out->channels; channel += CHANNELS) convolve_pixels(c, &p, channel);
    }
    return 1;
}

#endif
