/*
 * JSON: the validator against the public test suite, reading against texts
 * that are right, odd and hostile, and the writer against the validator.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int check(const char *text)
{
	return json_check(text, strlen(text), JSON_DEPTH_MAX, NULL, NULL);
}

/* Reads every node in every way. */
static void walk(const struct json *j, int node)
{
	int seen = 0;
	char *text = json_strdup(j, node);
	free(text);
	int64_t v;
	json_int(j, node, &v);
	json_bool(j, node, false);
	json_is(j, node, "\xef\xbf\xbd");
	json_get(j, node, "a");
	for (int i = json_first(j, node); i != JSON_NONE;
	     i = json_next(j, node, i)) {
		int value = i;
		if (json_type(j, node) == JSON_OBJECT) {
			assert_int_equal(json_type(j, i), JSON_STRING);
			value = json_value(j, i);
			assert_int_not_equal(value, JSON_NONE);
		}
		assert_int_not_equal(json_type(j, value), JSON_ABSENT);
		walk(j, value);
		seen++;
	}
	assert_int_equal(seen, json_count(j, node));
}

/* Parses a copy of exactly len bytes, so that a read too far is seen, and
 * walks all of it. Returns json_parse's answer. */
static int parse_exact(struct json *j, const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	memcpy(copy, text, len);
	int rc = json_parse(j, copy, len);
	if (rc == 0)
		walk(j, 0);
	json_check(copy, len, JSON_DEPTH_MAX, NULL, NULL);
	free(copy);
	return rc;
}

static char *read_whole(const char *dir, const char *name, size_t *len)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *text = malloc(1 << 20);
	*len = fread(text, 1, 1 << 20, f);
	fclose(f);
	return text;
}

static void agrees_with_the_suite(void **state)
{
	(void)state;
	const char *shared = getenv("BBS_SHARED");
	char dir[512];
	snprintf(dir, sizeof(dir), "%s/suites/json",
	    shared != NULL ? shared : "../shared");
	DIR *d = opendir(dir);
	if (d == NULL) {
		print_message("skipped: there is no %s\n", dir);
		skip();
	}
	struct json j = JSON_INIT;
	int count = 0;
	struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		size_t len;
		if (strchr("yni", e->d_name[0]) == NULL || e->d_name[1] != '_')
			continue;
		char *text = read_whole(dir, e->d_name, &len);
		int rc = json_check(text, len, JSON_DEPTH_MAX, NULL, NULL);
		if ((e->d_name[0] == 'y' && rc != 0) ||
		    (e->d_name[0] == 'n' && rc == 0))
			fail_msg("%s", e->d_name);
		rc = parse_exact(&j, text, len);
		if (e->d_name[0] == 'y' && rc != 0)
			fail_msg("%s is not parsed", e->d_name);
		free(text);
		count++;
	}
	closedir(d);
	json_release(&j);
	assert_true(count > 300);
}

static void says_where_and_why(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t at;
	} bad[] = {{"", 0}, {"  ", 2}, {"[1,]", 3}, {"[1 2]", 3},
	    {"{\"a\"}", 4}, {"{1:2}", 1}, {"[\"a\x01\"]", 3}, {"[\"\\x\"]", 2},
	    {"[\"\\u12\"]", 2}, {"[\"\xff\"]", 2}, {"01", 1}, {"tru", 0},
	    {"[}", 1}, {"[1]]", 3}, {"\"abc", 4}, {"[1", 2}, {"-", 0},
	    {"1.", 0}, {"1e+", 0}, {"\xef\xbb\xbf{}", 0}, {"\"\\", 1},
	    {"{\"a\" 1}", 5}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *why = NULL;
		size_t at = 99;
		int rc = json_check(bad[i].text, strlen(bad[i].text),
		    JSON_DEPTH_MAX, &why, &at);
		if (rc == 0 || why == NULL || at != bad[i].at)
			fail_msg("%s: %d, %s at %zu", bad[i].text, rc, why, at);
	}
	assert_int_equal(check("\"\\ud800\""), 0);
	assert_int_equal(check(" [ ] "), 0);
}

