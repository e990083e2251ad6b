/* SPDX-License-Identifier: Apache-2.0 */
/* An ATmega: text by its first serial port at 115200 baud, as on Arduino boards by USB. avr-libc starts it up. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdlib.h>

#include "platform.h"

#define BAUD 115200UL

void platform_write(const char *text) {
    UBRR0 = (uint16_t)((F_CPU / 4 / BAUD - 1) / 2); /* of double speed, rounded */
    UCSR0A = _BV(U2X0);
    UCSR0B = _BV(TXEN0);
    for (; *text; text++) {
        while (!(UCSR0A & _BV(UDRE0))) continue;
        UDR0 = (uint8_t)*text;
    }
}

/* Sleeps for ever, by which simavr knows the end; the serial port goes on. A register has the status for a debugger. */
_Noreturn void platform_exit(int status) {
    GPIOR0 = (uint8_t)status;
    cli();
    SMCR = _BV(SE); /* idle */
    for (;;) sleep_cpu();
}

/* What avr-libc calls with what main returns. */
void exit(int status) {
    platform_exit(status);
}

uint32_t platform_stack_used(void) {
    return 0;
}
