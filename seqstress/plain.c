// SPDX-License-Identifier: GPL-2.0
/* A seqcount_t, which does not know what serialises its writers: here a raw spinlock. */
#include <linux/spinlock.h>

#include "reader.h"

static DEFINE_RAW_SPINLOCK(lock_plain);
static seqcount_t seqstress_plain = SEQCNT_ZERO(seqstress_plain);
static struct data data_plain;

SEQCOUNT_READERS(plain, WAIT_SPINS, WAIT_NEVER);

/* Also from the interrupt, hence with interrupts off. */
static noinline void plain_write(struct hold *hold)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock_plain, flags);
	write_seqcount_begin(&seqstress_plain);
	hold_inside(hold, &data_plain);
	write_seqcount_end(&seqstress_plain);
	raw_spin_unlock_irqrestore(&lock_plain, flags);
}

KIND(plain, seqstress_plain.sequence, false);
