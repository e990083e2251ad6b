/* SPDX-License-Identifier: Apache-2.0 */
/* Which synapses of a chip read wrong, drawn at a cost that goes with their number, not with that of all synapses.
 *
 * Each synapse has a hazard -log(1 - p). The sum of hazards up to the next candidate is exponentially distributed, so
 * that whole columns, bands and runs of synapses are passed over at once. p is the largest error probability of the
 * class's values; a candidate whose value errs less often is taken that much less often. Random numbers depend on
 * nothing but (seed, chip, layer, block).
 */
#include <string.h>

#include "host_chips.h"
#include "host_random.h"

#define CLASS_STREAM 0u /* streams of random numbers of a layer */
#define PROGRAMMED_STREAM 1u
#define READ_STREAM 2u /* and one for each block behind it */
#define STOCK 8u

static trit_generator generator_of(const trit_chips *chips, uint64_t chip, uint32_t layer, uint64_t stream) {
    return trit_seeded(trit_scramble(trit_scramble(trit_scramble(chips->seed) ^ chip) ^ layer) ^ stream);
}

/* Where a synapse lies in the file: words of its planes, and its bit in them. */
typedef struct place {
    size_t nonzero, sign;
    uint32_t bit;
} place;

static place place_of(const trit_synapses *s, uint32_t row, uint32_t column) {
    const trit_call *c = &s->call;
    uint32_t planes = trit_planes(c->step->weight_kind), lanes = c->step->lanes, values, tap, words;
    place p;
    if (trit_conv_is_depthwise(c)) {
        words = trit_words(s->columns);
        p.nonzero = c->step->weights / 4 + (size_t)row * planes * words + column / TRIT_WORD_BITS;
        p.sign = p.nonzero + (size_t)(planes - 1) * words;
        p.bit = column % TRIT_WORD_BITS;
        return p;
    }
    values = c->in->kind == TRIT_KIND_UINT8 ? s->rows : trit_conv_group_channels(c);
    words = trit_words(values);
    tap = values == s->rows ? 0 : row / values;
    row -= tap * values;
    p.nonzero = c->step->weights / 4 + (size_t)trit_conv_row_words(c) * planes * (column / lanes * lanes);
    p.nonzero += column % lanes + ((size_t)tap * planes * words + row / TRIT_WORD_BITS) * lanes;
    p.sign = p.nonzero + (size_t)(planes - 1) * words * lanes;
    p.bit = row % TRIT_WORD_BITS;
    return p;
}

static int32_t value_at(const trit_synapses *s, const uint8_t *file, place p) {
    const uint32_t *words = (const uint32_t *)(const void *)file;
    uint32_t nonzero = s->call.step->weight_kind == TRIT_KIND_TERNARY ? words[p.nonzero] : UINT32_MAX;
    return trit_value(nonzero, words[p.sign], p.bit);
}

static void put_bit(uint32_t *word, uint32_t bit, int is_set) {
    *word = (*word & ~(UINT32_C(1) << bit)) | (uint32_t)is_set << bit;
}

/* Changes a weight, and how many of its channel's are not 0. */
static void put_value(const trit_synapses *s, uint8_t *file, place p, uint32_t column, int32_t from, int32_t to) {
    uint32_t *words = (uint32_t *)(void *)file;
    if (s->call.step->weight_kind == TRIT_KIND_TERNARY) put_bit(words + p.nonzero, p.bit, to != 0);
    put_bit(words + p.sign, p.bit, to < 0);
    if (s->call.step->counts) words[s->call.step->counts / 4 + column] += (uint32_t)(to != 0) - (uint32_t)(from != 0);
}

/* Errors of one layer, in the order of columns and in each of rows. */
typedef struct walk {
    const trit_chips *chips;
    const trit_synapses *layer;
    const double *rates, *hazards; /* of the layer's classes and columns */
    const uint8_t *classes;        /* of the layer's bands */
    const uint8_t *kept;           /* the chip's file, whose errors stay; null for those errors themselves */
    trit_generator g;
    double stock[STOCK]; /* of exponentially distributed numbers: made at once, none waits for the one before */
    uint32_t used;       /* of them */
    double left;         /* of hazards, up to the next candidate */
    uint32_t column, row, end; /* the next to look at, and the end of its band */
    const double *band;        /* rates of that band */
    const uint8_t *next_class; /* of the band behind it */
} walk;

typedef struct misread {
    uint32_t row, column;
    int32_t stored, read;
    place at;
} misread;

