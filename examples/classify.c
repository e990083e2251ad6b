/* SPDX-License-Identifier: Apache-2.0 */
/* Classifies an image file and prints the best labels with their scores: classify PLAN IMAGE
 * The image is a binary PGM (gray) or PPM (colour) of the network's size.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "trit/inspect.h"

#define SHOWN 3u

static void fail(const char *what, const char *why) {
    fprintf(stderr, "classify: %s: %s\n", what, why);
    exit(2);
}

static void *allocate(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) fail("memory", "there is not enough");
    return memory;
}

/* The whole file, aligned for words. */
static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    size_t room = 65536;
    uint8_t *data = (uint8_t *)allocate(room);
    if (!file) fail(path, "cannot be opened");
    *size = 0;
    while ((*size += fread(data + *size, 1, room - *size, file)) == room)
        if (!(data = (uint8_t *)realloc(data, room *= 2))) fail(path, "is larger than the memory");
    fclose(file);
    return data;
}

/* A number of the header, behind blanks and comments, and the one blank that ends it. */
static uint32_t read_number(FILE *file) {
    uint32_t number = 0;
    int c = getc(file);
    for (; isspace(c) || c == '#'; c = getc(file))
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(file);
    for (; isdigit(c); c = getc(file)) number = 10 * number + (uint32_t)(c - '0');
    return number;
}

/* The file's pixels in the order that networks read: (channels, height, width). */
static uint8_t *read_image(const char *path, const uint32_t shape[3]) {
    uint32_t pixels = shape[1] * shape[2], pixel, channel;
    uint8_t *image = (uint8_t *)allocate((size_t)shape[0] * pixels);
    FILE *file = fopen(path, "rb");
    if (!file) fail(path, "cannot be opened");
    if (getc(file) != 'P' || getc(file) != (shape[0] == 3 ? '6' : '5') || (shape[0] != 1 && shape[0] != 3))
        fail(path, "is not an image as the network reads: P5 has one channel, P6 three");
    if (read_number(file) != shape[2] || read_number(file) != shape[1] || read_number(file) != 255)
        fail(path, "has not the network's width and height, or not 256 levels");
    for (pixel = 0; pixel < pixels; pixel++)
        for (channel = 0; channel < shape[0]; channel++) image[channel * pixels + pixel] = (uint8_t)getc(file);
    if (feof(file)) fail(path, "is truncated");
    fclose(file);
    return image;
}

static void print_best(const trit_plan *plan, const float *scores) {
    uint32_t best[SHOWN], found = trit_top_k(scores, (uint32_t)trit_output_size(plan), SHOWN, best), i;
    for (i = 0; i < found; i++)
        printf("%.9g %s\n", scores[best[i]], trit_label_count(plan) ? trit_label(plan, best[i]) : "");
}

int main(int argc, char **argv) {
    trit_plan plan;
    trit_status status;
    uint32_t shape[3];
    size_t size, arena_size;
    uint8_t *data, *image;
    float *scores;
    void *arena;
    if (argc != 3) return fprintf(stderr, "usage: classify PLAN IMAGE\n"), 2;
    data = read_file(argv[1], &size);
    status = trit_open(&plan, data, size); /* checks everything, once; `data` stays in use */
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    trit_input_shape(&plan, shape);
    image = read_image(argv[2], shape);

    arena_size = trit_arena_size(&plan);
    arena = allocate(arena_size);
    scores = (float *)allocate(trit_output_size(&plan) * sizeof(float));
    status = trit_run(&plan, arena, arena_size, image, scores);
    if (status != TRIT_OK) fail(argv[1], trit_status_text(status));
    print_best(&plan, scores);

    free(scores), free(arena), free(image), free(data);
    return 0;
}
