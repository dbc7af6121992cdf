/* Addresses: what is taken apart and how, and all that must be refused. */
#include "net/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	bool tls;
	const char *host;
	uint16_t port;
	const char *path;
} good[] = {
    {"https://backup.example.com", true, "backup.example.com", 443, ""},
    {"HTTPS://Backup.Example.COM/", true, "backup.example.com", 443, ""},
    {"http://host:8080//", false, "host", 8080, ""},
    {"https://h/bbs/", true, "h", 443, "/bbs"},
    {"https://h:1/a/b%20c", true, "h", 1, "/a/b%20c"},
    {"https://192.0.2.7:65535", true, "192.0.2.7", 65535, ""},
    {"https://[2001:DB8::1]", true, "2001:db8::1", 443, ""},
    {"http://[::1]:81/x", false, "::1", 81, "/x"},
    {"https://a_b-c.x1", true, "a_b-c.x1", 443, ""},
    {"https://h/@x", true, "h", 443, "/@x"},
};

static const char *const bad[] = {
    "",
    "backup.example.com",
    "ftp://h",
    "https:/h",
    "https://",
    "https:///path",
    "https://h:",
    "https://h:0",
    "https://h:65536",
    "https://h:80x",
    "https://h:+80",
    "https://h:080808080",
    "https://user@h",
    "https://user:pw@h/",
    "https://h/?q",
    "https://h?q",
    "https://h/#f",
    "https://h /",
    " https://h",
    "https://h\n",
    "https://h/\x7f",
    "https://b\xc3\xbc"
    "cher.example",
    "https://-h",
    "https://h-.x",
    "https://a..b",
    "https://h.",
    "https://.h",
    "https://1.2.3",
    "https://1.2.3.4.5",
    "https://256.1.1.1",
    "https://0x7f000001.1",
    "https://[::1",
    "https://[::1]x",
    "https://[1.2.3.4]",
    "https://[fe80::1%25eth0]",
    "https://::1",
    "https://h/%",
    "https://h/%2",
    "https://h/%zz",
    "https://h/\"",
    "https://h/<",
    "https://h\\x",
    "https://12345678901234567890123456789012345678901234567890123456789012345."
    "x",
};

static void good_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct url u;
		const char *why = NULL;
		if (url_parse(&u, good[i].text, &why) != 0)
			fail_msg("%s: %s", good[i].text, why);
		assert_true(u.tls == good[i].tls);
		assert_string_equal(u.host, good[i].host);
		assert_int_equal(u.port, good[i].port);
		assert_string_equal(u.path, good[i].path);
	}
}

static void bad_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct url u;
		const char *why = NULL;
		if (url_parse(&u, bad[i], &why) == 0)
			fail_msg("%s was accepted", bad[i]);
		assert_non_null(why);
	}
}

static void too_long(void **state)
{
	(void)state;
	char text[2000];
	struct url u;
	const char *why;

	/* 255 bytes of host in short labels, then one more. */
	snprintf(text, sizeof(text), "https://");
	for (int i = 0; i < 127; i++)
		snprintf(text + strlen(text), 3, "a.");
	snprintf(text + strlen(text), 2, "b");
	assert_int_equal(url_parse(&u, text, &why), 0);
	snprintf(text + strlen(text), 3, "bb");
	assert_int_equal(url_parse(&u, text, &why), -1);
	snprintf(text, sizeof(text), "https://h/%0*d", URL_PATH_MAX - 1, 0);
	assert_int_equal(url_parse(&u, text, &why), 0);
	snprintf(text, sizeof(text), "https://h/%0*d", URL_PATH_MAX, 0);
	assert_int_equal(url_parse(&u, text, &why), -1);
}

static void proxies(void **state)
{
	(void)state;
	static const char *const refused[] = {"https://p:1", "http://p",
	    "http://p:1/x", "p:1", "http://u%zz@p:1", "http://u%00@p:1",
	    "http://u%4@p:1", "http://p:0", "http://u@:1", ""};
	struct url_proxy p;
	const char *why;

	assert_int_equal(url_parse_proxy(&p, "http://p.lan:3128", &why), 0);
	assert_string_equal(p.host, "p.lan");
	assert_int_equal(p.port, 3128);
	assert_string_equal(p.login, "");
	assert_int_equal(
	    url_parse_proxy(&p, "http://us%40er:p:w%2F@[::1]:8/", &why), 0);
	assert_string_equal(p.host, "::1");
	assert_string_equal(p.login, "us@er:p:w/");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (url_parse_proxy(&p, refused[i], &why) == 0)
			fail_msg("%s was accepted", refused[i]);
	}
}

