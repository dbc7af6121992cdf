/*
 * See names.h. A name of a certificate is untrusted text: it is compared by
 * length and never as a C string.
 */
#include "net/names.h"
#include "base/limits.h"
#include "base/text.h"
#include "net/url.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Kinds of GeneralName */
#define NAMES_DNS DER_PLAIN(2)
#define NAMES_ADDRESS DER_PLAIN(7)

static bool names_equal(const char *a, const char *b, size_t len)
{
	return strncasecmp(a, b, len) == 0 && memchr(a, '\0', len) == NULL;
}

bool names_match(const char *pattern, size_t len, const char *host)
{
	size_t host_len = strlen(host);
	const char *dot;

	if (len == host_len && len > 0 && memchr(pattern, '*', len) == NULL)
		return names_equal(pattern, host, len);
	if (len < 5 || pattern[0] != '*' || pattern[1] != '.' ||
	    memchr(pattern + 1, '*', len - 1) != NULL)
		return false;
	/* "*.example.com" has a dot inside its rest, "*.com" has none. */
	if (memchr(pattern + 2, '.', len - 2) == NULL ||
	    pattern[len - 1] == '.' || pattern[2] == '.')
		return false;
	dot = strchr(host, '.');
	if (dot == NULL || dot == host)
		return false;
	return strlen(dot) == len - 1 && names_equal(pattern + 1, dot, len - 1);
}

bool names_check(const struct cert *c, const char *host)
{
	unsigned char address[16];
	size_t address_len = url_address(host, address);
	struct der list = c->alt_names, value;
	unsigned tag;

	while (list.len > 0) {
		if (der_any(&list, &tag, &value, NULL) != 0)
			return false;
		if (address_len > 0 && tag == NAMES_ADDRESS &&
		    der_is(&value, address, address_len))
			return true;
		if (address_len == 0 && tag == NAMES_DNS &&
		    names_match((const char *)value.p, value.len, host))
			return true;
	}
	return false;
}

void names_list(struct buf *out, const struct cert *c)
{
	struct der list = c->alt_names, value;
	unsigned tag;
	int shown = 0;

	while (list.len > 0 && der_any(&list, &tag, &value, NULL) == 0) {
		char text[INET6_ADDRSTRLEN] = "";
		if (tag != NAMES_DNS && tag != NAMES_ADDRESS)
			continue;
		if (shown == 4) {
			buf_adds(out, ", …");
			return;
		}
		buf_adds(out, shown++ > 0 ? ", " : "");
		if (tag == NAMES_DNS) {
			size_t len = value.len < 100 ? value.len : 100;
			struct buf name = BUF_INIT(512);
			text_add_utf8(&name, (const char *)value.p, len);
			text_add_escaped(out, buf_str(&name), name.len);
			buf_release(&name);
		} else if (value.len == 4 || value.len == 16) {
			inet_ntop(value.len == 4 ? AF_INET : AF_INET6, value.p,
			    text, sizeof(text));
			buf_adds(out, text);
		}
	}
	if (shown == 0)
		buf_adds(out, "no name at all");
}

/* Does a DNS name lie at or below base ("" is everything)? */
static bool names_below(const struct der *name, const struct der *base)
{
	const char *n = (const char *)name->p;
	const char *b = (const char *)base->p;

	if (base->len == 0)
		return true;
	if (base->len > name->len ||
	    !names_equal(n + name->len - base->len, b, base->len))
		return false;
	return base->len == name->len || b[0] == '.' ||
	       n[name->len - base->len - 1] == '.';
}

/* Does an address lie in base, an address and its mask? */
static bool names_inside(const struct der *address, const struct der *base)
{
	size_t len = address->len;

	if (base->len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned mask = base->p[len + i];
		if ((address->p[i] & mask) != (base->p[i] & mask))
			return false;
	}
	return true;
}

/*
 * One name against a list of subtrees: 1 inside one, 0 inside none of its
 * kind, 2 when the list has no subtree of its kind, -1 malformed.
 */
static int names_subtrees(
    struct der list, unsigned tag, const struct der *name, int *budget)
{
	struct der tree, base;
	unsigned kind;
	int found = 2;

	while (list.len > 0) {
		if (--*budget < 0 || der_get(&list, DER_SEQUENCE, &tree) != 0 ||
		    der_any(&tree, &kind, &base, NULL) != 0 || tree.len != 0)
			return -1;
		if (kind != tag)
			continue;
		if (tag == NAMES_ADDRESS && base.len != 8 && base.len != 32)
			return -1;
		if (tag == NAMES_DNS ? names_below(name, &base)
				     : names_inside(name, &base))
			return 1;
		found = 0;
	}
	return found;
}

bool names_allowed(const struct der *constraints, const struct cert *c)
{
	struct der d = *constraints, permitted = {0}, excluded = {0};
	struct der list = c->alt_names, name;
	int budget = NAMES_CHECKS_MAX;
	unsigned tag;

	if (der_optional(&d, DER_CONTEXT(0), &permitted) < 0 ||
	    der_optional(&d, DER_CONTEXT(1), &excluded) < 0 || d.len != 0)
		return false;
	while (list.len > 0) {
		int said;
		if (der_any(&list, &tag, &name, NULL) != 0)
			return false;
		if (tag != NAMES_DNS && tag != NAMES_ADDRESS)
			continue;
		said = names_subtrees(permitted, tag, &name, &budget);
		if (said == 0 || said < 0)
			return false;
		said = names_subtrees(excluded, tag, &name, &budget);
		if (said == 1 || said < 0)
			return false;
	}
	return true;
}
