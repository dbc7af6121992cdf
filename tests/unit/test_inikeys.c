/* A key set in an INI text: what changes, and that nothing else does. */
#include "base/ini.h"
#include "fixture.h"
#include "setup/inikeys.h"
#include <stdio.h>
#include <string.h>

static void expect(
    const char *before, const char *name, const char *value, const char *after)
{
	struct inikey key = {"server", name, value};
	struct buf out = BUF_INIT(4096);
	assert_int_equal(inikeys_set(before, strlen(before), &key, &out), 0);
	assert_string_equal(buf_str(&out), after);
	buf_release(&out);
}

static void test_new_file(void **state)
{
	(void)state;
	expect("", "url", "https://x", "[server]\nurl = https://x\n");
	expect("[agent]\na = 1", "url", "x",
	    "[agent]\na = 1\n\n[server]\nurl = x\n");
}

static void test_in_its_place(void **state)
{
	(void)state;
	expect("# top\n[server]\n; mine\nURL : old\nother = 1\n", "url", "new",
	    "# top\n[server]\n; mine\nurl = new\nother = 1\n");
	/* A key of another section is another key. */
	expect("[update]\nurl = u\n[server]\nurl = s\n", "url", "new",
	    "[update]\nurl = u\n[server]\nurl = new\n");
	/* An old value's further lines go with it. */
	expect("[server]\nurl = a\n  b\n\n  c\nx = 1\n", "url", "new",
	    "[server]\nurl = new\n\nx = 1\n");
}

static void test_every_old_value_goes(void **state)
{
	(void)state;
	expect("[server]\nurl = a\n[agent]\nurl = keep\n[Server]\nurl=b\n",
	    "url", "new",
	    "[server]\nurl = new\n[agent]\nurl = keep\n[Server]\n");
}

static void test_at_the_end_of_its_section(void **state)
{
	(void)state;
	expect("[server]\nurl = a\n\n# about the agent\n[agent]\nx = 1\n",
	    "api_key", "k",
	    "[server]\nurl = a\napi_key = k\n\n# about the agent\n[agent]\nx "
	    "= 1\n");
	/* Not between a value and its further lines. */
	expect("[server]\nurl = a\n b\n", "api_key", "k",
	    "[server]\nurl = a\n b\napi_key = k\n");
	expect("[server]", "api_key", "k", "[server]\napi_key = k\n");
}

static void test_line_ends(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf[server]\r\nurl = a\r\n# c\r\n", "url", "b",
	    "[server]\nurl = b\n# c\n");
}

/* The reader must find the new value last, whatever the text was. */
struct found {
	char value[64];
	int count;
};

static int take(void *ctx, int line, const char *section, const char *key,
    const char *value)
{
	struct found *f = ctx;
	(void)line;
	if (strcmp(section, "server") == 0 && strcmp(key, "url") == 0) {
		snprintf(f->value, sizeof(f->value), "%s", value);
		f->count++;
	}
	return 0;
}

static void test_the_reader_agrees(void **state)
{
	static const char *const pieces[] = {"[server]\n", "[agent]\n",
	    "url = a\n", "  more\n", "\n", "# c\n", "x: y\r\n", " url:z\n"};
	(void)state;
	for (unsigned n = 0; n < 8u * 8 * 8 * 8 * 8; n++) {
		struct buf text = BUF_INIT(4096), out = BUF_INIT(4096);
		struct inikey key = {"server", "url", "new"};
		struct found f = {"", 0};
		char why[160];
		int line;
		buf_adds(&text, pieces[n % 2]);
		for (unsigned rest = n; rest > 0; rest /= 8)
			buf_adds(&text, pieces[rest % 8]);
		if (ini_parse(buf_str(&text), text.len, take, &f, &line, why,
			sizeof(why)) != 0) {
			buf_release(&text);
			continue;
		}
		f.count = 0;
		assert_int_equal(
		    inikeys_set(buf_str(&text), text.len, &key, &out), 0);
		assert_int_equal(ini_parse(buf_str(&out), out.len, take, &f,
				     &line, why, sizeof(why)),
		    0);
		assert_int_equal(f.count, 1);
		assert_string_equal(f.value, "new");
		buf_release(&text);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new_file),
	    cmocka_unit_test(test_in_its_place),
	    cmocka_unit_test(test_every_old_value_goes),
	    cmocka_unit_test(test_at_the_end_of_its_section),
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_the_reader_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
