/* Primitives as in include/linux/seqlock.h, and functions they are inlined in. Lines say which file
 * of a source tree they stand for. UNIT is 1 or 2. */

# 1 "/build/linux/include/linux/seqlock.h"
#define inline inline __attribute__((always_inline))
typedef struct { unsigned sequence; } seqcount_t;
typedef struct { seqcount_t seqcount; void *lock; } seqcount_spinlock_t;
typedef struct { seqcount_spinlock_t seqcount; int lock; } seqlock_t;
extern void rt_spin_lock(void *), rt_spin_unlock(void *);
#define READ(x) (*(const volatile unsigned *)&(x))
#define barrier() __asm__ volatile("" ::: "memory")
# 20
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
static inline unsigned __seqprop_spinlock_sequence(const seqcount_spinlock_t *s)
{
	unsigned seq = READ(s->seqcount.sequence);
	if (__builtin_expect(seq & 1, 0)) {
		rt_spin_lock(s->lock);
		rt_spin_unlock(s->lock);
		seq = READ(s->seqcount.sequence);
	}
	barrier();
	return seq;
}
# 40
static inline int do___read_seqcount_retry(const seqcount_t *s, unsigned start)
{
	return READ(s->sequence) != start;
}
static inline unsigned read_seqbegin(const seqlock_t *sl)
{
	unsigned seq;
	while ((seq = __seqprop_spinlock_sequence(&sl->seqcount)) & 1)
		cpu_relax();
	return seq;
}
# 60
static inline unsigned read_seqretry(const seqlock_t *sl, unsigned start)
{
	barrier();
	return do___read_seqcount_retry(&sl->seqcount.seqcount, start);
}
static inline void do_raw_write_seqcount_begin(seqcount_t *s) { s->sequence++; barrier(); }
static inline void do_raw_write_seqcount_end(seqcount_t *s) { barrier(); s->sequence++; }
static __attribute__((noinline)) void raw_write_seqcount_latch(seqcount_t *s)
{
	barrier();
	s->sequence++;
	barrier();
}
static inline void write_seqlock(seqlock_t *sl)
{
	rt_spin_lock(&sl->lock);
	do_raw_write_seqcount_begin(&sl->seqcount.seqcount);
}
static inline void write_sequnlock(seqlock_t *sl)
{
	do_raw_write_seqcount_end(&sl->seqcount.seqcount);
	rt_spin_unlock(&sl->lock);
}

# 1 "/build/linux/kernel/unit.c"
struct object { long pad[3]; seqlock_t lock; long value; };
extern seqlock_t global_lock;
extern seqcount_t global_latch;
extern volatile long global_value;
#if UNIT == 1
seqlock_t global_lock;
seqcount_t global_latch;
volatile long global_value;
# 10
long read_global(void)
{
	unsigned seq; long value;
	do {
		seq = read_seqbegin(&global_lock);
		value = global_value;
	} while (read_seqretry(&global_lock, seq));
	return value;
}
# 20
static inline long get_value(const struct object *object)
{
	unsigned seq; long value;
	do {
		seq = read_seqbegin(&object->lock);
		value = *(const volatile long *)&object->value;
	} while (read_seqretry(&object->lock, seq));
	return value;
}
# 30
long read_member(const struct object *object) { return get_value(object) + 1; }
#else
# 40
void write_global(long value)
{
	write_seqlock(&global_lock);
	global_value = value;
	write_sequnlock(&global_lock);
}
# 50
void write_latch(void)
{
	raw_write_seqcount_latch(&global_latch);
	global_value++;
	raw_write_seqcount_latch(&global_latch);
}
# 60
__attribute__((section(".init.text"))) void write_early(struct object *object)
{
	do_raw_write_seqcount_begin(&object->lock.seqcount.seqcount);
	object->value = 1;
	do_raw_write_seqcount_end(&object->lock.seqcount.seqcount);
}
#endif
