/* qsort in place of musl's, a seventh of its size: a heap. */
#define _BSD_SOURCE
#include <stdlib.h>

typedef int (*order)(const void *, const void *, void *);

static void swap(char *a, char *b, size_t width)
{
	while (width-- > 0) {
		char c = *a;
		*a++ = *b;
		*b++ = c;
	}
}

/* Lets element i sink to its place among the first n. */
static void sink(
    char *base, size_t i, size_t n, size_t width, order compare, void *context)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= n)
			return;
		if (child + 1 < n &&
		    compare(base + child * width, base + (child + 1) * width,
			context) < 0)
			child++;
		if (compare(base + i * width, base + child * width, context) >=
		    0)
			return;
		swap(base + i * width, base + child * width, width);
		i = child;
	}
}

void __qsort_r(void *base, size_t n, size_t width, order compare, void *context)
{
	for (size_t i = n / 2; i > 0; i--)
		sink(base, i - 1, n, width, compare, context);
	for (; n > 1; n--) {
		swap(base, (char *)base + (n - 1) * width, width);
		sink(base, 0, n - 1, width, compare, context);
	}
}