static void addresses(void **state)
{
	(void)state;
	unsigned char bytes[16];

	assert_int_equal(url_address("192.0.2.1", bytes), 4);
	assert_memory_equal(bytes, "\xc0\0\2\1", 4);
	assert_int_equal(url_address("::1", bytes), 16);
	assert_int_equal(bytes[15], 1);
	assert_int_equal(url_address("localhost", bytes), 0);
	assert_int_equal(url_address("192.0.2", NULL), 0);
}

static void no_proxy(void **state)
{
	(void)state;
	const char *list = "localhost, .example.com,10.1.2.3 corp.lan";

	assert_true(url_listed(list, "localhost"));
	assert_true(url_listed(list, "a.example.com"));
	assert_true(url_listed(list, "EXAMPLE.com"));
	assert_true(url_listed(list, "10.1.2.3"));
	assert_true(url_listed(list, "x.corp.lan"));
	assert_false(url_listed(list, "badexample.com"));
	assert_false(url_listed(list, "110.1.2.3"));
	assert_false(url_listed(list, "lan"));
	assert_false(url_listed("", "h"));
	assert_false(url_listed(" , ,.", "h"));
	assert_true(url_listed("a,*", "h"));
}

static void links(void **state)
{
	(void)state;
	static const char *const refused[] = {"", "/x", "file:///etc/passwd",
	    "ftp://h/x", "https://u:p@h/", "https://u@h/", "https://h/a b",
	    "https://h/\xc3\xa4", "https://h/\r\nX: y", "https://h/<x>",
	    "https://h?x=1", "https:///x", "data:text/plain,x"};
	struct url_link l;
	const char *why;

	assert_int_equal(
	    url_parse_link(&l, "https://H.x:8/a//b?c=d&e=/../#f", &why), 0);
	assert_true(l.tls);
	assert_string_equal(l.host, "h.x");
	assert_int_equal(l.port, 8);
	assert_string_equal(l.target, "/a//b?c=d&e=/../");
	assert_int_equal(url_parse_link(&l, "http://[::1]", &why), 0);
	assert_string_equal(l.target, "/");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		why = NULL;
		if (url_parse_link(&l, refused[i], &why) == 0)
			fail_msg("%s", refused[i]);
		assert_non_null(why);
	}
}

static void joined(void **state)
{
	(void)state;
	static const struct {
		const char *location, *host, *target; /* NULL: refused */
	} cases[] = {
	    {"https://other:9/x?y", "other", "/x?y"},
	    {"http://other", "other", "/"},
	    {"//other/x", "other", "/x"},
	    {"/x/../y/./z", "h", "/y/z"},
	    {"/../../x", "h", "/x"},
	    {"/x/..", "h", "/"},
	    {"/x/.", "h", "/x/"},
	    {"z", "h", "/a/z"},
	    {"./z?q=../r", "h", "/a/z?q=../r"},
	    {"../z", "h", "/z"},
	    {"../../../z", "h", "/z"},
	    {"?q", "h", "/a/b?q"},
	    {"#f", "h", "/a/b"},
	    {"", "h", "/a/b"},
	    {"/x#f", "h", "/x"},
	    {"z/a:b", "h", "/a/z/a:b"},
	    {"file:///etc/passwd", NULL, NULL},
	    {"javascript:x", NULL, NULL},
	    {"//u@h/x", NULL, NULL},
	    {"/a b", NULL, NULL},
	    {"/a\tb", NULL, NULL},
	};
	const char *why;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url_link l;
		assert_int_equal(
		    url_parse_link(&l, "https://h/a/b?c/d", &why), 0);
		int rc = url_join(&l, cases[i].location, &why);
		if ((rc == 0) != (cases[i].host != NULL))
			fail_msg("%s", cases[i].location);
		if (rc != 0) {
			assert_string_equal(l.target, "/a/b?c/d");
			continue;
		}
		assert_string_equal(l.host, cases[i].host);
		assert_string_equal(l.target, cases[i].target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_ones),
	    cmocka_unit_test(bad_ones),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(proxies),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(no_proxy),
	    cmocka_unit_test(links),
	    cmocka_unit_test(joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
