/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bytes.c for an AVR: 16 codes stay in registers while the weights of 32 output channels go by. Of the codes q only
 * those under set bits are added up: with value q - z, a binary weight's products sum up to (sum of values) - 2 * (sum of
 * values where it is -1), a ternary weight's to (sum where it is not 0) - 2 * (sum where it is -1).
 */
#include "avr.h"
#include "conv.h"

#if TRIT_HAVE_AVR

#define CODES 16

#ifdef __AVR__
#define COUNT uint32_t
#include "avr_assembly.h"

#define ADD(weights, bit, code) "sbrc " weights ", " #bit "\n" "add r21, " code "\n" "adc r23, r1\n"
#define ADD_SUM "ld r0, Y\n" "add r0, r21\n" "st Y+, r0\n" "ld r0, Y\n" "adc r0, r23\n" "st Y+, r0\n"             \
    "ld r0, Y\n" "adc r0, r1\n" "st Y+, r0\n" "ld r0, Y\n" "adc r0, r1\n" "st Y+, r0\n"

/* `adc` adds no carry where `add` was skipped: the one before it left none. */
IN_ASSEMBLY add_selected(ARGUMENTS) {
    __asm__ volatile(
        BEGIN "subi r18, 2\n" "sbci r19, 0\n"
        TAKE_WORD("r2", "r3", "r4", "r5") TAKE_WORD("r6", "r7", "r8", "r9")
        TAKE_WORD("r10", "r11", "r12", "r13") TAKE_WORD("r14", "r15", "r16", "r17")
        "1:\n" LOAD("r24") LOAD("r25") "clr r21\n" "clr r23\n" "clc\n"
        ADD("r24", 0, "r2") ADD("r24", 1, "r3") ADD("r24", 2, "r4") ADD("r24", 3, "r5")
        ADD("r24", 4, "r6") ADD("r24", 5, "r7") ADD("r24", 6, "r8") ADD("r24", 7, "r9")
        ADD("r25", 0, "r10") ADD("r25", 1, "r11") ADD("r25", 2, "r12") ADD("r25", 3, "r13")
        ADD("r25", 4, "r14") ADD("r25", 5, "r15") ADD("r25", 6, "r16") ADD("r25", 7, "r17")
        ADD_SUM STEP_ON END);
}
#else
/* Adds to sums[] the codes that the bits at `w` select, in `rows` rows `step` bytes apart. */
static void add_selected(const void *codes, const void *w, size_t step, uint8_t rows, uint32_t *sums) {
    const uint8_t *code = (const uint8_t *)codes, *row = (const uint8_t *)w;
    uint32_t i;
    for (; rows > 0; rows--, row += step, sums++)
        for (i = 0; i < CODES; i++) *sums += (row[i / 8] >> i % 8 & 1) * (uint32_t)code[i];
}
#endif

/* A window as one string of codes, in the order (ky, kx, channel): where the next one lies. */
typedef struct cursor {
    const trit_call *c;
    trit_span rows, columns;
    uint32_t ky, kx, channel; /* `channel` goes on over taps that follow one another */
} cursor;

/* The next `count` codes; outside the image the zero point. */
static void take(cursor *s, uint8_t count, uint8_t *to) {
    const trit_call *c = s->c;
    while (count > 0) {
        int inside = s->ky >= s->rows.first && s->ky < s->rows.end && s->kx >= s->columns.first && s->kx < s->columns.end;
        uint32_t taps = inside && c->step->dilation[1] == 1 ? s->columns.end - s->kx : 1;
        uint32_t left = taps * c->in->channels - s->channel;
        uint8_t n = left < count ? (uint8_t)left : count, outside = (uint8_t)c->in->zero_point, i;
        size_t pixel = inside ? trit_tap_pixel(c, s->rows, s->columns, s->ky, s->kx) : 0;
        const uint8_t *from = (const uint8_t *)c->x + pixel * (size_t)c->in->channels + s->channel;
        for (i = n; i > 0; i--) *to++ = inside ? *from++ : outside;
        count = (uint8_t)(count - n);
        s->channel += n;
        if (n < left) continue;
        s->channel = 0;
        s->kx += taps;
        if (s->kx == c->step->kernel[1]) s->kx = 0, s->ky++;
    }
}

