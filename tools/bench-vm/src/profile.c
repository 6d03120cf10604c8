/* A plug-in for QEMU's emulator: how often each translated block ran.  When the guest ends it writes a line for each
 * block to out=FILE: its address, its instructions, how often it ran.  (qemu-plugin.h is in no Debian package.) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_info_t;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct block {
	uint64_t address, runs;
	size_t instructions;
	struct block *next;
};

static struct block *blocks;
static const char *out;

static void ran(unsigned cpu, void *block)
{
	((struct block *)block)->runs++;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof *block);

	if (!block)
		abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->instructions = qemu_plugin_tb_n_insns(tb);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, 0, block);
}

static void ended(plugin_id id, void *unused)
{
	FILE *file = fopen(out, "w");

	if (!file) {
		perror(out);
		return;
	}
	for (struct block *block = blocks; block; block = block->next)
		if (block->runs)
			fprintf(file, "%" PRIx64 " %zu %" PRIu64 "\n", block->address, block->instructions, block->runs);
	fclose(file);
}

__attribute__((visibility("default"))) int
qemu_plugin_install(plugin_id id, const struct qemu_info_t *info, int count, char **arguments)
{
	for (int i = 0; i < count; i++)
		if (!strncmp(arguments[i], "out=", 4))
			out = strdup(arguments[i] + 4);
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
