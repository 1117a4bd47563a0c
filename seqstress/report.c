// SPDX-License-Identifier: GPL-2.0
/* The truth as one JSON document. Times are nanoseconds. */
#include <linux/seq_file.h>

#include "seqstress.h"

static const char *wait_word(enum wait wait)
{
	switch (wait) {
	case WAIT_NEVER:
		return "never";
	case WAIT_SPINS:
		return "spins";
	case WAIT_BLOCKS:
		return IS_ENABLED(CONFIG_PREEMPT_RT) ? "blocks" : "spins";
	}
	return "";
}

static void number(struct seq_file *file, const char *name, atomic64_t *value)
{
	seq_printf(file, ", \"%s\": %lld", name, atomic64_read(value));
}

static void show_reader(struct seq_file *file, struct reader *reader)
{
	struct truth *truth = &reader->truth;
	unsigned int i;

	seq_printf(file, "   {\"function\": \"%s\", \"wait\": \"%s\"", reader->name,
		   wait_word(reader->wait));
	number(file, "reads", &truth->reads);
	number(file, "odd", &truth->odd);
	number(file, "waits", &truth->waits);
	number(file, "wait_ns", &truth->wait_ns);
	number(file, "wait_max_ns", &truth->wait_max_ns);
	number(file, "slept", &truth->slept);
	number(file, "slept_begins", &truth->slept_begins);
	number(file, "sleeps", &truth->sleeps);
	number(file, "doubtful", &truth->doubtful);
	number(file, "shown_odd", &truth->shown_odd);
	number(file, "retries", &truth->retries);
	number(file, "run_max", &truth->run_max);
	number(file, "run_ns", &truth->run_ns);
	number(file, "longer_runs", &truth->runs[0]);
	number(file, "fallbacks", &truth->fallbacks);
	number(file, "locked", &truth->locked);
	number(file, "torn", &truth->torn);
	seq_puts(file, ", \"runs\": [");
	for (i = 1; i <= RUNS; i++)
		seq_printf(file, "%s%lld", i > 1 ? ", " : "", atomic64_read(&truth->runs[i]));
	seq_puts(file, "]}");
}

static void show_holder(struct seq_file *file, struct holder *holder)
{
	seq_printf(file, "   {\"comm\": \"%s\", \"pid\": %d", holder->comm, holder->pid);
	number(file, "holds", &holder->holds);
	number(file, "hold_ns", &holder->hold_ns);
	number(file, "waits", &holder->waits);
	number(file, "slept", &holder->slept);
	seq_putc(file, '}');
}

static void show_kind(struct seq_file *file, struct kind *kind)
{
	unsigned int i;

	seq_printf(file, " {\"kind\": \"%s\", \"seqcount\": \"%s\", \"sequence\": %u,\n", kind->name,
		   kind->seqcount, READ_ONCE(*kind->sequence));
	seq_printf(file, "  \"writer\": \"%s\", \"holders\": [", kind->writer);
	for (i = 0; i < kind->holder_count; i++) {
		seq_puts(file, i ? ",\n" : "\n");
		show_holder(file, &kind->holders[i]);
	}
	seq_puts(file, "],\n  \"readers\": [");
	for (i = 0; i < kind->reader_count; i++) {
		seq_puts(file, i ? ",\n" : "\n");
		show_reader(file, &kind->readers[i]);
	}
	seq_puts(file, "]}");
}

int report_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	seq_puts(file, "[\n");
	for (i = 0; i < KINDS; i++) {
		if (i)
			seq_puts(file, ",\n");
		show_kind(file, kinds[i]);
	}
	seq_puts(file, "]\n");
	return 0;
}
