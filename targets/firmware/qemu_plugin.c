/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin for QEMU's emulation: which blocks of instructions a program ran, from one call of a function to the next.
 *
 * At each call of the function at mark=ADDRESS it appends to out=FILE a line "address size count taken" for each block
 * that ran since the last one, all hexadecimal, then a line "mark". Built by simulate_qemu.py. The prototypes are those of QEMU's
 * plugin interface (docs/devel/tcg-plugins), whose header distributions seldom ship; what is used has not changed
 * since version 1.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

#define PAGE 1024u /* the smallest; larger ones are multiples */
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = PLUGIN_VERSION;

typedef struct block {
    struct block *next;
    uint64_t address, end, count, taken;
} block;

static block *blocks, *last;
static uint64_t mark;
static FILE *out;

static void report(void) {
    block *b;
    for (b = blocks; b; b = b->next) {
        if (b->count) fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", b->address, b->end - b->address, b->count, b->taken);
        b->count = b->taken = 0;
    }
    fputs("mark\n", out);
    fflush(out);
}

/* A block that ends with a page may hold half of an instruction that lies across the page's end and is a block, too. */
static int goes_on_with(const block *before, const block *b) {
    return before->end == b->address || (before->end % PAGE == 0 && before->end - 2 == b->address);
}

static void on_run(unsigned cpu, void *data) {
    block *b = data;
    (void)cpu;
    if (last && !goes_on_with(last, b)) last->taken++;
    if (b->address == mark) report();
    b->count++;
    last = b;
}

/* A block that is translated anew goes on counting. */
static block *find(uint64_t address, uint64_t end) {
    block *b;
    for (b = blocks; b; b = b->next)
        if (b->address == address && b->end == end) return b;
    b = calloc(1, sizeof *b);
    if (!b) abort();
    b->address = address;
    b->end = end;
    b->next = blocks;
    return blocks = b;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb) {
    struct qemu_plugin_insn *final = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
    uint64_t end = qemu_plugin_insn_vaddr(final) + qemu_plugin_insn_size(final);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_run, 0, find(qemu_plugin_tb_vaddr(tb), end));
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    int i;
    (void)info;
    for (i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "mark=", 5)) mark = strtoull(argv[i] + 5, NULL, 0);
        if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
    }
    if (!out) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
