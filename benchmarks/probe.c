/* SPDX-License-Identifier: Apache-2.0 */
/* What one core of this x86-64 processor can do at most: instruction mixes in registers, and loads from each level of
 * the caches. Prints lines "name value", rates per second. Process time, so that other processes count little.
 * Compile with -std=gnu11 -march=native.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 9
#define REPEATS 1000000L
#define SIXTEEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#if defined(__AVX512VPOPCNTDQ__) && defined(__AVX512VNNI__)
#define AVX512 1
#else
#define AVX512 0
#endif

#if defined(__AMX_INT8__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#define TILES 1
#else
#define TILES 0
#endif

static uint32_t words[1024] __attribute__((aligned(64)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

/* `count` of what `body` does, REPEATS times. */
#define MEASURE(name, count, body)                                   \
    do {                                                             \
        double rates[ROUNDS];                                        \
        int round;                                                   \
        for (round = 0; round < ROUNDS; round++) {                   \
            double start = now();                                    \
            long i;                                                  \
            for (i = 0; i < REPEATS; i++) body;                      \
            rates[round] = (count) * (double)REPEATS / (now() - start); \
        }                                                            \
        printf("%s %.6g\n", name, median(rates));                    \
    } while (0)

static void clock_rate(void) {
    uint64_t x = 3;
    /* a chain of multiplications takes three cycles each, on every core of the last ten years */
    MEASURE("clock", 12, __asm__ volatile("imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0" : "+r"(x)));
}

/* 64 products: mov, xor, popcnt, add. */
static void scalar_count(void) {
    uint64_t sums[6] = {0}, weight = 5;
#define STEP(i)                                                                                    \
    __asm__ volatile("mov (%1), %%rax\n xor %2, %%rax\n popcnt %%rax, %%rax\n add %%rax, %0"       \
                     : "+r"(sums[i])                                                               \
                     : "r"(words + 2 * i), "r"(weight)                                             \
                     : "rax");
    MEASURE("popcnt64", 6, { STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) });
#undef STEP
}

/* 256 products: xor, two table look-ups of nibbles, add. */
static void avx2_count(void) {
#define STEP(i)                                                                                          \
    __asm__ volatile("vpxor (%0), %%ymm13, %%ymm14\n vpand %%ymm14, %%ymm12, %%ymm15\n"                   \
                     "vpsrlw $4, %%ymm14, %%ymm14\n vpand %%ymm14, %%ymm12, %%ymm14\n"                    \
                     "vpshufb %%ymm15, %%ymm11, %%ymm15\n vpshufb %%ymm14, %%ymm11, %%ymm14\n"            \
                     "vpaddb %%ymm15, %%ymm" #i ", %%ymm" #i "\n vpaddb %%ymm14, %%ymm" #i ", %%ymm" #i   \
                     :                                                                                   \
                     : "r"(words)                                                                        \
                     : "xmm" #i, "xmm14", "xmm15");
    MEASURE("pshufb256", 8, { STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) });
#undef STEP
}

