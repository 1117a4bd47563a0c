// SPDX-License-Identifier: GPL-2.0
/*
 * The truth: what readers and writers tell about each read and write section. The sequence is
 * looked at right before each begin, and nothing stands between the two.
 */
#include <linux/module.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "seqstress.h"

/* The clock of bpf_ktime_get_ns(), whose readers wait for nobody. */
u64 now_ns(void)
{
	return ktime_get_mono_fast_ns();
}

void spin_ns(u64 ns)
{
	u64 end = now_ns() + ns;

	while (now_ns() < end)
		cpu_relax();
}

/*
 * A write section that goes on for so long after a look was met by the begin after it, but by a
 * reader who was interrupted between these two instructions.
 */
#define CLOSE_NS 1000

static void raise(atomic64_t *max, s64 value)
{
	s64 old = atomic64_read(max);

	while (old < value && !atomic64_try_cmpxchg(max, &old, value))
		;
}

/* Right before a begin. */
noinline void section_begins(struct section *section)
{
	struct truth *truth = &section->reader->truth;

	atomic64_inc(&truth->reads);
	if (section->tries++)
		atomic64_inc(&truth->retries);
	if (section->tries == 2 && !section->retried_ns)
		section->retried_ns = now_ns();
	section->begun = true;
	section->locked = false;
	if (section->drive && section->drive->before)
		section->drive->before(section);
	section->switches = current->nvcsw;
	section->start_ns = now_ns();
	section->peeked = READ_ONCE(*section->reader->kind->sequence);
}

/*
 * How many waits there may have been beside the one that was looked at, if any. Write sections that
 * began after the look are seen by the sequence: each may have been waited for, or have passed
 * before the reader looked again. One that ended right after the look may not have been met at all.
 */
static unsigned int doubts(struct section *section, unsigned int sequence, bool odd)
{
	struct kind *kind = section->reader->kind;
	s64 rest_ns = READ_ONCE(kind->left_ns[section->peeked / 2 % HELD]) - section->start_ns;

	return (sequence - section->peeked) / 2 + (odd && rest_ns < CLOSE_NS);
}

static void section_met(struct section *section, unsigned int sequence, u64 ns)
{
	struct kind *kind = section->reader->kind;
	struct truth *truth = &section->reader->truth;
	bool slept = current->nvcsw != section->switches;
	struct holder *holder = kind->held_by[section->peeked / 2 % HELD];

	atomic64_inc(&truth->odd);
	if (section->reader->wait == WAIT_NEVER)
		return;
	atomic64_inc(&truth->waits);
	atomic64_add(ns, &truth->wait_ns);
	raise(&truth->wait_max_ns, ns);
	atomic64_add(slept, &truth->slept);
	atomic64_add(doubts(section, sequence, true), &truth->doubtful);
	if (holder) {
		atomic64_inc(&holder->waits);
		atomic64_add(slept, &holder->slept);
	}
}

/* Right after a begin, which returned this sequence. */
noinline void section_inside(struct section *section, unsigned int sequence)
{
	u64 ns = now_ns() - section->start_ns;
	unsigned long sleeps = current->nvcsw - section->switches;

	section->begun = false;
	atomic64_add(sequence & 1, &section->reader->truth.shown_odd);
	if (!section->locked) {
		atomic64_add(sleeps, &section->reader->truth.sleeps);
		atomic64_add(!!sleeps, &section->reader->truth.slept_begins);
	}
	if (section->locked)
		atomic64_inc(&section->reader->truth.locked);
	else if (section->peeked & 1)
		section_met(section, sequence, ns);
	else if (section->reader->wait != WAIT_NEVER)
		atomic64_add(doubts(section, sequence, false), &section->reader->truth.doubtful);
	if (section->drive && section->drive->inside)
		section->drive->inside(section);
	if (read_ns && !section->drive)
		spin_ns(read_ns);
}

/* The reader has the writer's lock: what it waited for before was that, not the sequence. */
noinline void section_locked(struct section *section)
{
	section->locked = true;
	if (section->tries > 1)
		atomic64_inc(&section->reader->truth.fallbacks);
}

noinline void section_takes(struct section *section, const struct data *data)
{
	section->first = READ_ONCE(data->first);
	section->second = READ_ONCE(data->second);
}

/*
 * On the way from a failed check; section_begins() counts it. A reader whose API does not wait has
 * to, in a loop.
 */
noinline void section_retries(struct section *section)
{
	section->begun = false;
	if (section->tries == 1)
		section->retried_ns = now_ns();
	cpu_relax();
}

noinline void section_ends(struct section *section)
{
	struct truth *truth = &section->reader->truth;
	unsigned int run = section->tries - 1;

	if (run) {
		atomic64_inc(&truth->runs[run <= RUNS ? run : 0]);
		raise(&truth->run_max, run);
		atomic64_add(now_ns() - section->retried_ns, &truth->run_ns);
	}
	if (section->first != section->second)
		atomic64_inc(&truth->torn);
}

/* While the sequence is odd. */
noinline void hold_inside(struct hold *hold, struct data *data)
{
	struct kind *kind = hold->kind;
	unsigned int place = READ_ONCE(*kind->sequence) / 2 % HELD;
	u64 start_ns = now_ns(), end_ns;

	WRITE_ONCE(kind->held_by[place], hold->holder);
	WRITE_ONCE(kind->left_ns[place], 0);
	WRITE_ONCE(data->first, data->first + 1);
	if (hold->inside)
		hold->inside(hold);
	WRITE_ONCE(data->second, data->second + 1);
	atomic64_inc(&hold->holder->holds);
	end_ns = now_ns();
	atomic64_add(end_ns - start_ns, &hold->holder->hold_ns);
	WRITE_ONCE(kind->left_ns[place], end_ns);
}

void read_section(struct reader *reader, const struct drive *drive, void *episode,
		  unsigned int wanted)
{
	struct section section = {
		.reader = reader,
		.drive = drive,
		.episode = episode,
		.wanted = wanted,
	};

	reader->read(&section);
}

void write_section(struct kind *kind, struct holder *holder, void (*inside)(struct hold *hold),
		   void *episode)
{
	struct hold hold = {
		.kind = kind,
		.holder = holder,
		.inside = inside,
		.episode = episode,
	};

	kind->write(&hold);
}

/* The entry of a task that is to write; the last one is everybody's who finds no other. */
struct holder *holder_of(struct kind *kind, const char *comm, pid_t pid)
{
	struct holder *holder;
	unsigned int i;

	for (i = 0; i < kind->holder_count; i++)
		if (kind->holders[i].pid == pid && !strcmp(kind->holders[i].comm, comm))
			return &kind->holders[i];
	holder = &kind->holders[min(kind->holder_count, HOLDERS - 1U)];
	if (kind->holder_count == HOLDERS)
		return holder;
	kind->holder_count++;
	strscpy(holder->comm, comm, sizeof(holder->comm));
	holder->pid = pid;
	return holder;
}

/* Forgets everything. No episode is under way. */
void truth_reset(void)
{
	unsigned int i, j;

	for (i = 0; i < KINDS; i++) {
		struct kind *kind = kinds[i];

		for (j = 0; j < kind->reader_count; j++)
			memset(&kind->readers[j].truth, 0, sizeof(struct truth));
		memset(kind->held_by, 0, sizeof(kind->held_by));
		memset(kind->left_ns, 0, sizeof(kind->left_ns));
		memset(kind->holders, 0, sizeof(kind->holders));
		kind->holder_count = 0;
	}
}
