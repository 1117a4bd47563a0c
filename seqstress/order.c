// SPDX-License-Identifier: GPL-2.0
/* Read sections with two locks held, a mutex and inside of it a spinlock: an order that is known. */
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "seqstress.h"

static DEFINE_MUTEX(order_outer);
static DEFINE_SPINLOCK(order_inner);

/* `count` read sections; nobody writes, so each is done at the first try. */
int order_reads(struct reader *reader, unsigned int count)
{
	while (count--) {
		mutex_lock(&order_outer);
		spin_lock(&order_inner);
		read_section(reader, NULL, NULL, 0);
		spin_unlock(&order_inner);
		mutex_unlock(&order_outer);
		cond_resched();
	}
	return 0;
}
