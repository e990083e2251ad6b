/* SPDX-License-Identifier: Apache-2.0 */
/* For compilers without libFuzzer: runs every file, then changed copies of it, the same ones every time.
 * Usage: replay ROUNDS FILE...
 */
#include "check.h"
#include "exercise.h"
#include "fuzz.h"

#define MOST_FILE_BYTES 65536u

static uint32_t flips;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) {
    (void)max_size;
    flips = flips * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    if (size) data[(flips >> 8) % size] ^= (uint8_t)(1u << flips / 536870912u);
    return size;
}

/* Runs exactly the bytes of the plan, so that the address sanitizer sees the first one beyond. */
static int accepted(const uint8_t *data, size_t size) {
    void *plan = copy(data, size);
    int opened = exercise(plan, size);
    free(plan);
    return opened;
}

static size_t read_file(const char *path, uint8_t *data) {
    FILE *file = fopen(path, "rb");
    size_t size;
    if (!file) abort();
    size = fread(data, 1, MOST_FILE_BYTES, file);
    fclose(file);
    return size;
}

int main(int argc, char **argv) {
    uint8_t *original = (uint8_t *)take(MOST_FILE_BYTES), *changed = (uint8_t *)take(MOST_FILE_BYTES);
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 0, i, opened = 0, opened_changed = 0;
    int file;
    for (file = 2; file < argc; file++) {
        size_t size = read_file(argv[file], original);
        opened += (unsigned)accepted(original, size);
        for (i = 0; i < rounds; i++) {
            memcpy(changed, original, size);
            opened_changed += (unsigned)accepted(changed, LLVMFuzzerCustomMutator(changed, size, MOST_FILE_BYTES, i));
        }
    }
    printf("%u of %d files and %u of their changed copies opened and run\n", opened, argc - 2, opened_changed);
    CHECK(opened > 0);
    CHECK(opened_changed >= opened * rounds / 20); /* else the changes are too coarse to come past trit_open */
    free(original);
    free(changed);
    return failures != 0;
}
