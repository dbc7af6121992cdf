/*
 * The parser of addresses. One pass from left to right over the text, each
 * piece judged where it is cut out; nothing is repaired and nothing guessed.
 */
#include "net/url.h"
#include "base/digits.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool url_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

size_t url_address(const char *host, unsigned char *out)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, host, bytes) == 1) {
		if (out != NULL)
			memcpy(out, bytes, 4);
		return 4;
	}
	if (inet_pton(AF_INET6, host, bytes) == 1) {
		if (out != NULL)
			memcpy(out, bytes, 16);
		return 16;
	}
	return 0;
}

/* Letters, digits, hyphens, underscores in labels of 1 to 63; the last label
 * must not be a number, or resolvers would read "10.1" as an address. */
static bool url_name_check(const char *host)
{
	size_t label = 0;
	bool digits = true;

	for (const char *p = host; *p != '\0'; p++) {
		if (*p == '.') {
			if (label == 0 || p[-1] == '-')
				return false;
			label = 0;
			digits = true;
			continue;
		}
		if (!url_alnum(*p) && *p != '-' && *p != '_')
			return false;
		if (label == 0 && *p == '-')
			return false;
		if (*p < '0' || *p > '9')
			digits = false;
		if (++label > 63)
			return false;
	}
	return label > 0 && !digits;
}

/* Cuts "host" or "[v6]" from *text into host (lower case). */
static int url_host(const char **text, char *host, const char **why)
{
	const char *p = *text;
	bool bracket = *p == '[';
	size_t len;

	if (bracket) {
		p++;
		len = strcspn(p, "]/");
		if (p[len] != ']') {
			*why = "the bracket of the IPv6 address is not closed";
			return -1;
		}
	} else {
		len = strcspn(p, ":/");
	}
	if (len == 0 || len > URL_HOST_MAX) {
		*why =
		    len == 0 ? "the host is missing" : "the host is too long";
		return -1;
	}
	for (size_t i = 0; i < len; i++)
		host[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
	host[len] = '\0';
	*text = p + len + (bracket ? 1 : 0);
	if (bracket ? url_address(host, NULL) == 16
		    : (url_address(host, NULL) == 4 || url_name_check(host)))
		return 0;
	*why = bracket ? "what stands in brackets is no IPv6 address"
		       : "the host is neither a name nor an address (write "
			 "IPv6 in brackets, other alphabets as xn--)";
	return -1;
}

/* Reads ":port" when there is one. */
static int url_port(const char **text, uint16_t *port, const char **why)
{
	char digits[8];
	uint64_t value;
	size_t len;

	if (**text != ':')
		return 0;
	len = strcspn(*text + 1, "/");
	if (len < sizeof(digits)) {
		memcpy(digits, *text + 1, len);
		digits[len] = '\0';
		if (text_to_u64(digits, 1, 65535, &value) == 0) {
			*port = (uint16_t)value;
			*text += 1 + len;
			return 0;
		}
	}
	*why = "the port must be 1 to 65535";
	return -1;
}

static int url_path(const char *text, char *path, const char **why)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '/')
		len--;
	if (len > URL_PATH_MAX) {
		*why = "the path is too long";
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && digits_hex(text[i + 1]) >= 0 &&
		    digits_hex(text[i + 2]) >= 0)
			continue;
		if (url_alnum(text[i]) ||
		    strchr("/-._~!$&'()*+,;=:@", text[i]) != NULL)
			continue;
		*why = "the path has a character that does not belong there";
		return -1;
	}
	memcpy(path, text, len);
	path[len] = '\0';
	return 0;
}

/* Skips the scheme; what cannot stand anywhere in an address ends it here. */
static int url_scheme(const char **text, bool *tls, const char **why)
{
	for (const char *p = *text; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) {
			*why = "it has a blank, a control character or one "
			       "that is not ASCII";
			return -1;
		}
	}
	if (strncasecmp(*text, "https://", 8) == 0) {
		*tls = true;
		*text += 8;
		return 0;
	}
	if (strncasecmp(*text, "http://", 7) == 0) {
		*tls = false;
		*text += 7;
		return 0;
	}
	*why = "it must begin with https:// or http://";
	return -1;
}

int url_parse(struct url *u, const char *text, const char **why)
{
	memset(u, 0, sizeof(*u));
	if (url_scheme(&text, &u->tls, why) != 0)
		return -1;
	if (strpbrk(text, "?#") != NULL) {
		*why = "it must end before ? and #";
		return -1;
	}
	if (memchr(text, '@', strcspn(text, "/")) != NULL) {
		*why = "it must not hold a user or a password";
		return -1;
	}
	u->port = u->tls ? 443 : 80;
	if (url_host(&text, u->host, why) != 0 ||
	    url_port(&text, &u->port, why) != 0)
		return -1;
	if (*text != '\0' && *text != '/') {
		*why = "only a port or a path may follow the host";
		return -1;
	}
	return url_path(text, u->path, why);
}

