/* SPDX-License-Identifier: Apache-2.0 */
/* Counts failed checks; main returns the count. */
#ifndef TRIT_TEST_CHECK_H
#define TRIT_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            failures++;                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
        }                                                                      \
    } while (0)

/* Exactly `size` bytes from the heap, so that the address sanitizer sees the first byte beyond. */
static void *take(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

static void *copy(const void *data, size_t size) {
    return memcpy(take(size), data, size);
}

#endif
