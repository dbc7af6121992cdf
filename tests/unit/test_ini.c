/* INI text as Python's configparser reads it, and what it refuses. */
#include "base/buf.h"
#include "base/ini.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Writes "line section.key=<value>;" for each. */
static int note(void *ctx, int line, const char *section, const char *key,
    const char *value)
{
	if (strcmp(key, "refuse") == 0)
		return -1;
	return buf_addf(ctx, "%d %s.%s=<%s>;", line, section, key, value);
}

static void check_reads(const char *text, const char *expected)
{
	struct buf b = BUF_INIT(2000);
	char why[100] = "";
	int line = 0;
	int rc =
	    ini_parse(text, strlen(text), note, &b, &line, why, sizeof(why));
	if (rc != 0)
		fail_msg("line %d: %s", line, why);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static void reads_what_configparser_reads(void **state)
{
	(void)state;
	check_reads("", "");
	check_reads("\n# only\n; comments\n", "");
	check_reads("[a]\nk=v", "2 a.k=<v>;");
	check_reads("\xef\xbb\xbf[Server]\r\nURL = https://h:8443/p\r\n",
	    "2 server.url=<https://h:8443/p>;");
	check_reads("[a]\nk: v = w\nk2=x:y\nk3 =\n",
	    "2 a.k=<v = w>;3 a.k2=<x:y>;4 a.k3=<>;");
	check_reads("[a] ; why\nk=v # no comment\n[ b ]\nK K = 1\n",
	    "2 a.k=<v # no comment>;4 b.k k=<1>;");
	check_reads("[a]\n  k=v\n  l=w\n", "2 a.k=<v>;3 a.l=<w>;");
}

static void continues_indented_lines(void **state)
{
	(void)state;
	check_reads("[a]\nk = one\n  two\n\tthree = x\nl=1",
	    "2 a.k=<one\ntwo\nthree = x>;5 a.l=<1>;");
	check_reads(
	    "[a]\nk =\n  one\n# between\n  two\n", "2 a.k=<\none\ntwo>;");
	check_reads("[a]\nk = one\n\n  two\n\n\n[b]\nl=1\n",
	    "2 a.k=<one\n\ntwo>;8 b.l=<1>;");
	check_reads("[a]\nk = one\n  [b]\nl=2", "2 a.k=<one\n[b]>;4 a.l=<2>;");
}

static void check_refuses(const char *text, size_t len, int line)
{
	struct buf b = BUF_INIT(2000);
	char why[100] = "";
	int at = 0;
	assert_int_equal(
	    ini_parse(text, len, note, &b, &at, why, sizeof(why)), -1);
	assert_int_equal(at, line);
	assert_true(strlen(why) > 0);
	buf_release(&b);
}

static void says_what_is_wrong(void **state)
{
	(void)state;
	check_refuses("k=v", 3, 1);
	check_refuses("[a]\nk=v\nwhat", 12, 3);
	check_refuses("[a\nk=v", 6, 1);
	check_refuses("[]\n", 3, 1);
	check_refuses("[a] x\n", 6, 1);
	check_refuses("[a]\n = v", 8, 2);
	check_refuses("[a]\nk=\xff", 7, 2);
	check_refuses("[a]\nk=a\0b", 9, 2);
}

static void stops_when_the_handler_says_so(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(2000);
	char why[100] = "";
	int line = 0;
	static const char *const text[] = {
	    "[a]\nk=1\nrefuse=1\nl=1\n", "[a]\nk=1\nrefuse=1"};
	for (int i = 0; i < 2; i++) {
		buf_reset(&b);
		assert_int_equal(ini_parse(text[i], strlen(text[i]), note, &b,
				     &line, why, sizeof(why)),
		    -1);
		assert_string_equal(buf_str(&b), "2 a.k=<1>;");
		assert_string_equal(why, "");
	}
	buf_release(&b);
}

static void survives_any_cut(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf[a]\r\nk : v\r\n\r\n  w\xc3\xa9"
				   "\n;c\n[b]\nl=\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n > 0 ? n : 1);
		struct buf b = BUF_INIT(2000);
		char why[10];
		int line;
		memcpy(copy, text, n);
		ini_parse(copy, n, note, &b, &line, why, sizeof(why));
		buf_release(&b);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_configparser_reads),
	    cmocka_unit_test(continues_indented_lines),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(stops_when_the_handler_says_so),
	    cmocka_unit_test(survives_any_cut),
	};
	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
