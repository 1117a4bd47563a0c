// SPDX-License-Identifier: GPL-2.0
/* A seqcount_rwlock_t. */
#include <linux/spinlock.h>

#include "reader.h"

static DEFINE_RWLOCK(lock_rwlock);
static seqcount_rwlock_t seqstress_rwlock =
	SEQCNT_RWLOCK_ZERO(seqstress_rwlock, &lock_rwlock);
static struct data data_rwlock;

SEQCOUNT_READERS(rwlock, WAIT_BLOCKS, NEVER_BUT_RT);
SEQCOUNT_WRITER(rwlock, write_lock(&lock_rwlock), write_unlock(&lock_rwlock))
KIND(rwlock, seqstress_rwlock.seqcount.sequence, true);
