/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of conv_bits_avr.c for an AVR. No guard: they are part of that file. */
#define COUNT uint16_t
#include "avr_assembly.h"

#define FUNCTION(text) { __asm__ volatile(text : : [table] "i"(ones)); }

#define EACH_ROW "ldi r27, hi8(%[table])\n" "1:\n"
#define ADD_BITS "ld r0, X\n" "add r21, r0\n" /* of the byte in r26 */
#define NEXT_ROW                                                                                                     \
    "ld r0, Y\n" "add r0, r21\n" "st Y+, r0\n" "ld r0, Y\n" "adc r0, r1\n" "st Y+, r0\n" STEP_ON

#define BINARY(a) LOAD("r26") "eor r26, " a "\n" ADD_BITS
#define BINARY_WORD(a, b, c, d) BINARY(a) BINARY(b) BINARY(c) BINARY(d)
#define IF_MORE_THAN(words) "sbrs r23, " #words "\n" "rjmp 2f\n"

#define MASKED(nonzero, sign) LOAD("r26") "eor r26, " sign "\n" "and r26, " nonzero "\n" ADD_BITS
#define MASKED_WORD(a, b, c, d, e, f, g, h) MASKED(a, e) MASKED(b, f) MASKED(c, g) MASKED(d, h)
#define TWICE_MASKED(nonzero, sign) MASKED(nonzero, sign) "add r21, r0\n"
#define TWICE_MASKED_WORD(a, b, c, d, e, f, g, h)                                                                    \
    TWICE_MASKED(a, e) TWICE_MASKED(b, f) TWICE_MASKED(c, g) TWICE_MASKED(d, h)

/* A word's nonzeros, then on to its signs: the way there is in r22. */
#define WAY_TO_SIGNS "movw r22, r12\n" "subi r22, 4\n" "sbci r23, 0\n"
#define TAKE_PLANES(a, b, c, d, e, f, g, h)                                                                          \
    TAKE_WORD(a, b, c, d) "add r26, r22\n" "adc r27, r23\n" TAKE_WORD(e, f, g, h)
#define STEP_OF_WORD "subi r18, 4\n" "sbci r19, 0\n"
#define STEP_OF_PLANES STEP_OF_WORD "sub r18, r12\n" "sbc r19, r13\n"
#define NONZERO_WORD(a, b, c, d) LOAD(a) LOAD(b) LOAD(c) LOAD(d) "add r30, r22\n" "adc r31, r23\n" CARRY_HIGH
#define SUBTRACT_BITS(a, w) "and " w ", " a "\n" "mov r26, " w "\n" "ld r0, X\n" "sub r21, r0\n"

/* r23: a bit for each word but the last. */
IN_ASSEMBLY count_binary(ARGUMENTS, uint8_t words UNUSED)
FUNCTION(BEGIN "mov r22, r12\n" "ldi r23, 1\n"
         "4: subi r18, 4\n" "sbci r19, 0\n" "dec r22\n" "breq 5f\n" "lsl r23\n" "rjmp 4b\n"
         "5: dec r23\n"
         TAKE_WORD("r2", "r3", "r4", "r5") TAKE_WORD("r6", "r7", "r8", "r9")
         TAKE_WORD("r10", "r11", "r12", "r13") TAKE_WORD("r14", "r15", "r16", "r17")
         EACH_ROW "clr r21\n" BINARY_WORD("r2", "r3", "r4", "r5")
         IF_MORE_THAN(0) BINARY_WORD("r6", "r7", "r8", "r9")
         IF_MORE_THAN(1) BINARY_WORD("r10", "r11", "r12", "r13")
         IF_MORE_THAN(2) BINARY_WORD("r14", "r15", "r16", "r17") "2:\n" NEXT_ROW END)

IN_ASSEMBLY count_ternary_bits(ARGUMENTS, size_t plane UNUSED)
FUNCTION(BEGIN STEP_OF_WORD WAY_TO_SIGNS TAKE_PLANES("r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9")
         EACH_ROW "clr r21\n" MASKED_WORD("r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9") NEXT_ROW END)

IN_ASSEMBLY count_ternary_weights(ARGUMENTS, size_t plane UNUSED)
FUNCTION(BEGIN STEP_OF_PLANES WAY_TO_SIGNS TAKE_WORD("r6", "r7", "r8", "r9")
         EACH_ROW "clr r21\n" NONZERO_WORD("r2", "r3", "r4", "r5")
         MASKED_WORD("r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9") NEXT_ROW END)

IN_ASSEMBLY count_ternary_both(ARGUMENTS, size_t plane UNUSED)
FUNCTION(BEGIN STEP_OF_PLANES WAY_TO_SIGNS TAKE_PLANES("r10", "r11", "r12", "r13", "r6", "r7", "r8", "r9")
         EACH_ROW "ldi r21, 32\n" NONZERO_WORD("r2", "r3", "r4", "r5")
         SUBTRACT_BITS("r10", "r2") SUBTRACT_BITS("r11", "r3") SUBTRACT_BITS("r12", "r4") SUBTRACT_BITS("r13", "r5")
         TWICE_MASKED_WORD("r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9") NEXT_ROW END)
