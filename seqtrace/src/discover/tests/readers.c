/* Readers as gcc builds them in the kernel: the primitives of include/linux/seqlock.h, inlined.
 * With -DREALTIME they wait for the writer as on PREEMPT_RT. Nothing here is ever run. */

#define inline static inline __attribute__((always_inline))
#define READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))
#define barrier() asm volatile("" ::: "memory")
#define cpu_relax() asm volatile("pause" ::: "memory")

typedef struct { int word[10]; } spinlock_t;
typedef struct { int word[12]; } rwlock_t;
typedef struct seqcount { unsigned sequence; } seqcount_t;

#ifdef REALTIME
typedef struct { seqcount_t seqcount; spinlock_t *lock; } seqcount_spinlock_t;
typedef struct { seqcount_t seqcount; rwlock_t *lock; } seqcount_rwlock_t;
#else
typedef struct { seqcount_t seqcount; } seqcount_spinlock_t;
typedef struct { seqcount_t seqcount; } seqcount_rwlock_t;
#endif
typedef struct { seqcount_spinlock_t seqcount; spinlock_t lock; } seqlock_t;

extern void rt_spin_lock(spinlock_t *), rt_spin_unlock(spinlock_t *);
extern void rt_read_lock(rwlock_t *), rt_read_unlock(rwlock_t *);
extern void _raw_spin_lock(spinlock_t *), _raw_spin_unlock(spinlock_t *);
extern void cleanup(void);
extern long work(long);

#ifdef REALTIME
#define spin_lock rt_spin_lock
#define spin_unlock rt_spin_unlock
#define WAIT(s, take, drop)                                       \
	if (__builtin_expect(seq & 1, 0)) {                       \
		take((s)->lock);                                  \
		drop((s)->lock);                                  \
		seq = READ_ONCE((s)->seqcount.sequence);          \
		barrier();                                        \
	}
#else
#define spin_lock _raw_spin_lock
#define spin_unlock _raw_spin_unlock
#define WAIT(s, take, drop)
#endif

#define SEQUENCE(name, type, take, drop)                          \
	inline unsigned name(const type *s)                       \
	{                                                         \
		unsigned seq = READ_ONCE(s->seqcount.sequence);   \
		barrier();                                        \
		WAIT(s, take, drop)                               \
		return seq;                                       \
	}
SEQUENCE(spinlock_sequence, seqcount_spinlock_t, rt_spin_lock, rt_spin_unlock)
SEQUENCE(rwlock_sequence, seqcount_rwlock_t, rt_read_lock, rt_read_unlock)

#define BEGIN(sequence, s)                                        \
	({                                                        \
		unsigned begun;                                   \
		while ((begun = sequence(s)) & 1)                 \
			cpu_relax();                              \
		barrier();                                        \
		begun;                                            \
	})

inline int retry(const seqcount_t *s, unsigned start)
{
	barrier();
	return __builtin_expect(READ_ONCE(s->sequence) != start, 0);
}

struct object {
	long id;
	seqcount_spinlock_t seq;
	long value;
	struct object *next;
};

seqlock_t global_lock;
seqcount_rwlock_t global_rwlock;
long data[4];

/* The loop as it is written nearly everywhere. */
long read_global(void)
{
	unsigned seq;
	long value;

	do {
		seq = BEGIN(spinlock_sequence, &global_lock.seqcount);
		value = work(data[0]);
	} while (retry(&global_lock.seqcount.seqcount, seq));
	return value;
}

long read_rwlock(void)
{
	unsigned seq;
	long value;

	do {
		seq = BEGIN(rwlock_sequence, &global_rwlock);
		value = data[1];
	} while (retry(&global_rwlock.seqcount, seq));
	return value;
}

long read_member(struct object *object)
{
	unsigned seq;
	long value;

	do {
		seq = BEGIN(spinlock_sequence, &object->next->seq);
		value = object->next->value;
	} while (retry(&object->next->seq.seqcount, seq));
	return value;
}

/* A failed check has something to undo, in a block of its own. */
long read_and_undo(struct object *object)
{
	unsigned seq;
	long value;

again:
	seq = BEGIN(spinlock_sequence, &object->seq);
	value = work(object->value);
	if (retry(&object->seq.seqcount, seq)) {
		cleanup();
		goto again;
	}
	return value;
}

/* read_seqbegin_or_lock: the second try is under the lock. */
long read_or_lock(void)
{
	unsigned seq = 0;
	int next = 0;
	long value;

	do {
		seq = next;
		if (!(seq & 1))
			seq = BEGIN(spinlock_sequence, &global_lock.seqcount);
		else
			spin_lock(&global_lock.lock);
		value = work(data[2]);
		next = 1;
	} while (!(seq & 1) && retry(&global_lock.seqcount.seqcount, seq));
	if (seq & 1)
		spin_unlock(&global_lock.lock);
	return value;
}

void write_global(long value)
{
	spin_lock(&global_lock.lock);
	global_lock.seqcount.seqcount.sequence++;
	barrier();
	data[0] = value;
	barrier();
	global_lock.seqcount.seqcount.sequence++;
	spin_unlock(&global_lock.lock);
}

/* The start value comes from the caller. */
long check_global(unsigned seq)
{
	if (retry(&global_lock.seqcount.seqcount, seq)) {
		cleanup();
		return -1;
	}
	return data[3];
}
