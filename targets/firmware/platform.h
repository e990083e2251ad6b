/* SPDX-License-Identifier: Apache-2.0 */
/* What main.c needs of the machine. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdint.h>

void platform_write(const char *text);
uint32_t platform_stack_used(void); /* bytes, the most so far; 0 where that is not known */
_Noreturn void platform_exit(int status);

#endif
