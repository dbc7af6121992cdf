/*
 * The head and the tail of a long text: what a person needs of ten thousand
 * error messages. The middle is counted and dropped.
 */
#ifndef JOB_EXCERPT_H
#define JOB_EXCERPT_H

#include "base/buf.h"
#include <stdint.h>

struct excerpt {
	struct buf head, tail;
	uint64_t lines, dropped;
};

void excerpt_init(struct excerpt *x);
void excerpt_release(struct excerpt *x);
/* One message; a newline is put behind it. */
void excerpt_add(struct excerpt *x, const char *text, size_t len);
/* Appends all of it, within ERROR_LOG_MAX bytes. */
void excerpt_write(const struct excerpt *x, struct buf *out);

#endif