static void judges_each_byte_at_any_place(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++)
		for (size_t at = 1; at < 23; at++) {
			char text[24];
			memset(text, 'x', sizeof(text));
			text[0] = text[23] = '"';
			text[at] = (char)c;
			bool good =
			    c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			int rc = json_check(text, 24, 1, NULL, NULL);
			if (rc != (good ? 0 : -1))
				fail_msg("byte %d at %zu", c, at);
		}
}

static void counts_the_depth(void **state)
{
	(void)state;
	char text[2 * JSON_DEPTH_MAX + 3];
	for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		size_t len = 2 * (size_t)depth;
		int rc = json_check(text, len, 1000, NULL, NULL);
		assert_int_equal(rc, depth <= JSON_DEPTH_MAX ? 0 : -1);
		rc = json_check(text, len, 3, NULL, NULL);
		assert_int_equal(rc, depth <= 3 ? 0 : -1);
	}
	/* Objects and arrays in turn: each bracket must find its own kind. */
	assert_int_equal(check("{\"a\":[{\"b\":[[],{}]}]}"), 0);
	assert_int_equal(check("{\"a\":[{\"b\":[[],{}}]}]"), -1);
}

static void reads_a_task(void **state)
{
	(void)state;
	static const char text[] =
	    "{\"status\":\"ok\",\"n\":\"42\",\"neg\":-7.9,\"t\":true,"
	    "\"tasks\":[{\"job_id\":1,\"argv\":[\"borg\",\"a\\/"
	    "b\"],\"env\":[]},"
	    "{\"job_id\":2,\"x\":{\"y\":{\"z\":null}}}],\"last\":\"\\u00e9\"}";
	struct json j = JSON_INIT;
	int64_t v = 0;
	assert_int_equal(json_parse(&j, text, sizeof(text) - 1), 0);
	assert_int_equal(json_type(&j, 0), JSON_OBJECT);
	assert_int_equal(json_count(&j, 0), 6);
	assert_true(json_is(&j, json_get(&j, 0, "status"), "ok"));
	assert_int_equal(json_int(&j, json_get(&j, 0, "n"), &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(json_int(&j, json_get(&j, 0, "neg"), &v), 0);
	assert_int_equal(v, -7);
	assert_int_equal(json_get(&j, 0, "job_id"), JSON_NONE);
	assert_int_equal(json_get(&j, 0, "y"), JSON_NONE);
	int tasks = json_get(&j, 0, "tasks");
	assert_int_equal(json_count(&j, tasks), 2);
	int task = json_first(&j, tasks);
	int argv = json_get(&j, task, "argv");
	assert_true(
	    json_is(&j, json_next(&j, argv, json_first(&j, argv)), "a/b"));
	assert_int_equal(json_count(&j, json_get(&j, task, "env")), 0);
	assert_int_equal(json_first(&j, json_get(&j, task, "env")), JSON_NONE);
	task = json_next(&j, tasks, task);
	assert_int_equal(json_int(&j, json_get(&j, task, "job_id"), &v), 0);
	assert_int_equal(v, 2);
	int z = json_get(&j, json_get(&j, json_get(&j, task, "x"), "y"), "z");
	assert_int_equal(json_type(&j, z), JSON_NULL);
	assert_int_equal(json_next(&j, tasks, task), JSON_NONE);
	assert_int_equal(json_next(&j, 0, task), JSON_NONE);
	assert_true(json_is(&j, json_get(&j, 0, "last"), "\xc3\xa9"));
	int name = json_first(&j, 0);
	assert_true(json_is(&j, name, "status"));
	assert_true(json_is(&j, json_value(&j, name), "ok"));
	assert_int_equal(json_value(&j, json_value(&j, name)), JSON_NONE);
	json_release(&j);
	json_release(&j);
}

static void absent_is_no_trouble(void **state)
{
	(void)state;
	struct json j = JSON_INIT;
	size_t len = 9;
	int64_t v = 5;
	assert_int_equal(json_type(&j, 0), JSON_ABSENT);
	assert_int_equal(json_get(&j, JSON_NONE, "a"), JSON_NONE);
	assert_int_equal(json_parse(&j, "[1]", 3), 0);
	assert_int_equal(json_get(&j, 0, "a"), JSON_NONE);
	assert_int_equal(json_next(&j, JSON_NONE, 0), JSON_NONE);
	assert_int_equal(json_next(&j, 0, 2), JSON_NONE);
	assert_int_equal(json_type(&j, 2), JSON_ABSENT);
	assert_string_equal(json_raw(&j, JSON_NONE, &len), "");
	assert_int_equal(len, 0);
	assert_null(json_strdup(&j, JSON_NONE));
	assert_null(json_strdup(&j, 0));
	assert_int_equal(json_int(&j, JSON_NONE, &v), -1);
	assert_int_equal(v, 5);
	assert_true(json_bool(&j, JSON_NONE, true));
	/* A text that is refused leaves nothing of the one before. */
	assert_int_equal(json_parse(&j, "[1", 2), -1);
	assert_int_equal(json_type(&j, 0), JSON_ABSENT);
	json_release(&j);
}

static void refuses_what_is_no_tree(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " ", "borg: error", "Killed", "{",
	    "}", "]", "{\"a\"}", "{\"a\":}", "{:1}", "{\"a\":1]", "[1}",
	    "{\"a\":1}{}", "{\"a\":1} x", "1 2", "{1:2}", "{\"a\":1:2}",
	    "[\"a\":1]", "\"a\":1", "{{}}", "{[]:1}", "{\"a\":\"b\":\"c\"}",
	    "{\"a\" \"b\"}", "[tru]", "[1.2.3]", "[nulll]", "{\"a\":1 \"b\":2}",
	    "{\"a\":[1]:[2]}", "{\"a\":{}{}}", "[\"\\x\"]", "{\"a\":\"\\u12\"}",
	    "{\"a\":\"b", "{\"a\":\"b\\", "{\"a\":\"b\\\"}", ":", ",", "\"",
	    "{\"a\":-}", "{a:1}", "{\"a\":+1}", "[1][2]"};
	struct json j = JSON_INIT;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_exact(&j, bad[i], strlen(bad[i])) == 0)
			fail_msg("%s", bad[i]);
	assert_int_equal(json_parse(&j, "{\"a\":1}\0[]", 10), -1);
	assert_int_equal(json_parse(&j, "{\"a\":\"\0\"}", 9), -1);
	json_release(&j);
}

