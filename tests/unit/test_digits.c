/* Digits of hexadecimal and base64. */
#include "base/digits.h"
#include "fixture.h"
#include <string.h>

static void hexadecimal(void **state)
{
	(void)state;
	static const char digits[] = "0123456789abcdef", upper[] = "ABCDEF";
	for (int c = -128; c < 128; c++) {
		const char *p = c > 0 ? strchr(digits, c) : NULL;
		const char *q = c > 0 ? strchr(upper, c) : NULL;
		int want = p != NULL   ? (int)(p - digits)
			   : q != NULL ? (int)(q - upper) + 10
				       : -1;
		assert_int_equal(digits_hex((char)c), want);
	}
}

static void base64(void **state)
{
	(void)state;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	for (int c = -128; c < 128; c++) {
		const char *p = c > 0 ? strchr(digits, c) : NULL;
		assert_int_equal(
		    digits_base64((char)c), p != NULL ? (int)(p - digits) : -1);
	}
}

static void texts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *bytes;
		int rc;
	} cases[] = {{"", "", 0}, {"Zg==", "f", 0}, {"Zm8", "fo", 0},
	    {"Zm9v", "foo", 0}, {"/+8=", "\xff\xef", 0}, {"Z", "", 0},
	    {"Zm 9v", "foo", -1}, {"-_", "", -1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = BUF_INIT(16);
		assert_int_equal(digits_add_base64(&out, cases[i].text,
				     strlen(cases[i].text)),
		    cases[i].rc);
		assert_string_equal(buf_str(&out), cases[i].bytes);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hexadecimal),
	    cmocka_unit_test(base64),
	    cmocka_unit_test(texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
