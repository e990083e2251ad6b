/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPool of bytes as onnxruntime has them, (C, H, W), with AVX-512: the usual window of two by two, where it leaves nothing
 * out and a register holds whole pairs of rows. Others go through the runtime's layout. */
#include "../src/avx512.h"
#include "kernel.h"

#if TRIT_HAVE_AVX512

enum { VECTOR = 64, POOLED = VECTOR / 4 };

/* `count` vectors with all bits of `flip` exclusive-or'ed before and after; even and odd say where each result's rows are.
 * Returns the largest value + 1. */
AVX512_INLINE __m512i pool_vectors(const uint8_t *x, size_t count, __m512i even, __m512i odd, __m512i flip, uint8_t *z) {
    __m512i most = _mm512_setzero_si512();
    size_t i;
    for (i = 0; i < count; i++) {
        __m512i loaded = avx512_load(x + i * VECTOR), values = _mm512_xor_si512(loaded, flip);
        __m512i pairs = _mm512_max_epu8(values, _mm512_srli_epi16(values, 8)), rows;
        rows = _mm512_max_epu8(_mm512_permutexvar_epi8(even, pairs), _mm512_permutexvar_epi8(odd, pairs));
        _mm_storeu_si128((__m128i *)(void *)(z + i * POOLED), _mm512_castsi512_si128(_mm512_xor_si512(rows, flip)));
        most = _mm512_max_epu8(most, _mm512_add_epi8(loaded, _mm512_set1_epi8(1)));
    }
    return most;
}

/* Minima are maxima of the complements; signed values are in order once their first bit is flipped. Returns 0 where one of
 * these is not -1, 0, +1, for the other way to say so. */
AVX512 static int pool(const kernel *k, const uint8_t *x, uint8_t *z) {
    const uint32_t *minimum = (const uint32_t *)(const void *)(k->file + k->step.parameters);
    const size_t vectors = (size_t)k->in.height * k->in.width / VECTOR;
    __m512i most = _mm512_setzero_si512();
    uint8_t even[VECTOR] = {0}, odd[VECTOR] = {0};
    uint32_t channel, i;
    for (i = 0; i < POOLED; i++) {
        even[i] = (uint8_t)(i / k->out.width * 2 * k->in.width + i % k->out.width * 2);
        odd[i] = (uint8_t)(even[i] + k->in.width);
    }
    for (channel = 0; channel < k->in.channels; channel++, x += vectors * VECTOR, z += vectors * POOLED) {
        int is_minimum = k->step.parameters && minimum[channel / TRIT_WORD_BITS] >> channel % TRIT_WORD_BITS & 1;
        int flip = (is_minimum ? 0xff : 0) ^ (k->in.kind == TRIT_KIND_UINT8 ? 0 : 0x80);
        most = _mm512_max_epu8(most, pool_vectors(x, vectors, avx512_load(even), avx512_load(odd),
                                                  _mm512_set1_epi8((char)flip), z));
    }
    return k->in.kind == TRIT_KIND_UINT8 || _mm512_cmpgt_epu8_mask(most, _mm512_set1_epi8(2)) == 0;
}

static int halves(const trit_step *s, int axis, uint32_t in, uint32_t out) {
    return s->kernel[axis] == 2 && s->stride[axis] == 2 && s->dilation[axis] == 1 && s->padding[axis] == 0 && in == 2 * out;
}

int pool_planar(const kernel *k, const uint8_t *x, uint8_t *z) {
    const trit_step *s = &k->step;
    if (s->op != TRIT_OP_MAX_POOL || k->in.kind == TRIT_KIND_INT32 || !trit_uses_avx512(k->variant)) return 0;
    if (!halves(s, 0, k->in.height, k->out.height) || !halves(s, 1, k->in.width, k->out.width)) return 0;
    if (VECTOR / 2 % k->in.width != 0 || k->in.height * k->in.width % VECTOR != 0) return 0;
    return pool(k, x, z);
}

#else

int pool_planar(const kernel *k, const uint8_t *x, uint8_t *z) {
    (void)k;
    (void)x;
    (void)z;
    return 0;
}

#endif