static double exponential(walk *w) {
    uint32_t i;
    if (w->used == STOCK) {
        for (i = 0; i < STOCK; i++) w->stock[i] = trit_uniform(&w->g);
        for (i = 0; i < STOCK; i++) w->stock[i] = trit_minus_log(w->stock[i]);
        w->used = 0;
    }
    return w->stock[w->used++];
}

/* Rates of the layer's classes. */
static const double *rates_of(const trit_chips *chips, const trit_synapses *s, int reads) {
    return (reads ? chips->read : chips->programmed) + (size_t)s->layer * chips->classes * TRIT_RATES;
}

static walk walk_layer(const trit_chips *chips, const trit_synapses *s, const trit_chip *chip, int reads,
                       uint64_t stream) {
    walk w;
    w.chips = chips;
    w.layer = s;
    w.rates = rates_of(chips, s, reads);
    w.hazards = chip->hazards[reads] + s->first_column;
    w.classes = chip->classes + s->first_band;
    w.kept = reads ? chip->file : NULL;
    w.g = generator_of(chips, *chip->index, s->layer, stream);
    w.used = STOCK;
    w.left = exponential(&w);
    w.column = UINT32_MAX; /* before the first */
    w.row = w.end = s->rows;
    w.band = NULL;
    w.next_class = NULL;
    return w;
}

/* Does the candidate err, and how? */
static int errs(walk *w, uint32_t row, misread *found) {
    const trit_synapses *s = w->layer;
    const double u = trit_uniform(&w->g), *of;
    found->at = place_of(s, row, w->column);
    found->stored = value_at(s, s->call.file, found->at);
    of = w->band + 1 + 2 * (found->stored + 1);
    if (u >= of[1]) return 0;
    if (w->kept && value_at(s, w->kept, found->at) != found->stored) return 0;
    found->row = row;
    found->column = w->column;
    if (u < of[0])
        found->read = found->stored == -1 ? 0 : -1;
    else
        found->read = found->stored == 1 ? 0 : 1;
    return 1;
}

/* Goes on to the next candidate in the band that `row` lies in. Returns its row, or the band's end. */
static uint32_t pass_over(walk *w, double hazard) {
    double all = hazard * (w->end - w->row);
    uint32_t row;
    if (all <= w->left) {
        w->left -= all;
        return w->end;
    }
    row = w->row + (uint32_t)(w->left / hazard);
    w->left = exponential(w);
    return row < w->end ? row : w->end - 1; /* the quotient is rounded */
}

static int next_in_column(walk *w, misread *found) {
    const uint32_t rows = w->layer->rows, array_rows = w->chips->array_rows;
    while (w->row < rows) {
        uint32_t row;
        if (w->row == w->end) {
            w->end = rows - w->row < array_rows ? rows : w->row + array_rows;
            w->band = w->rates + (size_t)*w->next_class++ * TRIT_RATES;
        }
        row = pass_over(w, w->band[0]);
        w->row = row == w->end ? row : row + 1;
        if (row != w->end && errs(w, row, found)) return 1;
    }
    return 0;
}

static int next_misread(walk *w, misread *found) {
    const trit_synapses *s = w->layer;
    while (!next_in_column(w, found)) {
        while (++w->column < s->columns && w->hazards[w->column] <= w->left) w->left -= w->hazards[w->column];
        if (w->column >= s->columns) return 0;
        w->row = w->end = 0;
        w->next_class = w->classes + (size_t)w->column * s->bands;
    }
    return 1;
}

/* Rows of a block that a column's synapses meet, from the window's first on; a group's lie its channels further. */
static void list_block_rows(const trit_first *first, uint32_t *block_rows) {
    const trit_call *c = &first->synapses.call;
    uint32_t y, x, i;
    for (y = 0; y < c->step->kernel[0]; y++)
        for (x = 0; x < c->step->kernel[1]; x++) {
            const uint32_t pixel = y * c->step->dilation[0] * first->width + x * c->step->dilation[1];
            for (i = 0; i < trit_conv_group_channels(c); i++) *block_rows++ = pixel * c->in->channels + i;
        }
}

/* Puts a layer's errors into `file` and, where it is the first layer, into `wrong`. */
static void take_errors(walk *w, const trit_first *first, const uint32_t *block_rows, uint8_t *file,
                        const trit_wrong *wrong) {
    const trit_synapses *s = w->layer;
    const int is_first = trit_is_first(first, s);
    const int step = s->call.step->weight_kind == TRIT_KIND_TERNARY ? 1 : 2;
    uint32_t counts[2] = {0, 0}, column = 0, group = 0;
    misread m;
    while (next_misread(w, &m)) {
        int side = m.read < m.stored, size = (side ? m.stored - m.read : m.read - m.stored) / step;
        if (!is_first || !w->kept) put_value(s, file, m.at, m.column, m.stored, m.read);
        if (!is_first) continue;
        for (; column <= m.column; column++) {
            wrong->starts[0][column] = counts[0];
            wrong->starts[1][column] = counts[1];
            group = column / (s->columns / s->call.step->groups) * trit_conv_group_channels(&s->call);
        }
        for (; size > 0; size--) wrong->rows[side][counts[side]++] = group + block_rows[m.row];
    }
    for (; is_first && column <= s->columns; column++) {
        wrong->starts[0][column] = counts[0];
        wrong->starts[1][column] = counts[1];
    }
}

