/*
 * See der.h. Every read is bounded by the run it reads from, so an element
 * can never reach beyond the one that holds it.
 */
#include "net/der.h"
#include "net/date.h"
#include <string.h>

/* The length's bytes: 0 with *len, or -1. At most two follow the first, since
 * nothing that we read is over 64 KiB; a third is allowed for whole chains. */
static int der_length(struct der *d, size_t *len)
{
	size_t n, value = 0;

	if (d->len == 0)
		return -1;
	n = *d->p;
	d->p++;
	d->len--;
	if (n < 0x80) {
		*len = n;
		return 0;
	}
	n &= 0x7f;
	if (n == 0 || n > 3 || n > d->len || d->p[0] == 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | d->p[i];
	if (value < 0x80)
		return -1;
	d->p += n;
	d->len -= n;
	*len = value;
	return 0;
}

int der_any(struct der *d, unsigned *tag, struct der *value, struct der *whole)
{
	struct der rest = *d;
	size_t len;

	if (rest.len == 0 || (rest.p[0] & 0x1f) == 0x1f)
		return -1;
	*tag = rest.p[0];
	rest.p++;
	rest.len--;
	if (der_length(&rest, &len) != 0 || len > rest.len)
		return -1;
	value->p = rest.p;
	value->len = len;
	rest.p += len;
	rest.len -= len;
	if (whole != NULL) {
		whole->p = d->p;
		whole->len = d->len - rest.len;
	}
	*d = rest;
	return 0;
}

int der_get(struct der *d, unsigned tag, struct der *value)
{
	unsigned found;
	struct der rest = *d;

	if (der_any(&rest, &found, value, NULL) != 0 || found != tag)
		return -1;
	*d = rest;
	return 0;
}

int der_optional(struct der *d, unsigned tag, struct der *value)
{
	if (d->len == 0 || d->p[0] != tag)
		return 0;
	return der_get(d, tag, value) == 0 ? 1 : -1;
}

bool der_equal(const struct der *a, const struct der *b)
{
	return der_is(a, b->p, b->len);
}

bool der_is(const struct der *a, const void *bytes, size_t len)
{
	return a->len == len && (len == 0 || memcmp(a->p, bytes, len) == 0);
}

int der_boolean(const struct der *value)
{
	if (value->len != 1 || (value->p[0] != 0 && value->p[0] != 0xff))
		return -1;
	return value->p[0] != 0;
}

int der_positive(const struct der *value, struct der *out)
{
	*out = *value;
	if (out->len == 0 || (out->p[0] & 0x80) != 0)
		return -1;
	if (out->p[0] == 0 && out->len > 1) {
		if ((out->p[1] & 0x80) == 0)
			return -1;
		out->p++;
		out->len--;
	}
	return 0;
}

int der_small(const struct der *value, uint32_t *out)
{
	struct der digits;
	uint32_t n = 0;

	if (der_positive(value, &digits) != 0 || digits.len > 4)
		return -1;
	for (size_t i = 0; i < digits.len; i++)
		n = n << 8 | digits.p[i];
	*out = n;
	return 0;
}

int der_whole_bits(const struct der *value, struct der *out)
{
	if (value->len < 1 || value->p[0] != 0)
		return -1;
	out->p = value->p + 1;
	out->len = value->len - 1;
	return 0;
}

static int der_two(const unsigned char *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

int der_time(struct der *d, int64_t *seconds)
{
	struct der value;
	int year;

	if (der_get(d, DER_UTC_TIME, &value) == 0) {
		if (value.len != 13 || der_two(value.p) < 0)
			return -1;
		year = der_two(value.p);
		year += year < 50 ? 2000 : 1900;
		value.p += 2;
	} else {
		if (der_get(d, DER_TIME, &value) != 0 || value.len != 15 ||
		    der_two(value.p) < 0 || der_two(value.p + 2) < 0)
			return -1;
		year = der_two(value.p) * 100 + der_two(value.p + 2);
		value.p += 4;
	}
	if (value.p[10] != 'Z')
		return -1;
	*seconds = date_seconds(year, der_two(value.p), der_two(value.p + 2),
	    der_two(value.p + 4), der_two(value.p + 6), der_two(value.p + 8));
	return *seconds == INT64_MIN ? -1 : 0;
}
