/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers, the same on every machine: xoshiro256++, seeded by splitmix64 (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", ACM TOMS 47(4), 2021). */
#ifndef TRIT_HOST_RANDOM_H
#define TRIT_HOST_RANDOM_H

#include <stdint.h>
#include <string.h>

typedef struct trit_generator {
    uint64_t state[4];
} trit_generator;

static inline uint64_t trit_scramble(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A generator of its own for each key. */
static inline trit_generator trit_seeded(uint64_t key) {
    trit_generator g;
    uint32_t i;
    for (i = 0; i < 4; i++) g.state[i] = key = trit_scramble(key);
    return g;
}

static inline uint64_t trit_rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static inline uint64_t trit_draw(trit_generator *g) {
    uint64_t *s = g->state, result = trit_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = trit_rotate(s[3], 45);
    return result;
}

/* Uniform in (0, 1), a multiple of 2^-53. */
static inline double trit_uniform(trit_generator *g) {
    return (double)(trit_draw(g) >> 11 | 1) * (1.0 / 9007199254740992.0);
}

/* -log of a uniform number u = m * 2^e, 1 <= m < 2: log m = log sqrt 2 + 2 atanh((m - sqrt 2) / (m + sqrt 2)), of whose
 * series seven terms are exact to 1e-12. Without libm the same on every machine. */
static inline double trit_minus_log(double u) {
    const double root = 1.4142135623730951, log_2 = 0.6931471805599453;
    double m, s, square, sum;
    uint64_t bits;
    int32_t e;
    memcpy(&bits, &u, sizeof bits);
    e = (int32_t)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff) << 52;
    memcpy(&m, &bits, sizeof m);
    s = (m - root) / (m + root);
    square = s * s;
    sum = 1.0 / 11 + square / 13;
    sum = 1.0 / 9 + square * sum;
    sum = 1.0 / 7 + square * sum;
    sum = 1.0 / 5 + square * sum;
    sum = 1.0 / 3 + square * sum;
    sum = -((e + 0.5) * log_2 + 2 * s * (1 + square * sum));
    return sum > 0 ? sum : 0;
}

#endif
