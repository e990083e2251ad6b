/* SPDX-License-Identifier: Apache-2.0 */
/* Spots spoken words in a recording and prints when each was heard: keywords PLAN [WAV]
 * The WAV file is mono, 16 bit, 16 kHz; without one, such samples are read from standard input, without a header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trit/inspect.h"
#include "trit/log_mel.h"

#define EVERY 10u    /* frames between runs of the network: 200 ms */
#define SMOOTHED 2u  /* runs whose scores are averaged */
#define MARGIN 3.0f  /* of the best score before the second: e^3 times as likely */
#define CONTRAST 40u /* codes from the quietest to the loudest frame: 20 dB, less is background */
#define PAUSE 55u    /* frames behind a word in which no other is heard: until it has left the image */
#define MOST_WORDS 64u

static void fail(const char *what, const char *why) {
    fprintf(stderr, "keywords: %s: %s\n", what, why);
    exit(2);
}

/* The whole file, aligned for words. */
static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    size_t room = 65536;
    char *data = (char *)malloc(room);
    if (!file) fail(path, "cannot be opened");
    *size = 0;
    while (data && (*size += fread(data + *size, 1, room - *size, file)) == room)
        data = (char *)realloc(data, room *= 2);
    if (!data) fail(path, "is larger than the memory");
    fclose(file);
    return data;
}

static uint32_t little_endian(const uint8_t *bytes, uint32_t count) {
    return count ? bytes[0] | little_endian(bytes + 1, count - 1) << 8 : 0;
}

/* The file, at its first sample. */
static FILE *open_wav(const char *path) {
    uint8_t riff[12], head[8], form[16] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) fail(path, "cannot be opened");
    if (fread(riff, 1, 12, file) != 12 || memcmp(riff, "RIFF", 4) != 0 || memcmp(riff + 8, "WAVE", 4) != 0)
        fail(path, "is not a WAV file");
    while (fread(head, 1, 8, file) == 8) {
        uint32_t size = little_endian(head + 4, 4), padded = size + size % 2, taken = 0;
        if (memcmp(head, "data", 4) == 0) {
            if (little_endian(form, 2) != 1 || little_endian(form + 2, 2) != 1 || little_endian(form + 14, 2) != 16)
                fail(path, "is not mono with 16 bits");
            if (little_endian(form + 4, 4) != TRIT_LOG_MEL_RATE) fail(path, "has not 16,000 samples a second");
            return file;
        }
        if (memcmp(head, "fmt ", 4) == 0 && size >= 16) taken = (uint32_t)fread(form, 1, 16, file);
        if (fseek(file, (long)(padded - taken), SEEK_CUR) != 0) break;
    }
    fail(path, "has no samples");
    return NULL;
}

/* A model says which features it was trained on; others would give nonsense, not an error. */
static void check_front_end(const trit_plan *plan, const char *path) {
    uint32_t i;
    for (i = 0; i < trit_metadata_count(plan); i++)
        if (strcmp(trit_metadata_key(plan, i), "front_end") == 0 &&
            strcmp(trit_metadata_value(plan, i), TRIT_LOG_MEL_DEFINITION) == 0 &&
            trit_input_size(plan) == TRIT_LOG_MEL_SIZE && trit_label_count(plan) >= 2 &&
            trit_label_count(plan) <= MOST_WORDS)
            return;
    fail(path, "does not read the features of trit/log_mel.h and name words");
}

typedef struct spotter {
    trit_plan plan;
    trit_log_mel features;
    uint8_t image[TRIT_LOG_MEL_SIZE];
    void *arena;
    float scores[SMOOTHED][MOST_WORDS]; /* of the last runs */
    uint32_t runs, quiet_until;         /* frame */
} spotter;

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

/* The word that the smoothed scores tell from all others, or words' count. */
static uint32_t decide(const spotter *s, uint32_t words) {
    float mean[MOST_WORDS];
    uint32_t best[2], i, run;
    for (i = 0; i < words; i++) {
        mean[i] = 0;
        for (run = 0; run < SMOOTHED; run++) mean[i] += s->scores[run][i] / (float)SMOOTHED;
    }
    trit_top_k(mean, words, 2, best);
    return mean[best[0]] - mean[best[1]] >= MARGIN ? best[0] : words;
}

static void look(spotter *s) {
    uint32_t words = trit_label_count(&s->plan), word, end;
    trit_log_mel_copy(&s->features, s->image);
    trit_run(&s->plan, s->arena, trit_arena_size(&s->plan), s->image, s->scores[s->runs++ % SMOOTHED]);
    if (s->runs < SMOOTHED || s->features.frames < s->quiet_until || !stands_out(s->image)) return;
    word = decide(s, words);
    if (word == words) return;
    end = TRIT_LOG_MEL_WINDOW + (s->features.frames - 1) * TRIT_LOG_MEL_HOP; /* samples heard so far */
    printf("%6.2f s  %s\n", end / (double)TRIT_LOG_MEL_RATE, trit_label(&s->plan, word));
    s->quiet_until = s->features.frames + PAUSE;
}

/* Samples as they come, a few at a time. */
static void listen(spotter *s, FILE *file) {
    uint8_t bytes[2 * 256];
    int16_t samples[256];
    size_t count, i;
    while ((count = fread(bytes, 2, 256, file)) > 0) {
        for (i = 0; i < count; i++) samples[i] = (int16_t)little_endian(bytes + 2 * i, 2);
        for (i = 0; i < count;) {
            uint32_t before = s->features.frames;
            i += trit_log_mel_push(&s->features, samples + i, count - i);
            if (s->features.frames != before && s->features.frames % EVERY == 0) look(s);
        }
    }
}

int main(int argc, char **argv) {
    static spotter s;
    trit_status status;
    size_t size;
    void *data;
    FILE *file;
    if (argc != 2 && argc != 3) return fprintf(stderr, "usage: keywords PLAN [WAV]\n"), 2;
    data = read_file(argv[1], &size);
    status = trit_open(&s.plan, data, size);
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    check_front_end(&s.plan, argv[1]);
    s.arena = malloc(trit_arena_size(&s.plan) + 1);
    if (!s.arena) fail("memory", "there is not enough");
    file = argc == 3 ? open_wav(argv[2]) : stdin;
    trit_log_mel_reset(&s.features);
    s.quiet_until = TRIT_LOG_MEL_FRAMES; /* until the image holds nothing but sound */
    listen(&s, file);
    if (file != stdin) fclose(file);
    free(s.arena), free(data);
    return 0;
}
