// SPDX-License-Identifier: GPL-2.0
/*
 * Write sections with nobody who reads: by a task, by a task that is preempted while it is inside,
 * by the interrupt. Each lasts hold_ns, or twice that if preempted.
 */
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>

#include "seqstress.h"

struct holding {
	struct kind *kind;
	struct holder *holder;
	unsigned int left;
	struct irq_work work;
	struct task_struct *intruder;
	unsigned int wanted, served;	/* numbers of preemptions */
};

static void hold_plainly(struct hold *hold)
{
	spin_ns(hold_ns);
}

/* The intruder has priority on this CPU: it runs before we go on. */
static void hold_preempted(struct hold *hold)
{
	struct holding *holding = hold->episode;

	spin_ns(hold_ns);
	smp_store_release(&holding->wanted, holding->wanted + 1);
	wake_up_process(holding->intruder);
	while (smp_load_acquire(&holding->served) != holding->wanted)
		cpu_relax();
}

static int intruder(void *argument)
{
	struct holding *holding = argument;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (smp_load_acquire(&holding->wanted) == holding->served) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		spin_ns(hold_ns);
		smp_store_release(&holding->served, holding->served + 1);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int task_holds(void *argument)
{
	struct holding *holding = argument;
	void (*inside)(struct hold *hold) = holding->intruder ? hold_preempted : hold_plainly;

	holding->holder = holder_of(holding->kind, current->comm, current->pid);
	while (holding->left) {
		write_section(holding->kind, holding->holder, inside, holding);
		cond_resched();
		smp_store_release(&holding->left, holding->left - 1);
	}
	return task_idle_until_stopped();
}

static void interrupt_holds(struct irq_work *work)
{
	struct holding *holding = container_of(work, struct holding, work);

	write_section(holding->kind, holding->holder, hold_plainly, NULL);
}

static int held_by_interrupt(struct holding *holding)
{
	if (holding->kind->blocks)
		return -EOPNOTSUPP;
	holding->holder = holder_of(holding->kind, "interrupt", 0);
	holding->work = IRQ_WORK_INIT_HARD(interrupt_holds);
	while (holding->left--) {
		irq_work_queue(&holding->work);
		irq_work_sync(&holding->work);
		cond_resched();
	}
	return 0;
}

static int held_by_task(struct holding *holding, bool preempted)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task;

	/* The other kinds' writers cannot be preempted while the sequence is odd. */
	if (preempted && !(IS_ENABLED(CONFIG_PREEMPT_RT) && holding->kind->blocks))
		return -EOPNOTSUPP;
	if (preempted) {
		holding->intruder = task_start(intruder, holding, cpu, true, "i", 0,
					       holding->kind->name);
		if (!holding->intruder)
			return -ENOMEM;
	}
	task = task_start(task_holds, holding, cpu, false, "w", 0, holding->kind->name);
	while (task && smp_load_acquire(&holding->left))
		schedule_timeout_uninterruptible(1);
	if (task)
		task_stop(task);
	if (holding->intruder)
		task_stop(holding->intruder);
	return task ? 0 : -ENOMEM;
}

/* `count` write sections of a kind in a context: "task", "preempted" or "interrupt". */
int held(struct kind *kind, const char *context, unsigned int count)
{
	struct holding holding = { .kind = kind, .left = count };

	if (!strcmp(context, "interrupt"))
		return held_by_interrupt(&holding);
	if (!strcmp(context, "preempted"))
		return held_by_task(&holding, true);
	if (!strcmp(context, "task"))
		return held_by_task(&holding, false);
	return -EINVAL;
}
