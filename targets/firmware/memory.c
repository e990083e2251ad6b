/* SPDX-License-Identifier: Apache-2.0 */
/* The memory functions that compilers call, for machines without a C library. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if (((uintptr_t)t | (uintptr_t)f) % 4 == 0)
        for (; size >= 4; size -= 4, t += 4, f += 4) *(uint32_t *)(void *)t = *(const uint32_t *)(const void *)f;
    while (size--) *t++ = *f++;
    return to;
}

void *memset(void *to, int value, size_t size) {
    uint8_t *t = to;
    for (; size && (uintptr_t)t % 4; size--) *t++ = (uint8_t)value;
    for (; size >= 4; size -= 4, t += 4) *(uint32_t *)(void *)t = (uint8_t)value * 0x01010101u;
    while (size--) *t++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    for (; size; size--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

#if defined(__arm__)
/* The names that compilers for the Arm EABI call them by; memset's arguments are swapped. */
void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset4(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
#endif
