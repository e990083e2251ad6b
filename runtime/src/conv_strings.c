/* SPDX-License-Identifier: Apache-2.0 */
/* Windows as strings of words (conv_strings.h), and what the accumulators begin with.
 *
 * With binary weights a string has all columns of the kernel, so that a row's weights are one string as well. Activations
 * outside the image read as 0: nothing if ternary; if binary +1, which the beginnings make up for.
 */
#include "conv_strings.h"

#ifndef __AVR__ /* whose kernels are those of conv_bits_avr.c */

#define CHANNELS (2 * TRIT_WORD_BITS) /* output channels that share a string */
#define STRING_SPACE 96u              /* words for gathered activations: a longer string comes in pieces */

/* The part of the windows of an area that goes into strings: `rows` times `taps` runs of words that follow one another. */
typedef struct runs {
    const trit_call *c;
    trit_span rows, columns; /* of one window */
    uint32_t first;          /* column of the kernel */
    uint32_t taps, words;    /* runs in a row, words in a run */
    uint32_t elements;
} runs;

static runs runs_of(const trit_call *c, const trit_area *area) {
    int ternary_weights = trit_conv_has_ternary_weights(c);
    uint32_t inside = area->columns.end - area->columns.first;
    runs r = {c, area->rows, area->columns, 0, c->step->kernel[1], trit_words(c->in->channels), 0};
    if (ternary_weights) {
        r.first = area->columns.first;
        r.taps = inside;
    } else if (!trit_conv_has_ternary_bits(c) && inside == r.taps && c->step->dilation[1] == 1) {
        r.words *= r.taps;
        r.taps = 1;
    }
    if (inside > 0) r.elements = (area->rows.end - area->rows.first) * r.taps * r.words;
    return r;
}

/* `count` words to every step-th word; zeros where `from` is null. */
static void put(uint32_t *to, uint32_t step, const uint32_t *from, uint32_t count) {
    static const uint32_t zero = 0;
    const uint32_t forward = from != NULL;
    if (!from) from = &zero;
    for (; count > 0; count--, to += step, from += forward) *to = *from;
}

/* Elements first ... first + count - 1 of a window. */
static void gather(const runs *r, uint32_t first, uint32_t count, uint32_t *to) {
    const trit_call *c = r->c;
    uint32_t planes = (1u + (uint32_t)trit_conv_has_ternary_bits(c)), words = trit_words(c->in->channels), n;
    uint32_t run = first / r->words, i = first % r->words, j;
    uint32_t ky = r->rows.first + run / r->taps, kx = r->first + run % r->taps;
    uint32_t ternary_weights = (uint32_t)trit_conv_has_ternary_weights(c), size = planes + ternary_weights;
    for (; count > 0; count -= n, to += n * size, i = 0) {
        const uint32_t *a = NULL;
        n = r->words - i < count ? r->words - i : count;
        if (kx >= r->columns.first && kx < r->columns.end)
            a = (const uint32_t *)c->x + trit_tap_pixel(c, r->rows, r->columns, ky, kx) * planes * words + i;
        put(to, size, a, n);
        if (planes == 2) put(to + 1, size, a ? a + words : a, n);
        if (ternary_weights) {
            uint32_t offset = ((ky * c->step->kernel[1] + kx) * 2 * words + i) * 4;
            for (j = 0; j < n; j++) to[j * size + planes] = offset + 4 * j;
        }
        if (++kx == r->first + r->taps) kx = r->first, ky++;
    }
}

/* Bits of one of a row's planes under the taps of its columns first ... end - 1. */
static uint32_t count_bits(const runs *r, const uint32_t *row, uint32_t first, uint32_t end) {
    uint32_t words = trit_words(r->c->in->channels), step = (1u + (uint32_t)trit_conv_has_ternary_weights(r->c)) * words;
    uint32_t ky, kx, i, count = 0;
    for (ky = r->rows.first; ky < r->rows.end; ky++)
        for (kx = first; kx < end; kx++)
            for (i = 0; i < words; i++) count += trit_popcount(row[(ky * r->c->step->kernel[1] + kx) * step + i]);
    return count;
}

/* What the accumulators of output channels first ... first + count - 1 begin with. */
static void begin_channels(const runs *r, uint32_t first, uint32_t count, int32_t *begin) {
    const trit_call *c = r->c;
    int ternary = trit_conv_has_ternary_bits(c), ternary_weights = trit_conv_has_ternary_weights(c);
    uint32_t width = c->step->kernel[1], columns = r->columns.end - r->columns.first, rows = r->rows.end - r->rows.first;
    uint32_t same = ternary ? (uint32_t)ternary_weights * TRIT_WORD_BITS * r->elements : rows * columns * c->in->channels, i;
    const uint32_t *counts = (const uint32_t *)trit_at(c, c->step->counts) + first, *row = trit_conv_row(c, first);
    size_t step = (size_t)trit_conv_row_words(c) * (1u + (uint32_t)trit_conv_has_ternary_weights(c));
    for (i = 0; i < count; i++) begin[i] = (int32_t)same;
    if (ternary || r->elements == 0) return;
    for (i = 0; ternary_weights && i < count; i++, row += step)
        begin[i] = (int32_t)(rows == c->step->kernel[0] && columns == width
                                 ? counts[i]
                                 : count_bits(r, row, r->columns.first, r->columns.end));
    for (i = 0; !ternary_weights && columns < width && i < count; i++, row += step)
        begin[i] += 2 * (int32_t)(count_bits(r, row, 0, r->columns.first) + count_bits(r, row, r->columns.end, width));
}

