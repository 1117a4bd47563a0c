// SPDX-License-Identifier: GPL-2.0
/* A seqcount_raw_spinlock_t: its readers spin on PREEMPT_RT too. */
#include <linux/spinlock.h>

#include "reader.h"

static DEFINE_RAW_SPINLOCK(lock_raw_spinlock);
static seqcount_raw_spinlock_t seqstress_raw_spinlock =
	SEQCNT_RAW_SPINLOCK_ZERO(seqstress_raw_spinlock, &lock_raw_spinlock);
static struct data data_raw_spinlock;

SEQCOUNT_READERS(raw_spinlock, WAIT_SPINS, WAIT_NEVER);

/* Also from the interrupt, hence with interrupts off. */
static noinline void raw_spinlock_write(struct hold *hold)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock_raw_spinlock, flags);
	write_seqcount_begin(&seqstress_raw_spinlock);
	hold_inside(hold, &data_raw_spinlock);
	write_seqcount_end(&seqstress_raw_spinlock);
	raw_spin_unlock_irqrestore(&lock_raw_spinlock, flags);
}

KIND(raw_spinlock, seqstress_raw_spinlock.seqcount.sequence, false);
