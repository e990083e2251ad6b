/* SPDX-License-Identifier: Apache-2.0 */
/* A Cortex-M without an operating system: start-up, and text and exit status by semihosting, which debuggers and
 * simulators answer. On a bare board, give platform_write a UART. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "platform.h"
#include "stack.h"

int main(void);
void reset(void);
extern uint32_t data_load[], data_start[], data_end[], bss_start[]; /* of the linker script */

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

void reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    volatile uint32_t *cpacr = (volatile uint32_t *)0xe000ed88;
    *cpacr |= 0xfu << 20; /* the floating-point and vector unit, before anything can use it */
    __asm__ volatile("dsb\n\tisb");
#endif
    memcpy(data_start, data_load, (size_t)((uintptr_t)data_end - (uintptr_t)data_start));
    memset(bss_start, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_start));
    paint_stack();
    platform_exit(main());
}
