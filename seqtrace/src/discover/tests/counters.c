/* Counters where other structures have seqcounts, and other code that resembles writers of
 * sequences and is none. All of it was met in kernels. */

#define barrier() asm volatile("" ::: "memory")

struct lock { int word[10]; };
struct bucket {
	long id;
	unsigned count;
	unsigned more;
	unsigned seen __attribute__((aligned(16)));
	struct lock lock __attribute__((aligned(16)));
};
struct holder {
	long id;
	void *object;
};

extern void rt_spin_lock(struct lock *), rt_spin_unlock(struct lock *);
extern long work(long);
struct bucket global_bucket;
unsigned generation;

/* udp_rehash: a count under the bucket's lock, once. */
void add_to_bucket(struct holder *holder)
{
	struct bucket *bucket = holder->object;

	rt_spin_lock(&bucket->lock);
	bucket->seen++;
	rt_spin_unlock(&bucket->lock);
}

/* tpm_tis: it is counted only if so. */
void count_if(struct holder *holder)
{
	struct bucket *bucket = holder->object;

	rt_spin_lock(&bucket->lock);
	bucket->seen++;
	if (work(bucket->id))
		bucket->seen++;
	rt_spin_unlock(&bucket->lock);
}

/* Counted twice, but under no lock. */
void count_twice(struct holder *holder)
{
	struct bucket *bucket = holder->object;

	bucket->count++;
	work(bucket->id);
	bucket->count++;
}

void count_by_two(struct holder *holder)
{
	struct bucket *bucket = holder->object;

	bucket->seen += 2;
	work(bucket->id);
}

void count_global(void)
{
	rt_spin_lock(&global_bucket.lock);
	global_bucket.more++;
	work(generation);
	rt_spin_unlock(&global_bucket.lock);
	generation++;
}

/* Atomic counters have many writers. */
void count_atomically(struct bucket *bucket)
{
	asm volatile("lock incl %0" : "+m"(bucket->count));
	work(bucket->id);
	asm volatile("lock incl %0" : "+m"(bucket->count));
}

/* A word on the stack. */
long count_here(long value)
{
	volatile unsigned count = 0;

	count++;
	barrier();
	count++;
	return work(count + value);
}
