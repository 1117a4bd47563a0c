/* Readers whose own types do not tell what they read. Compiled behind readers.c. */

#define noipa __attribute__((noipa))

struct bin {
	long id;
	seqcount_spinlock_t count;
};

/* Has a seqcount where `object` has its own, and is smaller. */
struct small {
	long id;
	seqcount_spinlock_t other;
};

struct pair {
	seqcount_spinlock_t left;
	seqcount_spinlock_t right;
};

#define READ(s, value)                                            \
	({                                                        \
		unsigned begun;                                   \
		long read;                                        \
		do {                                              \
			begun = BEGIN(spinlock_sequence, (s));    \
			read = (value);                           \
		} while (retry(&(s)->seqcount, begun));           \
		read;                                             \
	})

/* A pointer to the seqcount itself: only callers know whose it is. */
noipa long read_pointer(seqcount_spinlock_t *s)
{
	return READ(s, data[0]);
}

long pass_bin(struct bin *bin)
{
	return read_pointer(&bin->count) + 1;
}

noipa long read_either(seqcount_spinlock_t *s)
{
	return READ(s, data[0]);
}

long pass_left(struct pair *pair)
{
	return read_either(&pair->left) + 1;
}

long pass_right(struct pair *pair)
{
	return read_either(&pair->right) + 1;
}

/* Has no prototype in the types, as a clone; its caller has none either, but the caller's has. */
noipa long read_clone(void *object)
{
	struct object *it = object;

	return READ(&it->seq, data[0]);
}

noipa long pass_on(void *object)
{
	return read_clone(object) + 1;
}

long pass_typed(struct object *object)
{
	return pass_on(object->next) + 1;
}

/* A pointer without a type, which is given to a function that has one. */
extern void *find(void);
extern void drop(struct object *);

long read_given(void)
{
	struct object *it = find();
	long value = READ(&it->seq, data[0]);

	drop(it);
	return value;
}

/* Nothing but the places that are used tells a large structure from a small one. */
long read_fitting(void)
{
	struct object *it = find();

	return READ(&it->seq, it->value) + (long)it->next;
}

/* Per-CPU variables, of this CPU and of another. */
struct sample {
	long time;
	seqcount_t seq;
};

struct sample samples;
extern unsigned long __per_cpu_offset[64];
extern unsigned long this_cpu_off;

#define READ_SAMPLE(it)                                           \
	({                                                        \
		unsigned begun;                                   \
		long time;                                        \
		do {                                              \
			while ((begun = READ_ONCE((it)->seq.sequence)) & 1) \
				cpu_relax();                      \
			barrier();                                \
			time = (it)->time;                        \
		} while (retry(&(it)->seq, begun));               \
		time;                                             \
	})

long read_cpu(int cpu)
{
	struct sample *it = (void *)((unsigned long)&samples + __per_cpu_offset[cpu]);

	return READ_SAMPLE(it);
}

long read_this_cpu(void)
{
	unsigned long offset = *(__seg_gs unsigned long *)(unsigned long)&this_cpu_off;
	struct sample *it = (void *)((unsigned long)&samples + offset);

	return READ_SAMPLE(it);
}

/* An element of an array in an object. */
struct table {
	long id;
	struct sample rows[4];
};

long read_row(struct table *table, int index)
{
	return READ_SAMPLE(&table->rows[index]);
}

/* A seqcount with its lock beside it. */
struct guarded {
	long id;
	seqcount_spinlock_t seq;
	long value;
	spinlock_t lock;
};

void write_guarded(struct guarded *it)
{
	spin_lock(&it->lock);
	it->seq.seqcount.sequence++;
	barrier();
	it->value = 1;
	barrier();
	it->seq.seqcount.sequence++;
	spin_unlock(&it->lock);
}

long read_guarded(struct guarded *it)
{
	return READ(&it->seq, it->value);
}
