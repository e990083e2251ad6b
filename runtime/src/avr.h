/* SPDX-License-Identifier: Apache-2.0 */
/* The avr variant: for processors of 8-bit registers, which look up how many bits of a byte are set. 64-bit processors have
 * it too, in plain C, so that it can be tried there. */
#ifndef TRIT_AVR_H
#define TRIT_AVR_H

#include "kernels.h"

#if (defined(__AVR__) || UINTPTR_MAX > UINT32_MAX) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_AVR 1
int trit_conv_bits_avr(const trit_call *c);
int trit_conv_bytes_avr(const trit_call *c);
#else
#define TRIT_HAVE_AVR 0
#endif

#endif
