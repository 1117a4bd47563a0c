/* Locks as gcc builds them in the kernel: calls of lock functions, and jumps in place of the last one.
 * Nothing here is ever run. */

typedef struct { int word[10]; } spinlock_t;
struct mutex { long owner; };

#ifdef REALTIME
#define spin_lock rt_spin_lock
#define spin_unlock rt_spin_unlock
#define spin_trylock rt_spin_trylock
#else
#define spin_lock _raw_spin_lock
#define spin_unlock _raw_spin_unlock
#define spin_trylock _raw_spin_trylock
#endif

extern void spin_lock(spinlock_t *), spin_unlock(spinlock_t *);
extern int spin_trylock(spinlock_t *), mutex_lock_killable(struct mutex *);
extern void mutex_unlock(struct mutex *);
extern long work(long);

struct object {
	long id;
	spinlock_t lock __attribute__((aligned(16)));
	long value;
	struct object *next;
};

spinlock_t map_lock, other_lock;
struct mutex big_mutex;

void take_global(long value)
{
	spin_lock(&map_lock);
	work(value);
	spin_unlock(&map_lock);
	work(value);
}

/* The last call is a jump. */
void drop_at_the_end(long value)
{
	spin_lock(&map_lock);
	work(value);
	spin_unlock(&map_lock);
}

/* The address stays in a register. */
void take_in_a_loop(long value)
{
	while (value--) {
		spin_lock(&map_lock);
		work(value);
		spin_unlock(&map_lock);
	}
	work(value);
}

long try_global(long value)
{
	if (!spin_trylock(&map_lock))
		return 0;
	value = work(value);
	spin_unlock(&map_lock);
	return value + 1;
}

long may_be_killed(long value)
{
	if (mutex_lock_killable(&big_mutex))
		return -4;
	value = work(value);
	mutex_unlock(&big_mutex);
	return value + 1;
}

void take_other(long value)
{
	spin_lock(&other_lock);
	work(value);
	spin_unlock(&other_lock);
	work(value);
}

void take_member(struct object *object)
{
	spin_lock(&object->lock);
	object->value = work(object->id);
	spin_unlock(&object->lock);
	work(object->id);
}

/* It is the caller who knows which. */
void take_passed(spinlock_t *lock)
{
	spin_lock(lock);
	work(0);
	spin_unlock(lock);
	work(1);
}
