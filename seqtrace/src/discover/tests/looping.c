/* Read sections that are loops, and some that only look like it; compiled behind readers.c. */

/* d_lookup: who finds something leaves the loop without a check. */
long find_value(struct object *object)
{
	unsigned seq;
	long value;

	do {
		seq = BEGIN(spinlock_sequence, &global_lock.seqcount);
		value = work(object->value);
		if (value)
			break;
	} while (retry(&global_lock.seqcount.seqcount, seq));
	return value;
}

/* fetch_pte: nothing leaves the loop but the check. */
long walk_and_read(struct object *object)
{
	unsigned seq;
	long sum;

	do {
		seq = BEGIN(spinlock_sequence, &global_lock.seqcount);
		sum = 0;
		for (struct object *at = object; at; at = at->next) {
			if (work(at->id))
				break;
			sum += at->value;
		}
	} while (retry(&global_lock.seqcount.seqcount, seq));
	return sum;
}

/* A failed check gives up after a while. */
int read_some_times(struct object *object, long *value, int tries)
{
	unsigned seq;

	for (;;) {
		seq = BEGIN(spinlock_sequence, &object->seq);
		*value = work(object->value);
		if (!retry(&object->seq.seqcount, seq))
			return 1;
		if (!--tries)
			return 0;
	}
}

/* The load in the section may fault, and goes on elsewhere then (get_user). */
int read_user(struct object *object, long *user, long *value)
{
	unsigned seq;

	do {
		seq = BEGIN(spinlock_sequence, &object->seq);
		asm goto("1: mov (%0), %%rax\n"
			 ".pushsection __ex_table, \"a\"\n"
			 ".balign 4\n.long 1b - .\n.long %l1 - .\n.long 3\n"
			 ".popsection" : : "r"(user) : "rax" : fault);
		*value = object->value;
	} while (retry(&object->seq.seqcount, seq));
	return 0;
fault:
	return -14;
}