/* The short way for flat objects and jsmn must agree. */
static void flat_and_nested_agree(void **state)
{
	(void)state;
	static const char *const flat[] = {"{\"a\":1}", " {\"a\":\"x\"}",
	    "{\"a\" : \"x\" , \"b\" : true }\n", "{}",
	    "{\"a\":\"\\\"\\\\\",\"b\":\"\\u0041\"}", "{\"a\":null,\"a\":2}",
	    "{\"12345678\":\"0123456789abcdef\\n\"}",
	    "{\"a\":\"caf\xc3\xa9 \xff\",\"b\":-1.5e3}"};
	struct json j = JSON_INIT, k = JSON_INIT;
	for (size_t i = 0; i < sizeof(flat) / sizeof(flat[0]); i++) {
		char text[200];
		int n = snprintf(text, sizeof(text), "[%s]", flat[i]);
		assert_int_equal(json_parse(&j, flat[i], strlen(flat[i])), 0);
		assert_int_equal(json_parse(&k, text, (size_t)n), 0);
		assert_int_equal(j.count + 1, k.count);
		for (int node = 0; node < j.count; node++) {
			size_t a, b;
			const char *p = json_raw(&j, node, &a);
			const char *q = json_raw(&k, node + 1, &b);
			assert_int_equal(a, b);
			assert_memory_equal(p, q, a);
			assert_int_equal(
			    json_type(&j, node), json_type(&k, node + 1));
			assert_int_equal(
			    json_count(&j, node), json_count(&k, node + 1));
		}
	}
	json_release(&j);
	json_release(&k);
}