/* Weights of an output channel: one lane, one group. */
static uint32_t fan_in(const trit_call *c) {
    return (uint32_t)c->step->kernel[0] * c->step->kernel[1] * c->in->channels;
}

/* Goes through the window once: adds to sums[] the codes that a plane of the rows of weights selects. Returns the sum of
 * all codes. */
static uint32_t add_window(cursor *s, const TRIT_FLASH uint8_t *w, size_t step, uint8_t rows, uint32_t *sums) {
    uint32_t left = fan_in(s->c), total = 0;
    uint8_t codes[CODES] = {0}, i;
    s->ky = s->kx = s->channel = 0;
    for (; left > 0; w += CODES / 8) {
        uint8_t n = left < CODES ? (uint8_t)left : CODES;
        uint16_t sum = 0;
        take(s, n, codes);
        for (i = 0; i < n; i++) sum = (uint16_t)(sum + codes[i]);
        total += sum;
        left -= n;
        add_selected(codes, w, step, rows, sums); /* no bit is set behind the last weight */
    }
    return total;
}

/* Adds to sums[] how many codes a plane selects. */
static void count_window(const trit_call *c, const TRIT_FLASH uint8_t *w, size_t step, uint8_t rows, uint32_t *sums) {
    static const uint8_t ones[CODES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    uint32_t first;
    for (first = 0; first < fan_in(c); first += CODES, w += CODES / 8) add_selected(ones, w, step, rows, sums);
}

static void multiply(uint32_t *sums, uint8_t count, uint32_t by) {
    for (; count > 0; count--, sums++) *sums *= by;
}

/* Accumulators of one output word, in 32 bits that may wrap on the way. */
static void convolve_word(cursor *s, uint32_t word, uint32_t acc[TRIT_WORD_BITS]) {
    const trit_call *c = s->c;
    const int ternary = trit_conv_has_ternary_weights(c);
    const uint32_t channel = word * TRIT_WORD_BITS;
    const size_t plane = 4 * (size_t)trit_words(fan_in(c)), step = ternary ? 2 * plane : plane;
    const TRIT_FLASH uint8_t *w = trit_bytes_on(trit_at(c, c->step->weights), (trit_size)step * channel);
    const uint8_t rows = (uint8_t)trit_channels_in_word(c->out->channels, word);
    const uint32_t zero = c->in->zero_point;
    const TRIT_FLASH uint8_t *sign = ternary ? w + plane : w;
    uint32_t total;
    uint8_t i;
    for (i = 0; i < rows; i++) acc[i] = 0;
    if (zero != 0) {
        count_window(c, sign, step, rows, acc);
        multiply(acc, rows, 0 - zero);
    }
    total = add_window(s, sign, step, rows, acc) - zero * fan_in(c);
    multiply(acc, rows, UINT32_MAX - 1);
    if (ternary) add_window(s, w, step, rows, acc);
    for (i = 0; i < rows; i++)
        acc[i] += ternary ? 0 - zero * *trit_words_at(c, c->step->counts, channel + i) : total;
}

int trit_conv_bytes_avr(const trit_call *c) {
    uint32_t words = trit_words(c->out->channels), y, x, word, pixel = 0;
    int32_t acc[TRIT_WORD_BITS];
    cursor s;
    if (trit_conv_lanes(c) != 1 || c->step->groups != 1) return 0;
    s.c = c;
    for (y = 0; y < c->out->height; y++) {
        s.rows = trit_rows(c, y);
        for (x = 0; x < c->out->width; x++, pixel++) {
            s.columns = trit_columns(c, x);
            for (word = 0; word < words; word++) {
                convolve_word(&s, word, (uint32_t *)acc);
                trit_store_output(c, pixel, word, acc);
            }
        }
    }
    return 1;
}

#endif
