/* SPDX-License-Identifier: Apache-2.0 */
/* What the Python package calls beside the public functions; no part of the device library. */
#if !defined(_WIN32) && !defined(__APPLE__)
#define _POSIX_C_SOURCE 199309L
#endif
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#include "trit/bits.h"
#include "trit/inspect.h"
#include "trit/log_mel.h"

size_t trit_host_plan_size(void);
trit_status trit_host_run_batch(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *inputs,
                                float *outputs, size_t count);
trit_status trit_host_profile(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input,
                              float *output, size_t repeats, double *seconds);
void trit_host_pack(const int8_t *values, uint32_t count, uint32_t *nonzero, uint32_t *sign);
int32_t trit_host_dot(const uint32_t *nonzero_a, const uint32_t *sign_a, const uint32_t *nonzero_b,
                      const uint32_t *sign_b, uint32_t count);
size_t trit_host_log_mel(const int16_t *samples, size_t count, size_t chunk, uint8_t *codes, uint8_t *image);

size_t trit_host_plan_size(void) {
    return sizeof(trit_plan);
}

trit_status trit_host_run_batch(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *inputs,
                                float *outputs, size_t count) {
    trit_status status = TRIT_OK;
    size_t i;
    for (i = 0; i < count && status == TRIT_OK; i++)
        status = trit_run(plan, arena, arena_size, inputs + i * trit_input_size(plan),
                          outputs + i * trit_output_size(plan));
    return status;
}

/* In seconds, by a clock that never goes back. */
static double seconds_now(void) {
#ifdef _WIN32
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    return (double)ticks.QuadPart / (double)frequency.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}

typedef struct timer {
    double *seconds; /* of this run's steps */
    double last;
} timer;

static void take_time(void *user, uint32_t step) {
    timer *t = (timer *)user;
    if (step > 0) t->seconds[step - 1] = seconds_now() - t->last;
    t->last = seconds_now();
}

/* seconds[repeat][step] */
trit_status trit_host_profile(const trit_plan *plan, void *arena, size_t arena_size, const uint8_t *input,
                              float *output, size_t repeats, double *seconds) {
    trit_status status = TRIT_OK;
    timer t = {seconds, 0.0};
    size_t i;
    for (i = 0; i < repeats && status == TRIT_OK; i++, t.seconds += trit_step_count(plan))
        status = trit_run_hooked(plan, arena, arena_size, input, output, take_time, &t);
    return status;
}

void trit_host_pack(const int8_t *values, uint32_t count, uint32_t *nonzero, uint32_t *sign) {
    trit_pack(values, count, nonzero, sign);
}

int32_t trit_host_dot(const uint32_t *nonzero_a, const uint32_t *sign_a, const uint32_t *nonzero_b,
                      const uint32_t *sign_b, uint32_t count) {
    return trit_dot(nonzero_a, sign_a, nonzero_b, sign_b, count);
}

/* Streams the samples in chunks. codes[frame][band] of all frames, the last ones as an image; returns the frames. */
size_t trit_host_log_mel(const int16_t *samples, size_t count, size_t chunk, uint8_t *codes, uint8_t *image) {
    trit_log_mel state;
    size_t at = 0, frames = 0;
    trit_log_mel_reset(&state);
    while (at < count) {
        at += trit_log_mel_push(&state, samples + at, count - at < chunk ? count - at : chunk);
        if (state.frames == frames) continue;
        trit_log_mel_copy(&state, image);
        memcpy(codes + frames++ * TRIT_LOG_MEL_BANDS, image + TRIT_LOG_MEL_SIZE - TRIT_LOG_MEL_BANDS,
               TRIT_LOG_MEL_BANDS);
    }
    trit_log_mel_copy(&state, image);
    return frames;
}
