/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bits.c by tables, in plain C: the compiler makes vectors of whatever its target has, SSE2 or NEON at least. */
#include "portable.h"

#if TRIT_HAVE_PORTABLE

#define TABLES_TARGET
#define TABLES_STORE trit_conv_store
#include "conv_tables.h"

int trit_conv_bits_portable(const trit_call *c) {
    return convolve_by_tables(c);
}

#endif
