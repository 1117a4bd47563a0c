// SPDX-License-Identifier: GPL-2.0
/* Kernel threads of episodes: named after what they do, bound to a CPU. */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "seqstress.h"

/*
 * Starts "w0-spinlock" or the like; returns NULL if the kernel cannot. A real-time task runs as
 * soon as it is woken, whatever else runs on its CPU.
 */
struct task_struct *task_start(int (*run)(void *), void *argument, int cpu, bool realtime,
			       const char *role, unsigned int number, const char *kind)
{
	struct task_struct *task;

	task = kthread_create(run, argument, "%s%u-%s", role, number, kind);
	if (IS_ERR(task))
		return NULL;
	kthread_bind(task, cpu);
	if (realtime)
		sched_set_fifo(task);
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

/* Waits for the task's end; returns what its function did. */
int task_stop(struct task_struct *task)
{
	int result = kthread_stop(task);

	put_task_struct(task);
	return result;
}

/* A thread's function must not return before it is stopped. */
int task_idle_until_stopped(void)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Another CPU that is online, or -1. */
int other_cpu(int cpu)
{
	int other;

	for_each_online_cpu(other)
		if (other != cpu)
			return other;
	return -1;
}
