/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and thresholds in every variant against the plain definition, over whole small domains: one 1 x 1
 * convolution multiplies all vectors of activations (its pixels) with all vectors of weights (its output channels).
 */
#include "check.h"
#include "kernels.h"
#include "values.h"

enum { VARYING = 4, MOST_VECTORS = 256, MOST_CHANNELS = 40 };

static uint32_t power(uint32_t base, uint32_t exponent) {
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

/* Vector `number` of `channels` values, of which those from `first` on are its digits; base 2: -1, +1; 3: also 0. */
static void write_vector(int8_t *values, uint32_t channels, uint32_t first, uint32_t base, uint32_t number) {
    uint32_t i;
    for (i = 0; i < channels; i++) values[i] = i % 3 ? 1 : -1;
    for (i = 0; i < VARYING; i++, number /= base)
        values[first + i] = (int8_t)(base == 3 ? (int)(number % 3) - 1 : 1 - 2 * (int)(number % 2));
}

static uint32_t kind_of(uint32_t base) {
    return base == 3 ? TRIT_KIND_TERNARY : TRIT_KIND_BINARY;
}

/* Planes of a vector; word i of a plane lands at [i * step]. */
static void pack_planes(const int8_t *values, uint32_t channels, uint32_t base, uint32_t *to, uint32_t step) {
    uint32_t nonzero[2], sign[2], words = trit_words(channels), i;
    trit_pack(values, channels, nonzero, sign);
    for (i = 0; i < words; i++) {
        if (base == 3) to[i * step] = nonzero[i];
        to[(base - 2) * words * step + i * step] = sign[i];
    }
}

static void run_variants(trit_call *c, const void *expected, size_t size) {
    int variant;
    c->z = take(size);
    for (variant = 0; variant < TRIT_VARIANT_COUNT; variant++) {
        if (!trit_kernels_of((trit_variant)variant)->available()) continue;
        c->variant = (trit_variant)variant;
        memset(c->z, 0xa5, size);
        trit_conv_run(c);
        CHECK(memcmp(c->z, expected, size) == 0);
    }
    free(c->z);
}

/* All pairs of vectors that differ in VARYING channels from `first` on; weights and counts lie in one "file". */
static void test_products(uint32_t base_a, uint32_t base_w, uint32_t channels, uint32_t first, uint32_t lanes) {
    static int8_t a[MOST_VECTORS][MOST_CHANNELS], w[MOST_VECTORS][MOST_CHANNELS];
    uint32_t as = power(base_a, VARYING), ws = power(base_w, VARYING), words = trit_words(channels), i, j, k;
    uint32_t blocks = (ws + lanes - 1) / lanes, a_size = (base_a - 1) * words, row = (base_w - 1) * words;
    uint32_t *x = (uint32_t *)take((size_t)as * a_size * 4), *file;
    size_t weights = (size_t)blocks * lanes * row;
    int32_t *expected = (int32_t *)take((size_t)as * ws * 4);
    trit_tensor in = {0, channels, 1, 0, 0, 1, 0}, out = {TRIT_KIND_INT32, 0, 1, 0, 0, 0, 0};
    trit_step step = {TRIT_OP_CONV, 0, 0, 0, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, lanes, kind_of(base_w), 0, 0, 0, 0};
    trit_call c = {NULL, 0, 0, TRIT_VARIANT_SCALAR, &step, &in, &in, &out, x, x, NULL};
    file = (uint32_t *)take((weights + ws) * 4);
    memset(file, 0, (weights + ws) * 4);
    in.kind = kind_of(base_a), in.width = out.width = as, out.channels = ws;
    step.counts = (uint32_t)weights * 4;
    c.file = (const uint8_t *)file;
    for (i = 0; i < as; i++) {
        write_vector(a[i], channels, first, base_a, i);
        pack_planes(a[i], channels, base_a, x + i * a_size, 1);
    }
    for (j = 0; j < ws; j++) {
        write_vector(w[j], channels, first, base_w, j);
        pack_planes(w[j], channels, base_w, file + (size_t)(j / lanes) * lanes * row + j % lanes, lanes);
        for (k = 0; k < channels; k++) file[weights + j] += w[j][k] != 0;
    }
    for (i = 0; i < as; i++)
        for (j = 0; j < ws; j++)
            for (expected[i * ws + j] = 0, k = 0; k < channels; k++) expected[i * ws + j] += a[i][k] * w[j][k];
    run_variants(&c, expected, (size_t)as * ws * 4);
    free(expected);
    free(file);
    free(x);
}

/* All values of a byte with all zero points, times the weights -1, 0, +1. */
static void test_bytes(uint32_t lanes) {
    static const int8_t weights[3] = {-1, 0, 1};
    uint32_t file[2 * 32 + 3] = {0}, i;
    uint8_t x[256];
    int32_t expected[256][3];
    trit_tensor in = {TRIT_KIND_UINT8, 1, 1, 256, 0, 255, 0}, out = {TRIT_KIND_INT32, 3, 1, 256, 0, 255, 0};
    trit_step step = {TRIT_OP_CONV, 0, 0, 0, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, lanes, TRIT_KIND_TERNARY, 0,
                      64 * 4, 0, 0};
    trit_call c = {(const uint8_t *)file, sizeof file, 0, TRIT_VARIANT_SCALAR, &step, &in, &in, &out, x, x, NULL};
    for (i = 0; i < 3; i++) {
        pack_planes(weights + i, 1, 3, file + i / lanes * lanes * 2 + i % lanes, lanes);
        file[64 + i] = weights[i] != 0;
    }
    for (in.zero_point = 0; in.zero_point < 256; in.zero_point++) {
        for (i = 0; i < 256 * 3; i++) expected[i / 3][i % 3] = weights[i % 3] * ((int32_t)(i / 3) - (int32_t)in.zero_point);
        for (i = 0; i < 256; i++) x[i] = (uint8_t)i;
        run_variants(&c, expected, sizeof expected);
    }
}

/* Thresholds lo <= hi out of -3 ... 3 in both directions, an output channel each, over all values -4 ... 4. */
enum { PAIRS = 28, CHANNELS = 2 * PAIRS, VALUES = 9 };

static void list_thresholds(uint32_t kind, int32_t *lo, int32_t *hi, uint32_t *negative) {
    int32_t low, high;
    uint32_t n = 0, direction;
    for (direction = 0; direction < 2; direction++)
        for (low = -3; low <= 3; low++)
            for (high = low; high <= 3; high++, n++) {
                lo[n] = low;
                hi[n] = kind == TRIT_KIND_TERNARY ? high : low;
                negative[n] = direction;
            }
}

/* One channel in with value `value`, weights +1; and the sign of what comes out by the definition. */
static void expect_thresholds(uint32_t kind, int32_t value, uint32_t *pixel) {
    int32_t lo[CHANNELS], hi[CHANNELS];
    uint32_t negative[CHANNELS], words = trit_words(CHANNELS), i;
    int8_t signs[CHANNELS];
    list_thresholds(kind, lo, hi, negative);
    for (i = 0; i < CHANNELS; i++)
        signs[i] = (int8_t)((negative[i] ? -1 : 1) * ((value >= hi[i]) - (value < lo[i])));
    trit_pack(signs, CHANNELS, kind == TRIT_KIND_TERNARY ? pixel : NULL, pixel + (trit_planes(kind) - 1) * words);
}

static void test_thresholds(uint32_t kind, uint32_t lanes) {
    enum { WORDS = (CHANNELS + 31) / 32 };
    uint32_t file[32 * WORDS + 2 * CHANNELS + WORDS] = {0}, *parameters = file + 32 * WORDS;
    uint32_t negative[CHANNELS], expected[VALUES][2 * WORDS], i, planes = trit_planes(kind);
    int32_t hi[CHANNELS];
    uint8_t x[VALUES];
    trit_tensor in = {TRIT_KIND_UINT8, 1, 1, VALUES, 4, 251, 0}, out = {0, CHANNELS, 1, VALUES, 0, 1, 0};
    trit_step step = {TRIT_OP_CONV, 0, 0, 0, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, lanes, TRIT_KIND_BINARY, 0, 0,
                      32 * WORDS * 4, 0};
    trit_call c = {(const uint8_t *)file, sizeof file, 0, TRIT_VARIANT_SCALAR, &step, &in, &in, &out, x, x, NULL};
    c.parameters = step.parameters;
    out.kind = kind;
    list_thresholds(kind, (int32_t *)parameters, hi, negative);
    if (kind == TRIT_KIND_TERNARY) memcpy(parameters + CHANNELS, hi, sizeof hi);
    for (i = 0; i < CHANNELS; i++) parameters[planes * CHANNELS + i / 32] |= negative[i] << i % 32;
    for (i = 0; i < VALUES; i++) {
        x[i] = (uint8_t)i; /* zero point 4: the values -4 ... 4 */
        expect_thresholds(kind, (int32_t)i - 4, (uint32_t *)expected + i * planes * WORDS);
    }
    run_variants(&c, expected, VALUES * planes * WORDS * 4);
}

/* 2^30 products of -1: twice their number does not fit an int32. All weights are 1, all activations -1. */
static void test_longest(void) {
    const uint32_t channels = UINT32_C(1) << 24, taps = 64, words = channels / 32;
    size_t size = (size_t)taps * words * 4;
    uint32_t *x = (uint32_t *)take(size), *file = (uint32_t *)calloc(1, size);
    int32_t expected = -(INT32_C(1) << 30);
    trit_tensor in = {TRIT_KIND_BINARY, 0, 0, 1, 0, 1, 0}, out = {TRIT_KIND_INT32, 1, 1, 1, 0, 0, 0};
    trit_step step = {TRIT_OP_CONV, 0, 0, 0, {0, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 1, TRIT_KIND_BINARY, 0, 0, 0, 0};
    trit_call c = {(const uint8_t *)file, 0, 0, TRIT_VARIANT_SCALAR, &step, &in, &in, &out, x, x, NULL};
    if (!file) abort();
    memset(x, 0xff, size);
    in.channels = channels, in.height = taps, step.kernel[0] = (uint16_t)taps;
    run_variants(&c, &expected, sizeof expected);
    free(file);
    free(x);
}

int main(void) {
    static const uint32_t lanes[] = {1, 2, 4, 8, 16, 32};
    uint32_t base_a, base_w, i;
    for (i = 0; i < sizeof lanes / sizeof lanes[0]; i++) {
        for (base_a = 2; base_a <= 3; base_a++) {
            for (base_w = 2; base_w <= 3; base_w++) {
                test_products(base_a, base_w, VARYING, 0, lanes[i]);
                test_products(base_a, base_w, 32, 28, lanes[i]);
                test_products(base_a, base_w, 35, 30, lanes[i]);
            }
        }
        test_bytes(lanes[i]);
        test_thresholds(TRIT_KIND_BINARY, lanes[i]);
        test_thresholds(TRIT_KIND_TERNARY, lanes[i]);
    }
    test_longest();
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