/* Draws the classes, and adds up the columns' hazards. */
static void draw_classes(const trit_chips *chips, const trit_synapses *s, const trit_chip *chip) {
    trit_generator g = generator_of(chips, *chip->index, s->layer, CLASS_STREAM);
    uint8_t *classes = chip->classes + s->first_band;
    uint32_t column, band;
    int reads;
    for (column = 0; column < s->columns; column++)
        for (band = 0; band < s->bands; band++)
            *classes++ = chips->classes == 1 ? 0 : (uint8_t)((trit_draw(&g) >> 32) * chips->classes >> 32);
    for (reads = 0; reads < (chips->read ? 2 : 1); reads++) {
        const double *rates = rates_of(chips, s, reads);
        classes = chip->classes + s->first_band;
        for (column = 0; column < s->columns; column++) {
            double sum = 0;
            for (band = 0; band < s->bands; band++) {
                uint32_t left = s->rows - band * chips->array_rows;
                sum += rates[*classes++ * TRIT_RATES] * (left < chips->array_rows ? left : chips->array_rows);
            }
            chip->hazards[reads][s->first_column + column] = sum;
        }
    }
}

void trit_draw_chip(const trit_chips *chips, const trit_first *first, uint64_t index, const trit_chip *chip) {
    trit_synapses s = trit_before_layers();
    *chip->index = index;
    if (first->exists) list_block_rows(first, chip->block_rows);
    memcpy(chip->file, chips->plan->data, trit_head(chips->plan)->size);
    while (trit_next_synapses(chips, &s)) {
        walk w;
        draw_classes(chips, &s, chip);
        w = walk_layer(chips, &s, chip, 0, PROGRAMMED_STREAM);
        take_errors(&w, first, chip->block_rows, chip->file, &chip->wrong);
    }
}

static void copy_weights(const trit_synapses *s, const uint8_t *from, uint8_t *to) {
    const trit_step *step = s->call.step;
    memcpy(to + step->weights, from + step->weights, (size_t)trit_conv_weight_bytes(&s->call));
    if (step->counts) memcpy(to + step->counts, from + step->counts, (size_t)s->columns * 4);
}

void trit_draw_reads(const trit_chips *chips, const trit_first *first, const trit_chip *chip, uint64_t block,
                     const trit_chip *reads) {
    trit_synapses s = trit_before_layers();
    while (trit_next_synapses(chips, &s)) {
        walk w = walk_layer(chips, &s, chip, 1, READ_STREAM + block);
        if (!trit_is_first(first, &s)) copy_weights(&s, chip->file, reads->file);
        take_errors(&w, first, chip->block_rows, reads->file, &reads->wrong);
    }
}

size_t trit_host_chips_errors(const trit_chips *chips, uint8_t *memory, uint32_t layer, int64_t block, uint32_t *places,
                              int8_t *values, size_t most);

/* Errors of a layer of a drawn chip: those that it keeps where `block` is negative, else those of the block's reads.
 * Writes up to `most` pairs (row, column) and (stored, read) and returns how many errors there are. */
size_t trit_host_chips_errors(const trit_chips *chips, uint8_t *memory, uint32_t layer, int64_t block, uint32_t *places,
                              int8_t *values, size_t most) {
    trit_first first = trit_first_layer(chips);
    trit_synapses s = trit_before_layers();
    trit_chip chip;
    size_t count = 0;
    misread m;
    walk w;
    trit_lay_out_chip(chips, &first, memory, &chip);
    while (trit_next_synapses(chips, &s) && s.layer != layer) {
    }
    w = walk_layer(chips, &s, &chip, block >= 0, block < 0 ? PROGRAMMED_STREAM : READ_STREAM + (uint64_t)block);
    for (; next_misread(&w, &m); count++) {
        if (count >= most) continue;
        places[2 * count] = m.row;
        places[2 * count + 1] = m.column;
        values[2 * count] = (int8_t)m.stored;
        values[2 * count + 1] = (int8_t)m.read;
    }
    return count;
}