/* Nonzero activations of a piece. */
static uint32_t count_nonzero(const uint32_t *a, uint32_t elements) {
    uint32_t count = 0;
    for (; elements > 0; elements--, a += 2) count += trit_popcount(*a);
    return count;
}

/* One pixel of `count` output channels. */
TRIT_NOINLINE void convolve_pixel(const runs *r, trit_add_strings *add, uint32_t channel, uint32_t count,
                                  uint32_t pixel, const int32_t *begin) {
    const trit_call *c = r->c;
    int ternary = trit_conv_has_ternary_bits(c), ternary_weights = trit_conv_has_ternary_weights(c);
    uint32_t a[STRING_SPACE], most = STRING_SPACE / (1u + (uint32_t)ternary + (uint32_t)ternary_weights);
    uint32_t first, nonzero = 0, i;
    int32_t acc[CHANNELS];
    trit_row_string s;
    s.a = a;
    s.plane = trit_words(c->in->channels);
    s.row = (size_t)trit_conv_row_words(c) * (1u + (uint32_t)trit_conv_has_ternary_weights(c));
    for (first = 0; first < r->elements; first += s.elements) {
        s.elements = r->elements - first < most ? r->elements - first : most;
        s.w = trit_conv_row(c, channel);
        if (!ternary_weights) s.w += r->rows.first * c->step->kernel[1] * s.plane + first;
        gather(r, first, s.elements, a);
        add(&s, count, begin, acc);
        begin = acc;
        if (ternary && !ternary_weights) nonzero += count_nonzero(a, s.elements);
    }
    for (i = 0; nonzero != 0 && i < count; i++) acc[i] += (int32_t)nonzero;
    trit_store_channels(c, pixel, channel, count, begin);
}

static void convolve_area(const trit_call *c, trit_add_strings *add, const trit_area *area, uint32_t channel) {
    uint32_t left = c->out->channels - channel, count = left < CHANNELS ? left : CHANNELS, y, x;
    int32_t begin[CHANNELS];
    runs r = runs_of(c, area);
    begin_channels(&r, channel, count, begin);
    for (y = area->y; y < area->y + area->height; y++) {
        r.rows = trit_rows(c, y);
        for (x = area->x; x < area->x + area->width; x++) {
            r.columns = trit_columns(c, x);
            convolve_pixel(&r, add, channel, count, y * c->out->width + x, begin);
        }
    }
}

static void convolve_gathered(const trit_call *c, trit_add_strings *add) {
    uint32_t channel, y, x;
    trit_area area;
    for (channel = 0; channel < c->out->channels; channel += CHANNELS)
        for (y = 0; y < c->out->height; y += area.height)
            for (x = 0; x < c->out->width; x += area.width) {
                area = trit_area_at(c, y, x);
                convolve_area(c, add, &area, channel);
            }
}

/* Is every window a string as it lies in the image? */
static int windows_are_strings(const trit_call *c) {
    const trit_step *s = c->step;
    if (trit_conv_has_ternary_bits(c) || trit_conv_has_ternary_weights(c)) return 0;
    if ((s->padding[0] | s->padding[1] | s->padding[2] | s->padding[3]) != 0) return 0;
    if (s->kernel[1] > 1 && s->dilation[1] != 1) return 0;
    return s->kernel[0] == 1 || (s->dilation[0] == 1 && s->kernel[1] == c->in->width);
}

/* One pixel of `count` output channels, whose window begins at `a`. */
static void convolve_string(const trit_call *c, trit_add_strings *add, const uint32_t *a, uint32_t channel,
                            uint32_t count, uint32_t pixel) {
    uint32_t left = trit_conv_row_words(c), i;
    trit_row_string s = {a, trit_conv_row(c, channel), 0, 0, left};
    int32_t fan_in = (int32_t)trit_conv_fan_in(c), acc[CHANNELS];
    for (i = 0; i < count; i++) acc[i] = fan_in;
    for (; left > 0; left -= s.elements, s.a += s.elements, s.w += s.elements) {
        s.elements = left < TRIT_STRING_ELEMENTS ? left : TRIT_STRING_ELEMENTS;
        add(&s, count, acc, acc);
    }
    trit_store_channels(c, pixel, channel, count, acc);
}

static void convolve_strings(const trit_call *c, trit_add_strings *add) {
    uint32_t words = trit_words(c->in->channels), pixel = 0, channel, y, x;
    for (y = 0; y < c->out->height; y++)
        for (x = 0; x < c->out->width; x++, pixel++)
            for (channel = 0; channel < c->out->channels; channel += CHANNELS) {
                uint32_t left = c->out->channels - channel, count = left < CHANNELS ? left : CHANNELS;
                uint32_t first = y * c->step->stride[0] * c->in->width + x * c->step->stride[1];
                convolve_string(c, add, (const uint32_t *)c->x + first * words, channel, count, pixel);
            }
}

int trit_conv_strings(const trit_call *c, trit_add_strings *add) {
    if (trit_conv_lanes(c) != 1 || c->step->groups != 1) return 0;
    if (!TRIT_USES_GATHERING || windows_are_strings(c))
        convolve_strings(c, add);
    else
        convolve_gathered(c, add);
    return 1;
}

#endif
