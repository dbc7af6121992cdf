/*
 * A list of texts: databases, domains, the words of a command line. Grows,
 * and ends with a NULL, so that it can serve as an argv.
 */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **list; /* NULL-terminated; NULL when count is 0 */
	size_t count;
	bool failed; /* memory was out: something is missing */
};

#define WORDS_INIT             \
	{                      \
		NULL, 0, false \
	}
/* Each returns 0, or -1 with `failed` set. */
int words_add(struct words *n, const char *text);
int words_add_n(struct words *n, const char *text, size_t len);
int words_addf(struct words *n, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Splits at any of the bytes in `at`; spaces around a part and empty parts
 * are dropped. */
int words_split(struct words *n, const char *text, const char *at);
bool words_has(const struct words *n, const char *text);
/* Frees; the texts are wiped, since a password may be among them. */
void words_release(struct words *n);

#endif
