/* SPDX-License-Identifier: Apache-2.0 */
/* A 32-bit RISC-V core without an operating system: start-up, and text and exit status by semihosting, which debuggers
 * and simulators answer. On a bare board, give platform_write a UART. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "platform.h"
#include "stack.h"

int main(void);
_Noreturn void start(void);
extern uint32_t data_load[], data_start[], data_end[], bss_start[]; /* of the linker script */

enum { WRITE0 = 0x04, EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

/* The first instructions of the program. */
__asm__(".section .vectors, \"ax\"\n"
        ".globl reset\n"
        "reset:\n"
        ".option push\n"
        ".option norelax\n"
        "    la sp, stack_top\n"
        "    la t0, fault\n"
        "    csrw mtvec, t0\n"
        "    j start\n"
        ".option pop\n"
        ".text\n");

/* The debugger knows the call by the three instructions, uncompressed and in one page. */
static void semihost(uint32_t operation, const void *argument) {
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".balign 16\n\t.option push\n\t.option norvc\n\t"
                     "slli x0, x0, 0x1f\n\tebreak\n\tsrai x0, x0, 7\n\t.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
}

void platform_write(const char *text) {
    semihost(WRITE0, text);
}

_Noreturn void platform_exit(int status) {
    uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;) semihost(EXIT_EXTENDED, block);
}

__attribute__((used, aligned(4))) static _Noreturn void fault(void) {
    platform_write("fault\n");
    platform_exit(3);
}

_Noreturn void start(void) {
    memcpy(data_start, data_load, (size_t)((uintptr_t)data_end - (uintptr_t)data_start));
    memset(bss_start, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_start));
    paint_stack();
    platform_exit(main());
}
