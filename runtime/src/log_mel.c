/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel features: trit.runtime.log_mel says what each step computes, and made the tables, 878 bytes in all.
 * Negative numbers are shifted right arithmetically, as every compiler does that has two's complement.
 */
#include "trit/log_mel.h"

#define HALF (TRIT_LOG_MEL_WINDOW / 2) /* size of the complex FFT */
#define QUARTER (TRIT_LOG_MEL_WINDOW / 4)
#define CODES_PER_BIT 6
#define FLOOR 93

/* sin(2 pi k / 512) in Q31 */
static const int32_t sines[129] = {
    0, 26352928, 52701887, 79042909, 105372028, 131685278, 157978697, 184248325,
    210490206, 236700388, 262874923, 289009871, 315101295, 341145265, 367137861, 393075166,
    418953276, 444768294, 470516330, 496193509, 521795963, 547319836, 572761285, 598116479,
    623381598, 648552838, 673626408, 698598533, 723465451, 748223418, 772868706, 797397602,
    821806413, 846091463, 870249095, 894275671, 918167572, 941921200, 965532978, 988999351,
    1012316784, 1035481766, 1058490808, 1081340445, 1104027237, 1126547765, 1148898640, 1171076495,
    1193077991, 1214899813, 1236538675, 1257991320, 1279254516, 1300325060, 1321199781, 1341875533,
    1362349204, 1382617710, 1402678000, 1422527051, 1442161874, 1461579514, 1480777044, 1499751576,
    1518500250, 1537020244, 1555308768, 1573363068, 1591180426, 1608758157, 1626093616, 1643184191,
    1660027308, 1676620432, 1692961062, 1709046739, 1724875040, 1740443581, 1755750017, 1770792044,
    1785567396, 1800073849, 1814309216, 1828271356, 1841958164, 1855367581, 1868497586, 1881346202,
    1893911494, 1906191570, 1918184581, 1929888720, 1941302225, 1952423377, 1963250501, 1973781967,
    1984016189, 1993951625, 2003586779, 2012920201, 2021950484, 2030676269, 2039096241, 2047209133,
    2055013723, 2062508835, 2069693342, 2076566160, 2083126254, 2089372638, 2095304370, 2100920556,
    2106220352, 2111202959, 2115867626, 2120213651, 2124240380, 2127947206, 2131333572, 2134398966,
    2137142927, 2139565043, 2141664948, 2143442326, 2144896910, 2146028480, 2146836866, 2147321946,
    2147483647,
};

/* Of each bin: the weight in Q8 of the band whose rising side it is on; 256 less that is in the band before. */
static const uint8_t rising[256] = {
    0, 0, 14, 187, 99, 6, 160, 55, 201, 85, 222, 97, 227, 94, 216, 77, 192, 48, 156, 8,
    110, 213, 55, 152, 248, 83, 174, 8, 94, 180, 9, 89, 170, 251, 71, 147, 223, 41, 113, 184,
    0, 68, 135, 203, 14, 78, 141, 205, 12, 72, 132, 192, 253, 53, 110, 167, 224, 23, 76, 130,
    183, 237, 32, 82, 133, 183, 234, 26, 74, 121, 169, 216, 7, 52, 97, 142, 187, 231, 19, 61,
    103, 146, 188, 230, 15, 55, 95, 135, 175, 214, 254, 36, 73, 111, 149, 186, 224, 5, 40, 76,
    111, 146, 182, 217, 253, 30, 63, 97, 130, 164, 197, 230, 7, 39, 70, 102, 133, 164, 196, 227,
    3, 32, 62, 92, 121, 151, 181, 210, 240, 13, 41, 69, 97, 125, 153, 181, 209, 236, 8, 34,
    61, 87, 113, 140, 166, 192, 219, 245, 15, 40, 64, 89, 114, 139, 164, 189, 213, 238, 7, 30,
    54, 77, 101, 124, 147, 171, 194, 218, 241, 8, 30, 52, 74, 96, 119, 141, 163, 185, 207, 229,
    251, 16, 37, 58, 79, 99, 120, 141, 162, 183, 204, 224, 245, 10, 29, 49, 68, 88, 108, 127,
    147, 167, 186, 206, 226, 245, 8, 27, 45, 64, 82, 101, 119, 138, 156, 175, 193, 212, 230, 249,
    11, 28, 46, 63, 81, 98, 116, 133, 150, 168, 185, 203, 220, 238, 255, 16, 32, 49, 65, 82,
    98, 114, 131, 147, 164, 180, 197, 213, 230, 246, 0, 0, 0, 0, 0, 0,
};

