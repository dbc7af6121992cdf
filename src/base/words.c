/* A list of texts; see base/words.h. */
#include "base/words.h"
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int words_add_n(struct words *n, const char *text, size_t len)
{
	char **list = NULL;
	char *copy = n->failed ? NULL : strndup(text, len);
	if (copy != NULL)
		list = realloc(n->list, (n->count + 2) * sizeof(*list));
	if (list == NULL) {
		free(copy);
		n->failed = true;
		return -1;
	}
	list[n->count++] = copy;
	list[n->count] = NULL;
	n->list = list;
	return 0;
}

int words_add(struct words *n, const char *text)
{
	return words_add_n(n, text, strlen(text));
}

int words_addf(struct words *n, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		n->failed = true;
		return -1;
	}
	int rc = words_add_n(n, text, (size_t)len);
	mem_wipe(text, (size_t)len);
	free(text);
	return rc;
}

int words_split(struct words *n, const char *text, const char *at)
{
	while (*text != '\0') {
		size_t len = strcspn(text, at), end = len;
		const char *start = text;
		text += len + (text[len] != '\0');
		while (end > 0 && (*start == ' ' || *start == '\t')) {
			start++;
			end--;
		}
		while (end > 0 &&
		       (start[end - 1] == ' ' || start[end - 1] == '\t' ||
			   start[end - 1] == '\r'))
			end--;
		if (end > 0 && words_add_n(n, start, end) != 0)
			return -1;
	}
	return 0;
}

bool words_has(const struct words *n, const char *text)
{
	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->list[i], text) == 0)
			return true;
	}
	return false;
}

void words_release(struct words *n)
{
	for (size_t i = 0; i < n->count; i++) {
		mem_wipe(n->list[i], strlen(n->list[i]));
		free(n->list[i]);
	}
	free(n->list);
	*n = (struct words)WORDS_INIT;
}
