/* SPDX-License-Identifier: Apache-2.0 */
/* Memory whose end the address sanitizer watches. */
#ifndef TRIT_TEST_MEMORY_H
#define TRIT_TEST_MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exactly `size` bytes. */
static inline void *take(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

static inline void *copy(const void *data, size_t size) {
    return memcpy(take(size), data, size);
}

#endif
