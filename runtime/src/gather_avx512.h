/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of bytes as strings. Outside the image they hold the zero point. */
#ifndef TRIT_GATHER_AVX512_H
#define TRIT_GATHER_AVX512_H

#include "avx512.h"

#if TRIT_HAVE_AVX512

#define MAX_PIXELS 8
#define STRING_BYTES 11264u /* the stack's share */

AVX512_INLINE void copy_bytes(int8_t *to, const uint8_t *from, uint32_t count) {
    uint32_t i;
    for (i = 0; i < count; i += 64) {
        uint32_t left = count - i;
        __mmask64 some = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        _mm512_mask_storeu_epi8(to + i, some, _mm512_maskz_loadu_epi8(some, from + i));
    }
}

AVX512_INLINE void fill_bytes(int8_t *to, uint8_t value, uint32_t count) {
    uint32_t i;
    for (i = 0; i < count; i += 64) {
        uint32_t left = count - i;
        __mmask64 some = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        _mm512_mask_storeu_epi8(to + i, some, _mm512_set1_epi8((char)value));
    }
}

/* Values first ... first + count - 1 of a window, in the order (ky, kx, channel). */
AVX512 static inline void gather(const trit_call *c, trit_span rows, trit_span columns, uint32_t first, uint32_t count,
                          int8_t *to) {
    const uint32_t channels = c->in->channels, width = c->step->kernel[1], together = c->step->dilation[1] == 1;
    uint32_t channel = first % channels, ky = first / channels / width, kx = first / channels % width;
    while (count > 0) {
        int inside = ky >= rows.first && ky < rows.end && kx >= columns.first && kx < columns.end;
        uint32_t taps = inside && together ? columns.end - kx : 1, n = taps * channels - channel;
        if (n > count) n = count;
        if (inside)
            copy_bytes(to, (const uint8_t *)c->x + trit_tap_pixel(c, rows, columns, ky, kx) * channels + channel, n);
        else
            fill_bytes(to, (uint8_t)c->in->zero_point, n);
        to += n;
        count -= n;
        channel = 0;
        kx += taps;
        if (kx == width) kx = 0, ky++;
    }
}

#endif
#endif
