/* SPDX-License-Identifier: Apache-2.0 */
/* A Cortex-M without an operating system: start-up, the memory functions that compilers call, and text and exit
 * status by semihosting, which debuggers and simulators answer. On a bare board, give platform_write a UART. */
#include "platform.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int main(void);
void reset(void);
extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[]; /* of the linker script */

enum { WRITE0 = 0x04, EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void platform_write(const char *text) {
    semihost(WRITE0, text);
}

_Noreturn void platform_exit(int status) {
    uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;) semihost(EXIT_EXTENDED, block);
}

static _Noreturn void fault(void) {
    platform_write("fault\n");
    platform_exit(3);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};

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

/* The names that compilers for the Arm EABI call them by; memset's arguments are swapped. */
void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset4(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }

void reset(void) {
    volatile uint32_t *cpacr = (volatile uint32_t *)0xe000ed88;
    *cpacr |= 0xfu << 20; /* the floating-point unit, before anything can use it */
    __asm__ volatile("dsb\n\tisb");
    memcpy(data_start, data_load, (size_t)((uintptr_t)data_end - (uintptr_t)data_start));
    memset(bss_start, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_start));
    platform_exit(main());
}
