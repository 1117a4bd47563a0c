/* Calls that are inlined, two deep and not at all. */

static inline __attribute__((always_inline)) int inner(volatile int *word)
{
	return *word;
}

static inline __attribute__((always_inline)) int middle(volatile int *word)
{
	return inner(word) ^ 0x1234;
}

int outer(volatile int *word)
{
	return middle(word) * 3;
}

int plain(volatile int *word)
{
	return *word;
}
