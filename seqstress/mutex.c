// SPDX-License-Identifier: GPL-2.0
/* A seqcount_mutex_t. */
#include <linux/mutex.h>

#include "reader.h"

static DEFINE_MUTEX(lock_mutex);
static seqcount_mutex_t seqstress_mutex =
	SEQCNT_MUTEX_ZERO(seqstress_mutex, &lock_mutex);
static struct data data_mutex;

SEQCOUNT_READERS(mutex, WAIT_BLOCKS, NEVER_BUT_RT);
SEQCOUNT_WRITER(mutex, mutex_lock(&lock_mutex), mutex_unlock(&lock_mutex))
KIND(mutex, seqstress_mutex.seqcount.sequence, true);
