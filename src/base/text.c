/*
 * Text: what is valid UTF-8 is decided here and nowhere else, and amounts
 * become words. No locale, no floating point, no static state.
 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

static bool in(unsigned char c, unsigned char low, unsigned char high)
{
	return c >= low && c <= high;
}

size_t text_utf8_at(const char *s, size_t len)
{
	unsigned char c[4] = {0};
	memcpy(c, s, len < sizeof(c) ? len : sizeof(c));
	if (len == 0)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xe0)
		return in(c[0], 0xc2, 0xdf) && in(c[1], 0x80, 0xbf) ? 2 : 0;
	/* The second byte's range rules out overlong forms, surrogates and
	 * what lies above U+10FFFF; a NUL past the end is in no range. */
	unsigned char low = 0x80, high = 0xbf;
	if (c[0] == 0xe0)
		low = 0xa0;
	else if (c[0] == 0xed)
		high = 0x9f;
	else if (c[0] == 0xf0)
		low = 0x90;
	else if (c[0] == 0xf4)
		high = 0x8f;
	if (c[0] > 0xf4 || !in(c[1], low, high) || !in(c[2], 0x80, 0xbf))
		return 0;
	if (c[0] < 0xf0)
		return 3;
	return in(c[3], 0x80, 0xbf) ? 4 : 0;
}

/* How many bytes from the start are valid. */
static size_t text_valid(const char *s, size_t len)
{
	size_t at = 0;
	while (at < len) {
		if ((unsigned char)s[at] < 0x80) {
			at++;
			continue;
		}
		size_t n = text_utf8_at(s + at, len - at);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

bool text_is_utf8(const char *s, size_t len)
{
	return text_valid(s, len) == len;
}

int text_add_utf8(struct buf *out, const char *s, size_t len)
{
	for (;;) {
		size_t n = text_valid(s, len);
		if (buf_add(out, s, n) != 0)
			return -1;
		if (n == len)
			return 0;
		if (buf_adds(out, REPLACEMENT) != 0)
			return -1;
		s += n + 1;
		len -= n + 1;
	}
}

size_t text_cut(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	size_t n = max;
	while (n > 0 && max - n < 3 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Length of the printable run that s begins with. */
static size_t text_printable(const char *s, size_t len)
{
	size_t at = 0;
	while (at < len) {
		unsigned char c = (unsigned char)s[at];
		if (c < 0x20 || c == 0x7f)
			break;
		size_t n = c < 0x80 ? 1 : text_utf8_at(s + at, len - at);
		/* U+0080 to U+009F steer terminals as well. */
		if (n == 0 || (c == 0xc2 && (unsigned char)s[at + 1] < 0xa0))
			break;
		at += n;
	}
	return at;
}

int text_add_escaped(struct buf *out, const char *s, size_t len)
{
	for (;;) {
		size_t n = text_printable(s, len);
		if (buf_add(out, s, n) != 0)
			return -1;
		if (n == len)
			return 0;
		unsigned char c = (unsigned char)s[n];
		int rc;
		if (c == '\n')
			rc = buf_adds(out, "\\n");
		else if (c == '\r')
			rc = buf_adds(out, "\\r");
		else if (c == '\t')
			rc = buf_adds(out, "\\t");
		else
			rc = buf_addf(out, "\\x%02x", c);
		if (rc != 0)
			return -1;
		s += n + 1;
		len -= n + 1;
	}
}

void text_copy(char *dst, size_t size, const char *s)
{
	if (size == 0)
		return;
	size_t n = text_cut(s, strlen(s), size - 1);
	memcpy(dst, s, n);
	dst[n] = '\0';
}

int text_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	if (*s == '\0')
		return -1;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		uint64_t digit = (uint64_t)(*s - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	if (v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

const char *text_count(char *dst, uint64_t n)
{
	char reversed[TEXT_AMOUNT];
	size_t len = 0, digits = 0;
	do {
		if (digits > 0 && digits % 3 == 0)
			reversed[len++] = ',';
		reversed[len++] = (char)('0' + n % 10);
		n /= 10;
		digits++;
	} while (n > 0);
	for (size_t i = 0; i < len; i++)
		dst[i] = reversed[len - 1 - i];
	dst[len] = '\0';
	return dst;
}

const char *text_files(char *dst, uint64_t n)
{
	size_t len = strlen(text_count(dst, n));
	snprintf(dst + len, TEXT_AMOUNT - len, n == 1 ? " file" : " files");
	return dst;
}

const char *text_size(char *dst, uint64_t bytes)
{
	static const char unit[] = "kMGTPE";
	if (bytes < 1000) {
		snprintf(dst, TEXT_AMOUNT, "%u B", (unsigned)bytes);
		return dst;
	}
	uint64_t tenth = 100, tenths = 0;
	size_t i = 0;
	for (;; i++, tenth *= 1000) {
		tenths = bytes / tenth + (bytes % tenth >= tenth / 2);
		/* 999,950 bytes round up to the next unit. */
		if (tenths < 10000 || i == sizeof(unit) - 2)
			break;
	}
	snprintf(dst, TEXT_AMOUNT, "%u.%u %cB", (unsigned)(tenths / 10),
	    (unsigned)(tenths % 10), unit[i]);
	return dst;
}

const char *text_duration(char *dst, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} unit[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t i = 0;
	while (i < 3 && seconds < unit[i].seconds)
		i++;
	unsigned long long most = seconds / unit[i].seconds;
	unsigned long long rest = seconds % unit[i].seconds;
	if (i < 3)
		rest /= unit[i + 1].seconds;
	if (rest > 0)
		snprintf(dst, TEXT_AMOUNT, "%llu %s %llu %s", most,
		    unit[i].name, rest, unit[i + 1].name);
	else
		snprintf(dst, TEXT_AMOUNT, "%llu %s", most, unit[i].name);
	return dst;
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}
