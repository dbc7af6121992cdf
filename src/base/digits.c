/* Digits of text encodings; no locale, no tables of the host's libc. */
#include "base/digits.h"
#include <stdint.h>

int digits_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int digits_decimal(const char *text, int n)
{
	int value = 0;
	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + text[i] - '0';
	}
	return value;
}

int digits_base64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int digits_add_base64(struct buf *out, const char *text, size_t len)
{
	unsigned bits = 0;
	int have = 0, rc = 0;
	for (size_t i = 0; i < len; i++) {
		int value = digits_base64(text[i]);
		if (value < 0) {
			rc = text[i] == '=' ? rc : -1;
			continue;
		}
		bits = bits << 6 | (unsigned)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_addc(out, (char)(bits >> have & 0xff));
		}
	}
	return rc;
}

void digits_put_base64(
    struct buf *out, const void *bytes, size_t len, bool padded)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t group = (uint32_t)p[i] << 16 |
				 (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				 (n > 2 ? p[i + 2] : 0);
		for (size_t k = 0; k <= n; k++)
			buf_addc(out, digits[group >> (18 - 6 * k) & 63]);
		for (size_t k = n; padded && k < 3; k++)
			buf_addc(out, '=');
	}
}
