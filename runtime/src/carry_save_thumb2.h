/* SPDX-License-Identifier: Apache-2.0 */
/* add_block of conv_bits_carry_save.c in Thumb-2: compilers spill half of what fits into the registers. */

/* trit_carry_save: the carries take the place of x. */
#define ADD(sum, x, y)                 \
    "eor %[t], %[" sum "], %[" x "]\n" \
    "and %[" x "], %[" sum "]\n"       \
    "eor %[" sum "], %[t], %[" y "]\n" \
    "and %[t], %[" y "]\n"             \
    "orr %[" x "], %[t]\n"

/* What next_pair gives, in x and y. */
#define PAIR_BINARY_BINARY(x)           \
    "ldrd %[" x "], %[y], [%[w]], #8\n" \
    "ldrd %[t], %[u], [%[a]], #8\n"     \
    "eor %[" x "], %[t]\n"              \
    "eor %[y], %[u]\n"
#define PAIR_TERNARY_BINARY(x)          \
    "ldrd %[" x "], %[y], [%[w]], #8\n" \
    "ldrd %[t], %[u], [%[a]], #8\n"     \
    "eor %[" x "], %[u]\n"              \
    "and %[" x "], %[t]\n"              \
    "ldrd %[t], %[u], [%[a]], #8\n"     \
    "eor %[y], %[u]\n"                  \
    "and %[y], %[t]\n"
#define WORD_BINARY_TERNARY(x)           \
    "ldrd %[t], %[u], [%[a]], #8\n"      \
    "ldr %[" x "], [%[sign], %[u]]\n"    \
    "ldr %[u], [%[w], %[u]]\n"           \
    "eor %[" x "], %[t]\n"               \
    "and %[" x "], %[u]\n"
#define PAIR_BINARY_TERNARY(x) WORD_BINARY_TERNARY(x) WORD_BINARY_TERNARY("y")
#define PAIR_TERNARY_TERNARY(x)     \
    "ldrd %[t], %[u], [%[a]], #8\n" \
    "ldr %[y], [%[a]], #4\n"        \
    "ldr %[" x "], [%[w], %[y]]\n"  \
    "ldr %[y], [%[sign], %[y]]\n"   \
    "and %[t], %[" x "]\n"          \
    "eor %[u], %[y]\n"              \
    "and %[" x "], %[t], %[u]\n"    \
    "orn %[y], %[u], %[t]\n"

/* Four pairs; the carries of fours end in p. */
#define FOUR_PAIRS(pair)                                                               \
    pair("p") ADD("ones", "p", "y") pair("q") ADD("ones", "q", "y")                    \
    ADD("twos", "p", "q") pair("q") ADD("ones", "q", "y") pair("r") ADD("ones", "r", "y") \
    ADD("twos", "q", "r") ADD("fours", "p", "q")

#define BLOCK(pair)                                                                                                 \
    __asm__(FOUR_PAIRS(pair)                                                                                        \
            : [ones] "+r"(to->ones), [twos] "+r"(to->twos), [fours] "+r"(to->fours), [a] "+r"(at->a),               \
              [w] "+r"(at->w), [p] "=&r"(p), [q] "=&r"(q), [r] "=&r"(r), [y] "=&r"(y), [t] "=&r"(t), [u] "=&r"(u)   \
            : [sign] "r"(at->sign)                                                                                  \
            : "memory", "cc")

TRIT_INLINE void add_block(trit_counter *to, cursor *at, uint32_t a_planes, uint32_t w_planes) {
    uint32_t p, q, r, y, t, u;
    if (a_planes == 1)
        BLOCK(PAIR_BINARY_TERNARY);
    else
        BLOCK(PAIR_TERNARY_TERNARY);
    (void)w_planes;
    to->eights += trit_count_bytes(p);
}

/* trit_count_nibbles */
#define NIBBLES(x)                           \
    "and %[t], %[" x "], #0xaaaaaaaa\n"      \
    "sub %[" x "], %[" x "], %[t], lsr #1\n" \
    "and %[t], %[" x "], #0x33333333\n"      \
    "bic %[" x "], %[t]\n"                   \
    "add %[" x "], %[t], %[" x "], lsr #2\n"

/* A row's bits in the bytes of ones and, times 8, of eights. */
#define ROW(word, pair)                                                                                           \
    __asm__("lsls %[t], %[n], #31\n" /* minus: an odd number; carry: an odd number of pairs */                    \
            "mov %[ones], #0\n"                                                                                   \
            "mov %[twos], #0\n"                                                                                   \
            "bpl 1f\n" word "1: bcc 2f\n" pair("twos") ADD("ones", "twos", "y")                                   \
            "2: lsls %[t], %[n], #29\n"                                                                           \
            "mov %[fours], #0\n"                                                                                  \
            "mov %[eights], #0\n"                                                                                 \
            "bpl 3f\n" pair("fours") ADD("ones", "fours", "y") pair("q") ADD("ones", "q", "y")                    \
            ADD("twos", "fours", "q")                                                                             \
            "3: lsrs %[n], %[n], #3\n"                                                                            \
            "beq 5f\n"                                                                                            \
            "4:\n" FOUR_PAIRS(pair) NIBBLES("p")                                                                  \
            "add %[p], %[p], %[p], lsr #4\n"                                                                      \
            "and %[p], #0x0f0f0f0f\n"                                                                             \
            "add %[eights], %[p]\n"                                                                               \
            "subs %[n], #1\n"                                                                                     \
            "bne 4b\n"                                                                                            \
            "5:\n" NIBBLES("ones") NIBBLES("twos") NIBBLES("fours")                                               \
            "add %[ones], %[ones], %[twos], lsl #1\n"                                                             \
            "add %[fours], %[fours], %[fours], lsr #4\n"                                                          \
            "and %[t], %[ones], #0x0f0f0f0f\n"                                                                    \
            "bic %[ones], %[t]\n"                                                                                 \
            "and %[fours], #0x0f0f0f0f\n"                                                                         \
            "add %[ones], %[t], %[ones], lsr #4\n"                                                                \
            "add %[ones], %[ones], %[fours], lsl #2\n"                                                            \
            : [ones] "=&r"(ones), [twos] "=&r"(twos), [fours] "=&r"(fours), [eights] "=&r"(eights),               \
              [a] "+r"(at.a), [w] "+r"(at.w), [n] "+r"(elements), [p] "=&r"(p), [q] "=&r"(q), [r] "=&r"(r),       \
              [y] "=&r"(y), [t] "=&r"(t), [u] "=&r"(u)                                                            \
            :                                                                                                     \
            : "memory", "cc")

#define WORD_BINARY           \
    "ldr %[ones], [%[w]], #4\n" \
    "ldr %[u], [%[a]], #4\n"  \
    "eor %[ones], %[u]\n"
#define WORD_TERNARY              \
    "ldr %[ones], [%[w]], #4\n"   \
    "ldrd %[y], %[u], [%[a]], #8\n" \
    "eor %[ones], %[u]\n"         \
    "and %[ones], %[y]\n"

/* With binary weights there are registers for the whole row. */
TRIT_INLINE uint32_t count_binary_row(cursor at, uint32_t elements, uint32_t a_planes) {
    uint32_t ones, twos, fours, eights, p, q, r, y, t, u;
    if (a_planes == 1)
        ROW(WORD_BINARY, PAIR_BINARY_BINARY);
    else
        ROW(WORD_TERNARY, PAIR_TERNARY_BINARY);
    return trit_sum_bytes(ones, eights);
}
