/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte of a plan takes other values, all single bits flipped among them: as damage, which is refused, and with a
 * right checksum, where the plan is refused or runs cleanly. */
#include "check.h"
#include "exercise.h"
#include "plans.h"

static int is_checksum(size_t byte) {
    return byte >= 12 && byte < 28;
}

static size_t change_byte(const uint32_t *plan, size_t size, size_t byte, uint8_t value) {
    uint8_t *data = (uint8_t *)copy(plan, size);
    size_t opened = 0;
    data[byte] = value;
    CHECK(!exercise(data, size));
    if (!is_checksum(byte)) {
        seal((uint32_t *)(void *)data, size / 4);
        opened = (size_t)exercise(data, size);
    }
    free(data);
    return opened;
}

static void change_every_byte(const uint32_t *plan, size_t size) {
    static const uint8_t edges[] = {0x00, 0xff};
    const uint8_t *bytes = (const uint8_t *)plan;
    size_t byte, i, opened = 0, changed = 0;
    for (byte = 0; byte < size; byte++) {
        for (i = 0; i < 8; i++, changed++) opened += change_byte(plan, size, byte, (uint8_t)(bytes[byte] ^ 1u << i));
        for (i = 0; i < sizeof edges; i++) {
            if (edges[i] == bytes[byte]) continue;
            opened += change_byte(plan, size, byte, edges[i]);
            changed++;
        }
    }
    printf("%u of %u changed plans opened and run\n", (unsigned)opened, (unsigned)changed);
    CHECK(opened > changed / 20 && opened < changed / 2);
}

int main(void) {
    change_every_byte(narrow_plan, sizeof narrow_plan);
    change_every_byte(wide_plan, sizeof wide_plan);
    change_every_byte(tasks_plan, sizeof tasks_plan);
    if (failures) fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}
