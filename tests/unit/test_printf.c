/*
 * vendor/musl/src/stdio/vfprintf.c, which takes the place of musl's in the
 * program, against the printf of this host.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../vendor/musl/src/stdio/vfprintf.c"

static struct stream out;

static size_t flush(struct stream *f, const unsigned char *bytes, size_t len)
{
	(void)bytes;
	f->wpos = f->buf;
	return len;
}

size_t __fwritex(const unsigned char *bytes, size_t len, struct stream *f)
{
	assert_true(f->len + len < sizeof(f->text));
	memcpy(f->text + f->len, bytes, len);
	f->len += len;
	return len;
}

int __towrite(struct stream *f)
{
	f->wpos = f->wbase = f->wend = f->buf;
	return 0;
}

static int own(const char *format, ...)
{
	va_list ap;
	int n;

	out = (struct stream){.write = flush};
	va_start(ap, format);
	n = own_vfprintf(&out, format, ap);
	va_end(ap);
	return n;
}

/* Both print the same arguments. */
#define SAME(...)                                                         \
	do {                                                              \
		char host[sizeof(out.text)];                              \
		int host_len = snprintf(host, sizeof(host), __VA_ARGS__); \
		assert_int_equal(own(__VA_ARGS__), host_len);             \
		assert_string_equal(out.text, host);                      \
	} while (0)

static void integer(const char *format, const char *size, long long value)
{
	if (strcmp(size, "ll") == 0)
		SAME(format, value);
	else if (strcmp(size, "j") == 0)
		SAME(format, (intmax_t)value);
	else if (strcmp(size, "l") == 0)
		SAME(format, (long)value);
	else if (strcmp(size, "z") == 0)
		SAME(format, (size_t)value);
	else if (strcmp(size, "t") == 0)
		SAME(format, (ptrdiff_t)value);
	else
		SAME(format, (int)value);
}

static void test_integers(void **state)
{
	static const char *const flag[] = {"", "-", "0", "-0"};
	static const char *const width[] = {"", "1", "4", "23"};
	static const char *const precision[] = {"", ".0", ".1", ".5", ".25"};
	static const char *const size[] = {
	    "hh", "h", "", "l", "ll", "j", "z", "t"};
	static const long long value[] = {0, 1, -1, 7, 8, 255, 256, -128, 65535,
	    INT_MAX, INT_MIN, UINT_MAX, LLONG_MAX, LLONG_MIN};
	char format[40];

	(void)state;
	for (unsigned n = 0; n < 4 * 4 * 5 * 8 * 6 * 14; n++) {
		snprintf(format, sizeof(format), "<%%%s%s%s%s%c>", flag[n % 4],
		    width[n / 4 % 4], precision[n / 16 % 5], size[n / 80 % 8],
		    "diuxXo"[n / 640 % 6]);
		integer(format, size[n / 80 % 8], value[n / 3840]);
	}
}

static void test_texts(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%s", "");
	SAME("[%s] [%5s] [%-5s] [%.2s] [%7.3s]", "a", "bc", "def", "ghi",
	    "jklm");
	SAME("[%*s] [%*s] [%.*s]", 6, "right", -6, "left", 3, "cut short");
	SAME("%c%3c%-3c|%%", 'x', 'y', 'z');
	SAME("%p", (void *)&out);
	errno = ENOENT;
	SAME("%s: %m", "/etc/none");
	/* What is not terminated is not read any further. */
	SAME("%.3s", (const char[3]){'a', 'b', 'c'});
	assert_int_equal(own("%s", NULL), 6);
	assert_string_equal(out.text, "(null)");
}

static void test_what_is_not_known(void **state)
{
	static const char *const format[] = {
	    "%f", "%n", "%+d", "%1$d", "%", "%5"};

	(void)state;
	for (unsigned i = 0; i < sizeof(format) / sizeof(format[0]); i++) {
		errno = 0;
		assert_int_equal(own(format[i], 1), -1);
		assert_int_equal(errno, EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_integers),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
