/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the stack a program used: it is painted at the start, and looked over at the end. For one file only. */
#ifndef STACK_H
#define STACK_H

#include <stdint.h>

#include "platform.h"

#define PAINT 0xa5a5a5a5u
#define PAINTED_WORDS 2048u /* below the top, where they are free */

extern uint32_t bss_end[], stack_top[]; /* of the linker script */

static uint32_t *lowest_painted(void) {
    uint32_t *lowest = stack_top - PAINTED_WORDS;
    return (uintptr_t)lowest < (uintptr_t)bss_end ? bss_end : lowest;
}

static inline void paint_stack(void) {
    uint32_t here, *at;
    for (at = lowest_painted(); at < &here - 16; at++) *at = PAINT;
}

uint32_t platform_stack_used(void) {
    const uint32_t *at = lowest_painted();
    while (at < stack_top && *at == PAINT) at++;
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)at);
}

#endif
