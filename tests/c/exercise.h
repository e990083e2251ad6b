/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a caller can do with a plan, whatever it holds. */
#ifndef TRIT_TEST_EXERCISE_H
#define TRIT_TEST_EXERCISE_H

#include <stddef.h>
#include <stdint.h>

/* Opens, inspects and runs in every variant; returns whether the plan was accepted. Aborts where something is wrong. */
int exercise(const void *data, size_t size);

/* Writes the checksum that a plan of `count` words needs. */
void seal(uint32_t *words, size_t count);

#endif
