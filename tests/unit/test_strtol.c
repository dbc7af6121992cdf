/*
 * vendor/musl/src/stdlib/strtol.c, which takes the place of musl's in the
 * program, against that of this host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define strtol own_strtol
#define strtoul own_strtoul
#define strtoll own_strtoll
#define strtoull own_strtoull
long strtol(const char *text, char **end, int base);
unsigned long strtoul(const char *text, char **end, int base);
long long strtoll(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
/* Its interface takes const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "../../vendor/musl/src/stdlib/strtol.c"
#undef strtol
#undef strtoul
#undef strtoll
#undef strtoull

#define SAME(function)                                              \
	do {                                                        \
		char *end = NULL, *own_end = NULL;                  \
		errno = 0;                                          \
		assert_true(own_##function(text, &own_end, base) == \
			    function(text, &end, base));            \
		assert_ptr_equal(own_end, end);                     \
	} while (0)

static void same(const char *text, int base)
{
	int host;

	errno = 0;
	(void)strtol(text, NULL, base);
	host = errno;
	errno = 0;
	(void)own_strtol(text, NULL, base);
	assert_int_equal(errno == ERANGE, host == ERANGE);
	SAME(strtol);
	SAME(strtoul);
	SAME(strtoll);
	SAME(strtoull);
}

static void test_texts(void **state)
{
	static const char *const text[] = {"", " ", "-", "+", "0", "00", "08",
	    "0x", "0x1F", "0Xg", "x", "1", " \t\n42 ", "-1", "+7", "--1", "- 1",
	    "12ab", "zz", "9223372036854775807", "9223372036854775808",
	    "-9223372036854775808", "-9223372036854775809",
	    "18446744073709551615", "18446744073709551616",
	    "-18446744073709551615", "99999999999999999999999", "fffffffff",
	    "7fffffffffffffff", "ffffffffffffffff", "10000000000000000"};
	static const int base[] = {0, 2, 8, 10, 16, 36};

	(void)state;
	for (unsigned i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		for (unsigned k = 0; k < sizeof(base) / sizeof(base[0]); k++)
			same(text[i], base[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
