/*
 * Fields packed into bytes for frames between processes of the same binary.
 * A reader trusts nothing of what it reads: every length is held against
 * what is left.
 */
#include "base/pack.h"

#include <string.h>

/* The length that stands for a NULL pointer. */
#define PACK_NULL UINT64_MAX

int pack_u64(struct buf *b, uint64_t v)
{
	return buf_add(b, &v, sizeof(v));
}

int pack_bytes(struct buf *b, const void *p, size_t len)
{
	if (p == NULL)
		return pack_u64(b, PACK_NULL);
	if (pack_u64(b, len) != 0 || buf_add(b, p, len) != 0)
		return -1;
	return buf_addc(b, '\0');
}

int pack_str(struct buf *b, const char *s)
{
	return pack_bytes(b, s, s != NULL ? strlen(s) : 0);
}

void unpack_init(struct unpack *u, const void *p, size_t len)
{
	*u = (struct unpack){.p = p, .left = len, .failed = false};
}

uint64_t unpack_u64(struct unpack *u)
{
	uint64_t v = 0;
	if (u->failed || u->left < sizeof(v)) {
		u->failed = true;
		return 0;
	}
	memcpy(&v, u->p, sizeof(v));
	u->p += sizeof(v);
	u->left -= sizeof(v);
	return v;
}

const char *unpack_bytes(struct unpack *u, size_t *len)
{
	if (len != NULL)
		*len = 0;
	uint64_t n = unpack_u64(u);
	if (u->failed || n == PACK_NULL)
		return NULL;
	if (n >= u->left || u->p[n] != '\0') {
		u->failed = true;
		return NULL;
	}
	const char *bytes = u->p;
	u->p += n + 1;
	u->left -= (size_t)n + 1;
	if (len != NULL)
		*len = (size_t)n;
	return bytes;
}

int unpack_end(const struct unpack *u)
{
	return u->failed || u->left > 0 ? -1 : 0;
}
