/* SPDX-License-Identifier: Apache-2.0 */
#include "trit/trit.h"

const char *trit_status_text(trit_status status) {
    switch (status) {
#define X(name, text) \
    case TRIT_##name: \
        return text;
        TRIT_STATUSES(X)
#undef X
    }
    return "unknown status";
}
