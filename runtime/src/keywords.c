/* SPDX-License-Identifier: Apache-2.0 */
/* Words in a stream of samples, and when they were heard. */
#include "trit/keywords.h"

#include "trit/inspect.h"

#define EVERY 10u    /* frames between runs of the network: 200 ms */
#define SMOOTHED 2u  /* runs whose scores are averaged */
#define MARGIN 3.0f  /* of the best score before the second: e^3 times as likely */
#define CONTRAST 40u /* codes from the quietest to the loudest frame: 20 dB, less is background */
#define PAUSE 55u    /* frames behind a word in which no other is heard: until it has left the image */

static int is_text(const TRIT_FLASH char *a, const char *b) {
    for (; *a == *b; a++, b++)
        if (*a == 0) return 1;
    return 0;
}

static int reads_the_features(const trit_plan *plan) {
    uint32_t i;
    for (i = 0; i < trit_metadata_count(plan); i++)
        if (is_text(trit_metadata_key(plan, i), "front_end"))
            return is_text(trit_metadata_value(plan, i), TRIT_LOG_MEL_DEFINITION) &&
                   trit_input_size(plan) == TRIT_LOG_MEL_SIZE;
    return 0;
}

trit_status trit_keywords_begin(trit_keywords *state, const TRIT_FLASH void *plan, size_t size, void *arena,
                                size_t arena_size) {
    trit_status status;
    uint32_t words;
    if (!state || !plan || !arena) return TRIT_NULL_POINTER;
    status = trit_open(&state->plan, plan, size);
    if (status != TRIT_OK) return status;
    words = trit_label_count(&state->plan);
    if (!reads_the_features(&state->plan) || words < 2 || words > TRIT_KEYWORDS_MOST) return TRIT_NO_KEYWORDS;
    if (arena_size < trit_arena_size(&state->plan)) return TRIT_ARENA_TOO_SMALL;
    if ((uintptr_t)arena % 4 != 0) return TRIT_MISALIGNED;
    trit_log_mel_reset(&state->features);
    state->arena = arena;
    state->arena_size = arena_size;
    state->runs = 0;
    state->quiet_until = TRIT_LOG_MEL_FRAMES; /* until the image holds nothing but sound */
    return TRIT_OK;
}

/* Is there a sound in the last second that stands out? */
static int stands_out(const uint8_t *image) {
    uint32_t quietest = UINT32_MAX, loudest = 0, frame, band;
    for (frame = 0; frame < TRIT_LOG_MEL_FRAMES; frame++) {
        uint32_t loud = 0;
        for (band = 0; band < TRIT_LOG_MEL_BANDS; band++) loud += *image++;
        if (loud < quietest) quietest = loud;
        if (loud > loudest) loudest = loud;
    }
    return loudest - quietest >= CONTRAST * TRIT_LOG_MEL_BANDS;
}

/* The word that the smoothed scores tell from all others. */
static uint32_t decide(const trit_keywords *state) {
    uint32_t words = trit_label_count(&state->plan), best[2], i, run;
    float mean[TRIT_KEYWORDS_MOST];
    for (i = 0; i < words; i++) {
        mean[i] = 0;
        for (run = 0; run < SMOOTHED; run++) mean[i] += state->scores[run][i] / (float)SMOOTHED;
    }
    trit_top_k(mean, words, 2, best);
    return mean[best[0]] - mean[best[1]] >= MARGIN ? best[0] : TRIT_NO_WORD;
}

static uint32_t look(trit_keywords *state) {
    uint32_t word;
    trit_log_mel_copy(&state->features, state->image);
    trit_run(&state->plan, state->arena, state->arena_size, state->image, state->scores[state->runs++ % SMOOTHED]);
    if (state->runs < SMOOTHED || state->features.frames < state->quiet_until || !stands_out(state->image))
        return TRIT_NO_WORD;
    word = decide(state);
    if (word != TRIT_NO_WORD) state->quiet_until = state->features.frames + PAUSE;
    return word;
}

size_t trit_keywords_push(trit_keywords *state, const int16_t *samples, size_t count, uint32_t *word) {
    size_t taken = 0;
    for (*word = TRIT_NO_WORD; taken < count && *word == TRIT_NO_WORD;) {
        uint32_t before = state->features.frames;
        taken += trit_log_mel_push(&state->features, samples + taken, count - taken);
        if (state->features.frames != before && state->features.frames % EVERY == 0) *word = look(state);
    }
    return taken;
}