static void add_members(struct buf *b, const char *first)
{
	buf_reset(b);
	buf_addf(b, "{\"first\":%s", first);
	for (int i = 1; i < 100000; i++)
		buf_addf(b, ",\"k%d\":%d", i, i);
	buf_addc(b, '}');
}

static void many_members(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(16 * MIB);
	struct json j = JSON_INIT;
	/* The second parse finds room for the short way of flat objects. */
	static const char *const first[] = {"0", "0", "[]"};
	for (int round = 0; round < 3; round++) {
		int64_t v = 0;
		add_members(&b, first[round]);
		assert_int_equal(json_parse(&j, b.data, b.len), 0);
		assert_int_equal(json_count(&j, 0), 100000);
		int last = json_get(&j, 0, "k99999");
		assert_int_equal(json_int(&j, last, &v), 0);
		assert_int_equal(v, 99999);
	}
	/* One token too many. */
	buf_reset(&b);
	buf_addc(&b, '[');
	for (unsigned i = 0; i < JSON_TOKENS_MAX; i++)
		buf_adds(&b, i > 0 ? ",1" : "1");
	buf_addc(&b, ']');
	assert_int_equal(json_parse(&j, b.data, b.len), -1);
	buf_release(&b);
	json_release(&j);
}

/* Deep nesting must cost no time that grows with its square. */
static void deep_is_refused(void **state)
{
	(void)state;
	size_t half = 4 * MIB;
	char *text = malloc(2 * half);
	struct json j = JSON_INIT;
	memset(text, '[', half);
	memset(text + half, ']', half);
	assert_int_equal(json_parse(&j, text, 2 * half), -1);
	assert_int_equal(json_check(text, 2 * half, 32, NULL, NULL), -1);
	free(text);
	json_release(&j);
}

static void check_text(const char *json, const char *expected)
{
	struct json j = JSON_INIT;
	assert_int_equal(json_parse(&j, json, strlen(json)), 0);
	char *text = json_strdup(&j, 0);
	if (expected == NULL)
		assert_null(text);
	else
		assert_string_equal(text, expected);
	bool string = json_type(&j, 0) == JSON_STRING;
	if (string && text_is_utf8(json, strlen(json))) {
		assert_true(json_is(&j, 0, expected));
		assert_false(json_is(&j, 0, "other"));
	}
	free(text);
	json_release(&j);
}

