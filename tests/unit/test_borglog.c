/* borg's log: recorded lines, crafted ones, and anything at all. */
#include "fixture.h"
#include "job/borglog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json json;
static struct borglog_event event;

static const struct borglog_event *decode(const char *line)
{
	/* Exactly its bytes, so that reading beyond is noticed. */
	size_t len = strlen(line);
	static char *copy;
	free(copy);
	copy = malloc(len + 1);
	memcpy(copy, line, len);
	copy[len] = '\0';
	borglog_decode(&json, copy, len, &event);
	if (line[0] == '\0') {
		free(copy);
		copy = NULL;
	}
	return &event;
}

static void expect_file(char status, const char *path, const char *b64)
{
	assert_int_equal(event.kind, BORGLOG_FILE);
	assert_int_equal(event.status, status);
	assert_int_equal(event.path_len, strlen(path));
	assert_memory_equal(event.path, path, event.path_len);
	if (b64 == NULL) {
		assert_null(event.path_b64);
		return;
	}
	assert_int_equal(event.path_b64_len, strlen(b64));
	assert_memory_equal(event.path_b64, b64, event.path_b64_len);
}

static void expect_message(enum borglog_level level, const char *text)
{
	assert_int_equal(event.kind, BORGLOG_MESSAGE);
	assert_int_equal(event.level, level);
	char *message = json_strdup(&json, event.message);
	if (text == NULL)
		assert_null(message);
	else
		assert_string_equal(message, text);
	free(message);
}

static void files(void **state)
{
	(void)state;
	/* As borg writes it, and the same with other blanks and orders. */
	static const char *const forms[] = {
	    "{\"type\": \"file_status\", \"status\": \"%s\", \"path\": "
	    "\"%s\"}",
	    "{\"type\":\"file_status\",\"status\":\"%s\",\"path\":\"%s\"}",
	    "{\"type\": \"file_status\", \"status\": \"%s\", \"path\": "
	    "\"%s\" }",
	    "{ \"status\": \"%s\", \"path\": \"%s\", \"type\": "
	    "\"file_status\"}"};
	static const char *const paths[] = {"/etc/passwd", "etc", "", " ",
	    "/a \\\"q\\\" b", "/back\\\\", "/new\\nline", "gr\xc3\xb6\xc3\x9f",
	    "/caf\\udce9", "/caf\xe9", "/\\ud83d\\ude00", "/}, {", "/\x7f",
	    "/a\\\", \\\"path\\\": \\\"b"};
	static const char *const statuses[] = {
	    "A", "M", "U", "d", "h", "s", "f", "x", "e", "C", "-", "?"};
	char line[512];
	for (size_t f = 0; f < 4; f++) {
		for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
			for (size_t s = 0; s < 12; s++) {
				snprintf(line, sizeof(line), forms[f],
				    statuses[s], paths[p]);
				decode(line);
				expect_file(statuses[s][0], paths[p], NULL);
			}
		}
	}
	decode("{\"type\": \"file_status\", \"status\": \"A\", \"path\": "
	       "\"caf?\", \"path_b64\": \"Y2Fm6Q==\"}");
	expect_file('A', "caf?", "Y2Fm6Q==");
}

/* Known types with fields that are missing or wrong. */
static void broken_files(void **state)
{
	(void)state;
	static const char *const lines[] = {
	    "{\"type\": \"file_status\"}",
	    "{\"type\": \"file_status\", \"status\": \"A\"}",
	    "{\"type\": \"file_status\", \"path\": \"/x\"}",
	    "{\"type\": \"file_status\", \"status\": \"\", \"path\": \"/x\"}",
	    "{\"type\": \"file_status\", \"status\": \"AM\", \"path\": "
	    "\"/x\"}",
	    "{\"type\": \"file_status\", \"status\": \"\\u0041\", \"path\": "
	    "\"/x\"}",
	    "{\"type\": \"file_status\", \"status\": 5, \"path\": \"/x\"}",
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": null}",
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": [\"/\"]}",
	    "{\"type\": \"file_status\", \"status\": \"\\\"\", \"path\": 1}",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (decode(lines[i])->kind != BORGLOG_OTHER)
			fail_msg("%s", lines[i]);
	}
	decode("{\"type\": \"file_status\", \"status\": \"A\", \"path\": "
	       "\"/x\", \"path_b64\": null}");
	expect_file('A', "/x", NULL);
}

static void archive_progress(void **state)
{
	(void)state;
	decode("{\"original_size\": 7656508, \"compressed_size\": 1, "
	       "\"deduplicated_size\": 2, \"nfiles\": 12, \"path\": \"x\", "
	       "\"time\": 1795411345.018555, \"type\": \"archive_progress\", "
	       "\"finished\": false}");
	assert_int_equal(event.kind, BORGLOG_ARCHIVE);
	assert_int_equal(event.nfiles, 12);
	assert_int_equal(event.original_size, 7656508);
	assert_false(event.finished);
	decode("{\"type\": \"archive_progress\", \"finished\": true}");
	assert_int_equal(event.kind, BORGLOG_ARCHIVE);
	assert_int_equal(event.nfiles, -1);
	assert_int_equal(event.original_size, -1);
	assert_true(event.finished);
	decode("{\"type\": \"archive_progress\", \"nfiles\": -5, "
	       "\"original_size\": \"x\"}");
	assert_int_equal(event.nfiles, -1);
	assert_int_equal(event.original_size, -1);
}

