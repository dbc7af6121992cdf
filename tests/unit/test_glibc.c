/* The host's glibc, and bytes that look like one. */
#include "bbs/glibc.h"
#include "fixture.h"
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exactly these bytes, so that reading beyond is noticed. */
static int scan(const char *bytes, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	memcpy(copy, bytes, len);
	int version = glibc_scan(copy, len);
	free(copy);
	return version;
}

#define SCAN(text) scan(text, sizeof(text) - 1)

static void banners(void **state)
{
	(void)state;
	assert_int_equal(SCAN("\0\0GNU C Library (Debian GLIBC 2.36-9) stable "
			      "release version 2.36.\nCopyright\0GLIBC_2.39\0"),
	    2036);
	assert_int_equal(SCAN("release version 2.3.4, by Roland"), 2003);
	assert_int_equal(SCAN("release version 2.36.9000."), 2036);
	assert_int_equal(SCAN("release version 2.4"), 2004);
	assert_int_equal(SCAN("release version 2.100"), 2100);
	/* No version in it: the symbols decide. */
	assert_int_equal(SCAN("release version x.\0GLIBC_2.17\0"), 2017);
	assert_int_equal(SCAN("release version 3.1\0GLIBC_2.17\0"), 2017);
	assert_int_equal(SCAN("release version 2."), 0);
	assert_int_equal(SCAN("release version 2"), 0);
	assert_int_equal(SCAN("release version "), 0);
}

static void symbols(void **state)
{
	(void)state;
	assert_int_equal(SCAN("GLIBC_2.2.5\0GLIBC_2.17\0GLIBC_2.9\0"), 2017);
	assert_int_equal(SCAN("GLIBC_2.4\0GLIBC_2.31"), 2031);
	assert_int_equal(SCAN("GLIBC_2.3"), 2003);
	assert_int_equal(SCAN("GLIBC_2."), 0);
	assert_int_equal(SCAN("GLIBC_2.x\0GLIBC_PRIVATE\0"), 0);
	assert_int_equal(SCAN("GLIBC_3.1"), 0);
	assert_int_equal(SCAN("GLIBC_2.99999999999999999999999") < 3000, 1);
}

static void no_glibc(void **state)
{
	(void)state;
	assert_int_equal(SCAN(""), 0);
	assert_int_equal(SCAN("musl libc (x86_64)\nVersion 1.2.3\n"), 0);
	assert_int_equal(SCAN("GLIBCXX_3.4.30\0GLIBC"), 0);
	char zeros[4096] = {0};
	assert_int_equal(scan(zeros, sizeof(zeros)), 0);
}

static void this_host(void **state)
{
	(void)state;
	/* This program is linked to it: "2.36". */
	char want[32], found[32] = "";
	int major = 0, minor = 0;
	sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
	snprintf(want, sizeof(want), "glibc%d%d", major, minor);
	glibc_version(found, sizeof(found));
	assert_string_equal(found, want);
	/* Never more than there is room for. */
	char small[4] = "zzz";
	glibc_version(small, sizeof(small));
	assert_string_equal(small, "gli");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(banners),
	    cmocka_unit_test(symbols),
	    cmocka_unit_test(no_glibc),
	    cmocka_unit_test(this_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