static void decodes_text(void **state)
{
	(void)state;
	check_text("\"\"", "");
	check_text("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz");
	check_text("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac");
	check_text("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
	check_text("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf");
	check_text("\"\\ud83dx\"", "\xef\xbf\xbdx");
	check_text("\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
					 "A");
	check_text("\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80");
	check_text("\"\\udc80\"", "\xef\xbf\xbd");
	check_text("\"a\\u0000b\"", "a\xef\xbf\xbd"
				    "b");
	check_text("\"\xff\xfe\"", "\xef\xbf\xbd\xef\xbf\xbd");
	check_text("-12.50", "-12.50");
	check_text("true", "true");
	check_text("null", NULL);
	check_text("[]", NULL);
	check_text("{}", NULL);
}

static void check_bytes(const char *raw, const char *expected)
{
	struct buf b = BUF_INIT(100);
	assert_int_equal(json_unescape(&b, raw, strlen(raw), true), 0);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static void decodes_names_of_files(void **state)
{
	(void)state;
	check_bytes("caf\\udce9", "caf\xe9");
	check_bytes("\\udcff\\udc80", "\xff\x80");
	check_bytes("\\udc7f", "\xef\xbf\xbd");
	check_bytes("\\ud83d\\ude00\xff", "\xf0\x9f\x98\x80\xff");
	/* A pair whose low half alone would be a byte. */
	check_bytes("\\ud83d\\udc80", "\xf0\x9f\x92\x80");
	/* Never past the end, whatever is cut off. */
	static const char *const cut[] = {"\\", "\\u", "\\u1", "\\u123",
	    "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\ude0", "\\q", "\\uzzzz"};
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		size_t len = strlen(cut[i]);
		char *copy = malloc(len);
		struct buf b = BUF_INIT(100);
		memcpy(copy, cut[i], len);
		assert_int_equal(json_unescape(&b, copy, len, false), 0);
		assert_true(b.len > 0);
		assert_true(text_is_utf8(b.data, b.len));
		buf_release(&b);
		free(copy);
	}
}

static void reads_integers(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int rc;
		int64_t value;
	} c[] = {{"0", 0, 0}, {"-0", 0, 0}, {"\"17\"", 0, 17},
	    {"\"+17\"", 0, 17}, {"\"-17\"", 0, -17}, {"1.999", 0, 1},
	    {"-1.999", 0, -1}, {"9223372036854775807", 0, INT64_MAX},
	    {"-9223372036854775808", 0, INT64_MIN},
	    {"9223372036854775808", -1, 0}, {"-9223372036854775809", -1, 0},
	    {"99999999999999999999999999", -1, 0}, {"1e3", 0, 1000},
	    {"1.5e1", 0, 15}, {"1.25E1", 0, 12}, {"9.5e-05", 0, 0},
	    {"1234e-2", 0, 12}, {"1e18", 0, 1000000000000000000},
	    {"1e19", -1, 0}, {"1e999999999999", -1, 0}, {"0e999999999", 0, 0},
	    {"1e-99999999999", 0, 0}, {"true", -1, 0}, {"null", -1, 0},
	    {"\"\"", -1, 0}, {"\"-\"", -1, 0}, {"\"1x\"", -1, 0},
	    {"\" 1\"", -1, 0}, {"\".5\"", -1, 0}, {"\"1e\"", -1, 0},
	    {"\"1.2.3\"", -1, 0}, {"[1]", -1, 0}, {"\"0x10\"", -1, 0}};
	struct json j = JSON_INIT;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		int64_t v = 0;
		assert_int_equal(
		    json_parse(&j, c[i].json, strlen(c[i].json)), 0);
		int rc = json_int(&j, 0, &v);
		if (rc != c[i].rc || v != c[i].value)
			fail_msg("%s: %d, %lld", c[i].json, rc, (long long)v);
	}
	json_release(&j);
}

static void reads_booleans(void **state)
{
	(void)state;
	static const char *const yes[] = {
	    "true", "1", "\"1\"", "\"TRUE\"", "\"yes\"", "\"On\""};
	static const char *const no[] = {
	    "false", "0", "\"0\"", "\"False\"", "\"no\"", "\"off\""};
	static const char *const neither[] = {"null", "2", "\"\"", "\"maybe\"",
	    "[]", "{}", "[1]", "-1", "\"truee\""};
	struct json j = JSON_INIT;
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(json_parse(&j, yes[i], strlen(yes[i])), 0);
		assert_true(json_bool(&j, 0, false));
		assert_int_equal(json_parse(&j, no[i], strlen(no[i])), 0);
		assert_false(json_bool(&j, 0, true));
	}
	for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
		assert_int_equal(
		    json_parse(&j, neither[i], strlen(neither[i])), 0);
		assert_true(json_bool(&j, 0, true));
		assert_false(json_bool(&j, 0, false));
	}
	json_release(&j);
}

