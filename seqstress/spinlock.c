// SPDX-License-Identifier: GPL-2.0
/* A seqcount_spinlock_t. */
#include <linux/spinlock.h>

#include "reader.h"

static DEFINE_SPINLOCK(lock_spinlock);
static seqcount_spinlock_t seqstress_spinlock =
	SEQCNT_SPINLOCK_ZERO(seqstress_spinlock, &lock_spinlock);
static struct data data_spinlock;

SEQCOUNT_READERS(spinlock, WAIT_BLOCKS, NEVER_BUT_RT);
SEQCOUNT_WRITER(spinlock, spin_lock(&lock_spinlock), spin_unlock(&lock_spinlock))
KIND(spinlock, seqstress_spinlock.seqcount.sequence, true);
