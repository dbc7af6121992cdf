/*
 * Growable bytes with a cap. The one place where memory for text grows; it
 * refuses to pass the cap, and sizes are added so that they cannot wrap.
 */
#include "base/buf.h"
#include "base/limits.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation. */
#define BUF_FIRST 64u

void mem_wipe(void *p, size_t len)
{
	if (p != NULL && len > 0)
		explicit_bzero(p, len);
}

void buf_init(struct buf *b, uint32_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->data, b->cap);
	buf_release(b);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Small texts may be secrets: a plain realloc(3) would leave a copy behind. */
static char *buf_move(struct buf *b, size_t cap)
{
	if (b->cap > BUF_WIPED_MAX)
		return realloc(b->data, cap);
	char *data = malloc(cap);
	if (data == NULL)
		return NULL;
	if (b->data != NULL)
		memcpy(data, b->data, b->len + 1);
	else
		data[0] = '\0';
	mem_wipe(b->data, b->cap);
	free(b->data);
	return data;
}

/* Makes room for n bytes and the NUL. */
static int buf_reserve(struct buf *b, size_t n)
{
	if (b->failed || n > b->max - b->len)
		goto fail;
	size_t need = b->len + n + 1;
	if (need <= b->cap)
		return 0;
	size_t cap = b->cap > 0 ? b->cap : BUF_FIRST;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + (size_t)1)
		cap = b->max + (size_t)1;
	char *data = buf_move(b, cap);
	if (data == NULL)
		goto fail;
	b->data = data;
	b->cap = (uint32_t)cap;
	return 0;
fail:
	b->failed = true;
	return -1;
}

int buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (buf_reserve(b, len) != 0)
		return -1;
	if (len > 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += (uint32_t)len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_adds(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = buf_addv(b, fmt, ap);
	va_end(ap);
	return rc;
}

int buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	size_t room = b->cap > 0 ? b->cap - b->len : 0;
	int n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, fmt, ap);
	int rc = -1;
	if (n < 0) {
		b->failed = true;
	} else if (buf_reserve(b, (size_t)n) == 0) {
		if ((size_t)n >= room)
			vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (uint32_t)n;
		rc = 0;
	}
	va_end(again);
	if (rc != 0 && b->data != NULL)
		b->data[b->len] = '\0';
	return rc;
}

int buf_addu(struct buf *b, unsigned long long v)
{
	char digits[24];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return buf_add(b, digits + at, sizeof(digits) - at);
}

char *buf_space(struct buf *b, size_t n)
{
	return buf_reserve(b, n) == 0 ? b->data + b->len : NULL;
}

void buf_grow(struct buf *b, size_t n)
{
	b->len += (uint32_t)n;
	b->data[b->len] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= (uint32_t)n;
	b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}
