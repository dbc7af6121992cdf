/*
 * Growable bytes with a cap, which is below 1 GiB. There are hundreds of these:
 * small fields keep the code that uses them small.
 *
 * Invariants: data is NULL (cap 0) or NUL-terminated at data[len]; len never
 * exceeds max. When an addition would pass max, or memory is out, nothing is
 * added and `failed` is set; while it is set nothing more is added, and it
 * stays set until buf_reset or buf_release, so that a series of additions
 * needs one check at its end and never leaves a text with a hole.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	uint32_t len;
	uint32_t cap;
	uint32_t max;
	bool failed;
};

/* A buffer that holds at most max bytes; allocates nothing yet. */
#define BUF_INIT(max_)                    \
	{                                 \
		NULL, 0, 0, (max_), false \
	}
void buf_init(struct buf *b, uint32_t max);
/* Frees the bytes; the buffer can be used again. Safe when done twice. */
void buf_release(struct buf *b);
/* The same for secrets: the bytes are overwritten first. */
void buf_wipe(struct buf *b);
/* Empties without freeing, and clears `failed`. */
void buf_reset(struct buf *b);

/* Each returns 0, or -1 with `failed` set. */
int buf_add(struct buf *b, const void *bytes, size_t len);
int buf_adds(struct buf *b, const char *text);
int buf_addc(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int buf_addv(struct buf *b, const char *fmt, va_list ap);
/* Decimal digits of v, without printf (hot paths). */
int buf_addu(struct buf *b, unsigned long long v);

/* Room for n more bytes at data + len (for read(2)); then buf_grow(n).
 * Returns NULL with `failed` set when there is no room for n. */
char *buf_space(struct buf *b, size_t n);
void buf_grow(struct buf *b, size_t n);
/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* The text, never NULL. */
const char *buf_str(const struct buf *b);

/* Overwrites memory in a way that the compiler keeps. */
void mem_wipe(void *p, size_t len);

#endif
