/* SPDX-License-Identifier: Apache-2.0 */
/* Many simulated chips that run one network; no part of the device library. host_chips.c runs them, host_chips_first.c
 * their first layer, host_chips_draw.c draws their errors. All memory is the caller's. */
#ifndef TRIT_HOST_CHIPS_H
#define TRIT_HOST_CHIPS_H

#include <string.h>

#include "conv.h"
#include "plan.h"

#define TRIT_BLOCK 64u         /* images that go through a chip together; reads are drawn anew for each block */
#define TRIT_RATES 7u          /* numbers of a class: see trit_chips */
#define TRIT_HALF_BLOCK (TRIT_BLOCK / 2)
#define TRIT_TOGETHER 16u      /* images that are put into their block together: a cache line of words */
#define TRIT_MOST_ROWS 128u    /* whose codes' sums 16 bits hold, also with a sign: 128 * 255 < 2^15 */
#define TRIT_CACHE_LINE 64u

/* What all chips have in common; trit.runtime.chips has it in Python.
 *
 * Every synapse belongs to one of `classes` classes of sense amplifiers. A class's numbers are -log(1 - p) with p the
 * largest probability that a stored value is read as another; then for the stored values -1, 0, +1 two each, p times
 * which is the probability of the lower one of the other values, and of either. */
typedef struct trit_chips {
    const trit_plan *plan;
    const double *programmed; /* [layer][class][TRIT_RATES]: errors that a chip keeps */
    const double *read;       /* the same of each read; null without such errors */
    uint64_t seed;
    uint32_t array_rows, classes;
} trit_chips;

/* A layer of synapses: a convolution whose binary or ternary weights are a matrix [rows][columns], a column an output
 * channel, the rows in the order (kernel row, kernel column, channel of the group). */
typedef struct trit_synapses {
    trit_call call;
    uint32_t step, layer, rows, columns;
    uint32_t bands;                  /* of array_rows rows, of one array each */
    size_t first_column, first_band; /* columns, and bands of all columns, of the layers before */
} trit_synapses;

/* Wrong synapses of the first layer, a column's behind those of the column before: which rows of a block they meet,
 * from the window's first row on. [0]: those that read a higher value than the stored one, [1]: a lower one. A synapse
 * that is wrong by two steps (of 2 in binary layers, else of 1) stands there twice. */
typedef struct trit_wrong {
    uint32_t *starts[2]; /* columns + 1 */
    uint32_t *rows[2];
} trit_wrong;

typedef struct trit_chip {
    uint64_t *index;      /* the chip's number */
    uint8_t *file;        /* the plan as the chip reads it */
    uint8_t *classes;     /* of each column's bands */
    double *hazards[2];   /* of each column: sums of -log(1 - p) over its synapses, programmed and read */
    uint32_t *block_rows; /* that the first layer's rows meet, from the window's first on */
    trit_wrong wrong;
} trit_chip;

/* The first layer where its inputs are the images, the same for all chips, and its outputs bits: corrections to what an
 * error-free chip computes will do. */
typedef struct trit_first {
    trit_synapses synapses;
    uint32_t height, width; /* of the padded images */
    int exists, flat;       /* flat: behind it are single pixels, so that a block's images can be pixels of one image */
} trit_first;

/* A block of images in memory. Even columns of `codes` hold the first half, which a mask separates from the second. */
typedef struct trit_block {
    uint8_t *codes;   /* [row][TRIT_BLOCK]: the padded images in the order (height, width, channels) */
    int32_t *exact;   /* [pixel][channel][TRIT_BLOCK]: accumulators without errors */
    uint32_t *stored; /* [pixel][plane][word][TRIT_BLOCK]: what the output stage makes of them */
} trit_block;

/* Memory for the first layer. */
typedef struct trit_scratch {
    uint8_t *arena;   /* of one image; of a block where the network is flat */
    int32_t *exact;   /* accumulators of TRIT_TOGETHER images */
    uint32_t *stored; /* outputs: [image][pixel][plane][word] */
} trit_scratch;

/* The next `bytes` of memory that may be null, where a cache line begins. */
static inline uint8_t *trit_take(uint8_t *memory, size_t *used, size_t bytes) {
    uint8_t *at = memory ? memory + *used : NULL;
    *used += (bytes + TRIT_CACHE_LINE - 1) / TRIT_CACHE_LINE * TRIT_CACHE_LINE;
    return at;
}

static inline int trit_is_first(const trit_first *first, const trit_synapses *s) {
    return first->exists && first->synapses.step == s->step;
}

/* Before the first layer. */
static inline trit_synapses trit_before_layers(void) {
    trit_synapses s;
    memset(&s, 0, sizeof s);
    return s;
}

/* The next layer behind `s`; 0 where there is none. */
int trit_next_synapses(const trit_chips *chips, trit_synapses *s);

trit_first trit_first_layer(const trit_chips *chips);

size_t trit_stored_words(const trit_first *first); /* of one image's output */
size_t trit_accumulators(const trit_first *first);

/* Lays a block out in memory, which may be null; returns its bytes. */
size_t trit_lay_out_block(const trit_first *first, uint8_t *memory, trit_block *b);

/* A block of `count` images; the last one fills it up. */
void trit_prepare_block(const trit_plan *plan, const trit_first *first, const trit_scratch *scratch,
                        const uint8_t *images, size_t count, const trit_block *b);

/* The first layer of a chip for one block; `reads` is null or has the reads' errors. */
void trit_run_first(const trit_first *first, const trit_block *b, const trit_chip *chip, const trit_chip *reads,
                    uint32_t *stored);

/* Lays a chip out in memory, which may be null; returns its bytes. */
size_t trit_lay_out_chip(const trit_chips *chips, const trit_first *first, uint8_t *memory, trit_chip *chip);

/* Draws the errors that the chip with this number keeps. */
void trit_draw_chip(const trit_chips *chips, const trit_first *first, uint64_t index, const trit_chip *chip);

/* Draws the errors of one block's reads: `reads` gets the chip's weights with them; of the first layer, them alone. */
void trit_draw_reads(const trit_chips *chips, const trit_first *first, const trit_chip *chip, uint64_t block,
                     const trit_chip *reads);

/* Up to 32 channels of one pixel for a block. Sets bit i of below[image] where channel i is below `lo`, of above[image]
 * where it is not below `hi`, for the channels in `touched`. */
typedef struct trit_word {
    const uint8_t *window; /* codes from the window's first row on */
    const int32_t *exact;  /* [channel][TRIT_BLOCK] */
    const trit_wrong *wrong[2];
    uint32_t sources; /* how many of them */
    uint32_t channel, touched;
    uint32_t step; /* by which a synapse is wrong */
    int32_t zero_point;
    const int32_t *lo, *hi; /* hi is null where the output is binary */
} trit_word;

/* Wrong synapses of a channel. */
static inline uint32_t trit_count_wrong(const trit_wrong *wrong, int side, uint32_t channel) {
    return wrong->starts[side][channel + 1] - wrong->starts[side][channel];
}

void trit_correct_word_avx512(const trit_word *word, uint32_t below[TRIT_BLOCK], uint32_t above[TRIT_BLOCK]);

#endif
