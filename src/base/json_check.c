/*
 * The strict validator (RFC 8259): one value, nothing behind it, UTF-8 all
 * through. It keeps one bit per open bracket, so its stack does not grow with
 * the text. Whatever comes from a peer passes here before it is indexed.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

_Static_assert(JSON_DEPTH_MAX < 64, "open brackets are kept in 64 bits");

struct check {
	const char *p, *end;
	const char *why;
	uint64_t objects; /* bit n: the n-th open bracket is an object's */
	int depth, max;
};

/* What may come next. */
enum expect { VALUE, VALUE_OR_END, NAME, NAME_OR_END, COMMA_OR_END };

static bool digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *json_number_end(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (!digit(p, end))
		return NULL;
	if (*p == '0')
		p++;
	else
		while (digit(p, end))
			p++;
	if (p < end && *p == '.') {
		p++;
		if (!digit(p, end))
			return NULL;
		while (digit(p, end))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (!digit(p, end))
			return NULL;
		while (digit(p, end))
			p++;
	}
	return p;
}

/* Behind true, false or null at p; NULL when it is none of them. */
static const char *json_word_end(const char *p, const char *end)
{
	static const char *const word[] = {"true", "false", "null"};
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(word[i]);
		if ((size_t)(end - p) >= n && memcmp(p, word[i], n) == 0)
			return p + n;
	}
	return NULL;
}

const char *json_plain_end(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255;
	uint64_t x, stop;
	/* Eight at a time. A byte borrows from its neighbour in these
	 * subtractions only when it is itself one to stop at, so that the
	 * lowest mark is always a true one. */
	for (; end - p >= 8; p += 8) {
		memcpy(&x, p, sizeof(x));
		uint64_t control = x - ones * 0x20;
		uint64_t quote = (x ^ ones * '"') - ones;
		uint64_t slash = (x ^ ones * '\\') - ones;
		stop = (x | control | quote | slash) & ones * 0x80;
		if (stop == 0)
			continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		return p + __builtin_ctzll(stop) / 8;
#else
		break;
#endif
	}
	while (p < end && (unsigned char)*p >= 0x20 &&
	       (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

const char *json_escape_end(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (*p == 'u')
		return json_hex4(p + 1, end) >= 0 ? p + 5 : NULL;
	if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
		return NULL;
	return p + 1;
}

const char *json_scalar_end(const char *p, const char *end)
{
	const char *number = json_number_end(p, end);
	return number != NULL ? number : json_word_end(p, end);
}

int json_hex4(const char *p, const char *end)
{
	int v = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= c - '0';
		else if (c >= 'a' && c <= 'f')
			v |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			v |= c - 'A' + 10;
		else
			return -1;
	}
	return v;
}

static int refuse(struct check *c, const char *why)
{
	c->why = why;
	return -1;
}

static void check_blanks(struct check *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' ||
				    *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

/* p stands on the opening quote. */
static int check_string(struct check *c)
{
	c->p++;
	for (;;) {
		c->p = json_plain_end(c->p, c->end);
		if (c->p == c->end)
			return refuse(c, "a string that does not end");
		unsigned char byte = (unsigned char)*c->p;
		if (byte == '"') {
			c->p++;
			return 0;
		}
		if (byte < 0x20)
			return refuse(c, "a control character in a string");
		if (byte == '\\') {
			const char *p = json_escape_end(c->p + 1, c->end);
			if (p == NULL)
				return refuse(c, "an unknown escape");
			c->p = p;
			continue;
		}
		size_t n = text_utf8_at(c->p, (size_t)(c->end - c->p));
		if (n == 0)
			return refuse(c, "a string that is not UTF-8");
		c->p += n;
	}
}

static int check_scalar(struct check *c)
{
	const char *end = json_scalar_end(c->p, c->end);
	if (end == NULL)
		return refuse(c, "something that is no value");
	c->p = end;
	return 0;
}

/* In the object or array that is innermost? */
static bool in_object(const struct check *c)
{
	return (c->objects >> c->depth & 1) != 0;
}

static int check_open(struct check *c, enum expect *next)
{
	if (c->depth >= c->max)
		return refuse(c, "too deep a nesting");
	c->depth++;
	uint64_t bit = (uint64_t)1 << c->depth;
	bool object = *c->p == '{';
	c->objects = object ? c->objects | bit : c->objects & ~bit;
	c->p++;
	*next = object ? NAME_OR_END : VALUE_OR_END;
	return 0;
}

static bool closes(const struct check *c)
{
	return c->depth > 0 && *c->p == (in_object(c) ? '}' : ']');
}

static int check_name(struct check *c)
{
	if (*c->p != '"')
		return refuse(c, "a member without a name in quotes");
	if (check_string(c) != 0)
		return -1;
	check_blanks(c);
	if (c->p == c->end || *c->p != ':')
		return refuse(c, "a name without a colon");
	c->p++;
	return 0;
}

/* One step; p stands on a byte that is no blank. */
static int check_step(struct check *c, enum expect *next)
{
	bool may_end = *next == VALUE_OR_END || *next == NAME_OR_END ||
		       *next == COMMA_OR_END;
	if (may_end && closes(c)) {
		c->p++;
		c->depth--;
		*next = COMMA_OR_END;
		return 0;
	}
	if (*next == COMMA_OR_END) {
		if (c->depth == 0)
			return refuse(c, "something behind the value");
		if (*c->p != ',')
			return refuse(c, "no comma between two values");
		c->p++;
		*next = in_object(c) ? NAME : VALUE;
		return 0;
	}
	if (*next == NAME || *next == NAME_OR_END) {
		*next = VALUE;
		return check_name(c);
	}
	if (*c->p == '{' || *c->p == '[')
		return check_open(c, next);
	*next = COMMA_OR_END;
	return *c->p == '"' ? check_string(c) : check_scalar(c);
}

int json_check(
    const char *text, size_t len, int depth, const char **why, size_t *at)
{
	struct check c = {.p = text, .end = text + len};
	c.max = depth < JSON_DEPTH_MAX ? depth : JSON_DEPTH_MAX;
	enum expect next = VALUE;
	int rc = 0;
	for (;;) {
		check_blanks(&c);
		if (c.p == c.end)
			break;
		if ((rc = check_step(&c, &next)) != 0)
			break;
	}
	if (rc == 0 && (c.depth > 0 || next != COMMA_OR_END))
		rc = refuse(&c, len == 0 ? "nothing" : "an early end");
	if (rc != 0 && why != NULL)
		*why = c.why;
	if (rc != 0 && at != NULL)
		*at = (size_t)(c.p - text);
	return rc;
}
