/*
 * Fields packed into bytes and taken out again, for frames between the
 * agent's own processes (same binary, same byte order). Reading past the end
 * sets `failed` and gives zeros and empty strings; one check at the end.
 */
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include "base/buf.h"
#include <stdint.h>

int pack_u64(struct buf *b, uint64_t v);
/* Length and bytes, and a NUL that does not count. NULL packs as NULL. */
int pack_bytes(struct buf *b, const void *p, size_t len);
int pack_str(struct buf *b, const char *s);

struct unpack {
	const char *p;
	size_t left;
	bool failed;
};
void unpack_init(struct unpack *u, const void *p, size_t len);
uint64_t unpack_u64(struct unpack *u);
/* Points into the frame; NUL-terminated there. NULL when NULL was packed
 * or the frame is broken. len may be NULL. */
const char *unpack_bytes(struct unpack *u, size_t *len);
/* 0 when everything was there and nothing is left over, else -1. */
int unpack_end(const struct unpack *u);

#endif
