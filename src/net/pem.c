/* See pem.h. Base64 of four letters a time; blanks anywhere are skipped. */
#include "net/pem.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "

void pem_init(struct pem *r, const char *text, size_t len)
{
	r->p = text;
	r->left = len;
}

/* What each character stands for: 0 to 63, or one of these. */
enum { PEM_PAD = 64, PEM_BLANK = 65, PEM_BAD = 66 };
/* clang-format off */
static const unsigned char pem_values[128] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 65, 65, 66, 66, 65, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    65, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 64, 66, 66,
    66, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66, 66,
    66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
};
/* clang-format on */

static unsigned pem_value(char c)
{
	return (unsigned char)c < 128 ? pem_values[(unsigned char)c] : PEM_BAD;
}

/* Decodes whole groups of four digits as long as there are any: how many
 * characters that were. */
static size_t pem_groups(
    const char *text, size_t len, unsigned char *dst, size_t *n)
{
	size_t i;

	for (i = 0; i + 4 <= len; i += 4) {
		unsigned a = pem_value(text[i]), b = pem_value(text[i + 1]);
		unsigned c = pem_value(text[i + 2]), d = pem_value(text[i + 3]);
		if ((a | b | c | d) >= PEM_PAD)
			break;
		dst[(*n)++] = (unsigned char)(a << 2 | b >> 4);
		dst[(*n)++] = (unsigned char)(b << 4 | c >> 2);
		dst[(*n)++] = (unsigned char)(c << 6 | d);
	}
	return i;
}

static int pem_decode(const char *text, size_t len, struct buf *out)
{
	/* Three bytes for four letters; never more. */
	unsigned char *dst;
	size_t n = 0, pads = 0, digits = 0;
	uint32_t group = 0;

	buf_reset(out);
	dst = (unsigned char *)buf_space(out, len / 4 * 3 + 3);
	if (dst == NULL)
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned value;
		if (digits % 4 == 0 && pads == 0)
			i += pem_groups(text + i, len - i, dst, &n);
		value = i < len ? pem_value(text[i]) : PEM_BLANK;
		if (value == PEM_BLANK)
			continue;
		if (value == PEM_BAD || (value != PEM_PAD && pads > 0))
			return -1;
		pads += value == PEM_PAD;
		group = group << 6 | (value & 63);
		if (++digits % 4 != 0)
			continue;
		dst[n++] = (unsigned char)(group >> 16);
		dst[n++] = (unsigned char)(group >> 8);
		dst[n++] = (unsigned char)group;
	}
	if (digits % 4 != 0 || pads > 2 || n <= pads)
		return -1;
	buf_grow(out, n - pads);
	return 0;
}

static const char *pem_find(const char *p, size_t left, const char *what)
{
	return memmem(p, left, what, strlen(what));
}

/* Is this the label of a certificate, dashes included? */
static bool pem_is_certificate(const char *label, const char *end)
{
	static const char *const labels[] = {
	    "CERTIFICATE-----", "X509 CERTIFICATE-----"};

	for (int i = 0; i < 2; i++) {
		size_t n = strlen(labels[i]);
		if ((size_t)(end - label) >= n &&
		    memcmp(label, labels[i], n) == 0)
			return true;
	}
	return false;
}

int pem_next(struct pem *r, struct buf *out)
{
	for (;;) {
		const char *stop = r->p + r->left;
		const char *begin = pem_find(r->p, r->left, PEM_BEGIN);
		const char *body, *end;
		if (begin == NULL)
			return 0;
		begin += strlen(PEM_BEGIN);
		body = memchr(begin, '\n', (size_t)(stop - begin));
		end = body == NULL
			  ? NULL
			  : pem_find(body, (size_t)(stop - body), PEM_END);
		r->p = end == NULL ? stop : end + strlen(PEM_END);
		r->left = (size_t)(stop - r->p);
		if (!pem_is_certificate(begin, stop))
			continue;
		if (end == NULL)
			return -1;
		return pem_decode(body, (size_t)(end - body), out) == 0 ? 1
									: -1;
	}
}
