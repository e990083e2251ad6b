/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel streams of extreme and random samples, in chunks of random sizes: nothing overflows, whatever is heard; the
 * chunks make no difference. tests/test_log_mel.py compares the codes with their definition. */
#include "check.h"
#include "trit/log_mel.h"

#define MOST (4 * TRIT_LOG_MEL_RATE) /* samples of a stream */
#define WAVES 8

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below) {
    random_state = random_state * UINT32_C(1664525) + UINT32_C(1013904223);
    return (random_state >> 8) % below;
}

/* One of the worst: both extremes in a pattern that the window and a turn of the FFT add up, or noise. */
static void write_wave(int16_t *samples, uint32_t count, uint32_t wave) {
    uint32_t period = 2 + draw(TRIT_LOG_MEL_WINDOW), i;
    for (i = 0; i < count; i++) {
        int32_t loud = i % period < period / 2 ? 32767 : -32768;
        int32_t noise = (int32_t)draw(65536) - 32768;
        int32_t of_wave[WAVES] = {0, 32767, -32768, loud, draw(2) ? 32767 : -32768, noise, noise >> draw(16), loud >> 8};
        samples[i] = (int16_t)of_wave[wave];
    }
}

/* Codes of the stream's end, and its frames. The state lies in memory of exactly its size. */
static uint32_t stream(const int16_t *samples, uint32_t count, uint32_t most, uint8_t *image) {
    trit_log_mel *state = (trit_log_mel *)take(sizeof *state);
    uint32_t at = 0, frames;
    memset(state, 0xa5, sizeof *state);
    trit_log_mel_reset(state);
    CHECK(trit_log_mel_push(state, samples, 0) == 0);
    while (at < count) {
        uint32_t chunk = 1 + draw(most), before = state->frames;
        size_t taken;
        if (chunk > count - at) chunk = count - at;
        taken = trit_log_mel_push(state, samples + at, chunk);
        CHECK(taken > 0 && taken <= chunk);
        CHECK(taken == chunk || state->frames == before + 1);
        at += (uint32_t)taken;
    }
    trit_log_mel_copy(state, image);
    frames = state->frames;
    free(state);
    return frames;
}

static void test_stream(uint32_t wave) {
    uint32_t count = draw(MOST);
    int16_t *samples = (int16_t *)take(count * sizeof *samples);
    uint8_t *whole = (uint8_t *)take(TRIT_LOG_MEL_SIZE), *parts = (uint8_t *)take(TRIT_LOG_MEL_SIZE);
    uint32_t expected = count < TRIT_LOG_MEL_WINDOW ? 0 : 1 + (count - TRIT_LOG_MEL_WINDOW) / TRIT_LOG_MEL_HOP;
    write_wave(samples, count, wave);
    CHECK(stream(samples, count, MOST, whole) == expected);
    CHECK(stream(samples, count, 1 + draw(2000), parts) == expected);
    CHECK(memcmp(whole, parts, TRIT_LOG_MEL_SIZE) == 0);
    free(samples), free(whole), free(parts);
}

int main(void) {
    uint32_t repeat;
    CHECK(sizeof(trit_log_mel) == 5048); /* as docs/keywords.md says */
    for (repeat = 0; repeat < 10 * WAVES; repeat++) test_stream(repeat % WAVES);
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
