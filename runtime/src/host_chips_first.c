/* SPDX-License-Identifier: Apache-2.0 */
/* The first layer on many chips: computed once without errors, and corrected for each chip's wrong synapses. */
#include <string.h>

#include "host_chips.h"
#include "kernels.h"

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
    first.exists = 1;
    first.height = c->in->height + c->step->padding[0] + c->step->padding[2];
    first.width = c->in->width + c->step->padding[1] + c->step->padding[3];
    /* Offsets count rows of a block, and bytes of a block's arena, in 32 bits. */
    if ((uint64_t)first.height * first.width * c->in->channels > UINT32_MAX) first.exists = 0;
    first.flat = is_pixel(c->out) && trit_arena_size(plan) <= UINT32_MAX / TRIT_BLOCK;
    for (i = at + 1; i < count; i++) {
        if (steps[i].input <= at || (trit_reads_two(steps + i) && steps[i].other <= at)) first.exists = 0;
        if (!is_pixel(trit_tensors(plan) + i + 1) || !has_pixel_window(steps + i)) first.flat = 0;
    }
    if (!first.exists) first.flat = 0;
    return first;
}

size_t trit_stored_words(const trit_first *first) {
    return (size_t)trit_tensor_bytes(first->synapses.call.out) / 4;
}

size_t trit_accumulators(const trit_first *first) {
    const trit_tensor *out = first->synapses.call.out;
    return (size_t)out->height * out->width * out->channels;
}

