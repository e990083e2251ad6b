/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program on simavr's model of an AVR: what it prints, and each instruction's runs and cycles from one call of a
 * function to the next. Built by simulate_avr.py against libsimavr.
 *
 * usage: simavr_run MCU FLASH MARK OUT [IMAGES ADDRESS SIZE]
 *
 * FLASH has the contents of the flash. At each call of the function at MARK a line "address runs cycles", all hexadecimal,
 * goes to OUT for each instruction that ran since the last one, then a line "mark"; with MARK 0 none. With IMAGES the program
 * runs once for each SIZE bytes of that file, which are put to ADDRESS in flash. Exits with the status that the program
 * leaves in GPIOR0, 3 if it crashes.
 */
#include <inttypes.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <stdio.h>
#include <stdlib.h>

#define GPIOR0 0x3e /* of every ATmega with a serial port 0 */

typedef struct count {
    uint64_t runs, cycles;
} count;

static count *counts; /* of the instruction at each word of the flash */
static uint32_t mark;
static int lowest_stack;
static FILE *out;

static void be_quiet(struct avr_t *avr, const int level, const char *format, va_list arguments) {
    (void)avr, (void)level, (void)format, (void)arguments;
}

static void print(struct avr_irq_t *irq, uint32_t value, void *user) {
    (void)irq, (void)user;
    putchar((int)value);
}

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(1 << 26);
    if (!file || !data) exit(4);
    *size = fread(data, 1, 1 << 26, file);
    fclose(file);
    return data;
}

static void report(const avr_t *avr) {
    uint32_t i;
    for (i = 0; i <= avr->flashend / 2; i++) {
        if (counts[i].runs) fprintf(out, "%" PRIx32 " %" PRIx64 " %" PRIx64 "\n", 2 * i, counts[i].runs, counts[i].cycles);
        counts[i].runs = counts[i].cycles = 0;
    }
    fputs("mark\n", out);
}

/* The stack pointer's two halves change one after the other: it counts when the lower one has. */
static void watch_stack(const avr_t *avr, int before) {
    int now = avr->data[R_SPL] | avr->data[R_SPH] << 8;
    if ((now & 255) != (before & 255) && now < lowest_stack) lowest_stack = now;
}

static void run(avr_t *avr) {
    avr_reset(avr);
    avr->run_cycle_limit = 1; /* one instruction at a time */
    while (avr->state != cpu_Done && avr->state != cpu_Crashed) {
        uint32_t pc = avr->pc;
        uint64_t cycle = avr->cycle;
        int stack = avr->data[R_SPL] | avr->data[R_SPH] << 8;
        if (mark && pc == mark) report(avr);
        avr_run(avr);
        counts[pc / 2].runs++;
        counts[pc / 2].cycles += avr->cycle - cycle;
        watch_stack(avr, stack);
    }
}

static avr_t *make(const char *name) {
    avr_t *avr = avr_make_mcu_by_name(name);
    uint32_t flags = 0;
    if (!avr) exit(5);
    avr_init(avr);
    avr->frequency = 16000000;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), print, NULL);
    return avr;
}

int main(int argc, char **argv) {
    size_t size, images_size, image = 0, at, i;
    uint8_t *flash, *images;
    avr_t *avr;
    avr_global_logger_set(be_quiet);
    if (argc != 5 && argc != 8) return 4;
    avr = make(argv[1]);
    flash = read_file(argv[2], &size);
    avr_loadcode(avr, flash, (uint32_t)size, 0);
    avr->codeend = avr->flashend;
    mark = (uint32_t)strtoul(argv[3], NULL, 0);
    out = fopen(argv[4], "w");
    counts = calloc(avr->flashend / 2 + 1, sizeof *counts);
    lowest_stack = avr->ramend;
    if (!out || !counts) return 4;
    if (argc == 8) {
        images = read_file(argv[5], &images_size);
        at = strtoul(argv[6], NULL, 0);
        size = strtoul(argv[7], NULL, 0);
        for (image = 0; image + size <= images_size; image += size) {
            for (i = 0; i < size; i++) avr->flash[at + i] = images[image + i];
            run(avr);
        }
    } else {
        run(avr);
    }
    printf("stack %d bytes\n", avr->ramend - lowest_stack);
    return avr->state == cpu_Crashed ? 3 : avr->data[GPIOR0];
}
