/* Reports: what makes the server lose one must not come out of here. */
#include "base/log.h"
#include "base/text.h"
#include "bbs/report.h"
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buf out = BUF_INIT(REPORT_BODY_MAX);

static void parse(struct json *j)
{
	assert_true(text_is_utf8(out.data, out.len));
	fixture_parse(j, out.data, out.len);
	assert_int_equal(json_type(j, 0), JSON_OBJECT);
}

static void encode(const struct report *r, struct json *j)
{
	buf_reset(&out);
	assert_int_equal(report_encode(r, &out), 0);
	parse(j);
}

static void progress(const struct progress *p, const char *level,
    const char *log, struct json *j)
{
	buf_reset(&out);
	assert_int_equal(progress_encode(p, 12, level, log, &out), 0);
	parse(j);
}

/* What a member decodes to, in bytes. */
static size_t length(const struct json *j, const char *name)
{
	char *text = json_strdup(j, json_get(j, 0, name));
	assert_non_null(text);
	assert_true(text_is_utf8(text, strlen(text)));
	size_t len = strlen(text);
	free(text);
	return len;
}

static void a_backup_in_full(void **state)
{
	(void)state;
	struct json j;
	struct report r = {.job_id = 9007199254740993,
	    .result = REPORT_COMPLETED,
	    .is_backup = true,
	    .archive_name = "plan1-2026-11-23_05-10-09",
	    .files_total = 5,
	    .files_processed = 6,
	    .bytes_total = 7,
	    .bytes_processed = 8,
	    .original_size = 9,
	    .deduplicated_size = 10,
	    .had_warnings = true,
	    .error_log = "e",
	    .output_log = "o",
	    .task_result = "{\"a\":1}"};
	encode(&r, &j);
	static const char *const want[][2] = {{"job_id", "9007199254740993"},
	    {"result", "completed"}, {"files_total", "5"},
	    {"files_processed", "6"}, {"bytes_total", "7"},
	    {"bytes_processed", "8"},
	    {"archive_name", "plan1-2026-11-23_05-10-09"},
	    {"original_size", "9"}, {"deduplicated_size", "10"},
	    {"had_warnings", "true"}, {"error_log", "e"}, {"output_log", "o"},
	    {"task_result", "{\"a\":1}"}};
	size_t n = sizeof(want) / sizeof(want[0]);
	for (size_t i = 0; i < n; i++)
		fixture_expect(&j, 0, want[i][0], want[i][1]);
	assert_int_equal(json_count(&j, 0), n);
	assert_int_equal(json_type(&j, json_get(&j, 0, "job_id")), JSON_NUMBER);
	assert_int_equal(
	    json_type(&j, json_get(&j, 0, "had_warnings")), JSON_BOOL);
	assert_int_equal(
	    json_type(&j, json_get(&j, 0, "task_result")), JSON_STRING);
	json_release(&j);
}

static void leaves_out_what_is_not_said(void **state)
{
	(void)state;
	struct json j;
	struct report r = {.job_id = 1, .result = REPORT_ABANDONED};
	r.archive_name = "not a backup";
	r.error_log = "";
	encode(&r, &j);
	fixture_expect(&j, 0, "result", "abandoned");
	/* "false" would count as true on the server. */
	static const char *const absent[] = {"had_warnings", "error_log",
	    "output_log", "task_result", "archive_name", "original_size",
	    "deduplicated_size"};
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		fixture_expect(&j, 0, absent[i], NULL);
	json_release(&j);
}

static void clamps_counts(void **state)
{
	(void)state;
	struct json j;
	struct report r = {.is_backup = true,
	    .files_total = 2147483648,
	    .files_processed = -1,
	    .bytes_total = INT64_MAX,
	    .bytes_processed = -5,
	    .original_size = -1,
	    .deduplicated_size = INT64_MIN};
	encode(&r, &j);
	fixture_expect(&j, 0, "files_total", "2147483647");
	fixture_expect(&j, 0, "files_processed", "0");
	fixture_expect(&j, 0, "bytes_total", "9223372036854775807");
	fixture_expect(&j, 0, "bytes_processed", "0");
	fixture_expect(&j, 0, "original_size", "0");
	fixture_expect(&j, 0, "deduplicated_size", "0");
	json_release(&j);
	r.files_total = 2147483647;
	r.files_processed = INT64_MAX;
	encode(&r, &j);
	fixture_expect(&j, 0, "files_total", "2147483647");
	fixture_expect(&j, 0, "files_processed", "2147483647");
	json_release(&j);
}

