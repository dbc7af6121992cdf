/*
 * Addresses as users write them: strict, because a typing error must show at
 * once and not as a request to the wrong place. Refused: user information
 * (but in a proxy's address, where it is meant), queries, fragments, blanks,
 * names that are neither a host name nor an address, and bytes that are not
 * ASCII.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
	bool tls;		     /* https */
	char host[URL_HOST_MAX + 1]; /* lower case, without brackets */
	uint16_t port;		     /* given, or 443 / 80 */
	char path[URL_PATH_MAX + 1]; /* "" or "/path", no slash at the end */
};

/* http(s)://host[:port][/path]. 0, or -1 with *why, a fragment such as
 * "the port must be 1 to 65535". */
int url_parse(struct url *u, const char *text, const char **why);

/* The address of a file: a query may follow the path. */
struct url_link {
	bool tls;
	char host[URL_HOST_MAX + 1];
	uint16_t port;
	char target[URL_LINK_MAX + 1]; /* "/path?query", no fragment */
};

/* http(s)://host[:port][/path][?query]. 0, or -1 with *why. */
int url_parse_link(struct url_link *l, const char *text, const char **why);
/* Where a redirect to `location` (absolute or relative) leads from l, which
 * is replaced. 0, or -1 with *why and l as it was. */
int url_join(struct url_link *l, const char *location, const char **why);

struct url_proxy {
	char host[URL_HOST_MAX + 1];
	uint16_t port;
	/* "user:password" with its %XX decoded, or "" */
	char login[URL_LOGIN_MAX + 1];
};

/* http://[user:password@]host:port[/]. 0, or -1 with *why. The caller wipes
 * login after use. */
int url_parse_proxy(struct url_proxy *p, const char *text, const char **why);

/* Is host an IPv4 or IPv6 address? Its bytes go to out (16 at most) unless
 * NULL. Returns their number (4, 16), 0 when it is a name. */
size_t url_address(const char *host, unsigned char *out);
/* Does a list such as "localhost, .example.com, 10.1.2.3" name the host? A
 * name matches itself and what lies below it; "*" matches everything. */
bool url_listed(const char *list, const char *host);

#endif
