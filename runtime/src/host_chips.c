/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a network on many simulated chips, each with its own errors; no part of the device library.
 *
 * The first layer reads the images, the same for all chips: its accumulators are computed once, and a chip adds to
 * them, for each of its wrong synapses, difference times input, for a block of images at a time. The other layers run
 * as ever, on a copy of the plan with the chip's weights.
 */
#include <string.h>

#include "host_chips.h"
#include "kernels.h"
#include "steps.h"

/* What one thread works in. */
typedef struct worker {
    uint8_t *block; /* where blocks are not kept */
    trit_scratch scratch;
    float *scores; /* of a block */
    trit_chip reads;
} worker;

size_t trit_host_chips_sizes(const trit_chips *chips, size_t sizes[3]);
void trit_host_chips_prepare(const trit_chips *chips, const uint8_t *images, size_t count, uint8_t *memory,
                             uint8_t *blocks);
void trit_host_chips_draw(const trit_chips *chips, const uint64_t *numbers, size_t count, uint8_t *memory);
void trit_host_chips_run(const trit_chips *chips, uint8_t *drawn, size_t drawn_count, uint8_t *memory,
                         const uint8_t *blocks, const uint8_t *images, size_t count, float *scores, uint32_t *classes);

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

int trit_next_synapses(const trit_chips *chips, trit_synapses *s) {
    const trit_plan *plan = chips->plan;
    uint32_t i = 0;
    if (s->call.step) {
        i = s->step + 1;
        s->layer++;
        s->first_column += s->columns;
        s->first_band += (size_t)s->columns * s->bands;
    }
    for (; i < trit_step_count(plan); i++) {
        const trit_step *step = trit_steps(plan) + i;
        if (step->op != TRIT_OP_CONV || !trit_is_bits(step->weight_kind)) continue;
        s->call = trit_resolve(plan, i);
        s->step = i;
        s->rows = (uint32_t)trit_conv_fan_in(&s->call);
        s->columns = s->call.out->channels;
        s->bands = (s->rows - 1) / chips->array_rows + 1;
        return 1;
    }
    return 0;
}

size_t trit_lay_out_chip(const trit_chips *chips, const trit_first *first, uint8_t *memory, trit_chip *chip) {
    trit_synapses s = trit_before_layers();
    size_t used = 0, columns = 0, bands = 0, wrong = 0;
    int i;
    while (trit_next_synapses(chips, &s)) {
        columns += s.columns;
        bands += (size_t)s.columns * s.bands;
        if (trit_is_first(first, &s)) wrong = (size_t)s.rows * s.columns * trit_planes(s.call.step->weight_kind);
    }
    chip->index = (uint64_t *)(void *)trit_take(memory, &used, sizeof *chip->index);
    chip->file = trit_take(memory, &used, trit_head(chips->plan)->size);
    chip->classes = trit_take(memory, &used, bands);
    for (i = 0; i < 2; i++) chip->hazards[i] = (double *)(void *)trit_take(memory, &used, columns * sizeof(double));
    if (!first->exists) return used;
    chip->block_rows = (uint32_t *)(void *)trit_take(memory, &used, first->synapses.rows * (size_t)4);
    for (i = 0; i < 2; i++) {
        size_t starts = (size_t)first->synapses.columns + 1;
        chip->wrong.starts[i] = (uint32_t *)(void *)trit_take(memory, &used, starts * 4);
        chip->wrong.rows[i] = (uint32_t *)(void *)trit_take(memory, &used, wrong * 4);
    }
    return used;
}

static size_t lay_out_worker(const trit_chips *chips, const trit_first *first, uint8_t *memory, worker *w) {
    const size_t images = first->flat ? TRIT_BLOCK : 1;
    size_t used = 0, block_bytes = 0, words = 0, sums = 0;
    trit_block b;
    if (first->exists) {
        block_bytes = trit_lay_out_block(first, NULL, &b);
        words = trit_stored_words(first) * TRIT_BLOCK;
        sums = trit_accumulators(first) * TRIT_TOGETHER;
    }
    w->block = trit_take(memory, &used, block_bytes);
    w->scratch.arena = trit_take(memory, &used, trit_arena_size(chips->plan) * images);
    w->scratch.stored = (uint32_t *)(void *)trit_take(memory, &used, words * 4);
    w->scratch.exact = (int32_t *)(void *)trit_take(memory, &used, sums * 4);
    w->scores = (float *)(void *)trit_take(memory, &used, trit_output_size(chips->plan) * images * sizeof(float));
    used += trit_lay_out_chip(chips, first, memory ? memory + used : NULL, &w->reads);
    return used;
}

/* Bytes of a prepared block, 0 where the network's first layer is none to correct; of a chip; of a thread's memory. All
 * of them begin cache lines. Returns the images of a block. */
size_t trit_host_chips_sizes(const trit_chips *chips, size_t sizes[3]) {
    trit_first first = trit_first_layer(chips);
    trit_chip chip;
    worker w;
    trit_block b;
    sizes[0] = first.exists ? trit_lay_out_block(&first, NULL, &b) : 0;
    sizes[1] = trit_lay_out_chip(chips, &first, NULL, &chip);
    sizes[2] = lay_out_worker(chips, &first, NULL, &w);
    return TRIT_BLOCK;
}

/* Prepares all blocks of the images, one after the other in memory, for trit_host_chips_run. */
void trit_host_chips_prepare(const trit_chips *chips, const uint8_t *images, size_t count, uint8_t *memory,
                             uint8_t *blocks) {
    trit_first first = trit_first_layer(chips);
    size_t at;
    worker w;
    trit_block b;
    lay_out_worker(chips, &first, memory, &w);
    for (at = 0; at < count; at += TRIT_BLOCK) {
        blocks += trit_lay_out_block(&first, blocks, &b);
        trit_prepare_block(chips->plan, &first, &w.scratch, images, smaller(count - at, TRIT_BLOCK), &b);
        images += trit_input_size(chips->plan) * TRIT_BLOCK;
    }
}

