/* SPDX-License-Identifier: Apache-2.0 */
/* What the assembly of the avr variant shares: functions that go through rows of weights in flash with activations in
 * registers, of which compilers leave too few. No guard: each file that includes it has it for itself.
 *
 * Their arguments, as avr-gcc's calling convention has it: a r24, w r20, step r18, rows r16, counts r14, one more r12.
 */
#ifdef __AVR_HAVE_ELPM__ /* more than 64 KiB of flash */
#define LOAD(to) "elpm " to ", Z+\n"
#define SET_HIGH "out 0x3b, r22\n"
#define CARRY_HIGH "in r0, 0x3b\n" "adc r0, r1\n" "out 0x3b, r0\n"
#else
#define LOAD(to) "lpm " to ", Z+\n"
#define SET_HIGH
#define CARRY_HIGH
#endif

/* Z: weights; Y: counts; X: activations, then the table; r18: bytes from the last that is read of a row to the next row. */
#define BEGIN                                                                                                        \
    "push r2\npush r3\npush r4\npush r5\npush r6\npush r7\npush r8\npush r9\npush r10\npush r11\npush r12\npush r13\n" \
    "push r14\npush r15\npush r16\npush r17\npush r28\npush r29\n"                                                   \
    "movw r30, r20\n" SET_HIGH "movw r26, r24\n" "movw r28, r14\n" "mov r20, r16\n"
#define END                                                                                                          \
    "pop r29\npop r28\npop r17\npop r16\npop r15\npop r14\npop r13\npop r12\npop r11\npop r10\npop r9\npop r8\n"       \
    "pop r7\npop r6\npop r5\npop r4\npop r3\npop r2\n" "ret\n"

#define TAKE_WORD(a, b, c, d) "ld " a ", X+\n" "ld " b ", X+\n" "ld " c ", X+\n" "ld " d ", X+\n"
/* On to the next row, if there is one: label 1. */
#define STEP_ON "add r30, r18\n" "adc r31, r19\n" CARRY_HIGH "dec r20\n" "breq 3f\n" "rjmp 1b\n" "3:\n"

#define UNUSED __attribute__((unused))
#define ARGUMENTS                                                                                                    \
    const void *a UNUSED, const TRIT_FLASH void *w UNUSED, size_t step UNUSED, uint8_t rows UNUSED,                  \
        COUNT *counts UNUSED
#define IN_ASSEMBLY __attribute__((naked, noinline, noclone)) static void
