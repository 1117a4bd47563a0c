// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/seqstress/command takes one command at a time; the write returns when it is
 * done. A target is a reader's function, a kind (its first reader, in stress all of them) or all.
 *
 *   odd TARGET N              N waits, each of one reader for one write section
 *   retry TARGET N            N read sections that fail one check
 *   runs TARGET LENGTH N      N read sections that fail LENGTH checks in a row
 *   fallback N                N read sections that fail one check and take the lock
 *   hold KIND CONTEXT N       N write sections by a task, preempted inside, or the interrupt
 *   order TARGET N            N read sections under a mutex and inside of it a spinlock
 *   stress TARGET MS          readers and writers that run freely
 *   damage KIND HOW           leaves the sequence odd, or sets it backwards
 *   stand TARGET              a reader that begins and stays there while the sequence is odd
 *   heal                      makes all sequences even, and ends that reader
 *   reset                     forgets the truth
 *
 * /sys/kernel/debug/seqstress/truth has the truth since the last reset (report.c).
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "seqstress.h"

#define WORD 40
#define FALLBACK_READER "seqlock_begin_or_lock"

static DEFINE_MUTEX(one_at_a_time);
static struct dentry *folder;

bool target_has(const char *target, const struct reader *reader)
{
	return !strcmp(target, "all") || !strcmp(target, reader->kind->name) ||
	       !strcmp(target, reader->name);
}

/* Does `episode` with each reader that the target means and that takes part in such ones. */
static int each_reader(const char *target, unsigned int length, unsigned int count,
		       bool (*takes_part)(const struct reader *reader),
		       int (*episode)(struct reader *reader, unsigned int length,
				      unsigned int count))
{
	unsigned int i, j, found = 0;
	int result = 0;

	for (i = 0; i < KINDS; i++) {
		struct kind *kind = kinds[i];
		bool first_only = !strcmp(target, kind->name);

		for (j = 0; j < kind->reader_count && !result; j++) {
			struct reader *reader = &kind->readers[j];

			if (!target_has(target, reader) || !takes_part(reader))
				continue;
			if (first_only && j)
				break;
			result = episode(reader, length, count);
			found++;
		}
	}
	return found ? result : -ENOENT;
}

static bool waits(const struct reader *reader)
{
	return reader->wait != WAIT_NEVER;
}

static bool retries(const struct reader *reader)
{
	return strcmp(reader->name, "seqlock_excl");
}

static int odd(struct reader *reader, unsigned int length, unsigned int count)
{
	return episode_odd(reader, count);
}

static bool any(const struct reader *reader)
{
	return true;
}

static int ordered(struct reader *reader, unsigned int length, unsigned int count)
{
	return order_reads(reader, count);
}

static int stand(struct reader *reader, unsigned int length, unsigned int count)
{
	return damage_stand(reader);
}

static struct kind *kind_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		if (!strcmp(name, kinds[i]->name))
			return kinds[i];
	return NULL;
}

static int do_command(const char *line)
{
	char target[WORD], context[WORD];
	unsigned int length, count;
	struct kind *kind;

	if (!strcmp(line, "reset")) {
		truth_reset();
		return 0;
	}
	if (!strcmp(line, "heal")) {
		damage_heal();
		return 0;
	}
	if (sscanf(line, "odd %39s %u", target, &count) == 2)
		return each_reader(target, 0, count, waits, odd);
	if (sscanf(line, "retry %39s %u", target, &count) == 2)
		return each_reader(target, 1, count, retries, episode_runs);
	if (sscanf(line, "runs %39s %u %u", target, &length, &count) == 3)
		return each_reader(target, length, count, retries, episode_runs);
	if (sscanf(line, "order %39s %u", target, &count) == 2)
		return each_reader(target, 0, count, any, ordered);
	if (sscanf(line, "fallback %u", &count) == 1)
		return each_reader(FALLBACK_READER, 1, count, retries, episode_runs);
	if (sscanf(line, "hold %39s %39s %u", target, context, &count) == 3) {
		kind = kind_of(target);
		return kind ? held(kind, context, count) : -ENOENT;
	}
	if (sscanf(line, "damage %39s %39s", target, context) == 2) {
		kind = kind_of(target);
		return kind ? damage(kind, context) : -ENOENT;
	}
	if (sscanf(line, "stand %39s", target) == 1)
		return each_reader(target, 0, 0, waits, stand);
	if (sscanf(line, "stress %39s %u", target, &count) == 2)
		return stress(target, count);
	return -EINVAL;
}

static ssize_t command_write(struct file *file, const char __user *text, size_t size, loff_t *at)
{
	char *line = memdup_user_nul(text, min_t(size_t, size, 160));
	int result;

	if (IS_ERR(line))
		return PTR_ERR(line);
	mutex_lock(&one_at_a_time);
	result = do_command(strim(line));
	mutex_unlock(&one_at_a_time);
	kfree(line);
	return result ?: size;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

DEFINE_SHOW_ATTRIBUTE(report);

int command_start(void)
{
	folder = debugfs_create_dir("seqstress", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	debugfs_create_file("command", 0200, folder, NULL, &command_fops);
	debugfs_create_file("truth", 0400, folder, NULL, &report_fops);
	return 0;
}

void command_end(void)
{
	debugfs_remove_recursive(folder);
}
