/* A tree that was too large: what lies deep goes first. */
#include "base/limits.h"
#include "bbs/report.h"
#include "bbs/treecut.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tree[] =
    "{\"name\":\"t\",\"path\":\"/t\",\"type\":\"directory\",\"size\":null,"
    "\"entry_count\":3,\"children\":["
    "{\"name\":\"a\",\"path\":\"/t/a\",\"entry_count\":2,\"children\":["
    "{\"name\":\"x\",\"size\":1},{\"name\":\"\\\"y\\u00e4\",\"size\":2}],"
    "\"truncated\":false},"
    "{\"name\":\"b\",\"entry_count\":2,\"children\":[{\"name\":\"z\"},"
    "{\"name\":\"w\"}],\"truncated\":false,\"error\":\"e\"},"
    "{\"name\":\"c\",\"size\":3,\"mtime\":4}],\"truncated\":false}";

static struct buf out;

static int halve(const char *text, unsigned times)
{
	buf_reset(&out);
	return treecut_halve(text, strlen(text), times, &out);
}

static void expect(unsigned times, int left, const char *want)
{
	assert_int_equal(halve(tree, times), left);
	assert_string_equal(buf_str(&out), want);
	struct json j;
	fixture_parse(&j, out.data, out.len);
	json_release(&j);
}

static void deep_entries_go_first(void **state)
{
	(void)state;
	expect(0, 7, tree);
	expect(1, 3,
	    "{\"name\":\"t\",\"path\":\"/t\",\"type\":\"directory\",\"size\":"
	    "null,\"entry_count\":3,\"children\":["
	    "{\"name\":\"a\",\"path\":\"/t/a\",\"entry_count\":2,"
	    "\"children\":[],\"truncated\":true},"
	    "{\"name\":\"b\",\"entry_count\":2,\"children\":[],"
	    "\"truncated\":true,\"error\":\"e\"},"
	    "{\"name\":\"c\",\"size\":3,\"mtime\":4}],\"truncated\":false}");
	expect(2, 1,
	    "{\"name\":\"t\",\"path\":\"/t\",\"type\":\"directory\",\"size\":"
	    "null,\"entry_count\":3,\"children\":["
	    "{\"name\":\"a\",\"path\":\"/t/a\",\"entry_count\":2,"
	    "\"children\":[],\"truncated\":true}],\"truncated\":true}");
	static const char none[] =
	    "{\"name\":\"t\",\"path\":\"/t\",\"type\":\"directory\",\"size\":"
	    "null,\"entry_count\":3,\"children\":[],\"truncated\":true}";
	expect(3, 0, none);
	expect(31, 0, none);
	expect(4000000000u, 0, none);
}

static void what_is_no_tree(void **state)
{
	(void)state;
	static const char *const none[] = {"", "x", "[]", "{}", "12",
	    "{\"children\":1}", "{\"children\":{}}", "{\"children\":[",
	    "\"{}\"", "Imported: a -> b"};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(halve(none[i], 1), -1);
		assert_int_equal(out.len, 0);
	}
	/* Elements that are no objects are entries all the same. */
	assert_int_equal(halve("{\"children\":[1,[2],\"x\",null]}", 1), 2);
	assert_string_equal(buf_str(&out), "{\"children\":[1,[2]]}");
}

/* The report around it: halved again and again, to the last entry. */
static void a_report_with_a_tree(void **state)
{
	(void)state;
	struct buf body = BUF_INIT(REPORT_BODY_MAX);
	struct report r = {
	    .job_id = 5, .output_log = tree, .output_whole = true};
	struct json j, inner;
	static const int more[] = {1, 1, 1, 0, 0};
	assert_int_equal(report_encode(&r, &body), 0);
	size_t last = body.len + 1;
	for (unsigned times = 0; times < 5; times++) {
		struct buf text = BUF_INIT(REPORT_BODY_MAX);
		buf_reset(&out);
		assert_int_equal(
		    report_shorten(body.data, body.len, times, &out),
		    more[times]);
		assert_true(out.len < last || times == 4);
		last = out.len;
		fixture_parse(&j, out.data, out.len);
		fixture_expect(&j, 0, "job_id", "5");
		fixture_expect(&j, 0, "result", "completed");
		assert_int_equal(
		    json_text(&j, json_get(&j, 0, "output_log"), &text), 0);
		fixture_parse(&inner, text.data, text.len);
		fixture_expect(&inner, 0, "path", "/t");
		json_release(&inner);
		json_release(&j);
		buf_release(&text);
	}
	buf_release(&body);
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&out);
	return 0;
}

int main(void)
{
	buf_init(&out, REPORT_BODY_MAX);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deep_entries_go_first),
	    cmocka_unit_test(what_is_no_tree),
	    cmocka_unit_test(a_report_with_a_tree),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
