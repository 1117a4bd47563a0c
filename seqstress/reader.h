/* SPDX-License-Identifier: GPL-2.0 */
/* Readers and writers of the kinds, which differ in nothing but the API. */
#ifndef SEQSTRESS_READER_H
#define SEQSTRESS_READER_H

#include <linux/preempt.h>
#include <linux/seqlock.h>

#include "seqstress.h"

/*
 * A read section whose failed check leads to code of its own: the retry is seen at a cold address.
 */
#define READER_COLD(name, BEGIN, RETRY, data)				\
static noinline void name(struct section *section)			\
{									\
	unsigned int sequence;						\
									\
again:									\
	section_begins(section);					\
	sequence = BEGIN;						\
	section_inside(section, sequence);				\
	section_takes(section, data);					\
	if (RETRY) {							\
		section_retries(section);				\
		goto again;						\
	}								\
	section_ends(section);						\
}

/* A read section as most are: its failed check leads to where every read begins. */
#define READER_LOOP(name, BEGIN, RETRY, data)				\
static noinline void name(struct section *section)			\
{									\
	unsigned int sequence;						\
									\
	do {								\
		section_begins(section);				\
		sequence = BEGIN;					\
		section_inside(section, sequence);			\
		section_takes(section, data);				\
	} while (RETRY);						\
	section_ends(section);						\
}

/*
 * The readers of a seqcount_LOCKNAME_t. raw_read_seqcount() and raw_seqcount_begin() do not wait,
 * but for PREEMPT_RT's locks: an odd value of the first is the caller's business, the second makes
 * the check fail.
 */
#define SEQCOUNT_READERS(of, blocking, never)					\
READER_COLD(of##_begin, read_seqcount_begin(&seqstress_##of),			\
	    read_seqcount_retry(&seqstress_##of, sequence), &data_##of)		\
READER_LOOP(of##_begin_loop, read_seqcount_begin(&seqstress_##of),			\
	    read_seqcount_retry(&seqstress_##of, sequence), &data_##of)		\
READER_COLD(of##_raw_begin, raw_read_seqcount_begin(&seqstress_##of),		\
	    __read_seqcount_retry(&seqstress_##of, sequence), &data_##of)		\
READER_COLD(of##_raw_read, raw_read_seqcount(&seqstress_##of),			\
	    (sequence & 1) || read_seqcount_retry(&seqstress_##of, sequence),		\
	    &data_##of)								\
READER_COLD(of##_raw_seqcount_begin, raw_seqcount_begin(&seqstress_##of),		\
	    read_seqcount_retry(&seqstress_##of, sequence), &data_##of)		\
static struct reader readers_##of[] = {						\
	READER(of, of##_begin, blocking),						\
	READER(of, of##_begin_loop, blocking),					\
	READER(of, of##_raw_begin, blocking),					\
	READER(of, of##_raw_read, never),						\
	READER(of, of##_raw_seqcount_begin, never),					\
}

#define READER(of, function, wait_)							\
	{ .name = #function, .kind = &kind_##of, .read = function, .wait = wait_ }

/* A writer between LOCK and UNLOCK. */
#define SEQCOUNT_WRITER(of, LOCK, UNLOCK)						\
static noinline void of##_write(struct hold *hold)					\
{											\
	LOCK;										\
	write_seqcount_begin(&seqstress_##of);					\
	hold_inside(hold, &data_##of);						\
	write_seqcount_end(&seqstress_##of);						\
	UNLOCK;										\
}

#define KIND(of, word, blocks_)							\
struct kind kind_##of = {								\
	.name = #of,									\
	.seqcount = "seqstress_" #of,							\
	.sequence = &(word),								\
	.write = of##_write,								\
	.writer = #of "_write",							\
	.blocks = blocks_,								\
	.readers = readers_##of,							\
	.reader_count = ARRAY_SIZE(readers_##of),					\
}

/* With PREEMPT_RT these take the lock where the sequence is odd, whatever the API. */
#ifdef CONFIG_PREEMPT_RT
#define NEVER_BUT_RT WAIT_BLOCKS
#else
#define NEVER_BUT_RT WAIT_NEVER
#endif

#endif
