// SPDX-License-Identifier: GPL-2.0
/*
 * A seqcount_latch_t: two copies of the data, no odd state to wait for. A write is two increments,
 * so readers that see one of them retry.
 */
#include <linux/spinlock.h>

#include "reader.h"

static DEFINE_RAW_SPINLOCK(lock_latch);
static seqcount_latch_t seqstress_latch = SEQCNT_LATCH_ZERO(seqstress_latch);
static struct data data_latch[2];

#ifndef HAVE_LATCH_BEGIN
#define read_seqcount_latch raw_read_seqcount_latch
#define write_seqcount_latch_begin raw_write_seqcount_latch
#define write_seqcount_latch raw_write_seqcount_latch
#define write_seqcount_latch_end(latch) do { } while (0)
#endif

READER_COLD(latch_read, read_seqcount_latch(&seqstress_latch),
	    read_seqcount_latch_retry(&seqstress_latch, sequence), &data_latch[sequence & 1])
READER_LOOP(latch_read_loop, read_seqcount_latch(&seqstress_latch),
	    read_seqcount_latch_retry(&seqstress_latch, sequence), &data_latch[sequence & 1])

static struct reader readers_latch[] = {
	READER(latch, latch_read, WAIT_NEVER),
	READER(latch, latch_read_loop, WAIT_NEVER),
};

/* Also from the interrupt, hence with interrupts off. */
static noinline void latch_write(struct hold *hold)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock_latch, flags);
	write_seqcount_latch_begin(&seqstress_latch);
	hold_inside(hold, &data_latch[0]);
	write_seqcount_latch(&seqstress_latch);
	data_latch[1] = data_latch[0];
	write_seqcount_latch_end(&seqstress_latch);
	raw_spin_unlock_irqrestore(&lock_latch, flags);
}

KIND(latch, seqstress_latch.seqcount.sequence, false);
