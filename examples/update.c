/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces a plan while the program runs, without rebuilding it ("over the air"): update PLAN UPDATE...
 *
 * Two slots of memory, as two regions of flash would be: one holds the plan in use, the other takes what arrives, a
 * chunk at a time. The program switches only to a whole plan that opens, takes the same images and gives the same
 * scores' shape; whatever else arrives is refused, and the plan in use goes on.
 */
#include <stdio.h>
#include <string.h>

#include "trit/inspect.h"

#define SLOT_BYTES (1u << 20)
#define ARENA_BYTES (1u << 18)
#define IMAGE_BYTES (1u << 16)
#define MOST_SCORES 1024u
#define CHUNK_BYTES 1000u /* what the radio brings at once; any number will do */

static uint32_t slots[2][SLOT_BYTES / 4], arena[ARENA_BYTES / 4];
static int in_use = -1; /* the slot of `plan`; none at first */
static trit_plan plan;

/* Appends what arrives to a slot. Returns its bytes, or 0 where nothing came or it does not fit. */
static size_t receive(const char *path, uint8_t *slot) {
    uint8_t chunk[CHUNK_BYTES];
    size_t size = 0, count;
    FILE *link = fopen(path, "rb");
    while (link && (count = fread(chunk, 1, sizeof chunk, link)) > 0) {
        if (count > SLOT_BYTES - size) {
            size = 0;
            break;
        }
        memcpy(slot + size, chunk, count);
        size += count;
    }
    if (link) fclose(link);
    return size;
}

static int same_shapes(const trit_plan *a, const trit_plan *b) {
    uint32_t in[2][3], out[2][3];
    trit_input_shape(a, in[0]), trit_output_shape(a, out[0]);
    trit_input_shape(b, in[1]), trit_output_shape(b, out[1]);
    return memcmp(in[0], in[1], sizeof in[0]) == 0 && memcmp(out[0], out[1], sizeof out[0]) == 0;
}

static int fits(const trit_plan *p) {
    return trit_arena_size(p) <= ARENA_BYTES && trit_input_size(p) <= IMAGE_BYTES && trit_output_size(p) <= MOST_SCORES;
}

/* Returns null after the switch, else why the update was refused. */
static const char *update(const char *path) {
    int idle = in_use == 0;
    size_t size = receive(path, (uint8_t *)slots[idle]);
    trit_plan arrived;
    trit_status status;
    if (size == 0) return "nothing arrived, or more than a slot holds";
    status = trit_open(&arrived, slots[idle], size); /* sees any damage, before anything runs */
    if (status != TRIT_OK) return trit_status_text(status);
    if (!fits(&arrived)) return "the plan needs more memory than this program has";
    if (in_use >= 0 && !same_shapes(&arrived, &plan)) return "the plan has other inputs or outputs";
    plan = arrived;
    in_use = idle;
    return NULL;
}

/* What the plan in use says about an image, here one of middle gray. */
static void run(void) {
    static uint8_t image[IMAGE_BYTES];
    static float scores[MOST_SCORES];
    uint32_t best = 0, i;
    memset(image, 128, sizeof image);
    if (trit_run(&plan, arena, sizeof arena, image, scores) != TRIT_OK) return;
    for (i = 1; i < trit_output_size(&plan); i++)
        if (scores[i] > scores[best]) best = i;
    printf("slot %d gives %.9g %s\n", in_use, scores[best], trit_label_count(&plan) ? trit_label(&plan, best) : "");
}

int main(int argc, char **argv) {
    int i;
    if (argc < 2) return fprintf(stderr, "usage: update PLAN UPDATE...\n"), 2;
    for (i = 1; i < argc; i++) {
        const char *refusal = update(argv[i]);
        printf("%s: %s\n", argv[i], refusal ? refusal : "in use");
        if (in_use < 0) return 2; /* there is no plan to go on with */
        run();
    }
    return 0;
}
