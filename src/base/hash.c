/* See hash.h. The only place outside of net that knows BearSSL. */
#include "base/hash.h"
#include <bearssl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void hash_bytes(const void *bytes, size_t len, unsigned char sum[HASH_BYTES])
{
	br_sha256_context sha;

	br_sha256_init(&sha);
	br_sha256_update(&sha, bytes, len);
	br_sha256_out(&sha, sum);
}

int hash_file(int fd, char hex[HASH_HEX])
{
	static const char digits[] = "0123456789abcdef";
	br_sha256_context sha;
	unsigned char bytes[16384], sum[br_sha256_SIZE];
	off_t at = 0;

	br_sha256_init(&sha);
	for (;;) {
		ssize_t n = pread(fd, bytes, sizeof(bytes), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		br_sha256_update(&sha, bytes, (size_t)n);
		at += n;
	}
	br_sha256_out(&sha, sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[HASH_HEX - 1] = '\0';
	return 0;
}

/* 64 digits at the beginning of text, in lower case. */
static bool hash_take(const char *text, char hex[HASH_HEX])
{
	for (int i = 0; i < HASH_HEX - 1; i++) {
		char c = text[i];
		if (c >= 'A' && c <= 'F')
			c = (char)(c + 32);
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		hex[i] = c;
	}
	hex[HASH_HEX - 1] = '\0';
	return true;
}

static bool hash_is_name(const char *text, size_t len, const char *name)
{
	if (len > 2 && memcmp(text, "./", 2) == 0) {
		text += 2;
		len -= 2;
	}
	return len == strlen(name) && memcmp(text, name, len) == 0;
}

/* One line of len bytes, without its end. */
static bool hash_line(
    const char *line, size_t len, const char *name, char hex[HASH_HEX])
{
	static const char bsd[] = "SHA256 (";
	const size_t head = sizeof(bsd) - 1, sum = HASH_HEX - 1;

	/* "SHA256 (name) = hex" */
	if (len > head + 4 + sum && memcmp(line, bsd, head) == 0) {
		size_t tail = len - sum;
		return memcmp(line + tail - 4, ") = ", 4) == 0 &&
		       hash_is_name(line + head, tail - 4 - head, name) &&
		       hash_take(line + tail, hex);
	}
	/* "hex  name", "hex *name" */
	if (len <= sum + 2 || line[sum] != ' ' ||
	    (line[sum + 1] != ' ' && line[sum + 1] != '*'))
		return false;
	return hash_is_name(line + sum + 2, len - sum - 2, name) &&
	       hash_take(line, hex);
}

int hash_find(const char *sums, const char *name, char hex[HASH_HEX])
{
	while (*sums != '\0') {
		size_t len = strcspn(sums, "\r\n");
		if (hash_line(sums, len, name, hex))
			return 1;
		sums += len;
		sums += strspn(sums, "\r\n");
	}
	return 0;
}
