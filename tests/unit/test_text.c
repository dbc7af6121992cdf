/* UTF-8 judged byte by byte, cuts, escapes, strict numbers, amounts. */
#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The definition, written the long way. */
static bool decodes(uint32_t c, unsigned char *to, size_t *len)
{
	if (c >= 0xd800 && c <= 0xdfff)
		return false;
	if (c < 0x80) {
		to[0] = (unsigned char)c;
		*len = 1;
	} else if (c < 0x800) {
		to[0] = (unsigned char)(0xc0 + c / 64);
		to[1] = (unsigned char)(0x80 + c % 64);
		*len = 2;
	} else if (c < 0x10000) {
		to[0] = (unsigned char)(0xe0 + c / 4096);
		to[1] = (unsigned char)(0x80 + c / 64 % 64);
		to[2] = (unsigned char)(0x80 + c % 64);
		*len = 3;
	} else {
		to[0] = (unsigned char)(0xf0 + c / 262144);
		to[1] = (unsigned char)(0x80 + c / 4096 % 64);
		to[2] = (unsigned char)(0x80 + c / 64 % 64);
		to[3] = (unsigned char)(0x80 + c % 64);
		*len = 4;
	}
	return true;
}

static void knows_every_character(void **state)
{
	(void)state;
	size_t valid = 0;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		unsigned char s[4];
		size_t len;
		if (!decodes(c, s, &len))
			continue;
		if (text_utf8_at((const char *)s, len) != len ||
		    (len > 1 && text_utf8_at((const char *)s, len - 1) != 0))
			fail_msg("U+%04X", c);
		valid++;
	}
	/* All sequences of two and three bytes: as many as characters. */
	size_t two = 0, three = 0;
	for (uint32_t v = 0; v < 1 << 24; v++) {
		const char s[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
		three += text_utf8_at(s, 3) == 3;
		two += (v & 0xff) == 0 && text_utf8_at(s, 2) == 2;
	}
	assert_int_equal(two, 0x800 - 0x80);
	assert_int_equal(three, 0x10000 - 0x800 - 0x800);
	assert_int_equal(valid, 0x110000 - 0x800);
}

static void refuses_what_is_not_utf8(void **state)
{
	(void)state;
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf",
	    "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82",
	    "\xf0\x9f\x98", "a\xc3(", "\xfe\x83\xbf\xbf"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (text_is_utf8(bad[i], strlen(bad[i])))
			fail_msg("case %zu", i);
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("a\0b", 3));
	assert_true(text_is_utf8("caf\xc3\xa9 \xf0\x9f\x98\x80", 10));
}