/* A text of len bytes that ends in `tail` and something more. */
static char *long_text(size_t len, const char *tail)
{
	char *text = malloc(len + strlen(tail) + 10);
	memset(text, 'x', len);
	snprintf(text + len, strlen(tail) + 10, "%syyy", tail);
	return text;
}

static void cuts_at_characters(void **state)
{
	(void)state;
	static const struct {
		const char *tail; /* across the limit */
		size_t before, kept;
	} cases[] = {
	    {"", 10000, 10000},
	    {"", 9997, 10000},
	    {"\xc3\xa4", 9999, 9999},
	    {"\xc3\xa4", 9998, 10000},
	    {"\xe2\x82\xac", 9999, 9999},
	    {"\xe2\x82\xac", 9998, 9998},
	    {"\xe2\x82\xac", 9997, 10000},
	    {"\xf0\x9f\x98\x80", 9999, 9999},
	    {"\xf0\x9f\x98\x80", 9998, 9998},
	    {"\xf0\x9f\x98\x80", 9997, 9997},
	    {"\xf0\x9f\x98\x80", 9996, 10000},
	    /* Not UTF-8: becomes three bytes before it is cut. */
	    {"\xff", 9999, 9999},
	    {"\xff", 9998, 9998},
	    {"\xff", 9997, 10000},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j;
		char *text = long_text(cases[i].before, cases[i].tail);
		struct report r = {.error_log = text, .output_log = text};
		r.task_result = text;
		encode(&r, &j);
		assert_int_equal(length(&j, "error_log"), cases[i].kept);
		assert_int_equal(length(&j, "output_log"), cases[i].kept);
		assert_true(length(&j, "task_result") >= strlen(text));
		json_release(&j);
		free(text);
	}
}

static void mends_what_is_not_utf8(void **state)
{
	(void)state;
	struct json j;
	struct report r = {.is_backup = true, .archive_name = "caf\xe9"};
	r.error_log = "a\xff\xc3(\xed\xa0\x80\x01\x7f\"\\\n\xf0\x9f\x98\x80";
	encode(&r, &j);
	fixture_expect(&j, 0, "archive_name", "caf\xef\xbf\xbd");
	char *text = json_strdup(&j, json_get(&j, 0, "error_log"));
	assert_true(text_is_utf8(text, strlen(text)));
	assert_memory_equal(text, "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd", 11);
	assert_non_null(strstr(text, "\x01\x7f\"\\\n\xf0\x9f\x98\x80"));
	free(text);
	json_release(&j);
}

/* Whatever is cut wherever, the body is strict JSON and valid UTF-8. */
static void any_bytes_at_all(void **state)
{
	(void)state;
	unsigned seed = 12345;
	static char text[12000];
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i + 1 < sizeof(text); i++) {
			seed = seed * 1103515245u + 12345u;
			int c = (int)(seed >> 16 & 0xff);
			text[i] = (char)(c == 0 ? 'x' : c);
		}
		struct json j;
		struct report r = {.error_log = text, .output_log = text};
		r.task_result = text;
		encode(&r, &j);
		assert_true(length(&j, "error_log") <= ERROR_LOG_MAX);
		assert_true(length(&j, "output_log") <= OUTPUT_LOG_MAX);
		json_release(&j);
		struct progress p = PROGRESS_INIT;
		memcpy(p.message, text + round, STATUS_MESSAGE_MAX);
		progress(&p, "warning", text, &j);
		assert_true(length(&j, "status_message") <= STATUS_MESSAGE_MAX);
		assert_true(length(&j, "log_message") <= LOG_MESSAGE_MAX);
		json_release(&j);
	}
}

static void says_when_there_is_no_room(void **state)
{
	(void)state;
	struct report r = {.error_log = "something went wrong"};
	struct progress p = PROGRESS_INIT;
	buf_reset(&out);
	report_encode(&r, &out);
	struct buf small = BUF_INIT(out.len - 1);
	assert_int_equal(report_encode(&r, &small), -1);
	buf_release(&small);
	buf_init(&small, out.len);
	assert_int_equal(report_encode(&r, &small), 0);
	buf_release(&small);
	buf_init(&small, 5);
	assert_int_equal(progress_encode(&p, 1, NULL, NULL, &small), -1);
	buf_release(&small);
}

