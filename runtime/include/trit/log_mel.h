/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel features of 16 kHz samples in integer arithmetic, as a stream. trit.runtime.log_mel defines them.
 *
 * Each frame of TRIT_LOG_MEL_WINDOW samples, TRIT_LOG_MEL_HOP after the last one, becomes a row of TRIT_LOG_MEL_BANDS
 * codes; the last TRIT_LOG_MEL_FRAMES rows are the image (1, frames, bands) that a network reads. The caller owns the
 * state. Stack use is below 256 bytes.
 */
#ifndef TRIT_LOG_MEL_H
#define TRIT_LOG_MEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRIT_LOG_MEL_RATE 16000u /* samples per second */
#define TRIT_LOG_MEL_WINDOW 512u
#define TRIT_LOG_MEL_HOP 320u
#define TRIT_LOG_MEL_BANDS 40u
#define TRIT_LOG_MEL_FRAMES 49u /* one second */
#define TRIT_LOG_MEL_SIZE (TRIT_LOG_MEL_FRAMES * TRIT_LOG_MEL_BANDS)

/* What a model that reads these features carries as its metadata `front_end`. */
#define TRIT_LOG_MEL_DEFINITION                                             \
    "log-mel rate=16000 window=512 hop=320 bands=40 lowest=60 highest=7800" \
    " codes-per-bit=6 floor=93 frames=49"

/* The fields are private but for `frames`. */
typedef struct trit_log_mel {
    uint32_t frames;  /* complete so far, modulo 2^32 */
    uint32_t missing; /* samples, to the end of the next frame */
    uint32_t place;   /* of the oldest sample in its ring, which the next replaces */
    uint32_t row;     /* of the oldest codes in theirs */
    union {
        int32_t wave[TRIT_LOG_MEL_WINDOW];       /* real and imaginary parts in turn */
        uint64_t power[TRIT_LOG_MEL_WINDOW / 2]; /* of each bin */
    } work;
    int16_t samples[TRIT_LOG_MEL_WINDOW];
    uint8_t codes[TRIT_LOG_MEL_SIZE];
} trit_log_mel;

/* Begins a stream: silence lies before it. */
void trit_log_mel_reset(trit_log_mel *state);

/* Takes samples, up to the one that completes a frame; returns how many. Call again for the rest:
 * `frames` has counted up when a frame was completed. */
size_t trit_log_mel_push(trit_log_mel *state, const int16_t *samples, size_t count);

/* The codes of the last frames, oldest first: TRIT_LOG_MEL_SIZE bytes. */
void trit_log_mel_copy(const trit_log_mel *state, uint8_t *image);

#ifdef __cplusplus
}
#endif

#endif
