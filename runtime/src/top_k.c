/* SPDX-License-Identifier: Apache-2.0 */
/* The classes with the highest scores. */
#include "trit/trit.h"

uint32_t trit_top_k(const float *scores, uint32_t count, uint32_t k, uint32_t *indices) {
    uint32_t found = 0, i, at;
    for (i = 0; i < count; i++) {
        /* Sorted in behind all that are not lower; what is pushed beyond k is gone. */
        for (at = found; at > 0 && scores[i] > scores[indices[at - 1]]; at--)
            if (at < k) indices[at] = indices[at - 1];
        if (at < k) indices[at] = i;
        if (found < k) found++;
    }
    return found;
}