static void percent_and_phase(void **state)
{
	(void)state;
	decode("{\"message\": \"  0.2% Extracting: r\", \"current\": 3902858, "
	       "\"total\": 630401600, \"info\": [\"r\"], \"operation\": 1, "
	       "\"msgid\": \"extract\", \"type\": \"progress_percent\", "
	       "\"finished\": false, \"time\": 1.5}");
	assert_int_equal(event.kind, BORGLOG_PERCENT);
	assert_int_equal(event.current, 3902858);
	assert_int_equal(event.total, 630401600);
	assert_true(event.is_extract);
	assert_false(event.finished);
	decode("{\"operation\": 1, \"msgid\": \"check.verify\", \"type\": "
	       "\"progress_percent\", \"finished\": true}");
	assert_int_equal(event.kind, BORGLOG_PERCENT);
	assert_int_equal(event.current, -1);
	assert_int_equal(event.total, -1);
	assert_false(event.is_extract);
	assert_true(event.finished);
	decode("{\"message\": \"Reading config\", \"operation\": 1, "
	       "\"msgid\": \"cache.begin_transaction\", \"type\": "
	       "\"progress_message\", \"finished\": false}");
	assert_int_equal(event.kind, BORGLOG_PHASE);
	assert_true(json_is(&json, event.message, "Reading config"));
	decode("{\"type\": \"progress_message\", \"finished\": true}");
	assert_int_equal(event.kind, BORGLOG_PHASE);
	assert_int_equal(event.message, JSON_NONE);
	assert_true(event.finished);
}

static void messages(void **state)
{
	(void)state;
	decode("{\"type\": \"log_message\", \"time\": 1.5, \"message\": "
	       "\"/x: caf\\udce9 \\ud83d\\ude00\\n\", \"levelname\": "
	       "\"WARNING\", \"name\": \"borg.archiver\"}");
	expect_message(
	    BORGLOG_WARNING, "/x: caf\xef\xbf\xbd \xf0\x9f\x98\x80\n");
	decode("{\"type\": \"log_message\", \"message\": \"m\", "
	       "\"levelname\": \"ERROR\"}");
	expect_message(BORGLOG_ERROR, "m");
	decode("{\"type\": \"log_message\", \"message\": \"m\", "
	       "\"levelname\": \"CRITICAL\"}");
	expect_message(BORGLOG_CRITICAL, "m");
	decode("{\"type\": \"log_message\", \"levelname\": \"ERROR\"}");
	expect_message(BORGLOG_ERROR, NULL);
	/* An item is listed at INFO; no other INFO counts. */
	decode("{\"type\": \"log_message\", \"message\": \"tmp/x\", "
	       "\"levelname\": \"INFO\", \"name\": \"borg.output.list\"}");
	assert_int_equal(event.kind, BORGLOG_LISTED);
	decode("{\"type\": \"log_message\", \"message\": \"w\", "
	       "\"levelname\": \"WARNING\", \"name\": \"borg.output.list\"}");
	expect_message(BORGLOG_WARNING, "w");
	static const char *const others[] = {
	    "{\"type\": \"log_message\", \"message\": \"m\", \"levelname\": "
	    "\"INFO\", \"name\": \"borg.output.stats\"}",
	    "{\"type\": \"log_message\", \"message\": \"m\", \"levelname\": "
	    "\"DEBUG\", \"name\": \"borg\"}",
	    "{\"type\": \"log_message\"}",
	    "{\"type\": \"question_prompt\", \"message\": \"Continue?\"}",
	    "{\"type\": \"something_new\", \"status\": \"A\", \"path\": \"/\"}",
	    "{\"type\": null}", "{\"type\": 5}", "{}",
	    "{\"status\": \"A\", \"path\": \"/\"}"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (decode(others[i])->kind != BORGLOG_OTHER)
			fail_msg("%s", others[i]);
	}
}

static void what_is_no_json(void **state)
{
	(void)state;
	static const char *const lines[] = {"", "{", "}", "{]", "null", "[]",
	    "\"x\"", "Traceback (most recent call last):",
	    "borg: error: unrecognized arguments: --nonsense",
	    "usage: borg [-V] [-h]", "{\"type\": \"file_status\", \"status\"",
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"/x\"",
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"/x\\"
	    "\"}",
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"\"}\"}",
	    "{'type': 'log_message'}"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (decode(lines[i])->kind != BORGLOG_TEXT)
			fail_msg("%s", lines[i]);
	}
}

