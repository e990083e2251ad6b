/* SPDX-License-Identifier: Apache-2.0 */
/* The portable kernels need room on the stack and vectors of the compiler's: they are for 64-bit processors. */
#ifndef TRIT_PORTABLE_H
#define TRIT_PORTABLE_H

#include "kernels.h"

#if UINTPTR_MAX > UINT32_MAX && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_PORTABLE 1
int trit_conv_bits_portable(const trit_call *c);
#else
#define TRIT_HAVE_PORTABLE 0
#endif

#endif
