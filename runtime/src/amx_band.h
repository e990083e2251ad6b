/* SPDX-License-Identifier: Apache-2.0 */
/* Of conv_amx.c: an image as bytes that tiles are loaded from, a band of output rows at a time. */
#ifndef TRIT_AMX_BAND_H
#define TRIT_AMX_BAND_H

#include "amx.h"

#if TRIT_HAVE_AMX

#define AMX_ROOM 46080u /* the stack's share for weights and pixels, in bytes */
#define AMX_PANEL 18u   /* tiles of weights at most: of 32 channels, 3 × 3 taps of 64 values */
#define AMX_TILES 5u    /* of pixels at a time: their sums, two tiles for pixels and one for weights are all eight */

typedef int8_t amx_tile[AMX_ROWS * AMX_BYTES];

/* How an image lies in a band. Position q is column q % pitch of the band's output row q / pitch.
 *
 * A tile's row is a chunk of a string, 64 values, and each chunk has its image. Bits: the strings are pixels. Bytes: they are
 * what lies under a row of the kernel, (kx, channel), for each output column, or where these do not fit under all its rows. */
typedef struct amx_band {
    uint32_t is_bits, ternary; /* ternary: weights */
    uint32_t values, chunks;   /* of a string */
    uint32_t under;            /* rows of the kernel that a string lies under */
    uint32_t rows, taps;       /* strings of a window */
    uint32_t width, stride[2]; /* strings of a row, and from an output row and column to the next */
    size_t row, chunk;         /* bytes from one to the next */
    uint32_t pitch, height;    /* of a band, in positions and output rows */
    uint32_t panel, made;      /* are all of a word's weights made at once? tiles of them in memory */
} amx_band;

static uint32_t amx_tiles_of(const trit_call *c, uint32_t pitch, uint32_t rows) {
    return ((rows - 1) * pitch + c->out->width + AMX_ROWS - 1) / AMX_ROWS;
}

/* Rows of strings for `rows` output rows. */
static uint32_t amx_rows_under(const trit_call *c, const amx_band *p, uint32_t rows) {
    return (rows - 1) * p->stride[0] + (p->rows - 1) * c->step->dilation[0] + 1;
}

/* Sets the step between chunks and returns the bytes as far as tiles reach: behind the last row too, for positions that are
 * not stored. */
static size_t amx_band_bytes(const trit_call *c, amx_band *p, uint32_t rows) {
    const trit_step *s = c->step;
    const uint32_t last = amx_tiles_of(c, p->pitch, rows) * AMX_ROWS - 1;
    const size_t y = (size_t)(last / p->pitch) * p->stride[0] + (size_t)(p->rows - 1) * s->dilation[0];
    const size_t x = (size_t)(last % p->pitch) * p->stride[1] + (size_t)(p->taps - 1) * s->dilation[1];
    p->chunk = amx_rows_under(c, p, rows) * p->row;
    return (p->chunks - 1) * p->chunk + y * p->row + (x + 1) * AMX_BYTES;
}

/* With strings under so many rows of the kernel. Returns 0 where not even one output row fits. */
static int amx_lay_out_under(const trit_call *c, uint32_t under, amx_band *p) {
    const trit_step *s = c->step;
    const uint32_t apart = (c->out->width + AMX_ROWS - 1) / AMX_ROWS * AMX_ROWS;
    uint32_t bands, joined;
    p->is_bits = trit_is_bits(c->in->kind) ? 1 : 0;
    p->ternary = s->weight_kind == TRIT_KIND_TERNARY;
    p->under = under;
    p->rows = s->kernel[0] / under;
    p->taps = p->is_bits ? s->kernel[1] : 1;
    p->values = p->is_bits ? c->in->channels : under * s->kernel[1] * c->in->channels;
    p->chunks = (p->values + AMX_BYTES - 1) / AMX_BYTES;
    p->stride[0] = under == 1 ? s->stride[0] : 1;
    p->stride[1] = p->is_bits ? s->stride[1] : 1;
    p->width = (c->out->width - 1) * p->stride[1] + (p->taps - 1) * s->dilation[1] + 1;
    p->row = (size_t)p->width * AMX_BYTES;
    p->pitch = apart;
    p->height = c->out->height;
    /* Rows one behind the other, with their padding in between, may fill fewer tiles than rows that begin one each. */
    joined = p->stride[0] * p->width;
    if (joined % p->stride[1] == 0 && amx_tiles_of(c, joined / p->stride[1], p->height) < amx_tiles_of(c, apart, p->height))
        p->pitch = joined / p->stride[1];
    p->made = AVX512_BLOCKS * p->rows * p->taps * p->chunks;
    p->panel = p->made <= AMX_PANEL && amx_tiles_of(c, p->pitch, p->height) > AMX_TILES;
    if (!p->panel) p->made = 2;
    while (p->height > 0 && p->made * sizeof(amx_tile) + amx_band_bytes(c, p, p->height) > AMX_ROOM) p->height--;
    if (p->height == 0) return 0;
    bands = (c->out->height + p->height - 1) / p->height;
    p->height = (c->out->height + bands - 1) / bands;
    amx_band_bytes(c, p, p->height);
    return 1;
}

