// SPDX-License-Identifier: GPL-2.0
/*
 * Sequence counters as broken code leaves them, and readers that stand before one until it is healed.
 * Nothing else may read or write the kind meanwhile.
 */
#include <linux/kthread.h>

#include "seqstress.h"

#define BACK 1000

static struct task_struct *standing;

static void step(struct kind *kind, unsigned int by)
{
	WRITE_ONCE(*kind->sequence, READ_ONCE(*kind->sequence) + by);
}

/*
 * "odd": as if a writer had left without its second increment; writers after it make the sequence
 * even while they are inside. "backwards": as if someone had initialised it again.
 */
int damage(struct kind *kind, const char *how)
{
	if (!strcmp(how, "odd") && !(READ_ONCE(*kind->sequence) & 1))
		step(kind, 1);
	else if (!strcmp(how, "backwards"))
		step(kind, -BACK);
	else
		return -EINVAL;
	return 0;
}

static int stands(void *argument)
{
	read_section(argument, NULL, NULL, 0);
	return task_idle_until_stopped();
}

/* A task that reads once: it goes on when the sequence is even. On the last CPU, and alone. */
int damage_stand(struct reader *reader)
{
	if (standing)
		return -EBUSY;
	standing = task_start(stands, reader, cpumask_last(cpu_online_mask), false, "s", 0,
			      reader->kind->name);
	return standing ? 0 : -ENOMEM;
}

/* Makes the sequence even, and ends the task that stood before it. */
void damage_heal(void)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		if (READ_ONCE(*kinds[i]->sequence) & 1)
			step(kinds[i], 1);
	if (standing)
		task_stop(standing);
	standing = NULL;
}
