/* SPDX-License-Identifier: Apache-2.0 */
/* add_block of conv_bits_carry_save.c in Thumb-1, for binary weights and activations: of its eight low registers compilers
 * spill most. */

/* trit_carry_save: the carries end in `carry`; x and y are lost. */
#define ADD(sum, x, y, carry)                                                              \
    "eors " x ", " sum "\n"                                                                \
    "eors " y ", " sum "\n"                                                                \
    "movs " carry ", " x "\n"                                                              \
    "ands " carry ", " y "\n"                                                              \
    "eors " carry ", " sum "\n"                                                            \
    "eors " sum ", " x "\n"                                                                \
    "eors " sum ", " y "\n"

/* A pair's carries in r4. */
#define ADD_PAIR                 \
    "ldmia %[a]!, {r2, r3}\n"    \
    "ldmia %[w]!, {r4, r5}\n"    \
    "eors r2, r4\n"              \
    "eors r3, r5\n"              \
    ADD("%[ones]", "r2", "r3", "r4")

/* Two pairs' carries in r3. */
#define ADD_TWO_PAIRS                                                                  \
    ADD_PAIR "mov %[p], r4\n" ADD_PAIR "mov r2, %[p]\n" "mov r5, %[twos]\n"            \
    ADD("r5", "r2", "r4", "r3") "mov %[twos], r5\n"

/* r4 takes its bits' counts in bytes; masks are at labels 5, 3 and 2. */
#define COUNT_BYTES    \
    "ldr r2, 5f\n"     \
    "lsrs r3, r4, #1\n" \
    "ands r3, r2\n"    \
    "subs r4, r3\n"    \
    "ldr r2, 3f\n"     \
    "lsrs r3, r4, #2\n" \
    "ands r3, r2\n"    \
    "ands r4, r2\n"    \
    "adds r4, r3\n"    \
    "ldr r2, 2f\n"     \
    "lsrs r3, r4, #4\n" \
    "adds r4, r3\n"    \
    "ands r4, r2\n"

/* `blocks` > 0 times add_block. How many are left is on the stack, for want of a register that all compilers give. */
TRIT_INLINE void add_binary_blocks(trit_counter *to, cursor *at, uint32_t blocks) {
    uint32_t q;
    __asm__(".syntax unified\n"
            "mov r2, %[p]\n"
            "push {r2}\n"
            "1:\n" ADD_TWO_PAIRS "mov %[q], r3\n" ADD_TWO_PAIRS "mov r2, %[q]\n"
            "mov r5, %[fours]\n" ADD("r5", "r2", "r3", "r4") "mov %[fours], r5\n" COUNT_BYTES
            "add %[eights], r4\n"
            "ldr r2, [sp]\n"
            "subs r2, #1\n"
            "str r2, [sp]\n"
            "bne 1b\n"
            "add sp, #4\n"
            "b 4f\n"
            ".balign 4\n"
            "5: .word 0x55555555\n"
            "3: .word 0x33333333\n"
            "2: .word 0x0f0f0f0f\n"
            "4:\n"
            : [a] "+l"(at->a), [w] "+l"(at->w), [ones] "+l"(to->ones), [twos] "+h"(to->twos), [fours] "+h"(to->fours),
              [eights] "+h"(to->eights), [p] "+h"(blocks), [q] "=&h"(q)
            :
            : "r2", "r3", "r4", "r5", "memory", "cc");
}
