// SPDX-License-Identifier: GPL-2.0
/* The module: its parameters and its kinds. */
#include <linux/module.h>

#include "seqstress.h"

unsigned int hold_ns = 2000;
module_param(hold_ns, uint, 0644);
MODULE_PARM_DESC(hold_ns, "how long a writer stays inside, at least");

unsigned int gap_ns = 200000;
module_param(gap_ns, uint, 0644);
MODULE_PARM_DESC(gap_ns, "stress: pause between two write sections of one task; readers pause an eighth");

unsigned int read_ns;
module_param(read_ns, uint, 0644);
MODULE_PARM_DESC(read_ns, "stress: how long a reader stays inside");

unsigned int writers = 1;
module_param(writers, uint, 0644);
MODULE_PARM_DESC(writers, "stress: tasks that write each kind");

unsigned int tasks = 1;
module_param(tasks, uint, 0644);
MODULE_PARM_DESC(tasks, "stress: tasks for each reader");

bool nested;
module_param(nested, bool, 0644);
MODULE_PARM_DESC(nested, "stress: read another kind inside each read section");

struct kind *const kinds[KINDS] = {
	&kind_plain, &kind_raw_spinlock, &kind_spinlock, &kind_rwlock,
	&kind_mutex, &kind_seqlock, &kind_latch,
};

static int __init seqstress_start(void)
{
	return command_start();
}

static void __exit seqstress_end(void)
{
	command_end();
	damage_heal();
}

module_init(seqstress_start);
module_exit(seqstress_end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sequence counters of every kind, and the truth about who waited for them");
