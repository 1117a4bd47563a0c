/* Writers as gcc builds them in the kernel: the primitives of include/linux/seqlock.h, inlined.
 * With -DREALTIME as on PREEMPT_RT. Nothing here is ever run. */

#define READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))
#define WRITE_ONCE(word, value) (*(volatile __typeof__(word) *)&(word) = (value))
#define barrier() asm volatile("" ::: "memory")
#define cpu_relax() asm volatile("pause" ::: "memory")

typedef struct { int word[10]; } spinlock_t;
typedef struct seqcount { unsigned sequence; } seqcount_t;
typedef struct { seqcount_t seqcount; } seqcount_latch_t;

#ifdef REALTIME
typedef struct { seqcount_t seqcount; spinlock_t *lock; } seqcount_spinlock_t;
#define spin_lock rt_spin_lock
#define spin_unlock rt_spin_unlock
#else
typedef struct { seqcount_t seqcount; } seqcount_spinlock_t;
#define spin_lock _raw_spin_lock
#define spin_unlock _raw_spin_unlock
#endif
typedef struct { seqcount_spinlock_t seqcount; spinlock_t lock; } seqlock_t;

extern void spin_lock(spinlock_t *), spin_unlock(spinlock_t *);
extern long work(long);

struct object {
	long id;
	seqcount_t plain;
	unsigned writes;
	seqcount_spinlock_t seq __attribute__((aligned(16)));
	spinlock_t lock __attribute__((aligned(16)));
	long value;
};

struct holder {
	long id;
	void *object;
};

seqlock_t global_lock;
seqcount_latch_t global_latch;
seqcount_t only_written;
unsigned statistics;
long data[2];

#define write_begin(s) do { (s)->sequence++; barrier(); } while (0)
#define write_end(s) do { barrier(); (s)->sequence++; } while (0)

/* The readers that show what the globals are. */
long read_global(void)
{
	unsigned seq;
	long value;

	do {
		while ((seq = READ_ONCE(global_lock.seqcount.seqcount.sequence)) & 1)
			cpu_relax();
		value = work(data[0]);
	} while (READ_ONCE(global_lock.seqcount.seqcount.sequence) != seq);
	return value;
}

long read_latch(void)
{
	unsigned seq;
	long value;

	do {
		seq = READ_ONCE(global_latch.seqcount.sequence);
		value = work(data[seq & 1]);
	} while (READ_ONCE(global_latch.seqcount.sequence) != seq);
	return value;
}

void write_global(long value)
{
	spin_lock(&global_lock.lock);
	write_begin(&global_lock.seqcount.seqcount);
	data[0] = value;
	statistics++;
	work(value);
	statistics++;
	write_end(&global_lock.seqcount.seqcount);
	spin_unlock(&global_lock.lock);
}

/* A statistics counter beside it is no sequence. */
void write_member(struct object *object, long value)
{
	write_begin(&object->plain);
	object->writes++;
	object->value = work(value);
	object->writes++;
	write_end(&object->plain);
}

/* Two sections, of which the second may not be. */
void write_twice(struct object *object, long value)
{
	write_begin(&object->plain);
	object->value = work(value);
	write_end(&object->plain);
	if (work(value)) {
		write_begin(&object->plain);
		object->value = work(value + 1);
		write_end(&object->plain);
	}
}

void begin_locked(struct object *object)
{
	spin_lock(&object->lock);
	write_begin(&object->seq.seqcount);
	work(object->id);
}

void end_locked(struct object *object)
{
	work(object->id);
	write_end(&object->seq.seqcount);
	spin_unlock(&object->lock);
}

/* Called inside of a section, which it leaves for a while. */
void leave_for_a_while(struct object *object)
{
	object->value = work(object->id);
	write_end(&object->seq.seqcount);
	spin_unlock(&object->lock);
	work(object->id);
	spin_lock(&object->lock);
	write_begin(&object->seq.seqcount);
	object->value = work(object->id);
}

/* Nothing tells which half it is. */
void half_a_section(struct object *object)
{
	write_begin(&object->plain);
	work(object->id);
}

void write_latch(long value)
{
	write_begin(&global_latch.seqcount);
	data[0] = work(value);
	write_begin(&global_latch.seqcount);
	data[1] = work(value);
}

void invalidate(struct object *object)
{
	barrier();
	object->plain.sequence += 2;
	work(object->id);
}

/* The increment by way of a register. */
void write_by_register(struct object *object, long value)
{
	unsigned seq = READ_ONCE(object->plain.sequence);

	WRITE_ONCE(object->plain.sequence, seq + 1);
	barrier();
	object->value = work(value);
	barrier();
	WRITE_ONCE(object->plain.sequence, seq + 2);
}

/* No type says what the pointer is to; the lock does. */
void write_untyped(struct holder *holder, long value)
{
	struct object *object = holder->object;

	spin_lock(&object->lock);
	write_begin(&object->seq.seqcount);
	object->value = work(value);
	write_end(&object->seq.seqcount);
	spin_unlock(&object->lock);
}

/* raw_write_seqcount_barrier: gcc makes one of the two but for the barrier. */
void pass_barrier(struct holder *holder)
{
	struct object *object = holder->object;

	object->plain.sequence++;
	barrier();
	object->plain.sequence++;
	work(object->id);
}