static int amx_lay_out(const trit_call *c, amx_band *p) {
    return amx_lay_out_under(c, 1, p) || (!p->is_bits && amx_lay_out_under(c, c->step->kernel[0], p));
}

/* `count` pixels of bits. */
AMX static void amx_expand_pixels(const trit_call *c, const amx_band *p, size_t pixel, uint32_t count, int8_t *to) {
    const uint32_t ternary = c->in->kind == TRIT_KIND_TERNARY, words = trit_words(c->in->channels);
    const uint32_t *a = (const uint32_t *)c->x + pixel * (words << ternary);
    uint32_t chunk, i;
    for (chunk = 0; chunk < p->chunks; chunk++, a += 2, to += p->chunk) {
        const uint32_t two = 2 * chunk + 1 < words;
        const __mmask8 some = two ? 3 : 1, planes = ternary ? some : 0;
        const __m128i all = _mm_setr_epi32((int)trit_word_mask(c->in->channels, 2 * chunk),
                                           two ? (int)trit_word_mask(c->in->channels, 2 * chunk + 1) : 0, 0, 0);
        const uint32_t *at = a;
        for (i = 0; i < count; i++, at += words << ternary) {
            const __m128i sign = _mm_maskz_loadu_epi32(some, at + (ternary ? words : 0));
            _mm512_store_si512(to + i * AMX_BYTES, amx_expand_pixel(_mm_mask_loadu_epi32(all, planes, at), sign));
        }
    }
}

AMX static void amx_clear(const amx_band *p, uint32_t pixels, int8_t *to) {
    uint32_t chunk, i;
    for (chunk = 0; chunk < p->chunks; chunk++, to += p->chunk)
        for (i = 0; i < pixels; i++) _mm512_store_si512(to + i * AMX_BYTES, _mm512_setzero_si512());
}

/* An image row of bits, with its padding. */
AMX static void amx_expand_row(const trit_call *c, const amx_band *p, size_t row, int8_t *to) {
    const uint32_t padding = (uint32_t)-trit_columns(c, 0).start, before = padding < p->width ? padding : p->width;
    const uint32_t inside = c->in->width < p->width - before ? c->in->width : p->width - before;
    amx_clear(p, before, to);
    amx_expand_pixels(c, p, row * c->in->width, inside, to + before * AMX_BYTES);
    amx_clear(p, p->width - before - inside, to + (before + inside) * AMX_BYTES);
}

/* Bits first ... end - 1, of those that there are. */
static __mmask64 amx_mask_from(int64_t first, int64_t end) {
    if (first < 0) first = 0;
    if (end > 64) end = 64;
    return first < end ? UINT64_MAX >> (64 - end) & UINT64_MAX << first : 0;
}

/* A row of strings of bytes, which begin under image row `row`, of one chunk; padding is the zero point. What lies behind a
 * string meets weights that are 0. */
AMX static void amx_gather_row(const trit_call *c, const amx_band *p, int64_t row, uint32_t chunk, int8_t *to) {
    const __m512i padding = _mm512_set1_epi8((char)c->in->zero_point);
    const int64_t channels = c->in->channels, line = c->in->width * channels, step = c->step->stride[1] * channels;
    const int64_t part = p->values / p->under, left = trit_columns(c, 0).start * channels;
    uint32_t ky, i;
    for (ky = 0; ky < p->under; ky++, row += c->step->dilation[0]) {
        const int64_t at = ky * part - (int64_t)(chunk * AMX_BYTES); /* of the kernel row's part of the string */
        const __mmask64 own = amx_mask_from(at, at + part);
        uintptr_t from = (uintptr_t)c->x + (uintptr_t)(row * line + left - at);
        int64_t first = at - left;
        if (own == 0 && ky > 0) continue;
        for (i = 0; i < p->width; i++, from += (uintptr_t)step, first -= step) { /* no byte outside the mask is read */
            const __mmask64 some = row < 0 || row >= (int64_t)c->in->height ? 0 : own & amx_mask_from(first, first + line);
            int8_t *string = to + i * AMX_BYTES;
            __m512i values = ky == 0 ? padding : avx512_load(string);
            _mm512_store_si512(string, _mm512_mask_loadu_epi8(values, some, (const void *)from));
        }
    }
}

/* The strings under the windows of output rows y ... y + rows - 1. */
AMX static void amx_fill_band(const trit_call *c, const amx_band *p, uint32_t y, uint32_t rows, int8_t *to) {
    const int64_t top = trit_rows(c, y).start;
    const uint32_t down = p->under == 1 ? 1 : c->step->stride[0];
    uint32_t i, chunk;
    for (i = 0; i < amx_rows_under(c, p, rows); i++, to += p->row) {
        const int64_t row = top + i * (int64_t)down;
        if (!p->is_bits)
            for (chunk = 0; chunk < p->chunks; chunk++) amx_gather_row(c, p, row, chunk, to + chunk * p->chunk);
        else if (row < 0 || row >= (int64_t)c->in->height)
            amx_clear(p, p->width, to);
        else
            amx_expand_row(c, p, (size_t)row, to);
    }
}

#endif
#endif
