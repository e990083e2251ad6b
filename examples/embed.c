/* SPDX-License-Identifier: Apache-2.0 */
/* Classifies one image in plain C: embed PLAN IMAGE, the image as raw uint8 (channels, height, width). */
#include <stdio.h>
#include <stdlib.h>

#include "trit/inspect.h"

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    *size = 0;
    while (file && !feof(file) && (data = realloc(data, *size + 65536))) *size += fread(data + *size, 1, 65536, file);
    if (file) fclose(file);
    return data;
}

int main(int argc, char **argv) {
    size_t plan_size, image_size, i, best = 0;
    void *data = argc == 3 ? read_file(argv[1], &plan_size) : NULL;
    uint8_t *image = argc == 3 ? read_file(argv[2], &image_size) : NULL;
    if (!data || !image) return fprintf(stderr, "usage: embed PLAN IMAGE\n"), 2;

    trit_plan plan;
    trit_status status = trit_open(&plan, data, plan_size);
    if (status != TRIT_OK) return fprintf(stderr, "%s: %s\n", argv[1], trit_status_text(status)), 2;
    if (image_size != trit_input_size(&plan)) return fprintf(stderr, "%s: wrong size\n", argv[2]), 2;
    void *arena = malloc(trit_arena_size(&plan) + 1);
    float *scores = malloc(trit_output_size(&plan) * sizeof(float));
    trit_run(&plan, arena, trit_arena_size(&plan), image, scores);
    for (i = 1; i < trit_output_size(&plan); i++)
        if (scores[i] > scores[best]) best = i;
    printf("%s %.9g\n", trit_label_count(&plan) ? trit_label(&plan, (uint32_t)best) : "", scores[best]);

    free(scores), free(arena), free(image), free(data);
    return 0;
}
