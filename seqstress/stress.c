// SPDX-License-Identifier: GPL-2.0
/* Readers and writers that run freely for a time, each in a task of its own. */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "seqstress.h"

#define TASKS_MAX 512

static struct task_struct *running[TASKS_MAX];
static unsigned int running_count;

static void pause_ns(unsigned int ns)
{
	if (ns >= NSEC_PER_USEC)
		usleep_range(ns / NSEC_PER_USEC, ns / NSEC_PER_USEC + 10);
	else
		cond_resched();
}

/* Reads the kind after this one inside. */
static void read_inside(struct section *section)
{
	struct kind *kind = section->reader->kind;
	unsigned int i = 0;

	while (kinds[i] != kind)
		i++;
	read_section(&kinds[(i + 1) % KINDS]->readers[0], NULL, NULL, 0);
}

static const struct drive nesting = { .inside = read_inside };

static int reads(void *argument)
{
	/* Not under the lock: the other kind's reader may sleep. */
	while (!kthread_should_stop()) {
		read_section(argument, nested ? &nesting : NULL, NULL, 0);
		pause_ns(gap_ns / 8);
	}
	return 0;
}

static void hold_a_while(struct hold *hold)
{
	spin_ns(hold_ns);
}

struct writing {
	struct kind *kind;
	struct holder *holder;
};

static int writes(void *argument)
{
	struct writing *writing = argument;

	while (!kthread_should_stop()) {
		write_section(writing->kind, writing->holder, hold_a_while, NULL);
		pause_ns(gap_ns);
	}
	kfree(writing);
	return 0;
}

/* Tasks take the CPUs in turn, and a reader never the one of its only writer. */
static int cpu_of(unsigned int turn)
{
	int cpu = cpumask_first(cpu_online_mask);

	for (turn %= num_online_cpus(); turn; turn--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu;
}

static int start_writer(struct kind *kind, unsigned int number)
{
	struct writing *writing = kzalloc(sizeof(*writing), GFP_KERNEL);
	struct task_struct *task;

	if (!writing)
		return -ENOMEM;
	writing->kind = kind;
	task = kthread_create(writes, writing, "w%u-%s", number, kind->name);
	if (IS_ERR(task)) {
		kfree(writing);
		return PTR_ERR(task);
	}
	/* Here and not by the task: one after the other. */
	writing->holder = holder_of(kind, task->comm, task->pid);
	kthread_bind(task, cpu_of(number));
	get_task_struct(task);
	running[running_count++] = task;
	return 0;
}

static int start_kind(const char *target, struct kind *kind)
{
	unsigned int i, j, wanted = 0;
	struct task_struct *task;

	for (i = 0; i < kind->reader_count; i++)
		wanted += target_has(target, &kind->readers[i]);
	if (!wanted)
		return 0;
	if (running_count + writers + wanted * tasks > TASKS_MAX)
		return -E2BIG;
	for (i = 0; i < writers; i++)
		if (start_writer(kind, i))
			return -ENOMEM;
	for (i = 0; i < kind->reader_count; i++) {
		if (!target_has(target, &kind->readers[i]))
			continue;
		for (j = 0; j < tasks; j++) {
			task = kthread_create(reads, &kind->readers[i], "r%u-%s", j, kind->name);
			if (IS_ERR(task))
				return PTR_ERR(task);
			kthread_bind(task, cpu_of(j + 1));
			get_task_struct(task);
			running[running_count++] = task;
		}
	}
	return 0;
}

/* Writers and readers of what `target` names, for a time. */
int stress(const char *target, unsigned int ms)
{
	unsigned int i;
	int result = 0;

	running_count = 0;
	for (i = 0; i < KINDS && !result; i++)
		result = start_kind(target, kinds[i]);
	if (!running_count && !result)
		return -ENOENT;
	for (i = 0; i < running_count; i++)
		wake_up_process(running[i]);
	if (!result)
		msleep(ms);
	for (i = 0; i < running_count; i++)
		task_stop(running[i]);
	return result;
}
