/* SHA-256 of bytes and files, and its text in hexadecimal. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#define HASH_BYTES 32
#define HASH_HEX 65 /* 64 digits and the NUL */

/* Of some bytes. */
void hash_bytes(const void *bytes, size_t len, unsigned char sum[HASH_BYTES]);

/* Of what an open file holds from its beginning; its position is not moved.
 * hex: lower case. 0 or -1 (errno). */
int hash_file(int fd, char hex[HASH_HEX]);
/* Looks for `name` in the lines of a SHA256SUMS ("hex  name", "hex *name",
 * "./name", or "SHA256 (name) = hex"): 1 with hex in lower case, 0 when no
 * line names it. */
int hash_find(const char *sums, const char *name, char hex[HASH_HEX]);

#endif
