// SPDX-License-Identifier: GPL-2.0
/*
 * Retries by force: the reader itself writes inside its read section, as often as wanted, and so
 * knows which of its checks fail. Each write lasts hold_ns.
 */
#include <linux/sched.h>

#include "seqstress.h"

static void hold_shortly(struct hold *hold)
{
	spin_ns(hold_ns);
}

static void write_between(struct section *section)
{
	struct kind *kind = section->reader->kind;

	if (section->locked || section->tries > section->wanted)
		return;
	write_section(kind, holder_of(kind, current->comm, current->pid), hold_shortly, NULL);
}

static const struct drive retrying = { .inside = write_between };

/* `count` read sections, each of which fails `length` checks in a row and passes the next one. */
int episode_runs(struct reader *reader, unsigned int length, unsigned int count)
{
	while (count--) {
		read_section(reader, &retrying, NULL, length);
		cond_resched();
	}
	return 0;
}