/* The first bin behind each corner of the bands. */
static const uint8_t corners[42] = {
    2, 4, 5, 7, 9, 11, 13, 15, 17, 19, 22, 25, 27, 30, 34, 37, 40, 44, 48, 53,
    57, 62, 67, 72, 78, 84, 91, 97, 105, 112, 120, 129, 138, 148, 158, 169, 181, 193, 206, 220,
    235, 250,
};

/* log2(1 + (m + 1/2) / 64) in Q8 */
static const uint8_t logarithms[64] = {
    3, 9, 14, 20, 25, 30, 36, 41, 46, 51, 56, 61, 66, 71, 75, 80, 85, 89, 94, 98,
    103, 107, 111, 116, 120, 124, 128, 132, 136, 140, 144, 148, 152, 155, 159, 163, 167, 170, 174, 178,
    181, 185, 188, 192, 195, 198, 202, 205, 208, 212, 215, 218, 221, 224, 228, 231, 234, 237, 240, 243,
    246, 249, 252, 255,
};

/* For k = 0..256, half a wave. */
static int32_t sine(uint32_t k) {
    return sines[k <= QUARTER ? k : HALF - k];
}

static int32_t cosine(uint32_t k) {
    return k <= QUARTER ? sines[QUARTER - k] : -sines[k - QUARTER];
}

/* The high word of a product, one instruction on cores with Arm's DSP extension. */
static int32_t high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b) >> 32);
}

static int32_t windowed(const trit_log_mel *state, uint32_t n) {
    uint32_t rest = (UINT32_C(1) << 31) - (uint32_t)cosine(n <= HALF ? n : 2 * HALF - n);
    int32_t hann = (int32_t)(((rest >> 16) + 1) >> 1);
    return state->samples[(state->place + n) % TRIT_LOG_MEL_WINDOW] * hann;
}

/* The frame under its window, even samples as real parts, odd as imaginary, in bit-reversed order. */
static void load(trit_log_mel *state) {
    uint32_t i, at = 0, bit;
    for (i = 0; i < HALF; i++) {
        state->work.wave[2 * at] = windowed(state, 2 * i);
        state->work.wave[2 * at + 1] = windowed(state, 2 * i + 1);
        for (bit = HALF / 2; at & bit; bit /= 2) at ^= bit; /* counts up from the top bit down */
        at |= bit;
    }
}

/* a, t -> a/2 + t, a/2 - t */
static void store_pair(int32_t *a, int32_t *b, int32_t real, int32_t imaginary) {
    int32_t half_real = a[0] >> 1, half_imaginary = a[1] >> 1;
    a[0] = half_real + real;
    a[1] = half_imaginary + imaginary;
    b[0] = half_real - real;
    b[1] = half_imaginary - imaginary;
}

/* One stage: numbers i and i + half, the second turned by cos - i sin. */
static void stage(int32_t *wave, uint32_t half) {
    uint32_t turn, i;
    for (i = 0; i < HALF; i += 2 * half) {
        int32_t *a = wave + 2 * i, *b = a + 2 * half;
        store_pair(a, b, b[0] >> 1, b[1] >> 1);
    }
    for (turn = 1; turn < half; turn++) {
        int32_t c = cosine(turn * (HALF / half)), s = sine(turn * (HALF / half));
        for (i = turn; i < HALF; i += 2 * half) {
            int32_t *a = wave + 2 * i, *b = a + 2 * half;
            store_pair(a, b, high(b[0], c) + high(b[1], s), high(b[1], c) - high(b[0], s));
        }
    }
}

static uint64_t power_of(int32_t real, int32_t imaginary) {
    return (uint64_t)((int64_t)real * real + (int64_t)imaginary * imaginary) >> 8;
}