static void fails_in_a_sentence(void **state)
{
	(void)state;
	struct json j;
	buf_reset(&out);
	assert_int_equal(
	    report_encode_failed(7, REPORT_FAILED, "Cancelled by user", &out),
	    0);
	parse(&j);
	fixture_expect(&j, 0, "job_id", "7");
	fixture_expect(&j, 0, "result", "failed");
	fixture_expect(&j, 0, "error_log", "Cancelled by user");
	json_release(&j);
}

static void a_shorter_report(void **state)
{
	(void)state;
	struct json j;
	char *text = long_text(499, "\xc3\xa4");
	struct report r = {.job_id = 5,
	    .result = REPORT_FAILED,
	    .is_backup = true,
	    .archive_name = "a\"b",
	    .files_total = 3,
	    .had_warnings = true,
	    .error_log = text,
	    .output_log = "o",
	    .task_result = "t"};
	buf_reset(&out);
	assert_int_equal(report_encode(&r, &out), 0);
	struct buf body = out;
	out = (struct buf)BUF_INIT(REPORT_BODY_MAX);
	assert_int_equal(report_shorten(body.data, body.len, 1, &out), 0);
	parse(&j);
	static const char *const want[][2] = {{"job_id", "5"},
	    {"result", "failed"}, {"archive_name", "a\"b"},
	    {"files_total", "3"}, {"had_warnings", "true"},
	    {"output_log", NULL}, {"task_result", NULL}};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		fixture_expect(&j, 0, want[i][0], want[i][1]);
	assert_int_equal(length(&j, "error_log"), 499);
	assert_int_equal(json_count(&j, 0), 11);
	assert_int_equal(json_type(&j, json_get(&j, 0, "job_id")), JSON_NUMBER);
	json_release(&j);
	buf_release(&body);
	free(text);

	static const char *const none[] = {"", "[]", "{\"a\":", "12", "\"x\""};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		buf_reset(&out);
		assert_int_equal(
		    report_shorten(none[i], strlen(none[i]), 1, &out), -1);
		assert_int_equal(out.len, 0);
	}
	struct buf small = BUF_INIT(8);
	assert_int_equal(report_shorten("{\"job_id\":123}", 14, 1, &small), -1);
	buf_release(&small);
}

static void progress_leaves_out_what_is_unknown(void **state)
{
	(void)state;
	struct json j;
	struct progress p = PROGRESS_INIT;
	progress(&p, NULL, NULL, &j);
	fixture_expect(&j, 0, "job_id", "12");
	assert_int_equal(json_count(&j, 0), 1);
	json_release(&j);

	progress(&p, "info", "", &j);
	assert_int_equal(json_count(&j, 0), 1);
	json_release(&j);

	p.files_total = 0;
	p.files_processed = 3000000000;
	p.bytes_total = 1;
	p.bytes_processed = INT64_MAX;
	snprintf(p.message, sizeof(p.message), "Backing up 3 files...");
	progress(&p, "error", "l", &j);
	fixture_expect(&j, 0, "files_total", "0");
	fixture_expect(&j, 0, "files_processed", "2147483647");
	fixture_expect(&j, 0, "bytes_total", "1");
	fixture_expect(&j, 0, "bytes_processed", "9223372036854775807");
	fixture_expect(&j, 0, "status_message", "Backing up 3 files...");
	fixture_expect(&j, 0, "log_message", "l");
	fixture_expect(&j, 0, "log_level", "error");
	assert_int_equal(json_count(&j, 0), 8);
	json_release(&j);
}

static void progress_is_cut(void **state)
{
	(void)state;
	struct json j;
	struct progress p = PROGRESS_INIT;
	char *log = long_text(1999, "\xc3\xa4");
	memset(p.message, 'x', 254);
	memcpy(p.message + 254, "\xff", 2);
	progress(&p, "info", log, &j);
	assert_int_equal(length(&j, "status_message"), 254);
	assert_int_equal(length(&j, "log_message"), 1999);
	json_release(&j);
	free(log);
}

static void expect_gist(const char *error_log, const char *gist)
{
	struct buf b = BUF_INIT(4096);
	report_gist(error_log, &b);
	assert_string_equal(buf_str(&b), gist);
	buf_release(&b);
}

