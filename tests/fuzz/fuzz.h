/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points that libFuzzer calls, and the one it offers (https://llvm.org/docs/LibFuzzer.html). */
#ifndef TRIT_FUZZ_H
#define TRIT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Opens the bytes as a plan and runs it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Changes a plan in place, which has room for `max_size` bytes; returns its new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* Changes bytes without knowing what they mean. libFuzzer has it; replay.c has a simple one. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
