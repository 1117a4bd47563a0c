/* Halves of read sections that are hard to see, compiled behind readers.c. All of it was met in
 * kernels. */

#define noipa __attribute__((noipa))

struct hlist_bl_node { struct hlist_bl_node *next, **pprev; };
struct entry {
	long flags;
	seqcount_spinlock_t seq;
	struct hlist_bl_node node;
	long key;
};

extern int trylock(void *), lock(void *), unlock(void *);
extern void __attribute__((cold)) complain(void);

/* __d_lookup_rcu: the value leaves the function without bit 0. */
struct entry *find_entry(struct hlist_bl_node *node, long key, unsigned *result)
{
	for (; node; node = node->next) {
		struct entry *entry = (void *)node - __builtin_offsetof(struct entry, node);
		unsigned seq = READ_ONCE(entry->seq.seqcount.sequence);

		barrier();
		if (entry->key != key)
			continue;
		*result = seq & ~1U;
		return entry;
	}
	return 0;
}

/* A flag is taken from a word that lies where another structure has a sequence. */
struct flagged { long pad; unsigned flags; };
void drop_flag(struct flagged *flagged, unsigned *result)
{
	unsigned flags = READ_ONCE(flagged->flags);

	*result = flags & ~1U;
	flagged->flags = flags & ~1U;
}

/* raw_seqcount_try_begin; the result of the check becomes a value. */
int try_read(struct object *object, long *value)
{
	unsigned seq = READ_ONCE(object->seq.seqcount.sequence);

	barrier();
	if (seq & 1)
		return 0;
	*value = object->value;
	return !retry(&object->seq.seqcount, seq);
}

/* free_ret_instance: no check at all. */
int try_push(struct object *object, struct object *item)
{
	if (READ_ONCE(object->seq.seqcount.sequence) & 1)
		return 0;
	item->next = object->next;
	object->next = item;
	return 1;
}

typedef struct { seqcount_t seqcount; } seqcount_latch_t;
struct { seqcount_latch_t seq; long copies[2]; } latched;

long read_latch(void)
{
	unsigned seq;
	long value;

	do {
		seq = READ_ONCE(latched.seq.seqcount.sequence);
		barrier();
		value = READ_ONCE(latched.copies[seq & 1]);
	} while (retry(&latched.seq.seqcount, seq));
	return value;
}

/* handle_dots: what is checked, and against what, comes from a call that fills the stack. */
struct path { void *mount; struct object *object; };
struct walk { struct path path; unsigned seq; };

noipa int choose(struct path *path, unsigned *seq)
{
	path->object = path->object->next;
	*seq = READ_ONCE(path->object->seq.seqcount.sequence) & ~1U;
	return path->object != 0;
}

int walk_up(struct walk *walk, struct object *object)
{
	struct path path = { walk->path.mount, object };
	unsigned seq;

	if (!choose(&path, &seq) || !trylock(path.object))
		return -1;
	if (retry(&path.object->seq.seqcount, seq)) {
		cleanup();
		return -2;
	}
	walk->path.object = path.object;
	return 0;
}

/* gup_fast: a CPU feature is asked for in a section of its own. */
unsigned char features;
inline int has_feature(void)
{
	asm goto("jmp 6f\n"
		 ".pushsection .altinstr_aux, \"ax\"\n"
		 "6: testb $1, features(%%rip)\n"
		 "jnz %l[yes]\n"
		 "jmp %l[no]\n"
		 ".popsection" : : : : yes, no);
yes:
	return 1;
no:
	return 0;
}

long read_by_feature(struct object *object)
{
	unsigned seq;
	long value;

	do {
		seq = BEGIN(spinlock_sequence, &object->seq);
		if (has_feature())
			value = work(object->value);
		else
			value = work(object->id);
	} while (retry(&object->seq.seqcount, seq));
	return value;
}

/* nd->seq: the start value comes from the caller. */
int recheck(struct object *object, unsigned seq)
{
	if (retry(&object->seq.seqcount, seq)) {
		complain();
		return -1;
	}
	return work(object->value);
}

/* vma_start_write, vma_start_read: the writer's own compare, and the reader's two looks. */
struct mm_struct { long pad; seqcount_t mm_lock_seq; };
struct vm_area_struct { struct mm_struct *vm_mm; unsigned vm_lock_seq; };

void start_write(struct vm_area_struct *area)
{
	unsigned seq = READ_ONCE(area->vm_mm->mm_lock_seq.sequence);

	if (area->vm_lock_seq == seq)
		return;
	lock(area);
	area->vm_lock_seq = seq;
	unlock(area);
}

inline int look_twice(struct vm_area_struct *area)
{
	if (READ_ONCE(area->vm_lock_seq) == READ_ONCE(area->vm_mm->mm_lock_seq.sequence))
		return 0;
	if (!trylock(area))
		return 0;
	if (READ_ONCE(area->vm_lock_seq) == READ_ONCE(area->vm_mm->mm_lock_seq.sequence)) {
		unlock(area);
		return 0;
	}
	return 1;
}

int start_read(struct vm_area_struct *area)
{
	return look_twice(area);
}

/* lock_vma_under_rcu: nothing but the function's own type tells what the pointer is. */
extern void *find(long key);
struct vm_area_struct *find_area(long key)
{
	struct vm_area_struct *area = find(key);

	if (!area || !look_twice(area))
		return 0;
	return area;
}

/* proc_sys_lookup: an error is returned as a pointer of another type. */
struct header { long pad; unsigned count; };
struct object *grab_object(struct header *(*grab)(void))
{
	struct header *header = grab();

	if ((unsigned long)header > -4096UL)
		return (void *)header;
	header->count++;
	return find(READ_ONCE(header->count));
}

/* shstk_pop_sigframe: the same sequence compared with itself, its bit 0 never looked at. */
long speculate(struct vm_area_struct *area)
{
	unsigned seq;
	long value;

	do {
		seq = READ_ONCE(area->vm_mm->mm_lock_seq.sequence);
		value = work(area->vm_mm->pad);
	} while (retry(&area->vm_mm->mm_lock_seq, seq));
	return value;
}

/* An increment that is a load, an addition and a store. */
void write_member(struct object *object, long value)
{
	volatile unsigned *seq = &object->seq.seqcount.sequence;

	*seq = *seq + 1;
	object->value = value;
	*seq = *seq + 1;
}

/* A jump table keeps a probe from becoming a jump. */
long read_switched(struct object *object, int kind)
{
	unsigned seq;
	long value = 0;

	do {
		seq = BEGIN(spinlock_sequence, &object->seq);
		value = object->value;
	} while (retry(&object->seq.seqcount, seq));
	switch (kind) {
	case 0: return work(value);
	case 1: cleanup(); return 5;
	case 2: return trylock(object);
	case 3: return lock(object);
	case 4: return unlock(object);
	case 5: complain(); return 3;
	case 6: return work(value + 4);
	case 7: return value;
	default: return 0;
	}
}
