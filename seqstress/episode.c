// SPDX-License-Identifier: GPL-2.0
/*
 * Retries by force: the reader itself writes inside its read section, as often as wanted, and so
 * knows which of its checks fail.
 */
#include <linux/sched.h>

#include "seqstress.h"

static void write_between(struct section *section)
{
	struct kind *kind = section->reader->kind;

	if (section->locked || section->tries > section->wanted)
		return;
	write_section(kind, holder_of(kind, current->comm, current->pid), NULL, NULL);
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
