/*
 * memmem and strstr in place of musl's, which are twenty times as large: what
 * is looked for here is a few letters long.
 */
#define _GNU_SOURCE
#include <string.h>

void *memmem(const void *text, size_t len, const void *what, size_t what_len)
{
	const char *at = text, *end = at + len;

	if (what_len == 0)
		return (void *)text;
	for (; (size_t)(end - at) >= what_len; at++) {
		at = memchr(at, *(const char *)what, end - at - what_len + 1);
		if (at == 0)
			break;
		if (memcmp(at, what, what_len) == 0)
			return (void *)at;
	}
	return 0;
}

char *strstr(const char *text, const char *what)
{
	return memmem(text, strlen(text), what, strlen(what));
}