#if AVX512
/* 512 products: xor, vpopcntd, add. */
static void avx512_count(void) {
#define STEP(i)                                                                                                  \
    __asm__ volatile("vpxord (%0)%{1to16%}, %%zmm29, %%zmm30\n vpopcntd %%zmm30, %%zmm30\n"                      \
                     "vpaddd %%zmm30, %%zmm" #i ", %%zmm" #i                                                     \
                     :                                                                                           \
                     : "r"(words + i)                                                                            \
                     : "xmm" #i, "xmm30");
    MEASURE("vpopcntd512", 16, { SIXTEEN(STEP) });
#undef STEP
}

/* Twice 512 products in a carry-save adder: three vpternlogd, vpopcntd, add. */
static void avx512_carry_save(void) {
#define STEP(i)                                                                                                  \
    __asm__ volatile("vmovdqa64 %%zmm" #i ", %%zmm30\n vpternlogd $0x96, (%0)%{1to16%}, %%zmm29, %%zmm30\n"      \
                     "vmovdqa64 %%zmm30, %%zmm31\n vpternlogd $0x96, 4(%0)%{1to16%}, %%zmm28, %%zmm31\n"         \
                     "vpternlogd $0x74, %%zmm31, %%zmm30, %%zmm" #i "\n vpopcntd %%zmm" #i ", %%zmm30\n"         \
                     "vpaddd %%zmm30, %%zmm27, %%zmm27\n vmovdqa64 %%zmm31, %%zmm" #i                            \
                     :                                                                                           \
                     : "r"(words + i)                                                                            \
                     : "xmm" #i, "xmm27", "xmm30", "xmm31");
    MEASURE("carrysave512", 32, { SIXTEEN(STEP) });
#undef STEP
}

/* 64 products of bytes. */
static void avx512_bytes(void) {
#define STEP(i)                                                                   \
    __asm__ volatile("vpdpbusd (%0)%{1to16%}, %%zmm29, %%zmm" #i                  \
                     :                                                            \
                     : "r"(words + i)                                             \
                     : "xmm" #i);
    MEASURE("vpdpbusd512", 16, { SIXTEEN(STEP) });
#undef STEP
}

#endif

#if TILES
/* 16384 products of bytes: four tiles of sums, two of either factor, all of them loaded. */
static void tiles(void) {
    static const struct {
        uint8_t palette, first[15];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {1, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    const long arch_req_xcomp_perm = 0x1023, xtiledata = 18, step = 64;
    if (syscall(SYS_arch_prctl, arch_req_xcomp_perm, xtiledata) != 0) return;
    __asm__ volatile("ldtilecfg %0" : : "m"(shape));
    MEASURE("tdpbssd", 4,
            __asm__ volatile("tileloadd (%0,%1,1), %%tmm4\n tileloadd 1024(%0,%1,1), %%tmm5\n"
                             "tileloadd 2048(%0,%1,1), %%tmm6\n tileloadd 3072(%0,%1,1), %%tmm7\n"
                             "tdpbssd %%tmm6, %%tmm4, %%tmm0\n tdpbssd %%tmm7, %%tmm4, %%tmm1\n"
                             "tdpbssd %%tmm6, %%tmm5, %%tmm2\n tdpbssd %%tmm7, %%tmm5, %%tmm3"
                             :
                             : "r"(words), "r"(step)));
    __asm__ volatile("tilerelease");
}
#endif

#if !AVX512
static void pass(const char *data, size_t size) {
    size_t i;
    for (i = 0; i < size; i += 128)
        __asm__ volatile("vmovdqa (%0), %%ymm0\n vmovdqa 32(%0), %%ymm1\n vmovdqa 64(%0), %%ymm2\n vmovdqa 96(%0), %%ymm3"
                         :
                         : "r"(data + i)
                         : "xmm0", "xmm1", "xmm2", "xmm3");
}

#else
static void pass(const char *data, size_t size) {
    size_t i;
    for (i = 0; i < size; i += 256)
        __asm__ volatile(
            "vmovdqa64 (%0), %%zmm0\n vmovdqa64 64(%0), %%zmm1\n vmovdqa64 128(%0), %%zmm2\n vmovdqa64 192(%0), %%zmm3"
            :
            : "r"(data + i)
            : "xmm0", "xmm1", "xmm2", "xmm3");
}
#endif

static void load(const char *name, size_t size) {
    char *data = (char *)aligned_alloc(4096, size);
    long passes = (long)(((size_t)1 << 28) / size) + 1, i;
    double rates[ROUNDS];
    int round;
    memset(data, 1, size);
    for (round = 0; round < ROUNDS; round++) {
        double start = now();
        for (i = 0; i < passes; i++) pass(data, size);
        rates[round] = (double)size * (double)passes / (now() - start);
    }
    printf("%s %.6g\n", name, median(rates));
    free(data);
}

int main(void) {
    static const size_t sizes[] = {16u << 10, 512u << 10, 2u << 20, 4u << 20, 32u << 20};
    char name[32];
    size_t i;
    clock_rate();
    scalar_count();
    avx2_count();
#if AVX512
    avx512_count();
    avx512_carry_save();
    avx512_bytes();
#endif
#if TILES
    tiles();
#endif
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(name, sizeof name, "load%zuKiB", sizes[i] >> 10);
        load(name, sizes[i]);
    }
    return 0;
}
