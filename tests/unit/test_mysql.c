/* How MySQL's clients are told names and passwords, and what is read back. */
#include "base/limits.h"
#include "fixture.h"
#include "job/mysql_client.h"
#include <string.h>

static struct buf out = BUF_INIT(64 * KIB);

static void expect(const char *text)
{
	assert_string_equal(buf_str(&out), text);
	buf_reset(&out);
}

static void quotes_options(void **state)
{
	(void)state;
	mysql_add_option(&out, "password", "");
	expect("password=\"\"\n");
	mysql_add_option(&out, "password", " a#b;c='d' ");
	expect("password=\" a#b;c='d' \"\n");
	mysql_add_option(&out, "password", "\"\\n\n\t\\");
	expect("password=\"\\\"\\\\n\\n\\t\\\\\"\n");
	mysql_add_option(&out, "user", "x\n[mysqld]\n!include /x\r");
	expect("user=\"x\\n[mysqld]\\n!include /x\\r\"\n");
}

static void quotes_names(void **state)
{
	(void)state;
	mysql_add_name(&out, "a`; DROP DATABASE b; --");
	expect("`a``; DROP DATABASE b; --`");
	mysql_add_name(&out, "``\\");
	expect("`````\\`");
	mysql_add_text(&out, "a'\\\xc3\xbc");
	expect("CONVERT(X'61275CC3BC' USING utf8)");
}

static void reads_names(void **state)
{
	(void)state;
	struct words w = WORDS_INIT;
	assert_int_equal(mysql_read_names("61\nx C3\n", &w), -1);
	words_release(&w);
	assert_int_equal(mysql_read_names("61\nC3BC0A09\n\n62\r\n", &w), 0);
	assert_int_equal(w.count, 3);
	assert_string_equal(w.list[0], "a");
	assert_string_equal(w.list[1], "\xc3\xbc\n\t");
	assert_string_equal(w.list[2], "b");
	words_release(&w);
	static const char *const bad[] = {"6", "6g", "00", "NULL", "6100"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(mysql_read_names(bad[i], &w), -1);
		words_release(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quotes_options),
	    cmocka_unit_test(quotes_names),
	    cmocka_unit_test(reads_names),
	};
	int rc = cmocka_run_group_tests_name("mysql", tests, NULL, NULL);
	buf_release(&out);
	return rc;
}
