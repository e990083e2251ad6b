/* SPDX-License-Identifier: Apache-2.0 */
/* What an x86 processor has. Asked of itself: not every compiler's run-time library fills what
 * __builtin_cpu_supports reads. */
#ifndef TRIT_X86_H
#define TRIT_X86_H

#include <cpuid.h>

/* Has it popcnt, and does the system save the registers in `state`, bits of XCR0? */
static inline int trit_x86_has(unsigned state) {
    const unsigned popcnt = 1u << 23, osxsave = 1u << 27, avx = 1u << 28;
    unsigned a, b, c, d, enabled, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (popcnt | osxsave | avx)) != (popcnt | osxsave | avx)) return 0;
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    return (enabled & state) == state;
}

/* Has it these extended features (leaf 7, in EBX and ECX)? */
static inline int trit_x86_has_extended(unsigned ebx, unsigned ecx) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & ebx) == ebx && (c & ecx) == ecx;
}

/* Has it tiles of int8, and does the system save them? */
static inline int trit_x86_has_tiles(void) {
    const unsigned tile = 1u << 24, int8 = 1u << 25, configuration = 1u << 17, data = 1u << 18;
    unsigned a, b, c, d;
    return trit_x86_has(configuration | data) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & (tile | int8)) == (tile | int8);
}

#if defined(__linux__) && defined(__LP64__)
/* Linux lets a process use tiles once it has asked: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA). */
static inline int trit_linux_allows_tiles(void) {
    const long arch_prctl = 158, request = 0x1023, tile_data = 18;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(arch_prctl), "D"(request), "S"(tile_data) : "rcx", "r11", "memory");
    return result == 0;
}
#endif

#endif
