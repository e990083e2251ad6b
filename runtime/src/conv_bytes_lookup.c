/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bytes.c by looking sums up: four weights of an output channel select what they make of four values. The tables of
 * a piece of a window are made once for 64 output channels; ternary weights look +1 and -1 up in the same table.
 */
#include "gather.h"
#include "kernels.h"

#ifndef __AVR__ /* whose kernels are those of conv_bytes_avr.c */

#define GROUP 4u /* values a table */
#define TABLES (TRIT_WORD_BITS / GROUP)
#define CHANNELS (2 * TRIT_WORD_BITS)

typedef int16_t table[1u << GROUP]; /* sums of up to four bytes' values */

/* Entry w: the sum of values[i] where bit i of w is set; binary: of -values[i] there and of values[i] elsewhere. */
static void make_table(const int16_t values[GROUP], int binary, table to) {
    uint32_t i, j;
    to[0] = (int16_t)(binary ? values[0] + values[1] + values[2] + values[3] : 0);
    for (i = 0; i < GROUP; i++) {
        int32_t change = binary ? -2 * values[i] : values[i];
        for (j = 0; j < 1u << i; j++) to[(1u << i) + j] = (int16_t)(to[j] + change);
    }
}

TRIT_INLINE int32_t look_up(const table *tables, uint32_t k, uint32_t weights) {
    return tables[k][(weights >> (GROUP * k)) % (1u << GROUP)];
}

/* The sums that all weights of a word select. */
TRIT_INLINE int32_t look_up_word(const table *tables, uint32_t weights) {
    return look_up(tables, 0, weights) + look_up(tables, 1, weights) + look_up(tables, 2, weights) +
           look_up(tables, 3, weights) + look_up(tables, 4, weights) + look_up(tables, 5, weights) +
           look_up(tables, 6, weights) + look_up(tables, 7, weights);
}

/* The same of the first `count` tables. */
TRIT_INLINE int32_t look_up_part(const table *tables, uint32_t count, uint32_t weights) {
    int32_t sum = 0;
    for (; count > 0; count--, tables++, weights >>= GROUP) sum += (*tables)[weights % (1u << GROUP)];
    return sum;
}

/* A word of weights of `n` output channels, as far as there are tables. */
TRIT_INLINE void add_word(const table *tables, uint32_t count, const uint32_t *w, size_t row, size_t plane, uint32_t n,
                     int32_t *acc, int ternary) {
    for (; n > 0; n--, w += row, acc++) {
        uint32_t minus = ternary ? w[plane] : w[0], plus = w[0] & ~minus;
        int32_t sum = count == TABLES ? look_up_word(tables, minus) : look_up_part(tables, count, minus);
        if (ternary) sum = (count == TABLES ? look_up_word(tables, plus) : look_up_part(tables, count, plus)) - sum;
        *acc += sum;
    }
}

TRIT_NOINLINE void add_piece(const trit_gather *at, uint32_t first, uint32_t count, uint32_t channel, uint32_t n,
                      int32_t *acc) {
    int ternary = trit_conv_has_ternary_weights(at->c);
    size_t plane = trit_words(at->length), row = plane * (ternary ? 2 : 1);
    const uint32_t *w = (const uint32_t *)trit_at(at->c, at->c->step->weights) + channel * row + first / TRIT_WORD_BITS;
    const int16_t *values = at->values;
    table tables[TABLES];
    for (; count > 0; w++) {
        uint32_t k;
        for (k = 0; k < TABLES && count > 0; k++, values += GROUP) {
            make_table(values, !ternary, tables[k]);
            count -= count < GROUP ? count : GROUP;
        }
        if (ternary)
            add_word((const table *)tables, k, w, row, plane, n, acc, 1);
        else
            add_word((const table *)tables, k, w, row, plane, n, acc, 0);
    }
}

int trit_conv_bytes_lookup(const trit_call *c) {
    uint32_t y, x, channel, pixel = 0;
    int32_t acc[CHANNELS];
    trit_gather at;
    if (trit_conv_lanes(c) != 1 || c->step->groups != 1) return 0;
    trit_gather_begin(&at, c);
    for (y = 0; y < c->out->height; y++) {
        at.rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            at.columns = trit_columns(c, x);
            for (channel = 0; channel < c->out->channels; channel += CHANNELS) {
                uint32_t left = c->out->channels - channel, count = left < CHANNELS ? left : CHANNELS;
                trit_gather_channels(&at, add_piece, channel, count, acc);
                trit_store_channels(c, pixel, channel, count, acc);
            }
        }
    }
    return 1;
}

#endif
