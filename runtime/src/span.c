/* SPDX-License-Identifier: Apache-2.0 */
/* Where a window lies along one axis. */
#include "conv.h"

/* ceil(distance / dilation); most windows have no dilation, and some processors no division. */
static uint32_t taps_before(uint32_t distance, uint32_t dilation) {
    return !TRIT_USES_DILATION || dilation == 1 ? distance : (distance + dilation - 1) / dilation;
}

trit_span trit_span_along(const trit_call *c, int axis, uint32_t position) {
    const trit_step *s = c->step;
    int32_t size = (int32_t)(axis == 0 ? c->in->height : c->in->width);
    trit_span span;
    span.start = (int32_t)(position * s->stride[axis]) - (int32_t)s->padding[axis];
    span.first = span.start < 0 ? taps_before((uint32_t)-span.start, s->dilation[axis]) : 0;
    span.end = span.start < size ? taps_before((uint32_t)(size - span.start), s->dilation[axis]) : 0;
    if (span.end > s->kernel[axis]) span.end = s->kernel[axis];
    if (span.first > span.end) span.first = span.end;
    return span;
}