/* Every byte of a text replaced by every other one, and every cut. */
static void survives_any_bytes(void **state)
{
	(void)state;
	static const char seed[] = "{\"a\":[1,\"\\u00e9\\n\",{\"b\":null}],"
				   "\"c\":\"d\",\"e\":-1.5e2,\"f\":true}";
	struct json j = JSON_INIT;
	char text[sizeof(seed)];
	for (size_t at = 0; at < sizeof(seed) - 1; at++) {
		parse_exact(&j, seed, at);
		for (int c = 0; c < 256; c++) {
			memcpy(text, seed, sizeof(seed));
			text[at] = (char)c;
			parse_exact(&j, text, sizeof(seed) - 1);
		}
	}
	/* Strictly valid must always be parsed; brackets and signs at random,
	 * from a generator that gives the same ones each time. */
	static const char letters[] =
	    "{}[]\",:\\ 1nulltrue-.eE\"u00\"\"::,,\x80";
	uint32_t random = 1;
	for (int round = 0; round < 300000; round++) {
		size_t len = 1 + (size_t)round % 12;
		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			text[i] =
			    letters[(random >> 16) % (sizeof(letters) - 1)];
		}
		int strict = json_check(text, len, JSON_DEPTH_MAX, NULL, NULL);
		int rc = parse_exact(&j, text, len);
		if (strict == 0 && rc != 0)
			fail_msg("%.*s", (int)len, text);
	}
	json_release(&j);
}

static void writes(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	struct json_writer w = {.out = &b};
	json_open(&w, NULL, '{');
	json_put(&w, "s", "a\"\\\n\x01/\x7f");
	json_put(&w, "none", NULL);
	json_put_n(&w, "n", "a\0b", 3);
	json_put_int(&w, "min", INT64_MIN);
	json_put_int(&w, "max", INT64_MAX);
	json_open(&w, "list", '[');
	json_put_bool(&w, NULL, true);
	json_put(&w, NULL, NULL);
	json_open(&w, NULL, '[');
	json_close(&w, ']');
	json_open(&w, NULL, '{');
	json_put_raw(&w, "raw", "[1]", 3);
	json_close(&w, '}');
	json_close(&w, ']');
	json_put(&w, "bad", "\xff caf\xc3\xa9");
	/* A terminal's CSI, and a blank that is none of its controls. */
	json_put(&w, "c1", "\xc2\x9bJ\xc2\xa0");
	json_close(&w, '}');
	assert_string_equal(buf_str(&b),
	    "{\"s\":\"a\\\"\\\\\\n\\u0001/\x7f\",\"none\":null,"
	    "\"n\":\"a\\u0000b\",\"min\":-9223372036854775808,"
	    "\"max\":9223372036854775807,\"list\":[true,null,[],"
	    "{\"raw\":[1]}],\"bad\":\"\xef\xbf\xbd caf\xc3\xa9\","
	    "\"c1\":\"\\u009bJ\xc2\xa0\"}");
	assert_int_equal(json_check(b.data, b.len, 32, NULL, NULL), 0);
	buf_release(&b);
}

static void escapes_any_byte_at_any_place(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			char text[20];
			struct buf b = BUF_INIT(1000);
			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			buf_addc(&b, '"');
			assert_int_equal(
			    json_escape(&b, text, sizeof(text)), 0);
			buf_addc(&b, '"');
			assert_int_equal(check(b.data), 0);
			struct buf back = BUF_INIT(100);
			json_unescape(&back, b.data + 1, b.len - 2, true);
			if (c > 0 && c < 0x80)
				assert_memory_equal(back.data, text, 20);
			buf_release(&back);
			buf_release(&b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_the_suite),
	    cmocka_unit_test(says_where_and_why),
	    cmocka_unit_test(judges_each_byte_at_any_place),
	    cmocka_unit_test(counts_the_depth),
	    cmocka_unit_test(reads_a_task),
	    cmocka_unit_test(absent_is_no_trouble),
	    cmocka_unit_test(refuses_what_is_no_tree),
	    cmocka_unit_test(flat_and_nested_agree),
	    cmocka_unit_test(many_members),
	    cmocka_unit_test(deep_is_refused),
	    cmocka_unit_test(decodes_text),
	    cmocka_unit_test(decodes_names_of_files),
	    cmocka_unit_test(reads_integers),
	    cmocka_unit_test(reads_booleans),
	    cmocka_unit_test(survives_any_bytes),
	    cmocka_unit_test(writes),
	    cmocka_unit_test(escapes_any_byte_at_any_place),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
