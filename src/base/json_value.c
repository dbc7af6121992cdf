/*
 * JSON values: strings decoded, numbers and booleans read as they are meant.
 * What comes out as text is valid UTF-8 and has no NUL in it, whatever went
 * in.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REPLACEMENT 0xfffd

/* Writes the character's UTF-8 to to (4 bytes); returns its length. */
static size_t json_encode(unsigned c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The four digits at *p (behind \u), and the low half of a pair if there. */
static size_t json_decode_u(
    const char **p, const char *end, char *to, bool bytes)
{
	int v = json_hex4(*p, end);
	if (v < 0)
		return json_encode(REPLACEMENT, to);
	*p += 4;
	unsigned c = (unsigned)v;
	if (c == 0)
		return json_encode(REPLACEMENT, to);
	if (c < 0xd800 || c > 0xdfff)
		return json_encode(c, to);
	if (bytes && c >= 0xdc80 && c <= 0xdcff) {
		to[0] = (char)(c & 0xff);
		return 1;
	}
	if (c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		int low = json_hex4(*p + 2, end);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			c = 0x10000 + ((c & 0x3ff) << 10) +
			    ((unsigned)low & 0x3ff);
			return json_encode(c, to);
		}
	}
	return json_encode(REPLACEMENT, to);
}

/* Decodes the escape at *p (on its backslash); to has 4 bytes. */
static size_t json_decode(const char **p, const char *end, char *to, bool bytes)
{
	static const char from[] = "\"\\/bfnrt";
	static const char into[] = "\"\\/\b\f\n\r\t";
	(*p)++;
	if (*p == end)
		return json_encode(REPLACEMENT, to);
	char c = *(*p)++;
	if (c == 'u')
		return json_decode_u(p, end, to, bytes);
	const char *known = c != '\0' ? strchr(from, c) : NULL;
	if (known == NULL)
		return json_encode(REPLACEMENT, to);
	to[0] = into[known - from];
	return 1;
}

int json_unescape(struct buf *out, const char *raw, size_t len, bool bytes)
{
	const char *p = raw, *end = raw + len;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((slash != NULL ? slash : end) - p);
		int rc = bytes ? buf_add(out, p, plain)
			       : text_add_utf8(out, p, plain);
		if (rc != 0)
			return -1;
		p += plain;
		if (slash == NULL)
			break;
		char to[4];
		size_t n = json_decode(&p, end, to, bytes);
		if (buf_add(out, to, n) != 0)
			return -1;
	}
	return 0;
}

int json_text(const struct json *j, int node, struct buf *out)
{
	size_t len;
	const char *raw = json_raw(j, node, &len);
	switch (json_type(j, node)) {
	case JSON_STRING:
		return json_unescape(out, raw, len, false);
	case JSON_NUMBER:
	case JSON_BOOL:
		return buf_add(out, raw, len);
	default:
		return -1;
	}
}

char *json_strdup(const struct json *j, int node)
{
	size_t len;
	json_raw(j, node, &len);
	/* A byte that is not UTF-8 becomes three; nothing grows more. */
	struct buf text = BUF_INIT(3 * len);
	if (json_text(j, node, &text) != 0 || buf_add(&text, "", 0) != 0)
		buf_wipe(&text);
	return text.data;
}

bool json_is(const struct json *j, int node, const char *text)
{
	if (json_type(j, node) != JSON_STRING)
		return false;
	size_t len, want = strlen(text);
	const char *p = json_raw(j, node, &len);
	const char *end = p + len;
	while (p < end) {
		char to[4];
		size_t n = 1;
		if (*p == '\\')
			n = json_decode(&p, end, to, false);
		else
			to[0] = *p++;
		if (n > want || memcmp(to, text, n) != 0)
			return false;
		text += n;
		want -= n;
	}
	return want == 0;
}

/* A decimal number taken apart: the digits (with one dot among them). */
struct decimal {
	const char *digits;
	size_t len;
	bool negative;
	int exponent;
};

static int json_decimal(const char *p, const char *end, struct decimal *d)
{
	*d = (struct decimal){0};
	if (p < end && *p == '+')
		p++;
	else if (p < end && *p == '-')
		d->negative = *p++ == '-';
	d->digits = p;
	size_t digits = 0, dots = 0;
	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		dots += *p == '.';
		digits += *p >= '0' && *p <= '9';
		if ((*p < '0' || *p > '9') && *p != '.')
			return -1;
	}
	d->len = (size_t)(p - d->digits);
	if (digits == 0 || dots > 1 || *d->digits == '.')
		return -1;
	if (p == end)
		return 0;
	p++;
	bool down = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end)
		return -1;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		/* Beyond this all that is not zero is out of range. */
		if (d->exponent < 1000)
			d->exponent = d->exponent * 10 + (*p - '0');
	}
	if (down)
		d->exponent = -d->exponent;
	return 0;
}

int json_int(const struct json *j, int node, int64_t *out)
{
	enum json_type type = json_type(j, node);
	size_t len;
	const char *raw = json_raw(j, node, &len);
	struct decimal d;
	if ((type != JSON_NUMBER && type != JSON_STRING) ||
	    json_decimal(raw, raw + len, &d) != 0)
		return -1;
	const char *dot = memchr(d.digits, '.', d.len);
	size_t whole = dot != NULL ? (size_t)(dot - d.digits) : d.len;
	uint64_t limit = d.negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	uint64_t v = 0;
	size_t at = 0;
	/* The digits left of where the exponent puts the point. */
	for (long left = (long)whole + d.exponent; left > 0; left--) {
		if (at < d.len && d.digits[at] == '.')
			at++;
		uint64_t digit =
		    at < d.len ? (uint64_t)(d.digits[at++] - '0') : 0;
		if (v > (limit - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	if (d.negative && v > 0)
		*out = -(int64_t)(v - 1) - 1;
	else
		*out = (int64_t)v;
	return 0;
}

bool json_bool(const struct json *j, int node, bool otherwise)
{
	static const char *const word[2][4] = {
	    {"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
	size_t len;
	const char *raw = json_raw(j, node, &len);
	enum json_type type = json_type(j, node);
	if (type == JSON_ARRAY || type == JSON_OBJECT)
		return otherwise;
	for (int truth = 0; truth < 2; truth++)
		for (int i = 0; i < 4; i++)
			if (strlen(word[truth][i]) == len &&
			    strncasecmp(word[truth][i], raw, len) == 0)
				return truth == 1;
	return otherwise;
}