/* Bins k and HALF - k of the real samples' spectrum out of the same two of the FFT's result. */
static void separate(trit_log_mel *state, uint32_t k) {
    const int32_t *a = state->work.wave + 2 * k, *b = state->work.wave + 2 * (HALF - k);
    int32_t c = cosine(k), s = sine(k);
    int32_t even_real = (a[0] >> 1) + (b[0] >> 1), even_imaginary = (a[1] >> 1) - (b[1] >> 1);
    int32_t odd_real = (a[0] >> 1) - (b[0] >> 1), odd_imaginary = (a[1] >> 1) + (b[1] >> 1);
    int32_t real = high(odd_imaginary, c) - high(odd_real, s);
    int32_t imaginary = -high(odd_imaginary, s) - high(odd_real, c);
    even_real >>= 1;
    even_imaginary >>= 1;
    state->work.power[HALF - k] = power_of(even_real - real, even_imaginary - imaginary);
    state->work.power[k] = power_of(even_real + real, even_imaginary + imaginary);
}

static void transform(trit_log_mel *state) {
    uint32_t half, k;
    load(state);
    for (half = 1; half < HALF; half *= 2) stage(state->work.wave, half);
    for (k = 1; k <= QUARTER; k++) separate(state, k);
}

/* For x > 0. */
static uint32_t top_bit(uint32_t x) {
    uint32_t found = 0, width;
    for (width = 16; width > 0; width /= 2) {
        if (x >> width) {
            x >>= width;
            found += width;
        }
    }
    return found;
}

static uint8_t code_of(uint64_t energy) {
    uint32_t upper = (uint32_t)(energy >> 32), top, mantissa;
    int32_t code;
    if (energy == 0) return 0;
    top = upper ? 32 + top_bit(upper) : top_bit((uint32_t)energy);
    mantissa = (uint32_t)(top >= 6 ? energy >> (top - 6) : energy << (6 - top)) & 63;
    code = (int32_t)((CODES_PER_BIT * (256 * top + logarithms[mantissa]) + 128) >> 8) - FLOOR;
    return code < 0 ? 0 : code > 255 ? 255 : (uint8_t)code;
}

static void write_codes(const uint64_t *power, uint8_t *codes) {
    uint64_t rises_before = 0;
    uint32_t part, k;
    for (part = 0; part <= TRIT_LOG_MEL_BANDS; part++) { /* between two corners */
        uint64_t rises = 0, falls = 0;
        for (k = corners[part]; k < corners[part + 1]; k++) {
            uint64_t rise = power[k] * rising[k];
            rises += rise;
            falls += 256 * power[k] - rise;
        }
        if (part > 0) codes[part - 1] = code_of(rises_before + falls);
        rises_before = rises;
    }
}

static void complete_frame(trit_log_mel *state) {
    transform(state);
    write_codes(state->work.power, state->codes + state->row * TRIT_LOG_MEL_BANDS);
    state->row = (state->row + 1) % TRIT_LOG_MEL_FRAMES;
    state->missing = TRIT_LOG_MEL_HOP;
    state->frames++;
}

void trit_log_mel_reset(trit_log_mel *state) {
    uint32_t i;
    for (i = 0; i < TRIT_LOG_MEL_SIZE; i++) state->codes[i] = 0;
    state->frames = state->place = state->row = 0;
    state->missing = TRIT_LOG_MEL_WINDOW;
}

size_t trit_log_mel_push(trit_log_mel *state, const int16_t *samples, size_t count) {
    size_t taken = count < state->missing ? count : state->missing, i;
    for (i = 0; i < taken; i++) {
        state->samples[state->place] = samples[i];
        state->place = (state->place + 1) % TRIT_LOG_MEL_WINDOW;
    }
    state->missing -= (uint32_t)taken;
    if (state->missing == 0) complete_frame(state);
    return taken;
}

void trit_log_mel_copy(const trit_log_mel *state, uint8_t *image) {
    const uint8_t *codes = state->codes;
    uint32_t newer = state->row * TRIT_LOG_MEL_BANDS, i;
    for (i = newer; i < TRIT_LOG_MEL_SIZE; i++) *image++ = codes[i];
    for (i = 0; i < newer; i++) *image++ = codes[i];
}
