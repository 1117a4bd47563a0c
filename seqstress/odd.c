// SPDX-License-Identifier: GPL-2.0
/*
 * Waits by force: the reader begins while a writer is known to be inside.
 *
 * Where the reader blocks, both run on one CPU: the writer, inside, wakes the reader, which has
 * priority, begins, meets the odd sequence and sleeps on the writer's lock; once it stands in the
 * lock's queue the writer goes on.
 *
 * Where the reader spins, it is on another CPU. The writer, inside, offers the episode; the reader
 * takes it with interrupts off, and nothing keeps it from beginning. The writer then stays inside for
 * hold_ns, and for HOLD_TURNS turns of its own loop: a guest whose CPUs take turns at each pause gives
 * the reader as many, also where the host let the guest stand still until hold_ns was over. Interrupts
 * are off, because while the writer's CPU does other work the reader has no turn. An offer lasts
 * OFFER_NS: the reader may have been preempted by who waits for the writer's CPU, so the writer comes
 * out and offers again.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "seqstress.h"

#define HOLD_TURNS 8
#define OFFER_NS 100000

enum { IDLE, OFFERED, TAKEN, THROUGH };

struct episode {
	struct reader *reader;
	struct task_struct *task;	/* the reader's */
	unsigned int count;
	int state;			/* of a spinner's episode */
	unsigned long irq_flags;	/* of its writer */
	unsigned int inside, done;	/* number of the episode that a blocker is to begin, has ended */
	struct completion over;		/* the last one has ended */
};

static bool blocks(const struct reader *reader)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) && reader->wait == WAIT_BLOCKS;
}

/* A task that is stopped before its time, because the other did not start, waits no longer. */
static void wait_for(unsigned int *number, unsigned int value)
{
	while (smp_load_acquire(number) != value && !kthread_should_stop()) {
		cpu_relax();
		cond_resched();
	}
}

static void spinner_before(struct section *section)
{
	struct episode *episode = section->episode;

	if (section->tries > 1)
		return;
	for (;;) {
		while (READ_ONCE(episode->state) != OFFERED && !kthread_should_stop()) {
			cpu_relax();
			cond_resched();
		}
		local_irq_save(section->irq_flags);
		if (cmpxchg(&episode->state, OFFERED, TAKEN) == OFFERED || kthread_should_stop())
			break;
		local_irq_restore(section->irq_flags);
	}
}

static void spinner_inside(struct section *section)
{
	struct episode *episode = section->episode;

	if (section->tries > 1)
		return;
	cmpxchg(&episode->state, TAKEN, THROUGH);
	local_irq_restore(section->irq_flags);
}

static const struct drive spinning = { .before = spinner_before, .inside = spinner_inside };

static int spinner(void *argument)
{
	struct episode *episode = argument;
	unsigned int i;

	for (i = 1; i <= episode->count; i++) {
		read_section(episode->reader, &spinning, episode, i);
		smp_store_release(&episode->done, i);
	}
	complete(&episode->over);
	return task_idle_until_stopped();
}

static void hold_for_spinner(struct hold *hold)
{
	struct episode *episode = hold->episode;
	u64 end_ns = now_ns() + OFFER_NS;
	unsigned int turns;

	smp_store_release(&episode->state, OFFERED);
	while (READ_ONCE(episode->state) == OFFERED && now_ns() < end_ns)
		cpu_relax();
	if (cmpxchg(&episode->state, OFFERED, IDLE) == OFFERED)
		return;
	local_irq_save(episode->irq_flags);
	end_ns = now_ns() + hold_ns;
	while (now_ns() < end_ns)
		cpu_relax();
	for (turns = 0; turns < HOLD_TURNS; turns++)
		cpu_relax();
}

/* Out again, but no interrupt yet: its work would be in the reader's time. */
static void let_go(struct episode *episode)
{
	if (READ_ONCE(episode->state) == IDLE)
		return;
	while (READ_ONCE(episode->state) == TAKEN)
		cpu_relax();
	local_irq_restore(episode->irq_flags);
}

/* Nothing but the read itself: in particular not read_ns. */
static const struct drive blocking;

static int blocker(void *argument)
{
	struct episode *episode = argument;
	unsigned int i;

	for (i = 1; i <= episode->count; i++) {
		for (;;) {
			set_current_state(TASK_INTERRUPTIBLE);
			if (smp_load_acquire(&episode->inside) == i || kthread_should_stop())
				break;
			schedule();
		}
		__set_current_state(TASK_RUNNING);
		read_section(episode->reader, &blocking, episode, i);
		smp_store_release(&episode->done, i);
	}
	complete(&episode->over);
	return task_idle_until_stopped();
}

static void hold_for_blocker(struct hold *hold)
{
	struct episode *episode = hold->episode;

	smp_store_release(&episode->inside, episode->inside + 1);
	wake_up_process(episode->task);
	/*
	 * It runs before we go on, but where the kernel gives other tasks their share of the CPU
	 * (the fair server of 6.12, real-time throttling before).
	 */
	while (!READ_ONCE(episode->task->pi_blocked_on))
		cpu_relax();
	spin_ns(hold_ns);
}

static int writer(void *argument)
{
	struct episode *episode = argument;
	struct kind *kind = episode->reader->kind;
	struct holder *holder = holder_of(kind, current->comm, current->pid);
	bool block = blocks(episode->reader);
	unsigned int i;

	for (i = 1; i <= episode->count; i++) {
		do {
			write_section(kind, holder, block ? hold_for_blocker : hold_for_spinner,
				      episode);
			if (!block)
				let_go(episode);
			cond_resched();
		} while (!block && READ_ONCE(episode->state) == IDLE);
		wait_for(&episode->done, i);
		WRITE_ONCE(episode->state, IDLE);
	}
	return task_idle_until_stopped();
}

/* `count` waits, each of one reader for one write section. */
int episode_odd(struct reader *reader, unsigned int count)
{
	struct episode episode = { .reader = reader, .count = count };
	int writer_cpu = cpumask_first(cpu_online_mask);
	int reader_cpu = blocks(reader) ? writer_cpu : other_cpu(writer_cpu);
	struct task_struct *task;
	int result = 0;

	if (reader_cpu < 0)
		return -ENODEV;
	init_completion(&episode.over);
	episode.task = task_start(blocks(reader) ? blocker : spinner, &episode, reader_cpu,
				  blocks(reader), "r", 0, reader->kind->name);
	if (!episode.task)
		return -ENOMEM;
	task = task_start(writer, &episode, writer_cpu, false, "w", 0, reader->kind->name);
	if (!task)
		result = -ENOMEM;
	/* Both end by themselves, once there is a writer. A sleep of less than 120 s is no hung task. */
	while (task && !wait_for_completion_timeout(&episode.over, HZ))
		;
	if (task)
		task_stop(task);
	task_stop(episode.task);
	return result;
}
