/* Addresses: of the server, of files and where they redirect to, of proxies;
 * lists of hosts. */
#include "fuzz.h"
#include "net/url.h"
#include <stdlib.h>
#include <string.h>

/* Nothing that could end a line of the request's head. */
static void plain(const char *text)
{
	for (; *text != '\0'; text++)
		FUZZ_HOLDS((unsigned char)*text > ' ' && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct url u;
	static struct url_link l, base;
	static struct url_proxy p;
	char *text = fuzz_text(data, len);
	const char *why = NULL;
	unsigned char address[16];
	if (url_parse(&u, text, &why) == 0) {
		plain(u.host);
		plain(u.path);
		FUZZ_HOLDS(u.host[0] != '\0' && u.port != 0);
		url_address(u.host, address);
	} else {
		FUZZ_HOLDS(why != NULL);
	}
	if (url_parse_link(&l, text, &why) == 0) {
		plain(l.host);
		plain(l.target);
		FUZZ_HOLDS(l.target[0] == '/');
	}
	FUZZ_HOLDS(url_parse_link(&base, "https://a.example/b/c?d", &why) == 0);
	if (url_join(&base, text, &why) == 0) {
		plain(base.host);
		plain(base.target);
		FUZZ_HOLDS(base.target[0] == '/');
	}
	if (url_parse_proxy(&p, text, &why) == 0)
		plain(p.host);
	url_listed(text, "a.example");
	url_listed("a.example,.b,*", text);
	url_address(text, address);
	free(text);
	return 0;
}