size_t trit_lay_out_block(const trit_first *first, uint8_t *memory, trit_block *b) {
    size_t used = 0, rows = (size_t)first->height * first->width * first->synapses.call.in->channels;
    b->codes = trit_take(memory, &used, rows * TRIT_BLOCK);
    b->exact = (int32_t *)(void *)trit_take(memory, &used, trit_accumulators(first) * TRIT_BLOCK * 4);
    b->stored = (uint32_t *)(void *)trit_take(memory, &used, trit_stored_words(first) * TRIT_BLOCK * 4);
    return used;
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

/* `count` words of TRIT_TOGETHER images each, as that many columns of a block. */
static void put_columns(const uint32_t *from, size_t count, uint32_t *to) {
    size_t word;
    uint32_t i;
    for (word = 0; word < count; word++, to += TRIT_BLOCK)
        for (i = 0; i < TRIT_TOGETHER; i++) to[i] = from[i * count + word];
}

void trit_prepare_block(const trit_plan *plan, const trit_first *first, const trit_scratch *scratch,
                        const uint8_t *images, size_t count, const trit_block *b) {
    trit_call c = first->synapses.call;
    const size_t size = trit_input_size(plan), sums = trit_accumulators(first), words = trit_stored_words(first);
    uint32_t i;
    memset(b->codes, (int)c.in->zero_point, (size_t)first->height * first->width * c.in->channels * TRIT_BLOCK);
    for (i = 0; i < TRIT_BLOCK; i++) {
        const uint8_t *image = images + (i < count ? i : count - 1) * size;
        const uint32_t place = i % TRIT_TOGETHER, start = i - place;
        c.x = image;
        if (c.step->input == 1) {
            trit_call interleave = trit_resolve(plan, 0);
            interleave.x = image;
            c.x = interleave.z = scratch->arena + interleave.out->offset;
            trit_interleave_run(&interleave);
        }
        put_codes(first, (const uint8_t *)c.x, i < TRIT_HALF_BLOCK ? 2 * i : 2 * (i - TRIT_HALF_BLOCK) + 1, b->codes);
        accumulate(&c, scratch->exact + place * sums);
        c.z = scratch->stored + place * words;
        trit_conv_run(&c);
        if (place + 1 < TRIT_TOGETHER) continue;
        put_columns((const uint32_t *)scratch->exact, sums, (uint32_t *)b->exact + start);
        put_columns(scratch->stored, words, b->stored + start);
    }
}

/* What host_chips_avx512.c does, in plain C. A row's 64 codes are 32 halfwords: the even codes, the first half of the
 * block, plus 256 times the odd ones. */
typedef struct half_sums {
    uint16_t all[TRIT_HALF_BLOCK], odd[TRIT_HALF_BLOCK]; /* modulo 2^16 */
} half_sums;

static void add_rows(half_sums *sums, const uint8_t *window, const uint32_t *rows, uint32_t count) {
    uint16_t codes[TRIT_HALF_BLOCK];
    uint32_t at, i;
    memset(sums, 0, sizeof *sums);
    for (at = 0; at < count; at++) {
        memcpy(codes, window + (size_t)rows[at] * TRIT_BLOCK, sizeof codes);
        for (i = 0; i < TRIT_HALF_BLOCK; i++) {
            sums->all[i] = (uint16_t)(sums->all[i] + codes[i]);
            sums->odd[i] = (uint16_t)(sums->odd[i] + (codes[i] >> 8));
        }
    }
}

/* Adds what a channel's wrong synapses of one kind change. */
static void correct_channel(const trit_word *word, const trit_wrong *wrong, int side, uint32_t channel,
                            int32_t acc[TRIT_BLOCK]) {
    const int32_t factor = (side ? -1 : 1) * (int32_t)word->step;
    const uint32_t *rows = wrong->rows[side] + wrong->starts[side][channel];
    uint32_t left = trit_count_wrong(wrong, side, channel), now, i;
    half_sums sums;
    for (; left > 0; left -= now, rows += now) {
        const int32_t zero = (int32_t)(now = left < TRIT_MOST_ROWS ? left : TRIT_MOST_ROWS) * word->zero_point;
        add_rows(&sums, word->window, rows, now);
        for (i = 0; i < TRIT_HALF_BLOCK; i++) {
            acc[i] += factor * ((uint16_t)(sums.all[i] - (sums.odd[i] << 8)) - zero);
            acc[TRIT_HALF_BLOCK + i] += factor * (sums.odd[i] - zero);
        }
    }
}

static void correct_word(const trit_word *word, uint32_t below[TRIT_BLOCK], uint32_t above[TRIT_BLOCK]) {
    int32_t acc[TRIT_BLOCK];
    uint32_t channel, source, i;
    memset(below, 0, TRIT_BLOCK * sizeof *below);
    memset(above, 0, TRIT_BLOCK * sizeof *above);
    for (channel = 0; channel < TRIT_WORD_BITS; channel++) {
        if (!(word->touched >> channel & 1)) continue;
        memcpy(acc, word->exact + (size_t)channel * TRIT_BLOCK, sizeof acc);
        for (source = 0; source < word->sources; source++) {
            correct_channel(word, word->wrong[source], 0, word->channel + channel, acc);
            correct_channel(word, word->wrong[source], 1, word->channel + channel, acc);
        }
        for (i = 0; i < TRIT_BLOCK; i++) {
            below[i] |= (uint32_t)(acc[i] < word->lo[channel]) << channel;
            if (word->hi) above[i] |= (uint32_t)(acc[i] >= word->hi[channel]) << channel;
        }
    }
}

/* Channels of a word that have wrong synapses. */
static uint32_t touched_channels(const trit_word *word, uint32_t channels) {
    uint32_t touched = 0, source, i;
    for (source = 0; source < word->sources; source++)
        for (i = 0; i < channels; i++) {
            const trit_wrong *wrong = word->wrong[source];
            const uint32_t channel = word->channel + i;
            const uint32_t count = trit_count_wrong(wrong, 0, channel) + trit_count_wrong(wrong, 1, channel);
            touched |= (uint32_t)(count != 0) << i;
        }
    return touched;
}

/* Corrects one word of all images and stores it: images lie `stride` words apart. */
static void store_word(const trit_call *c, const trit_word *word, const uint32_t *exact, uint32_t *stored,
                       size_t stride) {
    const uint32_t words = trit_words(c->out->channels), planes = trit_planes(c->out->kind);
    const uint32_t flip_at = planes * c->out->channels + word->channel / TRIT_WORD_BITS;
    const uint32_t flip = *trit_words_at(c, c->parameters, flip_at), touched = word->touched;
    uint32_t below[TRIT_BLOCK], above[TRIT_BLOCK], i;
    if (touched) (trit_uses_avx512(c->variant) ? trit_correct_word_avx512 : correct_word)(word, below, above);
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

void trit_run_first(const trit_first *first, const trit_block *b, const trit_chip *chip, const trit_chip *reads,
                      uint32_t *stored) {
    const trit_call *c = &first->synapses.call;
    const uint32_t channels = c->out->channels, words = trit_words(channels), planes = trit_planes(c->out->kind);
    uint32_t y, x, i;
    const size_t stride = trit_stored_words(first);
    trit_word word;
    word.wrong[0] = &chip->wrong;
    word.wrong[1] = reads ? &reads->wrong : NULL;
    word.sources = reads ? 2 : 1;
    word.step = c->step->weight_kind == TRIT_KIND_TERNARY ? 1 : 2;
    word.zero_point = (int32_t)c->in->zero_point;
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

