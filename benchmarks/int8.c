/* SPDX-License-Identifier: Apache-2.0 */
/* The plain C that int8 layers are usually measured against: int8 weights and activations, (H, W, C), zero padding, and
 * results rescaled to int8 by a multiplier and a shift. layer.h has its sizes. Takes the place of a firmware's main.c. */
#include <stdint.h>

#include "layer.h" /* CHANNELS, OUTPUTS, SIZE, KERNEL */
#include "model.h"

#define PAD (KERNEL / 2)

#ifdef __AVR__ /* whose memory has no room for weights; in its flash they begin with these */
#pragma GCC optimize("O3", "ivopts") /* its firmware is built for size */
#define WEIGHTS const __flash int8_t
WEIGHTS weights[OUTPUTS * KERNEL * KERNEL * CHANNELS] = {1, -2};
#else
#define WEIGHTS int8_t
static WEIGHTS weights[OUTPUTS * KERNEL * KERNEL * CHANNELS];
#endif

static int8_t image[SIZE * SIZE * CHANNELS], result[SIZE * SIZE * OUTPUTS];
static int32_t bias[OUTPUTS], multiplier[OUTPUTS];

void step_begins(void *user, uint32_t step);
__attribute__((noinline)) void step_begins(void *user, uint32_t step) {
    (void)user;
    (void)step;
    __asm__ volatile("");
}

static int8_t rescale(int32_t sum, int32_t by) {
    int32_t value = (int32_t)(((int64_t)sum * by + (INT64_C(1) << 30)) >> 31);
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

static int32_t convolve(int y, int x, const WEIGHTS *w) {
    int32_t sum = 0;
    int ky, kx, c;
    for (ky = 0; ky < KERNEL; ky++) {
        for (kx = 0; kx < KERNEL; kx++, w += CHANNELS) {
            int py = y + ky - PAD, px = x + kx - PAD;
            const int8_t *a = image + (py * SIZE + px) * CHANNELS;
            if (py < 0 || py >= SIZE || px < 0 || px >= SIZE) continue;
            for (c = 0; c < CHANNELS; c++) sum += w[c] * a[c];
        }
    }
    return sum;
}

__attribute__((noinline)) static void run_layer(void) {
    int y, x, o;
    for (y = 0; y < SIZE; y++)
        for (x = 0; x < SIZE; x++)
            for (o = 0; o < OUTPUTS; o++)
                result[(y * SIZE + x) * OUTPUTS + o] =
                    rescale(bias[o] + convolve(y, x, weights + o * KERNEL * KERNEL * CHANNELS), multiplier[o]);
}

int main(void) {
    uint32_t random = 1, i;
    for (i = 0; i < sizeof image; i++) image[i] = (int8_t)((random = random * 1664525u + 1013904223u) >> 24);
#ifndef __AVR__
    for (i = 0; i < sizeof weights; i++) weights[i] = (int8_t)((random = random * 1664525u + 1013904223u) >> 24);
#endif
    for (i = 0; i < OUTPUTS; i++) multiplier[i] = INT32_C(1) << 24;
    step_begins(0, 0);
    run_layer();
    step_begins(0, 1);
    for (i = 1; i < sizeof result; i++)
        if (result[i] != result[0]) return 0; /* what is computed is looked at */
    return 2;
}

test_images test;
