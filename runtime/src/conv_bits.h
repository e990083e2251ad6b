/* SPDX-License-Identifier: Apache-2.0 */
/* What the convolutions of bits with bits share: where a window's words lie. */
#ifndef TRIT_CONV_BITS_H
#define TRIT_CONV_BITS_H

#include "conv.h"

/* Output pixels whose windows have the same taps inside, so that none of them needs a test at a border. */
typedef struct trit_area {
    uint32_t y, x, height, width;
    trit_span rows, columns; /* of the first pixel's window */
} trit_area;

/* The taps of a window that lie inside: `rows` times `taps` strings of `words` words a plane. */
typedef struct trit_taps {
    size_t a_row, a_tap;    /* steps of the activations, in words */
    size_t w, w_row, w_tap; /* first weight and steps, in words of one channel's row */
    uint32_t rows, taps, words;
    uint32_t values; /* activations in the window */
    int whole;       /* no tap lies outside */
} trit_taps;

static inline int trit_same_taps(trit_span a, trit_span b) {
    return a.first == b.first && a.end == b.end;
}

/* The largest area that begins at (y, x). */
static inline trit_area trit_area_at(const trit_call *c, uint32_t y, uint32_t x) {
    trit_area area = {y, x, 1, 1, trit_rows(c, y), trit_columns(c, x)};
    while (y + area.height < c->out->height && trit_same_taps(area.rows, trit_rows(c, y + area.height))) area.height++;
    while (x + area.width < c->out->width && trit_same_taps(area.columns, trit_columns(c, x + area.width)))
        area.width++;
    return area;
}

/* Where neither side has a second plane between its taps, those that follow one another make one long string. */
static inline void trit_join_taps(trit_taps *at) {
    if (at->a_tap != at->words || at->w_tap != at->words) return;
    at->words *= at->taps;
    at->taps = 1;
    if (at->a_row != at->words || at->w_row != at->words) return;
    at->words *= at->rows;
    at->rows = 1;
}

static inline trit_taps trit_taps_inside(const trit_call *c, trit_span rows, trit_span columns) {
    const trit_step *s = c->step;
    uint32_t a_planes = trit_planes(c->in->kind), w_planes = trit_planes(s->weight_kind);
    trit_taps at;
    at.words = trit_words(c->in->channels);
    at.rows = rows.end - rows.first;
    at.taps = columns.end - columns.first;
    at.whole = at.rows == s->kernel[0] && at.taps == s->kernel[1];
    at.values = at.rows * at.taps * c->in->channels;
    if (at.values == 0) at.rows = 0;
    at.a_tap = (size_t)s->dilation[1] * (size_t)(a_planes * at.words);
    at.a_row = (size_t)s->dilation[0] * (size_t)c->in->width * (size_t)(a_planes * at.words);
    at.w_tap = (size_t)w_planes * (size_t)at.words;
    at.w_row = s->kernel[1] * at.w_tap;
    at.w = (size_t)rows.first * at.w_row + (size_t)columns.first * at.w_tap;
    trit_join_taps(&at);
    return at;
}

/* The activations under the first tap inside. */
static inline const uint32_t *trit_first_tap(const trit_call *c, const trit_taps *at, trit_span rows,
                                             trit_span columns) {
    size_t pixel = at->rows ? trit_tap_pixel(c, rows, columns, rows.first, columns.first) : 0;
    return (const uint32_t *)c->x + pixel * trit_planes(c->in->kind) * trit_words(c->in->channels);
}

/* The pixels of an area, some at a time. */
typedef struct trit_walk {
    const trit_call *c;
    const trit_area *area;
    const trit_taps *at;
    const uint32_t *a; /* activations under the first tap of the next pixel */
    uint32_t y, x;
} trit_walk;

static inline trit_walk trit_walk_area(const trit_call *c, const trit_area *area, const trit_taps *at) {
    trit_walk walk = {c, area, at, trit_first_tap(c, at, area->rows, area->columns), 0, 0};
    return walk;
}

/* The next pixels, `most` of them if so many are left: their numbers and activations. The last fills up a[]. */
static inline uint32_t trit_walk_on(trit_walk *walk, uint32_t most, uint32_t *out, const uint32_t **a) {
    const trit_call *c = walk->c;
    const size_t step = (size_t)c->step->stride[1] * (size_t)(trit_planes(c->in->kind) * trit_words(c->in->channels));
    uint32_t count = 0, p;
    while (count < most && walk->y < walk->area->height) {
        out[count] = (walk->area->y + walk->y) * c->out->width + walk->area->x + walk->x;
        a[count++] = walk->a;
        walk->a += step;
        if (++walk->x < walk->area->width) continue;
        walk->x = 0;
        if (++walk->y < walk->area->height)
            walk->a = trit_first_tap(c, walk->at, trit_rows(c, walk->area->y + walk->y), walk->area->columns);
    }
    for (p = count; count > 0 && p < most; p++) a[p] = a[count - 1];
    return count;
}

#endif
