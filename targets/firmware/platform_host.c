/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with an operating system. */
#include "platform.h"

#include <stdio.h>
#include <stdlib.h>

void platform_write(const char *text) {
    fputs(text, stdout);
}

_Noreturn void platform_exit(int status) {
    exit(status);
}

uint32_t platform_stack_used(void) {
    return 0;
}
