/* SPDX-License-Identifier: Apache-2.0 */
/* The cpop variant: where bits are counted in one instruction and there are no vectors. 64-bit processors have it too, so
 * that it can be tried there. */
#ifndef TRIT_CPOP_H
#define TRIT_CPOP_H

#include "kernels.h"

#if (defined(__riscv_zbb) || UINTPTR_MAX > UINT32_MAX) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_CPOP 1
int trit_conv_bits_cpop(const trit_call *c);
#else
#define TRIT_HAVE_CPOP 0
#endif

#endif
