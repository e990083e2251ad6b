/* SPDX-License-Identifier: Apache-2.0 */
/* Where windows lie, and what is in the file, against the plain definitions: all small sizes, and the extremes. */
#include "check.h"
#include "conv.h"

typedef struct axis {
    uint32_t size, before, after, kernel, stride, dilation;
} axis;

/* Windows that begin at 0, stride, ... and end within the padded input. */
static uint32_t count_windows(const axis *a) {
    uint32_t count = 0;
    uint64_t begin, span, total = (uint64_t)a->size + a->before + a->after;
    if (a->kernel == 0 || a->stride == 0 || a->dilation == 0) return 0;
    span = (uint64_t)(a->kernel - 1) * a->dilation + 1;
    for (begin = 0; begin + span <= total; begin += a->stride) count++;
    return count;
}

static int64_t place_of_tap(const axis *a, uint32_t position, uint32_t tap) {
    return (int64_t)position * a->stride - a->before + (int64_t)tap * a->dilation;
}

static int is_inside(const axis *a, uint32_t position, uint32_t tap) {
    int64_t place = place_of_tap(a, position, tap);
    return tap < a->kernel && place >= 0 && place < a->size;
}

/* Of a step whose window lies the same way along both axes; inconsistent ends if the two differ. */
static trit_span span_of(const axis *a, uint32_t position) {
    trit_step step = {0};
    trit_tensor in = {0};
    trit_call c = {0};
    trit_span rows, columns;
    in.height = in.width = a->size;
    step.kernel[0] = step.kernel[1] = (uint16_t)a->kernel;
    step.stride[0] = step.stride[1] = (uint16_t)a->stride;
    step.padding[0] = step.padding[1] = (uint16_t)a->before;
    step.dilation[0] = step.dilation[1] = (uint16_t)a->dilation;
    c.step = &step;
    c.in = &in;
    rows = trit_rows(&c, position);
    columns = trit_columns(&c, position);
    if (rows.start != columns.start || rows.end != columns.end) columns.first = columns.end + 1;
    return columns;
}

/* Inside are the taps first ... end - 1, and no others: places grow with the tap, so looking at the ends is enough. */
static int is_span(const axis *a, uint32_t position) {
    trit_span span = span_of(a, position);
    if (span.start != place_of_tap(a, position, 0) || span.first > span.end || span.end > a->kernel) return 0;
    if (span.first == span.end) { /* none inside: the first tap at or behind place 0 is past the image or the kernel */
        uint32_t tap = span.start < 0 ? ((uint32_t)-span.start + a->dilation - 1) / a->dilation : 0;
        return !is_inside(a, position, tap);
    }
    if (!is_inside(a, position, span.first) || !is_inside(a, position, span.end - 1)) return 0;
    return !is_inside(a, position, span.end) && (span.first == 0 || !is_inside(a, position, span.first - 1));
}

static int is_span_by_all_taps(const axis *a, uint32_t position) {
    trit_span span = span_of(a, position);
    uint32_t tap;
    for (tap = 0; tap < a->kernel; tap++)
        if (is_inside(a, position, tap) != (tap >= span.first && tap < span.end)) return 0;
    return 1;
}

static uint32_t windows_of(const axis *a) {
    return trit_window(a->size, a->before, a->after, a->kernel, a->stride, a->dilation);
}

static void test_small(void) {
    axis a;
    uint32_t position, count, wrong = 0;
    for (a.size = 1; a.size <= 6; a.size++)
        for (a.before = 0; a.before <= 5; a.before++)
            for (a.after = 0; a.after <= 5; a.after++)
                for (a.kernel = 0; a.kernel <= 5; a.kernel++)
                    for (a.stride = 0; a.stride <= 4; a.stride++)
                        for (a.dilation = 0; a.dilation <= 4; a.dilation++) {
                            count = windows_of(&a);
                            wrong += count != count_windows(&a);
                            for (position = 0; position < count; position++)
                                wrong += !is_span(&a, position) || !is_span_by_all_taps(&a, position);
                        }
    CHECK(wrong == 0);
}

/* Every field is 16 bits wide; the first, middle and last windows. */
static void test_extremes(void) {
    static const uint32_t edges[] = {1, 2, 3, 254, 32767, 32768, 65534, 65535};
    enum { EDGES = sizeof edges / sizeof edges[0] };
    uint32_t code, wrong = 0, fitting = 0;
    for (code = 0; code < EDGES * EDGES * EDGES * EDGES * EDGES * EDGES; code++) {
        axis a = {edges[code % 8], edges[code / 8 % 8] - 1, edges[code / 64 % 8] - 1, edges[code / 512 % 8],
                  edges[code / 4096 % 8], edges[code / 32768]};
        uint64_t span = (uint64_t)a.dilation * (a.kernel - 1) + 1, total = (uint64_t)a.size + a.before + a.after;
        uint32_t count = windows_of(&a);
        if (count == 0) {
            wrong += span <= total;
            continue;
        }
        /* The last window ends within the padded input, and another would not. */
        wrong += (uint64_t)(count - 1) * a.stride + span > total || (uint64_t)count * a.stride + span <= total;
        wrong += !is_span(&a, 0) || !is_span(&a, count / 2) || !is_span(&a, count - 1);
        fitting++;
    }
    CHECK(wrong == 0 && fitting > 1000);
}

static void test_in_file(void) {
    static const uint32_t offsets[] = {0, 4, 64, 68, 69, 72, 96, 100, 104, 0x7ffffffc, 0x80000000, 0xfffffffc, 0xffffffff};
    static const uint64_t sizes[] = {0, 1, 4, 28, 31, 32, 33, 0xffffffff, 0x100000000, 0xfffffffffffffffc, UINT64_MAX};
    static const uint32_t files[] = {68, 96, 100, 0x7fffffff};
    size_t i, j, k;
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        for (j = 0; j < sizeof offsets / sizeof offsets[0]; j++)
            for (k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
                int fits = offsets[j] <= files[i] && sizes[k] <= (uint64_t)files[i] - offsets[j];
                int expected = fits && offsets[j] % 4 == 0 && offsets[j] >= 68;
                CHECK(!trit_in_file(files[i], offsets[j], sizes[k]) == !expected);
            }
}

int main(void) {
    test_small();
    test_extremes();
    test_in_file();
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
