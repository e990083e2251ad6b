/* SPDX-License-Identifier: Apache-2.0 */
/* The convolution kernels. The scalar ones define the meaning; the others give the same bits or decline (return 0). */
#ifndef TRIT_KERNELS_H
#define TRIT_KERNELS_H

#include "internal.h"

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_AVX2 1
#else
#define TRIT_HAVE_AVX2 0
#endif

void trit_conv_bits(const trit_call *c);      /* bits in, one group */
void trit_conv_bytes(const trit_call *c);     /* uint8 in, any groups but depthwise */
void trit_conv_grouped(const trit_call *c);   /* bits in, several groups */
void trit_conv_depthwise(const trit_call *c); /* a group a channel, bits or uint8 in */

int trit_conv_bits_avx2(const trit_call *c);
int trit_conv_bytes_avx2(const trit_call *c);

#endif
