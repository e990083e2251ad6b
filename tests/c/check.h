/* SPDX-License-Identifier: Apache-2.0 */
/* Counts failed checks; main returns the count. */
#ifndef TRIT_TEST_CHECK_H
#define TRIT_TEST_CHECK_H

#include "memory.h"

static int failures;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            failures++;                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
        }                                                                      \
    } while (0)

#endif
