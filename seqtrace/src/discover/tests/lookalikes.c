/* Code that resembles readers of sequences and is none. All of it was met in kernels. */

#define READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))
#define cpu_relax() asm volatile("pause" ::: "memory")

struct lock { int word[10]; };
struct device {
	unsigned flags;
	unsigned status;
	struct lock *lock;
	struct lock own;
	unsigned generation;
	long value;
};

extern void rt_spin_lock(struct lock *), rt_spin_unlock(struct lock *);
extern long work(long);
struct lock big_lock;
unsigned generation, state;

/* csd_lock_wait: bit 0 of a flags word is polled, and never compared. */
void wait_for_flag(struct device *device)
{
	while (READ_ONCE(device->flags) & 1)
		cpu_relax();
}

/* neofb, SCU: a status register is polled. */
int poll_status(struct device *device)
{
	int tries = 1000;

	while (READ_ONCE(device->status) & 1) {
		if (!tries--)
			return -1;
		cpu_relax();
	}
	return 0;
}

/* bnx2, cifs: a flag, some lock, and the flag again; the lock is not the one behind the word. */
long flush_if_flagged(struct device *device)
{
	if (READ_ONCE(device->status) & 1) {
		rt_spin_lock(&device->own);
		rt_spin_unlock(&device->own);
	}
	return READ_ONCE(device->status);
}

long flush_global(void)
{
	if (READ_ONCE(state) & 1) {
		rt_spin_lock(&big_lock);
		rt_spin_unlock(&big_lock);
	}
	return READ_ONCE(state);
}

/* A generation counter: compared with its earlier self, its bit 0 means nothing. */
long walk_generation(struct device *device)
{
	unsigned before;
	long value;

	do {
		before = READ_ONCE(device->generation);
		value = work(device->value);
	} while (READ_ONCE(device->generation) != before);
	return value;
}

long walk_global_generation(void)
{
	unsigned before;
	long value;

	do {
		before = READ_ONCE(generation);
		value = work(generation);
	} while (READ_ONCE(generation) != before);
	return value;
}

/* A cmpxchg loop on a word with flags in it. */
void set_flag(struct device *device)
{
	unsigned old = READ_ONCE(device->flags);

	while (!__atomic_compare_exchange_n(&device->flags, &old, old | 2, 0, 5, 5))
		cpu_relax();
}

/* saa7134: a register is read twice, and its bit 0 is part of a number. */
int build_key(struct device *device)
{
	unsigned before = READ_ONCE(device->status);
	int key = -(before & 1) & device->generation;

	if (READ_ONCE(device->status) != before) {
		work(0);
		return -1;
	}
	return key;
}

/* saa7134: a mask is compared with a number that begins as its own bit 0. */
int compare_key(struct device *device, unsigned bits)
{
	unsigned mask = device->flags, key = mask & 1;

	while (key && (bits >>= 1))
		key |= work(key);
	if (READ_ONCE(device->flags) != key) {
		work(0);
		return -1;
	}
	return key;
}

/* xt_replace_table: waits until a reader has moved on; there is nothing to retry. */
void wait_for_change(struct device *device)
{
	unsigned seen = READ_ONCE(device->generation);

	if (seen & 1) {
		do
			work(0);
		while (seen == READ_ONCE(device->generation));
		work(1);
	}
}