/* The first two lines; of a traceback not the way to the error. */
static void the_gist_of_errors(void **state)
{
	(void)state;
	expect_gist("", "");
	expect_gist("\n\n", "");
	expect_gist(
	    "Repository /r does not exist.", "Repository /r does not exist.");
	expect_gist("one\n\ntwo\nthree\n", "one; two");
	expect_gist("Local Exception\nTraceback (most recent call last):\n"
		    "  File \"borg/archiver.py\", line 5171, in main\n"
		    "    exit_code = archiver.run(args)\n"
		    "OSError: [Errno 28] No space left on device: '/x'\n\n"
		    "Platform: Linux\n",
	    "Local Exception; OSError: [Errno 28] No space left on device: "
	    "'/x'");
	/* Cut at a character, and the next line still stands there. */
	char line[512] = "";
	for (int i = 0; i < 100; i++)
		memcpy(line + i * 3, "\xe2\x82\xac", 4);
	memcpy(line + 300, "\nnext", 6);
	struct buf b = BUF_INIT(4096);
	report_gist(line, &b);
	assert_int_equal(b.len, 240 + strlen("; next"));
	assert_string_equal(buf_str(&b) + 240, "; next");
	buf_reset(&b);
	log_hide("open-sesame");
	report_gist("wrong passphrase open-sesame", &b);
	log_forget();
	assert_string_equal(buf_str(&b), "wrong passphrase ***");
	buf_release(&b);
}

static void a_report_is_packed_with_its_gist(void **state)
{
	struct report q, r = {.result = REPORT_FAILED,
			     .files_processed = 7,
			     .error_log = "one\ntwo\nthree"};
	struct buf b = BUF_INIT(4096);
	struct unpack u;
	(void)state;
	report_pack(&r, &b);
	unpack_init(&u, b.data, b.len);
	assert_int_equal(report_unpack(&q, &u), 0);
	assert_int_equal(unpack_end(&u), 0);
	assert_int_equal(q.result, REPORT_FAILED);
	assert_int_equal(q.files_processed, 7);
	assert_string_equal(q.error_log, "one; two");
	unpack_init(&u, b.data, b.len - 1);
	assert_int_equal(report_unpack(&q, &u), -1);
	buf_reset(&b);
	r.error_log = NULL;
	report_pack(&r, &b);
	unpack_init(&u, b.data, b.len);
	assert_int_equal(report_unpack(&q, &u), 0);
	assert_string_equal(q.error_log, "");
	buf_release(&b);
}

static void progress_is_packed_and_unpacked(void **state)
{
	(void)state;
	struct progress p = {1, -1, INT64_MAX, INT64_MIN, "message"};
	struct progress q = PROGRESS_INIT;
	struct buf b = BUF_INIT(4096);
	struct unpack u;
	progress_pack(&p, &b);
	for (size_t len = 0; len < b.len; len++) {
		unpack_init(&u, b.data, len);
		assert_int_equal(progress_unpack(&q, &u), -1);
	}
	unpack_init(&u, b.data, b.len);
	assert_int_equal(progress_unpack(&q, &u), 0);
	assert_int_equal(unpack_end(&u), 0);
	assert_memory_equal(&p, &q, sizeof(p));
	/* A message that is longer than it may be. */
	buf_reset(&b);
	pack_u64(&b, 1);
	pack_u64(&b, 1);
	pack_u64(&b, 1);
	pack_u64(&b, 1);
	char *text = long_text(254, "\xc3\xa4");
	pack_str(&b, text);
	unpack_init(&u, b.data, b.len);
	assert_int_equal(progress_unpack(&q, &u), 0);
	assert_int_equal(strlen(q.message), 254);
	free(text);
	buf_release(&b);
}

static void test_least(void **state)
{
	char text[REPORT_LEAST_MAX];
	(void)state;
	size_t len = report_least(INT64_MAX, REPORT_COMPLETED, text);
	assert_int_equal(len, strlen(text));
	assert_true(len < sizeof(text) - 1);
	assert_int_equal(json_check(text, len, 4, NULL, NULL), 0);
	assert_non_null(strstr(text, "\"result\":\"completed\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_least),
	    cmocka_unit_test(a_backup_in_full),
	    cmocka_unit_test(leaves_out_what_is_not_said),
	    cmocka_unit_test(clamps_counts),
	    cmocka_unit_test(cuts_at_characters),
	    cmocka_unit_test(mends_what_is_not_utf8),
	    cmocka_unit_test(any_bytes_at_all),
	    cmocka_unit_test(says_when_there_is_no_room),
	    cmocka_unit_test(fails_in_a_sentence),
	    cmocka_unit_test(a_shorter_report),
	    cmocka_unit_test(progress_leaves_out_what_is_unknown),
	    cmocka_unit_test(progress_is_cut),
	    cmocka_unit_test(the_gist_of_errors),
	    cmocka_unit_test(a_report_is_packed_with_its_gist),
	    cmocka_unit_test(progress_is_packed_and_unpacked),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&out);
	return failed;
}
