/* Readers that follow the protocol of sequences without the primitives of include/linux/seqlock.h,
 * and readers of typed words that do not. Nothing here is ever run. */

#define READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))
#define cpu_relax() asm volatile("pause" ::: "memory")

typedef struct seqcount { unsigned sequence; } seqcount_t;

struct cpu_clock {
	long scale;
	seqcount_t seq;
};

struct clock {
	unsigned version;
	unsigned generation;
	long value;
	seqcount_t seq;
};

extern long work(long);
struct cpu_clock cpu_clock;

static inline __attribute__((always_inline)) unsigned this_cpu_sequence(void)
{
	unsigned sequence;

	asm volatile("movl %%gs:%1, %0" : "=r"(sequence) : "m"(cpu_clock.seq.sequence));
	return sequence;
}

/* cyc2ns_read_begin: the copy of this CPU, by %gs. */
long read_this_cpu(void)
{
	unsigned seq;
	long value;

	do {
		seq = this_cpu_sequence();
		value = work((&cpu_clock.scale)[seq & 1]);
	} while (this_cpu_sequence() != seq);
	return value;
}

/* pvclock: an odd version fails the check. */
long read_version(struct clock *clock)
{
	unsigned version;
	long value;

	do {
		version = READ_ONCE(clock->version) & ~1u;
		value = work(clock->value);
	} while (READ_ONCE(clock->version) != version);
	return value;
}

/* The primitives. */
long read_seqcount(struct clock *clock)
{
	unsigned seq;
	long value;

	do {
		while ((seq = READ_ONCE(clock->seq.sequence)) & 1)
			cpu_relax();
		value = work(clock->value);
	} while (READ_ONCE(clock->seq.sequence) != seq);
	return value;
}

/* Bit 0 of a generation means nothing. */
long walk_generation(struct clock *clock)
{
	unsigned before;
	long value;

	do {
		before = READ_ONCE(clock->generation);
		value = work(clock->value);
	} while (READ_ONCE(clock->generation) != before);
	return value;
}

/* A flag is polled, and never compared. */
long wait_for_flag(struct clock *clock)
{
	while (READ_ONCE(clock->generation) & 1)
		cpu_relax();
	return clock->value;
}

/* saa7134: a register is read twice, and its bit 0 is part of a number. */
long build_key(struct clock *clock)
{
	unsigned before = READ_ONCE(clock->generation);
	long key = -(before & 1) & clock->value;

	if (READ_ONCE(clock->generation) != before)
		return work(0);
	return key;
}
