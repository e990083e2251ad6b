/* SPDX-License-Identifier: Apache-2.0 */
/* The bit convention against its plain definition: every vector of values that is short, and every short stretch of
 * values at the edges of words in longer ones. */
#include "check.h"
#include "trit/bits.h"

#define MOST 70 /* values of a vector */
#define WORDS 3

typedef struct vector {
    int8_t values[MOST];
    uint32_t nonzero[WORDS], sign[WORDS];
    uint32_t count;
} vector;

/* Digits of `number`: -1, 0, +1 in base 3, or -1, +1 in base 2, from value `first` on. */
static void write_digits(vector *v, uint32_t first, uint32_t digits, uint32_t base, uint32_t number) {
    uint32_t i;
    for (i = 0; i < digits; i++, number /= base)
        v->values[first + i] = (int8_t)(base == 3 ? (int)(number % 3) - 1 : 1 - 2 * (int)(number % 2));
}

static uint32_t power(uint32_t base, uint32_t exponent) {
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

static void pack(vector *v, uint32_t base) {
    memset(v->sign, 0xa5, sizeof v->sign);
    memset(v->nonzero, 0xa5, sizeof v->nonzero);
    trit_pack(v->values, v->count, base == 3 ? v->nonzero : NULL, v->sign);
}

/* Every bit of every word: those of values, of the padding, and those behind the last word, which stay as they were. */
static int is_packed(const vector *v, uint32_t base) {
    uint32_t i;
    for (i = 0; i < 32 * WORDS; i++) {
        uint32_t bit = UINT32_C(1) << i % 32, outside = i >= 32 * ((v->count + 31) / 32);
        int value = i < v->count ? v->values[i] : 1; /* a padding bit is 0 in the sign plane */
        uint32_t sign = outside ? UINT32_C(0xa5a5a5a5) & bit : value < 0 ? bit : 0;
        uint32_t nonzero = i < v->count && value != 0 ? bit : 0;
        if (outside || base == 2) nonzero = UINT32_C(0xa5a5a5a5) & bit;
        if ((v->sign[i / 32] & bit) != sign || (v->nonzero[i / 32] & bit) != nonzero) return 0;
        if (i < v->count && trit_value(base == 3 ? v->nonzero[i / 32] : UINT32_MAX, v->sign[i / 32], i % 32) != value)
            return 0;
    }
    return 1;
}

static void test_packing(uint32_t base, uint32_t count, uint32_t first, uint32_t digits) {
    vector v;
    uint32_t number, i, wrong = 0;
    v.count = count;
    for (i = 0; i < count; i++) v.values[i] = i % 3 ? 1 : -1;
    for (number = 0; number < power(base, digits); number++) {
        write_digits(&v, first, digits, base, number);
        pack(&v, base);
        wrong += !is_packed(&v, base);
    }
    CHECK(wrong == 0);
}

static int32_t dot(const vector *a, uint32_t base_a, const vector *b, uint32_t base_b) {
    return trit_dot(base_a == 3 ? a->nonzero : NULL, a->sign, base_b == 3 ? b->nonzero : NULL, b->sign, a->count);
}

/* All pairs of stretches of `digits` values from value `first` on. */
static void test_dots(uint32_t base_a, uint32_t base_b, uint32_t count, uint32_t first, uint32_t digits) {
    static vector vectors[729];
    vector a;
    uint32_t i, j, k, wrong = 0, others = power(base_b, digits);
    a.count = count;
    for (k = 0; k < count; k++) a.values[k] = k % 5 ? 1 : -1;
    for (j = 0; j < others; j++) {
        for (k = 0; k < count; k++) vectors[j].values[k] = k % 3 ? 1 : -1;
        vectors[j].count = count;
        write_digits(vectors + j, first, digits, base_b, j);
        pack(vectors + j, base_b);
    }
    for (i = 0; i < power(base_a, digits); i++) {
        write_digits(&a, first, digits, base_a, i);
        pack(&a, base_a);
        for (j = 0; j < others; j++) {
            int32_t expected = 0;
            for (k = 0; k < count; k++) expected += a.values[k] * vectors[j].values[k];
            wrong += dot(&a, base_a, vectors + j, base_b) != expected;
        }
    }
    CHECK(wrong == 0);
}

static void test_words(void) {
    uint32_t values, word, bit, i, k;
    for (values = 0; values <= 130; values++) {
        uint32_t words = 0;
        while (32 * words < values) words++;
        CHECK(trit_words(values) == words);
        for (word = 0; word < words; word++)
            for (bit = 0; bit < 32; bit++)
                CHECK((trit_word_mask(values, word) >> bit & 1) == (32 * word + bit < values));
    }
    CHECK(trit_words(UINT32_MAX) == UINT32_C(1) << 27 && trit_words(UINT32_MAX - 31) == (UINT32_C(1) << 27) - 1);
    for (i = 0; i < 1u << 16; i++) { /* every half of a word, and both together */
        uint32_t bits = 0;
        for (k = 0; k < 16; k++) bits += i >> k & 1;
        CHECK(trit_popcount(i) == bits && trit_popcount(i << 16) == bits && trit_popcount(i | i << 16) == 2 * bits);
    }
}

int main(void) {
    static const uint32_t edges[] = {30, 31, 32, 33, 35, 62, 63, 64, 65, 68};
    uint32_t base_a, base_b, count, i;
    for (base_a = 2; base_a <= 3; base_a++) {
        for (count = 0; count <= 8; count++) test_packing(base_a, count, 0, count);
        for (i = 0; i < sizeof edges / sizeof edges[0]; i++) test_packing(base_a, edges[i], edges[i] - 6, 6);
        for (i = 0; i < sizeof edges / sizeof edges[0]; i++) test_packing(base_a, 70, edges[i] - 3, 5);
        for (base_b = 2; base_b <= 3; base_b++) {
            for (count = 0; count <= 5; count++) test_dots(base_a, base_b, count, 0, count);
            test_dots(base_a, base_b, 34, 30, 4);
            test_dots(base_a, base_b, 66, 62, 4);
        }
    }
    test_dots(3, 3, 6, 0, 6);
    test_dots(2, 2, 9, 0, 9);
    test_dots(2, 2, 36, 28, 8);
    test_words();
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