/* In a block all images are pixels of one: the tensors behind the first layer become that wide. */
static void widen(const trit_plan *plan, const trit_first *first, uint8_t *file) {
    trit_tensor *tensors = (trit_tensor *)(void *)(file + trit_head(plan)->tensors);
    uint32_t i;
    for (i = first->synapses.step + 1; i <= trit_step_count(plan); i++) {
        tensors[i].width = TRIT_BLOCK;
        tensors[i].offset *= TRIT_BLOCK;
    }
}

/* Draws the errors of chips with these numbers, one after the other in memory, for trit_host_chips_run. */
void trit_host_chips_draw(const trit_chips *chips, const uint64_t *numbers, size_t count, uint8_t *memory) {
    trit_first first = trit_first_layer(chips);
    trit_chip chip;
    size_t i;
    for (i = 0; i < count; i++) {
        memory += trit_lay_out_chip(chips, &first, memory, &chip);
        trit_draw_chip(chips, &first, numbers[i], &chip);
        if (first.flat) widen(chips->plan, &first, chip.file);
    }
}

typedef struct outputs {
    float *scores;     /* [image][class], or null */
    uint32_t *classes; /* or null */
} outputs;

/* Scores of an image, `step` apart, as the caller wants them. */
static void put_scores(outputs out, size_t image, const float *scores, size_t step, size_t count) {
    size_t best = 0, i;
    for (i = 0; i < count; i++) {
        if (out.scores) out.scores[image * count + i] = scores[i * step];
        if (scores[i * step] > scores[best * step]) best = i;
    }
    if (out.classes) out.classes[image] = (uint32_t)best;
}

/* The layers behind the first, or all where the first is none to correct. */
static void run_rest(const trit_plan *plan, const trit_first *first, const worker *w, const uint8_t *images, size_t at,
                     size_t count, outputs out) {
    const size_t size = trit_output_size(plan), classes = first->flat ? size / TRIT_BLOCK : size;
    const uint32_t next = first->exists ? first->synapses.step + 1 : 0;
    const trit_tensor *in = trit_tensors(plan) + next;
    const size_t words = first->exists ? trit_stored_words(first) : 0;
    size_t i;
    if (first->flat) {
        trit_run_steps(plan, next, w->scratch.arena, images, w->scores, NULL, NULL);
        for (i = 0; i < count; i++) put_scores(out, at + i, w->scores + i, TRIT_BLOCK, classes);
        return;
    }
    for (i = 0; i < count; i++) {
        if (first->exists) memcpy(w->scratch.arena + in->offset, w->scratch.stored + i * words, words * 4);
        trit_run_steps(plan, next, w->scratch.arena, images + (at + i) * trit_input_size(plan), w->scores, NULL, NULL);
        put_scores(out, at + i, w->scores, 1, classes);
    }
}

/* One chip on one block. */
static void run_block(const trit_chips *chips, const trit_first *first, const worker *w, const trit_chip *chip,
                      const trit_block *b, const uint8_t *images, size_t at, size_t count, outputs out) {
    const trit_chip *reads = chips->read ? &w->reads : NULL;
    trit_plan plan = *chips->plan;
    if (reads) trit_draw_reads(chips, first, chip, at / TRIT_BLOCK, reads);
    plan.data = reads ? reads->file : chip->file;
    if (first->exists) {
        const trit_tensor *output = trit_tensors(&plan) + first->synapses.step + 1;
        uint32_t *stored = w->scratch.stored;
        if (first->flat) stored = (uint32_t *)(void *)(w->scratch.arena + output->offset);
        trit_run_first(first, b, chip, reads, stored);
    }
    run_rest(&plan, first, w, images, at, count, out);
}

/* Runs drawn chips on all images. `blocks` are the prepared ones, or null: then each is prepared for these chips. Gives
 * scores [chip][image][...] or classes [chip][image] of the highest scores, or both; what is null is left out. */
void trit_host_chips_run(const trit_chips *chips, uint8_t *drawn, size_t drawn_count, uint8_t *memory,
                         const uint8_t *blocks, const uint8_t *images, size_t count, float *scores, uint32_t *classes) {
    const trit_first first = trit_first_layer(chips);
    const size_t image_size = trit_input_size(chips->plan), output_size = trit_output_size(chips->plan);
    size_t at, i;
    trit_chip chip;
    worker w;
    trit_block b;
    lay_out_worker(chips, &first, memory, &w);
    if (chips->read && drawn_count > 0) {
        trit_lay_out_chip(chips, &first, drawn, &chip);
        memcpy(w.reads.file, chip.file, trit_head(chips->plan)->size);
    }
    for (at = 0; at < count; at += TRIT_BLOCK) {
        const size_t images_left = smaller(count - at, TRIT_BLOCK);
        uint8_t *next = drawn;
        if (first.exists && blocks) blocks += trit_lay_out_block(&first, (uint8_t *)(uintptr_t)blocks, &b);
        if (first.exists && !blocks) {
            trit_lay_out_block(&first, w.block, &b);
            trit_prepare_block(chips->plan, &first, &w.scratch, images + at * image_size, images_left, &b);
        }
        for (i = 0; i < drawn_count; i++) {
            outputs out = {NULL, NULL};
            if (scores) out.scores = scores + i * count * output_size;
            if (classes) out.classes = classes + i * count;
            next += trit_lay_out_chip(chips, &first, next, &chip);
            run_block(chips, &first, &w, &chip, &b, images, at, images_left, out);
        }
    }
}
