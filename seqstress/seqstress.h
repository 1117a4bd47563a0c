/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seqstress: sequence counters of every kind, readers and writers for them, and the truth about
 * what happened.
 *
 * A kind is one sequence counter with its writer. A reader is one function that reads a kind
 * through one API. Readers and writers are noinline, so that each has its own sites in the text,
 * and tell the truth (truth.c) what they do: which is all they do besides.
 */
#ifndef SEQSTRESS_H
#define SEQSTRESS_H

#include <linux/atomic.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/* Runs of retries up to this length are counted one by one, longer ones together. */
#define RUNS 16
/* Tasks that hold one kind. */
#define HOLDERS 512
#define KINDS 7
/* Write sections that are remembered, a power of two. */
#define HELD 256

struct section;
struct hold;

/* What a reader does where the sequence is odd. */
enum wait {
	WAIT_NEVER,	/* it goes on: the caller sees the odd value, or there is none */
	WAIT_SPINS,	/* it executes pause until the sequence is even */
	WAIT_BLOCKS,	/* on PREEMPT_RT it takes and drops the writer's lock, else it spins */
};

/* A task that writes, or the interrupt. */
struct holder {
	char comm[TASK_COMM_LEN];
	pid_t pid;
	atomic64_t holds;
	atomic64_t hold_ns;
	atomic64_t waits;	/* of readers that met this holder */
	atomic64_t slept;
};

struct kind {
	const char *name;
	const char *seqcount;		/* the symbol */
	unsigned int *sequence;		/* the word itself */
	void (*write)(struct hold *hold);
	const char *writer;		/* the function's name */
	bool blocks;			/* its readers block on PREEMPT_RT */
	struct reader *readers;
	unsigned int reader_count;
	/* Who made the sequence odd, by its value. */
	struct holder *held_by[HELD];
	u64 left_ns[HELD];		/* shortly before they made it even again */
	struct holder holders[HOLDERS];
	unsigned int holder_count;
};

/* What happened to the read sections of one reader. Times are nanoseconds. */
struct truth {
	atomic64_t reads;	/* begun, those that failed their check too */
	atomic64_t odd;		/* the sequence was odd right before the begin */
	atomic64_t waits;	/* odd, and the reader's API waits */
	atomic64_t wait_ns;
	atomic64_t wait_max_ns;
	atomic64_t slept;	/* waits with a voluntary switch in them */
	atomic64_t slept_begins;	/* begins without the lock that slept, whatever was seen before */
	atomic64_t sleeps;	/* how often these did */
	atomic64_t doubtful;	/* waits that may have been none, and others that may have been */
	atomic64_t shown_odd;	/* begins that returned an odd value */
	atomic64_t retries;	/* where the caller refuses an odd value: those too */
	atomic64_t runs[RUNS + 1];	/* by retries in a row; [0]: longer than RUNS */
	atomic64_t run_max;
	atomic64_t run_ns;	/* from the first failed check to the one that passed */
	atomic64_t fallbacks;	/* took the lock after a lockless try */
	atomic64_t locked;	/* sections under the lock, those too */
	atomic64_t torn;	/* data that no write left so, after a check that passed */
};

struct reader {
	const char *name;	/* of its function */
	struct kind *kind;
	void (*read)(struct section *section);
	enum wait wait;
	struct truth truth;
};

/* What an episode does at the points of a read section. */
struct drive {
	void (*before)(struct section *section);	/* right before each begin */
	void (*inside)(struct section *section);	/* after each begin */
};

/* One read section, until it ends: a reader's argument. */
struct section {
	struct reader *reader;
	const struct drive *drive;
	void *episode;
	unsigned int wanted;	/* retries that the episode forces */
	unsigned int tries;
	bool begun;	/* not inside yet */
	bool locked;
	unsigned long irq_flags;
	unsigned int peeked;
	unsigned long switches;
	u64 start_ns;
	u64 retried_ns;	/* when the first check had failed */
	u64 first, second;	/* the data as read */
};

/* One write section: a writer's argument. */
struct hold {
	struct kind *kind;
	struct holder *holder;
	void (*inside)(struct hold *hold);	/* while the sequence is odd */
	void *episode;
};

/* What writers keep equal; a check that passes proves a reader saw it so. */
struct data {
	u64 first, second;
};

/* truth.c: told by readers and writers */
void section_begins(struct section *section);
void section_inside(struct section *section, unsigned int sequence);
void section_locked(struct section *section);
void section_retries(struct section *section);
void section_ends(struct section *section);
void section_takes(struct section *section, const struct data *data);
void hold_inside(struct hold *hold, struct data *data);

/* truth.c: for episodes */
u64 now_ns(void);
void spin_ns(u64 ns);
void read_section(struct reader *reader, const struct drive *drive, void *episode,
		  unsigned int wanted);
void write_section(struct kind *kind, struct holder *holder, void (*inside)(struct hold *hold),
		   void *episode);
struct holder *holder_of(struct kind *kind, const char *comm, pid_t pid);
void truth_reset(void);

/* task.c: kernel threads of episodes */
struct task_struct *task_start(int (*run)(void *), void *argument, int cpu, bool realtime,
			       const char *role, unsigned int number, const char *kind);
int task_stop(struct task_struct *task);
int task_idle_until_stopped(void);
int other_cpu(int cpu);

/* episode.c, odd.c, held.c, order.c, stress.c, damage.c: the commands; 0 or a negative errno */
int episode_runs(struct reader *reader, unsigned int length, unsigned int count);
int episode_odd(struct reader *reader, unsigned int count);
bool target_has(const char *target, const struct reader *reader);
int held(struct kind *kind, const char *context, unsigned int count);
int order_reads(struct reader *reader, unsigned int count);
int stress(const char *target, unsigned int ms);
int damage(struct kind *kind, const char *how);
int damage_stand(struct reader *reader);
void damage_heal(void);

int report_show(struct seq_file *file, void *unused);

/* main.c: parameters, nanoseconds */
extern unsigned int hold_ns, gap_ns, read_ns, writers, tasks;
extern bool nested;
extern struct kind *const kinds[KINDS];

extern struct kind kind_plain, kind_raw_spinlock, kind_spinlock, kind_rwlock, kind_mutex,
	kind_seqlock, kind_latch;

/* command.c */
int command_start(void);
void command_end(void);

#endif
