// SPDX-License-Identifier: GPL-2.0
/* A seqlock_t, with the APIs that take its lock. */
#include "reader.h"

static DEFINE_SEQLOCK(seqstress_seqlock);
static struct data data_seqlock;

READER_COLD(seqlock_read_seqbegin, read_seqbegin(&seqstress_seqlock),
	    read_seqretry(&seqstress_seqlock, sequence), &data_seqlock)
READER_LOOP(seqlock_read_seqbegin_loop, read_seqbegin(&seqstress_seqlock),
	    read_seqretry(&seqstress_seqlock, sequence), &data_seqlock)

/* Lockless once, then under the lock. */
static noinline void seqlock_begin_or_lock(struct section *section)
{
	int sequence, next = 0;

	do {
		sequence = next;
		section_begins(section);
		read_seqbegin_or_lock(&seqstress_seqlock, &sequence);
		if (sequence & 1)
			section_locked(section);
		section_inside(section, sequence);
		section_takes(section, &data_seqlock);
		next = 1;
	} while (need_seqretry(&seqstress_seqlock, sequence));
	done_seqretry(&seqstress_seqlock, sequence);
	section_ends(section);
}

/* Under the lock at once: no reader that a writer can disturb. */
static noinline void seqlock_excl(struct section *section)
{
	section_begins(section);
	read_seqlock_excl(&seqstress_seqlock);
	section_locked(section);
	section_inside(section, 0);
	section_takes(section, &data_seqlock);
	read_sequnlock_excl(&seqstress_seqlock);
	section_ends(section);
}

#ifdef scoped_seqlock_read
/* As seqlock_begin_or_lock(), with the newer words (6.19 and its backports). */
static noinline void seqlock_scoped(struct section *section)
{
	section_begins(section);
	scoped_seqlock_read(&seqstress_seqlock, ss_lock) {
		if (!section->begun) {
			section_begins(section);
			section_locked(section);
		}
		/* The macro keeps the sequence to itself. */
		section_inside(section, section->peeked + 1);
		section_takes(section, &data_seqlock);
	}
	section_ends(section);
}
#endif

static struct reader readers_seqlock[] = {
	READER(seqlock, seqlock_read_seqbegin, WAIT_BLOCKS),
	READER(seqlock, seqlock_read_seqbegin_loop, WAIT_BLOCKS),
	READER(seqlock, seqlock_begin_or_lock, WAIT_BLOCKS),
	READER(seqlock, seqlock_excl, WAIT_NEVER),
#ifdef scoped_seqlock_read
	READER(seqlock, seqlock_scoped, WAIT_BLOCKS),
#endif
};

static noinline void seqlock_write(struct hold *hold)
{
	write_seqlock(&seqstress_seqlock);
	hold_inside(hold, &data_seqlock);
	write_sequnlock(&seqstress_seqlock);
}

KIND(seqlock, seqstress_seqlock.seqcount.seqcount.sequence, true);