/* Path and query up to a fragment; the path may be missing. */
static int url_target(const char *text, char *target, const char **why)
{
	size_t len = strcspn(text, "#");
	size_t slash = *text == '/' ? 0 : 1;

	if (slash + len > URL_LINK_MAX) {
		*why = "it is too long";
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (strchr("\"<>\\", text[i]) != NULL) {
			*why = "it has a character that does not belong there";
			return -1;
		}
	}
	target[0] = '/';
	memcpy(target + slash, text, len);
	target[slash + len] = '\0';
	return 0;
}

int url_parse_link(struct url_link *l, const char *text, const char **why)
{
	struct url_link new;

	memset(&new, 0, sizeof(new));
	if (url_scheme(&text, &new.tls, why) != 0)
		return -1;
	if (memchr(text, '@', strcspn(text, "/?#")) != NULL) {
		*why = "a user or a password in it is not sent";
		return -1;
	}
	new.port = new.tls ? 443 : 80;
	if (url_host(&text, new.host, why) != 0 ||
	    url_port(&text, &new.port, why) != 0)
		return -1;
	if (*text != '\0' && *text != '/') {
		*why = "only a port or a path may follow the host";
		return -1;
	}
	if (url_target(text, new.target, why) != 0)
		return -1;
	*l = new;
	return 0;
}

/* Takes "." and ".." out of the path, in place. */
static void url_undot(char *target)
{
	size_t path = strcspn(target, "?");
	char *end = target + path, *out = target;
	const char *in = target;

	while (in < end) {
		/* *in is a slash: a segment and what stands before it */
		size_t len = 1 + strcspn(in + 1, "/?");
		bool last = in + len >= end;
		bool up = len == 3 && memcmp(in, "/..", 3) == 0;
		if (up || (len == 2 && in[1] == '.')) {
			while (up && out > target && *--out != '/')
				;
			if (last)
				*out++ = '/';
		} else {
			memmove(out, in, len);
			out += len;
		}
		in += len;
	}
	memmove(out, end, strlen(end) + 1);
}

/* Is it an address with a scheme, whichever? */
static bool url_has_scheme(const char *text)
{
	size_t len = strcspn(text, ":/?#");

	return len > 0 && text[len] == ':';
}

int url_join(struct url_link *l, const char *location, const char **why)
{
	char text[2 * URL_LINK_MAX + 2];
	size_t keep = 0, len = strlen(location);

	for (size_t i = 0; i < len; i++) {
		if (location[i] <= ' ' || location[i] >= 0x7f) {
			*why = "it has a blank or a character that is not "
			       "ASCII";
			return -1;
		}
	}
	if (len > URL_LINK_MAX) {
		*why = "it is too long";
		return -1;
	}
	if (url_has_scheme(location))
		return url_parse_link(l, location, why);
	if (location[0] == '/' && location[1] == '/') {
		snprintf(text, sizeof(text), "%s:%s", l->tls ? "https" : "http",
		    location);
		return url_parse_link(l, text, why);
	}
	/* What stands before it stays: nothing, the path, its directory. */
	if (location[0] != '/')
		keep = strcspn(l->target, "?");
	while (keep > 0 && location[0] != '?' && location[0] != '#' &&
	       location[0] != '\0' && l->target[keep - 1] != '/')
		keep--;
	memcpy(text, l->target, keep);
	memcpy(text + keep, location, len + 1);
	text[strcspn(text, "#")] = '\0';
	url_undot(text);
	return url_target(text, l->target, why);
}

/* Decodes "user:password" (len bytes) into login. */
static int url_login(const char *text, size_t len, char *login)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 2 < len ? digits_hex(text[i + 1]) : -1;
			int low = high >= 0 ? digits_hex(text[i + 2]) : -1;
			if (low < 0 || (high == 0 && low == 0))
				return -1;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (n == URL_LOGIN_MAX)
			return -1;
		login[n++] = c;
	}
	login[n] = '\0';
	return 0;
}

int url_parse_proxy(struct url_proxy *p, const char *text, const char **why)
{
	bool tls = false;
	const char *at;

	memset(p, 0, sizeof(*p));
	if (url_scheme(&text, &tls, why) != 0)
		return -1;
	if (tls) {
		*why = "a proxy is spoken to in plain HTTP: write http://";
		return -1;
	}
	at = strrchr(text, '@');
	if (at != NULL) {
		if (url_login(text, (size_t)(at - text), p->login) != 0) {
			*why = "the proxy's user and password cannot be read "
			       "(special characters are written %XX)";
			return -1;
		}
		text = at + 1;
	}
	p->port = 0;
	if (url_host(&text, p->host, why) != 0 ||
	    url_port(&text, &p->port, why) != 0)
		return -1;
	if (p->port == 0) {
		*why = "the proxy's port is missing";
		return -1;
	}
	if (*text != '\0' && strcmp(text, "/") != 0) {
		*why = "nothing may follow the proxy's port";
		return -1;
	}
	return 0;
}

bool url_listed(const char *list, const char *host)
{
	size_t host_len = strlen(host);

	while (*list != '\0') {
		size_t len;
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == 1 && *list == '*')
			return true;
		const char *name = list;
		list += len;
		if (len > 0 && *name == '.') {
			name++;
			len--;
		}
		if (len == 0 || len > host_len ||
		    strncasecmp(host + host_len - len, name, len) != 0)
			continue;
		if (len == host_len || host[host_len - len - 1] == '.')
			return true;
	}
	return false;
}