static void check_utf8(const char *in, const char *expected)
{
	struct buf b = BUF_INIT(1000);
	assert_int_equal(text_add_utf8(&b, in, strlen(in)), 0);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static void replaces_bytes_one_by_one(void **state)
{
	(void)state;
	check_utf8("", "");
	check_utf8("plain", "plain");
	check_utf8("a\xff\xfe", "a\xef\xbf\xbd\xef\xbf\xbd");
	check_utf8("\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz");
	check_utf8("\xc3\xa9\x80\xc3\xa9", "\xc3\xa9\xef\xbf\xbd\xc3\xa9");
	struct buf b = BUF_INIT(4);
	assert_int_equal(text_add_utf8(&b, "ab\xff", 3), -1);
	assert_true(b.failed);
	buf_release(&b);
}

static void cuts_between_characters(void **state)
{
	(void)state;
	const char *s =
	    "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1 2 3 4 1 */
	static const size_t at[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
	for (size_t max = 0; max < 13; max++)
		assert_int_equal(text_cut(s, 11, max), at[max]);
	char small[5];
	text_copy(small, sizeof(small), s);
	assert_string_equal(small, "a\xc3\xa9");
	text_copy(small, 1, s);
	assert_string_equal(small, "");
}

static void check_escaped(const char *in, size_t len, const char *expected)
{
	struct buf b = BUF_INIT(1000);
	assert_int_equal(text_add_escaped(&b, in, len), 0);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static void escapes_what_steers_terminals(void **state)
{
	(void)state;
	check_escaped("a\nb\tc\rd", 7, "a\\nb\\tc\\rd");
	check_escaped("\x1b[31m\0\x7f", 7, "\\x1b[31m\\x00\\x7f");
	check_escaped("caf\xc3\xa9 \\n", 8, "caf\xc3\xa9 \\n");
	check_escaped("\xc2\x9b\xc2\xa0\xff", 5, "\\xc2\\x9b\xc2\xa0\\xff");
	check_escaped("\xc2", 1, "\\xc2");
}

static void parses_numbers_strictly(void **state)
{
	(void)state;
	uint64_t v = 77;
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "1x",
	    "0x1", "18446744073709551616", "99999999999999999999999", "1.0"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_to_u64(bad[i], 0, UINT64_MAX, &v), -1);
	assert_int_equal(text_to_u64("4", 5, 9, &v), -1);
	assert_int_equal(text_to_u64("10", 5, 9, &v), -1);
	assert_int_equal(v, 77);
	assert_int_equal(text_to_u64("007", 5, 9, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(
	    text_to_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
}

static void writes_amounts(void **state)
{
	(void)state;
	char s[TEXT_AMOUNT];
	assert_string_equal(text_count(s, 0), "0");
	assert_string_equal(text_count(s, 999), "999");
	assert_string_equal(text_count(s, 1204), "1,204");
	assert_string_equal(text_count(s, 1000000), "1,000,000");
	assert_string_equal(
	    text_count(s, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(text_files(s, 0), "0 files");
	assert_string_equal(text_files(s, 1), "1 file");
	assert_string_equal(text_files(s, 1204), "1,204 files");
	assert_string_equal(
	    text_files(s, UINT64_MAX), "18,446,744,073,709,551,615 files");
	assert_string_equal(text_size(s, 0), "0 B");
	assert_string_equal(text_size(s, 999), "999 B");
	assert_string_equal(text_size(s, 1000), "1.0 kB");
	assert_string_equal(text_size(s, 1049), "1.0 kB");
	assert_string_equal(text_size(s, 1050), "1.1 kB");
	assert_string_equal(text_size(s, 999949), "999.9 kB");
	assert_string_equal(text_size(s, 999950), "1.0 MB");
	assert_string_equal(text_size(s, 3100000000), "3.1 GB");
	assert_string_equal(text_size(s, UINT64_MAX), "18.4 EB");
	assert_string_equal(text_duration(s, 0), "0 s");
	assert_string_equal(text_duration(s, 59), "59 s");
	assert_string_equal(text_duration(s, 124), "2 min 4 s");
	assert_string_equal(text_duration(s, 120), "2 min");
	assert_string_equal(text_duration(s, 3600 + 60 * 5 + 9), "1 h 5 min");
	assert_string_equal(text_duration(s, 3 * 86400 + 7200), "3 d 2 h");
	text_duration(s, UINT64_MAX);
}

static void knows_both_ends(void **state)
{
	(void)state;
	assert_true(text_starts("borg create", "borg"));
	assert_true(text_starts("x", ""));
	assert_false(text_starts("bo", "borg"));
	assert_true(text_ends("a.tmp", ".tmp"));
	assert_true(text_ends("", ""));
	assert_false(text_ends("tmp", ".tmp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_every_character),
	    cmocka_unit_test(refuses_what_is_not_utf8),
	    cmocka_unit_test(replaces_bytes_one_by_one),
	    cmocka_unit_test(cuts_between_characters),
	    cmocka_unit_test(escapes_what_steers_terminals),
	    cmocka_unit_test(parses_numbers_strictly),
	    cmocka_unit_test(writes_amounts),
	    cmocka_unit_test(knows_both_ends),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
