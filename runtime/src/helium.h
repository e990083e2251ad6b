/* SPDX-License-Identifier: Apache-2.0 */
/* The helium variant: Arm's M-profile vectors of four words, as the Cortex-M55 has them. */
#ifndef TRIT_HELIUM_H
#define TRIT_HELIUM_H

#include "kernels.h"

#if defined(__ARM_FEATURE_MVE) && (defined(__GNUC__) || defined(__clang__))
#define TRIT_HAVE_HELIUM 1
int trit_conv_bits_helium(const trit_call *c);
#else
#define TRIT_HAVE_HELIUM 0
#endif

#endif
