/* SPDX-License-Identifier: Apache-2.0 */
/* Spots spoken words in a recording and prints when each was heard: keywords PLAN [WAV]
 * The WAV file is mono, 16 bit, 16 kHz; without one, such samples are read from standard input, without a header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trit/inspect.h"
#include "trit/keywords.h"

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

/* Prints the word and how many seconds were heard before it was told. */
static void print_word(const trit_keywords *k, uint32_t word) {
    uint32_t samples = TRIT_LOG_MEL_WINDOW + (k->features.frames - 1) * TRIT_LOG_MEL_HOP;
    printf("%6.2f s  %s\n", samples / (double)TRIT_LOG_MEL_RATE, trit_label(&k->plan, word));
}

/* Samples as they come, a few at a time. */
static void listen(trit_keywords *k, FILE *file) {
    uint8_t bytes[2 * 256];
    int16_t samples[256];
    size_t count, i;
    while ((count = fread(bytes, 2, 256, file)) > 0) {
        for (i = 0; i < count; i++) samples[i] = (int16_t)little_endian(bytes + 2 * i, 2);
        for (i = 0; i < count;) {
            uint32_t word;
            i += trit_keywords_push(k, samples + i, count - i, &word);
            if (word != TRIT_NO_WORD) print_word(k, word);
        }
    }
}

int main(int argc, char **argv) {
    static trit_keywords k;
    void *data, *arena;
    trit_status status;
    trit_plan plan;
    size_t size;
    FILE *file;
    if (argc != 2 && argc != 3) return fprintf(stderr, "usage: keywords PLAN [WAV]\n"), 2;
    data = read_file(argv[1], &size);
    status = trit_open(&plan, data, size);
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    arena = malloc(trit_arena_size(&plan) + 1);
    status = trit_keywords_begin(&k, data, size, arena, trit_arena_size(&plan));
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    file = argc == 3 ? open_wav(argv[2]) : stdin;
    listen(&k, file);
    if (file != stdin) fclose(file);
    free(arena), free(data);
    return 0;
}
