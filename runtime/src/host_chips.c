/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a network on many simulated chips, each with its own errors; no part of the device library.
 *
 * The first layer reads the images, the same for all chips: its accumulators are computed once, and a chip adds to them,
 * for each of its wrong synapses, difference times input, for a block of images at a time. The other layers run as ever,
 * on a copy of the plan with the chip's weights.
 */
#include <string.h>

#include "host_chips.h"
#include "kernels.h"
#include "steps.h"

#define CACHE_LINE 64u

/* A block of images in memory: see trit_word. */
typedef struct block {
    uint8_t *codes;   /* [row][TRIT_BLOCK], the padded images in the order (height, width, channels) */
    int32_t *exact;   /* [pixel][channel][TRIT_BLOCK] */
    uint32_t *stored; /* [pixel][plane][word][TRIT_BLOCK]: what the output stage makes of `exact` */
} block;

/* What one thread works in. */
typedef struct worker {
    uint8_t *block; /* where blocks are not kept */
    uint8_t *arena;
    uint32_t *stored; /* outputs of the first layer: [image][pixel][plane][word] */
    int32_t *exact;   /* its accumulators of an image */
    float *scores;    /* of a block */
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

static uint8_t *take(uint8_t *memory, size_t *used, size_t bytes) {
    uint8_t *at = memory ? memory + *used : NULL;
    *used += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return at;
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

static int is_pixel(const trit_tensor *t) {
    return t->height == 1 && t->width == 1;
}

/* Is the step's window, if it has one, that of a dense layer on one pixel? */
static int has_pixel_window(const trit_step *s) {
    if (s->kernel[0] == 0) return 1;
    return s->kernel[0] * s->kernel[1] * s->stride[0] * s->stride[1] == 1 &&
           (s->padding[0] | s->padding[1] | s->padding[2] | s->padding[3]) == 0;
}

trit_first trit_first_layer(const trit_chips *chips) {
    const trit_plan *plan = chips->plan;
    const trit_step *steps = trit_steps(plan);
    const uint32_t count = trit_step_count(plan), at = steps[0].op == TRIT_OP_INTERLEAVE;
    trit_first first;
    const trit_call *c = &first.synapses.call;
    uint32_t i;
    memset(&first, 0, sizeof first);
    if (!trit_next_synapses(chips, &first.synapses) || first.synapses.step != at || c->step->input != at) return first;
    if (!trit_is_bits(c->out->kind)) return first;
    first.exists = first.flat = 1;
    first.height = c->in->height + c->step->padding[0] + c->step->padding[2];
    first.width = c->in->width + c->step->padding[1] + c->step->padding[3];
    first.flat = is_pixel(c->out);
    for (i = at + 1; i < count; i++) {
        int reads_two = steps[i].op == TRIT_OP_ADD || steps[i].op == TRIT_OP_CONCAT;
        if (steps[i].input <= at || (reads_two && steps[i].other <= at)) first.exists = 0;
        if (!is_pixel(trit_tensors(plan) + i + 1) || !has_pixel_window(steps + i)) first.flat = 0;
    }
    return first;
}

static size_t stored_words(const trit_first *first) {
    return (size_t)trit_tensor_bytes(first->synapses.call.out) / 4;
}

static size_t accumulators(const trit_first *first) {
    const trit_tensor *out = first->synapses.call.out;
    return (size_t)out->height * out->width * out->channels;
}

static size_t lay_out_block(const trit_first *first, uint8_t *memory, block *b) {
    size_t used = 0, rows = (size_t)first->height * first->width * first->synapses.call.in->channels;
    b->codes = take(memory, &used, rows * TRIT_BLOCK);
    b->exact = (int32_t *)(void *)take(memory, &used, accumulators(first) * TRIT_BLOCK * 4);
    b->stored = (uint32_t *)(void *)take(memory, &used, stored_words(first) * TRIT_BLOCK * 4);
    return used;
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
    chip->index = (uint64_t *)(void *)take(memory, &used, sizeof *chip->index);
    chip->file = take(memory, &used, trit_head(chips->plan)->size);
    chip->classes = take(memory, &used, bands);
    for (i = 0; i < 2; i++) chip->hazards[i] = (double *)(void *)take(memory, &used, columns * sizeof(double));
    chip->block_rows = (uint32_t *)(void *)take(memory, &used, first->exists ? first->synapses.rows * (size_t)4 : 0);
    for (i = 0; i < 2; i++) {
        size_t starts = first->exists ? (size_t)first->synapses.columns + 1 : 0;
        chip->wrong.starts[i] = (uint32_t *)(void *)take(memory, &used, starts * 4);
        chip->wrong.rows[i] = (uint32_t *)(void *)take(memory, &used, wrong * 4);
    }
    return used;
}

static size_t lay_out_worker(const trit_chips *chips, const trit_first *first, uint8_t *memory, worker *w) {
    const size_t images = first->flat ? TRIT_BLOCK : 1;
    size_t used = 0, block_bytes = 0;
    block b;
    if (first->exists) block_bytes = lay_out_block(first, NULL, &b);
    w->block = take(memory, &used, block_bytes);
    w->arena = take(memory, &used, trit_arena_size(chips->plan) * images);
    w->stored = (uint32_t *)(void *)take(memory, &used, first->exists ? stored_words(first) * TRIT_BLOCK * 4 : 0);
    w->exact = (int32_t *)(void *)take(memory, &used, first->exists ? accumulators(first) * 4 : 0);
    w->scores = (float *)(void *)take(memory, &used, trit_output_size(chips->plan) * images * sizeof(float));
    used += trit_lay_out_chip(chips, first, memory ? memory + used : NULL, &w->reads);
    return used;
}

/* Bytes of a block that is prepared, 0 where the network's first layer is none to correct; of a chip; of a thread's memory.
 * All of it begins cache lines. */
size_t trit_host_chips_sizes(const trit_chips *chips, size_t sizes[3]) {
    trit_first first = trit_first_layer(chips);
    trit_chip chip;
    worker w;
    block b;
    sizes[0] = first.exists ? lay_out_block(&first, NULL, &b) : 0;
    sizes[1] = trit_lay_out_chip(chips, &first, NULL, &chip);
    sizes[2] = lay_out_worker(chips, &first, NULL, &w);
    return TRIT_BLOCK;
}

/* One image's codes, in the order (height, width, channels), as column `place` of a block. */
static void put_codes(const trit_first *first, const uint8_t *image, uint32_t place, uint8_t *codes) {
    const trit_call *c = &first->synapses.call;
    const size_t row = (size_t)c->in->width * c->in->channels;
    size_t y, i;
    for (y = 0; y < c->in->height; y++) {
        size_t to = ((y + c->step->padding[0]) * first->width + c->step->padding[1]) * c->in->channels;
        for (i = 0; i < row; i++) codes[(to + i) * TRIT_BLOCK + place] = *image++;
    }
}

/* Accumulators of the first layer for one image. */
static void accumulate(const trit_call *c, int32_t *exact) {
    trit_tensor out = *c->out;
    trit_step step = *c->step;
    trit_call bare = *c;
    out.kind = TRIT_KIND_INT32;
    step.parameters = 0;
    bare.out = &out;
    bare.step = &step;
    bare.z = exact;
    trit_conv_run(&bare);
}

/* Accumulators and outputs of one image as column `place` of a block. */
static void put_results(const trit_first *first, const worker *w, uint32_t place, const block *b) {
    trit_call c = first->synapses.call;
    const uint32_t pixels = c.out->height * c.out->width, channels = c.out->channels;
    size_t i, count = accumulators(first);
    uint32_t pixel;
    c.z = w->stored;
    for (pixel = 0; pixel < pixels; pixel++)
        for (i = 0; i < channels; i += TRIT_WORD_BITS)
            trit_store_output(&c, pixel, (uint32_t)(i / TRIT_WORD_BITS), w->exact + (size_t)pixel * channels + i);
    for (i = 0; i < count; i++) b->exact[i * TRIT_BLOCK + place] = w->exact[i];
    count = stored_words(first);
    for (i = 0; i < count; i++) b->stored[i * TRIT_BLOCK + place] = w->stored[i];
}

/* A block of `count` images; the last one fills it up. */
static void prepare(const trit_chips *chips, const trit_first *first, const worker *w, const uint8_t *images,
                    size_t count, const block *b) {
    trit_call c = first->synapses.call;
    const size_t size = trit_input_size(chips->plan);
    uint32_t i;
    memset(b->codes, (int)c.in->zero_point, (size_t)first->height * first->width * c.in->channels * TRIT_BLOCK);
    for (i = 0; i < TRIT_BLOCK; i++) {
        const uint8_t *image = images + smaller(i, count - 1) * size;
        /* Even columns hold the first half, which a mask separates from the second. */
        uint32_t place = i < TRIT_HALF_BLOCK ? 2 * i : 2 * (i - TRIT_HALF_BLOCK) + 1;
        c.x = image;
        if (c.step->input == 1) {
            trit_call interleave = trit_resolve(chips->plan, 0);
            interleave.x = image;
            c.x = interleave.z = w->arena + interleave.out->offset;
            trit_interleave_run(&interleave);
        }
        put_codes(first, (const uint8_t *)c.x, place, b->codes);
        accumulate(&c, w->exact);
        put_results(first, w, i, b);
    }
}

/* Prepares all blocks of the images, one after the other in memory, for trit_host_chips_run. */
void trit_host_chips_prepare(const trit_chips *chips, const uint8_t *images, size_t count, uint8_t *memory,
                             uint8_t *blocks) {
    trit_first first = trit_first_layer(chips);
    size_t at;
    worker w;
    block b;
    lay_out_worker(chips, &first, memory, &w);
    for (at = 0; at < count; at += TRIT_BLOCK) {
        blocks += lay_out_block(&first, blocks, &b);
        prepare(chips, &first, &w, images + at * trit_input_size(chips->plan), smaller(count - at, TRIT_BLOCK), &b);
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
        if (first.exists && first.flat) widen(chips->plan, &first, chip.file);
    }
}

/* What trit_correct_word_avx512 does, in plain C. */
static void correct_channel(const trit_word *word, uint32_t channel, int32_t sums[TRIT_BLOCK]) {
    uint32_t source, at, i;
    int side;
    memset(sums, 0, TRIT_BLOCK * sizeof *sums);
    for (source = 0; source < word->sources; source++)
        for (side = 0; side < 2; side++) {
            const trit_wrong *wrong = word->wrong[source];
            const int32_t sign = side ? -1 : 1;
            for (at = wrong->starts[side][channel]; at < wrong->starts[side][channel + 1]; at++) {
                const uint8_t *codes = word->window + (size_t)wrong->rows[side][at] * TRIT_BLOCK;
                for (i = 0; i < TRIT_HALF_BLOCK; i++) {
                    sums[i] += sign * ((int32_t)codes[2 * i] - word->zero_point);
                    sums[TRIT_HALF_BLOCK + i] += sign * ((int32_t)codes[2 * i + 1] - word->zero_point);
                }
            }
        }
}

static void correct_word(const trit_word *word, uint32_t below[TRIT_BLOCK], uint32_t above[TRIT_BLOCK]) {
    int32_t sums[TRIT_BLOCK];
    uint32_t channel, i;
    memset(below, 0, TRIT_BLOCK * sizeof *below);
    memset(above, 0, TRIT_BLOCK * sizeof *above);
    for (channel = 0; channel < TRIT_WORD_BITS; channel++) {
        const int32_t *exact = word->exact + (size_t)channel * TRIT_BLOCK;
        if (!(word->touched >> channel & 1)) continue;
        correct_channel(word, word->channel + channel, sums);
        for (i = 0; i < TRIT_BLOCK; i++) {
            int32_t acc = exact[i] + (int32_t)word->step * sums[i];
            below[i] |= (uint32_t)(acc < word->lo[channel]) << channel;
            if (word->hi) above[i] |= (uint32_t)(acc >= word->hi[channel]) << channel;
        }
    }
}

/* Channels of a word that have wrong synapses. */
static uint32_t touched_channels(const trit_word *word, uint32_t channels) {
    uint32_t touched = 0, source, i;
    for (source = 0; source < word->sources; source++)
        for (i = 0; i < channels; i++) {
            const trit_wrong *wrong = word->wrong[source];
            uint32_t count = trit_count_wrong(wrong, 0, word->channel + i) + trit_count_wrong(wrong, 1, word->channel + i);
            touched |= (uint32_t)(count != 0) << i;
        }
    return touched;
}

/* Corrects one word of all images and stores it: images lie `stride` words apart. */
static void store_word(const trit_call *c, const trit_word *word, const uint32_t *exact, uint32_t *stored, size_t stride) {
    const uint32_t words = trit_words(c->out->channels), planes = trit_planes(c->out->kind);
    const uint32_t flip = *trit_words_at(c, c->step->parameters, planes * c->out->channels + word->channel / TRIT_WORD_BITS);
    const uint32_t touched = word->touched;
    uint32_t below[TRIT_BLOCK], above[TRIT_BLOCK], i;
    if (touched) (c->variant == TRIT_VARIANT_AVX512 ? trit_correct_word_avx512 : correct_word)(word, below, above);
    for (i = 0; i < TRIT_BLOCK && !touched; i++, stored += stride) {
        stored[0] = exact[i];
        if (planes == 2) stored[words] = exact[words * TRIT_BLOCK + i];
    }
    for (i = 0; i < TRIT_BLOCK && touched; i++, stored += stride) {
        uint32_t nonzero = planes == 2 ? below[i] | above[i] : UINT32_MAX, sign = (below[i] ^ flip) & nonzero;
        stored[0] = (exact[i] & ~touched) | ((planes == 2 ? nonzero : sign) & touched);
        if (planes == 2) stored[words] = (exact[words * TRIT_BLOCK + i] & ~touched) | (sign & touched);
    }
}

/* The first layer of one chip for one block. */
static void run_first(const trit_first *first, const block *b, const trit_chip *chip, const trit_chip *reads,
                      uint32_t *stored) {
    const trit_call *c = &first->synapses.call;
    const uint32_t channels = c->out->channels, words = trit_words(channels), planes = trit_planes(c->out->kind);
    uint32_t touched[TRIT_WORD_BITS], y, x, i;
    const size_t stride = stored_words(first);
    trit_word word;
    word.wrong[0] = &chip->wrong;
    word.wrong[1] = reads ? &reads->wrong : NULL;
    word.sources = reads ? 2 : 1;
    word.step = c->step->weight_kind == TRIT_KIND_TERNARY ? 1 : 2;
    word.zero_point = (int32_t)c->in->zero_point;
    (void)touched;
    for (i = 0; i < words; i++) {
        size_t pixel = 0;
        word.channel = i * TRIT_WORD_BITS;
        word.touched = touched_channels(&word, trit_channels_in_word(channels, i));
        word.lo = trit_lower_thresholds(c, i);
        word.hi = planes == 2 ? trit_upper_thresholds(c, i) : NULL;
        for (y = 0; y < c->out->height; y++)
            for (x = 0; x < c->out->width; x++, pixel++) {
                const size_t row = (size_t)y * c->step->stride[0] * first->width + (size_t)x * c->step->stride[1];
                const size_t at = pixel * planes * words + i;
                word.window = b->codes + row * c->in->channels * TRIT_BLOCK;
                word.exact = b->exact + (pixel * channels + word.channel) * TRIT_BLOCK;
                store_word(c, &word, b->stored + at * TRIT_BLOCK, stored + at, stride);
            }
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
    size_t i;
    if (first->exists && first->flat) {
        trit_run_steps(plan, next, w->arena, images, w->scores, NULL, NULL);
        for (i = 0; i < count; i++) put_scores(out, at + i, w->scores + i, TRIT_BLOCK, classes);
        return;
    }
    for (i = 0; i < count; i++) {
        if (first->exists) memcpy(w->arena + in->offset, w->stored + i * stored_words(first), stored_words(first) * 4);
        trit_run_steps(plan, next, w->arena, images + (at + i) * trit_input_size(plan), w->scores, NULL, NULL);
        put_scores(out, at + i, w->scores, 1, classes);
    }
}

/* One chip on one block. */
static void run_block(const trit_chips *chips, const trit_first *first, const worker *w, const trit_chip *chip,
                      const block *b, const uint8_t *images, size_t at, size_t count, outputs out) {
    const trit_chip *reads = chips->read ? &w->reads : NULL;
    trit_plan plan = *chips->plan;
    if (reads) trit_draw_reads(chips, first, chip, at / TRIT_BLOCK, reads);
    plan.data = reads ? reads->file : chip->file;
    if (first->exists) {
        const trit_tensor *out_tensor = trit_tensors(&plan) + first->synapses.step + 1;
        run_first(first, b, chip, reads, first->flat ? (uint32_t *)(void *)(w->arena + out_tensor->offset) : w->stored);
    }
    run_rest(&plan, first, w, images, at, count, out);
}

/* Runs drawn chips on all images. `blocks` are the prepared ones, or null: then each is prepared for these chips. Gives
 * scores [chip][image][...] or classes [chip][image], those of the highest scores, or both; what is null is left out. */
void trit_host_chips_run(const trit_chips *chips, uint8_t *drawn, size_t drawn_count, uint8_t *memory,
                         const uint8_t *blocks, const uint8_t *images, size_t count, float *scores, uint32_t *classes) {
    const trit_first first = trit_first_layer(chips);
    const size_t outputs_size = trit_output_size(chips->plan);
    size_t at, i;
    trit_chip chip;
    worker w;
    block b;
    lay_out_worker(chips, &first, memory, &w);
    if (chips->read && drawn_count > 0) {
        trit_lay_out_chip(chips, &first, drawn, &chip);
        memcpy(w.reads.file, chip.file, trit_head(chips->plan)->size);
    }
    for (at = 0; at < count; at += TRIT_BLOCK) {
        const size_t images_left = smaller(count - at, TRIT_BLOCK);
        uint8_t *next = drawn;
        if (first.exists && blocks) blocks += lay_out_block(&first, (uint8_t *)(uintptr_t)blocks, &b);
        if (first.exists && !blocks) {
            lay_out_block(&first, w.block, &b);
            prepare(chips, &first, &w, images + at * trit_input_size(chips->plan), images_left, &b);
        }
        for (i = 0; i < drawn_count; i++) {
            outputs out = {NULL, NULL};
            if (scores) out.scores = scores + i * count * outputs_size;
            if (classes) out.classes = classes + i * count;
            next += trit_lay_out_chip(chips, &first, next, &chip);
            run_block(chips, &first, &w, &chip, &b, images, at, images_left, out);
        }
    }
}
