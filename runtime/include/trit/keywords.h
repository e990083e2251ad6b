/* SPDX-License-Identifier: Apache-2.0 */
/* From the samples of a microphone to words: the features of log_mel.h, a model that scores words, and a rule that says when
 * one was heard: the scores of two runs, 200 ms apart, are averaged; the best is e^3 times as likely as the second; a
 * frame of the image is 20 dB louder than another; and the word before has left the image.
 */
#ifndef TRIT_KEYWORDS_H
#define TRIT_KEYWORDS_H

#include "trit/log_mel.h"
#include "trit/trit.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRIT_KEYWORDS_MOST 64u /* words of a model */
#define TRIT_NO_WORD UINT32_MAX

/* The fields are private but for the plan and features.frames. */
typedef struct trit_keywords {
    trit_plan plan;
    trit_log_mel features;
    void *arena;
    size_t arena_size;
    uint32_t runs, quiet_until; /* runs of the model; frame */
    float scores[2][TRIT_KEYWORDS_MOST];
    uint8_t image[TRIT_LOG_MEL_SIZE];
} trit_keywords;

/* Begins a stream with the model. Plan and arena are as for trit_open and trit_run, and stay in use. TRIT_NO_KEYWORDS if
 * its metadata `front_end` is not TRIT_LOG_MEL_DEFINITION, or it does not have 2 to 64 labels. */
trit_status trit_keywords_begin(trit_keywords *state, const TRIT_FLASH void *plan, size_t size, void *arena,
                                size_t arena_size);

/* Takes samples, up to the one that completes a word; returns how many, and in *word its class or TRIT_NO_WORD. Call again
 * for the rest. */
size_t trit_keywords_push(trit_keywords *state, const int16_t *samples, size_t count, uint32_t *word);

#ifdef __cplusplus
}
#endif

#endif