/* Each prefix of a line, and each line with one byte changed. */
static void damaged_lines(void **state)
{
	(void)state;
	static const char *const lines[] = {
	    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"/x\"}",
	    "{\"type\": \"log_message\", \"message\": \"a\\ud83d\\ude00\", "
	    "\"levelname\": \"ERROR\"}",
	    "{\"current\": 39, \"total\": 63, \"type\": \"progress_percent\"}"};
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(lines[i]);
		for (size_t n = 0; n < len; n++) {
			char *part = malloc(n > 0 ? n : 1);
			memcpy(part, lines[i], n);
			borglog_decode(&json, part, n, &event);
			assert_int_equal(event.kind, BORGLOG_TEXT);
			free(part);
			char *copy = malloc(len);
			for (int c = 0; c < 256; c++) {
				memcpy(copy, lines[i], len);
				copy[n] = (char)c;
				borglog_decode(&json, copy, len, &event);
				if (event.kind == BORGLOG_FILE)
					assert_true(
					    event.path >= copy &&
					    event.path + event.path_len <
						copy + len);
			}
			free(copy);
		}
	}
}

static void routine_warnings(void **state)
{
	(void)state;
	static const char *const routine[] = {
	    "Remote: Warning: Permanently added '[127.0.0.1]:2222' (ED25519) "
	    "to the list of known hosts.",
	    "/var/log/syslog: file changed while we backed it up",
	    "/tmp/x: file vanished while we backed it up",
	    "/tmp/x: stat: [Errno 2] No such file or directory: 'x'",
	    "/root/x: open: [Errno 13] Permission denied: 'x'",
	    "/x: [Errno 1] Operation not permitted",
	    "/x: read: [Errno 11] Resource temporarily unavailable"};
	static const char *const other[] = {"",
	    "/srv/missing: [Errno 2] No such file or directory: 'missing'",
	    "/x: read: [Errno 5] Input/output error",
	    "Include pattern 'no/such' never matched.",
	    "/x: [Errno 12] Cannot allocate memory",
	    "/x: [Errno 113] No route to host", "[Errno 110]",
	    "Remote: ssh: connect to host h port 22: Connection refused"};
	for (size_t i = 0; i < sizeof(routine) / sizeof(routine[0]); i++)
		assert_true(borglog_is_routine(routine[i]));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(borglog_is_routine(other[i]));
}

static void texts_that_matter(void **state)
{
	(void)state;
	assert_true(borglog_text_matters("borg: error: unrecognized"));
	assert_true(borglog_text_matters("OSError: [Errno 28]"));
	assert_true(borglog_text_matters("borg.locking.NotLocked: /x"));
	assert_true(borglog_text_matters("Failed to release the lock /x"));
	assert_false(borglog_text_matters("usage: borg [-V]"));
	assert_false(
	    borglog_text_matters("Traceback (most recent call last):"));
	assert_false(borglog_text_matters(""));
}

static void lock_marks(void **state)
{
	(void)state;
	assert_int_equal(borglog_lock_marks("all is well"), 0);
	assert_int_equal(
	    borglog_lock_marks("raise NotLocked(x)"), BORGLOG_NOT_LOCKED);
	assert_int_equal(borglog_lock_marks("Failed to release the lock /x"),
	    BORGLOG_RELEASE_FAILED);
	assert_int_equal(
	    borglog_lock_marks("Failed to release the lock /x (NotLocked)"),
	    BORGLOG_NOT_LOCKED | BORGLOG_RELEASE_FAILED);
}

static int kinds[BORGLOG_OTHER + 1];

static void decode_recorded(const char *name, const struct buf *text)
{
	const char *p = buf_str(text), *end = p + text->len;
	while (p < end) {
		size_t len = strcspn(p, "\n");
		borglog_decode(&json, p, len, &event);
		kinds[event.kind]++;
		/* borg's own JSON is always understood. */
		if (p[0] == '{' &&
		    (event.kind == BORGLOG_TEXT || event.kind == BORGLOG_OTHER))
			fail_msg("%s: %.*s", name, (int)len, p);
		p += len + 1;
	}
}

static void recorded_lines(void **state)
{
	(void)state;
	if (fixture_recorded("wire/borg", ".stderr", decode_recorded) == 0)
		return;
	for (int kind = 0; kind < BORGLOG_OTHER; kind++)
		assert_true(kinds[kind] > 0);
	assert_true(kinds[BORGLOG_FILE] > 1000);
	assert_true(kinds[BORGLOG_LISTED] > 100);
}

static int release(void **state)
{
	(void)state;
	decode("");
	json_release(&json);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files),
	    cmocka_unit_test(broken_files),
	    cmocka_unit_test(archive_progress),
	    cmocka_unit_test(percent_and_phase),
	    cmocka_unit_test(messages),
	    cmocka_unit_test(what_is_no_json),
	    cmocka_unit_test(damaged_lines),
	    cmocka_unit_test(routine_warnings),
	    cmocka_unit_test(texts_that_matter),
	    cmocka_unit_test(lock_marks),
	    cmocka_unit_test(recorded_lines),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
