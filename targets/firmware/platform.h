/* SPDX-License-Identifier: Apache-2.0 */
/* What main.c needs of the machine. */
#ifndef PLATFORM_H
#define PLATFORM_H

void platform_write(const char *text);
_Noreturn void platform_exit(int status);

#endif
